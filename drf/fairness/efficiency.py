"""Is more given than there is, or anything left that somebody could use? And the certificate of max-min fairness."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from drf.fairness.allocation import Allocation, allocation_of
from drf.fairness.instance import ZERO, Instance
from drf.fairness.oracles import extend
from drf.fairness.verdict import FAILS, HOLDS, IDLE, TREE, Change, Verdict, Witness, in_tasks, shown


def conservation(instance: Instance, allocation: Any) -> Verdict:
    """No machine gives more than it has; nobody has fewer tasks than none, more than its cap, or any where it may not.

    Whole tasks are whole.
    O(users x machines x resources).

    >>> print(conservation(Instance.of([9, 18], [[1, 4], [3, 1]]), [4, 2]).witness.text)
    10 r0 are given of 9 on pool
    """
    name = "conservation"
    a = allocation_of(instance, allocation)

    def fails(who: str, got: Fraction, due: Fraction, measure: str, text: str) -> Verdict:
        return Verdict(name, FAILS, "", Witness(instance, a, who, got, due, measure, text))

    for i, user in enumerate(instance.users):
        for k, x in enumerate(a.placed[i]):
            if a.above(ZERO, x):
                text = f"{user} has {in_tasks(x)} on {instance.hosts[k]}, fewer than none"
                return fails(user, x, ZERO, "tasks", text)
            if k not in instance.eligible[i] and a.above(x, ZERO):
                text = f"{user} has {in_tasks(x)} on {instance.hosts[k]}, which it may not use"
                return fails(user, x, ZERO, "tasks", text)
            if not instance.divisible and x.denominator != 1:
                text = f"{user} has {in_tasks(x)} on {instance.hosts[k]}, and tasks are whole"
                return fails(user, x, Fraction(x // 1), "tasks", text)
        cap = instance.caps[i]
        if cap is not None and a.above(a.tasks[i], cap):
            text = f"{user} has {in_tasks(a.tasks[i])} and asked for {shown(cap)} at most"
            return fails(user, a.tasks[i], cap, "tasks", text)
    for k, host in enumerate(instance.hosts):
        used = a.used(instance, k)
        for j, (given, there) in enumerate(zip(used, instance.machines[k], strict=True)):
            if a.above(given, there):
                text = (
                    f"{shown(given)} {instance.resources[j]} are given of {shown(there)} on {host}"
                )
                return fails(host, given, there, instance.resources[j], text)
    return Verdict(name, HOLDS)


def pareto_efficiency(instance: Instance, allocation: Any) -> Verdict:
    """Nobody could run more without another running less.

    One pool: everybody is at its cap, or a resource that it needs is used up (Ghodsi et al., NSDI 2011, Lemma 8); for
    whole tasks, what is left has no room for one more. O(users x resources). Several machines: a linear program looks
    for a better placement of divisible tasks; whole tasks are judged as they are placed (none is moved). The witness
    holds the better division. Not applicable where more is given than there is.
    """
    name = "pareto_efficiency"
    a = allocation_of(instance, allocation)
    if conservation(instance, a).fails:
        return Verdict(name, IDLE, "more is given than may be; see conservation")
    people = range(len(instance.users))
    if instance.divisible and not instance.pooled:
        better = _better(instance, a)
    else:
        better = next((b for i in people if (b := _one_more(instance, a, i)) is not None), None)
    if better is None:
        return Verdict(name, HOLDS)
    who = next(i for i in people if a.above(better.tasks[i], a.tasks[i]))
    text = (
        f"{instance.users[who]} runs {in_tasks(a.tasks[who])} and could run {shown(better.tasks[who])} "
        f"without anybody running less"
    )
    change = Change("better", instance, (who,))
    witness = Witness(
        instance,
        a,
        instance.users[who],
        a.tasks[who],
        better.tasks[who],
        "tasks",
        text,
        change=change,
        after=better,
    )
    return Verdict(name, FAILS, "", witness)


def maxmin_certificate(
    instance: Instance, allocation: Any, per_task: Sequence[Fraction] | None = None
) -> Verdict:
    """Nobody's share can be raised but by lowering that of one who has no more: the division is max-min fair.

    ``per_task`` is the share of one task by user; left out, the shares are weighted dominant ones, and what is
    certified is (weighted, capped) DRF; of several machines together, DRFH. One pool: everybody is at its cap, or a
    resource that it needs is used up of which nobody with a larger share holds anything; O(users^2 x resources).
    Several machines: a linear program a user. For divisible tasks.
    """
    name = "maxmin_certificate"
    if not instance.flat:
        return Verdict(name, IDLE, TREE)
    if not instance.divisible:
        return Verdict(name, IDLE, "whole tasks are max-min fair up to a task; see dominant_gap")
    a = allocation_of(instance, allocation)
    people = range(len(instance.users))
    cost = list(per_task) if per_task else [instance.weighted_per_task(i) for i in people]
    share = [x * c for x, c in zip(a.tasks, cost, strict=True)]
    for i in people:
        if not cost[i] or not a.wants(instance, i):
            continue
        due = _raised(instance, a, share, i)
        if due is not None:
            user = instance.users[i]
            text = (
                f"{user} runs {in_tasks(a.tasks[i])} and could run {shown(due)} "
                f"at no cost to anybody whose share is not above its {shown(share[i])}"
            )
            witness = Witness(instance, a, user, a.tasks[i], due, "tasks", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def _one_more(instance: Instance, a: Allocation, i: int) -> Allocation | None:
    """The allocation with as much more for user i as has room, whole tasks one."""
    if not a.wants(instance, i):
        return None
    for k in sorted(instance.eligible[i]):
        used = a.used(instance, k)
        left = tuple(max(ZERO, c - u) for c, u in zip(instance.machines[k], used, strict=True))
        if instance.divisible and any(
            full and d > 0 for full, d in zip(a.full(instance, k), instance.demands[i], strict=True)
        ):
            continue
        room = instance.capped(i, a.tasks[i] + instance.runnable(i, left)) - a.tasks[i]
        if not instance.divisible:
            room = Fraction(int(room >= 1))
        if room > 0:
            row = a.placed[i]
            more = (*row[:k], row[k] + room, *row[k + 1 :])
            return Allocation((*a.placed[:i], more, *a.placed[i + 1 :]), a.rounding)
    return None


def _better(instance: Instance, a: Allocation) -> Allocation | None:
    """A placement in which nobody runs less and somebody more, by a linear program."""
    people = range(len(instance.users))
    least = {i: _less(a, x) for i, x in enumerate(a.tasks)}
    found = extend(instance, least, {i: Fraction(1) for i in people})
    if found is None:
        return None
    better = Allocation(found[1], a.rounding * 1000)
    return better if any(better.above(better.tasks[i], a.tasks[i]) for i in people) else None


def _raised(
    instance: Instance, a: Allocation, share: Sequence[Fraction], i: int
) -> Fraction | None:
    """The tasks that user i could have at no cost to those with no larger share; None where no more than now."""
    people = range(len(instance.users))
    humble = [k for k in people if k != i and not a.above(share[k], share[i])]
    if instance.pooled:
        full = a.full(instance, 0)
        for j, d in enumerate(instance.demands[i]):
            held_by_proud = any(
                k not in (*humble, i) and instance.demands[k][j] > 0 and a.tasks[k] > a.rounding
                for k in people
            )
            if full[j] and d > 0 and not held_by_proud:
                return None
    least = {k: _less(a, a.tasks[k]) for k in humble}
    best = extend(instance, least, {i: Fraction(1)})
    if best is None or not a.above(best[0], a.tasks[i] * (1 + 1000 * a.rounding)):
        return None
    return best[0]


def _less(a: Allocation, tasks: Fraction) -> Fraction:
    """These tasks, or a hair less where they are rounded: so much surely fits."""
    return max(ZERO, tasks - a.rounding * max(Fraction(1), tasks))
