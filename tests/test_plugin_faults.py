"""Plug-ins that raise or answer nonsense, at every verb in turn: named, and nothing of the state is corrupted."""

import math
import re
import warnings

import pytest

import drf
from drf.errors import (
    DRFError,
    InvalidOption,
    InvariantBroken,
    PluginError,
    PluginWarning,
    ReentrantCall,
)
from drf.hierarchical import HierarchicalAllocator
from drf.masters.core import Master, Register, Request, Subscribe, Tick, Trouble
from drf.plugins import AgentView, Grant, InverseOffer, Outcome

# -- histories that use every verb


def furnished(**made):
    """An allocator in the middle of its work: open offers, held resources, a refusal, a request."""
    a = drf.Allocator(**made)
    a.update_weights({"eng": 2.0, "eng/web": 1.5})
    a.add_agent("m1", "cpus:8;mem:16;ports:[1-10]", attributes={"rack": "r1"})
    a.add_agent("m2", "cpus:4;mem:8", used={"f": {"eng": {"cpus": 1}}})
    a.add_agent("m3", "cpus:2;mem:4")
    a.add_framework("f", roles=["eng"])
    a.add_framework("g", roles=["ops", "eng/web"])
    offers = list(a.run().offers)
    assert len(offers) == 3
    a.accept(offers[0], used="cpus:1;mem:1", refuse_seconds=5)
    a.decline(offers[1], refuse_seconds=30)
    a.add_agent("m4", "cpus:2;mem:4")
    a.advance(1.0)
    return a


def first(a):
    return a.open_offers()[0]


VERBS = {
    "add_agent": lambda a: a.add_agent("new", "cpus:1;gpus:2", used={"f": {"eng": {"cpus": 1}}}),
    "update_agent": lambda a: a.update_agent("m1", "cpus:9;mem:20"),
    "add_resource_provider": lambda a: a.add_resource_provider("m1", "disk:5"),
    "convert": lambda a: a.convert("m4", [("cpus:1", "cpus(eng):1")]),
    "remove_agent": lambda a: a.remove_agent("m2"),
    "deactivate_agent": lambda a: a.deactivate_agent("m1"),
    "activate_agent": lambda a: a.activate_agent("m1"),
    "add_framework": lambda a: a.add_framework("h", roles=["ops", "fin"]),
    "update_framework": lambda a: a.update_framework("g", roles=["ops", "fin"]),
    "remove_framework": lambda a: a.remove_framework("f"),
    "deactivate_framework": lambda a: a.deactivate_framework("f"),
    "activate_framework": lambda a: a.activate_framework("f"),
    "update_weights": lambda a: a.update_weights({"ops": 3.0, "eng": 1.0}),
    "update_quota": lambda a: a.update_quota("ops", guarantees="cpus:1", limits={"cpus": 2}),
    "set_whitelist": lambda a: a.set_whitelist(["m1"]),
    "update_unavailability": lambda a: a.update_unavailability("m1", (5.0, None)),
    "suppress": lambda a: a.suppress("f"),
    "revive": lambda a: a.revive("f"),
    "request": lambda a: a.request("f", "cpus:1", 3),
    "accept": lambda a: a.accept(first(a)),
    "accept a part": lambda a: a.accept(first(a), used="cpus:1"),
    "decline": lambda a: a.decline(first(a)),
    "decline_many": lambda a: a.decline_many(a.open_offers()),
    "release": lambda a: a.release("f", "m2", "cpus:1"),
    "advance": lambda a: a.advance(100.0),
    "pause": lambda a: a.pause(),
    "run": lambda a: (a.advance(100.0), a.run())[1],
}


def shown(offers):
    """Offers compare by identity."""
    return [(repr(offer), offer.tasks, offer.expires) for offer in offers]


def books(a):
    """What the offer book says, and who holds what."""
    return (
        shown(a.open_offers()),
        a.tasks(),
        {f: sorted(map(str, a.holdings(f))) for f in a._roles},
    )


