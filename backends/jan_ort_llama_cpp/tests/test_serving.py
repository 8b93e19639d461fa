"""The server's features come with the backend: none of them is in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from tests.cli.commands.running import last_error, run
from tests.http.handlers.serving import COMPLETIONS, Client, complete, serving, stream

SAMPLED = {"temperature": 1.0, "seed": 5, "max_tokens": 12}


@pytest.fixture
async def client(tiny_folder: Path) -> AsyncIterator[Client]:
    async with serving(backend="llama_cpp", model=str(tiny_folder), num_slots=4) as app:
        yield app.test_client()


async def test_a_file_that_is_kept_is_served_under_its_name(tiny_gguf: Path, tmp_path: Path, client: Client) -> None:
    expected = await complete(client, **SAMPLED)

    async with serving(backend="llama_cpp", model=str(tiny_gguf), weights="as-is", cache_dir=tmp_path) as app:
        answer = await complete(app.test_client(), **SAMPLED)

    assert answer["model"] == "tiny"
    assert answer["choices"] == expected["choices"]


def test_a_file_that_would_be_converted_is_refused_with_the_remedy(tiny_gguf: Path) -> None:
    result = run("serve", "--backend", "llama_cpp", "--model", str(tiny_gguf))

    assert "add --weights as-is" in last_error(result)


async def test_a_stream_is_the_plain_answer_in_pieces(client: Client) -> None:
    plain = await complete(client, **SAMPLED)

    events = await stream(client, COMPLETIONS, {"prompt": "Hello", **SAMPLED})

    pieces = [event["choices"][0]["text"] for event in events if event != "[DONE]" and event["choices"]]
    assert "".join(pieces) == plain["choices"][0]["text"]


async def test_a_seeded_choice_is_the_same_alone_in_company_and_from_the_cache(client: Client) -> None:
    prompts = ["Hello there, ", "he", "A longer prompt that is computed in company. "]
    together = await complete(client, **SAMPLED | {"prompt": prompts})

    alone = [await complete(client, **SAMPLED | {"prompt": prompt}) for prompt in prompts]

    assert [choice["text"] for choice in together["choices"]] == [each["choices"][0]["text"] for each in alone]


async def test_logprobs_are_given_for_the_prompt_too(client: Client) -> None:
    answer = await complete(client, echo=True, logprobs=2, max_tokens=3)

    logprobs = answer["choices"][0]["logprobs"]

    assert len(logprobs["tokens"]) == answer["usage"]["total_tokens"]
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])


async def test_a_grammar_is_kept(client: Client) -> None:
    answer = await complete(client, max_tokens=20, grammar='root ::= "yes, " [0-9]+ "."')

    assert re.fullmatch(r"yes, \d+\.?", answer["choices"][0]["text"])
