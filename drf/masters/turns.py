"""Whose task is next: waiting tasks of many tenants, what each tenant holds, weights, limits and guarantees.

The part of a master that knows nothing of its engine. A `Sorter` orders the tenants; in each, tasks wait in shapes
(what they need and where they may go), so that one that fits nowhere costs one look, not one a task.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drf.errors import InvalidName, InvalidOption, InvariantBroken
from drf.plugins import Policy
from drf.sorter import Sorter
from drf.units import LIMIT, ResourceSpace, check_name

LARGE = 1_000_000
"""Amounts of a resource count in thousandths; in thousands where the first one seen is as large as this (bytes)."""

Amounts = Mapping[str, float]


@dataclass(frozen=True)
class Shape:
    """What a task needs of each resource, and whatever else decides where it may go."""

    needs: tuple[tuple[str, float], ...]
    where: Hashable = None


@dataclass(slots=True)
class Waiting:
    """A task that waits for its turn: ``item`` is the engine's, the lowest ``rank`` of a tenant goes first."""

    item: Any
    tenant: str
    shape: Shape
    rank: Any
    since: float
    live: bool = True


@dataclass(slots=True)
class _Bound:
    """Quota of a tenant or of a path above tenants, in units, and what is held below it."""

    guarantee: dict[str, int]
    limit: dict[str, int]
    held: dict[str, int] = field(default_factory=dict)

    def lacks(self) -> bool:
        return any(self.held.get(name, 0) < q for name, q in self.guarantee.items())

    def allows(self, needs: Mapping[str, int]) -> bool:
        return all(self.held.get(n, 0) + needs.get(n, 0) <= q for n, q in self.limit.items())


class _Tenant:
    __slots__ = ("bounds", "counts", "heaps", "running", "waiting")

    def __init__(self, bounds: list[_Bound]) -> None:
        self.bounds = bounds
        self.heaps: dict[Shape, list[tuple[Any, int, Waiting]]] = {}
        self.counts: dict[Shape, int] = {}
        self.waiting = 0
        self.running = 0

    def first(self, blocked: set[Shape]) -> Waiting | None:
        """The live task of the lowest rank whose shape is not blocked; O(shapes)."""
        best = None
        for shape, heap in self.heaps.items():
            if shape not in blocked and (best is None or heap[0][:2] < best[:2]):
                best = heap[0]
        return None if best is None else best[2]

    def drop(self, shape: Shape) -> None:
        """One of that shape waits no more; what is dead on top of its heap goes; O(log waiting)."""
        self.waiting -= 1
        self.counts[shape] -= 1
        if not self.counts[shape]:
            del self.heaps[shape], self.counts[shape]
            return
        heap = self.heaps[shape]
        while not heap[0][2].live:
            heapq.heappop(heap)


