"""The judge of divisions: each property at allocations worked out by hand; instances, measures, oracles, errors."""

from __future__ import annotations

import ast
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drf
import drf.fairness
from drf.errors import (
    DRFError,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    NotSupported,
    UnknownName,
)
from drf.fairness import (
    Instance,
    Verdict,
    allocation_of,
    bottleneck_fairness,
    bottleneck_maxmin,
    conservation,
    distance_to_divisible,
    dominant_gap,
    ef1_add,
    ef1_remove,
    envy_freeness,
    envy_matrix,
    fill,
    hierarchical_share,
    jain,
    judge,
    leximin,
    max_min_ratio,
    maxmin_certificate,
    measures,
    min_share,
    nash_product,
    near_divisible,
    no_justified_complaints,
    pareto_efficiency,
    sharing_incentive,
    sharing_ratio,
    sharing_up_to_tasks,
    single_resource,
    sum_of_shares,
    utilisation,
)
from drf.fairness.simplex import maximise

F = Fraction
POOL = Instance.of
PAPER = POOL({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})


def said(verdict: Verdict) -> str:
    assert verdict.witness is not None, str(verdict)
    return verdict.witness.text


# -- what the judge may import


def test_the_judge_imports_nothing_of_what_it_judges() -> None:
    folder = Path(drf.fairness.__file__).parent
    seen = set()
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                seen |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                seen.add(node.module or "")
    ours = {name for name in seen if name.startswith("drf") and "fairness" not in name}
    assert ours <= {"drf.units", "drf.errors", "drf.resources"}


# -- instances and allocations


def test_an_instance_is_exact_and_named() -> None:
    pool = POOL({"cpus": 0.1, "mem": "1/3"}, {"A": {"cpus": 0.1}}, weights={"A": 2}, caps={"A": 3})
    assert pool.capacity == (F(1, 10), F(1, 3))
    assert pool.demands == ((F(1, 10), 0),)
    assert pool.weights == ((2, 2),)
    assert pool.caps == (3,)
    assert str(pool) == "pool: 1/10 cpus, 1/3 mem\nA: 1/10 cpus, 0 mem a task, at most 3"
    two = POOL(
        machines={"x": {"a": 1}, "y": {"a": 2}},
        demands={"u": [1], "v/w": [1]},
        weights=[1, [3]],
        eligible={"u": ["y"], "v/w": []},
        groups={"v": 2},
    )
    assert (two.capacity, two.pooled, two.flat) == ((3,), False, False)
    assert str(two).splitlines()[2:] == [
        "u: 1 a a task, weight 1, on y",
        "v/w: 1 a a task, weight 3, on none",
        "v: weight 2",
    ]


