"""``drf info``: what is installed, and what decides."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform

import click

from drf._backend import backend
from drf._version import __version__
from drf.plugins import GROUPS, names

EXTRAS = {
    "cli": ("click", "rich"),
    "plot": ("matplotlib",),
    "testing": ("hypothesis",),
    "lp": ("highspy",),
    "dask": ("distributed",),
    "serve": ("aiohttp",),
}
KINDS = {group.rpartition(".")[2]: group for group in GROUPS}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(*, as_json: bool) -> None:
    """Show the version, the kernel and why it was chosen, plug-ins and optional packages."""
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "backend": {"name": backend().name, "reason": backend().reason},
        "plugins": {kind: sorted(names(group)) for kind, group in KINDS.items()},
        "extras": {
            extra: {package: _version(package) for package in packages}
            for extra, packages in EXTRAS.items()
        },
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"drf         {__version__} (distribution drf-allocator)")
    click.echo(f"Python      {platform.python_version()} ({platform.python_implementation()})")
    click.echo(f"backend     {backend().name}: {backend().reason}")
    for kind, group in KINDS.items():
        click.echo(f"{kind:<11} {', '.join(sorted(names(group))) or 'none'}")
    for extra, packages in EXTRAS.items():
        versions = [(package, _version(package)) for package in packages]
        there = ", ".join(f"{package} {version or 'missing'}" for package, version in versions)
        remedy = (
            ""
            if all(version for _, version in versions)
            else f"; pip install 'drf-allocator[{extra}]'"
        )
        click.echo(f"{'extra ' + extra:<14}{there}{remedy}")


def _version(package: str) -> str | None:
    """The version of a package, found without importing it; None where there is none."""
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
