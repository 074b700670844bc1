"""Looks at an allocator's state from outside: its figures, and whether everything adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from drf.claims import Claims
from drf.errors import InvariantBroken
from drf.filters import Refusals
from drf.frameworks import Framework
from drf.ledger import Ledger
from drf.ranking import Ranking
from drf.requests import Requests
from drf.resources import Resources
from drf.roles import Quantities, RoleTree, add_to
from drf.units import ResourceSpace


class AgentInfo(NamedTuple):
    """An agent: what it has, what of it is offered and what is held, and what is known about it."""

    name: str
    hostname: str
    active: bool
    total: Resources
    offered: Resources
    held: Resources
    attributes: tuple[tuple[str, Any], ...]
    unavailability: tuple[float, float | None] | None


class FrameworkInfo(NamedTuple):
    """A framework: whether its scheduler is there, its roles, its largest share, how many requested tasks wait."""

    name: str
    active: bool
    roles: tuple[str, ...]
    suppressed: tuple[str, ...]
    share: float
    waiting: int


class RoleInfo(NamedTuple):
    """A role with frameworks, weight or quota; ``share`` is divided by the weight, None where it has no frameworks."""

    name: str
    weight: float
    share: float | None
    guarantees: Mapping[str, float]
    limits: Mapping[str, float]


class Overview(NamedTuple):
    """Who is there, by name."""

    agents: tuple[AgentInfo, ...]
    frameworks: tuple[FrameworkInfo, ...]
    roles: tuple[RoleInfo, ...]


def overview(
    ledger: Ledger,
    ranking: Ranking,
    roles: RoleTree,
    requests: Requests,
    frameworks: Mapping[str, Framework],
    space: ResourceSpace,
) -> Overview:
    """Who is there, and with what; O(agents + holders + roles)."""
    nothing = Resources(space=space)
    served = set(ranking.served())

    def amounts(units: Quantities) -> dict[str, float]:
        return {name: space.to_amount(name, q) for name, q in units.items()}

    return Overview(
        tuple(
            AgentInfo(
                agent.name,
                agent.hostname,
                agent.active,
                agent.total,
                sum(agent.offered.values(), nothing),
                sum(agent.held.values(), nothing),
                agent.attributes,
                agent.unavailability,
            )
            for _, agent in sorted(ledger.agents.items())
        ),
        tuple(
            FrameworkInfo(
                name,
                record.active,
                record.roles,
                tuple(sorted(record.suppressed)),
                max((ranking.frameworks(role).share(name) for role in record.roles), default=0.0),
                sum(requests.waiting(name, role) for role in record.roles),
            )
            for name, record in sorted(frameworks.items())
        ),
        tuple(
            RoleInfo(
                node.name,
                node.weight,
                ranking.roles.share(node.name) if node.name in served else None,
                amounts(node.guarantees),
                amounts(node.limits),
            )
            for node in sorted(roles, key=lambda node: node.name)
        ),
    )


def metrics(
    ledger: Ledger,
    ranking: Ranking,
    roles: RoleTree,
    refusals: Refusals,
    total: Quantities,
    space: ResourceSpace,
) -> dict[str, float]:
    """What is there and out, shares, refusals and quota, under Mesos's names; O(agents + roles)."""

    def amount(name: str, units: Quantities) -> float:
        return space.to_amount(name, units.get(name, 0))

    out: dict[str, float] = {}
    used: dict[str, int] = {}
    for agent in ledger.agents.values():
        add_to(used, agent.out().quantities(), 1)
    for name in ("cpus", "mem", "disk"):
        out[f"allocator/mesos/resources/{name}/total"] = amount(name, total)
        out[f"allocator/mesos/resources/{name}/offered_or_allocated"] = amount(name, used)
    for role in ranking.served():
        out[f"allocator/mesos/roles/{role}/shares/dominant"] = ranking.roles.share(role)
    for role, count in refusals.by_role().items():
        out[f"allocator/mesos/offer_filters/roles/{role}/active"] = count
    for role, node in roles.quotas.items():
        for what, units in (
            ("guarantee", node.guarantees),
            ("limit", node.limits),
            ("offered_or_allocated", node.unreserved_out),
            ("consumed", node.consumed()),
        ):
            for name in units:
                key = f"allocator/mesos/quota/roles/{role}/resources/{name}/{what}"
                out[key] = amount(name, units)
    return out


def check(
    ledger: Ledger,
    ranking: Ranking,
    roles: RoleTree,
    refusals: Refusals,
    frameworks: Mapping[str, Framework],
    claims: Claims,
    noted: Quantities,
    space: ResourceSpace,
) -> None:
    """Re-derive every invariant of ledger, orders, roles, refusals and claims; O(state). Raises InvariantBroken."""
    ledger.check()
    ranking.check()
    total: dict[str, int] = {}
    for agent in ledger.agents.values():
        add_to(total, agent.total.quantities(), 1)
    if total != noted or ranking.roles.total().units != total:
        raise InvariantBroken(f"the agents have {total}, noted is {noted}")
    for record in frameworks.values():
        _check_framework(ledger, ranking, record, space)
    for refusal in refusals:
        if refusal.framework not in frameworks or refusal.agent not in ledger.agents:
            raise InvariantBroken(
                f"a refusal of {refusal.framework!r} on {refusal.agent!r} is left over"
            )
    for claim in claims:
        listens = claim.framework in frameworks and frameworks[claim.framework].listens(claim.role)
        if not listens or claim.agent not in ledger.agents or not claim.waiting <= claim.amount:
            raise InvariantBroken(f"{claim} is left over")
    _check_roles(ledger, ranking, roles, frameworks)


def _check_framework(
    ledger: Ledger, ranking: Ranking, record: Framework, space: ResourceSpace
) -> None:
    nothing = Resources(space=space)
    held: dict[str, dict[str, int]] = {role: {} for role in record.roles}
    for name in ledger.agents_of(record.name):
        agent = ledger[name]
        for role in {role for owner, role in (*agent.offered, *agent.held) if owner == record.name}:
            key = (record.name, role)
            there = agent.offered.get(key, nothing) + agent.held.get(key, nothing)
            add_to(held.setdefault(role, {}), there.quantities(), 1)
    for role, due in held.items():
        sorter = ranking.frameworks(role)
        if sorter.held(record.name).units != due:
            raise InvariantBroken(
                f"framework {record.name!r} has {due} in role {role!r}, "
                f"its order counts {sorter.held(record.name)}"
            )
        if sorter.is_active(record.name) != record.listens(role):
            raise InvariantBroken(f"framework {record.name!r} is listed wrongly in role {role!r}")


def _check_roles(
    ledger: Ledger, ranking: Ranking, roles: RoleTree, frameworks: Mapping[str, Framework]
) -> None:
    fresh = RoleTree(roles._columns)
    fresh.track_agents(ledger.agents.values(), frameworks)
    for node in roles:
        due = fresh.get(node.name)
        for field in ("reservations", "reserved_out", "unreserved_out", "unreserved_held"):
            if getattr(node, field) != (getattr(due, field) if due is not None else {}):
                raise InvariantBroken(
                    f"role {node.name!r}: {field} is {getattr(node, field)}, not as the agents have it"
                )
    if roles.idle != fresh.idle:
        raise InvariantBroken(f"idle reservations are {fresh.idle}, noted are {roles.idle}")
    for role, units in fresh.idle.items() if roles.on_idle is not None else ():
        left = {name: q for name, q in units.items() if q > 0}
        if ranking.idle_of(role) != left:
            raise InvariantBroken(
                f"role {role!r} has {left} idle, its order counts {ranking.idle_of(role)}"
            )
