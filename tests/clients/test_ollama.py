"""Ollama's Python client: models, chats, prompts, streams, vectors, tools, formats and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ollama", reason="Ollama's client is not installed; run tox -e client-ollama")

import ollama

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
    completion_text,
    hello_text,
    vector,
)
from tests.clients.direct import ask as directly
from tests.clients.round_trip import TOOL
from tests.e2e.server_process import ServerProcess

OPTIONS = {"temperature": 0, "num_predict": MAX_TOKENS}
ASK: Any = {"model": REFERENCE, "messages": [{"role": "user", "content": HELLO}], "options": OPTIONS}


def client_of(server: ServerProcess) -> ollama.Client:
    return ollama.Client(host=server.url, headers={"Authorization": f"Bearer {KEY}"})


@pytest.fixture
def client(reference: ServerProcess) -> Iterator[ollama.Client]:
    with client_of(reference) as client:
        yield client


def test_models_are_listed_shown_and_loaded(client: ollama.Client) -> None:
    listed = [each.model for each in client.list().models]

    assert REFERENCE in listed
    assert {"completion", "tools"} <= set(client.show(REFERENCE).capabilities or ())
    assert {each.model for each in client.ps().models} <= set(listed)


def test_a_chat_says_what_openais_does(client: ollama.Client, reference: ServerProcess) -> None:
    answer = client.chat(**ASK)

    assert answer.message.content == hello_text(reference)
    assert (answer.done_reason, answer.eval_count) == ("length", MAX_TOKENS)


def test_a_streamed_chat(client: ollama.Client, reference: ServerProcess) -> None:
    chunks = list(client.chat(**ASK, stream=True))

    assert len(chunks) > 2
    assert "".join(each.message.content or "" for each in chunks) == hello_text(reference)
    assert [each.done for each in chunks[-2:]] == [False, True]


def test_a_prompt_is_a_chat_and_a_raw_one_a_text(client: ollama.Client, reference: ServerProcess) -> None:
    prompted = client.generate(model=REFERENCE, prompt=HELLO, options=OPTIONS)
    streamed = client.generate(model=REFERENCE, prompt=HELLO, options=OPTIONS, stream=True)
    raw = client.generate(model=REFERENCE, prompt=HELLO, raw=True, options=OPTIONS)

    assert prompted.response == "".join(each.response or "" for each in streamed) == hello_text(reference)
    assert raw.response == completion_text(reference)


def test_the_format_is_followed(client: ollama.Client) -> None:
    options = OPTIONS | {"num_predict": MAX_STRUCTURED_TOKENS}

    answer = client.chat(**ASK | {"options": options}, format=Capital.model_json_schema())

    assert Capital.model_validate_json(answer.message.content or "") == PARIS
    anything = client.chat(**ASK | {"options": options}, format="json")
    assert isinstance(json.loads(anything.message.content or ""), dict)


def test_tools_and_their_results_reach_the_prompt(client: ollama.Client) -> None:
    call = ollama.Message.ToolCall.Function(name="get_weather", arguments={"city": "Paris"})
    asked = ollama.Message(role="assistant", tool_calls=[ollama.Message.ToolCall(function=call)])
    question = ASK["messages"]

    def num_prompt_tokens(messages: Any, **fields: Any) -> int:
        return client.chat(**ASK | {"messages": messages}, **fields).prompt_eval_count or 0

    told = [*question, asked, {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    longer = [*question, asked, {"role": "tool", "tool_name": "get_weather", "content": "sunny, later cloudy"}]
    assert num_prompt_tokens(question) < num_prompt_tokens(question, tools=[TOOL])
    assert num_prompt_tokens(told, tools=[TOOL]) < num_prompt_tokens(longer, tools=[TOOL])


def test_vectors(client: ollama.Client, reference: ServerProcess) -> None:
    several = client.embed(model=REFERENCE, input=["a cat", "a dog"]).embeddings
    older = client.embeddings(model=REFERENCE, prompt="a cat").embedding

    assert [*several[0]] == pytest.approx(vector(reference, "a cat"), abs=1e-6)
    assert [*several[0]] == pytest.approx([*older], abs=1e-6) != [*several[1]]


def test_errors_are_the_clients_own(client: ollama.Client) -> None:
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as refused:
            list(client.chat(**ASK | {"messages": [{"role": "user", "content": OVERLONG}]}, stream=stream))
        assert refused.value.status_code == 400
        assert "maximum context length" in refused.value.error


@pytest.mark.weights
def test_real_weights(weights: ServerProcess) -> None:
    question = [{"role": "user", "content": FRANCE}]
    body = {"messages": question, "temperature": 0, "max_tokens": MAX_TOKENS}
    expected = directly(weights, "chat/completions", **body)["choices"][0]["message"]["content"]

    with client_of(weights) as client:
        answer = client.chat(model=CHAT, messages=question, options=OPTIONS)
        streamed = [*client.chat(model=f"{CHAT}:latest", messages=question, options=OPTIONS, stream=True)]
        found = client.embed(model=EMBEDDING, input="a cat").embeddings[0]
        listed = {each.model for each in client.list().models}

    assert answer.message.content == "".join(each.message.content or "" for each in streamed) == expected
    assert [*found] == pytest.approx(vector(weights, "a cat"), abs=1e-5)
    assert listed == {CHAT, EMBEDDING}
