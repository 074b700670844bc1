"""What a local master is to run: agents, roles and frameworks with their tasks, read from plain values and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drf.errors import DRFError, InputError, UnknownName
from drf.resources import Resources
from drf.tags import check_role

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
TOP = ("policy", "agents", "roles", "frameworks", "grace")
ROLE = ("weight", "guarantees", "limits")
FRAMEWORK = ("role", "tasks")
TABLE = (
    "name",
    "command",
    "resources",
    "count",
    "env",
    "dir",
    "duration",
    "restarts",
    "together",
)
MEGA = 2**20


@dataclass(frozen=True)
class TaskTable:
    """``count`` tasks of one kind. ``together``: they start at once, or none; where one fails all have failed."""

    name: str
    command: tuple[str, ...]
    resources: Resources
    count: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    dir: str = "."
    duration: float | None = None
    restarts: int = 0
    together: bool = False


@dataclass(frozen=True)
class FrameworkSpec:
    """A framework: whose tasks run in which role."""

    name: str
    role: str
    tasks: tuple[TaskTable, ...]


@dataclass(frozen=True)
class Spec:
    """All that is to run. ``grace``: seconds between the signals TERM and KILL."""

    agents: Mapping[str, Resources]
    frameworks: tuple[FrameworkSpec, ...]
    policy: str = "drf"
    weights: Mapping[str, float] = field(default_factory=dict)
    quotas: Mapping[str, tuple[Resources, Mapping[str, float]]] = field(default_factory=dict)
    grace: float = 2.0


def machine() -> Resources:
    """This machine: the cores that this process may use, and memory in MiB where that is known."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEGA
    except (AttributeError, OSError, ValueError):
        return Resources({"cpus": cores})
    return Resources({"cpus": cores, "mem": memory})


def read_spec(given: Mapping[str, Any], label: str = "the specification") -> Spec:
    """A specification from plain values, as TOML and JSON have them; O(size).

    >>> spec = read_spec({"agents": {"a": {"cpus": 1}}, "frameworks": {"f": {"tasks": [
    ...     {"command": "true", "resources": {"cpus": 1}}]}}})
    >>> spec.frameworks[0].role, spec.frameworks[0].tasks[0].command
    ('f', ('/bin/sh', '-c', 'true'))

    ``label`` is what messages call it. Raises InputError with the key where a value is missing or malformed, or a
    task fits on no agent; UnknownName for a key that means nothing.
    """
    place = _Place(label, ())
    _keys(given, TOP, place)
    agents = {
        _name(name, place / "agents"): _amount(amount, place / "agents" / name)
        for name, amount in _table(given.get("agents", {}), place / "agents").items()
    } or {"local": machine()}
    weights: dict[str, float] = {}
    quotas: dict[str, tuple[Resources, Mapping[str, float]]] = {}
    for role, terms in _table(given.get("roles", {}), place / "roles").items():
        here = place / "roles" / role
        _role(role, here)
        _keys(_table(terms, here), ROLE, here)
        if "weight" in terms:
            weights[role] = _number(terms["weight"], here / "weight", above=True)
        if "guarantees" in terms or "limits" in terms:
            limits = _table(terms.get("limits", {}), here / "limits")
            quotas[role] = (
                _amount(terms.get("guarantees", {}), here / "guarantees", empty=True),
                {name: _number(n, here / "limits" / name) for name, n in limits.items()},
            )
    frameworks = _table(given.get("frameworks", {}), place / "frameworks")
    if not frameworks:
        raise InputError("has no frameworks; add a table [[frameworks.NAME.tasks]]", file=label)
    read = tuple(
        _framework(name, terms, agents, place / "frameworks" / name)
        for name, terms in frameworks.items()
    )
    policy = given.get("policy", "drf")
    if not isinstance(policy, str):
        raise (place / "policy").error("is not a name", policy)
    grace = _number(given.get("grace", 2.0), place / "grace")
    return Spec(agents, read, policy, weights, quotas, grace)


