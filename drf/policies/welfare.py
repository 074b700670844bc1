"""Policies that look at all users at once: the Nash product, bottleneck max fairness, the largest sum."""

from __future__ import annotations

from fractions import Fraction

from drf.errors import NotSupported
from drf.plugins import Answer, Policy, Problem
from drf.policies.filling import dominant, parts, single_weights
from drf.solvers import bottleneck, highs, linear


class CEEI(Policy):
    """Competitive equilibrium from equal incomes: the division with the largest Nash product, weights as exponents.

    Ghodsi et al., NSDI 2011, section 5.2; Eisenberg and Gale, 1959. The answer is exact where it is rational (and its
    prices are short fractions); elsewhere it is found in doubles, and ``exact=True`` raises NotSupported.

    >>> from drf import allocate
    >>> two = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}
    >>> a = allocate({"cpus": 9, "mem": 18}, two, policy="ceei", divisible=True, exact=True)
    >>> str(a.tasks["A"]), str(a.tasks["B"])
    ('45/11', '18/11')
    """

    name = "ceei"
    modes = frozenset({"divide"})

    def divide(self, problem: Problem) -> Answer:
        from drf.solvers import nash  # noqa: PLC0415 (numpy is imported with the first Nash product)

        _divisible(self.name, problem)
        weights = single_weights(problem, "policy ceei takes one weight a user (its income)")
        rows = [i for i, cap in enumerate(problem.caps) if cap != 0]
        tasks: list[int | Fraction | float] = [Fraction(0)] * len(problem.users)
        if rows:
            given = (
                [problem.demands[i] for i in rows],
                problem.capacity,
                [weights[i] for i in rows],
                [problem.caps[i] for i in rows],
            )
            near = nash.prices(*given)
            found = nash.exact(*given, near)
            if found is None and problem.exact:
                raise NotSupported(
                    "the division of policy ceei was not found to be rational here; leave out exact=True"
                )
            for row, i in enumerate(rows):
                tasks[i] = near[0][row] if found is None else found[row]
        return Answer(tasks)


class BMF(Policy):
    """Bottleneck max fairness: every user has a resource that is used up, of which nobody holds more, by weight.

    Bonald and Roberts, SIGMETRICS 2015. There may be several such divisions. Of them this is the one whose sorted
    largest weighted shares are lexicographically largest, then the one that gives most to the first users by name.
    Exact; for few users and resources (the patterns to look through grow like users^(resources - 1)).

    >>> from drf import allocate
    >>> three = {"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"y": 1}}
    >>> allocate({"x": 10, "y": 10}, three, policy="bmf", divisible=True).tasks
    {'a': 5.0, 'b': 5.0, 'c': 5.0}
    """

    name = "bmf"
    modes = frozenset({"divide"})

    def divide(self, problem: Problem) -> Answer:
        _divisible(self.name, problem)
        if not problem.users:
            return Answer([])
        unit = [
            [
                q / top if top > 0 else Fraction(0)
                for q, top in zip(row, problem.capacity, strict=True)
            ]
            for row in problem.demands
        ]
        order = sorted(range(len(unit)), key=lambda i: problem.ranks[i])
        found = bottleneck.divide(
            [unit[i] for i in order],
            [parts(problem, i) for i in order],
            [problem.caps[i] for i in order],
        )
        tasks = dict(zip(order, found, strict=True))
        return Answer([tasks[i] for i in range(len(unit))])


class Utilitarian(Policy):
    """The largest sum of weight x dominant share, fair or not.

    With ``exact=True`` of several divisions the one that gives most to the first users by name. The weight here makes a
    user's share count for more. A linear program: in fractions with ``exact=True``, else by the extra ``lp``, which
    takes any of several.

    >>> from drf import allocate
    >>> users = {"a": {"x": 1}, "b": {"y": 1}, "c": {"x": 1, "y": 1}}
    >>> a = allocate({"x": 1, "y": 1}, users, policy="utilitarian", divisible=True, exact=True)
    >>> [str(x) for x in a.tasks.values()]
    ['1', '1', '0']
    """

    name = "utilitarian"
    modes = frozenset({"divide"})

    def divide(self, problem: Problem) -> Answer:
        _divisible(self.name, problem)
        n = len(problem.users)
        weights = single_weights(problem, "policy utilitarian takes one weight a user")
        # `dominant` divides by the weight: times its square it is weight x share.
        goal = [
            cost * weight**2
            for cost, weight in zip(dominant(problem, lambda _: True), weights, strict=True)
        ]
        rows: list[linear.Row] = [
            ({i: row[j] for i, row in enumerate(problem.demands) if row[j] > 0}, top)
            for j, top in enumerate(problem.capacity)
        ]
        rows += [
            ({i: Fraction(1)}, Fraction(cap))
            for i, cap in enumerate(problem.caps)
            if cap is not None
        ]
        if not problem.exact:
            values, _ = highs.maximize(goal, rows)
            return Answer(values)
        best = linear.maximize(goal, rows)
        for i in sorted(range(n), key=lambda i: problem.ranks[i]):
            value = sum((g * x for g, x in zip(goal, best.values, strict=True)), Fraction(0))
            rows.append(({k: -g for k, g in enumerate(goal)}, -value))
            goal = [Fraction(int(k == i)) for k in range(n)]
            best = linear.maximize(goal, rows)
        return Answer(best.values)


def _divisible(policy: str, problem: Problem) -> None:
    if problem.whole:
        raise NotSupported(f"policy {policy} divides divisible tasks; say divisible=True")
