"""Limits as people mean them: to the end, at most what is left, none at all but the prompt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.fields.asking import ask, body_of, said, streamed
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, post

TO_THE_END = {"temperature": 0, "min_tokens": 1000}
LIMITS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict")


@pytest.mark.parametrize("limit", [-1, 0, None])
@pytest.mark.parametrize("name", LIMITS)
async def test_a_chat_without_a_limit_goes_to_the_end_of_the_context(
    client: Client, name: str, limit: int | None
) -> None:
    answer = await ask(client, CHAT, **TO_THE_END, **{name: limit})

    assert answer["usage"]["total_tokens"] == 512
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("limit", [512, 32_000, 2**70])
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("stream", [False, True])
async def test_more_than_the_context_leaves_is_cut_to_what_is_left(
    client: Client, path: str, limit: int, stream: bool
) -> None:
    if stream:
        chunks = await streamed(
            client, path, **TO_THE_END, max_tokens=limit, stream=True, stream_options={"include_usage": True}
        )
        usage, reason = chunks[-1]["usage"], chunks[-2]["choices"][0]["finish_reason"]
    else:
        answer = await ask(client, path, **TO_THE_END, max_tokens=limit)
        usage, reason = answer["usage"], answer["choices"][0]["finish_reason"]

    assert (usage["total_tokens"], reason) == (512, "length")


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_each_name_of_the_limit_is_honoured(client: Client, path: str, name: str) -> None:
    answer = await ask(client, path, **TO_THE_END, **{name: 3})

    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("other", LIMITS[1:])
async def test_two_limits_that_differ_are_refused_by_both_names(client: Client, path: str, other: str) -> None:
    status, answer = await post(client, path, body_of(path, max_tokens=3, **{other: 4}))

    assert (status, answer["error"]["param"]) == (400, other)
    assert "max_tokens is 3" in answer["error"]["message"]
    assert f"{other} is 4" in answer["error"]["message"]


@pytest.mark.parametrize("value", [True, "5", 1.5, -2, [1]])
@pytest.mark.parametrize("name", LIMITS[2:])
async def test_what_is_no_limit_is_refused_by_name(client: Client, name: str, value: object) -> None:
    status, answer = await post(client, CHAT, body_of(CHAT, **{name: value}))

    assert (status, answer["error"]["param"]) == (400, name)


@pytest.mark.parametrize("prompt", ["one two three", [65, 66, 67, 68], ["a b", "c"], [[65, 66], [67]]], ids=str)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_echo_of_no_tokens_scores_the_prompt(client: Client, prompt: Any, stream: bool) -> None:
    fields = {"prompt": prompt, "echo": True, "logprobs": 1, "temperature": 0}
    one = await ask(client, COMPLETIONS, **fields, max_tokens=1)

    if stream:
        chunks = await streamed(client, COMPLETIONS, **fields, max_tokens=0, stream=True)
        choices = sorted((each["choices"][0] for each in chunks if each["choices"]), key=lambda each: each["index"])
    else:
        answer = await ask(client, COMPLETIONS, **fields, max_tokens=0)
        choices = answer["choices"]
        assert answer["usage"]["completion_tokens"] == 0
        assert answer["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]

    for scored, continued in zip(choices, one["choices"], strict=True):
        num_prompt = len(scored["logprobs"]["tokens"])
        assert scored["finish_reason"] == "length"
        assert scored["logprobs"]["token_logprobs"][0] is None
        assert scored["logprobs"]["token_logprobs"] == continued["logprobs"]["token_logprobs"][:num_prompt]
        assert num_prompt == len(continued["logprobs"]["tokens"]) - 1
        assert continued["text"].startswith(scored["text"])


async def test_an_echo_of_no_tokens_without_log_probabilities_is_the_prompt(client: Client) -> None:
    answer = await ask(client, COMPLETIONS, prompt="one two", echo=True, max_tokens=0, n=2)

    assert [each["text"] for each in answer["choices"]] == ["one two", "one two"]


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_a_seed_of_minus_one_is_a_fresh_one(client: Client, path: str) -> None:
    free = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 24}

    fresh = {await said(client, path, **free, seed=-1) for _ in range(3)}
    fixed = {await said(client, path, **free, seed=-2) for _ in range(3)}

    assert (len(fresh), len(fixed)) == (3, 1)


@pytest.mark.parametrize(
    ("path", "body", "param", "names"),
    [
        (COMPLETIONS, {"best_of": 1, "n": 3}, "best_of", ("best_of", "n")),
        (COMPLETIONS, {"best_of": 3, "stream": True}, "best_of", ("best_of", "stream")),
        (COMPLETIONS, {"suffix": "b", "echo": True, "logprobs": 1}, "echo", ("suffix", "echo", "logprobs")),
        (CHAT, {"top_logprobs": 2}, "top_logprobs", ("top_logprobs", "logprobs")),
        (CHAT, {"top_logprobs": 2, "logprobs": False}, "top_logprobs", ("top_logprobs", "logprobs")),
        (CHAT, {"stream_options": {}}, "stream_options", ("stream_options", "stream")),
        (CHAT, {"repeat_penalty": 1.1, "repetition_penalty": 1.2}, "repetition_penalty", ("repeat_penalty",)),
    ],
)
async def test_fields_that_contradict_each_other_are_refused_by_both_names(
    client: Client, path: str, body: dict[str, Any], param: str, names: tuple[str, ...]
) -> None:
    status, answer = await post(client, path, body_of(path, **body))

    assert (status, answer["error"]["param"]) == (400, param)
    assert [name for name in names if name not in answer["error"]["message"]] == []


async def test_best_of_that_is_not_given_is_n(client: Client) -> None:
    answers = [await ask(client, COMPLETIONS, n=3, max_tokens=2, **each) for each in ({}, {"best_of": None})]

    assert [len(answer["choices"]) for answer in answers] == [3, 3]


async def test_a_prompt_that_leaves_nothing_is_refused(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"prompt": [65] * 512, "max_tokens": 5})

    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert (await post(client, CHAT, {"messages": HELLO, "max_tokens": 1}))[0] == 200
