"""The arrays of a llama_batch: a step's tokens, one after another, as llama.cpp reads them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import SlotTokens


class TokenBatch:
    """A step's tokens: ids, positions, sequence ids and whether logits are wanted, each ``(num_tokens,)``."""

    def __init__(self, library: Any, rows: Sequence[SlotTokens], lengths: Sequence[int]) -> None:
        counts = [len(row.token_ids) for row in rows]
        self._library = library
        self._token_ids = np.concatenate([row.token_ids for row in rows]).astype(np.int32)
        self._positions = np.concatenate(
            [np.arange(lengths[row.slot], lengths[row.slot] + count) for row, count in zip(rows, counts, strict=True)]
        ).astype(np.int32)
        self._slots = np.repeat(np.array([row.slot for row in rows], np.int32), counts)
        self._wanted = np.concatenate(
            [np.arange(count) >= count - row.num_logits for row, count in zip(rows, counts, strict=True)]
        ).astype(np.int8)
        self._one_each = np.ones(len(self), np.int32)
        # Each token is in one sequence: its list of sequences is its own element of the slots.
        self._slot_pointers = self._slots.ctypes.data + 4 * np.arange(len(self), dtype=np.uintp)

    def __len__(self) -> int:
        return len(self._token_ids)

    def num_logits(self, begin: int = 0, end: int | None = None) -> int:
        """Return how many of the tokens from ``begin`` to before ``end`` want logits."""
        return int(np.count_nonzero(self._wanted[begin:end]))

    def part(self, begin: int, end: int) -> Any:
        """Return the llama_batch of the tokens from ``begin`` to before ``end``; it borrows this object's arrays."""
        batch = self._library.llama_batch()
        batch.n_tokens = end - begin
        batch.token = _pointer(self._token_ids[begin:], ctypes.c_int32)
        batch.pos = _pointer(self._positions[begin:], ctypes.c_int32)
        batch.n_seq_id = _pointer(self._one_each[begin:], ctypes.c_int32)
        batch.seq_id = _pointer(self._slot_pointers[begin:], ctypes.POINTER(ctypes.c_int32))
        batch.logits = _pointer(self._wanted[begin:], ctypes.c_int8)
        return batch


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
