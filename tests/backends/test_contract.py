"""What every backend that generates owes the server, on the reference and on onnxruntime; equal means to the bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from jan_ort_backends import (
    Accepts,
    Backend,
    BadInput,
    Capability,
    ContextOverflow,
    Interrupted,
    ModelError,
    OpenOptions,
    Session,
    SlotTokens,
    check_session,
)
from tests.backends.conftest import OpenSession

TEXT = np.random.default_rng(11).integers(0, 256, 128)


def append(session: Session, slot: int, *chunks: int, num_logits: int = 1) -> NDArray[np.float32]:
    """Append the next tokens of TEXT to ``slot`` in chunks, and return a copy of the last chunk's logits."""
    for chunk in chunks:
        begin = session.length(slot)
        wanted = min(num_logits, chunk)
        logits = session.step([SlotTokens(slot, TEXT[begin : begin + chunk], wanted)]).logits.copy()
    return logits


def decode(session: Session, *slots: int) -> NDArray[np.float32]:
    """Append the next token of TEXT to each slot in one step."""
    rows = [SlotTokens(slot, TEXT[session.length(slot) :][:1]) for slot in slots]
    return session.step(rows).logits.copy()


def test_an_open_session_keeps_what_is_declared(backend_and_folder: tuple[Backend, object], session: Session) -> None:
    backend, _ = backend_and_folder

    check_session(backend, session)

    assert (session.info.num_slots, session.info.context_length) == (6, 128)
    assert len(session.info.weights_hash) == 64


def test_its_own_folder_is_accepted_and_the_machine_suits(backend_and_folder: tuple[Backend, object]) -> None:
    backend, folder = backend_and_folder

    assert backend.accepts(folder) == Accepts()  # type: ignore[arg-type]
    assert type(backend.probe()).__name__ == "Available"


def test_prefill_predicts_what_decoding_token_by_token_predicts(session: Session) -> None:
    prefilled = append(session, 0, 20)

    decoded = append(session, 1, *[1] * 20)

    assert prefilled.shape == (1, session.info.vocab_size)
    assert prefilled.dtype == np.float32
    np.testing.assert_allclose(decoded, prefilled, rtol=0, atol=1e-5)


@pytest.mark.parametrize("chunks", [(2, 38), (38, 2), (7, 20, 13), (10,) * 4])
def test_a_prompt_in_chunks_equals_the_whole_prompt(session: Session, chunks: tuple[int, ...]) -> None:
    whole = append(session, 0, 40)

    chunked = append(session, 1, *chunks)

    assert_array_equal(chunked, whole)


def test_logits_of_every_position_equal_those_of_each_prefix(session: Session) -> None:
    every = append(session, 0, 12, num_logits=12)

    for length in (2, 5, 12):
        session.truncate(1, 0)
        assert_array_equal(append(session, 1, length)[0], every[length - 1])


def test_no_logits_are_returned_when_none_are_wanted(session: Session) -> None:
    silent = append(session, 0, 10, num_logits=0)

    assert silent.shape == (0, session.info.vocab_size)
    assert_array_equal(append(session, 0, 5), append(session, 1, 15))


@pytest.mark.parametrize("company", [(0, 1), (1, 0), (5, 0, 3), (2, 4), (5, 4, 3, 2, 1, 0)])
def test_decoding_in_any_company_equals_decoding_alone(session: Session, company: tuple[int, ...]) -> None:
    alone = []
    for slot, length in enumerate((9, 31, 2, 64, 17, 40)):
        append(session, slot, length)
        alone.append(decode(session, slot)[0])
        session.truncate(slot, length)

    together = decode(session, *company)

    assert_array_equal(together, [alone[slot] for slot in company])


def test_idle_slots_between_active_ones_keep_their_content(session: Session) -> None:
    for slot in range(4):
        append(session, slot, 60)

    for _ in range(5):
        decode(session, 0, 3)

    for slot in (1, 2):
        assert_array_equal(append(session, slot, 10), append(session, 3 + slot, 60, 10))


def test_a_full_slot_between_active_ones_keeps_its_content(session: Session) -> None:
    for slot, length in enumerate((60, 128, 60)):
        append(session, slot, length)
    expected = append(session, 3, 126, 2)

    decode(session, 0, 2)
    session.truncate(1, 126)

    assert_array_equal(append(session, 1, 2), expected)


def test_long_decoding_in_changing_company_equals_decoding_alone(session: Session) -> None:
    for slot in range(6):
        append(session, slot, 5 + 3 * slot)
    companies = [(0, 5), (0, 5, 3), (5, 1), (4, 2, 0), (1, 3, 5)] * 6

    last = {slot: row for company in companies for slot, row in zip(company, decode(session, *company), strict=True)}

    for slot in (5, 4, 3, 2, 1, 0):
        length = session.length(slot)
        session.truncate(slot, 0)
        append(session, slot, 5 + 3 * slot, *[1] * (length - 5 - 3 * slot - 1))
        assert_array_equal(decode(session, slot)[0], last[slot])


@pytest.mark.parametrize("lengths", [(10, 11, 12), (3, 40, 5), (1, 1), (1, 6, 1, 5)])
def test_first_prompts_together_equal_each_alone(session: Session, lengths: tuple[int, ...]) -> None:
    rows = [SlotTokens(slot, TEXT[:length]) for slot, length in enumerate(lengths)]
    together = session.step(rows).logits.copy()

    continued = decode(session, *range(len(lengths)))

    for slot, length in enumerate(lengths):
        session.truncate(5, 0)
        assert_array_equal(together[slot], append(session, 5, length)[0])
        assert_array_equal(continued[slot], decode(session, 5)[0])


