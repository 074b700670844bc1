"""Processes of this machine: started in a session of their own, watched, and ended with all that they started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

MARK = "DRF_TASK"
"""Every process of a task has it in its environment, so that it is known for what it is."""

WRAPPER = """
d=$1 g=$2 v=$3 t=$4 w=$5; shift 5
trap : TERM INT HUP
set -C; { echo $$ >"$d/pid"; } 2>/dev/null || exit 125; set +C
[ -z "$g" ] || echo $$ >"$g/cgroup.procs" || exit 125
cd "$w" || exit 125
[ -z "$v" ] || ulimit -v "$v"
[ -z "$t" ] || ulimit -t "$t"
"$@"
c=$?
echo $c >"$d/exit"
exit $c
"""
"""Runs the command of a task and keeps its exit code, which so is there after a crash of the master too.

Who makes the file ``pid`` runs the task: a master that follows makes it itself where it is to run no more.
"""

_SUBREAPER = 36
_NO_THREAD = 0x20000000  # of waitid: children of this thread alone
_WAIT = 0.001
_ROUNDS = 400


class Process(NamedTuple):
    """A process as the kernel lists it."""

    pid: int
    parent: int
    group: int
    session: int
    dead: bool


def have_proc() -> bool:
    """Whether this machine lists its processes under /proc."""
    return sys.platform == "linux" and Path("/proc/self/stat").exists()


@contextlib.contextmanager
def subreaper() -> Iterator[None]:
    """While inside, what tasks leave behind becomes a child of this process, as far as the system can do that."""
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_SUBREAPER, 0, 0, 0, 0)


class Nursery:
    """A thread that starts the roots of tasks, so that they are children of it and not of the main thread.

    What a task leaves behind becomes a child of the main thread (see `subreaper`), so whether there is anything can be
    asked of the system in one call, however many tasks run.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "drf-nursery")
        self._all = tuple(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ()
        self._on = self._all

    def start(self, cores: tuple[int, ...], spawn: Callable[[], int]) -> int:
        """Call ``spawn`` there, on these cores (none: all); the pid that it gives. Raises what it raises."""

        def there() -> int:
            wanted = cores or self._all
            if wanted != self._on:
                os.sched_setaffinity(0, wanted)
                self._on = wanted
            return spawn()

        return self._thread.submit(there).result()

    def close(self) -> None:
        """End the thread; what it started is then of the main thread too."""
        self._thread.shutdown()


def orphans() -> bool:
    """Whether something that a task left behind may be a child of this process; O(1)."""
    if sys.platform != "linux" or threading.get_native_id() != os.getpid():
        return True  # only the main thread can tell
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _NO_THREAD)
    except ChildProcessError:
        return False
    return True


def spawn(
    folder: Path,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    where: str = ".",
    group: str = "",
    memory: str = "",
    seconds: str = "",
) -> int:
    """Start a command in a session of its own, output into the folder; its pid. Raises OSError.

    ``group`` is a folder of cgroup v2 to run in, ``memory`` (KiB) and ``seconds`` (of CPU time) are limits.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(folder / "out"), flags, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, str(folder / "err"), flags, 0o644),
    ]
    arguments = ["sh", "-c", WRAPPER, "drf-task", str(folder), group, memory, seconds, where]
    return os.posix_spawn(
        "/bin/sh",
        [*arguments, *command],
        dict(env),
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
    )


def processes() -> dict[int, Process]:
    """Every process of this machine; O(processes)."""
    out = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            file = os.open(f"/proc/{name}/stat", os.O_RDONLY)
        except OSError:
            continue  # it has ended meanwhile
        try:
            rest = os.read(file, 4096).rpartition(b")")[2].split(None, 5)
        except OSError:
            continue
        finally:
            os.close(file)
        pid = int(name)
        out[pid] = Process(pid, int(rest[1]), int(rest[2]), int(rest[3]), rest[0] in (b"Z", b"X"))
    return out


def mark_of(pid: int) -> str | None:
    """The mark in the environment of a process, None where there is none or it cannot be read."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    for entry in data.split(b"\0"):
        if entry.startswith(f"{MARK}=".encode()):
            return entry.partition(b"=")[2].decode(errors="replace")
    return None


def is_task(pid: int, mark: str) -> bool:
    """Whether that process is the root of the task with this mark, and not another one under an old pid."""
    if not have_proc():
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return mark_of(pid) == mark


class Reaper:
    """Finds and ends all that a task started, whatever session it moved to."""

    def __init__(self) -> None:
        self.roots: set[int] = set()
        """Children that are roots of tasks: who started them waits for them."""
        self._strangers: set[int] = set()

    def members(self, root: int, mark: str) -> list[int]:
        """The processes of a task that run: its session and group, what is marked, and what descends from them."""
        table = processes()
        me = os.getpid()
        self._strangers &= table.keys()
        found = set()
        for pid, process in table.items():
            if process.dead:
                continue
            if pid == root or root in (process.session, process.group):
                found.add(pid)
            elif process.parent in (1, me) and pid not in self.roots | self._strangers:
                its = mark_of(pid)
                if its == mark:
                    found.add(pid)
                elif its is None and process.parent == 1:
                    self._strangers.add(pid)
        children: dict[int, list[int]] = {}
        for process in table.values():
            children.setdefault(process.parent, []).append(process.pid)
        todo = list(found)
        while todo:
            for child in children.get(todo.pop(), ()):
                if child not in found and not table[child].dead:
                    found.add(child)
                    todo.append(child)
        found.discard(me)
        return sorted(found)

    def end(self, root: int, mark: str) -> None:
        """Kill all of them, again and again until there is none; O(processes) a round."""
        if not have_proc():
            with contextlib.suppress(OSError):
                for _ in range(_ROUNDS):  # until there is no such group any more
                    os.killpg(root, signal.SIGKILL)
                    self.reap()
                    time.sleep(_WAIT)
            return
        for _ in range(_ROUNDS):
            members = self.members(root, mark)
            if not members:
                return
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_WAIT)
            self.reap()

    def reap(self) -> None:
        """Take note of every child that has ended: what tasks left behind became one; O(of them)."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
