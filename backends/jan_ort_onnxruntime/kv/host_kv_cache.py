"""The KV cache: one lazily touched allocation for all layers and rows, of which ONNX Runtime is given addresses."""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
from collections import Counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import OutOfMemory
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph, cache_names


class HostKVCache:
    """Keys and values in the host's memory, in the type of the graph's cache.

    Those of one shape are an array ``(tensors, num_rows, num_key_value_heads, context_length, head_dim)``.
    A graph that is given the address of a row as past and as present appends in place. Memory is taken by the pages
    that were written: a sequence of n tokens costs n positions, whatever the context length.
    """

    travels: ClassVar[bool] = True

    def __init__(self, graph: GenerationGraph, num_rows: int, context_length: int) -> None:
        shapes = graph.cache_shapes(num_rows, context_length)
        arrays = {
            shape: untouched_zeros((count, *shape), np.dtype(graph.cache_dtype))
            for shape, count in Counter(shapes).items()
        }
        self._arrays = list(arrays.values())
        parts = {shape: iter(array) for shape, array in arrays.items()}
        self._tensors: list[NDArray[Any]] = [next(parts[shape]) for shape in shapes]

    def bind(self, io_binding: Any, first_row: int, end_row: int) -> None:
        """Give the graph the rows as past and present, for each layer's keys and values."""
        for index, tensor in enumerate(self._tensors):
            past, present = cache_names(index)
            shape, dtype = (end_row - first_row, *tensor.shape[1:]), tensor.dtype.type
            address = tensor.ctypes.data + first_row * tensor.strides[0]
            io_binding.bind_input(past, "cpu", 0, dtype, shape, address)
            io_binding.bind_output(present, "cpu", 0, dtype, shape, address)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of row ``source`` over those of row ``target``."""
        for array in self._arrays:
            array[:, target, :, :length] = array[:, source, :, :length]

    def parts(self, row: int, length: int) -> list[NDArray[Any]]:
        """Return the first ``length`` positions of a row, which may be read and written: an array for each shape."""
        return [array[:, row, :, :length] for array in self._arrays]

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Swap the contents of two rows that hold so many positions; all memory that this needs is taken first."""
        kept = [array[:, first, :, :first_length].copy() for array in self._arrays]
        self.copy(second, first, second_length)
        for array, each in zip(self._arrays, kept, strict=True):
            array[:, second, :, :first_length] = each


def untouched_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Reserve zeroed memory that takes no pages until they are written. Raises: OutOfMemory.

    On Linux not by np.zeros, which asks for huge pages: one token of a sequence would then claim 2 MiB in every head
    (890 MB instead of 300 for a 135M model with 8 slots of 2048 tokens).
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    try:
        if sys.platform != "linux":
            return np.zeros(shape, dtype)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        pages = mmap.mmap(-1, num_bytes, flags=flags)
    except (OSError, MemoryError, OverflowError, ValueError) as error:  # the last two: no such size is possible
        raise OutOfMemory(
            f"no memory for a KV cache of {num_bytes} bytes; use fewer slots or a smaller context length"
        ) from error
    with contextlib.suppress(OSError):  # a kernel that has no huge pages takes no advice about them
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype).reshape(shape)
