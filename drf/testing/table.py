"""The table of properties that docs/properties.md keeps: which policy keeps what, in how many examples.

Made by ``drf check --table``. Needs the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drf.fairness import PROPERTIES, Instance
from drf.plugins import make_policy
from drf.testing.checking import check_policy
from drf.testing.results import HOLDS, IDLE, RAISES, Findings, Result

LISTED = [
    *("drf", "maxmin:r0", "asset", "tasks", "static", "slots:3", "priority", "seqminmax"),
    *("ceei", "bmf", "utilitarian", "dynamic", "drfh", "tsf", "cdrf", "perserver", "psdsf"),
    *("hdrf", "collapsed", "fifo", "random", "sdrf:0.9", "halflife:60"),
    *("mesos", "volcano", "yunikorn", "yarn", "armada", "kueue"),
]
"""What the page lists; gavel is left out, as it needs the speeds of its jobs."""

SHORT = {
    "conservation": "fits",
    "sharing_incentive": "SI",
    "envy_freeness": "EF",
    "ef1_remove": "EF1-",
    "ef1_add": "EF1+",
    "pareto_efficiency": "PE",
    "strategy_proofness": "SP",
    "group_strategy_proofness": "GSP",
    "single_resource": "SRF",
    "bottleneck_fairness": "BF",
    "no_justified_complaints": "BBF",
    "bottleneck_maxmin": "BMF",
    "population_monotonicity": "PM",
    "resource_monotonicity": "RM",
    "hierarchical_share": "HSG",
    "sharing_up_to_tasks": "SI-",
    "dominant_gap": "gap",
    "near_divisible": "near",
    "no_starvation": "no starvation",
    "static_agreement": "static = dynamic",
}
"""The properties of the page, and what its columns call them."""

WEAKER = {
    "sharing_incentive": ("sharing_up_to_tasks",),
    "envy_freeness": ("ef1_remove", "ef1_add"),
}
"""What may be left of a property that whole tasks lose."""

POSITIVE = "population_monotonicity"
"""It is judged a second time where every task needs every resource."""

TITLES = {
    ("pool", "divisible"): "One pool, divisible tasks",
    ("pool", "whole"): "One pool, whole tasks",
    ("machines", "divisible"): "Machines, divisible tasks",
    ("machines", "whole"): "Machines, whole tasks",
    ("tree", "divisible"): "Trees, divisible tasks",
    ("tree", "whole"): "Trees, whole tasks",
}
DEAR = 3
"""So many times fewer examples are drawn where each is a row of linear programs: of rules on machines."""

NAIVE = "drf, summed"
"""The row of a sorter of drf over a tree, which adds up what is held below a node."""


@dataclass
class _Page:
    """Cells by setting, policy and column, and the counter-examples below them."""

    cells: dict[tuple[str, str], dict[str, dict[str, str]]] = field(default_factory=dict)
    witnesses: list[str] = field(default_factory=list)


def property_table(
    policies: Sequence[str] = LISTED,
    *,
    examples: int = 100,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Tables in Markdown, one a setting: a row a policy, a column a property; below, a counter-example of each failure.

    ``+`` holds in all examples, ``-`` fails, ``~`` fails and a bound of it holds (see `WEAKER`), ``(+)`` holds where
    every task needs every resource and fails elsewhere, ``!`` the policy raised; blank is not applicable. Costs a
    `check_policy` for each policy. Raises UnknownName.
    """
    page = _Page()
    rows = [*policies, *(["drf, stop", NAIVE] if "drf" in policies else [])]
    for number, name in enumerate(rows):
        if progress is not None:
            progress(number, len(rows), name)
        policy, _, form = name.partition(", ")
        modes = make_policy(policy).modes
        known = ["pool", *(p for p in ("machines", "tree") if p in modes and not form)]
        for place in ["tree"] if name == NAIVE else known:
            _fill(page, name, policy, place, examples, seed, form == "stop")
    return "\n".join(_lines(page)) + "\n"


def _fill(
    page: _Page, row: str, policy: str, place: str, examples: int, seed: int, stop: bool
) -> None:
    options: dict[str, Any] = {"on": place, "examples": examples, "seed": seed}
    if stop:
        options |= {"tasks": "whole", "on_blocked": "stop"}
    found = check_policy(policy, [n for n in SHORT if not _dear(n, place)], **options)
    if place == "machines":
        options["examples"] = examples // DEAR or 1
        rules = check_policy(policy, [n for n in SHORT if _dear(n, place)], **options)
        found = Findings(found.subject, (*found.results, *rules.results))
    for setting in found.settings:
        cells = page.cells.setdefault((setting.on, setting.tasks), {}).setdefault(row, {})
        for name, short in SHORT.items():
            result = found.cell(name, setting)
            assert result is not None
            cells[short] = _mark(result, found)
            if name == POSITIVE and result.bad and place == "pool":
                again = {**options, "tasks": setting.tasks, "instances": "positive"}
                if check_policy(policy, [name], **again):
                    cells[short] = "(+)"
            if result.bad:
                page.witnesses.append(
                    f"* {row}, {setting.on}, {setting.tasks}, {short}: {_told(result)}"
                )


def _dear(name: str, place: str) -> bool:
    return place == "machines" and PROPERTIES[name].kind == "rule"


def _mark(result: Result, found: Findings) -> str:
    if result.outcome == IDLE:
        return ""
    if result.outcome == HOLDS:
        return "+"
    if result.outcome == RAISES:
        return "!"
    for name in WEAKER.get(result.name, ()):
        weaker = found.cell(name, result.setting)
        if weaker is not None and weaker.outcome == HOLDS:
            return "~"
    return "-"


def _told(result: Result) -> str:
    """A counter-example in a line."""
    assert result.instance is not None
    witness = None if result.verdict is None else result.verdict.witness
    return f"{_plain(result.instance)}: {result.reason if witness is None else witness.text}"


def _plain(instance: Instance) -> str:
    """An instance as rows of numbers; O(users x resources)."""
    rooms = " and ".join(f"<{', '.join(map(str, row))}>" for row in instance.machines)
    users = []
    for i, user in enumerate(instance.users):
        text = f"{user} <{', '.join(map(str, instance.demands[i]))}>"
        if not instance.even:
            text += f" weight {instance.weights[i][0]}"
        if instance.caps[i] is not None:
            text += f" at most {instance.caps[i]}"
        if len(instance.eligible[i]) < len(instance.machines):
            text += f" on {' '.join(instance.hosts[k] for k in sorted(instance.eligible[i]))}"
        users.append(text)
    groups = [f"{node} weight {weight}" for node, weight in instance.groups.items()]
    return f"{rooms} for {', '.join([*users, *groups])}"


def _lines(page: _Page) -> Iterator[str]:
    for setting, title in TITLES.items():
        rows = page.cells.get(setting, {})
        columns = [c for c in SHORT.values() if any(cells[c] for cells in rows.values())]
        if not columns:
            continue
        yield from (f"## {title}", "")
        yield f"| | {' | '.join(columns)} |"
        yield f"|---|{'---|' * len(columns)}"
        for name, cells in rows.items():
            if any(cells.values()):
                yield f"| {name} | {' | '.join(cells[c] for c in columns)} |"
        yield ""
    yield from ("## Counter-examples", "", *page.witnesses)
