"""Progressive filling of one pool: whole tasks one at a time, or divisible tasks in exact fractions.

Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4. A policy says only which resources count for the
share; the rest is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm

from drf._backend import exact_fill, fill
from drf.plugins import Answer, Problem

LIMIT = 1 << 53


def fill_whole(problem: Problem, counts: Callable[[str], bool]) -> Answer:
    """Whole tasks: the user with the lowest share gets its next task; O(tasks (log users + resources)).

    Every resource is counted in the unit that makes all its amounts whole. Where that takes numbers above 2**53, the
    filling is done by the pure kernel, whose integers have no bound.
    """
    columns = range(len(problem.resources))
    scales = [
        lcm(problem.capacity[j].denominator, *(d[j].denominator for d in problem.demands))
        for j in columns
    ]
    capacity = [int(problem.capacity[j] * scales[j]) for j in columns]
    demands = [[int(d[j] * scales[j]) for j in columns] for d in problem.demands]
    small = max(capacity, default=0) <= LIMIT
    tasks, picks = (fill if small else exact_fill)(
        demands,
        capacity,
        [capacity[j] if counts(problem.resources[j]) else 0 for j in columns],
        [tuple(map(float, w)) if isinstance(w, tuple) else float(w) for w in problem.weights],
        [-1 if cap is None else min(cap, LIMIT) for cap in problem.caps],
        list(problem.ranks),
        problem.by_grants,
        problem.on_blocked == "stop",
        problem.steps,
    )
    return Answer(tasks, picks)


def fill_divisible(problem: Problem, counts: Callable[[str], bool]) -> Answer:
    """Divisible tasks: all weighted shares rise together, a user stops where a resource it needs is used up or at its
    cap; exact; O(events x users x resources) with at most users + resources events.

    A user whose tasks cost no share (it needs nothing that counts) is filled before all others, such users a task
    each in turn.
    """
    columns = range(len(problem.resources))
    cost = [
        max(
            (
                d[j] / (problem.capacity[j] * (w[j] if isinstance(w, tuple) else w))
                for j in columns
                if problem.capacity[j] > 0 and counts(problem.resources[j])
            ),
            default=Fraction(0),
        )
        for d, w in zip(problem.demands, problem.weights, strict=True)
    ]
    tasks = [Fraction(0)] * len(problem.users)
    free = list(problem.capacity)
    costless = [i for i, c in enumerate(cost) if c == 0]
    _rise(problem, costless, {i: Fraction(1) for i in costless}, tasks, free)
    costly = [i for i, c in enumerate(cost) if c > 0]
    _rise(problem, costly, {i: 1 / cost[i] for i in costly}, tasks, free)
    return Answer(tasks)


def _rise(
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
