"""A snapshot keeps all that decisions depend on: what it restores goes on as the original does, on either kernel."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

import drf
from drf import Allocator, Resources, ResourceSpace, TaskSpec
from drf._backend import Account, Client, Places, Quotas
from drf._random import SplitMix64
from drf.amounts import Amounts
from drf.backoff import Backoff
from drf.claims import Claim, Claims
from drf.company import Company
from drf.copies import Copies
from drf.cycle import Cycle
from drf.dealing import Dealing
from drf.errors import InputError, InvalidOption, NotSupported, UnknownName
from drf.filters import Bucket, Refusals
from drf.frameworks import Framework
from drf.gangs import Gangs
from drf.hierarchical import HierarchicalAllocator
from drf.journal import JournaledAllocator, replay
from drf.ledger import Agent, Ledger
from drf.maintenance import Maintenance
from drf.observers import Observers
from drf.offers import Block, OfferBook
from drf.policies.fifo import FIFO
from drf.policies.shares import MaxMin
from drf.ranking import Ranking
from drf.requests import Ask, Queue, Requests
from drf.roles import Role, RoleTree
from drf.snapshot import sealed
from drf.sorter import Columns, Sorter
from drf.starvation import Passes
from drf.takeback import Takebacks
from drf.tasks import TaskBook
from drf.timers import Timers
from drf.tree import Node, Tree
from tests import test_machine as machines
from tests.test_allocator_random import History


def through_json(snapshot: dict[str, Any]) -> Any:
    """As a file would give it back, its keys sorted."""
    back = json.loads(json.dumps(snapshot, sort_keys=True))
    assert back == snapshot
    return back


# -- lock-step


@pytest.mark.parametrize("seed", range(100, 140))
def test_restored_allocators_go_on_as_the_original(
    twins: tuple[ModuleType, ModuleType], seed: int
) -> None:
    go_on(twins, seed, lambda package, snapshot: package.Allocator.restore(snapshot))


def go_on(twins: tuple[ModuleType, ModuleType], seed: int, restore: Any) -> None:
    """A random history; at a random moment each kernel's allocator is restored on the other, and all four go on."""
    history = History(twins, seed)
    steps = random.Random(seed)
    for _ in range(steps.randrange(5, 70)):
        history.step()
    snapshots = [through_json(a.snapshot()) for a in history.both]
    assert snapshots[0] == snapshots[1]
    pure, fast = twins
    history.packages = (pure, fast, fast, pure)
    history.both += [restore(fast, snapshots[0]), restore(pure, snapshots[1])]
    for _ in range(40):
        history.step()
    last = [a.snapshot()["state"] for a in history.both]
    assert all(state == last[0] for state in last)


FORGOTTEN = {
    "grants": lambda state: _rows(state, lambda row: row.__setitem__(2, 0)),
    "timers": lambda state: state["allocator"]["timers"].clear(),
    "random": lambda state: state["allocator"].__setitem__("random", "0"),
    "draws": lambda state: _sorters(state, lambda its: its.__setitem__("random", "0")),
    "candidates": lambda state: state["allocator"].update(all=False, candidates=[]),
    "refusals": lambda state: state["allocator"].update(refusals=[], timers=[]),
    "requests": lambda state: state["allocator"].update(requests=[]),
    "weights": lambda state: _sorters(state, lambda its: its["weights"].clear()),
    "rescinds": lambda state: state["offers"].update(rescinded=[]),
    "expiries": lambda state: [offer.__setitem__(7, None) for offer in state["offers"]["open"]],
    "maintenance": lambda state: [
        agent["asked"].clear() for agent in state["allocator"]["ledger"]["agents"]
    ],
}


def _sorters(state: Any, change: Any) -> None:
    ranking = state["allocator"]["ranking"]
    for its in (ranking["roles"], *(sorter for _, sorter in ranking["frameworks"])):
        change(its)


def _rows(state: Any, change: Any) -> None:
    _sorters(state, lambda its: [change(row) for row in its["rows"]])


