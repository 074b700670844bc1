"""Offer constraints: what they exclude, what they refuse, and regular expressions that cannot blow up."""

import json
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drf import _regex
from drf.constraints import Constraint, OfferConstraints
from drf.errors import InvalidOption


def one(name, kind, value=None, *, pseudo=False):
    predicate = {"type": kind} if value is None else {"type": kind, "value": value}
    return {"selector": {"pseudo" if pseudo else "attribute": name}, "predicate": predicate}


def excluded(constraint, attributes, **place):
    c = OfferConstraints({"web": [[constraint]]})
    return c.excludes("web", attributes, **({"hostname": "h1"} | place))


# (predicate, value, excluded when: missing, text that fits, other text, number, ranges)
TABLE = [
    ("exists", None, (True, False, False, False, False)),
    ("not_exists", None, (False, True, True, True, True)),
    ("text_equals", "r1", (True, False, True, False, False)),
    ("text_not_equals", "r1", (False, True, False, False, False)),
    ("text_matches", "r[12]", (True, False, True, False, False)),
    ("text_not_matches", "r[12]", (False, True, False, False, False)),
]
VALUES = ([], [("rack", "r1")], [("rack", "r12")], [("rack", 7)], [("rack", ((1, 9),))])


class TestPredicates:
    @pytest.mark.parametrize(("kind", "value", "expected"), TABLE)
    def test_every_kind_of_attribute(self, kind, value, expected):
        got = tuple(excluded(one("rack", kind, value), attributes) for attributes in VALUES)
        assert got == expected

    def test_the_first_attribute_of_a_name_counts(self):
        want = one("rack", "text_equals", "r1")
        assert not excluded(want, [("row", "r9"), ("rack", "r1"), ("rack", "r2")])
        assert excluded(want, [("rack", "r2"), ("rack", "r1")])

    def test_names_of_places(self):
        host = one("HOSTNAME", "text_matches", "h[0-9]", pseudo=True)
        assert not excluded(host, [], hostname="h7")
        assert excluded(host, [("HOSTNAME", "h7")], hostname="db7")
        region = one("REGION", "text_equals", "eu", pseudo=True)
        assert excluded(region, [])
        assert not excluded(region, [], region="eu")
        assert not excluded(one("ZONE", "not_exists", pseudo=True), [])
        assert excluded(one("ZONE", "not_exists", pseudo=True), [], zone="a")

    def test_empty_text_is_text(self):
        assert not excluded(one("rack", "text_equals", ""), [("rack", "")])
        assert not excluded(one("rack", "text_matches", ""), [("rack", "")])


class TestGroups:
    def test_groups_are_alternatives_and_members_are_not(self):
        c = OfferConstraints(
            {
                "web": [
                    [one("rack", "text_equals", "r1"), one("ssd", "exists")],
                    [one("gpu", "exists")],
                ]
            }
        )
        assert c.excludes("web", [("rack", "r1")], hostname="h")
        assert not c.excludes("web", [("rack", "r1"), ("ssd", 1)], hostname="h")
        assert not c.excludes("web", [("gpu", "T4")], hostname="h")

    def test_roles_are_apart_and_others_are_free(self):
        c = OfferConstraints({"a": [[one("x", "exists")]], "b": [[one("y", "exists")]]})
        assert c.roles == ("a", "b")
        assert [c.excludes(r, [("x", 1)], hostname="h") for r in "abc"] == [False, True, False]
        assert not OfferConstraints().excludes("a", [], hostname="h")
        assert not OfferConstraints()
        assert c

    def test_why_names_the_first_that_fails_in_each_group(self):
        c = OfferConstraints(
            {
                "web": [
                    [one("rack", "exists"), one("rack", "text_equals", "r1")],
                    [one("ZONE", "text_matches", "z.", pseudo=True)],
                ]
            }
        )
        assert c.why("web", [("rack", "r2")], hostname="h") == (
            "group 1: attribute rack text_equals 'r1', but it is 'r2'; "
            "group 2: ZONE text_matches 'z.', but the agent has none"
        )
        assert c.why("web", [("rack", "r1")], hostname="h") is None
        assert c.why("db", [], hostname="h") is None


