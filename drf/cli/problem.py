"""Files of `drf allocate`: a division problem in TOML or JSON, read and checked."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drf.errors import InputError, UnknownName

KEYS = (
    "capacity",
    "demands",
    "weights",
    "max_tasks",
    "eligible",
    "policy",
    "like",
    "divisible",
    "on_blocked",
    "tie_break",
    "steps",
    "exact",
    "strict",
    "seed",
)
KINDS = {
    "policy": (str, "a name"),
    "like": (str, "a name"),
    "seed": (int, "a whole number"),
    "on_blocked": (str, "a name"),
    "tie_break": (list, "a list of users"),
    "divisible": (bool, "true or false"),
    "steps": (bool, "true or false"),
    "exact": (bool, "true or false"),
    "strict": (bool, "true or false"),
}

_FRACTION = re.compile(r"\d+/[1-9]\d*")
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_problem(name: str) -> dict[str, Any]:
    """The arguments of `drf.allocate` from a file (``-``: standard input); O(size).

    Amounts are numbers, or fractions as text ("1/3"). Raises what `read_object` raises, InputError for a value
    of another kind, UnknownName for a key that means nothing.
    """
    problem, label = read_object(name, "the keys capacity and demands")
    _check(problem, label)
    return problem


def read_object(name: str, wanted: str) -> tuple[dict[str, Any], str]:
    """A file of TOML or JSON (``-``: standard input) as plain values, and what messages call it; O(size).

    ``.json`` files are JSON and ``.toml`` files TOML; any other is JSON where it begins with a
    brace. Raises InputError with file, line and column where it cannot be read or is no object.
    """
    label = "standard input" if name == "-" else name
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=label) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise InputError("is not UTF-8 text", file=label, line=line, column=column) from error
    suffix = Path(name).suffix.lower()
    is_json = suffix == ".json" or (suffix != ".toml" and text.lstrip().startswith("{"))
    return (_json(text, label, wanted) if is_json else _toml(text, label)), label


def _toml(text: str, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _TOML_PLACE.search(message)
        reason = _plain(message[: found.start()] if found else message)
        if found and found[1]:
            line, column = int(found[1]), int(found[2])
        else:
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        raise InputError(f"is not TOML: {reason}", file=label, line=line, column=column) from error


def _json(text: str, label: str, wanted: str) -> dict[str, Any]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise InputError("is there twice in one object; keep one", file=label, value=key)
            seen[key] = value
        return seen

    try:
        problem = json.loads(text, object_pairs_hook=distinct)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {_plain(error.msg)}", file=label, line=error.lineno, column=error.colno
        ) from error
    except RecursionError as error:
        raise InputError("is nested too deeply", file=label) from error
    if not isinstance(problem, dict):
        raise InputError(f"must be an object with {wanted}", file=label)
    return problem


def _plain(message: str) -> str:
    """The reason in the middle of a sentence: the parsers begin it with a capital."""
    return message[:1].lower() + message[1:]


def _check(problem: Mapping[str, Any], label: str) -> None:
    """The shape of the whole; amounts, names and options are judged by `drf.allocate`."""
    for key in problem:
        if key not in KEYS:
            raise UnknownName(f"key in {label}:", key, KEYS)
    for key in ("capacity", "demands"):
        if key not in problem:
            raise InputError(f"has no key {key!r}; it needs capacity and demands", file=label)
    capacity = _table(problem["capacity"], "capacity", label)
    if any(isinstance(amount, Mapping) for amount in capacity.values()):
        for machine, amounts in capacity.items():
            _amounts(amounts, f"capacity.{machine}", label)
    else:
        _amounts(capacity, "capacity", label)
    for user, demand in _table(problem["demands"], "demands", label).items():
        _amounts(demand, f"demands.{user}", label)
    if "weights" in problem:
        for user, weight in _table(problem["weights"], "weights", label).items():
            if isinstance(weight, Mapping):
                _amounts(weight, f"weights.{user}", label)
            else:
                _number(weight, f"weights.{user}", label)
    if "max_tasks" in problem:
        _amounts(problem["max_tasks"], "max_tasks", label)
    if "eligible" in problem:
        for user, names in _table(problem["eligible"], "eligible", label).items():
            if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
                raise InputError(
                    "is not a list of machines", file=f"{label}, eligible.{user}", value=names
                )
    for key, (kind, wanted) in KINDS.items():
        if key in problem and (
            not isinstance(problem[key], kind)
            or (isinstance(problem[key], bool) and kind is not bool)
        ):
            raise InputError(f"is not {wanted}", file=f"{label}, {key}", value=problem[key])


def _table(value: object, key: str, label: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("is not a table of names", file=f"{label}, {key}", value=value)
    return value


def _amounts(value: object, key: str, label: str) -> None:
    for name, amount in _table(value, key, label).items():
        _number(amount, f"{key}.{name}", label)


def _number(value: object, key: str, label: str) -> None:
    fraction = isinstance(value, str) and _FRACTION.fullmatch(value) is not None
    if not fraction and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputError("is not a number", file=f"{label}, {key}", value=value)
