"""What a run found, as tables and as JSON, against the goals, the C++ figures and an earlier run."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drf._version import __version__
from drf.benchmarks.catalogue import WORKLOADS
from drf.benchmarks.runner import Outcome, Record, unit_of
from drf.benchmarks.workload import MEMORY, Goal, label
from drf.errors import InputError
from drf.simulation.tables import Table

FORMAT = 1
SLOWER = 1.5
"""Times may differ by so much between runs before it is called a regression: each is uncertain by some 30 %."""
LARGER = 1.2
"""The same of memory, where at least 5 MB came on top."""
CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """The model of the processor, as far as it can be known."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def facts(outcome: Outcome, counts: Mapping[str, int], **run: Any) -> dict[str, Any]:
    """The run as plain JSON values: what `compare` reads again."""
    return {
        "format": FORMAT,
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "run": run,
        "unit": unit_of(outcome),
        "units": [min(outcome.units), max(outcome.units)] if outcome.units else [],
        "records": [
            {**asdict(record), "size": dict(record.size), "goal": _goal_facts(record)}
            for record in outcome.records
        ],
        "counts": dict(counts),
        "owed": [[name, goal.figure, dict(goal.size), goal.kernel] for name, goal in outcome.owed],
        "notes": outcome.notes,
        "wrong": outcome.wrong,
    }


