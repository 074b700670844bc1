"""`entitlement`: the pool divided anew, as `drf.allocate` divides it, up to a chunk; trees, quota, reservations."""

from __future__ import annotations

from typing import Any

import pytest

import drf
from drf import Allocator, ResourceSpace
from drf._random import SplitMix64
from drf.entitlement import CHUNKS
from drf.errors import InvalidOption, NotSupported, UnknownName

CHUNK = 1 / CHUNKS


def cluster(*frameworks: str, total: str = "cpus:9;mem:18", **options: Any) -> Allocator:
    a = Allocator(agent_order="id", interval=None, **options)
    a.add_agent("m1", total)
    for name in frameworks:
        a.add_framework(name, roles=[name])
    return a


class TestFlat:
    def test_the_example_of_the_paper(self) -> None:
        """Ghodsi et al. 2011: A gets 3 tasks of <1 cpu, 4 GB>, B 2 of <3 cpus, 1 GB>."""
        a = cluster("A", "B")
        a.request("B", "cpus:3;mem:1", 9)
        found = a.entitlement("A", "cpus:1;mem:4")
        assert found.resources["cpus"] == pytest.approx(3, abs=2 * 9 * CHUNK)
        assert found.resources["mem"] == pytest.approx(12, abs=2 * 18 * CHUNK)
        assert found.share == pytest.approx(2 / 3, abs=2 * CHUNK)
        assert found.fair_share == 0.5

    @pytest.mark.parametrize("seed", range(60))
    def test_as_allocate_divides(self, seed: int) -> None:
        random = SplitMix64(seed)
        capacity = {"cpus": 20 + random.below(80), "mem": 20 + random.below(80), "gpus": 10}
        names = [f"f{i}" for i in range(2 + random.below(4))]
        demands = {
            n: {r: 1 + random.below(6) for r in capacity if r == "cpus" or random.below(2)}
            for n in names
        }
        weights = {n: 1.0 + random.below(3) for n in names}
        counts = {n: 1 + random.below(30) for n in names}
        a = cluster(*names, total=";".join(f"{r}:{q}" for r, q in capacity.items()))
        a.update_weights(weights)
        for name in names[1:]:
            a.request(name, demands[name], counts[name])
        found = a.entitlement(names[0], demands[names[0]])
        due = drf.allocate(
            capacity,
            demands,
            weights=weights,
            divisible=True,
            max_tasks={n: counts[n] for n in names[1:]},
        )
        # Each of the others may be a chunk before or behind when a resource is used up.
        slack = CHUNK * (1 + sum(weights.values()) / min(weights.values())) * 2
        assert found.share == pytest.approx(
            float(due.shares[names[0]]) * weights[names[0]], abs=slack
        )

    def test_whoever_wants_no_more_leaves_the_rest(self) -> None:
        a = cluster("A", "B")
        a.accept(a.run().offers[0], "cpus:2", refuse_seconds=0)
        assert a.holdings("A")
        assert a.entitlement("B", "cpus:1").resources["cpus"] == pytest.approx(7, abs=9 * CHUNK)
        found = a.entitlement("A")  # the mix that it holds
        assert str(found.shape) == "cpus:2"
        assert (found.resources["cpus"], found.held["cpus"]) == (9, 2)
        assert found.difference == {"cpus": 7}
        assert found.held_share == pytest.approx(2 / 9)

    def test_offers_count_as_held(self) -> None:
        a = cluster("A", "B")
        a.run()
        assert a.entitlement("B", "cpus:1").share == pytest.approx(0.5, abs=2 * CHUNK)

    def test_the_shape_by_default(self) -> None:
        a = cluster("A")
        assert str(a.entitlement("A").shape) == "cpus:9;mem:18"
        a.request("A", "cpus:5", since=-1.0)
        a.request("A", "cpus:1;mem:1", since=-2.0)
        assert str(a.entitlement("A").shape) == "cpus:1;mem:1"


