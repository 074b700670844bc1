"""One pool divided: worked examples, vectors from files, and what must hold whatever the numbers are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from drf import DRFError, Policy, Resources, allocate
from drf.errors import (
    DuplicateName,
    Infeasible,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    NotSupported,
    UnknownName,
)
from drf.plugins import Answer, Problem

SHARED = Path(os.environ.get("DRF_SHARED", Path(__file__).parents[2] / "shared"))
F = Fraction
PAPER = ({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})

# -- worked examples


def test_the_papers_example() -> None:
    a = allocate(*PAPER, steps=True)
    assert a.tasks == {"A": 3, "B": 2}
    assert a.resources == {"A": {"cpus": 3, "mem": 12}, "B": {"cpus": 6, "mem": 2}}
    assert a.shares == {"A": 12 / 18, "B": 6 / 9}
    assert a.dominant == {"A": "mem", "B": "cpus"}
    assert a.utilization == {"cpus": 1.0, "mem": 14 / 18}
    assert a.unplaceable == ()
    assert a.policy == "drf"
    # A first by name; then shares (A, B) = (2/9, 0), (2/9, 1/3), (4/9, 1/3), (4/9, 2/3), (2/3, 2/3)
    assert [step.user for step in a.steps] == ["A", "B", "A", "B", "A"]
    assert [step.shares for step in a.steps] == [
        {"A": 2 / 9, "B": 0.0},
        {"A": 2 / 9, "B": 1 / 3},
        {"A": 4 / 9, "B": 1 / 3},
        {"A": 4 / 9, "B": 2 / 3},
        {"A": 2 / 3, "B": 2 / 3},
    ]


def test_the_papers_example_divisible() -> None:
    # x tasks of A and y of B: 4x/18 = 3y/9, x + 3y = 9 -> x = 3, y = 2, and memory is left
    a = allocate(*PAPER, divisible=True, exact=True)
    assert a.tasks == {"A": F(3), "B": F(2)}
    assert a.shares == {"A": F(2, 3), "B": F(2, 3)}
    assert a.utilization == {"cpus": F(1), "mem": F(7, 9)}
    assert all(isinstance(value, Fraction) for value in a.tasks.values())
    floats = allocate(*PAPER, divisible=True)
    assert floats.tasks == {"A": 3.0, "B": 2.0}
    assert all(isinstance(value, float) for value in floats.tasks.values())


def test_weighted() -> None:
    # Twice the weight, twice the share: 4x/18 / 2 = 3y/9 -> y = x/3; memory: 4x + x/3 = 18 -> x = 54/13
    a = allocate(*PAPER, weights={"A": 2}, divisible=True, exact=True)
    assert a.tasks == {"A": F(54, 13), "B": F(18, 13)}
    assert a.shares == {"A": F(6, 13), "B": F(6, 13)}
    assert a.utilization["mem"] == 1
    # Whole tasks: A rises by 1/9 a task, B by 1/3. At (3/9, 1/3) B has fewer tasks; after it all 9 CPUs are used.
    whole = allocate(*PAPER, weights={"A": 2}, steps=True)
    assert [step.user for step in whole.steps] == ["A", "B", "A", "A", "B"]
    assert whole.tasks == {"A": 3, "B": 2}
    assert whole.shares == {"A": 12 / 18 / 2, "B": 6 / 9}
    # Four times the weight: 1/18 a task; at (4/18, 1/3) A's fifth task finds 1 GB, B's second 2 CPUs.
    assert allocate(*PAPER, weights={"A": 4}).tasks == {"A": 4, "B": 1}


def test_a_weight_per_resource() -> None:
    # cpus 3x/8 / 4 = 3x/32, mem 2x/8 / 1 = x/4: A's share is x/4; B: 4y/8 / 3 = y/6, y/8 / 2: y/6.
    # x/4 = y/6, 3x + 4y = 8 -> x = 8/9, y = 4/3
    a = allocate(
        {"cpus": 8, "mem": 8},
        {"A": {"cpus": 3, "mem": 2}, "B": {"cpus": 4, "mem": 1}},
        weights={"A": {"cpus": 4}, "B": {"cpus": 3, "mem": 2}},
        divisible=True,
        exact=True,
    )
    assert a.tasks == {"A": F(8, 9), "B": F(4, 3)}
    assert a.shares == {"A": F(2, 9), "B": F(2, 9)}
    assert a.dominant == {"A": "mem", "B": "cpus"}


def test_caps() -> None:
    assert allocate(*PAPER, max_tasks={"A": 1}).tasks == {"A": 1, "B": 2}
    assert allocate(*PAPER, max_tasks={"A": 0, "B": None}).tasks == {"A": 0, "B": 3}
    assert allocate(*PAPER, max_tasks=[1, 1]).tasks == {"A": 1, "B": 1}
    a = allocate(*PAPER, max_tasks={"A": 1}, divisible=True, exact=True)
    assert a.tasks == {"A": F(1), "B": F(8, 3)}  # 8 CPUs are left for B
    assert allocate(*PAPER, max_tasks={"A": 0}, divisible=True, exact=True).tasks == {
        "A": 0,
        "B": F(3),
    }


def test_skip_goes_on_where_stop_ends() -> None:
    # i: 1/10 a task by r2, j: 1/200 by r1. When i's 9th task does not fit (8 * 100 + 160 * 1 = 960), stop ends with
    # both at 4/5; skip goes on with j until r1 is used up: 8 + 198 * 5 = 998.
    pool, users = {"r1": 1000, "r2": 1000}, {"i": {"r1": 1, "r2": 100}, "j": {"r1": 5, "r2": 1}}
    assert allocate(pool, users, on_blocked="skip").tasks == {"i": 8, "j": 198}
    assert allocate(pool, users, on_blocked="stop").tasks == {"i": 8, "j": 160}


def test_ties_go_by_tasks_then_name_or_by_the_given_order_alone() -> None:
    pool, users = {"x": 5}, {"b": {"x": 1}, "a": {"x": 1}}

    def order(**options: Any) -> str:
        return "".join(step.user for step in allocate(pool, users, steps=True, **options).steps)

    assert order() == "ababa"
    assert order(tie_break=["b", "a"]) == "babab"
    # Costless users (nothing that counts) tie at share 0 for ever: by tasks they take turns, by rank they do not.
    assert order(policy="maxmin:none") == "ababa"
    assert order(policy="maxmin:none", tie_break=["b", "a"]) == "bbbbb"


def test_a_resource_without_capacity() -> None:
    pool = {"cpus": 9, "mem": 18, "gpus": 0}
    users = {**PAPER[1], "C": {"cpus": 1, "gpus": 1}, "D": {"fpgas": 1}}
    for options in ({}, {"divisible": True, "exact": True}):
        a = allocate(pool, users, **options)
        assert a.tasks == {"A": 3, "B": 2, "C": 0, "D": 0}
        assert a.shares == {"A": F(2, 3), "B": F(2, 3), "C": 0, "D": 0} or not options
        assert a.unplaceable == ("C", "D")
        assert a.dominant["C"] is None
        assert a.utilization["gpus"] == a.utilization["fpgas"] == 0
    with pytest.raises(Infeasible, match="a task of 'C', 'D' fits nowhere, even on an empty"):
        allocate(pool, users, strict=True)


def test_a_task_larger_than_the_pool() -> None:
    users = {**PAPER[1], "big": {"cpus": 10}}
    a = allocate(*(PAPER[0], users))
    assert a.tasks == {"A": 3, "B": 2, "big": 0}
    assert a.unplaceable == ("big",)
    assert str(a).endswith("\nunplaceable: big")
    with pytest.raises(Infeasible, match=r"'big'.*lower its demand or raise the capacity"):
        allocate(PAPER[0], users, strict=True)
    # A part of it is placeable.
    parts = allocate(PAPER[0], users, divisible=True, exact=True, strict=True)
    # A 4x/18, B 3y/9, big 10z/9 all at s: x + 3y + 10z = 9s/2 + 9s + 9s = 9 -> s = 2/5
    assert parts.shares == {"A": F(2, 5), "B": F(2, 5), "big": F(2, 5)}
    assert allocate(*PAPER, strict=True).tasks == {"A": 3, "B": 2}


def test_the_table() -> None:
    a = allocate({"cpus": 1}, {"A": {"cpus": 1}, "B": {"cpus": 3}}, divisible=True, exact=True)
    assert str(a).splitlines() == [
        "user  tasks    cpus   share  dominant",
        "A       1/2     1/2  0.5000  cpus",
        "B       1/6     1/2  0.5000  cpus",
        "used         100.0%",
    ]


def test_nobody_and_nothing() -> None:
    a = allocate({"cpus": 1}, {})
    assert (a.tasks, a.utilization) == ({}, {"cpus": 0.0})
    assert str(a)
    assert allocate({}, {"A": {"cpus": 1}}).unplaceable == ("A",)


def test_maxmin_counts_one_resource() -> None:
    # By memory A rises by 4, B by 1 GB a task: A, B, B (7 CPUs); B's third task would need 10 CPUs, A takes the rest.
    a = allocate(*PAPER, policy="maxmin:mem", steps=True)
    assert [step.user for step in a.steps] == ["A", "B", "B", "A", "A"]
    # Divisible: 4x = y, x + 3y = 9 -> x = 9/13
    b = allocate(*PAPER, policy="maxmin:mem", divisible=True, exact=True)
    assert b.tasks == {"A": F(9, 13), "B": F(36, 13)}
    assert a.policy == b.policy == "maxmin:mem"


def test_tasks_that_cost_nothing_come_first_a_task_each_in_turn() -> None:
    # Nobody has a share of GPUs. Divisible: x = y until x + 3y = 9.
    a = allocate(*PAPER, policy="maxmin:gpus", divisible=True, exact=True)
    assert a.tasks == {"A": F(9, 4), "B": F(9, 4)}
    # C costs nothing of mem and takes all CPUs that D, at its cap, leaves, before A and B begin.
    users = {**PAPER[1], "C": {"cpus": 1}, "D": {"cpus": 2}}
    options: dict[str, Any] = {"policy": "maxmin:mem", "max_tasks": {"D": 1}}
    divisible = allocate(PAPER[0], users, divisible=True, exact=True, **options)
    assert divisible.tasks == {"A": 0, "B": 0, "C": 7, "D": 1}
    # Whole: at first all are at share 0, so each gets a task (7 CPUs); then C alone stays at 0 and takes the rest.
    assert allocate(PAPER[0], users, **options).tasks == {"A": 1, "B": 1, "C": 3, "D": 1}


def test_amounts_are_taken_exactly() -> None:
    # Ten of 0.1 fill 1, though ten doubles of 0.1 do not add up to 1.
    assert allocate({"x": 1}, {"A": {"x": 0.1}}).tasks == {"A": 10}
    assert allocate({"x": "1"}, {"A": {"x": "1/3"}}).tasks == {"A": 3}
    assert allocate({"x": Decimal("0.3")}, {"A": {"x": F(1, 10)}}).tasks == {"A": 3}
    assert allocate("x:1;y:2", {"A": "x:0.25", "B": Resources("y:1")}).tasks == {"A": 4, "B": 2}


def test_numbers_above_2_to_the_53() -> None:
    # As doubles 2**60 and 2**60 + 1 are one number; the third task does not fit by a hair.
    big = 1 << 60
    a = allocate({"x": 3 * big - 1, "y": 1}, {"A": {"x": big, "y": F(1, 10**20)}})
    assert a.tasks == {"A": 2}
    b = allocate(
        {"x": 2 * big + 1}, {"A": {"x": big + 1}, "B": {"x": big}}, tie_break=["B", "A"], steps=True
    )
    assert b.tasks == {"A": 1, "B": 1}
    assert allocate({"x": big + 1}, {"A": {"x": big + 1}}, divisible=True).tasks == {"A": 1.0}


# -- arrays


def test_arrays_in_arrays_out() -> None:
    a = allocate(np.array([9, 18]), np.array([[1, 4], [3, 1]]), steps=True)
    assert isinstance(a.tasks, np.ndarray)
    assert a.tasks.tolist() == [3, 2]
    assert a.resources.tolist() == [[3, 12], [6, 2]]
    assert a.shares.tolist() == [12 / 18, 6 / 9]
    assert a.dominant.tolist() == [1, 0]
    assert a.utilization.tolist() == [1.0, 14 / 18]
    assert [step.user for step in a.steps] == [0, 1, 0, 1, 0]
    assert str(a).splitlines()[1].split() == ["0", "3", "3", "12", "0.6667", "1"]


def test_arrays_with_options() -> None:
    a = allocate(
        [9, 18, 0],
        [[1, 4, 0], [3, 1, 0], [0, 0, 1]],
        weights=np.array([2, 1, 1]),
        max_tasks=[None, 1, 5],
        tie_break=[2, 1, 0],
        steps=True,
    )
    assert a.tasks.tolist() == [4, 1, 0]
    assert a.unplaceable == (2,)
    assert a.dominant.tolist() == [1, 0, -1]
    assert next(step.user for step in a.steps) == 1
    per = allocate([8, 8], [[3, 2], [4, 1]], weights=[[4, 1], [3, 2]], divisible=True, exact=True)
    assert per.tasks.tolist() == [F(8, 9), F(4, 3)]
    assert per.tasks.dtype == object


def test_rows_take_the_place_of_names_in_ties() -> None:
    names = allocate({"x": 3}, {"b": {"x": 1}, "a": {"x": 1}})
    rows = allocate([3], [[1], [1]])
    assert names.tasks == {"b": 1, "a": 2}
    assert rows.tasks.tolist() == [2, 1]


# -- refusals

REFUSED: list[tuple[Callable[[], object], type[DRFError], str]] = [
    (
        lambda: allocate(*PAPER, policy="fifo"),
        NotSupported,
        r"fifo does not divide a pool; .*order",
    ),
    (lambda: allocate(*PAPER, policy="dfr"), UnknownName, "unknown policy 'dfr'; did you mean drf"),
    (lambda: allocate(*PAPER, policy="maxmin"), InvalidOption, "needs an argument"),
    (lambda: allocate(*PAPER, policy="maxmin:"), InvalidOption, "needs the name of a resource"),
    (lambda: allocate(*PAPER, divisible=True, steps=True), NotSupported, "are for whole tasks"),
    (
        lambda: allocate(*PAPER, divisible=True, tie_break=["A", "B"]),
        NotSupported,
        "divisible tasks have no order",
    ),
    (lambda: allocate(*PAPER, divisible=True, on_blocked="stop"), NotSupported, "whole tasks"),
    (lambda: allocate(*PAPER, exact=True), NotSupported, "exact=True is for divisible=True"),
    (lambda: allocate(*PAPER, on_blocked="wait"), InvalidOption, "'wait'; it is 'skip' or 'stop'"),
    (lambda: allocate(*PAPER, weights={"A": 0}), InvalidOption, "weight of 'A' is 0; .* above 0"),
    (lambda: allocate(*PAPER, weights={"A": -1}), InvalidOption, "weight of 'A': -1 is negative"),
    (lambda: allocate(*PAPER, weights={"A": float("nan")}), InvalidOption, "nan is not finite"),
    (lambda: allocate(*PAPER, weights={"A": {"cpus": 0}}), InvalidOption, "weight of 'A' is 0"),
    (lambda: allocate(*PAPER, weights={"C": 1}), UnknownName, "user in weights 'C'"),
    (
        lambda: allocate(*PAPER, weights={"A": {"gpu": 1}}),
        UnknownName,
        "resource in weights of 'A' 'gpu'",
    ),
    (lambda: allocate(*PAPER, weights=[1, 2, 3]), InvalidOption, "3 entries for 2 users"),
    (
        lambda: allocate([9, 18], [[1, 4], [3, 1]], weights=[[1, 1, 1], 1]),
        InvalidOption,
        "3 entries for 2 resources",
    ),
    (lambda: allocate(*PAPER, max_tasks={"A": -1}), InvalidOption, "max_tasks of 'A' is -1"),
    (lambda: allocate(*PAPER, max_tasks={"A": 1.5}), InvalidOption, "1.5; it is a whole number"),
    (lambda: allocate(*PAPER, max_tasks={"A": True}), InvalidOption, "max_tasks of 'A' is True"),
    (lambda: allocate(*PAPER, max_tasks={"C": 1}), UnknownName, "user in max_tasks 'C'"),
    (lambda: allocate(*PAPER, max_tasks=[1]), InvalidOption, "1 entries for 2 users"),
    (lambda: allocate(*PAPER, tie_break=["A"]), DuplicateName, "names 1 users; name each of the 2"),
    (lambda: allocate(*PAPER, tie_break=["A", "A"]), DuplicateName, "name each of the 2 once"),
    (lambda: allocate(*PAPER, tie_break=["A", "C"]), UnknownName, "user in tie_break 'C'"),
    (lambda: allocate({"cpus": -1}, PAPER[1]), InvalidQuantity, "capacity, cpus: -1 is negative"),
    (
        lambda: allocate({"cpus": float("inf")}, PAPER[1]),
        InvalidQuantity,
        "capacity, cpus: inf is not finite",
    ),
    (lambda: allocate({"cp us": 1}, PAPER[1]), InvalidName, "'cp us' is malformed"),
    (lambda: allocate("cpus:1;p:[1-2]", PAPER[1]), InvalidQuantity, "ranges or sets"),
    (lambda: allocate(7, PAPER[1]), InvalidQuantity, "capacity is 7; give a mapping"),
    (
        lambda: allocate(PAPER[0], {"A": {"cpus": "many"}}),
        InvalidQuantity,
        "demand of 'A', cpus: 'many' is not a number",
    ),
    (lambda: allocate(PAPER[0], {"A": {"cpus": True}}), InvalidQuantity, "True is not a number"),
    (lambda: allocate(PAPER[0], {"A": {}}), InvalidQuantity, "demand of 'A' is nothing"),
    (lambda: allocate(PAPER[0], {"A": {"cpus": 0}}), InvalidQuantity, "demand of 'A' is nothing"),
    (lambda: allocate([9], [[0]]), InvalidQuantity, "demand of 0 is nothing"),
    (lambda: allocate([9], [[-1]]), InvalidQuantity, "demand of user 0, resource 0: -1"),
    (
        lambda: allocate([9, 1], [[1]]),
        InvalidOption,
        r"capacity has shape \(2,\) and demands \(1, 1",
    ),
    (lambda: allocate([9], [1]), InvalidOption, r"give \(resources,\) and \(users, resources\)"),
    (lambda: allocate({"x": 9}, [[1]]), InvalidOption, "give both as mappings or both as arrays"),
]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    REFUSED,
    ids=[f"{i}-{r[1].__name__}" for i, r in enumerate(REFUSED)],
)
def test_refusals(call: Callable[[], object], error: type[DRFError], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_policy_of_ones_own_divides() -> None:
    class OneEach(Policy):
        name = "one-each"
        modes = frozenset({"divide"})

        def divide(self, problem: Problem) -> Answer:
            assert list(problem.users) == ["A", "B"]
            assert list(problem.capacity) == [9, 18]
            return Answer([1] * len(problem.users))

    a = allocate(*PAPER, policy=OneEach())
    assert (a.policy, a.tasks) == ("one-each", {"A": 1, "B": 1})


# -- vectors: of our own, and those of the theory file where it is there

OWN: list[dict[str, Any]] = [
    {
        "name": "three-resources-two-stages",
        # All rise at a/12: at 1/2 resource b is used up (P 6, Q 6 of 12): Q and P stop; R goes on to all of c.
        "divisible": True,
        "resources": ["a", "b", "c"],
        "capacity": [12, 12, 12],
        "users": [
            {"name": "P", "demand": [1, 1, 0]},
            {"name": "Q", "demand": [0, 2, 1]},
            {"name": "R", "demand": [0, 0, "1/2"]},
        ],
        "expected": {
            "tasks": {"P": 6, "Q": 3, "R": 18},
            "dominant_share": {"P": "1/2", "Q": "1/2", "R": "3/4"},
            "utilisation": ["1/2", 1, 1],
        },
    },
    {
        "name": "weights-and-caps-on-one-resource",
        # 30 in all; weights 3, 2, 1: b is stopped by its cap of 5, then 25 is split 3 to 1: a 75/4, c 25/4.
        "divisible": True,
        "resources": ["x"],
        "capacity": [30],
        "users": [
            {"name": "a", "demand": [1], "weight": 3},
            {"name": "b", "demand": [1], "weight": 2, "max_tasks": 5},
            {"name": "c", "demand": [1], "weight": "1"},
        ],
        "expected": {"tasks": {"a": "75/4", "b": 5, "c": "25/4"}, "utilisation": [1]},
    },
    {
        "name": "whole-tasks-in-a-given-order",
        # q first; shares (p, q): (0, 1/5), (1/4, 1/5), (1/4, 2/5), (1/2, 2/5), (1/2, 3/5): x is at 2 * 2 + 3 * 1 = 7
        # of 8, so p's third task does not fit and q's fourth does: 8 of 8.
        "divisible": False,
        "on_blocked": "skip",
        "tie_break": ["q", "p"],
        "resources": ["x", "y"],
        "capacity": [8, 10],
        "users": [{"name": "p", "demand": [2, 1]}, {"name": "q", "demand": [1, 2]}],
        "expected": {
            "tasks": {"p": 2, "q": 4},
            "dominant_share": {"p": "1/2", "q": "4/5"},
            "utilisation": [1, 1],
            "sequence": ["q", "p", "q", "p", "q", "q"],
        },
    },
    {
        "name": "the-same-stopped",
        "divisible": False,
        "on_blocked": "stop",
        "tie_break": ["q", "p"],
        "resources": ["x", "y"],
        "capacity": [8, 10],
        "users": [{"name": "p", "demand": [2, 1]}, {"name": "q", "demand": [1, 2]}],
        "expected": {
            "tasks": {"p": 2, "q": 3},
            "utilisation": ["7/8", "4/5"],
            "sequence": ["q", "p", "q", "p", "q"],
        },
    },
]


def vectors() -> list[Any]:
    found = list(OWN)
    path = SHARED / "vectors" / "theory.json"
    if path.exists():
        for vector in json.loads(path.read_text("utf-8"))["vectors"]:
            plain = "machines" not in vector and not any("path" in u for u in vector["users"])
            if vector["policy"] == "drf" and plain:
                found.append(vector)
    return [pytest.param(vector, id=vector["name"]) for vector in found]


def weight_of(user: Mapping[str, Any], resources: list[str]) -> Any:
    if "weights" in user:
        return {n: F(w) for n, w in zip(resources, user["weights"], strict=True)}
    return F(user.get("weight", 1))


@pytest.mark.parametrize("vector", vectors())
def test_vector(vector: dict[str, Any]) -> None:
    names = vector["resources"]
    users = [user["name"] for user in vector["users"]]
    whole = not vector["divisible"]
    options: dict[str, Any] = (
        {
            "on_blocked": vector["on_blocked"],
            "tie_break": vector["tie_break"],
            "steps": True,
        }
        if whole
        else {"divisible": True, "exact": True}
    )
    capacity = dict(zip(names, map(F, vector["capacity"]), strict=True))
    demands = {
        u["name"]: dict(zip(names, map(F, u["demand"]), strict=True)) for u in vector["users"]
    }
    a = allocate(
        capacity,
        demands,
        weights={u["name"]: weight_of(u, names) for u in vector["users"]},
        max_tasks={u["name"]: u.get("max_tasks") for u in vector["users"]},
        **options,
    )
    expected = vector["expected"]
    assert list(a.tasks) == users
    amounts = {u: {n: a.tasks[u] * demands[u][n] for n in names} for u in users}
    used = [sum(amounts[u][n] for u in users) for n in names]
    dominant = {
        u: max((amounts[u][n] / capacity[n] for n in names if capacity[n]), default=F(0))
        for u in users
    }
    for user, tasks in expected.get("tasks", {}).items():
        assert F(a.tasks[user]) == F(tasks)
    for user, share in expected.get("dominant_share", {}).items():
        assert dominant[user] == F(share)
    for user, row in expected.get("allocation", {}).items():
        assert a.resources[user] == dict(zip(names, map(F, row), strict=True))
    for n, amount, due in zip(names, used, expected.get("utilisation", []), strict=False):
        if due is not None:
            assert amount / capacity[n] == F(due)
            assert a.utilization[n] == (F(due) if not whole else float(F(due)))
    if "sum_dominant_shares" in expected:
        assert sum(dominant.values()) == F(expected["sum_dominant_shares"])
    if "sequence" in expected:
        assert [step.user for step in a.steps] == expected["sequence"]
    if "steps" in vector:
        assert [step.user for step in a.steps] == [step["pick"] for step in vector["steps"]]
        for step, due in zip(a.steps, vector["steps"], strict=True):
            assert step.shares == {u: float(F(due[f"s{u}"])) for u in users}


def test_no_single_pool_vector_is_left_out() -> None:
    assert len(vectors()) == len(OWN) + (33 if (SHARED / "vectors" / "theory.json").exists() else 0)


# -- properties

amounts = st.one_of(st.integers(0, 6), st.fractions(0, 3, max_denominator=4))
some_weights = st.sampled_from([F(1), F(1), F(2), F(1, 2), F(1, 3), F(5, 2)])


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, ...]:
    """Capacity, demands, weights (a number each, or all by resource), caps; users are rows."""
    columns, users = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    capacity = [draw(st.one_of(st.integers(1, 20), st.just(0))) for _ in range(columns)]
    demands = [[draw(amounts) for _ in range(columns)] for _ in range(users)]
    for row in demands:
        if not any(row):
            row[draw(st.integers(0, columns - 1))] = draw(st.integers(1, 3))
    weights: list[Any] = [draw(some_weights) for _ in range(users)]
    if draw(st.booleans()):
        weights = [[draw(some_weights) for _ in range(columns)] for _ in range(users)]
    caps = [draw(st.sampled_from([None, None, 0, 1, 3])) for _ in range(users)]
    return capacity, demands, weights, caps


def share(capacity: list[Any], demand: list[Any], weight: Any) -> Fraction:
    """Of one task."""
    return max(
        (
            F(d) / top / (weight[j] if isinstance(weight, list) else weight)
            for j, (d, top) in enumerate(zip(demand, capacity, strict=True))
            if top
        ),
        default=F(0),
    )


def left(capacity: list[Any], demands: list[list[Any]], tasks: list[Any]) -> list[Fraction]:
    return [
        F(top) - sum(F(demand[j]) * F(t) for demand, t in zip(demands, tasks, strict=True))
        for j, top in enumerate(capacity)
    ]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(problem=problems(), stop=st.booleans(), by_name=st.booleans())
def test_whole_tasks_by_the_rule(
    kernel: ModuleType, problem: tuple[Any, ...], stop: bool, by_name: bool
) -> None:
    """On each kernel: feasible; nobody's next task fits (skip); each pick had the lowest share, in fractions."""
    capacity, demands, weights, caps = problem
    users = len(demands)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drf.policies.filling.fill", kernel.fill)
        a = allocate(
            np.array(capacity, dtype=object),
            np.array(demands, dtype=object),
            weights=weights,
            max_tasks=caps,
            on_blocked="stop" if stop else "skip",
            tie_break=None if by_name else list(range(users)),
            steps=True,
        )
    tasks = a.tasks.tolist()
    free = left(capacity, demands, tasks)
    assert all(f >= 0 for f in free)
    assert all(cap is None or t <= cap for t, cap in zip(tasks, caps, strict=True))
    costs = [share(capacity, d, w) for d, w in zip(demands, weights, strict=True)]
    assert a.shares.tolist() == [float(t * cost) for t, cost in zip(tasks, costs, strict=True)]

    def fits(i: int, so_far: list[int]) -> bool:
        room = left(capacity, demands, so_far)
        return so_far[i] != caps[i] and all(
            F(d) <= r for d, r in zip(demands[i], room, strict=True)
        )

    if not stop:
        assert not any(fits(i, tasks) for i in range(users))
    so_far = [0] * users
    blocked: set[int] = set(a.unplaceable)
    for step in a.steps:
        blocked |= {i for i in range(users) if not fits(i, so_far)}
        lowest = min(so_far[i] * costs[i] for i in range(users) if i not in blocked)
        mine = so_far[step.user] * costs[step.user]
        assert step.user not in blocked
        # Fractions that are equal may differ by a rounding as doubles, which decide.
        assert mine == lowest or float(mine) == pytest.approx(float(lowest), rel=1e-15)
        so_far[step.user] += 1
    assert so_far == tasks


