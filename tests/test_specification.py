"""The allocator as Mesos's (``like="mesos"``) beside a plain model of it, through random histories of every verb.

After each call and run every offer, inverse offer, share, figure and answer is the same. A history that tells them
apart is shown with all calls left out that it can do without. ``HYPOTHESIS_PROFILE=long`` tries more and longer ones.
"""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from drf import Resources
from drf.constraints import OfferConstraints
from drf.errors import Overcommit
from drf.hierarchical import HierarchicalAllocator
from drf.plugins import AllocatorPlugin
from drf.tags import Disk, Reservation, Tag
from drf.values import Item
from tests.specification import Specification

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES, STEPS = (2000, 150) if LONG else (120, 60)

AGENTS = ["m1", "m2", "m3", "m4"]
FRAMEWORKS = ["A", "B", "C", "D"]
ROLES = ["x", "x/p", "x/p/q", "y", "*"]
CAPABILITIES = [
    "GPU_RESOURCES",
    "REVOCABLE_RESOURCES",
    "SHARED_RESOURCES",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
]
SERVING = ["MULTI_ROLE", "HIERARCHICAL_ROLE"]


def reserved(*roles: str, **more: Any) -> Tag:
    first, *rest = roles
    return Tag((Reservation(first), *(Reservation(role, "dynamic") for role in rest)), **more)


PARTS = [
    *[Item("cpus", 4000), Item("cpus", 1000), Item("mem", 64000), Item("mem", 16000)] * 2,
    Item("disk", 50000),
    Item("ports", ((1, 9),)),
    Item("zones", frozenset({"a", "b"})),
    Item("gpus", 1000),
    Item("cpus", 2000, Tag(revocable=True)),
    Item("cpus", 1000, reserved("x")),
    Item("disk", 20000, reserved("x")),
    Item("cpus", 2000, reserved("x/p")),
    Item("cpus", 1000, reserved("x", "x/p")),
    Item("mem", 32000, reserved("y")),
    Item("disk", 30000, Tag(disk=Disk("MOUNT"))),
    Item("disk", 20000, Tag(disk=Disk("PATH"))),
    Item("disk", 10000, reserved("x", disk=Disk(None, "volume"))),
    Item("store", 10000, reserved("x", shared=True, disk=Disk(None, "common"))),
    Item("store", 20000, reserved("x")),
]
"""What agents are made of."""

GUARANTEES = ["", "cpus:1", "cpus:4", "cpus:2;mem:64", "mem:200", "cpus:20"]
LIMITS: list[dict[str, float]] = [
    {},
    {},
    {"cpus": 0},
    {"cpus": 2},
    {"cpus": 5, "mem": 64},
    {"disk": 15.5},
]
REFUSALS = [*[None] * 6, -1.0, 0.0, 0.5, 1.0, 1.0, 3.0, 3.0, 60.0, 1e9]
STEPS_OF_TIME = [0.5, 1.0, 1.0, 1.0, 2.0, 2.5, 7.0, 700.0]
WINDOWS = [None, (50.0, None), (50.0, 10.0)]
ATTRIBUTES = [
    [],
    [("row", "1")],
    [("row", "2"), ("size", 3)],
    [("size", 3), ("row", "2")],
    [("row", "1"), ("row", "2")],
]


def constraint(name: str, kind: str, value: str | None = None, of: str = "attribute") -> Any:
    predicate = {"type": kind} if value is None else {"type": kind, "value": value}
    return {"selector": {of: name}, "predicate": predicate}


GROUPS = [
    [[constraint("row", "text_equals", "1")]],
    [[constraint("row", "text_not_equals", "1")]],
    [[constraint("row", "exists"), constraint("size", "text_equals", "large")]],
    [[constraint("row", "not_exists")], [constraint("row", "text_matches", "[2-9]")]],
    [[constraint("HOSTNAME", "text_not_matches", "ho.*", "pseudo")]],
    [[constraint("REGION", "text_equals", "here", "pseudo")]],
    [[constraint("ZONE", "not_exists", of="pseudo")]],
]
MINIMUMS = [(), (Resources("cpus:2"),), (Resources("ports:[1-3]"), Resources("cpus:1;mem:32"))]

COMMON = (
    ["turn"] * 10
    + ["decline", "accept", "finish", "advance"] * 5
    + ["add_agent", "add_framework", "update_quota"] * 3
)
"""What any history does."""

MORE = (
    ["update_agent", "update_framework", "convert"] * 3
    + ["update_weights", "suppress", "revive", "update_available", "deactivate_framework"] * 2
    + ["add_resource_provider", "remove_agent", "deactivate_agent", "set_whitelist"]
    + ["update_unavailability", "update_inverse_offer", "remove_framework", "too_late"]
    + ["coalesce", "pause"]
)
"""Of these, a history does some: some things show only where others do not happen."""

