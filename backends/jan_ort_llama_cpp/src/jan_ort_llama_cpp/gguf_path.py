"""Which GGUF file of a model folder is the model."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_backends.file_samples import file_samples
from jan_ort_backends.small_files import why_no_file

SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_PART = re.compile(r".*-(\d{5})-of-(\d{5})\.gguf")


def find_gguf(model_dir: Path) -> Path:
    """Return the one model in ``model_dir``, its first part if it is split; ``model_dir`` may be the file itself.

    Raises: ModelError saying what is there instead.
    """
    found = [model_dir] if model_dir.suffix == SUFFIX else sorted(model_dir.glob(f"*{SUFFIX}"))
    models = [path for path in found if path.is_file() and _is_first_part(path)]
    for other in found:
        if not models and (why := why_no_file(other)) is not None:
            raise ModelError(f"{other} {why}; give a {SUFFIX} file, or a folder that holds one")
    if not models:
        converted = any(model_dir.glob("*.onnx"))
        remedy = "a GGUF file is not converted with --weights as-is" if converted else "give a folder that holds one"
        raise ModelError(f"{model_dir} has no {SUFFIX} file; {remedy}")
    if len(models) > 1:
        raise ModelError(f"{model_dir} has {len(models)} models: {', '.join(path.name for path in models)}; keep one")
    (path,) = models
    with path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
    if magic != _MAGIC:
        raise ModelError(f"{path} is not a GGUF file, it starts with {magic!r}; download it again")
    return path


def weights_hash(path: Path) -> str:
    """Return a hex digest that identifies the weights, by samples of the file, or of all parts in their order."""
    digest = hashlib.sha256()
    for part in _parts(path):
        for sample in file_samples(part):
            digest.update(sample)
    return digest.hexdigest()


def _is_first_part(path: Path) -> bool:
    match = _PART.fullmatch(path.name)
    return match is None or int(match[1]) == 1


def _parts(path: Path) -> list[Path]:
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    stem = path.name.removesuffix(f"-{match[1]}-of-{match[2]}{SUFFIX}")
    return [path.with_name(f"{stem}-{part:05}-of-{match[2]}{SUFFIX}") for part in range(1, int(match[2]) + 1)]