DATA = {
    "web": [
        [one("rack", "exists"), one("HOSTNAME", "text_not_equals", "old", pseudo=True)],
        [one("gpu", "not_exists")],
    ]
}


class TestValue:
    def test_equal_hashable_and_back_from_json(self):
        c = OfferConstraints(DATA)
        assert c.to_json() == DATA
        again = OfferConstraints.from_json(json.loads(json.dumps(c.to_json())))
        assert again == c
        assert hash(again) == hash(c)
        assert pickle.loads(pickle.dumps(c)) == c
        assert c != OfferConstraints()
        assert c != DATA
        assert repr(c) == f"OfferConstraints({DATA!r})"

    def test_made_of_constraints_as_values(self):
        c = OfferConstraints({"web": [[Constraint("rack", False, "text_equals", "r1")]]})
        assert c == OfferConstraints({"web": [[one("rack", "text_equals", "r1")]]})

    def test_what_was_given_may_change_afterwards(self):
        data = {"web": [[one("rack", "exists")]]}
        c = OfferConstraints(data)
        data["web"][0].clear()
        assert c.excludes("web", [], hostname="h")


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            ([], "give a mapping of roles"),
            ({"": [[one("x", "exists")]]}, "the role of offer constraints is ''"),
            ({"web": []}, "role 'web': the groups are an empty list; give at least one"),
            ({"web": "x"}, "role 'web': the groups are 'x'; give a list"),
            ({"web": [[]]}, "role 'web', group 1: the constraints are an empty list"),
            ({"web": [[one("x", "exists")], [7]]}, "group 2, constraint 1 is 7; give a mapping"),
            ({"web": [[{"selector": {"attribute": "x"}}]]}, "with selector and predicate"),
            ({"web": [[one("", "exists")]]}, "constraint 1: the attribute is ''"),
            (
                {"web": [[one("RACK", "exists", pseudo=True)]]},
                "pseudo is 'RACK'; it is one of HOST",
            ),
            ({"web": [[one("x", "is")]]}, "its type is one of exists, not_exists"),
            ({"web": [[one("x", "exists", "1")]]}, "with type, and no other key"),
            ({"web": [[one("x", "text_equals")]]}, "with type and value, and no other key"),
            ({"web": [[one("x", "text_equals", 5)]]}, "value of text_equals is 5; it is text"),
            (
                {"web": [[one("x", "exists"), one("x", "text_matches", "[a")]]},
                "role 'web', group 1, constraint 2: regular expression '[a', character 1: '[' is not",
            ),
        ],
    )
    def test_malformed(self, data, said):
        with pytest.raises(InvalidOption) as error:
            OfferConstraints(data)
        assert said in str(error.value)

    def test_both_selectors(self):
        both = {"selector": {"attribute": "a", "pseudo": "ZONE"}, "predicate": {"type": "exists"}}
        with pytest.raises(InvalidOption, match="attribute or pseudo"):
            OfferConstraints({"web": [[both]]})


