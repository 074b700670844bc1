"""Strict priority: heavier clients are served first, clients of one weight by DRF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from drf.errors import NotSupported
from drf.plugins import Answer, Policy, Problem, View
from drf.policies.filling import dominant, fill_by_cost, fill_divisible
from drf.policies.shares import single

T = TypeVar("T")


class Priority(Policy):
    """The client of the highest weight is next, whatever it holds; clients of equal weight go by dominant share.

    A weight a resource counts by its largest.

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> allocate({"cpus": 9, "mem": 18}, two, weights={"B": 2}, policy="priority").tasks
    {'A': 0, 'B': 3}
    """

    name = "priority"
    modes = frozenset({"order", "divide"})
    stale_on = frozenset({"total"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        weight = view.weight(client)
        most = max(weight.values(), default=1.0) if isinstance(weight, Mapping) else weight
        return (-most, view.share(client))

    def divide(self, problem: Problem) -> Answer:
        if problem.on_blocked == "stop":
            raise NotSupported("policy priority serves class after class; leave out on_blocked")
        free = list(problem.capacity)
        tasks: list[Any] = [0] * len(problem.users)
        for rank in sorted({single(w) for w in problem.weights}, reverse=True):
            rows = [
                i
                for i, weight in enumerate(problem.weights)
                if single(weight) == rank
                and all(
                    (q <= free[j] if problem.whole else free[j] > 0)
                    for j, q in enumerate(problem.demands[i])
                    if q > 0
                )
            ]
            part = among(problem, rows)
            costs = dominant(part, _all)  # shares are of all there is, not of what is left
            fill = fill_by_cost if problem.whole else fill_divisible
            answer = fill(replace(part, capacity=list(free)), costs)
            for i, count in zip(rows, answer.tasks, strict=True):
                tasks[i] = count
                for j, q in enumerate(problem.demands[i]):
                    free[j] -= Fraction(count) * q
        return Answer(tasks)


def _all(_: str) -> bool:
    return True


def among(problem: Problem, rows: list[int]) -> Problem:
    """The same problem among these users only."""

    def of(values: Sequence[T]) -> list[T]:
        return [values[i] for i in rows]

    return replace(
        problem,
        users=of(problem.users),
        demands=of(problem.demands),
        weights=of(problem.weights),
        caps=of(problem.caps),
        ranks=of(problem.ranks),
        eligible=of(problem.eligible) if problem.eligible else (),
    )
