"""Ollama's ``options`` as a chat's fields: honoured, without effect on an answer, or refused by name (hop 3)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort_openapi.models import OllamaOptions

_FIELDS = {
    "temperature": "temperature",
    "num_predict": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "mirostat": "mirostat_mode",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
"""Options by the chat's field that each is."""

NAMES = {mine: f"options.{theirs}" for theirs, mine in _FIELDS.items()}
"""The options' own names, by those of a chat's fields."""

_OF_THE_MACHINE = (
    *("num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_gqa", "use_mmap", "use_mlock", "low_vram"),
    *("numa", "f16_kv", "vocab_only", "logits_all", "embedding_only"),
)
"""How Ollama runs a model: without effect on an answer here."""

_WINDOW = "repeat_last_n"
_NOTHING: dict[str, object] = {_WINDOW: 64, "typical_p": 1, "tfs_z": 1, "penalize_newline": True}
"""Options that are not served, at the value at which they ask for nothing."""


def chat_options(options: OllamaOptions | None, context_length: int) -> dict[str, Any]:
    """Return the fields of a chat or a completion. Raises: ApiError 400 that names what is not served."""
    if options is None:
        return {}
    for name, value in (options.model_extra or {}).items():
        is_free = name in _OF_THE_MACHINE or (name == _WINDOW and not _penalises(options))
        if value is not None and not is_free and value != _NOTHING.get(name):
            raise unsupported(f"options.{name}", f"options.{name} is not supported; leave it out")
    if options.num_ctx is not None and options.num_ctx > context_length:
        message = f"options.num_ctx is {options.num_ctx}, and the model is served with {context_length} tokens"
        raise bad_request("options.num_ctx", f"{message}: give at most that (setting JAN_ORT_CONTEXT_LENGTH)")
    given = {name: getattr(options, name) for name in _FIELDS.keys() & options.model_fields_set}
    fields = {_FIELDS[name]: value for name, value in given.items() if value is not None}
    if fields.get("max_tokens", 0) < 0:
        fields["max_tokens"] = None  # to the end of the context
    return fields


def _penalises(options: OllamaOptions) -> bool:
    """Whether there is a penalty, over whose tokens the window decides."""
    return options.repeat_penalty != 1 or bool(options.presence_penalty or options.frequency_penalty)
