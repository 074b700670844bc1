"""`what_if` tries a change on a copy; the smallest change that `why` names gives the framework an offer, by trial."""

from __future__ import annotations

from typing import Any

import pytest

import drf
from drf import Allocator
from drf.advice import NOTHING, brings
from drf.errors import NotSupported, ReentrantCall, UnknownName
from drf.explain import Change, Standing
from drf.hierarchical import HierarchicalAllocator
from tests.test_allocator_random import History

CONSTRAINT = {"selector": {"attribute": "rack"}, "predicate": {"type": "exists"}}


def fleet(**options: Any) -> Allocator:
    a = Allocator(**{"interval": None, "agent_order": "id", **options})
    a.add_agent("m1", "cpus:8;mem:64")
    return a


def smallest(a: Allocator, framework: str = "f") -> Change | None:
    (standing,) = a.why(framework).standings
    assert (standing.change is None) == (standing.stands_in_the_way is not None)
    return standing.change


def verb(a: Allocator, framework: str = "f") -> str | None:
    """The verb of the smallest change, carried out, which brings an offer."""
    change = smallest(a, framework)
    assert change is not None
    if change.verb in (None, "advance"):
        change.apply(a)
    else:
        change.apply(a)
        a.set_whitelist(a._plugin._whitelist)  # a run over all agents
    assert framework in a.run().offers.frameworks
    return change.verb


