"""Images in the results of tools: chat templates have them in a message of the user's only (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jan_ort.http.reading.images import MAX_IMAGES

RESULT_IMAGE = "[image]"
"""What a tool's result has in place of an image, which the user's message after the results begins with."""

Placed = tuple[dict[str, Any], str]
"""A part of a chat's message, and where in the request it stands, after its message's place."""


def image_names(at: int, parts: Sequence[Placed]) -> dict[str, str]:
    """Return what the images of the chat's message ``at`` are called in the request, as ``OwnNames`` takes it.

    So many images that they are refused keep the names of the chat.
    """
    places = {index: path for index, (part, path) in enumerate(parts) if part["type"] == "image_url"}
    if len(places) > MAX_IMAGES:
        return {}
    return {rf"messages\.{at}\.content\.{index}\.image_url": f"messages.{at}.{path}" for index, path in places.items()}
