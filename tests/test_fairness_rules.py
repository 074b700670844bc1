"""The judge against rules that are known to keep or to lack each property; the rules are written here."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import pytest

from drf.errors import InvalidOption, UnknownName
from drf.fairness import (
    PROPERTIES,
    Instance,
    allocation_of,
    convict,
    fill,
    find,
    guarantee,
    judge,
    leximin,
    lies,
    replay,
    strategy_proofness,
    true_tasks,
)
from drf.fairness.oracles import extend

F = Fraction
Tasks = Sequence[Fraction | int | float]

# -- rules: divisible tasks, one pool


def drf(instance: Instance) -> Tasks:
    return fill(instance).tasks


def asset(instance: Instance) -> Tasks:
    """Equal sums of shares over all resources."""
    capacity = instance.capacity
    cost = [
        sum((d / c for d, c in zip(row, capacity, strict=True) if c), F(0)) / w[0]
        for row, w in zip(instance.demands, instance.weights, strict=True)
    ]
    return fill(instance, cost).tasks


def cpu_only(instance: Instance) -> Tasks:
    return fill(instance, [row[0] / instance.capacity[0] for row in instance.demands]).tasks


def task_maxmin(instance: Instance) -> Tasks:
    return fill(instance, [F(1)] * len(instance.users)).tasks


def wrong_denominator(instance: Instance) -> Tasks:
    """DRF whose shares are of the largest capacity, not of each resource's own."""
    top = max(instance.capacity)
    return fill(instance, [max(row) / top for row in instance.demands]).tasks


def static(instance: Instance) -> Tasks:
    n = len(instance.users)
    part = tuple(c / n for c in instance.capacity)
    return [instance.capped(i, instance.runnable(i, part)) for i in range(n)]


def most_tasks(instance: Instance) -> Tasks:
    found = extend(instance, {}, {i: F(1) for i in range(len(instance.users))})
    assert found is not None
    return [row[0] for row in found[1]]


def utilitarian(instance: Instance) -> Tasks:
    found = extend(instance, {}, {i: instance.per_task(i) for i in range(len(instance.users))})
    assert found is not None
    return [row[0] for row in found[1]]


def ceei(instance: Instance) -> Tasks:
    """Nash: the prices p that minimise sum p r - sum log(p d), one price after the other by bisection; floats."""
    capacity = [float(c) for c in instance.capacity]
    demands = [[float(d) for d in row] for row in instance.demands]
    prices = [len(demands) / (len(capacity) * c) for c in capacity]

    def spare(j: int, price: float) -> float:
        p = [*prices[:j], price, *prices[j + 1 :]]
        return capacity[j] - sum(
            d[j] / sum(a * b for a, b in zip(p, d, strict=True)) for d in demands if d[j]
        )

    for _ in range(400):
        before = list(prices)
        for j in range(len(prices)):
            low, high = 1e-14, len(demands) / capacity[j] + 1e-12
            if spare(j, low) >= 0:
                prices[j] = low
                continue
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if spare(j, middle) < 0 else (low, middle)
            prices[j] = high
        if max(abs(a - b) for a, b in zip(before, prices, strict=True)) < 1e-15:
            break
    x = [1 / sum(p * d for p, d in zip(prices, row, strict=True)) for row in demands]
    used = [sum(n * row[j] for n, row in zip(x, demands, strict=True)) for j in range(len(prices))]
    over = max(u / c for u, c in zip(used, capacity, strict=True))
    return [n / over for n in x] if over > 1 else x


# -- rules: whole tasks, one pool


def one_by_one(
    instance: Instance,
    key: Callable[[int, int], object],
    *,
    stop: bool = False,
) -> list[int]:
    """Whole tasks one at a time, the least key(user, its tasks) first; who does not fit is skipped, or ends it."""
    tasks = [0] * len(instance.users)
    free = list(instance.capacity)
    active = set(range(len(tasks)))
    while active:
        i = min(active, key=lambda i: key(i, tasks[i]))
        if tasks[i] == instance.caps[i]:
            active.discard(i)
        elif all(d <= f for d, f in zip(instance.demands[i], free, strict=True)):
            tasks[i] += 1
            free = [f - d for f, d in zip(free, instance.demands[i], strict=True)]
        elif stop:
            break
        else:
            active.discard(i)
    return tasks


