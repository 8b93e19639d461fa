"""Pydantic AI's agents with its chat completions model, and its embedder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import openai
import pytest

pytest.importorskip("pydantic_ai", reason="Pydantic AI is not installed; run tox -e client-pydantic-ai")

from pydantic_ai import Agent, Embedder, NativeOutput, ToolOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelAuthenticationError, ModelContextWindowExceededError
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.direct import (
    CHAT,
    FRANCE,
    HELLO,
    KEY,
    MAX_STRUCTURED_TOKENS,
    MAX_TOKENS,
    OVERLONG,
    PARIS,
    REFERENCE,
    Capital,
    City,
    hello,
    hello_text,
    vector,
)
from tests.e2e.server_process import ServerProcess


@asynccontextmanager
async def provider(server: ServerProcess, key: str = KEY) -> AsyncIterator[OpenAIProvider]:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client:
        yield OpenAIProvider(openai_client=client)


@asynccontextmanager
async def agent(
    server: ServerProcess, *, model: str = REFERENCE, key: str = KEY, max_tokens: int = MAX_TOKENS, **options: Any
) -> AsyncIterator[Agent[None, Any]]:
    async with provider(server, key) as found:
        settings = {"temperature": 0, "max_tokens": max_tokens}
        yield Agent(OpenAIChatModel(model, provider=found), model_settings=settings, **options)


async def test_chat(reference: ServerProcess) -> None:
    async with agent(reference) as asked:
        answer = await asked.run(HELLO)

    assert answer.output == hello_text(reference)
    assert answer.usage.input_tokens == hello(reference)["usage"]["prompt_tokens"]
    assert answer.usage.output_tokens == MAX_TOKENS


async def test_stream(reference: ServerProcess) -> None:
    async with agent(reference) as asked, asked.run_stream(HELLO) as answer:
        deltas = [delta async for delta in answer.stream_text(delta=True, debounce_by=None)]

    assert len(deltas) > 1
    assert "".join(deltas) == hello_text(reference)
    assert answer.usage.output_tokens == MAX_TOKENS


async def test_embeddings(reference: ServerProcess) -> None:
    async with provider(reference) as found:
        answer = await Embedder(OpenAIEmbeddingModel(REFERENCE, provider=found)).embed_query("the sun")

    assert np.allclose(answer.embeddings[0], vector(reference, "the sun"), atol=1e-6)


async def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess) -> None:
    async with agent(reference, key="wrong") as asked:
        with pytest.raises(ModelAuthenticationError, match="key is wrong"):
            await asked.run(HELLO)


async def test_an_overlong_prompt_exceeds_the_context_window(reference: ServerProcess) -> None:
    async with agent(reference) as asked:
        with pytest.raises(ModelContextWindowExceededError, match="512 tokens"):
            await asked.run(OVERLONG)


@pytest.mark.parametrize("form", [NativeOutput, ToolOutput])
async def test_typed_output(reference: ServerProcess, form: Any) -> None:
    async with agent(reference, output_type=form(Capital), max_tokens=MAX_STRUCTURED_TOKENS) as asked:
        answer = await asked.run(HELLO)

    assert answer.output == PARIS


async def test_typed_stream(reference: ServerProcess) -> None:
    async with (
        agent(reference, output_type=NativeOutput(Capital), max_tokens=MAX_STRUCTURED_TOKENS) as asked,
        asked.run_stream(HELLO) as answer,
    ):
        assert await answer.get_output() == PARIS


async def test_a_tools_result_reaches_the_prompt(reference: ServerProcess) -> None:
    def tell_capital(country: str) -> str:
        raise AssertionError("the history has the result already")

    async def num_prompt_tokens(asked: Agent[None, Any], result: str) -> int:
        call = ToolCallPart("tell_capital", {"country": "France"}, tool_call_id="call_1")
        told = ToolReturnPart("tell_capital", result, tool_call_id="call_1")
        history = [ModelRequest([UserPromptPart(HELLO)]), ModelResponse([call]), ModelRequest([told])]
        return (await asked.run(message_history=history)).usage.input_tokens

    async with agent(reference, tools=[tell_capital]) as asked:
        assert await num_prompt_tokens(asked, "Paris, on the Seine") > await num_prompt_tokens(asked, "Paris")


@pytest.mark.weights
async def test_real_weights_answer_in_the_asked_form(weights: ServerProcess) -> None:
    asked_for = NativeOutput(City)

    async with agent(weights, model=CHAT, output_type=asked_for, max_tokens=MAX_STRUCTURED_TOKENS) as asked:
        answer = await asked.run(FRANCE)

    assert isinstance(answer.output, City)
    assert answer.output.name


@pytest.mark.weights
async def test_real_weights_know_paris(weights: ServerProcess) -> None:
    async with agent(weights, model=CHAT, max_tokens=30) as asked:
        answer = await asked.run(FRANCE)

    assert "Paris" in answer.output
