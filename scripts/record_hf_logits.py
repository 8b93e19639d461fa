"""Record what transformers computes of the small checkpoints: tests/fixtures/hf_models/shapes.json and logits.npz.

Needs an environment of its own: pip install "transformers==5.24.0" "torch==2.15.0" gguf
Run: python -m scripts.record_hf_logits
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.fixtures.gguf_models.recordings import record
from tests.fixtures.hf_models import AS_OF, CONFIGURATIONS, SHAPES, write
from tests.fixtures.hf_models.oracle import shapes, transformers_logits
from tests.fixtures.hf_models.recordings import RECORDING


def main() -> None:
    """Write the checkpoints, ask transformers, and keep what it answers."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        recorded = {name: config for name, config in CONFIGURATIONS.items() if name not in AS_OF}
        for name, config in recorded.items():
            path = Path(folder) / f"{name}.config"
            path.mkdir()
            (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
            found[name] = shapes(path)
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(each)}" for name, each in found.items())
        SHAPES.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
        logits = {name: transformers_logits(write(name, Path(folder))) for name in recorded}
    record(logits, RECORDING)
    print(f"{RECORDING}: {len(logits)} checkpoints, {RECORDING.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
