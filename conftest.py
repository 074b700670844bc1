"""Fixtures for tests and benchmarks: which kernel is under test, and the two of them side by side."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import drf

collect_ignore = []
if importlib.util.find_spec("distributed") is None:  # their doctests import what the extra brings
    collect_ignore = ["drf/masters/dask.py", "drf/masters/dask_client.py", "docs/howto-dask.md"]
if importlib.util.find_spec("aiohttp") is None:
    collect_ignore += ["drf/serve", "docs/howto-serve.md"]

SHARED = Path(os.environ.get("DRF_SHARED", Path(__file__).parent.parent / "shared"))


def pytest_report_header() -> str:
    active = drf.backend()
    return f"drf: backend {active.name} ({active.reason})"


@pytest.fixture(params=["pure", "fast"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each kernel in turn; where a compiler was there, a missing twin is a failure, not a skip."""
    if request.param == "pure":
        return importlib.import_module("drf._purepath")
    if os.environ.get("DRF_BUILD") == "pure":
        pytest.skip("built with DRF_BUILD=pure")
    try:
        return importlib.import_module("drf._fastpath")
    except ImportError:
        if _no_compiler():
            pytest.skip("no C compiler here")
        raise


def _no_compiler() -> bool:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    found = shutil.which(compiler)
    return found is None or "false" in (Path(found).name, Path(found).resolve().name)


def _loaded_on(backend: str) -> ModuleType:
    """A whole `drf` of its own that runs on that kernel, beside the one under test."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "drf"}
    for name in ours:
        # The compiled module has no state and cannot be loaded twice in a process: all share it.
        if name != "drf._fastpath":
            del sys.modules[name]
    before = os.environ.get("DRF_BACKEND")
    os.environ["DRF_BACKEND"] = backend
    try:
        package = importlib.import_module("drf")
        # Plug-ins are imported when they are asked for, which will be when the other drf is back: its own, then, now.
        plugins = importlib.import_module("drf.plugins")
        plugins.load = functools.cache(plugins.load)
        for group in (plugins.POLICIES, plugins.ALLOCATORS):
            for name in plugins.names(group):
                plugins.load(group, name)
        return package
    finally:
        if before is None:
            del os.environ["DRF_BACKEND"]
        else:
            os.environ["DRF_BACKEND"] = before
        for name in [n for n in sys.modules if n.split(".")[0] == "drf" and n != "drf._fastpath"]:
            del sys.modules[name]
        sys.modules.update(ours)


@pytest.fixture(scope="session")
def twins() -> tuple[ModuleType, ModuleType]:
    """Two whole packages `drf`, on the pure and on the compiled kernel, to be driven in lock-step."""
    if os.environ.get("DRF_BUILD") == "pure" or _no_compiler():
        pytest.skip("built without the compiled kernel")
    return _loaded_on("pure"), _loaded_on("fast")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked as long, unless ``-m`` names it."""
    if "long" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
