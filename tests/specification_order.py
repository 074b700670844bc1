"""Whose turn it is, told plainly: dominant shares over a tree of paths, everything computed anew at each question.

The slow half of the model in `specification`; it shares nothing with the orders that `drf` keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drf import Resources

Units = dict[str, int]


def plus(a: Mapping[str, int], b: Mapping[str, int]) -> Units:
    """Both together."""
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


def clipped(a: Mapping[str, int], b: Mapping[str, int]) -> Units:
    """What is left of a: never below 0, and no zeros."""
    return {name: units - b.get(name, 0) for name, units in a.items() if units > b.get(name, 0)}


class Node:
    """A client's leaf, or an inner node with others below it."""

    def __init__(self, path: str, client: str | None) -> None:
        self.path = path
        self.client = client
        self.children: list[Node] = []
        self.grants = 0

    def leaves(self) -> Iterator[Node]:
        if self.client is not None:
            yield self
        for child in self.children:
            yield from child.leaves()


class Order:
    """Clients with what each has on each agent. Weights are by path, whether a client has that path or not."""

    def __init__(self, exclude: frozenset[str], weights: Mapping[str, float]) -> None:
        self.exclude = exclude
        self.weights = weights
        self.root = Node("", None)
        self.active: dict[str, bool] = {}
        self.held: dict[str, dict[str, Resources]] = {}

    # -- the tree

    def line(self, client: str) -> list[Node]:
        """The nodes from below the root down to the client's leaf."""
        return self._down(self.root, client)

    def _down(self, node: Node, client: str) -> list[Node]:
        for child in node.children:
            if child.client == client:
                return [child]
            if client == child.path or client.startswith(f"{child.path}/"):
                return [child, *self._down(child, client)]
        raise AssertionError(f"no client {client!r}")

    def add(self, client: str) -> None:
        """A client that is above others is a virtual leaf ``path/.`` among them."""
        self.active[client], self.held[client] = False, {}
        node = self.root
        parts = client.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            last = depth == len(parts)
            child = next((c for c in node.children if c.path == path), None)
            if child is None:
                child = Node(path, client if last else None)
                node.children.append(child)
            elif last:
                child.children.append(Node(f"{path}/.", client))
            elif child.client is not None:
                virtual = Node(f"{path}/.", child.client)
                virtual.grants = child.grants
                child.client, child.children = None, [virtual]
            node = child

    def remove(self, client: str) -> None:
        """Inner nodes that it leaves empty go too; a virtual leaf that it leaves alone is folded back."""
        line = [self.root, *self.line(client)]
        del self.active[client], self.held[client]
        for parent, child in zip(line[-2::-1], line[:0:-1], strict=True):
            parent.children.remove(child)
            if parent is self.root or len(parent.children) > 1:
                return
            if parent.children:
                (virtual,) = parent.children
                if virtual.path == f"{parent.path}/.":
                    parent.client, parent.children = virtual.client, []
                    parent.grants = virtual.grants
                return

    # -- what clients have

    def allocated(self, client: str, agent: str, amount: Resources) -> None:
        """A grant: it counts for the leaf and each node above it."""
        self.change(client, agent, Resources(), amount)
        for node in self.line(client):
            node.grants += 1

    def unallocated(self, client: str, agent: str, amount: Resources) -> None:
        """No grant, and none less."""
        self.change(client, agent, amount, Resources())

    def change(self, client: str, agent: str, old: Resources, new: Resources) -> None:
        """A part becomes something else, which is no grant."""
        there = self.held[client].get(agent, Resources()).minus(old) + new
        if there:
            self.held[client][agent] = there
        else:
            self.held[client].pop(agent, None)

    def units(self, node: Node) -> Units:
        """Scalars by name of all below the node, inactive clients too; a shared object once on each agent."""
        out: Units = {}
        shared: dict[str, Resources] = {}
        for leaf in node.leaves():
            for agent, amount in self.held[leaf.client or ""].items():
                copies = amount.shared
                if copies:
                    shared[agent] = shared.get(agent, Resources()) + copies
                out = plus(out, amount.minus(copies).quantities())
        for copies in shared.values():
            out = plus(out, copies.quantities())
        return out

    # -- questions

    def share(self, node: Node, total: Mapping[str, int]) -> float:
        """The largest part of a resource that counts and exists, divided by the weight of the path."""
        parts = [
            units / total[name]
            for name, units in self.units(node).items()
            if total.get(name, 0) and name not in self.exclude
        ]
        return max(parts, default=0.0) / self.weights.get(node.path, 1.0)

    def share_of(self, client: str, total: Mapping[str, int]) -> float:
        """That of its leaf."""
        return self.share(self.line(client)[-1], total)

    def sort(self, total: Mapping[str, int]) -> list[str]:
        """Active clients: siblings by share, grants and path, all below a node before the next."""
        return list(self._walk(self.root, total))

    def _walk(self, node: Node, total: Mapping[str, int]) -> Iterator[str]:
        if node.client is not None:
            if self.active[node.client]:
                yield node.client
            return
        children = node.children
        if len(children) > 1:
            children = sorted(children, key=lambda n: (self.share(n, total), n.grants, n.path))
        for child in children:
            yield from self._walk(child, total)
