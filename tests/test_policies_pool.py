"""Policies of one pool, by hand on small pools, and what each of them must keep or lose."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import Sorter, allocate
from drf.errors import InvalidOption, NotSupported
from drf.plugins import POLICIES, make_policy, names

F = Fraction
PAPER: Any = ({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})


def divided(policy: str, *args: Any, **options: Any) -> list[Fraction]:
    a = allocate(*(args or PAPER), policy=policy, divisible=True, exact=True, **options)
    return list(a.tasks.values())


def test_asset_fairness() -> None:
    # x (1/9 + 4/18) = y (3/9 + 1/18): 6x = 7y; x + 3y = 9 -> x = 63/25, y = 54/25
    assert divided("asset") == [F(63, 25), F(54, 25)]
    # Twice the weight: 6x = 14y, 4x + y = 18 after x + 3y = 9? x = 7y/3: 16y/3 = 9 -> y = 27/16, 4x + y = 279/16 < 18
    assert divided("asset", weights={"A": 2}) == [F(63, 16), F(27, 16)]
    # Sharing incentive is lost: 4x = 2y, 3x + y = 30 -> 6 and 12, less than the 15 of its own half.
    pool = ({"a": 30, "b": 30}, {"1": {"a": 1, "b": 3}, "2": {"a": 1, "b": 1}})
    assert divided("asset", *pool) == [6, 12]
    # Whole: costs 1/3 and 7/18 a task: A, B, A, B, A, B? (0,0) A, B, A (2/3 > 7/18) B, A...: 3 and 2 fill 9 cpus.
    whole = allocate(*PAPER, policy="asset", steps=True)
    assert whole.tasks == {"A": 3, "B": 2}
    assert [step.user for step in whole.steps] == ["A", "B", "A", "B", "A"]


def test_asset_weights_by_resource() -> None:
    # A's parts are divided by 2 in cpus only: 1/18 + 4/18 = 5/18 a task, B's 7/18: 5x = 7y, x + 3y = 9 -> y = 45/22.
    assert divided("asset", weights={"A": {"cpus": 2}}) == [F(63, 22), F(45, 22)]


def test_asset_orders() -> None:
    s = Sorter("asset", total=PAPER[0])
    s.add("A")
    s.add("B")
    s.allocated("A", {"cpus": 1, "mem": 4})  # 1/9 + 4/18 = 6/18
    s.allocated("B", {"cpus": 3, "mem": 1})  # 3/9 + 1/18 = 7/18
    assert s.sort() == ["A", "B"]
    s.weigh("B", 2.0)  # 7/36
    assert s.sort() == ["B", "A"]
    s.weigh("B", {"cpus": 2.0})  # 3/18 + 1/18 = 4/18
    assert s.sort() == ["B", "A"]
    s.set_total({"cpus": 9, "mem": 1})  # A 1/9 + 4, B 3/18 + 1
    assert s.sort() == ["B", "A"]
    s.unallocated("A", {"cpus": 1, "mem": 4})
    assert s.sort() == ["A", "B"]
    s.check()


def test_task_fairness() -> None:
    assert divided("tasks") == [F(9, 4), F(9, 4)]  # x + 3x = 9
    assert divided("tasks", weights={"A": 2}) == [F(18, 5), F(9, 5)]  # 2y + 3y = 9
    assert allocate(*PAPER, policy="tasks").tasks == {"A": 3, "B": 2}
    # A weight a resource counts by its largest.
    assert divided("tasks", weights={"A": {"mem": 2}}) == [F(18, 5), F(9, 5)]


@pytest.mark.parametrize("policy", ["static", "priority"])
def test_no_steps(policy: str) -> None:
    with pytest.raises(NotSupported, match=f"{policy} gives no tasks one by one; leave out steps"):
        allocate(*PAPER, policy=policy, steps=True)


def test_names_not_places_break_ties() -> None:
    users = {"b": {"x": 1}, "a": {"x": 1}}
    assert divided("utilitarian", {"x": 1}, users) == [0, 1]


def test_static_partition() -> None:
    # Half of 9 and 18: min(4.5/1, 9/4) and min(4.5/3, 9/1)
    assert divided("static") == [F(9, 4), F(3, 2)]
    assert allocate(*PAPER, policy="static").tasks == {"A": 2, "B": 1}
    assert divided("static", max_tasks={"A": 1}) == [1, F(3, 2)]
    assert divided("static", weights={"A": 2}) == [3, 1]  # 2/3 of 18 mem / 4; 1/3 of 9 cpus / 3
    assert divided("static", weights={"A": {"mem": 2}}) == [3, F(3, 2)]


def test_priority() -> None:
    assert allocate(*PAPER, policy="priority", weights={"B": 2}).tasks == {"A": 0, "B": 3}
    assert divided("priority", weights={"A": 2}) == [F(9, 2), 0]  # A: 18/4, and no memory is left
    assert divided("priority") == divided("drf")
    assert allocate(*PAPER, policy="priority").tasks == allocate(*PAPER).tasks
    capped = allocate(*PAPER, policy="priority", weights={"B": 2}, max_tasks={"B": 1})
    assert capped.tasks == {"A": 4, "B": 1}
    with pytest.raises(NotSupported, match="class after class; leave out on_blocked"):
        allocate(*PAPER, policy="priority", on_blocked="stop")
    # Several classes: what the first leaves.
    classes = {"hi": {"x": 2}, "lo": {"x": 1}, "mid": {"x": 3}}
    a = allocate(
        {"x": 6}, classes, policy="priority", weights={"hi": 3, "mid": 2}, max_tasks={"hi": 1}
    )
    assert a.tasks == {"hi": 1, "lo": 1, "mid": 1}
    s = Sorter("priority", total=PAPER[0])
    for name, weight in (("a", 1.0), ("b", 2.0), ("c", 2.0)):
        s.add(name, weight=weight)
    s.allocated("b", {"cpus": 6})
    assert s.sort() == ["c", "b", "a"]
    s.allocated("c", {"cpus": 9})
    assert s.sort() == ["b", "c", "a"]


def test_sequential_min_max() -> None:
    # Shares after a task: A 2/9, B 3/9. A; A at 4/9 against B 3/9: B; A 4/9, B 6/9: A; A 6/9 ties B with more tasks: B.
    a = allocate(*PAPER, policy="seqminmax", tie_break=["A", "B"], steps=True)
    assert [step.user for step in a.steps] == ["A", "B", "A", "A", "B"]
    assert allocate(*PAPER, policy="seqminmax", tie_break=["A", "B"]).tasks == a.tasks
    # DRF gives b two of six, its half would run three: a costs 2/6, b 1/6 a task.
    pool = ({"x": 6, "y": 6}, {"a": {"x": 2, "y": 1}, "b": {"x": 1}})
    assert allocate(*pool, policy="seqminmax").tasks == {"a": 1, "b": 4}
    assert allocate(*pool).tasks == {"a": 2, "b": 2}
    with pytest.raises(NotSupported, match="for divisible ones it is drf"):
        divided("seqminmax")


def test_slots() -> None:
    a = allocate(*PAPER, policy="slots:6")
    assert a.tasks == {"A": 3, "B": 3}
    assert a.utilization == {"cpus": 12 / 9, "mem": 15 / 18}
    assert divided("slots:6", weights={"A": 2}, max_tasks={"B": 1}) == [5, 1]
    # Two machines of three slots; B may use the second only: A 3 + 1 (max-min of tasks: 3 each).
    machines = {"m1": PAPER[0], "m2": PAPER[0]}
    b = allocate(machines, PAPER[1], policy="slots:3", eligible={"B": ["m2"]})
    assert b.tasks == {"A": 3, "B": 3}
    for wrong in ("slots", "slots:0", "slots:x"):
        with pytest.raises(InvalidOption, match="slots"):
            make_policy(wrong)


def test_ceei() -> None:
    # Both resources used up: x + 3y = 9, 4x + y = 18 -> x = 45/11, y = 18/11
    assert divided("ceei") == [F(45, 11), F(18, 11)]
    assert divided("ceei", max_tasks={"A": 1}) == [1, F(8, 3)]
    assert divided("ceei", max_tasks={"A": 0}) == [0, 3]
    # One resource is used up: everybody spends its weight on it.
    one = ({"x": 12}, {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}})
    assert divided("ceei", *one, weights={"a": 2}) == [6, F(3, 2), 1]
    # Two prices for three users: irrational.
    three = (
        {"x": 100, "y": 100},
        {"1": {"x": 4, "y": 1}, "2": {"x": 1, "y": 16}, "3": {"x": 16, "y": 1}},
    )
    with pytest.raises(NotSupported, match="not found to be rational"):
        divided("ceei", *three)
    a = allocate(*three, policy="ceei", divisible=True)
    assert list(a.tasks.values()) == pytest.approx(
        [11.283317627325, 5.351373288126, 3.094709762661]
    )
    with pytest.raises(NotSupported, match="say divisible=True"):
        allocate(*PAPER, policy="ceei")
    with pytest.raises(NotSupported, match="one weight a user"):
        divided("ceei", weights={"A": {"mem": 2}})


def test_bottleneck_max_fairness() -> None:
    assert divided("bmf") == [F(45, 11), F(18, 11)]
    three = ({"x": 10, "y": 10}, {"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"y": 1}})
    assert divided("bmf", *three) == [5, 5, 5]
    assert divided("bmf", *three, max_tasks={"b": 2}) == [8, 2, 8]
    # a holds twice as much of x as b, c as much of y as b: 3b = 10, 2b = 10? y: b + c = 10, c = b only if y stops b.
    assert divided("bmf", *three, weights={"a": 2}) == [F(20, 3), F(10, 3), F(20, 3)]


@pytest.mark.parametrize("policy", ["drf", "maxmin:x", "mesos", "collapsed", "hdrf", "asset"])
def test_shares_equal_by_weight_are_ties(policy: str) -> None:
    # a three of 5 at weight 3, b one: both at 1/5, so the next is b, which has fewer; in doubles (3/5)/3 is less
    pool: Any = {"x": 5}, {"a": {"x": 1}, "b": {"x": 1}}
    assert allocate(*pool, policy=policy, weights={"a": 3}).tasks == {"a": 3, "b": 2}


@pytest.mark.parametrize("steps", [False, True])
def test_shares_after_a_task_that_are_equal_by_weight_are_ties(steps: bool) -> None:
    # of 17 and at weight 5, a's fifteenth task ends at 15/17/5 and b's third at 3/17: equal, and b has fewer
    pool: Any = {"x": 17}, {"a": {"x": 1}, "b": {"x": 1}}
    a = allocate(*pool, policy="seqminmax", weights={"a": 5}, steps=steps)
    assert a.tasks == {"a": 14, "b": 3}


def test_fairness_costs_up_to_the_number_of_resources() -> None:
    # two who need one resource each and eight who need both: DRF gives each 1/9 of what it needs, the best sum is 2
    users: Any = {"s0": {"x": 1}, "s1": {"y": 1}} | {f"g{k}": {"x": 1, "y": 1} for k in range(8)}
    got = {
        policy: sum(
            allocate(
                {"x": 1, "y": 1}, users, policy=policy, divisible=True, exact=True
            ).shares.values()
        )
        for policy in ("drf", "utilitarian")
    }
    assert got == {"drf": F(10, 9), "utilitarian": 2}


def test_with_work_that_ends_fairness_keeps_the_short_waiting() -> None:
    def ends(policy: str) -> dict[str, Fraction]:
        left, now, done = {"a": F(1), "b": F(2), "c": F(3)}, F(0), dict[str, Fraction]()
        while left:
            pool: Any = {"x": 1}, {user: {"x": 1} for user in left}
            weights = {user: 1 / work for user, work in left.items()}
            rate = allocate(
                *pool,
                policy=policy,
                divisible=True,
                exact=True,
                weights=weights if policy == "priority" else None,
            ).tasks
            step = min(left[user] / rate[user] for user in left if rate[user])
            now += step
            left = {user: work - step * rate[user] for user, work in left.items()}
            done |= {user: now for user, work in left.items() if not work}
            left = {user: work for user, work in left.items() if work}
        return done

    assert ends("drf") == {"a": 3, "b": 5, "c": 6}
    assert ends("priority") == {
        "a": 1,
        "b": 3,
        "c": 6,
    }  # the shortest first: nobody is later, two are sooner


def test_the_largest_sum_of_nobody() -> None:
    a = allocate({"x": 0, "y": 1}, {"a": {"x": 1, "y": 1}}, policy="utilitarian", divisible=True)
    assert (a.tasks, a.unplaceable) == ({"a": 0}, ("a",))


def test_the_largest_sum() -> None:
    users = {"a": {"x": 1}, "b": {"y": 1}, "c": {"x": 1, "y": 1}}
    assert divided("utilitarian", {"x": 1, "y": 1}, users) == [1, 1, 0]
    # With weight 3 c's share counts for more than a's and b's together; with 2 as much, and then a comes first.
    assert divided("utilitarian", {"x": 1, "y": 1}, users, weights={"c": 3}) == [0, 0, 1]
    assert divided("utilitarian", {"x": 1, "y": 1}, users, weights={"c": 2}) == [1, 1, 0]
    assert divided("utilitarian", {"x": 1}, {"a": {"x": 1}, "b": {"x": 1}}) == [1, 0]


@pytest.mark.parametrize(
    "policy", ["tasks", "static", "seqminmax", "slots:3", "ceei", "bmf", "utilitarian"]
)
def test_what_does_not_order(policy: str) -> None:
    with pytest.raises(NotSupported, match="does not order clients"):
        Sorter(policy)


def test_every_policy_is_registered_twice() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert sorted(project["project"]["entry-points"][POLICIES]) == names(POLICIES)
    for name in names(POLICIES):
        if name not in ("maxmin", "slots"):
            assert make_policy(name).name.startswith(name)


pools = st.tuples(
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.lists(
        st.lists(st.integers(0, 4), min_size=2, max_size=2).filter(any), min_size=1, max_size=4
    ),
)


@settings(max_examples=80, deadline=None)
@given(pool=pools, data=st.data())
def test_feasible_whatever_the_policy(pool: Any, data: Any) -> None:
    capacity, demands = pool
    weights = [data.draw(st.sampled_from([1, 2, F(1, 3)])) for _ in demands]
    caps = [data.draw(st.sampled_from([None, None, 0, 2])) for _ in demands]
    options: dict[str, Any] = {"weights": weights, "max_tasks": caps}
    for policy in (
        "drf",
        "asset",
        "tasks",
        "priority",
        "static",
        "bmf",
        "utilitarian",
        "seqminmax",
    ):
        for divisible in (True, False):
            if (policy in ("bmf", "utilitarian") and not divisible) or (
                policy == "seqminmax" and divisible
            ):
                continue
            a = allocate(
                np.array(capacity),
                np.array(demands),
                policy=policy,
                divisible=divisible,
                exact=divisible,
                **options,
            )
            for j, top in enumerate(capacity):
                assert sum(t * d[j] for t, d in zip(a.tasks.tolist(), demands, strict=True)) <= top
            assert all(c is None or t <= c for t, c in zip(a.tasks.tolist(), caps, strict=True))
            if policy not in ("static",):  # nobody is left that could have one more, or more
                for i, t in enumerate(a.tasks.tolist()):
                    left = [
                        top - sum(x * d[j] for x, d in zip(a.tasks.tolist(), demands, strict=True))
                        for j, top in enumerate(capacity)
                    ]
                    room = all(
                        (f > 0 if divisible else f >= q)
                        for f, q in zip(left, demands[i], strict=True)
                        if q > 0
                    )
                    assert t == caps[i] or not room, policy
