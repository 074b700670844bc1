"""Fair shares between the clients of an unmodified Dask scheduler: ``dask scheduler --preload drf.masters.dask``.

A plug-in of the scheduler. A task that becomes ready is held back by a requirement that no worker meets, so it rests
in Dask's own state ``no-worker``; whenever a worker has room, the task whose turn it is gets its own requirements back
and goes to that worker. What runs, moves, fails, is cancelled or lost stays Dask's business; the plug-in only counts.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Hashable, Iterable, Mapping
from time import monotonic
from typing import Any

from drf.errors import InvalidName, InvalidOption, InvariantBroken, MissingExtra
from drf.masters.dask_tasks import GATE, PLAIN, THREADS, Task, free, named, owner
from drf.masters.turns import Amounts, Shape, Turns, Waiting
from drf.masters.versions import check_dask
from drf.plugins import Policy

try:
    import dask.config
    from dask.utils import parse_timedelta
    from distributed.diagnostics.plugin import SchedulerPlugin
    from tornado.ioloop import PeriodicCallback
except ImportError as error:
    raise MissingExtra("drf.masters.dask", "dask and distributed", "dask") from error

logger = logging.getLogger(__name__)

NAME = "drf"
TICK_MS, TICKS = 50, 20
"""How often to look for room that no hook tells of: tasks that left their thread, workers that were paused; and after
how many of these to add up what there is, which may change unheard too.
"""


class FairShare(SchedulerPlugin):  # type: ignore[misc]
    """Shares a Dask scheduler between tenants by a policy.

    A tenant is what the task's annotation ``tenant`` says, else the name of its client (``Client(name="alice")``),
    else that client alone. ``policy`` is a name or an object that orders; ``weights`` and ``quota`` go by tenant
    or path, see `Turns`; ``annotation`` names the annotation; a task that finds no room for ``patience`` seconds
    though it is first in order gets the next worker that can hold it. Raises InvalidOption, UnknownName,
    NotSupported; outside the tested versions of Dask, NotSupported.

    >>> plugin = FairShare(weights={"alice": 2.0}, quota={"bob": {"limit": {"threads": 4}}})
    >>> client.register_plugin(plugin)                                # doctest: +SKIP
    """

    name = NAME

    def __init__(
        self,
        policy: str | Policy = "drf",
        *,
        weights: Mapping[str, float | Mapping[str, float]] | None = None,
        quota: Mapping[str, Mapping[str, Amounts]] | None = None,
        annotation: str = "tenant",
        patience: float | str = 5.0,
        seed: int = 0,
    ) -> None:
        check_dask()
        self.annotation = annotation
        self.patience = float(parse_timedelta(patience))
        self._options: dict[str, Any] = {
            "policy": policy,
            "weights": weights,
            "quota": quota,
            "seed": seed,
        }
        self._clear()

    def __getstate__(self) -> dict[str, Any]:
        """What a client sends to the scheduler: how it was made, not what it counts."""
        return {name: getattr(self, name) for name in ("annotation", "patience", "_options")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()

    def _clear(self) -> None:
        self.turns = Turns(**self._options)
        self._tasks: dict[Hashable, Task] = {}
        self._clients: dict[str, set[str]] = {}
        self._planned = False
        self._ticked = 0
        self._kept: tuple[Shape, str] | None = None
        self._stuck_since: tuple[Shape, float] | None = None

    # -- the scheduler's hooks

    async def start(self, scheduler: Any) -> None:
        """Takes over the scheduler as it is, with what waits and runs. Raises NotSupported, InvalidOption."""
        check_dask()
        if scheduler.no_workers_timeout is not None:
            raise InvalidOption(
                f"distributed.scheduler.no-workers-timeout is {scheduler.no_workers_timeout} s; it must be null, "
                f"or tasks that wait for their turn are failed"
            )
        before = scheduler.plugins.get(self.name)
        if isinstance(before, FairShare) and before is not self:
            before.stand_down()
        self._clear()
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        self._ticks = PeriodicCallback(self._tick, TICK_MS)
        scheduler.periodic_callbacks[self.name] = self._ticks
        self._ticks.start()
        self._count_total()
        self._adopt()
        self._plan()

    async def before_close(self) -> None:
        self._ticks.stop()

    def update_graph(
        self, scheduler: Any, *, client: str, tasks: Iterable[Hashable], **kwargs: Any
    ) -> None:
        known = self._tasks
        for key in tasks:
            if key not in known:
                self._meet(scheduler.tasks[key], client)
        self._plan()

    def transition(self, key: Hashable, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        task = self._tasks.get(key)
        if task is None or (start == finish and finish != "waiting"):
            return
        try:
            self._follow(task, key, finish)
        except Exception:
            self._fail()

    def _follow(self, task: Task, key: Hashable, finish: str) -> None:
        if task.waiting is not None:  # it left no-worker
            self.turns.withdraw(task.waiting)
            task.waiting = None
        if task.charged is not None and finish != "processing":
            self.turns.discharge(task.tenant, task.charged)
            task.charged = None
            self._plan()
        if finish == "waiting":
            task.gate()
        elif finish == "no-worker":
            self._enqueue(task)
        elif finish == "processing":
            self._charge(task)
        elif finish == "forgotten":
            del self._tasks[key]
            if task.tenant not in self._clients:
                self.turns.leave(task.tenant)

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self._count_total()
        self._plan()

    def remove_worker(self, scheduler: Any, worker: str, **kwargs: Any) -> None:
        self._count_total()
        self._plan()

    def remove_client(self, scheduler: Any, client: str) -> None:
        for tenant in [t for t, clients in self._clients.items() if client in clients]:
            self._clients[tenant].discard(client)
            if not self._clients[tenant]:
                del self._clients[tenant]
                self.turns.leave(tenant)

    def restart(self, scheduler: Any) -> None:
        # Nearly all was forgotten task by task; whatever else the scheduler dropped goes too.
        self._clear()
        self._count_total()

    # -- tasks and tenants

    def _meet(self, ts: Any, client: str) -> None:
        if (
            ts.run_spec is None or ts.actor
        ):  # data that was scattered; an actor, which has a worker of its own
            return
        task = Task(ts, self._tenant(ts, client))
        self._tasks[ts.key] = task
        self._clients.setdefault(task.tenant, set()).add(client)

    def _tenant(self, ts: Any, client: str) -> str:
        """The annotation, else the client's name, else the client; joined to the turns."""
        said = (ts.annotations or {}).get(self.annotation)
        for name in (said, named(client), client):
            if name is not None:
                try:
                    self.turns.join(str(name))
                    return str(name)
                except InvalidName as error:
                    logger.warning("task %s: %s; its client is its tenant", ts.key, error)
        raise InvariantBroken(f"client {client!r} has no name that drf takes")

    def _enqueue(self, task: Task) -> None:
        task.gate()  # it may have been let go, and come back
        task.waiting = self.turns.wait(
            task, task.tenant, task.shape(), rank=task.ts.priority, since=monotonic()
        )
        self._plan()

    def _charge(self, task: Task) -> None:
        if task.charged is None:
            task.charged = task.shape()
            self.turns.charge(task.tenant, task.charged)

    # -- turns

    def _plan(self) -> None:
        """Hand out turns once, after what the scheduler is doing now."""
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._planned = False
        if self._scheduler.plugins.get(self.name) is not self:
            self.stand_down()
            return
        if not self.turns.waiting or not self._room():
            return
        now = monotonic()
        try:
            self.turns.advance(now)
            for waiting, ws in self.turns.hand_out(self._place, self._room):
                self._let_go(waiting.item, waiting.shape, ws)
                if self._stuck_since is not None and self._stuck_since[0] == waiting.shape:
                    self._stuck_since = None  # its kind does find room
            self._keep(now)
        except Exception:
            self._fail()

    def _fail(self) -> None:
        """Whatever a policy does, no task of the cluster may hang for it: off, once the scheduler is done with this."""
        logger.exception("fair sharing failed and is off; tasks go first come first served")
        self._loop.call_soon(self._give_up)

    def _give_up(self) -> None:
        if self._scheduler.plugins.get(self.name) is self:
            self.stand_down()

    def _room(self) -> set[Any]:
        """The workers that take another task: Dask's own count of threads, with its few in advance."""
        s = self._scheduler
        if math.isinf(s.WORKER_SATURATION):
            return {
                ws for ws in s.running if len(ws.processing) - len(ws.long_running) < ws.nthreads
            }
        return s.idle_task_count  # type: ignore[no-any-return]

    def _place(self, waiting: Waiting) -> Any:
        """The worker for a task whose turn it is, by Dask's own measures, or None."""
        s, task = self._scheduler, waiting.item
        ts, shape = task.ts, waiting.shape
        room = self._room()
        if self._kept is not None and self._kept[0] != shape:
            room = {ws for ws in room if ws.address != self._kept[1]}
        if shape is not PLAIN:
            room = self._fitting(room, task, shape)
        if not room:
            return None
        if not ts.dependencies:
            return min(room, key=lambda ws: (len(ws.processing) / ws.nthreads, ws.address))
        holders = {ws for dts in ts.dependencies for ws in dts.who_has or ()} & room
        return min(holders or room, key=lambda ws: (s.worker_objective(ts, ws), ws.address))

    def _fitting(self, room: set[Any], task: Task, shape: Shape) -> set[Any]:
        valid = self._valid(task)
        if valid is not None:
            room = (room & valid) or (room if task.loose else set())
        needs = shape.needs[1:]
        if task.loose or not needs:  # a loose task's resources are a wish
            return room
        return {ws for ws in room if all(free(ws, name) >= q for name, q in needs)}

    def _valid(self, task: Task) -> set[Any] | None:
        """The workers that its own restrictions leave, None for all."""
        task.open()
        try:
            return self._scheduler.valid_workers(task.ts)  # type: ignore[no-any-return]
        finally:
            task.gate()

    def _let_go(self, task: Task, shape: Shape, ws: Any) -> None:
        """To that worker, which it is tied to for this moment only: tied tasks are lost with their worker."""
        ts = task.ts
        task.waiting, task.charged = None, shape
        task.open()
        tied = ts.worker_restrictions, ts.host_restrictions, ts.loose_restrictions
        ts.worker_restrictions, ts.host_restrictions, ts.loose_restrictions = (
            {ws.address},
            None,
            False,
        )
        try:
            self._scheduler.transitions({ts.key: "processing"}, f"drf-turn-{ts.key}")
        finally:
            ts.worker_restrictions, ts.host_restrictions, ts.loose_restrictions = tied
        if ts.state == "no-worker":
            self.turns.discharge(task.tenant, shape)
            task.charged = None
            self._enqueue(task)

    def _keep(self, now: float) -> None:
        """Keep a worker for the first in order, if it has found no room for longer than patience."""
        stuck = self.turns.stuck
        self._kept = None
        if stuck is None:
            self._stuck_since = None
            return
        if self._stuck_since is None or self._stuck_since[0] != stuck.shape:
            self._stuck_since = stuck.shape, now
        if now - self._stuck_since[1] < self.patience:
            return
        valid = self._valid(stuck.item)
        able = [
            ws
            for ws in self._scheduler.running
            if (valid is None or ws in valid)
            and all(ws.resources.get(name, 0) >= q for name, q in stuck.shape.needs[1:])
        ]
        if able:
            first = min(able, key=lambda ws: (len(ws.processing) / ws.nthreads, ws.address))
            self._kept = stuck.shape, first.address

    # -- the scheduler as a whole

    def _tick(self) -> None:
        if self.turns.waiting or self._scheduler.plugins.get(self.name) is not self:
            self._ticked += 1
            if self._ticked % TICKS == 0:
                self._count_total()
            self._plan()

    def _count_total(self) -> None:
        s = self._scheduler
        total = {THREADS: float(s.total_nthreads)}
        for name, supplies in s.resources.items():
            if name not in GATE:
                total[name] = float(sum(supplies.values()))
        self.turns.set_total(total)

    def _adopt(self) -> None:
        """What was there before the plug-in: running tasks count, waiting ones wait here from now on."""
        s = self._scheduler
        owners: dict[Any, str] = {}
        for ts in list(s.tasks.values()):
            self._meet(ts, owner(ts, owners))
        for task in self._tasks.values():
            if task.ts.state == "processing":
                self._charge(task)
            elif task.ts.state in ("waiting", "queued", "no-worker"):
                task.gate()
        queued = {key: "released" for key, task in self._tasks.items() if task.ts.state == "queued"}
        s.transitions(queued, f"drf-adopt-{monotonic()}")
        for task in self._tasks.values():
            if task.ts.state == "no-worker" and task.waiting is None:
                self._enqueue(task)

    def stand_down(self) -> None:
        """Let every task go and watch no more; the scheduler is as without the plug-in."""
        s = self._scheduler
        self._ticks.stop()
        s.periodic_callbacks.pop(self.name, None)
        if s.plugins.get(self.name) is self:
            s.remove_plugin(self.name)
        rest = [task for task in self._tasks.values() if task.ts.state == "no-worker"]
        for task in self._tasks.values():
            task.open()
        rest.sort(key=lambda task: task.ts.priority, reverse=True)  # taken from the end
        self._clear()
        # Through released, so that Dask queues what it would have queued.
        s.transitions({task.ts.key: "released" for task in rest}, f"drf-down-{monotonic()}")

    def check(self) -> None:
        """Hold the counts against the scheduler's tasks; O(tasks). Raises InvariantBroken."""
        self.turns.check()
        tasks = self._scheduler.tasks
        for key, ts in tasks.items():
            task = self._tasks.get(key)
            if task is None:
                if ts.run_spec is not None and not ts.actor:
                    raise InvariantBroken(f"task {key!r} is unknown to the plug-in")
                continue
            if task.ts is not ts:
                raise InvariantBroken(f"task {key!r} is another than the plug-in knows")
            state = ts.state
            if (task.waiting is not None) != (state == "no-worker"):
                raise InvariantBroken(f"task {key!r} is {state}, and waiting: {task.waiting}")
            if (task.charged is not None) != (state == "processing"):
                raise InvariantBroken(f"task {key!r} is {state}, and charged: {task.charged}")
            if task.gated != (ts.resource_restrictions is GATE):
                raise InvariantBroken(f"task {key!r} has its gate unseen")
            if task.gated and state == "processing":
                raise InvariantBroken(f"task {key!r} runs with its gate closed")
        gone = [key for key in self._tasks if key not in tasks]
        if gone:
            raise InvariantBroken(f"tasks {gone} are forgotten by the scheduler")


