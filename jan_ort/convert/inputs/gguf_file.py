"""A GGUF file opened for reading: typed metadata, and tensors whose shapes are checked before they are used."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs import GGUF_MAGIC
from jan_ort.convert.inputs.ggml_codes import FOUR_BIT_TYPES
from jan_ort.convert.inputs.ggml_types import dequantize, is_readable, readable_types
from jan_ort.convert.inputs.gguf_header import StoredTensor, read_header
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import why_no_file


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor of ``path``: ``type_name`` is ggml's, ``shape`` outermost dimension first, ``raw`` as stored."""

    path: Path
    name: str
    type_name: str
    shape: tuple[int, ...]
    raw: NDArray[Any]

    def dequantize(self) -> NDArray[np.float32]:
        """Return the values as float32, in ``shape``. Raises: ConversionError if one is infinite or no number."""
        values = dequantize(self.type_name, self.raw).reshape(self.shape)
        if not np.isfinite(values).all():
            raise ConversionError(f"{self.path}: tensor {self.name!r} is damaged (not finite); download the file again")
        return values

    def rows(self, indices: list[int]) -> NDArray[np.float32]:
        """Return some rows of a matrix as float32 ``(len(indices), columns)``."""
        return dequantize(self.type_name, self.raw[indices]).reshape(len(indices), -1)

    def part(self, first: int, count: int) -> GgufTensor:
        """Return ``count`` rows of a matrix, from ``first`` on, as a tensor."""
        return replace(self, shape=(count, *self.shape[1:]), raw=self.raw[first : first + count])


