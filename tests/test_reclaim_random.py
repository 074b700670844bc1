"""Random clusters in which everybody reclaims as often as it can: no reclaim is needless, unfair, or endless."""

from __future__ import annotations

import os
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import drf
from drf import fairshare

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=3000 if LONG else 80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[p for p in Phase if p is not Phase.explain],
)
MADE = fairshare.FairShares.__init__
ENOUGH = 150
"""Carried-out plans after which a cluster of a dozen tasks must have come to rest."""

GRACE = 30.0

AGENTS = ["cpus:4;mem:4", "cpus:6;mem:3", "cpus:3;mem:8", "cpus:8;mem:8"]
SHAPES = ["cpus:1;mem:1", "cpus:2;mem:1", "cpus:1;mem:2", "cpus:3;mem:3", "cpus:2;mem:2", "cpus:4"]
ROLES = ["a", "b", "c", "a/x", "a/y", "b/x"]

players = st.lists(
    st.tuples(st.sampled_from(ROLES), st.sampled_from(SHAPES), st.sampled_from(SHAPES)),
    min_size=2,
    max_size=4,
)
clusters = st.fixed_dictionaries(
    {
        "agents": st.lists(st.sampled_from(AGENTS), min_size=1, max_size=3),
        "players": players,
        "weights": st.dictionaries(
            st.sampled_from(ROLES), st.sampled_from([0.5, 2.0, 3.0]), max_size=3
        ),
        "guarantees": st.dictionaries(
            st.sampled_from(["a", "b", "a/x"]),
            st.sampled_from(["cpus:2", "cpus:3;mem:2"]),
            max_size=2,
        ),
        "limits": st.dictionaries(
            st.sampled_from(["a", "c", "a/y"]),
            st.sampled_from([{"cpus": 3}, {"cpus": 5}, {"mem": 4}]),
            max_size=2,
        ),
        "offer": st.sampled_from(["agent", "demand"]),
        "seed": st.integers(0, 3),
    }
)
turns = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans()),
    max_size=14,
)


