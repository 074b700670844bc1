"""The two kernels side by side: equal, never close; and each against a list that is sorted anew at every question."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import math
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drf
from drf import _backend
from drf.benchmarks import ordering
from drf.errors import BackendUnavailable, InvalidOption

PACKAGE = Path(drf.__file__).parent
LIMIT = 1 << 53


@pytest.fixture(scope="session")
def kernels(twins: object) -> tuple[ModuleType, ModuleType]:
    """The pure kernel and the compiled one."""
    return importlib.import_module("drf._purepath"), importlib.import_module("drf._fastpath")


# -- the order


class Unknown(Exception):
    pass


class Overdrawn(Exception):
    pass


class Overflown(Exception):
    pass


class Undemanded(Exception):
    pass


def plain(kernel: ModuleType) -> Any:
    """An order with the least around it: amounts are tuples, hooks raise."""

    class Plain(kernel.Order):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[object] = []

        def _unknown(self, client: object) -> None:
            raise Unknown(client)

        def _vector(self, resources: tuple[int, ...]) -> Any:
            return kernel.Vector(tuple(resources), self._owner)

        def _overdrawn(self, client: str, vector: Any) -> None:
            raise Overdrawn(client, vector.amounts)

        def _overflown(self, client: str, vector: Any) -> None:
            raise Overflown(client, vector.amounts)

        def _moved(self, client: str, resources: Any, agent: str | None, sign: int) -> None:
            self.seen.append((client, resources, agent, sign))

        def _descended(self) -> str:
            return "below"

        def _undemanded(self, client: str) -> None:
            raise Undemanded(client)

        def _served(self, k: int, demands: dict[str, Any]) -> list[str]:
            self.seen.append((k, demands))
            return []

    return Plain()


class Client:
    def __init__(self, columns: int, weight: float | tuple[float, ...], active: bool) -> None:
        self.held = [0] * columns
        self.grants = 0
        self.weight = weight
        self.active = active


class Brute:
    """The rule, word for word: each question computes every share and sorts every client."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.counted: list[bool] = []
        self.clients: dict[str, Client] = {}

    def share(self, name: str) -> float:
        client = self.clients[name]
        shares = [0.0]
        for j, (total, counted) in enumerate(zip(self.totals, self.counted, strict=True)):
            if counted and total:
                share = client.held[j] / total
                weight = client.weight
                shares.append(share / weight[j] if isinstance(weight, tuple) else share)
        best = max(shares)
        return best if isinstance(client.weight, tuple) else best / client.weight

    def sort(self) -> list[str]:
        return sorted(
            (name for name, client in self.clients.items() if client.active),
            key=lambda name: (self.share(name), self.clients[name].grants, name),
        )