@pytest.mark.parametrize(
    ("error", "match", "arguments"),
    [
        (InvalidOption, "exactly one of the two", {"demands": [[1]]}),
        (
            InvalidOption,
            "exactly one of the two",
            {"capacity": [1], "machines": [[1]], "demands": [[1]]},
        ),
        (InvalidOption, "at least one machine and one user", {"capacity": [1]}),
        (InvalidOption, "has 2 resources, the capacity 1", {"capacity": [1], "demands": [[1, 2]]}),
        (
            InvalidOption,
            "lacks a resource",
            {"machines": [{"a": 1, "b": 1}, {"a": 1}], "demands": [[1, 1]]},
        ),
        (
            InvalidOption,
            "2 entries for 1 users",
            {"capacity": [1], "demands": [[1]], "caps": [1, 2]},
        ),
        (InvalidQuantity, "demand of u0 is 0 of everything", {"capacity": [1], "demands": [[0]]}),
        (InvalidQuantity, "-1 is negative", {"capacity": [-1], "demands": [[1]]}),
        (
            InvalidQuantity,
            "weights are above 0",
            {"capacity": [1], "demands": [[1]], "weights": [0]},
        ),
        (UnknownName, "gpus", {"capacity": {"cpus": 1}, "demands": {"A": {"gpus": 1}}}),
        (UnknownName, "user in caps", {"capacity": [1], "demands": [[1]], "caps": {"x": 1}}),
        (
            UnknownName,
            "machine that u0 may use",
            {"capacity": [1], "demands": [[1]], "eligible": [["m9"]]},
        ),
        (InvalidName, "malformed", {"capacity": {"a b": 1}, "demands": {"A": {"a b": 1}}}),
    ],
)
def test_what_is_no_instance(error: type[DRFError], match: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(error, match=match):
        POOL(**arguments)


def test_answers_of_rules() -> None:
    assert allocation_of(PAPER, {"B": 2}).tasks == (0, 2)
    assert allocation_of(PAPER, np.array([3, 2])).rounding == 0
    assert allocation_of(PAPER, np.array([3.0, 2.0])).rounding > 0
    two = POOL(machines={"x": [1], "y": [2]}, demands={"u": [1]})
    assert allocation_of(two, {"u": {"y": 2}}).placed == ((0, 2),)
    assert allocation_of(two, [[1, F(1, 2)]]).tasks == (F(3, 2),)


@pytest.mark.parametrize(
    ("error", "match", "answer"),
    [
        (UnknownName, "user in an allocation 'C'", {"C": 1}),
        (UnknownName, "machine in an allocation 'm1'", {"A": {"m1": 1}}),
        (InvalidOption, "has 1 users, the instance 2", [1]),
        (InvalidOption, "for 2 machines, the instance has 1", [[1, 2], 1]),
        (InvalidQuantity, "are finite", [float("nan"), 1]),
        (InvalidQuantity, "'x'", [["x"], 1]),
        (InvalidQuantity, "True", [[True], 1]),
    ],
)
def test_what_is_no_answer(error: type[DRFError], match: str, answer: Any) -> None:
    with pytest.raises(error, match=match):
        allocation_of(PAPER, answer)


# -- conservation


@pytest.mark.parametrize(
    ("instance", "answer", "text"),
    [
        (PAPER, [4, 2], "10 cpus are given of 9 on pool"),
        (PAPER, [-1, 2], "A has -1 tasks on pool, fewer than none"),
        (PAPER.replace(caps=(F(2), None)), [3, 2], "A has 3 tasks and asked for 2 at most"),
        (
            PAPER.replace(divisible=False),
            [F(1, 2), 2],
            "A has 1/2 tasks on pool, and tasks are whole",
        ),
        (
            POOL(machines=[[1], [1]], demands=[[1]], eligible=[[0]]),
            [[0, 1]],
            "u0 has 1 task on m1, which it may not use",
        ),
        (POOL(machines=[[1], [1]], demands=[[1]]), [[2, 0]], "2 r0 are given of 1 on m0"),
        (POOL([1, 0], [[1, 1]]), [1], "1 r1 are given of 0 on pool"),
    ],
)
def test_conservation(instance: Instance, answer: Any, text: str) -> None:
    assert said(conservation(instance, answer)) == text


def test_floats_may_be_a_hair_over() -> None:
    assert conservation(PAPER, [3 + 1e-10, 2.0]).holds
    assert conservation(PAPER, [3 + 1e-6, 2.0]).fails
    assert conservation(PAPER, [3 + F(1, 10**10), 2]).fails


# -- envy


def test_envy_is_weighed() -> None:
    pool = POOL([6], [[1], [1]], weights=[1, 2])
    assert envy_freeness(pool, [2, 4]).holds
    assert said(envy_freeness(pool, [3, 3])) == "u1 runs 3 tasks and would run 6 with what u0 holds"
    assert envy_freeness(pool.replace(caps=(None, F(3))), [3, 3]).holds
    by_resource = POOL([8, 8], [[3, 2], [4, 1]], weights=[[4, 1], [3, 2]])
    # u0 with (4/3, 1/2) of u1's (16/3, 4/3): (64/9, 2/3), 1/3 of a task
    assert envy_matrix(by_resource, [F(8, 9), F(4, 3)]) == ((0, 0), (0, 0))


def test_envy_is_of_what_lies_where_it_can_be_used() -> None:
    two = POOL(machines=[[6], [6]], demands=[[4], [1]], eligible=[[0], None])
    assert envy_freeness(two, [[F(1, 2), 0], [4, 6]]).fails
    assert envy_freeness(two, [[1, 0], [2, 6]]).holds
    # whole tasks do not span machines: 3 + 3 of the other's are no task of 4
    whole = two.replace(divisible=False, eligible=(frozenset({0, 1}),) * 2)
    assert envy_freeness(whole, [[0, 0], [3, 3]]).holds
    assert envy_freeness(whole, [[0, 0], [4, 3]]).fails


def test_up_to_one_task_has_two_meanings() -> None:
    pool = POOL([12], [[1], [3]], divisible=False)
    # u1's 9 less 3 run 6 tasks of u0, which has 3
    assert said(ef1_remove(pool, [3, 3])) == (
        "u0 runs 3 tasks and would run 6 with what u1 holds but for one task of it"
    )
    assert said(ef1_add(pool, [3, 3])) == "u0 runs 3 tasks and would run 9 with what u1 holds"
    assert ef1_remove(pool, [6, 2]).holds
    assert ef1_add(pool, [6, 2]).holds
    # (6, 0): of u0's tasks, 6 run 2 of u1; less one, 5 run 1; and 2 is more than one more than 0
    assert ef1_remove(pool, [6, 0]).fails
    assert ef1_add(pool, [6, 0]).fails
    assert ef1_add(pool, [5, 0]).holds
    assert ef1_remove(pool, [5, 0]).fails
    assert ef1_remove(pool, [3, 0]).holds
    for check in (ef1_add, ef1_remove):
        assert check(PAPER, [3, 2]).outcome == "not applicable"
        assert check(pool.with_user(0, weights=(F(2),)), [3, 3]).outcome == "not applicable"


# -- efficiency


def test_pareto_efficiency_of_machines_moves_tasks() -> None:
    # each on the machine that suits the other
    two = POOL(machines=[[2, 12], [12, 2]], demands=[["1/5", 1], [1, "1/5"]])
    assert pareto_efficiency(two, [[10, 0], [0, 10]]).holds
    verdict = pareto_efficiency(two, [[0, 2], [2, 0]])
    assert verdict.fails
    assert verdict.witness is not None
    better = verdict.witness.after
    assert better is not None
    assert conservation(two, better).holds
    assert all(b >= a for a, b in zip((2, 2), better.tasks, strict=True))
    assert pareto_efficiency(two.replace(caps=(F(2), F(2))), [[0, 2], [2, 0]]).holds


def test_pareto_efficiency_of_whole_tasks_is_a_matter_of_room() -> None:
    pool = POOL([12, 6], [[2, 1], [4, 1]], divisible=False)
    assert pareto_efficiency(pool, [4, 1]).holds
    assert said(pareto_efficiency(pool, [3, 1])) == (
        "u0 runs 3 tasks and could run 4 without anybody running less"
    )
    assert pareto_efficiency(pool.replace(caps=(F(3), F(1))), [3, 1]).holds
    two = POOL(machines=[[3], [3]], demands=[[2]], divisible=False)
    assert pareto_efficiency(two, [[1, 1]]).holds
    assert pareto_efficiency(two, [[1, 0]]).fails


def test_a_float_that_stops_short_by_a_hair_is_efficient() -> None:
    assert pareto_efficiency(PAPER, [3 - 1e-11, 2.0]).holds
    assert pareto_efficiency(PAPER, [3 - 1e-4, 2.0]).fails
    two = POOL(machines=[[2, 12], [12, 2]], demands=[["1/5", 1], [1, "1/5"]])
    assert pareto_efficiency(two, [[10 - 1e-11, 0.0], [0.0, 10.0]]).holds
    assert pareto_efficiency(two, [[10 - 1e-3, 0.0], [0.0, 10.0]]).fails
    # a hair of a large task is many hairs of a small one
    uneven = POOL(machines=[[20], [20]], demands=[[100], [1]])
    assert pareto_efficiency(uneven, [[0.2, 0.19], [0.0, 1.0]]).holds
    # and a hair more than fits (three times 0.1 is more than 0.3) hides nothing that is left elsewhere
    over = POOL(machines=[[0.3], [20]], demands=[[1], [1]], eligible=[[0], None])
    assert pareto_efficiency(over, [[0.1 + 0.2, 0.0], [0.0, 19.0]]).fails


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        ([3, 2], True),
        ([F(45, 11), F(18, 11)], False),
        ([F(63, 25), F(54, 25)], False),
        ([2, F(7, 3)], False),
    ],
)
def test_the_certificate_of_drf(answer: Any, holds: bool) -> None:
    assert maxmin_certificate(PAPER, answer).holds is holds


