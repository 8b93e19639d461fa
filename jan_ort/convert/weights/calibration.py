"""How large a decoder's activations are, channel by channel: a float32 forward pass over a short text.

Int8 matrix products quantise their input per block of channels, and a decoder has a few channels that are a hundred
times larger than their neighbours. Knowing them, :mod:`graph.decoder` moves the difference into the weights, exactly
in real numbers and at no cost at run time. Source: SmoothQuant, Xiao et al. 2022, arXiv:2211.10438, section 4.

The pass is in numpy and follows the same recipe as the graph. The graph itself cannot be run here: the server imports
no runtime, and a backend's session returns logits only; onnx's own evaluator lacks ONNX Runtime's operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Activation, Decoder, DecoderTensors
from jan_ort.convert.architectures.decoder_config import DecoderConfig, rotary_frequencies
from jan_ort.convert.inputs.gguf_file import GgufFile

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

Scale = NDArray[np.float32]

_FLOOR = 1e-2  # of the median: a channel that this text never used must not get an enormous weight


@dataclass(frozen=True, slots=True)
class LayerActivations:
    """Root mean squares over the tokens: of the inputs of qkv, of gate and up ``(hidden_size,)``, and of down."""

    attention: NDArray[np.float32]
    mlp: NDArray[np.float32]
    down: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerSmoothing:
    """What each input channel of a product is divided by, and the matching column of the weights multiplied by."""

    attention: Scale | None = None
    mlp: Scale | None = None
    down: Scale | None = None


def smoothing(activations: LayerActivations) -> LayerSmoothing:
    """Return the square roots of the sizes: half of the difference goes into the weights, half stays."""
    return LayerSmoothing(_balance(activations.attention), _balance(activations.mlp), _balance(activations.down))


def _balance(size: NDArray[np.float32]) -> NDArray[np.float32]:
    median = float(np.median(size))
    if median <= 0:
        return np.ones_like(size)
    root = np.sqrt(np.maximum(size, _FLOOR * median))
    scale: NDArray[np.float32] = (root / np.exp(np.log(root).mean())).astype(np.float32)
    return scale


class Calibration:
    """A forward pass over ``token_ids`` that yields each layer's activations; one layer is in memory at a time."""

    def __init__(self, source: GgufFile, decoder: Decoder, config: DecoderConfig, token_ids: list[int]) -> None:
        self._source = source
        self._decoder = decoder
        self._config = config
        embedding = source.tensor(f"{decoder.tensors.embedding}.weight", (config.vocab_size, config.hidden_size))
        self.residual = embedding.rows(token_ids)  # (tokens, hidden_size)
        angles = np.arange(len(token_ids))[:, np.newaxis] * rotary_frequencies(source, decoder, config)
        self._cos = np.cos(angles).astype(np.float32)[:, np.newaxis]  # (tokens, 1, head_dim / 2)
        self._sin = np.sin(angles).astype(np.float32)[:, np.newaxis]

    def layers(self) -> Iterator[LayerActivations]:
        """Yield the activations of layer 0, 1, …"""
        for layer in range(self._config.num_hidden_layers):
            names = self._decoder.tensors.of(layer)
            normed = self._norm(names.attention_norm)
            self.residual = self.residual + self._attention(names, normed)
            mlp_input = self._norm(names.mlp_norm)
            gate = self._linear(names.gate, mlp_input, self._config.intermediate_size)
            gated = _ACTIVATIONS[self._decoder.activation](gate) * self._linear(names.up, mlp_input, gate.shape[1])
            self.residual = self.residual + self._linear(names.down, gated, self._config.hidden_size)
            yield LayerActivations(_rms(normed), _rms(mlp_input), _rms(gated))

    def _attention(self, names: DecoderTensors, normed: NDArray[np.float32]) -> NDArray[np.float32]:
        config, tokens = self._config, len(normed)
        group = config.num_attention_heads // config.num_key_value_heads
        query = self._rotate(self._heads(names.query, normed, config.num_attention_heads))
        key = self._rotate(self._heads(names.key, normed, config.num_key_value_heads)).repeat(group, axis=1)
        value = self._heads(names.value, normed, config.num_key_value_heads).repeat(group, axis=1)
        # Contiguous (heads, tokens, head_dim), so that each head's product is one of BLAS.
        query, key, value = (np.ascontiguousarray(x.swapaxes(0, 1)) for x in (query, key, value))
        scores = query @ key.swapaxes(1, 2) * np.float32(config.head_dim**-0.5)  # (heads, tokens, tokens)
        scores = np.where(np.tri(tokens, dtype=bool), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = (weights @ value).swapaxes(0, 1).reshape(tokens, -1)
        return self._linear(names.attention_output, attended, config.hidden_size)

    def _heads(self, name: str, x: NDArray[np.float32], num_heads: int) -> NDArray[np.float32]:
        projected = self._linear(name, x, num_heads * self._config.head_dim)
        return projected.reshape(len(x), num_heads, self._config.head_dim)

    def _rotate(self, heads: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rotate neighbouring pairs, or the halves of a head, as the file has the rows of queries and keys."""
        pairs = self._decoder.rotary_pairs
        first, second = (heads[..., 0::2], heads[..., 1::2]) if pairs else np.split(heads, 2, axis=-1)
        turned = [first * self._cos - second * self._sin, second * self._cos + first * self._sin]
        return np.stack(turned, axis=-1).reshape(heads.shape) if pairs else np.concatenate(turned, axis=-1)

    def _norm(self, name: str) -> NDArray[np.float32]:
        x = self.residual
        scale = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._config.rms_norm_eps)
        normed: NDArray[np.float32] = x * scale * self._source.vector(f"{name}.weight", x.shape[1])
        return normed

    def _linear(self, name: str, x: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        y: NDArray[np.float32] = x @ self._source.tensor(f"{name}.weight", (rows, x.shape[1])).dequantize().T
        if self._source.has_tensor(f"{name}.bias"):
            y += self._source.vector(f"{name}.bias", rows)
        return y


def _silu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite and the quotient 0, as it should be
        quotient: NDArray[np.float32] = x / (1 + np.exp(-x))
    return quotient


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return GELU in the form that takes a hyperbolic tangent."""
    bent = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
    curve: NDArray[np.float32] = x / 2 * (1 + np.tanh(bent))
    return curve


_ACTIVATIONS: dict[Activation, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "silu": _silu,
    "gelu_pytorch_tanh": _gelu,
}


def _rms(x: NDArray[np.float32]) -> NDArray[np.float32]:
    size: NDArray[np.float32] = np.sqrt((x * x).mean(axis=0))
    return size
