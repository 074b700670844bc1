"""The server's journal: all that was answered is there after a restart, and nothing twice, whatever ends the server."""

import asyncio
import contextlib
import errno
import http.client
import json
import os
import random
import signal
import threading
import time

import pytest

from drf.cli import main
from drf.errors import DRFError, InputError, InvalidOption
from drf.journal import replay as carry_out
from drf.serve.clock import Clock
from drf.serve.desk import Conflict, Desk, Settings
from drf.serve.store import Store, StoreFailed
from drf.serve.stream import Gone, Stream
from tests.serving import Local, Refused, Server, event

BY_HAND = {"clock": "client", "runs": "client"}


def run(function):
    return asyncio.run(function())


def opened(folder, settings=None, **options):
    store = Store(folder, **options)
    try:
        return Desk(settings or Settings(**BY_HAND), store)
    except DRFError:
        store.close()
        raise


@contextlib.contextmanager
def desk(folder, settings=None, **store):
    """A desk with a journal; the folder is free again at the end, as when the process has died."""
    made = opened(folder, settings, **store)
    try:
        yield made
    finally:
        made._store.close()


def work(at, rounds, seed=0):
    """A random history; all answers."""
    rng = random.Random(seed)
    told = [at.do("add_agent", {"name": f"m{i}", "resources": "cpus:8;mem:64"}) for i in range(3)]
    told += [at.do("add_framework", {"name": name, "roles": [name]}) for name in "fgh"]
    for i in range(rounds):
        told.append(at.do("advance", {"now": float(i)}))
        told.append(at.do("run", {}, f"run {i}"))
        for offer in at.ask("open_offers", {})["offers"]:
            if rng.random() < 0.5:
                given = {
                    "offer": offer["id"],
                    "used": {"cpus": 1},
                    "refuse_seconds": rng.random() * 9,
                }
                told.append(at.do("accept", given, f"accept {offer['id']}"))
            elif rng.random() < 0.8:
                told.append(at.do("decline", {"offer": offer["id"]}))
        for name in "fgh":
            for held in at.ask("holdings", {"framework": name}):
                if held["held"] and rng.random() < 0.3:
                    given = {"framework": name, "agent": held["agent"], "resources": "cpus:1"}
                    told.append(at.do("release", given))
    return told


def kept(folder):
    (path,) = folder.glob("*.journal")
    return path.read_text(encoding="utf-8")


def standing(at):
    """All that it knows; in which order agents are listed of a framework depends on what was asked."""
    state = at.allocator.snapshot()["state"]
    for entry in state["allocator"]["ledger"]["places"]:
        entry[1].sort()
    return state, at._state(), at.now


@pytest.mark.parametrize("grown", [1, 5_000, 10**9])
def test_a_restart_goes_on_where_the_server_was(tmp_path, grown):
    async def scene():
        with desk(tmp_path, grown=grown) as first:
            for i in range(6):
                work(first, 10, i) if i == 0 else [first.do("run", {}) for _ in range(3)]
                await first.settle()
            before = standing(first)
            told = first.stream.messages(0)
        with desk(tmp_path) as second:
            assert standing(second) == before
            assert second.stream.messages(0) == told
            assert second.do("run", {}, "run 3")["repeated"]
            assert second.stream.place(told[2][0]) == 3
            second.allocator.check()
        found = carry_out(kept(tmp_path).splitlines())
        assert found.differences == []

    run(scene)


def _ends(text):
    """Just before, at and after the end of each line but the first."""
    ends = [i for i, letter in enumerate(text) if letter == "\n"][1:]
    return {cut for end in ends for cut in (end - 1, end, end + 1)}


def test_every_prefix_that_a_crash_leaves_is_a_state_that_was(tmp_path):
    """The journal is cut in the middle of lines and at their ends: what is whole is carried out, with its id."""

    async def scene():
        states = {}
        with desk(tmp_path / "whole") as first:

            def note():
                states[first._store.added] = standing(first)

            note()
            for do in (
                ("add_agent", {"name": "m", "resources": "cpus:4"}, "a"),
                ("add_framework", {"name": "f"}, "b"),
                ("run", {}, "c"),
                ("accept", {"offer": 1, "used": "cpus:1"}, "d"),
                ("advance", {"now": 2.5}, None),
                ("release", {"framework": "f", "agent": "m", "resources": "cpus:1"}, "e"),
            ):
                first.do(*do)
                note()
            await first.settle()
        text = kept(tmp_path / "whole")
        head = text.index("\n") + 1
        for cut in sorted({*range(head, len(text), 29), *_ends(text)}):
            folder = tmp_path / str(cut)
            folder.mkdir()
            (folder / "00000001.journal").write_text(text[:cut])
            whole = text[:cut].count("\n")
            if cut < len(text) and text[cut] == "\n":
                whole += 1  # all of the line but its end
            with desk(folder, sync=False) as again:
                assert standing(again) == states[whole]
                assert (
                    again.do("add_agent", {"name": "m", "resources": "cpus:4"}, "a")["event"] == 1
                )

    run(scene)