class TestRegex:
    @pytest.mark.parametrize(
        ("pattern", "fits", "not_"),
        [
            ("", [""], ["a"]),
            ("a|b|", ["a", "b", ""], ["ab"]),
            ("a.c", ["abc", "a\u00e9c"], ["a\nc", "ac"]),
            ("(?s)a.c", ["a\nc"], ["ac"]),
            ("[a-d]+", ["abcd"], ["abcde", ""]),
            ("[^a-d]", ["e", "\n"], ["a", "ef"]),
            ("[]a^-]+", ["]", "a^-]"], ["b"]),
            (r"[\d\-x]{2,3}", ["1-", "x9x"], ["1", "1234", "yy"]),
            ("[[:alpha:][:^word:]]", ["k", "-"], ["1", "_"]),
            (r"[\W]", ["-"], ["_"]),
            ("a{2}", ["aa"], ["a", "aaa"]),
            ("a{2,}", ["aa", "aaaaa"], ["a"]),
            ("a{0}b{1,2}", ["b", "bb"], ["ab", ""]),
            ("a{,3}", ["a{,3}"], ["a", "aa"]),
            ("a{x}", ["a{x}"], ["a"]),
            ("x*?y+?z??", ["y", "xxyyz"], ["x"]),
            ("(?:a(b)?)+", ["aab", "a"], ["b"]),
            ("(?P<row>r)(?<n>[0-9])", ["r1"], ["r"]),
            ("(?i)rack-[a-c]", ["RACK-B", "rack-c"], ["rack-d"]),
            ("(?i:A)b", ["ab", "Ab"], ["aB"]),
            ("(?i)a(?-i)b", ["Ab"], ["aB"]),
            ("a((?i)b)c", ["aBc"], ["aBC"]),
            (r"^\Aab$\z", ["ab"], ["ab\n"]),
            ("(?m)a$\n^b", ["a\nb"], ["a b"]),
            (r"\bfoo\b.\Boo", ["foo.oo", "foo oo"][:0], ["foo.oo"]),
            (r"foo\b-\bbar", ["foo-bar"], ["foobar"]),
            (r"x\By", ["xy"], ["x"]),
            (r"\x41\x{1F600}\t\.", ["A\U0001f600\t."], ["A"]),
            (r"\w\s\S\D", ["a xy", "_\tx-"], ["aaxy", "a x1"]),
            ("(a*)*", ["", "aaa"], ["b"]),
            ("(a|b*|){2,3}c", ["c", "abbc"], ["ab"]),
        ],
    )
    def test_syntax(self, pattern, fits, not_):
        assert [t for t in fits if not _regex.fullmatch(pattern, t)] == []
        assert [t for t in not_ if _regex.fullmatch(pattern, t)] == []

    @pytest.mark.parametrize(
        ("pattern", "said"),
        [
            ("[a-d", "character 1: '[' is not closed"),
            ("[b-a]", "goes from a lower character to a higher"),
            (r"[a-\d]", "goes from a lower character to a higher"),
            ("[[:x:]]", "'[:x:]' is no class"),
            ("a(b", "character 2: '(' is not closed"),
            ("a)b", "character 2: ')' closes nothing"),
            ("*a", "character 1: nothing to repeat before '*'"),
            ("a|+", "character 3: nothing to repeat before '+'"),
            ("a**", "'a**' repeats twice"),
            ("a*+", "'a*+' repeats twice"),
            ("a{3,2}", "{3,2} is no repetition"),
            ("a{1001}", "counts go from 0 to 1000"),
            ("(?=a)", "'(?=' is not supported: look-around"),
            ("(?<!a)b", "'(?<' is not supported: look-around"),
            ("(?>a)", "'(?>' is not supported"),
            ("(?P=n)", "'(?P' is not supported"),
            ("(?P<1>a)", "the name of the group is malformed"),
            (r"(a)\1", r"'\1' is not supported: backreferences need backtracking"),
            (r"\pL", "no such escape"),
            (r"\xZZ", "hexadecimal"),
            (r"\x{110000}", "hexadecimal"),
            ("a\\", "the pattern ends too early"),
            ("(?i", "the pattern ends too early"),
            ("(" * 101 + ")" * 101, "more than 100 groups inside groups"),
            ("a" * 4097, "4097 characters; the limit is 4096"),
            ("((a{100}){100}){100}", "the limit is 1000"),
            ("(()*){1000}", "the limit is 1000"),
        ],
    )
    def test_refused(self, pattern, said):
        with pytest.raises(InvalidOption) as error:
            _regex.fullmatch(pattern, "a")
        assert said in str(error.value)

    @pytest.mark.parametrize(
        "pattern", ["(a+)+b", "(a|a)*b", "(a*)*b", "a?" * 60 + "a" * 60 + "b", "(.*.*.*.*=.*)*b"]
    )
    def test_what_a_backtracking_engine_never_ends(self, pattern):
        assert not _regex.fullmatch(pattern, "a" * 500)

    edges = st.sampled_from(["^", "$", r"\b", "|"])
    parts = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", "(a)", "(?:b|)"])
    repeated = st.builds(
        "".join, st.tuples(parts, st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}"]))
    )

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.one_of(repeated, edges), max_size=6).map("".join),
        st.text("ab-", max_size=6),
    )
    def test_agrees_with_the_standard_library(self, pattern, text):
        assert _regex.fullmatch(pattern, text) == bool(re.fullmatch(pattern, text, re.ASCII))