class GgufFile:
    """The metadata and tensors of one GGUF file. Every error is a ConversionError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: set[str] = set()  # keys
        self._used: set[str] = set()  # tensors
        self._check_magic()
        try:
            header = read_header(path)
        except ValueError as error:
            raise ConversionError(
                f"{path}: truncated or damaged GGUF file of {path.stat().st_size} bytes: {error}; download it again "
                "and compare its checksum"
            ) from error
        self._fields, self._tensors, self._order = header.fields, header.tensors, header.order
        self._content = np.memmap(path, np.uint8, "r")

    def _check_magic(self) -> None:
        try:
            if (why := why_no_file(self.path)) is not None:
                raise ConversionError(f"{self.path}: {why}; give a .gguf file")
            with self.path.open("rb") as stream:
                magic = stream.read(len(GGUF_MAGIC))
        except OSError as error:
            raise ConversionError(f"{self.path}: cannot be read ({error.strerror}); check the path") from error
        if magic != GGUF_MAGIC:
            raise ConversionError(f"{self.path}: not a GGUF file, it starts with {magic!r}; give a .gguf file")

    def refuse(self, reason: str) -> NoReturn:
        """Raise the ConversionError that names this file and ``reason``."""
        raise ConversionError(f"{self.path}: {reason}")

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        return len(self._content)

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def refuse_unread_keys(self, prefix: str, harmless: Set[str], neutral: Mapping[str, Container[object]]) -> None:
        """Refuse a key of ``prefix`` that nobody has asked for: it may change the model, and would be ignored.

        Allowed are the ``harmless`` ones, and those that have a value of ``neutral``; both are without the prefix.
        """
        for key, value in self._fields.items():
            suffix = key.removeprefix(f"{prefix}.")
            is_neutral = not isinstance(value, np.ndarray) and value in neutral.get(suffix, ())
            if suffix == key or key in self._read or suffix in harmless or is_neutral:
                continue
            self.refuse(
                f"metadata key {key!r} changes the model in a way that is not supported (its value is "
                f"{str(value)[:80]!r}); use another model"
            )

    def _value(self, key: str, default: object = None) -> Any:
        self._read.add(key)
        return self._fields.get(key, default)

    def string(self, key: str, default: str | None = None) -> str:
        """Return a string; ``default`` if the key is missing, and without one that is refused."""
        value = self._value(key, default)
        return value if isinstance(value, str) else self._wrong(key, value, "a string")

    def integer(self, key: str, default: int | None = None, *, low: int = 1, high: int = 2**31 - 1) -> int:
        """Return an integer in [low, high]."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._wrong(key, value, f"an integer from {low} to {high}")
        return value

    def number(self, key: str, default: float | None = None, *, or_zero: bool = False) -> float:
        """Return a finite number greater than 0, or also 0."""
        value = self._value(key, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < float("inf") or (value == 0 and not or_zero):
            self._wrong(key, value, f"a finite number {'not less' if or_zero else 'greater'} than 0")
        return float(value)

    def boolean(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        value = self._value(key, default)
        return value if isinstance(value, bool) else self._wrong(key, value, "a boolean")

    def pattern(self, key: str, period: int, count: int) -> list[bool]:
        """Return a boolean for each of ``count``: as the file lists them, or all but the last of each period.

        The file may say another period instead; 0 is one without an end.
        """
        value = self._value(key, period)
        if isinstance(value, np.ndarray) and value.dtype.kind in "biu" and len(value) >= count:
            return [bool(each) for each in value[:count]]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self._wrong(key, value, f"a number, or a list of {count} booleans")
        return [value == 0 or (index + 1) % value != 0 for index in range(count)]

    def strings(self, key: str) -> list[str]:
        """Return a non-empty list of strings."""
        value = self._value(key)
        return value if isinstance(value, list) and value else self._wrong(key, value, "a list of strings")

    def integers(self, key: str) -> list[int]:
        """Return a non-empty list of integers."""
        value = self._value(key)
        if not isinstance(value, np.ndarray) or not value.size or value.dtype.kind not in "iu":
            self._wrong(key, value, "a list of integers")
        return [int(each) for each in value.tolist()]

    def floats(self, key: str) -> list[float]:
        """Return a non-empty list of finite numbers."""
        value = self._value(key)
        if not isinstance(value, np.ndarray) or not value.size or value.dtype.kind not in "iuf":
            self._wrong(key, value, "a list of numbers")
        if not np.isfinite(value).all():
            self._wrong(key, value, "a list of finite numbers")
        numbers: list[float] = value.astype(np.float64).tolist()
        return numbers

    def raw_bytes(self, key: str) -> bytes:
        """Return an array of bytes."""
        value = self._value(key)
        if not isinstance(value, np.ndarray) or value.dtype.itemsize != 1:
            self._wrong(key, value, "an array of bytes")
        return value.tobytes()

    def _wrong(self, key: str, value: object, wanted: str) -> NoReturn:
        if value is None:
            self.refuse(f"metadata key {key!r} is missing; the file is incomplete, convert it again with llama.cpp")
        self.refuse(f"metadata key {key!r} is {str(value)[:80]!r}, but {wanted} is needed; the file is damaged")

    def has_tensor(self, name: str) -> bool:
        """Say whether the file holds a tensor of this name."""
        return name in self._tensors

    def has_4bit_tensors(self) -> bool:
        """Say whether any tensor is stored in 4 bits."""
        return any(each.kind.name in FOUR_BIT_TYPES for each in self._tensors.values())

    def largest_tensor(self) -> tuple[int, bool]:
        """Return how many values the largest tensor has, and whether its codes are kept in any 8-bit graph."""
        each = max(self._tensors.values(), key=lambda each: math.prod(each.shape))
        return math.prod(each.shape), each.kind.name == "Q8_0"

    def num_rows(self, name: str) -> int:
        """Return the outermost dimension of a tensor."""
        shape = self._stored(name).shape
        return shape[0] if shape else 1

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape, outermost dimension first."""
        return self._stored(name).shape

    def tensor(self, name: str, shape: tuple[int, ...]) -> GgufTensor:
        """Return a tensor, which must have ``shape`` (outermost dimension first) and a supported type."""
        stored = self._stored(name)
        self._used.add(name)
        if stored.shape != shape:
            self.refuse(
                f"tensor {name!r} has the shape {stored.shape}, but the metadata say {shape}; the file is damaged"
            )
        return GgufTensor(self.path, name, self._type_name(stored), shape, self._raw(stored))

    def _raw(self, stored: StoredTensor) -> NDArray[Any]:
        """Return what the file holds, in place: floats in the tensor's shape, or uint8 with rows of whole blocks."""
        raw = self._content[stored.offset : stored.offset + stored.num_bytes]
        if stored.kind.name in ("F32", "F16"):
            return raw.view(np.dtype(f"{self._order}f{4 if stored.kind.name == 'F32' else 2}")).reshape(stored.shape)
        return raw.reshape(*stored.shape[:-1], -1)

    def vector(self, name: str, size: int) -> NDArray[np.float32]:
        """Return a one-dimensional tensor as float32 ``(size,)``."""
        return self.tensor(name, (size,)).dequantize()

    def pass_over(self, name: str) -> None:
        """Take a tensor for used: another one is used in its place."""
        self._used.add(name)

    def check_types(self) -> None:
        """Refuse the file if any tensor has a type that cannot be read."""
        for stored in self._tensors.values():
            self._type_name(stored)

    def _type_name(self, stored: StoredTensor) -> str:
        if not is_readable(stored.kind):
            self.refuse(
                f"tensor {stored.name!r} has the type {stored.kind.name}, which is not supported; take a file with "
                f"other types (supported: {', '.join(readable_types())})"
            )
        return stored.kind.name

    def _stored(self, name: str) -> StoredTensor:
        if name not in self._tensors:
            self.refuse(f"tensor {name!r} is missing; the file is incomplete, download it again")
        return self._tensors[name]

    def unused_tensors(self) -> list[str]:
        """Return the names of the tensors that nobody has asked for: parts of the model that would be ignored."""
        return [name for name in self._tensors if name not in self._used]


def check_gguf(path: Path) -> None:
    """Read the file's header, which takes a twentieth of a second. Raises: ConversionError."""
    GgufFile(path)
