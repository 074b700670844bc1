"""`drf bench`: what is measured and judged, and what the command prints. Nothing here depends on how long it takes."""

import importlib
import json
from dataclasses import replace

import pytest

import drf
from drf.benchmarks import calibration, child, report, runner
from drf.benchmarks.catalogue import WORKLOADS, chosen
from drf.benchmarks.companies import Company
from drf.benchmarks.report import amount, compare, excess, facts, goal_of, load, summary, verdict
from drf.benchmarks.runner import Outcome, Record, Runner
from drf.benchmarks.workload import MEMORY, Cpp, Goal, Stopwatch, Workload, label
from drf.cli import main
from drf.errors import BackendUnavailable, InputError, InvariantBroken, UnknownName

ACTIVE = drf.backend().name


def test_calibration_is_the_work_it_was():
    assert calibration.unit()[1] == calibration.EXPECTED == 0x2779492B39E816A0
    assert calibration.unit(users=3, grants=5)[1] != calibration.EXPECTED


class TestCatalogue:
    def test_goals_and_references_are_of_figures_and_sizes_that_there_are(self):
        for workload in WORKLOADS.values():
            for asked in (*workload.goals, *workload.cpp):
                assert asked.figure in {MEMORY, *workload.figures}, workload.name
                assert asked.size in workload.sizes, (workload.name, asked)
            values = [size[workload.axis] for size in workload.sizes]
            assert values == sorted(set(values)), workload.name
            assert 0 < workload.quick <= len(workload.sizes)

    def test_names(self):
        assert [w.name for w in chosen(("quota-*", "import"))] == [
            "quota-large-small",
            "quota-or-not",
            "import",
        ]
        assert len(chosen(())) == len(WORKLOADS)
        with pytest.raises(UnknownName, match="unknown workload 'qouta-or-not'; did you mean"):
            chosen(("qouta-or-not",))

    @pytest.mark.parametrize(
        "name",
        [name for name in WORKLOADS if name not in ("import", "company-as-written")],
    )
    def test_every_workload_runs_and_is_right(self, name):
        """At its smallest size, or a smaller one, with all the figures that it promises."""
        workload = WORKLOADS[name]
        smaller = {
            "first-cycle": {"agents": 60, "frameworks": 10},
            "first-cycle-roles": {"agents": 60, "frameworks": 10},
            "decline": {"agents": 60, "frameworks": 10},
            "decline-all": {"agents": 20, "frameworks": 4},
            "fleet": {"agents": 200, "frameworks": 60},
            "fleet-refusals": {"agents": 100, "frameworks": 20, "rounds": 10},
            "load": {"agents": 60, "frameworks": 60, "seconds": 3},
            "event": {"agents": 300, "frameworks": 60},
            "growth-agents": {"agents": 60},
            "growth-frameworks": {"frameworks": 10},
            "growth-filters": {"filters": 1_000},
        }
        watch = Stopwatch()
        workload.run(smaller.get(name, workload.sizes[0]), watch)
        assert watch.wrong == []
        assert set(watch.seconds) == set(workload.figures)
        assert all(s >= 0 for samples in watch.seconds.values() for s in samples)

    def test_import_loads_nothing_that_only_some_calls_need(self):
        watch = Stopwatch()
        WORKLOADS["import"].run({"starts": 1}, watch)
        assert watch.wrong == []

    def test_the_company_starves_as_written(self):
        """The dispatchers have launched all they have, hold least, and take the offers of the rest."""
        watch = Stopwatch()
        WORKLOADS["company-as-written"].run({"agents": 8}, watch)
        # 1 Marathon (4 000), 50 Jenkinses (5 each), 5 dispatchers (20 each)
        assert watch.notes["ending"] == (
            "stands still after 146 rounds with 3125 tasks not launched (Marathon 3000, Jenkins 125)"
        )
        it = Company(8, suppressing=True)
        while it.round():
            pass
        assert not any(it.left.values())
        it.allocator.check()

    def test_a_wrong_result_is_told(self, monkeypatch):
        known = {**drf.benchmarks.ordering.CHECKSUMS, ("churn", 100, 5_000): "0" * 16}
        monkeypatch.setattr(drf.benchmarks.ordering, "CHECKSUMS", known)
        watch = Stopwatch()
        WORKLOADS["ordering-churn"].run({"clients": 100}, watch)
        assert watch.wrong == [
            "the checksum of churn, 100 clients is 5d98c9af7cf70a37, 0000000000000000 is due"
        ]

    def test_rounds_stop_at_the_limit(self):
        watch = Stopwatch(limit=0.0)
        WORKLOADS["decline-all"].run({"agents": 20, "frameworks": 4}, watch)
        assert watch.stopped
        assert watch.notes["rounds"] == "stopped after 1 of 8 rounds, 20 refusals"
        assert watch.wrong == []


