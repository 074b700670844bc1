"""Values of resource objects, and what is kept of equal ones: adding, taking away, containing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from drf.errors import InvalidQuantity
from drf.tags import PLAIN, Tag
from drf.units import LIMIT

Ranges: TypeAlias = tuple[tuple[int, int], ...]
Value: TypeAlias = "Ranges | frozenset[str]"


class Item(NamedTuple):
    """One resource object: its name, its value (units, ranges or a set), its tag, how many copies if shared."""

    name: str
    value: int | Value
    tag: Tag = PLAIN
    copies: int = 1


def merge_ranges(name: str, ranges: Iterable[Any]) -> Ranges:
    """Ranges in order, touching and overlapping ones joined. Raises InvalidQuantity."""
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


def two_kinds(a: object, b: object) -> InvalidQuantity:
    """The error for one name that is two things."""
    return InvalidQuantity(
        f"{a!r} and {b!r} are of one name but of two kinds; a name is a scalar, ranges or a set"
    )


def join(a: Value, b: Value) -> Value:
    """Both together."""
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return a | b
    if isinstance(a, tuple) and isinstance(b, tuple):
        return merge_ranges("ranges", a + b)
    raise two_kinds(a, b)


def cut(a: Value, b: Value) -> Value:
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


def count(value: Value) -> int:
    """How many values there are."""
    return len(value) if isinstance(value, frozenset) else sum(b - a + 1 for a, b in value)


# What is kept of the objects of one name and tag: units, ranges or a set; of indivisible ones the units of each, in
# order; of shared ones (units, copies) of each, in order.


def bounded(units: int) -> int:
    """The sum of amounts, or InvalidQuantity."""
    if units > LIMIT:
        raise InvalidQuantity(f"the sum of {units} units is above the limit of 2**53")
    return units


def keep(item: Item) -> Any:
    """What is kept of one object."""
    if item.tag.shared:
        return ((item.value, item.copies),)
    return (item.value,) if item.tag.fixed else item.value


def kept_sum(tag: Tag, a: Any, b: Any) -> Any:
    """Both together."""
    if tag.shared:
        copies = dict(a)
        for units, more in b:
            copies[units] = copies.get(units, 0) + more
        return tuple(sorted(copies.items()))
    if tag.fixed:
        return tuple(sorted(a + b))
    if isinstance(a, int) and isinstance(b, int):
        return bounded(a + b)
    return join(a, b)


def kept_less(tag: Tag, a: Any, b: Any) -> Any:
    """What is left of a without as much of b as is there; empty or 0 for nothing."""
    if tag.shared:
        copies = dict(a)
        for units, gone in b:
            if units in copies:
                copies[units] -= gone
        return tuple((units, left) for units, left in sorted(copies.items()) if left > 0)
    if tag.fixed:
        rest = list(a)
        for units in b:
            if units in rest:
                rest.remove(units)
        return tuple(rest)
    if isinstance(a, int):
        return max(a - b, 0) if isinstance(b, int) else a
    return a if isinstance(b, int) else cut(a, b)


def kept_contains(tag: Tag, a: Any, b: Any) -> bool:
    """Whether all of b is in a."""
    if tag.shared:
        copies = dict(a)
        return all(copies.get(units, 0) >= wanted for units, wanted in b)
    if tag.fixed:
        rest = list(a)
        for units in b:
            if units not in rest:
                return False
            rest.remove(units)
        return True
    if isinstance(b, int):
        return isinstance(a, int) and b <= a
    return not isinstance(a, int) and not cut(b, a)


def kept_quantity(tag: Tag, held: Any) -> int:
    """Units of scalars (shared ones once), or the number of values."""
    if tag.shared:
        return sum(units for units, _ in held)
    if tag.fixed:
        return sum(held)
    return held if isinstance(held, int) else count(held)


def is_scalar(tag: Tag, held: Any) -> bool:
    """Whether amounts are kept, not ranges or sets."""
    return tag.shared or tag.fixed or isinstance(held, int)
