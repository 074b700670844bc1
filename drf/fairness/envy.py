"""Does anybody prefer what another got? Envy-freeness, and its two relaxations for whole tasks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from drf.fairness.allocation import Allocation, allocation_of
from drf.fairness.instance import ZERO, Instance
from drf.fairness.verdict import FAILS, HOLDS, IDLE, TREE, Verdict, Witness, in_tasks, shown


def would_run(instance: Instance, allocation: Allocation, i: int, k: int) -> Fraction:
    """How many tasks user i would run with what user k holds, scaled by their weights; O(machines x resources).

    What k holds on a machine that i may not use is worth nothing to i. With weights for each resource, each amount is
    scaled by the two weights for that resource.
    """
    scale = [a / b for a, b in zip(instance.weights[i], instance.weights[k], strict=True)]
    total = sum(
        (
            instance.runnable(
                i,
                tuple(s * b for s, b in zip(scale, allocation.bundle(instance, k, m), strict=True)),
            )
            for m in sorted(instance.eligible[i])
        ),
        ZERO,
    )
    return instance.capped(i, total)


def envy_freeness(instance: Instance, allocation: Any) -> Verdict:
    """Nobody would run more tasks with what another holds (weighted: w_i / w_k times that) than with its own.

    Ghodsi et al., NSDI 2011, section 3; whole tasks are rounded down. O(users^2 x machines x resources).

    >>> pool = Instance.of([6, 18], [[2, 2], [2, 2]], divisible=False)
    >>> print(envy_freeness(pool, [2, 1]).witness.text)
    u1 runs 1 task and would run 2 with what u0 holds
    """

    def all_of_it(allocation: Allocation, i: int, k: int) -> Fraction:
        return would_run(instance, allocation, i, k)

    return _judge("envy_freeness", instance, allocation, all_of_it, 0, "")


def ef1_remove(instance: Instance, allocation: Any) -> Verdict:
    """Envy-free up to one task of the *envied*: with what another holds, less one of its tasks, nobody runs more.

    For whole tasks and equal weights. Whole-task DRF has it; sequential min-max does not. With several machines the
    task is taken off where that ends the envy, if anywhere. O(users^2 x machines^2 x resources).
    """

    def less_one(allocation: Allocation, i: int, k: int) -> Fraction:
        row = allocation.placed[k]
        rest = [
            Allocation(
                tuple(
                    (*row[:m], row[m] - 1, *row[m + 1 :]) if user == k else other
                    for user, other in enumerate(allocation.placed)
                ),
                allocation.rounding,
            )
            for m in range(len(row))
            if row[m] >= 1
        ]
        return min((would_run(instance, r, i, k) for r in rest), default=ZERO)

    return _judge("ef1_remove", instance, allocation, less_one, 0, " but for one task of it")


def ef1_add(instance: Instance, allocation: Any) -> Verdict:
    """Envy-free up to one task of *one's own*: with what another holds nobody would run more than one task more.

    For whole tasks and equal weights. Sequential min-max has it; whole-task DRF does not. O(users^2 x machines x
    resources).
    """

    def all_of_it(allocation: Allocation, i: int, k: int) -> Fraction:
        return would_run(instance, allocation, i, k)

    return _judge("ef1_add", instance, allocation, all_of_it, 1, "")


def _judge(
    name: str,
    instance: Instance,
    answer: Any,
    worth: Callable[[Allocation, int, int], Fraction],
    slack: int,
    but: str,
) -> Verdict:
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    if name != "envy_freeness" and (instance.divisible or not instance.even):
        return Verdict(name, IDLE, "it is defined for whole tasks and equal weights")
    allocation = allocation_of(instance, answer)
    people = range(len(instance.users))
    for i in people:
        own = allocation.tasks[i]
        for k in people:
            if k == i:
                continue
            due = worth(allocation, i, k)
            if allocation.above(due, own + slack):
                user, other = instance.users[i], instance.users[k]
                text = f"{user} runs {in_tasks(own)} and would run {shown(due)} with what {other} holds{but}"
                return Verdict(
                    name,
                    FAILS,
                    "",
                    Witness(instance, allocation, user, own, due, "tasks", text, other),
                )
    return Verdict(name, HOLDS)
