"""A sentence-transformers folder of this machine with safetensors weights, which is converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import EMBED, Task
from jan_ort.models.cache.manifest import CacheKey, combined_sha256
from jan_ort.models.sources.base import Known, MadeSource, Sha256, Wanted, local_path, naming
from jan_ort_backends.small_files import why_no_file

_WEIGHTS = "model.safetensors"
_GROWTH = 2
"""The converted folder is at most twice its source, from float16 to float32."""


@dataclass(frozen=True, slots=True)
class SentenceTransformersSource(MadeSource):
    """A folder with modules.json and model.safetensors."""

    path: Path
    needs: ClassVar[Literal["conversion"]] = "conversion"

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the folder of a path."""
        path = local_path(text)
        if path is None or not (path / "modules.json").is_file() or not (path / _WEIGHTS).exists():
            return None
        if (why := why_no_file(path / _WEIGHTS)) is not None:
            raise ModelReferenceError(f"{path / _WEIGHTS} {why}; the model's weights must be one")
        return cls(path)

    def stated_task(self) -> Task:
        """Such models embed."""
        return EMBED

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey | None:
        """Return the key of the weights and all small JSON files."""
        digest = sha256(self.path / _WEIGHTS)
        if digest is None:
            return None
        digests = {_WEIGHTS: digest}
        small = [*self.path.glob("*.json"), *self.path.glob("*/config.json")]
        for path in sorted(filter(Path.is_file, small)):  # a pipe is refused by whoever reads it
            digests[path.relative_to(self.path).as_posix()] = sha256_in_blocks(path)
        return CacheKey(self.path.resolve().name, combined_sha256(digests), wanted.scheme)

    def work_bytes(self, wanted: Wanted) -> int:
        """Return what the folder takes at most."""
        return (self.path / _WEIGHTS).stat().st_size * _GROWTH

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Convert the folder."""
        convert_folder(self.path, target, wanted, name=key.name, progress=progress)


def convert_folder(source: Path, target: Path, wanted: Wanted, *, name: str, progress: Progress) -> None:
    """Write the model folder of a sentence-transformers folder into ``target``. Raises: ConversionError; OSError."""
    from jan_ort.convert import convert_sentence_transformers  # imported late: onnx is slow to import

    limit = wanted.memory_limit_mb
    convert_sentence_transformers(source, target, name=name, progress=naming(progress, name), memory_limit_mb=limit)
