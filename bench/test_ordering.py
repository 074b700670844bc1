"""The hot and the churn loop on both kernels, side by side: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PATH = Path(__file__).with_name("ordering.py")


def workload(package: ModuleType) -> Any:
    """The workload of ordering.py on the sorter of that package."""
    spec = importlib.util.spec_from_file_location("ordering_workload", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Sorter = package.Sorter  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("kernel", ["pure", "fast"])
@pytest.mark.parametrize(
    ("loop", "clients", "steps"),
    [
        ("hot", 100, 20_000),
        ("hot", 1_000, 20_000),
        ("hot", 10_000, 5_000),
        ("hot", 50_000, 4_000),
        ("churn", 100, 5_000),
        ("churn", 1_000, 2_000),
    ],
)
def test_loop(
    benchmark: Any,
    twins: tuple[ModuleType, ModuleType],
    kernel: str,
    loop: str,
    clients: int,
    steps: int,
) -> None:
    ordering = workload(twins[kernel == "fast"])
    benchmark.group = f"{loop} loop, {clients} clients, {steps} steps"
    benchmark.extra_info |= {"kernel": kernel, "steps": steps}
    # Every round starts from one grant to every client, so that each picks the same sequence.
    picked = benchmark.pedantic(
        lambda sorter, demands: ordering.LOOPS[loop](sorter, demands, steps),
        setup=lambda: (ordering.prepared(clients), {}),
        rounds=5,
    )
    assert ordering.checksum(picked) == ordering.CHECKSUMS[loop, clients, steps]
    assert twins[kernel == "fast"].backend().name == kernel
