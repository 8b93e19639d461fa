"""What one request may ask for: more is refused before any work, by the field's name and with both numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.models.tokenizer import TextTokenizer
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, complete, post, serving

TEXTS = {"logit_bias_type": "tokens"}


def biases(count: int, text: str = "%d") -> dict[str, float]:
    return {text % at: 1.0 for at in range(count)}


LIMITS: list[tuple[dict[str, Any], str, int, int]] = [
    ({"logprobs": 101}, "logprobs", 101, 100),
    ({"stop": ["a"] * 129}, "stop", 129, 128),
    ({"stop": ["a" * 4000] * 17}, "stop", 68_000, 65_536),
    ({"stop": ["a", "b" * 4097]}, "stop", 4097, 4096),
    ({"logit_bias": biases(1025)}, "logit_bias", 1025, 1024),
    ({"logit_bias": biases(1025, "word %d")} | TEXTS, "logit_bias", 1025, 1024),
    ({"logit_bias": {"a" * 65_537: 1}} | TEXTS, "logit_bias", 65_537, 65_536),
    ({"prompt": ["a"] * 2049}, "prompt", 2049, 2048),
    ({"prompt": ["a"] * 17, "n": 128}, "n", 17 * 128, 2048),
]


@pytest.fixture
def num_texts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many texts have been tokenized, as a list of one number."""
    counted = [0]
    for name in ("encode", "encode_part"):
        encode = getattr(TextTokenizer, name)

        def counting(self: TextTokenizer, text: str, encode: Any = encode) -> NDArray[np.int64]:
            counted[0] += 1
            tokens: NDArray[np.int64] = encode(self, text)
            return tokens

        monkeypatch.setattr(TextTokenizer, name, counting)
    return counted


@pytest.mark.parametrize(("fields", "param", "num_given", "num_allowed"), LIMITS)
async def test_what_is_too_much_is_refused_before_anything_is_tokenized(
    client: Client, num_texts: list[int], fields: dict[str, Any], param: str, num_given: int, num_allowed: int
) -> None:
    status, answer = await post(client, COMPLETIONS, {"prompt": "Hello"} | fields)

    assert (status, answer["error"]["param"]) == (400, param)
    assert str(num_allowed) in answer["error"]["message"]
    assert str(num_given) in answer["error"]["message"] or param == "n"
    assert num_texts == [0]


async def test_the_texts_of_biases_are_tokenized_once_however_many_prompts_there_are(
    client: Client, num_texts: list[int]
) -> None:
    await complete(client, prompt=["a", "b", "c"], max_tokens=1, logit_bias={"x": -1, "y": 1}, **TEXTS)

    assert num_texts == [3 + 2]


async def test_log_probabilities_may_be_as_many_as_the_setting_says(client: Client) -> None:
    chat = {"messages": HELLO, "logprobs": True, "max_tokens": 1}
    async with serving(max_logprobs=3) as app:
        few = app.test_client()
        answers = [
            await post(few, CHAT, chat | {"top_logprobs": 3}),
            await post(few, CHAT, chat | {"top_logprobs": 4}),
            await post(few, COMPLETIONS, {"prompt": "a", "max_tokens": 1, "logprobs": 4}),
        ]

    assert [status for status, _ in answers] == [200, 400, 400]
    assert (
        "top_logprobs is 4; at most 3 are allowed (setting JAN_ORT_MAX_LOGPROBS)" in answers[1][1]["error"]["message"]
    )
    assert (await post(client, CHAT, chat | {"top_logprobs": 20}))[0] == 200


async def test_a_text_may_be_as_large_as_the_setting_says() -> None:
    async with serving(max_text_bytes=2048) as app:
        client = app.test_client()
        status, answer = await post(client, "/extras/tokenize", {"input": "a" * 2049})
        fitting, _ = await post(client, "/extras/tokenize", {"input": "a" * 2048})

    assert (status, answer["error"]["code"], fitting) == (400, "text_too_large", 200)
    assert (
        "2049 bytes, and 2048 can be tokenized at once (setting JAN_ORT_MAX_TEXT_BYTES)" in answer["error"]["message"]
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"logit_bias": {"70": 1, "71": 1, "72": 1}}, "has 3 entries; at most 2 are"),
        (TEXTS | {"logit_bias": {"abc": 1}}, "shifts 3 tokens; at most 2 are"),
        (TEXTS | {"logit_bias": {"a" * 129: 1}}, "have 129 characters; at most 128 are"),
    ],
)
async def test_as_many_tokens_may_be_shifted_as_the_setting_says(fields: dict[str, Any], said: str) -> None:
    body = {"prompt": "a", "max_tokens": 1}
    async with serving(max_biases=2) as app:
        client = app.test_client()
        status, answer = await post(client, COMPLETIONS, body | fields)
        fitting, _ = await post(client, COMPLETIONS, body | {"logit_bias": {"70": 1, "71": 1}})

    assert (status, answer["error"]["param"], fitting) == (400, "logit_bias", 200)
    assert f"{said} allowed (setting JAN_ORT_MAX_BIASES)" in answer["error"]["message"]


async def test_a_body_may_hold_as_many_values_as_the_setting_says() -> None:
    async with serving(max_body_values=2048) as app:
        client = app.test_client()
        status, answer = await post(client, EMBEDDINGS, {"input": [[70] * 20] * 100})
        fitting, _ = await post(client, EMBEDDINGS, {"input": [[70] * 20] * 90})

    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, "input", "too_many_values")
    assert "2101 values are given; at most 2048 are allowed" in answer["error"]["message"]
    assert "JAN_ORT_MAX_BODY_VALUES" in answer["error"]["message"]
    assert fitting == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/models/load", {"model": "m" * 2**20}),
        (COMPLETIONS, {"logit_bias": {"k" * 2**20: "no number"}}),
        (COMPLETIONS, {"logit_bias": {"k" * 2**20: 1.0}}),
        (CHAT, {"messages": [{"role": "r" * 2**20, "content": ""}]}),
    ],
    ids=["model", "key of the wrong type", "key", "role"],
)
async def test_an_error_does_not_repeat_megabytes_of_its_request(client: Client, path: str, body: Any) -> None:
    response = await client.post(path, json=body)

    assert response.status_code in (400, 404, 422)
    assert len(await response.get_data()) < 4000
