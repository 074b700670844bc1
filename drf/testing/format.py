"""The tables of the scenario format: steps, expectations and options of each subject. `FORMAT.md` explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drf.testing.checks import (
    Keys,
    anything,
    attribute,
    count,
    either,
    flag,
    list_of,
    map_of,
    number,
    object_of,
    one_of,
    operation,
    or_null,
    resources,
    seconds,
    text,
)


class Step(NamedTuple):
    """One operation, its arguments read."""

    op: str
    args: Mapping[str, Any]


class Expectation(NamedTuple):
    """What must be so after a step, its keys read."""

    after: int
    kind: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """Steps that drive one subject, and what is expected after which of them."""

    name: str
    subject: str
    steps: tuple[Step, ...]
    expect: tuple[Expectation, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    topic: str = ""
    source: str = ""
    notes: str = ""


_names = list_of(text)
_amounts = map_of(seconds)
_sizes = list_of(resources)
_used = map_of(map_of(resources))
_capabilities = either("all", _names)
_quota = object_of({"guarantees": resources, "limits": _amounts})

_FRAMEWORK: Keys = {
    "id": text,
    "roles": _names,
    "capabilities?": _names,
    "suppressed?": _names,
    "offer_filters?": map_of(_sizes),
    "constraints?": anything,  # a malformed constraint is for the subject to refuse
}
_ROLES: Keys = {"framework": text, "roles": _names}
_HELD: Keys = {"framework": text, "agent": text, "role": text, "resources": resources}
_QUOTA: Keys = {"role": text, "guarantees": resources, "limits": _amounts}
_ON_AGENT: Keys = {"client": text, "agent": text, "resources": resources}

ALLOCATOR_OPS: Mapping[str, Keys] = {
    "recover": {"expected_agents": count, "quotas": map_of(_quota)},
    "add_framework": {**_FRAMEWORK, "active?": flag, "used?": _used},
    "update_framework": _FRAMEWORK,
    "remove_framework": {"id": text},
    "activate_framework": {"framework": text},
    "deactivate_framework": {"framework": text},
    "add_agent": {
        "id": text,
        "total": resources,
        "capabilities?": _capabilities,
        "used?": _used,
        "unavailability_start_s?": number,
        "region?": text,
        "attributes?": list_of(attribute),
    },
    "update_agent": {
        "agent": text,
        "total?": resources,
        "capabilities?": _capabilities,
        "attributes?": list_of(attribute),
    },
    "remove_agent": {"agent": text},
    "activate_agent": {"agent": text},
    "deactivate_agent": {"agent": text},
    "add_resource_provider": {"agent": text, "total": resources, "used": _used},
    "set_whitelist": {"hostnames": or_null(_names)},
    "recover_resources": {**_HELD, "refuse_seconds": or_null(number), "allocated": flag},
    "recover_offers": {"refuse_seconds": or_null(number)},
    "transition_offered_to_allocated": _HELD,
    "update_allocation": {
        "framework": text,
        "agent": text,
        "role": text,
        "offered": resources,
        "operations": list_of(operation),
    },
    "update_available": {"agent": text, "operations": list_of(operation)},
    "update_quota": _QUOTA,
    "update_weights": {"weights": map_of(number)},
    "suppress": _ROLES,
    "revive": _ROLES,
    "update_unavailability": {"agent": text, "start_s": or_null(number)},
    "update_inverse_offer": {
        "agent": text,
        "framework": text,
        "status": or_null(one_of("ACCEPT", "DECLINE")),
        "refuse_seconds": or_null(number),
    },
    "pause": {},
    "resume": {},
    "advance_clock": {"seconds": seconds},
    "noop": {},
}
SORTER_OPS: Mapping[str, Keys] = {
    **{op: {"client": text} for op in ("add", "remove", "activate", "deactivate")},
    "update_weight": {"path": text, "weight": number},
    "allocated": _ON_AGENT,
    "unallocated": _ON_AGENT,
    "update": {"client": text, "agent": text, "old": resources, "new": resources},
    "add_agent": {"agent": text, "total": resources},
    "remove_agent": {"agent": text},
    "sort_many": {"runs": count},
    "noop": {},
}
ROLE_TREE_OPS: Mapping[str, Keys] = {
    "update_weight": {"role": text, "weight": number},
    "update_quota": _QUOTA,
    "track_reservations": {"resources": resources},
    "untrack_reservations": {"resources": resources},
    "track_framework": {"framework": text, "role": text},
    "untrack_framework": {"framework": text, "role": text},
}
SHUFFLE_OPS: Mapping[str, Keys] = {
    "weighted_shuffle": {"items": _names, "weights": list_of(number), "runs": count}
}
CONSTRAINTS_OPS: Mapping[str, Keys] = {"create_filter": {"role_constraints": anything}}

_ERROR: Mapping[str, Keys] = {"error": {"value": flag}}
_PROBABILITIES: Mapping[str, Keys] = {
    "probabilities": {"rows": _names, "matrix": list_of(list_of(number)), "tolerance": seconds}
}
ALLOCATOR_KINDS: Mapping[str, Keys] = {
    **_ERROR,
    "offers": {"offers": map_of(map_of(map_of(resources)))},
    "offers_sum": {"frameworks": map_of(map_of(resources)), "agents_per_framework": map_of(count)},
    "offers_total": {"resources": resources, "agents": count, "frameworks": count},
    "offer_counts_total": {"counts": map_of(count), "exclude_last?": flag},
    "inverse_offers": {"offers": map_of(map_of(number))},
    "inverse_statuses": {"statuses": map_of(map_of(text))},
    "share": {"roles": map_of(number)},
    "filters_active": {"roles": map_of(count)},
    "metrics": {"values": map_of(number)},
    "metric_absent": {"names": _names},
}
SORTER_KINDS: Mapping[str, Keys] = {
    **_ERROR,
    **_PROBABILITIES,
    "sort": {"clients": _names},
    "sort_set": {"clients": _names},
    "contains": {"clients": map_of(flag)},
    "count": {"value": count},
    "allocation_count": {"counts": map_of(count)},
    "share": {"shares": map_of(number)},
    "allocation": {"allocation": map_of(map_of(resources))},
    "allocation_scalars": {"clients": map_of(resources), "total": resources},
}
_NODE: Keys = {
    "weight?": number,
    "quota_default?": flag,
    "reservations?": resources,
    "frameworks?": count,
}
ROLE_TREE_KINDS: Mapping[str, Keys] = {
    **_ERROR,
    "roles": {
        "known": map_of(object_of(_NODE)),
        "absent?": _names,
    },
}
CONSTRAINTS_KINDS: Mapping[str, Keys] = {
    **_ERROR,
    "excluded": {
        "role": text,
        "attributes": list_of(attribute),
        "hostname?": text,
        "region?": text,
        "zone?": text,
        "value": flag,
    },
}
CONFIG: Keys = {
    "allocation_interval_s?": seconds,
    "min_allocatable?": _sizes,
    "fairness_exclude?": _names,
    "filter_gpu_resources?": flag,
    "master_region?": text,
    "initialize?": flag,
    "agent_order?": one_of("id", "random"),
    "shrink_order?": one_of("sorted", "random"),
}


class Subject(NamedTuple):
    """What one subject understands: operations, kinds of expectation, options."""

    ops: Mapping[str, Keys]
    kinds: Mapping[str, Keys]
    config: Keys


_SORTER = Subject(SORTER_OPS, SORTER_KINDS, {"fairness_exclude?": _names})
SUBJECTS: Mapping[str, Subject] = {
    "allocator": Subject(ALLOCATOR_OPS, ALLOCATOR_KINDS, CONFIG),
    "sorter": _SORTER,
    "random_sorter": _SORTER,
    "weighted_shuffle": Subject(SHUFFLE_OPS, {**_ERROR, **_PROBABILITIES}, {}),
    "role_tree": Subject(ROLE_TREE_OPS, ROLE_TREE_KINDS, {}),
    "constraints": Subject(CONSTRAINTS_OPS, CONSTRAINTS_KINDS, {}),
}
SCENARIO: Keys = {
    "name": text,
    "subject": one_of(*SUBJECTS),
    "steps": list_of(anything),
    "expect": list_of(anything),
    "config?": anything,
    "topic?": text,
    "source_test?": text,
    "source_line?": count,
    "notes?": text,
}
