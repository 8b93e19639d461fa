"""Images encoded beside the step loop, each once as long as it is remembered (hop 3)."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.engine_errors import EngineStopped
from jan_ort_backends import Embedded, Session
from jan_ort_backends.images import Detail

MAX_REMEMBERED_BYTES = 256 * 2**20
"""Bytes of vectors that are kept for images that come again, as each turn of a conversation has them."""


class ImageEncoder:
    """Encodes with the session of the moment, one image at a time. Any thread may call it, the step loop's never does.

    ``num_encoded`` counts what was not remembered.
    """

    def __init__(self, session: Callable[[], Session], max_bytes: int = MAX_REMEMBERED_BYTES) -> None:
        self._session = session
        self._max_bytes = max_bytes
        self._encoding = threading.Lock()
        self._images: OrderedDict[tuple[bytes, str], Embedded] = OrderedDict()  # guarded by the lock
        self._num_bytes = 0
        self._is_closed = False
        self.num_encoded = 0

    def encode(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image. Raises: as ``Session.encode_image``; EngineStopped."""
        key = _key(pixels), detail
        with self._encoding:
            if self._is_closed:
                raise EngineStopped
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
            encoded = self._session().encode_image(pixels, detail)
            self.num_encoded += 1
            self._remember(key, encoded)
            return encoded

    def _remember(self, key: tuple[bytes, str], encoded: Embedded) -> None:
        self._images[key] = encoded
        self._num_bytes += _size(encoded)
        while self._num_bytes > self._max_bytes:
            self._num_bytes -= _size(self._images.popitem(last=False)[1])

    def close(self, timeout_s: float) -> None:
        """Encode nothing more; what is being encoded is waited for, ``timeout_s`` at most."""
        self._is_closed = True
        if self._encoding.acquire(timeout=timeout_s):
            self._encoding.release()


def _key(pixels: NDArray[np.uint8]) -> bytes:
    told = hashlib.blake2b(str(pixels.shape).encode(), digest_size=32)
    told.update(np.ascontiguousarray(pixels).data)
    return told.digest()


def _size(encoded: Embedded) -> int:
    return sum(run.vectors.nbytes for run in encoded.runs) + encoded.token_ids.nbytes
