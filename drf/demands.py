"""The arguments of `drf.allocate`, read and checked: amounts in exact fractions, weights, limits, ties, machines.

Amounts are taken exactly (a float by its shortest decimal text), so nothing is rounded to a unit here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from drf.errors import DuplicateName, InvalidOption, InvalidQuantity, UnknownName
from drf.matrix import Drawn, Matrix, distinct, read
from drf.plugins import Weight
from drf.resources import Resources
from drf.units import check_name, exact_fraction

_LEAST_WEIGHT = Fraction(1, 10**100)
"""Beyond, shares leave the range of floats."""


class Table(NamedTuple):
    """What is divided: users by resources, and the capacity of the pool (of machines: their sum, and each)."""

    users: Sequence[Any]
    resources: list[Any]
    pool: list[Fraction]
    needs: Sequence[list[Fraction]]
    machines: list[Any]
    rooms: list[list[Fraction]]


def read_table(capacity: Any, demands: Any) -> Table:
    """Capacity and demands, from mappings or arrays; O(users x resources). Raises InvalidQuantity, InvalidOption."""
    return (from_mappings if isinstance(demands, Mapping) else from_arrays)(capacity, demands)


def from_mappings(capacity: Any, demands: Mapping[Any, Any]) -> Table:
    several = isinstance(capacity, Mapping) and any(
        isinstance(amount, (Mapping, Resources)) for amount in capacity.values()
    )
    machines = list(capacity) if several else []
    tops = [_amounts(f"capacity of machine {name!r}", capacity[name]) for name in machines]
    if not several:
        tops = [_amounts("capacity", capacity)]
    users = list(demands)
    wanted = [_amounts(f"demand of {user!r}", demands[user]) for user in users]
    resources = list(
        dict.fromkeys([*(n for top in tops for n in top), *(n for need in wanted for n in need)])
    )
    zero = Fraction(0)
    needs = [[need.get(name, zero) for name in resources] for need in wanted]
    for user, need in zip(users, needs, strict=True):
        _check_need(user, need)
    rooms = [[top.get(name, zero) for name in resources] for top in tops]
    pool = [sum(column, zero) for column in zip(*rooms, strict=True)]
    return Table(users, resources, pool, needs, machines, rooms if several else [])


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
    for name, amount in given.items():
        if isinstance(amount, Mapping):
            raise InvalidQuantity(
                f"{what}, {name}: {amount!r} is no amount; give machines as machine -> name -> amount, all of them"
            )
    return {check_name(name): exact_fraction(f"{what}, {name}", a) for name, a in given.items()}


def from_arrays(capacity: Any, demands: Any) -> Table:
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
    if pool.ndim not in (1, 2) or needs.ndim != 2 or needs.shape[1] != pool.shape[-1]:
        raise InvalidOption(
            f"capacity has shape {pool.shape} and demands {needs.shape}; "
            f"give (resources,) and (users, resources), or (machines, resources) for machines"
        )
    if pool.ndim == 1:
        units = read(pool, needs)
        if units is not None and units[0][1].any(axis=1).all():
            (tops, rows), scale = units
            total = [Fraction(q, scale) for q in tops.tolist()]
            return Table(
                range(len(rows)), list(range(len(total))), total, Matrix(rows, scale), [], []
            )
    rows = [
        [exact_fraction(f"demand of user {i}, resource {j}", q) for j, q in enumerate(row)]
        for i, row in enumerate(needs.tolist())
    ]
    for i, row in enumerate(rows):
        _check_need(i, row)
    columns = list(range(pool.shape[-1]))
    tops = [
        [exact_fraction(f"capacity of resource {j}", q) for j, q in enumerate(row)]
        for row in (pool.tolist() if pool.ndim == 2 else [pool.tolist()])
    ]
    total = [sum((row[j] for row in tops), Fraction(0)) for j in columns]
    machines = list(range(len(tops))) if pool.ndim == 2 else []
    return Table(list(range(len(rows))), columns, total, rows, machines, tops if machines else [])


def read_eligible(users: Sequence[Any], machines: list[Any], given: Any) -> Sequence[list[int]]:
    """The machines that each user may use, as positions; from names by user (missing: all), or an array of truths.

    Raises UnknownName, InvalidOption.
    """
    every = list(range(len(machines)))
    if given is None:
        return [list(every) for _ in users] if machines else []
    if not machines:
        raise InvalidOption("eligible= names machines, and capacity is one pool; give machines")
    if not isinstance(given, Mapping):
        rows = given.tolist() if hasattr(given, "tolist") else [list(row) for row in given]
        if len(rows) != len(users) or any(len(row) != len(machines) for row in rows):
            raise InvalidOption(
                f"eligible= has no entry for each of {len(users)} users and {len(machines)} machines; "
                f"give (users, machines) truths, or machines by user"
            )
        return [[k for k in every if row[k]] for row in rows]
    place = {name: k for k, name in enumerate(machines)}
    out = []
    for user, names in zip(users, _by_user("eligible", users, given, machines), strict=True):
        if isinstance(names, str):
            raise InvalidOption(f"eligible of {user!r} is {names!r}; give a list of machines")
        for name in names:
            if name not in place:
                raise UnknownName(f"machine in eligible of {user!r}", name, map(str, machines))
        out.append(sorted({place[name] for name in names}))
    return out


def _check_need(user: Any, need: Sequence[Fraction]) -> None:
    if not any(need):
        raise InvalidQuantity(
            f"demand of {user!r} is nothing; a task needs at least one amount above 0"
        )


def _by_user(what: str, users: Sequence[Any], given: Any, default: Any) -> list[Any]:
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


def read_weights(
    users: Sequence[Any], resources: list[Any], given: Any, nodes: Sequence[Any] = ()
) -> tuple[Sequence[Weight], dict[Any, Weight]]:
    """The weight of each user, and of each of the inner nodes that has one. Raises UnknownName, InvalidOption."""
    inner: dict[Any, Any] = {}
    if isinstance(given, Mapping) and nodes:
        inner = {node: given[node] for node in nodes if node in given}
        given = {user: weight for user, weight in given.items() if user not in inner}
    if isinstance(users, range) and (given is None or getattr(given, "ndim", 0) == 1):
        return _drawn_weights(users, given), {}
    mine = _by_user("weights", users, given, 1)
    return (
        [_weight(user, weight, resources) for user, weight in zip(users, mine, strict=True)],
        {node: _weight(node, weight, resources) for node, weight in inner.items()},
    )


def _drawn_weights(users: range, given: Any) -> Drawn:
    """The weights of rows as the few different ones that there are."""
    import numpy as np  # noqa: PLC0415 (users are rows of an array)

    if given is None:
        return Drawn([Fraction(1)], np.zeros(len(users), dtype=np.int64))
    _by_user("weights", users, given, 1)
    if given.dtype.kind in "iu" and len(given) and given.min() >= 0:
        first, index = distinct(given)
    else:
        _, first, index = np.unique(given, return_index=True, return_inverse=True)
    return Drawn([_positive(row, given[row].item()) for row in first.tolist()], index)


def _weight(user: Any, weight: Any, resources: list[Any]) -> Weight:
    if isinstance(weight, Mapping):
        for name in weight:
            if name not in resources:
                raise UnknownName(f"resource in weights of {user!r}", name, map(str, resources))
        return tuple(_positive(user, weight.get(name, 1)) for name in resources)
    if isinstance(weight, (list, tuple)):
        if len(weight) != len(resources):
            raise InvalidOption(
                f"weights of {user!r} has {len(weight)} entries for {len(resources)} resources; give one a resource"
            )
        return tuple(_positive(user, w) for w in weight)
    return _positive(user, weight)


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


def read_caps(
    users: Sequence[Any], given: Any, divisible: bool = False
) -> list[int | Fraction | None]:
    """The most tasks of each user, None for no end; divisible ones in parts. Raises InvalidOption, UnknownName."""
    caps = _by_user("max_tasks", users, given, None)
    if given is None:
        return caps
    return [_cap(user, cap, divisible) for user, cap in zip(users, caps, strict=True)]


def _cap(user: Any, cap: Any, divisible: bool) -> int | Fraction | None:
    if cap is None or (isinstance(cap, int) and not isinstance(cap, bool) and cap >= 0):
        return cap
    if not divisible:
        raise InvalidOption(
            f"max_tasks of {user!r} is {cap!r}; it is a whole number, 0 or more, or None"
        )
    try:
        number = exact_fraction(f"max_tasks of {user!r}", cap)
    except InvalidQuantity as error:
        raise InvalidOption(str(error)) from None
    return int(number) if number.denominator == 1 else number


def read_ranks(users: Sequence[Any], tie_break: Sequence[Any] | None) -> Sequence[int]:
    """The place of each user in ties: by name, or as given. Raises InvalidOption, UnknownName, DuplicateName."""
    if tie_break is None and isinstance(users, range):
        return users
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
