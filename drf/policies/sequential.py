"""Sequential min-max: the next task goes where it leaves the smallest share."""

from __future__ import annotations

from drf.errors import NotSupported
from drf.plugins import Answer, Policy, Problem
from drf.policies.filling import fill_whole


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
        return fill_whole(problem, lambda _: True, after=True)
