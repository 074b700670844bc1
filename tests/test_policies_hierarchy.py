"""H-DRF and the collapsed tree: the paper's figures, filled once and under churn, and live trees against fresh ones."""

from __future__ import annotations

import importlib
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED
from drf import Sorter, allocate
from drf.benchmarks.trees import PlainTree
from drf.policies.hierarchy import HDRF

F = Fraction
Needs = dict[str, dict[str, int]]

FIG4 = ({"cpu": 10, "gpu": 10}, {"n1/1": {"cpu": 1}, "n2/1": {"cpu": 1}, "n2/2": {"gpu": 1}})
FIG4_EPS = (
    {"cpu": 100, "gpu": 100},
    {"n1/1": {"cpu": 10}, "n2/1": {"cpu": 10, "gpu": 1}, "n2/2": {"gpu": 1}},
)
FIG5 = (
    {"cpu": 30, "gpu": 30},
    {
        "n1/1": {"cpu": 1},
        "n2/1": {"cpu": 1},
        "n3/1": {"cpu": 1},
        "n3/2": {"gpu": 1},
        "n4/1": {"gpu": 1},
    },
)


def churned(policy: Any, total: dict[str, int], needs: Needs, victim: str, times: int) -> list[int]:
    """Fill; then, so many times, end a task of the victim and fill again."""
    s = Sorter(policy, total=total)
    free, has = dict(total), dict.fromkeys(needs, 0)
    for client in needs:
        s.add(client)

    def move(client: str, sign: int) -> None:
        (s.allocated if sign > 0 else s.unallocated)(client, needs[client])
        has[client] += sign
        for name, q in needs[client].items():
            free[name] -= sign * q

    def fill() -> None:
        for client in needs:
            s.activate(client)
        while (client := s.next()) is not None:
            if all(q <= free[name] for name, q in needs[client].items()):
                move(client, 1)
            else:
                s.deactivate(client)

    fill()
    for _ in range(times):
        if has[victim]:
            move(victim, -1)
        fill()
    s.check()
    return list(has.values())


def test_churn_starves_nobody() -> None:
    assert churned("hdrf", *FIG4, "n2/1", 5) == [5, 5, 10]
    assert churned("hdrf", *FIG4_EPS, "n2/1", 5) == [5, 5, 95]
    assert churned("hdrf", *FIG5, "n3/1", 10) == [10, 10, 10, 15, 15]


def test_the_naive_tree_starves_and_each_correction_alone_fails() -> None:
    assert churned("drf", *FIG4, "n2/1", 5) == [10, 0, 10]
    assert churned("drf", *FIG5, "n3/1", 10) == [15, 15, 0, 15, 15]
    no_rescale, no_blocked = HDRF(rescale=False), HDRF(blocked=False)
    assert churned(no_rescale, *FIG4_EPS, "n2/1", 5)[1] == 0
    assert churned(no_blocked, *FIG5, "n3/1", 10)[3] > 15


@pytest.mark.parametrize("victim", list(FIG5[1]))
def test_churn_ends_where_the_static_walk_does(victim: str) -> None:
    static = allocate(*FIG5, policy="hdrf").tasks
    after = churned("hdrf", *FIG5, victim, 40)
    assert all(abs(a - b) <= 1 for a, b in zip(after, static.values(), strict=True))


def shares(users: Any, total: Any, **options: Any) -> list[Fraction]:
    a = allocate(total, users, policy="hdrf", divisible=True, exact=True, **options)
    return [max(a.resources[u][n] / top for n, top in total.items()) for u in users]


