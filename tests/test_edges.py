"""Edges that were found the hard way: odd types at the door, numbers out of range, policies that raise."""

from __future__ import annotations

import decimal
import enum
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import drf
from drf import Allocator, Resources, Sorter, allocate
from drf.errors import (
    ClockError,
    InvalidOption,
    InvalidQuantity,
    PluginError,
    UnknownName,
)
from drf.plugins import make_policy

PAPER: dict[str, dict[str, int]] = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}


class Name(enum.StrEnum):
    A = "a"


@pytest.mark.parametrize("name", [Name.A, np.str_("a")], ids=["StrEnum", "numpy"])
def test_names_may_be_subclasses_of_text(name: str) -> None:
    s = Sorter("drf", total={"cpus": 2})
    s.add(name)
    s.allocated(name, "cpus:1")
    s.deactivate(name)
    s.activate(name)
    assert (s.next(), type(s.next())) == ("a", str)
    s.remove(name)
    a = Allocator()
    a.add_agent("m", "cpus:1")
    a.add_framework(name, roles=[name])
    assert a.run().offers[0].framework == "a"
    a.check()


def test_caps_may_be_larger_than_any_number_of_tasks() -> None:
    assert allocate({"cpus": 9, "mem": 18}, PAPER, max_tasks={"A": 10**20}).tasks == {
        "A": 3,
        "B": 2,
    }


@pytest.mark.parametrize("weight", [Decimal("1e-400"), Fraction(1, 10**320), 10**400, 0])
@pytest.mark.parametrize("divisible", [False, True])
def test_weights_outside_the_range_of_shares_are_refused(weight: Any, divisible: bool) -> None:
    with pytest.raises(InvalidOption, match="above 0, from 1e-100 to 1e100"):
        allocate({"cpus": 9, "mem": 18}, PAPER, weights={"A": weight}, divisible=divisible)


class TestResources:
    @pytest.mark.parametrize("other", ["x:{a}", "x:[1-2]"])
    def test_one_name_is_one_kind(self, other: str) -> None:
        for a, b in (("x:1", other), (other, "x:1")):
            with pytest.raises(InvalidQuantity, match="of two kinds"):
                Resources(a) + Resources(b)

    def test_the_decimal_context_of_the_thread_does_not_matter(self) -> None:
        with decimal.localcontext() as context:
            context.prec = 3
            assert Resources("cpus:1234.567").units == {"cpus": 1234567}

    def test_rounding_happens_once(self) -> None:
        just_below = Decimal("0.00049999999999999999999999999999999999")
        with pytest.raises(InvalidQuantity, match="rounds to 0"):
            Resources({"cpus": just_below})

    @pytest.mark.parametrize(
        ("amount", "message"),
        [
            (Decimal("sNaN"), "is not finite"),
            (Decimal("1e400"), "is above the limit"),
            (Decimal("1e-400"), "rounds to 0"),
            (Decimal("1e1000000"), "is above the limit"),
            (-1e50, "is negative"),
            (-0.0001, "is negative"),
        ],
    )
    def test_the_message_says_what_is_wrong(self, amount: Any, message: str) -> None:
        with pytest.raises(InvalidQuantity, match=message):
            Resources({"cpus": amount})

    @pytest.mark.parametrize("word", ["a,b", "a;b", "}", " a", ""])
    def test_words_of_a_set_can_be_written(self, word: str) -> None:
        with pytest.raises(InvalidQuantity, match="is not a set of words"):
            Resources({"zones": {word}})

    @pytest.mark.parametrize("more", [{}, {"revocable": True}])
    def test_objects_do_not_add_up_beyond_the_limit(self, more: dict[str, Any]) -> None:
        half = {"name": "cpus", "value": 9e12, **more}
        with pytest.raises(InvalidQuantity, match="above the limit of 2"):
            Resources.from_json([half, half])


class TestAllocate:
    def test_who_fits_nowhere_gets_nothing_of_the_same_kind(self) -> None:
        demands = {"A": {"cpus": 1}, "C": {"gpu": 1}}
        exact = allocate({"cpus": 9, "gpu": 0}, demands, divisible=True, exact=True)
        assert type(exact.tasks["C"]) is Fraction
        assert type(allocate({"cpus": 9, "gpu": 0}, demands, divisible=True).tasks["C"]) is float

    def test_names_without_an_order_need_a_tie_break(self) -> None:
        demands: dict[Any, Any] = {"A": {"cpus": 1}, 1: {"cpus": 1}}
        with pytest.raises(InvalidOption, match="say it with tie_break="):
            allocate({"cpus": 3}, demands)
        assert allocate({"cpus": 3}, demands, tie_break=[1, "A"]).tasks == {"A": 1, 1: 2}

    def test_lists_keep_their_numbers(self) -> None:
        top = 2**53 + 1
        assert allocate([top, 0.5], [[top, 0.25]]).tasks.tolist() == [1]


class Moody(drf.Policy):
    """Gives keys until told otherwise."""

    name = "moody"
    good = True

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        if not self.good:
            raise RuntimeError("not today")
        return (view.share(client),)


class TestPolicies:
    def test_one_that_raises_is_named_and_a_new_client_is_not_half_in(self) -> None:
        policy = Moody()
        s = Sorter(policy, total={"cpus": 4})
        s.add("A")
        policy.good = False
        with pytest.raises(PluginError, match="policy moody gave no key for client 'B'"):
            s.add("B")
        assert s.clients() == ["A"]
        policy.good = True
        s.check()

    def test_a_class_is_no_policy(self) -> None:
        with pytest.raises(InvalidOption, match="not a class"):
            make_policy(Moody)  # type: ignore[arg-type]

    def test_a_policy_has_a_name(self) -> None:
        class Nameless(drf.Policy):
            pass

        with pytest.raises(InvalidOption, match="is no policy"):
            make_policy(Nameless())


@pytest.mark.parametrize("now", [float("inf"), float("nan")])
def test_time_is_finite(now: float) -> None:
    with pytest.raises(ClockError):
        Sorter().advance(now)


def test_few_names_are_listed_where_none_is_near() -> None:
    with pytest.raises(UnknownName, match="unknown policy 'zzz'; known: drf, fifo, maxmin, random"):
        make_policy("zzz")