def test_a_file_that_was_not_finished_is_left_out(tmp_path):
    async def scene():
        with desk(tmp_path) as first:
            first.do("add_agent", {"name": "m", "resources": "cpus:4"})
            await first.settle()
            before = standing(first)
        (tmp_path / "00000002.journal.new").write_text('{"drf": 1, "snap')
        with desk(tmp_path) as second:
            assert standing(second) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["00000002.journal", "lock"]

    run(scene)


def test_decisions_that_wait_for_the_disk_are_told_once_whatever_is_replaced_meanwhile(tmp_path):
    async def scene():
        with desk(tmp_path, grown=1) as first:
            first.do("add_agent", {"name": "m", "resources": "cpus:4"})
            first.do("add_framework", {"name": "f"})
            offer = first.do("run", {})["result"]["offers"][0]["id"]
            assert first.stream.messages(0) == []  # not before it is on record
            first.do("decline", {"offer": offer, "refuse_seconds": 0})
            await first.settle()
            first.do("run", {})
            await first.settle()
            told = first.stream.messages(0)
            assert len(told) == 2
        with desk(tmp_path) as second:
            assert second.stream.messages(0) == told

    run(scene)


def test_nothing_is_told_before_it_is_on_record(tmp_path, monkeypatch):
    """While one decision is written, another is made: the first is told, the other waits for its own write."""
    begun, go_on = threading.Event(), threading.Event()
    put = Store._put

    def slow(*args):
        begun.set()
        go_on.wait(60)
        put(*args)

    async def scene():
        with desk(tmp_path) as one:
            one.do("add_agent", {"name": "m", "resources": "cpus:4"})
            one.do("add_framework", {"name": "f"})
            one.do("run", {})
            monkeypatch.setattr(Store, "_put", slow)
            writing = asyncio.create_task(one.settle())
            await asyncio.to_thread(begun.wait, 60)
            one.do("decline", {"offer": 1, "refuse_seconds": 0})
            assert one.do("run", {})["result"] is not None
            go_on.set()
            await writing
            assert len(one.stream.messages(0)) == 1
            await one.settle()
            assert len(one.stream.messages(0)) == 2

    run(scene)


def test_many_requests_share_a_run_and_a_write(tmp_path, monkeypatch):
    written = []
    write = Store._write
    monkeypatch.setattr(Store, "_write", lambda *args: (written.append(1), write(*args)))

    async def scene():
        with desk(tmp_path, Settings(clock="client")) as one:
            await one.settle()
            runs = one.figures.runs
            written.clear()

            async def request(i):
                one.do("add_agent", {"name": f"m{i}", "resources": "cpus:1"})
                await one.settle()

            await asyncio.gather(*(request(i) for i in range(50)))
            assert one.figures.runs == runs + 1
            assert len(written) <= 2
            one.close()

    run(scene)


def test_a_folder_belongs_to_one_server(tmp_path):
    with Local(journal=tmp_path) as server:
        with pytest.raises(InputError, match="another server"):
            Store(tmp_path)
        assert server.get("check")
    Store(tmp_path).close()


def test_other_options_than_the_journals_are_an_error(tmp_path, capsys):
    with desk(tmp_path, Settings("drf", {"seed": 3, "offer": "demand"}, **BY_HAND)):
        pass
    options = ["--journal", str(tmp_path), "--port", "0"]
    assert main(["serve", *options]) == 1
    assert "was made with offer 'demand', not 'agent'" in capsys.readouterr().err
    assert main(["serve", *options, "--offer", "demand", "--policy", "fifo"]) == 1
    assert "policy 'drf', not 'fifo'" in capsys.readouterr().err
    assert main(["serve", *options, "--offer", "demand", "--offer-timeout", "3"]) == 1
    assert "offer_timeout None, not 3" in capsys.readouterr().err


def test_a_journal_that_is_none_of_a_server_or_decides_otherwise_is_an_error(tmp_path):
    folder = tmp_path / "a"
    with desk(folder) as first:
        first.do("add_agent", {"name": "m", "resources": "cpus:4"})
        first.do("add_framework", {"name": "f"})
        first.do("run", {})
        run(first.settle)
    text = kept(folder)
    path = folder / "00000001.journal"
    path.write_text(text.replace('{"cpus": 4}]]}', '{"cpus": 3}]]}'))
    assert path.read_text() != text
    with pytest.raises(InputError, match="line 4: decides otherwise"):
        opened(folder)
    path.write_text("\n".join([*text.splitlines()[:2], "torn", text.splitlines()[2]]))
    with pytest.raises(InputError, match="line 3: is no JSON"):
        opened(folder)
    path.write_text('{"drf": 1, "policy": "drf", "with": {}}\n')
    with pytest.raises(InputError, match="not of a server"):
        opened(folder)


