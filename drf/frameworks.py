"""What an allocator knows of a framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf.constraints import OfferConstraints
from drf.ledger import Agent
from drf.resources import Resources, ResourceSpace, Shape
from drf.short import lasting, parts
from drf.snapshot import packed, unpacked
from drf.tags import Tag

CAPABILITIES = frozenset(
    {
        "GPU_RESOURCES",
        "HIERARCHICAL_ROLE",
        "MULTI_ROLE",
        "PARTITION_AWARE",
        "REGION_AWARE",
        "RESERVATION_REFINEMENT",
        "REVOCABLE_RESOURCES",
        "SHARED_RESOURCES",
        "SHORT_TASKS",
        "TASK_KILLING_STATE",
    }
)

DEFAULT = CAPABILITIES - {"SHORT_TASKS"}
"""What a framework that names none is capable of, at most: that its tasks are short it has to say."""

_FLAGS = {
    "gpus": "GPU_RESOURCES",
    "regions": "REGION_AWARE",
    "revocable": "REVOCABLE_RESOURCES",
    "shared": "SHARED_RESOURCES",
    "refined": "RESERVATION_REFINEMENT",
    "short": "SHORT_TASKS",
}
"""Those that decide something."""

Minimums = Mapping[str, Sequence[Resources]]


class Framework:
    """One framework: its roles, those it suppressed, what it is capable of, what it takes as worth an offer."""

    __slots__ = (
        "active",
        "constraints",
        "gpus",
        "min_allocatable",
        "name",
        "refined",
        "regions",
        "revocable",
        "roles",
        "shared",
        "short",
        "suppressed",
        "takes_all",
    )

    gpus: bool
    regions: bool
    revocable: bool
    shared: bool
    refined: bool
    short: bool

    def __init__(self, name: str, active: bool) -> None:
        self.name = name
        self.active = active
        self.roles: tuple[str, ...] = ()
        self.suppressed: set[str] = set()
        self.describe(CAPABILITIES, None, None)

    def describe(
        self,
        capabilities: Iterable[str],
        min_allocatable: Minimums | None,
        constraints: OfferConstraints | None,
    ) -> None:
        """Replace what it is capable of, takes as worth an offer, and wants of agents."""
        known = frozenset(capabilities)
        for flag, capability in _FLAGS.items():
            setattr(self, flag, capability in known)
        self.takes_all = self.revocable and self.shared and self.refined and self.short
        self.min_allocatable = min_allocatable
        self.constraints = constraints or None

    def takes(self, tag: Tag) -> bool:
        """Whether it can use such an object."""
        return self._takes_kind(tag) and (self.short or tag.longest is None)

    def _takes_kind(self, tag: Tag) -> bool:
        return (
            (self.revocable or not tag.revocable)
            and (self.shared or not tag.shared)
            and (self.refined or len(tag.reservations) < 2)
        )

    def strip(self, amount: Resources) -> Resources:
        """Those of the objects that it can use; O(names)."""
        if amount.is_plain or self.takes_all:
            return amount
        return amount.split(lambda name, tag, scalar: self.takes(tag))

    def carve(self, role: str, room: Resources, shape: Shape) -> Resources | None:
        """What a task gets out of the room, None if it does not fit; O(objects log objects).

        From room for short tasks first, the shortest, if the task is one; there from reservations of its role first,
        then what is unreserved, and what is revocable last.
        """
        if room.is_plain:
            return shape.resources if shape.resources <= room else None
        for part in parts(room)[::-1]:
            bound = part.longest
            if bound is None or (shape.duration is not None and shape.duration <= bound):
                got = self._carve(role, part, shape.resources, bound)
                if got is not None:
                    return got
        return None

    def carve_many(
        self, role: str, room: Resources, shape: Shape, most: int
    ) -> list[tuple[Resources, int]]:
        """What tasks get out of the room, and for how many that is, up to the most; O(tasks x objects).

        One entry for each bound on their duration: such room is offered apart.
        """
        if room.is_plain and shape.resources == shape.resources.scalars:
            need = shape.resources.quantities()
            has = room.quantities()
            count = min([most, *(has.get(name, 0) // q for name, q in need.items())])
            return [(shape.resources * count, count)] if count else []
        out: dict[float | None, tuple[Resources, int]] = {}
        for _ in range(most):
            got = self.carve(role, room, shape)
            if got is None:
                break
            room = room - got
            bound = got.longest
            amount, count = out.get(bound, (Resources(space=room.space), 0))
            out[bound] = (amount + got, count + 1)
        return list(out.values())

    def _carve(
        self, role: str, room: Resources, amount: Resources, bound: float | None
    ) -> Resources | None:
        free = room.allocatable_to(role).split(
            lambda name, tag, scalar: self._takes_kind(tag) and not tag.shared and not tag.fixed
        )
        others = amount.minus(amount.scalars)
        if bound is not None:
            others = lasting(others, bound)
        if not others <= free:
            return None
        left = dict(amount.units)
        taken = []
        for item in sorted(free.objects(), key=lambda i: (not i.tag.reservations, i.tag.revocable)):
            want = left.get(item.name, 0)
            if isinstance(item.value, int) and want:
                got = min(item.value, want)
                left[item.name] = want - got
                taken.append(item._replace(value=got))
        if any(left.values()):
            return None
        return Resources.of_items(taken, space=free.space) + others

    def excludes(self, role: str, agent: Agent) -> bool:
        """Whether its constraints for the role keep the agent from it."""
        return self.constraints is not None and self.constraints.excludes(
            role, agent.attributes, hostname=agent.hostname, region=agent.region, zone=agent.zone
        )

    def listens(self, role: str) -> bool:
        """Whether it is asked when its turn in the role comes."""
        return self.active and role in self.roles and role not in self.suppressed

    def capabilities(self) -> list[str]:
        """Those of its capabilities that decide something; O(1)."""
        return [capability for flag, capability in _FLAGS.items() if getattr(self, flag)]

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(roles)."""
        own = self.min_allocatable
        return {
            "name": self.name,
            "active": self.active,
            "roles": list(self.roles),
            "suppressed": sorted(self.suppressed),
            "capabilities": self.capabilities(),
            "min_allocatable": None
            if own is None
            else [[role, [packed(least) for least in sets]] for role, sets in own.items()],
            "constraints": None if self.constraints is None else self.constraints.to_json(),
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back, but for name and active, with which it is made; O(roles)."""
        own, constraints = state["min_allocatable"], state["constraints"]
        self.describe(
            state["capabilities"],
            None
            if own is None
            else {role: tuple(unpacked(least, space) for least in sets) for role, sets in own},
            None if constraints is None else OfferConstraints.from_json(constraints),
        )
        self.roles, self.suppressed = tuple(state["roles"]), set(state["suppressed"])
