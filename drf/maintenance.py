"""Planned maintenance: who was asked to leave an agent, what they said, and until when they do not want to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drf.errors import InvalidOption
from drf.frameworks import Framework
from drf.ledger import Agent, Ledger
from drf.plugins import InverseOffer, Unavailability
from drf.snapshot import moment

ANSWERS = ("ACCEPT", "DECLINE")


class Maintenance:
    """Inverse offers: one at a time for each framework that has something on an agent with planned maintenance."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._refused: dict[tuple[str, str], float] = {}  # framework and agent -> until when

    def plan(self, agent: str, unavailability: Unavailability | None) -> None:
        """Plan anew, or (None) no more; what was asked, answered and refused there is forgotten. Raises UnknownName."""
        record = self._ledger[agent]
        self._ledger.plan(record, unavailability)
        record.asked.clear()
        record.answers.clear()
        self.forget_refusals(agent=agent)

    def answer(
        self, agent: str, framework: str, status: str | None, refused_until: float | None
    ) -> None:
        """ACCEPT, DECLINE, or None: it ran out, or was dropped. Raises UnknownName, InvalidOption."""
        record = self._ledger[agent]
        if status is not None and status not in ANSWERS:
            raise InvalidOption(f"status is {status!r}; it is {', '.join(ANSWERS)} or None")
        if framework in record.asked:
            del record.asked[framework]
            if status is not None:
                record.answers[framework] = status
        if refused_until is not None:
            key = (framework, agent)
            self._refused[key] = max(refused_until, self._refused.get(key, 0.0))

    def statuses(self) -> dict[str, dict[str, str]]:
        """What frameworks said last, by agent with planned maintenance; O(agents)."""
        return {
            name: dict(record.answers)
            for name, record in self._ledger.agents.items()
            if record.unavailability is not None
        }

    def offers(
        self, agents: Iterable[Agent], frameworks: Mapping[str, Framework], now: float
    ) -> list[InverseOffer]:
        """Ask whoever has something there, is active, was not asked and does not refuse; O(holders of the agents)."""
        out: list[InverseOffer] = []
        if not self._ledger.planned:
            return out
        for agent in agents:
            if agent.unavailability is None:
                continue
            start, duration = agent.unavailability
            for name in agent.frameworks():
                framework = frameworks.get(name)
                if framework is None or not framework.active or name in agent.asked:
                    continue
                if self._refused.get((name, agent.name), 0.0) > now:
                    continue
                agent.asked[name] = None
                out.append(InverseOffer(name, agent.name, start, duration))
        return out

    def drop(self, framework: str) -> None:
        """What the framework was asked counts as not asked; O(agents of the framework)."""
        for agent in self._ledger.agents_of(framework):
            self._ledger[agent].asked.pop(framework, None)

    def forget(self, framework: str) -> None:
        """The framework is gone; O(agents)."""
        self.forget_refusals(framework=framework)
        for agent in self._ledger.agents.values():
            agent.asked.pop(framework, None)
            agent.answers.pop(framework, None)

    def forget_refusals(self, *, agent: str | None = None, framework: str | None = None) -> None:
        """Refusals of the framework, or on the agent, end; O(refusals)."""
        for key in [k for k in self._refused if k[0] == framework or k[1] == agent]:
            del self._refused[key]

    def state(self) -> list[Any]:
        """Its part of a snapshot; O(refusals)."""
        return [[framework, agent, until] for (framework, agent), until in self._refused.items()]

    def load(self, state: list[Any]) -> None:
        """Take that part back; O(refusals)."""
        for framework, agent, until in state:
            self._refused[framework, agent] = moment(until, "the end of a refusal")
