"""The order of keys that fade, on both kernels: against every key computed anew, exactly, at every question."""

from __future__ import annotations

import importlib
import math
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

F = Fraction
EPOCH, LEAST, MOST, STEEPEST = 2.0**-256, 2.0**-700, 2.0**500, 2.0**756


@pytest.fixture(scope="session")
def kernels(twins: object) -> tuple[ModuleType, ModuleType]:
    """The pure kernel and the compiled one."""
    return importlib.import_module("drf._purepath"), importlib.import_module("drf._fastpath")


class Brute:
    """The rule, word for word: memories as the kernel writes them down, and keys in fractions at each question."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.left = 1.0
        self.clients: dict[str, dict[str, Any]] = {}

    def pass_time(self, left: float, epochs: int) -> None:
        self.left = left
        for client in self.clients.values() if epochs else ():
            for _ in range(min(epochs, 6)):
                client["fades"] = [f * EPOCH if abs(f) > LEAST else 0.0 for f in client["fades"]]
            client["at"] = None

    def move(
        self, name: str, base: float, aims: Any, weight: float, grants: int, active: bool
    ) -> None:
        client = self.clients.setdefault(
            name, {"stays": [0.0] * len(aims), "fades": [0.0] * len(aims), "at": None}
        )
        if client["at"] != self.left:
            pairs = zip(client["stays"], client["fades"], strict=True)
            client["were"] = [s + f * self.left for s, f in pairs]
        client["stays"] = [min(aim, MOST) for aim in aims]
        gaps = zip(client["were"], client["stays"], strict=True)
        client["fades"] = [(was - aim) / self.left for was, aim in gaps]
        client |= {"at": self.left, "base": base, "weight": weight}
        client |= {"grants": grants, "active": active}

    def drop(self, name: str) -> None:
        del self.clients[name]

    def key(self, name: str) -> tuple[Any, ...]:
        client = self.clients[name]
        stays, fades = client["stays"] or [0.0], client["fades"] or [0.0]
        lines = []
        for s, f in zip(stays, fades, strict=True):
            stay = min((client["base"] + s) / client["weight"], MOST)
            fade = max(min(f / client["weight"], STEEPEST), -STEEPEST)
            lines.append((stay, fade if abs(fade) >= LEAST else 0.0))
        value, stay = max((F(stay) + F(fade) * F(self.left), stay) for stay, fade in lines)
        return value, stay, client["grants"], name

    def sort(self) -> list[str]:
        return sorted((n for n, client in self.clients.items() if client["active"]), key=self.key)


def compare(orders: Any, brute: Brute) -> None:
    due = brute.sort()
    for order in orders:
        assert order.next() == (due[0] if due else None)
        assert order.first(2) == due[:2]
        assert order.sort() == due
        assert order.first(9) == due
        assert order._check() is None
        assert sorted(order.clients()) == sorted(brute.clients)
    assert [o.memories(n) for o in orders[:1] for n in brute.clients] == [
        o.memories(n) for o in orders[1:] for n in brute.clients
    ]


numbers = st.sampled_from([0.0, 0.125, 0.25, 0.25 + 2.0**-54, 0.3, 0.1 + 0.2, 0.5, 1.0, 2.0])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("move"),
            st.sampled_from("abcdefg"),
            st.sampled_from([0.0, 0.0, -0.25, 0.1, 1e-9]),
            st.tuples(numbers, numbers, numbers),
            st.sampled_from([1.0, 1.0, 2.0, 1 / 3, 1e-300, 1e300]),
            st.integers(0, 1),
            st.sampled_from([True, True, True, False]),
        ),
        st.tuples(st.just("drop"), st.sampled_from("abcdefg")),
        st.tuples(
            st.just("time"), st.sampled_from([1.0, 0.5, 0.75, 1 - 2.0**-53, 0.9, 1e-5, 1e-30])
        ),
        st.tuples(st.just("epochs"), st.sampled_from([1, 1, 2, 3, 9])),
        st.tuples(st.just("defer")),
        st.tuples(st.just("ask")),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(columns=st.integers(0, 3), steps=steps)
def test_histories(columns: int, steps: Any, kernels: tuple[ModuleType, ModuleType]) -> None:
    orders = [kernel.Fading(columns) for kernel in kernels]
    brute = Brute(columns)
    left = 1.0
    for verb, *args in steps:
        if verb == "move":
            args[2] = args[2][:columns]
        elif verb == "drop":
            for order in orders:
                order.drop(*args)
            if args[0] in brute.clients:
                brute.drop(*args)
            continue
        elif verb == "time":
            left = max(left * args[0], EPOCH)
            verb, args = "pass_time", [left, 0]
        elif verb == "epochs":
            left = 1.0
            verb, args = "pass_time", [left, args[0]]
        elif verb == "ask":
            compare(orders, brute)
            continue
        for each in [*orders, brute] if verb != "defer" else orders:
            getattr(each, verb)(*args)
        assert orders[0].next() == orders[1].next() == next(iter(brute.sort()), None)
    compare(orders, brute)


def crossing(kernel: ModuleType, lines: list[tuple[float, float]]) -> Any:
    order = kernel.Fading(1)
    for i, (stay, fade) in enumerate(lines):
        order.move(f"c{i}", 0.0, (0.0,), 1.0, 0, True)
        order.put(f"c{i}", ((stay, fade, stay),), 0.0)
    return order


@pytest.mark.parametrize("name", ["pure", "fast"])
def test_where_doubles_do_not_decide(name: str, kernels: tuple[ModuleType, ModuleType]) -> None:
    """Lines through one point: below it and above it by the last bit, and in it."""
    kernel = kernels[name == "fast"]
    order = crossing(kernel, [(0.1, 0.3), (0.25, 0.0)])  # equal at 0.15 / 0.3, nearly 1/2
    at = float((F(0.25) - F(0.1)) / F(0.3))
    for left in (math.nextafter(at, 1), at, math.nextafter(at, 0)):
        order.pass_time(left, 0)
        exact = F(0.1) + F(0.3) * F(left) <= F(0.25)
        assert order.sort() == (["c0", "c1"] if exact else ["c1", "c0"])
        assert order.next() == order.sort()[0]
    # In the very point the one that will be lower is first.
    order = crossing(kernel, [(0.25, 0.0), (0.0, 0.5)])
    assert order.sort() == ["c0", "c1"]
    order.pass_time(0.5, 0)
    assert order.sort() == ["c1", "c0"]
    assert order._check() is None


@settings(max_examples=500, deadline=None)
@given(
    stay=st.one_of(st.just(0.0), st.floats(1e-150, 1e150)),
    fades=st.tuples(*[st.one_of(st.just(0.0), st.floats(2.0**-700, 2.0**700))] * 2),
    left=st.floats(EPOCH, 1.0),
    steps=st.integers(-2, 2),
)
def test_nearly_equal_lines(
    stay: float,
    fades: tuple[float, float],
    left: float,
    steps: int,
    kernels: tuple[ModuleType, ModuleType],
) -> None:
    """Two lines that meet, but for a last bit or two, at the left that is asked for."""
    one, other = fades
    second = float(F(stay) + (F(one) - F(other)) * F(left))
    for _ in range(abs(steps)):
        second = math.nextafter(second, math.copysign(math.inf, steps))
    if abs(second) > MOST:
        return
    gap = F(stay) - F(second) + (F(one) - F(other)) * F(left)
    first = gap < 0 or (gap == 0 and (stay, one) <= (second, other))
    for kernel in kernels:
        order = crossing(kernel, [(stay, one), (second, other)])
        order.pass_time(left, 0)
        assert order.sort() == (["c0", "c1"] if first else ["c1", "c0"])
        assert order.next() == order.sort()[0]


@pytest.mark.parametrize("name", ["pure", "fast"])
def test_many_clients(name: str, kernels: tuple[ModuleType, ModuleType]) -> None:
    """More than a few leaves, all crossing each other, and rows that are used again."""
    kernel = kernels[name == "fast"]
    n = 300
    order = crossing(kernel, [(i / n, (n - i) ** 2 / n**2) for i in range(n)])
    for step in range(200):
        order.pass_time(0.5 ** (step / 100), 0)
        lines = [
            (F(i / n) + F((n - i) ** 2 / n**2) * F(0.5 ** (step / 100)), i / n, i)
            for i in range(n)
            if not (i < step and i % 3 == 0)
        ]
        lines.sort()
        assert order.first(3) == [f"c{i}" for _, _, i in lines[:3]]
        assert order.next() == f"c{lines[0][2]}"
        if step % 3 == 0:
            order.drop(f"c{step}")
    assert order._check() is None


def test_what_is_wrong_is_found(kernels: tuple[ModuleType, ModuleType]) -> None:
    order = crossing(kernels[0], [(0.1, 0.3), (0.25, 0.0), (0.3, 0.1)])
    order.next()
    order._winner[1] = 2
    assert order._check() == "a match was not played again when it was due"
    order._stay[0] = 0.5
    assert order._check() == "a line is not the largest of its client"
    order._is_moving[0] = False
    assert order._check() == "the list of memories that fade has gaps"
    order._moving.remove(0)
    assert order._check() == "a memory fades unseen"


@pytest.mark.parametrize("name", ["pure", "fast"])
def test_to_move_twice_at_a_time_forgets_nothing(
    name: str, kernels: tuple[ModuleType, ModuleType]
) -> None:
    """Memories of nothing stay so, to the last bit, whatever aims come and go before time does."""
    order = kernels[name == "fast"].Fading(1)
    for i in range(1, 100):
        order.pass_time(1 - i / 128, 0)
        for aim in (0.1, 0.7, i / 3):
            order.move(f"c{i}", 0.0, (aim,), 1.0, 0, True)
        ((_, _, was),), at = order.memories(f"c{i}")
        assert (was, at) == (0.0, 1 - i / 128)
