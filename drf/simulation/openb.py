"""Reader of the openb trace: a GPU cluster of Alibaba, 2023 (Weng et al., USENIX ATC 2023).

The folder holds ``openb_node_list_all_node.csv`` and ``openb_pod_list_<pods>.csv``, gzipped
(``.csv.gz``) or not. The trace names no users, so its classes by QoS and shape serve as tenants. As
recorded it never fills its cluster; the settings of `read_openb` (fewer nodes, denser arrivals,
shorter runs) make it contended.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from drf.errors import InputError, InvalidOption
from drf.resources import LIMIT, Resources, ResourceSpace
from drf.simulation.workload import Machine, Task, Workload, check_whole, fits, shape_of

NODES = "openb_node_list_all_node"
PODS = "openb_pod_list_"

SPACE = ResourceSpace(
    scale={"mem": 1}
)  # whole MiB; cpus and gpus in thousandths: as the trace gives them

_NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_POD_COLUMNS = (
    "name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos",
    "creation_time", "deletion_time", "scheduled_time",
)  # fmt: skip
_QOS = ("BE", "Burstable", "Guaranteed", "LS")
_DAY = 86_400


def read_openb(
    folder: str | Path,
    *,
    pods: str = "cpu300",
    every: int = 20,
    gpu_nodes: bool = True,
    compress: float = 160.0,
    cut: float = 3600.0,
    after_days: float = 115.0,
) -> Workload:
    """The openb trace as a workload of up to eight tenants; O(nodes log nodes + pods log pods).

    ``pods`` names the list (default, cpu300, gpuspec33). Nodes are sorted by (model, gpu,
    cpu_milli, memory_mib, sn) and every ``every``-th is kept from the first, of the GPU nodes only
    or of all. Arrivals are counted from the first one and divided by ``compress``, runs longer than
    ``cut`` seconds are cut there, pods created before day ``after_days`` of the trace, never
    scheduled or without life are left out. Resources are cpus (cores), mem (MiB) and gpus, a shared
    GPU being a fraction. Tasks that fit none of the machines are kept: they never run.

    Raises InputError for a missing file or column and for a malformed row (with file, line, column
    and value), InvalidOption for a setting that is out of range.
    """
    folder = Path(folder)
    check_whole("every", every, 1)
    for name, value in (("compress", compress), ("cut", cut)):
        if not (math.isfinite(value) and value > 0):
            raise InvalidOption(f"{name} is {value!r}; give a finite number above 0")
    if not (math.isfinite(after_days) and after_days >= 0):
        raise InvalidOption(
            f"after_days is {after_days!r}; give a finite number of days, 0 or more"
        )

    node_file = _find(folder, NODES)
    pod_file = _find(folder, f"{PODS}{pods}")
    all_nodes = [_node(row) for row in _rows(node_file, _NODE_COLUMNS, "sn")]
    eligible = sorted((n for n in all_nodes if n.gpu or not gpu_nodes), key=_Node.order)
    machines = tuple(n.machine() for n in eligible[::every])
    if not machines:
        raise InputError(f"has no {'GPU ' if gpu_nodes else ''}node to run on", file=node_file)

    drops = {
        "never scheduled": 0,
        f"created before day {after_days:g}": 0,
        "without life": 0,
        "asking for nothing": 0,
    }
    kept: list[_Pod] = []
    for row in _rows(pod_file, _POD_COLUMNS, "name"):
        pod = _pod(row)
        if pod.scheduled is None:
            drops["never scheduled"] += 1
        elif pod.created < after_days * _DAY:
            drops[f"created before day {after_days:g}"] += 1
        elif pod.deleted == pod.scheduled:
            drops["without life"] += 1
        elif not pod.demand:
            drops["asking for nothing"] += 1
        else:
            kept.append(pod)
    if not kept:
        raise InputError(
            "has no pod left to run; lower after_days or take another list", file=pod_file
        )
    first = min(pod.created for pod in kept)
    tasks = tuple(pod.task(first, compress, cut) for pod in kept)

    of = f"{len(eligible):,} {'GPU nodes' if gpu_nodes else 'nodes'}"
    workload = Workload("openb", machines, tasks, SPACE)
    return replace(workload, notes=_notes(workload, pods, every, of, compress, cut, drops))


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    cpu: int
    mem: int
    gpu: int
    model: str

    def order(self) -> tuple[str, int, int, int, str]:
        return (self.model, self.gpu, self.cpu, self.mem, self.name)

    def machine(self) -> Machine:
        units = {"cpus": self.cpu, "mem": self.mem, "gpus": self.gpu * 1000}
        attributes = {"model": self.model} if self.model else {}
        return Machine(self.name, Resources.from_units(units, space=SPACE), attributes)


@dataclass(frozen=True, slots=True)
class _Pod:
    name: str
    tenant: str
    demand: Resources
    models: frozenset[str]
    created: int
    scheduled: int | None
    deleted: int

    def task(self, first: int, compress: float, cut: float) -> Task:
        assert self.scheduled is not None, "a pod that never ran has no duration"
        return Task(
            name=self.name,
            tenant=self.tenant,
            arrival=(self.created - first) / compress,
            duration=min(float(self.deleted - self.scheduled), float(cut)),
            demand=self.demand,
            where={"model": self.models} if self.models else None,
        )


class _Row:
    """One row of a file, that knows where it stands."""

    __slots__ = ("file", "line", "values")

    def __init__(self, file: Path, line: int, values: dict[str, str]) -> None:
        self.file, self.line, self.values = file, line, values

    def error(self, column: str, message: str) -> InputError:
        return InputError(
            message, file=self.file, line=self.line, column=column, value=self.values[column]
        )

    def text(self, column: str) -> str:
        value = self.values[column].strip()
        if not value:
            raise self.error(column, "is empty")
        return value

    def whole(self, column: str, most: int = LIMIT) -> int:
        value = self.values[column].strip()
        if not (value.isascii() and value.isdigit()):
            raise self.error(column, "is not a whole number, 0 or more")
        if len(value) > 16 or int(value) > most:
            raise self.error(column, f"is above {most}")
        return int(value)


def _node(row: _Row) -> _Node:
    return _Node(
        name=row.text("sn"),
        cpu=row.whole("cpu_milli"),
        mem=row.whole("memory_mib"),
        gpu=row.whole("gpu", LIMIT // 1000),
        model=row.values["model"].strip(),
    )


def _pod(row: _Row) -> _Pod:
    name, qos = row.text("name"), row.text("qos")
    if qos not in _QOS:
        raise row.error("qos", f"is not one of {', '.join(_QOS)}")
    many, milli = row.whole("num_gpu", LIMIT // 1000), row.whole("gpu_milli", 1000)
    created = row.whole("creation_time")
    scheduled = row.whole("scheduled_time") if row.values["scheduled_time"].strip() else None
    deleted = 0
    if scheduled is not None:
        deleted = row.whole("deletion_time")
        if deleted < scheduled:
            raise row.error("deletion_time", f"is before scheduled_time {scheduled}")
    shape = "cpu" if many == 0 else "multi" if many > 1 else "share" if milli < 1000 else "whole"
    units = {"cpus": row.whole("cpu_milli"), "mem": row.whole("memory_mib"), "gpus": many * milli}
    return _Pod(
        name=name,
        tenant="BU" if qos in ("Burstable", "Guaranteed") else f"{qos}-{shape}",
        demand=Resources.from_units(units, space=SPACE),
        models=frozenset(m for m in row.values["gpu_spec"].strip().split("|") if m),
        created=created,
        scheduled=scheduled,
        deleted=deleted,
    )


def _find(folder: Path, stem: str) -> Path:
    """The file, gzipped or plain."""
    if not folder.is_dir():
        raise InputError(
            "there is no such folder; give the one that holds the openb files", file=folder
        )
    for name in (f"{stem}.csv.gz", f"{stem}.csv"):
        if (folder / name).is_file():
            return folder / name
    there = sorted(p.name for p in folder.glob(f"{PODS}*.csv*")) if stem.startswith(PODS) else []
    hint = f"; there are {', '.join(there)}" if there else ""
    raise InputError(
        f"there is no such file, gzipped (.csv.gz) or not{hint}", file=folder / f"{stem}.csv"
    )


def _rows(file: Path, columns: tuple[str, ...], key: str) -> Iterator[_Row]:
    """The rows of a file one by one, with all of ``columns``, no two of the same ``key``."""
    seen: dict[str, int] = {}
    line = 1
    try:
        with _open(file) as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            for column in columns:
                if column not in header:
                    raise InputError("is missing from the header", file=file, line=1, column=column)
            for fields in reader:
                line = reader.line_num
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise InputError(
                        f"has {len(fields)} fields, the header has {len(header)}",
                        file=file, line=line, value=",".join(fields)[:60],
                    )  # fmt: skip
                row = _Row(file, line, dict(zip(header, fields, strict=True)))
                name = row.text(key)
                if name in seen:
                    raise row.error(key, f"is there already, in line {seen[name]}")
                seen[name] = line
                yield row
                line += 1
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", file=file) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not CSV text in UTF-8: {error}", file=file, line=line) from error


def _open(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def _notes(
    workload: Workload,
    pods: str,
    every: int,
    of: str,
    compress: float,
    cut: float,
    drops: dict[str, int],
) -> tuple[str, ...]:
    total = workload.total
    capacity = ", ".join(f"{total.quantity(n):,} {n}" for n in workload.resources).replace(
        " mem", " MiB mem"
    )
    dropped = ", ".join(f"{count:,} {why}" for why, count in drops.items() if count) or "none"
    shapes = Counter(shape_of(task) for task in workload.tasks)
    stuck = sum(
        n for shape, n in shapes.items() if not any(fits(shape, m) for m in workload.machines)
    )
    load = ", ".join(f"{n} {x:.2f}" for n, x in workload.load.items())
    settings = (
        f"openb trace, pod list {pods}: {len(workload.machines)} of {of} "
        f"({_ordinal(every)}: {capacity}), arrivals compressed {compress:g} times, "
        f"durations cut at {cut:g} s; offered load {load}."
    )
    content = (
        f"Tenants are classes by QoS and shape (the trace names no users); "
        f"{len(workload.tasks):,} pods kept, left out: {dropped}; "
        f"a shared GPU counts as a fraction of all GPUs of its machine, not of one device."
    )
    if stuck:
        content += f" Fitting none of the machines, so never run: {stuck:,}."
    return settings, content


def _ordinal(every: int) -> str:
    if every == 1:
        return "all of them"
    ending = (
        "th" if every % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    )
    return f"every {every}{ending}"
