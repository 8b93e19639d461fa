"""Planted faults of images, for a server whose model reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Change, Exchange, Fault

Parts = list[dict[str, Any]]


def _changing(change: Callable[[Parts], Parts]) -> Change:
    """Return what changes the parts of each message before the sound server sees them."""

    def before(exchange: Exchange) -> None:
        fields = exchange.fields
        messages = fields.get("messages")
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message.get("content"), list):
                message["content"] = change(message["content"])
        if messages:
            exchange.body = json.dumps(fields).encode()

    return before


def _is_image(part: dict[str, Any]) -> bool:
    return part["type"] == "image_url"


def _first_only(parts: Parts) -> Parts:
    first = next(filter(_is_image, parts), None)
    return [part for part in parts if not _is_image(part) or part is first]


def _sorted(parts: Parts) -> Parts:
    images = sorted(filter(_is_image, parts), key=json.dumps)
    return [images.pop(0) if _is_image(part) else part for part in parts]


def _readable(parts: Parts) -> Parts:
    def is_broken(part: dict[str, Any]) -> bool:
        return _is_image(part) and not part["image_url"]["url"].endswith("AAAAAElFTkSuQmCC")

    return [part for part in parts if not is_broken(part)] or [{"type": "text", "text": "?"}]


IMAGE_FAULTS: list[Fault] = [
    Fault("sees_no_images", "images.change_the_answer", before=_changing(lambda p: [e for e in p if not _is_image(e)])),
    Fault("sees_the_first_image_only", "images.keep_their_order", before=_changing(_first_only)),
    Fault("sorts_images", "images.keep_their_order", before=_changing(_sorted)),
    Fault(
        "puts_images_first", "images.stand_where_they_are", before=_changing(lambda p: sorted(p, key=_is_image)[::-1])
    ),
    Fault("leaves_broken_images_out", "images.refuse_what_is_none", before=_changing(_readable)),
]
