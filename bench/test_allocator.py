"""An allocator under a day's load on both kernels, side by side: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from drf.benchmarks.load import load, registered


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
        allocators.append(registered(frameworks, agents, package.Allocator))
        return (allocators[-1], cycles), {}

    benchmark.group = f"{cycles} cycles, {frameworks} frameworks, {agents} agents"
    offers = benchmark.pedantic(load, setup=fresh, rounds=1)
    benchmark.extra_info |= {"kernel": kernel, "offers": offers}
    assert offers > agents
    allocators[-1].check()