class LockStep:
    """A pure order, a compiled one and the brute one, driven by the same verbs and compared after each."""

    def __init__(self, kernels: Iterable[ModuleType], columns: int) -> None:
        self.both = [plain(kernel) for kernel in kernels]
        self.brute = Brute()
        for _ in range(columns):
            self.add_column()

    def compare(self, names: Iterable[str] = (), *, brute: bool = True) -> None:
        pure, fast = self.both
        order = pure.sort()
        assert fast.sort() == order
        assert pure._check() is fast._check() is None
        assert pure.next() == fast.next() == (order[0] if order else None)
        for k in (0, 1, 2, len(order) // 2, len(order) + 1):
            assert pure.first(k) == fast.first(k) == order[:k]
        assert len(pure) == len(fast) == len(self.brute.clients)
        for name in names:
            if name in self.brute.clients:
                client = self.brute.clients[name]
                assert pure.share(name) == fast.share(name) == self.brute.share(name)
                assert pure.grants(name) == fast.grants(name) == client.grants
                assert pure._get_held(name) == fast._get_held(name) == tuple(client.held)
                assert pure._get_weight(name) == fast._get_weight(name) == client.weight
                assert pure._is_active(name) is fast._is_active(name) is client.active
            else:
                assert name not in pure
                assert name not in fast
                self.each("share", name)
                self.each("grants", name)
        if brute:
            assert order == self.brute.sort()
            assert pure._get_totals() == fast._get_totals() == tuple(self.brute.totals)
            assert pure._clients() == fast._clients() == list(self.brute.clients)

    def each(self, verb: str, *args: Any, **options: Any) -> None:
        """The verb on both: the same answer or the same refusal."""
        outcomes: list[object] = []
        for order in self.both:
            try:
                outcomes.append(getattr(order, verb)(*args, **options))
            except (Unknown, Overdrawn, Overflown, Undemanded) as refusal:
                outcomes.append((type(refusal), refusal.args))
        assert outcomes[0] == outcomes[1]

    def add_column(self) -> None:
        self.each("_add_column")
        self.brute.totals.append(0)
        self.brute.counted.append(True)
        for client in self.brute.clients.values():
            client.held.append(0)
            if isinstance(client.weight, tuple):
                client.weight = (*client.weight, 1.0)

    def set_total(self, column: int, units: int) -> None:
        self.each("_set_total", column, units)
        self.brute.totals[column] = units

    def set_counted(self, column: int, counted: bool) -> None:
        self.each("_set_counted", column, counted)
        self.brute.counted[column] = counted

    def add(self, name: str, weight: float | tuple[float, ...], active: bool) -> None:
        self.each("_add_row", name, weight, active)
        self.brute.clients[name] = Client(len(self.brute.totals), weight, active)

    def remove(self, name: str) -> None:
        self.each("_remove_row", name)
        del self.brute.clients[name]

    def set_active(self, name: str, active: bool) -> None:
        self.each("_set_active", name, active)
        self.brute.clients[name].active = active

    def set_weight(self, name: str, weight: float | tuple[float, ...]) -> None:
        self.each("_set_weight", name, weight)
        self.brute.clients[name].weight = weight

    def allocated(self, name: str, amounts: tuple[int, ...]) -> None:
        self.each("allocated", name, amounts)
        client = self.brute.clients.get(name)
        if client and all(h + q <= LIMIT for h, q in zip(client.held, amounts, strict=False)):
            for j, q in enumerate(amounts):
                client.held[j] += q
            client.grants += 1

    def unallocated(self, name: str, amounts: tuple[int, ...]) -> None:
        self.each("unallocated", name, amounts)
        client = self.brute.clients.get(name)
        if client and all(h >= q for h, q in zip(client.held, amounts, strict=False)):
            for j, q in enumerate(amounts):
                client.held[j] -= q

    def serve(self, k: int, demands: dict[str, tuple[int, ...]], ready: bool) -> None:
        """As many steps one by one on the brute one; all or, where one is refused, none."""
        due: object = []
        after = copy.deepcopy(self.brute)
        for _ in range(k):
            name = next(iter(after.sort()), None)
            if name is None:
                break
            if name not in demands:
                due = (Undemanded, (name,))
                break
            client = after.clients[name]
            if any(h + q > LIMIT for h, q in zip(client.held, demands[name], strict=False)):
                due = (Overflown, (name, demands[name]))
                break
            for j, q in enumerate(demands[name]):
                client.held[j] += q
            client.grants += 1
            due.append(name)  # type: ignore[attr-defined]
        if isinstance(due, list):
            self.brute = after
        found = []
        for order in self.both:
            given = {n: order._vector(d) for n, d in demands.items()} if ready else demands
            try:
                found.append(order.serve(k, given))
            except (Undemanded, Overflown) as refusal:
                found.append((type(refusal), refusal.args))
        assert found == [due, due]

    def charge(self, name: str, amounts: tuple[int, ...], sign: int, grants: int) -> None:
        """As the wrapper does: what was checked before."""
        client = self.brute.clients[name]
        room = [LIMIT - h if sign > 0 else h for h in client.held]
        amounts = tuple(min(q, r) for q, r in zip(amounts, room, strict=False))
        for order in self.both:
            order._charge(name, order._vector(amounts), sign, grants)
        for j, q in enumerate(amounts):
            client.held[j] += sign * q
        client.grants += grants

    def set_state(self, name: str, held: tuple[int, ...], grants: int) -> None:
        self.each("_set_state", name, held, grants)
        client = self.brute.clients[name]
        client.held, client.grants = list(held), grants

    def shift(self, name: str, old: tuple[int, ...], new: tuple[int, ...]) -> None:
        """As the wrapper does: only what is held, and no more than the limit."""
        held = self.brute.clients[name].held
        old = tuple(min(q, h) for q, h in zip(old, held, strict=False))
        after = [h - q for h, q in zip(held, old, strict=False)]
        new = tuple(min(q, LIMIT - h) for q, h in zip(new, after, strict=False))
        for order in self.both:
            order._charge(name, order._vector(old), -1, 0)
            order._charge(name, order._vector(new), 1, 0)
        for j, (before, now) in enumerate(zip(old, new, strict=True)):
            held[j] += now - before


NAMES = [
    "",
    "a",
    "aa",
    "aä",
    "b",
    "B",
    "a.b",
    "ä",
    "\U0001f600",
    "\ufffd",
    "日本",
    "a\0b",
    "z" * 40,
]
"""Order of code points is order of UTF-8 bytes; UTF-16 would put the emoji before U+FFFD."""
AMOUNTS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 6]), st.sampled_from([LIMIT // 3, LIMIT // 2, LIMIT - 1, LIMIT])
)
TOTALS = st.sampled_from([0, 1, 3, 6, 7, 9, 12, LIMIT - 1, LIMIT])
WEIGHTS = st.sampled_from([1.0, 2.0, 0.5, 1 / 3, 0.1, 1e-300, 1e300])
COLUMNS = 3
vectors = st.lists(AMOUNTS, min_size=COLUMNS, max_size=COLUMNS).map(tuple)
short = st.lists(AMOUNTS, max_size=COLUMNS).map(tuple)  # columns that came later count as zeros
weights = st.one_of(WEIGHTS, st.lists(WEIGHTS, min_size=COLUMNS, max_size=COLUMNS).map(tuple))
names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("add"), names, weights, st.booleans()),
    st.tuples(st.just("remove"), names),
    st.tuples(st.just("set_active"), names, st.booleans()),
    st.tuples(st.just("set_weight"), names, weights),
    st.tuples(st.just("set_total"), st.integers(0, COLUMNS - 1), TOTALS),
    st.tuples(st.just("set_counted"), st.integers(0, COLUMNS - 1), st.booleans()),
    st.tuples(st.just("allocated"), names, short),
    st.tuples(st.just("unallocated"), names, short),
    st.tuples(st.just("shift"), names, vectors, vectors),
    st.tuples(st.just("charge"), names, short, st.sampled_from([1, -1]), st.integers(0, 2)),
    st.tuples(st.just("set_state"), names, vectors, st.integers(0, 5)),
    st.tuples(st.just("serve"), st.integers(-1, 12), st.dictionaries(names, short), st.booleans()),
    st.tuples(
        st.just("serve"),
        st.integers(1, 12),
        st.fixed_dictionaries(dict.fromkeys(NAMES, short)),
        st.booleans(),
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    totals=st.lists(TOTALS, min_size=COLUMNS, max_size=COLUMNS),
    script=st.lists(st.tuples(steps, st.booleans()), max_size=80),
)
def test_order_is_equal_on_both_kernels_and_sorted(
    kernels: tuple[ModuleType, ModuleType],
    totals: list[int],
    script: list[tuple[tuple[Any, ...], bool]],
) -> None:
    """Questions are asked after some steps only: an order that is stale goes through other paths."""
    lock = LockStep(kernels, COLUMNS)
    for column, units in enumerate(totals):
        lock.set_total(column, units)
    for name in NAMES[:4]:
        lock.add(name, 1.0, True)
    lock.compare(NAMES)
    for (verb, *args), ask in script:
        there = args[0] in lock.brute.clients
        if verb == "add" and there:
            continue
        needs = ("remove", "set_active", "set_weight", "shift", "charge", "set_state")
        if verb in needs and not there:
            continue
        getattr(lock, verb)(*args)
        if ask:
            lock.compare(NAMES)
    lock.compare(NAMES)


