"""The master's core, step by step: launches, gangs, reclaims, partition, fail-over, snapshots, what is refused."""

import json

import pytest

import drf
from drf.errors import ClockError, DRFError, InputError, InvalidOption, InvariantBroken
from drf.masters.core import (
    FINISHED,
    GONE,
    KILLED,
    LOST,
    RUNNING,
    UNREACHABLE,
    Accept,
    Acknowledge,
    AgentDisconnected,
    AgentGone,
    AnswerInverse,
    Decline,
    Disconnected,
    Expect,
    Kill,
    Launch,
    Maintain,
    Master,
    Reclaim,
    Reconcile,
    Register,
    Report,
    Request,
    SetQuota,
    SetWeights,
    Subscribe,
    Teardown,
    Tick,
    Update,
)


def names(messages):
    return [type(message).__name__ for message in messages]


def offers(messages):
    return [offer for m in messages if type(m).__name__ == "Offered" for offer in m.offers]


@pytest.fixture
def master():
    made = Master(lambda: drf.Allocator(interval=None, offer="demand", agent_order="id"))
    yield made
    made.check()


def begun(master, count=1, cpus=1, framework="f", **subscription):
    """An agent m1 with 4 cpus and so many tasks of the framework that run there."""
    if "m1" not in master._books.agents:
        master.handle(Register("m1", "cpus:4"))
    master.handle(Subscribe(framework, ["r"], **subscription))
    master.handle(Request(framework, {"cpus": cpus}, count))
    (offer,) = offers(master.handle(Tick(master._books.now)))
    launches = [Launch(f"t{i}", {"cpus": cpus}) for i in range(count)]
    out = master.handle(Accept(framework, {offer.id: launches}))
    assert names(out) == ["Run"] * count
    for i in range(count):
        master.handle(Update("m1", framework, f"t{i}", 1, RUNNING))
        master.handle(Acknowledge(framework, f"t{i}", 1))
    return [message.task for message in out]


class TestLaunches:
    def test_all_or_none_on_several_offers(self, master):
        for name in ("m1", "m2"):
            master.handle(Register(name, "cpus:2"))
        master.handle(Subscribe("mpi"))
        master.handle(Request("mpi", "cpus:1", 4, together=True))
        first, second = offers(master.handle(Tick(0.0)))
        assert first.group == second.group
        whole = [Launch("a", "cpus:1"), Launch("b", "cpus:1")]
        large = [Launch("c", "cpus:3")]
        out = master.handle(Accept("mpi", {first.id: whole, second.id: large}))
        assert [m.state for m in out if type(m).__name__ == "Status"] == ["error"] * 3
        assert "Run" not in names(out)
        first, second = offers(master.handle(Tick(0.0)))
        rest = [Launch("c", "cpus:1"), Launch("d", "cpus:1")]
        out = master.handle(Accept("mpi", {first.id: whole, second.id: rest}))
        assert names(out) == ["Run"] * 4

    def test_gang_without_hoarding(self, master):
        master.handle(Register("m1", "cpus:4"))
        for name in ("mpi", "spark"):
            master.handle(Subscribe(name, [name]))
        master.handle(Request("mpi", "cpus:1", 5, together=True))
        master.handle(Request("spark", "cpus:1", 9))
        (offer,) = offers(master.handle(Tick(0.0)))
        assert (offer.framework, offer.resources["cpus"]) == ("spark", 4)

    def test_elastic_ones_grow_and_shrink(self, master):
        begun(master, 2, framework="f")
        begun(master, 2, framework="g")
        master.handle(Update("m1", "g", "t0", 2, FINISHED))
        master.handle(Request("f", "cpus:1", 3))
        (offer,) = offers(master.handle(Tick(0.0)))
        assert (offer.framework, offer.resources["cpus"]) == ("f", 1)
        assert names(master.handle(Kill("f", "t0"))) == ["End"]
        out = master.handle(Update("m1", "f", "t0", 2, KILLED))
        assert [m.state for m in out] == ["killed"]

    @pytest.mark.parametrize(
        ("launches", "text"),
        [
            ([Launch("", "cpus:1")], "malformed"),
            ([Launch("t", "cpus:9")], "is left"),
            ([Launch("t", "cpus:1"), Launch("t", "cpus:1")], "is there already"),
            ([Launch("t", "nonsense")], "nonsense"),
            ([Launch("t", {})], "uses nothing"),
            ([Launch("t", "cpus:1", duration=-1)], "duration"),
            ([None], "name"),
        ],
    )
    def test_malformed_tasks(self, master, launches, text):
        master.handle(Register("m1", "cpus:4"))
        master.handle(Subscribe("f"))
        master.handle(Request("f", "cpus:1", 2))
        (offer,) = offers(master.handle(Tick(0.0)))
        out = master.handle(Accept("f", {offer.id: launches}))
        assert names(out)[-1] == "Failed"
        assert text in out[-1].message
        assert offers(master.handle(Tick(0.0)))  # it went back, and is offered again

    def test_past_offers(self, master):
        master.handle(Register("m1", "cpus:4"))
        master.handle(Subscribe("f"))
        master.handle(Request("f", "cpus:1", 2))
        (offer,) = offers(master.handle(Tick(0.0)))
        master.handle(Decline("f", [offer.id], 0.0))
        out = master.handle(Accept("f", {offer.id: [Launch("t", "cpus:1")]}))
        assert [m.state for m in out[:-1]] == [LOST]

    def test_duration_and_reclaim(self, master):
        master.handle(Register("m1", "cpus:4"))
        for name in ("f", "g"):
            master.handle(Subscribe(name, [name]))
        master.handle(Request("f", "cpus:2", 2, duration=60.0))
        (offer,) = offers(master.handle(Tick(0.0)))
        tasks = [Launch(f"t{i}", "cpus:2", duration=60.0) for i in range(2)]
        master.handle(Accept("f", {offer.id: tasks}))
        master.handle(Reclaim("g", "cpus:2", 1, grace=10.0))
        (told,) = master.handle(Tick(1.0))
        assert (type(told).__name__, told.deadline) == ("Reclaimed", 10.0)
        assert [(type(m).__name__, m.task) for m in master.handle(Tick(10.0))] == [
            ("End", told.task)
        ]
        out = master.handle(Tick(60.0))
        reasons = {m.reason for m in out if type(m).__name__ == "End"}
        assert reasons == {"overdue", "longer than its duration"}


