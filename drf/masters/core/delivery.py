"""Statuses on their way to frameworks: one at a time of each task, again and again until it is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field

from drf.masters.core.books import CONNECTED, Books, Framework, Note, Task
from drf.masters.core.broker import Broker
from drf.masters.core.records import BY_MASTER, End, Forget, Message, Status, TaskInfo


@dataclass(slots=True)
class Desk:
    """What all parts of a master work on; ``out`` are the messages of this event."""

    books: Books
    broker: Broker
    agent_timeout: float
    resend: float
    out: list[Message] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)
    """When the status that each task waits for an acknowledgement of was sent last, the longest ago first."""
    quiet_until: float | None = None
    """While this master is new, nothing is said of tasks that it does not know."""
    expected: float = 0
    """With so many agents back, it is new no more."""
    back: set[str] = field(default_factory=set)
    """Agents that came, or will never come, since this master is new."""
    unheard: dict[str, dict[tuple[str, str, int], None]] = field(default_factory=dict)
    """By agent that is away: framework, task and number of updates that were acknowledged meanwhile."""

    def send(self, message: Message) -> None:
        """To be delivered; O(1)."""
        self.out.append(message)

    # -- statuses

    def note(self, task: Task, number: int, state: str, reason: str, message: str = "") -> None:
        """A status that has to be acknowledged; O(1)."""
        if self.books.frameworks[task.info.framework].removing:
            self.forget_update(task.info, number)
            return
        task.notes.append(Note(number, state, reason, message))
        if len(task.notes) == 1:
            self.deliver(task)

    def tell(self, info: TaskInfo, state: str, reason: str, message: str = "") -> None:
        """A status that is not waited for, if its framework is there; O(1)."""
        if self.books.frameworks[info.framework].connected:
            self.send(Status(info.framework, info.name, state, info.agent, None, reason, message))

    def deliver(self, task: Task) -> None:
        """Send the oldest status that is not acknowledged, if its framework is there; O(1)."""
        info = task.info
        self.sent.pop(info.key, None)
        if task.notes and self.books.frameworks[info.framework].connected:
            number, state, reason, message = task.notes[0]
            self.send(Status(info.framework, info.name, state, info.agent, number, reason, message))
            self.sent[info.key] = self.books.now

    def acknowledged(self, task: Task, number: int) -> None:
        """The framework noted it: the next one, or the end of all that is known of the task; O(1)."""
        if not task.notes or task.notes[0].number != number:
            return  # it was acknowledged before
        del task.notes[0]
        self.forget_update(task.info, number)
        if task.ended and not task.notes:
            self.sent.pop(task.info.key, None)
            self.books.forget(task)
        else:
            self.deliver(task)

    def again(self) -> None:
        """Send again what was not acknowledged for long; O(of them)."""
        while self.sent:
            key, when = next(iter(self.sent.items()))
            if when + self.resend > self.books.now:
                return
            self.deliver(self.books.tasks[key])

    def next_again(self) -> float | None:
        """When something is to be sent again, None for never; O(1)."""
        return min((when + self.resend for when in [*self.sent.values()][:1]), default=None)

    def forget_update(self, info: TaskInfo, number: int) -> None:
        """The agent need not keep the update; O(1)."""
        if number == BY_MASTER:
            return
        if self.there(info.agent):
            self.send(Forget(info.agent, info.framework, info.name, number))
        else:
            self.unheard.setdefault(info.agent, {})[info.framework, info.name, number] = None

    # -- ends

    def there(self, agent: str) -> bool:
        """Whether the agent hears what is sent; O(1)."""
        return agent in self.books.agents and self.books.agents[agent].state == CONNECTED

    def ended(self, task: Task, state: str, number: int, reason: str, message: str = "") -> None:
        """The task has ended: what it used is free, its framework is told; O(names)."""
        info = task.info
        self.books.end(task, state)
        if self.books.agents[info.agent].known:
            self.broker.gave(info.agent, info.resources)
            self.broker.tell("release", task=info.key)
        self.note(task, number, state, reason, message)
        framework = self.books.frameworks[info.framework]
        if framework.removing:
            self.books.forget(task)
            self.removed(framework)

    def kill(self, task: Task, reason: str) -> None:
        """Have it ended, now or when its agent is back; O(1)."""
        task.killing = task.killing or reason
        if self.there(task.info.agent):
            self.send(End(task.info.agent, task.info.framework, task.info.name, task.killing))

    def remove(self, framework: Framework, reason: str) -> None:
        """The framework is to go: its tasks are ended, and it is gone with the last of them; O(tasks of it)."""
        if framework.removing:
            return
        framework.removing, framework.connected = True, False
        framework.stream = framework.deadline = None
        framework.wants.clear()
        self.broker.unasked(framework=framework.name)
        self.broker.tell("deactivate_framework", framework.name)
        for task in list(self.books.of.get(framework.name, {}).values()):
            self.sent.pop(task.info.key, None)
            for note in task.notes:
                self.forget_update(task.info, note.number)
            task.notes.clear()
            if task.ended or not self.books.agents[task.info.agent].known:
                self.books.forget(task)
            else:
                self.kill(task, reason)
        self.removed(framework)

    def removed(self, framework: Framework) -> None:
        """It is gone, if its last task has ended; O(1)."""
        if framework.name in self.books.frameworks and not self.books.of.get(framework.name):
            self.books.remove(framework.name)
            self.broker.tell("remove_framework", framework.name)
