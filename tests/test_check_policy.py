"""check_policy: what theory says of the policies, broken ones convicted, and the table, the files and the plug-in."""

import subprocess
import sys
import tomllib
from fractions import Fraction

import pytest

import drf
from drf.errors import InvalidOption, MissingExtra, UnknownName
from drf.fairness import Instance, fill
from drf.testing import Findings, Setting, check_policy, filled, pool_of, problem_of, rule_of
from drf.testing.files import problem_text
from drf.testing.strategies import STRATEGIES
from drf.testing.table import property_table

DIVISIBLE = {"on": "pool", "tasks": "divisible"}
WHOLE = {"on": "pool", "tasks": "whole"}
FOUR = ["sharing_incentive", "envy_freeness", "pareto_efficiency", "strategy_proofness"]


def outcomes(found: Findings) -> dict[str, str]:
    return {result.name: result.outcome for result in found.results}


def small(found: Findings) -> bool:
    return all(len(result.instance.users) <= 3 for result in found.failures)


class TestTheory:
    def test_drf_keeps_all_four_on_divisible_tasks(self):
        found = check_policy("drf", FOUR, **DIVISIBLE)
        assert found, str(found)
        assert all(result.examples == 100 for result in found.results)

    @pytest.mark.parametrize(
        ("policy", "kept", "lost"),
        [
            ("asset", FOUR[1:], ["sharing_incentive", "bottleneck_fairness"]),
            ("ceei", FOUR[:3], ["strategy_proofness", "population_monotonicity"]),
            ("ceei", ["no_justified_complaints", "bottleneck_fairness"], ["resource_monotonicity"]),
            ("drf", ["bottleneck_fairness"], ["no_justified_complaints", "resource_monotonicity"]),
            ("tasks", ["pareto_efficiency"], ["sharing_incentive", "envy_freeness"]),
            ("static", ["sharing_incentive", "resource_monotonicity"], ["pareto_efficiency"]),
        ],
    )
    def test_divisible(self, policy, kept, lost):
        found = check_policy(policy, [*kept, *lost], **DIVISIBLE)
        assert outcomes(found) == dict.fromkeys(kept, "holds") | dict.fromkeys(lost, "fails")
        assert small(found), str(found)

    def test_whole_drf_loses_what_it_must_and_keeps_its_bounds(self):
        kept = ["sharing_up_to_tasks", "ef1_remove", "pareto_efficiency", "conservation"]
        lost = ["sharing_incentive", "envy_freeness", "ef1_add", "strategy_proofness"]
        lost += ["dominant_gap", "near_divisible"]
        found = check_policy("drf", [*kept, *lost], **WHOLE)
        assert outcomes(found) == dict.fromkeys(kept, "holds") | dict.fromkeys(lost, "fails")
        assert small(found), str(found)

    @pytest.mark.parametrize("policy", ["asset", "maxmin:r0", "seqminmax", "volcano"])
    def test_a_bound_of_whole_tasks_that_others_lose(self, policy):
        found = check_policy(policy, ["sharing_up_to_tasks"], **WHOLE)
        assert outcomes(found) == {"sharing_up_to_tasks": "fails"}
        assert small(found), str(found)

    def test_sequential_min_max_is_envied_for_more_than_a_task(self):
        found = check_policy("seqminmax", ["ef1_remove", "ef1_add"], **WHOLE)
        assert outcomes(found) == {"ef1_remove": "fails", "ef1_add": "holds"}

    def test_a_sorter_of_drf_starves_a_leaf_of_a_tree_and_divides_none(self):
        names = ["no_starvation", "static_agreement", "hierarchical_share", "conservation"]
        found = check_policy("drf", names, on="tree", tasks="whole")
        assert list(outcomes(found).values()) == [
            "fails",
            "fails",
            "not applicable",
            "not applicable",
        ]
        assert "divides no tree" in found["conservation"][0].reason

    def test_stopping_keeps_the_gap_and_loses_efficiency(self):
        names = ["dominant_gap", "near_divisible", "pareto_efficiency"]
        found = check_policy("drf", names, **WHOLE, on_blocked="stop")
        assert list(outcomes(found).values()) == ["holds", "holds", "fails"]

    def test_population_monotonicity_is_lost_with_zeros_alone(self):
        name = ["population_monotonicity"]
        assert not check_policy("drf", name, **DIVISIBLE)
        assert check_policy("drf", name, **DIVISIBLE, instances="positive")

    def test_hierarchy(self):
        name = ["hierarchical_share"]
        assert check_policy("hdrf", name, on="tree")
        found = check_policy("collapsed", name, on="tree", tasks="divisible")
        assert outcomes(found) == {"hierarchical_share": "fails"}

    def test_machines(self):
        found = check_policy("drfh", ["sharing_incentive"], on="machines", tasks="divisible")
        assert outcomes(found) == {"sharing_incentive": "fails"}
        assert check_policy("tsf", ["envy_freeness"], on="machines", tasks="divisible", examples=40)

    def test_live(self):
        assert check_policy("drf", ["no_starvation", "bookkeeping"], **WHOLE)
        assert outcomes(check_policy("ceei", ["no_starvation"], **WHOLE)) == {
            "no_starvation": "not applicable"
        }


