"""drf check, drf order, and the keys of drf allocate that problem files of counter-examples need."""

import json

import pytest

from drf.cli import main

CASE = ["--on", "pool", "--tasks", "divisible", "--examples", "50"]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


class TestCheck:
    def test_holds(self, run):
        code, out, err = run("check", "drf", "--property", "envy_freeness", *CASE)
        assert (code, err) == (0, "")
        assert "holds in 50" in out
        assert "0 of 1 fail" in out

    def test_fails_with_a_file_that_allocate_reads(self, run, tmp_path):
        code, out, _ = run(
            "check", "asset", "--property", "sharing_incentive", *CASE, "--out", "ce"
        )
        assert code == 1
        assert "would run" in out
        assert "drf allocate ce/sharing_incentive-pool-divisible.toml" in out
        file = tmp_path / "ce" / "sharing_incentive-pool-divisible.toml"
        assert file.read_text().startswith("# sharing_incentive fails: ")
        code, out, err = run("allocate", str(file), "--json")
        assert (code, err) == (0, "")
        shown = json.loads(out)["tasks"]
        witness = next(line for line in file.read_text().splitlines() if "tasks: " in line)
        assert witness.split("tasks: ")[1] == ", ".join(f"{u} {t}" for u, t in shown.items())

    @pytest.mark.parametrize(
        ("policy", "name", "where", "line"),
        [
            ("random", "no_starvation", "pool", ""),
            ("drf", "static_agreement", "tree", 'policy = "hdrf"'),
            ("collapsed", "envy_freeness", "pool", 'policy = "collapsed"'),
        ],
    )
    def test_a_file_is_divided_by_a_policy_that_can(self, run, tmp_path, policy, name, where, line):
        run("check", policy, "--property", name, "--on", where, "--tasks", "whole", "--out", "ce")
        (file,) = (tmp_path / "ce").glob("*.toml")
        assert line in file.read_text()
        assert ("policy = " in file.read_text()) == bool(line)
        assert run("allocate", str(file))[0] == 0

    def test_a_lie_is_two_files(self, run, tmp_path):
        where = ["--on", "pool", "--tasks", "whole", "--out", "."]
        code, _, _ = run("check", "drf", "--property", "strategy_proofness", *where)
        assert code == 1
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "strategy_proofness-pool-whole-after.toml",
            "strategy_proofness-pool-whole.toml",
        ]

    def test_json(self, run):
        code, out, _ = run("check", "asset", "--property", "sharing_incentive", *CASE, "--json")
        (result,) = json.loads(out)["results"]
        assert code == 1
        assert (result["property"], result["on"], result["tasks"], result["outcome"]) == (
            "sharing_incentive",
            "pool",
            "divisible",
            "fails",
        )
        assert "would run" in result["counter_example"]

    def test_module_of_ones_own(self, run, tmp_path):
        (tmp_path / "minemod.py").write_text(
            """
import drf
class ByName(drf.Policy):
    name = "byname"
    def key(self, view, client):
        return (client,)
class Half:
    name, modes = "half", frozenset({"divide"})
def greedy(instance):
    return [min(c // d for c, d in zip(instance.capacity, row) if d) for row in instance.demands]
"""
        )
        code, out, _ = run(
            "check", "minemod:ByName", "--property", "no_starvation", "--tasks", "whole"
        )
        assert code == 1
        assert "Properties of byname" in out
        code, out, _ = run(
            "check", "minemod:greedy", "--property", "conservation", "--tasks", "whole"
        )
        assert code == 1
        assert "Properties of greedy" in out

    @pytest.mark.parametrize(
        ("policy", "words"),
        [
            ("dfr", "did you mean drf"),
            ("nosuchmodule:Thing", "nosuchmodule"),
            ("drf.errors:Nothing", "has no 'Nothing'"),
        ],
    )
    def test_unknown(self, run, policy, words):
        code, out, err = run("check", policy)
        assert (code, out) == (1, "")
        assert words in err

    def test_usage(self, run):
        assert run("check")[0] == 2
        assert run("check", "drf", "asset")[0] == 2
        assert "envy_freeness" in run("check", "drf", "--property", "envy_freenes")[2]

    def test_table(self, run):
        code, out, err = run("check", "--table", "static", "--examples", "3")
        assert (code, err) == (0, "")
        assert "## One pool, divisible tasks" in out
        assert "| static | + |" in out


