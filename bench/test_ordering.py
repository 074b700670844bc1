"""The hot and the churn loop on both kernels, side by side: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from drf.benchmarks import ordering


@pytest.mark.parametrize("kernel", ["pure", "fast"])
@pytest.mark.parametrize(("loop", "clients", "steps"), ordering.CHECKSUMS)
def test_loop(
    benchmark: Any,
    twins: tuple[ModuleType, ModuleType],
    kernel: str,
    loop: str,
    clients: int,
    steps: int,
) -> None:
    package = twins[kernel == "fast"]
    benchmark.group = f"{loop} loop, {clients} clients, {steps} steps"
    benchmark.extra_info |= {"kernel": kernel, "steps": steps}
    # Every round starts from one grant to every client, so that each picks the same sequence.
    picked = benchmark.pedantic(
        lambda sorter, demands: ordering.LOOPS[loop](sorter, demands, steps),
        setup=lambda: (ordering.prepared(clients, make=package.Sorter), {}),
        rounds=5,
    )
    assert ordering.checksum(picked) == ordering.CHECKSUMS[loop, clients, steps]
    assert package.backend().name == kernel
