"""check_allocator: ours keeps every invariant, and allocators with a planted fault lose the right one."""

import itertools
import re

import pytest

import drf
from drf.errors import InvalidOption, UnknownName
from drf.hierarchical import HierarchicalAllocator
from drf.testing import check_allocator
from drf.testing.invariants import INVARIANTS


def test_ours_keeps_all():
    found = check_allocator(examples=60)
    assert found, str(found)
    assert found.names == INVARIANTS


@pytest.mark.parametrize(
    "options",
    [
        {"like": "mesos", "min_allocatable": [], "capable": True},
        {"react": "interval"},
        {"agent_order": "pack"},
        {"agent_order": "spread", "backoff": 0.0},
        {"agent_order": lambda view: len(view.frameworks)},
        {"quota": "mesos", "shrink_order": "sorted"},
        {"policy": "hdrf"},
        {"policy": "asset"},
    ],
    ids=lambda options: (
        "-".join(f"{key} {value}" for key, value in options.items() if not callable(value))
        or "scorer"
    ),
)
def test_ours_keeps_all_with(options):
    found = check_allocator(examples=6, **options)
    assert found, str(found)


class GivesNothingBack(HierarchicalAllocator):
    def recover_resources(self, framework, agent, role, resources, **more):
        if not more.get("allocated"):
            super().recover_resources(framework, agent, role, resources, **more)


class OffersTwice(HierarchicalAllocator):
    def run(self):
        outcome = super().run()
        return outcome._replace(grants=[*outcome.grants, *outcome.grants])


class ForgetsWhatIsIdle(HierarchicalAllocator):
    def deactivate_framework(self, framework):
        pass


class Raises(HierarchicalAllocator):
    def suppress(self, *args):
        raise ValueError("no")


class LosesAnAgent(HierarchicalAllocator):
    """What was given back stays free in its books, and is offered no more."""

    def activate_agent(self, agent):
        pass


class OffersMoreThanThereIs(HierarchicalAllocator):
    def run(self):
        outcome = super().run()
        grants = [g._replace(resources=g.resources + g.resources) for g in outcome.grants]
        return outcome._replace(grants=grants)


class OffersToAStranger(HierarchicalAllocator):
    def run(self):
        outcome = super().run()
        return outcome._replace(grants=[g._replace(framework="nobody") for g in outcome.grants])


class OffersWhatIsAway(HierarchicalAllocator):
    def deactivate_agent(self, agent):
        pass


class KeepsOffersOfThoseWhoLeft(HierarchicalAllocator):
    def remove_framework(self, framework):
        held = self.holdings(framework)
        super().remove_framework(framework)
        if held:
            self.add_framework(framework, ["a"])


class ByName(drf.Policy):
    name = "byname"

    def key(self, view, client):
        return (client,)


def starves(policy, **options):
    return HierarchicalAllocator(ByName(), **options)


SEEDS = itertools.count()

VERBS = [
    "add_agent",
    "remove_agent",
    "activate_agent",
    "deactivate_agent",
    "add_framework",
    "remove_framework",
    "activate_framework",
    "deactivate_framework",
    "suppress",
    "revive",
    "update_weights",
    "recover_resources",
    "transition_offered_to_allocated",
    "advance",
    "run",
]


def draws(policy, *, seed, **options):
    return HierarchicalAllocator(policy, seed=next(SEEDS), **options)


@pytest.mark.parametrize(
    ("factory", "lost", "said"),
    [
        (GivesNothingBack, "ledger", "f. was given .*, and by the allocator it has"),
        (OffersTwice, "no_double_offers", "of m. is offered, and nothing is free"),
        (OffersMoreThanThereIs, "no_double_offers", "of m. is offered, and .* is free"),
        (OffersToAStranger, "verbs", "is offered to nobody, which is not there"),
        (OffersWhatIsAway, "verbs", "is offered to f., and the agent is deactivated"),
        (KeepsOffersOfThoseWhoLeft, "verbs", "is offered to f., which is not there"),
        (ForgetsWhatIsIdle, "verbs", "is offered to f., which is inactive"),
        (Raises, "verbs", "suppress raised ValueError: no"),
        (LosesAnAgent, "conservation", "of m. came back and is not offered to anybody again"),
        (starves, "no_starvation", "f. is never offered anything"),
        (draws, "determinism", "the same history brought other offers"),
    ],
)
def test_planted_fault_is_found(factory, lost, said):
    found = check_allocator(factory, invariants=[lost])
    (result,) = found.results
    assert result.outcome == "fails", str(found)
    assert re.search(said, result.reason), result.reason
    assert result.history
    assert found.subject == factory.__name__


@pytest.mark.parametrize("verb", VERBS)
def test_one_that_raises_at(verb):
    class Raising(HierarchicalAllocator):
        pass

    def fails(self, *args, **kwargs):
        raise RuntimeError(f"{verb} fails")

    setattr(Raising, verb, fails)
    (result,) = check_allocator(Raising, invariants=["verbs"], examples=200).results
    assert result.outcome == "fails"
    assert f"{verb} fails" in result.reason


def test_errors():
    with pytest.raises(UnknownName, match="ledger"):
        check_allocator(invariants=["ledgr"])
    with pytest.raises(InvalidOption, match="examples"):
        check_allocator(examples=0)
    with pytest.raises(UnknownName, match="hierarchical"):
        check_allocator("hierarchic")
