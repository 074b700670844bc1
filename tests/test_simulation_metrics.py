"""The figures of a run, worked out by hand."""

import math
from array import array

import pytest

from drf.errors import InvalidOption
from drf.resources import Resources
from drf.simulation.engine import Result, Run, Series
from drf.simulation.metrics import (
    arrival_window,
    jain,
    jain_of_contenders,
    mean,
    percentile,
    slowdown,
    summarise,
    time_average,
)
from drf.simulation.workload import Machine, Task, Workload

CPU = Resources("cpus:1")


def task(name, tenant, arrival, duration):
    return Task(name, tenant, arrival, duration, CPU)


def result(
    times, shares, waiting, *, runs=(), tasks=None, weights=None, horizon=None, utilisation=None
):
    """A result with that series; its window is that of the tasks, by default 0 to 40 s."""
    tasks = tasks or [
        task(f"t{t}{i}", t, at, 1.0) for t in shares for i, at in enumerate((0.0, 40.0))
    ]
    workload = Workload(
        "w", (Machine("m", Resources("cpus:10")),), tuple(tasks), weights=weights or {}
    )
    done = {r.task.name for r in runs}
    return Result(
        policy="drf",
        workload=workload,
        runs=tuple(runs),
        unfinished=tuple(t for t in workload.tasks if t.name not in done),
        series=Series(
            array("d", times),
            {t: array("d", v) for t, v in shares.items()},
            {n: array("d", v) for n, v in (utilisation or {}).items()},
            {t: array("q", v) for t, v in waiting.items()},
        ),
        decisions=0,
        horizon=horizon,
    )


@pytest.mark.parametrize(
    ("arrival", "start", "end", "expected"),
    [
        (0.0, 0.0, 600.0, 1.0),  # no wait
        (0.0, 300.0, 900.0, 1.5),  # (300 + 600) / 600
        (0.0, 50.0, 51.0, 1.0),  # (50 + 1) / 60 is below 1
        (0.0, 119.0, 120.0, 2.0),  # (119 + 1) / 60
        (5.0, 125.0, 125.0, 2.0),  # no duration: 120 / 60
    ],
)
def test_slowdown(arrival, start, end, expected):
    assert slowdown(Run(task("t", "a", arrival, end - start), "m", start, end)) == expected


def test_wait_and_completion():
    run = Run(task("t", "a", 5.0, 10.0), "m", 12.0, 22.0)
    assert (run.wait, run.completion) == (7.0, 17.0)


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [
        (1, 95, 1),
        (19, 95, 19),
        (20, 95, 19),
        (21, 95, 20),
        (100, 95, 95),
        (100, 1, 1),
        (100, 100, 100),
        (3, 50, 2),
    ],
)
def test_percentile_is_the_nearest_rank(count, percent, expected):
    # rank = ceil(percent / 100 * count) among 1, 2, ..., count
    assert percentile(list(range(count, 0, -1)), percent) == expected


def test_nothing_to_average():
    assert math.isnan(percentile([], 95))
    assert math.isnan(mean([]))


@pytest.mark.parametrize("percent", [0, 101, -5])
def test_percent_out_of_range(percent):
    with pytest.raises(InvalidOption, match="percent is"):
        percentile([1.0], percent)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((0.0, 40.0), (10 * 2 + 20 * 4 + 10 * 1) / 40),
        ((5.0, 15.0), (5 * 2 + 5 * 4) / 10),
        ((30.0, 50.0), 1.0),  # the last entry holds for ever
        ((10.0, 10.0), 4.0),  # no length: the value there
        ((12.0, 12.0), 4.0),
    ],
)
def test_time_average(window, expected):
    assert time_average([0.0, 10.0, 30.0], [2.0, 4.0, 1.0], window) == expected


def test_time_average_is_0_before_the_first_entry():
    assert time_average([10.0], [3.0], (0.0, 30.0)) == 2.0  # (10 x 0 + 20 x 3) / 30
    assert time_average([10.0], [3.0], (5.0, 5.0)) == 0.0
    assert time_average([], [], (0.0, 5.0)) == 0.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1, 1], 1.0), ([1, 0], 0.5), ([3, 1], 0.8), ([0, 0], 1.0), ([], 1.0), ([0.1] * 7, 1.0)],
)
def test_jain(values, expected):
    assert jain(values) == pytest.approx(expected, abs=1e-15)  # (3 + 1)^2 / (2 x 10) = 0.8
    assert jain(values) <= 1.0


