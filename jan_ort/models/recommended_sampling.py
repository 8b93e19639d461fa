"""How a model's makers sample from it, as far as its files say so: a chat's fields and their values (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

_FIELDS = {
    "temperature": ("temperature", 0.0, 2.0),
    "top_p": ("top_p", 0.0, 1.0),
    "top_k": ("top_k", 0, 2**31 - 1),
    "min_p": ("min_p", 0.0, 1.0),
    "repetition_penalty": ("repeat_penalty", 0.0, 2.0),
}
"""By their name in generation_config.json: the chat's field, and its least and greatest value."""


def recommended_sampling(generation: Mapping[str, Any]) -> dict[str, float]:
    """Return the fields that ``generation``, the content of generation_config.json, recommends.

    A value that no request may have is no recommendation. ``do_sample`` is passed over, as in vLLM: it says what a
    library does by default.
    """
    stated = ((generation.get(name), *known) for name, known in _FIELDS.items())
    return {field: value for value, field, low, high in stated if _is_like(value, low) and low <= value <= high}


def _is_like(value: object, like: float) -> TypeGuard[float]:
    """Whether ``value`` is a number, and a whole one where ``like`` is."""
    return type(value) is int or (type(value) is float and type(like) is float)
