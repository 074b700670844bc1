"""One-shot division: whole tasks in bulk against one at a time, as many tasks as there are, and divisible tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from drf._backend import fill, fill_in_bulk
from drf._random import SplitMix64
from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload
from drf.division import allocate


def pool(users: int, tasks: int) -> tuple[Any, ...]:
    """The arguments of `fill`: about so many tasks, 2 resources, 1 to 100 of each a task, weights 1 to 3; O(users).

    >>> demands, capacity, *_ = pool(2, 10)
    >>> len(demands), capacity
    (2, [400, 410])
    """
    random = SplitMix64(1)
    demands = [[1 + random.below(100), 1 + random.below(100)] for _ in range(users)]
    weights = [float(1 + random.below(3)) for _ in range(users)]
    top = [40 * tasks, 41 * tasks]
    return demands, top, top, weights, [-1] * users, list(range(users)), True, False


def bulk(size: Size, watch: Stopwatch) -> None:
    """Time both ways, which give the same."""
    args = pool(size["users"], size["tasks"])
    tasks = watch.time("bulk", lambda: fill_in_bulk(*args))
    seconds = watch.last
    each = (*args, False)
    single = watch.time("one at a time", lambda: fill(*each)[0])
    watch.due("whether the two ways agree", tasks == single, True)
    watch.note("ratio", f"{sum(tasks)} tasks, in bulk {watch.last / seconds:.0f} times faster")


def huge(size: Size, watch: Stopwatch) -> None:
    """Time as many tasks as nobody gives one at a time."""
    args = pool(size["users"], size["tasks"])
    tasks = watch.time("bulk", lambda: fill_in_bulk(*args))
    used = [sum(t * d[j] for t, d in zip(tasks, args[0], strict=True)) for j in range(2)]
    left = [top - u for top, u in zip(args[1], used, strict=True)]
    watch.due("whether what is left is nothing or too little", min(left) in range(100), True)


def table(users: int, resources: int, seed: int = 1) -> tuple[Any, Any, Any]:
    """Capacity, demands of 1 to 100, and weights of 1 to 3, as arrays; O(users x resources)."""
    import numpy as np  # noqa: PLC0415 (numpy is imported when the first array is made)

    draw = np.random.default_rng(seed)
    capacity = np.array([100 * users + users * j for j in range(resources)])
    demands = draw.integers(1, 101, size=(users, resources))
    return capacity, demands, draw.integers(1, 4, size=users)


def divisible(size: Size, watch: Stopwatch) -> None:
    """Time `allocate` in exact fractions, and reading the tasks as floats."""
    capacity, demands, weights = table(size["users"], size["resources"])
    zeros = demands * (demands % 10 > 2)
    zeros[:, 0] += zeros.sum(axis=1) == 0
    caps = [None if i % 3 else i % 7 for i in range(len(demands))]
    ways: dict[str, Callable[[], Any]] = {
        "drf": partial(allocate, capacity, demands),
        "weights": partial(allocate, capacity, demands, weights=weights),
        "zeros": partial(allocate, capacity, zeros),
        "caps": partial(allocate, capacity, demands, max_tasks=caps),
    }
    allocate(capacity, demands[:1], divisible=True)  # what is imported when it is first needed
    for name, way in ways.items():
        division, tasks = watch.time(name, partial(_read, way))
        watch.due(f"what is used most, {name}", division.utilization.max(), 1.0)
        watch.due(f"the number of users, {name}", len(tasks), size["users"])


def _read(way: Callable[..., Any]) -> tuple[Any, Any]:
    division = way(divisible=True)
    return division, division.tasks


WORKLOADS = (
    Workload(
        "fill-bulk",
        "whole tasks of one pool by searching for the level, and one at a time",
        "users",
        ({"users": 1_000, "tasks": 110_000}, {"users": 10_000, "tasks": 1_100_000}),
        {"bulk": "all tasks", "one at a time": "all tasks"},
        bulk,
    ),
    Workload(
        "fill-huge",
        "as many whole tasks as there are",
        "users",
        ({"users": 1_000, "tasks": 10**12}, {"users": 10_000, "tasks": 10**12}),
        {"bulk": "all tasks"},
        huge,
        goals=(Goal("bulk", {"users": 10_000, "tasks": 10**12}, 0.1, "s"),),
    ),
    Workload(
        "divisible",
        "divisible tasks in exact fractions, from arrays, and their numbers read",
        "users",
        tuple({"users": n, "resources": 8} for n in (1_000, 10_000, 100_000)),
        dict.fromkeys(("drf", "weights", "zeros", "caps"), "allocate and .tasks"),
        divisible,
        goals=(
            Goal("drf", {"users": 100_000, "resources": 8}, 0.05, "s"),
            Goal("weights", {"users": 100_000, "resources": 8}, 0.05, "s"),
        ),
    ),
)
