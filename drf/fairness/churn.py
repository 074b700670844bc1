"""What becomes of a division while tasks end and others start: starvation, agreement with the start, bookkeeping.

Some rules are fair when they fill an empty pool and starve somebody once tasks come and go. What is judged here is
not a rule that divides at once, but one that is asked for the next task: see `Live`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

from drf.errors import PluginError
from drf.fairness.allocation import Allocation
from drf.fairness.hierarchy import guarantee
from drf.fairness.instance import ZERO, Instance
from drf.fairness.verdict import FAILS, HOLDS, IDLE, Verdict, Witness, shown


class Live(Protocol):
    """A pool at work under some rule, for whole tasks. It starts empty."""

    def launch(self) -> str | None:
        """Start one task, of the user whose turn it is; its name, or None where no task fits."""

    def finish(self, user: str) -> None:
        """One task of this user ends, and its resources are free again."""

    def running(self) -> Mapping[str, int]:
        """The tasks that run, by user; a user without tasks may be left out."""


Start: TypeAlias = Callable[[Instance], Live]
"""What is judged: it takes an instance and gives an empty `Live` pool."""


@dataclass
class _Book:
    """The judge's own record of what runs."""

    instance: Instance
    live: Live
    tasks: list[int]

    def fits(self, i: int) -> bool:
        """Whether user i wants a task more and there is room for it."""
        cap = self.instance.most(i)
        return (cap is None or self.tasks[i] < cap) and self.lacking(i) is None

    def allocation(self) -> Allocation:
        return Allocation(tuple((Fraction(x),) for x in self.tasks))

    def fill(self) -> Iterator[int]:
        """Let the pool launch until it says that nothing fits; who got a task, one by one."""
        while (user := self.live.launch()) is not None:
            if user not in self.instance.users:
                raise PluginError(
                    f"launch() named {user!r}, who is not a user of the instance; give a name of it or None"
                )
            i = self.instance.users.index(user)
            if not self.fits(i):
                raise PluginError(
                    f"launch() started a task of {user} with {self._state()}: there is no room for it or it wants "
                    f"none; give None where nothing fits"
                )
            self.tasks[i] += 1
            yield i

    def finish(self, i: int) -> None:
        self.live.finish(self.instance.users[i])
        self.tasks[i] -= 1

    def make_room(self, victim: int) -> None:
        """End one task of the victim, or where it has none, tasks of others until there is room for one of its.

        Of the others the one that holds most of what lacks (of equals the first) ends a task, one after the other.
        """
        demands = self.instance.demands
        if self.tasks[victim]:
            self.finish(victim)
        while (lacking := self.lacking(victim)) is not None:
            held = [x * row[lacking] for x, row in zip(self.tasks, demands, strict=True)]
            self.finish(held.index(max(held)))

    def lacking(self, i: int) -> int | None:
        """The first resource of which less is free than a task of user i needs."""
        used = self.allocation().used(self.instance, 0)
        return next(
            (
                j
                for j, (u, c) in enumerate(zip(used, self.instance.machines[0], strict=True))
                if u + self.instance.demands[i][j] > c
            ),
            None,
        )

    def _state(self) -> str:
        return ", ".join(f"{u} {x}" for u, x in zip(self.instance.users, self.tasks, strict=True))


def _open(start: Start, instance: Instance) -> _Book:
    return _Book(instance, start(instance), [0] * len(instance.users))


def _unfit(name: str, instance: Instance) -> Verdict | None:
    if instance.divisible or not instance.pooled or not instance.scalar:
        return Verdict(name, IDLE, "it is for whole tasks in one pool and one weight a user")
    return None


def _victims(instance: Instance, victims: Iterable[str] | None) -> list[str]:
    """Those of these users (None: of all) who want a task and have room for one in an empty pool."""
    empty = Allocation(((ZERO,),) * len(instance.users))
    return [
        user
        for i, user in enumerate(instance.users)
        if (victims is None or user in victims)
        and empty.wants(instance, i)
        and instance.runnable(i, instance.machines[0]) >= 1
    ]


