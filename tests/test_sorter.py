"""Who is next: worked examples, scenarios from files, policies, and errors that leave everything as it was."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import Policy, Resources, ResourceSpace, Sorter
from drf.errors import (
    ClockError,
    DRFError,
    DuplicateName,
    InvalidName,
    InvalidOption,
    InvalidQuantity,
    NotSupported,
    Overcommit,
    UnknownName,
)

SHARED = Path(os.environ.get("DRF_SHARED", Path(__file__).parents[2] / "shared"))


def two(policy: str | Policy = "drf", **options: Any) -> Sorter:
    """The paper's cluster with its two users."""
    s = Sorter(policy, total={"cpus": 9, "mem": 18}, **options)
    s.add("A")
    s.add("B")
    return s


# -- worked examples


def test_the_papers_example() -> None:
    s = two()
    task = {"A": s.intern({"cpus": 1, "mem": 4}), "B": s.intern({"cpus": 3, "mem": 1})}
    free = {"cpus": 9, "mem": 18}
    order = []
    for _ in range(5):
        client = s.next()
        assert client is not None
        s.allocated(client, task[client])
        order.append(client)
    # Shares (A, B) before each pick: (0, 0) tie, by name A; (2/9, 0) B; (2/9, 1/3) A; (4/9, 1/3) B; (4/9, 2/3) A.
    assert order == ["A", "B", "A", "B", "A"]
    # A: 3 CPUs of 9 and 12 GB of 18 = 2/3; B: 6 CPUs of 9 = 2/3 and 2 GB of 18.
    assert s.share("A") == s.share("B") == 12 / 18
    assert s.held("A") == Resources("cpus:3;mem:12")
    assert s.held("B") == Resources("cpus:6;mem:2")
    assert free["cpus"] == 3 + 6
    s.check()


def test_a_share_is_the_largest_of_the_resources_divided_by_the_weight() -> None:
    s = Sorter(total={"cpus": 10, "mem": 100, "gpus": 4})
    s.add("a", weight=2)
    s.allocated("a", {"cpus": 3, "mem": 20, "gpus": 1})
    assert s.share("a") == (3 / 10) / 2  # 3/10 > 1/4 > 20/100
    s.allocated("a", {"gpus": 1})
    assert s.share("a") == (2 / 4) / 2
    s.weigh("a", 0.5)
    assert s.share("a") == (2 / 4) / 0.5


def test_weights_by_resource() -> None:
    s = Sorter(total={"cpus": 10, "mem": 100})
    s.add("a", weight={"cpus": 4, "mem": 0.5})
    s.allocated("a", {"cpus": 5, "mem": 10})
    # cpus: 1/2 by 4 = 1/8; mem: 1/10 by 1/2 = 1/5
    assert s.share("a") == (10 / 100) / 0.5
    assert s.weight("a") == {"cpus": 4.0, "mem": 0.5}
    s.weigh("a", {"mem": 8})  # a resource that is not named weighs 1
    assert s.share("a") == 5 / 10
    assert dict(s.weight("a"))["mem"] == 8.0  # type: ignore[arg-type]
    s.weigh("a", 1)
    assert s.weight("a") == 1.0


def test_a_resource_without_capacity_does_not_count() -> None:
    s = Sorter(total={"cpus": 10})
    s.add("a")
    s.allocated("a", {"cpus": 1, "gpus": 5})
    assert s.share("a") == 1 / 10
    s.add_agent("m1", {"gpus": 10})
    assert s.share("a") == 5 / 10
    s.remove_agent("m1")
    assert s.share("a") == 1 / 10
    assert Sorter().next() is None


def test_an_excluded_resource_does_not_count() -> None:
    s = two(exclude=["mem"])
    s.allocated("A", {"cpus": 1, "mem": 18})
    s.allocated("B", {"cpus": 2})
    assert s.sort() == ["A", "B"]
    assert s.share("A") == 1 / 9


def test_totals_are_the_given_one_and_the_agents() -> None:
    s = two()
    s.add_agent("m1", "cpus:1.5;ports:[1-10]")
    assert s.total() == Resources("cpus:10.5;mem:18")
    s.set_total("cpus:2")
    assert s.total() == Resources("cpus:3.5")
    s.remove_agent("m1")
    assert s.total() == Resources("cpus:2")


