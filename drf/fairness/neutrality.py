"""Does what should not matter matter? Units, sizes, names, order, copies of a resource, users who want nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

from drf.fairness.allocation import Allocation, Rule
from drf.fairness.compare import over, unequal
from drf.fairness.hierarchy import nodes
from drf.fairness.instance import Instance
from drf.fairness.verdict import IDLE, Change, Verdict, Witness, shown

FACTORS = (Fraction(1000), Fraction(1, 3))
Due = Callable[[Instance, Change, Allocation, int], Fraction]


def neutral_units(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """A resource counted in another unit changes nothing. Two calls of the rule a resource."""
    return _same("neutral_units", rule, instance, _units(instance) if changes is None else changes)


def neutral_task_size(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Tasks c times as large, and as many fewer of them wanted: the user runs 1/c times as many, the others the same.

    For divisible tasks. Two calls of the rule a user.
    """
    name = "neutral_task_size"
    if not instance.divisible:
        return Verdict(name, IDLE, "whole tasks are not divided alike when they have another size")

    def due(truth: Instance, change: Change, before: Allocation, i: int) -> Fraction:
        old, new = truth.demands[i], change.instance.demands[i]
        j = next(j for j, d in enumerate(old) if d > 0)
        return before.tasks[i] * old[j] / new[j]

    return _as_due(name, rule, instance, _sizes(instance) if changes is None else changes, due)


