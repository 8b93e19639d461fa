"""EmbeddingGemma: Gemma 3 whose tokens see those behind them, too; products behind pooling are no part of it.

Source: src/models/gemma-embedding.cpp of llama.cpp; modeling_gemma3.py of transformers.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.gemma3 import GEMMA3

GEMMA_EMBEDDING = replace(
    GEMMA3,
    name="gemma-embedding",
    hf_class="Gemma3TextModel",
    causal=False,
    wide_scale_layers=0,
    harmless_keys=frozenset(f"dense_{number}_feat_{end}" for number in (2, 3) for end in ("in", "out")),
)