def test_divided_by_the_walk() -> None:
    # 480 slots: halves; n2's in parts 1, 2, 2.
    slots = {p: {"slot": 1} for p in ("n1/1", "n2/1", "n2/2/1", "n2/3")}
    weights = {"n2/2": 2, "n2/3": 2}
    a = allocate({"slot": 480}, slots, weights=weights, policy="hdrf")
    assert a.tasks == {"n1/1": 240, "n2/1": 48, "n2/2/1": 96, "n2/3": 96}
    del slots["n2/3"]
    assert allocate({"slot": 480}, slots, weights={"n2/2": 2}, policy="hdrf").tasks == {
        "n1/1": 240,
        "n2/1": 80,
        "n2/2/1": 160,
    }
    assert shares(FIG5[1], FIG5[0]) == [F(1, 3), F(1, 3), F(1, 3), F(1, 2), F(1, 2)]
    assert list(allocate(*FIG5, policy="hdrf").tasks.values()) == [10, 10, 10, 15, 15]
    # Weights 4 to 1 on 196 CPUs: 4/5, 1/10, 1/10; GPUs are wanted by n1/2 alone.
    fig8 = {
        "n1/1": {"m": 1, "c": 1},
        "n1/2": {"m": 1, "g": 1},
        "n2/1": {"m": 1, "c": 1},
        "n2/2": {"m": 1, "c": 1},
    }
    assert shares(fig8, {"m": 784, "c": 196, "g": 196}, weights={"n1": 4}) == [
        F(4, 5),
        1,
        F(1, 10),
        F(1, 10),
    ]
    # One level is DRF.
    paper = {"A": {"c": 1, "m": 4}, "B": {"c": 3, "m": 1}}
    assert shares(paper, {"c": 9, "m": 18}) == [F(2, 3), F(2, 3)]
    assert shares(paper, {"c": 9, "m": 18}, weights={"A": 2}) == [F(12, 13), F(6, 13)]
    assert shares(paper, {"c": 9, "m": 18}, max_tasks={"A": 1}) == [F(2, 9), F(8, 9)]


def test_a_child_that_does_not_raise_its_parent() -> None:
    # n1's three rise together to 2/10 each: n1 has 4/10 of the cpus, 2/10 of the gpus; 1 and 2 are at their limit, n2
    # is at 4/10. Then n1/3 goes on alone to 4/10, which does not raise n1; then both have 1/10 of what is left.
    users = {"n1/1": {"c": 1}, "n1/2": {"c": 1}, "n1/3": {"g": 1}, "n2": {"g": 1}}
    limits = {"n1/1": 2, "n1/2": 2}
    assert shares(users, {"c": 10, "g": 10}, max_tasks=limits) == [
        F(1, 5),
        F(1, 5),
        F(1, 2),
        F(1, 2),
    ]
    whole = allocate({"c": 10, "g": 10}, users, policy="hdrf", max_tasks=limits)
    assert list(whole.tasks.values()) == [2, 2, 5, 5]


def test_a_user_above_others() -> None:
    # b competes below itself, as one of two.
    a = allocate({"x": 12}, {"a": {"x": 1}, "b": {"x": 1}, "b/1": {"x": 1}}, policy="hdrf")
    assert a.tasks == {"a": 6, "b": 3, "b/1": 3}


