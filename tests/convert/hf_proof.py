"""How near a converted small checkpoint comes to transformers, and what its graph promises of chunks and company."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert import convert_safetensors
from jan_ort.convert.weights.schemes import Weights
from tests.convert.gguf_proof import Proof, proof_of
from tests.fixtures.gguf_models.recordings import recorded_logits
from tests.fixtures.hf_models import AS_OF, write
from tests.fixtures.hf_models.recordings import RECORDING


def oracle_logits(name: str, folder: Path) -> NDArray[np.float32]:
    """Return the logits of transformers: recorded, or with JAN_ORT_TRANSFORMERS=1 from transformers itself.

    A folder of the same values as another's is expected to have that one's.
    """
    if os.environ.get("JAN_ORT_TRANSFORMERS"):
        from tests.fixtures.hf_models.oracle import transformers_logits

        return transformers_logits(folder)
    return recorded_logits(AS_OF.get(name, name), RECORDING)


def prove(name: str, weights: Weights, folder: Path) -> Proof:
    """Write and convert one of the small checkpoints, and measure it."""
    source, target = write(name, folder), folder / weights
    target.mkdir()
    convert_safetensors(source, target, weights=weights)
    return proof_of(oracle_logits(name, source), target)
