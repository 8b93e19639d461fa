"""Ministral 3 and Mistral Small 3: YaRN with its own numbers, and queries that grow with their position.

Source: src/models/mistral3.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.hf_layout import HfLayout

MISTRAL3 = Decoder(
    name="mistral3",
    hf_class="Mistral3ForConditionalGeneration",
    rotary_pairs=True,
    keys={
        "attention.temperature_scale": 0,
        "rope.scaling.yarn_beta_fast": 32,
        "rope.scaling.yarn_beta_slow": 1,
        "rope.scaling.yarn_log_multiplier": 0,
    },
)

MINISTRAL3_HF = HfLayout(
    "ministral3", replace(MISTRAL3, rotary_pairs=False), defaults={"rms_norm_eps": 1e-5, "num_key_value_heads": 8}
)
