"""The life of an offer: made, then answered, rescinded or stale."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from drf.errors import InputError, InvalidOption, StaleOffer
from drf.plugins import Grant, InverseOffer
from drf.resources import Resources, ResourceSpace
from drf.short import longest
from drf.snapshot import moment, packed, packed_shape, unpacked, unpacked_shape, whole


class Offer:
    """So much of one agent, for one framework in one role, until it is answered.

    ``tasks`` are the requested shapes it was cut for, with their numbers. ``expires`` is when it ends unanswered, None
    for never. Offers that were made together, for tasks that start together, have the id of the first as ``group``:
    declining one declines all of them, and where one ends unanswered all do.
    """

    __slots__ = ("agent", "expires", "framework", "group", "id", "resources", "role", "tasks")

    def __init__(self, number: int, grant: Grant, expires: float | None = None) -> None:
        self.id = number
        self.framework, self.role, self.agent, self.resources, self.tasks, self.group = grant
        self.expires = expires

    @property
    def max_duration(self) -> float | None:
        """Seconds that a task on it may run at most, None for no bound; O(objects)."""
        return longest(self.resources)

    def __repr__(self) -> str:
        return (
            f"Offer(id={self.id}, framework={self.framework!r}, role={self.role!r}, agent={self.agent!r}, "
            f"resources={str(self.resources)!r})"
        )


class Offers(Sequence[Offer]):
    """The offers of one run, in the order they were decided: columns, and records when asked for."""

    __slots__ = ("_grants", "_start", "expires")

    def __init__(
        self, start: int = 0, grants: Sequence[Grant] = (), expires: float | None = None
    ) -> None:
        self._start = start
        self._grants = grants
        self.expires = expires

    @property
    def ids(self) -> range:
        """Their ids."""
        return range(self._start, self._start + len(self._grants))

    @property
    def frameworks(self) -> list[str]:
        """Who is offered, one entry an offer."""
        return [grant.framework for grant in self._grants]

    @property
    def agents(self) -> list[str]:
        """On which agent, one entry an offer."""
        return [grant.agent for grant in self._grants]

    @property
    def amounts(self) -> list[Resources]:
        """How much, one entry an offer."""
        return [grant.resources for grant in self._grants]

    def __len__(self) -> int:
        return len(self._grants)

    @overload
    def __getitem__(self, index: int) -> Offer: ...
    @overload
    def __getitem__(self, index: slice) -> list[Offer]: ...
    def __getitem__(self, index: int | slice) -> Offer | list[Offer]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = self.ids[index]
        return Offer(number, self._grants[index], self.expires)

    def __iter__(self) -> Iterator[Offer]:
        for number, grant in zip(self.ids, self._grants, strict=True):
            yield Offer(number, grant, self.expires)

    def __repr__(self) -> str:
        return f"<{len(self)} offers>"


class Reclaim(NamedTuple):
    """A task that must end by the deadline (seconds of the caller's clock), and why: end it, then `release` it."""

    task: str
    framework: str
    role: str
    agent: str
    resources: Resources
    deadline: float
    reason: str


class Decisions:
    """What a run decided. Falsy if it decided nothing.

    ``offers`` are new; ``rescinds`` names the ids of offers that ended unanswered (they ran out, or their agent or
    framework is gone); ``inverse_offers`` ask frameworks to leave agents with planned maintenance;
    ``reclaims`` name tasks that must end: taken back, overdue after that, or longer than their duration.
    """

    __slots__ = ("inverse_offers", "offers", "reclaims", "rescinds")

    def __init__(
        self,
        offers: Offers,
        rescinds: tuple[int, ...] = (),
        inverse_offers: tuple[InverseOffer, ...] = (),
        reclaims: tuple[Reclaim, ...] = (),
    ) -> None:
        self.offers = offers
        self.rescinds = rescinds
        self.inverse_offers = inverse_offers
        self.reclaims = reclaims

    def __bool__(self) -> bool:
        return bool(self.offers or self.rescinds or self.inverse_offers or self.reclaims)

    def __repr__(self) -> str:
        shown = [f"offers={list(self.offers)}", f"rescinds={list(self.rescinds)}"]
        if self.inverse_offers:
            shown.append(f"inverse_offers={list(self.inverse_offers)}")
        return f"Decisions({', '.join(shown)})"


class OfferBook:
    """Offers that wait for an answer, by id, agent and framework."""

    def __init__(self) -> None:
        self._open: dict[int, Grant] = {}
        self._groups: dict[int, dict[int, None]] = {}  # group -> its open offers
        self._expiries: deque[tuple[float, range]] = deque()
        self._made = 0
        self._rescinded: list[int] = []

    def make(self, grants: Sequence[Grant], expires: float | None = None) -> Offers:
        """An offer of each grant; ids count up from 1; O(grants)."""
        if any(grant.group is not None for grant in grants):
            grants = self._grouped(grants)
        offers = Offers(self._made + 1, grants, expires)
        self._open.update(zip(offers.ids, grants, strict=True))
        self._made += len(grants)
        if expires is not None and grants:
            self._expiries.append((expires, offers.ids))
        return offers

    def _grouped(self, grants: Sequence[Grant]) -> list[Grant]:
        """Groups named by the id of their first offer, and noted."""
        out, firsts = [], dict[int, int]()
        for number, grant in enumerate(grants, self._made + 1):
            if grant.group is not None:
                first = firsts.setdefault(grant.group, number)
                grant = grant._replace(group=first)
                self._groups.setdefault(first, {})[number] = None
            out.append(grant)
        return out

    def together(self, number: int) -> list[tuple[int, Grant]]:
        """The open offer, with those that were made together with it and are open still; O(of them)."""
        group = self._open[number].group
        numbers = [number] if group is None else self._groups[group]
        return [(n, self._open[n]) for n in numbers]

    def expire(self, now: float) -> list[Grant]:
        """Take back what has ended unanswered by now; its grants; O(offers made together with them)."""
        gone: dict[int, Grant] = {}
        while self._expiries and self._expiries[0][0] <= now:
            for number in self._expiries.popleft()[1]:
                if number in self._open:
                    gone[number] = self._open[number]
        return self._end(gone)

    def next_expiry(self) -> float | None:
        """When the next open offer ends unanswered, None for never; O(1) on average."""
        while self._expiries and not any(n in self._open for n in self._expiries[0][1]):
            self._expiries.popleft()
        return self._expiries[0][0] if self._expiries else None

    def get(self, offer: Offer | int) -> tuple[int, Grant]:
        """The id and the grant of an open offer; O(1). Raises StaleOffer, InvalidOption."""
        number = offer.id if isinstance(offer, Offer) else offer
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidOption(f"{offer!r} is no offer; give an Offer or its id")
        grant = self._open.get(number)
        if grant is None:
            was = (
                "was answered or rescinded before" if 0 < number <= self._made else "was never made"
            )
            raise StaleOffer(f"offer {number} {was}; answer each offer of the last runs once")
        return number, grant

    def replace(self, number: int, resources: Resources) -> Offer:
        """The open offer is of something else now; O(open offers with an end)."""
        grant = self._open[number] = self._open[number]._replace(resources=resources)
        end = next((expires for expires, ids in self._expiries if number in ids), None)
        return Offer(number, grant, end)

    def close(self, number: int) -> None:
        """It was answered; O(1)."""
        group = self._open.pop(number).group
        if group is not None:
            del self._groups[group][number]
            if not self._groups[group]:
                del self._groups[group]

    def rescind(
        self, *, agent: str | None = None, framework: str | None = None, role: str | None = None
    ) -> list[Grant]:
        """Take back all open offers of an agent, or to a framework (in one role); their grants; O(open offers)."""
        gone = {
            number: grant
            for number, grant in self._open.items()
            if grant.agent == agent or (grant.framework == framework and role in (None, grant.role))
        }
        return self._end(gone)

    def withdraw(self, numbers: Sequence[int]) -> list[Grant]:
        """Take back these open offers; their grants; O(of them)."""
        return self._end({number: self._open[number] for number in numbers})

    def _end(self, gone: dict[int, Grant]) -> list[Grant]:
        if self._groups:
            gone = {n: grant for number in gone for n, grant in self.together(number)}
        for number in gone:
            self.close(number)
        self._rescinded.extend(gone)
        return list(gone.values())

    def rescinded(self) -> tuple[int, ...]:
        """Ids that were rescinded since the last call; O(of them)."""
        gone, self._rescinded = tuple(self._rescinded), []
        return gone

    def open(self) -> list[Offer]:
        """All open offers, oldest first; O(open offers)."""
        ends = {number: expires for expires, ids in self._expiries for number in ids}
        return [Offer(number, grant, ends.get(number)) for number, grant in self._open.items()]

    @property
    def made(self) -> int:
        """How many offers were made: the last id; O(1)."""
        return self._made

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(open offers)."""
        return {
            "open": [
                [
                    number,
                    grant.framework,
                    grant.role,
                    grant.agent,
                    packed(grant.resources),
                    [[packed_shape(task), count] for task, count in grant.tasks],
                    grant.group,
                ]
                for number, grant in self._open.items()
            ],
            "expiries": [[expires, ids.start, ids.stop] for expires, ids in self._expiries],
            "made": self._made,
            "rescinded": list(self._rescinded),
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back; O(open offers). Raises InputError."""
        self._made = whole(state["made"], "offers made")
        for number, framework, role, agent, given, tasks, group in state["open"]:
            if not 0 < whole(number, "an offer") <= self._made or number in self._open:
                raise InputError(f"offer {number} is there twice, or was never made")
            shapes = tuple(
                (unpacked_shape(task, space), whole(count, "tasks")) for task, count in tasks
            )
            amount = unpacked(given, space)
            self._open[number] = Grant(framework, role, agent, amount, shapes, group)
            if group is not None:
                self._groups.setdefault(whole(group, "a group of offers"), {})[number] = None
        for expires, start, stop in state["expiries"]:
            self._expiries.append((moment(expires, "the end of an offer"), range(start, stop)))
        self._rescinded = list(state["rescinded"])
