"""Amounts that come again and again: equal ones become one object, and their sums and differences are remembered.

An object that is the same needs no comparing, and keeps what the kernel made of it. What is remembered is forgotten
when it becomes much: that costs time, and changes no result.
"""

from __future__ import annotations

from drf.resources import Resources, ResourceSpace

KEPT = 10_000
"""So many amounts, and sums, and differences."""


class Amounts:
    """One object for equal amounts; ``nothing`` is the empty one.

    >>> amounts = Amounts()
    >>> two = amounts.same(Resources("cpus:2"))
    >>> amounts.plus(two, amounts.nothing) is two, amounts.minus(two, two) is amounts.nothing
    (True, True)
    """

    def __init__(self, space: ResourceSpace | None = None) -> None:
        self.nothing = Resources(space=space)
        self._known: dict[Resources, Resources] = {}
        self._sums: dict[tuple[int, int], tuple[Resources, Resources, Resources]] = {}
        self._rests: dict[tuple[int, int], tuple[Resources, Resources, Resources]] = {}

    def same(self, amount: Resources) -> Resources:
        """The one object that is equal to it; O(names)."""
        if not amount:
            return self.nothing
        found = self._known.get(amount)
        if found is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[amount] = amount
        return found

    def plus(self, a: Resources, b: Resources, *, like: Resources | None = None) -> Resources:
        """Both together, with names in the order of ``like``, if given; O(1) where that came before, else O(names)."""
        if a is self.nothing:
            return b
        key = (id(a), id(b))
        found = self._sums.get(key)
        if found is None:
            both = a + b
            found = a, b, self.same(both if like is None else both.arranged(like))
            if len(self._sums) >= KEPT:
                self._sums.clear()
            self._sums[key] = found  # it keeps both alive, so that no other object gets their ids
        return found[2]

    def minus(self, a: Resources, b: Resources) -> Resources:
        """What is left of the first; O(1) where that came before, else O(names). Raises Overcommit."""
        if a is b:
            return self.nothing
        key = (id(a), id(b))
        found = self._rests.get(key)
        if found is None:
            found = a, b, self.same(a - b)
            if len(self._rests) >= KEPT:
                self._rests.clear()
            self._rests[key] = found
        return found[2]
