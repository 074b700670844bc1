"""Is everybody better off than with a part of its own? Sharing incentive, justified complaints, bottlenecks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from drf.fairness.allocation import Allocation, allocation_of
from drf.fairness.instance import ZERO, Instance
from drf.fairness.oracles import fill
from drf.fairness.verdict import FAILS, HOLDS, IDLE, TREE, Verdict, Witness, in_tasks, shown


def entitlement(instance: Instance, i: int, j: int) -> Fraction:
    """The part of resource j that user i would own: w_ij / sum_k w_kj; O(users)."""
    return instance.weights[i][j] / sum((row[j] for row in instance.weights), ZERO)


def alone(instance: Instance, i: int) -> Fraction:
    """The wanted tasks that user i would run on its part of every machine it may use; O(users x resources)."""
    part = [entitlement(instance, i, j) for j in range(len(instance.resources))]
    total = sum(
        (
            instance.runnable(
                i, tuple(p * c for p, c in zip(part, instance.machines[k], strict=True))
            )
            for k in sorted(instance.eligible[i])
        ),
        ZERO,
    )
    return instance.capped(i, total)


def sharing_incentive(instance: Instance, allocation: Any) -> Verdict:
    """Everybody runs at least what it would run on a part of its own of each machine it may use: w_i / W of everything.

    Ghodsi et al., NSDI 2011, section 3; with weights for each resource, w_ij / sum_k w_kj of resource j. Whole tasks
    are rounded down. O(users x machines x resources).

    >>> pool = Instance.of([30, 30], [[1, 3], [1, 1]])
    >>> print(sharing_incentive(pool, [6, 12]).witness.text)
    u1 runs 12 tasks and would run 15 on a part of its own
    """
    name = "sharing_incentive"
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    a = allocation_of(instance, allocation)
    for i, user in enumerate(instance.users):
        due = alone(instance, i)
        if a.above(due, a.tasks[i]):
            text = f"{user} runs {in_tasks(a.tasks[i])} and would run {shown(due)} on a part of its own"
            witness = Witness(instance, a, user, a.tasks[i], due, "tasks", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def no_justified_complaints(instance: Instance, allocation: Any) -> Verdict:
    """Everybody has all it asked for, or at least its entitlement of a resource that is used up ("BBF").

    Dolev et al., "No Justified Complaints", ITCS 2012. Nash (CEEI) has it, DRF does not. For divisible tasks in one
    pool. O(users x resources).
    """
    name = "no_justified_complaints"
    return _bottlenecks(name, instance, allocation, largest=False)


def bottleneck_maxmin(instance: Instance, allocation: Any) -> Verdict:
    """Everybody has all it asked for, or the largest (weighted) part of a resource that is used up ("BMF").

    Bonald and Roberts, "Multi-resource fairness: objectives, algorithms and performance", SIGMETRICS 2015. It implies
    no_justified_complaints. For divisible tasks in one pool. O(users^2 x resources).
    """
    return _bottlenecks("bottleneck_maxmin", instance, allocation, largest=True)


def single_resource(instance: Instance, allocation: Any) -> Verdict:
    """Where all users need one and the same resource alone, it is divided by weighted max-min.

    Ghodsi et al., NSDI 2011, section 3. Whole tasks may be off by the largest share of one task, at the
    least weight. O(users^2).
    """
    name = "single_resource"
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    needed = {j for row in instance.demands for j, d in enumerate(row) if d > 0}
    if len(needed) != 1 or not instance.pooled:
        return Verdict(name, IDLE, "it is for one pool of which all need one and the same resource")
    a = allocation_of(instance, allocation)
    due = fill(instance).tasks
    cost = [instance.weighted_per_task(i) for i in range(len(instance.users))]
    slack = ZERO
    if not instance.divisible:
        lightest = min(min(row) for row in instance.weights)
        slack = max(instance.per_task(i) for i in range(len(cost))) / lightest
    for i, user in enumerate(instance.users):
        off = abs(a.tasks[i] - due[i]) * cost[i]
        if a.above(off, slack):
            text = f"{user} runs {in_tasks(a.tasks[i])}; max-min fair is {shown(due[i])}"
            witness = Witness(instance, a, user, a.tasks[i], due[i], "tasks", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def bottleneck_fairness(instance: Instance, allocation: Any) -> Verdict:
    """Where one resource is dominant for everybody, its (weighted) shares are equal, but for users at their caps.

    Ghodsi et al., NSDI 2011, section 3. For whole tasks, those of two users may differ by one task of each,
    at the weight of the one who has more.
    O(users^2 x resources).

    >>> pool = Instance.of([4, 2], [[1, 1], [1, 4]])
    >>> print(bottleneck_fairness(pool, [Fraction(2, 5)] * 2).witness.text)
    u0 holds 1/5 of r1 and u1 4/5, which both need most
    """
    name = "bottleneck_fairness"
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    if not instance.pooled or not instance.scalar:
        return Verdict(name, IDLE, "it is for one pool and one weight a user")
    people = range(len(instance.users))
    common = [
        j
        for j, capacity in enumerate(instance.capacity)
        if capacity and all(_needs_most(instance, i, j) for i in people)
    ]
    if not common:
        return Verdict(name, IDLE, "no resource is dominant for every user")
    a = allocation_of(instance, allocation)
    j = common[0]
    share = [_part(instance, a, i, j) for i in people]
    for i in people:
        for k in people:
            slack = ZERO if instance.divisible else _tasks_apart(instance, i, k)
            if a.wants(instance, i) and a.above(share[k], share[i] + slack):
                user, other = instance.users[i], instance.users[k]
                weighted = "" if instance.even else ", divided by their weights"
                text = (
                    f"{user} holds {shown(share[i])} of {instance.resources[j]} and {other} "
                    f"{shown(share[k])}{weighted}, which both need most"
                )
                measure = f"share of {instance.resources[j]}"
                witness = Witness(instance, a, user, share[i], share[k], measure, text, other)
                return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def _needs_most(instance: Instance, i: int, j: int) -> bool:
    top = instance.per_task(i)
    return top > 0 and instance.demands[i][j] / instance.capacity[j] == top


def _tasks_apart(instance: Instance, i: int, k: int) -> Fraction:
    """By how much user k may be ahead of i: one task of its own, and less than one of i was left over for it."""
    return (instance.per_task(i) + instance.per_task(k)) / instance.weights[k][0]


def _part(instance: Instance, a: Allocation, i: int, j: int) -> Fraction:
    """The weighted share that user i holds of resource j."""
    return a.tasks[i] * instance.demands[i][j] / (instance.capacity[j] * instance.weights[i][j])


def _bottlenecks(name: str, instance: Instance, allocation: Any, *, largest: bool) -> Verdict:
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    if not instance.pooled or not instance.divisible:
        return Verdict(name, IDLE, "it is for divisible tasks in one pool")
    a = allocation_of(instance, allocation)
    people = range(len(instance.users))
    full = [j for j, used in enumerate(a.full(instance, 0)) if used and instance.capacity[j] > 0]
    for i, user in enumerate(instance.users):
        if not a.wants(instance, i) or not instance.per_task(i):
            continue
        parts = {j: _part(instance, a, i, j) for j in full}
        due = {
            j: max(_part(instance, a, k, j) for k in people)
            if largest
            else entitlement(instance, i, j) / instance.weights[i][j]
            for j in full
        }
        if any(not a.above(due[j], parts[j]) for j in full):
            continue
        # The resource of which it comes nearest to its due; with nothing used up, it could simply have more.
        near = max(full, key=lambda j: parts[j] - due[j], default=None)
        if near is None:
            text = f"{user} wants more than its {in_tasks(a.tasks[i])} and nothing is used up"
            return Verdict(name, FAILS, "", Witness(instance, a, user, ZERO, ZERO, "share", text))
        resource = instance.resources[near]
        weighted = "" if instance.even else ", divided by weight"
        what = "another holds" if largest else "it is entitled to"
        text = (
            f"{user} wants more, and of no used-up resource has its due: it holds {shown(parts[near])} of "
            f"{resource}, and {what} {shown(due[near])}{weighted}"
        )
        witness = Witness(
            instance, a, user, parts[near], due[near], f"share of {resource}", text, resource
        )
        return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)
