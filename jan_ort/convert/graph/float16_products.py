"""Products in float16, of operators that CUDA, DirectML and a CPU all have.

Sources: docs/OperatorKernels.md of ONNX Runtime (types); DmlOperatorMatMulNBits.cpp (DirectML's product takes exactly
four inputs, so no bias).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.expert_products import ExpertProducts
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.stored_matrix import StoredMatrix, store_matrix
from jan_ort.convert.graph.stored_products import StoredProducts
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.quantization import QuantizedMatrix, with_even_blocks
from jan_ort.convert.weights.schemes import SCHEMES, Weights


class Float16Products(StoredProducts[StoredMatrix | str]):
    """:class:`products.Products` in float16; logits become float32.

    With 4 bits, matrices that have 4 in the file keep their codes. Those that have more there, because its maker kept
    them more precise, become float16; in a file without any 4-bit matrix all are rounded to 4 bits.
    """

    def __init__(self, source: Checkpoint, config: DecoderConfig, writer: OnnxWriter, weights: Weights) -> None:
        super().__init__(writer)
        self._source = source
        self._config = config
        self._bits = SCHEMES[weights].bits
        self._matrices = Matrices(source, weights)
        self._experts = ExpertProducts(source, writer, self._matrices, weights)
        self._block_means: dict[str, str] = {}

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Add an embedding."""
        table = self._table(f"{name}.weight", tensor, columns)
        return self._writer.node("Gather", [table, "input_ids"], [f"{name}.out"], axis=0)

    def logits(self, rows: str, head: str, output: str) -> None:
        """Add the logits; a tied head reads the embedding's own bytes, for Gemm transposes at no cost."""
        is_tied = not self._source.has_tensor(f"{head}.weight")
        table = "embed.weight" if is_tied else self._table("logits.weight", head)
        inputs = [rows, table]
        if self._source.has_tensor(f"{head}.bias"):
            bias = self._source.vector(f"{head}.bias", self._config.vocab_size)
            inputs.append(self._half("logits.bias", bias))
        product = self._writer.node("Gemm", inputs, ["logits.half"], transB=1)
        self._writer.node("Cast", [product], [output], to=TensorProto.FLOAT)

    def _table(self, name: str, tensor: str, columns: int = 0) -> str:
        shape = (self._config.vocab_size, columns or self._config.hidden_size)
        rows = map(self._halves, repeat(name), self._matrices.floats([Part(tensor, shape[0])], shape[1]))
        return self._writer.initializer_of_rows(name, np.float16, shape, rows)

    def experts(self, name: str, rows: str, choice: str, mixture: Mixture) -> str:
        """Add the operator of experts."""
        return self._experts.multiply(name, rows, choice, mixture)

    def _stored(self, name: str, parts: list[Part], columns: int) -> tuple[StoredMatrix | str, str]:
        """Write a matrix, of 4 bits or as floats of a name, and its bias, "" where there is none."""
        num_rows, blocks = sum(part.rows for part in parts), self._4bit_blocks(parts, columns)
        bias = self._matrices.bias(parts)
        bias_name = "" if bias is None else self._half(f"{name}.bias", bias)
        if blocks is not None:
            return store_matrix(self._writer, name, num_rows, map(self._half_scaled, repeat(name), blocks)), bias_name
        rows = map(self._halves, repeat(name), self._matrices.floats(parts, columns))
        weight = self._writer.transposed_initializer(f"{name}.weight", np.float16, (columns, num_rows), rows)
        return weight, bias_name

    def _read_by(self, matrix: StoredMatrix | str, x: str) -> str:
        return x if isinstance(matrix, str) or not matrix.extra_columns else self._with_block_means(x, matrix)

    def _product(self, x: str, output: str, matrix: StoredMatrix | str, bias: str) -> str:
        product = f"{output}.unbiased" if bias else output
        if isinstance(matrix, str):
            self._writer.node("MatMul", [x, matrix], [product])
        else:
            assert matrix.zero_points  # cat_4bit always has them
            inputs = [x, matrix.codes, matrix.scales, matrix.zero_points]
            self._writer.node("MatMulNBits", inputs, [product], domain=MICROSOFT, **matrix.attributes)
        return self._writer.node("Add", [product, bias], [output]) if bias else product

    def _4bit_blocks(self, parts: list[Part], columns: int) -> Iterator[QuantizedMatrix] | None:
        if self._bits != 4 or columns % GGML_BLOCK:
            return None
        if not self._source.has_4bit_tensors():
            return self._matrices.rounded_4bit(parts, columns)
        return self._matrices.kept_4bit(parts, columns)

    def _half_scaled(self, name: str, block: QuantizedMatrix) -> QuantizedMatrix:
        even = with_even_blocks(block)
        scales = even.scales.copy()
        if even.extra_columns:
            # Means instead of sums, which would come near float16's end; 32 is a power of 2, so nothing is rounded.
            scales[:, (even.columns - even.extra_columns) // GGML_BLOCK :] *= GGML_BLOCK
        return replace(even, scales=self._halves(f"{name}.scales", scales))

    def _with_block_means(self, x: str, matrix: StoredMatrix) -> str:
        """Append to x its means over blocks of 32, which the extra columns of the "cat" scheme multiply.

        Of those columns there is one for each block, and zeros up to a whole number of blocks. A matrix without
        residuals has none of the first: its single block of zeros (:func:`with_even_blocks`) takes the means that fit.
        """
        name = f"{x}.cat{matrix.extra_columns}"
        if name not in self._block_means:
            columns = matrix.columns - matrix.extra_columns
            position = np.arange(min(columns, matrix.extra_columns * GGML_BLOCK))
            averaging = np.zeros((columns, matrix.extra_columns), np.float32)
            averaging[position, position // GGML_BLOCK] = 1 / GGML_BLOCK
            means = self._writer.node("MatMul", [x, self._half(f"{name}.averaging", averaging)], [f"{name}.means"])
            self._block_means[name] = self._writer.node("Concat", [x, means], [name], axis=-1)
        return self._block_means[name]

    def _half(self, name: str, values: NDArray[Any]) -> str:
        return self._writer.initializer(name, self._halves(name, values))

    def _halves(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as float16. Raises: ConversionError if one is beyond its range."""
        if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            self._source.refuse(f"{name} has values beyond float16's range; convert with --weights int8")
        return values.astype(np.float16)
