"""Figures, tables and the report, on small results made by hand."""

import csv
import dataclasses
import math
import re
from array import array
from pathlib import Path

import pytest

from drf.errors import InputError, InvalidOption
from drf.resources import Resources
from drf.simulation import plots, report, tables
from drf.simulation.engine import Result, Run, Series
from drf.simulation.metrics import summarise
from drf.simulation.workload import Machine, Task, Workload

ODD = "<b>&$x_1$"  # markup of HTML and of matplotlib


def make_results(tenants=("a", ODD), policies=("drf", "fifo"), tasks=4):
    """Each tenant's tasks run one by one for 60 s each on its own machine; the last never runs."""
    one = Resources("cpus:1;mem:2")
    machines = [Machine(f"m-{t}", Resources("cpus:2;mem:2")) for t in range(len(tenants))]
    made = [
        Task(f"{row}-{i}", tenant, float(i), 60.0, one)
        for row, tenant in enumerate(tenants)
        for i in range(tasks)
    ]
    workload = Workload("small", machines, made, notes=("made by hand", "notes may hold <i>"))
    results = []
    for policy in policies:
        runs = [
            Run(task, f"m-{tenants.index(task.tenant)}", 60.0 * number, 60.0 * (number + 1))
            for task in workload.tasks
            if (number := int(task.name.partition("-")[2])) < tasks - 1
        ]
        times = array("d", [60.0 * i for i in range(tasks)])
        held = array("d", [0.25] * (tasks - 1) + [0.0])
        series = Series(
            times,
            dict.fromkeys(workload.tenants, held),
            dict.fromkeys(workload.resources, held),
            {tenant: array("q", [1] * tasks) for tenant in workload.tenants},
        )
        unfinished = tuple(t for t in workload.tasks if t.name.endswith(f"-{tasks - 1}"))
        result = Result(policy, workload, tuple(runs), unfinished, series, decisions=len(runs))
        results.append((result, summarise(result)))
    return results