def test_the_collapsed_tree() -> None:
    # Weights 1/2, 1/4, 1/4; the children of n2 need different things, so n2 has 1/3 in place of 1/2.
    users = {"n1/1": {"c": 1, "g": 1}, "n2/1": {"c": 1}, "n2/2": {"g": 1}}
    a = allocate({"c": 10, "g": 10}, users, policy="collapsed", divisible=True, exact=True)
    assert list(a.tasks.values()) == [F(20, 3), F(10, 3), F(10, 3)]
    assert shares(users, {"c": 10, "g": 10}) == [F(1, 2), F(1, 2), F(1, 2)]
    s = Sorter("collapsed", total={"c": 10, "g": 10})
    for path in users:
        s.add(path)
    s.allocated("n1/1", {"c": 3, "g": 3})
    s.allocated("n2/1", {"c": 2})
    assert s.sort() == ["n2/2", "n1/1", "n2/1"]  # 0; 3/10 / (1/2) = 6/10; 2/10 / (1/4) = 8/10
    s.weigh_path("n2", 3.0)  # 1/4, 3/8, 3/8: 12/10, 16/30
    assert s.sort() == ["n2/2", "n2/1", "n1/1"]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "give", "back", "off", "on", "weigh", "total"]),
            st.sampled_from(["a", "a/1", "a/2", "b/1", "b/1/x", "b/2", "c"]),
            st.integers(1, 3),
            st.sampled_from(["cpu", "gpu"]),
        ),
        max_size=40,
    )
)
def test_live_is_what_a_fresh_tree_says(steps: list[tuple[str, str, int, str]]) -> None:
    s = Sorter("hdrf", total={"cpu": 8, "gpu": 6})
    for verb, client, number, resource in steps:
        if verb == "total":
            s.set_total({"cpu": 7 + number, "gpu": 6})
        elif verb == "weigh":
            s.weigh_path(client, float(number))
        elif (verb == "add") != (client in s):
            if verb == "add":
                s.add(client)
            continue
        elif client not in s:
            continue
        elif verb == "remove":
            s.remove(client)
        elif verb == "give":
            s.allocated(client, {resource: number})
        elif verb == "back" and s.held(client).quantities().get(resource, 0) >= 1000 * number:
            s.unallocated(client, {resource: number})
        elif verb in ("off", "on"):
            (s.activate if verb == "on" else s.deactivate)(client)
        s.check()
        fresh = s.policy.ordering(s)  # type: ignore[arg-type]
        assert fresh is not None
        assert s.sort() == fresh.first(None)
        assert s.next() == next(iter(s.sort()), None)
        assert sorted(s.sort()) == sorted(c for c in s.clients() if s.is_active(c))


verbs = ["add", "remove", "give", "give", "give", "back", "back", "off", "on", "weigh", "total"]


