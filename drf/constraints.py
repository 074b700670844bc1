"""Offer constraints: of which agents a framework wants offers at all, by their attributes, as data.

A role has groups of constraints. An agent is offered to the role where one group holds, that is, each constraint of
it. A constraint tests one attribute (the first with its name) or the agent's host name, region or zone.

* ``exists``, ``not_exists``: whether the agent has it.
* ``text_equals``, ``text_not_equals``: its text.
* ``text_matches``, ``text_not_matches``: all its text, against a regular expression (`drf._regex` says which).

An agent that lacks the attribute satisfies the negative predicates (``not_exists``, ``text_not_...``) alone. An
attribute that is a number or ranges satisfies every text predicate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from drf import _regex
from drf.errors import InvalidOption

PSEUDO = ("HOSTNAME", "REGION", "ZONE")
PREDICATES = (
    "exists",
    "not_exists",
    "text_equals",
    "text_not_equals",
    "text_matches",
    "text_not_matches",
)


class Constraint(NamedTuple):
    """One test of one attribute, or of what PSEUDO names."""

    name: str
    pseudo: bool
    predicate: str
    value: str | None = None

    def __str__(self) -> str:
        text = "" if self.value is None else f" {self.value!r}"
        return f"{'' if self.pseudo else 'attribute '}{self.name} {self.predicate}{text}"

    def holds(self, found: object) -> bool:
        """Whether it holds for what the agent has there, None for nothing; O(1), a regular expression O(text)."""
        kind = self.predicate
        if found is None or kind in ("exists", "not_exists"):
            return ("not_" in kind) is (found is None)
        if not isinstance(found, str):
            return True
        assert self.value is not None
        if kind.endswith("equals"):
            same = found == self.value
        else:
            same = _regex.fullmatch(self.value, found)
        return same is ("not_" not in kind)


Groups = tuple[tuple[Constraint, ...], ...]


class OfferConstraints:
    """The constraints of a framework, by role; immutable and hashable.

    >>> near = {"selector": {"attribute": "rack"}, "predicate": {"type": "text_matches", "value": "r[1-4]"}}
    >>> new = {"selector": {"pseudo": "HOSTNAME"}, "predicate": {"type": "text_not_equals", "value": "old"}}
    >>> c = OfferConstraints({"web": [[near, new]]})
    >>> c.excludes("web", [("rack", "r2")], hostname="a1"), c.excludes("web", [("rack", "r9")], hostname="a1")
    (False, True)
    >>> c.why("web", [("rack", "r9")], hostname="a1")
    "group 1: attribute rack text_matches 'r[1-4]', but it is 'r9'"
    >>> c.excludes("other", [], hostname="a1")      # a role without constraints is unrestricted
    False

    ``constraints`` maps a role to a list of groups, a group is a list of constraints, a constraint has a ``selector``
    (``{"attribute": name}`` or ``{"pseudo": "HOSTNAME" | "REGION" | "ZONE"}``) and a ``predicate`` (``type`` and, for
    the text ones, ``value``). Costs O(constraints). Raises InvalidOption where one is malformed, a group or a list of
    groups is empty, or a regular expression is wrong or too large.
    """

    __slots__ = ("_by_role", "_hash")

    def __init__(self, constraints: Mapping[str, Any] | None = None) -> None:
        if constraints is not None and not isinstance(constraints, Mapping):
            raise InvalidOption(
                f"offer constraints are {constraints!r}; give a mapping of roles to lists of groups"
            )
        self._by_role: dict[str, Groups] = {
            _text(role, "the role of offer constraints"): _groups(role, groups)
            for role, groups in (constraints or {}).items()
        }
        self._hash = hash(frozenset(self._by_role.items()))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are constrained; O(roles)."""
        return tuple(self._by_role)

    def excludes(
        self,
        role: str,
        attributes: Sequence[tuple[str, Any]],
        *,
        hostname: str,
        region: str | None = None,
        zone: str | None = None,
    ) -> bool:
        """Whether the role wants no offer of an agent with these attributes; O(constraints x attributes).

        An attribute is a name and its value: text, a number or ranges. Names may repeat; the first counts.
        """
        groups = self._by_role.get(role)
        if groups is None:
            return False
        place = {"HOSTNAME": hostname, "REGION": region, "ZONE": zone}
        return not any(
            all(one.holds(_found(one, attributes, place)) for one in group) for group in groups
        )

    def why(
        self,
        role: str,
        attributes: Sequence[tuple[str, Any]],
        *,
        hostname: str,
        region: str | None = None,
        zone: str | None = None,
    ) -> str | None:
        """The first constraint of each group that keeps the agent from the role, None where it is not excluded."""
        place = {"HOSTNAME": hostname, "REGION": region, "ZONE": zone}
        reasons = []
        for number, group in enumerate(self._by_role.get(role, ()), 1):
            for one in group:
                found = _found(one, attributes, place)
                if not one.holds(found):
                    has = "the agent has none" if found is None else f"it is {found!r}"
                    reasons.append(f"group {number}: {one}, but {has}")
                    break
            else:
                return None
        return "; ".join(reasons) or None

    def to_json(self) -> dict[str, list[list[dict[str, Any]]]]:
        """What the constructor takes, in lists and dicts; O(constraints)."""
        return {
            role: [[_plain(c) for c in g] for g in groups] for role, groups in self._by_role.items()
        }

    @classmethod
    def from_json(cls, constraints: Mapping[str, Any]) -> Self:
        """The constraints that `to_json` wrote; O(constraints). Raises InvalidOption."""
        return cls(constraints)

    def __bool__(self) -> bool:
        return bool(self._by_role)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OfferConstraints):
            return NotImplemented
        return self._by_role == other._by_role

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"OfferConstraints({self.to_json()!r})"


