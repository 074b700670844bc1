"""What agents say: they come, come back, and tell what became of tasks; and what is said of those that do not."""

from __future__ import annotations

from drf.errors import DRFError, UnknownName
from drf.masters.core.books import AWAY, CONNECTED, NEVER, OUT, Agent, Framework, Task
from drf.masters.core.delivery import Desk
from drf.masters.core.records import (
    AGENT_TERMS,
    BY_MASTER,
    FROM_AGENT,
    GONE,
    LOST,
    RUNNING,
    STAGING,
    TERMINAL,
    UNREACHABLE,
    Admitted,
    AgentDisconnected,
    AgentGone,
    AgentLost,
    End,
    Forget,
    InverseRescinded,
    Maintain,
    Refused,
    Register,
    Report,
    Update,
)
from drf.resources import Resources


class Agents:
    """The agents' part of a master."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- registering

    def register(self, event: Register) -> None:
        """An agent is there, or there again; O(its tasks)."""
        desk, books = self._desk, self._desk.books
        name = event.agent
        old = books.agents.get(name)
        if old is not None and old.state == NEVER:
            desk.send(Refused(name, f"agent {name!r} was declared gone; use another name"))
            return
        try:
            new = Agent(
                name,
                Resources(event.resources, space=books.space),
                tuple(event.attributes.items()),
                dict(event.terms),
            )
            for term in new.terms:
                if term not in AGENT_TERMS:
                    raise UnknownName("term", term, AGENT_TERMS)
            event = event._replace(reports=[self._unheard(name, r) for r in event.reports])
            live, strangers = self._sorted(event)
        except (DRFError, AttributeError, TypeError, ValueError) as error:
            desk.send(Refused(name, f"what agent {name!r} says is malformed: {error}"))
            return
        if strangers:
            for report in strangers:
                info = report.task
                desk.send(End(name, info.framework, info.name, "it is not to run there"))
            desk.send(
                Refused(name, f"agent {name!r} has tasks that are to end; register without them")
            )
            return
        if old is None or not self._unchanged(old, new, live):
            if not self._enter(old, new):
                return
            self._adopt(new, live)
        else:
            old.state, old.deadline = CONNECTED, None
            desk.broker.tell("activate_agent", name)
        desk.back.add(name)
        desk.send(Admitted(name))
        for framework, its, number in desk.unheard.pop(name, {}):
            desk.send(Forget(name, framework, its, number))
        for task in list(books.on.get(name, {}).values()):
            if task.killing:
                desk.kill(task, task.killing)
        for report in event.reports:
            for number, state, message in report.updates:
                info = report.task
                self.update(Update(name, info.framework, info.name, number, state, message))

    def _unheard(self, agent: str, report: Report) -> Report:
        """What it says, without what was acknowledged while it was away."""
        heard = self._desk.unheard.get(agent)
        if not heard:
            return report
        framework, task = report.task.framework, report.task.name
        rest = [update for update in report.updates if (framework, task, update[0]) not in heard]
        return report._replace(updates=rest)

    def _sorted(self, event: Register) -> tuple[dict[str, Report], list[Report]]:
        """Reports of tasks that run there, by key, and those of tasks that are not to."""
        books = self._desk.books
        live: dict[str, Report] = {}
        strangers = []
        for report in event.reports:
            info = report.task
            if info.agent != event.agent or report.state not in FROM_AGENT | {STAGING}:
                raise ValueError(f"task {info.key!r} on {info.agent!r}, {report.state!r}")
            task = books.tasks.get(info.key)
            if report.state in TERMINAL:
                if task is None or (task.info.agent == info.agent and not task.ended):
                    live[info.key] = report  # its end is among the updates
            elif info.framework in books.removed or (
                task is not None and (task.ended or task.info.agent != info.agent)
            ):
                strangers.append(report)
            else:
                live[info.key] = report
        for key, report in list(live.items()):
            if report.state in TERMINAL and (
                not report.updates or report.task.framework in books.removed
            ):
                del live[key]
        return live, strangers

    def _unchanged(self, old: Agent, new: Agent, live: dict[str, Report]) -> bool:
        """Whether it only was away for a while."""
        same = (old.resources, old.attributes, old.terms) == (
            new.resources,
            new.attributes,
            new.terms,
        )
        return old.known and same and live.keys() == self._desk.books.on.get(new.name, {}).keys()

    def _enter(self, old: Agent | None, new: Agent) -> bool:
        """The allocator learns of it, with nothing on it; False where it refuses."""
        desk = self._desk
        known = old is not None and old.known
        if old is not None:
            new.unavailability = old.unavailability
            self._leave(old, OUT)
        try:
            desk.broker.ask(
                "add_agent",
                new.name,
                new.resources,
                attributes=new.attributes,
                unavailability=new.unavailability,
                **new.terms,
            )
        except (DRFError, TypeError) as error:
            if old is not None and known:
                self._say(old)
            desk.send(Refused(new.name, f"agent {new.name!r} cannot take part: {error}"))
            return False
        return True

    def _adopt(self, new: Agent, live: dict[str, Report]) -> None:
        """What runs there is what it says."""
        desk, books = self._desk, self._desk.books
        books.agents[new.name] = new
        desk.broker.changed(new.name)
        for key, task in list(books.on.get(new.name, {}).items()):
            if key in live:
                state = live[key].state
                if task.state == UNREACHABLE:
                    task.state = STAGING if state in TERMINAL else state
                    desk.tell(task.info, task.state, "its agent is back")
            else:
                task.state = LOST
                self._lost(task, "its agent came back without it")
        for key, report in live.items():
            if key not in books.tasks:
                self._recovered(report)
                state = STAGING if report.state in TERMINAL else report.state
                books.add(Task(report.task, state))
        for key in live:
            framework = books.frameworks[books.tasks[key].info.framework]
            if framework.removing:
                desk.kill(books.tasks[key], "its framework is gone")
        if books.on.get(new.name):
            desk.broker.tell("remove_agent", new.name)
            desk.broker.adopt(new)

    def _recovered(self, report: Report) -> None:
        """A framework that this master knows from its tasks alone takes part, its scheduler being away."""
        desk, books, info = self._desk, self._desk.books, report.task
        framework = books.frameworks.get(info.framework)
        if framework is None:
            framework = Framework(info.framework, (info.role,), info.failover_timeout)
            framework.deadline = books.now + info.failover_timeout
            books.frameworks[info.framework] = framework
            desk.broker.tell("add_framework", info.framework, roles=framework.roles)
            desk.broker.tell("deactivate_framework", info.framework)
        elif info.role not in framework.roles:
            framework.roles = (*framework.roles, info.role)
            framework.suppressed.add(info.role)
            desk.broker.tell(
                "update_framework",
                info.framework,
                roles=framework.roles,
                **framework.terms | {"suppressed": sorted(framework.suppressed)},
            )

    def _lost(self, task: Task, reason: str) -> None:
        """It ended on an agent of which the allocator knows nothing yet."""
        desk, info = self._desk, task.info
        desk.books.end(task, LOST)
        desk.note(task, BY_MASTER, LOST, reason)
        framework = desk.books.frameworks[info.framework]
        if framework.removing:
            desk.books.forget(task)
            desk.removed(framework)

    # -- leaving

    def maintain(self, event: Maintain) -> None:
        """Its maintenance is planned, anew or no more; O(offers there). Raises what the allocator raises."""
        desk = self._desk
        plan = None if event.start is None else (event.start, event.duration)
        desk.broker.ask("update_unavailability", event.agent, plan)
        desk.books.agents[event.agent].unavailability = plan
        for name in desk.broker.unasked(agent=event.agent):
            if desk.books.frameworks[name].connected:
                desk.send(InverseRescinded(name, event.agent))

    def disconnected(self, event: AgentDisconnected) -> None:
        """It is not to be offered until it is back; O(offers there)."""
        desk = self._desk
        agent = desk.books.agents.get(event.agent)
        if agent is None or agent.state != CONNECTED:
            return
        agent.state, agent.deadline = AWAY, desk.books.now + desk.agent_timeout
        desk.broker.tell("deactivate_agent", agent.name)

    def gone(self, event: AgentGone) -> None:
        """It will never be back; O(its tasks)."""
        books = self._desk.books
        agent = books.agents.setdefault(event.agent, Agent(event.agent, Resources(), state=OUT))
        if agent.state != NEVER:
            self._desk.back.add(agent.name)
            self._desk.unheard.pop(agent.name, None)
            self._leave(agent, NEVER)
            self._say(agent)

    def overdue(self) -> None:
        """Agents that were away for too long are unreachable; O(agents)."""
        for agent in self._desk.books.agents.values():
            if agent.deadline is not None and agent.deadline <= self._desk.books.now:
                self._leave(agent, OUT)
                self._say(agent)

    def _leave(self, agent: Agent, state: str) -> None:
        """The allocator knows it no more; O(offers there)."""
        known = agent.known
        agent.state, agent.deadline = state, None
        self._desk.broker.changed(agent.name)
        self._desk.broker.unasked(agent=agent.name)
        if known:
            self._desk.broker.tell("remove_agent", agent.name)

    def _say(self, agent: Agent) -> None:
        """Who has tasks on an agent that left is told, and what has to end for good has ended there."""
        desk, books = self._desk, self._desk.books
        tasks = list(books.on.get(agent.name, {}).values())
        for name in dict.fromkeys(task.info.framework for task in tasks):
            if books.frameworks[name].connected:
                desk.send(AgentLost(name, agent.name))
        for task in tasks:
            framework = books.frameworks[task.info.framework]
            if framework.removing:
                books.forget(task)
                desk.removed(framework)
            elif agent.state == NEVER:
                books.end(task, GONE)
                desk.note(task, BY_MASTER, GONE, "its agent is gone for good")
            elif task.state != UNREACHABLE:
                task.state = UNREACHABLE
                desk.tell(task.info, UNREACHABLE, "its agent is away")

    # -- updates

    def update(self, event: Update) -> None:
        """A task is in another state; an update that came before is not counted again; O(names)."""
        desk, books = self._desk, self._desk.books
        name, framework, number = event.agent, event.framework, event.number
        if not desk.there(name):
            desk.send(Refused(name, f"agent {name!r} is not registered; register first"))
            return
        malformed = isinstance(number, bool) or not isinstance(number, int) or number < 1
        if malformed or event.state not in FROM_AGENT:
            text = f"update {number!r} of task {framework}/{event.task}: {event.state!r}"
            desk.send(Refused(name, f"{text} is no update; numbers begin at 1"))
            return
        task = books.tasks.get(f"{framework}/{event.task}")
        if task is None or task.info.agent != name:
            if event.state not in TERMINAL:
                desk.send(End(name, framework, event.task, "it is not known"))
            desk.send(Forget(name, framework, event.task, number))
            return
        if number <= task.last or task.ended:
            if all(note.number != number for note in task.notes):
                desk.send(Forget(name, framework, event.task, number))
            return
        task.last = number
        if event.state in TERMINAL:
            desk.ended(task, event.state, number, "its agent says so", event.message)
            return
        task.state = RUNNING
        desk.note(task, number, RUNNING, "its agent says so", event.message)
