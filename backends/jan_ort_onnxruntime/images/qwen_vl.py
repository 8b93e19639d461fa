"""Qwen2-VL and Qwen2.5-VL: an image keeps its shape, and becomes as many vectors as its size asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BadInput, ModelError
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.processor import ImageProcessor, Pixels, ProcessorConfig, Views, resized

MAX_PIXELS = 2**25
"""Of a resized image, whatever the configuration says."""

_MAX_RATIO = 200
_LEAST, _MOST = 56 * 56, 28 * 28 * 1280


@dataclass(frozen=True, slots=True)
class QwenVlProcessor(ImageProcessor):
    """``patch`` is a patch's side, ``merge`` how many of them, on a side, are one vector, ``frames`` those in time.

    An image is scaled to have ``least`` to ``most`` pixels. Source: Wang et al. 2024, arXiv:2409.12191, section 2.1.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pixel_values", "grid_thw", "image_grid_thw")
    has_axes: ClassVar[bool] = True

    patch: int
    merge: int
    frames: int
    least: int
    most: int
    resample: int

    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Return the whole image, at a size of whole vectors."""
        height, width = pixels.shape[:2]
        if max(height, width) > _MAX_RATIO * min(height, width):
            raise BadInput("pixels", f"are {height} × {width}; one side may be {_MAX_RATIO} times the other at most")
        height, width = self._size(height, width)
        if height * width > MAX_PIXELS:
            raise BadInput("pixels", f"would be scaled to {height} × {width}; scale the image down")
        side = self.patch * self.merge
        rows, columns = height // side, width // side
        text = "<|image_pad|>" * (rows * columns)
        return Views(resized(pixels, height, width, self.resample)[np.newaxis], text, (rows, columns))

    def _size(self, height: int, width: int) -> tuple[int, int]:
        side, area = self.patch * self.merge, height * width
        rows, columns = round(height / side), round(width / side)
        if rows * columns * side**2 > self.most:
            shrunk = math.sqrt(area / self.most)
            rows, columns = (max(1, math.floor(each / shrunk / side)) for each in (height, width))
        elif rows * columns * side**2 < self.least:
            grown = math.sqrt(self.least / area)
            rows, columns = (math.ceil(each * grown / side) for each in (height, width))
        return rows * side, columns * side

    def feeds(self, values: NDArray[np.float32], views: Views) -> dict[str, NDArray[Any]]:
        """Return patches, those of a vector together, each repeated in time, and how many there are of them."""
        rows, columns = views.grid
        patches = values[0].reshape(3, rows, self.merge, self.patch, columns, self.merge, self.patch)
        patches = patches.transpose(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, np.newaxis]
        shape = (*patches.shape[:5], self.frames, self.patch, self.patch)
        flat = np.broadcast_to(patches, shape).reshape(rows * columns * self.merge**2, -1)
        grid = np.array([[1, rows * self.merge, columns * self.merge]])
        return {"pixel_values": flat, "grid_thw": grid, "image_grid_thw": grid}


def read_qwen_vl(_: Mapping[str, Any], config: ProcessorConfig) -> QwenVlProcessor:
    """Read the sizes. Raises: ModelError."""
    return QwenVlProcessor(
        patch=config.size("patch_size", default=14),
        merge=config.size("merge_size", default=2),
        frames=config.size("temporal_patch_size", default=2),
        least=_pixels(config, "min_pixels", "shortest_edge", _LEAST),
        most=_pixels(config, "max_pixels", "longest_edge", _MOST),
        resample=config.resample,
    )


def _pixels(config: ProcessorConfig, key: str, name: str, default: int) -> int:
    size = config.images.get("size")
    inner = size if isinstance(size, dict) else {}
    given = next(
        (each for each in (config.images.get(key), inner.get(key), inner.get(name)) if each is not None), default
    )
    if type(given) is not int or given < 1:
        raise ModelError(f"{config.folder}: the processor's {key} is {given!r:.40}; expected is a number of pixels")
    return given
