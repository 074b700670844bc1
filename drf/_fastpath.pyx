# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: cdivision=True, embedsignature=True, binding=True, autotestdict=False
"""The compiled kernels: the twin of `_purepath.py`, in the same order with the same names. They decide exactly the same."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport INFINITY as INF, ceil, fabs, sqrt
from libc.string cimport memcmp, memmove, memset

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define drf_prefetch(address) __builtin_prefetch(address)
    #else
    #define drf_prefetch(address)
    #endif
    """
    void prefetch "drf_prefetch" (const void *address) noexcept nogil

KERNEL = 11

cdef enum:
    LOAD = 256
    FEW = 4                              # so many entries take the only block of a small order
    CUTS = 64                            # the most pieces of one amount that are remembered
    AHEAD = 16                           # so many clients are fetched at a time, where there are
    MANY = 8192                          # rows, too many for the caches
    LINE = 64                            # bytes of memory that are fetched together

cdef long long LIMIT = 1LL << 53
cdef double ROUGH = 1e-12                # more than what rounding does to a sum of shares, less than matters
cdef double SMALLEST = 5e-324            # the least number above 0: below it are the keys of tasks that cost no share

cdef double EPOCH = 2.0 ** -256
cdef int EPOCHS = 6
cdef double LEAST = 2.0 ** -700
cdef double MOST = 2.0 ** 500
cdef double STEEPEST = 2.0 ** 756
cdef double SPLIT = 2.0 ** 27 + 1.0
cdef double NEAR = 2.0 ** -50
cdef double EARLY = 1.0 + NEAR

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define drf_popcount(x) __builtin_popcountll(x)
    #define drf_lowest(x) __builtin_ctzll(x)
    #else
    static int drf_popcount(unsigned long long x) { int n = 0; while (x) { x &= x - 1; n++; } return n; }
    static int drf_lowest(unsigned long long x) { int n = 0; while (!(x & 1)) { x >>= 1; n++; } return n; }
    #endif
    """
    int popcount "drf_popcount"(unsigned long long) nogil
    int lowest "drf_lowest"(unsigned long long) nogil

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item
    int PyUnicode_Compare(object, object) except? -1
    void PyObject_GC_UnTrack(PyObject *)


cdef void *_grown(void *old, size_t size) except NULL:
    cdef void *new = PyMem_Realloc(old, size)
    if new == NULL:
        raise MemoryError
    return new


cdef class Vector:
    """Amounts by column, in units, made once for a demand that comes again and again.

    ``plain``: they are all of what it was made of, but for ranges and sets. ``worth``: it is worth an offer, to one who
    said nothing else. ``cuts`` remembers pieces of it: by their units, each with what is left.
    """

    cdef readonly object owner
    cdef readonly bint plain, worth
    cdef dict cuts
    cdef Py_ssize_t size
    cdef long long *units
    # The piece that was cut last: so much in each column, the piece with what is left, and its own vector.
    cdef long long *cut_units
    cdef tuple cut
    cdef Vector cut_face

    def __cinit__(self, tuple amounts, object owner, bint plain=False, bint worth=False):
        cdef Py_ssize_t j
        self.owner = owner
        self.plain = plain
        self.worth = worth
        self.size = len(amounts)
        self.units = <long long *>_grown(NULL, (self.size + 1) * sizeof(long long))
        for j in range(self.size):
            self.units[j] = amounts[j]

    def __dealloc__(self):
        PyMem_Free(self.units)
        PyMem_Free(self.cut_units)

    @property
    def amounts(self):
        return tuple([self.units[j] for j in range(self.size)])

    def __repr__(self):
        return f"Vector({self.amounts})"


cdef struct Block:
    int size, room
    int slots                            # half as many more, so that the first entry leaves without moving the others
    double *share                        # of the first entry, somewhere in the slots
    int *row


cdef Block *_new_block(int room) except NULL:
    """An empty block for so many entries, which stand behind it."""
    cdef int slots = room + room // 2
    cdef Block *block = <Block *>_grown(NULL, sizeof(Block) + slots * (sizeof(double) + sizeof(int)))
    block.size = 0
    block.room = room
    block.slots = slots
    block.share = <double *>(block + 1)
    block.row = <int *>(block.share + slots)
    return block


cdef inline void take_out(Block *block, int i) noexcept nogil:
    """The entry leaves the block; O(entries), O(1) for the first."""
    block.size -= 1
    if i == 0:
        block.share += 1
        block.row += 1
    elif i < block.size:
        memmove(block.share + i, block.share + i + 1, (block.size - i) * sizeof(double))
        memmove(block.row + i, block.row + i + 1, (block.size - i) * sizeof(int))


cdef inline void put_in(Block *block, int i, double share, int row) noexcept nogil:
    """An entry comes to stand there, in a block that is not full; O(entries), O(1) at the end."""
    cdef double *start = <double *>(block + 1)
    if block.share + block.size == start + block.slots:
        memmove(start, block.share, block.size * sizeof(double))
        memmove(start + block.slots, block.row, block.size * sizeof(int))
        block.share = start
        block.row = <int *>(start + block.slots)
    if i < block.size:
        memmove(block.share + i + 1, block.share + i, (block.size - i) * sizeof(double))
        memmove(block.row + i + 1, block.row + i, (block.size - i) * sizeof(int))
    block.share[i] = share
    block.row[i] = row
    block.size += 1


cdef struct Row:
    # What the order has of one client, side by side, as a step reads it all; but for what is compared.
    double weight                        # 0 where there is one a column
    Block *home                          # where its entry stands, if it is in the order
    const char *text                     # the name's UTF-8; the name table keeps it alive; NULL: the row is free
    unsigned int length
    int client                           # the number of the record behind it
    bint active


cdef class Order:
    """Clients in order of share, then number of grants, then name; what each of them holds.

    The order is kept in blocks of at most LOAD entries, each entry (share, row), beside a directory of each block's
    last entry. A grant moves one entry: O(columns + log clients). A changed total makes every share stale; the next
    question recomputes and sorts them once: O(clients log clients).
    """

    cdef public object _owner            # what vectors made for this order carry
    cdef public long long _seen          # the version of the totals
    cdef list things                     # what stands behind a client: an order, or a record
    cdef int own_row                     # its row in the order above, if it stands behind a client there
    cdef public bint _apart              # whether the wrapper carries out `allocated` and `unallocated` itself
    cdef public bint _nested             # whether entries are nodes of a tree, so that the wrapper finds the next client
    cdef dict _rows
    cdef list _free
    cdef list _names
    cdef Py_ssize_t size, room           # rows in use or free again; rows there is memory for
    cdef Py_ssize_t columns, width       # columns in use; columns there is memory for
    cdef Row *rows                       # room
    cdef double *shares
    cdef long long *counts
    cdef unsigned long long *heads       # eight bytes of the name behind ``start``, as a number: most names compare by it
    cdef long long *held                 # room x width
    cdef double **weights                # a weight a column, of rows that have; NULL where nobody has
    cdef bytes start                     # what all names start with, or a part of it
    cdef long long *totals
    cdef char *counted
    cdef double *divisors                # the totals, 0 for what does not count for shares
    cdef Block **blocks
    cdef double *last_share
    cdef int *last_row
    cdef Py_ssize_t block_count, block_room
    cdef bint stale
    cdef list listing
    cdef object recent                   # the name that next() returned last, and its row
    cdef int recent_row
    cdef public object account           # of the role whose frameworks these are

    def __cinit__(self, *args, **kwargs):
        self._owner = object()
        self._rows = {}
        self._free = []
        self._names = []
        self.things = []
        self.recent_row = -1

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.block_count):
            PyMem_Free(self.blocks[i])
        if self.weights != NULL:
            for i in range(self.size):
                PyMem_Free(self.weights[i])
        PyMem_Free(self.weights)
        PyMem_Free(self.rows)
        PyMem_Free(self.shares)
        PyMem_Free(self.counts)
        PyMem_Free(self.heads)
        PyMem_Free(self.held)
        PyMem_Free(self.totals)
        PyMem_Free(self.counted)
        PyMem_Free(self.divisors)
        PyMem_Free(self.blocks)
        PyMem_Free(self.last_share)
        PyMem_Free(self.last_row)

    # -- hooks of the wrapper

    def _unknown(self, client):
        raise NotImplementedError

    def _vector(self, resources):
        raise NotImplementedError

    def _overdrawn(self, client, vector):
        raise NotImplementedError

    def _overflown(self, client, vector):
        raise NotImplementedError

    def _moved(self, client, resources, agent, sign):
        raise NotImplementedError

    def _descended(self):
        raise NotImplementedError

    def _undemanded(self, client):
        raise NotImplementedError

    def _served(self, k, demands):
        raise NotImplementedError

    # -- the verbs of the hot path

    def next(self):
        """The client with the lowest share, ties by number of grants, then name; None if none is active; O(1).

        O(clients log clients) once after a total changed.
        """
        cdef int row
        if self._nested:
            return self._descended()
        if self.stale:
            self._rebuild()
        if self.block_count == 0:
            return None
        row = self.blocks[0].row[0]
        self.recent_row = row
        self.recent = self._names[row]
        return self.recent

    def allocated(self, client, resources, *, agent=None):
        """The client was granted so much (on that agent); counts as one grant; O(resources + log clients).

        Raises UnknownName, InvalidQuantity.
        """
        cdef Vector vector
        cdef int row
        if self._apart or agent is not None:
            self._moved(client, resources, agent, 1)
            return
        row = self.row_of(client)
        if row < 0:
            self._unknown(client)
            return
        if type(resources) is Vector and (<Vector>resources).owner is self._owner:
            vector = <Vector>resources
        else:
            vector = self._vector(resources)
        if not self.grant(row, vector):
            self._overflown(client, vector)

    def unallocated(self, client, resources, *, agent=None):
        """The client gave so much back (on that agent); O(resources + log clients).

        Raises UnknownName, Overcommit where it holds less than that.
        """
        cdef Vector vector
        cdef Py_ssize_t j
        cdef long long *held
        cdef int row
        if self._apart or agent is not None:
            self._moved(client, resources, agent, -1)
            return
        row = self.row_of(client)
        if row < 0:
            self._unknown(client)
            return
        if type(resources) is Vector and (<Vector>resources).owner is self._owner:
            vector = <Vector>resources
        else:
            vector = self._vector(resources)
        held = self.held + row * self.width
        for j in range(vector.size):
            if held[j] < vector.units[j]:
                self._overdrawn(client, vector)
                return
        self.unplace(row)
        for j in range(vector.size):
            held[j] -= vector.units[j]
        self.place(row)

    def serve(self, k, demands):
        """The first client in order is granted its own demand, k times; the clients so picked, in turn.

        The same as `next` and `allocated` k times. It ends early where no client is active.
        O(k (resources + log clients)). Raises InputError where a client that is picked has no demand, and what
        `allocated` raises; then nothing is granted at all.
        """
        cdef Vector vector
        cdef Py_ssize_t left
        cdef int row
        cdef int fetched = 0
        cdef list picked = []
        cdef list given = []
        if self._apart or self._nested:
            return self._served(k, demands)
        left = k
        try:
            while left > 0:
                if self.stale:
                    self._rebuild()
                if self.block_count == 0:
                    break
                if fetched == 0 and self.size >= MANY and type(demands) is dict:
                    fetched = self.fetch(demands)
                fetched -= 1
                if left % 65536 == 0:
                    PyErr_CheckSignals()
                row = self.blocks[0].row[0]
                client = self._names[row]
                try:
                    demand = demands[client]
                except KeyError:
                    self._undemanded(client)
                    break
                if type(demand) is Vector and (<Vector>demand).owner is self._owner:
                    vector = <Vector>demand
                else:
                    vector = self._vector(demand)
                if not self.grant(row, vector):
                    self._overflown(client, vector)
                    break
                picked.append(client)
                given.append(vector)
                left -= 1
        except BaseException:
            for client, vector in zip(reversed(picked), reversed(given)):
                self._charge(client, vector, -1, -1)
            raise
        return picked

    # -- questions

    def sort(self):
        """All active clients, lowest share first; O(clients)."""
        cdef Py_ssize_t b
        cdef int i
        cdef list listing
        if self.stale:
            self._rebuild()
        if self.listing is None:
            listing = []
            for b in range(self.block_count):
                for i in range(self.blocks[b].size):
                    listing.append(self._names[self.blocks[b].row[i]])
            self.listing = listing
        return self.listing.copy()

    def first(self, k):
        """The first k of them, fewer if there are fewer; O(k)."""
        cdef Py_ssize_t b
        cdef int i
        cdef list out = []
        if self.stale:
            self._rebuild()
        for b in range(self.block_count):
            for i in range(self.blocks[b].size):
                if len(out) >= k:
                    return out
                out.append(self._names[self.blocks[b].row[i]])
        return out

    def share(self, client):
        """The client's dominant share divided by its weight; O(1). Raises UnknownName."""
        cdef int row = self.row_of(client)
        if row < 0:
            self._unknown(client)
            return 0.0
        if self.stale:
            self._rebuild()
        return self.shares[row]

    def grants(self, client):
        """How many grants the client has had: the tie-break; O(1). Raises UnknownName."""
        cdef int row = self.row_of(client)
        if row < 0:
            self._unknown(client)
            return 0
        return self.counts[row]

    def __contains__(self, client):
        return client in self._rows

    def __len__(self):
        return len(self._rows)

    # -- structure, called by the wrapper with checked arguments

    def _add_column(self):
        cdef Py_ssize_t i, j, width
        cdef long long *held
        if self.columns == self.width:
            width = 2 * self.width if self.width else 4
            held = <long long *>_grown(NULL, (self.room * width + 1) * sizeof(long long))
            memset(held, 0, self.room * width * sizeof(long long))
            for i in range(self.size):
                for j in range(self.columns):
                    held[i * width + j] = self.held[i * self.width + j]
            PyMem_Free(self.held)
            self.held = held
            self.totals = <long long *>_grown(self.totals, width * sizeof(long long))
            self.counted = <char *>_grown(self.counted, width)
            self.divisors = <double *>_grown(self.divisors, width * sizeof(double))
            for i in range(self.size):
                if self.rows[i].weight == 0.0:
                    self.weights[i] = <double *>_grown(self.weights[i], width * sizeof(double))
            self.width = width
        self.totals[self.columns] = 0
        self.counted[self.columns] = True
        self.divisors[self.columns] = 0.0
        for i in range(self.size):
            if self.rows[i].weight == 0.0:
                self.weights[i][self.columns] = 1.0
        self.columns += 1

    def _set_total(self, Py_ssize_t column, long long units):
        if self.totals[column] != units:
            self.totals[column] = units
            self.divide(column)
            self.stale = True

    cpdef int _take_totals(self, Order other) except -1:
        """The totals of another order with the same columns."""
        cdef size_t size = self.columns * sizeof(long long)
        cdef Py_ssize_t j
        if memcmp(self.totals, other.totals, size) != 0:
            memmove(self.totals, other.totals, size)
            for j in range(self.columns):
                self.divide(j)
            self.stale = True
        return 0

    cdef void divide(self, Py_ssize_t column) noexcept:
        """Note what shares of the column are divided by."""
        self.divisors[column] = <double>self.totals[column] if self.counted[column] else 0.0

    def _sums(self):
        cdef Py_ssize_t i, j
        cdef list out = [0] * self.columns
        for i in range(self.size):
            if self.rows[i].text != NULL:
                for j in range(self.columns):
                    if self.held[i * self.width + j]:
                        out[j] += self.held[i * self.width + j]
        return tuple(out)

    def _set_counted(self, Py_ssize_t column, bint counted):
        if self.counted[column] != counted:
            self.counted[column] = counted
            self.divide(column)
            self.stale = True

    def _add_row(self, str name, object weight, bint active):
        cdef int row
        cdef Py_ssize_t j, room
        cdef Py_ssize_t length = 0
        if self._free:
            row = self._free.pop()
        else:
            row = self.size
            if self.size == self.room:
                room = 2 * self.room if self.room else FEW
                self.held = <long long *>_grown(self.held, (room * self.width + 1) * sizeof(long long))
                self.rows = <Row *>_grown(self.rows, room * sizeof(Row))
                self.shares = <double *>_grown(self.shares, room * sizeof(double))
                self.counts = <long long *>_grown(self.counts, room * sizeof(long long))
                self.heads = <unsigned long long *>_grown(self.heads, room * sizeof(unsigned long long))
                if self.weights != NULL:
                    self.weights = <double **>_grown(self.weights, room * sizeof(double *))
                self.room = room
            self._names.append("")
            self.things.append(None)
            if self.weights != NULL:
                self.weights[row] = NULL
            self.size += 1
        self._rows[name] = row
        self._names[row] = name
        self.rows[row].text = PyUnicode_AsUTF8AndSize(name, &length)
        self.rows[row].length = <unsigned int>length
        self.take_name(row)
        for j in range(self.width):
            self.held[row * self.width + j] = 0
        self.counts[row] = 0
        self.put_weight(row, weight)
        self.shares[row] = 0.0
        self.rows[row].active = active
        self.rows[row].client = 0
        self.place(row)

    def _remove_row(self, name):
        cdef int row = self._rows[name]
        self.unplace(row)
        self.rows[row].active = False
        del self._rows[name]
        self._names[row] = ""
        self.things[row] = None
        self.rows[row].text = NULL
        self.put_weight(row, 1.0)
        self._free.append(row)
        if row == self.recent_row:
            self.recent_row = -1
            self.recent = None

    def _set_active(self, name, bint active):
        cdef int row = self._rows[name]
        if self.rows[row].active != active:
            self.unplace(row)
            self.rows[row].active = active
            self.place(row)

    def _attach(self, name, thing):
        cdef int row = self._rows[name]
        self.things[row] = thing
        if isinstance(thing, Order):
            (<Order>thing).own_row = row
        elif isinstance(thing, Client):
            self.rows[row].client = (<Client>thing).index

    def _key(self, name):
        cdef int row = self._rows[name]
        return self.shares[row], self.counts[row], name

    def _clients(self):
        return list(self._rows)

    def _is_active(self, name):
        return bool(self.rows[<int>self._rows[name]].active)

    def _set_weight(self, name, object weight):
        cdef int row = self._rows[name]
        self.unplace(row)
        self.put_weight(row, weight)
        self.place(row)

    def _get_weight(self, name):
        cdef int row = self._rows[name]
        if self.rows[row].weight == 0.0:
            return tuple([self.weights[row][j] for j in range(self.columns)])
        return self.rows[row].weight

    def _get_held(self, name):
        cdef int row = self._rows[name]
        return tuple([self.held[row * self.width + j] for j in range(self.columns)])

    def _get_totals(self):
        return tuple([self.totals[j] for j in range(self.columns)])

    def _charge(self, name, Vector vector, int sign, int grants):
        self.charge_row(self._rows[name], vector, sign, grants)

    cdef int charge_row(self, int row, Vector vector, int sign, int grants) except -1:
        """As `_charge`; an entry that stays where it is, as most do, is changed in place."""
        cdef long long *held = self.held + row * self.width
        cdef bint listed = not self.stale and self.rows[row].active
        cdef Block *block = NULL
        cdef double share
        cdef int i = 0
        cdef Py_ssize_t j
        if listed:
            block = self.rows[row].home
            while block.row[i] != row:
                i += 1
            # Only where both neighbours, if there are any, stand in the same block.
            listed = (i > 0 or block == self.blocks[0]) and (i + 1 < block.size or self.block_count == 1)
        if not listed:
            self.unplace(row)
        for j in range(vector.size):
            held[j] += sign * vector.units[j]
        self.counts[row] += grants
        if not listed:
            return self.place(row)
        self.listing = None
        share = self.share_of(row)
        if (i == 0 or self.before(block.share[i - 1], block.row[i - 1], share, row)) and (
            i + 1 == block.size or self.before(share, row, block.share[i + 1], block.row[i + 1])
        ):
            block.share[i] = self.shares[row] = share
            if i + 1 == block.size:
                self.set_last(0)
            return 0
        take_out(block, i)
        if i == block.size:
            self.set_last(0)
        return self.place(row)

    def _get_state(self, name):
        cdef int row
        known = self._rows.get(name)
        if known is None:
            return None
        row = known
        held = tuple([self.held[row * self.width + j] for j in range(self.columns)])
        return held, self.counts[row], bool(self.rows[row].active)

    def _set_state(self, name, tuple held, long long grants):
        cdef int row = self._rows[name]
        cdef Py_ssize_t j
        self.unplace(row)
        for j in range(<Py_ssize_t>len(held)):
            self.held[row * self.width + j] = held[j]
        self.counts[row] = grants
        self.place(row)

    # -- the order

    cdef inline int row_of(self, object client) except -2:
        cdef object row
        if client is self.recent and self.recent_row >= 0:
            return self.recent_row
        row = self._rows.get(client)
        if row is None:
            return -1
        return row

    cdef int grant(self, int row, Vector vector) except -1:
        """The client gets so much more, in one grant: 1, or 0 and nothing changes where that would pass the limit."""
        cdef long long *held = self.held + row * self.width
        cdef Py_ssize_t j
        for j in range(vector.size):
            if held[j] + vector.units[j] > LIMIT:
                return 0
        self.unplace(row)
        for j in range(vector.size):
            held[j] += vector.units[j]
        self.counts[row] += 1
        self.place(row)
        return 1

    cdef int fetch(self, dict demands) except -1:
        """Touch what the next steps will read, all at once: one by one, the processor would wait for each. How many."""
        cdef int ahead = AHEAD if self.blocks[0].size > AHEAD else self.blocks[0].size
        cdef int rows[AHEAD]
        cdef int i, row
        cdef list found = []
        for i in range(ahead):
            row = rows[i] = self.blocks[0].row[i]
            prefetch(self.held + row * self.width)
            prefetch(&self.shares[row])
            prefetch(&self.counts[row])
            prefetch(&self.heads[row])
            prefetch(&self.rows[row])
            prefetch(<char *>&self.rows[row] + sizeof(Row) - 1)
            prefetch(<PyObject *>self._names[row])
        for i in range(ahead):
            found.append(demands.get(self._names[rows[i]]))
        for demand in found:
            if type(demand) is Vector:
                prefetch((<Vector>demand).units)
        return ahead

    cdef int take_name(self, int row) except -1:
        """A new name: what all start with may become shorter, which happens at most as often as that has bytes."""
        cdef Py_ssize_t common
        cdef const char *start
        cdef int i
        if self.start is None:
            self.start = self.rows[row].text[:self.rows[row].length]
        common = len(self.start)
        start = self.start
        if common > self.rows[row].length or memcmp(start, self.rows[row].text, common) != 0:
            common = 0
            while common < self.rows[row].length and start[common] == self.rows[row].text[common]:
                common += 1
            self.start = self.start[:common]
            for i in range(self.size):
                if self.rows[i].text != NULL:
                    self.put_head(i)
        else:
            self.put_head(row)
        return 0

    cdef void put_head(self, int row) noexcept:
        cdef Py_ssize_t i
        cdef Py_ssize_t common = len(self.start)
        cdef unsigned long long head = 0
        for i in range(common, common + 8):
            head <<= 8
            if i < self.rows[row].length:
                head |= <unsigned char>self.rows[row].text[i]
        self.heads[row] = head

    cdef int put_weight(self, int row, object weight) except -1:
        cdef Py_ssize_t j
        if isinstance(weight, tuple):
            if self.weights == NULL:
                self.weights = <double **>_grown(NULL, self.room * sizeof(double *))
                memset(self.weights, 0, self.room * sizeof(double *))
            self.weights[row] = <double *>_grown(self.weights[row], (self.width + 1) * sizeof(double))
            for j in range(self.columns):
                self.weights[row][j] = weight[j]
            self.rows[row].weight = 0.0
        else:
            self.rows[row].weight = weight
        return 0

    cdef double share_of(self, int row) noexcept nogil:
        cdef long long *held = self.held + row * self.width
        cdef double weight = self.rows[row].weight
        cdef double best = 0.0
        cdef double share
        cdef Py_ssize_t j
        if weight == 0.0:
            for j in range(self.columns):
                if self.divisors[j] > 0.0:
                    share = (<double>held[j] / self.divisors[j]) / self.weights[row][j]
                    if share > best:
                        best = share
            return best
        for j in range(self.columns):
            if self.divisors[j] > 0.0:
                share = <double>held[j] / self.divisors[j]
                if share > best:
                    best = share
        return best if weight == 1.0 else best / weight  # the same number, without waiting for a division

    cdef inline bint before(self, double share_a, int a, double share_b, int b) noexcept nogil:
        """Whether entry a stands before entry b: share, then grants, then the name's bytes."""
        cdef Py_ssize_t shorter
        cdef int order
        if share_a != share_b:
            return share_a < share_b
        if self.counts[a] != self.counts[b]:
            return self.counts[a] < self.counts[b]
        if self.heads[a] != self.heads[b]:
            return self.heads[a] < self.heads[b]
        shorter = self.rows[a].length if self.rows[a].length < self.rows[b].length else self.rows[b].length
        order = memcmp(self.rows[a].text, self.rows[b].text, shorter)
        if order != 0:
            return order < 0
        return self.rows[a].length < self.rows[b].length

    cdef inline bint stands_before(self, int a, int b) noexcept nogil:
        """The same of two rows whose shares are those of now."""
        return self.before(self.shares[a], a, self.shares[b], b)

    cdef Py_ssize_t find_block(self, double share, int row) noexcept nogil:
        """The first block whose last entry does not stand before this one (bisect_left of the directory)."""
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t high = self.block_count
        cdef Py_ssize_t middle
        if high and self.before(self.last_share[high - 1], self.last_row[high - 1], share, row):
            return high  # as after most grants
        while low < high:
            middle = (low + high) // 2
            if self.before(self.last_share[middle], self.last_row[middle], share, row):
                low = middle + 1
            else:
                high = middle
        return low

    cdef int find_entry(self, Block *block, double share, int row) noexcept nogil:
        cdef int low = 0
        cdef int high = block.size
        cdef int middle
        if high and self.before(block.share[high - 1], block.row[high - 1], share, row):
            return high
        while low < high:
            middle = (low + high) // 2
            if self.before(block.share[middle], block.row[middle], share, row):
                low = middle + 1
            else:
                high = middle
        return low

    cdef void set_last(self, Py_ssize_t b) noexcept nogil:
        cdef Block *block = self.blocks[b]
        self.last_share[b] = block.share[block.size - 1]
        self.last_row[b] = block.row[block.size - 1]

    cdef int insert_block(self, Py_ssize_t b, int entries) except -1:
        """A new, empty block at b, with room for so many entries and more."""
        cdef Py_ssize_t room
        cdef Py_ssize_t behind = self.block_count - b
        cdef Block *block
        if self.block_count == self.block_room:
            room = 2 * self.block_room if self.block_room else 4
            self.blocks = <Block **>_grown(self.blocks, room * sizeof(Block *))
            self.last_share = <double *>_grown(self.last_share, room * sizeof(double))
            self.last_row = <int *>_grown(self.last_row, room * sizeof(int))
            self.block_room = room
        block = _new_block(FEW if entries <= FEW and self.block_count == 0 else LOAD)
        memmove(self.blocks + b + 1, self.blocks + b, behind * sizeof(Block *))
        memmove(self.last_share + b + 1, self.last_share + b, behind * sizeof(double))
        memmove(self.last_row + b + 1, self.last_row + b, behind * sizeof(int))
        self.blocks[b] = block
        self.block_count += 1
        return 0

    cdef Block *widen_block(self) except NULL:
        """The only block, which is full, with the usual room."""
        cdef Block *old = self.blocks[0]
        cdef Block *new = _new_block(LOAD)
        cdef int i
        for i in range(old.size):
            new.share[i] = old.share[i]
            new.row[i] = old.row[i]
            self.rows[old.row[i]].home = new
        new.size = old.size
        self.blocks[0] = new
        PyMem_Free(old)
        return new

    cdef void delete_block(self, Py_ssize_t b) noexcept:
        cdef Py_ssize_t behind = self.block_count - b - 1
        PyMem_Free(self.blocks[b])
        memmove(self.blocks + b, self.blocks + b + 1, behind * sizeof(Block *))
        memmove(self.last_share + b, self.last_share + b + 1, behind * sizeof(double))
        memmove(self.last_row + b, self.last_row + b + 1, behind * sizeof(int))
        self.block_count -= 1

    cdef int place(self, int row) except -1:
        """Compute the share and, if the client is active, enter it where it belongs."""
        cdef double share
        cdef Py_ssize_t b
        cdef int i, half
        cdef Block *block
        cdef Block *upper
        if self.stale:
            return 0
        share = self.shares[row] = self.share_of(row)
        if not self.rows[row].active:
            return 0
        self.listing = None
        if self.block_count == 0:
            self.insert_block(0, 1)
            self.rows[row].home = self.blocks[0]
            put_in(self.blocks[0], 0, share, row)
            self.set_last(0)
            return 0
        b = self.find_block(share, row)
        if b == self.block_count:
            b -= 1
        block = self.blocks[b]
        if block.size == block.room and block.room < LOAD:
            block = self.widen_block()
        if block.size == LOAD:
            half = LOAD // 2
            self.insert_block(b + 1, LOAD)
            upper = self.blocks[b + 1]
            memmove(upper.share, block.share + half, (LOAD - half) * sizeof(double))
            memmove(upper.row, block.row + half, (LOAD - half) * sizeof(int))
            upper.size = LOAD - half
            block.size = half
            for i in range(upper.size):
                self.rows[upper.row[i]].home = upper
            self.set_last(b)
            self.set_last(b + 1)
            if self.before(self.last_share[b], self.last_row[b], share, row):
                b += 1
                block = upper
        i = self.find_entry(block, share, row)
        put_in(block, i, share, row)
        self.rows[row].home = block
        self.set_last(b)
        return 0

    cdef int unplace(self, int row) except -1:
        """Take the client out of the order, before anything that its entry is made of changes."""
        cdef Py_ssize_t b
        cdef int i = 0
        cdef Block *block
        if self.stale or not self.rows[row].active:
            return 0
        self.listing = None
        block = self.rows[row].home
        while block.row[i] != row:  # numbers side by side: cheaper than comparing what they stand for
            i += 1
        if i < block.size - 1:
            take_out(block, i)
            return 0
        b = self.find_block(self.shares[row], row)
        block.size -= 1
        if block.size:
            self.set_last(b)
        else:
            self.delete_block(b)

    cdef int _rebuild(self) except -1:
        """All shares anew and all clients sorted, once after any number of changed totals."""
        cdef Py_ssize_t active = 0
        cdef Py_ssize_t b, i, taken, half
        cdef int row
        cdef int few[2 * FEW]
        cdef int *rows = few
        cdef int *spare
        cdef Block *block
        self.stale = False
        self.listing = None
        if self.size > FEW:
            rows = <int *>_grown(NULL, 2 * self.size * sizeof(int))
        spare = rows + self.size
        # The old order first: it is nearly the new one, and merging what is in order costs little. Rows that were
        # deactivated since are skipped, rows entered since come behind; spare marks the rows taken.
        memset(spare, 0, self.size * sizeof(int))
        for b in range(self.block_count):
            for i in range(self.blocks[b].size):
                row = self.blocks[b].row[i]
                if self.rows[row].active and not spare[row]:
                    spare[row] = 1
                    rows[active] = row
                    active += 1
        for row in range(self.size):
            self.shares[row] = self.share_of(row)
            if self.rows[row].active and not spare[row]:
                rows[active] = row
                active += 1
        self.merge_sort(rows, spare, active)
        half = LOAD // 2
        taken = 0
        if self.block_count == 1 and 0 < active <= FEW:
            self.fill_block(self.blocks[0], rows, <int>active)
            self.set_last(0)
            taken = active
        else:
            for b in range(self.block_count):
                PyMem_Free(self.blocks[b])
            self.block_count = 0
        while taken < active:
            self.insert_block(self.block_count, <int>(half if active - taken > half else active - taken))
            block = self.blocks[self.block_count - 1]
            self.fill_block(block, rows + taken, <int>(half if active - taken > half else active - taken))
            taken += block.size
            self.set_last(self.block_count - 1)
        if rows != few:
            PyMem_Free(rows)
        return 0

    cdef void fill_block(self, Block *block, int *rows, int count) noexcept nogil:
        """The block's entries are these rows, which are in order."""
        cdef int i
        block.size = 0
        for i in range(count):
            put_in(block, i, self.shares[rows[i]], rows[i])
            self.rows[rows[i]].home = block

    cdef void merge_sort(self, int *rows, int *spare, Py_ssize_t n) noexcept nogil:
        """Bottom up; two runs that are in order already are left alone."""
        cdef Py_ssize_t width = 1
        cdef Py_ssize_t low, middle, high, i, j, k
        while width < n:
            low = 0
            while low + width < n:
                middle = low + width
                high = middle + width
                if high > n:
                    high = n
                if not self.stands_before(rows[middle - 1], rows[middle]):
                    for k in range(low, middle):
                        spare[k] = rows[k]
                    i = low
                    j = middle
                    k = low
                    while i < middle:
                        if j < high and self.stands_before(rows[j], spare[i]):
                            rows[k] = rows[j]
                            j += 1
                        else:
                            rows[k] = spare[i]
                            i += 1
                        k += 1
                low = high
            width *= 2

    def _check(self):
        """What is wrong with the order, or None."""
        cdef Py_ssize_t b
        cdef int i, row
        cdef int last
        if self.stale:
            return None
        entries = []
        for b in range(self.block_count):
            if not 0 < self.blocks[b].size <= LOAD:
                return "a block is empty or too long"
            for i in range(self.blocks[b].size):
                row = self.blocks[b].row[i]
                if self.rows[row].home != self.blocks[b]:
                    return "an entry stands in another block than its row says"
                entries.append((self.blocks[b].share[i], self.counts[row], self._names[row]))
            last = self.blocks[b].size - 1
            if self.last_share[b] != self.blocks[b].share[last] or self.last_row[b] != self.blocks[b].row[last]:
                return "the directory is not that of the blocks"
        if entries != sorted(entries):
            return "entries are out of order"
        due = []
        for name, row in self._rows.items():
            if self.rows[row].active:
                due.append((self.share_of(row), self.counts[row], name))
        if entries != sorted(due):
            return "entries are not those of the active clients"
        return None


