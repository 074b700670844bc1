"""What scenarios drive beside an allocator: sorters, the weighted shuffle, the role tree, constraints.

Each driver has a method ``do_...`` for each operation, which raises where the subject does, and one ``see_...`` for
each kind of expectation, which returns what was expected and what is so, in the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drf import roles
from drf._random import SplitMix64
from drf.constraints import OfferConstraints
from drf.policies.lottery import weighted_shuffle
from drf.resources import Resources
from drf.sorter import Sorter

LEAST_RUNS = 10_000
"""Draws behind a table of probabilities, whatever the scenario asks for: its two decimals need them."""


class Seen(NamedTuple):
    """What was expected and what is so, to be equal; numbers within the tolerance."""

    expected: Any
    got: Any
    tolerance: float = 1e-9


class Driver:
    """Dispatches operations and expectations by name."""

    def do(self, op: str, args: Mapping[str, Any]) -> None:
        """Carry the operation out; raises what the subject raises."""
        getattr(self, f"do_{op}")(**args)

    def see(self, kind: str, args: Mapping[str, Any]) -> Seen:
        """Look at what the expectation is about."""
        seen = getattr(self, f"see_{kind}")(**args)
        assert isinstance(seen, Seen)
        return seen


class _Frequencies:
    """How often each item landed at each position."""

    def __init__(self) -> None:
        self._runs: list[Sequence[str]] = []

    def draw(self, runs: int, shuffled: Any) -> None:
        self._runs = [shuffled() for _ in range(max(runs, LEAST_RUNS))]

    def see(self, rows: list[str], matrix: list[list[float]], tolerance: float) -> Seen:
        landed = {row: [0] * len(rows) for row in rows}
        for run in self._runs:
            for position, item in enumerate(run):
                landed[item][position] += 1
        got = [[count / len(self._runs) for count in landed[row]] for row in rows]
        return Seen(matrix, got, tolerance)


class SorterDriver(Driver):
    """Clients in a policy's order."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._frequencies = _Frequencies()

    def do_add(self, client: str) -> None:
        self._sorter.add(client, active=False)

    def do_remove(self, client: str) -> None:
        self._sorter.remove(client)

    def do_activate(self, client: str) -> None:
        self._sorter.activate(client)

    def do_deactivate(self, client: str) -> None:
        self._sorter.deactivate(client)

    def do_update_weight(self, path: str, weight: float) -> None:
        self._sorter.weigh_path(path, weight)

    def do_allocated(self, client: str, agent: str, resources: Resources) -> None:
        self._sorter.allocated(client, resources, agent=agent)

    def do_unallocated(self, client: str, agent: str, resources: Resources) -> None:
        self._sorter.unallocated(client, resources, agent=agent)

    def do_update(self, client: str, agent: str, old: Resources, new: Resources) -> None:
        self._sorter.update(client, old, new, agent=agent)

    def do_add_agent(self, agent: str, total: Resources) -> None:
        self._sorter.add_agent(agent, total)

    def do_remove_agent(self, agent: str) -> None:
        self._sorter.remove_agent(agent)

    def do_sort_many(self, runs: int) -> None:
        self._frequencies.draw(runs, self._sorter.sort)

    def do_noop(self) -> None:
        """Nothing: an anchor for an expectation."""

    def see_sort(self, clients: list[str]) -> Seen:
        return Seen(clients, list(self._sorter.sort()))

    def see_sort_set(self, clients: list[str]) -> Seen:
        return Seen(sorted(clients), sorted(self._sorter.sort()))

    def see_contains(self, clients: dict[str, bool]) -> Seen:
        return Seen(clients, {client: client in self._sorter for client in clients})

    def see_count(self, value: int) -> Seen:
        return Seen(value, len(self._sorter))

    def see_allocation_count(self, counts: dict[str, int]) -> Seen:
        return Seen(counts, {client: self._sorter.grants(client) for client in counts})

    def see_share(self, shares: dict[str, float]) -> Seen:
        return Seen(shares, {client: self._sorter.share(client) for client in shares})

    def see_allocation(self, allocation: dict[str, dict[str, Resources]]) -> Seen:
        got = {
            client: {
                agent: self._sorter.held(client, agent=agent)
                for agent in self._sorter.agents_of(client)
            }
            for client in allocation
        }
        return Seen(allocation, got)

    def see_allocation_scalars(self, clients: dict[str, Resources], total: Resources) -> Seen:
        held = {client: self._sorter.held(client) for client in self._sorter.clients()}
        return Seen(
            {"clients": clients, "total": total},
            {
                "clients": {client: held[client] for client in clients if client in held},
                "total": sum(held.values(), Resources(space=self._sorter.space)),
            },
        )

    def see_probabilities(
        self, rows: list[str], matrix: list[list[float]], tolerance: float
    ) -> Seen:
        return self._frequencies.see(rows, matrix, tolerance)


class ShuffleDriver(Driver):
    """A weighted shuffle."""

    def __init__(self, seed: int) -> None:
        self._random = SplitMix64(seed)
        self._frequencies = _Frequencies()

    def do_weighted_shuffle(self, items: list[str], weights: list[float], runs: int) -> None:
        self._frequencies.draw(runs, lambda: weighted_shuffle(items, weights, self._random))

    def see_probabilities(
        self, rows: list[str], matrix: list[list[float]], tolerance: float
    ) -> Seen:
        return self._frequencies.see(rows, matrix, tolerance)


class RoleTreeDriver(Driver):
    """The tree of roles."""

    def __init__(self) -> None:
        self._tree = roles.RoleTree()

    def do_update_weight(self, role: str, weight: float) -> None:
        self._tree.set_weight(role, weight)

    def do_update_quota(
        self, role: str, guarantees: Resources, limits: Mapping[str, float]
    ) -> None:
        self._tree.set_quota(role, guarantees, limits)

    def do_track_reservations(self, resources: Resources) -> None:
        self._tree.track_reservations("agent", resources)

    def do_untrack_reservations(self, resources: Resources) -> None:
        self._tree.untrack_reservations("agent", resources)

    def do_track_framework(self, framework: str, role: str) -> None:
        self._tree.track_framework(framework, role)

    def do_untrack_framework(self, framework: str, role: str) -> None:
        self._tree.untrack_framework(framework, role)

    def see_roles(self, known: dict[str, dict[str, Any]], absent: Sequence[str] = ()) -> Seen:
        expected: dict[str, Any] = {
            role: {
                key: dict(value.quantities()) if key == "reservations" else value
                for key, value in facts.items()
            }
            for role, facts in known.items()
        }
        got: dict[str, Any] = {}
        for role in [*known, *absent]:
            node = self._tree.get(role)
            if node is None:
                got[role] = None
                continue
            facts = {
                "weight": node.weight,
                "quota_default": node.quota_default,
                "reservations": {name: units for name, units in node.reservations.items() if units},
                "frameworks": len(node.frameworks),
            }
            got[role] = {key: facts[key] for key in known.get(role, facts)}
        return Seen(expected | dict.fromkeys(absent), got)


class ConstraintsDriver(Driver):
    """Offer constraints, alone."""

    def __init__(self) -> None:
        self._constraints = OfferConstraints()

    def do_create_filter(self, role_constraints: Any) -> None:
        self._constraints = OfferConstraints(role_constraints)

    def see_excluded(
        self,
        role: str,
        attributes: list[tuple[str, Any]],
        value: bool,
        hostname: str = "",
        region: str | None = None,
        zone: str | None = None,
    ) -> Seen:
        got = self._constraints.excludes(
            role, attributes, hostname=hostname, region=region, zone=zone
        )
        return Seen(value, got)
