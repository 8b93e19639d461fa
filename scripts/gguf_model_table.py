"""Measure the small GGUF files against llama.cpp's recorded logits, and write the table of docs/models.md.

Run: python -m scripts.gguf_model_table (in the test environment; JAN_ORT_LLAMA_CPP=1 asks llama.cpp itself)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.inputs.gguf_file import GgufFile
from scripts.model_table import row, write_table
from tests.convert.gguf_proof import prove
from tests.fixtures.gguf_models import DENSE


def measure(name: str) -> str:
    """Return the row of one file."""
    with tempfile.TemporaryDirectory() as folder:
        half, integers = prove(name, "fp16", Path(folder)), prove(name, "int8", Path(folder))
        source = GgufFile(Path(folder) / f"{name}.gguf")
        config = read_decoder_config(source, decoders()[DENSE[name].arch])
    return row((name, DENSE[name].arch, max(config.windows) or "–"), half, integers)


if __name__ == "__main__":
    write_table("gguf models", ("file", "architecture", "window"), [measure(name) for name in DENSE])
