"""A scheduler written from docs/howto-scheduler.md alone gives three tenants their weighted shares."""

import heapq
import inspect
import itertools

import pytest

import drf


class Scheduler:
    """Machines, three queues, tasks that end; everything about whose turn it is belongs to drf."""

    def __init__(self, machines, weights):
        self.drf = drf.Allocator(interval=None, offer="demand")
        self.drf.update_weights(weights)
        for name, amount in machines.items():
            self.drf.add_agent(name, amount)
        self.waiting = {tenant: [] for tenant in weights}
        for tenant in weights:
            self.drf.add_framework(tenant, roles=[tenant])
        self.now, self.ends, self.started = 0.0, [], []
        self.ids = itertools.count()

    def submit(self, tenant, need, seconds, count):
        self.waiting[tenant] += [(drf.Resources(need), seconds)] * count

    def schedule(self):
        for tenant, tasks in self.waiting.items():
            for need in {need for need, _ in tasks}:
                self.drf.request(tenant, need, sum(1 for n, _ in tasks if n == need))
        for offer in self.drf.run().offers:
            launched = {}
            for shape, count in offer.tasks:
                for _ in range(count):
                    tasks = self.waiting[offer.framework]
                    at = next(i for i, (need, _) in enumerate(tasks) if need == shape.resources)
                    need, seconds = tasks.pop(at)
                    name = f"t{next(self.ids)}"
                    launched[name] = drf.TaskSpec(need)
                    heapq.heappush(self.ends, (self.now + seconds, name))
                    self.started.append((self.now, offer.framework, name))
            self.drf.accept(offer, tasks=launched)

    def run(self, until):
        self.schedule()
        while self.ends and self.ends[0][0] <= until:
            self.now, name = heapq.heappop(self.ends)
            self.drf.advance(self.now)
            self.drf.release(task=name)
            self.schedule()


def test_it_has_at_most_fifty_lines():
    assert len(inspect.getsource(Scheduler).splitlines()) <= 50


@pytest.mark.parametrize(
    "weights", [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 1.0, "c": 1.0}]
)
def test_three_tenants_get_their_weighted_shares(weights):
    machines = {f"m{number}": "cpus:16;mem:64" for number in range(6)}
    scheduler = Scheduler(machines, weights)
    scheduler.submit("a", {"cpus": 1, "mem": 1}, 7.0, 800)  # each has a kind of its own
    scheduler.submit("b", {"cpus": 1, "mem": 4}, 5.0, 800)
    scheduler.submit("c", {"cpus": 1, "mem": 2}, 11.0, 800)
    total = sum(weights.values())
    for until in (0.0, 50.0, 100.0):
        scheduler.run(until)
        scheduler.drf.check()
        assert all(scheduler.waiting.values())  # nobody had too little to do
        shares = {tenant: _cpus(scheduler, tenant) / 96 for tenant in weights}
        assert sum(shares.values()) == 1.0
        for tenant, weight in weights.items():
            assert abs(shares[tenant] - weight / total) <= 1 / 96


def test_who_waits_for_nothing_leaves_its_part_to_the_others():
    scheduler = Scheduler({"m": "cpus:12;mem:12"}, {"a": 1.0, "b": 2.0, "c": 3.0})
    scheduler.submit("a", {"cpus": 1, "mem": 1}, 10.0, 100)
    scheduler.submit("b", {"cpus": 1, "mem": 1}, 10.0, 100)
    scheduler.run(0.0)
    assert (_cpus(scheduler, "a"), _cpus(scheduler, "b")) == (4, 8)
    scheduler.submit("c", {"cpus": 1, "mem": 1}, 10.0, 100)
    scheduler.run(25.0)
    assert [_cpus(scheduler, tenant) for tenant in "abc"] == [2, 4, 6]


def _cpus(scheduler, tenant):
    return sum(task.resources["cpus"] for task in scheduler.drf.tasks(tenant))
