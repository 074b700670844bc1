"""H-DRF decisions in a tree of depth 4, and what it costs to compute the whole tree anew for each.

All leaves hold something; a decision is `next` + `allocated` of one task, a release is `unallocated` of the oldest.
With *room* nothing is used up. In a *full* cluster each release frees one unit of a resource of which nothing else is
left, and each decision takes it: every node is blocked and free again in turn, and both times the order is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload
from drf.sorter import Sorter

STEPS = 500

Clients = Mapping[str, tuple[Mapping[str, int], int, bool]]
"""What a client holds, how many grants it has had, whether it is listed."""


class PlainTree:
    """H-DRF as it is defined: each question goes through all nodes, O(nodes x resources). The opponent, and the oracle.

    >>> tree = PlainTree(["a/1", "b/1", "b/2"], {"cpus": 10, "gpus": 10})
    >>> held = {"a/1": {"cpus": 5}, "b/1": {"cpus": 4}, "b/2": {"gpus": 10}}
    >>> tree.compute({client: (amount, 1, True) for client, amount in held.items()}, {})
    >>> tree.first()
    'b/1'
    """

    def __init__(
        self,
        clients: list[str],
        total: Mapping[str, int],
        *,
        rescale: bool = True,
        blocked: bool = True,
    ) -> None:
        self._total = {name: top for name, top in total.items() if top > 0}
        self._rescale, self._blocked = rescale, blocked
        inner = {client[:i] for client in clients for i, c in enumerate(client) if c == "/"}
        self._below: dict[str, list[str]] = {"": []}
        self._client = {f"{c}/." if c in inner else c: c for c in clients}
        for path in sorted({*inner, *self._client}):
            parent = path.rpartition("/")[0]
            self._below.setdefault(parent, []).append(path)
        self._used: dict[str, dict[str, float]] = {}
        self._rank: dict[str, tuple[int, float, int, str]] = {}

    def compute(self, clients: Clients, weights: Mapping[str, float]) -> None:
        """All nodes from what clients hold, from the leaves up; weights by path, where they are not 1."""
        out = dict.fromkeys(self._total, 0)
        for held, _, _ in clients.values():
            for name in out:
                out[name] += held.get(name, 0)
        full = {n for n, top in self._total.items() if self._blocked and top <= out[n]}
        self._visit("", clients, weights, full)

    def first(self) -> str | None:
        """The first client; O(siblings x depth)."""
        path = ""
        while path not in self._client:
            path = min(self._below[path], key=self._rank.__getitem__, default="")
            if not path or self._rank[path][0] == 2:
                return None
        return self._client[path]

    def sort(self, path: str = "") -> list[str]:
        """All listed clients, the first one first; O(nodes log siblings)."""
        if path in self._client:
            return [self._client[path]] if self._rank[path][0] < 2 else []
        below = sorted(self._below[path], key=self._rank.__getitem__)
        return [client for child in below for client in self.sort(child)]

    def _visit(
        self, path: str, clients: Clients, weights: Mapping[str, float], full: set[str]
    ) -> None:
        if path in self._client:
            held, grants, active = clients[self._client[path]]
            used = {name: held.get(name, 0) / top for name, top in self._total.items()}
            stuck = any(held.get(name, 0) for name in full)
            state = 2 if not active else 1 if stuck else 0
        else:
            below = self._below[path]
            for child in below:
                self._visit(child, clients, weights, full)
            ranks = [self._rank[child] for child in below]
            state = min((rank[0] for rank in ranks), default=2)
            grants = sum(rank[2] for rank in ranks)
            going = [rank for rank in ranks if rank[0] == 0 or not self._blocked]
            least = min((rank[1] for rank in going), default=0.0)
            down = {rank[3] for rank in going if rank[1] > 0} if self._rescale else set()
            used = {}
            for name in self._total:
                scaled = math.fsum(
                    self._used[c][name] / self._rank[c][1] for c in below if c in down
                )
                whole = math.fsum(self._used[c][name] for c in below if c not in down)
                used[name] = least * scaled + whole
        share = max((q for name, q in used.items() if name not in full), default=0.0)
        self._used[path] = used
        weight = 1.0 if path.endswith("/.") else weights.get(path, 1.0)
        self._rank[path] = (state, share / weight, grants, path)


def leaves(n: int) -> Iterator[str]:
    """Paths of depth 4, each inner node with as many children as the next.

    >>> list(leaves(16))[:3]
    ['0/0/0/0', '0/0/0/1', '0/0/1/0']
    """
    width = round(n ** (1 / 4))
    for i in range(width**4):
        yield "/".join(str(i // width**power % width) for power in (3, 2, 1, 0))


def prepared(
    n: int, full: bool, make: Callable[..., Any] = Sorter
) -> tuple[Any, dict[str, dict[str, int]]]:
    """A sorter in which every leaf holds a task, and the demands by leaf; O(n log n)."""
    demands = {
        leaf: {"cpus": 1 if full else 1 + i * 7919 % 4, "mem": 1 + i * 104729 % 16}
        for i, leaf in enumerate(leaves(n))
    }
    total = {"cpus": len(demands) if full else 1000 * n, "mem": 1000 * n}
    sorter = make("hdrf", total=total)
    for leaf, demand in demands.items():
        sorter.add(leaf)
        sorter.allocated(leaf, demand)
    return sorter, demands


def churn(sorter: Any, demands: Mapping[str, Any], steps: int) -> list[str]:
    """The oldest task ends and the first leaf gets one of its own, ``steps`` times; the leaves picked."""
    given, picked = list(demands), []
    for step in range(steps):
        sorter.unallocated(given[step], demands[given[step]])
        leaf = sorter.next()
        sorter.allocated(leaf, demands[leaf])
        sorter.next()
        given.append(leaf)
        picked.append(leaf)
    return picked


def decisions(full: bool, size: Size, watch: Stopwatch) -> None:
    """Time decisions and releases, and the whole tree computed anew."""
    sorter, demands = prepared(size["leaves"], full)
    total = sorter.total().quantities()
    tree = PlainTree(list(demands), total)
    held = {leaf: sorter.held(leaf).quantities() for leaf in demands}
    clients = {leaf: (held[leaf], 1, True) for leaf in demands}

    def anew() -> str | None:
        tree.compute(clients, {})
        return tree.first()

    for _ in range(2):
        due = watch.time("anew", anew)
    watch.due("the first leaf", sorter.next(), due)
    interned = {leaf: sorter.intern(demand) for leaf, demand in demands.items()}
    oldest = next(iter(interned))
    sorter.unallocated(oldest, interned[oldest])
    sorter.next()  # in a cluster that runs for a while both trees are there
    sorter.allocated(oldest, interned[oldest])
    watch.time("decision", partial(churn, sorter, interned, STEPS), STEPS)
    watch.note("times cheaper", f"{watch.seconds['anew'][-1] / watch.seconds['decision'][-1]:.0f}")


def _workload(name: str, title: str, full: bool) -> Workload:
    return Workload(
        name,
        title,
        "leaves",
        ({"leaves": 1_296}, {"leaves": 10_000}, {"leaves": 50_625}),
        {"anew": "the whole tree", "decision": "next + allocated + unallocated, asked twice"},
        partial(decisions, full),
        goals=(Goal("decision", {"leaves": 10_000}, 1e-3, "s"),),
        quick=1,
    )


WORKLOADS = (
    _workload("hdrf-room", "H-DRF in a tree of depth 4, nothing used up", False),
    _workload("hdrf-full", "the same in a full cluster: every node is blocked in turn", True),
)
