"""Where models come from: one file a kind of source, and the list of kinds, in the order in which a text is tried."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import Progress, silent
from jan_ort.ground.task import Task
from jan_ort.models.sources.base import EXPECTED, WEIGHTS, Known, Source, Wanted, check_task, local_path, looks_local
from jan_ort.models.sources.folder import BuiltinSource, CachedNameSource, FolderSource
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.index import IndexSource
from jan_ort.models.sources.safetensors import SafetensorsSource
from jan_ort.models.sources.sentence_transformers import SentenceTransformersSource

SOURCES: tuple[type[Source], ...] = (
    BuiltinSource,
    IndexSource,
    FolderSource,
    SentenceTransformersSource,
    SafetensorsSource,
    GgufSource,
    CachedNameSource,
    HubSource,
)
"""A name of a backend or the catalogue wins over a file of that name (./NAME means the file), a file over a cached
model's name, and what is none of these may be a Hugging Face id."""


def find_source(text: str, known: Known, *, task: Task | None = None) -> Source:
    """Return what ``text`` means, reading no more than names, a few bytes and small configuration files.

    Raises: ModelReferenceError, one line, if the name is unknown, a path does not exist or holds no model, a file is no
    GGUF, or the model is for another task than ``task``; CacheError.
    """
    if known.weights not in WEIGHTS:
        raise ModelReferenceError(f"weights {known.weights!r} are unknown; use one of {', '.join(WEIGHTS)}")
    source = _parse(text, known)
    if source is None:
        _refuse(text, known)
    if task is not None:
        check_task(source, task)
    return source


def split_provider(text: str, known: Known) -> tuple[str, str | None]:
    """Return what names a model, and the provider that follows the last "@" of ``NAME@provider``, None without one.

    A text that means a model as it stands, such as a folder with "@" in its name, has none. Raises: as ``find_source``.
    """
    name, _, provider = text.rpartition("@")
    if not name or "/" in provider or "\\" in provider or _parse(text, known) is not None:
        return text, None
    return name, provider


def _parse(text: str, known: Known) -> Source | None:
    """Return what ``text`` means, None if that is nothing. Raises: ModelReferenceError."""
    try:
        return next((source for kind in SOURCES if (source := kind.parse(text, known)) is not None), None)
    except PermissionError as error:
        raise ModelReferenceError(
            f"{error.filename or text} cannot be read: {error.strerror}; change its mode"
        ) from None


def _refuse(text: str, known: Known) -> NoReturn:
    """Say why a text means nothing."""
    if (path := local_path(text)) is not None:
        raise ModelReferenceError(
            f"{path} holds no model: there is no .onnx file, no GGUF file and no model with safetensors weights in it"
        )
    if looks_local(text) or "/" in text or text.endswith((".gguf", ".onnx")):
        raise ModelReferenceError(f"the path {text!r} does not exist. {EXPECTED}")
    names = list(dict.fromkeys(name for kind in SOURCES for name in kind.names(known)))
    close = difflib.get_close_matches(text.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ModelReferenceError(f"unknown model {text!r}: {hint}Known names: {', '.join(names)}. {EXPECTED}")


def resolve_model(
    text: str,
    *,
    task: Task,
    cache_dir: Path,
    weights: str = "int8",
    builtin_models: Mapping[str, Path] | None = None,
    progress: Progress = silent,
) -> Path:
    """Return the model folder of ``text``, whatever ``find_source`` takes; fetch and convert it first if need be.

    Raises: ModelsError: ModelReferenceError before any work, FetchError, CacheError, ConversionError.
    """
    source = find_source(text, Known(builtin_models or {}, cache_dir, weights), task=task)
    return source.make(Wanted(task, weights), cache_dir, progress)
