"""Hierarchies: H-DRF, and the collapsed tree that it corrects.

Bhattacharya, Culler, Friedman, Ghodsi, Shenker and Stoica, "Hierarchical Scheduling for Diverse Datacenter
Workloads", SoCC 2013. Names with ``/`` are paths. The third way, to add up what is held below a node, is what a
`Sorter` of policy ``drf`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from drf.plugins import Answer, Ordering, Policy, Problem, Seen, View
from drf.policies.filling import dominant, fill_divisible, fill_whole
from drf.policies.placing import divide_machines
from drf.policies.shares import single
from drf.policies.walking import divide_fluid, divide_walking


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

    Divided from nothing, whole or divisible, it is the walk from the root that defines it. A change costs the siblings
    along its path times the resources; a resource that is used up, or is not any more, costs the whole tree.
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
    """What is known of one node: shares held (rescaled below), its own share by weight, whether it can go on."""

    __slots__ = (
        "blocked",
        "children",
        "client",
        "grants",
        "parent",
        "path",
        "share",
        "used",
        "weight",
    )

    def __init__(self, path: str, parent: _Node | None) -> None:
        self.path = path
        self.parent = parent
        self.children: dict[str, _Node] = {}
        self.client: str | None = None
        self.used: dict[str, float] = {}
        self.share = 0.0
        self.weight = 1.0
        self.grants = 0
        self.blocked = True

    def rank(self) -> tuple[bool, float, int, str]:
        return (self.blocked, self.share, self.grants, self.path)


class _Live:
    """The tree of one sorter; every node holds what follows from its children, never a running sum."""

    def __init__(self, seen: Seen, rescale: bool, blocked: bool) -> None:
        self._seen = seen
        self._rescale, self._blocked = rescale, blocked
        self._root = _Node("", None)
        self._leaf: dict[str, _Node] = {}
        self._held: dict[str, Mapping[str, int]] = {}
        self._sum: dict[str, int] = {}
        self._total: Mapping[str, int] = {}
        self._full: frozenset[str] = frozenset()
        self.total_changed()
        for client in seen.clients():
            self.changed(client)

    def changed(self, client: str) -> None:
        there = client in self._leaf
        known = client in self._seen
        if not there and not known:  # a node above clients was weighed
            self._rebuild()
            return
        old = self._held.pop(client, {})
        new = self._seen.held(client).quantities() if known else {}
        for name in {*old, *new}:
            self._sum[name] = self._sum.get(name, 0) + new.get(name, 0) - old.get(name, 0)
        if known:
            self._held[client] = new
            node = self._leaf[client] if there else self._grow(client)
        else:
            node = self._cut(client)
        full = self._used_up()
        if full != self._full:
            self._full = full
            self._rebuild()
        else:
            self._climb(node)

    def total_changed(self) -> None:
        self._total = self._seen.total().quantities()
        self._full = self._used_up()
        self._rebuild()

    def first(self, k: int | None) -> list[str]:
        out: list[str] = []
        for client in self._walk(self._root, k == 1):
            if k is not None and len(out) >= k:
                break
            out.append(client)
        return out

    def check(self) -> str | None:
        before = {path: (node.share, node.blocked) for path, node in self._nodes(self._root)}
        self._rebuild()
        after = {path: (node.share, node.blocked) for path, node in self._nodes(self._root)}
        return None if before == after else "the tree is not what its leaves make"

    def state(self) -> None:
        return None

    def load(self, state: None) -> None:
        """All of it follows from the clients."""

    def _used_up(self) -> frozenset[str]:
        if not self._blocked:
            return frozenset()
        return frozenset(n for n, top in self._total.items() if 0 < top <= self._sum.get(n, 0))

    def _grow(self, client: str) -> _Node:
        node = self._root
        steps = client.split("/")
        for depth in range(1, len(steps) + 1):
            path = "/".join(steps[:depth])
            node = node.children.setdefault(path, _Node(path, node))
        if node.children:  # a client above others is a leaf of weight 1 among them
            node = node.children.setdefault(f"{client}/.", _Node(f"{client}/.", node))
        elif node.parent is not None and node.parent.client is not None:
            self._step_down(node.parent)
        node.client = client
        self._leaf[client] = node
        for above in self._line(node):
            if above.client is not None and above is not node:
                self._step_down(above)
        return node

    def _step_down(self, node: _Node) -> None:
        client, node.client = node.client, None
        assert client is not None
        leaf = node.children[f"{client}/."] = _Node(f"{client}/.", node)
        leaf.client = client
        self._leaf[client] = leaf
        self._measure(leaf)

    def _cut(self, client: str) -> _Node:
        node = self._leaf.pop(client)
        node.client = None
        while node.parent is not None and not node.children:
            del node.parent.children[node.path]
            node = node.parent
        return node

    def _line(self, node: _Node) -> Iterator[_Node]:
        at: _Node | None = node
        while at is not None:
            yield at
            at = at.parent

    def _climb(self, node: _Node) -> None:
        for above in self._line(node):
            self._measure(above)

    def _rebuild(self) -> None:
        def visit(node: _Node) -> None:
            for child in node.children.values():
                visit(child)
            self._measure(node)

        visit(self._root)

    def _measure(self, node: _Node) -> None:
        """A node from its children, a leaf from what its client holds."""
        if node.client is not None:
            held = self._held.get(node.client, {})
            node.used = {
                n: q / self._total[n] for n, q in held.items() if self._total.get(n, 0) > 0
            }
            node.grants = self._seen.grants(node.client)
            node.blocked = not self._seen.is_active(node.client) or any(
                n in self._full for n, q in held.items() if q > 0
            )
        else:
            self._add_up(node)
        weight = self._seen.path_weight(node.path) if not node.path.endswith("/.") else 1.0
        node.weight = max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight
        share = max((q for n, q in node.used.items() if n not in self._full), default=0.0)
        node.share = share / node.weight

    def _add_up(self, node: _Node) -> None:
        children = [node.children[path] for path in sorted(node.children)]
        node.grants = sum(child.grants for child in children)
        node.blocked = all(child.blocked for child in children)
        going = [c for c in children if not c.blocked or not self._blocked]
        least = min((child.share for child in going), default=0.0)
        node.used = {}
        for child in children:
            scaled = self._rescale and child.share > 0 and (not child.blocked or not self._blocked)
            scale = least / child.share if scaled else 1.0
            for name, q in child.used.items():
                node.used[name] = node.used.get(name, 0.0) + q * scale

    def _walk(self, node: _Node, best: bool) -> Iterator[str]:
        if node.client is not None:
            if self._seen.is_active(node.client):
                yield node.client
            return
        if best and not node.blocked:
            yield from self._walk(min(node.children.values(), key=_Node.rank), best)
            return
        for child in sorted(node.children.values(), key=_Node.rank):
            yield from self._walk(child, best)

    def _nodes(self, node: _Node) -> Iterator[tuple[str, _Node]]:
        yield node.path, node
        for child in node.children.values():
            yield from self._nodes(child)


def _all(_: str) -> bool:
    return True
