"""Whose turn it is: a sorter of roles, and in each role a sorter of its frameworks.

All of them divide by the whole cluster; weights are those of roles. What is offered counts as much as what is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from drf._random import SplitMix64
from drf.dealing import Dealing
from drf.errors import InvariantBroken, PluginError
from drf.plugins import Policy
from drf.resources import Resources, ResourceSpace
from drf.roles import Quantities, less
from drf.snapshot import moment, packed, pairs, read_units, stream, unpacked, whole
from drf.sorter import Sorter

FEW = 16
"""So many roles are taken from the order at first: mostly the first few take all there is."""


class Ranking:
    """Two levels of sorters that follow what frameworks are granted and give back."""

    def __init__(
        self,
        policy: Policy,
        space: ResourceSpace,
        seed: int,
        exclude: frozenset[str] = frozenset(),
        *,
        dealing: Dealing | None = None,
    ) -> None:
        self.dealing = dealing or Dealing()
        self._policy = policy
        self.space = space
        self._exclude = exclude
        self._random = SplitMix64(seed)
        self._made = 0
        self._total = Resources(space=space)
        self._now = 0.0
        self._shared = False  # whether a shared object was ever out
        self.failure: PluginError | None = None
        """Of the policy, not told yet."""
        self._given: list[tuple[str, str, str, Resources]] = []  # on trial
        self._on_trial = False
        self.by_waiting = "waiting" in policy.stale_on
        self.roles = self._sorter()
        self._frameworks: dict[str, Sorter] = {}
        self.dealing.roles = self.roles
        self._idle: dict[
            str, dict[str, int]
        ] = {}  # role -> what it is charged for and does not use
        self._since: dict[
            str, dict[str, float]
        ] = {}  # role -> framework -> its oldest waiting task

    def _sorter(self, leader: Sorter | None = None) -> Sorter:
        self._made += 1
        seed = self._random.spawn(self._made).next()
        made = Sorter(
            self._policy,
            space=self.space,
            exclude=self._exclude,
            seed=seed,
            columns=self.dealing.columns,
            late=self.note_failure,
        )
        made._seen = self.dealing.version
        if self._policy.kernel is None:
            made.set_total(self._total)
        elif leader is not None:
            made.follow(leader)
        return made

    # -- where the policy fails

    def note_failure(self, error: PluginError) -> None:
        """The policy failed at what could not wait for it; the first failure is kept until it is told; O(1)."""
        if self.failure is None:
            self.failure = error

    def told_failure(self) -> PluginError:
        """The failure that was noted, which is told now; O(1)."""
        failure, self.failure = self.failure, None
        assert failure is not None
        return failure

    def begin_trial(self) -> None:
        """What is granted from now on is kept in mind; O(1)."""
        self._given.clear()
        self._on_trial = True

    def end_trial(self) -> list[tuple[str, str, str, Resources]]:
        """What was granted one by one since then, in order; O(1)."""
        self._on_trial = False
        return self._given

    def undo(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        """It was not granted that; O(log)."""
        self._moved(framework, role, agent, amount, -1, -1)

    @property
    def is_flat(self) -> bool:
        """Whether the kernel orders everybody, no role is below another, and no shared object was ever out; O(1)."""
        return self._policy.kernel is not None and not self.roles._apart and not self._shared

    def counts(self, resource: str) -> bool:
        """Whether the resource counts for shares; O(1)."""
        return resource not in self._exclude and self._policy.counts(resource)

    def set_total(self, total: Resources) -> None:
        """What the cluster has; the sorters of frameworks hear of it when they are next asked; O(names)."""
        self._total = total
        self.roles.set_total(self._total)
        self.dealing.total = total
        self.dealing.version += 1

    def set_weight(self, role: str, weight: float) -> None:
        """The role's weight, whether it has frameworks or not; O(log roles)."""
        self.roles.weigh_path(role, weight)

    def track(self, framework: str, role: str, *, active: bool) -> None:
        """The framework takes its turns in the role; O(log)."""
        if role not in self._frameworks:
            if role in self.roles:
                self.roles.activate(role)
            else:
                self.roles.add(role)
            self._frameworks[role] = new = self._sorter(self.roles)
            if self._now and self._policy.kernel is None:
                new.advance(self._now)
            self.dealing.attach(role, new)
        self._frameworks[role].add(framework, active=active)
        self.dealing.enter(framework, role, self._frameworks[role], active)

    def untrack(self, framework: str, role: str) -> None:
        """It takes none any more; a role without frameworks is forgotten; O(log)."""
        sorter = self._frameworks[role]
        self.waiting(framework, role, None)
        self.dealing.leave(framework, role)
        sorter.remove(framework)
        if not len(sorter):
            if role in self._idle:
                self.roles.deactivate(role)
                self.dealing.attach(role, None)
            else:
                self.roles.remove(role)
            del self._frameworks[role]

    def idle(self, role: str, units: Quantities) -> None:
        """So much is reserved to the role and not in use: it counts for its share too; O(names + log roles).

        A role without frameworks is nobody's turn, but counts for those above it.
        """
        due = {name: q for name, q in sorted(units.items()) if q > 0}
        old = self._idle.get(role, {})
        if due == old:
            return
        if role not in self.roles:
            self.roles.add(role, active=False)
        for change, sign in ((less(due, old), 1), (less(old, due), -1)):
            if change:
                self.roles.charge(role, Resources.from_units(change, space=self.space), sign=sign)
        if due:
            self._idle[role] = due
        else:
            self._idle.pop(role, None)
            if role not in self._frameworks:
                self.roles.remove(role)

    def idle_of(self, role: str) -> Quantities:
        """What of the role's reservations it is charged for and does not use; O(1)."""
        return self._idle.get(role, {})

    def out(self, role: str) -> Quantities:
        """What the role's frameworks hold, without what is reserved to it and idle; O(names)."""
        return less(self.roles.held(role).units, self._idle.get(role, {}))

    def all_out(self) -> list[int]:
        """What frameworks hold in all, by column, where nothing is reserved; O(roles)."""
        return list(self.roles._sums())

    def turns(self) -> Iterator[tuple[str, str]]:
        """Role and framework of all that are asked, in order; O(clients log clients)."""
        for role in self.roles.sort():
            for framework in self.frameworks(role).sort():
                yield role, framework

    def in_order(self, only: Collection[str] | None = None) -> Iterable[str]:
        """The roles that are asked, or those of them alone, in the order of now, whatever is granted meanwhile.

        O(roles) where all are asked for; of a few O(them).
        """
        if not self.is_flat:
            names = self.roles.sort()
            return names if only is None else [name for name in names if name in only]
        if only is not None and FEW * len(only) < 4 * len(self.roles):
            self.roles.next()  # brings the order up to date
            asked = (name for name in only if name in self.roles and self.roles.is_active(name))
            return sorted(asked, key=self.roles._key)
        return self._unfolded(only)

    def _unfolded(self, only: Collection[str] | None) -> Iterator[str]:
        """A few at a time: a grant moves only the role that got it, so those that were not asked keep their order."""
        seen: set[str] = set()
        count = FEW
        while True:
            names = self.roles.first(count)
            for name in [name for name in names if name not in seen]:
                seen.add(name)
                if only is None or name in only:
                    yield name
            if len(names) < count:
                return
            count *= 4

    def served(self) -> list[str]:
        """The roles with frameworks, by name; O(roles)."""
        return [role for role in self.roles.clients() if role in self._frameworks]

    def is_tracked(self, framework: str, role: str) -> bool:
        """Whether it takes turns in the role, active or not; O(1)."""
        sorter = self._frameworks.get(role)
        return sorter is not None and framework in sorter

    def set_active(self, framework: str, role: str, active: bool) -> None:
        """Whether it is asked when its turn comes, if it takes any; O(log)."""
        sorter = self._frameworks.get(role)
        if sorter is None or framework not in sorter:
            return
        (sorter.activate if active else sorter.deactivate)(framework)
        self.dealing.set_listed(self.dealing.client(framework, role), active)

    def is_active(self, framework: str, role: str) -> bool:
        """Whether it is asked when its turn comes; O(1)."""
        return self._frameworks[role].is_active(framework)

    def frameworks(self, role: str) -> Sorter:
        """The sorter of the role's frameworks; O(1), O(frameworks log frameworks) after the total changed."""
        sorter = self._frameworks[role]
        self.dealing.update(sorter)
        return sorter

    def allocated(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        """It was granted so much there; O(log)."""
        if self._on_trial:
            self._given.append((framework, role, agent, amount))
        if amount.is_plain:
            self.roles.allocated(role, amount)
            self._frameworks[role].allocated(framework, amount)
        else:
            self._moved(framework, role, agent, amount, 1, 1)

    def unallocated(self, framework: str, role: str, agent: str, amount: Resources) -> None:
        """It gave so much back there; O(log)."""
        if amount.is_plain:
            self.roles.unallocated(role, amount)
            self._frameworks[role].unallocated(framework, amount)
        else:
            self._moved(framework, role, agent, amount, -1, 0)

    def converted(
        self, framework: str, role: str, agent: str, old: Resources, new: Resources
    ) -> None:
        """A part of what it has became something else, which is no grant; O(log)."""
        self._moved(framework, role, agent, old, -1, 0)
        self._moved(framework, role, agent, new, 1, 0)

    def _moved(
        self, framework: str, role: str, agent: str, amount: Resources, sign: int, grants: int
    ) -> None:
        """Shared objects need the agent's name, so that copies count once there; the rest does without."""
        shared = amount.shared
        plain = amount.minus(shared) if shared else amount
        for sorter, client in ((self.roles, role), (self._frameworks[role], framework)):
            sorter.charge(client, plain, sign=sign, grants=grants)
            if shared:
                self._shared = True
                sorter.charge(client, shared, agent=agent, sign=sign)

    def waiting(self, framework: str, role: str, since: float | None) -> None:
        """Since when the framework waits for a task; O(frameworks of the role) where the policy goes by it."""
        if not self.by_waiting:
            return
        waits = self._since.setdefault(role, {})
        if since is None:
            waits.pop(framework, None)
        else:
            waits[framework] = since
        self._frameworks[role].waiting(framework, since)
        self.roles.waiting(role, min(waits.values(), default=None))

    def advance(self, now: float) -> None:
        """Set the time; O(roles), O(1) where the kernel orders, to which time is nothing."""
        self._now = now
        if self._policy.kernel is not None:
            return
        self.roles.advance(now)
        for sorter in self._frameworks.values():
            sorter.advance(now)

    def state(self) -> dict[str, Any]:
        """Its part of a snapshot; O(state)."""
        return {
            "random": stream(self._random.state),
            "made": self._made,
            "total": packed(self._total),
            "now": self._now,
            "shared": self._shared,
            "roles": self.roles.state(),
            "idle": [[role, pairs(units)] for role, units in self._idle.items()],
            "frameworks": [[role, sorter.state()] for role, sorter in self._frameworks.items()],
            "late": [
                role
                for role, sorter in self._frameworks.items()
                if sorter._seen != self.dealing.version
            ],
            "since": [
                [role, framework, since]
                for role, waits in sorted(self._since.items())
                for framework, since in sorted(waits.items())
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take that part back into a new one; O(state log state). Raises InputError, PluginError."""
        self.roles.load(state["roles"])
        self._idle = {role: read_units(units) for role, units in state["idle"]}
        for role, its in state["frameworks"]:
            self._frameworks[role] = sorter = self._sorter()
            sorter.load(its)
            if self._policy.kernel is not None:
                sorter.follow(self.roles)
            self.dealing.attach(role, sorter)
            for framework in sorter.clients():
                self.dealing.enter(framework, role, sorter, sorter.is_active(framework))
        self._random.state = int(state["random"], 16)
        self._made = whole(state["made"], "sorters made")
        self._total = unpacked(state["total"], self.space)
        self._now = moment(state["now"], "the time of the orders")
        self._shared = bool(state["shared"])
        for role in state["late"]:
            self._frameworks[role]._seen -= 1
        for role, framework, since in state["since"]:
            waits = self._since.setdefault(role, {})
            waits[framework] = moment(since, f"what {framework!r} waits for")

    def tracked(self) -> list[tuple[str, str]]:
        """Framework and role of all that take turns, active or not; O(frameworks x roles)."""
        return [
            (name, role) for role, sorter in self._frameworks.items() for name in sorter.clients()
        ]

    def check(self) -> None:
        """Re-derive every order; raises InvariantBroken."""
        self.roles.check()
        for role, sorter in self._frameworks.items():
            sorter.check()
            held = sum((sorter.held(f) for f in sorter.clients()), Resources(space=self.space))
            idle = Resources.from_units(self._idle.get(role, {}), space=self.space)
            if not idle <= self.roles.held(role):
                raise InvariantBroken(f"role {role!r} is charged for less than is reserved to it")
            due = self.roles.held(role) - idle
            # Shared objects count in full for each framework, and once for the role.
            if not due <= held if self._shared else held != due:
                raise InvariantBroken(
                    f"role {role!r} holds {self.roles.held(role)}, its frameworks {held}"
                )
