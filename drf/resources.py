"""Exact quantities: what an agent has, an offer holds, a task needs.

Scalars are whole numbers of a small unit (thousandths by default, one rule per resource name in a `ResourceSpace`), so
that adding and taking away never drifts. Ranges (ports) and sets (zones) are carried along beside them; only scalars
count for shares.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from numbers import Rational, Real
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from drf.errors import InvalidName, InvalidOption, InvalidQuantity, Overcommit

LIMIT = 1 << 53
"""The most units of a resource, of one amount or of a whole cluster: below it Python and C agree to the bit."""

Ranges: TypeAlias = tuple[tuple[int, int], ...]
Value: TypeAlias = "Ranges | frozenset[str]"
Amount: TypeAlias = "int | float"
ResourcesLike: TypeAlias = "Resources | str | Mapping[str, Any]"

_NAME = re.compile(r"[^\s:;,(){}\[\]]+")
_RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")


class ResourceSpace:
    """How many units make 1 of each resource: ``scale`` by name, ``default`` for every other name.

    >>> space = ResourceSpace(scale={"mem": 1})     # whole MiB; all else in thousandths
    >>> space.scale("mem"), space.scale("cpus")
    (1, 1000)
    >>> space.to_units("cpus", 0.5)
    500
    """

    __slots__ = ("_default", "_scale")

    def __init__(self, scale: Mapping[str, int] | None = None, *, default: int = 1000) -> None:
        self._scale = dict(scale or {})
        self._default = default
        for name, value in [("default", default), *self._scale.items()]:
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LIMIT:
                raise InvalidOption(
                    f"scale of {name} is {value!r}; it must be a whole number of units per 1, "
                    f"from 1 to 2**53"
                )

    def scale(self, name: str) -> int:
        """Units in 1 of the resource; O(1)."""
        return self._scale.get(name, self._default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResourceSpace):
            return NotImplemented
        return self._default == other._default and self._scale == other._scale

    def __hash__(self) -> int:
        return hash((self._default, frozenset(self._scale.items())))

    def __repr__(self) -> str:
        return f"ResourceSpace({self._scale!r}, default={self._default})"

    def to_units(self, name: str, amount: object) -> int:
        """The amount in units, rounded half away from zero; O(1).

        Raises InvalidQuantity where it is negative, not finite, not a number, above 2**53 units, or so small that it
        would round to 0.
        """
        scale = self.scale(name)
        if type(amount) is int:
            units = amount * scale
        else:
            units = _rounded(name, amount, scale)
        if not 0 <= units <= LIMIT:
            what = "is negative" if units < 0 else f"is above the limit of {LIMIT // scale}"
            raise InvalidQuantity(
                f"{name}: {amount} {what}; amounts go from 0 to 2**53 units of 1/{scale}"
            )
        return units

    def to_amount(self, name: str, units: int) -> Amount:
        """The amount that so many units are, a whole number where it is one; O(1)."""
        scale = self.scale(name)
        whole, rest = divmod(units, scale)
        return units / scale if rest else whole


DEFAULT_SPACE = ResourceSpace()
"""Thousandths of everything."""


def _rounded(name: str, amount: object, scale: int) -> int:
    """The slow way in: decimal text for floats, so that 0.0005 is a half and not a hair less."""
    if isinstance(amount, bool) or not isinstance(amount, (Real, Decimal)):
        raise InvalidQuantity(
            f"{name}: {amount!r} is not a number; give an int, float, Fraction or Decimal"
        )
    if not isinstance(amount, Rational) and not math.isfinite(amount):
        raise InvalidQuantity(f"{name}: {amount} is not finite; amounts are finite and at least 0")
    if isinstance(amount, Rational):
        exact = Fraction(int(amount.numerator), int(amount.denominator)) * scale
        units = int((abs(exact) + Fraction(1, 2)) // 1)
        negative = exact < 0
    else:
        text = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
        if text.adjusted() > 40:
            raise InvalidQuantity(f"{name}: {amount} is above the limit of {LIMIT // scale}")
        scaled = text * scale
        units = int(abs(scaled).to_integral_value(ROUND_HALF_UP))
        negative = scaled < 0
    if units == 0 and amount != 0:
        raise InvalidQuantity(
            f"{name}: {amount} rounds to 0 in units of 1/{scale}; "
            f"set a finer unit with ResourceSpace(scale={{{name!r}: ...}})"
        )
    return -units if negative else units


def exact_fraction(name: str, amount: object) -> Fraction:
    """The amount as a fraction, a float by its shortest decimal text (0.1 is 1/10); O(1).

    Raises InvalidQuantity where it is negative, not finite or not a number.
    """
    value: Fraction | None = None
    if isinstance(amount, str):
        try:
            value = Fraction(amount)
        except (ValueError, ZeroDivisionError):
            value = None
    elif isinstance(amount, bool):
        value = None
    elif isinstance(amount, Rational):
        value = Fraction(int(amount.numerator), int(amount.denominator))
    elif isinstance(amount, (Real, Decimal)):
        if not math.isfinite(amount):
            raise InvalidQuantity(
                f"{name}: {amount} is not finite; amounts are finite and at least 0"
            )
        value = Fraction(amount if isinstance(amount, Decimal) else repr(float(amount)))
    if value is None:
        raise InvalidQuantity(
            f"{name}: {amount!r} is not a number; give an int, float, Fraction or Decimal"
        )
    if value < 0:
        raise InvalidQuantity(f"{name}: {amount} is negative; amounts are finite and at least 0")
    return value


def check_name(name: object) -> str:
    """The resource name, or InvalidName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(
            f"resource name {name!r} is malformed; it is text without spaces and without any of : ; , ( ) {{ }} [ ]"
        )
    return name


