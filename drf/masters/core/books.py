"""A master's books: who is there, on what terms, and which task is where in which state. No decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drf.errors import InputError
from drf.masters.core.records import TERMINAL, Stream, TaskInfo
from drf.resources import Resources, ResourceSpace, Shape
from drf.snapshot import moment, packed, packed_shape, plain, rich, unpacked, unpacked_shape

CONNECTED = "connected"
AWAY = "away"  # its connection broke; it has until its deadline to come back
OUT = "unreachable"  # it did not come back in time; the allocator knows it no more
NEVER = "gone"  # it is not to come back

KEPT = 1000
"""So many names of frameworks that were removed are kept, so that none takes part again."""


@dataclass(slots=True)
class Agent:
    """An agent; ``deadline`` is until when it may be away, ``unavailability`` its planned maintenance."""

    name: str
    resources: Resources
    attributes: tuple[tuple[str, Any], ...] = ()
    terms: dict[str, Any] = field(default_factory=dict)
    state: str = CONNECTED
    deadline: float | None = None
    unavailability: tuple[float, float | None] | None = None

    @property
    def known(self) -> bool:
        """Whether the allocator counts it."""
        return self.state in (CONNECTED, AWAY)


@dataclass(slots=True)
class Want:
    """Tasks of one shape that a framework asked for: since when each waits, oldest first."""

    since: tuple[float, ...]
    together: bool = False


@dataclass(slots=True)
class Framework:
    """A framework; ``deadline`` is until when its scheduler may be away. One that is ``removing`` has tasks to end."""

    name: str
    roles: tuple[str, ...]
    failover_timeout: float = 0.0
    terms: dict[str, Any] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    wants: dict[tuple[str, Shape], Want] = field(default_factory=dict)
    stream: Stream = None
    connected: bool = False
    deadline: float | None = None
    removing: bool = False


class Note(NamedTuple):
    """A status that waits for its acknowledgement."""

    number: int
    state: str
    reason: str
    message: str


@dataclass(slots=True)
class Task:
    """A task; ``notes`` are what its framework has not acknowledged, ``last`` the highest number its agent gave."""

    info: TaskInfo
    state: str
    notes: list[Note] = field(default_factory=list)
    last: int = 0
    killing: str = ""
    """Why it is to end; empty where it is not."""

    @property
    def ended(self) -> bool:
        """Whether it is in a state that it does not leave."""
        return self.state in TERMINAL


class Books:
    """All that a master knows."""

    def __init__(self, space: ResourceSpace) -> None:
        self.space = space
        self.now = 0.0
        self.agents: dict[str, Agent] = {}
        self.frameworks: dict[str, Framework] = {}
        self.tasks: dict[str, Task] = {}
        self.on: dict[str, dict[str, Task]] = {}
        """The tasks of each agent that have not ended, by key."""
        self.of: dict[str, dict[str, Task]] = {}
        """All tasks of each framework, by key."""
        self.weights: dict[str, float] = {}
        self.quotas: dict[str, tuple[Resources, dict[str, float]]] = {}
        self.removed: dict[str, None] = {}

    # -- tasks

    def add(self, task: Task) -> None:
        """A task begins; O(1)."""
        self.tasks[task.info.key] = task
        self.on.setdefault(task.info.agent, {})[task.info.key] = task
        self.of.setdefault(task.info.framework, {})[task.info.key] = task

    def end(self, task: Task, state: str) -> None:
        """It has ended; what is not acknowledged is kept; O(1)."""
        task.state = state
        del self.on[task.info.agent][task.info.key]

    def forget(self, task: Task) -> None:
        """Nothing more is to be known of a task; O(1)."""
        key = task.info.key
        del self.tasks[key], self.of[task.info.framework][key]
        self.on.get(task.info.agent, {}).pop(key, None)

    def running(self, framework: str) -> list[Task]:
        """Its tasks that have not ended, oldest first; O(tasks of it)."""
        return [task for task in self.of.get(framework, {}).values() if not task.ended]

    def used(self, agent: str) -> dict[str, dict[str, Resources]]:
        """What tasks use there, by framework and role; O(tasks there)."""
        out: dict[str, dict[str, Resources]] = {}
        for task in self.on.get(agent, {}).values():
            by_role = out.setdefault(task.info.framework, {})
            role, amount = task.info.role, task.info.resources
            by_role[role] = by_role[role] + amount if role in by_role else amount
        return out

    def counted(self) -> Iterator[Task]:
        """Tasks that the allocator counts, agent by agent; O(of them)."""
        for name, agent in self.agents.items():
            if agent.known:
                yield from self.on.get(name, {}).values()

    # -- frameworks

    def remove(self, framework: str) -> None:
        """It is gone with all its tasks, and its name is used up; O(tasks of it)."""
        for task in list(self.of.get(framework, {}).values()):
            self.forget(task)
        self.of.pop(framework, None)
        del self.frameworks[framework]
        self.removed[framework] = None
        while len(self.removed) > KEPT:
            del self.removed[next(iter(self.removed))]

    # -- snapshot

    def state(self) -> dict[str, Any]:
        """All of it as plain JSON values; O(state)."""
        return {
            "now": self.now,
            "agents": [
                [
                    a.name,
                    packed(a.resources),
                    [[key, plain(value)] for key, value in a.attributes],
                    a.terms,
                    a.state,
                    a.deadline,
                    a.unavailability,
                ]
                for a in self.agents.values()
            ],
            "frameworks": [
                [
                    f.name,
                    list(f.roles),
                    f.failover_timeout,
                    f.terms,
                    sorted(f.suppressed),
                    [
                        [role, packed_shape(shape), list(want.since), want.together]
                        for (role, shape), want in f.wants.items()
                    ],
                    f.removing,
                ]
                for f in self.frameworks.values()
            ],
            "tasks": [
                [
                    *t.info[:4],
                    packed(t.info.resources),
                    *t.info[5:],
                    t.state,
                    [list(note) for note in t.notes],
                    t.last,
                    t.killing,
                ]
                for t in self.tasks.values()
            ],
            "weights": [list(pair) for pair in self.weights.items()],
            "quotas": [
                [role, packed(guarantees), [list(pair) for pair in limits.items()]]
                for role, (guarantees, limits) in self.quotas.items()
            ],
            "removed": list(self.removed),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], space: ResourceSpace) -> Books:
        """The books again, nobody connected; O(state). Raises InputError where they do not add up."""
        books = cls(space)
        books.now = moment(state["now"], "the time")
        for name, amount, attributes, terms, its, deadline, unavailability in state["agents"]:
            pairs = tuple((key, rich(value)) for key, value in attributes)
            plan = None if unavailability is None else tuple(unavailability)
            books.agents[name] = Agent(
                name, unpacked(amount, space), pairs, dict(terms), its, deadline, plan
            )
        for name, roles, timeout, terms, suppressed, wants, removing in state["frameworks"]:
            books.frameworks[name] = Framework(
                name, tuple(roles), timeout, dict(terms), set(suppressed), removing=removing
            )
            for role, shape, since, together in wants:
                key = (role, unpacked_shape(shape, space))
                books.frameworks[name].wants[key] = Want(tuple(since), together)
        for framework, name, role, agent, amount, *rest in state["tasks"]:
            *terms, its, notes, last, killing = rest
            info = TaskInfo(framework, name, role, agent, unpacked(amount, space), *terms)
            if framework not in books.frameworks or agent not in books.agents:
                raise InputError(f"task {info.key!r} is of a framework or agent that is not there")
            task = Task(info, its, [Note(*note) for note in notes], last, killing)
            books.add(task)
            if task.ended:
                books.end(task, its)
        books.weights = dict(state["weights"])
        books.quotas = {
            role: (unpacked(guarantees, space), dict(limits))
            for role, guarantees, limits in state["quotas"]
        }
        books.removed = dict.fromkeys(state["removed"])
        return books
