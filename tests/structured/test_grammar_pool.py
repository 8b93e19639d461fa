"""Grammars for many requests: each compiled once, in bounded threads, and for nobody who has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jan_ort.ground.worker_pool import PoolBusy, PoolClosed
from jan_ort.structured import grammar_pool
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.grammar_errors import ConstraintFailed, StructuredError
from jan_ort.structured.grammar_pool import CACHE_SIZE, NUM_THREADS, GrammarPool
from tests.structured.walking import Model

MAX_WAITING = 8


class Panic(BaseException):
    """As pyo3's PanicException: no ``Exception``."""


class SlowCompiler(GrammarCompiler):
    """Compiles when it is let go, and notes what it has begun; what is called "panic" ends in one."""

    def __init__(self, compiler: GrammarCompiler) -> None:
        self._compiler = compiler
        self.begun: list[str] = []
        self.gate = threading.Event()

    def gbnf(self, source: str) -> CompiledGrammar:
        self.begun.append(source)
        assert self.gate.wait(20)
        if source == "panic":
            raise Panic("at src/lib.rs")
        return self._compiler.gbnf(f'root ::= "{source}"')


@pytest.fixture
def slow(model: Model) -> Iterator[SlowCompiler]:
    compiler = SlowCompiler(model.compiler)
    yield compiler
    compiler.gate.set()


async def begun(slow: SlowCompiler, number: int) -> None:
    async with asyncio.timeout(20):
        while len(slow.begun) < number:  # noqa: ASYNC110  (what is waited for happens in another thread)
            await asyncio.sleep(0.001)


async def no_thread_of_others() -> None:
    """Wait until the threads of other tests' pools, which are kept for a while, have ended."""
    async with asyncio.timeout(20):
        while any(thread.name == "jan-ort-grammar" for thread in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_same_source_is_compiled_once(grammars: GrammarPool) -> None:
    assert await grammars.gbnf('root ::= "once"') is await grammars.gbnf('root ::= "once"')
    assert await grammars.json_schema({"const": 1}) is await grammars.json_schema({"const": 1})
    assert await grammars.json_object() is await grammars.json_object()


async def test_an_order_of_properties_is_a_schema_of_its_own(grammars: GrammarPool) -> None:
    first = await grammars.json_schema({"properties": {"a": {}, "b": {}}})

    assert await grammars.json_schema({"properties": {"b": {}, "a": {}}}) is not first


async def test_the_least_recently_used_is_forgotten(grammars: GrammarPool) -> None:
    kept, forgotten = await grammars.gbnf('root ::= "kept"'), await grammars.gbnf('root ::= "forgotten"')

    for number in range(CACHE_SIZE - 1):
        await grammars.gbnf(f'root ::= "{number}"')
        await grammars.gbnf('root ::= "kept"')

    assert await grammars.gbnf('root ::= "kept"') is kept
    assert await grammars.gbnf('root ::= "forgotten"') is not forgotten


async def test_large_grammars_that_are_kept_are_bounded_by_their_bytes(grammars: GrammarPool) -> None:
    sources = [f'root ::= "{number}" # {"x" * 200_000}' for number in range(4)]
    small = await grammars.gbnf('root ::= "small"')

    *_, three, four = [await grammars.gbnf(source) for source in sources]

    assert await grammars.gbnf(sources[3]) is four
    assert await grammars.gbnf('root ::= "small"') is not small, "200 KB may stand for 40 MB"
    assert await grammars.gbnf(sources[2]) is not three


async def test_a_grammar_above_the_bound_is_kept_alone(grammars: GrammarPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar_pool, "CACHE_BYTES", 1)

    first, second = await grammars.gbnf('root ::= "1"'), await grammars.gbnf('root ::= "2"')

    assert await grammars.gbnf('root ::= "2"') is second
    assert await grammars.gbnf('root ::= "1"') is not first


async def test_a_failure_is_not_kept(grammars: GrammarPool) -> None:
    for _ in range(2):
        with pytest.raises(StructuredError, match="line 1, column 1"):
            await grammars.gbnf("")


async def test_equal_requests_at_one_time_are_compiled_once(slow: SlowCompiler) -> None:
    grammars = GrammarPool(slow)
    asked = [asyncio.create_task(grammars.gbnf("a")) for _ in range(8)]
    await begun(slow, 1)

    slow.gate.set()

    assert len({id(each) for each in await asyncio.gather(*asked)}) == 1
    assert slow.begun == ["a"]


async def test_one_request_that_leaves_does_not_end_what_another_waits_for(slow: SlowCompiler) -> None:
    grammars = GrammarPool(slow)
    blocking = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS)]
    await begun(slow, NUM_THREADS)
    leaving, staying = (asyncio.create_task(grammars.gbnf("shared")) for _ in range(2))
    await asyncio.sleep(0.01)

    leaving.cancel()
    await asyncio.sleep(0.01)
    slow.gate.set()

    assert isinstance(await staying, CompiledGrammar)
    await asyncio.gather(*blocking)


