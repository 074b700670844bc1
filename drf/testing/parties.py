"""Agents and schedulers as a simulated cluster has them: they do what they are told, and lose what a fault takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from drf.masters.core.records import (
    FAILED,
    FINISHED,
    KILLED,
    RUNNING,
    STAGING,
    TERMINAL,
    Acknowledge,
    Admitted,
    End,
    Event,
    Failed,
    Forget,
    Message,
    Offered,
    OfferInfo,
    Refused,
    Register,
    Report,
    Rescinded,
    Run,
    Status,
    Subscribe,
    Subscribed,
    TaskInfo,
    Update,
)


@dataclass
class AgentTask:
    """A task as its agent knows it, with the updates that nobody acknowledged yet."""

    info: TaskInfo
    state: str = STAGING
    updates: list[tuple[int, str, str]] = field(default_factory=list)
    made: int = 0


class SimAgent:
    """An agent: runs what it is told, and tells how it goes until that is acknowledged."""

    def __init__(self, name: str, total: str) -> None:
        self.name = name
        self.total = total
        self.tasks: dict[str, AgentTask] = {}
        self.started: list[str] = []
        """Every task that it was ever told to run, by key."""
        self.linked = self.admitted = False
        self.gone = False
        self.inbox: list[Message] = []
        self.outbox: list[Event] = []

    def register(self) -> None:
        """Connect, and say what runs here."""
        self.linked, self.admitted = True, False
        self.inbox.clear()
        reports = tuple(Report(t.info, t.state, tuple(t.updates)) for t in self.tasks.values())
        self.outbox[:] = [Register(self.name, self.total, {"name": self.name}, reports)]

    def cut(self) -> None:
        """The connection breaks, and what was on it is lost."""
        self.linked = self.admitted = False
        self.inbox.clear()
        self.outbox.clear()

    def crash(self) -> None:
        """All that runs here ends, and is forgotten."""
        self.cut()
        self.tasks.clear()

    def hear(self, message: Message) -> None:
        """One message."""
        match message:
            case Admitted():
                self.admitted = True
            case Refused():
                self.register()  # by now it has ended what it was told to end
            case Run(task=info):
                self.started.append(info.key)
                self.tasks[info.key] = AgentTask(info)
            case End(framework=framework, task=name):
                task = self.tasks.get(f"{framework}/{name}")
                if task is not None and task.state not in TERMINAL:
                    self.move(task, KILLED)
            case Forget(framework=framework, task=name, number=number):
                task = self.tasks.get(f"{framework}/{name}")
                if task is not None:
                    task.updates = [u for u in task.updates if u[0] != number]
                    if task.state in TERMINAL and not task.updates:
                        del self.tasks[task.info.key]

    def move(self, task: AgentTask, state: str) -> None:
        """A task is in another state."""
        task.state = state
        task.made += 1
        task.updates.append((task.made, state, ""))
        if self.linked:
            info = task.info
            self.outbox.append(Update(self.name, info.framework, info.name, task.made, state))

    def step(self, n: int, kind: int) -> bool:
        """The n-th task that has not ended goes on; False where there is none."""
        live = self.live()
        if not live:
            return False
        task = live[n % len(live)]
        ends = FINISHED if kind % 2 else FAILED
        self.move(task, RUNNING if task.state == STAGING else ends)
        return True

    def live(self) -> list[AgentTask]:
        """Tasks that have not ended."""
        return [task for task in self.tasks.values() if task.state not in TERMINAL]


class SimScheduler:
    """A framework's scheduler: notes what it hears, and acknowledges it."""

    def __init__(self, name: str, roles: tuple[str, ...], failover_timeout: float) -> None:
        self.name = name
        self.roles = roles
        self.failover_timeout = failover_timeout
        self.stream = 0
        self.linked = False
        self.over = False
        """It was torn down, or learned that it was removed."""
        self.offers: dict[str, OfferInfo] = {}
        self.past: list[str] = []
        """Offers that have ended."""
        self.states: dict[str, str] = {}
        """What it last heard of each task."""
        self.finals: dict[str, str] = {}
        """The first end that it heard of each task."""
        self.launched: list[str] = []
        self.subscribed = False
        self.inbox: list[Message] = []
        self.outbox: list[Event] = []

    def subscribe(self) -> None:
        """Connect, or take over from the instance before, which knows nothing of this one."""
        self.stream += 1
        self.linked, self.subscribed = True, False
        self.past += self.offers
        self.offers.clear()
        self.inbox.clear()
        event = Subscribe(self.name, self.roles, self.stream, self.failover_timeout)
        self.outbox[:] = [event]

    def take_over(self) -> None:
        """A new instance, without memory of states."""
        self.states.clear()
        self.finals.clear()
        self.subscribe()

    def cut(self) -> None:
        """The connection breaks."""
        self.linked = False
        self.past += self.offers
        self.offers.clear()
        self.inbox.clear()
        self.outbox.clear()

    def hear(self, message: Message) -> None:
        """One message."""
        match message:
            case Subscribed():
                self.subscribed = True
            case Failed(stream=stream):
                if stream == self.stream and not self.subscribed and not self.over:
                    self.subscribe()
            case Offered(offers=offers):
                self.offers |= {offer.id: offer for offer in offers}
            case Rescinded(offer=offer):
                self.offers.pop(offer, None)
                self.past.append(offer)
            case Status(task=task, state=state, number=number):
                ended = self.states.get(task) in TERMINAL
                if state in TERMINAL:
                    self.finals.setdefault(task, state)
                if not ended or state in TERMINAL:
                    self.states[task] = state
                if number is not None:
                    self.outbox.append(Acknowledge(self.name, task, number, self.stream))
