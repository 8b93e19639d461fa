"""Gemma 2: soft caps of scores and logits, a window in every second layer, norms before and behind the blocks.

Source: src/models/gemma2.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import POST_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import FOUR_NORMS, SOFT_CAPS, HfLayout

GEMMA2 = Decoder(
    name="gemma2",
    hf_class="Gemma2ForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    windows=Windows(period=2, default=4096),
    scales_embedding=True,
    half_residual=1 / 32,
    wide_scale_layers=46,
    tensors=DecoderTensors(**POST_NORMS),
    keys={"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
)

GEMMA2_HF = HfLayout(
    "gemma2",
    replace(GEMMA2, keys=dict.fromkeys(GEMMA2.keys, 0.0)),
    tensors=FOUR_NORMS,
    keys={**SOFT_CAPS, "query_pre_attn_scalar": "attention.scale"},
    defaults={
        "head_dim": 256,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
        "query_pre_attn_scalar": 256,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    harmless=frozenset({"hidden_act"}),
    norm_offset=1.0,
)
