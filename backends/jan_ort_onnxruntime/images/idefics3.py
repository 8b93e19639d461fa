"""Idefics3 and SmolVLM: an image is cut into square tiles, after which the whole of it follows, once more, small."""

from __future__ import annotations

import math

import numpy as np

from jan_ort_backends import BadInput
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.processor import ImageProcessor, Pixels, ProcessorConfig, Views, resized

MAX_SIDE = 4096
"""Pixels of a resized image's longer side, whatever the configuration says."""

_AROUND, _WHOLE, _IMAGE = "<fake_token_around_image>", "<global-img>", "<image>"
_MAX_TILES = 6
"""Rows and columns that the tokenizer has names for."""


class Idefics3Processor(ImageProcessor):
    """``num_tokens`` is how many vectors a tile has. Source: Laurençon et al. 2024, arXiv:2408.12637, section 2.2."""

    def __init__(self, config: ProcessorConfig, num_tokens: int) -> None:
        self._side = config.size("size", "longest_edge")
        self._tile = config.size("max_image_size", "longest_edge")
        self._resample = config.resample
        self._num_tokens = num_tokens
        self._is_cut = bool(config.images.get("do_image_splitting", True))

    @property
    def has_detail(self) -> bool:
        """Whether images are cut."""
        return self._is_cut

    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Return the tiles row by row and then the whole image; with "low", or if it is never cut, the latter alone."""
        height, width = self._scaled(*pixels.shape[:2])
        scaled = resized(pixels, height, width, self._resample)
        if not self.has_detail or detail == "low":
            return Views(self._small(scaled)[np.newaxis], self._text(0, 0))
        scaled = resized(scaled, *self._whole_tiles(height, width), self._resample)
        rows, columns = (length // self._tile for length in scaled.shape[:2])
        if max(rows, columns) > _MAX_TILES:
            raise BadInput(
                "pixels", f"are of a shape that takes {rows} × {columns} tiles; at most {_MAX_TILES} are allowed"
            )
        if rows * columns == 1:
            return Views(scaled[np.newaxis], self._text(0, 0))
        tiles = scaled.reshape(rows, self._tile, columns, self._tile, 3).swapaxes(
            1, 2
        )  # (rows, columns, side, side, 3)
        frames = np.concatenate([tiles.reshape(-1, self._tile, self._tile, 3), self._small(scaled)[np.newaxis]])
        return Views(frames, self._text(rows, columns))

    def _small(self, pixels: Pixels) -> Pixels:
        return resized(pixels, self._tile, self._tile, self._resample)

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Return the size with the longer side as configured, the other one even, and both within MAX_SIDE."""
        ratio = width / height
        if width >= height:
            width, height = self._side, int(self._side / ratio)
            height += height % 2
        else:
            height, width = self._side, int(self._side * ratio)
            width += width % 2
        height, width = max(height, 1), max(width, 1)
        ratio = width / height
        if width >= height and width > MAX_SIDE:
            width, height = MAX_SIDE, int(MAX_SIDE / ratio)
        elif height > width and height > MAX_SIDE:
            height, width = MAX_SIDE, int(MAX_SIDE * ratio)
        return max(height, 1), max(width, 1)

    def _whole_tiles(self, height: int, width: int) -> tuple[int, int]:
        """Return the size in whole tiles, by the longer side first."""
        ratio, tile = width / height, self._tile
        if width >= height:
            width = math.ceil(width / tile) * tile
            height = math.ceil(int(width / ratio) / tile) * tile
        else:
            height = math.ceil(height / tile) * tile
            width = math.ceil(int(height * ratio) / tile) * tile
        return height, width

    def _text(self, rows: int, columns: int) -> str:
        vectors = _IMAGE * self._num_tokens
        tiles = "".join(
            "".join(f"{_AROUND}<row_{row}_col_{column}>{vectors}" for column in range(1, columns + 1)) + "\n"
            for row in range(1, rows + 1)
        )
        return f"{tiles}\n{_AROUND}{_WHOLE}{vectors}{_AROUND}".lstrip("" if tiles else "\n")
