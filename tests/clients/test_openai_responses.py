"""OpenAI's Python client with the Responses API: plain, streamed, parsed, continued, and a tool's round trip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.clients.direct import CHAT, KEY, MAX_STRUCTURED_TOKENS, MAX_TOKENS, REFERENCE, Capital
from tests.e2e.server_process import ServerProcess

TOOL: Any = {
    "type": "function",
    "name": "now",
    "description": "Get the time.",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    "strict": True,
}


@pytest.fixture(params=["reference", pytest.param("weights", marks=pytest.mark.weights)])
def server(request: pytest.FixtureRequest) -> tuple[ServerProcess, str]:
    """A server with the name of its model."""
    name = {"reference": REFERENCE, "weights": CHAT}[request.param]
    return request.getfixturevalue(request.param), name


@pytest.fixture
def model(server: tuple[ServerProcess, str]) -> str:
    return server[1]


@pytest.fixture
def client(server: tuple[ServerProcess, str]) -> Iterator[openai.OpenAI]:
    with server[0].client(api_key=KEY) as client:
        yield client


def test_a_stream_says_what_a_response_says(client: openai.OpenAI, model: str) -> None:
    whole = client.responses.create(model=model, input="Hello", temperature=0, max_output_tokens=MAX_TOKENS)

    with client.responses.stream(model=model, input="Hello", temperature=0, max_output_tokens=MAX_TOKENS) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]

    assert "".join(deltas) == whole.output_text != ""


def test_an_answer_is_parsed(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.parse(
        model=model, input="Hello", text_format=Capital, max_output_tokens=MAX_STRUCTURED_TOKENS
    )

    assert isinstance(answer.output_parsed, Capital)


def test_a_tools_round_trip_goes_on_by_id(client: openai.OpenAI, model: str) -> None:
    first = client.responses.create(
        model=model,
        input="Hello",
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=MAX_STRUCTURED_TOKENS,
    )
    (call,) = (item for item in first.output if item.type == "function_call")

    second = client.responses.create(
        model=model,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "12:00"}],
        max_output_tokens=MAX_TOKENS,
    )

    assert second.output_text
    assert second.usage is not None
    assert second.usage.input_tokens_details.cached_tokens > 0
    assert client.responses.retrieve(second.id).output_text == second.output_text
