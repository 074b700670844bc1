"""What a framework does not want to see: refusals with their end, and the least that is worth an offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from drf._backend import Client, Dealer, untracked
from drf.errors import InputError
from drf.ledger import Agent
from drf.resources import Resources, ResourceSpace
from drf.snapshot import packed, unpacked
from drf.tags import Tag

FREED = "freed"
"""The event that something which ran on the agent has ended."""

Event = Resources | str
"""What ends a refusal beside time: `FREED`, or that more than an amount may be offered."""


class Refusal(NamedTuple):
    """A framework in a role does not want an offer that this amount contains, from this agent, until the deadline.

    ``until`` is an event that ends it before: `FREED`, or an amount. With an amount the refusal is of any offer that
    does not hold as much of each name of it, and more of one.
    """

    framework: str
    role: str
    agent: str
    amount: Resources
    deadline: float
    until: Event | None = None

    def blocks(self, offer: Resources) -> bool:
        """Whether it keeps such an offer away; O(names)."""
        if isinstance(self.until, Resources):
            return not exceeds(offer, self.until)
        return offer <= self.amount

    def __str__(self) -> str:
        if isinstance(self.until, Resources):
            return f"it wants no offer there before more than {self.until} is free"
        end = ", until something there has ended" if self.until == FREED else ""
        return f"it refused {self.amount} there{end}"


class Awaiting(NamedTuple):
    """What is kept of a refusal that ends with an event; of another its amount alone is."""

    amount: Resources
    until: Event


WIDE = 4_096
"""Where so many refusals end together, and as many as there are agents, it is not noted where they are."""


class Bucket:
    """Refusals that end together: the moment, and the agents on which they are (or were), or ``wide``: on any."""

    __slots__ = ("deadline", "number", "sites", "wide")

    def __init__(self, number: int, deadline: float) -> None:
        self.number = number
        self.deadline = deadline
        self.sites: list[Agent] = untracked()
        self.wide = False


class Refusals:
    """All live refusals. They are kept at their agents, by client; those with one deadline end together."""

    def __init__(self, dealing: Dealer, agents: Mapping[str, Agent]) -> None:
        self._dealing = dealing
        self._agents = agents
        self._buckets: dict[int, Bucket] = {}
        self._made = 0
        self._awaiting: dict[Agent, None] = {}  # where one may end with something there

    def bucket(self, deadline: float) -> Bucket:
        """A new bucket, for `add`; O(1)."""
        self._made += 1
        made = self._buckets[self._made] = Bucket(self._made, deadline)
        return made

    def add(
        self,
        client: Client,
        agent: Agent,
        amount: Resources,
        bucket: Bucket,
        until: Event | None = None,
    ) -> None:
        """One more, which ends with its bucket; O(names)."""
        if until is None:
            self._dealing.refuse(client, agent, amount, bucket.number, bucket.sites)
            self.settle(bucket)
            return
        awaiting = Awaiting(amount, until)
        agent.refuse(client.index, bucket.number, awaiting, self._dealing.nothing)
        client.refusals += 1
        client.refused.sites.append(agent)
        bucket.sites.append(agent)
        if until == FREED:
            self._awaiting[agent] = None

    def settle(self, bucket: Bucket) -> None:
        """Forget the bucket's agents where they may as well be all of them; O(1)."""
        if bucket.wide or len(bucket.sites) >= max(WIDE, len(self._agents)):
            bucket.wide = True
            bucket.sites = untracked()

    def of(self, client: Client, agent: Agent) -> list[Refusal]:
        """Those of the client there; O(refusals there)."""
        if not agent.is_refused(client.index):
            return []
        return [self._record(agent, *entry) for entry in agent.refusals(client.index)]

    def blocks(self, client: Client, agent: Agent, offer: Resources) -> Refusal | None:
        """A live refusal whose amount contains the whole offer, or None; O(refusals there).

        An offer with more of anything than was refused passes, in full.
        """
        return next((refusal for refusal in self.of(client, agent) if refusal.blocks(offer)), None)

    def passing(
        self, client: Client, agent: Agent, offer: Resources, *, apart: bool
    ) -> Resources | None:
        """What of the offer is not refused, None for nothing; O(refusals there).

        ``apart``: its regular and its revocable part are looked at each by itself.
        """
        refusals = self.of(client, agent)
        if not refusals:
            return offer
        if not apart or offer.is_plain:
            return None if any(refusal.blocks(offer) for refusal in refusals) else offer
        if any(isinstance(r.until, Resources) and r.blocks(offer) for r in refusals):
            return None
        amounts = [r for r in refusals if not isinstance(r.until, Resources)]
        passing = [p for p in kinds(offer) if not any(r.blocks(p) for r in amounts)]
        return sum(passing[1:], passing[0]) if passing else None

    def passed(self, client: Client, agent: Agent) -> None:
        """The client was offered the agent: what it waited for there has come; O(refusals there)."""
        for _, _, what in agent.refusals(client.index):
            if isinstance(what, Awaiting):
                self._forget(agent.end(client.index, -1, what))

    def freed(self, agent: Agent) -> bool:
        """Something on the agent has ended: those that waited for this end, True if any did; O(refusals there)."""
        if agent not in self._awaiting:
            return False
        del self._awaiting[agent]
        ended = [
            self._forget(agent.end(index, bucket, what))
            for index, bucket, what in agent.refusals()
            if isinstance(what, Awaiting) and what.until == FREED
        ]
        return any(ended)

    def end(self, bucket: Bucket) -> list[Agent]:
        """The moment of the bucket has come: the agents on which a refusal ended; O(refusals of these agents)."""
        del self._buckets[bucket.number]
        sites = self._agents.values() if bucket.wide else dict.fromkeys(bucket.sites)
        return [agent for agent in sites if self._forget(agent.end(-1, bucket.number))]

    def clear(self, client: Client) -> list[Agent]:
        """Drop all of a client: the agents on which there were any; O(refusals)."""
        if not client.refusals:
            return []
        sites = dict.fromkeys(client.refused.sites)
        ended = [agent for agent in sites if self._forget(agent.end(client.index, -1))]
        client.refused.sites = untracked()
        return ended

    def clear_agent(self, agent: Agent) -> None:
        """Drop all that concern the agent; O(refusals there)."""
        self._awaiting.pop(agent, None)
        self._forget(agent.end(-1, -1))

    def _forget(self, clients: Sequence[int]) -> bool:
        """One refusal less for each of the clients, False if there is none."""
        for index in clients:
            self._dealing.clients[index].refusals -= 1
        return bool(clients)

    def _record(self, agent: Agent, index: int, bucket: int, what: Resources | Awaiting) -> Refusal:
        client = self._dealing.clients[index]
        amount, until = what if isinstance(what, Awaiting) else (what, None)
        deadline = self._buckets[bucket].deadline
        return Refusal(client.framework, client.role, agent.name, amount, deadline, until)

    def _entries(self) -> Iterator[tuple[Agent, tuple[int, int, Any]]]:
        for agent in self._agents.values():
            for entry in agent.refusals():
                yield agent, entry

    def numbered(self) -> dict[int, list[int]]:
        """The places of its refusals in `state`, by number of their bucket; O(refusals)."""
        out: dict[int, list[int]] = {}
        for place, (_, (_, bucket, _)) in enumerate(self._entries()):
            out.setdefault(bucket, []).append(place)
        return out

    def state(self) -> list[Any]:
        """Their part of a snapshot, by agent; O(refusals)."""
        return [
            [r.framework, r.role, r.agent, packed(r.amount), _packed_event(r.until)] for r in self
        ]

    def load(
        self,
        state: list[Any],
        buckets: Mapping[int, Bucket],
        client: Callable[[str, str], Client],
        space: ResourceSpace,
    ) -> None:
        """Take that part back, each with its bucket by its place; O(refusals). Raises InputError."""
        for place, (framework, role, agent, refused, event) in enumerate(state):
            until = event if event is None or event == FREED else unpacked(event, space)
            if place not in buckets or agent not in self._agents:
                raise InputError(f"a refusal of {framework!r} on {agent!r} has no end, or no agent")
            amount = unpacked(refused, space)
            self.add(client(framework, role), self._agents[agent], amount, buckets[place], until)

    def by_role(self) -> dict[str, int]:
        """How many are live, by role; O(clients)."""
        out: dict[str, int] = {}
        for client in self._dealing.clients:
            if client is not None and client.refusals:
                out[client.role] = out.get(client.role, 0) + client.refusals
        return dict(sorted(out.items()))

    def __iter__(self) -> Iterator[Refusal]:
        for agent, entry in self._entries():
            yield self._record(agent, *entry)

    def __len__(self) -> int:
        return sum(client.refusals for client in self._dealing.clients if client is not None)


