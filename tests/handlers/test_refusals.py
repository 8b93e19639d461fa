"""What the schema allows and this server cannot serve: 400, naming the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from jan_ort.handlers import fields
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest
from tests.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post

FUNCTION = {"name": "f", "parameters": {}}
TOOL = {"type": "function", "function": FUNCTION}
IMAGE = {"type": "image_url", "image_url": "data:image/png;base64,AA=="}

UNFINISHED: dict[str, tuple[list[Any], list[Any]]] = {
    "suffix": (["the end"], [None, ""]),
    "echo": ([True], [False]),
    "logit_bias": ([{"5": 1.0}], [None, {}]),
    "logit_bias_type": (["input_ids", "tokens"], [None]),
    "mirostat_mode": ([1, 2], [0]),
    "grammar": (['root ::= "a"', ""], [None]),
    "response_format": (
        [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x"}}],
        [None, {"type": "text"}],
    ),
    "tools": ([[TOOL]], [None, []]),
    "tool_choice": (["required", {"type": "function", "function": {"name": "f"}}], [None, "none", "auto"]),
    "functions": ([[FUNCTION]], [None, []]),
    "function_call": ([{"name": "f"}], [None, "none", "auto"]),
    "parallel_tool_calls": ([False], [True]),
}
"""For each field: values that ask for something, and values that ask for nothing."""

PATHS: dict[str, type[BaseModel]] = {COMPLETIONS: CreateCompletionRequest, CHAT: CreateChatCompletionRequest}


def cases(neutral: bool) -> list[Any]:
    return [
        pytest.param(path, name, value, id=f"{path}-{name}-{value}")
        for name in sorted(fields._NOT_YET)
        for path, model in PATHS.items()
        for value in UNFINISHED[name][neutral]
        if name in model.model_fields
    ]


def test_every_unfinished_field_is_tested() -> None:
    assert set(fields._NOT_YET) <= set(UNFINISHED)


@pytest.mark.parametrize(("path", "name", "value"), cases(neutral=False))
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unfinished_field_is_refused_by_name(
    client: Client, path: str, name: str, value: object, stream: bool
) -> None:
    status, answer = await post(client, path, {name: value, "stream": stream})

    assert status == 400
    assert answer["error"]["param"] == name
    assert answer["error"]["code"] == "unsupported_field"


@pytest.mark.parametrize(("path", "name", "value"), cases(neutral=True))
async def test_an_unfinished_field_that_asks_for_nothing_is_accepted(
    client: Client, path: str, name: str, value: object
) -> None:
    status, answer = await post(client, path, {name: value, "max_tokens": 1})

    assert status == 200, answer


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (COMPLETIONS, {"temperature": -1}, "temperature"),
        (COMPLETIONS, {"n": 0}, "n"),
        (COMPLETIONS, {"n": -1}, "n"),
        (COMPLETIONS, {"n": 129}, "n"),
        (COMPLETIONS, {"n": 10**4000}, "n"),
        (COMPLETIONS, {"n": 128, "prompt": ["a"] * 2048}, "n"),
        (COMPLETIONS, {"best_of": 3}, "best_of"),
        (COMPLETIONS, {"best_of": 10**4000}, "best_of"),
        (COMPLETIONS, {"prompt": []}, "prompt"),
        (COMPLETIONS, {"prompt": ["a"] * 2049}, "prompt"),
        (COMPLETIONS, {"prompt": [512]}, "prompt"),
        (COMPLETIONS, {"prompt": [-1]}, "prompt"),
        (COMPLETIONS, {"prompt": [10**4000]}, "prompt"),
        (COMPLETIONS, {"prompt": [[5], [5, 99999]]}, "prompt"),
        (COMPLETIONS, {"stop": ""}, "stop"),
        (COMPLETIONS, {"stop": ["a", ""]}, "stop"),
        (COMPLETIONS, {"stop": ["a"] * 17}, "stop"),
        (CHAT, {"temperature": -0.1}, "temperature"),
        (CHAT, {"n": 0}, "n"),
        (CHAT, {"n": 129}, "n"),
        (CHAT, {"stop": ""}, "stop"),
        (CHAT, {"max_tokens": -5}, "max_tokens"),
        (CHAT, {"max_completion_tokens": -5}, "max_completion_tokens"),
        (CHAT, {"max_completion_tokens": 10**4000, "max_tokens": 5}, "max_completion_tokens"),
        (CHAT, {"messages": [{"role": "user", "content": [IMAGE]}]}, "messages.0.content.0.image_url"),
        (CHAT, {"top_logprobs": 2}, "top_logprobs"),
        (EMBEDDINGS, {"input": ""}, "input"),
        (EMBEDDINGS, {"input": []}, "input"),
        (EMBEDDINGS, {"input": ["a", ""]}, "input"),
        (EMBEDDINGS, {"input": [[]]}, "input"),
        (EMBEDDINGS, {"input": ["a"] * 2049}, "input"),
        (EMBEDDINGS, {"input": [512]}, "input"),
        (EMBEDDINGS, {"input": [[1], [-1]]}, "input"),
        (EMBEDDINGS, {"input": "a", "dimensions": 8}, "dimensions"),
        ("/extras/detokenize", {"tokens": [512]}, "tokens"),
        ("/extras/detokenize", {"tokens": [-1]}, "tokens"),
        ("/extras/detokenize", {"tokens": [2**70]}, "tokens"),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_served_is_400_and_names_the_field(
    client: Client, path: str, body: dict[str, Any], param: str, stream: bool
) -> None:
    status, answer = await post(client, path, body | ({"stream": True} if stream else {}))

    assert status == 400, answer
    assert answer["error"]["param"] == param
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "body", "param", "counts"),
    [
        (COMPLETIONS, {"prompt": [65] * 600}, "prompt", ("512", "616", "600 in the prompt", "16 to generate")),
        (COMPLETIONS, {"prompt": [65] * 500, "max_tokens": 13}, "prompt", ("512", "513", "500 in", "13 to generate")),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 10**4299}, "prompt", ("512", "10^4299")),
        (CHAT, {"messages": HELLO, "max_tokens": 510}, "messages", ("512", "510 to generate")),
        (CHAT, {"messages": HELLO, "max_completion_tokens": 510}, "messages", ("512", "510 to generate")),
        (CHAT, {"messages": [{"role": "user", "content": "word " * 5000}]}, "messages", ("512", "1 to generate")),
        (EMBEDDINGS, {"input": [65] * 513}, "input", ("512", "513")),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_context_overflow_is_400_with_the_counts(
    client: Client, path: str, body: dict[str, Any], param: str, counts: tuple[str, ...]
) -> None:
    status, answer = await post(client, path, body)

    assert status == 400
    assert answer["error"]["code"] == "context_length_exceeded"
    assert answer["error"]["param"] == param
    assert [count for count in counts if count not in answer["error"]["message"]] == []


async def test_a_prompt_that_just_fits_is_served(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"prompt": [65] * 500, "max_tokens": 12})

    assert status == 200
    assert answer["usage"]["prompt_tokens"] == 500


@pytest.mark.parametrize("name", ["tool_calls", "function_call"])
async def test_tool_calls_in_a_message_are_refused_by_name(client: Client, name: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    value = [call] if name == "tool_calls" else call["function"]

    status, answer = await post(client, CHAT, {"messages": [{"role": "assistant", "content": None, name: value}]})

    assert status == 400
    assert answer["error"]["param"] == f"messages.0.{name}"
