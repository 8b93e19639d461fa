"""What layers that do not attend keep of each sequence: of a fixed size, and never written where it was read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import OutOfMemory
from jan_ort_onnxruntime.graphs.generation_graph import STATE_PLACES, state_names
from jan_ort_onnxruntime.kv.host_kv_cache import untouched_zeros

RowState = tuple[NDArray[np.float32], ...]
"""A copy of one row's tensors."""


class StateRows:
    """The state of each KV row, float32 in the host's memory.

    Each row has three places. A run reads one and writes another, and a second run of the same step the third: so what
    a row holds stays as it was until ``commit``, whatever fails before. Rows that run together use the same places.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], num_rows: int) -> None:
        self.row_bytes = sum(math.prod(shape) for shape in shapes) * np.dtype(np.float32).itemsize
        self._tensors = [untouched_zeros((STATE_PLACES, num_rows, *shape), np.dtype(np.float32)) for shape in shapes]
        self._held = [0] * num_rows
        self._written: dict[int, int] = {}

    def begin(self, rows: Sequence[int], idle: Sequence[int], *, empty: Sequence[int]) -> tuple[int, int]:
        """Return the places that a run reads and writes, of ``rows`` beside ``idle`` ones; the ``empty`` begin anew.

        What is moved for that are copies: every row holds what it held.
        """
        source = self._written.get(rows[0], self._held[rows[0]])
        for row in (*rows[1:], *idle):
            if self._held[row] != source:
                self._copy(self._held[row], row, source, row)
                self._held[row] = source
        for row in empty:
            for tensor in self._tensors:
                tensor[source, row] = 0
        return source, next(each for each in range(STATE_PLACES) if each not in (source, self._held[rows[0]]))

    def end(self, rows: Sequence[int], target: int) -> None:
        """Note that a run has written these rows."""
        self._written.update(dict.fromkeys(rows, target))

    def commit(self) -> None:
        """Let the rows that were written hold that from now on."""
        for row, place in self._written.items():
            self._held[row] = place
        self._written.clear()

    def discard(self) -> None:
        """Forget what was written: the step has failed."""
        self._written.clear()

    def bind(self, io_binding: Any, first_row: int, end_row: int, source: int, target: int) -> None:
        """Give the graph the rows as past and present."""
        for index, tensor in enumerate(self._tensors):
            past, present = state_names(index)
            shape = (end_row - first_row, *tensor.shape[2:])
            read, written = tensor[source, first_row], tensor[target, first_row]
            io_binding.bind_input(past, "cpu", 0, np.float32, shape, read.ctypes.data)
            io_binding.bind_output(present, "cpu", 0, np.float32, shape, written.ctypes.data)

    def read(self, row: int) -> RowState:
        """Return a copy of what a row was written last. Raises: OutOfMemory."""
        place = self._written.get(row, self._held[row])
        try:
            return tuple(tensor[place, row].copy() for tensor in self._tensors)
        except MemoryError as error:
            raise OutOfMemory(f"no memory for a checkpoint of {self.row_bytes} bytes; use fewer slots") from error

    def parts(self, row: int) -> list[NDArray[np.float32]]:
        """Return what a row holds between two steps, which may be read and written."""
        return [tensor[self._held[row], row] for tensor in self._tensors]

    def write(self, row: int, state: RowState) -> None:
        """Let a row hold ``state``."""
        for tensor, values in zip(self._tensors, state, strict=True):
            tensor[self._held[row], row] = values

    def copy(self, source: int, target: int) -> None:
        """Let row ``target`` hold what row ``source`` holds."""
        self._copy(self._held[source], source, self._held[target], target)

    def swap(self, first: int, second: int) -> None:
        """Swap what two rows hold."""
        kept = self.read(first)
        self.copy(second, first)
        self.write(second, kept)

    def _copy(self, place: int, row: int, target_place: int, target_row: int) -> None:
        for tensor in self._tensors:
            tensor[target_place, target_row] = tensor[place, row]
