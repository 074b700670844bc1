"""The figures of a comparison, each as the bytes of an SVG or PNG; equal results give equal bytes.

This module needs matplotlib (extra ``plot``) and keeps no state in it: figures are made and
rendered one by one, and the settings of the person's own matplotlib do not change them.
"""

from __future__ import annotations

import io
import math
import warnings
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drf.errors import MissingExtra

try:
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
except ImportError as error:
    raise MissingExtra("drawing plots", "matplotlib", "plot") from error

if TYPE_CHECKING:
    from drf.simulation.engine import Result
    from drf.simulation.metrics import Summary

Format = Literal["svg", "png"]
Points = tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]

# Okabe and Ito's colours, told apart by nearly everybody; grey for their yellow, faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
# Solid and dashed by turns with the first 16 lines, the two others with the next 16.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
OTHERS = "#D0D0D0"

BINS = 600  # a step function with more steps is drawn by its means over so many spans
NAMED = 20  # lines with a legend entry of their own; beyond that a legend hides the plot
LONGEST = 26  # characters of a name in a legend
UNITS = ((180.0, 1.0, "s"), (3 * 3600.0, 60.0, "min"), (4 * 86400.0, 3600.0, "h"))

HOUSE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, any script
    "svg.hashsalt": "drf",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
}
"""How all pictures of `drf` look."""

SETTINGS = HOUSE | {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "axes.titleweight": "bold",
    "lines.linewidth": 1.3,
    "axes.formatter.use_mathtext": False,
}


def dominant_shares(results: Sequence[Result], *, format: Format = "svg") -> bytes:
    """The dominant share that each tenant holds over time, one panel per policy, in per cent.

    O(events * tenants). Where there are more than 20 tenants, the 20 that hold most on average are
    named, and the others are drawn in grey.
    """
    totals: dict[str, float] = {}
    for result in results:
        for tenant, values in result.series.shares.items():
            totals[tenant] = totals.get(tenant, 0.0) + _integral(result.series.times, values)
    biggest = sorted(totals, key=lambda tenant: (-totals[tenant], tenant))[:NAMED]
    return _over_time(
        results,
        [result.series.shares for result in results],
        names=sorted(biggest),
        title="Dominant share of each tenant",
        label="dominant share (%)",
        others="tenants",
        format=format,
    )


def utilisation(results: Sequence[Result], *, format: Format = "svg") -> bytes:
    """The part of each resource that is in use over time, one panel per policy, in per cent.

    O(events * resources).
    """
    return _over_time(
        results,
        [result.series.utilisation for result in results],
        names=list(results[0].workload.resources)[:NAMED],
        title="Utilisation of each resource",
        label="in use (%)",
        others="resources",
        top=102.0,
        format=format,
    )


def completion_times(results: Sequence[Result], *, format: Format = "svg") -> bytes:
    """Which part of all tasks had ended so many seconds after their arrival, one line per policy.

    O(tasks log tasks). Unfinished tasks count as tasks that never ended: their line stops short of
    100 %.
    """
    with _figure((8.6, 4.2), format) as (figure, out):
        axes = figure.add_subplot()
        handles = []
        for index, result in enumerate(results):
            completions = np.sort([run.end - run.task.arrival for run in result.runs])
            tasks = len(result.workload.tasks)
            ranks = np.arange(1, len(completions) + 1)
            if len(ranks) > BINS:
                ranks = np.unique(np.linspace(1, len(completions), BINS).round().astype(int))
            times = completions[ranks - 1] if len(completions) else np.zeros(0)
            # A logarithmic axis has no zero: what took no time stands with the shortest that took
            # some.
            positive = times[times > 0]
            times = np.maximum(times, positive[0] if len(positive) else 1.0)
            (line,) = axes.plot(
                times, 100 * ranks / max(tasks, 1), drawstyle="steps-post", **_look(index)
            )
            handles.append(line)
        _logarithmic(axes)
        axes.set_ylim(0, 102)
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=""))
        axes.set_title("Completion times of all tasks")
        axes.set_xlabel("time from arrival to end (s, logarithmic)")
        axes.set_ylabel("tasks ended (%)")
        _legend(figure, handles, [result.policy for result in results])
    return out.getvalue()


