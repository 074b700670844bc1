"""Linear programs and linear systems in exact fractions: small, slow, and without a rounding.

A program is ``maximize c x`` with ``A x <= b`` and ``x >= 0``. The simplex method goes by Bland's rule, which ends
(Bland, "New finite pivoting rules for the simplex method", 1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from drf.errors import Infeasible

Row = tuple[Mapping[int, Fraction], Fraction]
"""Coefficients by column, and what their sum may be at most."""


class Optimum(NamedTuple):
    """The values of the variables, and by how much the goal grows with each row's limit (its dual price)."""

    values: list[Fraction]
    prices: list[Fraction]


def maximize(goal: Sequence[Fraction], rows: Sequence[Row]) -> Optimum:
    """The best values, exactly; O(pivots x rows x columns), pivots grow fast beyond some hundred columns.

    >>> maximize([Fraction(1), Fraction(1)], [({0: Fraction(2), 1: Fraction(1)}, Fraction(4)),
    ...     ({0: Fraction(1), 1: Fraction(3)}, Fraction(6))]).values
    [Fraction(6, 5), Fraction(8, 5)]

    Raises Infeasible where no values meet all rows, or the goal has no end.
    """
    n, m = len(goal), len(rows)
    artificial = [i for i, (_, limit) in enumerate(rows) if limit < 0]
    width = n + m + len(artificial)
    table: list[list[Fraction]] = []
    basis: list[int] = []
    for i, (coefficients, limit) in enumerate(rows):
        row = [Fraction(0)] * (width + 1)
        for column, value in coefficients.items():
            row[column] = Fraction(value)
        row[n + i] = Fraction(1)
        row[width] = Fraction(limit)
        if limit < 0:
            row = [-x for x in row]
            row[n + m + artificial.index(i)] = Fraction(1)
            basis.append(n + m + artificial.index(i))
        else:
            basis.append(n + i)
        table.append(row)
    if artificial:
        first = [Fraction(0)] * (n + m) + [Fraction(-1)] * len(artificial)
        line = _priced(first, table, basis, width)
        _pivot_on(table, basis, line, width)
        if line[width] != 0:
            raise Infeasible("the linear program has no solution; loosen one of its limits")
        for i, column in enumerate(basis):
            if column >= n + m:  # an artificial column that stayed at 0 leaves for any other
                other = next((j for j in range(n + m) if table[i][j] != 0), None)
                if other is not None:
                    _pivot(table, basis, line, i, other)
    line = _priced([*map(Fraction, goal), *([Fraction(0)] * m)], table, basis, width)
    _pivot_on(table, basis, line, n + m)
    values = [Fraction(0)] * n
    for i, column in enumerate(basis):
        if column < n:
            values[column] = table[i][width]
    return Optimum(values, [-line[n + i] for i in range(m)])


def _priced(
    goal: Sequence[Fraction], table: list[list[Fraction]], basis: list[int], width: int
) -> list[Fraction]:
    """The goal's row, with the basic columns at 0; its last entry is minus the goal's value."""
    line = [*goal, *([Fraction(0)] * (width + 1 - len(goal)))]
    for row, column in zip(table, basis, strict=True):
        factor = line[column]
        if factor:
            line = [a - factor * b for a, b in zip(line, row, strict=True)]
    return line


def _pivot_on(
    table: list[list[Fraction]], basis: list[int], line: list[Fraction], columns: int
) -> None:
    last = len(line) - 1
    while True:
        entering = next((j for j in range(columns) if line[j] > 0), None)
        if entering is None:
            return
        leaving = min(
            (
                (row[last] / row[entering], basis[i], i)
                for i, row in enumerate(table)
                if row[entering] > 0
            ),
            default=None,
        )
        if leaving is None:
            raise Infeasible("the linear program has no end; give every user a limit")
        _pivot(table, basis, line, leaving[2], entering)


def _pivot(
    table: list[list[Fraction]], basis: list[int], line: list[Fraction], i: int, column: int
) -> None:
    pivot = table[i][column]
    table[i] = base = [x / pivot if x else x for x in table[i]]
    for k, row in enumerate(table):
        factor = row[column]
        if k != i and factor:
            table[k] = [a - factor * b if b else a for a, b in zip(row, base, strict=True)]
    factor = line[column]
    if factor:
        line[:] = [a - factor * b if b else a for a, b in zip(line, base, strict=True)]
    basis[i] = column


def solve(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> list[Fraction] | None:
    """The one solution of a linear system (rows may be more than columns), or None; O(rows x columns^2).

    >>> solve([[Fraction(1), Fraction(1)], [Fraction(1), Fraction(-1)]], [Fraction(3), Fraction(1)])
    [Fraction(2, 1), Fraction(1, 1)]
    """
    table = [[*map(Fraction, row), Fraction(b)] for row, b in zip(matrix, right, strict=True)]
    columns = len(table[0]) - 1 if table else 0
    for j in range(columns):
        found = next((i for i in range(j, len(table)) if table[i][j] != 0), None)
        if found is None:
            return None
        table[j], table[found] = table[found], table[j]
        pivot = table[j][j]
        table[j] = [x / pivot for x in table[j]]
        for i, row in enumerate(table):
            if i != j and row[j]:
                factor = row[j]
                table[i] = [a - factor * b for a, b in zip(row, table[j], strict=True)]
    if any(row[columns] for row in table[columns:]):
        return None
    return [row[columns] for row in table[:columns]]
