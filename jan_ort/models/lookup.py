"""Where a model is in the cache: one key for who makes its folder and for who only looks whether it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from jan_ort.ground.progress import Progress, silent
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.catalog import CatalogModel, Task
from jan_ort.models.fetch import sha256_of
from jan_ort.models.reference import (
    FolderReference,
    GgufReference,
    HubReference,
    Reference,
    SentenceTransformersReference,
)

CachedReference = CatalogModel | GgufReference | HubReference | SentenceTransformersReference
"""What is served from a folder of the cache."""

_EMBEDDING_WEIGHTS = "float32"
_SAFETENSORS = "model.safetensors"


def find_resolved(found: Reference, *, task: Task, cache_dir: Path, weights: str) -> Path | None:
    """Return the folder that ``resolve_model`` would return at once; None if it would fetch or convert first.

    Writes nothing and reads small files only: one whose checksum is not remembered counts as never converted.
    Raises: CacheError; OSError.
    """
    if isinstance(found, FolderReference):
        return found.path
    cache = ModelCache(cache_dir)
    large = _large_file(found)
    if large is not None and cache.known_sha256(large) is None:
        return None
    return cache.find(cache_key(found, task=task, weights=weights, cache=cache))


def cache_key(
    found: CachedReference, *, task: Task, weights: str, cache: ModelCache, progress: Progress = silent
) -> CacheKey:
    """Return what the model is kept under; a large local file is read for it, once. Raises: CacheError; OSError."""
    scheme = weights if task == "generate" else _EMBEDDING_WEIGHTS
    match found:
        case CatalogModel():
            return CacheKey(found.name, _combined_sha256(found.source.members), scheme)
        case GgufReference(path):
            return CacheKey(path.stem, cache.file_sha256(path, progress), scheme)
        case SentenceTransformersReference(path):
            return CacheKey(path.resolve().name, _folder_sha256(path, cache, progress), scheme)
        case HubReference():
            name = (found.file or found.repo_id).rpartition("/")[2].removesuffix(".gguf")
            return CacheKey(name, found.source(task), scheme)


def _large_file(found: CachedReference) -> Path | None:
    match found:
        case GgufReference(path):
            return path
        case SentenceTransformersReference(path):
            return path / _SAFETENSORS
        case _:
            return None


def _folder_sha256(folder: Path, cache: ModelCache, progress: Progress) -> str:
    """Identify a sentence-transformers folder by its weights and all of its small JSON files."""
    digests = {_SAFETENSORS: cache.file_sha256(folder / _SAFETENSORS, progress)}
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/config.json")]):
        digests[path.relative_to(folder).as_posix()] = sha256_of(path)
    return _combined_sha256(digests)


def _combined_sha256(digests: Mapping[str, str]) -> str:
    """Return one checksum for several files; that of a single file is its own."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
