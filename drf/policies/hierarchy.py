"""Hierarchies: H-DRF, and the collapsed tree that it corrects.

Bhattacharya, Culler, Friedman, Ghodsi, Shenker and Stoica, "Hierarchical Scheduling for Diverse Datacenter
Workloads", SoCC 2013. Names with ``/`` are paths. The third way, to add up what is held below a node, is what a
`Sorter` of policy ``drf`` does.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

from drf.plugins import Answer, Ordering, Policy, Problem, Seen, View
from drf.policies.filling import dominant, fill_divisible, fill_whole
from drf.policies.placing import divide_machines
from drf.policies.shares import single
from drf.policies.walking import divide_fluid, divide_walking

GOING, BLOCKED, IDLE = 0, 1, 2
"""What a node can do: go on; not, though a client below it is listed; nothing, for no client is."""

Rank = tuple[int, float, int, str]
"""State, share by weight, grants, path."""

UNIT = 200
"""Sums are whole numbers of 2**-200, in which a double from 2**-147 up is exact."""

MOST = 2.0**500
"""The largest share by weight."""

GONE: tuple[Mapping[str, int], int, bool] = ({}, 0, False)
"""How a client stands that left and is still to be cut."""

TREES = 8
"""So many sets of used-up resources are kept ready."""


class HDRF(Policy):
    """H-DRF: at each node of the tree the child with the smallest dominant share by weight is next, right under churn.

    What a node holds is added up with every child that can go on scaled down to the smallest of them, and with those
    that cannot (blocked: not listed, or needing what is used up) as they are; resources that are used up do not
    count. So no leaf starves because a sibling holds much of something that nobody else wants. ``rescale=False`` and
    ``blocked=False`` leave out one of the two corrections each; the paper shows why both are needed.

    >>> from drf import Sorter
    >>> s = Sorter("hdrf", total={"cpus": 10, "gpus": 10})
    >>> for path, held in (("a/1", "cpus:5"), ("b/1", "cpus:4"), ("b/2", "gpus:10")):
    ...     s.add(path)
    ...     s.allocated(path, held)
    >>> s.next()                          # b has 4 of 10 CPUs and all GPUs, but b/1 is who can go on
    'b/1'

    Divided from nothing, whole or divisible, it is the walk from the root that defines it. A change costs
    O(depth (resources + log siblings)), in each of the trees that are kept: one for each set of used-up resources that
    was met lately. A set that was not, and a changed total, cost the whole tree; `next` is O(depth).
    """

    modes = frozenset({"order", "divide", "tree"})
    name = "hdrf"

    def __init__(self, *, rescale: bool = True, blocked: bool = True) -> None:
        self.rescale, self.blocked = rescale, blocked

    def ordering(self, seen: Seen) -> Ordering:
        return _Live(seen, self.rescale, self.blocked)

    def divide(self, problem: Problem) -> Answer:
        return (divide_walking if problem.whole else divide_fluid)(problem)


class Collapsed(Policy):
    """The tree made flat: each leaf's weight is the product of its path's parts, and DRF goes by that.

    An inner node may get less than its part, where its children need different resources.

    >>> from drf import allocate
    >>> users = {"a": {"cpus": 1, "gpus": 1}, "b/1": {"cpus": 1}, "b/2": {"gpus": 1}}
    >>> allocate({"cpus": 12, "gpus": 12}, users, policy="collapsed").tasks
    {'a': 8, 'b/1': 4, 'b/2': 4}
    """

    name = "collapsed"
    modes = frozenset({"order", "divide", "machines", "tree"})
    stale_on = frozenset({"total", "others"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        held, total = view.held(client).quantities(), view.total().quantities()
        share = max((q / total[n] for n, q in held.items() if total.get(n, 0) > 0), default=0.0)
        return (share / view.chance(client),)

    def divide(self, problem: Problem) -> Answer:
        weights: dict[str, Fraction] = {path: single(w) for path, w in problem.nodes.items()}
        below: dict[str, dict[str, None]] = {}
        for user, weight in zip(problem.users, problem.weights, strict=True):
            weights[user] = single(weight)
            steps = user.split("/")
            for depth in range(len(steps)):
                parent, path = "/".join(steps[:depth]), "/".join(steps[: depth + 1])
                below.setdefault(parent, {})[path] = None
        flat = []
        for user in problem.users:
            steps, part = user.split("/"), Fraction(1)
            for depth in range(len(steps)):
                siblings = below["/".join(steps[:depth])]
                part *= weights.get("/".join(steps[: depth + 1]), Fraction(1))
                part /= sum((weights.get(path, Fraction(1)) for path in siblings), Fraction(0))
            flat.append(part)
        problem = replace(problem, weights=flat)
        if problem.machines:
            return divide_machines(problem, dominant(problem, _all))
        if problem.whole:
            return fill_whole(problem, _all)
        return fill_divisible(problem, dominant(problem, _all))


class _Node:
    """What is known of one node.

    Of its children only sums and an order are kept: all their grants; ``scaled``, what those hold that are scaled down
    to the smallest, by their share, and ``whole``, what the others hold. Both are whole numbers of `UNIT`, so that a
    child's part can be taken out again exactly.
    """

    __slots__ = (
        "children",
        "client",
        "grants",
        "parent",
        "part",
        "path",
        "ranks",
        "scaled",
        "share",
        "state",
        "used",
        "weight",
        "whole",
    )

    def __init__(self, path: str, parent: _Node | None, columns: int) -> None:
        self.path = path
        self.parent = parent
        self.children: dict[str, _Node] = {}
        self.client: str | None = None
        self.grants = 0
        self.part: tuple[Rank, bool, list[int]] | None = None  # its rank, and whether it is scaled
        self.ranks: list[Rank] = []  # of its children, lowest first
        self.scaled = [0] * columns
        self.share = 0.0
        self.state = IDLE
        self.used = [0.0] * columns
        self.weight = 1.0
        self.whole = [0] * columns


class _Tree:
    """The tree as it is while certain resources are used up: nodes, brought up to date along the paths that changed."""

    def __init__(self, live: _Live, full: frozenset[str]) -> None:
        self._live = live
        self._names = sorted(name for name, top in live.total.items() if top > 0)
        self._counts = [name not in full for name in self._names]
        self._full = full
        self._leaf: dict[str, _Node] = {}
        self._changed: dict[str, None] = {}
        self.root = _Node("", None, len(self._names))
        for client in live.clients:
            self._grow(client)
        self._measure_all(self.root)

    def changed(self, path: str) -> None:
        """That client, or node above clients, is to be looked at before the next question."""
        self._changed[path] = None

    def refresh(self) -> None:
        """Bring the paths of what changed up to date; O(depth (resources + log siblings)) each."""
        for path in self._changed:
            if path in self._leaf and path not in self._live.clients:
                self._cut(path)
        for path in self._changed:
            if path in self._live.clients:
                self._climb(self._leaf[path] if path in self._leaf else self._grow(path))
            else:
                node = self._find(path)
                if node is not None:  # it was weighed
                    self._climb(node)
        self._changed.clear()

    def first(self, node: _Node) -> str | None:
        """The first client below the node; O(depth)."""
        while node.client is None:
            if not node.ranks or node.ranks[0][0] == IDLE:
                return None
            node = node.children[node.ranks[0][-1]]
        return node.client

    def walk(self, node: _Node) -> Iterator[str]:
        """All clients that are listed below the node, in order."""
        if node.client is not None:
            yield node.client
        for state, *_, path in node.ranks:
            if state == IDLE:
                break
            yield from self.walk(node.children[path])

    def facts(self) -> dict[str, Any]:
        """What follows from the clients, by node."""
        out = {}
        for node in self._nodes(self.root):
            out[node.path] = (node.part, node.used, node.ranks, node.scaled, node.whole)
        return out

    def _nodes(self, node: _Node) -> Iterator[_Node]:
        yield node
        for child in node.children.values():
            yield from self._nodes(child)

    def _child(self, node: _Node, path: str) -> _Node:
        child = node.children.get(path)
        if child is None:
            child = node.children[path] = _Node(path, node, len(self._names))
        return child

    def _find(self, path: str) -> _Node | None:
        node: _Node | None = self.root
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            if node is not None:
                node = node.children.get("/".join(steps[:depth]))
        return node

    def _grow(self, client: str) -> _Node:
        node = self.root
        steps = client.split("/")
        for depth in range(1, len(steps) + 1):
            if node.client is not None:  # a client above others is a leaf of weight 1 among them
                self._step_down(node)
            node = self._child(node, "/".join(steps[:depth]))
        if node.children:
            node = self._child(node, f"{client}/.")
        node.client = client
        self._leaf[client] = node
        return node

    def _step_down(self, node: _Node) -> None:
        client, node.client, node.grants = node.client, None, 0
        assert client is not None
        leaf = self._child(node, f"{client}/.")
        leaf.client = client
        self._leaf[client] = leaf
        self._measure(leaf)
        self._join(leaf)

    def _cut(self, client: str) -> None:
        node = self._leaf.pop(client)
        node.client = None
        while node.parent is not None and not node.children:
            self._leave(node)
            del node.parent.children[node.path]
            node = node.parent
        own = node.children.get(f"{node.path}/.")
        if own is not None and len(node.children) == 1:  # nobody is below that client any more
            self._leave(own)
            node.children.clear()
            node.client = own.client
            assert own.client is not None
            self._leaf[own.client] = node
        self._climb(node)

    def _climb(self, node: _Node) -> None:
        """The node and those above it anew."""
        while node.parent is not None:
            self._leave(node)
            self._measure(node)
            self._join(node)
            node = node.parent
        self._measure(node)

    def _measure_all(self, node: _Node) -> None:
        for child in node.children.values():
            self._measure_all(child)
            if child.part is None:  # one that stepped down has joined
                self._join(child)
        self._measure(node)

    def _leave(self, node: _Node) -> None:
        """Take the node out of its parent's sums and order, as it stands in them."""
        parent = node.parent
        if parent is None or node.part is None:
            return
        rank, scaled, part = node.part
        sums = parent.scaled if scaled else parent.whole
        for j, q in enumerate(part):
            sums[j] -= q
        parent.grants -= rank[2]
        del parent.ranks[bisect_left(parent.ranks, rank)]
        node.part = None

    def _join(self, node: _Node) -> None:
        """Enter it there again."""
        parent = node.parent
        assert parent is not None
        scaled = self._live.rescale and node.share > 0 and self._goes(node.state)
        if scaled:
            part = [_fixed(q / node.share) for q in node.used]
        else:
            part = [_fixed(q) for q in node.used]
        sums = parent.scaled if scaled else parent.whole
        for j, q in enumerate(part):
            sums[j] += q
        rank = (node.state, node.share, node.grants, node.path)
        parent.grants += node.grants
        insort(parent.ranks, rank)
        node.part = (rank, scaled, part)

    def _goes(self, state: int) -> bool:
        return state == GOING or not self._live.blocked

    def _measure(self, node: _Node) -> None:
        """A node from its children's sums, a leaf from what its client holds."""
        if node.client is not None:
            held, node.grants, active = self._live.clients.get(node.client, GONE)
            node.used = [held.get(name, 0) / self._live.total[name] for name in self._names]
            blocked = any(held.get(name, 0) > 0 for name in self._full)
            node.state = IDLE if not active else BLOCKED if blocked else GOING
        else:
            node.state = node.ranks[0][0] if node.ranks else IDLE
            least = self._least(node)
            node.used = [
                least * _real(scaled) + _real(whole)
                for scaled, whole in zip(node.scaled, node.whole, strict=True)
            ]
        node.weight = self._live.weight(node.path)
        share = 0.0
        for q, counts in zip(node.used, self._counts, strict=True):
            if counts and q > share:
                share = q
        node.share = min(share / node.weight, MOST)

    def _least(self, node: _Node) -> float:
        """The smallest share of a child that can go on."""
        if not node.ranks:
            return 0.0
        if self._live.blocked:
            return node.ranks[0][1] if node.ranks[0][0] == GOING else 0.0
        starts = (bisect_left(node.ranks, (state,)) for state in (GOING, BLOCKED, IDLE))
        return min(node.ranks[at][1] for at in starts if at < len(node.ranks))


