"""The position automata of lexemes, and whether a longest match can go past an end that the grammar needs.

Source: Glushkov 1961 (as in Berry and Sethi 1986): one state per character of the expression. Counts are forgotten
(``{3,5}`` becomes one or more), which can only find a conflict too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from jan_ort.structured.gbnf.regular_rules import Rules
from jan_ort.structured.gbnf.syntax_tree import Characters, Choice, Literal, Node, Reference, Repeat, walk
from jan_ort.structured.gbnf.syntax_tree import Sequence as InOrder

MAX_POSITIONS = 10_000
"""The most characters in all automata together: their sets take its square in bits."""
MAX_STEPS = 20_000
"""How many steps the search for conflicts may take for one grammar: a quarter of a second."""


class Alphabet:
    """The grammar's characters in classes that no part of it tells apart; a set of classes is a bit mask."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        starts = {0}
        for node in nodes:
            for part in walk(node):
                for low, high in _ranges(part):
                    starts |= {low, high + 1}
        self._classes = {start: index for index, start in enumerate(sorted(starts))}

    def mask(self, ranges: tuple[tuple[int, int], ...]) -> int:
        """Return the classes that the code points belong to."""
        mask = 0
        for low, high in ranges:
            end = self._classes.get(high + 1, len(self._classes))
            mask |= (1 << end) - (1 << self._classes[low])
        return mask


def _ranges(node: Node) -> tuple[tuple[int, int], ...]:
    if isinstance(node, Literal):
        return tuple((ord(character),) * 2 for character in node.text)
    return node.ranges if isinstance(node, Characters) else ()


class Fragment(NamedTuple):
    """Part of an automaton: the positions it may start and end at, as bit masks, and whether it matches nothing."""

    first: int
    last: int
    nullable: bool


class Automata:
    """The automata of several lexemes, their positions numbered through; a set of positions is a bit mask."""

    def __init__(self, lexemes: Sequence[Node], rules: Rules, alphabet: Alphabet) -> None:
        self._rules = rules
        self._alphabet = alphabet
        self._classes: list[int] = []
        self._follow: list[int] = []
        self._owners: list[int] = []
        self.fragments: list[Fragment] = []
        for index, lexeme in enumerate(lexemes):
            self.fragments.append(self._build(lexeme))
            self._owners.extend([index] * (len(self._classes) - len(self._owners)))
        self._steps = 0

    def first_classes(self, index: int) -> int:
        """Return the character classes that the lexeme may start with."""
        return self._classes_of(self.fragments[index].first)

    def overruns(self, index: int, following: int) -> set[int] | None:
        """Return the lexemes whose longer match hides that the lexeme ended, where one of ``following`` comes next.

        Empty where a longest match is always right; None if the search gave up after ``MAX_STEPS`` in all.
        """
        first, last, _ = self.fragments[index]
        every_first = 0
        for fragment in self.fragments:
            every_first |= fragment.first
        pending, seen = [(first, every_first)], {(first, every_first)}
        while pending:
            own, every = pending.pop()
            for character in _bits(self._classes_of(own)):
                self._steps += 1
                if self._steps > MAX_STEPS:
                    return None
                own_now, every_now = self._at(own, character), self._at(every, character)
                after = self._after(own_now), self._after(every_now)
                if own_now & last:
                    longer = {self._owners[p] for p in _bits(after[1]) if self._classes[p] & following}
                    if longer:
                        return longer
                if after[0] and after not in seen:
                    seen.add(after)
                    pending.append(after)
        return set()

    def _classes_of(self, positions: int) -> int:
        mask = 0
        for position in _bits(positions):
            mask |= self._classes[position]
        return mask

    def _at(self, positions: int, character: int) -> int:
        return sum(1 << position for position in _bits(positions) if self._classes[position] >> character & 1)

    def _after(self, positions: int) -> int:
        mask = 0
        for position in _bits(positions):
            mask |= self._follow[position]
        return mask

    def _build(self, node: Node) -> Fragment:
        match node:
            case Characters(ranges):
                return self._position(self._alphabet.mask(ranges))
            case Literal(text):
                return self._joined(self._position(self._alphabet.mask(((ord(char),) * 2,))) for char in text)
            case InOrder(items):
                return self._joined(self._build(item) for item in items)
            case Choice(options):
                parts = [self._build(option) for option in options]
                first, last = 0, 0
                for part in parts:
                    first |= part.first
                    last |= part.last
                return Fragment(first, last, any(part.nullable for part in parts))
            case Repeat(item, minimum, maximum):
                inner = self._build(item)
                if maximum is None or maximum > 1:
                    self._link(inner.last, inner.first)
                return inner._replace(nullable=inner.nullable or minimum == 0)
            case Reference(name):
                return self._build(self._rules.bodies[name])

    def _position(self, classes: int) -> Fragment:
        mask = 1 << len(self._classes)
        self._classes.append(classes)
        self._follow.append(0)
        return Fragment(mask, mask, nullable=False)

    def _joined(self, parts: Iterable[Fragment]) -> Fragment:
        first, last, nullable = 0, 0, True
        for part in parts:
            self._link(last, part.first)
            first |= part.first if nullable else 0
            last = part.last | (last if part.nullable else 0)
            nullable = nullable and part.nullable
        return Fragment(first, last, nullable)

    def _link(self, last: int, first: int) -> None:
        for position in _bits(last):
            self._follow[position] |= first


def _bits(mask: int) -> Iterator[int]:
    """Yield the indices of the bits that are set, from the lowest."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
