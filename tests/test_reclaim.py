"""Reclaims: what a plan takes and what not, how it is carried out, and to whom the room goes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import drf
from drf.errors import InvalidOption, NotSupported, StaleOffer, StalePlan, UnknownName
from drf.journal import JournaledAllocator, replay


def cluster(*agents: str, offer: str = "agent", **options) -> drf.Allocator:
    a = options.pop("made", None) or drf.Allocator(
        interval=None, agent_order="id", offer=offer, **options
    )
    for n, total in enumerate(agents or ("cpus:8;mem:8",)):
        a.add_agent(f"m{n}", total)
    return a


def join(a, name, role=None, **specs):
    """A framework that is given its tasks on whatever is offered to it, and refuses the rest for a day."""
    a.add_framework(name, roles=[role or name])
    launch(a, name, specs)


def launch(a, name, specs):
    others = [f for f in a._roles if f != name]
    for other in others:
        a.suppress(other)
    specs = {
        k: drf.TaskSpec(*v) if isinstance(v, tuple) else drf.TaskSpec(v) for k, v in specs.items()
    }
    a.revive(name)
    for amount, count in Counter(spec.resources for spec in specs.values()).items():
        a.request(name, amount, count)
    for offer in a.run().offers:
        assert offer.framework == name
        room, here = offer.resources, {}
        for key, spec in list(specs.items()):
            need = drf.Resources(spec.resources)
            if need <= room:
                room = room - need
                here[key] = specs.pop(key)
        if here:
            a.accept(offer, tasks=here, refuse_seconds=0)
        else:
            a.decline(offer, refuse_seconds=0)
    assert not specs
    for other in others:
        a.revive(other)


def taken(plan):
    return [task.task for task in plan.reclaims]


def busy(agents=(), **options):
    """One agent of 8 cpus: f in role a runs four tasks of 2, g in role b nothing."""
    a = cluster(*agents, **options)
    join(a, "f", "a", **{f"f{i}": "cpus:2;mem:2" for i in range(4)})
    a.add_framework("g", roles=["b"])
    a.run()
    return a


class TestPlans:
    def test_room_that_is_free_comes_first(self):
        a = cluster("cpus:8;mem:8", "cpus:2;mem:2")
        join(a, "f", **{f"f{i}": "cpus:2;mem:2" for i in range(4)})
        a.add_framework("g")
        plan = a.plan_reclaim("g", "cpus:2", 2)
        assert [(fit.agent, fit.tasks) for fit in plan.free] == [("m1", 1)]
        assert len(plan.reclaims) == 1
        assert [(fit.agent, fit.tasks) for fit in plan.claims] == [("m0", 1)]
        assert a.plan_reclaim("g", "cpus:2").reclaims == ()

    def test_its_own_open_offers_are_room(self):
        a = cluster()
        a.add_framework("f")
        a.run()
        plan = a.plan_reclaim("f", "cpus:2", 2)
        assert (plan.rescinds, plan.missing) == ((), 0)
        assert [(fit.agent, fit.tasks) for fit in plan.free] == [("m0", 2)]

    def test_offers_come_before_tasks(self):
        a = cluster("cpus:4", "cpus:4")
        join(a, "f", f0="cpus:4")
        a.add_framework("g")
        a.run()
        a.add_framework("h")
        (held,) = a.open_offers()
        plan = a.plan_reclaim("h", "cpus:2", 2)
        assert [rescind.offer for rescind in plan.rescinds] == [held.id]
        assert plan.reclaims == ()

    def test_an_offer_is_not_taken_from_who_stands_before(self):
        a = cluster("cpus:4", "cpus:1")
        join(a, "f", f0="cpus:4")
        a.add_framework("g")
        a.suppress("f")
        a.run()
        a.revive("f")
        assert a.plan_reclaim("f", "cpus:1").missing == 1

    def test_the_lowest_priority_then_the_youngest_goes(self):
        a = cluster()
        join(a, "f", "a", f0=("cpus:2", None, 0.0, 1))
        a.advance(1.0)
        launch(a, "f", {"f1": "cpus:2"})
        a.advance(2.0)
        launch(a, "f", {"f2": "cpus:2", "f3": ("cpus:2", None, 0.0, 2)})
        a.add_framework("g", roles=["b"])
        assert taken(a.plan_reclaim("g", "cpus:2", 1)) == ["f2"]
        assert taken(a.plan_reclaim("g", "cpus:2", 2)) == ["f2", "f1"]

    def test_revocable_tasks_go_first(self):
        a = drf.Allocator(interval=None)
        spare = drf.Resources.from_json(
            [{"name": "cpus", "value": 4}, {"name": "cpus", "value": 4, "revocable": True}]
        )
        a.add_agent("m0", spare)
        a.add_framework("f", roles=["a"])
        revocable = drf.Resources.from_json([{"name": "cpus", "value": 4, "revocable": True}])
        a.accept(
            a.run().offers[0],
            tasks={"r": drf.TaskSpec(revocable, priority=9), "s": drf.TaskSpec("cpus:4")},
        )
        a.add_framework("g", roles=["b"])
        plan = a.plan_reclaim("g", "cpus:2")
        assert [(task.task, task.reason) for task in plan.reclaims] == [("r", "it is revocable")]
        a.add_framework("h", roles=["c"], capabilities=[])
        assert taken(a.plan_reclaim("h", "cpus:2")) == ["s"]  # it cannot use revocable room

    def test_it_stops_where_more_would_not_be_fair(self):
        a = busy()
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 4)
        assert (len(plan.reclaims), plan.missing) == (2, 2)
        a.reclaim(plan)
        for task in a.run().reclaims:
            a.release(task=task.task)
        (offer,) = a.run().offers
        a.accept(
            offer, tasks={"g0": drf.TaskSpec("cpus:2;mem:2"), "g1": drf.TaskSpec("cpus:2;mem:2")}
        )
        assert taken(a.plan_reclaim("f", "cpus:2;mem:2")) == []
        assert taken(a.plan_reclaim("g", "cpus:2;mem:2")) == []

    def test_weights_count(self):
        a = busy()
        a.update_weights({"b": 3.0})
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 4)
        assert (len(plan.reclaims), plan.missing) == (3, 1)

    def test_within_min_runtime_nothing_is_taken(self):
        a = cluster()
        join(a, "f", "a", f0=("cpus:4", None, 60.0), f1=("cpus:4", None, 61.0))
        a.add_framework("g", roles=["b"])
        assert a.plan_reclaim("g", "cpus:1").missing == 1
        a.advance(60.0)
        assert taken(a.plan_reclaim("g", "cpus:1")) == ["f0"]

    def test_a_guarantee_is_not_broken(self):
        a = busy()
        a.update_quota("a", guarantees="cpus:6")
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 2)
        assert (len(plan.reclaims), plan.missing) == (1, 1)
        a.reclaim(plan)
        assert a.plan_reclaim("g", "cpus:2;mem:2", 1).missing == 1  # what is going counts as gone

    def test_the_guarantee_of_an_ancestor_is_not_broken(self):
        a = cluster()
        join(a, "f", "a/x", f0="cpus:4", f1="cpus:4")
        a.add_framework("g", roles=["b"])
        a.update_quota("a", guarantees="cpus:8")
        assert a.plan_reclaim("g", "cpus:1").missing == 1

    def test_a_guarantee_of_its_own_role_goes_before_fairness(self):
        a = busy()
        a.update_weights({"a": 100.0})
        assert a.plan_reclaim("g", "cpus:2;mem:2", 4).missing == 3
        a.update_quota("b", guarantees="cpus:6")
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 4)
        assert (len(plan.reclaims), plan.missing) == (3, 1)
        assert plan.reclaims[0].reason == "a guarantee of role 'b' is not met"

    def test_a_limit_of_its_own_role_is_kept(self):
        a = busy()
        a.update_quota("b", limits={"cpus": 3})
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 2)
        assert (len(plan.reclaims), plan.missing) == (1, 1)

    def test_headroom_for_a_guarantee_elsewhere_is_kept(self):
        a = busy()
        a.add_framework("h", roles=["c"])
        a.update_quota("c", guarantees="cpus:8")
        assert a.plan_reclaim("g", "cpus:2;mem:2").missing == 1
        assert len(a.plan_reclaim("h", "cpus:2;mem:2", 2).reclaims) == 2

    @pytest.mark.parametrize(
        ("budget", "tasks"),
        [
            (None, 2),
            (1, 1),
            (0, 0),
            ("cpus:2", 1),
            ("cpus:3;mem:9", 1),
            ((2, "mem:4"), 2),
            ((1, "mem:4"), 1),
        ],
    )
    def test_a_budget_bounds_what_is_taken(self, budget, tasks):
        plan = busy().plan_reclaim("g", "cpus:2;mem:2", 4, budget=budget)
        assert len(plan.reclaims) == tasks

    def test_together_all_or_nothing(self):
        a = busy()
        plan = a.plan_reclaim("g", "cpus:2;mem:2", 3, together=True)
        assert (plan.reclaims, plan.claims, plan.missing) == ((), (), 3)
        assert len(a.plan_reclaim("g", "cpus:2;mem:2", 2, together=True).reclaims) == 2

    def test_together_keeps_what_is_free_as_well(self):
        a = cluster("cpus:6", "cpus:2")
        join(a, "f", f0="cpus:2", f1="cpus:2", f2="cpus:2")
        a.add_framework("g")
        plan = a.plan_reclaim("g", "cpus:2", 2, together=True)
        assert [(fit.agent, fit.tasks) for fit in plan.claims] == [("m0", 1), ("m1", 1)]

    def test_together_its_own_offers_stay_offers(self):
        a = cluster("cpus:6", "cpus:2")
        join(a, "f", f0="cpus:2", f1="cpus:2", f2="cpus:2")
        a.add_framework("g")
        a.suppress("f")
        a.run()
        a.revive("f")
        plan = a.plan_reclaim("g", "cpus:2", 2, together=True)
        assert [(fit.agent, fit.tasks) for fit in plan.free] == [("m1", 1)]
        assert [(fit.agent, fit.tasks) for fit in plan.claims] == [("m0", 1)]

    def test_amounts_without_a_name_are_not_touched(self):
        a = cluster()
        a.add_framework("f", roles=["a"])
        a.accept(a.run().offers[0])
        a.add_framework("g", roles=["b"])
        assert a.plan_reclaim("g", "cpus:1").missing == 1

    def test_within_a_role_a_larger_task_may_go(self):
        a = cluster()
        join(a, "f", "*", f0="cpus:4", f1="cpus:4")
        a.add_framework("g")
        assert taken(a.plan_reclaim("g", "cpus:1")) == ["f0"]

    def test_within_a_role_it_may_not_cost_the_role_its_fair_share(self):
        a = cluster()
        join(a, "f", "a", f0="cpus:4")
        join(a, "h", "b", h0="cpus:4")
        a.add_framework("g", roles=["a"])
        assert a.plan_reclaim("g", "cpus:1").missing == 1
        assert taken(a.plan_reclaim("g", "cpus:4")) == []  # f and g would only swap places

    def test_within_a_role_what_is_beyond_its_fair_share_may_go(self):
        a = cluster()
        join(a, "f", "a", f0="cpus:2", f1="cpus:4")
        join(a, "h", "b", h0="cpus:2")
        a.add_framework("g", roles=["a"])
        assert taken(a.plan_reclaim("g", "cpus:1")) == ["f0"]  # a had 6 of 8, and keeps 5

    def test_where_their_ways_part_it_must_be_fair(self):
        """Role b has as much as a already: what g lacks is for its brother f to give."""
        a = cluster("cpus:10")
        join(a, "h", "a", h0="cpus:1", h1="cpus:4")
        join(a, "f", "b", f0=("cpus:1", None, 60.0), f1=("cpus:4", None, 60.0))
        a.add_framework("g", roles=["b"])
        a.add_framework("idle", roles=["c"])
        assert a.plan_reclaim("g", "cpus:1").missing == 1
        a.advance(60.0)
        assert taken(a.plan_reclaim("g", "cpus:1")) == ["f0"]

    def test_few_victims_rather_than_many(self):
        a = cluster("cpus:8", "cpus:8")
        join(a, "f", "a", **{f"s{i}": "cpus:1" for i in range(8)}, big="cpus:8")
        a.add_framework("g", roles=["b"])
        assert taken(a.plan_reclaim("g", "cpus:6")) == ["big"]

    def test_only_where_the_framework_may_run(self):
        a = busy()
        shape = drf.Shape.of("cpus:2", where={"rack": ["r9"]})
        assert a.plan_reclaim("g", shape).missing == 1
        a.deactivate_agent("m0")
        assert a.plan_reclaim("g", "cpus:2").missing == 1

    def test_a_plan_reads_as_text(self):
        a = busy()
        a.advance(5.0)
        assert str(a.plan_reclaim("g", "cpus:2;mem:2", 3, grace=10, budget=1)).splitlines() == [
            "3 tasks of cpus:2;mem:2 for framework 'g' in role 'b'",
            "  take back task 'f0' of 'f' on 'm0' (cpus:2;mem:2) by 15 s: it has 2 of its fair share, 'g' 0",
            "  then room for 1 task on 'm0'",
            "  no room can be made for 2 tasks",
        ]

    def test_a_plan_changes_nothing(self):
        a = busy()
        before = (a.tasks(), a.holdings("f"), a.next_deadline())
        a.plan_reclaim("g", "cpus:2", 3)
        assert (a.tasks(), a.holdings("f"), a.next_deadline()) == before
        assert not a.run()

    def test_what_makes_no_sense(self):
        a = busy()
        for wrong in (
            {"count": 0},
            {"count": True},
            {"grace": -1},
            {"grace": float("inf")},
            {"budget": -1},
        ):
            with pytest.raises(InvalidOption):
                a.plan_reclaim("g", "cpus:1", **wrong)
        with pytest.raises(UnknownName):
            a.plan_reclaim("x", "cpus:1")
        a.suppress("g")
        with pytest.raises(InvalidOption, match="wants no offers"):
            a.plan_reclaim("g", "cpus:1")

    def test_a_plugin_that_cannot(self):
        class Small:
            pass

        a = drf.Allocator(plugin=Small())
        a._roles["f"] = ("*",)
        with pytest.raises(NotSupported):
            a.plan_reclaim("f", "cpus:1")


class TestCarryingOut:
    def test_each_is_named_once_and_overdue_once(self):
        a = busy()
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2", grace=10.0))
        (task,) = a.run().reclaims
        assert (task.task, task.deadline) == ("f0", 10.0)
        assert a.next_deadline() == 10.0
        a.advance(9.0)
        assert not a.run().reclaims
        a.advance(10.0)
        (task,) = a.run().reclaims
        assert (task.task, task.deadline, task.reason) == ("f0", 10.0, "overdue")
        assert not a.run().reclaims
        a.release(task="f0")
        assert not a.run().reclaims

    def test_a_task_that_ended_is_not_named(self):
        a = busy()
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2"))
        a.release(task="f0")
        assert not a.run().reclaims

    @pytest.mark.parametrize("verb", ["remove_agent", "remove_framework"])
    def test_what_is_gone_is_not_named(self, verb):
        a = busy()
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2"))
        getattr(a, verb)("m0" if verb == "remove_agent" else "f")
        assert not a.run().reclaims
        assert a._takebacks.next() is None
        a.check()

    def test_offers_are_rescinded_and_cannot_be_used(self):
        a = cluster()
        a.add_framework("f", roles=["a"])
        (held,) = a.run().offers
        a.add_framework("g", roles=["b"])
        a.reclaim(a.plan_reclaim("g", "cpus:2"))
        with pytest.raises(StaleOffer):
            a.accept(held)
        decisions = a.run()
        assert decisions.rescinds == (held.id,)
        got = {offer.framework: offer.resources["cpus"] for offer in decisions.offers}
        assert got == {"f": 6, "g": 2} or got == {"g": 8}
        a.check()

    @pytest.mark.parametrize("offer", ["agent", "demand"])
    def test_what_is_freed_goes_to_the_claimant(self, offer):
        """Two others wait for room as well, and stand before it."""
        a = busy(offer=offer)
        for name in ("p", "q"):
            a.add_framework(name, roles=["b"])
            if offer == "demand":
                a.request(name, "cpus:1", 9)
        if offer == "demand":
            a.request("g", "cpus:4;mem:4", 1)
        a.reclaim(a.plan_reclaim("g", "cpus:4;mem:4"))
        first, second = a.run().reclaims
        a.release(task=first.task)
        assert not a.run().offers  # a part is no use to g, and nobody else gets it
        a.release(task=second.task)
        (offer,) = a.run().offers
        assert (offer.framework, str(offer.resources)) == ("g", "cpus:4;mem:4")
        a.accept(offer, refuse_seconds=0)
        a.check()

    def test_the_room_is_kept_for_a_bounded_time(self):
        a = busy()
        a.add_framework("p", roles=["c"])
        a.reclaim(a.plan_reclaim("g", "cpus:4;mem:4", grace=10.0))
        a.release(task=a.run().reclaims[0].task)
        assert not a.run().offers
        assert a.why("p").standings[0].obstacles["m0"].rule == "claim"
        a.advance(10.5)
        assert not a.run().offers
        assert a.next_deadline() == 11.0
        a.advance(11.0)
        assert a.run().offers

    @pytest.mark.parametrize(
        "verb", ["suppress", "deactivate_framework", "remove_framework", "roles", "quiet"]
    )
    def test_a_framework_that_does_not_listen_loses_its_claim(self, verb):
        a = busy()
        a.add_framework("p", roles=["c"])
        a.reclaim(a.plan_reclaim("g", "cpus:4;mem:4"))
        a.release(task=a.run().reclaims[0].task)
        assert not a.run().offers
        if verb == "roles":
            a.update_framework("g", roles=["z"], suppressed=["z"])
        elif verb == "quiet":
            a.update_framework("g", roles=["b"], suppressed=["b"])
        else:
            getattr(a, verb)("g")
        assert [offer.framework for offer in a.run().offers] == ["p"]
        a.check()

    def test_a_declined_claim_is_over(self):
        a = busy()
        a.add_framework("p", roles=["c"])
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2"))
        a.release(task=a.run().reclaims[0].task)
        (offer,) = a.run().offers
        assert offer.framework == "g"
        a.decline(offer)
        assert [offer.framework for offer in a.run().offers] == ["p"]
        assert not a._plugin._claims

    def test_an_answer_to_an_earlier_offer_leaves_the_claim(self):
        a = busy(agents=("cpus:9;mem:9",))
        (early,) = a.open_offers()
        assert early.framework == "g"
        a.reclaim(a.plan_reclaim("g", "cpus:4;mem:4"))
        a.decline(early, refuse_seconds=0)
        a.add_framework("p", roles=["c"])
        a.release(task=a.run().reclaims[0].task)
        assert {offer.resources.get("cpus", 0) for offer in a.run().offers} <= {0, 1}

    def test_a_claim_counts_as_held(self):
        a = busy()
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2", 2))
        assert a.plan_reclaim("g", "cpus:2;mem:2").missing == 1

    @pytest.mark.parametrize("offer", ["agent", "demand"])
    def test_what_a_claim_counts_on_is_in_no_headroom(self, offer):
        a = cluster("cpus:8;mem:8", "cpus:2;mem:2", offer=offer)
        join(a, "f", "a", **{f"f{i}": "cpus:2;mem:2" for i in range(4)})
        a.update_quota("c", guarantees="cpus:2")
        for name, role in (("g", "b"), ("p", "d")):
            a.add_framework(name, roles=[role])
            a.request(name, "cpus:4" if name == "g" else "cpus:1", 2)
        a.reclaim(a.plan_reclaim("g", "cpus:4"))
        first, second = a.run().reclaims
        a.release(task=first.task)
        assert not [o for o in a.run().offers if "cpus" in o.resources]
        a.release(task=second.task)
        got = [
            (o.framework, o.agent, o.resources["cpus"])
            for o in a.run().offers
            if "cpus" in o.resources
        ]
        assert got == [("g", "m0", 4)]

    def test_a_claim_that_quota_cuts_by_now_waits_as_one_piece(self):
        """The room is there, but headroom for b, until f's task has ended."""
        a = cluster("cpus:4;mem:4")
        a.update_quota("b", guarantees="cpus:2")
        join(a, "f", "a", f0="cpus:1;mem:1", f1="cpus:1;mem:1")
        a.add_framework("g", roles=["a"])
        a.reclaim(a.plan_reclaim("g", "cpus:1;mem:1"))
        (task,) = a.run().reclaims
        for offer in a.open_offers():
            assert "cpus" not in offer.resources
            a.decline(offer, refuse_seconds=100)
        a.release(task=task.task)
        got = [o.resources for o in a.run().offers if o.framework == "g"]
        assert drf.Resources("cpus:1;mem:1") <= got[0]

    @pytest.mark.parametrize("offer", ["agent", "demand"])
    def test_fill_back_does_not_use_up_the_limit_that_a_claim_counts_on(self, offer):
        """Room is free elsewhere: without care f would fill the limit again, and g reclaim again, for ever."""
        a = cluster("cpus:4", "cpus:4", offer=offer)
        a.update_quota("a", limits={"cpus": 3})
        join(a, "f", "a", f0="cpus:1", f1="cpus:1", f2="cpus:1")
        a.add_framework("g", roles=["a"])
        for name in ("f", "g"):
            a.request(name, "cpus:1", 9)
        plan = a.plan_reclaim("g", "cpus:1")
        assert len(plan.reclaims) == 1
        a.reclaim(plan)
        (task,) = a.run().reclaims
        a.release(task=task.task)
        (offer,) = a.run().offers
        assert (offer.framework, offer.agent, str(offer.resources)) == ("g", task.agent, "cpus:1")
        a.check()

    def test_an_offer_of_a_claim_is_not_taken_away(self):
        a = busy()
        a.add_framework("p", roles=["c"])
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2"))
        a.release(task=a.run().reclaims[0].task)
        assert a.run().offers
        plan = a.plan_reclaim("p", "cpus:2;mem:2")
        assert plan.rescinds == ()
        assert len(plan.reclaims) == 1

    def test_a_task_is_taken_once(self):
        a = busy()
        a.add_framework("p", roles=["c"])
        plan = a.plan_reclaim("g", "cpus:2;mem:2")
        other = a.plan_reclaim("p", "cpus:2;mem:2")
        assert taken(plan) == taken(other)
        a.reclaim(plan)
        with pytest.raises(StalePlan, match="make a new one"):
            a.reclaim(other)
        assert not set(taken(plan)) & set(taken(a.plan_reclaim("p", "cpus:2;mem:2")))

    def test_time_alone_does_not_make_a_plan_stale(self):
        a = busy()
        plan = a.plan_reclaim("g", "cpus:2;mem:2", grace=10.0)
        a.advance(3.0)
        a.reclaim(plan)
        assert [task.deadline for task in a.run().reclaims] == [13.0]

    def test_a_stale_plan_changes_nothing(self):
        a = busy()
        plan = a.plan_reclaim("g", "cpus:2;mem:2")
        a.release(task="f0")
        with pytest.raises(StalePlan):
            a.reclaim(plan)
        assert not a.run().reclaims

    def test_its_own_refusals_end(self):
        a = busy()
        for again in range(2):
            a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2", grace=500.0))
            a.release(task=a.run().reclaims[0].task)
            (offer,) = a.run().offers
            assert offer.framework == "g"
            a.decline(offer, refuse_seconds=100)
            launched = {f"again{again}": drf.TaskSpec("cpus:2;mem:2")}
            a.accept(a.run().offers[0], tasks=launched, refuse_seconds=0)

    def test_a_journal_keeps_reclaims(self):
        lines = []
        a = busy(made=JournaledAllocator(lines.append, interval=None, agent_order="id"))
        a.reclaim(a.plan_reclaim("g", "cpus:2;mem:2", 2, grace=5.0, budget=(2, "cpus:4")))
        for task in a.run().reclaims[:1]:
            a.release(task=task.task)
        a.advance(6.0)
        assert [task.reason for task in a.run().reclaims] == ["overdue"]
        assert sum("reclaims" in json.loads(line).get("run", {}) for line in lines) == 2
        found = replay(lines)
        assert found.differences == []
        assert [t.name for t in found.allocator.tasks()] == [t.name for t in a.tasks()]
        assert replay(lines, policy="fifo").allocator.tasks()

    def test_longer_than_its_duration(self):
        a = cluster()
        join(a, "f", f0=("cpus:2", 10.0))
        assert a.next_deadline() == 10.0
        a.advance(10.0)
        (task,) = a.run().reclaims
        assert (task.task, task.deadline, task.reason) == ("f0", 10.0, "longer than its duration")
        assert not a.run().reclaims
        assert a.next_deadline() is None
