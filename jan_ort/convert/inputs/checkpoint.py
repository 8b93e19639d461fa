"""What a conversion reads: metadata by llama.cpp's keys, and tensors by its names, whatever file has them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_types import dequantize
from jan_ort.convert.inputs.metadata import Metadata
from jan_ort.ground.model_errors import ConversionError


@dataclass(frozen=True, slots=True)
class ModelTensor:
    """One tensor of ``path``: ``type_name`` is ggml's, ``shape`` outermost dimension first, ``raw`` as stored.

    ``type_name`` "" stands for floats of any width. ``raw`` may be a list of arrays, one for each expert. Values are
    those stored times ``factor``.
    """

    path: Path
    name: str
    type_name: str
    shape: tuple[int, ...]
    raw: Any
    factor: float = 1.0

    def dequantize(self) -> NDArray[np.float32]:
        """Return the values as float32, in ``shape``. Raises: ConversionError if one is infinite or no number."""
        values = self._floats(self.raw).reshape(self.shape)
        if not np.isfinite(values).all():
            raise ConversionError(f"{self.path}: tensor {self.name!r} is damaged (not finite); download the file again")
        return values

    def rows(self, indices: list[int]) -> NDArray[np.float32]:
        """Return some rows of a matrix as float32 ``(len(indices), columns)``."""
        return self._floats(self.raw[indices]).reshape(len(indices), -1)

    def part(self, first: int, count: int) -> ModelTensor:
        """Return ``count`` rows of a matrix, from ``first`` on, as a tensor."""
        return replace(self, shape=(count, *self.shape[1:]), raw=self.raw[first : first + count])

    def of(self, expert: int) -> ModelTensor:
        """Return the tensor of one expert, where the outermost dimension is theirs."""
        return replace(self, shape=self.shape[1:], raw=self.raw[expert])

    def row(self) -> ModelTensor:
        """Return a vector as a matrix of one row."""
        return replace(self, shape=(1, *self.shape), raw=self.raw[np.newaxis])

    def _floats(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        values = dequantize(self.type_name, raw) if self.type_name else np.ascontiguousarray(raw, np.float32)
        return values if self.factor == 1 else values * np.float32(self.factor)


class Checkpoint(Metadata, ABC):
    """The metadata and tensors of one model, whose shapes are checked before they are used."""

    rounds_to_4bit = False
    """Whether a scheme of 4 bits rounds all matrices: no maker has chosen some to keep more."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        super().__init__(path, fields)
        self._used: set[str] = set()

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """The size of all files with weights."""

    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor, outermost dimension first."""

    @abstractmethod
    def _load(self, name: str) -> ModelTensor:
        """Return a tensor that there is. Raises: ConversionError if its type is not supported."""

    @abstractmethod
    def has_4bit_tensors(self) -> bool:
        """Say whether any tensor is stored in 4 bits."""

    def num_values(self) -> int:
        """Return how many values all tensors have together."""
        return sum(map(math.prod, self.shapes().values()))

    def largest_tensor(self) -> int:
        """Return how many values the largest tensor has."""
        return max(map(math.prod, self.shapes().values()), default=0)

    @abstractmethod
    def check_types(self) -> None:
        """Refuse the model if any tensor has a type that cannot be read."""

    def spelled_tensor(self, name: str) -> str:
        """Return a tensor's name in the file."""
        return name

    def has_tensor(self, name: str) -> bool:
        """Say whether the file holds a tensor of this name."""
        return name in self.shapes()

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape, outermost dimension first. Raises: ConversionError if there is none."""
        if name not in self.shapes():
            self.refuse(f"tensor {self.spelled_tensor(name)!r} is missing; the file is incomplete, download it again")
        return self.shapes()[name]

    def num_rows(self, name: str) -> int:
        """Return the outermost dimension of a tensor."""
        shape = self.shape(name)
        return shape[0] if shape else 1

    def tensor(self, name: str, shape: tuple[int, ...]) -> ModelTensor:
        """Return a tensor, which must have ``shape`` (outermost dimension first) and a supported type."""
        found = self.shape(name)
        self._used.add(name)
        if found != shape:
            self.refuse(
                f"tensor {self.spelled_tensor(name)!r} has the shape {found}, but the metadata say {shape}; the file "
                "is damaged"
            )
        return self._load(name)

    def vector(self, name: str, size: int) -> NDArray[np.float32]:
        """Return a one-dimensional tensor as float32 ``(size,)``."""
        return self.tensor(name, (size,)).dequantize()

    def pass_over(self, name: str) -> None:
        """Take a tensor for used: another one is used in its place."""
        self._used.add(name)

    def unused_tensors(self) -> list[str]:
        """Return the names of the tensors that nobody has asked for: parts of the model that would be ignored."""
        return [self.spelled_tensor(name) for name in self.shapes() if name not in self._used]
