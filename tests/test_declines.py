"""Declines: refusals that end on events, parts refused apart, back-off, and offers that fit what is waited for."""

from __future__ import annotations

import pytest

import drf
from drf import Allocator, Resources
from drf.backoff import Backoff
from drf.errors import InvalidOption, InvalidQuantity, Overcommit
from drf.filters import exceeds, kinds


def one(total="cpus:8;mem:32", **options):
    a = Allocator(interval=None, agent_order="id", **options)
    a.add_agent("m", total)
    a.add_framework("f")
    return a


def names(decisions):
    return [offer.framework for offer in decisions.offers]


@pytest.mark.parametrize("together", [True, False])
def test_where_many_refusals_are_need_not_be_noted(monkeypatch, together):
    found = []
    for least in (4, 1_000):
        monkeypatch.setattr("drf.filters.WIDE", least)
        a = Allocator(interval=1.0, agent_order="id", backoff=0, seed=1)
        for i in range(6):
            a.add_agent(f"m{i}", "cpus:8")
        for name in ("f", "g"):
            a.add_framework(name)
        log = []
        for now in range(8):
            decisions = a.run()
            log.append([(o.framework, o.agent) for o in decisions.offers])
            if together:
                a.decline_many(decisions.offers, refuse_seconds=3)
            else:
                for offer in decisions.offers:
                    a.decline(offer, refuse_seconds=3)
            log.append(a.metrics()["allocator/mesos/offer_filters/roles/*/active"])
            if now == 2:
                a.remove_agent("m3")
                a.add_agent("m9", "cpus:8")
            if now == 5:
                a = Allocator.restore(a.snapshot())
            a.check()
            a.advance(now + 1.0)
        wide = [bucket.wide for bucket in a._plugin._refusals._buckets.values()]
        assert any(wide) == (least == 4)
        assert wide
        found.append(log)
    assert found[0] == found[1]


class TestUntil:
    def hold(self, a):
        """A second framework runs 2 + 2 cpus on the agent, the first was offered the rest."""
        a.add_framework("g")
        offers = {o.framework: o for o in a.run().offers}
        a.accept(offers["f"], "cpus:1", refuse_seconds=0)
        a.suppress("f")
        a.accept(a.run().offers[0], "cpus:4", refuse_seconds=0)
        a.suppress("g")
        a.revive("f")
        (offer,) = a.run().offers
        return offer

    def test_something_there_has_ended(self):
        a = one()
        offer = self.hold(a)
        a.decline(offer, until="freed")
        a.advance(1e6)
        assert not a.run()
        assert "until something there has ended" in str(a.why("f", change=False))
        a.release("g", "m", "cpus:1")
        assert names(a.run()) == ["f"]
        a.check()

    def test_what_others_decline_is_nothing_that_ended(self):
        a = Allocator(interval=None, agent_order="id")
        a.add_agent("m", "cpus:4")
        a.add_framework("f")
        a.decline(a.run().offers[0], until="freed")
        a.add_framework("g")
        (offer,) = a.run().offers
        assert offer.framework == "g"
        a.decline(offer, refuse_seconds=50)
        assert not a.run()

    def test_the_end_of_a_framework_frees_what_it_ran(self):
        a = one()
        a.decline(self.hold(a), until="freed")
        a.remove_framework("g")
        assert names(a.run()) == ["f"]

    def taken(self, until):
        """It refused all of the agent; then another took a half, so that less is free than it refused."""
        a = one()
        a.decline(a.run().offers[0], until=until)
        a.add_framework("g")
        a.accept(a.run().offers[0], "cpus:4;mem:16", refuse_seconds=0)
        a.suppress("g")
        assert not a.run()
        return a

    def test_the_event_counts_where_less_is_free_than_was_refused(self):
        a = self.taken("freed")
        a.release("g", "m", "cpus:1")
        (offer,) = a.run().offers
        assert (offer.framework, offer.resources["cpus"]) == ("f", 5)

    def test_an_agent_that_grew_has_freed_something(self):
        a = self.taken("freed")
        a.update_agent("m", "cpus:7;mem:33")
        assert names(a.run()) == ["f"]

    def test_one_that_shrank_has_not(self):
        a = self.taken("freed")
        a.update_agent("m", "cpus:7;mem:30")
        assert not a.run()

    def test_what_was_waited_for_is_waited_for_once(self):
        a = self.taken("cpus:4")
        a.release("g", "m", "cpus:1")
        (offer,) = a.run().offers
        a.accept(offer, "cpus:2", refuse_seconds=0)
        (offer,) = a.run().offers
        assert (offer.framework, offer.resources["cpus"]) == ("f", 3)

    def test_more_than_an_amount_is_free(self):
        a = one()
        offer = self.hold(a)
        assert offer.resources["cpus"] == 3
        a.decline(offer, until="cpus:4")
        a.advance(1e6)
        assert not a.run()
        assert "before more than cpus:4 is free" in str(a.why("f", change=False))
        a.release("g", "m", "cpus:1")
        assert not a.run()  # 4 are free, which is not more
        a.release("g", "m", "cpus:1")
        (offer,) = a.run().offers
        assert (offer.framework, offer.resources["cpus"]) == ("f", 5)
        a.decline(offer, refuse_seconds=0)
        a.release("f", "m", "cpus:1")
        assert names(a.run()) == ["f"]  # the event was once
        a.check()

    def test_time_ends_it_too(self):
        a = one()
        a.decline(a.run().offers[0], until="cpus:100", refuse_seconds=10)
        a.advance(9.0)
        assert not a.run()
        a.advance(10.0)
        assert names(a.run()) == ["f"]

    def test_revive_ends_it(self):
        a = one()
        a.decline(a.run().offers[0], until="freed")
        a.revive("f")
        assert names(a.run()) == ["f"]
        a.check()

    @pytest.mark.parametrize(
        ("until", "error"),
        [
            ("", InvalidOption),
            ({}, InvalidOption),
            ("cpus:-1", InvalidQuantity),
            (5, InvalidQuantity),
        ],
    )
    def test_what_is_not_sound_changes_nothing(self, until, error):
        a = one()
        (offer,) = a.run().offers
        with pytest.raises(error):
            a.decline(offer, until=until)
        assert len(a.open_offers()) == 1

    def test_part_of_an_offer_is_used_and_the_rest_waits_for_an_event(self):
        a = one()
        a.accept(a.run().offers[0], "cpus:2", until="freed")
        a.advance(1e6)
        assert not a.run()
        a.release("f", "m", "cpus:1")
        assert names(a.run()) == ["f"]

    def test_exceeds(self):
        assert exceeds(Resources("cpus:5;mem:1"), Resources("cpus:4"))
        assert not exceeds(Resources("cpus:4;mem:1"), Resources("cpus:4"))
        assert not exceeds(Resources("cpus:5;mem:1"), Resources("cpus:4;mem:2"))
        assert exceeds(Resources("cpus:4;mem:3"), Resources("cpus:4;mem:2"))
        assert not exceeds(Resources("mem:3"), Resources("cpus:4"))


