"""GPT-2: learned positions.

Source: src/models/gpt2.cpp of llama.cpp.
"""

from __future__ import annotations

from typing import Any

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import HfLayout

GPT2 = Decoder(
    name="gpt2",
    hf_class="GPT2LMHeadModel",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    rotates=False,
    tensors=DecoderTensors(positions="position_embd"),
)


def _prepare(config: dict[str, Any]) -> dict[str, Any]:
    """Say how wide the feed-forward block is."""
    hidden = config.get("n_embd")
    return {**config, "n_inner": config.get("n_inner") or (4 * hidden if type(hidden) is int else None)}


GPT2_HF = HfLayout(
    "gpt2",
    GPT2,
    tensors={
        "transformer.wte": "embedding",
        "transformer.wpe": "positions",
        "transformer.ln_f": "output_norm",
        "lm_head": "head",
        "transformer.h.{layer}.ln_1": "attention_norm",
        "transformer.h.{layer}.ln_2": "mlp_norm",
        "transformer.h.{layer}.attn.c_attn": "qkv",
        "transformer.h.{layer}.attn.c_proj": "attention_output",
        "transformer.h.{layer}.mlp.c_fc": "up",
        "transformer.h.{layer}.mlp.c_proj": "down",
    },
    keys={
        "n_embd": "embedding_length",
        "n_layer": "block_count",
        "n_head": "attention.head_count",
        "n_positions": "context_length",
        "n_inner": "feed_forward_length",
        "layer_norm_epsilon": "attention.layer_norm_epsilon",
    },
    defaults={"layer_norm_epsilon": 1e-5},
    neutral={"scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False,)},
    harmless=frozenset(
        {
            "n_ctx",
            "n_special",
            "predict_special_tokens",
            "reorder_and_upcast_attn",
            "summary_activation",
            "summary_first_dropout",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj",
        }
    ),
    transposed=True,
    prepare=_prepare,
)
