"""Every event and decision of an allocator as a JSON line, and the way back: replay.

A journal's first line says how the allocator was made, each further one holds a verb with its arguments, or what a run
decided. The same lines give the same decisions, on either kernel. Nothing here opens a file: lines go to a function and
come from any iterable.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from drf.affinity import Affinity
from drf.allocator import Allocator
from drf.constraints import OfferConstraints
from drf.errors import DRFError, InputError, InvalidOption
from drf.offers import Decisions, Offer
from drf.plugins import AllocatorPlugin, Observer, Policy, Scorer
from drf.reclaim import Demand, Plan
from drf.resources import Resources, Shape
from drf.tasks import TaskSpec
from drf.units import ResourceSpace

VERSION = 1

VERBS = (
    "accept",
    "activate_agent",
    "activate_framework",
    "add_agent",
    "add_framework",
    "add_resource_provider",
    "adopt_task",
    "advance",
    "answer_inverse_offer",
    "convert",
    "convert_offer",
    "deactivate_agent",
    "deactivate_framework",
    "decline",
    "pause",
    "reclaim",
    "recover",
    "release",
    "remove_agent",
    "remove_framework",
    "request",
    "resume",
    "revive",
    "set_whitelist",
    "suppress",
    "update_agent",
    "update_framework",
    "update_quota",
    "update_unavailability",
    "update_weights",
)
"""What a journal keeps; a call that raised changed nothing and is not kept."""


class JournaledAllocator(Allocator):
    """An allocator that hands every event and decision, as a line of JSON, to ``write``.

    >>> lines = []
    >>> a = JournaledAllocator(lines.append, interval=None)
    >>> a.add_agent("m", "cpus:2")
    >>> a.add_framework("f")
    >>> a.decline(a.run().offers[0], refuse_seconds=10)
    >>> print(lines[-1])
    {"do": "decline", "args": [1], "with": {"refuse_seconds": 10}}
    >>> replay(lines).differences
    []

    The policy is a name, other options as `drf.Allocator`; the seed of its draws is kept too. O(line) more a call.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        policy: str = "drf",
        *,
        space: ResourceSpace | None = None,
        observers: Iterable[str | Observer] = (),
        **options: Any,
    ) -> None:
        if not isinstance(policy, str):
            raise InvalidOption(f"policy is {policy!r}; a journal needs its name, to make it again")
        super().__init__(policy, space=space, observers=observers, **options)
        self._write = write
        head: dict[str, Any] = {"drf": VERSION, "policy": policy, "with": _plain(options)}
        if space is not None:
            head["space"] = {"scale": space.scales, "default": space.default}
        write(json.dumps(head))

    @classmethod
    def restore(
        cls,
        snapshot: Mapping[str, Any],
        write: Callable[[str], object] | None = None,
        *,
        policy: Policy | None = None,
        scorer: Scorer | None = None,
        plugin: AllocatorPlugin | None = None,
        observers: Iterable[str | Observer] = (),
    ) -> Self:
        """Begin a new journal at a snapshot, which is its first line; O(state). Raises as `Allocator.restore`."""
        if write is None:
            raise InvalidOption("a journal goes on somewhere; give a function for its lines")
        if (policy, scorer, plugin) != (None, None, None):
            raise InvalidOption(
                "a journal is carried out by names alone; leave policy, scorer and plugin out"
            )
        new = super().restore(snapshot, observers=observers)
        new._write = write
        write(_opening(snapshot))
        return new

    def checkpoint(self) -> str:
        """The first line of a journal that goes on from here, so that the lines before it can go; O(state)."""
        return _opening(self.snapshot())

    def run(self) -> Decisions:
        """Decide, and write down what was decided."""
        decisions = super().run()
        self._write(json.dumps({"run": _decided(decisions)}))
        return decisions

    def decline_many(
        self, offers: Iterable[Offer | int], *, refuse_seconds: float | None = None
    ) -> None:
        """Decline all of them, and write down each."""
        numbers = [self._book.get(offer)[0] for offer in offers]
        firsts, all_of_them = [], set[int]()  # of those made together one stands for all
        for number in numbers:
            if number not in all_of_them:
                firsts.append(number)
                all_of_them.update(n for n, _ in self._book.together(*self._book.get(number)))
        super().decline_many(numbers, refuse_seconds=refuse_seconds)
        given = {} if refuse_seconds is None else {"with": {"refuse_seconds": refuse_seconds}}
        for number in firsts:
            self._write(json.dumps({"do": "decline", "args": [number], **given}))


def _opening(snapshot: Mapping[str, Any]) -> str:
    return json.dumps({"drf": VERSION, "snapshot": snapshot})


def _journaled(verb: str) -> Callable[..., Any]:
    plain = getattr(Allocator, verb)

    @functools.wraps(plain)
    def written(self: JournaledAllocator, *args: Any, **kwargs: Any) -> Any:
        answer = plain(self, *args, **kwargs)
        line: dict[str, Any] = {"do": verb, "args": _plain(args)}
        if kwargs:
            line["with"] = _plain(kwargs)
        self._write(json.dumps(line))
        return answer

    return written


