"""Qwen 3.5 35B to 397B: Qwen 3.5 with experts in every layer, and a block for all tokens behind a gate.

Source: src/models/qwen35moe.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import SHARED_EXPERTS, Experts
from jan_ort.convert.architectures.hf_layout import EXPERT_TENSORS, EXPERTS
from jan_ort.convert.architectures.qwen35 import QWEN35, QWEN35_HF

QWEN35MOE = replace(
    QWEN35,
    name="qwen35moe",
    hf_class="Qwen3_5MoeForCausalLM",
    experts=Experts(),
    tensors=replace(QWEN35.tensors, **SHARED_EXPERTS, shared_router="blk.{layer}.ffn_gate_inp_shexp"),
)

QWEN35MOE_HF = replace(
    QWEN35_HF,
    model_type="qwen3_5_moe_text",
    decoder=replace(QWEN35MOE, tiled_values=False, unit_eps=1e-6, drafts_behind=False),
    tensors={**EXPERT_TENSORS, **QWEN35_HF.tensors},
    keys={**EXPERTS, **QWEN35_HF.keys},
    defaults={
        **QWEN35_HF.defaults,
        "num_key_value_heads": 2,
        "num_experts": 256,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
    },
    neutral={**QWEN35_HF.neutral, "decoder_sparse_step": (1,), "mlp_only_layers": ([],), "norm_topk_prob": (True,)},
)
