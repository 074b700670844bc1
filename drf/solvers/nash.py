"""The Nash product (competitive equilibrium from equal incomes) by Newton's method on the prices.

Maximise ``sum_i w_i log x_i`` where the tasks fit (Eisenberg and Gale, 1959). At the best answer every user that is
not at its cap spends its weight at prices of the resources: ``x_i sum_j p_j d_ij = w_i``, and only resources that are
used up have a price. Each step of the interior-point method eliminates the tasks and solves a system as large as
there are resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from drf.solvers.linear import solve

STEPS = 200
DENOMINATOR = 10**6
NEAR = 1e-7
TIGHT = 1e-3
LEAST = 1e-16


def prices(
    demands: Sequence[Sequence[Fraction]],
    capacity: Sequence[Fraction],
    weights: Sequence[Fraction],
    caps: Sequence[int | Fraction | None],
) -> tuple[list[float], list[float]]:
    """Tasks of each user and prices of one unit of each resource, in doubles; O(users x resources^2) a step.

    >>> x, p = prices([[Fraction(1), Fraction(4)], [Fraction(3), Fraction(1)]], [Fraction(9), Fraction(18)],
    ...     [Fraction(1)] * 2, [None, None])
    >>> [round(t, 9) for t in x], [round(q, 9) for q in p]
    ([4.090909091, 1.636363636], [0.2, 0.011111111])
    """
    top = np.array([float(c) for c in capacity])
    used = top > 0
    need = np.array([[float(q) for q in row] for row in demands])[:, used] / top[used]
    weight = np.array([float(w) for w in weights])
    weight = weight / weight.sum()
    cap = np.array([np.inf if c is None else float(c) for c in caps])
    bound = np.isfinite(cap)
    # Each user in its own unit, in which it could have 1 alone.
    unit = np.minimum(1 / need.max(axis=1), cap)
    need, cap = need * unit[:, None], cap / unit
    x = np.full(len(weight), 0.5 / len(weight))
    x = np.minimum(x, 0.5 / max(1.0, float((x @ need).max()) * 2) * np.ones_like(x))
    p = np.ones(need.shape[1])
    z = np.where(bound, 1.0, 0.0)
    for _ in range(STEPS):
        # What is used up to the last digit has no room left to divide by.
        room = np.maximum(1 - x @ need, LEAST)
        spare = np.where(bound, np.maximum(cap - x, LEAST), 1.0)
        gap = float(p @ room + (z * spare)[bound].sum())
        force = weight / x - need @ p - z
        if gap < 1e-15 and np.abs(force * x).max() < 1e-14:
            break
        mu = gap / (len(p) + int(bound.sum())) * 0.1
        stiff = weight / x**2 + z / spare
        pull = force - np.where(bound, mu / spare - z, 0.0)
        # dx = (pull - need dp) / stiff;  dp_j room_j - p_j (need dx)_j = mu - p_j room_j
        inner = (need / stiff[:, None]).T @ need
        right = mu / p - room + (pull / stiff) @ need
        dp = _solve(inner + np.diag(room / p), right)
        dx = (pull - need @ dp) / stiff
        dz = np.where(bound, (mu + z * dx) / spare - z, 0.0)
        step = 1.0
        for value, change in ((x, dx), (p, dp), (room, -(dx @ need))):
            down = change < 0
            if down.any():
                step = min(step, 0.99 * float((-value[down] / change[down]).min()))
        for value, change in ((z, dz), (spare, -dx)):
            down = (change < 0) & bound
            if down.any():
                step = min(step, 0.99 * float((-value[down] / change[down]).min()))
        if not all(np.isfinite(change).all() for change in (dx, dp, dz)):
            break
        x, p, z = x + step * dx, p + step * dp, z + step * dz
    x, p = _polished(need, weight, cap, x, p)
    out = np.zeros(len(top))
    out[used] = p / top[used] * float(sum(weights))
    return list(map(float, x * unit)), list(map(float, out))


def _solve(matrix: Any, right: Any) -> Any:
    """The solution, or where copies of a resource leave several, the shortest."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right)[0]


