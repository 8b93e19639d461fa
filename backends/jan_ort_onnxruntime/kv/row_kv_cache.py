"""The KV cache for a device whose memory has no addresses to add to: a tensor of its own for each row.

That is DirectML: what its allocator returns names an allocation, and a part of one cannot be bound. Its attention reads
no past of its own but the memory that present is written to (DmlOperatorGroupQueryAttention.cpp), so that past and
present must be one tensor on the device, as onnxruntime-genai binds them (past_present_share_buffer).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort

from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph, cache_names
from jan_ort_onnxruntime.providers.runtime_failures import running


class RowKVCache:
    """Keys and values as :class:`HostKVCache` has them, one tensor for each row, layer and part, on ``device_type`` 0.

    A run takes one row. Copies go through the host, for they are rare: a fork.
    """

    travels: ClassVar[bool] = False

    def __init__(self, graph: GenerationGraph, num_rows: int, context_length: int, device_type: str) -> None:
        shapes = graph.cache_shapes(1, context_length)
        # Zeros, for what attention masks is still multiplied: by 0, which does not take away a NaN.
        zeros = {shape: np.zeros(shape, graph.cache_dtype) for shape in set(shapes)}

        def tensor(shape: tuple[int, int, int, int]) -> Any:
            own = (
                zeros[shape].copy() if device_type == "cpu" else zeros[shape]
            )  # the host's OrtValue is the array itself
            return ort.OrtValue.ortvalue_from_numpy(own, device_type, 0)

        self._rows = [[tensor(shape) for shape in shapes] for _ in range(num_rows)]

    def bind(self, io_binding: Any, first_row: int, end_row: int) -> None:
        """Give the graph the row as past and present, for each layer's keys and values."""
        assert end_row == first_row + 1, "plan_alone makes runs of one row"
        for index, tensor in enumerate(self._rows[first_row]):
            past, present = cache_names(index)
            io_binding.bind_ortvalue_input(past, tensor)
            io_binding.bind_ortvalue_output(present, tensor)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy row ``source`` over row ``target``; ``length`` is what of it counts."""
        with running():
            for theirs, ours in zip(self._rows[source], self._rows[target], strict=True):
                ours.update_inplace(theirs.numpy())

    def swap(self, first: int, second: int, first_length: int, second_length: int) -> None:
        """Never needed: rows that do not share a run need not be neighbours."""
        raise AssertionError("a session whose rows run alone moves none")
