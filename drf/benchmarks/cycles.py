"""First cycles of idle clusters, and rounds in which every offer is declined (Mesos's DeclineOffers)."""

from __future__ import annotations

from functools import partial

from drf.allocator import Allocator
from drf.benchmarks.cluster import BUSY, cluster, register
from drf.benchmarks.workload import MEMORY, Cpp, Goal, Size, Stopwatch, Workload
from drf.offers import Decisions

FOREVER = float(2**31 - 1)
"""Seconds, as Mesos's benchmark has it; longer than the longest refusal."""

ROUNDS = 5


def first_cycle(own_roles: bool, size: Size, watch: Stopwatch) -> None:
    """Register the frameworks, run once, and read each offer as an object."""
    agents, frameworks = size["agents"], size["frameworks"]
    a = cluster(agents)
    watch.time("register", partial(register, a, frameworks, frameworks if own_roles else 1))
    decisions = watch.time("columns", a.run)
    columns = watch.last
    watch.due("the number of offers", len(decisions.offers), agents)
    watch.time(None, lambda: [(o.id, o.framework, o.agent, o.resources) for o in decisions.offers])
    watch.record("objects", columns + watch.last)


def decline_all(a: Allocator, decisions: Decisions) -> None:
    """Decline every offer for ever; O(offers)."""
    a.decline_many(decisions.offers, refuse_seconds=FOREVER)


def declining(rounds: int | None, size: Size, watch: Stopwatch) -> None:
    """Decline all offers, tick, time the cycle: so many rounds, or twice as many as there are frameworks."""
    agents, frameworks = size["agents"], size["frameworks"]
    a = cluster(agents, busy=BUSY, frameworks=frameworks)
    register(a, frameworks, 1)
    decisions = a.run()
    wanted = 2 * frameworks if rounds is None else rounds
    cycles: list[float] = []
    offers = 0
    for round_ in range(1, wanted + 1):
        offers += len(decisions.offers)
        watch.time(None if rounds is None else "declines", partial(decline_all, a, decisions))
        a.advance(float(round_))
        decisions = watch.time(None, a.run)
        cycles.append(watch.last)
        if watch.is_over():
            watch.note("rounds", f"stopped after {round_} of {wanted} rounds, {offers} refusals")
            break
    else:
        if rounds is None:
            # Every framework refuses every agent once, and then nothing is left to offer.
            watch.due("the number of offers in all rounds", offers, agents * frameworks)
    watch.record("mean", sum(cycles) / len(cycles))
    if rounds is None:
        watch.record("worst", max(cycles))


def _cells(*pairs: tuple[int, int]) -> tuple[Size, ...]:
    return tuple({"agents": agents, "frameworks": frameworks} for agents, frameworks in pairs)


SIZES = _cells((1_000, 50), (2_000, 100), (5_000, 250), (10_000, 500))
FULL = SIZES[-1]
BUILDING = {
    "register": "all frameworks",
    "columns": "run()",
    "objects": "run(), every offer an object",
}

WORKLOADS = (
    Workload(
        "first-cycle",
        "an idle cluster, all frameworks in one role",
        "agents",
        SIZES,
        BUILDING,
        partial(first_cycle, False),
        goals=(
            Goal("columns", FULL, 0.02, "u"),
            Goal("objects", FULL, 0.04, "u"),
            Goal(MEMORY, FULL, 60, "MB"),
            Goal("objects", FULL, 1.0, "u", "pure"),
        ),
        cpp=(
            Cpp("objects", SIZES[0], 0.22),
            Cpp("columns", FULL, 3.77),
            Cpp("objects", FULL, 3.77),
            Cpp(MEMORY, FULL, 186),
        ),
    ),
    Workload(
        "first-cycle-roles",
        "an idle cluster, every framework in a role of its own",
        "agents",
        SIZES,
        BUILDING,
        partial(first_cycle, True),
        goals=(
            Goal("register", FULL, 0.05, "s"),
            Goal("columns", FULL, 0.02, "u"),
            Goal("objects", FULL, 0.04, "u"),
            Goal(MEMORY, FULL, 60, "MB"),
        ),
        cpp=(
            Cpp("register", FULL, 85 / 0.095),  # 85 s
            Cpp("columns", FULL, 5.4),
            Cpp("objects", FULL, 5.4),
            Cpp(MEMORY, FULL, 2_968),
        ),
    ),
    Workload(
        "decline",
        "every offer declined for ever, the first five rounds",
        "agents",
        SIZES,
        {"mean": "a cycle, mean of five", "declines": "all declines of a round"},
        partial(declining, ROUNDS),
        goals=(
            Goal("mean", FULL, 0.03, "u"),
            Goal("declines", FULL, 0.1, "u"),  # 10 000 declines
            Goal("mean", FULL, 1.2, "u", "pure"),
        ),
        cpp=(Cpp("mean", SIZES[0], 0.48), Cpp("mean", FULL, 6.8)),
    ),
    Workload(
        "decline-all",
        "every offer declined for ever, until all have refused all",
        "agents",
        _cells((200, 10), (500, 25), (1_000, 50), (2_000, 100), (10_000, 500)),
        {"worst": "a cycle, the worst", "mean": "a cycle, mean of all"},
        partial(declining, None),
        goals=(Goal("worst", FULL, 0.1, "u"), Goal(MEMORY, FULL, 250, "MB")),
        cpp=(Cpp("worst", FULL, 9.0), Cpp(MEMORY, FULL, 961)),
    ),
)
