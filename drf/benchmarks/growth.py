"""How cost grows: one number goes up, the others stay."""

from __future__ import annotations

from drf.benchmarks.cluster import cluster, register, wide
from drf.benchmarks.cycles import decline_all
from drf.benchmarks.workload import Size, Stopwatch, Workload

AGENTS, FRAMEWORKS, RESOURCES = 1_000, 100, 2
CHANGED = 10


def growing(size: Size, watch: Stopwatch) -> None:
    """The first cycle; and one after ten agents changed."""
    frameworks, roles = size.get("frameworks", FRAMEWORKS), size.get("roles", 1)
    a = cluster(
        size.get("agents", AGENTS),
        agent=wide(size.get("resources", RESOURCES)),
        like=None,
        interval=None,
        backoff=0.0,
    )
    register(a, max(frameworks, roles), roles)
    decisions = watch.time("first", a.run)
    for offer in decisions.offers[:CHANGED]:
        a.decline(offer, refuse_seconds=0)
    again = watch.time("changed", a.run)
    watch.due("the number of offers after a change", len(again.offers), CHANGED)


def filtering(size: Size, watch: Stopwatch) -> None:
    """A cycle over all agents while so many refusals are live; nobody has refused all."""
    a = cluster(AGENTS, agent=wide(RESOURCES))
    register(a, FRAMEWORKS, 1)
    decisions = a.run()
    rounds = size["filters"] // AGENTS
    for round_ in range(rounds):
        decline_all(a, decisions)
        a.advance(round_ + 1.0)
        if round_ < rounds - 1:
            decisions = a.run()
    again = watch.time("cycle", a.run)
    watch.due("the number of offers", len(again.offers), AGENTS)


def _along(axis: str, *values: int) -> Workload:
    return Workload(
        f"growth-{axis}",
        f"a cycle against {axis}",
        axis,
        tuple({axis: value} for value in values),
        {"first": "the first cycle", "changed": f"a cycle after {CHANGED} agents changed"},
        growing,
        quick=2,
    )


WORKLOADS = (
    _along("agents", 500, 1_000, 2_000, 5_000, 10_000),
    _along("frameworks", 50, 100, 500, 1_000, 5_000),
    _along("roles", 1, 10, 100, 500, 1_000),
    _along("resources", 2, 4, 8, 16, 32),
    Workload(
        "growth-filters",
        "a cycle against live refusals",
        "filters",
        tuple({"filters": n * AGENTS} for n in (1, 10, 25, 50, 90)),
        {"cycle": "a cycle"},
        filtering,
        quick=2,
    ),
)
