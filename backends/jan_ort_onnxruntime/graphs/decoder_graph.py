"""A decoder graph that takes its cache and returns it longer: what optimum, transformers.js and genai export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jan_ort_backends import ModelError
from jan_ort_backends.context_length import BARE_CONTEXT_LENGTH
from jan_ort_onnxruntime.graphs.decoder_states import StateTensor, read_states
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue, OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder

RANKS = {
    "input_ids": (2,),
    "inputs_embeds": (3,),
    "attention_mask": (2,),
    "position_ids": (2, 3),
    "token_type_ids": (2,),
    "cache_position": (1,),
    "use_cache_branch": (1,),
    "num_logits_to_keep": (0, 1),
    "seqlens_k": (1,),
    "total_sequence_length": (0, 1),
}
"""The inputs beside the cache that this backend can fill, with the ranks that each may have."""

_ALIASES = {"logits_to_keep": "num_logits_to_keep", "total_seq_len": "total_sequence_length"}
_GENAI_ROLES = ("input_ids", "attention_mask", "position_ids")
_IN_PLACE_ROLES = {"input_ids", "inputs_embeds", "attention_mask", "position_ids", "seqlens_k", "total_sequence_length"}
_FORGETS = "Slice"
"""The operator that gives a part: a cache that it computes may be shorter than the sequence."""

_CACHE_DTYPES = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class CacheTensor:
    """One layer's keys or values: ``past`` and ``present`` name the input and the output."""

    past: str
    present: str
    num_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """``inputs`` maps what this backend fills (see RANKS) to the graph's own input; ``logits`` names the output.

    ``appends_in_place``: past and present may be the same memory, in which every sequence has a row of the session's
    context length; so several can run together. ``states``: what layers keep of a sequence that do not attend.
    """

    inputs: Mapping[str, GraphValue]
    caches: tuple[CacheTensor, ...]
    cache_dtype: str
    logits: str
    vocab_size: int
    context_length: int
    appends_in_place: bool
    states: tuple[StateTensor, ...] = ()

    @property
    def takes_vectors(self) -> bool:
        """Whether the graph takes vectors in place of token ids, as that of a model that reads images does."""
        return "inputs_embeds" in self.inputs


def is_decoder(folder: OnnxFolder) -> bool:
    """Say whether the graph takes a cache at all, under genai_config.json's names or the usual ones."""
    return any(_cache_place(name, _patterns(folder)) for name in folder.file.inputs)


def read_decoder(folder: OnnxFolder) -> DecoderGraph:
    """Recognise the graph's inputs and outputs. Raises: ModelError listing those that this backend cannot fill."""
    file, patterns = folder.file, _patterns(folder)
    roles = _roles(folder, patterns)
    logits = _names(folder, "outputs").get("logits", "logits")
    problems = [f"it has no output {logits!r}"] if logits not in file.outputs else []
    problems += [] if roles.keys() & {"input_ids", "inputs_embeds"} else ["it has no input 'input_ids'"]
    problems += [f"it takes {size} tokens a run and no other number" for size in _fixed_lengths(roles)]
    unknown = [name for name in file.inputs if name not in {value.name for value in roles.values()}]
    states = read_states(file, _names(folder, "inputs"), _names(folder, "outputs"))
    unknown = [name for name in unknown if not _cache_place(name, patterns) and name not in {s.past for s in states}]
    problems += [f"its inputs {', '.join(unknown[:8])} are none that this backend can fill"] if unknown else []
    if problems:
        raise ModelError(f"{file.path} is not a graph that this backend runs: {'; '.join(problems)}")
    pasts = [value for name, value in file.inputs.items() if _cache_place(name, patterns)]
    dtypes = {value.dtype for value in pasts}
    if len(dtypes) > 1 or not dtypes <= set(_CACHE_DTYPES):
        raise ModelError(
            f"{file.path}: the cache is of type {', '.join(sorted(dtypes))}; this backend keeps float32 or float16: "
            "export the model with one of these"
        )
    every = tuple(_cache(value, folder, patterns) for value in pasts)
    windows = _windows(folder, every, min(dtypes))
    caches = tuple(cache for cache in every if cache.past not in {window.past for window in windows})
    states += windows
    return DecoderGraph(
        inputs=roles,
        caches=caches,
        cache_dtype=dtypes.pop(),
        logits=logits,
        vocab_size=_vocab_size(folder, logits),
        context_length=_context_length(folder),
        appends_in_place=not states and _appends_in_place(file, roles, caches, logits),
        states=states,
    )


def _fixed_lengths(roles: Mapping[str, GraphValue]) -> list[int]:
    """Return the number of tokens that a graph was built for, as for an NPU, if it takes no other."""
    return [size for size in roles["input_ids"].shape[1:] if isinstance(size, int)] if "input_ids" in roles else []


def _context_length(folder: OnnxFolder) -> int:
    stated = folder.context_length or folder.bare_length(BARE_CONTEXT_LENGTH["generate"])
    positions = folder.file.tables.positions
    return min(stated, positions.num_rows) if positions else stated


def _windows(folder: OnnxFolder, caches: tuple[CacheTensor, ...], dtype: str) -> tuple[StateTensor, ...]:
    """Return the caches of which the graph itself keeps the last positions only: what it forgot cannot be had again.

    Raises: ModelError if genai_config.json leaves that to who runs the graph.
    """
    window = folder.stated_size("sliding_window") or _context_length(folder)
    found = tuple(
        StateTensor(cache.past, cache.present, (cache.num_heads, 0, cache.head_dim), dtype, window)
        for cache in caches
        if folder.file.made_by.get(cache.present) == _FORGETS
    )
    stated = folder.decoder.get("sliding_window")
    if isinstance(stated, dict) and stated.get("slide_key_value_cache", True) and not found:
        raise ModelError(
            f"{folder.path / 'genai_config.json'}: sliding_window has slide_key_value_cache, so what runs it "
            "must cut its cache, which this backend does not; build the model with slide_key_value_cache false"
        )
    return found


