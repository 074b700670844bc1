"""The facade: an offer book over any allocator plug-in.

Verbs take names and amounts as people write them and check them; what the plug-in decides becomes offers with ids.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ParamSpec, Self, TypeVar

from drf.advice import advise
from drf.affinity import Affinity
from drf.amounts import Amounts
from drf.audit import Overview
from drf.constraints import OfferConstraints
from drf.dealing import Dealt
from drf.errors import (
    DRFError,
    InputError,
    InvalidName,
    InvalidOption,
    InvariantBroken,
    NotSupported,
    Overcommit,
    PluginError,
    ReentrantCall,
    StalePlan,
    UnknownName,
)
from drf.explain import Effect, Entitlement, WhatIf, Why
from drf.filters import FREED
from drf.guard import Guard
from drf.hierarchical import LONGEST_REFUSAL, HierarchicalAllocator
from drf.observers import Observers
from drf.offers import Block, Decisions, Offer, OfferBook
from drf.plugins import (
    ALLOCATORS,
    AllocatorPlugin,
    Grant,
    Observer,
    Policy,
    Scorer,
    Unavailability,
    obtain,
    registered,
)
from drf.reclaim import BudgetLike, Demand, Plan, check_grace, make_plan, read_budget
from drf.resources import Resources, ResourcesLike, ResourceSpace, Shape
from drf.short import read_short, untagged
from drf.snapshot import moment, opened, sealed
from drf.starvation import Starving
from drf.takeback import Takebacks
from drf.tasks import Holding, Task, TaskBook, TaskSpec

P = ParamSpec("P")
R = TypeVar("R")

AttributesLike = Mapping[str, Any] | Sequence[tuple[str, Any]]
Conversions = Sequence[tuple[ResourcesLike, ResourcesLike]]
UsageLike = Mapping[str, Mapping[str, ResourcesLike]]

NUMBERS = frozenset({int, float})
"""Types of amounts; True is equal to 1 and none."""

READ = 1_000
"""Of so many amounts it is known how they were written."""

OPTIONS = frozenset(
    {
        "interval",
        "react",
        "offer",
        "agent_order",
        "shrink_order",
        "min_allocatable",
        "exclude",
        "quota",
        "filter_gpus",
        "master_region",
        "capable",
        "backoff",
        "gang_patience",
    }
)
"""Options that are handed to the built-in allocator."""


def _verb(method: Callable[P, R]) -> Callable[P, R]:
    """A verb of the allocator: a call from within a call raises."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        allocator: Any = args[0]
        if allocator._busy:
            raise ReentrantCall(
                f"{method.__name__} was called from within a call of the same allocator; return first"
            )
        allocator._busy = True
        try:
            if allocator._guard is not None:
                allocator._guard.begin()
            if not allocator._observers.all:
                return method(*args, **kwargs)
            told = allocator._observers.before(method, allocator._book, args[1:], kwargs)
            answer = method(*args, **kwargs)
            if told is not None:
                allocator._observers.tell(allocator._now, method.__name__, told, answer)
            return answer
        finally:
            allocator._busy = False

    return guarded


