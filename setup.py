"""Build script: one optional extension, ``drf._fastpath``.

``DRF_BUILD`` says what to do about it:

* ``auto`` (default): build it where there is a compiler, go on without it where there is none;
* ``fast``: build it, and fail where that fails;
* ``pure``: do not build it.

Everything else stands in pyproject.toml.
"""

import os
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

MODE = os.environ.get("DRF_BUILD", "auto")
if MODE not in ("auto", "fast", "pure"):
    raise SystemExit(f"DRF_BUILD is {MODE!r}; it must be auto, fast or pure")

# A failed rebuild must not leave the last binary in place: edits to the .pyx would go untested.
suffix = sysconfig.get_config_var("EXT_SUFFIX")
for old in (Path("drf") / f"_fastpath{suffix}", Path("drf") / "_fastpath.c"):
    old.unlink(missing_ok=True)

# -ffp-contract=off: a fused multiply-add rounds once where Python rounds twice.
FLAGS = [] if os.name == "nt" else ["-O3", "-g0", "-ffp-contract=off"]

extensions = [
    Extension(
        "drf._fastpath",
        ["drf/_fastpath.pyx"],
        extra_compile_args=FLAGS,
        optional=MODE == "auto",
    )
]
setup(ext_modules=[] if MODE == "pure" else extensions)