REVOCABLE = [
    {"name": "cpus", "value": 4},
    {"name": "cpus", "value": 2, "revocable": True},
]


class TestApart:
    def test_the_regular_part_alone_is_refused(self):
        a = one(Resources.from_json(REVOCABLE))
        (offer,) = a.run().offers
        a.decline(offer, refuse="cpus:4", refuse_seconds=60)
        (offer,) = a.run().offers
        assert [(i.tag.revocable, i.value) for i in offer.resources.objects()] == [(True, 2000)]
        a.decline(offer, refuse_seconds=60)
        assert not a.run()
        a.check()

    def test_more_revocable_brings_no_regular_part_that_is_refused(self):
        a = one(Resources.from_json(REVOCABLE))
        a.decline(a.run().offers[0], refuse_seconds=60)
        more = [REVOCABLE[0], {**REVOCABLE[1], "value": 3}]
        a.update_agent("m", Resources.from_json(more))
        (offer,) = a.run().offers
        assert [(i.tag.revocable, i.value) for i in offer.resources.objects()] == [(True, 3000)]

    def test_like_mesos_an_offer_with_more_of_anything_is_made_in_full(self):
        a = Allocator(like="mesos", interval=1.0)
        a.add_agent("m", Resources.from_json(REVOCABLE))
        a.add_framework("f", capabilities=["REVOCABLE_RESOURCES"])
        a.decline(a.run().offers[0], refuse_seconds=60)
        more = [REVOCABLE[0], {**REVOCABLE[1], "value": 3}]
        a.update_agent("m", Resources.from_json(more))
        (offer,) = a.run().offers
        assert offer.resources.quantity("cpus") == 7

    def test_at_most_what_was_offered_is_refused(self):
        a = one()
        (offer,) = a.run().offers
        with pytest.raises(Overcommit, match="refuse at most"):
            a.decline(offer, refuse="cpus:9")
        assert len(a.open_offers()) == 1

    def test_kinds(self):
        amount = Resources.from_json(REVOCABLE)
        assert [part.quantity("cpus") for part in kinds(amount)] == [4, 2]
        assert kinds(Resources("cpus:1")) == [Resources("cpus:1")]

    def test_quota_counts_what_was_offered(self):
        a = Allocator(interval=None)
        a.update_quota("r", limits={"cpus": 5})
        a.add_agent("m", Resources.from_json(REVOCABLE))
        a.add_framework("f", roles=["r"])
        a.decline(a.run().offers[0], refuse="cpus:4", refuse_seconds=60)
        a.add_agent("n", "cpus:8")
        offers = {o.agent: o for o in a.run().offers}
        a.check()
        assert offers["n"].resources["cpus"] == 5  # the regular part of m counted for nothing


