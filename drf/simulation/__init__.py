"""Simulation: workloads, an event loop that drives a `drf.Allocator`, figures, and policies side by
side.

>>> from drf.simulation import compare, default_workload
>>> runs = compare(default_workload(tasks=60, machines=3), ["drf", "fifo"])
>>> [(summary.policy, summary.tasks_done) for result, summary in runs]
[('drf', 60), ('fifo', 60)]
"""

from drf.simulation.compare import compare
from drf.simulation.engine import Result, Run, Series, simulate
from drf.simulation.generate import default_workload
from drf.simulation.metrics import Summary, TenantSummary, summarise
from drf.simulation.openb import read_openb
from drf.simulation.workload import Machine, Task, Workload

__all__ = [
    "Machine",
    "Result",
    "Run",
    "Series",
    "Summary",
    "Task",
    "TenantSummary",
    "Workload",
    "compare",
    "default_workload",
    "read_openb",
    "simulate",
    "summarise",
]
