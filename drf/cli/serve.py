"""``drf serve``: the allocator as a server."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from pathlib import Path
from typing import Any

import click

from drf.errors import MissingExtra

SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen at this address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7373,
    show_default=True,
    help="Listen at this port; 0 takes one that is free.",
)
@click.option(
    "--unix",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Listen at a socket in the file system instead.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Demand the token in FILE; needed where other machines can reach HOST.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep every event and decision there, and go on from what is there.",
)
@click.option(
    "--fsync/--no-fsync",
    default=True,
    show_default=True,
    help="Answer when the journal is on the disk; without it, when the operating system has it.",
)
@click.option("--policy", default="drf", show_default=True, help="The policy that orders clients.")
@click.option("--like", metavar="SYSTEM", help="The defaults of another system: mesos.")
@click.option(
    "--offer",
    type=click.Choice(["agent", "demand"]),
    help="Offer all that is free on an agent (the default), or what was requested.",
)
@click.option(
    "--react",
    type=click.Choice(["event", "interval"]),
    help="Decide on every event (the default), or with the interval.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Look at all agents so often (default: 1); 0 for never.",
)
@click.option("--offer-timeout", type=SECONDS, metavar="SECONDS", help="Rescind offers after this.")
@click.option(
    "--agent-order",
    type=click.Choice(["random", "id", "pack", "spread"]),
    help="In which order agents are offered (default: random).",
)
@click.option("--seed", type=int, help="The seed of what is drawn (default: 0).")
@click.option(
    "--clock",
    type=click.Choice(["wall", "monotonic", "client"]),
    default="wall",
    show_default=True,
    help="Whose time: seconds since 1970, since the journal began, or what `advance` says.",
)
@click.option(
    "--runs",
    type=click.Choice(["auto", "client"]),
    default="auto",
    show_default=True,
    help="Decide after events and when something is due, or on `run` alone.",
)
@click.option(
    "--max-body",
    type=click.IntRange(min=1),
    default=4 * 2**20,
    show_default=True,
    metavar="BYTES",
    help="The longest body, or line of a stream.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    metavar="N",
    help="So many connections at once.",
)
@click.option(
    "--idle",
    type=SECONDS,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Close connections on which nothing comes for so long.",
)
def serve(
    *,
    host: str,
    port: int,
    unix: Path | None,
    token_file: Path | None,
    journal: Path | None,
    fsync: bool,
    policy: str,
    clock: str,
    runs: str,
    max_body: int,
    max_connections: int,
    idle: float,
    **options: Any,
) -> int:
    """Serve the allocator to a master in any language: its verbs as JSON over HTTP.

    /openapi.json describes them, / shows what is there and why, /metrics has figures for Prometheus.
    It stops in good order on the signals TERM and INT.

    \b
    Examples:
      drf serve
      drf serve --journal state --offer demand
      drf serve --unix /run/drf.sock --like mesos
      drf serve --host 0.0.0.0 --token-file token
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingExtra("drf serve", "aiohttp", "serve")
    from drf.serve.auth import read_token  # noqa: PLC0415 (what follows needs the extra)
    from drf.serve.desk import Settings  # noqa: PLC0415
    from drf.serve.limits import Limits  # noqa: PLC0415
    from drf.serve.server import Address, Plan  # noqa: PLC0415
    from drf.serve.server import serve as serving  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # who sends no HTTP is told so
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("interval") == 0:
        given["interval"] = None
    plan = Plan(
        Address(host, port, unix),
        Settings(policy, given, clock, runs),
        Limits(max_body, max_connections, idle),
        None if token_file is None else read_token(token_file),
        journal,
        fsync,
    )
    asyncio.run(serving(plan, lambda where: click.echo(f"drf: listening at {where}")))
    return 0
