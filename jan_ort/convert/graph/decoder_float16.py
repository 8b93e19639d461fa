"""The ONNX graph of a llama decoder that computes in float16, of operators that CUDA, DirectML and a CPU all have.

Sources: docs/OperatorKernels.md of ONNX Runtime (types); DmlOperatorGroupQueryAttention.cpp and
DmlOperatorMatMulNBits.cpp (DirectML's attention takes query, key and value apart and does not rotate them, and its
product takes exactly four inputs, so no bias); onnxruntime-genai's builders/base.py makes the same choices for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.graph.decoder import LlamaGraph
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.calibration import LayerSmoothing
from jan_ort.convert.weights.matrices import Part
from jan_ort.convert.weights.quantization import QuantizedMatrix, with_even_blocks
from jan_ort.convert.weights.schemes import SCHEMES


class Float16LlamaGraph(LlamaGraph):
    """As :class:`LlamaGraph`, with the further input position_ids int64 ``(batch, sequence)``; logits stay float32.

    With 4 bits, matrices that have 4 in the file keep their codes. Those that have more there, because its maker kept
    them more precise, become float16; in a file without any 4-bit matrix all are rounded to 4 bits.
    """

    name = "gqa-shared-kv/2"

    def _declare_inputs(self) -> None:
        super()._declare_inputs()
        self._writer.input("position_ids", np.int64, ["batch", "sequence"])

    def _embed(self) -> str:
        shape = (self._config.vocab_size, self._config.hidden_size)
        table = self._half("embed.weight", self._source.tensor("token_embd.weight", shape).dequantize())
        return self._writer.node("Gather", [table, "input_ids"], ["embed.out"], axis=0)

    def _attention(self, layer: int, hidden: str, smooth: LayerSmoothing) -> str:
        config, prefix = self._config, f"blk.{layer}.attn"
        query_part = Part(f"{prefix}_q", config.query_size, config.num_attention_heads)
        key_part = Part(f"{prefix}_k", config.key_value_size, config.num_key_value_heads)
        query = self._rotate(self._linear(query_part.name, hidden, [query_part]))
        key = self._rotate(self._linear(key_part.name, hidden, [key_part]))
        value = self._linear(f"{prefix}_v", hidden, [Part(f"{prefix}_v", config.key_value_size)])
        past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        present = [f"present.{layer}.key", f"present.{layer}.value"]
        attended = self._writer.node(
            "GroupQueryAttention",
            [query, key, value, *past, "seqlens_k", "total_sequence_length"],
            [f"{prefix}.out", *present],
            domain=MICROSOFT,
            num_heads=config.num_attention_heads,
            kv_num_heads=config.num_key_value_heads,
            scale=config.head_dim**-0.5,
        )
        output = [Part(f"{prefix}_output", config.hidden_size)]
        return self._linear(f"{prefix}_output", attended, output, config.query_size)

    def _rotate(self, x: str) -> str:
        inputs = [x, "position_ids", "rotary.cos", "rotary.sin"]
        return self._writer.node("RotaryEmbedding", inputs, [f"{x}.rotated"], domain=MICROSOFT, interleaved=0)

    def _logits(self, rows: str) -> None:
        """Add the output "logits"; a tied head reads the embedding's own bytes, for Gemm transposes at no cost."""
        table = "embed.weight"
        if self._source.has_tensor("output.weight"):
            shape = (self._config.vocab_size, self._config.hidden_size)
            table = self._half("logits.weight", self._source.tensor("output.weight", shape).dequantize())
        product = self._writer.node("Gemm", [rows, table], ["logits.half"], transB=1)
        self._writer.node("Cast", [product], ["logits"], to=TensorProto.FLOAT)

    def _linear(self, name: str, x: str, parts: list[Part], columns: int = 0, *, output: str = "") -> str:
        """Multiply x by the stacked parts, ``columns`` wide (the hidden size by default), and add their biases."""
        columns, output = columns or self._config.hidden_size, output or f"{name}.out"
        bias = self._weights.bias(parts)
        product = output if bias is None else f"{name}.product"
        matrix = self._4bit_matrix(parts, columns)
        if matrix is None:
            weight = self._half(f"{name}.weight", self._weights.floats(parts, columns).T)
            self._writer.node("MatMul", [x, weight], [product])
        else:
            self._4bit_product(name, x, with_even_blocks(matrix), product)
        if bias is None:
            return product
        return self._writer.node("Add", [product, self._half(f"{name}.bias", bias)], [output])

    def _4bit_matrix(self, parts: list[Part], columns: int) -> QuantizedMatrix | None:
        if SCHEMES[self._scheme].bits != 4 or columns % GGML_BLOCK:
            return None
        if not self._source.has_4bit_tensors():
            return self._weights.rounded_4bit(parts, columns)
        return self._weights.kept_4bit(parts, columns)

    def _4bit_product(self, name: str, x: str, matrix: QuantizedMatrix, output: str) -> None:
        scales = matrix.scales.copy()
        if matrix.extra_columns:
            # Means instead of sums, which would come near float16's end; 32 is a power of 2, so nothing is rounded.
            scales[:, (matrix.columns - matrix.extra_columns) // GGML_BLOCK :] *= GGML_BLOCK
            x = self._with_block_means(x, matrix)
        assert matrix.zero_points is not None  # cat_4bit always has them
        inputs = [
            x,
            self._writer.initializer(f"{name}.codes", matrix.codes),
            self._half(f"{name}.scales", scales),
            self._writer.initializer(f"{name}.zero_points", matrix.zero_points),
        ]
        at = {"K": matrix.columns, "N": matrix.rows, "bits": matrix.bits, "block_size": matrix.block_size}
        self._writer.node("MatMulNBits", inputs, [output], domain=MICROSOFT, **at)

    def _with_block_means(self, x: str, matrix: QuantizedMatrix) -> str:
        """Append to x its means over blocks of 32, which the extra columns of the "cat" scheme multiply.

        Of those columns there is one for each block, and zeros up to a whole number of blocks. A matrix without
        residuals has none of the first: its single block of zeros (:func:`with_even_blocks`) takes the means that fit.
        """
        name = f"{x}.cat{matrix.extra_columns}"
        if name not in self._block_sums:
            columns = matrix.columns - matrix.extra_columns
            position = np.arange(min(columns, matrix.extra_columns * GGML_BLOCK))
            averaging = np.zeros((columns, matrix.extra_columns), np.float32)
            averaging[position, position // GGML_BLOCK] = 1 / GGML_BLOCK
            means = self._writer.node("MatMul", [x, self._half(f"{name}.averaging", averaging)], [f"{name}.means"])
            self._block_sums[name] = self._writer.node("Concat", [x, means], [name], axis=-1)
        return self._block_sums[name]

    def _half(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant as float16. Raises: ConversionError if a value is beyond its range."""
        if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            self._source.refuse(f"{name} has values beyond float16's range; convert with --weights int8")
        return self._writer.initializer(name, values.astype(np.float16))
