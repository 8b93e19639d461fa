"""A model folder, which is used where it is: by its path, by a backend's name for it, or by its name in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.weights.schemes import AS_IS
from jan_ort.ground.json_object import read_object_or_empty, text_in
from jan_ort.ground.model_errors import ModelFolderError, ModelReferenceError
from jan_ort.ground.progress import Progress, silent
from jan_ort.ground.task import RERANK, Task, find_task
from jan_ort.models.cache.cached_models import CachedModel, cached_models
from jan_ort.models.folder import ModelFolder, read_task
from jan_ort.models.folder_files import MANIFEST
from jan_ort.models.sources.base import Known, Source, Wanted, local_path


@dataclass(frozen=True, slots=True)
class FolderSource(Source):
    """A folder with a graph in it, or with a jan_ort.json. ``folder`` is what it says, where that was read."""

    path: Path
    folder: ModelFolder | None = field(default=None, compare=False)
    needs: ClassVar[Literal["nothing"]] = "nothing"

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the folder of a path."""
        path = local_path(text)
        if path is not None and path.suffix == ".onnx" and not path.is_dir():
            raise ModelReferenceError(f"{path} is one file of a model; name its folder, {path.parent}")
        has_model = path is not None and (
            any(path.glob("*.onnx")) or any(path.glob("onnx/*.onnx")) or (path / "jan_ort.json").exists()
        )
        return cls.at(path) if path is not None and has_model else None

    @classmethod
    def at(cls, path: Path) -> Self:
        """Read the folder at a path. Raises: ModelReferenceError."""
        try:
            return cls(path, ModelFolder.read(path))
        except ModelFolderError as error:
            raise ModelReferenceError(str(error)) from error

    def stated_task(self) -> Task | None:
        """Return what the folder says; one that was not read may be for anything."""
        return None if self.folder is None else self.folder.task

    def present(self, wanted: Wanted, cache_dir: Path) -> Path:
        """Return the folder itself."""
        return self.path

    def make(self, wanted: Wanted, cache_dir: Path, progress: Progress = silent) -> Path:
        """Return the folder itself."""
        return self.path

    def ignores(self, scheme: str) -> bool:
        """Whether the folder's manifest does not name this scheme, or there is none."""
        return scheme not in (AS_IS, text_in(read_object_or_empty(self.path / MANIFEST), "weights"))

    def read(self, path: Path) -> ModelFolder:
        """Return what was read when the folder was named, if it is still there."""
        return self.folder if self.folder is not None and path.is_dir() else ModelFolder.read(path)


@dataclass(frozen=True, slots=True)
class BuiltinSource(FolderSource):
    """A model that a backend brings, by the backend's name for it; it may be for anything that the backend does."""

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the folder of a backend's name."""
        path = known.builtin_models.get(text)
        return None if path is None else cls(path)

    def stated_task(self) -> Task | None:
        """Return that it ranks, if it does: such a model has another head, and does nothing else."""
        return RERANK if read_task(self.path) == RERANK else None

    @classmethod
    def names(cls, known: Known) -> Iterable[str]:
        """Return the names that the backends bring."""
        return known.builtin_models


@dataclass(frozen=True, slots=True)
class CachedNameSource(FolderSource):
    """A model of the cache, by the name that the list shows, whatever it was made of."""

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the one of several cached models of a name that has the weights asked for, or is the only one."""
        if "/" in text or local_path(text) is not None:
            return None
        named = [model for model in _cached(known) if text in (model.name, model.folder.name)]
        return cls.at(_one_of(named, text, known).folder) if named else None

    @classmethod
    def names(cls, known: Known) -> Iterable[str]:
        """Return the names of the cached models."""
        return [model.name for model in _cached(known)]


def _cached(known: Known) -> list[CachedModel]:
    return [] if known.cache_dir is None else cached_models(known.cache_dir)


def _one_of(models: Sequence[CachedModel], text: str, known: Known) -> CachedModel:
    found = [model for model in models if model.weights == _asked(model, known)] or list(models)
    found = [model for model in found if model.is_current] or found
    if len(found) > 1:
        folders = ", ".join(model.folder.name for model in found)
        raise ModelReferenceError(f"{len(found)} cached models are named {text!r}; name one by its folder: {folders}")
    (model,) = found
    if model.damage is not None:
        raise ModelReferenceError(f"the cached model {text!r} is damaged ({model.damage}); remove and make it again")
    return model


def _asked(model: CachedModel, known: Known) -> str:
    task = find_task(model.task)
    return known.embedding_weights if task is not None and task.encodes else known.weights
