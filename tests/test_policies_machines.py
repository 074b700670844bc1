"""Several machines: eligibility, placement, and the policies that differ in what a share of 1 is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import allocate
from drf.errors import (
    Infeasible,
    InvalidOption,
    InvalidQuantity,
    MissingExtra,
    NotSupported,
    UnknownName,
)
from drf.policies.placing import best_fit

F = Fraction
TWO: Any = (
    {"m1": {"cpus": 2, "mem": 12}, "m2": {"cpus": 12, "mem": 2}},
    {"1": {"cpus": "1/5", "mem": 1}, "2": {"cpus": 1, "mem": "1/5"}},
)


def divided(policy: str, *args: Any, **options: Any) -> list[Fraction]:
    a = allocate(*args, policy=policy, divisible=True, exact=True, **options)
    return list(a.tasks.values())


def test_whole_tasks_on_the_first_machine_with_room() -> None:
    # Global shares: A 4/18, B 3/9. A on m1 (5 cpus.. 2 left), B needs 3 cpus: m2; A: m1 has 2 GB left, m2 no cpus: m3.
    three = {f"m{k}": {"cpus": 3, "mem": 6} for k in (1, 2, 3)}
    a = allocate(
        three,
        {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}},
        tie_break=["A", "B"],
        steps=True,
    )
    assert a.tasks == {"A": 2, "B": 1}
    assert a.placement == {"A": {"m1": 1, "m3": 1}, "B": {"m2": 1}}
    assert [step.user for step in a.steps] == ["A", "B", "A"]
    assert a.utilization == {"cpus": 5 / 9, "mem": 9 / 18}


def test_best_fit_and_first_fit() -> None:
    assert allocate(*TWO, policy="drfh").placement == {"1": {"m1": 10}, "2": {"m2": 10}}
    first = allocate(*TWO, policy="drfh:first")
    assert first.placement == {"1": {"m1": 5, "m2": 1}, "2": {"m1": 1, "m2": 5}}
    assert allocate(*TWO).placement == first.placement
    far: Any = (
        {"1": {"a": 100, "b": 30}, "2": {"a": 30, "b": 100}},
        {"f": {"a": 5, "b": 1}, "g": {"a": 1, "b": 5}},
    )
    drawn = [allocate(*far, policy="drfh:random", seed=s).placement for s in range(4)]
    assert drawn[0] == allocate(*far, policy="drfh:random", seed=0).placement
    assert len({str(d) for d in drawn}) > 1
    # 3/1 of 8/8, 12/4, 3/6 is off by 2, 0, 5/2; a first resource that is not needed is passed over.
    rooms = [[F(8), F(8)], [F(4), F(12)], [F(6), F(3)]]
    assert [best_fit([F(1), F(3)], room) for room in rooms] == [2, 0, F(5, 2)]
    assert best_fit([F(0), F(3)], [F(4), F(2)]) == 2
    with pytest.raises(InvalidOption, match="drfh:worst places tasks by no known rule"):
        allocate(*TWO, policy="drfh:worst")


def test_shares_of_all_machines_of_all_tasks_of_own_machines() -> None:
    assert divided("drfh", *TWO) == [10, 10]
    # 1 alone could have 1 on m2; 2 needs <1, 1>. Global shares 4/9 a task and 1/9: t = 4/9.
    si = (
        {"m1": {"c": 1, "m": 6}, "m2": {"c": 8, "m": 5}},
        {"1": {"c": 4, "m": 2}, "2": {"c": 1, "m": 1}},
    )
    assert divided("drfh", *si) == [1, 4]  # less than the 9/8 of its half of each machine
    assert divided("drf", *si) == [1, 4]
    # Alone: 1 has 1/4 + 2 = 9/4 tasks, 2 has 1 + 5 = 6: x = 9t/4, y = 6t, 4x + y = 9 -> t = 3/5 would not fit m1; 4/7.
    assert divided("tsf", *si) == [F(9, 7), F(24, 7)]
    ours = ({"m1": {"c": 2}, "m2": {"c": 1}}, {"1": {"c": 1}, "2": {"c": 2}})
    # All machines hold 3 and 3/2 tasks; its own m1 holds 1 of user 2.
    assert divided("tsf", *ours, eligible={"2": ["m1"]}) == [F(3, 2), F(3, 4)]
    assert divided("cdrf", *ours, eligible={"2": ["m1"]}) == [F(9, 5), F(3, 5)]


def test_weights_and_limits_over_machines() -> None:
    one = {"m1": {"c": 6}, "m2": {"c": 6}}
    users = {"a": {"c": 1}, "b": {"c": 1}}
    assert divided("drf", one, users, weights={"a": 2}) == [8, 4]
    assert divided("drf", one, users, max_tasks={"a": 1}) == [1, 11]
    assert divided("tsf", one, users, weights={"a": 2}, eligible={"a": ["m1"]}) == [6, 6]
    assert divided("maxmin:c", one, users) == [6, 6]
    # Tasks that cost nothing come first, a task each in turn.
    assert divided("maxmin:g", one, users) == [6, 6]
    assert divided("maxmin:c", {"m": {"c": 4, "d": 2}}, {"a": {"d": 1}, "b": {"c": 1, "d": 1}}) == [
        2,
        0,
    ]
    assert allocate(one, users, weights={"a": 2}, policy="asset").tasks == {"a": 8, "b": 4}


def test_per_server() -> None:
    assert divided("perserver", *TWO) == [6, 6]  # 5 + 1 each
    assert allocate(*TWO, policy="perserver").placement == {
        "1": {"m1": 5, "m2": 1},
        "2": {"m1": 1, "m2": 5},
    }
    capped = allocate(*TWO, policy="perserver", max_tasks={"1": 2}, divisible=True, exact=True)
    assert capped.placement["1"] == {"m1": 2}
    with pytest.raises(NotSupported, match="perserver gives no tasks one by one"):
        allocate(*TWO, policy="perserver", steps=True)


def test_per_server_dominant_shares() -> None:
    kesidis: Any = (
        {"s1": {"a": 100, "b": 30}, "s2": {"a": 30, "b": 100}},
        {"f1": {"a": 5, "b": 1}, "f2": {"a": 1, "b": 5}},
    )
    a = allocate(*kesidis, policy="psdsf")
    assert a.placement == {"f1": {"s1": 19}, "f2": {"s1": 2, "s2": 20}}
    b = allocate(*kesidis, policy="psdsf:residual", steps=True)
    assert b.placement == {"f1": {"s1": 19, "s2": 2}, "f2": {"s1": 2, "s2": 19}}
    assert len(b.steps) == 42
    assert divided("psdsf", *kesidis) == [20, 20]
    # Not efficient: m1 <9, 4> runs 3 of user 1 and m2 <7, 4> 2 of user 2, where drfh gives 16/5 and 12/5.
    lost = (
        {"m1": {"c": 9, "m": 4}, "m2": {"c": 7, "m": 4}},
        {"1": {"c": 3, "m": 1}, "2": {"c": 2, "m": 2}},
    )
    assert divided("psdsf", *lost) == [3, 2]
    assert divided("drfh", *lost) == [F(16, 5), F(12, 5)]
    floats = allocate(*lost, policy="psdsf", divisible=True)
    assert list(floats.tasks.values()) == pytest.approx([3, 2])
    assert divided("psdsf", *kesidis, max_tasks={"f1": 4})[0] == 4
    with pytest.raises(NotSupported, match="for whole tasks"):
        divided("psdsf:residual", *kesidis)
    with pytest.raises(InvalidOption, match="no form of it"):
        allocate(*kesidis, policy="psdsf:other")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ps_dsf_meets_its_definition(data: Any) -> None:
    """On each machine everybody that may use it has a resource used up of which nobody with a higher level has any."""
    k, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    rooms = [[data.draw(st.integers(1, 9)) for _ in range(2)] for _ in range(k)]
    needs = [[data.draw(st.integers(1, 4)) for _ in range(2)] for _ in range(n)]
    may = [[data.draw(st.booleans()) or k == 1 for _ in range(k)] for _ in range(n)]
    a = allocate(np.array(rooms), np.array(needs), eligible=may, policy="psdsf", divisible=True)
    x = a.tasks
    for m, room in enumerate(rooms):
        used = [sum(a.placement[i][m] * needs[i][j] for i in range(n)) for j in range(2)]
        assert all(u <= top * (1 + 1e-9) for u, top in zip(used, room, strict=True))
        level = [
            x[i] * max(q / top for q, top in zip(needs[i], room, strict=True)) for i in range(n)
        ]
        for i in range(n):
            assert may[i][m] or a.placement[i][m] == 0
            assert not may[i][m] or any(
                used[j] >= room[j] * (1 - 1e-9)
                and all(
                    level[p] <= level[i] * (1 + 1e-6) for p in range(n) if a.placement[p][m] > 1e-9
                )
                for j in range(2)
            )


def test_static_and_the_pool_as_one_machine() -> None:
    assert divided("static", *TWO) == [6, 6]  # halves: min(1/.2, 6/1) + min(6/.2, 1/1) = 5 + 1
    pool = ({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})
    for policy in ("drfh", "tsf", "cdrf", "perserver", "psdsf"):
        assert divided(policy, *pool) == [3, 2]
        assert allocate(*pool, policy=policy).placement is None


def test_arrays_of_machines() -> None:
    rooms, needs = np.array([[2, 12], [12, 2]]), np.array([[1, 5], [5, 1]])
    a = allocate(rooms, needs, eligible=np.array([[True, False], [True, True]]), policy="drfh")
    assert a.placement.tolist() == [[2, 0], [0, 2]]
    b = allocate(rooms, needs, divisible=True, exact=True)
    assert b.placement.shape == (2, 2)
    assert b.placement.sum(axis=1).tolist() == b.tasks.tolist()


def test_who_fits_nowhere() -> None:
    machines = {"m1": {"c": 2, "g": 0}, "m2": {"c": 4, "g": 1}}
    users = {"a": {"c": 3}, "b": {"c": 1, "g": 1}, "c": {"c": 1}, "d": {"c": 5}}
    a = allocate(machines, users, eligible={"a": ["m1"], "b": ["m1"], "c": []})
    assert a.unplaceable == ("a", "b", "c", "d")  # the pool would hold 5 CPUs, no machine does
    assert a.tasks == dict.fromkeys(users, 0)
    with pytest.raises(Infeasible, match="'d' fits nowhere"):
        allocate(machines, users, strict=True)


def test_refusals_over_machines() -> None:
    with pytest.raises(InvalidOption, match="capacity is one pool; give machines"):
        allocate({"c": 1}, {"a": {"c": 1}}, eligible={"a": ["m"]})
    with pytest.raises(UnknownName, match="machine in eligible of '1' 'm3'"):
        allocate(*TWO, eligible={"1": ["m3"]})
    with pytest.raises(UnknownName, match="user in eligible"):
        allocate(*TWO, eligible={"3": ["m1"]})
    with pytest.raises(InvalidOption, match="give a list of machines"):
        allocate(*TWO, eligible={"1": "m1"})
    with pytest.raises(InvalidOption, match="no entry for each of 2 users and 2 machines"):
        allocate(*TWO, eligible=[[True, True]])
    with pytest.raises(NotSupported, match="ceei does not divide several machines"):
        divided("ceei", *TWO)
    with pytest.raises(InvalidQuantity, match="capacity of machine 'c' is 2; give a mapping"):
        allocate({"m1": {"c": 1}, "c": 2}, {"a": {"c": 1}})
    with pytest.raises(InvalidQuantity, match="is no amount; give machines as machine -> name"):
        allocate({"m1": {"c": 1}, "m2": {"c": {"d": 1}}}, {"a": {"c": 1}})


def test_floats_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highspy", None)
    with pytest.raises(MissingExtra, match=r"without exact=True.*highspy"):
        allocate(*TWO, divisible=True)


def test_floats_of_small_users_beside_large_ones() -> None:
    # one machine of a millionth, weights of a million million to one: filled, not solved in doubles
    for policy in ("drfh", "tsf", "cdrf"):
        a = allocate(
            {"x": F(1, 10**6)},
            {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}},
            weights={"a": 10**6, "b": F(1, 10**6)},
            max_tasks={"b": 5, "c": 1},
            policy=policy,
            divisible=True,
        )
        assert a.tasks == pytest.approx({"a": 1e-6, "b": 5e-19, "c": 1e-12}, rel=1e-5)


def test_floats_are_never_below_nothing_nor_above_the_machine() -> None:
    rooms = {
        "m0": {"x": 9 * 10**6, "y": 2},
        "m1": {"x": 10, "y": 1},
        "m2": {"x": F(29, 3), "y": 12},
    }
    users = {"u0": {"x": 3, "y": F(4, 3)}, "u1": {"x": 1}, "u2": {"x": 2, "y": 4}}
    a = allocate(rooms, users, eligible={"u0": ["m0", "m1"], "u2": ["m1", "m2"]}, divisible=True)
    assert all(count >= 0 for placed in a.placement.values() for count in placed.values())
    for m, room in rooms.items():
        for j, top in room.items():
            used = sum(
                a.placement[u].get(m, 0) * float(need.get(j, 0)) for u, need in users.items()
            )
            assert used <= float(top) * (1 + 1e-9)


def test_floats_are_near_the_fractions() -> None:
    pytest.importorskip("highspy")
    for policy in ("drfh", "tsf", "cdrf"):
        floats = allocate(*TWO, policy=policy, divisible=True).tasks
        assert list(floats.values()) == pytest.approx([float(t) for t in divided(policy, *TWO)])
