"""The tensors of a checkpoint in safetensors files, one or several: headers are read, and the rest mapped into memory.

Source: the format's description, github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from jan_ort.ground.json_object import read_object
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import leaves_folder, why_no_file

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "F64": np.dtype("<f8"),
        "F32": np.dtype("<f4"),
        "F16": np.dtype("<f2"),
        "BF16": np.dtype(ml_dtypes.bfloat16),
        "U8": np.dtype("u1"),
    }
)
FLOATS = ("F64", "F32", "F16", "BF16")
"""The types of weights; bytes are parts of quantised ones."""

_MAX_HEADER_BYTES = 100_000_000  # the format's own limit
_MAX_INDEX_BYTES = 2**26
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class ShardTensor:
    """A tensor of the file ``path``. ``values`` is a view of it, None if ``dtype`` is none of DTYPES."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None


def weight_files(folder: Path) -> list[Path]:
    """Return the files with the weights of a folder. Raises: ConversionError if one is missing or its name is odd."""
    if not (folder / INDEX).exists():
        return [folder / WEIGHTS]
    return sorted({folder / name for name in set(_read_index(folder).values())})


def read_shards(folder: Path) -> dict[str, ShardTensor]:
    """Return all tensors by their names. Raises: ConversionError that names the file and what is wrong with it."""
    if not (folder / INDEX).exists():
        return _read_file(folder / WEIGHTS)
    files: dict[str, dict[str, ShardTensor]] = {}
    tensors: dict[str, ShardTensor] = {}
    for name, file in _read_index(folder).items():
        if file not in files:
            files[file] = _read_file(folder / file)
        if name not in files[file]:
            raise ConversionError(
                f"{folder / INDEX} says that {file} has the tensor {name[:200]!r}, and it has not; the files belong to "
                "different versions: download all again"
            )
        tensors[name] = files[file][name]
    return tensors


def _read_index(folder: Path) -> dict[str, str]:
    try:
        index = read_object(folder / INDEX, _MAX_INDEX_BYTES)
    except ValueError as error:
        raise ConversionError(f"{folder / INDEX} {error}; download it again") from error
    files = index.get("weight_map")
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise ConversionError(f"{folder / INDEX} does not say which file has which tensor; download it again")
    for name in set(files.values()):
        if leaves_folder(name):
            raise ConversionError(f"{folder / INDEX} names the file {name[:200]!r}, which leaves the folder")
        if (why := why_no_file(folder / name)) is not None:
            raise ConversionError(f"{folder / name} {why}, but {INDEX} says that it has weights; download it, too")
    return files


def _read_file(path: Path) -> dict[str, ShardTensor]:
    if (why := why_no_file(path)) is not None:
        raise ConversionError(f"{path} {why}; the model's weights must be one")
    header, begin = _read_header(path)
    content = np.memmap(path, np.uint8, "r")[begin:]
    tensors = {name: _tensor(path, name, said, content) for name, said in header.items() if name != "__metadata__"}
    if not tensors:
        raise ConversionError(f"{path} has no tensors; download it again")
    return tensors


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header, and where the tensors begin."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _damaged(path, f"its header would have {length} bytes, and the file has {size}")
        text = stream.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a JSON object")
    return header, _LENGTH_BYTES + length


def _tensor(path: Path, name: str, said: Any, content: NDArray[np.uint8]) -> ShardTensor:
    said = said if isinstance(said, dict) else {}
    dtype, shape, offsets = said.get("dtype"), said.get("shape"), said.get("data_offsets")
    if not isinstance(dtype, str) or not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _damaged(path, f"its header says of the tensor {name[:200]!r} {str(said)[:200]}")
    first, end = offsets
    if not first <= end <= len(content):
        raise _damaged(path, f"the tensor {name[:200]!r} ends at byte {end} of {len(content)}")
    if dtype not in DTYPES:
        return ShardTensor(path, dtype, tuple(shape), None)
    if math.prod(shape) * DTYPES[dtype].itemsize != end - first:
        raise _damaged(path, f"the tensor {name[:200]!r} of shape {str(shape)[:80]} has {end - first} bytes")
    return ShardTensor(path, dtype, tuple(shape), content[first:end].view(DTYPES[dtype]).reshape(shape))


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= 8 and all(type(each) is int and each >= 0 for each in values)


def _damaged(path: Path, why: str) -> ConversionError:
    return ConversionError(f"{path}: truncated or damaged safetensors file: {why}; download it again")
