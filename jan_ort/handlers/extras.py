"""POST /extras/tokenize, /extras/tokenize/count and /extras/detokenize."""

from __future__ import annotations

import asyncio

from quart import Response, jsonify

from jan_ort.server import Server
from jan_ort_openapi.models import DetokenizeInputRequest, TokenizeInputRequest


async def tokenize(server: Server, body: TokenizeInputRequest) -> Response:
    """Answer with the token ids of a text."""
    token_ids = await server.for_tokens(body.model).encode(body.input)
    return jsonify({"tokens": token_ids.tolist()})


async def count_tokens(server: Server, body: TokenizeInputRequest) -> Response:
    """Answer with the number of tokens that ``tokenize`` would give."""
    token_ids = await server.for_tokens(body.model).encode(body.input)
    return jsonify({"count": len(token_ids)})


async def detokenize(server: Server, body: DetokenizeInputRequest) -> Response:
    """Answer with the text of token ids."""
    tokenizer = server.for_tokens(body.model).tokenizer
    return jsonify({"text": await asyncio.to_thread(tokenizer.decode, body.tokens)})
