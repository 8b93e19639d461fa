"""A prompt whose last block of queries would be one query: no length, chunk or company changes a bit."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.fixtures.gguf_models import write

LONGEST = 140
HEADS = {"mistral-nemo": 16, "llama": 32, "qwen3": 64}
"""Of each file, a head's size: a block of its attention has twice as many queries."""


@pytest.fixture(scope="module", params=HEADS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    path, folder = write(request.param, tmp_path_factory.mktemp("file")), tmp_path_factory.mktemp("model")
    convert_gguf(path, folder, weights="int8")
    session = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=2, context_length=256))
    yield session
    session.close()


@pytest.fixture(scope="module")
def token_ids(session: Session) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(5, session.info.vocab_size - 5, LONGEST)


@pytest.fixture(scope="module")
def expected(session: Session, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits of every position, computed by twos: never a block of one query."""
    return logits(session, token_ids, [2] * (LONGEST // 2))


def logits(session: Session, token_ids: NDArray[np.int64], chunks: list[int]) -> NDArray[np.float32]:
    session.truncate(0, 0)
    ends = np.cumsum(chunks)
    steps = [SlotTokens(0, token_ids[end - num : end], num) for num, end in zip(chunks, ends, strict=True)]
    return np.concatenate([session.step([step]).logits.copy() for step in steps])


def test_no_length_changes_a_bit(session: Session, token_ids: NDArray[np.int64], expected: NDArray[np.float32]) -> None:
    for num in range(2, LONGEST):
        assert_array_equal(logits(session, token_ids, [num]), expected[:num], f"{num} tokens")


@pytest.mark.parametrize("first", [7, 65])
def test_no_chunk_after_others_changes_a_bit(
    session: Session, token_ids: NDArray[np.int64], expected: NDArray[np.float32], first: int
) -> None:
    for num in (33, 65):
        assert_array_equal(logits(session, token_ids, [first, num]), expected[: first + num], f"{num} tokens")


@pytest.mark.parametrize("lengths", [(33, 31), (65, 65), (60, 65), (129, 110)])
def test_no_company_changes_a_bit(
    session: Session, token_ids: NDArray[np.int64], expected: NDArray[np.float32], lengths: tuple[int, int]
) -> None:
    for slot in range(2):
        session.truncate(slot, 0)
    batch = [SlotTokens(slot, token_ids[:num], num) for slot, num in enumerate(lengths)]

    together = session.step(batch).logits

    assert_array_equal(together, np.concatenate([expected[:num] for num in lengths]))
