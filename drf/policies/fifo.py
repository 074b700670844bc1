"""First in, first out: the client whose oldest waiting task has waited longest is next."""

from __future__ import annotations

import math
from typing import Any

from drf.plugins import Policy, View


class FIFO(Policy):
    """The client with the oldest waiting task, as its requests say, is next; clients that wait for nothing come last.

    Where offers are cut to requests, the oldest task that would fit on the agent counts.

    >>> FIFO().modes == {"order"}
    True
    """

    name = "fifo"
    stale_on = frozenset({"waiting"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        since = view.waiting_since(client)
        return (math.inf if since is None else since,)
