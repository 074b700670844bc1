"""What the tests on real Dask clusters share: worker processes that can be killed, and waiting for something."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 20.0
"""Seconds until a test gives up; nothing is measured."""


class Workers:
    """Worker processes of our own on a scheduler: Dask's nannies give up after some kills in a row."""

    def __init__(self, scheduler: str) -> None:
        self.command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler]
        self.command += ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(self.command, **quiet))

    def kill(self, n: int) -> None:
        """SIGKILL of one, and a new one in its place."""
        process = self.processes.pop(n % len(self.processes))
        process.kill()
        process.wait()
        self.start()

    def __enter__(self) -> Workers:
        self.start()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
    return found
