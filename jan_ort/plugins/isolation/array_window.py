"""Memory that two processes share, for arrays: it has no name in any file system, so it ends with the two (hop 6)."""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

WINDOW_BYTES = 32 * 2**20
"""Room for 8 rows of a million logits; a page that is never written takes no memory."""

_ALIGNMENT = 64


class Place(NamedTuple):
    """Where an array lies in the window."""

    offset: int
    dtype: str
    shape: tuple[int, ...]


Sent: TypeAlias = Place | NDArray[Any] | None
"""An array as one process tells the other of it: where it lies, or itself if there is no room for it."""


def new_memory() -> int | str:
    """Return by what memory is opened: a descriptor, which a child must inherit, or on Windows a tag."""
    if sys.platform == "win32":
        return f"jan-ort-{secrets.token_hex(16)}"
    if sys.platform == "linux":
        descriptor = os.memfd_create("jan-ort")  # not in /dev/shm, which has 64 MB in a container
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, WINDOW_BYTES)
    return descriptor


class ArrayWindow:
    """The memory of ``handle``, for the arrays of one answer at a time, and how many interrupts the child has heard."""

    def __init__(self, handle: int | str) -> None:
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, WINDOW_BYTES, tagname=str(handle))
        else:
            self._memory = mmap.mmap(int(handle), WINDOW_BYTES)
        self.num_heard = np.frombuffer(self._memory, np.int64, 1)

    def put(self, arrays: Iterable[NDArray[Any] | None]) -> list[Sent]:
        """Write the arrays that there is room for, over those of the last time."""
        told: list[Sent] = []
        end = _ALIGNMENT
        for array in arrays:
            if array is None or end + array.nbytes > WINDOW_BYTES:
                told.append(array)
                continue
            place = Place(end, array.dtype.str, array.shape)
            self._at(place)[...] = array
            end += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
            told.append(place)
        return told

    def get(self, told: Iterable[Sent]) -> list[NDArray[Any] | None]:
        """Return the arrays that were told of, those in the window without copying them."""
        return [self._at(each) if isinstance(each, Place) else each for each in told]

    def _at(self, place: Place) -> NDArray[Any]:
        return np.ndarray(place.shape, place.dtype, self._memory, place.offset)
