"""The event loop, on cases small enough to follow by hand, and as a whole."""

import pytest

import drf
from drf.errors import InvalidOption, UnknownName
from drf.resources import Resources
from drf.simulation.compare import compare
from drf.simulation.engine import simulate
from drf.simulation.generate import default_workload
from drf.simulation.workload import Machine, Task, Workload

POLICIES = ["drf", "maxmin:gpus", "fifo", "random"]
MODES = ["demand", "agent"]


def task(name, tenant, arrival, duration, demand, where=None):
    return Task(name, tenant, arrival, duration, Resources(demand), where)


def workload(tasks, *machines, weights=None):
    machines = machines or (Machine("m1", Resources("cpus:2")),)
    return Workload("w", machines, tuple(tasks), weights=weights or {})


def times(result):
    return {r.task.name: (r.start, r.end) for r in result.runs}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", ["drf", "maxmin:cpus", "fifo", "random"])
def test_tasks_wait_for_room_and_run_in_order_of_arrival(policy, mode):
    tasks = [task(f"t{i}", "a", float(i), 10.0, "cpus:1") for i in range(4)]
    result = simulate(workload(tasks), policy, offer=mode, debug=True)
    # 2 cpus: t0 and t1 start at once, t2 when t0 ends, t3 when t1 ends
    assert times(result) == {
        "t0": (0.0, 10.0),
        "t1": (1.0, 11.0),
        "t2": (10.0, 20.0),
        "t3": (11.0, 21.0),
    }
    assert result.unfinished == ()
    assert result.policy == policy
    assert {r.machine for r in result.runs} == {"m1"}


@pytest.mark.parametrize("mode", MODES)
def test_the_series_of_a_run(mode):
    tasks = [
        task("a1", "a", 0.0, 10.0, "cpus:1"),
        task("b1", "b", 0.0, 20.0, "cpus:2;mem:1"),
        task("a2", "a", 5.0, 10.0, "cpus:3"),
    ]
    result = simulate(
        workload(tasks, Machine("m1", Resources("cpus:4;mem:2"))), offer=mode, debug=True
    )
    # 0: a1 and b1 run. 5: a2 waits for 3 cpus, 1 is free. 10: a1 ends, 2 are free. 20: b1 ends, a2
    # runs to 30
    assert list(result.series.times) == [0.0, 5.0, 10.0, 20.0, 30.0]
    assert list(result.series.shares["a"]) == [0.25, 0.25, 0.0, 0.75, 0.0]
    assert list(result.series.shares["b"]) == [0.5, 0.5, 0.5, 0.0, 0.0]
    assert list(result.series.utilisation["cpus"]) == [0.75, 0.75, 0.5, 0.75, 0.0]
    assert list(result.series.utilisation["mem"]) == [0.5, 0.5, 0.5, 0.0, 0.0]
    assert list(result.series.waiting["a"]) == [0, 1, 1, 0, 0]
    assert list(result.series.waiting["b"]) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("mode", MODES)
def test_what_fits_no_machine_holds_nobody_up(mode):
    tasks = [
        task("big", "a", 0.0, 10.0, "cpus:3"),
        task("elsewhere", "a", 0.0, 10.0, "cpus:1", {"model": frozenset({"G2"})}),
        task("unheard", "b", 0.0, 10.0, "cpus:1;tpus:1"),
        task("small", "a", 1.0, 10.0, "cpus:1"),
    ]
    result = simulate(workload(tasks), "fifo", offer=mode, debug=True)
    assert times(result) == {"small": (1.0, 11.0)}
    assert [t.name for t in result.unfinished] == ["big", "elsewhere", "unheard"]
    assert list(result.series.waiting["a"]) == [0, 0]  # from 1 s on, where something happens


@pytest.mark.parametrize("mode", MODES)
def test_tasks_go_where_they_may(mode):
    machines = [
        Machine("m1", Resources("cpus:2"), {"model": "T4"}),
        Machine("m2", Resources("cpus:2"), {"model": "G2"}),
    ]
    tasks = [
        task(f"t{i}", "a", 0.0, 10.0, "cpus:1", {"model": frozenset({"G2", "P100"})})
        for i in range(3)
    ]
    result = simulate(workload(tasks, *machines), offer=mode, debug=True)
    assert {r.machine for r in result.runs} == {"m2"}
    assert times(result)["t2"] == (10.0, 20.0)


