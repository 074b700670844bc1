"""Orders under policies with a memory: the first in order gets a grant, the oldest is given back, time goes on.

Clients and demands are those of `ordering`. Clients hold about their part of the cluster, so that some are over it and
some are not; every step is a second, in which every key changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from drf.benchmarks.ordering import demand
from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload
from drf.sorter import Sorter

STEPS = 5_000


def prepared(
    policy: str, clients: int, make: Callable[..., Any] = Sorter
) -> tuple[Any, dict[str, Any]]:
    """A sorter in which every client holds one grant, and the interned demands by client; O(N log N)."""
    sorter = make(policy, total={"cpus": 3 * clients, "mem": 1_200 * clients})
    demands = {f"client{i}": sorter.intern(demand(i)) for i in range(clients)}
    for name in demands:
        sorter.add(name)
    for name, vector in demands.items():
        sorter.allocated(name, vector)
    return sorter, demands


def churn(sorter: Any, demands: dict[str, Any], steps: int) -> list[str]:
    """A second, a grant to the first in order, the oldest grant back, ``steps`` times; the clients picked."""
    picked: list[str] = []
    given = list(demands)
    for step in range(steps):
        sorter.advance(sorter.now + 1.0)
        name = sorter.next()
        sorter.allocated(name, demands[name])
        given.append(name)
        picked.append(name)
        sorter.unallocated(given[step], demands[given[step]])
    return picked


def operations(policy: str, size: Size, watch: Stopwatch) -> None:
    """Time an operation: one of next, allocated and unallocated, with a second between any three."""
    sorter, demands = prepared(policy, size["clients"])
    watch.time("first", sorter.next)
    watch.time("operation", partial(churn, sorter, demands, STEPS), 3 * STEPS)
    watch.time("all", sorter.sort)


SIZES: tuple[Size, ...] = tuple({"clients": n} for n in (100, 1_000, 10_000, 50_000))

FIGURES = {
    "first": "the first next()",
    "operation": "next, allocated or unallocated",
    "all": "sort()",
}

WORKLOADS = (
    Workload(
        "memory-sdrf",
        "Stateful DRF, a second each step",
        "clients",
        SIZES,
        FIGURES,
        partial(operations, "sdrf:0.999"),
        goals=(Goal("operation", {"clients": 10_000}, 5e-6, "s"),),
    ),
    Workload(
        "memory-halflife",
        "half-life usage, a second each step",
        "clients",
        SIZES,
        FIGURES,
        partial(operations, "halflife:3600"),
    ),
)
