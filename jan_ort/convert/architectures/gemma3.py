"""Gemma 3: a window and a rotary base of its own in five of six layers, norms of queries and keys.

Source: src/models/gemma3.cpp of llama.cpp.
"""

from __future__ import annotations

from typing import Any

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import FOUR_NORMS, SOFT_CAPS, HfLayout

GEMMA3 = Decoder(
    name="gemma3",
    hf_class="Gemma3ForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    windows=Windows(period=6, rotary_theta=10_000.0, scaled=False),
    scales_embedding=True,
    half_residual=1 / 32,
    wide_scale_layers=62,
    tensors=DecoderTensors(**QUERY_KEY_NORMS, **POST_NORMS),
    keys={"final_logit_softcapping": 0},
)


def _causal(config: dict[str, Any]) -> dict[str, Any]:
    """Turn a key around: EmbeddingGemma's tokens see those behind them."""
    both_ways = config.get("use_bidirectional_attention")
    if not isinstance(both_ways, bool):
        return config
    return {**config, "use_bidirectional_attention": None, "is_causal": not both_ways}


GEMMA3_HF = HfLayout(
    "gemma3_text",
    GEMMA3,
    tensors=FOUR_NORMS,
    keys={**SOFT_CAPS, "query_pre_attn_scalar": "attention.scale", "is_causal": "attention.causal"},
    defaults={
        "head_dim": 256,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
        "query_pre_attn_scalar": 256,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
    },
    norm_offset=1.0,
    prepare=_causal,
)
