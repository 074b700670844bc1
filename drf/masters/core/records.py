"""What a master is told and what it says: events in, messages out, as plain records.

A shell hands each event to `Master.handle` in the order in which it came, and delivers each message: those of
`TO_AGENT` to the agent, those of `TO_FRAMEWORK` to the framework's scheduler. On one connection messages arrive in
order; when it breaks, what was under way on it is lost, and nothing of it arrives after the next `Register` or
`Subscribe`. Times are seconds of the shell's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from drf.resources import Resources, ResourcesLike, Shape

STAGING = "staging"  # sent to its agent, which has not said anything of it yet
RUNNING = "running"
UNREACHABLE = "unreachable"  # its agent has been away for too long; it may come back with it
FINISHED = "finished"
FAILED = "failed"
KILLED = "killed"
LOST = "lost"  # it does not run, and nobody knows how it ended; or it was never launched
GONE = "gone"  # its agent will never come back
ERROR = "error"  # what was to be launched was malformed or too large

TERMINAL = frozenset({FINISHED, FAILED, KILLED, LOST, GONE, ERROR})
"""States that a task does not leave."""

FROM_AGENT = frozenset({RUNNING, FINISHED, FAILED, KILLED, LOST})
"""States that an agent may say that a task is in."""

BY_MASTER = 0
"""The number of a final status that the master itself gave; agents number theirs from 1."""

Stream: TypeAlias = "int | str | None"
"""Which connection of a framework's scheduler; a shell names each as it likes."""


class Launch(NamedTuple):
    """A task as a framework launches it; ``data`` is what the agent needs to run it, in plain JSON values.

    The rest is as in `drf.TaskSpec`.
    """

    name: str
    resources: ResourcesLike
    data: Any = None
    duration: float | None = None
    min_runtime: float = 0.0
    priority: int = 0


class TaskInfo(NamedTuple):
    """A task as its agent gets it, keeps it, and gives it back when it registers again."""

    framework: str
    name: str
    role: str
    agent: str
    resources: Resources
    data: Any = None
    duration: float | None = None
    min_runtime: float = 0.0
    priority: int = 0
    started: float = 0.0
    failover_timeout: float = 0.0

    @property
    def key(self) -> str:
        """Its name among those of all frameworks; a framework's name has no ``/``; O(1)."""
        return f"{self.framework}/{self.name}"


class Report(NamedTuple):
    """What an agent says of one of its tasks as it registers: its state, and updates not acknowledged yet, in order.

    An update is its number, the state and a message.
    """

    task: TaskInfo
    state: str
    updates: Sequence[tuple[int, str, str]] = ()


class OfferInfo(NamedTuple):
    """An offer as a framework sees it. ``group`` is shared by offers for tasks that start together."""

    id: str
    framework: str
    role: str
    agent: str
    resources: Resources
    attributes: tuple[tuple[str, Any], ...] = ()
    tasks: tuple[tuple[Shape, int], ...] = ()
    group: str | None = None
    max_duration: float | None = None


# -- events, from the operator


class Tick(NamedTuple):
    """Time has come: what is due happens, and decisions are made, once for all events before."""

    now: float


class SetWeights(NamedTuple):
    """Weights of roles, as in `Allocator.update_weights`."""

    weights: Mapping[str, float]


class SetQuota(NamedTuple):
    """What a role is guaranteed and limited to, as in `Allocator.update_quota`."""

    role: str
    guarantees: ResourcesLike | None = None
    limits: Mapping[str, float] | None = None


class Reclaim(NamedTuple):
    """Make room for tasks of a framework, if that is fair: `Allocator.plan_reclaim`, carried out."""

    framework: str
    shape: ResourcesLike
    tasks: int = 1
    role: str | None = None
    grace: float = 30.0


class Expect(NamedTuple):
    """This master is new, so many agents will register again; given before any does.

    ``quotas`` as in `Allocator.recover`. Until ``wait`` seconds have passed, or so many are back, nothing is said of
    tasks that are not known.
    """

    agents: int
    quotas: Mapping[str, Mapping[str, Any]]
    wait: float = 600.0


class Maintain(NamedTuple):
    """Maintenance of the agent is planned: from when, and for how many seconds (None: for good). No start: no more."""

    agent: str
    start: float | None = None
    duration: float | None = None


class AgentGone(NamedTuple):
    """The agent will never come back: its tasks are gone for good."""

    agent: str


# -- events, from agents

AGENT_TERMS = ("hostname", "capabilities", "region", "zone")


class Register(NamedTuple):
    """An agent is there, or there again, with what it has and with all tasks it knows.

    ``terms`` are hostname, capabilities, region and zone, as in `Allocator.add_agent`.
    """

    agent: str
    resources: ResourcesLike
    attributes: Mapping[str, Any] = {}
    reports: Sequence[Report] = ()
    terms: Mapping[str, Any] = {}


class AgentDisconnected(NamedTuple):
    """The connection to the agent broke."""

    agent: str


class Update(NamedTuple):
    """A task of the agent is in another state. Numbers of one task grow; one that comes again is the same update."""

    agent: str
    framework: str
    task: str
    number: int
    state: str
    message: str = ""


# -- events, from frameworks

TERMS = ("suppressed", "capabilities", "min_allocatable", "constraints", "affinity")


class Subscribe(NamedTuple):
    """A framework's scheduler is there, or there again.

    Its tasks run on for ``failover_timeout`` seconds after its connection broke. ``terms`` are suppressed,
    capabilities, min_allocatable, constraints and affinity, as in `Allocator.add_framework`, in plain JSON values.
    """

    framework: str
    roles: Sequence[str] = ("*",)
    stream: Stream = None
    failover_timeout: float = 0.0
    terms: Mapping[str, Any] = {}