@pytest.mark.parametrize(("rescale", "blocked"), [(True, True), (True, False), (False, True)])
@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(verbs),
            st.sampled_from(["a", "a/1", "a/2", "a/2/x", "b/1", "b/2", "b/3", "c"]),
            st.sampled_from([1, 1, 1, 2, 3]),
            st.sampled_from(["cpu", "cpu", "gpu", "none"]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_the_order_is_that_of_the_whole_tree_computed_anew(
    rescale: bool, blocked: bool, steps: list[tuple[str, str, int, str, bool]], twins: Any
) -> None:
    """On both kernels, whatever happens; resources are used up and come back, of one there is nothing."""
    sorters = [
        package.Sorter(
            importlib.import_module(f"{package.__name__}.policies.hierarchy").HDRF(
                rescale=rescale, blocked=blocked
            ),
            total={"cpu": 3, "gpu": 5},
        )
        for package in twins
    ]
    weights: dict[str, float] = {}
    for s in sorters:
        for client in ("a/1", "a/2", "b/1"):
            s.add(client)
            s.allocated(client, {"cpu": 1})
    for verb, client, number, resource, asked in steps:
        there = client in sorters[0]
        held = sorters[0].held(client).quantities().get(resource, 0) if there else 0
        for s in sorters:
            if verb == "total":
                s.set_total({"cpu": 2 + number, "gpu": 5})
            elif verb == "weigh":
                s.weigh_path(client, weights.setdefault(client, float(number)))
            elif verb == "add" and not there:
                s.add(client)
            elif not there:
                continue
            elif verb == "remove":
                s.remove(client)
            elif verb == "give":
                s.allocated(client, {resource: number})
            elif verb == "back" and held >= 1000 * number:
                s.unallocated(client, {resource: number})
            elif verb in ("off", "on"):
                (s.activate if verb == "on" else s.deactivate)(client)
        if not asked:
            continue
        s = sorters[0]
        total = s.total().quantities()
        plain = PlainTree(s.clients(), total, rescale=rescale, blocked=blocked)
        facts = {c: (s.held(c).quantities(), s.grants(c), s.is_active(c)) for c in s.clients()}
        plain.compute(facts, weights)
        for s in sorters:
            assert s.next() == plain.first()
            assert s.sort() == plain.sort()
            assert s.first(2) == plain.sort()[:2]
            s.check()


def test_a_full_cluster_keeps_both_trees() -> None:
    s = Sorter("hdrf", total={"cpu": 4})
    for client in ("a/1", "a/2", "b/1"):
        s.add(client)
        s.allocated(client, {"cpu": 1})
    own: Any = s._own  # type: ignore[attr-defined]
    for _ in range(3):
        assert s.next() == "b/1"
        s.allocated("b/1", {"cpu": 1})
        assert s.next() == "a/1"
        s.unallocated("b/1", {"cpu": 1})
        s.deactivate("a/1")
        s.activate("a/1")
    assert set(own._trees) == {frozenset(), frozenset({"cpu"})}
    trees = list(own._trees.values())
    s.next()
    assert all(tree in trees for tree in own._trees.values())
    # More sets than are kept: those that were not asked for longest go.
    s.set_total({f"r{i}": 1 for i in range(12)})
    for i in range(12):
        s.allocated("a/1", {f"r{i}": 1})
        assert s.next() is not None
        s.check()
    assert len(own._trees) == 8


def churn_vectors() -> list[Any]:
    path = SHARED / "vectors" / "theory.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))["vectors"]
    return [pytest.param(v, id=v["name"]) for v in found if v["name"].startswith("hdrf-churn-")]


@pytest.mark.parametrize("vector", churn_vectors())
def test_scripts_that_finish_and_refill(vector: dict[str, Any]) -> None:
    policy: Any = {
        "hdrf_hdrf": "hdrf",
        "hdrf_naive": "drf",
        "hdrf_rescale_only": HDRF(blocked=False),
        "hdrf_noblock_only": HDRF(rescale=False),
    }[vector["policy"]]
    names, script = vector["resources"], vector["script"]
    needs = {
        "/".join(u["path"][1:]): {
            n: int(q) for n, q in zip(names, u["demand"], strict=True) if int(q)
        }
        for u in vector["users"]
    }
    path_of = {u["name"]: "/".join(u["path"][1:]) for u in vector["users"]}
    total = {n: int(q) for n, q in zip(names, vector["capacity"], strict=True)}
    expected = vector["expected"]
    for times, due in ((0, "after_fill"), (script["times"], "after_script")):
        after = churned(policy, total, needs, path_of[script["finish"]], times)
        assert dict(zip(needs, after, strict=True)) == {
            path_of[user]: tasks for user, tasks in expected[due].items()
        }


trees = st.lists(
    st.tuples(
        st.sampled_from(["a/1", "a/2", "b/1", "b/2", "c"]), st.integers(0, 3), st.integers(0, 3)
    ).filter(lambda t: t[1] + t[2] > 0),
    min_size=1,
    max_size=5,
    unique_by=lambda t: t[0],
)


@settings(max_examples=80, deadline=None)
@given(tree=trees, weights=st.fixed_dictionaries({"a": st.sampled_from([1, 2, 3])}))
def test_every_node_has_its_part(tree: Any, weights: dict[str, int]) -> None:
    """Feasible, efficient, and each child of the root has at least its weight's part of the whole."""
    users = {path: {"x": x, "y": y} for path, x, y in tree}
    if not any(path.startswith("a") for path in users):
        weights = {}
    total = {"x": 12, "y": 12}
    a = allocate(total, users, policy="hdrf", weights=weights, divisible=True, exact=True)
    used = {n: sum(a.resources[u][n] for u in users) for n in total}
    assert all(used[n] <= total[n] for n in total)
    for need in users.values():
        assert any(q and used[n] == total[n] for n, q in need.items())
    tops = {path.split("/")[0] for path in users}
    whole = sum(weights.get(top, 1) for top in tops)
    for top in tops:
        mine = [u for u in users if u.split("/")[0] == top]
        held = max(sum(a.resources[u][n] for u in mine) / total[n] for n in total)
        assert held >= F(weights.get(top, 1), whole)
    # The walk in whole tasks of a thousandth is near.
    small = {u: {n: F(q, 2000) for n, q in need.items()} for u, need in users.items()}
    if len(users) <= 2:
        b = allocate(total, small, policy="hdrf", weights=weights)
        for u in users:
            assert b.tasks[u] / 2000 == pytest.approx(float(a.tasks[u]), abs=0.05)
