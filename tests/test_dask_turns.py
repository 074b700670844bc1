"""Whose turn it is, without an engine."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from drf.errors import InvalidOption, InvariantBroken, UnknownName
from drf.masters.turns import Shape, Turns, Waiting


class Pool:
    """One worker with so much of each resource."""

    def __init__(self, turns: Turns, **total: float) -> None:
        self.turns = turns
        self.free = dict(total)
        self.running: list[Waiting] = []
        turns.set_total(total)

    def place(self, waiting: Waiting) -> str | None:
        if any(self.free.get(name, 0) < q for name, q in waiting.shape.needs):
            return None
        for name, q in waiting.shape.needs:
            self.free[name] -= q
        return "w"

    def run(self) -> list[Any]:
        started = [waiting for waiting, _ in self.turns.hand_out(self.place)]
        self.running += started
        self.turns.check()
        return [waiting.item for waiting in started]

    def end(self, waiting: Waiting) -> None:
        self.running.remove(waiting)
        for name, q in waiting.shape.needs:
            self.free[name] += q
        self.turns.discharge(waiting.tenant, waiting.shape)
        self.turns.check()


def shape(**needs: float) -> Shape:
    return Shape(tuple(sorted(needs.items())))


def fill(turns: Turns, tenant: str, number: int, what: Shape) -> list[Waiting]:
    return [turns.wait((tenant, n), tenant, what, rank=n) for n in range(number)]


def counts(pool: Pool) -> dict[str, int]:
    return dict(Counter(waiting.tenant for waiting in pool.running))


@pytest.mark.parametrize(
    ("weight", "expected"),
    # Shares of a task: A 4/18 (mem), B 3/9 (cpus). A B A B A takes 9 cpus and 14 mem.
    # With weight 4 a task of A counts 1/18: A B A A A takes 7 cpus and 17 mem.
    [(1.0, {"A": 3, "B": 2}), (4.0, {"A": 4, "B": 1})],
)
def test_paper(weight: float, expected: dict[str, int]) -> None:
    turns = Turns("drf", weights={"A": weight})
    pool = Pool(turns, cpus=9, mem=18)
    fill(turns, "A", 10, shape(cpus=1, mem=4))
    fill(turns, "B", 10, shape(cpus=3, mem=1))
    pool.run()
    assert counts(pool) == expected


def test_bytes_and_thousandths_count_alike() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=9, mem=18e9)
    fill(turns, "A", 10, shape(cpus=1, mem=4e9))
    fill(turns, "B", 10, shape(cpus=3, mem=1e9))
    pool.run()
    assert counts(pool) == {"A": 3, "B": 2}
    assert turns.report()["A"] == {"share": pytest.approx(2 / 3), "running": 3, "waiting": 7}


def test_paths_share_by_level() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=8)
    for tenant in ("lab/a", "lab/b", "lab/c", "shop"):
        fill(turns, tenant, 8, shape(cpus=1))
    pool.run()
    assert counts(pool)["shop"] == 4  # the lab's three share the other half


def test_limit_and_guarantee() -> None:
    quota = {"A": {"limit": {"cpus": 2}}, "B": {"guarantee": {"cpus": 5}}}
    turns = Turns("drf", quota=quota)
    pool = Pool(turns, cpus=9)
    for tenant in "ABC":
        fill(turns, tenant, 9, shape(cpus=1))
    started = pool.run()
    assert [tenant for tenant, _ in started[:5]] == ["B"] * 5
    assert counts(pool) == {"A": 2, "B": 5, "C": 2}


def test_limit_of_a_path_binds_all_below() -> None:
    turns = Turns("drf", quota={"lab": {"limit": {"cpus": 3}}})
    pool = Pool(turns, cpus=9)
    for tenant in ("lab/a", "lab/b", "shop"):
        fill(turns, tenant, 9, shape(cpus=1))
    pool.run()
    assert counts(pool) == {"lab/a": 2, "lab/b": 1, "shop": 6}


def test_what_fits_nowhere_holds_nobody_up() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=2)
    huge = turns.wait("huge", "A", shape(cpus=99), rank=0)
    fill(turns, "A", 1, shape(cpus=1))
    fill(turns, "B", 1, shape(cpus=1))
    assert sorted(pool.run()) == [("A", 0), ("B", 0)]
    assert turns.stuck is huge


def test_rank_decides_within_a_tenant_across_shapes() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=10)
    for rank, q in [(3, 1), (1, 2), (2, 1), (0, 3)]:
        turns.wait(rank, "A", shape(cpus=q), rank=rank)
    assert pool.run() == [0, 1, 2, 3]


def test_who_withdraws_is_not_called() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=10)
    waiting = fill(turns, "A", 4, shape(cpus=1))
    turns.withdraw(waiting[0])
    turns.withdraw(waiting[2])
    turns.withdraw(waiting[2])
    turns.check()
    assert pool.run() == [("A", 1), ("A", 3)]


def test_a_tenant_leaves_with_its_last_task_only() -> None:
    turns = Turns("drf")
    pool = Pool(turns, cpus=1)
    fill(turns, "A", 1, shape(cpus=1))
    turns.leave("A")
    pool.run()
    turns.leave("A")
    assert "A" in turns.report()
    pool.end(pool.running[0])
    turns.leave("A")
    assert not turns.report()


def test_fifo_goes_by_the_time_of_waiting() -> None:
    turns = Turns("fifo")
    pool = Pool(turns, cpus=3)
    turns.wait("late", "A", shape(cpus=1), rank=0, since=5.0)
    turns.wait("early", "B", shape(cpus=1), rank=0, since=1.0)
    turns.wait("middle", "B", shape(cpus=1), rank=1, since=3.0)
    assert pool.run() == ["early", "middle", "late"]


def test_names_of_resources_that_drf_does_not_take() -> None:
    turns = Turns("drf")
    pool = Pool(turns, **{"GPU 0": 2.0})
    fill(turns, "A", 3, shape(**{"GPU 0": 1.0}))
    assert len(pool.run()) == 2
    assert turns.report()["A"]["share"] == 1


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"policy": "dfr"}, UnknownName, "drf"),
        ({"quota": {"A": {"max": {"cpus": 1}}}}, InvalidOption, "'A'.*guarantee"),
        ({"quota": {"A": 3}}, InvalidOption, "'A'"),
        ({"weights": {"A": 0}}, InvalidOption, "'A'"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Turns(**options)


def test_check_sees_a_wrong_count() -> None:
    turns = Turns("drf", quota={"A": {"limit": {"cpus": 9}}})
    fill(turns, "A", 2, shape(cpus=1))
    turns.check()
    turns._tenants["A"].waiting = 1
    with pytest.raises(InvariantBroken):
        turns.check()


@pytest.mark.parametrize("policy", ["drf", "maxmin:cpus", "fifo", "halflife:60"])
def test_random_histories_lose_nothing_and_run_nothing_twice(policy: str) -> None:
    draw = random.Random(6)
    quota = {"t/a": {"limit": {"cpus": 4}}, "u": {"guarantee": {"mem": 6}}}
    turns = Turns(policy, quota=quota) if policy == "drf" else Turns(policy)
    tenants = ["t/a", "t/b", "u", "v"] if policy == "drf" else ["a", "b", "u", "v"]
    pool = Pool(turns, cpus=12, mem=16)
    waiting: dict[int, Waiting] = {}
    done: list[int] = []
    number = 0
    for step in range(600):
        turns.advance(float(step))
        what = draw.random()
        if what < 0.5:
            needs = shape(cpus=draw.choice([1, 2, 5]), mem=draw.choice([1, 4]))
            tenant = draw.choice(tenants)
            waiting[number] = turns.wait(
                number, tenant, needs, rank=draw.random(), since=float(step)
            )
            number += 1
        elif what < 0.6 and waiting:
            item = draw.choice(sorted(waiting))
            turns.withdraw(waiting.pop(item))
            done.append(item)
        elif pool.running:
            ended = draw.choice(pool.running)
            pool.end(ended)
            done.append(ended.item)
        for item in pool.run():
            del waiting[item]
    running = [w.item for w in pool.running]
    assert sorted([*done, *waiting, *running]) == list(range(number))
    for w in list(pool.running):
        pool.end(w)
    while pool.run():
        while pool.running:
            pool.end(pool.running[0])
    assert turns.waiting == 0
    assert pool.free == {"cpus": 12, "mem": 16}
