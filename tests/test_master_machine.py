"""The master's core under all events in any order, with faults: a state machine over the simulated cluster."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from drf.masters.core import Master
from drf.testing.cluster import VERBS, Cluster

NUMBER = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    """Each verb of the cluster is a rule; the judge hears every message, and `check()` is called after each step."""

    def __init__(self):
        super().__init__()
        self.cluster = Cluster(Master)

    @rule()
    def everybody_launches(self):
        """What random steps reach seldom: some tasks of everybody."""
        for n in range(3):
            self.cluster.do("join", n, n)
            self.cluster.do("connect", n, n)
        self.cluster.do("all", 0, 0)
        for n in range(3):
            self.cluster.do("request", n, n)
        for verb in ("all", "tick", "all", "launch", "launch", "all"):
            self.cluster.do(verb, 0, 0)

    @invariant()
    def in_order(self):
        self.cluster.check()

    def teardown(self):
        self.cluster.settle()
        self.cluster.check()


def _rule(verb):
    def step(self, first, second):
        self.cluster.do(verb, first, second)

    step.__name__ = verb
    return rule(first=NUMBER, second=NUMBER)(step)


for _verb in sorted(set(VERBS)):
    setattr(Machine, f"do_{_verb}", _rule(_verb))


QUIET = {
    "deadline": None,
    "database": None,
    "derandomize": "DRF_RANDOM" not in os.environ,
    "suppress_health_check": list(HealthCheck),
}


class TestShort(Machine.TestCase):
    settings = settings(max_examples=40, stateful_step_count=40, **QUIET)


@pytest.mark.long
class TestLong(Machine.TestCase):
    settings = settings(max_examples=3000, stateful_step_count=80, **QUIET)