@pytest.mark.parametrize("clients", [40, 300, 700])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), levels=st.sampled_from([1, 5, 10**6]))
def test_order_is_equal_where_blocks_split_and_empty(
    kernels: tuple[ModuleType, ModuleType], clients: int, seed: int, levels: int
) -> None:
    """Few levels of amounts make many ties; a block holds at most 256 entries, a rebuilt one 128."""
    draw = random.Random(seed)
    lock = LockStep(kernels, 2)
    lock.set_total(0, 10 * levels)
    lock.set_total(1, 7 * levels)
    lock.compare()
    there = [f"c{draw.randrange(10**9)}" for _ in range(clients)]
    for name in there:
        lock.add(name, draw.choice([1.0, 1.0, 2.0, (1.0, 3.0)]), draw.random() < 0.9)
        if draw.random() < 0.5:
            lock.allocated(name, (draw.randint(0, levels), draw.randint(0, levels)))
    lock.compare(there)
    for step in range(120):
        name = draw.choice(there)
        what = draw.random()
        if step % 10 == 0:
            some = {n: (draw.randint(0, levels), draw.randint(0, levels)) for n in there}
            if step % 40 == 0:
                del some[name]
            lock.serve(draw.randint(1, 40), some, step % 20 == 0)
        elif what < 0.45:  # the hot path: who is first gets one more
            first = lock.both[0].next() or name
            lock.allocated(first, (draw.randint(0, levels), draw.randint(0, levels)))
        elif what < 0.6:
            lock.unallocated(name, tuple(draw.randint(0, h) for h in lock.brute.clients[name].held))
        elif what < 0.7:
            lock.remove(name)
            lock.add(name, 1.0, True)
        elif what < 0.8:
            lock.set_active(name, draw.random() < 0.5)
        elif what < 0.9:
            each = tuple(draw.choice([0.5, 1.0, 2.0]) for _ in lock.brute.totals)
            lock.set_weight(name, draw.choice([1.0, 4.0, each]))
        elif what < 0.95:
            lock.set_total(draw.randrange(2), draw.randint(0, 20 * levels))
        elif step % 2:
            # Everybody leaves the front block, one after the other.
            for gone in lock.both[0].first(20):
                lock.set_active(gone, False)
        else:
            lock.add_column()
        if draw.random() < 0.7:
            lock.compare([name], brute=step % 12 == 0)
    lock.compare(there)


