"""Weights that processes of one machine share: the same logits, one file that is mapped, and what cannot be written."""

from __future__ import annotations

import logging
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert.weights.schemes import Weights
from jan_ort_backends import OpenOptions, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.weight_folders import tiny_llama

TOKENS = np.arange(1, 9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama("int8"), tmp_path / "model"))


def opened(folder: Path, *, share: bool = True) -> Any:
    return OnnxRuntimeBackend().open(folder, OpenOptions(2, 64, {"share_weights": str(int(share))}))


def logits(folder: Path, *, share: bool) -> bytes:
    session = opened(folder, share=share)
    found: bytes = session.step([SlotTokens(0, TOKENS, len(TOKENS))]).logits.tobytes()
    session.close()
    return found


def packed(folder: Path) -> list[Path]:
    return [each for each in folder.glob("packed-*") if each.is_dir()]


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_the_logits_are_the_same_to_the_bit(weights: Weights, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama(weights), tmp_path / "model"))

    assert logits(folder, share=True) == logits(folder, share=True) == logits(folder, share=False)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what is mapped from /proc")
def test_what_is_packed_is_mapped_from_the_file(folder: Path) -> None:
    session = opened(folder)

    data = packed(folder)[0] / "model.onnx.data"
    assert str(data) in Path("/proc/self/maps").read_text()
    session.close()


def test_several_at_once_make_one_copy_and_leave_nothing_else(folder: Path) -> None:
    before = {each.name for each in folder.iterdir()}

    with ThreadPoolExecutor(4) as pool:
        for session in pool.map(lambda _: opened(folder), range(4)):
            session.close()

    (made,) = packed(folder)
    assert {each.name for each in folder.iterdir()} - before <= {made.name, f"{made.name}.lock"}


def test_other_weights_in_the_same_place_are_packed_anew(folder: Path) -> None:
    opened(folder).close()
    data = folder / "model.onnx.data"
    content = bytearray(data.read_bytes())
    content[:64] = bytes(64)
    data.write_bytes(content)

    assert logits(folder, share=True) == logits(folder, share=False)
    assert len(packed(folder)) == 2


def test_a_copy_that_is_cut_off_is_made_again(folder: Path) -> None:
    opened(folder).close()
    (copy,) = packed(folder)
    (copy / "model.onnx.data").write_bytes(b"cut")

    assert logits(folder, share=True) == logits(folder, share=False)
    assert (copy / "model.onnx.data").stat().st_size > 3


def test_what_another_version_packed_is_removed(folder: Path) -> None:
    (folder / "packed-1.0.0-0123").mkdir()

    opened(folder).close()

    assert len(packed(folder)) == 1


def test_a_full_disk_is_told_and_the_model_opens_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jan_ort_onnxruntime.providers.shared_weights._GROWTH", 2**60)

    with caplog.at_level(logging.WARNING):
        opened(folder).close()

    assert not packed(folder)
    assert "of disk space are needed" in caplog.text


def test_without_the_option_nothing_is_written(folder: Path) -> None:
    opened(folder, share=False).close()

    assert not packed(folder)
