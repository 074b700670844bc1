"""Bulk filling against one at a time, exact programs and systems, prices, bottlenecks, leximin."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drf import allocate
from drf._backend import exact_fill as one_at_a_time
from drf.errors import Infeasible, MissingExtra, NotSupported
from drf.solvers import bottleneck, highs, levels, leximin, linear, nash

F = Fraction


# -- bulk level search


@st.composite
def pools(draw: st.DrawFn) -> tuple[Any, ...]:
    """The arguments of `fill`: zeros, ties, tiny and huge weights, limits, resources that do not count, big numbers."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    unit = draw(st.sampled_from([1, 1, 1, 1 << 55]))
    capacity = [unit * draw(st.sampled_from([0, 1, 7, 20, 60, 400])) for _ in range(m)]
    demands = []
    for _ in range(n):
        row = [min(unit * draw(st.sampled_from([0, 0, 1, 2, 3, 5])), top) for top in capacity]
        if not any(row):
            capacity[0] = max(capacity[0], unit)
            row[0] = unit
        demands.append(row)
    counted = [draw(st.sampled_from([top, top, top, 0])) for top in capacity]
    number = st.sampled_from([1.0, 1.0, 2.0, 1 / 3, 1e-6, 1e6])
    weights: list[Any] = [draw(number) for _ in range(n)]
    if draw(st.booleans()):
        weights = [tuple(draw(number) for _ in range(m)) for _ in range(n)]
    caps = [draw(st.sampled_from([-1, -1, 0, 1, 5, 40])) for _ in range(n)]
    ranks = draw(st.permutations(range(n)))
    return (
        demands,
        capacity,
        counted,
        weights,
        caps,
        ranks,
        draw(st.booleans()),
        draw(st.booleans()),
    )


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pool=pools())
def test_bulk_is_one_at_a_time(kernel: ModuleType, pool: tuple[Any, ...]) -> None:
    big = max(pool[1]) > 1 << 53
    expected, _ = (one_at_a_time if big else kernel.fill)(*pool, False)
    assert levels.fill(*pool) == list(expected)


@settings(max_examples=200, deadline=None)
@given(pool=pools())
def test_bulk_by_the_share_after_the_task(pool: tuple[Any, ...]) -> None:
    demands, capacity, counted, weights, caps, ranks, by_grants, stop = pool

    def key(i: int, tasks: int) -> float:
        parts = [
            ((tasks + 1) * demands[i][j] / top)
            / (weights[i][j] if isinstance(weights[i], tuple) else 1)
            for j, top in enumerate(counted)
            if top > 0
        ]
        share = max(parts, default=0.0)
        return share if isinstance(weights[i], tuple) else share / weights[i]

    free, tasks, there = list(capacity), [0] * len(demands), set(range(len(demands)))
    while there:
        i = min(there, key=lambda i: (key(i, tasks[i]), tasks[i] if by_grants else 0, ranks[i]))
        if tasks[i] == caps[i]:
            there.remove(i)
        elif any(q > f for q, f in zip(demands[i], free, strict=True)):
            if stop:
                break
            there.remove(i)
        else:
            tasks[i] += 1
            free = [f - q for f, q in zip(free, demands[i], strict=True)]
    assert levels.fill(*pool, after=True) == tasks


@pytest.mark.parametrize("unit", [1, 1 << 50])
def test_below_a_level_are_the_tasks_with_a_lower_key(unit: int) -> None:
    """Also where the level is a key to the bit, so that an estimate by division is off by a rounding either way."""
    needs, weights = [[7], [3], [11], [1]], [1.0, 0.7, 1 / 3, 3.0]
    top = 1009 * unit
    filling = levels._Filling(
        [[q * unit for q in row] for row in needs],
        [top],
        [top],
        weights,
        [-1] * 4,
        range(4),
        True,
        False,
    )
    filling.most = np.array([90] * 4, dtype=filling.given.dtype)
    keys = [
        [(k * q * unit / top) / w for k in range(91)]
        for (q,), w in zip(needs, weights, strict=True)
    ]
    for level in sorted({key for row in keys for key in row[:60]}):
        expected = [min(sum(key < level for key in row), 90) for row in keys]
        assert filling._below(level).tolist() == expected


