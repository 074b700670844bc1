"""Back-off: a framework that declines everything, run after run, is asked less and less often.

Otherwise one that is always first, as it holds nothing, and always declines would keep those behind it from offers.
"""

from __future__ import annotations

from typing import Any

from drf.snapshot import whole

PATIENCE = 3
"""Rounds that may end in nothing but declines before anything happens."""


class Backoff:
    """Counts, per framework and role, the runs since it last accepted something whose offers it declined.

    From the fourth such run on its refusals last at least ``first`` seconds, twice as long with each further run, and
    at most ``longest``.

    >>> backoff = Backoff(1.0, 300.0)
    >>> [backoff.declined("f", "*", run) for run in range(1, 8)]
    [0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0]
    >>> backoff.accepted("f", "*", 8)
    >>> backoff.declined("f", "*", 8), backoff.declined("f", "*", 9)
    (0.0, 0.0)
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._rounds: dict[tuple[str, str], tuple[int, int]] = {}  # rounds in vain, the last run

    def declined(self, framework: str, role: str, run: int) -> float:
        """It declined an offer after that run: how long its refusal lasts at least; O(1)."""
        rounds, last = self._rounds.get((framework, role), (0, -1))
        if run != last:
            rounds += 1
            self._rounds[framework, role] = (rounds, run)
        if rounds <= PATIENCE:
            return 0.0
        # Beyond 64 doublings any sensible bound is passed, and a float would overflow later on.
        return min(self._first * 2.0 ** min(rounds - PATIENCE - 1, 64), self._longest)

    def accepted(self, framework: str, role: str, run: int) -> None:
        """It accepted an offer after that run: what it declines of this run does not count; O(1)."""
        self._rounds[framework, role] = (0, run)

    def rounds(self, framework: str, role: str) -> int:
        """How many runs in a row it has only declined; O(1)."""
        return self._rounds.get((framework, role), (0, -1))[0]

    def state(self) -> list[Any]:
        """Its part of a snapshot; O(entries)."""
        return [[*who, rounds, run] for who, (rounds, run) in self._rounds.items()]

    def load(self, state: list[Any]) -> None:
        """Take that part back; O(entries). Raises InputError."""
        for framework, role, rounds, run in state:
            what = f"back-off of {framework!r}"
            self._rounds[framework, role] = (whole(rounds, what), whole(run, what))

    def forget(self, framework: str, role: str) -> None:
        """It starts anew; O(1)."""
        self._rounds.pop((framework, role), None)
