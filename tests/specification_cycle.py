"""One run of the model in `specification`: who is offered what of which agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drf import Resources
from drf.values import Item
from tests.specification_order import Units, clipped, plus
from tests.specification_records import Agent, Framework, Offers, is_in, is_regular

if TYPE_CHECKING:
    from tests.specification import Specification


def shrunk(amount: Resources, target: Mapping[str, int], *, absent: bool) -> Resources:
    """Objects as far as the target has room: indivisible ones whole or not, of an absent name all or nothing."""
    sources = {None: 0, "PATH": 1, "MOUNT": 2}

    def place(item: Item) -> Any:
        disk = item.tag.disk
        kind = (sources[disk.source], disk.persistence or "") if disk else (0, "")
        return (item.name, *kind, item.tag.shared, item.value)

    left, taken = dict(target), []
    for item in sorted(amount.objects(), key=place):
        disk = item.tag.disk
        indivisible = disk is not None and (disk.source == "MOUNT" or disk.persistence is not None)
        if item.name not in target:
            size = item.value if absent else 0
        elif item.value <= left[item.name]:  # type: ignore[operator]
            size = item.value
        else:
            size = 0 if indivisible else left[item.name]
        if size:
            taken.append(item._replace(value=size))
            left[item.name] = left.get(item.name, 0) - size  # type: ignore[operator]
    return Resources.of_items(taken)


class Cycle:
    """One run's decisions: first what guarantees lack, then fair shares up to limits."""

    def __init__(self, allocator: Specification) -> None:
        self.state = allocator
        self.quotas = {r: quota for r, quota in allocator.quotas.items() if "/" not in r}
        self.consumed = {role: allocator.consumed(role) for role in self.quotas}
        self.required: Units = {}
        for role, quota in self.quotas.items():
            self.required = plus(self.required, clipped(quota.guarantees, self.consumed[role]))
        self.available = allocator.headroom() if self.required else {}
        self.shown: dict[str, Resources] = {}  # shared objects are offered once
        self.offers: Offers = {}

    def decide(self, agents: Sequence[Agent]) -> Offers:
        for agent in agents:
            for role in self.state.role_order.sort(self.state.total()):
                if role in self.quotas and agent.free():
                    self.guarantee(role, agent)
        for agent in agents:
            for role in self.state.role_order.sort(self.state.total()):
                if agent.free():
                    self.share(role, agent)
        return self.offers

    def guarantee(self, role: str, agent: Agent) -> None:
        """What the guarantee lacks, unconditionally, and with it what limits and others' guarantees leave."""
        for name in self.state.orders[role].sort(self.state.total()):
            lacking = clipped(self.quotas[role].guarantees, self.consumed[role])
            if not lacking or not self.offerable(role, agent):
                return
            framework = self.state.frameworks[name]
            found = self.found(framework, role, agent)
            regular = found.split(is_regular)
            part = shrunk(regular, lacking, absent=False)
            if not part:
                continue
            extra = self.allowed(role, regular.minus(part), part.quantities())
            beside = found.split(
                lambda n, tag, scalar: tag.owner == role or not scalar or tag.revocable
            )
            if self.commit(framework, role, agent, part + extra + beside):
                self.required = clipped(self.required, part.quantities())
                self.count(role, (part + extra).quantities())

    def share(self, role: str, agent: Agent) -> None:
        """Whatever is reserved, revocable or no amount, and of the rest what limits and guarantees leave."""
        for name in self.state.orders[role].sort(self.state.total()):
            if not self.offerable(role, agent):
                return
            framework = self.state.frameworks[name]
            found = self.found(framework, role, agent)
            regular = found.split(is_regular)
            extra = self.allowed(role, regular, {})
            if self.commit(framework, role, agent, found.minus(regular) + extra):
                self.count(role, extra.quantities())

    def offerable(self, role: str, agent: Agent) -> Resources:
        """What is free for the role: unreserved, or reserved to it or a role above it; shared objects once."""
        free = agent.free().split(lambda n, tag, s: tag.owner is None or is_in(role, tag.owner))
        return free.minus(self.shown.get(agent.name, Resources()))

    def found(self, framework: Framework, role: str, agent: Agent) -> Resources:
        """What of it the framework can take and does not exclude."""
        state = self.state
        hidden = state.filter_gpus and agent.total.quantity("gpus") > 0
        remote = None not in (agent.region, state.master_region) and (
            agent.region != state.master_region
        )
        if (
            framework.excludes(role, agent)
            or (hidden and "GPU_RESOURCES" not in framework.capabilities)
            or (remote and "REGION_AWARE" not in framework.capabilities)
        ):
            return Resources()
        return framework.stripped(self.offerable(role, agent))

    def allowed(self, role: str, regular: Resources, given: Mapping[str, int]) -> Resources:
        """Of regular amounts: what the role's limits leave beyond what it is given, and then the headroom."""
        quota = self.quotas.get(role)
        if quota is not None and quota.limits:
            had = plus(self.consumed[role], given)
            left = {name: max(top - had.get(name, 0), 0) for name, top in quota.limits.items()}
            regular = shrunk(regular, left, absent=True)
        if self.required:
            regular = shrunk(regular, clipped(self.available, self.required), absent=False)
        return regular

    def count(self, role: str, units: Mapping[str, int]) -> None:
        self.available = clipped(self.available, units)
        if role in self.quotas:
            self.consumed[role] = plus(self.consumed[role], units)

    def commit(self, framework: Framework, role: str, agent: Agent, offer: Resources) -> bool:
        """Offer it if it is worth that and not refused; from then on it counts."""
        if not offer or not self.is_enough(framework, role, offer):
            return False
        if "MULTI_ROLE" not in agent.capabilities:
            return False
        if "/" in role and "HIERARCHICAL_ROLE" not in agent.capabilities:
            return False
        for refusal in self.state.refusals:
            if (refusal.framework, refusal.role, refusal.agent) == (
                framework.name,
                role,
                agent.name,
            ) and offer <= refusal.amount:
                return False
        self.state.take(framework.name, role, agent.name, offer)
        shown = self.shown.get(agent.name, Resources())
        self.shown[agent.name] = shown + offer.shared
        key = (framework.name, role, agent.name)
        self.offers[key] = self.offers.get(key, Resources()) + offer
        return True

    def is_enough(self, framework: Framework, role: str, offer: Resources) -> bool:
        """It reaches every name of one of the sets; without sets anything is enough."""
        sets = framework.min_allocatable.get(role, self.state.min_allocatable)
        return not sets or any(
            all(offer.quantity(name) >= least.quantity(name) for name in least) for least in sets
        )
