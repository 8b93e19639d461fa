"""Where the KV cache of a session is: in memory that its provider reads in place, if there is any."""

from __future__ import annotations

from typing import Any

from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.kv.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.kv.host_kv_cache import HostKVCache, KVRows
from jan_ort_onnxruntime.kv.row_kv_cache import RowKVCache
from jan_ort_onnxruntime.providers.failures import allocating
from jan_ort_onnxruntime.providers.provider_table import CPU, built_in


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
