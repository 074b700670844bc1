"""All properties by name, what each judges, and how to judge many instances and to replay a witness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from drf.errors import InvalidOption, UnknownName
from drf.fairness.allocation import Rule
from drf.fairness.churn import bookkeeping, no_starvation, static_agreement
from drf.fairness.efficiency import conservation, maxmin_certificate, pareto_efficiency
from drf.fairness.envy import ef1_add, ef1_remove, envy_freeness
from drf.fairness.hierarchy import hierarchical_share
from drf.fairness.incentives import group_strategy_proofness, strategy_proofness
from drf.fairness.instance import Instance
from drf.fairness.monotonicity import (
    cap_monotonicity,
    population_monotonicity,
    resource_monotonicity,
    weight_monotonicity,
)
from drf.fairness.neutrality import (
    anonymity,
    determinism,
    neutral_copies,
    neutral_dummy,
    neutral_order,
    neutral_scale,
    neutral_task_size,
    neutral_units,
    neutral_weights,
    tie_rule,
)
from drf.fairness.sharing import (
    bottleneck_fairness,
    bottleneck_maxmin,
    no_justified_complaints,
    sharing_incentive,
    single_resource,
)
from drf.fairness.verdict import HOLDS, IDLE, Verdict, Witness
from drf.fairness.whole import dominant_gap, near_divisible, sharing_up_to_tasks


@dataclass(frozen=True)
class Property:
    """A property: its name, what it judges, and the function that does.

    ``kind`` is ``"division"`` (``check(instance, allocation)``), ``"rule"`` (``check(rule, instance)``, which asks
    the rule about changed instances too) or ``"live"`` (``check(start, instance)``, which lets tasks come and go).
    """

    name: str
    kind: str
    check: Callable[..., Verdict]

    @property
    def summary(self) -> str:
        """The first sentence of what the function says of itself; O(1)."""
        return " ".join((self.check.__doc__ or "").split("\n\n")[0].split())


def _all() -> Iterator[Property]:
    by_kind: dict[str, tuple[Callable[..., Verdict], ...]] = {
        "division": (
            conservation,
            sharing_incentive,
            envy_freeness,
            ef1_remove,
            ef1_add,
            pareto_efficiency,
            maxmin_certificate,
            single_resource,
            bottleneck_fairness,
            no_justified_complaints,
            bottleneck_maxmin,
            hierarchical_share,
            sharing_up_to_tasks,
            dominant_gap,
            near_divisible,
        ),
        "rule": (
            strategy_proofness,
            group_strategy_proofness,
            population_monotonicity,
            resource_monotonicity,
            cap_monotonicity,
            weight_monotonicity,
            neutral_units,
            neutral_task_size,
            neutral_scale,
            neutral_weights,
            neutral_copies,
            neutral_order,
            neutral_dummy,
            anonymity,
            tie_rule,
            determinism,
        ),
        "live": (no_starvation, static_agreement, bookkeeping),
    }
    for kind, checks in by_kind.items():
        for check in checks:
            yield Property(check.__name__, kind, check)


PROPERTIES: Mapping[str, Property] = MappingProxyType({p.name: p for p in _all()})
"""Every property by name, in the order of this page."""


def find(name: str) -> Property:
    """The property of that name; O(1). Raises UnknownName, which names the nearest."""
    if name not in PROPERTIES:
        raise UnknownName("property", name, PROPERTIES)
    return PROPERTIES[name]


def judge(name: str, subject: Any, instance: Instance) -> Verdict:
    """The verdict on a rule (or, for a property of the kind "live", on a `Start`) at one instance.

    Costs one call of the rule, or as many as the property's function says. Raises UnknownName, and whatever the rule
    raises.

    >>> def half(instance):                          # a static partition into two
    ...     return [min(c / (2 * d) for c, d in zip(instance.capacity, row) if d) for row in instance.demands]
    >>> print(judge("pareto_efficiency", half, Instance.of([3, 4], [[1, 3], [2, 2]])).witness.text)
    u0 runs 2/3 tasks and could run 5/6 without anybody running less
    """
    prop = find(name)
    if prop.kind == "division":
        return prop.check(instance, subject(instance))
    return prop.check(subject, instance)


def convict(name: str, subject: Any, instances: Iterable[Instance]) -> Verdict:
    """The first conviction of a rule among these instances, made small; else that it holds, or was never applicable.

    The witness loses users, then resources, then machines, one by one, as long as the property still fails.
    """
    tried = 0
    for instance in instances:
        verdict = judge(name, subject, instance)
        if verdict.fails:
            return _small(name, subject, verdict)
        tried += verdict.holds
    if not tried:
        return Verdict(name, IDLE, "no instance was fit to judge it")
    return Verdict(name, HOLDS, f"in {tried} instances")


def replay(verdict: Verdict, rule: Rule) -> Verdict:
    """The rule judged again at the instance of a verdict's witness, with the witness's change alone.

    Raises InvalidOption where the verdict has no witness.
    """
    prop = find(verdict.name)
    if verdict.witness is None:
        raise InvalidOption(f"the verdict on {verdict.name} has no witness; replay one that fails")
    if prop.kind == "rule":
        return prop.check(rule, verdict.witness.instance, changes=_changes(verdict.witness))
    return judge(verdict.name, rule, verdict.witness.instance)


def _changes(witness: Witness) -> list[Any]:
    return [] if witness.change is None else [witness.change]


def _small(name: str, subject: Any, verdict: Verdict) -> Verdict:
    """The same conviction with fewer users, resources and machines, where there is one."""
    smaller = True
    while smaller and verdict.witness is not None:
        smaller = False
        for instance in _reduced(verdict.witness.instance):
            again = judge(name, subject, instance)
            if again.fails:
                verdict, smaller = again, True
                break
    return verdict


def _reduced(instance: Instance) -> Iterator[Instance]:
    """This instance without one user, one resource or one machine, where what is left is an instance."""
    for what in (instance.users, instance.resources, instance.machines):
        for gone in range(len(what)) if len(what) > 1 else ():
            keep = [n for n in range(len(what)) if n != gone]
            if what is instance.users:
                yield instance.only(keep)
            elif what is instance.resources:
                fewer = instance.columns(keep)
                if all(any(row) for row in fewer.demands):
                    yield fewer
            else:
                yield instance.replace(
                    hosts=tuple(instance.hosts[k] for k in keep),
                    machines=tuple(instance.machines[k] for k in keep),
                    eligible=tuple(
                        frozenset(n for n, k in enumerate(keep) if k in allowed)
                        for allowed in instance.eligible
                    ),
                )