def slowdowns(summaries: Sequence[Summary], *, format: Format = "svg") -> bytes:
    """The mean slowdown of each tenant's tasks, one mark per policy; O(policies * tenants).

    Where there are more than 60 tenants, the 60 of the highest slowdown are drawn.
    """
    by_policy = [
        {tenant.tenant: tenant.slowdown_mean for tenant in summary.tenants} for summary in summaries
    ]
    worst: dict[str, float] = {}
    for tenants in by_policy:
        for name, value in tenants.items():
            if not math.isnan(value):
                worst[name] = max(worst.get(name, 1.0), value)
    names = sorted(sorted(worst, key=lambda name: (-worst[name], name))[:60])
    with _figure((8.6, 1.3 + 0.32 * max(len(names), 3)), format) as (figure, out):
        axes = figure.add_subplot()
        handles = []
        # Marks of equal value would hide each other: each policy has its own height within the row.
        gap = 0.62 / max(len(summaries) - 1, 1)
        for index, tenants in enumerate(by_policy):
            rows = [
                row for row, name in enumerate(names) if not math.isnan(tenants.get(name, math.nan))
            ]
            (marks,) = axes.plot(
                [tenants[names[row]] for row in rows],
                [row + (index - (len(summaries) - 1) / 2) * gap for row in rows],
                linestyle="none",
                marker=MARKERS[index % len(MARKERS)],
                markersize=5,
                color=COLOURS[index % len(COLOURS)],
            )
            handles.append(marks)
        axes.set_xlim(0.9, max(1.3 * max(worst.values(), default=1.0), 2.4))
        _logarithmic(axes)
        axes.axvline(1.0, color="#888888", linewidth=0.8)
        axes.set_yticks(range(len(names)))
        axes.set_yticklabels([_short(name) for name in names], parse_math=False)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        for row in range(1, len(names)):
            axes.axhline(row - 0.5, color="#E4E4E4", linewidth=0.7)
        axes.grid(visible=False, axis="y")
        axes.set_title("Mean slowdown of each tenant")
        axes.set_xlabel("slowdown (logarithmic; 1 = never waited)")
        _legend(figure, handles, [summary.policy for summary in summaries])
    return out.getvalue()


def time_means(
    times: Sequence[float], values: Sequence[float], edges: Sequence[float]
) -> np.ndarray[Any, Any]:
    """Exact means of a step function over the spans between `edges`; O(steps + spans).

    ``values[i]`` holds from ``times[i]`` to ``times[i + 1]``; before the first time the function is
    0. A span that begins at or after the last time has the mean NaN; one that reaches beyond it is
    averaged up to there.

    >>> time_means([0, 1, 3], [2, 4, 0], [0, 2, 4, 6]).tolist()  # (2 * 1 + 4 * 1) / 2, (4 * 1) / 1
    [3.0, 4.0, nan]
    """
    at = np.asarray(times, dtype=float)
    pieces = np.asarray(values, dtype=float)[:-1] * np.diff(at)
    area = np.concatenate(([0.0], np.cumsum(pieces)))
    bounds = np.minimum(np.asarray(edges, dtype=float), at[-1])
    widths = np.diff(bounds)
    means = np.full(len(widths), np.nan)
    np.divide(np.diff(np.interp(bounds, at, area)), widths, out=means, where=widths > 0)
    return means


