"""The arguments of a call as an object, for protocols that have them so (hop 9)."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


def arguments_of(text: str) -> Any:
    """Return the arguments, as far as they are JSON if the call was cut off in them; none of what broke."""
    try:
        return from_json(text, allow_partial=True) if text else {}
    except ValueError:
        return {}
