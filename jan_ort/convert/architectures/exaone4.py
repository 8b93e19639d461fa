"""EXAONE 4: norms behind the blocks, and of queries and keys; the 32B model has windows, and rotates only there.

Source: src/models/exaone4.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import FOUR_NORMS, HfLayout

EXAONE4 = Decoder(
    name="exaone4",
    hf_class="Exaone4ForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=4, default=4096, num_layers=64, rotary_outside=False),
    tensors=DecoderTensors(attention_norm="", mlp_norm="", **QUERY_KEY_NORMS, **POST_NORMS),
)


def _list_windows(config: dict[str, Any]) -> dict[str, Any]:
    """Write a pattern of letters, L for a layer with a window, as layer_types."""
    pattern, layers = config.get("sliding_window_pattern"), config.get("num_hidden_layers")
    if not isinstance(pattern, str) or not pattern or type(layers) is not int or not 0 < layers < 2**16:
        return config
    kinds = [
        "sliding_attention" if pattern[layer % len(pattern)] == "L" else "full_attention" for layer in range(layers)
    ]
    return {"layer_types": kinds, **config}


EXAONE4_HF = HfLayout(
    "exaone4",
    replace(EXAONE4, windows=Windows(period=4, rotary_outside=False)),
    tensors=FOUR_NORMS,
    defaults={"sliding_window": 4096, "rms_norm_eps": 1e-5},
    prepare=_list_windows,
)
