"""One allocation cycle: who is offered what on which agent.

For each agent in turn, roles and in each role frameworks are asked in the policy's order. Whole agents
(``offer="agent"``): the first willing framework gets all that is free. Requested shapes (``offer="demand"``): the first
in order that has a task that fits gets room for that one task, and the order is taken again, until nothing fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from drf.filters import Refusals, is_allocatable
from drf.ledger import Agent, Ledger
from drf.plugins import Grant
from drf.ranking import Ranking
from drf.requests import Ask, Requests
from drf.resources import Resources, Shape

if TYPE_CHECKING:
    Minimum = Callable[[str], Sequence[Resources]]


class Cycle:
    """The state that a cycle reads and changes; `run` is one cycle."""

    def __init__(
        self,
        ledger: Ledger,
        ranking: Ranking,
        refusals: Refusals,
        requests: Requests,
        minimum: Minimum,
    ) -> None:
        self._ledger = ledger
        self._ranking = ranking
        self._refusals = refusals
        self._requests = requests
        self._minimum = minimum
        # What was seen not to fit: framework, role, agent -> growth of the agent and the last ask then.
        self._unfit: dict[tuple[str, str, str], tuple[int, int]] = {}

    def run(self, agents: Iterable[Agent], *, whole: bool) -> list[Grant]:
        """Decide for each agent in turn; O(agents x frameworks) at worst."""
        grants: list[Grant] = []
        for agent in agents:
            if agent.active and agent.free:
                grants.extend(self._whole(agent) if whole else self._shared(agent))
        return grants

    def forget(self, framework: str) -> None:
        """Drop what was noted about a framework that is gone; O(notes)."""
        for key in [key for key in self._unfit if key[0] == framework]:
            del self._unfit[key]

    def _turns(self) -> Iterator[tuple[str, str]]:
        """Role and framework, in order, as it stands when the agent's turn begins."""
        for role in self._ranking.roles.sort():
            for framework in self._ranking.frameworks(role).sort():
                yield role, framework

    def _whole(self, agent: Agent) -> Iterator[Grant]:
        """All that is free, to the first that takes it."""
        free = agent.free
        for role, framework in self._turns():
            if not is_allocatable(free, self._minimum(framework)):
                continue
            if self._refusals.blocks(framework, role, agent.name, free):
                continue
            self._ledger.offer((framework, role), agent.name, free)
            self._ranking.allocated(framework, role, free)
            yield Grant(framework, role, agent.name, free)
            return

    def _shared(self, agent: Agent) -> Iterator[Grant]:
        """Room for one task after the other, as far as they fit, each to who is first then."""
        cut: dict[tuple[str, str], tuple[Resources, dict[Shape, int]]] = {}
        done: set[tuple[str, str]] = set()
        while agent.free:
            turn = self._first_fit(agent, cut, done)
            if turn is None:
                break
            role, framework, ask = turn
            amount = ask.shape.resources
            self._ledger.offer((framework, role), agent.name, amount)
            self._requests.offer(framework, role, ask.shape)
            self._ranking.allocated(framework, role, amount)
            self._tell_waiting(framework, role)
            total, tasks = cut.get((role, framework), (None, {}))
            tasks[ask.shape] = tasks.get(ask.shape, 0) + 1
            cut[role, framework] = (amount if total is None else total + amount, tasks)
        for (role, framework), (total, tasks) in cut.items():
            if total is not None:
                yield Grant(framework, role, agent.name, total, tuple(tasks.items()))

    def _first_fit(
        self,
        agent: Agent,
        cut: dict[tuple[str, str], tuple[Resources, dict[Shape, int]]],
        done: set[tuple[str, str]],
    ) -> tuple[str, str, Ask] | None:
        if not self._ranking.by_waiting:
            for role, framework in self._turns():
                if (role, framework) not in done:
                    ask = self._fitting(role, framework, agent, cut, done)
                    if ask is not None:
                        return role, framework, ask
            return None
        # How long a framework has waited counts by the oldest of its tasks that would fit here.
        asks = {}
        for role, framework in self._turns():
            if (role, framework) not in done:
                ask = self._fitting(role, framework, agent, cut, done)
                since = None if ask is None else ask.since[ask.offered]
                self._ranking.waiting(framework, role, since)
                if ask is not None:
                    asks[role, framework] = ask
        first = next((turn for turn in self._turns() if turn in asks), None)
        for role, framework in asks:
            self._tell_waiting(framework, role)
        return None if first is None else (*first, asks[first])

    def _fitting(
        self,
        role: str,
        framework: str,
        agent: Agent,
        cut: dict[tuple[str, str], tuple[Resources, dict[Shape, int]]],
        done: set[tuple[str, str]],
    ) -> Ask | None:
        """The framework's oldest ask of which one more task fits."""
        queue = self._requests.get(framework, role)
        if queue is None:
            return None
        key = (framework, role, agent.name)
        growth, seen = self._unfit.get(key, (-1, 0))
        if growth != agent.growth:
            seen = 0
        if seen < queue.seq:
            had = cut.get((role, framework))
            for ask in queue.unmet(seen):
                shape = ask.shape
                if not shape.resources <= agent.free or not shape.fits_attributes(agent.attributes):
                    continue
                offer = shape.resources if had is None else had[0] + shape.resources
                if not self._refusals.blocks(framework, role, agent.name, offer):
                    return ask
        # Less is free from here on, so what does not fit now will not fit in this agent's turn.
        self._unfit[key] = (agent.growth, queue.seq)
        done.add((role, framework))
        return None

    def _tell_waiting(self, framework: str, role: str) -> None:
        self._ranking.waiting(framework, role, self._requests.oldest(framework, role))
