"""Who holds what on which agent: what is free, offered and held, and the sums that must agree.

Per agent and resource: total + deficit = free + offered + held, where a deficit exists only after the total shrank
below what was out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drf.errors import DuplicateName, InvariantBroken, Overcommit, UnknownName
from drf.resources import Resources, ResourceSpace
from drf.snapshot import mapped, packed, pairs, plain, rich, unpacked

Holder = tuple[str, str]
"""Framework and role."""


Attribute = tuple[str, object]
"""Name and value: text, a number, or ranges."""

EVERY_CAPABILITY = frozenset({"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"})


class Agent:
    """One agent: its total, who has what of it, and what is known about it.

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
        "free",
        "growth",
        "held",
        "hostname",
        "name",
        "offered",
        "region",
        "texts",
        "total",
        "unavailability",
        "zone",
    )

    def __init__(self, name: str, total: Resources) -> None:
        self.name = self.hostname = name
        self.total = total
        self.attributes: tuple[Attribute, ...] = ()
        self.texts: dict[str, str] = {}
        self.capabilities = EVERY_CAPABILITY
        self.region: str | None = None
        self.zone: str | None = None
        self.active = True
        self.free = total
        self.offered: dict[Holder, Resources] = {}
        self.held: dict[Holder, Resources] = {}
        self.growth = 0
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

    def derived_free(self) -> Resources:
        """The total without what is out; shared objects are free however many copies are out."""
        left = self.total.minus(self.out())
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
        self.free = unpacked(state["free"], space)
        for name, where in (("offered", self.offered), ("held", self.held)):
            for framework, role, there in state[name]:
                where[framework, role] = unpacked(there, space)
        self.describe((name, rich(value)) for name, value in state["attributes"])
        self.capabilities = frozenset(state["capabilities"])
        self.region, self.zone = state["region"], state["zone"]
        self.active = bool(state["active"])
        planned = state["unavailability"]
        self.unavailability = None if planned is None else (planned[0], planned[1])
        self.asked = dict.fromkeys(state["asked"])
        self.answers = mapped(state["answers"])


class Ledger:
    """Agents, and what is free, offered and held on each of them."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self._places: dict[
            str, dict[str, None]
        ] = {}  # framework -> agents on which it has something
        self._stamp = 0

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
        self.agents[agent] = new = Agent(agent, total)
        self.grow(new)
        return new

    def grow(self, record: Agent) -> None:
        """Note that something may fit there now that did not fit before; O(1)."""
        self._stamp += 1
        record.growth = self._stamp

    def _settle(self, record: Agent) -> None:
        record.free = record.derived_free()
        self.grow(record)

    def remove(self, agent: str) -> Agent:
        """Forget the agent and all that is out on it; O(holders). Raises UnknownName."""
        gone = self[agent]
        del self.agents[agent]
        for framework, _ in {**gone.offered, **gone.held}:
            self._places.get(framework, {}).pop(agent, None)
        return gone

    def set_total(self, agent: str, total: Resources) -> None:
        """Replace the total, which may shrink below what is out; O(holders). Raises UnknownName."""
        record = self[agent]
        record.total = total
        self._settle(record)

    def offer(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Free to offered; O(names). Raises UnknownName, Overcommit."""
        record = self[agent]
        if amount.is_plain:
            record.free = record.free - amount
        else:
            shared = amount.shared
            record.free = record.free - amount + shared if shared else record.free - amount
        old = record.offered.get(holder)
        record.offered[holder] = amount if old is None else old + amount
        self._places.setdefault(holder[0], {})[agent] = None

    def restore(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Held, as somebody reports, whether it is free or not; O(holders)."""
        record = self[agent]
        old = record.held.get(holder)
        record.held[holder] = amount if old is None else old + amount
        self._places.setdefault(holder[0], {})[agent] = None
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
        record.total = total
        self._settle(record)
        self._forget_place(record, holder[0])

    def keep(self, holder: Holder, agent: str, amount: Resources) -> None:
        """Offered to held; O(names). Raises UnknownName, Overcommit where less than that is offered."""
        record = self[agent]
        self._take(record.offered, holder, agent, amount, "was offered")
        old = record.held.get(holder)
        record.held[holder] = amount if old is None else old + amount

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
        self._settle(record)
        self._forget_place(record, holder[0])

    def _forget_place(self, record: Agent, framework: str) -> None:
        if not any(name == framework for name, _ in (*record.offered, *record.held)):
            self._places.get(framework, {}).pop(record.name, None)

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
        left = there - amount
        if left:
            where[holder] = left
        else:
            del where[holder]

    def agents_of(self, framework: str) -> list[str]:
        """The agents on which the framework has something offered or held; O(agents of the framework)."""
        return list(self._places.get(framework, ()))

    def is_on(self, framework: str, agent: str) -> bool:
        """Whether the framework has something there, offered or held; O(1)."""
        return agent in self._places.get(framework, ())

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
            "places": [[framework, list(agents)] for framework, agents in self._places.items()],
        }

    def load(self, state: Mapping[str, Any], space: ResourceSpace) -> None:
        """Take that part back into an empty ledger; O(agents x holders)."""
        for its in state["agents"]:
            self.add(its["name"], unpacked(its["total"], space)).load(its, space)
        self._places = {name: dict.fromkeys(agents) for name, agents in state["places"]}

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
        if {f: set(a) for f, a in self._places.items() if a} != places:
            raise InvariantBroken("the agents by framework are not those of the ledger")
