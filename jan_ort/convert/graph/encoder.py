"""The ONNX graph of an encoder: tokens in, the last hidden state out, by its recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.encoder import Encoder, EncoderConfig
from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.graph.encoder_nodes import WeightNodes
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.graph.relative_positions import bucket_of_distance, distances, score_bias, window_bias
from jan_ort.convert.inputs.encoder_weights import EncoderWeights


class EncoderGraph:
    """Adds the layers of an encoder to ``nodes``; methods return their result's name.

    Inputs: ``input_ids`` and ``attention_mask``, int64 ``(batch, sequence)``, padded on the right. Token types are
    zero, unless ``separator`` is given: then those after the first such token are one. The fused operators are ONNX
    Runtime's own (docs/ContribOperators.md there); Attention and BiasGelu compute what BERT does, the erf form of GELU
    included.
    """

    def __init__(
        self,
        encoder: Encoder,
        config: EncoderConfig,
        weights: EncoderWeights,
        nodes: WeightNodes,
        separator: int | None = None,
    ) -> None:
        self._encoder = encoder
        self._config = config
        self._weights = weights
        self._nodes = nodes
        self._separator = separator
        self._biases: dict[int, str] = {}
        self._tables: dict[float, list[str]] = {}

    def last_hidden_state(self) -> str:
        """Add all layers; float32 ``(batch, sequence, hidden_size)``."""
        self._mask = self._nodes.node("Cast", "attention_mask", to=TensorProto.INT32)
        hidden = self._embeddings()
        for layer in range(self._config.num_hidden_layers):
            block = self._norm_first_layer if self._encoder.norm_first else self._norm_last_layer
            hidden = block(layer, hidden)
        return self._nodes.norm("output_norm", 0, hidden) if self._encoder.norm_first else hidden

    def _norm_last_layer(self, layer: int, hidden: str) -> str:
        attended = self._attention(layer, hidden)
        hidden = self._add_and_norm(layer, "attention_output", "attention_norm", attended, hidden)
        return self._add_and_norm(layer, "down", "mlp_norm", self._mlp(layer, hidden), hidden)

    def _norm_first_layer(self, layer: int, hidden: str) -> str:
        has_norm = self._weights.has("attention_norm", layer)
        read = self._nodes.norm("attention_norm", layer, hidden) if has_norm else hidden
        output = self._nodes.linear("attention_output", layer, self._attention(layer, read), self._config.hidden_size)
        hidden = self._nodes.node("Add", hidden, output)
        inner = self._mlp(layer, self._nodes.norm("mlp_norm", layer, hidden))
        return self._nodes.node("Add", hidden, self._nodes.linear("down", layer, inner, self._config.hidden_size))

    def _embeddings(self) -> str:
        """Add the word, position and token type embeddings, and normalise the sum."""
        config, nodes, weights = self._config, self._nodes, self._weights
        matrices, words = nodes.matrices, weights.read("words", (config.vocab_size, config.hidden_size))
        types = None
        if weights.has("types"):
            types = weights.read("types", (config.type_vocab_size, config.hidden_size))
        splits = self._separator is not None and types is not None and len(types) > 1
        ids = nodes.node("Cast", "input_ids", to=TensorProto.INT32)
        if weights.has("positions") and matrices.fuses:
            table = self._positions()
            if types is not None and not splits:
                table = table + types[0]
            segments = ("", "")
            if splits and types is not None:
                segments = self._token_types(), nodes.constant("types", types)
            inputs = (ids, segments[0], nodes.constant("words", words), nodes.constant("positions", table), segments[1])
            norm = nodes.norm_weights("embedding_norm", 0, bias=True)
            at: dict[str, Any] = {"domain": MICROSOFT, "epsilon": config.layer_norm_eps}
            # The second output is not optional, says the operator's shape inference.
            return nodes.node("EmbedLayerNormalization", *inputs, *norm, unused=("unused_mask_index",), **at)
        embedded = matrices.embed(nodes, "words", words, ids)
        if weights.has("positions"):
            places = nodes.node("Gather", nodes.constant("positions", self._positions()), nodes.positions())
            embedded = nodes.node("Add", embedded, places)
        if types is not None:
            own = nodes.node("Gather", nodes.constant("types", types), self._token_types()) if splits else None
            embedded = nodes.node("Add", embedded, own or nodes.constant("types", types[0]))
        return self._nodes.norm("embedding_norm", 0, embedded)

    def _positions(self) -> NDArray[np.float32]:
        config = self._config
        shape = (config.first_position + config.num_positions, config.hidden_size)
        return self._weights.read("positions", shape)[config.first_position :]

    def _token_types(self) -> str:
        """Add the types of tokens, int32: 1 behind the first separator."""
        nodes = self._nodes
        separator = nodes.constant("separator", np.array(self._separator, np.int64))
        ends = nodes.node("Cast", nodes.node("Equal", "input_ids", separator), to=TensorProto.INT32)
        before = nodes.node("CumSum", ends, nodes.constant("along", np.array(1, np.int64)), exclusive=1)
        return nodes.node("Min", before, nodes.constant("one", np.array(1, np.int32)))

    def _attention(self, layer: int, hidden: str) -> str:
        """Self-attention over the unmasked positions, without the output projection."""
        config, nodes = self._config, self._nodes
        matrix, bias = self._packed(layer)
        at: dict[str, Any] = {"domain": MICROSOFT, "num_heads": config.num_attention_heads}
        scores = self._score_bias(config.windows[layer])
        if not self._encoder.rotates and nodes.matrices.fuses:
            bias = np.zeros(len(matrix), np.float32) if bias is None else bias
            inputs = [hidden, nodes.constant(f"qkv.{layer}", matrix.T), nodes.constant(f"qkv_bias.{layer}", bias)]
            inputs += [self._mask, *(["", scores] if scores else [])]
            return nodes.node("Attention", *inputs, **at)
        packed = nodes.layer_product(f"qkv.{layer}", hidden, matrix, bias)
        sizes = nodes.constant("qkv_sizes", np.full(3, config.hidden_size, np.int64))
        query, key, value = nodes.split(packed, sizes, 3)
        if self._encoder.rotates:
            query, key = self._rotated(query, layer), self._rotated(key, layer)
        return nodes.node("MultiHeadAttention", query, key, value, "", self._mask, *([scores] if scores else []), **at)

    def _packed(self, layer: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return queries, keys and values as one matrix ``(3 * hidden, hidden)``, and its bias if there is one."""
        size, weights = self._config.hidden_size, self._weights
        if weights.has("qkv", layer):
            return weights.read("qkv", (3 * size, size), layer), weights.bias("qkv", 3 * size, layer)
        roles = ("query", "key", "value")
        matrix = np.concatenate([weights.read(role, (size, size), layer) for role in roles])
        biases = [weights.bias(role, size, layer) for role in roles]
        if all(each is None for each in biases):
            return matrix, None
        return matrix, np.concatenate([np.zeros(size, np.float32) if each is None else each for each in biases])

    def _rotated(self, x: str, layer: int) -> str:
        first = self._nodes.constant("first_position", np.zeros(1, np.int64))
        tables = self._rotary_tables(self._config.thetas[layer])
        return self._nodes.node("RotaryEmbedding", x, first, *tables, domain=MICROSOFT)

    def _rotary_tables(self, theta: float) -> list[str]:
        if theta not in self._tables:
            config, name = self._config, f"rotary_{len(self._tables)}"
            angles = Rotary(name, config.head_dim, theta, None).angles(config.num_positions)
            tables = {"cos": np.cos(angles), "sin": np.sin(angles)}
            names = [self._nodes.constant(f"{name}.{kind}", each.astype(np.float32)) for kind, each in tables.items()]
            self._tables[theta] = names
        return self._tables[theta]

    def _score_bias(self, window: int) -> str | None:
        """Add what scores get by distance, float32 ``(1, 1 or heads, sequence, sequence)``; None: nothing."""
        if not window and not self._encoder.relative_buckets:
            return None
        if window not in self._biases:
            count = self._config.num_positions
            if window:
                table = window_bias(count, window)
            else:
                shape = (32, self._config.num_attention_heads)
                table = self._weights.read("relative", shape)[bucket_of_distance(distances(count))].T
            self._biases[window] = score_bias(self._nodes, f"score_bias_{window}", table)
        return self._biases[window]

    def _mlp(self, layer: int, hidden: str) -> str:
        """The feed-forward block up to its last product."""
        config, nodes, weights = self._config, self._nodes, self._weights
        inner, size = config.intermediate_size, config.hidden_size
        if weights.has("gate_up", layer):
            both = nodes.linear("gate_up", layer, hidden, 2 * inner)
            gate, up = nodes.split(both, nodes.constant("gate_sizes", np.full(2, inner, np.int64)), 2)
            return nodes.node("Mul", nodes.activate(gate, config.activation), up)
        if weights.has("gate", layer):
            gate = nodes.activate(nodes.linear("gate", layer, hidden, inner), config.activation)
            return nodes.node("Mul", gate, nodes.linear("up", layer, hidden, inner))
        if config.activation == "gelu" and weights.has("up", layer, "bias"):
            up = nodes.layer_product(f"up.{layer}", hidden, weights.read("up", (inner, size), layer), None)
            bias = nodes.constant(f"up_bias.{layer}", weights.read("up", (inner,), layer, "bias"))
            return nodes.node("BiasGelu", up, bias, domain=MICROSOFT)
        return nodes.activate(nodes.linear("up", layer, hidden, inner), config.activation)

    def _add_and_norm(self, layer: int, role: str, norm: str, hidden: str, residual: str) -> str:
        """Add a product, the residual and their norm."""
        config, nodes = self._config, self._nodes
        matrix = self._weights.read(role, (config.hidden_size, self._width(role)), layer)
        projected = nodes.layer_product(f"{role}.{layer}", hidden, matrix, None)
        inputs = [projected, residual, *nodes.norm_weights(norm, layer, bias=True)]
        if (bias := self._weights.bias(role, config.hidden_size, layer)) is not None:
            inputs.append(nodes.constant(f"{role}_bias.{layer}", bias))
        at: dict[str, Any] = {"domain": MICROSOFT, "epsilon": config.layer_norm_eps}
        return nodes.node("SkipLayerNormalization", *inputs, **at)

    def _width(self, role: str) -> int:
        return self._config.intermediate_size if role == "down" else self._config.hidden_size
