"""What others implement or call: the protocols, the records they exchange, and where plug-ins are found.

A plug-in is an object, or a name under one of five entry-point groups (`drf.policies`, `drf.allocators`, `drf.masters`,
`drf.electors`, `drf.observers`), loaded when it is first asked for. The name of a policy, an elector or an observer may
carry one argument behind a colon: ``"maxmin:gpus"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from drf.affinity import Affinity
from drf.constraints import OfferConstraints
from drf.entries import ALLOCATORS as ALLOCATORS
from drf.entries import ELECTORS as ELECTORS
from drf.entries import GROUPS as GROUPS
from drf.entries import MASTERS as MASTERS
from drf.entries import OBSERVERS as OBSERVERS
from drf.entries import POLICIES as POLICIES
from drf.entries import Entry as Entry
from drf.entries import listing as listing
from drf.entries import load as load
from drf.entries import names as names
from drf.errors import DRFError, InvalidOption, NotSupported, PluginError, UnknownName
from drf.resources import Resources, ResourceSpace, Shape

if TYPE_CHECKING:
    from drf.masters.core.records import Event, Message

Weight: TypeAlias = "Fraction | tuple[Fraction, ...]"


Row: TypeAlias = "tuple[tuple[int, ...], int, bool]"
"""What a client holds of each resource, in units; how many grants it has had; whether it is listed."""


class View(Protocol):
    """What a policy may ask about the clients it orders."""

    @property
    def now(self) -> float:
        """Seconds, from the caller's clock."""

    def share(self, client: str) -> float:
        """The dominant share of the resources that count, divided by the weight."""

    def held(self, client: str) -> Resources:
        """What the client holds."""

    def total(self) -> Resources:
        """What there is, of each resource."""

    def weight(self, client: str) -> float | Mapping[str, float]:
        """One weight, or one a resource."""

    def chance(self, client: str) -> float:
        """One number for the weight: the largest of them, in a tree the part of the whole that its path gives."""

    def grants(self, client: str) -> int:
        """How many grants it has had."""

    def waiting_since(self, client: str) -> float | None:
        """When the oldest task that it still waits for began to wait; None if it said nothing."""

    def random(self) -> float:
        """The next number in [0, 1) of the seeded generator."""


class Seen(View, Protocol):
    """What an ordering may ask besides: who is there and listed, and what weighs the nodes above."""

    def clients(self) -> list[str]:
        """All clients, active or not."""

    def __contains__(self, client: object) -> bool:
        """Whether there is such a client."""

    def is_active(self, client: str) -> bool:
        """Whether the client is listed."""

    def path_weight(self, path: str) -> float | Mapping[str, float]:
        """The weight of a node, of a client or above clients."""

    def columns(self) -> list[str]:
        """The resources, in the order in which a `row` counts them; new ones come behind."""

    def row(self, client: str) -> Row | None:
        """What an order may go by, in one call; None where there is no such client."""


class Ordering(Protocol):
    """An order that a policy keeps itself, because one grant changes the keys of many clients."""

    def changed(self, client: str) -> None:
        """That client came, went, was weighed (also a node above), was listed or not, or holds something else."""

    def total_changed(self) -> None:
        """What there is has changed."""

    def first(self, k: int | None) -> list[str]:
        """The first k active clients (None: all)."""

    def check(self) -> str | None:
        """What is wrong with the order, or None."""

    def state(self) -> Any:
        """What does not follow from the clients as they are, as plain JSON values, for a snapshot; None for nothing."""

    def load(self, state: Any) -> None:
        """Take that back into a new order of the same clients."""


@dataclass(frozen=True)
class Problem:
    """One pool, or machines, to divide among users with tasks of one kind each, in exact amounts.

    Rows are users, columns resources. ``weights[i]`` is one number or one a column, ``caps[i]`` the most tasks (of
    divisible ones also a fraction) or None, ``ranks[i]`` breaks ties (lower first), after the number of tasks if
    ``by_grants``. Every user's task fits the pool, or one of the machines. ``rooms[k]`` is the capacity of machine k
    (``capacity`` is their sum), ``eligible[i]`` lists the machines that user i may use; all three are empty for one
    pool. ``exact`` asks for fractions, ``seed`` feeds what draws, ``nodes`` weighs inner nodes of the tree that names
    with ``/`` make.
    """

    users: Sequence[str]
    resources: Sequence[str]
    capacity: Sequence[Fraction]
    demands: Sequence[Sequence[Fraction]]
    weights: Sequence[Weight]
    caps: Sequence[int | Fraction | None]
    ranks: Sequence[int]
    by_grants: bool
    whole: bool
    on_blocked: str
    steps: bool
    machines: Sequence[str] = ()
    rooms: Sequence[Sequence[Fraction]] = ()
    eligible: Sequence[Sequence[int]] = ()
    exact: bool = False
    seed: int = 0
    nodes: Mapping[str, Weight] = field(default_factory=dict)


