"""Policies with a memory, arrivals, and machines of different kinds."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import Sorter, allocate
from drf.errors import InvalidOption, NotSupported, UnknownName
from drf.plugins import make_policy
from drf.policies.gavel import Gavel
from drf.policies.overtime import HALVINGS, commitment, past, switch_time

F = Fraction

# -- SDRF


def test_commitment_goes_to_the_over_use() -> None:
    assert commitment(0.5, 0.0, 3, 0.9) == pytest.approx(0.5 * 0.729)
    assert commitment(0.0, 0.2, 5, 0.9) == pytest.approx(0.2 * (1 - 0.59049))
    assert commitment(0.2, 0.2, 100, 0.99) == pytest.approx(0.2)


def test_equal_where_they_change_places() -> None:
    one, other = (0.2, 0.0, 0.5), (0.4, 0.1, 0.05)
    t = switch_time(one, other, 0.9)
    assert t == pytest.approx(5.75296922)
    assert one[0] + commitment(one[2], one[1], t, 0.9) == pytest.approx(
        other[0] + commitment(other[2], other[1], t, 0.9)
    )
    assert switch_time(one, one, 0.9) is None
    assert switch_time((0.1, 0.0, 0.0), (0.2, 0.0, 0.0), 0.9) is None


def test_a_sorter_changes_places_by_itself() -> None:
    s = Sorter("sdrf:0.9", total={"x": 10})
    s.add("a")
    s.add("b")
    s.allocated("a", {"x": 10})  # over its half by 1/2
    s.advance(20)
    s.unallocated("a", {"x": 8})  # holds 0.2, commitment c = 0.5 (1 - 0.9^20) = 0.4392
    s.allocated("b", {"x": 5})  # holds 0.5, its half: no commitment
    # 0.2 + 0.4392 0.9^t = 0.5 -> t = ln(0.3 / 0.4392) / ln 0.9 = 3.62
    at = math.log(0.3 / (0.5 * (1 - 0.9**20))) / math.log(0.9)
    assert s.sort() == ["b", "a"]
    s.advance(20 + at - 0.01)
    assert s.sort() == ["b", "a"]
    s.advance(20 + at + 0.01)
    assert s.sort() == ["a", "b"]
    s.check()


def test_without_memory_it_is_drf() -> None:
    s, plain = Sorter("sdrf:0", total={"x": 10, "y": 10}), Sorter("drf", total={"x": 10, "y": 10})
    for t, (client, held) in enumerate(
        (("a", "x:3"), ("b", "y:2"), ("c", "x:2;y:1"), ("a", "y:4"))
    ):
        for sorter in (s, plain):
            sorter.advance(5.0 * t)
            if client not in sorter:
                sorter.add(client)
            sorter.allocated(client, held)
        assert s.sort() == plain.sort()


moves = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(-3, 3), st.sampled_from("xy"), st.integers(0, 30)
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(moves=moves)
def test_memory_is_that_of_many_small_steps(moves: list[tuple[str, int, str, int]]) -> None:
    """The closed form against the recursion, second by second; and the same whatever was asked in between."""
    delta, total = 0.9, {"x": 10, "y": 10}
    s, asked = Sorter(f"sdrf:{delta}", total=total), Sorter(f"sdrf:{delta}", total=total)
    held = {c: {"x": 0, "y": 0} for c in "abc"}
    memory = {c: {"x": 0.0, "y": 0.0} for c in "abc"}
    for c in "abc":
        s.add(c)
        asked.add(c)
    now = 0
    for client, q, name, seconds in moves:
        q = max(q, -held[client][name])
        held[client][name] += q
        for sorter in (s, asked):
            if q > 0:
                sorter.allocated(client, {name: q})
            elif q < 0:
                sorter.unallocated(client, {name: -q})
        for second in range(seconds):
            for c in "abc":
                for r in "xy":
                    over = max(held[c][r] / 10 - 1 / 3, 0.0)
                    memory[c][r] += (1 - delta) * (over - memory[c][r])
            asked.advance(now + second + 1)
            asked.sort()
        now += seconds
        s.advance(now)
    value = {c: max(held[c].values()) / 10 - 1 / 3 + max(memory[c].values()) for c in "abc"}
    order = s.sort()
    assert all(value[p] <= value[q] + 1e-9 for p, q in pairwise(order))
    again = asked.sort()
    assert all(value[p] <= value[q] + 1e-9 for p, q in pairwise(again))


def test_parts_change_with_the_clients() -> None:
    s = Sorter("sdrf:0.5", total={"x": 12})
    s.add("a")
    s.allocated("a", {"x": 9})
    s.advance(50)  # alone, its part is all: no over-use
    s.add("b")
    s.add("c")
    s.allocated("b", {"x": 10})  # the memory of a begins now: 9/12 against 10/12, both over
    assert s.sort() == ["c", "a", "b"]
    s.weigh("a", 4.0)  # part 4/6: value 9/12 - 4/6
    s.remove("b")
    assert s.sort() == ["c", "a"]
    s.deactivate("c")
    assert s.sort() == ["a"]
    s.check()


# -- half-life


def test_use_halves() -> None:
    s = Sorter("halflife:60", total={"x": 10})
    for c in "ab":
        s.add(c)
    s.allocated("a", {"x": 10})
    s.advance(60)
    s.unallocated("a", {"x": 10})  # use: 60 / ln 2 x (1 - 1/2) = 43.28 s
    s.allocated(
        "b", {"x": 5}
    )  # 60 / ln 2 x 1/2 (1 - 2^(-t/60)) = 43.28 x 2^(-t/60) -> 2^(-t/60) = 1/2
    s.advance(60 + 59)
    assert s.sort() == ["b", "a"]
    s.advance(60 + 61)
    assert s.sort() == ["a", "b"]
    s.weigh("b", 4.0)
    assert s.sort() == ["b", "a"]
    s.check()


@given(half=st.floats(1e-3, 1e9), now=st.one_of(st.floats(0, 1e5), st.floats(0, 1e10)))
def test_epochs_are_whole(half: float, now: float) -> None:
    epoch, left = past(now, half)
    assert epoch == int(epoch)
    assert 2.0**-257 < left <= 1
    if epoch < 2**53:
        halvings = HALVINGS * epoch - math.log2(left)
        assert halvings == pytest.approx(now / half, rel=1e-9, abs=1e-9)


def test_memory_fades_evenly_through_epochs() -> None:
    """0.9 halves every 6.6 s: an epoch ends every 28 minutes, in which what is left of 0.5 is 5e-78."""
    s = Sorter("sdrf:0.9", total={"x": 10})
    for client in "ab":
        s.add(client)
    for start in range(0, 20_000, 100):
        s.advance(start)
        s.allocated("a", {"x": 10})
        s.advance(start + 20)
        s.unallocated("a", {"x": 10})
        s.allocated("b", {"x": 3})  # behind a once 0.5 (1 - 0.9^20) 0.9^t is less than 0.3
        for seconds, first in ((3.6, "b"), (3.7, "a")):
            s.advance(start + 20 + seconds)
            assert s.next() == first
            s.check()
        s.unallocated("b", {"x": 3})


# -- against every key anew


class Plain:
    """Both policies with nothing kept in order: each question computes every key, in fractions, O(clients).

    Memories are written down in doubles as the policy says: when the client changed, or the totals, or (for SDRF) the
    weights.
    """

    def __init__(self, policy: str, total: dict[str, int]) -> None:
        self.name, _, number = policy.partition(":")
        self.sdrf = self.name == "sdrf"
        if self.sdrf:
            delta = float(number)
            self.half = math.log(0.5) / math.log(delta) if delta else 0.0
        else:
            self.half = float(number)
        self.now = 0.0
        self.total = total
        self.clients: dict[str, dict[str, Any]] = {}
        self.weights: dict[str, float] = {}
        self.due = False

    def advance(self, now: float) -> None:
        self.settle()
        self.now = now

    def settle(self) -> None:
        if self.due:
            self.due = False
            for client in self.clients:
                self.note(client)

    def note(self, client: str) -> None:
        """The client's memories go to other aims from now on."""
        c = self.clients[client]
        epoch, left = past(self.now, self.half)
        shares = {n: c["held"].get(n, 0) / top for n, top in self.total.items() if top > 0}
        most = max(shares.values(), default=0.0)
        c["base"], c["weight"] = 0.0, 1.0
        if self.sdrf:
            part = self.weights[client] / math.fsum(self.weights[n] for n in self.clients)
            c["base"] = most - part
            aims = {n: max(s - part, 0.0) for n, s in shares.items()} if self.half else {}
        else:
            c["weight"] = self.weights[client]
            aims = {"use": most * (self.half / math.log(2))}
        memory = {}
        for name, aim in aims.items():
            stays, fades, was, then = c["memory"].get(name, (0.0, 0.0, 0.0, (0.0, 0.0)))
            if then != (epoch, left):
                was = stays + self.faded(fades, then[0], epoch) * left
            memory[name] = (aim, (was - aim) / left, was, (epoch, left))
        c["memory"] = memory

    def faded(self, fades: float, since: float, epoch: float) -> float:
        return math.ldexp(fades, -HALVINGS * int(min(epoch - since, 10)))

    def key(self, client: str) -> tuple[Any, ...]:
        c = self.clients[client]
        epoch, left = past(self.now, self.half)
        lines = [(c["base"] / c["weight"], F(0))] if not c["memory"] else []
        for stays, fades, _, then in c["memory"].values():
            fade = self.faded(fades, then[0], epoch) / c["weight"]
            fade = fade if abs(fade) >= 2.0**-700 else 0.0
            lines.append(((c["base"] + stays) / c["weight"], F(fade) * F(left)))
        value, stay = max((F(stay) + rest, stay) for stay, rest in lines)
        return (value, stay, c["grants"], client)

    def sort(self) -> list[str]:
        self.settle()
        return sorted((n for n, c in self.clients.items() if c["active"]), key=self.key)


