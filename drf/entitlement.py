"""What a framework would get with unlimited demand, the pool divided anew.

Everybody else wants what it has (offers included) and has asked for, this framework wants tasks of one shape without
end. The pool is divided by progressive filling in the allocator's own policy, over the same tree of roles with the same
weights and quota: guarantees first, then fair shares up to limits. It is filled in chunks of a part of the cluster
each, as if it were one machine; tasks are divisible, ranges and sets do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drf.frameworks import Framework
from drf.ledger import Agent
from drf.quota import Budget
from drf.ranking import Ranking
from drf.resources import Resources
from drf.roles import Quantities, RoleTree, add_to, less, line_of, owned
from drf.tags import is_allocatable_to

CHUNKS = 1000
"""As many chunks make the whole cluster: a chunk is a dominant share of 0.001, or one unit where that is more."""

Client = tuple[str, str]
"""Framework and role."""


@dataclass
class Want:
    """So much is wanted, in so many chunks of its own proportions, since then; ``endless``: and on and on."""

    units: Quantities
    parts: float
    endless: bool
    since: float | None
    done: int = 0

    @property
    def served(self) -> bool:
        """Whether all of it was given."""
        return not self.endless and self.done >= self.parts

    def chunk(self) -> Quantities:
        """The next chunk; O(names)."""
        before, after = self._level(self.done), self._level(self.done + 1)
        return {n: more for n in self.units if (more := after[n] - before[n])}

    def _level(self, done: int) -> dict[str, int]:
        if not self.endless and done >= self.parts:
            return dict(self.units)
        return {name: int(done * q / self.parts) for name, q in self.units.items()}


def want(
    total: Quantities, units: Quantities, *, endless: bool = False, since: float | None = None
) -> Want:
    """A demand, cut into chunks; O(names)."""
    share = max((q / total[n] for n, q in units.items() if total.get(n)), default=0.0)
    parts = min(share * CHUNKS, float(max(units.values()))) or 1.0
    return Want(units, parts if endless else max(parts, 1.0), endless, since)


class Pool:
    """What there is to divide: unreserved, and by the role that it is reserved to."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self.free: dict[str | None, dict[str, int]] = {None: {}}
        for agent in agents:
            for owner, units in by_owner(agent.total):
                add_to(self.free.setdefault(owner, {}), units, 1)

    def take(self, role: str, units: Quantities) -> Quantities | None:
        """Take so much for the role, its reservations first; what of it was unreserved, None if it does not fit."""
        owners: list[str | None] = [o for o in (*line_of(role), None) if o in self.free]
        left = dict(units)
        taken: list[tuple[dict[str, int], dict[str, int]]] = []
        for owner in owners:
            there = self.free[owner]
            got = {n: min(q, there[n]) for n, q in left.items() if n in there}
            left = less(left, got)
            taken.append((there, got))
        if left:
            return None
        for there, got in taken:
            add_to(there, got, -1)
        return {n: q for n, q in taken[-1][1].items() if q}


def by_owner(amount: Resources) -> Iterator[tuple[str | None, Quantities]]:
    """The scalars of an amount by the role that they are reserved to, None for none; shared ones once; O(objects)."""
    for owner in {item.tag.owner: None for item in amount.objects()}:
        yield owner, amount.split(owned(owner)).quantities()


def fill(
    ranking: Ranking,
    pool: Pool,
    budget: Budget | None,
    wants: Mapping[Client, list[Want]],
    one: Client,
    reach: dict[str, int],
) -> dict[str, int]:
    """Divide the pool among all that want something; what the one gets; O(chunks log clients).

    The ranking knows all clients and nothing of what they hold; ``reach`` is what agents that may be offered to the one
    have.
    """
    got: dict[str, int] = {}
    for lacking in (True, False):
        if lacking and (budget is None or not budget.guaranteed):
            continue
        for client in wants:
            ranking.set_active(*client, True)
            ranking.roles.activate(client[1])
        while (turn := ranking.roles.next()) is not None:
            first = ranking.frameworks(turn).next()
            if first is None:
                ranking.roles.deactivate(turn)
                continue
            client = framework, role = first, turn
            queue = wants[client]
            chunk = queue[0].chunk() if queue else {}
            mine = client == one
            fits = (
                bool(chunk)
                and not (mine and less(chunk, reach))
                and (budget is None or budget.allows(role, chunk, lacking=lacking))
            )
            unreserved = pool.take(role, chunk) if fits else None
            if unreserved is None:
                ranking.set_active(framework, role, False)
                continue
            ranking.allocated(framework, role, "", Resources.from_units(chunk, space=ranking.space))
            if budget is not None:
                budget.take(role, unreserved, lacking=lacking)
            if mine:
                add_to(reach, chunk, -1)
                add_to(got, chunk, 1)
            queue[0].done += 1
            if queue[0].served:
                del queue[0]
                if queue:
                    ranking.waiting(framework, role, queue[0].since)
    return got


def reachable(record: Framework, role: str, agents: Iterable[Agent]) -> dict[str, int]:
    """What agents have that constraints and capabilities leave to the framework in the role; O(agents)."""
    out: dict[str, int] = {}
    for agent in agents:
        if agent.serves(role) and not record.excludes(role, agent):
            usable = record.strip(agent.total)
            fit = usable.split(lambda n, tag, scalar: scalar and is_allocatable_to(tag.owner, role))
            add_to(out, fit.quantities(), 1)
    return out


def equal_part(role: str, roles: Iterable[str], tree: RoleTree, frameworks: int) -> float:
    """The role's part of the whole by weights among siblings, down its path, divided by its frameworks.

    O(roles x depth). A role that is also above others competes with them as a leaf of weight 1.
    """
    present = set(roles)
    nodes = {up for r in present for up in line_of(r)}
    part = 1.0
    for name in line_of(role):
        above = name.rpartition("/")[0]
        siblings = [n for n in nodes if n.rpartition("/")[0] == above]
        weights = {n: tree.weight(n) for n in siblings}
        total = sum(weights[n] for n in sorted(weights))
        if above in present:
            total += 1.0
        part *= weights[name] / total
        if name == role and any(n.startswith(f"{role}/") for n in nodes):
            below = [n for n in nodes if n.rpartition("/")[0] == role]
            part /= 1.0 + sum(tree.weight(n) for n in sorted(below))
    return part / frameworks
