"""The reference kernels: clients kept in order of their dominant share, and progressive filling.

`_fastpath.pyx` is the compiled twin, in the same order with the same names; a change to one is a change to both. The
kernels take valid input only and never raise by themselves: where a client is unknown or an amount does not fit, they
call the hooks (`_unknown`, `_overdrawn`, ...) that the shared wrapper, `drf.sorter.Sorter`, defines.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

KERNEL = 3
"""Both twins carry it; different numbers mean that the compiled one is stale."""

LOAD = 256
"""The most entries of a block."""

LIMIT = 1 << 53


class Vector:
    """Amounts by column, in units, made once for a demand that comes again and again."""

    __slots__ = ("amounts", "owner")

    def __init__(self, amounts: tuple[int, ...], owner: object) -> None:
        self.amounts = amounts
        self.owner = owner

    def __repr__(self) -> str:
        return f"Vector({self.amounts})"


class Order:
    """Clients in order of share, then number of grants, then name; what each of them holds.

    The order is kept in blocks of at most LOAD entries, each entry (share, grants, name), beside a directory of each
    block's last entry. A grant moves one entry: O(columns + log clients). A changed total makes every share stale; the
    next question recomputes and sorts them once: O(clients log clients).
    """

    def __init__(self) -> None:
        self._owner = object()  # what vectors made for this order carry
        self._apart = False  # whether the wrapper carries out `allocated` and `unallocated` itself
        self._nested = (
            False  # whether entries are nodes of a tree, so that the wrapper finds the next client
        )
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._names: list[str] = []
        self._held: list[list[int]] = []
        self._counts: list[int] = []
        self._weights: list[float | tuple[float, ...]] = []
        self._shares: list[float] = []
        self._active: list[bool] = []
        self._totals: list[int] = []
        self._counted: list[bool] = []
        self._blocks: list[list[tuple[float, int, str]]] = []
        self._maxima: list[tuple[float, int, str]] = []
        self._stale = False
        self._listing: list[str] | None = None

    # -- hooks of the wrapper

    def _unknown(self, client: object) -> Any:
        raise NotImplementedError

    def _vector(self, resources: object) -> Vector:
        raise NotImplementedError

    def _overdrawn(self, client: str, vector: Vector) -> Any:
        raise NotImplementedError

    def _overflown(self, client: str, vector: Vector) -> Any:
        raise NotImplementedError

    def _moved(self, client: str, resources: object, agent: str | None, sign: int) -> None:
        raise NotImplementedError

    def _descended(self) -> str | None:
        raise NotImplementedError

    # -- the three verbs of the hot path

    def next(self) -> str | None:
        """The client with the lowest share, ties by number of grants, then name; None if none is active; O(1).

        O(clients log clients) once after a total changed.
        """
        if self._nested:
            return self._descended()
        if self._stale:
            self._rebuild()
        if not self._blocks:
            return None
        return self._blocks[0][0][2]

    def allocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        """The client was granted so much (on that agent); counts as one grant; O(resources + log clients).

        Raises UnknownName, InvalidQuantity.
        """
        if self._apart or agent is not None:
            self._moved(client, resources, agent, 1)
            return
        row = self._rows.get(client)
        if row is None:
            self._unknown(client)
            return
        if type(resources) is Vector and resources.owner is self._owner:
            vector = resources
        else:
            vector = self._vector(resources)
        held = self._held[row]
        for j, q in enumerate(vector.amounts):
            if held[j] + q > LIMIT:
                self._overflown(client, vector)
                return
        self._unplace(row)
        for j, q in enumerate(vector.amounts):
            held[j] += q
        self._counts[row] += 1
        self._place(row)

    def unallocated(self, client: str, resources: Any, *, agent: str | None = None) -> None:
        """The client gave so much back (on that agent); O(resources + log clients).

        Raises UnknownName, Overcommit where it holds less than that.
        """
        if self._apart or agent is not None:
            self._moved(client, resources, agent, -1)
            return
        row = self._rows.get(client)
        if row is None:
            self._unknown(client)
            return
        if type(resources) is Vector and resources.owner is self._owner:
            vector = resources
        else:
            vector = self._vector(resources)
        held = self._held[row]
        for j, q in enumerate(vector.amounts):
            if held[j] < q:
                self._overdrawn(client, vector)
                return
        self._unplace(row)
        for j, q in enumerate(vector.amounts):
            held[j] -= q
        self._place(row)

    # -- questions

    def sort(self) -> list[str]:
        """All active clients, lowest share first; O(clients)."""
        if self._stale:
            self._rebuild()
        if self._listing is None:
            self._listing = [entry[2] for block in self._blocks for entry in block]
        return self._listing.copy()

    def first(self, k: int) -> list[str]:
        """The first k of them, fewer if there are fewer; O(k)."""
        if self._stale:
            self._rebuild()
        out: list[str] = []
        for block in self._blocks:
            for entry in block:
                if len(out) >= k:
                    return out
                out.append(entry[2])
        return out

    def share(self, client: str) -> float:
        """The client's dominant share divided by its weight; O(1). Raises UnknownName."""
        row = self._rows.get(client)
        if row is None:
            self._unknown(client)
            return 0.0
        if self._stale:
            self._rebuild()
        return self._shares[row]

    def grants(self, client: str) -> int:
        """How many grants the client has had: the tie-break; O(1). Raises UnknownName."""
        row = self._rows.get(client)
        if row is None:
            self._unknown(client)
            return 0
        return self._counts[row]

    def __contains__(self, client: object) -> bool:
        return client in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    # -- structure, called by the wrapper with checked arguments

    def _add_column(self) -> None:
        self._totals.append(0)
        self._counted.append(True)
        for held in self._held:
            held.append(0)
        for row, weight in enumerate(self._weights):
            if isinstance(weight, tuple):
                self._weights[row] = (*weight, 1.0)

    def _set_total(self, column: int, units: int) -> None:
        if self._totals[column] != units:
            self._totals[column] = units
            self._stale = True

    def _set_counted(self, column: int, counted: bool) -> None:
        if self._counted[column] != counted:
            self._counted[column] = counted
            self._stale = True

    def _add_row(self, name: str, weight: float | tuple[float, ...], active: bool) -> None:
        if self._free:
            row = self._free.pop()
        else:
            row = len(self._names)
            self._names.append("")
            self._held.append([])
            self._counts.append(0)
            self._weights.append(1.0)
            self._shares.append(0.0)
            self._active.append(False)
        self._rows[name] = row
        self._names[row] = name
        self._held[row] = [0] * len(self._totals)
        self._counts[row] = 0
        self._weights[row] = weight
        self._shares[row] = 0.0
        self._active[row] = active
        self._place(row)

    def _remove_row(self, name: str) -> None:
        row = self._rows[name]
        self._unplace(row)
        self._active[row] = False
        del self._rows[name]
        self._names[row] = ""
        self._weights[row] = 1.0
        self._free.append(row)

    def _set_active(self, name: str, active: bool) -> None:
        row = self._rows[name]
        if self._active[row] != active:
            self._unplace(row)
            self._active[row] = active
            self._place(row)

    def _clients(self) -> list[str]:
        return list(self._rows)

    def _is_active(self, name: str) -> bool:
        return self._active[self._rows[name]]

    def _set_weight(self, name: str, weight: float | tuple[float, ...]) -> None:
        row = self._rows[name]
        self._unplace(row)
        self._weights[row] = weight
        self._place(row)

    def _get_weight(self, name: str) -> float | tuple[float, ...]:
        return self._weights[self._rows[name]]

    def _get_held(self, name: str) -> tuple[int, ...]:
        return tuple(self._held[self._rows[name]])

    def _get_totals(self) -> tuple[int, ...]:
        return tuple(self._totals)

    def _charge(self, name: str, vector: Vector, sign: int, grants: int) -> None:
        row = self._rows[name]
        held = self._held[row]
        self._unplace(row)
        for j, q in enumerate(vector.amounts):
            held[j] += sign * q
        self._counts[row] += grants
        self._place(row)

    def _set_state(self, name: str, held: tuple[int, ...], grants: int) -> None:
        row = self._rows[name]
        self._unplace(row)
        for j, q in enumerate(held):
            self._held[row][j] = q
        self._counts[row] = grants
        self._place(row)

    # -- the order

    def _share_of(self, row: int) -> float:
        held = self._held[row]
        weight = self._weights[row]
        best = 0.0
        if isinstance(weight, tuple):
            for j, total in enumerate(self._totals):
                if total > 0 and self._counted[j]:
                    share = (held[j] / total) / weight[j]
                    if share > best:
                        best = share
            return best
        for j, total in enumerate(self._totals):
            if total > 0 and self._counted[j]:
                share = held[j] / total
                if share > best:
                    best = share
        return best / weight

    def _place(self, row: int) -> None:
        """Compute the share and, if the client is active, enter it where it belongs."""
        if self._stale:
            return
        share = self._shares[row] = self._share_of(row)
        if not self._active[row]:
            return
        self._listing = None
        entry = (share, self._counts[row], self._names[row])
        if not self._blocks:
            self._blocks.append([entry])
            self._maxima.append(entry)
            return
        b = bisect_left(self._maxima, entry)
        if b == len(self._blocks):
            b -= 1
        block = self._blocks[b]
        block.insert(bisect_left(block, entry), entry)
        if len(block) > LOAD:
            half = len(block) // 2
            self._blocks.insert(b + 1, block[half:])
            del block[half:]
            self._maxima.insert(b, block[-1])
            self._maxima[b + 1] = self._blocks[b + 1][-1]
        else:
            self._maxima[b] = block[-1]

    def _unplace(self, row: int) -> None:
        """Take the client out of the order, before anything that its entry is made of changes."""
        if self._stale or not self._active[row]:
            return
        self._listing = None
        entry = (self._shares[row], self._counts[row], self._names[row])
        b = bisect_left(self._maxima, entry)
        block = self._blocks[b]
        del block[bisect_left(block, entry)]
        if block:
            self._maxima[b] = block[-1]
        else:
            del self._blocks[b]
            del self._maxima[b]

    def _rebuild(self) -> None:
        """All shares anew and all clients sorted, once after any number of changed totals."""
        self._stale = False
        self._listing = None
        entries = []
        for name, row in self._rows.items():
            share = self._shares[row] = self._share_of(row)
            if self._active[row]:
                entries.append((share, self._counts[row], name))
        entries.sort()
        half = LOAD // 2
        self._blocks = [entries[i : i + half] for i in range(0, len(entries), half)]
        self._maxima = [block[-1] for block in self._blocks]

    def _check(self) -> str | None:
        """What is wrong with the order, or None."""
        if self._stale:
            return None
        entries = [entry for block in self._blocks for entry in block]
        if entries != sorted(entries):
            return "entries are out of order"
        due = sorted(
            (self._share_of(row), self._counts[row], name)
            for name, row in self._rows.items()
            if self._active[row]
        )
        if entries != due:
            return "entries are not those of the active clients"
        if self._maxima != [block[-1] for block in self._blocks]:
            return "the directory is not that of the blocks"
        if any(not 0 < len(block) <= LOAD for block in self._blocks):
            return "a block is empty or too long"
        return None


