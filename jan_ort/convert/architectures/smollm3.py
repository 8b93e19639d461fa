"""SmolLM 3: every fourth layer has no rotary embedding.

Source: src/models/smollm3.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.hf_layout import HfLayout

SMOLLM3 = Decoder(name="smollm3", hf_class="SmolLM3ForCausalLM", rotary_pairs=True, unrotated_period=4)


def _check_unrotated(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out a list of the layers that rotate if it says what the recipe does."""
    rotating = config.get("no_rope_layers")
    as_recipe = [int((layer + 1) % SMOLLM3.unrotated_period != 0) for layer in range(len(rotating or ()))]
    return {key: value for key, value in config.items() if key != "no_rope_layers" or value != as_recipe}


SMOLLM3_HF = HfLayout(
    "smollm3",
    replace(SMOLLM3, rotary_pairs=False),
    defaults={"num_key_value_heads": 4, "rope_theta": 2_000_000.0},
    neutral={"no_rope_layer_interval": (SMOLLM3.unrotated_period,)},
    harmless=frozenset({"sliding_window", "max_window_layers"}),  # use_sliding_window is false
    prepare=_check_unrotated,
)
