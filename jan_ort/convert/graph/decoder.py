"""The ONNX graph of a decoder with a KV cache that past and present share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jan_ort.convert.architectures.decoder import Activation, Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig, rotary_frequencies
from jan_ort.convert.graph.float16_products import Float16Products
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.products import Products
from jan_ort.convert.graph.quantized_products import QuantizedProducts
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.calibration import LayerSmoothing, Scale
from jan_ort.convert.weights.matrices import Part
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort_backends import NUM_TOP_LOGITS

_ACTIVATIONS: dict[Activation, tuple[str, str, dict[str, Any]]] = {
    "silu": ("QuickGelu", MICROSOFT, {"alpha": 1.0}),  # x · sigmoid(alpha · x) with alpha 1, in one node
    "gelu_pytorch_tanh": ("Gelu", "", {"approximate": "tanh"}),
}


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm of the graph: the ``name`` of its nodes, the file's ``tensor``, and what its output is divided by."""

    name: str
    tensor: str
    scale: Scale | None = None


class DecoderGraph:
    """Builds the graph of ``source`` into ``writer`` by the recipe of ``decoder``.

    It goes layer by layer, so that one layer is in memory at a time. ``smoothing`` has one entry per layer: what the
    inputs of its products are divided by, inside the norm weights and the up projection. Metadata: "jan_ort.graph" is
    the name of the inputs' and outputs' names and shapes. In float16 there is the further input position_ids int64
    ``(batch, sequence)``; logits stay float32.

    Sources: DmlOperatorGroupQueryAttention.cpp of ONNX Runtime (DirectML's attention takes query, key and value apart
    and does not rotate them); onnxruntime-genai's builders/base.py makes the same choice for it.
    """

    def __init__(
        self,
        source: GgufFile,
        decoder: Decoder,
        config: DecoderConfig,
        writer: OnnxWriter,
        weights: Weights,
        smoothing: Sequence[LayerSmoothing],
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._config = config
        self._writer = writer
        self._smoothing = smoothing
        self._is_half = SCHEMES[weights].activations == "float16"
        self._dtype = np.float16 if self._is_half else np.float32
        kind = Float16Products if self._is_half else QuantizedProducts
        self._products: Products = kind(source, config, writer, weights)

    def build(self, progress: Callable[[float], None]) -> None:
        """Write all nodes and initialisers and save the model; ``progress`` gets the fraction of layers done."""
        config, writer, last = self._config, self._writer, self._config.num_hidden_layers - 1
        self._declare_inputs()
        self._rotary_tables()
        residual = self._products.embed(self._decoder.tensors.embedding)
        hidden = self._first_norm(residual)
        for layer, smooth in enumerate(self._smoothing):
            attended = self._attention(layer, hidden, smooth)
            hidden, residual = self._add_and_norm(residual, attended, self._mlp_norm(layer))
            fed_forward = self._mlp(layer, hidden, smooth)
            norm = self._attention_norm(layer + 1) if layer < last else self._output_norm()
            hidden, residual = self._add_and_norm(residual, fed_forward, norm)
            progress((layer + 1) / config.num_hidden_layers)
        self._head(hidden)
        self._declare_outputs()
        name = "gqa-shared-kv/2" if self._is_half else "gqa-shared-kv/1"
        metadata = {"jan_ort.graph": name, "jan_ort.context_length": str(config.max_position_embeddings)}
        writer.save(self._decoder.name, metadata)

    def _declare_inputs(self) -> None:
        writer = self._writer
        writer.input("input_ids", np.int64, ["batch", "sequence"])
        writer.input("seqlens_k", np.int32, ["batch"])
        writer.input("total_sequence_length", np.int32, [1])
        writer.input("logits_rows", np.int64, ["num_logits"])
        for name in self._cache_names("past_key_values"):
            writer.input(name, self._dtype, self._cache_shape())
        if self._is_half:
            writer.input("position_ids", np.int64, ["batch", "sequence"])

    def _declare_outputs(self) -> None:
        writer = self._writer
        writer.output("logits", np.float32, ["num_logits", self._config.vocab_size])
        num_top = min(NUM_TOP_LOGITS, self._config.vocab_size)
        writer.output("top_logits", np.float32, ["num_logits", num_top])
        writer.output("top_token_ids", np.int64, ["num_logits", num_top])
        for name in self._cache_names("present"):
            writer.output(name, self._dtype, self._cache_shape())

    def _cache_names(self, prefix: str) -> list[str]:
        layers = range(self._config.num_hidden_layers)
        return [f"{prefix}.{layer}.{kind}" for layer in layers for kind in ("key", "value")]

    def _cache_shape(self) -> list[int | str]:
        return ["batch", self._config.num_key_value_heads, "max_length", self._config.head_dim]

    def _rotary_tables(self) -> None:
        """Add cosines and sines, ``(context_length, head_dim / 2)``."""
        frequencies = rotary_frequencies(self._source, self._decoder, self._config)
        angles = np.arange(self._config.max_position_embeddings)[:, np.newaxis] * frequencies
        self._writer.initializer("rotary.cos", np.cos(angles).astype(self._dtype))
        self._writer.initializer("rotary.sin", np.sin(angles).astype(self._dtype))

    def _first_norm(self, hidden: str) -> str:
        norm = self._attention_norm(0)
        inputs, outputs = [hidden, self._norm_weight(norm)], [f"{norm.name}.out"]
        at: dict[str, Any] = {"axis": -1, "epsilon": self._config.rms_norm_eps, "stash_type": 1}
        return self._writer.node("SimplifiedLayerNormalization", inputs, outputs, **at)

    def _add_and_norm(self, residual: str, update: str, norm: Norm) -> tuple[str, str]:
        """Return the normalised sum, and the sum itself, the new residual."""
        outputs = [f"{norm.name}.out", "", "", f"{norm.name}.residual"]
        inputs = [residual, update, self._norm_weight(norm)]
        operator = "SkipSimplifiedLayerNormalization"
        self._writer.node(operator, inputs, outputs, domain=MICROSOFT, epsilon=self._config.rms_norm_eps)
        return outputs[0], outputs[3]

    def _attention_norm(self, layer: int) -> Norm:
        tensor = self._decoder.tensors.of(layer).attention_norm
        return Norm(f"blk.{layer}.attn_norm", tensor, self._smoothing[layer].attention)

    def _mlp_norm(self, layer: int) -> Norm:
        return Norm(f"blk.{layer}.ffn_norm", self._decoder.tensors.of(layer).mlp_norm, self._smoothing[layer].mlp)

    def _output_norm(self) -> Norm:
        return Norm("output_norm", self._decoder.tensors.output_norm)

    def _norm_weight(self, norm: Norm) -> str:
        weight = self._source.vector(f"{norm.tensor}.weight", self._config.hidden_size)
        if norm.scale is not None:
            weight = weight / norm.scale
        return self._writer.initializer(f"{norm.name}.weight", weight.astype(self._dtype))

    def _attention(self, layer: int, hidden: str, smooth: LayerSmoothing) -> str:
        config, prefix = self._config, f"blk.{layer}.attn"
        names, pairs = self._decoder.tensors.of(layer), self._decoder.rotary_pairs
        num_heads, num_kv_heads = config.num_attention_heads, config.num_key_value_heads
        parts = [
            Part(names.query, config.query_size, num_heads if pairs else 0, smooth.attention),
            Part(names.key, config.key_value_size, num_kv_heads if pairs else 0, smooth.attention),
            Part(names.value, config.key_value_size, 0, smooth.attention),
        ]
        past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        lengths = ["seqlens_k", "total_sequence_length"]
        at: dict[str, Any] = {"num_heads": num_heads, "kv_num_heads": num_kv_heads}
        if self._is_half:
            inputs = [*self._rotated(prefix, hidden, parts), *past, *lengths]
        else:
            packed = self._products.linear(f"{prefix}_qkv", hidden, parts, config.hidden_size)
            inputs = [packed, "", "", *past, *lengths, "rotary.cos", "rotary.sin"]
            at |= {"do_rotary": 1, "rotary_interleaved": 0}
        outputs = [f"{prefix}.out", f"present.{layer}.key", f"present.{layer}.value"]
        scale = config.head_dim**-0.5
        attended = self._writer.node("GroupQueryAttention", inputs, outputs, domain=MICROSOFT, **at, scale=scale)
        output = [Part(names.attention_output, config.hidden_size)]
        return self._products.linear(f"{prefix}_output", attended, output, config.query_size)

    def _rotated(self, prefix: str, hidden: str, parts: list[Part]) -> list[str]:
        """Add queries and keys, both rotated, and values, each as a product of its own."""
        query, key, value = parts
        size, linear = self._config.hidden_size, self._products.linear
        return [
            self._rotate(linear(f"{prefix}_q", hidden, [query], size)),
            self._rotate(linear(f"{prefix}_k", hidden, [key], size)),
            linear(f"{prefix}_v", hidden, [value], size),
        ]

    def _rotate(self, x: str) -> str:
        inputs = [x, "position_ids", "rotary.cos", "rotary.sin"]
        return self._writer.node("RotaryEmbedding", inputs, [f"{x}.rotated"], domain=MICROSOFT, interleaved=0)

    def _mlp(self, layer: int, hidden: str, smooth: LayerSmoothing) -> str:
        config, prefix, names = self._config, f"blk.{layer}.ffn", self._decoder.tensors.of(layer)
        # Separate products: packed into one, the split that follows costs more than is won.
        gate_part = Part(names.gate, config.intermediate_size, 0, smooth.mlp)
        up_part = Part(names.up, config.intermediate_size, 0, smooth.mlp, smooth.down)
        gate = self._products.linear(f"{prefix}_gate", hidden, [gate_part], config.hidden_size)
        up = self._products.linear(f"{prefix}_up", hidden, [up_part], config.hidden_size)
        gated = self._writer.node("Mul", [self._activated(prefix, gate), up], [f"{prefix}_gated.out"])
        down_part = Part(names.down, config.hidden_size, 0, smooth.down)
        return self._products.linear(f"{prefix}_down", gated, [down_part], config.intermediate_size)

    def _activated(self, prefix: str, gate: str) -> str:
        activation = self._decoder.activation
        output = f"{prefix}_{activation}.out"
        if activation == "silu" and self._is_half:  # OpenVINO has QuickGelu in float32 only
            sigmoid = self._writer.node("Sigmoid", [gate], [f"{prefix}_sigmoid.out"])
            return self._writer.node("Mul", [gate, sigmoid], [output])
        operator, domain, at = _ACTIVATIONS[activation]
        return self._writer.node(operator, [gate], [output], domain=domain, **at)

    def _head(self, hidden: str) -> None:
        """Add the logits of the positions in logits_rows, and the largest of each row in descending order."""
        config, writer = self._config, self._writer
        flat_shape = writer.initializer("flat_shape", np.array([-1, config.hidden_size], np.int64))
        flat = writer.node("Reshape", [hidden, flat_shape], ["flat.out"])
        rows = writer.node("Gather", [flat, "logits_rows"], ["logits_rows.out"], axis=0)
        self._products.logits(rows, self._decoder.tensors.head)
        num_top = writer.initializer("num_top", np.array([min(NUM_TOP_LOGITS, config.vocab_size)], np.int64))
        writer.node("TopK", ["logits", num_top], ["top_logits", "top_token_ids"], axis=-1)
