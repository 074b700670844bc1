"""Progressive filling of one pool: whole tasks in the order of their shares, or divisible tasks in exact fractions.

Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4. A policy says only what one task costs its user; the
rest is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import lcm
from typing import Any, TypeAlias

from drf._backend import exact_fill, fill
from drf.errors import NotSupported
from drf.plugins import Answer, Problem, Weight

LIMIT = 1 << 53

_Columns: TypeAlias = tuple[
    list[list[int]], list[int], list[int], Sequence[float | tuple[float, ...]]
]

FEW = 20_000
"""Up to so many tasks one at a time is as quick as bulk, and needs no numpy."""


def weight_of(weight: Weight, column: int) -> Fraction:
    """The weight for one resource."""
    return weight[column] if isinstance(weight, tuple) else weight


def parts(problem: Problem, user: int) -> list[Fraction]:
    """Of each resource the share that one task takes, divided by the weight; 0 where there is no capacity."""
    return [
        q / (top * weight_of(problem.weights[user], j)) if top > 0 else Fraction(0)
        for j, (q, top) in enumerate(zip(problem.demands[user], problem.capacity, strict=True))
    ]


def dominant(problem: Problem, counts: Callable[[str], bool]) -> list[Fraction]:
    """What one task of each user costs: its largest part of the resources that count."""
    counted = [j for j, name in enumerate(problem.resources) if counts(name)]
    return [
        max((row[j] for j in counted), default=Fraction(0))
        for row in (parts(problem, i) for i in range(len(problem.users)))
    ]


def fill_whole(problem: Problem, counts: Callable[[str], bool]) -> Answer:
    """Whole tasks: the user with the lowest share of what counts gets its next task.

    O(tasks (log users + resources)) up to 20 000 tasks or with steps, beyond as `drf.solvers.levels.fill`. Every
    resource is counted in the unit that makes all its amounts whole. Where that takes numbers above 2**53, the
    filling is done by the pure kernel, whose integers have no bound. Weights that differ are made part of a price a
    task, as long as numbers are small: a share divided by a weight is rounded twice, which breaks ties.
    """
    return _fill(problem, *columns(problem, counts))


def columns(problem: Problem, counts: Callable[[str], bool]) -> _Columns:
    """What a kernel is told of whole tasks: demands, capacity, what counts, and weights."""
    if len(set(problem.weights)) > 1:
        costs = dominant(problem, counts)
        if _small(costs):
            priced = _priced(problem, costs)
            if priced[1][-1] <= LIMIT:
                return priced
    capacity, demands = whole_units(problem)
    return (
        demands,
        capacity,
        [top if counts(name) else 0 for name, top in zip(problem.resources, capacity, strict=True)],
        [tuple(map(float, w)) if isinstance(w, tuple) else float(w) for w in problem.weights],
    )


def fill_by_cost(problem: Problem, costs: Sequence[Fraction]) -> Answer:
    """The same where each user's task has a cost of its own, weight included: the lowest tasks x cost is next."""
    return _fill(problem, *_priced(problem, costs))


def _small(costs: Sequence[Fraction]) -> bool:
    """Whether a unit that makes all costs whole is within what a double holds."""
    unit = 1
    for cost in costs:
        unit = lcm(unit, cost.denominator)
        if unit > LIMIT:
            return False
    return True


def _priced(problem: Problem, costs: Sequence[Fraction]) -> _Columns:
    """The same where a task has a cost: it counts alone, in a column of its own that is never short."""
    capacity, demands = whole_units(problem)
    unit = lcm(*(cost.denominator for cost in costs))
    prices = [int(cost * unit) for cost in costs]
    most = max(map(_alone, demands, [capacity] * len(demands)), default=0)
    enough = max(unit, max(prices, default=0) * (most * len(capacity) + 1))
    return (
        [[*row, price] for row, price in zip(demands, prices, strict=True)],
        [*capacity, enough],
        [*([0] * len(capacity)), unit],
        [1.0] * len(demands),
    )


def fill_by_key(problem: Problem, key: Callable[[int, int], Any]) -> Answer:
    """Whole tasks one at a time, in the order of ``key(user, tasks that it has)``: the lowest gets its next task.

    For keys that no kernel knows; they are in full order. O(tasks (log users + resources)).
    """
    free = list(problem.capacity)
    tasks, picks = [0] * len(problem.users), list[int]()
    heap = [(key(i, 0), i) for i in range(len(tasks))]
    heapify(heap)
    while heap:
        _, i = heappop(heap)
        if tasks[i] == problem.caps[i]:
            continue
        if any(q > f for q, f in zip(problem.demands[i], free, strict=True)):
            if problem.on_blocked == "stop":
                break
            continue
        for j, q in enumerate(problem.demands[i]):
            free[j] -= q
        tasks[i] += 1
        picks.append(i)
        heappush(heap, (key(i, tasks[i]), i))
    return Answer(tasks, picks if problem.steps else ())


