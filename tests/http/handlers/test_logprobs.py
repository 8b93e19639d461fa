"""Log-probabilities in both APIs: of the raw logits, for every token of the text and for no other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, complete, post, serving, stream


async def choice_of(client: Client, **body: Any) -> Any:
    return (await complete(client, **body))["choices"][0]


async def test_tokens_offsets_and_text_agree(client: Client) -> None:
    choice = await choice_of(client, max_tokens=12, logprobs=3)

    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"]
    lengths = [len(token) for token in logprobs["tokens"]]
    assert logprobs["text_offset"] == [sum(lengths[:at]) for at in range(len(lengths))]
    assert len(logprobs["token_logprobs"]) == len(logprobs["top_logprobs"]) == len(lengths) == 12


async def test_the_greedy_token_is_the_likeliest_and_all_are_probabilities() -> None:
    async with serving(max_logprobs=512) as app:  # its whole vocabulary
        logprobs = (await choice_of(app.test_client(), max_tokens=8, logprobs=512, repeat_penalty=1))["logprobs"]

    for token, logprob, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        assert top[token] == logprob == max(top.values())
        assert math.isclose(sum(map(math.exp, top.values())), 1.0, abs_tol=1e-5)
        assert len(top) == 512  # tokens that read alike are kept apart


async def test_penalties_and_temperature_leave_log_probabilities_alone(client: Client) -> None:
    plain = (await choice_of(client, max_tokens=1, logprobs=4, seed=1))["logprobs"]

    shaped = await choice_of(client, max_tokens=1, logprobs=4, seed=1, temperature=2, repeat_penalty=3, top_k=1)

    assert shaped["logprobs"]["top_logprobs"][0].items() >= plain["top_logprobs"][0].items()


async def test_zero_gives_the_chosen_token_only(client: Client) -> None:
    logprobs = (await choice_of(client, max_tokens=5, logprobs=0))["logprobs"]

    for token, logprob, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        assert top == {token: logprob}


async def test_the_chosen_token_is_always_among_the_alternatives(client: Client) -> None:
    body = {"max_tokens": 30, "logprobs": 1, "temperature": 3, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 3}

    logprobs = (await choice_of(client, **body))["logprobs"]

    chosen = [top[token] for token, top in zip(logprobs["tokens"], logprobs["top_logprobs"], strict=True)]
    assert chosen == logprobs["token_logprobs"]
    assert max(map(len, logprobs["top_logprobs"])) == 2


async def test_without_the_field_there_are_none(client: Client) -> None:
    assert (await choice_of(client, max_tokens=2))["logprobs"] is None


@pytest.mark.parametrize("stop", [None, " "])
async def test_streamed_log_probabilities_join_to_the_plain_ones(client: Client, stop: str | None) -> None:
    body = {"prompt": "Hello", "temperature": 0, "max_tokens": 20, "logprobs": 2, "stop": stop}
    plain = (await post(client, COMPLETIONS, body))[1]["choices"][0]

    chunks = [event["choices"][0] for event in await stream(client, COMPLETIONS, body) if event != "[DONE]"]

    parts = [chunk["logprobs"] for chunk in chunks if chunk["logprobs"]]
    joined = {key: [item for part in parts for item in part[key]] for key in plain["logprobs"]}
    assert joined == plain["logprobs"]
    assert "".join(joined["tokens"])[: len(plain["text"])] == plain["text"]


async def test_a_stop_string_takes_its_tokens_log_probabilities_along(client: Client) -> None:
    free = await choice_of(client, max_tokens=12, logprobs=1)
    stop = free["logprobs"]["tokens"][6]

    cut = await choice_of(client, max_tokens=12, logprobs=1, stop=stop)

    assert free["text"].startswith(cut["text"])
    assert "".join(cut["logprobs"]["tokens"]) == cut["text"]


async def test_chat_gives_bytes_and_the_likeliest_tokens(client: Client) -> None:
    body = {"messages": HELLO, "temperature": 0, "max_tokens": 6, "logprobs": True, "top_logprobs": 2}

    choice = (await post(client, CHAT, body))[1]["choices"][0]

    content = choice["logprobs"]["content"]
    assert b"".join(bytes(each["bytes"]) for each in content).decode() == choice["message"]["content"]
    assert [len(each["top_logprobs"]) for each in content] == [2] * 6
    assert choice["logprobs"]["refusal"] is None


async def test_chat_streams_them_with_the_text(client: Client) -> None:
    body = {"messages": HELLO, "temperature": 0, "max_tokens": 6, "logprobs": True}
    plain = (await post(client, CHAT, body))[1]["choices"][0]["logprobs"]["content"]

    chunks = [event["choices"][0] for event in await stream(client, CHAT, body) if event != "[DONE]"]

    assert [each for chunk in chunks if chunk["logprobs"] for each in chunk["logprobs"]["content"]] == plain


async def test_top_logprobs_without_logprobs_is_refused(client: Client) -> None:
    status, answer = await post(client, CHAT, {"messages": HELLO, "top_logprobs": 2})

    assert (status, answer["error"]["param"]) == (400, "top_logprobs")
