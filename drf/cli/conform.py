"""``drf conform``: scenario files against an allocator and a policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import groupby

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from drf.cli.console import terminal
from drf.errors import UnknownName
from drf.testing import Failure, Scenario, load_scenarios, packaged
from drf.testing import conform as run_scenarios
from drf.testing.conform import differing

SHOWN = 5
"""Failures printed of one scenario; what follows the first is often its consequence."""


@click.command()
@click.argument("files", metavar="[FILE...]", nargs=-1)
@click.option(
    "--allocator",
    default="hierarchical",
    show_default=True,
    metavar="NAME",
    help="The allocator: ours, or a plug-in of the group drf.allocators.",
)
@click.option(
    "--sorter",
    default="drf",
    show_default=True,
    metavar="NAME",
    help="The policy that orders roles, frameworks and the sorter's clients.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Run each scenario with the seeds 0 to N-1 of all that is drawn.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Run the scenarios of that name; * and ? stand for any; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def conform(
    *,
    files: tuple[str, ...],
    allocator: str,
    sorter: str,
    seeds: int,
    only: tuple[str, ...],
    as_json: bool,
) -> int:
    """Run scenario files against an allocator and a policy, and print what came out otherwise.

    FILE is an array of scenarios in JSON, or that with gzip (.json.gz); without one, the scenarios
    that come with drf are run. The format is described in FORMAT.md of the package drf.testing. The
    exit code is 1 if any scenario fails.

    \b
    Examples:
      drf conform
      drf conform scenarios.json --seeds 12
      drf conform recorded.json.gz --allocator mine --only 'quota_*'
    """
    scenarios = _chosen(files or tuple(map(str, packaged())), only)
    with _progress(terminal(stderr=True), len(scenarios)) as progress:
        report = run_scenarios(
            scenarios, allocator=allocator, sorter=sorter, seeds=seeds, progress=progress
        )
    if as_json:
        facts = {
            "passed": report.passed,
            "failed": report.failed,
            "failures": [failure._asdict() for failure in report.failures],
        }
        click.echo(json.dumps(facts, indent=2))
    else:
        for _, failures in groupby(report.failures, key=lambda failure: failure.scenario):
            _show(list(failures), seeds)
        click.echo(report)
    return 1 if report.failed else 0


def _chosen(files: tuple[str, ...], only: tuple[str, ...]) -> list[Scenario]:
    """The scenarios of the files whose names fit. Raises InputError, UnknownName for a pattern that fits none."""
    found = [scenario for file in files for scenario in load_scenarios(file)]
    names = [scenario.name for scenario in found]
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownName("scenario", pattern, names)
    return [s for s in found if not only or any(fnmatchcase(s.name, p) for p in only)]


def _show(failures: list[Failure], seeds: int) -> None:
    """One scenario's failures with the first seed that has any."""
    first = failures[0].seed
    here = [failure for failure in failures if failure.seed == first]
    seed = f" (seed {first})" if seeds > 1 else ""
    click.echo(f"{failures[0].scenario}{seed}")
    for failure in here[:SHOWN]:
        click.echo(f"  step {failure.step}, {failure.op}: {failure.kind}")
        expected, got = differing(failure.expected, failure.got)
        click.echo(f"    expected {_text(expected)}")
        click.echo(f"    got      {_text(got)}")
    if len(here) > SHOWN:
        click.echo(f"  and {len(here) - SHOWN} more; --json lists all")
    others = len({failure.seed for failure in failures}) - 1
    if others:
        click.echo(f"  and with {others} more of {seeds} seeds")
    click.echo()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        row = bars.add_task("scenarios", total=total)
        yield lambda done, of: bars.update(row, completed=done)
