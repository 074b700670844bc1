"""A made-up cluster and workload, from a seed: the default of ``drf compare``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from drf._random import SplitMix64
from drf.errors import InvalidOption
from drf.resources import Resources, ResourceSpace
from drf.simulation.workload import Machine, Task, Workload, check_whole

_GIB = 1024  # memory is counted in MiB
_MILLI = 1000  # cpus and gpus in thousandths
_SPACE = ResourceSpace(scale={"mem": 1})


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of machine: ``part`` of every 10 machines are of it."""

    name: str
    part: int
    cpus: int
    mem: int  # GiB
    gpus: int


@dataclass(frozen=True, slots=True)
class _Profile:
    """A kind of tenant: what its tasks ask for (smallest, largest), for how long, and in what
    bursts.

    All amounts of a task follow its size, so that a profile keeps its dominant resource.
    """

    name: str
    part: int  # of the tasks, relative to the parts of the others
    cpus: tuple[int, int]  # thousandths
    mem: tuple[int, int]  # GiB
    gpus: tuple[int, int]  # thousandths
    duration: tuple[int, int]  # seconds; one task in eight takes four times as long
    burst: tuple[int, int]  # tasks that arrive together


class _Draft(NamedTuple):
    """A task before the length of the window is known: ``position`` is a fraction of it."""

    position: float
    tenant: str
    profile: _Profile
    size: int
    seconds: int


_KINDS = (
    _Kind("compute", 5, cpus=32, mem=64, gpus=0),
    _Kind("memory", 2, cpus=16, mem=256, gpus=0),
    _Kind("gpu", 3, cpus=24, mem=96, gpus=8),
)

# fmt: off
_PROFILES = (  # part, cpus, mem, gpus, duration, burst
    _Profile("web", 34, (1000, 4000), (1, 4), (0, 0), (30, 240), (1, 12)),
    _Profile("analytics", 26, (1000, 3000), (12, 48), (0, 0), (120, 900), (4, 40)),
    _Profile("batch", 16, (4000, 16000), (4, 16), (0, 0), (120, 720), (100, 200)),
    _Profile("training", 8, (2000, 8000), (8, 32), (1000, 4000), (300, 900), (10, 40)),
    _Profile("inference", 20, (500, 2000), (2, 8), (250, 1000), (30, 300), (1, 24)),
)
# fmt: on
_SIZES = 5  # shapes of each profile, from the smallest to the largest


def default_workload(
    *,
    seed: int = 0,
    tenants: int = 5,
    tasks: int = 2400,
    machines: int = 30,
    load: float = 1.3,
    weights: Mapping[str, float] | None = None,
) -> Workload:
    """Tenants with unlike demands on machines of three kinds; the same seed makes the same
    workload; O(tasks log tasks).

    ``load`` is what all tasks ask for, demand times duration on the fullest resource, over what the
    machines can give while tasks arrive: above 1 somebody waits. Tenants are web, analytics, batch,
    training and inference in turn, then web-2, and so on. Raises InvalidOption where a setting is
    out of range, UnknownName for a weight of nobody.

    >>> w = default_workload(seed=1, tasks=500)
    >>> w.tenants, len(w.machines), len(w.tasks), round(max(w.load.values()), 2)
    (('analytics', 'batch', 'inference', 'training', 'web'), 30, 500, 1.3)
    """
    check_whole("seed", seed, 0)
    check_whole("tenants", tenants, 1)
    check_whole("tasks", tasks, tenants)
    check_whole("machines", machines, len(_KINDS))
    if not (math.isfinite(load) and load > 0):
        raise InvalidOption(f"load is {load!r}; give a finite number above 0, such as 1.3")

    random = SplitMix64(seed)
    drafts: list[_Draft] = []
    for row, (tenant, profile, count) in enumerate(_tenants(tenants, tasks)):
        drafts += _bursts(random.spawn(row), tenant, profile, count)
    drafts.sort(key=lambda d: (d.position, d.tenant))

    park = _machines(machines)
    first, last = drafts[0].position, drafts[-1].position
    span = (last - first) or 1.0
    length = _window(drafts, park, load)
    digits = len(str(len(drafts) - 1))
    made = [
        Task(
            name=f"task-{number:0{digits}d}",
            tenant=draft.tenant,
            arrival=round((draft.position - first) / span * length, 3),
            duration=float(draft.seconds),
            demand=_demand(draft.profile, draft.size),
        )
        for number, draft in enumerate(drafts)
    ]
    return Workload(
        name="default",
        machines=tuple(park),
        tasks=tuple(made),
        space=_SPACE,
        weights=weights or {},
        notes=(
            f"generated with seed {seed}: {tenants} tenants, {len(made):,} tasks in bursts over "
            f"{length:,.0f} s, {machines} machines of three kinds, "
            f"offered load {load:g} on the fullest resource.",
        ),
    )


