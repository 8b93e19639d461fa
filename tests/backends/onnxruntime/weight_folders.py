"""A tiny llama in each weight scheme, converted once a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from tests.backends.onnxruntime.tiny_llama import write_tiny_llama

_ROOT = tempfile.TemporaryDirectory()


@cache
def tiny_llama(weights: Weights) -> Path:
    """Return the model folder; do not write to it."""
    folder = Path(_ROOT.name) / weights
    folder.mkdir()
    convert_gguf(write_tiny_llama(Path(_ROOT.name) / f"{weights}.gguf"), folder, weights=weights)
    return folder
