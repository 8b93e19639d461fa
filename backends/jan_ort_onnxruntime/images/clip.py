"""LLaVA: one view of an image, scaled and cut in the middle as CLIP's processor does, or scaled as SigLIP's does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jan_ort_backends import BadInput
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.processor import ImageProcessor, Pixels, ProcessorConfig, Views, resized

MAX_PIXELS = 2**25
"""Of an image whose shorter side has been scaled."""


@dataclass(frozen=True, slots=True)
class ClipProcessor(ImageProcessor):
    """``side`` is that of the square that the tower sees. Source: Radford et al. 2021, arXiv:2103.00020, part 2.4."""

    side: int
    shortest: int | None
    resample: int
    text: str = ""

    @classmethod
    def read(cls, config: ProcessorConfig) -> ClipProcessor:
        """Read the sizes. Raises: ModelError."""
        size = config.images.get("size")
        if isinstance(size, dict) and "height" in size:
            return cls(config.size("size", "height"), None, config.resample)
        shortest = config.size("size", "shortest_edge")
        is_cut = config.images.get("do_center_crop", True)
        return cls(config.size("crop_size", "height") if is_cut else shortest, shortest, config.resample)

    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Return the one view."""
        height, width = pixels.shape[:2]
        if self.shortest is None:
            return Views(resized(pixels, self.side, self.side, self.resample)[np.newaxis], self.text)
        other = int(self.shortest * max(height, width) / min(height, width))
        if self.shortest * other > MAX_PIXELS:
            raise BadInput("pixels", f"are {height} × {width}, which is too thin: cut the image")
        size = (other, self.shortest) if height > width else (self.shortest, other)
        return Views(_middle(resized(pixels, *size, self.resample), self.side)[np.newaxis], self.text)


def _middle(pixels: Pixels, side: int) -> Pixels:
    """Return the square in the middle, with black around what is too small."""
    height, width = pixels.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    if top >= 0 and left >= 0:
        return pixels[top : top + side, left : left + side]
    canvas = np.zeros((max(side, height), max(side, width), 3), np.uint8)
    begin_y, begin_x = (-(-(max(side, length) - length) // 2) for length in (height, width))
    canvas[begin_y : begin_y + height, begin_x : begin_x + width] = pixels
    top, left = top + begin_y, left + begin_x
    return canvas[max(top, 0) : max(top, 0) + side, max(left, 0) : max(left, 0) + side]
