"""What must be so of an elector, whatever happens to its candidates: `check_elector`."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from drf.errors import UnknownName
from drf.plugins import ELECTORS, Elector, Standing, load
from drf.testing.history import Broken
from drf.testing.results import FAILS, HOLDS, Findings, Result, Setting

ElectorFactory: TypeAlias = "Callable[[str], Elector]"

ELECTOR_INVARIANTS = ("verbs", "one_leader", "succession", "terms", "identity")
"""What is judged.

* ``verbs``: nothing raises, ``campaign`` gives a `Standing`, ``interval`` is a number of seconds above 0.
* ``one_leader``: at most one candidate leads.
* ``succession``: who leads goes on leading while it stands; where nobody leads, one who stands soon does.
* ``terms``: every change of leader brings a larger term, and a leader that stands on keeps its term.
* ``identity``: everybody who names a leader names the one who leads; nobody leads under another's name.
"""

CANDIDATES = 3


def check_elector(
    elector: str | ElectorFactory,
    *,
    invariants: tuple[str, ...] | list[str] = ELECTOR_INVARIANTS,
    candidates: int = CANDIDATES,
    examples: int = 50,
    steps: int = 30,
    seed: int = 0,
) -> Findings:
    """Does an elector elect one leader at a time? Random histories of candidates that stand and resign are tried.

    >>> found = check_elector("file")
    >>> [result.outcome for result in found.results]
    ['holds', 'holds', 'holds', 'holds', 'holds']

    ``elector`` is a name of the group ``drf.electors`` or a factory, called with the identity of each candidate; all of
    one history are candidates of one election, those of another of another. ``alone`` is judged with one candidate,
    ``file`` with a file of its own. Costs ``examples`` histories of so many steps. Raises UnknownName.
    """
    for name in invariants:
        if name not in ELECTOR_INVARIANTS:
            raise UnknownName("invariant", name, ELECTOR_INVARIANTS)
    broken: dict[str, Broken] = {}
    with tempfile.TemporaryDirectory() as folder:
        elections = _elections(elector, Path(folder))
        most = 1 if elector == "alone" else candidates
        for number in range(examples):
            found = _history(next(elections), most, steps, random.Random(f"{seed} {number}"))
            if found is not None and found.invariant not in broken:
                broken[found.invariant] = found
    setting = Setting("random candidates", "campaigns")
    results = [
        Result(name, setting, FAILS, reason=broken[name].text, history=broken[name].history)
        if name in broken
        else Result(name, setting, HOLDS, examples=examples)
        for name in invariants
    ]
    return Findings(getattr(elector, "__name__", str(elector)), tuple(results))


def _elections(elector: str | ElectorFactory, folder: Path) -> Any:
    """A factory of candidates for each election."""
    for number in itertools.count():
        if elector == "file":
            yield partial(load(ELECTORS, "file"), folder / str(number))
        else:
            yield load(ELECTORS, elector) if isinstance(elector, str) else elector


class _Election:
    """Some candidates, what each heard last, and what was said."""

    def __init__(self, make: ElectorFactory, count: int) -> None:
        self.names = [f"m{number}" for number in range(count)]
        self.text: list[str] = []
        self.electors: dict[str, Any] = {}
        for name in self.names:
            self.electors[name] = self.ask("the factory", partial(make, name))
        self.leader: str | None = None
        self.term: int | None = None
        self.last = 0

    def broken(self, invariant: str, text: str) -> Broken:
        return Broken(invariant, text, tuple(self.text))

    def ask(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            raise self.broken("verbs", f"{what} raised {type(error).__name__}: {error}") from error

    def campaign(self, name: str) -> None:
        heard = self.ask(f"campaign of {name}", self.electors[name].campaign)
        self.text.append(f"{name} campaigns: {heard}")
        if not isinstance(heard, Standing) or not isinstance(heard.term, int):
            raise self.broken("verbs", f"campaign of {name} gave {heard!r}, which is no Standing")
        if heard.leads:
            self._leads(name, heard)
        elif self.leader == name:
            raise self.broken("succession", f"{name} led, stands on, and leads no more")
        elif self.leader is None:
            raise self.broken("succession", f"{name} stands, nobody leads, and it is not elected")
        elif heard.leader not in (None, self.leader):
            raise self.broken("identity", f"{name} names {heard.leader}, and {self.leader} leads")

    def _leads(self, name: str, heard: Standing) -> None:
        if self.leader not in (None, name):
            raise self.broken("one_leader", f"{name} leads, and so does {self.leader}")
        if heard.leader != name:
            raise self.broken("identity", f"{name} leads, and is told that {heard.leader} does")
        if self.leader == name and heard.term != self.term:
            raise self.broken("terms", f"{name} leads on, in term {heard.term} after {self.term}")
        if self.leader is None and heard.term <= self.last:
            raise self.broken("terms", f"{name} leads in term {heard.term} after {self.last}")
        self.leader, self.term, self.last = name, heard.term, heard.term

    def resign(self, name: str) -> None:
        self.ask(f"resign of {name}", self.electors[name].resign)
        self.text.append(f"{name} resigns")
        if self.leader == name:
            self.leader = None

    def look(self, name: str) -> None:
        seen = self.ask(f"leader of {name}", self.electors[name].leader)
        self.text.append(f"{name} sees: {seen}")
        if seen not in (None, self.leader):
            raise self.broken("identity", f"{name} sees {seen} lead, and {self.leader} does")


def _history(make: ElectorFactory, count: int, steps: int, draw: random.Random) -> Broken | None:
    try:
        election = _Election(make, count)
        for name, elector in election.electors.items():
            interval = getattr(elector, "interval", None)
            if not isinstance(interval, (int, float)) or not interval > 0:
                raise election.broken("verbs", f"interval of {name} is {interval!r}")
            if getattr(elector, "identity", None) != name:
                raise election.broken("identity", f"{name} calls itself otherwise")
        for _ in range(steps):
            step = draw.choice(
                (election.campaign, election.campaign, election.resign, election.look)
            )
            step(draw.choice(election.names))
        for name in election.names:
            election.resign(name)
        election.look(election.names[0])
    except Broken as broken:
        return broken
    return None
