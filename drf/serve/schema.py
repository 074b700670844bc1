"""What a request may hold: JSON Schema, as data that is both published and checked against.

The part of JSON Schema that the table of verbs needs, no more. A message says where, what is there, and what belongs
there: the description of the schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from drf.errors import DRFError

Schema = Mapping[str, Any]

COMPONENTS: dict[str, Schema] = {}
"""Schemas by name, to which others refer."""


class Malformed(DRFError, ValueError):
    """What was sent is no JSON, or does not fit the schema of the verb."""


def component(name: str, schema: Schema) -> Schema:
    """Publish the schema under a name; a reference to it."""
    COMPONENTS[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, **more: Any) -> Schema:
    """Text of at least one character."""
    return {"type": "string", "minLength": 1, "description": description, **more}


def number(description: str, **more: Any) -> Schema:
    """A number; ``minimum`` and the like go with it."""
    return {"type": "number", "description": description, **more}


def integer(description: str, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, **more}


def boolean(description: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": description}


def listed(items: Schema, description: str, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, "description": description, **more}


def by_name(values: Schema, description: str) -> Schema:
    """An object with keys of the client's choice."""
    return {"type": "object", "additionalProperties": values, "description": description}


def either(description: str, *schemas: Schema) -> Schema:
    """One of several."""
    return {"anyOf": list(schemas), "description": description}


def nullable(schema: Schema) -> Schema:
    """That, or null."""
    return either(
        resolved(schema).get("description", "a value") + ", or null", schema, {"type": "null"}
    )


def record(
    description: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None
) -> Schema:
    """An object with these keys alone; null stands for an optional one that is left out."""
    properties = {**required, **{key: nullable(one) for key, one in (optional or {}).items()}}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        "description": description,
    }


def resolved(schema: Schema) -> Schema:
    """What a reference refers to."""
    ref = schema.get("$ref")
    return schema if ref is None else COMPONENTS[ref.rpartition("/")[2]]


def check(value: Any, schema: Schema, where: str) -> None:
    """Whether the value fits; O(value). Raises Malformed."""
    schema = resolved(schema)
    if "anyOf" in schema:
        if not any(_fits(value, one) for one in schema["anyOf"]):
            _closest(value, schema, where)
        return
    if "const" in schema:
        if value != schema["const"] or isinstance(value, bool):
            _refuse(value, schema, where)
        return
    if "enum" in schema:
        if not isinstance(value, str) or value not in schema["enum"]:
            _refuse(value, schema, where)
        return
    _CHECKS[schema["type"]](value, schema, where)


def _fits(value: Any, schema: Schema) -> bool:
    try:
        check(value, schema, "")
    except Malformed:
        return False
    return True


def _closest(value: Any, schema: Schema, where: str) -> None:
    """Where one alternative alone is of the type that was given, what is wrong with that."""
    kin = [one for one in map(resolved, schema["anyOf"]) if _kind(value) == one.get("type")]
    if len(kin) == 1 and kin[0].get("type"):
        check(value, kin[0], where)
    _refuse(value, schema, where)


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else None


def _refuse(value: Any, schema: Schema, where: str) -> None:
    shown = json.dumps(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    raise Malformed(f"{where} is {shown}; it is {schema.get('description', 'something else')}")


def _null(value: Any, schema: Schema, where: str) -> None:
    if value is not None:
        _refuse(value, schema, where)


def _string(value: Any, schema: Schema, where: str) -> None:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if not isinstance(value, str) or not least <= len(value) <= most:
        _refuse(value, schema, where)


def _boolean(value: Any, schema: Schema, where: str) -> None:
    if not isinstance(value, bool):
        _refuse(value, schema, where)


def _number(value: Any, schema: Schema, where: str) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        or not schema.get("exclusiveMinimum", -math.inf) < value
    ):
        _refuse(value, schema, where)


def _integer(value: Any, schema: Schema, where: str) -> None:
    _number(value, schema, where)
    if isinstance(value, float) and not value.is_integer():
        _refuse(value, schema, where)


def _inside(where: str, key: str) -> str:
    """What the key is called: the whole has a name with a space, its parts have paths."""
    return key if " " in where or not where else f"{where}.{key}"


def _array(value: Any, schema: Schema, where: str) -> None:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not isinstance(value, list) or not least <= len(value) <= most:
        _refuse(value, schema, where)
    for i, entry in enumerate(value):
        check(entry, schema["items"], f"{where}[{i}]")


def _object(value: Any, schema: Schema, where: str) -> None:
    if not isinstance(value, dict):
        _refuse(value, schema, where)
    properties, others = schema.get("properties", {}), schema["additionalProperties"]
    for key in schema.get("required", ()):
        if key not in value:
            raise Malformed(f"{where} has no {key!r}; it is {schema['description']}")
    for key, entry in value.items():
        if key in properties:
            check(entry, properties[key], _inside(where, key))
        elif others is False:
            raise Malformed(
                f"{where} has {key!r}, which is unknown; known: {', '.join(properties)}"
            )
        else:
            check(entry, others, _inside(where, key))


_CHECKS = {
    "null": _null,
    "string": _string,
    "boolean": _boolean,
    "number": _number,
    "integer": _integer,
    "array": _array,
    "object": _object,
}


def parse(data: bytes | str) -> Any:
    """The JSON value; O(length). Raises Malformed, also for NaN, infinities and what is too deep."""
    try:
        read = data if isinstance(data, str) else data.decode()
        value = json.loads(read, parse_constant=_unknown, parse_float=_finite)
        if "\\ud" in read.lower():
            json.dumps(value, ensure_ascii=False).encode()  # half a pair of surrogates is no text
        return value
    except RecursionError:
        raise Malformed("the JSON is nested too deep; at most some hundred levels") from None
    except UnicodeError:
        raise Malformed("the JSON is not in UTF-8, or holds half a character") from None
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(f"is no JSON: {error}") from None


def _unknown(word: str) -> Any:
    raise Malformed(f"{word} is no JSON; leave out what has no bound")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise Malformed(f"{literal} is too large for a number")
    return value
