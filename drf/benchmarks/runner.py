"""Runs workloads in processes of their own, from small sizes to the goal's, until the next would last too long."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drf.benchmarks.workload import MEMORY, Goal, Size, Workload, label
from drf.errors import BackendUnavailable

GRACE = 30.0
"""Wall seconds beyond twice the limit after which a process that measures is ended."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one figure of a workload cost at one size on one kernel.

    ``cost`` is in seconds an operation (median of ``samples``), or in MB; ``u`` is the median ratio to the unit, with
    the least and the largest. ``exponent`` is that of the growth since the size before. An ``extrapolated`` cost was
    not measured: it follows from the last two sizes.
    """

    workload: str
    figure: str
    kernel: str
    size: Size
    cost: float
    u: float | None = None
    low: float | None = None
    high: float | None = None
    samples: int = 1
    exponent: float | None = None
    extrapolated: bool = False


@dataclass(slots=True)
class Outcome:
    """All records, the units measured between them, notes, and results that are not as due."""

    records: list[Record] = field(default_factory=list)
    units: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    owed: list[tuple[str, Goal]] = field(default_factory=list)
    """Workload and goal of what was neither measured nor extrapolated, though it was asked for."""


class Runner:
    """Measures workloads on one kernel; ``limit``: CPU seconds for each size of each workload."""

    def __init__(self, kernel: str, *, limit: float, repeats: int, quick: bool) -> None:
        self.kernel = kernel
        self.limit = limit
        self.repeats = repeats
        self.quick = quick
        self._idle: float | None = None

    def sizes(self, workload: Workload) -> Sequence[Size]:
        """The sizes that a run of this kind tries."""
        return workload.sizes[: workload.quick] if self.quick else workload.sizes

    def start(self) -> None:
        """Measure an idle process. Raises BackendUnavailable where this kernel cannot be had."""
        answer, error = self._ask({"workload": None})
        if answer is None:
            raise BackendUnavailable(f"no workload runs on the {self.kernel} kernel: {error}")
        self._idle = answer["peak"]

    def measure(self, workload: Workload, outcome: Outcome) -> Iterator[Size]:
        """Add the workload's records, notes and faults to the outcome; yields each size when it is done or left out."""
        first = len(outcome.records)
        sizes = self.sizes(workload)
        yield from self._climb(workload, sizes, outcome)
        found = [(record.figure, record.size) for record in outcome.records[first:]]
        outcome.owed += [
            (workload.name, goal)
            for goal in workload.goals
            if goal.kernel == self.kernel
            and goal.size in sizes
            and (goal.figure, goal.size) not in found
        ]

    def _climb(self, workload: Workload, sizes: Sequence[Size], outcome: Outcome) -> Iterator[Size]:
        steps: list[tuple[Size, float, list[Record]]] = []  # what was complete
        place = f"{workload.name} on the {self.kernel} kernel"
        too_long = ""
        for size in sizes:
            if not too_long and self._predicted(steps, workload, size) > self.limit:
                too_long = "it would last longer than the limit"
            if not too_long:
                answer, error = self._ask(
                    {
                        "workload": workload.name,
                        "size": dict(size),
                        "repeats": self.repeats,
                        "limit": self.limit,
                    }
                )
                if answer is None:
                    too_long = error
                    if "limit" not in error:
                        outcome.wrong.append(f"{place}, {label(size)}: {error}")
                else:
                    here = f"{place}, {label(size)}"
                    outcome.units += answer["units"]
                    outcome.notes += [f"{here}: {note}" for note in answer["notes"]]
                    outcome.wrong += [f"{here}: {fault}" for fault in answer["wrong"]]
                    if answer["stopped"] and len(steps) > 1:
                        too_long = "it was stopped at the limit"
                    else:
                        records = self._records(workload, size, answer)
                        steps.append((size, answer["longest"], records))
            yield size
        for earlier, later in zip([None, *steps], steps, strict=False):
            grown = later[2] if earlier is None else _grown(workload.axis, earlier[2], later[2])
            outcome.records += grown
        if too_long:
            last, because = sizes[-1], f"{place}, {label(sizes[-1])}: not measured, {too_long}"
            if len(steps) > 1:
                outcome.records += _extrapolated(workload.axis, steps[-2][2], steps[-1][2], last)
                because += f"; extrapolated from {label(steps[-2][0])} and {label(steps[-1][0])}"
            outcome.notes.append(because)

    def _predicted(
        self, steps: Sequence[tuple[Size, float, list[Record]]], workload: Workload, size: Size
    ) -> float:
        """CPU seconds that one run at that size will take: in proportion, or as it grew last."""
        if not steps:
            return 0.0
        before, took, _ = steps[-1]
        exponent = 1.0
        if len(steps) > 1:
            first, was, _ = steps[-2]
            exponent = _slope(first[workload.axis], was, before[workload.axis], took) or 0.0
        exponent = min(max(exponent, 1.0), 3.0)
        factor: float = (size[workload.axis] / before[workload.axis]) ** exponent
        return took * factor

    def _records(self, workload: Workload, size: Size, answer: Mapping[str, Any]) -> list[Record]:
        records = [
            Record(
                workload.name,
                figure,
                self.kernel,
                size,
                found["seconds"],
                found["u"],
                found["low"],
                found["high"],
                found["samples"],
            )
            for figure, found in answer["figures"].items()
        ]
        if answer["peak"] is not None and self._idle is not None:
            more = max(answer["peak"] - self._idle, 0.0)
            records.append(Record(workload.name, MEMORY, self.kernel, size, more))
        return records

    def _ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """The answer of a child, or None and why there is none."""
        command = [sys.executable, "-m", "drf.benchmarks.child", json.dumps(request)]
        wait = 2 * request.get("limit", 10.0) + GRACE
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "DRF_BACKEND": self.kernel},
                capture_output=True,
                text=True,
                timeout=wait,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"it was ended after {wait:.0f} s, far beyond the limit"
        if done.returncode:
            said = done.stderr.strip().splitlines()
            return None, said[-1] if said else f"the process ended with code {done.returncode}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer, ""


