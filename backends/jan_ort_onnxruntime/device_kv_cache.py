"""The KV cache in a device's own memory: ONNX Runtime reads and appends in place, nothing travels to the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime as ort

from jan_ort_onnxruntime.graph import GenerationGraph
from jan_ort_onnxruntime.kv_cache import KVCache
from jan_ort_onnxruntime.onnx_bytes import Node, write_graph
from jan_ort_onnxruntime.provider_table import BUILT_IN


class DeviceKVCache:
    """Keys and values as :class:`KVCache` has them, in one tensor a layer and part, on ``device_type`` 0.

    Copying rows is a run of Identity nodes over addresses, which is how ONNX Runtime's Python API copies a part of a
    tensor within a device; it copies whole rows, and attention never reads past a row's length.
    """

    def __init__(self, graph: GenerationGraph, num_rows: int, context_length: int, device_type: str) -> None:
        self.device_type = device_type
        self._row_shape = (1, graph.num_key_value_heads, context_length, graph.head_dim)
        self._row_bytes = int(np.prod(self._row_shape)) * 4
        self._tensors = [self._zeros(num_rows) for _ in range(2 * graph.num_layers)]
        self._spare_row: list[Any] = []
        self._copier = _open_copier(len(self._tensors), device_type)

    def addresses(self, first_row: int, end_row: int) -> Iterator[tuple[str, str, tuple[int, ...], int]]:
        """Yield the names of past and present, the shape and the address of the rows, for each key and value."""
        shape = (end_row - first_row, *self._row_shape[1:])
        for index, address in enumerate(self._row(first_row)):
            name = f"{index // 2}.{'value' if index % 2 else 'key'}"
            yield f"past_key_values.{name}", f"present.{name}", shape, address

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy row ``source`` over row ``target``; ``length`` is what of it counts."""
        self._copy(self._row(source), self._row(target))

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Swap two rows; the lengths are what of them counts."""
        if not self._spare_row:
            self._spare_row = [self._zeros(1) for _ in self._tensors]
        spare = [tensor.data_ptr() for tensor in self._spare_row]
        self._copy(self._row(first), spare)
        self._copy(self._row(second), self._row(first))
        self._copy(spare, self._row(second))

    def _row(self, row: int) -> list[int]:
        return [tensor.data_ptr() + row * self._row_bytes for tensor in self._tensors]

    def _copy(self, sources: list[int], targets: list[int]) -> None:
        binding = self._copier.io_binding()
        for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
            binding.bind_input(f"source.{index}", self.device_type, 0, np.float32, self._row_shape, source)
            binding.bind_output(f"target.{index}", self.device_type, 0, np.float32, self._row_shape, target)
        self._copier.run_with_iobinding(binding)
        binding.synchronize_outputs()

    def _zeros(self, num_rows: int) -> Any:
        # Zeros, for what attention masks is still multiplied: by 0, which does not take away a NaN.
        zeros = np.zeros((num_rows, *self._row_shape[1:]), np.float32)
        return ort.OrtValue.ortvalue_from_numpy(zeros, self.device_type, 0)


def make_kv_cache(session: Any, graph: GenerationGraph, num_rows: int, context_length: int) -> KVCache | DeviceKVCache:
    """Return a KV cache in memory that the provider of ``session`` reads in place. Raises: OutOfMemory."""
    ep_name = session.get_providers()[0]
    device_type = next((each.memory_device for each in BUILT_IN if each.ep_name == ep_name), "cpu")
    if device_type == "cpu":
        return KVCache(graph, num_rows, context_length)
    return DeviceKVCache(graph, num_rows, context_length, device_type)


def _open_copier(num_tensors: int, device_type: str) -> ort.InferenceSession:
    """Return a graph that copies so many tensors at once on the device."""
    sources = {f"source.{index}": ("rows", "heads", "positions", "head_dim") for index in range(num_tensors)}
    targets = {f"target.{index}": shape for index, shape in enumerate(sources.values())}
    nodes = [Node("Identity", (source,), (target,)) for source, target in zip(sources, targets, strict=True)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    provider = next(each for each in BUILT_IN if each.memory_device == device_type and not each.serial_runs)
    return ort.InferenceSession(write_graph(nodes, sources, targets), options, [provider.ep_name], enable_fallback=0)
