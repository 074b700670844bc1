"""What the allocator that `drf` learned from gets wrong, one test each, with `drf`'s own defaults."""

from __future__ import annotations

from typing import Any

import pytest

from drf import Allocator, Resources, Sorter
from drf.errors import InvalidName, InvalidOption, InvalidQuantity, UnknownName
from drf.hierarchical import HierarchicalAllocator


def given(a: Allocator) -> list[tuple[str, str, str]]:
    """Run, and who was offered what on which agent."""
    return [(o.framework, o.agent, str(o.resources)) for o in a.run().offers]


def quiet(**options: Any) -> Allocator:
    return Allocator(interval=None, agent_order="id", **options)


class TestTwelve:
    def test_9_idle_reservations_count_for_the_share_of_their_role(self) -> None:
        """Upstream lets roles hoard what is reserved to them: idle it costs them nothing."""
        a = quiet()
        a.add_agent("own", "cpus(hoard):8")
        a.add_framework("h", roles=["hoard"])
        a.add_framework("s", roles=["share"])
        a.suppress("h")
        a.add_agent("m", "cpus:2", used={"s": {"share": "cpus:1"}})
        assert a._plugin.role_shares() == {"hoard": 0.8, "share": 0.1}
        a.revive("h")
        (mine,) = [o for o in a.run().offers if o.agent == "m"]
        assert mine.framework == "s"
        a.check()
        # What of it is in use counts once.
        (own,) = [o for o in a.open_offers() if o.agent == "own"]
        a.accept(own, "cpus(hoard):3")
        assert a._plugin.role_shares()["hoard"] == 0.8
        a.check()
        a.remove_agent("own")
        assert a._plugin.role_shares()["hoard"] == 0.0
        a.check()

    def test_9_they_count_for_roles_above_and_come_with_frameworks(self) -> None:
        a = quiet()
        a.add_agent("own", "cpus(eng):8")  # nobody is in eng itself
        a.add_agent("m", "cpus:2")
        a.add_framework("e", roles=["eng/web"], used={"m": {"eng/web": "cpus:1"}})
        a.add_framework("o", roles=["ops"], suppressed=["ops"])
        assert a._plugin._ranking.roles.sort() == ["ops", "eng/web"]
        a.check()
        offers = {o.agent: o for o in a.run().offers}
        a.accept(offers["own"], "cpus(eng):8")
        a.check()
        a.remove_framework("e")
        a.check()
        a.add_framework("x", roles=["eng"])
        assert a._plugin.role_shares() == {"eng": 0.8, "ops": 0.0}
        a.remove_framework("x")
        a.check()
        a.convert("own", [("cpus(eng):8", "cpus:8")])
        a.check()
        assert "eng" not in a._plugin._ranking.roles

    def test_9_like_mesos_they_are_free(self) -> None:
        a = Allocator(like="mesos")
        a.add_agent("own", "cpus(hoard):8")
        a.add_framework("h", roles=["hoard"], suppressed=["hoard"])
        assert a._plugin.role_shares() == {"hoard": 0.0}

    def test_1_the_weight_of_an_inner_role_counts_after_the_first_sort(self) -> None:
        """Upstream caches weights by node and refreshes those of clients only."""
        s = Sorter(total={"cpus": 100})
        for client in ("a/x", "b/x"):
            s.add(client)
        s.allocated("a/x", "cpus:30")  # a 0.3
        s.allocated("b/x", "cpus:20")  # b 0.2
        assert s.sort() == ["b/x", "a/x"]
        s.weigh_path("a", 2.0)  # a 0.15
        assert s.sort() == ["a/x", "b/x"]

        a = quiet()
        for name in ("f", "g"):
            a.add_framework(name, roles=[f"{name}/x"])
        a.add_agent("m0", "cpus:1")
        assert given(a) == [("f", "m0", "cpus:1")]
        a.update_weights({"f": 10.0})
        a.add_agent("m1", "cpus:1")
        assert given(a) == [("g", "m1", "cpus:1")]
        a.add_agent("m2", "cpus:1")
        assert given(a) == [("f", "m2", "cpus:1")]  # f 1/3/10 against g 1/3

    def test_2_a_shared_volume_is_offered_once_in_a_run(self) -> None:
        """Upstream compares objects with and without their role, so that its guard never holds."""
        volume = {
            "name": "disk",
            "value": 5,
            "reservations": [{"role": "r"}],
            "shared": True,
            "disk": {"persistence": "v"},
        }
        a = quiet()
        a.add_framework("f", roles=["r"])
        a.add_framework("g", roles=["r"])
        a.add_agent("m", Resources.from_json([volume, {"name": "cpus", "value": 1}]))
        offers = a.run().offers
        assert len(offers) == 1
        assert offers[0].resources.shared
        a.check()

    def test_3_what_is_below_a_role_counts_for_its_quota_at_once(self) -> None:
        """Upstream charges a parent at the next run only, and its limit never binds roles below it."""
        a = quiet()
        a.update_quota("eng", limits={"cpus": 3})
        for name in ("x", "y"):
            a.add_framework(name, roles=[f"eng/{name}"])
        for i in range(4):
            a.add_agent(f"m{i}", "cpus:2")
        offers = a.run().offers
        assert sum(o.resources["cpus"] for o in offers) == 3
        a.advance(1.0)
        assert given(a) == []
        # A quota on a nested role is a quota.
        b = quiet()
        b.update_quota("eng/x", guarantees="cpus:1", limits={"cpus": 1})
        b.add_framework("x", roles=["eng/x"])
        b.add_agent("m", "cpus:2")
        assert given(b) == [("x", "m", "cpus:1")]

    @pytest.mark.parametrize("how", ["deactivated", "not listed"])
    def test_4_headroom_counts_only_agents_that_are_offered(self, how: str) -> None:
        """Upstream takes what is free on agents that nobody is offered as if it could serve guarantees."""
        a = quiet()
        a.update_quota("prod", guarantees="cpus:4")
        a.add_agent("m1", "cpus:4")
        a.add_agent("m2", "cpus:4")
        if how == "deactivated":
            a.deactivate_agent("m2")
        else:
            a.set_whitelist(["m1"])
        a.add_framework("t", roles=["test"])
        assert given(a) == []  # all of m1 is kept for prod
        a.add_framework("p", roles=["prod"])
        assert given(a) == [("p", "m1", "cpus:4")]

    @pytest.mark.parametrize("how", ["constraints", "gpus", "affinity"])
    @pytest.mark.parametrize("offer", ["agent", "demand"])
    def test_4_headroom_counts_only_agents_that_can_serve_it(self, how: str, offer: str) -> None:
        """Upstream counts what no framework of the role can use, and gives away what it could."""
        a = quiet(filter_gpus=True, offer=offer)
        a.update_quota("prod", guarantees="cpus:4")
        a.add_agent("m1", "cpus:4", attributes={"rack": "r1"})
        a.add_agent("m2", "cpus:8;gpus:1" if how == "gpus" else "cpus:8", attributes={"rack": "r2"})
        if how == "affinity":
            a.add_framework("cache", roles=["cache"], used={"m1": {"cache": "cpus:1"}})
            a.suppress("cache")
        in_r1 = {
            "selector": {"attribute": "rack"},
            "predicate": {"type": "text_equals", "value": "r1"},
        }
        terms: dict[str, Any] = {
            "constraints": {"constraints": {"prod": [[in_r1]]}},
            "gpus": {"capabilities": ["MULTI_ROLE"]},
            "affinity": {"affinity": {"near": ["cache"]}},
        }[how]
        a.add_framework("p", roles=["prod"], **terms)
        a.add_framework("other", roles=["dev"])
        a.request("other", "cpus:1", 20)
        p = [o for o in a.run().offers if o.framework == "p"]
        if offer == "agent":
            (mine,) = p
            a.decline(mine, refuse_seconds=60)
        a.check()
        got = {o.agent: o.resources["cpus"] for o in a.open_offers() if o.framework == "other"}
        assert got == {"m2": 8}
        assert not a.run()  # what it refused is kept for it

    def test_5_resuming_does_not_end_the_wait_of_a_recovery(self) -> None:
        """Upstream has one flag for both, so that a torn-down framework ends the hold-off."""
        a = HierarchicalAllocator(interval=None)
        amount = Resources("cpus:1")
        a.recover(5, {"prod": (amount, {})})
        a.add_framework("t", ["test"])
        a.pause()
        a.pause()
        a.resume()
        a.resume()
        for i in range(3):
            a.add_agent(f"m{i}", amount)
        assert not a.run().grants
        a.add_agent("m3", amount)  # 4 of 5 are back
        assert a._expected is None

    def test_6_an_agent_with_usage_of_an_unknown_framework_can_be_removed(self) -> None:
        """Upstream aborts."""
        a = quiet()
        a.add_agent("m", "cpus:4", used={"stranger": {"r": "cpus:3"}})
        a.remove_agent("m")
        a.check()
        a.add_framework("stranger", roles=["r"])
        assert a.share("stranger") == 0.0

    def test_7_an_inactive_framework_is_not_asked_after_a_revive_or_a_new_role(self) -> None:
        """Upstream activates it in the sorter, and may abort on an unmet guarantee."""
        a = quiet()
        a.update_quota("r", guarantees="cpus:1")
        a.add_framework("f", roles=["r"])
        a.deactivate_framework("f")
        a.revive("f")
        a.update_framework("f", roles=["r", "s"])
        a.add_agent("m", "cpus:4")
        assert given(a) == []
        a.activate_framework("f")
        assert [o.framework for o in a.run().offers] == ["f"]

    def test_8_a_dropped_inverse_offer_can_be_made_again(self) -> None:
        """Upstream's master drops it without a word, and it stays outstanding for ever."""
        a = quiet()
        a.add_agent("m", "cpus:4")
        a.add_framework("f")
        a.accept(a.run().offers[0])
        a.update_unavailability("m", (60.0, None))
        assert len(a.run().inverse_offers) == 1
        a.answer_inverse_offer("m", "f", None)
        a.revive("f")
        assert len(a.run().inverse_offers) == 1

    @pytest.mark.parametrize("what", ["framework", "agent"])
    def test_8_one_that_was_dropped_with_its_framework_or_agent_comes_again(
        self, what: str
    ) -> None:
        """Upstream drops it when either goes inactive, and counts it as outstanding for ever."""
        a = quiet()
        a.add_agent("m", "cpus:4")
        a.add_framework("f")
        a.accept(a.run().offers[0])
        a.update_unavailability("m", (60.0, None))
        assert len(a.run().inverse_offers) == 1
        if what == "framework":
            a.deactivate_framework("f")
            a.activate_framework("f")
        else:
            a.deactivate_agent("m")
            a.activate_agent("m")
        assert len(a.run().inverse_offers) == 1

    @pytest.mark.parametrize("how", ["revive", "update_framework"])
    def test_11_a_refusal_of_inverse_offers_outlives_other_news(self, how: str) -> None:
        """Upstream forgets it whenever the framework is updated or revives."""
        a = quiet()
        a.add_agent("m", "cpus:4")
        a.add_framework("f")
        a.accept(a.run().offers[0])
        a.update_unavailability("m", (6000.0, None))
        a.run()
        a.answer_inverse_offer("m", "f", "DECLINE", refuse_seconds=1000)
        if how == "revive":
            a.revive("f")
        else:
            a.update_framework("f", roles=["*"])
        assert not a.run().inverse_offers
        assert a.next_deadline() == 1000.0
        a.advance(1000.0)
        assert len(a.run().inverse_offers) == 1

    def test_10_regular_and_revocable_parts_are_refused_apart(self) -> None:
        """Upstream offers all of a refused agent again as soon as there is more of either kind."""

        def total(revocable: int) -> Resources:
            return Resources.from_json(
                [
                    {"name": "cpus", "value": 4},
                    {"name": "cpus", "value": revocable, "revocable": True},
                ]
            )

        a = quiet()
        a.add_agent("m", total(2))
        a.add_framework("f")
        a.decline(a.run().offers[0], refuse_seconds=60)
        a.update_agent("m", total(3))
        assert given(a) == [("f", "m", "cpus{revocable}:3")]
        a.decline(a.open_offers()[0], refuse_seconds=60)
        a.revive("f")
        a.decline(a.run().offers[0], refuse="cpus:4", refuse_seconds=60)
        assert given(a) == [("f", "m", "cpus{revocable}:3")]

    def test_11_updating_a_framework_ends_refusals_of_the_roles_it_leaves(self) -> None:
        """Upstream lets a refusal linger that came after the role was left, to block when it is subscribed again."""
        a = HierarchicalAllocator(interval=None)
        amount = Resources("cpus:4")
        a.add_agent("m", amount)
        a.add_framework("f", ["r"])
        assert len(a.run().grants) == 1
        a.update_framework("f", ["s"])
        a.recover_resources("f", "m", "r", amount, refuse_seconds=1000.0)
        a.update_framework("f", ["r"])
        assert [g.role for g in a.run().grants] == ["r"]
        a.check()

    def test_12_what_is_freed_is_offered_at_the_next_run(self) -> None:
        """Upstream waits for its interval."""
        a = Allocator(interval=3600.0)
        a.add_agent("m", "cpus:4")
        a.add_framework("f")
        a.accept(a.run().offers[0])
        a.add_framework("g")
        assert given(a) == []
        a.release("f", "m", "cpus:1")
        assert given(a) == [("g", "m", "cpus:1")]


