"""Edges that were found the hard way: odd types at the door, numbers out of range, policies that raise."""

from __future__ import annotations

import decimal
import enum
import shutil
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import drf
from drf import Allocator, Resources, Sorter, allocate
from drf.errors import (
    ClockError,
    InvalidOption,
    InvalidQuantity,
    Overcommit,
    PluginError,
    UnknownName,
)
from drf.plugins import ALLOCATORS, load, make_policy

PAPER: dict[str, dict[str, int]] = {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}


class Name(enum.StrEnum):
    A = "a"


class Mixed(str, enum.Enum):  # noqa: UP042 (its str() is "Mixed.A")
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


@pytest.mark.parametrize("policy", ["drf", "fifo"])
@pytest.mark.parametrize("name", [Name.A, Mixed.A, np.str_("a")], ids=["StrEnum", "Enum", "numpy"])
def test_a_sorter_answers_in_plain_text(policy: str, name: str) -> None:
    s = Sorter(policy, total={"cpus": 2})
    s.add(name)
    s.allocated(name, "cpus:1")
    assert [s.next(), *s.sort(), *s.first(1), *s.clients()] == ["a"] * 4
    assert {type(found) for found in (s.next(), *s.sort(), *s.first(1))} == {str}
    s.check()


def test_what_is_refused_leaves_no_trace_in_the_weights() -> None:
    s = Sorter(total={"cpus": 2})
    s.add("a", weight={"cpus": 2.0})
    with pytest.raises(Overcommit):
        s.unallocated("a", {"disk": 1})
    assert s.weight("a") == {"cpus": 2.0}


def test_caps_may_be_larger_than_any_number_of_tasks() -> None:
    assert allocate({"cpus": 9, "mem": 18}, PAPER, max_tasks={"A": 10**20}).tasks == {
        "A": 3,
        "B": 2,
    }


@pytest.mark.parametrize(
    "weight",
    [Decimal("1e-400"), Fraction(1, 10**320), 10**400, 0],
    ids=["not a float", "subnormal", "above floats", "zero"],
)
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
        assert allocate([2**53, 0.5], [[2**53 + 1, 0.25]]).tasks.tolist() == [0]

    @pytest.mark.parametrize(("divisible", "task"), [(True, "1"), (False, "1e400")])
    def test_answers_beyond_floats_are_refused(self, divisible: bool, task: str) -> None:
        top = 10**400 + Fraction(1, 2)
        need = Fraction(task) + Fraction(1, 2)
        with pytest.raises(InvalidQuantity, match="above the range of floats"):
            allocate({"cpus": top}, {"A": {"cpus": need}}, divisible=divisible)
        if divisible:
            exact = allocate({"cpus": top}, {"A": {"cpus": need}}, divisible=True, exact=True)
            assert exact.tasks == {"A": top / need}


class Moody(drf.Policy):
    """Gives keys until told otherwise."""

    name = "moody"
    stale_on = frozenset({"total", "waiting"})
    good = True

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        if not self.good:
            raise RuntimeError("not today")
        return (view.share(client), view.waiting_since(client) or 0.0)


class Muddled(Moody):
    """Gives keys that do not compare instead."""

    name = "muddled"

    def key(self, view: Any, client: str) -> Any:
        return super().key(view, client) if self.good else "first"


VERBS: dict[str, Callable[[Sorter], None]] = {
    "add": lambda s: s.add("C", weight=2.0),
    "add below": lambda s: s.add("A/sub"),
    "allocated": lambda s: s.allocated("A", "cpus:1"),
    "allocated on": lambda s: s.allocated("A", "cpus:1", agent="m"),
    "unallocated": lambda s: s.unallocated("A", "cpus:1"),
    "unallocated from": lambda s: s.unallocated("A", "cpus:2", agent="m"),
    "charge": lambda s: s.charge("A", "cpus:1", grants=1),
    "update": lambda s: s.update("A", "cpus:1", "mem:1"),
    "waiting": lambda s: s.waiting("A", 7.0),
    "no longer waiting": lambda s: s.waiting("A", None),
    "activate": lambda s: s.activate("off"),
    "activate again": lambda s: s.activate("A"),
}