def test_as_many_tasks_as_there_are() -> None:
    # Cpus: 1, 3 and 2 a task of 3e12; mem: 4, 1 and 2 of 6e12. Shares a task 4/6, 3/3, 2/3 (in 1e-12): in the ratio
    # 3/2 : 1 : 3/2 the cpus are used by 3/2 + 3 + 3 = 15/2 for a level of 1e12, so the level is at 0.4e12.
    top = [3 * 10**12, 6 * 10**12]
    tasks = levels.fill(
        [[1, 4], [3, 1], [2, 2]], top, top, [1.0] * 3, [-1] * 3, [0, 1, 2], True, False
    )
    assert tasks == [600_000_000_000, 400_000_000_000, 600_000_000_000]
    a = allocate({"x": 10**12}, {"a": {"x": 1}, "b": {"x": 1}}, weights={"b": 3}, policy="tasks")
    assert a.tasks == {"a": 25 * 10**10, "b": 75 * 10**10}


def test_many_users_in_bulk_as_one_at_a_time(kernel: ModuleType) -> None:
    n = 300
    demands = [[1 + 7 * i % 13, 1 + 11 * i % 17] for i in range(n)]
    top = [60_000, 70_000]
    args = (demands, top, top, [float(1 + i % 3) for i in range(n)], [-1] * n, list(range(n)), True)
    assert levels.fill(*args, False) == list(kernel.fill(*args, False, False)[0])


# -- linear programs and systems


def test_a_program_by_hand() -> None:
    # Corners of 2x + y <= 4, x + 3y <= 6: (2, 0) 2, (0, 2) 2, (6/5, 8/5) 14/5.
    rows = [({0: F(2), 1: F(1)}, F(4)), ({0: F(1), 1: F(3)}, F(6))]
    best = linear.maximize([F(1), F(1)], rows)
    assert best.values == [F(6, 5), F(8, 5)]
    assert best.prices == [F(2, 5), F(1, 5)]
    # With x >= 3/2 (a limit below 0): y = 1.
    assert linear.maximize([F(1), F(1)], [*rows, ({0: F(-1)}, F(-3, 2))]).values == [F(3, 2), F(1)]


def test_programs_without_an_answer() -> None:
    with pytest.raises(Infeasible, match="no solution"):
        linear.maximize([F(1)], [({0: F(1)}, F(1)), ({0: F(-1)}, F(-2))])
    with pytest.raises(Infeasible, match="no end"):
        linear.maximize([F(1), F(0)], [({1: F(1)}, F(1))])


def test_systems() -> None:
    assert linear.solve([[F(1), F(1)], [F(1), F(-1)]], [F(3), F(1)]) == [F(2), F(1)]
    assert linear.solve([[F(1), F(1)], [F(2), F(2)]], [F(3), F(6)]) is None
    assert linear.solve([[F(1)], [F(1)]], [F(1), F(2)]) is None
    assert linear.solve([[F(2)], [F(4)]], [F(1), F(2)]) == [F(1, 2)]


small = st.integers(0, 5).map(F)


@settings(max_examples=150, deadline=None)
@given(
    goal=st.lists(small, min_size=3, max_size=3),
    rows=st.lists(st.lists(small, min_size=3, max_size=3), min_size=1, max_size=3),
    limits=st.lists(st.integers(-4, 9).map(F), min_size=3, max_size=3),
)
def test_programs_prove_themselves(goal: list[F], rows: list[list[F]], limits: list[F]) -> None:
    """Feasible, and the dual prices give the same value: then it is the best."""
    program = [(dict(enumerate(row)), b) for row, b in zip(rows, limits, strict=False)]
    program += [({j: F(1)}, F(7)) for j in range(3)]
    if any(b < 0 for _, b in program):
        with pytest.raises(Infeasible):
            linear.maximize(goal, program)
        return
    best = linear.maximize(goal, program)
    assert all(x >= 0 for x in best.values)
    assert all(p >= 0 for p in best.prices)
    for row, b in program:
        assert sum(q * best.values[j] for j, q in row.items()) <= b
    for j in range(3):
        assert (
            sum(p * row.get(j, 0) for p, (row, _) in zip(best.prices, program, strict=True))
            >= goal[j]
        )
    assert sum(g * x for g, x in zip(goal, best.values, strict=True)) == sum(
        p * b for p, (_, b) in zip(best.prices, program, strict=True)
    )


