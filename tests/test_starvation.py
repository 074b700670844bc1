"""Certificates of starvation: who was passed over, how often, and because of what."""

from __future__ import annotations

import pytest

from drf import Allocator, Starving
from drf.dealing import Dealing
from drf.errors import NotSupported
from drf.starvation import KEPT, Passes


def crowd(**options):
    """Two that decline all, always first; one that holds something and waits behind them."""
    a = Allocator(interval=1.0, agent_order="id", **options)
    a.add_agent("m", "cpus:8")
    a.add_agent("own", "cpus:1", used={"late": {"late": "cpus:1"}})
    for name in ("x", "y", "late"):
        a.add_framework(name, roles=[name])
    return a


def decline_all(a, start, stop):
    for now in range(start, stop):
        a.advance(float(now))
        for offer in a.run().offers:
            a.decline(offer, refuse_seconds=1)


def test_it_names_whom_how_often_and_why():
    a = crowd(backoff=0)
    decline_all(a, 1, 11)
    (found,) = [s for s in a.starving() if s.framework == "late"]
    assert (found.role, found.since) == ("late", None)
    assert found.runs == sum(found.offered.values()) == sum(found.declined.values()) >= 9
    assert set(found.offered) == {"x", "y"}
    assert found.rules == {"nothing free": 1}
    assert found.ahead[0] in ("x", "y")
    text = str(found)
    assert text.startswith(f"framework late in role late was passed over in {found.runs} runs ever")
    assert "x (" in text
    assert "declined" in text
    assert "nothing free on 1" in text


def test_an_offer_ends_it():
    a = crowd()
    decline_all(a, 1, 60)
    assert "late" in {s.framework for s in a.starving()} or a.open_offers() == []
    got = [s for s in a.starving(at_least=30) if s.framework == "late"]
    assert got == []  # by back-off it had its turn


def test_at_least_so_many_runs():
    a = crowd(backoff=0)
    decline_all(a, 1, 6)
    runs = {s.framework: s.runs for s in a.starving()}
    assert max(runs.values()) == runs["late"]
    assert [s.framework for s in a.starving(at_least=runs["late"])] == ["late"]
    assert a.starving(at_least=100) == []


def test_who_wants_nothing_does_not_starve():
    a = crowd(backoff=0)
    a.suppress("late")
    decline_all(a, 1, 6)
    assert "late" not in {s.framework for s in a.starving()}
    b = Allocator(interval=None, offer="demand")
    b.add_agent("m", "cpus:1")
    b.add_framework("f")
    b.add_framework("g")
    b.request("g", "cpus:1", 1)
    b.run()
    assert b.starving() == []
    b.request("f", "cpus:1", 1)
    b.accept(b.open_offers()[0])
    assert b.starving() == []  # no run since then
    b.release("g", "m", "cpus:1")
    b.add_framework("h", roles=["h"])
    b.request("h", "cpus:1", 1)
    b.run()
    names = {s.framework for s in b.starving()}
    assert len(names & {"f", "h"}) == 1


def test_the_log_is_bounded():
    dealing, passes = Dealing(), Passes()
    late, other = dealing.client("late", "*"), dealing.client("x", "*")
    passes.began(late)
    for now in range(KEPT + 50):
        dealing.recount([("x", "*")] * 2)
        passes.ran(dealing.counted(passes.runs + 1, float(now)))
    passes.ran(dealing.counted(passes.runs + 1, 0.0))
    found = passes.of(late)
    assert (found.runs, found.offered) == (KEPT + 50, {"x": 2 * KEPT})
    assert passes.of(other) is None
    assert (other.last, other.since) == (KEPT + 50, KEPT + 49)


def test_after_a_fail_over_it_counts_anew():
    a = crowd(backoff=0)
    decline_all(a, 1, 6)
    b = Allocator.restore(a.snapshot())
    assert b.starving() == []


def test_a_plug_in_that_cannot_say():
    class Other:
        space = Allocator().space

    with pytest.raises(NotSupported, match="who starves"):
        Allocator(plugin=Other()).starving()


def test_it_is_a_public_name():
    assert Starving("f", "*", 1, 2.0, {"g": 1}, {}).since == 2.0
    assert "since 2 s; offers went to g (1)" in str(Starving("f", "*", 1, 2.0, {"g": 1}, {}))
