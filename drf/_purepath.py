"""The reference kernels: clients kept in order of their dominant share, and progressive filling.

`_fastpath.pyx` is the compiled twin, in the same order with the same names; a change to one is a change to both. The
kernels take valid input only and never raise by themselves: where a client is unknown or an amount does not fit, they
call the hooks (`_unknown`, `_overdrawn`, ...) that the shared wrapper, `drf.sorter.Sorter`, defines.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from functools import cmp_to_key
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil, fsum
from operator import le
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KERNEL = 11
"""Both twins carry it; different numbers mean that the compiled one is stale."""

LOAD = 256
"""The most entries of a block."""

LIMIT = 1 << 53

CUTS = 64
"""The most pieces of one amount that are remembered."""

EPOCH = 2.0**-256
"""What is left of the past at the end of an epoch: lines are scaled by it exactly when one ends."""

EPOCHS = 6
"""After so many epochs nothing is left of what fades."""

LEAST = 2.0**-700
"""What fades by less than that counts as nothing; of more, products and differences are exact to a last bit."""

MOST = 2.0**500
STEEPEST = 2.0**756
"""The highest and the steepest line; beyond, there are none that differ."""

SPLIT = 2.0**27 + 1.0
"""By it a double is cut into two of half its digits."""

NEAR = 2.0**-50
EARLY = 1.0 + NEAR
"""How near to each other, relatively, doubles do not decide; how much earlier than computed a match is due."""

INF = float("inf")
ROUGH = 1e-12
"""More than what rounding does to a sum of shares, less than matters."""

SMALLEST = 5e-324
"""The least number above 0: below it are the keys of tasks that cost no share."""

_MASK = (1 << 64) - 1


class Vector:
    """Amounts by column, in units, made once for a demand that comes again and again.

    ``plain``: they are all of what it was made of, but for ranges and sets. ``worth``: it is worth an offer, to one who
    said nothing else. ``cuts`` remembers pieces of it: by their units, each with what is left.
    """

    __slots__ = ("amounts", "cuts", "owner", "plain", "worth")

    def __init__(
        self, amounts: tuple[int, ...], owner: object, plain: bool = False, worth: bool = False
    ) -> None:
        self.amounts = amounts
        self.owner = owner
        self.plain = plain
        self.worth = worth
        self.cuts: dict[tuple[int, ...], tuple[Any, Any]] | None = None

    def __repr__(self) -> str:
        return f"Vector({self.amounts})"


class Order:
    """Clients in order of share, then number of grants, then name; what each of them holds.

    The order is kept in blocks of at most LOAD entries, each entry (share, grants, name), beside a directory of each
    block's last entry. A grant moves one entry: O(columns + log clients). A changed total makes every share stale; the
    next question recomputes and sorts them once: O(clients log clients).
    """

    def __init__(self) -> None:
        self._owner: object = object()  # what vectors made for this order carry
        self._seen = 0  # the version of the totals
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
        self._things: list[Any] = []  # what stands behind a client: an order, or a record
        self._active: list[bool] = []
        self._totals: list[int] = []
        self._counted: list[bool] = []
        self._blocks: list[list[tuple[float, int, str]]] = []
        self._maxima: list[tuple[float, int, str]] = []
        self._stale = False
        self._listing: list[str] | None = None
        self.account: Any = None  # of the role whose frameworks these are

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

    def _undemanded(self, client: str) -> Any:
        raise NotImplementedError

    def _served(self, k: int, demands: Mapping[str, Any]) -> list[str]:
        raise NotImplementedError

    # -- the verbs of the hot path

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

    def serve(self, k: int, demands: Mapping[str, Any]) -> list[str]:
        """The first client in order is granted its own demand, k times; the clients so picked, in turn.

        The same as `next` and `allocated` k times. It ends early where no client is active.
        O(k (resources + log clients)). Raises InputError where a client that is picked has no demand, and what
        `allocated` raises; then nothing is granted at all.
        """
        if self._apart or self._nested:
            return self._served(k, demands)
        picked: list[str] = []
        given: list[Vector] = []
        try:
            for _ in range(k):
                client = Order.next(self)
                if client is None:
                    break
                try:
                    demand = demands[client]
                except KeyError:
                    self._undemanded(client)
                    break
                if type(demand) is Vector and demand.owner is self._owner:
                    vector = demand
                else:
                    vector = self._vector(demand)
                Order.allocated(self, client, vector)
                picked.append(client)
                given.append(vector)
        except Exception:  # an interrupt may strike within a grant, which cannot be undone then
            for client, vector in zip(reversed(picked), reversed(given), strict=True):
                self._charge(client, vector, -1, -1)
            raise
        return picked

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

    def _take_totals(self, other: Order) -> None:
        """The totals of another order with the same columns."""
        if self._totals != other._totals:
            self._totals = list(other._totals)
            self._stale = True

    def _sums(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(self._held[row] for row in self._rows.values()), strict=True)))

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
            self._things.append(None)
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
        self._things[row] = None
        self._weights[row] = 1.0
        self._free.append(row)

    def _set_active(self, name: str, active: bool) -> None:
        row = self._rows[name]
        if self._active[row] != active:
            self._unplace(row)
            self._active[row] = active
            self._place(row)

    def _attach(self, name: str, thing: Any) -> None:
        self._things[self._rows[name]] = thing

    def _key(self, name: str) -> tuple[float, int, str]:
        row = self._rows[name]
        return self._shares[row], self._counts[row], name

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

    def _get_state(self, name: str) -> tuple[tuple[int, ...], int, bool] | None:
        row = self._rows.get(name)
        if row is None:
            return None
        return tuple(self._held[row]), self._counts[row], self._active[row]

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
        if self._maxima[-1] < entry:  # as after most grants
            b = len(self._blocks) - 1
            block = self._blocks[b]
            block.append(entry)
        else:
            b = bisect_left(self._maxima, entry)
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
        b = 0
        block = self._blocks[0]
        if block[0] == entry:  # as before most grants
            del block[0]
        else:
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


def _product_error(a: float, b: float, product: float) -> float:
    """What rounding took from a product, exactly (Dekker, 1971)."""
    wide = SPLIT * a
    a_high = wide - (wide - a)
    a_low = a - a_high
    wide = SPLIT * b
    b_high = wide - (wide - b)
    b_low = b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


class Fading:
    """Clients in order of a key that fades, then of what stays of it, number of grants, and name.

    A client has memories, one a column, and each of them goes from what it was towards its aim: it is stays + fades x
    left, where left is the part of the past that still counts: 1 at the start of an epoch, less and less later, never
    0. The key is (base + largest memory) / weight, so it is the largest of some lines over left. Lines are compared
    as real numbers, not as rounded ones, so two of them change places once.

    The order is a tournament whose matches know down to which left they stay as they are played; a question plays
    those again that are due. A change costs O(columns + log clients), a question O(log clients) for each match due.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._left = 1.0
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._names: list[str] = []
        self._stays: list[list[float]] = []
        self._fades: list[list[float]] = []
        self._were: list[list[float]] = []  # the memories when the client moved last, at which left
        self._moved_at: list[float] = []
        self._bases: list[float] = []
        self._weights: list[float] = []
        self._counts: list[int] = []
        self._active: list[bool] = []
        self._stay: list[float] = []  # the line that is largest now
        self._fade: list[float] = []
        self._moving: list[int] = []  # rows with memories that fade
        self._is_moving: list[bool] = []
        self._leaves = 1
        self._winner: list[int] = [-1, -1]  # by node: 1 is the final, 2 i and 2 i + 1 lead to i
        self._until: list[float] = [0.0, 0.0]
        self._stale = False

    # -- the verbs

    def pass_time(self, left: float, epochs: int) -> None:
        """So much of the past counts now, so many epochs on, of which each leaves EPOCH of what there was.

        O(1); with a new epoch O(log clients) for each client whose memories fade, a few times after a change.
        """
        self._left = left
        if epochs > 0:
            self._begin(min(epochs, EPOCHS))

    def move(
        self,
        name: str,
        base: float,
        aims: tuple[float, ...],
        weight: float,
        grants: int,
        active: bool,
    ) -> None:
        """From now on the client's memories, if it is new of nothing, go to those aims; O(columns + log clients)."""
        row = self._row_for(name)
        stays, fades, were = self._stays[row], self._fades[row], self._were[row]
        fading = False
        for j, aim in enumerate(aims):
            if aim > MOST:
                aim = MOST
            if self._moved_at[row] != self._left:
                were[j] = stays[j] + fades[j] * self._left
            stays[j] = aim
            fades[j] = (were[j] - aim) / self._left
            if fades[j] != 0.0:
                fading = True
        self._moved_at[row] = self._left
        self._bases[row] = base
        self._weights[row] = weight
        self._counts[row] = grants
        self._active[row] = active
        self._enter(row, fading)

    def put(
        self, name: str, memories: tuple[tuple[float, float, float], ...], moved_at: float
    ) -> None:
        """Replace the memories of a client that is there by what `memories` said; O(columns + log clients)."""
        row = self._rows[name]
        for j, (stays, fades, was) in enumerate(memories):
            self._stays[row][j] = stays
            self._fades[row][j] = fades
            self._were[row][j] = was
        self._moved_at[row] = moved_at
        self._enter(row, True)

    def memories(self, name: str) -> tuple[tuple[tuple[float, float, float], ...], float]:
        """Of each memory what stays, what fades, what it was at the last move; at which left that was; O(columns)."""
        row = self._rows[name]
        memories = zip(self._stays[row], self._fades[row], self._were[row], strict=True)
        return tuple(memories), self._moved_at[row]

    def drop(self, name: str) -> None:
        """Forget the client, if it is there; O(log clients)."""
        row = self._rows.pop(name, None)
        if row is None:
            return
        self._names[row] = ""
        self._active[row] = False
        for j in range(self._columns):
            self._stays[row][j] = self._fades[row][j] = 0.0
        self._moved_at[row] = 0.0
        self._free.append(row)
        self._enter(row, False)

    def defer(self) -> None:
        """All clients will move: the tournament is played anew at the next question, O(clients), once."""
        self._stale = True

    # -- questions

    def next(self) -> str | None:
        """The client with the lowest key; None if none is active."""
        row = self._lead()
        return None if row < 0 else self._names[row]

    def first(self, k: int) -> list[str]:
        """The first k of them, fewer if there are fewer; O(k log clients)."""
        out: list[int] = []
        while len(out) < k:
            row = self._lead()
            if row < 0:
                break
            out.append(row)
            self._active[row] = False
            self._climb(row)
        for row in out:
            self._active[row] = True
            self._climb(row)
        return [self._names[row] for row in out]

    def sort(self) -> list[str]:
        """All of them; O(clients log clients)."""
        self._lead()
        rows = [row for row in self._rows.values() if self._active[row]]
        self._sort_rows(rows)
        return [self._names[row] for row in rows]

    def clients(self) -> list[str]:
        """All clients, active or not, in the order they came; O(clients)."""
        return list(self._rows)

    def _check(self) -> str | None:
        """What is wrong with the tournament, or None."""
        self._lead()
        moving = set(self._moving)
        for row, fades in enumerate(self._fades):
            if self._is_moving[row] != (row in moving):
                return "the list of memories that fade has gaps"
            if any(fades) and not self._is_moving[row]:
                return "a memory fades unseen"
        winner, stay, fade = self._winner.copy(), self._stay.copy(), self._fade.copy()
        self._build()
        if stay != self._stay or fade != self._fade:
            return "a line is not the largest of its client"
        if winner != self._winner:
            return "a match was not played again when it was due"
        return None

    # -- the tournament

    def _row_for(self, name: str) -> int:
        row = self._rows.get(name)
        if row is not None:
            return row
        if self._free:
            row = self._free.pop()
        else:
            row = len(self._names)
            self._names.append("")
            self._stays.append([0.0] * self._columns)
            self._fades.append([0.0] * self._columns)
            self._were.append([0.0] * self._columns)
            self._moved_at.append(0.0)
            self._bases.append(0.0)
            self._weights.append(1.0)
            self._counts.append(0)
            self._active.append(False)
            self._stay.append(0.0)
            self._fade.append(0.0)
            self._is_moving.append(False)
            if row == self._leaves:
                self._leaves *= 2
                self._winner = [-1] * (2 * self._leaves)
                self._until = [0.0] * (2 * self._leaves)
                self._stale = True
        self._rows[name] = row
        self._names[row] = name
        return row

    def _enter(self, row: int, fading: bool) -> None:
        """The client's memories are others now."""
        if fading and not self._is_moving[row]:
            self._is_moving[row] = True
            self._moving.append(row)
        if not self._stale:
            self._climb(row)

    def _begin(self, epochs: int) -> None:
        """New epochs: what is left of the past counts from 1 again, so what fades is less by as much."""
        moving = self._moving
        self._moving = []
        for row in moving:
            fades = self._fades[row]
            fading = False
            for _ in range(epochs):
                for j, fade in enumerate(fades):
                    fades[j] = fade * EPOCH if abs(fade) > LEAST else 0.0
            for fade in fades:
                if fade != 0.0:
                    fading = True
            self._is_moving[row] = False
            self._moved_at[row] = 0.0
            self._enter(row, fading)

    def _compare(self, stay: float, fade: float, other_stay: float, other_fade: float) -> int:
        """-1 where one line is lower now, or as high and staying lower, 1 where the other is, 0 for the same."""
        x = stay - other_stay
        y = other_fade - fade
        if x == 0.0 and y == 0.0:
            return 0
        z = y * self._left
        if abs(x - z) > NEAR * (abs(x) + abs(z)):
            return -1 if x < z else 1
        sign = self._sign(stay, fade, other_stay, other_fade)
        if sign == 0:
            return -1 if x < 0.0 else 1
        return sign

    def _sign(self, stay: float, fade: float, other_stay: float, other_fade: float) -> int:
        """-1 where one line is lower now, 1 where the other is, 0 for neither: six doubles, added up exactly."""
        a = fade * self._left
        b = other_fade * self._left
        rest = _product_error(fade, self._left, a)
        other_rest = _product_error(other_fade, self._left, b)
        gap = fsum((stay, -other_stay, a, -b, rest, -other_rest))
        return -1 if gap < 0.0 else 1 if gap > 0.0 else 0

    def _precedes(self, a: int, b: int) -> bool:
        """Whether row a stands before row b."""
        order = self._compare(self._stay[a], self._fade[a], self._stay[b], self._fade[b])
        if order != 0:
            return order < 0
        if self._counts[a] != self._counts[b]:
            return self._counts[a] < self._counts[b]
        return self._names[a] < self._names[b]

    def _line_of(self, row: int, column: int) -> tuple[float, float]:
        """That memory's line, within bounds that keep sums and products of lines finite and exact to a last bit."""
        stay = (self._bases[row] + self._stays[row][column]) / self._weights[row]
        fade = self._fades[row][column] / self._weights[row]
        if stay > MOST:
            stay = MOST
        if fade > STEEPEST:
            fade = STEEPEST
        elif fade < -STEEPEST:
            fade = -STEEPEST
        elif -LEAST < fade < LEAST:
            fade = 0.0
        return stay, fade

    def _measure(self, row: int) -> float:
        """Find the client's line, the largest one now; until which left it is."""
        until = 0.0
        if self._columns == 0:
            stay = self._bases[row] / self._weights[row]
            fade = 0.0
        else:
            stay, fade = self._line_of(row, 0)
        for j in range(1, self._columns):
            other_stay, other_fade = self._line_of(row, j)
            if self._compare(stay, fade, other_stay, other_fade) < 0:
                stay, fade = other_stay, other_fade
        for j in range(self._columns):
            other_stay, other_fade = self._line_of(row, j)
            if other_stay > stay and fade > other_fade:
                at = (other_stay - stay) / (fade - other_fade) * EARLY
                if at > until:
                    until = at
        self._stay[row] = stay
        self._fade[row] = fade
        return until

    def _sit(self, row: int) -> None:
        """The client takes its place at the foot of the tournament, or leaves it."""
        leaf = self._leaves + row
        if self._active[row]:
            self._winner[leaf] = row
            self._until[leaf] = self._measure(row)
        else:
            self._winner[leaf] = -1
            self._until[leaf] = 0.0

    def _match(self, node: int) -> None:
        """Who of two winners is first, and down to which left."""
        a = self._winner[2 * node]
        b = self._winner[2 * node + 1]
        until = self._until[2 * node]
        if self._until[2 * node + 1] > until:
            until = self._until[2 * node + 1]
        if a < 0:
            a = b
        elif b >= 0:
            if self._precedes(b, a):
                a, b = b, a
            if self._stay[a] > self._stay[b] and self._fade[b] > self._fade[a]:
                at = (self._stay[a] - self._stay[b]) / (self._fade[b] - self._fade[a]) * EARLY
                if at > until:
                    until = at
        self._winner[node] = a
        self._until[node] = until

    def _climb(self, row: int) -> None:
        """The client sits down again and plays its way up."""
        self._sit(row)
        node = (self._leaves + row) // 2
        while node > 0:
            self._match(node)
            node //= 2

    def _replay(self, node: int) -> None:
        """All matches below that are due, and this one."""
        if self._until[node] < self._left:
            return
        if node >= self._leaves:
            self._sit(node - self._leaves)
            return
        self._replay(2 * node)
        self._replay(2 * node + 1)
        self._match(node)

    def _build(self) -> None:
        """All matches."""
        self._stale = False
        for row in range(len(self._names)):
            self._sit(row)
        for node in range(self._leaves - 1, 0, -1):
            self._match(node)

    def _lead(self) -> int:
        """The row that is first, -1 for none; O(log clients) for each match that is due."""
        if self._stale:
            self._build()
        elif self._until[1] >= self._left:
            self._replay(1)
        return self._winner[1]

    def _sort_rows(self, rows: list[int]) -> None:
        """Rounded values nearly sort them; what is sorted costs little to sort again."""
        left, names, counts = self._left, self._names, self._counts
        rows.sort(
            key=lambda row: (
                self._stay[row] + self._fade[row] * left,
                self._stay[row],
                counts[row],
                names[row],
            )
        )
        rows.sort(key=cmp_to_key(lambda a, b: -1 if self._precedes(a, b) else 1))  # type: ignore[arg-type]


