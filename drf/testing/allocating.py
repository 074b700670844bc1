"""Drives an allocator plug-in through a scenario and keeps what it offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drf.constraints import OfferConstraints
from drf.plugins import AllocatorPlugin
from drf.resources import Resources
from drf.testing.subjects import Driver, Seen

EVERY_CAPABILITY = ("MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT")
DEFAULT_SIZES = (Resources({"cpus": 0.01}), Resources({"mem": 32}))

Used = Mapping[str, Mapping[str, Resources]]
Operations = Sequence[tuple[Resources, Resources]]


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments with which an allocator is made for a scenario with this ``config``."""
    return {
        "like": "mesos",
        "interval": config.get("allocation_interval_s", 1.0),
        "min_allocatable": list(config.get("min_allocatable", DEFAULT_SIZES)),
        "exclude": list(config.get("fairness_exclude", ())),
        "filter_gpus": config.get("filter_gpu_resources", True),
        "master_region": config.get("master_region"),
        "agent_order": config.get("agent_order", "random"),
        "shrink_order": config.get("shrink_order", "random"),
    }


class AllocatorDriver(Driver):
    """After each operation the allocator runs once; what it then offered is kept until an expectation asks for it."""

    def __init__(self, plugin: AllocatorPlugin) -> None:
        self._plugin = plugin
        self._now = 0.0
        self._fresh: list[tuple[str, str, str, Resources]] = []
        self._unrecovered: list[tuple[str, str, str, Resources]] = []
        self._offered: list[str] = []  # the framework of each offer since the start
        self._inverse: dict[str, dict[str, float]] = {}

    def do(self, op: str, args: Mapping[str, Any]) -> None:
        try:
            super().do(op, args)
        finally:  # what was due before a refused operation is due all the same
            self._run()

    def _run(self) -> None:
        outcome = self._plugin.run()
        merged: dict[tuple[str, str, str], Resources] = {}
        for grant in outcome.grants:
            key = (grant.framework, grant.role, grant.agent)
            merged[key] = merged[key] + grant.resources if key in merged else grant.resources
        offers = [(*key, resources) for key, resources in merged.items()]
        self._fresh += offers
        self._unrecovered += offers
        self._offered += [framework for framework, *_ in offers]
        for inverse in outcome.inverse_offers:
            self._inverse.setdefault(inverse.framework, {})[inverse.agent] = inverse.start

    # -- frameworks

    def do_add_framework(
        self, id: str, roles: list[str], active: bool = True, used: Used | None = None, **rest: Any
    ) -> None:
        self._plugin.add_framework(id, roles, active=active, used=used, **_framework(**rest))

    def do_update_framework(self, id: str, roles: list[str], **rest: Any) -> None:
        self._plugin.update_framework(id, roles, **_framework(**rest))

    def do_remove_framework(self, id: str) -> None:
        self._plugin.remove_framework(id)

    def do_activate_framework(self, framework: str) -> None:
        self._plugin.activate_framework(framework)

    def do_deactivate_framework(self, framework: str) -> None:
        self._plugin.deactivate_framework(framework)

    def do_suppress(self, framework: str, roles: list[str]) -> None:
        self._plugin.suppress(framework, roles)

    def do_revive(self, framework: str, roles: list[str]) -> None:
        self._plugin.revive(framework, roles)

    # -- agents

    def do_add_agent(
        self,
        id: str,
        total: Resources,
        capabilities: Sequence[str] | str = "all",
        used: Used | None = None,
        unavailability_start_s: float | None = None,
        region: str | None = None,
        attributes: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._plugin.add_agent(
            id,
            total,
            attributes=attributes,
            capabilities=_capabilities(capabilities),
            region=region,
            used=used,
            unavailability=_unavailability(unavailability_start_s),
        )

    def do_update_agent(
        self,
        agent: str,
        total: Resources | None = None,
        capabilities: Sequence[str] | str | None = None,
        attributes: Sequence[tuple[str, Any]] | None = None,
    ) -> None:
        known = None if capabilities is None else _capabilities(capabilities)
        self._plugin.update_agent(agent, total, attributes=attributes, capabilities=known)

    def do_remove_agent(self, agent: str) -> None:
        self._plugin.remove_agent(agent)

    def do_activate_agent(self, agent: str) -> None:
        self._plugin.activate_agent(agent)

    def do_deactivate_agent(self, agent: str) -> None:
        self._plugin.deactivate_agent(agent)

    def do_add_resource_provider(self, agent: str, total: Resources, used: Used) -> None:
        self._plugin.add_resource_provider(agent, total, used=used)

    def do_set_whitelist(self, hostnames: list[str] | None) -> None:
        self._plugin.set_whitelist(hostnames)

    def do_update_unavailability(self, agent: str, start_s: float | None) -> None:
        self._plugin.update_unavailability(agent, _unavailability(start_s))

    def do_update_inverse_offer(
        self, agent: str, framework: str, status: str | None, refuse_seconds: float | None
    ) -> None:
        self._plugin.update_inverse_offer(agent, framework, status, refuse_seconds=refuse_seconds)

    # -- resources

    def do_recover_resources(
        self,
        framework: str,
        agent: str,
        role: str,
        resources: Resources,
        refuse_seconds: float | None,
        allocated: bool,
    ) -> None:
        self._plugin.recover_resources(
            framework, agent, role, resources, refuse_seconds=refuse_seconds, allocated=allocated
        )

    def do_recover_offers(self, refuse_seconds: float | None) -> None:
        offers, self._unrecovered = self._unrecovered, []
        for framework, role, agent, resources in offers:
            self._plugin.recover_resources(
                framework, agent, role, resources, refuse_seconds=refuse_seconds
            )

    def do_transition_offered_to_allocated(
        self, framework: str, agent: str, role: str, resources: Resources
    ) -> None:
        self._plugin.transition_offered_to_allocated(framework, agent, role, resources)

    def do_update_allocation(
        self, framework: str, agent: str, role: str, offered: Resources, operations: Operations
    ) -> None:
        self._plugin.update_allocation(framework, agent, role, offered, operations)

    def do_update_available(self, agent: str, operations: Operations) -> None:
        self._plugin.update_available(agent, operations)

    # -- the rest

    def do_recover(self, expected_agents: int, quotas: Mapping[str, Mapping[str, Any]]) -> None:
        self._plugin.recover(
            expected_agents,
            {role: (quota["guarantees"], quota["limits"]) for role, quota in quotas.items()},
        )

    def do_update_quota(
        self, role: str, guarantees: Resources, limits: Mapping[str, float]
    ) -> None:
        self._plugin.update_quota(role, guarantees, limits)

    def do_update_weights(self, weights: Mapping[str, float]) -> None:
        self._plugin.update_weights(weights)

    def do_pause(self) -> None:
        self._plugin.pause()

    def do_resume(self) -> None:
        self._plugin.resume()

    def do_advance_clock(self, seconds: float) -> None:
        self._now += seconds
        self._plugin.advance(self._now)

    def do_noop(self) -> None:
        """Nothing: an anchor for an expectation."""

    # -- expectations

    def _taken(self) -> list[tuple[str, str, str, Resources]]:
        offers, self._fresh = self._fresh, []
        return offers

    def see_offers(self, offers: dict[str, dict[str, dict[str, Resources]]]) -> Seen:
        got: dict[str, dict[str, dict[str, Resources]]] = {}
        for framework, role, agent, resources in self._taken():
            agents = got.setdefault(framework, {}).setdefault(role, {})
            agents[agent] = agents[agent] + resources if agent in agents else resources
        return Seen(offers, got)

    def see_offers_sum(
        self,
        frameworks: dict[str, dict[str, Resources]],
        agents_per_framework: dict[str, int],
    ) -> Seen:
        sums: dict[str, dict[str, Resources]] = {}
        agents: dict[str, set[str]] = {}
        for framework, role, agent, resources in self._taken():
            roles = sums.setdefault(framework, {})
            roles[role] = roles[role] + resources if role in roles else resources
            agents.setdefault(framework, set()).add(agent)
        return Seen(
            {"resources": frameworks, "agents": agents_per_framework},
            {"resources": sums, "agents": {name: len(on) for name, on in agents.items()}},
        )

    def see_offers_total(self, resources: Resources, agents: int, frameworks: int) -> Seen:
        offers = self._taken()
        total = sum((offer[3] for offer in offers), Resources(space=self._plugin.space))
        return Seen(
            {"resources": resources, "agents": agents, "frameworks": frameworks},
            {
                "resources": total,
                "agents": len({offer[2] for offer in offers}),
                "frameworks": len({offer[0] for offer in offers}),
            },
        )

    def see_offer_counts_total(self, counts: dict[str, int], exclude_last: bool = False) -> Seen:
        offered = self._offered[:-1] if exclude_last else self._offered
        return Seen(counts, {name: offered.count(name) for name in sorted({*offered, *counts})})

    def see_inverse_offers(self, offers: dict[str, dict[str, float]]) -> Seen:
        got, self._inverse = self._inverse, {}
        return Seen(offers, got)

    def see_inverse_statuses(self, statuses: dict[str, dict[str, str]]) -> Seen:
        got = self._plugin.inverse_offer_statuses()
        return Seen(statuses, {agent: dict(known) for agent, known in got.items()})

    def see_share(self, roles: dict[str, float]) -> Seen:
        shares = self._plugin.role_shares()
        return Seen(roles, {role: shares.get(role) for role in roles})

    def see_filters_active(self, roles: dict[str, int]) -> Seen:
        metrics = self._plugin.metrics()
        name = "allocator/mesos/offer_filters/roles/{}/active"
        return Seen(roles, {role: metrics.get(name.format(role), 0) for role in roles})

    def see_metrics(self, values: dict[str, float]) -> Seen:
        metrics = self._plugin.metrics()
        return Seen(values, {name: metrics.get(name) for name in values})

    def see_metric_absent(self, names: list[str]) -> Seen:
        metrics = self._plugin.metrics()
        return Seen({}, {name: metrics[name] for name in names if name in metrics})


def _framework(
    capabilities: Sequence[str] = (),
    suppressed: Sequence[str] = (),
    offer_filters: Mapping[str, Sequence[Resources]] | None = None,
    constraints: Any = None,
) -> dict[str, Any]:
    """What adding and updating a framework have in common."""
    return {
        "capabilities": capabilities,
        "suppressed": suppressed,
        "min_allocatable": offer_filters,
        "constraints": None if constraints is None else OfferConstraints(constraints),
    }


def _capabilities(given: Sequence[str] | str) -> tuple[str, ...]:
    return EVERY_CAPABILITY if given == "all" else tuple(given)


def _unavailability(start: float | None) -> tuple[float, None] | None:
    return None if start is None else (start, None)