def drive(sorters: list[Any], plain: Plain, verb: str, client: str, q: int, name: str) -> None:
    """One step of a history on all of them, if it is possible."""
    clients, weight = plain.clients, plain.weights.get(client)
    if verb == "add" and client not in clients:
        clients[client] = {"held": {}, "grants": 0, "active": True, "memory": {}}
        plain.weights.setdefault(client, 1.0)
        for s in sorters:
            s.add(client)
    elif verb == "total":
        plain.total = {**plain.total, name: 5 * q * 1000}
        for s in sorters:
            s.set_total({n: top // 1000 for n, top in plain.total.items()})
        plain.due = True
        return
    elif client not in clients:
        return
    elif verb == "give":
        held = clients[client]["held"]
        held[name] = held.get(name, 0) + q * 1000
        clients[client]["grants"] += 1
        for s in sorters:
            s.allocated(client, {name: q})
    elif verb == "back":
        held = clients[client]["held"]
        q = min(q, held.get(name, 0) // 1000)
        held[name] = held.get(name, 0) - q * 1000
        for s in sorters:
            s.unallocated(client, {name: q})
    elif verb == "weigh":
        plain.weights[client] = (0.5, 1.0, 3.0)[q - 1]
        for s in sorters:
            s.weigh(client, plain.weights[client])
    elif verb in ("on", "off"):
        clients[client]["active"] = verb == "on"
        for s in sorters:
            (s.activate if verb == "on" else s.deactivate)(client)
    elif verb == "remove":
        del clients[client]
        for s in sorters:
            s.remove(client)
    if plain.sdrf and (verb in ("add", "remove") or weight != plain.weights.get(client)):
        plain.due = True  # parts change
    elif client in clients and not plain.due:
        plain.note(client)


histories = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [
                    "add",
                    "give",
                    "give",
                    "give",
                    "back",
                    "back",
                    "weigh",
                    "on",
                    "off",
                    "remove",
                    "total",
                    "restore",
                ]
            ),
            st.sampled_from("abcd"),
            st.integers(1, 3),
            st.sampled_from("xyz"),
        ),
        st.sampled_from([0.0, 0.5, 1.0, 1.0, 7.0, 100.0, 300.0, 1e5, 1e9]),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    "policy", ["sdrf:0.5", "sdrf:0.9", "sdrf:0", "halflife:0.3", "halflife:50"]
)
@settings(max_examples=80, deadline=None)
@given(history=histories)
def test_the_order_is_that_of_every_key_anew(policy: str, history: Any, twins: Any) -> None:
    """On both kernels, whatever happens; also where an order goes on from its state."""
    plain = Plain(policy, {"x": 10_000, "y": 5_000})
    sorters = [package.Sorter(policy, total={"x": 10, "y": 5}) for package in twins]
    for client in "ab":
        drive(sorters, plain, "add", client, 1, "x")
    for step in history:
        if isinstance(step, float):
            plain.advance(plain.now + step)
            for s in sorters:
                s.advance(plain.now)
            if step == 0.0:
                continue  # nothing is asked: what changed waits
        elif step[0] == "restore":
            for i, package in enumerate(twins):
                state = json.loads(json.dumps(sorters[i].state()))
                sorters[i] = package.Sorter(policy)
                sorters[i].load(state)
        else:
            drive(sorters, plain, *step)
            if step[2] == 3:
                continue
        due = plain.sort()
        for s in sorters:
            assert s.next() == (due[0] if due else None)
            assert s.first(2) == due[:2]
            assert s.sort() == due
            s.check()


