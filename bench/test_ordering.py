"""Loops of grants on both kernels, and trees against trees made anew: ``pytest bench --benchmark-enable``."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from drf.benchmarks import memory, ordering, trees


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


@pytest.mark.parametrize("kernel", ["pure", "fast"])
@pytest.mark.parametrize("policy", ["sdrf:0.999", "halflife:3600"])
def test_memory(
    benchmark: Any, twins: tuple[ModuleType, ModuleType], kernel: str, policy: str
) -> None:
    clients, steps = 1_000, 1_000
    benchmark.group = f"{policy}, {clients} clients, {steps} steps"
    benchmark.extra_info |= {"kernel": kernel, "steps": steps}
    makes = [package.Sorter for package in twins]

    def setup() -> tuple[Any, dict[str, Any]]:
        sorter, demands = memory.prepared(policy, clients, makes[kernel == "fast"])
        sorter.next()
        return (sorter, demands, steps), {}

    picked = benchmark.pedantic(memory.churn, setup=setup, rounds=3)
    other = memory.prepared(policy, clients, makes[kernel != "fast"])
    assert picked == memory.churn(*other, steps)


@pytest.mark.parametrize("full", [False, True])
def test_tree(benchmark: Any, full: bool) -> None:
    leaves, steps = 1_296, 200
    benchmark.group = f"hdrf, {leaves} leaves, {steps} steps{', full' if full else ''}"
    sorter, demands = trees.prepared(leaves, full)
    interned = {leaf: sorter.intern(demand) for leaf, demand in demands.items()}
    sorter.next()
    benchmark.pedantic(trees.churn, args=(sorter, interned, steps), rounds=1)
    held = {leaf: (sorter.held(leaf).quantities(), sorter.grants(leaf), True) for leaf in demands}
    tree = trees.PlainTree(list(demands), sorter.total().quantities())
    tree.compute(held, {})
    assert sorter.sort() == tree.sort()


@pytest.mark.parametrize("full", [False, True])
def test_tree_anew(benchmark: Any, full: bool) -> None:
    leaves = 1_296
    benchmark.group = f"hdrf, {leaves} leaves, the whole tree{', full' if full else ''}"
    sorter, demands = trees.prepared(leaves, full)
    held = {leaf: (sorter.held(leaf).quantities(), 1, True) for leaf in demands}
    tree = trees.PlainTree(list(demands), sorter.total().quantities())
    benchmark.pedantic(tree.compute, args=(held, {}), rounds=1)
    assert tree.first() == sorter.next()
