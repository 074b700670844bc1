"""Filling of one pool: bulk against one task at a time, divisible against the plain loop, arrays against mappings."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from drf import _backend, allocate, matrix
from drf.errors import InvalidOption, InvalidQuantity
from drf.solvers import filling
from drf.units import exact_fraction

F = Fraction

# -- whole tasks in bulk


@st.composite
def pools(draw: st.DrawFn) -> tuple[Any, ...]:
    """The arguments of `fill`: zeros, ties, tiny and huge weights, limits, resources that do not count, big numbers."""
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    unit = draw(st.sampled_from([1, 1, 1, (1 << 53) // 5000, 1 << 55]))
    capacity = [unit * draw(st.sampled_from([0, 1, 7, 20, 60, 400, 5000])) for _ in range(m)]
    demands = []
    for _ in range(n):
        sizes = st.sampled_from([0, 0, 1, 2, 3, 5, 70])
        row = [min(unit * draw(sizes), top) for top in capacity]
        if not any(row):
            capacity[0] = max(capacity[0], unit)
            row[0] = unit
        demands.append(row)
    counted = [draw(st.sampled_from([top, top, top, 0])) for top in capacity]
    number = st.sampled_from([1.0, 1.0, 2.0, 1 / 3, 1e-6, 1e6])
    weights: list[Any] = [draw(number) for _ in range(n)]
    if draw(st.booleans()):
        weights = [tuple(draw(number) for _ in range(m)) for _ in range(n)]
        if draw(st.booleans()):
            weights[0] = draw(number)
    caps = [draw(st.sampled_from([-1, -1, 0, 1, 5, 40])) for _ in range(n)]
    ranks = draw(st.permutations(range(n)))
    by_grants, stop = draw(st.booleans()), draw(st.booleans())
    return demands, capacity, counted, weights, caps, ranks, by_grants, stop


@pytest.mark.parametrize("after", [False, True])
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pool=pools())
def test_bulk_is_one_at_a_time(kernel: ModuleType, pool: tuple[Any, ...], after: bool) -> None:
    big = max(pool[1]) > 1 << 52
    fill, in_bulk = kernel.fill, kernel.fill_in_bulk
    if big:
        fill, in_bulk = _backend.exact_fill, _backend.exact_fill_in_bulk
    expected, _ = fill(*pool, False, after)
    assert list(in_bulk(*pool, after)) == list(expected)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), stop=st.booleans(), by_grants=st.booleans(), data=st.data())
def test_bulk_of_many_users(
    kernel: ModuleType, seed: int, stop: bool, by_grants: bool, data: Any
) -> None:
    """Hundreds of users with some ten tasks each: guesses, bands and rounds, which a few users hardly need."""
    draw = np.random.default_rng(seed)
    n, m = data.draw(st.integers(50, 400)), data.draw(st.integers(1, 3))
    demands = draw.integers(0, data.draw(st.sampled_from([2, 10, 1000])), size=(n, m))
    demands[:, 0] += 1
    top = (demands.sum(axis=0) * data.draw(st.integers(1, 12))).tolist()
    caps = draw.choice([-1, -1, -1, 3, 25], size=n).tolist()
    weights = draw.choice([1.0, 2.0, 1 / 3], size=n).tolist()
    counted = [0 if j and data.draw(st.integers(0, 3)) == 0 else t for j, t in enumerate(top)]
    args = (demands.tolist(), top, counted, weights, caps, list(range(n)), by_grants, stop)
    assert kernel.fill_in_bulk(*args) == list(kernel.fill(*args, False)[0])


def test_by_the_share_after_the_task(kernel: ModuleType) -> None:
    # Shares after a task: 2/9 (mem), 3/9 (cpus). A; 4/9 against 3/9: B; 4/9 against 6/9: A; 6/9 ties by rank: A; B.
    args = ([[1, 4], [3, 1]], [9, 18], [9, 18], [1.0, 1.0], [-1, -1], [0, 1], False, False)
    assert kernel.fill(*args, True, True) == ([3, 2], [0, 1, 0, 0, 1])
    assert kernel.fill_in_bulk(*args, True) == [3, 2]


def test_as_many_tasks_as_there_are(kernel: ModuleType) -> None:
    # Cpus: 1, 3 and 2 a task of 3e12; mem: 4, 1 and 2 of 6e12. Shares a task 4/6, 3/3, 2/3 (in 1e-12): in the ratio
    # 3/2 : 1 : 3/2 the cpus are used by 3/2 + 3 + 3 = 15/2 for a level of 1e12, so the level is at 0.4e12.
    top = [3 * 10**12, 6 * 10**12]
    args = ([[1, 4], [3, 1], [2, 2]], top, top, [1.0] * 3, [-1] * 3, [0, 1, 2], True, False)
    assert kernel.fill_in_bulk(*args) == [600_000_000_000, 400_000_000_000, 600_000_000_000]
    a = allocate({"x": 10**12}, {"a": {"x": 1}, "b": {"x": 1}}, weights={"b": 3}, policy="tasks")
    assert a.tasks == {"a": 25 * 10**10, "b": 75 * 10**10}


def test_more_tasks_than_floats_tell_apart() -> None:
    # 10**40 tasks: some 10**24 have one and the same share. By turns both get as many; by rank the last share is a's.
    top, users = {"x": 10**40 + 1}, {"a": {"x": 1}, "b": {"x": 1}}
    assert allocate(top, users).tasks == {"a": 10**40 // 2 + 1, "b": 10**40 // 2}
    a = allocate(top, users, tie_break=["a", "b"]).tasks
    assert sum(a.values()) == 10**40 + 1
    assert a["a"] / 10**40 == a["b"] / 10**40 == 0.5
    assert a["a"] > a["b"]
    # Tasks that cost no share: by turns, and all of the first.
    for ties, due in ((None, [10**40 // 2 + 1, 10**40 // 2]), (["a", "b"], [10**40 + 1, 0])):
        b = allocate(top, users, policy="maxmin:none", tie_break=ties).tasks
        assert list(b.values()) == due


def test_more_tasks_than_floats_hold() -> None:
    with pytest.raises(InvalidQuantity, match="more than 1e100 times; give larger tasks"):
        allocate({"x": 10**400}, {"a": {"x": 1}})
    # Large amounts are no matter.
    a = allocate({"x": 3 * 10**400}, {"a": {"x": 10**400}, "b": {"x": 10**399}})
    assert a.tasks == {"a": 2, "b": 10}


def test_a_larger_pool_never_takes_back(kernel: ModuleType) -> None:
    found = [
        kernel.fill_in_bulk(
            [[1, 2], [2, 1]], [s, s], [s, s], [1.0, 1.0], [-1, -1], [0, 1], True, False
        )
        for s in (100, 1_000, 10_000, 100_000)
    ]
    assert all(a[i] <= b[i] for a, b in pairwise(found) for i in range(2))


def test_steps_and_bulk_of_sequential_min_max_agree() -> None:
    draw = np.random.default_rng(3)
    for _ in range(60):
        demands = draw.integers(1, 8, size=(4, 2))
        weights = draw.choice([1, 3, 7, 0.3], size=4)
        options: dict[str, Any] = {"policy": "seqminmax", "weights": weights.tolist()}
        a = allocate(np.array([90, 110]), demands, **options)
        b = allocate(np.array([90, 110]), demands, **options, steps=True)
        assert a.tasks.tolist() == b.tasks.tolist()
        assert len(b.steps) == sum(a.tasks)


# -- divisible tasks


def plain(capacity: list[F], demands: list[list[F]], costs: list[F], caps: list[Any]) -> list[F]:
    """The definition: all rise at 1 / cost, event after event; those without cost first, a task each in turn."""
    tasks, free = [F(0)] * len(demands), list(capacity)
    for costless in (True, False):
        rates = {i: 1 / c if c else F(1) for i, c in enumerate(costs) if (c == 0) == costless}
        while True:
            active = [
                i
                for i in rates
                if tasks[i] != caps[i]
                and all(f > 0 for f, q in zip(free, demands[i], strict=True) if q > 0)
            ]
            if not active:
                break
            use = [sum(rates[i] * demands[i][j] for i in active) for j in range(len(free))]
            ends = [f / u for f, u in zip(free, use, strict=True) if u]
            ends += [(caps[i] - tasks[i]) / rates[i] for i in active if caps[i] is not None]
            for i in active:
                tasks[i] += min(ends) * rates[i]
            free = [f - min(ends) * u for f, u in zip(free, use, strict=True)]
    return tasks


SIZES = st.sampled_from([0, 0, 1, 1, 2, 3, 7, 2**40 + 1, 2**52 - 1])


@st.composite
def divisions(draw: st.DrawFn) -> tuple[Any, ...]:
    """Capacity, demands, weights and caps of rows; zeros in each, ties, near ties, numbers up to 2**53."""
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    unit = draw(st.sampled_from([1, 1, F(1, 10), F(1, 8), 2**60]))
    capacity = [draw(st.sampled_from([0, 1, 9, 30, 2**52, 2**52 + 1])) for _ in range(m)]
    demands = [[draw(SIZES) for _ in range(m)] for _ in range(n)]
    for row in demands:
        if not any(row):
            row[draw(st.integers(0, m - 1))] = 1
    weights = [draw(st.sampled_from([1, 1, 2, 3, 0.1, 1e-3])) for _ in range(n)]
    caps = [draw(st.sampled_from([None, None, None, 0, 1, F(3, 2), 4, 10**9])) for _ in range(n)]
    return unit, capacity, demands, weights, caps


@settings(max_examples=400, deadline=None)
@given(problem=divisions(), policy=st.sampled_from(["drf", "maxmin:0", "asset", "tasks"]))
def test_divisible_is_the_plain_loop(problem: tuple[Any, ...], policy: str) -> None:
    unit, capacity, demands, weights, caps = problem
    top = [F(c) * unit for c in capacity]
    rows = [[F(q) * unit for q in row] for row in demands]
    weight = [exact_fraction("w", w) for w in weights]
    costs = []
    for row, w in zip(rows, weight, strict=True):
        parts = [q / t / w if t else F(0) for q, t in zip(row, top, strict=True)]
        costs.append(
            {"drf": max(parts), "maxmin:0": parts[0], "asset": sum(parts), "tasks": 1 / w}[policy]
        )
    there = [all(t > 0 for q, t in zip(row, top, strict=True) if q) for row in rows]
    due = iter(
        plain(
            top,
            [row for row, ok in zip(rows, there, strict=True) if ok],
            [cost for cost, ok in zip(costs, there, strict=True) if ok],
            [cap for cap, ok in zip(caps, there, strict=True) if ok],
        )
    )
    expected = [next(due) if ok else F(0) for ok in there]
    options: dict[str, Any] = {"divisible": True, "max_tasks": caps}
    lists = allocate(top, rows, policy=policy, exact=True, weights=weights, **options)
    assert lists.tasks.tolist() == expected
    if unit not in (1, F(1, 10)):
        return
    kind = float if unit != 1 else np.int64
    pool, needs = (np.array([[float(q) for q in r] for r in x], dtype=kind) for x in ([top], rows))
    if kind is float:  # what the floats say, which beyond 15 digits is not what was written
        assume(max(map(max, rows)) < 10**9 and max(top) < 10**9)
    else:
        pool, needs = np.array([capacity]), np.array(demands)
    fast = allocate(pool[0], needs, policy=policy, exact=True, weights=np.array(weights), **options)
    for field in ("tasks", "resources", "shares", "dominant", "utilization"):
        mine, its = getattr(fast, field), getattr(lists, field)
        assert mine.tolist() == its.tolist(), field
        assert mine.dtype == its.dtype
    assert fast.unplaceable == lists.unplaceable
    floats = allocate(pool[0], needs, policy=policy, weights=np.array(weights), **options)
    assert floats.tasks.tolist() == [float(t) for t in expected]
    assert floats.resources.tolist() == [
        [float(t * q) for q in row] for t, row in zip(expected, rows, strict=True)
    ]


def test_arrays_with_what_does_not_go_in_columns() -> None:
    """Weights a resource, and caps as an array, give what mappings give."""
    top, needs = np.array([8, 8]), np.array([[3, 2], [4, 1]])
    a = allocate(top, needs, weights=np.array([[4, 1], [3, 2]]), divisible=True, exact=True)
    assert a.tasks.tolist() == [F(8, 9), F(4, 3)]
    assert a.shares.tolist() == [F(2, 9), F(2, 9)]
    assert a.dominant.tolist() == [1, 0]
    b = allocate(top, needs, max_tasks=np.array([1, 9]), divisible=True, exact=True)
    assert b.tasks.tolist() == [1, F(5, 4)]
    c = allocate(top, needs, policy="ceei", divisible=True)
    assert c.utilization.max() == pytest.approx(1)


def test_a_division_in_columns_is_a_division() -> None:
    a = allocate(np.array([9, 18]), np.array([[1, 4], [3, 1]]), divisible=True)
    again = pickle.loads(pickle.dumps(a))
    assert again.tasks.tolist() == a.tasks.tolist() == [3.0, 2.0]
    assert str(a) == str(again)
    assert a.tasks is a.tasks
    with pytest.raises(AttributeError, match="has no 'leftover'"):
        _ = a.leftover  # type: ignore[attr-defined]
    nobody = allocate(np.array([9, 18]), np.zeros((0, 2)), divisible=True)
    assert nobody.tasks.shape == (0,)
    assert nobody.utilization.tolist() == [0, 0]


def test_weights_of_rows_are_checked() -> None:
    top, needs = np.array([9]), np.array([[1], [1], [2]])
    for wrong in (np.array([1, 0, 1]), np.array([1, -1.5, 1])):
        with pytest.raises(InvalidOption, match="weight of 1"):
            allocate(top, needs, weights=wrong)
    with pytest.raises(InvalidOption, match="2 entries for 3 users"):
        allocate(top, needs, weights=np.array([1, 2]))


def test_everybody_at_a_cap_leaves_the_rest() -> None:
    free = [F(9), F(18)]
    kinds = [filling.Kind(9, 2, 1), filling.Kind(3, 1, 2)]
    levels = filling.fill(kinds, [0, 1], [3], lambda _: [[1, 4], [3, 1]], free)
    assert levels == {3: None}
    assert [kind.tasks(levels[3]) for kind in kinds] == [1, 2]
    assert free == [2, 12]


def test_sums_of_quotients() -> None:
    terms = [(3, [1, 2]), (4, [1, 0]), (3, [1, 1]), (6, [5, 1])]
    scale, tops = filling.total(terms, 2)
    assert [F(t, scale) for t in tops] == [F(2, 3) + F(1, 4) + F(5, 6), 1 + F(1, 6)]
    assert filling.total([], 2) == (1, [0, 0])


# -- columns


@given(
    values=st.lists(
        st.one_of(st.floats(0, 1e6), st.integers(0, 10**7).map(lambda i: i / 1000)), min_size=1
    )
)
def test_floats_are_read_by_their_shortest_text(values: list[float]) -> None:
    found = matrix.read(np.array(values))
    if found is not None:
        (units,), scale = found
        assert [F(u, scale) for u in units.tolist()] == [exact_fraction("q", v) for v in values]


def test_what_is_read_as_units() -> None:
    read = matrix.read(np.array([0.1, 2.5]), np.array([[3], [4]]))
    assert read is not None
    (a, b), scale = read
    assert (a.tolist(), b.tolist(), scale) == ([1, 25], [[30], [40]], 10)
    for no in ([0.1234567890123], [-1], [1 << 53], [float("nan")], [True], ["1"], [1e15]):
        assert matrix.read(np.array(no)) is None, no
    # 2**52 fits, in tenths it does not.
    assert matrix.read(np.array([1 << 52]), np.array([0.1])) is None


def test_the_largest_part_is_exact() -> None:
    # As doubles k / (k + 1) and (k + 1) / (k + 2) are equal for large k; the second is larger.
    k = 1 << 51
    units = np.array([[k, k + 1], [k + 1, k], [k, 0], [0, 0], [k + 1, k + 2]])
    found = matrix.largest_parts(units, [k + 1, k + 2], [0, 1])
    assert found.tolist() == [1, 0, 0, -1, 0]
    assert matrix.largest_parts(units, [k + 1, 0], [0, 1]).tolist() == [0, 0, 0, -1, 0]
    assert matrix.largest_parts(units, [k + 1, k + 2], [1]).tolist() == [1, 1, -1, -1, 1]


def test_sums_beyond_doubles() -> None:
    column = np.array([(1 << 53) - 1] * 5 + [3])
    assert matrix.sums(np.array([0, 0, 0, 1, 1, 0]), 2, column) == [
        3 * ((1 << 53) - 1) + 3,
        2 * ((1 << 53) - 1),
    ]


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**60)), min_size=1))
def test_rows_of_one_kind(rows: list[tuple[int, int]]) -> None:
    keys = np.array(rows, dtype=np.int64)
    first, kind = matrix.distinct(keys[:, 0], keys[:, 1], keys[:, 1])
    assert len(first) == len(set(rows))
    for i, k in enumerate(kind.tolist()):
        assert rows[first[k]] == rows[i]
        assert first[k] <= i


def test_sequences_that_are_made() -> None:
    rows = matrix.Matrix(np.array([[1, 2], [3, 4], [5, 6]]), 2)
    assert list(rows) == [[F(1, 2), 1], [F(3, 2), 2], [F(5, 2), 3]]
    assert rows[-1] == rows[2] == [F(5, 2), 3]
    assert rows[1:] == [rows[1], rows[2]]
    assert list(rows.take([2, 0])) == [rows[2], rows[0]]
    assert list(matrix.Labels(range(5, 8)).take([1])) == ["6"]
    assert list(matrix.Drawn("ab", np.array([1, 0])).take([0])) == ["b"]
    with pytest.raises(IndexError, match="row 3 of 3"):
        _ = rows[3]
