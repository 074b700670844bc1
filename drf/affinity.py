"""Affinity: near whom a framework wants to run, and apart from whom, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from drf.errors import InvalidOption


@dataclass(frozen=True)
class Affinity:
    """Whose company a framework seeks or shuns.

    ``near``: it is offered only agents on which one of these frameworks has something (offered or held); if it names
    itself, it may begin anywhere. ``apart``: it is offered no agents on which one of these has something, and they none
    on which it has; if it names itself, it gets each agent once. ``within`` is an attribute: agents with the same value
    of it count as one place (a rack, a zone), and an agent without it is no place at all.

    >>> Affinity(near=["cache"], apart=["batch"], within="rack")
    Affinity(near=('cache',), apart=('batch',), within='rack')
    """

    near: Collection[str] = ()
    apart: Collection[str] = ()
    within: str | None = None

    def __post_init__(self) -> None:
        for field in ("near", "apart"):
            given = getattr(self, field)
            if isinstance(given, str) or not all(isinstance(name, str) and name for name in given):
                raise InvalidOption(f"{field} is {given!r}; give a list of frameworks")
            object.__setattr__(self, field, tuple(sorted(set(given))))
        if self.within is not None and not (isinstance(self.within, str) and self.within):
            raise InvalidOption(f"within is {self.within!r}; it is the name of an attribute")

    @classmethod
    def of(cls, given: Affinity | Mapping[str, Any] | None) -> Affinity | None:
        """From itself, or from a mapping of its fields; None where nothing is asked. Raises InvalidOption."""
        if given is None or isinstance(given, Affinity):
            made = given
        elif isinstance(given, Mapping):
            strange = sorted(set(given) - {"near", "apart", "within"})
            if strange:
                raise InvalidOption(
                    f"affinity names {strange[0]!r}; it has near, apart and within alone"
                )
            made = cls(**given)
        else:
            raise InvalidOption(f"affinity is {given!r}; give an Affinity or a mapping")
        return made if made is not None and (made.near or made.apart) else None

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON values, which `of` takes back."""
        return {"near": list(self.near), "apart": list(self.apart), "within": self.within}
