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
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.matrices import EIGHT_BIT_BLOCK, Matrices, Part
from jan_ort.convert.weights.quantization import QuantizedMatrix
from jan_ort.convert.weights.schemes import SCHEMES, Weights

_EXACT_4BIT = ("Q4_0", "MXFP4")
"""Types that stay 4 bits: Q4_0 as it is. MXFP4's values lie on no even grid; the nearest one is taken, for the operator
has no other on a CPU. Blocks with a minimum (Q4_1, Q4_K) would lose as much again as they have lost, so they get 8."""

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
        parts = (mixture.gate(0), mixture.up(0), mixture.down(0))
        return 4 if all(self._matrices.type_name(part) in _EXACT_4BIT for part in parts) else more

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
        at |= {"expert_weight_bits": bits, "block_size": block, "weights_prepacked": 0}
        at["accuracy_level"] = _ACCURACY_LEVEL
        return self._writer.node("QMoE", _trimmed(inputs), [f"{name}.experts"], domain=MICROSOFT, **at)

    def _side_by_side(self, gate: QuantizedMatrix, up: QuantizedMatrix) -> QuantizedMatrix:
        codes, scales = _interleaved(gate.codes, up.codes), _interleaved(gate.scales, up.scales)
        return self._scaled(replace(gate, codes=codes, scales=scales))

    def _scaled(self, matrix: QuantizedMatrix) -> QuantizedMatrix:
        return replace(matrix, scales=matrix.scales.astype(self._dtype))

    def _block_size(self, mixture: Mixture, bits: int) -> int:
        """Return how many values have a scale: of a single block a row, the operator takes another way."""
        largest, sizes = EIGHT_BIT_BLOCK if bits == 8 else GGML_BLOCK, (mixture.hidden, mixture.sizes.width)
        for block in (64, 32, 16):
            if block <= largest and not any(size % block or size == block for size in sizes):
                return block
        return self._source.refuse(
            f"experts of {sizes[1]} hidden values are no whole blocks of 16, which is not supported; "
            "convert with --weights fp16"
        )

    def _biases(self, name: str, mixture: Mixture) -> tuple[str, str]:
        """Add the biases, "" where there are none."""
        gate, up, down = (self._matrices.bias(mixture.all(part)) for part in (mixture.gate, mixture.up, mixture.down))
        first = None if gate is None or up is None else _interleaved(gate, up)
        return self._bias(f"{name}.gate_up.bias", first, mixture), self._bias(f"{name}.down.bias", down, mixture)

    def _bias(self, name: str, values: NDArray[np.float32] | None, mixture: Mixture) -> str:
        if values is None:
            return ""
        return self._writer.initializer(name, values.reshape(mixture.sizes.count, -1).astype(self._dtype))


def _interleaved(gate: NDArray[Any], up: NDArray[Any]) -> NDArray[Any]:
    """Return rows of the two in turn."""
    return np.stack((gate, up), axis=1).reshape(2 * len(gate), *gate.shape[1:])


def _trimmed(inputs: list[str]) -> list[str]:
    while not inputs[-1]:
        inputs.pop()
    return inputs
