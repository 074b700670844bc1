"""The built-in allocator: amounts in, amounts out. What Mesos calls an allocator, below the offer book.

Verbs change the state and mark the agents that became candidates; `run` decides over the candidates, once, however many
verbs came before it. Time arrives through `advance`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from drf._random import SplitMix64
from drf.cycle import Cycle
from drf.errors import (
    ClockError,
    DuplicateName,
    InvalidOption,
    InvariantBroken,
    UnknownName,
)
from drf.filters import Refusal, Refusals
from drf.ledger import Agent, Ledger
from drf.plugins import Grant, Policy, make_policy
from drf.ranking import Ranking
from drf.requests import Requests
from drf.resources import Resources, ResourceSpace, Shape
from drf.roles import check_role
from drf.timers import Timers

LONGEST_REFUSAL = 365 * 24 * 3600.0
"""Seconds; a longer refusal ends then (as in Mesos)."""

TICK = "tick"


class Framework:
    """One framework: its roles, those it suppressed, whether it is active, what it takes as worth an offer."""

    __slots__ = ("active", "min_allocatable", "name", "roles", "suppressed")

    def __init__(
        self,
        name: str,
        roles: Sequence[str],
        suppressed: Sequence[str],
        min_allocatable: Sequence[Resources] | None,
        active: bool,
    ) -> None:
        self.name = name
        self.roles = tuple(roles)
        self.suppressed = set(suppressed)
        self.min_allocatable = min_allocatable
        self.active = active


class HierarchicalAllocator:
    """Roles and in each role frameworks, in a policy's order; agents, refusals and requests.

    ``interval``: seconds between runs over all agents, None for none. ``react``: ``"event"`` makes an agent a candidate
    as soon as something on it may fit that did not; ``"interval"`` only where Mesos does (new or activated framework,
    revive, new or changed agent), the rest waits for the interval. ``offer``: ``"agent"`` offers all that is free on an
    agent, ``"demand"`` what the requested shapes can use. ``agent_order``: ``"random"``, ``"id"``, ``"pack"`` (least free
    first) or ``"spread"`` (most free first), ties by name.
    ``min_allocatable``: amounts of which one must be reached, none: anything is offered.
    """

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        interval: float | None = 1.0,
        react: str = "event",
        offer: str = "agent",
        agent_order: str = "random",
        min_allocatable: Sequence[Resources] = (),
        exclude: Sequence[str] = (),
        space: ResourceSpace | None = None,
        seed: int = 0,
    ) -> None:
        for name, value, allowed in (
            ("react", react, ("event", "interval")),
            ("offer", offer, ("agent", "demand")),
            ("agent_order", agent_order, ("random", "id", "pack", "spread")),
        ):
            if value not in allowed:
                raise InvalidOption(f"{name} is {value!r}; it is one of {', '.join(allowed)}")
        if interval is not None and not 0 < interval < math.inf:
            raise InvalidOption(
                f"interval is {interval!r}; it is a number of seconds above 0, or None"
            )
        if interval is None and react == "interval":
            raise InvalidOption(
                "react='interval' with interval=None would never run; give an interval"
            )
        self.policy = make_policy(policy)
        self.space = space or ResourceSpace()
        self._interval = interval
        self._eager = react == "event"
        self._whole = offer == "agent"
        self._agent_order = agent_order
        self._min_allocatable = tuple(min_allocatable)
        self._random = SplitMix64(seed)
        self._ledger = Ledger()
        self._ranking = Ranking(
            self.policy, self.space, self._random.spawn(1).next(), frozenset(exclude)
        )
        self._refusals = Refusals()
        self._requests = Requests()
        self._frameworks: dict[str, Framework] = {}
        self._total = Resources(space=self.space)
        self._cycle = Cycle(
            self._ledger, self._ranking, self._refusals, self._requests, self._minimum
        )
        self._candidates: dict[str, None] = {}
        self._all = False
        self._tick_due = False
        self._timers = Timers()
        self._now = 0.0
        if interval is not None:
            self._timers.set(interval, TICK)

    # -- agents

    def add_agent(
        self, agent: str, total: Resources, *, attributes: Mapping[str, str] | None = None
    ) -> None:
        """A new agent, all of it free; a candidate. Raises DuplicateName, InvalidQuantity."""
        if agent in self._ledger.agents:
            raise DuplicateName(
                f"agent {agent!r} is there already; update it, or choose another name"
            )
        new = self._bounded(self._total, total, agent)
        self._ledger.add(agent, total, attributes or {})
        self._set_total(new)
        self._candidates[agent] = None

    def update_agent(
        self,
        agent: str,
        total: Resources | None = None,
        *,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Replace total (it may shrink below what is out), attributes, or both; a candidate if changed.

        Changed attributes end the refusals of that agent. Raises UnknownName, InvalidQuantity.
        """
        record = self._ledger[agent]
        if total is not None and total != record.total:
            new = self._bounded(self._total.minus(record.total.scalars), total, agent)
            self._ledger.set_total(agent, total)
            self._set_total(new)
            self._candidates[agent] = None
        if attributes is not None and dict(attributes) != record.attributes:
            record.attributes = dict(attributes)
            self._refusals.clear_agent(agent)
            self._ledger.grow(record)
            self._candidates[agent] = None

    def remove_agent(self, agent: str) -> None:
        """Forget the agent with all that is offered and held on it. Raises UnknownName."""
        gone = self._ledger.remove(agent)
        for where in (gone.offered, gone.held):
            for (framework, role), amount in where.items():
                self._ranking.unallocated(framework, role, amount)
        self._set_total(self._total.minus(gone.total.scalars))
        self._refusals.clear_agent(agent)
        self._candidates.pop(agent, None)

    def activate_agent(self, agent: str) -> None:
        """Offer it again. Raises UnknownName."""
        record = self._ledger[agent]
        if not record.active:
            record.active = True
            self._react(agent)

    def deactivate_agent(self, agent: str) -> None:
        """Offer it no more; it still counts. Raises UnknownName."""
        self._ledger[agent].active = False

    # -- frameworks

    def add_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        suppressed: Sequence[str] = (),
        min_allocatable: Sequence[Resources] | None = None,
        active: bool = True,
    ) -> None:
        """A new framework; if active, all agents are candidates. Raises DuplicateName, InvalidName, UnknownName."""
        if framework in self._frameworks:
            raise DuplicateName(
                f"framework {framework!r} is there already; remove it, or choose another name"
            )
        roles = list(dict.fromkeys(check_role(role) for role in roles))
        if not roles:
            raise InvalidOption(
                f"framework {framework!r} has no role; give at least one, such as '*'"
            )
        for role in suppressed:
            if role not in roles:
                raise UnknownName(f"role in suppressed of framework {framework!r}:", role, roles)
        new = Framework(framework, roles, suppressed, min_allocatable, active)
        self._frameworks[framework] = new
        for role in roles:
            self._ranking.track(framework, role, active=active and role not in suppressed)
        if active:
            self._all = True

    def remove_framework(self, framework: str) -> None:
        """Forget the framework; all it had is free again. Raises UnknownName."""
        record = self._known(framework)
        for agent, role, amount, held in list(self._ledger.holdings(framework)):
            self._ledger.give_back((framework, role), agent, amount, held=held)
            self._ranking.unallocated(framework, role, amount)
            self._react(agent)
        for role in record.roles:
            self._ranking.untrack(framework, role)
            self._refusals.clear(framework, role)
            self._requests.drop(framework, role)
        self._cycle.forget(framework)
        del self._frameworks[framework]

    def activate_framework(self, framework: str) -> None:
        """Ask it again when its turn comes; all agents are candidates. Raises UnknownName."""
        record = self._known(framework)
        record.active = True
        self._listen(record)
        self._all = True

    def deactivate_framework(self, framework: str) -> None:
        """Ask it no more and end its refusals; what it has still counts. Raises UnknownName."""
        record = self._known(framework)
        record.active = False
        self._listen(record)
        for role in record.roles:
            self._end_refusals(framework, role)

    def update_weights(self, weights: Mapping[str, float]) -> None:
        """Weights of roles, known or not yet, from the next run on. Raises InvalidName, InvalidOption."""
        for role, weight in weights.items():
            check_role(role)
            if (
                isinstance(weight, bool)
                or not isinstance(weight, (int, float))
                or not 0 < weight < math.inf
            ):
                raise InvalidOption(
                    f"weight of role {role!r} is {weight!r}; it must be above 0 and finite"
                )
        for role, weight in weights.items():
            self._ranking.set_weight(role, float(weight))

    def suppress(self, framework: str, roles: Sequence[str] = ()) -> None:
        """Ask it no more in these roles (none named: all); refusals and offers stay. Raises UnknownName."""
        record, roles = self._subscribed(framework, roles)
        record.suppressed.update(roles)
        self._listen(record)

    def revive(self, framework: str, roles: Sequence[str] = ()) -> None:
        """Ask it again in these roles (none named: all) and end its refusals there; all agents are candidates."""
        record, roles = self._subscribed(framework, roles)
        record.suppressed.difference_update(roles)
        self._listen(record)
        for role in roles:
            self._end_refusals(framework, role)
        self._all = True

    def request(self, framework: str, role: str, shape: Shape, since: Sequence[float]) -> None:
        """So many tasks of the shape wait, an entry each, oldest first. Raises UnknownName, NotSupported."""
        self._subscribed(framework, [role])
        if shape.resources.space != self.space:
            raise InvalidOption(
                f"{shape.resources} is counted in units of {shape.resources.space}, the allocator in {self.space}; "
                f"make the shape with space=allocator.space"
            )
        more = self._requests.set(framework, role, shape, since)
        self._tell_waiting(framework, role)
        if more and self._eager:
            self._all = True

    # -- what becomes of what was granted

    def recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        refuse_seconds: float | None = None,
        allocated: bool = False,
        unmet: Sequence[tuple[Shape, int]] = (),
    ) -> None:
        """An offer, or a part of it, or what ran, comes back; the framework may refuse as much for a while.

        Nothing happens where framework or agent are gone. Raises Overcommit where less than that is out,
        InvalidOption for a duration below 0.
        """
        if refuse_seconds is not None and not refuse_seconds >= 0:
            raise InvalidOption(
                f"refuse_seconds is {refuse_seconds!r}; it is 0 (no refusal) or more"
            )
        if framework not in self._frameworks or agent not in self._ledger.agents:
            return
        if resources:
            self._ledger.give_back((framework, role), agent, resources, held=allocated)
            self._ranking.unallocated(framework, role, resources)
            self._react(agent)
        if unmet:
            again = self._requests.answer(framework, role, unmet, served=False)
            self._tell_waiting(framework, role)
            if again:
                self._react(agent)
        if refuse_seconds and resources:
            seconds = min(max(refuse_seconds, self._interval or 0.0), LONGEST_REFUSAL)
            refusal = Refusal(framework, role, agent, resources, self._now + seconds)
            self._refusals.add(refusal)
            self._timers.set(refusal.deadline, refusal)

    def transition_offered_to_allocated(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        served: Sequence[tuple[Shape, int]] = (),
    ) -> None:
        """What was offered is used now. Raises UnknownName, Overcommit where less than that is offered."""
        self._known(framework)
        self._ledger.keep((framework, role), agent, resources)
        if served:
            self._requests.answer(framework, role, served, served=True)
            self._tell_waiting(framework, role)

    # -- time and decisions

    def advance(self, now: float) -> None:
        """Set the time in seconds; refusals end, and a run over all agents becomes due. Raises ClockError.

        With ``react="interval"``, as in Mesos, what ends after the run became due, in the same step of time, ends after
        that run: a refusal is honoured by at least one run, however far the clock jumps.
        """
        if not self._now <= now < math.inf:
            raise ClockError(
                f"time went from {self._now} to {now}; advance with a finite clock that only grows"
            )
        self._now = now
        self._ranking.advance(now)
        self._fire()

    def _fire(self) -> None:
        while (self._eager or not self._tick_due) and (due := self._timers.due(self._now)):
            if due[1] is TICK:
                self._tick_due = True
                if self._interval is not None:
                    self._timers.set(self._now + self._interval, TICK)
            elif self._refusals.end(due[1]) and due[1].agent in self._ledger.agents:
                self._ledger.grow(self._ledger.agents[due[1].agent])
                self._react(due[1].agent)

    def next_deadline(self) -> float | None:
        """When `advance` and `run` should be called again at the latest, None for never; O(1)."""
        return self._timers.next()

    def run(self) -> list[Grant]:
        """Decide over the candidates, over all agents where that is due; O(candidates x frameworks) at worst."""
        agents = self._ledger.agents
        every = self._tick_due or self._all
        names = agents if every else (name for name in self._candidates if name in agents)
        chosen = [agents[name] for name in sorted(names)]
        self._tick_due = self._all = False
        self._candidates.clear()
        self._arrange(chosen)
        grants = self._cycle.run(chosen, whole=self._whole)
        self._fire()
        return grants

    # -- questions

    def share(self, framework: str, role: str | None = None) -> float:
        """The framework's dominant share, in one of its roles or the largest of them; O(roles). Raises UnknownName."""
        record = self._known(framework)
        roles = record.roles if role is None else self._subscribed(framework, [role])[1]
        return max(self._ranking.frameworks(r).share(framework) for r in roles)

    def role_share(self, role: str) -> float:
        """The role's dominant share divided by its weight; O(1). Raises UnknownName."""
        return self._ranking.roles.share(role)

    def total(self) -> Resources:
        """The scalars of all agents; O(1)."""
        return self._total

    def refusals(self) -> int:
        """How many refusals are live; O(refusals)."""
        return len(self._refusals)

    def holdings(self, framework: str) -> list[tuple[str, str, Resources, bool]]:
        """Agent, role, amount and whether it is used (else offered) of all it has. Raises UnknownName."""
        self._known(framework)
        return list(self._ledger.holdings(framework))

    def check(self) -> None:
        """Re-derive every invariant of ledger, orders, refusals and requests. Raises InvariantBroken."""
        self._ledger.check()
        self._ranking.check()
        total = sum(
            (a.total.scalars for a in self._ledger.agents.values()), Resources(space=self.space)
        )
        if total != self._total or self._ranking.roles.total() != total:
            raise InvariantBroken(f"the agents have {total}, noted is {self._total}")
        for name, record in self._frameworks.items():
            held: dict[str, Resources] = {}
            for _, role, amount, _ in self._ledger.holdings(name):
                held[role] = held.get(role, Resources(space=self.space)) + amount.scalars
            for role in {*record.roles, *held}:
                sorter = self._ranking.frameworks(role)
                due = held.get(role, Resources(space=self.space))
                if sorter.held(name) != due:
                    raise InvariantBroken(
                        f"framework {name!r} has {due} in role {role!r}, its order counts {sorter.held(name)}"
                    )
                listed = record.active and role in record.roles and role not in record.suppressed
                if sorter.is_active(name) != listed:
                    raise InvariantBroken(f"framework {name!r} is listed wrongly in role {role!r}")
        for refusal in self._refusals:
            if (
                refusal.framework not in self._frameworks
                or refusal.agent not in self._ledger.agents
            ):
                raise InvariantBroken(
                    f"a refusal of {refusal.framework!r} on {refusal.agent!r} is left over"
                )
        for framework, role, ask in self._requests:
            if ask.offered < 0:
                raise InvariantBroken(
                    f"request of {framework!r} in {role!r}: {ask.offered} offered"
                )

    # -- inside

    def _known(self, framework: str) -> Framework:
        found = self._frameworks.get(framework)
        if found is None:
            raise UnknownName("framework", framework, self._frameworks)
        return found

    def _subscribed(self, framework: str, roles: Sequence[str]) -> tuple[Framework, Sequence[str]]:
        record = self._known(framework)
        for role in roles:
            if role not in record.roles:
                raise UnknownName(f"role of framework {framework!r}:", role, record.roles)
        return record, roles or record.roles

    def _listen(self, record: Framework) -> None:
        for role in record.roles:
            listed = record.active and role not in record.suppressed
            self._ranking.set_active(record.name, role, listed)

    def _arrange(self, agents: list[Agent]) -> None:
        """Put agents, given by name, in the order in which they are visited."""
        if self._agent_order == "random":
            self._random.shuffle(agents)
        elif self._agent_order == "pack":
            agents.sort(key=self._room)
        elif self._agent_order == "spread":
            agents.sort(key=self._room, reverse=True)

    def _room(self, agent: Agent) -> float:
        """How much is free there: its parts of the cluster's totals, added up."""
        total = self._total.units
        room = 0.0
        for name, units in agent.free.units.items():
            room += units / total[name]
        return room

    def _minimum(self, framework: str) -> Sequence[Resources]:
        own = self._frameworks[framework].min_allocatable
        return self._min_allocatable if own is None else own

    def _react(self, agent: str) -> None:
        if self._eager:
            self._candidates[agent] = None

    def _end_refusals(self, framework: str, role: str) -> None:
        for agent in self._refusals.clear(framework, role):
            self._ledger.grow(self._ledger.agents[agent])

    def _tell_waiting(self, framework: str, role: str) -> None:
        self._ranking.waiting(framework, role, self._requests.oldest(framework, role))

    def _bounded(self, total: Resources, more: Resources, agent: str) -> Resources:
        """The new total of the cluster, checked before anything changes."""
        if more.space != self.space:
            raise InvalidOption(
                f"agent {agent!r}: {more} is counted in other units than {self.space}"
            )
        return total + more.scalars

    def _set_total(self, total: Resources) -> None:
        self._total = total
        self._ranking.set_total(total)
