"""A decoder with states: slots, steps that fail, checkpoints and forks; the backend kit has the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort_backends import BackendError, BadInput, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.sessions.graph_runner import GraphRunner
from tests.fixtures.gguf_models import write

TEXT = np.random.default_rng(3).integers(0, 256, 200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LFM 2: two layers with a convolution, two that attend."""
    path = tmp_path_factory.mktemp("lfm2")
    target = path / "folder"
    target.mkdir()
    convert_gguf(write("lfm2", path), target)
    return target


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    opened = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=6))
    yield opened
    opened.close()


def append(session: Session, slot: int, count: int, *, keep: bool = False) -> NDArray[np.float32]:
    begin = session.length(slot)
    return session.step([SlotTokens(slot, TEXT[begin : begin + count], 1, keep)]).logits[0].copy()


@pytest.mark.parametrize("lengths", [(33,), (33, 65), (1, 33, 97)])
def test_a_row_in_two_runs_has_the_bits_of_any_chunks(session: Session, lengths: tuple[int, ...]) -> None:
    for length in lengths:
        chunked = append(session, 0, length)

    assert np.array_equal(append(session, 1, sum(lengths)), chunked)


def test_a_step_that_fails_in_its_second_run_leaves_every_state(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = GraphRunner.run, []
    for slot in (0, 1, 2, 3):
        append(session, slot, 20)

    def fail_at_fourth(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise BackendError("the second of its runs")
        run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(GraphRunner, "run", fail_at_fourth)
    append(session, 0, 33)  # two runs
    with pytest.raises(BackendError, match="the second of its runs"):
        append(session, 1, 33, keep=True)
    monkeypatch.undo()

    assert [session.length(slot) for slot in range(4)] == [53, 20, 20, 20]
    assert np.array_equal(append(session, 1, 9), append(session, 2, 9))
    with pytest.raises(BadInput, match="length: 20 is not a length that slot 1 can be cut to; it can be to 0, 29"):
        session.truncate(1, 20)
    assert np.array_equal(append(session, 0, 9), append(session, 4, 62))


def test_decoding_slots_with_holes_between_them_move_with_their_states(session: Session) -> None:
    expected = []
    for slot in (0, 5):
        append(session, slot, 10 + slot)
    for at in range(30):
        rows = [SlotTokens(slot, TEXT[session.length(slot) :][:1]) for slot in (0, 5)]
        logits = session.step(rows).logits.copy()
        if at == 0:
            append(session, 2, 12)  # begins between them

    for slot, count in ((1, 10), (3, 15)):
        append(session, slot, count)
        for _ in range(30):
            last = append(session, slot, 1)
        expected.append(last)
    assert np.array_equal(logits, np.stack(expected))
    assert np.array_equal(append(session, 2, 7), append(session, 4, 19))


def test_checkpoints_are_bounded_and_the_last(session: Session) -> None:
    assert session.info.num_checkpoints == 4
    for _ in range(6):
        append(session, 0, 10, keep=True)

    with pytest.raises(BadInput, match="it can be to 0, 30, 40, 50, 60"):
        session.fork(0, 1, 20)
    session.fork(0, 1, 40)
    session.truncate(0, 30)

    assert np.array_equal(append(session, 0, 15), append(session, 1, 5))


def test_memory_is_counted_for_states_and_their_copies(folder: Path) -> None:
    one, three = (OnnxRuntimeBackend().memory_need(folder, OpenOptions(slots, 64)) for slots in (1, 3))

    assert one is not None
    assert three is not None
    keys_and_values = 2 * 2 * 2 * 64 * 32 * 4
    states = 2 * 2 * 128 * 4
    assert three.kv_cache_bytes - one.kv_cache_bytes == 2 * (keys_and_values + (3 + 4) * states)


def test_isolated_it_keeps_and_is_cut_as_in_this_process(folder: Path, session: Session) -> None:
    apart = open_isolated(OnnxRuntimeBackend(), folder, OpenOptions(num_slots=6))
    try:
        told = []
        for each in (session, apart):
            append(each, 0, 20, keep=True)
            append(each, 0, 5)
            with pytest.raises(BadInput, match="it can be to 0, 20, 25"):
                each.truncate(0, 7)
            each.truncate(0, 20)
            told.append((each.info.num_checkpoints, append(each, 0, 4).tolist()))
    finally:
        apart.close()

    assert told[0] == told[1]
