"""POST /v1/chat/completions: answer a conversation."""

from __future__ import annotations

from quart import Response

from jan_ort.http.answering.answer import answer
from jan_ort.http.answering.chat_shape import ChatShape
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.connection import borrow
from jan_ort.http.reading.chat import read_chat
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateChatCompletionRequest


async def create_chat_completion(server: Server, body: CreateChatCompletionRequest) -> Response:
    """Answer with n messages of the assistant."""
    lease = await borrow(server.lend(GENERATING, body.model))
    plan = await read_chat(body, lease.model, server.settings)
    run = GenerationRun(plan, "chatcmpl-", lease.release)  # at the last event: a slow reader keeps no model
    return await answer(run, ChatShape(plan, run))