class World:
    """An allocator and frameworks that want as much as they can get, of two shapes each, for ever."""

    def __init__(self, cluster: dict[str, Any]) -> None:
        self.a = drf.Allocator(interval=None, offer=cluster["offer"], seed=cluster["seed"])
        self.guarantees = cluster["guarantees"]
        self.weights = cluster["weights"]
        for n, total in enumerate(cluster["agents"]):
            self.a.add_agent(f"m{n}", total)
        self.limits = cluster["limits"]
        for role in sorted({*self.guarantees, *self.limits}):
            amount, limits = self.guarantees.get(role), self.limits.get(role)
            self.a.update_quota(
                role, guarantees=amount, limits=None if amount is not None else limits
            )
        if self.weights:
            self.a.update_weights(self.weights)
        self.players = {f"f{n}": player for n, player in enumerate(cluster["players"])}
        for name, (role, _, _) in self.players.items():
            self.a.add_framework(name, roles=[role])
        self.launched = 0
        self.named: list[str] = []
        self.wanted: dict[tuple[str, str], list[str]] = {}
        self.now = 0.0
        self.carried_out = 0
        self.last = self.potential()
        self.settle()

    def settle(self) -> None:
        """Run until nobody launches anything more."""
        for name, (_, *shapes) in self.players.items():
            claimed = Counter(
                s for (f, _), wanted in self.wanted.items() if f == name for s in wanted
            )
            for shape in shapes:  # it uses what it asked for before it asks for more
                self.a.request(name, shape, claimed[shape] if claimed else 20)
        while True:
            decisions = self.a.run()
            self.named += [task.task for task in decisions.reclaims]
            offers = list(decisions.offers)
            for offer in offers:
                tasks, room = {}, offer.resources
                first = self.wanted.get((offer.framework, offer.agent), [])
                if first and not sum(map(drf.Resources, first), drf.Resources()) <= room:
                    first = []
                wanted = list(first)
                first.clear()
                for shape in [*wanted, *self.players[offer.framework][1:] * 20]:
                    if (need := drf.Resources(shape)) <= room:
                        room = room - need
                        self.launched += 1
                        tasks[f"t{self.launched}"] = drf.TaskSpec(need, priority=self.launched % 3)
                if tasks:
                    self.a.accept(offer, tasks=tasks, refuse_seconds=0)
                else:
                    self.a.decline(offer, refuse_seconds=10**6)
            self.a.check()
            self.within_limits()
            self.grown()
            self.wanted = {key: shapes for key, shapes in self.wanted.items() if shapes}
            if not offers:
                return

    def within_limits(self) -> None:
        for role, limits in self.limits.items():
            if role not in self.guarantees:
                for name, limit in limits.items():
                    used = [
                        amount.get(name, 0)
                        for framework in self.players
                        for _, its, amount, _ in self.a.holdings(framework)
                        if f"{its}/".startswith(f"{role}/")
                    ]
                    assert sum(used) <= limit

    def grown(self, *, strictly: bool = False) -> None:
        new = self.potential()
        assert new > self.last if strictly else new >= self.last
        self.last = new

    def reclaim(self, name: str, which: int, count: int, together: bool) -> drf.Plan | None:
        """As a framework does that can: None where there is nothing to take."""
        shape = self.players[name][1 + which]
        plan = self.a.plan_reclaim(name, shape, count, grace=GRACE, together=together)
        if not plan.reclaims:
            return None
        if (
            not self.guarantees and not self.limits
        ):  # which may need a task to go though its room is not needed
            needless(self.a, plan, shape)
        mine = {task.framework for task in plan.reclaims}
        assert name not in mine
        self.carried_out += 1
        for fit in plan.claims:
            self.wanted.setdefault((name, fit.agent), []).extend([shape] * fit.tasks)
        self.a.reclaim(plan)
        self.grown(strictly=True)
        return plan

    def end(self) -> None:
        """What was named runs on until its deadline, while the others fill what is free; then it ends."""
        self.settle()
        self.now += GRACE
        self.a.advance(self.now)
        for task in self.named:
            self.a.release(task=task)
        assert not self.a._takebacks.going()
        self.named = []
        self.settle()

    def potential(self) -> Any:
        """What every reclaim must raise, and no launch may lower: written down afresh, from the definition."""
        held: dict[tuple[str, str], Counter[str]] = {}
        for name, (role, _, _) in self.players.items():
            held[role, name] = Counter()
        going = {task.name for task in self.a._takebacks.going()}
        for task in self.a.tasks():
            if task.name not in going:
                held[task.role, task.framework].update(dict(task.resources.units))
        for claim in self.a._plugin._claims:
            held[claim.role, claim.framework].update(dict(claim.amount.units))
        total: Counter[str] = Counter()
        for record in self.a._plugin._ledger.agents.values():
            total.update(dict(record.total.units))
        met = sum(
            min(sum((held[m][n] for m in held if f"{m[0]}/".startswith(f"{role}/")), 0), units)
            for role, amount in self.guarantees.items()
            for n, units in drf.Resources(amount).units.items()
        )
        levels: dict[int, list[Fraction]] = {}

        def visit(prefix: str, members: list[tuple[str, str]], fair: Fraction, depth: int) -> None:
            """The children of a node, each with its members."""
            children: dict[str, list[tuple[str, str]]] = {}
            for member in members:
                rest = member[0][len(prefix) :]
                children.setdefault(rest.split("/")[0], []).append(member)
            flat = prefix and set(children) == {""}
            if flat:
                nodes = [(Fraction(1), [member], None) for member in members]
            else:
                nodes = [
                    (
                        Fraction(self.weights.get(prefix + part, 1.0)) if part else Fraction(1),
                        inside,
                        f"{prefix}{part}/" if part else prefix,
                    )
                    for part, inside in children.items()
                ]
            whole = sum(weight for weight, _, _ in nodes)
            for weight, inside, path in nodes:
                share = max(Fraction(sum(held[m][n] for m in inside), total[n]) for n in total)
                own = fair * weight / whole
                if len(nodes) > 1:
                    levels.setdefault(depth, []).append(share / own)
                if path == prefix:
                    visit_frameworks(inside, own, depth + 1)
                elif path is not None:
                    visit(path, inside, own, depth + 1)

        def visit_frameworks(members: list[tuple[str, str]], fair: Fraction, depth: int) -> None:
            for member in members:
                share = max(Fraction(held[member][n], total[n]) for n in total)
                if len(members) > 1:
                    levels.setdefault(depth, []).append(share / (fair / len(members)))

        visit("", list(held), Fraction(1), 0)
        ordered = [levels[depth] for depth in sorted(levels)]
        return (
            met,
            [sorted(min(r, Fraction(1)) for r in v) for v in ordered],
            [sorted(v) for v in ordered],
        )


