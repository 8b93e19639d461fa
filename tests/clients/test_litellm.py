"""LiteLLM's completion functions with its OpenAI-compatible provider, and with that of Ollama's API."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

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
    completion_text,
    hello,
    hello_text,
    vector,
)
from tests.clients.round_trip import EARLIER, FOLLOW_UP, INSTRUCTIONS, TOLD, expected_answers
from tests.clients.round_trip import MAX_TOKENS as MAX_TRIP_TOKENS
from tests.clients.round_trip import TOOL as WEATHER
from tests.e2e.server_process import ServerProcess

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # read at import, which would fetch the map otherwise
litellm = pytest.importorskip("litellm", reason="LiteLLM is not installed; run tox -e client-litellm")

pytestmark = [  # both are about LiteLLM's own types
    pytest.mark.filterwarnings("ignore:Items? '.*' on TypedDict class:UserWarning:pydantic"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning:litellm"),
]

HISTORY: list[dict[str, Any]] = [{"role": "user", "content": HELLO}]
TOOL = {"type": "function", "function": {"name": "tell_capital", "parameters": Capital.model_json_schema()}}
FORCED: dict[str, Any] = {
    "max_tokens": MAX_STRUCTURED_TOKENS,
    "tools": [TOOL],
    "tool_choice": "required",
    "parallel_tool_calls": False,
}


def completion(server: ServerProcess, **options: Any) -> Any:
    given: dict[str, Any] = {"model": f"openai/{REFERENCE}", "temperature": 0, "max_tokens": MAX_TOKENS}
    given |= {"messages": HISTORY, "api_base": f"{server.url}/v1", "api_key": KEY, "max_retries": 0}
    return litellm.completion(**given | options)


def test_chat(reference: ServerProcess) -> None:
    answer = completion(reference)

    assert answer.choices[0].message.content == hello_text(reference)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.prompt_tokens == hello(reference)["usage"]["prompt_tokens"]
    assert answer.usage.completion_tokens == MAX_TOKENS


def test_stream_with_usage(reference: ServerProcess) -> None:
    chunks = list(completion(reference, stream=True, stream_options={"include_usage": True}))

    deltas = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(deltas) == hello_text(reference)
    assert chunks[-1].usage.completion_tokens == MAX_TOKENS


@pytest.mark.parametrize("provider", ["ollama", "ollama_chat"])
def test_ollamas_api(reference: ServerProcess, provider: str) -> None:
    asked: dict[str, Any] = {"model": f"{provider}/{REFERENCE}", "api_base": reference.url}

    answer = completion(reference, **asked)
    chunks = list(completion(reference, **asked, stream=True))

    assert answer.choices[0].message.content == hello_text(reference)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == hello_text(reference)


def test_embeddings(reference: ServerProcess) -> None:
    answer = litellm.embedding(
        model=f"openai/{REFERENCE}", input=["the sun"], api_base=f"{reference.url}/v1", api_key=KEY
    )

    assert np.allclose(answer.data[0]["embedding"], vector(reference, "the sun"), atol=1e-6)


def test_text_completions(reference: ServerProcess) -> None:
    answer = litellm.text_completion(
        model=f"text-completion-openai/{REFERENCE}",
        prompt=HELLO,
        max_tokens=MAX_TOKENS,
        temperature=0,
        api_base=f"{reference.url}/v1",
        api_key=KEY,
    )

    assert answer.choices[0].text == completion_text(reference)


def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess) -> None:
    with pytest.raises(litellm.AuthenticationError, match="key is wrong"):
        completion(reference, api_key="wrong")


def test_an_overlong_prompt_exceeds_the_context_window(reference: ServerProcess) -> None:
    with pytest.raises(litellm.ContextWindowExceededError, match="512 tokens"):
        completion(reference, messages=[{"role": "user", "content": OVERLONG}])


def test_a_wrong_value_is_a_bad_request(reference: ServerProcess) -> None:
    with pytest.raises(litellm.BadRequestError, match="temperature must be 0 or more"):
        completion(reference, temperature=-1)


def test_answer_in_the_form_of_a_class(reference: ServerProcess) -> None:
    answer = completion(reference, response_format=Capital, max_tokens=MAX_STRUCTURED_TOKENS)

    assert Capital.model_validate_json(answer.choices[0].message.content) == PARIS


def test_required_tool_is_called(reference: ServerProcess) -> None:
    answer = completion(reference, **FORCED)

    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "tell_capital"
    assert json.loads(call.function.arguments) == PARIS.model_dump()


def test_streamed_tool_call(reference: ServerProcess) -> None:
    chunks = completion(reference, **FORCED, stream=True)

    answer = litellm.stream_chunk_builder(list(chunks))

    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("tell_capital", PARIS.model_dump())


def test_a_tools_result_reaches_the_prompt(reference: ServerProcess) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "tell_capital", "arguments": '{"city": "Paris"}'}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}

    def num_prompt_tokens(result: str) -> int:
        told = {"role": "tool", "tool_call_id": "call_1", "content": result}
        count: int = completion(reference, messages=[*HISTORY, asked, told], tools=[TOOL]).usage.prompt_tokens
        return count

    assert num_prompt_tokens("Paris, on the Seine") > num_prompt_tokens("Paris")


@pytest.mark.weights
@pytest.mark.parametrize("stream", [False, True])
def test_round_trip(weights: ServerProcess, stream: bool) -> None:
    turns: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, *EARLIER]

    def say(**options: Any) -> Any:
        given = {"model": f"openai/{CHAT}", "messages": turns, "tools": [WEATHER], "max_tokens": MAX_TRIP_TOKENS}
        answer = completion(weights, **given, stream=stream, **options)
        message = (litellm.stream_chunk_builder(list(answer)) if stream else answer).choices[0].message
        turns.append(message)
        return message

    calls = say(tool_choice="required").tool_calls
    cities = [json.loads(call.function.arguments)["city"] for call in calls]
    for call, city in zip(calls, cities, strict=True):
        result = {"tool_call_id": call.id, "name": call.function.name, "content": TOLD.format(city=city)}
        turns.append({"role": "tool", **result})
    first = say().content
    turns.append({"role": "user", "content": FOLLOW_UP})
    second = say().content

    assert [first, second] == expected_answers(weights, cities, first)


@pytest.mark.weights
def test_real_weights_answer_in_the_asked_form(weights: ServerProcess) -> None:
    answer = completion(
        weights,
        model=f"openai/{CHAT}",
        messages=[{"role": "user", "content": FRANCE}],
        response_format=City,
        max_tokens=MAX_STRUCTURED_TOKENS,
    )

    assert City.model_validate_json(answer.choices[0].message.content).name


@pytest.mark.weights
def test_real_weights_know_paris(weights: ServerProcess) -> None:
    asked = [{"role": "user", "content": FRANCE}]

    answer = completion(weights, model=f"openai/{CHAT}", messages=asked, max_tokens=30)

    assert "Paris" in answer.choices[0].message.content
