"""Grammars and schemas compiled once and shared by every sequence that uses them, within bounds (hop 3)."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from llguidance import LLMatcher, LLParserLimits

from jan_ort.structured.closing import Closer
from jan_ort.structured.constraint import Constraint
from jan_ort.structured.errors import GrammarError, SchemaError, StructuredError
from jan_ort.structured.gbnf_lark import gbnf_to_lark
from jan_ort.structured.json_schema import JSON_OBJECT, checked_schema, grammar_of_checked, locate
from jan_ort.structured.vocabulary import GrammarVocabulary

logger = logging.getLogger(__name__)

COMPILE_TIME_S = 10.0
"""How long a request waits for its grammar. A compilation cannot be stopped, so the limits on size keep it short."""
COMPILE_STACK_BYTES = 64 * 1024 * 1024
"""The matcher's compiler calls itself along chains of rules: in the usual 8 MB, some 700 of them end the process."""
CACHE_SIZE = 64

_Result = TypeVar("_Result")
_stack_size_lock = threading.Lock()


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


class CompiledGrammar:
    """A grammar that is ready for use; immutable, and safe to share between threads."""

    def __init__(self, matcher: LLMatcher, vocabulary: GrammarVocabulary, closer: Closer | None, growth: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._closer = closer
        self._growth = growth
        self._lock = threading.Lock()

    def start(self) -> Constraint:
        """Return the constraint of one sequence at its beginning, in microseconds."""
        with self._lock:
            matcher = self._matcher.deep_copy()
        return Constraint(matcher, self._vocabulary, self._closer, self._growth)


class GrammarCompiler:
    """Compiles for one model and keeps the latest ``CACHE_SIZE`` results. Thread-safe; call it off the event loop."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        self._compiled: OrderedDict[tuple[str, str], CompiledGrammar] = OrderedDict()
        self._lock = threading.Lock()

    def gbnf(self, source: str) -> CompiledGrammar:
        """Compile a grammar in llama.cpp's language. Raises: GrammarError, StructuredError if it takes too long."""
        return self._cached("gbnf", source, lambda: self._compile_gbnf(source))

    def json_schema(self, schema: object) -> CompiledGrammar:
        """Compile a JSON schema: a dict or a bool. Raises: SchemaError, StructuredError if it takes too long."""
        # Reading the schema is quick and its errors name the place, so it is done before the cache is asked.
        checked = checked_schema(schema)
        return self._cached("json", json.dumps(checked), lambda: self._compile_schema(checked))

    def json_object(self) -> CompiledGrammar:
        """Compile the grammar of any JSON object."""
        return self.json_schema(JSON_OBJECT)

    def lark(self, source: str) -> CompiledGrammar:
        """Compile a grammar of our own in the matcher's language. Raises: StructuredError."""
        return self._cached("lark", source, lambda: self._compile_lark(source))

    def _cached(self, kind: str, source: str, compile_it: Callable[[], CompiledGrammar]) -> CompiledGrammar:
        key = kind, source
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return self._compiled[key]
        compiled = _on_large_stack(compile_it)
        with self._lock:
            self._compiled[key] = compiled
            while len(self._compiled) > CACHE_SIZE:
                self._compiled.popitem(last=False)
        return compiled

    @cached_property
    def _closer(self) -> Closer:
        return Closer(self._vocabulary)

    def _compile_lark(self, source: str) -> CompiledGrammar:
        matcher = self._matcher(LLMatcher.grammar_from_lark(source))
        if matcher.is_error():
            raise StructuredError(f"it cannot be served ({_reason(matcher.get_error())}); change what it names")
        return CompiledGrammar(matcher, self._vocabulary, None, 0)

    def _compile_gbnf(self, source: str) -> CompiledGrammar:
        matcher = self._matcher(LLMatcher.grammar_from_lark(gbnf_to_lark(source)))
        if matcher.is_error():
            raise GrammarError(
                1, 1, f"the grammar is too complex ({_reason(matcher.get_error())})", "make it smaller or simpler"
            )
        return CompiledGrammar(matcher, self._vocabulary, None, 0)

    def _compile_schema(self, checked: dict[str, Any]) -> CompiledGrammar:
        matcher = self._matcher(grammar_of_checked(checked))
        if matcher.is_error():
            reason = _reason(matcher.get_error())
            path = locate(checked, lambda grammar: _reason(LLMatcher.validate_grammar(grammar)) == reason)
            raise SchemaError(path, f"it cannot be served ({reason})", "change or leave out what it names")
        # The text is an estimate, from above, of how many tokens one token may add to the shortest ending.
        return CompiledGrammar(matcher, self._vocabulary, self._closer, 32 + len(json.dumps(checked)))

    def _matcher(self, grammar: str) -> LLMatcher:
        """Return a matcher that has computed its first mask, so that what is too complex shows here."""
        matcher = LLMatcher(self._vocabulary.matcher_tokenizer, grammar, log_level=0, limits=_limits())
        if not matcher.is_error():
            matcher.compute_bitmask()
        return matcher


def _reason(error: str) -> str:
    """Return the matcher's message on one line, without the excerpt that some have."""
    lines = error.strip().split("\n")
    last = [line.removeprefix("error: ") for line in lines[1:] if line.startswith("error: ")]
    # The matcher's advice on its own options is of no use to a client.
    return " ".join([lines[0].split(". Enable ")[0], *last]).rstrip(".")


def _on_large_stack(work: Callable[[], _Result]) -> _Result:
    """Return what ``work`` returns, or raise what it raises, having run it in a thread of its own."""
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # handed to the caller below
            failures.append(error)

    with _stack_size_lock:
        usual = threading.stack_size(COMPILE_STACK_BYTES)
        try:
            thread = threading.Thread(target=run, name="jan-ort-grammar", daemon=True)
            thread.start()
        finally:
            threading.stack_size(usual)
    thread.join(COMPILE_TIME_S)
    if failures:
        raise failures[0]
    if not results:
        logger.warning("a grammar took more than %s s to compile and was given up", COMPILE_TIME_S)
        raise StructuredError(
            f"the grammar takes more than {COMPILE_TIME_S:g} s to compile; make it smaller or simpler"
        )
    return results[0]
