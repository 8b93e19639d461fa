"""A text on which the model's tokenizer fails costs that request alone, and its answer says so."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Regex, pre_tokenizers

from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, loaded_models, serving

EXPLODES = "a" * 64 + "!b"
GOOD = "Hello"


def body(path: str, text: str) -> dict[str, Any]:
    if path == CHAT:
        return {"messages": [{"role": "user", "content": text}], "max_tokens": 2}
    return {"input": text} if path != COMPLETIONS else {"prompt": text, "max_tokens": 2}


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT, EMBEDDINGS, "/extras/tokenize"])
@pytest.mark.parametrize("times", [1, 100])
async def test_a_tokenizer_that_panics_fails_one_request(path: str, times: int) -> None:
    async with serving() as app:
        for model in loaded_models(app):
            split = pre_tokenizers.Split(Regex("(?:a|a)*b"), "isolated")
            model.tokenizer._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
            )
        client = app.test_client()

        failed = await client.post(path, json=body(path, EXPLODES * times))
        answered = await client.post(path, json=body(path, GOOD))

    error = (await failed.get_json())["error"]
    assert (failed.status_code, error["code"]) == (500, "tokenizer_failed")
    assert "retry-limit-in-match over" in error["message"]
    assert answered.status_code == 200