class TestPartition:
    def test_agent_comes_back_in_time(self, master):
        (task,) = begun(master)
        master.handle(AgentDisconnected("m1"))
        assert names(master.handle(Tick(50.0))) == []
        out = master.handle(Register("m1", "cpus:4", reports=[Report(task, RUNNING)]))
        assert names(out) == ["Admitted"]

    def test_agent_comes_back_late(self, master):
        (task,) = begun(master, failover_timeout=60.0)
        master.handle(AgentDisconnected("m1"))
        out = master.handle(Tick(75.0))
        assert names(out) == ["AgentLost", "Status"]
        assert out[1].state == UNREACHABLE
        master.handle(Kill("f", "t0"))
        out = master.handle(Register("m1", "cpus:4", reports=[Report(task, RUNNING)]))
        assert names(out) == ["Status", "Admitted", "End"]

    def test_agent_comes_back_without_it(self, master):
        begun(master)
        master.handle(AgentDisconnected("m1"))
        out = master.handle(Register("m1", "cpus:4"))
        assert [m.state for m in out if type(m).__name__ == "Status"] == [LOST]

    def test_gone(self, master):
        (task,) = begun(master)
        out = master.handle(AgentGone("m1"))
        assert out[-1].state == GONE
        assert names(master.handle(Register("m1", "cpus:4"))) == ["Refused"]
        assert names(master.handle(Acknowledge("f", "t0", 0))) == []
        out = master.handle(Register("m2", "cpus:4", reports=[Report(task, RUNNING)]))
        assert names(out) == ["Refused"]

    def test_it_has_less_than_it_runs(self, master):
        tasks = begun(master, 3)
        master.handle(AgentDisconnected("m1"))
        reports = [Report(task, RUNNING) for task in tasks]
        assert "Admitted" in names(master.handle(Register("m1", "cpus:2", reports=reports)))
        master.handle(Request("f", "cpus:1", 1))
        assert not offers(master.handle(Tick(0.0)))
        for i in range(3):
            master.handle(Update("m1", "f", f"t{i}", 2, FINISHED))
        assert offers(master.handle(Tick(0.0)))

    def test_tasks_of_a_framework_that_is_gone(self, master):
        (task,) = begun(master)
        master.handle(AgentDisconnected("m1"))
        master.handle(Tick(75.0))
        master.handle(Teardown("f"))
        report = Report(task, RUNNING)
        assert names(master.handle(Register("m1", "cpus:4", reports=[report]))) == [
            "End",
            "Refused",
        ]
        assert names(master.handle(Subscribe("f"))) == ["Failed"]

    @pytest.mark.parametrize(
        "event",
        [
            Register("m1", "nonsense"),
            Register("m1", "cpus:1", attributes={"a": object()}),
            Register("m1", "cpus:1", terms={"colour": "red"}),
            Register("m1", "cpus:1", reports=[None]),
            Register("", "cpus:1"),
        ],
    )
    def test_malformed_agents(self, master, event):
        assert names(master.handle(event)) == ["Refused"]

    @pytest.mark.parametrize("number", [0, -1, True, "1"])
    def test_malformed_updates(self, master, number):
        begun(master)
        assert names(master.handle(Update("m1", "f", "t0", number, FINISHED))) == ["Refused"]
        assert names(master.handle(Update("m1", "f", "t0", 9, "asleep"))) == ["Refused"]
        assert names(master.handle(Update("m1", "f", "other", 1, RUNNING))) == ["End", "Forget"]


