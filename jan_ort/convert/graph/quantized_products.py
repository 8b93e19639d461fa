"""Products of float32 activations with matrices of 8 or 4 bits, as a CPU is fastest at."""

from __future__ import annotations

import numpy as np

from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.expert_products import ExpertProducts
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.stored_matrix import StoredMatrix, store_matrix
from jan_ort.convert.graph.stored_products import StoredProducts
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.schemes import Weights

_ACCURACY_LEVEL = 4  # int8 activations; with float activations the CPU kernel is about 15 times slower


class QuantizedProducts(StoredProducts[StoredMatrix]):
    """:class:`products.Products` of quantised matrices; a tied head is the embedding's own bytes."""

    def __init__(self, source: Checkpoint, config: DecoderConfig, writer: OnnxWriter, weights: Weights) -> None:
        super().__init__(writer)
        self._source = source
        self._config = config
        self._matrices = Matrices(source, weights)
        self._experts = ExpertProducts(source, writer, self._matrices, weights)
        self._embedding: StoredMatrix | None = None
        self._block_sums: dict[str, str] = {}

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Add an embedding, of 8 bits."""
        config = self._config
        blocks = self._matrices.embedding(tensor, config.vocab_size, columns or config.hidden_size)
        stored = store_matrix(self._writer, name, config.vocab_size, blocks, flat=True)
        self._embedding = self._embedding or stored  # the first is what a tied head shares
        at = {"bits": 8, "block_size": stored.block_size, "gather_axis": 0, "quantize_axis": 1}
        inputs = [stored.codes, "input_ids", stored.scales]
        return self._writer.node("GatherBlockQuantized", inputs, [f"{name}.out"], domain=MICROSOFT, **at)

    def logits(self, rows: str, head: str, output: str) -> None:
        """Add the logits of the hidden ``rows``."""
        if self._source.has_tensor(f"{head}.weight"):
            part = Part(head, self._config.vocab_size)
            self.linear("logits", rows, [part], self._config.hidden_size, output=output)
        else:  # tied: the same bytes in the file as the embedding's
            assert self._embedding is not None  # it comes first
            self._product(rows, output, self._embedding.again(self._writer, "logits"), "")

    def experts(self, name: str, rows: str, choice: str, mixture: Mixture) -> str:
        """Add the operator of experts."""
        return self._experts.multiply(name, rows, choice, mixture)

    def _stored(self, name: str, parts: list[Part], columns: int) -> tuple[StoredMatrix, str]:
        num_rows, bias = sum(part.rows for part in parts), self._matrices.bias(parts)
        matrix = store_matrix(self._writer, name, num_rows, self._matrices.quantized(parts, columns))
        return matrix, "" if bias is None else self._writer.initializer(f"{name}.bias", bias)

    def _read_by(self, matrix: StoredMatrix, x: str) -> str:
        return self._with_block_sums(x, matrix) if matrix.extra_columns else x

    def _product(self, x: str, output: str, matrix: StoredMatrix, bias: str) -> str:
        g_idx = ""
        inputs = [x, matrix.codes, matrix.scales, matrix.zero_points, g_idx, bias]
        while not inputs[-1]:
            inputs.pop()
        at = matrix.attributes | {"accuracy_level": _ACCURACY_LEVEL}
        return self._writer.node("MatMulNBits", inputs, [output], domain=MICROSOFT, **at)

    def _with_block_sums(self, x: str, matrix: StoredMatrix) -> str:
        """Append to x its sums over blocks of 32, which the extra columns of the "cat" scheme multiply."""
        if x not in self._block_sums:
            columns = matrix.columns - matrix.extra_columns
            position = np.arange(columns)
            summing = np.zeros((columns, matrix.extra_columns), np.float32)
            summing[position, position // GGML_BLOCK] = 1
            table = self._writer.initializer(f"{x}.summing", summing)
            sums = self._writer.node("MatMul", [x, table], [f"{x}.block_sums"])
            self._block_sums[x] = self._writer.node("Concat", [x, sums], [f"{x}.cat"], axis=-1)
        return self._block_sums[x]
