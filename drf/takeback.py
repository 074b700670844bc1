"""Tasks that must end: those that a reclaim takes back, and those that ran longer than their duration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf.offers import Reclaim
from drf.snapshot import moment
from drf.tasks import Task, TaskBook
from drf.timers import Timers

OVERDUE = "overdue"
TOO_LONG = "longer than its duration"


class Takebacks:
    """Which tasks are to end by when, and who was told. What ended, or is gone, is forgotten by itself."""

    def __init__(self, tasks: TaskBook) -> None:
        self._tasks = tasks
        self._going: dict[str, Task] = {}
        self._news: list[tuple[Task, Reclaim]] = []
        self._timers = Timers()

    def watch(self, task: Task) -> None:
        """Name it when it has run longer than its duration; O(log tasks)."""
        if task.ends is not None:
            self._timers.set(task.ends, (task, TOO_LONG))

    def take(self, reclaim: Reclaim) -> None:
        """The task is taken back: the next run names it, and one after its deadline again; O(log tasks)."""
        task = self._tasks[reclaim.task]
        self._going[task.name] = task
        self._news.append((task, reclaim))
        self._timers.set(reclaim.deadline, (task, OVERDUE))

    def going(self) -> list[Task]:
        """Tasks that are to end and run still; O(of them)."""
        self._going = {name: task for name, task in self._going.items() if self._runs(task)}
        return list(self._going.values())

    def due(self, now: float) -> tuple[Reclaim, ...]:
        """What a run has to name: what was taken since the last one, and what is over time; O(of them)."""
        out = [reclaim for task, reclaim in self._news if self._runs(task)]
        self._news = []
        while (found := self._timers.due(now)) is not None:
            deadline, (task, reason) = found
            if self._runs(task):
                self._going[task.name] = task
                out.append(_named(task, deadline, reason))
        return tuple(out)

    def next(self) -> float | None:
        """When the next task that runs still is over time, None for never; O(1) on average."""
        while (deadline := self._timers.next()) is not None:
            task, _ = self._timers.first()
            if self._runs(task):
                break
            self._timers.due(deadline)
        return deadline

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot, without what ended; O(tasks watched)."""
        return {
            "going": [task.name for task in self.going()],
            "news": [
                [task.name, reclaim.deadline, reclaim.reason]
                for task, reclaim in self._news
                if self._runs(task)
            ],
            "timers": [
                [deadline, task.name, reason]
                for deadline, (task, reason) in self._timers.entries()
                if self._runs(task)
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take that part back, once the tasks are; O(tasks watched). Raises UnknownName."""
        self._going = {name: self._tasks[name] for name in state["going"]}
        for name, deadline, reason in state["news"]:
            task = self._tasks[name]
            self._news.append((task, _named(task, moment(deadline, "a deadline"), reason)))
        for deadline, name, reason in state["timers"]:
            self._timers.set(moment(deadline, "a deadline"), (self._tasks[name], reason))

    def _runs(self, task: Task) -> bool:
        return task.name in self._tasks and self._tasks[task.name] is task


def _named(task: Task, deadline: float, reason: str) -> Reclaim:
    where = (task.framework, task.role, task.agent)
    return Reclaim(task.name, *where, task.resources, deadline, reason)
