"""GBNF text to its syntax tree.

Source: llama.cpp, grammars/README.md and src/llama-grammar.cpp. As there, a later definition of a rule replaces an
earlier one, and a newline ends a rule unless it follows ``::=`` or ``|`` or stands inside parentheses. Stricter than
there: a reversed range, an empty class and a maximum below the minimum are refused, since they match nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from jan_ort.structured.gbnf.syntax_tree import (
    EMPTY,
    LAST_CODE_POINT,
    Characters,
    Grammar,
    Literal,
    Node,
    Reference,
    choice,
    complement,
    merged_ranges,
    repeat,
    sequence,
)
from jan_ort.structured.grammar_errors import GrammarError

MAX_CHARACTERS = 256 * 1024
"""The longest grammar that is read: what is larger takes seconds to compile."""
MAX_NESTING = 64
"""The deepest parentheses: the parser calls itself for each."""
MAX_REPETITIONS = 100_000
"""The largest product of nested ``{m,n}`` counts: beyond it the matcher needs gigabytes."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_DIGITS = re.compile(r"[0-9]+")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_OPERATORS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_gbnf(source: str) -> Grammar:
    """Return the syntax tree of a GBNF grammar. Raises: GrammarError."""
    check_length(source)
    return _Parser(source).grammar()


def check_length(source: str) -> None:
    """Raise GrammarError for a grammar that is too long to be read."""
    if len(source) > MAX_CHARACTERS:
        raise GrammarError(
            1, 1, f"the grammar has {len(source)} characters, but only {MAX_CHARACTERS} are allowed", "make it shorter"
        )


