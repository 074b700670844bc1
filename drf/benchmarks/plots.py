"""How costs grow, one figure a workload, as SVG; needs matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from drf.benchmarks.catalogue import WORKLOADS
from drf.benchmarks.report import cpp_of, goal_of
from drf.benchmarks.runner import Record
from drf.benchmarks.workload import MEMORY, Workload
from drf.errors import MissingExtra
from drf.simulation.plots import HOUSE

try:
    from matplotlib import style
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter
except ImportError as error:
    raise MissingExtra("drawing plots", "matplotlib", "plot") from error

# Okabe and Ito's colours, told apart by nearly everybody.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLES = {"fast": "-", "pure": "--"}


def draw(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write a picture for each workload that was measured at two sizes or more; O(records). Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, workload in WORKLOADS.items():
        own = [r for r in records if r.workload == name and r.figure != MEMORY and r.cost > 0]
        if len({r.size[workload.axis] for r in own if not r.extrapolated}) > 1:
            path = folder / f"{name}.svg"
            _picture(workload, own, path)
            written.append(path)
    return written


def _picture(workload: Workload, records: Sequence[Record], path: Path) -> None:
    with style.context(["default", HOUSE]):
        figure = Figure(figsize=(6.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_yscale("log")
        figures = list(dict.fromkeys(r.figure for r in records))
        for index, name in enumerate(figures):
            for kernel in dict.fromkeys(r.kernel for r in records):
                mine = [r for r in records if (r.figure, r.kernel) == (name, kernel)]
                _line(axes, workload.axis, mine, index)
            _cpp(axes, workload.axis, [r for r in records if r.figure == name], index)
        _goals(axes, workload.axis, records, figures)
        places = sorted({r.size[workload.axis] for r in records})
        axes.set_xticks(places, [f"{n:,}".replace(",", " ") for n in places])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title("\n".join(wrap(f"{workload.name}: {workload.title}", 52)))
        axes.set_xlabel(f"{workload.axis} (logarithmic)")
        axes.set_ylabel("u (logarithmic)")
        figure.legend(loc="outside right upper", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _line(axes: Axes, axis: str, records: Sequence[Record], index: int) -> None:
    """What was measured, with marks; what was extrapolated, as a hollow mark at the end of a dotted line."""
    if not records:
        return
    seen = sorted((r for r in records if not r.extrapolated), key=lambda r: r.size[axis])
    guessed = [r for r in records if r.extrapolated]
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    kernel = records[0].kernel
    axes.plot(
        [r.size[axis] for r in seen],
        [r.u or 0.0 for r in seen],
        STYLES[kernel],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1.3,
        label=f"{records[0].figure}, {kernel}",
    )
    if seen and guessed:
        ends = [seen[-1], *guessed]
        axes.plot(
            [r.size[axis] for r in ends],
            [r.u or 0.0 for r in ends],
            ":",
            color=colour,
            marker=marker,
            markersize=4,
            markevery=[-1],
            markerfacecolor="white",
            linewidth=1.0,
        )


def _cpp(axes: Axes, axis: str, records: Sequence[Record], index: int) -> None:
    points = sorted({(r.size[axis], cost) for r in records if (cost := cpp_of(r)) is not None})
    if points:
        x, y = zip(*points, strict=True)
        axes.plot(
            x,
            y,
            linestyle=(0, (1, 1)) if len(points) > 1 else "none",
            color="#7F7F7F",
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1.0,
            label=f"{records[0].figure}, C++",
        )


def _goals(axes: Axes, axis: str, records: Sequence[Record], figures: Sequence[str]) -> None:
    """A short bar in the figure's colour at each goal, thin for the pure kernel; one in seconds stands at its ratio."""
    drawn: set[str] = set()
    for record in records:
        goal = goal_of(record)
        if goal is None or not record.u:
            continue
        most = goal.most if goal.unit == "u" else goal.most * record.u / record.cost
        axes.plot(
            [record.size[axis]],
            [most],
            linestyle="none",
            marker="_",
            markersize=14,
            markeredgewidth=2.5 if goal.kernel == "fast" else 1.0,
            color=COLOURS[figures.index(record.figure) % len(COLOURS)],
            label=None if goal.kernel in drawn else f"goal, {goal.kernel}",
        )
        drawn.add(goal.kernel)
