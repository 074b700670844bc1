"""Where plug-ins are found: entry points of five groups, listed without being imported, loaded when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from drf._version import __version__
from drf.errors import DRFError, PluginError, UnknownName

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

POLICIES = "drf.policies"
ALLOCATORS = "drf.allocators"
MASTERS = "drf.masters"
ELECTORS = "drf.electors"
OBSERVERS = "drf.observers"

GROUPS = {
    POLICIES: "policy",
    ALLOCATORS: "allocator",
    MASTERS: "master",
    ELECTORS: "elector",
    OBSERVERS: "observer",
}
"""The groups, and what one of each is called."""

OURS = "drf-allocator"
"""The distribution that the built-in ones come with."""


class Entry(NamedTuple):
    """A plug-in as its distribution registers it; nothing of it was imported."""

    group: str
    name: str
    target: str
    distribution: str
    version: str


def listing(*groups: str) -> list[Entry]:
    """All that is registered under these groups (none: all), by group and name, without importing it; O(plug-ins).

    >>> [(e.name, e.target) for e in listing("drf.allocators") if e.distribution == "drf-allocator"]
    [('hierarchical', 'drf.hierarchical:HierarchicalAllocator')]

    Raises UnknownName for a group that is none.
    """
    found = []
    for group in groups or GROUPS:
        if group not in GROUPS:
            raise UnknownName("group of plug-ins", group, GROUPS)
        ours = _BUILT_IN[group]
        found += [Entry(group, name, ours[name], OURS, __version__) for name in ours]
        for entry in _others(group):
            dist = entry.dist
            who = (dist.name, dist.version) if dist is not None else ("", "")
            found.append(Entry(group, entry.name, entry.value, *who))
    order = list(GROUPS)
    return sorted(found, key=lambda entry: (order.index(entry.group), entry[1:]))


def names(group: str) -> list[str]:
    """The names registered under a group, without importing what stands behind them; O(plug-ins).

    >>> "fifo" in names("drf.policies")
    True
    """
    return sorted({*_BUILT_IN.get(group, {}), *(entry.name for entry in _others(group))})


def load(group: str, name: str) -> Any:
    """What is registered under that name; a name of ours is always ours.

    >>> load("drf.masters", "core").__name__
    'Master'

    O(plug-ins), and what the import costs. Raises UnknownName with the nearest names, PluginError where it does not
    load, or where two distributions register the name.
    """
    target = _BUILT_IN.get(group, {}).get(name)
    if target is None:
        found = {entry.value: entry for entry in _others(group) if entry.name == name}
        if len(found) > 1:
            who = " and ".join(sorted(_distribution(entry) for entry in found.values()))
            raise PluginError(
                f"plug-in {name} of {group} is registered by {who}; uninstall all but one",
                group=group,
                plugin=name,
            )
        target = next(iter(found), None)
    if target is None:
        raise UnknownName(GROUPS.get(group, f"plug-in of {group}"), name, names(group))
    module, _, attribute = target.partition(":")
    try:
        from importlib import import_module  # noqa: PLC0415 (`import drf` need not pay for it)

        made: Any = import_module(module)
        for part in attribute.split(".") if attribute else ():
            made = getattr(made, part)
    except DRFError:  # such as MissingExtra, which says it all
        raise
    except Exception as error:  # a module may raise anything while it is imported
        raise PluginError(
            f"plug-in {name} of {group} does not load from {target}: {error!r}",
            group=group,
            plugin=name,
        ) from error
    return made


def _others(group: str) -> list[EntryPoint]:
    """Entry points that are none of ours: these are known without an installation too."""
    from importlib.metadata import entry_points  # noqa: PLC0415 (40 ms that `import drf` need not pay)

    ours = _BUILT_IN.get(group, {})
    return [entry for entry in entry_points(group=group) if entry.name not in ours]


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.value} (of {entry.dist.name if entry.dist is not None else 'nobody known'})"


_BUILT_IN: dict[str, dict[str, str]] = {
    POLICIES: {
        "drf": "drf.policies.shares:DRF",
        "maxmin": "drf.policies.shares:MaxMin",
        "asset": "drf.policies.shares:Asset",
        "tasks": "drf.policies.shares:Tasks",
        "fifo": "drf.policies.fifo:FIFO",
        "random": "drf.policies.lottery:Random",
        "priority": "drf.policies.priority:Priority",
        "seqminmax": "drf.policies.sequential:SequentialMinMax",
        "static": "drf.policies.partition:Static",
        "slots": "drf.policies.partition:Slots",
        "ceei": "drf.policies.welfare:CEEI",
        "bmf": "drf.policies.welfare:BMF",
        "utilitarian": "drf.policies.welfare:Utilitarian",
        "drfh": "drf.policies.machines:DRFH",
        "tsf": "drf.policies.machines:TSF",
        "cdrf": "drf.policies.machines:CDRF",
        "perserver": "drf.policies.machines:PerServer",
        "psdsf": "drf.policies.machines:PSDSF",
        "hdrf": "drf.policies.hierarchy:HDRF",
        "collapsed": "drf.policies.hierarchy:Collapsed",
        "sdrf": "drf.policies.overtime:SDRF",
        "halflife": "drf.policies.overtime:HalfLife",
        "dynamic": "drf.policies.dynamic:Dynamic",
        "gavel": "drf.policies.gavel:Gavel",
        "mesos": "drf.policies.peers:Mesos",
        "volcano": "drf.policies.peers:Volcano",
        "yunikorn": "drf.policies.peers:YuniKorn",
        "yarn": "drf.policies.peers:Yarn",
        "armada": "drf.policies.peers:Armada",
        "kueue": "drf.policies.peers:Kueue",
    },
    ALLOCATORS: {"hierarchical": "drf.hierarchical:HierarchicalAllocator"},
    MASTERS: {
        "core": "drf.masters.core:Master",
        "local": "drf.masters.local:LocalMaster",
        "dask": "drf.masters.dask:FairShare",
    },
    ELECTORS: {
        "alone": "drf.masters.electors:Alone",
        "file": "drf.masters.electors:FileLock",
    },
    OBSERVERS: {"log": "drf.observers:Log", "tally": "drf.observers:Tally"},
}
"""Ours, so that a source tree that was never installed works too."""
