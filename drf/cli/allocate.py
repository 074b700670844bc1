"""``drf allocate``: one pool or machines, given demands, who gets what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import click

from drf.cli.console import show, terminal
from drf.cli.problem import read_problem
from drf.cli.subject import find_policy
from drf.division import Division
from drf.division import allocate as divide
from drf.simulation.tables import Table, percent
from drf.units import exact_fraction


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--policy", metavar="NAME", help="Overrides the file's policy and like.")
@click.option("--like", metavar="SYSTEM", help="Divide as mesos, yarn or another system does.")
@click.option("--divisible/--whole", default=None, help="Fractions of tasks, or whole tasks only.")
@click.option("--steps/--no-steps", default=None, help="Also print each grant in turn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def allocate(
    *,
    file: str,
    policy: str | None,
    like: str | None,
    divisible: bool | None,
    steps: bool | None,
    as_json: bool,
) -> None:
    """Divide a pool, or machines, among users and print what each gets.

    FILE is TOML or JSON, - is standard input. Its keys are the arguments of drf.allocate: capacity
    (name to amount, or machine to name to amount) and demands (user to name to amount, per task);
    optional are weights, max_tasks, eligible (user to machines), policy, like, divisible,
    on_blocked, tie_break, steps, exact, strict and seed. Amounts are numbers, or text such as
    "1/3". A policy of your own is named module:attribute. Options given here override the file.

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
    if policy is not None or like is not None:
        problem.pop("policy", None)
        problem.pop("like", None)
    given = {"policy": policy, "like": like, "divisible": divisible, "steps": steps}
    problem.update({key: value for key, value in given.items() if value is not None})
    if ":" in problem.get("policy", ""):
        problem["policy"] = find_policy(problem["policy"])
    division = divide(**problem)
    if as_json:
        click.echo(json.dumps(_facts(division), indent=2, default=_plain))
        return
    console = terminal()
    show(console, _users(division, problem))
    show(console, _pool(division, problem))
    if division.placement is not None:
        show(console, _placement(division, problem))
    if division.steps:
        show(console, _steps(division))
    if division.unplaceable:
        users = ", ".join(division.unplaceable)
        click.echo(f"Not even one task fits the empty pool: {users}")


def _users(division: Division, problem: Mapping[str, Any]) -> Table:
    resources = list(_total(problem))
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
        for name, amount in _total(problem).items()
    )
    return Table("Pool", ("resource", "capacity", "used (%)"), rows)


def _total(problem: Mapping[str, Any]) -> dict[str, Any]:
    """What there is of each resource, as written; of machines the sum."""
    capacity = problem["capacity"]
    machines = [amounts for amounts in capacity.values() if isinstance(amounts, Mapping)]
    if not machines:
        return dict(capacity)
    names = dict.fromkeys(name for amounts in machines for name in amounts)
    return {
        name: _plainest(sum(exact_fraction(name, m.get(name, 0)) for m in machines))
        for name in names
    }


def _plainest(value: int | Fraction) -> object:
    return int(value) if value == int(value) else float(value)


def _placement(division: Division, problem: Mapping[str, Any]) -> Table:
    machines = list(problem["capacity"])
    rows = tuple(
        (user, *(_amount(placed.get(machine, 0)) for machine in machines))
        for user, placed in division.placement.items()
    )
    return Table("Tasks by machine", ("user", *machines), rows)


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
    if division.placement is not None:
        facts["placement"] = division.placement
    if division.steps:
        facts["steps"] = [{"user": step.user, "shares": step.shares} for step in division.steps]
    return facts


def _amount(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> object:
    """What JSON has no form for: fractions as text, mappings of any kind as objects."""
    return dict(value) if isinstance(value, Mapping) else str(value)
