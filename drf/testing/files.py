"""Instances as problem files: what `drf allocate` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from drf.fairness import Instance
from drf.testing.adapters import problem_of


def problem_text(
    instance: Instance,
    *,
    policy: str | None = None,
    exact: bool = False,
    on_blocked: str = "skip",
    note: str = "",
) -> str:
    """An instance as TOML that `drf allocate` reads, with a note as a comment; fractions as text ("1/3").

    >>> print(problem_text(Instance.of({"cpus": "1/3"}, {"a": {"cpus": 1}}), policy="drf"))
    policy = "drf"
    divisible = true
    <BLANKLINE>
    [capacity]
    cpus = "1/3"
    <BLANKLINE>
    [demands.a]
    cpus = 1
    <BLANKLINE>

    O(users x resources + machines x resources).
    """
    problem = problem_of(instance)
    plain: dict[str, Any] = {} if policy is None else {"policy": policy}
    plain["divisible"] = problem.pop("divisible")
    if exact:
        plain["exact"] = True
    if on_blocked != "skip" and not instance.divisible:
        plain["on_blocked"] = on_blocked
    lines = [f"# {line}".rstrip() for line in note.splitlines()]
    lines += [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, table in problem.items():
        lines += _table(key, table)
    return "\n".join(lines) + "\n"


def _table(path: str, table: Mapping[str, Any]) -> list[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in table.items() if key not in inner}
    lines = ["", f"[{path}]"] if plain or not inner else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in inner.items():
        lines += _table(f"{path}.{_key(key)}", value)
    return lines


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    return name if bare else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Fraction):
        return str(value) if value.denominator == 1 else f'"{value}"'
    return json.dumps(value)
