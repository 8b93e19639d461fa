"""From the pictures that a request names to a prompt that holds them (hop 3), for every protocol that has pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.embedded import Tokens, with_images
from jan_ort.http.api_error import ApiError, bad_request, unsupported
from jan_ort.images.data_url import ImageFile, read_base64, read_data_url
from jan_ort.images.decoding import decode
from jan_ort.images.fetching import fetch
from jan_ort.images.image_errors import ImageError, ImagesNotInstalled
from jan_ort.serving.generative import GenerativeModel
from jan_ort_backends import BadInput, Embedded, EmbeddedRun
from jan_ort_backends.images import Detail
from jan_ort_openapi.models import (
    ChatCompletionRequestMessageContentPartImage,
    ChatCompletionRequestMessageContentPartImageImageUrl,
    CreateChatCompletionRequest,
    Messages,
)

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
    detail: Detail = "auto"

    @property
    def is_remote(self) -> bool:
        """Whether it is to be fetched."""
        return self.media_type is None and self.source[:6].lower().startswith(("http:", "https:"))


def image_parts(body: CreateChatCompletionRequest) -> list[ImagePart]:
    """Return the pictures of a conversation, in order."""
    return [
        _image_part(part.image_url, f"messages.{at}.content.{place}.image_url")
        for at, message in enumerate(body.messages)
        for place, part in enumerate(_content_parts(message))
        if isinstance(part, ChatCompletionRequestMessageContentPartImage)
    ]


def _content_parts(message: Messages) -> list[Any]:
    content = getattr(message, "content", None)
    return content if isinstance(content, list) else []


def _image_part(given: str | ChatCompletionRequestMessageContentPartImageImageUrl, param: str) -> ImagePart:
    if isinstance(given, str):
        return ImagePart(param, given)
    return ImagePart(param, given.url, detail=given.detail if isinstance(given.detail, str) else "auto")


async def placed_images(
    model: GenerativeModel, token_ids: Tokens, parts: Sequence[ImagePart]
) -> tuple[Tokens, dict[int, EmbeddedRun]]:
    """Return a prompt with its images where the chat template wants them, and their runs (``engine/embedded.py``).

    Raises: ApiError 400 that names the part; as ``Session.encode_image``.
    """
    if not parts:
        return token_ids, {}
    assert model.images is not None, "a model that reads none has refused them"
    _check_all(model, parts)
    images = [await _encoded(model, part) for part in parts]
    try:
        return with_images(token_ids, images, model.images.token_id)
    except ValueError as error:
        message = f"the model's chat template leaves images out: it has written {error}"
        raise bad_request("messages", message, code="chat_template_error") from error


def _check_all(model: GenerativeModel, parts: Sequence[ImagePart]) -> None:
    """Refuse what needs no picture to be looked at. Raises: ApiError 400."""
    if len(parts) > MAX_IMAGES:
        raise bad_request(parts[MAX_IMAGES].param, f"{len(parts)} images are given; at most {MAX_IMAGES} are allowed")
    for part in parts:
        if part.detail != "auto" and not (model.images and model.images.has_detail):
            message = f"{part.param}.detail: this model looks at every image in one way; leave detail out"
            raise unsupported(f"{part.param}.detail", message)


async def _encoded(model: GenerativeModel, part: ImagePart) -> Embedded:
    file = await _fetched(model, part) if part.is_remote else None
    # Decoded as long work, so one at a time: the largest takes 200 MB meanwhile.
    pixels = await model.rendering.run(lambda: read_pixels(part, file), is_long=True)
    try:
        return await model.encoding.run(lambda: model.engine.images.encode(pixels, part.detail))
    except BadInput as error:
        raise _refusal(part, error) from error


async def _fetched(model: GenerativeModel, part: ImagePart) -> ImageFile:
    try:
        return await model.fetching.run(lambda: fetch(part.source, model.image_hosts))
    except ImageError as error:
        raise _refusal(part, error) from error


def _refusal(part: ImagePart, error: Exception) -> ApiError:
    return bad_request(part.param, f"{part.param}: {error}", code="invalid_image")


def read_pixels(part: ImagePart, fetched: ImageFile | None = None) -> NDArray[np.uint8]:
    """Return a picture's pixels, uint8 ``(height, width, 3)``. Raises: ApiError 400 that names the part."""
    try:
        return decode(fetched or _file(part))
    except ImageError as error:
        raise _refusal(part, error) from error
    except ImagesNotInstalled as error:
        raise ApiError(400, str(error), param=part.param, code="images_not_installed") from error


def _file(part: ImagePart) -> ImageFile:
    if part.media_type is not None:
        return read_base64(part.source, part.media_type)
    if part.source[:5].lower() == "data:":
        return read_data_url(part.source)
    scheme = part.source.partition(":")[0][:20]
    raise ImageError(
        f"this server does not fetch images from {scheme!r} URLs; send the file as data:image/png;base64,…"
    )
