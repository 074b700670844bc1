"""Policies that raise everybody's share together; they differ in what a share is of."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from drf.errors import InvalidOption
from drf.plugins import Answer, Policy, Problem, View
from drf.policies.filling import (
    dominant,
    fill_by_cost,
    fill_divisible,
    fill_shares,
    fill_whole,
    parts,
)
from drf.policies.placing import divide_machines


class _ByShare(Policy):
    """The lowest share of the resources that count is next; a grant moves one client, a changed total all."""

    modes = frozenset({"order", "divide", "machines"})
    stale_on = frozenset({"total"})
    kernel = "drf"

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        return (view.share(client),)

    def divide(self, problem: Problem) -> Answer:
        if problem.machines:
            return divide_machines(problem, dominant(problem, self.counts))
        if problem.whole:
            return fill_whole(problem, self.counts)
        return fill_shares(problem, self.counts)


class DRF(_ByShare):
    """Dominant Resource Fairness: max-min fairness on dominant shares, divided by weights.

    Ghodsi, Zaharia, Hindman, Konwinski, Shenker and Stoica, NSDI 2011. Over machines the share is of all machines
    together, and whole tasks go to the first machine where they fit.

    >>> DRF().counts("gpus")
    True
    """

    name = "drf"


class MaxMin(_ByShare):
    """Max-min fairness on one named resource; the others only have to fit.

    >>> MaxMin("cpus").counts("mem")
    False
    """

    def __init__(self, resource: str) -> None:
        if not resource:
            raise InvalidOption("maxmin needs the name of a resource, as in 'maxmin:cpus'")
        self.resource = resource
        self.name = f"maxmin:{resource}"

    def counts(self, resource: str) -> bool:
        return resource == self.resource


class Asset(Policy):
    """Asset fairness: max-min on the sum of a client's shares of all resources, each divided by the weight.

    Ghodsi et al., NSDI 2011, section 5.1.

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> a = allocate({"cpus": 9, "mem": 18}, two, policy="asset", divisible=True, exact=True)
    >>> str(a.tasks["A"]), str(a.tasks["B"])
    ('63/25', '54/25')
    """

    name = "asset"
    modes = frozenset({"order", "divide", "machines"})
    stale_on = frozenset({"total"})

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        held, total = view.held(client).quantities(), view.total().quantities()
        weight = view.weight(client)
        share = 0.0
        for name in sorted(total):
            if total[name] > 0:
                w = weight.get(name, 1.0) if isinstance(weight, Mapping) else weight
                share += held.get(name, 0) / total[name] / w
        return (share,)

    def divide(self, problem: Problem) -> Answer:
        costs = [sum(parts(problem, i), Fraction(0)) for i in range(len(problem.users))]
        return _filled(problem, costs)


class Tasks(Policy):
    """Max-min on the number of tasks, divided by the weight, whatever a task needs; also called jobs fairness.

    It divides; a sorter is not told what a task is. A weight a resource counts by its largest.

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> allocate({"cpus": 9, "mem": 18}, two, policy="tasks", divisible=True).tasks
    {'A': 2.25, 'B': 2.25}
    """

    name = "tasks"
    modes = frozenset({"divide", "machines"})

    def divide(self, problem: Problem) -> Answer:
        return _filled(problem, [1 / single(w) for w in problem.weights])


def single(weight: Fraction | tuple[Fraction, ...]) -> Fraction:
    """One number for the weight: of weights a resource the largest."""
    return max(weight) if isinstance(weight, tuple) else weight


def _filled(problem: Problem, costs: list[Fraction]) -> Answer:
    if problem.machines:
        return divide_machines(problem, costs)
    return (fill_by_cost if problem.whole else fill_divisible)(problem, costs)
