"""A journal reproduces every decision; another policy can be tried on it; a torn end is recovered from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import drf
from drf.cli import main
from drf.errors import InputError, InvalidOption, Overcommit
from drf.journal import VERBS, JournaledAllocator, replay
from drf.policies.fifo import FIFO
from drf.resources import Resources, ResourceSpace, Shape
from drf.tasks import TaskSpec


def busy(lines: list[str], **options: object) -> JournaledAllocator:
    """A master's day in short: every verb, several runs."""
    a = JournaledAllocator(lines.append, **options)  # type: ignore[arg-type]
    a.recover(3, {"web": {"guarantees": "cpus:1"}})
    a.pause()
    a.resume()
    a.update_weights({"ads": 2.0})
    a.update_quota("web", guarantees="cpus:1", limits={"cpus": 6})
    a.add_agent("m1", "cpus:8;mem:64;ports:[1-9]", attributes={"rack": "r1"})
    a.add_agent("m2", "cpus(ads):2;cpus:4;mem:32", attributes=[("rack", "r2"), ("size", 3)])
    a.add_agent("m3", Resources("cpus:2"), hostname="h3", region="eu")
    a.add_framework("f", roles=["ads"], min_allocatable=["cpus:1"])
    a.add_framework(
        "g",
        roles=["web", "ads/x"],
        constraints={
            "web": [[{"selector": {"attribute": "rack"}, "predicate": {"type": "exists"}}]]
        },
    )
    for now in range(1, 8):
        for offer in a.run().offers:
            if offer.framework == "f" and Resources("cpus:1") <= offer.resources:
                a.accept(offer, "cpus:1", refuse_seconds=2)
            else:
                a.decline(offer, refuse_seconds=float(now))
        a.advance(float(now))
    for agent, role, amount, running in a.holdings("f"):
        if running:
            a.release("f", agent, amount, role=role)
    a.add_agent("m4", "cpus:1", used={"f": {"ads": "cpus:1"}})
    a.add_resource_provider("m4", "cpus:3")
    a.convert("m4", [("cpus:1", "cpus(ads):1")])
    (mine,) = [o for o in a.run().offers if o.agent == "m4"][:1]
    a.decline(a.convert_offer(mine, [("cpus:1", "cpus(ads):1")]), refuse_seconds=0)
    a.adopt_task("t", "f", "m4", TaskSpec("cpus:1", duration=9.0))
    a.reclaim(a.plan_reclaim("g", "cpus:1", role="ads/x", budget=(1, "cpus:1"), grace=0))
    a.release(task="t")
    a.request("f", Shape.of("cpus:1", where={"rack": ["r1", "r2"]}), 3, since=[0.5, 1.0, 2.0])
    a.suppress("g", ["web"])
    a.run()
    a.revive("g")
    a.update_unavailability("m1", (100.0, None))
    a.run()
    a.answer_inverse_offer("m1", "f", "ACCEPT", refuse_seconds=5)
    a.update_agent("m2", "cpus:9", attributes={"rack": "r9"})
    a.update_framework("g", roles=["web"])
    a.set_whitelist(["m1", "m2"])
    a.deactivate_agent("m2")
    a.run()
    a.activate_agent("m2")
    a.deactivate_framework("g")
    a.activate_framework("g")
    a.run()
    a.remove_agent("m3")
    a.remove_framework("g")
    a.run()
    return a


