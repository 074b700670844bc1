"""Dynamic DRF: users come one after the other and what they have is never taken back."""

from __future__ import annotations

from fractions import Fraction

from drf.errors import InvalidOption, NotSupported
from drf.plugins import Answer, Policy, Problem
from drf.policies.filling import dominant


class Dynamic(Policy):
    """Users arrive in the order of the demands; when k of n are there, k/n of each resource may be out.

    Kash, Procaccia and Shah, "No agent left behind: dynamic fair division of multiple resources", JAIR 51, 2014.
    ``dynamic:5`` expects five users; without a number, as many as are given. The smallest dominant share is raised as
    far as it goes at each arrival. Divisible tasks, no weights, no limits.

    >>> from drf import allocate
    >>> pool, users = {"x": 1, "y": 1}, {"a": {"x": 1, "y": "1/4"}, "b": {"x": "1/4", "y": 1}}
    >>> allocate(pool, {"a": users["a"]}, policy="dynamic:2", divisible=True).tasks
    {'a': 0.5}
    >>> allocate(pool, users, policy="dynamic:2", divisible=True).tasks
    {'a': 0.8, 'b': 0.8}
    """

    modes = frozenset({"divide"})

    def __init__(self, users: str = "") -> None:
        if users and (not users.isdecimal() or int(users) < 1):
            raise InvalidOption(
                f"dynamic:{users} is no number of users; give a whole number above 0"
            )
        self.users = int(users) if users else None
        self.name = f"dynamic:{users}" if users else "dynamic"

    def divide(self, problem: Problem) -> Answer:
        if problem.whole:
            raise NotSupported(f"policy {self.name} divides divisible tasks; say divisible=True")
        if any(cap is not None for cap in problem.caps) or len(set(problem.weights)) > 1:
            raise NotSupported(f"policy {self.name} takes no weights and no limits of tasks")
        expected = self.users or len(problem.users)
        if len(problem.users) > expected:
            raise InvalidOption(
                f"policy {self.name} expects {expected} users and {len(problem.users)} came; expect more"
            )
        costs = dominant(problem, lambda _: True)
        # What a dominant share of 1 takes of each resource.
        take = [
            [
                q / top / cost if top > 0 else Fraction(0)
                for q, top in zip(row, problem.capacity, strict=True)
            ]
            for row, cost in zip(problem.demands, costs, strict=True)
        ]
        shares: list[Fraction] = []
        for k in range(1, len(problem.users) + 1):
            shares.append(Fraction(0))
            level = min(
                _level([row[j] for row in take[:k]], shares, Fraction(k, expected))
                for j in range(len(problem.resources))
                if any(row[j] for row in take[:k])
            )
            shares = [max(share, level) for share in shares]
        return Answer([share / cost for share, cost in zip(shares, costs, strict=True)])


def _level(take: list[Fraction], shares: list[Fraction], limit: Fraction) -> Fraction:
    """The largest level at which ``sum max(level, share) x take`` stays within the limit."""
    used = sum((share * q for share, q in zip(shares, take, strict=True)), Fraction(0))
    rate, level = Fraction(0), Fraction(0)
    for share, q in sorted(zip(shares, take, strict=True)):
        if rate and used + rate * (share - level) >= limit:
            break
        used += rate * (share - level)
        rate, level = rate + q, share
    return level + (limit - used) / rate if rate else level