def untracked() -> list[Any]:
    """A list that the collector of garbage passes by, for what never comes back to it, as agents and amounts; O(1).

    The collector would touch every one of them.
    """
    return []  # only the compiled kernel can keep a list from it


class Site:
    """What the dealing of whole agents has to know of one: what is free, offered and held, and who refused it.

    ``odd``: it takes the long way. ``guarded``: not every simple client takes it. ``gone``: it is no agent any more.
    ``even``: no more is out than there is, so what comes back is free. A refusal is (client, bucket, what): what is
    refused, and with which others it ends; all of them refuse what lies below ``floor``. ``place``: where it stood in
    the list of who was offered it last.
    """

    __slots__ = (
        "_bits",
        "_refusals",
        "even",
        "floor",
        "free",
        "gone",
        "growth",
        "guarded",
        "held",
        "name",
        "odd",
        "offered",
        "place",
    )

    def __init__(self, name: str, free: Any) -> None:
        self.name = name
        self.free = free
        self.offered: dict[tuple[str, str], Any] = {}
        self.held: dict[tuple[str, str], Any] = {}
        self.growth = 0
        self.odd = self.guarded = self.gone = False
        self.even = True
        self.floor: Any = None
        self._bits = 0
        self.place = 0
        # An empty list would be one more for the collector.
        self._refusals: list[tuple[int, int, Any]] | tuple[()] = ()

    def refuse(self, client: int, bucket: int, what: Any, floor: Any) -> None:
        """The client refuses so much; O(1)."""
        if not isinstance(self._refusals, list):
            self._refusals = []
        self._refusals.append((client, bucket, what))
        self._bits |= 1 << client
        self.floor = floor

    def entries(self, framework: str) -> int:
        """How often the framework has something there, as a holder of offered or of held; O(holders)."""
        return sum(name == framework for where in (self.offered, self.held) for name, _ in where)

    def is_refused(self, client: int) -> bool:
        """Whether the client refused anything there; O(1)."""
        return bool(self._bits >> client & 1)

    def refusals(self, client: int = -1) -> list[tuple[int, int, Any]]:
        """Those of a client, or all, in the order they came; O(refusals there)."""
        if client < 0:
            return list(self._refusals)
        if not self._bits >> client & 1:
            return []
        return [entry for entry in self._refusals if entry[0] == client]

    def end(self, client: int, bucket: int, what: Any = None) -> list[int]:
        """End those of the client, of the bucket, or of what is the very same (-1, -1, None: any); O(refusals there).

        Gives the client of each.
        """
        gone = []
        left = []
        for entry in self._refusals:
            if (
                client in (-1, entry[0])
                and bucket in (-1, entry[1])
                and (what is None or what is entry[2])
            ):
                gone.append(entry[0])
            else:
                left.append(entry)
        if gone:
            self._refusals = left or ()
            self._bits = 0
            for entry in left:
                self._bits |= 1 << entry[0]
            if not left:
                self.floor = None
        return gone


