"""What the judge says: a verdict, and where a property fails a witness that can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from drf.fairness.allocation import Allocation
from drf.fairness.instance import Instance

HOLDS, FAILS, IDLE = "holds", "fails", "not applicable"
TREE = "users at the leaves of a tree compete by its nodes; see hierarchical_share"


@dataclass(frozen=True)
class Change:
    """Another instance to ask the rule about, and how it came about: a lie, somebody who leaves, more of a resource.

    ``who`` are the rows of the users that it concerns: those who lie, leave or get more.
    """

    text: str
    instance: Instance
    who: tuple[int, ...] = ()


@dataclass(frozen=True)
class Witness:
    """Why a property fails, in numbers that can be computed again.

    ``who`` has ``got`` and should have ``due``, both in ``measure``; ``other`` is the user or resource compared with.
    Where two divisions are compared, ``change`` leads from the first (``instance``, ``allocation``) to the second
    (``change.instance``, ``after``).
    """

    instance: Instance
    allocation: Allocation
    who: str
    got: Fraction
    due: Fraction
    measure: str
    text: str
    other: str | None = None
    change: Change | None = None
    after: Allocation | None = None

    def __str__(self) -> str:
        lines = [self.text, *_block("given", self.instance, self.allocation)]
        if self.change is not None and self.after is not None:
            lines += _block(self.change.text, self.change.instance, self.after)
        return "\n".join(lines)


@dataclass(frozen=True)
class Verdict:
    """What was found of one property: it holds, fails (with a `Witness`), or is not applicable (with the reason).

    >>> print(Verdict("envy_freeness", "holds"))
    envy_freeness holds
    """

    name: str
    outcome: str
    reason: str = ""
    witness: Witness | None = None

    @property
    def holds(self) -> bool:
        """Whether the property was found to hold; O(1)."""
        return self.outcome == HOLDS

    @property
    def fails(self) -> bool:
        """Whether the property was found to fail; O(1)."""
        return self.outcome == FAILS

    def __str__(self) -> str:
        if self.outcome == IDLE:
            return f"{self.name} is not applicable: {self.reason}"
        if self.witness is None:
            return f"{self.name} {self.outcome}{f' ({self.reason})' if self.reason else ''}"
        return f"{self.name} fails: {self.witness}"


def shown(value: Fraction) -> str:
    """A number for people: the fraction where it is short, else six digits; O(1)."""
    return str(value) if value.denominator < 10**6 else f"{float(value):.6g}"


def in_tasks(number: Fraction) -> str:
    """So many tasks, in words; O(1)."""
    return f"{shown(number)} task{'' if number == 1 else 's'}"


def _block(title: str, instance: Instance, allocation: Allocation) -> list[str]:
    tasks = ", ".join(
        f"{user} {' + '.join(map(shown, row))}"
        for user, row in zip(instance.users, allocation.placed, strict=True)
    )
    return [
        f"  {title}:",
        *(f"    {line}" for line in str(instance).splitlines()),
        f"    tasks: {tasks}",
    ]
