"""Fields that completions alone have, and those that differ from chat's of the same name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.fields.asking import FREE, GREEDY, ask, drawn, ids, refused, said, streamed, texts
from tests.http.fields.registry import field
from tests.http.handlers.serving import COMPLETIONS, Client

REQUEST = "CreateCompletionRequest"


@field(REQUEST, "prompt")
async def test_a_prompt_is_the_same_in_its_four_spellings(client: Client) -> None:
    token_ids = await ids(client, "Hello")
    spellings: list[Any] = ["Hello", ["Hello"], token_ids, [token_ids]]

    answers = [await said(client, COMPLETIONS, **GREEDY, prompt=spelling) for spelling in spellings]

    assert len(set(answers)) == 1
    assert await said(client, COMPLETIONS, **GREEDY, prompt="Goodbye") not in answers


@field(REQUEST, "prompt")
async def test_each_prompt_of_a_list_has_its_own_choices(client: Client) -> None:
    together = await ask(client, COMPLETIONS, **GREEDY, prompt=["Hello", "Goodbye"], n=2)

    alone = [await said(client, COMPLETIONS, **GREEDY, prompt=prompt) for prompt in ("Hello", "Goodbye")]
    assert texts(together) == [alone[0], alone[0], alone[1], alone[1]]
    assert [choice["index"] for choice in together["choices"]] == [0, 1, 2, 3]


@field(REQUEST, "prompt")
@pytest.mark.parametrize(("prompt", "status"), [([], 400), ([512], 400), ([-1], 400), (5, 422)])
async def test_what_is_no_prompt_is_refused_by_name(client: Client, prompt: object, status: int) -> None:
    assert await refused(client, COMPLETIONS, {"prompt": prompt}) == (status, "prompt")


@field(REQUEST, "response_format")
async def test_a_completion_is_of_its_response_format(client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 5}}}

    assert await said(client, COMPLETIONS, **FREE, response_format=form) == "5"
    assert (await said(client, COMPLETIONS, **FREE, response_format={"type": "json_object"})).startswith("{")
    fields = {"response_format": {"type": "json_schema", "schema": {"const": 5}}}
    assert await refused(client, COMPLETIONS, fields) == (400, "response_format.json_schema")


@field(REQUEST, "suffix")
async def test_the_text_depends_on_the_suffix(client: Client) -> None:
    none, empty, one, other = [
        await ask(client, COMPLETIONS, **GREEDY, suffix=suffix) for suffix in (None, "", "the end", "a river")
    ]

    assert none["choices"] == empty["choices"]
    assert len({texts(answer)[0] for answer in (none, one, other)}) == 3
    added = one["usage"]["prompt_tokens"] - none["usage"]["prompt_tokens"]
    assert added == 3 + len(await ids(client, "the end"))  # with the marks of prefix, suffix and gap


@field(REQUEST, "echo")
@pytest.mark.parametrize("stream", [False, True])
async def test_echo_puts_the_prompt_in_front(client: Client, stream: bool) -> None:
    plain = await said(client, COMPLETIONS, **FREE, echo=False)

    if stream:
        chunks = await streamed(client, COMPLETIONS, **FREE, echo=True, stream=True)
        echoed = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    else:
        echoed = await said(client, COMPLETIONS, **FREE, echo=True)

    assert echoed == "Hello" + plain


@field(REQUEST, "logprobs")
@pytest.mark.parametrize("count", [0, 1, 5])
async def test_logprobs_is_how_many_alternatives_each_token_has(client: Client, count: int) -> None:
    answer = await ask(client, COMPLETIONS, **FREE, logprobs=count)
    logprobs = answer["choices"][0]["logprobs"]

    tops = logprobs["top_logprobs"]
    assert len(tops) == answer["usage"]["completion_tokens"]
    assert all(max(count, 1) <= len(top) <= count + 1 for top in tops)  # the drawn token is always among them
    assert all(token in top for token, top in zip(logprobs["tokens"], tops, strict=True))


@field(REQUEST, "logprobs")
async def test_without_logprobs_there_are_none(client: Client) -> None:
    answers = [await ask(client, COMPLETIONS, **FREE, **fields) for fields in ({}, {"logprobs": None})]

    assert [answer["choices"][0]["logprobs"] for answer in answers] == [None, None]
    assert await refused(client, COMPLETIONS, {"logprobs": True}) == (422, "logprobs")


@field(REQUEST, "logprobs")
async def test_logprobs_do_not_change_the_text(client: Client) -> None:
    plain = await said(client, COMPLETIONS, **FREE)

    assert "".join(await drawn(client, COMPLETIONS, **FREE)) == plain


@field(REQUEST, "best_of")
async def test_best_of_is_how_many_the_likeliest_is_chosen_from(client: Client) -> None:
    fields = FREE | {"seed": 4}
    every = (await ask(client, COMPLETIONS, **fields, n=5, logprobs=0))["choices"]

    answer = await ask(client, COMPLETIONS, **fields, best_of=5)

    means = [sum(logprobs) / len(logprobs) for logprobs in (each["logprobs"]["token_logprobs"] for each in every)]
    assert texts(answer) == [every[means.index(max(means))]["text"]]
    assert means.index(max(means)) != 0, "the first is what would be given without the field"


@field(REQUEST, "best_of")
@pytest.mark.parametrize("fields", [{"best_of": 0}, {"best_of": 2, "n": 3}, {"best_of": 2, "stream": True}], ids=str)
async def test_best_of_that_cannot_be_served_is_refused_by_name(client: Client, fields: dict[str, Any]) -> None:
    assert await refused(client, COMPLETIONS, fields) == (400, "best_of")


@field(REQUEST, "max_tokens")
async def test_completions_have_sixteen_tokens_unless_told_otherwise(client: Client) -> None:
    answer = await ask(client, COMPLETIONS, min_tokens=100)

    assert answer["usage"]["completion_tokens"] == 16
    assert await refused(client, COMPLETIONS, {"max_tokens": -2}) == (422, "max_tokens")
    most = await ask(client, COMPLETIONS, min_tokens=1000, max_tokens=513)
    assert most["usage"]["total_tokens"] == 512
