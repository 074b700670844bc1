"""Whole tasks in bulk against one at a time, and H-DRF along a path: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

from time import perf_counter
from types import ModuleType
from typing import Any

import pytest

from drf import Sorter, allocate
from drf.benchmarks import solving


@pytest.mark.parametrize("way", ["bulk", "one at a time"])
@pytest.mark.parametrize(("users", "tasks"), [(1_000, 110_000), (10_000, 1_100_000)])
def test_filling(benchmark: Any, kernel: ModuleType, way: str, users: int, tasks: int) -> None:
    args = solving.pool(users, tasks)
    benchmark.group = f"{users} users, {tasks} tasks"
    if way == "bulk":
        got = benchmark.pedantic(kernel.fill_in_bulk, args, rounds=5)
    else:
        got = list(benchmark.pedantic(kernel.fill, (*args, False), rounds=1)[0])
    benchmark.extra_info["tasks"] = sum(got)
    assert sum(got) > tasks / 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("users", [10_000, 100_000])
def test_divisible(benchmark: Any, users: int, weighted: bool) -> None:
    capacity, demands, weights = solving.table(users, 8)
    benchmark.group = f"divisible, {users} users, 8 resources"
    a = benchmark.pedantic(
        lambda: allocate(capacity, demands, weights=weights if weighted else None, divisible=True),
        rounds=5,
    )
    assert a.utilization.max() == 1
    assert a.tasks.shape == (users,)


def test_as_many_tasks_as_there_are(benchmark: Any) -> None:
    users: Any = {
        "a": {"cpus": 1, "mem": 4},
        "b": {"cpus": 3, "mem": 1},
        "c": {"cpus": 2, "mem": 2},
    }
    a = benchmark(allocate, {"cpus": 3 * 10**12, "mem": 6 * 10**12}, users)
    assert sum(a.tasks.values()) == 16 * 10**11


@pytest.mark.parametrize("what", ["a decision", "the whole tree"])
def test_hdrf(benchmark: Any, what: str) -> None:
    """10 000 leaves, depth 4: give a task to the next leaf, or compute every node anew."""
    s = Sorter("hdrf", total={"cpus": 10**9, "mem": 10**9})
    start = perf_counter()
    for i in range(10_000):
        s.add("/".join((f"r{i % 10}", f"s{i // 10 % 10}", f"t{i // 100 % 10}", f"u{i // 1000}")))
    benchmark.extra_info["seconds to add"] = round(perf_counter() - start, 3)
    benchmark.group = "H-DRF, 10 000 leaves"

    def decide() -> None:
        client = s.next()
        assert client is not None
        s.allocated(client, {"cpus": 1 + len(client) % 3, "mem": 2})

    def anew() -> None:
        s._own._rebuild()  # type: ignore[attr-defined]

    decide()
    benchmark.pedantic(decide if what == "a decision" else anew, rounds=20)
