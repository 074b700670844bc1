"""Plug-ins of others: found by their metadata, listed without being imported, loaded by name."""

import contextlib
import json
import sys
import tomllib
from pathlib import Path

import pytest

import drf
from drf.cli import main
from drf.entries import _BUILT_IN
from drf.errors import InvalidOption, MissingExtra, PluginError, UnknownName
from drf.plugins import (
    ALLOCATORS,
    ELECTORS,
    GROUPS,
    MASTERS,
    OBSERVERS,
    POLICIES,
    listing,
    load,
    make,
    make_policy,
    name_of,
    names,
)
from drf.testing import check_allocator, check_elector, check_master

POINTS = """
[drf.policies]
bomb = drf_test_bomb:Policy
fewest = drf_test_good:Fewest

[drf.allocators]
mine = drf_test_good:Mine

[drf.masters]
mine = drf_test_good:MyMaster

[drf.electors]
first = drf_test_good:First

[drf.observers]
ear = drf_test_good:Ear
moody = drf_test_good:Moody
"""

GOOD = """
import drf
from drf.hierarchical import HierarchicalAllocator
from drf.masters.core import Master
from drf.masters.electors import Alone

class Fewest(drf.Policy):
    name = "fewest"
    def key(self, view, client):
        return (view.grants(client),)

class Mine(HierarchicalAllocator):
    pass

class MyMaster(Master):
    pass

class First(Alone):
    pass

class Ear:
    heard = []
    def notice(self, notice):
        self.heard.append(notice.verb)

def Moody():
    raise OSError("not today")
"""


def install(folder, monkeypatch, name, points, modules):
    """A distribution as pip would leave it."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(points)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def others(tmp_path, monkeypatch):
    bomb = "raise SystemError('this module must not be imported')\n"
    modules = {"drf_test_bomb": bomb, "drf_test_good": GOOD}
    install(tmp_path / "a", monkeypatch, "drf-test-others", POINTS, modules)
    yield
    for module in modules:
        sys.modules.pop(module, None)


def test_ours_are_registered_as_they_are_built_in():
    about = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert about["project"]["entry-points"] == {
        "pytest11": {"drf": "drf.testing.pytest_plugin"},
        **_BUILT_IN,
    }
    assert set(_BUILT_IN) == set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_ours_load(group):
    for name in _BUILT_IN[group]:
        with contextlib.suppress(MissingExtra):
            assert callable(load(group, name))


def test_a_listing_imports_nothing(others):
    before = set(sys.modules)
    found = listing()
    mine = [e for e in found if e.distribution == "drf-test-others"]
    assert len(mine) == 7
    assert ("drf.policies", "bomb", "drf_test_bomb:Policy", "drf-test-others", "1.2") in mine
    assert [e.group for e in found] == sorted((e.group for e in found), key=list(GROUPS).index)
    assert "bomb" in names(POLICIES)
    assert not {m for m in set(sys.modules) - before if m.startswith("drf")}
    with pytest.raises(UnknownName, match=r"unknown group of plug-ins 'drf.polices'"):
        listing("drf.polices")


def test_the_command_imports_nothing(others, capsys):
    before = set(sys.modules)
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert "drf_test_bomb" not in sys.modules
    assert not {
        m for m in set(sys.modules) - before if m.startswith(("drf.policies", "drf.masters"))
    }
    lines = [line.split() for line in out.splitlines()]
    assert ["policy", "bomb", "drf_test_bomb:Policy", "drf-test-others", "1.2"] in lines
    assert [
        "elector",
        "alone",
        "drf.masters.electors:Alone",
        "drf-allocator",
        drf.__version__,
    ] in lines
    assert {line[0] for line in lines} == {"policy", "allocator", "master", "elector", "observer"}


def test_the_command_as_json(others, capsys):
    assert main(["plugins", "electors", "observers", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(e["group"], e["name"]) for e in found] == [
        ("drf.electors", "alone"),
        ("drf.electors", "file"),
        ("drf.electors", "first"),
        ("drf.observers", "ear"),
        ("drf.observers", "log"),
        ("drf.observers", "moody"),
        ("drf.observers", "tally"),
    ]
    assert set(found[0]) == {"group", "name", "target", "distribution", "version"}
    assert main(["plugins", "elector"]) == 2


def test_names_are_accepted_everywhere(others):
    s = drf.Sorter("fewest", total="cpus:1")
    s.add("a")
    assert s.next() == "a"
    a = drf.Allocator("fewest", plugin="mine", observers=["ear"], interval=None)
    a.add_agent("m", "cpus:1")
    assert type(a._guard.plugin).__name__ == "Mine"
    assert a._guard.plugin.policy.name == "fewest"
    assert load(OBSERVERS, "ear").heard == ["add_agent"]
    assert check_allocator("mine", examples=3, invariants=["ledger"])
    assert check_master("mine", examples=2, invariants=["offers"])
    assert check_master("core", examples=2, invariants=["offers"])
    assert check_elector("first", candidates=1)
    assert make(ELECTORS, "first:me").identity == "me"
    assert name_of(make(OBSERVERS, "ear")) == "Ear"


@pytest.mark.parametrize("name", ["local", "dask"])
def test_shells_are_judged_by_their_core(name):
    """`drf run` is one around `core` (tests/test_master_kit.py), Dask's scheduler has its own events."""
    if name == "dask":
        pytest.importorskip("distributed")
    with pytest.raises(InvalidOption, match=f"master {name} cannot be made with agent_timeout"):
        check_master(name)


