"""The event loop: tasks arrive, wait, run and end, and a `drf.Allocator` decides who runs.

Every tenant is a framework in a role of its own. Time is simulated, ties are broken by rule, and
the only randomness is the allocator's seed: the same workload, policy and options give the same
result, to the last bit.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from drf.allocator import Allocator
from drf.errors import InvalidOption
from drf.offers import Offer
from drf.plugins import Policy, make_policy
from drf.resources import Resources, Shape
from drf.simulation.workload import Machine, Task, Workload, fits, shape_of

OfferMode = Literal["demand", "agent"]
AgentOrder = Literal["pack", "spread", "id", "random"]


@dataclass(frozen=True, slots=True)
class Run:
    """What happened to one task that ended: where it ran, from when to when (seconds of the
    workload's clock).
    """

    task: Task
    machine: str
    start: float
    end: float

    @property
    def wait(self) -> float:
        """Seconds from arrival to start."""
        return self.start - self.task.arrival

    @property
    def completion(self) -> float:
        """Seconds from arrival to end."""
        return self.end - self.task.arrival


@dataclass(frozen=True)
class Series:
    """What was held and who waited over time: step functions, one entry per moment at which
    something changed.

    Entry i holds from ``times[i]`` until ``times[i + 1]``, the last one for ever. ``shares`` are
    the dominant shares that tenants hold (the largest fraction of any resource, not divided by the
    weight), ``utilisation`` the fraction of each resource in use, ``waiting`` the tasks of each
    tenant that have arrived and could run on some machine, but have not started.
    """

    times: array[float]
    shares: Mapping[str, array[float]]
    utilisation: Mapping[str, array[float]]
    waiting: Mapping[str, array[int]]


@dataclass(frozen=True)
class Result:
    """One simulated run of a workload under a policy.

    ``runs`` are the tasks that ended, by (start, name); ``unfinished`` the others, in order of
    arrival: still waiting or running at the horizon, or fitting no machine at all. ``decisions``
    counts the offers made, ``seconds`` is the time that the computation took, where somebody
    measured it.
    """

    policy: str
    workload: Workload
    runs: tuple[Run, ...]
    unfinished: tuple[Task, ...]
    series: Series
    decisions: int
    horizon: float | None = None
    seconds: float | None = field(default=None, compare=False)


def simulate(
    workload: Workload,
    policy: str | Policy = "drf",
    *,
    offer: OfferMode = "demand",
    agent_order: AgentOrder = "pack",
    seed: int = 0,
    horizon: float | None = None,
    refuse_seconds: float = 60.0,
    progress: Callable[[float], None] | None = None,
    debug: bool = False,
) -> Result:
    """Run a workload under a policy, from the first arrival until nothing is left to happen or to
    the horizon.

    With ``offer="demand"`` the allocator is told what each tenant waits for and cuts its offers to
    that; with ``offer="agent"`` it offers what a machine has left, the tenant packs the oldest of
    its tasks that fit, and refuses the rest for ``refuse_seconds`` or until a task of it arrives.
    Tasks that fit no machine are never asked for, so they hold nobody up. ``horizon`` is a time of
    the workload's clock, in seconds: what happens at it still counts. ``progress`` is called with
    the fraction of arrivals that are through, ``debug`` checks the allocator's books after every
    moment instead of only at the end.

    ``agent_order`` is the order in which the allocator visits machines (see `drf.Allocator`); "pack",
    the fullest first, leaves room for large tasks and needs no seed. ``seed`` feeds what is random:
    the policy, or the order of machines.

    Cost: O(log tasks) and a few verbs of the allocator per task. Raises InvalidOption for an option
    out of range, UnknownName for an unknown policy.

    >>> from drf.resources import Resources
    >>> machines = [Machine("m1", Resources("cpus:2"))]
    >>> tasks = [Task(f"t{i}", "a", 0.0, 10.0, Resources("cpus:1")) for i in range(3)]
    >>> [(r.task.name, r.start, r.end) for r in simulate(Workload("three", machines, tasks)).runs]
    [('t0', 0.0, 10.0), ('t1', 0.0, 10.0), ('t2', 10.0, 20.0)]
    """
    if offer not in ("demand", "agent"):
        raise InvalidOption(f"offer is {offer!r}; give 'demand' or 'agent'")
    if not (math.isfinite(refuse_seconds) and refuse_seconds > 0):
        raise InvalidOption(f"refuse_seconds is {refuse_seconds!r}; give a finite number above 0")
    if horizon is not None and not (math.isfinite(horizon) and horizon >= 0):
        raise InvalidOption(f"horizon is {horizon!r}; give a finite time, 0 or more, or None")
    rule = make_policy(policy)
    allocator = Allocator(
        rule,
        interval=None,
        react="event",
        offer=offer,
        agent_order=agent_order,
        space=workload.space,
        seed=seed,
    )
    loop = _Loop(workload, allocator, offer, refuse_seconds, debug)
    loop.run(math.inf if horizon is None else horizon, progress)
    runs = tuple(sorted(loop.ended, key=lambda r: (r.start, r.task.name)))
    done = {r.task.name for r in runs}
    return Result(
        policy=rule.name,
        workload=workload,
        runs=runs,
        unfinished=tuple(t for t in workload.tasks if t.name not in done),
        series=loop.recorder.series(),
        decisions=loop.decisions,
        horizon=horizon,
    )


class _Loop:
    """The state of one simulation: who waits, what runs, what happens next."""

    def __init__(
        self,
        workload: Workload,
        allocator: Allocator,
        offer: OfferMode,
        refuse_seconds: float,
        debug: bool,
    ) -> None:
        self.allocator = allocator
        self.tasks = workload.tasks
        self.machines: dict[str, Machine] = {m.name: m for m in workload.machines}
        self.by_agent = offer == "agent"
        self.refuse_seconds = refuse_seconds
        self.debug = debug
        self.recorder = _Recorder(workload)
        self.shapes = [shape_of(t) for t in self.tasks]
        self.placeable = _placeable(self.shapes, workload.machines)
        # Per tenant and shape the waiting tasks, oldest first; a task is its number in order of
        # (arrival, name).
        self.queues: dict[str, dict[Shape, deque[int]]] = {t: {} for t in workload.tenants}
        self.quiet = set(workload.tenants) if self.by_agent else set()  # those who are suppressed
        self.ends: list[tuple[float, int, str, float]] = []  # heap: end, task, machine, start
        self.arrived = 0
        self.ended: list[Run] = []
        self.decisions = 0
        self.started = 0
        self.now = -math.inf
        self.last_change = 0.0

        allocator.update_weights(workload.weights)
        for machine in workload.machines:
            allocator.add_agent(machine.name, machine.capacity, attributes=machine.attributes)
        for tenant in workload.tenants:
            allocator.add_framework(tenant, roles=[tenant])
            if self.by_agent:
                allocator.suppress(tenant)

    def run(self, horizon: float, progress: Callable[[float], None] | None) -> None:
        reported = -1
        while (now := self.next_moment()) is not None and now <= horizon:
            self.now = now
            self.allocator.advance(now)
            changed = self.end_tasks(now)
            changed |= self.admit(now)
            changed |= self.answer_offers(now)
            if changed:
                self.last_change = now
                self.recorder.moment(now)
            if self.debug:
                self.allocator.check()
            if (
                progress is not None
                and (percent := 100 * self.arrived // len(self.tasks)) > reported
            ):
                reported = percent
                progress(self.arrived / len(self.tasks))
        self.allocator.check()
        if progress is not None and reported < 100:
            progress(1.0)

    def next_moment(self) -> float | None:
        """When the next thing happens: an arrival, an end, or a deadline of the allocator while
        somebody waits.
        """
        times = []
        if self.ends:
            times.append(self.ends[0][0])
        if self.arrived < len(self.tasks):
            times.append(self.tasks[self.arrived].arrival)
        if any(self.recorder.waits):
            deadline = self.allocator.next_deadline()
            # On idle machines, once all refusals are over, every tenant has seen every machine: it
            # is no use to go on.
            hopeless = (
                not times
                and deadline is not None
                and deadline > self.last_change + 2 * self.refuse_seconds
            )
            if deadline is not None and deadline > self.now and not hopeless:
                times.append(deadline)
        return min(times, default=None)

    def end_tasks(self, now: float) -> bool:
        changed = False
        while self.ends and self.ends[0][0] <= now:
            end, number, machine, start = heapq.heappop(self.ends)
            task = self.tasks[number]
            self.allocator.release(task.tenant, machine, task.demand)
            self.recorder.hold(task, -1)
            self.ended.append(Run(task, machine, start, end))
            changed = True
        return changed

    def admit(self, now: float) -> bool:
        """Put what has arrived into the queues and tell the allocator."""
        touched: dict[tuple[str, Shape], None] = {}
        while self.arrived < len(self.tasks) and self.tasks[self.arrived].arrival <= now:
            tenant, shape = self.tasks[self.arrived].tenant, self.shapes[self.arrived]
            if shape in self.placeable:
                self.queues[tenant].setdefault(shape, deque()).append(self.arrived)
                self.recorder.wait(tenant, 1)
                touched[tenant, shape] = None
            self.arrived += 1
        for tenant, shape in touched:
            self.ask(tenant, shape)
        if self.by_agent:
            for tenant in dict.fromkeys(t for t, _ in touched):
                self.allocator.revive(tenant)
                self.quiet.discard(tenant)
        return bool(touched)

    def ask(self, tenant: str, shape: Shape) -> None:
        queue = self.queues[tenant][shape]
        self.allocator.request(
            tenant, shape, len(queue), since=[self.tasks[i].arrival for i in queue]
        )

    def answer_offers(self, now: float) -> bool:
        """Take what is offered until nothing more comes, and start tasks on it."""
        before = self.started
        while decisions := self.allocator.run():
            self.decisions += len(decisions.offers)
            for offer in decisions.offers:
                if self.by_agent:
                    self.answer_agent(offer, now)
                else:
                    for shape, count in offer.tasks:
                        queue = self.queues[offer.framework][shape]
                        for _ in range(count):
                            self.start(queue.popleft(), offer.agent, now)
                    self.allocator.accept(offer)
        return self.started > before

    def answer_agent(self, offer: Offer, now: float) -> None:
        """Pack the oldest waiting tasks that fit into the offer, give back the rest, fall silent
        with an empty queue.
        """
        tenant = offer.framework
        chosen = self.pack(tenant, offer.agent, offer.resources)
        used = Resources(space=offer.resources.space)
        for number in chosen:
            self.start(number, offer.agent, now)
            used = used + self.tasks[number].demand
        if chosen:
            self.allocator.accept(offer, used, refuse_seconds=self.refuse_seconds)
        else:
            self.allocator.decline(offer, refuse_seconds=self.refuse_seconds)
        for shape in dict.fromkeys(self.shapes[number] for number in chosen):
            self.ask(tenant, shape)
        if tenant not in self.quiet and not any(self.queues[tenant].values()):
            self.allocator.suppress(tenant)
            self.quiet.add(tenant)

    def pack(self, tenant: str, machine: str, free: Resources) -> list[int]:
        """Take the oldest waiting tasks that fit out of the queues, first fit in order of arrival;
        O(tasks taken + shapes).
        """
        attributes = self.machines[machine].attributes
        queues = self.queues[tenant]
        heap = [q[0] for s, q in queues.items() if q and s.fits_attributes(attributes)]
        heapq.heapify(heap)
        taken: list[int] = []
        while heap:
            number = heapq.heappop(heap)
            shape = self.shapes[number]
            if not shape.resources <= free:
                continue  # what is free only shrinks: no task of this shape will fit
            free = free - shape.resources
            queue = queues[shape]
            taken.append(queue.popleft())
            if queue:
                heapq.heappush(heap, queue[0])
        return taken

    def start(self, number: int, machine: str, now: float) -> None:
        task = self.tasks[number]
        heapq.heappush(self.ends, (now + task.duration, number, machine, now))
        self.started += 1
        self.recorder.hold(task, 1)
        self.recorder.wait(task.tenant, -1)


class _Recorder:
    """Keeps what each tenant holds, in units, and writes down the series."""

    def __init__(self, workload: Workload) -> None:
        self.names = workload.resources
        total = workload.total.units
        self.total = [total[n] for n in self.names]
        self.row = {t: i for i, t in enumerate(workload.tenants)}
        self.held = [[0] * len(self.names) for _ in self.row]
        self.used = [0] * len(self.names)
        self.waits = [0] * len(self.row)
        self.column = {n: j for j, n in enumerate(self.names)}
        self.current = [0.0] * len(self.row)
        self.times = array("d")
        self.shares = [array("d") for _ in self.row]
        self.utilisation = [array("d") for _ in self.names]
        self.waiting = [array("q") for _ in self.row]

    def hold(self, task: Task, sign: int) -> None:
        """The tenant holds the demand of a task more (sign 1) or less (-1); O(resources)."""
        row = self.row[task.tenant]
        held = self.held[row]
        for name, units in task.demand.units.items():
            column = self.column[name]
            held[column] += sign * units
            self.used[column] += sign * units
        self.current[row] = max(h / t for h, t in zip(held, self.total, strict=True))

    def wait(self, tenant: str, count: int) -> None:
        self.waits[self.row[tenant]] += count

    def moment(self, now: float) -> None:
        """Write down what is true from now on; O(tenants + resources)."""
        if self.times and self.times[-1] == now:  # tasks of no duration came and went
            for floats in (*self.shares, *self.utilisation):
                floats.pop()
            for counts in self.waiting:
                counts.pop()
        else:
            self.times.append(now)
        for shares, share in zip(self.shares, self.current, strict=True):
            shares.append(share)
        for fractions, used, total in zip(self.utilisation, self.used, self.total, strict=True):
            fractions.append(used / total)
        for waiting, count in zip(self.waiting, self.waits, strict=True):
            waiting.append(count)

    def series(self) -> Series:
        return Series(
            times=self.times,
            shares=dict(zip(self.row, self.shares, strict=True)),
            utilisation=dict(zip(self.names, self.utilisation, strict=True)),
            waiting=dict(zip(self.row, self.waiting, strict=True)),
        )


def _placeable(shapes: Iterable[Shape], machines: Iterable[Machine]) -> set[Shape]:
    """The shapes that some empty machine can run; O(shapes x kinds of machine)."""
    kinds = {(m.capacity, tuple(sorted(m.attributes.items()))): m for m in machines}
    return {s for s in set(shapes) if any(fits(s, m) for m in kinds.values())}