@pytest.mark.parametrize(
    "wrong", ["sdrf:1", "sdrf:-1", "sdrf:x", "halflife:0", "halflife:inf", "dynamic:0", "dynamic:x"]
)
def test_numbers_out_of_range(wrong: str) -> None:
    with pytest.raises(InvalidOption, match=wrong.replace(":", ":")):
        make_policy(wrong)


@pytest.mark.parametrize("policy", ["sdrf", "halflife"])
def test_memory_does_not_divide(policy: str) -> None:
    with pytest.raises(NotSupported, match="does not divide a pool"):
        allocate({"x": 1}, {"a": {"x": 1}}, policy=policy)


# -- arrivals


def test_arrivals() -> None:
    users = {
        "a": {"x": 1, "y": F(1, 2), "z": F(3, 4)},
        "b": {"x": F(1, 2), "y": 1, "z": F(3, 4)},
        "c": {"x": F(1, 2), "y": F(1, 2), "z": 1},
    }
    due = [[F(1, 3)], [F(4, 9), F(4, 9)], [F(4, 9), F(4, 9), F(1, 3)]]
    for k, row in enumerate(due, 1):
        part = dict(list(users.items())[:k])
        a = allocate({"x": 1, "y": 1, "z": 1}, part, policy="dynamic:3", divisible=True, exact=True)
        assert list(a.shares.values()) == row
    with pytest.raises(InvalidOption, match="expects 2 users and 3 came"):
        allocate({"x": 1, "y": 1, "z": 1}, users, policy="dynamic:2", divisible=True)
    with pytest.raises(NotSupported, match="no weights and no limits"):
        allocate(
            {"x": 1, "y": 1, "z": 1}, users, policy="dynamic", weights={"a": 2}, divisible=True
        )
    with pytest.raises(NotSupported, match="say divisible=True"):
        allocate({"x": 1}, {"a": {"x": 1}}, policy="dynamic")


