"""The conformance engine: runs scenarios, and says where what happened is not what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from drf.errors import InputError, InvalidOption
from drf.plugins import ALLOCATORS, AllocatorPlugin, load, make_policy
from drf.resources import Resources, ResourceSpace
from drf.sorter import Sorter
from drf.testing.allocating import AllocatorDriver, options
from drf.testing.format import Expectation, Scenario
from drf.testing.loading import load_scenarios, read_scenarios
from drf.testing.subjects import (
    ConstraintsDriver,
    Driver,
    RoleTreeDriver,
    ShuffleDriver,
    SorterDriver,
)

AllocatorFactory = Callable[..., AllocatorPlugin]
SorterFactory = Callable[..., Sorter]


class Failure(NamedTuple):
    """One expectation that did not hold, or a step that raised; ``kind`` is ``"step"`` then.

    ``expected`` and ``got`` are plain values: what JSON has, resources as text.
    """

    scenario: str
    seed: int
    step: int
    op: str
    kind: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        expected, got = differing(self.expected, self.got)
        return (
            f"{self.scenario}, seed {self.seed}, step {self.step} ({self.op}), {self.kind}:\n"
            f"  expected {expected}\n  got      {got}"
        )


@dataclass(frozen=True)
class Report:
    """How many scenarios passed with every seed, how many failed with one at least, and every failure."""

    passed: int
    failed: int
    failures: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


def packaged() -> list[Path]:
    """The scenario files that come with `drf`, by name. Raises InputError where the installation lacks them."""
    folder = Path(__file__).parent / "scenarios"
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError("no scenarios are here; install drf-allocator again", file=folder)
    return files


def conform(
    scenarios: Iterable[str | Path | Mapping[str, Any] | Scenario] | None = None,
    *,
    allocator: str | AllocatorFactory = "hierarchical",
    sorter: str | SorterFactory = "drf",
    seeds: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Run scenarios, each with ``seeds`` seeds of all that is drawn, and report what came out otherwise.

    >>> count = {"name": "one", "subject": "sorter", "steps": [{"op": "add", "args": {"client": "a"}}],
    ...          "expect": [{"after": 0, "kind": "count", "value": 2}]}
    >>> report = conform([count])
    >>> print(report, report.failures[0], sep="\\n")
    0 passed, 1 failed
    one, seed 0, step 0 (add), count:
      expected 2
      got      1

    ``scenarios`` are files, scenarios as JSON has them, or `Scenario` objects; None: those that come with `drf`.
    ``allocator`` is a name of the group ``drf.allocators`` or a factory that is called as those are, ``sorter`` a
    policy (which orders the allocator's roles and frameworks too) or a factory that takes ``exclude`` and ``seed``.
    ``progress`` is told, after each scenario, how many of how many are done. Costs what the scenarios do. Raises
    InputError for a malformed scenario, UnknownName for an unknown name, InvalidOption where ``seeds`` is below 1; what
    an allocator raises, whatever it is, is a failure of the scenario.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InvalidOption(f"seeds is {seeds!r}; it is a whole number of at least 1")
    maker = _Maker(allocator, sorter)
    todo = _scenarios(packaged() if scenarios is None else scenarios)
    failures: list[Failure] = []
    failed = 0
    for number, scenario in enumerate(todo, 1):
        found = [failure for seed in range(seeds) for failure in _run(scenario, maker, seed)]
        failed += bool(found)
        failures += found
        if progress is not None:
            progress(number, len(todo))
    return Report(len(todo) - failed, failed, tuple(failures))


class _Maker:
    """Makes the driver of a scenario's subject."""

    def __init__(self, allocator: str | AllocatorFactory, sorter: str | SorterFactory) -> None:
        self._allocator: AllocatorFactory = (
            load(ALLOCATORS, allocator) if isinstance(allocator, str) else allocator
        )
        self._policy = sorter if isinstance(sorter, str) else "drf"
        make_policy(self._policy)  # an unknown name ends here, not in every scenario
        self._sorter = sorter

    def __call__(self, scenario: Scenario, seed: int) -> Driver:
        config = scenario.config
        if scenario.subject == "allocator":
            return AllocatorDriver(
                self._allocator(self._policy, space=ResourceSpace(), seed=seed, **options(config))
            )
        exclude = tuple(config.get("fairness_exclude", ()))
        if scenario.subject == "sorter" and not isinstance(self._sorter, str):
            return SorterDriver(self._sorter(exclude=exclude, seed=seed))
        if scenario.subject in ("sorter", "random_sorter"):
            policy = self._policy if scenario.subject == "sorter" else "random"
            return SorterDriver(Sorter(policy, exclude=exclude, seed=seed))
        if scenario.subject == "weighted_shuffle":
            return ShuffleDriver(seed)
        return RoleTreeDriver() if scenario.subject == "role_tree" else ConstraintsDriver()


