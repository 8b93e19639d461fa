"""From a picture's file to its pixels, whatever the file tries (hop 3).

Only the first picture of an animation is read. EXIF says how a picture is turned, and white is behind what is
transparent; what else the file holds besides red, green and blue (a palette, four inks, sixteen bits) Pillow converts.
All as transformers' processors do.
"""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jan_ort.images.data_url import ImageFile
from jan_ort.images.image_errors import ImageError, ImagesNotInstalled

if TYPE_CHECKING:
    from PIL.Image import Image

MEDIA_TYPES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
}
"""Pillow's decoder of each media type; no other decoder is ever tried."""

MAX_PIXELS = 2**25
"""Pixels of a picture: 33 million, which take 100 MB while they are read."""

MAX_SIDE = 2**15


def decode(file: ImageFile) -> NDArray[np.uint8]:
    """Return the pixels of a picture, uint8 ``(height, width, 3)``: red, green, blue.

    Raises: ImageError for what is no picture, another one than its media type says, cut off, or too large;
    ImagesNotInstalled.
    """
    pillow = _library()
    kind = MEDIA_TYPES.get(file.media_type)
    if kind is None:
        raise ImageError(f"its media type {file.media_type!r} is not read; these are: {', '.join(MEDIA_TYPES)}")
    try:
        with pillow.open(io.BytesIO(file.content), formats=[kind]) as image:
            _check_size(*image.size)
            return np.array(_opaque(_upright(image)))
    except (ImageError, MemoryError):
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise ImageError(f"it has too many pixels; at most {MAX_PIXELS} are allowed: make it smaller") from error
    except Exception as error:  # decoders raise whatever comes to them in a broken file
        raise ImageError(
            f"it is not a complete {kind} file ({_reason(error)}); send one, or name its own type"
        ) from error


def _library() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImagesNotInstalled from error
    return Image


def _check_size(width: int, height: int) -> None:
    """Raise ImageError for a picture that is too large, of which no pixel has been decoded yet."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            f"it has {width} × {height} pixels; at most {MAX_PIXELS} are allowed, and {MAX_SIDE} on a side: make it "
            "smaller"
        )


def _upright(image: Image) -> Image:
    """Return the picture turned as its EXIF data say."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _opaque(image: Image) -> Image:
    """Return the picture in red, green and blue, with white behind what is transparent."""
    pillow = _library()
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = pillow.new("RGBA", layer.size, (255, 255, 255, 255))
    opaque: Image = pillow.alpha_composite(white, layer).convert("RGB")
    return opaque


def _reason(error: Exception) -> str:
    """Return why a decoder failed, without its own objects, whose addresses are nobody's affair."""
    if "<" in str(error):
        return "its first bytes are not those of one"
    return f"{type(error).__name__}: {error}"[:200]
