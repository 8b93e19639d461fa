"""A layer's experts as one operator, whose weights are written a few rows at a time.

Rows of one weight each, so that an operator's way of choosing and adding up does not matter. With 8 bits, and with 4
and int8 activations, a row has the same bits in any company. Measured on ONNX Runtime 1.32, AVX-512: with float weights
only if its expert has two rows or more, so there each row comes twice.
Source: the contrib operator documentation of ONNX Runtime (com.microsoft.MoE and QMoE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.stored_matrix import store_matrix
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.ggml_codes import FOUR_BIT_TYPES, GGML_BLOCK
from jan_ort.convert.weights.matrices import EIGHT_BIT_BLOCK, Matrices, Part
from jan_ort.convert.weights.quantization import QuantizedMatrix, nearest_4bit, no_blocks
from jan_ort.convert.weights.schemes import SCHEMES, Weights

_EVEN_4BIT = ("Q4_0", "MXFP4")
"""Types of 4 bits without a minimum: Q4_0 stays as it is. MXFP4's values lie on no even grid; the nearest one is taken,
for the operator has no other on a CPU."""

_ACCURACY_LEVEL = 4  # int8 activations, with the same bits in any company


class ExpertProducts:
    """Writes experts in the types of the scheme ``weights``."""

    def __init__(self, source: Checkpoint, writer: OnnxWriter, matrices: Matrices, weights: Weights) -> None:
        self._source = source
        self._writer = writer
        self._matrices = matrices
        self._scheme = SCHEMES[weights]
        self._dtype = np.dtype(self._scheme.activations)

    def multiply(self, name: str, rows: str, choice: str, mixture: Mixture) -> str:
        """Add the operator. ``rows``: ``(rows, hidden)``; ``choice``: 1 at each row's expert, ``(rows, experts)``."""
        kind = mixture.kind
        at: dict[str, Any] = {
            "k": 1,
            "normalize_routing_weights": 1,
            "activation_type": "swiglu",
            "swiglu_fusion": 1,
            "activation_alpha": kind.alpha,
            "activation_beta": kind.beta,
        }
        at |= {"swiglu_limit": kind.limit} if kind.limit else {}
        bits = self._bits(mixture)
        if bits == 16:
            return self._floats(name, rows, choice, mixture, at)
        return self._quantized(name, rows, choice, mixture, bits, at)

    def _bits(self, mixture: Mixture) -> Literal[4, 8, 16]:
        """Return the width of all three matrices, for the operator is fast with one only."""
        if self._scheme.bits != 4:
            return self._scheme.bits
        more: Literal[8, 16] = 8 if self._dtype == np.float32 else 16
        if self._source.rounds_to_4bit or (more == 16 and not self._source.has_4bit_tensors()):
            return 4
        types = self._types(mixture.gate, mixture.up, mixture.down)
        return 4 if types <= {*_EVEN_4BIT} or self._has_minimums(mixture) else more

    def _types(self, *parts: Callable[[int], Part]) -> set[str]:
        return {self._matrices.type_name(part(0)) for part in parts}

    def _has_minimums(self, mixture: Mixture) -> bool:
        """Say whether the matrices keep their 4 bits with zero points, which on a CPU were seen to be as fast.

        Some blocks have a minimum then that is no whole number of scales; Q4_0 among them has 8 of them.
        """
        types = self._types(mixture.gate, mixture.up, mixture.down)
        keeps = types <= {*FOUR_BIT_TYPES} and not types <= {*_EVEN_4BIT} and mixture.scale is None
        return keeps and self._dtype == np.float32 and self._block_size(mixture, 4) == GGML_BLOCK

    def _floats(self, name: str, rows: str, choice: str, mixture: Mixture, at: dict[str, Any]) -> str:
        first, second = self._biases(name, mixture)
        sizes, hidden = mixture.sizes, mixture.hidden
        gates = map(_interleaved, self._halves(mixture.gate, mixture), self._halves(mixture.up, mixture))
        downs = self._halves(mixture.down, mixture)
        write, dtype = self._writer.initializer_of_rows, self._dtype
        inputs = [
            self._twice(rows),
            self._twice(choice),
            write(f"{name}.gate_up", dtype, (sizes.count, 2 * sizes.width, hidden), gates),
            first,
            write(f"{name}.down", dtype, (sizes.count, hidden, sizes.width), downs),
            second,
        ]
        said = self._writer.node("MoE", _trimmed(inputs), [f"{name}.twice"], domain=MICROSOFT, **at)
        self._writer.node("Split", [said], [f"{name}.once", f"{name}.again"], axis=0, num_outputs=2)
        return f"{name}.once"

    def _twice(self, x: str) -> str:
        return self._writer.node("Concat", [x, x], [f"{x}.twice"], axis=0)

    def _halves(self, part: Callable[[int], Part], mixture: Mixture) -> Iterator[NDArray[Any]]:
        """Yield the rows of all experts. Raises: ConversionError if a value is beyond the type's range."""
        parts = mixture.all(part)
        for rows in self._matrices.floats(parts, mixture.columns(parts[0])):
            if np.abs(rows).max(initial=0) > np.finfo(np.float16).max:
                self._source.refuse(f"{parts[0].name} has values beyond float16's range; convert with --weights int8")
            yield rows.astype(self._dtype)

    def _quantized(
        self, name: str, rows: str, choice: str, mixture: Mixture, bits: Literal[4, 8], at: dict[str, Any]
    ) -> str:
        at |= {"expert_weight_bits": bits, "weights_prepacked": 0, "accuracy_level": _ACCURACY_LEVEL}
        if bits == 4 and self._has_minimums(mixture):
            return self._with_minimums(name, rows, choice, mixture, at | {"block_size": GGML_BLOCK})
        block, count, sizes = self._block_size(mixture, bits), mixture.sizes.count, mixture.sizes
        blocks = [
            self._matrices.symmetric(mixture.all(part), mixture.columns(part(0)), bits, block)
            for part in (mixture.gate, mixture.up, mixture.down)
        ]
        both = map(self._side_by_side, blocks[0], blocks[1])
        gates = store_matrix(self._writer, f"{name}.gate_up", 2 * sizes.width * count, both, experts=count)
        downs = map(self._scaled, blocks[2])
        down = store_matrix(self._writer, f"{name}.down", mixture.hidden * count, downs, experts=count)
        first, second = self._biases(name, mixture)
        inputs = [rows, choice, gates.codes, gates.scales, first, down.codes, down.scales, second]
        at["block_size"] = block
        return self._writer.node("QMoE", _trimmed(inputs), [f"{name}.experts"], domain=MICROSOFT, **at)

    def _with_minimums(self, name: str, rows: str, choice: str, mixture: Mixture, at: dict[str, Any]) -> str:
        """Add 4-bit experts: gates and ways up exactly, in the "cat" scheme; ways down with the nearest zero points.

        Nothing can be appended to what a way down reads: that is within the operator. It has a row of zeros for each
        extra column, since outputs are as many as inputs. Gates and ways up of Q4_0 need no extra column.
        """
        writer, count, hidden = self._writer, mixture.sizes.count, mixture.hidden
        first_parts = (mixture.gate, mixture.up)
        has_residuals = self._types(*first_parts) != {"Q4_0"}
        gate, up = (self._matrices.kept_4bit(mixture.all(part), hidden, has_residuals) for part in first_parts)
        assert gate is not None, "its type was asked for"
        assert up is not None
        both = map(self._side_by_side, gate, up)
        gates = store_matrix(writer, f"{name}.gate_up", 2 * mixture.sizes.width * count, both, experts=count)
        outputs = hidden + gates.extra_columns
        downs = self._downs(mixture, gates.extra_columns)
        down = store_matrix(writer, f"{name}.down", outputs * count, downs, experts=count)
        first, second = self._biases(name, mixture, gates.extra_columns)
        x = self._with_sums(name, rows, mixture, gates.extra_columns) if gates.extra_columns else rows
        inputs = [x, choice, gates.codes, gates.scales, first, down.codes, down.scales, second]
        inputs += ["", "", "", gates.zero_points, down.zero_points]  # what would be the third matrix is in the first
        if not gates.extra_columns:
            return writer.node("QMoE", inputs, [f"{name}.experts"], domain=MICROSOFT, **at)
        said = writer.node("QMoE", inputs, [f"{name}.wide"], domain=MICROSOFT, **at)
        parts = writer.initializer(f"{name}.parts", np.array([hidden, gates.extra_columns], np.int64))
        writer.node("Split", [said, parts], [f"{name}.experts", f"{name}.nothing"], axis=1)
        return f"{name}.experts"

    def _downs(self, mixture: Mixture, extra_rows: int) -> Iterator[QuantizedMatrix]:
        """Yield the ways down, each with so many rows of zeros behind it."""
        for part in mixture.all(mixture.down):
            yield from self._matrices.nearest_4bit([part], mixture.sizes.width)
            if extra_rows:
                yield nearest_4bit(no_blocks(extra_rows, mixture.sizes.width))

    def _with_sums(self, name: str, rows: str, mixture: Mixture, extra_columns: int) -> str:
        """Append to rows their sums over blocks; a product with ones would add up in an order that company changes."""
        writer, num_sums = self._writer, mixture.hidden // GGML_BLOCK
        shape = writer.initializer(f"{name}.blocks", np.array([-1, num_sums, GGML_BLOCK], np.int64))
        blocks = writer.node("Reshape", [rows, shape], [f"{name}.in_blocks"])
        last = writer.initializer(f"{name}.last_axis", np.array([-1], np.int64))
        sums = writer.node("ReduceSum", [blocks, last], [f"{name}.sums"], keepdims=0)
        pads = writer.initializer(f"{name}.pads", np.array([0, 0, 0, extra_columns - num_sums], np.int64))
        padded = writer.node("Pad", [sums, pads], [f"{name}.padded"])
        return writer.node("Concat", [rows, padded], [f"{name}.cat"], axis=1)

    def _side_by_side(self, gate: QuantizedMatrix, up: QuantizedMatrix) -> QuantizedMatrix:
        codes, scales = _interleaved(gate.codes, up.codes), _interleaved(gate.scales, up.scales)
        points = None
        if gate.zero_points is not None and up.zero_points is not None:
            points = _interleaved(gate.zero_points, up.zero_points)
        return self._scaled(replace(gate, codes=codes, scales=scales, zero_points=points))

    def _scaled(self, matrix: QuantizedMatrix) -> QuantizedMatrix:
        return replace(matrix, scales=matrix.scales.astype(self._dtype))

    def _block_size(self, mixture: Mixture, bits: int) -> int:
        """Return how many values have a scale: of a single block a row, the operator takes another way."""
        largest, sizes = EIGHT_BIT_BLOCK if bits == 8 else GGML_BLOCK, (mixture.hidden, mixture.sizes.width)
        for block in (64, 32, 16):
            if block <= largest and not any(size % block or size == block for size in sizes):
                return block
        return self._source.refuse(
            f"experts of {sizes[1]} hidden values are not a multiple of 16, which is not supported; "
            "convert with --weights fp16"
        )

    def _biases(self, name: str, mixture: Mixture, extra_outputs: int = 0) -> tuple[str, str]:
        """Add the biases, "" where there are none; that of the way down has so many zeros behind each expert's."""
        gate, up, down = (self._matrices.bias(mixture.all(part)) for part in (mixture.gate, mixture.up, mixture.down))
        first = None if gate is None or up is None else _interleaved(gate, up)
        return self._bias(f"{name}.gate_up.bias", first, mixture), self._bias(
            f"{name}.down.bias", down, mixture, extra_outputs
        )

    def _bias(self, name: str, values: NDArray[np.float32] | None, mixture: Mixture, extra: int = 0) -> str:
        if values is None:
            return ""
        padded = np.pad(values.reshape(mixture.sizes.count, -1), ((0, 0), (0, extra)))
        return self._writer.initializer(name, padded.astype(self._dtype))


def _interleaved(gate: NDArray[Any], up: NDArray[Any]) -> NDArray[Any]:
    """Return rows of the two in turn."""
    return np.stack((gate, up), axis=1).reshape(2 * len(gate), *gate.shape[1:])


def _trimmed(inputs: list[str]) -> list[str]:
    while not inputs[-1]:
        inputs.pop()
    return inputs
