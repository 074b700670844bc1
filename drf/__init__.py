"""Who gets the next resources of a cluster: Dominant Resource Fairness, offers and filters, for any scheduler."""

from drf._backend import Backend, backend
from drf._version import __version__
from drf.affinity import Affinity
from drf.allocator import Allocator
from drf.division import Division, allocate
from drf.errors import DRFError
from drf.offers import Decisions, Offer, Reclaim
from drf.plugins import Policy
from drf.reclaim import Plan
from drf.resources import Resources, ResourceSpace, Shape
from drf.sorter import Sorter
from drf.starvation import Starving
from drf.tasks import Task, TaskSpec

__all__ = [
    "Affinity",
    "Allocator",
    "Backend",
    "DRFError",
    "Decisions",
    "Division",
    "Offer",
    "Plan",
    "Policy",
    "Reclaim",
    "ResourceSpace",
    "Resources",
    "Shape",
    "Sorter",
    "Starving",
    "Task",
    "TaskSpec",
    "__version__",
    "allocate",
    "backend",
]