class Turns:
    """Tenants with waiting tasks, in a policy's order.

    >>> turns = Turns("drf")
    >>> turns.set_total({"cpus": 9, "mem": 18})
    >>> for n in range(10):
    ...     _ = turns.wait(f"a{n}", "A", Shape((("cpus", 1), ("mem", 4))), rank=n)
    ...     _ = turns.wait(f"b{n}", "B", Shape((("cpus", 3), ("mem", 1))), rank=n)
    >>> free = {"cpus": 9, "mem": 18}
    >>> def place(waiting):
    ...     if any(free[name] < amount for name, amount in waiting.shape.needs):
    ...         return None
    ...     for name, amount in waiting.shape.needs:
    ...         free[name] -= amount
    ...     return "the only worker"
    >>> [waiting.item for waiting, _ in turns.hand_out(place)]
    ['a0', 'b0', 'a1', 'b1', 'a2']

    ``policy`` is a name or an object that orders, ``weights`` go by tenant or path, ``quota`` by tenant or path to
    ``{"guarantee": amounts, "limit": amounts}``. Who is below a guarantee goes first; nobody goes above a limit; no
    room is kept idle. Raises UnknownName, NotSupported, InvalidName, InvalidOption.
    """

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        weights: Mapping[str, float | Mapping[str, float]] | None = None,
        quota: Mapping[str, Mapping[str, Amounts]] | None = None,
        seed: int = 0,
    ) -> None:
        # Amounts come in as whole units; see `_units`.
        self._sorter = Sorter(policy, space=ResourceSpace(default=1), seed=seed)
        for path, weight in (weights or {}).items():
            self._sorter.weigh_path(path, weight)
        self._scales: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self._total: dict[str, int] = {}
        self._bounds = {path: self._bound(path, given) for path, given in (quota or {}).items()}
        self._guarantees = any(bound.guarantee for bound in self._bounds.values())
        self._tenants: dict[str, _Tenant] = {}
        self._vectors: dict[tuple[tuple[str, float], ...], tuple[Any, dict[str, int]]] = {}
        self._numbers = itertools.count()
        self.waiting = 0
        """How many tasks wait."""
        self.stuck: Waiting | None = None
        """The first task in order that found no room when tasks were last handed out."""

    # -- what there is, and who

    def set_total(self, total: Amounts) -> None:
        """What the engine has of each resource; O(resources), then O(tenants log tenants) where it changed."""
        new = {self._name(name): self._units(name, amount) for name, amount in total.items()}
        if new != self._total:
            self._total = new
            self._sorter.set_total(new)

    def join(self, tenant: str) -> None:
        """A tenant, if it is not there yet; O(log tenants). Raises InvalidName."""
        if tenant not in self._tenants:
            self._sorter.add(tenant, active=False)
            parts = tenant.split("/")
            paths = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
            self._tenants[tenant] = _Tenant([self._bounds[p] for p in paths if p in self._bounds])

    def leave(self, tenant: str) -> None:
        """Forget a tenant of which nothing waits and nothing runs; does nothing otherwise; O(log tenants)."""
        known = self._tenants.get(tenant)
        if known is not None and not known.waiting and not known.running:
            self._sorter.remove(tenant)
            del self._tenants[tenant]

    # -- tasks

    def wait(
        self, item: Any, tenant: str, shape: Shape, *, rank: Any, since: float = 0.0
    ) -> Waiting:
        """The task waits for its turn from now on; O(log waiting). Raises InvalidName."""
        self.join(tenant)
        waiting = Waiting(item, tenant, shape, rank, since)
        known = self._tenants[tenant]
        heap = known.heaps.setdefault(shape, [])
        heapq.heappush(heap, (rank, next(self._numbers), waiting))
        known.counts[shape] = known.counts.get(shape, 0) + 1
        known.waiting += 1
        self.waiting += 1
        if known.waiting == 1:
            self._sorter.activate(tenant)
            self._sorter.waiting(tenant, since)
        return waiting

    def withdraw(self, waiting: Waiting) -> None:
        """The task waits no more; does nothing where it does not; O(log waiting)."""
        if waiting.live:
            waiting.live = False
            known = self._tenants[waiting.tenant]
            known.drop(waiting.shape)
            self.waiting -= 1
            head = known.first(set())
            if head is None:
                self._sorter.deactivate(waiting.tenant)
            self._sorter.waiting(waiting.tenant, None if head is None else head.since)

    def charge(self, tenant: str, shape: Shape) -> None:
        """A task of the tenant runs; O(resources + log tenants)."""
        self._moved(tenant, shape, 1)

    def discharge(self, tenant: str, shape: Shape) -> None:
        """It runs no more; O(resources + log tenants)."""
        self._moved(tenant, shape, -1)

    def advance(self, now: float) -> None:
        """Set the time, for policies that go by it; O(1). Raises ClockError where it goes back."""
        self._sorter.advance(now)

    def hand_out(
        self, place: Callable[[Waiting], Any], room: Callable[[], object] = lambda: True
    ) -> Iterator[tuple[Waiting, Any]]:
        """Each task whose turn it is with the place it gets, until nothing fits; O(log tenants + shapes) a task.

        ``place`` gives a place, or None where a task of that shape fits nowhere now. A task that was handed out is
        charged to its tenant. ``room`` says whether there may be a place for any task at all; where there is none, no
        more are looked at.
        """
        blocked: set[Shape] = set()
        resting: list[str] = []
        self.stuck = None
        try:
            while (tenant := self._next()) is not None:
                known = self._tenants[tenant]
                waiting = self._candidate(known, blocked)
                if waiting is None:
                    self._sorter.deactivate(tenant)
                    resting.append(tenant)
                    continue
                if not room():
                    self.stuck = self.stuck or waiting
                    return
                found = place(waiting)
                if found is None:
                    blocked.add(waiting.shape)
                    self.stuck = self.stuck or waiting
                    continue
                self.withdraw(waiting)
                self.charge(tenant, waiting.shape)
                yield waiting, found
        finally:
            for tenant in resting:
                if tenant in self._tenants and self._tenants[tenant].waiting:
                    self._sorter.activate(tenant)

    # -- questions

    def report(self) -> dict[str, dict[str, Any]]:
        """Of each tenant, by name: share, running and waiting tasks; O(tenants log tenants)."""
        return {
            name: {
                "share": self._sorter.share(name),
                "running": known.running,
                "waiting": known.waiting,
            }
            for name, known in sorted(self._tenants.items())
        }

    def check(self) -> None:
        """Re-derive every invariant; O(state). Raises InvariantBroken."""
        self._sorter.check()
        for name, known in self._tenants.items():
            live = {s: sum(e[2].live for e in heap) for s, heap in known.heaps.items()}
            if live != known.counts or sum(live.values()) != known.waiting:
                raise InvariantBroken(f"turns: tenant {name!r} counts {known.counts}, has {live}")
            if any(not heap[0][2].live for heap in known.heaps.values()):
                raise InvariantBroken(f"turns: a task that left heads a queue of tenant {name!r}")
            if self._sorter.is_active(name) != bool(known.waiting):
                raise InvariantBroken(f"turns: tenant {name!r} is listed for no task, or unlisted")
            if not known.running and self._sorter.held(name).quantities():
                raise InvariantBroken(f"turns: tenant {name!r} runs nothing and holds something")
        if self.waiting != sum(known.waiting for known in self._tenants.values()):
            raise InvariantBroken(f"turns: {self.waiting} tasks wait, and tenants have others")
        for path, bound in self._bounds.items():
            below = [t for t in self._tenants if t == path or t.startswith(f"{path}/")]
            for name, q in bound.held.items():
                if q != sum(self._sorter.held(t).quantities().get(name, 0) for t in below):
                    raise InvariantBroken(f"turns: quota of {path!r} counts {q} {name}")

    # -- inside

    def _next(self) -> str | None:
        if self._guarantees:
            for tenant in self._sorter.sort():
                if any(bound.lacks() for bound in self._tenants[tenant].bounds):
                    return tenant
        return self._sorter.next()

    def _candidate(self, known: _Tenant, blocked: set[Shape]) -> Waiting | None:
        """The tenant's first task that is neither blocked nor above a limit."""
        if not known.bounds:
            return known.first(blocked)
        over = {
            shape
            for shape in known.heaps
            if not all(bound.allows(self._vector(shape)[1]) for bound in known.bounds)
        }
        return known.first(blocked | over)

    def _moved(self, tenant: str, shape: Shape, sign: int) -> None:
        self.join(tenant)
        vector, units = self._vector(shape)
        known = self._tenants[tenant]
        if sign > 0:
            self._sorter.allocated(tenant, vector)
        else:
            self._sorter.unallocated(tenant, vector)
        known.running += sign
        for bound in known.bounds:
            for name, q in units.items():
                bound.held[name] = bound.held.get(name, 0) + sign * q

    def _vector(self, shape: Shape) -> tuple[Any, dict[str, int]]:
        made = self._vectors.get(shape.needs)
        if made is None:
            units = {self._name(name): self._units(name, amount) for name, amount in shape.needs}
            made = self._vectors[shape.needs] = self._sorter.intern(units), units
        return made

    def _bound(self, path: str, given: Mapping[str, Amounts]) -> _Bound:
        if not isinstance(given, Mapping) or set(given) - {"guarantee", "limit"}:
            raise InvalidOption(
                f'quota of {path!r} is {given!r}; it has "guarantee" and "limit", each amounts by resource'
            )
        amounts = (given.get("guarantee") or {}, given.get("limit") or {})
        return _Bound(
            *({self._name(n): self._units(n, q) for n, q in part.items()} for part in amounts)
        )

    def _name(self, name: str) -> str:
        """The engine's name of a resource as one of ours."""
        known = self._names.get(name)
        if known is None:
            try:
                known = check_name(name)
            except InvalidName:
                known = re.sub(r"[\s:;,(){}\[\]]", "_", name) or "_"
            self._names[name] = known
        return known

    def _units(self, name: str, amount: float) -> int:
        scale = self._scales.setdefault(name, 1000.0 if amount < LARGE else 0.001)
        return min(max(round(amount * scale), 1), LIMIT) if amount > 0 else 0