@pytest.mark.parametrize("mode", MODES)
def test_tasks_without_duration_end_when_they_start(mode):
    tasks = [task(f"t{i}", "a", 0.0, 0.0, "cpus:2") for i in range(3)]
    result = simulate(workload(tasks), offer=mode, debug=True)
    assert times(result) == {f"t{i}": (0.0, 0.0) for i in range(3)}
    assert list(result.series.times) == [0.0]
    assert list(result.series.shares["a"]) == [0.0]


@pytest.mark.parametrize("mode", MODES)
def test_the_horizon_ends_a_run(mode):
    tasks = [task(f"t{i}", "a", 0.0, 10.0, "cpus:2") for i in range(3)] + [
        task("late", "a", 50.0, 1.0, "cpus:1")
    ]
    result = simulate(workload(tasks), offer=mode, horizon=20.0, debug=True)
    assert times(result) == {
        "t0": (0.0, 10.0),
        "t1": (10.0, 20.0),
    }  # what happens at the horizon counts
    assert [t.name for t in result.unfinished] == ["t2", "late"]
    assert result.horizon == 20.0


@pytest.mark.parametrize("mode", MODES)
def test_a_tenant_that_fell_silent_is_heard_again(mode):
    tasks = [task("t0", "a", 0.0, 1.0, "cpus:1"), task("t1", "a", 100.0, 1.0, "cpus:1")]
    result = simulate(workload(tasks), offer=mode, debug=True)
    assert times(result) == {"t0": (0.0, 1.0), "t1": (100.0, 101.0)}


def test_an_arrival_ends_a_refusal():
    # at 0 a packs 3 of 4 cpus and refuses the last for a long time; at 1 something small arrives
    tasks = [
        task("t0", "a", 0.0, 50.0, "cpus:3"),
        task("t1", "a", 0.0, 50.0, "cpus:3"),
        task("t2", "a", 1.0, 5.0, "cpus:1"),
    ]
    result = simulate(
        workload(tasks, Machine("m", Resources("cpus:4"))),
        offer="agent",
        refuse_seconds=1e6,
        debug=True,
    )
    assert times(result) == {"t0": (0.0, 50.0), "t2": (1.0, 6.0), "t1": (50.0, 100.0)}


def test_what_one_refuses_goes_to_the_next():
    # a comes first by name, but its task needs more than is free after b1 started
    tasks = [
        task("b1", "b", 0.0, 100.0, "cpus:1"),
        task("a1", "a", 1.0, 10.0, "cpus:2"),
        task("b2", "b", 1.0, 10.0, "cpus:1"),
    ]
    result = simulate(workload(tasks), offer="agent", debug=True)
    assert times(result) == {"b1": (0.0, 100.0), "b2": (1.0, 11.0), "a1": (100.0, 110.0)}


@pytest.mark.parametrize("mode", MODES)
def test_drf_shares_by_weight(mode):
    # 8 machines of 1 cpu, both want all: weights 3 and 1 make 6 and 2
    machines = [Machine(f"m{i}", Resources("cpus:1")) for i in range(8)]
    tasks = [task(f"{t}{i}", t, 0.0, 10.0, "cpus:1") for t in "ab" for i in range(8)]
    result = simulate(workload(tasks, *machines, weights={"a": 3.0}), offer=mode, debug=True)
    assert (result.series.shares["a"][0], result.series.shares["b"][0]) == (0.75, 0.25)


def test_the_example_of_the_paper():
    # 9 cpus, 18 GB; A <1, 4>, B <3, 1>: three tasks of A, two of B, both with a share of 2/3
    tasks = [task(f"A{i}", "A", 0.0, 10.0, "cpus:1;mem:4") for i in range(9)]
    tasks += [task(f"B{i}", "B", 0.0, 10.0, "cpus:3;mem:1") for i in range(9)]
    result = simulate(
        workload(tasks, Machine("m", Resources("cpus:9;mem:18"))), horizon=0.0, debug=True
    )
    assert (result.series.shares["A"][0], result.series.shares["B"][0]) == (12 / 18, 6 / 9)
    assert (result.series.waiting["A"][0], result.series.waiting["B"][0]) == (6, 7)