cdef inline double product_error(double a, double b, double product) noexcept nogil:
    """What rounding took from a product, exactly (Dekker, 1971)."""
    cdef double wide = SPLIT * a
    cdef double a_high = wide - (wide - a)
    cdef double a_low = a - a_high
    cdef double b_high, b_low
    wide = SPLIT * b
    b_high = wide - (wide - b)
    b_low = b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


cdef class Fading:
    """Clients in order of a key that fades, then of what stays of it, number of grants, and name.

    A client has memories, one a column, and each of them goes from what it was towards its aim: it is stays + fades x
    left, where left is the part of the past that still counts: 1 at the start of an epoch, less and less later, never
    0. The key is (base + largest memory) / weight, so it is the largest of some lines over left. Lines are compared
    as real numbers, not as rounded ones, so two of them change places once.

    The order is a tournament whose matches know down to which left they stay as they are played; a question plays
    those again that are due. A change costs O(columns + log clients), a question O(log clients) for each match due.
    """

    cdef Py_ssize_t columns
    cdef double left
    cdef dict _rows
    cdef list _free
    cdef list _names
    cdef Py_ssize_t size, room           # rows in use or free again; rows there is memory for
    cdef double *stays                   # room x columns
    cdef double *fades
    cdef double *were                    # the memories when the client moved last, at which left
    cdef double *moved_at
    cdef double *bases
    cdef double *weights
    cdef long long *counts
    cdef char *active
    cdef double *stay                    # the line that is largest now
    cdef double *fade
    cdef int *moving                     # rows with memories that fade
    cdef char *is_moving
    cdef Py_ssize_t moving_count
    cdef Py_ssize_t leaves
    cdef int *winner                     # by node: 1 is the final, 2 i and 2 i + 1 lead to i
    cdef double *until
    cdef bint stale

    def __cinit__(self, Py_ssize_t columns):
        self.columns = columns
        self.left = 1.0
        self._rows = {}
        self._free = []
        self._names = []
        self.leaves = 1
        self.winner = <int *>_grown(NULL, 2 * sizeof(int))
        self.until = <double *>_grown(NULL, 2 * sizeof(double))
        self.winner[0] = self.winner[1] = -1
        self.until[0] = self.until[1] = 0.0

    def __dealloc__(self):
        PyMem_Free(self.stays)
        PyMem_Free(self.fades)
        PyMem_Free(self.were)
        PyMem_Free(self.moved_at)
        PyMem_Free(self.bases)
        PyMem_Free(self.weights)
        PyMem_Free(self.counts)
        PyMem_Free(self.active)
        PyMem_Free(self.stay)
        PyMem_Free(self.fade)
        PyMem_Free(self.moving)
        PyMem_Free(self.is_moving)
        PyMem_Free(self.winner)
        PyMem_Free(self.until)

    # -- the verbs

    def pass_time(self, double left, int epochs):
        """So much of the past counts now, so many epochs on, of which each leaves EPOCH of what there was.

        O(1); with a new epoch O(log clients) for each client whose memories fade, a few times after a change.
        """
        self.left = left
        if epochs > 0:
            self.begin(epochs if epochs < EPOCHS else EPOCHS)

    def move(self, name, double base, tuple aims, double weight, long long grants, bint active):
        """From now on the client's memories, if it is new of nothing, go to those aims; O(columns + log clients)."""
        cdef int row = self.row_for(name)
        cdef double *stays = self.stays + row * self.columns
        cdef double *fades = self.fades + row * self.columns
        cdef double *were = self.were + row * self.columns
        cdef bint fading = False
        cdef double aim
        cdef Py_ssize_t j
        for j in range(self.columns):
            aim = aims[j]
            if aim > MOST:
                aim = MOST
            if self.moved_at[row] != self.left:
                were[j] = stays[j] + fades[j] * self.left
            stays[j] = aim
            fades[j] = (were[j] - aim) / self.left
            if fades[j] != 0.0:
                fading = True
        self.moved_at[row] = self.left
        self.bases[row] = base
        self.weights[row] = weight
        self.counts[row] = grants
        self.active[row] = active
        self.enter(row, fading)

    def put(self, name, tuple memories, double moved_at):
        """Replace the memories of a client that is there by what `memories` said; O(columns + log clients)."""
        cdef int row = self._rows[name]
        cdef Py_ssize_t at = row * self.columns
        for stays, fades, was in memories:
            self.stays[at] = stays
            self.fades[at] = fades
            self.were[at] = was
            at += 1
        self.moved_at[row] = moved_at
        self.enter(row, True)

    def memories(self, name):
        """Of each memory what stays, what fades, what it was at the last move; at which left that was; O(columns)."""
        cdef int row = self._rows[name]
        cdef Py_ssize_t at = row * self.columns
        memories = [(self.stays[at + j], self.fades[at + j], self.were[at + j]) for j in range(self.columns)]
        return tuple(memories), self.moved_at[row]

    def drop(self, name):
        """Forget the client, if it is there; O(log clients)."""
        cdef Py_ssize_t j
        cdef int row
        known = self._rows.pop(name, None)
        if known is None:
            return
        row = known
        self._names[row] = ""
        self.active[row] = False
        for j in range(self.columns):
            self.stays[row * self.columns + j] = self.fades[row * self.columns + j] = 0.0
        self.moved_at[row] = 0.0
        self._free.append(row)
        self.enter(row, False)

    def defer(self):
        """All clients will move: the tournament is played anew at the next question, O(clients), once."""
        self.stale = True

    # -- questions

    def next(self):
        """The client with the lowest key; None if none is active."""
        cdef int row = self.lead()
        return None if row < 0 else self._names[row]

    def first(self, k):
        """The first k of them, fewer if there are fewer; O(k log clients)."""
        cdef list out = []
        cdef int row
        while len(out) < k:
            row = self.lead()
            if row < 0:
                break
            out.append(row)
            self.active[row] = False
            self.climb(row)
        for row in out:
            self.active[row] = True
            self.climb(row)
        return [self._names[row] for row in out]

    def sort(self):
        """All of them; O(clients log clients)."""
        cdef Py_ssize_t n = 0
        cdef int row
        cdef int *rows
        self.lead()
        rows = <int *>_grown(NULL, (2 * self.size + 1) * sizeof(int))
        try:
            for row in range(self.size):
                if self.active[row]:
                    rows[n] = row
                    n += 1
            self.sort_rows(rows, rows + n, n)
            return [self._names[rows[i]] for i in range(n)]
        finally:
            PyMem_Free(rows)

    def clients(self):
        """All clients, active or not, in the order they came; O(clients)."""
        return list(self._rows)

    def _check(self):
        """What is wrong with the tournament, or None."""
        cdef Py_ssize_t i
        self.lead()
        moving = {self.moving[i] for i in range(self.moving_count)}
        for row in range(self.size):
            if bool(self.is_moving[row]) != (row in moving):
                return "the list of memories that fade has gaps"
            for i in range(self.columns):
                if self.fades[row * self.columns + i] != 0.0 and not self.is_moving[row]:
                    return "a memory fades unseen"
        winner = [self.winner[i] for i in range(2 * self.leaves)]
        lines = [(self.stay[i], self.fade[i]) for i in range(self.size)]
        self.build()
        if lines != [(self.stay[i], self.fade[i]) for i in range(self.size)]:
            return "a line is not the largest of its client"
        if winner != [self.winner[i] for i in range(2 * self.leaves)]:
            return "a match was not played again when it was due"
        return None

    # -- the tournament

    cdef int row_for(self, name) except -1:
        cdef Py_ssize_t j, room
        cdef int row
        known = self._rows.get(name)
        if known is not None:
            return known
        if self._free:
            row = self._free.pop()
        else:
            row = self.size
            if self.size == self.room:
                room = 2 * self.room if self.room else 16
                self.stays = <double *>_grown(self.stays, (room * self.columns + 1) * sizeof(double))
                self.fades = <double *>_grown(self.fades, (room * self.columns + 1) * sizeof(double))
                self.were = <double *>_grown(self.were, (room * self.columns + 1) * sizeof(double))
                self.moved_at = <double *>_grown(self.moved_at, room * sizeof(double))
                self.bases = <double *>_grown(self.bases, room * sizeof(double))
                self.weights = <double *>_grown(self.weights, room * sizeof(double))
                self.counts = <long long *>_grown(self.counts, room * sizeof(long long))
                self.active = <char *>_grown(self.active, room)
                self.stay = <double *>_grown(self.stay, room * sizeof(double))
                self.fade = <double *>_grown(self.fade, room * sizeof(double))
                self.moving = <int *>_grown(self.moving, room * sizeof(int))
                self.is_moving = <char *>_grown(self.is_moving, room)
                self.room = room
            self._names.append("")
            for j in range(self.columns):
                self.stays[row * self.columns + j] = self.fades[row * self.columns + j] = 0.0
                self.were[row * self.columns + j] = 0.0
            self.moved_at[row] = 0.0
            self.active[row] = False
            self.stay[row] = self.fade[row] = 0.0
            self.is_moving[row] = False
            self.size += 1
            if row == self.leaves:
                self.winner = <int *>_grown(self.winner, 4 * self.leaves * sizeof(int))
                self.until = <double *>_grown(self.until, 4 * self.leaves * sizeof(double))
                self.leaves *= 2
                for j in range(2 * self.leaves):
                    self.winner[j] = -1
                    self.until[j] = 0.0
                self.stale = True
        self._rows[name] = row
        self._names[row] = name
        return row

    cdef int enter(self, int row, bint fading) except -1:
        """The client's memories are others now."""
        if fading and not self.is_moving[row]:
            self.is_moving[row] = True
            self.moving[self.moving_count] = row
            self.moving_count += 1
        if not self.stale:
            self.climb(row)
        return 0

    cdef int begin(self, int epochs) except -1:
        """New epochs: what is left of the past counts from 1 again, so what fades is less by as much."""
        cdef Py_ssize_t count = self.moving_count
        cdef Py_ssize_t i, j
        cdef double *fades
        cdef bint fading
        cdef int row
        self.moving_count = 0
        for i in range(count):
            row = self.moving[i]
            fades = self.fades + row * self.columns
            fading = False
            for _ in range(epochs):
                for j in range(self.columns):
                    fades[j] = fades[j] * EPOCH if fades[j] > LEAST or fades[j] < -LEAST else 0.0
            for j in range(self.columns):
                if fades[j] != 0.0:
                    fading = True
            self.is_moving[row] = False
            self.moved_at[row] = 0.0
            self.enter(row, fading)
        return 0

    cdef int compare(self, double stay, double fade, double other_stay, double other_fade) noexcept nogil:
        """-1 where one line is lower now, or as high and staying lower, 1 where the other is, 0 for the same."""
        cdef double x = stay - other_stay
        cdef double y = other_fade - fade
        cdef double z
        cdef int sign
        if x == 0.0 and y == 0.0:
            return 0
        z = y * self.left
        if fabs(x - z) > NEAR * (fabs(x) + fabs(z)):
            return -1 if x < z else 1
        sign = self.sign(stay, fade, other_stay, other_fade)
        if sign == 0:
            return -1 if x < 0.0 else 1
        return sign

    cdef int sign(self, double stay, double fade, double other_stay, double other_fade) noexcept nogil:
        """-1 where one line is lower now, 1 where the other is, 0 for neither: six doubles, added up exactly."""
        cdef double a = fade * self.left
        cdef double b = other_fade * self.left
        cdef double terms[6]
        cdef double parts[6]                 # of what was added up so far, without overlap, the largest last
        cdef int count = 0
        cdef int kept, i, j
        cdef double x, y, high, low
        terms[0] = stay
        terms[1] = -other_stay
        terms[2] = a
        terms[3] = -b
        terms[4] = product_error(fade, self.left, a)
        terms[5] = -product_error(other_fade, self.left, b)
        for i in range(6):
            x = terms[i]
            kept = 0
            for j in range(count):
                y = parts[j]
                if fabs(x) < fabs(y):
                    x, y = y, x
                high = x + y
                low = y - (high - x)
                if low != 0.0:
                    parts[kept] = low
                    kept += 1
                x = high
            parts[kept] = x
            count = kept + 1
        for j in range(count - 1, -1, -1):
            if parts[j] != 0.0:
                return -1 if parts[j] < 0.0 else 1
        return 0

    cdef bint precedes(self, int a, int b) except -1:
        """Whether row a stands before row b."""
        cdef int order = self.compare(self.stay[a], self.fade[a], self.stay[b], self.fade[b])
        if order != 0:
            return order < 0
        if self.counts[a] != self.counts[b]:
            return self.counts[a] < self.counts[b]
        return PyUnicode_Compare(self._names[a], self._names[b]) < 0

    cdef void line_of(self, int row, Py_ssize_t column, double *stay, double *fade) noexcept nogil:
        """That memory's line, within bounds that keep sums and products of lines finite and exact to a last bit."""
        stay[0] = (self.bases[row] + self.stays[row * self.columns + column]) / self.weights[row]
        fade[0] = self.fades[row * self.columns + column] / self.weights[row]
        if stay[0] > MOST:
            stay[0] = MOST
        if fade[0] > STEEPEST:
            fade[0] = STEEPEST
        elif fade[0] < -STEEPEST:
            fade[0] = -STEEPEST
        elif -LEAST < fade[0] < LEAST:
            fade[0] = 0.0

    cdef double measure(self, int row) except -1.0:
        """Find the client's line, the largest one now; until which left it is."""
        cdef double until = 0.0
        cdef double stay = 0.0, fade = 0.0, other_stay = 0.0, other_fade = 0.0
        cdef double at
        cdef Py_ssize_t j
        if self.columns == 0:
            stay = self.bases[row] / self.weights[row]
            fade = 0.0
        else:
            self.line_of(row, 0, &stay, &fade)
        for j in range(1, self.columns):
            self.line_of(row, j, &other_stay, &other_fade)
            if self.compare(stay, fade, other_stay, other_fade) < 0:
                stay, fade = other_stay, other_fade
        for j in range(self.columns):
            self.line_of(row, j, &other_stay, &other_fade)
            if other_stay > stay and fade > other_fade:
                at = (other_stay - stay) / (fade - other_fade) * EARLY
                if at > until:
                    until = at
        self.stay[row] = stay
        self.fade[row] = fade
        return until

    cdef int sit(self, int row) except -1:
        """The client takes its place at the foot of the tournament, or leaves it."""
        cdef Py_ssize_t leaf = self.leaves + row
        if self.active[row]:
            self.winner[leaf] = row
            self.until[leaf] = self.measure(row)
        else:
            self.winner[leaf] = -1
            self.until[leaf] = 0.0
        return 0

    cdef int match(self, Py_ssize_t node) except -1:
        """Who of two winners is first, and down to which left."""
        cdef int a = self.winner[2 * node]
        cdef int b = self.winner[2 * node + 1]
        cdef double until = self.until[2 * node]
        cdef double at
        if self.until[2 * node + 1] > until:
            until = self.until[2 * node + 1]
        if a < 0:
            a = b
        elif b >= 0:
            if self.precedes(b, a):
                a, b = b, a
            if self.stay[a] > self.stay[b] and self.fade[b] > self.fade[a]:
                at = (self.stay[a] - self.stay[b]) / (self.fade[b] - self.fade[a]) * EARLY
                if at > until:
                    until = at
        self.winner[node] = a
        self.until[node] = until
        return 0

    cdef int climb(self, int row) except -1:
        """The client sits down again and plays its way up."""
        cdef Py_ssize_t node
        self.sit(row)
        node = (self.leaves + row) // 2
        while node > 0:
            self.match(node)
            node //= 2
        return 0

    cdef int replay(self, Py_ssize_t node) except -1:
        """All matches below that are due, and this one."""
        if self.until[node] < self.left:
            return 0
        if node >= self.leaves:
            return self.sit(node - self.leaves)
        self.replay(2 * node)
        self.replay(2 * node + 1)
        return self.match(node)

    cdef int build(self) except -1:
        """All matches."""
        cdef Py_ssize_t node
        cdef int row
        self.stale = False
        for row in range(self.size):
            self.sit(row)
        for node in range(self.leaves - 1, 0, -1):
            self.match(node)
        return 0

    cdef int lead(self) except -2:
        """The row that is first, -1 for none; O(log clients) for each match that is due."""
        if self.stale:
            self.build()
        elif self.until[1] >= self.left:
            self.replay(1)
        return self.winner[1]

    cdef int sort_rows(self, int *rows, int *spare, Py_ssize_t n) except -1:
        """Bottom up; two runs that are in order already are left alone."""
        cdef Py_ssize_t width = 1
        cdef Py_ssize_t low, middle, high, i, j, k
        while width < n:
            low = 0
            while low + width < n:
                middle = low + width
                high = middle + width
                if high > n:
                    high = n
                if self.precedes(rows[middle], rows[middle - 1]):
                    for k in range(low, middle):
                        spare[k] = rows[k]
                    i = low
                    j = middle
                    k = low
                    while i < middle:
                        if j < high and self.precedes(rows[j], spare[i]):
                            rows[k] = rows[j]
                            j += 1
                        else:
                            rows[k] = spare[i]
                            i += 1
                        k += 1
                low = high
            width *= 2
        return 0