def state(s: Sorter) -> Any:
    return [
        (c, s.held(c), s.held(c, agent="m"), s.grants(c), s.weight(c), s.is_active(c), s.share(c))
        for c in s.clients()
    ]


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

    @pytest.mark.parametrize("kind", [Moody, Muddled])
    @pytest.mark.parametrize("tree", [False, True], ids=["flat", "tree"])
    @pytest.mark.parametrize("verb", VERBS)
    def test_where_it_fails_nothing_has_changed(
        self, verb: str, tree: bool, kind: type[Moody]
    ) -> None:
        policy = kind()
        s = Sorter(policy, total={"cpus": 8, "mem": 8})
        for name in ("A", "B", *(["B/sub"] if tree else [])):
            s.add(name)
        s.add("off", active=False)
        s.allocated("A", "cpus:1")
        s.allocated("A", "cpus:2", agent="m")
        s.waiting("A", 3.0)
        before, order = state(s), s.sort()
        policy.good = False
        with pytest.raises(PluginError, match=f"policy {policy.name} gave"):
            VERBS[verb](s)
        policy.good = True
        assert (state(s), s.sort()) == (before, order)
        s.check()
        VERBS[verb](s)  # no weight of the refused client is left, no grant counted
        s.check()

    @pytest.mark.parametrize("kind", [Moody, Muddled])
    def test_an_order_that_could_not_be_renewed_is_not_given(self, kind: type[Moody]) -> None:
        policy = kind()
        s = Sorter(policy, total={"cpus": 4, "mem": 100})
        s.add("A")
        s.add("B")
        s.allocated("A", "cpus:2")  # 1/2
        s.allocated("B", "mem:40")  # 2/5
        assert s.sort() == ["B", "A"]
        s.set_total("cpus:40;mem:100")  # A has 1/20 now
        keys, calls = policy.key, iter([True, False] * 2)

        def every_other(view: Any, client: str) -> Any:
            policy.good = next(calls)
            return keys(view, client)

        policy.key = every_other  # type: ignore[method-assign]
        for _ in range(2):
            with pytest.raises(PluginError, match=f"policy {policy.name} gave"):
                s.sort()
        del policy.key
        policy.good = True
        assert s.sort() == ["A", "B"]
        s.check()

    def test_the_weight_of_a_refused_client_is_forgotten(self) -> None:
        policy = Moody()
        s = Sorter(policy, total={"cpus": 4})
        s.weigh_path("B", 3.0)
        policy.good = False
        for name in ("A", "B"):
            with pytest.raises(PluginError):
                s.add(name, weight=2.0)
        policy.good = True
        s.add("A")
        s.add("B")
        assert (s.weight("A"), s.weight("B")) == (1.0, 3.0)

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
    with pytest.raises(UnknownName, match="unknown allocator 'zzz'; known: hierarchical"):
        load(ALLOCATORS, "zzz")
    with pytest.raises(UnknownName, match=r"unknown policy 'zzz'$"):
        make_policy("zzz")


def test_each_twin_divides_on_its_own_kernel(twins: tuple[ModuleType, ModuleType]) -> None:
    for package in twins:
        assert package.Policy in type(package.plugins.make_policy("drf")).__mro__
        assert package.policies.filling._backend is package._backend
        assert package._backend.fill is package._backend.kernel.fill


def test_a_compiler_that_always_fails_is_none(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = pytestconfig.pluginmanager.get_plugins()
    missing = next(p._no_compiler for p in plugins if hasattr(p, "_no_compiler"))
    link = tmp_path / "cc"
    link.symlink_to(str(shutil.which("false")))
    for compiler in ("false", str(shutil.which("false")), str(link), str(tmp_path / "none")):
        monkeypatch.setenv("CC", compiler)
        assert missing()
    monkeypatch.setenv("CC", f"{sys.executable} -O")
    assert not missing()
