"""Qwen 3 30B and 235B: Qwen 3 with experts.

Source: src/models/qwen3moe.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors, Experts

QWEN3MOE = Decoder(
    name="qwen3moe",
    hf_class="Qwen3MoeForCausalLM",
    rotary_pairs=False,
    experts=Experts(),
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)
