"""Gemma 1: embeddings scaled, a gate with GELU. The norms' weights have their 1 added in the file.

Source: src/models/gemma.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.hf_layout import HfLayout

GEMMA = Decoder(
    name="gemma",
    hf_class="GemmaForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    scales_embedding=True,
    half_residual=1 / 32,
)

GEMMA_HF = HfLayout(
    "gemma", GEMMA, defaults={"head_dim": 256, "num_key_value_heads": 16}, norm_offset=1.0, old_gelu=True
)