def _over_time(
    results: Sequence[Result],
    series: Sequence[Mapping[str, array[float]]],
    *,
    names: Sequence[str],
    title: str,
    label: str,
    others: str,
    format: Format,
    top: float | None = None,
) -> bytes:
    """One panel per result over one time axis; the named lines in the legend, all others grey."""
    start = min(result.workload.window[0] for result in results)
    end = max((result.series.times[-1] for result in results if result.series.times), default=start)
    span = max(end - start, 1e-9)
    unit, symbol = next(((u, s) for limit, u, s in UNITS if span <= limit), (86400.0, "days"))
    reduced = any(len(result.series.times) > BINS for result in results)
    rest = sorted({name for group in series for name in group} - set(names))
    height = max(
        0.9 + 1.9 * len(results), 0.6 + 0.2 * (len(names) + 2)
    )  # room for panels, for the legend
    with _figure((8.6, height), format) as (figure, out):
        panels = figure.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        handles: dict[str, Any] = {}
        for result, group, axes in zip(results, series, panels, strict=True):
            for name in [*rest, *names]:
                if name not in group or not result.series.times:
                    continue
                x, y = _points(result.series.times, group[name], start, span, reduced=reduced)
                look = (
                    _look(names.index(name))
                    if name in names
                    else {"color": OTHERS, "linewidth": 0.6}
                )
                (line,) = axes.plot(
                    (x - start) / unit,
                    100 * y,
                    drawstyle="default" if reduced else "steps-post",
                    **look,
                )
                handles.setdefault(name if name in names else "", line)
            last = (result.workload.window[1] - start) / unit
            handles["last arrival"] = axes.axvline(
                last, color="#888888", linewidth=0.9, linestyle=(0, (2, 2))
            )
            axes.set_title(_short(result.policy, 60), parse_math=False)
            axes.set_ylabel(label)
        panels[0].set_xlim(0, span / unit)
        panels[0].set_ylim(0, top)
        means = f"; means over {_quantity(span / BINS)}" if reduced else ""
        panels[-1].set_xlabel(f"time since the first arrival ({symbol}{means})")
        shown = [name for name in names if name in handles]
        entries = [*shown, *([""] if "" in handles else []), "last arrival"]
        texts = {"": f"{len(rest)} other {others}"}
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        _legend(figure, [handles[e] for e in entries], [texts.get(e, e) for e in entries])
    return out.getvalue()


def _points(
    times: array[float], values: array[float], start: float, span: float, *, reduced: bool
) -> Points:
    """The points to draw: the steps themselves, or the middles and means of equal spans."""
    if not reduced:
        return np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    edges = np.linspace(start, start + span, BINS + 1)
    return (edges[:-1] + edges[1:]) / 2, time_means(times, values, list(edges))


def _integral(times: array[float], values: array[float]) -> float:
    return float(np.dot(np.asarray(values)[:-1], np.diff(np.asarray(times)))) if len(times) else 0.0


def _look(index: int) -> dict[str, Any]:
    """Colour and dashes of a line: 32 pairs before one comes again."""
    turn, column = divmod(index, len(COLOURS))
    dash = (turn + column) % 2 + turn // 2 % 2 * 2
    return {"color": COLOURS[column], "linestyle": DASHES[dash]}


def _legend(figure: Any, handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend beside the panels.

    The names are set afterwards: an underscore or a dollar would mean something to matplotlib.
    """
    legend = figure.legend(
        handles,
        [str(number) for number in range(len(names))],
        loc="outside right upper",
        handlelength=2.8,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(_short(name))


def _logarithmic(axes: Any) -> None:
    """A logarithmic x axis with ticks written out; those at 2 and 5, too, where there is room."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(
        FuncFormatter(_plain_few) if high < 1000 * low else NullFormatter()
    )


def _short(name: str, longest: int = LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _quantity(seconds: float) -> str:
    """A duration in a unit that suits it."""
    unit, symbol = next(
        ((u, s) for u, s in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")) if seconds >= u),
        (1.0, "s"),
    )
    return f"{seconds / unit:.3g} {symbol}"


def _plain(value: float, _: object = None) -> str:
    """A tick of a logarithmic axis: 10,000 rather than a power."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _plain_few(value: float, _: object = None) -> str:
    """A minor tick: 2 and 5 are written, what lies between is not."""
    return _plain(value) if f"{value:e}"[0] in "25" else ""


@contextmanager
def _figure(size: tuple[float, float], format: Format) -> Iterator[tuple[Any, io.BytesIO]]:
    """A figure under this module's settings; on leaving it is rendered into the buffer."""
    out = io.BytesIO()
    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        # A name in a script that the bundled font lacks is drawn by the browser's font.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        yield figure, out
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(out, format=format, metadata=metadata)
