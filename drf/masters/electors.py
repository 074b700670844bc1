"""Who of several masters decides: alone, or by a lock on a file of one machine.

What spans machines (ZooKeeper, etcd) is a plug-in of the group ``drf.electors``; `drf.plugins.Elector` is the protocol.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from drf.errors import InputError, InvalidOption, NotSupported
from drf.plugins import Standing

try:
    import fcntl
except ImportError:  # not a POSIX system: `FileLock` says so
    fcntl = None  # type: ignore[assignment]


def myself() -> str:
    """A name for this process among all candidates: host and process id; O(1)."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Alone:
    """The only candidate, who leads as soon as it stands.

    >>> elector = Alone("m1")
    >>> elector.campaign()
    Standing(leads=True, leader='m1', term=1)
    >>> elector.resign()
    >>> elector.leader() is None
    True
    """

    interval = 60.0

    def __init__(self, identity: str | None = None) -> None:
        self.identity = _checked(identity)
        self._stands = False
        self._term = 0

    def campaign(self) -> Standing:
        """It leads; O(1)."""
        self._term += not self._stands
        self._stands = True
        return Standing(True, self.identity, self._term)

    def leader(self) -> str | None:
        """Itself, while it stands; O(1)."""
        return self.identity if self._stands else None

    def resign(self) -> None:
        """Nobody leads then; O(1)."""
        self._stands = False


class FileLock:
    """Whoever has the lock on a file leads; the system frees it when its process ends, however that ends.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "leader")
    >>> first, second = FileLock(path, "m1"), FileLock(path, "m2")
    >>> first.campaign().leads, second.campaign()
    (True, Standing(leads=False, leader='m1', term=1))
    >>> first.resign()
    >>> second.campaign()
    Standing(leads=True, leader='m2', term=2)
    >>> second.resign()

    All candidates are processes of one machine, and ``path`` is on a file system of its own (a lock on one of a network
    may be none). Where the file is removed or replaced, whoever led finds at its next `campaign` that it does no
    more. Children that were forked, and run no other program, keep the lock when their parent dies. Raises NotSupported
    where the system is no POSIX system.
    """

    interval = 1.0

    def __init__(self, path: str | Path, identity: str | None = None) -> None:
        if fcntl is None:
            raise NotSupported("elector file needs a POSIX system, for its locks; use another one")
        self.path = Path(path)
        self.identity = _checked(identity)
        self._file = -1
        self._term = 0

    def campaign(self) -> Standing:
        """Take the lock, if nobody has it; O(1). Raises InputError where the file cannot be used."""
        if self._file >= 0 and not self._is_mine():
            self.resign()
        if self._file < 0 and not self._take():
            leader, term = self._read()
            return Standing(False, leader, term)
        return Standing(True, self.identity, self._term)

    def leader(self) -> str | None:
        """Who wrote itself into the file, while somebody has the lock; O(1)."""
        if self._file >= 0:
            return self.identity if self._is_mine() else None
        try:
            file = os.open(self.path, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return self._read()[0]
        else:
            return None  # nobody has it
        finally:
            os.close(file)

    def resign(self) -> None:
        """Give the lock back; O(1)."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_mine(self) -> bool:
        """Whether the file that is locked is still the one of that path."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._file))

    def _take(self) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"cannot be locked: {error.strerror or error}", file=self.path
            ) from error
        self._file = file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.resign()
            return False
        if not self._is_mine():  # another one was put in its place meanwhile
            self.resign()
            return False
        try:
            self._term = self._read()[1] + 1
        except InputError:
            self.resign()
            raise
        line = json.dumps({"leader": self.identity, "term": self._term}) + "\n"
        os.pwrite(
            file, line.encode(), 0
        )  # what is left of a longer line stands behind it, and is not read
        return True

    def _read(self) -> tuple[str | None, int]:
        """Who led last by the file, and in which term; nobody where nothing was written yet."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None, 0
        if not text:
            return None, 0
        try:
            found: Any = json.loads(text.partition("\n")[0])
            leader, term = found["leader"], found["term"]
            if not isinstance(leader, str) or not isinstance(term, int):
                raise TypeError("leader is text, term a whole number")
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"holds something else than a leader ({error!r}); give a file of its own",
                file=self.path,
            ) from error
        return leader, term


def _checked(identity: str | None) -> str:
    if identity is None:
        return myself()
    if not isinstance(identity, str) or not identity:
        raise InvalidOption(f"identity is {identity!r}; it is text, at least one character")
    return identity
