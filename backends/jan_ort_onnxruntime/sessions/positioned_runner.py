"""Runs the graph that takes each token's position as an input: its attention does not rotate by itself."""

from __future__ import annotations

import onnxruntime as ort

from jan_ort_onnxruntime.graphs.generation_graph import POSITIONS, GenerationGraph
from jan_ort_onnxruntime.kv.host_kv_cache import KVRows
from jan_ort_onnxruntime.sessions.graph_runner import GraphRunner, StepBinding
from jan_ort_onnxruntime.sessions.step_plan import Run


class PositionedRunner(GraphRunner):
    """As :class:`GraphRunner`; at least one position's logits are computed, so that no GPU gets an empty tensor."""

    def __init__(self, session: ort.InferenceSession, kv_rows: KVRows, graph: GenerationGraph) -> None:
        super().__init__(session, kv_rows, graph, some_rows=True)

    def _feed(self, binding: StepBinding, run: Run) -> None:
        super()._feed(binding, run)
        binding.feed(POSITIONS, run.positions())
