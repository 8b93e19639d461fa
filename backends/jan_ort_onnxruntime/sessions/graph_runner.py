"""Runs the generation graph on rows of the KV cache, by IOBinding and without copies."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.generation_graph import POSITIONS, VECTORS, GenerationGraph, shared_kv
from jan_ort_onnxruntime.kv.kv_rows import KVRows
from jan_ort_onnxruntime.kv.state_rows import StateRows
from jan_ort_onnxruntime.providers.provider_table import CPU_PROVIDER
from jan_ort_onnxruntime.sessions.decoder_arrays import find_largest, inputs_of_run
from jan_ort_onnxruntime.sessions.run_vectors import RunVectors
from jan_ort_onnxruntime.sessions.step_plan import Run

MAX_BINDINGS = 16

_FIRST_ROW = np.zeros(1, np.int64)
_TAKES_NO_ROWS_SINCE = (1, 31)  # before, a MatMulNBits of no rows killed the process (SIGFPE; 1.24.4 to 1.30.0 tried)


class StepBuffers:
    """Where the logits of a step are written: ``num_logits`` rows of each output, reused while few are wanted."""

    def __init__(self, graph: GenerationGraph, num_rows: int) -> None:
        self.num_rows = num_rows
        self.logits = np.empty((num_rows, graph.vocab_size), np.float32)
        self.top_logits = np.empty((num_rows, graph.num_top_logits), np.float32)
        self.top_token_ids = np.empty((num_rows, graph.num_top_logits), np.int64)

    def rows(self, first: int, end: int) -> list[tuple[str, NDArray[np.float32] | NDArray[np.int64]]]:
        """Return the outputs' names with their rows from ``first`` to ``end``."""
        return [
            ("logits", self.logits[first:end]),
            ("top_logits", self.top_logits[first:end]),
            ("top_token_ids", self.top_token_ids[first:end]),
        ]


class StepBinding:
    """The tensors of runs over one range of KV rows: bound once, and again only where a shape or place changes.

    Binding the KV rows costs 0.6 ms for 30 layers and a step's own tensors 0.15 ms; copying into bound inputs 10 µs.
    ``in_place``: the provider reads the host's memory. Any other gets a copy of an input when it is bound, and would
    not see what is written there afterwards (IOBinding::BindInput, quoted in ONNX Runtime's issue 11666).
    """

    def __init__(
        self, session: ort.InferenceSession, kv_rows: KVRows, first_row: int, end_row: int, *, in_place: bool
    ) -> None:
        self.io_binding: ort.IOBinding = session.io_binding()
        self._in_place = in_place
        self._inputs: dict[str, NDArray[np.generic]] = {}
        self._outputs: tuple[StepBuffers, int, int] | None = None
        kv_rows.bind(self.io_binding, first_row, end_row)

    def feed(self, name: str, array: NDArray[np.generic]) -> None:
        """Copy ``array`` to where the graph reads the input."""
        own = self._inputs.get(name)
        if own is not None and own.shape == array.shape:
            own[...] = array
            if self._in_place:
                return
        else:
            own = self._inputs[name] = array.copy()
        self.io_binding.bind_input(name, "cpu", 0, own.dtype.type, own.shape, own.ctypes.data)

    def write_to(self, buffers: StepBuffers, first: int, end: int) -> None:
        """Let the graph write its outputs to the rows of ``buffers`` from ``first`` to ``end``."""
        if self._outputs == (buffers, first, end):
            return
        for name, output in buffers.rows(first, end):
            self.io_binding.bind_output(name, "cpu", 0, output.dtype.type, output.shape, output.ctypes.data)
        self._outputs = (buffers, first, end)


