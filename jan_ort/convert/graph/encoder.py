"""The ONNX graph of a sentence embedder: tokens in, one pooled vector a row out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from jan_ort.convert.architectures.encoder import Encoder, EncoderConfig
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.inputs.sentence_transformers import SentenceTransformer

GRAPH_NAME = "sentence-embedding/1"
_OPSET = 17
_MICROSOFT_OPSET = 1
_IR_VERSION = 10

ReadTensor = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""Returns a tensor by its name in the checkpoint, and checks its shape."""


class EncoderGraph:
    """Build the graph of an encoder's recipe layer by layer; methods append nodes and return their result's name.

    Inputs: ``input_ids`` and ``attention_mask``, int64 ``(batch, sequence)``, padded on the right. Output:
    ``sentence_embedding`` float32 ``(batch, hidden_size)``. Token types are all zero, so their embedding is part of
    the position embedding. The fused operators are ONNX Runtime's own (docs/ContribOperators.md there); Attention and
    BiasGelu compute what BERT does, the erf form of GELU included. ``around`` says what becomes of the last hidden
    state.
    """

    def __init__(self, encoder: Encoder, config: EncoderConfig, around: SentenceTransformer, read: ReadTensor) -> None:
        self._tensors = encoder.tensors
        self._config = config
        self._around = around
        self._read = read
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []

    def build(self, context_length: int) -> ModelProto:
        """Return the whole model, all weights inside; ``context_length`` is what its metadata say."""
        mask = self._node("Cast", "attention_mask", to=TensorProto.INT32)
        hidden = self.embeddings()
        for layer in range(self._config.num_hidden_layers):
            hidden = self.attention(layer, hidden, mask)
            hidden = self.mlp(layer, hidden)
        pooled = self.mean_pooling(hidden) if self._around.pooling == "mean" else self.cls_pooling(hidden)
        vector = self.normalize(pooled) if self._around.normalize else pooled
        self._nodes.append(helper.make_node("Identity", [vector], ["sentence_embedding"]))
        return self._model(context_length)

    def embeddings(self) -> str:
        """Add the word, position and (zeroth) token type embeddings, and normalise the sum."""
        config, names = self._config, self._tensors
        types = self._read(f"{names.types}.weight", (config.type_vocab_size, config.hidden_size))
        positions = self._read(f"{names.positions}.weight", (config.max_position_embeddings, config.hidden_size))
        words = self._weight(f"{names.words}.weight", config.vocab_size, config.hidden_size)
        ids = self._node("Cast", "input_ids", to=TensorProto.INT32)
        table = self._constant("position_and_type_embeddings", positions + types[0])
        norm = self._layer_norm(names.embedding_norm)
        return self._node(
            "EmbedLayerNormalization",
            *(ids, "", words, table, "", *norm),
            unused_outputs=("unused_mask_index",),  # not optional, says the operator's shape inference
            domain=MICROSOFT,
            epsilon=config.layer_norm_eps,
        )

    def attention(self, layer: int, hidden: str, mask: str) -> str:
        """Self-attention over the unmasked positions, then the output projection, residual and normalisation."""
        size, names = self._config.hidden_size, self._tensors.of(layer)
        parts, packed = (names.query, names.key, names.value), f"encoder.layer.{layer}.attention.self.qkv"
        weights = np.concatenate([self._read(f"{name}.weight", (size, size)).T for name in parts], axis=1)
        biases = np.concatenate([self._read(f"{name}.bias", (size,)) for name in parts])
        context = self._node(
            "Attention",
            hidden,
            self._constant(f"{packed}.weight", weights),  # (hidden, 3 * hidden)
            self._constant(f"{packed}.bias", biases),
            mask,
            domain=MICROSOFT,
            num_heads=self._config.num_attention_heads,
        )
        return self._project_and_add(names.attention_output, names.attention_norm, context, hidden, size)

    def mlp(self, layer: int, hidden: str) -> str:
        """The two-layer perceptron with GELU, then residual and normalisation."""
        names, inner = self._tensors.of(layer), self._config.intermediate_size
        up = self._linear(names.up, hidden, self._config.hidden_size, inner)
        bias = self._weight(f"{names.up}.bias", inner)
        activated = self._node("BiasGelu", up, bias, domain=MICROSOFT)
        return self._project_and_add(names.down, names.mlp_norm, activated, hidden, inner)

    def mean_pooling(self, hidden: str) -> str:
        """Average the hidden states of the unmasked positions; an empty row gives zeros."""
        mask = self._node("Cast", "attention_mask", to=TensorProto.FLOAT)
        axis = self._constant("sequence_axis", np.array([1], np.int64))
        row = self._node("Unsqueeze", mask, axis)  # (batch, 1, sequence)
        total = self._node("Squeeze", self._node("MatMul", row, hidden), axis)  # (batch, hidden)
        count = self._node("ReduceSum", mask, axis, keepdims=1)  # (batch, 1)
        return self._node("Div", total, self._node("Max", count, self._constant("min_count", np.float32(1e-9))))

    def cls_pooling(self, hidden: str) -> str:
        """Take the hidden state of the first position."""
        return self._node("Gather", hidden, self._constant("first", np.int64(0)), axis=1)

    def normalize(self, vector: str) -> str:
        """Divide each row by its Euclidean length, at least 1e-12 (torch.nn.functional.normalize)."""
        length = self._node("ReduceL2", vector, axes=[1], keepdims=1)
        return self._node("Div", vector, self._node("Max", length, self._constant("min_length", np.float32(1e-12))))

    def _project_and_add(self, name: str, norm: str, hidden: str, residual: str, width: int) -> str:
        size = self._config.hidden_size
        projected = self._linear(name, hidden, width, size)
        bias = self._weight(f"{name}.bias", size)
        scale, shift = self._layer_norm(norm)
        return self._node(
            "SkipLayerNormalization",
            projected,
            residual,
            scale,
            shift,
            bias,
            domain=MICROSOFT,
            epsilon=self._config.layer_norm_eps,
        )

    def _linear(self, prefix: str, hidden: str, num_inputs: int, num_outputs: int) -> str:
        weight = self._read(f"{prefix}.weight", (num_outputs, num_inputs)).T
        return self._node("MatMul", hidden, self._constant(f"{prefix}.weight", weight))

    def _layer_norm(self, prefix: str) -> tuple[str, str]:
        size = self._config.hidden_size
        return self._weight(f"{prefix}.weight", size), self._weight(f"{prefix}.bias", size)

    def _weight(self, name: str, *shape: int) -> str:
        return self._constant(name, self._read(name, shape))

    def _constant(self, name: str, values: NDArray[np.float32] | NDArray[np.int64] | np.generic) -> str:
        self._initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def _node(
        self, op_type: str, *inputs: str, domain: str = "", unused_outputs: tuple[str, ...] = (), **attributes: Any
    ) -> str:
        output = f"{op_type}_{len(self._nodes)}"
        outputs = [output, *unused_outputs]
        self._nodes.append(helper.make_node(op_type, inputs, outputs, output, domain=domain, **attributes))
        return output

    def _model(self, context_length: int) -> ModelProto:
        config = self._config
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", config.hidden_size])
        graph = helper.make_graph(self._nodes, "sentence_embedding", inputs, [output], self._initializers)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, _MICROSOFT_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="jan-ort", ir_version=_IR_VERSION)
        helper.set_model_props(model, {"jan_ort.graph": GRAPH_NAME, "jan_ort.context_length": str(context_length)})
        return model
