"""The ordering workload: the hot and the churn loop, repeatable decision for decision by any implementation.

N clients named client0..., M agents of cpus 24, mem 4096 each; demand of client i per grant: cpus 1 + (i*7919) % 4,
mem 128 * (1 + (i*104729) % 16). First one grant to every client, then K steps of {the first client in order gets one
more grant}; churn releases, after every grant, the oldest grant still held. The sequence of picked clients is checked
by h = h*31 + index, mod 2**64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from drf.benchmarks.workload import Cpp, Goal, Size, Stopwatch, Workload
from drf.sorter import Sorter

CHECKSUMS = {
    ("hot", 100, 20_000): "eb395fb577c97460",
    ("hot", 1_000, 20_000): "8b022b72aaeb77c0",
    ("hot", 10_000, 5_000): "a3e7b93391b06518",
    ("hot", 50_000, 4_000): "8008c4ab4d3df0c0",
    ("churn", 100, 5_000): "5d98c9af7cf70a37",
    ("churn", 1_000, 2_000): "b2e6acf1507d15ef",
}
"""By loop, clients and steps; every implementation that breaks ties by share, grants and name gives the same."""

STEPS = {(loop, clients): steps for loop, clients, steps in CHECKSUMS}

Demands = dict[str, Any]


def demand(i: int) -> dict[str, int]:
    """What client i gets per grant; O(1)."""
    return {"cpus": 1 + (i * 7919) % 4, "mem": 128 * (1 + (i * 104729) % 16)}


def prepared(
    clients: int, agents: int = 1000, make: Callable[..., Any] = Sorter
) -> tuple[Any, Demands]:
    """A sorter in which every client holds one grant, and the interned demands by client; O(N log N)."""
    sorter = make("drf", total={"cpus": 24 * agents, "mem": 4096 * agents})
    # A vector for each, though only 16 differ: what a step costs at 50 000 clients is the objects it touches.
    demands = {f"client{i}": sorter.intern(demand(i)) for i in range(clients)}
    for name in demands:
        sorter.add(name)
    for name, vector in demands.items():
        sorter.allocated(name, vector)
    return sorter, demands


def hot(sorter: Any, demands: Demands, steps: int) -> list[str]:
    """The first client in order gets one more grant, ``steps`` times; the clients picked."""
    picked = []
    for _ in range(steps):
        name = sorter.next()
        sorter.allocated(name, demands[name])
        picked.append(name)
    return picked


def churn(sorter: Any, demands: Demands, steps: int) -> list[str]:
    """The same, and after every grant the oldest grant still held is released."""
    picked: list[str] = []
    held = chain(
        demands, picked
    )  # the first grants, then those of the loop, in turn: no queue is copied
    for _ in range(steps):
        name = sorter.next()
        sorter.allocated(name, demands[name])
        picked.append(name)
        oldest = next(held)
        sorter.unallocated(oldest, demands[oldest])
    return picked


def bulk(sorter: Any, demands: Demands, steps: int) -> list[str]:
    """The hot loop in one call."""
    picked: list[str] = sorter.serve(steps, demands)
    return picked


LOOPS = {"hot": hot, "churn": churn, "bulk": bulk}


def checksum(picked: Sequence[str]) -> str:
    """16 hex digits that stand for the sequence; O(steps)."""
    h = 0
    for name in picked:
        h = (h * 31 + int(name.removeprefix("client"))) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def loop(kind: str, size: Size, watch: Stopwatch) -> None:
    """Time a step of the loop, and compare the sequence where it is known.

    The order is built at the first question, once: that is a figure of its own, as C++ has its first full sort.
    """
    clients = size["clients"]
    order = "hot" if kind == "bulk" else kind
    steps = STEPS.get((order, clients), 10_000)
    sorter, demands = prepared(clients)
    watch.time("first", sorter.next)
    picked = watch.time("step", partial(LOOPS[kind], sorter, demands, steps), steps)
    known = CHECKSUMS.get((order, clients, steps))
    if known is not None:
        watch.due(f"the checksum of {kind}, {clients} clients", checksum(picked), known)


def listing(size: Size, watch: Stopwatch) -> None:
    """Time the list of all names: when nothing changed since the last one, after one grant, and after a new total."""
    sorter, demands = prepared(size["clients"])
    sorter.sort()

    def often() -> None:
        for _ in range(20):
            sorter.sort()  # one list at a time, as in C++: twenty kept would measure the system's fresh memory

    watch.time("unchanged", often, 20)
    for round_ in range(5):
        sorter.allocated(name := sorter.next(), demands[name])
        watch.time("after a grant", sorter.sort)
        sorter.set_total({"cpus": 24_001 + round_, "mem": 4096 * 1000})
        watch.time("after a new total", sorter.sort)


def _by_clients(*sizes: int) -> tuple[Size, ...]:
    return tuple({"clients": n} for n in sizes)


SIZES = _by_clients(100, 1_000, 10_000, 50_000, 1_000_000)


def _costs(*costs: float) -> tuple[Cpp, ...]:
    """Of a step, in millionths of a unit, and of the first full sort, in microseconds where a unit took 0.095 s."""
    first = zip(SIZES[:4], (21, 207, 4_300, 28_690), strict=True)
    steps = zip(SIZES[:4], costs, strict=True)
    return (
        *(Cpp("first", size, us / 1e6 / 0.095) for size, us in first),
        *(Cpp("step", size, cost / 1e6) for size, cost in steps if cost),
    )


def _goals(kernel: str, *most: float) -> tuple[Goal, ...]:
    return tuple(
        Goal("step", size, m / 1e6, "u", kernel) for size, m in zip(SIZES, most, strict=False) if m
    )


WORKLOADS = (
    Workload(
        "ordering-hot",
        "the first in order gets one more grant",
        "clients",
        SIZES,
        {"first": "the first next()", "step": "next + allocated"},
        partial(loop, "hot"),
        goals=(*_goals("fast", 0, 5, 5, 10, 16), *_goals("pure", 39, 35, 70, 70)),
        cpp=_costs(39, 183, 1_693, 19_030),
    ),
    Workload(
        "ordering-churn",
        "the first in order gets one more grant, and the oldest grant is released",
        "clients",
        SIZES,
        {"first": "the first next()", "step": "next + allocated + unallocated"},
        partial(loop, "churn"),
        goals=_goals("fast", 0, 10, 10, 15, 25),
        cpp=_costs(0, 919, 17_350, 259_000),
    ),
    Workload(
        "ordering-bulk",
        "k steps in one call",
        "clients",
        SIZES,
        {"first": "the first next()", "step": "a step of serve"},
        partial(loop, "bulk"),
        goals=(
            *(Goal("step", size, 0.2e-6, "s") for size in SIZES[1:4]),
            Goal("step", SIZES[4], 0.5e-6, "s"),
        ),
    ),
    Workload(
        "ordering-list",
        "all names in order",
        "clients",
        _by_clients(1_000, 10_000, 50_000),
        {"unchanged": "sort()", "after a grant": "sort()", "after a new total": "sort()"},
        listing,
        goals=(Goal("unchanged", {"clients": 10_000}, 20e-6, "s"),),
        # 148 us, at a unit of 0.095 s
        cpp=(Cpp("unchanged", {"clients": 10_000}, 148e-6 / 0.095),),
    ),
)
