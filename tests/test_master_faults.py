"""The master's core over an allocator plug-in that raises, or answers nonsense, at every verb in turn."""

import pytest

import drf
from drf.hierarchical import HierarchicalAllocator
from drf.masters.core import Master, Tick, Trouble
from drf.masters.core import records as r
from drf.resources import Resources
from drf.testing.cluster import Cluster

VERBS = [
    "add_agent",
    "remove_agent",
    "activate_agent",
    "deactivate_agent",
    "add_framework",
    "update_framework",
    "remove_framework",
    "activate_framework",
    "deactivate_framework",
    "suppress",
    "revive",
    "request",
    "recover_resources",
    "transition_offered_to_allocated",
    "advance",
    "run",
]

STEPS = [
    *(("join", n, n) for n in range(3)),
    *(("connect", n, n) for n in range(3)),
    *(("request", n, n) for n in range(3)),
    ("all", 0, 0),
    ("tick", 0, 1),
    ("all", 0, 0),
    ("launch", 0, 0),
    ("launch", 1, 1),
    ("decline", 0, 1),
    ("all", 0, 0),
    ("step", 0, 1),
    ("step", 0, 1),
    ("suppress", 0, 0),
    ("revive", 0, 0),
    ("all", 0, 0),
    ("cut_agent", 0, 0),
    ("cut_scheduler", 1, 0),
    ("tick", 0, 1),
    ("join", 0, 0),
    ("connect", 1, 1),
    ("all", 0, 0),
    ("take_over", 0, 0),
    ("crash_agent", 1, 0),
    ("tick", 0, 3),
    ("join", 1, 1),
    ("request", 0, 1),
    ("all", 0, 0),
    ("tick", 0, 1),
    ("all", 0, 0),
    ("launch", 0, 0),
    ("kill", 0, 0),
    ("teardown", 2, 3),
    ("all", 0, 0),
]


def raising(verb, calls, error=RuntimeError):
    """A plug-in class whose verb raises at the calls with these numbers, before or after it did what it should."""
    count = iter(range(10_000))

    class Raising(HierarchicalAllocator):
        pass

    def wrapped(self, *args, **kwargs):
        number = next(count)
        if number in calls:
            raise error(f"{verb} fails")
        result = getattr(HierarchicalAllocator, verb)(self, *args, **kwargs)
        if number + 1000 in calls:
            raise error(f"{verb} fails late")
        return result

    setattr(Raising, verb, wrapped)
    return Raising


def cluster_over(plugin):
    def make():
        return drf.Allocator(plugin=plugin("drf", interval=None, offer="demand"))

    def master(**options):
        return Master(make, **options)

    return Cluster(master, failing=True)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("late", [0, 1000], ids=["at once", "late"])
@pytest.mark.parametrize("error", [RuntimeError, drf.DRFError])
def test_a_plugin_that_raises_at(verb, late, error):
    failed = 0
    for call in (0, 1, 2, 3, 5, 8, 13, 21):
        cluster = cluster_over(raising(verb, {call + late}, error))
        for step in STEPS:
            cluster.do(*step)
        cluster.all_back()
        failed += any(line.startswith("Trouble") or "fails" in line for line in cluster.log)
    assert failed or verb in ("remove_framework", "update_framework", "activate_agent")


def test_one_that_always_raises_keeps_the_books():
    plugin = raising("run", set(range(10_000)))
    cluster = cluster_over(plugin)
    for step in STEPS:
        cluster.do(*step)
    assert any("run fails" in line for line in cluster.log)


class Nonsense(HierarchicalAllocator):
    """Its first outcomes are altered."""

    left = 0
    how = staticmethod(lambda grant: grant)

    def run(self):
        outcome = super().run()
        if outcome.grants and Nonsense.left:
            Nonsense.left -= 1
            return outcome._replace(grants=[Nonsense.how(g) for g in outcome.grants])
        return outcome


ALTERED = {
    "more than there is": lambda g: g._replace(resources=Resources("cpus:99")),
    "of an agent that is not there": lambda g: g._replace(agent="nowhere"),
    "to a stranger": lambda g: g._replace(framework="nobody"),
    "in a role it does not have": lambda g: g._replace(role="other"),
}


@pytest.mark.parametrize("how", ALTERED)
def test_nonsense_reaches_nobody(how):
    Nonsense.left, Nonsense.how = 1, staticmethod(ALTERED[how])
    cluster = cluster_over(Nonsense)
    for step in STEPS:
        cluster.do(*step)
    cluster.all_back()
    assert any("Trouble(run" in line for line in cluster.log)


def test_the_same_twice_reaches_nobody():
    class Twice(HierarchicalAllocator):
        def run(self):
            outcome = super().run()
            return outcome._replace(grants=[*outcome.grants, *outcome.grants])

    master = Master(lambda: drf.Allocator(plugin=Twice("drf", interval=None, offer="demand")))
    for event in (r.Register("m", "cpus:1"), r.Subscribe("f"), r.Request("f", "cpus:1", 3)):
        master.handle(event)
    (trouble,) = master.handle(Tick(0.0))
    assert isinstance(trouble, Trouble)
    assert "nothing is free" in trouble.message
    master.check()
