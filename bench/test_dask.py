"""The Dask plug-in beside plain Dask on one cluster, in turn: ``pytest bench/test_dask.py --benchmark-enable -s``.

Without ``--benchmark-enable`` both run once, small, and nothing is said of time.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

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
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as made:
        yield made


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


def in_turn(rounds: int, run: Callable[[bool, int], float]) -> tuple[list[float], list[float]]:
    """The figures of plain Dask and of the plug-in; who goes first alternates."""
    figures: dict[bool, list[float]] = {False: [], True: []}
    for n in range(rounds):
        for on in (False, True) if n % 2 else (True, False):
            gc.collect()
            figures[on].append(run(on, n))
    return figures[False], figures[True]


def spread(values: list[float], unit: str = "ms") -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle * 1e3:.3f} {unit} ({low * 1e3:.3f} to {high * 1e3:.3f})"


def test_time_a_task(cluster: Any, request: pytest.FixtureRequest) -> None:
    """Ten clients, small tasks: at most 5 % more time a task."""
    enabled = request.config.getoption("--benchmark-enable")
    tasks, rounds = (10_000, 7) if enabled else (200, 1)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(distributed.Client(cluster, name=f"c{i}", set_as_default=False))
            for i in range(CLIENTS)
        ]

        def run(on: bool, n: int) -> float:
            with fair(clients[0], on):
                before = time.perf_counter()
                futures = [
                    client.map(small, range(tasks // CLIENTS), key=f"{client.id}-{on}-{n}")
                    for client in clients
                ]
                for client, mine in zip(clients, futures, strict=True):
                    with client.as_current():
                        distributed.wait(mine)
                took = time.perf_counter() - before
                for client, mine in zip(clients, futures, strict=True):
                    assert sum(client.gather(mine)) == sum(range(1, tasks // CLIENTS + 1))
                del futures, mine
                return took / tasks

        run(False, -1), run(True, -1)  # warm
        plain, ours = in_turn(rounds, run)
    ratios = [b / a for a, b in zip(plain, ours, strict=True)]
    print(f"\na task: plain {spread(plain)}, with drf {spread(ours)}")
    print(
        f"ratio of medians {statistics.median(ours) / statistics.median(plain):.3f}, "
        f"of minima {min(ours) / min(plain):.3f}, pairs {sorted(round(r, 3) for r in ratios)}"
    )
    if enabled:
        # The smaller of two estimates: either alone swings by some per cent with other load on the machine.
        assert (
            min(statistics.median(ours) / statistics.median(plain), min(ours) / min(plain)) <= 1.05
        )


def test_wait_of_a_small_client(cluster: Any, request: pytest.FixtureRequest) -> None:
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
