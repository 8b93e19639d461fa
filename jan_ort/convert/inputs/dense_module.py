"""Dense modules of sentence-transformers: a product and an activation behind pooling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.encoder import Activation
from jan_ort.convert.inputs.safetensors_shards import FLOATS, WEIGHTS, read_shards
from jan_ort.ground.model_errors import ConversionError

Floats = NDArray[np.float32]

_ACTIVATIONS: Mapping[str, Activation | None] = MappingProxyType(
    {"Identity": None, "Tanh": "tanh", "GELU": "gelu", "ReLU": "relu", "SiLU": "silu"}
)
_NEUTRAL: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "module_input_name": ("sentence_embedding",),
        "module_output_name": (None, "sentence_embedding"),
        "use_residual": (False,),
    }
)


@dataclass(frozen=True, slots=True)
class Dense:
    """A product behind pooling: ``load`` gives its matrix ``(outputs, inputs)``, and its bias if it has one."""

    path: Path
    load: Callable[[], tuple[Floats, Floats | None]]
    activation: Activation | None = None

    def loaded(self, inputs: int) -> tuple[Floats, Floats | None]:
        """Return matrix and bias. Raises: ConversionError if it is not for vectors of ``inputs`` numbers."""
        matrix, bias = self.load()
        if matrix.ndim != 2 or matrix.shape[1] != inputs:
            raise ConversionError(
                f"{self.path}: a product of the shape {matrix.shape} gets vectors of {inputs} numbers"
            )
        return matrix, bias


def read_dense(folder: Path, read_json: Callable[[Path], dict[str, Any]]) -> Dense:
    """Read a module's config.json. Raises: ConversionError naming what is missing or not supported."""
    path = folder / "config.json"
    config = read_json(path)
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        supported = ", ".join(_ACTIVATIONS)
        raise ConversionError(f"{path}: activation {activation[:80]!r} is not supported; supported: {supported}")
    for key, accepted in _NEUTRAL.items():
        if key in config and config[key] not in accepted:
            raise ConversionError(f"{path}: {key} is {str(config[key])[:80]!r}, which is not supported")
    if not (folder / WEIGHTS).exists():
        raise ConversionError(f"{folder / WEIGHTS} is missing; only safetensors weights are supported")
    sizes = (config.get("out_features"), config.get("in_features"))
    return Dense(folder / WEIGHTS, lambda: _load(folder, sizes), _ACTIVATIONS[activation])


def _load(folder: Path, sizes: tuple[Any, Any]) -> tuple[Floats, Floats | None]:
    stored = read_shards(folder)
    expected = {"linear.weight": sizes, "linear.bias": sizes[:1]}
    for name, tensor in stored.items():
        if tensor.values is None or tensor.dtype not in FLOATS or tensor.shape != expected.get(name):
            raise ConversionError(
                f"{tensor.path}: tensor {name[:80]!r} of the type {tensor.dtype[:20]} and shape {tensor.shape} is not "
                f"what its config.json calls for; download it again"
            )
    if "linear.weight" not in stored:
        raise ConversionError(f"{folder / WEIGHTS} has no tensor 'linear.weight'; download it again")
    read = {name: np.ascontiguousarray(tensor.values, np.float32) for name, tensor in stored.items()}
    return read["linear.weight"], read.get("linear.bias")
