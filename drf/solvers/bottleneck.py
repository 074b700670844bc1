"""Bottleneck max fairness, exactly: every user has a resource that is used up, of which nobody holds more (by weight).

Bonald and Roberts, "Multi-resource fairness: objectives, algorithms and performance", SIGMETRICS 2015. Say resource j
has level L_j: nobody's weighted share of it is above. Then each user is stopped by one resource (or by its cap), and
which one depends on the ratios of the levels alone. The search goes through the patterns that some levels can make,
and for each solves the linear system in which the chosen resources are used up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from drf.errors import NotSupported
from drf.solvers.linear import solve

PATTERNS = 200_000

_Ratios = list[list[Fraction | None]]
"""``ratios[a][b]``: L_a / L_b is at most this (None: no limit); the last row stands for the number 1."""


def divide(
    unit: Sequence[Sequence[Fraction]],
    parts: Sequence[Sequence[Fraction]],
    caps: Sequence[int | Fraction | None],
) -> list[Fraction]:
    """The tasks of each user; of several answers the one whose sorted largest weighted shares are lexicographically
    largest, then the one that gives the first users most.

    ``unit[i][j]`` is the share of resource j that one task of user i takes, ``parts`` the same divided by the weight.
    Patterns grow like users^(resources - 1); raises NotSupported above 200 000 of them.

    >>> F = Fraction
    >>> one = [[F(1, 9), F(4, 18)], [F(3, 9), F(1, 18)]]
    >>> [str(x) for x in divide(one, one, [None, None])]
    ['45/11', '18/11']
    """
    n, m = len(unit), len(unit[0]) if unit else 0
    best: tuple[list[Fraction], list[Fraction]] | None = None
    budget = [PATTERNS]
    for size in range(m + 1):
        for chosen in combinations(range(m), size):
            for stopped in _patterns(parts, caps, chosen, budget):
                tasks = _solved(unit, parts, caps, chosen, stopped)
                if tasks is not None:
                    merit = sorted(max(x * q for q in parts[i]) for i, x in enumerate(tasks))
                    if best is None or (merit, tasks) > best:
                        best = (merit, tasks)
    if best is None:
        raise NotSupported(f"no bottleneck max fair division of these {n} users was found")
    return best[1]


def _patterns(
    parts: Sequence[Sequence[Fraction]],
    caps: Sequence[int | Fraction | None],
    chosen: tuple[int, ...],
    budget: list[int],
) -> Iterator[list[int]]:
    """For each user the place in ``chosen`` of the resource that stops it (the number 1 at the end: its cap)."""
    one = len(chosen)
    start: _Ratios = [[None] * (one + 1) for _ in range(one + 1)]

    def below(i: int, by: int, ratios: _Ratios) -> _Ratios | None:
        """User i is stopped by ``by``: what it makes of the ratios, or None where they cannot be."""
        limits = [parts[i][j] for j in chosen]
        new = [list(row) for row in ratios]
        for a in range(one):
            if a == by or not limits[a]:
                continue
            # Stopped by b: L_b / q_b <= L_a / q_a. At its cap c: c <= L_a / q_a.
            most = (
                limits[by] / limits[a]
                if by < one
                else 1 / (Fraction(caps[i] or 0) * limits[a])
                if caps[i]
                else None
            )
            if most is not None and not _tighten(new, by, a, most):
                return None
        if (
            by < one
            and caps[i] is not None
            and not _tighten(new, by, one, limits[by] * Fraction(caps[i] or 0))
        ):
            return None
        return new

    def place(i: int, ratios: _Ratios, stopped: list[int]) -> Iterator[list[int]]:
        if i == len(parts):
            if all(a in stopped for a in range(one)):
                budget[0] -= 1
                if budget[0] < 0:
                    raise NotSupported(
                        f"bottleneck max fairness of {len(parts)} users and {len(parts[0])} resources has more than "
                        f"{PATTERNS} patterns to look through; divide fewer users, or take policy ceei"
                    )
                yield stopped
            return
        for by in range(one + 1):
            if (caps[i] is None) if by == one else not parts[i][chosen[by]]:
                continue
            new = below(i, by, ratios)
            if new is not None:
                yield from place(i + 1, new, [*stopped, by])

    yield from place(0, start, [])


def _tighten(ratios: _Ratios, a: int, b: int, most: Fraction) -> bool:
    """Note L_a <= most x L_b and what follows from it; False where the ratios go round to less than 1."""
    old = ratios[a][b]
    if old is not None and old <= most:
        return True
    back = ratios[b][a]
    if back is not None and back * most < 1:
        return False
    size = range(len(ratios))
    ratios[a][b] = most
    for c in size:
        to_a = Fraction(1) if c == a else ratios[c][a]
        if to_a is None:
            continue
        for d in size:
            from_b = Fraction(1) if d == b else ratios[b][d]
            if from_b is None or c == d:
                continue
            via = to_a * most * from_b
            now = ratios[c][d]
            if now is None or via < now:
                ratios[c][d] = via
    return True


def _solved(
    unit: Sequence[Sequence[Fraction]],
    parts: Sequence[Sequence[Fraction]],
    caps: Sequence[int | Fraction | None],
    chosen: tuple[int, ...],
    stopped: list[int],
) -> list[Fraction] | None:
    """The tasks where the chosen resources are used up and each user is stopped so, if they fit and are fair."""
    one = len(chosen)
    matrix = [[Fraction(0)] * one for _ in chosen]
    right = [Fraction(1) for _ in chosen]
    for i, by in enumerate(stopped):
        for row, j in enumerate(chosen):
            if by == one:
                right[row] -= unit[i][j] * Fraction(caps[i] or 0)
            else:
                matrix[row][by] += unit[i][j] / parts[i][chosen[by]]
    levels = solve(matrix, right) if one else []
    if levels is None or any(level <= 0 for level in levels):
        return None
    tasks = [
        Fraction(caps[i] or 0) if by == one else levels[by] / parts[i][chosen[by]]
        for i, by in enumerate(stopped)
    ]
    for i, x in enumerate(tasks):
        cap = caps[i]
        if cap is not None and x > cap:
            return None
        if any(x * parts[i][j] > level for j, level in zip(chosen, levels, strict=True)):
            return None
    for j in range(len(unit[0])):
        if sum((x * row[j] for x, row in zip(tasks, unit, strict=True)), Fraction(0)) > 1:
            return None
    return tasks
