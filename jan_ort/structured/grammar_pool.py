"""Each grammar compiled once, in a few threads of its own, for all requests that ask for it (hop 3)."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from jan_ort.ground.worker_pool import WorkCrashed, WorkerPool, WorkTooSlow, outcome
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.gbnf.grammar_parser import check_length
from jan_ort.structured.grammar_errors import StructuredError
from jan_ort.structured.json_schema.schema_checks import checked_schema
from jan_ort.structured.json_schema.schema_grammar import JSON_OBJECT
from jan_ort.structured.marks import NO_MARKS, Marks
from jan_ort.structured.prefaced import PrefacedGrammar

logger = logging.getLogger(__name__)

COMPILE_TIME_S = 10.0
"""How long a request waits once its grammar is begun. What is begun cannot be stopped; limits on size keep it short."""
QUEUE_TIME_S = 60.0
"""How long a request waits for a thread."""
COMPILE_STACK_BYTES = 64 * 1024 * 1024
"""The matcher's compiler calls itself along chains of rules: in the usual 8 MB, some 700 of them end the process."""
NUM_THREADS = 2
"""How many grammars are compiled at once; those that were given up count."""
MAX_WAITING = 512
"""How many different grammars may wait for a thread; one more is answered 429."""
CACHE_SIZE = 64
CACHE_BYTES = 64 * 2**20
"""How much the grammars that are kept may take; the latest one is, whatever it takes."""
_BYTES_A_GRAMMAR, _BYTES_A_CHARACTER = 128 * 1024, 200
"""Measured: 40 to 140 KB for a short text, then 150 bytes a character of a schema, up to 400 where names are short.
Repetitions, which are short to write, take 1.3 MB at most: the number that is kept bounds those."""

_Key = tuple[str, str]


@dataclass(slots=True)
class _Flight:
    """A grammar that is being compiled, or waits for a thread, and how many requests wait for it."""

    begun: Future[None]
    future: Future[CompiledGrammar]
    num_waiting: int = 0


class GrammarPool:
    """Compiles for one model and keeps the latest results, ``CACHE_SIZE`` of them and ``CACHE_BYTES`` at most.

    Equal requests at one time share one compilation. It is dropped if all of them leave before it begins; one that was
    given up goes on, and its result is kept. Thread-safe. All methods raise StructuredError for a grammar that cannot
    be served or takes too long, PoolBusy and PoolClosed.
    """

    def __init__(self, compiler: GrammarCompiler) -> None:
        self._compiler = compiler
        self._pool = WorkerPool("jan-ort-grammar", NUM_THREADS, MAX_WAITING, stack_bytes=COMPILE_STACK_BYTES)
        self._reading = WorkerPool("schema", NUM_THREADS, MAX_WAITING)
        self._compiled: OrderedDict[_Key, CompiledGrammar] = OrderedDict()
        self._flights: dict[_Key, _Flight] = {}
        self._lock = threading.Lock()

    async def gbnf(self, source: str) -> CompiledGrammar:
        """Return a grammar in llama.cpp's language. Raises: GrammarError."""
        check_length(source)  # megabytes are no key to look up
        return await self._shared(("gbnf", source), lambda: self._compiler.gbnf(source))

    async def json_schema(self, schema: object) -> CompiledGrammar:
        """Return the grammar of a JSON schema: a dict or a bool. Raises: SchemaError."""
        # To read a schema is quick, and does not wait for what is not.
        checked, text = await self._reading.run(lambda: _checked(schema))
        return await self._shared(("json", text), lambda: self._compiler.checked_schema(checked))

    async def json_object(self) -> CompiledGrammar:
        """Return the grammar of any JSON object."""
        return await self.json_schema(JSON_OBJECT)

    async def lark(self, source: str, *, closes: bool = False, marks: Marks = NO_MARKS) -> CompiledGrammar:
        """Return a grammar of our own in the matcher's language; ``closes`` ends its JSON at the token limit.

        ``marks`` end what is no JSON; equal sources have equal ones.
        """
        kind = "closing" if closes else "lark"
        return await self._shared((kind, source), lambda: self._compiler.lark(source, closes=closes, marks=marks))

    async def prefaced(
        self,
        preface: str,
        answer: CompiledGrammar,
        *,
        is_needed: bool,
        closing: Sequence[str | int],
        num_opening: int = 0,
    ) -> PrefacedGrammar:
        """Return a grammar that holds after a preface, whose grammar is in the matcher's language."""
        before = await self.lark(preface)
        closing_ids = self._compiler.tokens_of(closing)
        return PrefacedGrammar(before, answer, is_needed=is_needed, closing=closing_ids, num_opening=num_opening)

    def close(self) -> None:
        """Compile nothing more; who waits gets PoolClosed. May be called twice."""
        self._pool.close()
        self._reading.close()

    async def _shared(self, key: _Key, compile_it: Callable[[], CompiledGrammar]) -> CompiledGrammar:
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return self._compiled[key]
            flight = self._flights.get(key)
            is_new = flight is None
            if flight is None:
                flight = self._flights[key] = self._begin(compile_it)
            flight.num_waiting += 1
        if is_new:
            flight.future.add_done_callback(lambda _: self._land(key, flight))
        try:
            await outcome(flight.begun, QUEUE_TIME_S)
            return await _in_time(flight.future)
        finally:
            self._leave(key, flight)

    def _begin(self, compile_it: Callable[[], CompiledGrammar]) -> _Flight:
        begun: Future[None] = Future()

        def work() -> CompiledGrammar:
            begun.set_result(None)
            return compile_it()

        return _Flight(begun, self._pool.submit(work))

    def _land(self, key: _Key, flight: _Flight) -> None:
        """Keep what has been compiled."""
        if not flight.begun.done():
            flight.begun.set_result(None)  # it never will: who waits is told why by the other future
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if flight.future.cancelled() or flight.future.exception() is not None:
                return
            self._compiled[key] = flight.future.result()
            num_bytes = sum(map(_num_bytes, self._compiled))
            while len(self._compiled) > CACHE_SIZE or (num_bytes > CACHE_BYTES and len(self._compiled) > 1):
                num_bytes -= _num_bytes(self._compiled.popitem(last=False)[0])

    def _leave(self, key: _Key, flight: _Flight) -> None:
        with self._lock:
            flight.num_waiting -= 1
            if flight.num_waiting or flight.future.running() or flight.future.done():
                return
            if self._flights.get(key) is flight:
                del self._flights[key]  # nobody may join what is dropped
        flight.future.cancel()


async def _in_time(future: Future[CompiledGrammar]) -> CompiledGrammar:
    try:
        return await outcome(future, COMPILE_TIME_S)
    except WorkTooSlow as error:
        logger.warning("a grammar took more than %s s to compile and was given up", COMPILE_TIME_S)
        message = f"the grammar takes more than {COMPILE_TIME_S:g} s to compile; make it smaller or simpler"
        raise StructuredError(message) from error
    except WorkCrashed as error:
        raise StructuredError(f"the compiler failed on it ({error}); make it smaller or simpler") from error


def _num_bytes(key: _Key) -> int:
    """Return an estimate of what the grammar of this text takes; the matcher does not tell."""
    return _BYTES_A_GRAMMAR + _BYTES_A_CHARACTER * len(key[1])


def _checked(schema: object) -> tuple[dict[str, Any], str]:
    checked = checked_schema(schema)
    return checked, json.dumps(checked)
