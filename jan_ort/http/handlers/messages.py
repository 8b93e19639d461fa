"""POST /v1/messages and /v1/messages/count_tokens: a conversation, as Anthropic's clients ask."""

from __future__ import annotations

from functools import partial

from quart import Response, jsonify

from jan_ort.http.answering.answer import answer
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.connection import borrow
from jan_ort.http.messages.chat_fields import chat_fields
from jan_ort.http.messages.message_shape import MessageShape
from jan_ort.http.reading.as_chat import as_chat, read_as_chat
from jan_ort.http.reading.conversation import encode_conversation
from jan_ort.http.reading.openai_rules import check_messages
from jan_ort.http.reading.other_names import refuse_what_is_not_honoured
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CountMessageTokensRequest, CreateMessageRequest


async def create_message(server: Server, body: CreateMessageRequest) -> Response:
    """Answer with the assistant's message."""
    refuse_what_is_not_honoured(body)
    lease = await borrow(server.lend(GENERATING, body.model))
    plan = await read_as_chat(partial(chat_fields, body), lease.model, server.settings)
    run = GenerationRun(plan, "msg_", lease.release)
    return await answer(run, MessageShape(plan, run))


async def count_message_tokens(server: Server, body: CountMessageTokensRequest) -> Response:
    """Answer with the number of tokens of the request's prompt."""
    refuse_what_is_not_honoured(body)
    with await server.lend(GENERATING, body.model) as model:
        chat, names = await as_chat(partial(chat_fields, body))
        with names.telling():
            if server.settings.strict_openai:
                check_messages(chat.messages)
            prompt = await encode_conversation(model, chat)
    return jsonify({"input_tokens": len(prompt.token_ids)})
