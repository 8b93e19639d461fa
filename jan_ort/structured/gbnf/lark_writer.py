"""GBNF to the grammar language of llguidance: a Lark dialect with lexemes in capitals and rules in small letters.

Source: llguidance, docs/syntax.md.
"""

from __future__ import annotations

import json

from jan_ort.structured.forcing import MAX_FORCED, NO_FORCING
from jan_ort.structured.gbnf.automata import MAX_POSITIONS, Alphabet, Automata
from jan_ort.structured.gbnf.follow_sets import Follow
from jan_ort.structured.gbnf.grammar_checks import ROOT, check, max_shortest
from jan_ort.structured.gbnf.grammar_parser import parse_gbnf
from jan_ort.structured.gbnf.lexemes import (
    MAX_WHOLE_SIZE,
    NOTHING,
    Cutter,
    Lexeme,
    Loop,
    Options,
    Parts,
    Piece,
    walk_piece,
)
from jan_ort.structured.gbnf.regular_rules import Rules, with_regular
from jan_ort.structured.gbnf.syntax_tree import EMPTY, Characters, Choice, Literal, Node, Reference, Repeat, Sequence
from jan_ort.structured.grammar_errors import GrammarError

MAX_DEFINITIONS = 8000
"""The most rules and terminals that llguidance is given: its compiler calls itself along a chain of them."""

MAX_ROUNDS = 10
"""How often the pieces are made smaller one by one, before all are cut to characters."""


def gbnf_to_lark(source: str) -> str:
    """Return the llguidance grammar of a GBNF grammar. Raises: GrammarError."""
    reached = check(parse_gbnf(source))
    rules = with_regular(reached)
    begin = NO_FORCING if max_shortest(reached) > MAX_FORCED else ""
    return begin + _Writer(rules).write(pieces_of(rules))


def pieces_of(rules: Rules) -> dict[str, Piece]:
    """Return the rules in pieces for which a longest match is always right."""
    root = Reference(ROOT)
    if rules.is_regular(root) and rules.extent(root).size <= MAX_WHOLE_SIZE:
        return {ROOT: NOTHING if rules.bodies[ROOT] == EMPTY else Lexeme(root)}
    split: set[Node] = set()
    cutter, alphabet = Cutter(rules), Alphabet(rules.bodies.values())
    for _ in range(MAX_ROUNDS):
        pieces = cutter.cut(split)
        wrong = _overrunning(pieces, rules, alphabet)
        if wrong is None:
            break
        if not wrong:
            return pieces
        split |= wrong
    return cutter.cut(None)


def _overrunning(pieces: dict[str, Piece], rules: Rules, alphabet: Alphabet) -> set[Node] | None:
    """Return the lexemes that may match too much; None if it takes too long to tell."""
    lexemes = list(
        dict.fromkeys(part for piece in pieces.values() for part in walk_piece(piece) if isinstance(part, Lexeme))
    )
    if sum(rules.extent(lexeme.body).size for lexeme in lexemes) > MAX_POSITIONS:
        return None
    automata = Automata([lexeme.body for lexeme in lexemes], rules, alphabet)
    starts = {
        lexeme: (automata.first_classes(index), automata.fragments[index].nullable)
        for index, lexeme in enumerate(lexemes)
    }
    follow = Follow(pieces, starts)
    wrong: set[Node] = set()
    for index, lexeme in enumerate(lexemes):
        longer = automata.overruns(index, follow.after[lexeme])
        if longer is None:
            return None
        wrong |= {lexemes[owner].body for owner in longer}
    return wrong


class _Writer:
    """Writes the definitions; equal nodes get one definition, and none is nested, for the reader has little depth."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lines: list[str] = []
        self._terminals: dict[Node, str] = {}
        self._lexemes: dict[Lexeme, str] = {}
        self._pending: list[tuple[str, Node]] = []

    def write(self, pieces: dict[str, Piece]) -> str:
        names = {name: f"r{index}" for index, name in enumerate(pieces)}
        self._lines.append(f"start: {names[ROOT]}")
        for name, piece in pieces.items():
            self._lines.append(f"{names[name]}: {self._rule(piece, names)}")
        while self._pending:
            terminal, node = self._pending.pop()
            self._lines.append(f"{terminal}: {self._expression(node)}")
        if len(self._lines) > MAX_DEFINITIONS:
            raise GrammarError(
                1, 1, f"{len(self._lines)} parts, but only {MAX_DEFINITIONS} are allowed", "use fewer groups and rules"
            )
        return "\n".join(self._lines) + "\n"

    def _rule(self, piece: Piece, names: dict[str, str]) -> str:
        match piece:
            case Lexeme():
                return self._lexeme(piece)
            case Reference(name):
                return names[name]
            case Parts(items):
                return " ".join(self._part(item, names) for item in items) or '""'
            case Options(options):
                return " | ".join(self._part(option, names) for option in options)
            case Loop(item, minimum, maximum):
                return self._part(item, names) + _operator(minimum, maximum)

    def _part(self, piece: Piece, names: dict[str, str]) -> str:
        if isinstance(piece, Lexeme | Reference):
            return self._rule(piece, names)
        if piece == NOTHING:
            return '""'
        inner = self._rule(piece, names)
        name = f"g{len(self._lines)}"
        self._lines.append(f"{name}: {inner}")
        return name

    def _lexeme(self, lexeme: Lexeme) -> str:
        """Return a lexeme's name; one that may be empty is cut into nothing and the rest."""
        if lexeme not in self._lexemes:
            inner = self._terminal(lexeme.body)
            if self._rules.extent(lexeme.body).nullable:
                number = len(self._lexemes)
                self._lines += [f"L{number}: {inner} & /(?s:.+)/", f"l{number}: L{number}?"]
                inner = f"l{number}"
            self._lexemes[lexeme] = inner
        return self._lexemes[lexeme]

    def _terminal(self, node: Node) -> str:
        if node == EMPTY:
            return '""'
        if isinstance(node, Characters):
            return _character_class(node)
        if isinstance(node, Literal):
            return _quoted(node.text)
        if node not in self._terminals:
            self._terminals[node] = f"T{len(self._terminals)}"
            self._pending.append((self._terminals[node], node))
        return self._terminals[node]

    def _expression(self, node: Node) -> str:
        match node:
            case Reference(name):
                return self._terminal(self._rules.bodies[name])
            case Sequence(items):
                return " ".join(self._terminal(item) for item in items)
            case Choice(options):
                return " | ".join(self._terminal(option) for option in options)
            case Repeat(item, minimum, maximum):
                return self._terminal(item) + _operator(minimum, maximum)
            case _:
                return self._terminal(node)


def _operator(minimum: int, maximum: int | None) -> str:
    short = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((minimum, maximum))
    return short or f"{{{minimum},{'' if maximum is None else maximum}}}"


def _character_class(node: Characters) -> str:
    ranges = "".join(
        rf"\x{{{low:X}}}" if low == high else rf"\x{{{low:X}}}-\x{{{high:X}}}"
        for low, high in (part for whole in node.ranges for part in _without_surrogates(whole))
    )
    return f"/[{ranges}]/"


def _without_surrogates(whole: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the range less U+D800 to U+DFFF, which stand for no character and end no range of a regex."""
    low, high = whole
    parts = [(low, min(high, 0xD7FF)), (max(low, 0xE000), high)]
    return [part for part in parts if part[0] <= part[1]] if low < 0xE000 and high > 0xD7FF else [whole]


def _quoted(text: str) -> str:
    """Return the text as a string of the grammar language, which are JSON's strings without DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")
