"""Clusters of many like agents and frameworks, as Mesos's own benchmarks have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf.allocator import Allocator

AGENT = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]"
"""An agent of Mesos's benchmarks."""

FRAGMENTS = ", ".join(f"{31_000 + 60 * i}-{31_029 + 60 * i}" for i in range(16))
BUSY = f"cpus:16;mem:2014;disk:1024;ports:[{FRAGMENTS}]"
"""What runs on an agent of DeclineOffers from the start: ports in 16 fragments."""


def wide(resources: int) -> dict[str, int]:
    """An agent with so many scalar resources; O(resources).

    >>> wide(3)
    {'cpus': 24, 'mem': 4096, 'r2': 100}
    """
    return {
        ("cpus", "mem")[i] if i < 2 else f"r{i}": (24, 4096, 100)[min(i, 2)]
        for i in range(resources)
    }


def cluster(
    agents: int,
    *,
    agent: str | Mapping[str, int] = AGENT,
    busy: str | None = None,
    frameworks: int = 0,
    **options: Any,
) -> Allocator:
    """An allocator with the agents, paused until the frameworks are there; O(agents).

    With ``busy`` that much of agent i is used by framework i modulo ``frameworks``. Other options are the allocator's;
    the default is ``like="mesos"``, seed 1.
    """
    options = {"seed": 1, "like": "mesos", **options}
    allocator = Allocator(**options)
    for i in range(agents):
        used = None if busy is None else {f"f{i % frameworks}": {"*": busy}}
        allocator.add_agent(f"a{i}", agent, used=used)
    allocator.pause()
    return allocator


def register(allocator: Allocator, frameworks: int, roles: int) -> None:
    """So many frameworks, in so many roles by turns (with one: ``*``), and go; O(frameworks)."""
    for i in range(frameworks):
        allocator.add_framework(f"f{i}", roles=["*" if roles == 1 else f"role{i % roles}"])
    allocator.resume()
