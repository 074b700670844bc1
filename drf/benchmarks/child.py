"""Measures one workload at one size in this process: ``python -m drf.benchmarks.child REQUEST``.

The request is a JSON object (``workload``, or null for an idle process; ``size``, ``repeats``, ``limit`` in CPU
seconds), and so is the answer. ``DRF_BACKEND`` chooses the kernel, as always.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from drf._backend import backend
from drf.benchmarks.calibration import EXPECTED, unit
from drf.benchmarks.catalogue import WORKLOADS
from drf.benchmarks.workload import Size, Stopwatch, Workload
from drf.errors import InvariantBroken

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STATUS = Path("/proc/self/status")


def peak() -> float | None:
    """MB that this process had in memory at its peak, None where that cannot be known.

    On Linux from /proc: what getrusage says there includes the process that started this one.
    """
    if STATUS.exists():
        for line in STATUS.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if resource is None:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def calibrated() -> float:
    """CPU seconds of one unit. Raises InvariantBroken where the work was not as due."""
    seconds, checksum = unit()
    if checksum != EXPECTED:
        raise InvariantBroken(f"the calibration gave {checksum:016x}, not {EXPECTED:016x}")
    return seconds


def measure(workload: Workload, size: Size, *, repeats: int, limit: float) -> dict[str, Any]:
    """Run the workload a few times, with the unit before each and after the last; the medians.

    It is run again only while that stays within a quarter of the limit.
    """
    begun = time.process_time()
    watch = Stopwatch(limit=begun + limit)
    units = [calibrated()]
    seconds: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    longest = 0.0
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        watch.seconds = {}
        workload.run(size, watch)
        longest = max(longest, time.process_time() - start)
        units.append(calibrated())
        now = (units[-2] + units[-1]) / 2
        for figure, samples in watch.seconds.items():
            seconds.setdefault(figure, []).extend(samples)
            ratios.setdefault(figure, []).extend(sample / now for sample in samples)
        if watch.stopped or time.process_time() + longest > begun + limit / 4:
            break
    return {
        "units": units,
        "figures": {
            figure: {
                "seconds": statistics.median(samples),
                "u": statistics.median(ratios[figure]),
                "low": min(ratios[figure]),
                "high": max(ratios[figure]),
                "samples": len(samples),
            }
            for figure, samples in seconds.items()
        },
        "longest": longest,
        "notes": list(watch.notes.values()),
        "wrong": sorted(set(watch.wrong)),
        "stopped": watch.stopped,
    }


def main(request: str) -> None:
    """Answer one request on standard output."""
    asked = json.loads(request)
    if asked["workload"] is None:
        answer: dict[str, Any] = {"units": [calibrated()]}
    else:
        workload = WORKLOADS[asked["workload"]]
        answer = measure(workload, asked["size"], repeats=asked["repeats"], limit=asked["limit"])
    print(json.dumps({"kernel": backend().name, "peak": peak(), **answer}))


if __name__ == "__main__":
    main(sys.argv[1])