def _appends_in_place(
    file: OnnxFile, roles: Mapping[str, GraphValue], caches: tuple[CacheTensor, ...], logits: str
) -> bool:
    """Say whether all attention is GroupQueryAttention over a cache like that of our own graphs.

    It takes rows of several lengths from the mask, or from ``seqlens_k``. The logits must be float32, of all positions.
    Positions of three axes are kept beside a slot's cache, which a shared one has no place for.
    """
    tokens = roles["input_ids" if "input_ids" in roles else "inputs_embeds"]
    on_axes = "position_ids" in roles and len(roles["position_ids"].shape) == 3
    names = {f"past_key_values.{layer}.{part}" for layer in range(len(caches) // 2) for part in ("key", "value")}
    output = file.outputs[logits]
    all_positions = len(output.shape) == 3 and output.shape[1] == tokens.shape[1]
    return (
        file.op_types.get("GroupQueryAttention", 0) * 2 == len(caches)
        and not file.op_types.get("MultiHeadAttention", 0)
        and {cache.past for cache in caches} == names
        and all(cache.present == cache.past.replace("past_key_values", "present") for cache in caches)
        and len({(cache.num_heads, cache.head_dim) for cache in caches}) == 1
        and roles.keys() <= _IN_PLACE_ROLES
        and not on_axes
        and ("attention_mask" in roles or {"seqlens_k", "total_sequence_length"} <= roles.keys())
        and all(file.inputs[cache.past].dtype == "float32" for cache in caches)
        and output.dtype == "float32"
        and all_positions
        and isinstance(output.shape[1], str)
    )


def _names(folder: OnnxFolder, direction: str) -> dict[str, str]:
    """Return genai_config.json's names of the decoder's inputs or outputs, by what they are."""
    named = folder.decoder.get(direction)
    return {role: name for role, name in named.items() if isinstance(name, str)} if isinstance(named, dict) else {}


def _patterns(folder: OnnxFolder) -> dict[str, tuple[str, str]]:
    """Return the patterns of past and present, "%d" standing for the layer, of keys and of values."""
    inputs, outputs = _names(folder, "inputs"), _names(folder, "outputs")
    return {
        part: (
            inputs.get(f"past_{part}_names", f"past_key_values.%d.{part}"),
            outputs.get(f"present_{part}_names", f"present.%d.{part}"),
        )
        for part in ("key", "value")
    }


def _cache_place(name: str, patterns: Mapping[str, tuple[str, str]]) -> tuple[str, int] | None:
    """Return "key" or "value" and the layer of a cache input, None for any other input."""
    for part, (past, _) in patterns.items():
        if match := re.fullmatch(re.escape(past).replace("%d", r"(\d+)"), name):
            return part, int(match[1])
    return None


def _roles(folder: OnnxFolder, patterns: Mapping[str, tuple[str, str]]) -> dict[str, GraphValue]:
    """Return the inputs beside the cache by what they are; an unknown one is left out."""
    stated = {name: role for role, name in _names(folder, "inputs").items() if role in _GENAI_ROLES}
    roles: dict[str, GraphValue] = {}
    for name, value in folder.file.inputs.items():
        role = stated.get(name, _ALIASES.get(name, name))
        if role in RANKS and not _cache_place(name, patterns):
            if len(value.shape) not in RANKS[role]:
                raise ModelError(
                    f"{folder.model_path}: input {name} has {len(value.shape)} dimensions, which are not understood"
                )
            roles[role] = value
    return roles


def _cache(value: GraphValue, folder: OnnxFolder, patterns: Mapping[str, tuple[str, str]]) -> CacheTensor:
    place = _cache_place(value.name, patterns)
    assert place is not None  # the caller asked
    part, layer = place
    present = patterns[part][1].replace("%d", str(layer))
    if present not in folder.file.outputs or len(value.shape) != 4:
        raise ModelError(
            f"{folder.model_path}: input {value.name} must be (batch, heads, past, head size) and have an output "
            f"{present}; export the model with past (text-generation-with-past)"
        )
    query_heads, hidden = folder.stated_size("num_attention_heads"), folder.stated_size("hidden_size")
    head_dim = folder.stated_size("head_size", "head_dim")
    if head_dim is None and query_heads and hidden:
        head_dim = hidden // query_heads
    heads = folder.stated_size("num_key_value_heads") or query_heads
    return CacheTensor(value.name, present, _size(value, 1, heads), _size(value, 3, head_dim))


def _size(value: GraphValue, axis: int, stated: int | None) -> int:
    """Return a dimension of the cache: the graph's own where it is fixed, else that of the configuration."""
    size = value.shape[axis]
    if isinstance(size, int) and size > 0:
        return size
    if stated:
        return stated
    raise ModelError(
        f"dimension {axis} of {value.name} is {size!r}, and no configuration file says it; add num_key_value_heads and "
        "head_dim to config.json"
    )


def _vocab_size(folder: OnnxFolder, logits: str) -> int:
    *_, width = folder.file.outputs[logits].shape or (0,)
    if isinstance(width, int) and width > 0:
        return width
    if folder.vocab_size is None:
        raise ModelError(f"{folder.model_path} does not say the width of {logits}; add vocab_size to config.json")
    return folder.vocab_size
