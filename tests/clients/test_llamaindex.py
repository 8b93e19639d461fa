"""LlamaIndex's OpenAI-like language and embedding models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest

pytest.importorskip("llama_index.llms.openai_like", reason="LlamaIndex is not installed; run tox -e client-llamaindex")

from llama_index.core import VectorStoreIndex
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from tests.clients.direct import (
    CHAT,
    EMBEDDING,
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
    completion_text,
    hello,
    hello_text,
    vector,
)
from tests.e2e.server_process import ServerProcess

HISTORY = [ChatMessage(role="user", content=HELLO)]


@pytest.fixture
def connections() -> Iterator[httpx.Client]:
    """Connections that are closed after the test; LlamaIndex leaves its own open."""
    with httpx.Client(timeout=60) as client:
        yield client


def chat_model(server: ServerProcess, connections: httpx.Client, **options: Any) -> OpenAILike:
    given: dict[str, Any] = {"model": REFERENCE, "temperature": 0, "max_tokens": MAX_TOKENS, "max_retries": 0}
    given |= {"api_base": f"{server.url}/v1", "api_key": KEY, "context_window": 512, "is_chat_model": True}
    return OpenAILike(http_client=connections, **given | options)


def calling_model(server: ServerProcess, connections: httpx.Client) -> OpenAILike:
    return chat_model(server, connections, is_function_calling_model=True, max_tokens=MAX_STRUCTURED_TOKENS)


def embedding_model(server: ServerProcess, connections: httpx.Client, name: str) -> OpenAILikeEmbedding:
    return OpenAILikeEmbedding(
        model_name=name, api_base=f"{server.url}/v1", api_key=KEY, max_retries=0, http_client=connections
    )


def test_chat(reference: ServerProcess, connections: httpx.Client) -> None:
    answer = chat_model(reference, connections).chat(HISTORY)

    assert answer.message.content == hello_text(reference)
    assert answer.additional_kwargs["prompt_tokens"] == hello(reference)["usage"]["prompt_tokens"]
    assert answer.additional_kwargs["completion_tokens"] == MAX_TOKENS


def test_stream(reference: ServerProcess, connections: httpx.Client) -> None:
    deltas = [chunk.delta or "" for chunk in chat_model(reference, connections).stream_chat(HISTORY)]

    assert "".join(deltas) == hello_text(reference)


async def test_asynchronous_chat(reference: ServerProcess, connections: httpx.Client) -> None:
    async with httpx.AsyncClient() as concurrent:
        answer = await chat_model(reference, connections, async_http_client=concurrent).achat(HISTORY)

    assert answer.message.content == hello_text(reference)


def test_completions_and_their_stream(reference: ServerProcess, connections: httpx.Client) -> None:
    model = chat_model(reference, connections, is_chat_model=False)

    assert model.complete(HELLO).text == completion_text(reference)
    assert "".join(chunk.delta or "" for chunk in model.stream_complete(HELLO)) == completion_text(reference)


def test_embeddings(reference: ServerProcess, connections: httpx.Client) -> None:
    vectors = embedding_model(reference, connections, REFERENCE).get_text_embedding_batch(["the sun", "the river"])

    assert np.allclose(vectors, [vector(reference, "the sun"), vector(reference, "the river")], atol=1e-6)


def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess, connections: httpx.Client) -> None:
    with pytest.raises(openai.AuthenticationError, match="key is wrong"):
        chat_model(reference, connections, api_key="wrong").chat(HISTORY)


def test_an_overlong_prompt_is_a_bad_request(reference: ServerProcess, connections: httpx.Client) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat_model(reference, connections).chat([ChatMessage(role="user", content=OVERLONG)])

    assert refused.value.code == "context_length_exceeded"


def test_structured_answer(reference: ServerProcess, connections: httpx.Client) -> None:
    answer = calling_model(reference, connections).as_structured_llm(Capital).complete(HELLO)

    assert answer.raw == PARIS


def test_structured_answer_by_json_schema(reference: ServerProcess, connections: httpx.Client) -> None:
    model = chat_model(reference, connections, should_use_structured_outputs=True, max_tokens=MAX_STRUCTURED_TOKENS)

    answer = model.as_structured_llm(Capital).complete(HELLO)

    assert answer.raw == PARIS


def test_required_tool_is_called(reference: ServerProcess, connections: httpx.Client) -> None:
    def tell_capital(city: str) -> str:
        return city

    tool = FunctionTool.from_defaults(tell_capital, fn_schema=Capital, description="Tell.")

    answer = calling_model(reference, connections).chat_with_tools([tool], HELLO, tool_required=True)

    (call,) = calling_model(reference, connections).get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("tell_capital", PARIS.model_dump())


@pytest.mark.weights
def test_an_index_finds_the_nearest_text_and_a_model_reads_it(
    weights: ServerProcess, connections: httpx.Client
) -> None:
    nodes = [TextNode(text="The capital of France is Paris."), TextNode(text="Bread is baked in an oven.")]
    index = VectorStoreIndex(nodes, embed_model=embedding_model(weights, connections, EMBEDDING))
    model = chat_model(weights, connections, model=CHAT, context_window=8192, max_tokens=40)

    found = index.as_retriever(similarity_top_k=1).retrieve(FRANCE)
    answer = index.as_query_engine(llm=model, similarity_top_k=1).query(FRANCE)

    assert [each.node.text for each in found] == [nodes[0].text]
    assert "Paris" in str(answer)


@pytest.mark.weights
def test_real_weights_answer_in_the_asked_form(weights: ServerProcess, connections: httpx.Client) -> None:
    model = chat_model(
        weights, connections, model=CHAT, should_use_structured_outputs=True, max_tokens=MAX_STRUCTURED_TOKENS
    )

    answer = model.as_structured_llm(City).complete(FRANCE)

    assert isinstance(answer.raw, City)
    assert answer.raw.name
