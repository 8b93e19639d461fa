"""POST /v1/completions: continue prompts."""

from __future__ import annotations

from quart import Response

from jan_ort.http.answering.answer import answer
from jan_ort.http.answering.completion_shape import CompletionShape
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.connection import borrow
from jan_ort.http.reading.completion import read_completion
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateCompletionRequest


async def create_completion(server: Server, body: CreateCompletionRequest) -> Response:
    """Answer with n choices for each prompt."""
    lease = await borrow(server.lend(GENERATING, body.model))
    plan = await read_completion(body, lease.model, server.settings)
    run = GenerationRun(plan, "cmpl-", lease.release)
    return await answer(run, CompletionShape(plan, run))
