"""Keeps clients in a policy's order: add, weigh, allocated, unallocated, sort, next.

`Sorter` is the kernel's `Order` with names, units and checks around it. Where the policy has a kernel, the verbs of
the hot path are the compiled class's own methods; any other policy's keys live in a sorted list (`_PolicySorter`) and
cost O(clients) more where the policy's keys go stale on others or on time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, Self

from drf._backend import Order, Vector
from drf._random import SplitMix64
from drf.columns import Columns
from drf.copies import Copies
from drf.errors import (
    ClockError,
    DuplicateName,
    InputError,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    InvariantBroken,
    NotSupported,
    Overcommit,
    PluginError,
    UnknownName,
)
from drf.plugins import POLICIES, Ordering, Policy, Row, make_policy
from drf.resources import Resources, ResourcesLike
from drf.snapshot import mapped, moment, packed, pairs, read_units, stream, unpacked, whole
from drf.tree import Tree
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

    Many grants in one call, each to the first client, of its own demand:

    >>> s.serve(3, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})
    ['A', 'B', 'A']

    Paths make a tree, in which siblings compete by what is held below them, and each level is fair:

    >>> for name in ("eng/ads", "eng/web", "ops"):
    ...     s.add(name)
    >>> s.allocated("eng/ads", {"cpus": 1})         # eng holds 1/9, so ops (0) comes before eng/web
    >>> s.first(2)
    ['ops', 'eng/web']

    ``policy`` is a name or an object, ``total`` what there is (agents may be added later), ``space`` the units of each
    resource, ``exclude`` names resources that do not count for the share, ``seed`` feeds policies that draw. A
    resource with no capacity does not count. One sorter belongs to one thread, or to your lock. Raises UnknownName
    for an unknown policy, NotSupported for one that does not order.

    Where the policy fails, a verb raises PluginError and has changed nothing. With ``late`` (an allocator's sorters) it
    is carried out, the failure told to that function, and the order made anew at the next question.
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
        columns: Columns | None = None,
        late: Callable[[PluginError], None] | None = None,
    ) -> None:
        super().__init__()
        self._late = late
        self.policy = make_policy(policy)
        if "order" not in self.policy.modes:
            raise NotSupported(
                f"policy {self.policy.name} does not order clients; its modes are {sorted(self.policy.modes)}"
            )
        self.space = space or ResourceSpace()
        self.now = 0.0
        self._random = SplitMix64(seed)
        self._exclude = frozenset(exclude)
        self._table = columns or Columns()
        self._columns = self._table.of
        self._owner = self._table
        for name, column in self._columns.items():
            self._add_column()
            self._set_counted(column, self._is_counted(name))
        self._table.sorters.add(self)
        self._base: Mapping[str, int] = {}
        self._agents: dict[str, Mapping[str, int]] = {}
        self._total: dict[str, int] = {}
        self._leader: Sorter | None = None
        self._placed: dict[str, dict[str, Resources]] = {}
        self._copies = Copies()
        self._tree: Tree | None = None
        self._path_weights: dict[str, float | Mapping[str, float]] = {}
        self.set_total(total or {})

    # -- clients

    def add(
        self, client: str, *, weight: float | Mapping[str, float] | None = None, active: bool = True
    ) -> None:
        """A new client, holding nothing; an inactive one is counted but not listed; O(log clients).

        ``weight`` is one number above 0 (default: what `weigh_path` said, else 1), or one a resource (missing: 1).
        Raises DuplicateName, InvalidName, InvalidOption.
        """
        client = _check_client(client)
        if client in self:
            raise DuplicateName(
                f"client {client!r} is there already; remove it first, or choose another name"
            )
        if weight is not None:
            self._weighed(client, weight)
            self._path_weights[client] = weight
        if self._tree is None and "/" in client:
            self._plant()
        if self._tree is None:
            self._add_row(client, self._weight_of(client), active)
        else:
            self._tree.add(client, active)
            self._tree.weigh(client, self._weight_of(client))  # the node may have been there

    def remove(self, client: str) -> None:
        """Forget the client, with what it holds; O(log clients). Raises UnknownName."""
        self._known(client)
        for agent, amount in list(self._placed.get(client, {}).items()):
            self._moved(client, amount, agent, -1)
        if self._tree is None:
            self._remove_row(client)
        else:
            rest = Vector(self._held_by(client), self._owner)
            for node in self._tree.line(client):
                self._tree.charge(node, rest, -1, 0)
            self._tree.remove(client)

    def activate(self, client: str) -> None:
        """List the client again; does nothing where it is listed; O(log clients). Raises UnknownName."""
        self._list(client, True)

    def deactivate(self, client: str) -> None:
        """List the client no more; what it holds still counts; O(log clients). Raises UnknownName."""
        self._list(client, False)

    def is_active(self, client: str) -> bool:
        """Whether the client is listed; O(1). Raises UnknownName."""
        self._known(client)
        return self._is_active(client) if self._tree is None else self._tree.is_active(client)

    def weigh(self, client: str, weight: float | Mapping[str, float]) -> None:
        """Give the client another weight; O(log clients). Raises UnknownName, InvalidOption."""
        self._known(client)
        self.weigh_path(client, weight)

    def weigh_path(self, path: str, weight: float | Mapping[str, float]) -> None:
        """Weigh the node of that path against its siblings, now or as soon as it is there; O(log siblings).

        Raises InvalidName, InvalidOption.
        """
        path = _check_client(path)
        made = self._weighed(path, weight)
        self._path_weights[path] = weight
        if self._tree is not None:
            self._tree.weigh(path, made)
        elif path in self:
            self._set_weight(path, made)

    def weight(self, client: str) -> float | Mapping[str, float]:
        """One weight, or one a resource; O(1). Raises UnknownName."""
        self._known(client)
        return self._path_weights.get(client, 1.0)

    def held(self, client: str, *, agent: str | None = None) -> Resources:
        """What the client holds, in all (scalars by name) or on one agent; O(resources). Raises UnknownName."""
        self._known(client)
        if agent is not None:
            return self._placed.get(client, {}).get(agent, Resources(space=self.space))
        units = dict(zip(self._columns, self._held_by(client), strict=True))
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
        before, after = self._resources(old), self._resources(new)
        held = dict(zip(self._columns, self._held_by(client), strict=True))
        taken = before.quantities()
        for name, q in after.quantities().items():
            if held.get(name, 0) - taken.get(name, 0) + q > LIMIT:
                self._overflown(client, self._made(after.quantities()))
        self._moved(client, before, agent, -1)
        self._moved(client, after, agent, 1, grants=0)

    def charge(
        self,
        client: str,
        resources: ResourcesLike,
        *,
        agent: str | None = None,
        sign: int = 1,
        grants: int = 0,
    ) -> None:
        """The client holds so much more (sign 1) or less (-1), for so many grants; O(resources + log clients).

        Raises what `allocated` and `unallocated` raise.
        """
        self._moved(client, resources, agent, sign, grants=grants)

    # -- questions

    def sort(self) -> list[str]:
        """All active clients, lowest share first; O(clients)."""
        return super().sort() if self._tree is None else list(self._tree.walk())

    def first(self, k: int) -> list[str]:
        """The first k of them, fewer if there are fewer; O(k)."""
        return super().first(k) if self._tree is None else list(islice(self._tree.walk(), k))

    def share(self, client: str) -> float:
        """The client's own dominant share divided by its weight; O(1). Raises UnknownName."""
        if self._tree is None:
            return super().share(client)
        self._known(client)
        return self._tree.share(client)

    def grants(self, client: str) -> int:
        """How many grants the client has had: the tie-break; O(1). Raises UnknownName."""
        if self._tree is None:
            return super().grants(client)
        self._known(client)
        return self._tree.grants(client)

    def clients(self) -> list[str]:
        """All clients, active or not, in the order they came; O(clients)."""
        return self._clients() if self._tree is None else list(self._tree.leaves)

    def __contains__(self, client: object) -> bool:
        return super().__contains__(client) if self._tree is None else client in self._tree.leaves

    def __len__(self) -> int:
        return super().__len__() if self._tree is None else len(self._tree.leaves)

    # -- what there is

    def total(self) -> Resources:
        """What there is, of each resource; O(resources)."""
        return Resources.from_units(self._total, space=self.space)

    def set_total(self, total: ResourcesLike) -> None:
        """Replace the total given at the start; agents count beside it; O(resources), then O(clients log clients)
        at the next question. Raises InvalidQuantity."""
        new = self._resources(total).quantities()
        self._grow(new, 1, instead_of=self._base)
        self._base = new

    def follow(self, leader: Sorter) -> None:
        """Divide by the totals of an order with the same columns from now on; O(columns).

        The numbers are taken over by `Dealer.catch_up`, when they are next needed.
        """
        self._leader, self._total, self._base = leader, leader._total, {}
        self._take_totals(leader)

    @property
    def is_follower(self) -> bool:
        """Whether it divides by the totals of another."""
        return self._leader is not None

    def add_agent(self, agent: str, total: ResourcesLike) -> None:
        """An agent brings its total; costs as `set_total`. Raises DuplicateName, InvalidQuantity."""
        if agent in self._agents:
            raise DuplicateName(
                f"agent {agent!r} is there already; remove it first, or choose another name"
            )
        new = self._resources(total).quantities()
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
        if not self.now <= now < math.inf:
            back = "back " if now < self.now else ""
            raise ClockError(
                f"time went {back}from {self.now} to {now}; advance with a finite clock that only grows"
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

    def intern(self, resources: ResourcesLike) -> Vector:
        """A demand made ready for this sorter, for `allocated` and `unallocated` at full speed; O(resources)."""
        return self._vector(resources)

    def check(self) -> None:
        """Re-derive every invariant; O(clients log clients). Raises InvariantBroken."""
        wrong = self._check()
        if self._tree is not None:
            wrong = wrong or next(
                filter(None, (level._check() for level in self._tree.levels())), None
            )
            for node in self._tree.nodes.values():
                if (
                    node.level is not None
                    and node.parent is not None
                    and node.parent.level is not None
                ):
                    below = [node.level._get_held(path) for path in node.level._clients()]
                    if (
                        tuple(map(sum, zip(*below, strict=True)))
                        != node.parent.level._get_held(node.path)
                        and not self._copies
                    ):
                        wrong = wrong or f"node {node.path!r} does not hold what is held below it"
        if wrong:
            raise InvariantBroken(f"sorter: {wrong}")

    # -- snapshots

    def state(self) -> dict[str, Any]:
        """All that it knows but for its policy, units and excluded resources, as plain JSON values; O(state)."""
        rows: Iterable[tuple[str, tuple[int, ...], int]]
        if self._tree is None:
            rows = ((c, self._get_held(c), super(Sorter, self).grants(c)) for c in self._clients())
        else:
            rows = self._tree.rows()
        return {
            "columns": list(self._columns),
            "total": pairs(self._total),
            "base": pairs((self._leader or self)._base),
            "agents": [[agent, pairs(total)] for agent, total in self._agents.items()],
            "weights": [
                [path, pairs(weight) if isinstance(weight, Mapping) else weight]
                for path, weight in self._path_weights.items()
            ],
            "tree": self._tree is not None,
            "clients": [[client, self.is_active(client)] for client in self.clients()],
            "rows": [[path, list(held), grants] for path, held, grants in rows],
            "placed": [
                [client, agent, packed(there)]
                for client, places in self._placed.items()
                for agent, there in places.items()
            ],
            "copies": self._copies.state(),
            "apart": bool(self._apart),
            "now": self.now,
            "random": stream(self._random.state),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take all that back into a new sorter with the same policy, units and excluded resources; O(state log state).

        Raises InputError where it does not fit together, PluginError where the policy fails.
        """
        for name in state["columns"]:
            self._column(check_name(name))
        self._total = read_units(state["total"])
        for level in self._levels():
            for name, q in self._total.items():
                level._set_total(self._columns[name], q)
        self._base = read_units(state["base"])
        self._agents = {agent: read_units(total) for agent, total in state["agents"]}
        for path, weight in state["weights"]:
            given = mapped(weight) if isinstance(weight, list) else weight
            self._weighed(_check_client(path), given)
            self._path_weights[path] = given
        if state["tree"]:
            self._plant()
        for client, active in state["clients"]:
            Sorter.add(self, client, active=bool(active))
        self._put_rows(state["rows"])
        for client, agent, there in state["placed"]:
            self._placed.setdefault(client, {})[agent] = unpacked(there, self.space)
        self._copies.load(state["copies"], self.space)
        self._apart = bool(state["apart"])
        self.now = moment(state["now"], "the time of a sorter")
        self._random.state = int(state["random"], 16)

    def _put_rows(self, rows: Iterable[Any]) -> None:
        known = set(self._clients() if self._tree is None else self._tree.nodes)
        for path, held, grants in rows:
            if path not in known or len(held) != len(self._columns):
                raise InputError(f"the row of client {path!r} in the snapshot fits no client")
            known.remove(path)
            row = tuple(whole(q, path) for q in held), whole(grants, path)
            if self._tree is None:
                self._set_state(path, *row)
            else:
                self._tree.put_row(path, *row)
        if known:
            raise InputError(f"the snapshot has no row of clients {sorted(known)}")

    # -- inside

    def _plant(self) -> None:
        """The first path makes a tree of what was flat; `next` and the verbs go through it from now on."""
        self._tree = Tree(self, self._new_level, self._weight_of, self._copies)
        for client in super()._clients():
            self._tree.adopt(client, self._is_active(client))
        self._nested = self._apart = True

    def _new_level(self) -> Order:
        level = Order()
        for name, column in self._columns.items():
            level._add_column()
            level._set_counted(column, self._is_counted(name))
            level._set_total(column, self._total.get(name, 0))
        return level

    def _is_counted(self, name: str) -> bool:
        if name in self._exclude:
            return False
        try:
            return bool(self.policy.counts(name))
        except Exception as error:
            failed = self._wrong("counts", f"does not say whether {name} counts: {error!r}", error)
            if self._late is None:
                raise failed from error
            self._late(failed)
            return True

    def _wrong(self, verb: str, what: str, error: Exception | None = None) -> PluginError:
        name = self.policy.name
        failed = PluginError(f"policy {name} {what}", group=POLICIES, plugin=name, verb=verb)
        failed.__cause__ = error
        return failed

    def _descended(self) -> str | None:
        assert self._tree is not None
        self._nested = False  # the root's own order is asked now
        try:
            return self._tree.next()
        finally:
            self._nested = True

    def _served(self, k: int, demands: Mapping[str, Any]) -> list[str]:
        """What `serve` does where there are agents, a tree, or keys of a policy in Python."""
        picked: list[str] = []
        given: list[Any] = []
        try:
            for _ in range(k):
                client = self.next()
                if client is None:
                    break
                try:
                    demand = demands[client]
                except KeyError:
                    self._undemanded(client)
                self.allocated(client, demand)
                picked.append(client)
                given.append(demand)
        except Exception:
            for client, demand in zip(reversed(picked), reversed(given), strict=True):
                Sorter.charge(self, client, demand, sign=-1, grants=-1)
            raise
        return picked

    def _undemanded(self, client: str) -> NoReturn:
        raise InputError(
            f"client {client!r} is next, and has no demand; give one, or deactivate the client"
        ) from None

    def _list(self, client: str, active: bool) -> None:
        self._known(client)
        if self._tree is None:
            self._set_active(client, active)
        else:
            self._tree.set_active(client, active)

    def _held_by(self, client: str) -> tuple[int, ...]:
        return self._get_held(client) if self._tree is None else self._tree.held(client)

    def _known(self, client: object) -> None:
        if client not in self:
            self._unknown(client)

    def _unknown(self, client: object) -> Any:
        raise UnknownName("client", client, self.clients())

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

    def _resources(self, resources: object) -> Resources:
        """The amount in this sorter's units; an interned vector too."""
        if isinstance(resources, Vector):
            return self._shown(self._vector(resources))
        return Resources(resources, space=self.space)  # type: ignore[arg-type]

    def _column(self, name: str) -> int:
        return self._table.column(name)

    def _widen(self, name: str, column: int) -> None:
        for level in self._levels():
            level._add_column()
            level._set_counted(column, self._is_counted(name))

    def _levels(self) -> Iterator[Order]:
        yield self
        if self._tree is not None:
            yield from self._tree.levels()

    def _vector(self, resources: object) -> Vector:
        if isinstance(resources, Resources):
            memo = resources.memo
            if memo is not None and memo.owner is self._owner:
                return memo  # type: ignore[no-any-return]
            if resources.shared:
                raise InvalidOption(
                    f"{resources} is shared; name the agent, so that copies count once there"
                )
            if resources.space == self.space:
                return self._table.vector(resources)
            return self._made(Resources(resources, space=self.space).quantities())
        if isinstance(resources, Vector):
            if resources.owner is not self._owner:
                raise InvalidOption(
                    f"{resources} was interned by another sorter; intern it with this one"
                )
            return resources
        return self._vector(Resources(resources, space=self.space))  # type: ignore[arg-type]

    def _made(self, quantities: Mapping[str, int]) -> Vector:
        return Vector(self._table.row(quantities), self._table)

    def _weight_of(self, path: str) -> float | tuple[float, ...]:
        return self._weighed(path, self._path_weights.get(path, 1.0))

    def _weighed(
        self, client: str, weight: float | Mapping[str, float]
    ) -> float | tuple[float, ...]:
        if not isinstance(weight, Mapping):
            return _check_weight(client, weight)
        given = {check_name(n): _check_weight(client, w) for n, w in weight.items()}
        for name in given:
            self._column(name)
        return tuple(given.get(name, 1.0) for name in self._columns)

    def _grow(
        self, amount: Mapping[str, int], sign: int, *, instead_of: Mapping[str, int] | None = None
    ) -> None:
        """Change the totals, all of them or, where one would pass the limit, none."""
        new = {name: sign * q for name, q in amount.items()}
        for name, q in (instead_of or {}).items():
            new[name] = new.get(name, 0) - q
        for name, q in new.items():
            new[name] = sum_ = self._total.get(name, 0) + q
            if sum_ > LIMIT:
                raise InvalidQuantity(
                    f"the total of {name} would be {sum_} units, above the limit of 2**53; use a coarser unit"
                )
        for name, q in new.items():
            self._total[name] = q
            column = self._column(name)
            for level in self._levels():
                level._set_total(column, q)

    def _moved(
        self,
        client: str,
        resources: object,
        agent: str | None,
        sign: int,
        *,
        grants: int | None = None,
    ) -> None:
        """What `allocated` (sign 1, one grant) and `unallocated` (-1, none) do where there are agents or a tree."""
        self._known(client)
        amount = self._resources(resources)
        places = self._placed.get(client, {})
        if agent is None and amount.shared:
            self._vector(amount)
        quantities = amount.quantities()
        held = dict(zip(self._columns, self._held_by(client), strict=True))
        if sign < 0:
            if agent is not None and not amount <= places.get(agent, Resources(space=self.space)):
                raise Overcommit(
                    f"client {client!r} holds {places.get(agent) or 'nothing'} on agent {agent!r}, "
                    f"not {amount}; give back at most what it holds there"
                )
            for name, q in quantities.items():
                there = held.get(name, 0)
                if agent is None:
                    there -= sum(place.quantities().get(name, 0) for place in places.values())
                if there < q:
                    if agent is None and places and held.get(name, 0) >= q:
                        raise Overcommit(
                            f"client {client!r} holds less than {amount} outside its agents {sorted(places)}; "
                            f"name the agent"
                        )
                    self._overdrawn(client, self._made(quantities))
        else:
            for name, q in quantities.items():
                if held.get(name, 0) + q > LIMIT:
                    self._overflown(client, self._made(quantities))
        count = max(sign, 0) if grants is None else grants
        if self._tree is None:
            self._charge(client, self._charged(client, amount, agent, sign), sign, count)
        else:
            for node in self._tree.line(client):
                self._tree.charge(node, self._charged(node.path, amount, agent, sign), sign, count)
        if agent is not None:
            self._apart = True
            old = places.get(agent, Resources(space=self.space))
            new = old + amount if sign > 0 else old - amount
            if new:
                self._placed.setdefault(client, {})[agent] = new
            else:
                del self._placed[client][agent]
                if not self._placed[client]:
                    del self._placed[client]

    def _charged(self, node: str, amount: Resources, agent: str | None, sign: int) -> Vector:
        """What a node is charged for the amount: of shared objects the first copy on an agent, until the last goes."""
        if agent is None:
            return self._made(amount.quantities())
        return self._made(self._copies.charge(node, agent, amount, sign))


class _PolicySorter(Sorter):
    """The same for a policy written in Python: its keys, with grants and name behind them, in a sorted list.

    It orders clients, not the nodes of a tree.
    """

    def __init__(self, policy: str | Policy = "drf", **options: Any) -> None:
        from sortedcontainers import SortedList  # noqa: PLC0415 (25 ms that `import drf` need not pay)

        self._entries: SortedList[tuple[Any, ...]] = SortedList()
        self._entry: dict[str, tuple[Any, ...]] = {}
        self._since: dict[str, float] = {}
        self._old = False
        self._spoilt = False
        """The policy failed: what is kept of the order is not to be trusted, and made anew at the next question."""
        self._own: Ordering | None = None
        super().__init__(policy, **options)
        try:
            self._own = self._ordering()
        except PluginError as error:
            self._fail(error)
        self._volatile = bool(self.policy.stale_on & {"others", "time"})

    def next(self) -> str | None:
        self._refresh()
        if self._own is not None:
            return next(iter(self._listed(self._own, 1)), None)
        return self._entries[0][-1] if self._entries else None

    def sort(self) -> list[str]:
        self._refresh()
        if self._own is not None:
            return self._listed(self._own, None)
        return [entry[-1] for entry in self._entries]

    def first(self, k: int) -> list[str]:
        self._refresh()
        if self._own is not None:
            return self._listed(self._own, k)
        return [entry[-1] for entry in self._entries[:k]]

    def _listed(self, own: Ordering, k: int | None) -> list[str]:
        """The first k by the policy's own order, each of them an active client, once. Raises PluginError."""
        try:
            names = list(own.first(k))
            is_active = self._is_active if self._tree is None else self._tree.is_active
            good = len(set(names)) == len(names) and all(
                name in self and is_active(name) for name in names
            )
        except Exception as error:
            self._spoilt = True
            raise self._wrong("first", f"gave no order of its clients: {error!r}") from error
        if not good or (k is not None and len(names) > k):
            self._spoilt = True
            raise self._wrong("first", f"gave {names} as its clients in order; each comes once")
        return names

    def add(
        self, client: str, *, weight: float | Mapping[str, float] | None = None, active: bool = True
    ) -> None:
        before = self._path_weights.get(client)
        super().add(client, weight=weight, active=active)

        def undo() -> None:
            Sorter.remove(self, client)
            if before is None:
                self._path_weights.pop(client, None)
            else:
                self._path_weights[client] = before
            if self._tree is not None:
                self._tree.weigh(client, self._weight_of(client))

        self._rekey(client, undo)

    def remove(self, client: str) -> None:
        super().remove(client)
        self._since.pop(client, None)
        self._forget(client)

    def weigh_path(self, path: str, weight: float | Mapping[str, float]) -> None:
        super().weigh_path(path, weight)
        self._old = True
        self._tell("changed", path)

    def allocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        super().allocated(client, resources, agent=agent)
        self._rekey(client, lambda: self._moved(client, resources, agent, -1, grants=-1))

    def unallocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        super().unallocated(client, resources, agent=agent)
        self._rekey(client, lambda: self._moved(client, resources, agent, 1, grants=0))

    def update(
        self, client: str, old: ResourcesLike, new: ResourcesLike, *, agent: str | None = None
    ) -> None:
        super().update(client, old, new, agent=agent)
        self._rekey(client, lambda: Sorter.update(self, client, new, old, agent=agent))

    def charge(
        self,
        client: str,
        resources: ResourcesLike,
        *,
        agent: str | None = None,
        sign: int = 1,
        grants: int = 0,
    ) -> None:
        super().charge(client, resources, agent=agent, sign=sign, grants=grants)
        self._rekey(client, lambda: self._moved(client, resources, agent, -sign, grants=-grants))

    def serve(self, k: int, demands: Mapping[str, Any]) -> list[str]:
        random, own = self._random.state, self._own_state()
        try:
            return self._served(k, demands)
        except Exception:
            self._old = True  # the keys are those of grants that were undone
            if self._own is not None:
                try:
                    self._take_over(own)
                except PluginError:
                    self._spoilt = True
            self._random.state = random
            raise

    def waiting(self, client: str, since: float | None) -> None:
        super().waiting(client, since)
        before = self._since.get(client)
        self._wait(client, since)
        self._rekey(client, lambda: self._wait(client, before))

    def _wait(self, client: str, since: float | None) -> None:
        if since is None:
            self._since.pop(client, None)
        else:
            self._since[client] = since

    def waiting_since(self, client: str) -> float | None:
        """When the client's oldest waiting task began to wait; O(1)."""
        return self._since.get(client)

    def chance(self, client: str) -> float:
        """The client's weight as a part of the whole: its own, or in a tree the product of its path's parts."""
        if self._tree is not None:
            return self._tree.relative_weight(client)
        weight = self.weight(client)
        return max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight

    def path_weight(self, path: str) -> float | Mapping[str, float]:
        """The weight of that node among its siblings; O(1)."""
        return self._path_weights.get(path, 1.0)

    def columns(self) -> list[str]:
        """The resources, in the order of a row; O(resources)."""
        return list(self._columns)

    def row(self, client: str) -> Row | None:
        """What the client holds of each resource, its grants, whether it is listed; None for none; O(resources)."""
        return self._get_state(client) if self._tree is None else self._tree.row(client)

    def check(self) -> None:
        super().check()
        if self._spoilt:
            return
        if self._own is not None:
            wrong = self._own.check()
            if wrong:
                raise InvariantBroken(f"sorter: {wrong}")
            return
        if set(self._entry) != {client for client in self.clients() if self.is_active(client)}:
            raise InvariantBroken("sorter: entries are not those of the active clients")
        if not self._volatile and not self._old:
            for client, entry in self._entry.items():
                if entry != self._key(client):
                    raise InvariantBroken(
                        f"sorter: the entry of client {client!r} went stale unseen"
                    )

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "since": pairs(self._since),
            "old": self._old,
            "own": self._own_state(),
            "spoilt": self._spoilt,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._since = {c: moment(since, f"client {c!r}") for c, since in state["since"]}
        self._spoilt = bool(state["spoilt"])
        if not self._spoilt:
            self._take_over(state["own"])
        if self._own is None and not self._spoilt:
            self._entry = {c: self._key(c) for c in self.clients() if self.is_active(c)}
            self._entries.clear()
            self._entries.update(self._entry.values())
        self._old = bool(state["old"])
        self._random.state = int(state["random"], 16)  # keys may have drawn

    # -- asking the policy

    def _ordering(self) -> Ordering | None:
        try:
            return self.policy.ordering(self)
        except Exception as error:
            raise self._wrong("ordering", f"gave no ordering: {error!r}") from error

    def _own_state(self) -> Any:
        if self._own is None or self._spoilt:
            return None
        try:
            return self._own.state()
        except Exception as error:
            raise self._wrong("state", f"gave no state of its order: {error!r}") from error

    def _take_over(self, state: Any) -> None:
        """An order of the policy's own, made anew, with what it knew. Raises PluginError."""
        self._own = self._ordering()
        if self._own is not None:
            try:
                self._own.load(state)
            except Exception as error:
                raise self._wrong("load", f"did not take its order back: {error!r}") from error

    def _key(self, client: str) -> tuple[Any, ...]:
        client = str.__str__(client)
        try:
            key = self.policy.key(self, client)
            good = type(key) is tuple and _is_ordered(key)
        except Exception as error:
            raise self._wrong("key", f"gave no key for client {client!r}: {error!r}") from error
        if not good:
            raise self._wrong(
                "key", f"gave {key!r} as the key of client {client!r}; give a tuple without NaN"
            )
        return (key, self.grants(client), client)

    def _rekey(self, client: str, undo: Callable[[], None]) -> None:
        """Enter the client where it belongs now; where the policy fails, undo what changed and raise PluginError."""
        if self._spoilt:
            return
        if self._own is not None:
            try:
                self._own.changed(client)
            except Exception as error:
                self._spoilt = True
                what = f"did not take in that client {client!r} changed: {error!r}"
                self._fail(self._wrong("changed", what, error), undo)
            return
        if not self.is_active(client):
            self._forget(client)
            return
        try:
            new = self._key(client)
            try:
                self._entries.add(new)
            except Exception as error:
                raise self._mixed(error) from error
        except PluginError as failed:
            self._fail(failed, undo)
            return
        self._forget(client)  # an entry never changes while it is in the list
        self._entry[new[-1]] = new

    def _fail(self, error: PluginError, undo: Callable[[], None] | None = None) -> None:
        """Undo what changed and raise, or let it stand and say so."""
        if self._late is None:
            if undo is not None:
                undo()
            raise error
        self._spoilt = True
        self._late(error)

    def _tell(self, verb: str, *args: str) -> None:
        """Let the policy's own order, where there is one, know what cannot be undone."""
        if self._own is None or self._spoilt:
            return
        try:
            getattr(self._own, verb)(*args)
        except Exception as error:
            self._spoilt = True
            if self._late is not None:
                self._late(self._wrong(verb, f"failed to take in a change: {error!r}", error))

    def _forget(self, client: str) -> None:
        self._tell("changed", client)
        old = self._entry.pop(client, None)
        if old is not None and not self._spoilt:
            try:
                self._entries.remove(old)
            except (
                Exception
            ):  # keys that do not compare with each other: seen as the order is made anew
                self._spoilt = True

    def _mixed(self, error: Exception) -> PluginError:
        return self._wrong("key", f"gave keys that do not compare with each other: {error}")

    def _refresh(self) -> None:
        """Bring the order up to date, all of it anew where the policy failed before. Raises PluginError."""
        if self._spoilt:
            self._own = self._ordering()
        if self._own is not None:
            self._spoilt = False
            return
        if not (self._volatile or self._old or self._spoilt):
            return
        names: Iterable[str] = self._entry
        if self._spoilt:
            names = [client for client in self.clients() if self.is_active(client)]
        # By name, so that draws do not depend on the history of the dictionary.
        entry = {client: self._key(client) for client in sorted(names)}
        try:
            ordered = sorted(entry.values())
        except Exception as error:
            raise self._mixed(error) from error
        self._old = self._spoilt = False
        self._entry = entry
        self._entries.clear()
        self._entries.update(ordered)

    def _list(self, client: str, active: bool) -> None:
        before = self.is_active(client)
        super()._list(client, active)
        self._rekey(client, lambda: Sorter._list(self, client, before))

    def _grow(
        self, amount: Mapping[str, int], sign: int, *, instead_of: Mapping[str, int] | None = None
    ) -> None:
        super()._grow(amount, sign, instead_of=instead_of)
        self._old = True
        self._tell("total_changed")


def _is_ordered(key: tuple[Any, ...]) -> bool:
    """Whether nothing in a key is unequal to itself, as NaN is; O(entries)."""
    for entry in key:  # noqa: SIM110 (a generator costs twice as much)
        if entry != entry or (type(entry) is tuple and not _is_ordered(entry)):
            return False
    return True


def _check_client(client: object) -> str:
    """The name as plain text, also where a subclass of str came in, or InvalidName."""
    if not isinstance(client, str) or not client:
        raise InvalidName(f"client {client!r} is malformed; a name is text, at least one character")
    try:
        client.encode()
    except UnicodeEncodeError:
        raise InvalidName(
            f"client {client!r} is malformed; a name has no lone surrogates"
        ) from None
    if not all(part not in ("", ".", "..") for part in client.split("/")):
        raise InvalidName(
            f"client {client!r} is malformed; the parts of a path are not empty, '.' or '..'"
        )
    return str.__str__(client)  # str() of an enumeration's member is its class's to say


def _check_weight(client: str, weight: object) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise InvalidOption(f"weight of {client!r} is {weight!r}; it is a number above 0")
    if not 0 < weight < math.inf:
        raise InvalidOption(f"weight of {client!r} is {weight}; it must be above 0 and finite")
    return float(weight)