BACK = ["activate_agent", "activate_framework", "resume"]
"""What ends what another verb began."""

Holder = tuple[str, str, str]
"""Framework, role and agent."""


class Call(NamedTuple):
    """A verb with its arguments, and whether a run comes next."""

    verb: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    run: bool


class Pair:
    """The model and the allocator, made with the same options."""

    def __init__(self, options: Mapping[str, Any], kind: type[HierarchicalAllocator]) -> None:
        self.model = Specification(**options)
        self.engine = kind(like="mesos", agent_order="id", shrink_order="sorted", **options)

    def do(self, call: Call) -> dict[Holder, Resources]:
        """The same on both, and what is offered meanwhile. Raises AssertionError where they differ.

        What was wanted before a pause, or of an agent that goes, is done before: the specification is silent about it.
        """
        offered: dict[Holder, Resources] = {}
        if call.verb in ("pause", "remove_agent"):
            self.run(offered)
        constraints = call.kwargs.get("constraints")
        ours = {**call.kwargs, "constraints": OfferConstraints(constraints)}
        if call.verb == "update_available" and not self.model.update_available(*call.args):
            with pytest.raises(Overcommit):
                self.engine.update_available(*call.args)
        elif call.verb == "update_available":
            self.engine.update_available(*call.args)
        else:
            getattr(self.model, call.verb)(*call.args, **call.kwargs)
            getattr(self.engine, call.verb)(*call.args, **(ours if constraints else call.kwargs))
        if call.run:
            self.run(offered)
        return offered

    def run(self, offered: dict[Holder, Resources]) -> None:
        """Adds what is offered."""
        offers, inverse = self.model.run()
        outcome = self.engine.run()
        made: dict[Holder, Resources] = {}
        for grant in outcome.grants:
            key = (grant.framework, grant.role, grant.agent)
            made[key] = made.get(key, Resources()) + grant.resources
        assert made == offers
        assert sorted(outcome.inverse_offers) == sorted(inverse)
        self.compare()
        for key, amount in offers.items():
            offered[key] = offered.get(key, Resources()) + amount

    def compare(self) -> None:
        """What the two tell of themselves, but for quota consumed: Mesos tells what runs, `drf` what is out."""
        model, engine = self.model, self.engine
        figures = {k: v for k, v in engine.metrics().items() if not k.endswith("/consumed")}
        assert figures == model.metrics()
        assert engine.refusals() == len(model.refusals)
        assert engine.inverse_offer_statuses() == model.inverse_offer_statuses()
        for name, record in model.frameworks.items():
            for role in record.roles:
                assert engine.share(name, role) == model.share(name, role)