def whole_skip(instance: Instance) -> Tasks:
    return one_by_one(instance, lambda i, x: (x * instance.weighted_per_task(i), i))


def whole_stop(instance: Instance) -> Tasks:
    return one_by_one(instance, lambda i, x: (x * instance.weighted_per_task(i), i), stop=True)


def sequential_minmax(instance: Instance) -> Tasks:
    return one_by_one(instance, lambda i, x: ((x + 1) * instance.weighted_per_task(i), i))


def ties_by_hash(instance: Instance) -> Tasks:
    def key(i: int, x: int) -> object:
        return x * instance.weighted_per_task(i), zlib.crc32(instance.users[i].encode())

    return one_by_one(instance, key)


# -- rules: several machines


def drfh(instance: Instance) -> object:
    return leximin(instance)


def fits(instance: Instance, i: int, machines: Sequence[int]) -> Fraction:
    return sum((instance.runnable(i, instance.machines[k]) for k in machines), F(0))


def tsf(instance: Instance) -> object:
    everywhere = range(len(instance.machines))
    return leximin(
        instance, [1 / fits(instance, i, everywhere) for i in range(len(instance.users))]
    )


def cdrf(instance: Instance) -> object:
    return leximin(
        instance,
        [1 / fits(instance, i, sorted(m)) for i, m in enumerate(instance.eligible)],
    )


def per_server(instance: Instance) -> object:
    """DRF on each machine apart, among those who may use it."""
    rows = [[F(0)] * len(instance.machines) for _ in instance.users]
    for k, machine in enumerate(instance.machines):
        here = [i for i, m in enumerate(instance.eligible) if k in m]
        if here:
            pool = instance.only(here).replace(
                hosts=("pool",), machines=(machine,), eligible=(frozenset({0}),) * len(here)
            )
            for i, x in zip(here, fill(pool).tasks, strict=True):
                rows[i][k] = x
    return rows


# -- instances