def test_a_disk_that_is_full_stops_the_server_and_loses_nothing_that_was_answered(
    tmp_path, monkeypatch
):
    server = Local(journal=tmp_path, settings=BY_HAND)
    with server:
        server.post("add_agent", name="m1", resources="cpus:1")

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Store, "_put", full)
        with pytest.raises(Refused, match="No space left") as refused:
            server.post("add_agent", name="m2", resources="cpus:1")
        assert (refused.value.status, refused.value.kind) == (503, "StoreFailed")
        server._thread.join(30)
    assert isinstance(server.error, StoreFailed)
    monkeypatch.undo()
    with Local(journal=tmp_path, settings=BY_HAND) as server:
        assert [agent["name"] for agent in server.get("overview")["agents"]] == ["m1"]


def test_the_clock_never_goes_back(tmp_path):
    times = iter([100.0, 100.0, 90.0, 130.0])
    wall = Clock("wall", 110.0, lambda: next(times))
    assert [wall() for _ in range(4)] == [110.0, 110.0, 110.0, 130.0]
    times = iter([5.0, 5.0, 6.5])
    monotonic = Clock("monotonic", 110.0, lambda: next(times))
    assert [monotonic() for _ in range(2)] == [110.0, 111.5]
    assert Clock("client")() is None
    with pytest.raises(InvalidOption, match="wall, monotonic, client"):
        Clock("sun")
    with desk(tmp_path) as first:
        first.do("advance", {"now": 50.0})
        run(first.settle)
    for kind in ("wall", "monotonic"):
        with desk(tmp_path, Settings(clock=kind, runs="client")) as again:
            assert again.now >= 50.0
            again.do("pause", {})
            again.do("resume", {})
            assert again.now >= 50.0
            run(again.settle)


def test_a_stream_keeps_what_it_is_told_to():
    stream = Stream("e", kept=30)
    for i in range(10):
        stream.add(f"message {i}.")  # 10 characters
    assert stream.last == "e-10"
    assert stream.messages(stream.place("e-7")) == [
        (f"e-{i + 1}", f"message {i}.") for i in (7, 8, 9)
    ]
    for wrong in ("e-6", "e-11", "f-7", "e--1", "e-", "7", "e-٣"):
        with pytest.raises(Gone):
            stream.place(wrong)
    assert Stream.load(stream.state()).state() == stream.state()


def test_an_id_is_known_as_long_as_it_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("drf.serve.desk.REMEMBERED", 2)
    with desk(tmp_path) as one:
        for i in range(3):
            one.do("add_agent", {"name": f"m{i}", "resources": "cpus:1"}, f"id {i}")
        assert one.do("add_agent", {"name": "m1", "resources": "cpus:1"}, "id 1")["repeated"]
        with pytest.raises(Conflict):
            one.do("pause", {}, "id 2")
        with pytest.raises(DRFError, match="m0"):
            one.do("add_agent", {"name": "m0", "resources": "cpus:1"}, "id 0")


def test_a_defect_in_a_verb_is_an_error_and_ends_the_server_only_where_the_state_is_broken(
    monkeypatch,
):
    with Local(settings=BY_HAND) as server:
        server.post("add_agent", name="m", resources="cpus:1")
        plugin = type(server_allocator(server)._plugin)

        def fails(self, *args, **kwargs):
            raise ZeroDivisionError("planted")

        monkeypatch.setattr(plugin, "pause", fails)
        with pytest.raises(Refused, match="planted") as refused:
            server.post("pause")
        assert (refused.value.status, refused.value.kind) == (500, "Defect")
        assert server.get("check")
        monkeypatch.setattr(plugin, "check", fails)
        with pytest.raises(Refused, match="planted"):
            server.post("pause")
        server._thread.join(30)
        assert "left the state broken" in str(server.error)


def server_allocator(server):
    import gc

    return next(
        one.allocator
        for one in gc.get_objects()
        if isinstance(one, Desk) and one.stopped is server._stopped
    )


