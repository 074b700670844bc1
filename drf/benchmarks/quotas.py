"""Roles with quota: Mesos's LargeAndSmallQuota and NonQuotaVsQuota."""

from __future__ import annotations

from drf.benchmarks.cluster import cluster
from drf.benchmarks.workload import MEMORY, Cpp, Goal, Size, Stopwatch, Workload

AGENT = {"cpus": 2, "mem": 2048, "disk": 2048}
HALF = {"cpus": 1, "mem": 1024, "disk": 1024}
TWO = {"cpus": 4, "mem": 4096, "disk": 4096}


def large_and_small(size: Size, watch: Stopwatch) -> None:
    """Ten small roles (quota: half an agent) to two large ones (two agents), and as many agents as all can have."""
    small, large = size["roles"] * 5 // 6, size["roles"] // 6
    a = cluster(size["agents"], agent=AGENT)
    for prefix, count, quota in (("small", small, HALF), ("large", large, TWO)):
        for i in range(count):
            role = f"{prefix}{i}"
            a.update_quota(role, guarantees=quota, limits=quota)
            a.add_framework(role, roles=[role])
    a.resume()
    watch.time("first", a.run)
    a.advance(1.0)
    nothing = watch.time("next", a.run)
    watch.due("the number of offers of the next cycle", len(nothing.offers), 0)


def with_and_without(size: Size, watch: Stopwatch) -> None:
    """Two agents and two frameworks a role, first with no quota, then with one of exactly two agents a role."""
    roles = size["roles"]
    for figure in ("without", "with"):
        a = cluster(2 * roles, agent=AGENT)
        for i in range(roles):
            if figure == "with":
                a.update_quota(f"role{i}", guarantees=TWO, limits=TWO)
            for j in range(2):
                a.add_framework(f"f{i}.{j}", roles=[f"role{i}"])
        a.resume()
        watch.time(figure, a.run)
        a.advance(1.0)
        watch.due(f"the number of offers of the next cycle, {figure} quota", len(a.run().offers), 0)


def _roles(*counts: int) -> tuple[Size, ...]:
    return tuple({"roles": n} for n in counts)


LARGE: tuple[Size, ...] = tuple({"agents": n, "roles": n} for n in (30, 90, 300, 900, 3_000))

WORKLOADS = (
    Workload(
        "quota-large-small",
        "small and large quotas (LargeAndSmallQuota)",
        "roles",
        LARGE,
        {"first": "the first cycle", "next": "the next, which offers nothing"},
        large_and_small,
        goals=(
            Goal("first", LARGE[-1], 0.05, "u"),
            Goal("next", LARGE[-1], 0.002, "u"),
            Goal(MEMORY, LARGE[-1], 60, "MB"),
        ),
        cpp=(
            Cpp("first", LARGE[2], 0.94),
            Cpp("next", LARGE[2], 0.058 / 0.1),
            Cpp(MEMORY, LARGE[2], 72),
            Cpp("first", LARGE[-1], 255),
            Cpp("next", LARGE[-1], 180),
            Cpp(MEMORY, LARGE[-1], 5_179),
        ),
        quick=3,
    ),
    Workload(
        "quota-or-not",
        "the same roles without and with quota (NonQuotaVsQuota)",
        "roles",
        _roles(10, 100, 300, 1_000),
        {"without": "the first cycle, no quota", "with": "the first cycle, with quota"},
        with_and_without,
        goals=(
            Goal("without", {"roles": 1_000}, 0.01, "u"),
            Goal("with", {"roles": 1_000}, 0.01, "u"),
            Goal(MEMORY, {"roles": 1_000}, 50, "MB"),
        ),
        cpp=(
            Cpp("without", {"roles": 100}, 0.051),
            Cpp("with", {"roles": 100}, 0.053),
            Cpp("without", {"roles": 1_000}, 3.1),
            Cpp("with", {"roles": 1_000}, 2.0),
            Cpp(MEMORY, {"roles": 1_000}, 1_200),
        ),
    ),
)
