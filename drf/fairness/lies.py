"""What users may claim instead of the truth: the lies among which the search looks for one that pays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from drf.fairness.instance import Instance, Vector
from drf.fairness.verdict import Change, shown

KINDS = ("scale", "equalise", "add", "drop", "caps", "constraints")
FACTORS = (Fraction(2), Fraction(3), Fraction(3, 2), Fraction(8), Fraction(1, 2))


def lies(
    instance: Instance, i: int, kinds: Sequence[str] = KINDS, *, few: bool = False
) -> Iterator[Change]:
    """The lies of user i about itself, each an instance as the rule would see it.

    * ``scale``: one amount of a task, or the whole of it, times 2, 3, 3/2, 8 and 1/2;
    * ``equalise``: all amounts as large as the largest, in units or in shares of the capacity;
    * ``add``: some of a resource that a task does not need;
    * ``drop``: nothing of a resource that it does need;
    * ``caps``: more tasks than it wants, or fewer;
    * ``constraints``: one machine more than it may use, one fewer, or all.

    ``few`` gives the factor 2 alone. Whole tasks and divisible ones alike; nothing that is not an instance.
    """
    factors = FACTORS[:1] if few else FACTORS
    for kind in kinds:
        if kind == "caps":
            yield from _caps(instance, i)
        elif kind == "constraints":
            yield from _constraints(instance, i)
        else:
            seen = {instance.demands[i]}
            for row in _DEMANDS[kind](instance, i, factors):
                if row not in seen and any(row):
                    seen.add(row)
                    text = f"{instance.users[i]} claims {_task(instance, row)} a task"
                    yield Change(text, instance.with_user(i, demands=row), (i,))


def _scale(instance: Instance, i: int, factors: Sequence[Fraction]) -> Iterator[Vector]:
    row = instance.demands[i]
    for factor in factors:
        for j in range(len(row)):
            yield tuple(d * factor if n == j else d for n, d in enumerate(row))
        yield tuple(d * factor for d in row)


def _equalise(instance: Instance, i: int, _: Sequence[Fraction]) -> Iterator[Vector]:
    row = instance.demands[i]
    yield (max(row),) * len(row)
    top = instance.per_task(i)
    yield tuple(top * c if c else d for c, d in zip(instance.capacity, row, strict=True))


def _add(instance: Instance, i: int, factors: Sequence[Fraction]) -> Iterator[Vector]:
    row = instance.demands[i]
    top = instance.per_task(i)
    for j, c in enumerate(instance.capacity):
        if row[j] == 0 and c > 0:
            for amount in (top * c, top * c / 2, *(top * c * f for f in factors)):
                yield tuple(amount if n == j else d for n, d in enumerate(row))


def _drop(instance: Instance, i: int, _: Sequence[Fraction]) -> Iterator[Vector]:
    row = instance.demands[i]
    for j, d in enumerate(row):
        if d > 0:
            yield tuple(Fraction(0) if n == j else other for n, other in enumerate(row))


_DEMANDS = {"scale": _scale, "equalise": _equalise, "add": _add, "drop": _drop}


def _caps(instance: Instance, i: int) -> Iterator[Change]:
    cap = instance.caps[i]
    claims: list[Fraction | None] = [Fraction(1), Fraction(2)] if cap is None else [None]
    if cap is not None:
        claims += [cap * 2, cap + 1, Fraction(cap // 2), cap - 1]
    for claim in claims:
        if claim is None or (claim >= 0 and claim != cap):
            most = "any number of tasks" if claim is None else f"at most {shown(claim)} tasks"
            text = f"{instance.users[i]} claims to want {most}"
            yield Change(text, instance.with_user(i, caps=claim), (i,))


def _constraints(instance: Instance, i: int) -> Iterator[Change]:
    true = instance.eligible[i]
    everywhere = frozenset(range(len(instance.machines)))
    claims = [true - {k} for k in sorted(true)] + [true | {k} for k in sorted(everywhere - true)]
    for claim in dict.fromkeys([*claims, everywhere]):
        if claim and claim != true:
            names = ", ".join(instance.hosts[k] for k in sorted(claim))
            text = f"{instance.users[i]} claims that it may use {names}"
            yield Change(text, instance.with_user(i, eligible=claim), (i,))


def joint_lies(instance: Instance, size: int = 2) -> Iterator[Change]:
    """The lies of groups of 2 up to ``size`` users; each tells one of its few lies, or (but not all) the truth."""
    people = range(len(instance.users))
    for count in range(2, size + 1):
        for group in itertools.combinations(people, count):
            truth = Change("", instance)
            menus = [[truth, *lies(instance, i, few=True)] for i in group]
            for told in itertools.islice(itertools.product(*menus), 1, None):
                together = instance
                for i, lie in zip(group, told, strict=True):
                    claim = lie.instance
                    together = together.with_user(
                        i,
                        demands=claim.demands[i],
                        caps=claim.caps[i],
                        eligible=claim.eligible[i],
                    )
                text = "; ".join(lie.text for lie in told if lie is not truth)
                yield Change(text, together, group)


def _task(instance: Instance, row: Vector) -> str:
    return ", ".join(f"{shown(v)} {n}" for n, v in zip(instance.resources, row, strict=True))
