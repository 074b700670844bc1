"""Gangs: tasks that start together are offered all at once or not at all, without hoarding and without starving."""

from __future__ import annotations

import random

import pytest

from drf import Allocator, Resources
from drf.errors import InvalidOption, StaleOffer
from drf.journal import JournaledAllocator, replay


def cluster(*cpus, **options):
    a = Allocator(interval=None, agent_order="id", offer="demand", **options)
    for i, amount in enumerate(cpus or (4, 4)):
        a.add_agent(f"m{i}", f"cpus:{amount}")
    return a


def ask(a, name, count, shape="cpus:1", together=True, **terms):
    if name not in a._roles:
        a.add_framework(name, roles=[name], **terms)
    a.request(name, shape, count, together=together)


def made(decisions):
    return [(o.framework, o.agent, sum(n for _, n in o.tasks)) for o in decisions.offers]


class TestAllOrNone:
    def test_one_group_over_several_agents(self):
        a = cluster()
        ask(a, "mpi", 6)
        offers = a.run().offers
        assert [(o.agent, o.tasks[0][1]) for o in offers] == [("m0", 4), ("m1", 2)]
        assert {o.group for o in offers} == {offers[0].id}
        for offer in offers:
            a.accept(offer)
        a.check()
        assert not a.run()

    def test_none_where_one_finds_no_room(self):
        a = cluster()
        ask(a, "mpi", 9)
        assert not a.run()
        assert a.share("mpi") == 0
        assert "no room for all 9 tasks of cpus:1 at once" in str(a.why("mpi", change=False))
        a.add_agent("m2", "cpus:1")
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m1", 4), ("mpi", "m2", 1)]

    def test_one_that_waits_holds_nothing(self):
        a = cluster()
        ask(a, "mpi", 9)
        ask(a, "elastic", 20, together=False)
        assert made(a.run()) == [("elastic", "m0", 4), ("elastic", "m1", 4)]

    def test_fewer_tasks_may_find_room(self):
        a = cluster()
        ask(a, "mpi", 9)
        assert not a.run()
        ask(a, "mpi", 8)
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m1", 4)]

    def test_tasks_that_need_no_longer_be_together(self):
        a = cluster()
        ask(a, "mpi", 9)
        assert not a.run()
        ask(a, "mpi", 9, together=False)
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m1", 4)]

    def test_the_policy_says_whose_turn_it_is(self):
        a = cluster(4, 4, 4)
        a.add_agent("own", "cpus:2", used={"mpi": {"mpi": "cpus:2"}})
        ask(a, "mpi", 6)
        ask(a, "elastic", 4, together=False)
        # Elastic comes first until it holds as much as mpi, which has had fewer grants.
        assert made(a.run()) == [
            ("elastic", "m0", 2),
            ("elastic", "m2", 2),
            ("mpi", "m0", 2),
            ("mpi", "m1", 4),
        ]

    def test_other_agents_than_the_candidates_count(self):
        a = cluster(4, 4)
        ask(a, "elastic", 8, together=False)
        for offer in a.run().offers:
            a.accept(offer)
        ask(a, "mpi", 6)
        a.release("elastic", "m0", "cpus:4")
        a.request("elastic", "cpus:1", 0)
        assert not a.run()
        a.release("elastic", "m1", "cpus:2")  # m1 alone is a candidate
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m1", 2)]

    def test_where_and_constraints_hold_for_each(self):
        a = cluster(4, 4)
        a.update_agent("m1", attributes={"net": "ib"})
        a.add_agent("m2", "cpus:4", attributes={"net": "ib"})
        a.add_framework("mpi")
        a.request("mpi", "cpus:1", 6, where={"net": ["ib"]}, together=True)
        assert made(a.run()) == [("mpi", "m1", 4), ("mpi", "m2", 2)]

    def test_a_limit_counts_all_of_it(self):
        a = cluster()
        a.update_quota("mpi", limits={"cpus": 5})
        ask(a, "mpi", 6)
        assert not a.run()
        ask(a, "mpi", 5)
        assert sum(n for *_, n in made(a.run())) == 5

    def test_headroom_counts_all_of_it(self):
        a = cluster()
        a.update_quota("other", guarantees={"cpus": 3})
        ask(a, "mpi", 6)
        assert not a.run()
        ask(a, "mpi", 5)
        assert sum(n for *_, n in made(a.run())) == 5

    def test_refused_agents_are_left_out(self):
        a = cluster(4, 4, 4)
        ask(a, "mpi", 4)
        (offer,) = a.run().offers
        a.decline(offer, refuse_seconds=60)
        assert made(a.run()) == [("mpi", "m1", 4)]

    def test_short_room_is_offered_apart(self):
        a = Allocator(interval=None, agent_order="id", offer="demand")
        a.add_agent("m0", "cpus:2", short=("cpus:2", 60.0))
        a.add_framework("mpi")
        a.request("mpi", "cpus:1", 4, duration=30.0, together=True)
        offers = a.run().offers
        assert [(o.max_duration, o.tasks[0][1]) for o in offers] == [(60.0, 2), (None, 2)]
        assert len({o.group for o in offers}) == 1

    def test_whole_agents_cannot(self):
        a = Allocator()
        a.add_framework("f")
        with pytest.raises(InvalidOption, match="offer='demand'"):
            a.request("f", "cpus:1", 2, together=True)