def counting(cost=1.0):
    """A workload that records a cost in place of measuring one, in proportion to n squared."""
    sizes = tuple({"n": n} for n in (1, 2, 4, 8))
    runs = []

    def run(size, watch):
        runs.append(size["n"])
        watch.record("step", cost * size["n"] ** 2)

    goals = (Goal("step", {"n": 8}, 63.0, "s"), Goal("step", {"n": 4}, 16.0, "s", "pure"))
    cpp = (Cpp("step", {"n": 4}, 32.0),)
    return Workload("fake", "a fake", "n", sizes, {"step": "a step"}, run, goals, cpp), runs


class TestChild:
    def test_medians_and_ratios(self, monkeypatch):
        units = iter([1.0, 3.0, 1.0, 1.0])
        monkeypatch.setattr(child, "unit", lambda: (next(units), calibration.EXPECTED))
        workload, runs = counting()
        found = child.measure(workload, {"n": 2}, repeats=3, limit=1e9)
        assert runs == [2, 2, 2]
        # 4 s in units of (1+3)/2, (3+1)/2, (1+1)/2
        assert found["figures"]["step"] == {
            "seconds": 4.0,
            "u": 2.0,
            "low": 2.0,
            "high": 4.0,
            "samples": 3,
        }
        assert found["units"] == [1.0, 3.0, 1.0, 1.0]

    def test_it_stops_repeating_at_the_limit(self, monkeypatch):
        monkeypatch.setattr(child, "unit", lambda: (1.0, calibration.EXPECTED))
        workload, runs = counting()
        child.measure(workload, {"n": 2}, repeats=3, limit=0.0)
        assert runs == [2]

    def test_a_calibration_that_did_other_work(self, monkeypatch):
        monkeypatch.setattr(child, "unit", lambda: (1.0, 1))
        with pytest.raises(InvariantBroken, match="the calibration gave 0000000000000001, not"):
            child.calibrated()

    def test_memory(self):
        before = child.peak()
        if before is None:
            pytest.skip("not known on this system")
        block = bytearray(b"x") * (64 << 20)
        assert len(block) == 64 << 20
        assert child.peak() >= max(before, 64)


@pytest.fixture
def fake(monkeypatch):
    """A fake workload in the catalogue, and a runner whose children answer from this process."""
    workload, runs = counting()
    monkeypatch.setitem(WORKLOADS, "fake", workload)
    monkeypatch.setattr(child, "unit", lambda: (2.0, calibration.EXPECTED))

    def make(limit=1e9, took=0.0, fail=None, quick=False, kernel="fast", fault=""):
        it = Runner(kernel, limit=limit, repeats=1, quick=quick)

        def ask(request):
            if request["workload"] is None:
                return {"peak": 10.0, "units": []}, ""
            size = request["size"]
            if fail and size["n"] >= fail[0]:
                return None, fail[1]
            answer = child.measure(workload, size, repeats=1, limit=1e9)
            answer["longest"] = took * size["n"] ** 2
            answer["wrong"] = [fault] if fault else []
            return {**answer, "peak": 10.0 + size["n"]}, ""

        monkeypatch.setattr(it, "_ask", ask)
        it.start()
        return it

    return workload, runs, make


def measured(workload, *runners):
    told = []
    outcome = runner.run([workload], runners, lambda *heard: told.append(heard))
    assert [(done, of) for _, done, of in told] == [(i + 1, len(told)) for i in range(len(told))]
    return outcome


