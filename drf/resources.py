"""Exact quantities: what an agent has, an offer holds, a task needs.

Scalars are whole numbers of a small unit (thousandths by default, one rule per resource name in a `ResourceSpace`), so
that adding and taking away never drifts. Ranges (ports) and sets (zones) are carried along beside them; only scalars
count for shares. Objects that are reserved, revocable, shared or special disks are kept apart from plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from drf.errors import InvalidOption, InvalidQuantity, Overcommit
from drf.notation import (
    check_longest,
    entries,
    item_from_json,
    item_text,
    item_to_json,
    json_value,
    to_value,
    value_text,
)
from drf.tags import PLAIN, Tag, is_allocatable_to
from drf.units import DEFAULT_SPACE as DEFAULT_SPACE
from drf.units import LIMIT as LIMIT
from drf.units import Amount, check_name, decimal_text
from drf.units import ResourceSpace as ResourceSpace
from drf.values import (
    Item,
    Value,
    bounded,
    count,
    cut,
    is_scalar,
    join,
    keep,
    kept_contains,
    kept_less,
    kept_quantity,
    kept_sum,
    two_kinds,
)

ResourcesLike: TypeAlias = "Resources | str | Mapping[str, Any]"


class Resources:
    """Immutable, exact quantities by resource name: scalars, ranges, sets, and what is reserved, revocable or shared.

    >>> r = Resources("cpus:4;mem:8192;ports:[31000-32000]")
    >>> r["cpus"], r["ports"]
    (4, ((31000, 32000),))
    >>> str(r - Resources({"cpus": 0.5}))
    'cpus:3.5;mem:8192;ports:[31000-32000]'
    >>> Resources("cpus:2") <= r
    True
    >>> Resources("cpus(ads):2;cpus:1").quantity("cpus")     # 2 of the 3 are reserved to role ads
    3

    An absent name means none of it, zeros are not kept, negative amounts do not exist, nothing is unlimited. Amounts
    are rounded to the unit of ``space``, half away from zero. Mapping access and iteration speak of plain objects;
    `objects` lists all, `quantity` adds up. Each operation costs O(names). Raises InvalidQuantity, InvalidName.
    """

    __slots__ = ("_hash", "_others", "_tagged", "_units", "memo", "space")

    _units: dict[str, int]
    _others: dict[str, Value]
    _tagged: dict[tuple[str, Tag], Any]
    space: ResourceSpace
    memo: Any

    def __init__(
        self, what: ResourcesLike | None = None, *, space: ResourceSpace | None = None
    ) -> None:
        self._hash: int | None = None
        self.memo = (
            None  # what a sorter keeps of it, so that a vector that comes again is not parsed again
        )
        if isinstance(what, Resources) and (space is None or space == what.space):
            self._units, self._others, self._tagged = what._units, what._others, what._tagged
            self.space = what.space
            return
        self.space = space or DEFAULT_SPACE
        self._units, self._others, self._tagged = {}, {}, {}
        if isinstance(what, Resources):
            for item in what.objects():
                if isinstance(item.value, int):
                    exact = Fraction(item.value, what.space.scale(item.name))
                    item = item._replace(value=self.space.to_units(item.name, exact))
                self._add(item)
            return
        seen = set()
        for name, tag, value in entries(what):
            known = check_name(name)
            if (known, tag) in seen:
                raise InvalidQuantity(f"{known} is given twice; add the amounts up first")
            seen.add((known, tag))
            found = to_value(known, value, self.space)
            if found:
                self._add(Item(known, found, tag))

    def _add(self, item: Item) -> None:
        """Enter an object into dictionaries that nobody shares yet."""
        name, value, tag, _ = item
        if tag != PLAIN:
            key = (name, tag)
            held = keep(item)
            self._tagged[key] = (
                kept_sum(tag, self._tagged[key], held) if key in self._tagged else held
            )
        elif isinstance(value, int):
            if name in self._others:
                raise two_kinds(value, self._others[name])
            self._units[name] = bounded(self._units.get(name, 0) + value)
        else:
            if name in self._units:
                raise two_kinds(self._units[name], value)
            self._others[name] = join(self._others[name], value) if name in self._others else value

    @classmethod
    def _of(
        cls,
        units: dict[str, int],
        others: dict[str, Value],
        space: ResourceSpace,
        tagged: dict[tuple[str, Tag], Any],
    ) -> Resources:
        """Trusted parts, no zeros among them."""
        new = object.__new__(cls)
        new._units, new._others, new._tagged, new.space = units, others, tagged, space
        new._hash = new.memo = None
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
        return cls._of({n: q for n, q in units.items() if q}, {}, space or DEFAULT_SPACE, {})

    @classmethod
    def of_items(cls, items: Iterable[Item], *, space: ResourceSpace | None = None) -> Resources:
        """Objects put together: equal ones add up, shared ones count copies; O(objects).

        >>> from drf.tags import Disk
        >>> two = Item("disk", 5000, Tag(disk=Disk("MOUNT")))
        >>> len(list(Resources.of_items([two, two]).objects()))      # MOUNT disks never merge
        2
        """
        new = cls(space=space)
        for item in items:
            if item.value:
                new._add(item)
        return new

    @classmethod
    def from_json(cls, what: Any, *, space: ResourceSpace | None = None) -> Resources:
        """From text, a mapping of names to amounts, or a list of objects with ``name``, ``value`` and what they carry.

        >>> Resources.from_json([{"name": "cpus", "value": 2, "revocable": True}])
        Resources('cpus{revocable}:2')

        Zeros are dropped; O(objects). Raises InvalidQuantity, InvalidName.
        """
        if not isinstance(what, (list, tuple)):
            return cls(what, space=space)
        space = space or DEFAULT_SPACE
        return cls.of_items((item_from_json(entry, space) for entry in what), space=space)

    def to_json(self) -> Any:
        """What `from_json` reads: a mapping where everything is plain, else a list of objects; O(objects)."""
        if not self._tagged:
            return {name: json_value(value) for name, value in self.items()}
        return [item_to_json(item, self.space) for item in self.objects()]

    def objects(self) -> Iterator[Item]:
        """Every resource object, plain ones first; O(objects)."""
        for name, units in self._units.items():
            yield Item(name, units)
        for name, value in self._others.items():
            yield Item(name, value)
        for (name, tag), held in self._tagged.items():
            if tag.shared:
                for units, copies in held:
                    yield Item(name, units, tag, copies)
            elif tag.fixed:
                for units in held:
                    yield Item(name, units, tag)
            else:
                yield Item(name, held, tag)

    def split(self, wanted: Callable[[str, Tag, bool], bool]) -> Resources:
        """Those objects whose name and tag, and whether they are scalars, are wanted; O(names)."""
        return Resources._of(
            {n: q for n, q in self._units.items() if wanted(n, PLAIN, True)},
            {n: v for n, v in self._others.items() if wanted(n, PLAIN, False)},
            self.space,
            {
                (name, tag): held
                for (name, tag), held in self._tagged.items()
                if wanted(name, tag, is_scalar(tag, held))
            },
        )

    @property
    def longest(self) -> float | None:
        """How many seconds a task may use any of it, None for no bound; O(objects)."""
        bounds = [tag.longest for _, tag in self._tagged if tag.longest is not None]
        return min(bounds, default=None)

    def arranged(self, like: Resources) -> Resources:
        """The same with plain amounts in the order in which the other names them; O(names)."""
        ordered = {name: self._units[name] for name in like._units if name in self._units}
        if len(ordered) < len(self._units) or list(ordered) == list(self._units):
            return self
        return Resources._of(ordered, self._others, self.space, self._tagged)

    def allocatable_to(self, role: str) -> Resources:
        """What may go to the role: unreserved, reserved to it or to an ancestor of it; O(names)."""
        if not self._tagged:
            return self
        return self.split(lambda name, tag, scalar: is_allocatable_to(tag.owner, role))

    @property
    def is_plain(self) -> bool:
        """Whether nothing is reserved, revocable, shared or a special disk; O(1)."""
        return not self._tagged

    @property
    def units(self) -> Mapping[str, int]:
        """The plain scalars in units, by name; read only; O(1)."""
        return MappingProxyType(self._units)

    @property
    def scalars(self) -> Resources:
        """The plain scalars alone; O(1)."""
        if not self._others and not self._tagged:
            return self
        return Resources._of(self._units, {}, self.space, {})

    @property
    def exclusive(self) -> Resources:
        """What cannot be given twice: all but the shared objects; O(names), O(1) where nothing is tagged."""
        if not self._tagged:
            return self
        return self.split(lambda name, tag, scalar: not tag.shared)

    @property
    def shared(self) -> Resources:
        """The shared objects alone; O(names)."""
        if not self._tagged:
            return Resources(space=self.space)
        return self.split(lambda name, tag, scalar: tag.shared)

    def quantities(self) -> Mapping[str, int]:
        """All scalars in units by name, whatever they carry, shared ones once; O(names)."""
        if not self._tagged:
            return self._units
        out = dict(self._units)
        for (name, tag), held in self._tagged.items():
            if is_scalar(tag, held):
                out[name] = out.get(name, 0) + kept_quantity(tag, held)
        return out

    def quantity(self, name: str) -> Amount:
        """All of a name: amounts of scalars, whatever they carry, numbers of values of ranges and sets; O(names)."""
        units = self._units.get(name, 0)
        values = count(self._others[name]) if name in self._others else 0
        for (other, tag), held in self._tagged.items():
            if other == name:
                if is_scalar(tag, held):
                    units += kept_quantity(tag, held)
                else:
                    values += kept_quantity(tag, held)
        return values + self.space.to_amount(name, units)

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
        return len(self._units) + len(self._others) + len(self._tagged)

    def items(self) -> Iterator[tuple[str, Amount | Value]]:
        """Name and amount of each plain entry; O(names)."""
        return ((name, self[name]) for name in self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Resources):
            return NotImplemented
        return (
            self._units == other._units
            and self._others == other._others
            and self._tagged == other._tagged
            and (self.space is other.space or self.space == other.space)
        )

    def __hash__(self) -> int:
        if self._hash is None:
            parts = (self._units, self._others, self._tagged)
            self._hash = hash(tuple(frozenset(part.items()) for part in parts))
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
                others[name] = join(others[name], value) if name in others else value
        for name in others:
            if name in units:
                raise two_kinds(units[name], others[name])
        tagged = self._tagged
        if other._tagged:
            tagged = tagged.copy()
            for key, held in other._tagged.items():
                tagged[key] = kept_sum(key[1], tagged[key], held) if key in tagged else held
        return Resources._of(units, others, self.space, tagged)

    def __sub__(self, other: Resources) -> Resources:
        if not other <= self:
            raise Overcommit(f"{other} cannot be taken from {self}; take at most what is there")
        return self.minus(other)

    def minus(self, other: Resources) -> Resources:
        """What is left after taking away as much of ``other`` as is there; O(names).

        An indivisible object goes if an equal one is named, a shared one loses copies.
        """
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
                rest = cut(value, other._others[name]) if name in other._others else value
                if rest:
                    others[name] = rest
        tagged = self._tagged
        if tagged and other._tagged:
            tagged = {}
            for key, held in self._tagged.items():
                if key in other._tagged:
                    held = kept_less(key[1], held, other._tagged[key])
                if held:
                    tagged[key] = held
        return Resources._of(units, others, self.space, tagged)

    def __mul__(self, times: int) -> Resources:
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            raise InvalidQuantity(
                f"{self} times {times!r}; give a whole number of times, 0 or more"
            )
        if times == 1:
            return self
        if self._others or self._tagged:
            raise InvalidQuantity(
                f"{self} times {times}; ranges, sets and objects with a tag cannot be multiplied"
            )
        if times == 0:
            return Resources(space=self.space)
        if any(q > LIMIT // times for q in self._units.values()):
            raise InvalidQuantity(f"{self} times {times} is above the limit of 2**53 units")
        return Resources._of({n: q * times for n, q in self._units.items()}, {}, self.space, {})

    __rmul__ = __mul__

    def __le__(self, other: Resources) -> bool:
        """Whether all of this is contained in ``other``."""
        if self is other:
            return True
        self._peer(other)
        there = other._units
        for name, q in self._units.items():
            if q > there.get(name, 0):
                return False
        if self._others and not all(
            n in other._others and not cut(v, other._others[n]) for n, v in self._others.items()
        ):
            return False
        return not self._tagged or all(
            key in other._tagged and kept_contains(key[1], other._tagged[key], held)
            for key, held in self._tagged.items()
        )

    def __ge__(self, other: Resources) -> bool:
        return other <= self

    def __str__(self) -> str:
        parts = [f"{n}:{decimal_text(q, self.space.scale(n))}" for n, q in self._units.items()]
        parts += [f"{name}:{value_text(value)}" for name, value in self._others.items()]
        if self._tagged:
            parts += [item_text(item, self.space) for item in self.objects() if item.tag != PLAIN]
        return ";".join(parts)

    def __repr__(self) -> str:
        return f"Resources({str(self)!r})"

    def __reduce__(self) -> Any:
        return Resources._of, (self._units, self._others, self.space, self._tagged)


class Shape(NamedTuple):
    """What one task needs: an amount, and on which agents: ``where`` names attributes and their allowed values.

    ``duration``: seconds that it runs at most, None for no bound; within it it may use room that is for short tasks.
    Make one with `Shape.of`. Equal shapes are one request.

    >>> Shape.of("cpus:2;gpus:1", where={"model": ["T4", "G2"]}).fits_attributes({"model": "T4"})
    True
    """

    resources: Resources
    where: tuple[tuple[str, frozenset[str]], ...] = ()
    duration: float | None = None

    @classmethod
    def of(
        cls,
        resources: ResourcesLike | Shape,
        where: Mapping[str, Collection[str]] | None = None,
        *,
        space: ResourceSpace | None = None,
        duration: float | None = None,
    ) -> Shape:
        """The shape of an amount (text, mapping or Resources); O(names). Raises InvalidQuantity, InvalidOption."""
        if isinstance(resources, Shape):
            amount = resources.resources
            if where or duration is not None:
                raise InvalidOption("a Shape has its own where and duration; give them there")
            return (
                resources._replace(resources=Resources(amount, space=space)) if space else resources
            )
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
        if duration is not None:
            duration = check_longest(amount, duration)
        return cls(amount, tuple(allowed), duration)

    def fits_attributes(self, attributes: Mapping[str, str]) -> bool:
        """Whether an agent with these attributes may run it; O(len(where))."""
        return all(attributes.get(name) in allowed for name, allowed in self.where)
