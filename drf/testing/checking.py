"""The search for counter-examples: `check_policy` draws instances, asks the judge, and makes what fails small.

Needs the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from drf.errors import InvalidOption, NotSupported, UnknownName
from drf.fairness import (
    PROPERTIES,
    Change,
    Instance,
    Property,
    Rule,
    Start,
    Verdict,
    convict,
    find,
    joint_lies,
    lies,
)
from drf.plugins import Policy, make_policy
from drf.testing import strategies
from drf.testing.adapters import filled, pool_of, rule_of
from drf.testing.results import FAILS, HOLDS, IDLE, RAISES, Findings, Result, Setting
from drf.testing.searching import Found, check_counts, search

PLACES = ("pool", "machines", "tree")
TASKS = ("divisible", "whole")
PATIENCE = 25
"""So many instances that cannot judge a property, and none that can, are enough to call it not applicable."""

LIES = {"pool": 60, "machines": 15, "tree": 40}
"""So many lies are tried in each instance, spread over all that the judge knows."""

FEW = 3
"""More users are in no counter-example for which one with so many is found."""

ONLY_TREES = {"hierarchical_share"}
ONLY_WHOLE = {"sharing_up_to_tasks", "dominant_gap", "near_divisible", "ef1_remove", "ef1_add"}
ONLY_DIVISIBLE = {"neutral_task_size", "neutral_scale", "anonymity", "maxmin_certificate"}
FITTING = {
    "single_resource": strategies.single,
    "cap_monotonicity": strategies.capped,
    "group_strategy_proofness": strategies.capped,
    "sharing_up_to_tasks": strategies.roomy,
    "ef1_remove": strategies.unlike,
    "ef1_add": strategies.unlike,
    "dominant_gap": strategies.positive_weighted,
    "near_divisible": strategies.positive_weighted,
}
"""Where a property is judged, or lost, in such pools alone."""

Progress: TypeAlias = Callable[[int, int, str], None]


def check_policy(
    policy: str | Policy | Rule | None = None,
    properties: Iterable[str] | None = None,
    *,
    live: Start | None = None,
    on: str | Sequence[str] | None = None,
    tasks: str | Sequence[str] = TASKS,
    instances: Any = None,
    examples: int = 100,
    seed: int = 0,
    on_blocked: str = "skip",
    progress: Progress | None = None,
) -> Findings:
    """Which fairness properties does a scheduler keep? Counter-examples are searched and made small.

    >>> found = check_policy("asset", ["envy_freeness", "sharing_incentive"], on="pool", tasks="divisible")
    >>> [result.outcome for result in found.results]
    ['holds', 'fails']
    >>> bool(found), len(found.failures[0].instance.users) <= 3
    (False, True)

    ``policy`` is a name, a `Policy`, or a function that takes an `Instance` and gives the tasks of each user (see
    docs/howto-fairness.md); ``live`` makes a pool at work (`drf.fairness.Live`). With ``live`` alone, whole tasks are
    divided by filling it. ``properties`` are names of `drf.fairness.PROPERTIES` (None: all); ``on`` is among "pool",
    "machines", "tree" (None: what the policy can do; "pool" for a function), ``tasks`` among "divisible", "whole".
    ``instances`` replaces the instances that would be drawn: a name in `drf.testing.strategies`, or a Hypothesis
    strategy of your own, for which ``on`` and ``tasks`` have to be said.

    "Holds" says that none of ``examples`` instances convicts. One ``seed`` gives one search (with one version of
    Hypothesis, and the same modules loaded). ``progress`` is told how many of how many searches are done, and what is
    next. Costs ``examples`` calls of the policy for a property and setting, for properties of rules times the changes
    that they try. Raises UnknownName, InvalidOption, NotSupported where there is nothing to judge.
    """
    check_counts(examples=examples)
    subject = _Subject(policy, live, on_blocked)
    todo = _todo(subject, properties, on, tasks)
    results = []
    for number, (prop, setting) in enumerate(todo):
        if progress is not None:
            progress(number, len(todo), f"{prop.name} ({setting})")
        asked = subject.live if prop.kind == "live" else subject.rule
        reason = "nothing divides" if prop.kind != "live" else "nothing orders"
        if asked is None:
            results.append(Result(prop.name, setting, IDLE, reason=f"{subject.name}: {reason}"))
        elif _unfit(prop, setting):
            why = f"{prop.name} is not defined there"
            results.append(Result(prop.name, setting, IDLE, reason=why))
        else:
            drawn = _drawn(prop, setting, instances)
            results.append(_searched(prop, setting, asked, examples, seed, drawn))
    if progress is not None:
        progress(len(todo), len(todo), "")
    return Findings(subject.name, tuple(results))


def searches(
    policy: str | Policy | Rule | None = None,
    properties: Iterable[str] | None = None,
    *,
    live: Start | None = None,
    on: str | Sequence[str] | None = None,
    tasks: str | Sequence[str] = TASKS,
    **_: Any,
) -> list[tuple[str, str, str]]:
    """What `check_policy` would search with these arguments: property, place and tasks, where these go together.

    O(properties x settings). Raises what it raises.
    """
    subject = _Subject(policy, live, "skip")
    return [
        (prop.name, *setting)
        for prop, setting in _todo(subject, properties, on, tasks)
        if not _unfit(prop, setting)
        and (subject.live if prop.kind == "live" else subject.rule) is not None
    ]


def _todo(
    subject: _Subject,
    properties: Iterable[str] | None,
    on: str | Sequence[str] | None,
    tasks: str | Sequence[str],
) -> list[tuple[Property, Setting]]:
    chosen = [find(name) for name in (PROPERTIES if properties is None else properties)]
    places = subject.places if on is None else _among("on", on, PLACES)
    settings = [Setting(o, t) for o in places for t in _among("tasks", tasks, TASKS)]
    return [(prop, setting) for setting in settings for prop in chosen]


class _Subject:
    """What is judged, as a rule and as a pool at work, where it has these."""

    def __init__(
        self, policy: str | Policy | Rule | None, live: Start | None, on_blocked: str
    ) -> None:
        self.live = live
        self.rule: Rule | None = None
        self.places: Sequence[str] = ("pool",)
        if policy is None:
            if live is None:
                raise InvalidOption("nothing to check; give a policy, a rule or live=")
            self.name, self.rule = _name(live), filled(live)
        elif _is_rule(policy):
            self.name, self.rule = _name(policy), cast(Rule, policy)
        else:
            made = make_policy(cast("str | Policy", policy))
            self.name = made.name
            modes = made.modes
            if "divide" in modes:
                self.rule = rule_of(made, on_blocked=on_blocked)
            if live is None and "order" in modes:
                self.live = pool_of(made)
            if self.rule is None and self.live is None:
                raise NotSupported(
                    f"policy {made.name} neither divides nor orders: {sorted(modes)}"
                )
            self.places = [p for p in PLACES if p == "pool" or p in modes]


def _is_rule(policy: str | Policy | Rule) -> bool:
    return callable(policy) and not isinstance(policy, (type, Policy))


def _name(made: Any) -> str:
    return str(getattr(made, "__name__", type(made).__name__))


def _among(what: str, given: str | Sequence[str], known: Sequence[str]) -> list[str]:
    chosen = [given] if isinstance(given, str) else list(given)
    for name in chosen:
        if name not in known:
            raise UnknownName(what, name, known)
    if not chosen:
        raise InvalidOption(f"{what} is empty; give some of {', '.join(known)}")
    return chosen


def _unfit(prop: Property, setting: Setting) -> bool:
    """Whether the property is not defined in such a setting, whatever the instance."""
    whole = setting.tasks == "whole"
    return (
        (prop.name in ONLY_TREES and setting.on != "tree")
        or (prop.name in ONLY_WHOLE and not whole)
        or (prop.name in ONLY_DIVISIBLE and whole)
        or (prop.kind == "live" and (not whole or setting.on == "machines"))
    )


def _drawn(prop: Property, setting: Setting, instances: Any) -> Any:
    divisible = setting.tasks == "divisible"
    if isinstance(instances, str):
        if instances not in strategies.STRATEGIES:
            raise UnknownName("kind of instances", instances, strategies.STRATEGIES)
        return strategies.STRATEGIES[instances](divisible=divisible)
    if instances is not None:
        return instances
    if setting.on == "machines":
        return strategies.machines(divisible=divisible)
    if setting.on == "tree":
        return strategies.trees(divisible=divisible)
    if prop.name in FITTING:
        return FITTING[prop.name](divisible=divisible)
    return strategies.pools(divisible=divisible)


def _searched(
    prop: Property, setting: Setting, subject: Any, examples: int, seed: int, drawn: Any
) -> Result:
    """What a search finds, and where that has many users, what another one finds among few."""
    found = _Search(prop, setting, subject, examples, seed)(drawn)
    if found.instance is None or len(found.instance.users) <= FEW:
        return found
    few = drawn.filter(lambda instance: len(instance.users) <= FEW)
    again = _Search(prop, setting, subject, examples, seed)(few)
    return again if again.outcome == found.outcome else found


class _Search:
    """Looks for the smallest instance in which one property fails."""

    def __init__(
        self, prop: Property, setting: Setting, subject: Any, examples: int, seed: int
    ) -> None:
        self._prop, self._setting, self._subject = prop, setting, subject
        self._examples, self._seed = examples, seed
        self._judged = self._idle = 0
        self._reason = "no instance was fit to judge it"
        self._worst: Result | None = None

    def __call__(self, instances: Any) -> Result:
        search(instances, self._try, examples=self._examples, seed=self._seed)
        if self._worst is None:
            if not self._judged:
                return self._result(IDLE, reason=self._reason)
            return self._result(HOLDS, examples=self._judged)
        return self._smallest(self._worst)

    def _try(self, instance: Instance) -> None:
        if not self._judged and self._idle >= PATIENCE:
            return
        try:
            verdict = self._verdict(instance)
        except NotSupported as error:
            self._idle += 1
            self._reason = str(error)
            return
        except Exception as error:  # whatever the subject raises is a finding
            self._keep(self._result(RAISES, reason=_shown(error), instance=instance))
            raise Found from None
        if verdict.fails:
            self._keep(self._result(FAILS, instance=instance, verdict=verdict))
            raise Found
        if verdict.holds:
            self._judged += 1
        else:
            self._idle += 1
            self._reason = verdict.reason

    def _verdict(self, instance: Instance) -> Verdict:
        prop, subject = self._prop, self._subject
        if prop.kind == "division":
            return prop.check(instance, subject(instance))
        if prop.name in _LIES:
            some = _spread(_LIES[prop.name](instance), instance, LIES[self._setting.on])
            return prop.check(subject, instance, changes=some)
        return prop.check(subject, instance)

    def _keep(self, found: Result) -> None:
        """The last is the smallest so far, as Hypothesis goes, but an answer may be there only once."""
        if self._worst is None or _size(found) <= _size(self._worst):
            self._worst = found

    def _smallest(self, found: Result) -> Result:
        """The same with fewer users, resources and machines, where it still fails."""
        if found.verdict is None or found.instance is None:
            return found
        try:
            verdict = convict(found.name, self._subject, [found.instance])
        except Exception:  # it answered before; what is smaller may be more than it can do
            return found
        if not verdict.fails or verdict.witness is None:
            return found
        return self._result(FAILS, instance=verdict.witness.instance, verdict=verdict)

    def _result(self, outcome: str, **more: Any) -> Result:
        return Result(self._prop.name, self._setting, outcome, **more)


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _size(found: Result) -> tuple[int, ...]:
    instance = found.instance
    assert instance is not None
    cells = [c for row in (*instance.machines, *instance.demands) for c in row]
    return (len(instance.users), len(cells), sum(c.numerator + c.denominator for c in cells))


def _one_liar(instance: Instance) -> Iterator[Change]:
    for i in range(len(instance.users)):
        yield from lies(instance, i)


_LIES: dict[str, Callable[[Instance], Iterator[Change]]] = {
    "strategy_proofness": _one_liar,
    "group_strategy_proofness": joint_lies,
}


def _spread(changes: Iterator[Change], instance: Instance, most: int) -> list[Change]:
    """At most so many of the changes, at equal distances; which ones depends on the instance alone."""
    every = list(changes)
    step = -(-len(every) // most) or 1
    start = sum(int(c) for row in instance.demands for c in row) % step
    return every[start::step]
