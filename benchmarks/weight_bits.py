"""How many bits of weights a token reads: of a GGUF file as stored, of a model folder as ONNX Runtime packs it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from jan_ort.convert.inputs.gguf_file import GgufFile

_SCALE_BITS, _SUM_BITS = 32, 32
"""What MatMulNBits keeps beside the codes of a block: its scale, and the sum that its zero point makes."""

_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"


@dataclass(frozen=True, slots=True)
class Read:
    """Matrices of one kind: its name, and their values and bits that every token reads."""

    kind: str
    num_values: int
    num_bits: int


@dataclass(frozen=True, slots=True)
class WeightBits:
    """All matrices that every token reads; an embedding is one only where it is the head, too."""

    kinds: tuple[Read, ...]

    @property
    def num_values(self) -> int:
        """How many values they have."""
        return sum(each.num_values for each in self.kinds)

    @property
    def num_bytes(self) -> int:
        """What is read for a token."""
        return sum(each.num_bits for each in self.kinds) // 8

    @property
    def per_value(self) -> float:
        """Bits of a weight."""
        return 8 * self.num_bytes / max(self.num_values, 1)

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind, the largest first."""
        for each in sorted(self.kinds, key=lambda read: -read.num_values):
            share = each.num_values / self.num_values
            yield f"  {each.kind:28} {share:6.1%} of the weights, {each.num_bits / each.num_values:5.2f} bits each"


def of_file(path: Path) -> WeightBits:
    """Return what the tensors of a GGUF file take, by ggml's types."""
    model = GgufFile(path)
    matrices = {name: shape for name, shape in model.shapes().items() if len(shape) > 1}
    if _HEAD in matrices:
        matrices.pop(_EMBEDDING)
    values, bits = Counter[str](), Counter[str]()
    for name, shape in matrices.items():
        tensor = model.tensor(name, shape)
        values[tensor.type_name] += math.prod(shape)
        bits[tensor.type_name] += 8 * tensor.raw.nbytes
    return _together(values, bits)


def of_folder(folder: Path) -> WeightBits:
    """Return what the products of a graph take, by bits and block size."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    shapes = {each.name: each.dims for each in graph.initializer}
    values, bits = Counter[str](), Counter[str]()
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            at = {each.name: each.i for each in node.attribute}
            kind = f"{at['bits']} bits in blocks of {at['block_size']}"
            values[kind] += at["N"] * at["K"]
            blocks = at["N"] * -(-at["K"] // at["block_size"])
            bits[kind] += blocks * (at["block_size"] * at["bits"] + _SCALE_BITS + _SUM_BITS)
        elif node.op_type in ("MatMul", "Gemm") and node.input[1] in shapes:
            values["floats"] += math.prod(shapes[node.input[1]])
            bits["floats"] += 16 * math.prod(shapes[node.input[1]])
    return _together(values, bits)


def _together(values: Counter[str], bits: Counter[str]) -> WeightBits:
    return WeightBits(tuple(Read(kind, values[kind], bits[kind]) for kind in values))
