"""The smallest change that would give a framework its next offer.

Small is, in this order: nothing at all (the next run does it), waiting until a moment, what the framework can do itself
(activate, revive, a task that fits, its own minimum, constraints and capabilities), what the operator can do (resume, a
weight, a limit, a guarantee of others, the whitelist, an agent). In each of these, changes are tried in the order of
this module: a change is made on a copy of the allocator, which then runs, over all agents but for the first two kinds.
The first that brings the framework an offer in the role is the answer, so it is true by trial and not by theory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drf.errors import DRFError
from drf.explain import Change, Standing
from drf.frameworks import CAPABILITIES
from drf.ledger import EVERY_CAPABILITY
from drf.resources import Resources, Shape
from drf.roles import line_of

if TYPE_CHECKING:
    from drf.allocator import Allocator

TRIES = 4
"""Of one kind (moments, tasks, weights, agents) so many changes are tried, the smallest first."""

NOTHING = Change(None, {}, "none is needed, the next run brings one")


def advise(copies: Callable[[], Allocator], framework: str, standing: Standing) -> Standing:
    """The standing with its smallest change, or with what stands in the way; a copy and a run for each change tried."""
    for change in _changes(copies, framework, standing):
        if brings(copies(), change, framework, standing.role):
            return replace(standing, change=change)
    return replace(standing, stands_in_the_way=_obstruction(framework, standing, copies()))


def brings(copy: Allocator, change: Change, framework: str, role: str) -> bool:
    """Whether the framework gets an offer in the role in the run after the change; the copy is used up."""
    known = copy._book.made
    try:
        change.apply(copy)
    except DRFError:
        return False
    if change.verb not in (None, "advance"):
        copy._plugin.consider_all()
    return any(
        (offer.framework, offer.role) == (framework, role) and offer.id > known
        for offer in copy.run().offers
    )


def _changes(
    copies: Callable[[], Allocator], framework: str, standing: Standing
) -> Iterator[Change]:
    probe = copies()
    yield NOTHING
    plugin: Any = probe._plugin
    rules = {obstacle.rule for obstacle in standing.obstacles.values()}
    yield from _waiting(probe, plugin, framework, standing)
    yield from _own(plugin, framework, standing, rules)
    yield from _operator(copies, plugin, framework, standing, rules)


def _waiting(probe: Allocator, plugin: Any, framework: str, standing: Standing) -> Iterator[Change]:
    if plugin._paused or not plugin._frameworks[framework].listens(standing.role):
        return
    moments: dict[float, str] = {}
    for agent, obstacle in standing.obstacles.items():
        if obstacle.until is not None:
            moments.setdefault(obstacle.until, f"its refusal of {agent} ends")
    for deadline, item in plugin._timers.entries():
        if isinstance(item, str):
            moments.setdefault(deadline, f"{item} of the allocator")
    expiry = probe._book.next_expiry()
    if expiry is not None:
        moments.setdefault(expiry, "an open offer ends unanswered")
    for moment in sorted(moments)[:TRIES]:
        if moment >= plugin._now:
            yield Change("advance", {"now": moment}, f"wait until {moment:g} s: {moments[moment]}")


# -- what the framework can do itself


def _own(plugin: Any, framework: str, standing: Standing, rules: set[str]) -> Iterator[Change]:
    record, role = plugin._frameworks[framework], standing.role
    if not record.active:
        yield Change("activate_framework", {"name": framework}, f"activate {framework}")
    if role in record.suppressed or "refused" in rules:
        yield Change(
            "revive", {"name": framework, "roles": [role]}, f"revive {framework} for role {role}"
        )
    if rules & {"size", "request", "quota"}:
        yield from _tasks(plugin, record, standing)
    own: Mapping[str, Any] = record.min_allocatable or {}
    if "too small" in rules:
        yield _terms(
            plugin, record, f"let {framework} take any amount", min_allocatable={**own, role: []}
        )
    if record.constraints is not None and "constraint" in rules:
        kept = {r: g for r, g in record.constraints.to_json().items() if r != role}
        yield _terms(
            plugin, record, f"drop the constraints of {framework} for role {role}", constraints=kept
        )
    if plugin._company.get(framework) is not None and "affinity" in rules:
        yield _terms(plugin, record, f"drop the affinity of {framework}", affinity=None)
    if "capability" in rules:
        yield _terms(
            plugin, record, f"give {framework} all capabilities", capabilities=sorted(CAPABILITIES)
        )


def _terms(plugin: Any, record: Any, text: str, **changed: Any) -> Change:
    terms = {
        "roles": list(record.roles),
        "suppressed": sorted(record.suppressed),
        "capabilities": record.capabilities(),
        "min_allocatable": record.min_allocatable,
        "constraints": record.constraints,
        "affinity": plugin._company.get(record.name),
    }
    return Change("update_framework", {"name": record.name, **terms, **changed}, text)


def _tasks(plugin: Any, record: Any, standing: Standing) -> Iterator[Change]:
    """Tasks that fit: cut down from those that wait, or (where none waits) all that is free on an agent."""
    role, budget = standing.role, plugin._budget()
    limit = None if budget is None else budget.limit_left(role)
    queue = plugin._requests.get(record.name, role)
    asks: list[Shape | None] = [] if queue is None else [ask.shape for ask in queue.unmet(0)]
    found: list[tuple[float, str, Shape]] = []
    for name, obstacle in standing.obstacles.items():
        if obstacle.rule not in ("size", "request", "quota"):
            continue
        agent = plugin._ledger.agents[name]
        room = dict(record.strip(agent.free.allocatable_to(role)).quantities())
        if limit is not None:
            room = {n: min(q, limit.get(n, q)) for n, q in room.items()}
        surplus = None if budget is None else budget.surplus(agent=name)
        if surplus is not None:
            room = {n: min(q, surplus.get(n, 0)) for n, q in room.items()}
        for shape in asks or [None]:
            units = room if shape is None else shape.resources.quantities()
            cut = {n: min(q, room.get(n, 0)) for n, q in units.items()}
            if not cut or (shape is not None and not all(cut.values())) or not any(cut.values()):
                continue
            part = 1.0 if shape is None else min(cut[n] / q for n, q in units.items())
            small = Resources.from_units(cut, space=plugin.space)
            found.append((part, name, Shape(small, () if shape is None else shape.where)))
    found.sort(key=lambda entry: -entry[0])
    for part, name, shape in found[:TRIES]:
        yield Change(
            "request",
            {"name": record.name, "shape": shape, "count": 1, "role": role},
            f"ask for {'a task' if part == 1.0 else 'a smaller task'} of {shape.resources}, as {name} has room for",
        )


# -- what the operator can do


def _operator(
    copies: Callable[[], Allocator],
    plugin: Any,
    framework: str,
    standing: Standing,
    rules: set[str],
) -> Iterator[Change]:
    if plugin._paused:
        yield Change("resume", {}, "resume the allocator")
    if standing.open and standing.roles_ahead:
        yield from _weights(copies, plugin, framework, standing)
    yield from _quotas(plugin, standing.role)
    if "whitelist" in rules:
        for name in _agents(standing, "whitelist"):
            host = plugin._ledger.agents[name].hostname
            hosts = sorted({*(plugin._whitelist or ()), host})
            yield Change("set_whitelist", {"hostnames": hosts}, f"put host {host} on the whitelist")
    for name in _agents(standing, "deactivated"):
        yield Change("activate_agent", {"name": name}, f"activate agent {name}")
    for name in _agents(standing, "agent capability"):
        yield Change(
            "update_agent",
            {"name": name, "capabilities": sorted(EVERY_CAPABILITY)},
            f"give agent {name} all capabilities",
        )


def _agents(standing: Standing, rule: str) -> list[str]:
    return [name for name, found in standing.obstacles.items() if found.rule == rule][:TRIES]


def _weights(
    copies: Callable[[], Allocator], plugin: Any, framework: str, standing: Standing
) -> Iterator[Change]:
    """A weight that lets the role, or one above it, overtake: as small as those ahead say, else found by halving."""
    own = plugin._ranking.roles.share(standing.role)
    for path in line_of(standing.role) if own else ():
        now = plugin._roles.weight(path)
        behind = sorted({now * own / ahead.share for ahead in standing.roles_ahead if ahead.share})
        for weight in behind[:TRIES]:
            if weight >= now:
                yield _weight(path, weight)
        low, high = now, now * 2.0**20
        if not brings(copies(), _weight(path, high), framework, standing.role):
            continue
        while high > low * 1.01:
            middle = (low * high) ** 0.5
            if brings(copies(), _weight(path, middle), framework, standing.role):
                high = middle
            else:
                low = middle
        yield _weight(path, high)


def _weight(path: str, above: float) -> Change:
    weight = float(f"{above * 1.001:.4g}")
    return Change(
        "update_weights", {"weights": {path: weight}}, f"give role {path} a weight of {weight:g}"
    )


def _quotas(plugin: Any, role: str) -> Iterator[Change]:
    line = line_of(role)
    most: dict[str, int] = {}
    for agent in plugin._ledger.agents.values():
        for name, q in agent.free.quantities().items():
            most[name] = max(most.get(name, 0), q)
    for name in line:
        node = plugin._roles.quotas.get(name)
        if node is not None and node.limits:
            out = node.consumed()
            limits = {n: max(q, out.get(n, 0) + most.get(n, 0)) for n, q in node.limits.items()}
            raised = [n for n in limits if limits[n] > node.limits[n]]
            if raised:
                yield _quota(plugin, name, node.guarantees, limits, "raise the limit", raised)
    for name, node in plugin._roles.quotas.items():
        out = node.consumed()
        kept = {n: q for n in node.guarantees if (q := min(node.guarantees[n], out.get(n, 0)))}
        lowered = [n for n in node.guarantees if node.guarantees[n] > kept.get(n, 0)]
        if name not in line and lowered:
            yield _quota(plugin, name, kept, node.limits, "lower the guarantee", lowered)


def _quota(
    plugin: Any,
    role: str,
    guarantees: Mapping[str, int],
    limits: Mapping[str, int],
    what: str,
    names: list[str],
) -> Change:
    shown = limits if what == "raise the limit" else guarantees
    space = plugin.space
    amounts = ", ".join(f"{space.to_amount(n, shown.get(n, 0)):g} {n}" for n in names)
    return Change(
        "update_quota",
        {
            "role": role,
            "guarantees": Resources.from_units(guarantees, space=space),
            "limits": {n: space.to_amount(n, q) for n, q in limits.items()},
        },
        f"{what} of role {role} to {amounts}",
    )


# -- where nothing helps


def _obstruction(framework: str, standing: Standing, copy: Allocator) -> str:
    parts = [] if standing.silent is None else [standing.silent]
    ahead = [*standing.roles_ahead, *standing.frameworks_ahead]
    if ahead:
        parts.append(f"{ahead[0].name} is asked before it")
    by_rule: dict[str, int] = {}
    for obstacle in standing.obstacles.values():
        by_rule[obstacle.rule] = by_rule.get(obstacle.rule, 0) + 1
    for rule, count in by_rule.items():
        agents = f"{count} agents" if count > 1 else "1 agent"
        if rule == "nothing free":
            mine = any(offer.framework == framework for offer in copy.open_offers())
            waits = ", its own open offers answered," if mine else ""
            parts.append(f"nothing is free on {agents}: something must be released{waits} there")
        else:
            parts.append(f"{rule} on {agents}")
    return "; ".join(parts) or "there is no agent"