def untracked():
    """A list that the collector of garbage passes by, for what never comes back to it, as agents and amounts; O(1).

    The collector would touch every one of them.
    """
    cdef list out = []
    PyObject_GC_UnTrack(<PyObject *>out)
    return out


cdef inline bint is_of(object holder, object framework) except -1:
    """Whether the holder, framework and role, is that framework."""
    cdef object name = (<tuple>holder)[0]
    return name is framework or name == framework


cdef struct Refused:
    int client
    int bucket
    PyObject *what


cdef class Site:
    """What the dealing of whole agents has to know of one: what is free, offered and held, and who refused it.

    See `_purepath.Site`, whose twin this is. While one client alone is offered something, that is kept without a
    dictionary.
    """

    cdef public object name, free
    cdef public dict held
    cdef public long long growth
    cdef public bint odd, guarded, even, gone
    cdef public object floor
    cdef object one_holder, one_amount
    cdef dict _offered
    cdef unsigned long long *bits        # a bit a client: whether it refused anything
    cdef Py_ssize_t words
    cdef Py_ssize_t refusers             # how many bits are set
    cdef Py_ssize_t place                # where it stood in the list of who was offered it last
    cdef Refused *rows
    cdef int count, room

    def __init__(self, name, free):
        self.name = name
        self.free = free
        self.held = {}
        self.even = True
        # Nothing that it knows knows it, so it is in no circle, and the collector need not go through all of them.
        PyObject_GC_UnTrack(<PyObject *>self)

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            Py_DECREF(<object>self.rows[i].what)
        PyMem_Free(self.rows)
        PyMem_Free(self.bits)

    @property
    def offered(self):
        if self._offered is None:
            self._offered = {}
            if self.one_holder is not None:
                self._offered[self.one_holder] = self.one_amount
                self.one_holder = self.one_amount = None
        return self._offered

    cdef inline bint has_bit(self, int client) noexcept nogil:
        return (client >> 6) < self.words and (self.bits[client >> 6] >> (client & 63)) & 1

    cdef int set_bit(self, int client) except -1:
        cdef Py_ssize_t words = (client >> 6) + 1
        if words > self.words:
            self.bits = <unsigned long long *>_grown(self.bits, words * sizeof(unsigned long long))
            memset(self.bits + self.words, 0, (words - self.words) * sizeof(unsigned long long))
            self.words = words
        self.refusers += not self.has_bit(client)
        self.bits[client >> 6] |= 1ULL << (client & 63)
        return 0

    cpdef int refuse(self, int client, int bucket, object what, object floor) except -1:
        """The client refuses so much; O(1)."""
        cdef int room
        if self.count == self.room:
            room = self.room + self.room // 4 + 4
            self.rows = <Refused *>_grown(self.rows, room * sizeof(Refused))
            self.room = room
        self.set_bit(client)
        Py_INCREF(what)
        self.rows[self.count].client = client
        self.rows[self.count].bucket = bucket
        self.rows[self.count].what = <PyObject *>what
        self.count += 1
        self.floor = floor
        return 0

    cpdef Py_ssize_t entries(self, framework) except -1:
        """How often the framework has something there, as a holder of offered or of held; O(holders)."""
        cdef Py_ssize_t found = 0
        if self.one_holder is not None:
            found += is_of(self.one_holder, framework)
        if self._offered:
            for holder in self._offered:
                found += is_of(holder, framework)
        if self.held:
            for holder in self.held:
                found += is_of(holder, framework)
        return found

    def is_refused(self, int client):
        """Whether the client refused anything there; O(1)."""
        return bool(self.has_bit(client))

    def refusals(self, int client=-1):
        """Those of a client, or all, in the order they came; O(refusals there)."""
        cdef int i
        cdef list out = []
        if client >= 0 and not self.has_bit(client):
            return out
        for i in range(self.count):
            if client < 0 or self.rows[i].client == client:
                out.append((self.rows[i].client, self.rows[i].bucket, <object>self.rows[i].what))
        return out

    def end(self, int client, int bucket, what=None):
        """End those of the client, of the bucket, or of what is the very same (-1, -1, None: any); O(refusals there).

        Gives the client of each.
        """
        cdef int i
        cdef int left = 0
        cdef list gone = []
        cdef Refused row
        if client >= 0 and not self.has_bit(client):
            return gone
        for i in range(self.count):
            row = self.rows[i]
            if (
                (client < 0 or client == row.client)
                and (bucket < 0 or bucket == row.bucket)
                and (what is None or <PyObject *>what == row.what)
            ):
                gone.append(row.client)
                Py_DECREF(<object>row.what)
            else:
                self.rows[left] = row
                left += 1
        if gone:
            self.count = left
            memset(self.bits, 0, self.words * sizeof(unsigned long long))
            self.refusers = 0
            for i in range(left):
                self.set_bit(self.rows[i].client)
            if not left:
                self.floor = None
                PyMem_Free(self.rows)
                self.rows = NULL
                self.room = 0
        return gone


