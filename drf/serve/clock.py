"""Where the allocator's time comes from."""

from __future__ import annotations

import time
from collections.abc import Callable

from drf.errors import InvalidOption

CLOCKS = ("wall", "monotonic", "client")


class Clock:
    """Seconds that never go back, to the millisecond.

    ``"wall"``: since 1970; it stands still while the machine's clock is behind what it has said. ``"monotonic"``: goes
    on from ``start``, as if the server had never been away. ``"client"``: None, somebody else says what time it is.

    >>> Clock("monotonic", start=7.0, read=lambda: 100.0)()
    7.0
    """

    def __init__(
        self, kind: str, start: float = 0.0, read: Callable[[], float] | None = None
    ) -> None:
        if kind not in CLOCKS:
            raise InvalidOption(f"clock is {kind!r}; it is one of {', '.join(CLOCKS)}")
        self.ours = kind != "client"
        self._read = read or (time.time if kind == "wall" else time.monotonic)
        self._offset = start - self._read() if kind == "monotonic" else 0.0
        self._last = start

    def __call__(self) -> float | None:
        """The time now, None where it is the client's; O(1)."""
        if not self.ours:
            return None
        self._last = max(self._last, round(self._read() + self._offset, 3))
        return self._last