class Answer(NamedTuple):
    """Tasks of each user, the users in the order they were picked (whole tasks, on request), tasks by user and machine.

    Floats where a solver that works in floats found them.
    """

    tasks: Sequence[int | Fraction | float]
    picks: Sequence[int] = ()
    placement: Sequence[Sequence[int | Fraction | float]] = ()


@runtime_checkable
class Policy(Protocol):
    """A rule that orders clients, divides a pool, or both. Derive from it to take what you do not write from here.

    In an allocator the clients are roles, and in each role frameworks: it asks for keys of both.

    ``modes`` says which of ``"order"``, ``"divide"`` (a pool), ``"machines"`` (several) and ``"tree"`` (names with
    ``/`` are paths, whose nodes can be weighed) it can do; asking for another raises NotSupported. ``stale_on`` says
    what changes a client's key besides its own grants and weight: ``"total"`` (what there is), ``"waiting"`` (since
    when its oldest task waits), ``"others"`` (what other clients do), ``"time"`` (every question). ``kernel`` names a
    compiled kernel that decides the same (``"drf"``: the share of the resources that `counts` names), or is None. A
    policy whose keys change together gives an `ordering` in place of keys.
    """

    name: str
    modes: frozenset[str] = frozenset({"order"})
    stale_on: frozenset[str] = frozenset()
    kernel: str | None = None

    def counts(self, resource: str) -> bool:
        """Whether the resource counts for the share."""
        return True

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        """Where the client stands: the lowest is next, ties by number of grants, then name."""
        raise NotSupported(
            f"policy {self.name} does not order clients; its modes are {sorted(self.modes)}"
        )

    def ordering(self, seen: Seen) -> Ordering | None:
        """The order of one sorter, kept by the policy, in place of keys; None where keys do."""
        return None

    def divide(self, problem: Problem) -> Answer:
        """The tasks of each user."""
        raise NotSupported(
            f"policy {self.name} does not divide a pool; its modes are {sorted(self.modes)}"
        )


class Grant(NamedTuple):
    """One decision of an allocator: so much of the agent goes to the framework in the role.

    ``tasks`` are the requested shapes that it was cut for, with their numbers; empty where whole agents are offered.
    Grants of one ``group`` were made together, for tasks that start together; its number counts within one outcome.
    """

    framework: str
    role: str
    agent: str
    resources: Resources
    tasks: tuple[tuple[Shape, int], ...] = ()
    group: int | None = None


class AgentView(NamedTuple):
    """What a scorer of agents is told of one: what it has, what is free of it, and who has something there."""

    name: str
    hostname: str
    total: Resources
    free: Resources
    attributes: Mapping[str, Any]
    frameworks: tuple[str, ...]


Scorer: TypeAlias = "Callable[[AgentView], float]"


class InverseOffer(NamedTuple):
    """A request to a framework to leave an agent: from when on (seconds) and for how long (None: for good)."""

    framework: str
    agent: str
    start: float
    duration: float | None = None


class Outcome(NamedTuple):
    """What one run of an allocator decided."""

    grants: Sequence[Grant] = ()
    inverse_offers: Sequence[InverseOffer] = ()


Unavailability: TypeAlias = "tuple[float, float | None]"
Quota: TypeAlias = "tuple[Resources, Mapping[str, float]]"
Usage: TypeAlias = "Mapping[str, Mapping[str, Resources]]"
Tasks: TypeAlias = "Sequence[tuple[Shape, int]]"
Conversions: TypeAlias = "Sequence[tuple[Resources, Resources]]"
Minimums: TypeAlias = "Mapping[str, Sequence[Resources]]"


