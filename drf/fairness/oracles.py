"""Exact answers of the judge's own, which share no code with what is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from drf.errors import NotSupported
from drf.fairness.allocation import Allocation
from drf.fairness.instance import ZERO, Instance
from drf.fairness.simplex import maximise


def fill(instance: Instance, per_task: Sequence[Fraction] | None = None) -> Allocation:
    """Progressive filling of one pool with divisible tasks: the shares of all rise together until each is stopped.

    >>> fill(Instance.of([9, 18], [[1, 4], [3, 1]])).tasks
    (Fraction(3, 1), Fraction(2, 1))

    ``per_task`` is the share of one task by user, weighted dominant (DRF) if left out; 0 keeps a user at 0. A user is
    stopped by its cap or by a resource that is used up (Ghodsi et al., NSDI 2011, section 4.1). O((users + resources)
    x users x resources). Raises NotSupported for several machines.
    """
    if not instance.pooled:
        raise NotSupported("fill is for one pool; use leximin for machines")
    people = range(len(instance.users))
    cost = list(per_task) if per_task else [instance.weighted_per_task(i) for i in people]
    tasks = [ZERO] * len(cost)
    free = list(instance.capacity)
    while True:
        rising = [
            i
            for i in people
            if cost[i] > 0
            and tasks[i] != instance.caps[i]
            and all(f > 0 for f, d in zip(free, instance.demands[i], strict=True) if d > 0)
        ]
        if not rising:
            return Allocation(tuple((x,) for x in tasks))
        rates = [
            sum((instance.demands[i][j] / cost[i] for i in rising), ZERO) for j in range(len(free))
        ]
        steps = [f / rate for f, rate in zip(free, rates, strict=True) if rate > 0]
        steps += [
            (cap - tasks[i]) * cost[i] for i in rising if (cap := instance.caps[i]) is not None
        ]
        step = min(steps)
        for i in rising:
            tasks[i] += step / cost[i]
        free = [f - step * rate for f, rate in zip(free, rates, strict=True)]


def leximin(instance: Instance, per_task: Sequence[Fraction] | None = None) -> Allocation:
    """The divisible allocation on machines whose sorted shares are greatest: the least, then the second least, ...

    >>> two = Instance.of(machines=[[2, 12], [12, 2]], demands=[["1/5", 1], [1, "1/5"]])
    >>> leximin(two).tasks
    (Fraction(10, 1), Fraction(10, 1))

    ``per_task`` is the share of one task by user, weighted and of all machines together (DRFH) if left out; 0 keeps a
    user at 0. Tasks by user are unique, their placement is not. At most users^2 linear programs.
    """
    people = range(len(instance.users))
    cost = list(per_task) if per_task else [instance.weighted_per_task(i) for i in people]
    fixed: dict[int, Fraction] = {i: ZERO for i in people if not (cost[i] and instance.eligible[i])}
    while True:
        rising = [i for i in people if i not in fixed]
        if not rising:
            best = extend(instance, fixed, {})
            if best is None:
                raise ArithmeticError("no placement has the shares that were found one by one")
            return Allocation(best[1])
        level = _level(instance, cost, fixed, rising)
        floor = {i: instance.capped(i, level / cost[i]) for i in rising}
        for i in rising:
            best = extend(instance, {**fixed, **floor}, {i: Fraction(1)})
            if best is None or best[0] <= floor[i]:
                fixed[i] = floor[i]


def extend(
    instance: Instance, least: Mapping[int, Fraction], gain: Mapping[int, Fraction]
) -> tuple[Fraction, tuple[tuple[Fraction, ...], ...]] | None:
    """The most of sum_i gain_i x_i where user i has ``least[i]`` tasks or more, and a placement; None if there is none.

    One linear program of users x machines variables; divisible tasks.
    """
    cells, rows, bounds = _program(instance)
    for i, tasks in least.items():
        rows.append([Fraction(-int(user == i)) for user, _ in cells])
        bounds.append(-tasks)
    found = maximise([gain.get(user, ZERO) for user, _ in cells], rows, bounds)
    if found is None:
        return None
    by_cell = dict(zip(cells, found[1], strict=True))
    return found[0], tuple(
        tuple(by_cell.get((i, k), ZERO) for k in range(len(instance.machines)))
        for i in range(len(instance.users))
    )


def _program(
    instance: Instance,
) -> tuple[list[tuple[int, int]], list[list[Fraction]], list[Fraction]]:
    """What every placement keeps: a variable a user and eligible machine; rows for capacities and caps."""
    cells = [(i, k) for i in range(len(instance.users)) for k in sorted(instance.eligible[i])]
    rows: list[list[Fraction]] = []
    bounds: list[Fraction] = []
    for k, capacity in enumerate(instance.machines):
        for j, amount in enumerate(capacity):
            rows.append([instance.demands[i][j] if m == k else ZERO for i, m in cells])
            bounds.append(amount)
    for i, cap in enumerate(instance.caps):
        if cap is not None:
            rows.append([Fraction(int(user == i)) for user, _ in cells])
            bounds.append(cap)
    return cells, rows, bounds


def _level(
    instance: Instance, cost: Sequence[Fraction], fixed: Mapping[int, Fraction], rising: list[int]
) -> Fraction:
    """The greatest share that all who rise can have at once, where the others keep their tasks."""
    cells, rows, bounds = _program(instance)
    rows = [[*row, ZERO] for row in rows]
    for i, tasks in fixed.items():
        rows.append([*(Fraction(-int(user == i)) for user, _ in cells), ZERO])
        bounds.append(-tasks)
    for i in rising:
        rows.append([*(-cost[i] * int(user == i) for user, _ in cells), Fraction(1)])
        bounds.append(ZERO)
    found = maximise([*[ZERO] * len(cells), Fraction(1)], rows, bounds)
    if found is None:
        raise ArithmeticError("no placement keeps the shares that were found before")
    return found[0]