def test_the_history_uses_every_verb_of_the_book():
    a = furnished(policy=Moody())
    for verb, call in VERBS.items():
        b = furnished(policy=Moody())
        call(b)
        b.check()
        assert verb in VERBS
    a.check()


# -- policies


class Moody(drf.Policy):
    """Gives keys until told otherwise."""

    name = "moody"
    stale_on = frozenset({"total", "waiting"})

    def __init__(self, bad=None):
        self.bad = bad
        self.good = True
        self.asked = 0
        self.fails_after = None

    def key(self, view, client):
        self.asked += 1
        if self.fails_after is not None and self.asked > self.fails_after:
            self.good = False
        if not self.good:
            if self.bad is None:
                raise RuntimeError("not today")
            return self.bad(client)
        return (view.share(client), view.waiting_since(client) or 0.0)


class Kept(drf.Policy):
    """The same with an order of its own."""

    name = "kept"
    good = True

    def ordering(self, seen):
        return KeptOrder(self, seen)


class KeptOrder:
    def __init__(self, policy, seen):
        self.policy, self.seen = policy, seen
        self.ask()

    def ask(self, *_):
        if not self.policy.good:
            raise RuntimeError("not today")

    changed = total_changed = ask

    def first(self, k):
        self.ask()
        names = sorted(
            (c for c in self.seen.clients() if self.seen.is_active(c)),
            key=lambda c: (self.seen.share(c), c),
        )
        return names[:k]

    def check(self):
        return None

    def state(self):
        return None

    def load(self, state):
        pass


BAD = {
    "raises": None,
    "gives NaN": lambda client: (math.nan,),
    "gives text": lambda client: ("first",) if client == "ops" else (b"bytes",),
    "gives no tuple": lambda client: 1.0,
    "gives None": lambda client: None,
    "gives mixed keys": lambda client: ("a",) if client in ("f", "ops") else (1,),
}


def policies():
    return [
        *(pytest.param(lambda bad=bad: Moody(bad), id=name) for name, bad in BAD.items()),
        pytest.param(Kept, id="an order that raises"),
    ]


def check(a, policy):
    """As the policy orders when it is well; what it said that was in order is what it then said."""
    before, policy.good = policy.good, True
    if getattr(policy, "bad", None) not in (BAD["gives text"], BAD["gives mixed keys"]):
        a.check()
    policy.good = before


def go_on(a):
    while a._plugin._paused:
        a.resume()
    for _ in range(4):  # mixed keys are seen where they meet
        a.advance(a._now + 400.0)
        a.add_framework(f"more{a._now}", roles=["more"])
        a.run()


@pytest.mark.parametrize("make", policies())
@pytest.mark.parametrize("verb", VERBS)
def test_a_policy_that_fails_at(verb, make):
    """What happened is entered, whatever the policy says of it; the next run tells, and decides nothing."""
    policy = make()
    a, healthy = furnished(policy=policy), furnished(policy=make())
    policy.good = False
    if verb == "run":
        before = books(a)
        a.advance(100.0)
        a.update_agent("m4", "cpus:3;mem:4")  # a new total: all keys are asked for again
        with pytest.raises(PluginError, match=f"policy {policy.name}"):
            a.run()
        assert books(a) == before
    else:
        VERBS[verb](a)
        VERBS[verb](healthy)
        assert books(a) == books(healthy)
    check(a, policy)
    with pytest.raises(PluginError, match=f"policy {policy.name} ") as caught:
        go_on(a)
    assert (caught.value.group, caught.value.plugin) == ("drf.policies", policy.name)
    assert caught.value.verb
    check(a, policy)
    policy.good = True
    for _ in range(2):  # a failure that was not told yet is told once
        try:
            a.run()
        except PluginError:
            continue
    a.advance(a._now + 1e6)
    a.run()
    check(a, policy)
    drf.Allocator.restore(a.snapshot(), policy=policy).check()