class Allocator:
    """Decides who is offered what: agents and frameworks in, offers out, answers in.

    >>> a = Allocator()
    >>> a.add_agent("agent1", "cpus:8;mem:16384;ports:[31000-32000]", attributes={"rack": "r1"})
    >>> a.add_framework("spark", roles=["analytics"])
    >>> offer = a.run().offers[0]
    >>> offer.framework, offer.agent, offer.resources["cpus"]
    ('spark', 'agent1', 8)
    >>> a.accept(offer, used="cpus:2;mem:1024", refuse_seconds=5)    # the rest returns, refused for 5 s
    >>> bool(a.run())
    False
    >>> a.advance(5.0)
    >>> a.run().offers[0].resources["cpus"]
    6

    ``policy`` is a name or an object. ``interval``: seconds between runs over all agents, None for none. ``react``:
    ``"event"`` makes whatever frees an agent or asks for it a candidate of the next `run`, ``"interval"`` only what
    does so in Mesos. ``offer``: ``"agent"`` (all that is free there) or ``"demand"`` (what the shapes given to
    `request` can use, so that an agent is shared within one run). ``agent_order``: ``"random"`` (seeded), ``"id"``,
    ``"pack"`` (agents with the least free first, so that large holes stay), ``"spread"``, or a function that scores an
    `AgentView`, highest first. ``backoff``: seconds; so long at most is one kept waiting that declines, run after run,
    all it is offered (default 300, 0 for not at all). ``gang_patience``: seconds after which room is kept for tasks
    that start together and found none. ``min_allocatable``: a
    list of amounts of which an offer must reach one; default: anything is offered to anybody. ``exclude``: resources
    that do not count for shares. ``quota``: ``"tree"`` binds all below a role, ``"mesos"`` as Mesos does.
    ``filter_gpus``, ``master_region``: which agents frameworks need capabilities for; ``capable``: whether one that
    names none has all of them. ``shrink_order``: how objects of one name are cut, ``"random"`` (seeded) or
    ``"sorted"``. ``like="mesos"`` sets react, quota, filter_gpus, capable and min_allocatable as in Mesos; what is
    given beside it wins. ``space`` sets the units. ``offer_timeout``: seconds after which an unanswered offer is
    rescinded, None for never. ``plugin``: an allocator in place of the built-in one (`drf.plugins.AllocatorPlugin`), an
    object, or a name of the group ``drf.allocators``, which is given policy, seed and options. ``observers``: objects
    with ``notice``, or names of the group ``drf.observers``, that are told of every event and decision. One allocator
    belongs to one thread, or to your lock; it reads no clock.
    """

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        like: str | None = None,
        space: ResourceSpace | None = None,
        seed: int = 0,
        offer_timeout: float | None = None,
        plugin: str | AllocatorPlugin | None = None,
        observers: Iterable[str | Observer] = (),
        **options: Any,
    ) -> None:
        self._busy = False
        self._read: dict[Any, Resources] = {}  # amounts as they were written
        self.space = _space_of(plugin, space)
        for name in options:
            if name not in OPTIONS and not isinstance(plugin, str):
                raise UnknownName("option", name, OPTIONS)
        if "min_allocatable" in options:
            options["min_allocatable"] = self._amounts(options["min_allocatable"])
        if plugin is None:
            plugin = HierarchicalAllocator(
                policy, like=like, space=self.space, seed=seed, **options
            )
        elif isinstance(plugin, str):
            given = options if like is None else {**options, "like": like}
            plugin = obtain(ALLOCATORS, plugin, "run", policy, space=self.space, seed=seed, **given)
        elif options or like:
            raise InvalidOption(
                "options are those of the built-in allocator; give them to your plugin"
            )
        # Ours undoes what a policy failed at; what another one did before it raised nobody knows.
        self._guard = None if type(plugin) is HierarchicalAllocator else Guard(plugin, self.space)
        inner: Any = plugin if self._guard is None else self._guard
        self._plugin = inner
        if offer_timeout is not None and not 0 < offer_timeout < math.inf:
            raise InvalidOption(
                f"offer_timeout is {offer_timeout!r}; it is a number of seconds above 0, or None"
            )
        self._sums: Amounts = self._plugin.amounts if self._guard is None else Amounts(self.space)
        self._offer_timeout = offer_timeout
        self._book = OfferBook()
        self._tasks = TaskBook()
        self._takebacks = Takebacks(self._tasks)
        self._roles: dict[str, tuple[str, ...]] = {}
        self._now = 0.0
        self._observers = Observers(observers)

    # -- agents

    @_verb
    def add_agent(
        self,
        name: str,
        resources: ResourcesLike,
        *,
        attributes: AttributesLike | None = None,
        hostname: str | None = None,
        capabilities: Sequence[str] | None = None,
        region: str | None = None,
        zone: str | None = None,
        used: UsageLike | None = None,
        unavailability: Unavailability | None = None,
        short: tuple[ResourcesLike, float] | None = None,
    ) -> None:
        """A new agent with what it has; O(resources).

        ``attributes`` is a mapping or pairs of names and values; ``used`` says what runs there already, by framework
        and role; ``unavailability`` is the start and duration (None: for good) of planned maintenance. ``short``: an
        amount that it has besides, for tasks of at most so many seconds. Raises DuplicateName, InvalidName,
        InvalidQuantity, InvalidOption.
        """
        planned = _unavailable(name, unavailability)
        _check_list(f"capabilities of agent {name!r}", capabilities)
        self._plugin.add_agent(
            _check("agent", name),
            self._total(resources, short),
            hostname=hostname,
            attributes=_attributes(name, attributes),
            capabilities=capabilities,
            region=region,
            zone=zone,
            used=self._usage(used),
            unavailability=planned,
        )

    @_verb
    def update_agent(
        self,
        name: str,
        resources: ResourcesLike | None = None,
        *,
        attributes: AttributesLike | None = None,
        capabilities: Sequence[str] | None = None,
        short: tuple[ResourcesLike, float] | None = None,
    ) -> None:
        """Replace what it has (it may shrink below what is out), attributes, capabilities; O(frameworks there).

        ``short`` is what it has besides ``resources``, for short tasks. Open offers stay. Raises UnknownName,
        InvalidQuantity, InvalidOption.
        """
        if resources is None and short is not None:
            raise InvalidOption(
                f"short replaces all that agent {name!r} has; give resources with it"
            )
        _check_list(f"capabilities of agent {name!r}", capabilities)
        self._plugin.update_agent(
            name,
            None if resources is None else self._total(resources, short),
            attributes=None if attributes is None else _attributes(name, attributes),
            capabilities=capabilities,
        )

    @_verb
    def add_resource_provider(
        self, name: str, resources: ResourcesLike, *, used: UsageLike | None = None
    ) -> None:
        """The agent has so much more, some of it in use (by framework and role); O(holders there).

        Raises UnknownName, InvalidQuantity, InvalidOption.
        """
        self._plugin.add_resource_provider(name, self._amount(resources), used=self._usage(used))

    @_verb
    def convert(self, name: str, conversions: Conversions) -> None:
        """An operator reserves, unreserves, makes or destroys volumes out of what is free on the agent; O(holders).

        Each conversion is a pair of amounts: what is consumed, and what it becomes. Raises UnknownName, Overcommit
        where what is free does not hold what is consumed, InvalidQuantity.
        """
        self._plugin.update_available(name, self._conversions(conversions))

    @_verb
    def remove_agent(self, name: str) -> None:
        """The agent is lost with all that ran there; its offers are rescinded. Raises UnknownName."""
        self._rescind(agent=name)
        self._plugin.remove_agent(name)
        self._tasks.drop(agent=name)

    @_verb
    def deactivate_agent(self, name: str) -> None:
        """Offer it no more and rescind its offers; what runs there goes on and counts. Raises UnknownName."""
        self._plugin.deactivate_agent(name)
        self._rescind(agent=name)

    @_verb
    def activate_agent(self, name: str) -> None:
        """Offer it again. Raises UnknownName."""
        self._plugin.activate_agent(name)

    # -- frameworks

    @_verb
    def add_framework(
        self,
        name: str,
        *,
        roles: Sequence[str] = ("*",),
        suppressed: Sequence[str] = (),
        capabilities: Sequence[str] | None = None,
        min_allocatable: Sequence[ResourcesLike]
        | Mapping[str, Sequence[ResourcesLike]]
        | None = None,
        constraints: OfferConstraints | Mapping[str, Any] | None = None,
        affinity: Affinity | Mapping[str, Any] | None = None,
        used: UsageLike | None = None,
    ) -> None:
        """A new framework, in one or more roles; O(roles).

        ``capabilities`` are Mesos's names (default: all of them). ``min_allocatable`` replaces the allocator's for this
        framework, in all its roles or by role; an empty list means anything. ``constraints`` keep agents from it by
        their attributes (see `drf.constraints`), ``affinity`` by what is there (see `drf.Affinity`). ``used``
        says what it runs already, by agent and role. Raises DuplicateName, InvalidName, UnknownName, InvalidOption.
        """
        terms = self._terms(
            name, roles, suppressed, capabilities, min_allocatable, constraints, affinity
        )
        self._plugin.add_framework(
            _check("framework", name),
            roles,
            **terms,
            used=self._usage(used),
        )
        self._roles[name] = tuple(roles)

    @_verb
    def update_framework(
        self,
        name: str,
        *,
        roles: Sequence[str],
        suppressed: Sequence[str] = (),
        capabilities: Sequence[str] | None = None,
        min_allocatable: Sequence[ResourcesLike]
        | Mapping[str, Sequence[ResourcesLike]]
        | None = None,
        constraints: OfferConstraints | Mapping[str, Any] | None = None,
        affinity: Affinity | Mapping[str, Any] | None = None,
    ) -> None:
        """Replace all of these; offers of roles that it leaves are rescinded; O(roles). Raises as `add_framework`."""
        terms = self._terms(
            name, roles, suppressed, capabilities, min_allocatable, constraints, affinity
        )
        old = self._known(name)
        self._plugin.update_framework(
            name,
            roles,
            **terms,
        )
        self._roles[name] = tuple(roles)
        for role in old:
            if role not in roles:
                self._rescind(framework=name, role=role)

    @_verb
    def remove_framework(self, name: str) -> None:
        """The framework is gone: its offers are rescinded, all it held is free. Raises UnknownName."""
        self._known(name)
        self._rescind(framework=name)
        self._plugin.remove_framework(name)
        self._tasks.drop(framework=name)
        del self._roles[name]

    @_verb
    def deactivate_framework(self, name: str) -> None:
        """Its scheduler is away: no offers, its open ones rescinded, its refusals forgotten; its work goes on."""
        self._plugin.deactivate_framework(name)
        self._rescind(framework=name)

    @_verb
    def activate_framework(self, name: str) -> None:
        """Its scheduler is back. Raises UnknownName."""
        self._plugin.activate_framework(name)

    @_verb
    def update_weights(self, weights: Mapping[str, float]) -> None:
        """Weights of roles, above 0, all of them or none; O(roles). Raises InvalidName, InvalidOption."""
        self._plugin.update_weights(weights)

    @_verb
    def update_quota(
        self,
        role: str,
        *,
        guarantees: ResourcesLike | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """What the role, with all below it, is guaranteed at least and limited to; neither: no quota; O(depth).

        Guarantees are kept free for it; a limit of 0 is one, a name without one is unlimited. Raises InvalidName,
        InvalidQuantity, InvalidOption.
        """
        self._plugin.update_quota(role, self._amount(guarantees or {}), dict(limits or {}))

    @_verb
    def set_whitelist(self, hostnames: Sequence[str] | None) -> None:
        """Offer only agents with these host names; None: all of them."""
        _check_list("whitelist", hostnames)
        self._plugin.set_whitelist(hostnames)

    @_verb
    def update_unavailability(self, name: str, unavailability: Unavailability | None) -> None:
        """Planned maintenance of an agent: start and duration (None: for good), or None: no more.

        Its frameworks get inverse offers, its open offers are rescinded. Raises UnknownName.
        """
        self._plugin.update_unavailability(name, _unavailable(name, unavailability))
        self._rescind(agent=name)

    @_verb
    def answer_inverse_offer(
        self, name: str, framework: str, status: str | None, *, refuse_seconds: float | None = None
    ) -> None:
        """A framework says ACCEPT or DECLINE to leaving the agent, or (None) its inverse offer was dropped.

        Further ones may be refused for a while. Raises UnknownName, InvalidOption.
        """
        self._plugin.update_inverse_offer(name, framework, status, refuse_seconds)

    @_verb
    def suppress(self, name: str, roles: Sequence[str] = ()) -> None:
        """It wants no offers for these roles (none named: any role) until it revives; O(roles). Raises UnknownName."""
        if roles != ():
            _check_list(f"roles of framework {name!r}", roles)
        self._plugin.suppress(name, roles)

    @_verb
    def revive(self, name: str, roles: Sequence[str] = ()) -> None:
        """It wants offers for these roles (none named: all) and forgets what it refused. Raises UnknownName."""
        if roles != ():
            _check_list(f"roles of framework {name!r}", roles)
        self._plugin.revive(name, roles)

    @_verb
    def request(
        self,
        name: str,
        shape: ResourcesLike | Shape,
        count: int = 1,
        *,
        role: str | None = None,
        since: float | Sequence[float] | None = None,
        where: Mapping[str, Collection[str]] | None = None,
        together: bool = False,
        duration: float | None = None,
    ) -> None:
        """So many tasks of this shape are not launched yet, those in open offers included; replaces the last number.

        ``since`` says when they began to wait: one time for all, or one a task (default: now). ``where`` names
        attributes of the agent with their allowed values, ``duration`` is how long such a task runs at most.
        ``together``: they start together, so offers for all of them are made at once, as one group, or none. With
        ``offer="demand"`` offers are cut to these; an accepted offer's tasks leave the request, a declined one's wait
        again. O(count). Raises UnknownName, InvalidOption, InvalidQuantity.
        """
        role = self._role(name, role)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidOption(
                f"count of framework {name!r} is {count!r}; it is a whole number, 0 or more"
            )
        if since is None:
            times: Sequence[float] = (self._now,) * count
        elif isinstance(since, (int, float)):
            times = (float(since),) * count
        else:
            times = sorted(since)
            if len(times) != count:
                raise InvalidOption(
                    f"since has {len(times)} entries for {count} tasks; give one a task"
                )
        if not all(math.isfinite(t) for t in times):
            raise InvalidOption(f"since of framework {name!r} is not finite")
        self._plugin.request(
            name,
            role,
            Shape.of(shape, where, space=self.space, duration=duration),
            times,
            **({"together": True} if together else {}),
        )

    # -- answers

    @_verb
    def accept(
        self,
        offer: Offer | int,
        used: ResourcesLike | None = None,
        *,
        tasks: Mapping[str, TaskSpec] | None = None,
        refuse_seconds: float | None = None,
        until: ResourcesLike | None = None,
    ) -> None:
        """Use all of the offer, or a part: the rest returns, refused as `decline` has it; O(resources + tasks).

        ``tasks`` names what is launched, in place of ``used``; each is released by its name. An offer with a
        `max_duration` needs them, each with a duration of at most that. Raises StaleOffer, Overcommit where more is
        used than was offered, DuplicateName, InvalidOption.
        """
        number, grant = self._book.get(offer)
        refusal = self._refusal(refuse_seconds, until)
        if tasks is not None and used is not None:
            raise InvalidOption("used and tasks are two ways to say the same; give one of them")
        where = (grant.framework, grant.role, grant.agent)
        bound = grant.resources.longest
        if bound is not None and tasks is None:
            raise InvalidOption(
                f"offer {number} is for tasks of at most {bound:g} s; name them, with durations, in tasks="
            )
        launched = self._tasks.made(tasks or {}, where, self._now, self.space, bound)
        if tasks is not None:
            amount = sum((task.resources for task in launched), Resources(space=self.space))
            rest = grant.resources
            for task in launched:  # one after the other: two may name the same port
                if not task.resources <= rest:
                    raise Overcommit(
                        f"task {task.name!r} uses {task.resources}, of offer {number} {rest or 'nothing'} is left"
                    )
                rest = rest - task.resources
        else:
            amount = grant.resources if used is None else self._amount(used)
        if not amount <= grant.resources:
            raise Overcommit(
                f"{amount} is more than offer {number} holds: {grant.resources}; use at most that"
            )
        if not amount:
            raise InvalidOption(
                f"nothing of offer {number} is used; decline it, or name what is used"
            )
        served, unmet = _split(grant.tasks, amount) if grant.tasks else ((), ())
        who = (grant.framework, grant.agent, grant.role)
        self._plugin.transition_offered_to_allocated(*who, amount, served=served)
        rest = self._sums.minus(grant.resources, amount)
        self._plugin.recover_resources(*who, rest, unmet=unmet, **refusal)
        self._book.close(number)
        for task in launched:
            self._tasks.add(task)
            self._takebacks.watch(task)

    @_verb
    def decline(
        self,
        offer: Offer | int,
        *,
        refuse_seconds: float | None = None,
        refuse: ResourcesLike | None = None,
        until: ResourcesLike | None = None,
    ) -> None:
        """Return the offer, and those made together with it, and refuse as much of its agent for a while; O(resources).

        ``refuse_seconds``: for how long (default: 5, with ``until`` without end); it holds at least until the next
        interval, 0 means no refusal. ``refuse``: what of the offer is refused (default: all). ``until`` ends the
        refusal on an event: ``"freed"``: something that runs on the agent has ended; an amount: more than that is free
        there. Raises StaleOffer, InvalidOption, Overcommit where more is refused than was offered.
        """
        if refuse is None and until is None:
            self._decline(self._book.parts((offer,)), refuse_seconds)
            return
        number, grant = self._book.get(offer)
        refusal = self._refusal(refuse_seconds, until)
        refused = grant.resources if refuse is None else self._amount(refuse)
        if not refused <= grant.resources:
            raise Overcommit(
                f"{refused} is more than offer {number} holds: {grant.resources}; refuse at most that"
            )
        others = [(n, made) for n, made in self._book.together(number, grant) if n != number]
        if others and refuse is not None:
            raise InvalidOption(
                f"offer {number} was made together with {len(others)} more, which are refused whole; leave refuse out"
            )
        for each, made in [(number, grant), *others]:
            who = (made.framework, made.agent, made.role)
            part = refused if each == number else made.resources
            self._plugin.recover_resources(*who, part, unmet=made.tasks, **refusal)
            if refuse is not None:
                self._plugin.recover_resources(*who, made.resources - part)
            self._book.close(each)

    @_verb
    def decline_many(
        self, offers: Iterable[Offer | int], *, refuse_seconds: float | None = None
    ) -> None:
        """Return all these offers, in their order, each refused as `decline` has it; O(offers).

        The offers of a run, given as they are (``decisions.offers``), cost least. All of them or none: raises
        StaleOffer, also for one that is named twice, InvalidOption.
        """
        self._decline(self._book.parts(offers), refuse_seconds)

    def _decline(
        self, parts: Iterable[tuple[Block, Sequence[int]]], refuse_seconds: float | None
    ) -> None:
        seconds = _duration(5.0 if refuse_seconds is None else refuse_seconds)
        for block, which in parts:
            if isinstance(block.grants, Dealt) and not block.changed and self._guard is None:
                self._plugin.recover_dealt(block.grants, which, seconds)
            else:
                for i in which:
                    made = block.grants[i]
                    self._plugin.recover_resources(
                        made.framework,
                        made.agent,
                        made.role,
                        block.grant(block.start + i).resources,
                        unmet=made.tasks,
                        refuse_seconds=seconds,
                    )
            self._book.close_many(block, which)

    @_verb
    def convert_offer(self, offer: Offer | int, conversions: Conversions) -> Offer:
        """The framework reserves, unreserves, makes or destroys volumes out of the offer: the offer as it is now.

        Each conversion is a pair of amounts: what is consumed, and what it becomes. It is no grant, and the offer stays
        open under its id. O(holders there). Raises StaleOffer, Overcommit where the offer does not hold what is
        consumed, InvalidQuantity.
        """
        number, grant = self._book.get(offer)
        pairs = self._conversions(conversions)
        updated = grant.resources
        for consumed, converted in pairs:
            if not consumed <= updated:
                raise Overcommit(
                    f"offer {number} holds {updated}, not {consumed}; convert at most that"
                )
            updated = updated - consumed + converted
        self._plugin.update_allocation(
            grant.framework, grant.agent, grant.role, grant.resources, pairs
        )
        return self._book.replace(number, updated)

    @_verb
    def release(
        self,
        framework: str | None = None,
        agent: str | None = None,
        resources: ResourcesLike | None = None,
        *,
        role: str | None = None,
        task: str | None = None,
    ) -> None:
        """Work ended and gives back what it used: a ``task``, or an amount of a framework on an agent; O(resources).

        Of an amount ``role`` may be left out where the framework has one; nothing happens if agent or framework are
        gone. Raises UnknownName for a task that does not run, Overcommit where the framework holds less than the amount
        beside its named tasks there, InvalidOption.
        """
        if task is not None:
            if not framework is agent is resources is role is None:
                raise InvalidOption(f"release(task={task!r}) says it all; give nothing beside it")
            ended = self._tasks[task]
            self._plugin.recover_resources(
                ended.framework, ended.agent, ended.role, ended.resources, allocated=True
            )
            self._tasks.remove(ended)
            return
        if framework is None or agent is None or resources is None:
            raise InvalidOption("say what ended: framework, agent and resources, or task=")
        if framework not in self._roles:
            return
        role, amount = self._role(framework, role), self._amount(resources)
        where = (framework, role, agent)
        if self._tasks.at(where):
            self._check_unnamed(where, amount)
        self._plugin.recover_resources(framework, agent, role, amount, allocated=True)

    @_verb
    def adopt_task(
        self,
        name: str,
        framework: str,
        agent: str,
        spec: TaskSpec,
        *,
        role: str | None = None,
        started: float | None = None,
    ) -> None:
        """A part of what the framework holds there is this task: for a new master that learns what runs; O(holdings).

        ``started`` is when it began (default: now). Raises UnknownName, DuplicateName, InvalidOption, Overcommit where
        the framework holds less beside its named tasks there.
        """
        role = self._role(framework, role)
        began = self._now if started is None else started
        if isinstance(began, bool) or not isinstance(began, (int, float)) or not began <= self._now:
            raise InvalidOption(
                f"started of task {name!r} is {started!r}; it is in seconds, and not after {self._now}"
            )
        where = (framework, role, agent)
        (task,) = self._tasks.made({name: spec}, where, float(began), self.space)
        self._check_unnamed(where, task.resources)
        self._tasks.add(task)
        self._takebacks.watch(task)

    # -- reclaims

    @_verb
    def plan_reclaim(
        self,
        framework: str,
        shape: ResourcesLike | Shape,
        count: int = 1,
        *,
        role: str | None = None,
        grace: float = 30.0,
        budget: BudgetLike = None,
        together: bool = False,
    ) -> Plan:
        """What would be taken back so that so many tasks of the framework fit; changes nothing.

        ``grace``: seconds that tasks get to end. ``budget`` bounds what is taken: a number of tasks, an amount, or both
        in a pair. ``together``: all tasks or none. See `drf.reclaim` for who may be taken from; O(count x agents x
        tasks). Raises UnknownName, InvalidOption, InvalidQuantity, NotSupported where the plug-in cannot reclaim.
        """
        role = self._role(framework, role)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidOption(f"count is {count!r}; it is a whole number of tasks, 1 or more")
        tasks, amount = read_budget(budget, self.space)
        return self._plan(
            Demand(
                framework,
                role,
                Shape.of(shape, space=self.space),
                count,
                check_grace(grace),
                tasks,
                amount,
                bool(together),
            )
        )

    @_verb
    def reclaim(self, plan: Plan) -> None:
        """Carry out a plan: rescind its offers, take back its tasks, keep what they free for the framework.

        The next `run` names the tasks in `Decisions.reclaims`; end each and `release` it. One that is not released by
        its deadline, the grace period from now, is named again. What is freed is offered to the framework, and to
        nobody else before; that ends an interval after the deadline. Costs as `plan_reclaim`. Raises StalePlan where
        the plan would be another one by now.
        """
        fresh = self._plan(plan.demand)
        if not fresh.does_as(plan):
            raise StalePlan(
                f"the plan for framework {plan.demand.framework!r} was made when things stood otherwise; "
                f"make a new one with plan_reclaim"
            )
        self._return(self._book.withdraw([rescind.offer for rescind in fresh.rescinds]))
        for taken in fresh.reclaims:
            self._takebacks.take(taken)
        deadline = self._now + plan.demand.grace
        for fit in fresh.claims:
            self._plugin.claim(
                plan.demand.framework, plan.demand.role, fit.agent, fit.resources, deadline
            )

    def _plan(self, demand: Demand) -> Plan:
        if not hasattr(self._plugin, "situation"):
            raise NotSupported("this allocator plug-in does not reclaim")
        going = self._takebacks.going()
        names = {task.name for task in going}
        return make_plan(
            demand,
            self._plugin.situation(demand.framework, demand.role, demand.shape),
            self._book.open(),
            [task for task in self._tasks if task.name not in names],
            going,
            self._now,
        )

    # -- fail-over

    @_verb
    def recover(self, expected_agents: int, quotas: Mapping[str, Mapping[str, Any]]) -> None:
        """A new master knows quotas (``guarantees`` and ``limits`` by role) and how many agents to expect.

        With quotas, nothing is decided until 80 % of the agents are back or ten minutes have passed. Call it before
        any agent comes. Raises InvalidOption, InvalidQuantity.
        """
        self._plugin.recover(
            expected_agents,
            {
                role: (self._amount(quota.get("guarantees", {})), dict(quota.get("limits", {})))
                for role, quota in quotas.items()
            },
        )

    @_verb
    def pause(self) -> None:
        """Decide nothing until resumed; pauses nest, what happens meanwhile is not forgotten."""
        self._plugin.pause()

    @_verb
    def resume(self) -> None:
        """End the last pause. Raises InvalidOption where there is none."""
        self._plugin.resume()

    @_verb
    def snapshot(self) -> dict[str, Any]:
        """All that decisions depend on, as plain JSON values with a checksum; O(state).

        >>> import json
        >>> a = Allocator()
        >>> a.add_agent("m1", "cpus:8")
        >>> a.add_framework("f")
        >>> a.decline(a.run().offers[0], refuse_seconds=60)
        >>> b = Allocator.restore(json.loads(json.dumps(a.snapshot())))
        >>> print(b.why("f").standings[0].obstacles["m1"])
        refused: it refused cpus:8 there, until 60 s

        A policy is kept by its name; what a policy object knows beside that is not. Raises NotSupported where a plug-in
        has no ``state`` and ``load``, or an attribute of an agent is nothing that JSON has.
        """
        return sealed(self._state())

    @classmethod
    def restore(
        cls,
        snapshot: Mapping[str, Any],
        *,
        policy: Policy | None = None,
        scorer: Scorer | None = None,
        plugin: AllocatorPlugin | None = None,
        observers: Iterable[str | Observer] = (),
    ) -> Self:
        """The allocator that a snapshot was made of: it decides as that one would; O(state log state).

        ``policy`` is the policy again where it was an object that no name stands for, ``scorer`` the function again
        that agents were ordered by, ``plugin`` a new plug-in, made as the one then was; ``observers`` are told from now
        on. Raises InputError for a snapshot that is of another version, altered, cut off, or does not add up;
        InvalidOption where policy, scorer or plug-in are missing, or not those.
        """
        state = opened(snapshot)
        new = cls._made(state, policy, scorer, plugin)
        try:
            new.check()
        except (DRFError, *_MALFORMED) as error:
            raise _unfit(error) from error
        new._observers = Observers(observers)
        return new

    def _state(self) -> dict[str, Any]:
        plugin = self._plugin if self._guard is None else self._guard.plugin
        if not hasattr(plugin, "state") or not hasattr(plugin, "load"):
            raise NotSupported(
                f"allocator plug-in {type(plugin).__name__} has no state() and load(); a snapshot needs them"
            )
        how: dict[str, Any] = {"plugin": type(plugin).__name__}
        if self._guard is None:
            options = dict(plugin.options)
            options["min_allocatable"] = [m.to_json() for m in options["min_allocatable"]]
            options["exclude"] = sorted(options["exclude"])
            if callable(options["agent_order"]):
                options["agent_order"] = None  # a function is given again
            name = plugin.policy.name
            how |= {"policy": name, "registered": registered(plugin.policy), "options": options}
        return {
            "made": how,
            "space": {"scale": self.space.scales, "default": self.space.default},
            "offer_timeout": self._offer_timeout,
            "now": self._now,
            "roles": [[framework, list(roles)] for framework, roles in self._roles.items()],
            "offers": self._book.state(),
            "tasks": self._tasks.state(),
            "takebacks": self._takebacks.state(),
            "allocator": self._plugin.state(),
        }

    @classmethod
    def _made(
        cls,
        state: dict[str, Any],
        policy: Policy | None,
        scorer: Scorer | None,
        plugin: AllocatorPlugin | None,
    ) -> Self:
        try:
            new = cls.__new__(cls)
            space = ResourceSpace(state["space"]["scale"], default=state["space"]["default"])
            options = _options_of(state["made"], policy, scorer, plugin)
            Allocator.__init__(
                new, space=space, offer_timeout=state["offer_timeout"], plugin=plugin, **options
            )
            new._plugin.load(state["allocator"])
            new._book.load(state["offers"], space)
            new._tasks.load(state["tasks"], space)
            new._takebacks.load(state["takebacks"])
            new._roles = {framework: tuple(roles) for framework, roles in state["roles"]}
            new._now = moment(state["now"], "the time")
        except _Given as error:
            raise InvalidOption(str(error)) from None
        except (DRFError, *_MALFORMED) as error:
            raise _unfit(error) from error
        return new

    # -- time and decisions

    @_verb
    def advance(self, now: float) -> None:
        """Set the time, in seconds of the caller's clock; O(what ended). Raises ClockError where it goes back."""
        self._plugin.advance(now)
        self._now = now
        self._return(self._book.expire(now))

    @_verb
    def run(self) -> Decisions:
        """Decide what is due or was triggered, once; O(candidate agents x frameworks) at worst."""
        outcome = self._plugin.run()
        return Decisions(
            self._book.make(
                outcome.grants,
                None if self._offer_timeout is None else self._now + self._offer_timeout,
            ),
            self._book.rescinded(),
            tuple(outcome.inverse_offers),
            self._takebacks.due(self._now),
        )

    def next_deadline(self) -> float | None:
        """When to call `advance` and `run` again at the latest: the interval, the end of a refusal, an offer or a task.

        None: never; O(1).
        """
        deadlines = [
            self._plugin.next_deadline(),
            self._book.next_expiry(),
            self._takebacks.next(),
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # -- questions

    def inverse_offer_statuses(self) -> Mapping[str, Mapping[str, str]]:
        """What frameworks said last to leaving agents with planned maintenance, by agent and framework; O(agents)."""
        statuses: Mapping[str, Mapping[str, str]] = self._plugin.inverse_offer_statuses()
        return statuses

    def metrics(self) -> Mapping[str, float]:
        """What is there and out, shares, refusals and quota, under Mesos's names; O(agents + roles)."""
        metrics: Mapping[str, float] = self._plugin.metrics()
        return metrics

    def overview(self) -> Overview:
        """Agents, frameworks and roles by name, with what they have; O(agents + holders + roles).

        >>> a = Allocator()
        >>> a.add_agent("m1", "cpus:8")
        >>> a.add_framework("f", roles=["x"])
        >>> _ = a.run()
        >>> found = a.overview()
        >>> found.agents[0].offered, found.frameworks[0].share, found.roles[0].name
        (Resources('cpus:8'), 1.0, 'x')

        Raises NotSupported where the plug-in cannot say.
        """
        if not hasattr(self._plugin, "overview"):
            raise NotSupported("this allocator plug-in does not say who is there")
        overview: Overview = self._plugin.overview()
        return overview

    def share(self, framework: str, role: str | None = None) -> float:
        """The framework's dominant share (in its role, or its largest), offers included. Raises UnknownName."""
        share: float = self._plugin.share(framework, role)
        return share

    def holdings(self, framework: str) -> list[tuple[str, str, Resources, bool]]:
        """Agent, role, amount and whether it is used (else offered) of all it has; O(of them). Raises UnknownName."""
        return list(self._plugin.holdings(framework))

    def tasks(self, framework: str | None = None, agent: str | None = None) -> list[Task]:
        """The named tasks that run, of the framework and on the agent if given, in order of their start; O(tasks)."""
        found = [
            task
            for task in self._tasks
            if framework in (None, task.framework) and agent in (None, task.agent)
        ]
        return sorted(found, key=lambda task: task.started)

    def why(self, framework: str, *, change: bool = True) -> Why:
        """Why it sees the offers it sees: its shares, who is ahead, what keeps each agent from it, and what would help.

        See `drf.advice` for the last, which costs a copy of the state and a run for each change that is tried;
        ``change=False`` leaves it out. O(state) beside that.
        Raises UnknownName, NotSupported where the plug-in cannot say.
        """
        if not hasattr(self._plugin, "why"):
            raise NotSupported("this allocator plug-in does not explain itself")
        if self._guard is not None:
            why: Why = self._plugin.why(framework)
            return why  # a copy, on which changes are tried, cannot be made
        copies = self._copier()
        why = copies()._plugin.why(framework)  # on a copy: a policy that draws would draw
        if not change:
            return why
        return Why(framework, tuple(advise(copies, framework, s) for s in why.standings))

    @_verb
    def what_if(self, change: Callable[[Allocator], object]) -> WhatIf:
        """What would come of a change: it is made on a copy, which then runs over all agents; this one stays as it is.

        >>> a = Allocator(agent_order="id")
        >>> a.add_agent("m1", "cpus:8")
        >>> a.add_framework("f", roles=["x"])
        >>> a.suppress("f")
        >>> print(a.what_if(lambda copy: copy.revive("f")))
        f: share 0.0000 now, 0.0000 without the change, 1.0000 with it
          offered without it: nothing
          offered with it: m1 for x (cpus:8)

        Offers are those that are open at the end and were not made before. O(state) for the copies, and two runs.
        Raises what the change raises, NotSupported for a plug-in.
        """
        copies = self._copier()
        before, plain, changed = copies(), copies(), copies()
        change(changed)
        names = dict.fromkeys((*self._roles, *changed._roles))
        known = self._book.made
        for copy in (plain, changed):
            copy._plugin.consider_all()
            copy.run()
        return WhatIf(
            {
                name: Effect(
                    before._share(name),
                    plain._share(name),
                    changed._share(name),
                    plain._offered(name, known),
                    changed._offered(name, known),
                )
                for name in names
            }
        )

    def entitlement(
        self,
        framework: str,
        shape: ResourcesLike | Shape | None = None,
        *,
        role: str | None = None,
    ) -> Entitlement:
        """What it would get if it wanted tasks of the shape without end, and the pool were divided anew.

        >>> a = Allocator()
        >>> a.add_agent("m1", "cpus:9;mem:18")
        >>> for name in ("A", "B"):
        ...     a.add_framework(name, roles=[name])
        >>> a.request("B", "cpus:3;mem:1", 5)
        >>> print(a.entitlement("A", "cpus:1;mem:4").resources)
        cpus:3.006;mem:12.024

        ``shape``: default its oldest waiting one, else what it holds, else that of all agents together. Everybody else
        wants what it has and has asked for (see `drf.entitlement`). O(agents + chunks log frameworks). Raises
        UnknownName, InvalidOption, InvalidQuantity, NotSupported where the plug-in cannot say.
        """
        role = self._role(framework, role)
        if not hasattr(self._plugin, "entitlement"):
            raise NotSupported("this allocator plug-in cannot say what a framework is entitled to")
        wanted = None if shape is None else Shape.of(shape, space=self.space)
        found: Entitlement = self._plugin.entitlement(framework, role, wanted)
        return found

    def starving(self, at_least: int = 1) -> list[Starving]:
        """Who waits and was passed over in at least so many runs with offers for others, the longest first.

        Each says how often, to whom offers went instead and who declined them, and what keeps agents from it now.
        O(of them x `why`). Raises NotSupported where the plug-in cannot say.
        """
        if not hasattr(self._plugin, "starving"):
            raise NotSupported("this allocator plug-in does not say who starves")
        starving: list[Starving] = self._plugin.starving(at_least)
        return starving

    def observer_errors(self) -> list[PluginError]:
        """What observers raised, the newest hundred, oldest first; each one's first is a `PluginWarning` too; O(1)."""
        return list(self._observers.errors)

    def open_offers(self) -> list[Offer]:
        """All offers that wait for an answer, oldest first; O(open offers)."""
        return list(self._book.open())

    def check(self) -> None:
        """Re-derive every invariant, offers against ledger too; O(state). Raises InvariantBroken."""
        self._plugin.check()
        offered: dict[tuple[str, str, str], Resources] = {}
        for offer in self._book.open():
            key = (offer.framework, offer.role, offer.agent)
            offered[key] = offered[key] + offer.resources if key in offered else offer.resources
        noted = {
            (framework, role, agent): amount
            for framework in self._roles
            for agent, role, amount, held in self._plugin.holdings(framework)
            if not held
        }
        if offered != noted:
            raise InvariantBroken(f"open offers hold {offered}, the ledger notes {noted}")
        for where in {(task.framework, task.role, task.agent) for task in self._tasks}:
            if not self._tasks.amount(where, self.space) <= self._held(where):
                raise InvariantBroken(f"the tasks of {where} use more than {self._held(where)}")

    # -- inside

    def _copier(self) -> Callable[[], Allocator]:
        """Makes copies, plain allocators that write no journal. Raises NotSupported for a plug-in."""
        if self._guard is not None:
            raise NotSupported("a change is tried on a copy, and a plug-in cannot be copied")
        state, policy = self._state(), self._plugin.policy
        order = self._plugin.options["agent_order"]
        scorer = order if callable(order) else None
        if state["made"]["registered"]:
            return lambda: Allocator._made(state, None, scorer, None)
        return lambda: Allocator._made(state, deepcopy(policy), scorer, None)

    def _share(self, framework: str) -> float | None:
        return self.share(framework) if framework in self._roles else None

    def _offered(self, framework: str, known: int) -> dict[tuple[str, str], Resources]:
        """What it is offered, by role and agent, in offers after the first so many."""
        out: dict[tuple[str, str], Resources] = {}
        for offer in self._book.open():
            if offer.framework == framework and offer.id > known:
                where = (offer.role, offer.agent)
                out[where] = out[where] + offer.resources if where in out else offer.resources
        return out

    def _known(self, framework: str) -> tuple[str, ...]:
        roles = self._roles.get(framework)
        if roles is None:
            raise UnknownName("framework", framework, self._roles)
        return roles

    def _role(self, framework: str, role: str | None) -> str:
        roles = self._known(framework)
        if role is None:
            if len(roles) > 1:
                raise InvalidOption(
                    f"framework {framework!r} has roles {', '.join(roles)}; say which with role="
                )
            return roles[0]
        if role not in roles:
            raise UnknownName(f"role of framework {framework!r}:", role, roles)
        return role

    def _refusal(self, seconds: float | None, until: ResourcesLike | None) -> dict[str, Any]:
        """How long a refusal lasts, and on which event it ends, checked and as the plug-in takes it."""
        if seconds is None:
            seconds = 5.0 if until is None else LONGEST_REFUSAL
        seconds = _duration(seconds)
        if until is None:
            return {"refuse_seconds": seconds}
        event = until if until == FREED else self._amount(until)
        if not event:
            raise InvalidOption(f"until is {until!r}; give {FREED!r} or an amount above 0")
        return {"refuse_seconds": seconds, "until": event}

    def _held(self, where: Holding) -> Resources:
        framework, role, agent = where
        found = [
            amount
            for place, its, amount, held in self._plugin.holdings(framework)
            if held and (place, its) == (agent, role)
        ]
        return found[0] if found else Resources(space=self.space)

    def _check_unnamed(self, where: Holding, amount: Resources) -> None:
        """What tasks use is given back by their names alone."""
        held, tasks = self._held(where), self._tasks.amount(where, self.space)
        if not amount <= held.minus(tasks):
            framework, role, agent = where
            raise Overcommit(
                f"framework {framework!r} holds {held or 'nothing'} on agent {agent!r} for role {role!r}, "
                f"{tasks or 'nothing'} of it in named tasks; {amount} is more than the rest: release tasks by name"
            )

    def _rescind(
        self, *, agent: str | None = None, framework: str | None = None, role: str | None = None
    ) -> None:
        self._return(self._book.rescind(agent=agent, framework=framework, role=role))

    def _return(self, grants: Sequence[Grant]) -> None:
        """What was offered and ended unanswered goes back, with its tasks, and is not refused."""
        for grant in grants:
            self._plugin.recover_resources(
                grant.framework, grant.agent, grant.role, grant.resources, unmet=grant.tasks
            )

    def _amount(self, resources: ResourcesLike) -> Resources:
        """As an amount in the allocator's units; what is written alike is one object, which spares comparing."""
        key: Any = None
        if isinstance(resources, Resources):
            if resources.space == self.space:
                return resources
        elif isinstance(resources, str):
            key = resources
        elif type(resources) is dict and NUMBERS.issuperset(map(type, resources.values())):
            key = tuple(resources.items())
        found = self._read.get(key) if key is not None else None
        if found is None:
            found = Resources(resources, space=self.space)
            if key is not None:
                if len(self._read) >= READ:
                    self._read.clear()
                self._read[key] = found
        return found

    def _total(
        self, resources: ResourcesLike, short: tuple[ResourcesLike, float] | None
    ) -> Resources:
        total = self._amount(resources)
        return total if short is None else total + read_short(short, self.space)

    def _conversions(self, given: Conversions) -> list[tuple[Resources, Resources]]:
        pairs = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
        if not pairs or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs):
            raise InvalidOption(
                f"conversions is {given!r}; give pairs of what is consumed and what it becomes"
            )
        return [(self._amount(consumed), self._amount(converted)) for consumed, converted in pairs]

    def _usage(self, used: UsageLike | None) -> dict[str, dict[str, Resources]] | None:
        if used is None:
            return None
        if not isinstance(used, Mapping) or not all(isinstance(r, Mapping) for r in used.values()):
            raise InvalidOption(f"used is {used!r}; give a mapping of names to roles to amounts")
        return {
            where: {role: self._amount(amount) for role, amount in by_role.items()}
            for where, by_role in used.items()
        }

    def _terms(
        self,
        name: str,
        roles: Sequence[str],
        suppressed: Sequence[str],
        capabilities: Sequence[str] | None,
        min_allocatable: Sequence[ResourcesLike] | Mapping[str, Sequence[ResourcesLike]] | None,
        constraints: OfferConstraints | Mapping[str, Any] | None,
        affinity: Affinity | Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """On what terms a framework takes part, checked and as the plug-in takes them."""
        _check_list(f"roles of framework {name!r}", roles)
        _check_list(f"suppressed roles of framework {name!r}", suppressed)
        _check_list(f"capabilities of framework {name!r}", capabilities)
        terms = {
            "suppressed": suppressed,
            "capabilities": capabilities,
            "min_allocatable": self._minimums(roles, min_allocatable),
            "constraints": _constraints(constraints, roles),
        }
        sought = Affinity.of(affinity)
        return terms if sought is None else {**terms, "affinity": sought}

    def _minimums(
        self,
        roles: Sequence[str],
        given: Sequence[ResourcesLike] | Mapping[str, Sequence[ResourcesLike]] | None,
    ) -> dict[str, tuple[Resources, ...]] | None:
        if given is None:
            return None
        if isinstance(given, Mapping):
            _of_roles("min_allocatable", given, roles)
            return {role: self._amounts(sets) for role, sets in given.items()}
        return dict.fromkeys(roles, self._amounts(given))

    def _amounts(self, sets: Sequence[ResourcesLike]) -> tuple[Resources, ...]:
        if isinstance(sets, (str, Mapping, Resources)):
            raise InvalidOption(f"min_allocatable is {sets!r}; give a list of amounts")
        return tuple(self._amount(resources) for resources in sets)


_MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading raises where something else stands than was written."""


def _unfit(error: Exception) -> InputError:
    return InputError(f"the snapshot does not fit together: {error!r}")


class _Given(Exception):
    """Policy or plug-in are missing, or not those of the snapshot."""


def _options_of(
    made: Mapping[str, Any],
    policy: Policy | None,
    scorer: Scorer | None,
    plugin: AllocatorPlugin | None,
) -> dict[str, Any]:
    """How the allocator of a snapshot is made again: its policy and options, none where a plug-in is given."""
    own = made["plugin"] == HierarchicalAllocator.__name__
    if own and plugin is not None:
        raise _Given("the snapshot is of the built-in allocator; leave plugin out")
    if not own:
        if type(plugin).__name__ != made["plugin"]:
            raise _Given(
                f"the snapshot is of plug-in {made['plugin']}; give a new one with plugin="
            )
        if policy is not None or scorer is not None:
            raise _Given("policy and scorer are those of the plug-in; leave them out")
        return {}
    name = made["policy"]
    if policy is None and not made["registered"]:
        raise _Given(
            f"the snapshot was made with policy object {name!r}, which no name stands for; give it again with policy="
        )
    if policy is not None and getattr(policy, "name", None) != name:
        raise _Given(f"the snapshot was made with policy {name!r}, not with {policy!r}")
    options = dict(made["options"])
    if (scorer is None) != (options["agent_order"] is not None):
        raise _Given(
            "the snapshot was made with a function that scores agents; give it again with scorer="
            if scorer is None
            else f"the snapshot orders agents {options['agent_order']!r}; leave scorer out"
        )
    if scorer is not None:
        options["agent_order"] = scorer
    return {**options, "policy": name if policy is None else policy}


def _space_of(plugin: object, space: ResourceSpace | None) -> ResourceSpace:
    """The units: those of the plug-in, if it was made before, which are those given, if any are."""
    its = getattr(plugin, "space", None)
    if not isinstance(its, ResourceSpace):
        return space or ResourceSpace()
    if space is not None and space != its:
        raise InvalidOption(f"the plug-in counts in other units ({its}) than space={space}")
    return its


def _check(kind: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidName(f"{kind} {name!r} is malformed; a name is text, at least one character")
    if kind == "framework" and "/" in name:
        raise NotSupported(f"framework {name!r}: a framework's name has no '/'")
    return str.__str__(name)


def _duration(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise InvalidOption(
            f"refuse_seconds is {seconds!r}; it is 0 (no refusal) or more, in seconds"
        )
    return seconds


def _attributes(agent: str, attributes: AttributesLike | None) -> list[tuple[str, Any]]:
    pairs = list(
        (attributes or {}).items() if isinstance(attributes, Mapping) else attributes or ()
    )
    for key, value in pairs:
        if not isinstance(key, str) or not isinstance(value, (str, int, float, list, tuple)):
            raise InvalidOption(
                f"agent {agent!r}: attribute {key!r}: {value!r} is not text, a number or ranges"
            )
    return pairs


def _check_list(what: str, given: object) -> None:
    """Names come in a list; text would be taken as a list of letters."""
    if given is None:
        return
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidOption(f"{what} is {given!r}; give a list of names")
    for name in given:
        if not isinstance(name, str):
            raise InvalidOption(f"{what}: {name!r} is not a name")


def _unavailable(agent: str, given: object) -> Unavailability | None:
    if given is None:
        return None
    pair: Any = given if isinstance(given, (tuple, list)) and len(given) == 2 else (None, None)
    for value in pair[:1] if pair[1] is None else pair:
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < math.inf
        ):
            raise InvalidOption(
                f"unavailability of agent {agent!r} is {given!r}; "
                f"give (start, duration) in seconds, the duration None for good"
            )
    return pair[0], pair[1]


def _constraints(
    given: OfferConstraints | Mapping[str, Any] | None, roles: Sequence[str]
) -> OfferConstraints | None:
    if given is None:
        return None
    made = given if isinstance(given, OfferConstraints) else OfferConstraints(given)
    _of_roles("constraints", made.roles, roles)
    return made


def _of_roles(what: str, named: Iterable[str], roles: Sequence[str]) -> None:
    """A role that the framework does not have is a slip of the pen, and would leave it unconstrained."""
    for role in named:
        if role not in roles:
            raise UnknownName(f"role in {what}:", role, roles)


Tasks = tuple[tuple[Shape, int], ...]


def _split(tasks: Tasks, used: Resources) -> tuple[Tasks, Tasks]:
    """Which of an offer's tasks the used part can have served, in their order, and which it cannot."""
    served, unmet = [], []
    used = untagged(used)
    for shape, count in tasks:
        done = 0
        while done < count and shape.resources <= used:
            used = used - shape.resources
            done += 1
        if done:
            served.append((shape, done))
        if done < count:
            unmet.append((shape, count - done))
    return tuple(served), tuple(unmet)