class Account:
    """What is out in a role, by column, and what its quota says.

    ``unmet``: a guarantee lacks something.
    """

    __slots__ = ("_guarantees", "_lacks", "_limits", "_quotas", "_units", "unmet")

    def __init__(self) -> None:
        self._units: list[int] = []
        self._quotas: Quotas | None = None
        self._guarantees: tuple[int, ...] = ()
        self._limits: tuple[int, ...] = ()
        self._lacks: list[int] = []  # what guarantees lack and limits allow
        self.unmet = False

    def add(self, vector: Vector, sign: int) -> None:
        """So much more, or (-1) less, is out; O(columns)."""
        units = self._units
        for j, q in enumerate(vector.amounts):
            if j == len(units):
                units.append(0)
            units[j] += sign * q
        if self._quotas is not None:
            self._settle()
            self._quotas.loosened += sign < 0

    def sums(self) -> list[int]:
        """What is out, by column; O(columns)."""
        return list(self._units)

    def set_quota(
        self, quotas: Quotas, guarantees: tuple[int, ...], limits: tuple[int, ...]
    ) -> None:
        """Its guarantees and limits by column, in as many columns; a limit of -1 is none; both empty: no quota.

        O(columns).
        """
        if self._quotas is not None:
            self._guarantees = self._limits = (0,) * len(self._lacks)
            self._settle()
            self._quotas = None
        self._guarantees, self._limits = guarantees, limits
        self._lacks = [0] * len(guarantees)
        quotas.widen(len(guarantees))
        quotas.loosened += 1
        if guarantees:
            self._quotas = quotas
            self._settle()

    def _settle(self) -> None:
        """What it lacks, as it is by now, here and in the sums of all."""
        quotas = self._quotas
        assert quotas is not None
        unmet = False
        for j, guarantee in enumerate(self._guarantees):
            out = self._units[j] if j < len(self._units) else 0
            lack = max(guarantee - out, 0)
            unmet = unmet or lack > 0
            if self._limits[j] >= 0:
                lack = min(lack, max(self._limits[j] - out, 0))
            quotas.lacking[j] += lack - self._lacks[j]
            self._lacks[j] = lack
        quotas.unmet += unmet - self.unmet
        self.unmet = unmet

    def is_full(self, columns: int) -> bool:
        """Whether its limits allow nothing more in any of so many columns; O(columns)."""
        return len(self._limits) >= columns and not any(self.left(j, 1) for j in range(columns))

    def left(self, j: int, most: int) -> int:
        """As much of it in the column as the limit still allows; O(1)."""
        if j >= len(self._limits) or self._limits[j] < 0:
            return most
        out = self._units[j] if j < len(self._units) else 0
        return min(most, max(self._limits[j] - out, 0))

    def lack(self, j: int) -> int:
        """What the guarantee lacks in the column, whatever limits say; O(1)."""
        if j >= len(self._guarantees):
            return 0
        out = self._units[j] if j < len(self._units) else 0
        return max(self._guarantees[j] - out, 0)


