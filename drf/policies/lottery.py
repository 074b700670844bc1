"""A weighted lottery: every question draws anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from drf._random import SplitMix64
from drf.errors import InvalidOption
from drf.plugins import Policy, View

T = TypeVar("T")


def arrival(weight: float, u: float) -> float:
    """When something of this weight arrives: an exponential time with the weight as rate; ``u`` is drawn from [0, 1).

    The earliest comes first (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    """
    return -math.log(1.0 - u) / weight


def weighted_shuffle(items: Sequence[T], weights: Sequence[float], random: SplitMix64) -> list[T]:
    """The items in random order; of those that are left, twice the weight is twice the chance to be next; O(n log n).

    >>> weighted_shuffle(["a", "b", "c"], [1, 2, 3], SplitMix64(0))
    ['c', 'b', 'a']

    Raises InvalidOption where a weight is not above 0 and finite, or there is not one for each item.
    """
    if len(items) != len(weights):
        raise InvalidOption(
            f"{len(items)} items and {len(weights)} weights; give one weight an item"
        )
    for item, weight in zip(items, weights, strict=True):
        if not 0 < weight < math.inf:
            raise InvalidOption(f"weight of {item!r} is {weight!r}; it must be above 0 and finite")
    times = [arrival(weight, random.random()) for weight in weights]
    return [items[i] for i in sorted(range(len(items)), key=times.__getitem__)]


class Random(Policy):
    """Clients in random order, drawn anew at every question; twice the weight is twice the chance to be first.

    Each client draws its `arrival`. A weight a resource counts by its largest; in a tree a client's weight is the
    product of the parts that the nodes on its path have among their siblings.
    """

    name = "random"
    stale_on = frozenset({"time"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        return (arrival(view.chance(client), view.random()),)
