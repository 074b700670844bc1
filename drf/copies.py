"""Shared objects count once on an agent, however many copies of them are out there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf.resources import Resources, ResourceSpace
from drf.snapshot import packed, unpacked


class Copies:
    """Which shared objects each key (a client, a node of a tree) has on each agent."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], Resources] = {}

    def charge(self, key: str, agent: str, amount: Resources, sign: int) -> Mapping[str, int]:
        """What the key is charged for having so much more (sign 1) or less (-1) there, in units; O(names).

        The first copy of a shared object counts in full, further ones not, and the last to go gives it back.
        """
        shared = amount.shared
        if not shared:
            return amount.quantities()
        old = self._by.get((key, agent), Resources(space=amount.space))
        new = old + shared if sign > 0 else old - shared
        if new:
            self._by[key, agent] = new
        else:
            del self._by[key, agent]
        before, after = old.quantities(), new.quantities()
        charged = dict(amount.minus(shared).quantities())
        for name in {**before, **after}:
            change = sign * (after.get(name, 0) - before.get(name, 0))
            charged[name] = charged.get(name, 0) + change
        return charged

    def copy(self, key: str, to: str) -> None:
        """What the one key has, the other has too; O(entries)."""
        for (known, agent), shared in list(self._by.items()):
            if known == key:
                self._by[to, agent] = shared

    def drop(self, key: str) -> None:
        """Forget what the key has; O(entries)."""
        for entry in [entry for entry in self._by if entry[0] == key]:
            del self._by[entry]

    def state(self) -> list[Any]:
        """Its part of a snapshot; O(entries)."""
        return [[key, agent, packed(shared)] for (key, agent), shared in self._by.items()]

    def load(self, state: list[Any], space: ResourceSpace) -> None:
        """Take that part back; O(entries)."""
        self._by = {(key, agent): unpacked(shared, space) for key, agent, shared in state}

    def __bool__(self) -> bool:
        return bool(self._by)