class TestQuotaInTrees:
    """What a tree of quota must not do to those in it."""

    def test_a_parents_guarantee_is_not_for_one_child_where_another_has_its_own(self) -> None:
        a = quiet()
        a.update_quota("r", guarantees="cpus:6")
        a.update_quota("r/b", guarantees="cpus:6")
        a.add_agent("m", "cpus:6")
        a.add_framework("a", roles=["r/a"])
        a.add_framework("b", roles=["r/b"])
        assert given(a) == [("b", "m", "cpus:6")]

    def test_what_is_left_of_it_goes_to_the_others(self) -> None:
        a = quiet(offer="demand")
        a.update_quota("r", guarantees="cpus:10")
        a.update_quota("r/b", guarantees="cpus:6")
        a.add_agent("m", "cpus:10")
        for name in ("a", "b"):
            a.add_framework(name, roles=[f"r/{name}"])
            a.request(name, "cpus:1", 20)
        assert given(a) == [("a", "m", "cpus:4"), ("b", "m", "cpus:6")]

    @pytest.mark.parametrize("how", ["decline", "remove_agent"])
    def test_what_is_freed_on_one_agent_allows_an_offer_of_another(self, how: str) -> None:
        a = quiet()
        a.update_quota("x", limits={"cpus": 4})
        a.add_agent("m1", "cpus:4")
        a.add_agent("m2", "cpus:4")
        a.add_framework("f", roles=["x"])
        (offer,) = a.run().offers
        if how == "decline":
            a.decline(offer, refuse_seconds=1000)
        else:
            a.remove_agent(offer.agent)
        assert given(a) == [("f", "m2", "cpus:4")]


