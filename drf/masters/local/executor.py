"""The agents of a local master: they start tasks as processes, watch them, and end them with all that they started."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drf.masters.core.records import (
    FAILED,
    FINISHED,
    KILLED,
    RUNNING,
    End,
    Event,
    Report,
    Run,
    TaskInfo,
    Update,
)
from drf.masters.local.confine import Confinement
from drf.masters.local.proc import MARK, Nursery, Reaper, is_task, orphans, spawn
from drf.masters.local.state import Ending, RunFolder, claim, code_in, pid_in

SPARE = 64
"""Open files that are kept for all else than watching processes."""

POLL = 0.01
"""Seconds between looks at processes where the system does not tell when one ends."""


@dataclass(slots=True)
class Child:
    """A task that runs: its root process, what tells that it ended, its cores, and when it is to be killed."""

    info: TaskInfo
    pid: int
    fd: int
    folder: Path
    cores: tuple[int, ...] = ()
    ours: bool = False
    """This process started it, and no other master did."""
    reason: str = ""
    kill_at: float | None = None


class Executor:
    """Processes of all agents of this machine."""

    def __init__(
        self,
        folder: RunFolder,
        confinement: Confinement,
        selector: selectors.BaseSelector,
        clock: Callable[[], float],
        grace: float,
    ) -> None:
        self._folder = folder
        self._confinement = confinement
        self._selector = selector
        self._clock = clock
        self._grace = grace
        self._reaper = Reaper()
        self._nursery = Nursery()
        self._env = dict(os.environ)
        self._most = _open_files() - SPARE
        self._children: dict[str, Child] = {}
        self._ready: set[str] = set()

    def __len__(self) -> int:
        return len(self._children)

    # -- what the master says

    def run(self, message: Run) -> list[Event]:
        """Start a task; what there is to say of it."""
        info = message.task
        folder = self._folder.launch(info)
        began = self._clock()
        data = info.data
        env = {**self._env, **data["env"], MARK: self._mark(info.key)}
        env |= {"DRF_FRAMEWORK": info.framework, "DRF_NAME": info.name, "DRF_AGENT": info.agent}
        memory, seconds = self._confinement.limits(info.resources, info.duration)
        cores = self._confinement.take(info.resources)
        try:
            start = partial(
                spawn,
                folder,
                data["command"],
                env,
                where=data["dir"],
                group=self._confinement.group(info.key, info.resources),
                memory=memory,
                seconds=seconds,
            )
            pid = self._nursery.start(cores, start)
        except OSError as error:
            self._confinement.left(cores, info.resources)
            claim(folder)
            text = f"it cannot be started: {error}"
            return [self._say(info, 1, self._end(info, FAILED, None, began, text), text)]
        self._watch(Child(info, pid, self._pidfd(pid), folder, cores, ours=True))
        return [self._say(info, 1, RUNNING, "")]

    def _watch(self, child: Child) -> None:
        key = child.info.key
        self._children[key] = child
        self._reaper.roots.add(child.pid)
        if child.fd >= 0:
            self._selector.register(child.fd, selectors.EVENT_READ, key)

    def _pidfd(self, pid: int) -> int:
        """A descriptor that can be read when the process ends, -1 where there is none, or none to spare."""
        if not hasattr(os, "pidfd_open") or len(self._children) >= self._most:
            return -1
        try:
            return os.pidfd_open(pid)
        except OSError:
            return -1

    def end(self, message: End) -> None:
        """Ask a task to end, and kill it where it has not after the grace period."""
        child = self._children.get(f"{message.framework}/{message.task}")
        if child is None or child.kill_at is not None:
            return
        child.reason, child.kill_at = message.reason, self._clock() + self._grace
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGTERM)

    def hurry(self) -> None:
        """Kill at once what is to end."""
        for child in self._children.values():
            child.kill_at = child.kill_at and self._clock()

    # -- what becomes of tasks

    def is_ready(self, key: str) -> None:
        """The selector says that the root process of that task has ended."""
        self._ready.add(key)

    def poll(self) -> list[Event]:
        """What became of tasks since the last call."""
        now = self._clock()
        out = []
        for key, child in list(self._children.items()):
            if child.kill_at is not None and child.kill_at <= now:
                self._sweep(child)
            if key in self._ready or (child.fd < 0 and self._is_over(child)):
                out.append(self._over(child))
        self._ready.clear()
        return out

    def next_deadline(self) -> float | None:
        """When to call `poll` at the latest, None: when the selector says so."""
        found = [child.kill_at for child in self._children.values() if child.kill_at is not None]
        if any(child.fd < 0 for child in self._children.values()):
            found.append(self._clock() + POLL)
        return min(found, default=None)

    def _is_over(self, child: Child) -> bool:
        """Where there is no pidfd: ask for it."""
        try:
            return os.waitpid(child.pid, os.WNOHANG)[0] == child.pid
        except ChildProcessError:
            return not is_task(child.pid, self._mark(child.info.key))

    def _over(self, child: Child) -> Event:
        """The root process has ended: so does the rest."""
        key = child.info.key
        if child.fd >= 0:
            self._selector.unregister(child.fd)
            os.close(child.fd)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
        self._reaper.roots.discard(child.pid)
        if not child.ours:
            self._sweep_all(child)
        elif orphans():
            self._sweep(child)
        code = code_in(child.folder)
        state, text = _judged(code, child.reason)
        if state == FAILED and self._confinement.ran_out(key):
            text = f"{text}: out of memory, of which it may have {child.info.resources['mem']} MiB"
        self._confinement.drop(key)
        self._confinement.left(child.cores, child.info.resources)
        del self._children[key]
        self._end(child.info, state, code, child.info.started, text)
        return self._say(child.info, 2, state, text)

    def _sweep(self, child: Child) -> None:
        """End all that the task started and is there still."""
        key = child.info.key
        populated = self._confinement.populated(key)
        if populated:
            self._confinement.kill(key)
            self._reaper.reap()
        elif populated is None:
            self._reaper.end(child.pid, self._mark(key))

    def _end(self, info: TaskInfo, state: str, code: int | None, began: float, text: str) -> str:
        self._folder.end(info.key, Ending(state, code, max(self._clock() - began, 0.0), text))
        return state

    def _say(self, info: TaskInfo, number: int, state: str, text: str) -> Update:
        return Update(info.agent, info.framework, info.name, number, state, text)

    def _mark(self, key: str) -> str:
        return f"{self._folder.run}/{key}"

    # -- after a crash of the master

    def recover(self, *, adopt: bool) -> list[Report]:
        """What became of tasks that another master started: reports of those that run, or ended meanwhile.

        One that was to be started and was not never will be, and is not among them. Where tasks are not adopted, all
        are ended, with what they started.
        """
        out = []
        for key, info in self._folder.launched.items():
            if key in self._folder.ended:
                continue
            folder = self._folder.of(key)
            if claim(folder):
                self._folder.end(key, Ending("lost", None, 0.0, "it was not started"))
                continue
            pid = pid_in(folder)
            child = Child(info, pid or 0, -1, folder)
            if pid and is_task(pid, self._mark(key)) and code_in(folder) is None:
                child.fd = self._pidfd(pid)
                self._watch(child)
                if adopt:
                    out.append(Report(info, RUNNING, ((1, RUNNING, ""),)))
                    continue
                self._sweep_all(child)
            else:
                self._sweep_all(child)
                code = code_in(folder)
                state, text = _judged(code, "")
                self._end(info, state, code, info.started, text)
                if adopt:
                    updates = ((1, RUNNING, ""), (2, state, text))
                    out.append(Report(info, state, updates))
        if not adopt:
            for child in list(self._children.values()):
                self._over(child)
        return out

    def _sweep_all(self, child: Child) -> None:
        if child.pid:
            self._sweep(child)
            if self._confinement.populated(child.info.key) is not None:
                self._reaper.end(child.pid, self._mark(child.info.key))
        self._confinement.drop(child.info.key)

    def close(self) -> None:
        """Leave nothing behind."""
        for child in list(self._children.values()):
            child.reason = child.reason or "the master ended"
            self._sweep(child)
            self._over(child)
        self._confinement.close()
        self._nursery.close()
        self._reaper.reap()


def _judged(code: int | None, reason: str) -> tuple[str, str]:
    """State and message of a task that ended with that code (None: it was killed), or was to end for a reason."""
    if code == 0:
        return FINISHED, ""
    if reason:
        return KILLED, reason
    if code is None:
        return FAILED, "it was killed"
    if code > 128:
        return FAILED, f"signal {code - 128}"
    return FAILED, f"exit code {code}"


def _open_files() -> float:
    """How many this process may have open."""
    most = os.sysconf("SC_OPEN_MAX")
    return math.inf if most < 0 else most