class Quotas:
    """The roles with quota: how many lack something, and how much they lack together, by column.

    ``loosened`` counts what may allow a role more: something came back, quota changed, a role got frameworks.
    Reservations do not count here, nor what is out in roles below: where there are such, the long way is taken.
    """

    __slots__ = ("lacking", "loosened", "unmet")

    def __init__(self) -> None:
        self.loosened = 0
        self.lacking: list[int] = []
        self.unmet = 0

    def widen(self, columns: int) -> None:
        """So many columns at least; O(columns)."""
        self.lacking.extend([0] * (columns - len(self.lacking)))


class Places:
    """Agents that matter to a client, and some that did; ``mark``: when to sort them out.

    One on which a framework has something is there at least as often as the framework is a holder there, of what is
    offered or held. None: one that left.

    Those of different numbers have different ``slack``, so that not all are sorted out in the same cycle.
    """

    __slots__ = ("mark", "sites", "slack")

    def __init__(self, number: int = 0) -> None:
        self.sites: list[Any] = untracked()
        self.mark = self.slack = 256 + 16 * (number % 32)

    def leave(self, site: Any) -> None:
        """One entry of the agent less, if its place is known; O(1)."""
        sites = self.sites
        if site.place < len(sites) and sites[site.place] is site:
            sites[site.place] = None
            while sites and sites[-1] is None:
                sites.pop()

    def keep(self, framework: str) -> None:
        """Keep of each as many entries as the framework has there; O(sites)."""
        seen: dict[Any, int] = {}
        left = untracked()
        for site in self.sites:
            if site is not None and not site.gone:
                before = seen.get(site, 0)
                if before < site.entries(framework):
                    seen[site] = before + 1
                    left.append(site)
        self.sites = left
        self.mark = 2 * len(left) + self.slack


class Client:
    """A framework in a role, as the dealing of whole agents sees it.

    ``index`` numbers the clients. ``simple``: it takes any agent that is worth an offer, and ``open``: also a guarded
    one. ``got`` counts its offers of the run; ``last`` is the run in which it was offered something last, or began to
    wait, ``since`` when that was. ``refusals`` counts those that live; ``refused`` are the agents with some.
    """

    __slots__ = (
        "account",
        "framework",
        "got",
        "holder",
        "index",
        "last",
        "listed",
        "open",
        "order",
        "places",
        "refusals",
        "refused",
        "role",
        "simple",
        "since",
    )

    def __init__(self, framework: str, role: str, index: int) -> None:
        self.framework = framework
        self.role = role
        self.holder = (framework, role)
        self.index = index
        self.simple = self.open = False
        self.listed = False
        self.got = self.last = 0
        self.since: float | None = None
        self.refusals = 0
        self.refused = Places()
        self.places = Places()
        self.account = Account()
        self.order: Order | None = None


