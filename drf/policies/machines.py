"""Fair shares over several machines, some of which a user may not use: what counts as a share of 1 is the difference.

For the definitions: Wang, Li and Liang (DRFH, INFOCOM 2014); Wang, Li, Liang and Li (TSF, SC 2016); Khamse-Ashari et
al. (PS-DSF, 2017); Shan, Kesidis et al. (the residual form, 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from drf.errors import InvalidOption, NotSupported
from drf.plugins import Answer, Policy, Problem, View
from drf.policies.filling import dominant, fill_divisible, fill_whole, weight_of
from drf.policies.placing import check_place, divide_machines, fits, take
from drf.policies.priority import among
from drf.policies.shares import single

SWEEPS = 1000
CLOSE = 1e-13


class DRFH(Policy):
    """DRF over machines: the dominant share of all machines together; whole tasks go where they fit best.

    ``drfh:first`` takes the first machine with room instead, ``drfh:random`` any of them. Users are not envious and the
    division is efficient, but one may get less than 1/n of every machine would give it.

    >>> from drf import allocate
    >>> machines = {"m1": {"cpus": 2, "mem": 12}, "m2": {"cpus": 12, "mem": 2}}
    >>> users = {"1": {"cpus": "1/5", "mem": 1}, "2": {"cpus": 1, "mem": "1/5"}}
    >>> allocate(machines, users, policy="drfh").tasks, allocate(machines, users, policy="drfh:first").tasks
    ({'1': 10, '2': 10}, {'1': 6, '2': 6})
    """

    modes = frozenset({"order", "divide", "machines"})
    stale_on = frozenset({"total"})
    kernel = "drf"

    def __init__(self, place: str = "best") -> None:
        self.place = check_place("drfh", place)
        self.name = "drfh" if place == "best" else f"drfh:{place}"

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        return (view.share(client),)

    def divide(self, problem: Problem) -> Answer:
        return divide_machines(on_machines(problem), dominant(problem, _all), self.place)


class TSF(Policy):
    """Task share fairness: a share of 1 is what *all* machines hold for the user alone, constraints ignored.

    No user gains by hiding or inventing constraints. With weights ``own tasks / tasks on all machines`` everybody
    gets at least what its own part would run.

    >>> from drf import allocate
    >>> a = allocate({"m1": {"cpus": 2}, "m2": {"cpus": 1}}, {"1": {"cpus": 1}, "2": {"cpus": 2}},
    ...     eligible={"2": ["m1"]}, policy="tsf", divisible=True, exact=True)
    >>> str(a.tasks["1"]), str(a.tasks["2"])
    ('3/2', '3/4')
    """

    modes = frozenset({"divide", "machines"})

    def __init__(self, place: str = "first") -> None:
        self.place = check_place("tsf", place)
        self.name = "tsf" if place == "first" else f"tsf:{place}"

    def divide(self, problem: Problem) -> Answer:
        problem = on_machines(problem)
        every = range(len(problem.rooms))
        costs = [1 / alone(problem, i, every) for i in range(len(problem.users))]
        return divide_machines(problem, costs, self.place)


class CDRF(Policy):
    """Constrained DRF: a share of 1 is as many tasks as the machines that the user *may use* hold for it alone.

    Everybody gets at least 1/n of each machine that it may use; but who claims more machines than it can use may gain.

    >>> from drf import allocate
    >>> a = allocate({"m1": {"cpus": 2}, "m2": {"cpus": 1}}, {"1": {"cpus": 1}, "2": {"cpus": 2}},
    ...     eligible={"2": ["m1"]}, policy="cdrf", divisible=True, exact=True)
    >>> str(a.tasks["1"]), str(a.tasks["2"])
    ('9/5', '3/5')
    """

    modes = frozenset({"divide", "machines"})

    def __init__(self, place: str = "first") -> None:
        self.place = check_place("cdrf", place)
        self.name = "cdrf" if place == "first" else f"cdrf:{place}"

    def divide(self, problem: Problem) -> Answer:
        problem = on_machines(problem)
        costs = [1 / alone(problem, i, problem.eligible[i]) for i in range(len(problem.users))]
        return divide_machines(problem, costs, self.place)


class PerServer(Policy):
    """DRF on each machine apart, one after the other; a user's limit of tasks is used up on the first machines.

    >>> from drf import allocate
    >>> machines = {"m1": {"cpus": 2, "mem": 12}, "m2": {"cpus": 12, "mem": 2}}
    >>> users = {"1": {"cpus": "1/5", "mem": 1}, "2": {"cpus": 1, "mem": "1/5"}}
    >>> allocate(machines, users, policy="perserver", divisible=True).tasks
    {'1': 6.0, '2': 6.0}
    """

    name = "perserver"
    modes = frozenset({"divide", "machines"})

    def divide(self, problem: Problem) -> Answer:
        problem = on_machines(replace(problem, steps=False))
        users = range(len(problem.users))
        out: list[list[int | Fraction | float]] = [[0] * len(problem.rooms) for _ in users]
        left: list[Any] = list(problem.caps)
        for k, room in enumerate(problem.rooms):
            here = [
                i
                for i in users
                if k in problem.eligible[i] and _room(problem, problem.demands[i], room)
            ]
            part = replace(among(problem, here), capacity=room, caps=[left[i] for i in here])
            answer = (
                fill_whole(part, _all) if part.whole else fill_divisible(part, dominant(part, _all))
            )
            for i, count in zip(here, answer.tasks, strict=True):
                out[i][k] = count
                if left[i] is not None:
                    left[i] -= count
        return Answer([sum(row) for row in out], (), out)


class PSDSF(Policy):
    """Per-server dominant share fairness: on each machine, max-min of *all* tasks by what that machine would hold.

    Whole tasks: of all users and machines with room the pair with the smallest tasks / what the machine holds is
    next; with ``psdsf:residual`` what it would hold of what is free. Divisible tasks: machine after machine is filled
    again until nothing moves; with ``exact=True`` in fractions, which may go on for ever and then raises
    NotSupported.

    >>> from drf import allocate
    >>> machines = {"s1": {"cpus": 100, "mem": 30}, "s2": {"cpus": 30, "mem": 100}}
    >>> users = {"f1": {"cpus": 5, "mem": 1}, "f2": {"cpus": 1, "mem": 5}}
    >>> allocate(machines, users, policy="psdsf").placement
    {'f1': {'s1': 19}, 'f2': {'s1': 2, 's2': 20}}
    >>> allocate(machines, users, policy="psdsf:residual").placement
    {'f1': {'s1': 19, 's2': 2}, 'f2': {'s1': 2, 's2': 19}}
    """

    modes = frozenset({"divide", "machines"})

    def __init__(self, form: str = "") -> None:
        if form not in ("", "residual"):
            raise InvalidOption(f"psdsf:{form} is no form of it; say 'psdsf' or 'psdsf:residual'")
        self.residual = form == "residual"
        self.name = "psdsf:residual" if form else "psdsf"

    def divide(self, problem: Problem) -> Answer:
        problem = on_machines(problem)
        if problem.whole:
            return self._whole(problem)
        if self.residual:
            raise NotSupported("policy psdsf:residual is for whole tasks; take psdsf")
        return _levelled(problem)

    def _whole(self, problem: Problem) -> Answer:
        if problem.on_blocked == "stop":
            raise NotSupported(
                f"policy {self.name} passes over pairs that do not fit; leave out on_blocked"
            )
        free = [list(room) for room in problem.rooms]
        users = range(len(problem.users))
        tasks, picks = [0] * len(problem.users), list[int]()
        placement = [[0] * len(free) for _ in users]
        weights = [single(w) for w in problem.weights]
        open_ = set(users)
        while True:
            best: tuple[Any, ...] | None = None
            for i in sorted(open_):
                if tasks[i] == problem.caps[i]:
                    continue
                for k in problem.eligible[i]:
                    room = free[k] if self.residual else problem.rooms[k]
                    if fits(problem.demands[i], free[k]):
                        cost = tasks[i] * _cost(problem.demands[i], room) / weights[i]
                        grants = tasks[i] if problem.by_grants else 0
                        key = (cost, grants, problem.ranks[i], k, i)
                        best = key if best is None or key < best else best
            if best is None:
                return Answer(tasks, picks if problem.steps else (), placement)
            *_, k, i = best
            take(problem.demands[i], free[k])
            tasks[i] += 1
            placement[i][k] += 1
            picks.append(i)


def _levelled(problem: Problem) -> Answer:
    """Divisible PS-DSF: each machine filled to the level of all tasks, again and again, until nothing moves."""
    users, machines = range(len(problem.users)), range(len(problem.rooms))
    number: Any = Fraction if problem.exact else float
    need = [[number(q) for q in row] for row in problem.demands]
    rooms = [[number(q) for q in room] for room in problem.rooms]
    caps = [None if cap is None else number(cap) for cap in problem.caps]
    weights = [number(single(w)) for w in problem.weights]
    rates = [
        {
            i: weights[i] / number(_cost(problem.demands[i], problem.rooms[k]))
            for i in users
            if k in problem.eligible[i] and _room(problem, problem.demands[i], problem.rooms[k])
        }
        for k in machines
    ]
    out: list[list[Any]] = [[number(0)] * len(rooms) for _ in users]
    for _ in range(SWEEPS if not problem.exact else 60):
        moved = number(0)
        for k in machines:
            others = [sum(row[:k] + row[k + 1 :], number(0)) for row in out]
            new = _level(need, rooms[k], rates[k], others, caps, number)
            for i in users:
                moved = max(moved, abs(new[i] - out[i][k]) / (1 + new[i]))
                out[i][k] = new[i]
        if moved <= (0 if problem.exact else CLOSE):
            return Answer([sum(row, number(0)) for row in out], (), out)
    raise NotSupported(
        "policy psdsf did not come to rest" + ("; leave out exact=True" if problem.exact else "")
    )


def _level(
    need: Sequence[Sequence[Any]],
    room: Sequence[Any],
    rates: dict[int, Any],
    others: Sequence[Any],
    caps: Sequence[Any],
    number: Any,
) -> list[Any]:
    """What one machine gives: its users rise to a common level of tasks / rate; who has more elsewhere waits."""
    given = [number(0)] * len(need)
    free = list(room)
    level = number(0)
    active = {i for i in rates if caps[i] is None or caps[i] > others[i]}
    while active:
        starts = {i: others[i] / rates[i] for i in active}
        rising = [i for i in sorted(active) if starts[i] <= level]
        ends = [start - level for start in starts.values() if start > level]
        use = [sum((rates[i] * need[i][j] for i in rising), number(0)) for j in range(len(free))]
        short = {j: free[j] / use[j] for j in range(len(free)) if use[j] > 0}
        capped = {
            i: (caps[i] - others[i] - given[i]) / rates[i] for i in rising if caps[i] is not None
        }
        step = min([*ends, *short.values(), *capped.values()])
        for i in rising:
            given[i] += step * rates[i]
        for j in range(len(free)):
            free[j] -= step * use[j]
        level = (
            min((s for s in starts.values() if s > level), default=level)
            if step in ends
            else level + step
        )
        gone = {j for j, end in short.items() if end <= step}
        active -= {i for i, end in capped.items() if end <= step}
        for j in gone:
            free[j] = number(0)
        active -= {
            i for i in active if any(need[i][j] > 0 and free[j] <= 0 for j in range(len(free)))
        }
    return given


def _cost(demand: Sequence[Fraction], room: Sequence[Fraction]) -> Fraction:
    """The largest part of the room that one task takes."""
    return max(q / top for q, top in zip(demand, room, strict=True) if q > 0)


def _room(problem: Problem, demand: Sequence[Fraction], room: Sequence[Fraction]) -> bool:
    return all(
        (q <= top if problem.whole else top > 0)
        for q, top in zip(demand, room, strict=True)
        if q > 0
    )


def on_machines(problem: Problem) -> Problem:
    """The same problem over machines: one pool is one machine that everybody may use."""
    if problem.machines:
        return problem
    return replace(
        problem,
        machines=["pool"],
        rooms=[problem.capacity],
        eligible=[[0]] * len(problem.users),
    )


def alone(problem: Problem, i: int, machines: Sequence[int]) -> Fraction:
    """How many tasks, divisible, these machines hold for the user alone, times its weight."""
    weight = problem.weights[i]
    return sum(
        (
            min(
                top * weight_of(weight, j) / q
                for j, (q, top) in enumerate(zip(problem.demands[i], problem.rooms[k], strict=True))
                if q > 0
            )
            for k in machines
        ),
        Fraction(0),
    )


def _all(_: str) -> bool:
    return True