def _polished(need: Any, weight: Any, cap: Any, x: Any, p: Any) -> tuple[Any, Any]:
    """The same to the last digits, also of those whose weight is small beside others': Newton on logarithms of prices.

    The prices of resources that are all but used up are such that whoever is below its cap uses them up to the letter.
    What does not come out so stays as it was.
    """
    tight = 1 - x @ need < TIGHT
    stopped = need[:, tight].max(axis=1, initial=0) > 0
    # Whom nothing that is used up stops has its cap, though a small weight may be slow to get there.
    below = (x < cap * (1 - NEAR)) & (stopped | ~np.isfinite(cap))
    if not tight.any() or not stopped[below].all():
        return x, p
    part, price = need[:, tight], p[tight]
    tasks = x.copy()
    tasks[~below] = cap[~below]
    for _ in range(STEPS):
        cost = part[below] @ price
        tasks[below] = weight[below] / cost
        over = tasks @ part - 1
        if np.abs(over).max() < 1e-15:
            break
        slope = (part[below] * (tasks[below] / cost)[:, None]).T @ (part[below] * price)
        price = price * np.exp(np.clip(np.linalg.lstsq(slope, over)[0], -1, 1))
    better = p.copy()
    better[tight] = price
    better[~tight] = 0
    room = 1 - tasks @ need
    fair = (weight[~below] / tasks[~below] >= need[~below] @ better * (1 - NEAR)).all()
    if (
        not np.isfinite(tasks).all()
        or np.abs(room[tight]).max() > NEAR
        or room.min() < -1e-12
        or not fair
    ):
        return x, p
    return tasks, better


def exact(
    demands: Sequence[Sequence[Fraction]],
    capacity: Sequence[Fraction],
    weights: Sequence[Fraction],
    caps: Sequence[int | Fraction | None],
    near: tuple[Sequence[float], Sequence[float]],
) -> list[Fraction] | None:
    """The same in fractions, where it is rational and not far from a short fraction; proved, or None.

    Two guesses from the doubles: the tasks that use up the resources with a price, and prices as short fractions. The
    one that meets the conditions above to the letter is the answer, for there is only one.
    """
    tasks, price = near
    total = float(sum(weights))
    columns = [j for j, p in enumerate(price) if p * float(capacity[j]) > NEAR * total]
    capped = [i for i, c in enumerate(caps) if c is not None and tasks[i] > float(c) * (1 - NEAR)]
    rest = [i for i in range(len(demands)) if i not in capped]
    fixed = [Fraction(caps[i] or 0) if i in capped else Fraction(0) for i in range(len(demands))]
    room = [
        capacity[j] - sum((fixed[i] * demands[i][j] for i in capped), Fraction(0)) for j in columns
    ]
    found: list[Fraction] | None = []
    if rest:
        rows = [[demands[i][j] for i in rest] for j in columns]
        found = solve(rows, room) if columns else None
    if rest and found is not None and all(x > 0 for x in found):
        due = [weights[i] / x for i, x in zip(rest, found, strict=True)]
        cost = solve([[demands[i][j] for j in columns] for i in rest], due)
        if cost is not None:
            guess = dict(zip(columns, cost, strict=True))
            answer = _proved(demands, capacity, weights, caps, guess)
            if answer is not None:
                return answer
    short = {
        j: Fraction(price[j] * float(capacity[j])).limit_denominator(DENOMINATOR) / capacity[j]
        for j in columns
    }
    return _proved(demands, capacity, weights, caps, short)


def _proved(
    demands: Sequence[Sequence[Fraction]],
    capacity: Sequence[Fraction],
    weights: Sequence[Fraction],
    caps: Sequence[int | Fraction | None],
    price: dict[int, Fraction],
) -> list[Fraction] | None:
    """The tasks that these prices make, if they fit and use up whatever has a price."""
    if any(p < 0 for p in price.values()):
        return None
    tasks = []
    for demand, weight, cap in zip(demands, weights, caps, strict=True):
        cost = sum((p * demand[j] for j, p in price.items()), Fraction(0))
        if not cost and cap is None:
            return None
        tasks.append(
            Fraction(cap)
            if cap is not None and (not cost or weight / cost > cap)
            else weight / cost
        )
    for j, top in enumerate(capacity):
        used = sum((x * demand[j] for x, demand in zip(tasks, demands, strict=True)), Fraction(0))
        if used > top or (price.get(j, 0) > 0 and used != top):
            return None
    return tasks
