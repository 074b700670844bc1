"""What Mesos's hierarchical allocator does, told plainly: a slow model with which `drf` is compared.

Every figure is derived anew from what agents have and what is out; only amounts (`drf.Resources`) are borrowed. Agents
are visited by name and objects cut in a fixed order, as with ``agent_order="id"`` and ``shrink_order="sorted"``: how
Mesos draws lots cannot be compared. Where Mesos's code has a defect, or stops the master, the model does what was
meant: weights of inner roles count at once, a shared object is offered once in a run, pauses nest and end no recovery,
and nobody inactive is asked. Quota below top-level roles, which Mesos's master does not accept, has no effect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf import Resources
from tests.specification_cycle import Cycle
from tests.specification_order import Order, Units, clipped, plus
from tests.specification_records import (
    Agent,
    Framework,
    Groups,
    Offers,
    Quota,
    Refusal,
    is_in,
    is_regular,
    is_reserved,
    is_revocable,
)

TICK, RECOVERED = "tick", "recovered"
DEFAULT_REFUSAL = 5.0
LONGEST_REFUSAL = 365 * 24 * 3600.0
RECOVERED_PART, RECOVERY_SECONDS = 0.8, 600.0
THOUSANDTHS = 1000

Used = Mapping[str, Mapping[str, Resources]]


def duration(seconds: float) -> float:
    """How long a refusal lasts: a negative one is the default, a very long one is cut."""
    return DEFAULT_REFUSAL if seconds < 0 else min(seconds, LONGEST_REFUSAL)


class Specification:
    """The allocator's verbs, `run`, and the figures that it tells. Arguments are trusted to be right."""

    def __init__(
        self,
        *,
        interval: float = 1.0,
        min_allocatable: Sequence[Resources] = (Resources("cpus:0.01"), Resources("mem:32")),
        exclude: Iterable[str] = (),
        filter_gpus: bool = True,
        master_region: str | None = None,
    ) -> None:
        self.interval = interval
        self.min_allocatable = min_allocatable
        self.exclude = frozenset(exclude)
        self.filter_gpus = filter_gpus
        self.master_region = master_region
        self.agents: dict[str, Agent] = {}
        self.frameworks: dict[str, Framework] = {}
        self.weights: dict[str, float] = {}
        self.quotas: dict[str, Quota] = {}
        self.role_order = Order(self.exclude, self.weights)
        self.orders: dict[str, Order] = {}  # of the frameworks of each role
        self.refusals: list[Refusal] = []
        self.inverse_refusals: dict[tuple[str, str], float] = {}  # framework, agent -> until when
        self.whitelist: frozenset[str] | None = None
        self.candidates: set[str] | None = None
        self.pauses = 0
        self.expected: int | None = None
        self.now = 0.0
        self.runs = 0
        self.timers: list[tuple[float, Any]] = [(interval, TICK)]

    # -- what starts a run

    def held_off(self) -> bool:
        return self.pauses > 0 or self.expected is not None

    def want(self, agents: Iterable[str]) -> None:
        """A run over these agents too; whatever is wanted before the run makes one run, and while paused nothing is."""
        if not self.held_off():
            self.candidates = {*(self.candidates or ()), *agents}

    def advance(self, now: float) -> None:
        """What ends, ends in the order of its time, and of its start; what ends after a tick, after the tick's run."""
        self.now = now
        self._pass_time()

    def _pass_time(self) -> None:
        while due := [timer for timer in self.timers if timer[0] <= self.now]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            if first[1] is TICK:
                self.timers.append((self.now + self.interval, TICK))
                self.want(self.agents)
                return
            if first[1] is RECOVERED:
                self.expected = None
            else:
                self._end_refusals(lambda refusal, ended=first[1]: refusal is ended)  # type: ignore[misc]

    # -- who is tracked in which role

    def track(self, framework: str, role: str) -> None:
        """It takes its turns in the role, active or not."""
        if role not in self.orders:
            self.orders[role] = Order(self.exclude, {})
            self.role_order.add(role)
            self.role_order.active[role] = True
        if framework not in self.orders[role].active:
            self.orders[role].add(framework)

    def tidy(self) -> None:
        """In each role are those who are subscribed or have something left there; active are those who listen."""
        for role, order in list(self.orders.items()):
            for name in list(order.active):
                framework = self.frameworks.get(name)
                if framework is not None and (role in framework.roles or order.held[name]):
                    order.active[name] = framework.listens(role)
                else:
                    order.remove(name)
            if not order.active:
                del self.orders[role]
                self.role_order.remove(role)

    def take(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        """So much more is out there: for the agent in any case, for orders and quota where the framework is known."""
        if not amount:
            return
        out = self.agents[agent].out
        out[framework, role] = out.get((framework, role), Resources()) + amount
        self.account(framework, role, agent, amount)

    def account(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        if framework in self.frameworks:
            self.track(framework, role)
            self.orders[role].allocated(framework, agent, amount)
            self.role_order.allocated(role, agent, amount)

    def give_back(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        out = self.agents[agent].out
        left = out[framework, role].minus(amount)
        if left:
            out[framework, role] = left
        else:
            del out[framework, role]
        if framework in self.frameworks:
            self.orders[role].unallocated(framework, agent, amount)
            self.role_order.unallocated(role, agent, amount)

    # -- agents

    def add_agent(
        self,
        agent: str,
        total: Resources,
        *,
        hostname: str | None = None,
        attributes: Sequence[tuple[str, Any]] = (),
        capabilities: Iterable[str] = (),
        region: str | None = None,
        zone: str | None = None,
        used: Used | None = None,
        unavailability: tuple[float, float | None] | None = None,
    ) -> None:
        self.agents[agent] = Agent(
            agent,
            total,
            hostname or agent,
            list(attributes),
            frozenset(capabilities),
            region,
            zone,
            unavailability,
        )
        self._report(agent, used)
        if self.expected is not None and len(self.agents) >= self.expected:
            self.expected = None
        self.want([agent])

    def _report(self, agent: str, used: Used | None) -> None:
        for framework, by_role in (used or {}).items():
            for role, amount in by_role.items():
                self.take(framework, role, agent, amount)
        self.tidy()

    def update_agent(
        self,
        agent: str,
        total: Resources | None = None,
        *,
        attributes: Sequence[tuple[str, Any]] | None = None,
        capabilities: Iterable[str] | None = None,
    ) -> None:
        """A run where something changed; other attributes end the refusals there, their order does not matter."""
        record = self.agents[agent]
        if total is not None and total != record.total:
            record.total = total
            self.want([agent])
        if attributes is not None and Counter(attributes) != Counter(record.attributes):
            record.attributes = list(attributes)
            self._end_refusals(lambda refusal: refusal.agent == agent)
            self._end_inverse_refusals(agent=agent)
            self.want([agent])
        if capabilities is not None and frozenset(capabilities) != record.capabilities:
            record.capabilities = frozenset(capabilities)
            self.want([agent])

    def add_resource_provider(
        self, agent: str, total: Resources, *, used: Used | None = None
    ) -> None:
        self.agents[agent].total += total
        self._report(agent, used)

    def remove_agent(self, agent: str) -> None:
        for (framework, role), amount in list(self.agents[agent].out.items()):
            self.give_back(framework, role, agent, amount)
        del self.agents[agent]
        self._end_refusals(lambda refusal: refusal.agent == agent)
        self._end_inverse_refusals(agent=agent)
        self.tidy()

    def activate_agent(self, agent: str) -> None:
        self.agents[agent].active = True

    def deactivate_agent(self, agent: str) -> None:
        self.agents[agent].active = False

    def set_whitelist(self, hostnames: Sequence[str] | None) -> None:
        self.whitelist = None if hostnames is None else frozenset(hostnames)

    # -- frameworks

    def add_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        capabilities: Iterable[str] = (),
        suppressed: Sequence[str] = (),
        min_allocatable: Mapping[str, Sequence[Resources]] | None = None,
        constraints: Mapping[str, Groups] | None = None,
        used: Used | None = None,
        active: bool = True,
    ) -> None:
        """What agents reported of it counts from now on; ``used`` says the same, or what other agents will report."""
        self.frameworks[framework] = Framework(
            framework,
            list(roles),
            set(suppressed),
            frozenset(capabilities),
            dict(min_allocatable or {}),
            dict(constraints or {}),
            active,
        )
        for role in roles:
            self.track(framework, role)
        for agent in self.agents.values():
            for (name, role), amount in agent.out.items():
                if name == framework:
                    self.account(framework, role, agent.name, amount)
        self.tidy()
        if active:
            self.want(self.agents)

    def update_framework(
        self,
        framework: str,
        roles: Sequence[str],
        *,
        capabilities: Iterable[str] = (),
        suppressed: Sequence[str] = (),
        min_allocatable: Mapping[str, Sequence[Resources]] | None = None,
        constraints: Mapping[str, Groups] | None = None,
    ) -> None:
        """No run. Refusals end in roles that it leaves or suppresses no more, and all those of inverse offers."""
        record = self.frameworks[framework]
        ended = {*record.roles} - {*roles} | record.suppressed - {*suppressed}
        record.roles, record.suppressed = list(roles), set(suppressed)
        record.capabilities = frozenset(capabilities)
        record.min_allocatable = dict(min_allocatable or {})
        record.constraints = dict(constraints or {})
        for role in roles:
            self.track(framework, role)
        self._end_refusals(lambda r: r.framework == framework and r.role in ended)
        self._end_inverse_refusals(framework=framework)
        self.tidy()

    def remove_framework(self, framework: str) -> None:
        for agent in self.agents.values():
            for (name, role), amount in list(agent.out.items()):
                if name == framework:
                    self.give_back(framework, role, agent.name, amount)
            agent.asked.discard(framework)
            agent.answers.pop(framework, None)
        del self.frameworks[framework]
        self._end_refusals(lambda refusal: refusal.framework == framework)
        self._end_inverse_refusals(framework=framework)
        self.tidy()

    def activate_framework(self, framework: str) -> None:
        self.frameworks[framework].active = True
        self.tidy()
        self.want(self.agents)

    def deactivate_framework(self, framework: str) -> None:
        """All its refusals end; what it has counts on, and what it was asked stays asked."""
        self.frameworks[framework].active = False
        self._end_refusals(lambda refusal: refusal.framework == framework)
        self._end_inverse_refusals(framework=framework)
        self.tidy()

    def suppress(self, framework: str, roles: Sequence[str] = ()) -> None:
        """In all its roles where none is named; no refusal ends."""
        record = self.frameworks[framework]
        record.suppressed |= {*(roles or record.roles)}
        self.tidy()

    def revive(self, framework: str, roles: Sequence[str] = ()) -> None:
        """Refusals end in these roles, and all those of inverse offers."""
        record = self.frameworks[framework]
        named = {*(roles or record.roles)}
        record.suppressed -= named
        self._end_refusals(lambda r: r.framework == framework and r.role in named)
        self._end_inverse_refusals(framework=framework)
        self.tidy()
        self.want(self.agents)

    def _end_refusals(self, which: Any) -> None:
        self.refusals = [refusal for refusal in self.refusals if not which(refusal)]

    def _end_inverse_refusals(
        self, *, agent: str | None = None, framework: str | None = None
    ) -> None:
        for key in list(self.inverse_refusals):
            if framework == key[0] or agent == key[1]:
                del self.inverse_refusals[key]

    # -- what becomes of offers

    def recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        *,
        refuse_seconds: float | None = None,
        allocated: bool = False,
    ) -> None:
        """No run. A refusal lasts an interval at least, also one for a role left, or while the framework is away."""
        if not resources or framework not in self.frameworks or agent not in self.agents:
            return
        self.give_back(framework, role, agent, resources)
        self.tidy()
        seconds = 0.0 if refuse_seconds is None else duration(refuse_seconds)
        if seconds:
            refusal = Refusal(framework, role, agent, resources)
            self.refusals.append(refusal)
            self.timers.append((self.now + max(seconds, self.interval), refusal))

    def transition_offered_to_allocated(
        self, framework: str, agent: str, role: str, resources: Resources
    ) -> None:
        """What is offered counts as what runs: nothing changes here."""

    def update_allocation(
        self,
        framework: str,
        agent: str,
        role: str,
        offered: Resources,
        conversions: Sequence[tuple[Resources, Resources]],
    ) -> None:
        """The total changes alike, but for conversions out of nothing: those are copies of what is shared."""
        record = self.agents[agent]
        new = offered
        for consumed, made in conversions:
            new = new.minus(consumed) + made
            if consumed:
                record.total = record.total.minus(consumed) + made
        record.out[framework, role] = record.out[framework, role].minus(offered) + new
        if not record.out[framework, role]:
            del record.out[framework, role]
        self.orders[role].change(framework, agent, offered, new)
        self.role_order.change(role, agent, offered, new)

    def update_available(
        self, agent: str, conversions: Sequence[tuple[Resources, Resources]]
    ) -> bool:
        """Whether what is free can be converted so; if not, nothing is."""
        free, total = self.agents[agent].free(), self.agents[agent].total
        for consumed, made in conversions:
            if not consumed <= free:
                return False
            free, total = free.minus(consumed) + made, total.minus(consumed) + made
        self.agents[agent].total = total
        return True

    # -- weights, quota, maintenance, recovery

    def update_weights(self, weights: Mapping[str, float]) -> None:
        self.weights.update(weights)

    def update_quota(self, role: str, guarantees: Resources, limits: Mapping[str, float]) -> None:
        """A limit of 0 is one."""
        units = {name: round(limit * THOUSANDTHS) for name, limit in limits.items()}
        self.quotas[role] = Quota(dict(guarantees.quantities()), units)
        if not guarantees and not limits:
            del self.quotas[role]

    def update_unavailability(
        self, agent: str, unavailability: tuple[float, float | None] | None
    ) -> None:
        """All that was asked, answered and refused there is forgotten."""
        record = self.agents[agent]
        record.maintenance, record.asked, record.answers = unavailability, set(), {}
        self._end_inverse_refusals(agent=agent)
        self.want([agent])

    def update_inverse_offer(
        self, agent: str, framework: str, status: str | None, refuse_seconds: float | None = None
    ) -> None:
        """A status counts where something was asked, a refusal in any case; it is not stretched to the interval."""
        record = self.agents[agent]
        if framework in record.asked and status is not None:
            record.answers[framework] = status
        record.asked.discard(framework)
        if refuse_seconds is not None and duration(refuse_seconds):
            until = self.now + duration(refuse_seconds)
            key = (framework, agent)
            self.inverse_refusals[key] = max(until, self.inverse_refusals.get(key, 0.0))

    def inverse_offer_statuses(self) -> dict[str, dict[str, str]]:
        return {a.name: a.answers for a in self.agents.values() if a.maintenance is not None}

    def recover(
        self, expected_agents: int, quotas: Mapping[str, tuple[Resources, Mapping[str, float]]]
    ) -> None:
        """With quotas, nothing is decided until most of the agents are back, or the time for that is over."""
        for role, quota in quotas.items():
            self.update_quota(role, *quota)
        threshold = int(expected_agents * RECOVERED_PART)
        if quotas and threshold:
            self.expected = threshold
            self.timers.append((self.now + RECOVERY_SECONDS, RECOVERED))

    def pause(self) -> None:
        self.pauses += 1

    def resume(self) -> None:
        self.pauses -= 1

    # -- figures

    def total(self) -> Units:
        """Of the whole cluster; every share is a part of it."""
        out: Units = {}
        for agent in self.agents.values():
            out = plus(out, agent.total.quantities())
        return out

    def known_out(self, agent: Agent, role: str | None = None) -> Resources:
        """What known frameworks have there, in the role and below it."""
        amounts = [
            amount
            for (framework, r), amount in agent.out.items()
            if framework in self.frameworks and (role is None or is_in(r, role))
        ]
        return sum(amounts, Resources())

    def unreserved_out(self, role: str) -> Units:
        out: Units = {}
        for agent in self.agents.values():
            out = plus(out, self.known_out(agent, role).split(is_regular).quantities())
        return out

    def consumed(self, role: str) -> Units:
        """Of its quota: what is reserved to it or below it, idle or not, and what is out unreserved."""
        out = self.unreserved_out(role)
        for agent in self.agents.values():
            own = agent.total.split(
                lambda n, tag, s: tag.owner is not None and is_in(tag.owner, role)
            )
            out = plus(out, own.quantities())
        return out

    def headroom(self) -> Units:
        """What is neither out nor reserved nor revocable, on all agents, offered or not."""
        out: Units = {}
        idle: Units = {}
        revocable: Units = {}
        for agent in self.agents.values():
            there = self.known_out(agent)
            out = plus(out, there.quantities())
            revocable = plus(revocable, agent.free().split(is_revocable).quantities())
            idle = plus(idle, agent.total.split(is_reserved).quantities())
        for agent in self.agents.values():
            idle = clipped(idle, self.known_out(agent).split(is_reserved).quantities())
        return clipped(clipped(clipped(self.total(), out), idle), revocable)

    def share(self, framework: str, role: str) -> float:
        return self.orders[role].share_of(framework, self.total())

    def role_shares(self) -> dict[str, float]:
        total = self.total()
        return {role: self.role_order.share_of(role, total) for role in self.orders}

    def metrics(self) -> dict[str, float]:
        """Under Mesos's names; absent where there is nothing to say."""
        out: dict[str, float] = {"allocator/mesos/allocation_runs": self.runs}
        used: Units = {}
        for agent in self.agents.values():
            used = plus(used, sum(agent.out.values(), Resources()).quantities())
        for name in ("cpus", "mem", "disk"):
            for what, units in (("total", self.total()), ("offered_or_allocated", used)):
                key = f"allocator/mesos/resources/{name}/{what}"
                out[key] = units.get(name, 0) / THOUSANDTHS
        for role, share in self.role_shares().items():
            out[f"allocator/mesos/roles/{role}/shares/dominant"] = share
        for role, count in Counter(refusal.role for refusal in self.refusals).items():
            out[f"allocator/mesos/offer_filters/roles/{role}/active"] = count
        for role, quota in self.quotas.items():
            for what, units in (
                ("guarantee", quota.guarantees),
                ("limit", quota.limits),
                ("offered_or_allocated", self.unreserved_out(role)),
            ):
                for name, q in units.items():
                    key = f"allocator/mesos/quota/roles/{role}/resources/{name}/{what}"
                    out[key] = q / THOUSANDTHS
        return out

    # -- a run

    def run(self) -> tuple[Offers, list[tuple[str, str, float, float | None]]]:
        """Offers, and inverse offers, over what became a candidate since the last run; then time passes on."""
        offers: Offers = {}
        inverse: list[tuple[str, str, float, float | None]] = []
        if self.candidates is not None and not self.held_off():
            self.runs += 1
            agents = [self.agents[name] for name in sorted(self.candidates & {*self.agents})]
            self.candidates = None
            usable = [
                agent
                for agent in agents
                if agent.active and (self.whitelist is None or agent.hostname in self.whitelist)
            ]
            offers = Cycle(self).decide(usable)
            inverse = [offer for agent in agents for offer in self._inverse_offers(agent)]
        self._pass_time()
        return offers, inverse

    def _inverse_offers(self, agent: Agent) -> list[tuple[str, str, float, float | None]]:
        """Whoever has something there, is active, and neither asked already nor unwilling to be."""
        out = []
        if agent.maintenance is not None:
            for name in sorted({framework for framework, _ in agent.out}):
                framework = self.frameworks.get(name)
                refused = self.inverse_refusals.get((name, agent.name), 0.0) > self.now
                if framework and framework.active and name not in agent.asked and not refused:
                    agent.asked.add(name)
                    out.append((name, agent.name, *agent.maintenance))
        return out