def test_fifo_serves_the_oldest_across_tenants():
    machine = Machine("m", Resources("cpus:1"))
    tasks = [
        task(f"{t}{i}", t, float(at), 10.0, "cpus:1")
        for i, (t, at) in enumerate(zip("babba", range(5), strict=True))
    ]
    result = simulate(workload(tasks, machine), "fifo", debug=True)
    assert [r.task.name for r in result.runs] == ["b0", "a1", "b2", "b3", "a4"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_repeats_itself_exactly(policy, mode):
    w = default_workload(tasks=150, machines=4)
    assert simulate(w, policy, offer=mode, seed=5) == simulate(w, policy, offer=mode, seed=5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
def test_no_machine_is_overfilled_and_nothing_runs_early(policy, mode):
    w = default_workload(tasks=150, machines=4)
    result = simulate(w, policy, offer=mode, debug=True)
    assert result.unfinished == ()
    free = {m.name: m.capacity for m in w.machines}
    events = [(r.end, 0, r) for r in result.runs] + [(r.start, 1, r) for r in result.runs]
    for _, begins, r in sorted(events, key=lambda e: (e[0], e[1], e[2].task.name)):
        if begins:
            free[r.machine] = free[r.machine] - r.task.demand  # raises if it does not fit
        else:
            free[r.machine] = free[r.machine] + r.task.demand
    assert free == {m.name: m.capacity for m in w.machines}
    for r in result.runs:
        assert r.start >= r.task.arrival
        assert r.end == r.start + r.task.duration
    assert [(r.start, r.task.name) for r in result.runs] == sorted(
        (r.start, r.task.name) for r in result.runs
    )
    assert all(0.0 <= u <= 1.0 for column in result.series.utilisation.values() for u in column)
    assert list(result.series.times) == sorted(set(result.series.times))
    assert {len(c) for c in result.series.shares.values()} == {len(result.series.times)}
    assert all(column[-1] == 0.0 for column in result.series.shares.values())


def test_nothing_to_do():
    assert simulate(workload([])).runs == ()
    assert simulate(Workload("w", (), (task("t", "a", 0.0, 1.0, "cpus:1"),))).runs == ()


@pytest.mark.parametrize("mode", MODES)
def test_progress_goes_up_to_1(mode):
    seen = []
    simulate(default_workload(tasks=50, machines=3), offer=mode, progress=seen.append)
    assert seen == sorted(seen)
    assert 0.0 < seen[0] < seen[-1] == 1.0
    assert len(seen) <= 101
    simulate(workload([]), progress=seen.append)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offer": "all"}, "offer is 'all'"),
        ({"refuse_seconds": 0.0}, "refuse_seconds is 0.0"),
        ({"refuse_seconds": float("inf")}, "refuse_seconds is inf"),
        ({"horizon": -1.0}, "horizon is -1.0"),
        ({"horizon": float("nan")}, "horizon is nan"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(InvalidOption, match=message):
        simulate(workload([]), **options)


def test_an_unknown_policy():
    with pytest.raises(UnknownName, match="drf"):
        simulate(workload([]), "drv")


# Side by side


def test_policies_are_compared_in_the_order_given():
    seen = {}
    w = default_workload(tasks=100, machines=3)
    results = compare(
        w, ["fifo", "drf"], progress=lambda name, done: seen.setdefault(name, []).append(done)
    )
    assert [(r.policy, s.policy) for r, s in results] == [("fifo", "fifo"), ("drf", "drf")]
    assert list(seen) == ["fifo", "drf"]
    assert all(steps[-1] == 1.0 for steps in seen.values())
    assert all(r.seconds > 0 for r, _ in results)
    assert results[1][0] == simulate(w, "drf")


def test_a_policy_object_does_what_its_name_does():
    w = default_workload(tasks=100, machines=3)
    policy = drf.plugins.make_policy("maxmin:gpus")
    ((result, _),) = compare(w, [policy])
    assert result.policy == policy.name
    assert result.runs == simulate(w, "maxmin:gpus").runs


def test_policies_differ_on_the_default_workload():
    summaries = [s for _, s in compare(default_workload(tasks=600, machines=8), POLICIES)]
    assert len({s.wait_mean for s in summaries}) == len(POLICIES)
    drf_, _, fifo, _ = summaries
    assert drf_.jain > fifo.jain


def test_comparing_nothing_twice_or_unknown():
    w = workload([])
    with pytest.raises(InvalidOption, match="no policy to compare"):
        compare(w, [])
    with pytest.raises(InvalidOption, match="'drf' is given twice"):
        compare(w, ["drf", "fifo", "drf"])
    seen = []
    with pytest.raises(UnknownName):
        compare(w, ["drf", "fif"], progress=lambda name, done: seen.append(name))
    assert seen == []  # names are looked up before the first run
