"""The versions of other engines that the masters here were tested with."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from drf.errors import MissingExtra, NotSupported

DASK = ((2026, 7, 1), (2026, 9, 0))
"""From the first on, before the second; the same range stands in the extra ``dask``."""


def check_dask() -> None:
    """Refuse a Dask that was not tested: NotSupported; none at all: MissingExtra."""
    try:
        found = version("distributed")
    except PackageNotFoundError as error:
        raise MissingExtra("drf.masters.dask", "dask and distributed", "dask") from error
    numbers = tuple(int(n) for n in re.findall(r"\d+", found)[:3])
    low, high = DASK
    if not low <= numbers < high:
        low_text, high_text = (".".join(map(str, bound)) for bound in DASK)
        raise NotSupported(
            f"distributed {found} was not tested with this version of drf, which reads the scheduler's inner state; "
            f"install 'distributed>={low_text},<{high_text}', or another version of drf"
        )
