"""Keeps clients in a policy's order: add, weigh, allocated, unallocated, sort, next.

`Sorter` is the kernel's `Order` with names, units and checks around it. Where the policy has a kernel, the verbs of
the hot path are the compiled class's own methods; any other policy's keys live in a sorted list (`_PolicySorter`) and
cost O(clients) more where the policy's keys go stale on others or on time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from drf._backend import Order, Vector
from drf._random import SplitMix64
from drf.errors import (
    ClockError,
    DuplicateName,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    InvariantBroken,
    NotSupported,
    Overcommit,
    UnknownName,
)
from drf.plugins import Policy, make_policy
from drf.resources import Resources, ResourcesLike
from drf.units import LIMIT, ResourceSpace, check_name

if TYPE_CHECKING:
    from sortedcontainers import SortedList


class Sorter(Order):
    """Clients in a policy's order, lowest share first: who is next?

    >>> s = Sorter("drf", total={"cpus": 9, "mem": 18})
    >>> s.add("A")
    >>> s.add("B")
    >>> s.allocated("A", {"cpus": 1, "mem": 4})     # 1/9 cpus, 4/18 mem: share 2/9
    >>> s.allocated("B", {"cpus": 3, "mem": 1})     # 3/9 cpus, 1/18 mem: share 1/3
    >>> s.next(), s.share("B")
    ('A', 0.3333333333333333)

    ``policy`` is a name or an object, ``total`` what there is (agents may be added later), ``space`` the units of each
    resource, ``exclude`` names resources that do not count for the share, ``seed`` feeds policies that draw. A
    resource with no capacity does not count. One sorter belongs to one thread, or to your lock. Raises UnknownName
    for an unknown policy, NotSupported for one that does not order.
    """

    def __new__(cls, policy: str | Policy = "drf", *args: Any, **kwargs: Any) -> Self:
        if cls is Sorter and make_policy(policy).kernel is None:
            return super().__new__(_PolicySorter)  # type: ignore[return-value]
        return super().__new__(cls)

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        total: ResourcesLike | None = None,
        space: ResourceSpace | None = None,
        exclude: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.policy = make_policy(policy)
        if "order" not in self.policy.modes:
            raise NotSupported(
                f"policy {self.policy.name} does not order clients; its modes are {sorted(self.policy.modes)}"
            )
        self.space = space or ResourceSpace()
        self.now = 0.0
        self._random = SplitMix64(seed)
        self._exclude = frozenset(exclude)
        self._columns: dict[str, int] = {}
        self._base: Resources = Resources(total, space=self.space).scalars
        self._agents: dict[str, Resources] = {}
        self._total: dict[str, int] = {}
        self._placed: dict[str, dict[str, dict[str, int]]] = {}
        self._grow(self._base, 1)

    # -- clients

    def add(
        self, client: str, *, weight: float | Mapping[str, float] = 1.0, active: bool = True
    ) -> None:
        """A new client, holding nothing; an inactive one is counted but not listed; O(log clients).

        ``weight`` is one number above 0, or one a resource (missing: 1). Raises DuplicateName, InvalidName,
        InvalidOption.
        """
        _check_client(client)
        if client in self:
            raise DuplicateName(
                f"client {client!r} is there already; remove it first, or choose another name"
            )
        self._add_row(client, self._weighed(client, weight), active)

    def remove(self, client: str) -> None:
        """Forget the client, with what it holds; O(log clients). Raises UnknownName."""
        self._known(client)
        self._remove_row(client)
        self._placed.pop(client, None)

    def activate(self, client: str) -> None:
        """List the client again; does nothing where it is listed; O(log clients). Raises UnknownName."""
        self._known(client)
        self._set_active(client, True)

    def deactivate(self, client: str) -> None:
        """List the client no more; what it holds still counts; O(log clients). Raises UnknownName."""
        self._known(client)
        self._set_active(client, False)

    def is_active(self, client: str) -> bool:
        """Whether the client is listed; O(1). Raises UnknownName."""
        self._known(client)
        return self._is_active(client)

    def weigh(self, client: str, weight: float | Mapping[str, float]) -> None:
        """Give the client another weight; O(log clients). Raises UnknownName, InvalidOption."""
        self._known(client)
        self._set_weight(client, self._weighed(client, weight))

    def weight(self, client: str) -> float | dict[str, float]:
        """One weight, or one a resource; O(resources). Raises UnknownName."""
        self._known(client)
        weight = self._get_weight(client)
        return (
            dict(zip(self._columns, weight, strict=True)) if isinstance(weight, tuple) else weight
        )

    def held(self, client: str, *, agent: str | None = None) -> Resources:
        """What the client holds, in all or on one agent; O(resources). Raises UnknownName."""
        self._known(client)
        if agent is None:
            units = dict(zip(self._columns, self._get_held(client), strict=True))
        else:
            units = self._placed.get(client, {}).get(agent, {})
        return Resources.from_units(units, space=self.space)

    def agents_of(self, client: str) -> list[str]:
        """The agents on which the client holds something, by name; O(agents of the client). Raises UnknownName."""
        self._known(client)
        return sorted(self._placed.get(client, ()))

    def update(
        self, client: str, old: ResourcesLike, new: ResourcesLike, *, agent: str | None = None
    ) -> None:
        """Replace a part of what the client holds, without counting a grant; O(resources + log clients).

        Raises UnknownName, Overcommit where it does not hold ``old``, InvalidQuantity.
        """
        self._known(client)
        before, after = self._vector(old), self._vector(new)
        held = self._get_held(client)
        for j, q in enumerate(before.amounts):
            if held[j] < q:
                self._overdrawn(client, before)
        for j, q in enumerate(after.amounts):
            taken = before.amounts[j] if j < len(before.amounts) else 0
            if held[j] - taken + q > LIMIT:
                self._overflown(client, after)
        if agent is not None or self._tracked:
            self._on_agent(client, before, agent, -1)
            self._on_agent(client, after, agent, 1)
        self._shift(client, before, after)

    # -- what there is

    def total(self) -> Resources:
        """What there is, of each resource; O(resources)."""
        return Resources.from_units(self._total, space=self.space)

    def set_total(self, total: ResourcesLike) -> None:
        """Replace the total given at the start; agents count beside it; O(resources), then O(clients log clients)
        at the next question. Raises InvalidQuantity."""
        new = Resources(total, space=self.space).scalars
        self._grow(new, 1, instead_of=self._base)
        self._base = new

    def add_agent(self, agent: str, total: ResourcesLike) -> None:
        """An agent brings its total; costs as `set_total`. Raises DuplicateName, InvalidQuantity."""
        if agent in self._agents:
            raise DuplicateName(
                f"agent {agent!r} is there already; remove it first, or choose another name"
            )
        new = Resources(total, space=self.space).scalars
        self._grow(new, 1)
        self._agents[agent] = new

    def remove_agent(self, agent: str) -> None:
        """The agent's total goes; what clients hold stays until it is given back. Raises UnknownName."""
        if agent not in self._agents:
            raise UnknownName("agent", agent, self._agents)
        self._grow(self._agents.pop(agent), -1)

    # -- for policies

    def advance(self, now: float) -> None:
        """Set the time; O(1). Raises ClockError where it goes back."""
        if not now >= self.now:
            raise ClockError(
                f"time went back from {self.now} to {now}; advance with a clock that only grows"
            )
        self.now = now

    def waiting(self, client: str, since: float | None) -> None:
        """When the client's oldest waiting task began to wait, None for no task; policies such as FIFO go by it.

        O(log clients). Raises UnknownName.
        """
        self._known(client)

    def random(self) -> float:
        """The next number in [0, 1) of the seeded generator."""
        return self._random.random()

    # -- inside

    def intern(self, resources: ResourcesLike) -> Vector:
        """A demand made ready for this sorter, for `allocated` and `unallocated` at full speed; O(resources)."""
        return self._vector(resources)

    def check(self) -> None:
        """Re-derive every invariant; O(clients log clients). Raises InvariantBroken."""
        wrong = self._check()
        if wrong:
            raise InvariantBroken(f"sorter: {wrong}")

    def _known(self, client: object) -> None:
        if client not in self:
            self._unknown(client)

    def _unknown(self, client: object) -> Any:
        raise UnknownName("client", client, self._clients())

    def _overdrawn(self, client: str, vector: Vector) -> Any:
        raise Overcommit(
            f"client {client!r} holds {self.held(client)}, not {self._shown(vector)}; "
            f"give back at most what it holds"
        )

    def _overflown(self, client: str, vector: Vector) -> Any:
        raise InvalidQuantity(
            f"client {client!r} would hold {self._shown(vector)} more than {self.held(client)}, "
            f"above the limit of 2**53 units; use a coarser unit"
        )

    def _shown(self, vector: Vector) -> Resources:
        return Resources.from_units(
            dict(zip(self._columns, vector.amounts, strict=False)), space=self.space
        )

    def _column(self, name: str) -> int:
        if name not in self._columns:
            self._columns[name] = column = len(self._columns)
            self._add_column()
            if name in self._exclude or not self.policy.counts(name):
                self._set_counted(column, False)
        return self._columns[name]

    def _vector(self, resources: object) -> Vector:
        if isinstance(resources, Resources):
            memo = resources.memo
            if memo is not None and memo.owner is self._owner:
                return memo  # type: ignore[no-any-return]
            given = resources
            if given.space is not self.space and given.space != self.space:
                given = Resources(given, space=self.space)
            resources.memo = self._made(given)
            return resources.memo  # type: ignore[no-any-return]
        if isinstance(resources, Vector):
            if resources.owner is not self._owner:
                raise InvalidOption(
                    f"{resources} was interned by another sorter; intern it with this one"
                )
            return resources
        return self._made(Resources(resources, space=self.space))  # type: ignore[arg-type]

    def _made(self, resources: Resources) -> Vector:
        columns = {self._column(name): q for name, q in resources.units.items()}
        return Vector(
            tuple(columns.get(j, 0) for j in range(max(columns, default=-1) + 1)), self._owner
        )

    def _weighed(
        self, client: str, weight: float | Mapping[str, float]
    ) -> float | tuple[float, ...]:
        if not isinstance(weight, Mapping):
            return _check_weight(client, weight)
        given = {check_name(n): _check_weight(client, w) for n, w in weight.items()}
        for name in given:
            self._column(name)
        return tuple(given.get(name, 1.0) for name in self._columns)

    def _grow(self, amount: Resources, sign: int, *, instead_of: Resources | None = None) -> None:
        """Change the totals, all of them or, where one would pass the limit, none."""
        new = {name: sign * q for name, q in amount.units.items()}
        if instead_of is not None:
            for name, q in instead_of.units.items():
                new[name] = new.get(name, 0) - q
        for name, q in new.items():
            new[name] = sum_ = self._total.get(name, 0) + q
            if sum_ > LIMIT:
                raise InvalidQuantity(
                    f"the total of {name} would be {sum_} units, above the limit of 2**53; use a coarser unit"
                )
        for name, q in new.items():
            self._total[name] = q
            self._set_total(self._column(name), q)

    def _on_agent(self, client: str, vector: Vector, agent: str | None, sign: int) -> None:
        """Note on which agent it is; what came without an agent's name goes without one."""
        amounts = dict(zip(self._columns, vector.amounts, strict=False))
        places = self._placed.get(client, {})
        if agent is None:
            if sign < 0:
                for name, held in zip(self._columns, self._get_held(client), strict=True):
                    placed = sum(place.get(name, 0) for place in places.values())
                    if held - placed < amounts.get(name, 0):
                        raise Overcommit(
                            f"client {client!r} holds less than {self._shown(vector)} outside its agents "
                            f"{sorted(places)}; name the agent"
                        )
            return
        here = places.get(agent, {})
        new = {n: here.get(n, 0) + sign * amounts.get(n, 0) for n in {**here, **amounts}}
        if any(q < 0 for q in new.values()):
            raise Overcommit(
                f"client {client!r} holds {self.held(client, agent=agent)} on agent {agent!r}, "
                f"not {self._shown(vector)}; give back at most what it holds there"
            )
        self._tracked = True
        left = {n: q for n, q in new.items() if q}
        if left:
            self._placed.setdefault(client, {})[agent] = left
        elif agent in places:
            del places[agent]