@settings(max_examples=200, deadline=None)
@given(problem=problems())
def test_divisible_tasks_are_max_min_fair(problem: tuple[Any, ...]) -> None:
    """Feasible, and each user is at its cap or has a bottleneck: a resource used up, of which nobody with a higher
    share has anything. For such an allocation no share can rise without one that is not higher falling."""
    capacity, demands, weights, caps = problem
    a = allocate(
        np.array(capacity, dtype=object),
        np.array(demands, dtype=object),
        weights=weights,
        max_tasks=caps,
        divisible=True,
        exact=True,
    )
    tasks = [F(t) for t in a.tasks.tolist()]
    free = left(capacity, demands, tasks)
    assert all(f >= 0 for f in free)
    shares = [t * share(capacity, d, w) for t, d, w in zip(tasks, demands, weights, strict=True)]
    assert a.shares.tolist() == shares
    for i, demand in enumerate(demands):
        if caps[i] is not None and tasks[i] == caps[i]:
            continue
        assert caps[i] is None or tasks[i] < caps[i]
        bottleneck = any(
            demand[j]
            and not free[j]
            and all(shares[k] <= shares[i] for k in range(len(demands)) if tasks[k] * demands[k][j])
            for j in range(len(capacity))
        )
        assert bottleneck, f"user {i} could have more"


