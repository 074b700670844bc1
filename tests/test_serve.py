"""Many steps in one call: what `serve` decides is what `next` and `allocated` decide that often, all or nothing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import Policy, Resources, Sorter, backend
from drf.errors import DRFError, InputError, InvalidOption, InvalidQuantity, PluginError

TOTAL = {"cpus": 90, "mem": 180}
FLAT = ["a", "b", "c", "d", "e"]
PATHS = ["a", "b/x", "b/y", "c/x/y", "b"]


class Fewest(Policy):
    """Round robin: its keys change with the client's own grants alone."""

    name = "fewest"

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        return (view.grants(client),)


class Fails(Fewest):
    """The same, but for a client that has had three grants."""

    name = "fails"

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        if view.grants(client) == 3:
            raise ZeroDivisionError
        return super().key(view, client)


ORDERS: dict[str, Callable[[], str | Policy]] = {
    name: lambda name=name: name  # type: ignore[misc]
    for name in (
        "drf",
        "maxmin:mem",
        "asset",
        "fifo",
        "random",
        "hdrf",
        "sdrf:0.9",
        "halflife:60",
        "yarn",
    )
} | {"fewest": Fewest}


def one_by_one(s: Sorter, k: int, demands: Mapping[str, Any]) -> list[str]:
    """What `serve` is short for."""
    picked = []
    for _ in range(k):
        client = s.next()
        if client is None:
            break
        if client not in demands:
            raise InputError(
                f"client {client!r} is next, and has no demand; give one, or deactivate the client"
            )
        s.allocated(client, demands[client])
        picked.append(client)
    return picked


def outcome(serve: Callable[..., list[str]], *args: Any) -> list[str] | str:
    """What it gives, or how it is refused."""
    try:
        return serve(*args)
    except DRFError as error:
        return f"{type(error).__name__}: {error}"


def two(policy: str | Policy = "drf") -> tuple[Sorter, dict[str, Any]]:
    """The paper's cluster with its two users, and what a task of each needs."""
    s = Sorter(policy, total={"cpus": 9, "mem": 18})
    s.add("A")
    s.add("B")
    return s, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}


def seen(s: Sorter) -> dict[str, Any]:
    """The whole state, but for whether keys are to be computed anew."""
    s.check()
    state = s.state()
    state.pop("old", None)
    return state


def test_the_papers_example() -> None:
    # Shares (A, B) before each pick: (0, 0) tie, by name A; (2/9, 0) B; (2/9, 1/3) A; (4/9, 1/3) B; (4/9, 2/3) A.
    s, demands = two()
    assert s.serve(5, demands) == ["A", "B", "A", "B", "A"]
    assert s.held("A") == Resources("cpus:3;mem:12")
    assert s.held("B") == Resources("cpus:6;mem:2")
    assert (s.grants("A"), s.grants("B")) == (3, 2)


@pytest.mark.parametrize("policy", ["drf", "fifo"])
def test_it_ends_where_nobody_is_active(policy: str) -> None:
    s, demands = two(policy)
    assert s.serve(0, demands) == s.serve(-1, demands) == []
    s.deactivate("A")
    s.deactivate("B")
    assert s.serve(3, demands) == []
    s.activate("B")
    assert s.serve(2, {"B": demands["B"], "nobody": "anything"}) == ["B", "B"]


@pytest.mark.parametrize("policy", ["drf", "fifo"])
def test_the_number_of_steps_is_whole(policy: str) -> None:
    s, demands = two(policy)
    for k in (1.0, "2", None):
        with pytest.raises(TypeError):
            s.serve(k, demands)  # type: ignore[arg-type]
    assert s.grants("A") == 0


@pytest.mark.parametrize("kind", ["as given", "resources", "interned", "a mapping"])
def test_demands_in_any_form(kind: str) -> None:
    s, demands = two()
    if kind == "resources":
        demands = {name: Resources(demand) for name, demand in demands.items()}
    elif kind == "interned":
        demands = {name: s.intern(demand) for name, demand in demands.items()}
    elif kind == "a mapping":

        class Mine(dict[str, Any]):
            def __missing__(self, name: str) -> Any:
                return plain[name]

        plain, demands = demands, Mine()
    assert s.serve(5, demands) == ["A", "B", "A", "B", "A"]
    s.check()


def test_new_resources_and_totals_on_the_way() -> None:
    """A demand may name a resource that the sorter has not met: a column more, and shares anew."""
    for serve in (Sorter.serve, one_by_one):
        s = Sorter(total={"cpus": 9, "mem": 18}, exclude=["disk"])
        s.add("A", weight={"cpus": 2})
        s.add("B")
        demands = {"A": {"cpus": 1, "disk": 5}, "B": {f"new{i}": 1 for i in range(9)} | {"mem": 1}}
        s.set_total({"cpus": 9, "mem": 30})
        assert serve(s, 9, demands) == ["A", "B", "B", "A", "B", "B", "A", "B", "A"], serve
        assert (
            s.held("B")["new8"] == 5
        )  # 5/30 of the memory, as 3/9 of the CPUs by 2: A had fewer grants
        s.check()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("policy", ORDERS)