def free_of(instance, tasks):
    return [
        c - sum(x * d[j] for x, d in zip(tasks, instance.demands, strict=True))
        for j, c in enumerate(instance.capacity)
    ]


def one_by_one(instance, key, stop=False):
    """Whole tasks, the lowest key first; a blocked user is left out, or ends it."""
    tasks = [0] * len(instance.users)
    going = [i for i, cap in enumerate(instance.caps) if cap != 0]
    while going:
        i = min(going, key=lambda i: key(i, tasks[i]))
        room = free_of(instance, tasks)
        if any(d > f for d, f in zip(instance.demands[i], room, strict=True)):
            if stop:
                break
            going.remove(i)
            continue
        tasks[i] += 1
        if tasks[i] == instance.caps[i]:
            going.remove(i)
    return tasks


def wrong_denominator(instance):
    """DRF by the share of the first resource's capacity, whatever the resource."""
    top = instance.capacity[0] or 1
    return fill(instance, [max(row) / top for row in instance.demands]).tasks


def blocked_stops_all(instance):
    return one_by_one(instance, lambda i, x: (x * instance.per_task(i), i), stop=True)


def ties_by_hash(instance):
    def key(i, x):
        return (x * instance.per_task(i), hash(instance.users[i]))

    return one_by_one(instance, key)


class TestBroken:
    @pytest.mark.parametrize(
        ("rule", "where", "name"),
        [
            (wrong_denominator, DIVISIBLE, "sharing_incentive"),
            (wrong_denominator, DIVISIBLE, "neutral_units"),
            (blocked_stops_all, WHOLE, "pareto_efficiency"),
            (ties_by_hash, WHOLE, "tie_rule"),
        ],
    )
    def test_is_convicted(self, rule, where, name):
        found = check_policy(rule, [name], **where)
        assert outcomes(found) == {name: "fails"}
        assert small(found), str(found)
        assert found.subject == rule.__name__

    def test_what_raises_is_found(self):
        def fragile(instance):
            if len(instance.resources) > 1:
                raise ZeroDivisionError("two")
            return [0] * len(instance.users)

        (result,) = check_policy(fragile, ["conservation"], **WHOLE).results
        assert result.outcome == "raises"
        assert result.bad
        assert "ZeroDivisionError: two" in str(result)
        assert len(result.instance.resources) == 2

    def test_what_answers_otherwise_each_time_is_convicted(self):
        asked = []

        def fickle(instance):
            asked.append(1)
            return [len(asked)] * len(instance.users)

        assert outcomes(check_policy(fickle, ["determinism"], **WHOLE)) == {"determinism": "fails"}

    def test_policy_of_ones_own(self):
        class ByName(drf.Policy):
            name = "byname"
            modes = frozenset({"order"})

            def key(self, view, client):
                return (client,)

        found = check_policy(ByName(), ["no_starvation", "conservation"])
        assert [r.outcome for r in found["no_starvation"]] == ["not applicable", "fails"]
        assert {r.outcome for r in found["conservation"]} == {"not applicable"}


class TestFoundHere:
    """What the search found wrong once."""

    @pytest.mark.parametrize("policy", ["hdrf", "bmf"])
    def test_nobody_can_be_placed(self, policy):
        nobody = drf.allocate({"x": 0}, {"a": {"x": 1}}, policy=policy, divisible=True)
        assert nobody.tasks == {"a": 0}
        assert nobody.unplaceable == ("a",)

    @pytest.mark.parametrize(
        ("demands", "weights", "caps", "tasks"),
        [
            # resource by resource, what is left over by nobody goes by weight
            ([[1, 0], [1, 0], [0, 1]], [1, 1, "1/1000000"], None, [1, 1, 2]),
            ([[1, 0]] * 4, [1, 1, 1, 10**6], None, [2 / 1000003] * 3 + [2e6 / 1000003]),
            ([[1, 0], [1, 0]], None, [1, 1], [1, 1]),
            ([[1, 0], [1, 0]], None, [0, 2], [0, 2]),
            # whom nothing stops but its cap gets there, however little it weighs
            (
                [[0, "1/300"], [3, 0], [1, "1/300"]],
                ["1/1000000", 10**6, 10**6],
                [2, 1, 1],
                [2, 1 / 3, 1],
            ),
        ],
    )
    def test_ceei_of_extreme_weights_and_caps(self, demands, weights, caps, tasks):
        found = rule_of("ceei")(Instance.of([2, 2], demands, weights=weights, caps=caps))
        assert list(found.values()) == pytest.approx(tasks, rel=1e-9)

    def test_weights_of_a_tree_scale_together(self):
        assert check_policy("hdrf", ["neutral_weights"], on="tree", tasks="divisible", examples=40)


