"""The KV cache of a session: what it can do, and in which memory it is for the session's provider."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.kv.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.kv.host_kv_cache import HostKVCache
from jan_ort_onnxruntime.kv.row_kv_cache import RowKVCache
from jan_ort_onnxruntime.providers.provider_table import CPU, built_in
from jan_ort_onnxruntime.providers.runtime_failures import allocating


class KVRows(Protocol):
    """The keys and values of a session's rows, wherever their memory is.

    ``travels``: the memory is the host's, so that a device with its own gets a copy whenever the rows are bound.
    """

    travels: ClassVar[bool]

    def bind(self, io_binding: Any, first_row: int, end_row: int) -> None:
        """Give the graph the rows as past and present, for each layer's keys and values."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of row ``source`` over those of row ``target``."""

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Swap the contents of two rows that hold so many positions.

        After an error both have what they had. Raises: DeviceLost if that cannot be had again.
        """


def make_kv_cache(session: Any, graph: GenerationGraph, num_rows: int, context_length: int) -> KVRows:
    """Return a KV cache for the provider of ``session``, the host's for one of which nothing is known.

    Raises: OutOfMemory, DeviceLost; BackendError if the device has no memory that Python can take.
    """
    provider = built_in(session.get_providers()[0]) or CPU
    if provider.memory_device == "cpu":
        return HostKVCache(graph, num_rows, context_length)
    kind = RowKVCache if provider.separate_rows else DeviceKVCache
    with allocating():
        return kind(graph, num_rows, context_length, provider.memory_device)
