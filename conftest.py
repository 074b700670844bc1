"""Fixtures for tests and benchmarks: which kernel is under test, and the two of them side by side."""

from __future__ import annotations

import importlib
import os
import shutil
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import drf

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
    return shutil.which(compiler) is None or shutil.which(compiler) == "/bin/false"
