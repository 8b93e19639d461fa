"""Runs genai's kind of decoder graph on rows of the shared KV cache: its attention writes in place, as ours does."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.generation_graph import shared_kv
from jan_ort_onnxruntime.kv.host_kv_cache import KVRows
from jan_ort_onnxruntime.sessions.graph_runner import GraphRunner, StepBuffers
from jan_ort_onnxruntime.sessions.largest import find_largest
from jan_ort_onnxruntime.sessions.step_plan import Run


class MaskedRunner(GraphRunner):
    """A graph whose GroupQueryAttention takes each row's length from ``attention_mask``, padded on the right.

    It computes the logits of every position; those that are wanted are copied, and their largest found here.
    """

    def __init__(self, session: ort.InferenceSession, kv_rows: KVRows, decoder: DecoderGraph) -> None:
        super().__init__(session, kv_rows, shared_kv(decoder))
        self._decoder = decoder

    def run(self, run: Run, buffers: StepBuffers, first: int, run_options: ort.RunOptions) -> None:
        """Run once; the logits go to the rows of ``buffers`` from ``first`` on. Raises what ONNX Runtime raises."""
        num_rows, width = run.token_ids.shape
        binding = self._binding(run.first_row, run.first_row + num_rows)
        for role, array in _arrays(run).items():
            if role in self._decoder.inputs:
                value = self._decoder.inputs[role]
                binding.feed(value.name, array.reshape(array.shape if value.shape else ()).astype(value.dtype))
        every = np.empty((num_rows, width, self._decoder.vocab_size), np.float32)
        binding.io_binding.bind_output(self._decoder.logits, "cpu", 0, np.float32, every.shape, every.ctypes.data)
        self._session.run_with_iobinding(binding.io_binding, run_options)
        end = first + len(run.logits_rows)
        buffers.logits[first:end] = every.reshape(num_rows * width, -1)[run.logits_rows]
        buffers.top_logits[first:end], buffers.top_token_ids[first:end] = find_largest(buffers.logits[first:end])


def _arrays(run: Run) -> dict[str, NDArray[np.int64]]:
    """Return what the graph may ask for."""
    ends = run.seqlens_k.astype(np.int64)[:, np.newaxis]  # (rows, 1)
    total = int(ends.max()) + 1
    return {
        "input_ids": run.token_ids,
        "attention_mask": (np.arange(total) <= ends).astype(np.int64),
        "position_ids": run.positions(),
        "seqlens_k": run.seqlens_k.astype(np.int64),
        "total_sequence_length": np.array([total]),
    }
