"""Policies with a memory: what a client used before counts, less and less.

Between two changes what a client holds is constant, so its memory at any time has a closed form: it is computed at the
question, from the last change, and never in steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from heapq import nsmallest
from typing import Any

from drf.errors import InvalidOption
from drf.plugins import Ordering, Policy, Seen


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


class SDRF(Policy):
    """Stateful DRF: dominant share above the client's part, plus its commitment, the fading memory of past over-use.

    Sadok, Campista and Costa, "Stateful DRF: considering the past in a multi-resource allocation", IEEE Transactions on
    Computers 70(7), 2021. ``sdrf:0.9`` keeps nine tenths of the memory each second (default 0.999); with 0 it is DRF. A
    client's part is weight / sum of weights of every resource. Ties go by how fast the value grows, then as ever.

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
    Clients of equal use go by what they hold.

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
    """Clients with a memory each; a question at a time computes every key then, O(clients x resources)."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._memory: dict[str, dict[str, float]] = {}
        self._since: dict[str, float] = {}
        self._shares: dict[str, dict[str, float]] = {}
        for client in seen.clients():
            self.changed(client)

    def changed(self, client: str) -> None:
        if client not in self._seen:
            for kept in (self._shares, self._memory, self._since):
                kept.pop(client, None)
            return
        if client in self._shares:
            self._settle(client)
        self._note(client)

    def total_changed(self) -> None:
        for client in self._shares:
            self._settle(client)
            self._note(client)

    def first(self, k: int | None) -> list[str]:
        keys = [
            (self.key(client), self._seen.grants(client), client)
            for client in self._shares
            if self._seen.is_active(client)
        ]
        best = sorted(keys) if k is None else nsmallest(k, keys)
        return [key[-1] for key in best]

    def check(self) -> str | None:
        if set(self._shares) != set(self._seen.clients()):
            return "memories are not those of the clients"
        return None

    def state(self) -> Any:
        return [
            [client, [list(entry) for entry in self._memory[client].items()], self._since[client]]
            for client in self._shares
        ]

    def load(self, state: Any) -> None:
        for client, memory, since in state:
            self._memory[client] = {name: float(value) for name, value in memory}
            self._since[client] = float(since)

    def key(self, client: str) -> tuple[float, ...]:
        raise NotImplementedError

    def decayed(self, client: str) -> dict[str, float]:
        """The memory of a client now."""
        raise NotImplementedError

    def _settle(self, client: str) -> None:
        self._memory[client] = self.decayed(client)
        self._since[client] = self._seen.now

    def _note(self, client: str) -> None:
        total = self._seen.total().quantities()
        held = self._seen.held(client).quantities()
        self._shares[client] = {
            name: held.get(name, 0) / top for name, top in sorted(total.items()) if top > 0
        }
        self._memory.setdefault(client, {})
        self._since.setdefault(client, self._seen.now)

    def _weight(self, client: str) -> float:
        weight = self._seen.weight(client)
        return max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight

    def _age(self, client: str) -> float:
        return self._seen.now - self._since[client]


class _Sdrf(_Memory):
    """A client's part of everything changes with the others' weights: then all memories are brought to this time."""

    def __init__(self, seen: Seen, delta: float) -> None:
        self._delta = delta
        self._weights: dict[str, float] = {}
        self._sum: float | None = None
        self._settled = -math.inf
        super().__init__(seen)

    def changed(self, client: str) -> None:
        weight = self._weight(client) if client in self._seen else None
        if self._weights.get(client) != weight:
            if self._settled != self._seen.now:
                for other in self._shares:
                    self._settle(other)
                self._settled = self._seen.now
            self._sum = None
            if weight is None:
                del self._weights[client]
            else:
                self._weights[client] = weight
        super().changed(client)

    def key(self, client: str) -> tuple[float, ...]:
        part = self._part(client)
        shares = self._shares[client]
        value = max(shares.values(), default=0.0) - part
        if self._delta == 0:
            return (value,)
        now = self.decayed(client)
        most = max(now.values(), default=0.0)
        speed = max(
            (self._over(client, name) - q for name, q in now.items() if q == most), default=0.0
        )
        return (value + most, speed)

    def state(self) -> Any:
        # None stands for minus infinity, which JSON has not.
        settled = None if self._settled == -math.inf else self._settled
        return {"memories": super().state(), "settled": settled}

    def load(self, state: Any) -> None:
        super().load(state["memories"])
        settled = state["settled"]
        self._settled = -math.inf if settled is None else float(settled)

    def decayed(self, client: str) -> dict[str, float]:
        memory, age = self._memory[client], self._age(client)
        return {
            name: commitment(memory.get(name, 0.0), self._over(client, name), age, self._delta)
            for name in self._shares[client]
        }

    def _over(self, client: str, name: str) -> float:
        return max(self._shares[client].get(name, 0.0) - self._part(client), 0.0)

    def _part(self, client: str) -> float:
        if self._sum is None:
            self._sum = math.fsum(self._weights.values())
        return self._weights[client] / self._sum


class _HalfLife(_Memory):
    def __init__(self, seen: Seen, seconds: float) -> None:
        self._seconds = seconds
        super().__init__(seen)

    def key(self, client: str) -> tuple[float, ...]:
        weight = self._weight(client)
        share = max(self._shares[client].values(), default=0.0)
        return (self.decayed(client)["use"] / weight, share / weight)

    def decayed(self, client: str) -> dict[str, float]:
        left = 0.5 ** (self._age(client) / self._seconds)
        steady = max(self._shares[client].values(), default=0.0) * self._seconds / math.log(2)
        return {"use": steady + (self._memory[client].get("use", 0.0) - steady) * left}
