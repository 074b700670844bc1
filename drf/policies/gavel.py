"""Max-min fairness over machines of different kinds, on which jobs run at different speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from drf.errors import NotSupported, UnknownName
from drf.plugins import Answer, Policy, Problem
from drf.policies.shares import single
from drf.solvers import leximin
from drf.units import exact_fraction


class Gavel(Policy):
    """The part of time that each job has on each kind of machine: the slowest as fast as can be, then the next slowest.

    Speeds are measured by what the job would have under an equal split.

    Narayanan, Santhanam, Kazhamiaka, Phanishayee and Zaharia, "Heterogeneity-aware cluster scheduling policies for
    deep learning workloads", OSDI 2020. Machines are kinds, of one resource: how many workers there are; a demand is
    how many workers a job runs on at once. A task is the whole time of a job, so nobody has more than one. The speeds
    are given to the policy; without them all are alike.

    >>> from drf import allocate
    >>> speeds = {"a": {"new": 10, "old": 4}, "b": {"new": 6, "old": 5}, "c": {"new": 2, "old": 2}}
    >>> kinds = {"new": {"workers": 1}, "old": {"workers": 1}}
    >>> a = allocate(kinds, {job: {"workers": 1} for job in speeds}, policy=Gavel(speeds), divisible=True, exact=True)
    >>> str(a.placement["a"]["new"]), str(a.placement["a"].get("old", 0))
    ('11/21', '0')
    """

    name = "gavel"
    modes = frozenset({"divide", "machines"})

    def __init__(self, speeds: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._speeds = speeds

    def divide(self, problem: Problem) -> Answer:
        if problem.whole or not problem.machines or len(problem.resources) != 1:
            raise NotSupported(
                "policy gavel divides the time of machines of one resource (workers): "
                "say divisible=True, and give machines"
            )
        workers = [room[0] for room in problem.rooms]
        scales = [demand[0] for demand in problem.demands]
        speeds = [[self._speed(job, kind) for kind in problem.machines] for job in problem.users]
        equal = self.equal(problem.machines, workers, problem.users, scales)
        rates = [
            single(w) * e / scale
            for w, e, scale in zip(problem.weights, equal, scales, strict=True)
        ]
        caps = [1 if cap is None else min(cap, 1) for cap in problem.caps]
        out = leximin.divide(
            problem.demands, problem.rooms, problem.eligible, rates, caps, problem.exact, speeds
        )
        return Answer([sum(row) for row in out], (), out)

    def equal(
        self,
        kinds: Sequence[str],
        workers: Sequence[Fraction],
        jobs: Sequence[str],
        scales: Sequence[Fraction],
    ) -> list[Fraction]:
        """The speed of each job if each had the same part of every kind, at most all of its time."""
        parts = [count / len(jobs) for count in workers]
        whole = max(sum(parts, Fraction(0)), Fraction(1))
        return [
            sum(
                (self._speed(job, kind) * p / whole for kind, p in zip(kinds, parts, strict=True)),
                Fraction(0),
            )
            for job in jobs
        ]

    def _speed(self, job: str, kind: str) -> Fraction:
        if self._speeds is None:
            return Fraction(1)
        if job not in self._speeds:
            raise UnknownName("job in the speeds of policy gavel", job, self._speeds)
        return exact_fraction(f"speed of {job!r} on {kind}", self._speeds[job].get(kind, 0))