def test_contenders_who_both_wait():
    r = result(
        [0.0, 10.0, 30.0],
        {"a": [0.3, 0.2, 0.9], "b": [0.1, 0.2, 0.1]},
        {"a": [1, 1, 0], "b": [1, 1, 0]},
    )
    # 10 s at (.3 + .1)^2 / (2 x .1) = 0.8, 20 s at 1, then nobody waits: (10 x 0.8 + 20 x 1) / 30
    assert jain_of_contenders(r) == pytest.approx(28 / 30)


def test_a_small_share_by_choice_is_not_unfair():
    r = result([0.0], {"a": [0.5], "b": [0.5], "c": [0.01]}, {"a": [1], "b": [3], "c": [0]})
    assert jain_of_contenders(r) == 1.0


def test_who_holds_more_than_one_who_waits_contends():
    r = result([0.0], {"a": [0.3], "b": [0.1]}, {"a": [0], "b": [1]})
    assert jain_of_contenders(r) == pytest.approx(0.8)


def test_weights_count():
    r = result([0.0], {"a": [0.6], "b": [0.2]}, {"a": [1], "b": [1]}, weights={"a": 3.0})
    assert jain_of_contenders(r) == pytest.approx(1.0)


def test_one_alone_does_not_contend():
    r = result([0.0], {"a": [0.6], "b": [0.0]}, {"a": [1], "b": [0]})
    assert jain_of_contenders(r) == 1.0


def test_the_window_ends_at_the_horizon():
    shares, waiting = {"a": [0.1]}, {"a": [0]}
    assert arrival_window(result([0.0], shares, waiting)) == (0.0, 40.0)
    assert arrival_window(result([0.0], shares, waiting, horizon=25.0)) == (0.0, 25.0)
    assert arrival_window(result([0.0], shares, waiting, horizon=99.0)) == (0.0, 40.0)


def test_a_summary_worked_out():
    a1, a2, b1 = (
        task("a1", "a", 0.0, 20.0),
        task("a2", "a", 0.0, 100.0),
        task("b1", "b", 20.0, 60.0),
    )
    runs = [Run(a1, "m", 0.0, 20.0), Run(a2, "m", 20.0, 120.0)]
    r = result(
        [0.0, 10.0, 20.0],
        {"a": [0.5, 0.25, 1.0], "b": [0.0, 0.5, 0.0]},
        {"a": [1, 1, 0], "b": [0, 0, 1]},
        runs=runs,
        tasks=[a1, a2, b1],
        utilisation={"cpus": [1.0, 0.5, 0.0]},
    )
    s = summarise(r)
    assert s.policy == "drf"
    assert s.utilisation == {"cpus": 0.75}  # (10 x 1 + 10 x .5) / 20
    assert (s.wait_mean, s.wait_p95) == (10.0, 20.0)  # waits 0, 20
    assert (s.completion_mean, s.completion_p95) == (70.0, 120.0)  # completions 20, 120
    assert (s.share_low, s.share_high) == (
        0.25,
        0.375,
    )  # b: 10 x .5 / 20; a: (10 x .5 + 10 x .25) / 20
    assert s.jain == pytest.approx(
        0.9
    )  # from 10 to 20 s a waits with .25, b holds .5: .75^2 / (2 x .3125)
    assert (s.tasks_done, s.tasks_unfinished) == (2, 1)
    a, b = s.tenants
    assert (a.tenant, a.tasks_done, a.wait_mean, a.completion_p95, a.share_mean) == (
        "a",
        2,
        10.0,
        120.0,
        0.375,
    )
    assert a.slowdown_mean == (1.0 + 1.2) / 2  # 20 / 60 is below 1; 120 / 100
    assert (b.tenant, b.tasks_done, b.share_mean) == ("b", 0, 0.25)
    assert all(
        math.isnan(x)
        for x in (b.wait_mean, b.wait_p95, b.completion_mean, b.completion_p95, b.slowdown_mean)
    )


def test_a_summary_of_nothing():
    s = summarise(Result("drf", Workload("w", (), ()), (), (), Series(array("d"), {}, {}, {}), 0))
    assert math.isnan(s.share_low)
    assert (s.tasks_done, s.tasks_unfinished, s.jain, s.tenants) == (0, 0, 1.0, ())
