"""Figures in the text format of Prometheus; those of the allocator mean what Mesos's of that name mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from drf.serve.answers import finite
from drf.serve.desk import Desk

TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]

PATTERNS = (
    (r"allocator/mesos/allocation_runs", "drf_allocation_runs_total", ()),
    (
        r"allocator/mesos/resources/(.+)/(total|offered_or_allocated)",
        "drf_resources_{1}",
        ("resource",),
    ),
    (r"allocator/mesos/roles/(.+)/shares/dominant", "drf_role_dominant_share", ("role",)),
    (
        r"allocator/mesos/offer_filters/roles/(.+)/active",
        "drf_offer_filters_active",
        ("role",),
    ),
    (
        r"allocator/mesos/quota/roles/(.+)/resources/([^/]+)/(guarantee|limit|offered_or_allocated|consumed)",
        "drf_quota_{2}",
        ("role", "resource"),
    ),
)
"""Mesos's names, the metric of each, and the labels that stand in the name there."""

HELP = {
    "drf_allocation_runs_total": ("counter", "Runs of the allocator since its state began"),
    "drf_resources_total": ("gauge", "What agents have"),
    "drf_resources_offered_or_allocated": ("gauge", "What is offered or held"),
    "drf_role_dominant_share": ("gauge", "Dominant share of a role, divided by its weight"),
    "drf_offer_filters_active": ("gauge", "Refusals that have not ended"),
    "drf_quota_guarantee": ("gauge", "What a role is guaranteed"),
    "drf_quota_limit": ("gauge", "What a role is limited to"),
    "drf_quota_offered_or_allocated": (
        "gauge",
        "Unreserved, offered or held, of a role with quota",
    ),
    "drf_quota_consumed": ("gauge", "What counts against a role's quota"),
}


def text(desk: Desk) -> str:
    """All figures; O(agents + roles)."""
    lines: list[str] = []
    families: dict[str, list[tuple[Labels, float]]] = {}
    for name, value in desk.allocator.metrics().items():
        if (sample := _sample(name, value)) is not None:
            families.setdefault(sample[0], []).append(sample[1:])
    for metric, (kind, about) in HELP.items():
        if metric in families:
            lines += _family(metric, kind, about, families[metric])
    seen = desk.figures
    lines += _family("drf_agents", "gauge", "Agents", [({}, len(desk.allocator.overview().agents))])
    open_now = len(desk.allocator.open_offers())
    lines += _family("drf_offers_open", "gauge", "Offers that wait for an answer", [({}, open_now)])
    for metric, about, count in (
        ("drf_offers_total", "Offers made", seen.offers),
        ("drf_rescinds_total", "Offers that ended unanswered", seen.rescinds),
        ("drf_reclaims_total", "Tasks that were told to end", seen.reclaims),
        (
            "drf_events_repeated_total",
            "Events that came again, and were not carried out",
            seen.repeated,
        ),
    ):
        lines += _family(metric, "counter", about, [({}, count)])
    lines += _family(
        "drf_events_total",
        "counter",
        "Events that were carried out",
        [({"verb": verb}, count) for verb, count in sorted(seen.events.items())],
    )
    lines += _family(
        "drf_errors_total",
        "counter",
        "Events that were refused, and runs that failed",
        [({"kind": kind}, count) for kind, count in sorted(seen.errors.items())],
    )
    lines += _head("drf_allocation_run_seconds", "summary", "Time that runs took")
    lines.append(f"drf_allocation_run_seconds_sum {seen.run_seconds:.9g}")
    lines.append(f"drf_allocation_run_seconds_count {seen.runs}")
    return "\n".join(lines) + "\n"


def _sample(name: str, value: float) -> tuple[str, Labels, float] | None:
    for pattern, metric, labels in PATTERNS:
        if (found := re.fullmatch(pattern, name, re.DOTALL)) and finite(value) is not None:
            groups = found.groups()
            return metric.format(*groups), dict(zip(labels, groups, strict=False)), value
    return None


def _family(
    metric: str, kind: str, about: str, samples: Iterable[tuple[Labels, float]]
) -> list[str]:
    lines = _head(metric, kind, about)
    for labels, value in samples:
        shown = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
        lines.append(f"{metric}{{{shown}}} {value!r}" if shown else f"{metric} {value!r}")
    return lines


def _head(metric: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {metric} {about}.", f"# TYPE {metric} {kind}"]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
