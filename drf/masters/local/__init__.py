"""A master for one machine: tasks of frameworks as real processes, with limits, shared out by `drf`.

`read_spec` reads what ``drf run`` is given, `LocalMaster` carries it out. See docs/howto-local.md.
"""

from drf.masters.local.shell import LocalMaster, Result
from drf.masters.local.spec import FrameworkSpec, Spec, TaskTable, read_spec

__all__ = ["FrameworkSpec", "LocalMaster", "Result", "Spec", "TaskTable", "read_spec"]
