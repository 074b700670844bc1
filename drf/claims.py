"""Room that is kept for somebody for a while, because tasks were taken back for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drf.resources import Resources, ResourceSpace
from drf.snapshot import moment, packed, unpacked


@dataclass
class Claim:
    """So much of an agent is kept for a framework in a role until then.

    ``waiting`` is the part that was not offered to it yet: nobody else is offered this. ``amount`` counts as the
    framework's when further reclaims are planned.
    """

    framework: str
    role: str
    agent: str
    amount: Resources
    until: float
    waiting: Resources


class Claims:
    """All claims, by agent, the oldest first."""

    def __init__(self) -> None:
        self._by: dict[str, list[Claim]] = {}
        self._before: list[
            tuple[Claim, Resources]
        ] = []  # what waited of those that were offered in this run

    def add(self, framework: str, role: str, agent: str, amount: Resources, until: float) -> None:
        """Keep so much for the framework, beside what is kept for it there already; O(claims there)."""
        old = self._get(framework, role, agent)
        if old is None:
            self._by.setdefault(agent, []).append(
                Claim(framework, role, agent, amount, until, amount)
            )
        else:
            old.amount, old.waiting = old.amount + amount, old.waiting + amount
            old.until = max(old.until, until)

    def __iter__(self) -> Iterator[Claim]:
        for claims in self._by.values():
            yield from claims

    def __bool__(self) -> bool:
        return bool(self._by)

    def _get(self, framework: str, role: str, agent: str) -> Claim | None:
        for claim in self._by.get(agent, ()):
            if (claim.framework, claim.role) == (framework, role):
                return claim
        return None

    def room(self, free: Resources, framework: str, role: str, agent: str) -> Resources:
        """What of the free part the framework may be offered: not what is kept for others; O(claims there).

        What is kept for itself it is offered as one, when all of it is free.
        """
        if agent not in self._by:
            return free
        mine = self.kept(free, framework, role, agent)
        rest = self.unclaimed(free, agent)
        return rest if mine is None else rest + mine

    def unclaimed(self, free: Resources, agent: str) -> Resources:
        """What of the free part is kept for nobody; O(claims there)."""
        for claim in self._by.get(agent, ()):
            free = free.minus(claim.waiting)
        return free

    def kept(self, free: Resources, framework: str, role: str, agent: str) -> Resources | None:
        """What of the free part is kept for the framework, if it is whole by now; O(claims there)."""
        mine = self._ripe(free, framework, role, agent) if self._by else None
        return None if mine is None else mine.waiting

    def offered(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        """Of what is kept for it there it was offered so much: this need not be kept any more; O(claims there)."""
        claim = self._get(framework, role, agent)
        if claim is not None:
            self._before.append((claim, claim.waiting))
            claim.waiting = claim.waiting.minus(amount)

    def begin(self) -> None:
        """A run begins; O(1)."""
        self._before.clear()

    def undo(self) -> None:
        """What was offered in this run was not; O(of it)."""
        for claim, waiting in reversed(self._before):
            claim.waiting = waiting
        self._before.clear()

    def _ripe(self, free: Resources, framework: str, role: str, agent: str) -> Claim | None:
        """The framework's claim, if all that waits of it is free, older claims first."""
        for claim in self._by.get(agent, ()):
            if (claim.framework, claim.role) == (framework, role):
                return claim if claim.waiting <= free else None
            free = free.minus(claim.waiting)
        return None

    def state(self) -> list[Any]:
        """Their part of a snapshot, in their order; O(claims)."""
        return [
            [c.framework, c.role, c.agent, packed(c.amount), c.until, packed(c.waiting)]
            for c in self
        ]

    def load(self, state: list[Any], space: ResourceSpace) -> None:
        """Take that part back; O(claims)."""
        for framework, role, agent, amount, until, waiting in state:
            end = moment(until, "the end of a claim")
            kept = (unpacked(amount, space), end, unpacked(waiting, space))
            self._by.setdefault(agent, []).append(Claim(framework, role, agent, *kept))

    def drop(
        self,
        *,
        framework: str | None = None,
        role: str | None = None,
        agent: str | None = None,
        ended: float | None = None,
        met: bool = False,
    ) -> list[str]:
        """End the claims of a framework (in a role), on an agent, over by then, or offered in full; O(claims).

        Of what is given all must hold. Names their agents.
        """
        gone = [
            claim
            for claim in self
            if framework in (None, claim.framework)
            and role in (None, claim.role)
            and agent in (None, claim.agent)
            and (ended is None or claim.until <= ended)
            and not (met and claim.waiting)
        ]
        for claim in gone:
            left = [c for c in self._by[claim.agent] if c is not claim]
            if left:
                self._by[claim.agent] = left
            else:
                del self._by[claim.agent]
        return [claim.agent for claim in gone]