def test_as_that_many_steps(policy: str, data: st.DataObject) -> None:
    """With weights, totals, clients that are not listed, agents and paths; whatever fails changes nothing."""
    make = ORDERS[policy]
    names = data.draw(st.sampled_from([FLAT, PATHS] if policy in ("drf", "hdrf") else [FLAT]))
    amounts = st.fixed_dictionaries(
        {"cpus": st.integers(0, 4), "mem": st.sampled_from([0, 1, 5, 2**43])}
    )
    demands: dict[str, Any] = {}
    one, other = (Sorter(make(), total=TOTAL, seed=5) for _ in range(2))
    for name in names:
        weight = data.draw(st.sampled_from([1.0, 1.0, 2.0, 0.3]))
        active = data.draw(st.sampled_from([True, True, True, False]))
        for s in (one, other):
            s.add(name, weight=weight, active=active)
        if data.draw(st.integers(0, 9)):
            demands[name] = data.draw(amounts)
    for _ in range(data.draw(st.integers(1, 4))):
        now = one.now + data.draw(st.integers(0, 30))
        agent = data.draw(st.sampled_from([None, None, "m1"]))
        who = data.draw(st.sampled_from(names))
        mem = data.draw(st.integers(100, 200))
        k = data.draw(st.integers(0, 12))
        for s in (one, other):
            s.advance(now)
            s.set_total({"cpus": 90, "mem": mem})
            s.waiting(who, now)
            s.allocated(who, {"cpus": 1}, agent=agent)
        before, copy = seen(one), one.state()
        due = outcome(one_by_one, other, k, demands)
        assert outcome(one.serve, k, demands) == due
        if isinstance(due, str):
            assert seen(one) == before
            other = Sorter(make())
            other.load(copy)
        assert seen(one) == seen(other)
        assert one.sort() == other.sort()


def test_a_weight_given_to_a_client_whose_node_is_there_counts() -> None:
    """`b` is above `b/x` already; its weight is that of the node, as `weigh` has it."""
    orders = []
    for late in (False, True):
        s = Sorter(total={"cpus": 10})
        for name in ("a", "b/x"):
            s.add(name)
            s.allocated(name, {"cpus": 2})
        s.add("b", **({} if late else {"weight": 4}))
        if late:
            s.weigh("b", 4)
        orders.append(s.sort())
    assert orders == [["b", "b/x", "a"]] * 2  # 2/10 by 4 is less than 2/10


@pytest.mark.parametrize("policy", ["drf", "fifo", "hdrf", Fewest()])
@pytest.mark.parametrize("kind", ["flat", "agent", "path"])
def test_what_is_refused_changes_nothing(policy: str | Policy, kind: str) -> None:
    s, demands = two(policy)
    if kind == "agent":
        s.allocated("A", {"cpus": 1}, agent="m1")
    if kind == "path":
        s.add("C/D", active=False)
    before = seen(s)
    order = s.sort()
    for some in ({}, {order[0]: {"cpus": 3}}):
        with pytest.raises(InputError, match=rf"'{order[len(some)]}' is next, and has no demand; "):
            s.serve(9, some)
        assert seen(s) == before
    with pytest.raises(InvalidQuantity, match="above the limit"):
        s.serve(9, dict.fromkeys("AB", Resources.from_units({"cpus": 2**52})))
    with pytest.raises(InvalidQuantity, match="negative"):
        s.serve(9, demands | {order[0]: {"cpus": -1}})
    with pytest.raises(InvalidOption, match="interned by another sorter"):
        s.serve(9, demands | {order[0]: two()[0].intern({"cpus": 1})})
    assert seen(s) == before
    assert s.sort() == order
    assert len(s.serve(4, demands)) == 4


def test_a_policy_that_fails_on_the_way() -> None:
    s, demands = two(Fails())
    s.serve(2, demands)
    before = seen(s)
    with pytest.raises(PluginError, match="gave no key for client 'A'"):
        s.serve(9, demands)
    assert seen(s) == before
    assert s.serve(2, demands) == ["A", "B"]


def test_the_twins_agree(twins: tuple[ModuleType, ModuleType]) -> None:
    for clients in (3, 300):
        picked = []
        for package in twins:
            s = package.Sorter(total={"cpus": 100 * clients, "mem": 1000 * clients})
            demands = {}
            for i in range(clients):
                s.add(f"c{i * 7919 % clients}", weight=1 + i % 3)
                demands[f"c{i}"] = {"cpus": 1 + i % 4, "mem": 10 * (1 + i % 7)}
            picked.append(s.serve(5 * clients, demands))
            s.check()
        assert picked[0] == picked[1]
        assert len(picked[0]) == 5 * clients


@pytest.mark.skipif(sys.platform == "win32", reason="no alarm there")
@pytest.mark.skipif(backend().name == "pure", reason="an alarm may ring within a grant there")
def test_an_interrupted_call_changes_nothing() -> None:
    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    s, demands = two()
    demands = {name: s.intern({"cpus": 0}) for name in demands}
    s.serve(2, demands)
    before = seen(s)
    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Alarm):
            s.serve(10**12, demands)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert seen(s) == before