class Dealer:
    """Gives whole agents out: each to the first client in order that wants it, roles first, then frameworks in a role.

    Plain agents that need no second thought are dealt with here, with all that follows from an offer: what is free,
    both orders, the sums of the role. What is not plain takes the long way, which the wrapper knows. The hooks are
    `_face` (the vector of an amount), `_takes` (whether a client takes so much of an agent, on second thought), `_sum`
    (what is free when an amount is free besides), `_crowded` and `_outdated` (the client has many places, many
    refusals), `_passed` (a client was offered an agent that it refused), `_meet` (what two amounts both contain),
    `_cut` (so much of an amount, with all in it that has no column, and what is left).
    """

    def __init__(self) -> None:
        self.owner: Any = None  # what the vectors of amounts carry
        self.nothing: Any = None
        self.roles: Any = None
        self.version = 0  # of the totals
        self.listed = 0  # clients that are asked, by index
        self.picky = 0  # how many of all clients are not simple
        self.fresh: list[Client] = []  # those that got something since it was emptied
        self.clients: list[Any] = []  # by index, None where one is gone
        # Counted since the start: agents looked at, clients asked or passed over, words of refusals read.
        self.visited = self.tested = self.words = 0
        self.quotas = Quotas()
        self._all_full = -1  # how often quotas had been loosened when no role might have anything
        # Of one cycle with quota: what guarantees can count on, what they lack, whether that follows from what is out.
        self._available: list[int] | None = None
        self._lacking: list[int] = []
        self._live = False
        self._out: tuple[list[Any], list[Any], list[Any]] = ([], [], [])

    # -- hooks of the wrapper

    def _face(self, amount: Any) -> Vector:
        raise NotImplementedError

    def _sum(self, site: Any, amount: Any) -> Any:
        raise NotImplementedError

    def _crowded(self, client: Client) -> None:
        raise NotImplementedError

    def _outdated(self, client: Client) -> None:
        raise NotImplementedError

    def _passed(self, client: Client, site: Any) -> None:
        raise NotImplementedError

    def _meet(self, floor: Any, what: Any) -> Any:
        raise NotImplementedError

    def _cut(self, amount: Any, units: tuple[int, ...]) -> tuple[Any, Any]:
        raise NotImplementedError

    def _takes(self, client: Client, site: Any, part: Any) -> bool:
        raise NotImplementedError

    # -- clients

    def catch_up(self, order: Any) -> None:
        """Let an order of frameworks see the totals that the roles' order has; O(columns)."""
        order._seen = self.version
        order._take_totals(self.roles)

    def counted(self, run: int, now: float) -> tuple[list[Client], list[int]]:
        """The clients that were offered something since the last time, in that run, and how often; O(of them)."""
        clients = self.fresh
        counts = []
        for client in clients:
            counts.append(client.got)
            client.got = 0
            client.last = run
            client.since = now
        self.fresh = []
        return clients, counts

    def set_listed(self, client: Client, listed: bool) -> None:
        """Whether the client is asked; O(1)."""
        client.listed = listed
        self.listed = self.listed & ~(1 << client.index) | listed << client.index

    def _face_of(self, amount: Any) -> Vector:
        face: Vector | None = amount.memo
        return face if face is not None and face.owner is self.owner else self._face(amount)

    # -- within quota

    def survey(self, sites: Sequence[Any]) -> int:
        """Whether nothing is free there (0), only plain amounts are (1), or there is more (2); O(agents)."""
        found = 0
        for site in sites:
            free = site.free
            if free is self.nothing:
                continue
            face = self._face_of(free)
            if site.odd or not face.plain:
                return 2
            found = 1
        return found

    def free_on(self, sites: Sequence[Any]) -> list[int]:
        """What is free on plain agents in all, by column; O(agents x columns)."""
        units: list[int] = []
        for site in sites:
            free = site.free
            if free is self.nothing:
                continue
            face = self._face_of(free)
            units.extend([0] * (len(face.amounts) - len(units)))
            for j, q in enumerate(face.amounts):
                units[j] += q
        return units

    def deal_within(
        self,
        first: Sequence[Any],
        second: Sequence[Any],
        available: list[int] | None,
        live: bool,
        clients: list[Any],
        where: list[Any],
        amounts: list[Any],
    ) -> None:
        """Offer plain agents within quota: in one turn what guarantees lack, then what limits and headroom leave.

        ``available`` is what guarantees can count on, None where they lack nothing. ``live``: what they lack follows
        from what is out; else, as in Mesos, only what is given towards them counts. Appends to the three lists whom it
        offered what of which agent. O(agents x clients) at worst.
        """
        if len(self.roles._totals) > len(self.quotas.lacking):
            self.quotas.widen(len(self.roles._totals))
            self.quotas.loosened += 1
        self._available = available
        self._live = live
        self._lacking = self.quotas.lacking if live else list(self.quotas.lacking)
        self._out = clients, where, amounts
        if self.quotas.unmet:
            lacking = self._listed_for(True)
            for site in first:
                if site.free is not self.nothing:
                    self._offer(site, lacking, True)
        left = [site for site in second if site.free is not self.nothing]
        if not left or self._all_full == self.quotas.loosened:
            return
        within = self._listed_for(False)
        if not within:
            self._all_full = self.quotas.loosened
        for site in left:
            if within and self._is_worth(site):
                self._offer(site, within, False)

    def _listed_for(self, towards: bool) -> list[tuple[float, int, str]]:
        """The roles in order that may have something, of those that are asked; ``towards``: that guarantees lack."""
        if self.roles._stale:
            self.roles._rebuild()
        out = []
        for block in self.roles._blocks:
            for entry in block:
                order = self.roles._things[self.roles._rows[entry[2]]]
                if order is not None and self._may_have(order.account, towards):
                    out.append(entry)
        return out

    def _may_have(self, account: Account, towards: bool) -> bool:
        """Whether its guarantees lack something, or (not ``towards``) its limits allow something."""
        return account.unmet if towards else not account.is_full(len(self.roles._totals))

    def _offer(self, site: Any, roles: list[tuple[float, int, str]], towards: bool) -> None:
        """Offer roles in turn what they may have of the agent; ``towards``: if their guarantees lack some of it.

        Those that may have something are given in order, and are those by then afterwards.
        """
        k = 0
        while k < len(roles) and site.free is not self.nothing:
            role = roles[k][2]
            order = self.roles._things[self.roles._rows[role]]
            if not self._serve(order, site, towards):
                k += 1
                continue
            del roles[k]
            if self._may_have(order.account, towards):
                insort(roles, self.roles._key(role))

    def _is_worth(self, site: Any) -> bool:
        """Whether what headroom leaves of the agent is worth an offer to anybody, if no limit cut it."""
        if self.picky or not self._is_short():
            return True
        face = self._face_of(site.free)
        units = tuple(min(q, self._surplus(j)) for j, q in enumerate(face.amounts))
        return self._face_of(self._piece(site.free, face, units)[0]).worth

    def _is_short(self) -> bool:
        """Whether headroom is kept for guarantees."""
        return self._available is not None and any(self._lacking)

    def _surplus(self, j: int) -> int:
        assert self._available is not None
        return max(self._available[j] - self._lacking[j], 0)

    def _serve(self, order: Any, site: Any, towards: bool) -> bool:
        """Offer the first of a role's frameworks that wants it what the role may have of the agent; whether one does.

        ``towards``: if guarantees of the role lack some of it. That is all that it may have there, in this cycle.
        """
        free = site.free
        face = self._face_of(free)
        units, given = self._due(order.account, face, towards)
        if towards and not any(given):
            return False
        part, left = self._piece(free, face, units)
        if part is self.nothing:
            return False
        small = self._face_of(part)
        if not (small.worth or self.picky):
            return False
        settled = bool(site._bits) and (site.floor is part or part <= site.floor)
        client = self._taker(order, site, part, face.worth and small.worth, settled)
        if client is None:
            return False
        self._hand(client, site, part, small, left, given)
        return True

    def _due(
        self, account: Account, face: Vector, towards: bool
    ) -> tuple[tuple[int, ...], list[int]]:
        """How much the role may have, by column, and how much of that its guarantees lack."""
        units, given = [], []
        short = self._is_short()
        for j, q in enumerate(face.amounts):
            most = account.left(j, q)
            part = min(most, account.lack(j)) if towards else 0
            extra = most - part
            if short:
                extra = min(extra, self._surplus(j))
            units.append(part + extra)
            given.append(part)
        return tuple(units), given

    def _piece(self, free: Any, face: Vector, units: tuple[int, ...]) -> tuple[Any, Any]:
        """So much of it, with all in it that has no column, and what is left."""
        if units == face.amounts:
            return free, self.nothing
        if face.cuts is None or len(face.cuts) >= CUTS:
            face.cuts = {}
        found = face.cuts.get(units)
        if found is None:
            found = face.cuts[units] = self._cut(free, units)
        return found

    def _taker(self, order: Any, site: Any, part: Any, worth: bool, settled: bool) -> Client | None:
        """The first of a role's frameworks that takes the part of the agent, or all of it.

        ``worth``: it is worth an offer; ``settled``: who refused anything there refuses it.
        """
        if order._seen != self.version:
            self.catch_up(order)
        if order._stale:
            order._rebuild()
        bits = site._bits
        for below in order._blocks:
            for _, _, framework in below:
                client: Client = order._things[order._rows[framework]]
                self.tested += 1
                if bits >> client.index & 1:
                    if settled:
                        continue
                elif client.simple and not worth:
                    continue
                elif client.simple and (client.open or not site.guarded):
                    return client
                if self._takes(client, site, part):
                    return client
        return None

    def _hand(
        self, client: Client, site: Any, part: Any, face: Vector, left: Any, given: list[int]
    ) -> None:
        """It is offered the part; what guarantees can count on, and lack, is less."""
        if not self._has_room(client, face):
            self.roles._overflown(client.role, face)
        self._give(client, site, part, face, left)
        if self._available is not None:
            for j, q in enumerate(face.amounts):
                self._available[j] = max(self._available[j] - q, 0)
        if not self._live:
            for j, q in enumerate(given):
                self._lacking[j] = max(self._lacking[j] - q, 0)
        clients, where, amounts = self._out
        self.count(client)
        clients.append(client)
        where.append(site)
        amounts.append(part)

    # -- what is given and comes back

    def deal(
        self,
        sites: Sequence[Any],
        start: int,
        clients: list[Any],
        where: list[Any],
        amounts: list[Any],
    ) -> int:
        """Offer the agents from ``start`` on; where it stopped: the end, or an agent that takes the long way.

        Appends to the three lists whom it offered what of which agent. O(agents x clients) at worst.
        """
        for i in range(start, len(sites)):
            site = sites[i]
            free = site.free
            if free is self.nothing:
                continue
            face = self._face_of(free)
            if site.odd or not face.plain:
                return i
            self.visited += 1
            client = self._choose(site, free, face)
            if client is None:
                continue
            if not self._has_room(client, face):
                return i
            self._give(client, site, free, face, self.nothing)
            self.count(client)
            clients.append(client)
            where.append(site)
            amounts.append(free)
        return len(sites)

    def _choose(self, site: Any, free: Any, face: Vector) -> Client | None:
        """The first client in order that takes the agent."""
        worth = face.worth
        if not worth and not self.picky:
            return None
        bits = site._bits
        settled = bool(bits) and (site.floor is free or free <= site.floor)
        # At least so many are left: some of those who refused may not be asked at all.
        if settled and self._are_few(self.listed.bit_count() - bits.bit_count()):
            left = self.listed & ~bits
            self.words += (len(self.clients) + 63) // 64
            if self._are_few(left.bit_count()):
                return self._least(site, left, worth)
        if self.roles._stale:
            self.roles._rebuild()
        for block in self.roles._blocks:
            for _, _, role in block:
                order = self.roles._things[self.roles._rows[role]]
                if order is None:
                    continue
                client = self._taker(order, site, free, worth, settled)
                if client is not None:
                    return client
        return None

    def _are_few(self, count: int) -> bool:
        """Whether comparing the keys of so many costs less than walking over all until one of them comes."""
        return count <= 0 or 16 * count * count < self.listed.bit_count()

    def _least(self, site: Any, left: int, worth: bool) -> Client | None:
        """The same where few clients are left: the least of their keys, and the next where that one does not pass."""
        if left and self.roles._stale:
            self.roles._rebuild()
        keyed = []
        while left:
            client: Client = self.clients[(left & -left).bit_length() - 1]
            left &= left - 1
            self.tested += 1
            if client.simple and not worth:
                continue
            order: Any = client.order
            if order._seen != self.version:
                self.catch_up(order)
            if order._stale:
                order._rebuild()
            keyed.append((*self.roles._key(client.role), *order._key(client.framework), client))
        for *_, client in sorted(keyed, key=lambda entry: entry[:-1]):
            takes = client.simple and (client.open or not site.guarded)
            if takes or self._takes(client, site, site.free):
                return client
        return None

    def _has_room(self, client: Client, face: Vector) -> bool:
        """Whether neither sum would pass the limit of 2**53."""
        order = client.order
        assert order is not None
        own = order._held[order._rows[client.framework]]
        above = self.roles._held[self.roles._rows[client.role]]
        for j, q in enumerate(face.amounts):  # noqa: SIM110 (a generator takes twice as long)
            if own[j] + q > LIMIT or above[j] + q > LIMIT:
                return False
        return True

    def _give(self, client: Client, site: Any, amount: Any, face: Vector, left: Any) -> None:
        """It is offered so much there, which leaves the rest."""
        if site._bits >> client.index & 1:
            self._passed(client, site)
        there = site.offered.get(client.holder)
        site.offered[client.holder] = amount if there is None else there + amount
        site.free = left
        places = client.places
        site.place = len(places.sites)
        places.sites.append(site)
        if len(places.sites) > places.mark:
            self._crowded(client)
        client.order._charge(client.framework, face, 1, 1)  # type: ignore[union-attr]
        self.roles._charge(client.role, face, 1, 1)
        client.account.add(face, 1)

    def count(self, client: Client) -> None:
        """It has one offer more; O(1)."""
        if not client.got:
            self.fresh.append(client)
        client.got += 1

    def take_back(self, client: Client, site: Any, amount: Any, held: bool) -> bool:
        """What was offered (or is held) there comes back; False, and nothing done, where it takes the long way."""
        if self.roles is None or self.roles._apart or client.order is None or not site.even:
            return False
        face = self._face_of(amount)
        if not face.plain:
            return False
        where = site.held if held else site.offered
        there = where.get(client.holder)
        if there is None or not (there is amount or there == amount):
            return False
        site.free = amount if site.free is self.nothing else self._sum(site, amount)
        del where[client.holder]
        client.places.leave(site)
        site.growth += 1
        client.order._charge(client.framework, face, -1, 0)
        self.roles._charge(client.role, face, -1, 0)
        client.account.add(face, -1)
        return True

    def refuse(self, client: Client, site: Any, what: Any, bucket: int, ending: list[Any]) -> None:
        """The client refuses so much of the agent; the bucket's list of agents gets one more; O(1)."""
        floor = site.floor
        floor = what if floor is None or floor is what else self._meet(floor, what)
        site.refuse(client.index, bucket, what, floor)
        client.refusals += 1
        client.refused.sites.append(site)
        if len(client.refused.sites) > client.refused.mark:
            self._outdated(client)
        ending.append(site)

    def decline(
        self,
        clients: list[Any],
        sites: list[Any],
        amounts: list[Any],
        which: Sequence[int],
        start: int,
        bucket: int,
        ending: list[Any] | None,
    ) -> int:
        """Those of the offers, in columns, come back, from the ``start``-th on, and are refused (None: they are not).

        Where it stopped: the end, or one that takes the long way; O(offers).
        """
        for i in range(start, len(which)):
            n = which[i]
            if not self.take_back(clients[n], sites[n], amounts[n], False):
                return i
            if ending is not None:
                self.refuse(clients[n], sites[n], amounts[n], bucket, ending)
        return len(which)


