"""A weighted lottery: every question draws anew."""

from __future__ import annotations

import math
from typing import Any

from drf.plugins import Policy, View


class Random(Policy):
    """Clients in random order, drawn anew at every question; twice the weight is twice the chance to be first.

    Each client draws an exponential time with its weight as rate, and the earliest comes first (Efraimidis and
    Spirakis, "Weighted random sampling with a reservoir", 2006). A weight a resource counts by its largest.
    """

    name = "random"
    stale_on = frozenset({"time"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        weight = view.weight(client)
        rate = weight if isinstance(weight, (int, float)) else max(weight.values(), default=1.0)
        return (-math.log(1.0 - view.random()) / rate,)
