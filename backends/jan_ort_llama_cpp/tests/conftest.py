"""A tiny llama and SmolLM2 as folders that this backend opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from tests.backends.onnxruntime.tiny_llama import write_tiny_llama
from tests.conftest import smollm2_gguf
from tests.fixtures.gguf_models import write

__all__ = ["smollm2_gguf"]


def kept(gguf: Path, cache_dir: Path) -> Path:
    """Return the folder around a GGUF file that is kept as it is."""
    return resolve_model(str(gguf), task=GENERATE, cache_dir=cache_dir, weights="as-is")


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def tiny_folder(tiny_gguf: Path) -> Path:
    return kept(tiny_gguf, tiny_gguf.parent / "cache")


@pytest.fixture(scope="session")
def lfm2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _recurrent("lfm2", tmp_path_factory.mktemp("lfm2"))


@pytest.fixture(scope="session")
def qwen35_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _recurrent("qwen35", tmp_path_factory.mktemp("qwen35"))


def _recurrent(name: str, folder: Path) -> Path:
    """Write a file whose matrices have 8 bits, as ggml multiplies those alike in every company."""
    return kept(write(name, folder, floats="Q8_0"), folder / "cache")


@pytest.fixture(scope="session")
def smollm2_as_gguf(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(smollm2_gguf, tmp_path_factory.mktemp("smollm2"))
