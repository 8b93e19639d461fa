"""A Hugging Face checkpoint of this machine that generates text, which is converted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.weights.schemes import AS_IS, SCHEMES, Weights
from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import GENERATE, Task
from jan_ort.models.cache.manifest import CacheKey, combined_sha256
from jan_ort.models.sources.base import WEIGHTS, Known, MadeSource, Sha256, Wanted, local_path, naming
from jan_ort_backends.folder_names import folder_name

_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_PICKLED = "pytorch_model*.bin"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@dataclass(frozen=True, slots=True)
class SafetensorsSource(MadeSource):
    """A folder with config.json, and model.safetensors or the index of several such files."""

    path: Path
    needs: ClassVar[Literal["conversion"]] = "conversion"

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the folder of a path, whose small files are read. Raises: ModelReferenceError."""
        path = local_path(text)
        if path is None or not path.is_dir() or not _has_checkpoint(path):
            return None
        from jan_ort.convert import check_checkpoint

        try:
            check_checkpoint(path)
        except ConversionError as error:
            raise ModelReferenceError(str(error)) from error
        return cls(path)

    def stated_task(self) -> Task:
        """Such folders are read for nothing else."""
        return GENERATE

    def _weights(self) -> list[Path]:
        from jan_ort.convert import weight_files

        return weight_files(self.path)

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey | None:
        """Return the key of the weights and all small files."""
        digests = {}
        for path in self._weights():
            if (digest := sha256(path)) is None:
                return None
            digests[path.name] = digest
        small = [*self.path.glob("*.json"), *self.path.glob("*.jinja"), *self.path.glob("*/*.jinja")]
        for path in sorted(filter(Path.is_file, small)):  # a pipe is refused by whoever reads it
            digests[path.relative_to(self.path).as_posix()] = sha256_in_blocks(path)
        return CacheKey(folder_name(self.path), combined_sha256(digests), wanted.scheme)

    def check(self, wanted: Wanted) -> None:
        """Check the headers of all files."""
        from jan_ort.convert import check_safetensors

        check_safetensors(self.path, _scheme(self.path, wanted.weights), wanted.memory_limit_mb)

    def work_bytes(self, wanted: Wanted) -> int:
        """Return what the folder takes at most: as much as 16 bits a value."""
        return sum(path.stat().st_size for path in self._weights())

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Convert the folder."""
        convert_checkpoint(self.path, target, wanted, name=key.name, progress=progress, sha256=key.source)


def _has_checkpoint(path: Path) -> bool:
    """Say whether a folder has the weights of a model that generates. Raises: ModelReferenceError if they are pickled.

    One that embeds has modules.json, and one with an ONNX graph or a GGUF file was taken for that.
    """
    if (path / "modules.json").exists():
        return False
    if (path / _ADAPTER).exists() or (path / _WEIGHTS).exists() or (path / _INDEX).exists():
        return True
    if any(path.glob("*.gguf")):
        return False
    if (path / "config.json").exists() and any(path.glob(_PICKLED)):
        raise ModelReferenceError(
            f"{path} has pickled weights ({_PICKLED}), which may run any code when they are read; take a version of "
            "the model with safetensors weights"
        )
    _refuse_other_names(path)
    return False


def _refuse_other_names(path: Path) -> None:
    """Refuse a folder whose weights have names by which nobody finds them. Raises: ModelReferenceError."""
    files = sorted(each.name for each in path.glob("*.safetensors"))
    if (other := next((each for each in files if _SHARD.fullmatch(each)), None)) is not None:
        raise ModelReferenceError(f"{path} has {other}, and not {_INDEX}, which says what is in it; download that, too")
    if files and not any(path.glob("*.onnx")) and not any(path.glob("onnx/*.onnx")):
        raise ModelReferenceError(
            f"{path} has weights in {files[0]}, and not in {_WEIGHTS}; take the files that transformers reads, of the "
            "same repository, or name it so if it is the whole model"
        )


def convert_checkpoint(
    source: Path, target: Path, wanted: Wanted, *, name: str, progress: Progress, sha256: str | None = None
) -> None:
    """Write the model folder of a checkpoint into the existing, empty ``target``. Raises: ConversionError; OSError."""
    from jan_ort.convert import convert_safetensors  # imported late: onnx is slow to import

    convert_safetensors(
        source,
        target,
        weights=_scheme(source, wanted.weights),
        name=name,
        progress=naming(progress, name),
        sha256=sha256,
        memory_limit_mb=wanted.memory_limit_mb,
    )


def _scheme(source: Path, weights: str) -> Weights:
    """Return the scheme of a name. Raises: ConversionError."""
    if weights == AS_IS:
        raise ConversionError(f"{source}: weights {AS_IS!r} are for GGUF files; use --weights {' or '.join(SCHEMES)}")
    scheme = next((each for each in SCHEMES if each == weights), None)
    if scheme is None:
        raise ConversionError(f"weights {weights!r} are unknown; use one of {', '.join(WEIGHTS)}")
    return scheme
