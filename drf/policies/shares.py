"""Policies that go by a share: DRF, and max-min fairness on one resource."""

from __future__ import annotations

from typing import Any

from drf.errors import InvalidOption
from drf.plugins import Answer, Policy, Problem, View
from drf.policies.filling import fill_divisible, fill_whole


class _ByShare(Policy):
    """The lowest share of the resources that count is next; a grant moves one client, a changed total all."""

    modes = frozenset({"order", "divide"})
    stale_on = frozenset({"total"})
    kernel = "drf"

    def key(self, view: View, client: str) -> tuple[Any, ...]:
        return (view.share(client),)

    def divide(self, problem: Problem) -> Answer:
        return (fill_whole if problem.whole else fill_divisible)(problem, self.counts)


class DRF(_ByShare):
    """Dominant Resource Fairness: max-min fairness on dominant shares, divided by weights.

    Ghodsi, Zaharia, Hindman, Konwinski, Shenker and Stoica, NSDI 2011.

    >>> DRF().counts("gpus")
    True
    """

    name = "drf"


class MaxMin(_ByShare):
    """Max-min fairness on one named resource; the others only have to fit.

    >>> MaxMin("cpus").counts("mem")
    False
    """

    def __init__(self, resource: str) -> None:
        if not resource:
            raise InvalidOption("maxmin needs the name of a resource, as in 'maxmin:cpus'")
        self.resource = resource
        self.name = f"maxmin:{resource}"

    def counts(self, resource: str) -> bool:
        return resource == self.resource
