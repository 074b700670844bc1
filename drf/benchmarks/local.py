"""The local master: short processes of two frameworks, one after the other, on two cores."""

from __future__ import annotations

import tempfile
import time

from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload
from drf.masters.local import LocalMaster, read_spec

FRAMEWORKS = 2


def processes(size: Size, watch: Stopwatch) -> None:
    """Run so many times ``true``, two at once; wall time, as most of it is spent in processes beside this one."""
    count = size["processes"]
    task = {"command": ["true"], "resources": {"cpus": 1}, "count": count // FRAMEWORKS}
    spec = read_spec(
        {
            "agents": {"a": {"cpus": 2}},
            "frameworks": {f"f{i}": {"tasks": [task]} for i in range(FRAMEWORKS)},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = LocalMaster(spec, folder).run()
        watch.record("process", (time.perf_counter() - start) / count)
    watch.due("the number of tasks that finished", sum(t.code == 0 for t in result.tasks), count)
    watch.note("limits", f"limits by {result.limits}")


SIZES = ({"processes": 200}, {"processes": 1000})

WORKLOADS = (
    Workload(
        "local-processes",
        "short processes under the local master",
        "processes",
        SIZES,
        {"process": "a process, from request to acknowledged end (wall time)"},
        processes,
        goals=tuple(Goal("process", size, 1 / 200, "s") for size in SIZES),
    ),
)
