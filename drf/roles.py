"""The role tree: what each role and all below it have reserved and out, its weight and its quota.

A node exists for a role with a weight or quota of its own, a framework, a reservation anywhere, or a node below it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drf._backend import Account, Quotas, Vector
from drf.columns import Columns
from drf.copies import Copies
from drf.resources import Resources
from drf.snapshot import pairs, read_units
from drf.tags import Tag

if TYPE_CHECKING:
    from drf.ledger import Agent

Quantities = Mapping[str, int]

NONE: Quantities = {}
"""Nothing of anything."""

HUGE = 1 << 62
"""Sums from here on are not for the kernel."""


def line_of(role: str) -> list[str]:
    """The role and its ancestors, the top last; O(depth).

    >>> line_of("a/b/c")
    ['a/b/c', 'a/b', 'a']
    """
    out = [role]
    while (cut := role.rfind("/")) >= 0:
        role = role[:cut]
        out.append(role)
    return out


class Role:
    """One node; amounts are units by name, of the role and all below it.

    ``reservations``: reserved to it, idle or not; ``reserved_out`` and ``unreserved_out``: offered or held by its
    frameworks, of reservations and of regular unreserved resources. ``guarantees`` and ``limits`` are its quota; a name
    without a limit is unlimited, a limit of 0 is one.
    """

    __slots__ = (
        "_columns",
        "account",
        "children",
        "frameworks",
        "guarantees",
        "limits",
        "name",
        "reservations",
        "reserved_out",
        "unreserved_held",
        "weight",
    )

    def __init__(self, name: str, columns: Columns) -> None:
        self.name = name
        self._columns = columns
        self.children = 0
        self.weight = 1.0
        self.guarantees: Quantities = {}
        self.limits: Quantities = {}
        self.frameworks: set[str] = set()
        self.reservations: dict[str, int] = {}
        self.reserved_out: dict[str, int] = {}
        self.unreserved_held: dict[str, int] = {}
        self.account = Account()  # what is out, by column

    @property
    def unreserved_out(self) -> dict[str, int]:
        """Regular unreserved amounts that its frameworks were offered or hold; O(names)."""
        out = zip(self._columns.of, self.account.sums(), strict=False)
        return {name: units for name, units in out if units}

    @property
    def quota_default(self) -> bool:
        """Whether it has no quota."""
        return not self.guarantees and not self.limits

    def consumed(self) -> dict[str, int]:
        """What counts against its quota: reservations, idle or not, and unreserved resources that are out."""
        return added(self.reservations, self.unreserved_out)

    def _idle(self) -> bool:
        return not (
            self.children
            or self.frameworks
            or self.reservations
            or self.reserved_out
            or any(self.account.sums())
            or self.weight != 1.0
            or not self.quota_default
        )


class RoleTree:
    """Nodes by path.

    ``columns`` says which column of the kernel's sums is which resource. ``board`` is what the kernel knows of quota.

    ``idle`` is what is reserved to each role itself, in whole units, without what of it is out (below 0 where more is
    out than there is by now); ``on_idle``, if set, is told of each change.
    """

    def __init__(self, columns: Columns | None = None) -> None:
        self._columns = columns or Columns()
        self.board = Quotas()
        self._guaranteed: dict[str, int] = {}  # in all
        self.idle: dict[str, dict[str, int]] = {}
        self.on_idle: Callable[[str, Quantities], None] | None = None
        self._nodes: dict[str, Role] = {}
        self._copies = Copies()
        self.quotas: dict[str, Role] = {}
        self.reservations: dict[str, int] = {}
        self.reserved_out: dict[str, int] = {}

    def get(self, role: str) -> Role | None:
        """The node, None if there is none; O(1)."""
        return self._nodes.get(role)

    def __iter__(self) -> Iterator[Role]:
        return iter(self._nodes.values())

    def weight(self, role: str) -> float:
        """Its weight against its siblings, 1 where none was set; O(1)."""
        node = self._nodes.get(role)
        return 1.0 if node is None else node.weight

    def set_weight(self, role: str, weight: float) -> None:
        """Its weight against its siblings; O(depth)."""
        self._make(role).weight = weight
        self._tidy(role)

    def set_quota(self, role: str, guarantees: Resources, limits: Mapping[str, float]) -> None:
        """Its guarantees and limits, both empty for none; O(depth + names). Raises InvalidQuantity."""
        space = guarantees.space
        units = {name: space.to_units(name, amount) for name, amount in limits.items()}
        self._give_quota(self._make(role), guarantees.quantities(), units)
        self._tidy(role)

    def _give_quota(self, node: Role, guarantees: Quantities, limits: Quantities) -> None:
        add_to(self._guaranteed, node.guarantees, -1)
        add_to(self._guaranteed, guarantees, 1)
        node.guarantees, node.limits = dict(guarantees), dict(limits)
        if node.quota_default:
            self.quotas.pop(node.name, None)
        else:
            self.quotas[node.name] = node
        for name in (*guarantees, *limits):
            self._columns.column(name)
        names = () if node.quota_default else tuple(self._columns.of)
        node.account.set_quota(
            self.board,
            tuple(guarantees.get(name, 0) for name in names),
            tuple(limits.get(name, -1) for name in names),
        )

    def guaranteed(self, *, below: bool) -> bool:
        """Whether any role is guaranteed anything; without those ``below``, any that is below no other; O(roles)."""
        if below:
            return bool(self._guaranteed)
        return any(node.guarantees and "/" not in role for role, node in self.quotas.items())

    @property
    def is_plain(self) -> bool:
        """Whether quota is for the kernel: nothing is reserved, and the sums are not too large for it; O(names)."""
        return not self.reservations and all(q < HUGE for q in self._guaranteed.values())

    def account(self, role: str) -> Account:
        """What is out in the role, as the kernel notes it; O(depth)."""
        return self._make(role).account

    def track_framework(self, framework: str, role: str) -> None:
        """The framework has to do with the role; O(depth)."""
        self._make(role).frameworks.add(framework)

    def untrack_framework(self, framework: str, role: str) -> None:
        """It has no longer; O(depth)."""
        self._nodes[role].frameworks.discard(framework)
        self._tidy(role)

    def track_reservations(self, agent: str, total: Resources) -> None:
        """An agent brings its reservations; O(objects x depth)."""
        self._reserve(agent, total, 1)

    def track_agents(self, agents: Iterable[Agent], frameworks: Container[str]) -> None:
        """Agents bring their reservations, and what these frameworks have out on them; O(objects x depth)."""
        for agent in agents:
            self.track_reservations(agent.name, agent.total)
            for where, held in ((agent.offered, False), (agent.held, True)):
                for (framework, role), amount in where.items():
                    if framework in frameworks:
                        self.moved(agent.name, role, amount, 1, held=held)

    def untrack_reservations(self, agent: str, total: Resources) -> None:
        """An agent takes them away; O(objects x depth)."""
        self._reserve(agent, total, -1)

    def _reserve(self, agent: str, total: Resources, sign: int) -> None:
        if total.is_plain:
            return
        for owner in {i.tag.owner: None for i in total.objects() if i.tag.owner is not None}:
            own = total.split(owned(owner)).quantities()
            add_to(self.reservations, own, sign)
            self._idles(owner, own, sign)
            for name in line_of(owner):
                add_to(self._make(name).reservations, own, sign)
            self._tidy(owner)

    def moved(self, agent: str, role: str, amount: Resources, sign: int, *, held: bool) -> None:
        """So much more (sign 1) or less (-1) is out in the role; O(names x depth)."""
        if amount.is_plain:
            units = amount.quantities()
            vector = self._columns.vector(amount)
            for name in line_of(role):
                node = self._make(name)
                node.account.add(vector, sign)
                if held:
                    add_to(node.unreserved_held, units, sign)
        else:
            reserved = amount.split(lambda name, tag, scalar: bool(tag.reservations))
            regular = amount.split(_regular).quantities()
            vector = Vector(self._columns.row(regular), self._columns)
            if reserved:
                add_to(self.reserved_out, self._copies.charge("", agent, reserved, sign), sign)
                for owner in {i.tag.owner: None for i in reserved.objects() if i.tag.owner}:
                    part = reserved.split(owned(owner))
                    # No role has a space in its name, so the key is nobody else's.
                    self._idles(owner, self._copies.charge(f" {owner}", agent, part, sign), -sign)
            for name in line_of(role):
                node = self._make(name)
                node.account.add(vector, sign)
                if held:
                    add_to(node.unreserved_held, regular, sign)
                if reserved:
                    charged = self._copies.charge(name, agent, reserved, sign)
                    add_to(node.reserved_out, charged, sign)
        if sign < 0:
            self._tidy(role)

    def _idles(self, owner: str, units: Quantities, sign: int) -> None:
        idle = self.idle.setdefault(owner, {})
        add_to(idle, units, sign)
        if self.on_idle is not None:
            self.on_idle(owner, idle)
        if not idle:
            del self.idle[owner]

    def kept(self, role: str, amount: Resources) -> None:
        """What was offered in the role is held now; O(names x depth)."""
        units = amount.split(_regular).quantities()
        for name in line_of(role):
            add_to(self._make(name).unreserved_held, units, 1)

    def ended(self, role: str, amount: Resources) -> None:
        """So much that was held in the role came back, and the kernel has noted what is out; O(names x depth)."""
        for name in line_of(role):
            add_to(self._make(name).unreserved_held, amount.quantities(), -1)

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot: weights and quotas; the rest follows from agents and frameworks; O(roles)."""
        return {
            "weights": sorted([node.name, node.weight] for node in self if node.weight != 1.0),
            "quotas": [
                [role, pairs(node.guarantees), pairs(node.limits)]
                for role, node in self.quotas.items()
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take that part back into an empty tree; O(roles x depth)."""
        for role, weight in state["weights"]:
            self._make(role).weight = weight
        for role, guarantees, limits in state["quotas"]:
            self._give_quota(self._make(role), read_units(guarantees), read_units(limits))

    def _make(self, role: str) -> Role:
        node = self._nodes.get(role)
        if node is None:
            node = self._nodes[role] = Role(role, self._columns)
            cut = role.rfind("/")
            if cut >= 0:
                self._make(role[:cut]).children += 1
        return node

    def _tidy(self, role: str) -> None:
        for name in line_of(role):
            node = self._nodes.get(name)
            if node is None or not node._idle():
                return
            del self._nodes[name]
            cut = name.rfind("/")
            if cut >= 0:
                self._nodes[name[:cut]].children -= 1


def owned(owner: str | None) -> Callable[[str, Tag, bool], bool]:
    """Which amounts are reserved to the role, or (None) to nobody."""

    def wanted(name: str, tag: Tag, scalar: bool) -> bool:
        return scalar and tag.owner == owner

    return wanted


def _regular(name: str, tag: Tag, scalar: bool) -> bool:
    return scalar and not tag.reservations and not tag.revocable


def added(a: Quantities, b: Quantities) -> dict[str, int]:
    """Both together; O(names)."""
    out = dict(a)
    for name, units in b.items():
        out[name] = out.get(name, 0) + units
    return out


def less(a: Quantities, b: Quantities) -> dict[str, int]:
    """What is left of a, nothing below 0 and no zeros; O(names)."""
    return {name: left for name, units in a.items() if (left := units - b.get(name, 0)) > 0}


def add_to(target: dict[str, int], units: Quantities, sign: int) -> None:
    """Change the target in place, zeros dropped; O(names)."""
    for name, q in units.items():
        new = target.get(name, 0) + sign * q
        if new:
            target[name] = new
        else:
            target.pop(name, None)
