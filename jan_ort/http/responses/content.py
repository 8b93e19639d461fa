"""Pieces of content and thoughts of items, as the messages of a chat have them (hop 3)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.reading.result_images import RESULT_IMAGE

_TEXTS = {
    "user": ("input_text", "text", "output_text"),
    "system": ("input_text", "text"),
    "developer": ("input_text", "text"),
    "assistant": ("output_text", "text", "input_text", "refusal"),
    "output": ("input_text", "output_text", "text"),
}
"""The kinds of text of each speaker, and of a function's result; the first is what a plain text is."""

_SEALED = "jan-ort-thought:"


def parts(content: object, speaker: str, place: str) -> list[dict[str, Any]]:
    """Return content as parts with their texts. Raises: ApiError 400 that names the place."""
    if isinstance(content, str):
        content = [{"type": _TEXTS[speaker][0], "text": content}]
    if not isinstance(content, list):
        raise bad_request(place, f"{place} is missing; give a text, or a list of parts")
    for at, part in enumerate(content):
        _check(part, speaker, f"{place}.{at}")
    return [{"annotations": [], **part} if part["type"] == "output_text" else part for part in content]


def _check(part: dict[str, Any], speaker: str, place: str) -> None:
    kind = part["type"]
    if kind in _TEXTS[speaker]:
        name = "refusal" if kind == "refusal" else "text"
        if not isinstance(part.get(name), str):
            raise bad_request(f"{place}.{name}", f"{place}.{name} is missing; give the part's text")
    elif kind == "input_image" and speaker in ("user", "output"):
        if not isinstance(part.get("image_url"), str):
            raise bad_request(f"{place}.image_url", f"{place}.image_url is missing; give the image's address or data")
    else:
        raise unsupported(f"{place}.type", f"{place}.type is {kind[:40]!r}; use {' or '.join(_TEXTS[speaker])}")


def text_of(content: list[dict[str, Any]]) -> str:
    """Return the texts of parts, joined."""
    return "".join(part.get("text") or part.get("refusal") or "" for part in content)


def chat_parts(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return checked parts as a chat's message has them."""
    if not any(part["type"] == "input_image" for part in content):
        return text_of(content)
    return [chat_part(part) for part in content]


def result_of(content: list[dict[str, Any]]) -> str:
    """Return the texts of a function's result, with a mark for each image."""
    return "".join(RESULT_IMAGE if part["type"] == "input_image" else part["text"] for part in content)


def chat_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return a checked part of the user's as a chat's message has it."""
    if part["type"] != "input_image":
        return {"type": "text", "text": part["text"]}
    detail = {"detail": part["detail"]} if part.get("detail") else {}
    return {"type": "image_url", "image_url": {"url": part["image_url"]} | detail}


def sealed(thought: str) -> str:
    """Return a thought in one piece that its client need not look into; it is not encrypted."""
    return _SEALED + base64.b64encode(thought.encode("utf-8", "replace")).decode()


def thought_of(item: dict[str, Any], place: str) -> str:
    """Return what a reasoning item thought: sealed, as its content, or as its summary. Raises: ApiError 400."""
    if isinstance(given := item.get("encrypted_content"), str):
        return _unsealed(given, f"{place}.encrypted_content")
    content = item.get("content")
    pieces = item.get("summary") or [] if content is None else content
    if isinstance(pieces, str):
        return pieces
    return "\n\n".join(text for part in pieces if isinstance(text := part.get("text"), str))


def _unsealed(given: str, place: str) -> str:
    try:
        if given.startswith(_SEALED):
            return base64.b64decode(given.removeprefix(_SEALED), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise bad_request(place, f"{place} is not from this server, which cannot read it; leave the reasoning item out")
