"""A simulated cluster around a master, with faults: connections break, parties crash, masters follow one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf.masters.core import records as r
from drf.masters.core.records import FINISHED, TERMINAL, Event, Launch
from drf.plugins import MasterPlugin
from drf.resources import Resources
from drf.testing.history import Broken
from drf.testing.judge import Judge
from drf.testing.parties import SimAgent, SimScheduler

TOTALS = ("cpus:4;mem:8", "cpus:2;mem:2", "cpus:3;mem:4", "cpus:1;mem:1")
SHAPES = ("cpus:1;mem:1", "cpus:2;mem:1", "cpus:1;mem:2", "cpus:1;mem:1")
ROLES = (("a",), ("b",), ("a", "b"), ("a/x",))
TIMEOUTS = (50.0, 0.0, 20.0, 50.0)
SECONDS = (0.0, 1.0, 15.0, 40.0)
AGENTS = SCHEDULERS = 3
AGENT_TIMEOUT = 30.0
RESEND = 10.0
ROUNDS = 8
"""So often, at the end, everybody comes back and hears all; together it lasts longer than every timeout."""
STEP = 20.0
ENOUGH = 5000
"""More messages than this, with nobody doing anything, go round for ever."""

VERBS = (
    "join",
    "connect",
    "request",
    "request",
    "deliver",
    "deliver",
    "all",
    "all",
    "launch",
    "launch",
    "step",
    "step",
    "tick",
    "tick",
    "decline",
    "kill",
    "cut_agent",
    "crash_agent",
    "gone",
    "cut_scheduler",
    "take_over",
    "teardown",
    "accept_past",
    "suppress",
    "revive",
    "reconcile",
    "save",
    "restart",
)


Make = Callable[..., MasterPlugin]
"""Makes a master; called with ``agent_timeout``, ``resend`` and ``epoch``."""


class Cluster:
    """One master, some agents and schedulers, the connections between them, and a judge who hears everything.

    ``failing``: the allocator below is made to fail; that is told as `Trouble`, and excuses launches that are refused.
    """

    def __init__(self, make: Make, *, failing: bool = False) -> None:
        self._make = make
        self._epoch = 0
        self.now = 0.0
        self.agents: dict[str, SimAgent] = {}
        self.schedulers: dict[str, SimScheduler] = {}
        self.judge = Judge(self.agents, self.schedulers, failing=failing)
        self._master = self._new()
        self._saved: Any = None
        self._names = 0

    @property
    def log(self) -> list[str]:
        """All that the master said, to be compared."""
        return self.judge.log

    def broken(self, invariant: str, text: str) -> Broken:
        """What to raise where an invariant is broken; O(steps)."""
        return self.judge.broken(invariant, text)

    def do(self, verb: str, first: int, second: int) -> bool:
        """One step, where there is what it is about; False where there is not."""
        did = getattr(self, f"_{verb}")(first, second) is not False
        if did:
            self.check()
        return did

    def check(self) -> None:
        """The master finds itself in order, if it can say."""
        check = getattr(self._master, "check", None)
        if check is None:
            return
        try:
            check()
        except Exception as error:
            raise self.broken("verbs", f"check() says: {error}") from error

    def _new(self) -> MasterPlugin:
        return self._make(agent_timeout=AGENT_TIMEOUT, resend=RESEND, epoch=self._epoch)

    def _tell(self, event: Event) -> None:
        """The master takes an event in, and what it says goes to whom it is for."""
        self.judge.about(event)
        try:
            messages = list(self._master.handle(event))
        except Exception as error:
            kind = type(event).__name__
            raise self.broken("verbs", f"{kind} raised {type(error).__name__}: {error}") from error
        self.judge.hear(event, messages)
        for message in messages:
            if isinstance(message, r.TO_AGENT):
                agent = self.agents.get(message.agent)
                if agent is not None and agent.linked:
                    agent.inbox.append(message)
            elif isinstance(message, r.TO_FRAMEWORK):
                scheduler = self.schedulers.get(message.framework)
                stream = getattr(message, "stream", None)
                if scheduler is None or not scheduler.linked:
                    continue
                if stream in (None, scheduler.stream):
                    scheduler.inbox.append(message)

    # -- steps: False where there is nothing to do

    def _join(self, n: int, kind: int) -> bool:
        name = f"m{n % AGENTS}"
        agent = self.agents.setdefault(name, SimAgent(name, TOTALS[kind % len(TOTALS)]))
        if agent.gone or agent.linked:
            return False
        agent.register()
        return True

    def _connect(self, n: int, kind: int) -> bool:
        name = f"f{n % SCHEDULERS}"
        kind %= len(ROLES)
        scheduler = self.schedulers.setdefault(
            name, SimScheduler(name, ROLES[kind], TIMEOUTS[kind])
        )
        if scheduler.over or scheduler.linked:
            return False
        scheduler.subscribe()
        return True

    def _linked(self, n: int) -> SimScheduler | None:
        there = [s for _, s in sorted(self.schedulers.items()) if s.linked]
        return there[n % len(there)] if there else None

    def _request(self, n: int, kind: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        kind %= len(SHAPES)
        scheduler.outbox.append(
            r.Request(
                scheduler.name,
                SHAPES[kind],
                kind + 1,
                role=scheduler.roles[n % len(scheduler.roles)],
                together=kind == len(SHAPES) - 1,
                stream=scheduler.stream,
            )
        )
        return True

    def _queues(self) -> list[tuple[str, Any]]:
        """Everything that is on its way somewhere."""
        parties = [*sorted(self.agents.items()), *sorted(self.schedulers.items())]
        out: list[tuple[str, Any]] = []
        for _, party in parties:
            out += [(way, party) for way in ("inbox", "outbox") if getattr(party, way)]
        return out

    def _deliver(self, n: int, _: int) -> bool:
        queues = self._queues()
        if not queues:
            return False
        way, party = queues[n % len(queues)]
        found = getattr(party, way).pop(0)
        if way == "inbox":
            party.hear(found)
        else:
            self._tell(found)
        return True

    def _all(self, _: int, __: int) -> bool:
        for _ in range(ENOUGH):
            if not self._deliver(0, 0):
                return True
        raise self.broken("verbs", f"{ENOUGH} messages went round, and it does not end")

    def _launch(self, n: int, part: int) -> bool:
        able = [s for _, s in sorted(self.schedulers.items()) if s.linked and s.offers]
        if not able:
            return False
        scheduler = able[n % len(able)]
        first = next(iter(scheduler.offers.values()))
        group = [
            offer
            for offer in scheduler.offers.values()
            if offer is first or (first.group is not None and offer.group == first.group)
        ]
        launches: dict[str, list[Launch]] = {}
        for offer in group:
            amounts = [shape.resources for shape, count in offer.tasks for _ in range(count)]
            if not amounts:  # whole agents are offered
                small = Resources(SHAPES[0])
                amounts = [small] if small <= offer.resources else [offer.resources]
            if part % 2 and first.group is None:
                del amounts[1:]
            launches[offer.id] = [self._task(scheduler, amount) for amount in amounts]
            del scheduler.offers[offer.id]
            scheduler.past.append(offer.id)
        scheduler.outbox.append(r.Accept(scheduler.name, launches, 0.0, scheduler.stream))
        return True

    def _task(self, scheduler: SimScheduler, amount: Resources) -> Launch:
        self._names += 1
        name = f"t{self._names}"
        scheduler.launched.append(name)
        return Launch(name, amount, data=f"data of {name}")

    def _accept_past(self, n: int, _: int) -> bool:
        able = [s for _, s in sorted(self.schedulers.items()) if s.linked and s.past]
        if not able:
            return False
        scheduler = able[n % len(able)]
        tasks = [self._task(scheduler, Resources(SHAPES[0]))]
        scheduler.outbox.append(
            r.Accept(scheduler.name, {scheduler.past[-1]: tasks}, 0.0, scheduler.stream)
        )
        return True

    def _decline(self, n: int, seconds: int) -> bool:
        able = [s for _, s in sorted(self.schedulers.items()) if s.linked and s.offers]
        if not able:
            return False
        scheduler = able[n % len(able)]
        offer = scheduler.offers.pop(next(iter(scheduler.offers)))
        scheduler.past.append(offer.id)
        refuse = SECONDS[seconds % len(SECONDS)]
        scheduler.outbox.append(r.Decline(scheduler.name, [offer.id], refuse, scheduler.stream))
        return True

    def _kill(self, n: int, which: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None or not scheduler.launched:
            return False
        task = scheduler.launched[-1 - which % len(scheduler.launched)]
        scheduler.outbox.append(r.Kill(scheduler.name, task, scheduler.stream))
        return True

    def _step(self, n: int, kind: int) -> bool:
        busy = [agent for _, agent in sorted(self.agents.items()) if agent.live()]
        return bool(busy) and busy[n % len(busy)].step(kind // 2, kind)

    def _tick(self, _: int, seconds: int) -> None:
        self._wait(SECONDS[seconds % len(SECONDS)])

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        self._tell(r.Tick(self.now))

    def _some_agent(self, n: int, *, linked: bool) -> SimAgent | None:
        there = [a for _, a in sorted(self.agents.items()) if (a.linked or not linked)]
        found = [a for a in there if not a.gone]
        return found[n % len(found)] if found else None

    def _cut_agent(self, n: int, _: int) -> bool:
        agent = self._some_agent(n, linked=True)
        if agent is None:
            return False
        agent.cut()
        self._tell(r.AgentDisconnected(agent.name))
        return True

    def _crash_agent(self, n: int, _: int) -> bool:
        agent = self._some_agent(n, linked=True)
        if agent is None:
            return False
        agent.crash()
        self._tell(r.AgentDisconnected(agent.name))
        return True

    def _gone(self, n: int, often: int) -> bool:
        agent = self._some_agent(n, linked=False)
        if agent is None or often != 3:  # it is for good, so seldom
            return False
        agent.gone = True
        agent.cut()
        self._tell(r.AgentGone(agent.name))
        return True

    def _cut_scheduler(self, n: int, _: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        scheduler.cut()
        self._tell(r.Disconnected(scheduler.name, scheduler.stream))
        return True

    def _take_over(self, n: int, _: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        scheduler.take_over()
        self.judge.reset.add(scheduler.name)
        return True

    def _teardown(self, n: int, often: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None or often < 2:
            return False
        scheduler.outbox.append(r.Teardown(scheduler.name, scheduler.stream))
        return True

    def _suppress(self, n: int, _: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        scheduler.outbox.append(r.Suppress(scheduler.name, (), scheduler.stream))
        return True

    def _revive(self, n: int, _: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        scheduler.outbox.append(r.Revive(scheduler.name, (), scheduler.stream))
        return True

    def _reconcile(self, n: int, named: int) -> bool:
        scheduler = self._linked(n)
        if scheduler is None:
            return False
        tasks = tuple(scheduler.launched) if named % 2 else ()
        scheduler.outbox.append(r.Reconcile(scheduler.name, tasks, scheduler.stream))
        return True

    def _save(self, _: int, __: int) -> bool:
        if not hasattr(self._master, "snapshot"):
            return False
        self._saved = self._master.snapshot()
        return True

    def _restart(self, n: int, often: int) -> bool:
        """The master is lost, and another one follows it: from the last snapshot, or knowing nothing."""
        if often < 2:
            return False
        restored = n % 2 == 0 and self._saved is not None
        for agent in self.agents.values():
            agent.cut()
        for scheduler in self.schedulers.values():
            scheduler.cut()
        self.judge.restarted(fresh=not restored)
        self._epoch += 1
        if restored:
            restore: Any = getattr(type(self._master), "restore")  # noqa: B009 (it has one if it makes snapshots)
            self._master = restore(
                self._saved, agent_timeout=AGENT_TIMEOUT, resend=RESEND, now=self.now
            )
            return True
        self._saved = None
        self._master = self._new()
        self._wait(0.0)
        there = sum(not agent.gone for agent in self.agents.values())
        self._tell(r.Expect(there, {}, wait=ROUNDS * STEP / 2))
        return True

    # -- ends

    def settle(self) -> None:
        """Everybody who may comes back and hears all, for longer than every timeout; then all must add up."""
        self._all(0, 0)
        for round_ in range(ROUNDS):
            for agent in self.agents.values():
                if not agent.linked and not agent.gone:
                    agent.register()
            for scheduler in self.schedulers.values():
                if not scheduler.linked and not scheduler.over:
                    scheduler.subscribe()
            self._all(0, 0)
            if round_ == ROUNDS // 2:  # every other task ends now
                for agent in self.agents.values():
                    for task in agent.live():
                        if task.info.name[-1] in "13579":
                            agent.move(task, FINISHED)
            self._wait(STEP)
            self._all(0, 0)
            self.check()
        self.judge.heard()
        for scheduler in self.schedulers.values():
            if not scheduler.over:
                names = tuple(scheduler.launched)
                scheduler.outbox.append(r.Reconcile(scheduler.name, names, scheduler.stream))
        self._all(0, 0)
        self.judge.settled()

    def all_back(self) -> None:
        """Frameworks are done: each agent is offered again, all of it, to one that wants it."""
        self.settle()
        for scheduler in self.schedulers.values():
            if not scheduler.over:
                scheduler.outbox.append(r.Teardown(scheduler.name, scheduler.stream))
        for _ in range(3):
            self._all(0, 0)
            self._wait(STEP)
        running = [t.info.key for a in self.agents.values() for t in a.live() if not a.gone]
        if running:
            raise self.broken("failover", f"{running} run on, and their frameworks are done")
        there = [agent for agent in self.agents.values() if agent.admitted]
        last = self.schedulers["last"] = SimScheduler("last", ("z",), 0.0)
        last.subscribe()
        for _ in range(3):
            for agent in there:
                where = {"name": [agent.name]}
                request = r.Request("last", agent.total, where=where, stream=last.stream)
                last.outbox.append(request)
            self._all(0, 0)
            self._wait(1000.0)
        self._all(0, 0)
        offered = {offer.agent: offer.resources for offer in last.offers.values()}
        for agent in there:
            got = offered.get(agent.name)
            if got != Resources(agent.total):
                text = f"all of {agent.name} came back, and {got or 'nothing'} of it is offered"
                raise self.broken("conservation", text)

    def live(self) -> list[str]:
        """Tasks that run, by key; O(tasks)."""
        return [
            task.info.key
            for agent in self.agents.values()
            for task in agent.tasks.values()
            if task.state not in TERMINAL
        ]
