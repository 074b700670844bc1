"""Room for short tasks: written, offered apart, used by tasks with a duration only, and taken back after it."""

from __future__ import annotations

import pytest

import drf
from drf.errors import InvalidOption, InvalidQuantity
from drf.journal import JournaledAllocator, replay
from drf.resources import Resources, Shape

SHORT = ("cpus:2;mem:4", 60.0)


def made(offer="agent", capabilities=("SHORT_TASKS",), maker=drf.Allocator, **options):
    a = maker(interval=None, offer=offer, **options)
    a.add_agent("m", "cpus:6;mem:12", short=SHORT)
    a.add_framework("f", capabilities=list(capabilities) if capabilities is not None else None)
    return a


def shown(offers):
    return [(str(o.resources), o.max_duration) for o in offers]


class TestWritten:
    @pytest.mark.parametrize(
        "text", ["cpus{60s}:2", "cpus:1;cpus{0.5s}:2", "cpus(ads){60s}:2;ports{9s}:[1-2]"]
    )
    def test_text_and_json_come_back(self, text):
        amount = Resources(text)
        assert str(amount) == text
        assert Resources(str(amount)) == amount
        assert Resources.from_json(amount.to_json()) == amount

    def test_json_names_seconds(self):
        (entry,) = Resources("cpus{60s}:2").to_json()
        assert entry == {"name": "cpus", "value": 2, "longest": 60}

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True, "60"])
    def test_seconds_are_above_0(self, seconds):
        with pytest.raises(InvalidQuantity):
            Resources.from_json([{"name": "cpus", "value": 2, "longest": seconds}])
        with pytest.raises(InvalidQuantity):
            drf.Allocator().add_agent("m", "cpus:1", short=("cpus:1", seconds))

    @pytest.mark.parametrize("text", ["cpus{0s}:1", "cpus{1.2.3s}:1"])
    def test_text_too(self, text):
        with pytest.raises(InvalidQuantity, match="above 0"):
            Resources(text)

    def test_kinds_do_not_mix(self):
        both = Resources("cpus:1;cpus{60s}:2;cpus{9s}:3")
        assert not Resources("cpus:2") <= both
        assert both.quantity("cpus") == 6

    def test_an_agent_says_both_parts(self):
        a = drf.Allocator(interval=None)
        with pytest.raises(InvalidOption, match="an amount and the seconds"):
            a.add_agent("m", "cpus:6", short="cpus:2")
        a.add_agent("m", "cpus:6")
        with pytest.raises(InvalidOption, match="give resources"):
            a.update_agent("m", short=SHORT)
        a.add_framework("f", capabilities=["SHORT_TASKS"])
        a.update_agent("m", "cpus:4", short=("cpus:1", 5))
        assert shown(a.run().offers) == [("cpus:4", None), ("cpus{5s}:1", 5.0)]


class TestOffered:
    def test_each_part_is_an_offer_of_its_own(self):
        offers = made().run().offers
        assert shown(offers) == [("cpus:6;mem:12", None), ("cpus{60s}:2;mem{60s}:4", 60.0)]

    @pytest.mark.parametrize("capabilities", [None, ["REVOCABLE_RESOURCES"]])
    def test_who_has_not_said_so_gets_no_such_part(self, capabilities):
        a = made(capabilities=capabilities)
        assert shown(a.run().offers) == [("cpus:6;mem:12", None)]

    def test_each_is_refused_apart(self):
        a = made()
        regular, short = a.run().offers
        a.decline(regular, refuse_seconds=10)
        a.decline(short, refuse_seconds=0)
        (again,) = a.run().offers
        assert again.max_duration == 60.0
        a.decline(again, refuse_seconds=20)
        assert not a.run()
        assert a.why("f").standings[0].obstacles["m"].rule == "refused"
        a.advance(10.0)
        assert [o.max_duration for o in a.run().offers] == [None]

    def test_requests_with_a_duration_get_short_room_first(self):
        a = made("demand", capabilities=None)
        a.request("f", "cpus:1;mem:1", 4, duration=30)
        a.request("f", "cpus:2;mem:1", 9)
        got = {o.max_duration: (str(o.resources), [n for _, n in o.tasks]) for o in a.run().offers}
        assert got == {
            60.0: ("cpus{60s}:2;mem{60s}:2", [2]),
            None: ("cpus:6;mem:4", [2, 2]),
        }
        a.check()

    def test_a_longer_task_gets_none_of_it(self):
        a = made("demand")
        a.request("f", "cpus:1", 9, duration=61)
        assert shown(a.run().offers) == [("cpus:6", None)]

    def test_the_smallest_bound_that_will_do(self):
        a = drf.Allocator(interval=None, offer="demand")
        a.add_agent("m", "cpus{60s}:2;cpus{10s}:2;cpus:2")
        a.add_framework("f")
        a.request("f", "cpus:1", 1, duration=10)
        a.request("f", "cpus:2", 1, duration=11)
        assert {o.max_duration for o in a.run().offers} == {10.0, 60.0}

    def test_served_tasks_leave_the_request(self):
        a = made("demand")
        a.request("f", "cpus:1", 2, duration=30)
        (offer,) = a.run().offers
        a.accept(offer, tasks={n: drf.TaskSpec("cpus:1", duration=30) for n in "ab"})
        assert not a.run()