@pytest.mark.parametrize("what", FORGOTTEN)
def test_what_is_forgotten_is_found(twins: tuple[ModuleType, ModuleType], what: str) -> None:
    def forgetful(package: ModuleType, snapshot: dict[str, Any]) -> Any:
        state = copy.deepcopy(snapshot["state"])
        FORGOTTEN[what](state)
        return package.Allocator.restore(sealed(state))

    def wrong(seed: int) -> bool:
        try:
            go_on(twins, seed, forgetful)
        except (AssertionError, *map(_input_error, twins)):
            return True
        return False

    assert any(wrong(seed) for seed in range(100, 140))


def _input_error(package: ModuleType) -> type[Exception]:
    return next(kind for kind in package.DRFError.__subclasses__() if kind.__name__ == "InputError")


def test_machine_with_fail_over(twins: tuple[ModuleType, ModuleType]) -> None:
    """The original on the pure kernel, beside one that is restored again and again from its snapshots."""

    class FailOver(machines.Machine):  # type: ignore[name-defined, misc]
        packages = twins

        @precondition(lambda self: hasattr(self, "both"))
        @rule()
        def fail_over(self) -> None:
            snapshot = through_json(self.both[0].snapshot())
            self.both[1] = twins[1].Allocator.restore(snapshot)
            assert self.both[1].snapshot() == snapshot

    run_state_machine_as_test(
        FailOver,
        settings=settings(machines.SETTINGS, phases=[p for p in Phase if p is not Phase.explain]),
    )


# -- nothing is left out

_purepath: Any = importlib.import_module("drf._purepath")
_Order, _Client, _Places, Offer_ = (
    _purepath.Order,
    _purepath.Client,
    _purepath.Places,
    _purepath.Offer,
)

KEPT = {
    Allocator: "_plugin space _offer_timeout _book _tasks _takebacks _roles _now",
    Takebacks: "_tasks _going _news _timers",
    Claims: "_by",
    Claim: "framework role agent amount until waiting",
    HierarchicalAllocator: "options policy space _random _ledger _roles _ranking _refusals _requests _maintenance "
    "_company _backoff _claims _gangs "
    "_frameworks _quantities _whitelist _reported _candidates _all _tick_due _paused _expected _timers _now _runs",
    Ledger: "agents inactive",
    Agent: "active answers asked attributes capabilities even free guarded held hostname name odd offered region total "
    "unavailability zone",
    Framework: "active constraints gpus min_allocatable name refined regions revocable roles shared short suppressed",
    RoleTree: "quotas",
    Role: "guarantees limits name weight",
    Ranking: "_idle _random _made _total _now _shared roles _frameworks _since",
    Sorter: "policy space now _random _exclude _columns _base _agents _total _placed _copies _tree _path_weights "
    "_since _old _apart _spoilt",
    Tree: "leaves",
    Node: "client path",
    Copies: "_by",
    Backoff: "_rounds",
    Company: "_of",
    Requests: "_queues",
    Queue: "asks seq",
    Ask: "offered seq shape since together",
    Gangs: "_current _rest",
    Maintenance: "_refused",
    Timers: "",
    OfferBook: "_made _rescinded",
    TaskBook: "_tasks",
    SplitMix64: "state",
}
"""What each class with a state gives to a snapshot. Who adds an attribute adds it here, or below with a reason."""

