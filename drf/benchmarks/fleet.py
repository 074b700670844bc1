"""A large cluster: 100 000 agents, 10 000 frameworks, 8 resources; cycles, and single events while it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from drf.allocator import Allocator
from drf.benchmarks.cluster import cluster, register, wide
from drf.benchmarks.workload import MEMORY, Goal, Size, Stopwatch, Workload

RESOURCES = 8
ROLES = 50
TASK = {"cpus": 1, "mem": 128}
BATCH = 20
"""Events timed together: one alone costs no more than reading the clock."""


def built(size: Size) -> Allocator:
    """The cluster, its frameworks in 50 roles, with our defaults in place of Mesos's."""
    a = cluster(size["agents"], agent=wide(RESOURCES), like=None, interval=None, backoff=0.0)
    register(a, size["frameworks"], ROLES)
    return a


def cycles(size: Size, watch: Stopwatch) -> None:
    """The first cycle; then a hundredth of the agents is declined for ever, which makes them candidates again."""
    a = built(size)
    decisions = watch.time("first", a.run)
    watch.due("the number of offers", len(decisions.offers), size["agents"])
    for offer in decisions.offers[::100]:
        a.decline(offer, refuse_seconds=1e6)
    again = watch.time("changed", a.run)
    watch.due("the number of offers of 1 %", len(again.offers), size["agents"] // 100)


def refusals(size: Size, watch: Stopwatch) -> None:
    """Decline every offer for ever, round after round: agents times rounds live refusals in the end."""
    a = built(size)
    decisions = a.run()
    for now in range(1, size["rounds"] + 1):
        a.decline_many(decisions.offers, refuse_seconds=1e6)
        a.advance(float(now))
        decisions = watch.time("cycle", a.run)
        watch.due("the number of offers", len(decisions.offers), size["agents"])
        if watch.is_over():
            break


def events(size: Size, watch: Stopwatch) -> None:
    """Declines, accepts, releases, suppressions, weights, each in batches."""
    a = built(size)
    offers = list(a.run().offers)
    batches = min(10, len(offers) // BATCH // 3)
    declined, accepted = offers[: batches * BATCH], offers[batches * BATCH : 2 * batches * BATCH]
    names = [f"f{i}" for i in range(size["frameworks"])]

    def each(figure: str, things: Sequence[Any], verb: Callable[[Any], None]) -> None:
        for start in range(0, len(things) - BATCH + 1, BATCH):
            batch = things[start : start + BATCH]
            watch.time(figure, partial(_all, verb, batch), BATCH)

    each("decline", declined, lambda offer: a.decline(offer, refuse_seconds=1e6))
    each("accept", accepted, lambda offer: a.accept(offer, TASK, refuse_seconds=1e6))
    each("release", accepted, lambda offer: a.release(offer.framework, offer.agent, TASK))
    each("suppress", names[:200], a.suppress)
    each("revive", names[:200], a.revive)
    weights = [(f"role{i % ROLES}", 1.0 + i / 1000) for i in range(200)]
    each("weight", weights, lambda pair: a.update_weights({pair[0]: pair[1]}))


def _all(verb: Callable[[Any], None], things: Sequence[Any]) -> None:
    for thing in things:
        verb(thing)


def _cells(*pairs: tuple[int, int]) -> tuple[Size, ...]:
    return tuple({"agents": agents, "frameworks": frameworks} for agents, frameworks in pairs)


SIZES = _cells((1_000, 100), (5_000, 500), (10_000, 1_000), (30_000, 3_000), (100_000, 10_000))
FULL = SIZES[-1]
REFUSED: tuple[Size, ...] = tuple(
    {"agents": agents, "frameworks": agents // 10, "rounds": rounds}
    for agents, rounds in ((1_000, 50), (5_000, 100), (20_000, 100), (100_000, 200))
)

WORKLOADS = (
    Workload(
        "fleet",
        "a large cluster of 8 resources: the first cycle, and one after 1 % of the agents changed",
        "agents",
        SIZES,
        {"first": "the first cycle", "changed": "the cycle after 1 % changed"},
        cycles,
        goals=(
            Goal("first", FULL, 0.25, "s"),
            Goal("changed", FULL, 0.004, "s"),
        ),
    ),
    Workload(
        "fleet-refusals",
        "a large cluster of 8 resources, every offer declined for ever, to 20 million refusals",
        "agents",
        REFUSED,
        {"cycle": "a cycle"},
        refusals,
        goals=(Goal(MEMORY, REFUSED[-1], 1_000, "MB"),),
    ),
    Workload(
        "event",
        "single events in a large cluster of 8 resources",
        "agents",
        SIZES,
        {
            "decline": "an event",
            "accept": "an event",
            "release": "an event",
            "suppress": "an event",
            "revive": "an event",
            "weight": "an event",
        },
        events,
        goals=tuple(
            Goal(figure, FULL, 3e-6, "s") for figure in ("decline", "release", "suppress", "weight")
        ),
    ),
)
