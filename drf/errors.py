"""The errors that `drf` raises, each also a builtin, so that ``except ValueError`` works too.

Every message names the object, the value, the limit and the remedy; whatever raised left the state as it was.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FEW = 8
"""As many names are listed where none is near."""


class DRFError(Exception):
    """Whatever `drf` raises on purpose."""


class InvalidQuantity(DRFError, ValueError):
    """An amount is negative, not finite, too large, too small for its unit, or not a number."""


class InvalidName(DRFError, ValueError):
    """A name of a client, role, agent, framework or resource breaks its grammar."""


class InvalidOption(DRFError, ValueError):
    """An option, weight or duration is outside its range; the message names the range."""


class UnknownName(DRFError, LookupError):
    """Nothing of that name is known here; the message names the nearest."""

    def __init__(self, kind: str, name: object, known: Iterable[str] = ()) -> None:
        self.kind = kind
        self.name = name
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        if not near and 0 < len(names) <= FEW:
            hint = f"; known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}{hint}")


class DuplicateName(DRFError, ValueError):
    """Something of that name is known already."""


class Overcommit(DRFError, ValueError):
    """More is taken or given back than is there."""


class StaleOffer(DRFError, LookupError):
    """The offer was answered, rescinded or never made."""


class StalePlan(DRFError, ValueError):
    """What a plan rests on has changed since it was made."""


class ClockError(DRFError, ValueError):
    """Time went back."""


class NotSupported(DRFError, NotImplementedError):
    """That combination is not built, or the policy lacks the mode that was asked for."""


class Infeasible(DRFError, ValueError):
    """With ``strict=True``: a user's task fits nowhere, even on an empty cluster."""


class BackendUnavailable(DRFError, ImportError):
    """The kernel that was asked for is missing, broken or stale; the message says how to build it."""


class MissingExtra(DRFError, ImportError):
    """An optional dependency is missing; the message names the extra that brings it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}: install it with pip install 'drf-allocator[{extra}]'"
        )


class InputError(DRFError, ValueError):
    """A file is missing or malformed: the message names file, line, column and value."""

    def __init__(
        self,
        message: str,
        *,
        file: object = None,
        line: int | None = None,
        column: str | int | None = None,
        value: object = None,
    ) -> None:
        self.file, self.line, self.column, self.value = file, line, column, value
        place = [str(file)] if file is not None else []
        if line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column}")
        shown = "" if value is None else f"{value!r} "
        super().__init__(f"{', '.join(place)}: {shown}{message}" if place else f"{shown}{message}")


class InvariantBroken(DRFError, AssertionError):
    """A `check()` found the state inconsistent: a defect of `drf` or of a plug-in, never of the caller."""


class ReentrantCall(DRFError, RuntimeError):
    """A plug-in or policy called back into the allocator that was calling it."""


class PluginError(DRFError, RuntimeError):
    """A plug-in cannot be loaded, raised, or answered nonsense; the message names it.

    ``group``, ``plugin`` and ``verb`` say which it was and what it was asked for, where that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        group: str | None = None,
        plugin: str | None = None,
        verb: str | None = None,
    ) -> None:
        self.group, self.plugin, self.verb = group, plugin, verb
        super().__init__(message)


class PluginWarning(RuntimeWarning):
    """An observer raised; what it was told of is done all the same."""
