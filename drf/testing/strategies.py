"""Hypothesis strategies of instances for the judge: small numbers, and on purpose what breaks rules.

Small whole numbers find almost every counter-example; zeros, ties, extreme weights, tasks that do not fit and resources
that are not there are drawn on their own. Needs the extra ``testing``.

>>> from hypothesis import given
>>> @given(pools())
... def rows_are_users(instance):
...     assert len(instance.users) == len(instance.demands)
>>> rows_are_users()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from drf.errors import MissingExtra
from drf.fairness import Instance

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtra("the search for counter-examples", "hypothesis", "testing") from error

Instances: TypeAlias = "st.SearchStrategy[Instance]"

PLAIN_WEIGHTS = (Fraction(1), Fraction(2), Fraction(3), Fraction(1, 3))
EXTREME_WEIGHTS = (Fraction(1), Fraction(1, 10**6), Fraction(10**6), Fraction(1, 3))
TREES = (
    ("a/x", "a/y", "b"),
    ("a", "b/x", "b/y"),
    ("a/x", "b/x", "b/y"),
    ("a/x", "a/y", "b/x", "b/y"),
    ("a/x", "b/x/p", "b/x/q", "b/y"),
    ("a", "b", "c/x", "c/y"),
)
"""Names of users that are paths."""


def _integers(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


@st.composite
def _pool(
    draw: st.DrawFn,
    *,
    least: int = 0,
    most: int = 4,
    capacity: tuple[int, int] = (2, 12),
    divisible: bool = True,
    weights: Sequence[Fraction] = (),
    caps: tuple[int, int] | None = None,
    users: Sequence[str] | None = None,
    resources: tuple[int, int] = (1, 3),
) -> Instance:
    """One pool: each task needs ``least`` to ``most`` of each resource; no weights given: all equal."""
    people = draw(_integers(2, 4)) if users is None else len(users)
    count = draw(_integers(*resources))
    row = st.lists(_integers(least, most), min_size=count, max_size=count)
    demands = [draw(row.filter(any)) for _ in range(people)]
    amounts = [draw(_integers(*capacity)) for _ in range(count)]
    return Instance.of(
        amounts,
        demands if users is None else dict(zip(users, demands, strict=True)),
        divisible=divisible,
        weights=[draw(st.sampled_from(weights)) for _ in range(people)] if weights else None,
        caps=None
        if caps is None
        else [draw(st.one_of(st.none(), _integers(*caps))) for _ in range(people)],
    )


def positive(*, divisible: bool = True) -> Instances:
    """One pool, equal weights, no caps, and every task needs something of every resource."""
    return _pool(least=1, divisible=divisible)


def zeros(*, divisible: bool = True) -> Instances:
    """The same, where a task may need nothing of a resource."""
    return _pool(divisible=divisible)


@st.composite
def ties(draw: st.DrawFn, *, divisible: bool = True) -> Instance:
    """One pool in which tasks are alike, or alike but for the order of the resources."""
    amount, resources = draw(_integers(2, 12)), draw(_integers(1, 3))
    row = draw(st.lists(_integers(0, 4), min_size=resources, max_size=resources).filter(any))
    demands = [draw(st.permutations(row)) for _ in range(draw(_integers(2, 4)))]
    return Instance.of([amount] * resources, demands, divisible=divisible)


def weighted(*, divisible: bool = True) -> Instances:
    """One pool with a weight a user: 1, 2, 3 or 1/3."""
    return _pool(divisible=divisible, weights=PLAIN_WEIGHTS)


def positive_weighted(*, divisible: bool = True) -> Instances:
    """The same, where every task needs something of every resource; any of the weights may be equal."""
    return st.one_of(
        _pool(least=1, divisible=divisible),
        _pool(least=1, divisible=divisible, weights=PLAIN_WEIGHTS),
    )


def single(*, divisible: bool = True) -> Instances:
    """One pool of one resource, with caps, or with weights."""
    return st.one_of(
        _pool(divisible=divisible, resources=(1, 1), caps=(0, 4)),
        _pool(divisible=divisible, resources=(1, 1), weights=PLAIN_WEIGHTS),
    )


def extreme_weights(*, divisible: bool = True) -> Instances:
    """One pool with weights of a millionth and of a million."""
    return _pool(divisible=divisible, weights=EXTREME_WEIGHTS)


def capped(*, divisible: bool = True) -> Instances:
    """One pool in which users want no more than 0 to 4 tasks, or any number."""
    return _pool(divisible=divisible, caps=(0, 4))


@st.composite
def broken_caps(draw: st.DrawFn, *, divisible: bool = True) -> Instance:
    """The same in halves and thirds of tasks, of which whole tasks do not count."""
    found = draw(_pool(caps=(0, 9), divisible=divisible))
    part = draw(st.sampled_from((2, 3)))
    return found.replace(caps=tuple(None if cap is None else cap / part for cap in found.caps))


def unlike(*, divisible: bool = True) -> Instances:
    """One pool, equal weights, and every task needs something of every resource, some much more than others."""
    return _pool(least=1, most=6, capacity=(6, 24), resources=(1, 2), divisible=divisible)


def roomy(*, divisible: bool = True) -> Instances:
    """One pool with room for dozens of tasks, with or without weights: where bounds up to a task say something."""
    return st.one_of(
        _pool(least=1, most=3, capacity=(20, 60), divisible=divisible),
        _pool(most=3, capacity=(20, 60), divisible=divisible, weights=PLAIN_WEIGHTS),
    )


def large_tasks(*, divisible: bool = True) -> Instances:
    """One pool in which some tasks are larger than it."""
    return _pool(most=9, capacity=(2, 6), divisible=divisible)


def zero_capacity(*, divisible: bool = True) -> Instances:
    """One pool that may have nothing of a resource, also of one that a task needs."""
    return _pool(capacity=(0, 8), divisible=divisible).filter(lambda found: any(found.capacity))


@st.composite
def exact_fit(draw: st.DrawFn, *, divisible: bool = True) -> Instance:
    """One pool of which whole numbers of tasks use up every resource at once."""
    resources, people = draw(_integers(1, 3)), draw(_integers(2, 4))
    row = st.lists(_integers(1, 4), min_size=resources, max_size=resources)
    demands = [draw(row) for _ in range(people)]
    counts = [draw(_integers(1, 3)) for _ in range(people)]
    amounts = [
        sum(n * d[j] for n, d in zip(counts, demands, strict=True)) for j in range(resources)
    ]
    return Instance.of(amounts, demands, divisible=divisible)


@st.composite
def vector_weights(draw: st.DrawFn, *, divisible: bool = True) -> Instance:
    """One pool with a weight a user and resource; for each resource they add up to 1."""
    found = draw(_pool(divisible=divisible))
    people, columns = range(len(found.users)), range(len(found.resources))
    raw = [[draw(_integers(1, 4)) for _ in columns] for _ in people]
    sums = [sum(row[j] for row in raw) for j in columns]
    rows = tuple(tuple(Fraction(row[j], sums[j]) for j in columns) for row in raw)
    return found.replace(weights=rows)


@st.composite
def machines(
    draw: st.DrawFn, *, divisible: bool = True, constraints: bool = True, least: int = 0
) -> Instance:
    """Two or three machines; tasks may be larger than one of them, users may be kept from some."""
    resources, hosts, people = draw(_integers(1, 2)), draw(_integers(2, 3)), draw(_integers(2, 3))
    row = st.lists(_integers(least, 3), min_size=resources, max_size=resources)
    rooms = [
        draw(st.lists(_integers(1, 6), min_size=resources, max_size=resources))
        for _ in range(hosts)
    ]
    allowed = None
    if constraints and draw(st.booleans()):
        some = st.sets(_integers(0, hosts - 1), min_size=1)
        allowed = [sorted(draw(some)) for _ in range(people)]
    return Instance.of(
        machines=rooms,
        demands=[draw(row.filter(any)) for _ in range(people)],
        eligible=allowed,
        divisible=divisible,
    )


@st.composite
def trees(draw: st.DrawFn, *, divisible: bool = True, weights: bool = True) -> Instance:
    """One pool whose users are the leaves of a small tree; often a leaf needs one resource alone."""
    names = draw(st.sampled_from(TREES))
    weighing = PLAIN_WEIGHTS if weights and draw(st.booleans()) else ()
    found = draw(
        _pool(most=2, capacity=(2, 10), users=names, divisible=divisible, weights=weighing)
    )
    if not weighing:
        return found
    inner = sorted({"/".join(n.split("/")[:d]) for n in names for d in range(1, n.count("/") + 1)})
    return found.replace(groups={node: draw(st.sampled_from(PLAIN_WEIGHTS)) for node in inner})


def pools(*, divisible: bool = True, caps: bool = True, weights: bool = True) -> Instances:
    """Any of the pools above; without caps or weights where these are switched off."""
    kinds = [positive, zeros, ties, exact_fit, large_tasks, zero_capacity]
    kinds += [capped] if caps else []
    kinds += [weighted, extreme_weights] if weights else []
    return st.one_of(*(kind(divisible=divisible) for kind in kinds))


STRATEGIES: Mapping[str, Callable[..., Any]] = {
    made.__name__: made
    for made in (
        pools,
        positive,
        zeros,
        ties,
        weighted,
        positive_weighted,
        single,
        extreme_weights,
        capped,
        broken_caps,
        unlike,
        roomy,
        large_tasks,
        zero_capacity,
        exact_fit,
        vector_weights,
        machines,
        trees,
    )
}
"""All of them by name; each takes ``divisible``."""
