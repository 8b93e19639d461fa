"""What a backend may tell of the memory that a model would take, before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jan_ort_backends.interface import OpenOptions


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of the host's memory that a session takes when every slot is full.

    ``weights_bytes`` as they are in memory, ``kv_cache_bytes`` of all slots, ``working_bytes`` for whatever else: the
    runtime, and what a step computes with.
    """

    weights_bytes: int
    kv_cache_bytes: int = 0
    working_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """The sum."""
        return self.weights_bytes + self.kv_cache_bytes + self.working_bytes


@runtime_checkable
class EstimatesMemory(Protocol):
    """A :class:`Backend` that can tell before it opens a model; any other one's models are loaded without a check."""

    def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
        """Return what ``open`` would take of the host's memory, None if that cannot be told, as on a GPU.

        Reads small files only. Raises: ModelError where ``open`` would.
        """
        ...
