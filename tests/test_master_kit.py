"""check_master: ours keeps every promise, and masters with a planted fault lose the right one."""

import functools
import itertools
import re
import subprocess
import sys

import pytest

import drf
from drf.errors import InvalidOption, UnknownName
from drf.masters.core import Master, by_demand
from drf.masters.core import records as r
from drf.masters.local import LocalMaster, read_spec
from drf.testing import check_master
from drf.testing.cluster import Cluster
from drf.testing.masters import MASTER_INVARIANTS


def test_ours_keeps_all():
    found = check_master(Master, examples=25)
    assert found, str(found)
    assert found.names == MASTER_INVARIANTS


def whole_agents(**options):
    return Master(lambda: drf.Allocator(interval=None), **options)


def test_ours_with_offers_of_whole_agents():
    found = check_master(whole_agents, examples=10)
    assert found, str(found)


def test_the_local_masters():
    task = {"command": "true", "resources": {"cpus": 1}}
    local = LocalMaster(read_spec({"frameworks": {"f": {"tasks": [task]}}}))
    found = check_master(functools.partial(Master, local._allocator), examples=10)
    assert found, str(found)


def test_a_framework_that_is_newer_than_the_snapshot():
    """The master that follows does not know it, so it cannot have been away for too long."""
    cluster = Cluster(Master)
    for n in range(3):
        cluster.do("join", n, n)
    cluster.do("all", 0, 0)
    cluster.do("save", 0, 0)
    cluster.do("connect", 1, 1)
    for verb, first, second in (
        ("all", 0, 0),
        ("request", 1, 1),
        ("all", 0, 0),
        ("tick", 0, 1),
        ("all", 0, 0),
        ("launch", 0, 0),
        ("all", 0, 0),
        ("restart", 0, 2),
        ("connect", 1, 1),
        ("tick", 0, 1),
    ):
        cluster.do(verb, first, second)
    (scheduler,) = cluster.schedulers.values()
    assert (scheduler.failover_timeout, len(scheduler.launched)) == (0.0, 1)
    cluster.settle()
    cluster.check()
    assert not scheduler.over


PLUGIN = ["-p", "no:drf", "-p", "drf.testing.pytest_plugin", "-p", "no:cacheprovider"]
MARKED = """
import pytest
from drf.masters.core import Master

@pytest.mark.drf_master(Master, invariants=["offers", "once"])
def test_promises(verdict):
    assert verdict.outcome == "holds", verdict
    assert verdict.examples <= 5
"""


