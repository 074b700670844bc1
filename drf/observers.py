"""Who is told what an allocator did, after the fact; and two observers of our own, a log and a tally."""

from __future__ import annotations

import contextlib
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from drf.errors import DRFError, InvalidOption, PluginError, PluginWarning
from drf.offers import Offer, OfferBook
from drf.plugins import OBSERVERS, Notice, Observer, name_of, obtain

if TYPE_CHECKING:
    from inspect import Signature

QUESTIONS = frozenset({"plan_reclaim", "snapshot", "what_if"})
"""What changes nothing and is not told."""

KEPT = 100
"""So many errors of observers are kept, the newest."""


class Observers:
    """The observers of one allocator. What one of them raises reaches neither the caller nor the others."""

    def __init__(self, given: Iterable[str | Observer] = ()) -> None:
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InvalidOption(f"observers is {given!r}; give a list of names or objects")
        self.all: list[Observer] = [obtain(OBSERVERS, one, "notice") for one in given]
        self._warned: set[int] = set()
        self.errors: deque[PluginError] = deque(maxlen=KEPT)

    def before(
        self, method: Callable[..., Any], book: OfferBook, args: tuple[Any, ...], kwargs: Any
    ) -> Mapping[str, Any] | None:
        """The arguments of a call that is about to be made, by name, offers as they are now; None: not to be told."""
        if method.__name__ in QUESTIONS:
            return None
        try:
            bound = _signature(method).bind(None, *args, **kwargs).arguments
        except TypeError:
            return None  # the call raises
        arguments = dict(bound)
        arguments.pop("self")
        if "offer" in arguments:
            arguments["offer"] = _record(book, arguments["offer"])
        if "offers" in arguments:
            arguments["offers"] = [_record(book, offer) for offer in arguments["offers"]]
        return MappingProxyType(arguments)

    def tell(self, now: float, verb: str, arguments: Mapping[str, Any], result: Any) -> None:
        """All of them hear of it; O(observers)."""
        notice = Notice(now, verb, arguments, result)
        for number, observer in enumerate(self.all):
            try:
                observer.notice(notice)
            except Exception as error:
                name = name_of(observer)
                text = (
                    f"observer {name} raised {error!r} at a notice of {verb}; nothing else changed"
                )
                failed = PluginError(text, group=OBSERVERS, plugin=name, verb="notice")
                failed.__cause__ = error
                self.errors.append(failed)
                if number not in self._warned:
                    self._warned.add(number)
                    with contextlib.suppress(
                        Warning
                    ):  # where warnings are errors, it is kept all the same
                        warnings.warn(text, PluginWarning, stacklevel=4)


@cache
def _signature(method: Callable[..., Any]) -> Signature:
    from inspect import signature  # noqa: PLC0415 (10 ms that `import drf` need not pay)

    return signature(method)


def _record(book: OfferBook, offer: Any) -> Any:
    """The open offer of that id, or what was given where there is none."""
    try:
        number, grant = book.get(offer)
    except DRFError:
        return offer
    return Offer(number, *grant, offer.expires if isinstance(offer, Offer) else None)


class Tally:
    """Counts what happened, by verb, and offers made and ended by framework.

    >>> from drf import Allocator
    >>> tally = Tally()
    >>> a = Allocator(observers=[tally])
    >>> a.add_agent("m", "cpus:2")
    >>> a.add_framework("f")
    >>> a.accept(a.run().offers[0])
    >>> tally.verbs["accept"], tally.offers["f"]
    (1, 1)
    """

    name = "tally"

    def __init__(self) -> None:
        self.verbs: dict[str, int] = {}
        self.offers: dict[str, int] = {}
        self.rescinded = 0

    def notice(self, notice: Notice) -> None:
        """Count it; O(offers)."""
        self.verbs[notice.verb] = self.verbs.get(notice.verb, 0) + 1
        if notice.verb == "run":
            for framework in notice.result.offers.frameworks:
                self.offers[framework] = self.offers.get(framework, 0) + 1
            self.rescinded += len(notice.result.rescinds)


class Log:
    """Writes each notice to the logger ``drf`` of the standard library: verbs at DEBUG, or as the argument says.

    It configures nothing; the record has the notice as ``record.drf``. Raises InvalidOption for a level that is none.
    """

    name = "log"

    def __init__(self, level: str = "DEBUG") -> None:
        import logging  # noqa: PLC0415 (for those who log)

        number = logging.getLevelNamesMapping().get(level.upper())
        if number is None:
            raise InvalidOption(
                f"level {level!r} of observer log is none; give one as in 'log:INFO'"
            )
        self._level = number
        self._logger = logging.getLogger("drf")

    def notice(self, notice: Notice) -> None:
        """One line; O(line)."""
        if self._logger.isEnabledFor(self._level):
            given = ", ".join(f"{name}={value!r}" for name, value in notice.arguments.items())
            answer = "" if notice.result is None else f" -> {notice.result!r}"
            text = f"{notice.now:g} {notice.verb}({given}){answer}"
            self._logger.log(self._level, "%s", text, extra={"drf": notice})
