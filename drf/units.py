"""Units: how amounts become whole numbers, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import TypeAlias

from drf.errors import InvalidName, InvalidOption, InvalidQuantity

LIMIT = 1 << 53
"""The most units of a resource, of one amount or of a whole cluster: below it Python and C agree to the bit."""

Amount: TypeAlias = "int | float"

_NAME = re.compile(r"[^\s:;,(){}\[\]]+")


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

    @property
    def scales(self) -> dict[str, int]:
        """The units that were set by name; O(names)."""
        return dict(self._scale)

    @property
    def default(self) -> int:
        """Units in 1 of every other resource; O(1)."""
        return self._default

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
    limits = f"amounts go from 0 to 2**53 units of 1/{scale}"
    if isinstance(amount, bool) or not isinstance(amount, (Real, Decimal)):
        raise InvalidQuantity(
            f"{name}: {amount!r} is not a number; give an int, float, Fraction or Decimal"
        )
    if isinstance(amount, Rational):
        exact = Fraction(int(amount.numerator), int(amount.denominator))
    else:
        decimal = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
        if not decimal.is_finite():
            raise InvalidQuantity(
                f"{name}: {amount} is not finite; amounts are finite and at least 0"
            )
        size = decimal.adjusted() if decimal else 0
        if abs(size) > 60:
            # A number of a million digits is not written out only to be refused.
            exact = Fraction(10) ** (60 if size > 0 else -60) * (-1 if decimal < 0 else 1)
        else:
            exact = Fraction(decimal)
    if exact < 0:
        raise InvalidQuantity(f"{name}: {amount} is negative; {limits}")
    units = int((exact * scale + Fraction(1, 2)) // 1)
    if units == 0 and exact:
        raise InvalidQuantity(
            f"{name}: {amount} rounds to 0 in units of 1/{scale}; "
            f"set a finer unit with ResourceSpace(scale={{{name!r}: ...}})"
        )
    return units


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
        decimal = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
        if not decimal.is_finite():
            raise InvalidQuantity(
                f"{name}: {amount} is not finite; amounts are finite and at least 0"
            )
        value = Fraction(decimal)
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


def decimal_text(units: int, scale: int) -> str:
    """The shortest decimal text of so many units."""
    whole, rest = divmod(units, scale)
    if not rest:
        return str(whole)
    if 10 ** (len(str(scale)) - 1) == scale:
        return f"{whole}.{rest:0{len(str(scale)) - 1}d}".rstrip("0")
    return repr(units / scale)
