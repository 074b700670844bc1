"""Scenario files and the engine that runs them; the scenarios that come with drf, and shared ones where they are."""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import drf
from drf.cli import main
from drf.errors import InputError, InvalidOption, UnknownName
from drf.plugins import ALLOCATORS, load
from drf.resources import Resources
from drf.testing import Report, conform, load_scenarios, packaged, read_scenarios
from drf.testing.conform import differing
from drf.testing.format import SUBJECTS

SHARED = Path(os.environ.get("DRF_SHARED", Path(__file__).parents[2] / "shared"))
VECTORS = SHARED / "vectors"

RAW = {s["name"]: s for path in packaged() for s in json.loads(path.read_text("utf-8"))}

MISSING = {
    # What steps cannot fail at, or what is for anchoring expectations alone.
    "sorter": ("noop",),
    "random_sorter": ("noop",),
    "weighted_shuffle": ("error",),
    "role_tree": ("error",),
}


def broken(report: Report) -> str:
    return "\n".join(map(str, report.failures[:5]))


def sorter(*steps: tuple[str, dict[str, Any]], expect: Any = (), **more: Any) -> dict[str, Any]:
    """A scenario for a sorter."""
    return {
        "name": "s",
        "subject": "sorter",
        "steps": [{"op": op, "args": args} for op, args in steps],
        "expect": list(expect),
        **more,
    }


class TestPackaged:
    @pytest.mark.parametrize("name", RAW)
    def test_holds_with_every_seed(self, name: str) -> None:
        report = conform([RAW[name]], seeds=4)
        assert report == Report(1, 0), broken(report)

    @pytest.mark.parametrize("name", RAW)
    def test_an_altered_expectation_fails(self, name: str) -> None:
        for number in range(len(RAW[name]["expect"])):
            scenario = copy.deepcopy(RAW[name])
            alter(scenario["expect"][number])
            assert conform([scenario]).failed == 1, scenario["expect"][number]

    def test_show_everything_that_the_format_has(self) -> None:
        used = Counter()
        for scenario in load_all():
            subject = scenario.subject.removeprefix("random_")
            used.update((subject, step.op) for step in scenario.steps)
            used.update((subject, wanted.kind) for wanted in scenario.expect)
            used.update((subject, option) for option in scenario.config)
        for name, subject in SUBJECTS.items():
            known = [*subject.ops, *subject.kinds, *(k.removesuffix("?") for k in subject.config)]
            assert [what for what in known if not used[name.removeprefix("random_"), what]] == [
                what for what in MISSING.get(name, ()) if what in known
            ]

    def test_are_described(self) -> None:
        page = (packaged()[0].parents[1] / "FORMAT.md").read_text("utf-8")
        for subject in SUBJECTS.values():
            for name in [*subject.ops, *subject.kinds, *subject.config]:
                assert f"`{name.removesuffix('?')}`" in page
        example = re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0]
        report = conform(read_scenarios(json.loads(example)))
        assert report == Report(1, 0), broken(report)


def load_all() -> list[Any]:
    return [scenario for path in packaged() for scenario in load_scenarios(path)]


def alter(wanted: dict[str, Any]) -> None:
    """Make an expectation say something else."""
    kind = wanted["kind"]
    if kind in ("error", "excluded"):
        wanted["value"] = not wanted["value"]
    elif kind == "count":
        wanted["value"] += 1
    elif kind in ("sort", "sort_set"):
        wanted["clients"] = [*wanted["clients"], "nobody"]
    elif kind == "contains":
        wanted["clients"] = {name: not there for name, there in wanted["clients"].items()}
    elif kind == "probabilities":
        wanted["matrix"][0][0] += 2 * wanted["tolerance"]
    elif kind == "metric_absent":
        wanted.update({"kind": "metrics", "values": dict.fromkeys(wanted.pop("names"), 0)})
    elif kind == "roles":
        wanted["known"]["nobody"] = {"weight": 1}
    elif kind == "offers_total":
        wanted["agents"] += 1
    elif kind == "allocation_scalars":
        wanted["total"]["cpus"] = wanted["total"].get("cpus", 0) + 0.001
    else:
        key = next(k for k in wanted if k not in ("after", "kind"))
        changed(wanted[key])


