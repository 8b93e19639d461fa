"""Qwen 3 30B and 235B: Qwen 3 with experts.

Source: src/models/qwen3moe.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors, Experts, Windows
from jan_ort.convert.architectures.hf_layout import EXPERT_TENSORS, EXPERTS, HfLayout, within_a_chunk

QWEN3MOE = Decoder(
    name="qwen3moe",
    hf_class="Qwen3MoeForCausalLM",
    rotary_pairs=False,
    experts=Experts(),
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)

QWEN3MOE_HF = HfLayout(
    "qwen3_moe",
    replace(QWEN3MOE, windows=Windows(period=0)),
    tensors=EXPERT_TENSORS,
    keys=EXPERTS,
    defaults={
        "sliding_window": 4096,
        "num_key_value_heads": 4,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
        "norm_topk_prob": False,
    },
    neutral={"decoder_sparse_step": (1,), "mlp_only_layers": ([],), "use_qk_norm": (True,)},
    last_windows=True,
    prepare=within_a_chunk,
)
