"""An allocator under a day's load: frameworks that decline, accept and release, cycle after cycle."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

AGENT = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]"
TASK = "cpus:2;mem:256"


def registered(package: ModuleType, frameworks: int, agents: int) -> Any:
    """Frameworks in 50 roles, idle agents."""
    a = package.Allocator(seed=1)
    for i in range(frameworks):
        a.add_framework(f"f{i}", roles=[f"r{i % 50}"])
    for i in range(agents):
        a.add_agent(f"a{i}", AGENT)
    return a


def load(package: ModuleType, a: Any, cycles: int) -> int:
    """Half of the offers are declined for 20 s, most others used for one task, the rest used whole; a third of the
    tasks ends each second. How many offers were made."""
    random = package._random.SplitMix64(1)
    running: list[tuple[str, str]] = []
    offers = 0
    for cycle in range(1, cycles + 1):
        made = a.run().offers
        offers += len(made)
        for offer in made:
            draw = random.below(10)
            if draw < 5:
                a.decline(offer, refuse_seconds=20)
            elif draw < 9:
                a.accept(offer, TASK, refuse_seconds=5)
                running.append((offer.framework, offer.agent))
            else:
                a.accept(offer)
        ending = len(running) // 3
        for framework, agent in running[:ending]:
            a.release(framework, agent, TASK)
        del running[:ending]
        a.advance(float(cycle))
    return offers


@pytest.mark.parametrize("kernel", ["pure", "fast"])
@pytest.mark.parametrize(("frameworks", "agents", "cycles"), [(200, 1000, 20), (1000, 5000, 100)])
def test_load(
    benchmark: Any,
    twins: tuple[ModuleType, ModuleType],
    kernel: str,
    frameworks: int,
    agents: int,
    cycles: int,
) -> None:
    package = twins[kernel == "fast"]
    allocators = []

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        allocators.append(registered(package, frameworks, agents))
        return (package, allocators[-1], cycles), {}

    benchmark.group = f"{cycles} cycles, {frameworks} frameworks, {agents} agents"
    offers = benchmark.pedantic(load, setup=fresh, rounds=1)
    benchmark.extra_info |= {"kernel": kernel, "offers": offers}
    assert offers > agents
    allocators[-1].check()