def changed(value: dict[str, Any]) -> None:
    """Change the first number inside, or add an entry where there is none."""
    if not value:
        value["nobody"] = {}
        return
    key, inside = next(iter(value.items()))
    if isinstance(inside, str):
        value[key] = "ACCEPT" if inside == "DECLINE" else "DECLINE"
    elif isinstance(inside, dict):
        changed(inside)
    elif isinstance(inside, list) and inside and isinstance(inside[0], dict):
        inside[0]["value"] = 77 if not isinstance(inside[0]["value"], list) else [[1, 1]]
    elif isinstance(inside, list):
        value[key] = [[0, 0]]
    else:
        value[key] = inside + 1


class TestReading:
    def test_plain_and_gzip(self, tmp_path: Path) -> None:
        data = json.dumps([sorter(("noop", {}))])
        plain, packed = tmp_path / "s.json", tmp_path / "s.json.gz"
        plain.write_text(data, "utf-8")
        packed.write_bytes(gzip.compress(data.encode()))
        assert load_scenarios(plain) == load_scenarios(str(packed))
        assert conform([plain, str(packed)]) == Report(2, 0)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[", "f.json, line 1, column 2: is no JSON"),
            ("{}", "f.json: is no array of scenarios"),
            ("[]", "f.json: the array holds no scenario"),
            ("[3]", "f.json, scenario 1: 3 is not an object"),
            ('[{"name": "a", "name": "b"}]', "key 'name' is given twice in one object"),
            ("[" * 100_000, "f.json: objects are nested too deeply"),
        ],
    )
    def test_malformed_files(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "f.json"
        path.write_text(text, "utf-8")
        with pytest.raises(InputError, match=re.escape(said)):
            load_scenarios(path)

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        for name, raw, said in [
            ("no.json", None, "no.json: cannot be read: No such file"),
            ("x.json.gz", b"[]", "x.json.gz: is no whole gzip file"),
            ("y.json.gz", gzip.compress(b"[]" * 999)[:-9], "y.json.gz: is no whole gzip file"),
            ("z.json", b'["\xff"]', "z.json: is not UTF-8 text"),
        ]:
            if raw is not None:
                (tmp_path / name).write_bytes(raw)
            with pytest.raises(InputError, match=re.escape(said)):
                load_scenarios(tmp_path / name)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"name": 7}, "scenario 1, name: 7 is not text"),
            ({"subject": "sortr"}, "scenario s, subject: 'sortr' is not one of allocator, sorter"),
            ({"expct": []}, "scenario s: 'expct' is no key here; did you mean expect?"),
            ({"steps": {}}, "scenario s, steps: {} is not a list"),
            ({"steps": [{"op": "ad"}]}, "step 0: 'ad' is no operation of sorter here; did you"),
            ({"steps": [{"op": "add"}]}, "step 0 (add): argument 'client' is missing"),
            (
                {"steps": [{"op": "add", "args": {"client": "a", "wait": 1}}]},
                "step 0 (add): 'wait' is no argument here",
            ),
            ({"steps": [{"op": "add", "args": {"client": 1}}]}, "(add), client: 1 is not text"),
            (
                {"steps": [{"op": "add_agent", "args": {"agent": "a", "total": {"cpus": "x"}}}]},
                "step 0 (add_agent), total: cpus: 'x' is not a number",
            ),
            (
                {"steps": [{"op": "add_agent", "args": {"agent": "a", "total": [{"name": "c"}]}}]},
                "step 0 (add_agent), total: {'name': 'c'} is no resource object",
            ),
            (
                {
                    "steps": [
                        {
                            "op": "add_agent",
                            "args": {
                                "agent": "a",
                                "total": [{"name": "c", "value": 1, "reservations": [3]}],
                            },
                        }
                    ]
                },
                "step 0 (add_agent), total: ",
            ),
            (
                {"steps": [{"op": "update_weight", "args": {"path": "a", "weight": True}}]},
                "weight: True is not a number",
            ),
            ({"expect": [7]}, "expectation 0: 7 is no object with a kind"),
            (
                {"expect": [{"after": 0, "kind": "offers", "offers": {}}]},
                "expectation 0: 'offers' is no kind for sorter here",
            ),
            (
                {"expect": [{"after": 1, "kind": "count", "value": 0}]},
                "expectation 0 (count), after: 1 is none of the 1 steps",
            ),
            (
                {"expect": [{"after": -1, "kind": "count", "value": 0}]},
                "expectation 0 (count), after: -1 is not a whole number of at least 0",
            ),
            (
                {"expect": [{"after": 0, "kind": "count"}]},
                "expectation 0 (count): key 'value' is missing",
            ),
            (
                {"config": {"agent_order": "id"}},
                "scenario s, config: 'agent_order' is no key here",
            ),
        ],
    )
    def test_malformed_scenarios(self, change: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=re.escape(said)):
            read_scenarios([sorter(("noop", {})) | change])

    @pytest.mark.parametrize(
        ("op", "args", "said"),
        [
            ("advance_clock", {"seconds": -1}, "seconds: -1 is below 0"),
            ("set_whitelist", {"hostnames": "m1"}, "hostnames: 'm1' is not a list"),
            ("set_whitelist", {"hostnames": [None]}, "hostnames[0]: null is not text"),
            ("update_quota", {"role": "a", "guarantees": {}, "limits": 1}, "limits: 1 is not an"),
            (
                "update_available",
                {"agent": "m", "operations": [{"type": "lend", "resources": {}}]},
                "operations[0], type: 'lend' is not one of reserve",
            ),
            (
                "update_agent",
                {"agent": "m", "attributes": [["row"]]},
                "attributes[0]: ['row'] is not [name, value]",
            ),
            (
                "update_inverse_offer",
                {"agent": "m", "framework": "f", "status": "NO", "refuse_seconds": None},
                "status: 'NO' is not one of ACCEPT, DECLINE",
            ),
        ],
    )
    def test_malformed_arguments(self, op: str, args: dict[str, Any], said: str) -> None:
        entry = {
            "name": "s",
            "subject": "allocator",
            "steps": [{"op": op, "args": args}],
            "expect": [],
        }
        with pytest.raises(InputError, match=re.escape(said)):
            read_scenarios([entry], label="mine")

    def test_two_of_one_name(self) -> None:
        with pytest.raises(InputError, match="scenario s: another scenario has this name"):
            read_scenarios([sorter(), sorter()])