def shares(dask_scheduler: Any) -> dict[str, dict[str, Any]]:
    """Of each tenant: share, running and waiting tasks; for ``client.run_on_scheduler(shares)``; O(tenants).

    Raises InvalidOption where the scheduler runs without the plug-in.
    """
    plugin = dask_scheduler.plugins.get(NAME)
    if not isinstance(plugin, FairShare):
        raise InvalidOption(
            "this scheduler has no plug-in drf; start it with --preload drf.masters.dask"
        )
    return plugin.turns.report()


def configured() -> FairShare:
    """The plug-in as Dask's configuration says under ``drf``. Raises what `FairShare` raises."""
    given = dict(dask.config.get("drf", {}) or {})
    known = {"policy", "weights", "quota", "annotation", "patience", "seed"}
    if set(given) - known:
        raise InvalidOption(
            f"drf.{sorted(set(given) - known)[0]} is no option of Dask's configuration; known: {sorted(known)}"
        )
    return FairShare(**given)


def dask_setup(scheduler: Any) -> None:
    """What ``--preload`` calls. Raises what `FairShare` raises, InvalidOption on a worker."""
    if not hasattr(scheduler, "add_plugin"):
        raise InvalidOption("drf.masters.dask is a preload of the scheduler, not of workers")
    scheduler.add_plugin(configured())
