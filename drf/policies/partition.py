"""Divisions that were there before DRF: a fixed part for everybody, and slots."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

from drf.errors import InvalidOption
from drf.plugins import Answer, Policy, Problem
from drf.policies.filling import fill_by_cost, fill_divisible, weight_of
from drf.policies.placing import divide_machines
from drf.policies.shares import single


class Static(Policy):
    """Everybody has a fixed part of each resource, by weight, and runs what fits into it; the rest stays idle.

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> allocate({"cpus": 9, "mem": 18}, two, policy="static", divisible=True).tasks
    {'A': 2.25, 'B': 1.5}
    """

    name = "static"
    modes = frozenset({"divide", "machines"})

    def divide(self, problem: Problem) -> Answer:
        columns = range(len(problem.resources))
        sums = [sum((weight_of(w, j) for w in problem.weights), Fraction(0)) for j in columns]
        rooms = problem.rooms or [problem.capacity]
        out: list[list[int | Fraction | float]] = []
        for i, demand in enumerate(problem.demands):
            left = problem.caps[i]
            row: list[int | Fraction | float] = []
            for k, room in enumerate(rooms):
                part: int | Fraction = 0
                if not problem.eligible or k in problem.eligible[i]:
                    part = min(
                        room[j] * weight_of(problem.weights[i], j) / sums[j] / demand[j]
                        for j in columns
                        if demand[j] > 0
                    )
                    part = floor(part) if problem.whole else part
                if left is not None:
                    part = min(part, left)
                    left -= part
                row.append(part)
            out.append(row)
        return Answer([sum(row) for row in out], (), out if problem.machines else ())


class Slots(Policy):
    """The pool, or each machine, is cut into so many slots; a task takes one, whatever it needs; max-min on tasks.

    What a task needs is not looked at, so the answer may use more than there is, or leave much idle (Ghodsi et al.,
    NSDI 2011, sections 2 and 7, on Hadoop's slots).

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> a = allocate({"cpus": 9, "mem": 18}, two, policy="slots:6")
    >>> a.tasks, a.utilization["cpus"]
    ({'A': 3, 'B': 3}, 1.3333333333333333)
    """

    modes = frozenset({"divide", "machines"})

    def __init__(self, slots: str) -> None:
        if not str(slots).isdecimal() or int(slots) < 1:
            raise InvalidOption(
                f"slots:{slots} is no number of slots; give a whole number above 0, as in 'slots:4'"
            )
        self.slots = int(slots)
        self.name = f"slots:{self.slots}"

    def divide(self, problem: Problem) -> Answer:
        machines = len(problem.machines)
        cut = replace(
            problem,
            resources=["slots"],
            capacity=[Fraction(self.slots * max(machines, 1))],
            demands=[[Fraction(1)]] * len(problem.users),
            rooms=[[Fraction(self.slots)]] * machines,
        )
        costs = [1 / single(w) for w in problem.weights]
        if machines:
            return divide_machines(cut, costs)
        return (fill_by_cost if problem.whole else fill_divisible)(cut, costs)
