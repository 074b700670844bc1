"""Tasks by name: launched, released, adopted, and gone with their agent or framework."""

from __future__ import annotations

import pytest

import drf
from drf.errors import (
    DuplicateName,
    InvalidName,
    InvalidOption,
    InvariantBroken,
    Overcommit,
    UnknownName,
)
from drf.journal import JournaledAllocator, replay


def _one(**options):
    a = drf.Allocator(interval=None, **options)
    a.add_agent("m", "cpus:8;mem:8")
    a.add_framework("f")
    return a, a.run().offers[0]


def test_tasks_hold_what_they_use_and_the_rest_returns():
    a, offer = _one()
    a.accept(offer, tasks={"t1": drf.TaskSpec("cpus:2"), "t2": drf.TaskSpec("cpus:1;mem:4")})
    assert a.holdings("f") == [("m", "*", drf.Resources("cpus:3;mem:4"), True)]
    assert [t.name for t in a.tasks(agent="m")] == ["t1", "t2"]
    assert a.tasks("g") == []
    a.check()
    a.release(task="t1")
    assert a.holdings("f") == [("m", "*", drf.Resources("cpus:1;mem:4"), True)]
    a.release(task="t2")
    assert a.holdings("f") == []
    a.check()


@pytest.mark.parametrize(
    ("tasks", "error"),
    [
        ({"t": drf.TaskSpec("cpus:9")}, Overcommit),
        ({"t": drf.TaskSpec("cpus:5"), "u": drf.TaskSpec("cpus:4")}, Overcommit),
        ({"t": "cpus:1"}, InvalidOption),
        ({"": drf.TaskSpec("cpus:1")}, InvalidName),
        ({3: drf.TaskSpec("cpus:1")}, InvalidName),
        (["t"], InvalidOption),
        ({}, InvalidOption),
        ({"t": drf.TaskSpec({})}, InvalidOption),
        ({"t": drf.TaskSpec("cpus:1", duration=0)}, InvalidOption),
        ({"t": drf.TaskSpec("cpus:1", duration=float("inf"))}, InvalidOption),
        ({"t": drf.TaskSpec("cpus:1", min_runtime=-1)}, InvalidOption),
        ({"t": drf.TaskSpec("cpus:1", min_runtime=float("nan"))}, InvalidOption),
        ({"t": drf.TaskSpec("cpus:1", priority=1.5)}, InvalidOption),
    ],
)
def test_what_is_not_sound_changes_nothing(tasks, error):
    a, offer = _one()
    with pytest.raises(error):
        a.accept(offer, tasks=tasks)
    assert [o.id for o in a.open_offers()] == [offer.id]
    assert a.tasks() == []
    a.check()


def test_two_tasks_cannot_have_one_port():
    a = drf.Allocator(interval=None)
    a.add_agent("m", "cpus:8;ports:[1-4]")
    a.add_framework("f")
    (offer,) = a.run().offers
    twice = {name: drf.TaskSpec("cpus:1;ports:[2-3]") for name in ("t", "u")}
    with pytest.raises(Overcommit, match="'u' uses cpus:1;ports:"):
        a.accept(offer, tasks=twice)
    a.accept(offer, "cpus:2;ports:[2-3]")
    a.adopt_task("t", "f", "m", twice["t"])
    with pytest.raises(Overcommit):
        a.adopt_task("u", "f", "m", twice["u"])
    a.check()


def test_used_and_tasks_exclude_each_other():
    a, offer = _one()
    with pytest.raises(InvalidOption, match="two ways"):
        a.accept(offer, "cpus:1", tasks={"t": drf.TaskSpec("cpus:1")})


def test_a_name_is_used_once():
    a, offer = _one()
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")}, refuse_seconds=0)
    offer = a.run().offers[0]
    with pytest.raises(DuplicateName, match="'t' runs already"):
        a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")})
    a.release(task="t")
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")})


def test_release_names_a_task_or_an_amount():
    a, offer = _one()
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")})
    with pytest.raises(UnknownName):
        a.release(task="u")
    with pytest.raises(InvalidOption, match="nothing beside"):
        a.release("f", task="t")
    with pytest.raises(InvalidOption, match="say what ended"):
        a.release("f", "m")
    with pytest.raises(Overcommit, match="named tasks"):
        a.release("f", "m", "cpus:1")
    assert [t.name for t in a.tasks()] == ["t"]


def test_an_amount_beside_tasks_can_be_released():
    a, offer = _one()
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")}, refuse_seconds=0)
    a.accept(a.run().offers[0], "cpus:3")
    with pytest.raises(Overcommit):
        a.release("f", "m", "cpus:4")
    a.release("f", "m", "cpus:3")
    a.release(task="t")
    a.check()


@pytest.mark.parametrize("verb", ["remove_agent", "remove_framework"])
def test_tasks_are_gone_with_agent_or_framework(verb):
    a, offer = _one()
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")})
    getattr(a, verb)("m" if verb == "remove_agent" else "f")
    assert a.tasks() == []
    with pytest.raises(UnknownName):
        a.release(task="t")
    a.check()


def test_a_new_master_adopts_what_runs():
    a = drf.Allocator(interval=None)
    a.add_agent("m", "cpus:8", used={"f": {"*": "cpus:4"}})
    a.add_framework("f")
    a.advance(100.0)
    a.adopt_task("t", "f", "m", drf.TaskSpec("cpus:3", duration=60), started=50.0)
    assert a.tasks()[0].ends == 110.0
    with pytest.raises(Overcommit):
        a.adopt_task("u", "f", "m", drf.TaskSpec("cpus:2"))
    with pytest.raises(InvalidOption, match="not after"):
        a.adopt_task("u", "f", "m", drf.TaskSpec("cpus:1"), started=101.0)
    with pytest.raises(UnknownName):
        a.adopt_task("u", "g", "m", drf.TaskSpec("cpus:1"))
    a.check()


def test_check_sees_tasks_that_use_more_than_is_held():
    a, offer = _one()
    a.accept(offer, tasks={"t": drf.TaskSpec("cpus:2")})
    a._plugin.recover_resources("f", "m", "*", drf.Resources("cpus:1"), allocated=True)
    with pytest.raises(InvariantBroken, match="tasks of"):
        a.check()


def test_a_journal_keeps_tasks():
    lines = []
    a = JournaledAllocator(lines.append, interval=None)
    a.add_agent("m", "cpus:8;mem:8")
    a.add_framework("f")
    a.accept(a.run().offers[0], tasks={"t": drf.TaskSpec("cpus:2", duration=5.0, priority=1)})
    a.run()
    a.release(task="t")
    found = replay(lines)
    assert found.differences == []
    assert found.allocator.tasks() == []
    (task,) = replay(lines[:-1]).allocator.tasks()
    assert (task.name, task.duration, task.priority) == ("t", 5.0, 1)


def test_another_policy_launches_the_same_tasks():
    lines = []
    a = JournaledAllocator(lines.append, interval=None)
    a.add_agent("m", "cpus:8;mem:8")
    a.add_framework("f")
    a.accept(a.run().offers[0], tasks={"t": drf.TaskSpec("cpus:2")})
    (task,) = replay(lines, policy="fifo").allocator.tasks()
    assert task.name == "t"
    a.release(task="t")
    other = replay(lines, policy="fifo")
    assert (other.left_out, other.allocator.tasks()) == (0, [])
