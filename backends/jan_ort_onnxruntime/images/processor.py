"""What a model's own configuration says is done with an image before its tower sees it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import ModelError
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.graphs.onnx_folder import read_json

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]

_LANCZOS = 1
_FILES = ("preprocessor_config.json", "processor_config.json")


class Views(NamedTuple):
    """An image as its tower sees it, and as its prompt names it.

    ``frames``: uint8 ``(num, height, width, 3)``; ``text`` is the prompt's, where each token of the image is a vector.
    ``pack`` makes these of the tower's vectors, ``(n, size)`` both, where they are not the same. ``grid`` is how many
    rows and columns of vectors the image has, where positions follow them.
    """

    frames: Pixels
    text: str
    grid: tuple[int, ...] = ()
    pack: Callable[[Vectors], Vectors] | None = None


class ImageProcessor(ABC):
    """One family's way from pixels to the tower.

    ``inputs``: the names that the tower's inputs may have. ``place_keys``: what config.json calls the token that the
    chat template writes for an image. ``has_axes``: positions are of three axes, and follow an image's grid.
    ``around``: texts of the prompt's before and after an image.
    """

    __slots__ = ()
    inputs: ClassVar[tuple[str, ...]] = ("pixel_values", "pixel_attention_mask")
    has_axes: ClassVar[bool] = False
    around: ClassVar[tuple[str, str]] = ("", "")
    place_keys: ClassVar[tuple[str, ...]] = ("image_token_id", "image_token_index")

    @property
    def has_detail(self) -> bool:
        """Whether "low" gives fewer vectors than "high"."""
        return False

    @abstractmethod
    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Resize and cut an image. Raises: BadInput for a shape that cannot be read."""

    def feeds(self, values: NDArray[np.float32], views: Views) -> dict[str, NDArray[Any]]:
        """Return the tower's inputs for normalised frames, float32 ``(num, 3, height, width)``."""
        return {"pixel_values": values, "pixel_attention_mask": np.ones((len(values), *values.shape[2:]), np.bool_)}


@dataclass(frozen=True, slots=True)
class ProcessorConfig:
    """The two files of a folder that describe its processor, as one: ``images`` of the image part, ``whole`` of all."""

    folder: Path
    images: Mapping[str, Any]
    whole: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> ProcessorConfig:
        """Read the files. Raises: ModelError if neither says how images are processed."""
        older, whole = (read_json(folder / name, {}) for name in _FILES)
        inner = whole.get("image_processor")
        images = {**older, **(inner if isinstance(inner, dict) else {})}
        if not images:
            raise ModelError(f"{folder} reads images and has no {_FILES[0]}; download the whole repository again")
        return cls(folder, images, {**older, **whole})

    @property
    def digest(self) -> str:
        """All that the files say, as a text that is the same for the same."""
        return json.dumps([self.images, self.whole], sort_keys=True)

    def size(self, key: str, *names: str, default: int | None = None) -> int:
        """Return the first of ``names`` in the object ``key``, or the number itself. Raises: ModelError."""
        given = self.images.get(key)
        found = [given.get(name) for name in names] if isinstance(given, dict) else [given]
        value = next((each for each in found if each is not None), default)
        if type(value) is not int or not 0 < value < 2**15:
            raise ModelError(f"{self.folder}: the processor's {key} is {given!r:.80}; expected is {' or '.join(names)}")
        return value

    @property
    def resample(self) -> int:
        """Pillow's filter."""
        value = self.images.get("resample", _LANCZOS)
        if value not in range(6):
            raise ModelError(f"{self.folder}: the processor's resample is {value!r:.80}; Pillow knows 0 to 5")
        return int(value)

    def normalised(self, frames: Pixels) -> NDArray[np.float32]:
        """Return frames as the tower takes them: float32 ``(num, 3, height, width)``."""
        values = frames.astype(np.float32)
        if self.images.get("do_rescale", True):
            values = (frames.astype(np.float64) * self.images.get("rescale_factor", 1 / 255)).astype(np.float32)
        if self.images.get("do_normalize", True):
            mean, std = (np.array(self.images[key], np.float32) for key in ("image_mean", "image_std"))
            values = (values - mean) / std
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def resized(pixels: Pixels, height: int, width: int, resample: int) -> Pixels:
    """Return an image of another size. Raises: ModelError without Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ModelError('a model that reads images needs Pillow: pip install "jan-ort[images]"') from error
    return np.array(Image.fromarray(pixels).resize((width, height), resample=Image.Resampling(resample)))


def vision_size(model: Mapping[str, Any], config: ProcessorConfig, name: str) -> int:
    """Return a size of the tower that config.json, ``model``, says. Raises: ModelError."""
    part = model.get("vision_config")
    value = part.get(name) if isinstance(part, dict) else None
    if type(value) is not int or value < 1:
        raise ModelError(f"{config.folder / 'config.json'}: vision_config has no {name}; download it again")
    return value
