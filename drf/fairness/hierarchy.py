"""Does every node of a tree get its part of its parent? The hierarchical share guarantee."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from drf.fairness.allocation import Allocation, allocation_of
from drf.fairness.instance import ZERO, Instance
from drf.fairness.verdict import FAILS, HOLDS, IDLE, Verdict, Witness, shown


def nodes(instance: Instance) -> tuple[str, ...]:
    """All nodes but the root of the tree that the names of users make as paths, parents first; O(users x depth).

    >>> nodes(Instance.of([1], {"eng/dev": [1], "ops": [1]}))
    ('eng', 'eng/dev', 'ops')
    """
    found: dict[str, None] = {}
    for user in instance.users:
        parts = user.split("/")
        for depth in range(len(parts)):
            found["/".join(parts[: depth + 1])] = None
    return tuple(found)


def leaves(instance: Instance, node: str) -> tuple[int, ...]:
    """The rows of the users at or below a node; O(users)."""
    return tuple(
        i for i, user in enumerate(instance.users) if user == node or user.startswith(node + "/")
    )


def guarantee(instance: Instance, node: str) -> Fraction:
    """The share of everything that a node is due: from the root down, its weight over that of its demanding siblings.

    A sibling demands where a user at or below it wants tasks and can run them. O(nodes x users x depth).

    >>> guarantee(Instance.of([1], {"eng/dev": [1], "eng/qa": [1], "ops": [1]}), "eng/qa")
    Fraction(1, 4)
    """
    parts = node.split("/")
    due = Fraction(1)
    for depth in range(len(parts)):
        here = "/".join(parts[: depth + 1])
        parent = here.rpartition("/")[0]
        rivals = [
            other
            for other in nodes(instance)
            if other.rpartition("/")[0] == parent and (other == here or _demands(instance, other))
        ]
        due *= _weight(instance, here) / sum((_weight(instance, r) for r in rivals), ZERO)
    return due


def hierarchical_share(instance: Instance, allocation: Any) -> Verdict:
    """Every node holds at least its part of its parent's due: its weight over that of its demanding siblings.

    Bhattacharya et al., "Hierarchical Scheduling for Diverse Datacenter Workloads", SoCC 2013. Names of users are
    paths; a leaf has the user's weight, an inner node that of ``groups``. A node's dominant share is the largest of
    the sums over its leaves. A node below which nobody wants more is due nothing. Whole tasks: less one task of each
    user, as in sharing_up_to_tasks. For one pool and one weight a user; a user must not be above another. O(nodes^2 x
    users x depth).

    >>> tree = Instance.of([10, 10], {"n1/a": [1, 1], "n2/a": [1, 0], "n2/b": [0, 1]})
    >>> third = Fraction(10, 3)
    >>> print(hierarchical_share(tree, [2 * third, third, third]).witness.text)
    n2 holds a dominant share of 1/3 and is due 1/2
    """
    name = "hierarchical_share"
    every = nodes(instance)
    if instance.flat or not instance.pooled or not instance.scalar:
        return Verdict(name, IDLE, "it is for one pool, names that are paths and one weight a user")
    above = [u for u in instance.users if any(o.startswith(u + "/") for o in instance.users)]
    if above:
        return Verdict(name, IDLE, f"{above[0]} is above other users; it is for users at leaves")
    a = allocation_of(instance, allocation)
    slack = ZERO
    if not instance.divisible:
        slack = sum((instance.per_task(i) for i in range(len(instance.users))), ZERO)
    for node in every:
        below = [i for i in leaves(instance, node) if instance.per_task(i) and instance.eligible[i]]
        if not any(a.wants(instance, i) for i in below):
            continue
        got = node_share(instance, a, below)
        due = guarantee(instance, node) * (1 - slack)
        if a.above(due, got):
            text = f"{node} holds a dominant share of {shown(got)} and is due {shown(due)}"
            witness = Witness(instance, a, node, got, due, "dominant share", text)
            return Verdict(name, FAILS, "", witness)
    return Verdict(name, HOLDS)


def node_share(instance: Instance, allocation: Allocation, below: Sequence[int]) -> Fraction:
    """The dominant share of what these users hold together; O(users x resources)."""
    tasks = allocation.tasks
    return max(
        (
            sum((tasks[i] * instance.demands[i][j] for i in below), ZERO) / capacity
            for j, capacity in enumerate(instance.capacity)
            if capacity
        ),
        default=ZERO,
    )


def _demands(instance: Instance, node: str) -> bool:
    return any(
        instance.most(i) != 0 and instance.per_task(i) and instance.eligible[i]
        for i in leaves(instance, node)
    )


def _weight(instance: Instance, node: str) -> Fraction:
    if node in instance.users:
        return instance.weights[instance.users.index(node)][0]
    return instance.groups.get(node, Fraction(1))
