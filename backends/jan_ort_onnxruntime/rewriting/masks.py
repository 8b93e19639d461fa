"""Which positions a layer's masks let a token see: all that came before, or the last of a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_onnxruntime.rewriting.attention_pattern import Mask
from jan_ort_onnxruntime.rewriting.graph_parts import NotExact
from jan_ort_onnxruntime.rewriting.small_values import SmallValues

HIDDEN = -9_999.0
"""What is added to a score to hide it, at most: e to this power is 0 in float32 beside any score that is seen."""

Values = Mapping[str, NDArray[Any]]


def find_window(masks: tuple[Mask, ...], values: SmallValues, context_length: int) -> int | None:
    """Return how many positions a token sees, itself among them; None for all of the context.

    Raises: NotExact for a mask that is neither, at one of the places that are looked at.
    """
    last = _visible(masks, values.at(1, context_length - 1), 1, context_length)[0]
    window = int(last.sum())
    for new, past in _places(window, context_length):
        ends = np.arange(past, past + new)[:, np.newaxis]
        positions = np.arange(past + new)
        expected = (positions <= ends) & (positions > ends - window)
        if not np.array_equal(_visible(masks, values.at(new, past), new, past + new), expected):
            raise NotExact("a layer's mask is neither causal nor a window")
    return window if window < context_length else None


def _places(window: int, context_length: int) -> Iterator[tuple[int, int]]:
    """Yield new and past tokens on both sides of the window's and the context's ends."""
    wanted = ((1, 0), (2, 0), (5, 3), (1, window - 1), (1, window), (3, window - 2), (3, window + 4), (9, 64))
    yield (1, context_length - 1)
    yield from ((new, past) for new, past in wanted if past >= 0 and new + past <= context_length)
    yield (min(2, context_length), max(0, context_length - 2))


def _visible(masks: tuple[Mask, ...], values: Values, new: int, total: int) -> NDArray[np.bool_]:
    """Return what a few tokens see, ``(new, total)``."""
    seen = np.ones((new, total), np.bool_)
    for mask in masks:
        one = _shown(mask, values)
        if (
            one.ndim < 2
            or set(one.shape[:-2]) - {1}
            or one.shape[-2] not in (1, new)
            or one.shape[-1] not in (1, total)
        ):
            raise NotExact(f"a layer's mask has the shape {one.shape}")
        seen &= one.reshape(one.shape[-2:])
    return seen


def _shown(mask: Mask, values: Values) -> NDArray[np.bool_]:
    value = values[mask.name]
    if mask.kind == "add":
        if not ((value == 0) | (value <= HIDDEN)).all():
            raise NotExact("a layer adds something else than a mask to its scores")
        return np.asarray(value == 0)
    if value.dtype != np.bool_ or not (values[mask.fill] <= HIDDEN).all():
        raise NotExact("a layer replaces scores by something else than a mask")
    return np.asarray(value if mask.kind == "keep" else ~value)
