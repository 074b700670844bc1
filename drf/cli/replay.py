"""``drf replay``: a journal carried out again, with its own policy or another one."""

from __future__ import annotations

import json
from typing import Any

import click

from drf.cli.console import show, terminal
from drf.errors import InputError
from drf.journal import Replay
from drf.journal import replay as carry_out
from drf.simulation.tables import Table


@click.command()
@click.argument("log", metavar="LOG")
@click.option("--policy", metavar="NAME", help="What would this policy have done?")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def replay(ctx: click.Context, *, log: str, policy: str | None, as_json: bool) -> None:
    """Carry a journal out again and compare what is decided.

    LOG is what drf.journal.JournaledAllocator wrote, - is standard input. With the journal's own policy each decision
    must come out as it was written; the exit code is 1 where one does not. With --policy, frameworks answer as they
    answered then, as far as the offers allow, and the table shows who would have been offered what.

    \b
    Examples:
      drf replay master.log
      drf replay master.log --policy fifo
    """
    try:
        with click.open_file(log, encoding="utf-8") as lines:
            found = carry_out(lines, policy=policy, file=log)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(f"cannot be read: {reason}", file=log) from error
    if as_json:
        click.echo(json.dumps(_facts(found), indent=2))
    else:
        _print(found)
    if found.differences:
        ctx.exit(1)


def _print(found: Replay) -> None:
    for difference in found.differences:
        click.echo(f"line {difference.line}: another decision")
        click.echo(f"  recorded {json.dumps(difference.recorded)}")
        click.echo(f"  replayed {json.dumps(difference.replayed)}")
    if found.torn:
        click.echo("The last line was cut off and left out.")
    frameworks = sorted({*found.recorded, *found.replayed})
    rows = tuple(
        (name, str(found.recorded.get(name, 0)), str(found.replayed.get(name, 0)))
        for name in frameworks
    )
    show(terminal(), Table("Offers made", ("framework", "recorded", found.policy), rows))
    click.echo(
        f"{found.events} events, {found.runs} runs, {len(found.differences)} decided otherwise"
        + (f", {found.left_out} answers had no place" if found.left_out else "")
    )


def _facts(found: Replay) -> dict[str, Any]:
    return {
        "policy": found.policy,
        "events": found.events,
        "runs": found.runs,
        "torn": found.torn,
        "left_out": found.left_out,
        "offers_recorded": found.recorded,
        "offers_replayed": found.replayed,
        "differences": [
            {"line": d.line, "recorded": d.recorded, "replayed": d.replayed}
            for d in found.differences
        ],
    }
