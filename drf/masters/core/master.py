"""The master: each event to the part that it concerns, time, and what must be so after each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from drf.allocator import Allocator
from drf.errors import (
    ClockError,
    DRFError,
    InputError,
    InvalidOption,
    InvariantBroken,
    PluginError,
)
from drf.masters.core import records
from drf.masters.core.agents import Agents
from drf.masters.core.books import AWAY, CONNECTED, OUT, Books
from drf.masters.core.broker import Broker, Make
from drf.masters.core.delivery import Desk
from drf.masters.core.frameworks import Frameworks
from drf.masters.core.launching import Launching
from drf.masters.core.records import (
    UNREACHABLE,
    Event,
    Expect,
    Message,
    Offered,
    Reclaim,
    Reclaimed,
    Rescinded,
    SetQuota,
    SetWeights,
    Tick,
)
from drf.resources import Resources
from drf.snapshot import moment, opened, sealed
from drf.takeback import OVERDUE, TOO_LONG


def by_demand() -> Allocator:
    """The allocator of a master that is given none: DRF, offers cut to what frameworks ask for, no periodic runs."""
    return Allocator(interval=None, offer="demand")


class Master:
    """A master without network and clock: events in, messages out.

    >>> from drf.masters.core import Accept, Launch, Register, Request, Subscribe, Tick
    >>> master = Master()
    >>> for event in (Register("m1", "cpus:4;mem:8"), Subscribe("f"), Request("f", "cpus:1;mem:2", 2)):
    ...     print([type(message).__name__ for message in master.handle(event)])
    ['Admitted']
    ['Subscribed']
    []
    >>> (offered,) = master.handle(Tick(0.0))
    >>> offer = offered.offers[0]
    >>> offer.id, offer.agent, str(offer.resources)
    ('0-1', 'm1', 'cpus:2;mem:4')
    >>> launches = [Launch("t1", "cpus:1;mem:2", data="sleep 1"), Launch("t2", "cpus:1;mem:2")]
    >>> for message in master.handle(Accept("f", {offer.id: launches})):
    ...     print(type(message).__name__, message.agent, message.task.name)
    Run m1 t1
    Run m1 t2

    ``make`` makes the allocator, and another one where that fails. ``agent_timeout``: seconds that an agent may be
    away before it counts as unreachable. ``resend``: seconds after which a status that was not acknowledged is sent
    again. ``epoch`` is in the ids of offers: give each master that follows another on the same agents one of its own.
    One master belongs to one thread, or to your lock. What an event costs is what its verb of `drf.Allocator` costs,
    beside what the parts of `drf.masters.core` say.
    """

    def __init__(
        self,
        make: Make = by_demand,
        *,
        agent_timeout: float = 75.0,
        resend: float = 10.0,
        epoch: int = 0,
    ) -> None:
        self._start(make, Books(make().space), agent_timeout, resend, epoch)

    def _start(
        self, make: Make, books: Books, agent_timeout: float, resend: float, epoch: int
    ) -> None:
        for name, value in (("agent_timeout", agent_timeout), ("resend", resend)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise InvalidOption(f"{name} is {value!r}; it is a number of seconds above 0")
        self._books = books
        self._broker = Broker(make, books)
        self._broker.epoch = epoch
        self._broker.rebuild()
        self._desk = Desk(books, self._broker, agent_timeout, resend)
        self._agents = Agents(self._desk)
        self._frameworks = Frameworks(self._desk)
        launching = Launching(self._desk)
        self._verbs: dict[type, Callable[[Any], None]] = {
            records.Tick: self._tick,
            records.SetWeights: self._set_weights,
            records.SetQuota: self._set_quota,
            records.Reclaim: self._reclaim,
            records.Expect: self._expect,
            records.Maintain: self._agents.maintain,
            records.AgentGone: self._agents.gone,
            records.Register: self._agents.register,
            records.AgentDisconnected: self._agents.disconnected,
            records.Update: self._agents.update,
            records.Subscribe: self._frameworks.subscribe,
            records.Disconnected: self._frameworks.disconnected,
            records.Request: self._frameworks.request,
            records.Suppress: self._frameworks.suppress,
            records.Revive: self._frameworks.revive,
            records.Accept: launching.accept,
            records.Decline: self._frameworks.decline,
            records.AnswerInverse: self._frameworks.answer_inverse,
            records.Kill: self._frameworks.kill,
            records.Acknowledge: self._frameworks.acknowledge,
            records.Reconcile: self._frameworks.reconcile,
            records.Teardown: self._frameworks.teardown,
        }

    @property
    def allocator(self) -> Allocator:
        """The allocator, to ask it (`why`, `share`, `metrics`); its verbs are the master's. Raises PluginError.

        It is another one after each `Trouble`.
        """
        if self._broker.allocator is None:
            raise PluginError("the allocator is down; it is made again at the next Tick")
        return self._broker.allocator

    def handle(self, event: Event) -> list[Message]:
        """Take an event in, and give what is to be delivered, in order.

        What a framework or an agent asks for wrongly is answered by `Failed` or `Refused`. Raises what the operator's
        events raise: DRFError of the allocator's verb, ClockError where time goes back, InvalidOption for what is no
        event; nothing has changed then.
        """
        verb = self._verbs.get(type(event))
        if verb is None:
            raise InvalidOption(f"{event!r} is no event; see drf.masters.core.records")
        out = self._desk.out = []
        verb(event)
        self._broker.settle()
        self._say_ended()
        out += self._broker.trouble
        self._broker.trouble = []
        return out

    def next_deadline(self) -> float | None:
        """When the next `Tick` is due at the latest, if no event comes; None: never; O(agents + frameworks)."""
        desk, broker = self._desk, self._broker
        found = [
            desk.next_again(),
            desk.quiet_until,
            None if broker.allocator is None else broker.allocator.next_deadline(),
            *(agent.deadline for agent in self._books.agents.values()),
            *(framework.deadline for framework in self._books.frameworks.values()),
        ]
        return min((deadline for deadline in found if deadline is not None), default=None)

    # -- time and decisions

    def _tick(self, event: Tick) -> None:
        desk, books = self._desk, self._books
        now = moment(event.now, "the time of a Tick")
        if now < books.now:
            raise ClockError(f"a Tick at {now} after one at {books.now}; time does not go back")
        books.now = now
        self._agents.overdue()
        self._frameworks.overdue()
        if desk.quiet_until is not None and (
            desk.quiet_until <= now or len(desk.back) >= desk.expected
        ):
            desk.quiet_until = None
        desk.again()
        decided = self._broker.run()
        if decided is None:
            return
        offers: dict[str, list[records.OfferInfo]] = {}
        for info in self._broker.opened(list(decided.offers)):
            offers.setdefault(info.framework, []).append(info)
        self._say_ended()
        for framework, its in offers.items():
            desk.send(Offered(framework, tuple(its)))
        for inverse in self._broker.asked(decided):
            desk.send(inverse)
        for reclaim in decided.reclaims:
            task = books.tasks.get(reclaim.task)
            if task is None or task.ended:
                continue
            if reclaim.reason in (OVERDUE, TOO_LONG):
                desk.kill(task, reclaim.reason)
            elif books.frameworks[task.info.framework].connected:
                desk.send(
                    Reclaimed(task.info.framework, task.info.name, reclaim.deadline, reclaim.reason)
                )

    def _say_ended(self) -> None:
        ended, self._broker.ended = self._broker.ended, []
        for info in ended:
            framework = self._books.frameworks.get(info.framework)
            if framework is not None and framework.connected:
                self._desk.send(Rescinded(info.framework, info.id))

    # -- the operator

    def _set_weights(self, event: SetWeights) -> None:
        self._broker.ask("update_weights", event.weights)
        self._books.weights |= event.weights

    def _set_quota(self, event: SetQuota) -> None:
        guarantees = Resources(event.guarantees or {}, space=self._books.space)
        limits = dict(event.limits or {})
        self._broker.ask("update_quota", event.role, guarantees=guarantees, limits=limits)
        self._books.quotas[event.role] = (guarantees, limits)

    def _reclaim(self, event: Reclaim) -> None:
        plan = self._broker.ask(
            "plan_reclaim",
            event.framework,
            event.shape,
            event.tasks,
            role=event.role,
            grace=event.grace,
        )
        self._broker.ask("reclaim", plan)

    def _expect(self, event: Expect) -> None:
        if isinstance(event.agents, bool) or not isinstance(event.agents, int) or event.agents < 0:
            raise InvalidOption(f"agents is {event.agents!r}; it is a whole number, 0 or more")
        self._broker.ask("recover", event.agents, event.quotas)
        for role, quota in event.quotas.items():
            guarantees = Resources(quota.get("guarantees", {}), space=self._books.space)
            self._books.quotas[role] = (guarantees, dict(quota.get("limits", {})))
        self._desk.expected = event.agents
        self._desk.back.clear()
        self._desk.quiet_until = self._books.now + event.wait

    # -- checks and snapshots

    def check(self) -> None:
        """Re-derive what must be so of books, offers and allocator; O(state). Raises InvariantBroken."""
        books, broker = self._books, self._broker
        for table in (*books.on.values(), *books.of.values()):
            for key, task in table.items():
                if books.tasks.get(key) is not task:
                    raise InvariantBroken(f"task {key} is noted, and not among all tasks")
        for key, task in books.tasks.items():
            info = task.info
            agent, framework = books.agents.get(info.agent), books.frameworks.get(info.framework)
            if agent is None or framework is None:
                raise InvariantBroken(f"task {key} is of a framework or on an agent that is gone")
            if key not in books.of.get(info.framework, {}):
                raise InvariantBroken(f"task {key} is not among those of its framework")
            if task.ended != (key not in books.on.get(info.agent, {})):
                raise InvariantBroken(f"task {key} is {task.state}, and its agent has it otherwise")
            if task.ended and not task.notes:
                raise InvariantBroken(f"task {key} has ended and was acknowledged; it is kept")
            if (task.state == UNREACHABLE) != (agent.state == OUT) and not task.ended:
                raise InvariantBroken(f"task {key} is {task.state}, its agent {agent.state}")
            waits = bool(task.notes) and framework.connected
            if waits != (key in self._desk.sent):
                raise InvariantBroken(f"task {key} has a status that is not on its way")
        for name, agent in books.agents.items():
            if (agent.deadline is not None) != (agent.state == AWAY):
                raise InvariantBroken(f"agent {name} is {agent.state}, until {agent.deadline}")
        for name, framework in books.frameworks.items():
            if framework.connected == (framework.deadline is not None or framework.removing):
                raise InvariantBroken(f"framework {name} is here and away, or neither")
            if framework.removing and not books.of.get(name):
                raise InvariantBroken(f"framework {name} has nothing left to end, and is kept")
        for name, agent_name in broker.inverse:
            if not (agent_name in books.agents and books.agents[agent_name].unavailability):
                raise InvariantBroken(
                    f"framework {name} is asked to leave {agent_name} for nothing"
                )
        for offer in broker.offers.values():
            agent, framework = books.agents[offer.agent], books.frameworks.get(offer.framework)
            if agent.state != CONNECTED or framework is None or not framework.connected:
                raise InvariantBroken(f"offer {offer.id} is of or to somebody that is not there")
        broker.check_offers()
        broker.agree()

    def snapshot(self) -> dict[str, Any]:
        """The books as plain JSON values with a checksum; ``data`` of tasks must be that too; O(state).

        Offers, refusals and the allocator's random streams are not in it: a master that follows makes new offers.
        """
        return sealed({"epoch": self._broker.epoch, "books": self._books.state()})

    @classmethod
    def restore(
        cls,
        snapshot: Mapping[str, Any],
        make: Make = by_demand,
        *,
        agent_timeout: float = 75.0,
        resend: float = 10.0,
        now: float | None = None,
    ) -> Self:
        """A master that follows the one of the snapshot: nobody is connected, and has its time to come back.

        ``now`` is the time (default: that of the snapshot). What agents say as they register again is so, also where
        the snapshot is older; so for ``agent_timeout`` seconds nothing is said of tasks that are not known. O(state).
        Raises InputError for a snapshot that is of another version, altered or cut
        off, or does not add up, ClockError where time went back.
        """
        state = opened(snapshot)
        try:
            books = Books.load(state["books"], make().space)
            epoch = state["epoch"] + 1
        except DRFError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the snapshot does not fit together: {error!r}") from error
        if now is not None and now < books.now:
            raise ClockError(f"now is {now}, the snapshot is of {books.now}; time goes on")
        books.now = books.now if now is None else now
        for agent in books.agents.values():
            if agent.known:
                agent.state, agent.deadline = AWAY, books.now + agent_timeout
        for framework in books.frameworks.values():
            if not framework.removing:
                framework.deadline = books.now + framework.failover_timeout
        new = cls.__new__(cls)
        new._start(make, books, agent_timeout, resend, epoch)
        if new._broker.allocator is None:
            raise InputError(f"no allocator can be made from it: {new._broker.trouble[-1].message}")
        new._desk.expected, new._desk.quiet_until = math.inf, books.now + agent_timeout
        return new
