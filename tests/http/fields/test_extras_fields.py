"""Fields of the tokenizer's operations, and the path's parameter."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.fields.asking import answered, ids, refused
from tests.http.fields.offering import choice_of, function, tool
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT, HELLO, Client, serving

TOKENIZE, COUNT, DETOKENIZE = "/extras/tokenize", "/extras/tokenize/count", "/extras/detokenize"


@field("TokenizeInputRequest", "input")
@field("DetokenizeInputRequest", "tokens")
@field("CountTokensRequest", "input")
@pytest.mark.parametrize("text", ["", "Hello", "naïve ☃"])
async def test_tokens_are_those_of_the_text(client: Client, text: str) -> None:
    tokens = await ids(client, text)
    longer = await ids(client, text + "!")

    assert len(longer) == len(tokens) + 1
    assert await answered(client, DETOKENIZE, tokens=longer) == {"text": text + "!"}
    assert await answered(client, COUNT, input=text) == {"count": len(tokens)}


def exchange_letters(path: Path) -> None:
    tokenizer = json.loads(path.read_text())
    vocab = tokenizer["model"]["vocab"]
    vocab["H"], vocab["h"] = vocab["h"], vocab["H"]
    path.write_text(json.dumps(tokenizer))


@pytest.fixture
async def two_models(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of two models whose tokenizers differ: ``embedder`` puts BOS in front, and its H and h are exchanged."""
    folder = tmp_path / "embedder"
    shutil.copytree(FOLDER, folder)
    for name, old, new in [
        ("jan_ort.json", '"name": "reference"', '"name": "embedder"'),
        ("jan_ort.json", '"task": "generate"', '"task": "embed"'),
        ("tokenizer_config.json", '"add_bos_token": false', '"add_bos_token": true'),
    ]:
        path = folder / name
        path.write_text(path.read_text().replace(old, new))
    exchange_letters(folder / "tokenizer.json")
    async with serving(model="reference", embedding_model=str(folder)) as app:
        yield app.test_client()


@field("TokenizeInputRequest", "model")
@field("CountTokensRequest", "model")
async def test_the_model_says_whose_tokens(two_models: Client) -> None:
    plain, named, other, unknown = [
        await ids(two_models, "Yes", model=model) for model in (None, "reference", "embedder", "gpt-4o")
    ]

    counts = [await answered(two_models, COUNT, input="Yes", model=model) for model in ("reference", "embedder")]

    assert plain == named == unknown == other[1:]
    assert counts == [{"count": len(named)}, {"count": len(other)}]


@field("DetokenizeInputRequest", "model")
async def test_the_model_says_whose_text(two_models: Client) -> None:
    texts = [await answered(two_models, DETOKENIZE, tokens=[72, 105], model=model) for model in (None, "embedder")]

    assert texts == [{"text": "Hi"}, {"text": "hi"}]


@field("CountTokensRequest", "model", "messages")
@pytest.mark.parametrize("model", ["reference", "embedder", "gpt-4o", None])
async def test_a_conversation_is_always_of_the_model_that_chats(two_models: Client, model: str | None) -> None:
    body = {"messages": HELLO, "model": model}

    chat = await answered(two_models, CHAT, **body, max_tokens=1)

    assert chat["model"] == "reference"
    assert await answered(two_models, COUNT, **body) == {"count": chat["usage"]["prompt_tokens"]}


@field("CountTokensRequest", "messages", "tools", "tool_choice", "functions", "function_call")
@pytest.mark.parametrize(
    "fields",
    [
        {"messages": HELLO},
        {"messages": [*HELLO, *HELLO]},
        {"tools": [tool("f")]},
        {"tools": [tool("f")], "tool_choice": "none"},
        {"tools": [tool("f")], "tool_choice": choice_of("f")},
        {"functions": [function("f"), function("g")]},
        {"functions": [function("f")], "function_call": "none"},
    ],
    ids=lambda fields: "-".join(fields),
)
async def test_a_count_is_of_the_prompt_that_a_chat_has(client: Client, fields: dict[str, Any]) -> None:
    body = {"messages": HELLO} | fields

    chat = await answered(client, CHAT, **body, max_tokens=1)

    assert await answered(client, COUNT, **body) == {"count": chat["usage"]["prompt_tokens"]}


@field("CountTokensRequest", "tools", "tool_choice", "functions", "function_call")
async def test_a_count_depends_on_what_may_be_called(client: Client) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"tools": [tool("f")], "tool_choice": "none"},
        {"functions": [function("f")], "function_call": "none"},
        {"tools": [tool("f")]},
        {"functions": [function("f")]},
        {"tools": [tool("f"), tool("g")]},
    ]

    none, *silent, one, old, two = [(await answered(client, COUNT, messages=HELLO, **body))["count"] for body in bodies]

    assert silent == [none, none]
    assert none < one == old < two


@field("CountTokensRequest", "input", "messages", "tools", "tool_choice", "functions", "function_call")
@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({}, 422, "input"),
        ({"input": 5}, 422, "input"),
        ({"input": "a", "messages": HELLO}, 400, "input"),
        ({"messages": 5}, 422, "messages"),
        ({"input": "a", "tools": [tool("f")]}, 400, "tools"),
        ({"input": "a", "tool_choice": "none"}, 400, "tool_choice"),
        ({"input": "a", "functions": [function("f")]}, 400, "functions"),
        ({"input": "a", "function_call": "none"}, 400, "function_call"),
        ({"messages": HELLO, "tool_choice": "required"}, 400, "tool_choice"),
        ({"messages": HELLO, "function_call": {"name": "f"}}, 400, "function_call"),
    ],
)
async def test_what_cannot_be_counted_is_refused_by_name(
    client: Client, body: dict[str, Any], status: int, name: str
) -> None:
    assert await refused(client, COUNT, body) == (status, name)


@field("TokenizeInputRequest", "input", "model")
@field("DetokenizeInputRequest", "tokens", "model")
@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        (TOKENIZE, {}, 422, "input"),
        (TOKENIZE, {"input": ["a"]}, 422, "input"),
        (TOKENIZE, {"input": "a", "model": 5}, 422, "model"),
        (DETOKENIZE, {"tokens": [512]}, 400, "tokens"),
        (DETOKENIZE, {"tokens": [-1]}, 400, "tokens"),
        (DETOKENIZE, {"tokens": "a"}, 422, "tokens"),
        (DETOKENIZE, {"tokens": [1], "model": 5}, 422, "model"),
    ],
)
async def test_what_has_no_tokens_is_refused_by_name(
    client: Client, path: str, body: dict[str, Any], status: int, name: str
) -> None:
    assert await refused(client, path, body) == (status, name)


@field("/v1/models/{model}", "model")
@pytest.mark.parametrize(("name", "status"), [("reference", 200), ("another", 404)])
async def test_a_model_is_asked_for_by_name(client: Client, name: str, status: int) -> None:
    response = await client.get(f"/v1/models/{name}")
    answer = await response.get_json()

    assert response.status_code == status
    assert (answer["id"] if status == 200 else answer["error"]["param"]) == (name if status == 200 else "model")
