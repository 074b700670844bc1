"""The table of verbs: what each takes, what it answers, and the call.

Requests are read, and the OpenAPI document is made, from this table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drf.allocator import Allocator
from drf.errors import InvalidOption, StalePlan
from drf.reclaim import Plan
from drf.resources import ResourceSpace, Shape
from drf.serve import answers, kinds
from drf.serve.kinds import Kind
from drf.serve.schema import (
    Schema,
    boolean,
    by_name,
    listed,
    nullable,
    number,
    record,
)

Kinds = Mapping[str, Kind]


@dataclass(frozen=True)
class Verb:
    """One verb: arguments that it needs, in their order, and others; what it answers, None for nothing."""

    name: str
    needs: Kinds = field(default_factory=dict)
    takes: Kinds = field(default_factory=dict)
    answer: Schema | None = None
    call: Callable[..., Any] | None = None
    about: str | None = None

    @property
    def summary(self) -> str:
        """One sentence: that of the allocator, if it has no other."""
        if self.about is not None:
            return self.about
        return (inspect.getdoc(getattr(Allocator, self.name)) or "").partition("\n\n")[0]

    @property
    def schema(self) -> Schema:
        """What its arguments look like; O(arguments)."""
        needed = {key: kind.schema for key, kind in self.needs.items()}
        taken = {key: kind.schema for key, kind in self.takes.items()}
        keys = ", ".join([*needed, *taken]) or "no keys"
        return record(f"an object with {keys}", needed, taken)

    def read(
        self, given: Mapping[str, Any], space: ResourceSpace
    ) -> tuple[list[Any], dict[str, Any]]:
        """What fits the schema as the allocator takes it; O(size). Raises what reading amounts raises."""
        args, named = [], {}
        for key, kind in self.needs.items():
            args.append(given[key] if kind.read is None else kind.read(given[key], space))
        for key, kind in self.takes.items():
            if (value := given.get(key)) is not None:
                named[key] = value if kind.read is None else kind.read(value, space)
        return args, named

    def carry_out(self, allocator: Allocator, args: list[Any], named: dict[str, Any]) -> Any:
        """Make the call; what it answers, as JSON. Raises what the allocator raises."""
        if self.call is not None:
            return self.call(allocator, *args, **named)
        return getattr(allocator, self.name)(*args, **named)


def _plan_of(
    allocator: Allocator,
    framework: str,
    shape: Any,
    tasks: int = 1,
    budget_tasks: int | None = None,
    budget: Any = None,
    **more: Any,
) -> Plan:
    bound = None if budget_tasks is None and budget is None else (budget_tasks, budget)
    return allocator.plan_reclaim(framework, shape, tasks, budget=bound, **more)


def _plan(allocator: Allocator, *args: Any, **named: Any) -> Any:
    return answers.plan(_plan_of(allocator, *args, **named))


def _reclaim(allocator: Allocator, *args: Any, plan: str | None = None, **named: Any) -> Any:
    made = _plan_of(allocator, *args, **named)
    told = answers.plan(made)
    if plan not in (None, told["plan"]):
        raise StalePlan(f"plan {plan!r} would be another one by now; ask plan_reclaim again")
    allocator.reclaim(made)
    return told


def _convert_offer(allocator: Allocator, *args: Any) -> Any:
    return answers.offer(allocator.convert_offer(*args))


def _entitlement(allocator: Allocator, framework: str, shape: Any = None, **named: Any) -> Any:
    wanted = None if shape is None else Shape.of(shape, space=allocator.space)
    return answers.entitlement(allocator.entitlement(framework, wanted, **named))


def _release(allocator: Allocator, **named: Any) -> None:
    if not named:
        raise InvalidOption("say what ended: framework, agent and resources, or task")
    allocator.release(**named)


_FRAMEWORK = kinds.name("a framework")
_AGENT = kinds.name("an agent")
_ROLE = kinds.name("a role")
_REFUSAL: Kinds = {
    "refuse_seconds": kinds.seconds("how long the rest is refused"),
    "until": kinds.UNTIL,
}
_TERMS: Kinds = {
    "suppressed": kinds.names("roles"),
    "capabilities": kinds.names("capabilities, of Mesos's"),
    "min_allocatable": kinds.MINIMUMS,
    "constraints": kinds.CONSTRAINTS,
    "affinity": kinds.AFFINITY,
}
_DEMAND: Kinds = {
    "tasks": kinds.count("how many tasks", 1),
    "role": _ROLE,
    "grace": kinds.seconds("what tasks get to end"),
    "budget_tasks": kinds.count("how many tasks are taken back at most"),
    "together": kinds.flag("all tasks are made room for, or none"),
}

CHANGES: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        # agents
        Verb(
            "add_agent",
            {"name": _AGENT, "resources": kinds.AMOUNT},
            {
                "attributes": kinds.ATTRIBUTES,
                "hostname": kinds.name("a host"),
                "capabilities": kinds.names("capabilities, of Mesos's"),
                "region": kinds.name("a region"),
                "zone": kinds.name("a zone"),
                "used": kinds.USED,
                "unavailability": kinds.PLANNED,
                "short": kinds.SHORT,
            },
        ),
        Verb(
            "update_agent",
            {"name": _AGENT},
            {
                "resources": kinds.AMOUNT,
                "attributes": kinds.ATTRIBUTES,
                "capabilities": kinds.names("capabilities, of Mesos's"),
                "short": kinds.SHORT,
            },
        ),
        Verb(
            "add_resource_provider",
            {"name": _AGENT, "resources": kinds.AMOUNT},
            {"used": kinds.USED},
        ),
        Verb("convert", {"name": _AGENT, "conversions": kinds.CONVERSIONS}),
        Verb("remove_agent", {"name": _AGENT}),
        Verb("deactivate_agent", {"name": _AGENT}),
        Verb("activate_agent", {"name": _AGENT}),
        Verb("update_unavailability", {"name": _AGENT, "unavailability": kinds.PLANNED}),
        Verb("set_whitelist", {"hostnames": kinds.HOSTNAMES}),
        # frameworks and roles
        Verb(
            "add_framework",
            {"name": _FRAMEWORK},
            {"roles": kinds.names("roles"), **_TERMS, "used": kinds.USED},
        ),
        Verb(
            "update_framework",
            {"name": _FRAMEWORK, "roles": kinds.names("roles")},
            _TERMS,
            call=lambda allocator, name, roles, **terms: allocator.update_framework(
                name, roles=roles, **terms
            ),
        ),
        Verb("remove_framework", {"name": _FRAMEWORK}),
        Verb("deactivate_framework", {"name": _FRAMEWORK}),
        Verb("activate_framework", {"name": _FRAMEWORK}),
        Verb("suppress", {"name": _FRAMEWORK}, {"roles": kinds.names("roles")}),
        Verb("revive", {"name": _FRAMEWORK}, {"roles": kinds.names("roles")}),
        Verb(
            "request",
            {"name": _FRAMEWORK, "shape": kinds.AMOUNT},
            {
                "count": kinds.count("how many tasks wait"),
                "role": _ROLE,
                "since": kinds.SINCE,
                "where": kinds.WHERE,
                "together": kinds.flag("they start together"),
                "duration": kinds.seconds("how long one runs at most"),
            },
        ),
        Verb("update_weights", {"weights": kinds.WEIGHTS}),
        Verb(
            "update_quota",
            {"role": _ROLE},
            {"guarantees": kinds.AMOUNT, "limits": kinds.LIMITS},
        ),
        # answers
        Verb(
            "accept",
            {"offer": kinds.OFFER},
            {"used": kinds.AMOUNT, "tasks": kinds.TASKS, **_REFUSAL},
        ),
        Verb("decline", {"offer": kinds.OFFER}, {"refuse": kinds.AMOUNT, **_REFUSAL}),
        Verb(
            "convert_offer",
            {"offer": kinds.OFFER, "conversions": kinds.CONVERSIONS},
            answer=answers.OFFER,
            call=_convert_offer,
        ),
        Verb(
            "release",
            {},
            {
                "framework": _FRAMEWORK,
                "agent": _AGENT,
                "resources": kinds.AMOUNT,
                "role": _ROLE,
                "task": kinds.name("a task"),
            },
            call=_release,
        ),
        Verb(
            "adopt_task",
            {
                "name": kinds.name("a task"),
                "framework": _FRAMEWORK,
                "agent": _AGENT,
                "spec": kinds.SPEC,
            },
            {"role": _ROLE, "started": kinds.seconds("when it began")},
        ),
        Verb(
            "answer_inverse_offer",
            {"name": _AGENT, "framework": _FRAMEWORK, "status": kinds.STATUS},
            {"refuse_seconds": kinds.seconds("how long further ones are refused")},
        ),
        Verb(
            "reclaim",
            {"framework": _FRAMEWORK, "shape": kinds.AMOUNT},
            {
                **_DEMAND,
                "budget": kinds.AMOUNT,
                "plan": kinds.name("a plan, as plan_reclaim has it"),
            },
            answer=answers.PLAN,
            call=_reclaim,
            about=(
                "Take offers and tasks back so that tasks of the framework fit, as plan_reclaim says it; with `plan`, "
                "that plan or nothing."
            ),
        ),
        # fail-over, time and decisions
        Verb(
            "recover",
            {"expected_agents": kinds.count("how many agents come back"), "quotas": kinds.QUOTAS},
        ),
        Verb("pause"),
        Verb("resume"),
        Verb("advance", {"now": kinds.seconds("the time")}),
        Verb("run", answer=nullable(answers.DECISIONS)),
    )
}
"""What changes the state, by name; all but ``run`` is what a journal keeps."""

QUESTIONS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "overview", answer=answers.OVERVIEW, about="Who is there, with what, and open offers."
        ),
        Verb(
            "open_offers",
            answer=answers.OPEN,
            about="All offers that wait for an answer, and where the stream of decisions stands.",
        ),
        Verb(
            "holdings",
            {"framework": _FRAMEWORK},
            answer=listed(answers.HOLDING, "what it has"),
            call=lambda allocator, name: [answers.holding(h) for h in allocator.holdings(name)],
        ),
        Verb(
            "tasks",
            {},
            {"framework": _FRAMEWORK, "agent": _AGENT},
            answer=listed(answers.TASK, "tasks"),
            call=lambda allocator, **of: [answers.task(task) for task in allocator.tasks(**of)],
        ),
        Verb(
            "share",
            {"framework": _FRAMEWORK},
            {"role": _ROLE},
            answer=nullable(number("a share, null for one without bound")),
            call=lambda allocator, *args, **of: answers.finite(allocator.share(*args, **of)),
        ),
        Verb(
            "why",
            {"framework": _FRAMEWORK},
            {"change": kinds.flag("changes are tried, which costs a run each (default: true)")},
            answer=answers.WHY,
            call=lambda allocator, *args, **of: answers.why(allocator.why(*args, **of)),
        ),
        Verb(
            "entitlement",
            {"framework": _FRAMEWORK},
            {"shape": kinds.LINE, "role": _ROLE},
            answer=answers.ENTITLEMENT,
            call=_entitlement,
        ),
        Verb(
            "starving",
            {},
            {"at_least": kinds.count("in how many runs", 1)},
            answer=listed(answers.STARVING, "who was passed over"),
            call=lambda allocator, **of: [answers.starving(s) for s in allocator.starving(**of)],
        ),
        Verb(
            "plan_reclaim",
            {"framework": _FRAMEWORK, "shape": kinds.LINE},
            {**_DEMAND, "budget": kinds.LINE},
            answer=answers.PLAN,
            call=_plan,
        ),
        Verb(
            "inverse_offer_statuses",
            answer=by_name(by_name({"type": "string"}, "by framework"), "by agent"),
            call=lambda allocator: {
                agent: dict(said) for agent, said in allocator.inverse_offer_statuses().items()
            },
        ),
        Verb("next_deadline", answer=nullable(number("a time in seconds"))),
        Verb(
            "metrics",
            answer=answers.METRICS,
            call=lambda allocator: answers.metrics(allocator.metrics()),
        ),
        Verb(
            "snapshot",
            answer={"type": "object", "description": "a snapshot"},
        ),
        Verb(
            "check",
            answer=boolean("true"),
            call=lambda allocator: allocator.check() is None,
        ),
    )
}
"""What is asked, by name: arguments come in the query of the address."""

SCHEMAS: dict[str, Schema] = {
    name: verb.schema for table in (CHANGES, QUESTIONS) for name, verb in table.items()
}
"""What the arguments of each look like."""


def from_query(verb: Verb, query: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a question out of the query, each read as its schema has it; O(arguments). Raises Malformed."""
    out: dict[str, Any] = {}
    kinds_of = {**verb.needs, **verb.takes}
    for key, text in query.items():
        kind = kinds_of.get(key)
        out[key] = text if kind is None else _typed(text, kind.schema["type"])
    return out


def _typed(text: str, kind: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else text
    except ValueError:
        return text