def test_the_certificate_takes_weights_caps_and_other_shares() -> None:
    assert maxmin_certificate(POOL([6], [[1], [1]], weights=[1, 2]), [2, 4]).holds
    assert maxmin_certificate(POOL([6], [[1], [1]], weights=[1, 2]), [3, 3]).fails
    assert maxmin_certificate(POOL([6], [[1], [1]], caps=[1, None]), [1, 5]).holds
    assert maxmin_certificate(POOL([6], [[1], [2]]), [2, 2], per_task=[F(1), F(1)]).holds
    assert maxmin_certificate(POOL([6], [[1], [2]]), [2, 2]).fails
    assert maxmin_certificate(PAPER, [3.0, 2.0]).holds


# -- sharing


def test_an_entitlement_is_a_weighed_part_of_what_one_may_use() -> None:
    assert said(sharing_incentive(POOL([6], [[1], [1]], weights=[1, 2]), [3, 3])) == (
        "u1 runs 3 tasks and would run 4 on a part of its own"
    )
    by_resource = POOL([8, 8], [[3, 2], [4, 1]], weights=[[4, 1], [3, 2]])
    # (4/7, 1/3) of 8: min(32/21, 4/3)
    assert said(sharing_incentive(by_resource, [F(8, 9), F(4, 3)])) == (
        "u0 runs 8/9 tasks and would run 4/3 on a part of its own"
    )
    two = POOL(machines=[[6], [6]], demands=[[4], [1]], eligible=[[0], None])
    assert sharing_incentive(two, [[F(3, 4), 0], [3, 6]]).holds
    assert sharing_incentive(two, [[F(2, 3), 0], [3, 6]]).fails


