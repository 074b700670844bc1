"""What the model in `specification` knows of agents, frameworks, refusals and quota, and which amounts are which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drf import Resources
from drf.tags import Tag
from tests.specification_order import Units

Groups = Sequence[Sequence[Mapping[str, Any]]]
Offers = dict[tuple[str, str, str], Resources]
"""By framework, role and agent."""


def is_in(role: str, above: str) -> bool:
    """Whether the role is that one or below it."""
    return role == above or role.startswith(f"{above}/")


def is_regular(name: str, tag: Tag, scalar: bool) -> bool:
    """What quota is about: amounts that are neither reserved nor revocable."""
    return scalar and not tag.reservations and not tag.revocable


def is_reserved(name: str, tag: Tag, scalar: bool) -> bool:
    return bool(tag.reservations)


def is_revocable(name: str, tag: Tag, scalar: bool) -> bool:
    return tag.revocable


@dataclass
class Agent:
    """``out``: what is offered or runs, by framework and role, whether the framework is known or not."""

    name: str
    total: Resources
    hostname: str
    attributes: list[tuple[str, Any]]
    capabilities: frozenset[str]
    region: str | None
    zone: str | None
    maintenance: tuple[float, float | None] | None
    active: bool = True
    out: dict[tuple[str, str], Resources] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)

    def free(self) -> Resources:
        """Shared objects are free however many copies are out; the rest is what is left, if anything."""
        left = self.total
        for amount in self.out.values():
            left = left.minus(amount)
        return left.minus(left.shared) + self.total.shared


@dataclass
class Framework:
    name: str
    roles: list[str]
    suppressed: set[str]
    capabilities: frozenset[str]
    min_allocatable: dict[str, Sequence[Resources]]
    constraints: dict[str, Groups]
    active: bool

    def listens(self, role: str) -> bool:
        return self.active and role in self.roles and role not in self.suppressed

    def stripped(self, amount: Resources) -> Resources:
        """Without what it is not capable of."""

        def takes(name: str, tag: Tag, scalar: bool) -> bool:
            return (
                (not tag.shared or "SHARED_RESOURCES" in self.capabilities)
                and (not tag.revocable or "REVOCABLE_RESOURCES" in self.capabilities)
                and (len(tag.reservations) < 2 or "RESERVATION_REFINEMENT" in self.capabilities)
            )

        return amount.split(takes)

    def excludes(self, role: str, agent: Agent) -> bool:
        """Whether no group of its constraints for the role holds as a whole."""
        groups = self.constraints.get(role)
        return groups is not None and not any(
            all(self._holds(one, agent) for one in group) for group in groups
        )

    @staticmethod
    def _holds(one: Mapping[str, Any], agent: Agent) -> bool:
        selector, predicate = one["selector"], one["predicate"]
        place = {"HOSTNAME": agent.hostname, "REGION": agent.region, "ZONE": agent.zone}
        if "pseudo" in selector:
            value = place[selector["pseudo"]]
        else:
            value = next((v for n, v in agent.attributes if n == selector["attribute"]), None)
        kind, text = predicate["type"], predicate.get("value")
        negative = "not_" in kind
        if value is None or kind.endswith("exists"):
            return negative is (value is None)
        if not isinstance(value, str):
            return True  # what is no text passes every test of text
        same = value == text if kind.endswith("equals") else bool(re.fullmatch(text, value))
        return same is not negative


@dataclass(eq=False)
class Refusal:
    framework: str
    role: str
    agent: str
    amount: Resources


@dataclass
class Quota:
    guarantees: Units
    limits: Units