class TestHeldOff:
    def test_what_happened_while_paused_is_not_lost(self) -> None:
        a = HierarchicalAllocator(interval=None)
        a.pause()
        a.add_agent("m", Resources("cpus:4"))
        a.add_framework("f", ["*"])
        assert not a.run().grants
        a.resume()
        assert [g.framework for g in a.run().grants] == ["f"]

    def test_after_a_recovery_all_agents_that_are_back_are_offered(self) -> None:
        a = HierarchicalAllocator(interval=None)
        a.recover(5, {"p": (Resources("cpus:1"), {})})
        a.add_framework("f", ["*"])
        for i in range(3):
            a.add_agent(f"m{i}", Resources("cpus:2"))
            assert not a.run().grants
        a.add_agent("m3", Resources("cpus:2"))
        assert sum(g.resources["cpus"] for g in a.run().grants) == 7  # one is kept for p

    def test_after_ten_minutes_they_are_offered_in_any_case(self) -> None:
        a = HierarchicalAllocator(interval=None)
        a.recover(5, {"p": (Resources("cpus:1"), {})})
        a.add_framework("f", ["*"])
        a.add_agent("m", Resources("cpus:2"))
        assert not a.run().grants
        assert a.next_deadline() == 600.0
        a.advance(600.0)
        assert len(a.run().grants) == 1


