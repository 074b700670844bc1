"""Fair shares on a Dask cluster that one cannot configure: tenants of one process share one Dask client.

Tasks wait here and go to the cluster when a worker has room, so the scheduler needs no plug-in. Whoever opens a client
of their own goes past it.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from typing import Any

from drf.errors import InvalidOption, InvariantBroken, MissingExtra
from drf.masters.turns import Amounts, Shape, Turns, Waiting
from drf.masters.versions import check_dask
from drf.plugins import Policy

try:
    import distributed
except ImportError as error:
    raise MissingExtra("drf.masters.dask_client", "dask and distributed", "dask") from error

logger = logging.getLogger(__name__)

THREADS, MEMORY = "threads", "memory"
"""What every worker has: its threads, of which a task needs one if it says nothing, and its memory limit in bytes."""


@dataclass(slots=True, eq=False)
class _Job:
    """A task of a tenant, and the attempt that runs it."""

    tenant: str
    rank: int
    needs: dict[str, float]
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    promise: Future[Any]
    losses: int = 0
    waiting: Waiting | None = None
    attempt: Any = None
    worker: str = ""


@dataclass(slots=True)
class _Worker:
    supply: dict[str, float]
    declared: frozenset[str]
    jobs: set[_Job] = field(default_factory=set)

    def fits(self, needs: Mapping[str, float]) -> bool:
        return all(self.free(name) >= q for name, q in needs.items())

    def free(self, name: str) -> float:
        supply = self.supply.get(name, 0.0)
        return supply * (1 + 1e-9) - sum(job.needs.get(name, 0.0) for job in self.jobs)


class FairClient:
    """Executors for tenants on one Dask client, in a policy's order.

    `tenant` gives a tenant's ``concurrent.futures.Executor``. ``policy``, ``weights`` and ``quota`` are those of
    `Turns`. A task is sent to one worker; where that is lost it waits again, in its old place, and fails after
    ``losses`` losses. One task costs one `client.submit`. Raises what `Turns` raises, NotSupported outside the tested
    versions of Dask.

    >>> fair = FairClient(client, weights={"alice": 2.0})             # doctest: +SKIP
    >>> fair.tenant("alice").submit(pow, 2, 10).result()              # doctest: +SKIP
    1024
    """

    def __init__(
        self,
        client: Any,
        policy: str | Policy = "drf",
        *,
        weights: Mapping[str, float | Mapping[str, float]] | None = None,
        quota: Mapping[str, Mapping[str, Amounts]] | None = None,
        losses: int = 3,
    ) -> None:
        check_dask()
        if client.asynchronous:
            raise InvalidOption("the client is asynchronous; FairClient needs a synchronous one")
        self._client = client
        self._losses = losses
        self._turns = Turns(policy, weights=weights, quota=quota)
        self._workers: dict[str, _Worker] = {}
        self._numbers = itertools.count()
        self._open: set[_Job] = set()
        self._changed = threading.Condition()
        self._due = self._stale = True
        self._closed = False
        client.subscribe_topic("all", self._heard)
        self._thread = threading.Thread(target=self._work, name="drf-dask-client", daemon=True)
        self._thread.start()

    def tenant(self, name: str, *, resources: Amounts | None = None) -> Executor:
        """The tenant's executor, whose tasks need these resources each; O(log tenants). Raises InvalidName."""
        with self._changed:
            self._turns.join(name)
        return _TenantExecutor(self, name, {THREADS: 1.0, **(resources or {})})

    def shares(self) -> dict[str, dict[str, Any]]:
        """Of each tenant: share, running and waiting tasks; O(tenants log tenants)."""
        with self._changed:
            return self._turns.report()

    def check(self) -> None:
        """Re-derive every invariant; O(tasks). Raises InvariantBroken."""
        with self._changed:
            self._turns.check()
            running = {job for job in self._open if job.attempt is not None}
            if {job for worker in self._workers.values() for job in worker.jobs} != running:
                raise InvariantBroken("the jobs of the workers are not those that run")
            if self._turns.waiting + len(running) != len(self._open):
                raise InvariantBroken("a job neither waits nor runs")

    def close(self) -> None:
        """Cancel what waits, let what runs end unheard, and leave the client as it was."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            left = list(self._open)
            self._open.clear()
        self._thread.join()
        self._client.unsubscribe_topic("all")
        for job in left:
            if not job.promise.cancel() and not job.promise.done():
                job.promise.set_exception(CancelledError())

    def __enter__(self) -> FairClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- inside

    def _submit(
        self, tenant: str, needs: dict[str, float], call: tuple[Any, Any, Any]
    ) -> Future[Any]:
        with self._changed:
            if self._closed:
                raise RuntimeError("this FairClient is closed; make another one")
            job = _Job(tenant, next(self._numbers), needs, call, Future())
            self._open.add(job)
            self._enqueue(job)
        return job.promise

    def _enqueue(self, job: _Job) -> None:
        shape = Shape(tuple(sorted(job.needs.items())))
        job.waiting = self._turns.wait(job, job.tenant, shape, rank=job.rank, since=job.rank)
        self._wake()

    def _wake(self) -> None:
        self._due = True
        self._changed.notify_all()

    def _heard(self, event: tuple[float, Any]) -> None:
        """In the client's own loop: only note it; asking the scheduler here would wait for itself."""
        if isinstance(event[1], dict) and event[1].get("action") in ("add-worker", "remove-worker"):
            with self._changed:
                self._stale = True
                self._wake()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._closed)
                if self._closed:
                    return
                self._due = False
                stale, self._stale = self._stale, False
            try:
                if stale:
                    self._look()
                self._hand_out()
            except Exception:
                logger.exception("tasks could not be handed out; waiting ones stay where they are")

    def _look(self) -> None:
        """Which workers there are now; the jobs of those that are gone wait again."""
        found = self._client.scheduler_info(n_workers=-1)["workers"]
        with self._changed:
            lost = [addr for addr in self._workers if addr not in found]
            jobs = [job for addr in lost for job in self._workers.pop(addr).jobs]
            for addr, info in found.items():
                declared = {n: float(q) for n, q in (info.get("resources") or {}).items()}
                supply = {THREADS: float(info["nthreads"]), MEMORY: float(info["memory_limit"])}
                if addr not in self._workers:
                    self._workers[addr] = _Worker({}, frozenset(declared))
                self._workers[addr].supply = supply | declared
            total: dict[str, float] = {}
            for worker in self._workers.values():
                for name, q in worker.supply.items():
                    total[name] = total.get(name, 0.0) + q
            self._turns.set_total(total)
            attempts = [self._back(job) for job in jobs]
        for attempt in attempts:
            # Tied to a worker that is gone, it would wait for it for ever.
            attempt.cancel(force=True)

    def _back(self, job: _Job) -> Any:
        """The worker of the job is lost: it waits again, or fails for good. Its old attempt."""
        attempt, job.attempt = job.attempt, None
        self._turns.discharge(job.tenant, Shape(tuple(sorted(job.needs.items()))))
        job.losses += 1
        if job.losses > self._losses:
            self._open.discard(job)
            job.promise.set_exception(
                RuntimeError(f"a task of {job.tenant!r} lost its worker {job.losses} times")
            )
        else:
            self._enqueue(job)
        return attempt

    def _hand_out(self) -> None:
        with self._changed:
            for waiting, addr in self._turns.hand_out(self._place):
                job = waiting.item
                job.waiting = None
                if not job.losses and not job.promise.set_running_or_notify_cancel():
                    self._open.discard(job)
                    self._turns.discharge(job.tenant, waiting.shape)
                    continue
                try:
                    self._send(job, addr)
                except Exception as error:  # the client is closed, or the task cannot be sent
                    self._open.discard(job)
                    self._turns.discharge(job.tenant, waiting.shape)
                    job.promise.set_exception(error)

    def _send(self, job: _Job, addr: str) -> None:
        worker = self._workers[addr]
        attempt = self._client.submit(
            _called,
            *job.call,
            key=f"drf-{job.tenant}-{id(self)}-{job.rank}-{job.losses}",
            pure=False,
            workers=[addr],
            allow_other_workers=False,
            resources={n: q for n, q in job.needs.items() if n in worker.declared} or None,
        )
        job.attempt, job.worker = attempt, addr
        worker.jobs.add(job)
        attempt.add_done_callback(lambda done: self._ended(job, done))

    def _place(self, waiting: Waiting) -> str | None:
        """The worker with the fewest jobs of ours among those with room."""
        needs = waiting.item.needs
        able = [addr for addr, worker in self._workers.items() if worker.fits(needs)]
        return min(able, key=lambda addr: (len(self._workers[addr].jobs), addr), default=None)

    def _ended(self, job: _Job, attempt: Any) -> None:
        """In a thread of the client's: the result, unless the attempt was given up meanwhile."""
        value: Any = None
        problem: BaseException | None = None
        try:
            value = attempt.result()
        except (CancelledError, distributed.client.FutureCancelledError):
            problem = CancelledError()
        except BaseException as error:
            problem = error
        with self._changed:
            if job.attempt is not attempt or job not in self._open:
                return
            if isinstance(problem, CancelledError):  # somebody's doing, not the task's
                self._workers[job.worker].jobs.discard(job)
                self._back(job)
                return
            job.attempt = None
            self._open.discard(job)
            self._workers[job.worker].jobs.discard(job)
            self._turns.discharge(job.tenant, Shape(tuple(sorted(job.needs.items()))))
            self._wake()
        if problem is None:
            job.promise.set_result(value)
        else:
            job.promise.set_exception(problem)


class _TenantExecutor(Executor):
    def __init__(self, fair: FairClient, tenant: str, needs: dict[str, float]) -> None:
        self._fair = fair
        self._tenant = tenant
        self._needs = needs

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._fair._submit(self._tenant, self._needs, (fn, args, kwargs))


def _called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)