class TestRunner:
    def test_all_sizes(self, fake):
        workload, runs, make = fake
        outcome = measured(workload, make())
        assert runs == [1, 2, 4, 8]
        steps = [r for r in outcome.records if r.figure == "step"]
        assert [(r.cost, r.u) for r in steps] == [(1.0, 0.5), (4.0, 2.0), (16.0, 8.0), (64.0, 32.0)]
        assert [r.exponent for r in steps] == [None, 2.0, 2.0, 2.0]
        assert [r.cost for r in outcome.records if r.figure == MEMORY] == [1.0, 2.0, 4.0, 8.0]
        assert (outcome.notes, outcome.wrong, outcome.owed) == ([], [], [])
        assert verdict(steps[3], goal_of(steps[3])) == "no, 1.02 times"

    def test_a_size_beyond_the_limit_is_extrapolated(self, fake):
        workload, runs, make = fake
        # 1, 4 and, as that grew, 16 s; the next would take 64.
        outcome = measured(workload, make(limit=20, took=1.0))
        assert runs == [1, 2, 4]
        last = [r for r in outcome.records if r.extrapolated]
        assert [(r.figure, r.size, r.cost, r.samples) for r in last] == [
            ("step", {"n": 8}, 64.0, 0),
            (MEMORY, {"n": 8}, 8.0, 0),
        ]
        assert outcome.notes == [
            "fake on the fast kernel, 8 n: not measured, it would last longer than the limit; "
            "extrapolated from 2 n and 4 n"
        ]
        row = next(t for t in report.tables(outcome)).rows[-2]
        assert row[2] == "~64 s"
        assert row[-1] == "no, 1.02 times (extrapolated)"
        assert summary(outcome) == "0 of 1 goals met; 1 judged by an extrapolation, 0 not measured"

    def test_one_size_is_too_little_to_extrapolate_from(self, fake):
        workload, runs, make = fake
        outcome = measured(workload, make(limit=1, took=1.0))
        assert runs == [1]
        assert [goal.size for _, goal in outcome.owed] == [{"n": 8}]
        assert next(report.tables(outcome)).rows[-1][-1] == "no, not measured"
        assert summary(outcome) == "0 of 1 goals met; 0 judged by an extrapolation, 1 not measured"

    def test_a_child_that_was_ended(self, fake):
        workload, _, make = fake
        outcome = measured(
            workload, make(fail=(8, "it was ended after 70 s, far beyond the limit"))
        )
        assert outcome.wrong == []
        assert "was ended after 70 s, far beyond the limit; extrapolated from" in outcome.notes[0]

    def test_a_child_that_failed(self, fake):
        workload, _, make = fake
        outcome = measured(workload, make(fail=(4, "ValueError: no")))
        assert outcome.wrong == ["fake on the fast kernel, 4 n: ValueError: no"]

    def test_quick_and_both_kernels(self, fake):
        workload, runs, make = fake
        outcome = measured(workload, make(quick=True), make(quick=True, kernel="pure"))
        assert runs == [1, 2, 1, 2]
        assert {r.kernel for r in outcome.records} == {"fast", "pure"}
        assert outcome.owed == []

    def test_a_kernel_that_is_not_there(self, monkeypatch):
        it = Runner("fast", limit=1.0, repeats=1, quick=True)
        monkeypatch.setattr(it, "_ask", lambda request: (None, "BackendUnavailable: rebuild it"))
        with pytest.raises(
            BackendUnavailable, match=r"no workload runs on the fast kernel: Back.*rebuild it"
        ):
            it.start()

    def test_a_real_child(self):
        it = Runner(ACTIVE, limit=0.1, repeats=1, quick=True)
        it.start()
        outcome = measured(WORKLOADS["import"], it)
        assert [r.figure for r in outcome.records if r.figure != MEMORY] == ["import"]
        answer, error = it._ask({"workload": "no such"})
        assert answer is None
        assert error == "KeyError: 'no such'"


RECORD = Record("ordering-hot", "step", "fast", {"clients": 1_000}, 2e-7, 4e-6, 3e-6, 5e-6, 5)


class TestReport:
    def test_goals(self):
        goal = goal_of(RECORD)
        assert (goal.most, goal.unit) == (5e-6, "u")
        assert excess(RECORD, goal) == pytest.approx(0.8)
        assert verdict(RECORD, goal) == "yes"
        assert verdict(replace(RECORD, u=1e-5), goal) == "no, 2 times"
        assert goal_of(replace(RECORD, kernel="pure")).most == pytest.approx(35e-6)
        assert goal_of(replace(RECORD, size={"clients": 7})) is None

    def test_amounts(self):
        assert amount(0.9996e-3, "s") == "1 ms"
        assert amount(3e-9, "s") == "3 ns"
        assert amount(2.5, "MB") == "2.5 MB"
        assert label({"agents": 10_000, "frameworks": 5}) == "10 000 agents x 5 frameworks"

    def made(self, **change):
        outcome = Outcome(records=[replace(RECORD, **change)], units=[0.1])
        return facts(outcome, {"keys": 100}, quick=True)

    def test_facts_are_json(self):
        found = self.made()
        assert json.loads(json.dumps(found)) == found
        assert found["unit"] == 0.1
        assert found["records"][0]["goal"] == {"most": 5e-6, "unit": "u", "met": True}

    def test_a_regression_of_time(self):
        assert compare(self.made(u=5.9e-6), self.made()) == (2, [])
        compared, worse = compare(self.made(u=6.1e-6), self.made())
        assert compared == 2
        assert worse == [
            (
                "ordering-hot, step, 1 000 clients, fast",
                "4e-06 u",
                "6.1e-06 u",
                pytest.approx(1.525),
            )
        ]

    def test_a_regression_of_memory(self):
        before = self.made(figure=MEMORY, cost=100.0, u=None)
        assert compare(self.made(figure=MEMORY, cost=119.0, u=None), before)[1] == []
        assert len(compare(self.made(figure=MEMORY, cost=121.0, u=None), before)[1]) == 1
        small = self.made(figure=MEMORY, cost=1.0, u=None)
        assert compare(self.made(figure=MEMORY, cost=5.0, u=None), small)[1] == []

    def test_a_regression_of_a_count(self):
        now = self.made()
        now["counts"] = {"keys": 101, "new": 5}
        assert compare(now, self.made())[1] == [("keys", "100", "101", 1.01)]
        assert compare(self.made(), now)[1] == []

    def test_what_was_not_measured_is_not_compared(self):
        guess = self.made(u=1.0, extrapolated=True)
        assert compare(guess, self.made()) == (1, [])
        assert compare(self.made(u=1.0), self.made(kernel="pure")) == (1, [])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{}", "is not what drf bench --json writes"),
            ("[1", "is not what drf bench --json writes"),
            ('{"format": 7}', "is of format 7; this version reads 1"),
            ('{"format": 1, "records": [{}], "counts": {}}', "is not what"),
        ],
    )
    def test_a_file_that_is_none(self, tmp_path, text, message):
        file = tmp_path / "f.json"
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            load(str(file))


