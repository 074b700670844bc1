"""Tasks by name: what a framework launched on an offer, so that it can be released, or taken back, as one thing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from drf.errors import DuplicateName, InvalidName, InvalidOption, UnknownName
from drf.resources import Resources, ResourcesLike, ResourceSpace
from drf.short import lasting
from drf.snapshot import moment, packed, unpacked


class TaskSpec(NamedTuple):
    """What a task is launched with.

    ``duration``: the longest it may run, in seconds, None for no bound. ``min_runtime``: seconds from its start in
    which it is not taken back. ``priority``: of one framework's tasks, those with the lowest are taken back first.

    >>> TaskSpec("cpus:2;mem:1024", duration=60.0).priority
    0
    """

    resources: ResourcesLike
    duration: float | None = None
    min_runtime: float = 0.0
    priority: int = 0


class Task(NamedTuple):
    """A task that runs: who runs it, where, with what, and since when (seconds of the caller's clock)."""

    name: str
    framework: str
    role: str
    agent: str
    resources: Resources
    started: float
    duration: float | None = None
    min_runtime: float = 0.0
    priority: int = 0

    @property
    def ends(self) -> float | None:
        """When it must have ended, None if no duration is set."""
        return None if self.duration is None else self.started + self.duration


Holding = tuple[str, str, str]
"""Framework, role and agent."""


class TaskBook:
    """All named tasks, by name and by where they run."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._by: dict[Holding, dict[str, Task]] = {}

    def made(
        self,
        specs: Mapping[str, TaskSpec],
        where: Holding,
        started: float,
        space: ResourceSpace,
        bound: float | None = None,
    ) -> list[Task]:
        """The tasks of these specifications, checked but not added; O(tasks). Raises as `check_spec`, DuplicateName.

        ``bound``: seconds that each may run at most, None for no bound; what is then named plainly is of such room.
        """
        if not isinstance(specs, Mapping):
            raise InvalidOption(f"tasks is {specs!r}; give a mapping of names to TaskSpec")
        out = []
        for name, spec in specs.items():
            if not isinstance(name, str) or not name:
                raise InvalidName(
                    f"task {name!r} is malformed; a name is text, at least one character"
                )
            if name in self._tasks:
                raise DuplicateName(
                    f"task {name!r} runs already; release it, or choose another name"
                )
            amount = check_spec(name, spec, space)
            if bound is not None:
                if spec.duration is None or spec.duration > bound:
                    raise InvalidOption(
                        f"duration of task {name!r} is {spec.duration!r}; the offer is for tasks of at most {bound:g} s"
                    )
                amount = lasting(amount, bound) if amount.is_plain else amount
            out.append(Task(name, *where, amount, started, *spec[1:]))
        return out

    def add(self, task: Task) -> None:
        """It runs from now on; O(1)."""
        self._tasks[task.name] = task
        self._by.setdefault((task.framework, task.role, task.agent), {})[task.name] = task

    def __getitem__(self, name: str) -> Task:
        found = self._tasks.get(name)
        if found is None:
            raise UnknownName("task", name, self._tasks)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def remove(self, task: Task) -> None:
        """It ended; O(1)."""
        del self._tasks[task.name]
        where = (task.framework, task.role, task.agent)
        del self._by[where][task.name]
        if not self._by[where]:
            del self._by[where]

    def drop(self, *, framework: str | None = None, agent: str | None = None) -> None:
        """All of the framework, or on the agent, are gone; O(tasks)."""
        for task in [t for t in self if t.framework == framework or t.agent == agent]:
            self.remove(task)

    def at(self, where: Holding) -> list[Task]:
        """The tasks of a framework in a role on an agent, oldest first; O(of them)."""
        return list(self._by.get(where, {}).values())

    def amount(self, where: Holding, space: ResourceSpace) -> Resources:
        """What tasks of the framework in the role use of the agent; O(of them)."""
        return sum((task.resources for task in self.at(where)), Resources(space=space))

    def state(self) -> list[Any]:
        """Its part of a snapshot, in order of their start; O(tasks)."""
        return [[*task[:4], packed(task.resources), *task[5:]] for task in self]

    def load(self, state: list[Any], space: ResourceSpace) -> None:
        """Take that part back; O(tasks). Raises as `made`."""
        for name, framework, role, agent, used, started, *terms in state:
            where = (framework, role, agent)
            began = moment(started, f"the start of task {name!r}")
            spec = TaskSpec(unpacked(used, space), *terms)
            self.add(self.made({name: spec}, where, began, space)[0])


def check_spec(name: str, spec: object, space: ResourceSpace) -> Resources:
    """What the task uses, if all that is said of it is sound; O(resources). Raises InvalidOption, InvalidQuantity."""
    if not isinstance(spec, TaskSpec):
        raise InvalidOption(f"task {name!r} is {spec!r}; give a TaskSpec")
    amount = Resources(spec.resources, space=space)
    if not amount:
        raise InvalidOption(f"task {name!r} uses nothing; name what it uses")
    if spec.duration is not None and not (_is_span(spec.duration) and spec.duration > 0):
        raise InvalidOption(
            f"duration of task {name!r} is {spec.duration!r}; it is a number of seconds above 0, or None"
        )
    if not _is_span(spec.min_runtime):
        raise InvalidOption(
            f"min_runtime of task {name!r} is {spec.min_runtime!r}; it is a number of seconds, 0 or more"
        )
    if isinstance(spec.priority, bool) or not isinstance(spec.priority, int):
        raise InvalidOption(f"priority of task {name!r} is {spec.priority!r}; it is a whole number")
    return amount


def _is_span(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
