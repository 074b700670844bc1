"""Workloads by hand and from the generator."""

import math

import pytest

from drf.errors import DuplicateName, InvalidOption, UnknownName
from drf.resources import Resources, ResourceSpace
from drf.simulation.generate import default_workload
from drf.simulation.workload import Machine, Task, Workload, fits, shape_of

CPU = Resources("cpus:1")


def task(name, tenant="a", arrival=0.0, duration=10.0, demand=CPU, where=None):
    return Task(name, tenant, arrival, duration, demand, where)


def test_tasks_are_ordered_by_arrival_then_name():
    w = Workload("w", (), (task("t3", arrival=1.0), task("t2"), task("t1")))
    assert [t.name for t in w.tasks] == ["t1", "t2", "t3"]
    assert w.window == (0.0, 1.0)


def test_resources_come_in_the_usual_order_then_by_name():
    w = Workload("w", (Machine("m", Resources("zoo:1;gpus:1;disk:1;cpus:1;mem:1")),), ())
    assert w.resources == ("cpus", "mem", "gpus", "disk", "zoo")


def test_total_and_weights():
    machines = (Machine("m1", Resources("cpus:2;mem:4")), Machine("m2", Resources("cpus:1.5")))
    w = Workload("w", machines, (task("t1", "a"), task("t2", "b")), weights={"b": 3})
    assert w.total == Resources("cpus:3.5;mem:4")
    assert dict(w.weights) == {"a": 1.0, "b": 3.0}


def test_nothing_at_all():
    w = Workload("w", (), ())
    assert (w.tenants, w.resources, w.window, dict(w.load)) == ((), (), (0.0, 0.0), {})


def test_offered_load():
    # 3 tasks x 1 cpu x 10 s = 30 cpu-seconds; 2 cpus x 20 s = 40
    w = Workload(
        "w",
        (Machine("m", Resources("cpus:2;mem:1")),),
        (task("a"), task("b"), task("c", arrival=20.0)),
    )
    assert dict(w.load) == {"cpus": 0.75, "mem": 0.0}


def test_offered_load_of_a_moment_is_infinite():
    w = Workload("w", (Machine("m", Resources("cpus:2;mem:1")),), (task("a"),))
    assert dict(w.load) == {"cpus": math.inf, "mem": 0.0}


def test_names_are_distinct():
    with pytest.raises(DuplicateName, match="task 't' is there twice"):
        Workload("w", (), (task("t"), task("t", arrival=1.0)))
    with pytest.raises(DuplicateName, match="machine 'm' is there twice"):
        Workload("w", (Machine("m", CPU), Machine("m", CPU)), ())


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("what", ["arrival", "duration"])
def test_times_are_finite_and_not_negative(what, seconds):
    with pytest.raises(InvalidOption, match=f"task t: its {what} is"):
        Workload("w", (), (task("t", **{what: seconds}),))


def test_a_weight_of_nobody():
    with pytest.raises(UnknownName, match="unknown tenant 'bob'"):
        Workload("w", (), (task("t"),), weights={"bob": 1.0})


def test_fits():
    machine = Machine("m", Resources("cpus:4;gpus:1"), {"model": "T4"})
    assert fits(shape_of(task("t", demand=Resources("cpus:4;gpus:1"))), machine)
    assert not fits(shape_of(task("t", demand=Resources("cpus:4.001"))), machine)
    assert not fits(shape_of(task("t", demand=Resources("cpus:1;mem:1"))), machine)
    assert fits(shape_of(task("t", where={"model": frozenset({"T4", "G2"})})), machine)
    assert not fits(shape_of(task("t", where={"model": frozenset({"G2"})})), machine)


def test_tasks_and_machines_are_hashable():
    assert len({task("t", where={"model": frozenset({"T4"})}), Machine("m", CPU, {"a": "b"})}) == 2


# The generator


def test_the_same_seed_makes_the_same_workload():
    assert default_workload(seed=3, tasks=200) == default_workload(seed=3, tasks=200)
    assert default_workload(seed=3, tasks=200).tasks != default_workload(seed=4, tasks=200).tasks


@pytest.mark.parametrize("seed", range(5))
def test_the_default_workload_asks_for_more_than_there_is(seed):
    w = default_workload(seed=seed)
    assert 2000 <= len(w.tasks) <= 3000
    assert len(w.tenants) == 5
    assert max(w.load.values()) == pytest.approx(1.3, abs=0.001)
    assert (
        min(w.load.values()) > 0.9
    )  # no resource is plentiful: which one counts makes a difference
    assert all(any(fits(shape_of(t), m) for m in w.machines) for t in set(w.tasks))
    assert f"seed {seed}" in w.notes[0]


def test_tenants_of_the_default_workload_differ_in_their_dominant_resource():
    w = default_workload()
    total = w.total.units
    dominant = {t.tenant: set() for t in w.tasks}
    for t in w.tasks:
        dominant[t.tenant].add(max(t.demand.units, key=lambda n: t.demand.units[n] / total[n]))
    assert dominant == {
        "analytics": {"mem"},
        "batch": {"cpus"},
        "inference": {"gpus"},
        "training": {"gpus"},
        "web": {"cpus"},
    }


def test_settings_of_the_default_workload():
    w = default_workload(tenants=7, tasks=101, machines=3, load=0.5, weights={"web-2": 2.0})
    assert w.tenants == (
        "analytics",
        "analytics-2",
        "batch",
        "inference",
        "training",
        "web",
        "web-2",
    )
    assert (len(w.tasks), len(w.machines)) == (101, 3)
    assert max(w.load.values()) == pytest.approx(0.5, abs=0.001)
    assert w.weights["web-2"] == 2.0
    assert w.space == ResourceSpace(scale={"mem": 1})


def test_the_smallest_default_workloads():
    assert len(default_workload(tenants=1, tasks=1, machines=3).tasks) == 1
    assert len(default_workload(tenants=12, tasks=12, machines=3).tenants) == 12


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"tenants": 0}, "tenants is 0"),
        ({"tasks": 4}, "tasks is 4; give a whole number of at least 5"),
        ({"tasks": 10.0}, "tasks is 10.0"),
        ({"machines": 2}, "machines is 2; give a whole number of at least 3"),
        ({"load": 0.0}, "load is 0.0"),
        ({"load": math.nan}, "load is nan"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InvalidOption, match=message):
        default_workload(**settings)
