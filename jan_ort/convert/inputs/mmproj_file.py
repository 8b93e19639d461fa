"""The mmproj file of a model that reads images: its tower, and what makes vectors of the decoder's size of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort.convert.architectures.encoder import Activation
from jan_ort.convert.inputs.gguf_file import GgufFile

MMPROJ = "clip"
"""What general.architecture is, and keys begin with."""

_SIZE = "clip.vision."
_MOST_SIDE = 2**14


class MmprojFile(GgufFile):
    """One such file. Every error is a ConversionError that names it."""

    def _check_kind(self, fields: Mapping[str, Any]) -> None:
        """Refuse a file that is anything else."""
        if (found := fields.get("general.architecture")) != MMPROJ:
            self.refuse(f"it is not an mmproj file, which belongs beside a model that reads images, but {found!r:.80}")

    @property
    def projector(self) -> str:
        """The kind of the file."""
        key = "clip.vision.projector_type"  # of a file that has a part for sound, too
        return self.string(key if key in self else "clip.projector_type")


@dataclass(frozen=True, slots=True)
class TowerSizes:
    """What an mmproj file says of its tower; ``vector_size`` is the decoder's hidden size.

    ``mean`` and ``std`` are of the three colours.
    """

    image_size: int
    patch_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    vector_size: int
    eps: float
    activation: Activation
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, file: MmprojFile) -> TowerSizes:
        """Read and check the keys."""
        if not file.boolean("clip.has_vision_encoder", True):
            file.refuse("it has no part that reads images")
        sizes = cls(
            image_size=file.integer(f"{_SIZE}image_size", high=_MOST_SIDE),
            patch_size=file.integer(f"{_SIZE}patch_size", high=_MOST_SIDE),
            hidden_size=file.integer(f"{_SIZE}embedding_length"),
            num_layers=file.integer(f"{_SIZE}block_count"),
            num_heads=file.integer(f"{_SIZE}attention.head_count"),
            vector_size=file.integer(f"{_SIZE}projection_dim"),
            eps=file.number(f"{_SIZE}attention.layer_norm_epsilon"),
            activation=_activation(file),
            mean=_colours(file, "image_mean"),
            std=_colours(file, "image_std"),
        )
        if sizes.hidden_size % sizes.num_heads or sizes.image_size < sizes.patch_size or not all(sizes.std):
            file.refuse("its sizes do not fit each other; the file is damaged")
        file.shape(f"v.blk.{sizes.num_layers - 1}.ln1.weight")
        return sizes

    @property
    def patches(self) -> int:
        """How many patches an image has on a side."""
        return self.image_size // self.patch_size


def open_mmproj(path: Path) -> MmprojFile:
    """Read the header, and check that every tensor can be read. Raises: ConversionError."""
    file = MmprojFile(path)
    file.check_types()
    return file


def _activation(file: MmprojFile) -> Activation:
    if file.boolean("clip.use_gelu", False):
        return "gelu_pytorch_tanh"
    return "silu" if file.boolean("clip.use_silu", False) else "quick_gelu"


def _colours(file: MmprojFile, name: str) -> tuple[float, ...]:
    values = file.floats(f"{_SIZE}{name}")
    if len(values) != 3:
        file.refuse(f"{_SIZE}{name} has {len(values)} numbers, and there are three colours; the file is damaged")
    return tuple(round(value, 6) for value in values)