def _found(one: Constraint, attributes: Sequence[tuple[str, Any]], place: Mapping[str, Any]) -> Any:
    if one.pseudo:
        return place[one.name]
    return next((value for name, value in attributes if name == one.name), None)


def _plain(one: Constraint) -> dict[str, Any]:
    predicate = {"type": one.predicate}
    if one.value is not None:
        predicate["value"] = one.value
    return {"selector": {"pseudo" if one.pseudo else "attribute": one.name}, "predicate": predicate}


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidOption(f"{what} is {value!r}; it is text, at least one character")
    return value


def _groups(role: str, groups: object) -> Groups:
    place = f"offer constraints of role {role!r}"
    out = []
    for number, group in enumerate(_some(groups, f"{place}: the groups", "leave the role out"), 1):
        inside = f"{place}, group {number}"
        constraints = _some(group, f"{inside}: the constraints", "leave the group out")
        out.append(
            tuple(_constraint(c, f"{inside}, constraint {n}") for n, c in enumerate(constraints, 1))
        )
    return tuple(out)


def _some(value: object, what: str, remedy: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidOption(f"{what} are {value!r}; give a list")
    if not value:
        raise InvalidOption(f"{what} are an empty list; give at least one, or {remedy}")
    return value


def _constraint(value: object, place: str) -> Constraint:
    if isinstance(value, Constraint):
        value = _plain(value)
    parts = _keys(value, place, ("selector", "predicate"))
    selector = _keys(parts["selector"], f"{place}: selector", ("attribute",), ("pseudo",))
    pseudo = "pseudo" in selector
    name = _text(next(iter(selector.values())), f"{place}: the {next(iter(selector))}")
    if pseudo and name not in PSEUDO:
        raise InvalidOption(f"{place}: pseudo is {name!r}; it is one of {', '.join(PSEUDO)}")
    predicate = parts["predicate"]
    kind = predicate.get("type") if isinstance(predicate, Mapping) else None
    if kind not in PREDICATES:
        raise InvalidOption(
            f"{place}: predicate is {predicate!r}; its type is one of {', '.join(PREDICATES)}"
        )
    takes = ("type", "value") if kind.startswith("text_") else ("type",)
    text = _keys(predicate, f"{place}: predicate", takes).get("value")
    if "value" in takes and not isinstance(text, str):
        raise InvalidOption(f"{place}: value of {kind} is {text!r}; it is text")
    if kind.endswith("_matches"):
        try:
            _regex.program(text)
        except InvalidOption as error:
            raise InvalidOption(f"{place}: {error}") from error
    return Constraint(name, pseudo, kind, text)


def _keys(value: object, what: str, *choices: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not any(set(value) == set(keys) for keys in choices):
        shown = " or ".join(" and ".join(keys) for keys in choices)
        raise InvalidOption(f"{what} is {value!r}; give a mapping with {shown}, and no other key")
    return value
