"""A conversion that needs more memory than there is, is refused with the numbers before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.convert import convert_gguf, convert_sentence_transformers
from jan_ort.convert.peak_memory import VALUE_BYTES, check_peak, check_served
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import HIDDEN, VOCAB, TinyLlama


def test_a_gguf_file_is_refused_by_its_largest_tensor(tmp_path: Path) -> None:
    source, target = TinyLlama().write(tmp_path / "tiny.gguf"), tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match=rf"tiny\.gguf: .*for {VOCAB * HIDDEN:,} values.* --memory-limit-mb 0"):
        convert_gguf(source, target, memory_limit_mb=8)

    assert list(target.iterdir()) == []


def test_an_embedder_is_refused_by_all_its_weights(tmp_path: Path) -> None:
    source, target = write_tiny_bert(tmp_path / "source"), tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match=r"model\.safetensors: converting it takes up to 0\.1 GB of memory"):
        convert_sentence_transformers(source, target, memory_limit_mb=8)

    assert list(target.iterdir()) == []


@pytest.mark.parametrize("limit_mb", [0, 1000, None])
def test_what_fits_is_converted(limit_mb: int | None, tmp_path: Path) -> None:
    convert_gguf(TinyLlama().write(tmp_path / "tiny.gguf"), _new(tmp_path / "target"), memory_limit_mb=limit_mb)


def test_what_is_available_counts_where_no_limit_is_given() -> None:
    with pytest.raises(ConversionError, match=r"up to 12400000\.1 GB of memory \(for 1,000,000,000,000,000 values"):
        check_peak(Path("huge.gguf"), 10**15, VALUE_BYTES, None)


def test_a_model_larger_than_memory_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.convert.peak_memory.available_bytes", lambda: 16 * 10**9)

    check_served(Path("large.gguf"), 15 * 10**9, None)
    check_served(Path("large.gguf"), 10**12, 0)
    with pytest.raises(ConversionError, match=r"at least 17\.0 GB of memory to be served, and 16\.0 GB are available"):
        check_served(Path("large.gguf"), 17 * 10**9, None)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
