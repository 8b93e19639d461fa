"""What a model would take of the memory, by its files' own words; its session takes about that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest

from jan_ort_backends import OpenOptions, SlotTokens
from jan_ort_onnxruntime import backend
from tests.hostile.test_folders import folder_of


@pytest.mark.parametrize(("layout", "slots"), [("llama", 3 + 1), ("llama-genai", 3)])
def test_the_kv_cache_is_that_of_all_slots(layout: str, slots: int, tmp_path: Path) -> None:
    """One that grows by concatenating holds one sequence twice while it does."""
    folder = folder_of(layout, tmp_path / "model")

    need = backend.memory_need(folder, OpenOptions(3, context_length=64, extra={"provider": "cpu"}))

    assert need is not None
    sizes = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
    layers, heads, head_dim = 2, 2, 16
    assert need.weights_bytes == sizes
    assert need.kv_cache_bytes == 2 * layers * heads * head_dim * 4 * 64 * slots


def test_an_encoder_has_no_cache(tmp_path: Path) -> None:
    need = backend.memory_need(folder_of("bert", tmp_path / "model"), OpenOptions(extra={"provider": "cpu"}))

    assert need is not None
    assert need.kv_cache_bytes == 0


def test_a_provider_that_is_not_here_is_left_to_opening(tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "model")

    assert backend.memory_need(folder, OpenOptions(extra={"provider": "none"})) is None


@pytest.mark.weights
def test_a_session_takes_about_what_was_said(smollm2_folder: Path) -> None:
    options = OpenOptions(4, context_length=1024, extra={"provider": "cpu"})
    need = backend.memory_need(smollm2_folder, options)
    process = psutil.Process()
    before = process.memory_info().rss

    session = backend.open(smollm2_folder, options)
    prompt = np.arange(5, 5 + 1023).astype(np.int64)
    for chunk in (prompt[:512], prompt[512:]):
        session.step([SlotTokens(0, chunk)])
    for slot in range(1, 4):
        session.fork(0, slot, len(prompt))
    taken = process.memory_info().rss - before
    session.close()

    assert need is not None
    assert taken == pytest.approx(need.total_bytes, rel=0.25)  # what other tests have freed may be used again