@settings(max_examples=60, deadline=None)
@given(problem=problems(), data=st.data())
def test_names_and_order_do_not_matter_to_divisible_tasks(
    problem: tuple[Any, ...], data: st.DataObject
) -> None:
    capacity, demands, weights, caps = problem
    assume(not isinstance(weights[0], list))
    rows = list(range(len(demands)))
    order = data.draw(st.permutations(rows))

    def divided(rows: list[int]) -> dict[str, Fraction]:
        a = allocate(
            {f"r{j}": top for j, top in enumerate(capacity)},
            {f"u{i}": {f"r{j}": d for j, d in enumerate(demands[i])} for i in rows},
            weights={f"u{i}": weights[i] for i in rows},
            max_tasks={f"u{i}": caps[i] for i in rows},
            divisible=True,
            exact=True,
        )
        tasks: dict[str, Fraction] = a.tasks
        return tasks

    assert divided(rows) == divided(order)


@settings(max_examples=60, deadline=None)
@given(problem=problems(), times=st.integers(2, 10**15))
def test_units_do_not_matter(problem: tuple[Any, ...], times: int) -> None:
    """All amounts of all resources in another unit: the same tasks, above 2**53 too."""
    capacity, demands, weights, caps = problem

    def divided(unit: int) -> list[int]:
        a = allocate(
            np.array([top * unit for top in capacity], dtype=object),
            np.array([[d * unit for d in row] for row in demands], dtype=object),
            weights=weights,
            max_tasks=caps,
        )
        tasks: list[int] = a.tasks.tolist()
        return tasks

    assert divided(1) == divided(times)
