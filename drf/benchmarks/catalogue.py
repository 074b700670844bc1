"""All workloads by name."""

from __future__ import annotations

from fnmatch import fnmatchcase

from drf.benchmarks import (
    companies,
    cycles,
    fleet,
    growth,
    load,
    local,
    memory,
    ordering,
    quotas,
    solving,
    start,
    trees,
)
from drf.benchmarks.workload import Workload
from drf.errors import UnknownName

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (
        ordering,
        memory,
        trees,
        cycles,
        quotas,
        companies,
        load,
        fleet,
        local,
        solving,
        start,
        growth,
    )
    for workload in module.WORKLOADS
}


def chosen(patterns: tuple[str, ...]) -> list[Workload]:
    """Those whose names fit one of the patterns (``*`` and ``?`` stand for any), or all; O(workloads x patterns).

    Raises UnknownName for a pattern that fits none.

    >>> [workload.name for workload in chosen(("ordering-h*",))]
    ['ordering-hot']
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in WORKLOADS):
            raise UnknownName("workload", pattern, WORKLOADS)
    return [
        workload
        for name, workload in WORKLOADS.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