class Recorder:
    """An allocator that notes what it is told, and offers what it is given."""

    def __init__(self, policy: str, **options: Any) -> None:
        self.policy, self.options = policy, options
        self.space = options["space"]
        self.calls: list[tuple[str, Any, Any]] = []
        self.next: list[tuple[str, str, str, str]] = []
        RECORDED.append(self)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))

    def add_framework(self, framework: str, roles: list[str], **rest: Any) -> None:
        self.calls.append(("add_framework", (framework, roles), rest))
        self.next += [(framework, roles[0], "m1", "cpus:1"), (framework, roles[0], "m1", "mem:2")]

    def suppress(self, framework: str, roles: list[str]) -> None:
        raise ZeroDivisionError("of the plug-in")

    def run(self) -> Any:
        self.calls.append(("run", (), {}))
        grants = [
            SimpleNamespace(framework=f, role=r, agent=a, resources=Resources(q), tasks=())
            for f, r, a, q in self.next
        ]
        self.next = []
        return SimpleNamespace(grants=grants, inverse_offers=())

    def metrics(self) -> dict[str, float]:
        return {"one": 1}


RECORDED: list[Recorder] = []


def recorded(*steps: tuple[str, dict[str, Any]], expect: Any = (), **more: Any) -> Any:
    """Run an allocator scenario on a Recorder: its calls without the runs, and the report."""
    scenario = sorter(*steps, expect=expect, **more) | {"subject": "allocator"}
    report = conform([scenario], allocator=Recorder)
    calls = RECORDED[-1].calls
    assert [name for name, *_ in calls].count("run") <= len(steps)
    return [call for call in calls if call[0] != "run"], report


