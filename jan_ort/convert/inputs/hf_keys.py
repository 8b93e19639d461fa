"""An object of config.json: its keys are taken with their types, and what nobody takes is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from jan_ort.ground.model_errors import ConversionError


class HfKeys:
    """The keys of ``values``; null is as if the key were not there. Errors are ConversionErrors that name ``path``."""

    def __init__(self, path: Path, values: Mapping[str, Any], inside: str = "") -> None:
        self.path, self._inside = path, inside
        self._values = values
        self._taken: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def names(self, key: str) -> bool:
        """Say whether the key is there, be it null."""
        return key in self._values

    def over(self, other: HfKeys) -> HfKeys:
        """Return these keys with those of another object over them; both are taken."""
        self._taken |= set(self._values)
        other._taken |= set(other._values)
        return HfKeys(self.path, {**self._values, **other._values}, other._inside if other._values else self._inside)

    def replaced_by(self, other: HfKeys, around: HfKeys) -> HfKeys:
        """Return ``other`` if it has any keys: it goes before these, of which nothing is left.

        A key of these that neither ``other`` nor ``around`` repeats is refused: whoever wrote it meant it to count.
        """
        if not other._values:
            return self
        for key, value in self._values.items():
            if key not in ("rope_type", "type") and value not in (other._values.get(key), around._values.get(key)):
                self.refuse(key, value, f"{other._inside.rstrip('.')} replaces it; write all into one of the two")
        self._taken |= set(self._values)
        return other

    def take(self, key: str, default: Any = None) -> Any:
        """Return a value of any type."""
        self._taken.add(key)
        value = self._values.get(key)
        return default if value is None else value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number that is not negative."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            self.refuse(key, value, "expected a number of 0 or more")
        return float(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an integer that a size may have."""
        value = self.take(key, default)
        if type(value) is not int or not 0 <= value < 2**31:
            self.refuse(key, value, "expected an integer")
        return value

    def string(self, key: str, default: str) -> str:
        """Return a text."""
        value = self.take(key, default)
        return value if isinstance(value, str) else self.refuse(key, value, "expected a string")

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key, default)
        return value if isinstance(value, bool) else self.refuse(key, value, "expected true or false")

    def numbers(self, key: str, count: int) -> NDArray[np.float64]:
        """Return a list of so many numbers greater than 0."""
        value = self.take(key)
        is_list = isinstance(value, list) and all(type(each) in (int, float) for each in value)
        if not is_list or len(value) != count or not all(0 < each < float("inf") for each in value):
            self.refuse(key, value, f"expected {count} numbers")
        return np.array(value, np.float64)

    def objects(self, key: str) -> HfKeys:
        """Return the object under a key, an empty one if there is none."""
        value = self.take(key, {})
        if not isinstance(value, dict):
            self.refuse(key, value, "expected an object")
        return HfKeys(self.path, value, f"{self._inside}{key}.")

    def refuse_untaken(self, harmless: frozenset[str] = frozenset()) -> None:
        """Refuse a key that nobody has taken: it may change the model, and would be ignored."""
        for key, value in self._values.items():
            if value is not None and key not in self._taken and key not in harmless:
                self.refuse(key, value, "it may change the model, and is not supported; use another model")

    def refuse(self, key: str, value: object, why: str) -> NoReturn:
        """Raise the ConversionError that names a key and its value."""
        raise ConversionError(f"{self.path}: {self._inside}{key[:80]} is {str(value)[:80]!r}: {why}")
