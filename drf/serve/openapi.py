"""The OpenAPI document, made from the table of verbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf._version import __version__
from drf.serve import answers
from drf.serve.schema import (
    COMPONENTS,
    Schema,
    boolean,
    component,
    integer,
    listed,
    record,
    resolved,
    text,
)
from drf.serve.verbs import CHANGES, QUESTIONS, SCHEMAS, Verb

KEY = text("names the event: a second one with the same id is not carried out again", maxLength=200)

NDJSON = "application/x-ndjson"

SCHEMAS_OF_EVENTS: dict[str, Schema] = {
    name: record(
        f"{name} in a batch",
        {"do": {"const": name, "type": "string", "description": name}},
        {"with": SCHEMAS[name], "id": KEY},
    )
    for name in CHANGES
}
"""What one event of a batch looks like, by verb."""

EVENTS = listed(
    component("Event", {"anyOf": list(SCHEMAS_OF_EVENTS.values()), "description": "an event"}),
    "events, carried out in this order, each for itself",
)

BATCH = record("an object with events", {"events": EVENTS})


def _carried_out(result: Schema | None) -> Schema:
    needs = {"event": integer("the number of the event")}
    takes: dict[str, Schema] = {"repeated": boolean("true: it was carried out before")}
    if result is not None:
        takes["result"] = result
    return record("the event was carried out", needs, takes)


_RESULTS = component(
    "Outcome",
    {
        "anyOf": [
            _carried_out({"description": "what the verb answers"}),
            answers.ERROR,
        ],
        "description": "what became of an event",
    },
)


def document() -> dict[str, Any]:
    """The whole document, in version 3.1; O(verbs)."""
    paths: dict[str, Any] = {
        f"/v1/{name}": {"post": _change(verb)} for name, verb in CHANGES.items()
    }
    paths |= {f"/v1/{name}": {"get": _question(verb)} for name, verb in QUESTIONS.items()}
    paths["/v1/batch"] = {"post": _batch()}
    paths["/v1/decisions"] = {"get": _decisions()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "drf",
            "version": __version__,
            "description": "Who gets the next resources of a cluster: the verbs of drf's allocator.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _change(verb: Verb) -> dict[str, Any]:
    return {
        "operationId": verb.name,
        "summary": verb.summary,
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": KEY}
        ],
        "requestBody": {
            "required": bool(verb.needs),
            "content": _json(SCHEMAS[verb.name]),
        },
        "responses": _responses(_carried_out(verb.answer)),
    }


def _question(verb: Verb) -> dict[str, Any]:
    described = resolved(SCHEMAS[verb.name])["properties"]
    return {
        "operationId": verb.name,
        "summary": verb.summary,
        "parameters": [
            {"name": key, "in": "query", "required": key in verb.needs, "schema": kind.schema}
            for key, kind in {**verb.needs, **verb.takes}.items()
            if key in described
        ],
        "responses": _responses(verb.answer or {}),
    }


def _batch() -> dict[str, Any]:
    return {
        "operationId": "batch",
        "summary": "Many events in one request; as NDJSON, an event a line, answers come as events are carried out.",
        "requestBody": {
            "required": True,
            "content": {
                **_json(BATCH),
                NDJSON: {"schema": {"type": "string"}},
            },
        },
        "responses": {
            **_responses(
                record(
                    "what became of them", {"outcomes": listed(_RESULTS, "one an event, in order")}
                )
            ),
        },
    }


def _decisions() -> dict[str, Any]:
    return {
        "operationId": "decisions",
        "summary": "Decisions as they are made: Server-Sent Events, or NDJSON where that is accepted.",
        "parameters": [
            {
                "name": "after",
                "in": "query",
                "required": False,
                "schema": text("go on after the decisions with this id; left out: with the next"),
            },
            {
                "name": "follow",
                "in": "query",
                "required": False,
                "schema": boolean("false: what is there alone, as one list"),
            },
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "schema": text("as after, for Server-Sent Events"),
            },
        ],
        "responses": {
            "200": {
                "description": "decisions",
                "content": {
                    **_json(listed(answers.DECISIONS, "decisions, with follow=false")),
                    "text/event-stream": {"schema": {"type": "string"}},
                    NDJSON: {"schema": {"type": "string"}},
                },
            },
            **_errors(),
        },
    }


def _responses(schema: Schema) -> dict[str, Any]:
    return {"200": {"description": "done", "content": _json(schema)}, **_errors()}


def _errors() -> dict[str, Any]:
    return {
        "4XX": {"description": "refused; the state is as it was", "content": _json(answers.ERROR)},
        "5XX": {"description": "a defect, or no disk", "content": _json(answers.ERROR)},
    }


def _json(schema: Schema) -> Mapping[str, Any]:
    return {"application/json": {"schema": schema}}