@pytest.mark.parametrize("offer", ["agent", "demand"])
@pytest.mark.parametrize("quota", [False, True], ids=["", "quota"])
@pytest.mark.parametrize("fails_after", range(0, 40, 3))
def test_a_run_in_which_a_policy_fails_decides_nothing(fails_after, offer, quota):
    policy = Moody()
    a = drf.Allocator(policy, offer=offer)
    for number in range(4):
        a.add_agent(f"m{number}", "cpus:4;mem:8")
    for name in "fgh":
        a.add_framework(name, roles=[name])
        a.request(name, "cpus:1;mem:1", 6)
    if quota:
        a.update_quota("g", guarantees="cpus:5", limits={"cpus": 9})
    whole, before = a.snapshot(), books(a)
    policy.asked, policy.fails_after = 0, fails_after
    try:
        a.run()
    except PluginError:
        policy.good, policy.fails_after = True, None
        assert books(a) == before
        a.check()
        assert _settled(a.snapshot()) == _settled(whole)
        b = drf.Allocator.restore(whole, policy=Moody())
        assert shown(a.run().offers) == shown(b.run().offers)
    policy.good, policy.fails_after = True, None
    a.check()


def _settled(snapshot):
    """Without what says that an order is to be made anew, and in which order it was told who waits."""

    def clean(value):
        if isinstance(value, dict):
            kept = {k: clean(v) for k, v in value.items() if k not in ("spoilt", "old")}
            return {k: sorted(v) if k == "since" else v for k, v in kept.items()}
        if isinstance(value, list):
            return [clean(v) for v in value]
        return value

    return clean(snapshot["state"]["allocator"])


@pytest.mark.parametrize("offer", ["agent", "demand"])
def test_a_scorer_that_fails_in_a_run(offer):
    good = [True]

    def scorer(view: AgentView):
        if not good[0]:
            raise KeyError(view.name)
        return 1.0

    a = drf.Allocator(agent_order=scorer, offer=offer)
    a.add_agent("m", "cpus:4")
    a.add_framework("f")
    a.request("f", "cpus:1", 2, together=offer == "demand")
    good[0] = False
    before = books(a)
    with pytest.raises(PluginError, match="the scorer of agents raised KeyError"):
        a.run()
    assert books(a) == before
    a.check()
    good[0] = True
    assert len(a.run().offers) == 1


def test_a_policy_that_cannot_say_what_counts():
    class Unsure(drf.Policy):
        name = "unsure"

        def counts(self, resource):
            if resource == "gpus":
                raise RuntimeError("gpus?")
            return True

        def key(self, view, client):
            return (view.share(client),)

    a = drf.Allocator(Unsure())
    a.add_framework("f")
    a.add_agent("m", "cpus:1;gpus:1")
    with pytest.raises(PluginError, match="policy unsure does not say whether gpus counts"):
        a.run()
    a.check()
    assert len(a.run().offers) == 1
    with pytest.raises(PluginError, match="gpus"):
        drf.Sorter(Unsure(), total="gpus:1")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (lambda names: [*names, "stranger"], "stranger"),
        (lambda names: names + names, "each comes once"),
        (lambda names: [["x"]], "gave no order"),
        (lambda names: 7, "gave no order"),
    ],
    ids=["strangers", "twice", "lists", "a number"],
)
def test_an_order_of_strangers_or_twice(order, said):
    class Wild(Kept):
        name = "wild"

        def ordering(self, seen):
            made = KeptOrder(self, seen)
            made.first = lambda k: order(seen.clients()) if seen.clients() else []
            return made

    s = drf.Sorter(Wild(), total="cpus:2")
    s.add("a")
    with pytest.raises(PluginError, match=f"policy wild gave.*{said}" if said[0] != "g" else said):
        s.sort()
    s.check()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda p: 1 / 0, "ZeroDivisionError"),
        (lambda p: None, "is no Answer"),
        (lambda p: drf.plugins.Answer([1]), "tasks of 1 users, and there are 2"),
        (lambda p: drf.plugins.Answer([1, -1]), "-1 tasks"),
        (lambda p: drf.plugins.Answer([1, math.nan]), "nan tasks"),
        (lambda p: drf.plugins.Answer([1, "2"]), "'2' tasks"),
    ],
)
def test_a_policy_that_divides_wrongly(answer, said):
    class Divides(drf.Policy):
        name = "divides"
        modes = frozenset({"divide"})

        def divide(self, problem):
            return answer(problem)

    with pytest.raises(PluginError, match=f"policy divides.*{said}") as caught:
        drf.allocate({"cpus": 4}, {"A": {"cpus": 1}, "B": {"cpus": 2}}, policy=Divides())
    assert caught.value.verb == "divide"


