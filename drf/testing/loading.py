"""Scenario files: read, and checked against the tables of the format."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from drf.errors import InputError
from drf.testing.checks import anything, count, object_with, text, unknown, wrong
from drf.testing.format import SCENARIO, SUBJECTS, Expectation, Scenario, Step


def load_scenarios(path: str | Path) -> list[Scenario]:
    """The scenarios of a file, ``.json`` or ``.json.gz``: an array of objects; O(size).

    Raises InputError, with the file and what is known of scenario, step and key, where it cannot be read or says
    something that the format has not.
    """
    try:
        raw = Path(path).read_bytes()
        text = (gzip.decompress(raw) if str(path).endswith(".gz") else raw).decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"is no whole gzip file: {error}", file=path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", file=path) from error
    try:
        data = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is no JSON: {error.msg}", file=path, line=error.lineno, column=error.colno
        ) from error
    except (_Twice, RecursionError) as error:
        what = "objects are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(what, file=path) from error
    return read_scenarios(data, label=str(path))


class _Twice(ValueError):
    """A key given twice in one JSON object."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"key {twice!r} is given twice in one object")
    return out


def read_scenarios(data: Any, *, label: str = "scenarios") -> list[Scenario]:
    """The scenarios in an array as JSON has it, checked; ``label`` names it in errors; O(size). Raises InputError."""
    if not isinstance(data, list):
        raise InputError("is no array of scenarios", file=label)
    if not data:
        raise InputError("the array holds no scenario", file=label)
    out: dict[str, Scenario] = {}
    for number, entry in enumerate(data, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        place = f"{label}, scenario {name if isinstance(name, str) else number}"
        scenario = _scenario(entry, place)
        if scenario.name in out:
            raise InputError("another scenario has this name", file=place)
        out[scenario.name] = scenario
    return list(out.values())


def _scenario(entry: Any, place: str) -> Scenario:
    read = object_with(entry, place, SCENARIO)
    subject = SUBJECTS[read["subject"]]
    steps = []
    for number, step in enumerate(read["steps"]):
        where = f"{place}, step {number}"
        found = object_with(step, where, {"op": text, "args?": anything})
        op = found["op"]
        if op not in subject.ops:
            raise wrong(where, unknown(f"operation of {read['subject']}", op, subject.ops), op)
        where = f"{where} ({op})"
        steps.append(
            Step(op, object_with(found.get("args", {}), where, subject.ops[op], "argument"))
        )
    expect = []
    for number, wanted in enumerate(read["expect"]):
        where = f"{place}, expectation {number}"
        if not isinstance(wanted, dict) or "kind" not in wanted:
            raise wrong(where, "is no object with a kind", wanted)
        kind = wanted["kind"]
        if kind not in subject.kinds:
            raise wrong(where, unknown(f"kind for {read['subject']}", kind, subject.kinds), kind)
        keys = {"after": count, "kind": text, **subject.kinds[kind]}
        found = object_with(wanted, f"{where} ({kind})", keys)
        after = found.pop("after")
        if after >= len(steps):
            raise wrong(f"{where} ({kind}), after", f"is none of the {len(steps)} steps", after)
        del found["kind"]
        expect.append(Expectation(after, kind, found))
    return Scenario(
        read["name"],
        read["subject"],
        tuple(steps),
        tuple(sorted(expect, key=lambda wanted: wanted.after)),
        object_with(read.get("config", {}), f"{place}, config", subject.config),
        read.get("topic", ""),
        read.get("source_test", ""),
        read.get("notes", ""),
    )
