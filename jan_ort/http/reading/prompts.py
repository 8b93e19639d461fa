"""Prompts and inputs in their four spellings: text, texts, token ids, lists of token ids (hop 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort.http.api_error import bad_request, surely_overflows
from jan_ort.models.tokenizer import TextTooLong, TokenIdError
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.served_model import ServedModel

_Encoded = TypeVar("_Encoded")

Texts = str | list[str] | list[int] | list[list[int]]

MAX_PROMPTS = 2048
"""Prompts or inputs of one request, as in OpenAI's API."""


def num_prompts(texts: Texts, *, param: str) -> int:
    """Return how many prompts they are. Raises: ApiError 400 for none, and for more than MAX_PROMPTS."""
    if isinstance(texts, str) or (texts and isinstance(texts[0], int)):  # the schema allows no mixture
        return 1
    if not 1 <= len(texts) <= MAX_PROMPTS:
        raise bad_request(param, f"{param} is a list of {len(texts)}; between 1 and {MAX_PROMPTS} are allowed")
    return len(texts)


async def encode_prompts(
    model: ServedModel, texts: Texts, *, param: str, is_cut: bool = False
) -> list[NDArray[np.int64]]:
    """Return the token ids of each prompt, int64 ``(n,)``; of texts that do not fit the context, if ``is_cut``, a part.

    Raises: ApiError 400 for no prompt, for more than MAX_PROMPTS, for an id out of range, and for what cannot fit.
    """
    if isinstance(texts, str):
        texts = [texts]
    num_prompts(texts, param=param)
    if isinstance(texts[0], int):
        return await _checked(model, [texts], param)
    if isinstance(texts[0], str):
        return await fitting(model.encode_starts(texts) if is_cut else model.encode_all(texts, fits=True), param)
    return await _checked(model, texts, param)


async def fitting(encoded: Awaitable[_Encoded], param: str) -> _Encoded:
    """Return what is encoded. Raises: ApiError 400 naming ``param`` for what cannot fit the context."""
    try:
        return await encoded
    except TextTooLong as error:
        raise surely_overflows(param, error.at_least, error.limit) from error


def prompt_texts(texts: Texts, num_prompts: int) -> list[str | None]:
    """Return each prompt's text, None for one that is given as token ids."""
    if isinstance(texts, str):
        return [texts]
    return [text if isinstance(text, str) else None for text in texts] if num_prompts == len(texts) else [None]


def starting_token(model: ServedModel) -> NDArray[np.int64]:
    """Return what an empty prompt is generated from: BOS, or the end-of-text token where there is no BOS."""
    token_id = model.folder.bos_token_id
    if token_id is None:
        token_id = next(iter(model.folder.eos_token_ids), 0)
    return np.array([token_id], dtype=np.int64)


def check_known(model: GenerativeModel, prompts: Sequence[NDArray[np.int64]], param: str) -> None:
    """Check that the model knows every token of its tokenizer that is used. Raises: ApiError 400."""
    for token_ids in prompts:
        largest = int(token_ids.max(initial=0))
        if largest >= model.vocab_size:
            name = model.tokenizer.token_text(largest)
            raise bad_request(
                param,
                f"{name!r} is token {largest} of tokenizer.json, and the model has {model.vocab_size}: leave it out",
            )


async def _checked(model: ServedModel, prompts: list[list[int]], param: str) -> list[NDArray[np.int64]]:
    try:
        return await model.check_all(prompts)
    except TokenIdError as error:
        raise bad_request(param, str(error), code="invalid_token_id") from error
