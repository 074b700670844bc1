"""One-shot division of given demands: `allocate`.

`demands` reads the arguments, the policy divides, and what it gave becomes a `Division` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from numbers import Real
from typing import Any, TypeVar

from drf.demands import (
    Table,
    read_caps,
    read_eligible,
    read_ranks,
    read_table,
    read_weights,
)
from drf.errors import (
    DRFError,
    Infeasible,
    InvalidOption,
    InvalidQuantity,
    NotSupported,
    PluginError,
    UnknownName,
)
from drf.matrix import Drawn, Labels, Made, Matrix, distinct, largest_parts, sums
from drf.plugins import POLICIES, Answer, Policy, Problem, Weight, make_policy
from drf.solvers.filling import total

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One task given: to whom, and everybody's share (divided by weight) after it."""

    user: Any
    shares: Mapping[Any, float]


@dataclass(frozen=True)
class Division:
    """Who got what. Prints as a table.

    ``tasks`` and ``shares`` (dominant share / weight) by user, ``resources`` by user and resource, ``dominant`` the
    resource of each user's largest share (the first of equals; None for nothing), ``utilization`` by resource.
    ``unplaceable`` names the users whose task fits nowhere; they get 0. ``placement`` (of machines) has the tasks by
    user and machine, where there are any. Where arrays came in, rows and columns take the place of names and these
    are arrays, made when they are first read.
    """

    policy: str
    tasks: Any
    resources: Any
    shares: Any
    dominant: Any
    utilization: Any
    unplaceable: tuple[Any, ...] = ()
    steps: tuple[Step, ...] = ()
    placement: Any = None

    @classmethod
    def _of(cls, later: Mapping[str, Callable[[], Any]], **now: Any) -> Division:
        """One that makes the fields in ``later`` when they are first read."""
        made = cls.__new__(cls)
        made.__dict__.update(now, _later=later)
        return made

    def __getattr__(self, name: str) -> Any:
        later = self.__dict__.get("_later", {})
        if name not in later:
            raise AttributeError(f"a Division has no {name!r}")
        value = self.__dict__[name] = later[name]()
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The table as text, its header first: user, tasks, each resource, share, dominant resource."""
        names = [str(n) for n in _keys(self.utilization)]
        yield ("user", "tasks", *names, "share", "dominant")
        for user in _keys(self.tasks):
            amounts = [_shown(self.resources[user][j]) for j in _keys(self.utilization)]
            dominant = self.dominant[user]
            nothing = dominant is None or (not isinstance(dominant, str) and dominant < 0)
            yield (
                str(user),
                _shown(self.tasks[user]),
                *amounts,
                f"{float(self.shares[user]):.4f}",
                "-" if nothing else str(dominant),
            )
        used = [f"{float(self.utilization[j]):.1%}" for j in _keys(self.utilization)]
        yield ("used", "", *used, "", "")

    def __str__(self) -> str:
        rows = list(self.rows())
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i in (0, len(row) - 1) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        if self.unplaceable:
            lines.append(f"unplaceable: {', '.join(map(str, self.unplaceable))}")
        return "\n".join(lines)


def _keys(values: Any) -> Any:
    return values if isinstance(values, Mapping) else range(len(values))


def _shown(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}"
    return str(int(value))


def allocate(
    capacity: Any,
    demands: Any,
    *,
    weights: Mapping[Any, Any] | Sequence[Any] | None = None,
    max_tasks: Mapping[Any, Any] | Sequence[Any] | None = None,
    eligible: Any = None,
    policy: str | Policy = "drf",
    divisible: bool = False,
    on_blocked: str = "skip",
    tie_break: Sequence[Any] | None = None,
    like: str | None = None,
    strict: bool = False,
    steps: bool = False,
    exact: bool = False,
    seed: int = 0,
) -> Division:
    """Divide a pool, or machines, among users: how many tasks of its own kind does each get?

    >>> a = allocate({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})
    >>> a.tasks
    {'A': 3, 'B': 2}
    >>> print(a)
    user  tasks  cpus    mem   share  dominant
    A         3     3     12  0.6667  mem
    B         2     6      2  0.6667  cpus
    used         100.0%  77.8%

    ``capacity`` is name -> amount, machine -> name -> amount, or an array (resources,) or (machines, resources);
    ``demands`` is user -> name -> amount per task, or an array (users, resources); arrays in, arrays out.
    ``eligible`` is user -> machines that it may use (missing: all), or an array of truths (users, machines).
    ``policy`` is a name or an object, and ``like`` names a system whose rules decide in its place (see
    docs/policies.md). ``weights`` is one number above 0 a user, or one a user and resource (missing: 1); where a
    policy has a tree of users, also of its inner nodes. ``max_tasks`` is the most tasks of a user (None: no
    end; of divisible tasks also a fraction).
    Whole tasks are given as if one at a time to the user with the lowest share (Ghodsi et al., NSDI 2011, Algorithm
    1); ties go to fewer tasks, then to the name (arrays: row), or by ``tie_break``, a list of users, alone. A user
    whose task does not fit any more is passed over (``on_blocked="skip"``) or ends it (``"stop"``). With
    ``divisible=True`` the shares are filled to the exact fractions, given as floats or, with ``exact=True``, as
    `Fraction`. ``steps=True`` records each task given. ``seed`` feeds what draws.

    With DRF O(rounds x users x (resources + log users)) for whole tasks, whatever their number; for divisible ones
    O(users x resources) and up to a round a resource over the kinds of users that rise alike, whose numbers are as long
    as the least common multiple of what their tasks take: quick where amounts are whole numbers up to thousands, slow
    where they are floats of 17 digits. 100 000 users as rows of an array are divided in tens of milliseconds; as
    mappings of names, reading them alone takes a second. Over machines O(tasks (log users + machines)) for whole
    tasks, and up to one linear program a user for
    divisible ones, in fractions with ``exact=True``, else by the extra ``lp``. Raises InvalidQuantity, InvalidOption,
    UnknownName, NotSupported where the policy cannot do what is asked, MissingExtra, and with ``strict=True``
    Infeasible where a user's task fits nowhere; without it the user gets 0 and is named in ``unplaceable``.
    """
    if on_blocked not in ("skip", "stop"):
        raise InvalidOption(f"on_blocked is {on_blocked!r}; it is 'skip' or 'stop'")
    if divisible and (steps or tie_break is not None or on_blocked == "stop"):
        raise NotSupported(
            "steps, tie_break and on_blocked='stop' are for whole tasks; divisible tasks have no order"
        )
    if exact and not divisible:
        raise NotSupported(
            "exact=True is for divisible=True; whole tasks are whole numbers already"
        )
    rule = make_policy(policy if like is None else _preset(like, policy))
    if "divide" not in rule.modes:
        raise NotSupported(
            f"policy {rule.name} does not divide a pool; its modes are {sorted(rule.modes)}"
        )
    arrays = not isinstance(demands, Mapping)
    table = read_table(capacity, demands)
    users, resources, pool, needs, machines, rooms = table
    if machines and "machines" not in rule.modes:
        raise NotSupported(
            f"policy {rule.name} does not divide several machines; its modes are {sorted(rule.modes)}"
        )
    nodes = _inner(users) if "tree" in rule.modes else []
    weight, inner = read_weights(users, resources, weights, nodes)
    caps = read_caps(users, max_tasks, divisible)
    ranks = read_ranks(users, tie_break)
    allowed = read_eligible(users, machines, eligible)

    def fits(need: Sequence[Fraction], room: Sequence[Fraction]) -> bool:
        return all(
            (room[j] > 0 if divisible else q <= room[j]) for j, q in enumerate(need) if q > 0
        )

    placeable: Sequence[int]
    if isinstance(needs, Matrix):
        placeable, out_of_place = _placeable(needs, pool, divisible)
    else:
        placeable = [
            i
            for i, need in enumerate(needs)
            if (any(fits(need, rooms[k]) for k in allowed[i]) if machines else fits(need, pool))
        ]
        placed = set(placeable)
        out_of_place = tuple(user for i, user in enumerate(users) if i not in placed)
    if strict and out_of_place:
        raise Infeasible(
            f"a task of {', '.join(map(repr, out_of_place))} fits nowhere, even on an empty cluster; "
            f"lower its demand or raise the capacity"
        )
    names: Sequence[str] = Labels(users) if isinstance(users, range) else list(map(str, users))

    def of(rows: Sequence[T]) -> Sequence[T]:
        """The rows of those whose task fits."""
        if len(placeable) == len(users):
            return rows
        return rows.take(placeable) if isinstance(rows, Made) else [rows[i] for i in placeable]

    answer = _asked(
        rule,
        Problem(
            users=of(names),
            resources=[str(name) for name in resources],
            capacity=pool,
            demands=of(needs),
            weights=of(weight),
            caps=of(caps),
            ranks=of(ranks),
            by_grants=tie_break is None,
            whole=not divisible,
            on_blocked=on_blocked,
            steps=steps,
            machines=[str(name) for name in machines],
            rooms=rooms,
            eligible=of(allowed) if machines else [],
            exact=exact,
            seed=seed,
            nodes={str(node): w for node, w in inner.items()},
        ),
    )
    if steps and not answer.picks and any(answer.tasks):
        raise NotSupported(f"policy {rule.name} gives no tasks one by one; leave out steps")
    if isinstance(needs, Matrix) and isinstance(answer.tasks, Drawn):
        return _in_columns(rule, table, weight, answer.tasks, placeable, out_of_place, exact)
    nothing = Fraction(0) if divisible else 0
    tasks: list[int | Fraction | float] = [nothing] * len(users)
    placement: list[list[int | Fraction | float]] = [[nothing] * len(machines) for _ in users]
    for row, i in enumerate(placeable):
        tasks[i] = answer.tasks[row]
        if answer.placement:
            placement[i] = [count or nothing for count in answer.placement[row]]
    return _division(
        rule, table, weight, tasks, placement, out_of_place, placeable, answer, arrays, exact
    )


def _asked(rule: Policy, problem: Problem) -> Answer:
    """What the policy answers, if it is an answer. Raises PluginError, and what it refuses."""

    def failed(what: str) -> PluginError:
        return PluginError(
            f"policy {rule.name} {what}", group=POLICIES, plugin=rule.name, verb="divide"
        )

    try:
        answer = rule.divide(problem)
    except DRFError:
        raise
    except Exception as error:
        raise failed(f"did not divide: it raised {error!r}") from error
    if not isinstance(answer, Answer):
        raise failed(f"gave {answer!r} as its division, which is no Answer")
    if len(answer.tasks) != len(problem.users):
        raise failed(
            f"gave the tasks of {len(answer.tasks)} users, and there are {len(problem.users)}"
        )
    if isinstance(answer.tasks, Drawn):
        return answer  # made by `drf.policies.filling`
    for user, count in zip(problem.users, answer.tasks, strict=True):
        if not isinstance(count, Real) or not 0 <= count < math.inf:
            raise failed(f"gave {count!r} tasks to user {user!r}")
    return answer


def _placeable(
    needs: Matrix, pool: list[Fraction], divisible: bool
) -> tuple[Sequence[int], tuple[int, ...]]:
    """The rows whose task fits the pool, and the others."""
    import numpy as np  # noqa: PLC0415 (the needs are an array of it)

    units = needs.units
    fitting = np.ones(len(units), dtype=bool)
    for j, top in enumerate(pool):
        room = 0 if divisible and top > 0 else int(top * needs.scale)
        if not (divisible and top > 0):
            fitting &= units[:, j] <= room
    if fitting.all():
        return range(len(units)), ()
    return np.flatnonzero(fitting).tolist(), tuple(np.flatnonzero(~fitting).tolist())


def _in_columns(
    rule: Policy,
    table: Table,
    weights: Sequence[Weight],
    given: Drawn,
    placeable: Sequence[int],
    out_of_place: tuple[Any, ...],
    exact: bool,
) -> Division:
    """The division of rows that got few different numbers of tasks, each array made when it is first read."""
    import numpy as np  # noqa: PLC0415 (the needs are an array of it)

    needs, pool = table.needs, table.pool
    assert isinstance(needs, Matrix)
    units, scale = needs.units, needs.scale
    columns = range(len(pool))
    capacity = [int(top * scale) for top in pool]
    kind = np.asarray(given.kind)
    counts: list[Fraction] = [*map(Fraction, given.values)]
    if out_of_place:
        counts.append(Fraction(0))
        kind = np.full(len(units), len(counts) - 1)
        kind[np.asarray(placeable, dtype=np.int64)] = given.kind

    def out(values: list[Fraction], index: Any) -> Any:
        few = np.empty(len(values), dtype=object if exact else float)
        few[:] = values if exact else [_float(v) for v in values]
        return few[index]

    def amounts() -> Any:
        made = np.empty(units.shape, dtype=object if exact else float)
        for j in columns:
            first, index = distinct(kind, units[:, j])
            of = zip(kind[first].tolist(), units[first, j].tolist(), strict=True)
            made[:, j] = out([counts[k] * q / scale for k, q in of], index)
        return made

    def shares() -> Any:
        if isinstance(weights, Drawn):
            column = largest_parts(units, capacity, columns)
            largest = units[np.arange(len(units)), column]
            first, index = distinct(kind, column + 1, largest, weights.kind)
            each = zip(
                kind[first].tolist(), column[first].tolist(), largest[first].tolist(), strict=True
            )
            values = [
                counts[k] * q / (capacity[j] * weights[i]) if j >= 0 else Fraction(0)
                for i, (k, j, q) in zip(first.tolist(), each, strict=True)
            ]
            return out(values, index)
        values = [
            Fraction(_share(need, counts[k], pool, weight))
            for need, k, weight in zip(needs, kind.tolist(), weights, strict=True)
        ]
        return out(values, np.arange(len(units)))

    def dominant() -> Any:
        if isinstance(weights, Drawn):
            column = largest_parts(units, capacity, columns)
        else:
            found = (_dominant(need, pool, w) for need, w in zip(needs, weights, strict=True))
            column = np.array([-1 if j is None else j for j in found], dtype=int)
        none = np.array([count == 0 for count in counts], dtype=bool)
        return np.where(none[kind], -1, column)

    def utilization() -> Any:
        used = []
        for j in columns:
            each = zip(counts, sums(kind, len(counts), units[:, j]), strict=True)
            bottom, (top,) = total(
                ((count.denominator, [count.numerator * q]) for count, q in each), 1
            )
            used.append(Fraction(top, bottom * capacity[j]) if capacity[j] else Fraction(0))
        return out(used, np.arange(len(used)))

    return Division._of(
        {
            "tasks": lambda: out(counts, kind),
            "resources": amounts,
            "shares": shares,
            "dominant": dominant,
            "utilization": utilization,
        },
        policy=rule.name,
        unplaceable=out_of_place,
        steps=(),
        placement=None,
    )


def _float(value: int | Fraction | float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidQuantity(
            "the answer holds a number above the range of floats; give amounts in a coarser unit"
        ) from None


PRESETS = ("armada", "kueue", "mesos", "volcano", "yarn", "yunikorn")


def _preset(like: str, policy: str | Policy) -> str:
    if like not in PRESETS:
        raise UnknownName("system in like=", like, PRESETS)
    if policy != "drf":
        raise InvalidOption(f"like={like!r} says the policy; leave out policy=, or like=")
    return like


def _inner(users: Sequence[Any]) -> list[str]:
    """The paths above users named by paths."""
    out: dict[str, None] = {}
    for user in map(str, users):
        steps = user.split("/")
        for depth in range(1, len(steps)):
            out["/".join(steps[:depth])] = None
    return [path for path in out if path not in users]


def _division(
    rule: Policy,
    table: Table,
    weights: Sequence[Weight],
    tasks: list[int | Fraction | float],
    placement: list[list[int | Fraction | float]],
    out_of_place: tuple[Any, ...],
    placeable: Sequence[int],
    answer: Answer,
    arrays: bool,
    exact: bool,
) -> Division:
    users, resources, pool, needs, machines, _ = table
    shares = [
        _share(need, count, pool, weight)
        for need, count, weight in zip(needs, tasks, weights, strict=True)
    ]
    amounts = [[count * q for q in need] for need, count in zip(needs, tasks, strict=True)]
    used = [
        sum((row[j] for row in amounts), Fraction(0)) / top if top else Fraction(0)
        for j, top in enumerate(pool)
    ]
    dominant = [
        _dominant(need, pool, weight) if count else None
        for need, count, weight in zip(needs, tasks, weights, strict=True)
    ]

    def out(value: int | Fraction | float) -> Any:
        return value if exact or isinstance(value, int) else _float(value)

    def amount(value: int | Fraction | float) -> Any:
        whole = not exact and Fraction(value).denominator == 1
        return int(value) if whole else out(value)

    steps = _replay(users, needs, pool, weights, [placeable[p] for p in answer.picks])
    if arrays:
        import numpy as np  # noqa: PLC0415 (as above)

        kind = object if exact else None
        return Division(
            rule.name,
            np.array([out(t) for t in tasks], dtype=kind),
            np.array([[out(Fraction(q)) for q in row] for row in amounts], dtype=kind).reshape(
                len(users), len(resources)
            ),
            np.array([out(s) for s in shares], dtype=kind),
            np.array([-1 if j is None else j for j in dominant], dtype=int),
            np.array([out(u) for u in used], dtype=kind),
            out_of_place,
            steps,
            np.array([[out(c) for c in row] for row in placement], dtype=kind).reshape(
                len(users), len(machines)
            )
            if machines
            else None,
        )
    return Division(
        rule.name,
        {user: out(t) for user, t in zip(users, tasks, strict=True)},
        {
            user: {name: amount(q) for name, q in zip(resources, row, strict=True)}
            for user, row in zip(users, amounts, strict=True)
        },
        {user: out(s) for user, s in zip(users, shares, strict=True)},
        {
            user: None if j is None else resources[j]
            for user, j in zip(users, dominant, strict=True)
        },
        {name: out(u) for name, u in zip(resources, used, strict=True)},
        out_of_place,
        steps,
        {
            user: {name: out(count) for name, count in zip(machines, row, strict=True) if count}
            for user, row in zip(users, placement, strict=True)
        }
        if machines
        else None,
    )


def _parts(need: Sequence[Any], pool: list[Fraction], weight: Weight) -> Iterator[Fraction]:
    for j, (q, top) in enumerate(zip(need, pool, strict=True)):
        yield (
            q / (top * (weight[j] if isinstance(weight, tuple) else weight)) if top else Fraction(0)
        )


def _share(
    need: list[Fraction], count: int | Fraction | float, pool: list[Fraction], weight: Weight
) -> Fraction | float:
    return count * max(_parts(need, pool, weight), default=Fraction(0))


def _dominant(row: Sequence[Any], pool: list[Fraction], weight: Weight) -> int | None:
    parts = list(_parts(row, pool, weight))
    best = max(parts, default=Fraction(0))
    return parts.index(best) if best > 0 else None


def _replay(
    users: Sequence[Any],
    needs: Sequence[list[Fraction]],
    pool: list[Fraction],
    weights: Sequence[Weight],
    picks: list[int],
) -> tuple[Step, ...]:
    """The recorded picks with everybody's share after each."""
    per_task = [_share(need, 1, pool, weight) for need, weight in zip(needs, weights, strict=True)]
    tasks = [0] * len(users)
    out = []
    for i in picks:
        tasks[i] += 1
        out.append(
            Step(
                users[i], {u: float(t * s) for u, t, s in zip(users, tasks, per_task, strict=True)}
            )
        )
    return tuple(out)
