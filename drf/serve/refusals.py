"""What becomes of an error: its status in HTTP, and its form in JSON."""

from __future__ import annotations

from typing import Any

from drf.errors import (
    ClockError,
    DRFError,
    DuplicateName,
    InvariantBroken,
    Overcommit,
    PluginError,
    ReentrantCall,
    StaleOffer,
    StalePlan,
    UnknownName,
)
from drf.serve.desk import Conflict, Defect
from drf.serve.schema import Malformed
from drf.serve.store import StoreFailed
from drf.serve.stream import Gone


class UnknownVerb(DRFError, LookupError):
    """There is nothing of that name."""


class WrongMethod(DRFError, ValueError):
    """Changes are posted, questions are got."""


class WrongType(DRFError, ValueError):
    """The body is of a type that the verb does not take."""


class TooLarge(DRFError, ValueError):
    """The body, or a line of it, is longer than the server takes."""


class TooSlow(DRFError, TimeoutError):
    """Nothing came for too long."""


class Unauthorized(DRFError, PermissionError):
    """The token is missing, or another one."""


class Forbidden(DRFError, PermissionError):
    """The request is addressed to another host than this one."""


STATUS: dict[type[DRFError], int] = {
    Malformed: 400,
    Unauthorized: 401,
    Forbidden: 403,
    UnknownVerb: 404,
    UnknownName: 404,
    WrongMethod: 405,
    TooSlow: 408,
    DuplicateName: 409,
    StaleOffer: 409,
    Overcommit: 409,
    StalePlan: 409,
    ClockError: 409,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    WrongType: 415,
    Defect: 500,
    InvariantBroken: 500,
    PluginError: 500,
    ReentrantCall: 500,
    StoreFailed: 503,
}
"""By kind of error; all others are 422: it was understood, and cannot be done."""


def status(error: DRFError) -> int:
    """The status in HTTP; O(1)."""
    return STATUS.get(type(error), 422)


def told(error: DRFError) -> dict[str, Any]:
    """The error as JSON; O(message)."""
    return {"error": {"kind": type(error).__name__, "message": str(error)}}
