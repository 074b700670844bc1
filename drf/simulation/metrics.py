"""What a simulated run comes to, in a few figures, each defined here.

Averages over time are taken over the *arrival window*, from the first arrival to the last (or to
the horizon, if that comes first): before it nothing is asked for, after it the machines only drain.
Averages over tasks are taken over the tasks that ended. Where there is nothing to average the
figure is ``nan``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drf.errors import InvalidOption
from drf.simulation.engine import Result, Run

SLOWDOWN_FLOOR = (
    60.0  # seconds; shorter runs count as this long, or a second's wait would be a slowdown of many
)


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """The figures of one tenant: seconds for times, the tasks that ended, its dominant share
    averaged over the window.
    """

    tenant: str
    tasks_done: int
    wait_mean: float
    wait_p95: float
    completion_mean: float
    completion_p95: float
    slowdown_mean: float
    share_mean: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one run.

    ``utilisation`` is the fraction of each resource in use, averaged over the window; waits and
    completions are seconds from arrival to start and to end; ``share_low`` and ``share_high`` are
    the smallest and the largest of the tenants' dominant shares (not divided by weight), each
    averaged over the window; ``jain`` is `jain_of_contenders`.
    """

    policy: str
    utilisation: Mapping[str, float]
    wait_mean: float
    wait_p95: float
    completion_mean: float
    completion_p95: float
    share_low: float
    share_high: float
    jain: float
    tasks_done: int
    tasks_unfinished: int
    tenants: tuple[TenantSummary, ...]


def summarise(result: Result) -> Summary:
    """All figures of a run; O(runs log runs + moments x tenants)."""
    window = arrival_window(result)
    series = result.series
    runs_of: dict[str, list[Run]] = {t: [] for t in result.workload.tenants}
    for run in result.runs:
        runs_of[run.task.tenant].append(run)
    tenants = tuple(
        TenantSummary(
            tenant=tenant,
            tasks_done=len(runs),
            wait_mean=mean([r.wait for r in runs]),
            wait_p95=percentile([r.wait for r in runs], 95),
            completion_mean=mean([r.completion for r in runs]),
            completion_p95=percentile([r.completion for r in runs], 95),
            slowdown_mean=mean([slowdown(r) for r in runs]),
            share_mean=time_average(series.times, series.shares[tenant], window),
        )
        for tenant, runs in runs_of.items()
    )
    shares = [t.share_mean for t in tenants]
    waits = [r.wait for r in result.runs]
    completions = [r.completion for r in result.runs]
    return Summary(
        policy=result.policy,
        utilisation={
            n: time_average(series.times, u, window) for n, u in series.utilisation.items()
        },
        wait_mean=mean(waits),
        wait_p95=percentile(waits, 95),
        completion_mean=mean(completions),
        completion_p95=percentile(completions, 95),
        share_low=min(shares, default=math.nan),
        share_high=max(shares, default=math.nan),
        jain=jain_of_contenders(result),
        tasks_done=len(result.runs),
        tasks_unfinished=len(result.unfinished),
        tenants=tenants,
    )


def arrival_window(result: Result) -> tuple[float, float]:
    """From the first arrival to the last, or to the horizon if that comes first; seconds of the
    workload's clock.
    """
    first, last = result.workload.window
    return first, last if result.horizon is None else max(first, min(last, result.horizon))


def slowdown(run: Run) -> float:
    """How many times longer a task took than it ran: max(1, (wait + run) / max(run, 60 s)).

    The floor of 60 s keeps the wait of a very short task from dominating the mean.
    """
    return max(1.0, run.completion / max(run.end - run.start, SLOWDOWN_FLOOR))


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, its sum rounded once; nan without values; O(n)."""
    return math.fsum(values) / len(values) if values else math.nan


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % of the values do
    not exceed.

    It is always one of the values; nan without values; O(n log n). Raises InvalidOption unless 1 <=
    percent <= 100.

    >>> percentile([15, 20, 35, 40, 50], 30), percentile([15, 20, 35, 40, 50], 95)
    (20, 50)
    """
    if not 1 <= percent <= 100:
        raise InvalidOption(f"percent is {percent}; give a whole number from 1 to 100")
    if not values:
        return math.nan
    rank = -(-percent * len(values) // 100)  # rounded up, in whole numbers
    return sorted(values)[rank - 1]


def time_average(
    times: Sequence[float], values: Sequence[float], window: tuple[float, float]
) -> float:
    """The average over a window of a step function that is 0 before its first entry; O(entries).

    Over a window of no length: the value there.

    >>> time_average([0.0, 10.0, 30.0], [0.5, 1.0, 0.0], (0.0, 40.0))  # (10 x 0.5 + 20 x 1) / 40
    0.625
    """
    begin, end = window
    if end <= begin:
        at = bisect_right(times, begin) - 1
        return float(values[at]) if at >= 0 else 0.0
    return math.fsum(length * values[i] for i, length in _pieces(times, window)) / (end - begin)


def jain(values: Sequence[float]) -> float:
    """Jain's index (sum x)^2 / (n sum x^2): 1 if all are equal, 1/n if one has everything; 1 if all
    are 0; O(n).

    >>> jain([0.2, 0.2]), jain([1.0, 0.0, 0.0, 0.0])
    (1.0, 0.25)
    """
    squares = math.fsum(x * x for x in values)
    if squares == 0.0:
        return 1.0
    return min(1.0, math.fsum(values) ** 2 / (len(values) * squares))  # rounding could pass 1


def jain_of_contenders(result: Result) -> float:
    """Jain's index of the weighted dominant shares of those who contend, averaged over the
    contended time of the window.

    At a moment, the tenants who contend are those with tasks waiting, and those who hold more
    (dominant share over weight) than some tenant who waits. It counts if there are at least two of
    them. Who waits for nothing and holds little wants no more: a small share by choice is not
    unfair, so it does not count against the policy. Who waits for nothing and holds much does
    count: others wait for what it has. Max-min fairness, exactly reached, has index 1 at every
    moment at which all who contend wait. 1 where nobody ever contended. O(moments x tenants).
    """
    series = result.series
    weights = result.workload.weights
    rows = [(series.shares[t], series.waiting[t], weights[t]) for t in result.workload.tenants]
    contended, weighed = [], []
    for i, length in _pieces(series.times, arrival_window(result)):
        waiting = [shares[i] / weight for shares, waits, weight in rows if waits[i]]
        if not waiting:
            continue
        least = min(waiting)
        holding = [
            s
            for shares, waits, weight in rows
            if not waits[i] and (s := shares[i] / weight) > least
        ]
        if len(waiting) + len(holding) >= 2:
            contended.append(length)
            weighed.append(length * jain(waiting + holding))
    return math.fsum(weighed) / math.fsum(contended) if contended else 1.0


def _pieces(times: Sequence[float], window: tuple[float, float]) -> Iterator[tuple[int, float]]:
    """Entry and length of each piece of a step function that lies in the window, seconds."""
    begin, end = window
    last = len(times) - 1
    for i in range(max(0, bisect_right(times, begin) - 1), len(times)):
        if times[i] >= end:
            return
        length = (min(times[i + 1], end) if i < last else end) - max(times[i], begin)
        if length > 0:
            yield i, length
