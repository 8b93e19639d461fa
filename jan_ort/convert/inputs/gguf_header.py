"""The header of a GGUF file: metadata and where each tensor lies, bounded by the file before anything is allocated.

Every count and length in a header is the word of whoever made the file. Here each is compared with the bytes that are
left, and what a file may have at most (sparse files are free) with what models have, before a loop begins.
Source: docs/gguf.md of ggml; gguf_init_from_reader in its gguf.cpp.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

MAX_STRINGS = 3 * 2**19
"""Texts in all arrays together: the largest vocabularies have 900,000 tokens, or 262,144 and 515,000 merges."""

MAX_TEXT_BYTES = 2**25
MAX_NUMBERS = 2**23
MAX_KEYS = 2**12
MAX_TENSORS = 2**14
"""The largest models have 2,200; Mixtral 8x22B with experts one by one, as no larger mixture was written, 1,900."""

_MAX_DIMENSIONS = 4
_VERSIONS = (2, 3)
_TEXT, _ARRAY = 8, 9
_NUMBERS = {0: "u1", 1: "i1", 2: "u2", 3: "i2", 4: "u4", 5: "i4", 6: "f4", 7: "?", 10: "u8", 11: "i8", 12: "f8"}
_KINDS = {int(each): each for each in GGMLQuantizationType}
_LEAST_TENSOR_BYTES = 8 + 4 + 4 + 8  # no name and no dimensions


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies: ``shape`` outermost dimension first, ``offset`` of its bytes from the file's begin."""

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What stands before the weights. An array is a list of texts or a numpy array; ``order`` is numpy's "<" or ">"."""

    fields: dict[str, Any]
    tensors: dict[str, StoredTensor]
    order: Literal["<", ">"]


class UnreadVersion(ValueError):
    """A version of the format that is not read: the file may be whole."""


_kept: dict[tuple[Path, int, int], GgufHeader] = {}
"""Headers that will be asked for again, by path, size and time: a large vocabulary takes 0.2 s to read, and 40 MB."""


