"""How resources are written: the text of Mesos (``cpus:4;ports:[31000-32000]``) and JSON objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from drf.errors import InvalidQuantity
from drf.tags import Disk, Reservation, Tag
from drf.units import ResourceSpace, check_name, decimal_text
from drf.values import Item, Value, merge_ranges

_RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
_WORD = re.compile(r"[^\s,;{}]+")
_RESERVED = re.compile(r"(.+?)\(\s*([^()]+?)\s*\)")
_KEYS = frozenset(
    {"name", "value", "reservations", "revocable", "shared", "count", "disk", "provider"}
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
    """Name, tag and value of each part; ``name(role)`` is reserved to the role. Raises InvalidQuantity."""
    for part in text.split(";"):
        if not part.strip():
            continue
        name, colon, value = (p.strip() for p in part.partition(":"))
        if not colon:
            raise InvalidQuantity(
                f"{part.strip()!r} in {text!r} is malformed; write name:amount, parts split by ';'"
            )
        tag = Tag()
        if reserved := _RESERVED.fullmatch(name):
            name, tag = reserved[1], Tag((Reservation(reserved[2]),))
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
    if marks:
        text += f"{{{', '.join(marks)}}}"
    shown = decimal_text(value, space.scale(name)) if isinstance(value, int) else value_text(value)
    return f"{text}:{shown}"


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
    stack = tuple(
        Reservation(
            r["role"],
            r.get("type", "static"),
            r.get("principal"),
            tuple(sorted((str(k), str(v)) for k, v in dict(r.get("labels") or {}).items())),
        )
        for r in entry.get("reservations", ())
    )
    disk = entry.get("disk")
    tag = Tag(
        stack,
        bool(entry.get("revocable", False)),
        bool(entry.get("shared", False)),
        None
        if disk is None
        else Disk(disk.get("source"), disk.get("persistence"), disk.get("root")),
        entry.get("provider"),
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
    return out
