"""How resources are written: the text of Mesos (``cpus:4;ports:[31000-32000]``) and JSON objects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from drf.errors import InvalidQuantity
from drf.tags import Disk, Reservation, Tag, check_role
from drf.units import ResourceSpace, check_name, decimal_text
from drf.values import Item, Value, merge_ranges

_RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
_WORD = re.compile(r"[^\s,;{}]+")
_RESERVED = re.compile(r"(.+?)\(\s*([^()]+?)\s*\)")
_SHORT = re.compile(r"(.+?)\{\s*([0-9.e+]+)\s*s\s*\}")
_SOURCES = (None, "PATH", "MOUNT", "RAW", "BLOCK")
_KEYS = frozenset(
    {"name", "value", "reservations", "revocable", "shared", "count", "disk", "provider", "longest"}
)


def entries(what: str | Mapping[str, Any] | None) -> Iterable[tuple[object, Tag, object]]:
    """Name, tag and value of what is written as text or as a mapping. Raises InvalidQuantity."""
    if what is None:
        return ()
    if isinstance(what, Mapping):
        return ((name, Tag(), value) for name, value in what.items())
    if isinstance(what, str):
        return parsed(what)
    raise InvalidQuantity(
        f"{what!r} is not a set of resources; give text like 'cpus:4;mem:8192' or a mapping of names to amounts"
    )


def parsed(text: str) -> Iterator[tuple[str, Tag, object]]:
    """Name, tag and value of each part. Raises InvalidQuantity.

    ``name(role)`` is reserved to the role, ``name{60s}`` is for tasks of at most 60 seconds.
    """
    for part in text.split(";"):
        if not part.strip():
            continue
        name, colon, value = (p.strip() for p in part.partition(":"))
        if not colon:
            raise InvalidQuantity(
                f"{part.strip()!r} in {text!r} is malformed; write name:amount, parts split by ';'"
            )
        tag = Tag()
        if bounded := _SHORT.fullmatch(name):
            name, tag = bounded[1], Tag(longest=check_longest(part.strip(), _number(bounded[2])))
        if reserved := _RESERVED.fullmatch(name):
            name = reserved[1]
            if reserved[2] != "*":  # Mesos writes so what is unreserved
                tag = tag._replace(reservations=(Reservation(check_role(reserved[2])),))
        if value.startswith("[") and value.endswith("]"):
            found = [_RANGE.fullmatch(r) for r in value[1:-1].split(",")]
            if not all(found):
                raise InvalidQuantity(
                    f"{name}: {value} is malformed; write ranges as [31000-31999, 32005-32005]"
                )
            yield name, tag, [(int(m[1]), int(m[2])) for m in found if m]
        elif value.startswith("{") and value.endswith("}"):
            yield name, tag, {v.strip() for v in value[1:-1].split(",") if v.strip()}
        else:
            try:
                yield name, tag, Decimal(value)
            except ArithmeticError:
                raise InvalidQuantity(
                    f"{name}: {value!r} is not a number, [ranges] or {{set}}"
                ) from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def check_longest(what: object, seconds: object) -> float:
    """Seconds of the longest task that may use it. Raises InvalidQuantity."""
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds < math.inf
    ):
        raise InvalidQuantity(
            f"{what}: the longest task is of {seconds!r} s; give a number above 0"
        )
    return float(seconds)


def to_value(name: str, value: object, space: ResourceSpace) -> int | Value:
    """Units, ranges or a set; empty or 0 for nothing. Raises InvalidQuantity."""
    if isinstance(value, (frozenset, set)):
        if not all(isinstance(v, str) and _WORD.fullmatch(v) for v in value):
            raise InvalidQuantity(
                f"{name}: {sorted(map(repr, value))} is not a set of words; "
                f"a word has no white space and none of , ; {{ }}"
            )
        return frozenset(value)
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(v, str) for v in value):
            return to_value(name, frozenset(value), space)
        return merge_ranges(name, value)
    return space.to_units(name, value)


def value_text(value: Value) -> str:
    """Ranges in brackets, a set in braces."""
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(value))}}}"
    return f"[{', '.join(f'{a}-{b}' for a, b in value)}]"


def item_text(item: Item, space: ResourceSpace) -> str:
    """In the manner of Mesos: ``disk(role)[MOUNT,volume1]{shared x2}:5``."""
    name, value, tag, copies = item
    text = name
    for r in tag.reservations:
        text += f"({r.role}{'' if r.type == 'static' else ', ' + (r.principal or r.type)})"
    if tag.disk is not None:
        text += f"[{','.join(part for part in (tag.disk.source, tag.disk.persistence) if part)}]"
    marks = ["revocable"] if tag.revocable else []
    if tag.shared:
        marks.append("shared" if copies == 1 else f"shared x{copies}")
    if tag.longest is not None:
        marks.append(f"{_seconds(tag.longest)!r}s")
    if marks:
        text += f"{{{', '.join(marks)}}}"
    shown = decimal_text(value, space.scale(name)) if isinstance(value, int) else value_text(value)
    return f"{text}:{shown}"


def _seconds(longest: float) -> int | float:
    return int(longest) if longest.is_integer() else longest


def _only(given: Any, keys: Iterable[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise InvalidQuantity(f"{what} is {given!r}; give an object with {', '.join(keys)}")
    for key in given:
        if key not in keys:
            raise InvalidQuantity(
                f"{key!r} in {what} {given!r} is unknown; keys are {', '.join(keys)}"
            )


def _reservation(given: Any) -> Reservation:
    _only(given, Reservation._fields, "reservation")
    role, kind = given.get("role"), given.get("type", "static")
    if check_role(role) == "*":
        raise InvalidQuantity(
            f"reservation {given!r}: nothing is reserved to role '*'; leave it out"
        )
    if kind not in ("static", "dynamic"):
        raise InvalidQuantity(f"reservation {given!r}: type is 'static' or 'dynamic'")
    labels = dict(given.get("labels") or {})
    return Reservation(
        role,
        kind,
        given.get("principal"),
        tuple(sorted((str(key), str(value)) for key, value in labels.items())),
    )


def item_from_json(entry: Any, space: ResourceSpace) -> Item:
    """One object from ``name``, ``value`` and what it carries. Raises InvalidQuantity, InvalidName."""
    if not isinstance(entry, Mapping) or "name" not in entry or "value" not in entry:
        raise InvalidQuantity(
            f"{entry!r} is no resource object; give name, value and what it carries"
        )
    for key in entry:
        if key not in _KEYS:
            raise InvalidQuantity(
                f"{key!r} in {entry!r} is unknown; keys are {', '.join(sorted(_KEYS))}"
            )
    name = check_name(entry["name"])
    value = to_value(name, entry["value"], space)
    stack = tuple(_reservation(r) for r in entry.get("reservations", ()))
    disk = entry.get("disk")
    if disk is not None:
        _only(disk, Disk._fields, "disk")
        if disk.get("source") not in _SOURCES:
            raise InvalidQuantity(
                f"disk {disk!r}: source is one of {', '.join(filter(None, _SOURCES))}, or left out"
            )
    tag = Tag(
        stack,
        bool(entry.get("revocable", False)),
        bool(entry.get("shared", False)),
        None
        if disk is None
        else Disk(disk.get("source"), disk.get("persistence"), disk.get("root")),
        entry.get("provider"),
        None if entry.get("longest") is None else check_longest(entry, entry["longest"]),
    )
    if tag.shared and not isinstance(value, int):
        raise InvalidQuantity(f"{entry!r}: only scalars can be shared")
    copies = entry.get("count", 1)
    if not isinstance(copies, int) or copies < 1 or (copies > 1 and not tag.shared):
        raise InvalidQuantity(f"{entry!r}: count is of shared objects, 1 or more")
    return Item(name, value, tag, copies)


def json_value(value: Any) -> Any:
    """Ranges as lists of pairs, a set as a sorted list."""
    if isinstance(value, frozenset):
        return sorted(value)
    return [list(pair) for pair in value] if isinstance(value, tuple) else value


def item_to_json(item: Item, space: ResourceSpace) -> dict[str, Any]:
    """What `item_from_json` reads."""
    name, value, tag, copies = item
    shown = space.to_amount(name, value) if isinstance(value, int) else json_value(value)
    out: dict[str, Any] = {"name": name, "value": shown}
    if tag.reservations:
        out["reservations"] = [
            {
                "role": r.role,
                "type": r.type,
                **({"principal": r.principal} if r.principal is not None else {}),
                **({"labels": dict(r.labels)} if r.labels else {}),
            }
            for r in tag.reservations
        ]
    if tag.revocable:
        out["revocable"] = True
    if tag.shared:
        out["shared"] = True
        if copies > 1:
            out["count"] = copies
    if tag.disk is not None:
        out["disk"] = {k: v for k, v in tag.disk._asdict().items() if v is not None}
    if tag.provider is not None:
        out["provider"] = tag.provider
    if tag.longest is not None:
        out["longest"] = _seconds(tag.longest)
    return out
