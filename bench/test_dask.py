"""The Dask plug-in beside plain Dask on one cluster, in turn: ``pytest bench/test_dask.py --benchmark-enable -s``.

Without ``--benchmark-enable`` both run once, small, and nothing is said of time.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

distributed = pytest.importorskip("distributed")
from drf.masters.dask import FairShare, shares  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CLIENTS = 10


def by_value() -> tuple[Callable[[int], int], Callable[[int], float]]:
    """What tasks do. Functions within a function travel as they are: the workers cannot import this file."""

    def small(i: int) -> int:
        return i + 1

    def short(i: int) -> float:
        """When it ran; 5 ms long."""
        time.sleep(0.005)
        return time.time()

    return small, short


small, short = by_value()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers with two threads, each a process of its own; the scheduler's address."""
    file = tmp_path / "scheduler.json"
    host = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = ["dask_scheduler", *host, "--port", "0", "--scheduler-file", str(file)]
    worker = ["dask_worker", *host, "--nthreads", "2", "--no-nanny", "--scheduler-file", str(file)]
    running = []
    try:
        for command in (scheduler, worker, worker):
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:]],
                    cwd=tmp_path,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            deadline = time.monotonic() + 60
            while not file.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
        address = json.loads(file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address
    finally:
        for process in running:
            process.kill()
            process.wait()


class Busy(NamedTuple):
    """Seconds of the processor that the scheduler has had, and all: it, the workers, and the clients here."""

    scheduler: float
    all: float


def busy(client: Any) -> Busy:
    def used() -> float:
        return float(__import__("time").process_time())

    scheduler = client.run_on_scheduler(used)
    return Busy(scheduler, scheduler + sum(client.run(used).values()) + time.process_time())


@contextmanager
def fair(client: Any, on: bool) -> Iterator[None]:
    """With the plug-in, or as it was without it."""
    if not on:
        yield
        return
    client.register_plugin(FairShare())
    try:
        yield
    finally:
        client.unregister_scheduler_plugin("drf")
        deadline = time.monotonic() + 10  # it notices by itself, at its next tick
        while client.run_on_scheduler(
            lambda dask_scheduler: "drf" in dask_scheduler.periodic_callbacks
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)


T = TypeVar("T")


def in_turn(rounds: int, run: Callable[[bool, int], T]) -> tuple[list[T], list[T]]:
    """The figures of plain Dask and of the plug-in; who goes first alternates."""
    figures: dict[bool, list[T]] = {False: [], True: []}
    for n in range(rounds):
        for on in (False, True) if n % 2 else (True, False):
            gc.collect()
            figures[on].append(run(on, n))
    return figures[False], figures[True]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle * 1e3:.3f} {unit} ({low * 1e3:.3f} to {high * 1e3:.3f})"


def compared(what: str, plain: Sequence[float], ours: Sequence[float]) -> float:
    """Print both; the smaller of two estimates of how much longer ours takes."""
    pairs = sorted(round(b / a, 3) for a, b in zip(plain, ours, strict=True))
    medians = statistics.median(ours) / statistics.median(plain)
    minima = min(ours) / min(plain)
    print(f"\n{what}: plain {spread(plain)}, with drf {spread(ours)}")
    print(f"ratio of medians {medians:.3f}, of minima {minima:.3f}, pairs {pairs}")
    return min(medians, minima)


def test_time_a_task(cluster: str, request: pytest.FixtureRequest) -> None:
    """Ten clients, small tasks: at most 5 % more time a task."""
    enabled = request.config.getoption("--benchmark-enable")
    tasks, rounds = (10_000, 7) if enabled else (200, 1)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(distributed.Client(cluster, name=f"c{i}", set_as_default=False))
            for i in range(CLIENTS)
        ]

        def run(on: bool, n: int) -> tuple[float, float, float]:
            with fair(clients[0], on):
                start, before = busy(clients[0]), time.perf_counter()
                futures = [
                    client.map(small, range(tasks // CLIENTS), key=f"{client.id}-{on}-{n}")
                    for client in clients
                ]
                for client, mine in zip(clients, futures, strict=True):
                    with client.as_current():
                        distributed.wait(mine)
                took, end = time.perf_counter() - before, busy(clients[0])
                for client, mine in zip(clients, futures, strict=True):
                    assert sum(client.gather(mine)) == sum(range(1, tasks // CLIENTS + 1))
                del futures, mine
                return (
                    took / tasks,
                    (end.all - start.all) / tasks,
                    (end.scheduler - start.scheduler) / tasks,
                )

        run(False, -1), run(True, -1)  # warm
        plain, ours = in_turn(rounds, run)
    what = ("a task", "all processors' time of a task", "the scheduler's processor time of a task")
    took, spent, _ = (
        compared(name, [p[i] for p in plain], [o[i] for o in ours]) for i, name in enumerate(what)
    )
    if enabled:
        # The smaller of two estimates: either alone swings by some per cent with other load on the machine. With so
        # much of it that the clock says nothing, the processors' time must do.
        quiet = os.getloadavg()[0] <= 2 * (os.cpu_count() or 1)
        assert (took if quiet else spent) <= 1.05


def test_wait_of_a_small_client(cluster: str, request: pytest.FixtureRequest) -> None:
    """A client with a job of 20 tasks beside one with 10 000 queued: the median wait of its tasks, 20 times shorter.

    (A single task of the small client is quick in plain Dask too: what is not "root-ish" is never queued.)
    """
    enabled = request.config.getoption("--benchmark-enable")
    queued, rounds = (10_000, 2) if enabled else (300, 1)
    with (
        distributed.Client(cluster, name="large", set_as_default=False) as large,
        distributed.Client(cluster, name="small", set_as_default=False) as little,
    ):

        def run(on: bool, n: int) -> float:
            with fair(large, on):
                crowd = large.map(short, range(queued), key=f"crowd-{on}-{n}")
                while (
                    large.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
                    < queued
                ):
                    time.sleep(0.01)
                asked = time.time()
                job = little.map(short, range(20), key=f"job-{on}-{n}")
                ended = little.gather(job)
                if on:
                    assert set(large.run_on_scheduler(shares)) == {"large", "small"}
                large.cancel(crowd)
                del crowd, job
                while large.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                    time.sleep(0.01)
                return statistics.median(ended) - asked

        plain, ours = in_turn(rounds, run)
    ratio = statistics.median(plain) / statistics.median(ours)
    print(
        f"\nmedian wait: plain {spread(plain)}, with drf {spread(ours)}; {ratio:.0f} times shorter"
    )
    if enabled:
        assert ratio >= 20