class TestFailover:
    def test_in_time_and_late(self, master):
        begun(master, failover_timeout=30.0)
        master.handle(Disconnected("f"))
        assert names(master.handle(Tick(29.0))) == []
        out = master.handle(Subscribe("f", ["r"], stream=2, failover_timeout=30.0))
        assert out[0].tasks == ("t0",)
        master.handle(Disconnected("f", 1))  # of a connection of the past
        master.handle(Disconnected("f", 2))
        assert names(master.handle(Tick(59.0))) == ["End"]
        master.handle(Update("m1", "f", "t0", 2, KILLED))
        assert "f" not in master._books.frameworks

    def test_room_of_a_framework_that_goes_is_free_when_its_tasks_have_ended(self, master):
        begun(master, 4)
        master.handle(Teardown("f"))
        master.handle(Subscribe("g"))
        master.handle(Request("g", "cpus:1", 1))
        assert not offers(master.handle(Tick(0.0)))
        master.handle(Update("m1", "f", "t0", 2, KILLED))
        assert offers(master.handle(Tick(0.0)))

    def test_two_schedulers(self, master):
        begun(master, stream=1)
        out = master.handle(Subscribe("f", ["r"], stream=2))
        assert (names(out)[0], out[0].stream) == ("Failed", 1)
        assert names(master.handle(Kill("f", "t0", stream=1))) == ["Failed"]
        assert names(master.handle(Kill("f", "t0", stream=2))) == ["End"]

    def test_statuses_wait_for_each_other(self, master):
        begun(master)
        master.handle(Update("m1", "f", "t0", 2, RUNNING, "half"))
        assert names(master.handle(Update("m1", "f", "t0", 3, FINISHED))) == []
        assert names(master.handle(Tick(9.0))) == []
        assert [m.number for m in master.handle(Tick(10.0))] == [2]
        out = master.handle(Acknowledge("f", "t0", 2))
        assert (names(out), out[1].state) == (["Forget", "Status"], FINISHED)
        assert names(master.handle(Acknowledge("f", "t0", 2))) == []
        assert names(master.handle(Acknowledge("f", "t0", 3))) == ["Forget"]
        assert names(master.handle(Update("m1", "f", "t0", 3, FINISHED))) == ["Forget"]

    def test_what_is_acknowledged_while_its_agent_is_away_is_not_said_again(self, master):
        first, second = begun(master, 2)
        for name in ("t0", "t1"):
            master.handle(Update("m1", "f", name, 2, FINISHED))
        master.handle(AgentDisconnected("m1"))
        assert names(master.handle(Acknowledge("f", "t0", 2))) == []
        reports = [Report(t, FINISHED, ((2, FINISHED, ""),)) for t in (first, second)]
        out = master.handle(Register("m1", "cpus:4", reports=reports))
        assert names(out) == ["Admitted", "Forget"]
        assert (out[1].task, out[1].number) == ("t0", 2)
        assert names(master.handle(Acknowledge("f", "t1", 2))) == ["Forget"]
        assert not master._books.tasks

    def test_a_role_with_tasks_is_kept(self, master):
        begun(master)
        master.handle(Subscribe("f", ["other"]))
        assert master._books.frameworks["f"].roles == ("other", "r")
        assert names(master.handle(Subscribe("f", "text"))) == ["Failed"]
        assert names(master.handle(Subscribe("f", failover_timeout=-1))) == ["Failed"]


