"""Record what llama.cpp computes of the small GGUF files: tests/fixtures/gguf_models/logits.npz and vectors.npz.

Needs an environment of its own: pip install "llama-cpp-python==0.3.36" gguf numpy
Run: python -m scripts.record_gguf_logits
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tests.fixtures.gguf_models import DENSE, EMBEDDERS, OTHERS, RERANKERS, write
from tests.fixtures.gguf_models.embedders import QUESTION
from tests.fixtures.gguf_models.llama_cpp_logits import llama_cpp_logits, llama_cpp_scores, llama_cpp_vectors
from tests.fixtures.gguf_models.recordings import PAIRS, RECORDING, TEXTS, VECTORS, record


def main() -> None:
    """Write the files, ask llama.cpp, and keep what it answers."""
    with tempfile.TemporaryDirectory() as folder:
        logits = {name: llama_cpp_logits(write(name, Path(folder))) for name in DENSE | OTHERS}
        vectors = {name: llama_cpp_vectors(write(name, Path(folder)), TEXTS) for name in EMBEDDERS}
        for name, recipe in RERANKERS.items():
            question = QUESTION if recipe.arch == "qwen3" else ""
            vectors[name] = llama_cpp_scores(write(name, Path(folder)), PAIRS, question)
    record(logits)
    np.savez_compressed(VECTORS, **vectors)
    print(f"{RECORDING}: {len(logits)} files, {RECORDING.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
