"""Whole tasks in bulk against one at a time, and H-DRF along a path: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from drf import allocate
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
