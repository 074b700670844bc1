"""``drf bench``: what drf costs on this machine, against its goals and an earlier run."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from drf.benchmarks import report
from drf.benchmarks.catalogue import chosen
from drf.benchmarks.counts import counts as count_operations
from drf.benchmarks.runner import Outcome, Runner, run, unit_of
from drf.cli.compare import positive
from drf.cli.console import bar, show, terminal
from drf.errors import BackendUnavailable

REPEATS, QUICK_REPEATS = 5, 2
LIMIT, QUICK_LIMIT = 20.0, 5.0


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes only, and fewer times: a minute or two.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Run the workloads of that name; * and ? stand for any; may be repeated.",
)
@click.option(
    "--kernel",
    type=click.Choice(["fast", "pure", "both"]),
    default="both",
    show_default=True,
    help="The compiled kernel, the pure one, or each in turn.",
)
@click.option(
    "--limit",
    type=float,
    callback=positive,
    metavar="SECONDS",
    help="CPU time for each size of each workload; larger sizes are extrapolated.  [default: 20, with --quick 5]",
)
@click.option(
    "--compare",
    "earlier",
    metavar="FILE",
    help="Compare with an earlier run's --json file and name what became slower or larger.",
)
@click.option(
    "--json", "to", metavar="FILE", help="Write the figures to FILE; - is standard output."
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Draw how costs grow, as SVG files in DIR.",
)
def bench(
    *,
    quick: bool,
    only: tuple[str, ...],
    kernel: str,
    limit: float | None,
    earlier: str | None,
    to: str | None,
    plots: Path | None,
) -> int:
    """Measure what drf costs on this machine: time, memory, growth, beside goals and C++ figures.

    Each workload runs at growing sizes in a process of its own, in turn with a fixed amount of
    plain Python work whose CPU time is the unit u. A size that would take longer than the limit is
    not run; what is marked ~ follows from the two sizes before it. Costs are medians of CPU time,
    memory is what the process has at its peak over an idle one. The exit code is 1 if a result is
    wrong, or if --compare finds a regression.

    \b
    Examples:
      drf bench --quick
      drf bench --only 'ordering-*' --json before.json
      drf bench --only 'ordering-*' --compare before.json
      drf bench --plots growth --kernel fast
    """
    workloads = chosen(only)
    before = None if earlier is None else report.load(earlier)
    draw = None if plots is None else importlib.import_module("drf.benchmarks.plots").draw
    limit = limit or (QUICK_LIMIT if quick else LIMIT)
    repeats = QUICK_REPEATS if quick else REPEATS
    runners, absent = _runners(kernel, limit=limit, repeats=repeats, quick=quick)
    with _progress(terminal(stderr=True)) as tell:
        outcome = run(workloads, runners, tell)
    counts = count_operations()
    outcome.notes += absent
    found = report.facts(
        outcome,
        counts,
        quick=quick,
        only=list(only),
        kernels=[runner.kernel for runner in runners],
        limit=limit,
    )
    text = json.dumps(found, indent=1)
    if to == "-":
        click.echo(text)
    else:
        _print(outcome, counts)
        if to is not None:
            Path(to).write_text(text + "\n", "utf-8")
            click.echo(f"Figures: {to}")
    if plots is not None and draw is not None:
        click.echo(f"Plots: {len(draw(outcome.records, plots))} in {plots}", err=to == "-")
    worse = 0
    if before is not None:
        worse = _compare(found, before, str(earlier), quiet=to == "-")
    return 1 if outcome.wrong or worse else 0


def _runners(
    kernel: str, *, limit: float, repeats: int, quick: bool
) -> tuple[list[Runner], list[str]]:
    """A runner for each kernel, started; with ``both`` the compiled one may be absent, which is a note."""
    runners, absent = [], []
    for name in ("fast", "pure") if kernel == "both" else (kernel,):
        runner = Runner(name, limit=limit, repeats=repeats, quick=quick)
        try:
            runner.start()
        except BackendUnavailable as error:
            if kernel != "both" or name == "pure":
                raise
            absent.append(str(error))
        else:
            runners.append(runner)
    return runners, absent


def _print(outcome: Outcome, counts: dict[str, int]) -> None:
    console = terminal()
    click.echo(f"{report.processor()}; {_unit(outcome)}\n")
    for table in report.tables(outcome):
        show(console, table)
    show(console, report.counted(counts))
    for note in outcome.notes:
        click.echo(f"Note: {note}")
    for fault in outcome.wrong:
        click.echo(f"WRONG: {fault}")
    click.echo(report.summary(outcome))


def _unit(outcome: Outcome) -> str:
    unit = unit_of(outcome)
    if unit is None:
        return "nothing was measured"
    low, high = min(outcome.units), max(outcome.units)
    return f"u = {unit:.4f} CPU s (median of {len(outcome.units)}, from {low:.4f} to {high:.4f})"


def _compare(found: dict[str, Any], before: dict[str, Any], file: str, *, quiet: bool) -> int:
    compared, worse = report.compare(found, before)
    if worse:
        show(terminal(stderr=quiet), report.regressions(worse, file))
    click.echo(f"{compared} costs compared with {file}, {len(worse)} regressions", err=quiet)
    return len(worse)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, else one line for each size that is done."""
    if not console.is_terminal:
        yield lambda what, done, of: click.echo(f"drf: {what} ({done} of {of})", err=True)
        return
    with bar(console) as bars:
        row = bars.add_task("", total=None)
        yield lambda what, done, of: bars.update(row, description=what, completed=done, total=of)
