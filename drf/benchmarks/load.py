"""A day's load: frameworks that decline, accept and release, cycle after cycle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from drf._random import SplitMix64
from drf.allocator import Allocator
from drf.benchmarks.cluster import AGENT
from drf.benchmarks.workload import Size, Stopwatch, Workload

TASK = "cpus:2;mem:256"
ROLES = 50


def registered(frameworks: int, agents: int, make: Callable[..., Any] = Allocator) -> Any:
    """Frameworks in 50 roles, idle agents; O(frameworks + agents)."""
    allocator = make(seed=1)
    for i in range(frameworks):
        allocator.add_framework(f"f{i}", roles=[f"r{i % ROLES}"])
    for i in range(agents):
        allocator.add_agent(f"a{i}", AGENT)
    return allocator


def load(allocator: Any, cycles: int) -> int:
    """So many cycles, one a second; how many offers were made.

    Half of the offers are declined for 20 s, most others used for one task, the rest used whole; a third of the tasks
    ends each second.
    """
    random = SplitMix64(1)
    running: list[tuple[str, str]] = []
    offers = 0
    for cycle in range(1, cycles + 1):
        made = allocator.run().offers
        offers += len(made)
        for offer in made:
            draw = random.below(10)
            if draw < 5:
                allocator.decline(offer, refuse_seconds=20)
            elif draw < 9:
                allocator.accept(offer, TASK, refuse_seconds=5)
                running.append((offer.framework, offer.agent))
            else:
                allocator.accept(offer)
        ending = len(running) // 3
        for framework, agent in running[:ending]:
            allocator.release(framework, agent, TASK)
        del running[:ending]
        allocator.advance(float(cycle))
    return offers


def day(size: Size, watch: Stopwatch) -> None:
    """Time all of it, verbs and cycles, by the second."""
    allocator = registered(size["frameworks"], size["agents"])
    cycles = size["seconds"]
    offers = watch.time("second", partial(load, allocator, cycles), cycles)
    watch.note("offers", f"{offers} offers")


WORKLOADS = (
    Workload(
        "load",
        "frameworks that decline, accept and release",
        "agents",
        (
            {"agents": 1_000, "frameworks": 200, "seconds": 20},
            {"agents": 5_000, "frameworks": 1_000, "seconds": 20},
        ),
        {"second": "a second of load"},
        day,
        quick=1,
    ),
)