def test_complaints_and_bottlenecks() -> None:
    for check in (no_justified_complaints, bottleneck_maxmin):
        assert check(PAPER, [F(45, 11), F(18, 11)]).holds  # the market's: both resources sold
        assert check(PAPER, [3, 2]).fails
        assert said(check(PAPER, [1, 1])).endswith("nothing is used up")
        assert check(PAPER.replace(caps=(F(1), F(1))), [1, 1]).holds
        assert check(PAPER.replace(divisible=False), [3, 2]).outcome == "not applicable"
    assert said(no_justified_complaints(PAPER, [3, 2])) == (
        "A wants more, and of no used-up resource has its due: it holds 1/3 of cpus, and it is entitled to 1/2"
    )
    # half of mem is A's due, though B holds more of it
    pool = POOL([9, 18], [[1, 4], [1, 5]])
    assert no_justified_complaints(pool, [F(9, 4), F(9, 5)]).holds
    assert no_justified_complaints(pool, [2, 2]).fails
    # two solutions, both bottleneck max-min fair
    three = POOL([2, 7, 9], [[1, 3, 4], [2, 2, 4], [0, 3, 3]])
    for answer in ([1, F(1, 2), 1], [F(5, 6), F(7, 12), F(10, 9)]):
        assert bottleneck_maxmin(three, answer).holds
        assert no_justified_complaints(three, answer).holds
    weighted = POOL([9, 18], [[1, 4], [3, 1]], weights=[2, 1])
    assert bottleneck_maxmin(weighted, [F(45, 11), F(18, 11)]).holds
    assert bottleneck_maxmin(POOL([6], [[1], [1]], weights=[1, 2]), [3, 3]).fails


def test_one_resource() -> None:
    pool = POOL([12], [[1], [2], [3]], weights=[1, 2, 1], caps=[2, None, None])
    # u0 at its cap, and the other 10 at 2:1
    assert single_resource(pool, [2, F(10, 3), F(10, 9)]).holds
    assert said(single_resource(pool, [2, 3, F(4, 3)])) == "u1 runs 3 tasks; max-min fair is 10/3"
    assert single_resource(PAPER, [3, 2]).outcome == "not applicable"
    whole = POOL([10], [[1], [4]], divisible=False)
    assert single_resource(whole, [6, 1]).holds  # 5 and 5/4, each within 4 of 10
    assert single_resource(whole, [10, 0]).fails


def test_one_bottleneck() -> None:
    pool = POOL([12, 12], [[2, 1], [3, 1]])
    assert bottleneck_fairness(pool, [3, 2]).holds
    assert bottleneck_fairness(pool, [2, F(8, 3)]).fails
    assert bottleneck_fairness(pool.replace(caps=(F(2), None)), [2, F(8, 3)]).holds
    assert bottleneck_fairness(PAPER, [3, 2]).reason == "no resource is dominant for every user"
    whole = pool.replace(divisible=False)
    assert bottleneck_fairness(whole, [2, 2]).holds
    assert bottleneck_fairness(whole, [1, 3]).fails  # 2 and 9 of 12: more than 2 + 3 apart


