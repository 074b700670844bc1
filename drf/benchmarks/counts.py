"""Operations that can be counted exactly: how often a policy is asked, and which functions a cycle calls.

The numbers depend on no clock and no machine, and are the same on both kernels. They are counted from outside: by a
policy that counts its keys, and by Python's profiling hook.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from drf import _backend
from drf.benchmarks import ordering
from drf.benchmarks.cluster import cluster, register, wide
from drf.benchmarks.cycles import decline_all
from drf.benchmarks.quotas import AGENT, HALF, TWO
from drf.plugins import Policy, View
from drf.sorter import Sorter

HERE = str(Path(_backend.__file__).parent)
UNCOUNTED = (str(Path(HERE, "benchmarks")), str(Path(HERE, "_purepath.py")))
"""The workloads, and what is C in the other kernel."""

AGENTS, FRAMEWORKS, CLIENTS = 100, 20, 200


class Counting(Policy):
    """DRF in Python, which counts how many keys it was asked for."""

    name = "counting"
    modes = frozenset({"order"})
    stale_on = frozenset({"total"})

    def __init__(self) -> None:
        self.keys = 0

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        """The dominant share."""
        self.keys += 1
        return (view.share(client),)


def called(program: Callable[[], object]) -> Counter[CodeType]:
    """How often the program calls each function of `drf` that is written in Python; O(calls).

    A generator counts each time it goes on; comprehensions, which newer Pythons do not call, count never.
    """
    found: Counter[CodeType] = Counter()

    def hook(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HERE) and code.co_name[0] != "<":
            found[code] += 1

    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        program()
    finally:
        sys.setprofile(before)
    for code in [c for c in found if c.co_filename.startswith(UNCOUNTED)]:
        del found[code]
    return found


def keys() -> dict[str, int]:
    """How often a policy written in Python is asked for a key."""
    policy = Counting()
    sorter, demands = ordering.prepared(
        CLIENTS, make=lambda _, **options: Sorter(policy, **options)
    )

    def asked(program: Callable[[], object]) -> int:
        before = policy.keys
        program()
        return policy.keys - before

    def totals() -> None:
        for i in range(10):
            sorter.set_total({"cpus": 24_001 + i, "mem": 4_096_000})
        sorter.next()
        sorter.sort()

    sorter.next()
    return {
        "keys, 100 hot steps": asked(partial(ordering.hot, sorter, demands, 100)),
        "keys, 100 churn steps": asked(partial(ordering.churn, sorter, demands, 100)),
        "keys, 10 new totals and two questions, 200 clients": asked(totals),
        "keys, the list twice more": asked(lambda: (sorter.sort(), sorter.sort())),
    }


def cycles() -> dict[str, int]:
    """What a cycle visits: the first, one after a few agents changed, and all rounds of declines."""
    a = cluster(AGENTS, agent=wide(2), like=None, interval=None, backoff=0.0)
    register(a, FRAMEWORKS, 1)
    dealing = a._plugin._dealing
    first = called(a.run)
    visited, tested = dealing.visited, dealing.tested
    for offer in a.open_offers()[:5]:
        a.decline(offer, refuse_seconds=0)
    again = called(a.run)
    revisited = dealing.visited - visited
    b = cluster(AGENTS)
    register(b, FRAMEWORKS, 1)
    dealing = b._plugin._dealing

    def rounds() -> None:
        for round_ in range(2 * FRAMEWORKS):
            decline_all(b, b.run())
            b.advance(round_ + 1.0)

    declined = called(rounds)
    return {
        "agents visited, first cycle of 100": visited,
        "clients tested, first cycle of 100": tested,
        "calls in Python, first cycle of 100": first.total(),
        "agents visited, 5 of 100 changed": revisited,
        "calls in Python, 5 of 100 changed": again.total(),
        "clients tested, all rounds of declines, 2 000 refusals": dealing.tested,
        "words of refusals read, all rounds of declines": dealing.words,
        "calls in Python, all rounds of declines": declined.total(),
    }


def quotas() -> dict[str, int]:
    """Calls in cycles of 30 agents and 30 roles with quota (LargeAndSmallQuota)."""
    a = cluster(30, agent=AGENT)
    for prefix, count, quota in (("small", 25, HALF), ("large", 5, TWO)):
        for i in range(count):
            a.update_quota(f"{prefix}{i}", guarantees=quota, limits=quota)
            a.add_framework(f"{prefix}{i}", roles=[f"{prefix}{i}"])
    a.resume()
    first = called(a.run)
    a.advance(1.0)
    return {
        "calls in Python, 30 roles with quota, first cycle": first.total(),
        "calls in Python, 30 roles with quota, next cycle": called(a.run).total(),
    }


def counts() -> dict[str, int]:
    """All of them by name."""
    return {**keys(), **cycles(), **quotas()}
