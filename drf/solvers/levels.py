"""Whole tasks of one pool in bulk: where one-at-a-time filling would get, found by searching for its level.

The order of one-at-a-time filling merges, for each user, the keys of its tasks: the share before each (or after it),
then the number of tasks if ties go by it, then the rank. So what is given before the first task that does not fit is
every task below some level. The level is found by bisection, each probe one product over all users; what lies between
the last two probes is sorted and given in order. A user whose task does not fit is out for good, which begins the
next round.

Keys are the doubles that the kernels compare, so the answer is that of their `fill`, task for task. Where numbers pass
2**53 the arrays hold Python's integers, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LIMIT = 1 << 53


def fill(
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
    caps: Sequence[int],
    ranks: Sequence[int],
    by_grants: bool,
    stop: bool,
    *,
    after: bool = False,
) -> list[int]:
    """The tasks of each user, as the kernels' `fill` gives them; with ``after`` the share after a task is its key.

    >>> fill([[1, 4], [3, 1]], [9, 18], [9, 18], [1.0, 1.0], [-1, -1], [0, 1], True, False)
    [3, 2]

    O(rounds x log(tasks) x users x resources): a round ends with a user that is out, and takes out all whose task no
    longer fits. On numbers above 2**53 each probe costs another factor log(tasks).
    """
    if not demands:
        return []
    return _Filling(demands, capacity, counted, weights, caps, ranks, by_grants, after).run(stop)


class _Filling:
    """What is free and given so far, over arrays of the users that are still in."""

    def __init__(
        self,
        demands: Sequence[Sequence[int]],
        capacity: Sequence[int],
        counted: Sequence[int],
        weights: Sequence[float | tuple[float, ...]],
        caps: Sequence[int],
        ranks: Sequence[int],
        by_grants: bool,
        after: bool,
    ) -> None:
        self.big = max(max(capacity, default=0), max(counted, default=0)) > LIMIT
        kind = object if self.big else np.int64
        n, m = len(demands), len(capacity)
        self.need = np.array(demands, dtype=kind).reshape(n, m)
        self.free = np.array(capacity, dtype=kind)
        columns = [j for j in range(m) if counted[j] > 0]
        self.counted = [counted[j] for j in columns]
        self.parts = [self.need[:, j].copy() for j in columns]
        self.per = any(isinstance(w, tuple) for w in weights)
        if self.per:
            every = np.array([w if isinstance(w, tuple) else (w,) * m for w in weights])
            self.weight = [every[:, j].copy() for j in columns]
        else:
            self.weight = [np.array(weights, dtype=np.float64)] * max(len(columns), 1)
        self.rank = np.array(ranks, dtype=np.int64)
        self.by_grants, self.after = by_grants, int(after)
        self.user = np.arange(n)
        self.given = np.zeros(n, dtype=kind)
        self.top = np.array(caps, dtype=kind)
        self.top[self.top < 0] = 2 * LIMIT if not self.big else 1 << 4096
        self.tasks = [0] * n
        self.level = 0.0
        with np.errstate(all="ignore"):
            self.cost = self._key(np.ones(n, dtype=kind) - self.after)
        self._keep(self.given < self.top)

    def run(self, stop: bool) -> list[int]:
        while len(self.user):
            if self._round() and stop:
                break
            self._keep((self.given < self.top) & (self.need <= self.free).all(axis=1))
        self._keep(np.zeros(len(self.user), dtype=bool))
        return self.tasks

    # -- the keys

    def _key(self, count: Any, rows: Any = slice(None)) -> Any:
        """The key of the task that these users get after so many, as the kernels compute it."""
        held = count + self.after
        out = np.zeros(len(held))
        for part, weight, top in zip(self.parts, self.weight, self.counted, strict=False):
            share = (held * part[rows] / top).astype(np.float64)
            np.maximum(out, share / weight[rows] if self.per else share, out=out)
        return out if self.per else out / self.weight[0][rows]

    def _below(self, level: float) -> Any:
        """How many tasks each user has with a key below the level: what it has, to what it may have at most."""
        if self.big:
            low, high = self.given.copy(), self.most.copy()
            while (low < high).any():
                mid = (low + high) // 2
                under = (self._key(mid) < level) & (low < high)
                low, high = np.where(under, mid + 1, low), np.where(under, high, mid)
            return low
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            guess = np.ceil(level / self.cost) - self.after
        guess = np.where(self.cost > 0, guess, 0.0 if level <= 0 else np.inf)
        count = np.minimum(np.maximum(guess, self.given), self.most).astype(np.int64)
        while True:  # the guess is off by a rounding: at most a few tasks
            back = (count > self.given) & (self._key(np.maximum(count - 1, 0)) >= level)
            if not back.any():
                break
            count = count - back
        while True:
            on = (count < self.most) & (self._key(count) < level)
            if not on.any():
                return count
            count = count + on

    # -- one round: up to the first task that does not fit

    def _round(self) -> bool:
        """Give tasks in order until one does not fit (True) or every user has its most (False)."""
        # No user can have more than fits of its own tasks alone; one more is there to be refused.
        alone = self.top
        for j, top in enumerate(self.free):
            column = self.need[:, j]
            alone = np.where(column > 0, np.minimum(alone, top // np.maximum(column, 1)), alone)
        self.most = np.minimum(self.top, self.given + alone + 1)
        low, high = self.given, self.most
        if self._fits(high):
            self._take(high)
            return False
        floor, ceiling = self.level, float(self._key(self.most).max())
        ceiling = float(np.nextafter(ceiling, np.inf))
        tied = float(np.nextafter(floor, np.inf))
        probe = tied if (self.cost == 0).any() or not floor else (floor + ceiling) / 2
        while self._many(low, high) and floor < probe < ceiling:
            count = self._below(probe)
            if self._fits(count):
                floor, low = probe, count
            else:
                ceiling, high = probe, count
            probe = (floor + ceiling) / 2
        self.level = floor
        self._take(low)
        if self._many(low, high):
            return self._tied(high)
        return self._in_order(low, high)

    def _tied(self, high: Any) -> bool:
        """Too many tasks at one key: by numbers of tasks, or each user all of its own in the order of ranks."""
        low = self.given
        if self.by_grants:
            floor, ceiling = int(low.min()), int(high.max())
            while self._many(low, high) and ceiling - floor > 1:
                middle = (floor + ceiling) // 2
                count = np.minimum(np.maximum(low, middle), high)
                if self._fits(count):
                    floor, low = middle, count
                else:
                    ceiling, high = middle, count
            self._take(low)
            return self._in_order(low, high)
        for i in np.argsort(self.rank, kind="stable").tolist():
            wanted = int(high[i] - self.given[i])
            fitting = min(
                (int(f) // int(d) for f, d in zip(self.free, self.need[i], strict=True) if d > 0),
                default=wanted,
            )
            count = self.given.copy()
            count[i] += min(wanted, fitting)
            self._take(count)
            if fitting < wanted:
                return True
        return False

    def _in_order(self, low: Any, high: Any) -> bool:
        """The tasks between two counts one after the other, until one does not fit."""
        many = (high - low).astype(np.int64)
        rows = np.repeat(np.arange(len(self.user)), many)
        start = np.repeat(np.cumsum(many) - many, many)
        count = low[rows] + (np.arange(len(rows)) - start)
        turn = count if self.by_grants else np.zeros(len(rows), dtype=np.int64)
        order = np.lexsort(
            (
                count,
                self.rank[rows],
                turn.astype(np.float64 if self.big else np.int64),
                self._key(count, rows),
            )
        )
        rows = rows[order]
        used = np.cumsum(self.need[rows], axis=0)
        blocked = (used > self.free).any(axis=1)
        end = int(blocked.argmax()) if blocked.any() else len(rows)
        taken = np.bincount(rows[:end], minlength=len(self.user))
        self._take(self.given + taken.astype(self.given.dtype))
        return end < len(rows)

    # -- what changes

    def _many(self, low: Any, high: Any) -> bool:
        """Whether it is cheaper to search on than to sort what lies between."""
        between = np.subtract(high, low).astype(np.float64).sum()
        return bool(between > 2 * len(self.user) + 64)

    def _fits(self, count: Any) -> bool:
        more = count - self.given
        if not self.big:
            # A sum that is far beyond would leave 64 bits: seen in doubles first.
            rough = more.astype(np.float64) @ self.need.astype(np.float64)
            if (rough > 2.0 * self.free + 1.0).any():
                return False
        return bool((more @ self.need <= self.free).all())

    def _take(self, count: Any) -> None:
        self.free = self.free - (count - self.given) @ self.need
        self.given = count

    def _keep(self, stay: Any) -> None:
        """Drop the others, with what they have."""
        for row in np.flatnonzero(~stay).tolist():
            self.tasks[int(self.user[row])] = int(self.given[row])
        if stay.all():
            return
        for name in ("user", "need", "rank", "given", "top", "cost"):
            setattr(self, name, getattr(self, name)[stay])
        self.parts = [part[stay] for part in self.parts]
        self.weight = [weight[stay] for weight in self.weight]
