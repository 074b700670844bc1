"""Affinity: near whom, and apart from whom."""

from __future__ import annotations

import pytest

from drf import Affinity, Allocator
from drf.errors import InvalidOption, PluginError
from drf.journal import JournaledAllocator, replay


def cluster(racks=("r1", "r1", "r2", None), **options):
    a = Allocator(interval=None, agent_order="id", offer="demand", **options)
    for i, rack in enumerate(racks):
        a.add_agent(f"m{i}", "cpus:4", attributes={} if rack is None else {"rack": rack})
    return a


def where(a, framework):
    return sorted({agent for agent, *_ in a.holdings(framework)})


def ask(a, name, count, **terms):
    a.add_framework(name, roles=[name], **terms)
    a.request(name, "cpus:1", count)


def settle(a):
    while decisions := a.run():
        for offer in decisions.offers:
            a.accept(offer, refuse_seconds=0)
    a.check()


class TestNear:
    def test_only_where_one_of_them_is(self):
        a = cluster()
        ask(a, "web", 9, affinity=Affinity(near=["cache"]))
        settle(a)
        assert where(a, "web") == []
        assert "near cache" in str(a.why("web", change=False))
        ask(a, "cache", 1)
        settle(a)
        assert where(a, "web") == where(a, "cache") == ["m0"]

    def test_itself_begins_anywhere(self):
        a = cluster()
        ask(a, "web", 9, affinity={"near": ["web"]})
        settle(a)
        assert where(a, "web") == ["m0"]

    def test_within_a_rack(self):
        a = cluster()
        ask(a, "cache", 1)
        settle(a)
        ask(a, "web", 20, affinity={"near": ["cache"], "within": "rack"})
        settle(a)
        assert where(a, "web") == ["m0", "m1"]  # m3 has no rack

    def test_it_follows_at_once_to_another_agent_of_the_rack(self):
        a = cluster()
        ask(a, "web", 20, affinity={"near": ["cache"], "within": "rack"})
        settle(a)
        ask(a, "cache", 1)
        settle(a)
        assert where(a, "web") == ["m0", "m1"]

    def test_an_agent_visited_before_is_visited_again(self):
        a = cluster(racks=("r1", "r1"))
        a.update_agent("m1", attributes={"rack": "r1", "disk": "fast"})
        ask(a, "web", 9, affinity={"near": ["cache"], "within": "rack"})
        a.add_framework("cache", roles=["cache"])
        a.request("cache", "cpus:4", 1, where={"disk": ["fast"]})
        assert [(o.framework, o.agent) for o in a.run().offers] == [("cache", "m1")]
        assert [(o.framework, o.agent) for o in a.run().offers] == [("web", "m0")]
        assert not a.run()


class TestApart:
    def test_each_agent_once(self):
        a = cluster()
        ask(a, "web", 9, affinity={"apart": ["web"]})
        settle(a)
        assert [amount["cpus"] for _, _, amount, _ in a.holdings("web")] == [1, 1, 1, 1]
        assert where(a, "web") == ["m0", "m1", "m2", "m3"]

    def test_each_rack_once(self):
        a = cluster()
        ask(a, "web", 9, affinity={"apart": ["web"], "within": "rack"})
        settle(a)
        assert where(a, "web") == ["m0", "m2", "m3"]

    def test_it_holds_for_both_sides(self):
        a = cluster(racks=(None, None))
        ask(a, "web", 1, affinity={"apart": ["noisy"]})
        settle(a)
        ask(a, "noisy", 9)
        settle(a)
        assert where(a, "web") == ["m0"]
        assert where(a, "noisy") == ["m1"]
        assert "wants to be apart from it" in str(a.why("noisy", change=False))
        a.request("web", "cpus:1", 9)
        settle(a)
        assert where(a, "web") == ["m0"]
        assert "apart from 'noisy'" in str(a.why("web", change=False))

    def test_what_is_freed_can_be_had(self):
        a = cluster(racks=(None,))
        ask(a, "noisy", 1)
        settle(a)
        ask(a, "web", 1, affinity={"apart": ["noisy"]})
        settle(a)
        assert where(a, "web") == []
        a.release("noisy", "m0", "cpus:1")
        settle(a)
        assert where(a, "web") == ["m0"]

    def test_what_is_freed_counts_for_the_whole_rack(self):
        a = cluster(racks=("r1", "r1"))
        a.add_framework("noisy", used={"m0": {"*": "cpus:3"}})
        a.add_framework("other", used={"m0": {"*": "cpus:1"}})
        a.add_framework("web", roles=["web"], affinity={"apart": ["noisy"], "within": "rack"})
        a.request("web", "cpus:4", 1)
        assert not a.run()
        a.release("noisy", "m0", "cpus:3")
        assert [(o.framework, o.agent) for o in a.run().offers] == [("web", "m1")]

    def test_an_update_replaces_it(self):
        a = cluster(racks=(None,))
        ask(a, "noisy", 1)
        settle(a)
        ask(a, "web", 1, affinity={"apart": ["noisy"]})
        settle(a)
        a.update_framework("web", roles=["web"])
        settle(a)
        assert where(a, "web") == ["m0"]
        assert not a._plugin._company

    def test_it_goes_with_its_framework(self):
        a = cluster()
        ask(a, "web", 1, affinity={"apart": ["noisy"]})
        a.remove_framework("web")
        assert not a._plugin._company
        assert not a._plugin._company._shunned

    def test_whole_agents(self):
        a = Allocator(interval=None, agent_order="id")
        a.add_agent("m0", "cpus:4")
        a.add_agent("m1", "cpus:4", used={"noisy": {"*": "cpus:1"}})
        a.add_framework("noisy", suppressed=["*"])
        a.add_framework("web", affinity={"apart": ["noisy"]})
        assert [(o.framework, o.agent) for o in a.run().offers] == [("web", "m0")]


