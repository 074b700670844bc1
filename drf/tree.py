"""The tree that paths of clients make: ``eng/ads`` and ``eng/web`` compete with each other below ``eng``.

Each inner node keeps its children in an order of their own; fairness is top-down. A client that is also above others
becomes a virtual leaf ``eng/.`` below its own node, with weight 1. As in Mesos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drf._backend import Order, Vector
from drf.copies import Copies

Weight = float | tuple[float, ...]


class Node:
    """One node: a leaf has a client, an inner node a level of children; ``alive`` counts its active children."""

    __slots__ = ("alive", "client", "level", "parent", "path")

    def __init__(self, path: str, parent: Node | None, client: str | None, level: Order | None):
        self.path = path
        self.parent = parent
        self.client = client
        self.level = level
        self.alive = 0


class Tree:
    """Nodes by path, leaves by client, over levels that are kept in order."""

    def __init__(
        self,
        root: Order,
        new_level: Callable[[], Order],
        weight_of: Callable[[str], Weight],
        copies: Copies,
    ) -> None:
        self._copies = copies
        self._new_level = new_level
        self._weight_of = weight_of
        self.root = Node("", None, None, root)
        self.nodes: dict[str, Node] = {}
        self.leaves: dict[str, Node] = {}
        self._parts: dict[str, float] = {}  # relative weights, until something changes

    def levels(self) -> Iterator[Order]:
        """The levels below the root."""
        return (node.level for node in self.nodes.values() if node.level is not None)

    def adopt(self, client: str, active: bool) -> None:
        """A client that has its row in the root's level already."""
        self.nodes[client] = self.leaves[client] = Node(client, self.root, client, None)
        self.root.alive += active

    def add(self, client: str, active: bool) -> None:
        """A new leaf, and the inner nodes above it that are not there yet; O(depth log siblings)."""
        self._parts.clear()
        parent = self.root
        steps = client.split("/")
        for depth in range(1, len(steps)):
            path = "/".join(steps[:depth])
            node = self.nodes.get(path)
            if node is None:
                node = self._put(path, parent, None, self._new_level())
                _level(parent)._add_row(path, self._weight_of(path), False)
            elif node.level is None:
                self._split(node)
            parent = node
        above = self.nodes.get(client)
        if above is None:
            leaf = self._put(client, parent, client, None)
            _level(parent)._add_row(client, self._weight_of(client), False)
        else:
            leaf = self._put(f"{client}/.", above, client, None)
            _level(above)._add_row(leaf.path, 1.0, False)
        self.leaves[client] = leaf
        self.set_active(client, active)

    def remove(self, client: str) -> None:
        """A leaf that holds nothing any more, and the inner nodes that it leaves empty; O(depth log siblings)."""
        self._parts.clear()
        self.set_active(client, False)
        node: Node | None = self.leaves.pop(client)
        while node is not None and node.parent is not None:
            parent = node.parent
            _level(parent)._remove_row(node.path)
            del self.nodes[node.path]
            if parent is self.root:
                return
            children = len(_level(parent))
            virtual = self.nodes.get(f"{parent.path}/.")
            if children == 1 and virtual is not None:
                self._fold(parent, virtual)
            node = parent if children == 0 else None

    def set_active(self, client: str, active: bool) -> None:
        """Whether the leaf is listed; an inner node is where one of its children is; O(depth log siblings)."""
        self._parts.clear()
        node = self.leaves[client]
        while node.parent is not None:
            level = _level(node.parent)
            if level._is_active(node.path) == active:
                return
            level._set_active(node.path, active)
            node = node.parent
            node.alive += 1 if active else -1
            if node.alive != active:
                return

    def is_active(self, client: str) -> bool:
        """Whether the leaf is listed; O(1)."""
        leaf = self.leaves[client]
        return _above(leaf)._is_active(leaf.path)

    def share(self, client: str) -> float:
        """The leaf's own share divided by its weight; O(1)."""
        leaf = self.leaves[client]
        return Order.share(_above(leaf), leaf.path)

    def grants(self, client: str) -> int:
        """How many grants the leaf has had; O(1)."""
        leaf = self.leaves[client]
        return Order.grants(_above(leaf), leaf.path)

    def held(self, client: str) -> tuple[int, ...]:
        """What the leaf holds, by column; O(columns)."""
        leaf = self.leaves[client]
        return _above(leaf)._get_held(leaf.path)

    def row(self, client: str) -> tuple[tuple[int, ...], int, bool] | None:
        """What the leaf holds by column, its grants, and whether it is listed; O(columns)."""
        leaf = self.leaves.get(client)
        return None if leaf is None else _above(leaf)._get_state(leaf.path)

    def weigh(self, path: str, weight: Weight) -> None:
        """The weight of the node of that path against its siblings; O(log siblings)."""
        self._parts.clear()
        node = self.nodes.get(path)
        if node is not None:
            _above(node)._set_weight(path, weight)

    def line(self, client: str) -> list[Node]:
        """The leaf and the nodes above it, but for the root; O(depth)."""
        node = self.leaves[client]
        out = []
        while node.parent is not None:
            out.append(node)
            node = node.parent
        return out

    def next(self) -> str | None:
        """The first client; O(depth)."""
        node = self.root
        while node.level is not None:
            path = Order.next(node.level) if node is self.root else node.level.next()
            if path is None:
                return None
            node = self.nodes[path]
        return node.client

    def walk(self, node: Node | None = None) -> Iterator[str]:
        """Active clients, each level in its order, what is below a node before its next sibling; O(clients)."""
        node = node or self.root
        for path in Order.sort(_level(node)):
            child = self.nodes[path]
            if child.client is not None:
                yield child.client
            else:
                yield from self.walk(child)

    def rows(self) -> Iterator[tuple[str, tuple[int, ...], int]]:
        """Each node's path, what it holds by column, and its grants, by path; O(nodes log nodes)."""
        for path, node in sorted(self.nodes.items()):
            level = _above(node)
            yield path, level._get_held(path), Order.grants(level, path)

    def put_row(self, path: str, held: tuple[int, ...], grants: int) -> None:
        """Let the node hold so much after so many grants; O(columns + log siblings)."""
        _above(self.nodes[path])._set_state(path, held, grants)

    def relative_weight(self, client: str) -> float:
        """The product, up the path, of a node's weight by the sum over its active siblings and itself; O(siblings)."""
        part = 1.0
        for node in self.line(client):
            if node.path not in self._parts:
                level = _above(node)
                active = Order.sort(level)
                total = 0.0
                for path in active:
                    total += _single(level._get_weight(path))
                for path in active:
                    self._parts[path] = _single(level._get_weight(path)) / total
            part *= self._parts[node.path]
        return part

    def _put(self, path: str, parent: Node, client: str | None, level: Order | None) -> Node:
        self.nodes[path] = node = Node(path, parent, client, level)
        return node

    def _split(self, node: Node) -> None:
        """A leaf gets children: it becomes an inner node, and its client a virtual leaf with the same state."""
        level = self._new_level()
        above = _above(node)
        client = node.client
        assert client is not None
        active = above._is_active(node.path)
        leaf = Node(f"{node.path}/.", node, client, None)
        level._add_row(leaf.path, 1.0, active)
        level._set_state(leaf.path, above._get_held(node.path), Order.grants(above, node.path))
        self._copies.copy(node.path, leaf.path)
        node.client, node.level, node.alive = None, level, int(active)
        self.nodes[leaf.path] = self.leaves[client] = leaf

    def _fold(self, node: Node, leaf: Node) -> None:
        """Only the virtual leaf is left: the node becomes a leaf again, with the state of the virtual one."""
        above, level = _above(node), _level(node)
        above._set_state(node.path, level._get_held(leaf.path), level.grants(leaf.path))
        above._set_active(node.path, level._is_active(leaf.path))
        self._copies.drop(leaf.path)
        node.client, node.level, node.alive = leaf.client, None, 0
        del self.nodes[leaf.path]
        assert leaf.client is not None
        self.leaves[leaf.client] = node

    def charge(self, node: Node, vector: Vector, sign: int, grants: int) -> None:
        """The node holds so much more (or less); O(log siblings)."""
        _above(node)._charge(node.path, vector, sign, grants)


def _level(node: Node) -> Order:
    assert node.level is not None
    return node.level


def _above(node: Node) -> Order:
    """The level in which the node has its row."""
    assert node.parent is not None
    return _level(node.parent)


def _single(weight: Weight) -> float:
    return max(weight) if isinstance(weight, tuple) else weight