class Offer:
    """So much of one agent, for one framework in one role, until it is answered.

    ``tasks`` are the requested shapes it was cut for, with their numbers. ``expires`` is when it ends unanswered, None
    for never. Offers that were made together, for tasks that start together, have the id of the first as ``group``:
    declining one declines all of them, and where one ends unanswered all do.
    """

    __slots__ = ("agent", "expires", "framework", "group", "id", "resources", "role", "tasks")

    def __init__(
        self,
        id: int,
        framework: str,
        role: str,
        agent: str,
        resources: Any,
        tasks: tuple[Any, ...] = (),
        group: int | None = None,
        expires: float | None = None,
    ) -> None:
        self.id = id
        self.framework = framework
        self.role = role
        self.agent = agent
        self.resources = resources
        self.tasks = tasks
        self.group = group
        self.expires = expires

    @property
    def max_duration(self) -> float | None:
        """Seconds that a task on it may run at most, None for no bound; O(objects)."""
        return self.resources.longest  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return (
            f"Offer(id={self.id}, framework={self.framework!r}, role={self.role!r}, agent={self.agent!r}, "
            f"resources={str(self.resources)!r})"
        )


def records(
    start: int, clients: list[Any], sites: list[Any], amounts: list[Any], expires: float | None
) -> list[Offer]:
    """The offers of what was dealt, numbered from ``start`` on; O(offers)."""
    return [
        Offer(start + i, client.framework, client.role, site.name, amount, (), None, expires)
        for i, (client, site, amount) in enumerate(zip(clients, sites, amounts, strict=True))
    ]


