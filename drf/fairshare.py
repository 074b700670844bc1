"""Who has how much of its fair share, and which moves make that fairer: the order that keeps reclaims from chasing.

Every role, and in each role every framework, has a fair share: its parent's, divided by weight among all siblings. A
node's *ratio* is its dominant share divided by its fair share. All in exact fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from drf.roles import NONE, Quantities, add_to, line_of

Member = tuple[str, str]
"""Role and framework: a leaf."""

Moves = Mapping[Member, Mapping[str, int]]
"""Units that members gain, or (below 0) lose, by name."""

ONE = Fraction(1)


class FairShares:
    """The tree of roles and frameworks with what each holds.

    >>> shares = FairShares({"cpus": 8}, [("a", "f"), ("b", "g")], lambda role: 1.0)
    >>> shares.add(("a", "f"), {"cpus": 6})
    >>> shares.ratios({})["a", "f"]
    (Fraction(3, 2),)
    >>> shares.improves({("a", "f"): {"cpus": -2}, ("b", "g"): {"cpus": 2}}, ("b", "g"))
    True
    >>> shares.improves({("a", "f"): {"cpus": -6}, ("b", "g"): {"cpus": 6}}, ("b", "g"))    # they would swap places
    False

    ``total``: units of the resources that count. ``weight_of``: the weight of a role among its siblings. A framework
    counts as 1 among the frameworks of its role; the frameworks of a role that has roles below it stand together as
    one child of it, of weight 1. O(members x depth).
    """

    def __init__(
        self,
        total: Quantities,
        members: Iterable[Member],
        weight_of: Callable[[str], float],
    ) -> None:
        self._total = {name: units for name, units in total.items() if units}
        self._held: dict[str, dict[str, int]] = {}
        children: dict[str, dict[str, Fraction]] = {}
        members = sorted(set(members))
        inner = {up for role, _ in members for up in line_of(role)[1:]}
        self._paths: dict[Member, tuple[str, ...]] = {}
        for role, framework in members:
            path = line_of(role)[::-1]
            weights = [Fraction(weight_of(name)) for name in path]
            if role in inner:
                path.append(f"{role}/.")
                weights.append(ONE)
            path.append(f"{path[-1]}/:{framework}")  # no role is called so
            weights.append(ONE)
            parent = ""
            for node, weight in zip(path, weights, strict=True):
                children.setdefault(parent, {})[node] = weight
                parent = node
            self._paths[role, framework] = tuple(path)
        self._fair = {"": ONE}
        self._alone: set[str] = set()
        queue = [""]
        for parent in queue:
            below = children.get(parent, {})
            whole = sum(below.values())
            for node, weight in below.items():
                self._fair[node] = self._fair[parent] * weight / whole
                queue.append(node)
            if len(below) == 1:
                self._alone.update(below)

    def add(self, member: Member, units: Mapping[str, int], sign: int = 1) -> None:
        """The member holds so much more (sign 1) or less (-1); O(depth x names)."""
        for node in self._paths[member]:
            add_to(self._held.setdefault(node, {}), units, sign)

    def ratios(self, moves: Moves) -> dict[Member, tuple[Fraction, ...]]:
        """By member the ratios, after the moves, of each node on its way from the top; O(members x depth).

        Nodes without siblings are left out.
        """
        more = {node: units for level in self._levels(moves) for node, units in level.items()}
        found = {
            node: self._ratio(node, more.get(node, NONE))
            for node in self._fair
            if node and node not in self._alone
        }
        return {
            member: tuple(found[node] for node in path if node in found)
            for member, path in self._paths.items()
        }

    def parted(
        self, one: Member, other: Member, gain: Quantities = NONE, more: Quantities = NONE
    ) -> tuple[Fraction, Fraction]:
        """The ratios of both, with what they gain, where their ways from the top part; O(depth)."""
        ways = zip(self._paths[one], self._paths[other], strict=False)
        mine, its = next((pair for pair in ways if pair[0] != pair[1]), ("", ""))
        return self._ratio(mine, gain), self._ratio(its, more)

    def improves(self, moves: Moves, claimant: Member) -> bool:
        """Whether the moves are fair, and can be part of no cycle of fair moves; O(moves x depth).

        *Fair*: among the siblings where the claimant's way from the top parts from the others', the vector of ratios,
        lowest first, grows lexicographically. *No cycle*: so does the vector of all ratios, cut at 1, of each depth
        in turn, and where those stay as they are the vector of all ratios, uncut.
        """
        levels = self._levels(moves)
        parting = next((level for level in levels if len(level) > 1), None)
        if parting is not None and not _grows(self._change(parting, None)):
            return False
        for top in (ONE, None):
            for level in levels:
                pairs = [pair for pair in self._change(level, top) if pair[0] != pair[1]]
                if pairs:
                    return _grows(pairs)
        return False

    def _levels(self, moves: Moves) -> list[dict[str, dict[str, int]]]:
        """What changes, by depth and node."""
        levels: list[dict[str, dict[str, int]]] = []
        for member, units in moves.items():
            for depth, node in enumerate(self._paths[member]):
                if depth == len(levels):
                    levels.append({})
                add_to(levels[depth].setdefault(node, {}), units, 1)
        return levels

    def _change(
        self, level: Mapping[str, Mapping[str, int]], top: Fraction | None
    ) -> list[tuple[Fraction, Fraction]]:
        pairs = [
            (self._ratio(node, {}), self._ratio(node, units))
            for node, units in level.items()
            if node not in self._alone
        ]
        return pairs if top is None else [(min(a, top), min(b, top)) for a, b in pairs]

    def _ratio(self, node: str, more: Mapping[str, int]) -> Fraction:
        held = self._held.get(node, {})
        most = max(
            (
                Fraction(held.get(name, 0) + more.get(name, 0), total)
                for name, total in self._total.items()
            ),
            default=Fraction(0),
        )
        return most / self._fair[node]


def _grows(pairs: Iterable[tuple[Fraction, Fraction]]) -> bool:
    """Whether the new entries, sorted, are lexicographically above the old ones: what is equal in both cancels."""
    pairs = list(pairs)
    return sorted(new for _, new in pairs) > sorted(old for old, _ in pairs)
