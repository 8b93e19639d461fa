"""Anthropic's Python client: messages, streams, the round trip of a tool, counts and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("anthropic", reason="Anthropic's client is not installed; run tox -e client-anthropic")

import anthropic

from tests.clients.direct import (
    CHAT,
    FRANCE,
    HELLO,
    KEY,
    MAX_STRUCTURED_TOKENS,
    MAX_TOKENS,
    OVERLONG,
    REFERENCE,
    hello_text,
)
from tests.clients.direct import ask as directly
from tests.e2e.server_process import ServerProcess

ASK: Any = {"model": REFERENCE, "messages": [{"role": "user", "content": HELLO}], "extra_body": {"temperature": 0}}
SHORT: Any = ASK | {"max_tokens": MAX_TOKENS}
SCHEMA = {"type": "object", "properties": {"city": {"const": "Paris"}}, "required": ["city"]}
TOOL: Any = {"name": "get_weather", "description": "Get the weather.", "input_schema": SCHEMA}
FORCED: Any = ASK | {
    "max_tokens": MAX_STRUCTURED_TOKENS,
    "tools": [TOOL],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
}


def client_of(server: ServerProcess) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key=KEY, max_retries=0)


@pytest.fixture
def client(reference: ServerProcess) -> Iterator[anthropic.Anthropic]:
    with client_of(reference) as client:
        yield client


def test_a_message_says_what_a_chat_does(client: anthropic.Anthropic, reference: ServerProcess) -> None:
    message = client.messages.create(**SHORT)

    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == hello_text(reference)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", MAX_TOKENS)


def test_the_stream_helper_gathers_the_message(client: anthropic.Anthropic, reference: ServerProcess) -> None:
    end = hello_text(reference)[-4:]

    with client.messages.stream(**SHORT, stop_sequences=[end]) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()

    assert len(pieces) > 1
    assert "".join(pieces) + end == hello_text(reference) == message.content[0].text + end
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", end)


def test_raw_events_are_named(client: anthropic.Anthropic) -> None:
    kinds = [event.type for event in client.messages.create(**SHORT, stream=True)]

    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


def test_the_round_trip_of_a_tool(client: anthropic.Anthropic) -> None:
    asked = client.messages.create(**FORCED)
    (call,) = asked.content
    assert (asked.stop_reason, call.type, call.input) == ("tool_use", "tool_use", {"city": "Paris"})

    def answered(told: str) -> Any:
        result = {"type": "tool_result", "tool_use_id": call.id, "content": told}
        turns = [*ASK["messages"], {"role": "assistant", "content": asked.content}]
        return client.messages.create(
            **SHORT | {"messages": [*turns, {"role": "user", "content": [result]}], "tools": [TOOL]}
        )

    assert answered("sunny").usage.input_tokens < answered("sunny, with some clouds later").usage.input_tokens


def test_a_streamed_call_is_put_together(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**FORCED) as stream:
        message = stream.get_final_message()

    assert [(block.name, block.input) for block in message.content] == [("get_weather", {"city": "Paris"})]
    assert message.stop_reason == "tool_use"


def test_counts_are_the_usages(client: anthropic.Anthropic) -> None:
    prompt = {"model": REFERENCE, "messages": ASK["messages"], "system": "Be brief.", "tools": [TOOL]}

    counted = client.messages.count_tokens(**prompt)
    message = client.messages.create(**prompt, max_tokens=1)

    assert counted.input_tokens == message.usage.input_tokens


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"messages": [{"role": "user", "content": OVERLONG}]}, anthropic.BadRequestError),
        ({"messages": [{"role": "nobody", "content": "a"}]}, anthropic.BadRequestError),
        ({"stop_sequences": ["a"] * 200, "stream": True}, anthropic.BadRequestError),
    ],
    ids=["too long", "no such role", "of a stream"],
)
def test_errors_are_the_clients_own(
    client: anthropic.Anthropic, fields: dict[str, Any], error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as refused:
        client.messages.create(**SHORT | fields)

    assert refused.value.body["error"]["type"] == "invalid_request_error"


def test_a_wrong_key_is_refused(reference: ServerProcess) -> None:
    client = anthropic.Anthropic(base_url=reference.url, api_key="wrong", max_retries=0)

    with client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(**SHORT)


@pytest.mark.weights
def test_real_weights_answer_and_call(weights: ServerProcess) -> None:
    question = [{"role": "user", "content": FRANCE}]
    body: Any = {"messages": question, "max_tokens": MAX_TOKENS}
    answer = directly(weights, "chat/completions", **body, temperature=0)
    expected = answer["choices"][0]["message"]["content"]
    body |= {"model": CHAT, "extra_body": {"temperature": 0}}

    with client_of(weights) as client:
        message = client.messages.create(**body)
        with client.messages.stream(**body) as stream:
            streamed = "".join(stream.text_stream)
        called = client.messages.create(**FORCED | {"model": CHAT, "messages": question})
        counted = client.messages.count_tokens(model=CHAT, messages=question)

    assert message.content[0].text == streamed == expected
    assert called.content[0].input == {"city": "Paris"}
    assert counted.input_tokens == message.usage.input_tokens
