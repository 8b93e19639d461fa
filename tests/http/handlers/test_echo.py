"""echo: the prompt stands before its completion, whole or streamed, with its own log-probabilities."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.http.handlers.serving import COMPLETIONS, Client, complete, post, stream

PROMPT = "The river was quiet — and then?"
FIELDS: dict[str, Any] = {"prompt": PROMPT, "max_tokens": 6, "temperature": 0}


async def test_the_prompt_stands_before_the_completion(client: Client) -> None:
    plain = (await complete(client, **FIELDS))["choices"][0]["text"]

    echoed = (await complete(client, **FIELDS, echo=True))["choices"][0]["text"]

    assert echoed == PROMPT + plain


async def test_token_ids_are_echoed_as_text(client: Client) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": PROMPT})

    echoed = (await complete(client, **FIELDS | {"prompt": tokens["tokens"]}, echo=True))["choices"][0]["text"]

    assert echoed.startswith(PROMPT)


async def test_each_choice_of_each_prompt_has_its_own_prompt_in_front(client: Client) -> None:
    choices = (await complete(client, **FIELDS | {"prompt": ["one", "two"]}, n=2, echo=True))["choices"]

    assert [choice["text"][:3] for choice in choices] == ["one", "one", "two", "two"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]


@pytest.mark.parametrize("prompt", [PROMPT, "", [7, 8, 300], "héllo"], ids=str)
async def test_log_probabilities_of_the_prompt_come_first_and_its_first_is_null(client: Client, prompt: Any) -> None:
    plain = (await complete(client, **FIELDS | {"prompt": prompt}, logprobs=2))["choices"][0]

    choice = (await complete(client, **FIELDS | {"prompt": prompt}, echo=True, logprobs=2))["choices"][0]

    logprobs, num_prompt = choice["logprobs"], len(choice["logprobs"]["tokens"]) - len(plain["logprobs"]["tokens"])
    assert logprobs["token_logprobs"][0] is logprobs["top_logprobs"][0] is None
    assert all(math.exp(value) <= 1 for value in logprobs["token_logprobs"][1:num_prompt])
    assert all(len(top) in (2, 3) for top in logprobs["top_logprobs"][1:])
    assert logprobs["token_logprobs"][num_prompt:] == pytest.approx(plain["logprobs"]["token_logprobs"], abs=1e-5)
    shift = len(choice["text"]) - len(plain["text"])
    assert logprobs["text_offset"][num_prompt:] == [at + shift for at in plain["logprobs"]["text_offset"]]


async def test_offsets_of_the_prompt_point_into_the_text(client: Client) -> None:
    choice = (await complete(client, **FIELDS | {"prompt": "Hello there, water"}, echo=True, logprobs=0))["choices"][0]

    logprobs = choice["logprobs"]
    for token, at in zip(logprobs["tokens"], logprobs["text_offset"], strict=True):
        assert token.startswith("bytes:") or choice["text"][at:].startswith(token)


@pytest.mark.parametrize("logprobs", [None, 1])
@pytest.mark.parametrize("n", [1, 3])
async def test_a_stream_gives_the_same_as_the_whole(client: Client, logprobs: int | None, n: int) -> None:
    body = FIELDS | {"echo": True, "logprobs": logprobs, "n": n, "temperature": 1.0, "seed": 3, "max_tokens": 9}
    whole = (await complete(client, **body))["choices"]

    chunks = [chunk for chunk in await stream(client, COMPLETIONS, body) if chunk != "[DONE]"]

    for choice in whole:
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert "".join(each["text"] for each in own) == choice["text"]
        assert own[0]["text"].startswith(PROMPT)
        if logprobs is not None:
            parts = [each["logprobs"] for each in own if each["logprobs"] is not None]
            for name, values in choice["logprobs"].items():
                assert [value for part in parts for value in part[name]] == values