def small(
    count: int, *, zeros: bool = False, caps: bool = False, weights: bool = False, **options: bool
) -> Iterator[Instance]:
    """Small instances, always the same, in whole numbers: 2 or 3 users, 1 to 3 resources."""
    state = 12345

    def draw(low: int, high: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return low + (state >> 33) % (high - low + 1)

    for _ in range(count):
        n, m = draw(2, 3), draw(1, 3)
        demands = [[draw(0 if zeros else 1, 4) for _ in range(m)] for _ in range(n)]
        for row in demands:
            if not any(row):
                row[draw(0, m - 1)] = 1
        yield Instance.of(
            [draw(2, 12) for _ in range(m)],
            demands,
            caps=[(None, 1, 2)[draw(0, 2)] for _ in range(n)] if caps else None,
            weights=[draw(1, 3) for _ in range(n)] if weights else None,
            **options,
        )


def machines(count: int) -> Iterator[Instance]:
    """Small instances of two machines, where users are kept from some."""
    for n, pool in enumerate(itertools.islice(small(2 * count), count)):
        other = pool.machines[0][::-1]
        allowed = [{0, 1}, {n % 2}, {0, 1}][: len(pool.users)]
        yield pool.replace(
            hosts=("m0", "m1"),
            machines=(pool.machines[0], tuple(c / 2 + 1 for c in other)),
            eligible=tuple(frozenset(a) for a in allowed),
        )


def ignoring_caps(instance: Instance) -> Tasks:
    return fill(instance.replace(caps=(None,) * len(instance.users))).tasks


def first_takes_all(instance: Instance) -> Tasks:
    return fill(instance, [F(1), *[F(0)] * (len(instance.users) - 1)]).tasks


def by_inverse_weight(instance: Instance) -> Tasks:
    return fill(
        instance, [instance.per_task(i) * w[0] for i, w in enumerate(instance.weights)]
    ).tasks


def heavier_than_one(instance: Instance) -> Tasks:
    """A weight above 1 counts as 2, whatever it is."""
    cost = [instance.per_task(i) / (1 if w[0] <= 1 else 2) for i, w in enumerate(instance.weights)]
    return fill(instance, cost).tasks


def modest(instance: Instance) -> Tasks:
    """Who asks for more than two tasks gets one."""
    caps = tuple(F(1) if cap is None or cap > 2 else cap for cap in instance.caps)
    return fill(instance.replace(caps=caps)).tasks


def half_of_everything(instance: Instance) -> Tasks:
    """One more of everything than half: an affine share of what is there."""
    machine = tuple((c + 1) / 2 for c in instance.capacity)
    return fill(instance.replace(machines=(machine,))).tasks


def collapsed(instance: Instance) -> Tasks:
    """A tree made flat: each leaf weighs what it is due."""
    return fill(
        instance,
        [instance.per_task(i) / guarantee(instance, user) for i, user in enumerate(instance.users)],
    ).tasks


def bossy(instance: Instance) -> Tasks:
    """The first user's tasks depend on what the second claims; nobody's own claim changes what it gets itself."""
    alone = fill(instance.only([0])).tasks[0]
    return [alone / (4 if instance.demands[1][0] < 2 else 2), *[0] * (len(instance.users) - 1)]


class Fickle:
    """Serves the first user better whenever it was asked an even number of times."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, instance: Instance) -> Tasks:
        self.asked += 1
        return [x if self.asked % 2 else x / 2 for x in fill(instance).tasks]


# -- every property is lost by somebody: the rule, the instance, who, what it got, what was due

POOL = Instance.of
TREE = POOL([10, 10], {"a/x": [1, 1], "b/x": [1, 0], "b/y": [0, 1]})
WHOLE = {"divisible": False}
LOST = [
    ("conservation", ignoring_caps, POOL([4], [[1], [1]], caps=[1, None]), "u0", 2, 1),
    ("sharing_incentive", asset, POOL([30, 30], [[1, 3], [1, 1]]), "u1", 12, 15),
    ("sharing_incentive", task_maxmin, POOL([3, 5], [[1, 1], [2, 2]]), "u0", 1, F(3, 2)),
    ("sharing_incentive", most_tasks, POOL([2, 2], [[2, 0], [1, 0]]), "u0", 0, F(1, 2)),
    ("sharing_incentive", whole_skip, POOL([6, 6], [[2, 1], [1, 0]], **WHOLE), "u1", 2, 3),
    ("envy_freeness", task_maxmin, POOL([3, 5], [[1, 1], [2, 2]]), "u0", 1, 2),
    ("envy_freeness", utilitarian, POOL([2, 3], [[0, 1], [2, 2]]), "u0", 1, 2),
    ("envy_freeness", whole_skip, POOL([6, 18], [[2, 2], [2, 2]], **WHOLE), "u1", 1, 2),
    ("ef1_remove", sequential_minmax, POOL([6, 12], [[1, 1], [4, 2]], **WHOLE), "u1", 0, 1),
    ("ef1_add", whole_skip, POOL([6], [[1], [2], [3]], **WHOLE), "u0", 1, 3),
    ("pareto_efficiency", static, POOL([3, 4], [[1, 3], [2, 2]]), "u0", F(2, 3), F(5, 6)),
    ("pareto_efficiency", whole_stop, POOL([12, 6], [[2, 1], [4, 1]], **WHOLE), "u0", 3, 4),
    ("maxmin_certificate", asset, POOL([30, 30], [[1, 3], [1, 1]]), "u1", 12, 30),
    ("single_resource", task_maxmin, POOL([6], [[1], [2]]), "u0", 2, 3),
    ("bottleneck_fairness", cpu_only, POOL([4, 2], [[1, 1], [1, 4]]), "u0", F(1, 5), F(4, 5)),
    ("no_justified_complaints", drf, POOL([9, 18], [[1, 4], [3, 1]]), "u0", F(1, 3), F(1, 2)),
    ("bottleneck_maxmin", drf, POOL([9, 18], [[1, 4], [3, 1]]), "u0", F(1, 3), F(2, 3)),
    ("hierarchical_share", collapsed, TREE, "b", F(1, 3), F(1, 2)),
    (
        "sharing_up_to_tasks",
        sequential_minmax,
        POOL([6, 12], [[1, 1], [4, 2]], **WHOLE),
        "u1",
        0,
        F(1, 12),
    ),
    (
        "dominant_gap",
        whole_skip,
        POOL([100, 100], [[1, 30], [5, 1]], **WHOLE),
        "u0",
        F(3, 5),
        F(13, 20),
    ),
    (
        "near_divisible",
        whole_skip,
        POOL([10, 7], [[2, 3], [4, 2], [2, 3]], **WHOLE),
        "u1",
        F(4, 5),
        F(7, 19),
    ),
    ("strategy_proofness", task_maxmin, POOL([3, 5], [[1, 1], [2, 2]]), "u0", F(3, 2), 1),
    ("strategy_proofness", utilitarian, POOL([2, 2], [[0, 2], [2, 1]]), "u0", 1, F(1, 2)),
    ("strategy_proofness", whole_skip, POOL([6, 15], [[1, 2], [2, 1]], **WHOLE), "u1", 2, 1),
    ("strategy_proofness", sequential_minmax, POOL([6, 9], [[4, 2], [2, 3]], **WHOLE), "u1", 2, 1),
    ("group_strategy_proofness", bossy, POOL([8], [[1], [1]]), "u0", 4, 2),
    ("population_monotonicity", drf, POOL([4, 6], [[0, 1], [1, 0], [3, 3]]), "u0", F(18, 5), 4),
    (
        "population_monotonicity",
        whole_skip,
        POOL([9, 9], [[2, 3], [2, 1], [1, 3]], **WHOLE),
        "u1",
        2,
        3,
    ),
    ("resource_monotonicity", drf, POOL([12, 12], [[2, 1], [1, 2]]), "u1", 3, 4),
    ("resource_monotonicity", whole_skip, POOL([12, 6], [[2, 1], [4, 1]], **WHOLE), "u0", 3, 4),
    ("cap_monotonicity", modest, POOL([8], [[1], [1]], caps=[2, 2]), "u0", 1, 2),
    ("weight_monotonicity", by_inverse_weight, POOL([6], [[1], [1]]), "u0", 2, 3),
    ("neutral_units", wrong_denominator, POOL([9, 18], [[1, 4], [3, 1]]), "u0", F(54, 13), F(9, 5)),
    ("neutral_task_size", task_maxmin, POOL([6], [[1], [1]]), "u0", F(6, 1001), F(3, 1000)),
    ("neutral_scale", half_of_everything, POOL([6], [[1]]), "u0", F(6001, 2), 3500),
    ("neutral_weights", heavier_than_one, POOL([6], [[1], [1]], weights=[1, 2]), "u0", 3, 2),
    ("neutral_copies", asset, POOL([30, 30], [[1, 3], [1, 1]]), "u0", F(45, 7), 6),
    ("neutral_order", cpu_only, POOL([4, 2], [[1, 1], [1, 4]]), "u0", 1, F(2, 5)),
    ("neutral_dummy", static, POOL([6], [[1], [1]]), "u0", 2, 3),
    ("anonymity", first_takes_all, POOL([6], [[1], [1]]), "u0", 0, 6),
    ("tie_rule", ties_by_hash, POOL([3], [[2], [2]], **WHOLE), "u0", 0, 1),
    ("determinism", Fickle(), POOL([6], [[1], [1]]), "u0", F(3, 2), 3),
]


@pytest.mark.parametrize(
    ("name", "rule", "instance", "who", "got", "due"),
    LOST,
    ids=lambda v: getattr(v, "__name__", None),
)
def test_a_rule_that_lacks_the_property_is_convicted(
    name: str,
    rule: Callable[[Instance], object],
    instance: Instance,
    who: str,
    got: object,
    due: object,
) -> None:
    if isinstance(rule, Fickle):
        rule = Fickle()  # its answers depend on how often it was asked
    verdict = judge(name, rule, instance)
    assert verdict.fails
    assert verdict.witness is not None
    assert (verdict.witness.who, verdict.witness.got, verdict.witness.due) == (who, got, due)
    assert str(verdict).startswith(f"{name} fails: {verdict.witness.text}\n  given:\n")
    assert len(verdict.witness.instance.users) <= 3


@pytest.mark.parametrize(
    ("name", "rule", "instance"),
    [row[:3] for row in LOST if not isinstance(row[1], Fickle)],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_a_witness_can_be_replayed(
    name: str, rule: Callable[[Instance], object], instance: Instance
) -> None:
    verdict = judge(name, rule, instance)
    assert replay(verdict, rule) == verdict
    # and acquits a rule that gives nobody anything, unless what is due is due to all
    again = replay(verdict, lambda instance: [0] * len(instance.users))
    assert again.name == name


def test_every_property_of_a_division_or_rule_is_lost_by_somebody() -> None:
    assert {row[0] for row in LOST} == {p.name for p in PROPERTIES.values() if p.kind != "live"}


# -- and kept by rules that have it: what the literature says of each, on small instances

KEPT = {
    drf: (
        "conservation sharing_incentive envy_freeness pareto_efficiency maxmin_certificate single_resource "
        "bottleneck_fairness strategy_proofness group_strategy_proofness cap_monotonicity weight_monotonicity "
        "neutral_units neutral_task_size neutral_scale neutral_weights neutral_copies neutral_order neutral_dummy "
        "anonymity tie_rule determinism"
    ),
    asset: "conservation envy_freeness pareto_efficiency strategy_proofness single_resource neutral_units anonymity",
    static: "conservation sharing_incentive envy_freeness strategy_proofness resource_monotonicity cap_monotonicity",
    whole_skip: (
        "conservation ef1_remove pareto_efficiency sharing_up_to_tasks single_resource bottleneck_fairness "
        "weight_monotonicity neutral_units neutral_weights neutral_copies neutral_order neutral_dummy tie_rule"
    ),
    whole_stop: "conservation ef1_remove sharing_up_to_tasks dominant_gap near_divisible tie_rule",
    sequential_minmax: "conservation sharing_incentive ef1_add pareto_efficiency tie_rule",
}
WHOLE_RULES = (whole_skip, whole_stop, sequential_minmax)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("rule", KEPT, ids=lambda rule: rule.__name__)
def test_a_rule_that_has_the_property_is_not_convicted(
    rule: Callable[[Instance], Tasks], zeros: bool
) -> None:
    whole = rule in WHOLE_RULES
    instances = list(small(40 if whole else 25, zeros=zeros, caps=True, divisible=not whole))
    for name in KEPT[rule].split():
        if name == "group_strategy_proofness" and zeros:
            continue  # see below
        verdict = convict(name, rule, instances)
        assert verdict.holds, str(verdict)


def test_weighted_drf_keeps_what_drf_keeps() -> None:
    instances = list(small(25, weights=True))
    for name in KEPT[drf].split():
        if name != "cap_monotonicity":
            verdict = convict(name, drf, instances)
            assert verdict.holds, str(verdict)


def test_population_monotonicity_of_drf_needs_demands_above_zero() -> None:
    assert convict("population_monotonicity", drf, small(150, caps=True)).holds
    assert convict("population_monotonicity", drf, small(150, zeros=True)).fails


def test_a_sated_user_helps_another_where_some_demands_are_zero() -> None:
    # Truth: mem is used up at u0 16/9, u1 2/3, u2 2 (its cap): 16/3 + 2/3 + 2 = 8. u2 claims cpus it does not need,
    # has its 2 tasks all the same, and u1 is stopped by cpus at 1/2 (3/2 + 3/2 = 3): u0 gets the mem that u1 does not.
    pool = POOL([3, 8], [[0, 3], [3, 1], [0, 1]], caps=[None, 1, 2])
    verdict = judge("group_strategy_proofness", drf, pool)
    assert verdict.witness is not None
    assert (verdict.witness.due, verdict.witness.got) == (F(16, 9), F(11, 6))
    assert convict("group_strategy_proofness", drf, small(60, zeros=True)).holds


@pytest.mark.parametrize(
    ("name", "rule", "options"),
    [
        ("sharing_incentive", asset, {}),
        ("bottleneck_fairness", asset, {}),
        ("neutral_copies", asset, {}),
        ("no_justified_complaints", drf, {}),
        ("resource_monotonicity", drf, {}),
        ("strategy_proofness", task_maxmin, {}),
        ("envy_freeness", most_tasks, {}),
        ("sharing_incentive", wrong_denominator, {}),
        ("neutral_units", wrong_denominator, {}),
        ("tie_rule", ties_by_hash, WHOLE),
        ("pareto_efficiency", whole_stop, WHOLE),
        ("strategy_proofness", whole_skip, WHOLE),
        ("resource_monotonicity", whole_skip, WHOLE),
        ("ef1_add", whole_skip, WHOLE),
        ("ef1_remove", sequential_minmax, WHOLE),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_the_search_convicts_with_a_small_witness(
    name: str, rule: Callable[[Instance], Tasks], options: dict[str, bool]
) -> None:
    verdict = convict(name, rule, small(200, **options))
    assert verdict.witness is not None
    assert len(verdict.witness.instance.users) <= 3
    # nothing can be left out of it any more
    instance = verdict.witness.instance
    people = range(len(instance.users))
    for gone in people if len(people) > 1 else ():
        fewer = instance.only([i for i in people if i != gone])
        assert not judge(name, rule, fewer).fails


# -- Nash, in floats


def test_nash_rewards_a_lie_and_is_not_monotone() -> None:
    # truth: prices that sell both resources; 100/31 tasks, and 25/6 by claiming 8 of the second in place of 1
    pool = POOL([100, 100], [[16, 1], [1, 2]])
    lie = [lie for lie in lies(pool, 0, ["scale"]) if lie.instance.demands[0] == (16, 8)]
    verdict = strategy_proofness(ceei, pool, changes=lie)
    assert verdict.witness is not None
    assert float(verdict.witness.due) == pytest.approx(100 / 31)
    assert float(verdict.witness.got) == pytest.approx(25 / 6)
    verdict = judge("population_monotonicity", ceei, POOL([100, 100], [[4, 1], [1, 16], [16, 1]]))
    assert verdict.witness is not None
    assert verdict.witness.who == "u1"
    assert float(verdict.witness.due) == pytest.approx(5.351373)
    assert float(verdict.witness.got) == pytest.approx(100 / 21)
    assert judge("resource_monotonicity", ceei, POOL([3, 5], [[2, 2], [1, 4]])).fails


def test_what_nash_keeps_is_seen_through_the_rounding() -> None:
    names = (
        "conservation sharing_incentive envy_freeness pareto_efficiency no_justified_complaints bottleneck_fairness "
        "single_resource neutral_units neutral_copies anonymity"
    )
    for name in names.split():
        verdict = convict(name, ceei, small(5))
        assert verdict.holds, str(verdict)


def test_the_last_bit_of_a_float_is_no_gain() -> None:
    def rounded(instance: Instance) -> Tasks:
        return [float(x) for x in drf(instance)]

    for name in (
        "strategy_proofness",
        "group_strategy_proofness",
        "weight_monotonicity",
        "neutral_units",
    ):
        verdict = convict(name, rounded, small(25, weights=True))
        assert verdict.holds, str(verdict)


# -- several machines


def test_rules_for_machines() -> None:
    instances = list(machines(4))
    for name, rules in {
        "conservation": (drfh, tsf, cdrf, per_server),
        "pareto_efficiency": (drfh, tsf, cdrf),
        "envy_freeness": (drfh, tsf, per_server),
        "sharing_incentive": (cdrf, per_server),
        "maxmin_certificate": (drfh,),
        "population_monotonicity": (drfh, per_server),
    }.items():
        for rule in rules:
            verdict = convict(name, rule, instances)
            assert verdict.holds, str(verdict)


@pytest.mark.parametrize(
    ("name", "rule", "instance"),
    [
        # half of each machine runs 1/8 + 1 tasks of u0; DRFH gives it 1
        ("sharing_incentive", drfh, POOL(machines=[[1, 6], [8, 5]], demands=[[4, 2], [1, 1]])),
        # each on the machine that suits it: 6 + 6 tasks apart, 10 + 10 together
        (
            "pareto_efficiency",
            per_server,
            POOL(machines=[[2, 12], [12, 2]], demands=[["1/5", 1], [1, "1/5"]]),
        ),
        (
            "envy_freeness",
            cdrf,
            POOL(machines=[[6], [6]], demands=[[4], [1], [2]], eligible=[["m0"], None, None]),
        ),
        (
            "maxmin_certificate",
            cdrf,
            POOL(machines=[[2], [1]], demands=[[1], [2]], eligible=[None, [0]]),
        ),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_rules_for_machines_that_fail(
    name: str, rule: Callable[[Instance], object], instance: Instance
) -> None:
    verdict = judge(name, rule, instance)
    assert verdict.fails, str(verdict)
    assert replay(verdict, rule) == verdict


def test_a_false_claim_of_machines_pays_under_cdrf_and_not_under_tsf() -> None:
    pool = POOL(machines=[[2], [1]], demands=[[1], [2]], eligible=[None, [0]])
    claims = [lie for i in (0, 1) for lie in lies(pool, i, ["constraints"])]
    assert [c.text for c in claims] == [
        "u0 claims that it may use m1",
        "u0 claims that it may use m0",
        "u1 claims that it may use m0, m1",
    ]
    assert strategy_proofness(tsf, pool, changes=claims).holds
    verdict = strategy_proofness(cdrf, pool, changes=claims)
    assert verdict.witness is not None
    assert verdict.witness.text == (
        "u1 runs 3/5 tasks, and 3/4 by a lie: u1 claims that it may use m0, m1"
    )


# -- lies and what they bring


def test_the_kinds_of_lies() -> None:
    pool = POOL([12, 6], [[2, 0], [1, 1]], caps=[3, None])
    said = {
        kind: [lie.text for lie in lies(pool, 0, [kind], few=True)]
        for kind in ("scale", "equalise", "add", "drop", "caps", "constraints")
    }
    assert said == {
        "scale": ["u0 claims 4 r0, 0 r1 a task"],
        "equalise": ["u0 claims 2 r0, 2 r1 a task", "u0 claims 2 r0, 1 r1 a task"],
        "add": [
            "u0 claims 2 r0, 1 r1 a task",
            "u0 claims 2 r0, 1/2 r1 a task",
            "u0 claims 2 r0, 2 r1 a task",
        ],
        "drop": [],
        "caps": [
            "u0 claims to want any number of tasks",
            "u0 claims to want at most 6 tasks",
            "u0 claims to want at most 4 tasks",
            "u0 claims to want at most 1 tasks",
            "u0 claims to want at most 2 tasks",
        ],
        "constraints": [],
    }
    assert [lie.text for lie in lies(pool, 1, ["drop"])] == [
        "u1 claims 0 r0, 1 r1 a task",
        "u1 claims 1 r0, 0 r1 a task",
    ]


def test_what_a_lie_brings_is_counted_in_true_tasks() -> None:
    pool = POOL([12, 6], [[2, 1], [1, 1]], caps=[3, None])
    dropped = pool.with_user(0, demands=(F(2), F(0)))
    assert true_tasks(pool, dropped, allocation_of(dropped, [5, 1]), 0) == 0
    more = pool.with_user(0, demands=(F(4), F(4)), caps=None)
    assert true_tasks(pool, more, allocation_of(more, [F(3, 2), 0]), 0) == 3  # 6 r0: 3 tasks
    assert true_tasks(pool, more, allocation_of(more, [2, 0]), 0) == 3  # 4, and it wants 3
    far = POOL(machines=[[4], [4]], demands=[[1]], eligible=[[0]])
    told = far.with_user(0, eligible=frozenset({0, 1}))
    assert true_tasks(far, told, allocation_of(told, [[1, 3]]), 0) == 1
    whole = pool.replace(divisible=False)
    assert (
        true_tasks(whole, whole.with_user(0, demands=(F(3), F(3))), allocation_of(whole, [1, 0]), 0)
        == 1
    )


def test_one_liar_and_one_who_gains() -> None:
    pool = POOL([8], [[1], [1]])
    assert judge("strategy_proofness", bossy, pool).holds
    assert judge("group_strategy_proofness", bossy, pool).fails


# -- the register


def test_properties_by_name() -> None:
    assert find("sharing_incentive").kind == "division"
    assert find("no_starvation").kind == "live"
    assert all(p.summary.endswith(".") and "\n" not in p.summary for p in PROPERTIES.values())
    with pytest.raises(UnknownName, match="did you mean sharing_incentive"):
        judge("sharing_incentives", drf, TREE)


def test_only_what_fails_can_be_replayed() -> None:
    verdict = judge("conservation", drf, POOL([4], [[1]]))
    with pytest.raises(InvalidOption, match="conservation has no witness"):
        replay(verdict, drf)


def test_no_instance_that_fits_is_no_acquittal() -> None:
    verdict = convict("hierarchical_share", drf, small(5))
    assert str(verdict) == "hierarchical_share is not applicable: no instance was fit to judge it"
    assert str(convict("conservation", drf, small(5))) == "conservation holds (in 5 instances)"
