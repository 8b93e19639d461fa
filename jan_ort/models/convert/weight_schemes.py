"""The weight schemes as data: what a converted graph stores and computes in, and which providers have its kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Weights = Literal["int8", "int4", "fp16", "int4-fp16"]
"""The schemes that a GGUF file can be converted to."""


@dataclass(frozen=True, slots=True)
class WeightScheme:
    """How one scheme's graph is written; its names of types are numpy's.

    ``written_as`` is what jan_ort.json says. ``bits`` of the layers' matrices, 16 being float16, in blocks of
    ``block_size`` values with one scale (0: no blocks). ``activations`` is the type of all that is computed, of scales
    and of the KV cache; ``embedding`` that of the token embedding, with which a tied head shares its bytes.
    ``smooths``: large channels of activations are balanced, which only int8 products need. ``providers`` have kernels
    for all operators that the graph needs; the other providers decline it.
    """

    written_as: str
    bits: int
    block_size: int
    activations: Literal["float32", "float16"]
    embedding: Literal["8-bit", "float16"]
    smooths: bool
    providers: frozenset[str]


_ALL = frozenset({"cpu", "cuda", "dml"})

SCHEMES: Mapping[Weights, WeightScheme] = MappingProxyType(
    {
        "int8": WeightScheme("int8-block64", 8, 64, "float32", "8-bit", True, frozenset({"cpu"})),
        "int4": WeightScheme("int4-cat", 4, 32, "float32", "8-bit", True, frozenset({"cpu"})),
        "fp16": WeightScheme("fp16", 16, 0, "float16", "float16", False, _ALL),
        "int4-fp16": WeightScheme("int4-fp16-cat", 4, 32, "float16", "float16", False, _ALL),
    }
)
"""A CPU multiplies 8 bits fastest, with int8 activations; a GPU wants float16 and as few bytes of weights as it can."""
