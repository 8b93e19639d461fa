"""A GGUF file of this machine, which is converted, or kept as it is for a backend that reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.inputs import GGUF_MAGIC
from jan_ort.convert.inputs.gguf_parts import existing_parts, part_number, part_paths
from jan_ort.convert.weights.schemes import AS_IS, SCHEMES
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.models.cache.manifest import CacheKey, combined_sha256
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources.base import WEIGHTS, Known, MadeSource, Sha256, Wanted, local_path, naming
from jan_ort_backends.small_files import why_no_file

_PART_NAME = re.compile(r"-00001-of-\d{5}$")
NO_MODELS = ("mmproj", "imatrix")
"""What stands in the names of files that lie beside a model's own."""

_FLOAT32_GROWTH = 8  # from 4 bits
_TOWER_GROWTH = 4  # to float32 from 8 bits


@dataclass(frozen=True, slots=True)
class GgufSource(MadeSource):
    """A GGUF file; a folder that holds one and no other model means it, too."""

    path: Path
    needs: ClassVar[Literal["conversion"]] = "conversion"
    takes_mmproj: ClassVar[bool] = True

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return the file of a path, or the only one of a folder."""
        path = local_path(text)
        if path is None:
            return None
        if not path.is_dir():
            return cls._of(path)
        ggufs = [each for each in sorted(path.glob("*.gguf")) if part_number(each)[0] == 1]
        models = [each for each in ggufs if not any(word in each.name.lower() for word in NO_MODELS)]
        ggufs = models or ggufs
        if len(ggufs) > 1:
            named = ", ".join(map(str, ggufs[:8]))
            raise ModelReferenceError(f"{path} holds {len(ggufs)} GGUF files; name one: {named}")
        return cls._of(ggufs[0]) if ggufs else None

    @classmethod
    def _of(cls, path: Path) -> Self:
        if (why := why_no_file(path)) is not None:
            raise ModelReferenceError(f"{path} {why}; name a GGUF file or a model folder")
        with path.open("rb") as stream:
            magic = stream.read(len(GGUF_MAGIC))
        if magic != GGUF_MAGIC:
            begins = f"it begins with {magic!r}, not {GGUF_MAGIC!r}" if magic else "it is empty"
            raise ModelReferenceError(f"{path} is not a GGUF file: {begins}")
        try:
            existing_parts(path)
        except ConversionError as error:
            raise ModelReferenceError(str(error)) from error
        return cls(path)

    def stated_task(self) -> Task | None:
        """Return what the header says: a file that says how to pool embeds."""
        from jan_ort.convert import gguf_task

        return gguf_task(self.path)

    def file(self) -> Path:
        """Return the file."""
        return self.path

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey | None:
        """Return the key of the content of the file, or of all its parts."""
        digests = {}
        for path in part_paths(self.path):
            if (digest := sha256(path)) is None:
                return None
            digests[path.name] = digest
        if wanted.task == EMBED and wanted.pooling is not None:
            digests["--pooling"] = wanted.pooling
        if (mmproj := _mmproj(self.path, wanted)) is not None:
            if (digest := sha256(mmproj)) is None:
                return None
            digests["--mmproj"] = digest
        # How a model embeds may be told by the file's name, and a file that is kept lies in the folder under its own.
        shares = wanted.task == GENERATE and wanted.weights != AS_IS
        return CacheKey(self._name, combined_sha256(digests), wanted.scheme, any_name=shares)

    @property
    def _name(self) -> str:
        return whole_name(self.path.stem)

    def read(self, path: Path) -> ModelFolder:
        """Return what the folder says, under the file's own name: it may have been made of a copy with another."""
        folder = MadeSource.read(self, path)
        return replace(folder, name=self._name) if self._name.isprintable() else folder

    def present(self, wanted: Wanted, cache_dir: Path) -> Path | None:
        """Return the folder if the cache has it; then the file is not opened again."""
        from jan_ort.convert import forget_gguf

        folder = MadeSource.present(self, wanted, cache_dir)  # super() does not know a class with slots
        if folder is not None:
            forget_gguf(self.path)
        return folder

    def check(self, wanted: Wanted) -> None:
        """Check the header."""
        from jan_ort.convert import check_gguf, check_gguf_encoder

        if wanted.task == GENERATE:
            check_gguf(self.path, wanted.weights, wanted.memory_limit_mb, _mmproj(self.path, wanted))
        else:
            check_gguf_encoder(self.path, wanted.memory_limit_mb, wanted.pooling)

    def work_bytes(self, wanted: Wanted) -> int:
        """Return what the folder takes at most."""
        factor = _FLOAT32_GROWTH if wanted.task.encodes else growth(wanted.weights)
        mmproj = _mmproj(self.path, wanted)
        tower_bytes = 0 if mmproj is None else mmproj.stat().st_size * _TOWER_GROWTH
        return sum(path.stat().st_size for path in part_paths(self.path)) * factor + tower_bytes

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Convert the file."""
        convert_gguf_file(self.path, target, wanted, name=key.name, progress=progress, sha256=key.source)


def _mmproj(source: Path, wanted: Wanted) -> Path | None:
    """Return the file that a model is to read images with. Raises: ModelReferenceError, ConversionError."""
    if wanted.task != GENERATE or wanted.weights == AS_IS:
        if wanted.mmproj not in (None, "none"):
            raise ModelReferenceError(f"--mmproj: {source} is not converted into a model that generates, so reads none")
        return None
    from jan_ort.convert import find_mmproj

    found = find_mmproj(source, wanted.mmproj)
    if found is not None and (why := why_no_file(found)) is not None:
        raise ModelReferenceError(f"--mmproj: {found} {why}; name the mmproj file of the model, or none")
    return found


def whole_name(stem: str) -> str:
    """Return the name of a file without what tells its first part from the others."""
    return _PART_NAME.sub("", stem)


def growth(weights: str) -> int:
    """Return the folder's size over the file's, 0 for "as-is": the file is linked, or a full disk told as it is copied.

    A file of fewer than 4 bits may grow by more: then the disk is found full only when it is.
    """
    return next((scheme.growth for name, scheme in SCHEMES.items() if name == weights), 0)


def convert_gguf_file(
    source: Path, target: Path, wanted: Wanted, *, name: str, progress: Progress, sha256: str | None = None
) -> None:
    """Write the model folder of a GGUF file into the existing, empty ``target``, or one around the file as it is.

    ``sha256`` is the file's, if it is known. Raises: ConversionError; OSError.
    """
    from jan_ort.convert import forget_gguf

    try:
        _convert(source, target, wanted, name=name, progress=progress, sha256=sha256)
    finally:
        forget_gguf(source)


def _convert(source: Path, target: Path, wanted: Wanted, *, name: str, progress: Progress, sha256: str | None) -> None:
    from jan_ort.convert import convert_gguf, convert_gguf_encoder, gguf_task  # imported late: onnx is slow to import

    if wanted.task != (stated := gguf_task(source) or GENERATE):
        raise ConversionError(f"{source}: the model {stated.does}, but one that {wanted.task.does} is needed here")
    limit_mb, shown = wanted.memory_limit_mb, naming(progress, name)
    if wanted.task != GENERATE:
        convert_gguf_encoder(
            source,
            target,
            name=name,
            progress=shown,
            sha256=sha256,
            memory_limit_mb=limit_mb,
            pooling=wanted.pooling,
            weights=wanted.embedding_weights,
        )
        return
    if wanted.weights == AS_IS:
        from jan_ort.convert import keep_gguf

        keep_gguf(source, target, name=name, progress=progress, sha256=sha256)
        return
    scheme = next((each for each in SCHEMES if each == wanted.weights), None)
    if scheme is None:
        raise ConversionError(f"weights {wanted.weights!r} are unknown; use one of {', '.join(WEIGHTS)}")
    convert_gguf(
        source,
        target,
        weights=scheme,
        name=name,
        progress=shown,
        sha256=sha256,
        memory_limit_mb=limit_mb,
        mmproj=_mmproj(source, wanted),
    )
