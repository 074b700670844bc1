"""Sequential min-max: the next task goes where it leaves the smallest share."""

from __future__ import annotations

from fractions import Fraction

from drf.errors import NotSupported
from drf.plugins import Answer, Policy, Problem
from drf.policies.filling import columns, dominant, fill_by_key, fill_in_bulk


class SequentialMinMax(Policy):
    """Each task goes to the user whose dominant share *after* it is smallest; a task that does not fit is passed over.

    Parkes, Procaccia and Shah, "Beyond Dominant Resource Fairness", 2015. Every user gets at least the whole tasks
    that fit into its part of the pool, which DRF with whole tasks does not promise. For divisible tasks it is DRF. It
    divides; a sorter is not told the size of the next task.

    >>> from drf import allocate
    >>> two = {"a": {"cpus": 2, "mem": 1}, "b": {"cpus": 1}}
    >>> allocate({"cpus": 6, "mem": 6}, two, policy="seqminmax").tasks, allocate({"cpus": 6, "mem": 6}, two).tasks
    ({'a': 1, 'b': 4}, {'a': 2, 'b': 2})
    """

    name = "seqminmax"
    modes = frozenset({"divide"})

    def divide(self, problem: Problem) -> Answer:
        if not problem.whole:
            raise NotSupported("policy seqminmax is for whole tasks; for divisible ones it is drf")
        if not problem.steps:
            return Answer(fill_in_bulk(problem, *columns(problem, lambda _: True), after=True))
        costs = dominant(problem, lambda _: True)

        def key(i: int, count: int) -> tuple[Fraction, int, int]:
            return ((count + 1) * costs[i], count if problem.by_grants else 0, problem.ranks[i])

        return fill_by_key(problem, key)
