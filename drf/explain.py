"""Why a framework sees the offers it sees, as plain values: its shares, who is ahead, which rule keeps which agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


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
class Standing:
    """A framework in one role.

    ``shares`` are what it holds (offers included) of each resource of the cluster, ``dominant`` the resource of the
    largest; ``roles_ahead`` and ``frameworks_ahead`` are asked before it, first first; ``rank`` counts them from 0
    (None: it is not asked at all). ``obstacles`` has an entry for each agent that would not be offered to it even if
    it were first.
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
