"""The report of a comparison: one page that needs no network, and the raw numbers beside it as CSV.

This module needs matplotlib (extra ``plot``).
"""

from __future__ import annotations

import base64
import csv
import html
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from drf._backend import backend
from drf._version import __version__
from drf.errors import InputError, InvalidOption
from drf.simulation import plots, tables

if TYPE_CHECKING:
    from drf.simulation.engine import Result
    from drf.simulation.metrics import Summary

Pair = tuple["Result", "Summary"]

PAGE = "report.html"
FILES = (
    ("summary.csv", "one row per policy"),
    ("tenants.csv", "one row per policy and tenant"),
    ("tasks.csv", "one row per policy and task: arrival, start, end, machine"),
    (
        "series.csv",
        "one row per policy and moment at which something changed: shares, use, waiting tasks; a "
        "row holds until the next; fractions have six significant digits",
    ),
)

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
p, ul { margin: .5rem 0; }
code { font-size: .9em; background: #f3f3f3; padding: .1em .3em; overflow-wrap: anywhere; }
.about { color: #555; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; text-align: right; border-bottom: 1px solid #ddd; }
thead th { vertical-align: bottom; border-bottom: 2px solid #888; }
tr > :first-child { text-align: left; white-space: nowrap; }
tbody th { font-weight: 600; }
figure { margin: 1rem 0 2rem; }
figure img { display: block; width: 100%; min-width: 40rem; height: auto; }
figcaption { font-size: .9rem; color: #444; margin-top: .4rem; }
"""


def write_report(
    folder: str | os.PathLike[str], results: Sequence[Pair], *, command: str | None = None
) -> Path:
    """Write ``report.html`` and its CSV files into the folder, and return the path of the page.

    The folder is made where it is missing; files of an earlier report are replaced, each in one
    step, others are left alone. ``command`` is shown on the page. O(events * tenants). Raises
    InvalidOption without results, InputError where the folder cannot be written to.
    """
    if not results:
        raise InvalidOption("a report needs the results of at least one policy; none were given")
    place = make_folder(folder)
    runs = [result for result, _ in results]
    figures = _figures(results)
    with _problems(place):
        _write_csv(place / "summary.csv", _summary_rows(results))
        _write_csv(place / "tenants.csv", _tenant_rows(results))
        _write_csv(place / "tasks.csv", _task_rows(runs))
        _write_csv(place / "series.csv", _series_rows(runs))
        # The page comes last: while it is the old one, so is at least the picture that it shows.
        with _replacing(place / PAGE) as out:
            out.write(_page(results, figures, command))
    return place / PAGE


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder of a report, made where it is missing; InputError where it cannot be written to.

    Call it before a long simulation, so that a mistyped path costs nothing.
    """
    place = Path(folder)
    with _problems(place):
        if place.exists() and not place.is_dir():
            raise InputError("is a file; a report needs a folder", file=place)
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError("the folder cannot be written to; choose another", file=place)
    return place


def _figures(results: Sequence[Pair]) -> list[tuple[str, str, bytes]]:
    """Heading, caption and SVG of every figure."""
    runs = [result for result, _ in results]
    return [
        (
            "Dominant shares",
            "Each line is the largest part that a tenant holds of any one resource of the whole "
            "cluster, before its weight counts: under a fair policy the lines of tenants with "
            "waiting tasks run close together (in proportion to their weights), and a line far "
            "above the others is a tenant that took its part from them.",
            plots.dominant_shares(runs),
        ),
        (
            "Utilisation",
            "Each line is the part of one resource that running tasks hold: left of the dotted "
            "line, the closer the highest line stays to 100 %, the less of the scarcest resource "
            "lay idle.",
            plots.utilisation(runs),
        ),
        (
            "Completion times",
            "The height of a line at a time says which part of all tasks had ended so long after "
            "their arrival: the further left and up a line runs, the sooner the policy served "
            "most tasks, and a line that ends below 100 % left tasks unfinished.",
            plots.completion_times(runs),
        ),
        (
            "Slowdowns",
            "Each mark is the mean, over the tasks of a tenant, of the time from arrival to end "
            "as a multiple of the time the task ran (of 60 s if it ran for less): 1 is a task "
            "that never waited, and a row whose marks lie far apart is a tenant for whom the "
            "choice of policy matters.",
            plots.slowdowns([summary for _, summary in results]),
        ),
    ]


def _page(
    results: Sequence[Pair], figures: Iterable[tuple[str, str, bytes]], command: str | None
) -> str:
    workload = results[0][0].workload
    summaries = [summary for _, summary in results]
    text = html.escape
    name = text(workload.name)
    notes = "".join(f"<li>{text(note)}</li>" for note in workload.notes)
    policies = ", ".join(text(summary.policy) for summary in summaries)
    made = (
        f"Made by drf {text(__version__)}, {text(str(backend()))} kernel ({text(backend().reason)})"
    )
    made += f", with <code>{text(command)}</code>." if command else "."
    body = [
        f"<h1>Policies compared on the workload {name}</h1>",
        f"<p>{len(workload.tasks)} tasks of {len(workload.tenants)} tenants on "
        f"{len(workload.machines)} machines, under {policies}.</p>",
        f"<ul>{notes}</ul>" if notes else "",
        f'<p class="about">{made}</p>',
        _table(tables.comparison(summaries)),
        "<p class='about'>Use and shares are means over the time in which tasks arrive; lowest "
        "and highest share are of the tenants' mean dominant shares. Waiting ends when a task "
        "starts, completion when it ends, both counted from its arrival; 95 % of the tasks stay "
        "at or below p95. Jain's index, the mean over the times at which tenants contend, is 1 "
        "where all who contend hold equal shares per weight and 1/n where one of n holds all.</p>",
        _table(tables.slowdowns(summaries)),
    ]
    for heading, caption, picture in figures:
        data = base64.b64encode(picture).decode()
        body.append(
            f"<h2>{heading}</h2><figure><div class='wide'><img alt='{text(heading)}: "
            f"{text(caption)}' "
            f"src='data:image/svg+xml;base64,{data}'></div><figcaption>{text(caption)}</figcaption></figure>"
        )
    links = "".join(f"<li><a href='{file}'>{file}</a>: {what}</li>" for file, what in FILES)
    body.append(f"<h2>Raw numbers</h2><ul>{links}</ul>")
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>drf: policies on {name}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _table(table: tables.Table) -> str:
    head = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(row[0])}</th>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<h2>{html.escape(table.title)}</h2><div "
        f"class='wide'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


Row = Sequence[object]


def _summary_rows(results: Sequence[Pair]) -> Iterator[Row]:
    resources = results[0][0].workload.resources
    yield (
        "workload",
        "policy",
        *(f"utilisation_{resource}_fraction" for resource in resources),
        *("wait_mean_s", "wait_p95_s", "completion_mean_s", "completion_p95_s"),
        *("share_lowest_fraction", "share_highest_fraction", "jain_index"),
        *("tasks_done", "tasks_unfinished", "offers"),
    )
    for result, summary in results:
        yield (
            result.workload.name,
            summary.policy,
            *(summary.utilisation[resource] for resource in resources),
            *(summary.wait_mean, summary.wait_p95, summary.completion_mean, summary.completion_p95),
            *(summary.share_low, summary.share_high, summary.jain),
            *(summary.tasks_done, summary.tasks_unfinished, result.decisions),
        )


def _tenant_rows(results: Sequence[Pair]) -> Iterator[Row]:
    yield (
        *("policy", "tenant", "weight", "tasks_done"),
        *("wait_mean_s", "wait_p95_s", "completion_mean_s", "completion_p95_s"),
        *("slowdown_mean_ratio", "share_mean_fraction"),
    )
    for result, summary in results:
        for tenant in summary.tenants:
            weight = result.workload.weights.get(tenant.tenant, 1.0)
            yield (
                *(summary.policy, tenant.tenant, weight, tenant.tasks_done),
                *(tenant.wait_mean, tenant.wait_p95, tenant.completion_mean, tenant.completion_p95),
                *(tenant.slowdown_mean, tenant.share_mean),
            )


def _task_rows(results: Sequence[Result]) -> Iterator[Row]:
    resources = results[0].workload.resources
    yield (
        *(
            "policy",
            "task",
            "tenant",
            "arrival_s",
            "start_s",
            "end_s",
            "duration_s",
            "wait_s",
            "completion_s",
        ),
        *("machine", *(f"demand_{resource}" for resource in resources)),
    )
    for result in results:
        runs = {run.task.name: run for run in result.runs}
        for task in result.workload.tasks:
            demand = [task.demand.get(resource, 0) for resource in resources]
            run = runs.get(task.name)
            if run is None:  # unfinished: what is not known stays empty
                yield (
                    result.policy,
                    task.name,
                    task.tenant,
                    task.arrival,
                    "",
                    "",
                    task.duration,
                    "",
                    "",
                    "",
                    *demand,
                )
                continue
            wait, completion = run.start - task.arrival, run.end - task.arrival
            yield (
                *(
                    result.policy,
                    task.name,
                    task.tenant,
                    task.arrival,
                    run.start,
                    run.end,
                    task.duration,
                ),
                *(wait, completion, run.machine, *demand),
            )


def _series_rows(results: Sequence[Result]) -> Iterator[Row]:
    tenants, resources = results[0].workload.tenants, results[0].workload.resources
    yield (
        *("policy", "time_s"),
        *(f"share_{tenant}_fraction" for tenant in tenants),
        *(f"utilisation_{resource}_fraction" for resource in resources),
        *(f"waiting_{tenant}_tasks" for tenant in tenants),
    )
    for result in results:
        series = result.series
        fractions = [series.shares[t] for t in tenants] + [series.utilisation[r] for r in resources]
        counts = [series.waiting[tenant] for tenant in tenants]
        for index, time in enumerate(series.times):
            yield (
                *(result.policy, time),
                *(f"{values[index]:.6g}" for values in fractions),
                *(int(values[index]) for values in counts),
            )


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with _replacing(path) as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name, and the place of an older one, only when it is complete."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as out:
            yield out
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _problems(place: Path) -> Iterator[None]:
    """Turns what the operating system says into one sentence with the path."""
    try:
        yield
    except OSError as error:
        path = error.filename or place
        raise InputError(f"cannot be written: {error.strerror or error}", file=path) from error
