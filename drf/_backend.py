"""Picks the kernel once, at import: the only module that imports the two.

``DRF_BACKEND`` says which: ``auto`` (default: the compiled one where it is there, else the pure one), ``fast`` (the
compiled one, or an error) or ``pure``.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from drf import _purepath
from drf.errors import BackendUnavailable, InvalidOption

REBUILD = (
    "rebuild it with uv sync --reinstall-package drf-allocator, or pip install --force-reinstall ."
)


class Backend(NamedTuple):
    """Which kernel is active, ``fast`` or ``pure``, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.name


def _choose(wanted: str) -> tuple[Any, Backend]:
    if wanted not in ("auto", "fast", "pure"):
        raise InvalidOption(f"DRF_BACKEND is {wanted!r}; it must be auto, fast or pure")
    if wanted == "pure":
        return _purepath, Backend("pure", "DRF_BACKEND=pure asks for it")
    try:
        fast = importlib.import_module("drf._fastpath")
    except ModuleNotFoundError as error:
        if error.name != "drf._fastpath":
            raise
        if wanted == "fast":
            raise BackendUnavailable(
                f"DRF_BACKEND=fast, but drf was built without its compiled kernel; {REBUILD} with a C compiler"
            ) from error
        return _purepath, Backend("pure", "built without the compiled kernel")
    except ImportError as error:
        if wanted == "fast":
            raise BackendUnavailable(
                f"the compiled kernel does not load ({error}); {REBUILD}"
            ) from error
        warnings.warn(
            f"drf goes on with its pure kernel: the compiled one does not load ({error}); {REBUILD}",
            RuntimeWarning,
            stacklevel=2,
        )
        return _purepath, Backend("pure", f"the compiled kernel does not load: {error}")
    if fast.KERNEL != _purepath.KERNEL:
        raise BackendUnavailable(
            f"the compiled kernel is stale (number {fast.KERNEL}, not {_purepath.KERNEL}); {REBUILD}"
        )
    return fast, Backend("fast", "the compiled kernel is there")


kernel, _active = _choose(os.environ.get("DRF_BACKEND", "auto"))

if TYPE_CHECKING:
    from drf._purepath import Account as Account
    from drf._purepath import Client as Client
    from drf._purepath import Dealer as Dealer
    from drf._purepath import Fading as Fading
    from drf._purepath import Offer as Offer
    from drf._purepath import Order as Order
    from drf._purepath import Places as Places
    from drf._purepath import Quotas as Quotas
    from drf._purepath import Site as Site
    from drf._purepath import Vector as Vector
    from drf._purepath import fill as fill
    from drf._purepath import fill_in_bulk as fill_in_bulk
    from drf._purepath import records as records
    from drf._purepath import shuffle as shuffle
    from drf._purepath import untracked as untracked
else:
    Order, Vector, fill = kernel.Order, kernel.Vector, kernel.fill
    Client, Dealer, Places = kernel.Client, kernel.Dealer, kernel.Places
    Account, Quotas = kernel.Account, kernel.Quotas
    Site, shuffle, untracked = kernel.Site, kernel.shuffle, kernel.untracked
    Fading = kernel.Fading
    Offer, records = kernel.Offer, kernel.records
    fill_in_bulk = kernel.fill_in_bulk

exact_fill, exact_fill_in_bulk = _purepath.fill, _purepath.fill_in_bulk
"""Filling on whole numbers of any size: what the compiled kernel cannot hold."""


def backend() -> Backend:
    """Which kernel is active, ``fast`` or ``pure``, and why; O(1).

    >>> backend().name in ("fast", "pure")
    True
    """
    return _active
