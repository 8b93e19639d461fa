"""A tiny llama and SmolLM2 as folders that this backend opens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jan_ort.models.convert.gguf_folder import convert_gguf
from tests.backends.tiny_llama import write_tiny_llama
from tests.conftest import cache_dir, smollm2_folder, smollm2_gguf

__all__ = ["cache_dir", "smollm2_folder", "smollm2_gguf"]


def with_gguf(converted: Path, gguf: Path, folder: Path) -> Path:
    """Make a folder with the small files of a converted one, and the GGUF file in place of the ONNX model."""
    shutil.copytree(converted, folder, ignore=shutil.ignore_patterns("model.onnx*", "jan_ort_manifest.json"))
    (folder / "model.gguf").symlink_to(gguf)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    gguf = write_tiny_llama(root / "tiny.gguf")
    (root / "converted").mkdir()
    convert_gguf(gguf, root / "converted")
    return with_gguf(root / "converted", gguf, root / "folder")


@pytest.fixture(scope="session")
def smollm2_as_gguf(smollm2_folder: Path, smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_gguf(smollm2_folder, smollm2_gguf, tmp_path_factory.mktemp("smollm2") / "folder")
