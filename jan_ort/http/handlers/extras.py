"""POST /extras/tokenize, /extras/tokenize/count and /extras/detokenize."""

from __future__ import annotations

from quart import Response, jsonify

from jan_ort.http.answering.json_answer import VALUE_CHARACTERS, json_answer
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.conversation import encode_conversation
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.server import Server
from jan_ort_openapi import SchemaViolation, Violation
from jan_ort_openapi.models import (
    CountTokensRequest,
    CreateChatCompletionRequest,
    DetokenizeInputRequest,
    TokenizeInputRequest,
)

_OF_THE_PROMPT = ("messages", "tools", "tool_choice", "functions", "function_call")
"""What of a chat request decides on its prompt."""


async def tokenize(server: Server, body: TokenizeInputRequest) -> Response:
    """Answer with the token ids of a text."""
    with await server.lend_for_tokens(body.model) as model:
        token_ids = await model.encode(body.input)
    return await json_answer(lambda: {"tokens": token_ids}, weight=len(token_ids))


async def count_tokens(server: Server, body: CountTokensRequest) -> Response:
    """Answer with the number of tokens that ``tokenize`` would give, or that a chat request's prompt has.

    Raises: SchemaViolation if the body is neither; ApiError 400 if it is both.
    """
    if "messages" not in body.model_fields_set:
        if not isinstance(body.input, str):
            missing = Violation(loc=["body", "input"], msg="Field required", type="missing")
            raise SchemaViolation([missing], "input", missing["msg"])
        for name in _OF_THE_PROMPT[1:]:
            if getattr(body, name) is not None:
                raise bad_request(name, f"{name} belongs to a conversation; send messages instead of input")
        with await server.lend_for_tokens(body.model) as model:
            token_ids = await model.encode(body.input)
    elif isinstance(body.input, str):
        raise bad_request("input", "the body has input and messages; send only the one to count")
    else:
        chat = CreateChatCompletionRequest.model_construct(  # it has been checked as a part of this body
            **{name: getattr(body, name) for name in _OF_THE_PROMPT if name in body.model_fields_set},
            **(body.model_extra or {}),
        )
        with await server.lend(GENERATING, body.model) as chat_model:
            token_ids = (await encode_conversation(chat_model, chat)).token_ids
    return jsonify({"count": len(token_ids)})


async def detokenize(server: Server, body: DetokenizeInputRequest) -> Response:
    """Answer with the text of token ids."""
    with await server.lend_for_tokens(body.model) as model:
        text = await model.decode(body.tokens)
    return await json_answer(lambda: {"text": text}, weight=len(text) // VALUE_CHARACTERS)