def test_without_highspy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highspy", None)
    with pytest.raises(MissingExtra, match=r"drf-allocator\[lp\]"):
        highs.maximize([F(1)], [({0: F(1)}, F(1))])


def test_highs_gives_the_same() -> None:
    pytest.importorskip("highspy")
    rows = [({0: F(2), 1: F(1)}, F(4)), ({0: F(1), 1: F(3)}, F(6))]
    values, prices = highs.maximize([F(1), F(1)], rows)
    assert values == pytest.approx([1.2, 1.6])
    assert prices == pytest.approx([0.4, 0.2])
    with pytest.raises(Infeasible):
        highs.maximize([F(1), F(0)], [({1: F(1)}, F(1))])


# -- leximin

machines = st.lists(
    st.lists(st.integers(1, 6).map(F), min_size=2, max_size=2), min_size=1, max_size=2
)
needs = st.lists(st.lists(st.integers(1, 4).map(F), min_size=2, max_size=2), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(rooms=machines, demands=needs, data=st.data())
def test_leximin_has_a_certificate(rooms: list[list[F]], demands: list[list[F]], data: Any) -> None:
    """Nobody can have more while those with no higher share keep theirs: one program a user says so."""
    n, k = len(demands), len(rooms)
    eligible = [
        data.draw(st.lists(st.integers(0, k - 1), min_size=1, unique=True)) for _ in range(n)
    ]
    caps = [data.draw(st.sampled_from([None, None, 0, 1])) for _ in range(n)]
    rates = [F(data.draw(st.integers(1, 3))) for _ in range(n)]
    found = leximin.divide(demands, rooms, eligible, rates, caps, True)
    tasks = [sum(row, F(0)) for row in found]
    rows: list[linear.Row] = []
    for m, room in enumerate(rooms):
        for j, top in enumerate(room):
            assert sum(found[i][m] * demands[i][j] for i in range(n)) <= top
            rows.append(({i * k + m: demands[i][j] for i in range(n) if m in eligible[i]}, top))
    assert all(found[i][m] == 0 for i in range(n) for m in range(k) if m not in eligible[i])
    rows += [
        ({i * k + m: F(1) for m in eligible[i]}, F(c)) for i, c in enumerate(caps) if c is not None
    ]
    for i in range(n):
        kept: list[linear.Row] = [
            ({o * k + m: F(-1) for m in eligible[o]}, -tasks[o])
            for o in range(n)
            if tasks[o] / rates[o] <= tasks[i] / rates[i]
        ]
        goal = [F(1) if p // k == i and p % k in eligible[i] else F(0) for p in range(n * k)]
        best = linear.maximize(goal, [*rows, *kept]).values
        assert sum(b for b, g in zip(best, goal, strict=True) if g) == tasks[i]


def test_leximin_in_doubles() -> None:
    pytest.importorskip("highspy")
    rooms, demands = [[F(8), F(5)], [F(1), F(6)]], [[F(4), F(2)], [F(1), F(1)], [F(1), F(3)]]
    args = (demands, rooms, [[0], [0, 1], [0, 1]], [F(1), F(2), F(1)], [None, 3, None])
    exact = [float(sum(row)) for row in leximin.divide(*args, True)]
    assert [sum(row) for row in leximin.divide(*args, False)] == pytest.approx(exact, abs=1e-6)


# -- prices


@settings(max_examples=100, deadline=None)
@given(
    demands=st.lists(
        st.lists(st.integers(0, 6).map(F), min_size=3, max_size=3).filter(any),
        min_size=1,
        max_size=6,
    ),
    capacity=st.lists(st.sampled_from([F(1), F(10), F(10**6)]), min_size=3, max_size=3),
    data=st.data(),
)
def test_prices_meet_the_conditions(demands: list[list[F]], capacity: list[F], data: Any) -> None:
    """Feasible; spent what it has, or at its cap at no higher cost; only what is used up has a price."""
    n = len(demands)
    weights = [F(data.draw(st.sampled_from([1, 1, 2, 5]))) for _ in range(n)]
    caps = [data.draw(st.sampled_from([None, None, 1, 4])) for _ in range(n)]
    x, p = nash.prices(demands, capacity, weights, caps)
    total = float(sum(weights))
    for j, top in enumerate(capacity):
        used = sum(x[i] * float(demands[i][j]) for i in range(n)) / float(top)
        assert used <= 1 + 1e-9
        assert p[j] * float(top) * (1 - used) <= 1e-7 * total
    for i in range(n):
        spent = x[i] * sum(p[j] * float(q) for j, q in enumerate(demands[i]))
        cap = caps[i]
        assert cap is None or x[i] <= cap * (1 + 1e-9)
        assert spent <= float(weights[i]) * (1 + 1e-6)
        if cap is None or x[i] < cap * (1 - 1e-6):
            assert spent == pytest.approx(float(weights[i]), rel=1e-6)


# -- bottlenecks


@settings(max_examples=100, deadline=None)
@given(
    unit=st.lists(
        st.lists(st.integers(0, 4).map(lambda q: F(q, 12)), min_size=2, max_size=3).filter(any),
        min_size=1,
        max_size=4,
    ).filter(lambda rows: len({len(row) for row in rows}) == 1),
    data=st.data(),
)
def test_everybody_has_a_bottleneck(unit: list[list[F]], data: Any) -> None:
    caps = [data.draw(st.sampled_from([None, None, 1, 3])) for _ in unit]
    weights = [F(data.draw(st.sampled_from([1, 1, 2]))) for _ in unit]
    parts = [[q / w for q in row] for row, w in zip(unit, weights, strict=True)]
    tasks = bottleneck.divide(unit, parts, caps)
    used = [
        sum(x * row[j] for x, row in zip(tasks, unit, strict=True)) for j in range(len(unit[0]))
    ]
    assert all(u <= 1 for u in used)
    for i, cap in enumerate(caps):
        assert cap is None or tasks[i] <= cap
        assert tasks[i] == cap or any(
            used[j] == 1
            and parts[i][j] > 0
            and all(tasks[k] * parts[k][j] <= tasks[i] * parts[i][j] for k in range(len(unit)))
            for j in range(len(used))
        )


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_two_bottleneck_divisions_the_fairer(order: tuple[int, ...]) -> None:
    # Both (1, 1/2, 1) and (5/6, 7/12, 10/9) are bottleneck max fair. Largest shares: 1/2, 1/2, 3/7
    # and 5/12, 7/12, 10/21: sorted, 3/7 > 5/12.
    rows, top = ([1, 3, 4], [2, 2, 4], [0, 3, 3]), [2, 7, 9]
    unit = [[F(q, t) for q, t in zip(row, top, strict=True)] for row in rows]
    expected = [F(1), F(1, 2), F(1)]
    for columns in permutations(range(3)):
        turned = [[unit[i][j] for j in columns] for i in order]
        assert bottleneck.divide(turned, turned, [None] * 3) == [expected[i] for i in order]


def test_too_many_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bottleneck, "PATTERNS", 3)
    unit = [[F(1, 2 + i), F(1, 9 - i)] for i in range(5)]
    with pytest.raises(NotSupported, match="patterns to look through; divide fewer users"):
        bottleneck.divide(unit, unit, [None] * 5)


def test_raising_a_level_never_takes_back() -> None:
    sizes = [100, 1_000, 10_000, 100_000]
    found = [
        levels.fill([[1, 2], [2, 1]], [s, s], [s, s], [1.0, 1.0], [-1, -1], [0, 1], True, False)
        for s in sizes
    ]
    assert all(a[i] <= b[i] for a, b in pairwise(found) for i in range(2))