def _framework(
    name: str, terms: Any, agents: Mapping[str, Resources], place: _Place
) -> FrameworkSpec:
    _name(name, place)
    _keys(_table(terms, place), FRAMEWORK, place)
    role = terms.get("role", name)
    _role(role, place / "role")
    tables = terms.get("tasks")
    if not isinstance(tables, list) or not tables:
        raise (place / "tasks").error("is no list of tasks; write [[...tasks]]", tables)
    read = [_tasks(f"task{i}", t, agents, place / f"tasks[{i}]") for i, t in enumerate(tables)]
    for i, table in enumerate(read):
        for other in read[:i]:
            if table.name == other.name:
                raise (place / f"tasks[{i}]" / "name").error("is there twice", table.name)
            alike = (table.resources, table.duration) == (other.resources, other.duration)
            if alike and (table.together or other.together):
                text = (
                    "has the resources of another table; tasks that start together need their own"
                )
                raise (place / f"tasks[{i}]" / "together").error(text, table.together)
    return FrameworkSpec(name, role, tuple(read))


def _tasks(name: str, terms: Any, agents: Mapping[str, Resources], place: _Place) -> TaskTable:
    _keys(_table(terms, place), TABLE, place)
    for key in ("command", "resources"):
        if key not in terms:
            raise (place / key).error("is missing")
    command = terms["command"]
    if isinstance(command, str) and command:
        command = ["/bin/sh", "-c", command]
    if not _texts(command) or not command:
        raise (place / "command").error("is no text and no list of texts", command)
    amount = _amount(terms["resources"], place / "resources")
    if not any(amount <= total for total in agents.values()):
        there = ", ".join(f"{agent} has {total}" for agent, total in agents.items())
        raise (place / "resources").error(f"fits on no agent: {there}", str(amount))
    env = _table(terms.get("env", {}), place / "env")
    for key, value in env.items():
        if not isinstance(value, str) or not key or "=" in key or "\0" in key + value:
            raise (place / "env" / key).error("is no text, or its name cannot be one", value)
    folder = terms.get("dir", ".")
    if not isinstance(folder, str) or not Path(folder).is_dir():
        raise (place / "dir").error("is no folder", folder)
    duration = terms.get("duration")
    if duration is not None:
        duration = _number(duration, place / "duration", above=True)
    together = terms.get("together", False)
    if not isinstance(together, bool):
        raise (place / "together").error("is not true or false", together)
    return TaskTable(
        _name(terms.get("name", name), place / "name"),
        tuple(command),
        amount,
        _whole(terms.get("count", 1), place / "count", 1),
        dict(env),
        folder,
        duration,
        _whole(terms.get("restarts", 0), place / "restarts", 0),
        together,
    )


@dataclass(frozen=True)
class _Place:
    """Where in the file a value stands."""

    label: str
    keys: tuple[str, ...]

    def __truediv__(self, key: object) -> _Place:
        return _Place(self.label, (*self.keys, str(key)))

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.label, ".".join(self.keys))))

    def error(self, text: str, value: object = None) -> InputError:
        return InputError(text, file=self, value=value)


def _keys(given: Any, known: Sequence[str], place: _Place) -> None:
    for key in _table(given, place):
        if key not in known:
            raise UnknownName(f"key in {place}:", key, known)


def _table(value: Any, place: _Place) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise place.error("is no table", value)
    return value


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and "\0" not in v for v in value)


def _name(value: Any, place: _Place) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise place.error("is no name of letters, digits, - and _", value)
    return value


def _role(value: Any, place: _Place) -> None:
    try:
        check_role(value)
    except DRFError as error:
        raise place.error(f"is no role: {error}") from error


def _amount(value: Any, place: _Place, *, empty: bool = False) -> Resources:
    try:
        amount = Resources(value)
    except (DRFError, AttributeError, TypeError, ValueError) as error:
        raise place.error(f"is no amount of resources: {error}", value) from error
    if not amount and not empty:
        raise place.error("is nothing; name an amount above 0", value)
    return amount


def _number(value: Any, place: _Place, *, above: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise place.error("is not a number", value)
    if not 0 <= value < float("inf") or (above and value == 0):
        raise place.error(f"is not a number {'above 0' if above else 'of at least 0'}", value)
    return float(value)


def _whole(value: Any, place: _Place, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise place.error(f"is no whole number of at least {least}", value)
    return value