class Disconnected(NamedTuple):
    """The connection to the framework's scheduler broke."""

    framework: str
    stream: Stream = None


class Request(NamedTuple):
    """So many tasks of the shape are not launched yet, as in `Allocator.request`; replaces the last number."""

    framework: str
    shape: ResourcesLike | Shape
    tasks: int = 1
    role: str | None = None
    where: Mapping[str, Sequence[str]] | None = None
    together: bool = False
    duration: float | None = None
    stream: Stream = None


class Suppress(NamedTuple):
    """No offers for these roles (none named: any role)."""

    framework: str
    roles: Sequence[str] = ()
    stream: Stream = None


class Revive(NamedTuple):
    """Offers again, also of what was refused."""

    framework: str
    roles: Sequence[str] = ()
    stream: Stream = None


class Accept(NamedTuple):
    """Launch tasks on offers, by the offer's id: all of them, or none. An offer without tasks is declined."""

    framework: str
    launches: Mapping[str, Sequence[Launch]]
    refuse_seconds: float | None = None
    stream: Stream = None


class Decline(NamedTuple):
    """Return offers, and refuse as much for a while; offers that ended are passed over."""

    framework: str
    offers: Sequence[str]
    refuse_seconds: float | None = None
    stream: Stream = None


class AnswerInverse(NamedTuple):
    """Whether it will leave an agent, as an inverse offer asked; no more of these for a while."""

    framework: str
    agent: str
    accept: bool
    refuse_seconds: float | None = None
    stream: Stream = None


class Kill(NamedTuple):
    """End a task; its status says when it has ended."""

    framework: str
    task: str
    stream: Stream = None


class Acknowledge(NamedTuple):
    """The framework has noted the status with that number; the next one of the task may come."""

    framework: str
    task: str
    number: int
    stream: Stream = None


class Reconcile(NamedTuple):
    """What is so of these tasks? None named: of all that have not ended."""

    framework: str
    tasks: Sequence[str] = ()
    stream: Stream = None


class Teardown(NamedTuple):
    """The framework is done: its tasks are ended, and its name is used up."""

    framework: str
    stream: Stream = None


# -- messages, to frameworks


class Subscribed(NamedTuple):
    """It takes part. ``tasks`` are those that it has from before, and have not ended."""

    framework: str
    stream: Stream
    tasks: tuple[str, ...] = ()


class Offered(NamedTuple):
    """New offers."""

    framework: str
    offers: tuple[OfferInfo, ...]


class Rescinded(NamedTuple):
    """The offer ended unanswered."""

    framework: str
    offer: str


class InverseOffered(NamedTuple):
    """It has something on an agent that is to be left by then, for so many seconds (None: for good)."""

    framework: str
    agent: str
    start: float
    duration: float | None = None


class InverseRescinded(NamedTuple):
    """That is not so any more, or asked anew."""

    framework: str
    agent: str


class Status(NamedTuple):
    """A task is in that state. With a number it comes again until it is acknowledged, and those after it wait."""

    framework: str
    task: str
    state: str
    agent: str | None = None
    number: int | None = None
    reason: str = ""
    message: str = ""


class AgentLost(NamedTuple):
    """An agent on which it has tasks is unreachable or gone; a status of each task says which."""

    framework: str
    agent: str


class Reclaimed(NamedTuple):
    """The task is to end by the deadline; one that has not is killed."""

    framework: str
    task: str
    deadline: float
    reason: str


class Failed(NamedTuple):
    """What was asked for is not done, or (to an older stream) another scheduler has taken over; nothing changed."""

    framework: str
    stream: Stream
    message: str


# -- messages, to agents


class Admitted(NamedTuple):
    """The agent takes part."""

    agent: str


class Refused(NamedTuple):
    """It does not. Where `End` came before, it ends these tasks and registers again."""

    agent: str
    message: str


class Run(NamedTuple):
    """Run the task."""

    agent: str
    task: TaskInfo


class End(NamedTuple):
    """End the task, with all that it started, and say when it has; nothing where it ended before."""

    agent: str
    framework: str
    task: str
    reason: str


class Forget(NamedTuple):
    """The update was acknowledged, it need not be kept."""

    agent: str
    framework: str
    task: str
    number: int


# -- messages, to the operator


class Trouble(NamedTuple):
    """The allocator failed at a verb, or answered nonsense; a new one was made from the master's own books."""

    verb: str
    message: str


Event: TypeAlias = (
    Tick
    | SetWeights
    | SetQuota
    | Reclaim
    | Expect
    | Maintain
    | AgentGone
    | Register
    | AgentDisconnected
    | Update
    | Subscribe
    | Disconnected
    | Request
    | Suppress
    | Revive
    | Accept
    | Decline
    | AnswerInverse
    | Kill
    | Acknowledge
    | Reconcile
    | Teardown
)
ToFramework: TypeAlias = (
    Subscribed
    | Offered
    | Rescinded
    | InverseOffered
    | InverseRescinded
    | Status
    | AgentLost
    | Reclaimed
    | Failed
)
ToAgent: TypeAlias = Admitted | Refused | Run | End | Forget
Message: TypeAlias = ToFramework | ToAgent | Trouble

TO_FRAMEWORK = (
    Subscribed,
    Offered,
    Rescinded,
    InverseOffered,
    InverseRescinded,
    Status,
    AgentLost,
    Reclaimed,
    Failed,
)
TO_AGENT = (Admitted, Refused, Run, End, Forget)
