"""Names that clients read in answers: what OpenAI's have, and the context length as other servers spell it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.http.fields.asking import GREEDY, ask, streamed
from tests.http.handlers.serving import CHAT, COMPLETIONS, Client


async def test_a_message_has_what_typed_clients_require(client: Client) -> None:
    message = (await ask(client, CHAT, **GREEDY))["choices"][0]["message"]

    assert (message["refusal"], message["annotations"]) == (None, [])


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_answers_and_chunks_say_which_weights_answered(client: Client, path: str) -> None:
    whole = await ask(client, path, **GREEDY)
    chunks: list[Any] = await streamed(client, path, **GREEDY, stream=True)

    assert whole["system_fingerprint"] is None or re.fullmatch(r"fp_\w+", whole["system_fingerprint"])
    assert {each["system_fingerprint"] for each in chunks} == {whole["system_fingerprint"]}


async def test_a_model_tells_its_context_length_under_each_name(client: Client) -> None:
    listed = await (await client.get("/v1/models")).get_json()
    model = listed["data"][0]

    length = model["metadata"]["context_length"]
    assert length > 0
    assert (model["max_model_len"], model["max_context_length"], model["meta"]["n_ctx"]) == (length,) * 3
