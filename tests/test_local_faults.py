"""SIGKILL of the local master, and of its children, in the middle of tasks; then the whole ledger is checked."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from drf.masters.local.confine import CGROUP, RLIMITS, Confinement
from drf.masters.local.proc import have_proc, mark_of

pytestmark = pytest.mark.skipif(not have_proc(), reason="needs /proc")

TASKS = 6
ROUNDS = 2
LONG = 50

SPEC = """
grace = 0.2
[agents.a]
cpus = 3
mem = 1024
[agents.b]
cpus = 2
mem = 1024
[frameworks.f]
[[frameworks.f.tasks]]
command = "me=$DRF_FRAMEWORK/$DRF_NAME; echo $me begins >>ledger; sleep 0.5; echo $me ends >>ledger"
resources = { cpus = 1, mem = 64 }
count = COUNT
restarts = RESTARTS
[frameworks.g]
[[frameworks.g.tasks]]
command = "me=$DRF_FRAMEWORK/$DRF_NAME; echo $me begins >>ledger; setsid sleep 0.05; echo $me ends >>ledger"
resources = { cpus = 0.5, mem = 32 }
count = COUNT
restarts = RESTARTS
"""


def groups():
    try:
        Confinement("probe", CGROUP).close()
    except Exception:
        return False
    return True


HOW = [RLIMITS, *([CGROUP] if groups() else [])]


class Run:
    """A run in a folder, whose master may be killed and followed by another."""

    def __init__(self, folder, how, restarts):
        self.folder = folder
        text = SPEC.replace("COUNT", str(TASKS)).replace("RESTARTS", str(restarts))
        (folder / "spec.toml").write_text(text, encoding="utf-8")
        self.command = [sys.executable, "-m", "drf", "run", "spec.toml", "--out", "out", "--json"]
        self.command += ["--limits", how]
        self.env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self.process = None

    def start(self):
        resume = ["--resume"] if self.begun() and not self.over() else []
        self.process = subprocess.Popen(
            [*self.command, *resume],
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def begun(self):
        return (self.folder / "out" / "run.json").exists()

    def lines(self):
        try:
            text = (self.folder / "out" / "events.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def over(self):
        return ["over"] in self.lines()

    def ledger(self):
        try:
            return (self.folder / "ledger").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def marked(self):
        """Processes of the run that are there now."""
        if not self.begun():
            return []
        run = json.loads((self.folder / "out" / "run.json").read_text(encoding="utf-8"))["run"]
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if (mark_of(pid) or "").startswith(run + "/")]

    def wait(self):
        out, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err + out
        return json.loads(out)

    def close(self):
        self.process.kill()
        self.process.communicate()
        for pid in self.marked():
            os.kill(pid, signal.SIGKILL)


def check_ledger(run, facts, *, once):
    """Nothing is lost, run twice or handed out twice."""
    assert run.marked() == []
    assert facts["ok"]
    assert len(facts["tasks"]) == 2 * TASKS
    lines = run.lines()
    launched = Counter(line[1][0] + "/" + line[1][1] for line in lines if line[0] == "launch")
    ended = Counter(line[1] for line in lines if line[0] == "end")
    assert set(launched.values()) == {1}, "a task was launched twice"
    assert launched == ended, "a task has no end, or two"
    states = {line[1]: line[2] for line in lines if line[0] == "end"}
    wrote = Counter(run.ledger())
    for task in facts["tasks"]:
        item = f"{task['framework']}/{task['task']}"
        attempts = [f"{item}.{n}" for n in range(1, task["attempts"] + 1)]
        finished = [key for key in attempts if states[key] == "finished"]
        assert finished == attempts[-1:], f"{item} finished {len(finished)} times"
        for key in attempts:
            assert wrote[f"{key} begins"] <= (states[key] != "lost"), (
                f"{key} ran twice, or was lost"
            )
        assert wrote[f"{finished[0]} begins"] == wrote[f"{finished[0]} ends"] == 1
        if once:
            begun = [key for key in attempts if wrote[f"{key} begins"]]
            assert begun == finished, f"{item} was run again"
    check_amounts(lines)


def check_amounts(lines):
    """At no time was more out than there is, by the order of what was written."""
    there = {"a": 3.0, "b": 2.0}
    where = {}
    for kind, *rest in lines:
        if kind == "launch":
            framework, name, _, agent, amount = rest[0][:5]
            where[f"{framework}/{name}"] = (agent, amount["cpus"])
            there[agent] -= amount["cpus"]
            assert there[agent] >= 0, f"{agent} was handed out twice"
        elif kind == "end":
            agent, cpus = where[rest[0]]
            there[agent] += cpus


def kill_master(tmp_path, how, number):
    """A master is killed, and those that follow it, some times."""
    random_ = random.Random(number)
    run = Run(tmp_path, how, restarts=0)
    run.start()
    try:
        for _ in range(random_.randrange(1, 4)):
            seen, least = len(run.ledger()), random_.randrange(1, 6)
            while run.process.poll() is None and len(run.ledger()) < seen + least:
                time.sleep(0.002)
            time.sleep(random_.random() * 0.02)
            run.process.kill()
            run.process.communicate()
            if run.over():
                break
            run.start()
        if run.over() and run.process.returncode:  # it was killed between its last line and its end
            (tmp_path / "ledger").unlink()
            run.start()
        check_ledger(run, run.wait(), once=True)
    finally:
        run.close()


def kill_children(tmp_path, how, number):
    """Processes of tasks are killed, roots and others, while the master watches."""
    random_ = random.Random(number)
    run = Run(tmp_path, how, restarts=1000)
    run.start()
    killed = 0
    try:
        while run.process.poll() is None and killed < 8:
            there = run.marked()
            if there:
                try:
                    os.kill(random_.choice(there), signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(random_.random() * 0.05)
        check_ledger(run, run.wait(), once=False)
    finally:
        run.close()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("fault", [kill_master, kill_children])
@pytest.mark.parametrize("number", range(ROUNDS))
def test_fault(tmp_path, how, fault, number):
    fault(tmp_path, how, number)


@pytest.mark.long
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("fault", [kill_master, kill_children])
@pytest.mark.parametrize("number", range(ROUNDS, LONG))
def test_fault_long(tmp_path, how, fault, number):
    fault(tmp_path, how, number)
