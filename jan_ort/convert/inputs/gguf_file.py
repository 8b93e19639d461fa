"""A GGUF file opened for reading: typed metadata, and tensors whose shapes are checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs import GGUF_MAGIC
from jan_ort.convert.inputs.checkpoint import Checkpoint, ModelTensor
from jan_ort.convert.inputs.ggml_codes import STORED_IN_4_BITS
from jan_ort.convert.inputs.ggml_types import is_readable, readable_types
from jan_ort.convert.inputs.gguf_experts import experts_one_by_one, shape_together
from jan_ort.convert.inputs.gguf_header import GgufHeader, StoredTensor, UnreadVersion, read_header
from jan_ort.convert.inputs.gguf_parts import check_part, check_total, existing_parts, no_model
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import why_no_file


@dataclass(frozen=True, slots=True)
class GgufPart:
    """One file with its header; ``content`` is mapped into memory."""

    path: Path
    header: GgufHeader
    content: NDArray[np.uint8]

    @classmethod
    def read(cls, path: Path, keep_header: bool) -> GgufPart:
        """Read the header. Raises: ConversionError."""
        _check_magic(path)
        try:
            return cls(path, read_header(path, keep=keep_header), np.memmap(path, np.uint8, "r"))
        except UnreadVersion as error:
            raise ConversionError(f"{path}: {error}") from error
        except ValueError as error:
            raise ConversionError(
                f"{path}: truncated or damaged GGUF file of {path.stat().st_size} bytes: {error}; download it again "
                "and compare its checksum"
            ) from error

    def raw(self, stored: StoredTensor) -> NDArray[Any]:
        """Return what the file holds, in place: floats in the tensor's shape, or uint8 with rows of whole blocks."""
        raw = self.content[stored.offset : stored.offset + stored.num_bytes]
        if stored.kind.name in ("F32", "F16"):
            kind = f"{self.header.order}f{4 if stored.kind.name == 'F32' else 2}"
            return raw.view(np.dtype(kind)).reshape(stored.shape)
        return raw.reshape(*stored.shape[:-1], -1)


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


class GgufFile(Checkpoint):
    """The metadata and tensors of one GGUF file, or of all parts of a split one, by the first.

    ``keep_header``: the file is soon opened again (:func:`gguf_header.read_header`). Every error is a ConversionError
    that names the file.
    """

    def __init__(self, path: Path, *, keep_header: bool = False) -> None:
        parts = [GgufPart.read(each, keep_header) for each in existing_parts(path)]
        super().__init__(path, parts[0].header.fields)
        for index, part in enumerate(parts):
            check_part(part.path, part.header.fields, index, len(parts))
        self._parts = parts
        self._places = {name: part for part in parts for name in part.header.tensors}
        if len(self._places) < (num_tensors := sum(len(part.header.tensors) for part in parts)):
            self.refuse(f"{num_tensors - len(self._places)} tensors are in several of its parts; download all again")
        check_total(path, parts[0].header.fields, num_tensors)
        self._check_kind(parts[0].header.fields)
        self._tensors = {name: part.header.tensors[name] for name, part in self._places.items()}
        self._halves = {half: (name, place) for name in self._tensors for place, half in enumerate(self._halved(name))}
        whole = self._tensors.keys() - {name for name, _ in self._halves.values()}
        self._shapes = {name: stored.shape for name, stored in self._tensors.items() if name in whole}
        for half, (name, _) in self._halves.items():
            count, rows, *columns = self._tensors[name].shape
            self._shapes[half] = (count, rows // 2, *columns)
        self._gather_experts()

    def _gather_experts(self) -> None:
        try:
            self._experts = experts_one_by_one(self._tensors)
            for name, experts in self._experts.items():
                self._shapes[name] = shape_together(experts, self._tensors)
        except ValueError as error:
            self.refuse(str(error))
        for name in (each for experts in self._experts.values() for each in experts):
            del self._shapes[name]

    def _check_kind(self, fields: Mapping[str, Any]) -> None:
        """Refuse a file that is no model."""
        if (kind := no_model(fields)) is not None:
            self.refuse(f"it is {kind}")

    def _halved(self, name: str) -> tuple[str, ...]:
        """Return what a tensor's halves are called where others have two: gates and ways up of all experts."""
        before, is_both, kind = name.partition(".ffn_gate_up_exps.")
        shape = self._tensors[name].shape
        if not is_both or len(shape) < 2 or shape[1] % 2:
            return ()
        return f"{before}.ffn_gate_exps.{kind}", f"{before}.ffn_up_exps.{kind}"

    def expect_weights(self) -> None:
        """Raises: ConversionError for a vocabulary alone, which is read for its tokenizer only."""
        if not self._tensors and "tokenizer.ggml.tokens" in self._parts[0].header.fields:
            self.refuse("it is a vocabulary without weights; name a model's file")

    @property
    def size_bytes(self) -> int:
        """The size of all parts."""
        return sum(len(part.content) for part in self._parts)

    def has_4bit_tensors(self) -> bool:
        """Say whether any tensor is stored in 4 bits."""
        return any(each.kind.name in STORED_IN_4_BITS for each in self._tensors.values())

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor, outermost dimension first."""
        return self._shapes

    def _load(self, name: str) -> ModelTensor:
        if name in self._experts:
            each = [self._load(expert) for expert in self._experts[name]]
            return replace(each[0], name=name, shape=self._shapes[name], raw=[expert.raw for expert in each])
        whole, place = self._halves.get(name, (name, None))
        stored, part = self._tensors[whole], self._places[whole]
        raw = part.raw(stored)
        if place is not None:
            rows = raw.shape[1] // 2
            raw = raw[:, place * rows : (place + 1) * rows]
        return ModelTensor(part.path, name, self._type_name(stored), self._shapes.get(name, stored.shape), raw)

    def check_types(self) -> None:
        """Refuse the file if any tensor has a type that cannot be read."""
        for stored in self._tensors.values():
            self._type_name(stored)

    def _type_name(self, stored: StoredTensor) -> str:
        if self._places[stored.name].header.order == ">" and stored.kind.name not in ("F32", "F16"):
            self.refuse(
                f"tensor {stored.name!r} has the type {stored.kind.name} in the other byte order, in which F32 and F16 "
                "are read; take the file for this byte order, or convert a copy (gguf-convert-endian COPY.gguf little)"
            )
        if not is_readable(stored.kind):
            self.refuse(
                f"tensor {stored.name!r} has the type {stored.kind.name}, which is not supported; use a file with "
                f"other types (supported: {', '.join(readable_types())})"
            )
        return stored.kind.name
