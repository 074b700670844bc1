"""Policies as the command line names them: registered ones, and what a module of the user's holds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drf.errors import PluginError
from drf.plugins import POLICIES, Policy, make_policy, names


def find_policy(text: str) -> Policy:
    """The policy of a registered name, or ``module:attribute``, an object or a class without arguments.

    Raises what `find_subject` raises, InvalidOption where the attribute is no policy.
    """
    found = find_subject(text)
    return make_policy(found)


def find_subject(text: str) -> Any:
    """The same, where the attribute may be anything: a rule, or a class of pools at work.

    A name of the group ``drf.policies`` is that, with what stands behind a colon as its argument. The module is
    looked for in the folder of the call first. A class with ``launch`` is a pool at work and given as it is, any
    other class is called. Raises UnknownName, PluginError where the module or the attribute is not there.
    """
    head, colon, attribute = text.partition(":")
    if head in names(POLICIES) or not colon or not _looks_like(head):
        return make_policy(text)
    with _folder():
        try:
            module = importlib.import_module(head)
        except ImportError as error:
            if error.name == head.split(".", maxsplit=1)[0] and "." not in head:
                return make_policy(text)  # neither a policy nor a module: the nearest names
            raise PluginError(f"policy {text!r}: module {head} does not load: {error}") from error
    found = getattr(module, attribute, None)
    if found is None:
        raise PluginError(f"policy {text!r}: module {head} has no {attribute!r}")
    if not isinstance(found, type) or hasattr(found, "launch"):
        return found
    try:
        return found()
    except TypeError as error:
        raise PluginError(f"policy {text!r}: {attribute} needs arguments: {error}") from error


def _looks_like(module: str) -> bool:
    return all(part.isidentifier() for part in module.split("."))


@contextmanager
def _folder() -> Iterator[None]:
    """The folder of the call on the path, as ``python -m`` has it."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
