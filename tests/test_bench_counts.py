"""Operations counted exactly: a number that grows is a regression, one that falls wants a new number here."""

import sys

import pytest

from drf.benchmarks import counts, ordering
from drf.benchmarks.counts import called
from drf.sorter import Sorter


def test_keys_of_a_policy_in_python():
    assert counts.keys() == {
        # A grant changes the key of who got it, and a release of who gave back.
        "keys, 100 hot steps": 100,
        "keys, 100 churn steps": 200,
        # However many totals come before a question, each client's key is computed once.
        "keys, 10 new totals and two questions, 200 clients": 200,
        "keys, the list twice more": 0,
    }


# Calls in Python are those of CPython 3.11 on; a little more is allowed for what other versions call.
CYCLES = {
    "agents visited, first cycle of 100": 100,
    "clients tested, first cycle of 100": 100,
    "calls in Python, first cycle of 100": 46,
    "agents visited, 5 of 100 changed": 5,
    "calls in Python, 5 of 100 changed": 32,
    "clients tested, all rounds of declines, 2 000 refusals": 4_523,
    "words of refusals read, all rounds of declines": 2_100,
    "calls in Python, all rounds of declines": 2_535,
}
QUOTAS = {
    "calls in Python, 30 roles with quota, first cycle": 139,
    "calls in Python, 30 roles with quota, next cycle": 36,
}


@pytest.mark.parametrize(("found", "due"), [(counts.cycles, CYCLES), (counts.quotas, QUOTAS)])
def test_what_a_cycle_does(found, due):
    now = found()
    assert list(now) == list(due)
    for name, most in due.items():
        if name.startswith("calls"):
            assert 0 < now[name] <= most * 1.02, name
        else:
            assert now[name] == most, name


def test_counts_are_the_same_each_time():
    assert counts.quotas() == counts.quotas()


def test_only_functions_of_drf_are_counted():
    sorter = Sorter()

    def program():
        sorted(range(5), key=lambda n: -n)
        ordering.demand(1)
        sorter.add("a")
        sorter.add("b")

    found = called(program)
    assert found[Sorter.add.__code__] == 2
    assert ordering.demand.__code__ not in found
    assert all(code.co_filename.startswith(counts.HERE) for code in found)


def test_the_hook_is_put_back():
    before = sys.getprofile()
    with pytest.raises(ZeroDivisionError):
        called(lambda: 1 / 0)
    assert sys.getprofile() is before


def test_the_counting_policy_decides_as_drf_does():
    by_keys, demands = ordering.prepared(50, make=lambda _, **o: Sorter(counts.Counting(), **o))
    own, vectors = ordering.prepared(50)
    for loop in ordering.LOOPS.values():
        assert loop(by_keys, demands, 200) == loop(own, vectors, 200)