class TestRules:
    def test_a_tree_of_weighted_roles(self) -> None:
        a = Allocator(interval=None)
        a.add_agent("m", "cpus:100")
        a.update_weights({"eng": 3.0, "eng/ads": 2.0})
        for name, role in (("a", "eng/ads"), ("b", "eng/web"), ("c", "ops"), ("d", "ops")):
            a.add_framework(name, roles=[role])
            a.request(name, "cpus:1", 100)
        for name, part in (("a", 0.5), ("b", 0.25), ("c", 0.125), ("d", 0.125)):
            found = a.entitlement(name)
            assert found.fair_share == pytest.approx(part)
            assert found.resources["cpus"] == pytest.approx(100 * part, abs=0.5)

    def test_a_role_beside_those_below_it(self) -> None:
        a = Allocator(interval=None)
        a.add_agent("m", "cpus:100")
        a.update_weights({"eng/ads": 3.0})
        for name, role in (("a", "eng"), ("b", "eng/ads"), ("c", "ops")):
            a.add_framework(name, roles=[role])
            a.request(name, "cpus:1", 100)
        for name, part in (("a", 0.125), ("b", 0.375), ("c", 0.5)):
            found = a.entitlement(name)
            assert found.fair_share == pytest.approx(part)
            assert found.resources["cpus"] == pytest.approx(100 * part, abs=0.5)

    @pytest.mark.parametrize("limited", ["A", "B"])
    def test_limits(self, limited: str) -> None:
        a = cluster("A", "B", total="cpus:10")
        a.request("B", "cpus:1", 100)
        a.update_quota(limited, limits={"cpus": 2})
        due = {"A": 2.0, "B": 8.0}[limited]
        assert a.entitlement("A", "cpus:1").resources["cpus"] == pytest.approx(due, abs=0.02)

    def test_guarantees(self) -> None:
        a = cluster("A", "B", total="cpus:10")
        a.update_quota("B", guarantees={"cpus": 6})
        # B asks for nothing; what it is guaranteed is kept free all the same.
        assert a.entitlement("A", "cpus:1").resources["cpus"] == pytest.approx(4, abs=0.02)
        a.update_quota("B")
        a.update_quota("A", guarantees={"cpus": 7})
        a.request("B", "cpus:1", 100)
        assert a.entitlement("A", "cpus:1").resources["cpus"] == pytest.approx(7, abs=0.02)

    def test_reservations(self) -> None:
        a = cluster("A", "B", total="cpus(A):2;cpus(B):3;cpus:5")
        assert a.entitlement("A", "cpus:1").resources["cpus"] == pytest.approx(7, abs=0.02)

    def test_agents_that_are_not_offered(self) -> None:
        a = cluster("A", total="cpus:10")
        a.add_agent("m2", "cpus:30")
        a.deactivate_agent("m2")
        found = a.entitlement("A", "cpus:1")
        assert found.resources["cpus"] == pytest.approx(10, abs=0.05)
        assert found.share == pytest.approx(0.25, abs=2 * CHUNK)  # of the whole cluster, as `share`

    def test_agents_that_constraints_keep_from_it(self) -> None:
        a = Allocator(interval=None)
        a.add_agent("m1", "cpus:10", attributes={"rack": "r1"})
        a.add_agent("m2", "cpus:30")
        near = {"selector": {"attribute": "rack"}, "predicate": {"type": "exists"}}
        a.add_framework("A", roles=["A"], constraints={"A": [[near]]})
        assert a.entitlement("A", "cpus:1").resources["cpus"] == pytest.approx(10, abs=0.05)

    def test_another_role_of_its_own_is_somebody_else(self) -> None:
        a = Allocator(interval=None)
        a.add_agent("m1", "cpus:10")
        a.add_framework("A", roles=["x", "y"])
        a.request("A", "cpus:1", 4, role="y")
        assert a.entitlement("A", "cpus:1", role="x").resources["cpus"] == pytest.approx(
            6, abs=0.05
        )
        with pytest.raises(InvalidOption, match="say which with role="):
            a.entitlement("A", "cpus:1")

    @pytest.mark.parametrize("policy", ["fifo", "random", "maxmin:mem"])
    def test_other_policies(self, policy: str) -> None:
        a = cluster("A", "B", policy=policy, total="cpus:10;mem:10")
        a.advance(5.0)
        a.request("B", "cpus:1", 4, since=1.0)
        before = a.snapshot()
        found = a.entitlement("A", "cpus:1")
        assert a.snapshot() == before
        if policy == "fifo":  # B waits longer
            assert found.resources["cpus"] == pytest.approx(6, abs=0.02)
        else:
            assert 0 < found.resources["cpus"] <= 10

    def test_coarse_units(self) -> None:
        a = cluster("A", "B", total="cpus:8", space=ResourceSpace({"cpus": 1}))
        a.request("B", "cpus:1", 9)
        assert a.entitlement("A", "cpus:1").resources["cpus"] == 4


class TestWrong:
    def test_an_unknown_framework(self) -> None:
        with pytest.raises(UnknownName):
            cluster().entitlement("x")

    def test_no_shape_at_all(self) -> None:
        a = Allocator()
        a.add_framework("f")
        with pytest.raises(InvalidOption, match="give a shape"):
            a.entitlement("f")

    def test_a_resource_that_nobody_has(self) -> None:
        found = cluster("A").entitlement("A", "gpus:1")
        assert not found.resources
        assert "would get nothing" in str(found)

    def test_a_plug_in_that_cannot_say(self) -> None:
        class Plugin:
            def add_framework(self, *args: Any, **kwargs: Any) -> None: ...

        a = Allocator(plugin=Plugin())  # type: ignore[arg-type]
        a.add_framework("f")
        with pytest.raises(NotSupported):
            a.entitlement("f")


def test_it_prints() -> None:
    a = cluster("A", total="cpus:10")
    assert str(a.entitlement("A", "cpus:1")) == (
        "framework A in role A, tasks of cpus:1: would get cpus:10 (share 1.0000, within 0.001), holds nothing "
        "(share 0.0000), difference +10 cpus; its equal part is 1.0000"
    )


def test_a_weight_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drf.ranking.Ranking.set_weight", lambda *args: None)
    with pytest.raises(AssertionError):
        TestRules().test_a_tree_of_weighted_roles()


def test_a_quota_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drf.quota.Budget.allows", lambda *args, **kwargs: True)
    for test in (TestRules().test_guarantees, lambda: TestRules().test_limits("A")):
        with pytest.raises(AssertionError):
            test()
