"""The parts of a GGUF file that was split, and what a GGUF file may be instead of a model.

Source: gguf-split and llama-model-loader.cpp of llama.cpp: parts are NAME-00001-of-00003.gguf, and ``split.no`` counts
from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jan_ort.ground.model_errors import ConversionError

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")

_NO_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "adapter": "a LoRA adapter, not a model: it changes another one; merge the two (llama.cpp's llama-export-lora "
        "-m MODEL.gguf --lora ADAPTER.gguf -o MERGED.gguf), and serve the merged file",
        "mmproj": "the part of a model that reads images or sound (mmproj); name the model's own file, and this one "
        "with --mmproj, or put it beside the model",
        "imatrix": "an importance matrix, which helps to quantise a model, and no model; name the model's own file",
    }
)
"""What general.type says of files that nobody can serve by themselves."""


def no_model(fields: Mapping[str, Any]) -> str | None:
    """Return what a file is instead of a model, with the way out, in words that follow "it is"; None for a model."""
    kind, architecture = _text(fields, "general.type"), _text(fields, "general.architecture")
    if kind == "adapter" or "adapter.type" in fields:
        return _NO_MODELS["adapter"]
    if kind in ("mmproj", "clip-vision") or architecture == "clip":
        return _NO_MODELS["mmproj"]
    return _NO_MODELS.get(kind)


_MMPROJ_TYPES = (r"(?<!b)f16", "bf16", "f32", "q8_0")


def mmproj_files(names: Iterable[str]) -> list[str]:
    """Return those of files' names that are of an mmproj file, the type first that is taken of one tower in several."""
    return sorted((name for name in names if "mmproj" in _bare(name)), key=lambda name: (mmproj_rank(name), name))


def mmproj_rank(name: str) -> int:
    """Return the place of a file's type among those of one tower, by its name."""
    return next((at for at, kind in enumerate(_MMPROJ_TYPES) if re.search(kind, _bare(name))), len(_MMPROJ_TYPES))


def _bare(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def part_number(path: Path) -> tuple[int, int]:
    """Return which part a file is by its name, and of how many: of one that is whole (1, 1)."""
    found = _PART.fullmatch(path.name)
    return (int(found["number"]), int(found["count"])) if found else (1, 1)


def part_paths(path: Path) -> list[Path]:
    """Return the files of all parts in their order, by the name of one of them: the file alone if it is whole."""
    found = _PART.fullmatch(path.name)
    if found is None:
        return [path]
    count = int(found["count"])
    return [path.with_name(f"{found['stem']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]


def existing_parts(path: Path) -> list[Path]:
    """Return the files of all parts, by the first. Raises: ConversionError if it is another, or one is missing."""
    number, count = part_number(path)
    paths = part_paths(path) if number <= count else []
    if number != 1:
        first = f"name the first, {paths[0]}" if paths else "the name is odd: rename it"
        raise ConversionError(f"{path} is part {number} of {count} of a GGUF file; {first}")
    if missing := [each.name for each in paths[1:] if not each.exists()]:
        shown = ", ".join(missing[:4]) + (" and more" if len(missing) > 4 else "")
        raise ConversionError(
            f"{path} is the first of {count} parts, and {len(missing)} are not beside it: {shown}; download them, too"
        )
    return paths


def check_part(path: Path, fields: Mapping[str, Any], index: int, count: int) -> None:
    """Refuse a file whose header says that it is another part than its name. Raises: ConversionError."""
    number, of = _number(fields, "split.no", 0), _number(fields, "split.count", 1)
    if (number, of) == (index, count):
        return
    if count == 1:
        raise ConversionError(
            f"{path}: it is part {number + 1} of {of}, and not named so; give all parts the names that llama.cpp "
            f"writes, NAME-00001-of-{of:05}.gguf, and name the first"
        )
    raise ConversionError(
        f"{path}: by its name it is part {index + 1} of {count}, and its header says {number + 1} of {of}; the parts "
        "belong to different files: download all again"
    )


def check_total(path: Path, fields: Mapping[str, Any], num_tensors: int) -> None:
    """Refuse parts that have together more or fewer tensors than the first says. Raises: ConversionError."""
    if (stated := _number(fields, "split.tensors.count", num_tensors)) != num_tensors:
        raise ConversionError(
            f"{path}: all parts should have {stated} tensors together, and have {num_tensors}; they belong to "
            "different files: download all again"
        )


def _number(fields: Mapping[str, Any], key: str, default: int) -> int:
    value = fields.get(key, default)
    return value if type(value) is int else -1
