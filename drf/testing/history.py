"""One history of an allocator plug-in, with a ledger of its own beside it, and what must be so after each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf.errors import DRFError
from drf.plugins import AllocatorPlugin, Grant
from drf.resources import Resources

ROLES = ("a", "a/x", "b")
TOTALS = ("cpus:4;mem:8", "cpus:2;mem:2;ports:[1-4]", "cpus:1;mem:1", "mem:6;gpus:1")
WEIGHTS = (1.0, 2.0, 0.5)
SECONDS = (0.0, 1.0, 5.0, 60.0)
VERBS = (
    "add_agent",
    "add_framework",
    "accept",
    "decline",
    "release",
    "advance",
    "accept_part",
    "remove_agent",
    "remove_framework",
    "suppress",
    "revive",
    "deactivate_agent",
    "activate_agent",
    "deactivate_framework",
    "activate_framework",
    "update_weights",
)
AGENTS = FRAMEWORKS = 3
LATER = 1000.0
"""Seconds after which every refusal of a history has ended."""


@dataclass(eq=False)
class Broken(Exception):
    """An invariant that a history broke, why, and the steps that led there."""

    invariant: str
    text: str
    history: tuple[str, ...] = ()


@dataclass
class Out:
    """What a framework was offered or uses."""

    framework: str
    role: str
    agent: str
    resources: Resources
    used: bool = False


class History:
    """One allocator, and a ledger of its own beside it."""

    def __init__(self, plugin: AllocatorPlugin) -> None:
        self._plugin = plugin
        self._now = 0.0
        self._agents: dict[str, Resources] = {}
        self._roles: dict[str, str] = {}
        self._idle_agents: set[str] = set()
        self._idle: dict[str, set[str]] = {}
        """Of each framework, why it is not to be offered anything: suppressed, inactive."""
        self._out: list[Out] = []
        self._text: list[str] = []
        self.log: list[str] = []
        """Every offer there was, to be compared."""

    def do(self, verb: str, first: int, second: int) -> None:
        """One step, where there is what it is about, and a run."""
        if getattr(self, f"_{verb}")(first, second) is not False:
            self._run()

    def broken(self, invariant: str, text: str) -> Broken:
        """What to raise where an invariant is broken; O(steps)."""
        return Broken(invariant, text, tuple(self._text))

    # -- steps: False where there is nothing to do

    def _add_agent(self, n: int, kind: int) -> bool | None:
        name = f"m{n % AGENTS}"
        if name in self._agents:
            return False
        total = Resources(TOTALS[kind], space=self._plugin.space)
        self._call("add_agent", name, total)
        self._agents[name] = total
        return None

    def _add_framework(self, n: int, kind: int) -> bool | None:
        name = f"f{n % FRAMEWORKS}"
        if name in self._roles:
            return False
        role = ROLES[kind % len(ROLES)]
        self._call("add_framework", name, [role])
        self._roles[name], self._idle[name] = role, set()
        return None

    def _accept(self, n: int, _: int) -> bool | None:
        offers = [out for out in self._out if not out.used]
        if not offers:
            return False
        self._take(offers[n % len(offers)])
        return None

    def _take(self, out: Out) -> None:
        self._call(
            "transition_offered_to_allocated", out.framework, out.agent, out.role, out.resources
        )
        out.used = True

    def _accept_part(self, n: int, _: int) -> bool | None:
        offers = [out for out in self._out if not out.used and "cpus" in out.resources]
        if not offers:
            return False
        out = offers[n % len(offers)]
        part = Resources({"cpus": out.resources["cpus"]}, space=self._plugin.space)
        rest = out.resources - part
        self._take(out)
        if rest:
            self._call(
                "recover_resources", out.framework, out.agent, out.role, rest, allocated=True
            )
        out.resources = part
        return None

    def _decline(self, n: int, seconds: int) -> bool | None:
        offers = [out for out in self._out if not out.used]
        if not offers:
            return False
        self._give_back(offers[n % len(offers)], SECONDS[seconds])
        return None

    def _release(self, n: int, _: int) -> bool | None:
        used = [out for out in self._out if out.used]
        if not used:
            return False
        self._give_back(used[n % len(used)])
        return None

    def _give_back(self, out: Out, refuse: float = 0.0) -> None:
        self._call(
            "recover_resources",
            out.framework,
            out.agent,
            out.role,
            out.resources,
            refuse_seconds=refuse,
            allocated=out.used,
        )
        self._out.remove(out)

    def _advance(self, _: int, seconds: int) -> None:
        self._wait(SECONDS[seconds])

    def _wait(self, seconds: float) -> None:
        self._now += seconds
        self._call("advance", self._now)

    def _remove_agent(self, n: int, _: int) -> bool | None:
        name = self._nth(self._agents, n)
        if name is None:
            return False
        self._call("remove_agent", name)
        del self._agents[name]
        self._idle_agents.discard(name)
        self._out = [out for out in self._out if out.agent != name]
        return None

    def _remove_framework(self, n: int, _: int) -> bool | None:
        name = self._nth(self._roles, n)
        if name is None:
            return False
        self._call("remove_framework", name)
        del self._roles[name], self._idle[name]
        self._out = [out for out in self._out if out.framework != name]
        return None

    def _suppress(self, n: int, _: int) -> bool | None:
        return self._mark("suppress", n, "suppressed", True)

    def _revive(self, n: int, _: int) -> bool | None:
        return self._mark("revive", n, "suppressed", False)

    def _deactivate_framework(self, n: int, _: int) -> bool | None:
        return self._mark("deactivate_framework", n, "inactive", True)

    def _activate_framework(self, n: int, _: int) -> bool | None:
        return self._mark("activate_framework", n, "inactive", False)

    def _mark(self, verb: str, n: int, why: str, idle: bool) -> bool | None:
        name = self._nth(self._roles, n)
        if name is None:
            return False
        self._call(verb, name)
        (self._idle[name].add if idle else self._idle[name].discard)(why)
        return None

    def _deactivate_agent(self, n: int, _: int) -> bool | None:
        name = self._nth(self._agents, n)
        if name is None:
            return False
        self._call("deactivate_agent", name)
        self._idle_agents.add(name)
        return None

    def _activate_agent(self, n: int, _: int) -> bool | None:
        name = self._nth(self._agents, n)
        if name is None:
            return False
        self._call("activate_agent", name)
        self._idle_agents.discard(name)
        return None

    def _update_weights(self, role: int, weight: int) -> None:
        self._call("update_weights", {ROLES[role % len(ROLES)]: WEIGHTS[weight % len(WEIGHTS)]})

    def _nth(self, names: Any, n: int) -> str | None:
        there = sorted(names)
        return there[n % len(there)] if there else None

    # -- what is seen

    def _call(self, verb: str, *args: Any, **kwargs: Any) -> None:
        shown = [str(arg) for arg in args] + [f"{k}={v}" for k, v in kwargs.items() if v]
        self._text.append(f"{verb}({', '.join(shown)})")
        try:
            getattr(self._plugin, verb)(*args, **kwargs)
        except Exception as error:  # a plug-in may raise anything
            raise self.broken("verbs", f"{verb} raised {type(error).__name__}: {error}") from error

    def _run(self) -> None:
        try:
            grants = self._plugin.run().grants
        except Exception as error:
            raise self.broken("verbs", f"run raised {type(error).__name__}: {error}") from error
        for grant in grants:
            self.log.append(f"{grant.framework} {grant.role} {grant.agent} {grant.resources}")
            self._text.append(f"  offered: {self.log[-1]}")
            wrong = self._misplaced(grant)
            if wrong is not None:
                text = (
                    f"{grant.resources} of {grant.agent} is offered to {grant.framework}, {wrong}"
                )
                raise self.broken("verbs", text)
            free = self._free(grant.agent)
            if not grant.resources <= free:
                text = f"{grant.resources} of {grant.agent} is offered, and {free or 'nothing'} is free"
                raise self.broken("no_double_offers", text)
            self._out.append(Out(grant.framework, grant.role, grant.agent, grant.resources))
        try:
            self._plugin.check()
        except DRFError as error:
            raise self.broken("verbs", f"check() says: {error}") from error
        for framework in self._roles:
            self._compare(framework)

    def _misplaced(self, grant: Grant) -> str | None:
        """Why it is not to be offered, or not to that one; None where it may be."""
        if grant.framework not in self._roles:
            return "which is not there"
        if self._roles[grant.framework] != grant.role:
            return f"in role {grant.role}, which it does not have"
        if self._idle[grant.framework]:
            return f"which is {' and '.join(sorted(self._idle[grant.framework]))}"
        if grant.agent not in self._agents:
            return "and the agent is not there"
        if grant.agent in self._idle_agents:
            return "and the agent is deactivated"
        return None

    def _free(self, agent: str) -> Resources:
        free = self._agents[agent]
        for out in self._out:
            if out.agent == agent:
                free = free - out.resources
        return free

    def _compare(self, framework: str) -> None:
        mine: dict[Any, Resources] = {}
        theirs: dict[Any, Resources] = {}
        for out in self._out:
            if out.framework == framework:
                _add(mine, (out.agent, out.role, out.used), out.resources)
        for agent, role, resources, used in self._plugin.holdings(framework):
            _add(theirs, (agent, role, used), resources)
        if mine != theirs:
            text = (
                f"{framework} was given {_held(mine)}, and by the allocator it has {_held(theirs)}"
            )
            raise self.broken("ledger", text)

    # -- ends

    def all_back(self) -> None:
        """Everything comes back, everybody listens: what there is must be offered again, all of it."""
        for name in sorted(self._roles):
            self._call("activate_framework", name)
            self._call("revive", name)
            self._idle[name].clear()
        for name in sorted(self._agents):
            self._call("activate_agent", name)
        self._idle_agents.clear()
        for out in list(self._out):
            self._give_back(out)
        if not self._roles:
            return
        for _ in range(3):  # one who declined all may be kept waiting for a while
            self._wait(LATER)
            self._run()
        for name in sorted(self._agents):
            if free := self._free(name):
                text = f"{free} of {name} came back and is not offered to anybody again"
                raise self.broken("conservation", text)

    def turns(self) -> None:
        """Offers are used, and the oldest of them given back, for many turns: everybody's turn must come."""
        waiting = set(self._roles)
        before = list(self._text)
        turns = 6 * len(self._roles) * len(self._agents)
        for _ in range(turns):
            waiting -= {out.framework for out in self._out}
            if not waiting:
                return
            for out in self._out:
                if not out.used:
                    self._take(out)
            self._give_back(self._out[0])
            self._wait(LATER)
            self._run()
        if turns and waiting:
            self._text = [
                *before,
                f"then all offers are used and the oldest given back, {turns} times",
            ]
            raise self.broken("no_starvation", f"{min(waiting)} is never offered anything")


def _add(table: dict[Any, Resources], key: Any, resources: Resources) -> None:
    table[key] = table[key] + resources if key in table else resources


def _held(table: dict[Any, Resources]) -> str:
    rows = (
        f"{resources} on {agent} in {role} ({'used' if used else 'offered'})"
        for (agent, role, used), resources in table.items()
    )
    return ", ".join(rows) or "nothing"
