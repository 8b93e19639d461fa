"""Measure the small checkpoints against the recorded logits of transformers, and write their table in docs/models.md.

Run: python -m scripts.hf_model_table (in the test environment; JAN_ORT_TRANSFORMERS=1 asks transformers itself)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jan_ort.convert.architectures import hf_layouts
from scripts.model_table import row, write_table
from tests.convert.hf_proof import prove
from tests.fixtures.hf_models import CONFIGURATIONS


def measure(name: str) -> str:
    """Return the row of one checkpoint."""
    with tempfile.TemporaryDirectory() as half_folder, tempfile.TemporaryDirectory() as folder:
        half, integers = prove(name, "fp16", Path(half_folder)), prove(name, "int8", Path(folder))
    model_type = CONFIGURATIONS[name]["model_type"]
    return row((name, model_type, hf_layouts()[model_type].decoder.name), half, integers)


if __name__ == "__main__":
    rows = [measure(name) for name in CONFIGURATIONS]
    write_table("checkpoints", ("checkpoint", "model_type", "recipe"), rows)
