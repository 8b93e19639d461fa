"""suffix: a model with tokens for it fills the gap; in any other its text is appended."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.models.fill_in_middle import FillInMiddle
from tests.http.handlers.serving import COMPLETIONS, Client, complete, post, serving
from tests.http.handlers.serving import stream as events

FIELDS: dict[str, Any] = {"max_tokens": 6, "temperature": 0}


async def ids(client: Client, text: str) -> list[int]:
    _, answer = await post(client, "/extras/tokenize", {"input": text})
    return list(answer["tokens"])


async def events_of(client: Client, body: dict[str, Any]) -> list[Any]:
    return await events(client, COMPLETIONS, body)


async def test_the_model_sees_prefix_suffix_and_middle_marks(client: Client) -> None:
    before, after = await ids(client, "def f():"), await ids(client, "return x")
    prefix, suffix, middle = [(await ids(client, f"<fim_{name}>"))[0] for name in ("prefix", "suffix", "middle")]

    filled = await complete(client, **FIELDS, prompt="def f():", suffix="return x")

    by_hand = await complete(client, **FIELDS, prompt=[prefix, *before, suffix, *after, middle])
    assert filled["choices"] == by_hand["choices"]
    assert filled["usage"]["prompt_tokens"] == len(before) + len(after) + 3


async def test_echo_gives_the_prompt_without_the_suffix(client: Client) -> None:
    plain = (await complete(client, **FIELDS, prompt="one", suffix="three"))["choices"][0]["text"]

    echoed = (await complete(client, **FIELDS, prompt="one", suffix="three", echo=True))["choices"][0]["text"]

    assert echoed == "one" + plain


async def test_log_probabilities_of_an_echoed_prompt_with_a_suffix_are_refused(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"suffix": "b", "echo": True, "logprobs": 1})

    assert status == 400
    assert answer["error"]["param"] == "echo"


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("logprobs", [None, 1])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_without_such_tokens_has_the_suffix_appended(
    client: Client, monkeypatch: pytest.MonkeyPatch, stream: bool, logprobs: int | None, echo: bool
) -> None:
    monkeypatch.setattr(FillInMiddle, "find", classmethod(lambda cls, tokenizer: None))
    async with serving() as app:
        without = app.test_client()
        body = FIELDS | {"prompt": "one", "echo": echo, "logprobs": logprobs, "n": 2}
        plain = (await complete(without, **body))["choices"]

        if stream:
            chunks = [each["choices"][0] for each in (await events_of(without, body | {"suffix": " END"}))[:-1]]
            texts = ["".join(each["text"] for each in chunks if each["index"] == index) for index in range(2)]
        else:
            texts = [each["text"] for each in (await complete(without, **body, suffix=" END"))["choices"]]

    assert texts == [f"{each['text']} END" for each in plain]
