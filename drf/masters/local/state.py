"""What a run keeps in its folder, so that a master that follows a crashed one finds all that was begun."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from drf.errors import DRFError, InputError
from drf.masters.core.records import TaskInfo
from drf.masters.electors import FileLock
from drf.resources import Resources


class Ending(NamedTuple):
    """How a task ended: its state, exit code where there is one, seconds, and a message."""

    state: str
    code: int | None
    seconds: float
    message: str


class RunFolder:
    """The folder of a run: what it is of, what was launched, how it ended, and the output of each task.

    A line is written before a task is started, and another once it has ended; what was written survives the master.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = ""
        self.launched: dict[str, TaskInfo] = {}
        """Every task that was to be started, by key, in order."""
        self.ended: dict[str, Ending] = {}
        self._file = -1

    @contextlib.contextmanager
    def opened(self, digest: str, resume: bool | None) -> Iterator[bool]:
        """Inside, this process alone has the folder; gives whether it holds a run that did not end.

        ``resume``: go on with such a run (True), or end it and begin anew (False); None where there should be none.
        A run that launched nothing leaves nothing to go on with. Raises InputError where another process has the
        folder, where it holds another run than that, or tasks that are of no run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        elector = FileLock(self.folder / "lock")
        standing = elector.campaign()
        if not standing.leads:
            raise InputError(
                f"another master has this folder: {standing.leader} (host and process)",
                file=self.folder,
            )
        try:
            found = self._read(digest, resume)
            if not found:
                self._begin(digest)
            self._file = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_APPEND)
            yield found
        finally:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1
            elector.resign()

    def _read(self, digest: str, resume: bool | None) -> bool:
        try:
            text = (self.folder / "run.json").read_text(encoding="utf-8")
            lines = (self.folder / "events.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            if (self.folder / "tasks").exists():  # not ours to remove
                raise InputError(
                    "holds a folder tasks that is of no run; name another folder (--out)",
                    file=self.folder,
                ) from None
            return False
        place, over = "run.json", False
        try:
            about = json.loads(text)
            self.run, its = about["run"], about["digest"]
            for number, line in enumerate(lines[:-1], 1):  # the last one is empty, or was cut off
                place = f"events.jsonl, line {number}"
                over = self._read_line(*json.loads(line)) or over
        except (DRFError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"is malformed: {error}; name another folder (--out), or remove this one",
                file=self.folder / place,
            ) from error
        if over or not self.launched:
            self.launched, self.ended, self.run = {}, {}, ""
            return False
        if resume is None:
            raise InputError(
                "holds a run that did not end; go on with it (--resume), or end what is left of it (--clean)",
                file=self.folder,
            )
        if resume and its != digest:
            raise InputError("holds a run of another specification", file=self.folder)
        return True

    def _read_line(self, kind: str, *rest: Any) -> bool:
        """What a line says; whether it says that the run is over."""
        if kind == "launch":
            info = _unpacked(rest[0])
            self.launched[info.key] = info
        elif kind == "end":
            self.ended[rest[0]] = Ending(*rest[1:])
        return kind == "over"

    def begin_anew(self, digest: str) -> None:
        """Forget a run, of which nothing is left to end."""
        self.launched, self.ended = {}, {}
        os.close(self._file)
        self._begin(digest)
        self._file = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_APPEND)

    def _begin(self, digest: str) -> None:
        self.run = os.urandom(6).hex()
        shutil.rmtree(self.folder / "tasks", ignore_errors=True)
        about = {"run": self.run, "digest": digest}
        (self.folder / "events.jsonl").write_bytes(b"")
        fresh = self.folder / "run.json.new"
        fresh.write_text(json.dumps(about), encoding="utf-8")
        fresh.replace(self.folder / "run.json")

    def launch(self, info: TaskInfo) -> Path:
        """The task is to be started: note it, and make its folder."""
        self.launched[info.key] = info
        self._write(["launch", [*info[:4], info.resources.to_json(), *info[5:]]])
        folder = self.of(info.key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def end(self, key: str, ending: Ending) -> None:
        """It has ended."""
        self.ended[key] = ending
        self._write(["end", key, *ending])

    def over(self) -> None:
        """The run has ended."""
        self._write(["over"])

    def of(self, key: str) -> Path:
        """The folder of a task, with its output."""
        return self.folder / "tasks" / key

    def _write(self, entry: list[Any]) -> None:
        os.write(self._file, json.dumps(entry).encode() + b"\n")


def _unpacked(given: list[Any]) -> TaskInfo:
    framework, name, role, agent, amount, *rest = given
    return TaskInfo(framework, name, role, agent, Resources.from_json(amount), *rest)


def pid_in(folder: Path) -> int | None:
    """The pid that a task's folder names, None where it was never started; 0 where it is not to be."""
    try:
        text = (folder / "pid").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else 0


def code_in(folder: Path) -> int | None:
    """The exit code that a task's folder names, None where it was not written."""
    try:
        text = (folder / "exit").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None


def claim(folder: Path) -> bool:
    """See to it that a task which has not begun never does; False where it has begun."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(folder / "pid", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    return True