class TestInterface:
    def test_seed_repeats(self):
        first, second = (check_policy("asset", ["sharing_incentive"], **WHOLE) for _ in range(2))
        assert str(first) == str(second)

    def test_live_alone_is_filled(self):
        found = check_policy(live=pool_of("drf"), properties=["pareto_efficiency", "bookkeeping"])
        assert found, str(found)
        assert found.cell("pareto_efficiency", Setting("pool", "divisible")).examples == 0
        assert filled(pool_of("drf"))(Instance.of([9, 18], [[1, 4], [3, 1]], divisible=False)) == {
            "u0": 3,
            "u1": 2,
        }

    def test_progress(self):
        told = []
        names = ["conservation", "pareto_efficiency"]
        check_policy("drf", names, **WHOLE, examples=2, progress=lambda *args: told.append(args))
        assert told == [
            (0, 2, "conservation (pool, whole)"),
            (1, 2, "pareto_efficiency (pool, whole)"),
            (2, 2, ""),
        ]

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            ({"policy": "drf", "properties": ["envy_free"]}, UnknownName, "envy_freeness"),
            ({"policy": "dfr"}, UnknownName, "drf"),
            ({"policy": "drf", "on": "pol"}, UnknownName, "pool"),
            ({"policy": "drf", "tasks": []}, InvalidOption, "divisible"),
            ({"policy": "drf", "examples": 0}, InvalidOption, "at least 1"),
            ({"policy": "drf", "instances": "positiv"}, UnknownName, "positive"),
            ({}, InvalidOption, "nothing to check"),
        ],
    )
    def test_errors(self, call, error, words):
        with pytest.raises(error, match=words):
            check_policy(**call)

    def test_without_hypothesis(self, monkeypatch):
        for module in ("checking", "searching", "strategies", "invariants", "table"):
            monkeypatch.delitem(sys.modules, f"drf.testing.{module}", raising=False)
            monkeypatch.delattr(drf.testing, module, raising=False)
        monkeypatch.setitem(sys.modules, "hypothesis", None)
        for name in ("check_policy", "check_allocator", "strategies"):
            with pytest.raises(MissingExtra, match=r"drf-allocator\[testing\]"):
                getattr(drf.testing, name)

    def test_strategies_are_what_they_say(self):
        from hypothesis import find, settings

        def some(name, wanted, divisible=True):
            quick = settings(database=None, max_examples=500)
            return find(STRATEGIES[name](divisible=divisible), wanted, settings=quick)

        assert some("zeros", lambda i: any(0 in row for row in i.demands))
        assert some("zero_capacity", lambda i: 0 in i.capacity)
        assert some("large_tasks", lambda i: any(i.per_task(u) > 1 for u in range(len(i.users))))
        assert some("extreme_weights", lambda i: not i.even)
        assert some("machines", lambda i: any(len(e) < len(i.machines) for e in i.eligible))
        assert some("trees", lambda i: not i.flat and i.groups)
        assert some("broken_caps", lambda i: any(c and c.denominator > 1 for c in i.caps))
        assert some("roomy", lambda i: all(i.per_task(u) < Fraction(1, 6) for u in range(2)))
        assert some("unlike", lambda i: i.even and max(i.demands[0]) > 4 * max(i.demands[1]))
        assert some("capped", lambda i: 0 in i.caps and 1 in i.caps)
        weights = some("vector_weights", lambda i: not i.scalar).weights
        assert all(sum(column) == 1 for column in zip(*weights, strict=True))
        assert not some("pools", lambda i: True, divisible=False).divisible


