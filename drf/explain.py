"""Why a framework sees the offers it sees, as plain values: its shares, who is ahead, which rule keeps which agent.

What would give it an offer, what a change would do, and what it is entitled to, are values from here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drf.resources import Resources


class Obstacle(NamedTuple):
    """What keeps an agent from a framework in a role: the rule's name, and what it says of this case.

    ``until`` is when it ends by itself, where it does.
    """

    rule: str
    detail: str
    until: float | None = None

    def __str__(self) -> str:
        end = "" if self.until is None else f", until {self.until:g} s"
        return f"{self.rule}: {self.detail}{end}"


class Ahead(NamedTuple):
    """Somebody who is asked before: a role or a framework, its share divided by its weight, and by how much less."""

    name: str
    share: float
    by: float


@dataclass(frozen=True)
class Change:
    """One call of an allocator's verb, with its arguments by name; ``verb`` None: no call is needed.

    >>> print(Change("revive", {"name": "f"}, "revive f"))
    revive f
    """

    verb: str | None
    arguments: Mapping[str, Any]
    text: str

    def apply(self, allocator: Any) -> None:
        """Make the call. Raises what the verb raises."""
        if self.verb is not None:
            getattr(allocator, self.verb)(**self.arguments)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Standing:
    """A framework in one role.

    ``shares`` are what it holds (offers included) of each resource of the cluster, ``dominant`` the resource of the
    largest; ``roles_ahead`` and ``frameworks_ahead`` are asked before it, first first; ``rank`` counts them from 0
    (None: it is not asked at all). ``obstacles`` has an entry for each agent that would not be offered to it even if
    it were first. ``change`` is the smallest change that would give it an offer in the next run; where there is none,
    ``stands_in_the_way`` says what does.
    """

    role: str
    shares: Mapping[str, float]
    dominant: str | None
    rank: int | None
    silent: str | None = None
    roles_ahead: tuple[Ahead, ...] = ()
    frameworks_ahead: tuple[Ahead, ...] = ()
    obstacles: Mapping[str, Obstacle] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    change: Change | None = None
    stands_in_the_way: str | None = None

    def lines(self) -> list[str]:
        """The same as text."""
        held = ", ".join(f"{name} {share:.1%}" for name, share in self.shares.items()) or "nothing"
        out = [
            f"role {self.role}: holds {held}"
            + (f", dominant {self.dominant}" if self.dominant else "")
        ]
        if self.silent is not None:
            out.append(f"  is not asked: {self.silent}")
        ahead = [*self.roles_ahead, *self.frameworks_ahead]
        if ahead:
            first = ahead[0]
            out.append(
                f"  {len(ahead)} ahead, first {first.name} with share {first.share:.4f}, {first.by:.4f} less"
            )
        elif self.silent is None:
            out.append("  is asked first")
        by_rule: dict[str, list[str]] = {}
        for agent, obstacle in self.obstacles.items():
            by_rule.setdefault(str(obstacle), []).append(agent)
        for text, agents in by_rule.items():
            shown = ", ".join(agents[:3]) + (
                f" and {len(agents) - 3} more" if len(agents) > 3 else ""
            )
            out.append(f"  {shown}: {text}")
        if self.open:
            out.append(
                f"  would be offered, when first: {', '.join(self.open[:3])}"
                + (f" and {len(self.open) - 3} more" if len(self.open) > 3 else "")
            )
        if self.change is not None:
            out.append(f"  smallest change for an offer: {self.change}")
        elif self.stands_in_the_way is not None:
            out.append(f"  no single change gives it an offer: {self.stands_in_the_way}")
        return out


@dataclass(frozen=True)
class Why:
    """What a framework can expect of the next run over all agents, in each of its roles. Prints as sentences."""

    framework: str
    standings: tuple[Standing, ...]

    def __str__(self) -> str:
        lines = [f"framework {self.framework}"]
        for standing in self.standings:
            lines += standing.lines()
        return "\n".join(lines)


@dataclass(frozen=True)
class Effect:
    """What a change does to one framework, None where it is not there.

    Its share now (``before``), after a run without the change (``without``) and with it (``after``); what it is offered
    in the two runs, by role and agent.
    """

    before: float | None
    without: float | None
    after: float | None
    offers_without: Mapping[tuple[str, str], Resources]
    offers: Mapping[tuple[str, str], Resources]

    @property
    def differs(self) -> bool:
        """Whether share or offers are others than without the change."""
        return (self.without, self.offers_without) != (self.after, self.offers)


@dataclass(frozen=True)
class WhatIf:
    """What a change would do: its effect on each framework. Prints those that it makes a difference to."""

    effects: Mapping[str, Effect]

    @property
    def differs(self) -> tuple[str, ...]:
        """The frameworks whose share or offers are others than without the change; O(frameworks)."""
        return tuple(name for name, effect in self.effects.items() if effect.differs)

    def __str__(self) -> str:
        lines = []
        for name in self.differs:
            e = self.effects[name]
            lines.append(
                f"{name}: share {_share(e.before)} now, {_share(e.without)} without the change, "
                f"{_share(e.after)} with it"
            )
            for when, offers in (("without", e.offers_without), ("with", e.offers)):
                shown = ", ".join(
                    f"{agent} for {role} ({amount})" for (role, agent), amount in offers.items()
                )
                lines.append(f"  offered {when} it: {shown or 'nothing'}")
        return "\n".join(lines) or "no framework's share or offers would differ"


@dataclass(frozen=True)
class Entitlement:
    """What a framework in a role would get if it wanted tasks of ``shape`` without end.

    ``resources`` is that, ``share`` its dominant share of the cluster; ``held`` and ``held_share`` are what it has
    there now, offers included; ``difference`` is by how much the first is more (or less). ``fair_share`` is its
    weighted equal part among those present. ``chunk`` is the precision, as a dominant share.
    """

    framework: str
    role: str
    shape: Resources
    resources: Resources
    share: float
    held: Resources
    held_share: float
    difference: Mapping[str, float]
    fair_share: float
    chunk: float

    def __str__(self) -> str:
        more = ", ".join(f"{amount:+g} {name}" for name, amount in self.difference.items())
        return (
            f"framework {self.framework} in role {self.role}, tasks of {self.shape}: "
            f"would get {self.resources or 'nothing'} (share {self.share:.4f}, within {self.chunk:g}), "
            f"holds {self.held or 'nothing'} (share {self.held_share:.4f}), "
            f"difference {more or 'none'}; its equal part is {self.fair_share:.4f}"
        )


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.4f}"
