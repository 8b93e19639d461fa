"""A slow, obvious recogniser of GBNF: every rule's possible ends from every place, until nothing new is found."""

from __future__ import annotations

from jan_ort.structured.gbnf.syntax_tree import Characters, Choice, Grammar, Literal, Node, Reference, Repeat, Sequence


class Recogniser:
    """Answers for one text whether it is a sentence of the grammar, and whether it is the beginning of one.

    The second answer holds where every rule can end, which ``check`` sees to.
    """

    def __init__(self, grammar: Grammar, text: str) -> None:
        self._rules = grammar.rules
        self._text = text
        self._ends: dict[tuple[str, int], set[int]] = {("root", 0): set()}
        self._reached_the_end = False
        while self._grow():
            pass
        self.is_sentence = len(text) in self._ends["root", 0]
        self.is_beginning = self.is_sentence or self._reached_the_end

    def _grow(self) -> bool:
        before = sum(map(len, self._ends.values())), len(self._ends)
        for name, start in list(self._ends):
            self._ends[name, start] |= self._match(self._rules[name], start)
        return (sum(map(len, self._ends.values())), len(self._ends)) != before

    def _match(self, node: Node, start: int) -> set[int]:
        match node:
            case Characters(ranges):
                self._reached_the_end |= start == len(self._text)
                here = self._text[start : start + 1]
                return {start + 1} if here and any(low <= ord(here) <= high for low, high in ranges) else set()
            case Literal(text):
                rest = self._text[start:]
                self._reached_the_end |= len(rest) < len(text) and text.startswith(rest)
                return {start + len(text)} if rest.startswith(text) else set()
            case Sequence(items):
                return self._match_all(items, start)
            case Choice(options):
                return {end for option in options for end in self._match(option, start)}
            case Repeat(item, minimum, maximum):
                return self._match_repeated(item, minimum, maximum, start)
            case Reference(name):
                return set(self._ends.setdefault((name, start), set()))

    def _match_all(self, items: tuple[Node, ...], start: int) -> set[int]:
        ends = {start}
        for item in items:
            ends = {end for at in ends for end in self._match(item, at)}
        return ends

    def _match_repeated(self, item: Node, minimum: int, maximum: int | None, start: int) -> set[int]:
        ends = {start} if minimum == 0 else set()
        now, times = {start}, 0
        seen: set[tuple[frozenset[int], bool]] = set()
        while now and times != maximum and (frozenset(now), times >= minimum) not in seen:
            if times >= minimum:
                seen.add((frozenset(now), True))
            now = {end for at in now for end in self._match(item, at)}
            times += 1
            if times >= minimum:
                ends |= now
        return ends