class TestAdapters:
    def test_machines_and_placement(self):
        two = Instance.of(machines=[[2], [1]], demands=[[1], [2]], eligible=[None, [0]])
        assert rule_of("drf")(two) == {
            "u0": {"m0": Fraction(1, 2), "m1": 1},
            "u1": {"m0": Fraction(3, 4)},
        }

    def test_floats_where_fractions_are_not_to_be_had(self):
        irrational = Instance.of([2, 2, 3], [[1, 0, 1], [0, 2, 1], [1, 1, 3]])
        tasks = rule_of("ceei")(irrational)
        assert all(isinstance(t, (float, Fraction)) for t in tasks.values())

    def test_caps_that_are_not_whole(self):
        parts = Instance.of([4, 4], [[1, 2], [2, 1]], caps=["3/2", "1/3"])
        for policy in (
            "drf",
            "asset",
            "hdrf",
            "ceei",
            "bmf",
            "utilitarian",
            "tsf",
            "psdsf",
            "slots:4",
        ):
            assert list(rule_of(policy)(parts).values()) == [Fraction(3, 2), Fraction(1, 3)], policy
        whole = Instance.of([2], [[1]], caps=["3/2"], divisible=False)
        assert problem_of(whole)["max_tasks"] == {"u0": 1}

    @pytest.mark.parametrize("name", sorted(STRATEGIES))
    def test_files_hold_the_instance(self, name):
        from hypothesis import given, seed, settings

        @seed(1)
        @settings(max_examples=20, database=None, deadline=None)
        @given(STRATEGIES[name]())
        def same(instance):
            problem = tomllib.loads(problem_text(instance, note="why\nso"))
            assert instance == Instance.of(
                None if "m0" in problem["capacity"] else problem["capacity"],
                {u: problem["demands"][u] for u in instance.users},
                machines=problem["capacity"] if "m0" in problem["capacity"] else None,
                weights={
                    u: w for u, w in problem.get("weights", {}).items() if u in instance.users
                },
                groups=dict.fromkeys(instance.groups, 1)
                | {n: w for n, w in problem.get("weights", {}).items() if n not in instance.users},
                caps=problem.get("max_tasks"),
                eligible=problem.get("eligible"),
            )

        same()


class TestTable:
    @pytest.mark.long
    def test_marks_and_counter_examples(self):
        text = property_table(["drf", "asset", "ceei"], examples=30)
        divisible, whole = text.split("## One pool, whole tasks")
        rows = {
            line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
            for line in divisible.splitlines()
            if line.startswith("| ")
        }
        head = rows.pop("")
        cells = {name: dict(zip(head, row, strict=True)) for name, row in rows.items()}
        assert (cells["drf"]["SI"], cells["drf"]["RM"]) == ("+", "-")
        assert cells["drf"]["PM"] in ("+", "(+)")
        assert (cells["asset"]["SI"], cells["asset"]["EF"]) == ("-", "+")
        assert cells["ceei"]["BBF"] == "+"
        assert "| ceei |" not in whole.split("## Machines")[0]
        assert "| drf, stop |" in whole
        assert "* asset, pool, divisible, SI: <" in whole

    def test_page_is_what_the_command_prints(self):
        from pathlib import Path

        page = (Path(__file__).parent.parent / "docs" / "properties.md").read_text(encoding="utf-8")
        fresh = property_table(["priority"], examples=100)
        for line in fresh.splitlines():
            if line.startswith("| priority |"):
                assert line in page


PLUGIN = ["-p", "no:drf", "-p", "drf.testing.pytest_plugin", "-p", "no:cacheprovider"]


class TestPlugin:
    def run(self, tmp_path, text, *options):
        (tmp_path / "test_mine.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-v", *PLUGIN, *options, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout

    def test_one_test_a_property(self, tmp_path):
        text = """
import pytest

@pytest.mark.drf_policy("asset", ["envy_freeness", "sharing_incentive"], on="pool", tasks="divisible")
def test_fair(verdict):
    assert not verdict.bad, str(verdict)

@pytest.mark.drf_allocator("hierarchical", invariants=["ledger"])
def test_books(verdict):
    assert verdict.outcome == "holds", verdict
    assert verdict.examples <= 20
"""
        code, out = self.run(tmp_path, text, "--drf-examples", "20", "--strict-markers")
        assert code == 1
        assert "test_fair[envy_freeness-pool-divisible] PASSED" in out
        assert "test_fair[sharing_incentive-pool-divisible] FAILED" in out
        assert "would run" in out
        assert "  given:" in out  # the whole counter-example, not a shortened value
        assert "test_books[ledger] PASSED" in out

    def test_without_a_mark(self, tmp_path):
        code, out = self.run(tmp_path, "def test_fair(verdict): ...")
        assert code != 0
        assert "has no mark drf_policy" in out