def _scenarios(given: Iterable[str | Path | Mapping[str, Any] | Scenario]) -> list[Scenario]:
    out: list[Scenario] = []
    for entry in given:
        if isinstance(entry, Scenario):
            out.append(entry)
        elif isinstance(entry, Mapping):
            out += read_scenarios([dict(entry)])
        else:
            out += load_scenarios(entry)
    return out


def _run(scenario: Scenario, maker: _Maker, seed: int) -> list[Failure]:
    """One scenario with one seed; ends at a step that raised unexpectedly, since nothing after it means anything."""
    failures = []

    def fail(step: int, kind: str, expected: Any, got: Any) -> None:
        op = scenario.steps[step].op if scenario.steps else "start"
        failures.append(Failure(scenario.name, seed, step, op, kind, _plain(expected), _plain(got)))

    by_step: dict[int, list[Expectation]] = {}
    for wanted in scenario.expect:
        by_step.setdefault(wanted.after, []).append(wanted)
    try:
        driver = maker(scenario, seed)
    except Exception as error:  # a plug-in may raise anything
        fail(0, "step", "to start", _told(error))
        return failures
    for number, (op, args) in enumerate(scenario.steps):
        told = None
        try:
            driver.do(op, args)
        except Exception as error:
            told = _told(error)
        expected = by_step.get(number, [])
        if told is not None and all(wanted.kind != "error" for wanted in expected):
            fail(number, "step", "no error", told)
            return failures
        for _, kind, wants in expected:
            if kind == "error":
                if wants["value"] is not (told is not None):
                    fail(number, kind, "an error" if wants["value"] else "no error", told or "none")
                continue
            try:
                seen = driver.see(kind, wants)
            except Exception as error:
                fail(number, kind, wants, _told(error))
                continue
            if not _same(seen.expected, seen.got, seen.tolerance):
                fail(number, kind, seen.expected, seen.got)
    return failures


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _same(expected: Any, got: Any, tolerance: float = 0.0) -> bool:
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(
            _same(value, got[key], tolerance) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(
            _same(a, b, tolerance) for a, b in zip(expected, got, strict=True)
        )
    if _is_number(expected) and _is_number(got):
        return bool(abs(expected - got) <= tolerance)
    return type(expected) is type(got) and bool(expected == got)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """As JSON has it; resources as text."""
    if isinstance(value, Resources):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def differing(expected: Any, got: Any) -> tuple[Any, Any]:
    """Both without the entries in which they agree.

    >>> differing({"f": {"a": 1, "b": 2}}, {"f": {"a": 1, "b": 3}})
    ({'f': {'b': 2}}, {'f': {'b': 3}})
    """
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return expected, got
    left, right = {}, {}
    for key in {**expected, **got}:
        if key not in got:
            left[key] = expected[key]
        elif key not in expected:
            right[key] = got[key]
        elif not _same(expected[key], got[key], 1e-9):
            left[key], right[key] = differing(expected[key], got[key])
    return left, right
