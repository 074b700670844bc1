"""What a resource object carries beside its amount: reservations, revocable, shared, disk."""

from __future__ import annotations

from typing import NamedTuple

from drf.errors import InvalidName


def check_role(role: object) -> str:
    """The role's name as plain text, or InvalidName; O(length).

    A name is a path: parts joined by ``/``, each not empty, not ``.`` or ``..``, without white space and not starting
    with ``-``. ``*`` is a role, but no part of a path.

    >>> check_role("eng/ads")
    'eng/ads'
    """
    if not isinstance(role, str) or not role:
        raise InvalidName(f"role {role!r} is malformed; a role is text, at least one character")
    if role == "*":
        return "*"
    for part in role.split("/"):
        if part in ("", ".", "..", "*") or part.startswith("-"):
            raise InvalidName(
                f"role {role!r} is malformed; the parts of its path are not empty, '.', '..' or '*', "
                f"and do not start with '-'"
            )
        if part.split() != [part] or "\x7f" in part:
            raise InvalidName(f"role {role!r} is malformed; a role has no white space")
    return str.__str__(role)


class Reservation(NamedTuple):
    """One entry of the stack of reservations: for whom, static or dynamic."""

    role: str
    type: str = "static"
    principal: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


class Disk(NamedTuple):
    """What kind of disk: its source (None, PATH, MOUNT, RAW, BLOCK) and root, and the id of a persistent volume."""

    source: str | None = None
    persistence: str | None = None
    root: str | None = None


class Tag(NamedTuple):
    """Everything that makes two objects of one resource name two objects.

    ``reservations`` is a stack, the owner last. A shared object can be had many times over; a persistent volume, a
    MOUNT or a BLOCK disk is had whole or not at all. ``longest``: seconds that a task may use it at most, None for no
    bound.
    """

    reservations: tuple[Reservation, ...] = ()
    revocable: bool = False
    shared: bool = False
    disk: Disk | None = None
    provider: str | None = None
    longest: float | None = None

    @property
    def owner(self) -> str | None:
        """The role that it is reserved to, None if it is not."""
        return self.reservations[-1].role if self.reservations else None

    @property
    def fixed(self) -> bool:
        """Whether it is indivisible."""
        disk = self.disk
        return disk is not None and (
            disk.persistence is not None or disk.source in ("MOUNT", "BLOCK")
        )


PLAIN = Tag()
"""Unreserved, regular, not shared, no disk in particular."""


def is_below(role: str, ancestor: str) -> bool:
    """Whether the role is a strict descendant, by path component; O(length).

    >>> is_below("a/b", "a"), is_below("ab", "a"), is_below("a", "a")
    (True, False, False)
    """
    return role.startswith(ancestor) and role[len(ancestor) : len(ancestor) + 1] == "/"


def is_allocatable_to(owner: str | None, role: str) -> bool:
    """Whether what is reserved to the owner may go to the role: to nobody, itself or an ancestor; O(length)."""
    return owner is None or owner == role or is_below(role, owner)