# -- whole tasks


def test_the_bounds_of_whole_tasks() -> None:
    pool = POOL([100, 100], [[1, 10], [5, 1]], divisible=False)
    # tasks of 1/10 and 1/20: at least half of 17/20 each
    assert sharing_up_to_tasks(pool, [5, 9]).holds
    assert said(sharing_up_to_tasks(pool, [4, 9])) == (
        "u0 holds a dominant share of 2/5; its part of everything less one task of each is 17/40"
    )
    assert sharing_up_to_tasks(pool.replace(caps=(F(4), None)), [4, 9]).holds
    assert dominant_gap(pool, [8, 18]).holds
    assert said(dominant_gap(pool, [8, 19])) == (
        "u0 holds a dominant share of 4/5, u1 19/20: more than one task of 1/10 apart"
    )
    assert dominant_gap(pool.replace(caps=(F(8), None)), [8, 19]).holds
    # divisible: x = 10 t, y = 20 t, 10 x + y = 100: shares of t = 5/6
    assert near_divisible(pool, [8, 17]).holds
    assert said(near_divisible(pool, [7, 17])) == (
        "u0 holds a dominant share of 7/10; divisible DRF gives 5/6, more than one task of 1/10 away"
    )
    for check in (sharing_up_to_tasks, dominant_gap, near_divisible):
        assert check(PAPER, [3, 2]).outcome == "not applicable"
    zero = POOL([10, 10], [[1, 0], [1, 1]], divisible=False)
    assert near_divisible(zero, [5, 5]).outcome == "not applicable"


# -- trees


def test_nodes_are_due_their_part_of_their_parents_part() -> None:
    slots = {"n1/a": [1], "n2/a": [1], "n2/b/x": [1]}
    tree = POOL([480], slots, groups={"n2/b": 2})
    # n1 240, n2/a 80, n2/b 160
    assert hierarchical_share(tree, [240, 80, 160]).holds
    assert said(hierarchical_share(tree, [241, 80, 159])) == (
        "n2 holds a dominant share of 239/480 and is due 1/2"
    )
    assert said(hierarchical_share(tree, [240, 81, 159])) == (
        "n2/b holds a dominant share of 53/160 and is due 1/3"
    )
    # who wants nothing demands nothing: its part goes to its siblings
    idle = tree.replace(caps=(None, F(0), None))
    assert said(hierarchical_share(idle, [241, 0, 239])).startswith("n2 holds")
    assert hierarchical_share(idle, [240, 0, 240]).holds
    assert said(hierarchical_share(tree.replace(caps=(F(0), None, None)), [0, 80, 160])) == (
        "n2 holds a dominant share of 1/2 and is due 1"
    )
    # who is at its cap is due no more
    assert hierarchical_share(tree.replace(caps=(F(10), None, None)), [10, 150, 320]).holds
    heavier = POOL([480], slots, weights={"n1/a": 1, "n2/a": 3, "n2/b/x": 1}, groups={"n2/b": 2})
    assert hierarchical_share(heavier, [240, 144, 96]).holds
    assert hierarchical_share(heavier, [240, 80, 160]).fails


def test_properties_of_flat_pools_do_not_judge_trees() -> None:
    tree = POOL([480], {"n1/a": [1], "n2/a": [1], "n2/b": [1]})
    for check in (
        sharing_incentive,
        envy_freeness,
        maxmin_certificate,
        single_resource,
        bottleneck_maxmin,
    ):
        assert check(tree, [240, 120, 120]).outcome == "not applicable"
    assert hierarchical_share(PAPER, [3, 2]).outcome == "not applicable"
    assert hierarchical_share(POOL([4], {"a": [1], "a/b": [1]}), [2, 2]).reason == (
        "a is above other users; it is for users at leaves"
    )


# -- measures


