"""Falcon: both blocks side by side, behind one norm (7B) or a norm each (40B).

Source: src/models/falcon.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import HfLayout

FALCON = Decoder(
    name="falcon",
    hf_class="FalconForCausalLM",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    parallel="always",
    tensors=DecoderTensors(attention_norm="blk.{layer}.attn_norm_2", mlp_norm="blk.{layer}.attn_norm"),
)


def _prepare(config: dict[str, Any]) -> dict[str, Any]:
    """Say how many key-value heads there are, and how wide the feed-forward block is."""
    hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
    is_new = config.get("new_decoder_architecture") is True
    shares = not is_new and config.get("multi_query") is not False
    if not is_new:
        config = {key: value for key, value in config.items() if key != "num_kv_heads"}
    wide = {"ffn_hidden_size": 4 * hidden} if type(hidden) is int else {}
    return {"num_kv_heads": 1 if shares else heads, **wide, **{k: v for k, v in config.items() if v is not None}}


FALCON_HF = HfLayout(
    "falcon",
    replace(FALCON, activation="gelu"),
    tensors={
        "transformer.word_embeddings": "embedding",
        "transformer.ln_f": "output_norm",
        "lm_head": "head",
        "transformer.h.{layer}.input_layernorm": "mlp_norm",
        "transformer.h.{layer}.ln_mlp": "mlp_norm",
        "transformer.h.{layer}.ln_attn": "attention_norm",
        "transformer.h.{layer}.self_attention.query_key_value": "qkv",
        "transformer.h.{layer}.self_attention.dense": "attention_output",
        "transformer.h.{layer}.mlp.dense_h_to_4h": "up",
        "transformer.h.{layer}.mlp.dense_4h_to_h": "down",
    },
    keys={
        "num_kv_heads": "attention.head_count_kv",
        "ffn_hidden_size": "feed_forward_length",
        "layer_norm_epsilon": "attention.layer_norm_epsilon",
    },
    defaults={"max_position_embeddings": 2048, "layer_norm_epsilon": 1e-5},
    neutral={"alibi": (False,), "parallel_attn": (True,), "apply_residual_connection_post_layernorm": (False,)},
    harmless=frozenset(
        {
            "new_decoder_architecture",
            "multi_query",
            "ff_factor",  # ffn_hidden_size is the product
            "num_ln_in_parallel_attn",
            "apply_residual_connection_post_layernorm",
        }
    ),
    grouped_qkv=True,
    prepare=_prepare,
)