class AllocatorPlugin(Protocol):
    """An allocator in amounts, below the offer book: Mesos's verbs in snake case.

    Verbs change state and mark what became a candidate; `run` decides. Each raises a `DRFError` and changes nothing
    where an argument is wrong. ``used`` says what runs where already: by framework and role, or by agent and role.
    A conversion is what is consumed and what it becomes.
    """

    space: ResourceSpace

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
    ) -> None: ...
    def update_agent(
        self,
        agent: str,
        total: Resources | None = None,
        *,
        attributes: Sequence[tuple[str, Any]] | None = None,
        capabilities: Sequence[str] | None = None,
    ) -> None: ...
    def add_resource_provider(
        self, agent: str, total: Resources, *, used: Usage | None = None
    ) -> None: ...
    def remove_agent(self, agent: str) -> None: ...
    def activate_agent(self, agent: str) -> None: ...
    def deactivate_agent(self, agent: str) -> None: ...
    def set_whitelist(self, hostnames: Sequence[str] | None) -> None: ...
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
    ) -> None: ...
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
    ) -> None: ...
    def remove_framework(self, framework: str) -> None: ...
    def activate_framework(self, framework: str) -> None: ...
    def deactivate_framework(self, framework: str) -> None: ...
    def suppress(self, framework: str, roles: Sequence[str] = ()) -> None: ...
    def revive(self, framework: str, roles: Sequence[str] = ()) -> None: ...
    def request(
        self,
        framework: str,
        role: str,
        shape: Shape,
        since: Sequence[float],
        *,
        together: bool = False,
    ) -> None: ...
    def recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        refuse_seconds: float | None = None,
        until: Resources | str | None = None,
        allocated: bool = False,
        unmet: Tasks = (),
    ) -> None: ...
    def transition_offered_to_allocated(
        self, framework: str, agent: str, role: str, resources: Resources, *, served: Tasks = ()
    ) -> None: ...
    def update_allocation(
        self,
        framework: str,
        agent: str,
        role: str,
        offered: Resources,
        conversions: Conversions,
    ) -> None: ...
    def update_available(self, agent: str, conversions: Conversions) -> None: ...
    def update_quota(
        self, role: str, guarantees: Resources, limits: Mapping[str, float]
    ) -> None: ...
    def update_weights(self, weights: Mapping[str, float]) -> None: ...
    def update_unavailability(self, agent: str, unavailability: Unavailability | None) -> None: ...
    def update_inverse_offer(
        self, agent: str, framework: str, status: str | None, refuse_seconds: float | None = None
    ) -> None: ...
    def inverse_offer_statuses(self) -> Mapping[str, Mapping[str, str]]: ...
    def recover(self, expected_agents: int, quotas: Mapping[str, Quota]) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def advance(self, now: float) -> None: ...
    def next_deadline(self) -> float | None: ...
    def run(self) -> Outcome: ...
    def metrics(self) -> Mapping[str, float]: ...
    def role_shares(self) -> Mapping[str, float]: ...
    def share(self, framework: str, role: str | None = None) -> float: ...
    def holdings(self, framework: str) -> Sequence[tuple[str, str, Resources, bool]]: ...
    def check(self) -> None: ...


class MasterPlugin(Protocol):
    """A master without network and clock: events in, messages out, both as in `drf.masters.core.records`.

    A factory of the group ``drf.masters`` that the conformance kit is to judge takes ``agent_timeout``, ``resend`` and
    ``epoch``. With ``check()`` a master is asked whether it finds itself in order, with ``snapshot()`` and a
    ``restore`` of its class masters follow one another from snapshots too.
    """

    def handle(self, event: Event) -> Sequence[Message]:
        """Take an event in, and give what is to be delivered, in order."""


class Standing(NamedTuple):
    """Whether this candidate leads, who does (None: nobody, or it is not known), and the number of that leadership.

    Terms grow with every change of leader: the term is the ``epoch`` of a master, and what comes from a smaller one is
    out of date.
    """

    leads: bool
    leader: str | None
    term: int


class Elector(Protocol):
    """Who of several masters is the one that decides: one candidate's part in an election.

    It has no threads and calls nobody back: a master asks by `campaign`, at least every ``interval`` seconds, and
    compares with what it heard before. One that does not lead, or that could not ask in time, must not decide.
    """

    identity: str
    interval: float

    def campaign(self) -> Standing:
        """Stand for election, or stand on, and how things stand. Raises DRFError where that cannot be found out."""

    def leader(self) -> str | None:
        """Who leads now, without standing; None: nobody, or it is not known."""

    def resign(self) -> None:
        """Stand no longer; who led leads no more. Nothing where it does not stand."""


