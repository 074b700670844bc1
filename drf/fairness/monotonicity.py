"""Does more of something ever mean less? Population, resource, cap and weight monotonicity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from drf.fairness.allocation import Allocation, Rule
from drf.fairness.compare import fewer, over
from drf.fairness.instance import Instance
from drf.fairness.verdict import Change, Verdict, Witness, shown

FACTORS = (Fraction(2), Fraction(3), Fraction(4), Fraction(3, 2))


def population_monotonicity(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """When somebody leaves, nobody who stays runs less.

    Ghodsi et al., NSDI 2011, section 3. Divisible DRF has it where every task needs something of every resource, and
    not otherwise. One call of the rule a user.
    """
    changes = leavers(instance) if changes is None else changes
    return _nobody_less("population_monotonicity", rule, instance, changes)


def resource_monotonicity(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """When there is more of a resource, nobody runs less.

    Ghodsi et al., NSDI 2011, section 3; by Theorem 6 no rule has it together with sharing incentive and Pareto
    efficiency. Tried: each resource of each machine times 2, 3, 4 and 3/2. One call of the rule a change.
    """
    changes = growth(instance) if changes is None else changes
    return _nobody_less("resource_monotonicity", rule, instance, changes)


def cap_monotonicity(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Who wants more tasks does not run fewer. One call of the rule a change."""
    changes = higher_caps(instance) if changes is None else changes
    return _nobody_less("cap_monotonicity", rule, instance, changes)


def weight_monotonicity(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Who weighs more does not run fewer tasks. One call of the rule a change."""
    changes = higher_weights(instance) if changes is None else changes
    return _nobody_less("weight_monotonicity", rule, instance, changes)


def leavers(instance: Instance) -> Iterator[Change]:
    """Each user leaves in turn; those who stay are concerned."""
    people = range(len(instance.users))
    for gone in people:
        stay = tuple(i for i in people if i != gone)
        if stay:
            yield Change(f"{instance.users[gone]} leaves", instance.only(stay), stay)


def growth(instance: Instance) -> Iterator[Change]:
    """Each resource of each machine grows in turn; everybody is concerned."""
    people = tuple(range(len(instance.users)))
    for k, machine in enumerate(instance.machines):
        for j, c in enumerate(machine):
            for factor in FACTORS if c else ():
                more = (*machine[:j], c * factor, *machine[j + 1 :])
                machines = (*instance.machines[:k], more, *instance.machines[k + 1 :])
                text = f"{instance.hosts[k]} has {shown(c * factor)} {instance.resources[j]}"
                yield Change(text, instance.replace(machines=machines), people)


def higher_caps(instance: Instance) -> Iterator[Change]:
    """Each user with a cap wants more in turn, it alone is concerned."""
    for i, cap in enumerate(instance.caps):
        if cap is not None:
            for more in (cap + 1, cap * 2, None):
                most = "any number of" if more is None else f"at most {shown(more)}"
                text = f"{instance.users[i]} wants {most} tasks"
                yield Change(text, instance.with_user(i, caps=more), (i,))


def higher_weights(instance: Instance) -> Iterator[Change]:
    """Each user weighs more in turn, for all resources alike; it alone is concerned."""
    for i, row in enumerate(instance.weights):
        for factor in FACTORS:
            text = f"{instance.users[i]} weighs {shown(factor)} times as much"
            yield Change(text, instance.with_user(i, weights=tuple(w * factor for w in row)), (i,))


def _nobody_less(name: str, rule: Rule, instance: Instance, changes: Iterable[Change]) -> Verdict:
    def judge(before: Allocation, change: Change, after: Allocation) -> Witness | None:
        found = (fewer(instance, before, change, after, i) for i in change.who)
        return next((witness for witness in found if witness is not None), None)

    return over(name, rule, instance, changes, judge)
