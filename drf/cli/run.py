"""``drf run``: tasks of several frameworks on this machine, shared out fairly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.live import Live

from drf.cli.console import drawn, terminal
from drf.cli.problem import read_object
from drf.masters.core.records import RUNNING, Update
from drf.masters.local.confine import AUTO, CGROUP, RLIMITS
from drf.masters.local.schedulers import BAD, DONE, STARTED, WAITING
from drf.masters.local.shell import LocalMaster, Result
from drf.masters.local.spec import read_spec
from drf.simulation.tables import Table

SHOWN = 20
"""Tasks that failed are listed up to this number; ``--json`` lists all."""


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="drf-run",
    show_default=True,
    metavar="DIR",
    help="Keep the state of the run and the output of its tasks there.",
)
@click.option(
    "--limits",
    type=click.Choice([AUTO, CGROUP, RLIMITS]),
    default=AUTO,
    show_default=True,
    help="What enforces limits: cgroup v2 where it may be written, or resource limits and CPU affinity.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in DIR, whose master was killed.")
@click.option("--clean", is_flag=True, help="End what is left of the run in DIR, and begin anew.")
@click.option("--quiet", is_flag=True, help="Print the result alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    *,
    spec: str,
    out: Path,
    limits: str,
    resume: bool,
    clean: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run the tasks of several frameworks on this machine, as SPEC (TOML or JSON) has them.

    Each task is a process in a session of its own, with limits on CPU, memory and time; its
    output is kept in DIR/tasks. Frameworks get their shares by the policy. Ctrl-C ends all tasks,
    once with the signal TERM, twice at once. Where the master itself is killed, tasks run on: --resume
    finds them again.

    The exit code is 0 where every task finished, 1 where one did not, 128 and the number of the
    signal that ended it: 130 after Ctrl-C.

    \b
    Examples:
      drf run spec.toml
      drf run spec.toml --out results --json
      drf run spec.toml --out results --resume
    """
    if resume and clean:
        raise click.UsageError("give --resume or --clean, not both", ctx)
    given, label = read_object(spec, "the key frameworks")
    read = read_spec(given, label)
    master = LocalMaster(read, out, limits=limits, resume=resume if resume or clean else None)
    with _watched(master, quiet or as_json):
        result = master.run()
    if as_json:
        click.echo(json.dumps(_facts(result), indent=2))
    else:
        _print(result)
    return result.code


@contextmanager
def _watched(master: LocalMaster, quiet: bool) -> Iterator[None]:
    """A live table on a terminal, a line for each task that ends elsewhere."""
    console = terminal(stderr=True)
    if quiet:
        yield
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            began = time.monotonic()
            master.watch(look=lambda: live.update(_view(master, began), refresh=True))
            yield
    else:
        master.watch(tell=_line)
        yield


def _line(update: Update) -> None:
    if update.state != RUNNING:
        message = f": {update.message}" if update.message else ""
        name = update.task.rpartition(".")[0]
        click.echo(f"{update.framework} {name} {update.state}{message}", err=True)


def _view(master: LocalMaster, began: float) -> Group:
    """How far each framework is, what of each agent is in use, and for how long it has run."""
    took = f"{time.monotonic() - began:.0f} s"
    return Group(drawn(_standing(master)), "", drawn(_agents(master)), "", took)


def _agents(master: LocalMaster) -> Table:
    names = dict.fromkeys(name for total in master.spec.agents.values() for name in total)
    use = master.use()
    rows = [
        (agent, *(f"{use[agent].quantity(n)} of {total.quantity(n)}" for n in names))
        for agent, total in master.spec.agents.items()
    ]
    return Table("Agents", ("agent", *names), tuple(rows))


def _standing(master: LocalMaster) -> Table:
    rows = []
    for name, scheduler in master.schedulers.items():
        counts = scheduler.counts
        states = [str(counts[state]) for state in (WAITING, STARTED, DONE, BAD)]
        rows.append((name, *states, f"{master.share(name):.2f}"))
    head = ("framework", "waiting", "running", "finished", "failed", "share")
    return Table("Tasks", head, tuple(rows))


def _print(result: Result) -> None:
    bad = [task for task in result.tasks if task.state != DONE]
    for task in bad[:SHOWN]:
        where = f" ({task.output})" if task.output else ""
        message = f": {task.message}" if task.message else ""
        click.echo(f"{task.framework} {task.task} {task.state}{message}{where}")
    if len(bad) > SHOWN:
        click.echo(f"and {len(bad) - SHOWN} more; --json lists all")
    for text in (*result.stuck, *result.trouble):
        click.echo(text)
    total = len(result.tasks)
    click.echo(
        f"{total - len(bad)} of {total} tasks finished in {result.seconds:.1f} s; "
        f"limits by {result.limits}"
    )


def _facts(result: Result) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "seconds": round(result.seconds, 3),
        "limits": result.limits,
        "stopped": result.stopped,
        "stuck": list(result.stuck),
        "trouble": list(result.trouble),
        "tasks": [task._asdict() for task in result.tasks],
    }
