"""The scheduler of a framework of a specification: asks for its tasks, launches them, and starts failed ones again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from drf.masters.core.records import (
    ERROR,
    FINISHED,
    GONE,
    LOST,
    TERMINAL,
    Accept,
    Acknowledge,
    Event,
    Kill,
    Launch,
    Message,
    Offered,
    OfferInfo,
    Reconcile,
    Request,
    Status,
    Subscribe,
)
from drf.masters.local.spec import FrameworkSpec, TaskTable
from drf.resources import Resources

AWAY = 1e9
"""Seconds: the schedulers of a local master are never away for good."""

WAITING, STARTED, DONE, BAD = "waiting", "started", "finished", "failed"


@dataclass(slots=True)
class Item:
    """One of the tasks of a table, over all its attempts."""

    table: TaskTable
    number: int
    state: str = WAITING
    attempts: int = 0
    failures: int = 0
    message: str = ""
    pulled: bool = False
    """It is to end because another one of those that started with it failed."""

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.table.name}.{self.number}"

    @property
    def task(self) -> str:
        """The task of its last attempt."""
        return f"{self.name}.{self.attempts}"


class Scheduler:
    """Messages in, events out. ``before`` says how tasks of an earlier master ended, by name; None: they did not."""

    def __init__(self, spec: FrameworkSpec, before: Mapping[str, str | None]) -> None:
        self.spec = spec
        self.items = [Item(table, i) for table in spec.tasks for i in range(table.count)]
        self.counts = dict.fromkeys((WAITING, STARTED, DONE, BAD), 0)
        self.counts[WAITING] = len(self.items)
        self._by_name = {item.name: item for item in self.items}
        self._of = {table.name: [i for i in self.items if i.table is table] for table in spec.tasks}
        self._queues: dict[Kind, deque[Item]] = {_kind(table): deque() for table in spec.tasks}
        self._asked = dict.fromkeys(self._queues, 0)
        for name, state in before.items():
            item = self._by_name[name.rpartition(".")[0]]
            item.attempts = int(name.rpartition(".")[2])
            self._set(item, STARTED)
            if state is not None:
                self._ended(item, state, "")
        for item in self.items:
            if item.state == WAITING:
                self._queues[_kind(item.table)].append(item)

    @property
    def name(self) -> str:
        """The framework's name."""
        return self.spec.name

    @property
    def over(self) -> bool:
        """Whether nothing is to be started any more, and nothing runs; O(1)."""
        return not self.counts[WAITING] and not self.counts[STARTED]

    def begin(self) -> list[Event]:
        """Take part, and ask for what an earlier master had begun."""
        begun = [item.task for item in self.items if item.state == STARTED]
        out: list[Event] = [Subscribe(self.name, (self.spec.role,), 1, AWAY)]
        if begun:
            out.append(Reconcile(self.name, begun))
        return out + self.requests()

    def requests(self) -> list[Event]:
        """What it waits for, where that has changed; O(tables)."""
        out: list[Event] = []
        for kind, queue in self._queues.items():
            amount, duration, together = kind
            count = len(queue)
            if together and count < sum(t.count for t in self.spec.tasks if _kind(t) == kind):
                count = 0  # some of them have not ended yet
            if count != self._asked[kind]:
                self._asked[kind] = count
                request = Request(self.name, amount, count, duration=duration, together=together)
                out.append(request)
        return out

    def hear(self, message: Message) -> list[Event]:
        """A message, and what it says to it; O(tasks launched)."""
        match message:
            case Offered(offers=offers):
                return [Accept(self.name, {o.id: self._launches(o) for o in offers}, 0.0)]
            case Status():
                return self._status(message)
        return []

    def _launches(self, offer: OfferInfo) -> list[Launch]:
        out = []
        for shape, count in offer.tasks:
            for kind, queue in self._queues.items():
                amount, duration, _ = kind
                if (amount, duration) != (shape.resources, shape.duration):
                    continue
                for _ in range(min(count, len(queue))):
                    item = queue.popleft()
                    table = item.table
                    item.attempts += 1
                    self._asked[kind] -= 1
                    self._set(item, STARTED)
                    data = {"command": [*table.command], "env": {**table.env}, "dir": table.dir}
                    out.append(Launch(item.task, table.resources, data, table.duration))
        return out

    def _status(self, message: Status) -> list[Event]:
        out: list[Event] = []
        if message.number is not None:
            out.append(Acknowledge(self.name, message.task, message.number))
        item = self._by_name.get(message.task.rpartition(".")[0])
        if item is None or item.task != message.task or item.state != STARTED:
            return out
        if message.state not in TERMINAL:
            return out
        self._ended(item, message.state, message.message or message.reason)
        if item.state == WAITING:
            self._queues[_kind(item.table)].append(item)
        if item.table.together and item.state != DONE and not item.pulled:
            out += self._pull(item)
        item.pulled = False
        return out

    def _set(self, item: Item, state: str) -> None:
        self.counts[item.state] -= 1
        self.counts[state] += 1
        item.state = state

    def _ended(self, item: Item, state: str, text: str) -> None:
        item.message = "" if state == FINISHED else text
        if state == FINISHED and not item.pulled:
            self._set(item, DONE)
            return
        if state not in (LOST, GONE) and not item.pulled:
            item.failures += 1
        again = item.failures <= item.table.restarts and state != ERROR
        self._set(item, WAITING if again else BAD)

    def _pull(self, item: Item) -> list[Event]:
        """One of those that start together has failed: the others end too, and all start again, or none."""
        out: list[Event] = []
        for other in self._of[item.table.name]:
            if other is item:
                continue
            other.failures = item.failures
            if other.state == STARTED:
                other.pulled = True
                other.message = f"{item.name} failed"
                out.append(Kill(self.name, other.task))
            elif item.state == BAD:
                self._set(other, BAD)
            elif other.state == DONE:
                self._set(other, WAITING)
                self._queues[_kind(other.table)].append(other)
        return out


Kind = tuple[Resources, float | None, bool]
"""Tasks of equal resources and duration are one request; those that start together have one of their own."""


def _kind(table: TaskTable) -> Kind:
    return table.resources, table.duration, table.together