def run(
    workloads: Sequence[Workload],
    runners: Sequence[Runner],
    tell: Callable[[str, int, int], None],
) -> Outcome:
    """Measure the workloads on each kernel in turn; ``tell`` hears what was done, and how many sizes of how many."""
    outcome = Outcome()
    total = sum(len(runner.sizes(w)) for w in workloads for runner in runners)
    done = 0
    for workload in workloads:
        for runner in runners:
            for size in runner.measure(workload, outcome):
                done += 1
                tell(f"{workload.name}, {label(size)}, {runner.kernel}", done, total)
    return outcome


def unit_of(outcome: Outcome) -> float | None:
    """The median unit in seconds, None if there was none."""
    return statistics.median(outcome.units) if outcome.units else None


def _slope(n: float, cost: float, more: float, later: float) -> float | None:
    if min(n, cost, more, later) <= 0 or n == more:
        return None
    return math.log(later / cost) / math.log(more / n)


def _grown(axis: str, before: Sequence[Record], after: Sequence[Record]) -> list[Record]:
    """The later records with the exponent of their growth."""
    old = {record.figure: record for record in before}
    return [
        replace(
            record,
            exponent=_slope(was.size[axis], was.cost, record.size[axis], record.cost)
            if (was := old.get(record.figure))
            else None,
        )
        for record in after
    ]


def _extrapolated(
    axis: str, before: Sequence[Record], after: Sequence[Record], size: Size
) -> list[Record]:
    found = []
    for record in _grown(axis, before, after):
        if record.exponent is None:
            continue
        factor = (size[axis] / record.size[axis]) ** max(record.exponent, 0.0)
        found.append(
            replace(
                record,
                size=size,
                cost=record.cost * factor,
                u=None if record.u is None else record.u * factor,
                low=None,
                high=None,
                samples=0,
                extrapolated=True,
            )
        )
    return found
