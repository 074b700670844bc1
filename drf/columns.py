"""Which column of the kernel's numbers is which resource, and amounts as the kernel has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakSet

from drf._backend import Vector
from drf.resources import Resources


class Wide(Protocol):
    """What has a number a column: it hears of new columns."""

    def _widen(self, name: str, column: int) -> None: ...


class Columns:
    """Which column of an order stands for which resource: sorters that share them share the vectors of amounts.

    ``worth`` says whether an amount is worth an offer (see `drf.dealing`).
    """

    def __init__(self, worth: Callable[[Resources], bool] | None = None) -> None:
        self.of: dict[str, int] = {}
        self.sorters: WeakSet[Wide] = WeakSet()
        self._worth = worth

    def column(self, name: str) -> int:
        """The column of a resource, in all orders; O(1), O(sorters) the first time."""
        found = self.of.get(name)
        if found is None:
            found = self.of[name] = len(self.of)
            for sorter in self.sorters:
                sorter._widen(name, found)
        return found

    def row(self, quantities: Mapping[str, int]) -> tuple[int, ...]:
        """The amounts by column; O(columns)."""
        columns = {self.column(name): q for name, q in quantities.items()}
        return tuple(columns.get(j, 0) for j in range(max(columns, default=-1) + 1))

    def vector(self, amount: Resources) -> Vector:
        """What the kernel works with in place of the amount, which remembers it; O(columns), then O(1)."""
        memo = amount.memo
        if memo is not None and memo.owner is self:
            return memo  # type: ignore[no-any-return]
        worth = self._worth is not None and self._worth(amount)
        made = Vector(self.row(amount.quantities()), self, amount.is_plain, worth)
        amount.memo = made
        return made