@pytest.mark.parametrize(
    "given",
    [
        "web",
        5,
        {"close": ["a"]},
        {"near": "a"},
        {"near": [1]},
        {"apart": [""]},
        {"near": ["a"], "within": ""},
    ],
)
def test_what_is_not_sound(given):
    a = cluster()
    with pytest.raises(InvalidOption):
        a.add_framework("web", affinity=given)
    a.add_framework("web")


def test_a_journal_keeps_it():
    lines = []
    a = JournaledAllocator(lines.append, interval=None)
    a.add_agent("m", "cpus:4")
    a.add_framework("web", affinity=Affinity(apart=["web"]))
    a.accept(a.run().offers[0], "cpus:1")
    a.run()
    again = replay(lines)
    assert again.differences == []
    assert again.allocator._plugin._company.get("web") == Affinity(apart=["web"])


class TestScorer:
    def test_the_highest_score_first(self):
        seen = []

        def score(agent):
            seen.append(agent)
            return {"m0": 1.0, "m1": 3.0, "m2": 3.0, "m3": 2.0}[agent.name]

        a = Allocator(interval=None, offer="demand", agent_order=score)
        for i in range(4):
            a.add_agent(f"m{i}", "cpus:1", attributes={"rack": "r"})
        ask(a, "web", 3)
        assert [o.agent for o in a.run().offers] == ["m1", "m2", "m3"]
        assert (seen[0].attributes, seen[0].frameworks) == ({"rack": "r"}, ())

    @pytest.mark.parametrize("score", [None, float("nan"), "high"])
    def test_what_is_no_number_changes_nothing(self, score):
        answers = [score]
        a = Allocator(interval=None, agent_order=lambda agent: answers[0])
        a.add_agent("m", "cpus:1")
        a.add_framework("f")
        with pytest.raises(PluginError, match="agent 'm'"):
            a.run()
        a.check()
        answers[0] = 1
        assert len(a.run().offers) == 1

    def test_a_snapshot_needs_it_again(self):
        def score(agent):
            return 1.0

        a = Allocator(interval=None, agent_order=score)
        a.add_agent("m", "cpus:1")
        snapshot = a.snapshot()
        with pytest.raises(InvalidOption, match="scorer="):
            Allocator.restore(snapshot)
        assert Allocator.restore(snapshot, scorer=score).snapshot() == snapshot
        with pytest.raises(InvalidOption, match="leave scorer out"):
            Allocator.restore(Allocator().snapshot(), scorer=score)

    def test_a_journal_needs_names(self):
        with pytest.raises(InvalidOption, match="no name"):
            JournaledAllocator([].append, agent_order=lambda agent: 1.0)

    def test_an_unknown_order(self):
        with pytest.raises(InvalidOption, match="or a function"):
            Allocator(agent_order="best")
