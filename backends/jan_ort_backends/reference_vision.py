"""How the reference model sees an image: the mean colour of each part, as a vector."""

from __future__ import annotations

import hashlib
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.images import EMBEDDED, Embedded, EmbeddedRun
from jan_ort_backends.reference_tokenizer import IMAGE_TOKEN_ID
from jan_ort_backends.reference_transformer import HIDDEN_SIZE, SEED, Float

GAIN = 3.0
"""How much louder an image's vector is than a token's, so that a small model notices it."""


def embedded_image(pixels: NDArray[np.uint8], num_sides: int) -> Embedded:
    """Return the image as a grid of ``num_sides`` × ``num_sides`` parts, of which half is a run each if they are 16."""
    colours = np.array([part.mean(axis=(0, 1)) for part in _parts(pixels, num_sides)]) / 127.5 - 1.0
    vectors = np.einsum("pc,hc->ph", colours, _matrix()).astype(np.float32)  # (parts, hidden)
    told = hashlib.sha256(f"{SEED}/{num_sides}/{pixels.shape}".encode())
    told.update(pixels.tobytes())
    halves = np.array_split(vectors, 2 if num_sides > 2 else 1)
    runs = tuple(EmbeddedRun(f"{told.hexdigest()}/{at}", half) for at, half in enumerate(halves))
    start, end = IMAGE_TOKEN_ID - 2, IMAGE_TOKEN_ID - 1
    return Embedded(np.array([start, *[EMBEDDED] * len(vectors), end], np.int64), runs)


def _parts(pixels: NDArray[np.uint8], num_sides: int) -> list[NDArray[np.uint8]]:
    """Return the parts, row by row, of an image of any size: of a small one, some pixels are in several."""
    rows, columns = (_bounds(length, num_sides) for length in pixels.shape[:2])
    return [pixels[top:bottom, left:right] for top, bottom in rows for left, right in columns]


def _bounds(length: int, num_parts: int) -> list[tuple[int, int]]:
    starts = [at * length // num_parts for at in range(num_parts)]
    return [(start, max(start + 1, (at + 1) * length // num_parts)) for at, start in enumerate(starts)]


@cache
def _matrix() -> Float:
    """Return the weights, ``(hidden_size, 3)``: computed, not stored."""
    numbers = np.arange(1, 3 * HIDDEN_SIZE + 1, dtype=np.int64).reshape(HIDDEN_SIZE, 3)
    scaled: Float = (numbers * numbers * 7919 % 1024 / 512.0 - 1.0) * (GAIN / math.sqrt(3.0))
    return scaled
