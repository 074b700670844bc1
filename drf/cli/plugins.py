"""``drf plugins``: what is registered under the five groups, read from the metadata of what is installed."""

from __future__ import annotations

import json

import click

from drf.plugins import GROUPS, listing

KINDS = [group.rpartition(".")[2] for group in GROUPS]


@click.command()
@click.argument("kinds", metavar="[KIND...]", nargs=-1, type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(*, kinds: tuple[str, ...], as_json: bool) -> None:
    """List the plug-ins that are installed: policies, allocators, masters, electors and observers.

    None of them is imported: one that does not load is listed too.
    """
    found = listing(*(f"drf.{kind}" for kind in kinds))
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in found], indent=2))
        return
    for entry in found:
        kind = GROUPS[entry.group]
        click.echo(
            f"{kind:<10} {entry.name:<13} {entry.target:<44} {entry.distribution} {entry.version}".rstrip()
        )
