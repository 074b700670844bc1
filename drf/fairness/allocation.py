"""What a rule made of an instance: tasks by user and machine, exact or rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, TypeAlias

from drf.errors import InvalidOption, InvalidQuantity, UnknownName
from drf.fairness.instance import ZERO, Instance, Vector

ROUNDING = Fraction(1, 10**9)
"""By how much, of the larger of 1 and the value, floats may miss what is due."""


@dataclass(frozen=True)
class Allocation:
    """``placed[i][k]``: tasks of user i on machine k. ``rounding`` is 0 where all of them came exact."""

    placed: tuple[Vector, ...]
    rounding: Fraction = ZERO

    @property
    def tasks(self) -> Vector:
        """The tasks by user; O(users x machines)."""
        return tuple(sum(row, ZERO) for row in self.placed)

    def bundle(self, instance: Instance, i: int, k: int) -> Vector:
        """What user i holds on machine k, by resource; O(resources)."""
        return tuple(self.placed[i][k] * d for d in instance.demands[i])

    def used(self, instance: Instance, k: int) -> Vector:
        """What all users hold on machine k, by resource; O(users x resources)."""
        rows = [self.bundle(instance, i, k) for i in range(len(instance.users))]
        return tuple(sum(column, ZERO) for column in zip(*rows, strict=True))

    def shares(self, instance: Instance) -> Vector:
        """Dominant shares of all machines together, by user, not divided by weights; O(users x resources)."""
        return tuple(x * instance.per_task(i) for i, x in enumerate(self.tasks))

    def above(self, value: Fraction, bound: Fraction) -> bool:
        """Whether a value is above a bound, and by more than what floats round; O(1)."""
        return value > bound + self.rounding * max(Fraction(1), abs(bound))

    def full(self, instance: Instance, k: int) -> tuple[bool, ...]:
        """Which resources of machine k are used up; O(users x resources)."""
        return tuple(
            not self.above(capacity, used)
            for capacity, used in zip(instance.machines[k], self.used(instance, k), strict=True)
        )

    def wants(self, instance: Instance, i: int) -> bool:
        """Whether user i is below its cap; O(machines)."""
        cap = instance.most(i)
        return cap is None or self.above(cap, self.tasks[i])


Rule: TypeAlias = Callable[[Instance], Any]
"""What is judged: it takes an instance and gives what `allocation_of` takes. See docs/howto-fairness.md."""


def allocation_of(instance: Instance, answer: Any) -> Allocation:
    """The answer of a rule as an `Allocation`: tasks by user, as a mapping of names or a sequence in order of users.

    >>> pool = Instance.of([9, 18], [[1, 4], [3, 1]])
    >>> allocation_of(pool, {"u0": 3, "u1": 2}) == allocation_of(pool, [3, 2])
    True

    The tasks of a user are a number or, with several machines, a sequence of numbers or a mapping of machine names
    (missing: 0). Ints and fractions are exact; with a float among them all comparisons allow for rounding
    (`ROUNDING`). O(users x machines). Raises UnknownName, InvalidOption and InvalidQuantity where the answer is none.
    """
    if isinstance(answer, Allocation):
        return answer
    if isinstance(answer, Mapping):
        for name in answer:
            if name not in instance.users:
                raise UnknownName("user in an allocation", name, instance.users)
        rows = [answer.get(user, 0) for user in instance.users]
    else:
        rows = list(answer)
    if len(rows) != len(instance.users):
        raise InvalidOption(
            f"the allocation has {len(rows)} users, the instance {len(instance.users)}; give tasks for each"
        )
    exact = True
    placed = []
    for user, row in zip(instance.users, rows, strict=True):
        cells = _cells(instance, user, row)
        exact = exact and all(isinstance(cell, Rational) for cell in cells)
        placed.append(tuple(_number(user, cell) for cell in cells))
    return Allocation(tuple(placed), ZERO if exact else ROUNDING)


def _cells(instance: Instance, user: str, row: Any) -> list[Any]:
    if isinstance(row, Mapping):
        for name in row:
            if name not in instance.hosts:
                raise UnknownName("machine in an allocation", name, instance.hosts)
        return [row.get(host, 0) for host in instance.hosts]
    cells = [row] if isinstance(row, Real) else list(row)
    if len(cells) != len(instance.hosts):
        raise InvalidOption(
            f"the allocation of {user} is for {len(cells)} machines, the instance has {len(instance.hosts)}; "
            f"give tasks on each"
        )
    return cells


def _number(user: str, value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidQuantity(
            f"the tasks of {user} are {value!r}; they are an int, a Fraction or a float"
        )
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    try:
        return Fraction(float(value))
    except (ValueError, OverflowError):
        raise InvalidQuantity(f"the tasks of {user} are {value}; they are finite") from None
