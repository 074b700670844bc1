"""What ``import drf`` costs, in a fresh interpreter that finds bytecode, as every one but the first does."""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from drf.benchmarks.workload import Goal, Size, Stopwatch, Workload

PROGRAM = """
import sys, time
start = time.process_time()
import drf
print(time.process_time() - start, *(m for m in ("numpy", "sortedcontainers") if m in sys.modules))
"""


def importing(size: Size, watch: Stopwatch) -> None:
    """CPU time of the import alone, and whether it loaded what only some calls need."""
    run = [sys.executable, "-c", PROGRAM]
    with TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for start in range(size["starts"] + 1):
            done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
            if start == 0:
                continue  # it compiled the sources
            seconds, *loaded = done.stdout.split()
            watch.record("import", float(seconds))
            watch.due("what is loaded besides", loaded, [])


WORKLOADS = (
    Workload(
        "import",
        "import drf in a fresh interpreter",
        "starts",
        ({"starts": 3},),
        {"import": "import drf"},
        importing,
        goals=(Goal("import", {"starts": 3}, 0.08, "s"),),
        quick=1,
    ),
)
