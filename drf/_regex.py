"""Regular expressions that match in time proportional to the text, whatever the pattern: no backtracking.

The syntax is RE2's, without Unicode classes (``\\p``), ``\\C`` and ``\\Q``: what needs backtracking (backreferences,
look-around, possessive and atomic groups) is refused. A pattern becomes a small program (Thompson, "Regular expression
search algorithm", CACM 1968) whose states are followed all at once. Characters are code points; ``\\d``, ``\\s``,
``\\w`` and ``\\b`` mean ASCII.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

from drf.errors import InvalidOption

LONGEST = 4096
"""Characters of a pattern."""
LARGEST = 1000
"""Steps of a program: one a character or class, repetitions written out."""
DEEPEST = 100
"""Groups inside groups."""

_MOST = 0x10FFFF
_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 10), (12, 13), (32, 32))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}

Span: TypeAlias = "tuple[int, int]"


class _Chars(NamedTuple):
    """One character out of these code points."""

    spans: tuple[Span, ...]
    negated: bool = False
    fold: bool = False

    def has(self, char: str) -> bool:
        variants = {char, char.lower(), char.upper()} if self.fold else {char}
        found = any(
            low <= ord(v) <= high for v in variants if len(v) == 1 for low, high in self.spans
        )
        return found is not self.negated


class _Edge(NamedTuple):
    """A place between characters: begin or end of ``"text"`` or of a ``"line"``, a ``"word"`` edge or none."""

    kind: str

    def holds(self, text: str, at: int) -> bool:
        if self.kind == "begin":
            return at == 0
        if self.kind == "end":
            return at == len(text)
        if self.kind == "begin line":
            return at == 0 or text[at - 1] == "\n"
        if self.kind == "end line":
            return at == len(text) or text[at] == "\n"
        words = [0 <= i < len(text) and _Chars(_WORD).has(text[i]) for i in (at - 1, at)]
        return (words[0] is not words[1]) is (self.kind == "word edge")


class _Sequence(NamedTuple):
    parts: tuple[_Node, ...]


class _Choice(NamedTuple):
    parts: tuple[_Node, ...]


class _Repeat(NamedTuple):
    part: _Node
    least: int
    most: int | None


_Node: TypeAlias = "_Chars | _Edge | _Sequence | _Choice | _Repeat"


class _Parser:
    """Recursive descent over one pattern; flags i, m, s change on the way and end with their group."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.flags = frozenset[str]()

    def whole(self) -> _Node:
        node = self.choice()
        if self.at < len(self.pattern):
            raise self.wrong("')' closes nothing", self.at)
        return node

    def wrong(self, what: str, at: int) -> InvalidOption:
        return InvalidOption(f"regular expression {self.pattern!r}, character {at + 1}: {what}")

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise self.wrong("the pattern ends too early", self.at)
        self.at += 1
        return self.pattern[self.at - 1]

    def choice(self) -> _Node:
        parts = [self.sequence()]
        while self.peek("|"):
            self.at += 1
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def sequence(self) -> _Node:
        parts: list[_Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            begin = self.at
            node = self.atom()
            if node is None:
                continue
            repeat = self.repeat()
            if repeat:
                node = _Repeat(node, *repeat)
                after = self.at
                if self.repeat():
                    raise self.wrong(
                        f"{self.pattern[begin : self.at]!r} repeats twice; put the inner one in a group",
                        after,
                    )
            parts.append(node)
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def repeat(self) -> tuple[int, int | None] | None:
        """The repetition here, if there is one; whether it is greedy makes no difference to a full match."""
        here = self.pattern[self.at : self.at + 1]
        found = _REPEATS.get(here)
        if found:
            self.at += 1
        elif here == "{":
            found = self.counted()
        if found and self.peek("?"):
            self.at += 1
        return found

    def counted(self) -> tuple[int, int | None] | None:
        """``{2}``, ``{2,}`` or ``{2,5}``; any other brace is a character."""
        begin = self.at
        inside, brace, _ = self.pattern[begin + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        numbers = [n for n in (low, high) if n]
        if not brace or not low or not all(n.isascii() and n.isdigit() for n in numbers):
            return None
        least = int(low[:9])
        most = int(high[:9]) if high else (None if comma else least)
        if max(least, most or 0) > LARGEST or (most is not None and most < least):
            raise self.wrong(
                f"{{{inside}}} is no repetition; counts go from 0 to {LARGEST}, the lower first",
                begin,
            )
        self.at += len(inside) + 2
        return least, most

    def atom(self) -> _Node | None:
        begin = self.at
        char = self.take()
        if char == "(":
            return self.group(begin)
        if char == "[":
            return self.brackets(begin)
        if char == ".":
            return _Chars((), negated=True) if "s" in self.flags else _Chars(((10, 10),), True)
        if char == "^":
            return _Edge("begin line" if "m" in self.flags else "begin")
        if char == "$":
            return _Edge("end line" if "m" in self.flags else "end")
        if char in "*+?":
            raise self.wrong(f"nothing to repeat before {char!r}", begin)
        if char == "\\":
            return self.escape(begin)
        return self.literal(ord(char))

    def literal(self, code: int) -> _Chars:
        return _Chars(((code, code),), fold="i" in self.flags)

    def group(self, begin: int) -> _Node | None:
        before = self.flags
        if self.peek("?"):
            self.at += 1
            if self.peek("P<") or (self.peek("<") and not self.peek("<=") and not self.peek("<!")):
                name = self.pattern[self.at :].partition("<")[2].partition(">")
                if not name[1] or not (name[0].isascii() and name[0].isidentifier()):
                    raise self.wrong("the name of the group is malformed", begin)
                self.at = self.pattern.index(">", self.at) + 1
            elif not self.switches(begin):
                return None
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"more than {DEEPEST} groups inside groups", begin)
        node = self.choice()
        if not self.peek(")"):
            raise self.wrong("'(' is not closed", begin)
        self.at += 1
        self.depth -= 1
        self.flags = before
        return node

    def switches(self, begin: int) -> bool:
        """``i-s:`` opens a group with other flags; ``i-s)`` sets them for the rest of this one: False."""
        on, off, less = set(self.flags), set[str](), False
        while True:
            char = self.take()
            if char in ":)":
                self.flags = frozenset(on - off)
                return char == ":"
            if char == "-" and not less:
                less = True
            elif char in "imsU":
                (off if less else on).add(char)
            else:
                raise self.wrong(
                    f"'(?{char}' is not supported: look-around, backreferences and atomic groups "
                    f"need backtracking; write the pattern without it",
                    begin,
                )

    def escape(self, begin: int) -> _Node:
        char = self.take()
        if char.lower() in _CLASSES:
            return _Chars(_CLASSES[char.lower()], negated=char.isupper())
        edges = {"A": "begin", "z": "end", "b": "word edge", "B": "no word edge"}
        if char in edges:
            return _Edge(edges[char])
        return self.literal(self.code(char, begin))

    def code(self, char: str, begin: int) -> int:
        """The code point that an escape stands for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            if self.peek("{"):
                digits = self.pattern[self.at + 1 :].partition("}")
                self.at += len(digits[0]) + 2
                text = digits[0] if digits[1] else ""
            else:
                text = self.take() + self.take()
            if text and len(text) <= 6 and all(c in "0123456789abcdefABCDEF" for c in text):
                value = int(text, 16)
                if value <= _MOST:
                    return value
            raise self.wrong("\\x takes two hexadecimal digits, or some in braces", begin)
        if char.isascii() and not char.isalnum():
            return ord(char)
        what = "backreferences need backtracking" if char.isdigit() else "no such escape"
        raise self.wrong(f"'\\{char}' is not supported: {what}", begin)

    def brackets(self, begin: int) -> _Chars:
        negated = self.peek("^")
        self.at += negated
        spans: list[Span] = []
        first = True
        while first or not self.peek("]"):
            if self.at >= len(self.pattern):
                raise self.wrong("'[' is not closed", begin)
            first = False
            if self.peek("[:"):
                spans += self.posix()
                continue
            low = self.member()
            if isinstance(low, tuple):
                spans += low
                continue
            high: int | tuple[Span, ...] = low
            if self.peek("-") and not self.peek("-]"):
                self.at += 1
                high = self.member()
            if isinstance(high, tuple) or high < low:
                raise self.wrong(
                    "a range in brackets goes from a lower character to a higher", begin
                )
            spans.append((low, high))
        self.at += 1
        return _Chars(tuple(spans), negated, "i" in self.flags)

    def posix(self) -> tuple[Span, ...]:
        begin = self.at
        name, end, _ = self.pattern[begin + 2 :].partition(":]")
        if not end or name.removeprefix("^") not in _POSIX:
            raise self.wrong(f"'[:{name}:]' is no class; classes are {', '.join(_POSIX)}", begin)
        self.at += len(name) + 4
        spans = _POSIX[name.removeprefix("^")]
        return _inverted(spans) if name.startswith("^") else spans

    def member(self) -> int | tuple[Span, ...]:
        """A character in brackets, or the spans of a class such as ``\\d``."""
        begin = self.at
        char = self.take()
        if char != "\\":
            return ord(char)
        char = self.take()
        if char.lower() in _CLASSES:
            spans = _CLASSES[char.lower()]
            return _inverted(spans) if char.isupper() else spans
        return self.code(char, begin)


def _inverted(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    out, low = [], 0
    for begin, end in spans:
        if low < begin:
            out.append((low, begin - 1))
        low = end + 1
    return (*out, (low, _MOST))


def _size(node: _Node) -> int:
    """Steps of the program, counted before any is written."""
    if isinstance(node, (_Chars, _Edge)):
        return 1
    if isinstance(node, _Repeat):
        inside = _size(node.part)
        extra = inside + 1 if node.most is None else (node.most - node.least) * (inside + 1)
        return 1 + node.least * inside + extra
    return 1 + sum(_size(part) + 1 for part in node.parts)


class Program:
    """A pattern, made ready. Each step is a test of a character or of an edge with the step after it, or a fork."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > LONGEST:
            raise InvalidOption(
                f"a regular expression of {len(pattern)} characters; the limit is {LONGEST}"
            )
        node = _Parser(pattern).whole()
        size = _size(node)
        if size > LARGEST:
            raise InvalidOption(
                f"regular expression {pattern!r} makes {size} steps with its repetitions written out; "
                f"the limit is {LARGEST}"
            )
        self._tests: list[_Chars | _Edge | None] = [None]
        self._after: list[tuple[int, ...]] = [()]
        self._start = self._write(node, 0)

    def _step(self, test: _Chars | _Edge | None, *after: int) -> int:
        self._tests.append(test)
        self._after.append(after)
        return len(self._tests) - 1

    def _write(self, node: _Node, after: int) -> int:
        """Write the steps that match the node and go on at ``after``; where they begin."""
        if isinstance(node, (_Chars, _Edge)):
            return self._step(node, after)
        if isinstance(node, _Sequence):
            for part in reversed(node.parts):
                after = self._write(part, after)
            return after
        if isinstance(node, _Choice):
            return self._step(None, *(self._write(part, after) for part in node.parts))
        if node.most is None:
            fork = self._step(None)
            self._after[fork] = (self._write(node.part, fork), after)
            after = fork
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._step(None, self._write(node.part, after), end)
        for _ in range(node.least):
            after = self._write(node.part, after)
        return after

    def fullmatch(self, text: str) -> bool:
        """Whether the whole text matches; O(len(text) x steps)."""
        states = self._reached([self._start], text, 0)
        for at, char in enumerate(text, 1):
            moved = [
                self._after[s][0]
                for s in states
                if isinstance(test := self._tests[s], _Chars) and test.has(char)
            ]
            if not moved:
                return False
            states = self._reached(moved, text, at)
        return 0 in states

    def _reached(self, begin: list[int], text: str, at: int) -> list[int]:
        """The states that these lead to without reading a character; 0 is the end of the pattern."""
        found: dict[int, None] = {}
        open_ = begin[::-1]
        while open_:
            state = open_.pop()
            if state in found:
                continue
            found[state] = None
            test = self._tests[state]
            if test is None or (isinstance(test, _Edge) and test.holds(text, at)):
                open_.extend(self._after[state])
        return list(found)


@lru_cache(maxsize=256)
def program(pattern: str) -> Program:
    """The pattern made ready, kept for the next time; O(steps). Raises InvalidOption, with the place, for a bad one."""
    return Program(pattern)


@lru_cache(maxsize=4096)
def fullmatch(pattern: str, text: str) -> bool:
    """Whether the whole text matches the pattern; O(len(text) x steps), kept for the next time.

    >>> fullmatch("rack-[0-9]{2}", "rack-07"), fullmatch("(a+)+b", "a" * 40)
    (True, False)

    Raises InvalidOption for a malformed or too large pattern.
    """
    return program(pattern).fullmatch(text)
