"""Every layout of every architecture computes what torch computes, in every kind of step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jan_ort_backends import Accepts, BadInput, OpenOptions, Session, SlotTokens, check_session
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.sessions import decoding_session
from tests.backends.onnxruntime.layout_folders import golden_paths, layouts_and_architectures, write_folder

TOLERANCE = {"float16": 0.02}  # keys, values and logits lose 13 of their 24 bits; elsewhere 1e-4
MATRIX = list(layouts_and_architectures())


@pytest.fixture(scope="module", params=MATRIX, ids=["-".join(each) for each in MATRIX])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    layout, architecture = request.param
    return layout, architecture, write_folder(layout, architecture, tmp_path_factory.mktemp("model") / "folder")


@pytest.fixture(scope="module")
def opened(case: tuple[str, str, Path]) -> Iterator[Session]:
    session = OnnxRuntimeBackend().open(case[2], OpenOptions(num_slots=4))
    yield session
    session.close()


@pytest.fixture
def session(opened: Session) -> Session:
    for slot in range(4):
        opened.truncate(slot, 0)
    return opened


def test_the_folder_is_accepted_and_the_session_keeps_what_is_declared(
    case: tuple[str, str, Path], session: Session
) -> None:
    backend = OnnxRuntimeBackend()

    check_session(backend, session)

    assert backend.accepts(case[2]) == Accepts()
    assert session.info.vocab_size == 300
    unknown = case[0] == "bare" and case[1] != "gpt2"  # whose graph has a table of 128 positions
    assert session.info.context_length == (2048 if unknown else 128)


def test_greedy_tokens_and_logits_are_those_of_torch(case: tuple[str, str, Path], session: Session) -> None:
    tolerance = TOLERANCE.get(case[0], 1e-4)

    for slot, path in enumerate(golden_paths(case[1])):
        chunks = [path.prompt, *(np.array([token]) for token in path.tokens[:-1])]
        logits = [session.step([SlotTokens(slot, chunk)]).logits[0].copy() for chunk in chunks]

        decided = path.margins() > 2 * tolerance  # all of them, but for float16
        assert_array_equal(np.argmax(logits, axis=1)[decided], path.tokens[decided])
        assert_allclose(logits, path.logits, rtol=0, atol=tolerance)


def test_prefill_predicts_what_decoding_predicts(case: tuple[str, str, Path], session: Session) -> None:
    path = golden_paths(case[1])[2]
    token_ids = np.concatenate([path.prompt, path.tokens[:-1]])

    every = session.step([SlotTokens(0, token_ids, len(path.tokens))]).logits

    assert_allclose(every, path.logits, rtol=0, atol=TOLERANCE.get(case[0], 1e-4))


def test_a_batch_gives_the_same_logits_to_the_bit_as_each_row_alone(
    case: tuple[str, str, Path], session: Session
) -> None:
    paths = golden_paths(case[1])
    together = [session.step([SlotTokens(slot, path.prompt) for slot, path in enumerate(paths)]).logits.copy()]
    together.append(session.step([SlotTokens(slot, path.tokens[:1]) for slot, path in enumerate(paths)]).logits.copy())

    for index, path in enumerate(paths):
        session.truncate(3, 0)
        assert_array_equal(session.step([SlotTokens(3, path.prompt)]).logits[0], together[0][index])
        assert_array_equal(session.step([SlotTokens(3, path.tokens[:1])]).logits[0], together[1][index])


def test_forks_and_truncated_slots_continue_as_their_prefix_does(case: tuple[str, str, Path], session: Session) -> None:
    path = golden_paths(case[1])[2]
    session.step([SlotTokens(0, path.prompt)])
    session.fork(0, 1, 12)
    forked = session.step([SlotTokens(1, path.prompt[12:])]).logits.copy()
    session.truncate(0, 12)
    truncated = session.step([SlotTokens(0, path.prompt[12:])]).logits

    assert_array_equal(forked, truncated)
    assert_allclose(forked[0], path.logits[0], rtol=0, atol=TOLERANCE.get(case[0], 1e-4))
    assert (session.length(0), session.length(1)) == (23, 23)


def test_several_rows_of_several_tokens_with_a_past_are_refused(session: Session) -> None:
    session.step([SlotTokens(0, np.arange(3))])

    with pytest.raises(BadInput, match="mixed_batch"):
        session.step([SlotTokens(0, np.arange(2)), SlotTokens(1, np.arange(2))])


def test_a_step_whose_logits_cannot_be_ordered_changes_no_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = OnnxRuntimeBackend().open(write_folder("float16", "llama", tmp_path / "folder"), OpenOptions(num_slots=2))

    def fail(logits: object) -> None:
        raise ValueError("no order")

    monkeypatch.setattr(decoding_session, "find_largest", fail)

    with pytest.raises(ValueError, match="no order"):
        session.step([SlotTokens(1, np.arange(3))])
    assert [session.length(slot) for slot in range(2)] == [0, 0]


def test_a_saved_slot_goes_on_to_the_bit(session: Session) -> None:
    for slot in (0, 1):
        session.step([SlotTokens(slot, np.arange(5, 25))])
        session.step([SlotTokens(slot, np.array([7]))])
    state = session.save(0)
    session.truncate(0, 0)
    session.step([SlotTokens(0, np.arange(60, 100))])

    for slot in (0, 2):
        session.load(slot, state)

    found = [session.step([SlotTokens(slot, np.array([9]))]).logits.copy() for slot in (1, 0, 2)]
    assert_array_equal(found[1], found[0])
    assert_array_equal(found[2], found[0])
