"""Pairs of texts to score: one with each of several, or two lists side by side (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.models.tokenizer import TextTooLong
from jan_ort.serving.reranking import RerankingModel

TokenIds = NDArray[np.int64]


async def encode_pairs(
    model: RerankingModel, first: str, seconds: Sequence[str], *, params: tuple[str, str], place: int = 0
) -> list[TokenIds]:
    """Return the token ids of a text with each of the others; ``params`` name the fields of both in errors.

    ``place`` is that of the first of ``seconds`` in its field.

    Raises: ApiError 400 that names the text which does not fit the model together with the first.
    """
    own, others = params
    try:
        (alone,) = await model.encode_parts([first], fits=True)
        if len(alone) > model.context_length:
            raise TextTooLong(len(alone), model.context_length)
        behind = await model.encode_behind(first)
    except TextTooLong as error:
        raise _too_long(own, None, error.at_least, model) from error
    try:
        pairs = await behind(seconds)
    except TextTooLong as error:
        raise _too_long(others, place + (error.place or 0), error.at_least, model) from error
    for at, pair in enumerate(pairs, place):
        if len(pair) > model.context_length:
            raise _too_long(others, at, len(pair), model)
        if not len(pair):
            raise bad_request(own, f"{own} and {others} {at} have no tokens; give a text")
    return pairs


def _too_long(param: str, at: int | None, num_tokens: int, model: RerankingModel) -> ApiError:
    named = param if at is None else f"{param}[{at}]"
    return bad_request(
        named,
        f"{named} has at least {num_tokens} tokens with the text that it is paired with, but this model's maximum "
        f"context length is {model.context_length} tokens; shorten it or split it",
        code="context_length_exceeded",
    )
