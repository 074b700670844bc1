"""One-shot division of given demands: `allocate`.

Amounts are taken exactly (a float by its shortest decimal text), so nothing is rounded to a unit here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from drf.errors import (
    DuplicateName,
    Infeasible,
    InvalidOption,
    InvalidQuantity,
    NotSupported,
    UnknownName,
)
from drf.plugins import Answer, Policy, Problem, Weight, make_policy
from drf.resources import Resources
from drf.units import check_name, exact_fraction


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
    ``unplaceable`` names the users whose task fits nowhere; they get 0. Where arrays came in, rows and columns take
    the place of names and these are arrays.
    """

    policy: str
    tasks: Any
    resources: Any
    shares: Any
    dominant: Any
    utilization: Any
    unplaceable: tuple[Any, ...] = ()
    steps: tuple[Step, ...] = ()
    placement: Mapping[str, Mapping[str, Any]] | None = None

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
    max_tasks: Mapping[Any, int | None] | Sequence[int | None] | None = None,
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
    """Divide a pool among users: how many tasks of its own kind does each get?

    >>> a = allocate({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}})
    >>> a.tasks
    {'A': 3, 'B': 2}
    >>> print(a)
    user  tasks  cpus    mem   share  dominant
    A         3     3     12  0.6667  mem
    B         2     6      2  0.6667  cpus
    used         100.0%  77.8%

    ``capacity`` is name -> amount, or an array (resources,); ``demands`` is user -> name -> amount per task, or
    an array (users, resources); arrays in, arrays out. ``weights`` is one number above 0 a user, or one a user and
    resource (missing: 1); ``max_tasks`` the most tasks of a user (None: no end). Whole tasks are given one at a time to
    the user with the lowest share (Ghodsi et al., NSDI 2011, Algorithm 1); ties go to fewer tasks, then to the name
    (arrays: row), or by ``tie_break``, a list of users, alone. A user whose task does not fit any more is passed over
    (``on_blocked="skip"``) or ends it (``"stop"``). With ``divisible=True`` the shares are filled to the exact
    fractions, given as floats or, with ``exact=True``, as `Fraction`. ``steps=True`` records each task given.

    O(tasks (log users + resources)) for whole, O(users^2 resources) for divisible tasks. Raises InvalidQuantity,
    InvalidOption, UnknownName, NotSupported for what is not built, and with ``strict=True`` Infeasible where a user's
    task fits nowhere; without it the user gets 0 and is named in ``unplaceable``.
    """
    if eligible is not None or like is not None:
        raise NotSupported(
            f"{'eligible' if eligible is not None else 'like'}= is not built yet; leave it out"
        )
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
    rule = make_policy(policy)
    if "divide" not in rule.modes:
        raise NotSupported(
            f"policy {rule.name} does not divide a pool; its modes are {sorted(rule.modes)}"
        )
    arrays = not isinstance(demands, Mapping)
    table = _from_arrays(capacity, demands) if arrays else _from_mappings(capacity, demands)
    users, resources, pool, needs = table
    weight = _weights(users, resources, weights)
    caps = _caps(users, max_tasks)
    ranks = _ranks(users, tie_break)
    placeable = [
        i
        for i, need in enumerate(needs)
        if all(
            (q <= pool[j] if not divisible else pool[j] > 0) for j, q in enumerate(need) if q > 0
        )
    ]
    placed = set(placeable)
    out_of_place = tuple(user for i, user in enumerate(users) if i not in placed)
    if strict and out_of_place:
        raise Infeasible(
            f"a task of {', '.join(map(repr, out_of_place))} fits nowhere, even on an empty cluster; "
            f"lower its demand or raise the capacity"
        )
    answer = rule.divide(
        Problem(
            users=[str(users[i]) for i in placeable],
            resources=[str(name) for name in resources],
            capacity=pool,
            demands=[needs[i] for i in placeable],
            weights=[weight[i] for i in placeable],
            caps=[caps[i] for i in placeable],
            ranks=[ranks[i] for i in placeable],
            by_grants=tie_break is None,
            whole=not divisible,
            on_blocked=on_blocked,
            steps=steps,
        )
    )
    tasks: list[int | Fraction] = [Fraction(0) if divisible else 0] * len(users)
    for i, count in zip(placeable, answer.tasks, strict=True):
        tasks[i] = count
    return _division(rule, table, weight, tasks, out_of_place, placeable, answer, arrays, exact)