def test_columns_and_rows_grow_past_any_room(kernels: tuple[ModuleType, ModuleType]) -> None:
    lock = LockStep(kernels, 0)
    lock.compare()
    for i in range(70):  # room starts at 16 rows and 4 columns, and doubles
        lock.add(f"c{i % 7}{i}", tuple([2.0] * (i // 5)) if i % 3 == 0 else 1.0, True)
        if i % 5 == 4:
            lock.add_column()
            lock.set_total(i // 5, 10 + i)
        lock.allocated(f"c{i % 7}{i}", tuple(range(len(lock.brute.totals))))
        lock.compare([f"c{j % 7}{j}" for j in range(i + 1)])


def test_a_name_that_comes_back_starts_anew(kernels: tuple[ModuleType, ModuleType]) -> None:
    lock = LockStep(kernels, 1)
    lock.set_total(0, 10)
    lock.add("a", 1.0, True)
    lock.add("b", 1.0, True)
    lock.allocated("a", (5,))
    assert [order.next() for order in lock.both] == ["b", "b"]
    lock.remove("b")  # the name that next() returned last: the compiled kernel remembers its row
    lock.each("share", "b")
    lock.allocated("b", (1,))
    lock.compare("ab")
    lock.add("b", 1.0, False)
    lock.add("c", (3.0,), True)  # in the row that "b" had
    lock.compare("abc")
    lock.allocated("b", (1,))
    lock.compare("abc")


def test_ties_are_broken_by_grants_then_name(kernels: tuple[ModuleType, ModuleType]) -> None:
    lock = LockStep(kernels, 1)
    lock.set_total(0, 12)
    for name in ("b", "a", "c"):
        lock.add(name, 1.0, True)
    lock.allocated("a", (2,))  # a: 2/12 in one grant
    lock.allocated("b", (1,))
    lock.allocated("b", (1,))  # b: 2/12 in two
    lock.allocated("c", (2,))  # c: 2/12 in one
    assert [order.sort() for order in lock.both] == [["a", "c", "b"]] * 2
    lock.unallocated("b", (0,))  # gives no grant back
    assert [order.grants("b") for order in lock.both] == [2, 2]
    lock.compare("abc")


def test_refusals_change_nothing(kernels: tuple[ModuleType, ModuleType]) -> None:
    for kernel in kernels:
        order = plain(kernel)
        order._add_column()
        order._set_total(0, LIMIT)
        order._add_row("a", 1.0, True)
        order.allocated("a", (LIMIT - 1,))
        before = (order.sort(), order.share("a"), order.grants("a"), order._get_held("a"))
        with pytest.raises(Overflown):
            order.allocated("a", (2,))
        with pytest.raises(Overdrawn):
            order.unallocated("a", (LIMIT,))
        for verb, args in (
            ("allocated", ("x", (1,))),
            ("unallocated", ("x", (1,))),
            ("share", ("x",)),
            ("grants", ("x",)),
        ):
            with pytest.raises(Unknown, match="x"):
                getattr(order, verb)(*args)
        after = (order.sort(), order.share("a"), order.grants("a"), order._get_held("a"))
        assert after == before
        assert order._check() is None


def test_what_concerns_agents_or_trees_is_left_to_the_wrapper(
    kernels: tuple[ModuleType, ModuleType],
) -> None:
    for kernel in kernels:
        order = plain(kernel)
        order._add_column()
        order._add_row("a", 1.0, True)
        order.allocated("a", (1,), agent="m")
        order.unallocated("nobody", "anything", agent="m")
        order._apart = True
        order.allocated("a", (2,))
        order.unallocated("a", (3,))
        assert order.seen == [
            ("a", (1,), "m", 1),
            ("nobody", "anything", "m", -1),
            ("a", (2,), None, 1),
            ("a", (3,), None, -1),
        ]
        assert order._get_held("a") == (0,)
        assert order.grants("a") == 0
        order._apart = False
        order.allocated("a", (2,))
        assert order._get_held("a") == (2,)
        assert order.next() == "a"
        order._nested = True
        assert order.next() == "below"
        assert order.serve(3, {"a": (1,)}) == []
        order._nested, order._apart = False, True
        assert order.serve(4, {}) == []
        assert order.seen[4:] == [(3, {"a": (1,)}), (4, {})]


def test_a_vector_of_another_order_is_not_taken_as_it_is(
    kernels: tuple[ModuleType, ModuleType],
) -> None:
    for kernel in kernels:
        one, other = plain(kernel), plain(kernel)
        for order in (one, other):
            order._add_column()
            order._set_total(0, 10)
            order._add_row("a", 1.0, True)
        vector = one._vector((3,))
        one.allocated("a", vector)
        assert one._get_held("a") == (3,)
        assert vector.amounts == (3,)
        assert vector.owner is one._owner
        with pytest.raises(TypeError):
            other.allocated("a", vector)  # goes through the hook, which wants a tuple here
        assert other._get_held("a") == (0,)


def test_listings_are_the_callers_own(kernels: tuple[ModuleType, ModuleType]) -> None:
    for kernel in kernels:
        order = plain(kernel)
        order._add_row("a", 1.0, True)
        order.sort().clear()
        order.first(1).clear()
        assert order.sort() == ["a"]


# -- filling

SMALL = st.integers(0, 30)


@st.composite
def fillings(draw: st.DrawFn) -> tuple[Any, ...]:
    users = draw(st.integers(0, 6))
    columns = draw(st.integers(1, 3))
    unit = draw(st.sampled_from([1, 1, 1, LIMIT // 30 - 1]))
    capacity = [unit * draw(SMALL) for _ in range(columns)]
    demands = [[unit * draw(st.integers(0, 4)) for _ in range(columns)] for _ in range(users)]
    for demand in demands:
        if not any(demand):
            demand[draw(st.integers(0, columns - 1))] = unit
    weight = st.sampled_from([1.0, 1.0, 2.0, 0.5, 1 / 3, 1e-5, 1e5])
    row = st.one_of(weight, st.lists(weight, min_size=columns, max_size=columns).map(tuple))
    return (
        demands,
        capacity,
        [draw(st.sampled_from([c, c, c, 0])) for c in capacity],
        [draw(row) for _ in range(users)],
        [draw(st.sampled_from([-1, -1, 0, 1, 2, 5])) for _ in range(users)],
        draw(st.permutations(range(users))),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()),
    )


def filled_one_by_one(
    demands: list[list[int]],
    capacity: list[int],
    counted: list[int],
    weights: list[Any],
    caps: list[int],
    ranks: list[int],
    by_grants: bool,
    stop: bool,
    want_steps: bool,
) -> tuple[list[int], list[int]]:
    """The same by looking at everybody before each task."""
    free, tasks, picks = list(capacity), [0] * len(demands), []
    open_ = set(range(len(demands)))

    def key(i: int) -> tuple[Any, ...]:
        parts = [0.0]
        for j, total in enumerate(counted):
            if total:
                part = tasks[i] * demands[i][j] / total
                parts.append(part / weights[i][j] if isinstance(weights[i], tuple) else part)
        share = max(parts)
        share = share if isinstance(weights[i], tuple) else share / weights[i]
        return (share, tasks[i] if by_grants else 0, ranks[i])

    while open_:
        i = min(open_, key=key)
        if tasks[i] == caps[i]:
            open_.remove(i)
        elif any(q > f for q, f in zip(demands[i], free, strict=True)):
            if stop:
                break
            open_.remove(i)
        else:
            free = [f - q for f, q in zip(free, demands[i], strict=True)]
            tasks[i] += 1
            picks.append(i)
    return tasks, picks if want_steps else []


@settings(max_examples=400, deadline=None)
@given(problem=fillings())
def test_fill_is_equal_on_both_kernels_and_by_the_rule(
    kernels: tuple[ModuleType, ModuleType], problem: tuple[Any, ...]
) -> None:
    pure, fast = (kernel.fill(*problem) for kernel in kernels)
    assert pure == fast == filled_one_by_one(*problem)


def test_fill_rounds_alike_where_fractions_tie(kernels: tuple[ModuleType, ModuleType]) -> None:
    """Shares that are equal as fractions, (1/10) / (1/3) and 3/10, are told apart, or not, by how they are rounded."""
    draw = random.Random(20)
    odd = [1 / 3, 3.0, 0.1, 0.7, 7.0, 1.0]
    for _ in range(1500):
        users, columns = draw.randint(2, 4), draw.randint(1, 3)
        capacity = [draw.choice([10, 21, 30, 49]) for _ in range(columns)]
        demands = [[draw.randint(1, 3) for _ in range(columns)] for _ in range(users)]
        weights: list[Any] = [tuple(draw.choice(odd) for _ in range(columns)) for _ in range(users)]
        if draw.random() < 0.5:
            weights = [weight[0] for weight in weights]
        rest = ([-1] * users, list(range(users)), False, False, True)
        pure, fast = (k.fill(demands, capacity, capacity, weights, *rest) for k in kernels)
        assert pure == fast


def test_fill_gives_the_papers_example(kernel: ModuleType) -> None:
    # Ghodsi et al., Table 1: 9 CPUs, 18 GB; A <1, 4> is dominated by memory, B <3, 1> by CPU.
    # Shares after each pick (A, B): B 0, 1/3; A 2/9, 1/3; A 4/9, 1/3; B 4/9, 2/3; A 2/3, 2/3: CPUs are used up.
    demands, capacity = [[1, 4], [3, 1]], [9, 18]
    tasks, picks = kernel.fill(
        demands, capacity, capacity, [1.0, 1.0], [-1, -1], [1, 0], False, False, True
    )
    assert tasks == [3, 2]
    assert picks == [1, 0, 0, 1, 0]


# -- the twins as such

FADING_INNER = (
    "_product_error",
    "_sign",
    "_row_for",
    "_enter",
    "_begin",
    "_compare",
    "_precedes",
    "_line_of",
    "_measure",
    "_sit",
    "_match",
    "_climb",
    "_replay",
    "_build",
    "_lead",
    "_sort_rows",
)


def _public(module: ModuleType) -> list[str]:
    own = {"KERNEL", "Fading", "Order", "Vector", "fill", "fill_in_bulk"}
    return sorted(n for n in vars(module) if n in own)


def _signature(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


def test_twins_have_the_same_names_signatures_and_docstrings(
    kernels: tuple[ModuleType, ModuleType],
) -> None:
    pure, fast = kernels
    assert pure.KERNEL == fast.KERNEL
    names = ["Fading", "KERNEL", "Order", "Vector", "fill", "fill_in_bulk"]
    assert _public(pure) == _public(fast) == names
    classes = ("Fading", "Order", "Vector")
    pairs = [
        (getattr(pure, name), getattr(fast, name)) for name in ("fill", "fill_in_bulk", *classes)
    ]
    # C functions in the compiled one
    inner = {"_place", "_unplace", "_share_of", "_rebuild", *FADING_INNER}
    for cls in classes:
        ours = {
            name: member
            for name, member in vars(getattr(pure, cls)).items()
            if inspect.isfunction(member) and name not in inner and not name.startswith("__")
        }
        theirs = {
            name
            for name, member in vars(getattr(fast, cls)).items()
            if callable(member) and not name.startswith("__")
        }
        assert theirs == set(ours)
        pairs += [(member, getattr(getattr(fast, cls), name)) for name, member in ours.items()]
    for a, b in pairs:
        if not inspect.isclass(a):
            assert _signature(a) == _signature(b), a
        if a.__doc__:
            assert a.__doc__.strip().splitlines()[0] in (b.__doc__ or ""), a


def test_twins_define_everything_in_the_same_order() -> None:
    source = PACKAGE / "_fastpath.pyx"
    if not source.exists():
        pytest.skip("the source of the compiled kernel is not installed here")
    pure = re.findall(r"^ *def (\w+)", (PACKAGE / "_purepath.py").read_text("utf-8"), re.M)
    head = r"^ *(?:cp?def (?:inline )?[\w *]*?|def )(\w+)\(.*:$"
    fast = re.findall(head, source.read_text("utf-8"), re.M)
    inner = (
        *("_share_of", "_place", "_unplace", "_choose", "_least", "_has_room", "_give"),
        *(
            "_settle",
            "_face_of",
            "_listed_for",
            "_may_have",
            "_offer",
            "_is_worth",
            "_is_short",
            "_surplus",
        ),
        *("_serve", "_due", "_piece", "_taker", "_hand", "_count", "_are_few"),
    )
    rename = {name: name[1:] for name in (*inner, *FADING_INNER)}
    due = [rename.get(n, n) for n in pure if not (n.startswith("__") and n.endswith("__"))]
    assert [n for n in fast if n in due] == due


# -- which kernel is taken


def test_the_kernel_of_this_run_is_the_one_it_says() -> None:
    active = drf.backend()
    assert str(active) == active.name
    assert active.reason
    named = {"pure": "drf._purepath", "fast": "drf._fastpath"}[active.name]
    assert _backend.kernel.__name__ == named
    assert issubclass(drf.Sorter, _backend.kernel.Order)
    assert _backend.fill is _backend.kernel.fill


@pytest.mark.parametrize("wanted", ["", "Fast", "quick"])
def test_another_value_of_the_variable_is_refused(wanted: str) -> None:
    with pytest.raises(
        InvalidOption, match=f"DRF_BACKEND is '{wanted}'; it must be auto, fast or pure"
    ):
        _backend._choose(wanted)


def test_without_a_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drf._fastpath", None)  # import finds no such module
    module, chosen = _backend._choose("auto")
    assert module.__name__ == "drf._purepath"
    assert (chosen.name, chosen.reason) == ("pure", "built without the compiled kernel")
    with pytest.raises(BackendUnavailable, match="built without its compiled kernel; rebuild it"):
        _backend._choose("fast")


def test_with_a_stale_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("drf._fastpath")
    old.KERNEL = 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "drf._fastpath", old)
    for wanted in ("auto", "fast"):
        with pytest.raises(BackendUnavailable, match=r"stale \(number 0, not \d+\); rebuild it"):
            _backend._choose(wanted)
    assert _backend._choose("pure")[1].name == "pure"


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source tree of drf without its compiled twin."""
    folder = tmp_path_factory.mktemp("tree")
    unwanted = shutil.ignore_patterns("_fastpath.*", "*.so", "*.pyd", "__pycache__")
    shutil.copytree(PACKAGE, folder / "drf", ignore=unwanted)
    return folder


SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
GARBAGE = {f"_fastpath{SUFFIX}": b"this is no shared library"}
STALE = {"_fastpath.py": b"KERNEL = -1\n"}
FRESH = """
import sys
# The finder of an editable install would find the twin of the tree that it was made for.
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in repr(finder)]
import drf
print(drf.__file__, drf.backend())
"""
FOREIGN = {"_fastpath.py": b"import no_such_module_at_all\n"}


@pytest.mark.parametrize(
    ("files", "wanted", "name", "error"),
    [
        ({}, None, "pure", ""),
        ({}, "pure", "pure", ""),
        ({}, "fast", None, "BackendUnavailable: DRF_BACKEND=fast, but drf was built without"),
        (GARBAGE, None, "pure", "RuntimeWarning: drf goes on with its pure kernel"),
        (GARBAGE, "auto", "pure", "does not load"),
        (GARBAGE, "pure", "pure", ""),
        (GARBAGE, "fast", None, "BackendUnavailable: the compiled kernel does not load"),
        (STALE, "auto", None, "BackendUnavailable: the compiled kernel is stale (number -1,"),
        (STALE, "pure", "pure", ""),
        (FOREIGN, "auto", None, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ({}, "slow", None, "InvalidOption: DRF_BACKEND is 'slow'; it must be auto, fast or pure"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_import_in_a_fresh_process(
    copied: Path, files: dict[str, bytes], wanted: str | None, name: str | None, error: str
) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("DRF_BACKEND", "PYTHONWARNINGS")}
    env |= {"PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    if wanted is not None:
        env["DRF_BACKEND"] = wanted
    added = [copied / "drf" / file for file in files]
    for path, text in zip(added, files.values(), strict=True):
        path.write_bytes(text)
    try:
        done = subprocess.run(
            [sys.executable, "-c", FRESH],
            env=env,
            cwd=copied,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for path in added:
            path.unlink()
    assert error in done.stderr
    if name is None:
        assert done.returncode == 1
    else:
        assert done.stdout.split() == [str(copied / "drf" / "__init__.py"), name]
        assert bool(done.stderr) is bool(error)


# -- the ordering workload


def test_the_ordering_workload_gives_the_known_checksums(
    twins: tuple[ModuleType, ModuleType],
) -> None:
    for package in twins:
        for (loop, clients, count), due in ordering.CHECKSUMS.items():
            sorter, demands = ordering.prepared(clients, make=package.Sorter)
            picked = ordering.LOOPS[loop](sorter, demands, count)
            assert ordering.checksum(picked) == due, (package.backend(), loop, clients)
            sorter.check()
            assert math.isfinite(sorter.share(picked[-1]))
            if loop == "hot":
                at_once, demands = ordering.prepared(clients, make=package.Sorter)
                assert ordering.bulk(at_once, demands, count) == picked
                assert at_once.state() == sorter.state()
