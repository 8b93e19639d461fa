"""POST /v1/embeddings: one vector a text."""

from __future__ import annotations

import base64
import logging
import time
import uuid
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from quart import Response

from jan_ort.ground.shown_text import quoted
from jan_ort.http.answering.json_answer import json_answer
from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.asker import logged_asker
from jan_ort.http.reading.other_names import refuse_what_is_not_honoured
from jan_ort.http.reading.prompts import Texts, encode_prompts
from jan_ort.serving.embedding import EMBEDDING, EmbeddingModel
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateEmbeddingRequest

logger = logging.getLogger(__name__)


class Embedded(NamedTuple):
    """What was embedded: float32 vectors ``(inputs, size)``, by which model, of how many tokens."""

    model: str
    vectors: NDArray[np.float32]
    num_tokens: int


async def create_embedding(server: Server, body: CreateEmbeddingRequest) -> Response:
    """Answer with the embedding of each input, in their order."""
    model, vectors, num_tokens = await embedded(server, body)
    as_base64 = body.encoding_format == "base64"
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    data = (
        {"object": "embedding", "index": index, "embedding": _encode(vector, as_base64=as_base64)}
        for index, vector in enumerate(vectors)
    )
    return await json_answer(
        lambda: {"object": "list", "model": model, "data": data, "usage": usage}, weight=vectors.size
    )


async def embedded(server: Server, body: CreateEmbeddingRequest, *, is_cut: bool = False) -> Embedded:
    """Return the vectors that a request asks for; if ``is_cut``, of as much of each text as fits the context.

    Raises: ApiError 400, ServingError.
    """
    with await server.lend(EMBEDDING, body.model) as model:
        inputs = await _read(body, model, is_cut=is_cut)
        started = time.perf_counter()
        vectors = _shortened(await model.embed(inputs), body.dimensions)
    num_tokens = sum(len(token_ids) for token_ids in inputs)
    logger.info(
        "embd-%s: %d prompt tokens in %d inputs, after %.3f s%s%s",
        uuid.uuid4().hex,
        num_tokens,
        len(inputs),
        time.perf_counter() - started,
        f", user {quoted(body.user)}" if body.user else "",
        logged_asker(),
    )
    return Embedded(model.name, vectors, num_tokens)


async def _read(body: CreateEmbeddingRequest, model: EmbeddingModel, *, is_cut: bool) -> list[NDArray[np.int64]]:
    """Return the inputs' token ids. Raises: ApiError 400 that names the field."""
    refuse_what_is_not_honoured(body)
    _check_dimensions(body.dimensions, model)
    inputs = await encode_prompts(model, _prompted(body, model), param="input", is_cut=is_cut)
    for at, token_ids in enumerate(inputs):
        if not len(token_ids):
            raise bad_request("input", f"input {at} has no tokens; give a text or at least one token id")
        if len(token_ids) > model.context_length:
            raise bad_request(
                "input",
                f"input {at} has {len(token_ids)} tokens, but this model's maximum context length is "
                f"{model.context_length}; shorten the text or split it",
                code="context_length_exceeded",
            )
    return inputs


def _prompted(body: CreateEmbeddingRequest, model: EmbeddingModel) -> Texts:
    """Return the input with one of the model's prompts before each text. Raises: ApiError 400 for another's."""
    prompts, texts = model.folder.prompts, body.input
    if body.prompt_name and body.prompt_name not in prompts:
        known = ", ".join(prompts) or "none"
        message = f"model {model.name!r} has no prompt {body.prompt_name[:80]!r}; it has {known}"
        raise bad_request("prompt_name", message)
    prompt = model.folder.default_prompt if body.prompt_name is None else prompts.get(body.prompt_name, "")
    if not prompt:
        return texts
    if isinstance(texts, str):
        return prompt + texts
    if all(isinstance(each, str) for each in texts):
        return [f"{prompt}{each}" for each in texts]
    if body.prompt_name:
        raise bad_request("prompt_name", "prompt_name is for texts, not token ids; leave it out")
    return texts


def _check_dimensions(wanted: int | None, model: EmbeddingModel) -> None:
    """Refuse a length that the model's vectors do not have, and cannot be cut to. Raises: ApiError 400."""
    own, shorter = model.session.info.embedding_size, model.folder.vector_lengths
    if not wanted or wanted == own:
        return
    if shorter is None:
        message = f"model {model.name!r} has vectors of {own} numbers, and none of another length; leave dimensions out"
        raise unsupported("dimensions", message)
    if wanted > own or (shorter and wanted not in shorter):
        lengths = f"one of {', '.join(map(str, shorter))}" if shorter else f"at most {own}"
        raise bad_request("dimensions", f"dimensions must be {lengths} for model {model.name!r}, not {wanted}")


def _shortened(vectors: NDArray[np.float32], length: int | None) -> NDArray[np.float32]:
    """Return the first ``length`` numbers of each vector, of length 1 again."""
    if not length or length == vectors.shape[1]:
        return vectors
    cut = vectors[:, :length]
    shortened: NDArray[np.float32] = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
    return shortened


def _encode(vector: NDArray[np.float32], *, as_base64: bool) -> Any:
    """Return a vector as numbers, or as base64 of its little-endian float32 bytes."""
    if as_base64:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    return vector.tolist()