class History:
    """A master that makes random calls, right ones only, and knows what came of them."""

    def __init__(
        self, seed: int, kind: type[HierarchicalAllocator] = HierarchicalAllocator
    ) -> None:
        self.kind = kind
        self.random = random.Random(seed)
        pick = self.random.choice
        self.options: dict[str, Any] = {
            "interval": pick([1.0, 1.0, 2.5]),
            "exclude": pick([(), (), ("mem",)]),
            "master_region": pick([None, "here"]),
            "filter_gpus": pick([True, True, False]),
            **pick([{}, {}, {"min_allocatable": ()}]),
        }
        self.pair = Pair(self.options, kind)
        self.model = self.pair.model
        self.verbs = [*COMMON, *(verb for verb in MORE if self.chance(0.6)), *BACK]
        self.calls: list[Call] = []
        self.now = 0.0
        self.made = 0  # offers
        self.volumes = 0
        self.quiet = 0  # for how many calls there is no run
        self.offered: dict[Holder, Resources] = {}
        self.running: dict[Holder, Resources] = {}
        # What is said to run where framework or agent are still unknown: by framework and agent, then role.
        self.promised: dict[tuple[str, str], dict[str, Resources]] = {}

    def live(self) -> None:
        """Raises AssertionError where the two differ, with the calls that show it."""
        try:
            self.begin()
            for _ in range(STEPS):
                self.step()
            self.call("advance", self.now)
            self.pair.engine.check()
        except AssertionError as error:
            shown = "\n".join(map(str, shortest(self.options, self.calls, self.kind)))
            raise AssertionError(f"{error}\n{self.options}\n{shown}") from error

    def begin(self) -> None:
        if self.chance(0.1):
            quota = (Resources("cpus:2"), {"cpus": 4})
            self.call("recover", self.random.randint(1, 5), {"x": quota})
        for _ in range(2):
            self.add_agent()
            self.add_framework()

    def step(self) -> None:
        getattr(self, self.random.choice(self.verbs))()

    def call(self, verb: str, *args: Any, **kwargs: Any) -> None:
        """On both, with a run after it but where calls are to be taken together; notes what was offered."""
        together = self.quiet > 0 and verb != "advance"
        self.quiet -= together
        call = Call(verb, args, kwargs, not together)
        self.calls.append(call)
        for key, amount in self.pair.do(call).items():
            self.made += 1
            self.offered[key] = self.offered.get(key, Resources()) + amount

    # -- random words

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def some(self, words: Sequence[Any], odds: float = 0.5) -> list[Any]:
        return [word for word in words if self.chance(odds)]

    def refusal(self) -> float | None:
        return self.random.choice(REFUSALS)

    def total(self) -> Resources:
        return Resources.of_items(self.random.choices(PARTS, k=self.random.randint(1, 8)))

    def usage(self) -> dict[str, Resources]:
        return {self.random.choice(ROLES): Resources(self.random.choice(["cpus:1", "mem:16"]))}

    def part_of(self, amount: Resources) -> Resources:
        """Of each object all of it, half of it or nothing."""
        taken = []
        for item in amount.objects():
            if self.chance(0.4) and isinstance(item.value, int) and not item.tag.fixed:
                taken.append(item._replace(value=item.value // 2))
            elif self.chance(0.5):
                taken.append(item)
        return Resources.of_items(taken)

    def agent(self) -> str | None:
        """One that is there, if any is."""
        return self.random.choice(sorted(self.model.agents)) if self.model.agents else None

    def framework(self) -> str | None:
        return self.random.choice(sorted(self.model.frameworks)) if self.model.frameworks else None

    def taken_from(self, where: dict[Holder, Resources]) -> tuple[Holder, Resources] | None:
        """All or a part of what one of the holders has there, which has it no more."""
        if not where:
            return None
        key = self.random.choice(sorted(where))
        amount = where[key] if self.chance(0.5) else self.part_of(where[key])
        where[key] = where[key].minus(amount)
        if not where[key]:
            del where[key]
        return (key, amount) if amount else None

    def runs(self, framework: str, agent: str, by_role: Mapping[str, Resources]) -> None:
        for role, amount in by_role.items():
            key = (framework, role, agent)
            self.running[key] = self.running.get(key, Resources()) + amount

    def arrive(self) -> None:
        """What is promised runs once both its framework and its agent are known."""
        for framework, agent in list(self.promised):
            if framework in self.model.frameworks and agent in self.model.agents:
                self.runs(framework, agent, self.promised.pop((framework, agent)))

    def forget(self, framework: str | None = None, agent: str | None = None) -> None:
        for where in (self.offered, self.running):
            for key in [key for key in where if framework == key[0] or agent == key[2]]:
                del where[key]
        for key in [key for key in self.promised if framework == key[0] or agent == key[1]]:
            del self.promised[key]

    # -- agents

    def add_agent(self) -> None:
        """With what is promised to run there, and perhaps something more, of a framework that may come later."""
        pick = self.random.choice
        name = pick(AGENTS)
        if name in self.model.agents:
            return
        if self.chance(0.3):
            self.promised.setdefault((pick(FRAMEWORKS), name), self.usage())
        used = {f: by_role for (f, agent), by_role in self.promised.items() if agent == name}
        self.call(
            "add_agent",
            name,
            self.total(),
            hostname=pick([None, "host"]),
            attributes=pick(ATTRIBUTES),
            capabilities=pick([SERVING, SERVING, SERVING, SERVING, SERVING[:1], []]),
            region=pick([None, None, "here", "there"]),
            zone=pick([None, "z"]),
            used=used,
            unavailability=pick([None, None, *WINDOWS]),
        )
        self.arrive()

    def update_agent(self) -> None:
        pick = self.random.choice
        if name := self.agent():
            total = self.total() if self.chance(0.5) else None
            serving = pick([None, None, None, SERVING, SERVING[:1]])
            attributes = pick([None, *ATTRIBUTES])
            self.call("update_agent", name, total, attributes=attributes, capabilities=serving)

    def add_resource_provider(self) -> None:
        if (name := self.agent()) and (framework := self.framework()):
            used = {framework: self.usage()} if self.chance(0.5) else {}
            for by_role in used.values():
                self.runs(framework, name, by_role)
            self.call("add_resource_provider", name, self.total(), used=used)

    def remove_agent(self) -> None:
        if name := self.agent():
            self.call("remove_agent", name)
            self.forget(agent=name)

    def deactivate_agent(self) -> None:
        if name := self.agent():
            self.call("deactivate_agent", name)

    def activate_agent(self) -> None:
        if name := self.agent():
            self.call("activate_agent", name)

    def set_whitelist(self) -> None:
        words = [None, None, None, ["host", "m1"], ["m2", "m3"], []]
        self.call("set_whitelist", self.random.choice(words))

    def update_unavailability(self) -> None:
        if name := self.agent():
            self.call("update_unavailability", name, self.random.choice(WINDOWS))

    def update_inverse_offer(self) -> None:
        """Most often to one that is open."""
        name, framework = self.agent(), self.framework()
        asked = [(a.name, f) for a in self.model.agents.values() for f in sorted(a.asked)]
        if asked and self.chance(0.6):
            name, framework = self.random.choice(asked)
        if name and framework in self.model.frameworks:
            status = self.random.choice([None, "ACCEPT", "DECLINE"])
            refuse = self.random.choice([None, *REFUSALS[6:]])
            self.call("update_inverse_offer", name, framework, status, refuse_seconds=refuse)

    # -- frameworks

    def terms(self) -> dict[str, Any]:
        pick = self.random.choice
        roles = self.random.sample(ROLES, pick([1, 1, 2]))
        return {
            "roles": roles,
            "capabilities": self.some(CAPABILITIES),
            "suppressed": self.some(roles, 0.1),
            "min_allocatable": {roles[0]: pick(MINIMUMS)} if self.chance(0.2) else None,
            "constraints": {roles[0]: pick(GROUPS)} if self.chance(0.2) else None,
        }

    def add_framework(self) -> None:
        """With what agents said that it runs, and perhaps something on an agent that may come later."""
        name, agent = self.random.choice(FRAMEWORKS), self.random.choice(AGENTS)
        if name in self.model.frameworks:
            return
        if self.chance(0.2) and agent not in self.model.agents:
            self.promised.setdefault((name, agent), self.usage())
        used = {agent: by_role for (f, agent), by_role in self.promised.items() if f == name}
        active = self.chance(0.9)
        self.call("add_framework", name, used=used, active=active, **self.terms())
        self.arrive()

    def update_framework(self) -> None:
        if name := self.framework():
            self.call("update_framework", name, **self.terms())

    def remove_framework(self) -> None:
        if name := self.framework():
            self.forget(framework=name)
            self.call("remove_framework", name)

    def deactivate_framework(self) -> None:
        if name := self.framework():
            self.call("deactivate_framework", name)

    def activate_framework(self) -> None:
        if name := self.framework():
            self.call("activate_framework", name)

    def suppress(self) -> None:
        if name := self.framework():
            self.call("suppress", name, self.some(self.model.frameworks[name].roles))

    def revive(self) -> None:
        if name := self.framework():
            self.call("revive", name, self.some(self.model.frameworks[name].roles))

    # -- roles

    def update_weights(self) -> None:
        weight = self.random.choice([0.5, 1.0, 2.0, 3.0])
        self.call("update_weights", {self.random.choice(ROLES): weight})

    def update_quota(self) -> None:
        least = Resources(self.random.choice(GUARANTEES))
        limits = self.random.choice(LIMITS)
        fit = {name: max(top, least.quantity(name)) for name, top in limits.items()}
        self.call("update_quota", self.random.choice(["x", "y", *ROLES]), least, fit)

    # -- offers

    def decline(self) -> None:
        if found := self.taken_from(self.offered):
            self.give_back(*found)

    def give_back(self, key: Holder, amount: Resources) -> None:
        framework, role, agent = key
        refuse = self.refusal()
        self.call("recover_resources", framework, agent, role, amount, refuse_seconds=refuse)

    def accept(self) -> None:
        if found := self.taken_from(self.offered):
            (framework, role, agent), amount = found
            self.runs(framework, agent, {role: amount})
            self.call("transition_offered_to_allocated", framework, agent, role, amount)

    def finish(self) -> None:
        if found := self.taken_from(self.running):
            (framework, role, agent), amount = found
            self.call("recover_resources", framework, agent, role, amount, allocated=True)

    def too_late(self) -> None:
        """What comes back of those who are gone changes nothing."""
        framework, agent = self.random.choice(FRAMEWORKS), self.random.choice(AGENTS)
        if framework not in self.model.frameworks or agent not in self.model.agents:
            self.give_back((framework, "x", agent), Resources("cpus:1"))

    def convert(self) -> None:
        """Reserve, unreserve, make or destroy a volume, or take another copy of a shared one, out of an offer."""
        if not self.offered:
            return
        key = framework, role, agent = self.random.choice(sorted(self.offered))
        offered = self.offered[key]
        items = [item for item in offered.objects() if item.name in ("cpus", "disk", "store")]
        if not items:
            return
        shared = [item for item in items if item.tag.shared]
        chosen = self.random.choice(shared if shared and self.chance(0.5) else items)
        old, new = self.conversion(chosen, role)
        if old <= self.model.agents[agent].total:
            self.offered[key] = offered.minus(old) + new
            self.call("update_allocation", framework, agent, role, offered, [(old, new)])

    def conversion(self, item: Item, role: str) -> tuple[Resources, Resources]:
        tag, disk = item.tag, item.tag.disk
        if tag.shared and self.chance(0.5):
            return Resources(), Resources.of_items([item._replace(copies=1)])
        new = tag
        if disk is not None and disk.persistence is not None:
            new = tag._replace(disk=None, shared=False)
        elif tag.owner == role and item.name != "cpus":
            self.volumes += 1
            new = tag._replace(disk=Disk(None, f"v{self.volumes}"), shared=item.name == "store")
        elif tag.owner == role:
            new = Tag(tag.reservations[:-1])
        elif not tag.reservations and not tag.revocable and role != "*":
            new = tag._replace(reservations=(Reservation(role, "dynamic"),))
        made = item._replace(tag=new, copies=1)
        return Resources.of_items([item]), Resources.of_items([made])

    def update_available(self) -> None:
        if name := self.agent():
            owned = Item("cpus", 1000, reserved(self.random.choice(["x", "y"])))
            made = Resources.of_items([owned])
            self.call("update_available", name, [(Resources("cpus:1"), made)])

    # -- time

    def advance(self) -> None:
        self.now += self.random.choice(STEPS_OF_TIME)
        self.call("advance", self.now)

    def turn(self) -> None:
        """Most of what is offered comes back, and an interval passes."""
        for key in sorted(self.some(sorted(self.offered), 0.8)):
            if key in self.offered:
                self.give_back(key, self.offered.pop(key))
        self.now += self.model.interval
        self.call("advance", self.now)

    def coalesce(self) -> None:
        """The next calls make one run together."""
        self.quiet = self.random.randint(2, 5)

    def pause(self) -> None:
        self.call("pause")
        if self.chance(0.5):
            self.step()
            self.resume()

    def resume(self) -> None:
        if self.model.pauses:
            self.call("resume")


def differs(
    options: Mapping[str, Any], calls: Sequence[Call], kind: type[HierarchicalAllocator]
) -> bool:
    """Whether the calls, if they are all possible, tell model and allocator apart."""
    pair = Pair(options, kind)
    try:
        for call in calls:
            pair.do(call)
    except AssertionError:
        return True
    except Exception:
        return False
    return False


def shortest(
    options: Mapping[str, Any], calls: list[Call], kind: type[HierarchicalAllocator]
) -> list[Call]:
    """The calls without those that are not needed to tell the two apart."""
    size = len(calls)
    while size:
        before, at = len(calls), 0
        while at < len(calls):
            fewer = calls[:at] + calls[at + size :]
            if differs(options, fewer, kind):
                calls = fewer
            else:
                at += size
        if size > 1 or len(calls) == before:
            size //= 2
    return calls


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_the_allocator_does_as_the_model(seed: int) -> None:
    History(seed).live()


class Forgetful(HierarchicalAllocator):
    """Refusals end where a framework suppresses a role."""

    def suppress(self, framework: str, roles: Sequence[str] = ()) -> None:
        super().suppress(framework, roles)
        self._clear_refusals(framework)


def test_a_difference_is_found_and_told_in_few_calls() -> None:
    for seed in range(HISTORIES):
        try:
            History(seed, Forgetful).live()
        except AssertionError as error:
            told = str(error)
            assert "verb='suppress'" in told
            assert told.count("Call(") < 20
            return
    pytest.fail("no history found it")


def test_the_histories_reach_every_verb() -> None:
    done: dict[str, int] = {}
    offers = runs = 0
    for seed in range(30):
        history = History(seed)
        history.live()
        for call in history.calls:
            done[call.verb] = done.get(call.verb, 0) + 1
        offers += history.made
        runs += history.model.runs
    verbs = {name for name, value in vars(Specification).items() if inspect.isfunction(value)}
    told = {"run", "share", "role_shares", "metrics", "inverse_offer_statuses"}
    plugin = {name for name, value in vars(AllocatorPlugin).items() if inspect.isfunction(value)}
    assert {*done} == {name for name in verbs & plugin if name[0] != "_"} - told
    assert runs > 300
    assert offers > 100