class TestMaintenance:
    def asked(self, messages):
        return [m[:2] for m in messages if type(m).__name__ == "InverseOffered"]

    def test_whoever_is_there_is_asked_once_and_answers(self, master):
        begun(master, 2, framework="f")
        begun(master, 1, framework="g")
        master.handle(Register("m2", "cpus:1"))
        assert names(master.handle(Maintain("m1", 100.0, 60.0))) == []
        out = master.handle(Tick(0.0))
        assert self.asked(out) == [("f", "m1"), ("g", "m1")]
        assert (out[0].start, out[0].duration) == (100.0, 60.0)
        assert self.asked(master.handle(Tick(1.0))) == []
        assert names(master.handle(AnswerInverse("f", "m1", True, 600.0))) == []
        assert names(master.handle(AnswerInverse("g", "m1", False, 600.0))) == []
        assert master.allocator.inverse_offer_statuses() == {"m1": {"f": "ACCEPT", "g": "DECLINE"}}
        (failed,) = master.handle(AnswerInverse("f", "m1", True))
        assert "no inverse offer of 'm1' is open" in failed.message
        assert names(master.handle(AnswerInverse("f", "m2", True))) == ["Failed"]
        assert names(master.handle(AnswerInverse("x", "m1", True))) == ["Failed"]

    def test_called_off_or_moved(self, master):
        begun(master)
        master.handle(Maintain("m1", 100.0))
        assert self.asked(master.handle(Tick(0.0))) == [("f", "m1")]
        out = master.handle(Maintain("m1", 200.0))
        assert (names(out), out[0].agent) == (["InverseRescinded"], "m1")
        assert [m.start for m in master.handle(Tick(0.0))] == [200.0]
        assert names(master.handle(Maintain("m1"))) == ["InverseRescinded"]
        assert names(master.handle(Maintain("m1"))) == []
        assert self.asked(master.handle(Tick(1.0))) == []
        with pytest.raises(DRFError, match="m9"):
            master.handle(Maintain("m9", 1.0))
        with pytest.raises(DRFError):
            master.handle(Maintain("m1", -1.0))
        assert master._books.agents["m1"].unavailability is None

    def test_open_offers_of_the_agent_end(self, master):
        master.handle(Register("m1", "cpus:4"))
        master.handle(Subscribe("f"))
        master.handle(Request("f", "cpus:1", 2))
        assert offers(master.handle(Tick(0.0)))
        assert names(master.handle(Maintain("m1", 100.0))) == ["Rescinded"]

    def test_another_scheduler_and_another_master_ask_again(self, master):
        (task,) = begun(master, failover_timeout=60.0)
        master.handle(Maintain("m1", 100.0, 60.0))
        assert self.asked(master.handle(Tick(0.0))) == [("f", "m1")]
        master.handle(Subscribe("f", ["r"], stream=2, failover_timeout=60.0))
        assert names(master.handle(AnswerInverse("f", "m1", True))) == ["Failed"]
        assert self.asked(master.handle(Tick(0.0))) == [("f", "m1")]
        new = Master.restore(json.loads(json.dumps(master.snapshot())), now=1.0)
        new.handle(Subscribe("f", ["r"]))
        new.handle(Register("m1", "cpus:5", reports=[Report(task, RUNNING)]))
        assert self.asked(new.handle(Tick(1.0))) == [("f", "m1")]
        new.check()

    def test_an_agent_that_is_gone_is_not_to_be_left(self, master):
        begun(master)
        master.handle(Maintain("m1", 100.0))
        master.handle(Tick(0.0))
        master.handle(AgentGone("m1"))
        assert names(master.handle(AnswerInverse("f", "m1", True))) == ["Failed"]
        assert self.asked(master.handle(Tick(1.0))) == []


