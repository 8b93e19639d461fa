"""Cutting a grammar into lexemes: pieces that an automaton matches, each as long as it can be.

The matcher's lexer is greedy, GBNF is not. So a piece is matched whole only where the longest match can never be
wrong, and is cut smaller otherwise, down to single characters, for which greedy and exact are the same (hop 7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jan_ort.structured.gbnf.grammar_checks import ROOT
from jan_ort.structured.gbnf.regular_rules import Rules
from jan_ort.structured.gbnf.syntax_tree import (
    EMPTY,
    Characters,
    Choice,
    Literal,
    Node,
    Reference,
    Repeat,
    Sequence,
    choice,
    sequence,
)

MAX_SIZE, MAX_DEPTH = 1000, 100
"""A piece with more characters or deeper nesting is cut: the check that greedy is exact would take too long."""
MAX_WHOLE_SIZE = 1_000_000
"""A grammar that is regular as a whole needs no check and may be as large as this."""


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A regular piece that is matched greedily."""

    body: Node


@dataclass(frozen=True, slots=True)
class Parts:
    """Pieces one after another."""

    items: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """Any one of the pieces."""

    options: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A piece, ``minimum`` to ``maximum`` times."""

    item: Piece
    minimum: int
    maximum: int | None


Piece: TypeAlias = Lexeme | Parts | Options | Loop | Reference

NOTHING = Parts(())


def walk_piece(piece: Piece) -> Iterator[Piece]:
    """Yield the piece and all below it, without following references."""
    pending = [piece]
    while pending:
        piece = pending.pop()
        yield piece
        match piece:
            case Parts(items):
                pending.extend(items)
            case Options(options):
                pending.extend(options)
            case Loop(item):
                pending.append(item)
            case _:
                pass


class Cutter:
    """Cuts the rules of one grammar, as often as it takes to find the pieces that may be matched greedily."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._split: set[Node] | None = set()
        self._small: dict[Node, bool] = {}

    def cut(self, split: set[Node] | None) -> dict[str, Piece]:
        """Return the rules that ``root`` needs, in pieces; what is in ``split`` is not matched whole, None for all."""
        self._split = split
        pieces: dict[str, Piece] = {}
        pending = [ROOT]
        while pending:
            name = pending.pop()
            if name not in pieces:
                pieces[name] = self._cut(self._rules.bodies[name])
                pending.extend(piece.name for piece in walk_piece(pieces[name]) if isinstance(piece, Reference))
        return pieces

    def _cut(self, node: Node) -> Piece:
        if node == EMPTY:
            return NOTHING
        if isinstance(node, Characters) or self._may_be_lexeme(node):
            return Lexeme(node)
        match node:
            case Literal(text):
                return Parts(tuple(Lexeme(Characters(((ord(character),) * 2,))) for character in text))
            case Sequence(items):
                return Parts(tuple(self._cut_sequence(items)))
            case Choice(options):
                return Options(tuple(self._cut_choice(options)))
            case Repeat(item, minimum, maximum):
                return Loop(self._cut(item), minimum, maximum)
            case _:
                return node

    def _may_be_lexeme(self, node: Node) -> bool:
        if self._split is None or node in self._split:
            return False
        if node not in self._small:
            self._small[node] = self._rules.is_regular(node) and self._is_small(node)
        return self._small[node]

    def _is_small(self, node: Node) -> bool:
        extent = self._rules.extent(node)
        return extent.size <= MAX_SIZE and extent.depth <= MAX_DEPTH

    def _cut_sequence(self, items: tuple[Node, ...]) -> Iterator[Piece]:
        """Yield the pieces of a sequence, neighbours that can be one lexeme as one."""
        run: list[Node] = []
        for item in (*items, None):
            if item is not None and self._may_be_lexeme(item):
                run.append(item)
                continue
            whole = sequence(run)
            if self._may_be_lexeme(whole):
                yield from () if whole == EMPTY else (Lexeme(whole),)
            else:
                yield from (self._cut(part) for part in run)
            run = []
            if item is not None:
                yield self._cut(item)

    def _cut_choice(self, options: tuple[Node, ...]) -> Iterator[Piece]:
        """Yield the options, those that can be one lexeme as one."""
        together = [option for option in options if self._may_be_lexeme(option)]
        whole = choice(together) if together else EMPTY
        if together and self._may_be_lexeme(whole):
            yield self._cut(whole)
        else:
            yield from (self._cut(option) for option in together)
        yield from (self._cut(option) for option in options if not self._may_be_lexeme(option))
