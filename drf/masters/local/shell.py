"""The local master: the core, the executor of this machine, and the clock, in one loop."""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from drf.allocator import Allocator
from drf.errors import DRFError, NotSupported
from drf.masters.core.master import Master
from drf.masters.core.records import (
    TO_AGENT,
    TO_FRAMEWORK,
    Admitted,
    End,
    Event,
    Message,
    Register,
    Report,
    Run,
    SetQuota,
    SetWeights,
    Teardown,
    Tick,
    Trouble,
    Update,
)
from drf.masters.local.confine import AUTO, Confinement
from drf.masters.local.executor import Executor
from drf.masters.local.proc import subreaper
from drf.masters.local.schedulers import BAD, DONE, Item, Scheduler
from drf.masters.local.spec import Spec
from drf.masters.local.state import RunFolder
from drf.resources import Resources

PATIENCE = 5.0
"""Seconds after which room is kept for tasks that start together."""

STUCK = 4 * PATIENCE
"""Seconds in which nothing runs and nothing is offered, after which nothing will."""

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends a run; but for those that this process was started to ignore, as by nohup."""


class Outcome(NamedTuple):
    """What became of one task: ``finished`` or ``failed``, or where the run was stopped, what it was then."""

    framework: str
    task: str
    state: str
    attempts: int
    code: int | None
    seconds: float
    message: str
    output: str | None


@dataclass(frozen=True)
class Result:
    """What became of a run. ``stopped`` is the signal that ended it; ``stuck`` says why what waits cannot run."""

    tasks: tuple[Outcome, ...]
    seconds: float
    limits: str
    stopped: int | None = None
    stuck: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every task finished."""
        return all(task.state == DONE for task in self.tasks)

    @property
    def code(self) -> int:
        """The exit code of a command: 0, 1 where a task did not finish, 128 + signal where it was stopped."""
        if self.stopped is not None:
            return 128 + self.stopped
        return 0 if self.ok else 1


