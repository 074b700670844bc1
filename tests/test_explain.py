"""`why` says what a run would do: its tests are those of a cycle, and its words name the rule and the case."""

from __future__ import annotations

from typing import Any

import pytest

from drf import Allocator
from drf._random import SplitMix64
from drf.errors import UnknownName

CONSTRAINT = {"selector": {"attribute": "rack"}, "predicate": {"type": "exists"}}


def fleet(**options: Any) -> Allocator:
    a = Allocator(interval=None, agent_order="id", **options)
    a.add_agent("m1", "cpus:8;mem:64")
    return a


def rule(a: Allocator, framework: str = "f", agent: str = "m1") -> str | None:
    """Which rule keeps the agent from the framework, None if none does."""
    (standing,) = a.why(framework).standings
    obstacle = standing.obstacles.get(agent)
    assert (obstacle is None) == (agent in standing.open)
    return None if obstacle is None else obstacle.rule


class TestRules:
    def test_nothing(self) -> None:
        a = fleet()
        a.add_framework("f")
        assert rule(a) is None

    def test_offered(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.run()
        assert rule(a) == "nothing free"

    def test_refused_until(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.decline(a.run().offers[0], refuse_seconds=30)
        (standing,) = a.why("f").standings
        assert (
            str(standing.obstacles["m1"]) == "refused: it refused cpus:8;mem:64 there, until 30 s"
        )

    def test_deactivated(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.deactivate_agent("m1")
        assert rule(a) == "deactivated"

    def test_whitelist(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.set_whitelist([])
        assert rule(a) == "whitelist"

    def test_constraint(self) -> None:
        a = fleet()
        a.add_framework("f", roles=["r"], constraints={"r": [[CONSTRAINT]]})
        (standing,) = a.why("f").standings
        assert standing.obstacles["m1"].rule == "constraint"
        assert "rack" in standing.obstacles["m1"].detail

    def test_reservation(self) -> None:
        a = fleet()
        a.update_agent("m1", "cpus(other):8")
        a.add_framework("f", roles=["r"])
        assert rule(a) == "reservation"

    def test_capability(self) -> None:
        a = fleet(filter_gpus=True)
        a.update_agent("m1", "cpus:8;gpus:1")
        a.add_framework("f", capabilities=[])
        assert rule(a) == "capability"

    def test_agent_capability(self) -> None:
        a = fleet()
        a.update_agent("m1", capabilities=["MULTI_ROLE"])
        a.add_framework("f", roles=["a/b"])
        assert rule(a) == "agent capability"

    def test_too_small(self) -> None:
        a = fleet(min_allocatable=["cpus:9"])
        a.add_framework("f")
        assert rule(a) == "too small"

    def test_limit(self) -> None:
        a = fleet()
        a.update_quota("r", limits={"cpus": 0, "mem": 0})
        a.add_framework("f", roles=["r/x"])
        assert rule(a) == "limit"

    def test_headroom(self) -> None:
        a = fleet()
        a.update_quota("prod", guarantees="cpus:8;mem:64")
        a.add_framework("f", roles=["test"])
        assert rule(a) == "headroom"

    def test_requests(self) -> None:
        a = fleet(offer="demand")
        a.add_framework("f", roles=["r"])
        assert rule(a) == "request"
        a.request("f", "cpus:9")
        assert rule(a) == "size"
        a.request("f", "cpus:8")
        assert rule(a) is None
        a.update_quota("r", limits={"cpus": 7})
        assert rule(a) == "quota"
        a.update_quota("r")
        a.decline(a.run().offers[0], refuse_seconds=9)
        assert rule(a) == "refused"


class TestStanding:
    def test_who_is_ahead_and_by_how_much(self) -> None:
        a = fleet()
        a.add_agent("m2", "cpus:8;mem:64")
        for name in ("f", "g"):
            a.add_framework(name, roles=[name])
        first, second = a.run().offers
        a.accept(first, "cpus:4", refuse_seconds=0)  # f holds 4 of 16 cpus
        a.accept(second, "cpus:2", refuse_seconds=0)  # g 2 of 16
        (standing,) = a.why("f").standings
        assert (standing.rank, standing.dominant) == (1, "cpus")
        assert standing.shares == {"cpus": 0.25}
        assert [tuple(ahead) for ahead in standing.roles_ahead] == [("g", 0.125, 0.125)]

    def test_it_prints_as_sentences(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.add_framework("g")
        a.accept(a.run().offers[0], "cpus:2", refuse_seconds=60)
        assert str(a.why("f")) == (
            "framework f\n"
            "role *: holds cpus 25.0%, dominant cpus\n"
            "  1 ahead, first g with share 0.0000, 0.2500 less\n"
            "  m1: refused: it refused cpus:6;mem:64 there, until 60 s\n"
            "  no single change gives it an offer: g is asked before it; refused on 1 agent"
        )

    @pytest.mark.parametrize("how", ["suppress", "deactivate_framework"])
    def test_who_is_not_asked(self, how: str) -> None:
        a = fleet()
        a.add_framework("f")
        getattr(a, how)("f")
        (standing,) = a.why("f").standings
        assert standing.rank is None
        assert standing.silent in ("the role is suppressed", "the framework is inactive")

    def test_an_unknown_framework(self) -> None:
        with pytest.raises(UnknownName, match="unknown framework 'x'"):
            fleet().why("x")


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("offer", ["agent", "demand"])
def test_after_a_run_over_all_agents_nothing_is_open_to_anybody(seed: int, offer: str) -> None:
    """If `why` said that an agent would be offered, the run that just was would have offered it."""
    random = SplitMix64(seed)
    a = Allocator(
        interval=1.0, offer=offer, seed=seed, min_allocatable=["cpus:1"] if seed % 3 else ()
    )
    roles = ["a", "a/x", "b", "*"]
    if seed % 2:
        a.update_quota("a", limits={"cpus": 5, "mem": 40})
    for i in range(6):
        reserved = f";cpus({roles[random.below(3)]}):1" if random.below(2) else ""
        a.add_agent(f"m{i}", f"cpus:{1 + random.below(4)};mem:{8 + random.below(16)}{reserved}")
    for i in range(4):
        a.add_framework(f"f{i}", roles=sorted({roles[random.below(4)] for _ in range(2)}))
    for step in range(1, 12):
        for i in range(4):
            for standing in a.why(f"f{i}", change=False).standings:
                if offer == "demand":
                    shape = f"cpus:{1 + random.below(2)};mem:{1 + random.below(8)}"
                    a.request(f"f{i}", shape, random.below(3), role=standing.role)
        a.advance(float(step))
        for made in a.run().offers:
            if random.below(2):
                a.decline(made, refuse_seconds=random.below(5))
            elif random.below(2):
                a.accept(made)
        a.advance(step + 0.5)
        a.run()
        for i in range(4):
            for standing in a.why(f"f{i}", change=False).standings:
                assert standing.open == (), (step, i, standing)