def shuffle(items: list[Any], state: int) -> int:
    """Shuffle in place (Fisher-Yates from the end) with SplitMix64 from that state on; the state after it; O(n)."""
    for i in range(len(items) - 1, 0, -1):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        j = ((z ^ (z >> 31)) * (i + 1)) >> 64
        items[i], items[j] = items[j], items[i]
    return state


def share_of(
    demand: Sequence[int], count: int, counted: Sequence[int], weight: float | tuple[float, ...]
) -> float:
    """The dominant share by weight of so many tasks: the one expression that whole tasks are ordered by."""
    share = 0.0
    if isinstance(weight, tuple):
        for j, top in enumerate(counted):
            if top > 0:
                share = max(share, (count * demand[j] / top) / weight[j])
        return share
    for j, top in enumerate(counted):
        if top > 0:
            share = max(share, count * demand[j] / top)
    return share / weight


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
    after: bool = False,
) -> tuple[list[int], list[int]]:
    """Progressive filling with whole tasks: the user with the lowest share gets its next task, as long as one fits.

    Algorithm 1 of the DRF paper (Ghodsi et al., NSDI 2011). ``demands[i]`` are the units of one task of user i,
    ``counted`` is the capacity that shares are divided by (0: the resource does not count), ``caps[i]`` the most tasks
    (-1: no end), ties go to the lower number of tasks (if ``by_grants``), then to the lower rank. A user whose task
    does not fit is dropped, or ends the filling (``stop``). With ``after`` the share that a user would have after its
    next task decides. Gives the tasks of each user, and the users in the order they were picked. O(tasks (log users +
    resources)).
    """
    free = list(capacity)
    columns = range(len(free))
    tasks = [0] * len(demands)
    picks: list[int] = []
    ahead = int(after)
    heap: list[tuple[float, int, int, int]] = []
    for i in range(len(demands)):
        heap.append((share_of(demands[i], ahead, counted, weights[i]), 0, ranks[i], i))
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
        share = share_of(demand, tasks[i] + ahead, counted, weights[i])
        heappush(heap, (share, tasks[i] if by_grants else 0, rank, i))
    return tasks, picks


def fill_in_bulk(
    demands: Sequence[Sequence[int]],
    capacity: Sequence[int],
    counted: Sequence[int],
    weights: Sequence[float | tuple[float, ...]],
    caps: Sequence[int],
    ranks: Sequence[int],
    by_grants: bool,
    stop: bool,
    after: bool = False,
) -> list[int]:
    """The tasks of each user as `fill` gives them, found by searching for the level that filling gets to.

    >>> fill_in_bulk([[1, 4], [3, 1]], [9, 18], [9, 18], [1.0, 1.0], [-1, -1], [0, 1], True, False)
    [3, 2]

    The order of `fill` merges, for each user, the keys of its tasks. So what is given before the first task that does
    not fit is every task below some level, and a few more one at a time. O(rounds x users x (resources + log users)),
    whatever the number of tasks: a round is a guess at the level, a few looks at all users, and about a task a user one
    at a time; the next goes on with those whose task still fits.
    """
    filling = _Filling(demands, capacity, counted, weights, caps, ranks, by_grants, after)
    while filling.users and not (filling.approach(stop) or filling.finish(stop)):
        pass
    return filling.given


