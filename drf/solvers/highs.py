"""The same linear programs in doubles, by HiGHS (the extra ``lp``): for more users and machines than fractions bear.

Huangfu and Hall, "Parallelizing the dual revised simplex method", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from drf.errors import Infeasible, MissingExtra
from drf.solvers.linear import Row


def maximize(goal: Sequence[Fraction], rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """As `drf.solvers.linear.maximize`, in doubles; polynomial in practice.

    Raises MissingExtra without highspy, Infeasible where no values meet all rows or the goal has no end.
    """
    highspy = _highspy()
    model = highspy.Highs()
    model.silent()
    model.setOptionValue("threads", 1)
    for weight in goal:
        model.addVar(0.0, highspy.kHighsInf)
        model.changeColCost(model.getNumCol() - 1, float(weight))
    for coefficients, limit in rows:
        columns = sorted(coefficients)
        model.addRow(
            -highspy.kHighsInf,
            float(limit),
            len(columns),
            columns,
            [float(coefficients[j]) for j in columns],
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
    return list(solution.col_value), [abs(price) for price in solution.row_dual]


def _highspy() -> Any:
    try:
        import highspy  # noqa: PLC0415 (an extra, imported when a program is to be solved)
    except ImportError as error:
        raise MissingExtra(
            "a linear program in floats (without exact=True)", "highspy", "lp"
        ) from error
    return highspy
