"""Gemma 3: one view of an image, scaled to a square, between a token that begins it and one that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jan_ort_backends import ModelError
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.processor import ImageProcessor, Pixels, ProcessorConfig, Views, resized

_NUM_TOKENS = 256
_BEGIN, _IMAGE, _END = "<start_of_image>", "<image_soft_token>", "<end_of_image>"


@dataclass(frozen=True, slots=True)
class Gemma3Processor(ImageProcessor):
    """``num_tokens`` is how many vectors an image has. Source: Gemma Team 2025, arXiv:2503.19786, section 2.1."""

    place_keys: ClassVar[tuple[str, ...]] = ("boi_token_id", "boi_token_index")
    around: ClassVar[tuple[str, str]] = ("\n\n", "\n\n")

    height: int
    width: int
    resample: int
    num_tokens: int

    def views(self, pixels: Pixels, detail: Detail) -> Views:
        """Return the one view."""
        frames = resized(pixels, self.height, self.width, self.resample)[np.newaxis]
        return Views(frames, f"{_BEGIN}{_IMAGE * self.num_tokens}{_END}")


def read_gemma3(model: Mapping[str, Any], config: ProcessorConfig) -> Gemma3Processor:
    """Read the sizes. Raises: ModelError, also where images are to be cut, which no published model asks for."""
    if config.images.get("do_pan_and_scan"):
        raise ModelError(f"{config.folder}: do_pan_and_scan, which cuts images, is not done; set it to false")
    stated = (config.whole.get("image_seq_length"), model.get("mm_tokens_per_image"), _NUM_TOKENS)
    num_tokens = next(each for each in stated if each is not None)
    if type(num_tokens) is not int or not 0 < num_tokens < 2**15:
        raise ModelError(f"{config.folder}: the processor's image_seq_length is {num_tokens!r:.40}")
    height, width = (config.size("size", side) for side in ("height", "width"))
    return Gemma3Processor(height, width, config.resample, num_tokens)
