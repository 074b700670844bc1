"""What a framework does not want to see: refusals with their end, and the least that is worth an offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from drf.resources import Resources, ResourceSpace
from drf.snapshot import moment, packed, unpacked
from drf.tags import Tag

FREED = "freed"
"""The event that something which ran on the agent has ended."""

Event = Resources | str
"""What ends a refusal beside time: `FREED`, or that more than an amount may be offered."""


class Refusal:
    """A framework in a role does not want an offer that this amount contains, from this agent, until the deadline.

    ``until`` is an event that ends it before: `FREED`, or an amount. With an amount the refusal is of any offer that
    does not hold as much of each name of it, and more of one.
    """

    __slots__ = ("agent", "amount", "deadline", "framework", "live", "role", "until")

    def __init__(
        self,
        framework: str,
        role: str,
        agent: str,
        amount: Resources,
        deadline: float,
        until: Event | None = None,
    ) -> None:
        self.framework = framework
        self.role = role
        self.agent = agent
        self.amount = amount
        self.deadline = deadline
        self.until = until
        self.live = True

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


class Refusals:
    """All live refusals, by framework and role, then agent."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], dict[str, list[Refusal]]] = {}
        self._awaiting: dict[
            str, list[Refusal]
        ] = {}  # agent -> those that end with something there

    def add(self, refusal: Refusal) -> None:
        """O(1)."""
        where = self._by.setdefault((refusal.framework, refusal.role), {})
        where.setdefault(refusal.agent, []).append(refusal)
        if refusal.until == FREED:
            there = [r for r in self._awaiting.get(refusal.agent, ()) if r.live]
            self._awaiting[refusal.agent] = [*there, refusal]

    def blocks(self, framework: str, role: str, agent: str, offer: Resources) -> Refusal | None:
        """A live refusal whose amount contains the whole offer, or None; O(refusals there).

        An offer with more of anything than was refused passes, in full.
        """
        by_agent = self._by.get((framework, role))
        if by_agent:
            for refusal in by_agent.get(agent, ()):
                if refusal.blocks(offer):
                    return refusal
        return None

    def passing(
        self, framework: str, role: str, agent: str, offer: Resources, *, apart: bool
    ) -> Resources | None:
        """What of the offer is not refused, None for nothing; O(refusals there).

        ``apart``: its regular and its revocable part are looked at each by itself.
        """
        if not self._by.get((framework, role), {}).get(agent):
            return offer
        if not apart or offer.is_plain:
            return None if self.blocks(framework, role, agent, offer) else offer
        by_agent = self._by[framework, role][agent]
        if any(isinstance(r.until, Resources) and r.blocks(offer) for r in by_agent):
            return None
        amounts = [r for r in by_agent if not isinstance(r.until, Resources)]
        passing = [p for p in kinds(offer) if not any(r.blocks(p) for r in amounts)]
        return sum(passing[1:], passing[0]) if passing else None

    def passed(self, framework: str, role: str, agent: str) -> None:
        """The framework was offered the agent: what it waited for there has come; O(refusals there)."""
        by_agent = self._by.get((framework, role))
        if by_agent:
            for refusal in [r for r in by_agent.get(agent, ()) if r.until is not None]:
                self.end(refusal)

    def freed(self, agent: str) -> bool:
        """Something on the agent has ended: those that waited for this end, True if any did; O(of them)."""
        ended = [self.end(refusal) for refusal in self._awaiting.pop(agent, ())]
        return any(ended)

    def end(self, refusal: Refusal) -> bool:
        """Drop one, False if it was dropped before; O(refusals there)."""
        if not refusal.live:
            return False
        refusal.live = False
        key = (refusal.framework, refusal.role)
        by_agent = self._by[key]
        left = [r for r in by_agent[refusal.agent] if r.live]
        if left:
            by_agent[refusal.agent] = left
        else:
            del by_agent[refusal.agent]
            if not by_agent:
                del self._by[key]
        return True

    def clear(self, framework: str, role: str) -> list[str]:
        """Drop all of a framework in a role, and name their agents; O(refusals)."""
        by_agent = self._by.pop((framework, role), {})
        for refusals in by_agent.values():
            for refusal in refusals:
                refusal.live = False
        return list(by_agent)

    def clear_framework(self, framework: str) -> None:
        """Drop all of a framework, also those of roles that it has left; O(frameworks)."""
        for key in [key for key in self._by if key[0] == framework]:
            self.clear(*key)

    def clear_agent(self, agent: str) -> None:
        """Drop all that concern the agent; O(frameworks)."""
        self._awaiting.pop(agent, None)
        for key in list(self._by):
            for refusal in self._by[key].pop(agent, ()):
                refusal.live = False
            if not self._by[key]:
                del self._by[key]

    def state(self) -> list[Any]:
        """Their part of a snapshot, in their order; O(refusals)."""
        return [
            [r.framework, r.role, r.agent, packed(r.amount), r.deadline, _packed_event(r.until)]
            for r in self
        ]

    def load(self, state: list[Any], space: ResourceSpace) -> None:
        """Take that part back; O(refusals)."""
        for framework, role, agent, refused, deadline, event in state:
            end = moment(deadline, "a refusal's deadline")
            until = event if event is None or event == FREED else unpacked(event, space)
            self.add(Refusal(framework, role, agent, unpacked(refused, space), end, until))

    def by_role(self) -> dict[str, int]:
        """How many are live, by role; O(refusals)."""
        out: dict[str, int] = {}
        for refusal in self:
            out[refusal.role] = out.get(refusal.role, 0) + 1
        return out

    def __iter__(self) -> Iterator[Refusal]:
        for by_agent in self._by.values():
            for refusals in by_agent.values():
                yield from refusals

    def __len__(self) -> int:
        return sum(1 for _ in self)


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
