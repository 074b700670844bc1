"""A pytest plug-in: one test for each fairness property of a policy, or each invariant of an allocator.

Installed with `drf`. A test is marked with what is judged and takes the fixture ``verdict``::

    @pytest.mark.drf_policy("mypkg.mod:MyPolicy", tasks="divisible")
    def test_fair(verdict):
        assert not verdict.bad, str(verdict)

    @pytest.mark.drf_allocator(MyAllocator)
    def test_keeps_its_books(verdict):
        assert not verdict.bad, str(verdict)

    @pytest.mark.drf_master(MyMaster)
    def test_keeps_its_promises(verdict):
        assert not verdict.bad, str(verdict)

The marks take what `drf.testing.check_policy`, `check_allocator` and `check_master` take; ``--drf-examples`` and
``--drf-seed`` say how much is searched where a mark does not. Everything is imported when a marked test runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from drf.testing.results import Result

MARKS = {
    "drf_policy": "drf_policy(policy, properties=None, **options): judge a policy, a rule or a pool at work",
    "drf_allocator": "drf_allocator(factory, **options): judge an allocator plug-in under random histories",
    "drf_master": "drf_master(factory, **options): judge a master under random histories with faults",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("drf", "fairness of schedulers")
    group.addoption(
        "--drf-examples", type=int, help="instances or histories drawn for each property"
    )
    group.addoption("--drf-seed", type=int, help="seed of the search")


def pytest_configure(config: pytest.Config) -> None:
    """The two marks."""
    for line in MARKS.values():
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a property and setting, or an invariant; nothing is judged yet."""
    if "verdict" not in metafunc.fixturenames:
        return
    for mark in metafunc.definition.iter_markers():
        if mark.name == "drf_policy":
            todo = _checking().searches(*mark.args, **mark.kwargs)
        elif mark.name == "drf_allocator":
            todo = mark.kwargs.get("invariants") or _invariants().INVARIANTS
        elif mark.name == "drf_master":
            todo = mark.kwargs.get("invariants") or _masters().MASTER_INVARIANTS
        else:
            continue
        ids = [
            str(one).replace(", ", "-") if isinstance(one, str) else "-".join(one) for one in todo
        ]
        metafunc.parametrize("verdict", [(mark, one) for one in todo], ids=ids, indirect=True)
        return
    raise pytest.UsageError(
        f"{metafunc.definition.nodeid} takes the fixture verdict and has no mark {', '.join(MARKS)}"
    )


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Result:
    """What was found of one property of what the test is marked with: a `drf.testing.Result`."""
    mark, one = request.param
    options = dict(mark.kwargs)
    for name in ("examples", "seed"):
        given: Any = request.config.getoption(f"--drf-{name}")
        if given is not None:
            options.setdefault(name, given)
    if mark.name == "drf_policy":
        name, on, tasks = one
        options |= {"properties": [name], "on": on, "tasks": tasks}
        found = _checking().check_policy(*mark.args[:1], **options)
    elif mark.name == "drf_master":
        found = _masters().check_master(*mark.args, **(options | {"invariants": [one]}))
    else:
        found = _invariants().check_allocator(*mark.args, **(options | {"invariants": [one]}))
    result: Result = found.results[0]
    return result


def _checking() -> Any:
    return importlib.import_module("drf.testing.checking")


def _invariants() -> Any:
    return importlib.import_module("drf.testing.invariants")


def _masters() -> Any:
    return importlib.import_module("drf.testing.masters")
