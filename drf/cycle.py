"""One allocation cycle: who is offered what on which agent.

Twice, over the agents in turn, roles and in each role frameworks are asked in the policy's order: first for what
guarantees lack, then for the fair share up to limits. Whole agents (``offer="agent"``): the first willing framework
gets all that may go to it. Requested shapes (``offer="demand"``): the first in order that has a task that fits gets
room for that one task, and the order is taken again, until nothing fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from drf._backend import Client
from drf.claims import Claims
from drf.company import Company
from drf.dealing import Dealt
from drf.explain import Obstacle
from drf.filters import Refusals, is_allocatable, kinds
from drf.frameworks import Framework
from drf.ledger import Agent, Ledger
from drf.plugins import Grant
from drf.quota import Arrange, Budget, regular_scalar, shrink
from drf.ranking import Ranking
from drf.requests import Ask, Requests
from drf.resources import Resources, Shape
from drf.roles import NONE, Quantities, RoleTree, add_to, less
from drf.short import parts
from drf.tags import Tag

Together = list[tuple[Agent, Resources, int]]
"""Where tasks that start together find room: the agent, how much of it, and for how many."""

Cut = dict[tuple[str, str, float | None], tuple[Resources, dict[Shape, int]]]
"""Role, framework and longest task -> what it gets, for which tasks."""


class Cycle:
    """The state that a cycle reads and changes; `whole` and `shared` are one cycle each."""

    def __init__(
        self,
        ledger: Ledger,
        ranking: Ranking,
        roles: RoleTree,
        refusals: Refusals,
        requests: Requests,
        frameworks: dict[str, Framework],
        company: Company,
        claims: Claims,
        *,
        minimum: Sequence[Resources],
        filter_gpus: bool,
        region: str | None,
        arrange: Arrange,
        everywhere: Callable[[], list[Agent]],
        mesos: bool,
    ) -> None:
        self._ledger = ledger
        self._ranking = ranking
        self._dealing = ranking.dealing
        self._dealing.judge(self._takes, refusals.passed)
        self._roles = roles
        self._refusals = refusals
        self._requests = requests
        self._frameworks = frameworks
        self._company = company
        self._mesos = mesos
        self._everywhere = everywhere
        self._claims = claims
        self._minimum = minimum
        self._filter_gpus = filter_gpus
        self._region = region
        self._arrange = arrange
        # What was seen not to fit: framework, role, agent -> growth of the agent and the last ask then.
        self._unfit: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._all: list[Agent] = []  # all usable agents, for tasks that start together
        self._groups: list[list[Grant]] = []
        self._in_vain: set[tuple[str, str, Shape]] = set()

    def whole(
        self, first: Sequence[Agent], second: list[Agent], budget: Budget | None
    ) -> Sequence[Grant]:
        """Decide for each agent in turn, offering all that is free there; O(agents x frameworks) at worst.

        With quota what guarantees lack is offered of the agents in the ``first`` order, the rest in the ``second``.
        """
        if budget is None:
            return self._unbudgeted(second)
        grants: dict[tuple[str, str, str], Resources] = {}
        shown: dict[str, Resources] = {}  # agent -> shared objects that were offered in this cycle
        if budget.guaranteed:
            for agent in first:
                self._guarantees(agent, budget, grants, shown)
        for agent in second:
            self._fair(agent, budget, grants, shown)
        return _parted(grants)

    def dealt_within(
        self,
        first: Sequence[Agent],
        second: Sequence[Agent],
        available: Quantities | None,
        *,
        live: bool,
    ) -> Sequence[Grant]:
        """The same by the kernel, where all is plain; ``available`` as in `Dealing.deal_within`, by name."""
        dealt = Dealt()
        kept = self._dealing.by_column(available)
        self._dealing.deal_within(first, second, kept, live, *dealt.columns)
        return dealt

    def is_plain(self) -> bool:
        """Whether the kernel may deal, as far as it is not up to agents; O(1)."""
        return self._ranking.is_flat and not self._claims and not self._company

    def _unbudgeted(self, agents: list[Agent]) -> Sequence[Grant]:
        """Without quota the kernel deals out what is plain, up to the next agent that takes the long way."""
        shown: dict[str, Resources] = {}
        out: list[Grant] = []
        at = 0
        while at < len(agents):
            if self.is_plain():
                dealt = Dealt()
                at = self._dealing.deal(agents, at, *dealt.columns)
                if at == len(agents) and not out:
                    return dealt
                out.extend(dealt)
            if at < len(agents):
                grants: dict[tuple[str, str, str], Resources] = {}
                self._fair(agents[at], None, grants, shown)
                out.extend(_parted(grants))
                at += 1
        return out

    def _takes(self, client: Client, agent: Agent, part: Resources) -> bool:
        """Whether the client takes so much of the plain agent, as `_fair` has it."""
        framework = self._frameworks[client.framework]
        if framework.excludes(client.role, agent):
            return False
        if self._taken_by(framework, client.role, agent, agent.free) is None:
            return False
        return self._passing(framework, client.role, agent, part) is not None

    def note_terms(self, framework: Framework, role: str) -> None:
        """Tell the kernel whether the framework takes any agent that is worth an offer in the role; O(1)."""
        client = self._dealing.client(framework.name, role)
        client.open = (framework.gpus or not self._filter_gpus) and (
            framework.regions or self._region is None
        )
        self._dealing.set_simple(
            client,
            framework.constraints is None
            and (framework.min_allocatable is None or role not in framework.min_allocatable)
            and (self._mesos or self._requests.get(framework.name, role) is None),
        )

    def shared(self, agents: Sequence[Agent], budget: Budget | None) -> list[Grant]:
        """Decide for each agent in turn, offering what requested tasks can use; O(agents x frameworks) at worst.

        Tasks that start together find room on all usable agents, also on those that are no candidates.
        """
        cuts: dict[str, Cut] = {}
        self._all, self._groups = [], []
        for lacking in (True, False):
            if lacking and (budget is None or not budget.guaranteed):
                continue
            self._in_vain.clear()
            for agent in agents:
                self._share_out(agent, budget, lacking, cuts.setdefault(agent.name, {}))
        single = [
            Grant(framework, role, agent, total, tuple(tasks.items()))
            for agent, cut in cuts.items()
            for (role, framework, _), (total, tasks) in cut.items()
        ]
        return [*single, *(grant for group in self._groups for grant in group)]

    def forget(self, framework: str) -> None:
        """Drop what was noted about a framework that is gone; O(notes)."""
        for key in [key for key in self._unfit if key[0] == framework]:
            del self._unfit[key]

    # -- whole agents

    def _guarantees(
        self,
        agent: Agent,
        budget: Budget,
        grants: dict[tuple[str, str, str], Resources],
        shown: dict[str, Resources],
    ) -> None:
        if not budget.unmet:
            return
        # Where no role is below another, only a role's own guarantee can lack something for it.
        only = budget.unmet if self._ranking.is_flat else None
        for role in self._ranking.in_order(only):
            if not agent.free or not budget.unmet:
                return
            unsatisfied = budget.unsatisfied(role)
            if not unsatisfied:
                continue
            for framework, found in self._willing(role, agent, shown):
                mine = self._claims.kept(agent.free, framework.name, role, agent.name)
                if mine is not None:
                    # It counts as given before, and is offered in the second stage.
                    found = found.minus(mine)
                counted = found.split(regular_scalar)
                part = shrink(counted, unsatisfied, limits=False, arrange=self._arrange)
                limit = budget.limit_left(role)
                if limit is not None:
                    part = shrink(part, limit, limits=True, arrange=self._arrange)
                if not part:
                    continue
                given = part.quantities()
                extra = self._allowed(budget, role, agent, counted.minus(part), given)
                others = found.split(lambda n, tag, scalar, r=role: _beside(r, tag, scalar))  # type: ignore[misc]
                offer = (part + others + extra).arranged(found)
                passing = self._passing(framework, role, agent, offer)
                if passing is None or less(given, passing.quantities()):
                    continue
                offer = passing
                self._commit(framework.name, role, agent, offer, grants, shown)
                budget.give(role, given, extra.quantities(), agent=agent.name)
                unsatisfied = budget.unsatisfied(role)
                if not unsatisfied:
                    break

    def _fair(
        self,
        agent: Agent,
        budget: Budget | None,
        grants: dict[tuple[str, str, str], Resources],
        shown: dict[str, Resources],
    ) -> None:
        if not agent.free:
            return
        for role in self._ranking.in_order() if budget is None else self._open(agent, budget):
            if not agent.free:
                return
            for framework, found in self._willing(role, agent, shown):
                most, kept = found, NONE
                mine = self._claims.kept(agent.free, framework.name, role, agent.name)
                if budget is not None:
                    kept = _counted(mine)
                    counted = found.split(regular_scalar)
                    most = found.minus(counted) + self._allowed(
                        budget, role, agent, counted, kept=kept
                    )
                if mine is not None:
                    mine = mine.minus(mine.minus(found))
                    if not mine <= most:  # quota cuts it by now: it is kept on, as one piece
                        most, mine, kept = most.minus(mine), None, NONE
                offer = self._passing(framework, role, agent, most)
                if offer is None or (mine is not None and not mine <= offer):
                    continue
                self._commit(framework.name, role, agent, offer, grants, shown)
                if mine is not None:
                    self._claims.offered(framework.name, role, agent.name, mine)
                if budget is not None:
                    counted = offer.split(regular_scalar)
                    budget.give(role, {}, less(counted.quantities(), kept), agent=agent.name)

    def _open(self, agent: Agent, budget: Budget) -> Iterable[str]:
        """The roles in order that quota may allow something of the agent.

        Where all is a plain amount, it may allow nothing to roles whose limits are used up, or to nobody.
        """
        names = tuple(agent.free.quantities())
        if self._claims or agent.free != agent.free.scalars:
            return self._ranking.in_order()
        surplus = budget.surplus(agent=agent.name)
        if surplus is not None and not any(surplus.get(name) for name in names):
            return ()
        return self._ranking.in_order(budget.open(names, self._ranking.served))

    def _willing(
        self, role: str, agent: Agent, shown: dict[str, Resources]
    ) -> Iterator[tuple[Framework, Resources]]:
        """Frameworks of the role in order, with what each can take of what is free by then, until nothing is."""
        for name in self._ranking.frameworks(role).sort():
            framework = self._frameworks[name]
            if framework.excludes(role, agent) or self._is_kept_off(framework, agent):
                continue
            free = self._for_role(framework, role, agent, shown)
            if not free and not self._claims:
                return
            found = self._taken_by(framework, role, agent, free)
            if found is not None:
                for part in parts(found):  # each is an offer of its own
                    yield framework, part

    def _allowed(
        self,
        budget: Budget,
        role: str,
        agent: Agent,
        counted: Resources,
        given: Quantities | None = None,
        kept: Quantities = NONE,
    ) -> Resources:
        """How much of what quota counts the role may have beyond guarantees, and beyond what it is given now.

        What is ``kept`` for it was counted as its own before.
        """
        more = {**(given or {})}
        add_to(more, kept, -1)
        limit = budget.limit_left(role, more)
        if limit is not None:
            counted = shrink(counted, limit, limits=True, arrange=self._arrange)
        surplus = budget.surplus(kept, agent=agent.name)
        if surplus is not None:
            counted = shrink(counted, surplus, limits=False, arrange=self._arrange)
        return counted

    def _for_role(
        self, framework: Framework, role: str, agent: Agent, shown: dict[str, Resources]
    ) -> Resources:
        """What is free, not kept for others, and may go to the role, each shared object once in a cycle."""
        room = self._claims.room(agent.free, framework.name, role, agent.name)
        free = room.allocatable_to(role)
        return free.minus(shown[agent.name]) if agent.name in shown else free

    def _kept(self, framework: str, role: str, agent: Agent) -> Quantities:
        """What quota counts of what is kept for the framework there, if it is whole by now; O(claims there)."""
        return _counted(self._claims.kept(agent.free, framework, role, agent.name))

    def _taken_by(
        self, framework: Framework, role: str, agent: Agent, free: Resources
    ) -> Resources | None:
        """What of it the framework can take; None where it cannot use the agent or thinks it too small."""
        if not is_allocatable(free, self._least(framework, role)):
            return None
        if not self._is_capable(framework, agent):
            return None
        return framework.strip(free)

    def _is_capable(self, framework: Framework, agent: Agent) -> bool:
        if self._filter_gpus and not framework.gpus and agent.total.quantity("gpus"):
            return False
        remote = (
            self._region is not None and agent.region is not None and agent.region != self._region
        )
        return framework.regions or not remote

    def _is_kept_off(self, framework: Framework, agent: Agent) -> bool:
        """Whether by somebody's affinity."""
        return bool(self._company) and self._company.obstacle(framework.name, agent) is not None

    def _least(self, framework: Framework, role: str) -> Sequence[Resources]:
        own = framework.min_allocatable
        if own is None or role not in own:
            return self._minimum
        return own[role]

    def _passing(
        self, framework: Framework, role: str, agent: Agent, offer: Resources
    ) -> Resources | None:
        """What of the offer is made: nothing that is refused, too little, or of no use to it."""
        least = self._least(framework, role)
        if not is_allocatable(offer, least) or not agent.serves(role):
            return None
        passing = self._refusals.passing(
            self._dealing.client(framework.name, role), agent, offer, apart=not self._mesos
        )
        if passing is None or (passing is not offer and not is_allocatable(passing, least)):
            return None
        return passing if self._is_useful(framework, role, agent, passing) else None

    def _is_useful(self, framework: Framework, role: str, agent: Agent, offer: Resources) -> bool:
        """Whether a task fits that the framework waits for, if it ever said what it waits for; O(shapes)."""
        queue = None if self._mesos else self._requests.get(framework.name, role)
        return queue is None or any(
            ask.shape.fits_attributes(agent.texts)
            and framework.carve(role, offer, ask.shape) is not None
            for ask in queue.unmet(0)
        )

    def _commit(
        self,
        framework: str,
        role: str,
        agent: Agent,
        offer: Resources,
        grants: dict[tuple[str, str, str], Resources],
        shown: dict[str, Resources],
    ) -> None:
        self._give(framework, role, agent, offer)
        key = (framework, role, agent.name)
        grants[key] = grants[key] + offer if key in grants else offer
        if not offer.is_plain and (shared := offer.shared):
            shown[agent.name] = shown[agent.name] + shared if agent.name in shown else shared

    def _give(self, framework: str, role: str, agent: Agent, amount: Resources) -> None:
        """It is offered so much: in the ledger, the orders and the tree of roles."""
        client = self._dealing.client(framework, role)
        if agent.is_refused(client.index):
            self._refusals.passed(client, agent)
        self._ledger.offer((framework, role), agent.name, amount)
        self._ranking.allocated(framework, role, agent.name, amount)
        self._roles.moved(agent.name, role, amount, 1, held=False)

    # -- questions

    def obstacle(
        self,
        framework: Framework,
        role: str,
        agent: Agent,
        budget: Budget | None,
        *,
        whole: bool,
        together: dict[Shape, bool],
    ) -> Obstacle | None:
        """What would keep the agent from the framework if it were first; None if nothing; O(asks + refusals).

        The tests are those of a cycle, in the same order. ``together`` notes whether all tasks of a shape find room at
        once, which is the same for all agents: O(agents), asked once.
        """
        if framework.constraints is not None and framework.excludes(role, agent):
            why = framework.constraints.why(
                role,
                agent.attributes,
                hostname=agent.hostname,
                region=agent.region,
                zone=agent.zone,
            )
            return Obstacle("constraint", str(why))
        company = self._company.obstacle(framework.name, agent)
        if company is not None:
            return Obstacle("affinity", company)
        if not agent.free:
            return Obstacle("nothing free", "all that it has is offered or held")
        free = agent.free.allocatable_to(role)
        if free and not self._for_role(framework, role, agent, {}):
            return Obstacle("claim", "what is free is kept for whom tasks were taken back")
        if not free:
            return Obstacle(
                "reservation", f"what is free, {agent.free}, is reserved for other roles"
            )
        if not self._is_capable(framework, agent):
            return Obstacle("capability", "the agent has gpus, or is of another region")
        if not agent.serves(role):
            return Obstacle("agent capability", "the agent cannot serve such a role")
        found = framework.strip(free)
        if not found:
            return Obstacle("capability", f"it cannot take what is free, {free}")
        if not whole:
            return self._task_obstacle(framework, role, agent, budget, together)
        obstacles = [self._part_obstacle(framework, role, agent, budget, p) for p in parts(found)]
        return None if None in obstacles else obstacles[0]

    def _part_obstacle(
        self, framework: Framework, role: str, agent: Agent, budget: Budget | None, found: Resources
    ) -> Obstacle | None:
        offer = found
        if budget is not None:
            counted = found.split(regular_scalar)
            kept = self._kept(framework.name, role, agent)
            allowed = self._allowed(budget, role, agent, counted, kept=kept)
            offer = found.minus(counted) + allowed
            lack = budget.unsatisfied(role)
            if counted and not allowed and not lack:
                limit = budget.limit_left(role)
                if limit is not None and not any(limit.get(n, 1) for n in counted.quantities()):
                    return Obstacle("limit", f"the quota of role {role!r} or above it is used up")
                return Obstacle("headroom", "what is free is kept for guarantees of other roles")
        if not is_allocatable(offer, self._least(framework, role)):
            return Obstacle("too small", f"{offer or 'nothing'} reaches no minimum offer")
        passing = self._refusals.passing(
            self._dealing.client(framework.name, role), agent, offer, apart=not self._mesos
        )
        if passing is None:
            return self._refused(framework, role, agent, offer)
        if not is_allocatable(passing, self._least(framework, role)):
            return self._refused(framework, role, agent, offer.minus(passing))
        if not self._is_useful(framework, role, agent, passing):
            return Obstacle("request", f"no task that it waits for fits into {passing}")
        return None

    def _refused(self, framework: Framework, role: str, agent: Agent, offer: Resources) -> Obstacle:
        """By which refusal the offer, or its first refused part, is kept from it."""
        client = self._dealing.client(framework.name, role)
        for part in (offer, *kinds(offer)):
            refusal = self._refusals.blocks(client, agent, part)
            if refusal is not None:
                return Obstacle("refused", str(refusal), refusal.deadline)
        raise AssertionError("a refusal kept the offer away, and is gone")

    def _task_obstacle(
        self,
        framework: Framework,
        role: str,
        agent: Agent,
        budget: Budget | None,
        together: dict[Shape, bool],
    ) -> Obstacle | None:
        queue = self._requests.get(framework.name, role)
        asks = list(queue.unmet(0)) if queue is not None else []
        if not asks:
            return Obstacle("request", "it waits for no task")
        client = self._dealing.client(framework.name, role)
        refused = None
        limited = False
        gang: Ask | None = None
        for ask in asks:
            amount = self._carved(framework, role, agent, ask.shape)
            if amount is None:
                continue
            if ask.together:
                gang = gang or ask
                if ask.shape not in together:
                    found = self._room_together(
                        framework, role, ask, budget, False, self._everywhere()
                    )
                    together[ask.shape] = found is not None
                if not together[ask.shape]:
                    continue
            if budget is not None and not self._within(
                budget, framework.name, role, agent, amount, False
            ):
                limited = True
                continue
            refusal = self._refusals.blocks(client, agent, amount)
            if refusal is None:
                return None
            refused = refused or refusal
        if refused is not None:
            return Obstacle("refused", str(refused), refused.deadline)
        if gang is not None:
            return Obstacle(
                "together",
                f"there is no room for all {gang.unmet} tasks of {gang.shape.resources} at once",
            )
        if limited:
            return Obstacle(
                "quota", "a limit, or what is kept for guarantees, leaves no room for a task"
            )
        return Obstacle("size", f"no task that it waits for fits into {agent.free}")

    # -- requested shapes

    def _share_out(self, agent: Agent, budget: Budget | None, lacking: bool, cut: Cut) -> None:
        """Room for one task after the other, as far as they fit, each to who is first then."""
        done: set[tuple[str, str]] = set()
        while agent.free:
            turn = self._first_fit(agent, budget, lacking, cut, done)
            if turn is None:
                return
            role, framework, ask, amount = turn
            if isinstance(amount, list):
                self._give_together(role, framework, ask, amount, budget, lacking)
                continue
            self._give_tasks(role, framework, ask, agent, amount, 1, budget, lacking)
            key = (role, framework, amount.longest)
            total, tasks = cut.get(key, (None, {}))
            tasks[ask.shape] = tasks.get(ask.shape, 0) + 1
            cut[key] = (amount if total is None else total + amount, tasks)

    def _give_tasks(
        self,
        role: str,
        framework: str,
        ask: Ask,
        agent: Agent,
        amount: Resources,
        count: int,
        budget: Budget | None,
        lacking: bool,
    ) -> None:
        """It is offered room for so many tasks, in the ledger and wherever else it counts."""
        kept = self._claims.kept(agent.free, framework, role, agent.name)
        if kept is not None:
            self._claims.offered(framework, role, agent.name, amount)
        self._give(framework, role, agent, amount)
        self._requests.offer(framework, role, ask.shape, count)
        if budget is not None:
            counted = less(amount.split(regular_scalar).quantities(), _counted(kept))
            budget.take(role, counted, lacking=lacking, agent=agent.name)
        self.tell_waiting(framework, role)

    def _give_together(
        self,
        role: str,
        framework: str,
        ask: Ask,
        parts: Together,
        budget: Budget | None,
        lacking: bool,
    ) -> None:
        group = len(self._groups) + 1
        grants = []
        for agent, amount, count in parts:
            self._give_tasks(role, framework, ask, agent, amount, count, budget, lacking)
            tasks = ((ask.shape, count),)
            grants.append(Grant(framework, role, agent.name, amount, tasks, group))
        self._groups.append(grants)

    def _together(
        self, framework: Framework, role: str, ask: Ask, budget: Budget | None, lacking: bool
    ) -> Together | None:
        """Room for all its tasks at once, agent by agent in order; O(agents), once a cycle where there is none."""
        gang = (framework.name, role, ask.shape)
        if gang in self._in_vain:
            return None
        self._all = self._all or self._everywhere()
        found = self._room_together(framework, role, ask, budget, lacking, self._all)
        if found is None:
            self._in_vain.add(gang)
        return found

    def _room_together(
        self,
        framework: Framework,
        role: str,
        ask: Ask,
        budget: Budget | None,
        lacking: bool,
        agents: Sequence[Agent],
    ) -> Together | None:
        """Where all its tasks find room at once, None if they do not; changes nothing; O(agents + tasks)."""
        client = self._dealing.client(framework.name, role)
        shape, count = ask.shape, ask.unmet
        found: Together = []
        for agent in agents:
            if not count:
                break
            if not self.may_run(framework, role, agent, shape, whole=False):
                continue
            room = self._claims.room(agent.free, framework.name, role, agent.name)
            for amount, fits in framework.carve_many(role, room, shape, count):
                if self._refusals.blocks(client, agent, amount) is None:
                    found.append((agent, amount, fits))
                    count -= fits
        if count or (
            budget is not None and not self._all_within(budget, framework, role, found, lacking)
        ):
            return None
        return found

    def _all_within(
        self, budget: Budget, framework: Framework, role: str, found: Together, lacking: bool
    ) -> bool:
        """Whether limits and headroom have room for all of it."""
        counted: dict[str, int] = {}
        kept: dict[str, int] = {}
        for agent in {agent.name: agent for agent, _, _ in found}.values():
            add_to(kept, self._kept(framework.name, role, agent), 1)
        for _, amount, _ in found:
            add_to(counted, amount.split(regular_scalar).quantities(), 1)
        return budget.allows(role, counted, lacking=lacking, kept=kept)

    def _first_fit(
        self,
        agent: Agent,
        budget: Budget | None,
        lacking: bool,
        cut: Cut,
        done: set[tuple[str, str]],
    ) -> tuple[str, str, Ask, Resources | Together] | None:
        if not self._ranking.by_waiting:
            for role, framework in self._ranking.turns():
                if (role, framework) not in done:
                    found = self._fitting(role, framework, agent, budget, lacking, cut, done)
                    if found is not None:
                        return role, framework, *found
            return None
        # How long a framework has waited counts by the oldest of its tasks that would fit here.
        asks = {}
        for role, framework in self._ranking.turns():
            if (role, framework) not in done:
                found = self._fitting(role, framework, agent, budget, lacking, cut, done)
                since = None if found is None else found[0].since[found[0].offered]
                self._ranking.waiting(framework, role, since)
                if found is not None:
                    asks[role, framework] = found
        first = next((turn for turn in self._ranking.turns() if turn in asks), None)
        for role, framework in asks:
            self.tell_waiting(framework, role)
        return None if first is None else (*first, *asks[first])

    def _fitting(
        self,
        role: str,
        name: str,
        agent: Agent,
        budget: Budget | None,
        lacking: bool,
        cut: Cut,
        done: set[tuple[str, str]],
    ) -> tuple[Ask, Resources | Together] | None:
        """The framework's oldest ask of which one more task fits (or all, if they start together), and what it gets."""
        queue = self._requests.get(name, role)
        if queue is None:
            return None
        key = (name, role, agent.name)
        growth, seen = self._unfit.get(key, (-1, 0))
        if growth != agent.growth or budget is not None or self._company:
            seen = 0
        refused = False
        if seen < queue.seq:
            framework = self._frameworks[name]
            client = self._dealing.client(name, role)
            if self.is_willing(framework, role, agent):
                for ask in queue.unmet(seen):
                    amount = self._carved(framework, role, agent, ask.shape)
                    if amount is None:
                        continue
                    if ask.together:
                        together = self._together(framework, role, ask, budget, lacking)
                        if together is not None:
                            return ask, together
                        continue
                    if budget is not None and not self._within(
                        budget, name, role, agent, amount, lacking
                    ):
                        continue
                    had = cut.get((role, name, amount.longest))
                    offer = amount if had is None else had[0] + amount
                    if not self._refusals.blocks(client, agent, offer):
                        return ask, amount
                    refused = True
        if refused:
            return None  # what others take may change what a task would be given, and so what was refused
        # Less is free from here on, so what does not fit now will not fit in this agent's turn.
        if budget is None:
            self._unfit[key] = (agent.growth, queue.seq)
        done.add((role, name))
        return None

    def may_run(
        self, framework: Framework, role: str, agent: Agent, shape: Shape, *, whole: bool
    ) -> bool:
        """Whether the framework may be offered room for such a task there, if there is any; O(terms)."""
        return (
            self.is_willing(framework, role, agent)
            and shape.fits_attributes(agent.texts)
            and (not whole or is_allocatable(shape.resources, self._least(framework, role)))
        )

    def is_willing(self, framework: Framework, role: str, agent: Agent) -> bool:
        """Whether the framework can use the agent in the role at all; O(terms)."""
        return (
            not framework.excludes(role, agent)
            and not self._is_kept_off(framework, agent)
            and self._is_capable(framework, agent)
            and agent.serves(role)
        )

    def _carved(
        self, framework: Framework, role: str, agent: Agent, shape: Shape
    ) -> Resources | None:
        """What one task would get: from its role's reservations first, then from what is unreserved."""
        if not shape.fits_attributes(agent.texts):
            return None
        room = self._claims.room(agent.free, framework.name, role, agent.name)
        return framework.carve(role, room, shape)

    def _within(
        self,
        budget: Budget,
        framework: str,
        role: str,
        agent: Agent,
        amount: Resources,
        lacking: bool,
    ) -> bool:
        """Whether limits, and the headroom of others' guarantees, allow the task."""
        kept = self._kept(framework, role, agent)
        counted = amount.split(regular_scalar).quantities()
        return budget.allows(role, counted, lacking=lacking, kept=kept, agent=agent.name)

    def tell_waiting(self, framework: str, role: str) -> None:
        """Pass on to the orders since when the framework waits; O(shapes + frameworks of the role)."""
        self._ranking.waiting(framework, role, self._requests.oldest(framework, role))


def _parted(grants: dict[tuple[str, str, str], Resources]) -> list[Grant]:
    return [Grant(*key, part) for key, amount in grants.items() for part in parts(amount)]


def _counted(kept: Resources | None) -> Quantities:
    """What quota counts of it."""
    return NONE if kept is None else kept.split(regular_scalar).quantities()


def _beside(role: str, tag: Tag, scalar: bool) -> bool:
    """What comes with a guarantee: reserved to the very role, no amounts, or revocable."""
    return tag.owner == role or not scalar or tag.revocable
