"""The operations of a decoder's forward pass in numpy, float64, for one sequence from its beginning.

In float32 the last bits of sums depend on the BLAS and the CPU, and so would the weights that a model is converted to.

The graph itself cannot be run here: the server imports no runtime, and a backend's session returns logits only; onnx's
own evaluator lacks ONNX Runtime's operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Activation, NormKind
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.architectures.states import DeltaNet
from jan_ort.convert.graph import numpy_experts, numpy_latent
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.operations import Attention, Convolution, HeadNorm, LatentAttention, Norm
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.matrices import Matrices, Part

Floats = NDArray[np.float64]


class NumpyOperations:
    """:class:`operations.Operations` of arrays ``(tokens, width)``; ``inputs`` has what each product read last."""

    def __init__(self, source: Checkpoint, config: DecoderConfig, norm: NormKind, token_ids: list[int]) -> None:
        self._source = source
        self._config = config
        self._subtracts_mean = norm == "layer"
        self._token_ids = token_ids
        self._matrices = Matrices(source, "int8")
        self._cached: dict[int, list[Floats]] = {}
        self._tables: dict[str, tuple[Floats, Floats]] = {}
        self.inputs: dict[str, Floats] = {}

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> Floats:
        """Return the embeddings of the tokens."""
        shape = (self._config.vocab_size, columns or self._config.hidden_size)
        return self._source.tensor(f"{tensor}.weight", shape).rows(self._token_ids).astype(np.float64)

    def position_embeddings(self, tensor: str) -> Floats:
        """Return the first learned positions."""
        shape = (self._config.max_position_embeddings, self._config.hidden_size)
        return self._source.tensor(f"{tensor}.weight", shape).rows(list(range(len(self._token_ids)))).astype(np.float64)

    def linear(self, name: str, x: Floats, parts: list[Part], columns: int) -> Floats:
        """Multiply, and add the bias."""
        self.inputs[name] = x
        y = np.concatenate(list(self._matrices.products(x, parts, columns)), axis=-1)
        bias = self._matrices.bias(parts)
        return y if bias is None else y + bias

    def projections(self, name: str, x: Floats, parts: list[Part], columns: int, *, apart: bool) -> tuple[Floats, ...]:
        """Return queries, keys and values."""
        return self.split(name, self.linear(name, x, parts, columns), [part.rows for part in parts])

    def norm(self, x: Floats, norm: Norm) -> Floats:
        """Normalise; nothing is smoothed here."""
        normed = self._normalized(x)
        if norm.tensor:
            normed = normed * self._source.vector(f"{norm.tensor}.weight", norm.size)
        if self._source.has_tensor(f"{norm.tensor}.bias"):
            normed = normed + self._source.vector(f"{norm.tensor}.bias", norm.size)
        return normed * norm.factor

    def _normalized(self, x: Floats) -> Floats:
        if self._subtracts_mean:
            x = x - x.mean(axis=-1, keepdims=True)
        normed: Floats = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._config.norm_eps)
        return normed

    def add_and_norm(self, residual: Floats, update: Floats, norm: Norm) -> tuple[Floats, Floats]:
        """Return the normalised sum, and the sum."""
        total = residual + update
        return self.norm(total, norm), total

    def head_norm(self, x: Floats, norm: HeadNorm) -> Floats:
        """Normalise all heads at once, or each."""
        heads = x.reshape(len(x), norm.heads, norm.head_dim)
        if not norm.tensor:
            return self._normalized(heads).reshape(x.shape)
        shape = self._source.shape(f"{norm.tensor}.weight")
        weight = self._source.tensor(f"{norm.tensor}.weight", shape).dequantize().reshape(-1, norm.head_dim)
        weight = weight if norm.order is None else weight[:, norm.order]
        together = shape == (norm.heads * norm.head_dim,)
        normed = self._normalized(x).reshape(heads.shape) if together else self._normalized(heads)
        return (normed * weight).reshape(x.shape)

    def temper(self, name: str, x: Floats, temperatures: NDArray[np.float64]) -> Floats:
        """Multiply by each position's factor."""
        return x * temperatures[: len(x)]

    def attend(self, name: str, projections: tuple[Floats, ...], attention: Attention) -> Floats:
        """Attend head by head."""
        query, *cached = projections
        group = attention.num_heads // attention.num_key_value_heads
        queries = self._heads(query, attention, attention.num_heads, attention.rotary)
        if not attention.only_reads:
            both = zip(cached, (attention.rotary, None), strict=True)
            self._cached[attention.cache] = [
                self._heads(each, attention, attention.num_key_value_heads, rotary) for each, rotary in both
            ]
        keys, values = (each.repeat(group, axis=0) for each in self._cached[attention.cache])
        scores = queries @ keys.swapaxes(1, 2) * attention.scale  # (heads, tokens, tokens)
        if attention.cap:
            scores = np.tanh(scores / attention.cap) * attention.cap
        scores = np.where(_seen(len(query), attention.window), scores, -np.inf)
        sinks = self._sinks(attention)
        largest = np.maximum(scores.max(axis=-1, keepdims=True), sinks)
        weights = np.exp(scores - largest)
        weights /= weights.sum(axis=-1, keepdims=True) + np.exp(sinks - largest)
        attended: Floats = (weights @ values).swapaxes(0, 1).reshape(query.shape)
        return attended

    def _sinks(self, attention: Attention) -> Floats:
        """Return the score of what each head attends to beside tokens, ``(heads, 1, 1)``."""
        if not attention.sinks:
            return np.full((attention.num_heads, 1, 1), -np.inf)
        sinks = self._source.vector(f"{attention.sinks}.weight", attention.num_heads)
        return sinks.reshape(-1, 1, 1).astype(np.float64)

    def attend_latent(
        self, name: str, projections: tuple[Floats, Floats, Floats], attention: LatentAttention
    ) -> Floats:
        """Attend to latent vectors."""
        sizes, heads = attention.sizes, attention.num_heads
        keys = self._source.tensor(f"{attention.keys}.weight", (heads, sizes.rank, sizes.still))
        values = self._source.tensor(f"{attention.values}.weight", (heads, sizes.value, sizes.rank))
        weights = keys.dequantize(), values.dequantize()
        tables = self._rotary_tables(attention.rotary, sizes.rotating)
        return numpy_latent.attended(projections, attention, weights, tables)

    def _heads(self, x: Floats, attention: Attention, count: int, rotary: Rotary | None) -> Floats:
        """Return ``(heads, tokens, head_dim)``, rotated; contiguous, so that each head's product is one of BLAS."""
        heads = x.reshape(len(x), count, attention.head_dim).swapaxes(0, 1)
        if rotary is None:
            return np.ascontiguousarray(heads)
        cosines, sines = self._rotary_tables(rotary, attention.head_dim)
        first, second = np.split(heads, 2, axis=-1)
        return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)

    def _rotary_tables(self, rotary: Rotary, head_dim: int) -> tuple[Floats, Floats]:
        if rotary.name not in self._tables:
            self._tables[rotary.name] = rotary.tables(self._source, len(self._token_ids), head_dim)
        return self._tables[rotary.name]

    def convolve(self, name: str, x: Floats, convolution: Convolution) -> Floats:
        """Sum the shifted channels, each times its weight."""
        shape = (convolution.channels, convolution.kernel)
        weight = self._source.tensor(f"{convolution.tensor}.weight", shape).dequantize()
        padded = np.pad(x, ((convolution.kernel - 1, 0), (0, 0)))
        shifted = (padded[tap : tap + len(x)] * weight[:, tap] for tap in range(convolution.kernel))
        convolved = sum(shifted, np.zeros_like(x))
        return _silu(convolved) if convolution.activated else convolved

    def recur(self, name: str, x: tuple[Floats, Floats, Floats], gates: tuple[Floats, Floats], net: DeltaNet) -> Floats:
        """Go token by token."""
        order = np.arange(net.value_heads)
        order = order % net.key_heads if net.tiled else order // (net.value_heads // net.key_heads)
        queries, keys = (each.reshape(len(each), net.key_heads, net.key_dim)[:, order] for each in x[:2])
        values = x[2].reshape(len(x[2]), net.value_heads, net.value_dim)
        state = np.zeros((net.value_heads, net.key_dim, net.value_dim))
        read = np.empty_like(values)
        for at, (query, key, value) in enumerate(zip(queries, keys, values, strict=True)):
            state *= np.exp(gates[1][at])[:, np.newaxis, np.newaxis]
            difference = gates[0][at][:, np.newaxis] * (value - np.einsum("hkv,hk->hv", state, key))
            state += key[:, :, np.newaxis] * difference[:, np.newaxis]
            read[at] = np.einsum("hkv,hk->hv", state, query)
        scaled: Floats = read.reshape(len(read), net.values) * net.key_dim**-0.5
        return scaled

    def unit(self, name: str, x: Floats, heads: int, head_dim: int, eps: float) -> Floats:
        """Divide each head by its length."""
        split = x.reshape(len(x), heads, head_dim)
        united: Floats = split / np.sqrt((split * split).sum(axis=-1, keepdims=True) + eps)
        return united.reshape(x.shape)

    def decay(self, name: str, x: Floats, rate: str, bias: str, size: int) -> Floats:
        """Apply softplus."""
        grown = np.logaddexp(0, x + self._source.vector(bias, size))
        decays: Floats = grown * self._source.vector(rate, size)
        return decays

    def sigmoid(self, name: str, x: Floats) -> Floats:
        """Apply the sigmoid."""
        with np.errstate(over="ignore"):  # as in _silu
            curve: Floats = np.reciprocal(1 + np.exp(-x))
        return curve

    def split(self, name: str, x: Floats, sizes: list[int]) -> tuple[Floats, ...]:
        """Return parts."""
        return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=-1))

    def activate(self, name: str, x: Floats, activation: Activation) -> Floats:
        """Apply the activation."""
        return _ACTIVATIONS[activation](x)

    def experts(self, name: str, x: Floats, routed: Floats, mixture: Mixture) -> Floats:
        """Pass each token through its experts."""
        self.inputs[name] = x
        return numpy_experts.mixed(self._matrices, x, routed, mixture)

    def open(self, name: str, x: Floats, read: Floats, gate: Part) -> Floats:
        """Multiply by a sigmoid."""
        return x * numpy_experts.sigmoid(self.linear(name, read, [gate], self._config.hidden_size))

    def add(self, name: str, x: Floats, y: Floats) -> Floats:
        """Add."""
        return x + y

    def multiply(self, name: str, x: Floats, y: Floats) -> Floats:
        """Multiply element by element."""
        return x * y

    def scale(self, name: str, x: Floats, factor: float) -> Floats:
        """Multiply by a number."""
        return x * factor


def _seen(tokens: int, window: int) -> NDArray[np.bool_]:
    """Return which token sees which, itself and those before it."""
    seen: NDArray[np.bool_] = np.tri(tokens, dtype=bool)
    return seen & ~np.tri(tokens, k=-window, dtype=bool) if window else seen


def _silu(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite and the quotient 0, as it should be
        quotient: Floats = x / (1 + np.exp(-x))
    return quotient


_ACTIVATIONS: Mapping[Activation, Callable[[Floats], Floats]] = MappingProxyType(
    # The error function's is nowhere 0.0005 away.
    {"silu": _silu, "gelu": numpy_experts.gelu, "gelu_pytorch_tanh": numpy_experts.gelu}
)
