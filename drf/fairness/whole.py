"""What whole-task DRF keeps of DRF: bounds up to one task."""

from __future__ import annotations

from typing import Any

from drf.fairness.allocation import allocation_of
from drf.fairness.instance import ZERO, Instance
from drf.fairness.oracles import fill
from drf.fairness.verdict import FAILS, HOLDS, IDLE, Verdict, Witness, shown


def sharing_up_to_tasks(instance: Instance, allocation: Any) -> Verdict:
    """Everybody who wants more holds a dominant share above (w_i / W) (1 - the shares of one task of each user).

    Whole-task DRF keeps it, with ``on_blocked`` "skip" or "stop"; sequential min-max does not. For whole tasks in one
    pool and one weight a user. O(users x resources).
    """
    name = "sharing_up_to_tasks"
    if not _whole(instance):
        return Verdict(
            name, IDLE, "it is for whole tasks in one pool and one weight a user, not in a tree"
        )
    a = allocation_of(instance, allocation)
    share = a.shares(instance)
    slack = 1 - sum((instance.per_task(i) for i in range(len(instance.users))), ZERO)
    total = sum((row[0] for row in instance.weights), ZERO)
    for i, user in enumerate(instance.users):
        due = instance.weights[i][0] / total * slack
        if instance.per_task(i) and a.wants(instance, i) and not share[i] > due:
            text = (
                f"{user} holds a dominant share of {shown(share[i])}; "
                f"its part of everything less one task of each is {shown(due)}"
            )
            witness = Witness(instance, a, user, share[i], due, "dominant share", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def dominant_gap(instance: Instance, allocation: Any) -> Verdict:
    """The weighted dominant shares of two users are at most one task, the largest, apart unless the poorer has its cap.

    Ghodsi et al., NSDI 2011, Theorem 7. It holds where filling stops at the first user who is blocked
    (``on_blocked="stop"``), not where that one is skipped. For whole tasks in one pool, demands above 0 and one
    weight a user. O(users^2).
    """
    name = "dominant_gap"
    if not _whole(instance) or not _positive(instance):
        return Verdict(
            name, IDLE, "it is for whole tasks in one pool that need all resources, not in a tree"
        )
    a = allocation_of(instance, allocation)
    people = range(len(instance.users))
    cost = [instance.weighted_per_task(i) for i in people]
    share = [x * c for x, c in zip(a.tasks, cost, strict=True)]
    for i in people:
        for k in people:
            if a.wants(instance, i) and share[k] - share[i] > max(cost):
                user, other = instance.users[i], instance.users[k]
                text = (
                    f"{user} holds a dominant share of {shown(share[i])}, {other} {shown(share[k])}: "
                    f"more than one task of {shown(max(cost))} apart"
                )
                due = share[k] - max(cost)
                witness = Witness(instance, a, user, share[i], due, "dominant share", text, other)
                return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def near_divisible(instance: Instance, allocation: Any) -> Verdict:
    """Everybody's weighted dominant share is within one task, the largest, of what divisible DRF gives.

    It holds where filling stops at the first user who is blocked, not where that one is skipped. For whole tasks in
    one pool, demands above 0 and one weight a user. O(users^2 x resources).
    """
    name = "near_divisible"
    if not _whole(instance) or not _positive(instance):
        return Verdict(
            name, IDLE, "it is for whole tasks in one pool that need all resources, not in a tree"
        )
    a = allocation_of(instance, allocation)
    cost = [instance.weighted_per_task(i) for i in range(len(instance.users))]
    due = fill(instance.replace(divisible=True)).tasks
    for i, user in enumerate(instance.users):
        got, exact = a.tasks[i] * cost[i], due[i] * cost[i]
        if abs(got - exact) > max(cost):
            text = (
                f"{user} holds a dominant share of {shown(got)}; divisible DRF gives {shown(exact)}, "
                f"more than one task of {shown(max(cost))} away"
            )
            witness = Witness(instance, a, user, got, exact, "dominant share", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def _whole(instance: Instance) -> bool:
    return not instance.divisible and instance.pooled and instance.scalar and instance.flat


def _positive(instance: Instance) -> bool:
    return all(d > 0 for row in instance.demands for d in row) and all(instance.capacity)
