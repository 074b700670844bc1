"""Quantities: what is read, what is refused and why, and the laws of their arithmetic against plain counting."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drf import Resources, ResourceSpace, Shape
from drf.errors import DRFError, InvalidName, InvalidOption, InvalidQuantity, Overcommit
from drf.resources import LIMIT

# -- reading


def test_text_and_mapping_read_the_same() -> None:
    text = Resources("cpus:4;mem:8192;ports:[31000-32000];zone:{a,b}")
    mapping = Resources({"cpus": 4, "mem": 8192.0, "ports": [(31000, 32000)], "zone": {"a", "b"}})
    assert text == mapping
    assert (text["cpus"], text["mem"]) == (4, 8192)
    assert text["ports"] == ((31000, 32000),)
    assert text["zone"] == frozenset({"a", "b"})
    assert list(text) == ["cpus", "mem", "ports", "zone"]
    assert len(text) == 4
    assert dict(text.items())["cpus"] == 4


def test_text_may_have_spaces_and_empty_parts() -> None:
    assert Resources(" cpus : 4 ; ; mem:1 ;") == Resources("cpus:4;mem:1")
    assert Resources("ports: [ 1 - 2 , 5-5 ]")["ports"] == ((1, 2), (5, 5))
    assert Resources("zone:{ a , b }")["zone"] == frozenset("ab")


def test_nothing_is_falsy_and_has_no_names() -> None:
    for nothing in (Resources(), Resources(""), Resources({}), Resources("cpus:0;mem:0.0")):
        assert not nothing
        assert list(nothing) == []
        assert nothing == Resources()
    assert not Resources({"ports": [], "zone": set()})


def test_zeros_are_not_kept() -> None:
    r = Resources("cpus:0;mem:1")
    assert "cpus" not in r
    assert r.get("cpus") is None
    assert r.get("cpus", 0) == 0
    assert r.quantity("cpus") == 0
    with pytest.raises(KeyError):
        r["cpus"]


def test_amounts_are_whole_numbers_where_they_are_whole() -> None:
    r = Resources({"cpus": 2.0, "mem": Fraction(1, 2), "gpus": Decimal("0.25")})
    assert r["cpus"] == 2
    assert isinstance(r["cpus"], int)
    assert r["mem"] == 0.5
    assert r["gpus"] == 0.25
    assert dict(r.units) == {"cpus": 2000, "mem": 500, "gpus": 250}


def test_units_cannot_be_changed_through_the_view() -> None:
    r = Resources("cpus:1")
    with pytest.raises(TypeError):
        r.units["cpus"] = 5  # type: ignore[index]


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (0.0005, 1),  # a half, though the double is a hair more; 0.5 -> 1
        (0.0015, 2),  # 1.5 -> 2
        (0.0025, 3),  # 2.5 -> 3: away from zero, not to even
        (0.1 + 0.2, 300),  # 300.00000000000004
        (1.0004, 1000),
        (1.0005, 1001),  # the double is a hair less than 1.0005; its text is a half
        (Decimal("0.0005"), 1),
        (Decimal("0.00149"), 1),
        (Fraction(1, 2000), 1),
        (Fraction(1, 3), 333),
        (Fraction(2, 3), 667),
        (3, 3000),
        (-0.0, 0),
    ],
)
def test_rounding_is_half_away_from_zero(amount: object, units: int) -> None:
    assert ResourceSpace().to_units("cpus", amount) == units
    assert Resources({"cpus": amount}).units.get("cpus", 0) == units


@settings(max_examples=200, deadline=None)
@given(
    amount=st.one_of(
        st.floats(0, 1e9, allow_nan=False),
        st.decimals(0, 10**9, allow_nan=False, places=6),
        st.fractions(0, 10**6, max_denominator=10**4),
        st.integers(0, 10**9),
    ),
    scale=st.sampled_from([1, 3, 10, 1000, 1024, 10**6]),
)
@example(amount=0.5, scale=1)
def test_rounding_agrees_with_fractions(amount: float | Decimal | Fraction, scale: int) -> None:
    exact = Fraction(repr(amount)) if isinstance(amount, float) else Fraction(amount)
    due = (exact * scale * 2 + 1) // 2
    space = ResourceSpace(default=scale)
    if due == 0 and exact:
        with pytest.raises(InvalidQuantity, match="rounds to 0"):
            space.to_units("x", amount)
    else:
        assert space.to_units("x", amount) == due


# -- refusing


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ({"cpus": -1}, ["cpus", "-1", "negative", "0 to 2**53"]),
        ({"cpus": -0.5}, ["cpus", "-0.5", "negative"]),
        ("cpus:-2", ["cpus", "-2", "negative"]),
        ({"cpus": float("nan")}, ["cpus", "nan", "not finite"]),
        ({"cpus": float("inf")}, ["cpus", "inf", "not finite"]),
        ({"cpus": Decimal("Infinity")}, ["cpus", "Infinity", "not finite"]),
        ("cpus:NaN", ["cpus", "NaN", "not finite"]),
        ({"cpus": 0.0004}, ["cpus", "0.0004", "rounds to 0", "1/1000", "ResourceSpace"]),
        ({"cpus": Fraction(1, 2001)}, ["cpus", "1/2001", "rounds to 0"]),
        ({"cpus": LIMIT}, ["cpus", str(LIMIT), f"limit of {LIMIT // 1000}"]),
        ({"cpus": 1e300}, ["cpus", "1e+300", "limit"]),
        ("cpus:1e300", ["cpus", "limit"]),
        ({"cpus": True}, ["cpus", "True", "not a number", "int, float"]),
        ({"cpus": "4"}, ["cpus", "'4'", "not a number"]),
        ({"cpus": None}, ["cpus", "None", "not a number"]),
        ({"cpus": 1j}, ["cpus", "1j", "not a number"]),
        ("cpus", ["'cpus'", "malformed", "name:amount"]),
        ("cpus:four", ["cpus", "'four'", "not a number"]),
        ("cpus:", ["cpus", "not a number"]),
        ("cpus:1;cpus:2", ["cpus", "twice", "add"]),
        ("ports:[1-2-3]", ["ports", "[1-2-3]", "malformed", "[31000-31999"]),
        ("ports:[1]", ["ports", "malformed"]),
        ("ports:[5-1]", ["ports", "[5-1]", "begin <= end"]),
        ({"ports": [(1, 2, 3)]}, ["ports", "(1, 2, 3)", "begin, end"]),
        ({"ports": [(1.0, 2)]}, ["ports", "(1.0, 2)"]),
        ({"ports": [(-1, 2)]}, ["ports", "[-1-2]"]),
        ({"zone": {1}}, ["zone", "not a set of words"]),
        ({"zone": {""}}, ["zone", "not a set of words"]),
        (7, ["7", "text like", "mapping"]),
    ],
)
def test_refusals_name_value_limit_and_remedy(what: object, parts: list[str]) -> None:
    with pytest.raises(InvalidQuantity) as caught:
        Resources(what)  # type: ignore[arg-type]
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DRFError)


def test_the_largest_amount_is_2_to_the_53_units() -> None:
    space = ResourceSpace(default=1)
    assert Resources({"x": LIMIT}, space=space).units["x"] == LIMIT
    with pytest.raises(InvalidQuantity, match="limit"):
        Resources({"x": LIMIT + 1}, space=space)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a;b", "a[", "a{", "a,b", "\n", 5, None])
def test_names_have_a_grammar(name: object) -> None:
    with pytest.raises(InvalidName, match="malformed"):
        Resources({name: 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("units", [-1, LIMIT + 1, 1.0, True, "1"])
def test_from_units_takes_whole_numbers_in_the_limit(units: object) -> None:
    with pytest.raises(InvalidQuantity, match=r"x: .* units; give a whole number"):
        Resources.from_units({"x": units})  # type: ignore[dict-item]


def test_from_units_drops_zeros() -> None:
    assert Resources.from_units({"x": 0, "y": 1500}) == Resources({"y": 1.5})


@pytest.mark.parametrize("scale", [0, -1, True, 1.5, "3", LIMIT + 1, None])
def test_a_scale_is_a_whole_number_of_units(scale: object) -> None:
    with pytest.raises(InvalidOption, match="scale of mem is"):
        ResourceSpace(scale={"mem": scale})  # type: ignore[dict-item]
    with pytest.raises(InvalidOption, match="scale of default is"):
        ResourceSpace(default=scale)  # type: ignore[arg-type]


# -- arithmetic: the oracle counts units in a Counter, ports and words in sets

NAMES = ("cpus", "mem", "gpus")
units_by_name = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(st.integers(1, 9), st.integers(1, LIMIT // 4))
)
ports = st.sets(st.integers(0, 12))
words = st.sets(st.sampled_from("abcd"))
Parts = tuple[dict[str, int], set[int], set[str]]
parts = st.tuples(units_by_name, ports, words)


def made(parts: Parts, space: ResourceSpace | None = None) -> Resources:
    units, numbers, letters = parts
    others = Resources({"ports": [(n, n) for n in numbers], "zone": letters}, space=space)
    return Resources.from_units(units, space=space) + others


def taken_apart(r: Resources) -> Parts:
    numbers = {n for a, b in r.get("ports", ()) for n in range(a, b + 1)}
    return dict(r.units), numbers, set(r.get("zone", ()))


@settings(max_examples=200, deadline=None)
@given(a=parts, b=parts)
def test_sum_difference_and_order_count_like_counters_and_sets(a: Parts, b: Parts) -> None:
    ra, rb = made(a), made(b)
    assert taken_apart(ra) == a
    added = Counter(a[0]) + Counter(b[0])
    assert taken_apart(ra + rb) == (dict(added), a[1] | b[1], a[2] | b[2])
    assert ra + rb == rb + ra
    assert taken_apart(ra.minus(rb)) == (
        dict(Counter(a[0]) - Counter(b[0])),
        a[1] - b[1],
        a[2] - b[2],
    )
    contained = Counter(b[0]) <= Counter(a[0]) and b[1] <= a[1] and b[2] <= a[2]
    assert (rb <= ra) is contained
    assert (ra >= rb) is contained
    if contained:
        assert ra - rb == ra.minus(rb)
    else:
        with pytest.raises(Overcommit, match="cannot be taken from"):
            ra - rb
    assert (ra == rb) is (a == b)
    if a == b:
        assert hash(ra) == hash(rb)
    assert bool(ra) is any(a)


@settings(max_examples=100, deadline=None)
@given(a=units_by_name, b=units_by_name, c=units_by_name, n=st.integers(0, 3))
def test_scalars_form_a_commutative_monoid_that_is_exact(
    a: dict[str, int], b: dict[str, int], c: dict[str, int], n: int
) -> None:
    ra, rb, rc = (Resources.from_units(x) for x in (a, b, c))
    assert (ra + rb) + rc == ra + (rb + rc)
    assert ra + Resources() == ra
    assert (ra + rb) - rb == ra
    assert ra * n == n * ra == sum([ra] * n, Resources())
    assert ra.scalars == ra


def test_thousandths_do_not_drift() -> None:
    r = Resources()
    for _ in range(10):
        r = r + Resources("cpus:0.1")
    assert r == Resources("cpus:1")  # ten doubles of 0.1 add up to 0.9999999999999999


def test_operations_leave_their_operands_alone() -> None:
    a, b = Resources("cpus:1;ports:[1-5];zone:{a}"), Resources("cpus:1;ports:[3-9];zone:{b}")
    a + b, a.minus(b), a <= b, a.scalars * 2
    assert (str(a), str(b)) == ("cpus:1;ports:[1-5];zone:{a}", "cpus:1;ports:[3-9];zone:{b}")


def test_sums_and_products_above_the_limit_are_refused() -> None:
    half = Resources.from_units({"x": LIMIT // 2})
    assert (half + half).units["x"] == LIMIT
    assert (half * 2).units["x"] == LIMIT
    with pytest.raises(InvalidQuantity, match=r"x: the sum of 9007199254740993 units .* 2\*\*53"):
        half + half + Resources.from_units({"x": 1})
    with pytest.raises(InvalidQuantity, match=r"times 3 is above the limit"):
        half * 3


@pytest.mark.parametrize("times", [-1, 1.5, True, "2"])
def test_products_are_by_whole_numbers(times: object) -> None:
    with pytest.raises(InvalidQuantity, match="whole number of times"):
        Resources("cpus:1") * times  # type: ignore[operator]


def test_ranges_and_sets_are_not_multiplied() -> None:
    r = Resources("cpus:1;ports:[1-2]")
    assert r * 1 == r
    for times in (0, 2):
        with pytest.raises(InvalidQuantity, match="cannot be multiplied"):
            r * times


def test_ranges_and_sets_of_one_name_do_not_add_up() -> None:
    with pytest.raises(InvalidQuantity, match="two kinds"):
        Resources("x:[1-2]") + Resources("x:{a}")


def test_ranges_are_joined_where_they_touch_or_overlap() -> None:
    assert Resources("p:[5-9, 1-3, 4-4, 7-12, 20-21]")["p"] == ((1, 12), (20, 21))


def test_ranges_are_cut_in_pieces() -> None:
    ports = Resources("p:[1-10, 20-30]")
    # 3-4 out of the first, 9-22 across the gap, nothing of 40-50
    left = ports.minus(Resources("p:[3-4, 9-22, 40-50]"))
    assert left["p"] == ((1, 2), (5, 8), (23, 30))
    assert ports.minus(ports) == Resources()


def test_quantity_counts_values() -> None:
    r = Resources("cpus:1.5;p:[1-10, 20-20];z:{a,b}")
    assert [r.quantity(n) for n in ("cpus", "p", "z", "none")] == [1.5, 11, 2, 0]


def test_scalars_leaves_ranges_and_sets_out() -> None:
    assert Resources("cpus:1;p:[1-2];z:{a}").scalars == Resources("cpus:1")


# -- identity


@settings(max_examples=100, deadline=None)
@given(parts=parts, scale=st.sampled_from([1, 10, 1000, 10**6]))
def test_text_and_pickle_come_back_equal(parts: Parts, scale: int) -> None:
    space = ResourceSpace(default=scale)
    r = made(parts, space)
    assert Resources(str(r), space=space) == r
    for back in (pickle.loads(pickle.dumps(r)), copy.copy(r), copy.deepcopy(r)):
        assert back == r
        assert hash(back) == hash(r)
        assert back.space == space
    assert {r: 1}[Resources(r)] == 1


def test_repr_evaluates_to_it() -> None:
    r = Resources("cpus:0.25;mem:3;ports:[1-2, 5-5];zone:{a,b}")
    assert str(r) == "cpus:0.25;mem:3;ports:[1-2, 5-5];zone:{a,b}"
    assert eval(repr(r)) == r


def test_order_of_names_does_not_matter_to_equality() -> None:
    a, b = Resources("cpus:1;mem:2"), Resources("mem:2;cpus:1")
    assert a == b
    assert hash(a) == hash(b)
    assert a != Resources("cpus:1")
    assert a != "cpus:1;mem:2"


# -- spaces


def test_a_space_sets_units_by_name() -> None:
    space = ResourceSpace({"mem": 1}, default=100)
    assert (space.scale("mem"), space.scale("cpus")) == (1, 100)
    r = Resources("cpus:0.25;mem:7", space=space)
    assert dict(r.units) == {"cpus": 25, "mem": 7}
    assert (space.to_amount("cpus", 25), space.to_amount("mem", 7)) == (0.25, 7)
    with pytest.raises(InvalidQuantity, match=r"0.25 rounds to 0 in units of 1/1;"):
        Resources("mem:0.25", space=space)


def test_spaces_are_compared_by_what_they_say() -> None:
    a, b = ResourceSpace({"mem": 1}), ResourceSpace({"mem": 1})
    assert a == b
    assert hash(a) == hash(b)
    assert a != ResourceSpace()
    assert a != ResourceSpace({"mem": 1}, default=10)
    assert pickle.loads(pickle.dumps(a)) == a
    assert Resources("cpus:1", space=a) + Resources("cpus:1", space=b) == Resources(
        "cpus:2", space=a
    )


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__le__", "__ge__", "minus"])
def test_amounts_in_other_units_do_not_mix(operation: str) -> None:
    fine, coarse = Resources("mem:1"), Resources("mem:1", space=ResourceSpace(default=1))
    assert fine != coarse
    assert Resources.from_units({"mem": 1}) != Resources.from_units({"mem": 1}, space=coarse.space)
    with pytest.raises(InvalidQuantity, match="convert one with"):
        getattr(fine, operation)(coarse)


def test_conversion_between_spaces_is_exact_or_refused() -> None:
    fine = Resources("mem:1.5;ports:[1-2]")
    tenths = ResourceSpace(default=10)
    assert Resources(fine, space=tenths) == Resources("mem:1.5;ports:[1-2]", space=tenths)
    assert Resources(Resources(fine, space=tenths), space=ResourceSpace()) == fine
    with pytest.raises(InvalidQuantity, match="rounds to 0"):
        Resources(Resources("mem:0.001"), space=tenths)


# -- shapes


def test_a_shape_is_equal_by_what_it_allows() -> None:
    a = Shape.of("cpus:1", where={"model": ["T4", "G2"], "rack": {"r1"}})
    b = Shape.of({"cpus": 1.0}, where={"rack": ("r1",), "model": ("G2", "T4", "T4")})
    assert a == b
    assert hash(a) == hash(b)
    assert Shape.of(a) is a
    assert a.fits_attributes({"model": "G2", "rack": "r1"})
    assert not a.fits_attributes({"model": "G2", "rack": "r2"})
    assert not a.fits_attributes({"model": "G2"})
    assert Shape.of("cpus:1").fits_attributes({})


@pytest.mark.parametrize("where", [{"model": "T4"}, {"model": []}])
def test_where_is_a_collection_of_values(where: Mapping[str, object]) -> None:
    with pytest.raises(InvalidOption, match="collection of at least one value"):
        Shape.of("cpus:1", where=where)  # type: ignore[arg-type]


def test_a_task_needs_something() -> None:
    with pytest.raises(InvalidQuantity, match="at least one amount above 0"):
        Shape.of("cpus:0")


def test_where_is_given_once() -> None:
    with pytest.raises(InvalidOption, match="its own where"):
        Shape.of(Shape.of("cpus:1"), where={"a": ["b"]})
