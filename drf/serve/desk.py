"""Where the verbs are carried out, one after the other: the allocator with its clock, its journal and its stream.

Nothing of HTTP is here. A request carries out its events with `do` and then waits for `settle`: all requests of one
turn of the event loop share one run of the allocator and one write to the disk. Nothing is answered, and no decision is
told, before it is on record.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import zlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drf.allocator import Allocator
from drf.errors import DRFError, InputError, InvalidOption, InvariantBroken
from drf.journal import JournaledAllocator, Replay, replay
from drf.offers import Decisions
from drf.serve import answers
from drf.serve.clock import Clock
from drf.serve.schema import check
from drf.serve.store import Store
from drf.serve.stream import Stream
from drf.serve.verbs import CHANGES, QUESTIONS, SCHEMAS, from_query

REMEMBERED = 100_000
"""Of so many events with an id it is known that they were carried out."""

SOONEST = 0.02
"""Seconds; where something is due again and again, the clock is looked at that often."""

RUNS = ("auto", "client")

log = logging.getLogger("drf.serve")


class Conflict(DRFError, ValueError):
    """The id was used for another event; give each event an id of its own."""


class Defect(DRFError, RuntimeError):
    """A verb failed in a way that it never should: a defect of `drf`; the log says more."""


@dataclass(frozen=True)
class Settings:
    """How the allocator is made, whose clock it follows, and who says when it runs."""

    policy: str = "drf"
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: str = "wall"
    runs: str = "auto"


@dataclass
class Figures:
    """What happened since the server started."""

    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    offers: int = 0
    rescinds: int = 0
    reclaims: int = 0
    runs: int = 0
    run_seconds: float = 0.0


class Desk:
    """The allocator, and all that stands around it; belongs to one thread, that of the event loop."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        if settings.runs not in RUNS:
            raise InvalidOption(f"runs is {settings.runs!r}; it is one of {', '.join(RUNS)}")
        self.settings = settings
        self.figures = Figures()
        self.stopped: asyncio.Future[None] | None = None
        self.now = 0.0
        self.events = 0
        self._store = store
        self._mark = ""
        self._known: dict[str, tuple[int, int]] = {}  # id -> its sum, number of the event
        self._waiting: deque[tuple[int, str]] = deque()  # decisions that are not on record yet
        self._due = True
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.stream = Stream()
        if store is None:
            self.allocator = Allocator(settings.policy, **settings.options)
        elif store.newest is None:
            self.allocator = self._fresh()
        else:
            self.allocator = self._again(store)
        self.clock = Clock(settings.clock, self.now)

    # -- verbs

    def do(self, verb: str, given: Any, key: str | None = None) -> dict[str, Any]:
        """Carry out a change with what fits its schema; its answer. O(verb).

        ``key`` names the event: a second one with the same is answered, not carried out. Raises Conflict, and what the
        allocator raises (the state is as it was).
        """
        try:
            return self._do(verb, given, key)
        except DRFError as error:
            self.figures.errors[type(error).__name__] += 1
            raise

    def _do(self, verb: str, given: Any, key: str | None) -> dict[str, Any]:
        change = CHANGES[verb]
        checksum = 0
        if key is not None:
            checksum = zlib.crc32(json.dumps([verb, given], sort_keys=True).encode())
            if (known := self._known.get(key)) is not None:
                if known[0] != checksum:
                    raise Conflict(
                        f"id {key!r} was another event's, number {known[1]}; give each event an id of its own"
                    )
                self.figures.repeated += 1
                return {"event": known[1], "repeated": True}
        args, named = change.read(given, self.allocator.space)
        if verb == "advance" and self.clock.ours:
            raise InvalidOption(
                f"the clock is the server's ({self.settings.clock}); advance is for servers with --clock client"
            )
        self._tick()
        mark = f', "event": {self.events + 1}'
        if key is not None:
            mark += f', "id": {json.dumps(key)}, "sum": {checksum}'
        self._mark = mark
        try:
            result = self._run() if verb == "run" else change.carry_out(self.allocator, args, named)
        except DRFError:
            raise
        except Exception as error:
            raise self._defect(verb, error) from error
        finally:
            self._mark = ""
        if verb == "advance":
            self.now = float(args[0])
        self._count(key, checksum)
        self.figures.events[verb] += 1
        self._due = self._due or verb != "run"
        return (
            {"event": self.events}
            if change.answer is None
            else {"event": self.events, "result": result}
        )

    def _count(self, key: str | None, checksum: int) -> None:
        self.events += 1
        if key is not None:
            self._known[key] = (checksum, self.events)
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]

    def ask(self, verb: str, query: Mapping[str, str]) -> Any:
        """Answer a question; O(question). Raises what is wrong with the arguments, what the allocator raises."""
        question = QUESTIONS[verb]
        space = self.allocator.space
        given = from_query(question, query)
        check(given, SCHEMAS[verb], "the query")
        args, named = question.read(given, space)
        if verb == "open_offers":
            return {"decisions": self._last(), "offers": self._offers()}
        if verb == "overview":
            return {
                "now": self.now,
                "policy": self.settings.policy,
                "events": self.events,
                "decisions": self._last(),
                "offers": self._offers(),
                **answers.overview(self.allocator.overview()),
            }
        try:
            return question.carry_out(self.allocator, args, named)
        except DRFError:
            raise
        except Exception as error:
            raise self._defect(verb, error) from error

    @property
    def version(self) -> str:
        """Another one whenever the overview may be another; O(1)."""
        return f"{self._last()}-{self.events}"

    def _offers(self) -> list[dict[str, Any]]:
        return [answers.offer(offer) for offer in self.allocator.open_offers()]

    def _last(self) -> str:
        return self.stream.later(len(self._waiting))

    def _defect(self, verb: str, error: Exception) -> DRFError:
        """What should not happen did: go on only if the state still adds up."""
        log.exception("%s failed", verb)
        try:
            self.allocator.check()
        except Exception as broken:
            self.fail(InvariantBroken(f"{verb} left the state broken: {broken}"))
        return Defect(f"{verb} failed: {error!r}")

    def fail(self, error: DRFError) -> None:
        """The server cannot go on; O(1)."""
        if self.stopped is not None and not self.stopped.done():
            self.stopped.set_exception(error)

    # -- runs

    async def settle(self) -> None:
        """Decide what was triggered and wait until it is on record; then it is told. Raises StoreFailed."""
        await asyncio.sleep(0)  # others of this turn of the loop
        if self._due and self.settings.runs == "auto":
            self.decide()
        await self.flush()

    async def flush(self) -> None:
        """Wait until all that happened is on record; then decisions are told. Raises StoreFailed."""
        mark = self._store.added if self._store is not None else 0
        if self._store is not None and self._store.safe < mark:
            try:
                await self._store.commit()
            except DRFError as error:
                self.fail(error)
                raise
        self._tell()

    def decide(self) -> None:
        """Run the allocator; where its policy fails, that is logged, and the next event runs it again."""
        try:
            self._tick()
            self._run()
        except DRFError as error:
            self.figures.errors[type(error).__name__] += 1
            log.error("a run failed: %s", error)
        except Exception as error:
            self.figures.errors["Defect"] += 1
            self._defect("run", error)
        self._wake_later()

    def _run(self) -> dict[str, Any] | None:
        self._due = False
        started = time.perf_counter()
        made = self.allocator.run()
        self.figures.run_seconds += time.perf_counter() - started
        self.figures.runs += 1
        if not made:
            return None
        self.figures.offers += len(made.offers)
        self.figures.rescinds += len(made.rescinds)
        self.figures.reclaims += len(made.reclaims)
        return self._decided(made)

    def _decided(self, made: Decisions) -> dict[str, Any]:
        message = answers.decisions(made, self.stream.later(len(self._waiting) + 1), self.now)
        mark = self._store.added if self._store is not None else 0
        self._waiting.append((mark, json.dumps(message)))
        return message

    def _tell(self) -> None:
        safe = self._store.safe if self._store is not None else 0
        while self._waiting and self._waiting[0][0] <= safe:
            self.stream.add(self._waiting.popleft()[1])

    def _tick(self) -> None:
        now = self.clock()
        if now is not None and now > self.now:
            self.allocator.advance(now)
            self.now = now

    def _wake_later(self) -> None:
        """Come back when something is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.allocator.next_deadline()
        if deadline is not None and self.clock.ours:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(deadline - self.now, SOONEST), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._due = True
        task = asyncio.get_running_loop().create_task(self._settled())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settled(self) -> None:
        try:
            await self.settle()
        except DRFError as error:
            log.error("%s", error)

    # -- the journal

    def _fresh(self) -> Allocator:
        self._mark = f', "serve": {json.dumps(self._state())}'
        allocator = JournaledAllocator(self._write, self.settings.policy, **self.settings.options)
        return self._begun(allocator)

    def _again(self, store: Store) -> Allocator:
        """The allocator as the journal leaves it, and all else that is in it."""
        path = store.newest
        assert path is not None
        try:
            with path.open(encoding="utf-8") as lines:
                found = replay(lines, file=str(path), watch=self._replayed)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", file=path) from error
        if found.differences:
            raise InputError(
                "decides otherwise than it did: this drf is another one; start the one that wrote the journal",
                file=path,
                line=found.differences[0].line,
            )
        snapshot = found.allocator.snapshot()
        self.now = snapshot["state"]["now"]
        self._check_made(snapshot, path)
        self._mark = f', "serve": {json.dumps(self._state())}'
        return self._begun(JournaledAllocator.restore(snapshot, self._write))

    def _begun(self, allocator: JournaledAllocator) -> Allocator:
        assert self._store is not None
        self._mark = ""
        self._store.head = lambda: _marked(
            allocator.checkpoint(), f', "serve": {json.dumps(self._state())}'
        )
        self._store.begin()
        return allocator

    def _replayed(self, entry: Mapping[str, Any], found: Replay, made: Decisions | None) -> None:
        if "drf" in entry:
            self._load(entry.get("serve"))
            self.now = entry["snapshot"]["state"]["now"] if "snapshot" in entry else 0.0
            return
        if entry.get("do") == "advance":
            self.now = entry["args"][0]
        if made:
            message = answers.decisions(made, self.stream.coming, self.now)
            self.stream.add(json.dumps(message))
        if "event" in entry:
            self._count(entry.get("id"), entry.get("sum", 0))

    def _state(self) -> dict[str, Any]:
        stream = self.stream.state()
        stream["kept"] += [message for _, message in self._waiting]
        stream["last"] += len(self._waiting)
        return {
            "stream": stream,
            "events": self.events,
            "known": [[key, *known] for key, known in self._known.items()],
        }

    def _load(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise InputError(
                "is the journal of an allocator, not of a server; its first line has no serve"
            )
        self.stream = Stream.load(state["stream"])
        self.events = state["events"]
        self._known = {key: (checksum, event) for key, checksum, event in state["known"]}

    def _check_made(self, snapshot: Mapping[str, Any], path: object) -> None:
        """Options that the journal was not made with would be silently forgotten."""
        asked = Allocator(self.settings.policy, **self.settings.options).snapshot()["state"]
        had = snapshot["state"]
        for part in ("made", "offer_timeout"):
            if (wanted := asked[part]) != had[part]:
                raise InputError(
                    f"was made with {_differing(had[part], wanted)}; give the same options, or another folder",
                    file=path,
                )

    def _write(self, line: str) -> None:
        assert self._store is not None
        self._store.append(_marked(line, self._mark) if self._mark else line)

    def close(self) -> None:
        """Wake up no more, and end the stream; O(1)."""
        if self._timer is not None:
            self._timer.cancel()
        self.stream.close()


def _marked(line: str, mark: str) -> str:
    """The line, an object of JSON, with more in it."""
    return f"{line[:-1]}{mark}}}"


def _differing(had: Any, wanted: Any) -> str:
    """Which option is another one, in words."""
    if not isinstance(had, dict):
        return f"offer_timeout {had!r}, not {wanted!r}"
    flat = [{**made, **made.get("options", {})} for made in (had, wanted)]
    names = [
        n for n in flat[0] if n not in ("options", "registered") and flat[0][n] != flat[1].get(n)
    ]
    return ", ".join(f"{name} {flat[0][name]!r}, not {flat[1].get(name)!r}" for name in names)