def neutral_scale(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """c times of everything there, and c times the caps: everybody runs c times as many tasks.

    For divisible tasks. Two calls of the rule.
    """
    name = "neutral_scale"
    if not instance.divisible:
        return Verdict(name, IDLE, "whole tasks do not grow with the pool one by one")

    def due(truth: Instance, change: Change, before: Allocation, i: int) -> Fraction:
        return before.tasks[i] * sum(change.instance.capacity) / sum(truth.capacity)

    return _as_due(name, rule, instance, _scales(instance) if changes is None else changes, due)


def neutral_weights(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """All weights times c, those of inner nodes too, change nothing. Two calls of the rule."""
    changes = _weighings(instance) if changes is None else changes
    return _same("neutral_weights", rule, instance, changes)


def neutral_copies(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """A resource that is listed twice (with copies of all demands), or that nobody needs, changes nothing.

    DRF and Nash have it, asset fairness does not. One call of the rule a resource, and one.
    """
    changes = _copies(instance) if changes is None else changes
    return _same("neutral_copies", rule, instance, changes)


def neutral_order(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Resources in another order change nothing. One call of the rule an order, of at most 24."""
    changes = _orders(instance) if changes is None else changes
    return _same("neutral_order", rule, instance, changes)


def neutral_dummy(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """A user who wants no task changes nothing for the others. One call of the rule a user.

    For shared-out rights rather than wishes (a static partition) it fails, rightly.
    """
    changes = _dummies(instance) if changes is None else changes
    return _same("neutral_dummy", rule, instance, changes)


def anonymity(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """Who is who does not matter: users in another order get the same, each.

    For divisible tasks, which have no ties; see tie_rule for whole ones. One call of the rule an order, of at most
    24.
    """
    name = "anonymity"
    if not instance.divisible:
        return Verdict(name, IDLE, "whole tasks have ties, which may go by the order of users")
    return _same(name, rule, instance, _people(instance) if changes is None else changes)


def tie_rule(rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None) -> Verdict:
    """Ties go by an order of rows or names, not by what the names are: other names in the same order change nothing.

    It convicts a rule whose ties depend on hashes. One call of the rule a renaming.
    """
    return _same("tie_rule", rule, instance, _names(instance) if changes is None else changes)


def determinism(
    rule: Rule, instance: Instance, *, changes: Iterable[Change] | None = None
) -> Verdict:
    """The same instance, asked about again, gives the same division. Three calls of the rule."""
    again = [Change("asked once more", instance, tuple(range(len(instance.users))))] * 2
    return _same("determinism", rule, instance, again if changes is None else changes)


def _same(name: str, rule: Rule, instance: Instance, changes: Iterable[Change]) -> Verdict:
    return _as_due(name, rule, instance, changes, lambda truth, change, before, i: before.tasks[i])


def _as_due(
    name: str, rule: Rule, instance: Instance, changes: Iterable[Change], due: Due
) -> Verdict:
    def judge(before: Allocation, change: Change, after: Allocation) -> Witness | None:
        for i in range(len(instance.users)):
            tasks = due(instance, change, before, i)
            witness = unequal(instance, before, change, after, i, tasks)
            if witness is not None:
                return witness
        return None

    return over(name, rule, instance, changes, judge)


def _units(instance: Instance) -> Iterator[Change]:
    for j, name in enumerate(instance.resources):
        for c in FACTORS:
            changed = instance.replace(
                machines=tuple(_times(row, j, c) for row in instance.machines),
                demands=tuple(_times(row, j, c) for row in instance.demands),
            )
            yield Change(f"{name} is counted in units {shown(1 / c)} times as large", changed)


def _sizes(instance: Instance) -> Iterator[Change]:
    for i, user in enumerate(instance.users):
        for c in FACTORS:
            cap = instance.caps[i]
            changed = instance.with_user(
                i,
                demands=tuple(d * c for d in instance.demands[i]),
                caps=None if cap is None else cap / c,
            )
            yield Change(f"tasks of {user} are {shown(c)} times as large", changed)


def _scales(instance: Instance) -> Iterator[Change]:
    for c in FACTORS if any(instance.capacity) else ():
        changed = instance.replace(
            machines=tuple(tuple(a * c for a in row) for row in instance.machines),
            caps=tuple(None if cap is None else cap * c for cap in instance.caps),
        )
        yield Change(f"there is {shown(c)} times of everything", changed)


def _weighings(instance: Instance) -> Iterator[Change]:
    inner = [node for node in nodes(instance) if node not in instance.users]
    for c in FACTORS:
        changed = instance.replace(
            weights=tuple(tuple(w * c for w in r) for r in instance.weights),
            groups={node: instance.groups.get(node, Fraction(1)) * c for node in inner},
        )
        yield Change(f"all weights are {shown(c)} times as large", changed)


def _copies(instance: Instance) -> Iterator[Change]:
    every = range(len(instance.resources))
    for j in every:
        yield Change(f"{instance.resources[j]} is listed twice", instance.columns([*every, j]))
    spare = instance.replace(
        resources=(*instance.resources, "spare"),
        machines=tuple((*row, Fraction(1)) for row in instance.machines),
        demands=tuple((*row, Fraction(0)) for row in instance.demands),
        weights=tuple((*row, row[0]) for row in instance.weights),
    )
    yield Change("there is a resource that nobody needs", spare)


def _orders(instance: Instance) -> Iterator[Change]:
    for order in _others(range(len(instance.resources))):
        names = " ".join(instance.resources[j] for j in order)
        yield Change(f"resources in the order {names}", instance.columns(order))


def _dummies(instance: Instance) -> Iterator[Change]:
    for i in range(len(instance.users)):
        twin = instance.only([*range(len(instance.users)), i])
        changed = twin.replace(
            users=(*instance.users, "nobody"), caps=(*instance.caps, Fraction(0))
        )
        yield Change(f"somebody like {instance.users[i]} comes who wants no tasks", changed)


def _people(instance: Instance) -> Iterator[Change]:
    for order in _others(range(len(instance.users))):
        names = " ".join(instance.users[i] for i in order)
        yield Change(f"users in the order {names}", instance.only(order))


def _names(instance: Instance) -> Iterator[Change]:
    if any("/" in user for user in instance.users):
        return  # paths say where in the tree a user is
    ranked = sorted(instance.users)
    width = len(str(len(ranked)))
    for letters in ("a", "k", "user", "x", "team-", "q", "z", "job"):
        new = {user: f"{letters}{rank:0{width}}" for rank, user in enumerate(ranked)}
        changed = instance.replace(users=tuple(new[user] for user in instance.users))
        yield Change(f"users are called {' '.join(changed.users)}", changed)


def _others(rows: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Other orders of these rows: the first 24 there are."""
    return itertools.islice(itertools.permutations(rows), 1, 25)


def _times(row: Sequence[Fraction], j: int, factor: Fraction) -> tuple[Fraction, ...]:
    return tuple(a * factor if n == j else a for n, a in enumerate(row))