def test_inactive_clients_hold_but_are_not_listed() -> None:
    s = two()
    s.add("C", active=False)
    s.allocated("C", {"cpus": 3})
    assert s.sort() == ["A", "B"]
    assert s.share("C") == 3 / 9
    assert not s.is_active("C")
    s.activate("C")
    s.activate("C")
    s.deactivate("A")
    s.deactivate("A")
    assert s.sort() == ["B", "C"]
    assert s.first(1) == ["B"]
    assert "A" in s
    assert len(s) == 3


def test_units_are_those_of_the_space() -> None:
    s = Sorter(total={"mem": 7}, space=ResourceSpace({"mem": 1}))
    s.add("a")
    with pytest.raises(InvalidQuantity, match="rounds to 0"):
        s.allocated("a", {"mem": 0.4})
    s.allocated("a", {"mem": 0.5})  # half away from zero
    assert s.held("a")["mem"] == 1
    s.allocated("a", Resources("mem:2"))  # in thousandths; converted
    assert s.share("a") == 3 / 7


def test_what_is_where() -> None:
    s = two()
    s.allocated("A", {"cpus": 1}, agent="m1")
    s.allocated("A", {"cpus": 2, "mem": 1}, agent="m2")
    s.allocated("A", {"mem": 5})
    assert s.agents_of("A") == ["m1", "m2"]
    assert s.held("A") == Resources("cpus:3;mem:6")
    assert s.held("A", agent="m2") == Resources("cpus:2;mem:1")
    assert s.held("A", agent="m3") == Resources()
    with pytest.raises(Overcommit, match="on agent 'm1'"):
        s.unallocated("A", {"cpus": 2}, agent="m1")
    with pytest.raises(Overcommit, match="name the agent"):
        s.unallocated("A", {"cpus": 1})
    s.unallocated("A", {"mem": 5})
    s.unallocated("A", {"cpus": 1}, agent="m1")
    assert s.agents_of("A") == ["m2"]
    s.update("A", {"cpus": 2}, {"gpus": 2}, agent="m2")
    assert s.held("A", agent="m2") == Resources("mem:1;gpus:2")
    assert s.grants("A") == 3
    s.remove("A")
    s.add("A")
    assert s.agents_of("A") == []
    s.check()


# -- scenarios from files


def _amounts(given: Any) -> dict[str, Any]:
    """Plain, or a list of resource objects whose metadata does not matter to shares: summed by name."""
    if isinstance(given, dict):
        return {n: [tuple(r) for r in v] if isinstance(v, list) else v for n, v in given.items()}
    out: dict[str, Any] = {}
    for entry in given:
        value = entry["value"]
        if isinstance(value, list):
            out[entry["name"]] = out.get(entry["name"], []) + [tuple(r) for r in value]
        else:
            out[entry["name"]] = out.get(entry["name"], 0) + value
    return out


def play(scenario: dict[str, Any]) -> int:
    """Run the steps and check the expectations after each; how many were checked."""
    s = Sorter("drf")
    verbs: dict[str, Callable[..., None]] = {
        "add": lambda client: s.add(client, active=False),
        "remove": s.remove,
        "activate": s.activate,
        "deactivate": s.deactivate,
        "update_weight": lambda path, weight: s.weigh(path, weight),
        "allocated": lambda client, agent, resources: s.allocated(
            client, _amounts(resources), agent=agent
        ),
        "unallocated": lambda client, agent, resources: s.unallocated(
            client, _amounts(resources), agent=agent
        ),
        "update": lambda client, agent, old, new: s.update(
            client, _amounts(old), _amounts(new), agent=agent
        ),
        "add_agent": lambda agent, total: s.add_agent(agent, _amounts(total)),
        "remove_agent": s.remove_agent,
    }
    checked = 0
    for i, step in enumerate(scenario["steps"]):
        verbs[step["op"]](**step["args"])
        s.check()
        for expected in scenario["expect"]:
            if expected["after"] == i:
                _compare(s, expected)
                checked += 1
    assert checked == len(scenario["expect"])
    return checked


