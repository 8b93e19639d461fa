"""A safetensors file, read tensor by tensor as float32 arrays."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import ml_dtypes  # noqa: F401  (numpy learns bfloat16 from it)
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from jan_ort.ground.model_errors import ConversionError

_FLOAT_TYPES = ("F64", "F32", "F16", "BF16")


class SafetensorsFile:
    """Read tensors of one ``.safetensors`` file lazily, memory-mapped and without torch; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` and check its header. Raises: ConversionError if it is cut off or no safetensors file."""
        self.path = path
        try:
            self._file: Any = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise ConversionError(f"{path} is not a readable safetensors file ({error}); download it again") from error
        self._names = frozenset(cast(Any, self._file).keys())

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def num_values(self) -> int:
        """Return how many values all tensors have together."""
        return sum(math.prod(self._file.get_slice(name).get_shape()) for name in self._names)

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the tensor ``name`` as float32 of ``shape``.

        Raises: ConversionError if there is no such tensor, its shape is another or its type is no float.
        """
        if name not in self._names:
            raise ConversionError(f"{self.path} has no tensor {name!r}, which its config.json calls for")
        view = self._file.get_slice(name)
        if (found := tuple(view.get_shape())) != shape:
            raise ConversionError(f"{self.path}: tensor {name!r} has the shape {found}; config.json calls for {shape}")
        if (dtype := view.get_dtype()) not in _FLOAT_TYPES:
            raise ConversionError(f"{self.path}: tensor {name!r} is {dtype}; supported are {', '.join(_FLOAT_TYPES)}")
        tensor: NDArray[np.float32] = np.ascontiguousarray(self._file.get_tensor(name), dtype=np.float32)
        return tensor
