"""What the schema allows and this server cannot serve: 400, naming the field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post, serving

FUNCTION = {"name": "f", "parameters": {}}
TOOL = {"type": "function", "function": FUNCTION}
IMAGE = {"type": "image_url", "image_url": "data:image/png;base64,AA=="}
JSON = {"type": "json_object"}


def schema(value: object) -> dict[str, Any]:
    return {"response_format": {"type": "json_object", "schema": value}}


@pytest.mark.parametrize(
    "body",
    [
        {"suffix": ""},
        {"suffix": None},
        {"logit_bias": None, "logit_bias_type": "tokens"},
        {"logit_bias": {}},
        {"best_of": None, "n": 2},
        {"mirostat_mode": 0, "mirostat_tau": 1.0},
        {"grammar": None},
    ],
    ids=str,
)
async def test_a_field_that_asks_for_nothing_changes_nothing(client: Client, body: dict[str, Any]) -> None:
    _, plain = await post(client, COMPLETIONS, {"temperature": 0, "max_tokens": 4})

    status, answer = await post(client, COMPLETIONS, body | {"temperature": 0, "max_tokens": 4})

    assert status == 200, answer
    assert answer["choices"][0] == plain["choices"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": None},
        {"response_format": {"type": "text"}},
        {"tools": [], "tool_choice": "auto"},
        {"tools": None, "tool_choice": None, "functions": None, "function_call": None},
        {"tool_choice": "none", "function_call": "none"},
        {"parallel_tool_calls": False},
    ],
    ids=str,
)
async def test_a_chat_field_that_asks_for_nothing_changes_nothing(client: Client, body: dict[str, Any]) -> None:
    plain = {"messages": HELLO, "temperature": 0, "max_tokens": 4}
    _, expected = await post(client, CHAT, plain)

    status, answer = await post(client, CHAT, plain | body)

    assert status == 200, answer
    assert answer["choices"] == expected["choices"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (COMPLETIONS, {"temperature": -1}, "temperature"),
        (COMPLETIONS, {"n": 0}, "n"),
        (COMPLETIONS, {"n": -1}, "n"),
        (COMPLETIONS, {"n": 129}, "n"),
        (COMPLETIONS, {"n": 10**399}, "n"),
        (COMPLETIONS, {"n": 128, "prompt": ["a"] * 2048}, "n"),
        (COMPLETIONS, {"best_of": 0}, "best_of"),
        (COMPLETIONS, {"best_of": 2, "n": 3}, "best_of"),
        (COMPLETIONS, {"best_of": 1, "n": 3}, "best_of"),
        (COMPLETIONS, {"best_of": 129}, "best_of"),
        (COMPLETIONS, {"best_of": 128, "prompt": ["a"] * 2048}, "best_of"),
        (COMPLETIONS, {"logit_bias": {"512": 1}}, "logit_bias"),
        (COMPLETIONS, {"logit_bias": {"-1": 1}}, "logit_bias"),
        (COMPLETIONS, {"logit_bias": {"the": 1}}, "logit_bias"),
        (COMPLETIONS, {"logit_bias": {"1.0": 1}}, "logit_bias"),
        (COMPLETIONS, {"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        (COMPLETIONS, {"logit_bias": {"": 1}, "logit_bias_type": "tokens"}, "logit_bias"),
        (COMPLETIONS, {"grammar": 'root ::= "a'}, "grammar"),
        (COMPLETIONS, {"grammar": "root ::= other"}, "grammar"),
        (CHAT, {"grammar": 'root ::= "a"', "response_format": JSON}, "grammar"),
        (CHAT, {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (CHAT, {"response_format": JSON | {"json_schema": {"name": "x"}}}, "response_format.json_schema"),
        (CHAT, schema(5), "response_format.schema"),
        (CHAT, schema("x"), "response_format.schema"),
        (CHAT, schema([]), "response_format.schema"),
        (CHAT, schema(False), "response_format.schema"),
        (CHAT, schema({"type": "nothing"}), "response_format.schema"),
        (CHAT, {"tool_choice": "required"}, "tool_choice"),
        (CHAT, {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        (CHAT, {"tools": [TOOL], "functions": [FUNCTION]}, "functions"),
        (CHAT, {"tools": [TOOL], "response_format": JSON | {"schema": {"type": "nothing"}}}, "response_format.schema"),
        (CHAT, {"tools": [TOOL], "grammar": 'root ::= "a"'}, "grammar"),
        (COMPLETIONS, {"best_of": 10**399}, "best_of"),
        (COMPLETIONS, {"prompt": []}, "prompt"),
        (COMPLETIONS, {"prompt": ["a"] * 2049}, "prompt"),
        (COMPLETIONS, {"prompt": [512]}, "prompt"),
        (COMPLETIONS, {"prompt": [-1]}, "prompt"),
        (COMPLETIONS, {"prompt": [10**399]}, "prompt"),
        (COMPLETIONS, {"prompt": [[5], [5, 99999]]}, "prompt"),
        (COMPLETIONS, {"stop": ["a"] * 129}, "stop"),
        (CHAT, {"temperature": -0.1}, "temperature"),
        (CHAT, {"n": 0}, "n"),
        (CHAT, {"n": 129}, "n"),
        (CHAT, {"max_tokens": -5}, "max_tokens"),
        (CHAT, {"max_completion_tokens": -5}, "max_completion_tokens"),
        (CHAT, {"max_completion_tokens": 10**399, "max_tokens": 5}, "max_completion_tokens"),
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
        (CHAT, {"messages": [{"role": "user", "content": "word " * 5000}]}, "messages", ("512", "at least 19")),
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


@pytest.mark.parametrize(
    ("path", "body", "param", "counts"),
    [
        (COMPLETIONS, {"prompt": [65] * 500, "max_tokens": 13}, "prompt", ("512", "513", "500 in", "13 to generate")),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 10**511}, "prompt", ("512", "10^511")),
        (CHAT, {"messages": HELLO, "max_tokens": 510}, "messages", ("512", "510 to generate")),
        (CHAT, {"messages": HELLO, "max_completion_tokens": 510}, "messages", ("512", "510 to generate")),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_under_strict_limits_more_than_the_context_leaves_is_400_with_the_counts(
    path: str, body: dict[str, Any], param: str, counts: tuple[str, ...]
) -> None:
    async with serving(strict_limits=True) as app:
        status, answer = await post(app.test_client(), path, body)

    assert status == 400
    assert (answer["error"]["code"], answer["error"]["param"]) == ("context_length_exceeded", param)
    assert [count for count in counts if count not in answer["error"]["message"]] == []


async def test_a_prompt_that_just_fits_is_served(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"prompt": [65] * 500, "max_tokens": 12})

    assert status == 200
    assert answer["usage"]["prompt_tokens"] == 500


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_stream_options_need_a_stream(client: Client, path: str) -> None:
    status, answer = await post(client, path, {"stream_options": {"include_usage": True}})

    assert status == 400
    assert answer["error"]["param"] == "stream_options"


async def test_best_of_cannot_be_streamed(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"best_of": 2, "stream": True})

    assert status == 400
    assert answer["error"]["param"] == "best_of"


@pytest.mark.parametrize(
    ("grammar", "place"),
    [('root ::= "a', "line 1, column 10"), ('root ::= "a"\nb ::= [', "line 2, column 7"), (" ", "line 1, column")],
)
async def test_a_bad_grammar_is_refused_with_its_place(client: Client, grammar: str, place: str) -> None:
    status, answer = await post(client, COMPLETIONS, {"grammar": grammar})

    assert status == 400
    assert answer["error"]["code"] == "invalid_grammar"
    assert place in answer["error"]["message"]
