"""Qwen 1.5 MoE and 2 57B: Qwen 2 with experts, and a block for all tokens behind a gate.

Source: src/models/qwen2moe.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import SHARED_EXPERTS, Decoder, DecoderTensors, Experts

QWEN2MOE = Decoder(
    name="qwen2moe",
    hf_class="Qwen2MoeForCausalLM",
    rotary_pairs=False,
    experts=Experts(normalized=False),
    tensors=DecoderTensors(**SHARED_EXPERTS, shared_router="blk.{layer}.ffn_gate_inp_shexp"),
)
