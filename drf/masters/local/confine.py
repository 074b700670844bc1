"""Limits that the system enforces: cgroup v2 where it may be written, else resource limits and CPU affinity."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import time
from pathlib import Path

from drf.errors import InvalidOption
from drf.resources import Resources

AUTO, CGROUP, RLIMITS = "auto", "cgroup", "rlimits"
_WAIT, _ROUNDS = 0.001, 1000

PERIOD = 100_000
"""Microseconds in which a group may use its part of the CPUs."""


def own_group() -> Path | None:
    """The folder of this process in the hierarchy of cgroup v2, None where there is none."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    own = next((line[3:] for line in groups if line.startswith("0::")), None)
    for line in mounts:
        fields, _, kind = line.partition(" - ")
        if own is not None and kind.startswith("cgroup2 "):
            return Path(fields.split()[4]) / own.lstrip("/")
    return None


class Confinement:
    """The limits of one run's tasks; ``how`` is `AUTO`, `CGROUP` or `RLIMITS`."""

    def __init__(self, run: str, how: str = AUTO) -> None:
        if how not in (AUTO, CGROUP, RLIMITS):
            raise InvalidOption(f"limits is {how!r}; it is {AUTO}, {CGROUP} or {RLIMITS}")
        self._top: Path | None = None
        self._home: Path | None = None
        self._controllers: set[str] = set()
        self._cores: dict[int, float] = {}
        if hasattr(os, "sched_getaffinity"):
            self._cores = dict.fromkeys(sorted(os.sched_getaffinity(0)), 0.0)
        if how != RLIMITS:
            self._open(run)
        if how == CGROUP and self._top is None:
            raise InvalidOption(
                "limits is cgroup, and no cgroup v2 may be written here; use rlimits"
            )

    def _open(self, run: str) -> None:
        base = own_group()
        if base is None:
            return
        top = base / f"drf-{run}"
        try:
            top.mkdir(exist_ok=True)
            kind = (top / "cgroup.type").read_text(encoding="utf-8").strip()
            if kind != "domain" or not (top / "cgroup.kill").exists():
                top.rmdir()
                return
        except OSError:
            return
        self._top = top
        for name in ("cpu", "memory"):
            with contextlib.suppress(OSError):
                self._share(base, name)
                (top / "cgroup.subtree_control").write_text(f"+{name}", encoding="utf-8")
                self._controllers.add(name)

    def _share(self, base: Path, controller: str) -> None:
        """Let the groups in ours have the controller. Raises OSError.

        No group but the topmost may have both processes and groups with controllers; the system does not always refuse
        it, but what is started in such groups fails. Where this process is alone in its group, as in a scope of its
        own, it moves to one below.
        """
        control = base / "cgroup.subtree_control"
        if controller in control.read_text(encoding="utf-8").split():
            return
        there = (base / "cgroup.procs").read_text(encoding="utf-8").split()
        topmost = not (base / "cgroup.type").exists()
        if there and not topmost:
            me = str(os.getpid())
            if there != [me]:
                raise OSError(errno.EBUSY, "other processes are there", str(base))
            self._home = base
            self._seat.mkdir(exist_ok=True)
            (self._seat / "cgroup.procs").write_text(me, encoding="utf-8")
        control.write_text(f"+{controller}", encoding="utf-8")

    @property
    def _seat(self) -> Path:
        """The group of this process, where it could not stay in its own."""
        assert self._top is not None
        return self._top.with_name(f"{self._top.name}-master")

    def _go_home(self) -> None:
        """Leave the group of this process as it was found."""
        if self._home is None:
            return
        with contextlib.suppress(OSError):
            for name in self._controllers:
                (self._home / "cgroup.subtree_control").write_text(f"-{name}", encoding="utf-8")
            (self._home / "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")
            self._seat.rmdir()
        self._home = None

    @property
    def how(self) -> str:
        """What enforces limits, in a few words."""
        if self._top is None:
            return "rlimits and affinity" if self._cores else "rlimits"
        return f"cgroup v2 ({', '.join(sorted(self._controllers)) or 'no controllers'})"

    def group(self, key: str, amount: Resources) -> str:
        """Make the group of a task; its folder, empty text where there are none. Raises OSError."""
        if self._top is None:
            return ""
        folder = self._folder(key)
        folder.mkdir(exist_ok=True)
        if "cpus" in amount and "cpu" in self._controllers:
            quota = max(int(float(amount["cpus"]) * PERIOD), 1000)  # type: ignore[arg-type]
            (folder / "cpu.max").write_text(f"{quota} {PERIOD}", encoding="utf-8")
        if "mem" in amount and "memory" in self._controllers:
            most = int(float(amount["mem"]) * 2**20)  # type: ignore[arg-type]
            (folder / "memory.max").write_text(str(most), encoding="utf-8")
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0", encoding="utf-8")
        return str(folder)

    def _folder(self, key: str) -> Path:
        assert self._top is not None
        return self._top / key.replace("/", ".")

    def limits(self, amount: Resources, duration: float | None) -> tuple[str, str]:
        """KiB of address space and seconds of CPU time of one process, as text; empty for none."""
        memory = ""
        if "mem" in amount and "memory" not in self._controllers:
            memory = str(int(float(amount["mem"]) * 1024))  # type: ignore[arg-type]
        seconds = ""
        if duration is not None:
            seconds = str(math.ceil(duration * max(self._width(amount), 1)) + 1)
        return memory, seconds

    def _width(self, amount: Resources) -> int:
        return math.ceil(float(amount["cpus"])) if "cpus" in amount else 0  # type: ignore[arg-type]

    def take(self, amount: Resources) -> tuple[int, ...]:
        """The cores for a task, those with the least on them; none: all, where it needs as many or groups divide time.

        O(cores log cores).
        """
        width = self._width(amount)
        if "cpu" in self._controllers or not 0 < width < len(self._cores):
            return ()
        cores = tuple(sorted(self._cores, key=lambda core: (self._cores[core], core))[:width])
        for core in cores:
            self._cores[core] += float(amount["cpus"]) / width  # type: ignore[arg-type]
        return cores

    def left(self, cores: tuple[int, ...], amount: Resources) -> None:
        """A task that was on these cores has ended; O(cores)."""
        for core in cores:
            self._cores[core] -= float(amount["cpus"]) / len(cores)  # type: ignore[arg-type]

    def populated(self, key: str) -> bool | None:
        """Whether anything of the task runs; None where groups do not tell."""
        if self._top is None:
            return None
        try:
            text = (self._folder(key) / "cgroup.events").read_text(encoding="utf-8")
        except OSError:
            return False
        return "populated 1" in text

    def ran_out(self, key: str) -> bool:
        """Whether something of the task was killed because it was at its limit of memory."""
        if self._top is None or "memory" not in self._controllers:
            return False
        try:
            text = (self._folder(key) / "memory.events").read_text(encoding="utf-8")
        except OSError:
            return False
        return any(
            line.startswith("oom_kill ") and line != "oom_kill 0" for line in text.split("\n")
        )

    def kill(self, key: str) -> None:
        """Kill all that is in the task's group, and wait until it is gone."""
        assert self._top is not None
        with contextlib.suppress(OSError):
            (self._folder(key) / "cgroup.kill").write_text("1", encoding="utf-8")
        for _ in range(_ROUNDS):
            if not self.populated(key):
                return
            time.sleep(_WAIT)

    def drop(self, key: str) -> None:
        """The task's group is needed no more."""
        if self._top is not None:
            with contextlib.suppress(OSError):
                self._folder(key).rmdir()

    def close(self) -> None:
        """Remove what is empty."""
        if self._top is not None:
            for folder in self._top.glob("*/"):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                self._top.rmdir()
            self._go_home()
