"""``drf check``: which fairness properties a policy keeps, with the smallest counter-example where it loses one."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import click
from rich.console import Console

from drf.cli.console import bar, show, terminal
from drf.cli.subject import find_subject
from drf.fairness import Witness
from drf.plugins import Policy
from drf.simulation.tables import Table
from drf.testing.files import problem_text
from drf.testing.results import Findings, Setting

PLACES = ("pool", "machines", "tree")
TASKS = ("divisible", "whole")
Files: TypeAlias = dict[tuple[str, Setting], list[str]]


@click.command()
@click.argument("policies", metavar="POLICY", nargs=-1)
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Judge this property alone; may be repeated.  [default: all]",
)
@click.option(
    "--on",
    multiple=True,
    type=click.Choice(PLACES),
    help="One pool, machines, or a tree of users; may be repeated.  [default: what the policy can do]",
)
@click.option(
    "--tasks",
    multiple=True,
    type=click.Choice(TASKS),
    help="Divisible or whole tasks; may be repeated.  [default: both]",
)
@click.option(
    "--instances",
    metavar="NAME",
    help="Draw instances of this kind only: a name of drf.testing.strategies, such as positive.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Instances drawn for each property.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search."
)
@click.option(
    "--on-blocked",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="Whole tasks: pass over a user whose task does not fit, or end there.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write each counter-example there, as a problem file of drf allocate.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--table",
    is_flag=True,
    help="Print the table of many policies in Markdown: of those named, or of all.",
)
@click.pass_context
def check(
    ctx: click.Context,
    *,
    policies: tuple[str, ...],
    properties: tuple[str, ...],
    on: tuple[str, ...],
    tasks: tuple[str, ...],
    instances: str | None,
    examples: int,
    seed: int,
    on_blocked: str,
    out: Path | None,
    as_json: bool,
    table: bool,
) -> int:
    """Search for instances in which POLICY loses a fairness property, and print what was found.

    POLICY is a name (drf, maxmin:cpus), or module:attribute in a module of your own: a policy, a
    function that divides an instance, or a class of pools at work. Each property holds in so many
    examples, fails (the smallest counter-example follows), or is not applicable ("-"). No policy
    has all properties.

    The exit code is 1 if any property fails. To keep a property in a build, name it, and say where:

    \b
      drf check drf
      drf check drf --property envy_freeness --on pool --tasks divisible
      drf check drf --property population_monotonicity --instances positive --tasks divisible
      drf check mypkg.mod:MyPolicy --examples 1000 --out counter-examples
      drf check --table > properties.md
    """
    if table:
        tables = importlib.import_module("drf.testing.table")
        known = list(policies) or tables.LISTED
        with _progress() as progress:
            text = tables.property_table(known, examples=examples, seed=seed, progress=progress)
        click.echo(text, nl=False)
        return 0
    if len(policies) != 1:
        raise click.UsageError("name one POLICY, such as drf, or give --table", ctx)
    name = policies[0]
    # Hypothesis is an extra: only where the command runs.
    checking = importlib.import_module("drf.testing.checking")
    options: dict[str, Any] = {"examples": examples, "seed": seed, "on_blocked": on_blocked}
    if on:
        options["on"] = on
    if tasks:
        options["tasks"] = tasks
    if instances is not None:
        options["instances"] = instances
    if properties:
        options["properties"] = properties
    subject = find_subject(name)
    with _progress() as progress:
        if isinstance(subject, type):
            found = checking.check_policy(live=subject, progress=progress, **options)
        else:
            found = checking.check_policy(subject, progress=progress, **options)
    files = {} if out is None else _write(out, found, name, subject, on_blocked)
    if as_json:
        click.echo(json.dumps(_facts(found, files), indent=2))
    else:
        _print(found, files)
    return 0 if found else 1


def _policy(name: str, subject: Any, place: str) -> str | None:
    """By which policy a problem file is divided: the one judged, or where that divides no such thing another."""
    modes: Collection[str] = subject.modes if isinstance(subject, Policy) else ()
    if "divide" in modes and (place == "pool" or place in modes):
        return name
    return "hdrf" if place == "tree" else None


def _print(found: Findings, files: Files) -> None:
    rows = tuple(found.rows())
    show(terminal(), Table(f"Properties of {found.subject}", rows[0], rows[1:]))
    for result in found.failures:
        click.echo(f"[{result.setting}] {result}")
        for file in files.get((result.name, result.setting), ()):
            click.echo(f"  drf allocate {file}")
        click.echo()
    count = len(found.failures)
    click.echo(f"{count} of {sum(r.examples > 0 or r.bad for r in found.results)} fail")


def _facts(found: Findings, files: Files) -> dict[str, Any]:
    return {
        "policy": found.subject,
        "results": [
            {
                "property": result.name,
                "on": result.setting.on,
                "tasks": result.setting.tasks,
                "outcome": result.outcome,
                "examples": result.examples,
                "reason": result.reason,
                "counter_example": str(result) if result.bad else None,
                "files": files.get((result.name, result.setting), []),
            }
            for result in found.results
        ],
    }


def _exact(witness: Witness) -> bool:
    """Whether all that was compared came in fractions."""
    after = witness.after
    return not witness.allocation.rounding and (after is None or not after.rounding)


def _write(out: Path, found: Findings, name: str, subject: Any, on_blocked: str) -> Files:
    """Each counter-example as a problem file; where a change shows it, one before and one after."""
    out.mkdir(parents=True, exist_ok=True)
    files: Files = {}
    for result in found.failures:
        assert result.instance is not None
        witness = None if result.verdict is None else result.verdict.witness
        exact = result.instance.divisible and witness is not None and _exact(witness)
        stem = f"{result.name}-{result.setting.on}-{result.setting.tasks}"
        given = [(f"{stem}.toml", result.instance)]
        if witness is not None and witness.change is not None:
            given.append((f"{stem}-after.toml", witness.change.instance))
        for file, instance in given:
            text = problem_text(
                instance,
                policy=_policy(name, subject, result.setting.on),
                exact=exact,
                on_blocked=on_blocked,
                note=str(result),
            )
            (out / file).write_text(text, encoding="utf-8")
            files.setdefault((result.name, result.setting), []).append(str(out / file))
    return files


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    console: Console = terminal(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with bar(console) as bars:
        row = bars.add_task("")
        yield lambda done, of, text: bars.update(row, completed=done, total=of, description=text)
