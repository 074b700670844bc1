"""Three kinds of frameworks with tasks to launch: Mesos's MultiFrameworkAllocations.

4 Marathons (4 000 tasks each, at most 100 an offer), 500 Jenkinses in one role (5 tasks, one an offer) and 50
SparkDispatchers (20 tasks, 5 an offer) on 80 agents. What an offer has left returns unrefused, and tasks never end. As
written nobody suppresses: those that have launched all keep the lowest shares, take nearly all offers, and the rest
starves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from drf.allocator import Allocator
from drf.benchmarks.cluster import cluster
from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload
from drf.resources import Resources

AGENTS = 80
AGENT = {"cpus": 64, "mem": 488_000}
KINDS = (
    # name, frameworks, a role for each, tasks, tasks an offer at most, one task
    ("Marathon", 4, True, 4_000, 100, Resources("cpus:0.07;mem:400")),
    ("Jenkins", 500, False, 5, 1, Resources("cpus:0.1;mem:4000")),
    ("SparkDispatcher", 50, True, 20, 5, Resources("cpus:1;mem:1000")),
)
STILL = 20
"""Rounds without a launch after which nothing will change any more."""


class Company:
    """The frameworks, what each has left to launch, and the CPU time that their allocator took.

    With fewer than 80 ``agents`` there are fewer frameworks in proportion. ``suppressing``: a framework that has
    launched all its tasks says that it wants no more offers.
    """

    def __init__(self, agents: int, suppressing: bool) -> None:
        self.allocator: Allocator = cluster(agents, agent=AGENT)
        self.left: dict[str, int] = {}
        self.terms: dict[str, tuple[int, list[Resources]]] = {}
        self.suppressing = suppressing
        self.rounds = self.offers = 0
        self.runs = self.verbs = 0.0
        for name, count, own, tasks, most, one in KINDS:
            together = [one * k for k in range(most + 1)]
            for i in range(max(count * agents // AGENTS, 1)):
                framework = f"{name}-{i}"
                self.left[framework] = tasks
                self.terms[framework] = (most, together)
                role = f"role-{name}-{i}" if own else f"role-{name}"
                self._timed(partial(self.allocator.add_framework, framework, roles=[role]))
        self._timed(self.allocator.resume)
        self.verbs = 0.0

    def _timed(self, verb: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = verb()
        self.verbs += time.process_time() - start
        return result

    def round(self) -> int:
        """Tick, and launch what fits of each offer; the number of tasks launched."""
        a = self.allocator
        self.rounds += 1
        self._timed(partial(a.advance, float(self.rounds)))
        before = self.verbs
        decisions = self._timed(a.run)
        self.runs += self.verbs - before
        self.offers += len(decisions.offers)
        launched = 0
        answers: list[Callable[[], None]] = []
        for offer in decisions.offers:
            most, together = self.terms[offer.framework]
            count = min(most, self.left[offer.framework])
            while count and not together[count] <= offer.resources:
                count -= 1
            if count:
                self.left[offer.framework] -= count
                launched += count
                answers.append(partial(a.accept, offer, together[count], refuse_seconds=0))
            else:
                answers.append(partial(a.decline, offer, refuse_seconds=0))
            if self.suppressing and count and not self.left[offer.framework]:
                answers.append(partial(a.suppress, offer.framework))
        self._timed(lambda: [answer() for answer in answers])
        return launched


def company(suppressing: bool, size: Size, watch: Stopwatch) -> None:
    """Rounds until all tasks are launched, or nothing was for a while; allocator time in total and per run."""
    it = Company(size["agents"], suppressing)
    still = 0
    while any(it.left.values()) and still < STILL and not watch.is_over():
        still = 0 if it.round() else still + 1
    watch.record("allocator", it.verbs)
    watch.record("runs", it.runs)
    watch.record("run", it.runs / it.rounds)
    left = sum(it.left.values())
    ending = f"all tasks launched after {it.rounds} rounds, {it.offers} offers"
    if left:
        by_kind = ", ".join(
            f"{name} {waiting}"
            for name, *_ in KINDS
            if (waiting := sum(n for f, n in it.left.items() if f.startswith(f"{name}-")))
        )
        ending = f"stands still after {it.rounds - still} rounds with {left} tasks not launched ({by_kind})"
    watch.note("ending", ending)
    if suppressing:
        watch.due("the number of tasks left over", left, 0)


_FIGURES = {"allocator": "all calls", "runs": "all runs", "run": "a run"}
_SIZES: tuple[Size, ...] = ({"agents": 8}, {"agents": AGENTS})

WORKLOADS = (
    Workload(
        "company-as-written",
        "MultiFrameworkAllocations as written, to its standstill",
        "agents",
        _SIZES,
        _FIGURES,
        partial(company, False),
        quick=1,
    ),
    Workload(
        "company",
        "MultiFrameworkAllocations, frameworks that are done suppress themselves",
        "agents",
        _SIZES,
        _FIGURES,
        partial(company, True),
        goals=(
            Goal("allocator", {"agents": AGENTS}, 0.05, "s"),
            Goal("allocator", {"agents": AGENTS}, 0.2, "s", "pure"),
        ),
        quick=1,
    ),
)
