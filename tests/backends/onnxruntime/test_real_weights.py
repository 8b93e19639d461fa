"""The onnxruntime backend with real weights: the exactness that the server promises, memory, interrupts, meaning."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from numpy.testing import assert_array_equal

from jan_ort_backends import Interrupted, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend

pytestmark = pytest.mark.weights

TEXT = np.random.default_rng(5).integers(100, 40_000, 600)


@pytest.fixture(scope="module")
def session(smollm2_folder: Path) -> Iterator[Session]:
    session = OnnxRuntimeBackend().open(smollm2_folder, OpenOptions(num_slots=8))
    yield session
    session.close()


@pytest.fixture(autouse=True)
def _empty(session: Session) -> None:
    for slot in range(8):
        session.truncate(slot, 0)


def test_chunks_of_two_and_more_equal_the_whole_prompt(session: Session) -> None:
    whole = session.step([SlotTokens(0, TEXT[:200])]).logits.copy()

    for begin, end in ((0, 2), (2, 99), (99, 198), (198, 200)):
        chunked = session.step([SlotTokens(1, TEXT[begin:end])]).logits

    assert_array_equal(chunked, whole)


def test_decoding_in_a_batch_of_any_size_equals_decoding_alone(session: Session) -> None:
    alone = []
    for slot in range(8):
        length = 7 + 31 * slot
        session.step([SlotTokens(slot, TEXT[:length], 0)])
        alone.append(session.step([SlotTokens(slot, TEXT[length : length + 1])]).logits[0].copy())
        session.truncate(slot, length)

    for slots in ([0, 1], [6, 2, 4], [7, 0], list(range(8))):
        rows = [SlotTokens(slot, TEXT[session.length(slot) :][:1]) for slot in slots]
        assert_array_equal(session.step(rows).logits, [alone[slot] for slot in slots])
        for slot in slots:
            session.truncate(slot, 7 + 31 * slot)


def test_the_memory_of_the_kv_cache_follows_its_content(session: Session) -> None:
    process = psutil.Process()
    session.step([SlotTokens(0, TEXT[:2])])
    before = process.memory_info().rss

    for slot in range(1, 8):
        session.step([SlotTokens(slot, TEXT[:16])])

    # 7 × 16 positions of 46 KB are 5 MB, in pages of 4 KB; with huge pages they would be hundreds.
    assert process.memory_info().rss - before < 30_000_000


def test_a_long_prefill_is_interrupted_at_once_and_can_be_repeated(session: Session) -> None:
    prompt = np.resize(TEXT, 4000)
    timer = threading.Timer(0.3, session.interrupt)
    started = time.perf_counter()
    timer.start()

    with pytest.raises(Interrupted):
        session.step([SlotTokens(0, prompt)])

    assert time.perf_counter() - started < 2.0
    assert session.length(0) == 0
    first = session.step([SlotTokens(0, prompt[:50])]).logits.copy()
    assert_array_equal(first, session.step([SlotTokens(1, prompt[:50])]).logits)


def test_sentences_of_like_meaning_have_like_vectors(minilm_folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    session = OnnxRuntimeBackend().open(minilm_folder, OpenOptions())
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "The central bank raised interest rates."]

    cat, kitten, bank = session.embed([np.array(tokenizer.encode(text).ids) for text in texts])

    assert cat @ kitten > 0.5
    assert cat @ bank < 0.2