class LocalMaster:
    """Runs a specification on this machine.

    ``folder`` keeps the state of the run and the output of each task. ``limits`` is ``"auto"``, ``"cgroup"`` or
    ``"rlimits"``. ``resume``: where the folder holds a run that did not end, go on with it (True), or end what is left
    of it and begin anew (False). While it runs, SIGINT, SIGTERM and SIGHUP end it, and children that appear in this
    process are its own. Raises NotSupported where the system is no POSIX system, and what the verbs of `drf.Allocator`
    raise for the policy and the quotas of the specification.
    """

    def __init__(
        self,
        spec: Spec,
        folder: str | Path = "drf-run",
        *,
        limits: str = AUTO,
        resume: bool | None = None,
    ) -> None:
        if not hasattr(os, "posix_spawn") or os.name != "posix":
            raise NotSupported(
                "the local master needs a POSIX system: sessions, signals and /bin/sh"
            )
        self.spec = spec
        self._limits = limits
        self._resume = resume
        self._tell: Callable[[Update], None] | None = None
        self._look: Callable[[], None] | None = None
        self._folder = RunFolder(Path(folder).absolute())
        self.schedulers: dict[str, Scheduler] = {}
        self.master = Master(self._allocator)
        _try_out(spec, self._allocator())
        self._queue: deque[Event] = deque()
        self._touched: set[str] = set()
        self._trouble: list[str] = []
        self._stopped: int | None = None
        self._stuck: tuple[str, ...] = ()
        self._hurried: list[int] = []

    def _allocator(self) -> Allocator:
        return Allocator(
            self.spec.policy,
            interval=None,
            offer="demand",
            agent_order="id",
            gang_patience=PATIENCE,
        )

    def watch(
        self,
        *,
        tell: Callable[[Update], None] | None = None,
        look: Callable[[], None] | None = None,
    ) -> None:
        """``tell`` hears each task that begins or ends, ``look`` is called a few times a second; O(1)."""
        self._tell, self._look = tell, look

    def run(self) -> Result:
        """Run all tasks to their end; O(tasks). Raises InputError where the folder cannot be used."""
        began = time.monotonic()
        digest = hashlib.sha256(repr(self.spec).encode()).hexdigest()
        with (
            self._folder.opened(digest, self._resume) as found,
            selectors.DefaultSelector() as selector,
            self._signals(selector),
            subreaper(),
        ):
            if found and not self._resume:
                self._clean(selector)
                self._folder.begin_anew(digest)
            confinement = Confinement(self._folder.run, self._limits)
            executor = self._executor(confinement, selector)
            try:
                self._begin(executor.recover(adopt=True) if found else [])
                self._loop(executor, selector)
            finally:
                executor.close()
            self._folder.over()
            return self._result(time.monotonic() - began, confinement.how)

    def _executor(self, confinement: Confinement, selector: selectors.BaseSelector) -> Executor:
        return Executor(self._folder, confinement, selector, time.monotonic, self.spec.grace)

    def _clean(self, selector: selectors.BaseSelector) -> None:
        """End what an earlier master left."""
        executor = self._executor(Confinement(self._folder.run, self._limits), selector)
        executor.recover(adopt=False)
        executor.close()

    @contextlib.contextmanager
    def _signals(self, selector: selectors.BaseSelector) -> Iterator[None]:
        """While inside, a signal stops the run; the second one does it at once."""
        read, write = os.pipe()
        selector.register(read, selectors.EVENT_READ, None)
        hurried = []

        def stop(number: int, _: FrameType | None) -> None:
            hurried.append(number)
            self._stopped = number
            os.write(write, b".")

        before = {}
        with contextlib.suppress(ValueError):  # not in the main thread: nobody stops it
            for name in SIGNALS:
                number = getattr(signal, name)
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, stop)
        self._hurried = hurried
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            selector.unregister(read)
            os.close(read)
            os.close(write)

    # -- the loop

    def _begin(self, reports: list[Report]) -> None:
        spec, queue = self.spec, self._queue
        queue.append(Tick(time.monotonic()))
        if spec.weights:
            queue.append(SetWeights(spec.weights))
        for role, (guarantees, limits) in spec.quotas.items():
            queue.append(SetQuota(role, guarantees, limits))
        for name, amount in spec.agents.items():
            its = tuple(report for report in reports if report.task.agent == name)
            queue.append(Register(name, amount, {}, its))
        # What ended while nobody watched is among the reports, and its scheduler hears of it by them.
        told = {report.task.key for report in reports}
        for framework in spec.frameworks:
            before = {
                info.name: self._folder.ended[key].state
                if key in self._folder.ended and key not in told
                else None
                for key, info in self._folder.launched.items()
                if info.framework == framework.name
            }
            scheduler = self.schedulers[framework.name] = Scheduler(framework, before)
            queue += scheduler.begin()

    def _loop(self, executor: Executor, selector: selectors.BaseSelector) -> None:
        idle_since: float | None = None
        leaving = False
        looked = 0.0
        while True:
            now = time.monotonic()
            self._queue += executor.poll()
            if self._stopped is not None and not leaving:
                leaving = True
                self._queue += [Teardown(name) for name in self.schedulers]
            if len(self._hurried) > 1:
                executor.hurry()
            self._queue.append(Tick(now))
            self._drain(executor)
            if self._look is not None and now - looked > 0.2:
                looked = now
                self._look()
            if not len(executor):
                if leaving or all(s.over for s in self.schedulers.values()):
                    return
                idle_since = now if idle_since is None else idle_since
                deadline = self.master.next_deadline()
                if deadline is None or now - idle_since > STUCK:
                    self._stuck = self._why()
                    return
            else:
                idle_since = None
            self._wait(executor, selector)

    def _wait(self, executor: Executor, selector: selectors.BaseSelector) -> None:
        found = [executor.next_deadline(), self.master.next_deadline()]
        due = min((deadline for deadline in found if deadline is not None), default=None)
        timeout = 0.25 if self._look is not None else 5.0
        if due is not None:
            timeout = min(timeout, max(due - time.monotonic(), 0.0))
        for key, _ in selector.select(timeout):
            if key.data is not None:
                executor.is_ready(key.data)
            else:
                os.read(key.fd, 100)

    def _drain(self, executor: Executor) -> None:
        """Take in all events, and what follows from them; decisions are made once for all that came together."""
        while self._queue:
            event = self._queue.popleft()
            if isinstance(event, Update) and self._tell is not None:
                self._tell(event)
            for message in self.master.handle(event):
                self._deliver(message, executor)
            if not self._queue and self._touched:
                for name in sorted(self._touched):
                    self._queue += self.schedulers[name].requests()
                self._touched.clear()
                self._queue.append(Tick(time.monotonic()))

    def _deliver(self, message: Message, executor: Executor) -> None:
        if isinstance(message, Run):
            self._queue += executor.run(message)
        elif isinstance(message, End):
            executor.end(message)
        elif isinstance(message, TO_FRAMEWORK):
            self._queue += self.schedulers[message.framework].hear(message)
            self._touched.add(message.framework)
        elif isinstance(message, Trouble):
            self._trouble.append(f"{message.verb}: {message.message}")
        else:
            assert isinstance(message, TO_AGENT)
            assert not isinstance(message, Admitted) or message.agent in self.spec.agents

    # -- the end

    def _why(self) -> tuple[str, ...]:
        """Why what waits cannot run."""
        out = []
        for name, scheduler in self.schedulers.items():
            if scheduler.over:
                continue
            try:
                out.append(str(self.master.allocator.why(name, change=False)))
            except DRFError as error:
                out.append(f"{name}: {error}")
        return tuple(out)

    def share(self, framework: str) -> float:
        """The dominant share of what the framework runs now; O(1)."""
        try:
            return self.master.allocator.share(framework)
        except DRFError:
            return 0.0

    def use(self) -> dict[str, Resources]:
        """What runs on each agent uses; O(agents + running tasks)."""
        out = {agent: total - total for agent, total in self.spec.agents.items()}
        try:
            tasks = self.master.allocator.tasks()
        except DRFError:
            return out
        for task in tasks:
            out[task.agent] += task.resources
        return out

    def _result(self, seconds: float, limits: str) -> Result:
        tasks = tuple(
            self._outcome(scheduler, item)
            for scheduler in self.schedulers.values()
            for item in scheduler.items
        )
        return Result(tasks, seconds, limits, self._stopped, self._stuck, tuple(self._trouble))

    def _outcome(self, scheduler: Scheduler, item: Item) -> Outcome:
        key = f"{scheduler.name}/{item.task}"
        ending: Any = self._folder.ended.get(key)
        output = None if not item.attempts else str(self._folder.of(key))
        state = item.state if item.state in (DONE, BAD) or ending is None else ending.state
        return Outcome(
            scheduler.name,
            item.name,
            state,
            item.attempts,
            None if ending is None else ending.code,
            0.0 if ending is None else ending.seconds,
            item.message or ("" if ending is None else ending.message),
            output,
        )


def _try_out(spec: Spec, allocator: Allocator) -> None:
    """What an allocator refuses of a specification is said before anything is begun."""
    allocator.update_weights(spec.weights)
    for role, (guarantees, limits) in spec.quotas.items():
        allocator.update_quota(role, guarantees=guarantees, limits=limits)
    for framework in spec.frameworks:
        allocator.add_framework(framework.name, roles=[framework.role])
