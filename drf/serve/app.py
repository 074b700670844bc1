"""The routes: HTTP in, verbs at the desk, JSON out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from drf.errors import DRFError
from drf.serve import metrics, page
from drf.serve.auth import Door
from drf.serve.desk import Defect, Desk
from drf.serve.limits import Gate, Limits
from drf.serve.openapi import KEY, NDJSON, SCHEMAS_OF_EVENTS, document
from drf.serve.refusals import (
    TooLarge,
    TooSlow,
    UnknownVerb,
    WrongMethod,
    WrongType,
    status,
    told,
)
from drf.serve.schema import Malformed, check, parse
from drf.serve.stream import Gone
from drf.serve.verbs import CHANGES, QUESTIONS, SCHEMAS

HEARTBEAT = 10.0
"""Seconds after which a stream on which nothing happens says so."""

AT_ONCE = 256
"""After so many events of a batch others have their turn."""

OPEN = frozenset({*page.FILES, "/health"})
"""What holds nothing of the state, and is shown without a token."""

log = logging.getLogger("drf.serve")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class App:
    """The routes around one desk. ``gate`` is told of requests that begin and end."""

    def __init__(self, desk: Desk, door: Door, limits: Limits) -> None:
        self._desk = desk
        self._door = door
        self._limits = limits
        self.gate: Gate | None = None
        self._document = json.dumps(document())
        self.web = web.Application(middlewares=[self._around], client_max_size=limits.body)
        self.web.add_routes(
            [
                *page.routes(),
                web.get("/health", self._health),
                web.get("/openapi.json", self._openapi),
                web.get("/metrics", self._metrics),
                web.get("/v1/decisions", self._decisions),
                web.post("/v1/batch", self._batch),
                *(web.post(f"/v1/{verb}", self._changer(verb)) for verb in CHANGES),
                *(web.get(f"/v1/{verb}", self._asker(verb)) for verb in QUESTIONS),
            ]
        )

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request comes in by the door, and every error goes out as JSON."""
        gate, protocol = self.gate, request.protocol
        if gate is not None:
            gate.began(protocol)
        try:
            if request.path not in OPEN:
                headers = request.headers
                self._door.check(headers.get("Authorization"), headers.get("Host"))
            return await handler(request)
        except DRFError as error:
            return _refused(error)
        except web.HTTPException as error:
            return _refused(_http_error(error, request), error)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return _refused(Defect(f"{request.method} {request.path} failed: {error!r}"))
        finally:
            if gate is not None:
                gate.ended(protocol)

    # -- verbs

    def _changer(self, verb: str) -> Handler:
        async def change(request: web.Request) -> web.StreamResponse:
            key = request.headers.get("Idempotency-Key")
            if key is not None:
                check(key, KEY, "Idempotency-Key")
            body = await self._body(request)
            given = parse(body) if body else {}
            check(given, SCHEMAS[verb], "the body")
            answer = self._desk.do(verb, given, key)
            await self._desk.settle()
            return _json(answer)

        return change

    def _asker(self, verb: str) -> Handler:
        async def ask(request: web.Request) -> web.StreamResponse:
            query = _query(request)
            await self._desk.settle()
            tag = f'"{self._desk.version}"'
            if verb == "overview" and request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers={"ETag": tag})
            answer = self._desk.ask(verb, query)
            return _json(answer, {"ETag": tag} if verb == "overview" else None)

        return ask

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == NDJSON:
            return await self._lines(request)
        given = parse(await self._body(request))
        if (
            not isinstance(given, dict)
            or not isinstance(given.get("events"), list)
            or len(given) > 1
        ):
            raise Malformed("the body is no object with events, a list")
        events = given["events"]
        for i, event in enumerate(events):
            _check_event(event, f"events[{i}]")
        outcomes = []
        for i, event in enumerate(events, 1):
            outcomes.append(self._carried_out(event))
            if i % AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._desk.settle()
        return _json({"outcomes": outcomes})

    async def _lines(self, request: web.Request) -> web.StreamResponse:
        """Events as they come, a line each; an outcome a line, once it is on record."""
        response = web.StreamResponse(headers={"Content-Type": NDJSON})
        await response.prepare(request)
        try:
            async for lines in self._chunks(request):
                outcomes = [self._outcome(line) for line in lines]
                await self._desk.settle()
                text = "".join(json.dumps(outcome) + "\n" for outcome in outcomes)
                await self._send(response, text)
        except DRFError as error:
            with suppress(ConnectionError):
                await self._send(response, json.dumps(told(error)) + "\n")
        except ConnectionError:
            pass  # whoever asked is gone; what came is carried out
        return response

    def _outcome(self, line: bytes) -> dict[str, Any]:
        try:
            event = parse(line)
            _check_event(event, "the event")
        except DRFError as error:
            return told(error)
        return self._carried_out(event)

    def _carried_out(self, event: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._desk.do(event["do"], event.get("with") or {}, event.get("id"))
        except DRFError as error:
            return told(error)

    # -- the stream

    async def _decisions(self, request: web.Request) -> web.StreamResponse:
        query = _query(request)
        for key in query:
            if key not in ("after", "follow"):
                raise Malformed(f"the query has {key!r}, which is unknown; known: after, follow")
        if (follow := query.get("follow", "true")) not in ("true", "false"):
            raise Malformed(f"follow is {follow!r}; it is true or false")
        await self._desk.settle()
        stream = self._desk.stream
        place = stream.place(query.get("after") or request.headers.get("Last-Event-ID"))
        if follow == "false":
            texts: list[str] = []
            while messages := stream.messages(place + len(texts)):
                texts += [text for _, text in messages]
            return web.Response(text=f"[{', '.join(texts)}]", content_type="application/json")
        plain = NDJSON in request.headers.get("Accept", "")
        response = web.StreamResponse(
            headers={
                "Content-Type": NDJSON if plain else "text/event-stream",
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        with suppress(ConnectionError):  # until whoever asked is gone
            await self._follow(response, place, plain)
        return response

    async def _follow(self, response: web.StreamResponse, place: int, plain: bool) -> None:
        """Tell what follows that number, as long as the server runs."""
        stream = self._desk.stream
        await self._send(response, "\n" if plain else ": here\n\n")
        while not stream.closed:
            await stream.wait(place, HEARTBEAT)
            try:
                messages = stream.messages(place)
            except Gone as error:
                text = json.dumps(told(error))
                text = f"{text}\n" if plain else f"event: gone\ndata: {text}\n\n"
                await self._send(response, text)
                return
            place += len(messages)
            await self._send(response, (_as_lines if plain else _as_events)(messages))

    # -- the rest

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def _openapi(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._document, content_type="application/json")

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        return web.Response(
            body=metrics.text(self._desk).encode(), headers={"Content-Type": metrics.TYPE}
        )

    # -- reading and writing

    async def _body(self, request: web.Request) -> bytes:
        body = b""
        if request.can_read_body:
            if request.headers.get("Content-Encoding", "identity") != "identity":
                raise WrongType("the body is compressed; send it as it is")
            try:
                async with asyncio.timeout(self._limits.idle):
                    body = await request.read()
            except TimeoutError:
                raise TooSlow(
                    f"the body did not come within {self._limits.idle:g} s; send it in one go"
                ) from None
        if body and request.content_type != "application/json":
            raise WrongType(
                f"the body is of type {request.content_type!r}; send application/json"
                + (f" or {NDJSON}" if request.path == "/v1/batch" else "")
            )
        return body

    async def _chunks(self, request: web.Request) -> AsyncIterator[list[bytes]]:
        """The lines of a body, as many at a time as came together."""
        rest = b""
        while True:
            try:
                async with asyncio.timeout(self._limits.idle):
                    data = await request.content.readany()
            except TimeoutError:
                raise TooSlow(
                    f"no line came for {self._limits.idle:g} s; send empty ones meanwhile"
                ) from None
            *lines, rest = (rest + data).split(b"\n")
            if not data:
                lines, rest = [rest], b""
            if max(map(len, (rest, *lines))) > self._limits.body:
                raise TooLarge(
                    f"a line is longer than {self._limits.body} bytes; send less at once"
                )
            whole = [line for line in lines if line.strip()]
            for start in range(0, len(whole), AT_ONCE):
                yield whole[start : start + AT_ONCE]
            if not data:
                return

    async def _send(self, response: web.StreamResponse, text: str) -> None:
        """To a client that takes it; one that does not for too long is left."""
        try:
            async with asyncio.timeout(self._limits.idle):
                await response.write(text.encode())
        except TimeoutError:
            raise ConnectionResetError("the client does not read") from None


def _check_event(event: Any, where: str) -> None:
    verb = event.get("do") if isinstance(event, dict) else None
    if not isinstance(verb, str) or verb not in SCHEMAS_OF_EVENTS:
        raise Malformed(f"{where} has no verb in 'do'; it is one of {', '.join(SCHEMAS_OF_EVENTS)}")
    check(event, SCHEMAS_OF_EVENTS[verb], where)
    if event.get("with") is None and CHANGES[verb].needs:
        raise Malformed(f"{where} has no 'with', the arguments of {verb}")


def _query(request: web.Request) -> dict[str, str]:
    query = dict(request.query)
    if len(query) < len(request.query):
        raise Malformed("the query has a key twice; give each once")
    return query


def _as_lines(messages: list[tuple[str, str]]) -> str:
    return "".join(f"{text}\n" for _, text in messages) or "\n"


def _as_events(messages: list[tuple[str, str]]) -> str:
    told_of = (f"id: {number}\nevent: decisions\ndata: {text}\n\n" for number, text in messages)
    return "".join(told_of) or ": nothing new\n\n"


def _json(value: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        text=json.dumps(value, allow_nan=False), content_type="application/json", headers=headers
    )


def _refused(error: DRFError, of: web.HTTPException | None = None) -> web.Response:
    code = status(error) if of is None else of.status
    headers = {}
    if code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if of is not None and "Allow" in of.headers:
        headers["Allow"] = of.headers["Allow"]
    response = _json(told(error), headers)
    response.set_status(code)
    return response


def _http_error(error: web.HTTPException, request: web.Request) -> DRFError:
    """What the library found, in our words."""
    if error.status == 404:
        return UnknownVerb(f"there is nothing at {request.path}; /openapi.json lists what there is")
    if error.status == 405:
        return WrongMethod(
            f"{request.path} does not take {request.method}; changes are posted, questions got"
        )
    if error.status == 413:
        return TooLarge("the body is longer than the server takes; send less at once, in NDJSON")
    return Malformed(f"{error.reason}")
