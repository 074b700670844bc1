"""Random histories of every verb, quota, reservations and upkeep included: checked after each, equal on both kernels.

Whatever raises changes nothing; whatever is offered was allowed; and where nothing is quota'ed, a run over all agents
finds nothing that the last run over its candidates left.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

SEEDS, STEPS = 30, 60

AGENTS = ["m1", "m2", "m3"]
FRAMEWORKS = ["A", "B", "C"]
ROLES = ["x", "x/a", "x/a/b", "y", "*"]
RACKS = ["r1", "r2"]
TIMES = [0, 0.5, 1.0, 5.0, 400.0]
CAPABILITIES = ["GPU_RESOURCES", "REVOCABLE_RESOURCES", "SHARED_RESOURCES", "REGION_AWARE"]
TEXTS = ["cpus:1", "cpus:2;mem:4", "mem:3", "cpus:0.5;mem:0.001", "cpus:1;ports:[2-3]", "gpus:1"]
QUOTAS = [{"cpus": 2}, {"cpus": 3, "mem": 8}, {"mem": 0}, {"gpus": 1, "cpus": 1}]


def item(name: str, value: Any, *roles: str, **more: Any) -> dict[str, Any]:
    kind = ["static", *["dynamic"] * 9]
    stack = [{"role": r, "type": k} for r, k in zip(roles, kind, strict=False)]
    return {"name": name, "value": value, **({"reservations": stack} if stack else {}), **more}


PARTS = [
    item("cpus", 4),
    item("cpus", 2, "x"),
    item("cpus", 1, "x", "x/a"),
    item("cpus", 2, revocable=True),
    item("mem", 8),
    item("mem", 3, "y"),
    item("gpus", 2),
    item("ports", [[1, 9]]),
    item("zones", ["a", "b"]),
    item("disk", 5, "x", shared=True, disk={"persistence": "s"}),
    item("disk", 4, disk={"source": "MOUNT", "root": "/d"}),
    item("disk", 3, "x/a", disk={"persistence": "v"}),
]
"""What agents are made of."""

VERBS = (
    ["add_agent"] * 4
    + ["add_framework"] * 4
    + ["update_agent", "update_framework", "release", "update_quota"] * 2
    + ["remove_agent", "activate_agent", "deactivate_agent"]
    + ["remove_framework", "activate_framework", "deactivate_framework"]
    + ["suppress", "revive", "update_weights", "set_whitelist"]
    + ["update_unavailability", "answer_inverse_offer"]
)


def shown(value: Any) -> Any:
    """By value: each package has classes of its own."""
    if type(value).__name__ in ("Resources", "Shape"):
        return str(value) if type(value).__name__ == "Resources" else str(value.resources)
    if type(value).__name__ == "Decisions":
        return [shown(list(value.offers)), value.rescinds, shown(value.inverse_offers)]
    if type(value).__name__ == "Offer":
        return (
            value.id,
            value.framework,
            value.role,
            value.agent,
            *shown([value.resources, value.tasks]),
        )
    if isinstance(value, tuple):
        return tuple(shown(each) for each in value)
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return value


class History:
    """One random history, on an allocator of each package in lock-step."""

    def __init__(self, packages: tuple[ModuleType, ...], seed: int, **fixed: Any) -> None:
        self.packages = packages
        self.random = random.Random(seed)
        self.log: list[Any] = []
        pick = self.random.choice
        self.demand = pick([False, True])
        self.like = pick([None, None, None, "mesos"])
        options: dict[str, Any] = {
            "policy": pick(["drf", "drf", "drf", "fifo", "random", "maxmin:cpus"]),
            "offer": "demand" if self.demand else "agent",
            "agent_order": pick(["random", "id", "pack", "spread"]),
            "shrink_order": pick(["random", "sorted"]),
            "seed": self.random.randrange(9),
            "offer_timeout": pick([None, None, 3.0]),
            "master_region": pick([None, "here"]),
            "filter_gpus": pick([False, True]),
            "min_allocatable": pick([[], ["cpus:1", "mem:3"]]),
            "like": self.like,
            **fixed,
        }
        self.eager = self.like is None
        if self.eager:
            options.setdefault("interval", pick([None, 1.0]))
        self.log.append(options)
        self.both = [package.Allocator(**options) for package in packages]
        self.now = 0.0
        self.held: list[tuple[str, str, str, Any]] = []
        self.quotas = pick([False, True])
        self.whitelist: list[str] | None = None

    # -- one call on all of them

    def call(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """The outcome, or None where it raised: then nothing has changed."""
        self.log.append((verb, args, kwargs))
        before = self.state()
        outcomes = []
        for package, allocator in zip(self.packages, self.both, strict=True):

            def real(value: Any, package: ModuleType = package) -> Any:
                if isinstance(value, list) and value and isinstance(value[0], dict):
                    return package.Resources.from_json(value)
                if isinstance(value, dict):
                    return {key: real(each) for key, each in value.items()}
                return value

            try:
                found = getattr(allocator, verb)(*map(real, args), **real(kwargs))
                outcomes.append((True, shown(found)))
            except package.DRFError as error:
                outcomes.append((False, f"{type(error).__name__}: {error}"))
            allocator.check()
        assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
        done, found = outcomes[0]
        after = self.state()
        if not done:
            self.log.append(found)
            assert after == before
        return found if done else None

    def state(self) -> Any:
        states = []
        for allocator in self.both:
            plugin = allocator._plugin
            metrics = dict(plugin.metrics())
            states.append(
                (
                    shown(allocator.open_offers()),
                    allocator.next_deadline(),
                    {f: shown(allocator.holdings(f)) for f in sorted(allocator._roles)},
                    metrics,
                    plugin.inverse_offer_statuses(),
                )
            )
        assert all(state == states[0] for state in states)
        return states[0]

    # -- random words

    def parts(self) -> list[dict[str, Any]]:
        return self.random.sample(PARTS, self.random.randint(1, 6))

    def some(self, words: list[str], least: int = 1) -> list[str]:
        return self.random.sample(words, self.random.randint(least, min(2, len(words))))

    def describes(self) -> dict[str, Any]:
        pick, roles = self.random.choice, self.some(ROLES)
        near = {"type": "text_equals", "value": pick(RACKS)}
        constraint = {roles[0]: [[{"selector": {"attribute": "rack"}, "predicate": near}]]}
        return {
            "roles": roles,
            "suppressed": pick([[], [], [], roles[:1]]),
            "capabilities": pick([None, None, self.some(CAPABILITIES, 0)]),
            "min_allocatable": pick([None, None, [], ["cpus:2"]]),
            "constraints": pick([None, None, None, constraint]),
        }

    def usage(self, names: list[str]) -> Any:
        pick = self.random.choice
        if pick([True, True, False]):
            return None
        return {pick(names): {pick(ROLES): pick(["cpus:1", "mem:2", [item("cpus", 1, "x")]])}}

    def window(self) -> Any:
        return self.random.choice([None, (10.0, None), (5.0, 60.0)])

    # -- one step

    def begin(self) -> None:
        for agent in AGENTS[:2]:
            self.call("add_agent", agent, self.parts(), hostname="host")
        for framework in FRAMEWORKS[:2]:
            self.call("add_framework", framework, roles=self.some(ROLES))

    def step(self) -> None:
        if not self.both[0]._roles:
            self.begin()
        pick, odds = self.random.choice, self.random.random()
        agent, framework, role = pick(AGENTS), pick(FRAMEWORKS), pick(ROLES)
        offers = self.both[0].open_offers()
        if odds < 0.25:
            self.run()
        elif odds < 0.45 and offers:
            self.answer(pick(offers))
        elif odds < 0.52:
            self.now += pick(TIMES)
            self.call("advance", self.now)
        elif odds < 0.67 and self.demand:
            framework = pick(list(self.both[0]._roles))
            role = pick(self.both[0]._roles[framework])
            since = pick([None, self.now - 3.0])
            where = pick([None, None, {"rack": (pick(RACKS),)}])
            count = self.random.randrange(5)
            self.call("request", framework, pick(TEXTS), count, role=role, since=since, where=where)
        else:
            self.change(agent, framework, role)

    def answer(self, offer: Any) -> None:
        pick = self.random.choice
        if pick([True, False]):
            self.call("decline", offer.id, refuse_seconds=pick(TIMES))
            return
        used = pick([None, None, *TEXTS])
        if self.call("accept", offer.id, used, refuse_seconds=pick(TIMES)) is None and used is None:
            used = offer.resources.to_json()
        self.held.append((offer.framework, offer.agent, offer.role, used))

    def change(self, agent: str, framework: str, role: str) -> None:
        pick, call = self.random.choice, self.call
        verb = pick(VERBS)
        if verb == "update_quota" and not self.quotas:
            return
        if verb == "add_agent":
            call(
                verb,
                agent,
                self.parts(),
                attributes={"rack": pick(RACKS)},
                hostname=pick([None, "host"]),
                region=pick([None, "here", "there"]),
                capabilities=pick([None, None, ["MULTI_ROLE"], []]),
                used=self.usage(FRAMEWORKS),
                unavailability=self.window(),
            )
        elif verb == "update_agent":
            attributes = pick([None, {"rack": pick(RACKS)}])
            call(verb, agent, pick([None, self.parts(), self.parts()]), attributes=attributes)
        elif verb in ("add_framework", "update_framework"):
            more = {"used": self.usage(AGENTS)} if verb == "add_framework" else {}
            call(verb, framework, **self.describes(), **more)
        elif verb in ("suppress", "revive"):
            call(verb, framework, pick([[], [role]]))
        elif verb == "update_unavailability":
            call(verb, agent, self.window())
        elif verb == "answer_inverse_offer":
            status = pick([None, "ACCEPT", "DECLINE"])
            call(verb, agent, framework, status, refuse_seconds=pick([None, *TIMES]))
        elif verb == "set_whitelist":
            self.whitelist = pick([None, None, None, [], ["host"], ["m1", "m2"]])
            call(verb, self.whitelist)
        elif verb == "update_quota":
            self.quota(role)
        elif verb == "update_weights":
            call(verb, {role: pick([0.5, 1.0, 3.0])})
        elif verb == "release":
            if self.held:
                who, where, what, used = self.held.pop(self.random.randrange(len(self.held)))
                if used is not None:
                    call(verb, who, where, used, role=what)
            else:
                call(verb, framework, agent, pick(TEXTS), role=role)
        else:
            call(verb, agent if verb.endswith("agent") else framework)

    def quota(self, role: str) -> None:
        pick = self.random.choice
        guarantees, limits = pick([None, *QUOTAS]), pick([None, *QUOTAS])
        self.call("update_quota", role, guarantees=guarantees, limits=limits)

    # -- a run, and what holds of it

    def run(self) -> None:
        a = self.both[0]
        plugin = a._plugin
        before = {role: dict(node.consumed()) for role, node in plugin._roles.quotas.items()}
        offers = self.call("run")[0]
        self.allowed(offers)
        if plugin._tree_quota:
            for role, node in plugin._roles.quotas.items():
                for name, top in node.limits.items():
                    now, then = node.consumed().get(name, 0), before[role].get(name, 0)
                    assert now <= max(top, then), (role, name, now, then, top)
        if self.eager:
            self.call("set_whitelist", self.whitelist)  # all agents are candidates
            again = self.call("run")[0]
            # A shared volume may be offered once in each run.
            assert all("shared" in offer[4] for offer in again), again

    def allowed(self, offers: Any) -> None:
        plugin = self.both[0]._plugin
        for _, framework, role, agent, *_ in offers:
            record, where = plugin._frameworks[framework], plugin._ledger.agents[agent]
            assert record.active
            assert role in record.roles
            assert role not in record.suppressed
            assert where.active
            assert self.whitelist is None or where.hostname in self.whitelist
            assert not record.excludes(role, where)
            assert "MULTI_ROLE" in where.capabilities
            assert "/" not in role or "HIERARCHICAL_ROLE" in where.capabilities


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_histories(twins: tuple[ModuleType, ModuleType], seed: int) -> None:
    history = History(twins, seed)
    for _ in range(STEPS):
        history.step()


def test_the_histories_reach_every_verb_and_grant(twins: tuple[ModuleType, ModuleType]) -> None:
    done: dict[str, int] = {}
    offers = 0
    for seed in range(SEEDS):
        history = History(twins[1:], seed)
        for _ in range(STEPS):
            history.step()
        for entry, after in zip(history.log, [*history.log[1:], None], strict=True):
            if isinstance(entry, tuple) and not isinstance(after, str):
                done[entry[0]] = done.get(entry[0], 0) + 1
        offers += history.both[0]._book._made
    assert {*VERBS, "run", "advance", "request", "accept", "decline"} <= set(done)
    assert offers > 3 * SEEDS


PLUGGED = ("policy", "offer", "agent_order", "interval", "seed")


def forgets(verb: str) -> Callable[[ModuleType], Any]:
    """An allocator in which a verb does not start a run."""

    def wrong(package: ModuleType) -> Any:
        class Wrong(package.hierarchical.HierarchicalAllocator):  # type: ignore[name-defined, misc]
            def _react(self, agent: str) -> None:
                if verb != "release":
                    super()._react(agent)

            def update_framework(self, *args: Any, **kwargs: Any) -> None:
                before = self._all
                super().update_framework(*args, **kwargs)
                if verb == "update_framework":
                    self._all = before

        return Wrong

    return wrong


@pytest.mark.parametrize("verb", ["release", "update_framework"])
def test_a_forgotten_trigger_is_found(twins: tuple[ModuleType, ModuleType], verb: str) -> None:
    """With the run over all agents after each run."""
    package = twins[1]
    for seed in range(150):
        history = History((package,), seed, interval=None, like=None)
        history.eager, history.quotas = True, False
        options = {k: v for k, v in history.log[0].items() if k in PLUGGED}
        minimum = [package.Resources(text) for text in history.log[0]["min_allocatable"]]
        plugin = forgets(verb)(package)(**options, min_allocatable=minimum)
        allocator = package.Allocator(plugin=plugin)
        allocator._plugin, allocator._guard = plugin, None  # as if it were the built-in one
        history.both = [allocator]
        try:
            for _ in range(STEPS):
                history.step()
        except AssertionError:
            return
    pytest.fail("no history found it")