async def test_what_nobody_waits_for_is_not_begun(slow: SlowCompiler) -> None:
    grammars = GrammarPool(slow)
    blocking = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS)]
    await begun(slow, NUM_THREADS)
    leaving = [asyncio.create_task(grammars.gbnf("dropped")) for _ in range(3)]
    await asyncio.sleep(0.01)

    for each in leaving:
        each.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    slow.gate.set()
    await asyncio.gather(*blocking)

    assert "dropped" not in slow.begun
    assert isinstance(await grammars.gbnf("dropped"), CompiledGrammar)


async def test_slow_grammars_take_few_threads_and_leave_the_others_alone(
    slow: SlowCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_pool, "MAX_WAITING", MAX_WAITING)
    await no_thread_of_others()
    grammars = GrammarPool(slow)
    asked = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS + MAX_WAITING)]
    await begun(slow, NUM_THREADS)

    with pytest.raises(PoolBusy, match=f"{MAX_WAITING} requests are already waiting"):
        await grammars.gbnf("one more")

    assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1
    assert sum(thread.name == "jan-ort-grammar" for thread in threading.enumerate()) == NUM_THREADS
    slow.gate.set()
    assert len(await asyncio.gather(*asked)) == NUM_THREADS + MAX_WAITING


async def test_a_slow_grammar_is_given_up_and_kept_when_it_is_done(
    slow: SlowCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammars = GrammarPool(slow)
    monkeypatch.setattr(grammar_pool, "COMPILE_TIME_S", 0.05)

    for _ in range(3):
        with pytest.raises(StructuredError, match=r"more than 0\.05 s to compile; make it smaller"):
            await grammars.gbnf("a")

    monkeypatch.undo()
    slow.gate.set()
    assert isinstance(await grammars.gbnf("a"), CompiledGrammar)
    assert slow.begun == ["a"]


async def test_the_time_in_the_queue_is_not_the_time_of_the_grammar(
    slow: SlowCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_pool, "COMPILE_TIME_S", 0.05)
    grammars = GrammarPool(slow)
    blocking = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS)]
    waiting = asyncio.create_task(grammars.gbnf("a"))
    assert len(await asyncio.gather(*blocking, return_exceptions=True)) == NUM_THREADS
    assert not waiting.done()

    monkeypatch.setattr(grammar_pool, "COMPILE_TIME_S", 10)
    slow.gate.set()

    assert isinstance(await waiting, CompiledGrammar)


async def test_a_request_does_not_wait_for_a_thread_for_ever(
    slow: SlowCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammars = GrammarPool(slow)
    blocking = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS)]
    await begun(slow, NUM_THREADS)
    monkeypatch.setattr(grammar_pool, "QUEUE_TIME_S", 0.05)

    with pytest.raises(PoolBusy, match=r"no thread was free for 0\.05 s"):
        await grammars.gbnf("a")

    slow.gate.set()
    await asyncio.gather(*blocking)
    assert "a" not in slow.begun


async def test_a_panic_of_the_compiler_is_refused_and_its_thread_lives(slow: SlowCompiler) -> None:
    grammars = GrammarPool(slow)
    slow.gate.set()

    for _ in range(NUM_THREADS + 1):
        with pytest.raises(StructuredError, match=r"the compiler failed on it \(Panic: at src/lib\.rs\)"):
            await grammars.gbnf("panic")

    assert isinstance(await grammars.gbnf("a"), CompiledGrammar)


async def test_who_waits_when_the_model_is_closed_is_told(slow: SlowCompiler) -> None:
    grammars = GrammarPool(slow)
    asked = [asyncio.create_task(grammars.gbnf(str(number))) for number in range(NUM_THREADS + 1)]
    await begun(slow, NUM_THREADS)

    grammars.close()

    for waiting_or_begun in asked:
        with pytest.raises(PoolClosed):
            await waiting_or_begun
    slow.gate.set()


class _Panicking:
    """A matcher of which every method ends in a panic."""

    def __getattr__(self, name: str) -> Any:
        raise Panic(name)


def test_a_panic_at_the_start_of_a_sequence_fails_that_sequence(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = model.compiler.gbnf('root ::= "a"')
    monkeypatch.setattr(grammar, "_matcher", _Panicking())

    with pytest.raises(ConstraintFailed, match="the matcher failed"):
        grammar.start()


@pytest.mark.parametrize("method", ["allowed", "accept", "forced", "closing", "settle"])
def test_a_panic_in_the_middle_of_a_sequence_fails_that_sequence(
    method: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraint = model.compiler.json_object().start()
    monkeypatch.setattr(constraint, "_matcher", _Panicking())
    arguments = {"accept": (5,), "closing": (1,), "settle": (5, 1)}.get(method, ())

    with pytest.raises(ConstraintFailed, match="the matcher failed"):
        getattr(constraint, method)(*arguments)
