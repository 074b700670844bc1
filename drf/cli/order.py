"""``drf order``: the orders of several systems for one state of a cluster, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from drf.cli.console import show, terminal
from drf.cli.problem import read_object
from drf.cli.subject import find_policy
from drf.division import PRESETS
from drf.errors import InputError, UnknownName
from drf.plugins import Policy
from drf.simulation.tables import Table
from drf.sorter import Sorter

KEYS = ("total", "clients", "nodes")
OF_CLIENT = ("weight", "holds", "grants", "waiting_since", "active")


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--like",
    "systems",
    multiple=True,
    metavar="SYSTEM,...",
    help=f"Of {', '.join(PRESETS)}, separated by commas; may be repeated.  [default: all]",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="A policy beside them; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def order(*, file: str, systems: tuple[str, ...], policies: tuple[str, ...], as_json: bool) -> None:
    """Print who is next in one state of a cluster, by the rules of several systems.

    FILE is TOML or JSON, - is standard input: total (name to amount) and clients, each with holds
    (name to amount), weight, grants (how many it has had), waiting_since (seconds) and active. Names
    with / are paths; nodes has the weights of those above clients, where a system knows trees.

    \b
    Example (state.toml):
      total = { cpus = 10, mem = 100 }
      [clients]
      batch = { weight = 2, holds = { cpus = 6, mem = 10 } }
      web = { holds = { cpus = 3, mem = 40 } }

    \b
      drf order state.toml
      drf order state.toml --like mesos,yarn --policy asset
    """
    chosen = _systems(systems)
    state, label = read_object(file, "the keys total and clients")
    _check(state, label)
    rules: dict[str, Policy] = {name: find_policy(name) for name in (*chosen, *policies)}
    orders = {name: _order(rule, state) for name, rule in rules.items()}
    if as_json:
        click.echo(json.dumps(orders, indent=2))
        return
    rows = tuple(
        (str(place), *row) for place, row in enumerate(zip(*orders.values(), strict=True), 1)
    )
    show(terminal(), Table("Who is next", ("place", *orders), rows))


def _systems(groups: tuple[str, ...]) -> list[str]:
    named = [name.strip() for group in groups for name in group.split(",") if name.strip()]
    for name in named:
        if name not in PRESETS:
            raise UnknownName("system", name, PRESETS)
    return list(dict.fromkeys(named)) or list(PRESETS)


def _order(policy: Policy, state: Mapping[str, Any]) -> list[str]:
    """The active clients in the policy's order; O(clients log clients)."""
    sorter = Sorter(policy, total=state["total"])
    for node, weight in state.get("nodes", {}).items():
        sorter.weigh_path(node, weight)
    for name, facts in state["clients"].items():
        sorter.add(name, weight=facts.get("weight"), active=facts.get("active", True))
        sorter.charge(name, facts.get("holds", {}), grants=facts.get("grants", 0))
        if "waiting_since" in facts:
            sorter.waiting(name, facts["waiting_since"])
    return sorter.sort()


def _check(state: Mapping[str, Any], label: str) -> None:
    """The shape; names and amounts are judged by the sorter."""
    for key in state:
        if key not in KEYS:
            raise UnknownName(f"key in {label}:", key, KEYS)
    for key in ("total", "clients"):
        if key not in state:
            raise InputError(f"has no key {key!r}; it needs total and clients", file=label)
    for key in KEYS:
        if not isinstance(state.get(key, {}), Mapping):
            raise InputError("is not a table", file=f"{label}, {key}", value=state[key])
    for node, weight in state.get("nodes", {}).items():
        _number(weight, f"{label}, nodes.{node}")
    for name, facts in state["clients"].items():
        place = f"{label}, clients.{name}"
        if not isinstance(facts, Mapping):
            raise InputError("is not a table", file=place, value=facts)
        for key in facts:
            if key not in OF_CLIENT:
                raise UnknownName(f"key in {place}:", key, OF_CLIENT)
        if not isinstance(facts.get("holds", {}), Mapping):
            raise InputError(
                "is not a table of amounts", file=f"{place}.holds", value=facts["holds"]
            )
        grants = facts.get("grants", 0)
        if isinstance(grants, bool) or not isinstance(grants, int) or grants < 0:
            raise InputError(
                "is not a whole number of at least 0", file=f"{place}.grants", value=grants
            )
        if not isinstance(facts.get("active", True), bool):
            raise InputError("is not true or false", file=f"{place}.active", value=facts["active"])
        for key in ("weight", "waiting_since"):
            if key in facts and not (key == "weight" and isinstance(facts[key], Mapping)):
                _number(facts[key], f"{place}.{key}")


def _number(value: object, place: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("is not a number", file=place, value=value)