DERIVED = {
    Requests: {
        "_offered": "within a run only",
        "_together": "the asks",
    },
    Claims: {
        "_before": "within a run only",
    },
    Observers: {"all": "given anew", "_warned": "told", "errors": "told"},
    Allocator: {
        "_busy": "within a call only",
        "_read": "spares reading an amount again",
        "_sums": "equal amounts",
        "_guard": "the plug-in, where it is not ours",
        "_observers": "told, not decided by: given anew",
    },
    HierarchicalAllocator: {
        "_interval": "options",
        "_eager": "options",
        "_whole": "options",
        "_agent_order": "options",
        "_tree_quota": "options",
        "_lenient": "options",
        "_may_fail": "options",
        "_capable": "options",
        "_cycle": "made of the other parts",
        "_dealing": "made of the other parts",
        "amounts": "equal amounts",
        "_passes": "told, not decided by: it counts anew after a fail-over",
    },
    Cycle: {
        "_ledger": "a part of its own",
        "_ranking": "a part of its own",
        "_dealing": "a part of its own",
        "_roles": "a part of its own",
        "_refusals": "a part of its own",
        "_requests": "a part of its own",
        "_frameworks": "a part of its own",
        "_minimum": "options",
        "_filter_gpus": "options",
        "_region": "options",
        "_arrange": "options",
        "_company": "a part of its own",
        "_claims": "a part of its own",
        "_mesos": "options",
        "_everywhere": "the allocator",
        "_all": "within a cycle only",
        "_groups": "within a cycle only",
        "_in_vain": "within a cycle only",
        "_unfit": "spares trying again what does not fit",
    },
    Gangs: {
        "_requests": "a part of its own",
        "_claims": "a part of its own",
        "patience": "options",
    },
    Passes: dict.fromkeys(("runs", "_log"), "told, not decided by"),
    OfferBook: {"_blocks": "compared as open offers", "_groups": "the open offers"},
    Block: dict.fromkeys(Block.__slots__, "compared as open offers"),
    Dealing: {
        **dict.fromkeys(("columns", "owner", "_worth", "_willing", "_ended"), "made at the start"),
        **dict.fromkeys(("ledger", "tree", "roles"), "a part of its own"),
        "nothing": "the units",
        "total": "the agents",
        "version": "counts for `Sorter._seen` alone",
        **dict.fromkeys(
            ("clients", "_of", "_unused", "listed", "picky"), "who is tracked, and how"
        ),
        "fresh": "within a cycle only",
        **dict.fromkeys(("visited", "tested", "words"), "counted for those who look"),
        "quotas": "the roles",
        "_all_full": "spares a look at roles that are as they were",
        **dict.fromkeys(("_available", "_lacking", "_live", "_out"), "within a cycle only"),
    },
    Client: dict.fromkeys(_Client.__slots__, "the orders, the ledger and the refusals"),
    Places: dict.fromkeys(_Places.__slots__, "the ledger, or the refusals"),
    Account: {
        "_units": "the ledger",
        **dict.fromkeys(
            ("_quotas", "_guarantees", "_limits", "_lacks", "unmet"), "the role's quota"
        ),
    },
    Quotas: dict.fromkeys(("lacking", "loosened", "unmet"), "quotas, and what is out"),
    Columns: dict.fromkeys(("of", "sorters", "_worth"), "compared as columns of the sorters"),
    Amounts: dict.fromkeys(("nothing", "_known", "_sums", "_rests"), "equal amounts"),
    Backoff: {"_first": "options", "_longest": "options"},
    Company: {
        "_ledger": "a part of its own",
        **dict.fromkeys(("_shunned", "seeks", "spans"), "_of"),
    },
    Refusals: dict.fromkeys(
        ("_agents", "_dealing", "_buckets", "_made", "_awaiting"), "compared as records"
    ),
    Bucket: dict.fromkeys(Bucket.__slots__, "the refusals, compared as timers"),
    Ledger: {
        "_places": "compared as lists",
        "amounts": "equal amounts",
        "_born": "counts for `Cycle._unfit` alone",
        "_ordered": "agents",
        "_came": "agents",
        "planned": "agents",
    },
    Agent: {
        "texts": "attributes",
        "growth": "for `Cycle._unfit` alone",
        "gone": "agents",
        **dict.fromkeys(("_bits", "_refusals", "floor"), "the refusals"),
        "place": "spares tidying the ledger's lists",
    },
    Framework: {"takes_all": "the other flags"},
    RoleTree: {
        "_columns": "the sorters",
        "_nodes": "weights, quotas, agents and frameworks",
        "_copies": "the ledger",
        "idle": "the ledger",
        "on_idle": "options",
        "reservations": "the agents",
        "reserved_out": "the ledger",
        "board": "quotas, and what is out",
        "_guaranteed": "quotas",
    },
    Role: {
        "children": "the other nodes",
        "frameworks": "who is tracked",
        "reservations": "the agents",
        "reserved_out": "the ledger",
        "unreserved_held": "the ledger",
        "account": "the ledger, and the role's quota",
        "_columns": "the sorters",
    },
    Ranking: {
        "failure": "told with the next run of this one",
        "_given": "within a run only",
        "_on_trial": "within a run only",
        "dealing": "a part of its own",
        "_policy": "options",
        "space": "options",
        "_exclude": "options",
        "by_waiting": "the policy",
    },
    Sorter: {
        "_entries": "keys of the clients",
        "_entry": "keys of the clients",
        "_volatile": "the policy",
        "_table": "the columns",
        "_leader": "the role orders, whose totals it takes",
        "_own": "the clients, and the policy's own part",
        "_late": "the allocator's, who hears of failures",
        **{name: "rows of the kernel" for name in vars(_Order()) if name != "_apart"},
    },
    Tree: {
        "_copies": "the sorter's",
        "_new_level": "the sorter's",
        "_weight_of": "the sorter's",
        "root": "the leaves",
        "nodes": "the leaves",
        "_parts": "kept until something changes",
    },
    Node: {"alive": "who is active", "level": "rows of the kernel", "parent": "the path"},
    Maintenance: {"_ledger": "a part of its own"},
    Timers: {
        "_heap": "compared as entries",
        "_set": "numbers the entries",
        "_last": "compared as entries",
    },
    TaskBook: {"_by": "the tasks"},
}
"""What is made of the rest, or must not be kept, and why."""


