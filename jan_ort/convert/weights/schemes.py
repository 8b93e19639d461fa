"""The weight schemes as data: what a converted graph stores and computes in, and how large it gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Weights = Literal["int8", "int4", "fp16", "int4-fp16"]
"""The schemes that a GGUF file can be converted to."""

EncoderScheme = Literal["float32", "int8"]
"""The schemes of models that embed or rank; jan_ort.json says them so."""

AS_IS = "as-is"
"""The scheme of a GGUF file that is kept, for a backend that reads it."""


@dataclass(frozen=True, slots=True)
class WeightScheme:
    """How one scheme's graph is written; its names of types are numpy's.

    ``written_as`` is what jan_ort.json says. ``bits`` of the layers' matrices, 16 being float16. ``activations`` is the
    type of all that is computed, of scales and of the KV cache. ``smooths``: large channels of activations are
    balanced, which only int8 products need. ``growth``: a folder is at most this many times the size of a GGUF file
    whose matrices have 4 bits. ``value_bytes`` of a folder for each value, at least.
    """

    written_as: str
    bits: Literal[4, 8, 16]
    activations: Literal["float32", "float16"]
    smooths: bool
    growth: int
    value_bytes: float


SCHEMES: Mapping[Weights, WeightScheme] = MappingProxyType(
    {
        "int8": WeightScheme("int8-block64", 8, "float32", True, 2, 1.06),
        "int4": WeightScheme("int4-cat", 4, "float32", True, 2, 0.6),
        "fp16": WeightScheme("fp16", 16, "float16", False, 4, 2.0),
        "int4-fp16": WeightScheme("int4-fp16-cat", 4, "float16", False, 2, 0.55),
    }
)
"""A CPU multiplies 8 bits fastest, with int8 activations; a GPU wants float16 and as few bytes of weights as it can."""
