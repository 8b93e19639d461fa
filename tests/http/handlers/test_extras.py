"""The tokenizer over HTTP, and the models and health pages."""

from __future__ import annotations

import sys

import pytest

from jan_ort.models.tokenizer import MAX_TEXT_BYTES
from jan_ort_openapi import parse_body
from jan_ort_openapi.models import ModelData, ModelList
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, complete, engine_of, post, serving, until


@pytest.mark.parametrize("text", ["", "Hello", "two\nlines", "naïve café ☃ 👩‍🚀", "\u2028\u0000"])
async def test_detokenize_undoes_tokenize(client: Client, text: str) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": text})
    _, count = await post(client, "/extras/tokenize/count", {"input": text})
    _, back = await post(client, "/extras/detokenize", {"tokens": tokens["tokens"]})

    assert back == {"text": text}
    assert count == {"count": len(tokens["tokens"])}


@pytest.mark.parametrize("path", ["/extras/tokenize", "/extras/tokenize/count"])
@pytest.mark.parametrize("text", ["1" * (MAX_TEXT_BYTES + 1), "\u00e9" * (MAX_TEXT_BYTES // 2 + 1)])
async def test_a_text_that_would_take_gigabytes_is_refused_unread(client: Client, path: str, text: str) -> None:
    status, answer = await post(client, path, {"input": text})

    assert (status, answer["error"]["code"]) == (400, "text_too_large")
    assert f"has {len(text.encode())} bytes, and {MAX_TEXT_BYTES} can be" in answer["error"]["message"]


async def test_a_special_token_in_the_text_is_one_token(client: Client) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": "<|im_end|>"})

    assert tokens == {"tokens": [508]}


@pytest.mark.parametrize(
    "messages",
    [
        [],
        HELLO,
        [{"role": "developer", "content": "Be brief"}, *HELLO],
        [*HELLO, {"role": "assistant", "content": None}, {"role": "user", "content": [{"type": "text", "text": "x"}]}],
    ],
)
async def test_a_chat_body_counts_as_many_tokens_as_its_prompt_has(client: Client, messages: object) -> None:
    body = {"messages": messages, "max_tokens": 1, "temperature": 0, "model": "any"}

    _, count = await post(client, "/extras/tokenize/count", body)
    _, answer = await post(client, CHAT, body)

    assert count == {"count": answer["usage"]["prompt_tokens"]}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "input"),
        ({"model": "reference"}, 422, "input"),
        ({"messages": [{"role": "nobody"}]}, 422, "messages.0.role"),
        ({"input": "a", "messages": HELLO}, 400, "input"),
    ],
)
async def test_a_count_of_nothing_or_of_two_things_is_refused(
    client: Client, body: object, status: int, param: str
) -> None:
    answered, answer = await post(client, "/extras/tokenize/count", body)

    assert (answered, answer["error"]["param"]) == (status, param)


async def test_half_a_character_is_the_replacement_character(client: Client) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": "☃"})

    _, half = await post(client, "/extras/detokenize", {"tokens": tokens["tokens"][:1]})

    assert half == {"text": "\ufffd"}


async def test_the_documents_own_example_is_served(client: Client) -> None:
    status, _ = await post(client, "/extras/detokenize", {"tokens": [123, 321, 222]})

    assert status == 200


async def test_a_long_text_is_tokenized_like_a_short_one(client: Client) -> None:
    _, once = await post(client, "/extras/tokenize", {"input": " water"})
    _, often = await post(client, "/extras/tokenize", {"input": " water" * 2000})

    assert often["tokens"] == once["tokens"] * 2000


async def test_models_lists_what_is_served(client: Client) -> None:
    response = await client.get("/v1/models")
    listed = parse_body(ModelList, await response.get_data(as_text=False))

    assert [model.id for model in listed.data] == ["reference"]
    assert listed.data[0].metadata["context_length"] == 512  # type: ignore[index]
    assert listed.data[0].metadata["tasks"] == ["generate", "embed"]  # type: ignore[index]


async def test_a_model_is_found_by_its_name(client: Client) -> None:
    response = await client.get("/v1/models/reference")

    assert response.status_code == 200
    assert parse_body(ModelData, await response.get_data(as_text=False)).id == "reference"


@pytest.mark.parametrize("name", ["nobody", "org/name", "a//b", "a%2Fb", "%ED%A0%80", "☃"])
async def test_an_unknown_model_is_404_with_the_known_names(client: Client, name: str) -> None:
    response = await client.get(f"/v1/models/{name}")
    error = (await response.get_json())["error"]

    assert response.status_code == 404
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "'reference'" in error["message"]


async def test_health_is_ok_when_everything_is_loaded(client: Client) -> None:
    response = await client.get("/health")

    assert await response.get_json() == {"status": "ok"}


async def test_health_is_503_once_an_engine_has_failed_until_its_model_is_unloaded() -> None:
    async with serving() as app:
        client, engine = app.test_client(), engine_of(app)
        engine._commands.put(lambda: sys.exit("a bug"))
        await until(lambda: engine.failure is not None)

        sick = await client.get("/health")
        refused, _ = await post(client, COMPLETIONS, {"prompt": "Hello"})
        await post(client, "/models/unload", {"model": "reference"})
        well = await client.get("/health")
        text = await complete(client, max_tokens=1)

    error = (await sick.get_json())["error"]
    assert (sick.status_code, error["code"], refused) == (503, "engine_failed", 500)
    assert "reference: the engine of this model has failed (SystemExit): unload the model" in error["message"]
    assert (well.status_code, text["object"]) == (200, "text_completion")