def attributes(thing: object) -> set[str]:
    slots = [getattr(kind, "__slots__", ()) for kind in type(thing).__mro__]
    return {*vars(thing)} if hasattr(thing, "__dict__") else {n for names in slots for n in names}


def kind_of(thing: object) -> type | None:
    return next((kind for kind in type(thing).__mro__ if kind in {**KEPT, **DERIVED}), None)


def busy(policy: str = "drf") -> Allocator:
    """An allocator with something in every part of its state."""
    a = Allocator(policy, offer="demand", agent_order="id", offer_timeout=50.0, seed=3)
    a.update_weights({"eng": 2.0, "ops": 0.5})
    a.update_quota("eng", guarantees={"cpus": 2}, limits={"cpus": 60, "mem": 900})
    volume = {"name": "disk", "value": 5, "shared": True, "disk": {"persistence": "v"}}
    for i in range(4):
        total = Resources.from_json(
            [
                {"name": "cpus", "value": 16},
                {"name": "mem", "value": 64},
                {"name": "cpus", "value": 2, "reservations": [{"role": "eng"}]},
                volume,
            ]
        )
        a.add_agent(f"m{i}", total, attributes=[("rack", "r1"), ("span", ((1, 2),))], zone="z")
    a.add_agent("m9", "cpus:4", used={"later": {"x": "cpus:3"}})
    shared = Resources.from_json([volume])
    for name, roles in (("f", ["eng"]), ("g", ["eng/web"]), ("h", ["ops", "eng"])):
        a.add_framework(
            name,
            roles=roles,
            min_allocatable=["cpus:1"],
            suppressed=roles[1:],
            used={"m0": {roles[0]: shared}},
        )
    for name, shape in (("f", "cpus:1;mem:2"), ("g", "cpus:2"), ("h", "mem:8")):
        a.request(name, shape, 4, role="ops" if name == "h" else None)
    offers = a.run().offers
    a.accept(offers[0], tasks={"t": TaskSpec(offers[0].resources, 9.0, 1.0, 2)}, refuse_seconds=7)
    a.decline(offers[1], refuse_seconds=400)
    a.advance(3.0)
    a.request("f", "cpus:3", 2)
    a.update_unavailability("m0", (90.0, 10.0))
    a.run()
    for name in ("f", "g", "h"):
        a.answer_inverse_offer("m0", name, "DECLINE", refuse_seconds=30)
    a.update_unavailability("m1", (70.0, None))
    a.run()
    for until in ("cpus:9", "freed"):
        a.decline(a.open_offers()[-1], until=until)
    a.set_whitelist([f"m{i}" for i in range(4)])
    a._plugin.claim("f", "eng", "m2", Resources("cpus:1"), 60.0)
    a.pause()
    a.add_framework("i", roles=["*"], affinity={"near": ["f"], "apart": ["g"], "within": "rack"})
    return a


