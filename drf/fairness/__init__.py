"""The judge: is a division fair, is a rule? Every property is a function that gives a verdict with a witness.

It imports nothing of what it judges: rules come as callables, and its oracles are its own. See
docs/howto-fairness.md.
"""

from drf.fairness.allocation import Allocation, Rule, allocation_of
from drf.fairness.churn import Live, Start, bookkeeping, no_starvation, static_agreement
from drf.fairness.efficiency import conservation, maxmin_certificate, pareto_efficiency
from drf.fairness.envy import ef1_add, ef1_remove, envy_freeness
from drf.fairness.hierarchy import guarantee, hierarchical_share
from drf.fairness.incentives import group_strategy_proofness, strategy_proofness, true_tasks
from drf.fairness.instance import Instance
from drf.fairness.lies import joint_lies, lies
from drf.fairness.measures import (
    distance_to_divisible,
    envy_matrix,
    jain,
    max_min_ratio,
    measures,
    min_share,
    nash_product,
    sharing_ratio,
    sum_of_shares,
    utilisation,
)
from drf.fairness.monotonicity import (
    cap_monotonicity,
    population_monotonicity,
    resource_monotonicity,
    weight_monotonicity,
)
from drf.fairness.neutrality import (
    anonymity,
    determinism,
    neutral_copies,
    neutral_dummy,
    neutral_order,
    neutral_scale,
    neutral_task_size,
    neutral_units,
    neutral_weights,
    tie_rule,
)
from drf.fairness.oracles import fill, leximin
from drf.fairness.registry import PROPERTIES, Property, convict, find, judge, replay
from drf.fairness.sharing import (
    alone,
    bottleneck_fairness,
    bottleneck_maxmin,
    entitlement,
    no_justified_complaints,
    sharing_incentive,
    single_resource,
)
from drf.fairness.verdict import Change, Verdict, Witness
from drf.fairness.whole import dominant_gap, near_divisible, sharing_up_to_tasks

__all__ = [
    "PROPERTIES",
    "Allocation",
    "Change",
    "Instance",
    "Live",
    "Property",
    "Rule",
    "Start",
    "Verdict",
    "Witness",
    "allocation_of",
    "alone",
    "anonymity",
    "bookkeeping",
    "bottleneck_fairness",
    "bottleneck_maxmin",
    "cap_monotonicity",
    "conservation",
    "convict",
    "determinism",
    "distance_to_divisible",
    "dominant_gap",
    "ef1_add",
    "ef1_remove",
    "entitlement",
    "envy_freeness",
    "envy_matrix",
    "fill",
    "find",
    "group_strategy_proofness",
    "guarantee",
    "hierarchical_share",
    "jain",
    "joint_lies",
    "judge",
    "leximin",
    "lies",
    "max_min_ratio",
    "maxmin_certificate",
    "measures",
    "min_share",
    "nash_product",
    "near_divisible",
    "neutral_copies",
    "neutral_dummy",
    "neutral_order",
    "neutral_scale",
    "neutral_task_size",
    "neutral_units",
    "neutral_weights",
    "no_justified_complaints",
    "no_starvation",
    "pareto_efficiency",
    "population_monotonicity",
    "replay",
    "resource_monotonicity",
    "sharing_incentive",
    "sharing_ratio",
    "sharing_up_to_tasks",
    "single_resource",
    "static_agreement",
    "strategy_proofness",
    "sum_of_shares",
    "tie_rule",
    "true_tasks",
    "utilisation",
    "weight_monotonicity",
]