def _compare(s: Sorter, expected: dict[str, Any]) -> None:
    kind = expected["kind"]
    if kind == "sort":
        assert s.sort() == expected["clients"]
    elif kind == "share":
        for client, share in expected["shares"].items():
            assert s.share(client) == pytest.approx(share, abs=1e-9)
    elif kind == "contains":
        for client, there in expected["clients"].items():
            assert (client in s) is there
    elif kind == "count":
        assert len(s) == expected["value"]
    elif kind == "allocation_count":
        for client, count in expected["counts"].items():
            assert s.grants(client) == count
    elif kind == "allocation":
        for client, by_agent in expected["allocation"].items():
            assert s.agents_of(client) == sorted(by_agent)
            for agent, amount in by_agent.items():
                due = Resources(_amounts(amount)).scalars
                assert s.held(client, agent=agent).scalars == due
    elif kind == "allocation_scalars":
        total = Resources()
        for client, amount in expected["clients"].items():
            assert s.held(client) == Resources(_amounts(amount))
            total += s.held(client)
        assert total == Resources(_amounts(expected["total"]))
    else:
        raise AssertionError(f"unknown expectation {kind}")


def scenarios() -> list[Any]:
    found = json.loads((Path(__file__).parent / "data" / "sorter.json").read_text("utf-8"))
    path = SHARED / "vectors" / "mesos.json"
    if path.exists():
        for scenario in json.loads(path.read_text("utf-8")):
            text = json.dumps(scenario)
            paths = [s["args"].get("client", s["args"].get("path", "")) for s in scenario["steps"]]
            flat = not any("/" in path for path in paths)
            if scenario["subject"] == "sorter" and flat and '"shared"' not in text:
                found.append(scenario)
    return [pytest.param(scenario, id=scenario["name"]) for scenario in found]


@pytest.mark.parametrize("scenario", scenarios())
def test_scenario(scenario: dict[str, Any]) -> None:
    assert play(scenario) > 0


def test_no_flat_scenario_is_left_out() -> None:
    assert len(scenarios()) >= 4
    if (SHARED / "vectors" / "mesos.json").exists():
        # Of the 22 sorter scenarios 11 have paths and one has shared volumes.
        assert len(scenarios()) == 4 + 10


def test_the_player_sees_what_is_wrong() -> None:
    """Each expectation, falsified, is noticed."""
    source = json.loads((Path(__file__).parent / "data" / "sorter.json").read_text("utf-8"))

    def falsified(value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, (int, float)):
            return value + 1
        if isinstance(value, list):
            return [*value, "nobody"]
        key = next(iter(value), None)
        return {"nobody": {}} if key is None else {**value, key: falsified(value[key])}

    for scenario in source:
        for i, expected in enumerate(scenario["expect"]):
            name = next(k for k in expected if k not in ("after", "kind"))
            wrong = json.loads(json.dumps(scenario))
            wrong["expect"][i][name] = falsified(expected[name])
            with pytest.raises((AssertionError, DRFError)):
                play(wrong)


# -- policies


def test_maxmin_counts_one_resource() -> None:
    s = two("maxmin:mem")
    s.allocated("A", {"cpus": 8, "mem": 2})
    s.allocated("B", {"mem": 3})
    assert s.sort() == ["A", "B"]
    assert s.share("A") == 2 / 18


def test_fifo_goes_by_the_oldest_waiting_task() -> None:
    s = two("fifo")
    s.add("C")
    assert s.sort() == ["A", "B", "C"]  # nobody waits: by name
    s.waiting("C", 5.0)
    s.waiting("B", 7.0)
    assert s.sort() == ["C", "B", "A"]
    s.allocated("C", {"cpus": 9})  # shares do not matter
    assert s.next() == "C"
    s.waiting("C", 9.0)
    assert s.sort() == ["B", "C", "A"]
    s.waiting("B", 9.0)
    assert s.sort() == ["B", "C", "A"]  # a tie: B had fewer grants
    s.waiting("B", None)
    assert s.first(2) == ["C", "A"]
    s.deactivate("C")
    s.waiting("C", 1.0)
    assert s.sort() == ["A", "B"]
    s.activate("C")
    assert s.next() == "C"
    s.remove("C")
    s.add("C")
    assert s.sort() == ["A", "B", "C"]  # a client that comes back waits for nothing
    s.check()


