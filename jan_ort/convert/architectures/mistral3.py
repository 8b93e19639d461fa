"""Ministral 3 and Mistral Small 3: YaRN with its own numbers, and queries that grow with their position.

Source: src/models/mistral3.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

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
