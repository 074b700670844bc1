"""What one client may take from the others: the size of a body, connections, and time in which nothing comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web

from drf.errors import InvalidOption

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Retry-After: 1\r\nContent-Length: %d\r\n\r\n%s"
)


@dataclass(frozen=True)
class Limits:
    """``body``: bytes of a request, or of a line of a stream. ``idle``: seconds in which a request must come on."""

    body: int = 4 * 2**20
    connections: int = 256
    idle: float = 60.0

    def __post_init__(self) -> None:
        for name, value in (("body", self.body), ("connections", self.connections)):
            if value < 1:
                raise InvalidOption(f"{name} is {value!r}; it is 1 or more")
        if not self.idle > 0:
            raise InvalidOption(f"idle is {self.idle!r}; it is a number of seconds above 0")


class _Turned(asyncio.Protocol):
    """Says that the house is full, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        message = b'{"error": {"kind": "Full", "message": "too many connections; try again later"}}'
        transport.write(FULL % (len(message), message))
        transport.close()


class Gate:
    """Makes the protocol of each connection: counts them, and ends those on which nothing happens."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        self._server = server
        self._limits = limits
        self._since: dict[object, float | None] = {}  # when it became idle, None for never

    def __call__(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._limits.connections:
            return _Turned()
        made: asyncio.Protocol = self._server()
        self._since[made] = time.monotonic()
        return made

    def began(self, protocol: asyncio.BaseProtocol) -> None:
        """A request is being answered there; O(1)."""
        self._since[protocol] = None

    def ended(self, protocol: asyncio.BaseProtocol) -> None:
        """It was answered; O(1)."""
        self._since[protocol] = time.monotonic()

    async def sweep(self) -> None:
        """End connections that send no whole request, or do not take their answer; for ever."""
        while True:
            await asyncio.sleep(min(1.0, self._limits.idle / 2))
            late = time.monotonic() - self._limits.idle
            there = self._server.connections
            for gone in self._since.keys() - set(there):
                del self._since[gone]
            for one in there:
                since = self._since.get(one)
                if since is not None and since < late:
                    transport = one.transport
                    one.force_close()
                    if isinstance(transport, asyncio.Transport):
                        transport.abort()  # to close it would wait for what is not read