class TestAllocatorDriver:
    def test_options(self) -> None:
        recorded(
            config={
                "allocation_interval_s": 5,
                "min_allocatable": [{"ports": 3}],
                "fairness_exclude": ["gpus"],
                "filter_gpu_resources": False,
                "master_region": "eu",
                "agent_order": "id",
                "shrink_order": "sorted",
            }
        )
        assert RECORDED[-1].options == {
            "like": "mesos",
            "interval": 5.0,
            "min_allocatable": [Resources({"ports": 3})],
            "exclude": ["gpus"],
            "filter_gpus": False,
            "master_region": "eu",
            "agent_order": "id",
            "shrink_order": "sorted",
            "space": drf.ResourceSpace(),
            "seed": 0,
        }
        recorded()
        assert RECORDED[-1].policy == "drf"
        assert RECORDED[-1].options["agent_order"] == "random"
        assert RECORDED[-1].options["min_allocatable"] == [
            Resources("cpus:0.01"),
            Resources("mem:32"),
        ]

    def test_offers_of_a_step_are_merged_and_given_back_once(self) -> None:
        add = ("add_framework", {"id": "f", "roles": ["a"]})
        back = ("recover_offers", {"refuse_seconds": 2})
        calls, report = recorded(
            add,
            add,
            back,
            back,
            expect=[
                {
                    "after": 1,
                    "kind": "offers",
                    "offers": {"f": {"a": {"m1": {"cpus": 2, "mem": 4}}}},
                },
                {"after": 2, "kind": "offers", "offers": {}},
                {"after": 2, "kind": "offer_counts_total", "counts": {"f": 2}},
                {
                    "after": 2,
                    "kind": "offer_counts_total",
                    "counts": {"f": 1},
                    "exclude_last": True,
                },
            ],
        )
        assert report == Report(1, 0), broken(report)
        returns = [call for call in calls if call[0] == "recover_resources"]
        one = ("f", "m1", "a", Resources("cpus:1;mem:2"))
        assert returns == [("recover_resources", one, {"refuse_seconds": 2})] * 2

    @pytest.mark.parametrize(
        ("operation", "consumed", "made"),
        [
            (
                {
                    "type": "reserve",
                    "resources": [
                        {
                            "name": "cpus",
                            "value": 1,
                            "reservations": [{"role": "a"}, {"role": "a/b", "type": "dynamic"}],
                        }
                    ],
                },
                [{"name": "cpus", "value": 1, "reservations": [{"role": "a"}]}],
                [
                    {
                        "name": "cpus",
                        "value": 1,
                        "reservations": [{"role": "a"}, {"role": "a/b", "type": "dynamic"}],
                    }
                ],
            ),
            (
                {
                    "type": "unreserve",
                    "resources": [
                        {
                            "name": "mem",
                            "value": 2,
                            "reservations": [{"role": "a", "type": "dynamic"}],
                        }
                    ],
                },
                [{"name": "mem", "value": 2, "reservations": [{"role": "a", "type": "dynamic"}]}],
                {"mem": 2},
            ),
            (
                {
                    "type": "create_volume",
                    "volume": {
                        "name": "disk",
                        "value": 3,
                        "reservations": [{"role": "a"}],
                        "disk": {"persistence": "v", "source": "PATH"},
                        "shared": True,
                    },
                },
                [
                    {
                        "name": "disk",
                        "value": 3,
                        "reservations": [{"role": "a"}],
                        "disk": {"source": "PATH"},
                    }
                ],
                [
                    {
                        "name": "disk",
                        "value": 3,
                        "reservations": [{"role": "a"}],
                        "disk": {"persistence": "v", "source": "PATH"},
                        "shared": True,
                    }
                ],
            ),
            (
                {
                    "type": "destroy_volume",
                    "volume": {"name": "disk", "value": 3, "disk": {"persistence": "v"}},
                },
                [{"name": "disk", "value": 3, "disk": {"persistence": "v"}}],
                {"disk": 3},
            ),
            ({"type": "remove", "resources": {"cpus": 1}}, {"cpus": 1}, {}),
        ],
    )
    def test_operations_are_conversions(self, operation: Any, consumed: Any, made: Any) -> None:
        calls, _ = recorded(("update_available", {"agent": "m1", "operations": [operation]}))
        expected = (Resources.from_json(consumed), Resources.from_json(made))
        assert calls == [("update_available", ("m1", [expected]), {})]

    def test_agents_and_frameworks(self) -> None:
        calls, report = recorded(
            (
                "add_agent",
                {
                    "id": "m1",
                    "total": {"cpus": 2},
                    "attributes": [["row", "a"], ["n", 3], ["p", [[1, 2]]]],
                    "unavailability_start_s": 9,
                },
            ),
            ("update_agent", {"agent": "m1", "capabilities": ["MULTI_ROLE"]}),
            ("update_agent", {"agent": "m1", "capabilities": "all"}),
            ("update_framework", {"id": "f", "roles": ["a"], "offer_filters": {"a": []}}),
            ("update_unavailability", {"agent": "m1", "start_s": None}),
            ("advance_clock", {"seconds": 1}),
            ("advance_clock", {"seconds": 0.5}),
            ("update_quota", {"role": "a", "guarantees": {"cpus": 1}, "limits": {"cpus": 0}}),
            (
                "recover",
                {"expected_agents": 3, "quotas": {"a": {"guarantees": {}, "limits": {"cpus": 2}}}},
            ),
        )
        assert report == Report(1, 0), broken(report)
        every = ("MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT")
        assert calls[0] == (
            "add_agent",
            ("m1", Resources("cpus:2")),
            {
                "attributes": [("row", "a"), ("n", 3), ("p", ((1, 2),))],
                "capabilities": every,
                "region": None,
                "used": None,
                "unavailability": (9, None),
            },
        )
        assert [call[2]["capabilities"] for call in calls[1:3]] == [("MULTI_ROLE",), every]
        assert calls[1][2]["attributes"] is None
        assert calls[3] == (
            "update_framework",
            ("f", ["a"]),
            {
                "capabilities": (),
                "suppressed": (),
                "min_allocatable": {"a": []},
                "constraints": None,
            },
        )
        assert calls[4:7] == [
            ("update_unavailability", ("m1", None), {}),
            ("advance", (1.0,), {}),
            ("advance", (1.5,), {}),
        ]
        assert calls[7] == ("update_quota", ("a", Resources("cpus:1"), {"cpus": 0}), {})
        assert calls[8] == ("recover", (3, {"a": (Resources(), {"cpus": 2})}), {})


