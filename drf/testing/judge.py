"""What a master must not say: a ledger of its own beside every event and message, which knows what is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drf.masters.core import records as r
from drf.masters.core.records import TERMINAL, Event, Message, OfferInfo, TaskInfo
from drf.resources import Resources
from drf.testing.history import Broken
from drf.testing.parties import SimAgent, SimScheduler


class Judge:
    """Hears all events and messages in order."""

    def __init__(
        self,
        agents: Mapping[str, SimAgent],
        schedulers: Mapping[str, SimScheduler],
        *,
        failing: bool = False,
    ) -> None:
        self._failing = failing
        self._agents = agents
        self._schedulers = schedulers
        self._text: list[str] = []
        self.log: list[str] = []
        self.reset: set[str] = set()
        """Schedulers whose memory was lost."""
        self._unmet: set[str] = set()
        """Frameworks that a master which follows has not met yet: its snapshot may be older than they are."""
        self._now = 0.0
        self._totals: dict[str, Resources] = {}
        """Agents that take part, with what they have."""
        self._streams: dict[str, int] = {}
        """Frameworks that take part, with their connection."""
        self._open: dict[str, OfferInfo] = {}
        self._made: set[str] = set()
        self._live: dict[str, TaskInfo] = {}
        self._ran: set[str] = set()
        self._killed: set[str] = set()
        self._acknowledged: set[tuple[str, int]] = set()
        self._away: dict[str, float] = {}
        """Until when a framework that is away keeps its tasks."""
        self._ends: dict[str, str] = {}
        """How tasks ended, where the master was told."""
        self._launching: set[str] = set()

    def broken(self, invariant: str, text: str) -> Broken:
        """What to raise where an invariant is broken; O(steps)."""
        return Broken(invariant, text, tuple(self._text))

    def restarted(self, *, fresh: bool) -> None:
        """Another master follows: nobody is connected to it, and it has made no offers."""
        self._text.append(
            f"another master follows, {'knowing nothing' if fresh else 'from a snapshot'}"
        )
        self._totals.clear()
        self._streams.clear()
        self._open.clear()
        self._acknowledged.clear()
        self._ends.clear()
        self._made.clear()
        self.reset |= set(self._schedulers)
        self._unmet = {s.name for s in self._schedulers.values() if not s.over}
        self._away = {
            s.name: self._now + s.failover_timeout for s in self._schedulers.values() if not s.over
        }

    # -- before an event is taken in

    def about(self, event: Event) -> None:
        """What the event changes, whatever the master says of it."""
        self._text.append(_shown(event))
        self._launching.clear()
        match event:
            case r.Tick(now=now):
                self._now = now
                for name, until in list(self._away.items()):
                    if until <= now:
                        self._over(name)
            case r.AgentDisconnected(agent=name) | r.AgentGone(agent=name):
                self._totals.pop(name, None)
                if isinstance(event, r.AgentGone):
                    self._leave(name)
            case r.Update(agent=name, framework=framework, task=task, state=state):
                key = f"{framework}/{task}"
                known = self._live.get(key)
                if state in TERMINAL and known is not None and known.agent == name:
                    del self._live[key]
                    self._ends.setdefault(key, state)
            case r.Disconnected(framework=name) if self._is(event):
                self._withdraw(name)
                timeout = self._schedulers[name].failover_timeout
                self._away[name] = self._now + timeout
            case r.Teardown(framework=name) if self._is(event):
                self._over(name)
            case r.Kill(framework=name, task=task) if self._is(event):
                self._killed.add(f"{name}/{task}")
            case r.Decline(offers=offers) if self._is(event):
                for offer in offers:
                    self._close(offer)
            case r.Accept(framework=name, launches=launches):
                valid = self._is(event) and all(
                    offer in self._open and self._open[offer].framework == name
                    for offer in launches
                )
                if valid:
                    self._launching = {f"{name}/{t.name}" for its in launches.values() for t in its}
                if self._is(event):
                    for offer in launches:
                        self._open.pop(offer, None)
            case r.Acknowledge(framework=name, task=task, number=number) if self._is(event):
                self._acknowledged.add((f"{name}/{task}", number))

    def _is(self, event: Event) -> bool:
        """Whether it comes from the scheduler that takes part."""
        name = getattr(event, "framework", None)
        return name in self._streams and getattr(event, "stream", None) == self._streams[name]

    def _over(self, framework: str) -> None:
        self._withdraw(framework)
        self._away.pop(framework, None)
        if framework in self._schedulers:
            self._schedulers[framework].over = True

    def _withdraw(self, framework: str) -> None:
        self._streams.pop(framework, None)
        for offer in [o for o, info in self._open.items() if info.framework == framework]:
            del self._open[offer]

    def _close(self, offer: str) -> None:
        info = self._open.pop(offer, None)
        if info is not None and info.group is not None:
            for other in [o for o, i in self._open.items() if i.group == info.group]:
                del self._open[other]

    def _leave(self, agent: str) -> None:
        for key in [key for key, info in self._live.items() if info.agent == agent]:
            del self._live[key]

    # -- and what it says then

    def hear(self, event: Event, messages: Sequence[Message]) -> None:
        """All that the master says of the event. Raises Broken."""
        ran = set()
        for message in messages:
            self.log.append(_shown(message))
            self._text.append(f"  {self.log[-1]}")
        for message in messages:
            match message:
                case r.Admitted(agent=name):
                    self._admit(event, name)
                case r.Subscribed():
                    self._subscribed(event, message)
                case r.Offered():
                    for offer in message.offers:
                        self._offered(message.framework, offer)
                case r.Rescinded(offer=ended):
                    if ended not in self._made:
                        raise self.broken("rescinds", f"offer {ended} was never made")
                    self._open.pop(ended, None)
                case r.Run(task=info):
                    self._run(info)
                    ran.add(info.key)
                case r.End(framework=framework, task=task):
                    self._end(f"{framework}/{task}")
                case r.Status():
                    self._status(message)
                case r.Trouble() | r.Failed() if self._failing:
                    self._launching.clear()
                case r.Trouble():
                    raise self.broken("verbs", f"{message.verb}: {message.message}")
        if self._launching - ran:
            text = f"{sorted(self._launching - ran)} was launched on open offers, and does not run"
            raise self.broken("tasks", text)
        if isinstance(event, r.Tick):
            self._no_dead_offers()

    def _admit(self, event: Event, name: str) -> None:
        assert isinstance(event, r.Register)
        self._totals[name] = Resources(event.resources)
        self._leave(name)
        for report in event.reports:
            ends = [state for _, state, _ in report.updates if state in TERMINAL]
            if report.state not in TERMINAL:
                self._live[report.task.key] = report.task
            elif ends:
                self._ends.setdefault(report.task.key, ends[0])

    def _subscribed(self, event: Event, message: r.Subscribed) -> None:
        name = message.framework
        assert isinstance(event, r.Subscribe)
        self._withdraw(name)
        self._away.pop(name, None)
        if name in self._unmet:  # where the master knew nothing of it, it was not away for too long
            self._unmet.discard(name)
            self._schedulers[name].over = False
        assert isinstance(event.stream, int)
        self._streams[name] = event.stream
        there = {
            info.name
            for info in self._live.values()
            if info.framework == name and info.agent in self._totals
        }
        if not there <= set(message.tasks):
            missing = sorted(there - set(message.tasks))
            raise self.broken("failover", f"{name} is back, and is not told of its tasks {missing}")

    def _offered(self, to: str, offer: OfferInfo) -> None:
        said = f"{offer.resources} of {offer.agent} is offered to {to}"
        if offer.id in self._made:
            raise self.broken("offers", f"{said} under the id {offer.id}, which was there before")
        if to not in self._streams or offer.framework != to:
            raise self.broken("offers", f"{said}, which does not take part")
        if offer.role not in self._schedulers[to].roles:
            raise self.broken("offers", f"{said} in role {offer.role}, which it does not have")
        if offer.agent not in self._totals:
            raise self.broken("offers", f"{said}, and the agent is not there")
        free = self._free(offer.agent)
        if not offer.resources <= free:
            raise self.broken("offers", f"{said}, and {free or 'nothing'} is free")
        self._made.add(offer.id)
        self._open[offer.id] = offer

    def _free(self, agent: str) -> Resources:
        free = self._totals[agent]
        out = [(offer.agent, offer.resources) for offer in self._open.values()]
        out += [(info.agent, info.resources) for info in self._live.values()]
        for where, amount in out:
            if where == agent:
                free = free.minus(amount)
        return free

    def _run(self, info: TaskInfo) -> None:
        if info.key in self._ran:
            raise self.broken("once", f"{info.key} is run again")
        if info.key not in self._launching:
            raise self.broken("once", f"{info.key} is run, and was not launched on open offers")
        if info.agent not in self._totals:
            raise self.broken("offers", f"{info.key} is run on {info.agent}, which is not there")
        self._ran.add(info.key)
        self._live[info.key] = info

    def _end(self, key: str) -> None:
        framework = key.partition("/")[0]
        takes_part = framework in self._streams or framework in self._away
        if takes_part and key not in self._killed and key in self._live:
            raise self.broken("failover", f"{key} is to end, and nobody asked for it")

    def _status(self, message: r.Status) -> None:
        key = f"{message.framework}/{message.task}"
        said = f"{key} is {message.state}"
        if message.framework not in self._streams:
            raise self.broken(
                "statuses", f"{said}: this is said to {message.framework}, which is away"
            )
        if message.task not in self._schedulers[message.framework].launched:
            raise self.broken("statuses", f"{said}: {message.framework} never launched it")
        if (key, message.number) in self._acknowledged:
            raise self.broken("statuses", f"{said}: this was acknowledged, and is said again")

    def _no_dead_offers(self) -> None:
        for offer in self._open.values():
            if offer.agent not in self._totals:
                text = f"offer {offer.id} of {offer.agent}, which is away, was not rescinded"
                raise self.broken("rescinds", text)

    # -- the end

    def heard(self) -> None:
        """Everybody is back: each framework heard how its tasks ended, without asking. Raises Broken."""
        for key, ended in self._ends.items():
            name, _, task = key.partition("/")
            scheduler = self._schedulers.get(name)
            if scheduler is None or scheduler.over or name in self.reset:
                continue
            heard = scheduler.finals.get(task)
            if heard != ended:
                text = f"{key} is {ended} by its agent, and {heard} by what was said"
                raise self.broken("statuses", text)

    def settled(self) -> None:
        """Everybody is back and has heard all: what they know is what is so. Raises Broken."""
        live = {
            task.info.key: agent
            for agent in self._agents.values()
            if not agent.gone
            for task in agent.live()
        }
        started = [key for agent in self._agents.values() for key in agent.started]
        for key in started:
            if started.count(key) > 1:
                raise self.broken("once", f"{key} was run {started.count(key)} times")
        for name, scheduler in self._schedulers.items():
            for task in scheduler.launched:
                key = f"{name}/{task}"
                if scheduler.over:
                    if key in live:
                        text = f"{key} runs on, and its framework is gone"
                        raise self.broken("failover", text)
                    continue
                self._known(scheduler, task, key in live)

    def _known(self, scheduler: SimScheduler, task: str, runs: bool) -> None:
        key, said = f"{scheduler.name}/{task}", scheduler.states.get(task)
        if said is None:
            raise self.broken("tasks", f"nothing is known of {key}, also when asked")
        if (said not in TERMINAL) != runs:
            text = f"{key} is {said} by what was said, and {'runs' if runs else 'does not run'}"
            raise self.broken("tasks", text)
        if key in self._killed and runs:
            raise self.broken("tasks", f"{key} was to be killed, and runs on")


def _shown(record: Event | Message) -> str:
    """A record on one line."""
    fields = ", ".join(str(value) for value in record if value not in (None, "", (), {}))
    return f"{type(record).__name__}({fields})"