# -- allocator plug-ins

PLUGIN_VERBS = [
    "activate_agent",
    "activate_framework",
    "add_agent",
    "add_framework",
    "add_resource_provider",
    "advance",
    "deactivate_agent",
    "deactivate_framework",
    "pause",
    "recover_resources",
    "remove_agent",
    "remove_framework",
    "request",
    "resume",
    "revive",
    "run",
    "set_whitelist",
    "suppress",
    "transition_offered_to_allocated",
    "update_agent",
    "update_allocation",
    "update_available",
    "update_framework",
    "update_inverse_offer",
    "update_quota",
    "update_unavailability",
    "update_weights",
]
QUESTIONS = ["holdings", "share", "metrics", "inverse_offer_statuses", "next_deadline", "check"]


class Wrapped(HierarchicalAllocator):
    """The built-in one with a fault that is switched on."""

    fault = None
    name = "wrapped"


NO = RuntimeError("no")


def wrapped(verb, *, after, error=NO):
    def call(self, *args, **kwargs):
        plain = getattr(HierarchicalAllocator, verb)
        if not self.fault:
            return plain(self, *args, **kwargs)
        if after:
            plain(self, *args, **kwargs)
        raise error

    return type("Wrapped", (Wrapped,), {verb: call})()


CALLS = {
    **{name: name for name in PLUGIN_VERBS},
    "recover_resources": "decline",
    "transition_offered_to_allocated": "accept",
    "update_allocation": lambda a: a.convert_offer(first(a), [("cpus:1", "cpus(eng):1")]),
    "update_available": "convert",
    "update_inverse_offer": lambda a: a.answer_inverse_offer("m1", "f", "ACCEPT"),
    "resume": lambda a: (a.pause(), a.resume()),
}


def call_of(verb):
    call = CALLS[verb]
    return VERBS[call] if isinstance(call, str) else call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", PLUGIN_VERBS)
def test_an_allocator_that_raises_at(verb, after):
    plugin = wrapped(verb, after=after)
    a = furnished(plugin=plugin)
    call_of(verb)(
        furnished(plugin=wrapped(verb, after=after))
    )  # without the fault it is carried out
    offers, tasks = shown(a.open_offers()), a.tasks()
    plugin.fault = True
    with pytest.raises(
        PluginError, match=f"allocator plug-in wrapped, {verb}: it raised"
    ) as caught:
        call_of(verb)(a)
    found = caught.value
    assert (found.group, found.plugin, found.verb) == ("drf.allocators", "wrapped", verb)
    assert (shown(a.open_offers()), a.tasks()) == (offers, tasks)
    plugin.fault = False
    for call in VERBS.values():  # one clear error, and no decision that rests on what nobody knows
        with pytest.raises(
            (PluginError, IndexError), match=f"at {verb}; make a new allocator|index"
        ):
            call(a)


@pytest.mark.parametrize("verb", QUESTIONS)
def test_an_allocator_that_raises_at_a_question(verb):
    plugin = wrapped(verb, after=False)
    a = furnished(plugin=plugin)
    plugin.fault = True
    ask = {"holdings": lambda: a.holdings("f"), "share": lambda: a.share("f")}
    with pytest.raises(PluginError, match=f"allocator plug-in wrapped, {verb}: it raised"):
        ask.get(verb, getattr(a, verb, None))()
    plugin.fault = False
    a.check()
    a.advance(100.0)
    a.run()


