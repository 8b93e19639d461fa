"""The graphs decoder_model_merged and embed_tokens: decoders of vectors, and the vectors of tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.decoder import DecoderGraph, products_of
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.vector_operations import VECTORS, VectorOperations
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.schemes import Weights

_NUM_LOGITS = "num_logits_to_keep"


class VectorDecoderGraph(DecoderGraph):
    """A decoder with the input inputs_embeds, ``(batch, sequence, hidden_size)``, in place of input_ids."""

    _operations: VectorOperations

    def _declare_tokens(self) -> None:
        self._writer.input(VECTORS, self._dtype, ["batch", "sequence", self._config.hidden_size])

    def _head_tensor(self) -> str:
        """Return the tensor of the head: a tied one is the embedding, which no node of this graph has."""
        tensors = self._decoder.tensors
        return tensors.head if self._source.has_tensor(f"{tensors.head}.weight") else tensors.embedding


class SeparateVectorDecoderGraph(VectorDecoderGraph):
    """A decoder of one sequence at a time, whose cache comes back longer.

    Inputs and outputs have the names and shapes that transformers.js' graphs have; logits, float32
    ``(num_logits, vocab_size)``, are those of the last num_logits_to_keep positions.
    """

    def _metadata(self) -> dict[str, str]:
        return {}

    def _declare_inputs(self) -> None:
        writer = self._writer
        self._declare_tokens()
        for name, (dtype, shape) in self._operations.inputs.items():
            writer.input(name, dtype, shape)
        writer.input(_NUM_LOGITS, np.int64, [1])
        for name, shape in self._caches("past_key_values"):
            writer.input(name, self._dtype, self._grown(shape, "past"))

    def _declare_outputs(self) -> None:
        self._writer.output("logits", np.float32, ["num_logits", self._config.vocab_size])
        for name, shape in self._caches("present"):
            self._writer.output(name, self._dtype, self._grown(shape, "total"))

    def _grown(self, shape: list[int | str], length: str) -> list[int | str]:
        return [*shape[:2], length, shape[3]]

    def _head(self, hidden: str) -> None:
        """Add the logits of the last positions."""
        writer = self._writer
        flat = writer.reshape(hidden, "flat.out", [-1, self._config.hidden_size])
        first = writer.node("Neg", [_NUM_LOGITS], ["logits.first"])
        end = writer.initializer("logits.end", np.array([np.iinfo(np.int64).max]))
        axes = writer.initializer("logits.axes", np.zeros(1, np.int64))
        self._logits(writer.node("Slice", [flat, first, end, axes], ["logits_rows.out"]))


def without_embedding(config: DecoderConfig) -> DecoderConfig:
    """Return the hyperparameters of a decoder of vectors: only those of tokens are scaled, by their own graph."""
    return replace(config, scales=replace(config.scales, embedding=1.0))


def write_embedding(target: Path, model: Checkpoint, decoder: Decoder, config: DecoderConfig, weights: Weights) -> None:
    """Write embed_tokens: input_ids, int64 ``(batch, sequence)``, to float32 ``(batch, sequence, hidden_size)``."""
    with OnnxWriter(target, "embed_tokens") as writer:
        writer.input("input_ids", np.int64, ["batch", "sequence"])
        rows = products_of(model, config, writer, weights).embed(decoder.tensors.embedding)
        vectors = writer.node("Cast", [rows], ["vectors"], to=TensorProto.FLOAT)
        factor = writer.initializer("scale", np.array(config.scales.embedding, np.float32))
        writer.node("Mul", [vectors, factor], [VECTORS])
        writer.output(VECTORS, np.float32, ["batch", "sequence", config.hidden_size])
        writer.save(decoder.name, {})
