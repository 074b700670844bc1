"""The plug-in in a real Dask scheduler on this machine, which checks its own state after every transition."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
from distributed import Client, LocalCluster, worker_client  # noqa: E402

from drf.errors import InvalidOption, InvariantBroken, NotSupported, UnknownName  # noqa: E402
from drf.masters import dask as master  # noqa: E402
from drf.masters import versions  # noqa: E402
from drf.masters.dask import FairShare, shares  # noqa: E402
from tests.dask_workers import PATIENCE, Workers, until  # noqa: E402

pytestmark = [
    # Dask leaves sockets and coroutines to the collector; that is not what is tested here.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


@contextmanager
def cluster(threads: int = 2, workers: int = 1, **options: Any) -> Iterator[Any]:
    options = {"processes": False, "dashboard_address": "127.0.0.1:0", "silence_logs": 50} | options
    with (
        dask.config.set({"distributed.scheduler.validate": True}),
        LocalCluster(n_workers=workers, threads_per_worker=threads, **options) as made,
    ):
        yield made


@contextmanager
def client(made: Any, name: str | None = None) -> Iterator[Any]:
    with Client(made, name=name, set_as_default=False) as c:
        yield c


def plugin(c: Any) -> None:
    """Hold the counts of the plug-in against the scheduler's, in the scheduler's own thread."""
    c.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins["drf"].check())


def waiting(c: Any) -> int:
    return sum(row["waiting"] for row in c.run_on_scheduler(shares).values())


def started(c: Any) -> list[str]:
    """The keys of tasks in the order in which they were sent to workers."""
    return c.run_on_scheduler(  # type: ignore[no-any-return]
        lambda dask_scheduler: [
            t.key for t in dask_scheduler.transition_log if t.finish == "processing"
        ]
    )


def same(i: Any) -> Any:
    return i


def slow(i: Any) -> Any:
    time.sleep(0.005)
    return i


def behind(name: str, value: Any = None) -> Any:
    """A task that ends when its door is opened; workers are threads of this process."""
    from tests_dask_doors import doors

    assert doors.setdefault(name, threading.Event()).wait(PATIENCE)
    return value


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], threading.Event]]:
    """Doors by name, which tasks find though they were pickled; all open in the end."""
    import types

    module = types.ModuleType("tests_dask_doors")
    module.doors = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_dask_doors", module)
    yield lambda name: module.doors.setdefault(name, threading.Event())
    for event in module.doors.values():
        event.set()


# -- fair shares


def test_the_example_of_the_paper(doors: Any) -> None:
    """<9 CPU, 18 GB>, A <1, 4>, B <3, 1>: A=3, B=2, in the order A B A B A."""
    with (
        cluster(threads=16, resources={"CPU": 9, "MEM": 18e9}) as made,
        client(made, "A") as a,
        client(made, "B") as b,
        client(made, "C") as c,
    ):
        a.register_plugin(FairShare())
        plug = c.submit(behind, "plug", key="plug", resources={"CPU": 9, "MEM": 18e9})
        until(lambda: "plug" in started(c))
        mine = [
            a.submit(behind, "a", key=f"a{i}", resources={"CPU": 1, "MEM": 4e9}) for i in range(6)
        ]
        theirs = [
            b.submit(behind, "b", key=f"b{i}", resources={"CPU": 3, "MEM": 1e9}) for i in range(6)
        ]
        until(lambda: waiting(c) == 12)
        doors("plug").set()
        plug.result()
        until(lambda: waiting(c) == 7)
        assert [key[0] for key in started(c)[1:]] == ["a", "b", "a", "b", "a"]
        found = c.run_on_scheduler(shares)
        assert {name: row["running"] for name, row in found.items()} == {"A": 3, "B": 2, "C": 0}
        assert found["A"]["share"] == found["B"]["share"] == pytest.approx(2 / 3)
        plugin(c)
        doors("a").set()
        doors("b").set()
        a.gather(mine), b.gather(theirs)
        plugin(c)


@pytest.mark.parametrize("fair", [True, False])
def test_a_job_does_not_wait_for_the_thousand_tasks_of_another(fair: bool) -> None:
    with cluster(workers=2) as made, client(made) as large, client(made) as small:
        if fair:
            large.register_plugin(FairShare())
        crowd = large.map(slow, range(1000), key="crowd")
        # Dask takes graphs that come within 100 ms of each other as one generation, and mixes them.
        until(lambda: len(started(large)) >= 150)
        job = small.map(slow, range(30), key="job")
        assert small.gather(job) == list(range(30))
        done = sum(f.done() for f in crowd)
        if fair:
            assert done < 500  # every other task was one of the job; without the plug-in all 1000
            plugin(large)
        else:
            assert done > 900
        large.cancel(crowd)


def test_tenants_by_annotation_by_name_and_by_client_with_weights() -> None:
    with cluster(threads=4) as made, client(made, "named") as a, client(made) as b:
        a.register_plugin(FairShare(weights={"paid": 3.0}))
        with dask.annotate(tenant="paid"):
            paid = b.map(same, range(400), key="paid")
        plain = b.map(same, range(400), key="plain")
        named = a.map(same, range(400), key="named")
        until(lambda: len(a.run_on_scheduler(shares)) == 3)
        assert set(a.run_on_scheduler(shares)) == {"paid", "named", b.id}
        # Nobody starves, with or without an annotation.
        assert b.gather(paid) == b.gather(plain) == a.gather(named) == list(range(400))
        plugin(a)


def test_weights_decide_what_runs_together(doors: Any) -> None:
    with cluster(threads=16, resources={"CPU": 8}) as made, client(made) as c:
        c.register_plugin(FairShare(weights={"x": 3.0}, quota={"z": {"limit": {"CPU": 1}}}))
        plug = c.submit(behind, "plug", key="plug", resources={"CPU": 8})
        until(lambda: "plug" in started(c))
        futures = []
        for tenant in "xyz":
            with dask.annotate(tenant=tenant):
                futures += [
                    c.submit(behind, "all", key=f"{tenant}{i}", resources={"CPU": 1})
                    for i in range(8)
                ]
        until(lambda: waiting(c) == 24)
        doors("plug").set()
        plug.result()
        until(lambda: waiting(c) == 16)
        running = {name: row["running"] for name, row in c.run_on_scheduler(shares).items()}
        # x to y as 3 to 1 of the 7 that z's limit leaves: 5.25 to 1.75
        assert (running["x"], running["y"], running["z"]) == (5, 2, 1)
        doors("all").set()
        c.gather(futures)


def test_a_large_task_is_not_starved_by_small_ones() -> None:
    """It needs the whole worker, which is never free by itself while small tasks keep coming."""
    with cluster(threads=4, resources={"CPU": 4}) as made, client(made) as c, client(made) as d:
        c.register_plugin(FairShare(patience=0.05))
        small = [c.submit(slow, i, key=f"s{i}", resources={"CPU": 1}) for i in range(1500)]
        until(lambda: len(started(c)) > 8)
        large = d.submit(same, "large", key="large", resources={"CPU": 4})
        assert large.result(PATIENCE) == "large"
        assert sum(f.done() for f in small) < 1400
        plugin(c)
        c.cancel(small)


def test_no_worker_is_kept_for_what_finds_room_all_the_time() -> None:
    """Where all workers are busy somebody always waits; that alone is no reason to keep one for whoever it is."""
    with cluster(threads=2, resources={"GPU": 2}) as made, client(made, "c") as c:
        c.register_plugin(FairShare(patience=0.02))
        crowd = c.map(slow, range(200), key="crowd")
        kept = set()
        while sum(f.done() for f in crowd) < 150:
            kept.add(c.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins["drf"]._kept))
        assert kept == {None}
        c.gather(crowd)


# -- what Dask does stays as it is


def test_graphs_errors_retries_and_nested_tasks() -> None:
    tries: list[int] = []

    def fails() -> None:
        raise ValueError("no luck")

    def second_time(seen: list[int]) -> str:
        from distributed import get_worker

        count = get_worker().__dict__.setdefault("tries", 0)
        get_worker().tries = count + 1
        if not count:
            raise ValueError("once more")
        return "done"

    def nested(n: int) -> int:
        with worker_client() as inner:
            return sum(inner.gather(inner.map(same, range(n))))

    with cluster() as made, client(made) as c:
        c.register_plugin(FairShare())
        tree = [dask.delayed(same)(i) for i in range(64)]
        while len(tree) > 1:
            tree = [dask.delayed(sum)(tree[i : i + 4]) for i in range(0, len(tree), 4)]
        assert c.compute(tree[0]).result() == sum(range(64))
        with pytest.raises(ValueError, match="no luck"):
            c.submit(fails).result()
        assert c.submit(second_time, tries, retries=2).result() == "done"
        assert c.gather(c.map(nested, [5, 6, 7, 8])) == [10, 15, 21, 28]
        scattered = c.scatter([1, 2, 3])
        assert c.submit(sum, scattered).result() == 6
        actor = c.submit(Counter, actor=True)
        assert actor.result().total().result(PATIENCE) == 0
        plugin(c)


def test_own_restrictions_hold_and_what_fits_nowhere_holds_nobody_up() -> None:
    def where() -> str:
        from distributed import get_worker

        return str(get_worker().address)

    with cluster(workers=2, resources={"GPU": 1}) as made, client(made) as c:
        c.register_plugin(FairShare())
        one, two = sorted(c.scheduler_info()["workers"])
        nowhere = [
            c.submit(same, 1, key="n1", resources={"TPU": 1}),
            c.submit(same, 1, key="n2", resources={"GPU": 2}),
            c.submit(same, 1, key="n3", workers=["tcp://127.0.0.1:1"]),
        ]
        pinned = [c.submit(where, key=f"p{i}", workers=[two], pure=False) for i in range(10)]
        wished = c.submit(where, key="w", workers=["tcp://127.0.0.1:1"], allow_other_workers=True)
        assert set(c.gather(pinned)) == {two}
        assert wished.result() in (one, two)
        assert [f.status for f in nowhere] == ["pending"] * 3
        assert {row["waiting"] for row in c.run_on_scheduler(shares).values()} == {3}
        plugin(c)
        made.scale(3)  # a worker that has what it takes does not come; the others go on
        c.wait_for_workers(3)
        assert c.gather(c.map(same, range(20))) == list(range(20))
        c.cancel(nowhere)
        until(lambda: waiting(c) == 0)


def test_resources_of_a_worker_are_never_promised_twice(doors: Any) -> None:
    with cluster(threads=8, workers=2, resources={"GPU": 2}) as made, client(made) as c:
        c.register_plugin(FairShare())
        futures = [c.submit(behind, "all", i, key=f"g{i}", resources={"GPU": 1}) for i in range(10)]
        until(lambda: waiting(c) == 6)
        used = c.run_on_scheduler(
            lambda dask_scheduler: [len(ws.processing) for ws in dask_scheduler.workers.values()]
        )
        assert used == [2, 2]
        doors("all").set()
        assert c.gather(futures) == list(range(10))


# -- losses


def test_a_client_that_vanishes_takes_its_tasks_along_and_nothing_else(doors: Any) -> None:
    with cluster() as made, client(made, "stays") as c:
        c.register_plugin(FairShare())
        with client(made, "goes") as gone:
            theirs = gone.map(behind, ["gone"] * 100, range(100), key="gone")
            until(lambda: waiting(c) > 90)
            mine = c.map(same, range(50), key="mine")
        doors("gone").set()
        del theirs
        assert c.gather(mine) == list(range(50))
        until(lambda: set(c.run_on_scheduler(shares)) == {"stays"})
        plugin(c)


KILLED = """
import sys, time
from distributed import Client

