"""How requests end early in a running engine: failing steps, and the end of the engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from jan_ort.engine import engine as engine_module
from jan_ort.engine.engine import Engine
from jan_ort.engine.engine_errors import EngineFailed, EngineStopped, StepFailed
from jan_ort.engine.events import SequenceOutput
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import DeviceLost, Interrupted, OutOfMemory, SlotTokens
from tests.engine.running import (
    ALL,
    CHUNKED,
    PLAIN,
    TOKENIZER,
    WAIT_S,
    HeldSession,
    Panic,
    Sink,
    ask,
    encode,
    events_of,
    generate,
    put_all,
    running,
    twin_generate,
    wait_until,
)

ENDLESS = SamplingParams(400, min_tokens=400, seed=1)
SHORT = SamplingParams(6, min_tokens=6, seed=2)
LONG = "The server reads a question and writes an answer. " * 6


@pytest.mark.parametrize("error", [OutOfMemory("no room"), DeviceLost("gone", recoverable=True), RuntimeError("a bug")])
def test_a_failing_step_fails_its_batch_and_the_engine_serves_on(held: HeldSession, error: Exception) -> None:
    first, second = ask("Hello", ENDLESS), ask("The river", SHORT)

    with running(held) as engine:
        engine.submit(first)
        held.entered.get(timeout=WAIT_S)
        engine.submit(second)
        held.fails = lambda batch: error if len(held.batches) == 3 else None
        held.release()
        (failed,), (output,) = events_of(first), events_of(second)
        wait_until(lambda: engine.num_queued == 0)

    assert isinstance(failed.error, StepFailed)
    assert failed.error.__cause__ is error
    assert str(error) in str(failed.error)
    assert output.token_ids == tuple(twin_generate(encode("The river"), SHORT)[0])


def test_a_failing_prefill_leaves_the_streams_that_are_not_in_its_batch() -> None:
    session = HeldSession(num_slots=4)
    session.fails = lambda batch: OutOfMemory("too long") if len(batch[0].token_ids) > 20 else None
    stream, long = ask("Hello", SamplingParams(40, min_tokens=40, seed=3), stream=True), ask(LONG, SHORT)

    with running(session, capabilities=CHUNKED) as engine:
        engine.submit(stream)
        events = [stream.sink.get(timeout=WAIT_S)]
        engine.submit(long)
        (failed,) = events_of(long)
        events += events_of(stream)

    assert isinstance(failed.error, StepFailed)
    tokens = [token_id for event in events for token_id in event.token_ids]
    assert tokens == twin_generate(encode("Hello"), stream.prompts[0].params)[0]


def test_a_failing_fork_fails_the_sequence_that_needed_it() -> None:
    class ForkFails(HeldSession):
        def fork(self, source: int, target: int, length: int) -> None:
            raise OutOfMemory("no room for a copy")

    stream, copy = ask(LONG, SamplingParams(40, min_tokens=40, seed=3), stream=True), ask(LONG, SHORT)
    with running(ForkFails(num_slots=2), capabilities=CHUNKED) as engine:
        engine.submit(stream)
        stream.sink.get(timeout=WAIT_S)
        engine.submit(copy)
        (failed,) = events_of(copy)

        assert isinstance(failed.error, StepFailed)
        assert generate(engine, "Hello", SHORT).token_ids == tuple(twin_generate(encode("Hello"), SHORT)[0])


def test_a_failing_fork_fails_its_sequence_also_where_the_step_is_a_decode_of_others() -> None:
    class ForkFails(HeldSession):
        def fork(self, source: int, target: int, length: int) -> None:
            raise OutOfMemory("no room for a copy")

    session = ForkFails(num_slots=2)
    session.held = True
    stream, copy = ask(LONG, SHORT), ask(LONG, SHORT)
    with running(session, capabilities=CHUNKED) as engine:
        engine.submit(stream)
        session.entered.get(timeout=WAIT_S)
        engine.submit(copy)  # the next step decodes, and copies for the step after it
        session.release()
        (output,), (failed,) = events_of(stream), events_of(copy)

    assert isinstance(failed.error, StepFailed)
    assert output.token_ids == tuple(twin_generate(encode(LONG), SHORT)[0])
    assert len(session.batches) == SHORT.max_tokens  # none of them is the copy's


def test_close_ends_everything_and_may_be_called_twice(held: HeldSession) -> None:
    first, second = ask("Hello", ENDLESS), ask("The river", ENDLESS, stream=True)

    with running(held) as engine:
        engine.submit(first)
        engine.submit(second)
        held.entered.get(timeout=WAIT_S)
        held.release()
        engine.close()
        engine.close()
        ended = [events_of(asked)[-1] for asked in (first, second)]

        assert [type(event.error) for event in ended] == [EngineStopped, EngineStopped]
        assert (engine.num_queued, held.num_closed) == (0, 1)
        with pytest.raises(EngineStopped):
            engine.submit(ask("Hello", SHORT))


def test_close_interrupts_a_prefill(held: HeldSession) -> None:
    asked = ask(LONG, ENDLESS)

    with running(held) as engine:
        engine.submit(asked)
        held.entered.get(timeout=WAIT_S)
        closing = threading.Thread(target=engine.close)
        closing.start()
        assert held.interrupted.wait(WAIT_S)
        held.release()
        closing.join(WAIT_S)

        assert held.length(0) == 0
        assert isinstance(events_of(asked)[-1].error, EngineStopped)


def test_an_engine_that_never_started_ends_its_requests_when_closed() -> None:
    session = HeldSession(num_slots=1)
    engine = Engine(session, capabilities=ALL, tokens=TOKENIZER, eos_token_ids=[], deliver=put_all)
    asked = ask("Hello", SHORT)
    engine.submit(asked)

    engine.close()

    assert [type(event.error) for event in events_of(asked)] == [EngineStopped]
    assert session.num_closed == 1


def test_requests_submitted_while_the_engine_closes_are_refused_or_ended() -> None:
    asked = [ask("Hello", SHORT) for _ in range(200)]
    taken = []

    with running() as engine:
        closing = threading.Thread(target=engine.close)
        for at, each in enumerate(asked):
            if at == 20:
                closing.start()
            try:
                engine.submit(each)
            except EngineStopped:
                break
            taken.append(each)
        closing.join(WAIT_S)

    assert all(events_of(each)[-1].is_last for each in taken)
    assert len(taken) >= 20


@pytest.mark.parametrize("kind", [RuntimeError, Panic, SystemExit])
def test_an_error_of_the_engine_itself_ends_every_request(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def deliver_badly(events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
        calls.append(len(events))
        if len(calls) == 1:
            raise kind("the loop is gone")
        put_all(events)

    asked = ask("Hello", ENDLESS)
    with running(deliver=deliver_badly) as engine:
        engine.submit(asked)
        (event,) = events_of(asked)

        assert isinstance(event.error, EngineFailed)
        with pytest.raises(EngineFailed, match=rf"has failed \({kind.__name__}\): unload the model"):
            engine.submit(ask("Hello", SHORT))
        assert isinstance(engine.failure, EngineFailed)
    assert "the loop is gone" in caplog.text


def test_an_engine_that_can_tell_nobody_still_frees_its_session(caplog: pytest.LogCaptureFixture) -> None:
    def deliver_nothing(events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
        raise Panic("no loop at all")

    session = HeldSession(num_slots=1)
    with running(session, deliver=deliver_nothing) as engine:
        engine.submit(ask("Hello", SHORT))
        wait_until(lambda: session.num_closed == 1)

        assert engine.num_queued == 0
        with pytest.raises(EngineFailed):
            engine.submit(ask("Hello", SHORT))
        assert engine.close()
    assert "has not stopped properly" in caplog.text


def test_close_says_whether_the_thread_has_ended(held: HeldSession) -> None:
    with running(held, capabilities=PLAIN) as engine:
        engine.submit(ask("Hello", SHORT))
        held.entered.get(timeout=WAIT_S)

        hangs = engine.close(timeout_s=0.01)
        held.release()

        assert (hangs, engine.close()) == (False, True)


class EndingSession(HeldSession):
    """Its process has just ended by itself when it is to be killed; the call that ran in it is about to raise."""

    def kill(self) -> bool:
        threading.Timer(0.1, self.release).start()
        return False


def test_close_waits_for_the_thread_of_a_session_that_has_ended_before_it_was_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "KILL_S", 0.01)
    session = EndingSession(num_slots=1)
    session.held = True
    with running(session, capabilities=PLAIN) as engine:
        engine.submit(ask("Hello", SHORT))
        session.entered.get(timeout=WAIT_S)

        assert engine.close()


def test_a_step_that_nobody_interrupted_and_says_so_has_failed() -> None:
    session = HeldSession(num_slots=1)
    session.fails = lambda batch: Interrupted("by nobody")
    with running(session) as engine:
        event = generate(engine, "Hello", SHORT)

    assert isinstance(event.error, StepFailed)
    assert "by nobody" in str(event.error)


def test_a_step_that_fails_once_is_not_remembered_by_the_slot() -> None:
    session = HeldSession(num_slots=1)
    failures = iter([None, OutOfMemory("once")])

    def fails(batch: Sequence[SlotTokens]) -> Exception | None:
        return next(failures, None)

    session.fails = fails
    with running(session) as engine:
        failed = generate(engine, LONG, SHORT)
        again = generate(engine, LONG, SHORT)

    assert isinstance(failed.error, StepFailed)
    assert again.num_cached_tokens == 0
    assert again.token_ids == tuple(twin_generate(encode(LONG), SHORT)[0])
