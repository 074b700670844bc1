"""The local master: specifications, limits, output, the end of whole process trees, signals, the command."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drf.errors import InputError, InvalidOption, NotSupported, UnknownName
from drf.masters.core import FAILED, FINISHED, KILLED, LOST
from drf.masters.core.records import Offered, OfferInfo, Status
from drf.masters.local import LocalMaster, read_spec
from drf.masters.local.confine import CGROUP, RLIMITS, Confinement
from drf.masters.local.proc import have_proc, mark_of
from drf.masters.local.schedulers import BAD, DONE, STARTED, WAITING, Scheduler
from drf.resources import Resources, Shape

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


def can_group():
    try:
        Confinement("probe", CGROUP).close()
    except InvalidOption:
        return False
    return True


HOW = [RLIMITS, *([CGROUP] if can_group() else [])]


def start(tmp_path, text, *options, ignores=()):
    """The command, which heeds all signals but these, whatever those who run the tests ignore themselves."""
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "drf", "run", "spec.toml", "--out", "out", *options]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}

    def heed():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignores else signal.SIG_DFL)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=tmp_path, env=env, text=True, preexec_fn=heed, **pipes)


def run(tmp_path, text, *options):
    """Exit code and the result as JSON has it."""
    process = start(tmp_path, text, "--json", *options)
    out, err = process.communicate(timeout=120)
    assert not any(process.pid == pid for pid, _ in marked(tmp_path))
    return process.returncode, json.loads(out) if out else err


def marked(tmp_path):
    """Processes that belong to the run in that folder."""
    try:
        about = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    found = []
    for name in os.listdir("/proc"):
        mark = mark_of(int(name)) if name.isdigit() else None
        if mark is not None and mark.startswith(about["run"] + "/"):
            found.append((int(name), mark))
    return found


def wait_for(condition):
    for _ in range(3000):
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


AGENT = "grace = 0.2\n[agents.a]\ncpus = 2\nmem = 512\n"


def table(framework, command, **more):
    more = {"resources": {"cpus": 1, "mem": 64}, **more}
    lines = [f"[[frameworks.{framework}.tasks]]", f"command = {json.dumps(command)}"]
    for key, value in more.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items())
            lines.append(f"{key} = {{ {inner} }}")
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class TestSpec:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ({}, "has no frameworks"),
            ({"frameworks": {"f": {}}}, "frameworks.f.tasks: is no list"),
            (
                {"frameworks": {"f": {"tasks": [{}]}}},
                r"frameworks.f.tasks\[0\].command: is missing",
            ),
            ({"frameworks": {"f": {"tasks": [{"command": []}]}}}, "resources: is missing"),
            ({"command": 3}, r"command: 3 is no text"),
            ({"command": []}, r"command: \[\] is no text"),
            ({"count": 0}, r"count: 0 is no whole number of at least 1"),
            ({"count": True}, r"count: True is no whole number"),
            ({"restarts": -1}, "restarts: -1"),
            ({"duration": 0}, "duration: 0 is not a number above 0"),
            ({"env": {"A": 1}}, "env.A: 1 is no text"),
            ({"dir": "/nowhere"}, "dir: '/nowhere' is no folder"),
            ({"together": "yes"}, "together: 'yes' is not true or false"),
            ({"name": "a/b"}, "name: 'a/b' is no name"),
            ({"resources": {"cpus": -1}}, "resources: .* is no amount"),
            ({"resources": {}}, "resources: {} is nothing"),
            ({"resources": {"cpus": 99}}, "fits on no agent: a has cpus:2;mem:512"),
        ],
    )
    def test_what_is_wrong_is_named(self, given, text):
        if "frameworks" not in given and given:
            task = {"command": "true", "resources": {"cpus": 1}, **given}
            given = {"frameworks": {"f": {"tasks": [task]}}}
        with pytest.raises(InputError, match=text):
            read_spec({"agents": {"a": "cpus:2;mem:512"}, **given}, "spec.toml")

    def test_keys_and_tables(self):
        task = {"command": "true", "resources": {"cpus": 1}}
        with pytest.raises(UnknownName, match="comand"):
            read_spec({"frameworks": {"f": {"tasks": [{**task, "comand": "x"}]}}})
        with pytest.raises(InputError, match="need their own"):
            read_spec({"frameworks": {"f": {"tasks": [task, {**task, "together": True}]}}})
        with pytest.raises(InputError, match="is there twice"):
            read_spec({"frameworks": {"f": {"tasks": [{**task, "name": "t"}] * 2}}})
        with pytest.raises(InputError, match=r"roles.r.weight: 0 is not a number above 0"):
            read_spec({"roles": {"r": {"weight": 0}}})
        with pytest.raises(InputError, match=r"s.toml, roles.a//b: is no role: role 'a//b'"):
            read_spec({"roles": {"a//b": {}}}, "s.toml")
        with pytest.raises(InputError, match=r"s.toml, frameworks.f.role: is no role: role 3"):
            read_spec({"frameworks": {"f": {"role": 3, "tasks": [task]}}}, "s.toml")
        with pytest.raises(UnknownName, match=r"key in s.toml: 'agent'; did you mean agents"):
            read_spec({"agent": {}}, "s.toml")
        spec = read_spec({"frameworks": {"f": {"role": "r", "tasks": [task]}}})
        assert spec.frameworks[0].role == "r"
        assert "cpus" in spec.agents["local"]

    def test_line_of_malformed_toml(self, tmp_path):
        code, err = run(tmp_path, "a = 1\nb = = 2\n")
        assert code == 1
        assert "spec.toml, line 2" in err


class TestScheduler:
    def made(self, **more):
        task = {"name": "t", "command": "true", "resources": {"cpus": 1}, "count": 2, **more}
        spec = read_spec({"agents": {"a": "cpus:4"}, "frameworks": {"f": {"tasks": [task]}}})
        return Scheduler(spec.frameworks[0], {})

    def launch(self, scheduler, count=2):
        amount = Resources("cpus:1") * count
        tasks = ((Shape.of("cpus:1"), count),)
        offer = OfferInfo("1", "f", "f", "a", amount, tasks=tasks)
        (accept,) = scheduler.hear(Offered("f", (offer,)))
        return [launch.name for launch in accept.launches["1"]]

    def status(self, scheduler, task, state):
        return scheduler.hear(Status("f", task, state, "a", 2))

    def test_restarts_and_losses(self):
        scheduler = self.made(restarts=1)
        assert [r.tasks for r in scheduler.begin()[1:]] == [2]
        assert self.launch(scheduler) == ["t.0.1", "t.1.1"]
        assert scheduler.requests() == []
        self.status(scheduler, "t.0.1", FAILED)
        self.status(scheduler, "t.1.1", LOST)
        assert [r.tasks for r in scheduler.requests()] == [2]
        assert self.launch(scheduler) == ["t.0.2", "t.1.2"]
        self.status(scheduler, "t.0.1", FINISHED)  # of the past
        self.status(scheduler, "t.0.2", FAILED)
        self.status(scheduler, "t.1.2", FAILED)
        assert [item.state for item in scheduler.items] == [BAD, WAITING]
        self.launch(scheduler, 1)
        self.status(scheduler, "t.1.3", FINISHED)
        assert scheduler.over
        assert scheduler.counts == {WAITING: 0, STARTED: 0, DONE: 1, BAD: 1}

    def test_together_all_fail(self):
        scheduler = self.made(restarts=1, together=True, count=3)
        scheduler.begin()
        self.launch(scheduler, 3)
        self.status(scheduler, "t.0.1", FINISHED)
        out = self.status(scheduler, "t.1.1", FAILED)
        assert [(type(e).__name__, e.task) for e in out] == [
            ("Acknowledge", "t.1.1"),
            ("Kill", "t.2.1"),
        ]
        assert scheduler.requests() == []  # one has not ended yet
        self.status(scheduler, "t.2.1", KILLED)
        assert [r.tasks for r in scheduler.requests()] == [3]
        self.launch(scheduler, 3)
        self.status(scheduler, "t.0.2", FAILED)
        self.status(scheduler, "t.1.2", KILLED)
        self.status(scheduler, "t.2.2", FINISHED)  # as it was to be killed
        assert [item.state for item in scheduler.items] == [BAD] * 3
        assert scheduler.over


@pytest.mark.parametrize("how", HOW)
class TestRuns:
    def test_output_env_and_codes(self, tmp_path, how):
        text = AGENT + table("f", "echo $WHO-$DRF_NAME; echo no >&2", env={"WHO": "me"}, count=2)
        text += table("f", ["false"], name="bad", restarts=1)
        text += table("g", ["/no/such/program"], name="none")
        code, facts = run(tmp_path, text, "--limits", how)
        assert code == 1
        found = {t["task"]: t for t in facts["tasks"]}
        assert Path(found["task0.1"]["output"], "out").read_text() == "me-task0.1.1\n"
        assert Path(found["task0.1"]["output"], "err").read_text() == "no\n"
        assert (found["bad.0"]["attempts"], found["bad.0"]["code"]) == (2, 1)
        assert (found["none.0"]["state"], found["none.0"]["code"]) == ("failed", 127)

    def test_time_limit_takes_the_whole_tree(self, tmp_path, how):
        tree = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600' & (setsid sleep 600 &) ; sleep 600"
        text = AGENT + table("f", tree, duration=0.4)
        code, facts = run(tmp_path, text, "--limits", how)
        assert code == 1
        assert facts["tasks"][0]["message"] == "longer than its duration"
        assert marked(tmp_path) == []

    def test_what_is_left_behind_ends_with_its_task(self, tmp_path, how):
        text = AGENT + table("f", "setsid sleep 600 & sleep 600 & exit 0")
        code, _ = run(tmp_path, text, "--limits", how)
        assert code == 0
        assert marked(tmp_path) == []

    def test_memory_limit(self, tmp_path, how):
        eat = [sys.executable, "-S", "-c", "x = bytearray(200 * 2**20)"]
        amount = {"cpus": 1, "mem": 100}
        code, facts = run(tmp_path, AGENT + table("f", eat, resources=amount), "--limits", how)
        assert code == 1
        assert facts["tasks"][0]["state"] == "failed"
        amount = {"cpus": 1, "mem": 400}
        code, _ = run(tmp_path, AGENT + table("f", eat, resources=amount), "--limits", how)
        assert code == 0

    def test_cores(self, tmp_path, how):
        look = [sys.executable, "-S", "-c", "import os; print(len(os.sched_getaffinity(0)))"]
        text = AGENT + table("f", look)
        code, facts = run(tmp_path, text, "--limits", how)
        assert code == 0
        cores = int(Path(facts["tasks"][0]["output"], "out").read_text())
        assert cores == 1 or "cpu" in facts["limits"]

    def test_together(self, tmp_path, how):
        meet = "touch met.$DRF_NAME; while [ $(ls met.* | wc -l) -lt 2 ]; do sleep 0.01; done"
        text = AGENT + table("one", "sleep 0.1", count=4)
        text += table("mpi", meet, together=True, count=2, resources={"cpus": 1})
        code, facts = run(tmp_path, text, "--limits", how)
        assert code == 0
        assert all(t["state"] == "finished" for t in facts["tasks"])

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_signal(self, tmp_path, how, number):
        text = AGENT + table("f", "setsid sleep 600 & sleep 600", count=5)
        process = start(tmp_path, text, "--json", "--limits", how)
        wait_for(lambda: len(marked(tmp_path)) >= 4)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert json.loads(out)["stopped"] == number
        assert marked(tmp_path) == []


def test_weights_share_the_machine(tmp_path):
    text = "grace = 0.1\n[agents.a]\ncpus = 6\n[roles.b]\nweight = 2\n"
    for name in "ab":
        text += table(name, "sleep 600", count=9, resources={"cpus": 1})
    process = start(tmp_path, text, "--limits", RLIMITS)

    def names():
        found = {mark.partition("/")[2] for _, mark in marked(tmp_path)}
        return found if len(found) >= 6 else None

    found = wait_for(names)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert sorted(name[0] for name in found) == ["a"] * 2 + ["b"] * 4


def test_what_cannot_run_is_said(tmp_path):
    text = AGENT + "[roles.f]\nlimits = { cpus = 0 }\n" + table("f", "true")
    code, facts = run(tmp_path, text)
    assert code == 1
    assert facts["stuck"]
    assert facts["tasks"][0]["state"] == "waiting"


def test_folders(tmp_path):
    text = AGENT + table("f", "true")
    assert run(tmp_path, text)[0] == 0
    assert run(tmp_path, text)[0] == 0  # a run that ended is replaced
    code, err = run(tmp_path, text, "--resume", "--clean")
    assert code == 2
    process = start(tmp_path, AGENT + table("f", "sleep 600"))
    wait_for(lambda: marked(tmp_path))
    code, err = run(tmp_path, text)
    assert code == 1
    assert "another master has this folder" in err
    process.kill()
    process.communicate()
    code, err = run(tmp_path, text)
    assert code == 1
    assert "--resume" in err
    code, err = run(tmp_path, text, "--resume")
    assert code == 1
    assert "another specification" in err
    assert run(tmp_path, text, "--clean")[0] == 0
    assert marked(tmp_path) == []


def test_what_is_refused_leaves_no_run_behind(tmp_path):
    task = table("f", "true")
    limited = "[roles.f]\nguarantees = { cpus = 1 }\nlimits = { cpus = 0.5 }\n"
    for wrong in ('policy = "dfr"\n' + AGENT, 'policy = "static"\n' + AGENT, AGENT + limited):
        code, err = run(tmp_path, wrong + task)
        assert code == 1
        assert err.startswith("drf: ")
        assert not (tmp_path / "out").exists()
    assert run(tmp_path, AGENT + task)[0] == 0


def test_a_run_that_launched_nothing_is_not_in_the_way(tmp_path, monkeypatch):
    task = {"command": "true", "resources": {"cpus": 1}}
    spec = read_spec({"agents": {"a": "cpus:2"}, "frameworks": {"f": {"tasks": [task]}}})
    with monkeypatch.context() as patch:
        patch.setattr("drf.masters.local.confine.own_group", lambda: None)
        with pytest.raises(InvalidOption, match="no cgroup v2 may be written"):
            LocalMaster(spec, tmp_path, limits=CGROUP).run()
    assert LocalMaster(spec, tmp_path).run().ok


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    kept = tmp_path / "out" / "tasks" / "precious"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    code, err = run(tmp_path, AGENT + table("f", "true"))
    assert code == 1
    assert "holds a folder tasks that is of no run; name another folder (--out)" in err
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("about", "events", "place"),
    [
        ("no JSON", "", "run.json: is malformed"),
        ("[]", "", "run.json: is malformed"),
        ('{"run": "r"}', "", "run.json: is malformed"),
        ('{"run": "r", "digest": "d"}', '["over"]\nwhat\n', "events.jsonl, line 2: is malformed"),
        ('{"run": "r", "digest": "d"}', '["launch", ["f"]]\n', "events.jsonl, line 1: is malf"),
    ],
)
def test_malformed_folders(tmp_path, about, events, place):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text(about)
    (tmp_path / "out" / "events.jsonl").write_text(events)
    process = start(tmp_path, AGENT + table("f", "true"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert place in err
    assert "Traceback" not in err


def test_signals_that_are_ignored_stay_ignored(tmp_path):
    """As nohup does, and a shell for what it runs in the background."""
    text = AGENT + table("f", "sleep 1")
    process = start(tmp_path, text, ignores=[signal.SIGHUP])
    wait_for(lambda: marked(tmp_path))
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("how", HOW)
def test_in_a_thread_what_is_left_behind_ends_too(tmp_path, how):
    """Where the main thread is another one, the system does not tell in one call whether anything is left."""
    task = {"command": "setsid sleep 600 & exit 0", "resources": {"cpus": 1}, "count": 3}
    spec = read_spec({"agents": {"a": "cpus:2"}, "frameworks": {"f": {"tasks": [task]}}})
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(LocalMaster(spec, tmp_path / "out", limits=how).run).result()
    assert result.ok
    assert marked(tmp_path) == []


def test_without_open_files_to_spare_processes_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("drf.masters.local.executor.SPARE", 10**9)
    task = {"command": "setsid sleep 600 & exit 3", "resources": {"cpus": 1}, "count": 3}
    spec = read_spec({"agents": {"a": "cpus:2"}, "frameworks": {"f": {"tasks": [task]}}})
    result = LocalMaster(spec, tmp_path / "out").run()
    assert [(t.state, t.code) for t in result.tasks] == [("failed", 3)] * 3
    assert marked(tmp_path) == []


class TestGroups:
    """How groups are laid out, on files that look like the system's. (Limits themselves: see howto-local.)"""

    @pytest.fixture
    def base(self, tmp_path, monkeypatch):
        base = tmp_path / "scope"
        for folder in (base, base / "drf-r"):
            folder.mkdir()
            (folder / "cgroup.type").write_text("domain\n")
            (folder / "cgroup.subtree_control").write_text("")
            (folder / "cgroup.kill").write_text("")
        (base / "cgroup.procs").write_text("")
        monkeypatch.setattr("drf.masters.local.confine.own_group", lambda: base)
        return base

    def test_a_group_with_others_in_it_is_left_as_it_is(self, base):
        """Else the groups below were invalid, and nothing would start in them."""
        (base / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
        assert Confinement("r").how == "cgroup v2 (no controllers)"
        assert (base / "cgroup.subtree_control").read_text() == ""

    def test_alone_in_its_group_the_master_makes_room(self, base):
        (base / "cgroup.procs").write_text(f"{os.getpid()}\n")
        seat = base / "drf-r-master"
        seat.mkdir()

        def moved(confinement):
            (base / "cgroup.procs").write_text("")
            return (seat / "cgroup.procs").read_text()

        confinement = Confinement("r")
        assert confinement.how == "cgroup v2 (cpu, memory)"
        assert moved(confinement) == str(os.getpid())
        assert (base / "cgroup.subtree_control").read_text() == "+memory"
        confinement.close()
        assert (base / "cgroup.subtree_control").read_text().startswith("-")
        assert (base / "cgroup.procs").read_text() == str(os.getpid())

    def test_at_the_top_nothing_moves(self, base):
        (base / "cgroup.type").unlink()
        (base / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
        assert Confinement("r").how == "cgroup v2 (cpu, memory)"
        assert not (base / "drf-r-master").exists()

    def test_an_invalid_group_is_not_used(self, base):
        (base / "drf-r" / "cgroup.type").write_text("domain invalid\n")
        with pytest.raises(InvalidOption, match="no cgroup v2 may be written"):
            Confinement("r", CGROUP)

    def test_amounts_and_what_ran_out(self, base):
        (base / "cgroup.type").unlink()
        confinement = Confinement("r")
        group = Path(confinement.group("f/t.1", Resources("cpus:0.5;mem:64")))
        assert (group / "cpu.max").read_text() == "50000 100000"
        assert (group / "memory.max").read_text() == str(64 * 2**20)
        assert confinement.limits(Resources("cpus:1;mem:64"), None) == ("", "")
        assert confinement.take(Resources("cpus:0.5")) == ()
        assert not confinement.ran_out("f/t.1")
        (group / "memory.events").write_text("oom 2\noom_kill 0\n")
        assert not confinement.ran_out("f/t.1")
        (group / "memory.events").write_text("oom 2\noom_kill 1\noom_group_kill 0\n")
        assert confinement.ran_out("f/t.1")


def test_tasks_are_spread_over_cores():
    confinement = Confinement("r", RLIMITS)
    if len(confinement._cores) < 2:
        pytest.skip("needs two cores")
    amount = Resources("cpus:0.5")
    first, second = confinement.take(amount), confinement.take(amount)
    assert first != second
    confinement.left(first, amount)
    assert confinement.take(amount) == first


@pytest.mark.skipif(not have_proc(), reason="needs /proc")
@pytest.mark.parametrize("how", HOW)
def test_what_runs_is_adopted(tmp_path, how):
    body = "echo begun; while [ ! -e go ]; do sleep 0.01; done; echo done; exit 3"
    text = AGENT + table("f", body, count=2)
    process = start(tmp_path, text, "--limits", how)
    roots = wait_for(lambda: found if len(found := marked(tmp_path)) >= 4 else None)
    process.kill()
    process.communicate()
    process = start(tmp_path, text, "--limits", how, "--resume", "--json")
    time.sleep(
        1.0
    )  # where the new master needs longer, tasks end before it looks: that is right too
    assert set(roots) & set(marked(tmp_path))
    (tmp_path / "go").touch()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    for task in json.loads(out)["tasks"]:
        assert (task["attempts"], task["code"]) == (1, 3)
        assert Path(task["output"], "out").read_text() == "begun\ndone\n"


def test_plain_lines(tmp_path):
    process = start(tmp_path, AGENT + table("f", "true") + table("f", "exit 4", name="bad"))
    out, err = process.communicate(timeout=60)
    assert "f task0.0 finished" in err
    assert "f bad.0 failed: exit code 4" in err
    assert "1 of 2 tasks finished" in out


@pytest.mark.skipif(not have_proc(), reason="needs /proc")
def test_live_view(tmp_path):
    import pty

    (tmp_path / "spec.toml").write_text(AGENT + table("web", "sleep 1", count=3), encoding="utf-8")
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "drf", "run", "spec.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm"},
        stderr=side,
        stdout=subprocess.PIPE,
    )
    os.close(side)
    shown = b""
    while True:
        try:
            part = os.read(main, 10_000)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(main)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"web" in shown
    assert b"running" in shown
    assert b"2 of 2" in shown  # of the agent's cores
    assert b"128 of 512" in shown