_LEAST_WEIGHT = Fraction(1, 10**100)
"""Beyond, shares leave the range of floats."""

_Table = tuple[list[Any], list[Any], list[Fraction], list[list[Fraction]]]


def _from_mappings(capacity: Any, demands: Mapping[Any, Any]) -> _Table:
    pool = _amounts("capacity", capacity)
    users = list(demands)
    wanted = [_amounts(f"demand of {user!r}", demands[user]) for user in users]
    resources = list(dict.fromkeys([*pool, *(name for need in wanted for name in need)]))
    zero = Fraction(0)
    needs = [[need.get(name, zero) for name in resources] for need in wanted]
    for user, need in zip(users, needs, strict=True):
        _check_need(user, need)
    return users, resources, [pool.get(name, zero) for name in resources], needs


def _amounts(what: str, given: Any) -> dict[str, Fraction]:
    if isinstance(given, (str, Resources)):
        parsed = Resources(given)
        if len(parsed) != len(parsed.units):
            raise InvalidQuantity(
                f"{what}: {given} holds ranges or sets; only amounts can be divided"
            )
        return {n: Fraction(q, parsed.space.scale(n)) for n, q in parsed.units.items()}
    if not isinstance(given, Mapping):
        raise InvalidQuantity(
            f"{what} is {given!r}; give a mapping of names to amounts, or arrays for both"
        )
    if any(isinstance(amount, Mapping) for amount in given.values()):
        raise NotSupported(
            f"{what} names machines; dividing several machines is not built yet, give one pool"
        )
    return {check_name(name): exact_fraction(f"{what}, {name}", a) for name, a in given.items()}


def _from_arrays(capacity: Any, demands: Any) -> _Table:
    import numpy as np  # noqa: PLC0415 (numpy is imported when the first array comes in)

    if isinstance(capacity, Mapping):
        raise InvalidOption(
            "capacity is a mapping and demands an array; give both as mappings or both as arrays"
        )
    # Lists keep their own numbers: an array of floats would round large ones.
    pool, needs = (
        np.asarray(given, dtype=None if hasattr(given, "dtype") else object)
        for given in (capacity, demands)
    )
    if pool.ndim == 2:
        raise NotSupported(
            f"capacity has shape {pool.shape}; dividing several machines is not built yet, give one pool"
        )
    if pool.ndim != 1 or needs.ndim != 2 or needs.shape[1] != pool.shape[0]:
        raise InvalidOption(
            f"capacity has shape {pool.shape} and demands {needs.shape}; give (resources,) and (users, resources)"
        )
    rows = [
        [exact_fraction(f"demand of user {i}, resource {j}", q) for j, q in enumerate(row)]
        for i, row in enumerate(needs.tolist())
    ]
    for i, row in enumerate(rows):
        _check_need(i, row)
    top = [exact_fraction(f"capacity of resource {j}", q) for j, q in enumerate(pool.tolist())]
    return list(range(len(rows))), list(range(len(top))), top, rows


def _check_need(user: Any, need: Sequence[Fraction]) -> None:
    if not any(need):
        raise InvalidQuantity(
            f"demand of {user!r} is nothing; a task needs at least one amount above 0"
        )


def _by_user(what: str, users: list[Any], given: Any, default: Any) -> list[Any]:
    if given is None:
        return [default] * len(users)
    if isinstance(given, Mapping):
        known = set(users)
        for user in given:
            if user not in known:
                raise UnknownName(f"user in {what}", user, map(str, users))
        return [given.get(user, default) for user in users]
    values = given.tolist() if hasattr(given, "tolist") else list(given)
    if len(values) != len(users):
        raise InvalidOption(
            f"{what} has {len(values)} entries for {len(users)} users; give one a user"
        )
    return values


