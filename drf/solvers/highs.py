"""The same linear programs in doubles, by HiGHS (the extra ``lp``): for more users and machines than fractions bear.

Huangfu and Hall, "Parallelizing the dual revised simplex method", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from drf.errors import Infeasible, MissingExtra
from drf.solvers.linear import Row


def maximize(goal: Sequence[Fraction], rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """As `drf.solvers.linear.maximize`, in doubles; polynomial in practice.

    Raises MissingExtra without highspy, Infeasible where no values meet all rows or the goal has no end.
    """
    if not goal:
        return [], [0.0] * len(rows)
    highspy = _highspy()
    model = highspy.Highs()
    model.silent()
    model.setOptionValue("threads", 1)
    for kind in ("primal", "dual"):
        model.setOptionValue(f"{kind}_feasibility_tolerance", 1e-10)
    plain = [({j: float(c) for j, c in sorted(row.items())}, float(limit)) for row, limit in rows]
    units = _units(len(goal), plain)
    worth = [float(weight) * unit for weight, unit in zip(goal, units, strict=True)]
    most = max(map(abs, worth)) or 1.0
    for value in worth:
        model.addVar(0.0, highspy.kHighsInf)
        model.changeColCost(model.getNumCol() - 1, value / most)
    sizes = []
    for row, limit in plain:
        scaled = [c * units[j] for j, c in row.items()]
        sizes.append(max(map(abs, scaled), default=0.0) or 1.0)
        model.addRow(
            -highspy.kHighsInf,
            limit / sizes[-1],
            len(row),
            list(row),
            [c / sizes[-1] for c in scaled],
        )
    model.changeObjectiveSense(highspy.ObjSense.kMaximize)
    model.run()
    status = model.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise Infeasible(
            f"the linear program has no best solution ({model.modelStatusToString(status)}); "
            f"loosen one of its limits, or give every user one"
        )
    solution = model.getSolution()
    return (
        [max(value, 0.0) * unit for value, unit in zip(solution.col_value, units, strict=True)],
        [abs(price) * most / size for price, size in zip(solution.row_dual, sizes, strict=True)],
    )


def _units(columns: int, rows: Sequence[tuple[Mapping[int, float], float]]) -> list[float]:
    """For each variable the most that the rows let it have, or 1: in these units numbers are of one size.

    Without them, what is large beside others hides in the solver's tolerance what is small.
    """
    most: dict[int, float] = {}
    for signs in (
        False,
        True,
    ):  # rows without a negative number say most at once, others by what they said
        for row, limit in rows:
            if any(c < 0 for c in row.values()) != signs:
                continue
            room = limit
            for j, c in row.items():
                room += max(-c, 0.0) * most.get(j, math.inf) if c < 0 else 0.0
            for j, c in row.items():
                if c > 0 and 0 < room / c < most.get(j, math.inf):
                    most[j] = room / c
    return [most.get(j, 1.0) for j in range(columns)]


def _highspy() -> Any:
    try:
        import highspy  # noqa: PLC0415 (an extra, imported when a program is to be solved)
    except ImportError as error:
        raise MissingExtra(
            "a linear program in floats (without exact=True)", "highspy", "lp"
        ) from error
    return highspy
