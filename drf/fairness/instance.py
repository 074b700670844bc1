"""What is divided: plain data in exact fractions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

from drf.errors import InvalidOption, InvalidQuantity, UnknownName
from drf.units import check_name, exact_fraction

Vector: TypeAlias = tuple[Fraction, ...]
ZERO = Fraction(0)


@dataclass(frozen=True)
class Instance:
    """One problem of division. Make it with `Instance.of`.

    ``machines[k][j]`` is the capacity of machine k in resource j (a pool is one machine); ``demands[i][j]`` what one
    task of user i needs; ``weights[i][j]`` its weight for resource j; ``caps[i]`` the most tasks it wants (None: no
    end; of whole tasks a fraction is dropped); ``eligible[i]`` the machines it may use; ``divisible`` whether parts of
    tasks count; ``groups`` the weights of inner nodes, where names of users are paths such as ``"eng/dev"`` (missing:
    1).
    """

    users: tuple[str, ...]
    resources: tuple[str, ...]
    hosts: tuple[str, ...]
    machines: tuple[Vector, ...]
    demands: tuple[Vector, ...]
    weights: tuple[Vector, ...]
    caps: tuple[Fraction | None, ...]
    eligible: tuple[frozenset[int], ...]
    divisible: bool = True
    groups: Mapping[str, Fraction] = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(
        capacity: Any = None,
        demands: Any = (),
        *,
        machines: Any = None,
        weights: Any = None,
        caps: Any = None,
        eligible: Any = None,
        divisible: bool = True,
        groups: Mapping[str, Any] | None = None,
    ) -> Instance:
        """An instance from names and numbers, all taken exactly (a float by its shortest decimal text).

        >>> Instance.of({"cpus": 9, "mem": 18}, {"A": {"cpus": 1, "mem": 4}, "B": {"cpus": 3, "mem": 1}}).users
        ('A', 'B')
        >>> Instance.of([9, 18], [[1, 4], [3, 1]], caps=[2, None], divisible=False).users
        ('u0', 'u1')

        ``capacity`` is name -> amount or a sequence, or ``machines`` has one such for each machine (by name, or in
        order: m0, m1, ...); ``demands`` has one for each user (by name, or in order: u0, u1, ...). ``weights`` (a
        number, or one for each resource), ``caps`` and ``eligible`` (names or numbers of machines; None: all) go by
        user. O(users x resources + machines x resources). Raises InvalidQuantity for what is no amount, InvalidOption
        for what does not fit together, UnknownName and InvalidName.
        """
        if (capacity is None) == (machines is None):
            raise InvalidOption(
                "an instance has a capacity or machines; give exactly one of the two"
            )
        hosts, totals = _named({"pool": capacity} if machines is None else machines, "m")
        users, tasks = _named(demands, "u")
        if not totals or not users:
            raise InvalidOption("an instance has at least one machine and one user; give some")
        first = totals[0]
        resources = (
            tuple(first)
            if isinstance(first, Mapping)
            else tuple(f"r{j}" for j in range(len(first)))
        )
        for name in resources:
            check_name(name)
        rows = [
            _row(f"demand of {u}", d, resources, ZERO) for u, d in zip(users, tasks, strict=True)
        ]
        for user, row in zip(users, rows, strict=True):
            if not any(row):
                raise InvalidQuantity(
                    f"the demand of {user} is 0 of everything; a task needs an amount above 0 of some resource"
                )
        return Instance(
            users=users,
            resources=resources,
            hosts=hosts,
            machines=tuple(
                _row(f"capacity of {h}", c, resources, None)
                for h, c in zip(hosts, totals, strict=True)
            ),
            demands=tuple(rows),
            weights=tuple(
                _weights(u, w, resources)
                for u, w in zip(users, _by_user("weights", weights, users, 1), strict=True)
            ),
            caps=tuple(
                None if cap is None else exact_fraction(f"cap of {u}", cap)
                for u, cap in zip(users, _by_user("caps", caps, users, None), strict=True)
            ),
            eligible=tuple(
                _machines(u, allowed, hosts)
                for u, allowed in zip(
                    users, _by_user("eligible", eligible, users, None), strict=True
                )
            ),
            divisible=divisible,
            groups=MappingProxyType(
                {name: _positive(f"weight of {name}", w) for name, w in (groups or {}).items()}
            ),
        )

    @property
    def capacity(self) -> Vector:
        """The capacity of all machines together, by resource; O(machines x resources)."""
        return tuple(sum(column, ZERO) for column in zip(*self.machines, strict=True))

    @property
    def pooled(self) -> bool:
        """Whether it is one pool that everybody may use; O(users)."""
        return len(self.machines) == 1 and all(self.eligible)

    @property
    def even(self) -> bool:
        """Whether all weights are equal; O(users x resources)."""
        return len({w for row in self.weights for w in row}) == 1

    @property
    def scalar(self) -> bool:
        """Whether each user has one weight for all resources; O(users x resources)."""
        return all(len(set(row)) == 1 for row in self.weights)

    @property
    def flat(self) -> bool:
        """Whether users compete directly: no name is a path; O(users)."""
        return not any("/" in user for user in self.users)

    def replace(self, **changes: Any) -> Instance:
        """This instance with other fields; O(fields)."""
        return dataclasses.replace(self, **changes)

    def with_user(self, i: int, **changes: Any) -> Instance:
        """This instance with another ``demands``, ``weights``, ``caps`` or ``eligible`` of user i; O(users)."""
        rows = {
            name: (*getattr(self, name)[:i], value, *getattr(self, name)[i + 1 :])
            for name, value in changes.items()
        }
        return self.replace(**rows)

    def only(self, keep: Sequence[int]) -> Instance:
        """This instance with the users of these rows alone, in this order; O(users)."""
        return self.replace(
            **{
                name: tuple(getattr(self, name)[i] for i in keep)
                for name in ("users", "demands", "weights", "caps", "eligible")
            }
        )

    def columns(self, keep: Sequence[int]) -> Instance:
        """This instance with these resources alone, in this order (one twice is a copy of it); O(users x resources)."""
        names = [self.resources[j] for j in keep]
        return self.replace(
            resources=tuple(
                name if names.index(name) == n else f"{name}_copy" for n, name in enumerate(names)
            ),
            **{
                name: tuple(tuple(row[j] for j in keep) for row in getattr(self, name))
                for name in ("machines", "demands", "weights")
            },
        )

    def per_task(self, i: int) -> Fraction:
        """The dominant share of one task, max_j d_ij / r_j, of all machines together; O(machines x resources).

        0 where the task needs what does not exist, and can therefore not run.
        """
        capacity = self.capacity
        needed = [j for j, d in enumerate(self.demands[i]) if d > 0]
        if any(capacity[j] == 0 for j in needed):
            return ZERO
        return max(self.demands[i][j] / capacity[j] for j in needed)

    def weighted_per_task(self, i: int) -> Fraction:
        """The weighted dominant share of one task, max_j d_ij / (r_j w_ij); O(machines x resources)."""
        if not self.per_task(i):
            return ZERO
        capacity = self.capacity
        return max(
            d / (capacity[j] * self.weights[i][j]) for j, d in enumerate(self.demands[i]) if d > 0
        )

    def runnable(self, i: int, bundle: Vector) -> Fraction:
        """The tasks of user i that a bundle on one machine runs: min_j b_j / d_ij, or its floor; O(resources)."""
        tasks = min(b / d for b, d in zip(bundle, self.demands[i], strict=True) if d > 0)
        return tasks if self.divisible else Fraction(tasks // 1)

    def most(self, i: int) -> Fraction | None:
        """The most tasks of user i, of whole tasks whole; None without end; O(1)."""
        cap = self.caps[i]
        return cap if cap is None or self.divisible else Fraction(cap // 1)

    def capped(self, i: int, tasks: Fraction) -> Fraction:
        """The tasks of these that user i wants; O(1)."""
        cap = self.most(i)
        return tasks if cap is None else min(tasks, cap)

    def __str__(self) -> str:
        shown = [
            f"{h}: {_amounts(self.resources, c)}"
            for h, c in zip(self.hosts, self.machines, strict=True)
        ]
        for i, user in enumerate(self.users):
            line = f"{user}: {_amounts(self.resources, self.demands[i])} a task"
            if not self.even:
                weights = self.weights[i][:1] if self.scalar else self.weights[i]
                line += f", weight {' '.join(map(str, weights))}"
            if self.caps[i] is not None:
                line += f", at most {self.caps[i]}"
            if len(self.eligible[i]) < len(self.machines):
                line += (
                    f", on {' '.join(self.hosts[k] for k in sorted(self.eligible[i])) or 'none'}"
                )
            shown.append(line)
        shown += [f"{name}: weight {weight}" for name, weight in self.groups.items()]
        return "\n".join(shown)


def _named(values: Any, letter: str) -> tuple[tuple[str, ...], list[Any]]:
    if isinstance(values, Mapping):
        return tuple(map(str, values)), list(values.values())
    rows = list(values)
    return tuple(f"{letter}{n}" for n in range(len(rows))), rows


def _row(what: str, values: Any, names: Sequence[str], missing: Fraction | None) -> Vector:
    if isinstance(values, Mapping):
        for name in values:
            if name not in names:
                raise UnknownName(f"resource in the {what}", name, names)
        if missing is None and len(values) < len(names):
            raise InvalidOption(f"the {what} lacks a resource; each machine has all of {names}")
        return tuple(exact_fraction(f"{what}: {n}", values.get(n, 0)) for n in names)
    cells = list(values)
    if len(cells) != len(names):
        raise InvalidOption(
            f"the {what} has {len(cells)} resources, the capacity {len(names)}; give an amount of each"
        )
    return tuple(exact_fraction(f"{what}: {n}", v) for n, v in zip(names, cells, strict=True))


def _by_user(what: str, values: Any, users: tuple[str, ...], missing: Any) -> list[Any]:
    if values is None:
        return [missing] * len(users)
    if isinstance(values, Mapping):
        for name in values:
            if name not in users:
                raise UnknownName(f"user in {what}", name, users)
        return [values.get(user, missing) for user in users]
    rows = list(values)
    if len(rows) != len(users):
        raise InvalidOption(f"{what} has {len(rows)} entries for {len(users)} users; give one each")
    return rows


def _positive(what: str, value: Any) -> Fraction:
    number = exact_fraction(what, value)
    if not number:
        raise InvalidQuantity(f"{what} is 0; weights are above 0")
    return number


def _weights(user: str, value: Any, resources: tuple[str, ...]) -> Vector:
    if isinstance(value, (Mapping, list, tuple)):
        row = _row(f"weight of {user}", value, resources, None)
        return tuple(_positive(f"weight of {user}", w) for w in row)
    return (_positive(f"weight of {user}", value),) * len(resources)


def _machines(user: str, allowed: Iterable[Any] | None, hosts: tuple[str, ...]) -> frozenset[int]:
    if allowed is None:
        return frozenset(range(len(hosts)))
    rows = set()
    for name in allowed:
        if isinstance(name, int) and 0 <= name < len(hosts):
            rows.add(name)
        elif name in hosts:
            rows.add(hosts.index(name))
        else:
            raise UnknownName(f"machine that {user} may use", name, hosts)
    return frozenset(rows)


def _amounts(resources: tuple[str, ...], row: Vector) -> str:
    return ", ".join(f"{value} {name}" for name, value in zip(resources, row, strict=True))
