"""Several policies side by side on one workload."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from drf.errors import InvalidOption
from drf.plugins import Policy, make_policy
from drf.simulation.engine import AgentOrder, OfferMode, Result, simulate
from drf.simulation.metrics import Summary, summarise
from drf.simulation.workload import Workload


def compare(
    workload: Workload,
    policies: Sequence[str | Policy],
    *,
    offer: OfferMode = "demand",
    agent_order: AgentOrder = "pack",
    seed: int = 0,
    horizon: float | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> list[tuple[Result, Summary]]:
    """Simulate the workload under each policy, in the order given, and sum each run up.

    All names are looked up before the first run. ``progress`` is called with the policy's name and
    the fraction of arrivals that are through. The results carry the seconds that each run took;
    nothing decides by them. Raises what `simulate` raises, and InvalidOption without policies or
    where one is given twice.
    """
    names = [make_policy(p).name for p in policies]
    if not names:
        raise InvalidOption("there is no policy to compare; give at least one, such as 'drf'")
    for name in names:
        if names.count(name) > 1:
            raise InvalidOption(f"policy {name!r} is given twice; give each policy once")
    results = []
    for policy, name in zip(policies, names, strict=True):
        began = time.perf_counter()
        report = None if progress is None else partial(progress, name)
        result = simulate(
            workload,
            policy,
            offer=offer,
            agent_order=agent_order,
            seed=seed,
            horizon=horizon,
            progress=report,
        )
        seconds = time.perf_counter() - began
        results.append((replace(result, seconds=seconds), summarise(result)))
    return results
