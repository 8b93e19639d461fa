"""From a GGUF file and options to an open session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jan_ort_backends import DeviceReport, ModelError, OpenOptions, OutOfMemory, Session, SessionInfo
from jan_ort_backends.checks import check_options
from jan_ort_llama_cpp.gguf_path import weights_hash
from jan_ort_llama_cpp.library import complaints, load_library
from jan_ort_llama_cpp.recurrent_session import MAX_CHECKPOINTS, RecurrentSession
from jan_ort_llama_cpp.session import MAX_BATCH_TOKENS, LlamaCppSession

OPTIONS = ("num_threads", "num_gpu_layers")
"""``num_threads``: all processors by default. ``num_gpu_layers``: 0 by default, -1 for all."""

_MAX_COMPUTED_TOKENS = 60
"""Tokens that are computed at once: from 64 on, ggml's CPU attention takes another path, whose logits differ."""


def open_session(path: Path, options: OpenOptions) -> Session:
    """Load the model and reserve its KV cache. Raises: ModelError naming the file or option; OutOfMemory."""
    check_options(options, OPTIONS, None)  # what is wrong already, before a long load
    num_gpu_layers = _integer(options.extra, "num_gpu_layers", 0, at_least=-1)
    num_threads = _integer(options.extra, "num_threads", _num_processors(), at_least=1)
    library = load_library()
    with ExitStack() as undo:  # what is open already, if a later part fails; the context before its model
        model = _load(library, path, num_gpu_layers)
        undo.callback(library.llama_model_free, model)
        _check_kind(library, model, path)
        keeps_state = _keeps_state(library, model, path)
        longest = library.llama_model_n_ctx_train(model)
        check_options(options, OPTIONS, longest)
        info = SessionInfo(
            vocab_size=library.llama_vocab_n_tokens(library.llama_model_get_vocab(model)),
            context_length=options.context_length or longest,
            num_slots=options.num_slots,
            embedding_size=0,
            device=_device(library, num_gpu_layers),
            weights_hash=weights_hash(path),
            num_checkpoints=MAX_CHECKPOINTS if keeps_state else None,
        )
        context = _context(library, model, info, num_threads)
        undo.callback(library.llama_free, context)
        session = (RecurrentSession if keeps_state else LlamaCppSession)(library, model, context, info)
        undo.pop_all()
    return session


def _load(library: Any, path: Path, num_gpu_layers: int) -> Any:
    complaints()
    parameters = library.llama_model_default_params()
    parameters.n_gpu_layers = num_gpu_layers
    model = library.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise ModelError(f"{path} cannot be loaded: {complaints() or 'llama.cpp gives no reason'}; download it again")
    return model


def _check_kind(library: Any, model: Any, path: Path) -> None:
    """Refuse what is no decoder."""
    if not library.llama_model_has_decoder(model) or library.llama_model_has_encoder(model):
        raise ModelError(f"{path} is not a decoder-only model; choose one that generates text")


def _keeps_state(library: Any, model: Any, path: Path) -> bool:
    """Say whether the model has a state that cannot be cut. Raises: ModelError if this llama.cpp cannot copy it."""
    is_hybrid = getattr(library, "llama_model_is_hybrid", lambda _: False)
    keeps = bool(library.llama_model_is_recurrent(model) or is_hybrid(model))
    if keeps and not hasattr(library, "LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY"):
        raise ModelError(f"{path} keeps a state, which this llama-cpp-python cannot copy; upgrade it")
    return keeps


def _context(library: Any, model: Any, info: SessionInfo, num_threads: int) -> Any:
    parameters = library.llama_context_default_params()
    parameters.n_ctx = info.num_slots * info.context_length
    parameters.n_seq_max = info.num_slots
    parameters.n_batch = MAX_BATCH_TOKENS
    parameters.n_threads = parameters.n_threads_batch = num_threads
    parameters.n_ubatch = _MAX_COMPUTED_TOKENS
    # A cache for each sequence, and flash attention: so a row is the same to the bit in every company and chunking.
    parameters.kv_unified = False
    parameters.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_ENABLED
    parameters.swa_full = True  # a window that has moved on could not be cut back
    parameters.no_perf = True
    complaints()
    context = library.llama_init_from_model(model, parameters)
    if not context:
        raise OutOfMemory(
            f"no KV cache for {info.num_slots} slots of {info.context_length} tokens: "
            f"{complaints() or 'llama.cpp gives no reason'}; lower num_slots or context_length"
        )
    return context


def _device(library: Any, num_gpu_layers: int) -> DeviceReport:
    offloads = num_gpu_layers != 0 and bool(library.llama_supports_gpu_offload())
    return DeviceReport(requested="gpu" if num_gpu_layers else "cpu", used="gpu" if offloads else "cpu")


def _num_processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _integer(extra: Mapping[str, str], name: str, default: int, *, at_least: int) -> int:
    """Return an option's value. Raises: ModelError if it is no integer or too small."""
    stated = extra.get(name)
    if stated is None:
        return default
    try:
        value = int(stated)
    except ValueError:
        value = at_least - 1
    if value < at_least:
        raise ModelError(f"{name} is {stated!r}; it must be an integer, at least {at_least}")
    return value
