"""The built-in allocator: amounts in, amounts out. What Mesos calls an allocator, below the offer book.

Verbs change the state and mark the agents that became candidates; `run` decides over the candidates, once, however many
verbs came before it. Time arrives through `advance`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from drf import audit
from drf._backend import shuffle
from drf._random import SplitMix64
from drf.affinity import Affinity
from drf.amounts import Amounts
from drf.backoff import Backoff
from drf.claims import Claims
from drf.company import Company
from drf.constraints import OfferConstraints
from drf.cycle import Cycle
from drf.dealing import MIXED, NOTHING, PLAIN, Dealing, Dealt
from drf.entitlement import CHUNKS, Pool, Want, equal_part, fill, reachable, want
from drf.errors import (
    ClockError,
    DuplicateName,
    InputError,
    InvalidOption,
    InvalidQuantity,
    Overcommit,
    PluginError,
    UnknownName,
)
from drf.explain import Ahead, Entitlement, Obstacle, Standing, Why
from drf.filters import Bucket, Event, Refusals, is_allocatable
from drf.frameworks import CAPABILITIES, DEFAULT, Framework
from drf.gangs import Gang, Gangs
from drf.ledger import Agent, Ledger
from drf.maintenance import Maintenance
from drf.plugins import (
    AgentView,
    Conversions,
    Grant,
    Minimums,
    Outcome,
    Policy,
    Quota,
    Scorer,
    Tasks,
    Unavailability,
    Usage,
    make_policy,
)
from drf.quota import Budget, headroom, regular_scalar, sorted_items
from drf.ranking import Ranking
from drf.requests import Requests
from drf.resources import Resources, Shape
from drf.roles import RoleTree, add_to, less, line_of
from drf.situation import Situation, situation
from drf.snapshot import moment, pairs, read_units, stream, whole
from drf.sorter import Sorter
from drf.starvation import Passes, Starving
from drf.tags import Tag, check_role
from drf.timers import Timers
from drf.units import LIMIT, ResourceSpace
from drf.values import Item

LONGEST_REFUSAL = 365 * 24 * 3600.0
"""Seconds; a longer refusal ends then (as in Mesos)."""

LONGEST_BACKOFF = 300.0
"""Seconds; so long at most is one kept waiting that declines all it is offered."""

DEFAULT_REFUSAL = 5.0
"""Seconds; what a negative refusal means in Mesos."""

RECOVERY_PART = 0.8
"""With this part of the expected agents back, a recovered allocator goes on."""

RECOVERY_SECONDS = 600.0
"""And after so long in any case."""

AGENT_ORDERS = ("random", "id", "pack", "spread")
"""In which order agents are visited, beside a scorer's."""

TICK, RECOVERED, CLAIM_END, GANG = "tick", "recovered", "claim end", "a gang's turn"
_EVENTS = {TICK: TICK, RECOVERED: RECOVERED, CLAIM_END: CLAIM_END, GANG: GANG}


class InverseEnd(NamedTuple):
    """A refusal of inverse offers ends."""

    agent: str


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "mesos": {
        "react": "interval",
        "quota": "mesos",
        "filter_gpus": True,
        "min_allocatable": ({"cpus": 0.01}, {"mem": 32}),
        "capable": False,
        "backoff": 0.0,
    },
}
"""What ``like=`` sets, each by the defaults of that system."""


