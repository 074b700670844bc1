"""``drf compare``: policies side by side on one workload."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from drf.cli.console import show, terminal
from drf.errors import InvalidOption
from drf.plugins import make_policy
from drf.simulation import tables
from drf.simulation.compare import compare as run_policies
from drf.simulation.engine import OfferMode
from drf.simulation.generate import default_workload
from drf.simulation.openb import read_openb
from drf.simulation.workload import Workload

OPENB_ONLY = ("data", "pods", "every", "compress", "cut", "gpu_nodes")

Report = Callable[[str, float], None]


def positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Check an option: click's own ranges let nan through."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"{value} is not a finite number above 0", ctx, param)
    return value


@click.command()
@click.option(
    "--workload",
    "source",
    type=click.Choice(["default", "openb"]),
    default="default",
    show_default=True,
    help="The embedded generator, or the openb GPU trace (needs --data).",
)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the openb files."
)
@click.option(
    "--policies",
    multiple=True,
    metavar="NAME,...",
    help="Policies to compare, separated by commas; may be repeated.  "
    "[default: drf, maxmin on the first resource, fifo, random]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the generator and of all that is drawn.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("drf-report"),
    show_default=True,
    metavar="DIR",
    help="Folder of the report.",
)
@click.option("--no-report", is_flag=True, help="Print the tables only.")
@click.option(
    "--offer",
    type=click.Choice(["demand", "agent"]),
    default="demand",
    show_default=True,
    help="Offers cut to what was asked for, or whole machines.",
)
@click.option(
    "--weights", multiple=True, metavar="TENANT=N,...", help="Weights of tenants; others have 1."
)
@click.option(
    "--horizon", type=float, callback=positive, metavar="SECONDS", help="End the simulation then."
)
@click.option(
    "--pods",
    type=click.Choice(["default", "cpu300", "gpuspec33"]),
    default="cpu300",
    show_default=True,
    help="openb: the list of pods.",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="K",
    help="openb: keep every K-th node.",
)
@click.option(
    "--gpu-nodes/--all-nodes",
    default=True,
    show_default=True,
    help="openb: nodes with GPUs only, or all.",
)
@click.option(
    "--compress",
    type=float,
    callback=positive,
    default=160.0,
    show_default=True,
    help="openb: divide the times between arrivals by this.",
)
@click.option(
    "--cut",
    type=float,
    callback=positive,
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="openb: cut longer runs there.",
)
@click.pass_context
def compare(
    ctx: click.Context,
    *,
    source: str,
    data: Path | None,
    policies: tuple[str, ...],
    seed: int,
    out: Path,
    no_report: bool,
    offer: OfferMode,
    weights: tuple[str, ...],
    horizon: float | None,
    pods: str,
    every: int,
    gpu_nodes: bool,
    compress: float,
    cut: float,
) -> None:
    """Run policies on one workload, print what each did to whom, and write a report.

    A deterministic simulation drives the allocator with tasks that arrive, wait, run and end: once
    per policy, with the same tasks. The report is a page with plots (report.html) and the raw
    numbers as CSV beside it.

    \b
    Examples:
      drf compare
      drf compare --policies drf,fifo --weights batch=2 --seed 7
      drf compare --workload openb --data openb-2023 --out openb-report
      drf compare --workload openb --data openb-2023 --compress 100 --no-report
    """
    if source == "openb" and data is None:
        raise click.UsageError(
            "--workload openb needs the folder of the trace: give --data DIR", ctx
        )
    if source != "openb":
        for name in OPENB_ONLY:
            if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
                option = next(p.opts[0] for p in ctx.command.params if p.name == name)
                raise click.UsageError(f"{option} applies to --workload openb only", ctx)
    weight_of = _weights(weights)
    chosen = list(
        dict.fromkeys(p.strip() for group in policies for p in group.split(",") if p.strip())
    )
    if policies and not chosen:
        raise click.UsageError("--policies names no policy; try --policies drf,fifo", ctx)
    for policy in chosen:
        make_policy(policy)  # an unknown name ends here, before a trace is read
    # This module needs matplotlib, and half a second to load: only where a report is wanted.
    report = None if no_report else importlib.import_module("drf.simulation.report")

    workload: Workload
    if source == "openb":
        assert data is not None
        workload = read_openb(
            data, pods=pods, every=every, gpu_nodes=gpu_nodes, compress=compress, cut=cut
        )
    else:
        workload = default_workload(seed=seed)
    if weight_of:
        told = ", ".join(f"{name} {weight_of[name]:g}" for name in sorted(weight_of))
        notes = (*workload.notes, f"weights: {told}; of all others 1")
        workload = replace(workload, weights=weight_of, notes=notes)
    chosen = chosen or ["drf", f"maxmin:{workload.resources[0]}", "fifo", "random"]
    for policy in chosen:
        if not any(map(make_policy(policy).counts, workload.resources)):
            raise InvalidOption(
                f"policy {policy!r} counts no resource of this workload; "
                f"it has {', '.join(workload.resources)}"
            )

    if report is not None:
        report.make_folder(out)
    with _progress(terminal(stderr=True), chosen) as progress:
        results = run_policies(
            workload, chosen, offer=offer, seed=seed, horizon=horizon, progress=progress
        )

    click.echo(
        f"Workload {workload.name}: {len(workload.tasks)} tasks of {len(workload.tenants)} "
        f"tenants on {len(workload.machines)} machines"
    )
    for note in workload.notes:
        click.echo(f"  {note}")
    click.echo()
    console = terminal()
    summaries = [summary for _, summary in results]
    show(console, tables.comparison(summaries))
    show(console, tables.slowdowns(summaries))
    if report is not None:
        click.echo(f"Report: {report.write_report(out, results, command=ctx.obj)}")


def _weights(groups: Sequence[str]) -> dict[str, float]:
    """``("a=2,b=3",)`` as a mapping; click.UsageError where a part is not NAME=NUMBER."""
    weights: dict[str, float] = {}
    for part in (part.strip() for group in groups for part in group.split(",") if part.strip()):
        tenant, _, text = part.rpartition("=")
        weight = _number(text)
        if not (tenant and math.isfinite(weight) and weight > 0):
            raise click.UsageError(f"--weights: {part!r} is not TENANT=NUMBER, such as batch=2")
        weights[tenant] = weight
    return weights


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


@contextmanager
def _progress(console: Console, policies: Sequence[str]) -> Iterator[Report]:
    """What to tell how far each policy is: a bar on a terminal, else one line when it begins."""
    if not console.is_terminal:
        begun: set[str] = set()

        def notice(policy: str, fraction: float) -> None:
            if policy not in begun:
                begun.add(policy)
                click.echo(f"drf: simulating {policy} ({len(begun)} of {len(policies)})", err=True)

        yield notice
        return

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        rows: dict[str, TaskID] = {
            name: bars.add_task(name, start=False, total=1.0) for name in policies
        }

        def move(policy: str, fraction: float) -> None:
            row = rows.get(policy)
            if row is None:
                row = rows[policy] = bars.add_task(policy, start=False, total=1.0)
            if bars.tasks[row].start_time is None:
                bars.start_task(row)
            bars.update(row, completed=fraction)

        yield move
