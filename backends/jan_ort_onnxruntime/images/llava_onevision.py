"""LLaVA-OneVision: the whole of an image, then its tiles, whose vectors stand row by row, one more after each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jan_ort_backends import BadInput, ModelError
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.processor import (
    ImageProcessor,
    Pixels,
    ProcessorConfig,
    Vectors,
    Views,
    resized,
    vision_size,
)

Size = tuple[int, int]

MAX_PIXELS = 2**26
"""Of the square that an image stands in."""

_MAX_TILES = 64
_SLACK = 1.1
"""How much longer than its bound a side of all tiles' vectors may be before they are made fewer."""


@dataclass(frozen=True, slots=True)
class OneVisionProcessor(ImageProcessor):
    """``patches`` is how many vectors a tile has on a side, ``sizes`` are (height, width) that an image may be cut at.

    ``newline`` ends a row of vectors, float32 ``(size,)``. A folder need not have it, for it belongs to no graph; then
    an image is seen as a whole only. ``max_tiles`` bounds the vectors of all tiles. ``background`` is of three colours.
    Source: Li et al. 2024, arXiv:2408.03326, section 3.2.
    """

    side: int
    patches: int
    resample: int
    sizes: tuple[Size, ...]
    max_tiles: int
    background: tuple[int, ...]
    newline: Vectors | None

    @property
    def has_detail(self) -> bool:
        """Whether images are cut."""
        return self.newline is not None

    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Return the whole image and its tiles; with "low", the whole alone, in a square, as one of several images."""
        if self.newline is None:
            return Views(self._small(pixels)[np.newaxis], self._text(0))
        if detail == "low":
            return Views(self._small(self._squared(pixels))[np.newaxis], self._text(1), pack=self._with_end)
        height, width = pixels.shape[:2]
        best = self._best(height, width)
        tiles = self._tiles(pixels, best)
        grid = (best[0] // self.side, best[1] // self.side)
        top, left, rows, columns = self._kept(height, width, grid)

        def pack(vectors: Vectors) -> Vectors:
            every = vectors.reshape(-1, self.patches, self.patches, vectors.shape[-1])
            whole = every[1:].reshape(*grid, *every.shape[1:]).swapaxes(1, 2)  # (rows, patches, columns, patches, size)
            whole = whole.reshape(grid[0] * self.patches, grid[1] * self.patches, -1)
            whole = whole[top : len(whole) - top, left : whole.shape[1] - left]
            return np.concatenate([vectors[: self.patches**2], self._lines(_interpolated(whole, rows, columns))])

        frames = np.concatenate([self._small(pixels)[np.newaxis], tiles])
        return Views(frames, self._text(rows * (columns + 1)), pack=pack)

    def _small(self, pixels: Pixels) -> Pixels:
        return resized(pixels, self.side, self.side, self.resample)

    def _text(self, num_more: int) -> str:
        return "<image>" * (self.patches**2 + num_more)

    def _with_end(self, vectors: Vectors) -> Vectors:
        assert self.newline is not None  # else there is one view
        return np.concatenate([vectors, self.newline[np.newaxis]])

    def _lines(self, vectors: Vectors) -> Vectors:
        """Return ``(rows, columns, size)`` as ``(rows * (columns + 1), size)``, each row with its end."""
        assert self.newline is not None  # else there are no tiles
        ends = np.broadcast_to(self.newline, (len(vectors), 1, len(self.newline)))
        return np.concatenate([vectors, ends], axis=1).reshape(-1, len(self.newline))

    def _best(self, height: int, width: int) -> Size:
        """Return the size at which most of the image's pixels are kept, and of these the one with least around."""

        def worth(size: Size) -> tuple[int, int]:
            scale = min(size[1] / width, size[0] / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            return kept, kept - size[0] * size[1]

        return max(self.sizes, key=worth)

    def _tiles(self, pixels: Pixels, best: Size) -> Pixels:
        """Return the image's tiles at this size, with black around it, row by row."""
        height, width = pixels.shape[:2]
        across, down = best[1] / width, best[0] / height
        if across < down:
            size = min(math.ceil(height * across), best[0]), best[1]
        else:
            size = best[0], min(math.ceil(width * down), best[1])
        canvas = np.zeros((*best, 3), np.uint8)
        top, left = (best[0] - size[0]) // 2, (best[1] - size[1]) // 2
        canvas[top : top + size[0], left : left + size[1]] = resized(pixels, *size, self.resample)
        rows, columns = best[0] // self.side, best[1] // self.side
        tiles = canvas.reshape(rows, self.side, columns, self.side, 3).swapaxes(1, 2)  # (rows, columns, side, side, 3)
        return tiles.reshape(-1, self.side, self.side, 3)

    def _kept(self, height: int, width: int, grid: Size) -> tuple[int, int, int, int]:
        """Return how many rows and columns of vectors, at either end, are of what is around, and those that remain."""
        rows, columns = (count * self.patches for count in grid)
        top = left = 0
        if width / height > columns / rows:
            top = (rows - int(round(height * (columns / width), 7))) // 2
        else:
            left = (columns - int(round(width * (rows / height), 7))) // 2
        rows, columns = rows - 2 * top, columns - 2 * left
        ratio = math.sqrt(rows * columns / (self.max_tiles * self.patches**2))
        return top, left, *((int(rows // ratio), int(columns // ratio)) if ratio > _SLACK else (rows, columns))

    def _squared(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        side = max(height, width)
        if side**2 > MAX_PIXELS:
            raise BadInput("pixels", f"are {height} × {width}, which is too long a side: scale the image down")
        canvas = np.broadcast_to(np.array(self.background, np.uint8), (side, side, 3)).copy()
        top, left = (side - height) // 2, (side - width) // 2
        canvas[top : top + height, left : left + width] = pixels
        return canvas


def _interpolated(vectors: Vectors, rows: int, columns: int) -> Vectors:
    """Return ``(rows, columns, size)`` of more, each mixed linearly of those around the middle of its place."""
    for axis, length in enumerate((rows, columns)):
        if vectors.shape[axis] != length:
            vectors = _mixed(vectors, axis, length)
    return vectors


def _mixed(vectors: Vectors, axis: int, length: int) -> Vectors:
    most = vectors.shape[axis]
    middles = np.maximum((np.arange(length) + 0.5) * (most / length) - 0.5, 0)
    low = np.minimum(middles.astype(np.int64), most - 1)
    share = np.expand_dims((middles - low).astype(np.float32), tuple(at for at in range(3) if at != axis))
    higher = vectors.take(np.minimum(low + 1, most - 1), axis)
    mixed: Vectors = vectors.take(low, axis) * (1 - share) + higher * share
    return mixed


def read_onevision(model: Mapping[str, Any], config: ProcessorConfig) -> OneVisionProcessor:
    """Read the sizes. Raises: ModelError."""
    side = config.size("size", "height", "shortest_edge")
    return OneVisionProcessor(
        side=side,
        patches=vision_size(model, config, "image_size") // vision_size(model, config, "patch_size"),
        resample=config.resample,
        sizes=_sizes(config, side),
        max_tiles=_max_tiles(model, config),
        background=tuple(int(each * 255) for each in config.images.get("image_mean", ())),
        newline=_newline(model, config),
    )


def _sizes(config: ProcessorConfig, side: int) -> tuple[Size, ...]:
    given = config.images.get("image_grid_pinpoints")
    try:
        sizes = tuple((int(height), int(width)) for height, width in given or ())
    except (TypeError, ValueError) as error:
        raise ModelError(f"{config.folder}: the processor's image_grid_pinpoints are {given!r:.80}") from error
    whole = all(min(size) > 0 and size[0] % side == size[1] % side == 0 for size in sizes)
    if not sizes or not whole or max(height * width for height, width in sizes) > _MAX_TILES * side**2:
        raise ModelError(
            f"{config.folder}: the processor's image_grid_pinpoints are {given!r:.80}; expected are heights and widths "
            f"of whole tiles of {side} pixels, at most {_MAX_TILES}"
        )
    return sizes


def _max_tiles(model: Mapping[str, Any], config: ProcessorConfig) -> int:
    given = config.whole.get("vision_aspect_ratio", model.get("vision_aspect_ratio", "anyres_max_9"))
    found = re.fullmatch(r"anyres_max_([1-9]\d?)", given) if isinstance(given, str) else None
    if found is None:
        raise ModelError(f"{config.folder}: vision_aspect_ratio is {given!r:.40}; known are anyres_max_1 to _99")
    return int(found[1])


def _newline(model: Mapping[str, Any], config: ProcessorConfig) -> Vectors | None:
    given = model.get("image_newline")
    if given is None:
        return None
    text = model.get("text_config")
    size = text.get("hidden_size") if isinstance(text, dict) else None
    if not isinstance(given, list) or len(given) != size or not all(isinstance(each, float | int) for each in given):
        raise ModelError(f"{config.folder / 'config.json'}: image_newline must be {size} numbers, as hidden_size says")
    return np.array(given, np.float32)
