"""Offers: worked examples of every verb, its triggers, and errors that leave everything as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from drf import Allocator, Decisions, Offer, Policy, Resources, ResourceSpace, Shape
from drf.errors import (
    ClockError,
    DRFError,
    DuplicateName,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    Overcommit,
    ReentrantCall,
    StaleOffer,
    UnknownName,
)

AGENT = "cpus:8;mem:16;ports:[1-10]"


def small(**options: Any) -> Allocator:
    """One agent, two frameworks in a role each, no periodic runs."""
    a = Allocator(**{"interval": None, "agent_order": "id", **options})
    a.add_agent("m1", AGENT, attributes={"rack": "r1"})
    a.add_framework("A", roles=["a"])
    a.add_framework("B", roles=["b"])
    return a


def made(decisions: Decisions) -> list[tuple[str, str, str]]:
    """Who is offered what where."""
    return [(o.framework, o.agent, str(o.resources)) for o in decisions.offers]


def only(decisions: Decisions) -> Offer:
    (offer,) = decisions.offers
    return offer


# -- worked examples


def test_the_papers_example_answered_by_two_frameworks() -> None:
    a = Allocator()
    a.add_agent("m1", "cpus:9;mem:18")
    a.add_framework("A", roles=["a"])
    a.add_framework("B", roles=["b"])
    need = {"A": Resources("cpus:1;mem:4"), "B": Resources("cpus:3;mem:1")}
    asked = []
    while decisions := a.run():
        for offer in decisions.offers:
            asked.append(offer.framework)
            if need[offer.framework] <= offer.resources:
                a.accept(offer, used=need[offer.framework], refuse_seconds=0)
            else:
                a.decline(offer, refuse_seconds=60)
            a.check()
    # As the sorter: A, B, A, B, A; then no CPU is left: 4 GB go to both at share 2/3, B by fewer grants first.
    assert asked[:5] == ["A", "B", "A", "B", "A"]
    assert sorted(asked[5:]) == ["A", "B"]
    assert a.share("A") == a.share("B") == 12 / 18
    assert a.open_offers() == []


def test_an_offer_accepted_whole() -> None:
    a = small()
    offer = only(a.run())
    assert (offer.id, offer.framework, offer.role, offer.agent) == (1, "A", "a", "m1")
    assert offer.resources == Resources(AGENT)
    assert (offer.tasks, offer.expires) == ((), None)
    assert a.share("A") == 1.0  # what is offered counts at once
    assert [o.id for o in a.open_offers()] == [1]
    a.accept(offer)
    assert a.share("A") == 1.0
    assert a.open_offers() == []
    a.check()
    assert not a.run()


def test_the_rest_of_an_offer_returns_and_is_refused_for_a_while() -> None:
    a = small()
    a.accept(only(a.run()), used="cpus:2;ports:[3-4]", refuse_seconds=5)
    # A holds 2 of 8 CPUs; the rest, refused by A, goes to B, and B refuses it too.
    assert a.share("A") == 2 / 8
    assert made(a.run()) == [("B", "m1", "cpus:6;mem:16;ports:[1-2, 5-10]")]
    a.decline(2, refuse_seconds=2)
    assert not a.run()
    a.advance(1.9)
    assert not a.run()
    a.advance(2.0)
    assert made(a.run()) == [("B", "m1", "cpus:6;mem:16;ports:[1-2, 5-10]")]
    a.decline(3, refuse_seconds=60)
    a.advance(4.9)
    assert not a.run()
    a.advance(5.0)
    assert made(a.run()) == [("A", "m1", "cpus:6;mem:16;ports:[1-2, 5-10]")]
    a.check()


def test_a_larger_offer_passes_a_refusal() -> None:
    a = small()
    a.remove_framework("B")
    a.accept(only(a.run()), used="cpus:2", refuse_seconds=100)
    assert not a.run()
    a.release("A", "m1", "cpus:1")  # 7 CPUs are more than the 6 that were refused
    assert made(a.run()) == [("A", "m1", "cpus:7;mem:16;ports:[1-10]")]


def test_a_smaller_offer_does_not() -> None:
    a = small()
    a.decline(only(a.run()), refuse_seconds=100)
    a.accept(only(a.run()), used="mem:1", refuse_seconds=100)  # by B
    assert not a.run()
    a.update_agent("m1", "cpus:7;mem:16;ports:[1-10]")
    assert not a.run()
    a.update_agent("m1", "cpus:7;mem:17;ports:[1-11]")  # a port that nobody refused
    assert len(a.run().offers) == 1


def test_zero_seconds_refuse_nothing() -> None:
    a = small()
    for framework in ("A", "B", "A", "B"):  # turns by number of grants
        offer = only(a.run())
        assert offer.framework == framework
        a.decline(offer, refuse_seconds=0)


def test_a_refusal_lasts_at_least_an_interval_and_at_most_a_year() -> None:
    a = small(interval=10.0)
    a.suppress("B")
    a.decline(only(a.run()), refuse_seconds=1)
    a.advance(9.0)
    assert not a.run()
    a.advance(10.0)
    a.decline(only(a.run()), refuse_seconds=1e12)
    a.advance(10.0 + 365 * 24 * 3600 - 1)
    assert not a.run()
    a.advance(10.0 + 365 * 24 * 3600)
    assert len(a.run().offers) == 1


def test_ended_work_returns_to_the_agent() -> None:
    a = small()
    a.suppress("B")
    a.accept(only(a.run()), used="cpus:8;mem:10")
    a.release("A", "m1", {"cpus": 3, "mem": 10})
    assert a.share("A") == 5 / 8
    a.check()
    assert made(a.run()) == [("A", "m1", "cpus:3;mem:16;ports:[1-10]")]
    a.release("A", "m1", "cpus:5")
    a.check()
    assert a.share("A") == 1.0  # 3/8 are offered, all of mem is
    # What is gone needs no release.
    a.release("A", "gone", "cpus:99")
    a.release("gone", "m1", "cpus:99")
    a.check()


def test_suppressed_frameworks_are_not_asked() -> None:
    a = small()
    a.suppress("A")
    assert made(a.run()) == [("B", "m1", AGENT)]
    a.suppress("B")
    a.suppress("B")
    a.decline(1, refuse_seconds=0)
    assert not a.run()
    a.revive("A")
    a.revive("A")
    assert made(a.run()) == [("A", "m1", AGENT)]
    a.check()


def test_revive_forgets_refusals_and_suppress_does_not() -> None:
    a = small()
    a.suppress("B")
    a.decline(only(a.run()), refuse_seconds=1000)
    a.suppress("A")
    assert not a.run()
    a.revive("A")
    assert made(a.run()) == [("A", "m1", AGENT)]


def test_roles_are_suppressed_one_by_one() -> None:
    a = Allocator(interval=None)
    a.add_agent("m1", "cpus:1")
    a.add_framework("A", roles=["x", "y"], suppressed=["x"])
    offer = only(a.run())
    assert offer.role == "y"
    a.decline(offer, refuse_seconds=1000)
    assert not a.run()
    a.revive("A", ["x"])  # the refusal in y stays
    offer = only(a.run())
    assert offer.role == "x"
    a.decline(offer, refuse_seconds=1000)
    a.suppress("A", ["x"])
    a.revive("A", ["y"])
    assert only(a.run()).role == "y"


def test_weights_of_roles() -> None:
    a = Allocator(interval=None, agent_order="id")
    a.update_weights({"b": 2.0})  # before the role is there
    a.add_framework("A", roles=["a"])
    a.add_framework("B", roles=["b"])
    for i in range(6):
        a.add_agent(f"m{i}", "cpus:1")
    # Shares (a, b by weight): 0 0 A; 1/6 0 B; 1/6 1/12 B; 1/6 2/12 tie, A has fewer grants; 2/6 1/6 B; 2/6 3/12 B
    assert [o.framework for o in a.run().offers] == ["A", "B", "B", "A", "B", "B"]
    a.update_weights({"a": 10, "b": 0.5})
    a.add_agent("m6", "cpus:1")
    assert [o.framework for o in a.run().offers] == ["A"]
    a.check()


def test_weights_are_set_all_or_none() -> None:
    a = Allocator(interval=None, agent_order="id")
    a.add_framework("A", roles=["a"])
    a.add_framework("B", roles=["b"])
    with pytest.raises(InvalidOption, match="weight of role 'a' is 0"):
        a.update_weights({"b": 100, "a": 0})
    for i in range(4):
        a.add_agent(f"m{i}", "cpus:1")
    assert [o.framework for o in a.run().offers] == ["A", "B", "A", "B"]


def test_frameworks_of_a_role_share_it_evenly() -> None:
    a = Allocator(interval=None, agent_order="id")
    for name, role in (("A1", "a"), ("A2", "a"), ("B", "b")):
        a.add_framework(name, roles=[role])
    for i in range(4):
        a.add_agent(f"m{i}", "cpus:1")
    assert [o.framework for o in a.run().offers] == ["A1", "B", "A2", "B"]


def test_minimum_offers() -> None:
    a = Allocator(interval=None, min_allocatable=[{"cpus": 1}, "mem:32"])
    a.add_framework("A", roles=["a"])
    a.add_framework("any", roles=["z"], min_allocatable=[])
    a.add_framework("ports", roles=["p"], min_allocatable=["ports:[1-2];cpus:0.1"])
    a.suppress("any")
    a.suppress("ports")
    a.add_agent("m1", "cpus:0.9;mem:31;ports:[5-6]")
    assert not a.run()
    a.update_agent("m1", "cpus:0.9;mem:32")
    a.decline(only(a.run()), refuse_seconds=1000)
    a.update_agent("m1", "cpus:0.001")
    assert not a.run()
    a.revive("any")
    assert made(a.run()) == [("any", "m1", "cpus:0.001")]
    a.decline(2, refuse_seconds=1000)
    a.revive("ports")
    a.update_agent("m1", "cpus:0.1;ports:[5-5]")  # one port, two wanted
    assert [o.framework for o in a.run().offers] == ["any"]
    a.decline(3, refuse_seconds=1000)
    a.suppress("any")
    a.update_agent("m1", "cpus:0.1;ports:[5-5, 9-9]")  # two, whichever they are
    assert [o.framework for o in a.run().offers] == ["ports"]


def test_excluded_resources_do_not_count() -> None:
    a = Allocator(interval=None, exclude=["mem"])
    a.add_agent("m1", "cpus:4;mem:4")
    a.add_framework("A", roles=["a"])
    a.accept(only(a.run()), used="cpus:1;mem:4")
    assert a.share("A") == 1 / 4


# -- what is lost


def test_a_removed_agent_takes_its_offers_and_work_along() -> None:
    a = small()
    a.add_agent("m2", "cpus:8")
    first, second = a.run().offers
    assert (first.framework, second.framework) == ("A", "B")
    a.accept(second, used="cpus:4", refuse_seconds=1000)
    a.remove_agent("m1")
    assert a.share("A") == 0.0
    assert a.share("B") == 4 / 8
    decisions = a.run()
    assert decisions.rescinds == (1,)
    assert bool(decisions)
    with pytest.raises(StaleOffer, match="offer 1 was answered or rescinded before"):
        a.accept(first)
    a.remove_agent("m2")
    a.check()
    assert a.share("B") == 0.0
    a.release("B", "m2", "cpus:4")
    a.suppress("A")
    a.add_agent("m2", "cpus:4")  # what B refused of the old one is forgotten
    assert len(a.run().offers) == 1
    a.check()


def test_a_removed_framework_frees_what_it_had() -> None:
    a = small()
    a.accept(only(a.run()), used="cpus:4", refuse_seconds=1000)
    a.run()
    assert [o.framework for o in a.open_offers()] == ["B"]
    a.remove_framework("A")
    assert only(a.run()).resources == Resources(
        "cpus:4"
    )  # what A held; the rest is still offered to B
    a.remove_framework("B")
    a.check()
    decisions = a.run()
    assert decisions.rescinds == (2, 3)
    assert not decisions.offers
    a.add_framework("A", roles=["a"])
    assert only(a.run()).resources == Resources(AGENT)  # no refusal is left
    with pytest.raises(UnknownName, match="unknown framework 'B'"):
        a.share("B")


def test_deactivated_agents_are_not_offered_but_count() -> None:
    a = small()
    a.accept(only(a.run()), used="cpus:4", refuse_seconds=0)
    a.run()
    a.deactivate_agent("m1")
    assert a.run().rescinds == (2,)
    assert a.share("A") == 4 / 8
    a.release("A", "m1", "cpus:1")
    assert not a.run()
    a.activate_agent("m1")
    assert only(a.run()).resources["cpus"] == 5
    a.check()


def test_deactivated_frameworks_are_not_asked_and_keep_their_work() -> None:
    a = small()
    a.suppress("B")
    a.accept(only(a.run()), used="cpus:4", refuse_seconds=1000)
    assert not a.run()
    a.deactivate_framework("A")
    assert not a.run()
    assert a.share("A") == 4 / 8
    a.activate_framework("A")  # its refusals are forgotten
    offer = only(a.run())
    assert offer.framework == "A"
    a.deactivate_framework("A")
    assert a.run().rescinds == (offer.id,)
    a.check()


def test_an_agent_may_shrink_below_what_is_out() -> None:
    a = small()
    a.suppress("B")
    a.accept(only(a.run()), used="cpus:6", refuse_seconds=0)
    a.update_agent("m1", "cpus:4")
    a.check()
    assert a.share("A") == 1.5
    a.release("A", "m1", "cpus:2")
    assert not a.run()  # 4 are left, all of them used
    a.release("A", "m1", "cpus:1")
    assert only(a.run()).resources == Resources("cpus:1")
    a.check()


def test_changed_attributes_end_refusals() -> None:
    a = small()
    a.suppress("B")
    a.decline(only(a.run()), refuse_seconds=1000)
    a.update_agent("m1", attributes={"rack": "r1"})
    assert not a.run()
    a.update_agent("m1", attributes={"rack": "r2"})
    assert len(a.run().offers) == 1


# -- requests and offers cut to them


def demanding(**options: Any) -> Allocator:
    return small(offer="demand", **options)


def test_one_agent_is_shared_within_one_run() -> None:
    a = Allocator(offer="demand")
    a.add_agent("m1", "cpus:9;mem:18")
    for name, need in (("A", "cpus:1;mem:4"), ("B", "cpus:3;mem:1")):
        a.add_framework(name, roles=[name.lower()])
        a.request(name, need, 10)
    first, second = a.run().offers
    assert (first.framework, str(first.resources)) == ("A", "cpus:3;mem:12")
    assert (second.framework, str(second.resources)) == ("B", "cpus:6;mem:2")
    assert first.tasks == ((Shape.of("cpus:1;mem:4"), 3),)
    assert second.tasks == ((Shape.of("cpus:3;mem:1"), 2),)
    a.accept(first)
    a.accept(second)
    a.check()
    assert not a.run()
    a.release("A", "m1", "cpus:1;mem:4")
    again = only(a.run())  # A's share fell to 4/9
    assert (again.framework, again.tasks) == ("A", ((Shape.of("cpus:1;mem:4"), 1),))


def test_nothing_is_offered_to_who_asks_for_nothing() -> None:
    a = demanding()
    assert not a.run()
    a.request("B", "cpus:1")
    assert made(a.run()) == [("B", "m1", "cpus:1")]
    a.request("A", "cpus:99")
    a.request("A", "gpus:1")
    assert not a.run()


def test_accepted_tasks_leave_the_request_and_declined_ones_wait_again() -> None:
    a = demanding()
    a.request("A", "cpus:2", 3)
    offer = only(a.run())
    assert offer.tasks == ((Shape.of("cpus:2"), 3),)
    assert not a.run()  # all three are offered
    a.accept(offer, used="cpus:4", refuse_seconds=0)  # two of them
    a.check()
    again = only(a.run())
    assert (again.tasks, str(again.resources)) == (((Shape.of("cpus:2"), 1),), "cpus:2")
    a.decline(again, refuse_seconds=7)
    assert not a.run()
    a.advance(7.0)
    last = only(a.run())
    assert last.tasks == ((Shape.of("cpus:2"), 1),)
    a.accept(last)
    a.release("A", "m1", "cpus:6")
    assert not a.run()  # nothing waits
    a.check()


def test_the_number_is_absolute_and_counts_open_offers() -> None:
    a = demanding()
    a.request("A", "cpus:1", 2)
    offer = only(a.run())
    a.request("A", "cpus:1", 5)  # two of the five are offered
    assert only(a.run()).tasks == ((Shape.of("cpus:1"), 3),)
    a.request("A", "cpus:1", 5)
    assert not a.run()
    a.request("A", "cpus:1", 0)
    a.decline(offer, refuse_seconds=0)
    assert not a.run()  # withdrawn
    a.request("A", "cpus:1", 3)  # these three are the ones of the second offer
    assert not a.run()
    a.request("A", "cpus:1", 4)
    assert only(a.run()).tasks == ((Shape.of("cpus:1"), 1),)
    a.check()


def test_where_names_the_agents_that_will_do() -> None:
    a = demanding()
    a.add_agent("m2", "cpus:8", attributes={"rack": "r2", "model": "T4"})
    a.add_agent("m3", "cpus:8")
    a.request("A", "cpus:1", 2, where={"rack": ["r2", "r3"]})
    a.request("B", Shape.of("cpus:1", {"rack": ["r1"]}), 9)
    by = {o.framework: o for o in a.run().offers}
    assert {name: o.agent for name, o in by.items()} == {"A": "m2", "B": "m1"}
    assert by["B"].tasks == ((Shape.of("cpus:1", {"rack": ["r1"]}), 8),)
    a.update_agent("m3", attributes={"rack": "r1"})
    assert made(a.run()) == [("B", "m3", "cpus:1")]


def test_fifo_goes_by_since() -> None:
    a = demanding(policy="fifo")
    a.advance(100.0)
    a.request("A", "cpus:3", 2, since=[40.0, 20.0])  # sorted: 20, 40
    a.request("B", "cpus:3", 1, since=30.0)
    # A at 20, B at 30, then 2 CPUs are left for nobody.
    first, second = a.run().offers
    assert [first.framework, second.framework] == ["A", "B"]
    assert first.tasks == second.tasks == ((Shape.of("cpus:3"), 1),)
    a.accept(second)
    a.accept(first)
    a.request("B", "cpus:1", 1)  # since now: 100
    a.request("A", "cpus:1", 3, since=99.0)
    assert made(a.run()) == [("A", "m1", "cpus:2")]


def test_ties_and_turns_of_tasks_follow_shares() -> None:
    a = demanding()
    a.request("A", "cpus:2", 9)
    a.request("B", "mem:1", 9)
    # A 2/8, then B until 4/16 each; at a tie the one with fewer grants: A again.
    offers = {o.framework: o for o in a.run().offers}
    assert offers["A"].tasks == ((Shape.of("cpus:2"), 4),)
    assert offers["B"].tasks == ((Shape.of("mem:1"), 9),)


def test_two_shapes_of_one_framework_come_in_one_offer() -> None:
    a = demanding()
    a.request("A", "cpus:5", 1, since=1.0)
    a.request("A", "cpus:1;mem:1", 9, since=0.0)
    a.advance(2.0)
    offer = only(a.run())
    # The longest waiting first: 8 of the small ones, no room for the large one.
    assert offer.tasks == ((Shape.of("cpus:1;mem:1"), 8),)
    a.decline(offer, refuse_seconds=0)
    a.request("A", "cpus:1;mem:1", 2, since=0.0)
    offer = only(a.run())
    assert dict(offer.tasks) == {Shape.of("cpus:1;mem:1"): 2, Shape.of("cpus:5"): 1}
    assert offer.resources == Resources("cpus:7;mem:2")


def test_rescinded_tasks_wait_again() -> None:
    a = demanding()
    a.request("A", "cpus:1", 2)
    a.run()
    a.remove_agent("m1")
    a.add_agent("m2", "cpus:1")
    decisions = a.run()
    assert decisions.rescinds == (1,)
    assert made(decisions) == [("A", "m2", "cpus:1")]


# -- as Mesos does it (reference: triggers b1, refusals f2)


def mesos(**options: Any) -> Allocator:
    a = Allocator(like="mesos", **options)
    a.add_agent("m1", "cpus:2;mem:1024")
    a.add_framework("A", roles=["a"])
    return a


def test_mesos_defaults() -> None:
    a = mesos()
    a.decline(only(a.run()), refuse_seconds=0)
    a.update_agent("m1", "cpus:0.009;mem:31")
    assert not a.run()
    a.update_agent("m1", "cpus:0.009;mem:32")
    assert len(a.run().offers) == 1
    assert a.next_deadline() == 1.0
    assert len(Allocator(like="mesos", min_allocatable=[]).run().offers) == 0


def test_mesos_reacts_to_new_agents_and_frameworks_at_once() -> None:
    a = mesos()
    a.accept(only(a.run()))
    a.add_agent("m2", "cpus:1")
    assert [o.agent for o in a.run().offers] == ["m2"]
    a.decline(2, refuse_seconds=0)
    a.update_agent("m2", "cpus:1")  # no change
    assert not a.run()
    a.update_agent("m2", "cpus:2")
    offer = only(a.run())
    assert offer.agent == "m2"
    a.decline(offer, refuse_seconds=0)
    a.add_framework("B", roles=["b"])
    assert [o.agent for o in a.run().offers] == ["m2"]
    a.decline(a.open_offers()[0], refuse_seconds=0)
    a.deactivate_framework("B")
    assert not a.run()
    a.activate_framework("B")
    offer = only(a.run())
    a.decline(offer, refuse_seconds=0)
    a.suppress("B")
    assert not a.run()
    a.revive("B")
    assert len(a.run().offers) == 1


LATER: dict[str, Callable[[Allocator], object]] = {
    "release": lambda a: a.release("A", "m1", "cpus:1"),
    "decline": lambda a: a.decline(a.open_offers()[0], refuse_seconds=0),
    "accept a part": lambda a: a.accept(a.open_offers()[0], used="cpus:0.5", refuse_seconds=0),
    "remove a framework": lambda a: a.remove_framework("A"),
    "update weights": lambda a: a.update_weights({"a": 3}),
    "activate an agent": lambda a: (a.deactivate_agent("m1"), a.activate_agent("m1")),
    "remove an agent": lambda a: a.remove_agent("m2"),
    "suppress": lambda a: a.suppress("A"),
    "request": lambda a: a.request("A", "cpus:0.1"),
}


@pytest.mark.parametrize("what", LATER)
def test_mesos_leaves_the_rest_to_the_interval(what: str) -> None:
    a = mesos()
    a.add_framework("B", roles=["b"])
    a.accept(
        only(a.run()), used="cpus:1", refuse_seconds=0
    )  # by A; one CPU of m1 waits for the interval
    a.add_agent("m2", "cpus:1")
    assert [(o.framework, o.agent) for o in a.run().offers] == [("B", "m2")]
    LATER[what](a)
    a.check()
    assert not a.run().offers
    a.advance(0.9)
    assert not a.run()
    a.advance(1.0)
    assert "m1" in [o.agent for o in a.run().offers]
    a.check()


def test_the_same_verbs_are_candidates_at_once_by_default() -> None:
    a = Allocator(interval=None)
    a.add_agent("m1", "cpus:2")
    a.add_framework("A", roles=["a"])
    for verb in (
        lambda: a.decline(a.open_offers()[0], refuse_seconds=0),
        lambda: a.accept(a.open_offers()[0], used="cpus:1", refuse_seconds=0),
        lambda: a.accept(a.open_offers()[0], used="cpus:1"),
    ):
        assert len(a.run().offers) == 1
        verb()
    assert not a.run()
    a.release("A", "m1", "cpus:1")
    assert len(a.run().offers) == 1
    a.deactivate_agent("m1")
    a.activate_agent("m1")
    assert len(a.run().offers) == 1


def test_a_refusal_survives_the_run_at_its_own_deadline() -> None:
    # f2: a refusal must be consulted by one periodic run at least, even if both are due at the same moment.
    a = mesos()
    a.decline(only(a.run()), refuse_seconds=1)
    a.advance(1.0)
    assert not a.run()
    a.advance(2.0)
    assert len(a.run().offers) == 1


def test_a_refusal_that_was_honoured_ends_before_the_run_at_its_deadline() -> None:
    a = mesos()
    a.decline(only(a.run()), refuse_seconds=3)
    for now in (1.0, 2.0):
        a.advance(now)
        assert not a.run()
    a.advance(3.0)
    assert len(a.run().offers) == 1


def test_a_refusal_survives_a_jump_of_the_clock() -> None:
    a = mesos()
    a.decline(only(a.run()), refuse_seconds=5)
    a.advance(100.0)
    assert not a.run()  # the run that became due at 1 s
    a.advance(101.0)
    assert len(a.run().offers) == 1


def test_the_end_of_a_refusal_triggers_no_run() -> None:
    a = mesos(interval=10.0)
    a.decline(only(a.run()), refuse_seconds=12)
    a.advance(10.0)
    assert not a.run()
    a.advance(13.0)
    assert not a.run()
    a.advance(20.0)
    assert len(a.run().offers) == 1


def test_a_late_run_is_run_once() -> None:
    a = mesos()
    a.decline(only(a.run()), refuse_seconds=0)
    a.advance(7.5)  # seven intervals late
    assert len(a.run().offers) == 1
    assert a.next_deadline() == 8.5


# -- time


def test_the_next_deadline_is_the_interval_or_the_end_of_a_refusal() -> None:
    a = small()
    assert a.next_deadline() is None
    a.decline(only(a.run()), refuse_seconds=5)
    assert a.next_deadline() == 5.0
    a.decline(only(a.run()), refuse_seconds=3)
    assert a.next_deadline() == 3.0
    assert Allocator(interval=2.5).next_deadline() == 2.5


def test_runs_over_all_agents_come_by_the_interval() -> None:
    a = Allocator(interval=2.0, react="interval")
    a.add_agent("m1", "cpus:1")
    a.add_framework("A", roles=["a"])
    a.decline(only(a.run()), refuse_seconds=0)
    assert not a.run()
    a.advance(2.0)
    assert len(a.run().offers) == 1


# -- determinism


def test_the_seed_decides_the_order_of_agents() -> None:
    def order(seed: int, **options: Any) -> list[str]:
        a = Allocator(seed=seed, interval=None, **options)
        a.add_framework("A", roles=["a"])
        for i in range(20):
            a.add_agent(f"m{i:02}", "cpus:1")
        return a.run().offers.agents

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == order(7, agent_order="id") == [f"m{i:02}" for i in range(20)]


def test_columns_and_records_of_offers() -> None:
    a = Allocator(interval=None, agent_order="id")
    a.add_framework("A", roles=["a"])
    for i in range(3):
        a.add_agent(f"m{i}", {"cpus": i + 1})
    offers = a.run().offers
    assert (list(offers.ids), offers.frameworks) == ([1, 2, 3], ["A"] * 3)
    assert offers.agents == ["m0", "m1", "m2"]
    assert [str(r) for r in offers.amounts] == ["cpus:1", "cpus:2", "cpus:3"]
    assert [o.agent for o in offers] == offers.agents
    assert [o.id for o in offers[1:]] == [2, 3]
    assert (len(offers), offers[-1].id) == (3, 3)
    with pytest.raises(IndexError):
        offers[3]
    a.accept(2)  # an id does as well
    a.accept(offers[0])
    assert [o.id for o in a.open_offers()] == [3]


# -- errors


def seen(a: Allocator) -> object:
    """All that can be asked of an allocator."""
    a.check()
    return (
        [(o.id, o.framework, o.role, o.agent, o.resources, o.tasks) for o in a.open_offers()],
        {f: a.share(f) for f in ("A", "B", "two")},
        a.next_deadline(),
    )


def loaded() -> Allocator:
    """Something of everything: held, offered, refused, suppressed, requested."""
    a = small()
    a.accept(only(a.run()), used="cpus:2;ports:[1-2]", refuse_seconds=50)
    a.decline(only(a.run()), refuse_seconds=20)
    a.add_agent("m2", "cpus:4")
    a.add_framework("two", roles=["x", "y"], suppressed=["x"])
    a.request("A", "cpus:1", 3)
    assert len(a.run().offers) == 2
    a.advance(5.0)
    return a


REFUSED: list[tuple[Callable[[Allocator], object], type[DRFError], str]] = [
    (lambda a: a.add_agent("m1", "cpus:1"), DuplicateName, "agent 'm1' is there already"),
    (lambda a: a.add_agent("", "cpus:1"), InvalidName, "agent '' is malformed"),
    (lambda a: a.add_agent(3, "cpus:1"), InvalidName, "agent 3 is malformed"),
    (lambda a: a.add_agent("m9", "cpus:-1"), InvalidQuantity, "cpus: -1 is negative"),
    (
        lambda a: a.add_agent("m9", Resources.from_units({"cpus": 2**53})),
        InvalidQuantity,
        "above the limit",
    ),
    (
        lambda a: a.add_agent("m9", "cpus:1", attributes={"rack": None}),
        InvalidOption,
        "attribute 'rack': None is not text, a number or ranges",
    ),
    (lambda a: a.update_agent("m9", "cpus:1"), UnknownName, "unknown agent 'm9'; did you mean m"),
    (lambda a: a.update_agent("m1", {"cpus": math.inf}), InvalidQuantity, "not finite"),
    (
        lambda a: a.update_agent("m1", Resources.from_units({"cpus": 2**53})),
        InvalidQuantity,
        "above the limit",
    ),
    (lambda a: a.remove_agent("m9"), UnknownName, "unknown agent 'm9'"),
    (lambda a: a.activate_agent("m9"), UnknownName, "unknown agent 'm9'"),
    (lambda a: a.deactivate_agent("m9"), UnknownName, "unknown agent 'm9'"),
    (lambda a: a.add_framework("A", roles=["a"]), DuplicateName, "framework 'A' is there already"),
    (lambda a: a.add_framework("", roles=["a"]), InvalidName, "framework '' is malformed"),
    (lambda a: a.add_framework("C", roles="abc"), InvalidOption, "roles .* 'abc'; give a list"),
    (lambda a: a.add_framework("C", roles=[]), InvalidOption, "framework 'C' has no role"),
    (lambda a: a.add_framework("C", roles=["-a"]), InvalidName, "role '-a' is malformed"),
    (lambda a: a.add_framework("C", roles=["c", "a b"]), InvalidName, "role 'a b' is malformed"),
    (
        lambda a: a.add_framework("C", roles=["c"], suppressed=["d"]),
        UnknownName,
        "suppressed of framework 'C'",
    ),
    (
        lambda a: a.add_framework("C", roles=["c"], min_allocatable="cpus:1"),
        InvalidOption,
        "give a list of amounts",
    ),
    (
        lambda a: a.add_framework("C", roles=["c"], min_allocatable=["cpus:-1"]),
        InvalidQuantity,
        "negative",
    ),
    (lambda a: a.remove_framework("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.activate_framework("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.deactivate_framework("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.suppress("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.suppress("A", ["b"]), UnknownName, "role of framework 'A'.* 'b'"),
    (lambda a: a.suppress("two", ["y", "z"]), UnknownName, "role of framework 'two'.* 'z'"),
    (lambda a: a.revive("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.revive("two", ["x", "z"]), UnknownName, "role of framework 'two'.* 'z'"),
    (lambda a: a.update_weights({"a": 2, "b": 0}), InvalidOption, "weight of role 'b' is 0; it mu"),
    (lambda a: a.update_weights({"a": 2, "b": -1}), InvalidOption, "'b' is -1"),
    (lambda a: a.update_weights({"a": 2, "b": math.nan}), InvalidOption, "'b' is nan"),
    (lambda a: a.update_weights({"a": 2, "b": "1"}), InvalidOption, "'b' is '1'"),
    (lambda a: a.update_weights({"a": 2, "": 1}), InvalidName, "role '' is malformed"),
    (lambda a: a.request("C", "cpus:1"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.request("A", "cpus:1", role="b"), UnknownName, "role of framework 'A'.* 'b'"),
    (lambda a: a.request("two", "cpus:1"), InvalidOption, "has roles x, y; say which with role="),
    (lambda a: a.request("A", "cpus:1", -1), InvalidOption, "count of framework 'A' is -1"),
    (lambda a: a.request("A", "cpus:1", 1.5), InvalidOption, "1.5; it is a whole number"),
    (lambda a: a.request("A", "cpus:1", True), InvalidOption, "is True"),
    (lambda a: a.request("A", "cpus:0"), InvalidQuantity, "a task needs something"),
    (lambda a: a.request("A", "cpus:1", 2, since=[1.0]), InvalidOption, "1 entries for 2 tasks"),
    (lambda a: a.request("A", "cpus:1", since=math.inf), InvalidOption, "not finite"),
    (lambda a: a.request("A", "cpus:1", where={"rack": "r1"}), InvalidOption, "give a collection"),
    (lambda a: a.accept(99), StaleOffer, "offer 99 was never made; answer each offer"),
    (lambda a: a.accept(0), StaleOffer, "offer 0 was never made"),
    (lambda a: a.accept(1), StaleOffer, "offer 1 was answered or rescinded before"),
    (lambda a: a.accept("1"), InvalidOption, "'1' is no offer"),
    (lambda a: a.accept(True), InvalidOption, "True is no offer"),
    (lambda a: a.accept(3, used="cpus:99"), Overcommit, "cpus:99 is more than offer 3 holds: cpus"),
    (lambda a: a.accept(3, used="gpus:1"), Overcommit, "gpus:1 is more than offer 3 holds"),
    (lambda a: a.accept(3, used="cpus:-1"), InvalidQuantity, "negative"),
    (lambda a: a.accept(3, used=""), InvalidOption, "nothing of offer 3 is used; decline it"),
    (lambda a: a.accept(3, refuse_seconds=-1), InvalidOption, "refuse_seconds is -1; it is 0"),
    (lambda a: a.accept(3, refuse_seconds=math.nan), InvalidOption, "refuse_seconds is nan"),
    (lambda a: a.accept(3, refuse_seconds="5"), InvalidOption, "refuse_seconds is '5'"),
    (lambda a: a.decline(2), StaleOffer, "offer 2 was answered or rescinded before"),
    (lambda a: a.decline(3, refuse_seconds=-0.5), InvalidOption, "refuse_seconds is -0.5"),
    (
        lambda a: a.release("A", "m1", "cpus:3"),
        Overcommit,
        "framework 'A' holds cpus:2;ports:.* not",
    ),
    (lambda a: a.release("A", "m1", "ports:[2-3]"), Overcommit, "not ports:"),
    (lambda a: a.release("A", "m2", "cpus:1"), Overcommit, "holds nothing on agent 'm2'"),
    (lambda a: a.release("B", "m1", "cpus:1"), Overcommit, "framework 'B' holds nothing"),
    (lambda a: a.release("A", "m1", "cpus:-1"), InvalidQuantity, "negative"),
    (lambda a: a.release("A", "m1", "cpus:1", role="b"), UnknownName, "role of framework 'A'"),
    (lambda a: a.release("two", "m1", "cpus:1"), InvalidOption, "say which with role="),
    (
        lambda a: a.advance(4.9),
        ClockError,
        "time went from 5.0 to 4.9; advance with a finite clock",
    ),
    (lambda a: a.advance(math.nan), ClockError, "to nan"),
    (lambda a: a.advance(math.inf), ClockError, "to inf"),
    (lambda a: a.share("C"), UnknownName, "unknown framework 'C'"),
    (lambda a: a.share("A", "b"), UnknownName, "role of framework 'A'.* 'b'"),
]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    REFUSED,
    ids=[f"{i}-{r[1].__name__}" for i, r in enumerate(REFUSED)],
)
def test_errors_leave_everything_as_it_was(
    call: Callable[[Allocator], object], error: type[DRFError], message: str
) -> None:
    a, untouched = loaded(), loaded()
    before = seen(a)
    with pytest.raises(error, match=message):
        call(a)
    assert seen(a) == before == seen(untouched)
    # What follows is what would have followed.
    for same in (a, untouched):
        same.decline(3, refuse_seconds=0)
    assert made(a.run()) == made(untouched.run())
    for now in range(5, 60, 5):
        for same in (a, untouched):
            same.advance(float(now))
        assert made(a.run()) == made(untouched.run())
    assert seen(a) == seen(untouched)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"like": "meso"}, UnknownName, "unknown preset 'meso'; did you mean mesos"),
        ({"policy": "dfr"}, UnknownName, "unknown policy 'dfr'; did you mean drf"),
        ({"intervall": 1}, UnknownName, "unknown option 'intervall'; did you mean interval"),
        ({"interval": 0}, InvalidOption, "interval is 0; it is a number of seconds above 0"),
        ({"interval": math.inf}, InvalidOption, "interval is inf"),
        ({"interval": None, "react": "interval"}, InvalidOption, "would never run"),
        ({"react": "events"}, InvalidOption, "react is 'events'; it is one of event, interval"),
        ({"offer": "all"}, InvalidOption, "offer is 'all'; it is one of agent, demand"),
        ({"agent_order": "name"}, InvalidOption, "agent_order is 'name'; it is one of random, id"),
        ({"min_allocatable": "cpus:1"}, InvalidOption, "min_allocatable is 'cpus:1'; give a list"),
        ({"min_allocatable": [{"cpus": -1}]}, InvalidQuantity, "negative"),
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, Any], error: type[DRFError], message: str) -> None:
    with pytest.raises(error, match=message):
        Allocator(**options)


def test_an_offer_is_answered_once() -> None:
    a = small()
    offer = only(a.run())
    a.accept(offer, used="cpus:1")
    for answer in (a.accept, a.decline):
        with pytest.raises(StaleOffer, match="offer 1 was answered or rescinded before"):
            answer(offer)
    a.check()
    assert a.share("A") == 1 / 8


def test_a_shape_in_other_units_is_converted_or_refused() -> None:
    a = demanding(space=ResourceSpace({"mem": 1}))
    a.request("A", "mem:0.5", 1)  # rounds to 1 in whole units
    assert made(a.run()) == [("A", "m1", "mem:1")]
    with pytest.raises(InvalidQuantity, match="rounds to 0"):
        a.request("A", Resources("mem:0.4"))
    a.check()


def test_a_call_from_within_a_call_is_refused() -> None:
    class Meddler(Policy):
        name = "meddler"
        stale_on = frozenset({"time"})
        allocator: Allocator | None = None
        caught: ReentrantCall | None = None

        def key(self, view: Any, client: str) -> tuple[Any, ...]:
            if self.allocator is not None:
                try:
                    self.allocator.suppress("A")
                except ReentrantCall as error:
                    self.caught = error
            return (0,)

    policy = Meddler()
    a = small(policy=policy)
    policy.allocator = a
    assert len(a.run().offers) == 1
    assert "suppress was called from within a call of the same allocator" in str(policy.caught)
    policy.allocator = None
    a.suppress("A")  # the next call is free again
    a.check()


def test_a_refused_call_does_not_lock_the_allocator() -> None:
    a = small()
    with pytest.raises(UnknownName):
        a.suppress("nobody")
    a.suppress("A")
    assert only(a.run()).framework == "B"


@pytest.mark.parametrize("policy", ["drf", "maxmin:cpus", "fifo", "random"])
def test_every_policy_makes_offers_that_balance(policy: str) -> None:
    a = Allocator(policy, interval=None, offer="demand", seed=3)
    for i in range(3):
        a.add_agent(f"m{i}", "cpus:4;mem:8")
    for name, need in (("A", "cpus:1;mem:2"), ("B", "cpus:2;mem:1"), ("C", "mem:3")):
        a.add_framework(name, roles=[name])
        a.request(name, need, 5)
    taken = Resources()
    for offer in a.run().offers:
        taken += offer.resources
        a.accept(offer)
    a.check()
    assert taken <= Resources("cpus:12;mem:24")
    assert not a.run()
    # Nothing that waits fits anywhere: 5 + 5 + 5 tasks need more than there is.
    assert Resources("cpus:12;mem:24") - taken <= Resources("cpus:12;mem:8")


@pytest.mark.parametrize(("now", "interval"), [(1e300, 1.0), (2.0**53, 1.0), (1e9, 1e-9)])
def test_time_may_be_too_coarse_for_the_interval(now: float, interval: float) -> None:
    a = Allocator(interval=interval)
    a.add_agent("m", "cpus:1")
    a.advance(now)
    a.run()
    assert a.next_deadline() == math.nextafter(now, math.inf)
