"""The `drf` command: exit codes, sentences, tables."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

import drf.cli
import drf.cli.compare
import drf.simulation
from drf._version import __version__
from drf.cli import main
from drf.cli.console import show
from drf.simulation.generate import default_workload
from drf.simulation.tables import Table

PAPER = """
capacity = { cpus = 9, mem = 18 }
[demands]
A = { cpus = 1, mem = 4 }
B = { cpus = 3, mem = 1 }
"""


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


@pytest.fixture
def small(monkeypatch):
    """The default workload, small enough for a test."""
    monkeypatch.setattr(
        drf.cli.compare,
        "default_workload",
        lambda seed: default_workload(seed=seed, tasks=60, machines=3),
    )


class TestCommand:
    def test_help_and_version(self, run):
        code, out, _ = run("-h")
        assert code == 0
        assert all(name in out for name in ("allocate", "compare", "info", "Examples:"))
        assert run("--version")[:2] == (0, f"drf {__version__}\n")

    @pytest.mark.parametrize("name", ["allocate", "compare", "info"])
    def test_help_of_each_command(self, run, name):
        code, out, _ = run(name, "--help")
        assert code == 0
        assert f"Usage: drf {name}" in out

    def test_wrong_usage(self, run):
        code, out, err = run("compar")
        assert (code, out) == (2, "")
        assert "compar" in err

    @pytest.mark.parametrize("package", ["click", "rich"])
    def test_missing_extra(self, run, monkeypatch, package):
        for module in [
            m for m in sys.modules if m.split(".")[0] == package or m.startswith("drf.cli.")
        ]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, package, None)
        code, out, err = run("compare", "--no-report")
        assert (code, out) == (1, "")
        assert err.startswith(f"drf: the drf command needs {package}: ")
        assert err.endswith("pip install 'drf-allocator[cli]'\n")

    def test_as_a_module(self):
        done = subprocess.run(
            [sys.executable, "-m", "drf", "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"drf {__version__}\n"

    def test_reader_that_went_away(self):
        with subprocess.Popen(
            [sys.executable, "-m", "drf", "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 1


class TestInfo:
    def test_text(self, run):
        code, out, _ = run("info")
        assert code == 0
        assert __version__ in out
        assert "armada, asset, bmf" in out
        assert "hierarchical" in out

    def test_json(self, run):
        code, out, _ = run("info", "--json")
        facts = json.loads(out)
        assert code == 0
        assert facts["backend"]["name"] in ("fast", "pure")
        assert {"drf", "fifo", "maxmin", "random"} <= set(facts["plugins"]["policies"])
        assert set(facts["extras"]) == {"cli", "plot", "testing", "lp", "dask", "serve"}


class TestAllocate:
    def test_paper(self, run, tmp_path):
        (tmp_path / "paper.toml").write_text(PAPER)
        code, out, err = run("allocate", "paper.toml")
        rows = [line.split() for line in out.splitlines()]
        assert (code, err) == (0, "")
        # A: 3 tasks of <1, 4>: 12 of 18; B: 2 tasks of <3, 1>: 6 of 9
        assert ["A", "3", "3", "12", "66.7", "mem"] in rows
        assert ["B", "2", "6", "2", "66.7", "cpus"] in rows
        assert ["cpus", "9", "100.0"] in rows
        assert ["mem", "18", "77.8"] in rows

    def test_json_in_and_out_by_pipe(self, run):
        problem = {
            "capacity": {"cpus": 9, "mem": 18},
            "demands": {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}},
        }
        code, out, _ = run("allocate", "-", "--json", stdin=json.dumps(problem))
        answer = json.loads(out)
        assert code == 0
        assert answer["tasks"] == {"A": 3, "B": 2}
        assert answer["resources"]["A"] == {"cpus": 3, "mem": 12}
        assert answer["dominant"] == {"A": "mem", "B": "cpus"}
        assert answer["unplaceable"] == []

    def test_options_override_the_file(self, run):
        code, out, _ = run(
            "allocate", "-", "--divisible", "--json", stdin="divisible = false\n" + PAPER
        )
        # x + 3y = 9 with 4x/18 = 3y/9: x = 3y/2, y = 2
        assert code == 0
        assert json.loads(out)["tasks"] == pytest.approx({"A": 3.0, "B": 2.0})
        code, out, _ = run("allocate", "-", "--steps", "--json", stdin=PAPER)
        assert len(json.loads(out)["steps"]) == 5

    def test_fractions(self, run):
        code, out, _ = run(
            "allocate", "-", "--json", stdin="divisible = true\nexact = true\n" + PAPER
        )
        assert code == 0
        assert json.loads(out)["shares"]["A"] == "2/3"

    def test_whoever_fits_nowhere_is_named(self, run):
        code, out, _ = run("allocate", "-", stdin=PAPER + "C = { cpus = 10 }\n")
        assert code == 0
        assert "Not even one task fits the empty pool: C" in out
        code, _, err = run("allocate", "-", stdin="strict = true\n" + PAPER + "C = { cpus = 10 }\n")
        assert code == 1
        assert err.startswith("drf: ")
        assert "C" in err

    @pytest.mark.parametrize(
        ("name", "text", "sentence"),
        [
            (
                "p.toml",
                "capacity = { cpus = 9 }\ndemands = = 3\n",
                "p.toml, line 2, column 11: is not TOML",
            ),
            ("p.toml", "capacity = {", "p.toml, line 1, column 13: is not TOML"),
            (
                "p.json",
                '{"capacity": {"cpus": 9},\n "demands": }',
                "p.json, line 2, column 13: is not JSON",
            ),
            ("p.json", '{"capacity": {"cpus": 9, "cpus": 8}}', "p.json: 'cpus' is there twice"),
            ("p.json", "[]", "p.json: must be an object"),
            ("p.toml", "capacity = { cpus = 9 }", "p.toml: has no key 'demands'"),
            (
                "p.toml",
                PAPER + "[demandz]\n",
                "unknown key in p.toml: 'demandz'; did you mean demands?",
            ),
            ("p.toml", "capacity = 3\n[demands]\n", "p.toml, capacity: 3 is not a table"),
            ("p.toml", PAPER + "C = { cpus = '1' }", "p.toml, demands.C.cpus: '1' is not a number"),
            (
                "p.toml",
                PAPER + "C = { cpus = true }",
                "p.toml, demands.C.cpus: True is not a number",
            ),
            ("p.toml", "steps = 3\n" + PAPER, "p.toml, steps: 3 is not true or false"),
            ("p.toml", PAPER + "[weights]\nA = 'x'", "p.toml, weights.A: 'x' is not a number"),
            (
                "p.toml",
                "tie_break = 'A'\n" + PAPER,
                "p.toml, tie_break: 'A' is not a list of users",
            ),
            ("p.toml", "max_tasks = 3\n" + PAPER, "p.toml, max_tasks: 3 is not a table"),
            ("p.toml", "policy = 'dfr'\n" + PAPER, "unknown policy 'dfr'; did you mean drf or"),
            ("p.toml", PAPER + "C = { cpus = -1 }", "-1"),
        ],
    )
    def test_malformed(self, run, tmp_path, name, text, sentence):
        (tmp_path / name).write_text(text)
        code, out, err = run("allocate", name)
        assert (code, out) == (1, "")
        assert err.startswith("drf: ")
        assert err.count("\n") == 1
        assert sentence in err

    def test_unreadable(self, run, tmp_path):
        assert run("allocate", "no.toml") == (
            1,
            "",
            "drf: no.toml: cannot be read: No such file or directory\n",
        )
        (tmp_path / "latin.toml").write_bytes(b"capacity = { cpus = 9 }\n# \xe9")
        assert (
            run("allocate", "latin.toml")[2]
            == "drf: latin.toml, line 2, column 3: is not UTF-8 text\n"
        )


class TestCompare:
    def test_tables_and_report(self, run, small, tmp_path):
        code, out, err = run(
            "compare", "--policies", "drf,fifo", "--policies", "maxmin:cpus", "--out", "r"
        )
        assert code == 0
        lines = out.splitlines()
        assert any(line.split()[:1] == ["policy"] and "unfinished" in line for line in lines)
        for name in ("drf", "fifo", "maxmin:cpus"):
            assert any(line.split()[:1] == [name] for line in lines)
            assert f"simulating {name}" in err
        assert lines[-1] == "Report: r/report.html"
        assert "\x1b" not in out + err
        assert "…" not in out
        page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
        assert "drf compare --policies drf,fifo --policies maxmin:cpus --out r" in page

    def test_default_policies_without_a_report(self, run, small, tmp_path):
        code, out, _ = run("compare", "--no-report")
        assert code == 0
        table = out.partition("Mean slowdown")[0].splitlines()
        first = [line.split()[0] for line in table if line.strip()]
        assert first[-4:] == ["drf", "maxmin:cpus", "fifo", "random"]
        assert not list(tmp_path.iterdir())

    def test_same_seed_same_answer(self, run, small):
        arguments = ("compare", "--no-report", "--policies", "random", "--seed", "3")
        assert run(*arguments) == run(*arguments)

    def test_weights(self, run, small):
        code, out, _ = run(
            "compare", "--no-report", "--policies", "drf", "--weights", "batch=2,web=0.5"
        )
        assert code == 0
        assert "weights: batch 2, web 0.5" in out
        code, _, err = run("compare", "--no-report", "--weights", "bach=2")
        assert (code, err) == (1, "drf: unknown tenant 'bach'; did you mean batch?\n")
        for wrong in ("batch", "batch=x", "batch=nan", "batch=0", "=1"):
            code, _, err = run("compare", "--no-report", "--weights", wrong)
            assert code == 2
            assert "--weights" in err

    def test_unknown_policy(self, run):
        code, out, err = run("compare", "--policies", "drf,fife")
        assert (code, out) == (1, "")
        assert err == "drf: unknown policy 'fife'; did you mean fifo or halflife?\n"

    def test_policy_on_a_resource_that_is_not_there(self, run, small):
        code, _, err = run("compare", "--no-report", "--policies", "maxmin:gpu")
        assert code == 1
        assert "'maxmin:gpu' counts no resource of this workload; it has cpus, mem, gpus" in err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--workload", "openb"], "--data DIR"),
            (["--every", "3"], "--every applies to --workload openb only"),
            (["--data", "."], "--data applies to --workload openb only"),
            (["--seed", "-1"], "--seed"),
            (["--horizon", "nan"], "nan is not a finite number above 0"),
            (
                ["--workload", "openb", "--data", ".", "--compress", "0"],
                "0.0 is not a finite number above 0",
            ),
            (["--policies", ","], "--policies names no policy"),
        ],
    )
    def test_wrong_usage(self, run, arguments, words):
        code, out, err = run("compare", *arguments)
        assert (code, out) == (2, "")
        assert words in err

    def test_missing_trace(self, run):
        code, _, err = run("compare", "--workload", "openb", "--data", "nowhere", "--no-report")
        assert code == 1
        assert err.startswith("drf: nowhere")
        assert err.count("\n") == 1

    def test_report_folder_that_is_a_file(self, run, tmp_path):
        (tmp_path / "r").write_text("")
        assert run("compare", "--out", "r") == (
            1,
            "",
            "drf: r: is a file; a report needs a folder\n",
        )

    def test_missing_matplotlib_ends_before_the_simulation(self, run, monkeypatch):
        for name in ("plots", "report"):
            monkeypatch.delitem(sys.modules, f"drf.simulation.{name}", raising=False)
            monkeypatch.delattr(drf.simulation, name, raising=False)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        code, out, err = run("compare")
        assert (code, out) == (1, "")
        assert err.startswith("drf: drawing plots needs matplotlib: ")
        assert err.endswith("pip install 'drf-allocator[plot]'\n")

    def test_interrupt(self, run, small, monkeypatch):
        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(drf.cli.compare, "run_policies", stop)
        code, _, err = run("compare", "--no-report")
        assert (code, err.strip()) == (130, "drf: interrupted")


class TestShow:
    TABLE = Table(
        "Title",
        ("policy", *(f"figure number {i}" for i in range(12))),
        (("a" * 12, *["1234.5"] * 12), ("[b]", *["0.1"] * 12)),
    )

    def test_narrow_terminal_turns_the_table(self):
        out = io.StringIO()
        show(Console(file=out, width=70, force_terminal=True, color_system=None), self.TABLE)
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= 70
        assert lines[1].split() == ["policy", "a" * 12, "[b]"]
        assert sum(line.startswith("figure number") for line in lines) == 12

    def test_nothing_is_lost_where_nothing_fits(self):
        out = io.StringIO()
        show(Console(file=out, width=20, force_terminal=True, color_system=None), self.TABLE)
        assert out.getvalue().count("1234.5") == 12
        assert "…" not in out.getvalue()
