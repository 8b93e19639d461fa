"""Record what sentence-transformers computes of the small encoders: tests/fixtures/encoder_models/.

Needs an environment of its own: pip install "sentence-transformers==6.2.0" "transformers==5.24.0" "torch==2.15.0"
Run: python -m scripts.record_encoders
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from tests.fixtures.encoder_models import SHAPES, VECTORS, write
from tests.fixtures.encoder_models.configurations import CONFIGURATIONS, SCORING
from tests.fixtures.encoder_models.oracle import odds, saved_shapes, scores, vectors
from tests.fixtures.hf_models.reranker import write_reranker


def main() -> None:
    """Write the folders, ask sentence-transformers, and keep what it answers."""
    shapes = {name: saved_shapes(name, scores=False) for name in CONFIGURATIONS}
    shapes |= {f"{name}/scores": saved_shapes(name, scores=True) for name in SCORING}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(each)}" for name, each in shapes.items())
    SHAPES.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    recorded = {}
    with tempfile.TemporaryDirectory() as embedding, tempfile.TemporaryDirectory() as scoring:
        for name in CONFIGURATIONS:
            recorded[name] = vectors(write(name, Path(embedding)))
        for name in SCORING:
            recorded[f"{name}/scores"] = scores(write(name, Path(scoring), scores=True))
        recorded["qwen3/odds"] = odds(write_reranker(Path(scoring)))
    np.savez_compressed(VECTORS, **recorded)
    print(f"{VECTORS}: {len(recorded)} models, {VECTORS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
