"""What a graph's inputs and outputs say about the model, and whether they are those this backend runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jan_ort_backends import NUM_TOP_LOGITS, ModelError
from jan_ort_onnxruntime.decoder_graph import DecoderGraph, is_decoder, read_decoder
from jan_ort_onnxruntime.embedding_graph import EmbeddingGraph, is_encoder, read_encoder
from jan_ort_onnxruntime.model_folder import ModelFolder
from jan_ort_onnxruntime.onnx_file import OnnxFile

GENERATION_INPUTS = ("input_ids", "seqlens_k", "total_sequence_length", "logits_rows")
POSITIONS = "position_ids"
GENERATION_OUTPUTS = ("logits", "top_logits", "top_token_ids")


@dataclass(frozen=True, slots=True)
class GenerationGraph:
    """A decoder with a shared KV cache: graph "gqa-shared-kv/1", or "/2", which also takes each token's position."""

    num_layers: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    num_top_logits: int
    context_length: int
    cache_dtype: str = "float32"
    takes_positions: bool = False


Graph = GenerationGraph | DecoderGraph | EmbeddingGraph


def read_graph(folder: ModelFolder) -> Graph:
    """Recognise the folder's graph by its inputs and outputs, without loading it.

    Raises: ModelError naming a file that is missing or too short, or what was expected of the graph.
    """
    file = OnnxFile.read(folder.model_path)
    graph = _recognise(file, folder)
    if missing := file.missing_files():
        raise ModelError(f"{folder.model_path} lacks its weights: {'; '.join(missing)}: convert or download them again")
    return graph


def shared_kv(decoder: DecoderGraph) -> GenerationGraph:
    """Return the KV cache and sizes of a decoder that appends in place."""
    return GenerationGraph(
        num_layers=len(decoder.caches) // 2,
        num_key_value_heads=decoder.caches[0].num_heads,
        head_dim=decoder.caches[0].head_dim,
        vocab_size=decoder.vocab_size,
        num_top_logits=min(NUM_TOP_LOGITS, decoder.vocab_size),
        context_length=decoder.context_length,
    )


def _recognise(file: OnnxFile, folder: ModelFolder) -> Graph:
    if _is_shared_kv(file):
        past = file.inputs["past_key_values.0.key"]
        return GenerationGraph(
            num_layers=sum(name.endswith(".key") for name in file.inputs),
            num_key_value_heads=_fixed(file, past.name, past.shape[1]),
            head_dim=_fixed(file, past.name, past.shape[3]),
            vocab_size=_fixed(file, "logits", file.outputs["logits"].shape[1]),
            num_top_logits=_fixed(file, "top_logits", file.outputs["top_logits"].shape[1]),
            context_length=_context_length(file, folder),
            cache_dtype=_cache_dtype(file),
            takes_positions=POSITIONS in file.inputs,
        )
    if is_decoder(file, folder):
        return read_decoder(file, folder)
    if is_encoder(file):
        ours = "jan_ort.graph" in file.metadata
        return read_encoder(file, folder, _context_length(file, folder) if ours else folder.text_length)
    raise ModelError(
        f"{file.path} is no graph that this backend runs: it has inputs {_few(file.inputs)} and outputs "
        f"{_few(file.outputs)}; expected inputs {_few(GENERATION_INPUTS)}, or input_ids and attention_mask, with "
        "past_key_values.N.key and .value for generation, or input_ids and attention_mask alone for embeddings: "
        "convert the model with jan-ort, or export it with past (text-generation-with-past)"
    )


def _is_shared_kv(file: OnnxFile) -> bool:
    """Say whether inputs and outputs are exactly those of our own generation graph."""
    layers = sum(re.fullmatch(r"past_key_values\.\d+\.key", name) is not None for name in file.inputs)
    cache = {f"past_key_values.{layer}.{part}" for layer in range(layers) for part in ("key", "value")}
    presents = {name.replace("past_key_values", "present") for name in cache}
    inputs, outputs = {*GENERATION_INPUTS, *cache}, {*GENERATION_OUTPUTS, *presents}
    return layers > 0 and set(file.inputs) - {POSITIONS} == inputs and set(file.outputs) == outputs


def _cache_dtype(file: OnnxFile) -> str:
    dtypes = {value.dtype for name, value in file.inputs.items() if name.startswith("past_key_values.")}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float16"}:
        raise ModelError(f"{file.path}: the cache is of type {', '.join(sorted(dtypes))}; convert the model again")
    return dtypes.pop()


def _context_length(file: OnnxFile, folder: ModelFolder) -> int:
    written = file.metadata.get("jan_ort.context_length", "")
    if folder.context_length is not None:
        return min(folder.context_length, int(written)) if written.isdigit() else folder.context_length
    if not written.isdigit():
        raise ModelError(
            f"{file.path} does not say its context length; jan_ort.json or the graph's metadata "
            "jan_ort.context_length must: convert the model again"
        )
    return int(written)


def _fixed(file: OnnxFile, name: str, size: object) -> int:
    if not isinstance(size, int) or size < 1:
        raise ModelError(f"{file.path}: a dimension of {name} is {size!r} and must be fixed; convert the model again")
    return size


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
