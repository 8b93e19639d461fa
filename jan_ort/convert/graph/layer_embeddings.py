"""Vectors that a token has for each layer, besides the one that the first layer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.operations import HeadNorm, Operations, Value
from jan_ort.convert.weights.matrices import Part


class LayerEmbeddings(Generic[Value]):
    """Half of a vector is the token's own, half is made of ``embedded``, which is ``shrinkage`` times what it was.

    Source: gemma3n.py and gemma4.py of transformers, project_per_layer_inputs.
    """

    def __init__(
        self, decoder: Decoder, config: DecoderConfig, operations: Operations[Value], shrinkage: float, embedded: Value
    ) -> None:
        self._decoder, self._config, self._do, self._shrinkage = decoder, config, operations, shrinkage
        self._vectors: Sequence[Value] = self._mixed(embedded) if config.layer_embedding_size else ()

    def _mixed(self, embedded: Value) -> Sequence[Value]:
        do, names, config = self._do, self._decoder.tensors, self._config
        size, layers, hidden = config.layer_embedding_size, config.num_hidden_layers, config.hidden_size
        own = do.scale("layer_embed", do.embed(names.layer_embedding, "layer_embed", layers * size), size**0.5)
        context = do.linear("layer_context", embedded, [Part(names.layer_context, layers * size)], hidden)
        context = do.scale("layer_context", context, hidden**-0.5 / self._shrinkage)
        context = do.head_norm(context, HeadNorm("layer_context_norm", names.layer_context_norm, layers, size, None))
        both = do.scale("layer_vectors", do.add("layer_vectors", context, own), 2**-0.5)
        return do.split("layer_vectors", both, [size] * layers)

    def read_by(self, layer: int, residual: Value) -> Value:
        """Return what a layer makes of its vector, as far as the residual opens it."""
        do, names, prefix = self._do, self._decoder.tensors.of(layer), f"blk.{layer}"
        size, hidden = self._config.layer_embedding_size, self._config.hidden_size
        gate = do.linear(f"{prefix}.layer_gate", residual, [Part(names.layer_gate, size)], hidden)
        if self._shrinkage != 1:
            gate = do.scale(f"{prefix}.layer_gate", gate, 1 / self._shrinkage)
        gate = do.activate(f"{prefix}.layer_gate", gate, self._decoder.activation)
        opened = do.multiply(f"{prefix}.layer_opened", gate, self._vectors[layer])
        return do.linear(f"{prefix}.layer_output", opened, [Part(names.layer_output, hidden)], size)