cdef inline void fetch_ahead(list sites, Py_ssize_t i) noexcept:
    """Touch agents that will be read soon, and then what they point to: in random order, each would be waited for."""
    cdef char *later
    cdef Site soon
    if i + AHEAD < <Py_ssize_t>len(sites):
        later = <char *>(<PyListObject *>sites).ob_item[i + AHEAD]
        prefetch(later)
        prefetch(later + LINE)
        prefetch(later + 2 * LINE)
        soon = <Site>sites[i + AHEAD // 2]
        prefetch(<PyObject *>soon.name)
        prefetch(soon.bits)


cdef class Account:
    """What is out in a role, by column, and what its quota says. See `_purepath.Account`, whose twin this is."""

    cdef long long *units
    cdef Py_ssize_t size
    cdef Quotas quotas
    cdef long long *terms                # guarantees, limits, and what guarantees lack and limits allow
    cdef Py_ssize_t columns              # of each of these
    cdef readonly bint unmet

    def __dealloc__(self):
        PyMem_Free(self.units)
        PyMem_Free(self.terms)

    cpdef int add(self, Vector vector, int sign) except -1:
        """So much more, or (-1) less, is out; O(columns)."""
        cdef Py_ssize_t j
        if vector.size > self.size:
            self.units = <long long *>_grown(self.units, vector.size * sizeof(long long))
            for j in range(self.size, vector.size):
                self.units[j] = 0
            self.size = vector.size
        for j in range(vector.size):
            self.units[j] += sign * vector.units[j]
        if self.quotas is not None:
            self.settle()
            self.quotas.loosened += sign < 0
        return 0

    def sums(self):
        """What is out, by column; O(columns)."""
        return [self.units[j] for j in range(self.size)]

    def set_quota(self, Quotas quotas, tuple guarantees, tuple limits):
        """Its guarantees and limits by column, in as many columns; a limit of -1 is none; both empty: no quota.

        O(columns).
        """
        cdef Py_ssize_t j
        if self.quotas is not None:
            for j in range(self.columns):
                self.terms[j] = self.terms[self.columns + j] = 0
            self.settle()
            self.quotas = None
        self.columns = len(guarantees)
        self.terms = <long long *>_grown(self.terms, (3 * self.columns + 1) * sizeof(long long))
        for j in range(self.columns):
            self.terms[j] = guarantees[j]
            self.terms[self.columns + j] = limits[j]
            self.terms[2 * self.columns + j] = 0
        quotas.widen(self.columns)
        quotas.loosened += 1
        if guarantees:
            self.quotas = quotas
            self.settle()

    cdef void settle(self) noexcept:
        """What it lacks, as it is by now, here and in the sums of all."""
        cdef long long *guarantees = self.terms
        cdef long long *limits = self.terms + self.columns
        cdef long long *lacks = self.terms + 2 * self.columns
        cdef bint unmet = False
        cdef long long out, lack
        cdef Py_ssize_t j
        for j in range(self.columns):
            out = self.units[j] if j < self.size else 0
            lack = guarantees[j] - out if guarantees[j] > out else 0
            unmet = unmet or lack > 0
            if limits[j] >= 0 and lack > limits[j] - out:
                lack = limits[j] - out if limits[j] > out else 0
            self.quotas.units[j] += lack - lacks[j]
            lacks[j] = lack
        self.quotas.unmet += unmet - self.unmet
        self.unmet = unmet

    cdef bint is_full(self, Py_ssize_t columns) noexcept nogil:
        """Whether its limits allow nothing more in any of so many columns; O(columns)."""
        cdef Py_ssize_t j
        if self.columns < columns:
            return False
        for j in range(columns):
            if self.left(j, 1):
                return False
        return True

    cdef inline long long left(self, Py_ssize_t j, long long most) noexcept nogil:
        """As much of it in the column as the limit still allows; O(1)."""
        cdef long long left
        if j >= self.columns or self.terms[self.columns + j] < 0:
            return most
        left = self.terms[self.columns + j] - (self.units[j] if j < self.size else 0)
        if left < 0:
            return 0
        return most if most < left else left

    cdef inline long long lack(self, Py_ssize_t j) noexcept nogil:
        """What the guarantee lacks in the column, whatever limits say; O(1)."""
        cdef long long lack
        if j >= self.columns:
            return 0
        lack = self.terms[j] - (self.units[j] if j < self.size else 0)
        return lack if lack > 0 else 0


cdef class Quotas:
    """The roles with quota: how many lack something, and how much they lack together, by column.

    See `_purepath.Quotas`, whose twin this is.
    """

    cdef readonly Py_ssize_t unmet
    cdef public long long loosened
    cdef long long *units
    cdef Py_ssize_t columns

    def __dealloc__(self):
        PyMem_Free(self.units)

    @property
    def lacking(self):
        return [self.units[j] for j in range(self.columns)]

    cpdef int widen(self, Py_ssize_t columns) except -1:
        """So many columns at least; O(columns)."""
        if columns > self.columns:
            self.units = <long long *>_grown(self.units, columns * sizeof(long long))
            memset(self.units + self.columns, 0, (columns - self.columns) * sizeof(long long))
            self.columns = columns
        return 0


cdef class Places:
    """Agents that matter to a client, and some that did; ``mark``: when to sort them out.

    One on which a framework has something is there at least as often as the framework is a holder there, of what is
    offered or held. None: one that left.

    Those of different numbers have different ``slack``, so that not all are sorted out in the same cycle.
    """

    cdef public list sites
    cdef public Py_ssize_t mark
    cdef Py_ssize_t slack

    def __init__(self, Py_ssize_t number=0):
        self.sites = untracked()
        self.mark = self.slack = 256 + 16 * (number % 32)

    cdef int leave(self, Site site) except -1:
        """One entry of the agent less, if its place is known; O(1)."""
        cdef list sites = self.sites
        if site.place < <Py_ssize_t>len(sites) and sites[site.place] is site:
            sites[site.place] = None
            while sites and sites[len(sites) - 1] is None:
                sites.pop()
        return 0

    def keep(self, framework):
        """Keep of each as many entries as the framework has there; O(sites)."""
        cdef Site site
        cdef dict seen = {}
        cdef list left = untracked()
        for site in self.sites:
            if site is not None and not site.gone:
                before = seen.get(site, 0)
                if before < site.entries(framework):
                    seen[site] = before + 1
                    left.append(site)
        self.sites = left
        self.mark = 2 * len(left) + self.slack


cdef class Client:
    """A framework in a role, as the dealing of whole agents sees it. See `_purepath.Client`, whose twin this is."""

    cdef readonly str framework, role
    cdef readonly tuple holder
    cdef readonly int index
    cdef public bint simple, open
    cdef readonly bint listed
    cdef public long long got, last, refusals
    cdef public object since
    cdef public Places places, refused
    cdef public Account account
    cdef Order in_order
    cdef int row                         # in the order of the role's frameworks

    def __init__(self, str framework, str role, int index):
        self.framework = framework
        self.role = role
        self.holder = (framework, role)
        self.index = index
        self.refused = Places()
        self.places = Places()
        self.account = Account()

    @property
    def order(self):
        return self.in_order

    @order.setter
    def order(self, order):
        self.in_order = order
        if order is not None:
            self.row = (<Order?>order)._rows[self.framework]


cdef class Dealer:
    """Gives whole agents out: each to the first client in order that wants it, roles first, then frameworks in a role.

    See `_purepath.Dealer`, whose twin this is.
    """

    cdef public object owner, nothing
    cdef public Order roles
    cdef public long long version
    cdef public Py_ssize_t picky
    cdef public list fresh, clients
    # Counted since the start: agents looked at, clients asked or passed over, words of refusals read.
    cdef readonly long long visited, tested, words
    cdef unsigned long long *listed
    cdef Py_ssize_t room, listed_count
    cdef public Quotas quotas
    cdef long long all_full              # how often quotas had been loosened when no role might have anything
    # Of one cycle with quota: what guarantees can count on (if it matters), what they lack, whether that follows from
    # what is out, how much of an agent a role may have, and how much of that its guarantees lack.
    cdef bint limited, live
    cdef Py_ssize_t columns
    cdef long long *available
    cdef long long *own_lacking
    cdef long long *lacking
    cdef long long *due_units
    cdef long long *due_given
    cdef object part, left
    cdef list out_clients, out_sites, out_amounts

    def __init__(self):
        self.fresh = []
        self.clients = []
        self.quotas = Quotas()
        self.all_full = -1

    def __dealloc__(self):
        PyMem_Free(self.listed)
        PyMem_Free(self.available)

    # -- hooks of the wrapper

    def _face(self, amount):
        raise NotImplementedError

    def _sum(self, site, amount):
        raise NotImplementedError

    def _crowded(self, client):
        raise NotImplementedError

    def _outdated(self, client):
        raise NotImplementedError

    def _passed(self, client, site):
        raise NotImplementedError

    def _meet(self, floor, what):
        raise NotImplementedError

    def _cut(self, amount, units):
        raise NotImplementedError

    def _takes(self, client, site, part):
        raise NotImplementedError

    # -- clients

    cpdef int catch_up(self, Order order) except -1:
        """Let an order of frameworks see the totals that the roles' order has; O(columns)."""
        order._seen = self.version
        order._take_totals(self.roles)
        return 0

    def counted(self, long long run, now):
        """The clients that were offered something since the last time, in that run, and how often; O(of them)."""
        cdef Client client
        cdef list clients = self.fresh
        cdef list counts = []
        for item in clients:
            client = <Client>item
            counts.append(client.got)
            client.got = 0
            client.last = run
            client.since = now
        self.fresh = []
        return clients, counts

    def set_listed(self, Client client, bint listed):
        """Whether the client is asked; O(1)."""
        cdef Py_ssize_t words = (client.index >> 6) + 1
        if words > self.room:
            self.listed = <unsigned long long *>_grown(self.listed, words * sizeof(unsigned long long))
            memset(self.listed + self.room, 0, (words - self.room) * sizeof(unsigned long long))
            self.room = words
        if listed != client.listed:
            self.listed[client.index >> 6] ^= 1ULL << (client.index & 63)
            self.listed_count += 1 if listed else -1
            client.listed = listed

    # -- within quota

    cdef inline Vector face_of(self, object amount):
        cdef object memo = amount.memo
        if type(memo) is Vector and (<Vector>memo).owner is self.owner:
            return <Vector>memo
        return <Vector?>self._face(amount)

    def survey(self, list sites):
        """Whether nothing is free there (0), only plain amounts are (1), or there is more (2); O(agents)."""
        cdef int found = 0
        cdef Py_ssize_t i
        cdef Site site
        for i in range(len(sites)):
            fetch_ahead(sites, i)
            site = <Site>sites[i]
            if site.free is self.nothing:
                continue
            if site.odd or not self.face_of(site.free).plain:
                return 2
            found = 1
        return found

    def free_on(self, list sites):
        """What is free on plain agents in all, by column; O(agents x columns)."""
        cdef Py_ssize_t i, j
        cdef Site site
        cdef Vector face
        self.make_room()
        memset(self.due_units, 0, self.columns * sizeof(long long))
        for i in range(len(sites)):
            fetch_ahead(sites, i)
            site = <Site>sites[i]
            if site.free is self.nothing:
                continue
            face = self.face_of(site.free)
            for j in range(face.size):
                self.due_units[j] += face.units[j]
        return [self.due_units[j] for j in range(self.columns)]

    cdef int make_room(self) except -1:
        """For as many columns as the orders have."""
        cdef Py_ssize_t columns = self.roles.columns
        if columns > self.columns:
            self.available = <long long *>_grown(self.available, 4 * columns * sizeof(long long))
            self.own_lacking = self.available + columns
            self.due_units = self.own_lacking + columns
            self.due_given = self.due_units + columns
            self.columns = columns
            self.quotas.loosened += 1
        return 0

    def deal_within(self, list first, list second, available, bint live, list clients, list where, list amounts):
        """Offer plain agents within quota: in one turn what guarantees lack, then what limits and headroom leave.

        ``available`` is what guarantees can count on, None where they lack nothing. ``live``: what they lack follows
        from what is out; else, as in Mesos, only what is given towards them counts. Appends to the three lists whom it
        offered what of which agent. O(agents x clients) at worst.
        """
        cdef Py_ssize_t i, count
        cdef Site site
        cdef int *roles
        self.make_room()
        self.quotas.widen(self.columns)
        self.limited = available is not None
        if self.limited:
            for i in range(self.columns):
                self.available[i] = available[i]
        self.live = live
        self.lacking = self.quotas.units
        if not live:
            self.lacking = self.own_lacking
            for i in range(self.columns):
                self.lacking[i] = self.quotas.units[i]
        self.out_clients, self.out_sites, self.out_amounts = clients, where, amounts
        roles = <int *>_grown(NULL, (self.roles.size + 1) * sizeof(int))
        try:
            if self.quotas.unmet:
                count = self.listed_for(roles, True)
                for i in range(len(first)):
                    fetch_ahead(first, i)
                    site = <Site>first[i]
                    if site.free is not self.nothing:
                        count = self.offer(site, roles, count, True)
            if self.all_full == self.quotas.loosened:
                return
            count = -1
            for i in range(len(second)):
                fetch_ahead(second, i)
                site = <Site>second[i]
                if site.free is self.nothing:
                    continue
                if count < 0:
                    count = self.listed_for(roles, False)
                    if count == 0:
                        self.all_full = self.quotas.loosened
                if count == 0:
                    return
                if self.is_worth(site):
                    count = self.offer(site, roles, count, False)
        finally:
            PyMem_Free(roles)

    cdef Py_ssize_t listed_for(self, int *out, bint towards) except -1:
        """The roles in order, last first, that may have something, of those that are asked.

        ``towards``: that guarantees lack. How many.
        """
        cdef Py_ssize_t b
        cdef Py_ssize_t count = 0
        cdef int i
        cdef Block *block
        cdef Order order
        if self.roles.stale:
            self.roles._rebuild()
        for b in range(self.roles.block_count - 1, -1, -1):
            block = self.roles.blocks[b]
            for i in range(block.size - 1, -1, -1):
                thing = self.roles.things[block.row[i]]
                if thing is None:
                    continue
                order = <Order>thing
                if self.may_have(<Account>order.account, towards):
                    out[count] = block.row[i]
                    count += 1
        return count

    cdef inline bint may_have(self, Account account, bint towards) noexcept nogil:
        """Whether its guarantees lack something, or (not ``towards``) its limits allow something."""
        return account.unmet if towards else not account.is_full(self.roles.columns)

    cdef Py_ssize_t offer(self, Site site, int *roles, Py_ssize_t count, bint towards) except -1:
        """Offer roles in turn what they may have of the agent; ``towards``: if their guarantees lack some of it.

        Those that may have something are given in order, last first: mostly the first one goes. How many they are then.
        """
        cdef Py_ssize_t k = count - 1
        cdef Py_ssize_t low, high, middle
        cdef int row
        cdef Order order
        while k >= 0 and site.free is not self.nothing:
            row = roles[k]
            self.fetch_roles(roles + k, k, -1)
            order = <Order>self.roles.things[row]
            if not self.serve(order, site, towards):
                k -= 1
                continue
            if not self.may_have(<Account>order.account, towards):
                memmove(roles + k, roles + k + 1, (count - k - 1) * sizeof(int))
                count -= 1
                k -= 1
                continue
            # It stands behind what it stood behind before, and perhaps behind more.
            low = 0
            high = k
            while low < high:
                middle = (low + high) // 2
                if self.roles.stands_before(row, roles[middle]):
                    low = middle + 1
                else:
                    high = middle
            memmove(roles + low + 1, roles + low, (k - low) * sizeof(int))
            roles[low] = row
        return count

    cdef inline void fetch_roles(self, int *next, Py_ssize_t count, Py_ssize_t step) noexcept:
        """Touch what will be read of the roles whose turns come next, one thing behind the other.

        So many stand behind the first, each a step from the last.
        """
        cdef PyObject **things = (<PyListObject *>self.roles.things).ob_item
        cdef char *later
        cdef Order order
        cdef Client client
        cdef Py_ssize_t i
        if count < AHEAD:
            return
        later = <char *>things[next[AHEAD * step]]
        for i in range(4):
            prefetch(later + i * LINE)
        if <object>things[next[12 * step]] is not None:
            order = <Order>things[next[12 * step]]
            prefetch(order.blocks)
            prefetch(order.rows)
            prefetch(order.held)
            prefetch(order.totals)
            prefetch(order.divisors)
            prefetch(<PyObject *>order.things)
            prefetch(<char *><PyObject *>order.account)
            prefetch(<char *><PyObject *>order.account + LINE)
        if <object>things[next[8 * step]] is not None:
            order = <Order>things[next[8 * step]]
            if order.block_count:
                prefetch(order.blocks[0])
            prefetch((<PyListObject *>order.things).ob_item)
            if order.account is not None:
                prefetch((<Account>order.account).units)
                prefetch((<Account>order.account).terms)
        if <object>things[next[5 * step]] is not None:
            order = <Order>things[next[5 * step]]
            if len(order.things):
                later = <char *>(<PyListObject *>order.things).ob_item[0]
                prefetch(later)
                prefetch(later + LINE)
        if <object>things[next[3 * step]] is not None:
            order = <Order>things[next[3 * step]]
            if len(order.things) and order.things[0] is not None:
                client = <Client>order.things[0]
                prefetch(<PyObject *>client.places)
                prefetch(<PyObject *>client.holder)

    cdef int is_worth(self, Site site) except -1:
        """Whether what headroom leaves of the agent is worth an offer to anybody, if no limit cut it."""
        cdef Py_ssize_t j
        cdef long long surplus
        cdef Vector face
        if self.picky or not self.is_short():
            return True
        face = self.face_of(site.free)
        for j in range(face.size):
            surplus = self.surplus(j)
            self.due_units[j] = face.units[j] if face.units[j] < surplus else surplus
        return self.piece(site.free, face).worth

    cdef bint is_short(self) noexcept nogil:
        """Whether headroom is kept for guarantees."""
        cdef Py_ssize_t j
        if self.limited:
            for j in range(self.columns):
                if self.lacking[j]:
                    return True
        return False

    cdef inline long long surplus(self, Py_ssize_t j) noexcept nogil:
        cdef long long surplus = self.available[j] - self.lacking[j]
        return surplus if surplus > 0 else 0

    cdef int serve(self, Order order, Site site, bint towards) except -1:
        """Offer the first of a role's frameworks that wants it what the role may have of the agent; whether one does.

        ``towards``: if guarantees of the role lack some of it. That is all that it may have there, in this cycle.
        """
        cdef Vector face, small
        cdef Client client
        cdef bint some, settled
        free = site.free
        face = self.face_of(free)
        some = self.due(<Account>order.account, face, towards)
        if towards and not some:
            return False
        small = self.piece(free, face)
        part, left = self.part, self.left
        if part is self.nothing:
            return False
        if not (small.worth or self.picky):
            return False
        settled = site.count > 0 and (site.floor is part or part <= site.floor)
        client = self.taker(order, site, part, face.worth and small.worth, settled)
        if client is None:
            return False
        self.hand(client, site, part, small, left, face.size)
        return True

    cdef bint due(self, Account account, Vector face, bint towards) noexcept nogil:
        """How much the role may have, by column, and how much of that its guarantees lack; whether that is anything."""
        cdef Py_ssize_t j
        cdef long long most, part, extra, lack, surplus
        cdef bint short = self.is_short()
        cdef bint some = False
        for j in range(face.size):
            most = account.left(j, face.units[j])
            part = 0
            if towards:
                lack = account.lack(j)
                part = most if most < lack else lack
                some = some or part > 0
            extra = most - part
            if short:
                surplus = self.surplus(j)
                if extra > surplus:
                    extra = surplus
            self.due_units[j] = part + extra
            self.due_given[j] = part
        return some

    cdef Vector piece(self, object free, Vector face):
        """Cut so much of it as is due, with all in it that has no column: the vector of the ``part``, not the ``left``."""
        cdef Py_ssize_t j = 0
        cdef size_t size = face.size * sizeof(long long)
        cdef tuple units
        while j < face.size and self.due_units[j] == face.units[j]:
            j += 1
        if j == face.size:
            self.part, self.left = free, self.nothing
            return face
        if face.cut is None or memcmp(face.cut_units, self.due_units, size) != 0:
            units = tuple([self.due_units[j] for j in range(face.size)])
            if face.cuts is None or len(face.cuts) >= CUTS:
                face.cuts = {}
            found = face.cuts.get(units)
            if found is None:
                found = face.cuts[units] = self._cut(free, units)
            face.cut = <tuple>found
            face.cut_face = self.face_of(face.cut[0])
            face.cut_units = <long long *>_grown(face.cut_units, size)
            memmove(face.cut_units, self.due_units, size)
        self.part, self.left = face.cut
        return face.cut_face

    cdef Client taker(self, Order order, Site site, object part, bint worth, bint settled):
        """The first of a role's frameworks that takes the part of the agent, or all of it.

        ``worth``: it is worth an offer; ``settled``: who refused anything there refuses it.
        """
        cdef Py_ssize_t d
        cdef int k, row
        cdef bint refused
        cdef Block *below
        cdef Client client
        if order._seen != self.version:
            self.catch_up(order)
        if order.stale:
            order._rebuild()
        for d in range(order.block_count):
            below = order.blocks[d]
            for k in range(below.size):
                row = below.row[k]
                self.tested += 1
                refused = site.has_bit(order.rows[row].client)
                if refused and settled:
                    continue
                client = <Client>order.things[row]
                if not refused:
                    if client.simple and not worth:
                        continue
                    if client.simple and (client.open or not site.guarded):
                        return client
                if self._takes(client, site, part):
                    return client
        return None

    cdef int hand(self, Client client, Site site, object part, Vector face, object left, Py_ssize_t columns) except -1:
        """It is offered the part; what guarantees can count on, and lack, is less."""
        cdef Py_ssize_t j
        if not self.has_room(client, face):
            self.roles._overflown(client.role, face)
        self.give(client, site, part, face, left)
        if self.limited:
            for j in range(face.size):
                self.available[j] = self.available[j] - face.units[j] if self.available[j] > face.units[j] else 0
        if not self.live:
            for j in range(columns):
                self.lacking[j] = self.lacking[j] - self.due_given[j] if self.lacking[j] > self.due_given[j] else 0
        self.count(client)
        self.out_clients.append(client)
        self.out_sites.append(site)
        self.out_amounts.append(part)
        return 0

    # -- what is given and comes back

    def deal(self, list sites, Py_ssize_t start, list clients, list where, list amounts):
        """Offer the agents from ``start`` on; where it stopped: the end, or an agent that takes the long way.

        Appends to the three lists whom it offered what of which agent. O(agents x clients) at worst.
        """
        cdef Py_ssize_t i
        cdef Site site
        cdef Vector face = None
        cdef Client client
        cdef object free
        cdef object last = None
        for i in range(start, len(sites)):
            fetch_ahead(sites, i)
            site = <Site>sites[i]
            free = site.free
            if free is self.nothing:
                continue
            if free is not last:
                last = free
                face = self.face_of(free)
            if site.odd or not face.plain:
                return i
            self.visited += 1
            client = self.choose(site, free, face)
            if client is None:
                continue
            if not self.has_room(client, face):
                return i
            self.give(client, site, free, face, self.nothing)
            self.count(client)
            clients.append(client)
            where.append(site)
            amounts.append(free)
        return len(sites)

    cdef Client choose(self, Site site, object free, Vector face):
        """The first client in order that takes the agent."""
        cdef bint worth = face.worth
        cdef bint settled
        cdef Py_ssize_t w, b, count
        cdef int i
        cdef unsigned long long left
        cdef Block *block
        cdef Client client
        if not worth and not self.picky:
            return None
        settled = site.count > 0 and (site.floor is free or free <= site.floor)
        # At least so many are left: some of those who refused may not be asked at all.
        if settled and self.are_few(self.listed_count - site.refusers):
            count = 0
            for w in range(self.room):
                left = self.listed[w]
                if w < site.words:
                    left &= ~site.bits[w]
                count += popcount(left)
            self.words += self.room
            if self.are_few(count):
                return self.least(site, worth)
        if self.roles.stale:
            self.roles._rebuild()
        for b in range(self.roles.block_count):
            block = self.roles.blocks[b]
            for i in range(block.size):
                self.fetch_roles(block.row + i, block.size - i - 1, 1)
                thing = self.roles.things[block.row[i]]
                if thing is None:
                    continue
                client = self.taker(<Order>thing, site, free, worth, settled)
                if client is not None:
                    return client
        return None

    cdef inline bint are_few(self, Py_ssize_t count) noexcept nogil:
        """Whether comparing the keys of so many costs less than walking over all until one of them comes."""
        return count <= 0 or 16 * count * count < self.listed_count

    cdef Client least(self, Site site, bint worth):
        """The same where few clients are left: the least of their keys, and the next where that one does not pass."""
        cdef Py_ssize_t w
        cdef unsigned long long left
        cdef int index
        cdef Client client, best
        cdef list passed = None
        if self.roles.stale:
            self.roles._rebuild()
        while True:
            best = None
            for w in range(self.room):
                left = self.listed[w]
                if w < site.words:
                    left &= ~site.bits[w]
                while left:
                    index = <int>(w << 6) + lowest(left)
                    left &= left - 1
                    client = <Client>self.clients[index]
                    if passed is None:
                        self.tested += 1
                    elif client in passed:
                        continue
                    if client.simple and not worth:
                        continue
                    if client.in_order._seen != self.version:
                        self.catch_up(client.in_order)
                    if client.in_order.stale:
                        client.in_order._rebuild()
                    if best is None or self.stands_before(client, best):
                        best = client
            if best is None:
                return None
            if (best.simple and (best.open or not site.guarded)) or self._takes(best, site, site.free):
                return best
            passed = [best] if passed is None else passed + [best]

    cdef bint stands_before(self, Client a, Client b):
        cdef int row_a = a.in_order.own_row
        cdef int row_b = b.in_order.own_row
        if row_a != row_b:
            return self.roles.stands_before(row_a, row_b)
        return a.in_order.stands_before(a.row, b.row)

    cdef bint has_room(self, Client client, Vector face):
        """Whether neither sum would pass the limit of 2**53."""
        cdef Order order = client.in_order
        cdef long long *held = order.held + client.row * order.width
        cdef long long *above = self.roles.held + order.own_row * self.roles.width
        cdef Py_ssize_t j
        for j in range(face.size):
            if held[j] + face.units[j] > LIMIT or above[j] + face.units[j] > LIMIT:
                return False
        return True

    cdef int give(self, Client client, Site site, object amount, Vector face, object left) except -1:
        """It is offered so much there, which leaves the rest."""
        cdef Places places = client.places
        if site.has_bit(client.index):
            self._passed(client, site)
        if site._offered is not None and not site._offered:
            site._offered = None
        if site._offered is None and site.one_holder is None:
            site.one_holder = client.holder
            site.one_amount = amount
        else:
            there = site.offered.get(client.holder)
            site.offered[client.holder] = amount if there is None else there + amount
        site.free = left
        site.place = len(places.sites)
        places.sites.append(site)
        if len(places.sites) > places.mark:
            self._crowded(client)
        client.in_order.charge_row(client.row, face, 1, 1)
        self.roles.charge_row(client.in_order.own_row, face, 1, 1)
        client.account.add(face, 1)
        return 0

    cpdef int count(self, Client client) except -1:
        """It has one offer more; O(1)."""
        if not client.got:
            self.fresh.append(client)
        client.got += 1
        return 0

    cpdef bint take_back(self, Client client, Site site, object amount, bint held) except -1:
        """What was offered (or is held) there comes back; False, and nothing done, where it takes the long way."""
        cdef Vector face
        cdef bint one
        cdef dict where
        if self.roles is None or self.roles._apart or client.in_order is None or not site.even:
            return False
        face = self.face_of(amount)
        if not face.plain:
            return False
        one = not held and site._offered is None
        where = None
        if one:
            there = site.one_amount if site.one_holder is not None and site.one_holder == client.holder else None
        else:
            where = site.held if held else site._offered
            there = where.get(client.holder)
        if there is None or not (there is amount or there == amount):
            return False
        site.free = amount if site.free is self.nothing else self._sum(site, amount)
        if one:
            site.one_holder = site.one_amount = None
        else:
            del where[client.holder]
        client.places.leave(site)
        site.growth += 1
        client.in_order.charge_row(client.row, face, -1, 0)
        self.roles.charge_row(client.in_order.own_row, face, -1, 0)
        client.account.add(face, -1)
        return True

    cpdef int refuse(self, Client client, Site site, object what, int bucket, list ending) except -1:
        """The client refuses so much of the agent; the bucket's list of agents gets one more; O(1)."""
        cdef object floor = site.floor
        floor = what if floor is None or floor is what else self._meet(floor, what)
        site.refuse(client.index, bucket, what, floor)
        client.refusals += 1
        client.refused.sites.append(site)
        if len(client.refused.sites) > client.refused.mark:
            self._outdated(client)
        ending.append(site)
        return 0

    def decline(self, list clients, list sites, list amounts, which, Py_ssize_t start, int bucket, list ending):
        """Those of the offers, in columns, come back, from the ``start``-th on, and are refused (None: they are not).

        Where it stopped: the end, or one that takes the long way; O(offers).
        """
        cdef Py_ssize_t i, n
        for i in range(start, len(which)):
            n = which[i]
            fetch_ahead(sites, n)  # mostly it is one after the other
            if not self.take_back(<Client>clients[n], <Site>sites[n], amounts[n], False):
                return i
            if ending is not None:
                self.refuse(<Client>clients[n], <Site>sites[n], amounts[n], bucket, ending)
        return len(which)


@cython.no_gc
@cython.final
cdef class Offer:
    """So much of one agent, for one framework in one role, until it is answered.

    ``tasks`` are the requested shapes it was cut for, with their numbers. ``expires`` is when it ends unanswered, None
    for never. Offers that were made together, for tasks that start together, have the id of the first as ``group``:
    declining one declines all of them, and where one ends unanswered all do.
    """

    cdef readonly long long id
    cdef readonly object framework, role, agent, resources, tasks, group, expires

    def __init__(
        self, long long id, framework, role, agent, resources, tasks=(), group=None, expires=None
    ):
        self.id = id
        self.framework = framework
        self.role = role
        self.agent = agent
        self.resources = resources
        self.tasks = tasks
        self.group = group
        self.expires = expires

    @property
    def max_duration(self):
        """Seconds that a task on it may run at most, None for no bound; O(objects)."""
        return self.resources.longest

    def __repr__(self):
        return (
            f"Offer(id={self.id}, framework={self.framework!r}, role={self.role!r}, agent={self.agent!r}, "
            f"resources={str(self.resources)!r})"
        )


def records(long long start, list clients, list sites, list amounts, expires):
    """The offers of what was dealt, numbered from ``start`` on; O(offers)."""
    cdef Py_ssize_t i
    cdef Client client
    cdef Offer offer
    cdef list out = []
    cdef tuple none = ()
    for i in range(len(clients)):
        fetch_ahead(sites, i)
        client = <Client>clients[i]
        offer = Offer.__new__(Offer)
        offer.id = start + i
        offer.framework = client.framework
        offer.role = client.role
        offer.agent = (<Site>sites[i]).name
        offer.resources = amounts[i]
        offer.tasks = none
        offer.group = None
        offer.expires = expires
        out.append(offer)
    return out


def shuffle(list items, state):
    """Shuffle in place (Fisher-Yates from the end) with SplitMix64 from that state on; the state after it; O(n)."""
    cdef unsigned long long at = state
    cdef unsigned long long z, high, low
    cdef Py_ssize_t i, j
    cdef PyObject **all_of = (<PyListObject *>items).ob_item
    cdef PyObject *moved
    for i in range(len(items) - 1, 0, -1):
        at += 0x9E3779B97F4A7C15ULL
        z = (at ^ (at >> 30)) * 0xBF58476D1CE4E5B9ULL
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
        z ^= z >> 31
        # The high word of z * (i + 1): i is below 2**32, as a list of more than that fits into no memory.
        high = z >> 32
        low = z & 0xFFFFFFFFULL
        j = <Py_ssize_t>((high * <unsigned long long>(i + 1) + ((low * <unsigned long long>(i + 1)) >> 32)) >> 32)
        moved = all_of[i]
        all_of[i] = all_of[j]
        all_of[j] = moved
    return at


cdef struct Entry:
    double share
    long long grants
    long long rank
    int user


cdef inline bint entry_before(Entry *a, Entry *b) noexcept nogil:
    if a.share != b.share:
        return a.share < b.share
    if a.grants != b.grants:
        return a.grants < b.grants
    return a.rank < b.rank


cdef void sift_down(Entry *heap, Py_ssize_t n, Py_ssize_t at) noexcept nogil:
    cdef Entry entry = heap[at]
    cdef Py_ssize_t child = 2 * at + 1
    while child < n:
        if child + 1 < n and entry_before(&heap[child + 1], &heap[child]):
            child += 1
        if not entry_before(&heap[child], &entry):
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = entry


cdef void heapify(Entry *heap, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t at
    for at in range(n // 2 - 1, -1, -1):
        sift_down(heap, n, at)


cdef inline double share_of(long long *demand, long long count, Py_ssize_t m, double *counted, double *weight) noexcept nogil:
    """The dominant share by weight of so many tasks: the one expression that whole tasks are ordered by.

    ``weight`` has the one weight first, or 0 and behind it a weight a column.
    """
    cdef Py_ssize_t j
    cdef double share = 0.0
    cdef double part
    if weight[0] == 0.0:
        for j in range(m):
            if counted[j] > 0.0:
                part = (<double>(count * demand[j]) / counted[j]) / weight[1 + j]
                if part > share:
                    share = part
        return share
    for j in range(m):
        if counted[j] > 0.0:
            part = <double>(count * demand[j]) / counted[j]
            if part > share:
                share = part
    return share / weight[0]


def fill(demands, capacity, counted, weights, caps, ranks, bint by_grants, bint stop, bint want_steps, bint after=False):
    """Progressive filling with whole tasks: the user with the lowest share gets its next task, as long as one fits.

    See `_purepath.fill`, whose twin this is. O(tasks (log users + resources)).
    """
    cdef Py_ssize_t n = len(demands)
    cdef Py_ssize_t m = len(capacity)
    cdef Py_ssize_t size = n
    cdef Py_ssize_t i, j
    cdef Py_ssize_t steps = 0
    cdef Py_ssize_t room = 0
    cdef bint fits
    cdef long long *demand
    cdef long long *units = NULL
    cdef long long *free = NULL
    cdef double *divisor = NULL
    cdef double *weight = NULL
    cdef long long *cap = NULL
    cdef long long *tasks = NULL
    cdef int *picks = NULL
    cdef Entry *heap = NULL
    try:
        units = <long long *>_grown(NULL, (n * m + 1) * sizeof(long long))
        free = <long long *>_grown(NULL, (m + 1) * sizeof(long long))
        divisor = <double *>_grown(NULL, (m + 1) * sizeof(double))
        weight = <double *>_grown(NULL, (n * (m + 1) + 1) * sizeof(double))
        cap = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        tasks = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        heap = <Entry *>_grown(NULL, (n + 1) * sizeof(Entry))
        for j in range(m):
            free[j] = capacity[j]
            divisor[j] = <double><long long>counted[j]
        for i in range(n):
            for j in range(m):
                units[i * m + j] = demands[i][j]
            if isinstance(weights[i], tuple):
                weight[i * (m + 1)] = 0.0
                for j in range(m):
                    weight[i * (m + 1) + 1 + j] = weights[i][j]
            else:
                weight[i * (m + 1)] = weights[i]
            cap[i] = caps[i]
            tasks[i] = 0
            heap[i].share = share_of(units + i * m, after, m, divisor, weight + i * (m + 1))
            heap[i].grants = 0
            heap[i].rank = ranks[i]
            heap[i].user = <int>i
        heapify(heap, size)
        while size:
            i = heap[0].user
            fits = tasks[i] != cap[i]
            demand = units + i * m
            if fits:
                for j in range(m):
                    if demand[j] > free[j]:
                        fits = False
                        break
                if not fits and stop:
                    break
            if not fits:
                size -= 1
                heap[0] = heap[size]
                if size:
                    sift_down(heap, size, 0)
                continue
            for j in range(m):
                free[j] -= demand[j]
            tasks[i] += 1
            if want_steps:
                if steps == room:
                    room = 2 * room if room else 1024
                    picks = <int *>_grown(picks, room * sizeof(int))
                picks[steps] = <int>i
                steps += 1
            heap[0].share = share_of(demand, tasks[i] + after, m, divisor, weight + i * (m + 1))
            if by_grants:
                heap[0].grants = tasks[i]
            sift_down(heap, size, 0)
        return [tasks[i] for i in range(n)], [picks[i] for i in range(steps)]
    finally:
        PyMem_Free(units)
        PyMem_Free(free)
        PyMem_Free(divisor)
        PyMem_Free(weight)
        PyMem_Free(cap)
        PyMem_Free(tasks)
        PyMem_Free(picks)
        PyMem_Free(heap)


def fill_in_bulk(demands, capacity, counted, weights, caps, ranks, bint by_grants, bint stop, bint after=False):
    """The tasks of each user as `fill` gives them, found by searching for the level that filling gets to.

    See `_purepath.fill_in_bulk`, whose twin this is. O(rounds x users x (resources + log users)).
    """
    cdef Filling filling = Filling(demands, capacity, counted, weights, caps, ranks, by_grants, after)
    while filling.size and not (filling.approach(stop) or filling.finish(stop)):
        pass
    return [filling.given[i] for i in range(filling.n)]


@cython.final
cdef class Filling:
    """Whole tasks as they are given: who is still in, what each has, what is free, and the level that was reached.

    The users that are still in have every task with a key below the level. What is estimated in floats only says where
    to look: tasks are given where they were counted to fit.
    """

    cdef Py_ssize_t n, m, size
    cdef Py_ssize_t stride               # from one user's weights to the next's
    cdef bint by_grants, after
    cdef double level, step, rising
    cdef long long *demands
    cdef long long *free
    cdef long long *capacity
    cdef long long *rest
    cdef double *counted
    cdef double *parts
    cdef double *weights
    cdef long long *caps
    cdef long long *ranks
    cdef long long *given
    cdef long long *counts
    cdef double *rates
    cdef double *left
    cdef double *used
    cdef double *slope
    cdef int *users
    cdef Entry *heap

    def __cinit__(self, demands, capacity, counted, weights, caps, ranks, bint by_grants, bint after):
        cdef Py_ssize_t i, j
        cdef Py_ssize_t n = len(demands)
        cdef Py_ssize_t m = len(capacity)
        cdef double cost
        self.n, self.m = n, m
        self.by_grants, self.after = by_grants, after
        self.stride = 1
        for weight in weights:
            if isinstance(weight, tuple):
                self.stride = m + 1
                break
        self.demands = <long long *>_grown(NULL, (n * m + 1) * sizeof(long long))
        self.free = <long long *>_grown(NULL, (m + 1) * sizeof(long long))
        self.capacity = <long long *>_grown(NULL, (m + 1) * sizeof(long long))
        self.rest = <long long *>_grown(NULL, (m + 1) * sizeof(long long))
        self.counted = <double *>_grown(NULL, (m + 1) * sizeof(double))
        self.weights = <double *>_grown(NULL, (n * self.stride + 1) * sizeof(double))
        self.caps = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        self.ranks = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        self.given = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        self.counts = <long long *>_grown(NULL, (n + 1) * sizeof(long long))
        self.rates = <double *>_grown(NULL, (n + 1) * sizeof(double))
        self.parts = <double *>_grown(NULL, (n * m + 1) * sizeof(double))
        self.left = <double *>_grown(NULL, (m + 1) * sizeof(double))
        self.used = <double *>_grown(NULL, (m + 1) * sizeof(double))
        self.slope = <double *>_grown(NULL, (m + 1) * sizeof(double))
        self.users = <int *>_grown(NULL, (n + 1) * sizeof(int))
        self.heap = <Entry *>_grown(NULL, (n + 1) * sizeof(Entry))
        self.size = 0
        self.level = 0.0
        self.step = 0.0                  # of the level, in which about the square root of the users in tasks is given
        self.rising = 0.0
        for j in range(m):
            self.capacity[j] = capacity[j]
            self.free[j] = self.capacity[j]
            self.counted[j] = <double><long long>counted[j]
        for i in range(n):
            row = demands[i]
            for j in range(m):
                self.demands[i * m + j] = row[j]
                # What a task takes of each capacity, about.
                self.parts[i * m + j] = 0.0
                if self.demands[i * m + j] > 0:
                    self.parts[i * m + j] = <double>self.demands[i * m + j] / <double>self.capacity[j]
            weight = weights[i]
            if isinstance(weight, tuple):
                self.weights[i * self.stride] = 0.0
                for j in range(m):
                    self.weights[i * self.stride + 1 + j] = weight[j]
            else:
                self.weights[i * self.stride] = weight
            self.caps[i] = caps[i]
            self.ranks[i] = ranks[i]
            self.given[i] = 0
            self.counts[i] = 0
            if self.caps[i] != 0:
                self.users[self.size] = <int>i
                self.size += 1
        for i in range(n):
            cost = self.key(i, 1 - after)
            self.rates[i] = 1.0 / cost if cost > 0.0 else INF

    def __dealloc__(self):
        PyMem_Free(self.demands)
        PyMem_Free(self.free)
        PyMem_Free(self.capacity)
        PyMem_Free(self.rest)
        PyMem_Free(self.parts)
        PyMem_Free(self.left)
        PyMem_Free(self.counted)
        PyMem_Free(self.weights)
        PyMem_Free(self.caps)
        PyMem_Free(self.ranks)
        PyMem_Free(self.given)
        PyMem_Free(self.counts)
        PyMem_Free(self.rates)
        PyMem_Free(self.used)
        PyMem_Free(self.slope)
        PyMem_Free(self.users)
        PyMem_Free(self.heap)

    cdef inline double key(self, Py_ssize_t i, long long count) noexcept nogil:
        """The key of the task that the user gets after so many."""
        return share_of(
            self.demands + i * self.m, count + self.after, self.m, self.counted, self.weights + i * self.stride
        )

    cdef long long alone(self, Py_ssize_t i) noexcept nogil:
        """How many more tasks of this user would fit."""
        cdef Py_ssize_t j
        cdef long long *demand = self.demands + i * self.m
        cdef long long least = -1
        cdef long long fitting
        for j in range(self.m):
            if demand[j] > 0:
                fitting = self.free[j] // demand[j]
                if least < 0 or fitting < least:
                    least = fitting
        return least

    cdef inline bint fits(self, Py_ssize_t i) noexcept nogil:
        """Whether one more task of this user fits."""
        cdef Py_ssize_t j
        cdef long long *demand = self.demands + i * self.m
        for j in range(self.m):
            if demand[j] > self.free[j]:
                return False
        return True

    cdef inline void give(self, Py_ssize_t i, long long more) noexcept nogil:
        cdef Py_ssize_t j
        cdef long long *demand = self.demands + i * self.m
        for j in range(self.m):
            self.free[j] -= more * demand[j]
        self.given[i] += more

    # -- many tasks at once

    cdef bint approach(self, bint stop) except -1:
        """Give tasks until about one a user is left before the first that does not fit; True if the filling is over."""
        cdef Py_ssize_t at, i
        cdef Py_ssize_t size = 0
        cdef double few, floor, ceiling, level, rising, step
        cdef bint costless = False
        for at in range(self.size):
            if self.rates[self.users[at]] == INF:
                costless = True
                break
        if costless:
            # Tasks that cost no share come before all others.
            if not self.reach(SMALLEST):
                self.step = SMALLEST
                return self.tied(SMALLEST, stop)
            for at in range(self.size):
                i = self.users[at]
                if self.given[i] != self.caps[i]:
                    self.users[size] = <int>i
                    size += 1
            self.size = size
        few = <double>self.size + 64.0
        floor, ceiling = self.level, INF
        level = self.guess()
        if level == INF and self.reach(INF):
            return True  # everybody has its most
        if self.rising == 0.0:
            for at in range(self.size):
                self.rising += self.rates[self.users[at]]
        rising = self.rising
        step = few / rising
        self.step = sqrt(few) / rising
        level -= self.step  # so that it mostly fits: a guess is off by about so many tasks
        while (ceiling - floor) * rising > 2.0 * few:
            if not floor < level < ceiling:
                level = floor + (ceiling - floor) / 2 if ceiling < INF else floor + step
                if ceiling < INF and not floor < level < ceiling:
                    self.level, self.step = floor, ceiling - floor
                    return self.tied(ceiling, stop)
            if self.estimate(level, -<double>self.after) and self.reach(level):
                floor = level
                level += step
            else:
                ceiling = level
                level -= step
            step *= 4.0
        self.level = floor
        return False

    cdef double guess(self) noexcept nogil:
        """About the level at which a task does not fit: that of divisible tasks, half a task ahead of the level.

        By Newton's rule from below, as what is used rises ever slower when users come to their caps.
        """
        cdef Py_ssize_t j
        cdef double level = self.level
        cdef double more, room
        for _ in range(12):
            self.estimate(level, 0.5 - <double>self.after)
            more = INF
            for j in range(self.m):
                if self.slope[j] > 0.0:
                    room = (self.left[j] - self.used[j]) / self.slope[j]
                    if room < more:
                        more = room
            level += more
            if more == INF or more * self.rising < 1.0:
                break
        return level

    cdef bint estimate(self, double level, double ahead) noexcept nogil:
        """About what tasks up to the level use, each user so far ahead of it; False if that is more than is free."""
        cdef Py_ssize_t at, i, j
        cdef Py_ssize_t m = self.m
        cdef double *part
        cdef double rate, count
        cdef double rising = 0.0
        for j in range(m):
            self.left[j] = 0.0
            if self.capacity[j] > 0:
                self.left[j] = <double>self.free[j] / <double>self.capacity[j]
            self.used[j] = self.slope[j] = 0.0
        for at in range(self.size):
            i = self.users[at]
            rate = self.rates[i]
            count = level * rate + ahead
            if 0 <= self.caps[i] and <double>self.caps[i] <= count:
                count = <double>self.caps[i]
                rate = 0.0
            count -= <double>self.given[i]
            part = self.parts + i * m
            for j in range(m):
                self.used[j] += count * part[j]
                self.slope[j] += rate * part[j]
            rising += rate
        self.rising = rising
        for j in range(m):
            if self.used[j] > self.left[j] + ROUGH:
                return False
        return True

    cdef bint reach(self, double level) noexcept nogil:
        """Give every task with a key below the level, if they all fit."""
        cdef Py_ssize_t at, i, j
        cdef Py_ssize_t m = self.m
        cdef long long *demand
        cdef long long count, more
        for j in range(m):
            self.rest[j] = self.free[j]
        for at in range(self.size):
            i = self.users[at]
            count = self.below(i, level)
            if count < 0:
                return False
            more = count - self.given[i]
            demand = self.demands + i * m
            for j in range(m):
                self.rest[j] -= more * demand[j]
                if self.rest[j] < 0:
                    return False
            self.counts[i] = count
        for j in range(m):
            self.free[j] = self.rest[j]
        for at in range(self.size):
            i = self.users[at]
            self.given[i] = self.counts[i]
        return True

    cdef inline long long below(self, Py_ssize_t i, double level) noexcept nogil:
        """How many tasks of this user have a key below the level: at least what it has, at most its cap.

        -1 for many more than fit, which could leave 64 bits.
        """
        cdef Py_ssize_t j
        cdef long long least = self.given[i]
        cdef long long most = self.caps[i]
        cdef long long high, low, step, middle
        cdef long long *demand = self.demands + i * self.m
        cdef double guess = level * self.rates[i] - <double>self.after
        cdef double more
        if most < 0 and guess == INF:
            most = least + self.alone(i) + 1  # one is there to be refused
        if 0 <= most and <double>most <= guess:
            guess = <double>most
        more = guess - <double>least
        for j in range(self.m):
            if more * <double>demand[j] > 2.0 * <double>self.free[j] + 16.0 * <double>demand[j]:
                return -1
        high = <long long>ceil(guess)
        if high < least:
            high = least
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

    cdef bint tied(self, double level, bint stop) except -1:
        """Give of many tasks with one key, just below the level, until one does not fit; True if the filling is over.

        Whole turns of a task each, or each user all of its own by rank.
        """
        cdef Py_ssize_t at, i
        cdef long long low = -1
        cdef long long high = 0
        cdef long long count, most, middle, wanted, more
        for at in range(self.size):
            i = self.users[at]
            most = self.given[i] + self.alone(i) + 1
            count = self.below(i, level)
            self.counts[i] = most if count < 0 else min(count, most)
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
        for i in sorted([self.users[at] for at in range(self.size)], key=lambda i: self.ranks[<Py_ssize_t>i]):
            wanted = self.counts[i] - self.given[i]
            more = min(wanted, self.alone(i))
            self.give(i, more)
            if more < wanted and stop:
                return True
        return False

    cdef bint turns(self, long long turn) noexcept nogil:
        """Give every tied task up to that turn, if they all fit."""
        cdef Py_ssize_t at, i, j
        cdef long long *demand
        cdef long long more
        for j in range(self.m):
            self.rest[j] = self.free[j]
        for at in range(self.size):
            i = self.users[at]
            more = max(min(turn, self.counts[i]) - self.given[i], 0)
            demand = self.demands + i * self.m
            for j in range(self.m):
                self.rest[j] -= more * demand[j]
                if self.rest[j] < 0:
                    return False
        for j in range(self.m):
            self.free[j] = self.rest[j]
        for at in range(self.size):
            i = self.users[at]
            self.given[i] = max(min(turn, self.counts[i]), self.given[i])
        return True

    # -- one task at a time

    cdef bint finish(self, bint stop) noexcept nogil:
        """Give tasks in order until one does not fit, then about one a user; True if the filling is over.

        In bands of levels, so that only those users are put in order whose turn it may be.
        """
        cdef Py_ssize_t at, i, size, kept
        cdef Py_ssize_t since = self.size
        cdef double limit = self.level + self.step
        cdef double left = INF
        cdef Entry *heap = self.heap
        while self.size and left > 0.0:
            size = 0
            for at in range(self.size):
                i = self.users[at]
                self.entry(&heap[size], i)
                if heap[size].share < limit:
                    size += 1
            heapify(heap, size)
            while size and left > 0.0:
                i = heap[0].user
                if self.given[i] == self.caps[i]:
                    size -= 1
                    heap[0] = heap[size]
                    sift_down(heap, size, 0)
                elif self.fits(i):
                    self.give(i, 1)
                    left -= 1.0
                    since += 1
                    self.entry(&heap[0], i)
                    if not heap[0].share < limit:
                        size -= 1
                        heap[0] = heap[size]
                    sift_down(heap, size, 0)
                elif stop:
                    return True
                else:
                    size -= 1
                    heap[0] = heap[size]
                    sift_down(heap, size, 0)
                    if 8 * since >= self.size:  # a look at all of them is worth it
                        self.drop(stop)
                        kept = 0
                        for at in range(size):
                            if self.fits(heap[at].user):
                                heap[kept] = heap[at]
                                kept += 1
                        size = kept
                        heapify(heap, size)
                        since = 0
                    left = min(left, <double>self.size + 64.0)
            if size:
                self.level = heap[0].share
            else:
                self.level = limit
                self.step *= 4.0
                limit += self.step
                self.drop(stop)
        return False

    cdef void drop(self, bint stop) noexcept nogil:
        """Leave out who has its most, or whose next task does not fit, unless that is to end the filling."""
        cdef Py_ssize_t at, i
        cdef Py_ssize_t size = 0
        for at in range(self.size):
            i = self.users[at]
            if self.given[i] != self.caps[i] and (stop or self.fits(i)):
                self.users[size] = <int>i
                size += 1
        self.size = size

    cdef inline void entry(self, Entry *place, Py_ssize_t i) noexcept nogil:
        cdef long long count = self.given[i]
        place.share = self.key(i, count)
        place.grants = count if self.by_grants else 0
        place.rank = self.ranks[i]
        place.user = <int>i