def single_weights(problem: Problem, whose: str) -> list[Fraction]:
    """One weight a user. Raises NotSupported where one has a weight a resource; ``whose`` says what takes one."""
    weights = []
    for user, weight in zip(problem.users, problem.weights, strict=True):
        if isinstance(weight, tuple):
            raise NotSupported(f"{whose}; {user!r} has one a resource")
        weights.append(weight)
    return weights


def whole_units(problem: Problem) -> tuple[list[int], list[list[int]]]:
    """Capacity and demands, each resource in the unit that makes all its amounts whole."""
    columns = range(len(problem.resources))
    scales = [
        lcm(problem.capacity[j].denominator, *(d[j].denominator for d in problem.demands))
        for j in columns
    ]
    return (
        [int(problem.capacity[j] * scales[j]) for j in columns],
        [[int(d[j] * scales[j]) for j in columns] for d in problem.demands],
    )


def fill_in_bulk(
    problem: Problem,
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
    *,
    after: bool = False,
) -> list[int]:
    """Bulk level search, for as many tasks as there are."""
    from drf.solvers import levels  # noqa: PLC0415 (numpy is imported where tasks are many)

    return levels.fill(
        demands,
        capacity,
        counted,
        weights,
        _caps(problem),
        problem.ranks,
        problem.by_grants,
        problem.on_blocked == "stop",
        after=after,
    )


def _fill(
    problem: Problem,
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
) -> Answer:
    caps = _caps(problem)
    alone = [_alone(row, capacity) for row in demands]
    most = [a if cap < 0 else min(a, cap) for a, cap in zip(alone, caps, strict=True)]
    # Each task takes 1/alone of some resource, so there are no more than resources x alone in all.
    if not problem.steps and min(sum(most), max(alone, default=0) * len(capacity)) > FEW:
        return Answer(fill_in_bulk(problem, demands, capacity, counted, weights))
    small = max(capacity, default=0) <= LIMIT
    tasks, picks = (fill if small else exact_fill)(
        demands,
        capacity,
        counted,
        weights,
        caps,
        list(problem.ranks),
        problem.by_grants,
        problem.on_blocked == "stop",
        problem.steps,
    )
    return Answer(tasks, picks)


def _caps(problem: Problem) -> list[int]:
    return [-1 if cap is None else int(min(cap, LIMIT)) for cap in problem.caps]


def _alone(demand: Sequence[int], capacity: Sequence[int]) -> int:
    """How many tasks the user could have without the others."""
    return min(top // q for q, top in zip(demand, capacity, strict=True) if q > 0)


def fill_divisible(problem: Problem, costs: Sequence[Fraction]) -> Answer:
    """Divisible tasks: all weighted shares rise together, a user stops where a resource it needs is used up or at its
    cap; exact; O(events x users x resources) with at most users + resources events.

    A user whose tasks cost no share (it needs nothing that counts) is filled before all others, such users a task
    each in turn.
    """
    tasks = [Fraction(0)] * len(problem.users)
    free = list(problem.capacity)
    costless = [i for i, c in enumerate(costs) if c == 0]
    rise(problem, costless, {i: Fraction(1) for i in costless}, tasks, free)
    costly = [i for i, c in enumerate(costs) if c > 0]
    rise(problem, costly, {i: 1 / costs[i] for i in costly}, tasks, free)
    return Answer(tasks)


def rise(
    problem: Problem,
    active: list[int],
    rates: dict[int, Fraction],
    tasks: list[Fraction],
    free: list[Fraction],
) -> None:
    """Raise the tasks of the active users at their rates until each of them is stopped."""
    columns = range(len(free))
    active = [
        i
        for i in active
        if problem.caps[i] != 0 and all(free[j] > 0 for j in columns if problem.demands[i][j] > 0)
    ]
    while active:
        use = [
            sum((rates[i] * problem.demands[i][j] for i in active), Fraction(0)) for j in columns
        ]
        ends = [free[j] / use[j] for j in columns if use[j] > 0]
        ends += [
            (cap - tasks[i]) / rates[i] for i in active if (cap := problem.caps[i]) is not None
        ]
        step = min(ends)
        for i in active:
            tasks[i] += step * rates[i]
        for j in columns:
            free[j] -= step * use[j]
        active = [
            i
            for i in active
            if tasks[i] != problem.caps[i]
            and all(free[j] > 0 for j in columns if problem.demands[i][j] > 0)
        ]
