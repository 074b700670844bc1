"""A task of a Dask scheduler as the plug-in sees it: its tenant, its own requirements, and the gate before its turn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from drf.masters.turns import Shape, Waiting

THREADS = "threads"
"""Every task needs one, beside the resources that it names."""

GATE = {"drf:turn": 1.0}
"""What no worker has: a task that requires it rests until its turn. Shared, never changed."""

PLAIN = Shape(((THREADS, 1.0),))
"""A task that may go anywhere and needs a thread."""

_CLIENT = re.compile(r"\w+?-(?:(?P<name>.+)-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True, eq=False)
class Task:
    """What is known of a task, beside the scheduler's own record of it (``ts``)."""

    ts: Any
    tenant: str
    own: dict[str, float] | None = None
    loose: bool = False
    gated: bool = False
    waiting: Waiting | None = None
    charged: Shape | None = None

    def gate(self) -> None:
        """Hold it back: no worker meets what it requires now. Does nothing where it is held back; O(1)."""
        if not self.gated:
            self.own, self.loose = self.ts.resource_restrictions, self.ts.loose_restrictions
            self.ts.resource_restrictions, self.ts.loose_restrictions = GATE, False
            self.gated = True

    def open(self) -> None:
        """Give it its own requirements back; O(1)."""
        if self.gated:
            self.ts.resource_restrictions, self.ts.loose_restrictions = self.own, self.loose
            self.gated = False

    def shape(self) -> Shape:
        """What it needs, and where it may go by its own restrictions; O(resources)."""
        ts = self.ts
        own = self.own if self.gated else ts.resource_restrictions
        if not (own or ts.worker_restrictions or ts.host_restrictions):
            return PLAIN
        return Shape(
            ((THREADS, 1.0), *sorted((own or {}).items())),
            (
                frozenset(ts.worker_restrictions or ()),
                frozenset(ts.host_restrictions or ()),
                bool(self.loose if self.gated else ts.loose_restrictions),
            ),
        )


def named(client: str) -> str | None:
    """The name that a client was given, from the id that Dask made of it; None for none.

    >>> named("Client-alice-0368af54-e82b-11f1-8ebb-02fc00000001")
    'alice'
    >>> named("Client-0368af54-e82b-11f1-8ebb-02fc00000001")
    """
    matched = _CLIENT.fullmatch(client)
    return matched["name"] if matched else None


def free(ws: Any, name: str) -> float:
    """What the worker has left, from what it runs: Dask's own count goes wrong where a task is stolen; O(tasks)."""
    used = sum((ts.resource_restrictions or {}).get(name, 0.0) for ts in ws.processing)
    supply: float = ws.resources.get(name, 0.0)
    return float(supply - used + supply * 1e-9)  # sums of floats are a hair off


def owner(ts: Any, owners: dict[Any, str]) -> str:
    """A client that wants the task, or else one of those that need it; O(dependents), each once."""
    path, seen = [ts], {ts}
    found = ""
    while path and not found:
        top = path.pop()
        if top in owners:
            found = owners[top]
        elif top.who_wants:
            found = min(cs.client_key for cs in top.who_wants)
        else:
            path.extend(dts for dts in top.dependents if dts not in seen)
            seen.update(top.dependents)
    owners[ts] = found or "nobody"
    return owners[ts]