def read(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class TestTimeMeans:
    def test_spans_that_cut_steps(self):
        # 2 on [0, 1), 4 on [1, 3), 0 after: [0, 1.5] has (2 * 1 + 4 * 0.5) / 1.5, [1.5, 3] has 4
        means = plots.time_means([0, 1, 3], [2, 4, 0], [0, 1.5, 3])
        assert means.tolist() == pytest.approx([4 / 1.5, 4])

    def test_nothing_before_the_first_time_and_no_value_after_the_last(self):
        means = plots.time_means([10, 20], [1, 0], [0, 15, 25, 35]).tolist()
        assert means[:2] == pytest.approx(
            [5 / 15, 1]
        )  # 5 of 15 s; then 5 of the 5 s that are known
        assert math.isnan(means[2])

    def test_two_values_at_one_moment(self):
        assert plots.time_means([0, 1, 1, 2], [1, 9, 3, 0], [0, 1, 2]).tolist() == [1, 3]


class TestPlots:
    @pytest.mark.parametrize(
        "draw", [plots.dominant_shares, plots.utilisation, plots.completion_times]
    )
    def test_same_results_same_bytes(self, draw):
        results = [result for result, _ in make_results()]
        assert draw(results).lstrip().startswith(b"<?xml")
        assert draw(results) == draw(results)
        assert draw(results, format="png").startswith(b"\x89PNG")

    def test_every_tenant_and_policy_is_named_as_it_is(self):
        results = make_results()
        shares = plots.dominant_shares([result for result, _ in results]).decode()
        marks = plots.slowdowns([summary for _, summary in results]).decode()
        for picture in (shares, marks):
            texts = set(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
            assert {"a", "&lt;b&gt;&amp;$x_1$", "drf", "fifo"} <= texts

    def test_axes_have_units(self):
        results = [result for result, _ in make_results()]
        assert "dominant share (%)" in plots.dominant_shares(results).decode()
        assert "time since the first arrival (s)" in plots.dominant_shares(results).decode()
        assert "(s, logarithmic)" in plots.completion_times(results).decode()

    def test_a_long_series_is_reduced(self):
        result = make_results(tenants=("a",), policies=("drf",))[0][0]
        steps = 20_000
        up_and_down = array("d", [0.2 + 0.2 * (i % 2) for i in range(steps)])
        series = Series(
            array("d", range(steps)),
            {"a": up_and_down},
            {"cpus": up_and_down, "mem": up_and_down},
            {"a": array("q", [0] * steps)},
        )
        picture = plots.dominant_shares([dataclasses.replace(result, series=series)])
        assert len(picture) < 60_000
        assert b"means over" in picture

    def test_many_tenants_are_named_in_part(self):
        names = tuple(f"tenant-{i:02d}" for i in range(plots.NAMED + 5))
        results = [result for result, _ in make_results(tenants=names, policies=("drf",))]
        assert b"5 other tenants" in plots.dominant_shares(results)

    def test_nothing_ever_ended(self):
        result, _ = make_results(tenants=("a",), policies=("drf",), tasks=1)[0]
        assert not result.runs
        for draw in (plots.dominant_shares, plots.utilisation, plots.completion_times):
            assert b"</svg>" in draw([result])
        assert b"</svg>" in plots.slowdowns([summarise(result)])


class TestTables:
    def test_comparison(self):
        results = make_results(tenants=("a",), policies=("drf",))
        table = tables.comparison([summary for _, summary in results])
        row = dict(zip(table.head, table.rows[0], strict=True))
        assert row["policy"] == "drf"
        # starts at 0, 60, 120; arrivals at 0, 1, 2: waits 0, 59, 118
        assert (row["wait mean (s)"], row["wait p95 (s)"]) == ("59.0", "118")
        assert row["cpus used (%)"] == "25.0"
        assert (row["tasks done"], row["unfinished"]) == ("3", "1")

    def test_slowdowns(self):
        table = tables.slowdowns([summary for _, summary in make_results(tenants=("a",))])
        # completions 60, 119, 178 over 60: (1 + 1.983 + 2.967) / 3
        assert table.rows == (("a", "2.0", "2.0"),)

    def test_no_value_is_a_dash(self):
        table = tables.slowdowns(
            [summary for _, summary in make_results(tenants=("a",), policies=("drf",), tasks=1)]
        )
        assert table.rows == (("a", "-"),)


class TestReport:
    def test_page_is_self_contained_and_escaped(self, tmp_path):
        page = report.write_report(
            tmp_path / "new" / "out", make_results(), command="drf compare --out '<x>'"
        )
        text = page.read_text(encoding="utf-8")
        assert page == tmp_path / "new" / "out" / "report.html"
        for absent in ("http", "<script", "<b>", "<i>", "<x>"):
            assert absent not in text
        for present in ("notes may hold &lt;i&gt;", "drf compare --out &#x27;&lt;x&gt;&#x27;"):
            assert present in text
        assert text.count("<img ") == text.count("<figcaption>") == 4
        for file in re.findall(r"<a href='([^']*)'", text):
            assert (page.parent / file).is_file()

    def test_same_results_same_files(self, tmp_path):
        for folder in ("one", "two"):
            report.write_report(tmp_path / folder, make_results())
        for file in (tmp_path / "one").iterdir():
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()

    def test_csv(self, tmp_path):
        results = make_results()
        report.write_report(tmp_path, results)
        summary = read(tmp_path / "summary.csv")
        assert [row["policy"] for row in summary] == ["drf", "fifo"]
        assert float(summary[0]["utilisation_cpus_fraction"]) == 0.25
        assert float(summary[0]["wait_mean_s"]) == 59.0
        tenants = read(tmp_path / "tenants.csv")
        assert [(row["policy"], row["tenant"]) for row in tenants] == [
            ("drf", ODD), ("drf", "a"), ("fifo", ODD), ("fifo", "a"),
        ]  # fmt: skip
        tasks = {(row["policy"], row["task"]): row for row in read(tmp_path / "tasks.csv")}
        assert len(tasks) == 2 * 8
        ended, waiting = tasks["fifo", "1-2"], tasks["fifo", "1-3"]
        assert (ended["start_s"], ended["wait_s"], ended["demand_mem"]) == ("120.0", "118.0", "2")
        assert (waiting["arrival_s"], waiting["start_s"], waiting["machine"]) == ("3.0", "", "")
        series = read(tmp_path / "series.csv")
        assert len(series) == 2 * 4
        first = [series[0][name] for name in ("time_s", "share_a_fraction", "waiting_a_tasks")]
        assert first == ["0.0", "0.25", "1"]

    def test_replaces_its_own_files_only(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "summary.csv").write_text("old")
        report.write_report(tmp_path, make_results())
        assert (tmp_path / "notes.txt").read_text() == "mine"
        assert (tmp_path / "summary.csv").read_text().startswith("workload,")
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "notes.txt", "report.html", "series.csv", "summary.csv", "tasks.csv", "tenants.csv",
        ]  # fmt: skip

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        (tmp_path / "series.csv").write_text("old")

        def broken(results):
            yield ("policy",)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(report, "_series_rows", broken)
        with pytest.raises(InputError, match="No space left on device"):
            report.write_report(tmp_path, make_results())
        assert (tmp_path / "series.csv").read_text() == "old"
        assert not list(tmp_path.glob(".*"))

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(InputError, match="out: is a file; a report needs a folder"):
            report.write_report(tmp_path / "out", make_results())
        with pytest.raises(InputError, match="cannot be written: Not a directory"):
            report.make_folder(tmp_path / "out" / "below")

    def test_no_results(self, tmp_path):
        with pytest.raises(InvalidOption, match="at least one policy"):
            report.write_report(tmp_path, [])
        assert not list(Path(tmp_path).iterdir())
