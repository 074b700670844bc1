"""The allocator as a master uses it: kept in step with the books, its offers checked and named.

An allocator or plug-in may fail. What the books say is so all the same: then a new allocator is made from them, as a
new master would, all offers end, and the trouble is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf.allocator import Allocator
from drf.errors import DRFError, DuplicateName, InvariantBroken, PluginError
from drf.masters.core.books import CONNECTED, Agent, Books, Framework
from drf.masters.core.records import InverseOffered, OfferInfo, TaskInfo, Trouble
from drf.offers import Decisions, Offer
from drf.resources import Resources
from drf.tasks import TaskSpec

Make = Callable[[], Allocator]

RESCINDING = frozenset(
    {
        "accept",
        "decline",
        "remove_agent",
        "deactivate_agent",
        "remove_framework",
        "deactivate_framework",
        "update_framework",
        "reclaim",
        "update_unavailability",
    }
)
"""Verbs that may end offers beside the one they are about."""


class Broker:
    """An allocator that is made anew from the books where it fails."""

    def __init__(self, make: Make, books: Books) -> None:
        self._make = make
        self._books = books
        self._free: dict[str, Resources] = {}
        """What of each agent is neither offered nor used, as the books have it."""
        self._numbers: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self.allocator: Allocator | None = None
        self.offers: dict[str, OfferInfo] = {}
        self.epoch = 0
        self._made = 0
        self._unsettled = False
        self.inverse: dict[tuple[str, str], None] = {}
        """Framework and agent of inverse offers that are not answered."""
        self.ended: list[OfferInfo] = []
        """Offers that ended unanswered and were not told yet."""
        self.trouble: list[Trouble] = []

    # -- verbs

    def ask(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """A verb that may be refused; the books change after it. Raises DRFError, with everything as it was."""
        if self.allocator is None:
            self.rebuild()
        if self.allocator is None:
            raise PluginError(f"{verb}: the allocator is down; try again")
        self._unsettled = self._unsettled or verb in RESCINDING
        try:
            return getattr(self.allocator, verb)(*args, **kwargs)
        except Exception as error:
            wrong = self._wrong(error)
            if wrong is None:
                raise
            self._fail(verb, wrong)
            raise PluginError(f"{verb}: the allocator failed; try again: {wrong}") from error

    def tell(self, verb: str, *args: Any, **kwargs: Any) -> None:
        """A verb about something that is so, and is in the books already; it cannot be refused."""
        if self.allocator is None:
            return
        self._unsettled = self._unsettled or verb in RESCINDING
        try:
            getattr(self.allocator, verb)(*args, **kwargs)
        except Exception as error:
            self._fail(verb, error)

    def _wrong(self, error: Exception) -> Exception | None:
        """What is wrong with the allocator, None where it only refused; O(1), after an error O(state)."""
        # What is added is in no books: an allocator that has it already is not in step with them.
        amiss = (PluginError, InvariantBroken, DuplicateName)
        if not isinstance(error, DRFError) or isinstance(error, amiss):
            return error
        try:
            self.agree()
        except Exception as found:
            return found
        return None

    def _fail(self, verb: str, error: Exception) -> None:
        self.trouble.append(Trouble(verb, f"{type(error).__name__}: {error}"))
        self.rebuild()

    def rebuild(self) -> None:
        """A new allocator from the books, and no offers; it stays down until the next try where that fails too."""
        self.ended += self.offers.values()
        self.offers.clear()
        self._numbers.clear()
        self._ids.clear()
        self._free.clear()
        self.inverse.clear()
        self.allocator = None
        try:
            self.allocator = self._from_books()
        except Exception as error:
            self.trouble.append(Trouble("rebuild", f"{type(error).__name__}: {error}"))

    def _from_books(self) -> Allocator:
        made, books = self._make(), self._books
        made.advance(books.now)
        if books.weights:
            made.update_weights(books.weights)
        for role, (guarantees, limits) in books.quotas.items():
            made.update_quota(role, guarantees=guarantees, limits=limits)
        for framework in books.frameworks.values():
            _add_framework(made, framework)
        for agent in books.agents.values():
            if agent.known:
                self._add_agent(made, agent)
        return made

    def adopt(self, agent: Agent) -> None:
        """The agent comes with what the books say that runs there; O(tasks there)."""
        if self.allocator is None:
            return
        try:
            self._add_agent(self.allocator, agent)
        except Exception as error:
            self._fail("add_agent", error)

    def _add_agent(self, allocator: Allocator, agent: Agent) -> None:
        name = agent.name
        allocator.add_agent(
            name,
            agent.resources,
            attributes=agent.attributes,
            used=self._books.used(name) or None,
            unavailability=agent.unavailability,
            **agent.terms,
        )
        for task in self._books.on.get(name, {}).values():
            info, spec = task.info, _spec(task.info)
            began = min(info.started, self._books.now)
            allocator.adopt_task(
                info.key, info.framework, name, spec, role=info.role, started=began
            )
        if agent.state != CONNECTED:
            allocator.deactivate_agent(name)

    # -- offers

    def run(self) -> Decisions | None:
        """Decide once; new offers are in `offers`, those that ended in `ended`. None where the allocator fails."""
        if self.allocator is None:
            self.rebuild()
        if self.allocator is None:
            return None
        try:
            self.allocator.advance(self._books.now)
            decided = self.allocator.run()
            for number in decided.rescinds:
                if number in self._numbers:
                    self.ended.append(self._drop(number))
        except Exception as error:
            self._fail("run", error)
            return None
        return decided

    def opened(self, offers: list[Offer]) -> list[OfferInfo]:
        """The new offers under their names, if all are of what is there and to who may have them; else none."""
        out: list[OfferInfo] = []
        for offer in offers:
            wrong = self._nonsense(offer)
            if wrong is not None:
                self.trouble.append(Trouble("run", wrong))
                self.rebuild()
                told = {info.id for info in out}  # nobody has heard of these
                self.ended = [info for info in self.ended if info.id not in told]
                return []
            out.append(self._open(offer))
        return out

    def _open(self, offer: Offer) -> OfferInfo:
        self._made += 1
        agent = self._books.agents[offer.agent]
        group = None if offer.group is None else f"{self.epoch}-g{offer.group}"
        info = OfferInfo(
            f"{self.epoch}-{self._made}",
            offer.framework,
            offer.role,
            offer.agent,
            offer.resources,
            agent.attributes,
            tuple(offer.tasks),
            group,
            offer.max_duration,
        )
        self.offers[info.id] = info
        self._numbers[offer.id] = info.id
        self._ids[info.id] = offer.id
        self._free[offer.agent] = self.free(offer.agent).minus(offer.resources.exclusive)
        return info

    def _nonsense(self, offer: Offer) -> str | None:
        """What is wrong with an offer, None for nothing; O(roles)."""
        agent = self._books.agents.get(offer.agent)
        framework = self._books.frameworks.get(offer.framework)
        to = f"{offer.resources} of {offer.agent} is offered to {offer.framework}"
        if framework is None or not framework.connected:
            return f"{to}, which is not there"
        if offer.role not in framework.roles:
            return f"{to} in role {offer.role}, which it does not have"
        if agent is None or agent.state != CONNECTED:
            return f"{to}, and the agent is not there"
        if not offer.resources.exclusive <= self.free(offer.agent):
            return f"{to}, and {self.free(offer.agent) or 'nothing'} is free"
        return None

    def free(self, agent: str) -> Resources:
        """What of it is neither offered nor used, by the books; O(1), O(tasks and offers there) after a change."""
        if agent not in self._free:
            free = self._books.agents[agent].resources.exclusive
            for task in self._books.on.get(agent, {}).values():
                free = free.minus(task.info.resources.exclusive)
            for info in self.offers.values():
                if info.agent == agent:
                    free = free.minus(info.resources.exclusive)
            self._free[agent] = free
        return self._free[agent]

    def gave(self, agent: str, amount: Resources) -> None:
        """So much is free again; O(names)."""
        total = self._books.agents[agent].resources.exclusive
        if agent in self._free:
            freed = self._free[agent] + amount.exclusive
            if freed <= total:
                self._free[agent] = freed
            else:  # it has less than what ran there
                del self._free[agent]

    def changed(self, agent: str) -> None:
        """What it has, or what runs there, is another; O(1)."""
        self._free.pop(agent, None)

    def number(self, offer: str) -> int:
        """The allocator's id of an open offer; O(1)."""
        return self._ids[offer]

    def close(self, offer: str, used: Resources | None = None) -> OfferInfo:
        """The offer was answered, and so much of it is used; O(names)."""
        info = self._drop(self.number(offer))
        if used is not None and info.agent in self._free:
            self._free[info.agent] = self._free[info.agent].minus(used.exclusive)
        return info

    def settle(self) -> None:
        """Offers that the allocator ended meanwhile end here too; O(open offers) where there may be some."""
        if self.allocator is None or not self._unsettled:
            return
        self._unsettled = False
        there = {offer.id for offer in self.allocator.open_offers()}
        for number in [n for n in self._numbers if n not in there]:
            self.ended.append(self._drop(number))

    def _drop(self, number: int) -> OfferInfo:
        info = self.offers.pop(self._numbers.pop(number))
        del self._ids[info.id]
        if info.agent in self._books.agents:
            self.gave(info.agent, info.resources)
        return info

    # -- inverse offers

    def asked(self, decided: Decisions) -> list[InverseOffered]:
        """The new inverse offers, without those that are nonsense; O(of them)."""
        out = []
        for new in decided.inverse_offers:
            agent = self._books.agents.get(new.agent)
            framework = self._books.frameworks.get(new.framework)
            there = framework is not None and framework.connected
            if agent is None or not there or agent.unavailability != (new.start, new.duration):
                text = f"{new.framework} is asked to leave {new.agent} at {new.start}"
                self.trouble.append(Trouble("run", f"{text}, and that is not so"))
                continue
            self.inverse[new.framework, new.agent] = None
            out.append(InverseOffered(*new))
        return out

    def unasked(self, *, framework: str | None = None, agent: str | None = None) -> list[str]:
        """Inverse offers to the framework, or about the agent, are no more; the frameworks; O(inverse offers)."""
        gone = [pair for pair in self.inverse if framework == pair[0] or agent == pair[1]]
        for pair in gone:
            del self.inverse[pair]
        return [name for name, _ in gone]

    # -- checks

    def check_offers(self) -> None:
        """What is offered is there, beside what tasks use, and once; O(tasks + offers). Raises InvariantBroken."""
        left: dict[str, Resources] = {}
        for info in self.offers.values():
            agent = info.agent
            if agent not in left:
                left[agent] = self._books.agents[agent].resources.exclusive
                for task in self._books.on.get(agent, {}).values():
                    left[agent] = left[agent].minus(task.info.resources.exclusive)
            amount = info.resources.exclusive
            if not amount <= left[agent]:
                raise InvariantBroken(
                    f"offer {info.id} is of {amount}, and {left[agent] or 'nothing'} of {agent} is left"
                )
            left[agent] = left[agent] - amount
        for agent, free in left.items():
            if agent in self._free and self._free[agent] != free:
                raise InvariantBroken(f"of {agent} {free} is free, {self._free[agent]} is noted")

    def agree(self) -> None:
        """Allocator and books say the same; O(state). Raises InvariantBroken."""
        allocator, books = self.allocator, self._books
        if allocator is None:
            return
        allocator.check()
        mine = {t.info.key: (t.info.role, t.info.agent, t.info.resources) for t in books.counted()}
        theirs = {t.name: (t.role, t.agent, t.resources) for t in allocator.tasks()}
        if mine != theirs:
            raise InvariantBroken(f"tasks by the books are {mine}, by the allocator {theirs}")
        held: dict[tuple[str, str, str], Resources] = {}
        for task in books.counted():
            where = (task.info.framework, task.info.agent, task.info.role)
            amount = task.info.resources
            held[where] = held[where] + amount if where in held else amount
        noted = {
            (framework, agent, role): amount
            for framework in books.frameworks
            for agent, role, amount, used in allocator.holdings(framework)
            if used
        }
        if held != noted:
            raise InvariantBroken(f"by the books {held} is used, by the allocator {noted}")
        opened = {offer.id for offer in allocator.open_offers()}
        if not opened <= set(self._numbers):
            raise InvariantBroken(f"offers {opened - set(self._numbers)} were told to nobody")


def _spec(info: TaskInfo) -> TaskSpec:
    return TaskSpec(info.resources, info.duration, info.min_runtime, info.priority)


def _add_framework(allocator: Allocator, framework: Framework) -> None:
    name = framework.name
    allocator.add_framework(
        name,
        roles=framework.roles,
        **framework.terms | {"suppressed": sorted(framework.suppressed)},
    )
    for (role, shape), want in framework.wants.items():
        allocator.request(
            name, shape, len(want.since), role=role, since=want.since, together=want.together
        )
    if not framework.connected:
        allocator.deactivate_framework(name)
