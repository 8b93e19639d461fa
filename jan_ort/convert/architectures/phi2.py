"""Phi 1, 1.5 and 2: both blocks behind one norm, side by side; partial rotary embedding, biases.

Source: src/models/phi2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

PHI2 = Decoder(
    name="phi2",
    hf_class="PhiForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    parallel="always",
    tensors=DecoderTensors(mlp_norm=""),
)

PHI_HF = HfLayout(
    "phi",
    PHI2,
    tensors={
        **TENSORS,
        "model.final_layernorm": "output_norm",
        "model.layers.{layer}.self_attn.dense": "attention_output",
        "model.layers.{layer}.mlp.fc1": "up",
        "model.layers.{layer}.mlp.fc2": "down",
    },
    defaults={"partial_rotary_factor": 0.5, "layer_norm_eps": 1e-5},
    neutral={"qk_layernorm": (False,)},
)
