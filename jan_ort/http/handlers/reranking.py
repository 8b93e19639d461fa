"""POST /v1/rerank and /v1/score: how well documents answer a query, by a cross-encoder."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quart import Response

from jan_ort.http.answering.json_answer import VALUE_CHARACTERS, json_answer
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import refuse_what_is_not_honoured
from jan_ort.http.reading.pairs import encode_pairs
from jan_ort.serving.reranking import RERANKING, RerankingModel
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateRerankRequest, CreateScoreRequest

logger = logging.getLogger(__name__)


async def create_rerank(server: Server, body: CreateRerankRequest) -> Response:
    """Answer with the documents' scores, the best first."""
    with await server.lend(RERANKING, body.model) as model:
        refuse_what_is_not_honoured(body)
        texts = [each if isinstance(each, str) else each.text for each in body.documents]
        pairs = await encode_pairs(model, body.query, texts, params=("query", "documents"))
        identity, scores = await _score(model, pairs, "rerank")
    best = np.argsort(-scores, kind="stable")[: body.top_n or None]  # of equals, the first in the request

    def result(at: int) -> dict[str, Any]:
        found: dict[str, Any] = {"index": at, "relevance_score": float(scores[at])}
        if body.return_documents:
            given = body.documents[at]
            found["document"] = {"text": given} if isinstance(given, str) else given.model_dump()
        return found

    weight = sum(len(texts[at]) for at in best) // VALUE_CHARACTERS if body.return_documents else 0
    return await json_answer(
        lambda: {
            "id": identity,
            "object": "list",
            "model": model.name,
            "results": [result(int(at)) for at in best],
            "usage": _usage(pairs),
        },
        weight=weight + 4 * len(best),
    )


async def create_score(server: Server, body: CreateScoreRequest) -> Response:
    """Answer with the score of each pair, in their order."""
    with await server.lend(RERANKING, body.model) as model:
        refuse_what_is_not_honoured(body)
        pairs = await _read_pairs(body, model)
        identity, scores = await _score(model, pairs, "score")
    data = [{"index": at, "object": "score", "score": float(score)} for at, score in enumerate(scores)]
    created = int(time.time())
    return await json_answer(
        lambda: {
            "id": identity,
            "object": "list",
            "created": created,
            "model": model.name,
            "data": data,
            "usage": _usage(pairs),
        },
        weight=3 * len(data),
    )


async def _read_pairs(body: CreateScoreRequest, model: RerankingModel) -> list[NDArray[np.int64]]:
    """Return the token ids of each pair. Raises: ApiError 400."""
    first, second, params = body.text_1, body.text_2, ("text_1", "text_2")
    if isinstance(first, str):
        return await encode_pairs(model, first, [second] if isinstance(second, str) else second, params=params)
    seconds = [second] * len(first) if isinstance(second, str) else second
    if len(first) != len(seconds):
        raise bad_request(
            "text_2", f"text_1 has {len(first)} texts and text_2 {len(seconds)}; give as many, or one text as text_1"
        )
    pairs = [
        await encode_pairs(model, one, [other], params=params, place=at)
        for at, (one, other) in enumerate(zip(first, seconds, strict=True))
    ]
    return [pair for (pair,) in pairs]


async def _score(model: RerankingModel, pairs: list[NDArray[np.int64]], kind: str) -> tuple[str, NDArray[np.float64]]:
    """Return the answer's id, which the log has, too, and the scores."""
    identity, started = f"{kind}-{uuid.uuid4().hex}", time.perf_counter()
    scores = await model.score(pairs)
    logger.info(
        "%s: %d prompt tokens in %d pairs, after %.3f s",
        identity,
        sum(map(len, pairs)),
        len(pairs),
        time.perf_counter() - started,
    )
    return identity, scores


def _usage(pairs: list[NDArray[np.int64]]) -> dict[str, int]:
    num_tokens = sum(map(len, pairs))
    return {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
