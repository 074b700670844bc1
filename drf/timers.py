"""What ends when: a queue of deadlines, earliest first, equal ones in the order they were set."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class Timers:
    """Deadlines with what is due then. Cancelling is the owner's business: it looks at what fires.

    >>> timers = Timers()
    >>> timers.set(2.0, "b"); timers.set(1.0, "a")
    >>> timers.due(1.5), timers.next()
    ((1.0, 'a'), 2.0)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Any]] = []
        self._set = 0
        self._last: dict[float, Any] = {}

    def set(self, deadline: float, item: Any) -> None:
        """Let the item be due at the deadline; O(log timers)."""
        self._set += 1
        heappush(self._heap, (deadline, self._set, item))
        self._last[deadline] = item

    def last(self, deadline: float) -> Any:
        """What was set last for that very deadline, None for nothing; O(1)."""
        return self._last.get(deadline)

    def due(self, now: float) -> tuple[float, Any] | None:
        """Take the earliest whose deadline has been reached, None if there is none; O(log timers)."""
        if not self._heap or self._heap[0][0] > now:
            return None
        deadline, _, item = heappop(self._heap)
        if self._last.get(deadline) is item and not (self._heap and self._heap[0][0] == deadline):
            del self._last[deadline]
        return deadline, item

    def entries(self) -> list[tuple[float, Any]]:
        """All deadlines with what is due then, in the order in which they end; O(timers log timers)."""
        return [(deadline, item) for deadline, _, item in sorted(self._heap, key=lambda e: e[:2])]

    def first(self) -> Any:
        """The item of the earliest deadline, where there is one; O(1)."""
        return self._heap[0][2]

    def next(self) -> float | None:
        """The earliest deadline; O(1)."""
        return self._heap[0][0] if self._heap else None
