"""Aborts in a running engine: in whatever phase, the slot is free within a step."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import BackendError, Capability, SlotTokens, StepOutput
from tests.engine.running import (
    ALL,
    WAIT_S,
    HeldSession,
    ask,
    encode,
    events_of,
    generate,
    running,
    twin_generate,
    wait_until,
)

ENDLESS = SamplingParams(400, min_tokens=400, seed=1)
SHORT = SamplingParams(6, min_tokens=6, seed=2)
LONG = "The server reads a question and writes an answer. " * 6


def test_an_abort_interrupts_a_prefill_and_frees_its_slot(held: HeldSession) -> None:
    asked = ask(LONG, ENDLESS)

    with running(held) as engine:
        engine.submit(asked)
        held.entered.get(timeout=WAIT_S)
        engine.abort(asked.id)
        held.release()
        wait_until(lambda: engine.num_queued == 0)

        assert held.length(0) == 0
        assert generate(engine, "Hello", SHORT).token_ids == tuple(twin_generate(encode("Hello"), SHORT)[0])
    assert asked.sink.empty()


def test_an_abort_that_comes_before_the_backend_has_begun_its_step_is_not_lost() -> None:
    class Begins(HeldSession):
        def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
            if len(self.batches) == 1:
                engine.abort(asked.id)  # and this forgets what came before it
            return super().run(batch)

    session, asked = Begins(num_slots=1), ask(LONG, ENDLESS)
    session.held = True

    with running(session) as engine:
        engine.submit(asked)
        session.entered.get(timeout=WAIT_S)
        session.interrupted.clear()
        assert session.interrupted.wait(WAIT_S)
        session.release()
        wait_until(lambda: engine.num_queued == 0)

        assert session.length(0) == 0
    assert (len(session.batches), asked.sink.empty()) == (1, True)


def test_an_abort_that_comes_while_a_step_is_prepared_keeps_it_from_being_computed() -> None:
    class Prepares(HeldSession):
        def truncate(self, slot: int, length: int) -> None:
            engine.abort(asked.id)
            super().truncate(slot, length)

    session, asked = Prepares(num_slots=1), ask(LONG, ENDLESS)

    with running(session) as engine:
        engine.submit(asked)
        wait_until(lambda: engine.num_queued == 0)

    assert (session.batches, asked.sink.empty()) == ([], True)


def test_a_backend_that_cannot_interrupt_after_all_leaves_the_abort_to_the_end_of_the_step(held: HeldSession) -> None:
    def fail() -> None:
        raise BackendError("no")

    held.interrupt = fail  # type: ignore[method-assign]
    asked = ask(LONG, ENDLESS)

    with running(held) as engine:
        engine.submit(asked)
        held.entered.get(timeout=WAIT_S)
        engine.abort(asked.id)
        held.release()
        wait_until(lambda: engine.num_queued == 0)

    assert len(held.batches) == 1


def test_without_interrupt_an_aborted_prefill_ends_with_its_step(held: HeldSession) -> None:
    asked = ask(LONG, ENDLESS)

    with running(held, capabilities=ALL - {Capability.INTERRUPT}) as engine:
        engine.submit(asked)
        held.entered.get(timeout=WAIT_S)
        engine.abort(asked.id)
        held.release()
        wait_until(lambda: engine.num_queued == 0)

    assert len(held.batches) == 1


def test_an_abort_in_decode_frees_the_slot_within_a_step(held: HeldSession) -> None:
    first, second = ask("Hello", ENDLESS), ask("The river", SHORT)

    with running(held) as engine:
        engine.submit(first)
        held.entered.get(timeout=WAIT_S)
        held.allow.release()
        held.entered.get(timeout=WAIT_S)  # the first decode step
        engine.submit(second)
        engine.abort(first.id)
        held.release()
        (output,) = events_of(second)

    assert output.token_ids == tuple(twin_generate(encode("The river"), SHORT)[0])
    assert len(held.batches) == 2 + SHORT.max_tokens
    assert first.sink.empty()


def test_an_abort_while_waiting_leaves_the_running_request(held: HeldSession) -> None:
    first, second = ask("Hello", SHORT), ask("The river", ENDLESS)

    with running(held) as engine:
        engine.submit(first)
        held.entered.get(timeout=WAIT_S)
        engine.submit(second)
        engine.abort(second.id)
        held.release()
        (output,) = events_of(first)
        wait_until(lambda: engine.num_queued == 0)

    assert output.token_ids == tuple(twin_generate(encode("Hello"), SHORT)[0])
    assert second.sink.empty()


def test_an_abort_of_what_is_over_or_unknown_is_silent() -> None:
    asked = ask("Hello", SHORT)

    with running() as engine:
        engine.submit(asked)
        events_of(asked)
        engine.abort(asked.id)
        engine.abort("unknown")

        assert generate(engine, "Hello", SHORT).finish_reason == "length"
        assert engine.num_queued == 0
