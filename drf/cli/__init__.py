"""The ``drf`` command.

Only this module is imported without the extra ``cli``: what needs click and rich is loaded when the
command runs, so that a missing extra ends in a sentence.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence

from drf.errors import MissingExtra

NEEDED = ("click", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (default: the process's) and return its exit code.

    0 is success, 1 an error in what was given, 2 wrong usage, 130 an interrupt. A `DRFError`
    becomes one sentence on standard error.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            print(f"drf: {MissingExtra('the drf command', package, 'cli')}", file=sys.stderr)
            return 1
    try:
        app = importlib.import_module("drf.cli.app")
        code: int = app.run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # before click was there to catch it
        return 130
    return code