def _tenants(count: int, tasks: int) -> list[tuple[str, _Profile, int]]:
    """Name, profile and number of tasks of each tenant; every one has at least one task."""
    chosen = [_PROFILES[i % len(_PROFILES)] for i in range(count)]
    parts = sum(p.part for p in chosen)
    shares = [max(1, tasks * p.part // parts) for p in chosen]
    row = 0
    while (missing := tasks - sum(shares)) != 0:  # what rounding left over, one each in turn
        if missing > 0:
            shares[row % count] += 1
        elif shares[row % count] > 1:
            shares[row % count] -= 1
        row += 1
    names = []
    for i, profile in enumerate(chosen):
        again = i // len(_PROFILES)
        names.append(f"{profile.name}-{again + 1}" if again else profile.name)
    return list(zip(names, chosen, shares, strict=True))


def _bursts(random: SplitMix64, tenant: str, profile: _Profile, count: int) -> list[_Draft]:
    """The tasks of one tenant: bursts begin anywhere in the window, their tasks follow shortly
    after.
    """
    drafts: list[_Draft] = []
    while len(drafts) < count:
        begin = random.random()
        for _ in range(min(_between(random, *profile.burst), count - len(drafts))):
            position = begin + random.below(20) / 10_000  # within 0.2 % of the window
            seconds = _between(random, *profile.duration) * (4 if random.below(8) == 0 else 1)
            drafts.append(_Draft(position, tenant, profile, random.below(_SIZES), seconds))
    return drafts


def _demand(profile: _Profile, size: int) -> Resources:
    """The demand of a task of size 0 (smallest) to 4 (largest)."""

    def at(low: int, high: int) -> int:
        return low + (high - low) * size // (_SIZES - 1)

    units = {"cpus": at(*profile.cpus), "mem": at(*profile.mem) * _GIB, "gpus": at(*profile.gpus)}
    return Resources.from_units(units, space=_SPACE)


def _machines(count: int) -> list[Machine]:
    """Machines of each kind by its part, at least one of each."""
    counts = [max(1, count * kind.part // 10) for kind in _KINDS]
    counts[0] += count - sum(counts)
    return [
        Machine(
            name=f"{kind.name}-{number + 1:02d}",
            capacity=Resources.from_units(
                {"cpus": kind.cpus * _MILLI, "mem": kind.mem * _GIB, "gpus": kind.gpus * _MILLI},
                space=_SPACE,
            ),
            attributes={"kind": kind.name},
        )
        for kind, many in zip(_KINDS, counts, strict=True)
        for number in range(many)
    ]


def _window(drafts: list[_Draft], park: list[Machine], load: float) -> float:
    """How long arrivals must go on, in seconds, for that offered load on the fullest resource."""
    work: dict[str, int] = {}
    for draft in drafts:
        for name, units in _demand(draft.profile, draft.size).units.items():
            work[name] = work.get(name, 0) + units * draft.seconds
    total: dict[str, int] = {}
    for machine in park:
        for name, units in machine.capacity.units.items():
            total[name] = total.get(name, 0) + units
    return max(w / total[name] for name, w in work.items()) / load


def _between(random: SplitMix64, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return low + random.below(high - low + 1)