class TestBackoff:
    def starve(self, **options):
        """Four machines; five that hold nothing and decline all, and one that works and waits behind them."""
        a = Allocator(interval=1.0, agent_order="id", **options)
        for i in range(4):
            a.add_agent(f"m{i}", "cpus:8")
        a.add_agent("own", "cpus:1", used={"worker": {"worker": "cpus:1"}})
        for i in range(5):
            a.add_framework(f"idle{i}", roles=[f"idle{i}"])
        a.add_framework("worker", roles=["worker"])
        got = 0
        for now in range(1, 200):
            a.advance(float(now))
            for offer in a.run().offers:
                if offer.framework == "worker":
                    got += 1
                    a.accept(offer, refuse_seconds=0)
                else:
                    a.decline(offer, refuse_seconds=1)
        a.check()
        return got

    def test_those_who_decline_all_do_not_keep_others_from_offers(self):
        assert self.starve() == 4

    def test_without_it_they_do(self):
        assert self.starve(backoff=0) == 0

    def test_an_accept_starts_anew(self):
        a = one()
        for now in range(1, 8):
            a.advance(float(now) * 400)
            (offer,) = a.run().offers or [None]
            a.decline(offer, refuse_seconds=0)
        assert not a.run()
        a.revive("f")
        (offer,) = a.run().offers
        a.accept(offer, "cpus:1", refuse_seconds=0)
        for _ in range(3):
            (offer,) = a.run().offers
            a.decline(offer, refuse_seconds=0)
        (offer,) = a.run().offers
        a.decline(offer, refuse_seconds=0)
        assert not a.run()

    def test_more_tasks_start_anew(self):
        a = one(offer="demand")
        a.request("f", "cpus:1", 1)
        for _ in range(5):
            for offer in a.run().offers:
                a.decline(offer, refuse_seconds=0)
        assert not a.run()
        a.request("f", "cpus:1", 2)
        assert a._plugin._backoff.rounds("f", "*") == 0

    def test_a_larger_offer_passes(self):
        a = one()
        for _ in range(6):
            for offer in a.run().offers:
                a.decline(offer, refuse_seconds=0)
        assert not a.run()
        a.update_agent("m", "cpus:9;mem:32")
        assert names(a.run()) == ["f"]

    def test_it_is_bounded(self):
        backoff = Backoff(1.0, 300.0)
        lasts = [backoff.declined("f", "r", run) for run in range(1, 2000)]
        assert lasts[:6] == [0.0, 0.0, 0.0, 1.0, 2.0, 4.0]
        assert max(lasts) == lasts[-1] == 300.0
        assert backoff.declined("f", "other", 1) == 0.0

    def test_many_declines_of_one_run_count_once(self):
        backoff = Backoff(1.0, 300.0)
        for _ in range(100):
            assert backoff.declined("f", "r", 1) == 0.0
        assert backoff.rounds("f", "r") == 1

    @pytest.mark.parametrize("value", [-1, float("inf"), float("nan"), True])
    def test_a_bad_bound(self, value):
        with pytest.raises(InvalidOption, match="backoff"):
            Allocator(backoff=value)

    def test_mesos_has_none(self):
        a = Allocator(like="mesos")
        assert a._plugin._backoff is None


class TestFits:
    def test_one_who_said_what_waits_gets_offers_that_fit_it(self):
        a = one("cpus:4;mem:4")
        a.add_agent("n", "cpus:16;mem:64")
        a.request("f", "cpus:8;mem:8", 1)
        (offer,) = a.run().offers
        assert (offer.agent, offer.resources["cpus"]) == ("n", 16)  # the whole agent still
        assert "no task that it waits for fits" in str(a.why("f", change=False))

    def test_one_who_waits_for_nothing_gets_nothing(self):
        a = one()
        a.request("f", "cpus:1", 0)
        a.add_framework("g", roles=["g"])
        assert names(a.run()) == ["g"]

    def test_where_counts(self):
        a = one()
        a.request("f", "cpus:1", 1, where={"gpu": ["yes"]})
        assert not a.run()
        a.update_agent("m", attributes={"gpu": "yes"})
        assert names(a.run()) == ["f"]

    def test_like_mesos_requests_change_nothing(self):
        a = Allocator(like="mesos")
        a.add_agent("m", "cpus:8;mem:64")
        a.add_framework("f")
        a.request("f", "cpus:1", 0)
        assert names(a.run()) == ["f"]

    def test_only_offers_of_a_shape(self):
        a = Allocator(interval=None)
        a.add_agent("small", "cpus:8;gpus:0.5")
        a.add_agent("plain", "cpus:64")
        a.add_agent("big", "cpus:8;gpus:1")
        a.add_framework("f", min_allocatable=["gpus:1;cpus:8"])
        assert [o.agent for o in a.run().offers] == ["big"]


def test_drf_exports_what_is_needed():
    assert drf.Affinity(near=["a"]).near == ("a",)
