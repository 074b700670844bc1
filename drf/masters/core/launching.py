"""Launches: what a framework runs on its offers, all of it or nothing."""

from __future__ import annotations

from drf.errors import DRFError, DuplicateName, InvalidName, Overcommit, StaleOffer
from drf.masters.core.books import Framework, Task
from drf.masters.core.delivery import Desk
from drf.masters.core.records import (
    ERROR,
    LOST,
    STAGING,
    Accept,
    Failed,
    Launch,
    OfferInfo,
    Run,
    Status,
    TaskInfo,
)
from drf.resources import Resources
from drf.short import lasting, untagged
from drf.tasks import TaskSpec, check_spec


class Launching:
    """Carries out `Accept`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def accept(self, event: Accept) -> None:
        """Launch tasks on offers; O(tasks). What is wrong with one of them keeps all from it."""
        desk = self._desk
        framework = desk.books.frameworks.get(event.framework)
        there = framework is not None and framework.connected
        if framework is None or not there or event.stream not in (None, framework.stream):
            text = f"framework {event.framework!r} is not subscribed here"
            desk.send(Failed(event.framework, event.stream, text))
            return
        try:
            tasks = self._tasks(framework, event)
            self._carry_out(event, tasks)
        except (DRFError, AttributeError, TypeError, ValueError) as error:
            self._refuse(framework, event, error)
            return
        for offer, launched in tasks.items():
            info = desk.broker.close(
                offer, sum((t.resources for t in launched), Resources(space=desk.books.space))
            )
            for task in launched:
                desk.books.add(Task(task, STAGING))
                desk.send(Run(task.agent, task))
            self._serve(framework, info, launched)
        desk.broker.settle()

    # -- checks

    def _tasks(self, framework: Framework, event: Accept) -> dict[str, list[TaskInfo]]:
        """The tasks of each offer, if all of them can be launched."""
        out: dict[str, list[TaskInfo]] = {}
        names: set[str] = set()
        for offer, launches in event.launches.items():
            info = self._desk.broker.offers.get(offer)
            if info is None or info.framework != framework.name:
                raise StaleOffer(f"offer {offer} was answered or rescinded before, or is not yours")
            if not launches and info.group is not None and any(event.launches.values()):
                raise StaleOffer(
                    f"offer {offer} was made together with others; launch on each of them, or decline all"
                )
            rest, out[offer] = info.resources, []
            for launch in launches:
                task = self._task(framework, info, launch)
                if task.name in names or task.key in self._desk.books.tasks:
                    raise DuplicateName(f"task {task.name!r} is there already; choose another name")
                names.add(task.name)
                if not task.resources <= rest:
                    raise Overcommit(
                        f"task {task.name!r} uses {task.resources}, "
                        f"of offer {offer} {rest or 'nothing'} is left"
                    )
                rest = rest - task.resources
                out[offer].append(task)
        return out

    def _task(self, framework: Framework, offer: OfferInfo, launch: Launch) -> TaskInfo:
        space = self._desk.books.space
        if not isinstance(launch.name, str) or not launch.name:
            raise InvalidName(f"task {launch.name!r} is malformed; a name is text")
        spec = TaskSpec(launch.resources, launch.duration, launch.min_runtime, launch.priority)
        amount = check_spec(launch.name, spec, space)
        bound = offer.max_duration
        if bound is not None and amount.is_plain:
            amount = lasting(amount, bound)
        return TaskInfo(
            framework.name,
            launch.name,
            offer.role,
            offer.agent,
            amount,
            launch.data,
            launch.duration,
            launch.min_runtime,
            launch.priority,
            self._desk.books.now,
            framework.failover_timeout,
        )

    def _refuse(self, framework: Framework, event: Accept, error: Exception) -> None:
        """Nothing is launched, and offers that are still open go back."""
        desk = self._desk
        stale = isinstance(error, StaleOffer)
        state = LOST if stale else ERROR
        reason = "invalid offers" if stale else "invalid task"
        for offer, launches in event.launches.items():
            for launch in launches:
                name = getattr(launch, "name", None)
                if isinstance(name, str) and f"{framework.name}/{name}" not in desk.books.tasks:
                    desk.send(Status(framework.name, name, state, None, None, reason, str(error)))
            info = desk.broker.offers.get(offer)
            if info is not None and info.framework == framework.name:
                desk.broker.tell("decline", desk.broker.number(offer), refuse_seconds=0)
                if offer in desk.broker.offers:
                    desk.broker.close(offer)
                    desk.broker.settle()
        desk.send(Failed(framework.name, framework.stream, str(error)))

    # -- and deeds

    def _carry_out(self, event: Accept, tasks: dict[str, list[TaskInfo]]) -> None:
        """The allocator notes what is used. Where it fails midway it is made anew, without any of these."""
        broker = self._desk.broker
        begun = False
        try:
            for offer, launched in tasks.items():
                specs = {
                    t.key: TaskSpec(t.resources, t.duration, t.min_runtime, t.priority)
                    for t in launched
                }
                number = broker.number(offer)
                if specs:
                    broker.ask("accept", number, tasks=specs, refuse_seconds=event.refuse_seconds)
                else:
                    broker.ask("decline", number, refuse_seconds=event.refuse_seconds)
                begun = True
        except (DRFError, KeyError):
            if begun:
                broker.rebuild()
            raise

    def _serve(self, framework: Framework, info: OfferInfo, launched: list[TaskInfo]) -> None:
        """Take launched tasks off what the framework asked for: each serves the first shape that is within it."""
        left = dict(info.tasks)
        served = dict.fromkeys(left, 0)
        for task in launched:
            amount = untagged(task.resources)
            for shape, count in left.items():
                if count and shape.resources <= amount:
                    left[shape] -= 1
                    served[shape] += 1
                    break
        for shape, count in served.items():
            want = framework.wants.get((info.role, shape))
            if want is None or not count:
                continue
            want.since = want.since[count:]
            self._desk.broker.tell(
                "request",
                framework.name,
                shape,
                len(want.since),
                role=info.role,
                since=want.since,
                together=want.together,
            )
            if not want.since:
                del framework.wants[info.role, shape]