def test_measures_of_the_papers_example() -> None:
    drf_, market = [3, 2], [F(45, 11), F(18, 11)]
    assert sum_of_shares(PAPER, drf_) == F(4, 3)
    assert nash_product(PAPER, drf_) == F(4, 9)
    assert sum_of_shares(PAPER, market) == F(16, 11)
    assert nash_product(PAPER, market) == F(60, 121)
    assert min_share(PAPER, market) == F(6, 11)
    assert measures(PAPER, market)["jain"] == F(16, 17)
    assert utilisation(PAPER, drf_) == {"cpus": 1, "mem": F(7, 9)}
    assert utilisation(POOL([1, 0], [[1, 0]]), [1]) == {"r0": 1, "r1": None}
    assert sharing_ratio(PAPER, drf_) == {"A": F(4, 3), "B": F(4, 3)}
    assert sharing_ratio(POOL([1, 0], [[1, 0], [0, 1]]), [1, 0]) == {"u0": 2, "u1": None}
    assert distance_to_divisible(PAPER, market) == F(10, 11) - F(2, 3)
    whole = POOL([6, 18], [[2, 2], [2, 2]], divisible=False)
    assert envy_matrix(whole, [2, 1]) == ((0, 0), (1, 0))
    assert measures(whole, [2, 1])["envious_pairs"] == 1
    assert distance_to_divisible(whole, [2, 1]) == F(1, 6)


def test_jains_index() -> None:
    assert jain([F(1), F(0), F(0), F(0)]) == F(1, 4)
    assert jain([F(0), F(0)]) == 1
    with pytest.raises(InvalidOption, match="no values"):
        jain([])


def test_the_largest_share_over_the_smallest() -> None:
    assert max_min_ratio([F(1, 2), F(1, 3), F(1, 6)]) == 3
    assert max_min_ratio([F(1), F(0)]) is None
    with pytest.raises(InvalidOption, match="no values"):
        max_min_ratio([])


def test_what_is_not_there_to_give_is_not_called_efficient() -> None:
    pool = POOL([2], [[1], [1]])
    assert pareto_efficiency(pool, [2, 2]).outcome == "not applicable"
    assert pareto_efficiency(pool, [1, 1]).holds


def test_a_part_of_a_whole_task_is_not_wanted() -> None:
    pool = POOL([4], [[1], [1]], caps=["3/2", None], divisible=False)
    for check in (sharing_incentive, pareto_efficiency, sharing_up_to_tasks):
        assert check(pool, [1, 3]).holds, check
    assert pareto_efficiency(pool.replace(divisible=True), [F(3, 2), F(5, 2)]).holds
    assert pareto_efficiency(pool.replace(divisible=True), [1, 2]).fails


def test_measures_of_machines() -> None:
    two = POOL(machines=[[2, 12], [12, 2]], demands=[["1/5", 1], [1, "1/5"]])
    assert measures(two, [[10, 0], [0, 10]])["distance_to_divisible"] is None
    assert utilisation(two, [[10, 0], [0, 10]]) == {"r0": F(6, 7), "r1": F(6, 7)}
    with pytest.raises(NotSupported, match="is for one pool"):
        distance_to_divisible(two, [[10, 0], [0, 10]])
    with pytest.raises(NotSupported, match="use leximin"):
        fill(two)


# -- oracles


def test_filling_by_hand() -> None:
    # u0 is at its cap at share 1/4; then u2 alone needs r1, and u1 shares r0 with it
    pool = POOL([8, 8], [[2, 0], [1, 0], [1, 1]], caps=[1, None, None])
    assert fill(pool).tasks == (1, 3, 3)
    assert fill(POOL([9, 18, 0], [[1, 4, 0], [3, 1, 0], [1, 1, 1]])).tasks == (3, 2, 0)
    assert leximin(POOL([9, 18, 0], [[1, 4, 0], [3, 1, 0], [1, 1, 1]])).tasks == (3, 2, 0)
    assert leximin(POOL(machines=[[4]], demands=[[1], [1]], eligible=[[0], []])).tasks == (4, 0)


def instances(**options: bool) -> st.SearchStrategy[Instance]:
    @st.composite
    def build(draw: st.DrawFn) -> Instance:
        m, n = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        amounts = st.integers(0, 4)
        demands = [draw(st.lists(amounts, min_size=m, max_size=m).filter(any)) for _ in range(n)]
        return POOL(
            draw(st.lists(st.integers(0, 12), min_size=m, max_size=m)),
            demands,
            weights=draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)),
            caps=draw(st.lists(st.none() | st.integers(0, 3), min_size=n, max_size=n)),
            **options,
        )

    return build()


