"""Heads whose size is no multiple of 16, which attention does not rotate, are rotated before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from tests.convert.gguf_proof import proof_of
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models import write
from tests.fixtures.gguf_models.recordings import TOKEN_IDS


@pytest.mark.parametrize("head_dim", [24, 40])
def test_8_bits_and_float16_agree_and_8_bits_keep_their_promises(head_dim: int, tmp_path: Path) -> None:
    source = write("mistral-nemo", tmp_path, head_dim=head_dim)
    schemes: tuple[Weights, ...] = ("fp16", "int8")
    for weights in schemes:
        (tmp_path / weights).mkdir()
        convert_gguf(source, tmp_path / weights, weights=weights)

    expected = np.asarray(LlamaSession(tmp_path / "fp16").step(TOKEN_IDS)[0], np.float32)
    proof = proof_of(expected, tmp_path / "int8")

    assert proof.kl < 2e-3
    assert proof.chunked
    assert proof.in_company