class TestBounds:
    def test_an_operators_conversion_is_checked_before_it_changes_anything(self) -> None:
        a = HierarchicalAllocator(interval=None)
        a.add_agent("m", Resources("cpus:1"))
        a.add_agent("k", Resources({"cpus": 8e12}))
        with pytest.raises(InvalidQuantity, match="above the limit of 2"):
            a.update_available("m", [(Resources(), Resources({"cpus": 8e12}))])
        a.check()

    def test_reported_use_is_bounded_where_it_is_reported(self) -> None:
        a = quiet()
        a.add_agent("m", "cpus:1", used={"f": {"x": {"cpus": 8e12}}})
        with pytest.raises(InvalidQuantity, match="reported use of cpus would be"):
            a.add_agent("k", "cpus:1", used={"f": {"x": {"cpus": 8e12}}})
        a.add_framework("f", roles=["x"])
        a.check()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.update_unavailability("m", 5), "unavailability of agent 'm' is 5"),
        (lambda a: a.update_unavailability("m", (float("nan"), None)), "unavailability"),
        (lambda a: a.update_unavailability("m", (1.0, -3.0)), "unavailability"),
        (lambda a: a.set_whitelist("host"), "whitelist is 'host'; give a list"),
        (lambda a: a.set_whitelist([3]), "whitelist: 3 is not a name"),
        (lambda a: a.add_agent("k", "cpus:1", capabilities="MULTI_ROLE"), "give a list of names"),
        (lambda a: a.suppress("f", "x"), "give a list of names"),
        (lambda a: a.revive("f", "x"), "give a list of names"),
        (lambda a: a.add_agent("k", "cpus:1", used={"f": "cpus:1"}), "used is .* give a mapping"),
    ],
    ids=[
        "unavailability is a number",
        "unavailability starts never",
        "unavailability is shorter than nothing",
        "whitelist is text",
        "whitelist of numbers",
        "capabilities are text",
        "suppress text",
        "revive text",
        "used without roles",
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(call: Any, message: str) -> None:
    a = quiet()
    a.add_agent("m", "cpus:1")
    a.add_framework("f", roles=["x"])
    with pytest.raises(InvalidOption, match=message):
        call(a)
    a.check()
    a.run()


class TestSlips:
    """Slips of the pen that would be taken for something else."""

    def test_star_is_no_reservation(self) -> None:
        assert Resources("cpus(*):4") == Resources("cpus:4")
        with pytest.raises(InvalidQuantity, match="nothing is reserved to role"):
            Resources.from_json([{"name": "cpus", "value": 4, "reservations": [{"role": "*"}]}])

    @pytest.mark.parametrize("role", ["a//b", "a b", "-a", "a/*"])
    def test_roles_of_reservations_are_roles(self, role: str) -> None:
        with pytest.raises(InvalidName, match="is malformed"):
            Resources(f"cpus({role}):1")

    @pytest.mark.parametrize(
        ("more", "error", "message"),
        [
            ({"reservations": [{"rol": "x"}]}, InvalidQuantity, "'rol' in reservation"),
            ({"reservations": [{}]}, InvalidName, "role None is malformed"),
            ({"reservations": [{"role": "x", "type": "odd"}]}, InvalidQuantity, "type is 'static'"),
            ({"disk": {"sorce": "MOUNT"}}, InvalidQuantity, "'sorce' in disk"),
            ({"disk": {"source": "mount"}}, InvalidQuantity, "source is one of PATH, MOUNT"),
        ],
    )
    def test_unknown_words_in_objects(
        self, more: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            Resources.from_json([{"name": "disk", "value": 4, **more}])

    @pytest.mark.parametrize(
        "given",
        [
            {
                "constraints": {
                    "ops": [[{"selector": {"attribute": "x"}, "predicate": {"type": "exists"}}]]
                }
            },
            {"min_allocatable": {"ops": ["cpus:1"]}},
        ],
        ids=["constraints", "min_allocatable"],
    )
    def test_what_is_said_of_a_role_that_the_framework_lacks(self, given: dict[str, Any]) -> None:
        a = quiet()
        with pytest.raises(UnknownName, match=r"unknown role in .*'ops'"):
            a.add_framework("f", roles=["dev"], **given)
        a.add_framework("f", roles=["dev"])

    def test_capabilities_of_agents_are_known(self) -> None:
        a = quiet()
        with pytest.raises(UnknownName, match="HIERARCHICAL_ROLE"):
            a.add_agent("m", "cpus:1", capabilities=["HIERARCHICAL"])
        a.check()

    def test_what_a_limit_above_forbids_is_not_kept_free(self) -> None:
        a = quiet()
        a.update_quota("eng", limits={"cpus": 2})
        a.update_quota("eng/ads", guarantees="cpus:4")
        a.add_agent("m", "cpus:8")
        a.add_framework("ads", roles=["eng/ads"])
        a.add_framework("ops", roles=["ops"])
        assert given(a) == [("ads", "m", "cpus:2"), ("ops", "m", "cpus:6")]