client = Client(sys.argv[1], name="killed")
futures = client.map(time.sleep, [0.01] * 2000, pure=False)
print("sent", flush=True)
time.sleep(600)
"""


def test_a_client_that_is_killed_leaves_nothing_behind() -> None:
    with (
        cluster(host="127.0.0.1", protocol="tcp") as made,
        client(made, "stays") as c,
        subprocess.Popen(
            [sys.executable, "-c", KILLED, made.scheduler_address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        c.register_plugin(FairShare())
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"sent\n"
            until(lambda: waiting(c) > 100)
            mine = c.map(same, range(50), key="mine")
        finally:
            process.kill()
        assert c.gather(mine) == list(range(50))
        until(lambda: set(c.run_on_scheduler(shares)) == {"stays"})
        plugin(c)


def test_retirement_cancellation_and_restart() -> None:
    with cluster(workers=3) as made, client(made) as c:
        c.register_plugin(FairShare())
        futures = c.map(slow, range(300), key="r")
        until(lambda: len(started(c)) > 20)
        c.retire_workers(sorted(c.scheduler_info()["workers"])[:2])
        c.cancel(futures[200:])
        assert c.gather(futures[:200]) == list(range(200))
        plugin(c)
        lost = c.map(slow, range(100), key="lost")
        until(lambda: waiting(c) > 50)
        c.restart(wait_for_workers=False)
        del lost, futures
        plugin(c)
        assert waiting(c) == 0
        made.scale(5)  # those without a nanny do not come back
        assert c.gather(c.map(same, range(20), key="after")) == list(range(20))
        plugin(c)


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(50, marks=pytest.mark.long)], ids=["once", "fifty"]
)
def test_workers_killed_in_the_middle_of_tasks(rounds: int) -> None:
    """SIGKILL, and another worker instead. Every task has its result, and the counts are right."""

    def work(i: int) -> int:
        time.sleep(0.005)
        return i

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1000}),
        cluster(workers=0, host="127.0.0.1", protocol="tcp") as made,
        client(made, "a") as a,
        client(made, "b") as b,
        Workers(made.scheduler_address) as workers,
    ):
        a.register_plugin(FairShare())
        for n in range(rounds):
            a.wait_for_workers(2, timeout=PATIENCE)
            mine = a.map(work, range(120), key=f"a-{n}")
            theirs = b.map(work, range(120), key=f"b-{n}")
            total = b.submit(sum, theirs, key=f"sum-{n}")
            until(lambda mine=mine: sum(f.done() for f in mine) > 10)
            workers.kill(n)
            assert total.result(PATIENCE) == sum(range(120))
            assert a.gather(mine) == b.gather(theirs) == list(range(120))
            plugin(a)
            del mine, theirs, total
        until(lambda: not a.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
        rows = a.run_on_scheduler(shares)
        assert all(row["running"] == row["waiting"] == row["share"] == 0 for row in rows.values())


# -- coming and going of the plug-in itself


def test_it_takes_over_a_busy_scheduler_and_leaves_one_behind(doors: Any) -> None:
    with cluster() as made, client(made, "a") as c:
        held = [c.submit(behind, "held", i, key=f"h{i}") for i in range(3)]
        queued = c.map(same, range(100), key="q")
        until(lambda: len(started(c)) == 3)
        c.register_plugin(FairShare())
        plugin(c)
        # Dask's few in advance may have been sent; whatever was queued waits here now.
        assert c.run_on_scheduler(shares)["a"]["running"] == 3
        assert waiting(c) == 100
        c.register_plugin(FairShare(weights={"a": 2.0}))  # another in its place
        plugin(c)
        assert waiting(c) == 100
        c.unregister_scheduler_plugin("drf")
        doors("held").set()
        assert c.gather(queued) == list(range(100))
        assert c.gather(held) == [0, 1, 2]


@pytest.mark.parametrize("calls", [0, 1, 2, 5, 40, 41])
def test_a_policy_that_fails_cannot_hang_the_cluster(calls: int) -> None:
    """At the first task that waits, when one is handed out, or when one has ended."""
    from drf.policies.shares import DRF

    class Fails(DRF):
        kernel = None
        left = calls

        def key(self, view: Any, client: str) -> Any:
            self.left -= 1
            if self.left < 0:
                raise ZeroDivisionError("a defect")
            return (view.share(client),)

    with cluster() as made, client(made) as c:
        c.register_plugin(FairShare(Fails()))
        assert c.gather(c.map(slow, range(100))) == list(range(100))
        assert not c.run_on_scheduler(lambda dask_scheduler: "drf" in dask_scheduler.plugins)


def test_preload_reads_the_configuration() -> None:
    given = {"drf": {"weights": {"alice": 2}, "annotation": "team", "patience": "3s"}}
    options = {"scheduler_kwargs": {"preload": "drf.masters.dask"}}
    with dask.config.set(given), cluster(**options) as made, client(made) as c:
        with dask.annotate(team="alice"):
            assert c.submit(same, 1).result() == 1
        assert "alice" in c.run_on_scheduler(shares)
        assert (
            c.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins["drf"].patience) == 3
        )


# -- errors


def test_versions_outside_the_range_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("2024.1.0", "2031.1.0"):
        monkeypatch.setattr(versions, "version", lambda name, v=version: v)
        with pytest.raises(NotSupported, match=f"{version} was not tested.*install"):
            FairShare()


def test_wrong_configuration() -> None:
    with dask.config.set({"drf": {"wieghts": {}}}), pytest.raises(InvalidOption, match="wieghts"):
        master.configured()
    with pytest.raises(UnknownName, match="drf"):
        FairShare("dfr")
    with pytest.raises(InvalidOption, match="not of workers"):
        master.dask_setup(object())
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "10s"}),
        cluster() as made,
        client(made) as c,
        pytest.raises(InvalidOption, match=r"no-workers-timeout is 10.* must be null"),
    ):
        c.register_plugin(FairShare())
    with cluster() as made, client(made) as c, pytest.raises(InvalidOption, match="preload"):
        c.run_on_scheduler(shares)


def test_check_sees_what_is_wrong(doors: Any) -> None:
    def spoil(dask_scheduler: Any) -> None:
        share = dask_scheduler.plugins["drf"]
        task = next(task for task in share._tasks.values() if task.charged)
        share.turns.discharge(task.tenant, task.charged)
        task.charged = None

    with cluster() as made, client(made) as c:
        c.register_plugin(FairShare())
        future = c.submit(behind, "door", 1, key="x")
        until(lambda: started(c))
        plugin(c)
        c.run_on_scheduler(spoil)
        with pytest.raises(InvariantBroken, match="charged"):
            plugin(c)
        doors("door").set()
        assert future.result() == 1