def test_the_example_of_the_documentation(tmp_path):
    page = Path(__file__).parent.parent / "docs" / "howto-local.md"
    text = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    code, facts = run(tmp_path, text)
    assert code == 0
    assert len(facts["tasks"]) == 9


class TestElsewhere:
    """Systems that are no Linux, as far as that can be seen from one."""

    def spec(self):
        task = {"command": "sleep 600 & exit 3", "resources": {"cpus": 1}, "count": 2}
        return read_spec({"agents": {"a": "cpus:2"}, "frameworks": {"f": {"tasks": [task]}}})

    def test_without_proc_and_pidfd(self, tmp_path, monkeypatch):
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        monkeypatch.setattr("drf.masters.local.proc.have_proc", lambda: False)
        monkeypatch.setattr("drf.masters.local.confine.own_group", lambda: None)
        result = LocalMaster(self.spec(), tmp_path / "out").run()
        assert [task.code for task in result.tasks] == [3, 3]
        assert marked(tmp_path) == []

    def test_no_posix(self, monkeypatch):
        monkeypatch.delattr(os, "posix_spawn")
        with pytest.raises(NotSupported, match="POSIX"):
            LocalMaster(self.spec())

    def test_it_imports(self):
        text = "import sys; sys.modules['fcntl'] = None; import drf.masters.local, drf.cli.run"
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        subprocess.run([sys.executable, "-W", "error", "-c", text], env=env, check=True)
