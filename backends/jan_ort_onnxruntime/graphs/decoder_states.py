"""What a decoder of others' making keeps of a sequence beside its cache: states of convolutions and recurrences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue, OnnxFile

_KINDS = ("conv", "recurrent")
_DTYPES = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class StateTensor:
    """One layer's state: ``past`` and ``present`` name the input and the output; ``shape`` is without the batch.

    Keys or values of a window begin with no positions, and ``window`` is how many there may be; else it is 0.
    """

    past: str
    present: str
    shape: tuple[int, ...]
    dtype: str
    window: int = 0

    @property
    def num_bytes(self) -> int:
        """The size of one sequence's."""
        return math.prod(size or self.window for size in self.shape) * np.dtype(self.dtype).itemsize


def read_states(file: OnnxFile, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> tuple[StateTensor, ...]:
    """Return the states, by genai_config.json's names or the usual ones.

    Args: inputs, outputs: its names by what they are. Raises: ModelError naming one that is not understood.
    """
    patterns = [
        (
            inputs.get(f"past_{kind}_names", f"past_key_values.%d.{kind}_state"),
            outputs.get(f"present_{kind}_names", f"present.%d.{kind}_state"),
        )
        for kind in _KINDS
    ]
    found = (_state(file, value, patterns) for value in file.inputs.values())
    return tuple(state for state in found if state is not None)


def _state(file: OnnxFile, value: GraphValue, patterns: list[tuple[str, str]]) -> StateTensor | None:
    present = next(_presents(value.name, patterns), None)
    if present is None:
        return None
    sizes = [size for size in value.shape[1:] if isinstance(size, int) and size > 0]
    if present not in file.outputs or len(sizes) < len(value.shape) - 1 or value.dtype not in _DTYPES:
        raise ModelError(
            f"{file.path}: state {value.name} must be float32 or float16, of fixed sizes behind the batch, and have an "
            f"output {present}; build the model again"
        )
    return StateTensor(value.name, present, tuple(sizes), value.dtype)


def _presents(name: str, patterns: list[tuple[str, str]]) -> Iterator[str]:
    for past, present in patterns:
        if match := re.fullmatch(re.escape(past).replace("%d", r"(\d+)"), name):
            yield present.replace("%d", match[1])
