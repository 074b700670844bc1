"""Random histories of a master, with faults of all kinds, and what must be so of what it says: `check_master`.

Needs the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from drf.errors import InvalidOption, UnknownName
from drf.plugins import MASTERS, load
from drf.testing.cluster import AGENT_TIMEOUT, AGENTS, RESEND, SCHEDULERS, VERBS, Cluster, Make
from drf.testing.history import Broken
from drf.testing.results import FAILS, HOLDS, Findings, Result, Setting
from drf.testing.searching import Found, check_counts, search

from hypothesis import strategies as st  # isort: skip  (searching has seen that it is there)

Progress: TypeAlias = "Callable[[int, int, str], None]"
Step: TypeAlias = "tuple[str, int, int]"

MASTER_INVARIANTS = (
    "verbs",
    "offers",
    "rescinds",
    "once",
    "tasks",
    "statuses",
    "failover",
    "conservation",
    "determinism",
)
"""What is judged.

* ``verbs``: what comes is taken in, and ``check()`` finds nothing wrong.
* ``offers``: only what is there is offered, once, to who takes part, in a role of it.
* ``rescinds``: offers of agents that are away are rescinded, and no others.
* ``once``: no task is run twice, or without being launched on offers that are open.
* ``tasks``: what was launched is run; in the end its framework knows of each task whether it runs, and what was to be
  killed does not.
* ``statuses``: the end of a task is told, as its agent told it, to its framework alone, until that acknowledges it.
* ``failover``: a framework that comes back in time finds its tasks, and the tasks of one that does not end.
* ``conservation``: once all frameworks are done, all of every agent is offered again.
* ``determinism``: the same history brings the same messages.
"""

ENDED = ("tasks", "statuses", "failover", "once")
"""What is known for certain when everybody is back."""


def check_master(
    master: str | Make,
    *,
    invariants: Sequence[str] = MASTER_INVARIANTS,
    examples: int = 100,
    steps: int = 40,
    seed: int = 0,
    progress: Progress | None = None,
) -> Findings:
    """Does a master keep what it promises, whatever breaks? Random histories of a cluster around it are tried.

    >>> from drf.masters.core import Master
    >>> print(check_master(Master, examples=5).cell("offers", Setting("random faults", "messages")).outcome)
    holds

    ``master`` is a name of the group ``drf.masters`` or a factory, called with ``agent_timeout``, ``resend`` and
    ``epoch``; it gives an object with ``handle`` as `drf.masters.core.Master` has it (see
    `drf.plugins.MasterPlugin` for what it may have besides). Agents and schedulers are simulated; connections
    break, they crash, and masters follow one another. A history has up to ``steps`` steps. What fails is made small,
    and its ``history`` lists events and messages. ``invariants`` are of `MASTER_INVARIANTS`. Costs ``examples``
    histories for each invariant. Raises UnknownName and InvalidOption.
    """
    check_counts(examples=examples, steps=steps)
    make: Make = load(MASTERS, master) if isinstance(master, str) else master
    _try(make, str(master))
    setting = Setting("random faults", "messages")
    histories = _histories(steps)
    results = []
    for number, name in enumerate(invariants):
        if name not in MASTER_INVARIANTS:
            raise UnknownName("invariant", name, MASTER_INVARIANTS)
        if progress is not None:
            progress(number, len(invariants), name)
        trial = _Trial(name, make)
        search(histories, trial, examples=examples, seed=seed)
        if trial.broken is None:
            results.append(Result(name, setting, HOLDS, examples=trial.count))
        else:
            results.append(
                Result(name, setting, FAILS, reason=trial.broken.text, history=trial.broken.history)
            )
    if progress is not None:
        progress(len(invariants), len(invariants), "")
    return Findings(getattr(master, "__name__", str(master)), tuple(results))


def _try(make: Make, name: str) -> None:
    """A factory that makes no master is a slip of who calls, and no finding."""
    try:
        found = make(agent_timeout=AGENT_TIMEOUT, resend=RESEND, epoch=0)
    except TypeError as error:
        raise InvalidOption(
            f"master {name} cannot be made with agent_timeout, resend and epoch: {error}; "
            f"give a factory that takes these, around the master's core"
        ) from error
    if not callable(getattr(found, "handle", None)):
        raise InvalidOption(f"master {name} is {found!r}, which has no handle(event)")


def _histories(steps: int) -> st.SearchStrategy[list[Step]]:
    """Some agents and schedulers that ask for tasks and launch some, then any steps."""
    number = st.integers(0, 3)
    step = st.tuples(st.sampled_from(VERBS), number, number)
    agents = st.lists(number, max_size=AGENTS)
    schedulers = st.lists(number, max_size=SCHEDULERS)
    moves = st.lists(number, max_size=4)
    return st.builds(
        lambda agents, schedulers, moves, rest: [
            *(("join", n, kind) for n, kind in enumerate(agents)),
            *(("connect", n, kind) for n, kind in enumerate(schedulers)),
            *(("request", n, kind) for n, kind in enumerate(schedulers)),
            ("all", 0, 0),
            ("tick", 0, 0),
            ("all", 0, 0),
            *(("launch", n, kind) for n, kind in enumerate(moves)),
            *([("all", 0, 0)] if moves else []),
            *(("step", n, kind) for n, kind in enumerate(moves)),
            *rest,
        ],
        agents,
        schedulers,
        moves,
        st.integers(0, steps).flatmap(lambda n: st.lists(step, min_size=n, max_size=n)),
    )


class _Trial:
    """Runs histories and keeps the last one that broke one invariant."""

    def __init__(self, name: str, make: Make) -> None:
        self._name, self._make = name, make
        self.count = 0
        self.broken: Broken | None = None

    def __call__(self, steps: Sequence[Step]) -> None:
        try:
            told = self._run(steps)
            if self._name == "determinism" and self._run(steps).log != told.log:
                raise told.broken("determinism", "the same history brought other messages")
        except Broken as broken:
            if broken.invariant == self._name:
                self.broken = broken
                raise Found from None
            return  # another search is for that
        self.count += 1

    def _run(self, steps: Sequence[Step]) -> Cluster:
        cluster = Cluster(self._make)
        for step in steps:
            cluster.do(*step)
        if self._name == "conservation":
            cluster.all_back()
        elif self._name in ENDED:
            cluster.settle()
        return cluster
