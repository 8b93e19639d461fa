"""StarCoder 2: norms that subtract the mean, biases, no gate.

Source: src/models/starcoder2.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder, Windows
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

STARCODER2 = Decoder(
    name="starcoder2",
    hf_class="Starcoder2ForCausalLM",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
)

STARCODER2_HF = HfLayout(
    "starcoder2",
    replace(STARCODER2, windows=Windows(period=0)),
    tensors={
        **TENSORS,
        "model.layers.{layer}.mlp.c_fc": "up",
        "model.layers.{layer}.mlp.c_proj": "down",
    },
    keys={"norm_epsilon": "attention.layer_norm_epsilon"},
    defaults={"norm_epsilon": 1e-5, "num_key_value_heads": 2},
    neutral={"norm_type": ("layer_norm",), "mlp_type": ("default",)},
)