def test_a_refusal_is_none():
    """A DRFError before anything was carried out says that nothing changed; the plug-in is asked on."""
    a = furnished(plugin=Wrapped())
    with pytest.raises(DRFError, match="m1"):
        a.add_agent("m1", "cpus:1")
    a.check()
    a.advance(50.0)
    assert a.run().offers


def test_a_refusal_in_the_middle_is_a_failure():
    plugin = wrapped("recover_resources", after=False, error=InvalidOption("no"))
    a = furnished(plugin=plugin)
    plugin.fault = True
    with pytest.raises(PluginError, match="recover_resources: it raised InvalidOption"):
        a.accept(first(a), used="cpus:1")
    with pytest.raises(PluginError, match="make a new allocator"):
        a.advance(2.0)


def test_a_missing_verb_is_named():
    class Nothing:
        name = "nothing"

    with pytest.raises(PluginError, match="allocator plug-in nothing, add_agent: it raised Attrib"):
        drf.Allocator(plugin=Nothing()).add_agent("m", "cpus:1")


# -- nonsense

CPUS = drf.Resources("cpus:1")
GRANT = Grant("f", "eng", "m1", CPUS)
MORE = GRANT._replace(resources=drf.Resources("cpus:3"))

NONSENSE = {
    "twice": (
        [GRANT._replace(resources=drf.Resources("cpus:5"))] * 2,
        "of agent 'm1' to .*is free",
    ),
    "what is not there": ([GRANT._replace(resources=drf.Resources("gpus:1"))], "gpus:1 of agent"),
    "more than there is": ([GRANT._replace(resources=drf.Resources("cpus:99"))], "is free"),
    "what is held": ([GRANT._replace(agent="m2", resources=drf.Resources("cpus:4"))], "is free"),
    "to a stranger": ([GRANT._replace(framework="x")], "framework 'x', which is not there"),
    "in another role": ([GRANT._replace(role="fin")], "in role 'fin', which it does not have"),
    "of a stranger": ([GRANT._replace(agent="m9")], "the agent is not there"),
    "of a removed agent": ([GRANT._replace(agent="gone")], "the agent is not there"),
    "of one deactivated": ([GRANT._replace(agent="idle")], "the agent is deactivated"),
    "to one inactive": ([GRANT._replace(framework="away")], "which is inactive"),
    "nothing": ([GRANT._replace(resources=drf.Resources())], "nothing of agent .* is no offer"),
    "negative": ([GRANT._replace(resources={"cpus": -1})], "is no amount"),
    "None": ([None], "None, which is no Grant"),
    "no tasks": ([GRANT._replace(tasks=(("cpus:1", 1),))], "these are none"),
    "no group": ([GRANT._replace(group="a")], "these are none"),
    "an unhashable name": ([GRANT._replace(agent=["m1"])], "malformed"),
    "no sequence": (7, "is no Outcome"),
}


class Wild(HierarchicalAllocator):
    name = "wild"
    answer = None

    def run(self):
        return super().run() if self.answer is None else self.answer


@pytest.mark.parametrize("what", NONSENSE)
def test_an_allocator_that_offers(what):
    grants, said = NONSENSE[what]
    plugin = Wild(agent_order="id")
    a = furnished(plugin=plugin)
    for offer in a.open_offers():
        a.decline(offer, refuse_seconds=0)
    a.add_agent("gone", "cpus:1")
    a.remove_agent("gone")
    a.add_agent("idle", "cpus:1")
    a.deactivate_agent("idle")
    a.add_framework("away", roles=["eng"])
    a.deactivate_framework("away")
    before = books(a)
    plugin.answer = Outcome(grants)
    with pytest.raises(PluginError, match="allocator plug-in wild, run: it ") as caught:
        a.run()
    assert re.search(said, str(caught.value)), caught.value
    assert books(a) == before
    with pytest.raises(PluginError, match="make a new allocator"):
        a.run()


