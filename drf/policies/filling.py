"""Progressive filling of one pool: whole tasks in the order of their shares, or divisible tasks in exact fractions.

Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4. A policy says only what one task costs its user; the
rest is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import lcm
from operator import add
from typing import Any, TypeAlias

from drf import _backend
from drf.errors import InvalidQuantity, NotSupported
from drf.matrix import Drawn, Matrix, distinct, largest_parts, sums
from drf.plugins import Answer, Problem, Weight
from drf.solvers.filling import Kind, Use, fill

LIMIT = 1 << 53

_Columns: TypeAlias = tuple[
    list[list[int]], list[int], list[int], Sequence[float | tuple[float, ...]]
]

MOST = 10**100
"""So many tasks of one user have keys in the range of floats, whatever the weight."""


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


def fill_whole(problem: Problem, counts: Callable[[str], bool], *, after: bool = False) -> Answer:
    """Whole tasks: the user with the lowest share of what counts gets its next task.

    In bulk, O(rounds x users x (resources + log users)), or with steps O(tasks (log users + resources)). Every
    resource is counted in the unit that makes all its amounts whole. Where that takes numbers above 2**53, the
    filling is done by the pure kernel, whose integers have no bound. Weights that differ are made part of a price a
    task, as long as numbers are small: a share divided by a weight is rounded twice, which breaks ties.
    With ``after`` the share after the task decides.
    """
    return _fill(problem, *_columns(problem, counts), after)


def _columns(problem: Problem, counts: Callable[[str], bool]) -> _Columns:
    """What a kernel is told of whole tasks: demands, capacity, what counts, and weights."""
    if len(_different(problem.weights)) > 1:
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
        _floats(problem.weights),
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
    if isinstance(problem.demands, Matrix):
        units, scale = problem.demands.units, problem.demands.scale
        if all(scale % top.denominator == 0 for top in problem.capacity):
            return [int(top * scale) for top in problem.capacity], units.tolist()
    scales = [
        lcm(problem.capacity[j].denominator, *(d[j].denominator for d in problem.demands))
        for j in columns
    ]
    return (
        [int(problem.capacity[j] * scales[j]) for j in columns],
        [[int(d[j] * scales[j]) for j in columns] for d in problem.demands],
    )


def _fill(
    problem: Problem,
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
    after: bool = False,
) -> Answer:
    # The kernel looks as far as one task that does not fit.
    small = max(capacity, default=0) <= (LIMIT >> 1 if after else LIMIT)
    if not small and max(map(_alone, demands, [capacity] * len(demands)), default=0) > MOST:
        raise InvalidQuantity(
            "whole tasks of one user fit into the pool more than 1e100 times; give larger tasks, or a smaller pool"
        )
    options = (
        demands,
        capacity,
        counted,
        weights,
        [-1 if cap is None else int(min(cap, LIMIT)) for cap in problem.caps],
        list(problem.ranks),
        problem.by_grants,
        problem.on_blocked == "stop",
    )
    if problem.steps:
        fill = _backend.fill if small else _backend.exact_fill
        return Answer(*fill(*options, True, after))
    fill_in_bulk = _backend.fill_in_bulk if small else _backend.exact_fill_in_bulk
    return Answer(fill_in_bulk(*options, after))


def _different(weights: Sequence[Weight]) -> set[Weight]:
    return set(weights.values if isinstance(weights, Drawn) else weights)


def _floats(weights: Sequence[Weight]) -> list[float | tuple[float, ...]]:
    if isinstance(weights, Drawn):
        values = [float(w) for w in weights.values]
        return [values[k] for k in weights.kind.tolist()]
    return [tuple(map(float, w)) if isinstance(w, tuple) else float(w) for w in weights]


def _alone(demand: Sequence[int], capacity: Sequence[int]) -> int:
    """How many tasks the user could have without the others."""
    return min(top // q for q, top in zip(demand, capacity, strict=True) if q > 0)


def fill_divisible(problem: Problem, costs: Sequence[Fraction]) -> Answer:
    """Divisible tasks: all weighted shares rise together, a user stops where a resource it needs is used up or at its
    cap; exact; O(users x resources) and what `drf.solvers.filling.fill` costs for the kinds of users.

    A user whose tasks cost no share (it needs nothing that counts) is filled before all others, such users a task
    each in turn.
    """
    capacity, demands = whole_units(problem)
    known: dict[tuple[Fraction, int | Fraction | None], int] = {}
    users: list[tuple[int, int]] = []
    sums: dict[tuple[int, int], list[int]] = {}
    for cost, cap, demand in zip(costs, problem.caps, demands, strict=True):
        needs = 0
        for j, q in enumerate(demand):
            if q > 0:
                needs |= 1 << j
        user = (known.setdefault((cost, cap), len(known)), needs)
        users.append(user)
        sums[user] = list(map(add, sums[user], demand)) if user in sums else demand

    def use(needs: set[int]) -> list[list[int]]:
        out = [[0] * len(capacity) for _ in known]
        for (k, n), row in sums.items():
            if n in needs:
                out[k] = list(map(add, out[k], row))
        return out

    kinds = [Kind(cost.denominator, cost.numerator, cap) for cost, cap in known]
    levels, tasks = _levels(kinds, {n for _, n in sums}, use, capacity)
    counts = {(k, n): tasks(k, levels[n]) for k, n in sums}
    return Answer([counts[user] for user in users])


def fill_shares(problem: Problem, counts: Callable[[str], bool]) -> Answer:
    """The same by the share of what counts; in columns where demands came as an array, with one weight a user."""
    demands, weights, caps = problem.demands, problem.weights, problem.caps
    if not isinstance(demands, Matrix) or not isinstance(weights, Drawn):
        return fill_divisible(problem, dominant(problem, counts))
    import numpy as np  # noqa: PLC0415 (the demands are an array of it)

    units, scale = demands.units, demands.scale
    capacity = [int(top * scale) for top in problem.capacity]
    columns = range(len(capacity))
    column = largest_parts(units, capacity, [j for j in columns if counts(problem.resources[j])])
    largest = np.where(column >= 0, units[np.arange(len(units)), column], 0)
    keys = [column + 1, largest, weights.kind]
    if caps.count(None) != len(caps):
        number = {cap: k for k, cap in enumerate(dict.fromkeys(caps))}
        keys.append(np.array([number[cap] for cap in caps]))
    first, kind = distinct(*keys)
    kinds = []
    for i, j, q in zip(
        first.tolist(), column[first].tolist(), largest[first].tolist(), strict=True
    ):
        w = weights[i]
        kinds.append(Kind(capacity[j] * w.numerator, q * w.denominator, caps[i]))
    bits = np.zeros(len(units), dtype=np.int64 if len(capacity) < 63 else object)
    for j in columns:
        bits |= (units[:, j] > 0).astype(bits.dtype) << j
    if bits.dtype == object:
        different, need = np.unique(bits, return_inverse=True)
    else:
        rows, need = distinct(bits)
        different = bits[rows]
    needs = [int(n) for n in different]

    def use(those: set[int]) -> list[tuple[int, ...]]:
        rows = np.array([n in those for n in needs])[need]
        every = bool(rows.all())
        by = [
            sums(kind, len(kinds), units[:, j])
            if every
            else sums(kind[rows], len(kinds), units[rows, j])
            for j in columns
        ]
        return list(zip(*by, strict=True))

    levels, tasks = _levels(kinds, needs, use, capacity)
    few = list(dict.fromkeys(levels.values()))
    place = {pair: p for p, pair in enumerate(few)}
    stop = np.array([place[levels[n]] for n in needs], dtype=np.int64)[need]
    first, index = distinct(kind, stop)
    each = zip(kind[first].tolist(), stop[first].tolist(), strict=True)
    return Answer(Drawn([tasks(k, few[p]) for k, p in each], index))


Levels = tuple[Fraction | None, Fraction | None]
"""Where users with the same needs stop: those whose tasks cost no share, and all others."""


def _levels(
    kinds: list[Kind], needs: Iterable[int], use: Use, capacity: Sequence[int]
) -> tuple[dict[int, Levels], Callable[[int, Levels], Fraction]]:
    """By needs where users stop, and what one of a kind gets there.

    Kinds whose tasks cost no share (``bottom`` is 0) are filled first, a task each in turn.
    """
    free = [Fraction(top) for top in capacity]
    costless = {k for k, kind in enumerate(kinds) if kind.bottom == 0}
    kinds = [
        kind._replace(top=1, bottom=1) if k in costless else kind for k, kind in enumerate(kinds)
    ]
    first = fill(kinds, costless, needs, use, free)
    then = fill(kinds, (k for k in range(len(kinds)) if k not in costless), needs, use, free)
    return (
        {n: (first[n], then[n]) for n in needs},
        lambda k, levels: kinds[k].tasks(levels[k not in costless]),
    )
