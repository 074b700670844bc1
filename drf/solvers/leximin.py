"""Leximin over machines: the smallest share as large as it can be, then the second smallest, and so on.

One linear program a round: raise the level of all users that are not fixed; whoever's row has a price above 0 cannot
rise above it and is fixed there. At least one is fixed in each round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from drf.solvers import highs, linear
from drf.solvers.linear import Row

TOLERANCE = 1e-9


def divide(
    demands: Sequence[Sequence[Fraction]],
    rooms: Sequence[Sequence[Fraction]],
    eligible: Sequence[Sequence[int]],
    rates: Sequence[Fraction],
    caps: Sequence[int | Fraction | None],
    exact: bool,
    speeds: Sequence[Sequence[Fraction]] | None = None,
) -> list[list[Any]]:
    """Divisible tasks of each user on each machine, such that the sorted tasks / rate are lexicographically largest.

    >>> F = Fraction
    >>> on = divide([[F(1)], [F(2)]], [[F(2)], [F(1)]], [[0, 1], [0]], [F(1), F(1)], [None, None], True)
    >>> [str(sum(row)) for row in on]
    ['1', '1']

    ``rates[i]`` is how many tasks a share of 1 is; users of rate 0 get none. ``speeds[i][k]`` is
    how much a task of user i on machine k counts (1, if it is not given).
    At most as many linear programs as users. Raises MissingExtra without ``exact`` where highspy is not there.
    """
    column: dict[tuple[int, int], int] = {}
    for i, machines in enumerate(eligible):
        for k in machines:
            if all(rooms[k][j] > 0 for j, q in enumerate(demands[i]) if q > 0):
                column[i, k] = len(column)
    level = len(column)
    rows: list[Row] = []
    for k, room in enumerate(rooms):
        for j, top in enumerate(room):
            use = {
                column[i, k]: demand[j]
                for i, demand in enumerate(demands)
                if (i, k) in column and demand[j] > 0
            }
            if use:
                rows.append((use, top))
    mine: list[dict[int, Fraction]] = [{} for _ in demands]
    for (i, k), c in column.items():
        mine[i][c] = speeds[i][k] if speeds else Fraction(1)
    for i, cap in enumerate(caps):
        if cap is not None and mine[i]:
            rows.append(({c: Fraction(1) for c in mine[i]}, Fraction(cap)))
    fixed: dict[int, Any] = {i: 0 for i in range(len(demands)) if not mine[i] or not rates[i]}
    values: list[Any] = [0] * level
    solver: Callable[..., Any] = linear.maximize if exact else highs.maximize
    one = Fraction(1)
    goal = [Fraction(0)] * level + [one]
    while len(fixed) < len(demands):
        rising = [i for i in range(len(demands)) if i not in fixed]
        asked: list[Row] = [
            ({**{c: -speed / rates[i] for c, speed in mine[i].items()}, level: one}, Fraction(0))
            for i in rising
        ]
        kept: list[Row] = [
            ({c: -speed for c, speed in mine[i].items()}, -at) for i, at in fixed.items() if at > 0
        ]
        found: tuple[list[Any], list[Any]] = solver(goal, [*asked, *kept, *rows])
        values, prices = found
        top = values[level]
        least = 0 if exact else TOLERANCE * max(prices[: len(rising)])
        for i, price in zip(rising, prices, strict=False):
            if price > least:
                # In doubles a hair is left, so that the next program is not infeasible by a rounding.
                fixed[i] = top * rates[i] if exact else Fraction(top * (1 - TOLERANCE)) * rates[i]
    return [
        [values[column[i, k]] if (i, k) in column else 0 for k in range(len(rooms))]
        for i in range(len(demands))
    ]
