"""Random histories of an allocator plug-in, and what must be so after each step: `check_allocator`.

Needs the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from drf.errors import UnknownName
from drf.plugins import ALLOCATORS, AllocatorPlugin, load
from drf.resources import ResourceSpace
from drf.testing.history import AGENTS, VERBS, Broken, History
from drf.testing.results import FAILS, HOLDS, Findings, Result, Setting
from drf.testing.searching import Found, check_counts, search

from hypothesis import strategies as st  # isort: skip  (searching has seen that it is there)

AllocatorFactory: TypeAlias = "Callable[..., AllocatorPlugin]"
Progress: TypeAlias = "Callable[[int, int, str], None]"
Step: TypeAlias = "tuple[str, int, int]"

INVARIANTS = ("verbs", "ledger", "no_double_offers", "conservation", "determinism", "no_starvation")
"""What is judged.

* ``verbs``: what is asked rightly is carried out, offers go to who may have them, and ``check()`` finds nothing wrong.
* ``ledger``: what the allocator says that a framework holds is what it was given.
* ``no_double_offers``: nothing is offered that is out, or not there.
* ``conservation``: once everything is back, all of every agent is offered again.
* ``determinism``: the same history brings the same offers.
* ``no_starvation``: while those who have had something longest give it back, everybody is offered something.
"""


def check_allocator(
    allocator: str | AllocatorFactory = "hierarchical",
    *,
    policy: str = "drf",
    invariants: Sequence[str] = INVARIANTS,
    examples: int = 100,
    steps: int = 30,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Findings:
    """Does an allocator plug-in keep its books, and starve nobody? Random histories of its verbs are tried.

    >>> print(check_allocator(examples=5).cell("ledger", Setting("random verbs", "drf")).outcome)
    holds

    ``allocator`` is a name of the group ``drf.allocators`` or a factory, called with the policy, ``space``, ``seed``
    and ``options``. It gives an object with the verbs of `drf.plugins.AllocatorPlugin`; whole agents are offered. A
    history has up to ``steps`` steps; each is followed by a run. What fails is made small, and its ``history`` lists
    the steps. ``invariants`` are of `INVARIANTS`; a policy that is not fair (fifo) may starve. Costs ``examples``
    histories for each invariant. Raises UnknownName and InvalidOption.
    """
    check_counts(examples=examples, steps=steps)
    factory: AllocatorFactory = (
        load(ALLOCATORS, allocator) if isinstance(allocator, str) else allocator
    )
    setting = Setting("random verbs", policy)

    def make() -> AllocatorPlugin:
        return factory(policy, space=ResourceSpace(), seed=seed, **options)

    histories = _histories(steps)
    results = []
    for number, name in enumerate(invariants):
        if name not in INVARIANTS:
            raise UnknownName("invariant", name, INVARIANTS)
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
    return Findings(getattr(allocator, "__name__", str(allocator)), tuple(results))


def _histories(steps: int) -> st.SearchStrategy[list[Step]]:
    """Some agents and frameworks, then any steps, often many: short ones alone break little."""
    number = st.integers(0, 3)
    step = st.tuples(st.sampled_from(VERBS), number, number)
    some = st.lists(number, max_size=AGENTS)
    return st.builds(
        lambda agents, frameworks, rest: [
            *(("add_agent", n, kind) for n, kind in enumerate(agents)),
            *(("add_framework", n, kind) for n, kind in enumerate(frameworks)),
            *rest,
        ],
        some,
        some,
        st.integers(0, steps).flatmap(lambda n: st.lists(step, min_size=n, max_size=n)),
    )


class _Trial:
    """Runs histories and keeps the last one that broke one invariant."""

    def __init__(self, name: str, make: Callable[[], AllocatorPlugin]) -> None:
        self._name, self._make = name, make
        self.count = 0
        self.broken: Broken | None = None

    def __call__(self, steps: Sequence[Step]) -> None:
        try:
            offered = self._run(steps)
            if self._name == "determinism":
                again = self._run(steps)
                if again.log != offered.log:
                    raise offered.broken("determinism", "the same history brought other offers")
        except Broken as broken:
            if broken.invariant == self._name:
                self.broken = broken
                raise Found from None
            return  # another search is for that
        self.count += 1

    def _run(self, steps: Sequence[Step]) -> History:
        history = History(self._make())
        for step in steps:
            history.do(*step)
        if self._name in ("conservation", "determinism", "no_starvation"):
            history.all_back()
        if self._name == "no_starvation":
            history.turns()
        return history
