"""What a framework does not want to see: refusals with their end, and the least that is worth an offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drf.resources import Resources


class Refusal:
    """A framework in a role does not want an offer that this amount contains, from this agent, until the deadline."""

    __slots__ = ("agent", "amount", "deadline", "framework", "live", "role")

    def __init__(
        self, framework: str, role: str, agent: str, amount: Resources, deadline: float
    ) -> None:
        self.framework = framework
        self.role = role
        self.agent = agent
        self.amount = amount
        self.deadline = deadline
        self.live = True


class Refusals:
    """All live refusals, by framework and role, then agent."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], dict[str, list[Refusal]]] = {}

    def add(self, refusal: Refusal) -> None:
        """O(1)."""
        where = self._by.setdefault((refusal.framework, refusal.role), {})
        where.setdefault(refusal.agent, []).append(refusal)

    def blocks(self, framework: str, role: str, agent: str, offer: Resources) -> Refusal | None:
        """A live refusal whose amount contains the whole offer, or None; O(refusals there).

        An offer with more of anything than was refused passes, in full.
        """
        by_agent = self._by.get((framework, role))
        if by_agent:
            for refusal in by_agent.get(agent, ()):
                if offer <= refusal.amount:
                    return refusal
        return None

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
        for key in list(self._by):
            for refusal in self._by[key].pop(agent, ()):
                refusal.live = False
            if not self._by[key]:
                del self._by[key]

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
