"""A picture on this machine as a part of a message."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jan_ort.cli.terminal_chat.exchange import ChatError

_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}


def image_part(path: Path) -> dict[str, Any]:
    """Return the content part of a picture's file. Raises: ChatError naming a file that is none."""
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise ChatError(f"{path}: the name of an image must end in {', '.join(_MEDIA_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ChatError(f"{path} cannot be read: {error.strerror or error}") from error
    url = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
