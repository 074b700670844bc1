"""Gangs that wait in vain: for one of them at a time, room is kept until it has all it needs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from drf.claims import Claims
from drf.ledger import Agent
from drf.requests import Requests
from drf.resources import Resources, ResourceSpace, Shape
from drf.snapshot import moment, packed_shape, unpacked_shape

Gang = tuple[str, str, Shape]
"""Framework, role and shape of the tasks."""

Fit = Callable[[Gang, Agent, Resources], int]
"""How many tasks of the gang such an amount of the agent could hold."""


class Gangs:
    """For whom room is kept now, and who has to wait before it is kept for them again.

    While room is kept for a gang, nobody else is offered what is free, or comes free, of it. That ends when the gang
    has it, wants it no more, or after ``patience`` seconds; then the gang lets others have their turn for as long. So
    no more than one gang holds anything back, and for no more than half of the time.
    """

    def __init__(self, requests: Requests, claims: Claims, patience: float) -> None:
        self._requests = requests
        self._claims = claims
        self.patience = patience
        self._current: tuple[Gang, float] | None = None
        self._rest: dict[Gang, float] = {}  # until when others have their turn

    def waiting(self, gang: Gang) -> int:
        """How many tasks of it wait; O(1)."""
        framework, role, shape = gang
        queue = self._requests.get(framework, role)
        ask = queue.asks.get(shape) if queue is not None else None
        return ask.unmet if ask is not None and ask.together else 0

    def settle(self, now: float) -> list[str]:
        """Keep no more for a gang that has all, or wants none, or whose time is over; the agents; O(claims)."""
        self._rest = {gang: end for gang, end in self._rest.items() if end > now}
        if self._current is None:
            return []
        gang, until = self._current
        if self.waiting(gang) > 0 and now < until:
            return []
        self._current = None
        if self.waiting(gang) > 0:
            self._rest[gang] = now + self.patience
        return self._claims.drop(framework=gang[0], role=gang[1])

    def keep(
        self, order: Iterable[tuple[str, str]], agents: Sequence[Agent], fit: Fit, now: float
    ) -> float | None:
        """Begin to keep room for the first in order that waited long enough and fits at all; until when, or None.

        Of the agents those are taken on which most fits now; O(gangs x agents).
        """
        if self._current is not None:
            return None
        for role, framework in order:
            queue = self._requests.get(framework, role)
            for ask in queue.unmet(0) if queue is not None else ():
                gang = (framework, role, ask.shape)
                if not ask.together or gang in self._rest:
                    continue
                if now - ask.since[ask.offered] < self.patience:
                    continue
                chosen = self._chosen(gang, ask.unmet, agents, fit)
                if chosen:
                    until = now + self.patience
                    self._current = (gang, until)
                    for agent, count in chosen:
                        amount = ask.shape.resources * count
                        self._claims.add(framework, role, agent.name, amount, until)
                    return until
        return None

    def _chosen(
        self, gang: Gang, count: int, agents: Sequence[Agent], fit: Fit
    ) -> list[tuple[Agent, int]]:
        """Agents with room for all of it if nobody else were there, and for how many each; empty if there is none."""
        sized = [
            (fit(gang, agent, agent.free), fit(gang, agent, agent.total), agent) for agent in agents
        ]
        sized.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].name))
        out = []
        for _, most, agent in sized:
            if count and most:
                got = min(count, most)
                out.append((agent, got))
                count -= got
        return [] if count else out

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(gangs)."""

        def plain(gang: Gang) -> list[Any]:
            return [gang[0], gang[1], packed_shape(gang[2])]

        return {
            "current": None
            if self._current is None
            else [*plain(self._current[0]), self._current[1]],
            "rest": [[*plain(gang), end] for gang, end in self._rest.items()],
        }

    def load(self, state: dict[str, Any], space: ResourceSpace) -> None:
        """Take that part back; O(gangs)."""

        def rich(given: list[Any]) -> tuple[Gang, float]:
            framework, role, shape, end = given
            return (framework, role, unpacked_shape(shape, space)), moment(end, "a gang's turn")

        self._current = None if state["current"] is None else rich(state["current"])
        self._rest = dict(rich(given) for given in state["rest"])