class TestUsed:
    def test_plain_amounts_of_tasks_are_of_that_room(self):
        a = made()
        _, short = a.run().offers
        a.accept(short, tasks={"t": drf.TaskSpec("cpus:1;mem:1", duration=60)}, refuse_seconds=0)
        assert str(a.tasks()[0].resources) == "cpus{60s}:1;mem{60s}:1"
        assert shown(a.run().offers) == [("cpus{60s}:1;mem{60s}:3", 60.0)]
        a.check()

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"used": "cpus{60s}:1"},
            {"tasks": {"t": drf.TaskSpec("cpus:1")}},
            {"tasks": {"t": drf.TaskSpec("cpus:1", duration=60.5)}},
            {"tasks": {"s": drf.TaskSpec("cpus:1", duration=6), "t": drf.TaskSpec("cpus:1")}},
        ],
    )
    def test_tasks_without_a_duration_and_longer_ones_are_refused(self, answer):
        a = made()
        _, short = a.run().offers
        with pytest.raises(InvalidOption, match="at most 60 s"):
            a.accept(short, **answer)
        assert len(a.open_offers()) == 2
        assert a.tasks() == []

    def test_after_its_duration_it_is_named(self):
        a = made()
        _, short = a.run().offers
        a.accept(short, tasks={"t": drf.TaskSpec("cpus:1", duration=45)})
        assert a.next_deadline() == 5.0
        a.advance(45.0)
        assert [(r.task, r.deadline, r.reason) for r in a.run().reclaims] == [
            ("t", 45.0, "longer than its duration")
        ]
        a.release(task="t")
        a.check()

    def test_a_reclaim_for_a_short_task_takes_short_room(self):
        a = made("demand", capabilities=None)
        a.request("f", "cpus:2", 1, duration=50)
        a.accept(a.run().offers[0], tasks={"t": drf.TaskSpec("cpus:2", duration=50)})
        a.request("f", "cpus:3", 2)
        a.accept(a.run().offers[0], tasks={n: drf.TaskSpec("cpus:3") for n in "uv"})
        a.add_framework("g")
        shape = Shape.of("cpus:2", duration=20)
        plan = a.plan_reclaim("g", shape)
        assert [(r.task) for r in plan.reclaims] == ["t"]
        a.reclaim(plan)
        a.request("g", shape)
        a.release(task="t")
        assert [(o.framework, o.max_duration) for o in a.run().offers] == [("g", 60.0)]

    def test_a_journal_keeps_it(self):
        lines = []
        a = made("demand", maker=lambda **o: JournaledAllocator(lines.append, **o))
        a.request("f", Shape.of("cpus:1", duration=30.0), 3)
        for offer in a.run().offers:
            a.accept(offer, tasks={f"t{offer.id}": drf.TaskSpec("cpus:1", duration=30.0)})
        a.advance(30.0)
        assert len(a.run().reclaims) == 2
        assert replay(lines).differences == []
