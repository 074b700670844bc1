"""What a simulation is given: machines, and tasks of tenants that arrive, run and end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from drf.errors import DuplicateName, InvalidOption, UnknownName
from drf.resources import DEFAULT_SPACE, Resources, ResourceSpace, Shape

_FIRST_COLUMNS = ("cpus", "mem", "gpus")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: what it has, and attributes that tasks may ask for."""

    name: str
    capacity: Resources
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Task:
    """One task: who wants how much, from when and for how long (seconds), and on which machines.

    ``where`` maps an attribute to its allowed values; None means anywhere.
    """

    name: str
    tenant: str
    arrival: float
    duration: float
    demand: Resources
    where: Mapping[str, frozenset[str]] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Workload:
    """Machines and tasks, the tasks by (arrival, name); O(tasks log tasks) to make.

    ``weights`` may leave tenants out: theirs is 1. ``notes`` say in sentences where the workload
    comes from and what was done to it; whoever shows a figure shows them too. Raises DuplicateName
    where two machines or two tasks share a name, UnknownName for a weight of nobody, InvalidOption
    for a time that is negative or not finite.

    >>> machines = [Machine("m1", Resources("cpus:4;mem:8"))]
    >>> one = Resources("cpus:1;mem:1")
    >>> tasks = [Task("t2", "b", 1.0, 60.0, one), Task("t1", "a", 0.0, 60.0, one)]
    >>> w = Workload("small", machines, tasks)
    >>> [t.name for t in w.tasks], w.tenants, w.resources, str(w.total), w.window
    (['t1', 't2'], ('a', 'b'), ('cpus', 'mem'), 'cpus:4;mem:8', (0.0, 1.0))
    """

    name: str
    machines: tuple[Machine, ...]
    tasks: tuple[Task, ...]
    space: ResourceSpace = DEFAULT_SPACE
    weights: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.tasks, key=lambda t: (t.arrival, t.name)))
        object.__setattr__(self, "machines", tuple(self.machines))
        object.__setattr__(self, "tasks", ordered)
        object.__setattr__(self, "notes", tuple(self.notes))
        _distinct("machine", [m.name for m in self.machines])
        _distinct("task", [t.name for t in ordered])
        for task in ordered:
            for what, seconds in (("arrival", task.arrival), ("duration", task.duration)):
                if not (math.isfinite(seconds) and seconds >= 0):
                    raise InvalidOption(
                        f"task {task.name}: its {what} is {seconds} s; "
                        f"give a finite number of seconds, 0 or more"
                    )
        for name in self.weights:
            if name not in self.tenants:
                raise UnknownName("tenant", name, self.tenants)
        weights = {t: float(self.weights.get(t, 1.0)) for t in self.tenants}
        object.__setattr__(self, "weights", MappingProxyType(weights))

    @cached_property
    def tenants(self) -> tuple[str, ...]:
        """The names of all who have tasks, sorted."""
        return tuple(sorted({t.tenant for t in self.tasks}))

    @cached_property
    def total(self) -> Resources:
        """What all machines have together."""
        total = Resources(space=self.space)
        for machine in self.machines:
            total = total + machine.capacity
        return total

    @cached_property
    def resources(self) -> tuple[str, ...]:
        """The scalar resources of the machines: cpus, mem and gpus first, the others by name."""
        there = set(self.total.units)
        return (
            *(n for n in _FIRST_COLUMNS if n in there),
            *sorted(there.difference(_FIRST_COLUMNS)),
        )

    @cached_property
    def window(self) -> tuple[float, float]:
        """When the first and the last task arrive, in seconds; (0, 0) without tasks."""
        return (self.tasks[0].arrival, self.tasks[-1].arrival) if self.tasks else (0.0, 0.0)

    @cached_property
    def load(self) -> Mapping[str, float]:
        """Offered load by resource: demand times duration of all tasks, over capacity times window;
        O(tasks).

        Above 1 the machines cannot keep up while tasks arrive. Infinite where the window has no
        length.
        """
        work = dict.fromkeys(self.resources, 0.0)
        for task in self.tasks:
            for name, units in task.demand.units.items():
                if name in work:
                    work[name] += units * task.duration
        length = self.window[1] - self.window[0]
        total = self.total.units
        return {
            n: w / (total[n] * length) if length else (math.inf if w else 0.0)
            for n, w in work.items()
        }


def shape_of(task: Task) -> Shape:
    """What one task needs, as the allocator is told; O(names)."""
    return Shape.of(task.demand, task.where)


def fits(shape: Shape, machine: Machine) -> bool:
    """Whether the machine, empty, could run a task of this shape; O(names)."""
    return shape.fits_attributes(machine.attributes) and shape.resources <= machine.capacity


def check_whole(name: str, value: object, least: int) -> None:
    """Raise InvalidOption unless a setting is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(f"{name} is {value!r}; give a whole number of at least {least}")


def _distinct(kind: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuplicateName(
                f"{kind} {name!r} is there twice; give every {kind} a name of its own"
            )
        seen.add(name)