class TestAnswers:
    def test_one_declined_declines_all(self):
        a = cluster()
        ask(a, "mpi", 6)
        first, second = a.run().offers
        a.decline(second, refuse_seconds=0)
        with pytest.raises(StaleOffer):
            a.accept(first)
        assert a.share("mpi") == 0
        a.check()
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m1", 2)]

    def test_a_part_cannot_be_refused(self):
        a = cluster()
        ask(a, "mpi", 6)
        offer = a.run().offers[0]
        with pytest.raises(InvalidOption, match="leave refuse out"):
            a.decline(offer, refuse="cpus:1")
        assert len(a.open_offers()) == 2

    def test_one_lost_ends_all(self):
        a = cluster()
        ask(a, "mpi", 6)
        offers = a.run().offers
        a.remove_agent("m1")
        decisions = a.run()
        assert sorted(decisions.rescinds) == [o.id for o in offers]
        assert not decisions.offers
        a.check()
        a.add_agent("m3", "cpus:2")
        assert made(a.run()) == [("mpi", "m0", 4), ("mpi", "m3", 2)]

    def test_what_was_accepted_stays(self):
        a = cluster()
        ask(a, "mpi", 6)
        first, second = a.run().offers
        a.accept(first)
        a.decline(second, refuse_seconds=0)
        assert made(a.run()) == [("mpi", "m1", 2)]  # the others run
        a.check()

    def test_unanswered_they_end_together(self):
        a = cluster(offer_timeout=10.0)
        ask(a, "mpi", 6)
        offers = a.run().offers
        a.advance(10.0)
        decisions = a.run()
        assert sorted(decisions.rescinds) == [o.id for o in offers]
        assert made(decisions) == [("mpi", "m0", 4), ("mpi", "m1", 2)]


def busy_cluster(patience, tasks=8, length=10.0, steps=300):
    """An elastic framework whose tasks end one by one, and a new one is there for each; a gang that needs all."""
    a = cluster(gang_patience=patience)
    ask(a, "elastic", 1000, together=False)
    ends = []
    started = None
    for now in range(steps):
        a.advance(float(now))
        for end in [e for e in ends if e[0] <= now]:
            ends.remove(end)
            a.release("elastic", end[1], "cpus:1")
        if now == 15:
            ask(a, "mpi", tasks)
        for offer in a.run().offers:
            a.accept(offer, refuse_seconds=0)
            if offer.framework == "mpi":
                return now, a
            for _ in range(offer.tasks[0][1]):
                ends.append((now + length * (0.5 + len(ends) % 8 / 8), offer.agent))
        a.check()
        assert a.share("mpi") == 0 if "mpi" in a._roles else True
    return started, a


