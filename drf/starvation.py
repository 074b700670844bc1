"""Who was passed over: runs in which others were offered something, and somebody who waits was not."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drf._backend import Client

KEPT = 1000
"""Of so many runs it is known who was offered something, and who declined."""

Given = tuple[Sequence[Client], Sequence[int]]
"""Frameworks in a role that were offered something, and how often each."""


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
    """Of the last runs with offers: who was offered something, and who declined of it. Clients know their last run."""

    def __init__(self) -> None:
        self.runs = 0
        self._log: deque[tuple[int, Given, dict[str, int]]] = deque(maxlen=KEPT)

    def began(self, client: Client) -> None:
        """It waits for offers from now on; O(1)."""
        client.last = self.runs

    def ended(self, client: Client) -> None:
        """It waits no more; O(1)."""
        client.last, client.since = 0, None

    def ran(self, given: Given) -> None:
        """The next run made offers to these clients, so many to each; O(1)."""
        if given[0]:
            self.runs += 1
            self._log.append((self.runs, given, {}))

    def declined(self, clients: Iterable[Client]) -> None:
        """They declined an offer each; O(of them)."""
        if self._log:
            back = self._log[-1][2]
            for client in clients:
                back[client.framework] = back.get(client.framework, 0) + 1

    def of(self, client: Client) -> Starving | None:
        """In which runs it was passed over since it was last offered something, None for none; O(offers kept)."""
        if client.last == self.runs:
            return None
        offered: Counter[str] = Counter()
        declined: Counter[str] = Counter()
        for run, (clients, counts), back in reversed(self._log):
            if run <= client.last:
                break
            for other, count in zip(clients, counts, strict=True):
                offered[other.framework] += count
            declined.update(back)
        runs = self.runs - client.last
        who = (client.framework, client.role)
        return Starving(*who, runs, client.since, dict(offered), dict(declined))
