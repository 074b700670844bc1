"""Quota within one cycle: what guarantees still lack, what limits still allow, and the headroom kept for guarantees.

Two rules. ``"tree"``: guarantees and limits of any role bind everything below it, at once. ``"mesos"``: as Mesos does,
only top-level roles, what a role below one consumes counts for it from the next cycle on, and limits bind the role
itself alone.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from drf.resources import Resources
from drf.roles import NONE, Quantities, Role, RoleTree, add_to, added, less, line_of
from drf.tags import Tag
from drf.values import Item

_SOURCES = {None: 0, "PATH": 1, "MOUNT": 2}


def sorted_items(items: Iterable[Item]) -> list[Item]:
    """The fixed order in which objects of one name are cut: plain before PATH before MOUNT, small before large."""

    def key(item: Item) -> tuple[object, ...]:
        disk = item.tag.disk
        source = None if disk is None else disk.source
        persistence = "" if disk is None else disk.persistence or ""
        return (
            item.name,
            _SOURCES.get(source, 3),
            persistence,
            item.tag.shared,
            item.value if isinstance(item.value, int) else 0,
        )

    return sorted(items, key=key)


Arrange = Callable[[Iterable[Item]], list[Item]]


def shrink(
    amount: Resources, target: Quantities, *, limits: bool, arrange: Arrange = sorted_items
) -> Resources:
    """As much of the scalars as the target has room for; O(objects log objects).

    A name that the target lacks is dropped, or (``limits``) kept whole. An indivisible object is taken whole or not.
    """
    if amount.is_plain:
        units = {}
        for name, q in amount.quantities().items():
            top = target.get(name)
            if top is None:
                if limits:
                    units[name] = q
            elif top > 0:
                units[name] = min(q, top)
        return Resources.from_units(units, space=amount.space)
    left = dict(target)
    taken = []
    for item in arrange(amount.objects()):
        if not isinstance(item.value, int):
            continue
        top = left.get(item.name)
        if top is None:
            if limits:
                taken.append(item)
            continue
        fixed = item.tag.fixed or item.tag.shared
        cut = item.value if item.value <= top else (0 if fixed else top)
        if cut > 0:
            taken.append(item._replace(value=cut))
            left[item.name] = top - cut
    return Resources.of_items(taken, space=amount.space)


class Budget:
    """What quota says within one cycle, kept up to date with what the cycle gives.

    ``claimed`` is what is kept for roles, and counts as theirs; ``free`` is without it, and without agents that are
    ``beside``: no framework that lacks a guarantee can use these, so nothing need be kept free there.
    """

    def __init__(
        self,
        roles: RoleTree,
        *,
        tree: bool,
        free: Callable[[], Quantities],
        claimed: Iterable[tuple[str, Quantities]] = (),
        beside: Container[str] = (),
    ) -> None:
        self._tree = tree
        self._beside = beside
        self._nodes: dict[str, Role] = {
            role: node for role, node in roles.quotas.items() if tree or "/" not in role
        }
        self._consumed = {role: node.consumed() for role, node in self._nodes.items()}
        self._lines: dict[str, list[str]] = {}
        for role, units in claimed:
            for name in self.line(role):
                add_to(self._consumed[name], units, 1)
        self._below: dict[str, list[str]] = {}
        for role in self._nodes:
            above = next((up for up in line_of(role)[1:] if up in self._nodes), "")
            self._below.setdefault(above, []).append(role)
        self.guaranteed = any(node.guarantees for node in self._nodes.values())
        self.unmet = {role for role in self._nodes if self._lacks(role)}
        self._tops = {role: self._lacking(role) for role in self._below.get("", ())}
        self._required: dict[str, int] = {}
        for lacking in self._tops.values() if self.guaranteed else ():
            add_to(self._required, lacking, 1)
        self._open: dict[tuple[str, ...], set[str]] = {}
        self._available = dict(free()) if self.guaranteed else {}

    def _lacks(self, role: str) -> bool:
        return bool(less(self._nodes[role].guarantees, self._consumed[role]))

    def _lacking(self, role: str) -> dict[str, int]:
        """What guarantees of the role, or of those below it, still lack, whichever is more of a name."""
        below: dict[str, int] = {}
        for child in self._below.get(role, ()):
            below = added(below, self._lacking(child))
        node, consumed = self._nodes[role], self._consumed[role]
        own = less(node.guarantees, consumed)
        both = {name: max(own.get(name, 0), below.get(name, 0)) for name in {**own, **below}}
        # What a limit does not allow need not be kept free.
        for name, top in node.limits.items():
            if name in both:
                both[name] = min(both[name], max(top - consumed.get(name, 0), 0))
        return {name: q for name, q in both.items() if q}

    def line(self, role: str) -> list[str]:
        """The roles with quota that what the role gets counts for."""
        found = self._lines.get(role)
        if found is None:
            names = line_of(role) if self._tree else [role]
            found = self._lines[role] = [name for name in names if name in self._nodes]
        return found

    def unsatisfied(self, role: str) -> dict[str, int]:
        """What the role's guarantees still lack, or those above it (the largest of a name).

        Of a guarantee above it, what others below that are guaranteed themselves and lack is not for this role.
        """
        out: dict[str, int] = {}
        line = self.line(role)
        for name in line:
            lack = less(self._nodes[name].guarantees, self._consumed[name])
            for child in self._below.get(name, ()):
                if child not in line:
                    lack = less(lack, self._lacking(child))
            for resource, q in lack.items():
                out[resource] = max(out.get(resource, 0), q)
        return out

    def limit_left(self, role: str, but: Quantities | None = None) -> dict[str, int] | None:
        """What limits still allow, after ``but`` (below 0: without that); None where nothing is limited."""
        out: dict[str, int] | None = None
        for name in self.line(role):
            limits = self._nodes[name].limits
            if not limits:
                continue
            out = {} if out is None else out
            consumed = self._consumed[name]
            for resource, top in limits.items():
                left = max(top - consumed.get(resource, 0) - (but or {}).get(resource, 0), 0)
                out[resource] = min(out.get(resource, left), left)
        return out

    def open(self, names: tuple[str, ...], roles: Callable[[], Iterable[str]]) -> set[str]:
        """Which of the roles may still have some of one of these amounts, as limits have it; not to be changed.

        O(roles) at first, then O(1); what a role with quota above it gets makes it O(roles) again.
        """
        found = self._open.get(names)
        if found is None:
            found = self._open[names] = {role for role in roles() if self._is_open(role, names)}
        return found

    def _is_open(self, role: str, names: tuple[str, ...]) -> bool:
        limit = self.limit_left(role)
        return limit is None or any(limit.get(name, 1) for name in names)

    def surplus(
        self, kept: Quantities = NONE, *, agent: str | None = None
    ) -> dict[str, int] | None:
        """What is free, with what is kept, beyond what guarantees need; None where they need nothing of the agent."""
        if not self._required or agent in self._beside:
            return None
        return less(added(self._available, kept), self._required)

    def needed(self) -> dict[str, int]:
        """What guarantees need kept beyond what is free, or below 0 less than that; names they need alone."""
        return {name: q - self._available.get(name, 0) for name, q in self._required.items()}

    def allows(
        self,
        role: str,
        counted: Quantities,
        *,
        lacking: bool = False,
        kept: Quantities = NONE,
        agent: str | None = None,
    ) -> bool:
        """Whether limits, and the headroom of others' guarantees, have room for so much.

        ``lacking``: and the role's guarantees lack some of it. What is ``kept`` for it was counted as its own before.
        """
        limit = self.limit_left(role, {name: -units for name, units in kept.items()})
        if limit is not None and any(q > limit.get(n, q) for n, q in counted.items()):
            return False
        lack = self.unsatisfied(role) if self.guaranteed else {}
        if lacking and not any(name in lack for name in counted):
            return False
        surplus = self.surplus(kept, agent=agent)
        return surplus is None or all(
            max(q - lack.get(n, 0), 0) <= surplus.get(n, 0) for n, q in counted.items()
        )

    def take(
        self, role: str, counted: Quantities, *, lacking: bool = False, agent: str | None = None
    ) -> None:
        """The role got so much of the agent; ``lacking``: towards its guarantees, as far as they lack it."""
        lack = self.unsatisfied(role) if lacking else {}
        given = {n: min(q, lack[n]) for n, q in counted.items() if n in lack}
        self.give(role, given, {n: q - given.get(n, 0) for n, q in counted.items()}, agent=agent)

    def give(
        self, role: str, guaranteed: Quantities, extra: Quantities, *, agent: str | None = None
    ) -> None:
        """The role got so much of the agent, part of it towards guarantees."""
        both = added(guaranteed, extra)
        line = self.line(role)
        for name in line:
            add_to(self._consumed[name], both, 1)
            if name in self.unmet and not self._lacks(name):
                self.unmet.discard(name)
        if line and line != [role]:
            self._open.clear()
        for names, found in self._open.items():
            if role in found and not self._is_open(role, names):
                found.discard(role)
        if self.guaranteed:
            if agent not in self._beside:
                self._available = less(self._available, both)
            if self._tree and line:
                add_to(self._required, self._tops[line[-1]], -1)
                self._tops[line[-1]] = self._lacking(line[-1])
                add_to(self._required, self._tops[line[-1]], 1)
            elif not self._tree:
                self._required = less(self._required, guaranteed)


def regular_scalar(name: str, tag: Tag, scalar: bool) -> bool:
    """Whether quota counts it: an unreserved, regular amount."""
    return scalar and not tag.reservations and not tag.revocable


def headroom(
    total: Quantities, out: Quantities, roles: RoleTree, revocable: Iterable[Mapping[str, int]]
) -> dict[str, int]:
    """What is neither out nor reserved nor revocable, over the whole cluster, as Mesos derives it; O(agents)."""
    free = less(less(total, out), less(roles.reservations, roles.reserved_out))
    for units in revocable:
        free = less(free, units)
    return free
