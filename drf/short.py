"""Room for short tasks: parts of an agent that no task may use longer than so many seconds."""

from __future__ import annotations

import math

from drf.errors import InvalidOption
from drf.notation import check_longest
from drf.resources import Resources, ResourcesLike, ResourceSpace
from drf.values import Item


def lasting(amount: Resources, seconds: float) -> Resources:
    """The same amount, for tasks of at most so many seconds; O(objects). Raises InvalidQuantity.

    >>> str(lasting(Resources("cpus:2;mem:4"), 60.0))
    'cpus{60s}:2;mem{60s}:4'
    """
    bound = check_longest(amount, seconds)
    return Resources.of_items(
        (i._replace(tag=i.tag._replace(longest=bound)) for i in amount.objects()),
        space=amount.space,
    )


def read_short(given: object, space: ResourceSpace) -> Resources:
    """What is written as a pair of an amount and seconds. Raises InvalidOption, InvalidQuantity.

    >>> read_short(("cpus:1", 5), ResourceSpace())
    Resources('cpus{5s}:1')
    """
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise InvalidOption(
            f"short is {given!r}; give an amount and the seconds of its longest task"
        )
    amount: ResourcesLike = given[0]
    return lasting(Resources(amount, space=space), given[1])


def parts(amount: Resources) -> list[Resources]:
    """What may be used for ever, if any, then what may be used for a time, the longest first; O(objects).

    >>> [str(part) for part in parts(Resources("cpus{60s}:2;cpus:6"))]
    ['cpus:6', 'cpus{60s}:2']
    """
    if amount.is_plain:
        return [amount]
    bounds = {item.tag.longest for item in amount.objects()}
    ordered = sorted(bounds, key=lambda bound: -math.inf if bound is None else -bound)
    if len(ordered) < 2:
        return [amount]
    return [
        amount.split(lambda name, tag, scalar, bound=bound: tag.longest == bound)  # type: ignore[misc]
        for bound in ordered
    ]


def untagged(amount: Resources) -> Resources:
    """As much of every name, all of it plain; O(objects)."""
    if amount.is_plain:
        return amount
    items = (Item(item.name, item.value) for item in amount.objects())
    return Resources.of_items(items, space=amount.space)
