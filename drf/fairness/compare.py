"""Properties that compare two divisions by the same rule: before and after a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from drf.fairness.allocation import Allocation, Rule, allocation_of
from drf.fairness.instance import Instance
from drf.fairness.verdict import FAILS, HOLDS, IDLE, Change, Verdict, Witness, in_tasks, shown


def over(
    name: str,
    rule: Rule,
    instance: Instance,
    changes: Iterable[Change],
    judge: Callable[[Allocation, Change, Allocation], Witness | None],
) -> Verdict:
    """The verdict on a rule: ask it about the instance and about each change, until `judge` finds a witness.

    One call of the rule, and one a change.
    """
    before = allocation_of(instance, rule(instance))
    tried = 0
    for change in changes:
        after = allocation_of(change.instance, rule(change.instance))
        witness = judge(before, change, after)
        if witness is not None:
            return Verdict(name, FAILS, "", witness)
        tried += 1
    if not tried:
        return Verdict(name, IDLE, "there is nothing to change in this instance")
    return Verdict(name, HOLDS, f"{tried} changes tried")


def fewer(
    instance: Instance,
    before: Allocation,
    change: Change,
    after: Allocation,
    i: int,
) -> Witness | None:
    """A witness where user i has fewer tasks after the change than before; O(machines)."""
    user, due = instance.users[i], before.tasks[i]
    got = after.tasks[change.instance.users.index(user)]
    if not _rounding(before, after).above(due, got):
        return None
    text = f"{user} runs {in_tasks(due)}, and {shown(got)} after this: {change.text}"
    return Witness(instance, before, user, got, due, "tasks", text, change=change, after=after)


def unequal(
    instance: Instance,
    before: Allocation,
    change: Change,
    after: Allocation,
    i: int,
    due: Fraction,
) -> Witness | None:
    """A witness where user i has other than the due tasks after the change; O(machines).

    Users are found by position where the change renames them, else by name.
    """
    user = instance.users[i]
    people = change.instance.users
    got = after.tasks[people.index(user) if user in people else i]
    both = _rounding(before, after)
    if not both.above(due, got) and not both.above(got, due):
        return None
    text = (
        f"{user} runs {in_tasks(before.tasks[i])}; after this it should run {shown(due)} "
        f"and runs {shown(got)}: {change.text}"
    )
    return Witness(instance, before, user, got, due, "tasks", text, change=change, after=after)


def _rounding(before: Allocation, after: Allocation) -> Allocation:
    """Two rounded divisions differ by more than one does: a thousand times, as solvers stop short."""
    rounding = max(before.rounding, after.rounding)
    return Allocation((), rounding * 1000)
