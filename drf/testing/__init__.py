"""For authors of allocators and policies: scenario files, and the engine that runs them.

`conform` runs scenarios against an allocator and a policy and says where they decide otherwise. What a scenario looks
like is described in ``FORMAT.md`` beside this file; scenarios of our own are in ``scenarios``.
"""

from drf.testing.conform import Failure, Report, conform, packaged
from drf.testing.format import Scenario
from drf.testing.loading import load_scenarios, read_scenarios

__all__ = [
    "Failure",
    "Report",
    "Scenario",
    "conform",
    "load_scenarios",
    "packaged",
    "read_scenarios",
]
