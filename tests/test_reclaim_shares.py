"""Fair shares and which moves are fair, with figures worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import drf
from drf.fairshare import FairShares


def tree(held, total=None, weights=None):
    weights = weights or {}
    shares = FairShares(total or {"cpus": 12, "mem": 12}, held, lambda role: weights.get(role, 1.0))
    for member, units in held.items():
        shares.add(member, units)
    return shares


A, B, X = ("a", "f"), ("b", "g"), ("a/x", "h")


def test_ratios_down_the_tree():
    """a has 2 of 3, halved between its own frameworks and a/x; f and k halve it again, h is alone in a/x."""
    k = ("a", "k")
    shares = tree(
        {A: {"cpus": 2}, k: {}, X: {"mem": 4}, B: {"cpus": 3, "mem": 1}}, weights={"a": 2.0}
    )
    assert shares.ratios({}) == {
        A: (
            Fraction(1, 2),
            Fraction(1, 2),
            Fraction(1),
        ),  # a: 4/12 : 2/3; its leaf: 2/12 : 1/3; f: 2/12 : 1/6
        k: (Fraction(1, 2), Fraction(1, 2), Fraction(0)),
        X: (Fraction(1, 2), Fraction(1)),  # a/x: 4/12 : 1/3
        B: (Fraction(3, 4),),  # 3/12 : 1/3
    }
    assert shares.ratios({B: {"mem": 5}})[B] == (Fraction(3, 2),)
    assert shares.parted(A, X) == (Fraction(1, 2), Fraction(1))
    assert shares.parted(A, B, {"cpus": 4}, {"cpus": -3}) == (Fraction(3, 4), Fraction(1, 4))


def test_what_is_not_in_the_cluster_does_not_count():
    shares = tree({A: {"gpus": 3}, B: {"cpus": 1}}, total={"cpus": 2, "gpus": 0})
    assert shares.ratios({}) == {A: (Fraction(0),), B: (Fraction(1),)}
    assert tree({A: {}, B: {}}, total={}).ratios({}) == {A: (Fraction(0),), B: (Fraction(0),)}


def test_the_lowest_must_gain():
    shares = tree({A: {"cpus": 8}, B: {"cpus": 2}})
    take = {A: {"cpus": -3}, B: {"cpus": 3}}
    assert shares.improves(take, B)
    assert not shares.improves({A: {"cpus": -6}, B: {"cpus": 6}}, B)  # 2, 8: swapped
    assert not shares.improves({A: {"cpus": -7}, B: {"cpus": 7}}, B)  # 1, 9
    assert not shares.improves({A: {"cpus": 3}, B: {"cpus": -2}}, A)
    assert not shares.improves(
        {A: {"mem": 0}, B: {"mem": 1}}, B
    )  # its share stays: nothing is gained


def test_another_dominant_resource():
    """g's dominant share is of mem: cpus that it gains do not count before they pass that."""
    shares = tree({A: {"cpus": 9}, B: {"mem": 6}})
    assert not shares.improves({A: {"cpus": -2}, B: {"cpus": 2}}, B)
    assert not shares.improves({A: {"cpus": -4}, B: {"cpus": 4, "mem": 1}}, B)
    assert shares.improves({A: {"cpus": -2}, B: {"cpus": 2, "mem": 1}}, B)


def test_weights_are_divided_by():
    held = {A: {"cpus": 6}, B: {"cpus": 3}}
    move = {A: {"cpus": -2}, B: {"cpus": 2}}
    assert tree(held, weights={"b": 1.0}).improves(move, B)
    assert not tree(held, weights={"a": 2.0}).improves(move, B)


def test_a_role_may_lose_what_is_beyond_its_fair_share_and_no_more():
    """Between f and k of role a, where k's task is smaller than f's; role b has the rest."""
    k = ("a", "k")
    for of_b, fair in ((2, True), (6, False)):
        shares = tree({A: {"cpus": 12 - of_b}, k: {}, B: {"cpus": of_b}})
        assert shares.improves({A: {"cpus": -4}, k: {"cpus": 2}}, k) == fair


def test_the_excluded_do_not_count():
    a = drf.Allocator(interval=None, exclude=["mem"])
    a.add_agent("m", "cpus:8;mem:8")
    a.add_framework("f", roles=["a"])
    (offer,) = a.run().offers
    a.accept(offer, tasks={f"f{n}": drf.TaskSpec("mem:4") for n in range(2)}, refuse_seconds=9)
    a.add_framework("g", roles=["b"])
    assert a.plan_reclaim("g", "mem:4").missing == 1  # f holds nothing that counts
