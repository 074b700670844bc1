"""Events a second that the server carries out from one connection, decisions streamed.

``pytest bench/test_serve.py --benchmark-enable -s``
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server, event

AGENTS, FRAMEWORKS, ROUNDS, BATCH = 200, 50, 60, 250


class Decisions(threading.Thread):
    """Reads the stream of decisions; what is offered goes into ``offers``."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.offers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.told = 0
        self._connection = server.connect()
        self._connection.request("GET", "/v1/decisions", headers={"Accept": "application/x-ndjson"})
        self._answer = self._connection.getresponse()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.closing(self._connection):
            while line := self._answer.readline():
                if line.strip():
                    self.told += 1
                    for offer in json.loads(line)["offers"]:
                        self.offers.put(offer)


def cpu(server: Server) -> float:
    """Seconds that its process has used; NaN where the system does not say."""
    try:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drive(server: Server, decisions: Decisions, rounds: int) -> int:
    """Tasks end, what they leave is offered, and taken: so many batches on one connection; the number of events."""
    connection = server.connect()
    running: list[tuple[str, str]] = []
    done = 0
    task = {"cpus": 1, "mem": 4}
    with contextlib.closing(connection):
        for _ in range(rounds):
            events: list[dict[str, Any]] = []
            with contextlib.suppress(queue.Empty):
                while len(events) < BATCH:
                    offer = decisions.offers.get(timeout=5 if not events and not running else 0)
                    events.append(event("accept", f"accept {offer['id']}", offer=offer["id"]))
                    count = sum(tasks["count"] for tasks in offer["tasks"])
                    running += [(offer["framework"], offer["agent"])] * count
            while running and len(events) < BATCH:
                framework, agent = running.pop(0)
                given = {"framework": framework, "agent": agent, "resources": task}
                events.append(event("release", f"release {done + len(events)}", **given))
            body = json.dumps({"events": events})
            connection.request("POST", "/v1/batch", body, {"Content-Type": "application/json"})
            outcomes = json.loads(connection.getresponse().read())["outcomes"]
            assert all("event" in outcome for outcome in outcomes)
            done += len(events)
    return done


@pytest.mark.parametrize("journal", ["none", "no-fsync", "fsync"])
def test_events(benchmark: Any, tmp_path: Path, journal: str) -> None:
    options = {
        "none": [],
        "no-fsync": ["--journal", str(tmp_path), "--no-fsync"],
        "fsync": ["--journal", str(tmp_path)],
    }[journal]
    rounds = ROUNDS if not benchmark.disabled else 3
    with Server("--offer", "demand", *options) as server:
        decisions = Decisions(server)
        decisions.start()
        names = [f"f{i}" for i in range(FRAMEWORKS)]
        server.batch(
            *(event("add_agent", name=f"m{i}", resources="cpus:16;mem:64") for i in range(AGENTS)),
            *(event("add_framework", name=name, roles=[name]) for name in names),
            *(event("request", name=name, shape="cpus:1;mem:4", count=10_000) for name in names),
        )
        before, started = cpu(server), time.perf_counter()
        events = benchmark.pedantic(drive, args=(server, decisions, rounds), rounds=1)
        wall, used = time.perf_counter() - started, cpu(server) - before
        assert server.get("check")
        last = int(server.get("open_offers")["decisions"].rpartition("-")[2])
        deadline = time.monotonic() + 30
        while decisions.told < last:  # each of them comes
            assert time.monotonic() < deadline
            time.sleep(0.01)
        benchmark.extra_info |= {
            "events a second": round(events / wall),
            "events a second of the server's CPU": round(events / used) if used else None,
            "decisions": decisions.told,
        }
        print(f"{journal}: {events / wall:.0f} events/s, {1e6 * used / events:.0f} us CPU an event")
        assert server.stop() == 0
