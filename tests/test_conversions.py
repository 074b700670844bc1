"""Reserving, unreserving, volumes: by the operator on an agent, by a framework in its offer; more of an agent."""

from __future__ import annotations

import pytest

from drf import Allocator, Resources
from drf.errors import InvalidOption, InvalidQuantity, Overcommit, StaleOffer, UnknownName


def one():
    a = Allocator(interval=None)
    a.add_agent("m", "cpus:4;disk:100")
    a.add_framework("f", roles=["r"])
    return a


def test_an_operator_reserves_what_is_free():
    a = one()
    a.convert("m", [("cpus:1", "cpus(other):1")])
    (offer,) = a.run().offers
    assert offer.resources == Resources("cpus:3;disk:100")
    a.check()
    with pytest.raises(Overcommit):
        a.convert("m", [("cpus:1", "cpus(other):1")])  # all of it is offered
    a.check()
    a.decline(offer, refuse_seconds=0)
    a.convert("m", [("cpus(other):1", "cpus:1")])
    (offer,) = a.run().offers
    assert offer.resources == Resources("cpus:4;disk:100")


def test_a_framework_reserves_in_its_offer():
    a = one()
    (offer,) = a.run().offers
    share = a.share("f")
    new = a.convert_offer(offer, [("disk:100", "disk(r):100"), ("cpus:1", "cpus(r):1")])
    assert new.id == offer.id
    assert (
        new.resources == a.open_offers()[0].resources == Resources("cpus:3;cpus(r):1;disk(r):100")
    )
    assert a.share("f") == share
    assert a._plugin._ranking.frameworks("r").grants("f") == 1
    a.check()
    a.accept(new, "disk(r):100", refuse_seconds=0)
    a.release("f", "m", "disk(r):100")
    a.check()
    a.add_framework("g", roles=["g"])
    a.suppress("f")
    (mine,) = [o for o in a.run().offers if o.framework == "g"]
    assert mine.resources == Resources("cpus:3")


@pytest.mark.parametrize("given", [[], "cpus:1", None, [("cpus:1",)], ["cpus:1"], [1]])
def test_what_is_no_conversion_changes_nothing(given):
    a = one()
    (offer,) = a.run().offers
    with pytest.raises(InvalidOption, match="conversions"):
        a.convert_offer(offer, given)
    with pytest.raises(InvalidOption, match="conversions"):
        a.convert("m", given)
    a.check()


def test_more_than_there_is():
    a = one()
    (offer,) = a.run().offers
    with pytest.raises(Overcommit, match="convert at most that"):
        a.convert_offer(offer, [("cpus:9", "cpus(r):9")])
    with pytest.raises(InvalidQuantity):
        a.convert_offer(offer, [("cpus:-1", "cpus(r):1")])
    with pytest.raises(UnknownName):
        a.convert("x", [("cpus:1", "cpus(r):1")])
    a.accept(offer)
    with pytest.raises(StaleOffer):
        a.convert_offer(offer, [("cpus:1", "cpus(r):1")])
    a.check()


def test_an_agent_has_more_with_a_provider():
    a = one()
    a.run()
    a.add_resource_provider("m", "disk:50;cpus:1", used={"f": {"r": "disk:20"}})
    (offer,) = a.run().offers
    assert offer.resources == Resources("disk:30;cpus:1")
    assert sorted(str(amount) for *_, amount, held in a.holdings("f") if held) == ["disk:20"]
    a.check()
    with pytest.raises(UnknownName):
        a.add_resource_provider("x", "disk:50")
