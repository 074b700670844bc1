"""Other systems' rules, each where it differs from the rest."""

from __future__ import annotations

from typing import Any

import pytest

from drf import Sorter, allocate
from drf.division import PRESETS
from drf.errors import InvalidOption, NotSupported, UnknownName


def order(like: str, total: Any, held: Any, weights: Any = None, waiting: Any = None) -> str:
    s = Sorter(like, total=total)
    for name, amount in held.items():
        s.add(name, weight=(weights or {}).get(name))
        if amount:
            s.allocated(name, amount)
        if waiting:
            s.waiting(name, waiting[name])
    return "".join(s.sort())


def orders(*args: Any) -> dict[str, str]:
    return {like: order(like, *args) for like in PRESETS}


def test_a_resource_without_capacity() -> None:
    # a holds gpus of which there are none, b 1/2 of the cpus. Nothing counts: a at 0. Share 1: a after b. No end: too.
    assert orders({"cpus": 10, "gpus": 0}, {"a": {"gpus": 1}, "b": {"cpus": 5}}) == {
        "armada": "ab",
        "kueue": "ab",
        "mesos": "ab",
        "volcano": "ba",
        "yarn": "ba",
        "yunikorn": "ba",
    }
    # Against all of the cpus: at 1 by name, at infinity last.
    assert orders({"cpus": 10, "gpus": 0}, {"a": {"gpus": 1}, "b": {"cpus": 10}}) == {
        "armada": "ab",
        "kueue": "ab",
        "mesos": "ab",
        "volcano": "ab",
        "yarn": "ba",
        "yunikorn": "ab",
    }


def test_weights() -> None:
    # a 4/10 with weight 4: 1/10; b 2/10. Volcano's jobs and YuniKorn's queues have no weights.
    got = orders({"x": 10}, {"a": {"x": 4}, "b": {"x": 2}}, {"a": 4.0})
    assert got == {
        "armada": "ab",
        "kueue": "ab",
        "mesos": "ab",
        "volcano": "ba",
        "yarn": "ab",
        "yunikorn": "ba",
    }


def test_equal_dominant_shares() -> None:
    # Both at 4/10; the second shares, 2/10 of a and 1/10 of b, decide in YARN and YuniKorn.
    got = orders({"x": 10, "y": 10}, {"a": {"x": 4, "y": 2}, "b": {"x": 1, "y": 4}})
    assert got == {
        "armada": "ab",
        "kueue": "ab",
        "mesos": "ab",
        "volcano": "ab",
        "yarn": "ba",
        "yunikorn": "ba",
    }


def test_number_of_grants() -> None:
    # Equal in all; a had two grants. Mesos alone counts them.
    for like in PRESETS:
        s = Sorter(like, total={"x": 10})
        s.add("a")
        s.add("b")
        s.allocated("a", {"x": 1})
        s.allocated("a", {"x": 1})
        s.allocated("b", {"x": 2})
        assert s.sort() == (["b", "a"] if like == "mesos" else ["a", "b"]), like


def test_thousandths_and_waiting() -> None:
    # 10.4 and 10.2 thousandths: equal for Kueue, where b has waited longer; a is ahead of nobody else.
    args: Any = ({"x": 5000}, {"a": {"x": 51}, "b": {"x": 52}}, None, {"a": 9.0, "b": 3.0})
    assert order("kueue", *args) == "ba"
    assert {order(like, *args) for like in PRESETS if like != "kueue"} == {"ab"}


def test_the_next_task_counts_in_armada() -> None:
    # a and b at 2/6: a's second share of 1/6 puts it behind b in YARN and YuniKorn; in Armada its next 4/6 does.
    pool: Any = ({"x": 6, "y": 6}, {"a": {"x": 2, "y": 1}, "b": {"x": 1}})
    got = {like: tuple(allocate(*pool, like=like).tasks.values()) for like in PRESETS}
    assert got == {
        "armada": (1, 4),
        "kueue": (2, 2),
        "mesos": (2, 2),
        "volcano": (2, 2),
        "yarn": (1, 4),
        "yunikorn": (1, 4),
    }


def test_ties_in_a_division() -> None:
    # a takes 1/6 a task, b 2/6. After a, b, a both are at 2/6: Mesos goes on with b, that has fewer tasks.
    pool: Any = ({"x": 6}, {"a": {"x": 1}, "b": {"x": 2}})
    got = {
        like: "".join(s.user for s in allocate(*pool, like=like, steps=True).steps)
        for like in PRESETS
        if like != "armada"
    }
    assert got.pop("mesos") == "abab"
    assert set(got.values()) == {"abaaa"}


def test_refusals() -> None:
    with pytest.raises(UnknownName, match="system in like= 'slurm'; known: armada"):
        allocate({"x": 1}, {"a": {"x": 1}}, like="slurm")
    with pytest.raises(InvalidOption, match="says the policy; leave out policy="):
        allocate({"x": 1}, {"a": {"x": 1}}, like="yarn", policy="asset")
    for like in PRESETS:
        if like != "mesos":
            with pytest.raises(NotSupported, match="divides whole tasks"):
                allocate({"x": 1}, {"a": {"x": 1}}, like=like, divisible=True)
    assert allocate({"x": 1}, {"a": {"x": 1}}, like="mesos", divisible=True).policy == "mesos"
