"""Figures of one division: how even, how full, how far from what is due."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from drf.errors import InvalidOption, NotSupported
from drf.fairness.allocation import allocation_of
from drf.fairness.envy import would_run
from drf.fairness.instance import ZERO, Instance
from drf.fairness.oracles import fill
from drf.fairness.sharing import alone


def jain(values: Sequence[Fraction]) -> Fraction:
    """Jain's index (sum x)^2 / (n sum x^2): 1 where all are equal, 1/n where one has all; all 0 counts as equal; O(n).

    R. Jain, D. Chiu, W. Hawe, DEC Research Report TR-301, 1984. Raises InvalidOption without values.

    >>> jain([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
    Fraction(6, 7)
    """
    if not values:
        raise InvalidOption("Jain's index of no values is not defined; give at least one")
    squares = sum((x * x for x in values), ZERO)
    return sum(values, ZERO) ** 2 / (len(values) * squares) if squares else Fraction(1)


def max_min_ratio(values: Sequence[Fraction]) -> Fraction | None:
    """The largest value over the smallest, None where that is 0; O(n). Raises InvalidOption without values.

    >>> max_min_ratio([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
    Fraction(3, 1)
    """
    if not values:
        raise InvalidOption("the ratio of no values is not defined; give at least one")
    return max(values) / min(values) if min(values) else None


def min_share(instance: Instance, allocation: Any) -> Fraction:
    """The least dominant share; O(users x resources)."""
    return min(allocation_of(instance, allocation).shares(instance))


def sum_of_shares(instance: Instance, allocation: Any) -> Fraction:
    """The sum of all dominant shares; O(users x resources)."""
    return sum(allocation_of(instance, allocation).shares(instance), ZERO)


def nash_product(instance: Instance, allocation: Any) -> Fraction:
    """The product of all dominant shares; O(users x resources)."""
    return math.prod(allocation_of(instance, allocation).shares(instance), start=Fraction(1))


def utilisation(instance: Instance, allocation: Any) -> dict[str, Fraction | None]:
    """The used part of each resource of all machines, None where there is none; O(users x machines x resources)."""
    a = allocation_of(instance, allocation)
    used = [a.used(instance, k) for k in range(len(instance.machines))]
    return {
        name: sum((row[j] for row in used), ZERO) / capacity if capacity else None
        for j, (name, capacity) in enumerate(
            zip(instance.resources, instance.capacity, strict=True)
        )
    }


def envy_matrix(instance: Instance, allocation: Any) -> tuple[tuple[Fraction, ...], ...]:
    """By user (row) how many tasks more it would run with what each other user (column) holds; 0 where no more.

    Scaled by weights as in envy_freeness. O(users^2 x machines x resources).
    """
    a = allocation_of(instance, allocation)
    people = range(len(instance.users))
    return tuple(
        tuple(
            max(ZERO, would_run(instance, a, i, k) - a.tasks[i]) if i != k else ZERO for k in people
        )
        for i in people
    )


def sharing_ratio(instance: Instance, allocation: Any) -> dict[str, Fraction | None]:
    """By user its tasks for each task that it would run on a part of its own; None where it would run none there.

    O(users^2 x machines x resources).
    """
    tasks = allocation_of(instance, allocation).tasks
    due = [alone(instance, i) for i in range(len(tasks))]
    return {user: tasks[i] / due[i] if due[i] else None for i, user in enumerate(instance.users)}


def distance_to_divisible(instance: Instance, allocation: Any) -> Fraction:
    """The largest difference of a dominant share from that of divisible (weighted, capped) DRF; O(users^2 x resources).

    Raises NotSupported for several machines.
    """
    if not instance.pooled:
        raise NotSupported("the distance to divisible DRF is for one pool; compare with leximin")
    share = allocation_of(instance, allocation).shares(instance)
    due = fill(instance.replace(divisible=True)).shares(instance)
    return max(abs(s - d) for s, d in zip(share, due, strict=True))


def measures(instance: Instance, allocation: Any) -> Mapping[str, Any]:
    """Every figure of this module by name; Jain's index and the ratio are of dominant shares, envy the number of pairs.

    O(users^2 x machines x resources).

    >>> m = measures(Instance.of([9, 18], [[1, 4], [3, 1]]), [3, 2])
    >>> str(m["jain"]), str(m["min_share"]), str(m["nash_product"]), m["envious_pairs"]
    ('1', '2/3', '4/9', 0)
    """
    a = allocation_of(instance, allocation)
    return {
        "jain": jain(a.shares(instance)),
        "max_min_ratio": max_min_ratio(a.shares(instance)),
        "min_share": min_share(instance, a),
        "sum_of_shares": sum_of_shares(instance, a),
        "nash_product": nash_product(instance, a),
        "utilisation": utilisation(instance, a),
        "sharing_ratio": sharing_ratio(instance, a),
        "envious_pairs": sum(a.above(e, ZERO) for row in envy_matrix(instance, a) for e in row),
        "distance_to_divisible": distance_to_divisible(instance, a) if instance.pooled else None,
    }
