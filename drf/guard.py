"""Between the offer book and an allocator plug-in of others: what it raises is named, what it offers is checked.

The guard has a ledger of its own beside the plug-in. One that raises anything but a refusal at a verb, or offers what
is not there, is not asked again: nobody can know what it changed before it raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from drf.errors import DRFError, InvariantBroken, PluginError
from drf.plugins import ALLOCATORS, Conversions, Grant, InverseOffer, Outcome, Usage, name_of
from drf.resources import Resources, ResourceSpace, Shape
from drf.snapshot import packed, unpacked

Holder = tuple[str, str]
"""Framework and role."""

VERBS = frozenset(
    {
        "set_whitelist",
        "update_framework",
        "suppress",
        "revive",
        "request",
        "update_quota",
        "update_weights",
        "update_unavailability",
        "update_inverse_offer",
        "recover",
        "pause",
        "resume",
        "advance",
        "claim",
    }
)
"""Verbs that change no amounts; the others have a method each."""

QUESTIONS = frozenset(
    {
        "inverse_offer_statuses",
        "metrics",
        "role_shares",
        "share",
        "holdings",
        "situation",
        "why",
        "entitlement",
        "starving",
    }
)
"""What changes nothing."""


class Guard:
    """An allocator plug-in as the offer book sees it.

    A verb costs what the plug-in's costs and O(resources) more, a run O(offers + holders on the agents offered).
    """

    def __init__(self, plugin: Any, space: ResourceSpace) -> None:
        self.plugin = plugin
        self.name = name_of(plugin)
        self.space = space
        self.broken: str | None = None
        """What it did, if it is not asked any more."""
        self._asked = 0
        self._totals: dict[str, Resources] = {}
        self._idle: set[str] = set()
        """Agents that are deactivated."""
        self._frameworks: dict[str, tuple[str, ...]] = {}
        self._away: set[str] = set()
        """Frameworks that are inactive."""
        self._offered: dict[str, dict[Holder, Resources]] = {}
        self._held: dict[str, dict[Holder, Resources]] = {}

    def begin(self) -> None:
        """A call of the offer book begins: until the plug-in has carried something out, it may refuse; O(1)."""
        self._asked = 0

    def __getattr__(self, name: str) -> Any:
        """What needs no ledger, and of that what the plug-in has."""
        if name in VERBS or name in QUESTIONS:
            getattr(self.plugin, name)  # raises AttributeError where it has no such verb
            return partial(self._do if name in VERBS else self._ask, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # -- agents

    def add_agent(
        self, agent: str, total: Resources, *, used: Usage | None = None, **more: Any
    ) -> None:
        self._do("add_agent", agent, total, used=used, **more)
        self._totals[agent] = total
        self._restore(agent, used)

    def update_agent(self, agent: str, total: Resources | None = None, **more: Any) -> None:
        self._do("update_agent", agent, total, **more)
        if total is not None:
            self._totals[agent] = total

    def add_resource_provider(
        self, agent: str, total: Resources, *, used: Usage | None = None
    ) -> None:
        self._do("add_resource_provider", agent, total, used=used)
        self._totals[agent] = self._totals[agent] + total
        self._restore(agent, used)

    def remove_agent(self, agent: str) -> None:
        self._do("remove_agent", agent)
        for table in (self._totals, self._offered, self._held):
            table.pop(agent, None)
        self._idle.discard(agent)

    def activate_agent(self, agent: str) -> None:
        self._do("activate_agent", agent)
        self._idle.discard(agent)

    def deactivate_agent(self, agent: str) -> None:
        self._do("deactivate_agent", agent)
        self._idle.add(agent)

    def update_available(self, agent: str, conversions: Conversions) -> None:
        self._do("update_available", agent, conversions)
        self._convert(agent, conversions)

    # -- frameworks

    def add_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        used: Usage | None = None,
        active: bool = True,
        **more: Any,
    ) -> None:
        self._do("add_framework", framework, roles, used=used, active=active, **more)
        self._frameworks[framework] = tuple(roles)
        if not active:
            self._away.add(framework)
        for agent, by_role in (used or {}).items():
            there = self._held.get(agent, {})
            if agent in self._totals and not any(holder[0] == framework for holder in there):
                self._restore(agent, {framework: by_role})

    def update_framework(self, framework: str, roles: Sequence[str], **more: Any) -> None:
        self._do("update_framework", framework, roles, **more)
        self._frameworks[framework] = tuple(roles)

    def remove_framework(self, framework: str) -> None:
        self._do("remove_framework", framework)
        self._frameworks.pop(framework, None)
        self._away.discard(framework)
        for table in (*self._offered.values(), *self._held.values()):
            for holder in [holder for holder in table if holder[0] == framework]:
                del table[holder]

    def activate_framework(self, framework: str) -> None:
        self._do("activate_framework", framework)
        self._away.discard(framework)

    def deactivate_framework(self, framework: str) -> None:
        self._do("deactivate_framework", framework)
        self._away.add(framework)

    # -- what becomes of what was granted

    def recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        allocated: bool = False,
        **more: Any,
    ) -> None:
        self._do(
            "recover_resources", framework, agent, role, resources, allocated=allocated, **more
        )
        table = self._held if allocated else self._offered
        self._less(table, agent, (framework, role), resources)

    def transition_offered_to_allocated(
        self, framework: str, agent: str, role: str, resources: Resources, **more: Any
    ) -> None:
        self._do("transition_offered_to_allocated", framework, agent, role, resources, **more)
        self._less(self._offered, agent, (framework, role), resources)
        self._more(self._held, agent, (framework, role), resources)

    def update_allocation(
        self, framework: str, agent: str, role: str, offered: Resources, conversions: Conversions
    ) -> None:
        self._do("update_allocation", framework, agent, role, offered, conversions)
        updated = offered
        for consumed, converted in conversions:
            updated = updated - consumed + converted
        self._less(self._offered, agent, (framework, role), offered)
        self._more(self._offered, agent, (framework, role), updated)
        self._convert(agent, [pair for pair in conversions if pair[0]])

    # -- decisions

    def run(self) -> Outcome:
        """What it decided, if all of it is there, and goes to who may have it. Raises PluginError."""
        outcome = self._do("run")
        try:
            grants, inverse = list(outcome.grants), list(outcome.inverse_offers)
        except Exception as error:
            self._break("run", f"gave {_shown(outcome)}, which is no Outcome ({error!r})", error)
        free: dict[str, Resources] = {}
        for grant in grants:
            self._judge(partial(self._nonsense, grant, free), grant)
        for each in inverse:
            self._judge(partial(self._nonsense_inverse, each), each)
        for grant in grants:
            self._more(self._offered, grant.agent, (grant.framework, grant.role), grant.resources)
        return Outcome(grants, inverse)

    def _judge(self, nonsense: Callable[[], str | None], given: Any) -> None:
        try:
            wrong = nonsense()
        except Exception as error:  # such as a name that cannot be looked up
            self._break("run", f"gave {_shown(given)}, which is malformed ({error!r})", error)
        if wrong is not None:
            self._break("run", wrong)

    def _nonsense(self, grant: Any, free: dict[str, Resources]) -> str | None:
        """What is wrong with it, None for nothing; ``free`` is what is left of each agent, and becomes less."""
        if not isinstance(grant, Grant):
            return f"gave {_shown(grant)}, which is no Grant"
        amount, agent, framework = grant.resources, grant.agent, grant.framework
        if not isinstance(amount, Resources) or amount.space != self.space:
            return (
                f"offered {_shown(amount)} of agent {agent!r}, which is no amount in the units here"
            )
        said = f"offered {amount or 'nothing'} of agent {agent!r} to framework {framework!r}"
        if not amount:
            return f"{said}, which is no offer"
        if framework not in self._frameworks:
            return f"{said}, which is not there"
        if grant.role not in self._frameworks[framework]:
            return f"{said} in role {grant.role!r}, which it does not have"
        if framework in self._away:
            return f"{said}, which is inactive"
        if agent not in self._totals:
            return f"{said}, and the agent is not there"
        if agent in self._idle:
            return f"{said}, and the agent is deactivated"
        if not _are_tasks(grant.tasks) or not isinstance(grant.group, (int, type(None))):
            return f"{said} for tasks {_shown(grant.tasks)}, group {_shown(grant.group)}: these are none"
        left = free[agent] if agent in free else self._free(agent)
        counted = amount.exclusive
        if not counted <= left:
            return f"{said}, and {left or 'nothing'} is free"
        free[agent] = left - counted
        return None

    def _nonsense_inverse(self, inverse: Any) -> str | None:
        if not isinstance(inverse, InverseOffer):
            return f"gave {_shown(inverse)}, which is no InverseOffer"
        if inverse.framework not in self._frameworks:
            return f"asked framework {inverse.framework!r} to leave an agent, and it is not there"
        if inverse.agent not in self._totals:
            return f"asked framework {inverse.framework!r} to leave agent {inverse.agent!r}, which is not there"
        return None

    def next_deadline(self) -> float | None:
        """When it wants to be asked again. Raises PluginError where that is no time."""
        found = self._ask("next_deadline")
        is_time = isinstance(found, (int, float)) and not isinstance(found, bool)
        if found is not None and not (is_time and math.isfinite(found)):
            raise self._error("next_deadline", f"gave {_shown(found)}, which is no time")
        deadline: float | None = found
        return deadline

    # -- the ledger

    def check(self) -> None:
        """By the plug-in everybody has what it was given; O(state). Raises InvariantBroken, PluginError."""
        self._ask("check")
        for framework in self._frameworks:
            theirs = {
                (agent, role, bool(used)): amount
                for agent, role, amount, used in self._ask("holdings", framework)
            }
            mine = {
                (agent, role, used): amount
                for table, used in ((self._offered, False), (self._held, True))
                for agent, its in table.items()
                for (name, role), amount in its.items()
                if name == framework
            }
            if mine != theirs:
                raise InvariantBroken(
                    f"allocator plug-in {self.name}: framework {framework!r} was given {mine}, "
                    f"and by the plug-in it has {theirs}"
                )

    def _free(self, agent: str) -> Resources:
        free = self._totals[agent].exclusive
        for table in (self._offered, self._held):
            for amount in table.get(agent, {}).values():
                free = free.minus(amount.exclusive)
        return free

    def _more(
        self,
        table: dict[str, dict[Holder, Resources]],
        agent: str,
        holder: Holder,
        amount: Resources,
    ) -> None:
        if amount:
            its = table.setdefault(agent, {})
            its[holder] = its[holder] + amount if holder in its else amount

    def _less(
        self,
        table: dict[str, dict[Holder, Resources]],
        agent: str,
        holder: Holder,
        amount: Resources,
    ) -> None:
        its = table.get(agent, {})
        if holder in its:
            its[holder] = its[holder].minus(amount)
            if not its[holder]:
                del its[holder]

    def _restore(self, agent: str, used: Usage | None) -> None:
        for framework, by_role in (used or {}).items():
            for role, amount in by_role.items():
                self._more(self._held, agent, (framework, role), amount)

    def _convert(self, agent: str, conversions: Conversions) -> None:
        for consumed, converted in conversions:
            self._totals[agent] = self._totals[agent].minus(consumed) + converted

    # -- snapshots

    def state(self) -> dict[str, Any]:
        """The plug-in's state and the ledger, as plain JSON values; O(state)."""
        return {
            "plugin": self._ask("state"),
            "agents": [
                [agent, packed(total), agent in self._idle] for agent, total in self._totals.items()
            ],
            "frameworks": [
                [framework, list(roles), framework in self._away]
                for framework, roles in self._frameworks.items()
            ],
            "out": [
                [agent, *holder, packed(amount), used]
                for table, used in ((self._offered, False), (self._held, True))
                for agent, its in table.items()
                for holder, amount in its.items()
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take that back into a new plug-in; O(state). Raises what the plug-in raises."""
        self._ask("load", state["plugin"])
        self._totals = {agent: unpacked(total, self.space) for agent, total, _ in state["agents"]}
        self._idle = {agent for agent, _, idle in state["agents"] if idle}
        self._frameworks = {name: tuple(roles) for name, roles, _ in state["frameworks"]}
        self._away = {name for name, _, away in state["frameworks"] if away}
        for agent, framework, role, amount, used in state["out"]:
            table = self._held if used else self._offered
            self._more(table, agent, (framework, role), unpacked(amount, self.space))

    # -- asking the plug-in

    def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """A verb that changes something. A `DRFError` before all else is a refusal, with everything as it was."""
        if self.broken is not None:
            raise self._error(
                verb, f"is not asked any more, since it {self.broken}; make a new allocator"
            )
        try:
            answer = getattr(self.plugin, verb)(*args, **kwargs)
        except DRFError as error:
            if self._asked or isinstance(error, InvariantBroken):
                self._break(verb, f"raised {error!r}", error)
            raise
        except Exception as error:
            self._break(verb, f"raised {error!r}", error)
        self._asked += 1
        return answer

    def _ask(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(self.plugin, verb)(*args, **kwargs)
        except DRFError:
            raise
        except Exception as error:
            raise self._error(verb, f"raised {error!r}") from error

    def _break(self, verb: str, what: str, error: Exception | None = None) -> NoReturn:
        """It is not asked again."""
        self.broken = f"{what} at {verb}"
        raise self._error(verb, what) from error

    def _error(self, verb: str, what: str) -> PluginError:
        return PluginError(
            f"allocator plug-in {self.name}, {verb}: it {what}",
            group=ALLOCATORS,
            plugin=self.name,
            verb=verb,
        )


def _are_tasks(tasks: Any) -> bool:
    return isinstance(tasks, (tuple, list)) and all(
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], Shape)
        and isinstance(pair[1], int)
        and pair[1] > 0
        for pair in tasks
    )


def _shown(value: Any) -> str:
    """A value of a plug-in, which may raise where it is to be shown."""
    try:
        return repr(value)
    except Exception:
        return f"a {type(value).__name__}"
