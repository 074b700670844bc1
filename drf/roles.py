"""Role names: their grammar, and (one day) the tree that their paths make."""

from __future__ import annotations

from drf.errors import InvalidName, NotSupported


def check_role(role: object) -> str:
    """The role name, or InvalidName; O(length).

    A name is text without white space, not empty, not ``.`` or ``..``, not starting with ``-``; ``*`` is an ordinary
    role.

    >>> check_role("analytics")
    'analytics'
    """
    if not isinstance(role, str) or not role:
        raise InvalidName(f"role {role!r} is malformed; a role is text, at least one character")
    if "/" in role:
        raise NotSupported(
            f"role {role!r}: paths make a tree of roles, which is not built yet; use a flat name"
        )
    if role in (".", "..") or role.startswith("-") or any(c.isspace() or c == "\x7f" for c in role):
        raise InvalidName(
            f"role {role!r} is malformed; a role has no white space, does not start with '-' and is not '.' or '..'"
        )
    return role
