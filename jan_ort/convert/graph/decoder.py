"""The ONNX graph of a decoder with a KV cache that past and present share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.float16_products import Float16Products
from jan_ort.convert.graph.forward import Forward
from jan_ort.convert.graph.onnx_operations import POSITIONS, OnnxOperations
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.products import Products
from jan_ort.convert.graph.quantized_products import QuantizedProducts
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.convert.weights.smoothing import LayerSmoothing
from jan_ort_backends import NUM_TOP_LOGITS


class DecoderGraph:
    """Builds the graph of ``source`` into ``writer`` by the recipe of ``decoder``.

    ``smoothing`` has one entry per layer. Metadata: "jan_ort.graph" is the name of the inputs' and outputs' names and
    shapes: in "/2" there is the further input position_ids int64 ``(batch, sequence)``, which float16 and learned
    positions need. Layers that do not attend have past_state.N and present_state.N, float32 ``(batch, …)``, of which
    the former is zeros at the beginning of a sequence. Logits are float32.
    """

    def __init__(
        self,
        source: Checkpoint,
        decoder: Decoder,
        config: DecoderConfig,
        writer: OnnxWriter,
        weights: Weights,
        smoothing: Sequence[LayerSmoothing],
        operations: type[OnnxOperations] = OnnxOperations,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._config = config
        self._writer = writer
        self._smoothing = smoothing
        is_half = SCHEMES[weights].activations == "float16"
        self._dtype: type[np.generic] = np.float16 if is_half else np.float32
        self._products = products_of(source, config, writer, weights)
        self._operations = operations(source, config, writer, self._products, decoder.norm, self._dtype)

    def build(self, progress: Callable[[float], None]) -> None:
        """Write all nodes and initialisers and save the model; ``progress`` gets the fraction of layers done."""
        config, operations = self._config, self._operations
        self._declare_inputs()
        shrinkage = self._decoder.half_residual if self._dtype == np.float16 else 1.0
        forward = Forward(self._source, self._decoder, config, operations, self._smoothing, shrinkage)
        for layer in range(config.num_hidden_layers):
            forward.layer(layer)
            progress((layer + 1) / config.num_hidden_layers)
        self._head(forward.output())
        if operations.takes_positions:
            self._writer.input(POSITIONS, np.int64, operations.positions_shape)
        for index, shape in enumerate(operations.states):
            self._writer.input(f"past_state.{index}", np.float32, ["batch", *shape])
        self._declare_outputs()
        self._writer.save(self._decoder.name, self._metadata())

    def _metadata(self) -> dict[str, str]:
        name = "gqa-shared-kv/2" if self._operations.takes_positions else "gqa-shared-kv/1"
        return {"jan_ort.graph": name, "jan_ort.context_length": str(self._config.max_position_embeddings)}

    def _declare_inputs(self) -> None:
        writer = self._writer
        self._declare_tokens()
        writer.input("seqlens_k", np.int32, ["batch"])
        writer.input("total_sequence_length", np.int32, [1])
        writer.input("logits_rows", np.int64, ["num_logits"])
        for name, cached in self._caches("past_key_values"):
            writer.input(name, self._dtype, cached)

    def _declare_tokens(self) -> None:
        self._writer.input("input_ids", np.int64, ["batch", "sequence"])

    def _declare_outputs(self) -> None:
        writer = self._writer
        writer.output("logits", np.float32, ["num_logits", self._config.vocab_size])
        num_top = min(NUM_TOP_LOGITS, self._config.vocab_size)
        writer.output("top_logits", np.float32, ["num_logits", num_top])
        writer.output("top_token_ids", np.int64, ["num_logits", num_top])
        for name, cached in self._caches("present"):
            writer.output(name, self._dtype, cached)
        for index, shape in enumerate(self._operations.states):
            writer.output(f"present_state.{index}", np.float32, ["batch", *shape])

    def _caches(self, prefix: str) -> Iterator[tuple[str, list[int | str]]]:
        """Yield the name and the shape of each layer's keys, and of its values."""
        for cache, layer in enumerate(self._config.attending):
            heads = self._config.heads[layer]
            for kind in ("key", "value"):
                yield f"{prefix}.{cache}.{kind}", ["batch", heads.count, "max_length", heads.size]

    def _head(self, hidden: str) -> None:
        """Add the logits of the positions in logits_rows, and the largest of each row in descending order."""
        config, writer = self._config, self._writer
        flat_shape = writer.initializer("flat_shape", np.array([-1, config.hidden_size], np.int64))
        flat = writer.node("Reshape", [hidden, flat_shape], ["flat.out"])
        rows = writer.node("Gather", [flat, "logits_rows"], ["logits_rows.out"], axis=0)
        self._logits(rows)
        num_top = writer.initializer("num_top", np.array([min(NUM_TOP_LOGITS, config.vocab_size)], np.int64))
        writer.node("TopK", ["logits", num_top], ["top_logits", "top_token_ids"], axis=-1)

    def _logits(self, rows: str) -> None:
        """Add the output "logits" of hidden rows."""
        cap = self._config.scales.logits_cap
        self._products.logits(rows, self._head_tensor(), "logits.uncapped" if cap else "logits")
        if cap:
            _cap(self._writer, "logits.uncapped", cap, "logits")

    def _head_tensor(self) -> str:
        return self._decoder.tensors.head


def products_of(source: Checkpoint, config: DecoderConfig, writer: OnnxWriter, weights: Weights) -> Products:
    """Return what adds a scheme's products."""
    kind = Float16Products if SCHEMES[weights].activations == "float16" else QuantizedProducts
    return kind(source, config, writer, weights)


def _cap(writer: OnnxWriter, x: str, cap: float, output: str) -> None:
    """Add a soft cap of float32 values: x near 0, and never beyond the cap."""
    limit = writer.initializer(f"{output}.cap", np.array(cap, np.float32))
    bent = writer.node("Tanh", [writer.node("Div", [x, limit], [f"{output}.relative"])], [f"{output}.bent"])
    writer.node("Mul", [bent, limit], [output])
