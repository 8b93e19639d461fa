"""Which characters may follow each lexeme of a grammar in pieces: FIRST and FOLLOW of the textbooks.

Source: Aho, Lam, Sethi, Ullman, Compilers, 2nd edition, section 4.4.2. Sets of character classes are bit masks.
"""

from __future__ import annotations

from collections.abc import Mapping

from jan_ort.structured.gbnf.lexemes import Lexeme, Loop, Options, Parts, Piece, walk_piece
from jan_ort.structured.gbnf.syntax_tree import Reference


class Follow:
    """The sets of one grammar. ``lexemes`` gives each lexeme's first classes and whether it may be empty."""

    def __init__(self, pieces: Mapping[str, Piece], lexemes: Mapping[Lexeme, tuple[int, bool]]) -> None:
        self._pieces = pieces
        self._lexemes = lexemes
        self._starts: dict[str, tuple[int, bool]] = dict.fromkeys(pieces, (0, False))
        self._after_rule: dict[str, int] = dict.fromkeys(pieces, 0)
        self.after: dict[Lexeme, int] = dict.fromkeys(lexemes, 0)
        """The character classes that may follow each lexeme."""
        self._find_starts()
        self._find_after()

    def _find_starts(self) -> None:
        users: dict[str, set[str]] = {name: set() for name in self._pieces}
        for name, piece in self._pieces.items():
            for part in walk_piece(piece):
                if isinstance(part, Reference):
                    users[part.name].add(name)
        pending = set(self._pieces)
        while pending:
            name = pending.pop()
            start = self._start(self._pieces[name])
            if start != self._starts[name]:
                self._starts[name] = start
                pending |= users[name]

    def _start(self, piece: Piece) -> tuple[int, bool]:
        """Return the classes that the piece may start with, and whether it may be empty."""
        match piece:
            case Lexeme():
                return self._lexemes[piece]
            case Reference(name):
                return self._starts[name]
            case Loop(item, minimum):
                first, nullable = self._start(item)
                return first, nullable or minimum == 0
            case Options(options):
                starts = [self._start(option) for option in options]
                first = 0
                for start, _ in starts:
                    first |= start
                return first, any(nullable for _, nullable in starts)
            case Parts(items):
                first = 0
                for item in items:
                    start, nullable = self._start(item)
                    first |= start
                    if not nullable:
                        return first, False
                return first, True

    def _find_after(self) -> None:
        self._pending = set(self._pieces)
        while self._pending:
            name = self._pending.pop()
            self._visit(self._pieces[name], self._after_rule[name])

    def _visit(self, piece: Piece, after: int) -> None:
        """Note that the classes ``after`` may follow the piece."""
        match piece:
            case Lexeme():
                self.after[piece] |= after
            case Reference(name):
                if after & ~self._after_rule[name]:
                    self._after_rule[name] |= after
                    self._pending.add(name)
            case Options(options):
                for option in options:
                    self._visit(option, after)
            case Loop(item, _, maximum):
                again = self._start(item)[0] if maximum is None or maximum > 1 else 0
                self._visit(item, after | again)
            case Parts(items):
                for item in reversed(items):
                    self._visit(item, after)
                    start, nullable = self._start(item)
                    after = start | (after if nullable else 0)