def test_mark(tmp_path):
    (tmp_path / "test_mine.py").write_text(MARKED, encoding="utf-8")
    options = ["--drf-examples", "5", "--strict-markers"]
    command = [sys.executable, "-m", "pytest", "-v", *PLUGIN, *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout
    assert "test_promises[offers] PASSED" in done.stdout
    assert "test_promises[once] PASSED" in done.stdout


class Broken(Master):
    """A master that says something else than it should: `altered` gives what goes out in place of one message."""

    @functools.cached_property
    def seen(self):
        return []

    def altered(self, event, message):
        return [message]

    def handle(self, event):
        out = []
        for message in super().handle(event):
            out += self.altered(event, message)
        return out


class OffersWhatIsNotThere(Broken):
    def altered(self, event, message):
        if isinstance(message, r.Offered):
            more = [o._replace(resources=o.resources + o.resources) for o in message.offers]
            return [message._replace(offers=tuple(more))]
        return [message]


class OffersTwice(Broken):
    def altered(self, event, message):
        return [message, message] if isinstance(message, r.Offered) else [message]


class OffersToAStranger(Broken):
    def altered(self, event, message):
        if isinstance(message, r.Offered):
            return [message._replace(framework="nobody")]
        return [message]


class LosesARescind(Broken):
    def altered(self, event, message):
        return [] if isinstance(message, r.Rescinded) else [message]


class RescindsWhatItNeverMade(Broken):
    def altered(self, event, message):
        if isinstance(message, r.Rescinded):
            return [message._replace(offer="99-99")]
        return [message]


class ForgetsATask(Broken):
    def altered(self, event, message):
        return [] if isinstance(message, r.Run) else [message]


class LaunchesTwice(Broken):
    def altered(self, event, message):
        return [message, message] if isinstance(message, r.Run) else [message]


class LaunchesOnPastOffers(Broken):
    def altered(self, event, message):
        if isinstance(message, r.Run):
            self.seen.append(message)
        if isinstance(message, r.Failed) and isinstance(event, r.Accept) and self.seen:
            task = next(iter(event.launches.values()))[0]
            info = self.seen[-1].task._replace(name=task.name)
            return [message, self.seen[-1]._replace(task=info)]
        return [message]


class IgnoresAcknowledgements(Broken):
    def handle(self, event):
        return [] if isinstance(event, r.Acknowledge) else super().handle(event)


class SaysItOnce(Broken):
    """A status that was on a connection that broke is not said again."""

    def altered(self, event, message):
        numbered = isinstance(message, r.Status) and message.number is not None
        return [] if numbered and isinstance(event, (r.Tick, r.Subscribe)) else [message]


class SaysAnotherEnd(Broken):
    def altered(self, event, message):
        if isinstance(message, r.Status) and message.state == r.FAILED:
            return [message._replace(state=r.FINISHED)]
        return [message]


class LosesAKill(Broken):
    def altered(self, event, message):
        return [] if isinstance(message, r.End) else [message]


class EndsTasksOfThoseAway(Broken):
    def handle(self, event):
        out = super().handle(event)
        if isinstance(event, r.Disconnected):
            for info in [t.info for t in self._books.running(event.framework)]:
                out.append(r.End(info.agent, info.framework, info.name, "away"))
        return out


class DoesNotTellOfTasks(Broken):
    def altered(self, event, message):
        return [message._replace(tasks=())] if isinstance(message, r.Subscribed) else [message]


class ReconcilesNothing(Broken):
    def handle(self, event):
        return [] if isinstance(event, r.Reconcile) else super().handle(event)


class KeepsWhatEnded(Broken):
    """The end of a task is not taken in."""

    def handle(self, event):
        if isinstance(event, r.Update) and event.state in r.TERMINAL:
            event = event._replace(state=r.RUNNING)
        return super().handle(event)


class HoldsOnToAgents(Broken):
    """An agent that came back is not offered again."""

    def altered(self, event, message):
        if isinstance(event, r.Register) and isinstance(message, r.Admitted):
            if message.agent in self.seen:
                super(Broken, self).handle(r.AgentDisconnected(message.agent))
            self.seen.append(message.agent)
        return [message]


class Raises(Broken):
    def handle(self, event):
        if isinstance(event, r.Suppress):
            raise ValueError("no")
        return super().handle(event)


class Disagrees(Broken):
    def check(self):
        if self._books.tasks:
            raise drf.DRFError("no")


SEEDS = itertools.count()


def draws(**options):
    return Master(lambda: drf.Allocator(seed=next(SEEDS), interval=None), **options)


@pytest.mark.parametrize(
    ("factory", "lost", "said"),
    [
        (OffersWhatIsNotThere, "offers", "of m. is offered to f., and .* is free"),
        (OffersTwice, "offers", "under the id .*, which was there before"),
        (OffersToAStranger, "offers", "is offered to nobody, which does not take part"),
        (LosesARescind, "rescinds", "offer .* of m., which is away, was not rescinded"),
        (RescindsWhatItNeverMade, "rescinds", "offer 99-99 was never made"),
        (ForgetsATask, "tasks", "was launched on open offers, and does not run"),
        (LaunchesTwice, "once", "is run again"),
        (LaunchesOnPastOffers, "once", "is run, and was not launched on open offers"),
        (IgnoresAcknowledgements, "statuses", "this was acknowledged, and is said again"),
        (SaysItOnce, "statuses", "by its agent, and None by what was said"),
        (SaysAnotherEnd, "statuses", "is failed by its agent, and finished by what was said"),
        (LosesAKill, "tasks", "was to be killed, and runs on"),
        (EndsTasksOfThoseAway, "failover", "is to end, and nobody asked for it"),
        (DoesNotTellOfTasks, "failover", "is back, and is not told of its tasks"),
        (ReconcilesNothing, "tasks", "nothing is known of|by what was said, and"),
        (KeepsWhatEnded, "statuses", "by its agent, and .* by what was said"),
        (HoldsOnToAgents, "conservation", "m. came back, and nothing of it is offered"),
        (Raises, "verbs", "Suppress raised ValueError: no"),
        (Disagrees, "verbs", r"check\(\) says: no"),
        (draws, "determinism", "the same history brought other messages"),
    ],
)
def test_planted_fault_is_found(factory, lost, said):
    found = check_master(factory, invariants=[lost], examples=300)
    (result,) = found.results
    assert result.outcome == "fails", str(found)
    assert re.search(said, result.reason), result.reason
    assert result.history
    assert found.subject == factory.__name__


class Failing(drf.Policy):
    """A plug-in that raises is told as trouble, which the kit takes for the master's."""

    name = "failing"

    def key(self, view, client):
        raise RuntimeError("no")


def test_trouble_is_a_failure():
    def make(**options):
        return Master(lambda: drf.Allocator(Failing(), interval=None), **options)

    found = check_master(make, invariants=["verbs"], examples=20)
    assert not found
    assert "RuntimeError" in found.failures[0].reason


def test_errors():
    with pytest.raises(UnknownName, match="offers"):
        check_master(Master, invariants=["offer"])
    with pytest.raises(InvalidOption, match="steps"):
        check_master(Master, steps=0)
    with pytest.raises(UnknownName, match="master"):
        check_master("cor")


def test_by_demand_is_the_default():
    assert by_demand().space == Master().allocator.space