class TestOrder:
    STATE = """
total = { cpus = 10, mem = 100 }
nodes = { eng = 3 }
[clients]
batch = { weight = 2, holds = { cpus = 6, mem = 10 } }
ml = { holds = { cpus = 4, gpus = 1 }, waiting_since = 2 }
ci = { holds = { cpus = 3, mem = 30 }, grants = 9 }
gone = { active = false }
"""

    def test_side_by_side(self, run, tmp_path):
        (tmp_path / "state.toml").write_text(self.STATE)
        code, out, err = run("order", "state.toml", "--like", "mesos,volcano", "--like", "yarn")
        rows = [line.split() for line in out.splitlines()]
        assert (code, err) == (0, "")
        assert ["place", "mesos", "volcano", "yarn"] in rows
        assert ["1", "batch", "ci", "batch"] in rows
        assert ["3", "ml", "ml", "ml"] in rows
        assert "gone" not in out

    def test_all_and_a_policy_as_json(self, run, tmp_path):
        (tmp_path / "state.toml").write_text(self.STATE)
        orders = json.loads(run("order", "state.toml", "--json", "--policy", "asset")[1])
        presets = ["armada", "kueue", "mesos", "volcano", "yarn", "yunikorn"]
        assert list(orders) == [*presets, "asset"]
        assert {tuple(sorted(order)) for order in orders.values()} == {("batch", "ci", "ml")}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("total = { cpus = 1 }", "no key 'clients'"),
            ("total = { cpus = 1 }\nclient = 1", "did you mean clients"),
            ("total = { cpus = 1 }\nclients = 1", "is not a table"),
            ("total = { cpus = 1 }\n[clients]\na = { hold = 1 }", "did you mean holds"),
            ("total = { cpus = 1 }\n[clients]\na = { holds = 1 }", "is not a table of amounts"),
            ("total = { cpus = 1 }\n[clients]\na = { grants = -1 }", "whole number of at least 0"),
            ("total = { cpus = 1 }\n[clients]\na = { active = 1 }", "is not true or false"),
            ("total = { cpus = 1 }\n[clients]\na = { weight = 'x' }", "is not a number"),
            ("total = { cpus = 1 }\nnodes = { a = 'x' }\n[clients]\n", "is not a number"),
        ],
    )
    def test_errors(self, run, tmp_path, text, words):
        (tmp_path / "state.toml").write_text(text)
        code, out, err = run("order", "state.toml")
        assert (code, out) == (1, "")
        assert words in err

    def test_unknown_system(self, run):
        assert "mesos" in run("order", "state.toml", "--like", "meso")[2]


class TestAllocate:
    MACHINES = """
eligible = { B = ["m1"] }
[capacity]
m1 = { cpus = 2 }
m2 = { cpus = "1/2" }
[demands]
A = { cpus = "1/2" }
B = { cpus = 1 }
"""

    def test_machines_eligible_and_fractions(self, run, tmp_path):
        (tmp_path / "p.toml").write_text(self.MACHINES)
        code, out, err = run("allocate", "p.toml")
        rows = [line.split() for line in out.splitlines()]
        assert (code, err) == (0, "")
        # A takes half a CPU of m1, B one CPU there, A the rest of both
        assert ["A", "2", "1"] in rows
        assert ["B", "1", "0"] in rows
        assert ["cpus", "2.5", "100.0"] in rows
        assert json.loads(run("allocate", "p.toml", "--json")[1])["placement"] == {
            "A": {"m1": 2, "m2": 1},
            "B": {"m1": 1},
        }

    def test_like_and_seed(self, run, tmp_path):
        text = 'like = "armada"\nseed = 3\ncapacity = { x = 6, y = 6 }\n'
        text += "[demands]\na = { x = 2, y = 1 }\nb = { x = 1 }\n"
        (tmp_path / "p.toml").write_text(text)

        def tasks(*options):
            return json.loads(run("allocate", "p.toml", "--json", *options)[1])["tasks"]

        assert tasks() == {"a": 1, "b": 4}
        assert tasks("--like", "mesos") == tasks("--policy", "drf") == {"a": 2, "b": 2}

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ('eligible = { A = "m1" }', "is not a list of machines"),
            ("seed = true", "is not a whole number"),
            ("like = 1", "is not a name"),
            ('weights = { A = "1/0" }', "is not a number"),
        ],
    )
    def test_errors(self, run, tmp_path, line, words):
        text = f"{line}\ncapacity = {{ x = 1 }}\ndemands = {{ A = {{ x = 1 }} }}\n"
        (tmp_path / "p.toml").write_text(text)
        code, out, err = run("allocate", "p.toml")
        assert (code, out) == (1, "")
        assert words in err