class TestEngine:
    def test_what_a_plug_in_raises_is_a_failure_and_ends_the_scenario(self) -> None:
        suppress = ("suppress", {"framework": "f", "roles": []})
        calls, report = recorded(suppress, ("pause", {}))
        assert calls == []
        (failure,) = report.failures
        assert (failure.step, failure.op, failure.kind) == (0, "suppress", "step")
        assert (failure.expected, failure.got) == ("no error", "ZeroDivisionError: of the plug-in")
        _, report = recorded(suppress, expect=[{"after": 0, "kind": "error", "value": True}])
        assert report == Report(1, 0)
        _, report = recorded(suppress, expect=[{"after": 0, "kind": "error", "value": False}])
        assert report.failures[0].got == "ZeroDivisionError: of the plug-in"

    def test_an_error_that_does_not_come(self) -> None:
        _, report = recorded(("pause", {}), expect=[{"after": 0, "kind": "error", "value": True}])
        assert (report.failures[0].expected, report.failures[0].got) == ("an error", "none")

    def test_a_question_that_raises(self) -> None:
        asks = [{"after": 0, "kind": "share", "shares": {"a": 1}}]
        report = conform([sorter(("noop", {}), expect=asks)])
        assert "UnknownName: unknown client 'a'" in report.failures[0].got

    def test_a_factory_that_raises(self) -> None:
        def factory(policy: str, **options: Any) -> Any:
            raise OSError("no licence")

        report = conform([sorter(("noop", {})) | {"subject": "allocator"}], allocator=factory)
        assert report.failures[0].got == "OSError: no licence"

    def test_metrics_that_are_missing_or_there(self) -> None:
        wanted = [
            {"after": 0, "kind": "metrics", "values": {"one": 1.0 + 1e-12, "two": 2}},
            {"after": 0, "kind": "metric_absent", "names": ["one", "two"]},
        ]
        _, report = recorded(("noop", {}), expect=wanted)
        assert [differing(f.expected, f.got) for f in report.failures] == [
            ({"two": 2}, {"two": None}),
            ({}, {"one": 1}),
        ]

    def test_text_of_a_failure(self) -> None:
        wanted = [{"after": 1, "kind": "allocation", "allocation": {"a": {"m": {"cpus": 2}}}}]
        report = conform(
            [
                sorter(
                    ("add", {"client": "a"}),
                    ("allocated", {"client": "a", "agent": "m", "resources": {"cpus": 1}}),
                    expect=wanted,
                )
            ]
        )
        assert str(report) == "0 passed, 1 failed"
        assert str(report.failures[0]) == (
            "s, seed 0, step 1 (allocated), allocation:\n"
            "  expected {'a': {'m': 'cpus:2'}}\n"
            "  got      {'a': {'m': 'cpus:1'}}"
        )

    def test_seeds_and_progress(self) -> None:
        told: list[tuple[int, int]] = []
        conform(
            [sorter() | {"subject": "allocator"}, sorter()],
            allocator=Recorder,
            seeds=3,
            progress=lambda done, of: told.append((done, of)),
        )
        assert [r.options["seed"] for r in RECORDED[-3:]] == [0, 1, 2]
        assert told == [(1, 2), (2, 2)]

    def test_expectations_need_no_order(self) -> None:
        wanted = [
            {"after": 1, "kind": "count", "value": 2},
            {"after": 0, "kind": "count", "value": 1},
        ]
        steps = [("add", {"client": "a"}), ("add", {"client": "b"})]
        assert conform([sorter(*steps, expect=wanted)]) == Report(1, 0)

    def test_another_sorter(self) -> None:
        asks = [{"after": 5, "kind": "sort", "clients": ["b", "a"]}]
        steps: list[tuple[str, dict[str, Any]]] = [
            ("add_agent", {"agent": "m", "total": {"cpus": 4, "mem": 4}}),
            ("add", {"client": "a"}),
            ("add", {"client": "b"}),
            ("allocated", {"client": "a", "agent": "m", "resources": {"cpus": 1, "mem": 2}}),
            ("activate", {"client": "a"}),
            ("activate", {"client": "b"}),
            ("allocated", {"client": "b", "agent": "m", "resources": {"mem": 3}}),
        ]
        scenario = sorter(*steps, expect=[{**asks[0], "after": 6}])
        assert conform([scenario]).failed == 1
        assert conform([scenario], sorter="maxmin:cpus") == Report(1, 0)

        def factory(*, exclude: Any, seed: int) -> drf.Sorter:
            return drf.Sorter("maxmin:cpus", exclude=exclude, seed=seed)

        assert conform([scenario], sorter=factory) == Report(1, 0)

    def test_wrong_arguments(self) -> None:
        with pytest.raises(
            UnknownName, match="unknown allocator 'hierarchicle'; did you mean hier"
        ):
            conform([sorter()], allocator="hierarchicle")
        with pytest.raises(UnknownName, match="polic"):
            conform([sorter()], sorter="drff")
        with pytest.raises(InvalidOption, match="seeds is 0"):
            conform([sorter()], seeds=0)

    def test_an_allocator_by_name(self) -> None:
        assert callable(load(ALLOCATORS, "hierarchical"))
        report = conform(allocator="hierarchical")
        assert report == Report(len(RAW), 0), broken(report)


