"""Who may speak: whoever knows the token, and without one only programs of this machine that mean this server."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path

from drf.errors import InputError, InvalidOption
from drf.serve.refusals import Forbidden, Unauthorized

LEAST = 16
"""A token has so many characters at least."""


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach it; O(1).

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file, without white space around it. Raises InputError."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(f"cannot be read: {reason}", file=path) from error
    if len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"holds no token; it is {LEAST} or more printable characters of ASCII, without spaces",
            file=path,
        )
    return token


def check_reach(host: str | None, token: str | None) -> None:
    """Beyond loopback a token is needed; ``host`` None is a socket in the file system. Raises InvalidOption."""
    if host is not None and token is None and not is_loopback(host):
        raise InvalidOption(
            f"host {host!r} can be reached from other machines; give --token-file, or listen on 127.0.0.1"
        )


class Door:
    """Looks at each request's headers."""

    def __init__(self, token: str | None, *, local: bool) -> None:
        self._token = None if token is None else token.encode()
        self._local = local and token is None

    def check(self, authorization: str | None, host: str | None) -> None:
        """Let the request in; O(headers). Raises Unauthorized, Forbidden.

        Without a token the name of the host must be one of loopback: a page of another site, whose name has been made
        to point here, is told no.
        """
        if self._token is not None:
            scheme, _, given = (authorization or "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(errors="replace"), self._token)
            if scheme.lower() != "bearer" or not same:
                raise Unauthorized(
                    "the token is missing or another one; send the header Authorization: Bearer TOKEN"
                )
        elif self._local and not is_loopback(_name(host or "")):
            raise Forbidden(f"host {host!r} is not this server; use 127.0.0.1 or localhost")


def _name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
