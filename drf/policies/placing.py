"""Several machines: whole tasks are placed one at a time, divisible ones by leximin.

The user is chosen as in one pool, the machine by a rule: ``first`` that has room, ``best`` fit (Wang, Li and Liang,
"Dominant Resource Fairness in Cloud Computing Systems with Heterogeneous Servers", INFOCOM 2014), or ``random``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from heapq import heapify, heappop, heappush

from drf._random import SplitMix64
from drf.errors import InvalidOption
from drf.plugins import Answer, Problem
from drf.policies.filling import fill_divisible
from drf.solvers import leximin

Choice = Callable[[int, Sequence[int]], int]
"""Of the machines with room for the user's task, the one that gets it."""

PLACES = ("first", "best", "random")


def check_place(policy: str, place: str) -> str:
    """The name of a placement rule, or InvalidOption."""
    if place not in PLACES:
        raise InvalidOption(
            f"{policy}:{place} places tasks by no known rule; say one of {', '.join(PLACES)}"
        )
    return place


def best_fit(demand: Sequence[Fraction], free: Sequence[Fraction]) -> Fraction:
    """How unlike what is free is to the demand, both in units of the first resource that is needed; 0 is a perfect fit.

    >>> F = Fraction
    >>> [best_fit([F(1), F(3)], room) for room in ([F(8), F(8)], [F(4), F(12)], [F(6), F(3)])]
    [Fraction(2, 1), Fraction(0, 1), Fraction(5, 2)]
    """
    first = next(j for j, q in enumerate(demand) if q > 0)
    return sum(
        (abs(q / demand[first] - f / free[first]) for q, f in zip(demand, free, strict=True)),
        Fraction(0),
    )


def divide_machines(problem: Problem, costs: Sequence[Fraction], place: str = "first") -> Answer:
    """The lowest number of tasks x cost is next, or leximin of it; whole tasks O(tasks (log users + machines)).

    Users whose tasks cost nothing come first. Raises MissingExtra where divisible tasks are wanted in floats and the
    extra ``lp`` is not there.
    """
    if problem.whole:
        return place_whole(problem, costs, place)
    if (
        len(problem.rooms) == 1
    ):  # one pool: the same by filling, exactly and without a linear program
        filled = fill_divisible(replace(problem, capacity=problem.rooms[0]), costs)
        return Answer(filled.tasks, (), [[count] for count in filled.tasks])
    costless = [i for i, cost in enumerate(costs) if cost == 0]
    rates = [1 / cost if cost else Fraction(0) for cost in costs]
    caps = list(problem.caps)
    rooms = [list(room) for room in problem.rooms]
    out: list[list[int | Fraction | float]] = [[0] * len(rooms) for _ in costs]
    if costless:
        first = [Fraction(1) if i in costless else Fraction(0) for i in range(len(costs))]
        _put(problem, out, rooms, first, caps)
    if len(costless) < len(costs):
        _put(problem, out, rooms, rates, caps)
    return Answer([sum(row) for row in out], (), out)


def _put(
    problem: Problem,
    out: list[list[int | Fraction | float]],
    rooms: list[list[Fraction]],
    rates: Sequence[Fraction],
    caps: Sequence[int | Fraction | None],
) -> None:
    """Leximin for the users with a rate, in what is free."""
    found = leximin.divide(problem.demands, rooms, problem.eligible, rates, caps, problem.exact)
    for i, row in enumerate(found):
        if rates[i]:
            out[i] = row
            for k, count in enumerate(row):
                for j, q in enumerate(problem.demands[i]):
                    rooms[k][j] = max(rooms[k][j] - Fraction(count) * q, Fraction(0))


def place_whole(problem: Problem, costs: Sequence[Fraction], place: str) -> Answer:
    """Whole tasks one at a time: the lowest number of tasks x cost is next, on a machine with room."""
    free = [list(room) for room in problem.rooms]
    random = SplitMix64(problem.seed)

    def choose(i: int, machines: Sequence[int]) -> int:
        if place == "best":
            return min(machines, key=lambda k: best_fit(problem.demands[i], free[k]))
        if place == "random":
            return machines[random.below(len(machines))]
        return machines[0]

    users = range(len(problem.users))
    placement = [[0] * len(free) for _ in users]
    tasks, picks = [0] * len(problem.users), []
    heap = [(Fraction(0), 0, problem.ranks[i], i) for i in users]
    heapify(heap)
    while heap:
        _, _, rank, i = heappop(heap)
        if tasks[i] == problem.caps[i]:
            continue
        machines = [k for k in problem.eligible[i] if fits(problem.demands[i], free[k])]
        if not machines:
            if problem.on_blocked == "stop":
                break
            continue
        k = choose(i, machines)
        take(problem.demands[i], free[k])
        placement[i][k] += 1
        tasks[i] += 1
        if problem.steps:
            picks.append(i)
        heappush(heap, (tasks[i] * costs[i], tasks[i] if problem.by_grants else 0, rank, i))
    return Answer(tasks, picks, placement)


def fits(demand: Sequence[Fraction], free: Sequence[Fraction]) -> bool:
    """Whether there is room for a task."""
    return all(q <= f for q, f in zip(demand, free, strict=True))


def take(demand: Sequence[Fraction], free: list[Fraction]) -> None:
    """One task more."""
    for j, q in enumerate(demand):
        free[j] -= q
