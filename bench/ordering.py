"""The ordering workload: the hot and the churn loop, repeatable decision for decision by any implementation.

N clients named client0..., M agents of cpus 24, mem 4096 each; demand of client i per grant: cpus 1 + (i*7919) % 4,
mem 128 * (1 + (i*104729) % 16). First one grant to every client, then K steps of {the first client in order gets one
more grant}; churn releases, after every grant, the oldest grant still held. The sequence of picked clients is checked
by h = h*31 + index, mod 2**64.

``python bench/ordering.py`` prints each loop's checksum and cost on the active kernel (``DRF_BACKEND`` chooses).
"""

from __future__ import annotations

import time
from collections import deque

import drf
from drf import Sorter

CHECKSUMS = {
    ("hot", 100, 20_000): "eb395fb577c97460",
    ("hot", 1_000, 20_000): "8b022b72aaeb77c0",
    ("hot", 10_000, 5_000): "a3e7b93391b06518",
    ("hot", 50_000, 4_000): "8008c4ab4d3df0c0",
    ("churn", 100, 5_000): "5d98c9af7cf70a37",
    ("churn", 1_000, 2_000): "b2e6acf1507d15ef",
}
"""By loop, clients and steps; every implementation that breaks ties by share, grants and name gives the same."""


def demand(i: int) -> dict[str, int]:
    """What client i gets per grant."""
    return {"cpus": 1 + (i * 7919) % 4, "mem": 128 * (1 + (i * 104729) % 16)}


def prepared(clients: int, agents: int = 1000) -> tuple[Sorter, dict[str, object]]:
    """A sorter in which every client holds one grant, and the interned demands by client."""
    sorter = Sorter("drf", total={"cpus": 24 * agents, "mem": 4096 * agents})
    demands = {}
    for i in range(clients):
        name = f"client{i}"
        sorter.add(name)
        demands[name] = sorter.intern(demand(i))
    for name, vector in demands.items():
        sorter.allocated(name, vector)
    return sorter, demands


def hot(sorter: Sorter, demands: dict[str, object], steps: int) -> list[str]:
    """The first client in order gets one more grant, ``steps`` times."""
    picked = []
    for _ in range(steps):
        name = sorter.next()
        sorter.allocated(name, demands[name])
        picked.append(name)
    return picked


def churn(sorter: Sorter, demands: dict[str, object], steps: int) -> list[str]:
    """The same, and after every grant the oldest grant still held is released."""
    held = deque(demands)
    picked = []
    for _ in range(steps):
        name = sorter.next()
        sorter.allocated(name, demands[name])
        picked.append(name)
        held.append(name)
        oldest = held.popleft()
        sorter.unallocated(oldest, demands[oldest])
    return picked


LOOPS = {"hot": hot, "churn": churn}


def checksum(picked: list[str]) -> str:
    """16 hex digits that stand for the sequence."""
    h = 0
    for name in picked:
        h = (h * 31 + int(name.removeprefix("client"))) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def main() -> None:
    """One line a loop: clients, steps, checksum, CPU microseconds a step."""
    print(f"kernel {drf.backend()}")
    for (loop, clients, steps), due in CHECKSUMS.items():
        sorter, demands = prepared(clients)
        start = time.process_time()
        picked = LOOPS[loop](sorter, demands, steps)
        cost = (time.process_time() - start) / steps * 1e6
        found = checksum(picked)
        verdict = "as due" if found == due else f"WRONG, {due} is due"
        print(
            f"{loop:5}  {clients:6} clients  {steps:6} steps  {found} {verdict}  {cost:6.2f} us a step"
        )


if __name__ == "__main__":
    main()
