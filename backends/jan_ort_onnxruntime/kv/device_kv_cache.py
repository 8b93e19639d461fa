"""The KV cache in a device's own memory: ONNX Runtime reads and appends in place, nothing travels to the host."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort

from jan_ort_backends import BackendError, DeviceLost
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph, cache_names
from jan_ort_onnxruntime.graphs.onnx_writer import Node, write_graph
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN
from jan_ort_onnxruntime.providers.runtime_failures import running


class DeviceKVCache:
    """Keys and values as :class:`HostKVCache` has them, in one tensor a layer and part, on ``device_type`` 0.

    Copying rows is a run of Identity nodes over addresses, which is how ONNX Runtime's Python API copies a part of a
    tensor within a device; it copies whole rows, and attention never reads past a row's length.
    """

    travels: ClassVar[bool] = False

    def __init__(self, graph: GenerationGraph, num_rows: int, context_length: int, device_type: str) -> None:
        self._device_type = device_type
        self._shapes = graph.cache_shapes(1, context_length)
        self._dtype = np.dtype(graph.cache_dtype)
        self._row_bytes = [math.prod(shape) * self._dtype.itemsize for shape in self._shapes]
        self._tensors = [self._zeros(num_rows, shape) for shape in self._shapes]
        # Taken now, with the cache: a step in which memory is short is too late. Two rows are neighbours already.
        self._spare_row = [self._zeros(1, shape) for shape in self._shapes] if num_rows > 2 else []
        self._copier = _open_copier(len(self._tensors), device_type, self._dtype)

    def bind(self, io_binding: Any, first_row: int, end_row: int) -> None:
        """Give the graph the rows as past and present, for each layer's keys and values."""
        dtype = self._dtype.type
        for index, address in enumerate(self._row(first_row)):
            past, present = cache_names(index)
            shape = (end_row - first_row, *self._shapes[index][1:])
            io_binding.bind_input(past, self._device_type, 0, dtype, shape, address)
            io_binding.bind_output(present, self._device_type, 0, dtype, shape, address)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy row ``source`` over row ``target``; ``length`` is what of it counts."""
        self._copy(self._row(source), self._row(target))

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Swap two rows of at least three; the lengths are what of them counts.

        After an error both rows have what they had. Raises: DeviceLost if that cannot be had again.
        """
        assert self._spare_row, "fewer than three rows have no holes between them"
        spare = [tensor.data_ptr() for tensor in self._spare_row]
        self._copy(self._row(first), spare)
        self._copy_or_undo(self._row(second), self._row(first), [(spare, self._row(first))])
        undo = [(self._row(first), self._row(second)), (spare, self._row(first))]
        self._copy_or_undo(spare, self._row(second), undo)

    def _copy_or_undo(self, sources: list[int], targets: list[int], undo: list[tuple[list[int], list[int]]]) -> None:
        """Copy; if that fails, which may have written a part of ``targets``, make the copies of ``undo``."""
        try:
            self._copy(sources, targets)
        except DeviceLost:
            raise  # with all that was in its memory
        except BackendError as error:
            try:
                for kept, place in undo:
                    self._copy(kept, place)
            except DeviceLost:
                raise
            except BackendError as second:
                raise DeviceLost(
                    f"the KV cache is damaged: moving a row failed ({error}), and so did undoing it ({second})",
                    recoverable=True,
                ) from error
            raise

    def _row(self, row: int) -> list[int]:
        both = zip(self._tensors, self._row_bytes, strict=True)
        return [tensor.data_ptr() + row * row_bytes for tensor, row_bytes in both]

    def _copy(self, sources: list[int], targets: list[int]) -> None:
        dtype = self._dtype.type
        with running():
            binding = self._copier.io_binding()
            for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
                binding.bind_input(f"source.{index}", self._device_type, 0, dtype, self._shapes[index], source)
                binding.bind_output(f"target.{index}", self._device_type, 0, dtype, self._shapes[index], target)
            self._copier.run_with_iobinding(binding)
            binding.synchronize_outputs()

    def _zeros(self, num_rows: int, shape: tuple[int, ...]) -> Any:
        # Zeros, for what attention masks is still multiplied: by 0, which does not take away a NaN.
        zeros = np.zeros((num_rows, *shape[1:]), self._dtype)
        return ort.OrtValue.ortvalue_from_numpy(zeros, self._device_type, 0)


def _open_copier(num_tensors: int, device_type: str, dtype: np.dtype[Any]) -> ort.InferenceSession:
    """Return a graph that copies so many tensors at once on the device."""
    sources = {
        f"source.{index}": ("rows", f"heads.{index}", "positions", f"head_dim.{index}") for index in range(num_tensors)
    }
    targets = {f"target.{index}": shape for index, shape in enumerate(sources.values())}
    nodes = [Node("Identity", (source,), (target,)) for source, target in zip(sources, targets, strict=True)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    provider = next(each for each in reversed(BUILT_IN) if each.memory_device == device_type)  # the CPU's own for "cpu"
    graph = write_graph(nodes, sources, targets, dtype=dtype.name)
    return ort.InferenceSession(graph, options, [provider.ep_name], enable_fallback=0)
