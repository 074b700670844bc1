"""``drf allocate``: one pool, given demands, who gets what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from drf.cli.console import show, terminal
from drf.cli.problem import read_problem
from drf.division import Division
from drf.division import allocate as divide
from drf.simulation.tables import Table, percent


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--policy", metavar="NAME", help="Overrides the file's policy.")
@click.option("--divisible/--whole", default=None, help="Fractions of tasks, or whole tasks only.")
@click.option("--steps/--no-steps", default=None, help="Also print each grant in turn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def allocate(
    *, file: str, policy: str | None, divisible: bool | None, steps: bool | None, as_json: bool
) -> None:
    """Divide a pool among users and print what each gets.

    FILE is TOML or JSON, - is standard input. Its keys are the arguments of drf.allocate: capacity
    (name to amount) and demands (user to name to amount, per task); optional are weights,
    max_tasks, policy, divisible, on_blocked, tie_break, steps, exact and strict. Options given here
    override the file.

    \b
    Example (problem.toml):
      capacity = { cpus = 9, mem = 18 }
      [demands]
      A = { cpus = 1, mem = 4 }
      B = { cpus = 3, mem = 1 }

    \b
      drf allocate problem.toml
      drf allocate problem.toml --divisible --json
    """
    problem = read_problem(file)
    given = {"policy": policy, "divisible": divisible, "steps": steps}
    problem.update({key: value for key, value in given.items() if value is not None})
    division = divide(**problem)
    if as_json:
        click.echo(json.dumps(_facts(division), indent=2, default=_plain))
        return
    console = terminal()
    show(console, _users(division, problem))
    show(console, _pool(division, problem))
    if division.steps:
        show(console, _steps(division))
    if division.unplaceable:
        users = ", ".join(division.unplaceable)
        click.echo(f"Not even one task fits the empty pool: {users}")


def _users(division: Division, problem: Mapping[str, Any]) -> Table:
    resources = list(problem["capacity"])
    share = "share / weight (%)" if problem.get("weights") else "dominant share (%)"
    rows = tuple(
        (
            user,
            _amount(division.tasks[user]),
            *(_amount(division.resources[user].get(resource, 0)) for resource in resources),
            percent(float(division.shares[user])),
            str(division.dominant[user] or "-"),
        )
        for user in division.tasks
    )
    return Table("Users", ("user", "tasks", *resources, share, "dominant resource"), rows)


def _pool(division: Division, problem: Mapping[str, Any]) -> Table:
    rows = tuple(
        (name, _amount(amount), percent(float(division.utilization[name])))
        for name, amount in problem["capacity"].items()
    )
    return Table("Pool", ("resource", "capacity", "used (%)"), rows)


def _steps(division: Division) -> Table:
    users = list(division.tasks)
    rows = tuple(
        (str(number), step.user, *(percent(float(step.shares[user])) for user in users))
        for number, step in enumerate(division.steps, 1)
    )
    return Table("Steps", ("step", "task of", *(f"share of {user} (%)" for user in users)), rows)


def _facts(division: Division) -> dict[str, Any]:
    facts = {
        "tasks": division.tasks,
        "resources": {user: dict(held.items()) for user, held in division.resources.items()},
        "shares": division.shares,
        "dominant": division.dominant,
        "utilization": division.utilization,
        "unplaceable": list(division.unplaceable),
    }
    if division.steps:
        facts["steps"] = [{"user": step.user, "shares": step.shares} for step in division.steps]
    return facts


def _amount(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> object:
    """What JSON has no form for: fractions as text, mappings of any kind as objects."""
    return dict(value) if isinstance(value, Mapping) else str(value)
