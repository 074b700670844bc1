"""The life of an offer: it ends when it is answered, when its agent or framework goes, or when it runs out."""

from __future__ import annotations

import pytest

from drf import Allocator
from drf.errors import InvalidOption, StaleOffer


def one(**options: object) -> Allocator:
    a = Allocator(interval=None, **options)  # type: ignore[arg-type]
    a.add_agent("m", "cpus:4")
    a.add_framework("f")
    a.add_framework("g")
    return a


class TestTimeout:
    def test_an_unanswered_offer_is_rescinded_and_goes_to_the_next(self) -> None:
        a = one(offer_timeout=30.0)
        a.advance(10.0)
        offer = a.run().offers[0]
        assert (offer.framework, offer.expires) == ("f", 40.0)
        assert a.next_deadline() == 40.0
        a.advance(39.9)
        assert not a.run()
        a.advance(40.0)
        decisions = a.run()
        assert decisions.rescinds == (offer.id,)
        # Both hold nothing; f had a grant before, so g is first now.
        assert [o.framework for o in decisions.offers] == ["g"]
        a.check()

    def test_it_cannot_be_used_after_its_end(self) -> None:
        a = one(offer_timeout=1.0)
        offer = a.run().offers[0]
        a.advance(1.0)
        for answer in (a.accept, a.decline):
            with pytest.raises(StaleOffer, match="offer 1 was answered or rescinded before"):
                answer(offer)
        a.check()

    def test_an_answered_offer_does_not_run_out(self) -> None:
        a = one(offer_timeout=1.0)
        a.accept(a.run().offers[0])
        assert a.next_deadline() is None
        a.advance(100.0)
        assert not a.run()
        assert a.share("f") == 1.0

    def test_tasks_of_an_offer_that_ran_out_wait_again(self) -> None:
        a = one(offer_timeout=1.0, offer="demand")
        a.request("f", "cpus:1", 2)
        offer = a.run().offers[0]
        assert offer.tasks[0][1] == 2
        a.advance(1.0)
        decisions = a.run()
        assert decisions.rescinds == (offer.id,)
        assert decisions.offers[0].tasks == offer.tasks

    def test_without_a_timeout_offers_stay(self) -> None:
        a = one()
        offer = a.run().offers[0]
        a.advance(1e9)
        assert offer.expires is None
        a.accept(offer)

    @pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
    def test_is_above_zero(self, seconds: float) -> None:
        with pytest.raises(InvalidOption, match=r"offer_timeout is .* above 0, or None"):
            Allocator(offer_timeout=seconds)