def load(file: str) -> dict[str, Any]:
    """An earlier run. Raises InputError, OSError."""
    text = Path(file).read_text("utf-8")
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise InputError(
                f"is of format {found['format']!r}; this version reads {FORMAT}", file=file
            )
        for record in found["records"]:
            _key(record)
            float(record["cost"])
        dict(found["counts"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("is not what drf bench --json writes", file=file) from error
    assert isinstance(found, dict)
    return found


# -- tables


HEAD = ("size", "figure", "cost", "u", "growth exponent", "C++", "C++ / drf", "goal", "goal met")


def tables(outcome: Outcome) -> Iterator[Table]:
    """One table a workload and kernel: cost, growth, the C++ figure and the goal, of each figure and size."""
    groups: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for record in outcome.records:
        groups.setdefault((record.workload, record.kernel), []).append(_row(record))
    for name, goal in outcome.owed:
        most = amount(goal.most, goal.unit)
        row = (label(goal.size), goal.figure, *("-" * 5), most, "no, not measured")
        groups.setdefault((name, goal.kernel), []).append(row)
    for (name, kernel), rows in groups.items():
        yield Table(f"{name}, {kernel} kernel: {WORKLOADS[name].title}", HEAD, tuple(rows))


def _row(record: Record) -> tuple[str, ...]:
    goal, cpp = goal_of(record), cpp_of(record)
    cost = record.u if record.figure != MEMORY else record.cost
    about = "~" if record.extrapolated else ""
    return (
        label(record.size),
        record.figure,
        about + amount(record.cost, "MB" if record.figure == MEMORY else "s"),
        "-" if record.u is None else about + digits(record.u),
        "-" if record.exponent is None else f"{record.exponent:.2f}",
        "-" if cpp is None else amount(cpp, "MB" if record.figure == MEMORY else "u"),
        "-" if cpp is None or not cost else about + digits(cpp / cost),
        "-" if goal is None else amount(goal.most, goal.unit),
        "-" if goal is None else verdict(record, goal),
    )


def goal_of(record: Record) -> Goal | None:
    """What the figure should cost at most at that size on that kernel, None where nothing is said."""
    for goal in WORKLOADS[record.workload].goals:
        if (goal.figure, goal.size, goal.kernel) == (record.figure, record.size, record.kernel):
            return goal
    return None


def cpp_of(record: Record) -> float | None:
    """The C++ allocator's figure in u or MB, None where it was not measured."""
    for cpp in WORKLOADS[record.workload].cpp:
        if (cpp.figure, cpp.size) == (record.figure, record.size):
            return cpp.cost
    return None


def excess(record: Record, goal: Goal) -> float:
    """The cost over the goal's: at most 1 where it is met; O(1)."""
    cost = record.u if goal.unit == "u" else record.cost
    assert cost is not None
    return cost / goal.most


def verdict(record: Record, goal: Goal) -> str:
    """Whether the goal is met, or how many times over it the cost is."""
    over = excess(record, goal)
    about = " (extrapolated)" if record.extrapolated else ""
    return f"yes{about}" if over <= 1 else f"no, {digits(over)} times{about}"


def amount(value: float, unit: str) -> str:
    """Three digits and a unit that suits.

    >>> amount(0.0000042, "s"), amount(1.5, "s"), amount(60, "MB"), amount(0.02, "u")
    ('4.2 µs', '1.5 s', '60 MB', '0.02 u')
    """
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if value >= 0.9995 * factor:  # what three digits round up to it
                return f"{value / factor:.3g} {name}"
        return f"{value / 1e-9:.3g} ns"
    if unit == "MB":
        return f"{value:.0f} MB" if value >= 10 else f"{value:.1f} MB"
    return f"{digits(value)} {unit}"


def digits(value: float) -> str:
    """Three digits, and all of those before the point; O(1).

    >>> digits(0.00000473), digits(0.5), digits(12345.6)
    ('4.73e-06', '0.5', '12 346')
    """
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}".replace(",", " ")


def summary(outcome: Outcome) -> str:
    """How many goals are met, and how many were judged without a measurement, in a sentence."""
    judged = [(r, goal) for r in outcome.records if (goal := goal_of(r)) is not None]
    met = sum(excess(record, goal) <= 1 for record, goal in judged)
    guessed = sum(record.extrapolated for record, _ in judged)
    return (
        f"{met} of {len(judged) + len(outcome.owed)} goals met; "
        f"{guessed} judged by an extrapolation, {len(outcome.owed)} not measured"
    )


def counted(counts: Mapping[str, int]) -> Table:
    """The exact counts of operations."""
    rows = tuple((name, f"{n:,}".replace(",", " ")) for name, n in counts.items())
    return Table("Operations, counted exactly", ("what", "times"), rows)


def _goal_facts(record: Record) -> dict[str, Any] | None:
    goal = goal_of(record)
    if goal is None:
        return None
    return {"most": goal.most, "unit": goal.unit, "met": excess(record, goal) <= 1}


# -- against an earlier run


def compare(
    now: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[int, list[tuple[str, str, str, float]]]:
    """How many costs both runs have, and the regressions: what, before, now, and how many times more; O(records).

    Times are compared in u, so that the runs may be of different machines; counts are exact, and any growth of one is a
    regression. What was extrapolated in either run is left out.
    """
    old = {_key(record): record for record in before["records"] if not record["extrapolated"]}
    compared, worse = 0, []
    for record in now["records"]:
        was = old.get(_key(record))
        if was is None or record["extrapolated"]:
            continue
        compared += 1
        memory = record["figure"] == MEMORY
        a, b = (was["cost"], record["cost"]) if memory else (was["u"], record["u"])
        if b > a * (LARGER if memory else SLOWER) and (not memory or b - a > 5):
            unit = "MB" if memory else "u"
            what = f"{record['workload']}, {record['figure']}, {label(record['size'])}, {record['kernel']}"
            worse.append((what, amount(a, unit), amount(b, unit), b / a if a else float("inf")))
    for name, count in now["counts"].items():
        if name in before["counts"]:
            compared += 1
            if count > before["counts"][name]:
                first = before["counts"][name]
                times = count / first if first else float("inf")
                worse.append((name, str(first), str(count), times))
    return compared, sorted(worse, key=lambda row: -row[3])


def regressions(worse: Sequence[tuple[str, str, str, float]], file: str) -> Table:
    """The regressions as a table."""
    rows = tuple((what, a, b, f"{times:.2f}") for what, a, b, times in worse)
    return Table(f"Regressions against {file}", ("what", "before", "now", "times"), rows)


def _key(record: Mapping[str, Any]) -> tuple[object, ...]:
    size = tuple(sorted(record["size"].items()))
    return (record["workload"], record["figure"], record["kernel"], size)
