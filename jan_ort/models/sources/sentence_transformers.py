"""A folder of this machine with safetensors weights of a model that embeds or scores pairs, which is converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.architectures import encoders
from jan_ort.convert.inputs.logit_score import has_logit_score
from jan_ort.convert.inputs.yes_or_no import ranks_by_answering
from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.json_object import read_object_or_empty, text_in
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.models.cache.manifest import CacheKey, combined_sha256
from jan_ort.models.folder import read_task
from jan_ort.models.sources.base import Known, MadeSource, Sha256, Wanted, local_path, naming
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.small_files import why_no_file

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_GROWTH = 2
"""The converted folder is at most twice its source, from float16 to float32."""


@dataclass(frozen=True, slots=True)
class SentenceTransformersSource(MadeSource):
    """A folder with safetensors weights, and with modules.json or the config.json of an encoder."""

    path: Path
    task: Task = EMBED
    needs: ClassVar[Literal["conversion"]] = "conversion"

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the folder of a path."""
        path = local_path(text)
        weights = next((path / name for name in _WEIGHTS if path is not None and (path / name).exists()), None)
        if path is None or weights is None or not _is_encoder(path):
            return None
        if (why := why_no_file(weights)) is not None:
            raise ModelReferenceError(f"{weights} {why}; the model's weights must be one")
        if has_logit_score(path):
            return cls(path, RERANK)
        task = read_task(path)
        fallback = EMBED if (path / "modules.json").exists() or not _answers(path) else RERANK
        return cls(path, fallback if task == GENERATE else task)

    def stated_task(self) -> Task:
        """Return what the folder's files say: such models embed, or score pairs."""
        return self.task

    def _weight_files(self) -> list[Path]:
        from jan_ort.convert import weight_files

        return [*weight_files(self.path), *sorted(self.path.glob("*/model.safetensors"))]

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey | None:
        """Return the key of the weights and all small JSON files, and of how to pool where they do not say it."""
        digests = {}
        for path in self._weight_files():
            if (digest := sha256(path)) is None:
                return None
            digests[path.relative_to(self.path).as_posix()] = digest
        small = [*self.path.glob("*.json"), *self.path.glob("*.jinja"), *self.path.glob("*/config.json")]
        for path in sorted(filter(Path.is_file, small)):  # a pipe is refused by whoever reads it
            digests[path.relative_to(self.path).as_posix()] = sha256_in_blocks(path)
        if wanted.pooling is not None and not (self.path / "modules.json").exists():
            digests["--pooling"] = wanted.pooling
        return CacheKey(folder_name(self.path), combined_sha256(digests), wanted.scheme)

    def check(self, wanted: Wanted) -> None:
        """Check the small files and the headers of the weights."""
        from jan_ort.convert import check_sentence_transformers

        if wanted.task != GENERATE:
            check_sentence_transformers(self.path, pooling=wanted.pooling, task=wanted.task)

    def work_bytes(self, wanted: Wanted) -> int:
        """Return what the folder takes at most."""
        return sum(path.stat().st_size for path in self._weight_files()) * _GROWTH

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Convert the folder."""
        convert_folder(self.path, target, wanted, name=key.name, progress=progress)


def _is_encoder(path: Path) -> bool:
    if (path / "modules.json").is_file():
        return True
    is_graph = any(path.glob("*.onnx")) or (path / "adapter_config.json").exists()
    is_one = text_in(read_object_or_empty(path / "config.json"), "model_type") in encoders() or _answers(path)
    return is_one and not is_graph


def _answers(path: Path) -> bool:
    """Say whether a folder's name is that of a decoder that ranks."""
    return ranks_by_answering(read_object_or_empty(path / "config.json"), [folder_name(path)])


def convert_folder(source: Path, target: Path, wanted: Wanted, *, name: str, progress: Progress) -> None:
    """Write the model folder of such a folder into ``target``. Raises: ConversionError; OSError."""
    from jan_ort.convert import convert_sentence_transformers  # imported late: onnx is slow to import

    if wanted.task == GENERATE:
        raise ConversionError(f"{source}: an encoder cannot generate text; use --task embed")
    convert_sentence_transformers(
        source,
        target,
        name=name,
        progress=naming(progress, name),
        memory_limit_mb=wanted.memory_limit_mb,
        pooling=wanted.pooling,
        task=wanted.task,
        weights=wanted.embedding_weights,
    )
