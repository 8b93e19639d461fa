"""Runs the graph that takes each token's position as an input: its attention does not rotate by itself."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from jan_ort_onnxruntime.graph import POSITIONS, GenerationGraph
from jan_ort_onnxruntime.kv_cache import KVRows
from jan_ort_onnxruntime.plan import Run
from jan_ort_onnxruntime.runner import FIRST_ROW, GraphRunner, StepBuffers


class PositionedRunner(GraphRunner):
    """As :class:`GraphRunner`; at least one position's logits are computed, so that no GPU gets an empty tensor."""

    def __init__(self, session: ort.InferenceSession, kv_rows: KVRows, graph: GenerationGraph) -> None:
        super().__init__(session, kv_rows, graph, some_rows=True)

    def run(self, run: Run, buffers: StepBuffers, first: int, run_options: ort.RunOptions) -> None:
        """Run once; the logits go to the rows of ``buffers`` from ``first`` on. Raises what ONNX Runtime raises."""
        wanted = run.logits_rows
        if not len(wanted) and self._unwanted is not None:
            wanted, buffers, first = FIRST_ROW, self._unwanted, 0
        binding = self._binding(run.first_row, run.first_row + run.token_ids.shape[0])
        binding.feed("input_ids", run.token_ids)
        binding.feed(POSITIONS, run.positions())
        binding.feed("seqlens_k", run.seqlens_k)
        binding.feed("total_sequence_length", np.array([run.seqlens_k.max() + 1], np.int32))
        binding.feed("logits_rows", wanted)
        binding.write_to(buffers, first, first + len(wanted))
        self._session.run_with_iobinding(binding.io_binding, run_options)