def test_waiting_is_no_matter_to_drf() -> None:
    s = two()
    s.waiting("B", 0.0)
    assert s.sort() == ["A", "B"]


def test_random_is_a_lottery_by_weight() -> None:
    s = Sorter("random", total={"cpus": 1}, seed=7)
    s.add("one")
    s.add("three", weight=3)
    s.add("six", weight={"cpus": 6})
    runs = 4000
    firsts = Counter(s.next() for _ in range(runs))
    # The chance to be first is the weight's part of the whole: 1/10, 3/10, 6/10; 4 standard deviations.
    for client, chance in (("one", 0.1), ("three", 0.3), ("six", 0.6)):
        assert abs(firsts[client] / runs - chance) < 4 * math.sqrt(chance * (1 - chance) / runs)
    # Behind "six" the other two go by 1/4 and 3/4.
    behind = Counter(order[1] for order in (s.sort() for _ in range(runs)) if order[0] == "six")
    total = sum(behind.values())
    assert abs(behind["three"] / total - 0.75) < 4 * math.sqrt(0.75 * 0.25 / total)


def test_random_repeats_with_its_seed() -> None:
    def orders(seed: int, names: str) -> list[list[str]]:
        s = Sorter("random", seed=seed)
        for name in names:
            s.add(name)
        return [s.sort() for _ in range(20)]

    assert orders(1, "abcd") == orders(1, "abcd")
    assert orders(1, "abcd") == orders(1, "dcba")  # whoever came first does not matter
    assert orders(1, "abcd") != orders(2, "abcd")
    assert len({tuple(order) for order in orders(1, "abcd")}) > 5


class FewestGrants(Policy):
    """Round robin: its keys change with the client's own grants alone."""

    name = "fewest"

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        return (view.grants(client),)


class Poorest(Policy):
    """By the share of memory, said in Python: it has to do what maxmin:mem does in its kernel."""

    name = "poorest"
    stale_on = frozenset({"total"})

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        total = view.total().units.get("mem", 0)
        held = view.held(client).units.get("mem", 0)
        return (held / total / view.weight(client) if total else 0.0,)


class Busiest(Policy):
    """Who holds least of what all hold: goes stale on others; reads the clock too."""

    name = "busiest"
    stale_on = frozenset({"others", "time"})

    def __init__(self) -> None:
        self.clients = ""

    def key(self, view: Any, client: str) -> tuple[Any, ...]:
        total = sum(view.held(c).quantity("cpus") for c in self.clients)
        late = view.now > 10
        part = view.held(client).quantity("cpus") / total if total else 0
        return (-part if late else part,)


class Table(Policy):
    """Divides only."""

    name = "table"
    modes = frozenset({"divide"})


def test_a_policy_of_ones_own() -> None:
    s = two(FewestGrants())
    for due in ("A", "B", "A", "B"):
        assert s.next() == due
        s.allocated(due, {"cpus": 1} if due == "A" else {"cpus": 0.001})
    s.check()
    assert (s.policy.name, s.share("A")) == ("fewest", 2 / 9)


def test_a_policy_that_looks_at_others_and_the_clock() -> None:
    policy = Busiest()
    s = two(policy)
    policy.clients = "AB"
    s.allocated("A", {"cpus": 1})
    s.allocated("B", {"cpus": 2})
    assert s.sort() == ["A", "B"]
    s.advance(11.0)
    assert s.sort() == ["B", "A"]
    s.unallocated("B", {"cpus": 2})
    assert s.sort() == ["A", "B"]


