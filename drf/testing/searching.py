"""One search by Hypothesis: draw, try, make what is found small. Needs the extra ``testing``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from drf.errors import InvalidOption, MissingExtra

try:
    import hypothesis
    from hypothesis import errors
except ImportError as error:
    raise MissingExtra("the search for counter-examples", "hypothesis", "testing") from error


class Found(Exception):
    """What a trial raises where it found something; it keeps what itself."""


def search(strategy: Any, trial: Callable[[Any], None], *, examples: int, seed: int) -> None:
    """Call the trial with up to ``examples`` values, and with smaller ones once it raises `Found`.

    Whatever else it raises passes through. A trial that does not raise twice alike ends the search.
    """

    def test(value: Any) -> None:
        trial(value)

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        with warnings.catch_warnings():
            # It warns of being called within a test of its own, which is how authors will use this.
            warnings.simplefilter("ignore", errors.HypothesisWarning)
            given: Any = hypothesis.given(strategy)  # a decorator of any signature
            hypothesis.seed(seed)(settings(given(test)))()
    except (Found, errors.Flaky):
        pass  # what is not answered twice alike is convicted by what was once answered


def check_counts(**counts: int) -> None:
    """Whether these are whole numbers of at least 1; O(1). Raises InvalidOption."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidOption(f"{name} is {count!r}; it is a whole number of at least 1")