class Notice(NamedTuple):
    """What an allocator did, after the fact: the verb, its arguments by name, and its answer.

    ``now`` is the allocator's time. An offer among the arguments is the `Offer` as it was before it was answered. The
    result of ``run`` is its `Decisions`: offers made, offers that ended unanswered, inverse offers and reclaims.
    """

    now: float
    verb: str
    arguments: Mapping[str, Any]
    result: Any = None


class Observer(Protocol):
    """Is told of every event and every decision of an allocator, after the fact. Derived observers may have a name.

    It may ask the allocator, and not change it: a verb raises ReentrantCall. What it raises is kept as a `PluginError`
    in `Allocator.observer_errors` and changes nothing.
    """

    def notice(self, notice: Notice) -> None:
        """The allocator did this; a verb that raised did nothing and is not told."""


def make_policy(policy: str | Policy) -> Policy:
    """A policy object, from itself or from ``name`` or ``name:argument``.

    >>> make_policy("maxmin:gpus").name
    'maxmin:gpus'

    Raises UnknownName with the nearest names, InvalidOption where the argument is missing or not wanted.
    """
    if not isinstance(policy, str):
        named = isinstance(getattr(policy, "name", None), str)
        if isinstance(policy, type) or not named or not isinstance(policy, Policy):
            raise InvalidOption(
                f"{policy!r} is no policy; give a name like 'drf' or an object (not a class) with a name "
                f"and the Policy protocol"
            )
        _check_traits(policy)
        return policy
    made: Policy = make(POLICIES, policy)
    return made


TRAITS = {
    "modes": frozenset({"order", "divide", "machines", "tree"}),
    "stale_on": frozenset({"total", "waiting", "others", "time"}),
}
"""What a policy may say of itself."""


def _check_traits(policy: Policy) -> None:
    for trait, known in TRAITS.items():
        said = getattr(policy, trait)
        if isinstance(said, str) or not isinstance(said, Iterable):
            raise InvalidOption(
                f"policy {policy.name}: its {trait} is {said!r}; give a set of names"
            )
        for name in said:
            if name not in known:
                raise InvalidOption(
                    f"policy {policy.name}: its {trait} names {name!r}; known: {', '.join(sorted(known))}"
                )
    if policy.kernel not in (None, "drf"):
        raise InvalidOption(
            f"policy {policy.name}: its kernel is {policy.kernel!r}; it is 'drf', or None"
        )


def make(group: str, text: str, *args: Any, **options: Any) -> Any:
    """What the factory of that name makes, with the argument behind the colon, if there is one, and with options.

    >>> make("drf.electors", "alone").campaign().leads
    True

    Raises UnknownName with the nearest names, InvalidOption where the argument is missing or not wanted, PluginError
    where it does not load or raises.
    """
    name, colon, argument = text.partition(":")
    factory = load(group, name)
    kind = GROUPS[group]
    given = (argument, *args) if colon else args
    try:
        return factory(*given, **options)
    except DRFError:
        raise
    except TypeError as error:
        if args or options:
            raise InvalidOption(f"{kind} {text!r} cannot be made so: {error}") from error
        example = "cpus" if group == POLICIES else "..."
        takes = "takes no argument" if colon else f"needs an argument, as in '{name}:{example}'"
        raise InvalidOption(f"{kind} {text!r}: {name} {takes}") from error
    except Exception as error:
        raise PluginError(
            f"{kind} {name} raised {error!r} as it was made", group=group, plugin=name
        ) from error


def obtain(group: str, given: Any, verb: str, *args: Any, **options: Any) -> Any:
    """The plug-in itself, or made of its name; it must have that verb; O(1). Raises what `make` raises."""
    found = make(group, given, *args, **options) if isinstance(given, str) else given
    if isinstance(found, type) or not callable(getattr(found, verb, None)):
        raise InvalidOption(
            f"{given!r} is no {GROUPS[group]}; give a name or an object (not a class) with {verb}()"
        )
    return found


def name_of(plugin: Any) -> str:
    """What a plug-in is called in messages: its name, else that of its class; O(1)."""
    name = getattr(plugin, "name", None)
    return name if isinstance(name, str) and name else type(plugin).__name__


def registered(policy: Policy) -> bool:
    """Whether the name of the policy makes one that is like it; O(attributes).

    >>> registered(make_policy("maxmin:gpus"))
    True
    """
    try:
        made = make_policy(policy.name)
    except (UnknownName, InvalidOption, PluginError):
        return False
    return type(made) is type(policy) and vars(made) == vars(policy)
