"""The stream of decisions: each has an id, from which a client goes on after a break."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any

from drf.errors import DRFError, InputError

KEPT = 16 * 2**20
"""So many characters of decisions are kept for those who go on from an earlier one."""


class Gone(DRFError, LookupError):
    """What followed that id is kept no more, or it is of another server: go on from the open offers."""


class Stream:
    """Decisions in order, as text, the last of them kept; ids are ``EPOCH-NUMBER``, the epoch is that of the journal.

    >>> stream = Stream("e")
    >>> stream.add('{"offers": []}')
    >>> stream.last, stream.messages(stream.place("e-0"))
    ('e-1', [('e-1', '{"offers": []}')])
    """

    def __init__(self, epoch: str | None = None, *, kept: int = KEPT) -> None:
        self.epoch = epoch or secrets.token_hex(4)
        self.closed = False
        self._last = 0
        self._kept: deque[str] = deque()
        self._size = 0
        self._most = kept
        self._news = asyncio.Event()

    @property
    def last(self) -> str:
        """The id of the last decisions; O(1)."""
        return self._id(self._last)

    @property
    def coming(self) -> str:
        """The id of the next decisions; O(1)."""
        return self.later(1)

    def later(self, count: int) -> str:
        """The id of those that come so many after the last; O(1)."""
        return self._id(self._last + count)

    def add(self, message: str) -> None:
        """The next decisions; whoever waits is told; O(1)."""
        self._last += 1
        self._kept.append(message)
        self._size += len(message)
        while self._size > self._most and len(self._kept) > 1:
            self._size -= len(self._kept.popleft())
        self._tell()

    def place(self, after: str | None) -> int:
        """The number behind an id, None for the last; O(1). Raises Gone."""
        if after is None:
            return self._last
        epoch, _, number = after.rpartition("-")
        if epoch != self.epoch or not number.isdecimal() or int(number) > self._last:
            raise Gone(
                f"there are no decisions {after!r} here; ask open_offers, and go on from the id it gives"
            )
        self._check(int(number))
        return int(number)

    def messages(self, place: int) -> list[tuple[str, str]]:
        """What follows that number, each with its id; O(of them). Raises Gone."""
        self._check(place)
        missing = self._last - place
        first = len(self._kept) - missing
        return [
            (self._id(place + 1 + i), self._kept[first + i]) for i in range(min(missing, SLICE))
        ]

    async def wait(self, place: int, seconds: float) -> None:
        """Until something follows that number, or for so many seconds."""
        if place < self._last or self.closed:
            return
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return

    def close(self) -> None:
        """Nothing follows any more; O(1)."""
        self.closed = True
        self._tell()

    def state(self) -> dict[str, Any]:
        """All of it, as plain JSON values; O(kept)."""
        return {"epoch": self.epoch, "last": self._last, "kept": list(self._kept)}

    @classmethod
    def load(cls, state: Any) -> Stream:
        """Back again; O(kept). Raises InputError."""
        try:
            new = cls(state["epoch"])
            new._last = int(state["last"]) - len(state["kept"])
            for message in state["kept"]:
                new.add(message)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the stream of decisions in the journal is no such: {error!r}"
            ) from error
        return new

    def _id(self, number: int) -> str:
        return f"{self.epoch}-{number}"

    def _check(self, place: int) -> None:
        if place < self._last - len(self._kept):
            raise Gone(
                f"decisions after {self._id(place)!r} are kept no more; ask open_offers, and go on from the id it gives"
            )

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


SLICE = 64
"""So many messages are handed out at once."""