def _packed_event(until: Event | None) -> Any:
    return packed(until) if isinstance(until, Resources) else until


def exceeds(offer: Resources, amount: Resources) -> bool:
    """Whether the offer has as much of each name of the amount, and more of one; O(names).

    >>> exceeds(Resources("cpus:4;mem:1"), Resources("cpus:2")), exceeds(Resources("cpus:2;mem:1"), Resources("cpus:2"))
    (True, False)
    """
    there = [(offer.quantity(name), amount.quantity(name)) for name in amount]
    return all(has >= least for has, least in there) and any(has > least for has, least in there)


def kinds(amount: Resources) -> list[Resources]:
    """The parts that are refused each by itself: the regular one, and the revocable one; O(objects)."""
    if amount.is_plain:
        return [amount]
    revocable = amount.split(_is_revocable)
    return [part for part in (amount.minus(revocable), revocable) if part]


def _is_revocable(name: str, tag: Tag, scalar: bool) -> bool:
    return tag.revocable


def is_allocatable(amount: Resources, minimum: Sequence[Resources]) -> bool:
    """Whether the amount is worth an offer: it reaches every name of one of the sets; no set at all: anything is.

    Scalars count by their amount, ranges and sets by their number of values; O(sets x names).

    >>> is_allocatable(Resources("cpus:4"), [Resources("cpus:0.01"), Resources("mem:32")])
    True
    """
    if not amount:
        return False
    return not minimum or any(
        all(amount.quantity(name) >= least.quantity(name) for name in least) for least in minimum
    )