class _Live:
    """The clients of one sorter, and a tree for each set of resources that was used up lately.

    When the last unit of a resource goes, or comes back, every node is another: who is blocked, what counts. In a full
    cluster that happens at each task that ends or starts. So the trees of both cases stay, each is told what changed
    since it was asked last, and the switch costs no more than that.
    """

    def __init__(self, seen: Seen, rescale: bool, blocked: bool) -> None:
        self._seen = seen
        self.rescale, self.blocked = rescale, blocked
        self.clients: dict[str, tuple[Mapping[str, int], int, bool]] = {}
        self.total: Mapping[str, int] = {}
        self._sum: dict[str, int] = {}
        self._trees: dict[frozenset[str], _Tree] = {}
        self.total_changed()
        for client in seen.clients():
            self.changed(client)

    def changed(self, client: str) -> None:
        there = client in self.clients
        known = client in self._seen
        if not there and not known:  # a node above clients was weighed
            for tree in self._trees.values():
                tree.changed(client)
            return
        old = self.clients.pop(client)[0] if there else {}
        new: Mapping[str, int] = {}
        if known:
            new = self._seen.held(client).quantities()
            self.clients[client] = (new, self._seen.grants(client), self._seen.is_active(client))
        for name in {*old, *new}:
            self._sum[name] = self._sum.get(name, 0) + new.get(name, 0) - old.get(name, 0)
        for tree in self._trees.values():
            tree.changed(client)

    def total_changed(self) -> None:
        self.total = self._seen.total().quantities()
        self._trees.clear()

    def first(self, k: int | None) -> list[str]:
        tree = self._tree()
        if k == 1:
            client = tree.first(tree.root)
            return [] if client is None else [client]
        return list(islice(tree.walk(tree.root), k))

    def weight(self, path: str) -> float:
        """The weight of the node of that path."""
        if path.endswith("/."):
            return 1.0
        weight = self._seen.path_weight(path)
        return max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight

    def check(self) -> str | None:
        for full, tree in self._trees.items():
            tree.refresh()
            if tree.facts() != _Tree(self, full).facts():
                return "the tree is not what its leaves make"
        return None

    def state(self) -> None:
        return None

    def load(self, state: None) -> None:
        """All of it follows from the clients."""

    def _tree(self) -> _Tree:
        """The tree of what is used up now, up to date."""
        full = frozenset(
            name
            for name, top in self.total.items()
            if self.blocked and 0 < top <= self._sum.get(name, 0)
        )
        tree = self._trees.pop(full, None)
        if tree is None:
            tree = _Tree(self, full)
            if len(self._trees) == TREES:
                del self._trees[next(iter(self._trees))]  # the one that was not asked for longest
        else:
            tree.refresh()
        self._trees[full] = tree
        return tree


def _fixed(q: float) -> int:
    """The number in whole `UNIT`."""
    return int(math.ldexp(min(q, MOST), UNIT))


def _real(fixed: int) -> float:
    return math.ldexp(fixed, -UNIT)


def _all(_: str) -> bool:
    return True
