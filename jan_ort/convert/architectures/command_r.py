"""Command R: both blocks behind one norm without bias, side by side; the plus model has norms of queries and keys.

Source: src/models/command-r.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import HfLayout

COMMAND_R = Decoder(
    name="command-r",
    hf_class="CohereForCausalLM",
    rotary_pairs=True,
    norm="layer",
    parallel="always",
    tensors=DecoderTensors(mlp_norm="", **QUERY_KEY_NORMS),
    keys={"logit_scale": 0},
)

COMMAND_R_HF = HfLayout(
    "cohere",
    COMMAND_R,
    keys={"logit_scale": "logit_scale"},
    defaults={"logit_scale": 0.0625, "layer_norm_eps": 1e-5, "rope_theta": 500_000.0},
    harmless=frozenset({"use_qk_norm"}),  # its norms are tensors
)