class TestMasters:
    def test_one_that_knows_nothing(self, master):
        (task,) = begun(master, failover_timeout=60.0)
        new = Master(epoch=1)
        new.handle(Expect(2, {"r": {"guarantees": {"cpus": 1}}}))
        new.handle(Subscribe("g"))
        assert names(new.handle(Reconcile("g", ["x"]))) == []
        new.handle(Register("m1", "cpus:4", reports=[Report(task, RUNNING, ((1, RUNNING, ""),))]))
        out = new.handle(Subscribe("f", ["r"]))
        assert names(out) == ["Subscribed", "Status"]
        new.handle(Register("m2", "cpus:4"))
        new.handle(Tick(1.0))
        assert [m.state for m in new.handle(Reconcile("g", ["x"]))] == [LOST]
        new.check()

    def test_a_snapshot_that_is_older(self, master):
        begun(master, 2)
        text = json.dumps(master.snapshot(), sort_keys=True)
        master.handle(Request("f", "cpus:1", 1))
        (offer,) = offers(master.handle(Tick(5.0)))
        (run,) = master.handle(Accept("f", {offer.id: [Launch("later", "cpus:1")]}))
        new = Master.restore(json.loads(text), now=9.0)
        new.check()
        reports = [Report(t.info, RUNNING) for t in master._books.tasks.values()]
        assert run.task in [report.task for report in reports]
        new.handle(Register("m1", "cpus:4", reports=reports))
        new.check()
        assert new.handle(Subscribe("f", ["r"]))[0].tasks == ("t0", "t1", "later")
        new.handle(Request("f", "cpus:1", 9))
        (offer,) = offers(new.handle(Tick(9.0)))
        assert (offer.id[:2], offer.resources["cpus"]) == ("1-", 1)

    def test_after_a_snapshot_nothing_is_said_of_tasks_it_does_not_know(self, master):
        """They may have been launched after it, on an agent that is not back."""
        begun(master, failover_timeout=600.0)
        old = master.snapshot()
        master.handle(Request("f", "cpus:1", 1))
        (offer,) = offers(master.handle(Tick(5.0)))
        (run,) = master.handle(Accept("f", {offer.id: [Launch("later", "cpus:1")]}))
        new = Master.restore(old, now=9.0, agent_timeout=50.0)
        new.handle(Subscribe("f", ["r"], failover_timeout=600.0))
        new.handle(Tick(9.0))
        assert names(new.handle(Reconcile("f", ["later"]))) == []
        new.handle(Register("m1", "cpus:4", reports=[Report(run.task, RUNNING)]))
        assert [m.state for m in new.handle(Reconcile("f", ["later"]))] == [RUNNING]
        new.handle(Tick(59.0))
        assert [m.state for m in new.handle(Reconcile("f", ["never"]))] == [LOST]
        new.check()

    def test_an_agent_that_comes_twice_is_one_of_those_expected(self):
        new = Master(epoch=1)
        new.handle(Expect(2, {}))
        new.handle(Subscribe("g"))
        for _ in range(2):
            new.handle(Register("m1", "cpus:4"))
            new.handle(AgentDisconnected("m1"))
        new.handle(Tick(1.0))
        assert names(new.handle(Reconcile("g", ["x"]))) == []
        new.handle(AgentGone("m2"))
        new.handle(Tick(1.0))
        assert [m.state for m in new.handle(Reconcile("g", ["x"]))] == [LOST]

    def test_snapshots_that_are_none(self, master):
        begun(master)
        good = master.snapshot()
        with pytest.raises(InputError, match="checksum"):
            Master.restore({**good, "checksum": "0"})
        with pytest.raises(InputError):
            Master.restore({})
        with pytest.raises(ClockError):
            Master.restore(good, now=-1.0)

    def test_operator(self, master):
        master.handle(SetWeights({"r": 2.0}))
        master.handle(SetQuota("r", {"cpus": 1}, {"cpus": 2}))
        begun(master, 2)
        master.handle(Request("f", "cpus:1", 1))
        assert not offers(master.handle(Tick(0.0)))
        with pytest.raises(DRFError):
            master.handle(SetWeights({"r": 0.0}))
        with pytest.raises(InvalidOption, match="no event"):
            master.handle("Tick")
        with pytest.raises(ClockError):
            master.handle(Tick(-1.0))
        with pytest.raises(InvalidOption, match="resend"):
            Master(resend=0)

    def test_next_deadline(self, master):
        assert master.next_deadline() is None
        begun(master, failover_timeout=30.0)
        master.handle(Update("m1", "f", "t0", 2, FINISHED))
        assert master.next_deadline() == 10.0
        master.handle(Disconnected("f"))
        assert master.next_deadline() == 30.0
        master.handle(AgentDisconnected("m1"))
        assert master.next_deadline() == 30.0


FAULTS = {
    "a task is nowhere": lambda books, broker: books.tasks.pop("f/t0"),
    "a task is on no agent": lambda books, broker: books.on["m1"].pop("f/t0"),
    "a task ended": lambda books, broker: setattr(books.tasks["f/t0"], "state", FINISHED),
    "an agent is here and away": lambda books, broker: setattr(books.agents["m1"], "deadline", 1.0),
    "a framework is away": lambda books, broker: setattr(books.frameworks["f"], "connected", False),
    "its room is free": lambda books, broker: broker.allocator.release(task="f/t0"),
    "an agent is out": lambda books, broker: setattr(books.agents["m1"], "state", "unreachable"),
    "it has less": lambda books, broker: setattr(books.agents["m1"], "resources", drf.Resources()),
    "an offer is told to nobody": lambda books, broker: broker._numbers.clear(),
    "a status is not on its way": lambda books, broker: books.tasks["f/t0"].notes.append(None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_finds(fault):
    master = Master()
    begun(master)
    master.handle(Request("f", "cpus:1", 1))
    assert offers(master.handle(Tick(0.0)))
    master.check()
    FAULTS[fault](master._books, master._broker)
    with pytest.raises(InvariantBroken):
        master.check()