def walk(thing: object, seen: dict[int, object]) -> None:
    """Every object of drf that is within reach."""
    if id(thing) in seen or isinstance(thing, (str, bytes, type)):
        return
    seen[id(thing)] = thing
    if isinstance(thing, dict):
        for key, value in thing.items():
            walk(key, seen)
            walk(value, seen)
    elif isinstance(thing, (list, tuple, set, frozenset)) or type(thing).__name__ == "deque":
        for value in thing:
            walk(value, seen)
    elif type(thing).__module__.split(".")[0] == "drf":
        for name in attributes(thing):
            walk(getattr(thing, name, None), seen)


VALUES = {
    "Affinity",
    "Resources",
    "ResourceSpace",
    "OfferConstraints",
    "Vector",
    "Offer",
    "Order",
    "Constraint",
}
POLICIES = {"DRF", "FIFO", "Random", "MaxMin"}


def unlisted(a: Allocator) -> tuple[set[str], set[type]]:
    """Attributes that are neither kept nor listed as derived, and the classes that were seen."""
    seen: dict[int, object] = {}
    walk(a, seen)
    missing, kinds = set(), set()
    for thing in seen.values():
        if type(thing).__module__.split(".")[0] != "drf" or isinstance(thing, tuple):
            continue
        kind = kind_of(thing)
        if kind is None:
            assert type(thing).__name__ in VALUES | POLICIES, f"{type(thing)} has no entry"
            continue
        kinds.add(kind)
        kept, derived = set(KEPT.get(kind, "").split()), set(DERIVED.get(kind, ()))
        assert not kept & derived
        missing |= {f"{kind.__name__}.{name}" for name in attributes(thing) - kept - derived}
    return missing, kinds


@pytest.mark.parametrize("policy", ["drf", "fifo"])
def test_every_attribute_of_the_state_is_kept_or_derived(policy: str) -> None:
    missing, kinds = unlisted(busy(policy))
    assert not missing
    assert kinds == {*KEPT, *DERIVED}


def test_candidates_are_agents_that_are_there() -> None:
    a = Allocator(seed=1, interval=None)
    for i in range(3):
        a.add_agent(f"m{i}", "cpus:8")
    a.add_framework("f")
    state = a.snapshot()["state"]
    state["allocator"].update(candidates=["m1", "nobody", "m7"], all=False)
    b = Allocator.restore(sealed(state))
    assert [offer.agent for offer in b.run().offers] == ["m1"]


def test_an_attribute_that_somebody_adds_is_seen() -> None:
    a = busy()
    a._plugin._requests.queue = {}
    a._plugin._ledger.affinity = 1
    assert unlisted(a)[0] == {"Requests.queue", "Ledger.affinity"}


def same(a: Any, b: Any, path: str, seen: set[int]) -> None:
    """Equal in everything that is kept, to the order of dictionaries."""
    assert type(a) is type(b), path
    if isinstance(a, (Sorter, Timers, Refusals, OfferBook, Ledger)):
        mine, theirs = _inside(a), _inside(b)
        assert mine == theirs, path
    if isinstance(a, Resources):
        assert list(a.objects()) == list(b.objects()), path
    elif path.endswith("._candidates"):
        assert a == b, path  # their order says nothing
    elif isinstance(a, dict):
        if path.endswith("._since"):  # an empty entry says nothing
            a, b = ({k: v for k, v in each.items() if v != {}} for each in (a, b))
        assert list(a) == list(b), path
        for key in a:
            same(a[key], b[key], f"{path}[{key!r}]", seen)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, pair in enumerate(zip(a, b, strict=True)):
            same(*pair, f"{path}[{i}]", seen)
    elif (kind := kind_of(a)) is not None:
        if id(a) in seen:
            return
        seen.add(id(a))
        for name in KEPT.get(kind, "").split():
            if hasattr(a, name):
                same(getattr(a, name), getattr(b, name), f"{path}.{name}", seen)
    elif type(a).__name__ not in POLICIES:
        assert a == b, path


