"""A Hugging Face repository, with the GGUF file or quantization that is wanted, where it was said."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.inputs.gguf_parts import mmproj_files
from jan_ort.ground.json_object import read_object_or_empty, text_in
from jan_ort.ground.let_go import patiently
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import GENERATE, TASKS, Task
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.folder_files import MANIFEST
from jan_ort.models.sources.base import Known, MadeSource, Sha256, Wanted, local_path, looks_local
from jan_ort.models.sources.fetch_hub import fetch_hub
from jan_ort.models.sources.gguf import convert_gguf_file, whole_name
from jan_ort.models.sources.hub_address import parse_hub_id
from jan_ort.models.sources.hub_files import HubId
from jan_ort.models.sources.safetensors import convert_checkpoint
from jan_ort.models.sources.sentence_transformers import convert_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubSource(MadeSource):
    """A repository by its id; what it holds is known only once it is fetched."""

    hub_id: HubId
    needs: ClassVar[Literal["download"]] = "download"

    def __str__(self) -> str:
        return str(self.hub_id)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the repository of an id or an address; a path that exists is none."""
        hub_id = None if looks_local(text) or local_path(text) is not None else parse_hub_id(text)
        return None if hub_id is None else cls(hub_id)

    def known_task(self, cache_dir: Path) -> Task | None:
        """Return what the repository was fetched for, None if it is not in the cache."""
        manifests = (cache_dir / "models").glob(f"[!.]*/{MANIFEST}")
        fetched = {text_in(read_object_or_empty(manifest), "source") for manifest in manifests}
        return next((task for task in TASKS if self.identity(task) in fetched), None)

    def find_task(self, cache_dir: Path, *, endpoint: str | None = None) -> Task:
        """Return what the repository is for; one that is in the cache is not asked for again.

        Raises: FetchError, one line that says what to do.
        """
        if self.hub_id.file or self.hub_id.quantization:
            return GENERATE  # a GGUF file, which is read for nothing else
        if (known := self.known_task(cache_dir)) is not None:
            return known
        from jan_ort.models.sources.hub_client import ask_task

        task, reason = ask_task(self.hub_id, endpoint)
        logger.info("%s is treated as a model to %s: %s (change it with --task)", self, task, reason)
        return task

    def identity(self, task: Task) -> str:
        """Return what identifies the folder that is made of it in the cache, a sha256 of what was asked for.

        So a later start needs no network, and a repository that has changed since is not looked at again.
        """
        return hashlib.sha256(f"{self}\n{task.name}".encode()).hexdigest()

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey:
        """Return the key of what was asked for."""
        name = whole_name((self.hub_id.file or self.hub_id.repo_id).rpartition("/")[2].removesuffix(".gguf"))
        return CacheKey(name, self.identity(wanted.task), wanted.scheme)

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Fetch the files that the model needs, and convert them if they have to be."""
        selection = fetch_hub(self.hub_id, wanted.task, work, progress)
        if selection.kind == "gguf":
            gguf = work / selection.files[0]
            for name in mmproj_files(selection.files[1:]):
                beside = gguf.with_name(Path(name).name)  # where it is looked for
                patiently(partial((work / name).rename, beside))
            convert_gguf_file(gguf, target, wanted, name=key.name, progress=progress)
        elif selection.kind == "sentence-transformers":
            convert_folder(work, target, wanted, name=key.name, progress=progress)
        elif selection.kind == "safetensors":
            convert_checkpoint(work, target, wanted, name=key.name, progress=progress)
        else:
            for path in list((work / selection.folder).iterdir()):
                patiently(partial(path.rename, target / path.name))
