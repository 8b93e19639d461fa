"""Grammars and schemas compiled to what every sequence that uses them shares, within bounds (hop 3)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from llguidance import LLMatcher, LLParserLimits

from jan_ort.structured.closing import MAX_ENDING, Closer
from jan_ort.structured.constraint import Constraint
from jan_ort.structured.forcing import MAX_FORCED, NO_FORCING
from jan_ort.structured.gbnf.lark_writer import gbnf_to_lark
from jan_ort.structured.grammar_errors import GrammarError, SchemaError, StructuredError, panics_fail
from jan_ort.structured.json_schema.forced_text import forces_much, longest_literal
from jan_ort.structured.json_schema.schema_checks import checked_schema
from jan_ort.structured.json_schema.schema_grammar import JSON_OBJECT, grammar_of_checked, locate
from jan_ort.structured.marks import NO_MARKS, Marks
from jan_ort.structured.vocabulary import GrammarVocabulary


def _limits() -> LLParserLimits:
    # Measured for masks: 14,000 units of lexer fuel or 20,000 items a millisecond, 1 to 2 kB a lexer state.
    return LLParserLimits(
        max_items_in_row=10_000,
        initial_lexer_fuel=1_000_000,
        step_lexer_fuel=200_000,
        step_max_items=100_000,
        max_lexer_states=100_000,
        max_grammar_size=500_000,
        verbose_errors=False,
    )


_JSON_SCHEMA = "%json"
"""What a grammar of our own has where a JSON schema stands."""


class CompiledGrammar:
    """A grammar that is ready for use; immutable, and safe to share between threads."""

    def __init__(
        self,
        matcher: LLMatcher,
        vocabulary: GrammarVocabulary,
        closer: Closer | None = None,
        growth: int = 0,
        *,
        ends_numbers: bool = True,
    ) -> None:
        self._matcher = matcher
        self._ends_numbers = ends_numbers
        self._vocabulary = vocabulary
        self._closer = closer
        self._growth = growth
        self._lock = threading.Lock()

    def start(self) -> Constraint:
        """Return the constraint of one sequence at its beginning, in microseconds. Raises: ConstraintFailed."""
        with self._lock, panics_fail():
            matcher = self._matcher.deep_copy()
        return Constraint(matcher, self._vocabulary, self._closer, self._growth, ends_numbers=self._ends_numbers)


class GrammarCompiler:
    """Compiles for one model, in the thread that asks: ``GrammarPool`` has threads with the stack that it takes."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary

    def gbnf(self, source: str) -> CompiledGrammar:
        """Compile a grammar in llama.cpp's language. Raises: GrammarError."""
        matcher = self._matcher(LLMatcher.grammar_from_lark(gbnf_to_lark(source)))
        if matcher.is_error():
            raise GrammarError(
                1, 1, f"the grammar is too complex ({_reason(matcher.get_error())})", "make it smaller or simpler"
            )
        return CompiledGrammar(matcher, self._vocabulary, ends_numbers=False)

    def json_schema(self, schema: object) -> CompiledGrammar:
        """Compile a JSON schema: a dict or a bool. Raises: SchemaError."""
        return self.checked_schema(checked_schema(schema))

    def checked_schema(self, checked: dict[str, Any]) -> CompiledGrammar:
        """Compile what ``checked_schema`` has returned. Raises: SchemaError."""
        is_forcing = longest_literal(checked) <= MAX_FORCED
        matcher = self._matcher(grammar_of_checked(checked, is_forcing=is_forcing))
        if matcher.is_error():
            reason = _reason(matcher.get_error())
            path = locate(checked, lambda grammar: _reason(LLMatcher.validate_grammar(grammar)) == reason)
            raise SchemaError(path, f"it cannot be served ({reason})", "change or leave out what it names")
        closer = self._closer if is_forcing else None  # it would be asked about thousands of characters again and again
        return CompiledGrammar(matcher, self._vocabulary, closer, _growth(json.dumps(checked)))

    def json_object(self) -> CompiledGrammar:
        """Compile the grammar of any JSON object."""
        return self.json_schema(JSON_OBJECT)

    def lark(self, source: str, *, closes: bool = False, marks: Marks = NO_MARKS) -> CompiledGrammar:
        """Compile a grammar of our own in the matcher's language; ``closes`` ends its JSON at the token limit.

        ``marks`` end what is no JSON. Raises: StructuredError.
        """
        is_much = forces_much(source, MAX_FORCED)
        unforced = NO_FORCING + source if is_much else source
        matcher = self._matcher(LLMatcher.grammar_from_lark(unforced))
        if matcher.is_error():
            raise StructuredError(f"it cannot be served ({_reason(matcher.get_error())}); change what it names")
        closer = self._closer_of_calls(marks) if closes and not is_much else None
        return CompiledGrammar(matcher, self._vocabulary, closer, 32 + len(source), ends_numbers=_JSON_SCHEMA in source)

    def _closer_of_calls(self, marks: Marks) -> Closer:
        return self._closer.of_calls([self._rests_of(mark) for mark in marks.texts], is_all_needed=marks.are_all_needed)

    def _rests_of(self, mark: Sequence[str | int]) -> dict[bytes, list[int]]:
        """Return the token ids of a mark after each beginning of its first text, longest first, and all of it."""
        first = mark[0]
        cuts = range(len(first) - 1, 0, -1) if isinstance(first, str) else ()
        rests = {str(first)[:at].encode(): self.tokens_of([str(first)[at:], *mark[1:]]) for at in cuts}
        return rests | {b"": self.tokens_of(mark)}

    def tokens_of(self, texts: Iterable[str | int]) -> list[int]:
        """Return the token ids of texts that follow one another; a special token stands for itself."""
        encode = self._vocabulary.matcher_tokenizer.tokenize_str
        return [each for text in texts for each in ([text] if isinstance(text, int) else encode(text))]

    @cached_property
    def _closer(self) -> Closer:
        return Closer(self._vocabulary)

    def _matcher(self, grammar: str) -> LLMatcher:
        """Return a matcher that has computed its first mask, so that what is too complex shows here."""
        matcher = LLMatcher(self._vocabulary.matcher_tokenizer, grammar, log_level=0, limits=_limits())
        if not matcher.is_error():
            matcher.compute_bitmask()
        return matcher


def _growth(text: str) -> int:
    """Return how many tokens one token may add to the shortest ending, from above; no longer one is found anyway."""
    return min(32 + len(text), MAX_ENDING)


def _reason(error: str) -> str:
    """Return the matcher's message on one line, without the excerpt that some have."""
    lines = error.strip().split("\n")
    last = [line.removeprefix("error: ") for line in lines[1:] if line.startswith("error: ")]
    # The matcher's advice on its own options is of no use to a client.
    return " ".join([lines[0].split(". Enable ")[0], *last]).rstrip(".")
