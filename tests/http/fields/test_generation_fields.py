"""The other fields that completions and chat share: what is asked for, how it is given, and what is refused."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from tests.http.fields.asking import FREE, GREEDY, ask, body_of, refused, said, streamed, texts
from tests.http.fields.registry import field, generation_field
from tests.http.handlers.serving import Client


@generation_field("grammar")
async def test_the_text_follows_the_grammar(client: Client, path: str) -> None:
    digits = await said(client, path, **FREE, grammar="root ::= [0-9]{4}")
    letters = await said(client, path, **FREE, grammar="root ::= [a-f]{5}")

    assert re.fullmatch("[0-9]{4}", digits)
    assert re.fullmatch("[a-f]{5}", letters)


@generation_field("n")
async def test_n_is_the_number_of_choices(client: Client, path: str) -> None:
    answer = await ask(client, path, **FREE, n=3)

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len(set(texts(answer))) == 3
    assert len(texts(await ask(client, path, **FREE, n=None))) == 1


@generation_field("stop")
@pytest.mark.parametrize("as_list", [False, True])
async def test_the_text_ends_before_a_stop_string(client: Client, path: str, as_list: bool) -> None:
    whole = await said(client, path, **GREEDY)
    stop = whole[10:13]

    answer = await ask(client, path, **GREEDY, stop=["\0never", stop] if as_list else stop)

    assert texts(answer) == [whole[: whole.index(stop)]]
    assert answer["choices"][0]["finish_reason"] == "stop"


@generation_field("max_tokens")
@pytest.mark.parametrize("max_tokens", [1, 5])
async def test_max_tokens_ends_the_text(client: Client, path: str, max_tokens: int) -> None:
    answer = await ask(client, path, **GREEDY | {"max_tokens": max_tokens, "min_tokens": 9})

    assert answer["usage"]["completion_tokens"] == max_tokens
    assert answer["choices"][0]["finish_reason"] == "length"


@generation_field("max_tokens")
@pytest.mark.parametrize("max_tokens", [0, None])
async def test_no_max_tokens_is_to_the_end_of_the_context(client: Client, path: str, max_tokens: int | None) -> None:
    answer = await ask(client, path, **GREEDY | {"max_tokens": max_tokens, "min_tokens": 10**6})

    assert answer["usage"]["total_tokens"] == 512
    assert answer["choices"][0]["finish_reason"] == "length"


@generation_field("min_tokens")
async def test_min_tokens_keeps_the_text_going(client: Client, path: str) -> None:
    ending = {"logit_bias": {"508": 100}, "max_tokens": 20}  # the end of text at once

    short, long = [await ask(client, path, **GREEDY | ending | {"min_tokens": count}) for count in (0, 7)]

    assert [answer["usage"]["completion_tokens"] for answer in (short, long)] == [0, 7]
    assert [answer["choices"][0]["finish_reason"] for answer in (short, long)] == ["stop", "stop"]


@generation_field("stream")
async def test_a_stream_holds_the_same_text(client: Client, path: str) -> None:
    whole = await said(client, path, **FREE, stream=False)

    chunks = await streamed(client, path, **FREE, stream=True)

    choices = [chunk["choices"][0] for chunk in chunks]
    assert (
        "".join(choice["text"] if "text" in choice else choice["delta"].get("content", "") for choice in choices)
        == whole
    )
    assert len(chunks) > 2


@generation_field("stream_options")
@field("StreamOptions", "include_usage")
@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}])
async def test_include_usage_ends_a_stream_with_the_usage(client: Client, path: str, options: Any) -> None:
    whole = await ask(client, path, **FREE)

    chunks = await streamed(client, path, **FREE, stream=True, stream_options=options)

    wanted = bool(options and options.get("include_usage"))
    totals = [chunk["usage"]["total_tokens"] for chunk in chunks if chunk.get("usage")]
    assert totals == ([whole["usage"]["total_tokens"]] if wanted else [])
    assert (chunks[-1]["choices"] == []) == wanted


@generation_field("model")
@pytest.mark.parametrize("model", ["reference", "gpt-4o", None])
async def test_any_model_is_served_by_the_only_one(client: Client, path: str, model: str | None) -> None:
    answer = await ask(client, path, **GREEDY, model=model)

    assert answer["model"] == "reference"
    assert texts(answer) == [await said(client, path, **GREEDY)]


@generation_field("user")
async def test_the_log_names_the_user(client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jan_ort")

    await ask(client, path, **GREEDY, user="alice")
    await ask(client, path, **GREEDY)

    lines = [line for line in caplog.messages if "completion tokens" in line]
    assert ["alice" in line for line in lines] == [True, False]


REFUSED: list[tuple[str, object, int]] = [
    ("temperature", -1, 400),
    ("n", 0, 400),
    ("stop", ["a"] * 129, 400),
    ("logit_bias", {"512": 1}, 400),
    ("grammar", "root ::= nothing", 400),
    ("top_p", 1.1, 422),
    ("min_p", -0.1, 422),
    ("top_k", -2, 422),
    ("repeat_penalty", -1, 422),
    ("presence_penalty", 2.1, 422),
    ("frequency_penalty", -2.1, 422),
    ("mirostat_mode", 3, 422),
    ("mirostat_tau", 11, 422),
    ("mirostat_eta", 0, 422),
    ("logit_bias_type", "words", 422),
    ("min_tokens", -1, 422),
    ("seed", 1.5, 422),
    ("stream", 5, 422),
    ("user", 1, 422),
    ("model", 1, 422),
]
"""Fields with values that the schema forbids (422) or that cannot be served (400)."""


@generation_field(*(name for name, _, _ in REFUSED))
@pytest.mark.parametrize(("name", "value", "status"), REFUSED)
async def test_what_cannot_be_served_is_refused_by_name(
    client: Client, path: str, name: str, value: object, status: int
) -> None:
    assert await refused(client, path, body_of(path, **{name: value})) == (status, name)


@generation_field("stream_options")
@field("StreamOptions", "include_usage")
async def test_what_is_no_include_usage_is_refused_by_name(client: Client, path: str) -> None:
    body = body_of(path, stream=True, stream_options={"include_usage": 1})

    assert await refused(client, path, body) == (422, "stream_options.include_usage")
