"""Who holds what on which agent: what is free, offered and held, and the sums that must agree.

Per agent and resource: total + deficit = free + offered + held, where a deficit exists only after the total shrank
below what was out.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from drf._backend import Places, Site, untracked
from drf.amounts import Amounts
from drf.errors import DuplicateName, InvariantBroken, Overcommit, UnknownName
from drf.resources import Resources, ResourceSpace
from drf.snapshot import mapped, packed, pairs, plain, rich, unpacked

Holder = tuple[str, str]
"""Framework and role."""


Attribute = tuple[str, object]
"""Name and value: text, a number, or ranges."""

EVERY_CAPABILITY = frozenset({"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"})

FEW = 64
"""So many new agents, or such a part of all, are put in their places together."""

NAME = attrgetter("name")


class Agent(Site):
    """One agent: its total, who has what of it, who refused it, and what is known about it.

    ``growth`` is renewed whenever something may fit that did not fit before: more is free, a refusal ended, attributes
    changed. ``unavailability`` is the start and duration of planned maintenance; ``asked`` are the frameworks with an
    inverse offer out, ``answers`` what they said last.
    """

    __slots__ = (
        "active",
        "answers",
        "asked",
        "attributes",
        "capabilities",
        "hostname",
        "region",
        "texts",
        "total",
        "unavailability",
        "zone",
    )

    def __init__(self, name: str, total: Resources) -> None:
        super().__init__(name, total)
        self.hostname = name
        self.attributes: tuple[Attribute, ...] = ()
        self.texts: dict[str, str] = {}
        self.capabilities = EVERY_CAPABILITY
        self.region: str | None = None
        self.zone: str | None = None
        self.give_total(total)
        self.active = True
        self.unavailability: tuple[float, float | None] | None = None
        self.asked: dict[str, None] = {}
        self.answers: dict[str, str] = {}

    def describe(self, attributes: Iterable[Attribute]) -> None:
        """Set the attributes; of several with one name, the first counts."""
        self.attributes = tuple(attributes)
        self.texts = {}
        for name, value in self.attributes:
            if isinstance(value, str):
                self.texts.setdefault(name, value)

    def serve(self, capabilities: Iterable[str]) -> None:
        """Set what it is capable of; one that cannot serve every role takes the long way."""
        self.capabilities = frozenset(capabilities)
        self.odd = not self.capabilities >= EVERY_CAPABILITY

    def locate(self, region: str | None, zone: str | None) -> None:
        """Set region and zone."""
        self.region, self.zone = region, zone
        self._guard()

    def give_total(self, total: Resources) -> None:
        """Set what it has."""
        self.total = total
        self._guard()

    def _guard(self) -> None:
        """Agents with gpus and of other regions are not for everybody."""
        self.guarded = self.region is not None or bool(self.total.quantity("gpus"))

    def serves(self, role: str) -> bool:
        """Whether it is capable of frameworks in such a role; O(length)."""
        return "MULTI_ROLE" in self.capabilities and (
            "/" not in role or "HIERARCHICAL_ROLE" in self.capabilities
        )

    def out(self) -> Resources:
        """All that is offered or held; O(holders)."""
        nothing = Resources(space=self.total.space)
        return sum((*self.offered.values(), *self.held.values()), nothing)

    def frameworks(self) -> list[str]:
        """Who has something there, offered or held, by name."""
        return sorted({framework for framework, _ in (*self.offered, *self.held)})

    def derived_free(self, out: Resources | None = None) -> Resources:
        """The total without what is out; shared objects are free however many copies are out."""
        left = self.total.minus(self.out() if out is None else out)
        return left if self.total.is_plain else left.minus(left.shared) + self.total.shared

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(holders)."""
        return {
            "name": self.name,
            "hostname": self.hostname,
            "total": packed(self.total),
            "free": packed(self.free),
            "offered": [[*holder, packed(there)] for holder, there in self.offered.items()],
            "held": [[*holder, packed(there)] for holder, there in self.held.items()],
            "attributes": [[name, plain(value)] for name, value in self.attributes],
            "capabilities": sorted(self.capabilities),
            "region": self.region,
            "zone": self.zone,
            "active": self.active,
            "unavailability": None if self.unavailability is None else list(self.unavailability),
            "asked": list(self.asked),
            "answers": pairs(self.answers),
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back; O(holders)."""
        self.hostname = state["hostname"]
        for name, where in (("offered", self.offered), ("held", self.held)):
            for framework, role, there in state[name]:
                where[framework, role] = unpacked(there, space)
        self.describe((name, rich(value)) for name, value in state["attributes"])
        self.serve(state["capabilities"])
        self.locate(state["region"], state["zone"])
        self.active = bool(state["active"])
        planned = state["unavailability"]
        self.unavailability = None if planned is None else (planned[0], planned[1])
        self.asked = dict.fromkeys(state["asked"])
        self.answers = mapped(state["answers"])


class Ledger:
    """Agents, and what is free, offered and held on each of them."""

    def __init__(self, amounts: Amounts | None = None) -> None:
        self.agents: dict[str, Agent] = {}
        self.amounts = amounts or Amounts()
        self._places: dict[str, Places] = {}  # framework -> agents on which it has something
        self.inactive = 0  # how many agents are
        self.planned: dict[Agent, None] = {}  # with planned maintenance
        self._born = 0
        self._ordered: list[Agent] = untracked()  # by name, but for those that came since
        self._came: list[Agent] = []

    def __getitem__(self, agent: str) -> Agent:
        found = self.agents.get(agent)
        if found is None:
            raise UnknownName("agent", agent, self.agents)
        return found

    def add(self, agent: str, total: Resources) -> Agent:
        """A new agent, all of it free; O(1). Raises DuplicateName."""
        if agent in self.agents:
            raise DuplicateName(
                f"agent {agent!r} is there already; update it, or choose another name"
            )
        self.agents[agent] = new = Agent(agent, self.amounts.same(total))
        new.even = total.is_plain
        self._born += 1
        new.growth = (
            self._born << 32
        )  # so that it is not that of an agent of this name which is gone
        self._came.append(new)
        if len(self._came) > max(FEW, len(self._ordered) // FEW):
            self._sort()
        return new

    def plan(self, record: Agent, unavailability: tuple[float, float | None] | None) -> None:
        """Note when maintenance is planned there, None for none; O(1)."""
        record.unavailability = unavailability
        if unavailability is None:
            self.planned.pop(record, None)
        else:
            self.planned[record] = None

    def by_name(self) -> list[Agent]:
        """All agents in order of their names, not to be changed; O(agents) after one came, else O(1)."""
        if self._came:
            self._sort()
        return self._ordered

    def _sort(self) -> None:
        if len(self._came) < FEW:
            for record in self._came:
                insort(self._ordered, record, key=NAME)
        else:
            self._ordered.extend(sorted(self._came, key=NAME))
            self._ordered.sort(key=NAME)
        self._came = []

    def grow(self, record: Agent) -> None:
        """Note that something may fit there now that did not fit before; O(1)."""
        record.growth += 1

    def _settle(self, record: Agent) -> None:
        out = record.out()
        record.even = record.total.is_plain and out <= record.total
        record.free = self.amounts.same(record.derived_free(out))
        self.grow(record)

    def free_with(self, record: Agent, amount: Resources) -> Resources:
        """What is free there when that much is free besides, where no more is out than there is; O(names)."""
        return self.amounts.plus(record.free, amount, like=record.total)

    def remove(self, agent: str) -> Agent:
        """Forget the agent and all that is out on it; O(holders). Raises UnknownName."""
        gone = self[agent]
        self.inactive -= not gone.active
        gone.gone = True
        self.planned.pop(gone, None)
        del self.agents[agent]
        if self._came:
            self._sort()
        del self._ordered[bisect_left(self._ordered, agent, key=NAME)]
        return gone

    def set_total(self, agent: str, total: Resources) -> None:
        """Replace the total, which may shrink below what is out; O(holders). Raises UnknownName."""
        record = self[agent]
        record.give_total(self.amounts.same(total))
        self._settle(record)

    def offer(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Free to offered; O(names). Raises UnknownName, Overcommit."""
        record = self[agent]
        if amount.is_plain:
            record.free = self.amounts.minus(record.free, amount)
        else:
            shared = amount.shared
            record.free = record.free - amount + shared if shared else record.free - amount
        old = record.offered.get(holder)
        record.offered[holder] = amount if old is None else old + amount
        self._place(holder[0], record)

    def restore(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Held, as somebody reports, whether it is free or not; O(holders)."""
        record = self[agent]
        old = record.held.get(holder)
        record.held[holder] = amount if old is None else old + amount
        self._place(holder[0], record)
        self._settle(record)

    def convert(
        self, holder: Holder, agent: str, old: Resources, new: Resources, total: Resources
    ) -> None:
        """A part of what is offered becomes something else, and the agent's total with it; O(holders)."""
        record = self[agent]
        self._take(record.offered, holder, agent, old, "was offered")
        if new:
            there = record.offered.get(holder)
            record.offered[holder] = new if there is None else there + new
        record.give_total(self.amounts.same(total))
        self._settle(record)

    def keep(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Offered to held; O(names). Raises UnknownName, Overcommit where less than that is offered."""
        record = self[agent]
        self._take(record.offered, holder, agent, amount, "was offered")
        old = record.held.get(holder)
        record.held[holder] = amount if old is None else self.amounts.plus(old, amount)
        if old is None and holder in record.offered:
            self._place(holder[0], record)

    def give_back(self, holder: Holder, agent: str, amount: Resources, *, held: bool) -> None:
        """Held or offered to free; O(holders). Raises UnknownName, Overcommit where less than that is there."""
        record = self[agent]
        self._take(
            record.held if held else record.offered,
            holder,
            agent,
            amount,
            "holds" if held else "was offered",
        )
        if record.even and amount.is_plain:
            record.free = self.free_with(record, amount)
            self.grow(record)
        else:
            self._settle(record)

    def places(self, framework: str) -> Places:
        """Where the framework has something, and perhaps had; O(1)."""
        found = self._places.get(framework)
        if found is None:
            found = self._places[framework] = Places(len(self._places))
        return found

    def _place(self, framework: str, record: Agent) -> None:
        places = self.places(framework)
        places.sites.append(record)
        if len(places.sites) > places.mark:
            self.tidy(framework)

    def tidy(self, framework: str) -> None:
        """Forget where the framework has nothing any more; O(places)."""
        self.places(framework).keep(framework)

    def _take(
        self,
        where: dict[Holder, Resources],
        holder: Holder,
        agent: str,
        amount: Resources,
        verb: str,
    ) -> None:
        there = where.get(holder)
        if there is None or not amount <= there:
            raise Overcommit(
                f"framework {holder[0]!r} {verb} {there or 'nothing'} on agent {agent!r} for role {holder[1]!r}, "
                f"not {amount}; give at most that"
            )
        left = self.amounts.minus(there, amount)
        if left:
            where[holder] = left
        else:
            del where[holder]

    def agents_of(self, framework: str) -> list[str]:
        """The agents on which the framework has something offered or held, by name; O(n log n) of its places."""
        if framework not in self._places:
            return []
        self.tidy(framework)
        return sorted({record.name for record in self._places[framework].sites})

    def forget(self, framework: str) -> None:
        """The framework is gone, and has nothing anywhere; O(1)."""
        self._places.pop(framework, None)

    def is_on(self, framework: str, agent: str) -> bool:
        """Whether the framework has something there, offered or held; O(holders there)."""
        return agent in self.agents and self.agents[agent].entries(framework) > 0

    def holdings(self, framework: str) -> Iterator[tuple[str, str, Resources, bool]]:
        """Agent, role, amount and whether it is held (else offered), of all the framework has."""
        for name in self.agents_of(framework):
            record = self.agents[name]
            for where, held in ((record.offered, False), (record.held, True)):
                for (owner, role), amount in where.items():
                    if owner == framework:
                        yield name, role, amount, held

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(agents x holders)."""
        return {
            "agents": [agent.state() for agent in self.agents.values()],
            "places": [
                [framework, there]
                for framework in sorted(self._places)
                if (there := self.agents_of(framework))
            ],
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back into an empty ledger; O(agents x holders)."""
        for its in state["agents"]:
            record = self.add(its["name"], unpacked(its["total"], space))
            record.load(its, space)
            self.plan(record, record.unavailability)
            self._settle(record)
            free = unpacked(its["free"], space)
            record.free = record.free if free == record.free else free
            self.inactive += not record.active
        for framework, agents in state["places"]:
            for record in map(self.__getitem__, agents):
                self.places(framework).sites += [record] * record.entries(framework)

    def check(self) -> None:
        """Re-derive every balance; O(agents x holders). Raises InvariantBroken."""
        places: dict[str, set[str]] = {}
        for name, record in self.agents.items():
            if record.free != record.derived_free():
                raise InvariantBroken(
                    f"agent {name!r}: {record.free} is free of {record.total} with {record.out()} out"
                )
            for holder, amount in (*record.offered.items(), *record.held.items()):
                if not amount:
                    raise InvariantBroken(f"agent {name!r}: an empty entry of {holder}")
                places.setdefault(holder[0], set()).add(name)
        noted = {framework: set(self.agents_of(framework)) for framework in self._places}
        for framework, there in self._places.items():
            if Counter(there.sites) != {r: n for r in there.sites if (n := r.entries(framework))}:
                raise InvariantBroken(f"agents of framework {framework!r} are noted too seldom")
        if {framework: there for framework, there in noted.items() if there} != places:
            raise InvariantBroken("the agents by framework are not those of the ledger")
        if [record.name for record in self.by_name()] != sorted(self.agents):
            raise InvariantBroken("the agents in order are not those of the ledger")
