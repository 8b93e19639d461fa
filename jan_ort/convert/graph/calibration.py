"""How large a decoder's activations are, channel by channel: a float64 forward pass over a short text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.forward import Forward
from jan_ort.convert.graph.numpy_operations import NumpyOperations
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.smoothing import LayerActivations, LayerSmoothing

MAX_TOKENS = 256
"""Tokens of the text that are used: twice as many change nothing that could be measured."""

CALIBRATION_TEXT = """\
<|im_start|>user
What is the capital of Norway, and how many people live there?<|im_end|>
<|im_start|>assistant
The capital of Norway is Oslo. About 700,000 people live in the city itself, and 1.1 million in the region.<|im_end|>

The river rises in the hills, and by the time it reaches the plain it is slow and brown. Farmers have used its water \
for 3,000 years: "without it," they say, "there would be nothing here but dust and a few goats."

def mean(values):
    # An empty list has no mean.
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)

| Year | Sales (€) |
|------|-----------|
| 2021 | 12.5      |

1. First, wash the rice until the water runs clear.
2. Then cook it for 12 minutes; don't lift the lid!
"""


class Calibration:
    """A forward pass over ``token_ids`` that yields each layer's activations; one layer is in memory at a time."""

    def __init__(self, source: Checkpoint, decoder: Decoder, config: DecoderConfig, token_ids: list[int]) -> None:
        self._decoder = decoder
        self._config = config
        self._operations = NumpyOperations(source, config, decoder.norm, token_ids)
        nothing = [LayerSmoothing()] * config.num_hidden_layers
        self._forward = Forward(source, decoder, config, self._operations, nothing)

    def layers(self) -> Iterator[LayerActivations]:
        """Yield the activations of layer 0, 1, …

        Those before a product without a norm of its own, or with an activation instead of a gate, cannot be scaled, nor
        those within experts.
        """
        tensors = self._decoder.tensors
        for layer in range(self._config.num_hidden_layers):
            self._forward.layer(layer)
            mixing = "attn_qkv" if self._config.states[layer] is None else "state_in"
            is_dense = f"blk.{layer}.ffn_up" in self._operations.inputs
            up = f"blk.{layer}.ffn_up" if is_dense else f"blk.{layer}.ffn_exps"
            yield LayerActivations(
                self._size(f"blk.{layer}.{mixing}") if tensors.attention_norm else None,
                self._size(up) if tensors.mlp_norm or tensors.attention_norm else None,
                self._size(f"blk.{layer}.ffn_down") if self._decoder.mlp != "plain" and is_dense else None,
            )
            self._operations.inputs.clear()

    def output(self) -> NDArray[np.float64]:
        """Return what the head would read."""
        return self._forward.output()

    def _size(self, product: str) -> NDArray[np.float64]:
        x = self._operations.inputs[product]
        size: NDArray[np.float64] = np.sqrt((x * x).mean(axis=0))
        return size