class Master(threading.Thread):
    """Posts events with ids, a batch at a time, and notes what was answered, until the server dies."""

    def __init__(self, server, ledger):
        super().__init__()
        self.server, self.ledger = server, ledger

    def run(self):
        connection = self.server.connect()
        with (
            contextlib.suppress(http.client.HTTPException, OSError),
            contextlib.closing(connection),
        ):
            while self.ledger.wanted:
                events = self.ledger.wanted[:20]
                body = json.dumps({"events": events})
                connection.request("POST", "/v1/batch", body, {"Content-Type": "application/json"})
                outcomes = json.loads(connection.getresponse().read())["outcomes"]
                self.ledger.answered(events, outcomes)


class Listener(threading.Thread):
    """Follows the decisions from the last it knows on."""

    def __init__(self, server, told, begin):
        super().__init__()
        self.server, self.told, self.begin = server, told, begin

    def run(self):
        connection = self.server.connect()
        after = f"?after={self.told[-1]['id'] if self.told else self.begin}"
        with (
            contextlib.suppress(http.client.HTTPException, OSError, ValueError),
            contextlib.closing(connection),
        ):
            connection.request(
                "GET", f"/v1/decisions{after}", headers={"Accept": "application/x-ndjson"}
            )
            answer = connection.getresponse()
            assert answer.status == 200
            while line := answer.readline():
                if line.strip():
                    self.told.append(json.loads(line))


class Ledger:
    """Each event takes one cpu away from f, which holds all of them: what it holds counts them."""

    def __init__(self, total):
        self.total = total
        self.wanted = []
        self.done = {}
        self.repeated = 0

    def want(self, count):
        given = {"framework": "f", "agent": "m", "resources": {"cpus": 1}}
        start = len(self.done) + len(self.wanted)
        self.wanted += [event("release", f"release {start + i}", **given) for i in range(count)]

    def answered(self, events, outcomes):
        assert len(outcomes) == len(events)
        for one, outcome in zip(events, outcomes, strict=True):
            assert "error" not in outcome, outcome
            self.repeated += outcome.get("repeated", False)
            assert one["id"] not in self.done
            self.done[one["id"]] = (one, outcome["event"])
        del self.wanted[: len(events)]


def killed(folder, rounds, seed, *options):
    """Rounds of work, each ended by SIGKILL in the middle of it, the ledger checked after each."""
    rng = random.Random(seed)
    ledger, told = Ledger(100_000), []
    options = ["--journal", folder, "--offer", "demand", "--interval", "0", *options]
    for number in range(rounds):
        with Server(*options) as server:
            if number == 0:
                begin = server.get("open_offers")["decisions"]
                used = {"f": {"f": {"cpus": ledger.total}}}
                server.batch(
                    event("add_framework", name="f", roles=["f"]),
                    event("add_framework", name="g", roles=["g"]),
                    event("add_agent", name="m", resources={"cpus": ledger.total}, used=used),
                    event("request", name="g", shape="cpus:1", count=1_000),
                )
            ledger.want(100_000 // rounds)
            listener, master = Listener(server, told, begin), Master(server, ledger)
            listener.start()
            master.start()
            time.sleep(rng.uniform(0.05, 0.5))
            server.stop(signal.SIGKILL)
            master.join(60)
            listener.join(60)
        with Server(*options) as server:
            events = [one for one, _ in list(ledger.done.values())[-2_000:]]
            # Whoever does not know whether it was carried out asks again.
            for start in range(0, len(events), 500):
                outcomes = server.batch(*events[start : start + 500])
                for one, outcome in zip(events[start:], outcomes, strict=False):
                    assert outcome == {"event": ledger.done[one["id"]][1], "repeated": True}
            doubtful = ledger.wanted[:20]
            ledger.answered(doubtful, server.batch(*doubtful))
            held = sum(h["resources"]["cpus"] for h in server.get("holdings", "?framework=f"))
            assert held == ledger.total - len(ledger.done)
            assert server.get("check")
            after = told[-1]["id"] if told else begin
            told += server.get("decisions", f"?follow=false&after={after}")
            open_now = [offer["id"] for offer in server.get("open_offers")["offers"]]
            ended = {offer for decided in told for offer in decided["rescinds"]}
            assert server.stop() == 0
    numbers = [int(decided["id"].rpartition("-")[2]) for decided in told]
    assert numbers == list(range(1, len(numbers) + 1))  # none is missing, none twice
    offers = [offer["id"] for decided in told for offer in decided["offers"]]
    assert len(set(offers)) == len(offers)
    assert set(open_now) <= set(offers) - ended
    return ledger


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_was_answered_survives_a_kill(tmp_path):
    assert killed(tmp_path, 2, 1).done


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--no-fsync"]], ids=["fsync", "no-fsync"])
def test_what_was_answered_survives_fifty_kills(tmp_path, options):
    ledger = killed(tmp_path, 50, 2, *options)
    assert len(ledger.done) > 1_000