@pytest.mark.parametrize(
    ("inverse", "said"),
    [
        (InverseOffer("x", "m1", 1.0), "'x' to leave an agent, and it is not there"),
        (InverseOffer("f", "m9", 1.0), "'m9', which is not there"),
        ("leave", "is no InverseOffer"),
    ],
)
def test_inverse_offers_of_strangers(inverse, said):
    plugin = Wild()
    a = furnished(plugin=plugin)
    plugin.answer = Outcome((), [inverse])
    with pytest.raises(PluginError, match=said):
        a.run()


@pytest.mark.parametrize("deadline", [math.nan, "soon", True, math.inf])
def test_a_deadline_is_a_time(deadline):
    plugin = Wild()
    plugin.next_deadline = lambda: deadline
    with pytest.raises(PluginError, match=r"next_deadline: it gave .*, which is no time"):
        drf.Allocator(plugin=plugin).next_deadline()


def test_one_that_says_somebody_holds_something_else():
    class Liar(HierarchicalAllocator):
        name = "liar"

        def holdings(self, framework):
            return [(a, r, n, True) for a, r, n, _ in super().holdings(framework)]

        def check(self):
            pass

    with pytest.raises(InvariantBroken, match="allocator plug-in liar: framework '"):
        furnished(plugin=Liar()).check()


@pytest.mark.parametrize("verb", ["accept", "release", "remove_agent", "convert", "update_agent"])
def test_the_guard_keeps_step_with_a_good_one(verb):
    """The ledger beside the plug-in is the plug-in's own, whatever happens, also after a snapshot."""
    a = furnished(plugin=HierarchicalAllocatorOfOthers())
    VERBS[verb](a)
    a.check()
    b = drf.Allocator.restore(a.snapshot(), plugin=HierarchicalAllocatorOfOthers())
    for each in (a, b):
        each.check()
        each.advance(100.0)
        each.run()
        each.check()
    assert shown(a.open_offers()) == shown(b.open_offers())


class HierarchicalAllocatorOfOthers(HierarchicalAllocator):
    pass


def test_by_name(monkeypatch):
    a = drf.Allocator("fifo", plugin="hierarchical", interval=None, space=drf.ResourceSpace())
    assert a._guard is None
    assert a._plugin.policy.name == "fifo"
    with pytest.raises(drf.errors.UnknownName, match="unknown allocator 'hierarchicle'; did you"):
        drf.Allocator(plugin="hierarchicle")
    with pytest.raises(InvalidOption, match="cannot be made so"):
        drf.Allocator(plugin="hierarchical", colour="red")
    with pytest.raises(InvalidOption, match="other units"):
        drf.Allocator(plugin=Wild(), space=drf.ResourceSpace({"mem": 1}))


# -- masters


@pytest.mark.parametrize("answer", [Outcome([MORE] * 2), Outcome([GRANT._replace(agent="m7")])])
def test_a_master_goes_on_with_another_allocator(answer):
    made = []

    def make():
        plugin = Wild(interval=None)
        made.append(plugin)
        return drf.Allocator(plugin=plugin)

    master = Master(make)
    for event in (Register("m1", "cpus:4"), Subscribe("f", ["eng"]), Request("f", "cpus:1", 1)):
        master.handle(event)
    made[-1].answer = answer
    said = master.handle(Tick(1.0))
    (trouble,) = [m for m in said if isinstance(m, Trouble)]
    assert "allocator plug-in wild, run: it offered" in trouble.message
    master.check()
    assert any(type(m).__name__ == "Offered" for m in master.handle(Tick(2.0)))
    master.check()


# -- observers


class Heard:
    def __init__(self):
        self.notices = []

    def notice(self, notice):
        self.notices.append(notice)


class Deaf:
    name = "deaf"

    def notice(self, notice):
        raise RuntimeError("what?")