@pytest.fixture
def command(fake, monkeypatch, capsys, tmp_path):
    """Runs `drf bench` on the fake workload: exit code, standard output, standard error."""
    make = fake[2]
    monkeypatch.chdir(tmp_path)
    bench = importlib.import_module("drf.cli.bench")  # the module, not the command of that name
    state = {"counts": {"keys": 100}, "absent": (), "fault": ""}
    monkeypatch.setattr(bench, "count_operations", lambda: state["counts"])

    def runner_of(kernel, *, limit, repeats, quick):
        it = make(kernel=kernel, quick=quick, fault=state["fault"])
        if kernel in state["absent"]:
            monkeypatch.setattr(it, "_ask", lambda request: (None, "not built"))
        return it

    monkeypatch.setattr(bench, "Runner", runner_of)

    def call(*arguments):
        code = main(["bench", "--only", "fake", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    call.state = state
    return call


class TestCommand:
    def test_table(self, command):
        code, out, err = command()
        assert code == 0
        rows = [line.split() for line in out.splitlines()]
        # 16 s are 8 u here, the C++ figure is 32 u; the pure kernel's goal is 16 s
        assert ["4", "n", "step", "16", "s", "8", "2.00", "32", "u", "4", "-", "-"] in rows
        assert ["4", "n", "step", "16", "s", "8", "2.00", "32", "u", "4", "16", "s", "yes"] in rows
        assert "1 of 2 goals met" in out
        assert "drf: fake, 8 n, pure (8 of 8)" in err

    def test_json_and_compare(self, command):
        assert command("--quick", "--json", "a.json")[0] == 0
        code, out, _ = command("--quick", "--compare", "a.json")
        assert code == 0
        assert out.splitlines()[-1] == "9 costs compared with a.json, 0 regressions"
        command.state["counts"] = {"keys": 101}
        code, out, _ = command("--quick", "--compare", "a.json")
        assert code == 1
        assert "keys" in out
        assert out.splitlines()[-1] == "9 costs compared with a.json, 1 regressions"

    def test_json_on_standard_output(self, command):
        code, out, _ = command("--quick", "--kernel", "fast", "--json", "-")
        found = json.loads(out)
        assert code == 0
        assert found["run"]["kernels"] == ["fast"]
        assert found["counts"] == {"keys": 100}

    def test_plots(self, command, tmp_path):
        pytest.importorskip("matplotlib")
        code, out, _ = command("--plots", "plots")
        assert code == 0
        assert out.splitlines()[-1] == "Plots: 1 in plots"
        assert "a fake" in (tmp_path / "plots" / "fake.svg").read_text("utf-8")

    def test_one_kernel_may_be_absent(self, command):
        command.state["absent"] = ("fast",)
        code, out, _ = command("--quick")
        assert code == 0
        assert "Note: no workload runs on the fast kernel: not built" in out
        code, out, err = command("--quick", "--kernel", "fast")
        assert (code, out) == (1, "")
        assert err == "drf: no workload runs on the fast kernel: not built\n"

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--only", "nonsense"), 1, "drf: unknown workload 'nonsense'"),
            (("--compare", "gone.json"), 1, "drf: gone.json: No such file or directory"),
            (("--kernel", "slow"), 2, "slow"),
            (("--limit", "0"), 2, "0.0 is not a finite number above 0"),
        ],
    )
    def test_errors(self, command, arguments, code, message):
        found, out, err = command(*arguments)
        assert (found, out) == (code, "")
        assert message in err

    def test_a_wrong_result_ends_in_1(self, command):
        command.state["fault"] = "the checksum is 1, 2 is due"
        code, out, _ = command("--quick", "--kernel", "fast")
        assert code == 1
        assert "WRONG: fake on the fast kernel, 1 n: the checksum is 1, 2 is due" in out
