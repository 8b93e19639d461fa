"""The operations of a decoder that only reads, whole texts at once: no cache, and no logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from jan_ort.convert.architectures.decoder import NormKind
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_operations import POSITIONS, OnnxOperations
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.operations import Attention
from jan_ort.convert.graph.quantized_products import QuantizedProducts
from jan_ort.convert.graph.relative_positions import score_bias, window_bias
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.schemes import EncoderScheme


class FloatProducts:
    """:class:`products.Products` with matrices of float32, the most exact ones."""

    def __init__(self, source: Checkpoint, config: DecoderConfig, writer: OnnxWriter) -> None:
        self._source = source
        self._config = config
        self._writer = writer
        self._matrices = Matrices(source, "int8")

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Add an embedding."""
        shape = (self._config.vocab_size, columns or self._config.hidden_size)
        table = self._writer.initializer(f"{name}.weight", self._source.tensor(f"{tensor}.weight", shape).dequantize())
        return self._writer.node("Gather", [table, "input_ids"], [f"{name}.out"])

    def linear(self, name: str, x: str, parts: list[Part], columns: int, *, output: str = "") -> str:
        """Add a product, and a sum if there is a bias."""
        matrix = self._writer.initializer(f"{name}.weight", np.concatenate([*self._matrices.floats(parts, columns)]).T)
        bias, output = self._matrices.bias(parts), output or f"{name}.out"
        if bias is None:
            return self._writer.node("MatMul", [x, matrix], [output])
        product = self._writer.node("MatMul", [x, matrix], [f"{name}.product"])
        return self._writer.node("Add", [product, self._writer.initializer(f"{name}.bias", bias)], [output])

    def experts(self, name: str, rows: str, choice: str, mixture: Mixture) -> str:
        """Refuse them."""
        self._source.refuse("a model with experts that embeds is not supported; use another model")

    def grouped(self, name: str, x: str, counts: str, groups: Sequence[list[Part]], columns: int) -> str:
        """Add nothing: only experts are groups."""
        raise NotImplementedError("a model that reads has no experts")

    def logits(self, rows: str, head: str, output: str) -> None:
        """Add nothing: nobody asks for logits."""
        raise NotImplementedError("a model that reads has no head")


class ReadingOperations(OnnxOperations):
    """:class:`operations.Operations` over ``input_ids`` and ``attention_mask``, padded on the right.

    Where tokens see those behind them, too, attention has no causal kernel to rotate in.
    """

    def __init__(
        self,
        source: Checkpoint,
        config: DecoderConfig,
        writer: OnnxWriter,
        norm: NormKind,
        nodes: GraphNodes,
        weights: EncoderScheme,
    ) -> None:
        quantized = QuantizedProducts(source, config, writer, "int8") if weights == "int8" else None
        products = quantized or FloatProducts(source, config, writer)
        super().__init__(source, config, writer, products, norm, np.float32)
        self._nodes = nodes
        self._biases: dict[int, str] = {}
        self._rotates_inside = self._rotates_inside and config.causal
        if not self._rotates_inside:
            writer.initializer(POSITIONS, np.zeros(1, np.int64))  # that of a text's first token
        one = writer.initializer("last_axis", np.array([1], np.int64))
        lengths = writer.node("ReduceSum", ["attention_mask", one], ["lengths"], keepdims=0)
        last = writer.node("Sub", [lengths, one], ["last_positions"])
        writer.node("Cast", [last], ["seqlens_k"], to=TensorProto.INT32)
        writer.node("Cast", ["attention_mask"], ["attention_mask.int32"], to=TensorProto.INT32)
        width = writer.node("Shape", ["input_ids"], ["width"], start=1, end=2)
        writer.node("Cast", [width], ["total_sequence_length"], to=TensorProto.INT32)

    def attend(self, name: str, projections: tuple[str, ...], attention: Attention) -> str:
        """Add the attention; with one that looks both ways, keys and values are written once for each query's head."""
        if attention.causal:
            return super().attend(name, projections, attention)
        query, key, value = projections
        if attention.rotary is not None:
            query, key = (self._rotate(each, attention.rotary, attention.head_dim) for each in (query, key))
        inputs = [query, *(self._repeated(each, attention) for each in (key, value)), "", "attention_mask.int32"]
        inputs += [self._window_bias(attention.window // 2)] if attention.window else []
        at = {"num_heads": attention.num_heads, "scale": attention.scale}
        return self._writer.node("MultiHeadAttention", inputs, [f"{name}.out"], domain=MICROSOFT, **at)

    def _repeated(self, x: str, attention: Attention) -> str:
        count, size = attention.num_key_value_heads, attention.head_dim
        heads = self._writer.reshape(x, f"{x}.heads", [0, 0, count, size])
        shared = np.arange(attention.num_heads) // (attention.num_heads // count)
        repeated = self._nodes.node("Gather", heads, self._nodes.constant("shared_heads", shared), axis=2)
        return self._writer.reshape(repeated, f"{x}.repeated", [0, 0, attention.num_heads * size])

    def _window_bias(self, reach: int) -> str:
        if reach not in self._biases:
            table = window_bias(self._config.max_position_embeddings, reach)
            self._biases[reach] = score_bias(self._nodes, f"score_bias_{reach}", table)
        return self._biases[reach]

    def _past(self, cache: int) -> list[str]:
        return ["", ""]

    def _by_position(self, table: str, output: str) -> str:
        """Add the first rows of a table, one a token."""
        first = self._writer.initializer(f"{output}.first", np.array([0], np.int64))
        return self._writer.node("Slice", [table, first, "width"], [output])
