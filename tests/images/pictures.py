"""Pictures as files, for tests: what clients send, and what an adversary would."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels(height: int = 6, width: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    """Return a noisy picture: uint8 ``(height, width, 3)``."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image: Image.Image | NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def data_url(content: bytes, media_type: str = "image/png") -> str:
    """Return a file as a data: URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG file that says it has so many pixels, and has them: one colour, compressed."""
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(b"\0" * (1 + width // 8)) for _ in range(height)) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (head, body, b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
