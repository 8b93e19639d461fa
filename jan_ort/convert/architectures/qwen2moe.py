"""Qwen 1.5 MoE and 2 57B: Qwen 2 with experts, and a block for all tokens behind a gate.

Source: src/models/qwen2moe.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import SHARED_EXPERTS, Decoder, DecoderTensors, Experts, Windows
from jan_ort.convert.architectures.hf_layout import EXPERT_TENSORS, EXPERTS, HfLayout

QWEN2MOE = Decoder(
    name="qwen2moe",
    hf_class="Qwen2MoeForCausalLM",
    rotary_pairs=False,
    experts=Experts(normalized=False),
    tensors=DecoderTensors(**SHARED_EXPERTS, shared_router="blk.{layer}.ffn_gate_inp_shexp"),
)

QWEN2MOE_HF = HfLayout(
    "qwen2_moe",
    replace(QWEN2MOE, windows=Windows(period=0)),
    tensors=EXPERT_TENSORS,
    keys=EXPERTS,
    defaults={
        "sliding_window": 4096,
        "num_experts": 60,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "norm_topk_prob": False,
    },
    neutral={"decoder_sparse_step": (1,), "mlp_only_layers": ([],)},
    last_windows=True,
)
