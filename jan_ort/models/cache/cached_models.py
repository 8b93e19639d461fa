"""The models that are in the cache: what each one is, and removing one."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from filelock import Timeout

from jan_ort.ground.json_object import object_in, read_object_or_empty, text_in
from jan_ort.ground.let_go import patiently
from jan_ort.ground.model_errors import CacheError, ModelFolderError
from jan_ort.models.cache.manifest import find_damage, is_current
from jan_ort.models.cache.model_cache import check_readable, maker_lock
from jan_ort.models.cache.model_use import users
from jan_ort.models.folder import read_task
from jan_ort.models.folder_files import MANIFEST


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A folder of the cache.

    ``task`` and ``weights`` are "?" where the folder does not say; ``source`` is the file that was converted, else a
    part of its checksum; ``last_used`` is the time of the weights' last reading, as exact as the file system keeps it
    (a day with Linux's usual ``relatime``); ``damage`` says what is wrong with the files.
    """

    folder: Path
    name: str
    task: str
    weights: str
    source: str
    size_bytes: int
    last_used: datetime
    damage: str | None
    is_current: bool


def cached_models(cache_dir: Path) -> list[CachedModel]:
    """Return every model of the cache, by name; folders that are still being made are left out. Raises: CacheError."""
    models = cache_dir / "models"
    check_readable(cache_dir)
    folders = [path.parent for path in models.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(".")]
    return sorted(map(_read, folders), key=lambda model: (model.name, model.folder.name))


def find_cached(cache_dir: Path, name: str, weights: str | None = None) -> CachedModel:
    """Return the one cached model of this name, or of this folder. Raises: CacheError if there is not one."""
    models = cached_models(cache_dir)
    found = [model for model in models if name in (model.name, model.folder.name) or _is_path_of(model.folder, name)]
    found = [model for model in found if weights is None or model.weights == weights]
    if len(found) == 1:
        return found[0]
    if found:
        folders = ", ".join(model.folder.name for model in found)
        raise CacheError(
            f"{len(found)} cached models are named {name!r}; name one by --weights or its folder: {folders}"
        )
    if others := ", ".join(model.weights for model in models if name == model.name):
        raise CacheError(f"there is no model {name!r} with {weights} weights in {cache_dir}; it has {others}")
    names = sorted({model.name for model in models})
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"cached are: {', '.join(names) or 'none'}"
    wanted = f" with {weights} weights" if weights else ""
    raise CacheError(f"there is no model {name!r}{wanted} in {cache_dir}; {hint}")


def _is_path_of(folder: Path, name: str) -> bool:
    return Path(name).name == folder.name and Path(name).expanduser().resolve() == folder.resolve()


def remove_cached(model: CachedModel) -> None:
    """Delete a cached model's folder. Raises: CacheError if it is in use, being made, or cannot be deleted."""
    try:
        with maker_lock(model.folder).acquire(timeout=0):
            if pids := users(model.folder):
                raise CacheError(
                    f"{model.folder.name} is in use by process {', '.join(map(str, pids))}; stop the server, or unload "
                    "the model there (POST /models/unload), then remove it"
                )
            # A first rename, so that no start finds half a model; what an interruption leaves is removed later.
            gone = model.folder.with_name(f".tmp-{model.folder.name}-{secrets.token_hex(4)}")
            patiently(lambda: model.folder.rename(gone))
            patiently(lambda: shutil.rmtree(gone))
    except Timeout as error:
        raise CacheError(f"another process is making {model.folder.name}; wait until it has ended") from error
    except OSError as error:
        raise CacheError(
            f"{model.folder} cannot be removed ({error.strerror}); end what uses it, or change its mode"
        ) from error


def _read(folder: Path) -> CachedModel:
    manifest = read_object_or_empty(folder / MANIFEST)
    source = object_in(read_object_or_empty(folder / "jan_ort.json"), "source")
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    weights = max(files, key=lambda status: status.st_size, default=folder.stat())
    return CachedModel(
        folder=folder,
        name=text_in(manifest, "name") or folder.name,
        task=_task(folder),
        weights=text_in(manifest, "weights") or "?",
        source=text_in(source, "file") or text_in(manifest, "source")[:16] or "?",
        size_bytes=sum(status.st_size for status in files),
        last_used=datetime.fromtimestamp(weights.st_atime, UTC),
        damage=find_damage(folder),
        is_current=is_current(folder),
    )


def _task(folder: Path) -> str:
    try:
        return read_task(folder).name
    except ModelFolderError:
        return "?"  # a damaged folder is listed too, so that it can be removed
