"""What a model's file or folder says of it, by llama.cpp's keys: read with types, and nothing read is left over."""

from __future__ import annotations

from collections.abc import Container, Mapping, Set
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from jan_ort.ground.model_errors import ConversionError


class Metadata:
    """Typed values of ``fields``. Every error is a ConversionError that names ``path``."""

    incomplete = "the file is incomplete, convert it again with llama.cpp"
    """What a missing key means."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        self.path = path
        self._fields = fields
        self._read: set[str] = set()

    def spelled(self, key: str) -> str:
        """Return what to call a key in errors."""
        return f"metadata key {key!r}"

    def refuse(self, reason: str) -> NoReturn:
        """Raise the ConversionError that names this file and ``reason``."""
        raise ConversionError(f"{self.path}: {reason}")

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
                f"{self.spelled(key)} changes the model in a way that is not supported (its value is "
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

    def optional_number(self, key: str) -> float | None:
        """Return a finite number as it is written in decimals, None for anything else."""
        value = self._value(key)
        is_number = type(value) in (int, float) and abs(value) < float("inf")
        return round(value, 6) if is_number else None

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

    def integer_per_layer(self, key: str, count: int) -> list[int]:
        """Return an integer from 0 for each of ``count``: as the file lists them, or one for all."""
        value = self._value(key)
        values = np.full(count, value) if type(value) is int else np.asarray(value)
        if values.dtype.kind not in "iu" or values.shape != (count,) or values.min() < 0:
            self._wrong(key, value, f"an integer from 0, or a list of {count},")
        return [int(each) for each in values]

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
            self.refuse(f"{self.spelled(key)} is missing; {self.incomplete}")
        self.refuse(f"{self.spelled(key)} is {str(value)[:80]!r}, but {wanted} is needed; the file is damaged")
