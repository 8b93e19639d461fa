"""GGUF files written byte by byte, so that they can say what no writer would: a generator of hostile headers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

U8, I32, U32, F32, BOOL, TEXT, ARRAY, U64 = 0, 5, 4, 6, 7, 8, 9, 10


def text(value: str | bytes, *, length: int | None = None) -> bytes:
    """Return a text, of another ``length`` than it has if that is given."""
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content) if length is None else length) + content


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    """Return an array that says ``count``, whatever it holds."""
    return struct.pack("<IQ", kind, count) + content


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    """Return one key with its value."""
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0, *, dimensions: int | None = None) -> bytes:
    """Return the description of a tensor, the innermost dimension first."""
    count = len(shape) if dimensions is None else dimensions
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", count, *shape, kind, offset)


@dataclass
class Gguf:
    """A file of these parts; the counts are those of the parts unless they are given."""

    keys: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    num_keys: int | None = None
    num_tensors: int | None = None
    version: int = 3
    weights: bytes = b""
    sparse_bytes: int = 0
    """How much longer than its content the file is: zeros, which take no disk where the file system has holes."""

    def write(self, path: Path) -> Path:
        """Write the file."""
        num_tensors = len(self.tensors) if self.num_tensors is None else self.num_tensors
        num_keys = len(self.keys) if self.num_keys is None else self.num_keys
        head = b"GGUF" + struct.pack("<IQQ", self.version, num_tensors, num_keys)
        content = head + b"".join(self.keys) + b"".join(self.tensors)
        content += bytes(-len(content) % 32) + self.weights
        with path.open("wb") as stream:
            stream.write(content)
            stream.truncate(len(content) + self.sparse_bytes)
        return path


LLAMA = key("general.architecture", TEXT, text("llama"))
"""The key that makes a reader go on."""