class GraphRunner:
    """A loaded graph with its KV cache; the bindings of recent ranges of rows are kept.

    Where no logits are wanted, one row of them is computed and left: some versions of ONNX Runtime need it, and with a
    graph that takes positions, for its attention does not rotate by itself, no GPU is to get an empty tensor.
    ``vectors`` are those that a graph takes in place of token ids.
    """

    vectors: RunVectors | None = None

    def __init__(self, session: ort.InferenceSession, kv_rows: KVRows, graph: GenerationGraph) -> None:
        version = tuple(int(part) for part in ort.__version__.split(".")[:2])
        self._takes_positions = graph.takes_positions
        some_rows = graph.takes_positions or version < _TAKES_NO_ROWS_SINCE
        self._unwanted = StepBuffers(graph, 1) if some_rows else None
        self._session = session
        self._kv_rows = kv_rows
        self._in_place = session.get_providers()[0] == CPU_PROVIDER
        self._keeps_bindings = self._in_place or not kv_rows.travels
        self._bindings: OrderedDict[tuple[int, ...], StepBinding] = OrderedDict()

    def run(self, run: Run, buffers: StepBuffers, first: int, run_options: ort.RunOptions) -> None:
        """Run once; the logits go to the rows of ``buffers`` from ``first`` on. Raises what ONNX Runtime raises."""
        wanted = run.logits_rows
        if not len(wanted) and self._unwanted is not None:
            wanted, buffers, first = _FIRST_ROW, self._unwanted, 0
        binding = self._binding(run.first_row, run.first_row + run.token_ids.shape[0])
        self._feed(binding, run, run_options)
        binding.feed("logits_rows", wanted)
        binding.write_to(buffers, first, first + len(wanted))
        self._session.run_with_iobinding(binding.io_binding, run_options)

    def _feed(self, binding: StepBinding, run: Run, run_options: ort.RunOptions) -> None:
        """Give the graph the run's tokens and where they are; a graph with further inputs gets them here."""
        if self.vectors is None:
            binding.feed("input_ids", run.token_ids)
        else:
            binding.feed(VECTORS, self.vectors.of(run, run_options))
        binding.feed("seqlens_k", run.seqlens_k)
        binding.feed("total_sequence_length", np.array([run.seqlens_k.max() + 1], np.int32))
        if self._takes_positions:
            binding.feed(POSITIONS, run.positions())

    def _binding(self, first_row: int, end_row: int, *places: int) -> StepBinding:
        """Return the binding of these rows; ``places`` is what else it is for."""
        if not self._keeps_bindings:
            return self._bound(first_row, end_row, *places)
        key = (first_row, end_row, *places)
        binding = self._bindings.pop(key, None)
        if binding is None:
            binding = self._bound(first_row, end_row, *places)
            if len(self._bindings) >= MAX_BINDINGS:
                self._bindings.popitem(last=False)
        self._bindings[key] = binding
        return binding

    def _bound(self, first_row: int, end_row: int, *places: int) -> StepBinding:
        return StepBinding(self._session, self._kv_rows, first_row, end_row, in_place=self._in_place)


class StatefulRunner(GraphRunner):
    """A graph some of whose layers read and write the ``states`` of their sequences."""

    def __init__(
        self, session: ort.InferenceSession, kv_rows: KVRows, graph: GenerationGraph, states: StateRows
    ) -> None:
        super().__init__(session, kv_rows, graph)
        self._states = states

    def run(self, run: Run, buffers: StepBuffers, first: int, run_options: ort.RunOptions) -> None:
        """Run once, and have the states of its rows written. Raises what ONNX Runtime raises."""
        every = range(run.first_row, run.first_row + run.token_ids.shape[0])
        pasts = run.seqlens_k + 1 - run.token_ids.shape[1]
        self._places = self._states.begin(
            run.rows,
            idle=[row for row in every if row not in run.rows],
            empty=[row for row, past in zip(every, pasts, strict=True) if past == 0 and row in run.rows],
        )
        super().run(run, buffers, first, run_options)
        self._states.end(run.rows, self._places[1])

    def _binding(self, first_row: int, end_row: int, *places: int) -> StepBinding:
        return super()._binding(first_row, end_row, *self._places)

    def _bound(self, first_row: int, end_row: int, *places: int) -> StepBinding:
        binding = super()._bound(first_row, end_row)
        self._states.bind(binding.io_binding, first_row, end_row, *places)
        return binding


class MaskedRunner(GraphRunner):
    """Genai's kind of decoder graph: its GroupQueryAttention takes each row's length from ``attention_mask``.

    It writes to the KV cache in place, as ours does, and computes the logits of every position; those that are wanted
    are copied, and their largest found here.
    """

    def __init__(self, session: ort.InferenceSession, kv_rows: KVRows, decoder: DecoderGraph) -> None:
        super().__init__(session, kv_rows, shared_kv(decoder))
        self._decoder = decoder

    def run(self, run: Run, buffers: StepBuffers, first: int, run_options: ort.RunOptions) -> None:
        """Run once; the logits go to the rows of ``buffers`` from ``first`` on. Raises what ONNX Runtime raises."""
        num_rows, width = run.token_ids.shape
        binding = self._binding(run.first_row, run.first_row + num_rows)
        vectors = None if self.vectors is None else self.vectors.of(run, run_options)
        for name, array in inputs_of_run(self._decoder, run, vectors).items():
            binding.feed(name, array)
        every = np.empty((num_rows, width, self._decoder.vocab_size), np.float32)
        binding.io_binding.bind_output(self._decoder.logits, "cpu", 0, np.float32, every.shape, every.ctypes.data)
        self._session.run_with_iobinding(binding.io_binding, run_options)
        end = first + len(run.logits_rows)
        buffers.logits[first:end] = every.reshape(num_rows * width, -1)[run.logits_rows]
        buffers.top_logits[first:end], buffers.top_token_ids[first:end] = find_largest(buffers.logits[first:end])


def make_runner(
    session: ort.InferenceSession,
    kv_rows: KVRows,
    graph: GenerationGraph,
    decoder: DecoderGraph | None,
    states: StateRows | None,
) -> GraphRunner:
    """Return the runner of the graph's kind; ``decoder`` None: the graph is of our own making."""
    if decoder is not None:
        return MaskedRunner(session, kv_rows, decoder)
    return GraphRunner(session, kv_rows, graph) if states is None else StatefulRunner(session, kv_rows, graph, states)