def read_header(path: Path, *, keep: bool = False) -> GgufHeader:
    """Read the header of the file. ``keep``: the next ones to ask get the same, until :func:`forget_header`.

    Raises: ValueError that says what is wrong, in words that follow its name.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        status = os.fstat(stream.fileno())
        key = path, status.st_size, status.st_mtime_ns
        header = _kept.get(key) or _Cursor(content).header()
    if keep:
        _kept[key] = header
    return header


def forget_header(path: Path) -> None:
    """Keep the header no longer."""
    for key in [key for key in _kept if key[0] == path]:
        _kept.pop(key, None)


class _Cursor:
    """Reads one value after another."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._size = len(content)
        self._at = 4  # after the magic
        self._order: Literal["<", ">"] = "<"
        self._left = {"texts": MAX_STRINGS, "numbers": MAX_NUMBERS, "bytes of texts": MAX_TEXT_BYTES}

    def header(self) -> GgufHeader:
        self._read_version()
        num_tensors, num_keys = self._integer("Q"), self._integer("Q")
        self._check_count(num_tensors, "tensors", _LEAST_TENSOR_BYTES, MAX_TENSORS)
        self._check_count(num_keys, "keys", 8 + 4 + 1, MAX_KEYS)
        fields: dict[str, Any] = {}
        for _ in range(num_keys):
            key = self._text("a key")
            if key in fields:
                raise ValueError(f"its key {key[:80]!r} occurs twice")
            fields[key] = self._value(self._integer("I"), key)
        described = [self._tensor() for _ in range(num_tensors)]
        begin = self._weights_begin(fields)
        tensors = {each.name: _placed(each, begin) for each in described}
        if len(tensors) < num_tensors:
            raise ValueError("two of its tensors have the same name")
        _check_places(tensors.values(), self._size)
        return GgufHeader(fields, tensors, self._order)

    def _read_version(self) -> None:
        version = self._integer("I")
        if version & 0xFFFF == 0:  # written on a machine of the other byte order
            self._order, self._at = ">", 4
            version = self._integer("I")
        if version not in _VERSIONS:
            raise UnreadVersion(
                f"its GGUF version is {version}; versions 2 and 3 are read: convert it again with llama.cpp"
            )

    def _take(self, num_bytes: int, what: str) -> int:
        """Go on by so many bytes, and return where they begin."""
        begin = self._at
        if num_bytes > self._size - begin:
            raise ValueError(f"{what} of {num_bytes} bytes at byte {begin} goes beyond its end")
        self._at = begin + num_bytes
        return begin

    def _integer(self, kind: str) -> int:
        size = struct.calcsize(kind)
        value: int = struct.unpack_from(self._order + kind, self._content, self._take(size, "a number"))[0]
        return value

    def _check_count(self, count: int, what: str, least_bytes: int, most: int) -> None:
        if count > (left := self._size - self._at) // least_bytes:
            raise ValueError(f"it claims to have {count} {what}, but only {left} bytes follow")
        if count > most:
            raise ValueError(f"it has {count} {what}; at most {most} are read")

    def _spend(self, count: int, what: str) -> None:
        self._left[what] -= count
        if self._left[what] < 0:
            raise ValueError(f"its header has too many {what}: {count} more, beyond what any model has")

    def _text(self, what: str) -> str:
        size = self._integer("Q")
        begin = self._take(size, what)
        self._spend(size, "bytes of texts")
        return self._content[begin : begin + size].decode()

    def _value(self, kind: int, key: str) -> Any:
        if kind == _TEXT:
            return self._text(f"the text of key {key[:80]!r}")
        if kind == _ARRAY:
            return self._array(key)
        return self._numbers(kind, 1, key)[0].item()

    def _array(self, key: str) -> list[str] | NDArray[Any]:
        kind, count = self._integer("I"), self._integer("Q")
        what = f"items in key {key[:80]!r}"
        if kind == _TEXT:
            self._check_count(count, what, 8, MAX_STRINGS)
            self._spend(count, "texts")
            return self._texts(count, key)
        if kind == _ARRAY:
            raise ValueError(f"its key {key[:80]!r} is an array of arrays, which no model needs")
        self._check_count(count, what, 1, MAX_NUMBERS)
        self._spend(count, "numbers")
        return self._numbers(kind, count, key)

    def _texts(self, count: int, key: str) -> list[str]:
        """Read many texts, in a loop that calls nothing of ours: a vocabulary has hundreds of thousands."""
        content, first, at = self._content, self._at, self._at
        end = min(self._size, first + 8 * count + self._left["bytes of texts"])
        length_at = struct.Struct(self._order + "Q").unpack_from
        texts = []
        for _ in range(count):
            begin = at + 8
            if begin > end or (at := begin + length_at(content, begin - 8)[0]) > end:
                raise ValueError(f"a text in key {key[:80]!r} goes beyond its end, or what any model has")
            texts.append(content[begin:at].decode())
        self._spend(at - first - 8 * count, "bytes of texts")
        self._at = at
        return texts

    def _numbers(self, kind: int, count: int, key: str) -> NDArray[Any]:
        if kind not in _NUMBERS:
            raise ValueError(f"its key {key[:80]!r} is of the type {kind}, which GGUF does not have")
        dtype = np.dtype(_NUMBERS[kind]).newbyteorder(self._order)
        begin = self._take(count * dtype.itemsize, f"the value of key {key[:80]!r}")
        return np.frombuffer(self._content[begin : self._at], dtype)

    def _tensor(self) -> StoredTensor:
        """Read a tensor's description; its offset counts from where the weights begin."""
        name = self._text("a tensor's name")
        if (num_dimensions := self._integer("I")) > _MAX_DIMENSIONS:
            raise ValueError(f"its tensor {name[:80]!r} has {num_dimensions} dimensions; at most 4 are read")
        shape = tuple(reversed([self._integer("Q") for _ in range(num_dimensions)]))  # GGUF has the innermost first
        number = self._integer("I")
        if (kind := _KINDS.get(number)) is None:
            raise ValueError(f"its tensor {name[:80]!r} is of the type {number}, which is not known")
        block_size, block_bytes = GGML_QUANT_SIZES[kind]
        columns = shape[-1] if shape else 1
        if columns % block_size:
            raise ValueError(
                f"its tensor {name[:80]!r} has {columns} columns, not a whole number of blocks of {kind.name}"
            )
        num_values = math.prod(shape)
        return StoredTensor(name, kind, shape, self._integer("Q"), num_values // block_size * block_bytes)

    def _weights_begin(self, fields: dict[str, Any]) -> int:
        alignment = fields.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            raise ValueError(f"its general.alignment is {str(alignment)[:80]!r}, and must be a power of two")
        return -(-self._at // alignment) * alignment


def _placed(tensor: StoredTensor, begin: int) -> StoredTensor:
    return StoredTensor(tensor.name, tensor.kind, tensor.shape, begin + tensor.offset, tensor.num_bytes)


def _check_places(tensors: Iterable[StoredTensor], size: int) -> None:
    """Refuse tensors that lie beyond the file, or on one another: what is read of a file is no more than it holds."""
    before: StoredTensor | None = None
    for each in sorted(tensors, key=lambda each: (each.offset, each.num_bytes)):
        if each.offset + each.num_bytes > size:
            raise ValueError(
                f"its tensor {each.name[:80]!r} has {each.num_bytes} bytes from byte {each.offset}, beyond its end"
            )
        if before is not None and each.offset < before.offset + before.num_bytes:
            raise ValueError(f"its tensors {before.name[:80]!r} and {each.name[:80]!r} overlap")
        before = each