def _refused(agent: Any, bucket: int) -> bool:
    return any(number == bucket for _, number, _ in agent.refusals())


def _inside(thing: Any) -> Any:
    if isinstance(thing, Timers):
        return [
            (
                t,
                thing.last(t) is i,
                sorted({agent.name for agent in i.sites if _refused(agent, i.number)})
                if isinstance(i, Bucket)
                else i,
            )
            for t, i in thing.entries()
        ]
    if isinstance(thing, Refusals):
        return list(thing)
    if isinstance(thing, OfferBook):
        fields = Offer_.__slots__
        return [[getattr(offer, field) for field in fields] for offer in thing.open()]
    if isinstance(thing, Ledger):
        return thing.state()["places"]
    levels = [thing, *(thing._tree.levels() if thing._tree else ())]
    return [
        (sorted((p, o._get_held(p), o._get_weight(p), o._is_active(p)) for p in o._clients()),)
        for o in levels
    ] + [thing.sort() if not thing.policy.stale_on & {"time"} else None]


@pytest.mark.parametrize("policy", ["drf", "fifo", "maxmin:cpus", "random"])
def test_a_restored_state_is_equal_in_every_attribute_that_is_kept(policy: str) -> None:
    a = busy(policy)
    b = Allocator.restore(through_json(a.snapshot()))
    same(a, b, "allocator", set())


@pytest.mark.parametrize("seed", range(60, 80))
def test_so_it_is_after_random_histories(seed: int) -> None:
    history = History((drf,), seed)
    for _ in range(50):
        history.step()
    (a,) = history.both
    same(a, Allocator.restore(through_json(a.snapshot())), "allocator", set())


# -- what is wrong with a snapshot


ALTERED: list[Any] = [
    lambda s: s["allocator"]["quantities"][0].__setitem__(1, 5),
    lambda s: s["allocator"]["ledger"]["agents"][0]["free"].pop(),
    lambda s: s["allocator"]["ledger"]["agents"].pop(1),
    lambda s: s["allocator"]["ranking"]["frameworks"][0][1]["rows"][0][1].__setitem__(0, 1),
    lambda s: s["allocator"]["ranking"]["roles"]["rows"].pop(),
    lambda s: s["allocator"]["ranking"]["roles"]["rows"][0][1].append(1),
    lambda s: s["allocator"]["ranking"]["frameworks"].pop(),
    lambda s: s["allocator"]["frameworks"].pop(0),
    lambda s: s["allocator"]["frameworks"].append(s["allocator"]["frameworks"][0]),
    lambda s: s["allocator"]["timers"].append([1.0, {"refusals": "x"}]),
    lambda s: s["allocator"]["timers"].append([1.0, {"event": "never"}]),
    lambda s: s["allocator"]["timers"].append([None, None]),
    lambda s: s["offers"]["open"].pop(),
    lambda s: s["offers"].update(made=0),
    lambda s: s["tasks"][0].__setitem__(3, "m3"),
    lambda s: s["made"]["options"].update(react="never"),
    lambda s: s["made"]["options"].pop("like"),
    lambda s: s.pop("allocator"),
    lambda s: s["allocator"].update(runs="3"),
    lambda s: s["allocator"].update(paused=-1),
    lambda s: s["allocator"].update(random=None),
]


