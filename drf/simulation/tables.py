"""The tables of a comparison, as text: terminal, report and notebook show the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drf.simulation.metrics import Summary

ABSENT = "-"  # no task ended, so there is nothing to average


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns, and rows of cells that begin with the name of the row.

    >>> t = Table("t", ("policy", "wait (s)"), (("drf", "1.0"), ("fifo", "2.0")))
    >>> t.transposed().rows
    (('wait (s)', '1.0', '2.0'),)
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def transposed(self) -> Table:
        """The same cells with rows and columns exchanged, for a narrow terminal; O(cells)."""
        columns = tuple(zip(self.head, *self.rows, strict=True))
        return Table(self.title, columns[0], columns[1:])


def comparison(summaries: Sequence[Summary]) -> Table:
    """One row per policy: what was used, how long tasks waited, how even shares were."""
    resources = tuple(summaries[0].utilisation) if summaries else ()
    head = (
        "policy",
        *(f"{resource} used (%)" for resource in resources),
        "wait mean (s)",
        "wait p95 (s)",
        "completion mean (s)",
        "completion p95 (s)",
        "lowest share (%)",
        "highest share (%)",
        "Jain's index",
        "tasks done",
        "unfinished",
    )
    rows = tuple(
        (
            summary.policy,
            *(percent(summary.utilisation[resource]) for resource in resources),
            seconds(summary.wait_mean),
            seconds(summary.wait_p95),
            seconds(summary.completion_mean),
            seconds(summary.completion_p95),
            percent(summary.share_low),
            percent(summary.share_high),
            number(summary.jain, 3),
            str(summary.tasks_done),
            str(summary.tasks_unfinished),
        )
        for summary in summaries
    )
    return Table("Policies side by side", head, rows)


def slowdowns(summaries: Sequence[Summary]) -> Table:
    """One row per tenant: its tasks' mean slowdown under each policy; O(policies * tenants)."""
    head = ("tenant", *(summary.policy for summary in summaries))
    by_policy = [{tenant.tenant: tenant for tenant in summary.tenants} for summary in summaries]
    names = sorted({name for tenants in by_policy for name in tenants})
    rows = tuple(
        (
            name,
            *(
                number(tenants[name].slowdown_mean, 1) if name in tenants else ABSENT
                for tenants in by_policy
            ),
        )
        for name in names
    )
    return Table("Mean slowdown per tenant (1 = never waited)", head, rows)


def seconds(value: float) -> str:
    """Seconds with a tenth below 100.

    >>> seconds(99.94), seconds(99.96), seconds(1234.5)
    ('99.9', '100', '1234')
    """
    return number(value, 1 if value < 99.95 else 0)


def percent(fraction: float) -> str:
    """A fraction in per cent, with one decimal.

    >>> percent(0.8765)
    '87.6'
    """
    return number(100 * fraction, 1)


def number(value: float, decimals: int) -> str:
    """A number with so many decimals, or a dash where there is none.

    >>> number(1.25, 1), number(float("nan"), 1)
    ('1.2', '-')
    """
    return ABSENT if math.isnan(value) else f"{value:.{decimals}f}"
