"""For authors of policies, allocators and schedulers: fairness searched for, and scenario files with their engine.

`check_policy` looks for instances in which a rule loses a property, `check_allocator` for a history that breaks an
allocator, `check_master` for one that breaks a master; they need the extra ``testing``, and so does the module
``strategies`` (docs/howto-check.md). `check_elector` tries leader elections. `rule_of`, `pool_of` and `filled` make of
policies what the judge `drf.fairness` takes.

`conform` runs scenarios against an allocator and a policy and says where they decide otherwise. What a scenario looks
like is described in ``FORMAT.md`` beside this file; scenarios of our own are in ``scenarios``.
"""

import importlib
from typing import TYPE_CHECKING, Any

from drf.testing.adapters import filled, pool_of, problem_of, rule_of
from drf.testing.conform import Failure, Report, conform, packaged
from drf.testing.electing import check_elector
from drf.testing.format import Scenario
from drf.testing.loading import load_scenarios, read_scenarios
from drf.testing.results import Findings, Result, Setting

if TYPE_CHECKING:
    from drf.testing.checking import check_policy
    from drf.testing.invariants import check_allocator
    from drf.testing.masters import check_master

_SEARCHES = {
    "check_policy": "drf.testing.checking",
    "check_allocator": "drf.testing.invariants",
    "check_master": "drf.testing.masters",
    "strategies": "drf.testing.strategies",
}

__all__ = [
    "Failure",
    "Findings",
    "Report",
    "Result",
    "Scenario",
    "Setting",
    "check_allocator",
    "check_elector",
    "check_master",
    "check_policy",
    "conform",
    "filled",
    "load_scenarios",
    "packaged",
    "pool_of",
    "problem_of",
    "read_scenarios",
    "rule_of",
]


def __getattr__(name: str) -> Any:
    """What needs the extra ``testing``, loaded when it is asked for. Raises MissingExtra without it."""
    if name not in _SEARCHES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_SEARCHES[name])
    return module if name == "strategies" else getattr(module, name)
