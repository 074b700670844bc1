"""Does it pay to lie? Strategy-proofness of one user and of groups, by search."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction

from drf.fairness.allocation import ROUNDING, Allocation, Rule
from drf.fairness.compare import over
from drf.fairness.instance import ZERO, Instance
from drf.fairness.lies import joint_lies, lies
from drf.fairness.verdict import Change, Verdict, Witness, in_tasks, shown


def true_tasks(truth: Instance, lie: Instance, after: Allocation, i: int) -> Fraction:
    """The tasks that user i really runs with what it got for a lie; O(machines x resources).

    On each machine that it may truly use, what it got there runs min_j b_j / d_ij of its true tasks, whole where
    tasks are, and no more than it truly wants.
    """
    total = sum(
        (truth.runnable(i, after.bundle(lie, i, k)) for k in sorted(truth.eligible[i])), ZERO
    )
    return truth.capped(i, total)


def strategy_proofness(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Nobody runs more of its true tasks by claiming another task, cap or set of machines.

    The instance is the truth; ``changes`` are the lies tried, those of `lies` for each user if left out. "Holds" says
    that none of them pays. The witness has what the lie brings as ``got`` and the truth's tasks as ``due``, its upper
    bound. One call of the rule a lie.

    >>> def each_as_many(instance):                 # equal numbers of tasks, whatever they need
    ...     need = [sum(column) for column in zip(*instance.demands)]
    ...     x = min(c / n for c, n in zip(instance.capacity, need) if n)
    ...     return [x] * len(instance.users)
    >>> verdict = strategy_proofness(each_as_many, Instance.of([3, 5], [[1, 1], [2, 2]]))
    >>> print(verdict.witness.text)
    u0 runs 1 task, and 3/2 by a lie: u0 claims 2 r0, 2 r1 a task
    """
    if changes is None:
        people = range(len(instance.users))
        changes = itertools.chain.from_iterable(lies(instance, i) for i in people)
    return _by_lies("strategy_proofness", rule, instance, changes)


def group_strategy_proofness(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None, size: int = 2
) -> Verdict:
    """No group can lie so that none of it runs fewer of its true tasks and somebody in it more.

    ``changes`` are the lies tried, those of `joint_lies` for groups of 2 up to ``size`` if left out. One call of the
    rule a lie.
    """
    if changes is None:
        changes = joint_lies(instance, size)
    return _by_lies("group_strategy_proofness", rule, instance, changes)


def _by_lies(name: str, rule: Rule, instance: Instance, changes: Iterable[Change]) -> Verdict:
    def judge(before: Allocation, change: Change, after: Allocation) -> Witness | None:
        honest = {i: instance.capped(i, before.tasks[i]) for i in change.who}
        lied = {i: true_tasks(instance, change.instance, after, i) for i in change.who}
        # A rounded division is a hair off on both sides; a gain has to be well above that.
        rounded = before.rounding or after.rounding
        both = Allocation((), ROUNDING * 1000 if rounded else ZERO)
        if any(both.above(honest[i], lied[i]) for i in change.who):
            return None
        for i in change.who:
            if both.above(lied[i], honest[i]):
                user = instance.users[i]
                text = f"{user} runs {in_tasks(honest[i])}, and {shown(lied[i])} by a lie: {change.text}"
                return Witness(
                    instance, before, user, lied[i], honest[i], "tasks", text, None, change, after
                )
        return None

    return over(name, rule, instance, changes, judge)
