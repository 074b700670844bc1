"""Policies with a memory: what a client used before counts, less and less.

Between two changes what a client holds is constant, so its memory at any time has a closed form, computed from the
last change and never in steps: what it goes to, and a gap to that which fades. Both policies order clients by lines
over what is left of the past, and the kernels keep such lines in order while time passes (`Fading`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from drf._backend import Fading
from drf.errors import InvalidOption
from drf.plugins import Ordering, Policy, Row, Seen

HALVINGS = 256
"""So many in an epoch: see `past`."""

NOTHING = (0.0, 0.0, 0.0)
"""A memory of nothing, as the kernel writes it."""


def commitment(before: float, over: float, seconds: float, delta: float) -> float:
    """The commitment after so many seconds of a constant over-use: it goes from what it was to the over-use.

    >>> round(commitment(0.5, 0.0, 3, 0.9), 4)
    0.3645
    """
    return over + (before - over) * math.pow(delta, seconds)


def switch_time(
    one: tuple[float, float, float], other: tuple[float, float, float], delta: float
) -> float | None:
    """When two clients, each (dominant share, over-use, commitment), change places; None if they never do.

    >>> round(switch_time((0.2, 0.0, 0.5), (0.4, 0.1, 0.05), 0.9), 4)
    5.753
    """
    (a1, o1, c1), (a2, o2, c2) = one, other
    top, bottom = o1 - o2 + c2 - c1, o1 - o2 + a1 - a2
    if bottom == 0 or top / bottom <= 0 or not 0 < delta < 1:
        return None
    seconds = -math.log(top / bottom) / math.log(delta)
    return seconds if seconds > 0 else None


def past(now: float, half: float) -> tuple[float, float]:
    """The epoch in which ``now`` falls, and how much of its start still counts, if that halves in so many seconds.

    What fades would leave the range of doubles after some 1000 halvings. So an epoch is 256 of them; the start of the
    next one counts as 1 again, and what fades is less by 2**256 from there, which rounds nothing.

    >>> past(30.0, 10.0), past(2560.0, 10.0)
    ((0.0, 0.125), (1.0, 1.0))
    """
    if half == 0:
        return 0.0, 1.0
    epoch = half * HALVINGS
    since = math.fmod(now, epoch)
    return float(round(min((now - since) / epoch, 2.0**53))), math.pow(0.5, since / half)


class SDRF(Policy):
    """Stateful DRF: dominant share above the client's part, plus its commitment, the fading memory of past over-use.

    Sadok, Campista and Costa, "Stateful DRF: considering the past in a multi-resource allocation", IEEE Transactions on
    Computers 70(7), 2021. ``sdrf:0.9`` keeps nine tenths of the memory each second (default 0.999); with 0 it is DRF. A
    client's part is weight / sum of weights of every resource. Ties go by how fast the value grows, then as ever.
    A question or change costs O(resources + log clients), also as time passes; one that changes the parts of all (a
    client more, another weight, a total) O(clients x resources), once for many.

    >>> from drf import Sorter
    >>> s = Sorter("sdrf:0.9", total={"cpus": 10})
    >>> s.add("a")
    >>> s.add("b")
    >>> s.allocated("a", {"cpus": 10})
    >>> s.advance(10)
    >>> s.unallocated("a", {"cpus": 10})
    >>> s.allocated("b", {"cpus": 2})
    >>> s.next()                        # a holds nothing, but had all for 10 s
    'b'
    >>> s.advance(30)
    >>> s.next()
    'a'
    """

    modes = frozenset({"order"})

    def __init__(self, delta: str = "0.999") -> None:
        self.delta = _number("sdrf", delta)
        if not 0 <= self.delta < 1:
            raise InvalidOption(f"sdrf:{delta} is outside its range; give 0 or more, less than 1")
        self.name = f"sdrf:{delta}"

    def ordering(self, seen: Seen) -> Ordering:
        return _Sdrf(seen, self.delta)


class HalfLife(Policy):
    """The smallest use in the past is next: share x seconds by weight, which halves every so many seconds, as in Slurm.

    ``halflife:604800`` is a week (Slurm's PriorityDecayHalfLife; default 7 days). The share is the dominant one.
    Clients of equal use go by what they hold. Costs are those of `SDRF`; weights of others do not matter.

    >>> from drf import Sorter
    >>> s = Sorter("halflife:60", total={"cpus": 10})
    >>> s.add("a")
    >>> s.add("b")
    >>> s.allocated("a", {"cpus": 5})
    >>> s.advance(60)
    >>> s.unallocated("a", {"cpus": 5})
    >>> s.allocated("b", {"cpus": 5})
    >>> s.next(), s.advance(200), s.next()
    ('b', None, 'a')
    """

    modes = frozenset({"order"})

    def __init__(self, seconds: str = "604800") -> None:
        self.seconds = _number("halflife", seconds)
        if not 0 < self.seconds < math.inf:
            raise InvalidOption(f"halflife:{seconds} is outside its range; give seconds above 0")
        self.name = f"halflife:{seconds}"

    def ordering(self, seen: Seen) -> Ordering:
        return _HalfLife(seen, self.seconds)


def _number(policy: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidOption(
            f"{policy}:{text} is no number; give one, as in '{policy}:0.5'"
        ) from None


class _Memory:
    """Clients with memories, which the kernel keeps in order as time passes.

    Here is what each of them holds, and to what its memories go by that. Where this changes for all (by a new total,
    say) they are told at the next question, or before time goes on: O(clients x resources), once.
    """

    def __init__(self, seen: Seen, half: float) -> None:
        self._seen = seen
        self._half = half
        self._now = seen.now
        self._epoch, self._left = past(self._now, half)
        self._clients: dict[str, Row] = {}
        self._weights: dict[str, float | Mapping[str, float]] = {}
        self._tops: list[tuple[int, int]] = []  # column and total of each resource that there is
        self._names: list[str] = []  # the memories that a client has
        self._order = Fading(0)
        self._stale = True  # whether all are to be told
        for client in seen.clients():
            self.changed(client)

    def changed(self, client: str) -> None:
        row = self._seen.row(client)
        if row is None and self._clients.pop(client, None) is None:
            return  # a node above clients was weighed
        if self._seen.now != self._now:
            self._go_on()
        if row is None:
            self._order.drop(client)
            del self._weights[client]
            self._reweighed()
            return
        weight = self._seen.path_weight(client)
        if self._weights.get(client) != weight:
            self._weights[client] = weight
            self._reweighed()
        self._clients[client] = row
        if not self._stale:
            self._tell(client)

    def total_changed(self) -> None:
        if self._seen.now != self._now:
            self._go_on()
        self._stale = True

    def first(self, k: int | None) -> list[str]:
        if self._seen.now != self._now:
            self._go_on()
        if self._stale:
            self._tell_all()
        if k == 1:
            client = self._order.next()
            return [] if client is None else [client]
        return self._order.sort() if k is None else self._order.first(k)

    def check(self) -> str | None:
        if self._clients.keys() != set(self._seen.clients()):
            return "memories are not those of the clients"
        for client, (held, *rest) in self._clients.items():
            now_held, *now = self._seen.row(client) or ((),)
            if (held, rest) != (now_held[: len(held)], now):
                return f"client {client!r} stands otherwise than it is ordered by"
        if self._stale:
            return None
        if set(self._order.clients()) != self._clients.keys():
            return "the order is not one of the clients"
        return self._order._check()

    def state(self) -> Any:
        clients = [
            [client, at, [list(row) for row in rows]]
            for client in self._order.clients()
            for rows, at in (self._order.memories(client),)
        ]
        return {"now": self._now, "stale": self._stale, "names": self._names, "clients": clients}

    def load(self, state: Any) -> None:
        self._now = float(state["now"])
        self._epoch, self._left = past(self._now, self._half)
        self._stale = bool(state["stale"])
        names = [str(name) for name in state["names"]]
        if self._stale:
            self._shape(names, ())
        else:
            self._tell_all()
        entries = (
            (client, [tuple(map(float, row)) for row in rows], float(at))
            for client, at, rows in state["clients"]
        )
        self._put(names, entries)

    def _memories(self, resources: list[str]) -> list[str]:
        """The memories that a client has, where there are these resources."""
        raise NotImplementedError

    def _reweighed(self) -> None:
        """A client came, went, or was weighed."""

    def _tell(self, client: str) -> None:
        """Tell the kernel what follows from what the client holds."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Bring the order to the time it is now."""
        if self._stale:
            self._tell_all()
        self._now = self._seen.now
        epoch, left = past(self._now, self._half)
        if epoch == self._epoch and left > self._left:
            left = self._left  # no C library promises that powers fall to the last bit
        self._order.pass_time(left, int(min(epoch - self._epoch, HALVINGS)))  # many are all one
        self._epoch, self._left = epoch, left

    def _tell_all(self) -> None:
        self._stale = False
        columns, total = self._seen.columns(), self._seen.total().quantities()
        there = [(j, name) for j, name in enumerate(columns) if total.get(name, 0) > 0]
        self._tops = [(j, total[name]) for j, name in there]
        for client, (held, grants, active) in self._clients.items():
            if len(held) < len(columns):
                held += (0,) * (len(columns) - len(held))
                self._clients[client] = (held, grants, active)
        names = self._memories([name for _, name in there])
        if names != self._names:
            old = self._order
            self._shape(names, [(client, *old.memories(client)) for client in old.clients()])
        self._order.defer()
        for client in self._clients:
            self._tell(client)

    def _shape(self, names: list[str], entries: Iterable[Any]) -> None:
        """An order of clients with those memories."""
        before, self._names = self._names, names
        self._order = Fading(len(names))
        self._order.pass_time(self._left, 0)
        self._put(before, entries)

    def _put(self, names: list[str], entries: Iterable[Any]) -> None:
        """What clients remember, under those names."""
        known = set(self._order.clients())
        for client, rows, at in entries:
            by_name = dict(zip(names, rows, strict=True))
            if client not in known:
                self._order.move(client, 0.0, (0.0,) * len(self._names), 1.0, 0, False)
            memories = tuple(by_name.get(name, NOTHING) for name in self._names)
            self._order.put(client, memories, at)


class _Sdrf(_Memory):
    """A client's part of everything changes with the others' weights: then all are told."""

    def __init__(self, seen: Seen, delta: float) -> None:
        self._sum: float | None = None
        super().__init__(seen, math.log(0.5) / math.log(delta) if delta else 0.0)

    def _memories(self, resources: list[str]) -> list[str]:
        return resources if self._half else []

    def _reweighed(self) -> None:
        self._stale, self._sum = True, None

    def _tell(self, client: str) -> None:
        if self._sum is None:
            self._sum = math.fsum(map(_single, self._weights.values()))
        held, grants, active = self._clients[client]
        part = _single(self._weights[client]) / self._sum
        shares = [held[column] / top for column, top in self._tops]
        base = (max(shares) if shares else 0.0) - part
        aims = tuple([s - part if s > part else 0.0 for s in shares]) if self._half else ()
        self._order.move(client, base, aims, 1.0, grants, active)


class _HalfLife(_Memory):
    """One memory: the use, which goes to what the client's share comes to if it is held for good."""

    def _memories(self, resources: list[str]) -> list[str]:
        return ["use"]

    def _tell(self, client: str) -> None:
        held, grants, active = self._clients[client]
        share = max([held[column] / top for column, top in self._tops], default=0.0)
        use = share * (self._half / math.log(2))
        self._order.move(client, 0.0, (use,), _single(self._weights[client]), grants, active)


def _single(weight: float | Mapping[str, float]) -> float:
    if isinstance(weight, float):  # much cheaper to ask than whether it is a mapping
        return weight
    return max(weight.values(), default=1.0) if isinstance(weight, Mapping) else float(weight)
