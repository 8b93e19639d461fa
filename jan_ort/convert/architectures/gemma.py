"""Gemma 1: embeddings scaled, a gate with GELU. The norms' weights have their 1 added in the file.

Source: src/models/gemma.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

GEMMA = Decoder(
    name="gemma",
    hf_class="GemmaForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    scales_embedding=True,
    half_residual=1 / 32,
)