class HierarchicalAllocator:
    """Roles in a tree and in each role frameworks, in a policy's order; agents, quota, refusals and requests.

    ``interval``: seconds between runs over all agents, None for none. ``react``: ``"event"`` makes an agent a candidate
    as soon as something on it may fit that did not; ``"interval"`` only where Mesos does (new or activated framework,
    revive, new or changed agent), the rest waits for the interval. ``offer``: ``"agent"`` offers all that is free on an
    agent, ``"demand"`` what the requested shapes can use. ``agent_order``: ``"random"``, ``"id"``, ``"pack"`` (least
    free first), ``"spread"`` (most free first), or a function of an `AgentView` (highest first), ties by name.
    ``backoff``: the longest that one is kept waiting who declines all it is offered, 0 for not at all.
    ``gang_patience``: seconds that tasks which start together wait before room is kept for them, and for so long.
    ``min_allocatable``: amounts of which one must be reached, none: anything is offered. ``exclude``: resources that do
    not count for shares. ``quota``: ``"tree"`` or ``"mesos"`` (see `drf.quota`). ``filter_gpus`` hides agents with gpus
    from frameworks without GPU_RESOURCES, ``master_region`` agents of other regions from those without REGION_AWARE.
    ``shrink_order``: in which order objects of one name are cut, ``"random"`` or ``"sorted"``. ``capable``: whether a
    framework that names no capabilities has all of them, or none. ``like="mesos"`` sets Mesos's defaults.
    """

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        like: str | None = None,
        interval: float | None = 1.0,
        react: str | None = None,
        offer: str = "agent",
        agent_order: str | Scorer = "random",
        shrink_order: str = "random",
        min_allocatable: Sequence[Any] | None = None,
        exclude: Iterable[str] = (),
        quota: str | None = None,
        filter_gpus: bool | None = None,
        master_region: str | None = None,
        capable: bool | None = None,
        backoff: float | None = None,
        gang_patience: float = 60.0,
        space: ResourceSpace | None = None,
        seed: int = 0,
    ) -> None:
        if like is not None and like not in PRESETS:
            raise UnknownName("preset", like, PRESETS)
        preset = PRESETS.get(like or "", {})
        react = react if react is not None else preset.get("react", "event")
        quota = quota if quota is not None else preset.get("quota", "tree")
        if min_allocatable is None:
            min_allocatable = preset.get("min_allocatable", ())
        if filter_gpus is None:
            filter_gpus = bool(preset.get("filter_gpus", False))
        self._capable = capable if capable is not None else bool(preset.get("capable", True))
        if backoff is None:
            backoff = float(preset.get("backoff", LONGEST_BACKOFF))
        if isinstance(backoff, bool) or not 0 <= backoff < math.inf:
            raise InvalidOption(f"backoff is {backoff!r}; it is a number of seconds, 0 for none")
        if isinstance(gang_patience, bool) or not 0 < gang_patience < math.inf:
            raise InvalidOption(
                f"gang_patience is {gang_patience!r}; it is a number of seconds above 0"
            )
        for name, value, allowed in (
            ("react", react, ("event", "interval")),
            ("offer", offer, ("agent", "demand")),
            ("shrink_order", shrink_order, ("random", "sorted")),
            ("quota", quota, ("tree", "mesos")),
        ):
            if value not in allowed:
                raise InvalidOption(f"{name} is {value!r}; it is one of {', '.join(allowed)}")
        if not callable(agent_order) and agent_order not in AGENT_ORDERS:
            raise InvalidOption(
                f"agent_order is {agent_order!r}; it is one of {', '.join(AGENT_ORDERS)}, or a function"
            )
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
        self.options: Mapping[str, Any] = {
            "like": like,
            "interval": interval,
            "react": react,
            "offer": offer,
            "agent_order": agent_order,
            "shrink_order": shrink_order,
            "min_allocatable": tuple(Resources(m, space=self.space) for m in min_allocatable),
            "exclude": frozenset(exclude),
            "quota": quota,
            "filter_gpus": filter_gpus,
            "master_region": master_region,
            "capable": self._capable,
            "backoff": backoff,
            "gang_patience": gang_patience,
        }
        self._interval = interval
        self._eager = react == "event"
        self._whole = offer == "agent"
        self._agent_order = agent_order
        self._tree_quota = quota == "tree"
        self._may_fail = (  # a run that asks neither a policy nor a scorer in Python does not
            self.policy.kernel is None or callable(agent_order)
        )
        self._lenient = like == "mesos"
        self._random = SplitMix64(seed)
        self.amounts = Amounts(self.space)
        self._ledger = Ledger(self.amounts)
        minimum = self.options["min_allocatable"]
        self._dealing = Dealing(self._ledger, lambda amount: is_allocatable(amount, minimum))
        self._roles = self._dealing.tree
        self._ranking = Ranking(
            self.policy,
            self.space,
            self._random.spawn(1).next(),
            self.options["exclude"],
            dealing=self._dealing,
        )
        self._refusals = Refusals(self._dealing, self._ledger.agents)
        self._passes = Passes()
        if like != "mesos":
            self._roles.on_idle = self._ranking.idle
        self._requests = Requests()
        self._company = Company(self._ledger)
        self._backoff = Backoff(interval or 1.0, backoff) if backoff else None
        self._claims = Claims()
        self._gangs = Gangs(self._requests, self._claims, gang_patience)
        self._maintenance = Maintenance(self._ledger)
        self._frameworks: dict[str, Framework] = {}
        self._quantities: dict[str, int] = {}
        self._cycle = Cycle(
            self._ledger,
            self._ranking,
            self._roles,
            self._refusals,
            self._requests,
            self._frameworks,
            self._company,
            self._claims,
            minimum=minimum,
            filter_gpus=filter_gpus,
            region=master_region,
            arrange=sorted_items if shrink_order == "sorted" else self._shuffled_items,
            everywhere=self._everywhere,
            mesos=like == "mesos",
        )
        self._whitelist: frozenset[str] | None = None
        self._reported: dict[str, int] = {}  # all usage ever reported: it need not fit into totals
        self._candidates: dict[str, None] = {}
        self._all = False
        self._tick_due = False
        self._paused = 0
        self._expected: int | None = None  # agents that a recovery waits for
        self._timers = Timers()
        self._now = 0.0
        self._runs = 0
        if interval is not None:
            self._timers.set(interval, TICK)

    # -- agents

    def add_agent(
        self,
        agent: str,
        total: Resources,
        *,
        hostname: str | None = None,
        attributes: Sequence[tuple[str, Any]] = (),
        capabilities: Sequence[str] | None = None,
        region: str | None = None,
        zone: str | None = None,
        used: Usage | None = None,
        unavailability: Unavailability | None = None,
    ) -> None:
        """A new agent with what runs there already, by framework and role; a candidate.

        Usage of a framework that is not known yet makes it less free at once, and counts for shares and quota when the
        framework comes. Raises DuplicateName, InvalidQuantity, InvalidOption.
        """
        if agent in self._ledger.agents:
            raise DuplicateName(
                f"agent {agent!r} is there already; update it, or choose another name"
            )
        self._same_units(total, f"agent {agent!r}")
        _known_capabilities(f"agent {agent!r}", capabilities or ())
        reported = self._usage(used)
        new = self._bounded(total.quantities(), {})
        self._report(reported)
        record = self._ledger.add(agent, total)
        record.hostname = hostname if hostname is not None else agent
        record.describe(attributes)
        if capabilities is not None:
            record.serve(capabilities)
        record.locate(region, zone)
        self._ledger.plan(record, unavailability)
        self._set_total(new)
        self._roles.track_reservations(agent, total)
        for framework, role, amount in reported:
            self._restore(framework, role, agent, amount)
        self._trigger(agent)
        if self._expected is not None and len(self._ledger.agents) >= self._expected:
            self._expected = None
            self._trigger(agent)

    def update_agent(
        self,
        agent: str,
        total: Resources | None = None,
        *,
        attributes: Sequence[tuple[str, Any]] | None = None,
        capabilities: Sequence[str] | None = None,
    ) -> None:
        """Replace total (it may shrink below what is out), attributes or capabilities; a candidate if changed.

        Changed attributes, whatever their order, end the refusals of that agent. Raises UnknownName, InvalidQuantity.
        """
        record = self._ledger[agent]
        _known_capabilities(f"agent {agent!r}", capabilities or ())
        if total is not None and total != record.total:
            self._same_units(total, f"agent {agent!r}")
            self._change_total(record, total)
            self._trigger(agent)
        if attributes is not None and sorted(map(repr, attributes)) != sorted(
            map(repr, record.attributes)
        ):
            record.describe(attributes)
            self._refusals.clear_agent(record)
            self._maintenance.forget_refusals(agent=agent)
            self._ledger.grow(record)
            self._trigger(agent)
        if capabilities is not None and frozenset(capabilities) != record.capabilities:
            record.serve(capabilities)
            self._ledger.grow(record)
            self._trigger(agent)

    def add_resource_provider(
        self, agent: str, total: Resources, *, used: Usage | None = None
    ) -> None:
        """The agent has so much more, some of it in use. Raises UnknownName, InvalidQuantity."""
        record = self._ledger[agent]
        self._same_units(total, f"agent {agent!r}")
        reported = self._usage(used)
        self._bounded(total.quantities(), {})
        self._report(reported)
        self._change_total(record, record.total + total)
        for framework, role, amount in reported:
            self._restore(framework, role, agent, amount)
        self._react(agent)

    def remove_agent(self, agent: str) -> None:
        """Forget the agent with all that is offered and held on it. Raises UnknownName."""
        gone = self._ledger.remove(agent)
        for where, held in ((gone.offered, False), (gone.held, True)):
            for (framework, role), amount in where.items():
                if framework in self._frameworks:
                    self._ranking.unallocated(framework, role, agent, amount)
                    self._roles.moved(agent, role, amount, -1, held=held)
        for framework, role in {**gone.offered, **gone.held}:
            if framework in self._frameworks:
                self._untrack(framework, role)
        self._roles.untrack_reservations(agent, gone.total)
        self._set_total(self._bounded({}, gone.total.quantities()))
        self._refusals.clear_agent(gone)
        self._maintenance.forget_refusals(agent=agent)
        self._claims.drop(agent=agent)
        self._candidates.pop(agent, None)
        if self._eager and self._roles.quotas:
            self._trigger()  # what was out there counts for quota no more

    def activate_agent(self, agent: str) -> None:
        """Offer it again. Raises UnknownName."""
        record = self._ledger[agent]
        if not record.active:
            record.active = True
            self._ledger.inactive -= 1
            self._react(agent)

    def deactivate_agent(self, agent: str) -> None:
        """Offer it no more; it still counts. Its inverse offers are dropped. Raises UnknownName."""
        record = self._ledger[agent]
        self._ledger.inactive += record.active
        record.active = False
        if not self._lenient:
            record.asked.clear()

    def set_whitelist(self, hostnames: Sequence[str] | None) -> None:
        """Offer only agents with these host names; None: all of them."""
        self._whitelist = None if hostnames is None else frozenset(hostnames)
        if self._eager:
            self._trigger()

    # -- frameworks

    def add_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        capabilities: Sequence[str] | None = None,
        suppressed: Sequence[str] = (),
        min_allocatable: Minimums | None = None,
        constraints: OfferConstraints | None = None,
        affinity: Affinity | None = None,
        used: Usage | None = None,
        active: bool = True,
    ) -> None:
        """A new framework; if active, all agents are candidates.

        What it has on known agents counts from now on: as the agents reported, or as ``used`` says (by agent and role)
        where an agent reported nothing of it. Raises DuplicateName, InvalidName, UnknownName, InvalidOption.
        """
        if framework in self._frameworks:
            raise DuplicateName(
                f"framework {framework!r} is there already; remove it, or choose another name"
            )
        roles = self._checked_roles(framework, roles, suppressed)
        known = self._capabilities(framework, capabilities)
        there = self._ledger.agents_of(framework)
        reported = [
            (agent, role, amount)
            for agent, role, amount in self._usage(used)
            if agent in self._ledger.agents and agent not in there
        ]
        self._report(reported)
        new = Framework(framework, active)
        new.describe(known, min_allocatable, constraints)
        new.roles, new.suppressed = tuple(roles), set(suppressed)
        self._frameworks[framework] = new
        self._company.set(framework, affinity)
        for role in roles:
            self._track(new, role)
        for agent, role, amount, _ in list(self._ledger.holdings(framework)):
            self._account(framework, role, agent, amount)
        for agent, role, amount in reported:
            self._restore(framework, role, agent, amount)
        if active:
            self._trigger()

    def update_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        capabilities: Sequence[str] | None = None,
        suppressed: Sequence[str] = (),
        min_allocatable: Minimums | None = None,
        constraints: OfferConstraints | None = None,
        affinity: Affinity | None = None,
    ) -> None:
        """Replace its roles, suppressed roles, capabilities, minimum offers, constraints and affinity.

        A role that it leaves loses its refusals, and one that is suppressed no more, too. Raises UnknownName,
        InvalidName, InvalidOption.
        """
        record = self._known(framework)
        roles = self._checked_roles(framework, roles, suppressed)
        known = self._capabilities(framework, capabilities)
        old_roles, old_suppressed = record.roles, record.suppressed
        record.describe(known, min_allocatable, constraints)
        record.roles, record.suppressed = tuple(roles), set(suppressed)
        self._company.set(framework, affinity)
        for role in roles:
            if role not in old_roles:
                self._track(record, role)
            self._cycle.note_terms(record, role)
        for role in old_roles:
            if role not in roles:
                self._end_refusals(framework, role)
                self._requests.drop(framework, role)
                self._untrack(framework, role)
        for role in {*old_roles, *roles}:
            if not record.listens(role):
                self._drop_claims(framework=framework, role=role)
        for role in roles:
            if role in old_suppressed and role not in record.suppressed:
                self._end_refusals(framework, role)
        self._listen(record, {*old_roles, *roles})
        if self._lenient:
            self._maintenance.forget_refusals(framework=framework)
        for agent in self._ledger.agents.values():
            self._ledger.grow(agent)
        if self._eager:
            self._trigger()

    def remove_framework(self, framework: str) -> None:
        """Forget the framework; all it had is free again. Raises UnknownName."""
        record = self._known(framework)
        for agent, role, amount, held in list(self._ledger.holdings(framework)):
            self._ledger.give_back((framework, role), agent, amount, held=held)
            self._unaccount(framework, role, agent, amount, held=held)
            if held:
                self._refusals.freed(self._ledger[agent])
            self._react(agent)
        del self._frameworks[framework]
        self._company.set(framework, None)
        for role in record.roles:
            self._end_refusals(framework, role)
            self._requests.drop(framework, role)
            self._untrack(framework, role)
        self._clear_refusals(framework)
        self._dealing.drop(framework)
        self._drop_claims(framework=framework)
        self._maintenance.forget(framework)
        self._cycle.forget(framework)

    def activate_framework(self, framework: str) -> None:
        """Ask it again when its turn comes; all agents are candidates. Raises UnknownName."""
        record = self._known(framework)
        record.active = True
        self._listen(record, record.roles)
        self._trigger()

    def deactivate_framework(self, framework: str) -> None:
        """Ask it no more, end its refusals, drop its inverse offers; what it has counts. Raises UnknownName."""
        record = self._known(framework)
        record.active = False
        if not self._lenient:
            self._maintenance.drop(framework)
        self._listen(record, record.roles)
        self._drop_claims(framework=framework)
        for role in record.roles:
            self._end_refusals(framework, role)
        self._clear_refusals(framework)
        self._maintenance.forget_refusals(framework=framework)

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
            self._roles.set_weight(role, float(weight))
            self._ranking.set_weight(role, float(weight))

    def update_quota(self, role: str, guarantees: Resources, limits: Mapping[str, float]) -> None:
        """Guarantees and limits of a role from the next run on; both empty: no quota. A limit of 0 is one.

        Raises InvalidName, InvalidQuantity, InvalidOption where a guarantee is above its limit.
        """
        check_role(role)
        self._same_units(guarantees, f"quota of {role!r}")
        if not guarantees.is_plain or guarantees != guarantees.scalars:
            raise InvalidQuantity(f"quota of {role!r}: {guarantees} is not all plain amounts")
        for name, limit in limits.items():
            if self.space.to_units(name, limit) < guarantees.units.get(name, 0):
                raise InvalidOption(
                    f"quota of {role!r}: the guarantee of {guarantees[name]} {name} is above the limit of {limit}"
                )
        self._roles.set_quota(role, guarantees, limits)
        if self._eager:
            self._trigger()

    def suppress(self, framework: str, roles: Sequence[str] = ()) -> None:
        """Ask it no more in these roles (none named: all); refusals and offers stay. Raises UnknownName."""
        record, roles = self._subscribed(framework, roles)
        record.suppressed.update(roles)
        self._listen(record, roles)
        if self._claims:
            for role in roles:
                self._drop_claims(framework=framework, role=role)

    def revive(self, framework: str, roles: Sequence[str] = ()) -> None:
        """Ask it again in these roles (none named: all) and end its refusals there; all agents are candidates."""
        record, roles = self._subscribed(framework, roles)
        for role in record.suppressed.intersection(roles):
            self._passes.began(self._dealing.client(framework, role))
        record.suppressed.difference_update(roles)
        self._listen(record, roles)
        for role in roles:
            self._end_refusals(framework, role)
        if self._lenient:
            self._maintenance.forget_refusals(framework=framework)
        self._trigger()

    def request(
        self,
        framework: str,
        role: str,
        shape: Shape,
        since: Sequence[float],
        *,
        together: bool = False,
    ) -> None:
        """So many tasks of the shape wait, an entry each, oldest first. Raises UnknownName, InvalidOption.

        ``together``: they are offered all at once, or not at all, which takes ``offer="demand"``.
        """
        self._subscribed(framework, [role])
        if together and self._whole:
            raise InvalidOption(
                f"request of framework {framework!r}: together needs an allocator with offer='demand', "
                f"which cuts offers to tasks"
            )
        self._same_units(shape.resources, f"request of framework {framework!r}")
        waited = self._waits(framework, role)
        more = self._requests.set(framework, role, shape, since, together=together)
        self._cycle.note_terms(self._frameworks[framework], role)
        if more and not waited:
            self._passes.began(self._dealing.client(framework, role))
        if together and since:
            self._timers.set(max(since[0] + self._gangs.patience, self._now), GANG)
        self._settle_gangs()
        if more and self._backoff is not None:
            self._backoff.forget(framework, role)
        self._cycle.tell_waiting(framework, role)
        if more and self._eager:
            self._trigger()

    # -- what becomes of what was granted

    def recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        refuse_seconds: float | None = None,
        until: Event | None = None,
        allocated: bool = False,
        unmet: Tasks = (),
    ) -> None:
        """An offer, or a part of it, or what ran, comes back; the framework may refuse as much for a while.

        ``until`` is an event that ends the refusal before its time (see `drf.filters.Refusal`). Nothing happens where
        framework or agent are gone. Raises Overcommit where less than that is out, InvalidOption for a duration below 0
        (Mesos takes it as 5 s).
        """
        seconds = self._refusal(refuse_seconds)
        record, there = self._frameworks.get(framework), self._ledger.agents.get(agent)
        if record is None or there is None:
            return
        client = self._dealing.client(framework, role)
        if resources:
            held = allocated or (
                self._lenient and not self._was_offered(framework, role, agent, resources)
            )
            if self._ranking.is_flat and self._dealing.take_back(client, there, resources, held):
                if held:
                    self._roles.ended(role, resources)
            else:
                self._ledger.give_back((framework, role), agent, resources, held=held)
                self._ranking.unallocated(framework, role, agent, resources)
                self._roles.moved(agent, role, resources, -1, held=held)
            if role not in record.roles:
                self._untrack(framework, role)
            if held:
                self._refusals.freed(there)
            elif self._claims:
                self._answered(framework, role, agent)
            self._react(agent)
        if unmet:
            again = self._requests.answer(framework, role, unmet, served=False)
            if self._ranking.is_tracked(framework, role):
                self._cycle.tell_waiting(framework, role)
            if again and self._eager:
                self._trigger()  # while they were in the offer, no other agent was tried for them
        if refuse_seconds is None or not resources:
            return
        # A refusal for a role that the framework has left, or while it is away, would linger, as in Mesos it does.
        heard = record.active and role in record.roles
        self._passes.declined((client,))
        if self._backoff is not None and heard:
            seconds = max(seconds, self._backoff.declined(framework, role, self._runs))
        if seconds and (heard or self._lenient):
            seconds = min(max(seconds, self._interval or 0.0), LONGEST_REFUSAL)
            bucket = self._bucket(self._now + seconds)
            self._refusals.add(client, there, resources, bucket, until)

    def recover_dealt(self, dealt: Dealt, which: Sequence[int], refuse_seconds: float) -> None:
        """Those of the offers come back, in full, as `recover_resources` has it of one after the other; O(of them)."""
        seconds = refuse_seconds
        if seconds:
            seconds = min(max(seconds, self._interval or 0.0), LONGEST_REFUSAL)
        at = 0
        if self._all_alike(dealt, which, seconds):
            bucket = self._bucket(self._now + seconds) if seconds else None
            number, ending = (0, None) if bucket is None else (bucket.number, bucket.sites)
            at = self._dealing.decline(*dealt.columns, which, 0, number, ending)
            if bucket is not None:
                self._refusals.settle(bucket)
            self._passes.declined([dealt.clients[i] for i in which[:at]])
            if self._eager:
                for i in which[:at]:
                    self._react(dealt.sites[i].name)
        for i in which[at:]:
            grant = dealt[i]
            self.recover_resources(
                grant.framework,
                grant.agent,
                grant.role,
                grant.resources,
                refuse_seconds=refuse_seconds,
            )

    def _all_alike(self, dealt: Dealt, which: Sequence[int], seconds: float) -> bool:
        """Whether the kernel can take all of them back, and refuse them until the same moment."""
        if not self._ranking.is_flat or self._claims:
            return False
        backoff = self._backoff
        for client in {dealt.clients[i] for i in which}:
            framework, role = client.holder
            record = self._frameworks.get(framework)
            if record is None or not record.active or role not in record.roles:
                return False
            if backoff is not None and backoff.declined(framework, role, self._runs) > seconds:
                return False
        return True

    def _bucket(self, deadline: float) -> Bucket:
        """With what ends then: that of the last refusal, if nothing else was set for that very moment since."""
        last = self._timers.last(deadline)
        if isinstance(last, Bucket):
            return last
        made = self._refusals.bucket(deadline)
        self._timers.set(deadline, made)
        return made

    def transition_offered_to_allocated(
        self, framework: str, agent: str, role: str, resources: Resources, *, served: Tasks = ()
    ) -> None:
        """What was offered is used now. Raises UnknownName, Overcommit where less than that is offered."""
        self._known(framework)
        self._ledger.keep((framework, role), agent, resources)
        self._roles.kept(role, resources)
        if self._backoff is not None:
            self._backoff.accepted(framework, role, self._runs)
        self._answered(framework, role, agent)
        if served:
            self._requests.answer(framework, role, served, served=True)
            self._cycle.tell_waiting(framework, role)

    def update_allocation(
        self,
        framework: str,
        agent: str,
        role: str,
        offered: Resources,
        conversions: Conversions,
    ) -> None:
        """A framework reserves, unreserves, makes or destroys volumes out of what it was offered; it is no grant.

        Raises UnknownName, Overcommit where the offer, or by now the agent, does not hold what is consumed.
        """
        self._known(framework)
        record = self._ledger[agent]
        if not offered <= record.offered.get((framework, role), Resources(space=self.space)):
            raise Overcommit(
                f"framework {framework!r} was not offered {offered} on agent {agent!r} for role {role!r}"
            )
        updated, total = offered, record.total
        for consumed, converted in conversions:
            updated = updated - consumed + converted
            if consumed:
                total = total - consumed + converted
        self._bounded(total.quantities(), record.total.quantities())
        old_total = record.total
        self._ledger.convert((framework, role), agent, offered, updated, total)
        self._ranking.converted(framework, role, agent, offered, updated)
        self._roles.moved(agent, role, offered, -1, held=False)
        self._roles.moved(agent, role, updated, 1, held=False)
        self._totals_changed(agent, old_total, total)

    def update_available(self, agent: str, conversions: Conversions) -> None:
        """An operator reserves, unreserves, makes or destroys volumes out of what is free.

        Raises UnknownName, Overcommit where what is free does not hold what is consumed.
        """
        record = self._ledger[agent]
        free, total = record.free, record.total
        for consumed, converted in conversions:
            free = free - consumed + converted
            total = total - consumed + converted
        self._change_total(record, total)
        self._react(agent)

    # -- reclaims

    def situation(self, framework: str, role: str, shape: Shape) -> Situation:
        """What a plan for such tasks of the framework rests on; O(agents + clients x depth).

        Raises UnknownName, InvalidOption where it wants no offers in the role.
        """
        record, _ = self._subscribed(framework, [role])
        if self._whole and not record.short:
            shape = shape._replace(duration=None)  # it is offered no room for short tasks
        if not record.listens(role):
            raise InvalidOption(
                f"framework {framework!r} wants no offers for role {role!r}; activate or revive it first"
            )
        agents = [
            agent
            for _, agent in sorted(self._ledger.agents.items())
            if self._is_usable(agent)
            and self._cycle.may_run(record, role, agent, shape, whole=self._whole)
        ]
        return situation(
            role,
            record,
            shape,
            agents,
            ledger=self._ledger,
            ranking=self._ranking,
            roles=self._roles,
            claims=self._claims,
            total=self._quantities,
            budget=self._budget(),
        )

    def claim(
        self, framework: str, role: str, agent: str, amount: Resources, deadline: float
    ) -> None:
        """Keep so much of the agent for the framework until an interval (or 1 s) after the deadline.

        It is offered to nobody else before it was offered to the framework, in one piece. The framework's refusals in
        the role end: it wants this. Raises UnknownName.
        """
        self._subscribed(framework, [role])
        record = self._ledger[agent]
        until = deadline + (self._interval or 1.0)
        self._claims.add(framework, role, agent, amount, until)
        self._timers.set(until, CLAIM_END)
        self._end_refusals(framework, role)
        self._ledger.grow(record)
        self._react(agent)

    def _answered(self, framework: str, role: str, agent: str) -> None:
        """An offer there was answered: what was kept for it, and offered, is kept no more."""
        self._drop_claims(framework=framework, role=role, agent=agent, met=True)

    def _drop_claims(self, **which: Any) -> None:
        if self._claims:
            self._unclaimed(self._claims.drop(**which))

    def _unclaimed(self, agents: Iterable[str]) -> None:
        """Room that was kept for somebody is for all again."""
        for agent in agents:
            self._ledger.grow(self._ledger.agents[agent])
            self._react(agent)

    # -- maintenance

    def update_unavailability(self, agent: str, unavailability: Unavailability | None) -> None:
        """Planned maintenance from a moment on, for a time (None: for good), or none any more; a candidate."""
        self._maintenance.plan(agent, unavailability)
        self._trigger(agent)

    def update_inverse_offer(
        self, agent: str, framework: str, status: str | None, refuse_seconds: float | None = None
    ) -> None:
        """What a framework says to an inverse offer: ACCEPT, DECLINE, or None: it ran out, or was dropped.

        It may refuse further ones for a while. Raises UnknownName, InvalidOption.
        """
        self._known(framework)
        seconds = self._refusal(refuse_seconds)
        until = self._now + min(seconds, LONGEST_REFUSAL) if seconds else None
        self._maintenance.answer(agent, framework, status, until)
        if until is None:
            self._react(agent)
        elif self._eager:
            self._timers.set(until, InverseEnd(agent))

    def inverse_offer_statuses(self) -> dict[str, dict[str, str]]:
        """What frameworks said last, by agent with planned maintenance; O(agents)."""
        return self._maintenance.statuses()

    # -- fail-over, time and decisions

    def recover(self, expected_agents: int, quotas: Mapping[str, Quota]) -> None:
        """A new master knows quotas and how many agents to expect: wait for most of them before deciding.

        Without quotas there is no need to wait. Call it before any agent comes. Raises InvalidOption.
        """
        if self._ledger.agents:
            raise InvalidOption(
                f"recover comes before any agent, {len(self._ledger.agents)} are there; call it first"
            )
        if expected_agents < 0:
            raise InvalidOption(f"{expected_agents} expected agents; it is 0 or more")
        if not quotas:
            return
        for role, (guarantees, limits) in quotas.items():
            self.update_quota(role, guarantees, limits)
        threshold = int(expected_agents * RECOVERY_PART)
        if threshold:
            self._expected = threshold
            self._timers.set(self._now + RECOVERY_SECONDS, RECOVERED)

    def pause(self) -> None:
        """Decide nothing until resumed. Pauses nest.

        What triggers a run meanwhile is remembered, but with ``react="interval"``, as in Mesos.
        """
        self._paused += 1

    def resume(self) -> None:
        """End the last pause. Raises InvalidOption where there is none."""
        if not self._paused:
            raise InvalidOption("the allocator is not paused; resume once for each pause")
        self._paused -= 1

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
                    # Where a double is too coarse for now and interval, the sum is now: it must still be later.
                    later = math.nextafter(self._now, math.inf)
                    self._timers.set(max(self._now + self._interval, later), TICK)
            elif due[1] is RECOVERED:
                self._expected = None
            elif due[1] is GANG:
                self._settle_gangs()
                self._trigger()
            elif due[1] is CLAIM_END:
                self._drop_claims(ended=self._now)
            elif isinstance(due[1], InverseEnd):
                if due[1].agent in self._ledger.agents:
                    self._react(due[1].agent)
            else:
                for agent in self._refusals.end(due[1]):
                    self._ledger.grow(agent)
                    self._react(agent.name)

    def next_deadline(self) -> float | None:
        """When `advance` and `run` should be called again at the latest, None for never; O(1)."""
        return self._timers.next()

    def consider_all(self) -> None:
        """All agents are candidates of the next run; O(1)."""
        self._all = True

    def run(self) -> Outcome:
        """Decide over the candidates, over all agents where that is due; O(candidates x frameworks) at worst.

        Raises PluginError where the policy or the scorer fails, or the policy failed since the last run: nothing is
        decided then, and the next run is about the same candidates.
        """
        if self._ranking.failure is not None:
            raise self._ranking.told_failure()
        outcome = Outcome()
        due = self._tick_due or self._all or self._candidates
        held_off = self._held_off()
        if due and not held_off:
            outcome = self._decide_or_undo() if self._may_fail else self._decide()
        self._tick_due = False
        if not held_off:
            self._all = False
            self._candidates.clear()
            if due:
                self._settle_gangs()
                if self._requests.gangs:
                    try:
                        self._keep_for_gangs()
                    except PluginError as error:  # what was decided before is decided
                        self._ranking.note_failure(error)
            if self._eager and self._company.seeks:
                for grant in outcome.grants:  # others may want to be near
                    self._react(grant.agent)
        self._fire()
        return outcome

    def _decide_or_undo(self) -> Outcome:
        """Decide; where a policy or a scorer raises, all is as before, but for what a policy drew and remembers."""
        random, runs = self._random.state, self._runs
        self._ranking.begin_trial()
        self._requests.begin()
        self._claims.begin()
        try:
            outcome = self._decide()
        except Exception:
            for framework, role, agent, amount in reversed(self._ranking.end_trial()):
                self._ledger.give_back((framework, role), agent, amount, held=False)
                self._ranking.undo(framework, role, agent, amount)
                self._roles.moved(agent, role, amount, -1, held=False)
            self._requests.undo()
            self._claims.undo()
            if self._ranking.by_waiting:
                for framework, role in self._ranking.tracked():
                    self._cycle.tell_waiting(framework, role)
            self._random.state, self._runs = random, runs
            self._ranking.failure = None  # it is what is raised
            raise
        self._ranking.end_trial()
        return outcome

    def _decide(self) -> Outcome:
        candidates = self._ledger.by_name()
        wanted, agents = self._candidates, self._ledger.agents
        if not (self._tick_due or self._all or len(wanted) == len(agents)):
            candidates = [agents[name] for name in sorted(wanted)]
        self._runs += 1
        usable = self._usable(candidates)
        if self._whole:
            grants = self._whole_agents(usable)
        else:
            budget = self._budget()
            grants = self._cycle.shared(self._arranged(usable), budget)
        if not isinstance(grants, Dealt):
            self._dealing.recount((grant.framework, grant.role) for grant in grants)
        self._passes.ran(self._dealing.counted(self._passes.runs + 1, self._now))
        inverse = self._maintenance.offers(candidates, self._frameworks, self._now)
        return Outcome(grants, inverse)

    def _whole_agents(self, agents: Sequence[Agent]) -> Sequence[Grant]:
        """Whole agents, given by name: by the kernel, if it is for all that is free."""
        quota = bool(self._roles.quotas)
        twice = quota and self._roles.guaranteed(below=self._tree_quota)
        found = self._dealing.survey(agents) if quota else MIXED
        if found == NOTHING and not callable(self._agent_order):
            if self._agent_order == "random":
                # As if they had been shuffled.
                self._random.skip((1 + twice) * max(len(agents) - 1, 0))
            return ()
        first = second = self._arranged(agents)
        if twice:
            second = self._arranged(agents)
        if found == PLAIN and self._roles.is_plain and self._cycle.is_plain():
            beside = self._beside() if self._tree_quota else frozenset()
            if not beside:
                lacking = any(self._roles.board.lacking)
                return self._cycle.dealt_within(
                    first,
                    second,
                    self._headroom(beside) if lacking else None,
                    live=self._tree_quota,
                )
        return self._cycle.whole(first, second, self._budget())

    def _usable(self, agents: list[Agent]) -> list[Agent]:
        """Those that are offered at all, not to be changed."""
        if self._whitelist is None and not self._ledger.inactive:
            return agents
        return [agent for agent in agents if self._is_usable(agent)]

    # -- questions

    def share(self, framework: str, role: str | None = None) -> float:
        """The framework's dominant share, in one of its roles or the largest of them; O(roles). Raises UnknownName."""
        record = self._known(framework)
        roles = record.roles if role is None else self._subscribed(framework, [role])[1]
        return max(self._ranking.frameworks(r).share(framework) for r in roles)

    def role_shares(self) -> dict[str, float]:
        """The dominant share of each role with frameworks, divided by its weight; O(roles)."""
        return {role: self._ranking.roles.share(role) for role in self._ranking.served()}

    def refusals(self) -> int:
        """How many refusals are live; O(refusals)."""
        return len(self._refusals)

    def holdings(self, framework: str) -> list[tuple[str, str, Resources, bool]]:
        """Agent, role, amount and whether it is used (else offered) of all it has. Raises UnknownName."""
        self._known(framework)
        return list(self._ledger.holdings(framework))

    def why(self, framework: str) -> Why:
        """Its shares, who is ahead and what keeps each agent from it, by role; O(agents x roles of it + clients).

        Raises UnknownName.
        """
        record = self._known(framework)
        budget = self._budget()
        return Why(framework, tuple(self._standing(record, role, budget) for role in record.roles))

    def starving(self, at_least: int = 1) -> list[Starving]:
        """Who waits and was passed over in at least so many runs, the longest first; O(those x why)."""
        budget = self._budget()
        out = []
        for framework, role in self._ranking.tracked():
            record = self._frameworks.get(framework)
            if record is None or not record.listens(role):
                continue
            if not self._waits(framework, role):
                continue
            found = self._passes.of(self._dealing.client(framework, role))
            if found is None or found.runs < at_least:
                continue
            standing = self._standing(record, role, budget)
            rules: dict[str, int] = {}
            for obstacle in standing.obstacles.values():
                rules[obstacle.rule] = rules.get(obstacle.rule, 0) + 1
            ahead = tuple(a.name for a in (*standing.roles_ahead, *standing.frameworks_ahead))
            out.append(replace(found, rules=rules, ahead=ahead))
        return sorted(out, key=lambda each: (-each.runs, each.framework, each.role))

    def _waits(self, framework: str, role: str) -> bool:
        """Whether it wants more: tasks wait, or it never said what it needs and gets whole agents."""
        queue = self._requests.get(framework, role)
        if queue is None:
            return self._whole
        return any(ask.unmet > 0 for ask in queue.asks.values())

    def _standing(self, record: Framework, role: str, budget: Budget | None) -> Standing:
        sorter = self._ranking.frameworks(role)
        held = sorter.held(record.name).units
        shares = {
            name: held.get(name, 0) / total for name, total in self._quantities.items() if total
        }
        dominant = max(shares, key=lambda name: shares[name], default=None)
        silent = None
        if not record.active:
            silent = "the framework is inactive"
        elif role in record.suppressed:
            silent = "the role is suppressed"
        elif self._held_off():
            silent = "the allocator is paused, or waits for agents after a recovery"
        roles = self._ranking.roles.sort()
        roles_ahead = _before(roles, role, self._ranking.roles)
        ahead = _before(sorter.sort(), record.name, sorter)
        obstacles, free = {}, []
        together: dict[Shape, bool] = {}
        for name in sorted(self._ledger.agents):
            agent = self._ledger.agents[name]
            if not agent.active:
                found: Obstacle | None = Obstacle("deactivated", "the agent is not offered")
            elif not self._is_usable(agent):
                found = Obstacle("whitelist", f"host {agent.hostname!r} is not on it")
            else:
                found = self._cycle.obstacle(
                    record, role, agent, budget, whole=self._whole, together=together
                )
            if found is None:
                free.append(name)
            else:
                obstacles[name] = found
        return Standing(
            role,
            {name: share for name, share in shares.items() if share},
            dominant if dominant is not None and shares[dominant] else None,
            None if silent else len(roles_ahead) + len(ahead),
            silent,
            roles_ahead,
            ahead,
            obstacles,
            tuple(free),
        )

    def entitlement(self, framework: str, role: str, shape: Shape | None = None) -> Entitlement:
        """What it would get in the role with unlimited demand for the shape; see `drf.entitlement`.

        O(agents + chunks log clients). Raises UnknownName, InvalidOption.
        """
        record, _ = self._subscribed(framework, [role])
        agents = [agent for agent in self._ledger.agents.values() if self._is_usable(agent)]
        held = self._ranking.frameworks(role).held(framework)
        units = self._shape_of(framework, role, shape, held, agents)
        fresh = Ranking(self.policy, self.space, 0, self.options["exclude"])
        fresh.set_total(self._ranking.roles.total())
        roles = RoleTree()
        for node in self._roles:
            roles.set_weight(node.name, node.weight)
            fresh.set_weight(node.name, node.weight)
        for role_name, node in self._roles.quotas.items():
            limits = {n: self.space.to_amount(n, q) for n, q in node.limits.items()}
            guarantees = Resources.from_units(node.guarantees, space=self.space)
            roles.set_quota(role_name, guarantees, limits)
        for agent in self._ledger.agents.values():
            roles.track_reservations(agent.name, agent.total)
        one = (framework, role)
        wants = {client: self._wants(*client, one, units) for client in self._ranking.tracked()}
        fresh.advance(self._now)
        for client, queue in wants.items():
            fresh.track(*client, active=True)
            if queue:
                fresh.waiting(*client, queue[0].since)
        free: dict[str, int] = {}
        for agent in agents:
            add_to(free, agent.total.split(regular_scalar).quantities(), 1)
        budget = Budget(roles, tree=self._tree_quota, free=lambda: free) if roles.quotas else None
        got = fill(fresh, Pool(agents), budget, wants, one, reachable(record, role, agents))
        counted = self._ranking.frameworks(role)
        names = dict.fromkeys((*got, *held.units))
        return Entitlement(
            framework,
            role,
            Resources.from_units(units, space=self.space),
            Resources.from_units(got, space=self.space),
            fresh.frameworks(role).share(framework),
            held,
            counted.share(framework),
            {
                name: change / self.space.scale(name)
                for name in names
                if (change := got.get(name, 0) - held.units.get(name, 0))
            },
            equal_part(role, self._ranking.served(), self._roles, len(counted)),
            1 / CHUNKS,
        )

    def _shape_of(
        self,
        framework: str,
        role: str,
        shape: Shape | None,
        held: Resources,
        agents: Sequence[Agent],
    ) -> Mapping[str, int]:
        """Which proportions are meant: those given, its oldest waiting shape, what it holds, or those of the pool."""
        if shape is not None:
            self._same_units(shape.resources, f"shape of framework {framework!r}")
        else:
            queue = self._requests.get(framework, role)
            ask = None if queue is None else next(queue.unmet(0), None)
            shape = None if ask is None else ask.shape
        units = dict((held if shape is None else shape.resources).quantities())
        if shape is None and not units:
            for agent in agents:
                add_to(units, agent.total.quantities(), 1)
        if not units:
            raise InvalidOption(
                f"framework {framework!r} holds and asks for no amounts, and no agent has any; give a shape"
            )
        return units

    def _wants(
        self, framework: str, role: str, one: tuple[str, str], units: Mapping[str, int]
    ) -> list[Want]:
        """What a framework wants when the pool is divided anew: what it has, what it asks for; one of them, no end."""
        queue = self._requests.get(framework, role)
        asks = list(queue.unmet(0)) if queue is not None else []
        out = []
        held = self._ranking.frameworks(role).held(framework).units
        mine = (framework, role) == one
        # What was given already was waited for before all else; a policy that goes by waiting leaves it to its holder.
        if held and (not mine or self._ranking.by_waiting):
            out.append(want(self._quantities, held, since=-math.inf))
        if mine:
            since = min((ask.since[ask.offered] for ask in asks), default=self._now)
            return [*out, want(self._quantities, units, endless=True, since=since)]
        for ask in asks:
            amount = ask.shape.resources.quantities()
            if amount:
                total = {name: q * ask.unmet for name, q in amount.items()}
                out.append(want(self._quantities, total, since=ask.since[ask.offered]))
        return out

    def overview(self) -> audit.Overview:
        """Who is there, and with what; O(agents + holders + roles)."""
        return audit.overview(
            self._ledger,
            self._ranking,
            self._roles,
            self._requests,
            self._frameworks,
            self.space,
        )

    def metrics(self) -> dict[str, float]:
        """What is there and out, shares, refusals and quota, under Mesos's names; O(agents + roles)."""
        found = audit.metrics(
            self._ledger,
            self._ranking,
            self._roles,
            self._refusals,
            self._quantities,
            self.space,
        )
        return {"allocator/mesos/allocation_runs": self._runs, **found}

    def check(self) -> None:
        """Re-derive every invariant of ledger, orders, roles, refusals and claims; O(state). Raises InvariantBroken."""
        audit.check(
            self._ledger,
            self._ranking,
            self._roles,
            self._refusals,
            self._frameworks,
            self._claims,
            self._quantities,
            self.space,
        )

    # -- snapshots

    def state(self) -> dict[str, Any]:
        """All that decisions depend on, but for options, policy and units, as plain JSON values; O(state)."""
        number = self._refusals.numbered()
        return {
            "ledger": self._ledger.state(),
            "frameworks": [record.state() for record in self._frameworks.values()],
            "roles": self._roles.state(),
            "ranking": self._ranking.state(),
            "refusals": self._refusals.state(),
            "requests": self._requests.state(),
            "company": self._company.state(),
            "claims": self._claims.state(),
            "gangs": self._gangs.state(),
            "backoff": None if self._backoff is None else self._backoff.state(),
            "maintenance": self._maintenance.state(),
            "timers": [
                [deadline, _timed(item, number)] for deadline, item in self._timers.entries()
            ],
            "quantities": pairs(self._quantities),
            "reported": pairs(self._reported),
            "whitelist": None if self._whitelist is None else sorted(self._whitelist),
            "candidates": sorted(self._candidates),
            "all": self._all,
            "tick_due": self._tick_due,
            "paused": self._paused,
            "expected": self._expected,
            "now": self._now,
            "runs": self._runs,
            "random": stream(self._random.state),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take that back into a new allocator with the same options, policy and units; O(state log state).

        What follows from the rest is derived anew. Raises InputError where it does not fit together.
        """
        self._ledger.load(state["ledger"], self.space)
        for its in state["frameworks"]:
            record = Framework(its["name"], bool(its["active"]))
            record.load(its, self.space)
            if self._frameworks.setdefault(record.name, record) is not record:
                raise InputError(f"framework {record.name!r} is in the snapshot twice")
        self._ranking.load(state["ranking"])  # first of all: it says which column is which
        self._roles.load(state["roles"])
        told, self._roles.on_idle = self._roles.on_idle, None  # the orders have it already
        self._derive_roles()
        self._roles.on_idle = told
        self._requests.load(state["requests"], self.space)
        self._company.load(state["company"])
        self._claims.load(state["claims"], self.space)
        self._gangs.load(state["gangs"], self.space)
        if self._backoff is not None:
            self._backoff.load(state["backoff"])
        self._maintenance.load(state["maintenance"])
        self._timers = Timers()
        buckets: dict[int, Bucket] = {}
        for deadline, item in state["timers"]:
            moment(deadline, "a deadline")
            self._timers.set(deadline, self._due(item, buckets, deadline))
        self._refusals.load(state["refusals"], buckets, self._dealing.client, self.space)
        for framework, role in self._ranking.tracked():
            self._cycle.note_terms(self._frameworks[framework], role)
        self._quantities = read_units(state["quantities"])
        self._reported = read_units(state["reported"])
        listed = state["whitelist"]
        self._whitelist = None if listed is None else frozenset(listed)
        there = self._ledger.agents
        self._candidates = dict.fromkeys(name for name in state["candidates"] if name in there)
        self._all, self._tick_due = bool(state["all"]), bool(state["tick_due"])
        self._paused = whole(state["paused"], "pauses")
        self._expected = None
        if state["expected"] is not None:
            self._expected = whole(state["expected"], "expected agents")
        self._now = moment(state["now"], "the time")
        self._runs = whole(state["runs"], "runs")
        self._random.state = int(state["random"], 16)

    def _derive_roles(self) -> None:
        for framework, role in self._ranking.tracked():
            self._roles.track_framework(framework, role)
        self._roles.track_agents(self._ledger.agents.values(), self._frameworks)

    def _due(self, item: Any, buckets: dict[int, Bucket], deadline: float) -> Any:
        """What the timer of a snapshot stands for; notes the bucket of refusals by their places."""
        (kind, which), *more = item.items()
        if kind == "refusals" and not more:
            made = self._refusals.bucket(deadline)
            buckets.update((whole(place, "a refusal"), made) for place in which)
            return made
        if kind == "inverse" and not more:
            return InverseEnd(which)
        if kind == "event" and which in _EVENTS and not more:
            return _EVENTS[which]
        raise InputError(f"{item!r} is no timer")

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

    def _checked_roles(
        self, framework: str, roles: Sequence[str], suppressed: Sequence[str]
    ) -> list[str]:
        found = list(dict.fromkeys(check_role(role) for role in roles))
        if not found:
            raise InvalidOption(
                f"framework {framework!r} has no role; give at least one, such as '*'"
            )
        for role in suppressed:
            if role not in found:
                raise UnknownName(f"role in suppressed of framework {framework!r}:", role, found)
        return found

    def _capabilities(self, framework: str, given: Sequence[str] | None) -> frozenset[str]:
        if given is None:
            return DEFAULT if self._capable else frozenset()
        return _known_capabilities(f"framework {framework!r}", given)

    def _usage(self, used: Usage | None) -> list[tuple[str, str, Resources]]:
        out = []
        for where, by_role in (used or {}).items():
            for role, amount in by_role.items():
                check_role(role)
                self._same_units(amount, f"what {where!r} uses")
                if amount:
                    out.append((where, role, amount))
        return out

    def _report(self, reported: Iterable[tuple[str, str, Resources]]) -> None:
        """Bound what was reported, which no total bounds, before anything changes."""
        new = dict(self._reported)
        for _, _, amount in reported:
            add_to(new, amount.quantities(), 1)
        for name, units in new.items():
            if units > LIMIT - self._quantities.get(name, 0):
                raise InvalidQuantity(
                    f"the reported use of {name} would be {units} units, above the limit of 2**53 with the totals; "
                    f"use a coarser unit"
                )
        self._reported = new

    def _track(self, framework: Framework, role: str) -> None:
        """The framework takes its turns in the role, if it does not already for what it has left there."""
        if not self._ranking.is_tracked(framework.name, role):
            self._passes.began(self._dealing.client(framework.name, role))
            self._ranking.track(framework.name, role, active=framework.listens(role))
            self._roles.track_framework(framework.name, role)
            self._cycle.note_terms(framework, role)

    def _untrack(self, framework: str, role: str) -> None:
        """A role that the framework has left is forgotten when nothing is out in it any more."""
        record = self._frameworks.get(framework)
        if record is not None and role in record.roles:
            return
        if not self._ranking.is_tracked(framework, role):
            return
        if record is None or not any(r == role for _, r, _, _ in self._ledger.holdings(framework)):
            self._passes.ended(self._dealing.client(framework, role))
            self._ranking.untrack(framework, role)
            self._roles.untrack_framework(framework, role)
        else:
            self._ranking.set_active(framework, role, False)

    def _restore(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        self._ledger.restore((framework, role), agent, amount)
        if framework in self._frameworks:
            self._account(framework, role, agent, amount)

    def _account(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        self._track(self._frameworks[framework], role)
        self._ranking.allocated(framework, role, agent, amount)
        self._roles.moved(agent, role, amount, 1, held=True)

    def _unaccount(
        self, framework: str, role: str, agent: str, amount: Resources, *, held: bool
    ) -> None:
        self._ranking.unallocated(framework, role, agent, amount)
        self._roles.moved(agent, role, amount, -1, held=held)
        self._untrack(framework, role)

    def _listen(self, record: Framework, roles: Iterable[str]) -> None:
        for role in sorted(roles):
            self._ranking.set_active(record.name, role, record.listens(role))

    def _was_offered(self, framework: str, role: str, agent: str, amount: Resources) -> bool:
        """Mesos does not care whether what comes back was offered or ran; here it must be one of them."""
        offered = self._ledger[agent].offered.get((framework, role))
        return offered is not None and amount <= offered

    def _refusal(self, seconds: float | None) -> float:
        if seconds is None:
            return 0.0
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise InvalidOption(f"refuse_seconds is {seconds!r}; it is a number of seconds")
        if seconds >= 0:
            return float(seconds)
        if not self._lenient:
            raise InvalidOption(f"refuse_seconds is {seconds!r}; it is 0 (no refusal) or more")
        return DEFAULT_REFUSAL

    def _is_usable(self, agent: Agent) -> bool:
        return agent.active and (self._whitelist is None or agent.hostname in self._whitelist)

    def _budget(self) -> Budget | None:
        """What quota says now; None where there is none."""
        if not self._roles.quotas:
            return None
        claimed = (
            (claim.role, claim.waiting.split(regular_scalar).quantities()) for claim in self._claims
        )
        beside = self._beside() if self._tree_quota else frozenset()
        return Budget(
            self._roles,
            tree=self._tree_quota,
            free=lambda: self._headroom(beside),
            claimed=claimed,
            beside=beside,
        )

    def _beside(self) -> frozenset[str]:
        """Agents that no framework can use whose role lacks a guarantee: O(frameworks + agents x those that are picky).

        What it refused for a time it can use. A role without frameworks may have some later, which may use anything.
        """
        lacking = {
            name
            for name, node in self._roles.quotas.items()
            if less(node.guarantees, node.consumed())
        }
        if not lacking:
            return frozenset()
        picky = []
        served = set()
        for framework, role in self._ranking.tracked():
            above = lacking.intersection(line_of(role))
            record = self._frameworks.get(framework)
            if not above or record is None or not record.listens(role):
                continue
            if not self._is_picky(record):
                return frozenset()
            served |= above
            picky.append((record, role))
        if served != lacking:
            return frozenset()
        return frozenset(
            name
            for name, agent in self._ledger.agents.items()
            if not any(self._cycle.is_willing(record, role, agent) for record, role in picky)
        )

    def _is_picky(self, record: Framework) -> bool:
        """Whether there can be agents that it cannot use."""
        return (
            record.constraints is not None
            or not (record.gpus and record.regions)
            or bool(self._company)
        )

    def _headroom(self, beside: frozenset[str]) -> Mapping[str, int]:
        """What guarantees can count on: in Mesos of the whole cluster, else of agents that can serve them."""
        agents = self._ledger.agents.values()
        if self._tree_quota:
            if not beside and not self._claims:
                usable = self._usable(self._ledger.by_name())
                if self._dealing.survey(usable) != MIXED:
                    return self._dealing.by_name(self._dealing.free_on(usable))
            free: dict[str, int] = {}
            for agent in agents:
                if self._is_usable(agent) and agent.name not in beside:
                    room = self._claims.unclaimed(agent.free, agent.name)
                    add_to(free, room.split(regular_scalar).quantities(), 1)
            return free
        out: dict[str, int] = {}
        if self._ranking.is_flat and not self._roles.reservations:
            out = self._dealing.by_name(self._ranking.all_out())
        else:
            for role in self._ranking.served():
                add_to(out, self._ranking.out(role), 1)
        revocable = (
            agent.free.split(_is_revocable).quantities()
            for agent in agents
            if not agent.free.is_plain
        )
        return headroom(self._quantities, out, self._roles, revocable)

    def _everywhere(self) -> list[Agent]:
        """All agents that are offered at all, in the order in which they are visited."""
        agents = self._usable(self._ledger.by_name())
        if self._agent_order == "random":
            return agents  # one more shuffle would change the decisions of others
        return self._arranged(agents)

    def _settle_gangs(self) -> None:
        """Room that is kept for a gang which has all, or whose time is over, is free for all again."""
        self._unclaimed(self._gangs.settle(self._now))

    def _keep_for_gangs(self) -> None:
        """Begin to keep room for a gang that waited too long."""
        until = self._gangs.keep(
            self._ranking.turns(), self._everywhere(), self._gang_fit, self._now
        )
        if until is not None:
            self._timers.set(until, GANG)
            self._timers.set(until + self._gangs.patience, GANG)

    def _gang_fit(self, gang: Gang, agent: Agent, room: Resources) -> int:
        framework, role, shape = gang
        record = self._frameworks[framework]
        if not self._cycle.may_run(record, role, agent, shape, whole=False):
            return 0
        regular = room.allocatable_to(role)
        most = self._gangs.waiting(gang)
        return sum(count for _, count in record.carve_many(role, regular, shape, most))

    def _arranged(self, agents: Sequence[Agent]) -> list[Agent]:
        """Agents, given by name, in the order in which they are visited."""
        if callable(self._agent_order):
            scores = {agent.name: self._score(self._agent_order, agent) for agent in agents}
            return sorted(agents, key=lambda agent: scores[agent.name], reverse=True)
        if self._agent_order in ("pack", "spread"):
            return sorted(agents, key=self._room, reverse=self._agent_order == "spread")
        out = list(agents)
        if self._agent_order == "random":
            self._random.state = shuffle(out, self._random.state)
        return out

    def _score(self, scorer: Scorer, agent: Agent) -> float:
        view = AgentView(
            agent.name,
            agent.hostname,
            agent.total,
            agent.free,
            dict(agent.attributes),
            tuple(agent.frameworks()),
        )
        try:
            score = scorer(view)
        except Exception as error:
            raise PluginError(
                f"the scorer of agents raised {error!r} for agent {agent.name!r}"
            ) from error
        if not isinstance(score, (int, float)) or math.isnan(score):
            raise PluginError(
                f"the scorer of agents gave {score!r} for agent {agent.name!r}; it must give a number"
            )
        return score

    def _room(self, agent: Agent) -> float:
        """How much is free there: its parts of the cluster's totals, added up."""
        room = 0.0
        for name, units in agent.free.quantities().items():
            room += units / self._quantities[name]
        return room

    def _shuffled_items(self, items: Iterable[Item]) -> list[Item]:
        out = list(items)
        self._random.shuffle(out)
        return out

    def _held_off(self) -> bool:
        return self._paused > 0 or self._expected is not None

    def _trigger(self, agent: str | None = None) -> None:
        """A run over this agent, or all of them, is wanted; while held off Mesos forgets that.

        Quota couples agents: what happens on one may allow an offer of another.
        """
        if self._held_off() and not self._eager:
            return
        if agent is None or (self._eager and self._roles.quotas):
            self._all = True
        else:
            self._candidates[agent] = None

    def _react(self, agent: str) -> None:
        if self._eager:
            self._trigger(None if self._company.spans else agent)

    def _end_refusals(self, framework: str, role: str) -> None:
        if self._backoff is not None:
            self._backoff.forget(framework, role)
        for agent in self._refusals.clear(self._dealing.client(framework, role)):
            self._ledger.grow(agent)

    def _clear_refusals(self, framework: str) -> None:
        """End all refusals of a framework, also those for roles that it has left."""
        for client in self._dealing.known(framework):
            self._refusals.clear(client)

    def _same_units(self, amount: Resources, what: str) -> None:
        if amount.space != self.space:
            raise InvalidOption(f"{what}: {amount} is counted in other units than {self.space}")

    def _bounded(self, more: Mapping[str, int], gone: Mapping[str, int]) -> dict[str, int]:
        """The new totals of the cluster, checked before anything changes."""
        new = dict(self._quantities)
        add_to(new, gone, -1)
        add_to(new, more, 1)
        for name, units in new.items():
            if units > LIMIT:
                raise InvalidQuantity(
                    f"the cluster's {name} would be {units} units, above the limit of 2**53; use a coarser unit"
                )
        return new

    def _change_total(self, record: Agent, total: Resources) -> None:
        self._bounded(total.quantities(), record.total.quantities())
        old = record.total
        self._ledger.set_total(record.name, total)
        if not total <= old:
            self._refusals.freed(record)
        self._totals_changed(record.name, old, total)

    def _totals_changed(self, agent: str, old: Resources, new: Resources) -> None:
        self._set_total(self._bounded(new.quantities(), old.quantities()))
        self._roles.untrack_reservations(agent, old)
        self._roles.track_reservations(agent, new)

    def _set_total(self, quantities: dict[str, int]) -> None:
        self._quantities = quantities
        self._ranking.set_total(Resources.from_units(quantities, space=self.space))


def _timed(item: Any, number: Mapping[int, Sequence[int]]) -> Any:
    """What a timer stands for, in a snapshot; refusals by their places among those that live."""
    if isinstance(item, Bucket):
        return {"refusals": list(number.get(item.number, ()))}
    return {"inverse": item.agent} if isinstance(item, InverseEnd) else {"event": item}


def _known_capabilities(whose: str, given: Sequence[str]) -> frozenset[str]:
    for capability in given:
        if capability not in CAPABILITIES:
            raise UnknownName(f"capability of {whose}:", capability, CAPABILITIES)
    return frozenset(given)


def _before(names: Sequence[str], name: str, sorter: Sorter) -> tuple[Ahead, ...]:
    """Those who stand before it, with their shares and by how much these are lower."""
    place = names.index(name) if name in names else len(names)
    own = sorter.share(name)
    return tuple(Ahead(n, sorter.share(n), own - sorter.share(n)) for n in names[:place])


def _is_revocable(name: str, tag: Tag, scalar: bool) -> bool:
    return scalar and tag.revocable
