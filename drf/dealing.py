"""Whole agents dealt out in one go by the kernel: who the clients are, and what the kernel asks back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from drf._backend import Client, Dealer, Offer, Vector, records, untracked
from drf.columns import Columns
from drf.ledger import Agent, Ledger
from drf.plugins import Grant
from drf.resources import Resources
from drf.roles import RoleTree
from drf.sorter import Sorter

NOTHING, PLAIN, MIXED = range(3)
"""What `Dealing.survey` finds free."""


class Dealing(Dealer):
    """Frameworks in their roles as clients of the kernel, which deals plain agents out to them.

    Ledger and role tree are those that offers are entered into; ``worth`` says whether an amount is worth an offer to
    one who said nothing else.
    """

    def __init__(
        self,
        ledger: Ledger | None = None,
        worth: Callable[[Resources], bool] | None = None,
    ) -> None:
        super().__init__()
        self.columns = Columns(worth)
        self.owner = self.columns
        self.ledger = ledger or Ledger()
        self.nothing = self.ledger.amounts.nothing
        self.tree = RoleTree(self.columns)
        self.quotas = self.tree.board
        self.total = self.nothing
        self._of: dict[str, dict[str, Client]] = {}
        self._unused: list[int] = []
        self._willing: Callable[[Client, Agent, Resources], bool] | None = None
        self._ended: Callable[[Client, Agent], None] | None = None

    def judge(
        self,
        willing: Callable[[Client, Agent, Resources], bool],
        ended: Callable[[Client, Agent], None],
    ) -> None:
        """Who says, on second thought, whether a client takes so much of an agent.

        And who hears that it was offered one that it refused.
        """
        self._willing, self._ended = willing, ended

    # -- clients

    def client(self, framework: str, role: str) -> Client:
        """The framework in the role, known from now on; O(1)."""
        mine = self._of.get(framework)
        found = None if mine is None else mine.get(role)
        if found is None:
            mine = self._of.setdefault(framework, {})
            index = self._unused.pop() if self._unused else len(self.clients)
            found = mine[role] = Client(str.__str__(framework), str.__str__(role), index)
            found.places = self.ledger.places(framework)
            if index == len(self.clients):
                self.clients.append(found)
            else:
                self.clients[index] = found
            self.picky += 1
        return found

    def known(self, framework: str) -> list[Client]:
        """The framework in all roles that it ever was in; O(roles)."""
        return list(self._of.get(framework, {}).values())

    def drop(self, framework: str) -> None:
        """The framework is gone, and refuses nothing any more; O(roles)."""
        for client in self._of.pop(framework, {}).values():
            self.set_simple(client, True)  # it is counted among the picky ones no more
            self.clients[client.index] = None
            self._unused.append(client.index)
        self.ledger.forget(framework)

    def set_simple(self, client: Client, simple: bool) -> None:
        """Whether it takes any agent that is worth an offer; O(1)."""
        if client.simple != simple:
            client.simple = simple
            self.picky += -1 if simple else 1

    def attach(self, role: str, sorter: Sorter | None) -> None:
        """The order of the role's frameworks, None for none; O(1)."""
        if sorter is not None:
            sorter.account = self.tree.account(role)
            self.quotas.loosened += 1
        if not self.roles._nested:
            self.roles._attach(role, sorter)

    def enter(self, framework: str, role: str, sorter: Sorter, active: bool) -> None:
        """The framework has its place in that order now; O(1)."""
        client = self.client(framework, role)
        client.order = sorter
        client.account = self.tree.account(role)
        sorter._attach(framework, client)
        self.set_listed(client, active)

    def leave(self, framework: str, role: str) -> None:
        """It has not any more; O(1)."""
        client = self.client(framework, role)
        self.set_listed(client, False)
        client.order = None

    def recount(self, holders: Iterable[tuple[str, str]]) -> None:
        """All offers of the run are those, one a framework and role, in place of those that were dealt; O(offers)."""
        for client in self.fresh:
            client.got = 0
        self.fresh.clear()
        for framework, role in holders:
            self.count(self.client(framework, role))

    def by_column(self, quantities: Mapping[str, int] | None) -> list[int] | None:
        """Amounts in all columns, None as it is; O(columns)."""
        if quantities is None:
            return None
        return [quantities.get(name, 0) for name in self.columns.of]

    def by_name(self, units: Sequence[int]) -> dict[str, int]:
        """The same amounts by name, those that there are; O(columns)."""
        return {name: q for name, q in zip(self.columns.of, units, strict=False) if q}

    def update(self, sorter: Any) -> None:
        """Let an order see the last totals; O(names)."""
        if sorter._seen == self.version:
            return
        if sorter.is_follower:
            self.catch_up(sorter)
        else:
            sorter._seen = self.version
            sorter.set_total(self.total)

    # -- what the kernel asks

    def _face(self, amount: Resources) -> Vector:
        return self.columns.vector(amount)

    def _takes(self, client: Client, site: Any, part: Resources) -> bool:
        assert self._willing is not None
        return self._willing(client, site, part)

    def _cut(self, amount: Resources, units: tuple[int, ...]) -> tuple[Resources, Resources]:
        columns = self.columns.of
        kept = {name: units[columns[name]] for name in amount.quantities()}
        part = Resources.from_units({n: q for n, q in kept.items() if q}, space=amount.space)
        part = self.ledger.amounts.same(part + amount.minus(amount.scalars))
        return part, self.ledger.amounts.minus(amount, part)

    def _sum(self, site: Any, amount: Resources) -> Resources:
        return self.ledger.free_with(site, amount)

    def _crowded(self, client: Client) -> None:
        self.ledger.tidy(client.framework)

    def _outdated(self, client: Client) -> None:
        refused = client.refused
        if 2 * client.refusals < len(refused.sites):
            there = dict.fromkeys(refused.sites)
            refused.sites = untracked()
            refused.sites.extend(s for s in there if s.is_refused(client.index))
        refused.mark = 2 * len(refused.sites) + 256

    def _passed(self, client: Client, site: Any) -> None:
        assert self._ended is not None
        self._ended(client, site)

    def _meet(self, floor: Resources, what: Resources) -> Resources:
        if floor <= what:
            return floor
        if what <= floor:
            return what
        return self.ledger.amounts.same(floor.minus(floor.minus(what)))


class Dealt(Sequence[Grant]):
    """What was dealt, in columns; a `Grant` is made when it is asked for."""

    __slots__ = ("amounts", "clients", "columns", "sites")

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.sites: list[Agent] = untracked()
        self.amounts: list[Resources] = untracked()
        self.columns = self.clients, self.sites, self.amounts

    def __len__(self) -> int:
        return len(self.clients)

    def records(self, start: int, expires: float | None) -> list[Offer]:
        """As offers, numbered from ``start`` on; O(offers)."""
        return records(start, self.clients, self.sites, self.amounts, expires)

    @overload
    def __getitem__(self, index: int) -> Grant: ...
    @overload
    def __getitem__(self, index: slice) -> list[Grant]: ...
    def __getitem__(self, index: int | slice) -> Grant | list[Grant]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        client = self.clients[index]
        fields = (client.framework, client.role, self.sites[index].name, self.amounts[index])
        return Grant._make((*fields, (), None))

    def __iter__(self) -> Iterator[Grant]:
        for client, site, amount in zip(self.clients, self.sites, self.amounts, strict=True):
            yield Grant(client.framework, client.role, site.name, amount)
