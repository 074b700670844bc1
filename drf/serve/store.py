"""The journal on disk: one file, which begins with a snapshot and is replaced by a newer one when it has grown.

A line is safe once `commit` returns. A file that replaces another is written beside it and renamed when it is complete,
so that whatever a crash leaves, the newest file is whole but for its last line.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import IO

from drf.errors import DRFError, InputError

GROWN = 64 * 2**20
"""A file of so many bytes is replaced, unless half of it was its first line."""

_NAME = "{:08d}.journal"


class StoreFailed(DRFError, OSError):
    """The journal cannot be written: what was decided since is not on record, and the server stops."""


class Store:
    """Lines in a folder that belongs to one server at a time.

    ``sync``: `commit` waits until they are on the disk itself, else until the operating system has them, which
    survives the death of the process. ``head`` gives the first line of a file that goes on from here.
    """

    def __init__(self, folder: Path, *, sync: bool = True, grown: int = GROWN) -> None:
        self.head: Callable[[], str] | None = None
        self._folder = folder
        self._sync = sync
        self._grown = grown
        self._lines: list[str] = []
        self.added = 0
        self.safe = 0
        self._file: FileIO | None = None
        self._size = self._opening = 0
        self._broken: OSError | None = None
        self._turn = asyncio.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be used: {error.strerror}", file=folder) from error
        _hold(self._lock, folder)
        for torn in folder.glob("*.journal.new"):
            torn.unlink()
        found = sorted(folder.glob("*.journal"))
        self._number = int(found[-1].stem) if found else 0

    @property
    def newest(self) -> Path | None:
        """The file that holds the state, None for a new folder; O(1)."""
        return self._folder / _NAME.format(self._number) if self._number else None

    def append(self, line: str) -> None:
        """One more line, not yet safe; O(1)."""
        self._lines.append(line)
        self.added += 1

    def begin(self) -> None:
        """What was appended so far is a new file, which replaces the older ones; O(lines). Raises StoreFailed."""
        lines, self._lines = self._lines, []
        self._guarded(lambda: self._replace(lines))
        self.safe = self.added

    async def commit(self) -> None:
        """Wait until all that was appended is safe; whoever waits meanwhile shares the write. Raises StoreFailed."""
        goal = self.added
        async with self._turn:
            if self._broken is not None:
                raise _failed(self._broken)
            if self.safe >= goal:
                return
            lines, self._lines = self._lines, []
            upto = self.added
            grown = self._size > max(self._grown, 2 * self._opening)
            head = self.head() if grown and self.head is not None else None
            if self._sync or head is not None:
                await asyncio.to_thread(self._guarded, lambda: self._write(lines, head))
            else:
                self._guarded(lambda: self._write(lines, None))
            self.safe = upto

    def close(self) -> None:
        """Give the folder free; O(1)."""
        if self._file is not None:
            self._file.close()
        self._lock.close()

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._broken = error
            raise _failed(error) from error

    def _write(self, lines: list[str], head: str | None) -> None:
        assert self._file is not None
        self._put(self._file, lines)
        if head is not None:
            self._replace([head])

    def _replace(self, lines: list[str]) -> None:
        number = self._number + 1
        path = self._folder / _NAME.format(number)
        new = path.with_suffix(".journal.new")
        file = FileIO(new, "w")
        self._size = 0
        self._put(file, lines)
        self._opening = self._size
        new.rename(path)
        self._settle()
        if self._file is not None:
            self._file.close()
        self._file, self._number = file, number
        for old in self._folder.glob("*.journal"):
            if old != path:
                old.unlink()

    def _put(self, file: FileIO, lines: list[str]) -> None:
        left = memoryview("".join(line + "\n" for line in lines).encode())
        self._size += len(left)
        while left:
            left = left[file.write(left) :]
        if self._sync:
            os.fsync(file.fileno())

    def _settle(self) -> None:
        """The new name is on the disk too."""
        if self._sync and os.name == "posix":
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _failed(error: OSError) -> StoreFailed:
    return StoreFailed(f"the journal cannot be written ({error.strerror}); the server stops")


def _hold(lock: IO[str], folder: Path) -> None:
    """The folder is ours until the file is closed, or the process ends."""
    if os.name != "posix":
        return
    import fcntl  # noqa: PLC0415 (POSIX alone has it)

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise InputError(
            "is in use by another server; stop that one, or take another folder", file=folder
        ) from None