def no_starvation(
    start: Start,
    instance: Instance,
    *,
    victims: Iterable[str] | None = None,
    patience: int | None = None,
) -> Verdict:
    """Nobody who is below its due, and whose task fits, is passed over for long.

    The pool is filled; then, for each of ``victims`` (all, if left out) in a pool of its own, tasks end: one of the
    victim, or once it has none as many of others as make room for one of its; after that the pool is filled again.
    Passed over is who got nothing although its task had room before that, and its dominant share was below its due:
    that of `guarantee` times (1 - the shares of one task of each user). ``patience`` is how many times in a row are
    too many, as many as tasks ran at first if left out; the pool is filled three times as often.

    Naive hierarchies (Mesos, YARN) fail; flat DRF and H-DRF hold. Raises PluginError where the pool launches what has
    no room.
    """
    name = "no_starvation"
    unfit = _unfit(name, instance)
    if unfit is not None:
        return unfit
    slack = 1 - sum((instance.per_task(i) for i in range(len(instance.users))), ZERO)
    for victim in _victims(instance, victims):
        book = _open(start, instance)
        at_first = len(list(book.fill()))
        i = instance.users.index(victim)
        limit = at_first if patience is None else patience
        due = guarantee(instance, victim) * slack
        passed = 0
        for _ in range(3 * limit):
            book.make_room(i)
            below = book.tasks[i] * instance.per_task(i) < due
            could = below and book.fits(i)
            got = i in list(book.fill())
            passed = 0 if got or not below else passed + int(could)
            if passed >= max(1, limit):
                share = book.tasks[i] * instance.per_task(i)
                text = (
                    f"{victim} holds a dominant share of {shown(share)}, is due {shown(due)}, and was passed over "
                    f"{passed} times in a row although its task had room"
                )
                a = book.allocation()
                witness = Witness(instance, a, victim, share, due, "dominant share", text)
                return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def static_agreement(
    start: Start, instance: Instance, *, victims: Iterable[str] | None = None, rounds: int = 20
) -> Verdict:
    """Where all resources are full, tasks that came and went leave everybody within one task of the first filling.

    Tasks end as in no_starvation, ``rounds`` times for each victim. Judged only where everything is
    used up, before and after (Bhattacharya et al., SoCC 2013, Theorem 1: dynamic and static H-DRF agree then). For
    whole tasks in one pool. Raises PluginError where the pool launches what has no room.
    """
    name = "static_agreement"
    unfit = _unfit(name, instance)
    if unfit is not None:
        return unfit
    judged = 0
    for victim in _victims(instance, victims):
        book = _open(start, instance)
        list(book.fill())
        first = book.allocation()
        i = instance.users.index(victim)
        for _ in range(rounds):
            book.make_room(i)
            list(book.fill())
        after = book.allocation()
        if not all(first.full(instance, 0)) or not all(after.full(instance, 0)):
            continue
        judged += 1
        for k, user in enumerate(instance.users):
            due, got = first.tasks[k], after.tasks[k]
            if abs(due - got) > 1:
                text = (
                    f"{user} ran {shown(due)} tasks when the pool was filled, and {shown(got)} after those of "
                    f"{victim} had ended {rounds} times"
                )
                witness = Witness(instance, after, user, got, due, "tasks", text, victim)
                return Verdict(name, FAILS, "", witness)
    if not judged:
        return Verdict(name, IDLE, "not everything is used up in this instance")
    return Verdict(name, HOLDS)


def bookkeeping(start: Start, instance: Instance, *, rounds: int = 20) -> Verdict:
    """After every start and end of a task, the pool reports what the judge counted: nothing is taken back.

    The pool is filled, and ``rounds`` tasks end in turn, each followed by a filling. For whole tasks in one pool.
    Raises PluginError where the pool launches what has no room.
    """
    name = "bookkeeping"
    unfit = _unfit(name, instance)
    if unfit is not None:
        return unfit
    book = _open(start, instance)
    for turn in range(rounds + 1):
        for _ in book.fill():
            if (verdict := _disagreement(name, book)) is not None:
                return verdict
        having = [i for i, x in enumerate(book.tasks) if x]
        if not having:
            break
        book.finish(having[turn % len(having)])
        if (verdict := _disagreement(name, book)) is not None:
            return verdict
    return Verdict(name, HOLDS)


def _disagreement(name: str, book: _Book) -> Verdict | None:
    says = book.live.running()
    for user, x in zip(book.instance.users, book.tasks, strict=True):
        got = Fraction(says.get(user, 0))
        if got != x:
            text = f"{user} runs {x} tasks by count, and {shown(got)} by what the pool reports"
            witness = Witness(
                book.instance, book.allocation(), user, got, Fraction(x), "tasks", text
            )
            return Verdict(name, FAILS, "", witness)
    return None
