"""Record what llama.cpp computes of the small GGUF files: tests/fixtures/gguf_models/logits.npz.

Needs an environment of its own: pip install "llama-cpp-python==0.3.36" gguf numpy
Run: python -m scripts.record_gguf_logits
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.fixtures.gguf_models import RECIPES, write
from tests.fixtures.gguf_models.llama_cpp_logits import llama_cpp_logits
from tests.fixtures.gguf_models.recordings import RECORDING, record


def main() -> None:
    """Write the files, ask llama.cpp, and keep what it answers."""
    with tempfile.TemporaryDirectory() as folder:
        logits = {name: llama_cpp_logits(write(name, Path(folder))) for name in RECIPES}
    record(logits)
    print(f"{RECORDING}: {len(logits)} files, {RECORDING.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