class TestReplay:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("policy", ["drf", "maxmin:cpus", "random", "fifo"])
    def test_every_decision_comes_out_again(self, policy: str, seed: int) -> None:
        lines: list[str] = []
        a = busy(lines, policy=policy, seed=seed)
        found = replay(lines)
        assert (found.differences, found.torn, found.left_out) == ([], False, 0)
        assert found.recorded == found.replayed
        assert found.runs == 13
        found.allocator.check()
        assert found.allocator.holdings("f") == a.holdings("f")

    @pytest.mark.parametrize("backend", ["pure", "fast"])
    def test_each_kernel_decides_the_same(self, backend: str, tmp_path: Path) -> None:
        if backend == "fast" and drf.backend().name == "pure":
            pytest.skip("no compiled kernel is active")
        lines: list[str] = []
        busy(lines)
        log = tmp_path / "a.log"
        log.write_text("\n".join(lines))
        command = [sys.executable, "-m", "drf", "replay", str(log), "--json"]
        env = {**os.environ, "DRF_BACKEND": backend}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["differences"] == []

    def test_every_verb_was_used(self) -> None:
        lines: list[str] = []
        busy(lines)
        assert {json.loads(line).get("do") for line in lines} == {*VERBS, None}

    def test_an_altered_decision_is_found(self) -> None:
        lines: list[str] = []
        busy(lines)
        at = next(i for i, line in enumerate(lines) if '"offers"' in line)
        lines[at] = lines[at].replace('"m1"', '"m2"', 1)
        found = replay(lines)
        assert [d.line for d in found.differences] == [at + 1]

    def test_a_call_that_raised_is_not_kept(self) -> None:
        lines: list[str] = []
        a = busy(lines)
        before = len(lines)
        with pytest.raises(Overcommit):
            a.release("f", "m1", "cpus:99")
        assert len(lines) == before

    def test_units_and_options_are_kept(self) -> None:
        lines: list[str] = []
        space = ResourceSpace({"mem": 1}, default=100)
        a = JournaledAllocator(lines.append, space=space, offer="demand", interval=None)
        a.add_agent("m", {"cpus": 0.25, "mem": 3})
        a.add_framework("f")
        a.request("f", {"cpus": 0.05}, 9)
        a.run()
        found = replay(lines)
        assert found.differences == []
        assert found.allocator.space == space

    def test_a_torn_last_line_is_left_out(self) -> None:
        lines: list[str] = []
        busy(lines)
        found = replay([*lines[:-1], lines[-1][:7]])
        assert found.torn
        assert found.differences == []

    def test_another_policy_answers_as_far_as_its_offers_allow(self) -> None:
        lines: list[str] = []
        busy(lines)
        found = replay(lines, policy="random")
        assert found.policy == "random"
        assert found.differences == []
        assert sum(found.replayed.values()) > 0
        found.allocator.check()

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([], "is empty"),
            (['{"drf": 99, "policy": "drf"}'], "line 1: is no journal of version 1"),
            (['{"drf": 1, "policy": "drf"}', "{", "{}"], "line 2: is no JSON"),
            (['{"drf": 1, "policy": "drf"}', "[]"], r"line 2: '\[\]' is no JSON object"),
            (
                ['{"drf": 1, "policy": "drf"}', '{"do": "fly", "args": []}'],
                "line 2: cannot be carried out: 'fly' is no verb",
            ),
            (
                ['{"drf": 1, "policy": "drf"}', '{"do": "remove_agent", "args": ["m"]}'],
                "line 2: cannot be carried out: unknown agent 'm'",
            ),
        ],
    )
    def test_what_does_not_fit_is_named(self, lines: list[str], message: str) -> None:
        with pytest.raises(InputError, match=message):
            replay(lines, file="a.log")

    def test_a_policy_object_has_no_name_to_make_it_again(self) -> None:
        with pytest.raises(InvalidOption, match="a journal needs its name"):
            JournaledAllocator([].append, FIFO())  # type: ignore[arg-type]


class TestCommand:
    def test_reproduces(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines: list[str] = []
        busy(lines)
        log = tmp_path / "a.log"
        log.write_text("\n".join(lines) + "\n")
        assert main(["replay", str(log)]) == 0
        assert "13 runs, 0 decided otherwise" in capsys.readouterr().out
        run = next(i for i, line in enumerate(lines) if '"offers"' in line)
        lines[run] = lines[run].replace('"m1"', '"m2"', 1)
        log.write_text("\n".join(lines))
        assert main(["replay", str(log)]) == 1
        assert f"line {run + 1}: another decision" in capsys.readouterr().out
        assert main(["replay", str(log), "--policy", "fifo"]) == 0
        assert "fifo" in capsys.readouterr().out

    def test_a_missing_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["replay", str(tmp_path / "none.log")]) == 1
        assert "none.log: cannot be read: No such file" in capsys.readouterr().err
