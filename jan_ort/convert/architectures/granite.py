"""Granite 3 and 4 (dense): four multipliers, and a switch that turns the rotary embedding off.

Source: src/models/granite.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.hf_layout import HfLayout

GRANITE = Decoder(
    name="granite",
    hf_class="GraniteForCausalLM",
    rotary_pairs=True,
    divides_logits=True,
    keys={
        "attention.scale": 0,
        "embedding_scale": 0,
        "residual_scale": 0,
        "logit_scale": 0,
        "rope.scaling.finetuned": True,
    },
)

GRANITE_HF = HfLayout(
    "granite",
    replace(GRANITE, rotary_pairs=False),
    keys={
        "attention_multiplier": "attention.scale",
        "embedding_multiplier": "embedding_scale",
        "residual_multiplier": "residual_scale",
        "logits_scaling": "logit_scale",
    },
    defaults={"attention_multiplier": 1.0},
)
