"""What the kernel deals out is what the long way decides, and its books are those of the ledger."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import drf
from drf import Allocator, DRFError
from drf.amounts import KEPT, Amounts
from drf.dealing import Dealt
from drf.errors import StaleOffer
from drf.journal import JournaledAllocator, replay
from drf.ranking import Ranking
from drf.resources import Resources

PLAIN = (
    "cpus:4;mem:16",
    "cpus:4;mem:16;ports:[1-9]",
    "cpus:8;mem:8;gpus:2",
    "cpus:2",
)
TOTALS = (
    *PLAIN,
    "cpus(r1):2;cpus:3;mem:4",
    "cpus{revocable}:2;mem:4",
)


class LongWay(Ranking):
    """Nothing is dealt out: each agent is decided in Python."""

    is_flat = False  # type: ignore[assignment]


class Pair:
    """Two allocators that hear the same, one of which takes the long way."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = random.Random(seed)
        self.both = [Allocator(seed=seed, **options) for _ in range(2)]
        self.both[1]._plugin._ranking.__class__ = LongWay
        self.now = 0.0
        self.quota = 0  # how many of its changes set one
        self.totals = TOTALS
        self.names = 0
        self.running: list[tuple[str, str, str, str]] = []

    def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        found = []
        for allocator in self.both:
            try:
                found.append(getattr(allocator, verb)(*args, **kwargs))
            except DRFError as error:
                found.append(repr(error))
        return found

    def fresh(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def step(self) -> None:
        draw = self.random
        steps: list[Callable[[], None]] = [
            self.add_agent,
            self.add_framework,
            self.run,
            self.run,
            self.answer,
            self.answer,
            self.answer,
            self.release,
            self.clock,
            self.change,
        ]
        draw.choice(steps)()

    def add_agent(self) -> None:
        used = None
        if self.frameworks and self.random.random() < 0.2:
            used = {self.random.choice(self.frameworks): {"r1": "cpus:1"}}
        region = self.random.choice((None, None, "far"))
        self.do(
            "add_agent",
            self.fresh("a"),
            self.random.choice(self.totals),
            used=used,
            region=region,
            attributes={"rack": self.random.choice("xy")},
        )

    def add_framework(self) -> None:
        draw = self.random
        terms: dict[str, Any] = {}
        if draw.random() < 0.2:
            terms["min_allocatable"] = ["cpus:3"]
        if draw.random() < 0.2:
            terms["capabilities"] = ["MULTI_ROLE", "GPU_RESOURCES"][: draw.randrange(3)]
        if draw.random() < 0.1:
            terms["constraints"] = {
                "role_constraints": {
                    "r1": {
                        "groups": [
                            {
                                "attribute_constraints": [
                                    {
                                        "selector": {"attribute_name": "rack"},
                                        "predicate": {"text_equals": {"value": "x"}},
                                    }
                                ]
                            }
                        ]
                    }
                }
            }
        roles = draw.sample(("r1", "r2", "r3"), draw.randrange(1, 3))
        if "constraints" in terms and "r1" not in roles:
            roles = ["r1"]
        self.do("add_framework", self.fresh("f"), roles=roles, **terms)

    def run(self) -> None:
        fast, slow = self.do("run")
        assert str(fast) == str(slow)
        for allocator in self.both:
            allocator.check()

    def answer(self) -> None:
        offers = self.both[0].open_offers()
        if not offers:
            return
        offer = self.random.choice(offers)
        refusal: dict[str, Any] = {"refuse_seconds": self.random.choice((0, 3, 3, 60))}
        if self.random.random() < 0.1:
            refusal["until"] = self.random.choice(("freed", "cpus:3"))
        if self.random.random() < 0.3 and "until" not in refusal:
            some = [o.id for o in offers if self.random.random() < 0.7]
            self.declined_at_once(some, **refusal)
        elif self.random.random() < 0.6:
            self.do("decline", offer.id, **refusal)
        else:
            used = self.random.choice(("cpus:1", "cpus:2", None))
            fast, _ = self.do("accept", offer.id, used, **refusal)
            if fast is None:
                used = used or offer.resources
                self.running.append((offer.framework, offer.agent, used, offer.role))

    def declined_at_once(self, offers: list[int], **refusal: Any) -> None:
        """One hears of all in one call, the other of one after the other."""
        self.both[0].decline_many(offers, **refusal)
        for offer in offers:
            self.both[1].decline(offer, **refusal)

    def release(self) -> None:
        if self.running:
            at = self.random.randrange(len(self.running))
            framework, agent, used, role = self.running.pop(at)
            self.do("release", framework, agent, used, role=role)

    def clock(self) -> None:
        self.now += self.random.choice((0.5, 1.0, 5.0))
        self.do("advance", self.now)

    @property
    def frameworks(self) -> list[str]:
        return list(self.both[0]._roles)

    def change(self) -> None:
        draw = self.random
        agents = list(self.both[0]._plugin._ledger.agents)
        kind = draw.randrange(9 + self.quota)
        if kind < 5 and self.frameworks:
            verb = draw.choice(
                (
                    "suppress",
                    "revive",
                    "remove_framework",
                    "deactivate_framework",
                    "activate_framework",
                )
            )
            self.do(verb, draw.choice(self.frameworks))
        elif kind < 7 and agents:
            verb = draw.choice(("remove_agent", "deactivate_agent", "activate_agent"))
            self.do(verb, draw.choice(agents))
        elif kind > 8:
            limits = draw.choice(({}, {"cpus": 6}, {"cpus": 6, "mem": 30}))
            guarantees = draw.choice(
                ({}, {"cpus": 5}, {"cpus": 2, "mem": 16}, {"mem": 3, "ice": 1})
            )
            role = draw.choice(("r1", "r2", "r3"))
            self.do("update_quota", role, guarantees=guarantees, limits=limits)
        elif kind == 7:
            self.do("update_weights", {draw.choice(("r1", "r2")): draw.choice((0.5, 2.0))})
        elif agents:
            self.do("update_agent", draw.choice(agents), draw.choice(self.totals))


def lives(pair: Pair, beginning: int) -> None:
    """So many agents and frameworks at first, then a random history, after which refusals and orders are the same."""
    for _ in range(beginning):
        pair.add_agent()
        pair.add_framework()
    for _ in range(120):
        pair.step()
    pair.run()
    fast, slow = (allocator.snapshot()["state"]["allocator"] for allocator in pair.both)
    assert fast["refusals"] == slow["refusals"]
    assert fast["ranking"] == slow["ranking"]


@pytest.mark.parametrize("like", [None, "mesos"])
@pytest.mark.parametrize("seed", range(60))
def test_what_is_dealt_is_what_the_long_way_decides(seed: int, like: str | None) -> None:
    pair = Pair(seed, like=like, backoff=0.0 if seed % 2 else 2.0, master_region="here")
    lives(pair, 4)


@pytest.mark.parametrize("quota", ["tree", "mesos"])
@pytest.mark.parametrize("seed", range(40))
def test_with_quota_the_order_is_taken_a_few_at_a_time(seed: int, quota: str) -> None:
    pair = Pair(seed, quota=quota, backoff=0.0)
    pair.quota = 6
    for _ in range(5):
        pair.add_agent()
        pair.add_framework()
    for _ in range(100):
        pair.step()
    pair.run()


@pytest.mark.parametrize("quota", ["tree", "mesos"])
@pytest.mark.parametrize("order", ["random", "pack"])
@pytest.mark.parametrize("seed", range(60))
def test_plain_agents_are_dealt_within_quota(seed: int, quota: str, order: str) -> None:
    pair = Pair(
        seed,
        quota=quota,
        backoff=0.0,
        agent_order=order,
        min_allocatable=([], ["cpus:1;mem:1"], ["cpus:2", "mem:4"])[seed % 3],
    )
    pair.quota, pair.totals = 8, PLAIN
    lives(pair, 5)


@pytest.mark.parametrize("more", ["release", "quota", "role", "resource"])
def test_roles_whose_limits_are_used_up_are_asked_again_when_there_is_more(more: str) -> None:
    a = Allocator(agent_order="id", backoff=0.0)
    a.update_quota("r", limits={"cpus": 1})
    a.add_framework("f", roles=["r"])
    a.add_agent("m", "cpus:4")
    (offer,) = a.run().offers
    assert offer.resources == Resources("cpus:1")
    a.accept(offer)
    a.advance(1.0)
    assert not a.run().offers
    if more == "release":
        a.release("f", "m", "cpus:1", role="r")
    elif more == "quota":
        a.update_quota("r", limits={"cpus": 2})
    elif more == "role":
        a.add_framework("g", roles=["s"])
    else:
        a.add_agent("n", "cpus:1;disk:1")
    due = {"release": "cpus:1", "quota": "cpus:1", "role": "cpus:3", "resource": "disk:1"}
    assert [offer.resources for offer in a.run().offers] == [Resources(due[more])]
    a.check()


def test_most_of_it_is_dealt() -> None:
    pairs = [Pair(seed) for seed in range(10)]
    for pair in pairs:
        for _ in range(120):
            pair.step()
    assert sum(pair.both[0]._plugin._dealing.visited for pair in pairs) > 200
    assert sum(pair.both[1]._plugin._dealing.visited for pair in pairs) == 0


def test_offers_are_made_of_columns_when_asked_for() -> None:
    a = Allocator(agent_order="id")
    for name in ("m1", "m2"):
        a.add_agent(name, "cpus:4")
        a.add_framework(f"of {name}")
    offers = a.run().offers
    assert isinstance(offers._grants, Dealt)
    assert offers.frameworks == [offer.framework for offer in offers] == ["of m1", "of m2"]
    assert offers.agents == [offer.agent for offer in offers] == ["m1", "m2"]
    assert offers.amounts == [offer.resources for offer in offers]
    assert [offers[i].id for i in range(2)] == list(offers.ids) == [1, 2]
    assert [grant.role for grant in offers._grants[:1]] == ["*"]


def test_the_offers_of_a_run_are_declined_as_they_are() -> None:
    a = Allocator(agent_order="id", backoff=0.0)
    for i in range(5):
        a.add_agent(f"m{i}", "cpus:4")
    a.add_framework("f")
    a.add_framework("g")
    offers = a.run().offers
    a.decline_many(offers, refuse_seconds=9)
    assert not a.open_offers()
    assert a._plugin.refusals() == 5
    with pytest.raises(StaleOffer, match="was answered"):
        a.decline_many(offers)
    offers = a.run().offers
    a.decline(offers[0])
    with pytest.raises(StaleOffer, match="was answered"):
        a.decline_many(offers)
    with pytest.raises(StaleOffer, match="named twice"):
        a.decline_many([offers[1], offers[1].id])
    assert len(a.open_offers()) == 4
    a.decline_many(list(offers)[1:])
    a.decline_many([])
    a.check()


def test_declining_one_of_a_group_declines_all_in_one_call_too() -> None:
    lines: list[str] = []
    a = JournaledAllocator(lines.append, offer="demand", agent_order="id")
    for i in range(3):
        a.add_agent(f"m{i}", "cpus:1")
    a.add_framework("f")
    a.request("f", "cpus:1", 3, together=True)
    offers = a.run().offers
    assert len(offers) == 3
    a.decline_many([offers[1]], refuse_seconds=0)
    assert not a.open_offers()
    a.decline_many(a.run().offers)
    assert not replay(lines).differences
    assert [line for line in lines if "decline" in line] == [
        '{"do": "decline", "args": [2], "with": {"refuse_seconds": 0}}',
        '{"do": "decline", "args": [4]}',
    ]


def test_few_candidates_are_found_without_a_walk() -> None:
    a = Allocator(agent_order="id", backoff=0.0)
    a.add_agent("m", "cpus:4")
    for i in range(200):
        a.add_framework(f"f{i:03}")
    seen = []
    for _ in range(200):
        (offer,) = a.run().offers
        seen.append(offer.framework)
        a.decline(offer, refuse_seconds=1e6)
    assert sorted(seen) == [f"f{i:03}" for i in range(200)]
    assert not a.run().offers
    assert a._plugin._dealing.tested < 200 * 200 / 2


def test_a_converted_offer_is_declined_as_what_it_became() -> None:
    for answer in ("decline", "decline_many"):
        a = Allocator(seed=1)
        for i in range(3):
            a.add_agent(f"m{i}", "cpus:8;disk:100")
        a.add_framework("f", roles=["x"])
        offers = list(a.run().offers)
        offers[1] = a.convert_offer(offers[1], [("disk:10", "disk(x):10")])
        if answer == "decline":
            for offer in offers:
                a.decline(offer)
        else:
            a.decline_many(offers)
        a.check()
        assert not a.holdings("f")
        assert not a.open_offers()
        assert {str(agent.total) for agent in a.overview().agents} == {
            "cpus:8;disk:100",
            "cpus:8;disk:90;disk(x):10",
        }


class TestPlaces:
    """The ledger's list of where a framework has something."""

    def test_it_does_not_grow_with_offers_that_end(self) -> None:
        a = Allocator(seed=1, backoff=0)
        for i in range(10):
            a.add_agent(f"m{i}", "cpus:8", used={"f": {"*": "cpus:1"}})
        a.add_framework("f")
        places = a._plugin._ledger.places("f")
        for now in range(50):
            for offer in a.run().offers:
                a.decline(offer, refuse_seconds=1)
            assert len(places.sites) == 10  # what runs there is still noted
            a.advance(now + 1.0)

    def test_what_is_used_of_an_offer_stays_noted_when_the_rest_returns(self) -> None:
        a = Allocator(seed=1, backoff=0)
        a.add_agent("m", "cpus:8")
        a.add_framework("f")
        for now in range(8):
            a.accept(a.run().offers[0], "cpus:1", refuse_seconds=1)
            a.check()
            assert [where for where, *_ in a.holdings("f")] == ["m"]
            a.advance(now + 1.0)
        for _ in range(8):
            a.release("f", "m", "cpus:1")
        assert not a.holdings("f")
        a.check()

    def test_a_restored_one_notes_as_much(self) -> None:
        a = Allocator(seed=1)
        a.add_agent("m", "cpus:8")
        a.add_framework("f")
        a.accept(a.run().offers[0], "cpus:1", refuse_seconds=0)
        (offer,) = a.run().offers  # it holds something there, and is offered the rest
        b = Allocator.restore(a.snapshot())
        b.decline(offer.id)
        assert [amount for _, _, amount, _ in b.holdings("f")] == [Resources("cpus:1")]
        b.check()


@pytest.mark.skipif(
    drf.backend().name != "fast", reason="the pure kernel's agents are objects of Python"
)
def test_the_collector_of_garbage_does_not_go_through_agents() -> None:
    a = Allocator()
    a.add_agent("m", "cpus:8", attributes={"rack": "r1"})
    (agent,) = a._plugin._ledger.agents.values()
    assert not gc.is_tracked(agent)
    a.add_framework("f")
    a.decline(a.run().offers[0], refuse_seconds=60)
    a.remove_agent("m")
    assert sys.getrefcount(agent) < 10  # and none is kept when it is gone


def test_an_allocator_that_nobody_has_any_more_is_forgotten() -> None:
    a = Allocator(seed=1)
    for i in range(20):
        a.add_agent(f"m{i}", "cpus:8")
    a.add_framework("f", roles=["x"])
    a.add_framework("g", roles=["y"])
    for offer in list(a.run().offers)[:9]:
        a.decline(offer, refuse_seconds=60)
    a.advance(1.0)
    a.run()
    plugin = a._plugin
    gone = [weakref.ref(part) for part in (a, plugin, plugin._ranking, plugin._ledger)]
    del a, offer, plugin
    gc.collect()
    assert [part() for part in gone] == [None] * 4


class TestAmounts:
    def test_equal_ones_are_one(self) -> None:
        amounts = Amounts()
        one = amounts.same(Resources("cpus:1;mem:2"))
        assert amounts.same(Resources("mem:2;cpus:1")) is one
        assert amounts.same(Resources()) is amounts.nothing

    def test_sums_are_remembered_with_the_names_in_order(self) -> None:
        amounts = Amounts()
        a, b = Resources("mem:2"), Resources("cpus:1")
        both = amounts.plus(a, b, like=Resources("cpus:8;mem:8"))
        assert str(both) == "cpus:1;mem:2"
        assert amounts.plus(a, b, like=Resources("cpus:8;mem:8")) is both
        assert amounts.minus(both, b) == a
        assert amounts.minus(both, both) is amounts.nothing

    def test_they_are_forgotten_when_they_are_many(self) -> None:
        amounts = Amounts()
        one = Resources("cpus:1")
        for i in range(1, KEPT + 10):
            amounts.plus(one, Resources.from_units({"mem": i}))
        assert max(map(len, (amounts._known, amounts._sums))) <= KEPT
        assert amounts.plus(one, one) == Resources("cpus:2")
