"""What others implement or call: the protocols, the records they exchange, and where plug-ins are found.

A plug-in is an object, or a name under an entry-point group (`drf.policies`, `drf.allocators`), loaded when it is first
asked for. A name may carry one argument behind a colon: ``"maxmin:gpus"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from drf.affinity import Affinity
from drf.constraints import OfferConstraints
from drf.errors import InvalidOption, NotSupported, PluginError, UnknownName
from drf.resources import Resources, ResourceSpace, Shape

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

POLICIES = "drf.policies"
ALLOCATORS = "drf.allocators"

Weight: TypeAlias = "Fraction | tuple[Fraction, ...]"


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


def _entry_points(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 (40 ms that `import drf` need not pay)

    return {entry.name: entry for entry in sorted(entry_points(group=group))}


def names(group: str) -> list[str]:
    """The names registered under an entry-point group, without importing what stands behind them; O(plug-ins).

    >>> "fifo" in names("drf.policies")
    True
    """
    return sorted({*_entry_points(group), *_BUILT_IN.get(group, {})})


def load(group: str, name: str) -> Any:
    """What is registered under that name. Raises UnknownName with the nearest names, PluginError."""
    entry = _entry_points(group).get(name)
    target = entry.value if entry is not None else _BUILT_IN.get(group, {}).get(name)
    if target is None:
        raise UnknownName(
            group.rpartition(".")[2].removesuffix("s").replace("ie", "y"), name, names(group)
        )
    module, _, attribute = target.partition(":")
    try:
        from importlib import import_module  # noqa: PLC0415 (as above)

        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"plug-in {name} of {group} does not load from {target}: {error}"
        ) from error


_BUILT_IN = {
    POLICIES: {
        "drf": "drf.policies.shares:DRF",
        "maxmin": "drf.policies.shares:MaxMin",
        "asset": "drf.policies.shares:Asset",
        "tasks": "drf.policies.shares:Tasks",
        "fifo": "drf.policies.fifo:FIFO",
        "random": "drf.policies.lottery:Random",
        "priority": "drf.policies.priority:Priority",
        "seqminmax": "drf.policies.sequential:SequentialMinMax",
        "static": "drf.policies.partition:Static",
        "slots": "drf.policies.partition:Slots",
        "ceei": "drf.policies.welfare:CEEI",
        "bmf": "drf.policies.welfare:BMF",
        "utilitarian": "drf.policies.welfare:Utilitarian",
        "drfh": "drf.policies.machines:DRFH",
        "tsf": "drf.policies.machines:TSF",
        "cdrf": "drf.policies.machines:CDRF",
        "perserver": "drf.policies.machines:PerServer",
        "psdsf": "drf.policies.machines:PSDSF",
        "hdrf": "drf.policies.hierarchy:HDRF",
        "collapsed": "drf.policies.hierarchy:Collapsed",
        "sdrf": "drf.policies.overtime:SDRF",
        "halflife": "drf.policies.overtime:HalfLife",
        "dynamic": "drf.policies.dynamic:Dynamic",
        "gavel": "drf.policies.gavel:Gavel",
        "mesos": "drf.policies.peers:Mesos",
        "volcano": "drf.policies.peers:Volcano",
        "yunikorn": "drf.policies.peers:YuniKorn",
        "yarn": "drf.policies.peers:Yarn",
        "armada": "drf.policies.peers:Armada",
        "kueue": "drf.policies.peers:Kueue",
    },
    ALLOCATORS: {"hierarchical": "drf.hierarchical:HierarchicalAllocator"},
}
"""Ours, so that a source tree that was never installed works too."""


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
        return policy
    name, colon, argument = policy.partition(":")
    factory = load(POLICIES, name)
    try:
        made: Policy = factory(argument) if colon else factory()
    except TypeError as error:
        takes = "takes no argument" if colon else f"needs an argument, as in '{name}:cpus'"
        raise InvalidOption(f"policy {policy!r}: {name} {takes}") from error
    return made


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