def test_a_policy_that_cannot_order() -> None:
    with pytest.raises(NotSupported, match=r"table does not order clients; its modes are \['div"):
        Sorter(Table())


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["give", "take", "weigh", "total", "off", "on", "again"]),
            st.sampled_from("abcdef"),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_a_policy_in_python_decides_as_the_kernel_that_says_the_same(
    script: list[tuple[str, str, int]],
) -> None:
    both = [Sorter(policy, total={"mem": 20}) for policy in ("maxmin:mem", Poorest())]
    for s in both:
        for name in "abcdef":
            s.add(name)
    for verb, name, n in script:
        outcomes = []
        for s in both:
            try:
                if verb == "give":
                    s.allocated(name, {"mem": n, "cpus": 10 - n})
                elif verb == "take":
                    s.unallocated(name, {"mem": n})
                elif verb == "weigh":
                    s.weigh(name, n + 1)
                elif verb == "total":
                    s.set_total({"mem": n})
                elif verb == "again":
                    s.remove(name)
                    s.add(name)
                else:
                    (s.activate if verb == "on" else s.deactivate)(name)
                outcomes.append("")
            except Overcommit as error:
                outcomes.append(str(error))
            s.check()
        assert outcomes[0] == outcomes[1]
        assert both[0].sort() == both[1].sort()
        assert both[0].next() == both[1].next()
        assert both[0].first(2) == both[1].first(2)


# -- errors


def seen(s: Sorter) -> object:
    """All that can be asked of a sorter."""
    s.check()
    return (
        s.sort(),
        s.total(),
        len(s),
        s.now,
        {c: (s.share(c), s.grants(c), s.held(c), s.weight(c), s.is_active(c)) for c in ("A", "B")},
        {c: {a: s.held(c, agent=a) for a in s.agents_of(c)} for c in ("A", "B")},
    )