class Resources:
    """Immutable, exact quantities by resource name: scalars, ranges and sets.

    >>> r = Resources("cpus:4;mem:8192;ports:[31000-32000]")
    >>> r["cpus"], r["ports"]
    (4, ((31000, 32000),))
    >>> str(r - Resources({"cpus": 0.5}))
    'cpus:3.5;mem:8192;ports:[31000-32000]'
    >>> Resources("cpus:2") <= r
    True

    An absent name means none of it, zeros are not kept, negative amounts do not exist, nothing is unlimited. Amounts
    are rounded to the unit of ``space``, half away from zero. Each operation costs O(names). Raises InvalidQuantity,
    InvalidName.
    """

    __slots__ = ("_hash", "_others", "_units", "memo", "space")

    _units: dict[str, int]
    _others: dict[str, Value]
    space: ResourceSpace
    memo: Any

    def __init__(
        self, what: ResourcesLike | None = None, *, space: ResourceSpace | None = None
    ) -> None:
        self._hash: int | None = None
        self.memo = (
            None  # what a sorter keeps of it, so that a vector that comes again is not parsed again
        )
        if isinstance(what, Resources):
            if space is None or space == what.space:
                self._units, self._others, self.space = what._units, what._others, what.space
            else:
                self.space = space
                self._units = {
                    n: space.to_units(n, Fraction(q, what.space.scale(n)))
                    for n, q in what._units.items()
                }
                self._others = what._others
            return
        self.space = space or DEFAULT_SPACE
        self._units, self._others = {}, {}
        for name, value in _entries(what):
            self._put(check_name(name), value)

    def _put(self, name: str, value: object) -> None:
        if name in self._units or name in self._others:
            raise InvalidQuantity(f"{name} is given twice; add the amounts up first")
        if isinstance(value, (frozenset, set)):
            if not all(isinstance(v, str) and v for v in value):
                raise InvalidQuantity(f"{name}: {sorted(map(repr, value))} is not a set of words")
            if value:
                self._others[name] = frozenset(value)
        elif isinstance(value, (list, tuple)):
            if value:
                self._others[name] = _merged(name, value)
        else:
            units = self.space.to_units(name, value)
            if units:
                self._units[name] = units

    @classmethod
    def _of(
        cls, units: dict[str, int], others: dict[str, Value], space: ResourceSpace
    ) -> Resources:
        """Trusted parts, no zeros among them."""
        new = object.__new__(cls)
        new._units, new._others, new.space, new._hash, new.memo = units, others, space, None, None
        return new

    @classmethod
    def from_units(
        cls, units: Mapping[str, int], *, space: ResourceSpace | None = None
    ) -> Resources:
        """Scalars given in units, not in amounts; O(names). Raises InvalidQuantity.

        >>> Resources.from_units({"cpus": 1500})
        Resources('cpus:1.5')
        """
        for name, q in units.items():
            check_name(name)
            if isinstance(q, bool) or not isinstance(q, int) or not 0 <= q <= LIMIT:
                raise InvalidQuantity(f"{name}: {q!r} units; give a whole number from 0 to 2**53")
        return cls._of({n: q for n, q in units.items() if q}, {}, space or DEFAULT_SPACE)

    @property
    def units(self) -> Mapping[str, int]:
        """The scalars in units, by name; read only; O(1)."""
        return MappingProxyType(self._units)

    @property
    def scalars(self) -> Resources:
        """The scalars alone; O(1)."""
        return self if not self._others else Resources._of(self._units, {}, self.space)

    def __getitem__(self, name: str) -> Amount | Value:
        if name in self._units:
            return self.space.to_amount(name, self._units[name])
        return self._others[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The amount of that name, or ``default``; O(1)."""
        return self[name] if name in self else default  # noqa: SIM401 (this is get itself)

    def __contains__(self, name: object) -> bool:
        return name in self._units or name in self._others

    def __iter__(self) -> Iterator[str]:
        yield from self._units
        yield from self._others

    def __len__(self) -> int:
        return len(self._units) + len(self._others)

    def items(self) -> Iterator[tuple[str, Amount | Value]]:
        """Name and amount of each entry; O(names)."""
        return ((name, self[name]) for name in self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Resources):
            return NotImplemented
        return (
            self._units == other._units
            and self._others == other._others
            and (self.space is other.space or self.space == other.space)
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((frozenset(self._units.items()), frozenset(self._others.items())))
        return self._hash

    def _peer(self, other: Resources) -> None:
        if self.space is not other.space and self.space != other.space:
            raise InvalidQuantity(
                f"{other} is counted in units of {other.space}, {self} in units of {self.space}; "
                f"convert one with Resources(..., space=...)"
            )

    def __add__(self, other: Resources) -> Resources:
        self._peer(other)
        units = self._units.copy()
        for name, q in other._units.items():
            units[name] = have = units.get(name, 0) + q
            if have > LIMIT:
                raise InvalidQuantity(
                    f"{name}: the sum of {have} units is above the limit of 2**53"
                )
        others = self._others
        if other._others:
            others = others.copy()
            for name, value in other._others.items():
                others[name] = _join(others[name], value) if name in others else value
        return Resources._of(units, others, self.space)

    def __sub__(self, other: Resources) -> Resources:
        if not other <= self:
            raise Overcommit(f"{other} cannot be taken from {self}; take at most what is there")
        return self.minus(other)

    def minus(self, other: Resources) -> Resources:
        """What is left after taking away as much of ``other`` as is there; O(names)."""
        self._peer(other)
        units = self._units.copy()
        for name, q in other._units.items():
            left = units.get(name, 0) - q
            if left > 0:
                units[name] = left
            else:
                units.pop(name, None)
        others = self._others
        if others and other._others:
            others = {}
            for name, value in self._others.items():
                rest = _cut(value, other._others[name]) if name in other._others else value
                if rest:
                    others[name] = rest
        return Resources._of(units, others, self.space)

    def __mul__(self, times: int) -> Resources:
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            raise InvalidQuantity(
                f"{self} times {times!r}; give a whole number of times, 0 or more"
            )
        if times != 1 and self._others:
            raise InvalidQuantity(f"{self} times {times}; ranges and sets cannot be multiplied")
        if times and any(q > LIMIT // times for q in self._units.values()):
            raise InvalidQuantity(f"{self} times {times} is above the limit of 2**53 units")
        return Resources._of(
            {n: q * times for n, q in self._units.items()} if times else {},
            self._others if times else {},
            self.space,
        )

    __rmul__ = __mul__

    def __le__(self, other: Resources) -> bool:
        """Whether all of this is contained in ``other``."""
        self._peer(other)
        there = other._units
        for name, q in self._units.items():
            if q > there.get(name, 0):
                return False
        return not self._others or all(
            n in other._others and not _cut(v, other._others[n]) for n, v in self._others.items()
        )

    def __ge__(self, other: Resources) -> bool:
        return other <= self

    def quantity(self, name: str) -> Amount:
        """How much of a name: the amount of a scalar, the number of values of a range or set, 0 if absent; O(1)."""
        if name in self._units:
            return self.space.to_amount(name, self._units[name])
        value = self._others.get(name, ())
        return len(value) if isinstance(value, frozenset) else sum(b - a + 1 for a, b in value)

    def __str__(self) -> str:
        parts = [f"{n}:{_decimal(q, self.space.scale(n))}" for n, q in self._units.items()]
        for name, value in self._others.items():
            if isinstance(value, frozenset):
                parts.append(f"{name}:{{{','.join(sorted(value))}}}")
            else:
                parts.append(f"{name}:[{', '.join(f'{a}-{b}' for a, b in value)}]")
        return ";".join(parts)

    def __repr__(self) -> str:
        return f"Resources({str(self)!r})"

    def __reduce__(self) -> Any:
        return _rebuilt, (self._units, self._others, self.space)


def _rebuilt(units: dict[str, int], others: dict[str, Value], space: ResourceSpace) -> Resources:
    return Resources._of(units, others, space)


def _decimal(units: int, scale: int) -> str:
    whole, rest = divmod(units, scale)
    if not rest:
        return str(whole)
    if 10 ** (len(str(scale)) - 1) == scale:
        return f"{whole}.{rest:0{len(str(scale)) - 1}d}".rstrip("0")
    return repr(units / scale)


def _entries(what: str | Mapping[str, Any] | None) -> Iterable[tuple[object, object]]:
    if what is None:
        return []
    if isinstance(what, Mapping):
        return what.items()
    if isinstance(what, str):
        return _parsed(what)
    raise InvalidQuantity(
        f"{what!r} is not a set of resources; give text like 'cpus:4;mem:8192' or a mapping of names to amounts"
    )


def _parsed(text: str) -> Iterator[tuple[str, object]]:
    for part in text.split(";"):
        if not part.strip():
            continue
        name, colon, value = (p.strip() for p in part.partition(":"))
        if not colon:
            raise InvalidQuantity(
                f"{part.strip()!r} in {text!r} is malformed; write name:amount, parts split by ';'"
            )
        if value.startswith("[") and value.endswith("]"):
            found = [_RANGE.fullmatch(r) for r in value[1:-1].split(",")]
            if not all(found):
                raise InvalidQuantity(
                    f"{name}: {value} is malformed; write ranges as [31000-31999, 32005-32005]"
                )
            yield name, [(int(m[1]), int(m[2])) for m in found if m]
        elif value.startswith("{") and value.endswith("}"):
            yield name, {v.strip() for v in value[1:-1].split(",") if v.strip()}
        else:
            try:
                yield name, Decimal(value)
            except ArithmeticError:
                raise InvalidQuantity(
                    f"{name}: {value!r} is not a number, [ranges] or {{set}}"
                ) from None


def _merged(name: str, ranges: Iterable[Any]) -> Ranges:
    """Ranges in order, touching and overlapping ones joined."""
    out: list[tuple[int, int]] = []
    pairs = []
    for pair in ranges:
        if not (
            isinstance(pair, (tuple, list)) and len(pair) == 2 and all(type(v) is int for v in pair)
        ):
            raise InvalidQuantity(
                f"{name}: {pair!r} is not a range; give (begin, end), both included"
            )
        if not 0 <= pair[0] <= pair[1] <= LIMIT:
            raise InvalidQuantity(
                f"{name}: [{pair[0]}-{pair[1]}] is not a range; 0 <= begin <= end <= 2**53"
            )
        pairs.append((pair[0], pair[1]))
    for begin, end in sorted(pairs):
        if out and begin <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return tuple(out)


def _join(a: Value, b: Value) -> Value:
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return a | b
    if isinstance(a, tuple) and isinstance(b, tuple):
        return _merged("ranges", a + b)
    raise InvalidQuantity(
        f"{a!r} and {b!r} are of one name but of two kinds; a name is a scalar, ranges or a set"
    )


def _cut(a: Value, b: Value) -> Value:
    """What of ``a`` is not in ``b``."""
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return a - b
    if not isinstance(a, tuple) or not isinstance(b, tuple):
        return a
    out: list[tuple[int, int]] = []
    for begin, end in a:
        for cut_begin, cut_end in b:
            if cut_end < begin or cut_begin > end:
                continue
            if cut_begin > begin:
                out.append((begin, cut_begin - 1))
            begin = cut_end + 1
            if begin > end:
                break
        if begin <= end:
            out.append((begin, end))
    return tuple(out)


class Shape(NamedTuple):
    """What one task needs: an amount, and on which agents: ``where`` names attributes and their allowed values.

    Make one with `Shape.of`. Equal shapes are one request.

    >>> Shape.of("cpus:2;gpus:1", where={"model": ["T4", "G2"]}).fits_attributes({"model": "T4"})
    True
    """

    resources: Resources
    where: tuple[tuple[str, frozenset[str]], ...] = ()

    @classmethod
    def of(
        cls,
        resources: ResourcesLike | Shape,
        where: Mapping[str, Collection[str]] | None = None,
        *,
        space: ResourceSpace | None = None,
    ) -> Shape:
        """The shape of an amount (text, mapping or Resources); O(names). Raises InvalidQuantity, InvalidOption."""
        if isinstance(resources, Shape):
            amount, old = resources
            if where:
                raise InvalidOption("a Shape has its own where; give it there")
            return cls(Resources(amount, space=space), old) if space else resources
        amount = Resources(resources, space=space)
        if not amount:
            raise InvalidQuantity("a task needs something; give at least one amount above 0")
        allowed = []
        for attribute, values in sorted((where or {}).items()):
            if isinstance(values, str) or not values:
                raise InvalidOption(
                    f"where={{{attribute!r}: {values!r}}}: give a collection of at least one value"
                )
            allowed.append((attribute, frozenset(values)))
        return cls(amount, tuple(allowed))

    def fits_attributes(self, attributes: Mapping[str, str]) -> bool:
        """Whether an agent with these attributes may run it; O(len(where))."""
        return all(attributes.get(name) in allowed for name, allowed in self.where)
