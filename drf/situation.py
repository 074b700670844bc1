"""What the allocator knows that a plan of a reclaim needs, as one record; nothing here changes state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from drf.claims import Claims
from drf.fairshare import FairShares
from drf.frameworks import Framework
from drf.ledger import Agent, Ledger
from drf.quota import Budget, regular_scalar
from drf.ranking import Ranking
from drf.resources import Resources, Shape
from drf.roles import Quantities, RoleTree, added, line_of


class Place(NamedTuple):
    """An agent where the claimant may run: what is free there, and how much of it is kept for claims."""

    agent: str
    free: Resources
    claimed: Resources


class QuotaOf(NamedTuple):
    """A role with quota: units by name. ``held`` counts reservations, what runs and claims, ``out`` offers too.

    ``limits`` are empty where they do not bind the claimant.
    """

    role: str
    guarantees: Quantities
    limits: Quantities
    held: Quantities
    out: Quantities


class Situation(NamedTuple):
    """All that a plan rests on, but offers and named tasks.

    ``shares`` count what runs, and claims, but no offers. ``carve`` says what one task of the claimant gets out of some
    room, None if it does not fit. ``needed`` is what guarantees need beyond what is free (below 0: less),
    ``lacking`` what the claimant's own still lack, offers counted. ``kept`` are framework, role and agent of claims.
    """

    shares: FairShares
    places: tuple[Place, ...]
    carve: Callable[[Resources], Resources | None]
    quotas: tuple[QuotaOf, ...]
    needed: Mapping[str, int]
    lacking: Mapping[str, int]
    kept: frozenset[tuple[str, str, str]]


def situation(
    role: str,
    framework: Framework,
    shape: Shape,
    agents: Iterable[Agent],
    *,
    ledger: Ledger,
    ranking: Ranking,
    roles: RoleTree,
    claims: Claims,
    total: Quantities,
    budget: Budget | None,
) -> Situation:
    """The situation of a framework that wants room for tasks on one of the agents; O(agents + clients x depth)."""
    members = [(r, f) for r in ranking.served() for f in ranking.frameworks(r).clients()]
    counted = {name: units for name, units in total.items() if ranking.counts(name)}
    shares = FairShares(counted, members, roles.weight)
    known = frozenset(members)
    for record in ledger.agents.values():
        for (owner, its), held in record.held.items():
            if (its, owner) in known:  # of a framework that is not there yet nobody knows the place
                shares.add((its, owner), held.quantities())
    nothing = Resources(space=shape.resources.space)
    claimed: dict[str, Resources] = {}
    for claim in claims:
        shares.add((claim.role, claim.framework), claim.amount.quantities())
        claimed[claim.agent] = claimed.get(claim.agent, nothing) + claim.waiting
    kept = [(claim, line_of(claim.role)) for claim in claims]

    def with_claims(name: str, units: Quantities, *, all_of_it: bool) -> dict[str, int]:
        for claim, line in kept:
            if name in line:
                part = claim.amount if all_of_it else claim.waiting
                units = added(units, part.split(regular_scalar).quantities())
        return dict(units)

    binding = frozenset(budget.line(role) if budget is not None else ())
    return Situation(
        shares,
        tuple(Place(a.name, a.free, claimed.get(a.name, nothing)) for a in agents),
        lambda room: framework.carve(role, room, shape),
        tuple(
            QuotaOf(
                name,
                node.guarantees,
                node.limits if name in binding else {},
                with_claims(name, added(node.reservations, node.unreserved_held), all_of_it=True),
                with_claims(name, node.consumed(), all_of_it=False),
            )
            for name, node in sorted(roles.quotas.items())
        ),
        budget.needed() if budget is not None else {},
        budget.unsatisfied(role) if budget is not None else {},
        frozenset((claim.framework, claim.role, claim.agent) for claim in claims),
    )
