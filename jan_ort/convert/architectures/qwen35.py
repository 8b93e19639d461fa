"""Qwen 3.5: gated delta nets, and in every fourth layer attention whose heads are gated.

Source: src/models/qwen35.cpp of llama.cpp; its conversion/qwen.py brings value heads that share a key apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

QWEN35 = Decoder(
    name="qwen35",
    hf_class="Qwen3_5ForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    state="delta net",
    tiled_values=True,
    gated_queries=True,
    drafts_behind=True,
    tensors=DecoderTensors(
        mlp_norm="blk.{layer}.post_attention_norm",
        state_input="blk.{layer}.attn_qkv",
        convolution="blk.{layer}.ssm_conv1d",
        state_gate="blk.{layer}.attn_gate",
        update="blk.{layer}.ssm_beta",
        decay="blk.{layer}.ssm_alpha",
        decay_rate="blk.{layer}.ssm_a",
        decay_bias="blk.{layer}.ssm_dt.bias",
        state_scale="blk.{layer}.ssm_norm",
        state_output="blk.{layer}.ssm_out",
        **QUERY_KEY_NORMS,
    ),
    keys={"attention.scale": 0, "rope.dimension_sections": 0},
)


def _as_others(config: dict[str, Any]) -> dict[str, Any]:
    """Say which layers have a state, and how wide all values are."""
    config = dict(config)
    types = config.get("layer_types")
    if isinstance(types, list) and all(each in ("linear_attention", "full_attention") for each in map(str, types)):
        del config["layer_types"]
        config["recurrent_layers"] = np.array([each == "linear_attention" for each in types])
    heads, width = config.get("linear_num_value_heads", 32), config.pop("linear_value_head_dim", 128)
    if type(heads) is type(width) is int:
        config["linear_inner_size"] = heads * width
    return config


_LAYER = "model.layers.{layer}."

QWEN35_HF = HfLayout(
    "qwen3_5_text",
    replace(QWEN35, tiled_values=False, unit_eps=1e-6, drafts_behind=False),
    tensors={
        **TENSORS,
        f"{_LAYER}linear_attn.in_proj_qkv": "state_input",
        f"{_LAYER}linear_attn.conv1d": "convolution",
        f"{_LAYER}linear_attn.in_proj_z": "state_gate",
        f"{_LAYER}linear_attn.in_proj_b": "update",
        f"{_LAYER}linear_attn.in_proj_a": "decay",
        f"{_LAYER}linear_attn.A_log": "decay_rate",
        f"{_LAYER}linear_attn.dt_bias": "decay_bias",
        f"{_LAYER}linear_attn.norm": "state_scale",
        f"{_LAYER}linear_attn.out_proj": "state_output",
    },
    keys={
        "linear_conv_kernel_dim": "ssm.conv_kernel",
        "linear_inner_size": "ssm.inner_size",
        "linear_key_head_dim": "ssm.state_size",
        "linear_num_key_heads": "ssm.group_count",
        "linear_num_value_heads": "ssm.time_step_rank",
        "full_attention_interval": "full_attention_interval",
        "recurrent_layers": "attention.recurrent_layers",
    },
    defaults={
        "head_dim": 256,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "max_position_embeddings": 32_768,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "partial_rotary_factor": 0.25,
        "rms_norm_eps": 1e-6,
    },
    neutral={"attn_output_gate": (True,)},
    harmless=frozenset({"mamba_ssm_dtype", "mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"}),
    norm_offset=1.0,
    passed_over=("mtp.",),
    prepare=_as_others,
)
