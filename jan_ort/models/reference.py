"""What a user may write for a model, and everything that can be said about it before any work is done."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jan_ort.convert.inputs import GGUF_MAGIC
from jan_ort.convert.weights.schemes import AS_IS, SCHEMES
from jan_ort.ground.errors import ModelFolderError, ModelReferenceError
from jan_ort.ground.task import Task
from jan_ort.models.cached import CachedModel, cached_models
from jan_ort.models.catalog import CATALOG, CatalogModel
from jan_ort.models.folder import ModelFolder

WEIGHTS = (*SCHEMES, AS_IS)

_HUB = re.compile(r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:/(?P<file>[^:]+\.gguf)|:(?P<quantization>[\w.-]+))?")
_EXPECTED = "Expected: a name, a FOLDER, a FILE.gguf or a Hugging Face id (org/name, org/name:Q8_0, org/name/FILE.gguf)"


@dataclass(frozen=True, slots=True)
class FolderReference:
    """A folder with an ONNX model in it; it is used where it is."""

    path: Path


@dataclass(frozen=True, slots=True)
class SentenceTransformersReference:
    """A local sentence-transformers folder with safetensors weights, which has to be converted."""

    path: Path


@dataclass(frozen=True, slots=True)
class GgufReference:
    """A local GGUF file, which has to be converted."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubReference:
    """A Hugging Face repository, with the GGUF ``file`` or ``quantization`` that is wanted, where it was said."""

    repo_id: str
    file: str | None = None
    quantization: str | None = None

    def __str__(self) -> str:
        suffix = f"/{self.file}" if self.file else f":{self.quantization}" if self.quantization else ""
        return self.repo_id + suffix

    def source(self, task: Task) -> str:
        """Return what identifies the folder that is made of it in the cache, a sha256 of what was asked for.

        What the repository holds is known only once it is fetched. So a later start needs no network, and a repository
        that has changed since is not looked at again.
        """
        return hashlib.sha256(f"{self}\n{task}".encode()).hexdigest()


Reference = CatalogModel | FolderReference | SentenceTransformersReference | GgufReference | HubReference


def check_reference(
    reference: str,
    *,
    task: Task,
    weights: str = "int8",
    builtin_models: Mapping[str, Path] | None = None,
    cache_dir: Path | None = None,
) -> Reference:
    """Tell what ``reference`` means, reading no more than names, a few bytes and small configuration files.

    A name of ``builtin_models`` or the catalogue wins over a file of that name (``./NAME`` means the file), and a file
    over a model of ``cache_dir``. Raises: ModelReferenceError, one line, if the name is unknown, a path does not exist
    or holds no model, a file is no GGUF, or the model is for another task.
    """
    builtin_models = builtin_models or {}
    if weights not in WEIGHTS:
        raise ModelReferenceError(f"weights {weights!r} are unknown; known are {', '.join(WEIGHTS)}")
    if reference in builtin_models:
        return FolderReference(builtin_models[reference])
    if reference in CATALOG:
        _check_task(reference, CATALOG[reference].task, task)
        return CATALOG[reference]
    if not reference.strip():
        raise ModelReferenceError(f"the model is an empty text. {_EXPECTED}")
    path = Path(reference).expanduser()
    if path.is_symlink() and not path.exists():
        raise ModelReferenceError(f"{reference!r} is a link to {str(path.readlink())!r}, which does not exist")
    if path.exists():
        return _check_path(path, task)
    names = [*builtin_models, *CATALOG]
    if cache_dir is not None and "/" not in reference:
        in_cache = cached_models(cache_dir)
        if cached := [model for model in in_cache if reference in (model.name, model.folder.name)]:
            return _check_cached(reference, cached, weights, task)
        names += [model.name for model in in_cache]
    return _check_text(reference, list(dict.fromkeys(names)))


def _check_cached(reference: str, models: Sequence[CachedModel], weights: str, task: Task) -> Reference:
    """Return the one of several cached models of a name that has the weights asked for, or is the only one."""
    found = [model for model in models if model.weights == weights] or list(models)
    if len(found) > 1:
        folders = ", ".join(model.folder.name for model in found)
        raise ModelReferenceError(f"{len(found)} cached models are named {reference!r}; name a folder: {folders}")
    (model,) = found
    if model.damage is not None:
        raise ModelReferenceError(
            f"the cached model {reference!r} is damaged ({model.damage}); remove and make it again"
        )
    return _check_folder(model.folder, task)


def _check_text(reference: str, names: list[str]) -> Reference:
    """Tell what a text that is no name and no existing path means."""
    looks_local = reference.startswith((".", "/", "~", "\\")) or "\\" in reference or Path(reference).is_absolute()
    match = None if looks_local else _HUB.fullmatch(reference)
    if match and not match["repo"].endswith((".gguf", ".onnx")):
        return HubReference(match["repo"], match["file"], match["quantization"])
    if looks_local or "/" in reference or reference.endswith((".gguf", ".onnx")):
        raise ModelReferenceError(f"the path {reference!r} does not exist. {_EXPECTED}")
    close = difflib.get_close_matches(reference.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ModelReferenceError(f"unknown model {reference!r}: {hint}Known names: {', '.join(names)}. {_EXPECTED}")


def _check_path(path: Path, task: Task) -> Reference:
    try:
        return _check_folder(path, task) if path.is_dir() else _check_file(path, task)
    except PermissionError as error:
        raise ModelReferenceError(
            f"{error.filename or path} cannot be read: {error.strerror}; change its mode"
        ) from None


def _check_folder(path: Path, task: Task) -> Reference:
    if any(path.glob("*.onnx")) or any(path.glob("onnx/*.onnx")) or (path / "jan_ort.json").exists():
        try:
            folder = ModelFolder.read(path)
        except ModelFolderError as error:
            raise ModelReferenceError(str(error)) from error
        _check_task(str(path), folder.task, task)
        return FolderReference(path)
    if (path / "modules.json").exists() and (path / "model.safetensors").exists():
        _check_task(str(path), "embed", task)
        return SentenceTransformersReference(path)
    ggufs = sorted(path.glob("*.gguf"))
    if len(ggufs) == 1:
        return _check_file(ggufs[0], task)
    if ggufs:
        raise ModelReferenceError(f"{path} holds {len(ggufs)} GGUF files; name one: {', '.join(map(str, ggufs[:8]))}")
    raise ModelReferenceError(
        f"{path} holds no model: there is no .onnx file, no GGUF file and no sentence-transformers model in it"
    )


def _check_file(path: Path, task: Task) -> GgufReference:
    if path.suffix == ".onnx":
        raise ModelReferenceError(f"{path} is one file of a model; name its folder, {path.parent}")
    with path.open("rb") as stream:
        magic = stream.read(len(GGUF_MAGIC))
    if magic != GGUF_MAGIC:
        begins = f"it begins with {magic!r}, not {GGUF_MAGIC!r}" if magic else "it is empty"
        raise ModelReferenceError(f"{path} is no GGUF file: {begins}")
    _check_task(str(path), "generate", task)
    return GgufReference(path)


def _check_task(reference: str, found: Task, wanted: Task) -> None:
    if found == wanted:
        return
    words = {"generate": "generates text", "embed": "makes embeddings"}
    raise ModelReferenceError(f"the model {reference!r} {words[found]}; here one is needed that {words[wanted]}")