class TestBad:
    def test_version(self) -> None:
        snapshot = {**busy().snapshot(), "drf_snapshot": 3}
        with pytest.raises(InputError, match="of version 3; this drf reads version 2"):
            Allocator.restore(snapshot)

    @pytest.mark.parametrize("what", [None, [], {}, {"drf": 1}, "text"])
    def test_no_snapshot(self, what: Any) -> None:
        with pytest.raises(InputError, match="is no object with"):
            Allocator.restore(what)

    def test_cut_off(self) -> None:
        snapshot = busy().snapshot()
        del snapshot["state"]
        with pytest.raises(InputError, match="cut off"):
            Allocator.restore(snapshot)

    def test_altered(self) -> None:
        snapshot = busy().snapshot()
        snapshot["state"]["allocator"]["timers"][0][0] += 1
        with pytest.raises(InputError, match="altered or cut off: its checksum is another"):
            Allocator.restore(snapshot)

    def test_not_plain(self) -> None:
        snapshot = busy().snapshot()
        snapshot["state"]["now"] = Resources("cpus:1")
        with pytest.raises(InputError, match="no plain JSON"):
            Allocator.restore(snapshot)

    @pytest.mark.parametrize("number", range(len(ALTERED)))
    def test_what_does_not_fit_together(self, number: int) -> None:
        state = busy().snapshot()["state"]
        ALTERED[number](state)
        if "like" not in state["made"]["options"]:
            state["made"]["options"]["unknown"] = 1
        with pytest.raises(InputError, match="does not fit together"):
            Allocator.restore(sealed(state))

    @pytest.mark.parametrize("seed", range(30))
    def test_random_damage_raises_nothing_else(self, seed: int) -> None:
        """Any one value replaced or lost: an InputError, or a state that adds up."""
        chance = random.Random(seed)
        state = busy().snapshot()["state"]
        where: list[tuple[Any, Any]] = []

        def collect(value: Any) -> None:
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, entry in entries:
                where.append((value, key))
                if isinstance(entry, (dict, list)):
                    collect(entry)

        collect(state)
        for _ in range(15):
            damaged = copy.deepcopy((state, where))
            holder, key = chance.choice(damaged[1])
            if chance.random() < 0.3:
                del holder[key]
            else:
                holder[key] = chance.choice([None, -1, 3, "x", [], {}, 10**20, 0.5, True, ["x"]])
            try:
                Allocator.restore(sealed(damaged[0])).check()
            except InputError:
                pass
            except InvalidOption as error:
                assert "snapshot" in str(error)  # noqa: PT017


# -- policies and plug-ins


class Longest(FIFO):
    """A policy that no name stands for."""

    name = "longest"


class TestPolicies:
    def test_an_object_with_a_registered_name_is_made_again(self) -> None:
        a = Allocator(MaxMin("mem"))
        assert Allocator.restore(a.snapshot())._plugin.policy.name == "maxmin:mem"

    def test_another_object_must_be_given(self) -> None:
        snapshot = Allocator(Longest()).snapshot()
        with pytest.raises(InvalidOption, match="give it again with policy="):
            Allocator.restore(snapshot)
        with pytest.raises(InvalidOption, match="made with policy 'longest'"):
            Allocator.restore(snapshot, policy=FIFO())
        policy = Longest()
        assert Allocator.restore(snapshot, policy=policy)._plugin.policy is policy

    def test_a_class_that_takes_a_registered_name_is_none_of_it(self) -> None:
        class Other(FIFO):
            pass

        with pytest.raises(InvalidOption, match="give it again"):
            Allocator.restore(Allocator(Other()).snapshot())

    def test_a_policy_that_fails(self) -> None:
        class Failing(Longest):
            def key(self, view: Any, client: str) -> Any:
                raise RuntimeError("no")

        a = Allocator(Longest())
        a.add_framework("f")
        with pytest.raises(InputError, match="policy longest gave no key"):
            Allocator.restore(a.snapshot(), policy=Failing())

    def test_units_and_options(self) -> None:
        a = Allocator(
            "maxmin:mem",
            like="mesos",
            space=ResourceSpace({"mem": 1}, default=10),
            exclude=["gpus"],
            min_allocatable=["mem:7"],
            interval=4.0,
        )
        b = Allocator.restore(through_json(a.snapshot()))
        assert (b.space, b._plugin.options) == (a.space, a._plugin.options)

    def test_what_a_snapshot_cannot_hold(self) -> None:
        a = Allocator()
        a.add_agent("m", "cpus:1", attributes=[("odd", [object()])])
        with pytest.raises(NotSupported, match="a snapshot cannot hold it"):
            a.snapshot()


