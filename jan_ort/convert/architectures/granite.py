"""Granite 3 and 4 (dense): four multipliers, and a switch that turns the rotary embedding off.

Source: src/models/granite.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

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
