"""How far the converted SmolLM2 is from the float32 model (scripts/record_smollm2_logits.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from tests.convert.tiny_llama import LlamaSession

FIXTURE = Path(__file__).parents[1] / "fixtures" / "smollm2" / "reference_logits.npz"
MAX_MEAN_KL = {"int8": 0.006, "int4": 0.006, "fp16": 0.0001, "int4-fp16": 0.006}
MAX_PERPLEXITY_RATIO = 1.01

pytestmark = pytest.mark.weights


@dataclass(frozen=True)
class Reference:
    """The float32 model's distributions, cut; ``starts`` is where each position's kept tokens begin."""

    token_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    kept_token_ids: NDArray[np.int64]
    kept_log_probs: NDArray[np.float64]
    metadata: dict[str, Any]

    @classmethod
    def load(cls) -> Reference:
        with np.load(FIXTURE) as arrays:
            counts = arrays["counts"].astype(np.int64)
            return cls(
                token_ids=arrays["token_ids"].astype(np.int64),
                starts=np.concatenate([[0], counts.cumsum()]),
                kept_token_ids=np.cumsum(arrays["kept_token_id_steps"], dtype=np.uint16).astype(np.int64),
                kept_log_probs=arrays["kept_log_probs"].astype(np.float64),
                metadata=json.loads(str(arrays["metadata"])),
            )

    def kl(self, position: int, ours: NDArray[np.float64]) -> float:
        """Return KL(reference || ours) at a position, the tokens that were not kept being one bucket."""
        kept = slice(self.starts[position], self.starts[position + 1])
        log_p, log_q = self.kept_log_probs[kept], ours[self.kept_token_ids[kept]]
        rest_p = max(1 - np.exp(log_p).sum(), 1e-9)
        rest_q = max(1 - np.exp(log_q).sum(), 1e-9)
        return float((np.exp(log_p) * (log_p - log_q)).sum() + rest_p * np.log(rest_p / rest_q))


def measure(folder: Path, reference: Reference) -> tuple[float, float]:
    """Return the mean KL and the perplexity over windows of the reference's length."""
    window = reference.metadata["window"]
    divergences, losses = [], []
    for start in range(0, len(reference.token_ids), window):
        token_ids = reference.token_ids[start : start + window]
        logits, _, _ = LlamaSession(folder, max_length=window).step(token_ids.tolist())
        for i, row in enumerate(logits.astype(np.float64)):
            log_probs = row - row.max() - np.log(np.exp(row - row.max()).sum())
            divergences.append(reference.kl(start + i, log_probs))
            if i + 1 < len(token_ids):
                losses.append(-log_probs[token_ids[i + 1]])
    return float(np.mean(divergences)), float(np.exp(np.mean(losses)))


def test_the_reference_is_long_enough_and_its_cut_is_harmless() -> None:
    reference = Reference.load()

    measured = reference.metadata["measured"].values()

    assert len(reference.token_ids) >= 2_000
    assert all(row["bucketed_mean_kl"] > 0.98 * row["true_mean_kl"] for row in measured)


@pytest.mark.parametrize("weights", list(MAX_MEAN_KL))
def test_converted_weights_stay_near_the_float32_model(weights: Any, smollm2_gguf: Path, tmp_path: Path) -> None:
    reference = Reference.load()
    convert_gguf(smollm2_gguf, tmp_path, weights=weights)

    mean_kl, perplexity = measure(tmp_path, reference)

    assert mean_kl <= MAX_MEAN_KL[weights]
    assert perplexity <= MAX_PERPLEXITY_RATIO * reference.metadata["perplexity"]
    assert perplexity >= reference.metadata["perplexity"] / MAX_PERPLEXITY_RATIO
