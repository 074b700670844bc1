"""Plans of what to take back, so that a framework gets room: which offers, which tasks, and why it may.

A plan is a value, a pure function of what is known. Room that is free comes first, then open offers, then revocable
tasks, then tasks of those furthest above their fair share, of each framework those of the lowest priority and of
these the youngest. `drf.fairshare` says which takings are fair.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from drf.errors import InvalidOption
from drf.fairshare import Member
from drf.offers import Offer, Reclaim
from drf.resources import Resources, ResourcesLike, ResourceSpace, Shape
from drf.roles import Quantities, add_to, less, line_of
from drf.situation import QuotaOf, Situation
from drf.tags import Tag
from drf.tasks import Task

BudgetLike: TypeAlias = "int | ResourcesLike | tuple[int | None, ResourcesLike | None] | None"


class Demand(NamedTuple):
    """What a plan is for: so many tasks of one shape, and how far it may go.

    ``most_tasks`` and ``most``: how many tasks, and how much of them together, may be taken at most (None: any).
    """

    framework: str
    role: str
    shape: Shape
    tasks: int
    grace: float
    most_tasks: int | None = None
    most: Resources | None = None
    together: bool = False


class Rescind(NamedTuple):
    """An open offer that would be taken back."""

    offer: int
    framework: str
    role: str
    agent: str
    resources: Resources


class Fit(NamedTuple):
    """So many tasks fit on the agent, in so much of it."""

    agent: str
    tasks: int
    resources: Resources


@dataclass(frozen=True)
class Plan:
    """What would be taken back for a demand; nothing is done yet.

    ``free``: where tasks fit with nothing taken, in room that is or is about to be free; the order of the next runs
    says who gets it. ``rescinds``: open offers to take back. ``reclaims``: tasks to take back. ``claims``: where tasks
    fit after that, in room kept for them. ``missing``: tasks for which no room can fairly be made.

    >>> Plan(Demand("f", "*", Shape.of("cpus:1"), 2, 30.0), missing=2).rescinds
    ()
    """

    demand: Demand
    free: tuple[Fit, ...] = ()
    rescinds: tuple[Rescind, ...] = ()
    reclaims: tuple[Reclaim, ...] = ()
    claims: tuple[Fit, ...] = ()
    missing: int = 0

    def does_as(self, other: Plan) -> bool:
        """Whether both take and keep the same, whatever the time; O(size)."""
        return self._deeds() == other._deeds()

    def _deeds(self) -> tuple[Any, ...]:
        tasks = tuple(task.task for task in self.reclaims)
        return self.demand, self.free, self.rescinds, tasks, self.claims

    def __str__(self) -> str:
        demand = self.demand
        lines = [
            f"{_tasks(demand.tasks)} of {demand.shape.resources} for framework {demand.framework!r} "
            f"in role {demand.role!r}"
        ]
        lines += [f"  room for {_tasks(fit.tasks)} on {fit.agent!r} as it is" for fit in self.free]
        lines += [
            f"  rescind offer {offer.offer} to {offer.framework!r} on {offer.agent!r} ({offer.resources})"
            for offer in self.rescinds
        ]
        lines += [
            f"  take back task {task.task!r} of {task.framework!r} on {task.agent!r} ({task.resources}) "
            f"by {task.deadline:g} s: {task.reason}"
            for task in self.reclaims
        ]
        lines += [f"  then room for {_tasks(fit.tasks)} on {fit.agent!r}" for fit in self.claims]
        if self.missing:
            lines.append(f"  no room can be made for {_tasks(self.missing)}")
        return "\n".join(lines)


def read_budget(budget: BudgetLike, space: ResourceSpace) -> tuple[int | None, Resources | None]:
    """A number of tasks, an amount, or both in a pair; None for no bound. Raises InvalidOption, InvalidQuantity.

    >>> read_budget((3, "cpus:8"), ResourceSpace())
    (3, Resources('cpus:8'))
    """
    if budget is None:
        return None, None
    tasks: Any = None
    amount: Any = budget
    if isinstance(budget, tuple) and len(budget) == 2:
        tasks, amount = budget
    elif isinstance(budget, int):
        tasks, amount = budget, None
    if tasks is not None and (isinstance(tasks, bool) or not isinstance(tasks, int) or tasks < 0):
        raise InvalidOption(f"budget is {budget!r}; a number of tasks is whole, 0 or more")
    return tasks, None if amount is None else Resources(amount, space=space)


def check_grace(grace: object) -> float:
    """The grace period in seconds. Raises InvalidOption."""
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace < math.inf:
        raise InvalidOption(f"grace is {grace!r}; it is a number of seconds, 0 or more")
    return float(grace)


def make_plan(
    demand: Demand,
    situation: Situation,
    offers: Iterable[Offer],
    tasks: Iterable[Task],
    going: Sequence[Task],
    now: float,
) -> Plan:
    """The plan for a demand, in which no offer and no task can be left out.

    ``tasks`` run and may be taken, ``going`` are those that end anyway: what they use counts as nobody's. Nothing is
    taken from roles (or those above) that would fall below a guarantee, from the framework itself, from tasks within
    their ``min_runtime``. O(count x agents x tasks there x depth) at worst.
    """
    return _Search(demand, situation, offers, tasks, going, now).plan()


Step = Offer | Task


class _Search:
    """One plan in the making. Changes the situation's shares, which nobody else uses."""

    def __init__(
        self,
        demand: Demand,
        situation: Situation,
        offers: Iterable[Offer],
        tasks: Iterable[Task],
        going: Sequence[Task],
        now: float,
    ) -> None:
        self._demand = demand
        self._now = now
        self._shares = situation.shares
        self._carve = situation.carve
        self._situation = situation
        self._me: Member = (demand.role, demand.framework)
        self._line = frozenset(line_of(demand.role))
        self._one = demand.shape.resources.quantities()
        claimed = {place.agent: place.claimed for place in situation.places}
        self._room = {place.agent: place.free for place in situation.places}
        self._quotas = [
            quota._replace(
                held=_without(quota, quota.held, going), out=_without(quota, quota.out, going)
            )
            for quota in situation.quotas
        ]
        for task in going:
            self._shares.add((task.role, task.framework), task.resources.quantities(), -1)
            if task.agent in self._room:
                self._room[task.agent] += task.resources
        for agent, kept in claimed.items():
            self._room[agent] = self._room[agent].minus(kept)
        self._tasks: dict[str, list[Task]] = {agent: [] for agent in self._room}
        for task in tasks:
            if self._is_candidate(task):
                self._tasks[task.agent].append(task)
        self._open: dict[str, list[Offer]] = {agent: [] for agent in self._room}
        self._offered: dict[tuple[str, str], dict[str, int]] = {}
        self._own: dict[str, list[Resources]] = {}  # tasks that fit in open offers to the claimant
        self._fits: dict[str, list[Resources]] = {}  # tasks that fit in what is free
        self._fitting = 0
        for offer in offers:
            member = (offer.role, offer.framework)
            add_to(self._offered.setdefault(member, {}), offer.resources.quantities(), 1)
            if offer.agent not in self._room:
                continue
            if (offer.framework, offer.role, offer.agent) in situation.kept:
                continue
            self._open[offer.agent].append(offer)
        self._steps: list[Step] = []
        self._reclaims: dict[str, Reclaim] = {}

    def _is_candidate(self, task: Task) -> bool:
        return (
            task.agent in self._room
            and task.framework != self._demand.framework
            and self._now - task.started >= task.min_runtime
        )

    def plan(self) -> Plan:
        demand = self._demand
        self._fill_free()
        while (missing := demand.tasks - self._placed(self._steps)) > 0:
            way = self._best_way()
            if way is None:
                break
            self._take(way)
        if missing > 0 and demand.together:
            return Plan(demand, missing=demand.tasks)
        self._steps = self._needed([], self._steps, demand.tasks - missing)
        claims = self._placing(self._steps) if self._steps else {}
        free = self._own
        for agent, amounts in self._fits.items():
            # Where all must fit, what is free is worth nothing without the rest, so it is kept with it.
            into = claims if self._steps and demand.together else free
            into[agent] = into.get(agent, []) + amounts
        return Plan(
            demand,
            self._as_fits(free),
            tuple(
                Rescind(step.id, step.framework, step.role, step.agent, step.resources)
                for step in self._steps
                if isinstance(step, Offer)
            ),
            tuple(self._reclaims[step.name] for step in self._steps if isinstance(step, Task)),
            self._as_fits(claims),
            missing,
        )

    def _take(self, way: Sequence[Step]) -> None:
        """These steps are part of the plan: one task more has room, and the shares are those after it."""
        for step in way:
            if isinstance(step, Task):
                self._reclaims[step.name] = self._reclaim(step)
        for member, units in self._moves(way).items():
            self._shares.add(member, units)
        self._steps += way

    def _as_fits(self, placing: dict[str, list[Resources]]) -> tuple[Fit, ...]:
        return tuple(
            Fit(agent, len(amounts), sum(amounts[1:], amounts[0]))
            for agent, amounts in sorted(placing.items())
            if amounts
        )

    def _reclaim(self, task: Task) -> Reclaim:
        if _is_revocable(task):
            reason = "it is revocable"
        elif self._fills_guarantee():
            reason = f"a guarantee of role {self._demand.role!r} is not met"
        else:
            mine, its = self._shares.parted(self._me, (task.role, task.framework))
            reason = (
                f"it has {float(its):.3g} of its fair share, {self._demand.framework!r} "
                f"{float(mine):.3g}"
            )
        return Reclaim(
            task.name,
            task.framework,
            task.role,
            task.agent,
            task.resources,
            self._now + self._demand.grace,
            reason,
        )

    # -- room

    def _carved(self, room: Resources, most: int) -> tuple[list[Resources], Resources]:
        """What tasks get out of the room, one after the other, and what is left."""
        amounts: list[Resources] = []
        while len(amounts) < most and (amount := self._carve(room)) is not None:
            amounts.append(amount)
            room = room - amount
        return amounts, room

    def _fill_free(self) -> None:
        """What fits already: in the framework's own offers, and in what is free."""
        left = self._quota_left(self._demand.tasks)
        for agent in self._room:
            self._own[agent] = []
            for offer in list(self._open[agent]):
                if (offer.role, offer.framework) == self._me:
                    amounts, _ = self._carved(offer.resources, left)
                    if amounts:
                        self._open[agent].remove(offer)
                        self._own[agent] += amounts
                        left -= len(amounts)
        for agent, room in self._room.items():
            self._fits[agent], self._room[agent] = self._carved(room, left)
            left -= len(self._fits[agent])
        self._fitting = sum(len(self._own[agent]) + len(self._fits[agent]) for agent in self._room)

    def _placing(self, steps: Sequence[Step]) -> dict[str, list[Resources]]:
        """Where the tasks that do not fit already fit after these steps."""
        left = self._quota_left(self._demand.tasks, steps) - self._fitting
        out = {}
        for agent in sorted({step.agent for step in steps}):
            room = self._room[agent]
            for step in steps:
                if step.agent == agent:
                    room = room + step.resources
            out[agent], _ = self._carved(room, left)
            left -= len(out[agent])
        return out

    def _placed(self, steps: Sequence[Step]) -> int:
        """How many tasks have room after these steps."""
        return self._fitting + sum(len(a) for a in self._placing(steps).values())

    # -- steps

    def _best_way(self) -> list[Step] | None:
        """The steps that make room for one task more, on the agent where they are cheapest."""
        target = self._placed(self._steps) + 1
        touched = {step.agent for step in self._steps}
        self._above = self._shares.ratios({})
        ways = []
        for agent in self._room:
            way = self._way(agent, target)
            if way:
                tasks = [step for step in way if isinstance(step, Task)]
                revocable = sum(1 for task in tasks if _is_revocable(task))
                cost = (len(tasks) - revocable, revocable, len(way) - len(tasks))
                keys = [self._key(task) for task in tasks]
                ways.append((cost, keys, agent not in touched, agent, way))
        return min(ways, key=lambda way: way[:4])[4] if ways else None

    def _way(self, agent: str, target: int) -> list[Step] | None:
        """What to take on the agent so that so many tasks have room: the preferred first, nothing needless."""
        here = {id(step) for step in self._steps}
        steps: list[Step] = [*self._open[agent], *sorted(self._tasks[agent], key=self._key)]
        steps = [step for step in steps if id(step) not in here]
        for start in range(len(steps)):  # what is taken first may forbid what would help
            way: list[Step] = []
            for step in steps[start:]:
                if self._may(step, way, target):
                    way.append(step)
                    if self._placed([*self._steps, *way]) >= target:
                        return self._needed(self._steps, way, target)
                elif not way:
                    break
        return None

    def _needed(self, before: list[Step], way: list[Step], target: int) -> list[Step]:
        """The way without what it does not need to make room for so many tasks, the least preferred kept last."""
        for step in way[::-1]:
            rest = [other for other in way if other is not step]
            if self._placed([*before, *rest]) >= target:
                way = rest
        return way

    def _key(self, task: Task) -> tuple[Any, ...]:
        """Which task goes first: revocable, of those furthest above, of the lowest priority, the youngest."""
        above = tuple(-ratio for ratio in self._above[task.role, task.framework])
        return not _is_revocable(task), above, task.priority, -task.started, task.name

    # -- what is allowed

    def _may(self, step: Step, before: Sequence[Step], target: int) -> bool:
        """Whether the step may be taken beside those, to make room for the last of so many tasks."""
        if not self._keeps_guarantees(step, [*self._steps, *before]):
            return False
        if isinstance(step, Offer):
            other = (step.role, step.framework)
            if step.framework == self._demand.framework:
                return True
            gained = {name: q * (self._fitting + 1) for name, q in self._one.items()}
            mine, its = self._shares.parted(self._me, other, gained, self._offered[other])
            return mine <= its or self._fills_guarantee(target)
        if not self._is_in_budget([*self._steps, *before, step]):
            return False
        if self._fills_guarantee(target):
            return True
        return self._is_fair([*before, step])

    def _moves(self, steps: Sequence[Step]) -> dict[Member, dict[str, int]]:
        """Who gains and loses what, if these are taken for one task."""
        moves = {self._me: dict(self._one)}
        for step in steps:
            if isinstance(step, Task):
                lost = moves.setdefault((step.role, step.framework), {})
                add_to(lost, step.resources.quantities(), -1)
        return moves

    def _is_fair(self, steps: Sequence[Step]) -> bool:
        """Whether taking these for one task is fair, be what is free to the framework launched on or not."""
        moves = self._moves(steps)
        if not self._fitting:
            return self._shares.improves(moves, self._me)
        fitting = {name: q * self._fitting for name, q in self._one.items()}
        if not self._shares.improves(moves, self._me):
            return False
        self._shares.add(self._me, fitting)
        fair = self._shares.improves(moves, self._me)
        self._shares.add(self._me, fitting, -1)
        return fair

    def _is_in_budget(self, steps: Sequence[Step]) -> bool:
        tasks = [step for step in steps if isinstance(step, Task)]
        if self._demand.most_tasks is not None and len(tasks) > self._demand.most_tasks:
            return False
        if self._demand.most is None:
            return True
        taken: dict[str, int] = {}
        for task in tasks:
            add_to(taken, task.resources.quantities(), 1)
        most = self._demand.most.quantities()
        return all(units <= most.get(name, units) for name, units in taken.items())

    def _keeps_guarantees(self, step: Step, before: Sequence[Step]) -> bool:
        """Whether no role falls below what it is guaranteed: by what runs, and for offers by those."""
        is_task = isinstance(step, Task)
        line = line_of(step.role)
        for quota in self._quotas:
            if quota.role not in line:
                continue
            gone = [other for other in (*before, step) if isinstance(other, Task) == is_task]
            left = _without(quota, quota.held if is_task else quota.out, gone)
            for name in _counted(step):
                if left.get(name, 0) < quota.guarantees.get(name, 0):
                    return False
        return True

    def _fills_guarantee(self, target: int = 1) -> bool:
        """Whether a guarantee of its role, or above, lacks as much as these tasks take of what is guaranteed."""
        for quota in self._quotas:
            if quota.role in self._line:
                lack = less(quota.guarantees, quota.held)
                named = {n: q * target for n, q in self._one.items() if n in quota.guarantees}
                if named and all(q <= lack.get(n, 0) for n, q in named.items()):
                    return True
        return False

    def _quota_left(self, most: int, steps: Sequence[Step] = ()) -> int:
        """How many tasks, up to the most, limits and the headroom of others' guarantees allow after these steps."""
        if not self._quotas:
            return most
        return bisect_left(range(1, most + 1), True, key=lambda n: not self._is_in_quota(n, steps))

    def _is_in_quota(self, count: int, steps: Sequence[Step]) -> bool:
        wanted = {name: q * count for name, q in self._one.items()}
        freed: dict[str, int] = {}
        for step in steps:
            add_to(freed, _counted(step), 1)
        for quota in self._quotas:
            if quota.role not in self._line:
                continue
            out = _without(quota, quota.out, steps)
            for name, limit in quota.limits.items():
                if name in wanted and out.get(name, 0) + wanted[name] > limit:
                    return False
        lacking = self._situation.lacking
        return all(
            max(wanted.get(name, 0) - lacking.get(name, 0), 0)
            <= max(freed.get(name, 0) - needed, 0)
            for name, needed in self._situation.needed.items()
        )


def _without(quota: QuotaOf, units: Quantities, gone: Iterable[Step]) -> dict[str, int]:
    """What the role has of the units when what is below it and gone is taken off."""
    left = dict(units)
    for step in gone:
        if quota.role in line_of(step.role):
            add_to(left, _counted(step), -1)
    return left


def _tasks(count: int) -> str:
    return f"{count} task{'s' if count != 1 else ''}"


def _is_revocable(task: Task) -> bool:
    return not task.resources.is_plain and bool(
        task.resources.split(lambda name, tag, scalar: tag.revocable)
    )


def _counted(step: Step) -> dict[str, int]:
    """What quota counts of it."""
    return dict(step.resources.split(_is_regular).quantities())


def _is_regular(name: str, tag: Tag, scalar: bool) -> bool:
    return scalar and not tag.reservations and not tag.revocable
