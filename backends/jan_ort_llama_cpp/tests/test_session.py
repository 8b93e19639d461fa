"""What the kit does not ask for: steps longer than one call of llama.cpp, and its logits against the bindings' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_backends import OpenOptions, SlotTokens
from jan_ort_llama_cpp import backend

TEXT = np.random.default_rng(3).integers(0, 256, 120)


@pytest.mark.parametrize("chunks", [(60, 60), (64, 56), (2, 118), (20,) * 6])
def test_a_long_prompt_in_chunks_equals_the_whole(tiny_folder: Path, chunks: tuple[int, ...]) -> None:
    session = backend.open(tiny_folder, OpenOptions(num_slots=2))
    whole = session.step([SlotTokens(0, TEXT)]).logits

    for chunk in chunks:
        begin = session.length(1)
        logits = session.step([SlotTokens(1, TEXT[begin : begin + chunk])]).logits

    assert_array_equal(logits, whole)


def test_a_step_of_several_calls_equals_one_of_one(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [SlotTokens(0, TEXT, 5), SlotTokens(1, TEXT[:50], 0), SlotTokens(2, TEXT[:70], 70)]
    whole, cut = (backend.open(tiny_folder, OpenOptions(num_slots=3)) for _ in range(2))
    expected = whole.step(rows).logits

    monkeypatch.setattr("jan_ort_llama_cpp.session.MAX_BATCH_TOKENS", 48)
    logits = cut.step(rows).logits

    assert_array_equal(logits, expected)
    assert [cut.length(slot) for slot in range(3)] == [120, 50, 70]


@pytest.mark.weights
def test_greedy_tokens_equal_those_of_the_bindings_own_loop(smollm2_as_gguf: Path) -> None:
    import llama_cpp

    theirs = llama_cpp.Llama(str(smollm2_as_gguf / "model.gguf"), n_ctx=512, flash_attn=True, verbose=False)
    prompt = theirs.tokenize(b"In the year 1969,")
    tokens = theirs.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0)
    expected = [next(tokens) for _ in range(24)]
    ours = backend.open(smollm2_as_gguf, OpenOptions(num_slots=2, context_length=512))

    found = [int(ours.step([SlotTokens(1, np.array(prompt))]).logits.argmax())]
    while len(found) < 24:
        found.append(int(ours.step([SlotTokens(1, np.array(found[-1:]))]).logits.argmax()))

    assert found == expected