class _PolicySorter(Sorter):
    """The same for a policy written in Python: its keys, with grants and name behind them, in a sorted list."""

    def __init__(self, policy: str | Policy = "drf", **options: Any) -> None:
        from sortedcontainers import SortedList  # noqa: PLC0415 (25 ms that `import drf` need not pay)

        self._entries: SortedList[tuple[Any, ...]] = SortedList()
        self._entry: dict[str, tuple[Any, ...]] = {}
        self._since: dict[str, float] = {}
        self._old = False
        super().__init__(policy, **options)
        self._volatile = bool(self.policy.stale_on & {"others", "time"})

    def next(self) -> str | None:
        self._refresh()
        return self._entries[0][-1] if self._entries else None

    def sort(self) -> list[str]:
        self._refresh()
        return [entry[-1] for entry in self._entries]

    def first(self, k: int) -> list[str]:
        self._refresh()
        return [entry[-1] for entry in self._entries[:k]]

    def allocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        super().allocated(client, resources, agent=agent)
        self._rekey(client)

    def unallocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        super().unallocated(client, resources, agent=agent)
        self._rekey(client)

    def waiting(self, client: str, since: float | None) -> None:
        super().waiting(client, since)
        if since is None:
            self._since.pop(client, None)
        else:
            self._since[client] = since
        self._rekey(client)

    def waiting_since(self, client: str) -> float | None:
        """When the client's oldest waiting task began to wait; O(1)."""
        return self._since.get(client)

    def check(self) -> None:
        super().check()
        active = {entry[-1] for entry in self._entries}
        if len(active) != len(self._entries) or active != set(super().sort()):
            raise InvariantBroken("sorter: entries are not those of the active clients")
        if not self._volatile and not self._old:
            for client, entry in self._entry.items():
                if entry != self._key(client):
                    raise InvariantBroken(
                        f"sorter: the entry of client {client!r} went stale unseen"
                    )

    def _key(self, client: str) -> tuple[Any, ...]:
        return (self.policy.key(self, client), self.grants(client), client)

    def _rekey(self, client: str) -> None:
        """Remove, compute, add: an entry never changes while it is in the list."""
        old = self._entry.pop(client, None)
        if old is not None:
            self._entries.remove(old)
        if client in self and self._is_active(client):
            self._entry[client] = new = self._key(client)
            self._entries.add(new)

    def _refresh(self) -> None:
        if not (self._volatile or self._old):
            return
        self._old = False
        # By name, so that draws do not depend on the history of the dictionary.
        self._entry = {client: self._key(client) for client in sorted(self._entry)}
        self._entries.clear()
        self._entries.update(self._entry.values())

    def _add_row(self, name: str, weight: float | tuple[float, ...], active: bool) -> None:
        super()._add_row(name, weight, active)
        self._rekey(name)

    def _remove_row(self, name: str) -> None:
        super()._remove_row(name)
        self._since.pop(name, None)
        self._rekey(name)

    def _set_active(self, name: str, active: bool) -> None:
        super()._set_active(name, active)
        self._rekey(name)

    def _set_weight(self, name: str, weight: float | tuple[float, ...]) -> None:
        super()._set_weight(name, weight)
        self._rekey(name)

    def _shift(self, name: str, old: Vector, new: Vector) -> None:
        super()._shift(name, old, new)
        self._rekey(name)

    def _set_total(self, column: int, units: int) -> None:
        super()._set_total(column, units)
        self._old = self._old or "total" in self.policy.stale_on


def _check_client(client: object) -> None:
    if not isinstance(client, str) or not client:
        raise InvalidName(f"client {client!r} is malformed; a name is text, at least one character")
    try:
        client.encode()
    except UnicodeEncodeError:
        raise InvalidName(
            f"client {client!r} is malformed; a name has no lone surrogates"
        ) from None
    if "/" in client:
        raise NotSupported(
            f"client {client!r}: names with '/' are for trees of roles, which are not built yet"
        )


def _check_weight(client: str, weight: object) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise InvalidOption(f"weight of {client!r} is {weight!r}; it is a number above 0")
    if not 0 < weight < math.inf:
        raise InvalidOption(f"weight of {client!r} is {weight}; it must be above 0 and finite")
    return float(weight)
