"""The tower of a model that reads images: from pixels to what a prompt has in their place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, BackendError, Embedded, EmbeddedRun, ModelError
from jan_ort_backends.image_checks import check_pixels
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.images.image_parts import ImageParts
from jan_ort_onnxruntime.providers.runtime_failures import running

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class ImageTower:
    """Runs ``session``, the graph vision_encoder. Its tiles go through it together, as its authors' code has it."""

    def __init__(self, session: ort.InferenceSession, parts: ImageParts, folder: Path) -> None:
        self._session = session
        self._parts = parts
        self._tokenizer = _tokenizer(folder / "tokenizer.json")

    def encode(self, pixels: NDArray[np.uint8], detail: Detail) -> Embedded:
        """Return what stands in a prompt for an image. Raises: as ``Session.encode_image``."""
        check_pixels(pixels, detail)
        views = self._parts.processor.views(pixels, detail)
        token_ids = np.array(self._tokenizer.encode(views.text, add_special_tokens=False).ids, np.int64)
        is_vector = token_ids == self._parts.vector_id
        vectors = self._vectors(self._parts.processor.feeds(self._parts.config.normalised(views.frames), views))
        vectors = vectors if views.pack is None else views.pack(vectors)
        if len(vectors) != is_vector.sum():
            raise BackendError(f"{self._parts.vision.path} gave {len(vectors)} vectors for {is_vector.sum()} places")
        key = self._key(pixels, detail)
        ends = np.cumsum(_lengths(is_vector))[:-1]
        runs = tuple(EmbeddedRun(f"{key}/{at}", part, views.grid) for at, part in enumerate(np.split(vectors, ends)))
        return Embedded(np.where(is_vector, EMBEDDED, token_ids), runs)

    def _vectors(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        feeds = {  # some graphs have a dimension more in front: several images of one prompt
            name: (arrays[name] if len(value.shape) == arrays[name].ndim else arrays[name][np.newaxis]).astype(
                value.dtype
            )
            for name, value in self._parts.vision.inputs.items()
        }
        with running():
            features = self._session.run([next(iter(self._parts.vision.outputs))], feeds)[0]
        return np.asarray(features, np.float32).reshape(-1, self._parts.input.vector_size)

    def _key(self, pixels: NDArray[np.uint8], detail: Detail) -> str:
        told = hashlib.sha256(f"{self._parts.weights_hash}/{self._parts.config.digest}/{detail == 'low'}".encode())
        told.update(f"/{pixels.shape}/".encode())
        told.update(np.ascontiguousarray(pixels).data)
        return told.hexdigest()


def _lengths(is_vector: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many vectors stand in each row of places that touch."""
    places = np.flatnonzero(is_vector)
    begins = np.flatnonzero(np.diff(places, prepend=-2) > 1)
    return np.diff(begins, append=len(places))


def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelError(f"{path} is not read: {error}; download it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
