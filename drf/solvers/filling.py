"""Divisible tasks of one pool in exact fractions: the levels at which users stop when all rise together.

Users that rise at the same rate, and stop at the same number of tasks, are one kind. What they use is a sum of
quotients whose denominators repeat, so it is added up by denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import gcd
from typing import NamedTuple


class Kind(NamedTuple):
    """Users alike: ``top / bottom`` tasks each for a level of 1, and the most tasks of each (None: no end)."""

    top: int
    bottom: int
    cap: int | Fraction | None

    def tasks(self, level: Fraction | None) -> Fraction:
        """What one of them has at that level (None: as high as it gets)."""
        if level is None or (self.cap is not None and level * self.top >= self.cap * self.bottom):
            return Fraction(self.cap or 0)
        return level * Fraction(self.top, self.bottom)


Use = Callable[[set[int]], Sequence[Sequence[int]]]
"""For needs: by kind what a task of each of its users with such needs takes in all, by resource."""


def fill(
    kinds: Sequence[Kind],
    chosen: Iterable[int],
    needs: Iterable[int],
    use: Use,
    free: list[Fraction],
) -> dict[int, Fraction | None]:
    """The level at which users stop, by what they need; ``free`` becomes what is left after it.

    ``needs`` are sets of resources as bits. Users of the ``chosen`` kinds rise until a resource that they need is used
    up, or to their cap; a level of None is that of needs which no resource stopped.

    >>> free = [Fraction(9), Fraction(18)]
    >>> two = [Kind(9, 2, None), Kind(3, 1, None)]
    >>> levels = fill(two, range(2), [0b11], lambda needs: [[1, 4], [3, 1]], free)
    >>> str(levels[0b11]), [str(kind.tasks(levels[0b11])) for kind in two], [str(f) for f in free]
    ('2/3', ['3', '2'], ['0', '4'])

    At most a round a resource, each of O(kinds x resources) and a call of ``use``, and a step of O(resources) a kind
    that comes to its cap. The numbers are as long as the least common multiple of the kinds' ``bottom``.
    """
    columns = range(len(free))
    empty = sum(1 << j for j in columns if free[j] <= 0)
    levels: dict[int, Fraction | None] = {n: Fraction(0) if n & empty else None for n in needs}
    rising = {n for n, level in levels.items() if level is None}
    going = {k for k in chosen if kinds[k].cap != 0}
    ends = [
        (Fraction(cap * kinds[k].bottom, kinds[k].top), cap, k)
        for k in going
        if (cap := kinds[k].cap)
    ]
    ends.sort(reverse=True)
    level = Fraction(0)
    scale, speeds = 1, [0] * len(free)
    while True:
        # What stopped at the level keeps what it has: the difference between the speeds before and after.
        uses: Sequence[Sequence[int]] = use(rising) if rising and going else ()
        before = [Fraction(speed, scale) for speed in speeds]
        scale, speeds = total(
            ((kinds[k].bottom, [kinds[k].top * q for q in uses[k]]) for k in going if uses),
            len(free),
        )
        for j in columns:
            free[j] -= level * (before[j] - Fraction(speeds[j], scale))
        # Caps that are come to before anything is used up, over whole numbers.
        tops: list[int | Fraction] = [f.numerator for f in free]
        bottoms = [f.denominator for f in free]
        while ends:
            cap, k = ends[-1][1:]
            top, bottom, _ = kinds[k]
            if any(
                cap * bottom * bottoms[j] * speeds[j] > top * tops[j] * scale
                for j in columns
                if speeds[j]
            ):
                break
            ends.pop()
            going.discard(k)
            if uses:
                part = top * (scale // bottom)
                for j in columns:
                    tops[j] -= cap * uses[k][j] * bottoms[j]
                    speeds[j] -= part * uses[k][j]
        free[:] = [Fraction(t) / b for t, b in zip(tops, bottoms, strict=True)]
        level = min(
            (free[j] * scale / speeds[j] for j in columns if speeds[j] > 0), default=Fraction(-1)
        )
        if level < 0:
            return levels
        full = sum(
            1 << j for j in columns if speeds[j] > 0 and free[j] * scale == level * speeds[j]
        )
        for n in [n for n in rising if n & full]:
            levels[n] = level
            rising.discard(n)


def total(terms: Iterable[tuple[int, list[int]]], columns: int) -> tuple[int, list[int]]:
    """The sum of quotients, given as (denominator, numerators by column), over one denominator.

    Equal denominators first, then by pairs, so that few numbers are long. O(terms x columns), and the length of the
    least common multiple times log(denominators).
    """
    by: dict[int, list[int]] = {}
    for bottom, tops in terms:
        if bottom in by:
            by[bottom] = [a + b for a, b in zip(by[bottom], tops, strict=True)]
        else:
            by[bottom] = tops
    level = sorted(by.items())
    while len(level) > 1:
        paired = [_added(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    return level[0] if level else (1, [0] * columns)


def _added(a: tuple[int, list[int]], b: tuple[int, list[int]]) -> tuple[int, list[int]]:
    shared = gcd(a[0], b[0])
    left, right = b[0] // shared, a[0] // shared
    return a[0] * left, [x * left + y * right for x, y in zip(a[1], b[1], strict=True)]
