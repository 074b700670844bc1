"""Snapshots: how the parts of a state are written as plain JSON values, exactly, and read again.

Each class that keeps state gives its own part (``state()``) and takes it back into a fresh object (``load(part)``).
This module has what they share: amounts in whole units, in the order in which they are kept (an order of objects may
decide how they are cut), and the seal around the whole. Mappings whose order counts are lists of pairs, so that a
writer that sorts keys does no harm.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from drf.errors import InputError, InvalidQuantity, NotSupported
from drf.resources import Resources, ResourceSpace, Shape
from drf.tags import PLAIN, Disk, Reservation, Tag
from drf.units import LIMIT, check_name
from drf.values import Item, merge_ranges

VERSION = 2

K = TypeVar("K")
V = TypeVar("V")


def sealed(state: dict[str, Any]) -> dict[str, Any]:
    """The state with its version and a checksum; O(state)."""
    return {"drf_snapshot": VERSION, "checksum": _checksum(state), "state": state}


def opened(snapshot: object) -> dict[str, Any]:
    """The state, if version and checksum are right; O(state). Raises InputError."""
    if not isinstance(snapshot, Mapping) or "drf_snapshot" not in snapshot:
        raise InputError(f'the snapshot is no object with {{"drf_snapshot": {VERSION}, ...}}')
    if snapshot["drf_snapshot"] != VERSION or isinstance(snapshot["drf_snapshot"], bool):
        raise InputError(
            f"the snapshot is of version {snapshot['drf_snapshot']!r}; this drf reads version {VERSION}"
        )
    state = snapshot.get("state")
    if not isinstance(state, dict) or set(snapshot) != {"drf_snapshot", "checksum", "state"}:
        raise InputError("the snapshot is cut off: it has drf_snapshot, checksum and state")
    try:
        found = _checksum(state)
    except (TypeError, ValueError) as error:
        raise InputError(f"the snapshot is no plain JSON: {error}") from error
    if snapshot["checksum"] != found:
        raise InputError("the snapshot was altered or cut off: its checksum is another")
    return state


def _checksum(state: dict[str, Any]) -> str:
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x}"


def pairs(mapping: Mapping[K, V]) -> list[list[K | V]]:
    """A mapping of plain values as a list of pairs, in its order; O(entries)."""
    return [[key, value] for key, value in mapping.items()]


def mapped(given: Iterable[Any]) -> dict[Any, Any]:
    """Back again; O(entries). Raises InputError where a key comes twice."""
    out: dict[Any, Any] = {}
    for key, value in given:
        if key in out:
            raise InputError(f"{key!r} is there twice")
        out[key] = value
    return out


def read_units(given: Iterable[Any]) -> dict[str, int]:
    """Pairs of resource names and whole units as a mapping; O(names). Raises InputError."""
    out: dict[str, int] = mapped(given)
    for name, q in out.items():
        whole(q, name)
        check_name(name)
    return out


def whole(q: object, what: str) -> int:
    """The number, if it is a whole one from 0 to 2**53; O(1). Raises InputError."""
    if type(q) is not int or not 0 <= q <= LIMIT:
        raise InputError(f"{what}: {q!r} is no whole number from 0 to 2**53")
    return q


def moment(value: object, what: str) -> float:
    """The number of seconds, if it is one; O(1). Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{what}: {value!r} is no number of seconds")
    return value


def stream(state: int) -> str:
    """The state of a random stream: 64 bits, which as a number many readers of JSON would round; O(1)."""
    return f"{state:016x}"


def packed(resources: Resources) -> list[Any]:
    """An amount, in units, object by object in order; O(objects)."""
    if resources.is_plain:
        return [[name, _value(value)] for name, value, *_ in resources.objects()]
    return [
        [name, _value(value)] if tag == PLAIN else [name, _value(value), _tag(tag), copies]
        for name, value, tag, copies in resources.objects()
    ]


def unpacked(given: Any, space: ResourceSpace) -> Resources:
    """Back again; O(objects). Raises InvalidQuantity, InvalidName."""
    return Resources.of_items((_item(*entry) for entry in given), space=space)


def packed_shape(made: Shape) -> list[Any]:
    """The shape of a task; O(names)."""
    where = [[name, sorted(values)] for name, values in made.where]
    return [packed(made.resources), where, made.duration]


def unpacked_shape(given: Any, space: ResourceSpace) -> Shape:
    """Back again; O(names)."""
    of, where, duration = given
    return Shape(
        unpacked(of, space),
        tuple((name, frozenset(values)) for name, values in where),
        None if duration is None else moment(duration, "the duration of a shape"),
    )


def plain(value: Any) -> Any:
    """The value of an attribute; tuples, which are equal to no list, are marked; O(value). Raises NotSupported."""
    if isinstance(value, tuple):
        return {"tuple": [plain(entry) for entry in value]}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise NotSupported(f"{value!r} is no text, number or list; a snapshot cannot hold it")


def rich(value: Any) -> Any:
    """Back again; O(value)."""
    if isinstance(value, dict):
        if "float" in value:
            return float(value["float"])
        return tuple(rich(entry) for entry in value["tuple"])
    return [rich(entry) for entry in value] if isinstance(value, list) else value


def _value(value: Any) -> Any:
    if isinstance(value, int):
        return value
    return sorted(value) if isinstance(value, frozenset) else [list(pair) for pair in value]


def _tag(tag: Tag) -> list[Any]:
    stack = [[r.role, r.type, r.principal, [list(label) for label in r.labels]] for r in tag[0]]
    disk = None if tag.disk is None else list(tag.disk)
    return [stack, tag.revocable, tag.shared, disk, tag.provider, tag.longest]


def _item(name: str, value: Any, tag: Any = None, copies: int = 1) -> Item:
    check_name(name)
    if not isinstance(value, list):
        value = whole(value, name)
    elif value and isinstance(value[0], str):
        value = frozenset(value)
    else:
        value = merge_ranges(name, value)
    if not value or whole(copies, name) < 1:
        raise InvalidQuantity(f"{name}: {value!r} is nothing; nothing is not kept")
    if tag is None:
        return Item(name, value)
    stack, revocable, shared, disk, provider, bound = tag
    reservations = tuple(
        Reservation(role, kind, principal, tuple((str(k), str(v)) for k, v in labels))
        for role, kind, principal, labels in stack
    )
    made = Tag(
        reservations,
        bool(revocable),
        bool(shared),
        None if disk is None else Disk(*disk),
        provider,
        None if bound is None else moment(bound, f"the longest task on {name}"),
    )
    return Item(name, value, made, copies)
