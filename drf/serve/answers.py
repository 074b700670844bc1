"""What the server answers, as JSON: each form beside its schema.

An amount is an object of numbers by name (``resources``), which is all that most clients need. Where it holds more
than plain numbers (ranges, sets, what is reserved or revocable), the exact objects stand beside it (``objects``), as a
list that every verb takes back.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from drf.audit import AgentInfo, FrameworkInfo, Overview, RoleInfo
from drf.explain import Entitlement, Standing, Why
from drf.notation import item_to_json
from drf.offers import Decisions, Offer, Reclaim
from drf.plugins import InverseOffer
from drf.reclaim import Fit, Plan, Rescind
from drf.resources import Resources, Shape
from drf.serve.schema import (
    Schema,
    boolean,
    by_name,
    component,
    integer,
    listed,
    nullable,
    number,
    record,
    text,
)
from drf.starvation import Starving
from drf.tasks import Task

_NAME: Schema = {"type": "string", "description": "a name"}
_TEXT: Schema = {"type": "string", "description": "text"}
_NUMBERS = by_name(number("a number"), "numbers by name")
_WORDS = listed(_NAME, "names")
_TIME = number("a time in seconds")

_AMOUNT = {
    "resources": by_name(number("an amount"), "amounts by name; ranges and sets are not in it")
}
_EXACT = {
    "objects": listed(
        {"$ref": "#/components/schemas/ResourceObject"},
        "the same exactly, where it holds more than plain numbers",
    )
}


def amount(resources: Resources) -> dict[str, Any]:
    """An amount; O(objects)."""
    space = resources.space
    out: dict[str, Any] = {
        "resources": {name: space.to_amount(name, q) for name, q in resources.quantities().items()}
    }
    if not resources.is_plain or len(resources.units) < len(resources):
        out["objects"] = [item_to_json(item, space) for item in resources.objects()]
    return out


def finite(value: float | None) -> float | None:
    """The number, None where it has no bound."""
    return value if value is not None and math.isfinite(value) else None


_SHAPE = record(
    "tasks of one shape",
    {**_AMOUNT, "count": integer("how many")},
    {
        **_EXACT,
        "where": by_name(_WORDS, "allowed values by attribute"),
        "duration": number("seconds that one runs at most"),
    },
)


def _tasks_of(shape: Shape, count: int) -> dict[str, Any]:
    out = {**amount(shape.resources), "count": count}
    if shape.where:
        out["where"] = {name: sorted(values) for name, values in shape.where}
    if shape.duration is not None:
        out["duration"] = shape.duration
    return out


OFFER = component(
    "Offer",
    record(
        "an open offer: so much of one agent, for one framework in one role",
        {
            "id": integer("its id"),
            "framework": _NAME,
            "role": _NAME,
            "agent": _NAME,
            **_AMOUNT,
        },
        {
            **_EXACT,
            "tasks": listed(_SHAPE, "the requested tasks that it was cut for"),
            "group": integer("the id of the first of those that were made together"),
            "expires": _TIME,
            "max_duration": number("seconds that a task on it may run at most"),
        },
    ),
)


def offer(made: Offer) -> dict[str, Any]:
    """An offer; what does not apply is left out; O(objects)."""
    out = {
        "id": made.id,
        "framework": made.framework,
        "role": made.role,
        "agent": made.agent,
        **amount(made.resources),
    }
    if made.tasks:
        out["tasks"] = [_tasks_of(shape, count) for shape, count in made.tasks]
    for key in ("group", "expires", "max_duration"):
        if (value := getattr(made, key)) is not None:
            out[key] = value
    return out


_INVERSE = record(
    "a request to leave an agent",
    {"framework": _NAME, "agent": _NAME, "start": _TIME, "duration": nullable(number("seconds"))},
)

_RECLAIM = record(
    "a task that must end by the deadline: end it, then release it",
    {
        "task": _NAME,
        "framework": _NAME,
        "role": _NAME,
        "agent": _NAME,
        **_AMOUNT,
        "deadline": _TIME,
        "reason": _TEXT,
    },
    _EXACT,
)


def _reclaim(taken: Reclaim) -> dict[str, Any]:
    return {**taken._asdict(), **amount(taken.resources)}


def _inverse(asked: InverseOffer) -> dict[str, Any]:
    return {
        "framework": asked.framework,
        "agent": asked.agent,
        "start": asked.start,
        "duration": asked.duration,
    }


DECISIONS = component(
    "Decisions",
    record(
        "what one run decided",
        {
            "id": text("where in the stream of decisions it stands"),
            "now": _TIME,
            "offers": listed(OFFER, "new offers"),
            "rescinds": listed(integer("the id of an offer"), "offers that ended unanswered"),
            "inverse_offers": listed(_INVERSE, "requests to leave agents"),
            "reclaims": listed(_RECLAIM, "tasks that must end"),
        },
    ),
)


def decisions(made: Decisions, number: str, now: float) -> dict[str, Any]:
    """A message of the stream; O(offers)."""
    return {
        "id": number,
        "now": now,
        "offers": [offer(each) for each in made.offers],
        "rescinds": list(made.rescinds),
        "inverse_offers": [_inverse(asked) for asked in made.inverse_offers],
        "reclaims": [_reclaim(taken) for taken in made.reclaims],
    }


_FIT = record("room for tasks", {"agent": _NAME, "tasks": integer("how many"), **_AMOUNT}, _EXACT)
_RESCIND = record(
    "an offer to take back",
    {"offer": integer("its id"), "framework": _NAME, "role": _NAME, "agent": _NAME, **_AMOUNT},
    _EXACT,
)

PLAN = component(
    "Plan",
    record(
        "what a reclaim takes back; `plan` names it",
        {
            "plan": text("hand it to reclaim, which then does that or nothing"),
            "free": listed(_FIT, "room that is free already"),
            "rescinds": listed(_RESCIND, "offers to take back"),
            "reclaims": listed(_RECLAIM, "tasks to take back"),
            "claims": listed(_FIT, "room that is kept after that"),
            "missing": integer("tasks for which no room can fairly be made"),
            "text": _TEXT,
        },
    ),
)


def plan(made: Plan) -> dict[str, Any]:
    """A plan of a reclaim, with a name that another plan does not have; O(size)."""
    reclaims = [_reclaim(taken) for taken in made.reclaims]
    deeds: dict[str, Any] = {
        "free": [_fit(fit) for fit in made.free],
        "rescinds": [_rescind(one) for one in made.rescinds],
        "claims": [_fit(fit) for fit in made.claims],
        "missing": made.missing,
    }
    whole = [repr(made.demand), deeds, [taken.task for taken in made.reclaims]]  # whatever the time
    digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    deeds["reclaims"] = reclaims
    return {"plan": digest[:16], **deeds, "text": str(made)}


def _fit(fit: Fit) -> dict[str, Any]:
    return {"agent": fit.agent, "tasks": fit.tasks, **amount(fit.resources)}


def _rescind(one: Rescind) -> dict[str, Any]:
    return {**one._asdict(), **amount(one.resources)}


HOLDING = record(
    "what a framework has on an agent",
    {
        "agent": _NAME,
        "role": _NAME,
        "held": boolean("true: it is used; false: it is in an open offer"),
        **_AMOUNT,
    },
    _EXACT,
)


def holding(entry: tuple[str, str, Resources, bool]) -> dict[str, Any]:
    """One entry of `holdings`; O(objects)."""
    agent, role, resources, held = entry
    return {"agent": agent, "role": role, "held": held, **amount(resources)}


TASK = record(
    "a named task that runs",
    {
        "name": _NAME,
        "framework": _NAME,
        "role": _NAME,
        "agent": _NAME,
        **_AMOUNT,
        "started": _TIME,
        "duration": nullable(number("seconds that it may run at most")),
        "min_runtime": number("seconds in which it is not taken back"),
        "priority": integer("the lowest are taken back first"),
    },
    _EXACT,
)


def task(running: Task) -> dict[str, Any]:
    """A task; O(objects)."""
    return {**running._asdict(), **amount(running.resources)}


_AHEAD = record(
    "who is asked before",
    {
        "name": _NAME,
        "share": nullable(number("its share")),
        "by": nullable(number("by how much less")),
    },
)

_STANDING = record(
    "a framework in one role",
    {
        "role": _NAME,
        "shares": by_name(nullable(number("a share")), "shares by resource"),
        "dominant": nullable(_NAME),
        "rank": nullable(integer("how many are asked before it")),
        "silent": nullable(_TEXT),
        "roles_ahead": listed(_AHEAD, "roles that are asked before"),
        "frameworks_ahead": listed(_AHEAD, "frameworks that are asked before"),
        "obstacles": by_name(
            record(
                "what keeps an agent from it",
                {"rule": _TEXT, "detail": _TEXT, "until": nullable(_TIME)},
            ),
            "obstacles by agent",
        ),
        "open": _WORDS,
        "change": nullable(_TEXT),
        "stands_in_the_way": nullable(_TEXT),
    },
)

WHY = component(
    "Why",
    record(
        "why a framework sees the offers it sees; `text` says it in sentences",
        {"framework": _NAME, "standings": listed(_STANDING, "one a role"), "text": _TEXT},
    ),
)


def why(found: Why) -> dict[str, Any]:
    """Why a framework sees what it sees; O(agents)."""
    return {
        "framework": found.framework,
        "standings": [_standing(one) for one in found.standings],
        "text": str(found),
    }


def _standing(one: Standing) -> dict[str, Any]:
    return {
        "role": one.role,
        "shares": {name: finite(share) for name, share in one.shares.items()},
        "dominant": one.dominant,
        "rank": one.rank,
        "silent": one.silent,
        "roles_ahead": [_ahead(*each) for each in one.roles_ahead],
        "frameworks_ahead": [_ahead(*each) for each in one.frameworks_ahead],
        "obstacles": {agent: obstacle._asdict() for agent, obstacle in one.obstacles.items()},
        "open": list(one.open),
        "change": None if one.change is None else str(one.change),
        "stands_in_the_way": one.stands_in_the_way,
    }


def _ahead(name: str, share: float, by: float) -> dict[str, Any]:
    return {"name": name, "share": finite(share), "by": finite(by)}


ENTITLEMENT = record(
    "what a framework would get if it wanted tasks without end; `text` says it in a sentence",
    {
        "framework": _NAME,
        "role": _NAME,
        "resources": _NUMBERS,
        "share": nullable(number("its dominant share then")),
        "held": _NUMBERS,
        "held_share": nullable(number("its dominant share now")),
        "fair_share": number("its weighted equal part"),
        "text": _TEXT,
    },
)


def entitlement(found: Entitlement) -> dict[str, Any]:
    """What is due; O(resources)."""
    return {
        "framework": found.framework,
        "role": found.role,
        "resources": amount(found.resources)["resources"],
        "share": finite(found.share),
        "held": amount(found.held)["resources"],
        "held_share": finite(found.held_share),
        "fair_share": found.fair_share,
        "text": str(found),
    }


STARVING = record(
    "who was passed over; `text` says it in a sentence",
    {
        "framework": _NAME,
        "role": _NAME,
        "runs": integer("in how many runs"),
        "since": nullable(_TIME),
        "offered": by_name(integer("offers"), "who was offered something, how often"),
        "declined": by_name(integer("offers"), "who declined how many of these"),
        "rules": by_name(integer("agents"), "which rules keep how many agents from it"),
        "text": _TEXT,
    },
)


def starving(found: Starving) -> dict[str, Any]:
    """Who was passed over; O(frameworks)."""
    return {
        "framework": found.framework,
        "role": found.role,
        "runs": found.runs,
        "since": found.since,
        "offered": dict(found.offered),
        "declined": dict(found.declined),
        "rules": dict(found.rules),
        "text": str(found),
    }


OPEN = record(
    "open offers, and where the stream stands",
    {
        "decisions": text("go on with the stream of decisions after this id"),
        "offers": listed(OFFER, "open offers, oldest first"),
    },
)

OVERVIEW = component(
    "Overview",
    record(
        "who is there, by name",
        {
            "now": _TIME,
            "policy": _NAME,
            "events": integer("how many events were carried out"),
            "decisions": text("the id of the last decisions"),
            "offers": listed(OFFER, "open offers, oldest first"),
            "agents": listed(
                record(
                    "an agent, with what it has, and what of it is offered and held",
                    {
                        "name": _NAME,
                        "hostname": _NAME,
                        "active": boolean("false: it is offered no more"),
                        "total": _NUMBERS,
                        "offered": _NUMBERS,
                        "held": _NUMBERS,
                        "attributes": by_name(_TEXT, "attributes as text"),
                        "unavailability": nullable(
                            record("maintenance", {"start": _TIME, "duration": nullable(_TIME)})
                        ),
                    },
                ),
                "agents",
            ),
            "frameworks": listed(
                record(
                    "a framework, with its largest share",
                    {
                        "name": _NAME,
                        "active": boolean("false: its scheduler is away"),
                        "roles": _WORDS,
                        "suppressed": _WORDS,
                        "share": nullable(number("its dominant share, offers included")),
                        "waiting": integer("requested tasks that are not launched"),
                    },
                ),
                "frameworks",
            ),
            "roles": listed(
                record(
                    "a role",
                    {
                        "name": _NAME,
                        "weight": number("its weight"),
                        "share": nullable(number("its dominant share, divided by its weight")),
                        "guarantees": _NUMBERS,
                        "limits": _NUMBERS,
                    },
                ),
                "roles",
            ),
        },
    ),
)


def overview(found: Overview) -> dict[str, Any]:
    """Who is there; O(state)."""
    return {
        "agents": [_agent(one) for one in found.agents],
        "frameworks": [_framework(one) for one in found.frameworks],
        "roles": [_role(one) for one in found.roles],
    }


def _agent(one: AgentInfo) -> dict[str, Any]:
    planned = one.unavailability
    return {
        "name": one.name,
        "hostname": one.hostname,
        "active": one.active,
        "total": amount(one.total)["resources"],
        "offered": amount(one.offered)["resources"],
        "held": amount(one.held)["resources"],
        "attributes": {name: str(value) for name, value in reversed(one.attributes)},
        "unavailability": None
        if planned is None
        else {"start": planned[0], "duration": planned[1]},
    }


def _framework(one: FrameworkInfo) -> dict[str, Any]:
    return {
        **one._asdict(),
        "roles": list(one.roles),
        "suppressed": list(one.suppressed),
        "share": finite(one.share),
    }


def _role(one: RoleInfo) -> dict[str, Any]:
    return {
        **one._asdict(),
        "share": finite(one.share),
        "guarantees": dict(one.guarantees),
        "limits": dict(one.limits),
    }


METRICS = by_name(nullable(number("a figure")), "figures under Mesos's names")


def metrics(found: Mapping[str, float]) -> dict[str, Any]:
    """Figures; O(of them)."""
    return {name: finite(value) for name, value in found.items()}


ERROR = component(
    "Error",
    record(
        "what went wrong; the state is as it was",
        {
            "error": record(
                "what went wrong",
                {"kind": text("the kind of error"), "message": text("what, and what to do")},
            )
        },
    ),
)