@settings(max_examples=80, deadline=None)
@given(needs=st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=2), min_size=1, max_size=4))
def test_each_arrival_takes_nothing_back(needs: list[list[int]]) -> None:
    """Irrevocable; within k/n; something at exactly k/n; everybody that came has at least 1/n of its own."""
    n, before = len(needs), [F(0)] * len(needs)
    for k in range(1, n + 1):
        users = {str(i): dict(zip("xy", need, strict=True)) for i, need in enumerate(needs[:k])}
        a = allocate({"x": 60, "y": 60}, users, policy=f"dynamic:{n}", divisible=True, exact=True)
        tasks = list(a.tasks.values())
        assert all(t >= b for t, b in zip(tasks, before, strict=False))
        assert max(a.utilization.values()) == F(k, n)
        assert all(t >= F(60, n) / max(need) for t, need in zip(tasks, needs, strict=False))
        before = tasks


# -- kinds of machines


def test_gavel() -> None:
    speeds = {"a": {"new": 10, "old": 4}, "b": {"new": 6, "old": 5}, "c": {"new": 2, "old": 2}}
    kinds = {"new": {"w": 1}, "old": {"w": 1}}
    jobs: Any = {job: {"w": 1} for job in speeds}
    policy = Gavel(speeds)
    equal = policy.equal(["new", "old"], [F(1)] * 2, list(jobs), [F(1)] * 3)
    assert equal == [F(14, 3), F(11, 3), F(4, 3)]
    a = allocate(kinds, jobs, policy=policy, divisible=True, exact=True)
    ratio = [
        sum(F(speeds[job][kind]) * part for kind, part in a.placement[job].items()) / e
        for job, e in zip(jobs, equal, strict=True)
    ]
    # a on new alone and b on both: 10u/(14/3) = (6(1 - u - v) + 5(1 - w))/(11/3) = ...: 55/49 each.
    assert ratio == [F(55, 49)] * 3
    assert all(t <= 1 for t in a.tasks.values())
    # Without speeds all kinds are alike: everybody has its part of the two workers.
    assert (
        list(allocate(kinds, jobs, policy="gavel", divisible=True, exact=True).tasks.values())
        == [F(2, 3)] * 3
    )
    # Nobody has more than all its time.
    assert allocate(
        {"new": {"w": 5}}, {"a": {"w": 1}}, policy=policy, divisible=True, exact=True
    ).tasks == {"a": 1}
    with pytest.raises(UnknownName, match="job in the speeds"):
        allocate(kinds, {"d": {"w": 1}}, policy=policy, divisible=True, exact=True)
    with pytest.raises(NotSupported, match="divides the time of machines"):
        allocate(kinds, jobs, policy=policy)
