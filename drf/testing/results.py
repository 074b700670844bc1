"""What a search for counter-examples found, as a value that prints as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from drf.errors import UnknownName
from drf.fairness import Instance, Verdict

HOLDS, FAILS, RAISES, IDLE = "holds", "fails", "raises", "not applicable"


class Setting(NamedTuple):
    """Where a property was judged: on one pool, machines or a tree, and in divisible or whole tasks.

    Of an allocator: in what, and by which policy.
    """

    on: str
    tasks: str

    def __str__(self) -> str:
        return f"{self.on}, {self.tasks}"


@dataclass(frozen=True)
class Result:
    """What was found of one property in one setting.

    ``outcome`` is "holds" (in ``examples`` instances), "fails" or "raises" (``verdict`` or ``reason`` says why, at
    ``instance``, or after ``history``, the smallest that was found), or "not applicable" (``reason``).
    """

    name: str
    setting: Setting
    outcome: str
    examples: int = 0
    reason: str = ""
    instance: Instance | None = None
    verdict: Verdict | None = None
    history: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether the property fails, or the policy raised; O(1)."""
        return self.outcome in (FAILS, RAISES)

    def __str__(self) -> str:
        if self.verdict is not None:
            return f"{self.verdict}"
        if self.bad:
            given = self.history if self.instance is None else str(self.instance).splitlines()
            lines = [f"{self.name} {self.outcome}: {self.reason}", "  given:"]
            return "\n".join([*lines, *(f"    {line}" for line in given)])
        return f"{self.name} {self.short}"

    @property
    def short(self) -> str:
        """The outcome in a word or two; O(1)."""
        return f"holds in {self.examples}" if self.outcome == HOLDS else self.outcome


@dataclass(frozen=True)
class Findings:
    """The results of all properties of one subject. True where none fails; prints as a table and its failures."""

    subject: str
    results: tuple[Result, ...]

    @property
    def failures(self) -> tuple[Result, ...]:
        """The properties that fail, or where the policy raised; O(results)."""
        return tuple(result for result in self.results if result.bad)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Where it was judged; O(results)."""
        return tuple(dict.fromkeys(result.setting for result in self.results))

    @property
    def names(self) -> tuple[str, ...]:
        """The properties, in the order of the judge; O(results)."""
        return tuple(dict.fromkeys(result.name for result in self.results))

    def __bool__(self) -> bool:
        return not self.failures

    def __getitem__(self, name: str) -> tuple[Result, ...]:
        """The results of one property, by setting; O(results). Raises UnknownName."""
        found = tuple(result for result in self.results if result.name == name)
        if not found:
            raise UnknownName("property in this report", name, self.names)
        return found

    def cell(self, name: str, setting: Setting) -> Result | None:
        """The result of a property in a setting, if it was judged there; O(results)."""
        return next((r for r in self.results if (r.name, r.setting) == (name, setting)), None)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The table as text, its header first: the property, and its outcome in each setting."""
        yield ("property", *map(str, self.settings))
        for name in self.names:
            cells = (self.cell(name, setting) for setting in self.settings)
            yield (name, *("-" if c is None or c.outcome == IDLE else c.short for c in cells))

    def __str__(self) -> str:
        rows = list(self.rows())
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        for result in self.failures:
            lines += ["", f"[{result.setting}] {result}"]
        return "\n".join(lines)
