"""What a value in a scenario may be: each check returns the value read, or raises InputError with its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from drf.errors import DRFError, InputError
from drf.resources import Resources
from drf.tags import Disk
from drf.values import Item

Check: TypeAlias = Callable[[Any, str], Any]
Keys: TypeAlias = Mapping[str, Check]


def wrong(place: str, what: str, value: object) -> InputError:
    return InputError(f"null {what}" if value is None else what, file=place, value=value)


def text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise wrong(place, "is not text", value)
    return value


def flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(place, "is not true or false", value)
    return value


def number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise wrong(place, "is not a number", value)
    return value


def count(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(place, "is not a whole number of at least 0", value)
    return value


def seconds(value: Any, place: str) -> float:
    if number(value, place) < 0:
        raise wrong(place, "is below 0", value)
    return float(value)


def resources(value: Any, place: str) -> Resources:
    try:
        return Resources.from_json(value)
    except DRFError as error:
        raise InputError(str(error), file=place) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise wrong(place, "is no set of resources", value) from error


def attribute(value: Any, place: str) -> tuple[str, Any]:
    """``[name, value]``: text, a number or ranges."""
    if not isinstance(value, list) or len(value) != 2:
        raise wrong(place, "is not [name, value]", value)
    name, held = value
    if isinstance(held, list):
        ranges = list(resources({"ranges": held}, place).items())
        return text(name, place), ranges[0][1] if ranges else ()
    return text(name, place), held if isinstance(held, str) else number(held, place)


def anything(value: Any, place: str) -> Any:
    return value


def or_null(check: Check) -> Check:
    return lambda value, place: None if value is None else check(value, place)


def either(word: str, check: Check) -> Check:
    return lambda value, place: value if value == word else check(value, place)


def one_of(*choices: str) -> Check:
    def check(value: Any, place: str) -> Any:
        if value not in choices:
            raise wrong(place, f"is not one of {', '.join(choices)}", value)
        return value

    return check


def list_of(check: Check) -> Check:
    def checked(value: Any, place: str) -> list[Any]:
        if not isinstance(value, list):
            raise wrong(place, "is not a list", value)
        return [check(entry, f"{place}[{i}]") for i, entry in enumerate(value)]

    return checked


def map_of(check: Check) -> Check:
    def checked(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(place, "is not an object", value)
        return {key: check(entry, f"{place}.{key}") for key, entry in value.items()}

    return checked


def object_with(value: Any, place: str, keys: Keys, what: str = "key") -> dict[str, Any]:
    """An object with these keys; a name ending in ``?`` may be left out."""
    if not isinstance(value, dict):
        raise wrong(place, "is not an object", value)
    known = {name.removesuffix("?"): check for name, check in keys.items()}
    for key in value:
        if key not in known:
            raise wrong(place, unknown(what, key, known), key)
    for name in keys:
        if name not in value and not name.endswith("?"):
            raise InputError(f"{what} {name!r} is missing", file=place)
    return {key: known[key](entry, f"{place}, {key}") for key, entry in value.items()}


def object_of(keys: Keys) -> Check:
    return lambda value, place: object_with(value, place, keys)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"is no {what} here; did you mean {near[0]}?" if near else f"is no {what} here"


def operation(value: Any, place: str) -> tuple[Resources, Resources]:
    """What an operation on resources consumes, and what it makes of it."""
    kind = value.get("type") if isinstance(value, dict) else None
    volume = kind in ("create_volume", "destroy_volume")
    kinds = one_of("reserve", "unreserve", "create_volume", "destroy_volume", "remove")
    keys = {"type": kinds, **({"volume": _volume} if volume else {"resources": resources})}
    read = object_with(value, place, keys)
    named: Resources = read["volume" if volume else "resources"]
    if kind == "remove":
        return named, Resources()
    other = Resources.of_items(_counterpart(item, volume) for item in named.objects())
    return (other, named) if kind in ("reserve", "create_volume") else (named, other)


def _volume(value: Any, place: str) -> Resources:
    return resources([value], place)


def _counterpart(item: Item, volume: bool) -> Item:
    """The object without its top reservation, or without what makes it a volume."""
    tag = item.tag
    if not volume:
        return item._replace(tag=tag._replace(reservations=tag.reservations[:-1]))
    disk = None if tag.disk is None else tag.disk._replace(persistence=None)
    plain = tag._replace(disk=None if disk == Disk() else disk, shared=False)
    return item._replace(tag=plain, copies=1)
