"""Short processes under the local master: ``pytest bench/test_local.py --benchmark-enable -s``.

Two frameworks with equal shares of two cores; beside the time of the clock, the time of the processor is printed, which
other load on the machine moves less: the master's own, and that of all it started.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from drf.errors import InvalidOption
from drf.masters.local import LocalMaster, read_spec
from drf.masters.local.confine import CGROUP, RLIMITS, Confinement

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")

GOAL, CORES = 200, 2
"""Processes a second, on so many cores."""


def spec(count: int) -> Any:
    task = {"command": ["true"], "resources": {"cpus": 0.5, "mem": 16}, "count": count // 2}
    frameworks = {name: {"tasks": [task]} for name in "ab"}
    return read_spec({"agents": {"here": {"cpus": 2, "mem": 1024}}, "frameworks": frameworks})


@pytest.mark.parametrize("how", [RLIMITS, CGROUP])
def test_short_processes(
    benchmark: Any, tmp_path: Path, request: pytest.FixtureRequest, how: str
) -> None:
    try:
        Confinement("probe", how).close()
    except InvalidOption:
        pytest.skip("no cgroup v2 may be written here")
    count = 1000 if request.config.getoption("--benchmark-enable") else 20
    given = spec(count)
    figures = []

    def run() -> None:
        before, clock = os.times(), time.perf_counter()
        result = LocalMaster(given, tmp_path / "out", limits=how).run()
        took, after = time.perf_counter() - clock, os.times()
        assert result.ok
        assert len(result.tasks) == count
        own = after.user + after.system - before.user - before.system
        started = after.children_user + after.children_system
        started -= before.children_user + before.children_system
        figures.append((took, own, started))

    benchmark.group = "short processes"
    benchmark.pedantic(run, rounds=3, warmup_rounds=0)
    best = min(figures)
    benchmark.extra_info |= {"processes": count, "a second": round(count / best[0])}
    for took, own, started in figures:
        print(
            f"\n{how}: {count / took:.0f} processes a second; of the processor a process takes "
            f"{own / count * 1e3:.2f} ms in the master, {started / count * 1e3:.2f} ms itself"
        )
    if request.config.getoption("--benchmark-enable"):
        # On a machine with other work the clock says nothing; the processor's time still does.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        if os.getloadavg()[0] <= 1.5 * cores:
            assert count / best[0] >= GOAL
        assert min(own + started for _, own, started in figures) / count * GOAL <= CORES