class TestWhatIf:
    def test_the_original_is_left_as_it_was(self) -> None:
        a = fleet(policy="random", seed=5)
        for name in ("f", "g", "h"):
            a.add_framework(name)
        before = a.snapshot()
        a.what_if(lambda copy: copy.remove_framework("g"))
        assert a.snapshot() == before

    def test_shares_and_offers_with_and_without(self) -> None:
        a = fleet()
        a.add_agent("m2", "cpus:8;mem:64")
        for name in ("f", "g"):
            a.add_framework(name, roles=[name])
        found = a.what_if(lambda copy: copy.suppress("f"))
        assert found.differs == ("f", "g")
        f, g = found.effects["f"], found.effects["g"]
        assert (f.before, f.without, f.after) == (0.0, 0.5, 0.0)
        assert (g.before, g.without, g.after) == (0.0, 0.5, 1.0)
        assert [*g.offers_without] == [("g", "m2")]
        assert [*g.offers] == [("g", "m1"), ("g", "m2")]
        assert "g: share 0.0000 now, 0.5000 without the change, 1.0000 with it" in str(found)

    def test_nothing_differs(self) -> None:
        a = fleet()
        a.add_framework("f")
        found = a.what_if(lambda copy: None)
        assert found.differs == ()
        assert str(found) == "no framework's share or offers would differ"
        assert found.effects["f"].after == 1.0

    def test_who_comes_and_goes(self) -> None:
        a = fleet()
        a.add_framework("f")

        def change(copy: Allocator) -> None:
            copy.remove_framework("f")
            copy.add_framework("new")

        found = a.what_if(change)
        assert found.effects["f"].after is None
        assert (found.effects["new"].before, found.effects["new"].after) == (None, 1.0)
        assert "f: share 0.0000 now, 1.0000 without the change, none with it" in str(found)

    def test_offers_that_are_open_already_are_not_counted(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.run()
        assert not a.what_if(lambda copy: None).effects["f"].offers

    def test_what_the_change_raises(self) -> None:
        a = fleet()
        with pytest.raises(UnknownName):
            a.what_if(lambda copy: copy.revive("nobody"))
        with pytest.raises(ReentrantCall):
            a.what_if(lambda copy: a.run())
        assert not a.run()

    def test_a_policy_object(self) -> None:
        class Mine(drf.Policy):
            name = "mine"

            def key(self, view: Any, client: str) -> tuple[Any, ...]:
                return (client,)

        a = Allocator(Mine())
        a.add_agent("m", "cpus:1")
        a.add_framework("f")
        assert a.what_if(lambda copy: None).effects["f"].after == 1.0

    def test_a_plug_in(self) -> None:
        class Mine(HierarchicalAllocator):
            pass

        a = Allocator(plugin=Mine())
        a.add_framework("f")
        with pytest.raises(NotSupported, match="cannot be copied"):
            a.what_if(lambda copy: None)
        assert smallest_of(a) == (None, None)


def smallest_of(a: Allocator) -> tuple[object, object]:
    (standing,) = a.why("f").standings
    return standing.change, standing.stands_in_the_way


class TestSmallestChange:
    def test_nothing(self) -> None:
        a = fleet()
        a.add_framework("f")
        assert smallest(a) == NOTHING
        assert verb(a) is None

    def test_waiting_for_a_refusal(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.decline(a.run().offers[0], refuse_seconds=30)
        assert str(smallest(a)) == "wait until 30 s: its refusal of m1 ends"
        assert verb(a) == "advance"

    def test_waiting_for_the_interval(self) -> None:
        a = fleet(react="interval", interval=2.0)
        a.add_framework("f")
        a.run()
        a.add_agent("m2", "cpus:1")
        a.run()
        a.decline(a.open_offers()[0], refuse_seconds=0)
        assert str(smallest(a)) == "wait until 2 s: tick of the allocator"
        assert verb(a) == "advance"

    def test_waiting_for_an_offer_that_ends(self) -> None:
        a = fleet(offer_timeout=9.0)
        a.add_framework("g", roles=["g"])
        a.run()
        a.add_framework("f", roles=["f"])
        assert str(smallest(a)) == "wait until 9 s: an open offer ends unanswered"
        assert verb(a) == "advance"

    @pytest.mark.parametrize(
        ("how", "then"),
        [("suppress", "revive"), ("deactivate_framework", "activate_framework")],
    )
    def test_the_framework_is_silent(self, how: str, then: str) -> None:
        a = fleet()
        a.add_framework("f")
        getattr(a, how)("f")
        assert verb(a) == then

    def test_two_things_at_once(self) -> None:
        a = fleet()
        a.add_framework("f", suppressed=["*"])
        a.deactivate_framework("f")
        assert smallest(a) is None
        assert smallest_of(a)[1] == "the framework is inactive"

    def test_its_own_minimum(self) -> None:
        a = fleet()
        a.add_framework("f", min_allocatable=["cpus:9"])
        assert str(smallest(a)) == "let f take any amount"
        assert verb(a) == "update_framework"

    def test_its_constraints(self) -> None:
        a = fleet()
        a.add_framework("f", roles=["r"], constraints={"r": [[CONSTRAINT]]})
        assert str(smallest(a)) == "drop the constraints of f for role r"
        assert verb(a) == "update_framework"

    def test_its_capabilities(self) -> None:
        a = fleet(filter_gpus=True)
        a.update_agent("m1", "cpus:8;gpus:1")
        a.add_framework("f", capabilities=[])
        assert str(smallest(a)) == "give f all capabilities"
        assert verb(a) == "update_framework"

    def test_a_smaller_task(self) -> None:
        a = fleet(offer="demand")
        a.add_framework("f")
        a.request("f", "cpus:16;mem:4")
        assert str(smallest(a)) == "ask for a smaller task of cpus:8;mem:4, as m1 has room for"
        assert verb(a) == "request"

    def test_a_task_at_all(self) -> None:
        a = fleet(offer="demand")
        a.add_framework("f")
        assert str(smallest(a)) == "ask for a task of cpus:8;mem:64, as m1 has room for"
        assert verb(a) == "request"

    def test_resume(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.pause()
        assert verb(a) == "resume"
        a = fleet()
        a.add_framework("f")
        a.pause()
        a.pause()
        assert smallest(a) is None

    def test_a_weight(self) -> None:
        a = fleet()
        for name in ("f", "g"):
            a.add_framework(name, roles=[name])
        a.add_agent("m2", "cpus:8;mem:64")
        first, second = a.run().offers
        a.accept(first, "cpus:8;mem:64", refuse_seconds=0)  # f holds a half
        a.accept(second, "cpus:4;mem:32", refuse_seconds=99)  # g a quarter, and refuses the rest
        a.suppress("f")
        a.revive("f")
        assert verb(a) is None
        a.decline(a.open_offers()[-1], refuse_seconds=0)
        a.revive("g")
        change = smallest(a)
        assert str(change) == "give role f a weight of 2.002"  # more than twice that of g
        assert verb(a) == "update_weights"

    @pytest.mark.parametrize("limited", ["f", "f/x"])
    def test_a_limit(self, limited: str) -> None:
        a = fleet()
        a.add_framework("f", roles=["f/x"])
        a.update_quota(limited, limits={"cpus": 0, "mem": 0})
        assert str(smallest(a)) == f"raise the limit of role {limited} to 8 cpus, 64 mem"
        assert verb(a) == "update_quota"

    def test_a_guarantee_of_others(self) -> None:
        a = fleet()
        a.add_framework("f", roles=["f"])
        a.update_quota("prod", guarantees={"cpus": 8, "mem": 64})
        assert str(smallest(a)) == "lower the guarantee of role prod to 0 cpus, 0 mem"
        assert verb(a) == "update_quota"

    def test_the_whitelist_and_agents(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.set_whitelist([])
        assert str(smallest(a)) == "put host m1 on the whitelist"
        assert verb(a) == "set_whitelist"
        a = fleet()
        a.add_framework("f")
        a.deactivate_agent("m1")
        assert verb(a) == "activate_agent"
        a = fleet()
        a.add_framework("f")
        a.update_agent("m1", capabilities=[])
        assert verb(a) == "update_agent"

    def test_nothing_is_free(self) -> None:
        a = fleet()
        a.add_framework("g", roles=["g"])
        a.accept(a.run().offers[0])
        a.add_framework("f", roles=["f"])
        assert smallest_of(a) == (
            None,
            "nothing is free on 1 agent: something must be released there",
        )

    def test_its_own_offers(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.run()
        assert "its own open offers answered" in str(smallest_of(a)[1])

    def test_no_agents(self) -> None:
        a = Allocator(interval=None)
        a.add_framework("f")
        assert smallest_of(a) == (None, "there is no agent")

    def test_without_it(self) -> None:
        a = fleet()
        a.add_framework("f")
        (standing,) = a.why("f", change=False).standings
        assert (standing.change, standing.open) == (None, ("m1",))

    def test_a_policy_that_draws_does_not_draw_on_the_original(self) -> None:
        a = fleet(policy="random")
        a.add_framework("f")
        before = a.snapshot()
        a.why("f")
        assert a.snapshot() == before

    def test_it_prints(self) -> None:
        a = fleet()
        a.add_framework("f")
        a.suppress("f")
        assert "  smallest change for an offer: revive f for role *" in str(a.why("f"))


# -- random states: the definition


def standings(seed: int) -> list[tuple[Allocator, str, Standing]]:
    history = History((drf,), seed)
    for _ in range(20 + seed % 40):
        history.step()
    (a,) = history.both
    return [(a, name, s) for name in a._roles for s in a.why(name).standings]


def holds(a: Allocator, framework: str, standing: Standing) -> bool:
    """The change brings an offer: in a `what_if`, or where none or only waiting is needed, on a restored allocator."""
    change = standing.change
    assert change is not None
    if change.verb in (None, "advance"):
        copy = Allocator.restore(a.snapshot(), policy=a._plugin.policy)
        change.apply(copy)
        offers = copy.run().offers
        return any((o.framework, o.role) == (framework, standing.role) for o in offers)
    effect = a.what_if(change.apply).effects[framework]
    return any(role == standing.role for role, _ in effect.offers)


@pytest.mark.parametrize("seed", range(200, 260))
def test_the_smallest_change_brings_an_offer(seed: int) -> None:
    for a, framework, standing in standings(seed):
        before = a.snapshot()
        if standing.change is not None:
            assert holds(a, framework, standing)
            if standing.change.verb is not None:  # and it is needed
                assert not brings(Allocator.restore(before), NOTHING, framework, standing.role)
        else:
            assert standing.stands_in_the_way
            assert not brings(Allocator.restore(before), NOTHING, framework, standing.role)
        assert a.snapshot() == before


def test_random_states_reach_every_kind_of_change() -> None:
    verbs = set()
    for seed in range(200, 330):
        for _, _, standing in standings(seed):
            verbs.add(standing.change.verb if standing.change else "stuck")
    assert {None, "stuck", "advance", "revive", "request", "activate_framework"} <= verbs
    assert {"activate_agent", "set_whitelist", "update_framework", "update_weights"} <= verbs


@pytest.mark.parametrize("every", [1, 2])
def test_a_wrong_change_is_found(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """An adviser that takes the first change that comes, or the second, without trying it."""
    tries = iter(range(10**6))
    monkeypatch.setattr("drf.advice.brings", lambda *args: next(tries) % every == every - 1)
    assert any(
        not holds(*found)
        for seed in range(200, 230)
        for found in standings(seed)
        if found[2].change is not None
    )
