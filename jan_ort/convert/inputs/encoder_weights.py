"""The tensors of an encoder by what they are, whatever its checkpoint calls them, as float32."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.encoder import GGUF_TENSORS, HEAD_ROLES, Encoder
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.inputs.safetensors_shards import DTYPES, ShardTensor, read_shards
from jan_ort.ground.model_errors import ConversionError

_LAYER = re.compile(r"\.(\d+)\.")
_BUFFERS = r"(.*\.)?(position_ids|token_type_ids|inv_freq)"

Floats = NDArray[np.float32]
Key = tuple[str, int, str]
"""A role, the number of its layer (0 outside of layers), and "weight" or "bias"."""


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    shape: tuple[int, ...]
    load: Callable[[], Floats]


class EncoderWeights:
    """Tensors of the file or folder ``path``; each is read when it is asked for. Errors are ConversionErrors."""

    def __init__(self, path: Path, named: Iterable[_Found], encoder: Encoder, tensors: Mapping[str, str]) -> None:
        self.path = path
        self._tensors = tensors
        self._found: dict[Key, _Found] = {}
        self._used: set[Key] = set()
        unused = re.compile(f"{_BUFFERS}|{encoder.unused}")
        for each in named:
            bare = [each.name, *(each.name.removeprefix(start) for start in encoder.prefixes)]
            key = next((key for name in bare if (key := self._key(name)) is not None), None)
            if key is not None:
                self._found[key] = each
            elif not any(map(unused.fullmatch, bare)):
                self._refuse(
                    f"tensor {each.name[:200]!r} belongs to no part of a {encoder.name} model that is supported; use "
                    "another model"
                )

    @classmethod
    def of_folder(cls, folder: Path, encoder: Encoder) -> EncoderWeights:
        """Read the headers of a folder's safetensors files."""
        stored = read_shards(folder)
        named = [_Found(name, tensor.shape, _loader(name, tensor)) for name, tensor in stored.items()]
        return cls(next(iter(stored.values())).path, named, encoder, encoder.tensors)

    @classmethod
    def of_gguf(cls, model: GgufFile, encoder: Encoder) -> EncoderWeights:
        """Take the tensors of a GGUF file."""

        def load(name: str, shape: tuple[int, ...]) -> Callable[[], Floats]:
            return lambda: model.tensor(name, shape).dequantize()

        named = [_Found(name, shape, load(name, shape)) for name, shape in model.shapes().items()]
        return cls(model.path, named, encoder, GGUF_TENSORS)

    def _key(self, name: str) -> Key | None:
        stem, _, kind = name.rpartition(".")
        found = _LAYER.search(stem)
        role = self._tensors.get(_LAYER.sub(".{layer}.", stem, count=1) if found else stem)
        return None if role is None or kind not in ("weight", "bias") else (role, int(found[1]) if found else 0, kind)

    def has(self, role: str, layer: int = 0, kind: str = "weight") -> bool:
        """Say whether there is such a tensor."""
        return (role, layer, kind) in self._found

    def read(self, role: str, shape: tuple[int, ...], layer: int = 0, kind: str = "weight") -> Floats:
        """Return a tensor, which must have ``shape``."""
        key = role, layer, kind
        if key not in self._found:
            self._refuse(f"has no tensor {self._spelled(key)!r}, which its configuration calls for", ": it ")
        found = self._found[key]
        self._used.add(key)
        if found.shape != shape:
            self._refuse(f"tensor {found.name!r} has the shape {found.shape}; its configuration calls for {shape}")
        values = found.load()
        if not np.isfinite(values).all():
            self._refuse(f"tensor {found.name!r} is damaged (not finite); download it again")
        return values

    def bias(self, role: str, size: int, layer: int = 0) -> Floats | None:
        """Return a bias, None if there is none."""
        return self.read(role, (size,), layer, "bias") if self.has(role, layer, "bias") else None

    def num_values(self) -> int:
        """Return how many values the largest tensor has."""
        return max((int(np.prod(each.shape)) for each in self._found.values()), default=0)

    def check_all_used(self) -> None:
        """Refuse what nobody has asked for: a part of the model that would be left out; but a head may be."""
        for key, found in self._found.items():
            if key not in self._used and key[0] not in HEAD_ROLES:
                self._refuse(f"tensor {found.name[:200]!r} has no place in the model that its configuration describes")

    def _spelled(self, key: Key) -> str:
        role, layer, kind = key
        names = [name for name, each in self._tensors.items() if each == role]
        return f"{(names or [role])[0].format(layer=layer)}.{kind}"

    def _refuse(self, why: str, joint: str = ": ") -> NoReturn:
        raise ConversionError(f"{self.path}{joint}{why}")


def _loader(name: str, tensor: ShardTensor) -> Callable[[], Floats]:
    def load() -> Floats:
        if tensor.values is None:
            raise ConversionError(
                f"{tensor.path}: tensor {name!r} is {tensor.dtype[:20]}; supported are {', '.join(DTYPES)}"
            )
        return np.ascontiguousarray(tensor.values, np.float32)

    return load
