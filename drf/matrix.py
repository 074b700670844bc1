"""Many rows as columns: whole numbers in arrays that read as rows of fractions, and values drawn from a few.

What goes through all users at once reads the arrays; everything else sees sequences. It works on arrays that numpy
made; nothing here imports it before there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, overload

DIGITS = 9
"""So many decimals of floats are looked for."""

LIMIT = 1 << 53
EXACT = 10**15
"""Below, a float has one text of so few digits."""


class Made(Sequence[Any]):
    """A sequence that makes its items when they are asked for."""

    def take(self, rows: Any) -> Made:
        """Those rows, as a sequence of the same kind; O(rows)."""
        raise NotImplementedError

    def __iter__(self) -> Any:
        return (self._item(i) for i in range(len(self)))

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> list[Any]: ...
    def __getitem__(self, i: int | slice) -> Any:
        if isinstance(i, slice):
            return [self._item(k) for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"row {i} of {len(self)}")
        return self._item(i % len(self))

    def _item(self, i: int) -> Any:
        raise NotImplementedError


class Labels(Made):
    """The numbers of rows, as names; O(1).

    >>> list(Labels(range(2)))
    ['0', '1']
    """

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Any) -> Labels:
        return Labels([self.numbers[i] for i in rows])

    def _item(self, i: int) -> str:
        return str(self.numbers[i])


class Drawn(Made):
    """Row i is ``values[kind[i]]``: many rows with few values; O(1) a row.

    >>> list(Drawn(["a", "b"], [1, 0, 1]))
    ['b', 'a', 'b']
    """

    def __init__(self, values: Sequence[Any], kind: Any) -> None:
        self.values, self.kind = values, kind

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Any) -> Drawn:
        return Drawn(self.values, self.kind[rows])

    def _item(self, i: int) -> Any:
        return self.values[int(self.kind[i])]


class Matrix(Made):
    """Amounts by user and resource: ``units[i, j] / scale``, whole numbers below 2**53; rows are lists of fractions."""

    def __init__(self, units: Any, scale: int) -> None:
        self.units, self.scale = units, scale

    def __len__(self) -> int:
        return len(self.units)

    def take(self, rows: Any) -> Matrix:
        return Matrix(self.units[rows], self.scale)

    def _item(self, i: int) -> list[Fraction]:
        return [Fraction(q, self.scale) for q in self.units[i].tolist()]


def read(*arrays: Any) -> tuple[list[Any], int] | None:
    """Arrays as whole numbers of one unit, and how many of it make 1; None where they are not so; O(size).

    Floats are taken by their shortest text, of up to 9 decimals. Numbers are finite, at least 0 and below 2**53 units.
    """
    import numpy as np  # noqa: PLC0415 (as above)

    scale = 1
    found = []
    for array in arrays:
        one = _units(np, array)
        if one is None:
            return None
        found.append(one)
        scale = max(scale, one[1])
    out = []
    for units, own in found:
        if units.size and int(units.max()) >= LIMIT // (scale // own):
            return None
        out.append(units if scale == own else units * (scale // own))
    return out, scale


def _units(np: Any, array: Any) -> tuple[Any, int] | None:
    if array.dtype.kind not in "iuf" or (array.size and not array.min() >= 0):
        return None
    if array.dtype.kind in "iu":
        fits = not array.size or int(array.max()) < LIMIT
        return (
            (array.astype(np.int64, order="F"), 1) if fits else None
        )  # columns are read one by one
    if array.dtype != np.float64 or not np.isfinite(array).all():
        return None
    for digits in range(DIGITS + 1):
        scale = 10**digits
        units = np.rint(array * scale)
        if array.size and units.max() >= EXACT:
            return None
        # Two texts of up to 15 digits are two floats: if this one is the float, it is its text.
        if (units / scale == array).all():
            return units.astype(np.int64, order="F"), scale
    return None


def largest_parts(units: Any, capacity: Sequence[int], counted: Sequence[int]) -> Any:
    """For each row the column, of those counted, with the largest ``units / capacity``, exactly, the first of equals.

    -1 where all of them are 0. O(rows x columns).
    """
    import numpy as np  # noqa: PLC0415 (as above)

    n = len(units)
    best = np.zeros(n)
    column = np.full(n, -1)
    tops = np.array([int(top) for top in capacity], dtype=np.int64)
    for j in counted:
        if capacity[j] == 0:
            continue
        mine = units[:, j]
        part = mine / float(capacity[j])
        # Each rounds once: where they differ by more than two roundings the floats tell the larger.
        near = np.flatnonzero((np.abs(part - best) <= part * 2.0**-51) & (column >= 0) & (mine > 0))
        more = part > best
        if len(near):
            other = column[near]
            left, right = mine[near], units[near, other]
            if (
                int(left.max()) * int(tops.max()) >= 1 << 63
                or int(right.max()) * int(tops.max()) >= 1 << 63
            ):
                left, right = left.astype(object), right.astype(object)
            more[near] = left * tops[other] > right * int(capacity[j])
        best = np.where(more, part, best)
        column = np.where(more, j, column)
    return column


def distinct(*keys: Any) -> tuple[Any, Any]:
    """Rows with the same keys as one: a row of each kind, and the kind of each row; O(rows), sorted where sparse.

    Keys are arrays of whole numbers, at least 0.
    """
    import numpy as np  # noqa: PLC0415 (as above)

    n = len(keys[0])
    kind = np.zeros(n, dtype=np.int64)
    kinds = 1
    for key in keys:
        span = int(key.max()) + 1 if n else 1
        if kinds * span >= 1 << 62:
            key, span = _numbered(np, key, span)
        kind = kind * span + key
        kind, kinds = _numbered(np, kind, kinds * span)
    first = np.zeros(kinds, dtype=np.int64)
    first[kind[::-1]] = np.arange(n - 1, -1, -1)
    return first, kind


def _numbered(np: Any, key: Any, span: int) -> tuple[Any, int]:
    """The key's values numbered without gaps."""
    if span <= 4 * len(key) + 1024:
        there = np.bincount(key, minlength=span) > 0
        number = np.cumsum(there) - 1
        return number[key], int(number[-1]) + 1 if span else 0
    values, number = np.unique(key, return_inverse=True)
    return number, len(values)


def sums(kind: Any, kinds: int, column: Any) -> list[int]:
    """The exact sum of a column of whole numbers below 2**53 over the rows of each kind; O(rows)."""
    import numpy as np  # noqa: PLC0415 (as above)

    if len(column) == 0 or int(column.max()) * len(column) < LIMIT:
        return [int(s) for s in np.bincount(kind, weights=column, minlength=kinds).tolist()]
    # In two halves, each of which adds up within 53 bits for up to 2**26 rows.
    high = np.bincount(kind, weights=column >> 26, minlength=kinds).tolist()
    low = np.bincount(kind, weights=column & ((1 << 26) - 1), minlength=kinds).tolist()
    return [(int(h) << 26) + int(k) for h, k in zip(high, low, strict=True)]
