"""Exact programs and systems, prices, bottlenecks, leximin."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf.errors import Infeasible, MissingExtra, NotSupported
from drf.solvers import bottleneck, highs, leximin, linear, nash

F = Fraction


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