REFUSED: list[tuple[Callable[[Sorter], object], type[DRFError], str]] = [
    (lambda s: s.add("A"), DuplicateName, "client 'A' is there already; remove it"),
    (lambda s: s.add(""), InvalidName, "client '' is malformed"),
    (lambda s: s.add(3), InvalidName, "client 3 is malformed"),
    (lambda s: s.add("\ud800"), InvalidName, "no lone surrogates"),
    (lambda s: s.add("C", weight=0), InvalidOption, "weight of 'C' is 0; it must be above 0"),
    (lambda s: s.add("C", weight=-1), InvalidOption, "above 0 and finite"),
    (lambda s: s.add("C", weight=math.nan), InvalidOption, "weight of 'C' is nan"),
    (lambda s: s.add("C", weight=math.inf), InvalidOption, "weight of 'C' is inf"),
    (lambda s: s.add("C", weight=True), InvalidOption, "weight of 'C' is True"),
    (lambda s: s.add("C", weight="2"), InvalidOption, "'2'; it is a number above 0"),
    (lambda s: s.add("C", weight={"cpus": 0}), InvalidOption, "weight of 'C' is 0"),
    (lambda s: s.weigh("A", 0), InvalidOption, "weight of 'A' is 0"),
    (lambda s: s.weigh("A", {"cp us": 1}), InvalidName, "'cp us' is malformed"),
    (lambda s: s.weigh("C", 1), UnknownName, "unknown client 'C'"),
    (lambda s: s.remove("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.activate("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.deactivate("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.is_active("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.share("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.grants("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.held("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.weight("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.agents_of("C"), UnknownName, "unknown client 'C'"),
    (lambda s: s.waiting("C", 0.0), UnknownName, "unknown client 'C'"),
    (lambda s: s.allocated("C", {"cpus": 1}), UnknownName, "unknown client 'C'"),
    (lambda s: s.unallocated("C", {"cpus": 1}), UnknownName, "unknown client 'C'"),
    (lambda s: s.update("C", {"cpus": 1}, {"cpus": 2}), UnknownName, "unknown client 'C'"),
    (lambda s: s.allocated("A", {"cpus": -1}), InvalidQuantity, "cpus: -1 is negative"),
    (
        lambda s: s.allocated("A", Resources.from_units({"cpus": 2**53})),
        InvalidQuantity,
        "client 'A' would hold cpus:9007199254740.992 more than cpus:1;mem:4, above the limit",
    ),
    (
        lambda s: s.unallocated("A", {"cpus": 2}, agent="m1"),
        Overcommit,
        r"client 'A' holds cpus:1;mem:4.*, not cpus:2; give back at most what it holds",
    ),
    (lambda s: s.unallocated("A", {"gpus": 1}, agent="m1"), Overcommit, "not gpus:1"),
    (lambda s: s.unallocated("A", {"cpus": 1}, agent="m2"), Overcommit, "on agent 'm2'"),
    (lambda s: s.unallocated("A", {"cpus": 1}), Overcommit, r"agents \['m1'\]; name the agent"),
    (lambda s: s.update("A", {"cpus": 2}, {}, agent="m1"), Overcommit, "not cpus:2"),
    (lambda s: s.update("A", {"cpus": 1}, {}, agent="m2"), Overcommit, "on agent 'm2'"),
    (
        lambda s: s.update("A", {}, Resources.from_units({"mem": 2**53}), agent="m1"),
        InvalidQuantity,
        "above the limit",
    ),
    (lambda s: s.set_total({"cpus": -1}), InvalidQuantity, "negative"),
    (
        lambda s: s.add_agent("m1", Resources.from_units({"mem": 1, "cpus": 2**53})),
        InvalidQuantity,
        "the total of cpus would be 9007199254749992 units, above the limit",
    ),
    (lambda s: s.remove_agent("m7"), UnknownName, "unknown agent 'm7'"),
    (lambda s: s.advance(4.0), ClockError, "back from 5.0 to 4.0"),
    (lambda s: s.advance(math.nan), ClockError, "to nan"),
]


@pytest.mark.parametrize("policy", ["drf", "fifo"])
@pytest.mark.parametrize(
    ("call", "error", "message"),
    REFUSED,
    ids=[f"{i}-{r[1].__name__}" for i, r in enumerate(REFUSED)],
)
def test_errors_leave_everything_as_it_was(
    policy: str, call: Callable[[Sorter], object], error: type[DRFError], message: str
) -> None:
    s = two(policy)
    s.advance(5.0)
    s.allocated("A", {"cpus": 1, "mem": 4}, agent="m1")
    s.deactivate("B")
    before = seen(s)
    with pytest.raises(error, match=message):
        call(s)
    assert seen(s) == before
    s.activate("B")
    assert s.sort() in (["B", "A"], ["A", "B"])


def test_an_update_takes_what_is_held() -> None:
    s = two()
    s.allocated("A", {"cpus": 1, "mem": 4})
    with pytest.raises(Overcommit, match="client 'A' holds cpus:1;mem:4, not cpus:2"):
        s.update("A", {"cpus": 2}, {"mem": 1})
    assert s.held("A") == Resources("cpus:1;mem:4")
    s.update("A", {"cpus": 1}, {"mem": 1})
    assert s.held("A") == Resources("mem:5")
    assert s.grants("A") == 1


def test_agents_are_added_once() -> None:
    s = two()
    s.add_agent("m1", {"cpus": 1})
    with pytest.raises(DuplicateName, match="agent 'm1' is there already"):
        s.add_agent("m1", {"cpus": 1})
    assert s.total() == Resources("cpus:10;mem:18")


def test_unknown_names_bring_the_nearest() -> None:
    s = Sorter()
    s.add("analytics")
    with pytest.raises(UnknownName, match="unknown client 'analytic'; did you mean analytics"):
        s.share("analytic")
    with pytest.raises(UnknownName, match="unknown policy 'dfr'; did you mean drf"):
        Sorter("dfr")
    with pytest.raises(InvalidOption, match="needs an argument, as in 'maxmin:cpus'"):
        Sorter("maxmin")
    with pytest.raises(InvalidOption, match="takes no argument"):
        Sorter("drf:cpus")
    with pytest.raises(InvalidOption, match="is no policy"):
        Sorter(3)  # type: ignore[arg-type]


def test_a_vector_belongs_to_its_sorter() -> None:
    one, other = two(), two()
    with pytest.raises(InvalidOption):
        other.allocated("A", one.intern({"cpus": 1}))
    assert other.held("A") == Resources()