for _verb in VERBS:
    setattr(JournaledAllocator, _verb, _journaled(_verb))


def _plain(value: Any) -> Any:
    """The value as JSON holds it; what JSON has not, as an object with one marked key."""
    if isinstance(value, Resources):
        return {"$resources": value.to_json()}
    if isinstance(value, Shape):
        where = [[name, sorted(values)] for name, values in value.where]
        bound = [] if value.duration is None else [value.duration]
        return {"$shape": [value.resources.to_json(), where, *bound]}
    if isinstance(value, Plan):
        return _plain(value.demand._asdict())  # made anew where it is carried out again
    if isinstance(value, TaskSpec):
        return {"$task": [_plain(entry) for entry in value]}
    if isinstance(value, Offer):
        return value.id
    if isinstance(value, (OfferConstraints, Affinity)):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if callable(value):
        raise InvalidOption(
            f"{value!r} has no name; a journal needs names, to make an allocator again"
        )
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple, range)):
        return [_plain(entry) for entry in value]
    return value


def _rich(value: Any, space: ResourceSpace) -> Any:
    """Back again."""
    if isinstance(value, dict):
        if "$resources" in value:
            return Resources.from_json(value["$resources"], space=space)
        if "$shape" in value:
            amount, where, *bound = value["$shape"]
            return Shape(
                Resources.from_json(amount, space=space),
                tuple((name, frozenset(values)) for name, values in where),
                *bound,
            )
        if "$task" in value:
            return TaskSpec(*(_rich(entry, space) for entry in value["$task"]))
        return {key: _rich(entry, space) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rich(entry, space) for entry in value]
    return value


def _decided(decisions: Decisions) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if decisions.offers:
        out["offers"] = [
            [o.id, o.framework, o.role, o.agent, o.resources.to_json()] for o in decisions.offers
        ]
    if decisions.rescinds:
        out["rescinds"] = list(decisions.rescinds)
    if decisions.reclaims:
        out["reclaims"] = [
            [_plain(entry) for entry in reclaim._replace(resources=reclaim.resources.to_json())]
            for reclaim in decisions.reclaims
        ]
    if decisions.inverse_offers:
        out["inverse_offers"] = [list(inverse) for inverse in decisions.inverse_offers]
    return out


@dataclass(frozen=True)
class Difference:
    """A run that decided something else than the journal says: line number, what it says, what came out."""

    line: int
    recorded: Mapping[str, Any]
    replayed: Mapping[str, Any]


@dataclass
class Replay:
    """What a replay found.

    ``differences`` are empty where the same policy decided the same. With another policy ``recorded`` and ``replayed``
    count the offers of each framework, ``left_out`` the recorded calls that had no place (an answer to an offer that
    was not made, the end of work that was not started). ``torn``: the last line was cut off and left out.
    """

    allocator: Allocator
    policy: str
    events: int = 0
    runs: int = 0
    differences: list[Difference] = field(default_factory=list)
    recorded: dict[str, int] = field(default_factory=dict)
    replayed: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    torn: bool = False
    owners: dict[int, str] = field(
        default_factory=dict, repr=False
    )  # recorded offer -> its framework


Watch = Callable[[Mapping[str, Any], Replay, Decisions | None], object]


def replay(
    lines: Iterable[str],
    *,
    policy: str | None = None,
    file: str | None = None,
    watch: Watch | None = None,
) -> Replay:
    """Carry out what a journal holds, with its own policy or another one; O(journal).

    With its own, each run must decide what it decided then. With another, a framework answers its offers as it answered
    then, in order: it uses as much where the offer holds as much, else declines; work ends when it ended, wherever
    the framework runs as much. ``watch`` is told of each line once it is carried out: what it holds, how things stand,
    and what was decided, if it was a run. Raises InputError for a line that is no JSON (but the last: it may be torn
    off), or that does not fit; ``file`` names the journal in messages.
    """
    found: Replay | None = None
    own = True
    for number, entry, torn in _parsed(lines, file):
        if found is None:
            found = _made(entry, policy, file)
            own = policy is None or policy == entry["policy"]
            if watch is not None:
                watch(entry, found, None)
            continue
        if torn:
            found.torn = True
            break
        decisions = None
        try:
            if "run" in entry:
                decisions = _run(found, entry["run"], number, own)
            else:
                _do(found, entry, own)
        except (DRFError, KeyError, TypeError) as error:
            raise InputError(f"cannot be carried out: {error}", file=file, line=number) from error
        if watch is not None:
            watch(entry, found, decisions)
    if found is None:
        raise InputError(
            "is empty; a journal starts with the line that says how it was made", file=file
        )
    return found