def needless(a: drf.Allocator, plan: drf.Plan, shape: str) -> None:
    """No task of the plan, and no offer, can be left out."""
    need = drf.Resources(shape)
    going = a._takebacks.going()
    free: dict[str, drf.Resources] = {}
    for name, record in a._plugin._ledger.agents.items():
        free[name] = record.free + sum(
            (task.resources for task in going if task.agent == name), drf.Resources()
        )
        for claim in a._plugin._claims:
            if claim.agent == name:
                free[name] = free[name].minus(claim.waiting)

    def fitting(steps: list[Any]) -> int:
        count = 0
        for name, room in free.items():
            for step in steps:
                if step.agent == name:
                    room = room + step.resources
            while need <= room:
                room = room - need
                count += 1
        return count

    steps = [*plan.rescinds, *plan.reclaims]
    placed = sum(fit.tasks for fit in (*plan.free, *plan.claims))
    assert fitting(steps) >= placed == plan.demand.tasks - plan.missing
    for step in steps:
        assert fitting([other for other in steps if other is not step]) < placed


def play(cluster: dict[str, Any], moves: list[tuple[int, int, bool, bool, bool]]) -> World:
    world = World(cluster)
    names = sorted(world.players)
    for player, count, which, together, now in moves:
        world.reclaim(names[player % len(names)], which, count, together)
        if now:
            world.end()
    quiet = 0
    turn = 0
    while quiet < 2 * len(names):
        name, which = names[turn % len(names)], turn // len(names) % 2
        turn += 1
        quiet = 0 if world.reclaim(name, which, 1, False) else quiet + 1
        world.end()
        assert world.carried_out < ENOUGH
    return world


@SETTINGS
@given(clusters, turns)
def test_reclaims_come_to_rest(cluster, moves):
    play(cluster, moves)


def not_worse(pairs: Any) -> bool:
    pairs = list(pairs)
    return sorted(new for _, new in pairs) >= sorted(old for old, _ in pairs)


def never_lower(self: Any, moves: Any, claimant: Any) -> bool:
    """Compares frameworks by their own share alone, as if there were no weights."""
    ratios = [
        (self._ratio(self._paths[m][-1], {}), self._ratio(self._paths[m][-1], u))
        for m, u in moves.items()
    ]
    return fairshare._grows(ratios)


def unweighted(self: Any, total: Any, members: Any, weight_of: Any) -> None:
    MADE(self, total, members, lambda role: 1.0)


@pytest.mark.parametrize(
    ("where", "what", "fault"),
    [
        (fairshare, "_grows", not_worse),
        (fairshare.FairShares, "improves", never_lower),
        (fairshare.FairShares, "__init__", unweighted),
        (fairshare.FairShares, "improves", lambda self, moves, claimant: True),
    ],
    ids=["swaps are fair", "leaves alone count", "no weights", "anything is fair"],
)
def test_the_search_finds_a_fault(monkeypatch, where, what, fault):
    monkeypatch.setattr(where, what, fault)
    search_must_fail()


@pytest.mark.parametrize("fault", [not_worse, lambda pairs: True], ids=["swaps", "anything"])
def test_the_search_finds_a_chase(monkeypatch, fault):
    """One without end, not only a step that is not fair."""
    monkeypatch.setattr(fairshare, "_grows", fault)
    monkeypatch.setattr(World, "grown", lambda self, strictly=False: None)
    search_must_fail()


def search_must_fail() -> None:
    def breaks(pair):
        try:
            play(*pair)
        except AssertionError:
            return True
        return False

    quick = settings(
        SETTINGS, phases=[Phase.generate], max_examples=300, derandomize=True, database=None
    )
    try:
        find(st.tuples(clusters, turns), breaks, settings=quick)
    except NoSuchExample:
        pytest.fail("the fault was not found")