def test_prompts_start_in_whatever_slots_are_empty(session: Session) -> None:
    for slot in (0, 2, 5):
        append(session, slot, 8 + slot)

    together = session.step([SlotTokens(slot, TEXT[:9]) for slot in (4, 1, 3)]).logits.copy()

    assert_array_equal(together[0], together[1])
    assert_array_equal(together[0], together[2])
    assert_array_equal(append(session, 0, 2, 3), append(session, 4, 4))


def test_truncated_slots_continue_as_if_nothing_had_followed(session: Session) -> None:
    append(session, 0, 30)

    session.truncate(0, 12)
    again = append(session, 0, 8)

    assert session.length(0) == 20
    assert_array_equal(again, append(session, 1, 12, 8))


def test_a_fork_continues_like_its_source_and_apart_from_it(session: Session) -> None:
    append(session, 0, 30)
    append(session, 3, 50)

    session.fork(0, 3, 20)
    forked = append(session, 3, 10)
    session.truncate(0, 20)

    assert session.length(3) == 30
    assert_array_equal(forked, append(session, 0, 10))


def test_top_logits_are_the_largest_in_order(session: Session) -> None:
    step = session.step([SlotTokens(0, TEXT[:9], 4)])
    assert step.top_logits is not None
    assert step.top_token_ids is not None

    expected = np.argsort(-step.logits, axis=1, kind="stable")[:, : step.top_logits.shape[1]]

    assert_array_equal(step.top_token_ids, expected)
    assert_array_equal(step.top_logits, np.take_along_axis(step.logits, expected, axis=1))


@pytest.mark.parametrize(
    ("rows", "param"),
    [
        ([], "batch"),
        ([SlotTokens(0, TEXT[:0], 0)], "token_ids"),
        ([SlotTokens(0, np.array([-1]))], "token_ids"),
        ([SlotTokens(0, np.array([100_000]))], "token_ids"),
        ([SlotTokens(6, TEXT[:2])], "slot"),
        ([SlotTokens(-1, TEXT[:2])], "slot"),
        ([SlotTokens(0, TEXT[:2]), SlotTokens(0, TEXT[:2])], "slot"),
        ([SlotTokens(0, TEXT[:2], 3)], "num_logits"),
    ],
)
def test_bad_input_is_refused_by_name(session: Session, rows: list[SlotTokens], param: str) -> None:
    with pytest.raises(BadInput) as caught:
        session.step(rows)

    assert caught.value.param == param
    assert session.length(0) == 0


def test_the_context_can_be_filled_to_the_last_token_and_no_further(session: Session) -> None:
    append(session, 0, 127)
    append(session, 1, 20)
    decode(session, 0, 1)

    with pytest.raises(ContextOverflow, match="slot 0 holds 128 tokens and 1 more exceed the context length of 128"):
        session.step([SlotTokens(1, TEXT[:1]), SlotTokens(0, TEXT[:1])])

    assert [session.length(slot) for slot in (0, 1)] == [128, 21]


def test_a_prefix_that_a_slot_does_not_hold_is_refused(session: Session) -> None:
    append(session, 0, 5)

    with pytest.raises(BadInput, match=r"length: 6 is outside 0\.\.5"):
        session.truncate(0, 6)
    with pytest.raises(BadInput, match=r"length: 6 is outside 0\.\.5"):
        session.fork(0, 1, 6)
    with pytest.raises(BadInput, match="target"):
        session.fork(0, 9, 2)


def test_an_interrupt_between_steps_does_not_harm_the_next_step(session: Session) -> None:
    session.interrupt()

    logits = append(session, 0, 10)

    assert_array_equal(logits, append(session, 1, 10))


def test_an_interrupt_at_any_moment_leaves_a_whole_step_or_none(session: Session) -> None:
    expected = append(session, 1, 120)
    outcomes = set()

    for delay_s in [0.0, 0.0003, 0.0006, 0.001, 0.002, 0.005, 0.1] * 50:
        timer = threading.Timer(delay_s, session.interrupt)
        timer.start()
        outcomes.add(attempt(session, expected))
        timer.join()
        if len(outcomes) == 2:
            break

    assert outcomes == {"interrupted", "finished"}


def attempt(session: Session, expected: NDArray[np.float32]) -> str:
    """Prefill slot 0 in the face of interrupts: check what either outcome promises."""
    try:
        logits = append(session, 0, 120)
    except Interrupted:
        assert session.length(0) == 0
        return "interrupted"
    assert_array_equal(logits, expected)
    session.truncate(0, 0)
    return "finished"


def test_mixed_rows_work_if_and_only_if_declared(backend_and_folder: tuple[Backend, object], session: Session) -> None:
    append(session, 0, 5)
    rows = [SlotTokens(0, TEXT[5:6]), SlotTokens(1, TEXT[:7])]

    if Capability.MIXED_BATCH in backend_and_folder[0].capabilities:
        assert_array_equal(session.step(rows).logits[1], append(session, 2, 7)[0])
    else:
        with pytest.raises(BadInput, match="mixed_batch"):
            session.step(rows)


def test_sessions_are_independent_and_may_be_closed_twice(open_session: OpenSession) -> None:
    first, second = open_session(num_slots=1), open_session(num_slots=2)
    expected = append(first, 0, 10)

    first.close()
    first.close()

    assert_array_equal(append(second, 1, 10), expected)


@pytest.mark.parametrize(
    "options", [OpenOptions(num_slots=0), OpenOptions(context_length=100_000), OpenOptions(extra={"nonsense": "1"})]
)
def test_options_that_cannot_be_had_are_refused(
    backend_and_folder: tuple[Backend, object], options: OpenOptions
) -> None:
    backend, folder = backend_and_folder

    with pytest.raises(ModelError):
        backend.open(folder, options)  # type: ignore[arg-type]
