"""StableLM 2: norms that subtract the mean, partial rotary embedding; the 12B model has no norm between its blocks.

Source: src/models/stablelm.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import HfLayout

STABLELM = Decoder(
    name="stablelm",
    hf_class="StableLmForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    norm="layer",
    parallel="without mlp_norm",
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)

STABLELM_HF = HfLayout(
    "stablelm",
    STABLELM,
    defaults={"partial_rotary_factor": 0.25, "layer_norm_eps": 1e-5},
    neutral={"qk_layernorm": (False,)},
    harmless=frozenset({"use_parallel_residual"}),  # one norm is missing then
)
