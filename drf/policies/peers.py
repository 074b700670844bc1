"""The order of clients as other systems take it: what a share is where there is no capacity, what weights and ties do.

From their sources; where a system has more (priorities, guarantees, preemption) this is the rule with none of that set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from drf.errors import NotSupported
from drf.plugins import Answer, Policy, Problem, View
from drf.policies.filling import fill_by_key, parts
from drf.policies.sequential import SequentialMinMax
from drf.policies.shares import DRF

Key = Callable[[list[Fraction], Fraction], tuple[Any, ...]]


class Mesos(DRF):
    """Mesos: dominant share / weight; what has no capacity does not count; ties by number of grants, then name."""

    name = "mesos"


class _Peer(Policy):
    """Shares of each resource by a rule for missing capacity, and a key made of them; ties by name alone."""

    modes = frozenset({"order", "divide"})
    stale_on = frozenset({"total"})
    empty = 0.0
    """The share of a resource that is held and of which there is none (a sorter knows no other kind of unknown)."""

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        held, total = view.held(client).quantities(), view.total().quantities()
        weight = view.weight(client)
        single = max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight
        shares = [
            held.get(name, 0) / total[name] if total.get(name, 0) > 0 else self.empty
            for name in sorted({*held, *total})
        ]
        return (self.rank(shares, single), self.tie(view, client), client)

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        """Where these shares stand, with that weight."""
        raise NotImplementedError

    def tie(self, view: View, client: str) -> tuple[Any, ...]:
        """What comes before the name among equals."""
        return ()

    def divide(self, problem: Problem) -> Answer:
        if not problem.whole:
            raise NotSupported(
                f"policy {self.name} divides whole tasks; for divisible ones take drf"
            )
        unweighted = [
            [
                part * (w[j] if isinstance(w, tuple) else w)
                for j, part in enumerate(parts(problem, i))
            ]
            for i, w in enumerate(problem.weights)
        ]
        weights = [max(w) if isinstance(w, tuple) else w for w in problem.weights]

        def key(i: int, count: int) -> tuple[Any, ...]:
            rank = self.rank([count * part for part in unweighted[i]], weights[i])
            return (rank, problem.ranks[i])

        return fill_by_key(problem, key)


class Volcano(_Peer):
    """Volcano's drf plug-in: of jobs, without weights; what is held without capacity is a share of 1; ties by name."""

    name = "volcano"
    empty = 1.0

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        return (max(shares, default=0),)


class YuniKorn(_Peer):
    """YuniKorn's queues: without weights, all shares from the largest down; held without capacity is a share of 1."""

    name = "yunikorn"
    empty = 1.0

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        return tuple(sorted(filter(None, shares), reverse=True))


class Yarn(_Peer):
    """YARN's DominantResourceFairnessPolicy: shares / weight, largest first; without capacity a share is infinite."""

    name = "yarn"
    empty = math.inf

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        return tuple(sorted((share / weight for share in shares if share), reverse=True))


class Armada(_Peer):
    """Armada: the cost *with* the next task decides, divided by the weight; no cost without capacity; ties by name.

    A sorter is not told the next task, so it goes by the cost of what is held.
    """

    name = "armada"

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        return (max(shares, default=0) / weight,)

    def divide(self, problem: Problem) -> Answer:
        return SequentialMinMax().divide(problem) if problem.whole else super().divide(problem)


class Kueue(_Peer):
    """Kueue: whole thousandths of the largest share, over the weight; no capacity does not count; the longest waiting.

    All that is held counts as borrowed (no nominal quota).
    """

    name = "kueue"
    stale_on = frozenset({"total", "waiting"})

    def rank(self, shares: list[Any], weight: Any) -> tuple[Any, ...]:
        return (math.floor(1000 * max(shares, default=0)) / weight,)

    def tie(self, view: View, client: str) -> tuple[Any, ...]:
        since = view.waiting_since(client)
        return (math.inf if since is None else since,)
