"""What the judge asks: a policy as a rule that divides an instance, and as a pool at work.

The judge knows neither policies nor sorters; here is the wire between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf.division import allocate
from drf.errors import NotSupported
from drf.fairness import Instance, Live, Rule, Start
from drf.plugins import Policy, make_policy
from drf.sorter import Sorter


def rule_of(policy: str | Policy, *, on_blocked: str = "skip", seed: int = 0) -> Rule:
    """The policy as a rule for the judge: `drf.allocate` by it, in fractions where it can, else in floats.

    >>> rule = rule_of("drf")
    >>> rule(Instance.of({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}))
    {'A': Fraction(3, 1), 'B': Fraction(2, 1)}

    A call costs what `drf.allocate` costs. The rule raises NotSupported where the policy does not divide such an
    instance; this function UnknownName and InvalidOption.
    """
    made = make_policy(policy)

    def rule(instance: Instance) -> Mapping[str, Any]:
        if not instance.flat and "tree" not in made.modes:
            raise NotSupported(
                f"policy {made.name} divides no tree of users; its modes are {sorted(made.modes)}"
            )
        problem = {"policy": made, "seed": seed, **problem_of(instance)}
        if not instance.divisible:
            division = allocate(**problem, on_blocked=on_blocked)
        else:
            try:
                division = allocate(**problem, exact=True)
            except NotSupported:
                division = allocate(**problem)
        found: Mapping[str, Any] = (
            division.tasks if division.placement is None else division.placement
        )
        return found

    return rule


def problem_of(instance: Instance) -> dict[str, Any]:
    """An instance as arguments of `drf.allocate`; what it would take by default is left out.

    >>> problem_of(Instance.of({"cpus": 4}, {"a": {"cpus": 1}}, caps=[2]))
    {'capacity': {'cpus': Fraction(4, 1)}, 'demands': {'a': {'cpus': Fraction(1, 1)}}, 'max_tasks': {'a': 2},
     'divisible': True}

    O(users x resources + machines x resources).
    """
    users, names = instance.users, instance.resources
    hosts = [dict(zip(names, row, strict=True)) for row in instance.machines]
    one_pool = instance.hosts == ("pool",)
    problem: dict[str, Any] = {
        "capacity": hosts[0] if one_pool else dict(zip(instance.hosts, hosts, strict=True)),
        "demands": {
            user: {name: d for name, d in zip(names, row, strict=True) if d}
            for user, row in zip(users, instance.demands, strict=True)
        },
    }
    weights: dict[str, Any] = {
        user: row[0] if len(set(row)) == 1 else dict(zip(names, row, strict=True))
        for user, row in zip(users, instance.weights, strict=True)
        if set(row) != {1}
    }
    weights.update((node, w) for node, w in instance.groups.items() if w != 1)
    if weights:
        problem["weights"] = weights
    caps = {
        user: cap if cap.denominator > 1 else int(cap)
        for i, user in enumerate(users)
        if (cap := instance.most(i)) is not None
    }
    if caps:
        problem["max_tasks"] = caps
    eligible = {
        user: [instance.hosts[k] for k in sorted(allowed)]
        for user, allowed in zip(users, instance.eligible, strict=True)
        if len(allowed) < len(hosts)
    }
    if eligible:
        problem["eligible"] = eligible
    problem["divisible"] = instance.divisible
    return problem


def pool_of(policy: str | Policy, *, seed: int = 0) -> Start:
    """The policy as a pool at work for the judge: a `Sorter` by it, and whoever is next and fits starts a task.

    A client that has its cap or does not fit is deactivated until that changes. Names that are paths make a tree.
    Starting costs O(users x resources) beside the sorter's own. The pool raises NotSupported where the policy does not
    order; this function UnknownName and InvalidOption.

    >>> pool = pool_of("drf")(Instance.of([2], {"a": [1], "b": [1]}, divisible=False))
    >>> pool.launch(), pool.launch(), pool.launch()
    ('a', 'b', None)
    """
    made = make_policy(policy)
    return lambda instance: _SorterPool(made, instance, seed)


class _SorterPool:
    def __init__(self, policy: Policy, instance: Instance, seed: int) -> None:
        self._instance = instance
        self._free = list(instance.capacity)
        self._tasks = dict.fromkeys(instance.users, 0)
        self._clock = 0
        total = dict(zip(instance.resources, instance.capacity, strict=True))
        self._sorter = Sorter(policy, total=total, seed=seed)
        for node, weight in instance.groups.items():
            self._sorter.weigh_path(node, float(weight))
        for user, row in zip(instance.users, instance.weights, strict=True):
            self._sorter.add(user, weight=float(row[0]))
            self._sorter.waiting(user, 0)

    def launch(self) -> str | None:
        for i, user in enumerate(self._instance.users):
            if self._fits(i) != self._sorter.is_active(user):
                (self._sorter.activate if self._fits(i) else self._sorter.deactivate)(user)
        chosen = next(iter(self._sorter.first(1)), None)
        if chosen is not None:
            self._moved(chosen, 1)
            self._sorter.waiting(chosen, self._clock)
        return chosen

    def finish(self, user: str) -> None:
        self._moved(user, -1)

    def running(self) -> Mapping[str, int]:
        return self._tasks

    def _fits(self, i: int) -> bool:
        cap = self._instance.caps[i]
        if cap is not None and self._tasks[self._instance.users[i]] + 1 > cap:
            return False
        return all(d <= f for d, f in zip(self._instance.demands[i], self._free, strict=True))

    def _moved(self, user: str, sign: int) -> None:
        row = self._instance.demands[self._instance.users.index(user)]
        task = {n: d for n, d in zip(self._instance.resources, row, strict=True) if d}
        (self._sorter.allocated if sign > 0 else self._sorter.unallocated)(user, task)
        self._free = [f - sign * d for f, d in zip(self._free, row, strict=True)]
        self._tasks[user] += sign
        self._clock += 1
        self._sorter.advance(self._clock)


def filled(start: Start) -> Rule:
    """A pool at work as a rule for whole tasks: what runs once it says that nothing fits any more.

    Costs a launch a task. The rule raises NotSupported for divisible tasks and for machines.
    """

    def rule(instance: Instance) -> Mapping[str, int]:
        if instance.divisible or not instance.pooled:
            raise NotSupported("a pool at work is for whole tasks in one pool")
        live: Live = start(instance)
        while live.launch() is not None:
            pass
        return dict(live.running())

    return rule