class TestShared:
    """The recorded decisions of the original, where they are at hand."""

    @pytest.mark.parametrize(
        ("name", "seeds"),
        [("mesos.json", 4), ("mesos-facts.json", 1), ("mesos-recorded.json.gz", 1)],
    )
    def test_all_hold(self, name: str, seeds: int) -> None:
        path = VECTORS / name
        if not path.exists():
            pytest.skip("the shared scenarios are not here")
        report = conform([path], seeds=seeds)
        assert report.failed == 0, broken(report)


class TestCommand:
    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
        def call(*arguments: str, scenarios: Any = None) -> tuple[int, str, str]:
            if scenarios is not None:
                (tmp_path / "mine.json").write_text(json.dumps(scenarios), "utf-8")
            files = [str(tmp_path / "mine.json")] if scenarios is not None else []
            code = main(["conform", *files, *arguments])
            out, err = capsys.readouterr()
            assert "Traceback" not in err
            return code, out, err

        return call

    def wrong(self, name: str = "s", count: int = 1) -> dict[str, Any]:
        asks = [{"after": 0, "kind": "count", "value": 7}] * count
        return sorter(("add", {"client": "a"}), expect=asks) | {"name": name}

    def test_packaged(self, run: Any) -> None:
        code, out, err = run("--only", "sorter_*", "--only", "constraints_*", "--seeds", "2")
        names = [n for n in RAW if n.startswith(("sorter_", "constraints_"))]
        assert (code, out, err) == (0, f"{len(names)} passed, 0 failed\n", "")

    def test_failures(self, run: Any) -> None:
        code, out, _ = run("--seeds", "2", scenarios=[self.wrong(), sorter() | {"name": "fine"}])
        assert code == 1
        assert out == (
            "s (seed 0)\n"
            "  step 0, add: count\n"
            "    expected 7\n"
            "    got      1\n"
            "  and with 1 more of 2 seeds\n"
            "\n"
            "1 passed, 1 failed\n"
        )

    def test_many_failures_of_one_scenario(self, run: Any) -> None:
        _, out, _ = run(scenarios=[self.wrong(count=8)])
        assert out.count("expected 7") == 5
        assert "  and 3 more; --json lists all\n" in out

    def test_json(self, run: Any) -> None:
        code, out, _ = run("--json", scenarios=[self.wrong()])
        assert code == 1
        assert json.loads(out) == {
            "passed": 0,
            "failed": 1,
            "failures": [
                {
                    "scenario": "s",
                    "seed": 0,
                    "step": 0,
                    "op": "add",
                    "kind": "count",
                    "expected": 7,
                    "got": 1,
                }
            ],
        }

    def test_another_policy(self, run: Any) -> None:
        code, out, _ = run("--sorter", "maxmin:mem", scenarios=[sorter(("noop", {}))])
        assert (code, out) == (0, "1 passed, 0 failed\n")

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["--only", "nobody"], 1, "unknown scenario 'nobody'"),
            (["--allocator", "mine"], 1, "unknown allocator 'mine'"),
            (["--sorter", "mine"], 1, "unknown policy 'mine'"),
            (["--seeds", "0"], 2, "--seeds"),
            (["nowhere.json"], 1, "nowhere.json: cannot be read"),
        ],
    )
    def test_wrong_usage(self, run: Any, arguments: list[str], code: int, said: str) -> None:
        got, out, err = run(*arguments, scenarios=[sorter()])
        assert (got, out) == (code, "")
        assert said in err
