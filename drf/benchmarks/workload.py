"""What a workload is: a program with sizes, figures, goals, and what Apache Mesos's C++ allocator costs for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

Size = Mapping[str, int]
"""Names to numbers, as in ``{"agents": 10_000, "frameworks": 500}``."""

MEMORY = "memory"
"""The figure every workload has: MB at the peak, over an idle process."""


def label(size: Size) -> str:
    """The size as text.

    >>> label({"agents": 10_000, "frameworks": 500})
    '10 000 agents x 500 frameworks'
    """
    return " x ".join(f"{n:,} {name}".replace(",", " ") for name, n in size.items())


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure at a size should cost so much at most; ``unit`` is ``"u"``, ``"s"`` or ``"MB"``."""

    figure: str
    size: Size
    most: float
    unit: str
    kernel: str = "fast"


@dataclass(frozen=True, slots=True)
class Cpp:
    """What the C++ allocator was measured to cost for that figure at that size, in u (or MB for memory)."""

    figure: str
    size: Size
    cost: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One program and what is asked of it.

    ``run(size, watch)`` prepares, and times the parts named in ``figures`` (name -> what one operation of it is)
    through the watch. ``sizes`` grow, and ``axis`` names the number that cost is plotted against. ``quick`` is how many
    of the sizes a quick run takes.
    """

    name: str
    title: str
    axis: str
    sizes: tuple[Size, ...]
    figures: Mapping[str, str]
    run: Callable[[Size, Stopwatch], None]
    goals: tuple[Goal, ...] = ()
    cpp: tuple[Cpp, ...] = ()
    quick: int = 2


@dataclass(slots=True)
class Stopwatch:
    """Takes CPU time of parts of a workload, and what it found to be wrong or worth a note.

    >>> watch = Stopwatch()
    >>> watch.time("sum", lambda: sum(range(1000)), operations=1000)
    499500
    >>> watch.last >= 0, len(watch.seconds["sum"])
    (True, 1)
    """

    limit: float = float("inf")
    """CPU seconds after which the process should stop."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Figure -> CPU seconds an operation, of each time it was taken."""
    notes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """Results that are not as due: a checksum, a number of offers."""
    stopped: bool = False
    """Whether the workload was told that the limit is reached, so that it is not complete."""
    last: float = 0.0
    """CPU seconds of the part that was timed last, in full."""

    def time(self, figure: str | None, part: Callable[[], T], operations: int = 1) -> T:
        """Call the part, record its CPU seconds an operation (None: only as ``last``), and return what it returns.

        What the collector of cyclic garbage does meanwhile counts.
        """
        start = time.process_time()
        result = part()
        self.last = time.process_time() - start
        if figure is not None:
            self.record(figure, self.last / operations)
        return result

    def record(self, figure: str, seconds: float) -> None:
        """Take a figure that was computed from others; O(1)."""
        self.seconds.setdefault(figure, []).append(seconds)

    def note(self, name: str, text: str) -> None:
        """Something to print beside the figures; the last text of a name stays."""
        self.notes[name] = text

    def due(self, what: str, found: object, due: object) -> None:
        """Remember that a result is wrong, if it is."""
        if found != due:
            self.wrong.append(f"{what} is {found}, {due} is due")

    def is_over(self) -> bool:
        """Whether the limit is reached: a workload of many rounds then stops and says how far it came."""
        self.stopped = self.stopped or time.process_time() > self.limit
        return self.stopped
