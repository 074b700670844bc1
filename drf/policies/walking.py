"""The walk that defines H-DRF: from the root to the child with the smallest dominant share, down to a leaf.

Whole tasks take the walk one by one. Divisible tasks flow: at each node the children with the smallest share rise
together; the speeds change where a resource is used up, a user has its most, a sibling is caught up with, or another
resource becomes a node's largest. All in fractions.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from drf.plugins import Answer, Problem
from drf.policies.shares import single

ZERO = Fraction(0)


class _Node:
    __slots__ = ("blocked", "children", "pace", "rank", "rate", "tasks", "used", "user", "weight")

    def __init__(self, weight: Fraction, rank: int, columns: int) -> None:
        self.weight = weight
        self.rank = rank
        self.user: int | None = None
        self.children: list[_Node] = []
        self.used = [ZERO] * columns
        self.rate = [ZERO] * columns
        self.pace = ZERO
        self.tasks = 0
        self.blocked = False

    @property
    def share(self) -> Fraction:
        return max(self.used, default=ZERO) / self.weight

    def going(self) -> list[_Node]:
        return [child for child in self.children if not child.blocked]

    def walk(self) -> Iterator[_Node]:
        yield self
        for child in self.children:
            yield from child.walk()


def _planted(problem: Problem) -> tuple[_Node, list[list[_Node]]]:
    """The root, and for each user the nodes from the root to its leaf."""
    columns = len(problem.resources)
    nodes: dict[str, _Node] = {"": _Node(Fraction(1), 0, columns)}
    users = set(problem.users)
    lines = []
    for i, user in enumerate(problem.users):
        line = [nodes[""]]
        steps = user.split("/")
        paths = ["/".join(steps[:depth]) for depth in range(1, len(steps) + 1)]
        above = any(other.startswith(f"{user}/") for other in users)
        for path in [*paths, f"{user}/."] if above else paths:
            if path not in nodes:
                weight = problem.nodes.get(path, Fraction(1))
                if path in users:
                    weight = problem.weights[problem.users.index(path)]
                nodes[path] = _Node(single(weight), problem.ranks[i], columns)
                line[-1].children.append(nodes[path])
            node = nodes[path]
            node.rank = min(node.rank, problem.ranks[i])
            line.append(node)
        line[-1].user = i
        lines.append(line)
    return nodes[""], lines


def _parts(problem: Problem, i: int) -> list[Fraction]:
    return [
        q / top if top > 0 else ZERO
        for q, top in zip(problem.demands[i], problem.capacity, strict=True)
    ]


def _block(node: _Node) -> None:
    for child in node.children:
        _block(child)
    if node.children:
        node.blocked = all(child.blocked for child in node.children)


def divide_walking(problem: Problem) -> Answer:
    """Whole tasks, one walk each; O(tasks x siblings on the path x resources)."""
    root, lines = _planted(problem)
    free = list(problem.capacity)
    parts = [_parts(problem, i) for i in range(len(problem.users))]
    tasks, picks = [0] * len(problem.users), []
    for i, line in enumerate(lines):
        line[-1].blocked = problem.caps[i] == 0
    _block(root)
    while problem.users and not root.blocked:
        node = root
        while node.user is None:
            node = min(
                node.going(), key=lambda c: (c.share, c.tasks if problem.by_grants else 0, c.rank)
            )
        i = node.user
        if any(q > f for q, f in zip(problem.demands[i], free, strict=True)):
            if problem.on_blocked == "stop":
                break
            node.blocked = True
        else:
            for j, q in enumerate(problem.demands[i]):
                free[j] -= q
            for above in lines[i]:
                above.tasks += 1
                above.used = [a + b for a, b in zip(above.used, parts[i], strict=True)]
            tasks[i] += 1
            picks.append(i)
            node.blocked = tasks[i] == problem.caps[i]
        if node.blocked:
            for above in reversed(lines[i][:-1]):
                above.blocked = all(child.blocked for child in above.children)
    return Answer(tasks, picks if problem.steps else ())


def divide_fluid(problem: Problem) -> Answer:
    """Divisible tasks, exactly; O(events x nodes x resources)."""
    root, lines = _planted(problem)
    columns = range(len(problem.resources))
    parts = [_parts(problem, i) for i in range(len(problem.users))]
    tasks = [ZERO] * len(problem.users)
    while True:
        free = [1 - used for used in root.used]
        for i, line in enumerate(lines):
            line[-1].blocked = tasks[i] == problem.caps[i] or any(
                parts[i][j] > 0 and free[j] <= 0 for j in columns
            )
        _block(root)
        if not problem.users or root.blocked:
            return Answer(tasks)
        for node in root.walk():
            node.rate, node.pace = [ZERO] * len(columns), ZERO
        _flow(root, parts)
        _scale(root, Fraction(1))
        ends = [free[j] / root.rate[j] for j in columns if root.rate[j] > 0]
        for i, line in enumerate(lines):
            cap = problem.caps[i]
            if cap is not None and any(line[-1].rate):
                j = next(j for j in columns if parts[i][j] > 0)
                ends.append((cap - tasks[i]) * parts[i][j] / line[-1].rate[j])
        for node in root.walk():
            ends += _turns(node)
        step = min(ends)
        for node in root.walk():
            node.used = [a + step * r for a, r in zip(node.used, node.rate, strict=True)]
        for i, line in enumerate(lines):
            j = next(j for j in columns if parts[i][j] > 0)
            tasks[i] = line[-1].used[j] / parts[i][j]


def _flow(node: _Node, parts: list[list[Fraction]]) -> None:
    """How a node grows if all of its rise goes where it should, and how fast its share by weight does then."""
    if node.user is not None:
        node.rate = list(parts[node.user])
    else:
        going = node.going()
        least = min(child.share for child in going)
        front = [child for child in going if child.share == least]
        for child in front:
            _flow(child, parts)
        # A child whose share does not grow yet (another resource is its largest) takes all of it until it does.
        still = [child for child in front if child.pace == 0]
        if still:
            front = [min(still, key=lambda child: child.rank)]
        for child in going:
            factor = ZERO if child not in front else (1 / child.pace if child.pace else Fraction(1))
            if child.rate:
                _scale(child, factor)
        node.rate = [sum((c.rate[j] for c in front), ZERO) for j in range(len(node.used))]
    top = max(node.used, default=ZERO)
    node.pace = (
        max(r for r, used in zip(node.rate, node.used, strict=True) if used == top) / node.weight
    )


def _scale(node: _Node, factor: Fraction) -> None:
    for below in node.walk():
        below.rate = [r * factor for r in below.rate]
        below.pace *= factor


def _turns(node: _Node) -> list[Fraction]:
    """When another resource becomes the node's largest, and when a rising child catches up with a sibling."""
    top, pace = max(node.used, default=ZERO), node.pace * node.weight
    out = [
        (top - used) / (r - pace)
        for r, used in zip(node.rate, node.used, strict=True)
        if r > pace and used < top
    ]
    going = node.going()
    rising = [child for child in going if child.pace > 0]
    if rising:
        level, speed = rising[0].share, rising[0].pace
        out += [(child.share - level) / speed for child in going if child.share > level]
    return out