def fill(
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
    caps: Sequence[int],
    ranks: Sequence[int],
    by_grants: bool,
    stop: bool,
    want_steps: bool,
) -> tuple[list[int], list[int]]:
    """Progressive filling with whole tasks: the user with the lowest share gets its next task, as long as one fits.

    Algorithm 1 of the DRF paper (Ghodsi et al., NSDI 2011). ``demands[i]`` are the units of one task of user i,
    ``counted`` is the capacity that shares are divided by (0: the resource does not count), ``caps[i]`` the most tasks
    (-1: no end), ties go to the lower number of tasks (if ``by_grants``), then to the lower rank. A user whose task
    does not fit is dropped, or ends the filling (``stop``). Gives the tasks of each user, and the users in the order
    they were picked. O(tasks (log users + resources)).
    """
    free = list(capacity)
    columns = range(len(free))
    tasks = [0] * len(demands)
    picks: list[int] = []
    heap = [(0.0, 0, ranks[i], i) for i in range(len(demands))]
    heapify(heap)
    while heap:
        _, _, rank, i = heappop(heap)
        if tasks[i] == caps[i]:
            continue
        demand = demands[i]
        fits = True
        for j in columns:
            if demand[j] > free[j]:
                fits = False
                break
        if not fits:
            if stop:
                break
            continue
        for j in columns:
            free[j] -= demand[j]
        tasks[i] += 1
        if want_steps:
            picks.append(i)
        share = 0.0
        weight = weights[i]
        if isinstance(weight, tuple):
            for j in columns:
                if counted[j] > 0:
                    share = max(share, (tasks[i] * demand[j] / counted[j]) / weight[j])
        else:
            for j in columns:
                if counted[j] > 0:
                    share = max(share, tasks[i] * demand[j] / counted[j])
            share = share / weight
        heappush(heap, (share, tasks[i] if by_grants else 0, rank, i))
    return tasks, picks