class _Filling:
    """Whole tasks as they are given: who is still in, what each has, what is free, and the level that was reached.

    The users that are still in have every task with a key below the level. What is estimated in floats only says where
    to look: tasks are given where they were counted to fit.
    """

    def __init__(
        self,
        demands: Sequence[Sequence[int]],
        capacity: Sequence[int],
        counted: Sequence[int],
        weights: Sequence[float | tuple[float, ...]],
        caps: Sequence[int],
        ranks: Sequence[int],
        by_grants: bool,
        after: bool,
    ) -> None:
        n = len(demands)
        self.demands, self.weights, self.caps, self.ranks = demands, weights, caps, ranks
        self.by_grants, self.after = by_grants, int(after)
        self.capacity, self.free = capacity, list(capacity)
        self.columns = range(len(self.free))
        self.counted = counted
        # What a task takes of each capacity, about.
        self.parts = [
            [q / top if q else 0.0 for q, top in zip(demand, capacity, strict=True)]
            for demand in demands
        ]
        self.given = [0] * n
        self.counts = [0] * n  # what users would have in all at the level looked at
        self.users = [i for i in range(n) if caps[i] != 0]
        self.level = 0.0
        self.step = (
            0.0  # of the level, in which about the square root of the users in tasks is given
        )
        # How many tasks make a share of 1, about; without end where a task costs no share.
        costs = [self.key(i, 1 - self.after) for i in range(n)]
        self.rates = [1.0 / cost if cost else INF for cost in costs]
        # Of the last estimate: the part of each capacity that is free, that would be used, how fast that rises with the
        # level, and how fast the number of tasks rises.
        self.left = [0.0] * len(self.free)
        self.used = [0.0] * len(self.free)
        self.slope = [0.0] * len(self.free)
        self.rising = 0.0

    def key(self, i: int, count: int) -> float:
        """The key of the task that the user gets after so many."""
        return share_of(self.demands[i], count + self.after, self.counted, self.weights[i])

    def alone(self, i: int) -> int:
        """How many more tasks of this user would fit."""
        return min(f // q for f, q in zip(self.free, self.demands[i], strict=True) if q > 0)

    def fits(self, i: int) -> bool:
        """Whether one more task of this user fits."""
        return all(map(le, self.demands[i], self.free))

    def give(self, i: int, more: int) -> None:
        demand = self.demands[i]
        for j in self.columns:
            self.free[j] -= more * demand[j]
        self.given[i] += more

    # -- many tasks at once

    def approach(self, stop: bool) -> bool:
        """Give tasks until about one a user is left before the first that does not fit; True if the filling is over."""
        if any(self.rates[i] == INF for i in self.users):
            # Tasks that cost no share come before all others.
            if not self.reach(SMALLEST):
                self.step = SMALLEST
                return self.tied(SMALLEST, stop)
            self.users = [i for i in self.users if self.given[i] != self.caps[i]]
        few = len(self.users) + 64.0
        floor, ceiling = self.level, INF
        level = self.guess()
        if level == INF and self.reach(INF):
            return True  # everybody has its most
        if self.rising == 0.0:
            for i in self.users:
                self.rising += self.rates[i]
        rising = self.rising
        step = few / rising
        self.step = few**0.5 / rising
        level -= self.step  # so that it mostly fits: a guess is off by about so many tasks
        while (ceiling - floor) * rising > 2.0 * few:
            if not floor < level < ceiling:
                level = floor + (ceiling - floor) / 2 if ceiling < INF else floor + step
                if ceiling < INF and not floor < level < ceiling:
                    self.level, self.step = floor, ceiling - floor
                    return self.tied(ceiling, stop)
            if self.estimate(level, -self.after) and self.reach(level):
                floor = level
                level += step
            else:
                ceiling = level
                level -= step
            step *= 4.0
        self.level = floor
        return False

    def guess(self) -> float:
        """About the level at which a task does not fit: that of divisible tasks, half a task ahead of the level.

        By Newton's rule from below, as what is used rises ever slower when users come to their caps.
        """
        level = self.level
        for _ in range(12):
            self.estimate(level, 0.5 - self.after)
            more = INF
            for j in self.columns:
                if self.slope[j] > 0.0:
                    more = min(more, (self.left[j] - self.used[j]) / self.slope[j])
            level += more
            if more == INF or more * self.rising < 1.0:
                break
        return level

    def estimate(self, level: float, ahead: float) -> bool:
        """About what tasks up to the level use, each user so far ahead of it; False if that is more than is free."""
        self.rising = 0.0
        for j in self.columns:
            self.left[j] = self.free[j] / self.capacity[j] if self.capacity[j] else 0.0
            self.used[j] = self.slope[j] = 0.0
        for i in self.users:
            rate = self.rates[i]
            count = level * rate + ahead
            if 0 <= self.caps[i] <= count:
                count = float(self.caps[i])
                rate = 0.0
            count -= self.given[i]
            part = self.parts[i]
            for j in self.columns:
                self.used[j] += count * part[j]
                self.slope[j] += rate * part[j]
            self.rising += rate
        return all(self.used[j] <= self.left[j] + ROUGH for j in self.columns)

    def reach(self, level: float) -> bool:
        """Give every task with a key below the level, if they all fit."""
        left = list(self.free)
        for i in self.users:
            count = self.below(i, level)
            more = count - self.given[i]
            demand = self.demands[i]
            for j in self.columns:
                left[j] -= more * demand[j]
                if left[j] < 0:
                    return False
            self.counts[i] = count
        self.free = left
        for i in self.users:
            self.given[i] = self.counts[i]
        return True

    def below(self, i: int, level: float) -> int:
        """How many tasks of this user have a key below the level: at least what it has, at most its cap."""
        least, most = self.given[i], self.caps[i]
        guess = level * self.rates[i] - self.after
        if most < 0 and guess == INF:
            most = least + self.alone(i) + 1  # one is there to be refused
        if 0 <= most <= guess:
            high = most
        else:
            high = max(ceil(guess), least)
        # The guess is off by a rounding: a task or so, more where there are more than 2**53.
        low = high
        step = 1
        if high != most and self.key(i, high) < level:
            while True:
                low = high + 1
                high += step
                step *= 2
                if 0 <= most <= high:
                    high = most
                    break
                if self.key(i, high) >= level:
                    break
        else:
            while low > least and self.key(i, low - 1) >= level:
                high = low - 1
                low = max(low - step, least)
                step *= 2
            low = min(low, high)
        while low < high:
            middle = (low + high) // 2
            if self.key(i, middle) < level:
                low = middle + 1
            else:
                high = middle
        return low

    def tied(self, level: float, stop: bool) -> bool:
        """Give of many tasks with one key, just below the level, until one does not fit; True if the filling is over.

        Whole turns of a task each, or each user all of its own by rank.
        """
        low, high = -1, 0
        for i in self.users:
            self.counts[i] = min(self.below(i, level), self.given[i] + self.alone(i) + 1)
            low = self.given[i] if low < 0 else min(low, self.given[i])
            high = max(high, self.counts[i])
        if self.by_grants:
            while high - low > 1:
                middle = (low + high) // 2
                if self.turns(middle):
                    low = middle
                else:
                    high = middle
            return False
        for i in sorted(self.users, key=self.ranks.__getitem__):
            wanted = self.counts[i] - self.given[i]
            more = min(wanted, self.alone(i))
            self.give(i, more)
            if more < wanted and stop:
                return True
        return False

    def turns(self, turn: int) -> bool:
        """Give every tied task up to that turn, if they all fit."""
        left = list(self.free)
        for i in self.users:
            more = max(min(turn, self.counts[i]) - self.given[i], 0)
            demand = self.demands[i]
            for j in self.columns:
                left[j] -= more * demand[j]
                if left[j] < 0:
                    return False
        self.free = left
        for i in self.users:
            self.given[i] = max(min(turn, self.counts[i]), self.given[i])
        return True

    # -- one task at a time

    def finish(self, stop: bool) -> bool:
        """Give tasks in order until one does not fit, then about one a user; True if the filling is over.

        In bands of levels, so that only those users are put in order whose turn it may be.
        """
        limit = self.level + self.step
        left, since = INF, len(self.users)
        while self.users and left > 0:
            heap = [entry for i in self.users if (entry := self.entry(i))[0] < limit]
            heapify(heap)
            while heap and left > 0:
                i = heap[0][3]
                if self.given[i] == self.caps[i]:
                    heappop(heap)
                elif self.fits(i):
                    self.give(i, 1)
                    left -= 1
                    since += 1
                    entry = self.entry(i)
                    if entry[0] < limit:
                        heapreplace(heap, entry)
                    else:
                        heappop(heap)
                elif stop:
                    return True
                else:
                    heappop(heap)
                    if 8 * since >= len(self.users):  # a look at all of them is worth it
                        self.drop(stop)
                        heap = [entry for entry in heap if self.fits(entry[3])]
                        heapify(heap)
                        since = 0
                    left = min(left, len(self.users) + 64.0)
            if heap:
                self.level = heap[0][0]
            else:
                self.level = limit
                self.step *= 4.0
                limit += self.step
                self.drop(stop)
        return False

    def drop(self, stop: bool) -> None:
        """Leave out who has its most, or whose next task does not fit, unless that is to end the filling."""
        self.users = [
            i for i in self.users if self.given[i] != self.caps[i] and (stop or self.fits(i))
        ]

    def entry(self, i: int) -> tuple[float, int, int, int]:
        count = self.given[i]
        return (self.key(i, count), count if self.by_grants else 0, self.ranks[i], i)
