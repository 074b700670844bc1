"""The life of an offer: made, then answered, rescinded or stale."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from drf._backend import Offer as Offer
from drf.dealing import Dealt
from drf.errors import InputError, InvalidOption, StaleOffer
from drf.plugins import Grant, InverseOffer
from drf.resources import Resources, ResourceSpace
from drf.snapshot import moment, packed, packed_shape, unpacked, unpacked_shape, whole


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
        """Who is offered, one entry an offer; O(offers)."""
        if isinstance(self._grants, Dealt):
            return [client.framework for client in self._grants.clients]
        return [grant.framework for grant in self._grants]

    @property
    def agents(self) -> list[str]:
        """On which agent, one entry an offer; O(offers)."""
        if isinstance(self._grants, Dealt):
            return [site.name for site in self._grants.sites]
        return [grant.agent for grant in self._grants]

    @property
    def amounts(self) -> list[Resources]:
        """How much, one entry an offer; O(offers)."""
        if isinstance(self._grants, Dealt):
            return list(self._grants.amounts)
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
        return _offer(self.ids[index], self._grants[index], self.expires)

    def __iter__(self) -> Iterator[Offer]:
        if isinstance(self._grants, Dealt):
            return iter(self._grants.records(self._start, self.expires))
        return (
            _offer(number, grant, self.expires)
            for number, grant in zip(self.ids, self._grants, strict=True)
        )

    def __repr__(self) -> str:
        return f"<{len(self)} offers>"


def _offer(number: int, grant: Grant, expires: float | None) -> Offer:
    return Offer(number, *grant, expires)


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


class Block:
    """The offers of one run in the book: those that were answered or rescinded are gone."""

    __slots__ = ("changed", "expires", "gone", "grants", "left", "start")

    def __init__(self, start: int, grants: Sequence[Grant], expires: float | None) -> None:
        self.start = start
        self.grants = grants
        self.expires = expires
        self.gone = bytearray(len(grants))
        self.left = len(grants)
        self.changed: dict[int, Grant] = {}

    def grant(self, number: int) -> Grant:
        """What the open offer is of; O(1)."""
        return self.changed.get(number) or self.grants[number - self.start]

    def is_untouched(self, ids: range) -> bool:
        """Whether all of its offers are open as they were made, and these are their numbers; O(1)."""
        return (
            self.start == ids.start and self.left == len(self.gone) == len(ids) and not self.changed
        )

    def open(self) -> Iterator[int]:
        """The numbers of the open offers, oldest first; O(offers)."""
        return (self.start + i for i, gone in enumerate(self.gone) if not gone)


class OfferBook:
    """Offers that wait for an answer: those of a run stay together as long as one of them is open."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []  # by their first number, none of them without open offers
        self._groups: dict[int, dict[int, None]] = {}  # group -> its open offers
        self._made = 0
        self._rescinded: list[int] = []

    def make(self, grants: Sequence[Grant], expires: float | None = None) -> Offers:
        """An offer of each grant; ids count up from 1; O(1), or O(grants) where some start together."""
        if not isinstance(grants, Dealt) and any(grant.group is not None for grant in grants):
            grants = self._grouped(grants)
        offers = Offers(self._made + 1, grants, expires)
        if grants:
            self._blocks.append(Block(self._made + 1, grants, expires))
        self._made += len(grants)
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

    def _place(self, number: int) -> int:
        """Which block has that number, if it is open; -1 for none; O(log runs)."""
        at = len(self._blocks) - 1
        if at >= 0 and number < self._blocks[at].start:  # most are of the last run
            at = bisect_right(self._blocks, number, key=_start) - 1
        if at < 0:
            return -1
        block = self._blocks[at]
        i = number - block.start
        return -1 if i >= len(block.gone) or block.gone[i] else at

    def _grant(self, number: int) -> Grant:
        return self._blocks[self._place(number)].grant(number)

    def together(self, number: int, grant: Grant) -> list[tuple[int, Grant]]:
        """The open offer, with those that were made together with it and are open still; O(of them)."""
        if grant.group is None:
            return [(number, grant)]
        return [(n, self._grant(n)) for n in self._groups[grant.group]]

    def expire(self, now: float) -> list[Grant]:
        """Take back what has ended unanswered by now; its grants; O(runs + offers made together with them)."""
        gone: dict[int, Grant] = {}
        for block in self._blocks:
            if block.expires is not None and block.expires <= now:
                gone.update((number, block.grant(number)) for number in block.open())
        return self._end(gone)

    def next_expiry(self) -> float | None:
        """When the next open offer ends unanswered, None for never; O(runs with open offers)."""
        ends = (block.expires for block in self._blocks if block.expires is not None)
        return min(ends, default=None)

    def get(self, offer: Offer | int) -> tuple[int, Grant]:
        """The id and the grant of an open offer; O(log runs). Raises StaleOffer, InvalidOption."""
        number, block = self._find(offer)
        return number, block.grant(number)

    def _find(self, offer: Offer | int) -> tuple[int, Block]:
        number = offer.id if isinstance(offer, Offer) else offer
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidOption(f"{offer!r} is no offer; give an Offer or its id")
        at = self._place(number)
        if at < 0:
            was = (
                "was answered or rescinded before" if 0 < number <= self._made else "was never made"
            )
            raise StaleOffer(f"offer {number} {was}; answer each offer of the last runs once")
        return number, self._blocks[at]

    def parts(self, offers: Iterable[Offer | int]) -> list[tuple[Block, Sequence[int]]]:
        """Open offers, and those made together with them, by their blocks: which of each; O(offers).

        Raises StaleOffer, also for one that is named twice, InvalidOption.
        """
        if isinstance(offers, Offers) and len(offers):
            at = self._place(offers.ids[0])
            if at >= 0 and not self._groups and self._blocks[at].is_untouched(offers.ids):
                return [(self._blocks[at], range(len(offers)))]
        if not self._groups and isinstance(offers, tuple) and len(offers) == 1:
            number, block = self._find(offers[0])
            return [(block, (number - block.start,))]
        out: dict[int, tuple[Block, list[int]]] = {}
        named: set[int] = set()
        seen: set[int] = set()
        for offer in offers:
            number, block = self._find(offer)
            if number in named:
                raise StaleOffer(f"offer {number} is named twice; answer each offer once")
            named.add(number)
            for each, _ in self.together(number, block.grant(number)):
                if each not in seen:
                    seen.add(each)
                    block = self._blocks[self._place(each)]
                    out.setdefault(block.start, (block, []))[1].append(each - block.start)
        return list(out.values())

    def close_many(self, block: Block, which: Sequence[int]) -> None:
        """These of the block were answered; O(of them + log runs)."""
        for i in which if self._groups else ():
            if (group := block.grant(block.start + i).group) is not None:
                del self._groups[group][block.start + i]
                if not self._groups[group]:
                    del self._groups[group]
        block.left -= len(which)
        if block.left:
            for i in which:
                block.gone[i] = 1
        else:
            del self._blocks[bisect_left(self._blocks, block.start, key=_start)]

    def replace(self, number: int, resources: Resources) -> Offer:
        """The open offer is of something else now; O(log runs)."""
        block = self._blocks[self._place(number)]
        grant = block.changed[number] = block.grant(number)._replace(resources=resources)
        return _offer(number, grant, block.expires)

    def close(self, number: int) -> None:
        """It was answered; O(log runs)."""
        block = self._blocks[self._place(number)]
        self.close_many(block, (number - block.start,))

    def rescind(
        self, *, agent: str | None = None, framework: str | None = None, role: str | None = None
    ) -> list[Grant]:
        """Take back all open offers of an agent, or to a framework (in one role); their grants; O(open offers)."""
        return self._end(
            {
                number: grant
                for number, grant in self._all()
                if grant.agent == agent
                or (grant.framework == framework and role in (None, grant.role))
            }
        )

    def withdraw(self, numbers: Sequence[int]) -> list[Grant]:
        """Take back these open offers; their grants; O(of them)."""
        return self._end({number: self._grant(number) for number in numbers})

    def _all(self) -> Iterator[tuple[int, Grant]]:
        return ((n, block.grant(n)) for block in self._blocks for n in block.open())

    def _end(self, gone: dict[int, Grant]) -> list[Grant]:
        if self._groups:
            gone = {n: grant for one in gone for n, grant in self.together(one, gone[one])}
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
        return [
            _offer(number, block.grant(number), block.expires)
            for block in self._blocks
            for number in block.open()
        ]

    @property
    def made(self) -> int:
        """How many offers were made: the last id; O(1)."""
        return self._made

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(open offers)."""
        return {
            "open": [
                [
                    offer.id,
                    offer.framework,
                    offer.role,
                    offer.agent,
                    packed(offer.resources),
                    [[packed_shape(task), count] for task, count in offer.tasks],
                    offer.group,
                    offer.expires,
                ]
                for offer in self.open()
            ],
            "made": self._made,
            "rescinded": list(self._rescinded),
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back; O(open offers). Raises InputError."""
        self._made = whole(state["made"], "offers made")
        before = 0
        for number, framework, role, agent, given, tasks, group, expires in state["open"]:
            if not before < whole(number, "an offer") <= self._made:
                raise InputError(f"offer {number} is there twice, or was never made")
            shapes = tuple(
                (unpacked_shape(task, space), whole(count, "tasks")) for task, count in tasks
            )
            grant = Grant(framework, role, agent, unpacked(given, space), shapes, group)
            end = None if expires is None else moment(expires, "the end of an offer")
            self._blocks.append(Block(number, [grant], end))
            if group is not None:
                self._groups.setdefault(whole(group, "a group of offers"), {})[number] = None
            before = number
        self._rescinded = list(state["rescinded"])


def _start(block: Block) -> int:
    return block.start
