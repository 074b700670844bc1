"""Who keeps agents from whom by affinity, looked up in what is out on them."""

from __future__ import annotations

from typing import Any

from drf.affinity import Affinity
from drf.ledger import Agent, Ledger


class Company:
    """Who seeks and shuns whom, looked up in the ledger.

    ``seeks``: whether anybody wants to be near somebody; ``spans``: whether what is on one agent matters for another.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._of: dict[str, Affinity] = {}
        self._shunned: dict[str, set[str]] = {}  # framework -> those that want to be apart from it
        self.seeks = False
        self.spans = False

    def __bool__(self) -> bool:
        return bool(self._of)

    def set(self, framework: str, affinity: Affinity | None) -> None:
        """Replace what the framework seeks and shuns; O(names + frameworks with an affinity)."""
        old = self._of.pop(framework, None)
        for name in old.apart if old is not None else ():
            self._shunned[name].discard(framework)
            if not self._shunned[name]:
                del self._shunned[name]
        if affinity is not None:
            self._of[framework] = affinity
            for name in affinity.apart:
                self._shunned.setdefault(name, set()).add(framework)
        if old is not None or affinity is not None:
            self.seeks = any(each.near for each in self._of.values())
            self.spans = any(each.within is not None for each in self._of.values())

    def get(self, framework: str) -> Affinity | None:
        """What the framework seeks and shuns; O(1)."""
        return self._of.get(framework)

    def state(self) -> list[Any]:
        """Its part of a snapshot; O(names)."""
        return [[framework, affinity.to_json()] for framework, affinity in self._of.items()]

    def load(self, state: list[Any]) -> None:
        """Take that part back; O(names). Raises InvalidOption."""
        for framework, affinity in state:
            self.set(framework, Affinity.of(affinity))

    def obstacle(self, framework: str, agent: Agent) -> str | None:
        """Why whoever is there keeps the agent from the framework, None if nothing does; O(names x their agents)."""
        affinity = self._of.get(framework)
        if affinity is not None:
            for name in affinity.apart:
                if self._is_at(name, agent, affinity.within):
                    return f"it wants to be apart from {name!r}, which has something there"
            if affinity.near and not self._finds(framework, affinity, agent):
                return f"it wants to be near {', '.join(affinity.near)}, nothing of which is there"
        for name in sorted(self._shunned.get(framework, ())):
            if self._is_at(name, agent, self._of[name].within):
                return f"{name!r}, which has something there, wants to be apart from it"
        return None

    def _finds(self, framework: str, affinity: Affinity, agent: Agent) -> bool:
        if affinity.within is not None and affinity.within not in agent.texts:
            return False
        if framework in affinity.near and not self._ledger.agents_of(framework):
            return True
        return any(self._is_at(name, agent, affinity.within) for name in affinity.near)

    def _is_at(self, framework: str, agent: Agent, within: str | None) -> bool:
        if self._ledger.is_on(framework, agent.name):
            return True
        place = agent.texts.get(within) if within is not None else None
        return place is not None and any(
            self._ledger[other].texts.get(within) == place  # type: ignore[arg-type]
            for other in self._ledger.agents_of(framework)
        )
