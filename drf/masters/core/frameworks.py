"""What frameworks ask for: to take part, offers, the end of tasks, news; and what becomes of one that is away."""

from __future__ import annotations

from drf.errors import DRFError, InvalidOption, UnknownName
from drf.masters.core.books import Framework, Want
from drf.masters.core.delivery import Desk
from drf.masters.core.records import (
    LOST,
    TERMS,
    Acknowledge,
    AnswerInverse,
    Decline,
    Disconnected,
    Failed,
    Kill,
    Reconcile,
    Request,
    Revive,
    Status,
    Subscribe,
    Subscribed,
    Suppress,
    Teardown,
)
from drf.resources import Shape

SUPPRESSED = "suppressed"


class Frameworks:
    """The frameworks' part of a master, but for launches."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- coming and going

    def subscribe(self, event: Subscribe) -> None:
        """A scheduler is there, or there again, or a new one takes over; O(tasks of it)."""
        desk, books = self._desk, self._desk.books
        name = event.framework
        framework = books.frameworks.get(name)
        if name in books.removed or (framework is not None and framework.removing):
            desk.send(Failed(name, event.stream, f"framework {name!r} has been removed"))
            return
        try:
            roles, terms, suppressed = self._terms(event)
            if framework is None:
                desk.broker.ask("add_framework", name, roles=roles, **terms)
                framework = books.frameworks[name] = Framework(name, roles)
            else:
                desk.broker.ask("update_framework", name, roles=roles, **terms)
        except (DRFError, TypeError, ValueError) as error:
            desk.send(Failed(name, event.stream, str(error)))
            return
        if framework.connected and framework.stream != event.stream:
            desk.send(Failed(name, framework.stream, f"framework {name!r} failed over"))
        framework.roles, framework.suppressed = roles, suppressed
        framework.failover_timeout = event.failover_timeout
        framework.terms = {key: value for key, value in terms.items() if key != SUPPRESSED}
        framework.wants = {key: w for key, w in framework.wants.items() if key[0] in roles}
        framework.stream, framework.connected, framework.deadline = event.stream, True, None
        desk.broker.unasked(framework=name)
        desk.broker.tell("deactivate_framework", name)  # offers that another scheduler knew end
        desk.broker.tell("activate_framework", name)
        names = tuple(task.info.name for task in books.running(name))
        desk.send(Subscribed(name, event.stream, names))
        for task in books.of.get(name, {}).values():
            if task.notes:
                desk.deliver(task)

    def _terms(self, event: Subscribe) -> tuple[tuple[str, ...], dict[str, object], set[str]]:
        """Its roles, and on what terms it takes part; a role in which something runs is kept, without offers."""
        timeout = event.failover_timeout
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
            raise InvalidOption(
                f"failover_timeout of framework {event.framework!r} is {timeout!r}; "
                f"it is a number of seconds, 0 or more"
            )
        if isinstance(event.roles, str):
            raise InvalidOption(f"roles of framework {event.framework!r} is text; give a list")
        for term in event.terms:
            if term not in TERMS:
                raise UnknownName("term", term, TERMS)
        asked = tuple(event.roles)
        running = self._desk.books.running(event.framework)
        kept = dict.fromkeys(t.info.role for t in running if t.info.role not in asked)
        suppressed = {*event.terms.get(SUPPRESSED, ()), *kept}
        terms = {**event.terms, SUPPRESSED: sorted(suppressed)}
        return (*asked, *kept), terms, suppressed

    def disconnected(self, event: Disconnected) -> None:
        """Its scheduler is away: no offers, and its tasks run on until its time is over; O(offers of it)."""
        desk = self._desk
        framework = self._of(event.framework, event.stream)
        if framework is None:
            return
        framework.connected, framework.stream = False, None
        framework.deadline = desk.books.now + framework.failover_timeout
        for task in desk.books.of.get(framework.name, {}).values():
            desk.sent.pop(task.info.key, None)
        desk.broker.unasked(framework=framework.name)
        desk.broker.tell("deactivate_framework", framework.name)

    def teardown(self, event: Teardown) -> None:
        """It is done; O(tasks of it)."""
        framework = self._heard(event.framework, event.stream)
        if framework is not None:
            self._desk.remove(framework, "its framework is done")

    def overdue(self) -> None:
        """Frameworks that were away for too long are removed; O(frameworks)."""
        now = self._desk.books.now
        for framework in list(self._desk.books.frameworks.values()):
            if framework.deadline is not None and framework.deadline <= now:
                self._desk.remove(framework, "its framework did not come back in time")

    # -- offers

    def request(self, event: Request) -> None:
        """So many tasks of a shape wait; O(tasks)."""
        desk = self._desk
        framework = self._heard(event.framework, event.stream)
        if framework is None:
            return
        role = event.role if event.role is not None or not framework.roles else framework.roles[0]
        try:
            if event.role is None and len(framework.roles) > 1:
                raise InvalidOption(
                    f"framework {framework.name!r} has roles {', '.join(framework.roles)}; say which"
                )
            shape = Shape.of(
                event.shape, event.where, space=desk.books.space, duration=event.duration
            )
            desk.broker.ask(
                "request", framework.name, shape, event.tasks, role=role, together=event.together
            )
        except (DRFError, AttributeError, TypeError, ValueError) as error:
            desk.send(Failed(framework.name, framework.stream, str(error)))
            return
        assert role is not None
        if event.tasks:
            since = (desk.books.now,) * event.tasks
            framework.wants[role, shape] = Want(since, event.together)
        else:
            framework.wants.pop((role, shape), None)

    def suppress(self, event: Suppress) -> None:
        """No offers for these roles; O(roles)."""
        framework = self._heard(event.framework, event.stream)
        if framework is not None and self._asked(framework, "suppress", event.roles):
            framework.suppressed |= set(event.roles or framework.roles)

    def revive(self, event: Revive) -> None:
        """Offers again; O(roles)."""
        framework = self._heard(event.framework, event.stream)
        if framework is not None and self._asked(framework, "revive", event.roles):
            framework.suppressed -= set(event.roles or framework.roles)

    def _asked(self, framework: Framework, verb: str, roles: object) -> bool:
        try:
            self._desk.broker.ask(verb, framework.name, roles)
        except DRFError as error:
            self._desk.send(Failed(framework.name, framework.stream, str(error)))
            return False
        return True

    def decline(self, event: Decline) -> None:
        """Offers go back; O(resources)."""
        desk = self._desk
        framework = self._heard(event.framework, event.stream)
        if framework is None:
            return
        for offer in event.offers:
            info = desk.broker.offers.get(offer)
            if info is None or info.framework != framework.name:
                continue
            try:
                desk.broker.ask(
                    "decline", desk.broker.number(offer), refuse_seconds=event.refuse_seconds
                )
            except DRFError as error:
                desk.send(Failed(framework.name, framework.stream, str(error)))
            else:
                desk.broker.close(offer)
                desk.broker.settle()

    def answer_inverse(self, event: AnswerInverse) -> None:
        """It will leave an agent, or not; O(1)."""
        desk = self._desk
        framework = self._heard(event.framework, event.stream)
        if framework is None:
            return
        pair = (framework.name, event.agent)
        if pair not in desk.broker.inverse:
            text = f"no inverse offer of {event.agent!r} is open; it was answered or rescinded"
            desk.send(Failed(framework.name, framework.stream, text))
            return
        status = "ACCEPT" if event.accept else "DECLINE"
        try:
            desk.broker.ask(
                "answer_inverse_offer",
                event.agent,
                framework.name,
                status,
                refuse_seconds=event.refuse_seconds,
            )
        except DRFError as error:
            desk.send(Failed(framework.name, framework.stream, str(error)))
            return
        desk.broker.inverse.pop(pair, None)

    # -- tasks

    def kill(self, event: Kill) -> None:
        """A task is to end; O(1)."""
        desk = self._desk
        framework = self._heard(event.framework, event.stream)
        if framework is None:
            return
        task = desk.books.tasks.get(f"{framework.name}/{event.task}")
        if task is None:
            self._unknown(framework, event.task)
        elif not task.ended:
            desk.kill(task, "its framework says so")

    def acknowledge(self, event: Acknowledge) -> None:
        """A status was noted; O(1)."""
        framework = self._heard(event.framework, event.stream)
        task = self._desk.books.tasks.get(f"{event.framework}/{event.task}")
        if framework is not None and task is not None:
            self._desk.acknowledged(task, event.number)

    def reconcile(self, event: Reconcile) -> None:
        """What is so of these tasks; O(of them)."""
        desk = self._desk
        framework = self._heard(event.framework, event.stream)
        if framework is None:
            return
        if not event.tasks:
            for task in desk.books.running(framework.name):
                desk.tell(task.info, task.state, "reconciliation")
        for name in event.tasks:
            found = desk.books.tasks.get(f"{framework.name}/{name}")
            if found is None:
                self._unknown(framework, name)
            else:
                desk.tell(found.info, found.state, "reconciliation")

    def _unknown(self, framework: Framework, task: str) -> None:
        """It does not run, as far as can be said: while agents are expected, nothing is."""
        if self._desk.quiet_until is None:
            self._desk.send(
                Status(framework.name, task, LOST, None, None, "reconciliation", "it is not known")
            )

    # -- who speaks

    def _of(self, name: str, stream: object) -> Framework | None:
        framework = self._desk.books.frameworks.get(name)
        if framework is None or not framework.connected or stream not in (None, framework.stream):
            return None
        return framework

    def _heard(self, name: str, stream: object) -> Framework | None:
        """The framework, if that is its scheduler now; else the caller is told."""
        framework = self._of(name, stream)
        if framework is None:
            self._desk.send(
                Failed(name, stream, f"framework {name!r} is not subscribed here")  # type: ignore[arg-type]
            )
        return framework
