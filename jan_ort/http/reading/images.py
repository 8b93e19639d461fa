"""From the pictures that a request names to their pixels (hop 3): every protocol that has pictures reads them here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.images.data_url import ImageFile, read_base64, read_data_url
from jan_ort.images.decoding import decode
from jan_ort.images.image_errors import ImageError, ImagesNotInstalled
from jan_ort.serving.generative import GenerativeModel

MAX_IMAGES = 64
"""Pictures of one request."""


class ImagePart(NamedTuple):
    """A picture of a request: the field that it stands in, where it comes from, and how closely to look at it.

    ``source`` is a URL, or a base64 text with ``media_type`` where a protocol gives the two apart. ``detail`` is
    "auto", "low" or "high".
    """

    param: str
    source: str
    media_type: str | None = None
    detail: str = "auto"


async def read_images(model: GenerativeModel, parts: Sequence[ImagePart]) -> list[NDArray[np.uint8]]:
    """Return the pixels of each picture, uint8 ``(height, width, 3)``, decoded in a thread.

    Raises: ApiError 400 that names the part.
    """
    if len(parts) > MAX_IMAGES:
        raise bad_request(parts[MAX_IMAGES].param, f"{len(parts)} images are given; {MAX_IMAGES} are allowed")
    # As long work one at a time: the largest takes 200 MB while it is decoded.
    return [await model.rendering.run(lambda: _pixels(part), is_long=True) for part in parts]  # noqa: B023


def _pixels(part: ImagePart) -> NDArray[np.uint8]:
    try:
        return decode(_file(part))
    except ImageError as error:
        raise bad_request(part.param, f"{part.param}: {error}", code="invalid_image") from error
    except ImagesNotInstalled as error:
        raise ApiError(400, str(error), param=part.param, code="images_not_installed") from error


def _file(part: ImagePart) -> ImageFile:
    if part.media_type is not None:
        return read_base64(part.source, part.media_type)
    if part.source[:5].lower() == "data:":
        return read_data_url(part.source)
    scheme = part.source.partition(":")[0][:20]
    raise ImageError(f"this server reads no images from {scheme!r} URLs; send the file as data:image/png;base64,…")
