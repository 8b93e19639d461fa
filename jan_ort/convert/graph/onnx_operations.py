"""The operations of a decoder's forward pass as nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.decoder import Activation, NormKind
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.architectures.states import DeltaNet
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_experts import OnnxExperts
from jan_ort.convert.graph.onnx_latent import OnnxLatent
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
_NORMS: Mapping[NormKind, tuple[str, str]] = MappingProxyType(
    {
        "rms": ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"),
        "layer": ("LayerNormalization", "SkipLayerNormalization"),
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
        self._norm, self._add_and_norm = _NORMS[norm]
        self._dtype = dtype
        self._experts = OnnxExperts(source, writer, products, dtype)
        self._latent = OnnxLatent(source, writer, self._rotate_latent, self._constant)
        self._written: set[str] = set()
        # ONNX Runtime rotates inside of attention heads of whole sixteens only.
        self._rotates_inside = dtype == np.float32 and all(heads.size % 16 == 0 for heads in config.heads)
        self.takes_positions = not self._rotates_inside
        self.states: list[tuple[int, ...]] = []

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
        inputs = [x, *self._norm_weights(norm)]
        return self._normalized(inputs, f"{norm.name}.out", norm.read_factor)

    def _normalized(self, inputs: list[str], output: str, read_factor: float = 1.0) -> str:
        at: dict[str, Any] = {"axis": -1, "epsilon": self._config.norm_eps * read_factor**2, "stash_type": 1}
        return self._writer.node(self._norm, inputs, [output], **at)

    def add_and_norm(self, residual: str, update: str, norm: Norm) -> tuple[str, str]:
        """Add a sum and its norm, in one node where every provider that the graph is for has it."""
        if self._add_and_norm == "SkipLayerNormalization" and self._dtype == np.float16:
            # OpenVINO's has no output for the sum.
            added = self.add(f"{norm.name}.residual", residual, update)
            return self.norm(added, norm), added
        outputs = [f"{norm.name}.out", "", "", f"{norm.name}.residual"]
        inputs = [residual, update, *self._norm_weights(norm)]
        epsilon = self._config.norm_eps * norm.read_factor**2
        self._writer.node(self._add_and_norm, inputs, outputs, domain=MICROSOFT, epsilon=epsilon)
        return outputs[0], outputs[3]

    def _norm_weights(self, norm: Norm) -> list[str]:
        """Add the weight, and the bias if there is one."""
        names = [
            each for each in ("weight", "bias") if each == "weight" or self._source.has_tensor(f"{norm.tensor}.bias")
        ]
        factor = np.float32(norm.factor) if norm.scale is None else np.float32(norm.factor) / norm.scale
        return [
            self._constant(f"{norm.name}.{each}", self._source.vector(f"{norm.tensor}.{each}", norm.size) * factor)
            for each in names
        ]

    def head_norm(self, x: str, norm: HeadNorm) -> str:
        """Add a norm of all heads at once, or of each head between two changes of shape."""
        width = norm.heads * norm.head_dim
        shape, weight = self._head_weight(norm)
        if shape == (width,) and norm.heads > 1:
            return self._normalized([x, self._constant(f"{norm.name}.weight", weight.reshape(-1))], f"{norm.name}.out")
        heads = self._reshaped(x, f"{norm.name}.heads", [0, 0, norm.heads, norm.head_dim])
        ones = np.ones(norm.head_dim, np.float32)
        first = weight[0] if len(weight) == 1 else ones
        normed = self._normalized([heads, self._constant(f"{norm.name}.weight", first)], f"{norm.name}.normed")
        if len(weight) > 1:
            normed = self.multiply(f"{norm.name}.each", normed, self._constant(f"{norm.name}.each_weight", weight))
        return self._reshaped(normed, f"{norm.name}.out", [0, 0, width])

    def _head_weight(self, norm: HeadNorm) -> tuple[tuple[int, ...], NDArray[Any]]:
        """Return the weight's shape in the file, and the weight, a row for each head or one for all."""
        if not norm.tensor:
            return (norm.head_dim,), np.ones((1, norm.head_dim), np.float32)
        shape = self._source.shape(f"{norm.tensor}.weight")
        weight = self._source.tensor(f"{norm.tensor}.weight", shape).dequantize().reshape(-1, norm.head_dim)
        return shape, weight if norm.order is None else weight[:, norm.order]

    def _reshaped(self, x: str, output: str, shape: list[int]) -> str:
        return self._writer.node(
            "Reshape", [x, self._writer.initializer(f"{output}.shape", np.array(shape, np.int64))], [output]
        )

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
        """Add a convolution that remembers the last tokens, in float32."""
        shape = (convolution.channels, convolution.kernel)
        weight = self._source.tensor(f"{convolution.tensor}.weight", shape).dequantize()
        past, present = self._new_state(convolution.kernel - 1, convolution.channels)
        taps = self._writer.initializer(f"{name}.weight", weight[:, np.newaxis])
        inputs, outputs = [self._float32(x), taps, "", past], [f"{name}.convolved", present]
        at = {"channels_last": 1, "activation": "silu" if convolution.activated else "none"}
        self._writer.node("CausalConvWithState", inputs, outputs, domain=MICROSOFT, **at)
        return self._narrowed(outputs[0])

    def recur(self, name: str, x: tuple[str, str, str], gates: tuple[str, str], net: DeltaNet) -> str:
        """Add the recurrence in float32; heads that lie apart are brought together by writing keys several times."""
        share = net.value_heads // net.key_heads
        query, key, value = (self._float32(each) for each in x)
        if is_tiled := net.tiled and share > 1:
            query, key = (
                self._writer.node("Concat", [each] * share, [f"{name}.tiled_{kind}"], axis=-1)
                for kind, each in (("q", query), ("k", key))
            )
        past, present = self._new_state(net.value_heads, net.key_dim, net.value_dim)
        inputs = [query, key, value, past, self._float32(gates[1]), self._float32(gates[0])]
        heads = {"q_num_heads": net.value_heads if is_tiled else net.key_heads}
        heads |= {"kv_num_heads": net.value_heads}
        outputs = [f"{name}.read", present]
        rule = {"update_rule": "gated_delta", "scale": net.key_dim**-0.5}
        self._writer.node("LinearAttention", inputs, outputs, domain=MICROSOFT, **heads, **rule)
        return self._narrowed(outputs[0])

    def unit(self, name: str, x: str, heads: int, head_dim: int, eps: float) -> str:
        """Add a norm by the root mean square, which is the length but for the size of a head."""
        split = self._reshaped(x, f"{name}.heads", [0, 0, heads, head_dim])
        weight = self._constant(f"{name}.weight", np.full(head_dim, head_dim**-0.5))
        at: dict[str, Any] = {"axis": -1, "epsilon": eps / head_dim, "stash_type": 1}
        united = self._writer.node("SimplifiedLayerNormalization", [split, weight], [f"{name}.united"], **at)
        return self._reshaped(united, f"{name}.out", [0, 0, heads * head_dim])

    def decay(self, name: str, x: str, rate: str, bias: str, size: int) -> str:
        """Add softplus between a sum and a product."""
        vectors = {kind: self._source.vector(tensor, size) for kind, tensor in (("bias", bias), ("rate", rate))}
        moved = self._writer.node("Add", [x, self._constant(f"{name}.bias", vectors["bias"])], [f"{name}.moved"])
        grown = self._writer.node("Softplus", [moved], [f"{name}.grown"])
        return self.multiply(name, grown, self._constant(f"{name}.rate", vectors["rate"]))

    def sigmoid(self, name: str, x: str) -> str:
        """Add a sigmoid."""
        return self._writer.node("Sigmoid", [x], [f"{name}.out"])

    def _new_state(self, *shape: int) -> tuple[str, str]:
        self.states.append(shape)
        return f"past_state.{len(self.states) - 1}", f"present_state.{len(self.states) - 1}"

    def _float32(self, x: str) -> str:
        if self._dtype == np.float32:
            return x
        return self._writer.node("Cast", [x], [f"{x}.float32"], to=TensorProto.FLOAT)

    def _narrowed(self, x: str) -> str:
        """Return float32 values in the type of all others."""
        if self._dtype == np.float32:
            return x
        return self._writer.node("Cast", [x], [f"{x}.float16"], to=TensorProto.FLOAT16)

    def activate(self, name: str, x: str, activation: Activation) -> str:
        """Add the activation."""
        output = f"{name}_{activation}.out"
        if activation == "silu" and self._dtype == np.float16:  # OpenVINO has QuickGelu in float32 only
            sigmoid = self._writer.node("Sigmoid", [x], [f"{name}_sigmoid.out"])
            return self._writer.node("Mul", [x, sigmoid], [output])
        operator, domain, at = _ACTIVATIONS[activation]
        return self._writer.node(operator, [x], [output], domain=domain, **at)

    def experts(self, name: str, x: str, mixture: Mixture) -> str:
        """Add a router and its experts."""
        return self._experts.mixed(name, x, mixture)

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

    def cap(self, x: str, cap: float, output: str) -> str:
        """Add a soft cap of float32 values: x near 0, and never beyond the cap."""
        writer = self._writer
        limit = writer.initializer(f"{output}.cap", np.array(cap, np.float32))
        bent = writer.node("Tanh", [writer.node("Div", [x, limit], [f"{output}.relative"])], [f"{output}.bent"])
        return writer.node("Mul", [bent, limit], [output])

    def _once(self, name: str, values: NDArray[Any]) -> str:
        if name not in self._written:
            self._written.add(name)
            self._constant(name, values)
        return name

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        return self._writer.initializer(name, values.astype(self._dtype))
