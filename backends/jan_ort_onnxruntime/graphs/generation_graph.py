"""A decoder graph of our own making: its KV cache is shared, past and present being one memory."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from jan_ort_backends import NUM_TOP_LOGITS, ModelError
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder

GENERATION_INPUTS = ("input_ids", "seqlens_k", "total_sequence_length", "logits_rows")
VECTORS = "inputs_embeds"
"""In place of input_ids, where a model reads images: float ``(rows, sequence, hidden_size)``."""

POSITIONS = "position_ids"
GENERATION_OUTPUTS = ("logits", "top_logits", "top_token_ids")
STATE_PLACES = 3
"""Where a sequence's states may be: a run never writes where it reads, nor what would count if it failed."""

MAX_CHECKPOINTS = 4
CHECKPOINTS_BYTES = 2**26
"""What a slot's checkpoints take together, unless a single one is larger."""


@dataclass(frozen=True, slots=True)
class GenerationGraph:
    """A decoder with a shared KV cache: graph "gqa-shared-kv/1", or "/2", which also takes each token's position.

    ``caches`` are the key-value heads and their size, of each layer's keys and of its values alike.
    ``states`` are the shapes, without the batch, of what layers keep of a sequence that do not attend: float32.
    ``takes_vectors``: it takes vectors in place of token ids, in the type of the cache.
    """

    caches: tuple[tuple[int, int], ...]
    vocab_size: int
    num_top_logits: int
    context_length: int
    cache_dtype: str = "float32"
    takes_positions: bool = False
    states: tuple[tuple[int, ...], ...] = ()
    takes_vectors: bool = False

    def cache_shapes(self, num_rows: int, length: int) -> list[tuple[int, int, int, int]]:
        """Return the shape of each cached tensor, in the order of :func:`cache_names`."""
        return [(num_rows, heads, length, head_dim) for heads, head_dim in self.caches for _ in range(2)]

    @property
    def state_bytes(self) -> int:
        """The size of all states of one sequence."""
        return sum(math.prod(shape) for shape in self.states) * 4

    @property
    def num_checkpoints(self) -> int | None:
        """How many copies of its states a slot may keep."""
        return num_checkpoints(self.state_bytes)


def num_checkpoints(state_bytes: int) -> int | None:
    """Return how many copies of a state a slot may keep: several small ones, or a single large one; None of none."""
    return min(MAX_CHECKPOINTS, max(1, CHECKPOINTS_BYTES // state_bytes)) if state_bytes else None


def is_generation(file: OnnxFile) -> bool:
    """Say whether inputs and outputs are exactly those of our own generation graph."""
    layers = sum(re.fullmatch(r"past_key_values\.\d+\.key", name) is not None for name in file.inputs)
    cache = {f"past_key_values.{layer}.{part}" for layer in range(layers) for part in ("key", "value")}
    presents = {name.replace("past_key_values", "present") for name in cache}
    states = [state_names(index) for index in range(_num_states(file))]
    tokens, *others = GENERATION_INPUTS
    inputs = {VECTORS if VECTORS in file.inputs else tokens, *others, *cache, *(past for past, _ in states)}
    outputs = {*GENERATION_OUTPUTS, *presents, *(present for _, present in states)}
    return layers > 0 and set(file.inputs) - {POSITIONS} == inputs and set(file.outputs) == outputs


def read_generation(folder: OnnxFolder) -> GenerationGraph:
    """Read the sizes of the model and of its cache. Raises: ModelError naming one that is not there."""
    file = folder.file
    num_layers = sum(name.endswith(".key") for name in file.inputs)
    pasts = (file.inputs[state_names(index)[0]] for index in range(_num_states(file)))
    return GenerationGraph(
        caches=tuple(_cache(file, layer) for layer in range(num_layers)),
        vocab_size=_fixed(file, "logits", file.outputs["logits"].shape[1]),
        num_top_logits=_fixed(file, "top_logits", file.outputs["top_logits"].shape[1]),
        context_length=folder.written_context_length(),
        cache_dtype=_cache_dtype(file),
        takes_positions=POSITIONS in file.inputs,
        states=tuple(tuple(_fixed(file, each.name, size) for size in each.shape[1:]) for each in pasts),
        takes_vectors=VECTORS in file.inputs,
    )


def shared_kv(decoder: DecoderGraph) -> GenerationGraph:
    """Return the KV cache and sizes of a decoder that appends in place."""
    return GenerationGraph(
        caches=((decoder.caches[0].num_heads, decoder.caches[0].head_dim),) * (len(decoder.caches) // 2),
        vocab_size=decoder.vocab_size,
        num_top_logits=min(NUM_TOP_LOGITS, decoder.vocab_size),
        context_length=decoder.context_length,
        takes_vectors=decoder.takes_vectors,
    )


def cache_names(index: int) -> tuple[str, str]:
    """Return the names of past and present of tensor ``index``: keys and values of layer 0, of layer 1, …"""
    name = f"{index // 2}.{'value' if index % 2 else 'key'}"
    return f"past_key_values.{name}", f"present.{name}"


def state_names(index: int) -> tuple[str, str]:
    """Return the names of past and present of state ``index``."""
    return f"past_state.{index}", f"present_state.{index}"


def _cache(file: OnnxFile, layer: int) -> tuple[int, int]:
    """Return the key-value heads of a layer and their size. Raises: ModelError if values are of another shape."""
    key, value = (file.inputs[f"past_key_values.{layer}.{part}"] for part in ("key", "value"))
    if key.shape != value.shape or len(key.shape) != 4:
        raise ModelError(f"{file.path}: {value.name} is not of the shape of {key.name}; convert the model again")
    return _fixed(file, key.name, key.shape[1]), _fixed(file, key.name, key.shape[3])


def _num_states(file: OnnxFile) -> int:
    return sum(name.startswith("past_state.") for name in file.inputs)


def _cache_dtype(file: OnnxFile) -> str:
    dtypes = {value.dtype for name, value in file.inputs.items() if name.startswith("past_key_values.")}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float16"}:
        raise ModelError(f"{file.path}: the cache is of type {', '.join(sorted(dtypes))}; convert the model again")
    return dtypes.pop()


def _fixed(file: OnnxFile, name: str, size: object) -> int:
    if not isinstance(size, int) or size < 1:
        raise ModelError(f"{file.path}: a dimension of {name} is {size!r} and must be fixed; convert the model again")
    return size
