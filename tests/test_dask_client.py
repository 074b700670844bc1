"""The adapter for clusters without the plug-in, on a real Dask cluster on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("dask")
pytest.importorskip("distributed")
from distributed import Client, LocalCluster

from drf.errors import InvalidName, InvalidOption, InvariantBroken
from drf.masters.dask_client import FairClient
from tests.dask_workers import PATIENCE, Workers, until

pytestmark = [
    # Dask leaves sockets and coroutines to the collector; that is not what is tested here.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


@contextmanager
def cluster(threads: int = 2, workers: int = 1, **options: Any) -> Iterator[Any]:
    options = {
        "processes": False,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": 50,
    } | options
    with (
        LocalCluster(n_workers=workers, threads_per_worker=threads, **options) as made,
        Client(made, set_as_default=False) as client,
    ):
        yield client


def slow(i: int) -> int:
    time.sleep(0.01)
    return i


def wait_for(event: str) -> str:
    """Until the file is there: works in threads and in processes."""
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(event):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return event


def test_the_example_of_the_paper(tmp_path: Any) -> None:
    door = str(tmp_path / "door")
    with (
        cluster(threads=16, resources={"CPU": 9, "MEM": 18e9}) as client,
        FairClient(client) as fair,
    ):
        everything = fair.tenant("plug", resources={"CPU": 9, "MEM": 18e9})
        plug = everything.submit(wait_for, str(tmp_path / "plug"))
        until(plug.running)
        a = fair.tenant("A", resources={"CPU": 1, "MEM": 4e9})
        b = fair.tenant("B", resources={"CPU": 3, "MEM": 1e9})
        tasks = [executor.submit(wait_for, door) for executor in [a] * 6 + [b] * 6]
        (tmp_path / "plug").touch()
        plug.result(PATIENCE)
        until(lambda: fair.shares()["B"]["waiting"] == 4)
        found = fair.shares()
        assert {name: found[name]["running"] for name in "AB"} == {"A": 3, "B": 2}
        fair.check()
        (tmp_path / "door").touch()
        assert {task.result(PATIENCE) for task in tasks} == {door}
        fair.check()


def test_a_small_tenant_does_not_wait_for_a_large_one() -> None:
    with cluster() as client, FairClient(client) as fair:
        crowd = [fair.tenant("large").submit(slow, i) for i in range(300)]
        assert list(fair.tenant("small").map(slow, range(5))) == list(range(5))
        assert sum(task.done() for task in crowd) < 150
        for task in crowd:
            task.cancel()
        until(lambda: fair.shares()["large"]["waiting"] == fair.shares()["large"]["running"] == 0)
        fair.check()


def test_errors_and_what_was_cancelled() -> None:
    with cluster(threads=1) as client, FairClient(client) as fair:
        executor = fair.tenant("A")
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(PATIENCE)
        first = executor.submit(slow, 1)
        others = [executor.submit(slow, i) for i in range(5)]
        assert others[-1].cancel()
        assert first.result(PATIENCE) == 1
        assert [task.result(PATIENCE) for task in others[:-1]] == [0, 1, 2, 3]
        with pytest.raises(InvalidName):
            fair.tenant("/")
        # No worker has it: it waits, and holds nobody up.
        never = fair.tenant("A", resources={"GPU": 1}).submit(slow, 1)
        assert executor.submit(slow, 2).result(PATIENCE) == 2
        assert not never.running()
    assert never.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(slow, 1)


def test_an_asynchronous_client_is_refused() -> None:
    class Asynchronous:
        asynchronous = True

    with pytest.raises(InvalidOption, match="synchronous"):
        FairClient(Asynchronous())


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(50, marks=pytest.mark.long)], ids=["once", "fifty"]
)
def test_workers_killed_in_the_middle_of_tasks(rounds: int) -> None:
    def work(i: int) -> int:
        time.sleep(0.01)
        return i

    def tied(dask_scheduler: Any) -> int:
        return sum(ts.state == "no-worker" for ts in dask_scheduler.tasks.values())

    with (
        cluster(workers=0, host="127.0.0.1", protocol="tcp") as client,
        Workers(client.scheduler.address) as workers,
        FairClient(client, losses=1000) as fair,
    ):
        for n in range(rounds):
            client.wait_for_workers(2, timeout=PATIENCE)
            tasks = [fair.tenant("AB"[i % 2]).submit(work, i) for i in range(60)]
            until(lambda tasks=tasks: sum(task.done() for task in tasks) > 10)
            workers.kill(n)
            assert [task.result(PATIENCE) for task in tasks] == list(range(60))
            fair.check()
            until(lambda: not client.run_on_scheduler(tied))  # nothing tied to the dead stays there
        assert all(row["running"] == row["waiting"] == 0 for row in fair.shares().values())


def test_check_sees_a_job_that_is_nowhere(tmp_path: Any) -> None:
    with cluster() as client, FairClient(client) as fair:
        task = fair.tenant("A").submit(wait_for, str(tmp_path / "door"))
        until(task.running)
        fair.check()
        with fair._changed:
            next(iter(fair._workers.values())).jobs.clear()
        with pytest.raises(InvariantBroken):
            fair.check()
        (tmp_path / "door").touch()
        assert task.result(PATIENCE)
