"""Listening, and stopping in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from drf.errors import InputError
from drf.serve.app import App
from drf.serve.auth import Door, check_reach, is_loopback
from drf.serve.desk import Desk, Settings
from drf.serve.limits import Gate, Limits
from drf.serve.store import Store

SETTLING = 0.05
"""Seconds in which connections that were just accepted, or closed, become known as such."""

TURNS = 20
"""In so many turns of the loop."""

LEAVING = 5.0
"""Seconds that requests get to end when the server stops."""


@dataclass(frozen=True)
class Address:
    """Where to listen: a host and a port (0: any that is free), or a socket in the file system."""

    host: str = "127.0.0.1"
    port: int = 7373
    unix: Path | None = None


@dataclass(frozen=True)
class Plan:
    """All that a server is told when it starts."""

    address: Address = field(default_factory=Address)
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    journal: Path | None = None
    sync: bool = True


async def serve(
    plan: Plan, ready: Callable[[str], object], stopped: asyncio.Future[None] | None = None
) -> None:
    """Serve until ``stopped`` is done (default: on SIGTERM or SIGINT); ``ready`` is told where.

    Raises what keeps it from it, or from going on.
    """
    address = plan.address
    check_reach(None if address.unix else address.host, plan.token)
    store = None if plan.journal is None else Store(plan.journal, sync=plan.sync)
    try:
        desk = Desk(plan.settings, store)
        desk.stopped = _on_signals() if stopped is None else stopped
        await _serve(plan, desk, ready, desk.stopped)
    finally:
        if store is not None:
            store.close()


async def _serve(
    plan: Plan, desk: Desk, ready: Callable[[str], object], stopped: asyncio.Future[None]
) -> None:
    address = plan.address
    local = address.unix is None and is_loopback(address.host)
    app = App(desk, Door(plan.token, local=local), plan.limits)
    runner = web.AppRunner(
        app.web,
        access_log=None,
        keepalive_timeout=plan.limits.idle,
        auto_decompress=False,
        shutdown_timeout=LEAVING,
    )
    await runner.setup()
    assert runner.server is not None
    app.gate = Gate(runner.server, plan.limits)
    listening, where = await _listen(app.gate, address)
    sweep = asyncio.create_task(app.gate.sweep())
    try:
        await desk.settle()
        ready(where)
        await stopped
    finally:
        # Nothing more is accepted; what was, becomes a connection, which it must before the listening ends.
        for sock in listening.sockets:
            asyncio.get_running_loop().remove_reader(sock)
        await _turns()
        listening.close()
        desk.close()
        sweep.cancel()
        await runner.cleanup()
        await _turns()  # what was closed comes to its end
        if address.unix is not None:
            address.unix.unlink(missing_ok=True)
    await desk.flush()


async def _turns() -> None:
    """Some time, and as many turns of the loop, which on a busy machine one wait of that time need not be."""
    for _ in range(TURNS):
        await asyncio.sleep(SETTLING / TURNS)


def _on_signals() -> asyncio.Future[None]:
    """Done when the process is asked to end."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C raises
            loop.add_signal_handler(number, stop)
    return stopped


async def _listen(gate: Gate, address: Address) -> tuple[asyncio.Server, str]:
    loop = asyncio.get_running_loop()
    try:
        if address.unix is not None:
            _check_free(address.unix)
            server = await loop.create_unix_server(gate, str(address.unix))
            address.unix.chmod(0o600)
            return server, f"unix:{address.unix}"
        server = await loop.create_server(gate, address.host, address.port)
    except OSError as error:
        place = address.unix or f"{address.host}:{address.port}"
        raise InputError(
            f"cannot be listened at: {_reason(error)}; choose another", file=place
        ) from error
    host, port = server.sockets[0].getsockname()[:2]
    return server, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return "it is in use" if "in use" in text else text


def _check_free(path: Path) -> None:
    """A socket that nobody listens at any more may go. Raises InputError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InputError("is there, and no socket; choose another path", file=path)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise InputError("is listened at by another server; choose another path", file=path)
