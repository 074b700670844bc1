"""Two allocators in lock-step, one on each kernel: random histories of valid and invalid calls, checked after each.

``HYPOTHESIS_PROFILE=long`` searches longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=3000 if LONG else 150,
    stateful_step_count=100 if LONG else 50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[p for p in Phase if p is not Phase.explain],
)

AGENTS = ["m1", "m2", "m3", "m4"]
FRAMEWORKS = ["A", "B", "C", "日本"]
ROLES = ["x", "y", "*", "x/p"]
AMOUNTS = [
    "cpus:1",
    "cpus:2;mem:4",
    "mem:3",
    "cpus:0.5;mem:0.001",
    "gpus:1",
    "cpus:1;ports:[2-3]",
    "ports:[1-9]",
    "cpus:1;zone:{a}",
]
TOTALS = [
    "cpus:8;mem:16",
    "cpus:4;mem:4;ports:[1-5]",
    "cpus:1;gpus:2;zone:{a,b}",
    "mem:9",
    "cpus:2;cpus(x):2;mem(y):5",
    "cpus:0.001",
    "",
]
WRONG = ["", "cpus:-1", "cpus", "cpus:0.0001", {"cpus": 10**20}, "cpus:99"]
AFFINITIES: list[dict[str, Any] | None] = [
    None,
    None,
    {"apart": ["A"]},
    {"near": ["A", "B"], "within": "rack"},
    {"apart": ["C", "日本"], "near": ["A"]},
]
CONVERSIONS = [
    [("cpus:1", "cpus(x):1")],
    [("cpus(x):1", "cpus:1")],
    [("mem(y):5", "mem(x):5"), ("mem(x):5", "mem:5")],
    [("mem:3", "mem(y):3")],
]
SECONDS = [0, 0.5, 1.0, 3.0, 5.0, 400.0]

agents = st.sampled_from(AGENTS)
frameworks = st.sampled_from(FRAMEWORKS)
roles = st.sampled_from(ROLES)
some_roles = st.lists(roles, min_size=1, max_size=2, unique=True)
amounts = st.sampled_from(AMOUNTS)
totals = st.sampled_from(TOTALS)
seconds = st.sampled_from(SECONDS)
picks = st.integers(0, 5)


def shown(value: Any) -> Any:
    """By value: the two packages have classes of their own."""
    if type(value).__name__ == "Decisions":
        reclaims = [(*task[:4], str(task.resources), *task[5:]) for task in value.reclaims]
        return ([shown(offer) for offer in value.offers], list(value.rescinds), reclaims)
    if type(value).__name__ == "Plan":
        return str(value)
    if type(value).__name__ == "Offer":
        return (
            value.id,
            value.framework,
            value.role,
            value.agent,
            str(value.resources),
            [(str(shape.resources), sorted(shape.where), n) for shape, n in value.tasks],
            value.expires,
            value.group,
        )
    if isinstance(value, list):
        return [shown(each) for each in value]
    return value


class Machine(RuleBasedStateMachine):
    packages: tuple[ModuleType, ModuleType]

    @initialize(
        policy=st.sampled_from(["drf", "drf", "maxmin:mem", "fifo", "random"]),
        like=st.sampled_from([None, None, "mesos"]),
        offer=st.sampled_from(["agent", "demand"]),
        agent_order=st.sampled_from(["random", "id"]),
        interval=st.sampled_from([1.0, 2.5, None]),
        exclude=st.sampled_from([(), ("mem",)]),
        minimum=st.sampled_from([(), ("cpus:1", "mem:3")]),
        seed=st.integers(0, 3),
    )
    def start(
        self,
        policy: str,
        like: str | None,
        interval: float | None,
        minimum: tuple[str, ...],
        **options: Any,
    ) -> None:
        if like is None:
            options |= {"interval": interval, "min_allocatable": minimum}
        self.both = [package.Allocator(policy, like=like, **options) for package in self.packages]
        self.now = 0.0
        self.open: list[int] = []
        self.answered: list[int] = []
        self.held: list[tuple[str, str, str, str]] = []
        self.launched = 0
        for name, role, shape in (("A", "x", "cpus:1"), ("B", "y", "mem:3"), ("C", "x", "cpus:2")):
            self.attempt(lambda a, n=name, r=role: a.add_framework(n, roles=[r]))
            self.attempt(lambda a, n=name, s=shape: a.request(n, s, 5))
        for name, total in (("m1", TOTALS[0]), ("m2", TOTALS[1]), ("m3", TOTALS[4])):
            self.attempt(lambda a, n=name, t=total: a.add_agent(n, t))

    def attempt(self, call: Callable[[Any], Any]) -> Any:
        """The same call on both: the same answer, or the same error in the same words."""
        outcomes: list[Any] = []
        for allocator in self.both:
            try:
                outcomes.append(shown(call(allocator)))
            except Exception as error:
                if "DRFError" not in [c.__name__ for c in type(error).__mro__]:
                    raise
                outcomes.append((type(error).__name__, str(error)))
        pure, fast = outcomes
        assert pure == fast
        return pure

    def refused(self, call: Callable[[Any], Any]) -> None:
        """A call that must fail, the same way on both, and change nothing."""
        before = self.state()
        outcome = self.attempt(call)
        assert isinstance(outcome, tuple), outcome
        assert self.state() == before

    def state(self) -> Any:
        return [
            (
                shown(a.open_offers()),
                a.next_deadline(),
                [self.attempt(lambda a, f=f: a.share(f)) for f in FRAMEWORKS],
            )
            for a in self.both
        ]

    # -- what the cluster has

    @rule(name=agents, total=totals, rack=st.sampled_from(["r1", "r2", None]))
    def add_agent(self, name: str, total: str, rack: str | None) -> None:
        attributes = None if rack is None else {"rack": rack}
        self.attempt(lambda a: a.add_agent(name, total, attributes=attributes))

    @rule(name=agents, total=totals, rack=st.sampled_from(["r1", "r2", None]))
    def update_agent(self, name: str, total: str, rack: str | None) -> None:
        attributes = None if rack is None else {"rack": rack}
        self.attempt(lambda a: a.update_agent(name, total, attributes=attributes))

    @rule(name=agents, verb=st.sampled_from(["remove", "activate", "activate", "deactivate"]))
    def change_agent(self, name: str, verb: str) -> None:
        self.attempt(lambda a: getattr(a, f"{verb}_agent")(name))

    # -- who is there

    @rule(
        name=frameworks,
        roles=some_roles,
        quiet=st.booleans(),
        minimum=st.sampled_from([None, None, (), ("cpus:1",)]),
        affinity=st.sampled_from(AFFINITIES),
        update=st.booleans(),
    )
    def add_framework(
        self,
        name: str,
        roles: list[str],
        quiet: bool,
        minimum: tuple[str, ...] | None,
        affinity: dict[str, Any] | None,
        update: bool,
    ) -> None:
        verb = "update_framework" if update else "add_framework"
        self.attempt(
            lambda a: getattr(a, verb)(
                name,
                roles=roles,
                suppressed=roles[:1] if quiet else [],
                min_allocatable=minimum,
                affinity=affinity,
            )
        )

    @rule(name=frameworks, verb=st.sampled_from(["remove", "activate", "activate", "deactivate"]))
    def change_framework(self, name: str, verb: str) -> None:
        self.attempt(lambda a: getattr(a, f"{verb}_framework")(name))

    @rule(name=frameworks, verb=st.sampled_from(["suppress", "revive"]), role=st.none() | roles)
    def listen(self, name: str, verb: str, role: str | None) -> None:
        self.attempt(lambda a: getattr(a, verb)(name, [] if role is None else [role]))

    @rule(weights=st.dictionaries(roles, st.sampled_from([0.5, 1, 2, 3.0]), max_size=2))
    def update_weights(self, weights: dict[str, float]) -> None:
        self.attempt(lambda a: a.update_weights(weights))

    @rule(
        name=frameworks,
        role=st.none() | roles,
        amount=amounts,
        count=st.integers(0, 6),
        waited=st.none() | st.sampled_from([0.0, 1.0, 7.0]),
        rack=st.sampled_from([None, None, "r1"]),
        together=st.booleans(),
    )
    def request(
        self,
        name: str,
        role: str | None,
        amount: str,
        count: int,
        waited: float | None,
        rack: str | None,
        together: bool,
    ) -> None:
        since = None if waited is None else self.now - waited
        where = None if rack is None else {"rack": [rack]}
        terms = {"role": role, "since": since, "where": where, "together": together}
        self.attempt(lambda a: a.request(name, amount, count, **terms))

    @rule(
        role=roles,
        guarantees=st.sampled_from([None, None, "cpus:2", "mem:4"]),
        limits=st.sampled_from([None, {}, {"cpus": 3}, {"cpus": 2, "mem": 9}, {"mem": 0}]),
    )
    def update_quota(
        self, role: str, guarantees: str | None, limits: dict[str, float] | None
    ) -> None:
        self.attempt(lambda a: a.update_quota(role, guarantees=guarantees, limits=limits))

    @rule(agent=agents, conversions=st.sampled_from(CONVERSIONS))
    def convert(self, agent: str, conversions: list[tuple[str, str]]) -> None:
        self.attempt(lambda a: a.convert(agent, conversions))

    @precondition(lambda self: self.open)
    @rule(pick=picks, conversions=st.sampled_from(CONVERSIONS))
    def convert_offer(self, pick: int, conversions: list[tuple[str, str]]) -> None:
        number = self.open[pick % len(self.open)]
        self.attempt(lambda a: a.convert_offer(number, conversions))

    # -- decisions and answers

    @rule(
        step=st.sampled_from([0, 0, 1.0, 3.0]),
        answers=st.lists(st.tuples(st.none() | amounts, seconds), max_size=6),
    )
    def turn(self, step: float, answers: list[tuple[str | None, float]]) -> None:
        """A run, and answers to the first of its offers: the amount used, or all of it, or nothing that fits."""
        if step:
            self.advance(step)
        for offer, (part, refuse) in zip(self.run(), answers, strict=False):
            number = offer[0]
            # One that was made together with a declined one is no longer open.
            if not self.accept(number, part, refuse) and number in self.open:
                self.answer(number, lambda a, n=number, r=refuse: a.decline(n, refuse_seconds=r))

    @rule()
    def decide(self) -> None:
        self.run()

    def run(self) -> list[Any]:
        offers, *_ = self.attempt(lambda a: a.run())
        ids = [offer[0] for offer in offers]
        assert not set(ids) & set(self.open + self.answered)
        self.open += ids
        return list(offers)

    @precondition(lambda self: self.open)
    @rule(pick=picks, part=st.none() | amounts, refuse=seconds)
    def accept_later(self, pick: int, part: str | None, refuse: float) -> None:
        self.accept(self.open[pick % len(self.open)], part, refuse)

    def accept(self, number: int, part: str | None, refuse: float) -> bool:
        offers = {o.id: o for o in self.both[0].open_offers()}
        accepted = self.answer(number, lambda a: a.accept(number, used=part, refuse_seconds=refuse))
        if accepted:
            offer = offers[number]
            used = str(offer.resources) if part is None else part
            self.held.append((offer.framework, offer.agent, used, offer.role))
        return accepted

    @precondition(lambda self: self.open)
    @rule(
        pick=picks,
        amount=amounts,
        duration=st.none() | st.sampled_from([1.0, 30.0]),
        priority=st.integers(0, 2),
    )
    def launch(self, pick: int, amount: str, duration: float | None, priority: int) -> None:
        """As many named tasks as the offer holds, up to two."""
        number = self.open[pick % len(self.open)]
        self.launched += 1

        def tasks(a: Any, count: int) -> dict[str, Any]:
            spec = self.packages[self.both.index(a)].TaskSpec(amount, duration, 0.5, priority)
            return {f"t{self.launched}.{n}": spec for n in range(count)}

        both = self.answer(number, lambda a: a.accept(number, tasks=tasks(a, 2)))
        if not both and number in self.open:
            self.answer(number, lambda a: a.accept(number, tasks=tasks(a, 1)))

    @rule(pick=picks)
    def release_named(self, pick: int) -> None:
        tasks = self.both[0].tasks()
        name = tasks[pick % len(tasks)].name if tasks else "t"
        self.attempt(lambda a: a.release(task=name))

    @rule(
        name=frameworks,
        amount=amounts,
        count=st.integers(1, 3),
        role=st.none() | roles,
        grace=seconds,
        budget=st.sampled_from([None, None, 1, "cpus:2"]),
        together=st.booleans(),
        wait=st.sampled_from([0, 0, 0, 1.0]),
    )
    def reclaim(self, name: str, amount: str, count: int, wait: float, **terms: Any) -> None:
        plans: list[Any] = [None, None]

        def plan(a: Any) -> Any:
            plans[self.both.index(a)] = found = a.plan_reclaim(name, amount, count, **terms)
            return found

        if isinstance(self.attempt(plan), str):
            self.refused(lambda a: a.plan_reclaim(name, amount, 0))
            if wait:
                self.turn_of_time(wait)
            self.attempt(lambda a: a.reclaim(plans[self.both.index(a)]))

    def turn_of_time(self, step: float) -> None:
        self.advance(step)
        self.run()

    @precondition(lambda self: self.open)
    @rule(
        pick=picks,
        refuse=st.none() | seconds,
        part=st.none() | st.none() | amounts,
        until=st.sampled_from([None, None, "freed", "cpus:2", "mem:3"]),
    )
    def decline_later(
        self, pick: int, refuse: float | None, part: str | None, until: str | None
    ) -> None:
        number = self.open[pick % len(self.open)]
        terms = {"refuse_seconds": refuse, "refuse": part, "until": until}
        self.answer(number, lambda a: a.decline(number, **terms))

    def answer(self, number: int, call: Callable[[Any], Any]) -> bool:
        still = number in [o.id for o in self.both[0].open_offers()]
        outcome = self.attempt(call)
        assert still or outcome[0] == "StaleOffer"
        if outcome is None or not still:
            self.open.remove(number)
            self.answered.append(number)
        return outcome is None

    @precondition(lambda self: self.answered)
    @rule(pick=picks)
    def answer_again(self, pick: int) -> None:
        number = self.answered[pick % len(self.answered)]
        self.refused(lambda a: a.accept(number))
        self.refused(lambda a: a.decline(number))

    @rule(name=frameworks, agent=agents, amount=amounts, role=st.none() | roles)
    def release(self, name: str, agent: str, amount: str, role: str | None) -> None:
        self.attempt(lambda a: a.release(name, agent, amount, role=role))

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def end_of_work(self, pick: int) -> None:
        name, agent, used, role = self.held.pop(pick % len(self.held))
        self.attempt(lambda a: a.release(name, agent, used, role=role))

    @rule(step=seconds)
    def advance(self, step: float) -> None:
        self.now += step
        self.attempt(lambda a: a.advance(self.now))

    @rule()
    def advance_to_the_deadline(self) -> None:
        deadline = self.attempt(lambda a: a.next_deadline())
        if deadline is not None and deadline >= self.now:
            self.now = deadline
            self.attempt(lambda a: a.advance(self.now))

    # -- what is never right

    @rule(amount=st.sampled_from(WRONG[1:-1]), name=frameworks)
    def malformed_amounts(self, amount: Any, name: str) -> None:
        self.refused(lambda a: a.add_agent("m9", amount))
        self.refused(lambda a: a.update_agent("m1", amount))
        self.refused(lambda a: a.request(name, amount))

    @rule(number=st.sampled_from([0, -1, 10**9]))
    def offers_never_made(self, number: int) -> None:
        self.refused(lambda a: a.accept(number))
        self.refused(lambda a: a.decline(number))

    @precondition(lambda self: self.open)
    @rule(amount=st.sampled_from(WRONG))
    def unfit_answers(self, amount: Any) -> None:
        number = self.open[0]
        self.refused(lambda a: a.accept(number, used=amount))
        self.refused(lambda a: a.accept(number, refuse_seconds=-1))
        self.refused(lambda a: a.decline(number, refuse_seconds=float("nan")))
        self.refused(lambda a: a.decline(number, until={}))
        self.refused(lambda a: a.decline(number, refuse="cpus:99"))
        self.refused(lambda a: a.convert_offer(number, [("cpus:99", "cpus(x):99")]))

    @rule()
    def unknown_names_and_options(self) -> None:
        self.refused(lambda a: a.add_framework("D", roles=["x", "- y"]))
        self.refused(lambda a: a.remove_framework("D"))
        self.refused(lambda a: a.remove_agent("m9"))
        self.refused(lambda a: a.suppress("D"))
        self.refused(lambda a: a.update_quota("- y", limits={"cpus": 1}))
        self.refused(lambda a: a.convert("m9", [("cpus:1", "cpus(x):1")]))
        self.refused(lambda a: a.add_framework("D", affinity={"close": ["A"]}))
        self.refused(lambda a: a.update_weights({"x": 7, "y": 0}))
        self.refused(lambda a: a.advance(self.now - 1))

    # -- what always holds

    @invariant()
    def balances(self) -> None:
        for allocator in getattr(self, "both", ()):
            allocator.check()

    @invariant()
    def offers_and_shares_are_equal(self) -> None:
        if hasattr(self, "both"):
            self.attempt(lambda a: a.open_offers())
            self.attempt(lambda a: a.next_deadline())
            for name in FRAMEWORKS:
                self.attempt(lambda a, name=name: a.share(name))


def test_pure_and_fast_decide_the_same(twins: tuple[ModuleType, ModuleType]) -> None:
    assert [package.backend().name for package in twins] == ["pure", "fast"]

    class Twins(Machine):
        packages = twins

    run_state_machine_as_test(Twins, settings=SETTINGS)


def test_the_machine_sees_a_difference(twins: tuple[ModuleType, ModuleType]) -> None:
    """An allocator that forgets refusals is found out."""

    class Forgetful(twins[1].Allocator):  # type: ignore[name-defined, misc]
        def decline(self, offer: Any, *, refuse_seconds: Any = 5.0, **terms: Any) -> None:
            super().decline(offer, refuse_seconds=0.0, **terms)

    class Package:
        Allocator = Forgetful
        TaskSpec = twins[1].TaskSpec

    class Different(Machine):
        packages = (twins[0], Package)  # type: ignore[assignment]

    quick = settings(SETTINGS, phases=[Phase.generate], derandomize=True, database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Different, settings=quick)
