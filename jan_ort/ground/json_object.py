"""Reading a small file that must hold a JSON object, and what such an object has of the type that it must have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, read_small_file


def read_object(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> dict[str, Any]:
    """Return the JSON object in ``path``. Raises: ValueError whose message goes on after the file's name; OSError."""
    text = read_small_file(path, max_bytes)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError("holds no JSON object")
    return content


def read_object_or_empty(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``, an empty one if it cannot be read: for files whose loss is told elsewhere."""
    try:
        return read_object(path)
    except (OSError, ValueError):
        return {}


def object_in(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under ``key``, an empty one if there is none, or something else."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def text_in(content: Mapping[str, Any], key: str) -> str:
    """Return the text under ``key``, an empty one if there is none, or something else."""
    found = content.get(key)
    return found if isinstance(found, str) else ""