@settings(deadline=None, max_examples=60)
@given(instances())
def test_two_oracles_the_certificate_and_the_library_agree(pool: Instance) -> None:
    tasks = fill(pool).tasks
    assert leximin(pool).tasks == tasks
    for check in (
        conservation,
        pareto_efficiency,
        maxmin_certificate,
        sharing_incentive,
        envy_freeness,
    ):
        assert check(pool, tasks).holds, check.__name__
    ours = drf.allocate(
        dict(zip(pool.resources, pool.capacity, strict=True)),
        {
            u: dict(zip(pool.resources, d, strict=True))
            for u, d in zip(pool.users, pool.demands, strict=True)
        },
        weights={u: w[0] for u, w in zip(pool.users, pool.weights, strict=True)},
        max_tasks={
            u: None if c is None else int(c) for u, c in zip(pool.users, pool.caps, strict=True)
        },
        divisible=True,
        exact=True,
    )
    assert tuple(ours.tasks[u] for u in pool.users) == tasks


def adapted(instance: Instance) -> dict[str, int]:
    """`drf.allocate` as a rule."""
    people = range(len(instance.users))
    return dict(
        drf.allocate(
            dict(zip(instance.resources, instance.capacity, strict=True)),
            {
                u: dict(zip(instance.resources, instance.demands[i], strict=True))
                for i, u in enumerate(instance.users)
            },
            weights={instance.users[i]: instance.weights[i][0] for i in people},
            max_tasks={
                instance.users[i]: int(cap) for i in people if (cap := instance.caps[i]) is not None
            },
        ).tasks
    )


@settings(deadline=None, max_examples=40)
@given(instances(divisible=False))
def test_the_library_keeps_the_bounds_of_whole_tasks(pool: Instance) -> None:
    for name in (
        "conservation",
        "pareto_efficiency",
        "sharing_up_to_tasks",
        "ef1_remove",
        "tie_rule",
        "neutral_order",
    ):
        verdict = judge(name, adapted, pool)
        assert not verdict.fails, str(verdict)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_linear_program_against_all_its_corners(data: st.DataObject) -> None:
    n, m = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 4))
    numbers = st.integers(-3, 4)
    rows = [[F(data.draw(numbers)) for _ in range(n)] for _ in range(m)]
    bounds = [F(data.draw(st.integers(-3, 8))) for _ in range(m)]
    # a box, so that there is a maximum
    rows += [[F(int(c == r)) for c in range(n)] for r in range(n)]
    bounds += [F(10)] * n
    goal = [F(data.draw(numbers)) for _ in range(n)]
    lines = [*zip(rows, bounds, strict=True)]
    lines += [([F(-int(c == r)) for c in range(n)], F(0)) for r in range(n)]
    corners = []
    for chosen in product(lines, repeat=n):
        if n == 1:
            ((a, b),) = chosen
            points = [[b / a[0]]] if a[0] else []
        else:
            (a, b), (c, d) = chosen
            det = a[0] * c[1] - a[1] * c[0]
            points = [[(b * c[1] - a[1] * d) / det, (a[0] * d - b * c[0]) / det]] if det else []
        corners += [
            x
            for x in points
            if all(sum(p * q for p, q in zip(line, x, strict=True)) <= most for line, most in lines)
        ]
    found = maximise(goal, rows, bounds)
    if not corners:
        assert found is None
        return
    assert found is not None
    assert found[0] == max(sum(p * q for p, q in zip(goal, x, strict=True)) for x in corners)
    assert all(
        sum(p * q for p, q in zip(line, found[1], strict=True)) <= most for line, most in lines
    )


def test_a_program_without_a_maximum() -> None:
    with pytest.raises(ArithmeticError, match="nothing bounds it"):
        maximise([F(1)], [[F(-1)]], [F(1)])


# -- numbers of every size


def test_numbers_of_every_size_are_exact() -> None:
    pool = POOL([1e-9, 10**12, 2**60 + 1], [[1e-12, 1, 2**54 + 1], ["1/3", 10**9, 1]])
    tasks = fill(pool).tasks
    assert conservation(pool, tasks).holds
    assert maxmin_certificate(pool, tasks).holds
    assert maxmin_certificate(pool, [tasks[0], tasks[1] * (1 - F(1, 10**30))]).fails
    tenth = POOL([1], [[0.1]])
    assert fill(tenth).tasks == (10,)