def _weights(users: list[Any], resources: list[Any], given: Any) -> list[Weight]:
    out: list[Weight] = []
    for user, weight in zip(users, _by_user("weights", users, given, 1), strict=True):
        if isinstance(weight, Mapping):
            for name in weight:
                if name not in resources:
                    raise UnknownName(f"resource in weights of {user!r}", name, map(str, resources))
            out.append(tuple(_positive(user, weight.get(name, 1)) for name in resources))
        elif isinstance(weight, (list, tuple)):
            if len(weight) != len(resources):
                raise InvalidOption(
                    f"weights of {user!r} has {len(weight)} entries for {len(resources)} resources; give one a resource"
                )
            out.append(tuple(_positive(user, w) for w in weight))
        else:
            out.append(_positive(user, weight))
    return out


def _positive(user: Any, weight: Any) -> Fraction:
    try:
        value = exact_fraction(f"weight of {user!r}", weight)
    except InvalidQuantity as error:
        raise InvalidOption(
            str(error).replace("amounts are finite and at least 0", "weights are above 0")
        ) from None
    if not _LEAST_WEIGHT <= value <= 1 / _LEAST_WEIGHT:
        raise InvalidOption(
            f"weight of {user!r} is {weight}; it must be above 0, from 1e-100 to 1e100"
        )
    return value


def _caps(users: list[Any], given: Any) -> list[int | None]:
    caps = _by_user("max_tasks", users, given, None)
    for user, cap in zip(users, caps, strict=True):
        if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 0):
            raise InvalidOption(
                f"max_tasks of {user!r} is {cap!r}; it is a whole number, 0 or more, or None"
            )
    return caps


def _ranks(users: list[Any], tie_break: Sequence[Any] | None) -> list[int]:
    if tie_break is None:
        try:
            order = sorted(range(len(users)), key=lambda i: users[i])
        except TypeError:
            raise InvalidOption(
                "the users' names have no order, which breaks ties; say it with tie_break="
            ) from None
    else:
        index = {user: i for i, user in enumerate(users)}
        for user in tie_break:
            if user not in index:
                raise UnknownName("user in tie_break", user, map(str, users))
        if len(set(tie_break)) != len(tie_break) or len(tie_break) != len(users):
            raise DuplicateName(
                f"tie_break names {len(tie_break)} users; name each of the {len(users)} once"
            )
        order = [index[user] for user in tie_break]
    ranks = [0] * len(users)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def _division(
    rule: Policy,
    table: _Table,
    weights: list[Weight],
    tasks: list[int | Fraction],
    out_of_place: tuple[Any, ...],
    placeable: list[int],
    answer: Answer,
    arrays: bool,
    exact: bool,
) -> Division:
    users, resources, pool, needs = table
    shares = [
        _share(need, count, pool, weight)
        for need, count, weight in zip(needs, tasks, weights, strict=True)
    ]
    amounts = [[count * q for q in need] for need, count in zip(needs, tasks, strict=True)]
    used = [
        sum((row[j] for row in amounts), Fraction(0)) / top if top else Fraction(0)
        for j, top in enumerate(pool)
    ]
    dominant = [_dominant(row, pool, weight) for row, weight in zip(amounts, weights, strict=True)]

    def out(value: int | Fraction) -> Any:
        if exact or isinstance(value, int):
            return value
        try:
            return float(value)
        except OverflowError:
            raise InvalidQuantity(
                "the answer holds a number above the range of floats; give amounts in a coarser unit"
            ) from None

    def amount(value: int | Fraction) -> Any:
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
    )


def _parts(need: Sequence[Any], pool: list[Fraction], weight: Weight) -> Iterator[Fraction]:
    for j, (q, top) in enumerate(zip(need, pool, strict=True)):
        yield (
            q / (top * (weight[j] if isinstance(weight, tuple) else weight)) if top else Fraction(0)
        )


def _share(
    need: list[Fraction], count: int | Fraction, pool: list[Fraction], weight: Weight
) -> Fraction:
    return count * max(_parts(need, pool, weight), default=Fraction(0))


def _dominant(row: Sequence[Any], pool: list[Fraction], weight: Weight) -> int | None:
    parts = list(_parts(row, pool, weight))
    best = max(parts, default=Fraction(0))
    return parts.index(best) if best > 0 else None


def _replay(
    users: list[Any],
    needs: list[list[Fraction]],
    pool: list[Fraction],
    weights: list[Weight],
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
