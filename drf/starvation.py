"""Who was passed over: runs in which others were offered something, and somebody who waits was not."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = 1000
"""Of so many runs it is known who was offered something, and who declined."""

Holder = tuple[str, str]
"""Framework and role."""


@dataclass(frozen=True)
class Starving:
    """A framework that was passed over in a role, how often, and because of what. Prints as a sentence.

    ``runs``: in so many runs since it was offered something (at ``since``, None for never) others were.
    ``offered`` and ``declined`` count their offers in these runs, by framework, and how many of these they declined.
    ``rules`` says what keeps agents from it now, by name of the rule, and how many. ``ahead`` are asked before it.
    """

    framework: str
    role: str
    runs: int
    since: float | None
    offered: Mapping[str, int]
    declined: Mapping[str, int]
    rules: Mapping[str, int] = field(default_factory=dict)
    ahead: tuple[str, ...] = ()

    def __str__(self) -> str:
        since = "ever" if self.since is None else f"since {self.since:g} s"
        got = ", ".join(
            f"{name} ({count}"
            + (f", declined {self.declined[name]})" if name in self.declined else ")")
            for name, count in sorted(self.offered.items(), key=lambda entry: (-entry[1], entry[0]))
        )
        kept = "; ".join(f"{rule} on {count}" for rule, count in self.rules.items())
        first = f"; {self.ahead[0]} is asked before it" if self.ahead else ""
        return (
            f"framework {self.framework} in role {self.role} was passed over in {self.runs} runs {since}; "
            f"offers went to {got}{first}" + (f"; now kept from agents by: {kept}" if kept else "")
        )


class Passes:
    """Of the last runs with offers: who was offered something, and who declined of it."""

    def __init__(self) -> None:
        self._runs = 0
        self._log: deque[tuple[int, Mapping[Holder, int], Counter[str]]] = deque(maxlen=KEPT)
        self._last: dict[Holder, tuple[int, float | None]] = {}

    def began(self, framework: str, role: str) -> None:
        """It waits for offers from now on; O(1)."""
        _, since = self._last.get((framework, role), (0, None))
        self._last[framework, role] = (self._runs, since)

    def ended(self, framework: str, role: str) -> None:
        """It is gone; O(1)."""
        self._last.pop((framework, role), None)

    def ran(self, given: Mapping[Holder, int], now: float) -> None:
        """A run made so many offers to these; O(of them)."""
        if not given:
            return
        self._runs += 1
        self._last.update(dict.fromkeys(given, (self._runs, now)))
        self._log.append((self._runs, given, Counter()))

    def declined(self, framework: str, offers: int = 1) -> None:
        """It declined so many offers; O(1)."""
        if self._log:
            self._log[-1][2][framework] += offers

    def of(self, framework: str, role: str) -> Starving | None:
        """In which runs it was passed over since it was last offered something, None for none; O(runs kept)."""
        last, since = self._last.get((framework, role), (0, None))
        if last == self._runs:
            return None
        offered: Counter[str] = Counter()
        declined: Counter[str] = Counter()
        for run, got, back in reversed(self._log):
            if run <= last:
                break
            for holder, count in got.items():
                offered[holder[0]] += count
            declined += back
        return Starving(framework, role, self._runs - last, since, dict(offered), dict(declined))