def test_what_is_no_master():
    with pytest.raises(InvalidOption, match=r"has no handle\(event\)"):
        check_master(lambda **options: options)


def test_one_that_does_not_load_or_raises_is_named(others):
    with pytest.raises(PluginError, match=r"plug-in bomb of drf.policies does not load from") as e:
        make_policy("bomb")
    assert (e.value.group, e.value.plugin) == ("drf.policies", "bomb")
    with pytest.raises(
        PluginError, match=r"observer moody raised OSError\('not today'\) as it was"
    ):
        drf.Allocator(observers=["moody"])
    with pytest.raises(UnknownName, match="unknown observer 'eer'; did you mean ear"):
        drf.Allocator(observers=["eer"])
    with pytest.raises(InvalidOption, match="needs an argument, as in 'file:"):
        make(ELECTORS, "file")


def test_a_name_that_two_register(others, tmp_path, monkeypatch):
    points = "[drf.policies]\nfewest = drf_test_other:Fewest\ndrf = drf_test_other:Fewest\n"
    install(tmp_path / "b", monkeypatch, "drf-test-rivals", points, {"drf_test_other": ""})
    said = r"plug-in fewest of drf.policies is registered by drf_test_good:Fewest \(of drf-test-others\) and"
    with pytest.raises(PluginError, match=said):
        make_policy("fewest")
    assert len([e for e in listing(POLICIES) if e.name == "fewest"]) == 2
    assert type(make_policy("drf")).__module__ == "drf.policies.shares"  # ours stay ours


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modes": frozenset({"ordr"})}, "modes .*'ordr'"),
        ({"stale_on": frozenset({"own"})}, "stale_on .*'own'"),
        ({"kernel": "quick"}, "kernel is 'quick'"),
        ({"modes": "order"}, "modes is 'order'"),
    ],
)
def test_a_policy_that_says_nonsense_of_itself(change, said):
    policy = type("Odd", (drf.Policy,), {"name": "odd", **change})()
    with pytest.raises(InvalidOption, match=f"policy odd: its {said}"):
        drf.Sorter(policy)


def test_groups_have_a_name_each():
    assert list(GROUPS) == [POLICIES, ALLOCATORS, MASTERS, ELECTORS, OBSERVERS]
