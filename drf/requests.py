"""What frameworks say they need: shapes of tasks, how many of each wait, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from drf.errors import InputError
from drf.resources import ResourceSpace, Shape
from drf.snapshot import moment, packed_shape, unpacked_shape, whole


class Ask:
    """Tasks of one shape that a framework has not launched; the first ``offered`` of them are in offers now.

    ``together``: all of them are to be offered at once, or none.
    """

    __slots__ = ("offered", "seq", "shape", "since", "together")

    def __init__(self, shape: Shape, seq: int) -> None:
        self.shape = shape
        self.since: Sequence[float] = ()
        self.offered = 0
        self.seq = seq
        self.together = False

    @property
    def unmet(self) -> int:
        """Tasks that wait and are in no offer."""
        return len(self.since) - self.offered

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(tasks)."""
        return {
            "shape": packed_shape(self.shape),
            "since": list(self.since),
            "offered": self.offered,
            "seq": self.seq,
            "together": self.together,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take that part back, but for shape and number, with which it is made; O(tasks)."""
        self.since = tuple(moment(since, "since when a task waits") for since in state["since"])
        self.offered = whole(state["offered"], "offered tasks")
        self.together = bool(state["together"])


class Queue:
    """The asks of one framework in one role. ``seq`` counts the times that something new was asked for."""

    __slots__ = ("asks", "seq")

    def __init__(self) -> None:
        self.asks: dict[Shape, Ask] = {}
        self.seq = 0

    def unmet(self, after: int) -> Iterator[Ask]:
        """Asks with unmet tasks that are newer than ``after``, the longest waiting first, then in order of asking."""
        found = [ask for ask in self.asks.values() if ask.seq > after and ask.unmet > 0]
        found.sort(key=_oldest)
        return iter(found)


def _oldest(ask: Ask) -> tuple[float, int]:
    return ask.since[ask.offered], ask.seq


class Requests:
    """The queues of all frameworks, by framework and role."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], Queue] = {}
        self._together: set[tuple[str, str, Shape]] = set()
        self._offered: list[tuple[Ask, int]] = []  # in this run

    def get(self, framework: str, role: str) -> Queue | None:
        """The queue, None if nothing was asked for; O(1)."""
        return self._queues.get((framework, role))

    def waiting(self, framework: str, role: str) -> int:
        """How many tasks it asked for are not launched, those in open offers included; O(shapes)."""
        queue = self.get(framework, role)
        return 0 if queue is None else sum(len(ask.since) for ask in queue.asks.values())

    def set(
        self,
        framework: str,
        role: str,
        shape: Shape,
        since: Sequence[float],
        *,
        together: bool = False,
    ) -> bool:
        """So many tasks of the shape wait, one entry each, oldest first; True if that may bring new offers; O(1)."""
        queue = self._queues.setdefault((framework, role), Queue())
        ask = queue.asks.get(shape)
        if ask is None:
            ask = queue.asks[shape] = Ask(shape, 0)
        before = max(ask.unmet, 0)
        ask.since = since
        # Fewer tasks may find room together where more did not; so may tasks that need no longer be together.
        more = ask.unmet > before or (
            ask.unmet > 0 and (together != ask.together or (together and ask.unmet != before))
        )
        ask.together = together
        (self._together.add if together else self._together.discard)((framework, role, shape))
        if more:
            self._again(queue, ask)
        self._tidy(framework, role, ask)
        return more

    def offer(self, framework: str, role: str, shape: Shape, count: int = 1) -> None:
        """So many of them are in an offer now; O(1)."""
        ask = self._queues[framework, role].asks[shape]
        ask.offered += count
        self._offered.append((ask, count))

    def begin(self) -> None:
        """A run begins; O(1)."""
        self._offered.clear()

    def undo(self) -> None:
        """What was put into offers in this run was not; O(of it)."""
        for ask, count in self._offered:
            ask.offered -= count
        self._offered.clear()

    def answer(
        self, framework: str, role: str, tasks: Sequence[tuple[Shape, int]], *, served: bool
    ) -> bool:
        """An offer was answered: served tasks wait no more, others wait again (True); O(shapes)."""
        queue = self._queues.get((framework, role))
        again = False
        for shape, count in tasks:
            ask = queue.asks.get(shape) if queue is not None else None
            if queue is None or ask is None:
                continue
            ask.offered = max(ask.offered - count, 0)
            if served:
                ask.since = ask.since[count:]
            elif ask.unmet > 0:
                self._again(queue, ask)
                again = True
            self._tidy(framework, role, ask)
        return again

    @property
    def gangs(self) -> bool:
        """Whether anybody asked for tasks that start together; O(1)."""
        return bool(self._together)

    def drop(self, framework: str, role: str) -> None:
        """Forget all asks of the framework in the role; O(1)."""
        gone = self._queues.pop((framework, role), None)
        for shape in gone.asks if gone is not None else ():
            self._together.discard((framework, role, shape))

    def oldest(self, framework: str, role: str) -> float | None:
        """When the oldest unmet task began to wait, None if there is none; O(shapes)."""
        queue = self._queues.get((framework, role))
        if queue is None:
            return None
        return min(
            (ask.since[ask.offered] for ask in queue.asks.values() if ask.unmet > 0), default=None
        )

    def state(self) -> list[Any]:
        """Their part of a snapshot; O(tasks that wait)."""
        return [
            [framework, role, queue.seq, [ask.state() for ask in queue.asks.values()]]
            for (framework, role), queue in self._queues.items()
        ]

    def load(self, state: list[Any], space: ResourceSpace) -> None:
        """Take that part back; O(tasks that wait). Raises InputError."""
        for framework, role, seq, asks in state:
            self._queues[framework, role] = queue = Queue()
            queue.seq = whole(seq, f"requests of {framework!r}")
            for its in asks:
                ask = Ask(
                    unpacked_shape(its["shape"], space),
                    whole(its["seq"], f"requests of {framework!r}"),
                )
                ask.load(its)
                if ask.shape in queue.asks:
                    raise InputError(f"requests of {framework!r} hold one shape twice")
                queue.asks[ask.shape] = ask
                if ask.together:
                    self._together.add((framework, role, ask.shape))

    def _again(self, queue: Queue, ask: Ask) -> None:
        queue.seq += 1
        ask.seq = queue.seq

    def _tidy(self, framework: str, role: str, ask: Ask) -> None:
        queue = self._queues[framework, role]
        if not ask.since and not ask.offered:
            del queue.asks[ask.shape]
            self._together.discard((framework, role, ask.shape))

    def __iter__(self) -> Iterator[tuple[str, str, Ask]]:
        for (framework, role), queue in self._queues.items():
            for ask in queue.asks.values():
                yield framework, role, ask
