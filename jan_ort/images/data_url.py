"""A picture inside a request, as a data: URL."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from jan_ort.images.image_errors import ImageError

MAX_FILE_BYTES = 20 * 2**20
"""Bytes of a picture's file, wherever it comes from."""

_FORM = "data:image/png;base64,…"
_SPACES = str.maketrans("", "", " \t\r\n")


class ImageFile(NamedTuple):
    """A picture's file, not yet looked at, and the media type that it is said to have."""

    content: bytes
    media_type: str


def read_data_url(url: str) -> ImageFile:
    """Return the file in a data: URL. Raises: ImageError. Source: RFC 2397."""
    header, comma, text = url.partition(",")
    media_type, *parameters = header[len("data:") :].lower().split(";")
    if not comma or not parameters or parameters[-1].strip() != "base64":
        raise ImageError(f"it is a data: URL without base64; send {_FORM}")
    return read_base64(text, media_type.strip())


def read_base64(text: str, media_type: str) -> ImageFile:
    """Return the file in a base64 text; line breaks in it are allowed. Raises: ImageError."""
    if len(text) > MAX_FILE_BYTES * 3 // 2:
        raise ImageError(f"it has {len(text)} characters of base64; a file may have {MAX_FILE_BYTES} bytes")
    try:
        content = base64.b64decode(text.translate(_SPACES), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"its base64 is broken ({error}); encode the whole file, with its padding") from error
    check_file_size(len(content))
    return ImageFile(content, media_type)


def check_file_size(num_bytes: int) -> None:
    """Raise ImageError unless a picture's file may have so many bytes."""
    if not num_bytes:
        raise ImageError("it is empty; send the bytes of a picture's file")
    if num_bytes > MAX_FILE_BYTES:
        raise ImageError(f"it has {num_bytes} bytes; at most {MAX_FILE_BYTES} are allowed")
