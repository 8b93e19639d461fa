"""A GGUF file opened for reading: typed metadata, and tensors whose shapes are checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs import GGUF_MAGIC
from jan_ort.convert.inputs.checkpoint import Checkpoint, ModelTensor
from jan_ort.convert.inputs.ggml_codes import STORED_IN_4_BITS
from jan_ort.convert.inputs.ggml_types import is_readable, readable_types
from jan_ort.convert.inputs.gguf_header import StoredTensor, read_header
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import why_no_file


class GgufFile(Checkpoint):
    """The metadata and tensors of one GGUF file. Every error is a ConversionError that names the file."""

    def __init__(self, path: Path) -> None:
        self._check_magic(path)
        try:
            header = read_header(path)
        except ValueError as error:
            raise ConversionError(
                f"{path}: truncated or damaged GGUF file of {path.stat().st_size} bytes: {error}; download it again "
                "and compare its checksum"
            ) from error
        super().__init__(path, header.fields)
        self._tensors, self._order = header.tensors, header.order
        self._shapes = {name: stored.shape for name, stored in header.tensors.items()}
        self._content = np.memmap(path, np.uint8, "r")

    @staticmethod
    def _check_magic(path: Path) -> None:
        try:
            if (why := why_no_file(path)) is not None:
                raise ConversionError(f"{path}: {why}; give a .gguf file")
            with path.open("rb") as stream:
                magic = stream.read(len(GGUF_MAGIC))
        except OSError as error:
            raise ConversionError(f"{path}: cannot be read ({error.strerror}); check the path") from error
        if magic != GGUF_MAGIC:
            raise ConversionError(f"{path}: not a GGUF file, it starts with {magic!r}; give a .gguf file")

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        return len(self._content)

    def has_4bit_tensors(self) -> bool:
        """Say whether any tensor is stored in 4 bits."""
        return any(each.kind.name in STORED_IN_4_BITS for each in self._tensors.values())

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor, outermost dimension first."""
        return self._shapes

    def _load(self, name: str) -> ModelTensor:
        stored = self._tensors[name]
        return ModelTensor(self.path, name, self._type_name(stored), stored.shape, self._raw(stored))

    def _raw(self, stored: StoredTensor) -> NDArray[Any]:
        """Return what the file holds, in place: floats in the tensor's shape, or uint8 with rows of whole blocks."""
        raw = self._content[stored.offset : stored.offset + stored.num_bytes]
        if stored.kind.name in ("F32", "F16"):
            return raw.view(np.dtype(f"{self._order}f{4 if stored.kind.name == 'F32' else 2}")).reshape(stored.shape)
        return raw.reshape(*stored.shape[:-1], -1)

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


def check_gguf(path: Path) -> None:
    """Read the file's header, which takes a twentieth of a second. Raises: ConversionError."""
    GgufFile(path)
