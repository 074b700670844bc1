"""Linear programs in exact fractions, for the small ones that a judge needs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

ZERO = Fraction(0)


def maximise(
    objective: Sequence[Fraction], rows: Sequence[Sequence[Fraction]], bounds: Sequence[Fraction]
) -> tuple[Fraction, list[Fraction]] | None:
    """The maximum of c x over A x <= b, x >= 0, and an x that reaches it; None where no x does all of it.

    >>> rows = [[Fraction(1), Fraction(3)], [Fraction(4), Fraction(1)]]
    >>> maximise([Fraction(1), Fraction(1)], rows, [Fraction(9), Fraction(18)])
    (Fraction(63, 11), [Fraction(45, 11), Fraction(18, 11)])

    Two-phase simplex on a dense tableau; the pivots are Bland's, so it ends (R. G. Bland, 1977). O(rows x variables)
    fractions a pivot. Raises ArithmeticError where there is no maximum.
    """
    wide, high = len(objective), len(rows)
    # One column for each variable, one slack for each row, one for how far the origin is from being feasible.
    table = [
        [
            *map(Fraction, row),
            *(Fraction(int(r == s)) for s in range(high)),
            Fraction(-1),
            Fraction(b),
        ]
        for r, (row, b) in enumerate(zip(rows, bounds, strict=True))
    ]
    basis = [wide + r for r in range(high)]
    far = wide + high
    worst = min(range(high), key=lambda r: table[r][-1], default=None)
    if worst is not None and table[worst][-1] < 0:
        _pivot(table, basis, worst, far)
        _climb(table, basis, [*[ZERO] * far, Fraction(-1)])
        if far in basis:
            row = basis.index(far)
            if table[row][-1] > 0:
                return None
            column = next(c for c in range(far) if table[row][c] != 0)
            _pivot(table, basis, row, column)
    for line in table:
        line[far] = ZERO
    _climb(table, basis, [*map(Fraction, objective), *[ZERO] * (high + 1)])
    solution = [ZERO] * wide
    for row, variable in enumerate(basis):
        if variable < wide:
            solution[variable] = table[row][-1]
    return sum((c * x for c, x in zip(objective, solution, strict=True)), ZERO), solution


def _climb(table: list[list[Fraction]], basis: list[int], objective: list[Fraction]) -> None:
    """Pivot until no variable that enters raises the objective; what each would raise it by is a line of its own."""
    gains = [*objective, ZERO]
    for variable, line in zip(basis, table, strict=True):
        gains = _less(gains, line, gains[variable])
    while True:
        entering = next((c for c, gain in enumerate(gains[:-1]) if gain > 0), None)
        if entering is None:
            return
        limits = [
            (line[-1] / line[entering], basis[r], r)
            for r, line in enumerate(table)
            if line[entering] > 0
        ]
        if not limits:
            raise ArithmeticError("the linear program has no maximum: nothing bounds it")
        row = min(limits)[2]
        _pivot(table, basis, row, entering)
        gains = _less(gains, table[row], gains[entering])


def _pivot(table: list[list[Fraction]], basis: list[int], row: int, column: int) -> None:
    scale = table[row][column]
    table[row] = [value / scale if value else value for value in table[row]]
    for r, line in enumerate(table):
        if r != row:
            table[r] = _less(line, table[row], line[column])
    basis[row] = column


def _less(line: list[Fraction], base: list[Fraction], factor: Fraction) -> list[Fraction]:
    if not factor:
        return line
    return [v - factor * b if b else v for v, b in zip(line, base, strict=True)]
