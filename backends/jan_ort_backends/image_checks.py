"""Checks of images and of rows with vectors, which every backend that reads images shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.errors import BackendError, BadInput
from jan_ort_backends.images import EMBEDDED, Embedded, EmbeddedRun, ImageInput


def check_pixels(pixels: NDArray[np.uint8], detail: str = "auto") -> None:
    """Check what ``encode_image`` is given. Raises: BadInput unless it is uint8 ``(height, width, 3)``."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise BadInput("pixels", f"are {getattr(pixels, 'dtype', type(pixels).__name__)}; they must be uint8")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise BadInput("pixels", f"are {pixels.shape}; they must be (height, width, 3), of one pixel or more")
    if detail not in ("auto", "low", "high"):
        raise BadInput("detail", f"is {detail!r}; it must be auto, low or high")


def check_runs(token_ids: NDArray[np.int64], runs: Sequence[EmbeddedRun], images: ImageInput | None) -> None:
    """Check that each vector of ``runs`` has its place in ``token_ids``, and each place its vector.

    Raises: BadInput, also for a model that reads no images and for vectors of another size.
    """
    if images is None:
        raise BadInput("embedded", "holds vectors, and this model reads no images")
    places = np.flatnonzero(token_ids == EMBEDDED)
    begin = 0
    for run in runs:
        shape, size = run.vectors.shape, images.vector_size
        if run.vectors.dtype != np.float32 or len(shape) != 2 or shape[1] != size or not shape[0]:
            raise BadInput("embedded", f"has vectors of {run.vectors.dtype} {shape}; they must be float32 (n, {size})")
        if begin + shape[0] > len(places) or places[begin + shape[0] - 1] - places[begin] != shape[0] - 1:
            raise BadInput("embedded", f"has {shape[0]} vectors in a row, and token_ids has no {shape[0]} places there")
        begin += shape[0]
    if begin < len(places):
        raise BadInput("embedded", f"has {begin} vectors for {len(places)} places of token_ids")


def check_image(encoded: object, images: ImageInput, vocab_size: int) -> Embedded:
    """Return what ``encode_image`` has returned once a row may hold it; the server checks each.

    Raises: BackendError naming what is wrong.
    """
    if not isinstance(encoded, Embedded) or not encoded.runs:
        raise BackendError(f"encode_image returned a {type(encoded).__name__}; it must return an Embedded with runs")
    token_ids = encoded.token_ids
    if type(token_ids) is not np.ndarray or token_ids.dtype != np.int64 or token_ids.ndim != 1 or not len(token_ids):
        raise BackendError("encode_image returned token_ids that are not int64 (n,)")
    if token_ids.min() < EMBEDDED or token_ids.max() >= vocab_size:
        raise BackendError(f"encode_image returned token_ids outside of the vocabulary, 0..{vocab_size - 1}")
    try:
        check_runs(token_ids, encoded.runs, images)
    except BadInput as error:
        raise BackendError(f"encode_image returned what no row may hold: {error}") from error
    if not all(np.isfinite(run.vectors).all() for run in encoded.runs):
        raise BackendError("encode_image returned vectors that are not finite; the model's run failed")
    return encoded