class TestStarving:
    def test_it_gets_its_turn(self):
        started, _ = busy_cluster(30.0)
        assert started is not None
        assert 45 <= started <= 45 + 16

    def test_without_patience_it_never_does(self):
        assert busy_cluster(1e9)[0] is None

    def test_one_that_never_fits_holds_nothing_back(self):
        started, a = busy_cluster(30.0, tasks=9)
        assert started is None
        assert not a._plugin._claims
        assert a._plugin._gangs._current is None

    def test_others_have_their_turn_between(self):
        """Tasks that never end keep the gang from its room: half of the time what is free goes to others."""
        a = cluster(gang_patience=10.0)
        a.add_framework("old", used={"m0": {"*": "cpus:1"}})
        ask(a, "mpi", 8)
        ask(a, "elastic", 0, together=False)
        free = []
        for now in range(100):
            a.advance(float(now))
            a.request("elastic", "cpus:1", 3)
            decisions = a.run()
            free.append(bool(decisions))
            for offer in decisions.offers:
                assert offer.framework == "elastic"
                a.decline(offer, refuse_seconds=0) if now % 2 else a.accept(offer)
            for agent, role, amount, running in a.holdings("elastic"):
                if running:
                    a.release("elastic", agent, amount, role=role)
        assert 25 <= sum(free) <= 75
        assert not all(free[10:20])

    def test_two_that_need_all_do_not_lock_each_other(self):
        a = cluster(gang_patience=5.0)
        for name in ("a", "b"):
            ask(a, name, 8)
        order = []
        for now in range(60):
            a.advance(float(now))
            for offer in a.run().offers:
                order.append(offer.framework)
                a.accept(offer, refuse_seconds=0)
            if now % 10 == 9:
                for name in ("a", "b"):
                    for agent, role, amount, running in a.holdings(name):
                        if running:
                            a.release(name, agent, amount, role=role)
            a.check()
        assert order == ["a", "a", "b", "b"]

    def test_time_alone_begins_and_ends_it(self):
        a = cluster(gang_patience=10.0)
        a.add_framework("old", used={"m0": {"*": "cpus:1"}})
        ask(a, "mpi", 8)
        a.run()
        turns = {}
        for _ in range(6):
            a.advance(a.next_deadline())
            assert not a.run()
            turns[a._plugin._now] = bool(a._plugin._claims)
        assert turns == {10.0: True, 20.0: False, 30.0: True, 40.0: False, 50.0: True, 60.0: False}
        ask(a, "elastic", 3, together=False)
        assert len(a.run().offers) == 1  # it is their turn

    def test_a_withdrawn_gang_frees_what_was_kept(self):
        a = cluster(gang_patience=10.0)
        a.add_framework("old", used={"m0": {"*": "cpus:1"}})
        ask(a, "mpi", 8)
        ask(a, "elastic", 0, together=False)
        a.run()
        a.advance(10.0)
        a.run()
        ask(a, "elastic", 3, together=False)
        assert not a.run()
        assert "kept for whom" in str(a.why("elastic", change=False))
        ask(a, "mpi", 0)
        assert sum(n for *_, n in made(a.run())) == 3
        a.check()

    @pytest.mark.parametrize("patience", [0, -1, float("inf"), float("nan"), True])
    def test_bad_patience(self, patience):
        with pytest.raises(InvalidOption, match="gang_patience"):
            Allocator(gang_patience=patience)


@pytest.mark.parametrize("seed", range(40))
def test_a_group_is_whole_whatever_happens(seed):
    """Random verbs: every group holds exactly the tasks that waited; nothing is lost; a snapshot goes on alike."""
    draw = random.Random(seed)
    lines = []
    a = JournaledAllocator(
        lines.append, interval=None, offer="demand", seed=seed, gang_patience=4.0
    )
    for i in range(4):
        a.add_agent(f"m{i}", f"cpus:{draw.randint(1, 6)};mem:8")
    if draw.random() < 0.3:
        a.update_quota("f0", guarantees={"cpus": 2}, limits={"cpus": 9})
    for i in range(3):
        a.add_framework(f"f{i}", roles=[f"f{i}"])
    now = 0.0
    groups = 0
    for step in range(60):
        verb = draw.randrange(7)
        name = f"f{draw.randrange(3)}"
        if verb <= 1:
            shape = f"cpus:{draw.randint(1, 2)}"
            a.request(name, shape, draw.randint(0, 7), together=draw.random() < 0.7)
        elif verb == 2:
            now += draw.random() * 3
            a.advance(now)
        elif verb == 3 and a.open_offers():
            offer = draw.choice(a.open_offers())
            a.decline(offer, refuse_seconds=draw.choice([0, 2, None]))
        elif verb == 4:
            for offer in a.open_offers()[: draw.randint(1, 4)]:
                a.accept(offer, refuse_seconds=0)
        elif verb == 5:
            for agent, role, amount, running in a.holdings(name):
                if running and draw.random() < 0.6:
                    a.release(name, agent, amount, role=role)
        elif draw.random() < 0.2:
            agent = f"m{draw.randrange(4)}"
            a.remove_agent(agent)
            a.add_agent(agent, f"cpus:{draw.randint(1, 6)};mem:8")
        before = {
            (framework, role, task.shape): (task.unmet, task.together)
            for framework, role, task in a._plugin._requests
        }
        seen = {}
        for offer in a.run().offers:
            if offer.group is not None:
                ((shape, count),) = offer.tasks
                key = (offer.group, offer.framework, offer.role, shape)
                seen[key] = seen.get(key, 0) + count
            else:
                for shape, _ in offer.tasks:
                    assert not before[offer.framework, offer.role, shape][1]
        for (_, *key), count in seen.items():
            assert before[tuple(key)] == (count, True)
        groups += len(seen)
        a.check()
        if step == 30:
            b = Allocator.restore(a.snapshot())
            assert b.snapshot() == a.snapshot()
    assert replay(lines).differences == []
    assert groups or seed


def test_amounts_are_those_of_the_tasks():
    a = cluster()
    ask(a, "mpi", 3, "cpus:2")
    assert [o.resources for o in a.run().offers] == [Resources("cpus:4"), Resources("cpus:2")]