def test_observers_hear_of_all_that_happens_after_the_fact():
    heard = Heard()
    a = furnished(observers=[heard])
    for verb in ("decline", "release", "remove_agent", "run"):
        VERBS[verb](a)
    verbs = [notice.verb for notice in heard.notices]
    assert verbs[:7] == ["update_weights", *["add_agent"] * 3, *["add_framework"] * 2, "run"]
    assert verbs[7:] == [
        "accept",
        "decline",
        "add_agent",
        "advance",
        "decline",
        "release",
        "remove_agent",
        "advance",
        "run",
    ]
    accepted, declined = heard.notices[7:9]
    run = heard.notices[6]
    assert repr(accepted.arguments["offer"]) == repr(run.result.offers[0])
    assert accepted.arguments["used"] == "cpus:1;mem:1"
    assert declined.arguments["offer"].agent == run.result.offers[1].agent
    assert heard.notices[-1].now == 100.0
    with pytest.raises(TypeError):
        accepted.arguments["offer"] = None


def test_what_raised_or_asked_is_not_told():
    heard = Heard()
    a = furnished(observers=[heard])
    before = len(heard.notices)
    for wrong in (
        lambda: a.add_agent("m1", "cpus:1"),
        lambda: a.accept(99),
        lambda: a.add_agent(),
        lambda: a.suppress("stranger"),
    ):
        with pytest.raises((DRFError, TypeError)):
            wrong()
    a.snapshot()
    a.why("f")
    a.what_if(lambda copy: copy.suppress("f"))
    assert len(heard.notices) == before


@pytest.mark.parametrize("verb", VERBS)
def test_an_observer_that_raises_at(verb):
    plain, heard = furnished(), Heard()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a = furnished(observers=[Deaf(), heard])
        VERBS[verb](a)
    VERBS[verb](plain)
    assert books(a) == books(plain)
    assert a.snapshot() == plain.snapshot()
    a.check()
    error = a.observer_errors()[-1]
    assert "observer deaf raised RuntimeError('what?') at a notice of " in str(error)
    assert (error.group, error.plugin) == ("drf.observers", "deaf")
    assert len(a.observer_errors()) == len(heard.notices)  # the other one is told all the same


def test_the_first_failure_is_a_warning_and_no_error():
    a = drf.Allocator(observers=[Deaf()])
    with pytest.warns(PluginWarning, match="observer deaf raised"):
        a.add_agent("m", "cpus:1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = drf.Allocator(observers=[Deaf()])
        a.add_agent("m", "cpus:1")
        a.add_framework("f")
        assert len(a.run().offers) == 1
    assert len(a.observer_errors()) == 3


def test_an_observer_cannot_change_what_it_watches():
    class Meddler:
        def notice(self, notice):
            if notice.verb == "run":
                self.allocator.remove_framework("f")

    meddler = Meddler()
    a = drf.Allocator(observers=[meddler])
    meddler.allocator = a
    a.add_agent("m", "cpus:1")
    a.add_framework("f")
    with pytest.warns(PluginWarning, match="ReentrantCall"):
        offers = a.run().offers
    assert len(offers) == 1
    assert isinstance(a.observer_errors()[0].__cause__, ReentrantCall)
    a.check()


def test_observers_by_name(caplog):
    a = drf.Allocator(observers=["tally", "log:INFO"])
    caplog.set_level("INFO", logger="drf")
    a.add_agent("m", "cpus:1")
    assert "add_agent(name='m', resources='cpus:1')" in caplog.text
    assert caplog.records[0].drf.verb == "add_agent"
    for wrong, said in (
        ("tally", "give a list"),
        ([Heard], "not a class"),
        ([7], "is no observer"),
        (["log:LOUD"], "LOUD"),
    ):
        with pytest.raises(InvalidOption, match=said):
            drf.Allocator(observers=wrong)


def test_observers_are_given_anew_to_one_that_follows():
    heard = Heard()
    b = drf.Allocator.restore(furnished().snapshot(), observers=[heard])
    b.advance(7.0)
    assert [n.verb for n in heard.notices] == ["advance"]
    assert b.observer_errors() == []


def test_a_failure_at_a_verb_is_told_though_the_policy_is_well_again():
    policy = Moody()
    a = drf.Allocator(policy)
    a.add_agent("m", "cpus:4")
    policy.good = False
    a.add_framework("f")
    policy.good = True
    with pytest.raises(PluginError, match="policy moody gave no key for client"):
        a.run()
    assert len(a.run().offers) == 1
    a.check()
