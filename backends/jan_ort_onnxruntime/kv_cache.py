"""The KV cache: one lazily touched allocation for all layers and rows, of which ONNX Runtime is given addresses."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import OutOfMemory
from jan_ort_onnxruntime.graph import GenerationGraph


class KVCache:
    """Keys and values, float32 ``(2 * num_layers, num_rows, num_key_value_heads, context_length, head_dim)``.

    A graph that is given the address of a row as past and as present appends in place. Memory is taken by the pages
    that were written: a sequence of n tokens costs n positions, whatever the context length.
    """

    device_type = "cpu"

    def __init__(self, graph: GenerationGraph, num_rows: int, context_length: int) -> None:
        heads, head_dim = graph.num_key_value_heads, graph.head_dim
        self._array = _untouched_zeros((2 * graph.num_layers, num_rows, heads, context_length, head_dim))

    def addresses(self, first_row: int, end_row: int) -> Iterator[tuple[str, str, tuple[int, ...], int]]:
        """Yield the names of past and present, the shape and the address of the rows, for each key and value."""
        shape = (end_row - first_row, *self._array.shape[2:])
        for index in range(self._array.shape[0]):
            name = f"{index // 2}.{'value' if index % 2 else 'key'}"
            address = self._array.ctypes.data + index * self._array.strides[0] + first_row * self._array.strides[1]
            yield f"past_key_values.{name}", f"present.{name}", shape, address

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of row ``source`` over those of row ``target``."""
        self._array[:, target, :, :length] = self._array[:, source, :, :length]

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Swap the contents of two rows that hold so many positions."""
        kept = self._array[:, first, :, :first_length].copy()
        self.copy(second, first, second_length)
        self._array[:, second, :, :first_length] = kept


def _untouched_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Reserve zeroed memory that takes no pages until they are written. Raises: OutOfMemory.

    On Linux not by np.zeros, which asks for huge pages: one token of a sequence would then claim 2 MiB in every head
    (890 MB instead of 300 for a 135M model with 8 slots of 2048 tokens).
    """
    num_bytes = int(np.prod(shape)) * 4
    try:
        if sys.platform != "linux":
            return np.zeros(shape, np.float32)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        pages = mmap.mmap(-1, num_bytes, flags=flags)
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    except (OSError, MemoryError) as error:
        raise OutOfMemory(
            f"no memory for a KV cache of {num_bytes} bytes; take fewer slots or a smaller context length"
        ) from error
    return np.frombuffer(pages, np.float32).reshape(shape)