def _parsed(lines: Iterable[str], file: str | None) -> Iterable[tuple[int, dict[str, Any], bool]]:
    bad: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if bad is not None:
            raise InputError(f"is no JSON ({bad[1]})", file=file, line=bad[0])
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            bad = (number, error.msg)
            continue
        if not isinstance(entry, dict):
            raise InputError("is no JSON object", file=file, line=number, value=line.strip()[:40])
        yield number, entry, False
    if bad is not None:
        yield bad[0], {}, True


def _made(entry: dict[str, Any], policy: str | None, file: str | None) -> Replay:
    if entry.get("drf") != VERSION or not {"policy", "snapshot"} & set(entry):
        raise InputError(
            f'is no journal of version {VERSION}; its first line says {{"drf": {VERSION}, ...}}',
            file=file,
            line=1,
        )
    if "snapshot" in entry:
        if policy is not None:
            raise InputError(
                "starts with a snapshot, which goes on with its own policy alone", file=file, line=1
            )
        started = Allocator.restore(entry["snapshot"])
        return Replay(started, entry["snapshot"]["state"]["made"]["policy"])
    space = (
        ResourceSpace(entry["space"]["scale"], default=entry["space"]["default"])
        if "space" in entry
        else None
    )
    name = policy or entry["policy"]
    options = _rich(entry.get("with", {}), space or ResourceSpace())
    return Replay(Allocator(name, space=space, **options), name)


def _run(found: Replay, recorded: Mapping[str, Any], number: int, own: bool) -> Decisions:
    decisions = found.allocator.run()
    found.runs += 1
    replayed = json.loads(json.dumps(_decided(decisions)))
    for counts, decided in ((found.recorded, recorded), (found.replayed, replayed)):
        for offer in decided.get("offers", ()):
            counts[offer[1]] = counts.get(offer[1], 0) + 1
    if own and replayed != recorded:
        found.differences.append(Difference(number, recorded, replayed))
    for offer_id, framework, *_ in recorded.get("offers", ()):
        found.owners[offer_id] = framework  # with another policy the ids are others
    return decisions


def _do(found: Replay, entry: Mapping[str, Any], own: bool) -> None:
    allocator = found.allocator
    args = _rich(entry["args"], allocator.space)
    kwargs = _rich(entry.get("with", {}), allocator.space)
    verb = entry["do"]
    if verb not in VERBS:
        raise InvalidOption(f"{verb!r} is no verb of an allocator")
    found.events += 1
    if verb == "reclaim":
        _reclaim(allocator, *args, **kwargs)
    elif not own and verb in ("convert", "convert_offer"):
        found.left_out += 1  # what is free, or offered, is something else by now
    elif own or verb not in ("accept", "decline", "release"):
        getattr(allocator, verb)(*args, **kwargs)
    elif verb == "release":
        _release(found, *args, **kwargs)
    else:
        _answer(found, verb, *args, **kwargs)


def _reclaim(allocator: Allocator, plan: Mapping[str, Any]) -> None:
    """The plan is made anew, as things stand: another policy may have to take other tasks."""
    demand = Demand(**plan)
    fresh = allocator.plan_reclaim(
        demand.framework,
        demand.shape,
        demand.tasks,
        role=demand.role,
        grace=demand.grace,
        budget=(demand.most_tasks, demand.most),
        together=demand.together,
    )
    allocator.reclaim(fresh)


def _answer(found: Replay, verb: str, number: int, used: Any = None, **kwargs: Any) -> None:
    allocator = found.allocator
    owner = found.owners.get(number)
    mine = [offer for offer in allocator.open_offers() if offer.framework == owner]
    if not mine:
        found.left_out += 1
        return
    refusal = {k: v for k, v in kwargs.items() if k == "refuse_seconds"}
    used, tasks = kwargs.get("used", used), kwargs.get("tasks")
    if verb == "decline":
        allocator.decline(mine[0], **refusal)
        return
    if used is None and tasks is None:
        allocator.accept(mine[0], **refusal)
        return
    parts = [used] if tasks is None else [spec.resources for spec in tasks.values()]
    amount = Resources(space=allocator.space)
    for part in parts:
        amount = amount + Resources(part, space=allocator.space)
    for offer in mine:
        if amount <= offer.resources:
            allocator.accept(offer, used, tasks=tasks, **refusal)
            return
    allocator.decline(mine[0], **refusal)


def _release(
    found: Replay, framework: str = "", agent: str = "", resources: Any = (), **kwargs: Any
) -> None:
    allocator = found.allocator
    if "task" in kwargs:
        if any(task.name == kwargs["task"] for task in allocator.tasks()):
            allocator.release(task=kwargs["task"])
        else:
            found.left_out += 1
        return
    amount = Resources(resources, space=allocator.space)
    for place, role, held, running in allocator.holdings(framework):
        if running and amount <= held and kwargs.get("role") in (None, role):
            allocator.release(framework, place, amount, role=role)
            return
    found.left_out += 1