class TestPlugins:
    def test_one_without_snapshots(self) -> None:
        class Plugin:
            pass

        with pytest.raises(NotSupported, match="Plugin has no state"):
            Allocator(plugin=Plugin()).snapshot()  # type: ignore[arg-type]

    def test_one_with_snapshots_is_given_again(self) -> None:
        class Mine(HierarchicalAllocator):
            pass

        a = Allocator(plugin=Mine(agent_order="id"))
        a.add_agent("m", "cpus:1")
        a.add_framework("f")
        snapshot = a.snapshot()
        with pytest.raises(InvalidOption, match="plug-in Mine; give a new one with plugin="):
            Allocator.restore(snapshot)
        b = Allocator.restore(snapshot, plugin=Mine(agent_order="id"))
        assert [o.agent for o in b.run().offers] == ["m"]

    def test_none_where_none_was(self) -> None:
        with pytest.raises(InvalidOption, match="leave plugin out"):
            Allocator.restore(Allocator().snapshot(), plugin=HierarchicalAllocator())


class TestJournal:
    def test_a_journal_begins_at_a_snapshot(self) -> None:
        lines: list[str] = []
        with pytest.raises(InvalidOption, match="give a function"):
            JournaledAllocator.restore(busy().snapshot())
        a = JournaledAllocator.restore(busy().snapshot(), lines.append)
        a.resume()
        a.advance(60.0)
        assert a.run().offers
        found = replay(lines)
        assert (found.runs, found.differences, found.policy) == (1, [], "drf")
        assert found.allocator.snapshot() == a.snapshot()

    def test_with_another_policy(self) -> None:
        lines: list[str] = []
        JournaledAllocator.restore(busy().snapshot(), lines.append)
        with pytest.raises(InputError, match="starts with a snapshot"):
            replay(lines, policy="fifo")


def test_the_original_is_left_as_it_was() -> None:
    a = busy()
    assert a.snapshot() == a.snapshot()
    before = a.snapshot()
    b = Allocator.restore(before)
    b.resume()
    b.advance(99.0)
    b.run()
    assert a.snapshot() == before


def test_a_name_that_is_unknown_is_so_afterwards() -> None:
    with pytest.raises(UnknownName, match="unknown framework 'zz'"):
        Allocator.restore(busy().snapshot()).share("zz")


@pytest.mark.parametrize("policy", ["sdrf:0.3", "halflife:20", "hdrf"])
def test_an_order_that_a_policy_keeps_itself_goes_on(policy: str) -> None:
    """What it remembers of the past comes back: the order is one that what is held now does not give."""
    a = Allocator(policy, interval=None, agent_order="id")
    for name in ("f", "g", "h"):
        a.add_framework(name, roles=[f"eng/{name}"])
    for i in range(4):
        a.add_agent(f"m{i}", "cpus:4;mem:8")
    for offer in a.run().offers:
        a.accept(offer, "cpus:3")
    a.advance(50.0)
    for agent, role, amount, running in a.holdings("f"):
        if running:
            a.release("f", agent, amount, role=role)
    b = Allocator.restore(through_json(a.snapshot()))
    for now in range(51, 60):
        for each in (a, b):
            each.advance(float(now))
        orders = [each._plugin._ranking.roles.sort() for each in (a, b)]
        assert orders[0] == orders[1]
        made = [[(o.framework, o.agent) for o in each.run().offers] for each in (a, b)]
        assert made[0] == made[1]
        for each in (a, b):
            for offer in each.open_offers()[:1]:
                each.decline(offer, refuse_seconds=3)
    assert a.snapshot() == b.snapshot()