class _Parser:
    """A cursor over the text; every method leaves it behind what it has read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", source))]
        self._at = 0
        self._depth = 0

    def grammar(self) -> Grammar:
        rules: dict[str, Node] = {}
        positions: dict[str, tuple[int, int]] = {}
        self._skip(_BLANK_LINES)
        while self._at < len(self._source):
            start = self._at
            name = self._name()
            rules[name] = self._rule_body(name)
            positions[name] = self._position(start)
        return Grammar(rules, positions)

    def _name(self) -> str:
        found = _NAME.match(self._source, self._at)
        if found is None:
            raise self._error(f"{self._shown()} where a rule's name should start", "write: name ::= ...")
        self._at = found.end()
        return found.group()

    def _rule_body(self, name: str) -> Node:
        self._skip(_BLANK)
        if not self._source.startswith("::=", self._at):
            raise self._error(f"{self._shown()} where ::= should follow the name {name!r}", f"write: {name} ::= ...")
        self._at += 3
        self._skip(_BLANK_LINES)
        body, _ = self._alternatives(nested=False)
        if self._peek() not in ("", "\r", "\n"):
            raise self._error(f"{self._shown()} where the rule {name!r} should end", "start each rule on its own line")
        self._skip(_BLANK_LINES)
        return body

    def _alternatives(self, *, nested: bool) -> tuple[Node, int]:
        """Return the node, and the largest product of repetitions inside it."""
        options, weights = [], []
        while True:
            node, weight = self._sequence(nested=nested)
            options.append(node)
            weights.append(weight)
            if self._peek() != "|":
                return choice(options), max(weights)
            self._at += 1
            self._skip(_BLANK_LINES)

    def _sequence(self, *, nested: bool) -> tuple[Node, int]:
        items: list[Node] = []
        heaviest = 1
        while True:
            start = self._at
            parsed = self._item()
            if parsed is None:
                break
            node, weight = parsed
            self._skip(_BLANK_LINES if nested else _BLANK)
            node, weight = self._repeated(node, weight, start, nested=nested)
            items.append(node)
            heaviest = max(heaviest, weight)
        if self._peek() in ("*", "+", "?", "{"):
            raise self._error(f"{self._shown()} repeats nothing", "put a literal, a class, a group or a name before it")
        return sequence(items), heaviest

    def _item(self) -> tuple[Node, int] | None:
        following = self._peek()
        if following == '"':
            return self._literal(), 1
        if following == "[":
            return self._character_class(), 1
        if following == ".":
            self._at += 1
            return Characters(((0, LAST_CODE_POINT),)), 1
        if following == "(":
            return self._group()
        if following in ("<", "!") and following:
            raise self._error(
                f"{self._shown()} starts a reference to a token, which is not supported",
                "write the token's text as a literal",
            )
        if following and _NAME.match(following):
            line, column = self._position(self._at)
            return Reference(self._name(), line, column), 1
        return None

    def _group(self) -> tuple[Node, int]:
        start = self._at
        if self._depth == MAX_NESTING:
            raise self._error(f"parentheses deeper than {MAX_NESTING}", "give the inner part a rule of its own")
        self._depth += 1
        self._at += 1
        self._skip(_BLANK_LINES)
        node, weight = self._alternatives(nested=True)
        if self._peek() != ")":
            line, column = self._position(start)
            raise self._error(
                f"{self._shown()} where ')' should close the '(' of line {line}, column {column}", "close the group"
            )
        self._at += 1
        self._depth -= 1
        return node, weight

    def _repeated(self, node: Node, weight: int, start: int, *, nested: bool) -> tuple[Node, int]:
        """Apply every operator that follows: as in llama.cpp, there may be several."""
        while (operator := self._peek()) and operator in "*+?{":
            at = self._at
            self._at += 1
            if operator == "{":
                self._skip(_BLANK_LINES if nested else _BLANK)
                minimum, maximum = self._counts(nested=nested)
            else:
                minimum, maximum = _OPERATORS[operator]
            self._skip(_BLANK_LINES if nested else _BLANK)
            weight *= max(minimum, maximum or 1, 1)
            if weight > MAX_REPETITIONS:
                raise self._error(
                    f"{weight} repetitions, nested ones multiplied, but only {MAX_REPETITIONS} are allowed",
                    "lower the counts, or leave the maximum out",
                    at,
                )
            node = repeat(node, minimum, maximum)
        return node, weight

    def _counts(self, *, nested: bool) -> tuple[int, int | None]:
        blank = _BLANK_LINES if nested else _BLANK
        start = self._at
        minimum = self._count()
        maximum: int | None = minimum
        self._skip(blank)
        if self._peek() == ",":
            self._at += 1
            self._skip(blank)
            maximum = self._count() if self._peek() != "}" else None
            self._skip(blank)
        if self._peek() != "}":
            raise self._error(f"{self._shown()} inside the braces of a repetition", "write {m}, {m,} or {m,n}")
        self._at += 1
        if maximum is not None and maximum < minimum:
            raise self._error(
                f"a repetition of at least {minimum} and at most {maximum}", "put the smaller count first", start
            )
        return minimum, maximum

    def _count(self) -> int:
        found = _DIGITS.match(self._source, self._at)
        if found is None:
            raise self._error(f"{self._shown()} where a repetition needs a number", "write {m}, {m,} or {m,n}")
        if len(found.group()) > 12:
            raise self._error(f"a count of {len(found.group())} digits", f"{MAX_REPETITIONS} is the largest count")
        self._at = found.end()
        return int(found.group())

    def _literal(self) -> Node:
        start = self._at
        self._at += 1
        text: list[str] = []
        while self._peek() != '"':
            if not self._peek():
                raise self._error("a literal that does not end", 'close it with "', start)
            text.append(self._character())
        self._at += 1
        return Literal("".join(text)) if text else EMPTY

    def _character_class(self) -> Node:
        start = self._at
        self._at += 1
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        while self._peek() != "]":
            ranges.append(self._range(start))
        self._at += 1
        merged = merged_ranges(ranges)
        if negated and merged:
            merged = complement(merged)
        if not merged:
            raise self._error("a character class that matches nothing", "put a character between the brackets", start)
        return Characters(merged)

    def _range(self, start: int) -> tuple[int, int]:
        if not self._peek():
            raise self._error("a character class that does not end", "close it with ]", start)
        at = self._at
        low = high = self._character()
        if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._character()
        if high < low:
            raise self._error(f"a range from {low!r} down to {high!r}", "put the lower character first", at)
        return ord(low), ord(high)

    def _character(self) -> str:
        """Return the next character, which exists, escapes resolved."""
        character = self._source[self._at]
        if character == "\\":
            return self._escape()
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise self._error(f"half a surrogate pair, {character!r}", "write the whole character")
        self._at += 1
        return character

    def _escape(self) -> str:
        start = self._at
        kind = self._source[start + 1 : start + 2]
        if kind in _ESCAPES:
            self._at += 2
            return _ESCAPES[kind]
        num_digits = _HEX_DIGITS.get(kind)
        if num_digits is None:
            raise self._error(
                f"the escape \\{kind}, which is none", r"use \n \t \r \\ \" \[ \] \- \xHH \uHHHH or \UHHHHHHHH"
            )
        digits = self._source[start + 2 : start + 2 + num_digits]
        if not re.fullmatch(rf"[0-9a-fA-F]{{{num_digits}}}", digits):
            raise self._error(f"\\{kind} without its {num_digits} hexadecimal digits", "write them all")
        value = int(digits, 16)
        if value > LAST_CODE_POINT or 0xD800 <= value <= 0xDFFF:
            raise self._error(f"\\{kind}{digits}, which is not a character", "use a code point up to U+10FFFF")
        self._at += 2 + num_digits
        return chr(value)

    def _peek(self) -> str:
        """Return the next character, or nothing at the end."""
        return self._source[self._at : self._at + 1]

    def _skip(self, blank: re.Pattern[str]) -> None:
        found = blank.match(self._source, self._at)
        assert found is not None, "blank may be empty"
        self._at = found.end()

    def _shown(self) -> str:
        return repr(self._peek()) if self._peek() else "the end"

    def _position(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, at)
        return line, at - self._line_starts[line - 1] + 1

    def _error(self, problem: str, remedy: str, at: int | None = None) -> GrammarError:
        return GrammarError(*self._position(self._at if at is None else at), problem, remedy)
