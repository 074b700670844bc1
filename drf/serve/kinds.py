"""What the arguments of verbs look like in JSON, and how each becomes what the allocator takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from drf.constraints import PREDICATES, PSEUDO
from drf.filters import FREED
from drf.resources import Resources, ResourceSpace
from drf.serve.schema import (
    Schema,
    boolean,
    by_name,
    component,
    either,
    integer,
    listed,
    nullable,
    number,
    record,
    text,
)
from drf.tasks import TaskSpec

LATEST = 1e12
"""Seconds: times and lengths of time up to this are told apart to the millisecond."""

Read = Callable[[Any, ResourceSpace], Any]


class Kind(NamedTuple):
    """One kind of argument: its schema, and how it is read once it fits; None: as it is."""

    schema: Schema
    read: Read | None = None


def _whole(value: Any, _: ResourceSpace) -> int:
    return int(value)  # to JSON 3.0 is a whole number too


def _amount(value: Any, space: ResourceSpace) -> Any:
    if isinstance(value, list):
        return Resources.from_json([_present(entry) for entry in value], space=space)
    return value


def _present(value: Any) -> Any:
    """Without keys that are null."""
    if isinstance(value, dict):
        return {key: _present(entry) for key, entry in value.items() if entry is not None}
    return [_present(entry) for entry in value] if isinstance(value, list) else value


def _as_given(value: Any, _: ResourceSpace) -> Any:
    return _present(value)


def name(what: str) -> Kind:
    """The name of something."""
    return Kind(text(f"the name of {what}, text of at least one character"))


def names(what: str) -> Kind:
    """Several names."""
    return Kind(listed(text("a name, text of at least one character"), f"a list of {what}"))


def seconds(what: str) -> Kind:
    """A time or a length of time."""
    return Kind(number(f"{what}, in seconds, 0 to 1e12", minimum=0, maximum=LATEST))


def count(what: str, least: int = 0) -> Kind:
    """How many."""
    described = f"{what}, a whole number, {least} or more"
    return Kind(integer(described, minimum=least, maximum=10**6), _whole)


def flag(what: str) -> Kind:
    """Yes or no."""
    return Kind(boolean(f"whether {what}, true or false"))


_VALUE = component(
    "Value",
    either(
        "a number, ranges like [[31000, 32000]], or a list of words",
        number("a number, 0 or more", minimum=0),
        listed(
            listed(integer("an end of a range", minimum=0), "a range", minItems=2, maxItems=2),
            "ranges like [[31000, 32000]]",
        ),
        listed(text("a word"), "a list of words"),
    ),
)

_RESERVATION = record(
    "a reservation: the role, 'static' or 'dynamic', who made it, labels",
    {"role": text("a role")},
    {
        "type": {"enum": ["static", "dynamic"], "description": "'static' or 'dynamic'"},
        "principal": text("who made it"),
        "labels": by_name({"type": "string", "description": "text"}, "labels, text by name"),
    },
)

_OBJECT = component(
    "ResourceObject",
    record(
        "a resource object: name and value, and what it carries beside (reservations, revocable, ...)",
        {"name": text("the name of a resource"), "value": _VALUE},
        {
            "reservations": listed(_RESERVATION, "reservations, the outermost first"),
            "revocable": boolean("true or false"),
            "shared": boolean("true or false"),
            "count": integer("how many copies of a shared object, 1 or more", minimum=1),
            "disk": record(
                "a disk",
                {},
                {
                    "source": {
                        "enum": ["PATH", "MOUNT", "RAW", "BLOCK"],
                        "description": "PATH, MOUNT, RAW or BLOCK",
                    },
                    "persistence": text("the id of a volume"),
                    "root": text("a path"),
                },
            ),
            "provider": text("the name of a resource provider"),
            "longest": number(
                "seconds that a task on it may run at most, above 0, to 1e12",
                exclusiveMinimum=0,
                maximum=LATEST,
            ),
        },
    ),
)

_PLAIN = by_name(_VALUE, "an object of amounts by name, like {'cpus': 4, 'mem': 8192}")

RESOURCES = component(
    "Resources",
    either(
        "an amount: text like 'cpus:4;mem:8192', an object like {'cpus': 4}, or a list of resource objects",
        {"type": "string", "description": "text like 'cpus:4;mem:8192'"},
        _PLAIN,
        listed(_OBJECT, "a list of resource objects"),
    ),
)

AMOUNT = Kind(RESOURCES, _amount)

LINE = Kind(text("an amount, text like 'cpus:4;mem:8192'"))

UNTIL = Kind(
    either(
        "'freed', or the amount of which more must be free",
        {"const": FREED, "type": "string", "description": "'freed'"},
        RESOURCES,
    ),
    _amount,
)

OFFER = Kind(integer("the id of an offer, a whole number", minimum=1), _whole)

ATTRIBUTES = Kind(
    by_name(
        either("text or a number", {"type": "string"}, number("a number")),
        "an object of attributes, each text or a number",
    )
)

USED = Kind(
    by_name(
        by_name(RESOURCES, "an object of amounts by role"),
        "what runs already: an object of agents or frameworks, in each amounts by role",
    ),
    lambda value, space: {
        where: {role: _amount(amount, space) for role, amount in by_role.items()}
        for where, by_role in value.items()
    },
)

PLANNED = Kind(
    nullable(
        record(
            "planned maintenance: start, and duration (left out: for good), in seconds",
            {"start": number("a time in seconds, 0 to 1e12", minimum=0, maximum=LATEST)},
            {"duration": number("seconds, 0 to 1e12", minimum=0, maximum=LATEST)},
        )
    ),
    lambda value, _: None if value is None else (value["start"], value.get("duration")),
)

SHORT = Kind(
    record(
        "an amount for short tasks, and how many seconds they may run",
        {
            "resources": RESOURCES,
            "longest": number("seconds above 0, to 1e12", exclusiveMinimum=0, maximum=LATEST),
        },
    ),
    lambda value, space: (_amount(value["resources"], space), value["longest"]),
)


def _spec(value: Mapping[str, Any], space: ResourceSpace) -> TaskSpec:
    given = _present(value) | {"resources": _amount(value["resources"], space)}
    if "priority" in given:
        given["priority"] = int(given["priority"])
    return TaskSpec(**given)


SPEC = Kind(
    component(
        "TaskSpec",
        record(
            "a task: its resources, duration, min_runtime (seconds) and priority",
            {"resources": RESOURCES},
            {
                "duration": number(
                    "the longest it may run, seconds above 0, to 1e12",
                    exclusiveMinimum=0,
                    maximum=LATEST,
                ),
                "min_runtime": number(
                    "seconds in which it is not taken back, 0 to 1e12", minimum=0, maximum=LATEST
                ),
                "priority": integer(
                    "the lowest are taken back first, a whole number",
                    minimum=-(2**53),
                    maximum=2**53,
                ),
            },
        ),
    ),
    _spec,
)

TASKS = Kind(
    by_name(SPEC.schema, "an object of tasks by name"),
    lambda value, space: {task: _spec(spec, space) for task, spec in value.items()},
)

CONVERSIONS = Kind(
    listed(
        record(
            "what is consumed, and what it becomes",
            {"consumed": RESOURCES, "converted": RESOURCES},
        ),
        "a list of conversions",
        minItems=1,
    ),
    lambda value, space: [
        (_amount(one["consumed"], space), _amount(one["converted"], space)) for one in value
    ],
)

MINIMUMS = Kind(
    either(
        "a list of amounts of which an offer must reach one, or an object of such lists by role",
        listed(RESOURCES, "a list of amounts"),
        by_name(listed(RESOURCES, "a list of amounts"), "an object of lists of amounts by role"),
    ),
    lambda value, space: (
        {role: [_amount(one, space) for one in sets] for role, sets in value.items()}
        if isinstance(value, dict)
        else [_amount(one, space) for one in value]
    ),
)

CONSTRAINTS = Kind(
    by_name(
        listed(
            listed(
                record(
                    "a constraint: a selector and a predicate",
                    {
                        "selector": record(
                            "{'attribute': name} or {'pseudo': one of HOSTNAME, REGION, ZONE}",
                            {},
                            {
                                "attribute": text("the name of an attribute"),
                                "pseudo": {
                                    "enum": list(PSEUDO),
                                    "description": ", ".join(PSEUDO),
                                },
                            },
                        ),
                        "predicate": record(
                            "a type and, for text_..., a value",
                            {
                                "type": {
                                    "enum": list(PREDICATES),
                                    "description": ", ".join(PREDICATES),
                                }
                            },
                            {"value": {"type": "string", "description": "text"}},
                        ),
                    },
                ),
                "a group of constraints",
            ),
            "a list of groups",
        ),
        "an object of groups of constraints by role",
    ),
    _as_given,
)

AFFINITY = Kind(
    record(
        "near whom (near) and apart from whom (apart), within which attribute (within)",
        {},
        {
            "near": names("frameworks").schema,
            "apart": names("frameworks").schema,
            "within": text("the name of an attribute"),
        },
    ),
    _as_given,
)

SINCE = Kind(
    either(
        "when they began to wait: a time for all, or a list of one a task",
        number("a time in seconds, 0 to 1e12", minimum=0, maximum=LATEST),
        listed(
            number("a time in seconds, 0 to 1e12", minimum=0, maximum=LATEST), "a list of times"
        ),
    )
)

WHERE = Kind(
    by_name(names("allowed values").schema, "an object of allowed values by attribute"),
)

WEIGHTS = Kind(
    by_name(number("a number above 0", exclusiveMinimum=0), "an object of weights by role")
)

LIMITS = Kind(by_name(number("a number, 0 or more", minimum=0), "an object of limits by resource"))

QUOTAS = Kind(
    by_name(
        record(
            "a quota: guarantees and limits",
            {},
            {"guarantees": RESOURCES, "limits": LIMITS.schema},
        ),
        "an object of quotas by role",
    ),
    lambda value, space: {
        role: {
            key: _amount(entry, space) if key == "guarantees" else entry
            for key, entry in quota.items()
            if entry is not None
        }
        for role, quota in value.items()
    },
)

HOSTNAMES = Kind(nullable(listed(text("a host name"), "a list of host names")))

STATUS = Kind(
    nullable({"enum": ["ACCEPT", "DECLINE"], "description": "'ACCEPT' or 'DECLINE'"}),
)
