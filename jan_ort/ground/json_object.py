"""Reading a small file that must hold a JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``. Raises: ValueError whose message goes on after the file's name; OSError."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError("holds no JSON object")
    return content
