"""A row as a decoder graph takes it: its tokens or vectors, and what it is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, EmbeddedRun, SlotTokens

Shifts = tuple[tuple[int, int], ...]
"""From which token of a sequence on positions are by how much more than the number of tokens before."""


@dataclass(frozen=True, slots=True)
class RowTokens:
    """``values``: token ids ``(n,)`` or vectors ``(n, size)``.

    ``positions``: int64 ``(n,)``, or ``(3, n)`` in time, height and width. ``kinds``: int64 ``(n,)``, 1 for a vector of
    an image's. ``shifts``: what holds after the row.
    """

    values: NDArray[Any]
    positions: NDArray[np.int64]
    kinds: NDArray[np.int64]
    shifts: Shifts = ()

    @classmethod
    def counted(cls, values: NDArray[Any], past: int, kinds: NDArray[np.int64] | None = None) -> RowTokens:
        """Return a row whose positions count on from ``past``."""
        positions = np.arange(past, past + len(values))
        return cls(values, positions, np.zeros(len(values), np.int64) if kinds is None else kinds)

    def part(self, begin: int, end: int) -> RowTokens:
        """Return the tokens from ``begin`` to ``end``."""
        return RowTokens(self.values[begin:end], self.positions[..., begin:end], self.kinds[begin:end], self.shifts)


def on_axes(row: SlotTokens, values: NDArray[Any], past: int, shifts: Shifts) -> RowTokens:
    """Return a row whose images lie on three axes: one moment, and as many heights and widths as they have rows.

    What follows an image counts on from its longer side. Source: Wang et al. 2024, arXiv:2409.12191, section 2.1.
    """
    is_vector = row.token_ids == EMBEDDED
    shift = shifts[-1][1] if shifts else 0
    positions = np.repeat(np.arange(past, past + len(values))[np.newaxis] + shift, 3, axis=0)
    for begin, run in _placed(np.flatnonzero(is_vector), row.embedded):
        rows, columns = run.grid
        end = begin + len(run.vectors)
        at = np.arange(len(run.vectors))
        positions[:, begin:end] = positions[0, begin] + np.stack([at * 0, at // columns, at % columns])
        moved = max(rows, columns) - len(at)
        positions[:, end:] += moved
        shift += moved
        shifts = (*shifts, (past + end, shift))
    return RowTokens(values, positions, is_vector.astype(np.int64), shifts)


def shift_array(shifts: Shifts, length: int) -> NDArray[np.int32]:
    """Return the shift after each of ``length`` tokens, int32 ``(length,)``."""
    told = np.zeros(length, np.int32)
    for begin, shift in shifts:
        told[begin - 1 :] = shift
    return told


def shifts_of(told: NDArray[np.int32]) -> Shifts:
    """Return what ``shift_array`` was made of, without those that change nothing."""
    changes = np.flatnonzero(np.diff(told, prepend=np.int32(0)))
    return tuple((int(at) + 1, int(told[at])) for at in changes)


def _placed(places: NDArray[np.int64], runs: Sequence[EmbeddedRun]) -> list[tuple[int, EmbeddedRun]]:
    """Return where each run begins."""
    begins = np.cumsum([0, *(len(run.vectors) for run in runs)])
    return [(int(places[begin]), run) for begin, run in zip(begins, runs, strict=False)]
