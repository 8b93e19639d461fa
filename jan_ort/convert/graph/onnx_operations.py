"""The operations of a decoder's forward pass as nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Activation, NormKind
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.architectures.states import DeltaNet
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_experts import OnnxExperts
from jan_ort.convert.graph.onnx_latent import OnnxLatent
from jan_ort.convert.graph.onnx_norms import OnnxNorms
from jan_ort.convert.graph.onnx_states import OnnxStates
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.operations import Attention, Convolution, HeadNorm, LatentAttention, Norm
from jan_ort.convert.graph.products import Products
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.matrices import Part

POSITIONS = "position_ids"
_KINDS = ("key", "value")
_SINKS = 11  # which input of GroupQueryAttention they are

_ACTIVATIONS: Mapping[Activation, tuple[str, str, Mapping[str, Any]]] = MappingProxyType(
    {
        "silu": ("QuickGelu", MICROSOFT, {"alpha": 1.0}),  # x · sigmoid(alpha · x) with alpha 1, in one node
        "gelu": ("Gelu", "", {}),
        "gelu_pytorch_tanh": ("Gelu", "", {"approximate": "tanh"}),
    }
)


class OnnxOperations:
    """:class:`operations.Operations` of names in the graph. ``takes_positions``: the input position_ids is read.

    ``states`` are the shapes of what a sequence has beside keys and values, in float32: past_state.0, past_state.1, …
    become present_state.0, present_state.1, …

    Sources: DmlOperatorGroupQueryAttention.cpp of ONNX Runtime (DirectML's attention takes query, key and value apart
    and does not rotate them); onnxruntime-genai's builders/base.py makes the same choice for it.
    """

    def __init__(
        self,
        source: Checkpoint,
        config: DecoderConfig,
        writer: OnnxWriter,
        products: Products,
        norm: NormKind,
        dtype: type[np.generic],
    ) -> None:
        self._source = source
        self._config = config
        self._writer = writer
        self._products = products
        self._dtype = dtype
        self._norms = OnnxNorms(source, writer, norm, config.norm_eps, dtype)
        self._states = OnnxStates(source, writer, dtype)
        self._experts = OnnxExperts(source, writer, products, dtype, self.activate)
        self._latent = OnnxLatent(source, writer, self._rotate_latent, self._constant)
        self._written: set[str] = set()
        # ONNX Runtime rotates inside of attention heads of whole sixteens only.
        self._rotates_inside = dtype == np.float32 and all(heads.size % 16 == 0 for heads in config.heads)
        self.takes_positions = not self._rotates_inside
        self.positions_shape: list[int | str] = ["batch", "sequence"]
        self.states = self._states.shapes

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Add an embedding."""
        return self._products.embed(tensor, name, columns)

    def position_embeddings(self, tensor: str) -> str:
        """Add the rows of learned positions."""
        shape = (self._config.max_position_embeddings, self._config.hidden_size)
        table = self._constant("positions.weight", self._source.tensor(f"{tensor}.weight", shape).dequantize())
        return self._by_position(table, "positions.embed")

    def linear(self, name: str, x: str, parts: list[Part], columns: int) -> str:
        """Add a product, and a sum if there is a bias."""
        return self._products.linear(name, x, parts, columns)

    def projections(self, name: str, x: str, parts: list[Part], columns: int, *, apart: bool) -> tuple[str, ...]:
        """Add one packed product, which attention takes as it is; or three, where it rotates outside."""
        if not self._rotates_inside:
            stem = name.removesuffix("qkv")
            return tuple(
                self._products.linear(f"{stem}{kind}", x, [part], columns)
                for kind, part in zip("qkv", parts, strict=False)
            )
        packed = self._products.linear(name, x, parts, columns)
        if not apart or len(parts) == 1:
            return (packed,)
        return self.split(name, packed, [part.rows for part in parts])

    def split(self, name: str, x: str, sizes: list[int]) -> tuple[str, ...]:
        """Add a split of the last dimension."""
        outputs = [f"{name}.part{index}" for index in range(len(sizes))]
        widths = self._writer.initializer(f"{name}.sizes", np.array(sizes, np.int64))
        self._writer.node("Split", [x, widths], outputs, axis=-1)
        return tuple(outputs)

    def norm(self, x: str, norm: Norm) -> str:
        """Add a norm."""
        return self._norms.norm(x, norm)

    def add_and_norm(self, residual: str, update: str, norm: Norm) -> tuple[str, str]:
        """Add a sum and its norm."""
        return self._norms.add_and_norm(residual, update, norm)

    def head_norm(self, x: str, norm: HeadNorm) -> str:
        """Add a norm of heads."""
        return self._norms.head_norm(x, norm)

    def temper(self, name: str, x: str, temperatures: NDArray[np.float64]) -> str:
        """Add the factor of each position."""
        factors = self._by_position(self._once("temperatures", temperatures), f"{name}.temperatures")
        return self.multiply(f"{name}_tempered", x, factors)

    def _by_position(self, table: str, output: str) -> str:
        self.takes_positions = True
        return self._writer.node("Gather", [table, POSITIONS], [output], axis=0)

    def attend(self, name: str, projections: tuple[str, ...], attention: Attention) -> str:
        """Add the attention, which rotates inside where products are packed, and the operators for rotating outside."""
        cache, rotary = attention.cache, attention.rotary
        at: dict[str, Any] = {"num_heads": attention.num_heads, "kv_num_heads": attention.num_key_value_heads}
        at |= {"local_window_size": attention.window} if attention.window else {}
        at |= {"softcap": attention.cap} if attention.cap else {}
        past = [f"present.{cache}.{kind}" for kind in _KINDS] if attention.only_reads else self._past(cache)
        query, key, value = (*projections, "", "")[:3]
        if attention.only_reads:
            key = value = self._no_keys(name, query, attention)
        tables: list[str] = []
        if rotary is not None and self._rotates_inside:
            tables = self._tables(rotary, attention.head_dim)
            at |= {"do_rotary": 1, "rotary_interleaved": 0}
        elif rotary is not None:
            query = self._rotate(query, rotary, attention.head_dim)
            key = key if attention.only_reads else self._rotate(key, rotary, attention.head_dim)
            # OpenVINO's flavour leaves two of the three products to the CPU where all come before the rotations.
            self._writer.move_last(f"{name}_v")
        inputs = [query, key, value, *past, "seqlens_k", "total_sequence_length", *tables]
        if attention.sinks:
            inputs += [""] * (_SINKS - len(inputs)) + [self._sinks(name, attention)]
        outputs = [f"{name}.out", *(f"present.{cache}.{kind}" for kind in _KINDS)][: 1 if attention.only_reads else 3]
        return self._writer.node("GroupQueryAttention", inputs, outputs, domain=MICROSOFT, **at, scale=attention.scale)

    def _no_keys(self, name: str, query: str, attention: Attention) -> str:
        """Add keys of no token: the operator then reads the cache as it is, and writes none."""
        ends = np.array([0, attention.num_key_value_heads * attention.head_dim], np.int64)
        zeros, axes = np.zeros(2, np.int64), np.array([1, 2], np.int64)
        limits = [
            self._writer.initializer(f"{name}.no_keys.{kind}", values)
            for kind, values in (("starts", zeros), ("ends", ends), ("axes", axes))
        ]
        return self._writer.node("Slice", [query, *limits], [f"{name}.no_keys"])

    def attend_latent(self, name: str, projections: tuple[str, str, str], attention: LatentAttention) -> str:
        """Add attention to latent vectors."""
        return self._latent.attend(name, projections, attention)

    def _rotate_latent(self, x: str, attention: LatentAttention) -> str:
        self.takes_positions = True
        return self._rotate(x, attention.rotary, attention.sizes.rotating, interleaved=int(attention.pairs))

    def _sinks(self, name: str, attention: Attention) -> str:
        return self._constant(f"{name}.sinks", self._source.vector(f"{attention.sinks}.weight", attention.num_heads))

    def _past(self, cache: int) -> list[str]:
        """Return the names of a cache by its number."""
        return [f"past_key_values.{cache}.{kind}" for kind in _KINDS]

    def _rotate(self, x: str, rotary: Rotary, head_dim: int, interleaved: int = 0) -> str:
        inputs = [x, POSITIONS, *self._tables(rotary, head_dim)]
        return self._writer.node("RotaryEmbedding", inputs, [f"{x}.rotated"], domain=MICROSOFT, interleaved=interleaved)

    def _tables(self, rotary: Rotary, head_dim: int) -> list[str]:
        """Add cosines and sines, ``(context_length, head_dim / 2)``, the first time that they are used."""
        names = [f"{rotary.name}.cos", f"{rotary.name}.sin"]
        if not self._written.issuperset(names):
            tables = rotary.tables(self._source, self._config.max_position_embeddings, head_dim)
            for name, table in zip(names, tables, strict=True):
                self._once(name, table)
        return names

    def convolve(self, name: str, x: str, convolution: Convolution) -> str:
        """Add a convolution that remembers the last tokens."""
        return self._states.convolve(name, x, convolution)

    def recur(self, name: str, x: tuple[str, str, str], gates: tuple[str, str], net: DeltaNet) -> str:
        """Add the recurrence."""
        return self._states.recur(name, x, gates, net)

    def unit(self, name: str, x: str, heads: int, head_dim: int, eps: float) -> str:
        """Add what brings each head to length 1."""
        return self._norms.unit(name, x, heads, head_dim, eps)

    def decay(self, name: str, x: str, rate: str, bias: str, size: int) -> str:
        """Add softplus between a sum and a product."""
        return self._states.decay(name, x, rate, bias, size)

    def sigmoid(self, name: str, x: str) -> str:
        """Add a sigmoid."""
        return self._writer.node("Sigmoid", [x], [f"{name}.out"])

    def activate(self, name: str, x: str, activation: Activation) -> str:
        """Add the activation."""
        output = f"{name}_{activation}.out"
        if activation == "silu" and self._dtype == np.float16:  # OpenVINO has QuickGelu in float32 only
            sigmoid = self._writer.node("Sigmoid", [x], [f"{name}_sigmoid.out"])
            return self._writer.node("Mul", [x, sigmoid], [output])
        operator, domain, at = _ACTIVATIONS[activation]
        return self._writer.node(operator, [x], [output], domain=domain, **at)

    def experts(self, name: str, x: str, routed: str, mixture: Mixture) -> str:
        """Add a router and its experts."""
        return self._experts.mixed(name, x, routed, mixture)

    def open(self, name: str, x: str, read: str, gate: Part) -> str:
        """Add a product with the sigmoid of one number a token."""
        return self._experts.opened(name, x, read, gate, self._config.hidden_size)

    def add(self, name: str, x: str, y: str) -> str:
        """Add a sum."""
        return self._writer.node("Add", [x, y], [f"{name}.sum_with.{y}"])

    def multiply(self, name: str, x: str, y: str) -> str:
        """Add a product element by element."""
        return self._writer.node("Mul", [x, y], [f"{name}.out"])

    def scale(self, name: str, x: str, factor: float) -> str:
        """Add a product with a number."""
        return self.multiply(f"{name}_scaled", x, self._constant(f"{name}.scale", np.array(factor)))

    def _once(self, name: str, values: NDArray[Any]) -> str:
        if name not in self._written:
            self._written.add(name)
            self._constant(name, values)
        return name

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        return self._writer.initializer(name, values.astype(self._dtype))
