"""grammar and response_format: the text follows them, in both APIs and in every way of answering."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.structured.compiler import GrammarCompiler
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, complete, post, stream

DATE = 'root ::= [0-9]{4} "-" [0-9]{2} "-" [0-9]{2}'
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SAMPLED: dict[str, Any] = {"temperature": 1.0, "seed": 3, "max_tokens": 100}


async def chat(client: Client, **body: Any) -> Any:
    status, answer = await post(client, CHAT, {"messages": HELLO} | SAMPLED | body)
    assert status == 200, answer
    return answer["choices"][0]


@pytest.mark.parametrize("seed", range(5))
async def test_a_completion_follows_its_grammar(client: Client, seed: int) -> None:
    choice = (await complete(client, **SAMPLED | {"seed": seed}, grammar=DATE))["choices"][0]

    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", choice["text"])
    assert choice["finish_reason"] == "stop"


async def test_a_chat_follows_its_grammar(client: Client) -> None:
    choice = await chat(client, grammar=DATE)

    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", choice["message"]["content"])


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "json_object", "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
    ],
    ids=["object", "newer"],
)
@pytest.mark.parametrize("seed", range(3))
async def test_a_chat_follows_its_schema(client: Client, response_format: dict[str, Any], seed: int) -> None:
    choice = await chat(client, response_format=response_format, seed=seed, max_tokens=200)

    assert jsonschema_rs.is_valid(SCHEMA, json.loads(choice["message"]["content"]))


@pytest.mark.parametrize("max_tokens", [3, 7, 20, 60])
async def test_json_is_closed_at_the_token_limit(client: Client, max_tokens: int) -> None:
    choice = await chat(client, response_format={"type": "json_object"}, max_tokens=max_tokens)

    assert isinstance(json.loads(choice["message"]["content"]), dict)


async def test_a_stream_gives_the_same_as_the_whole(client: Client) -> None:
    whole = await chat(client, grammar=DATE)

    chunks = await stream(client, CHAT, {"messages": HELLO, "grammar": DATE} | SAMPLED)

    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]]
    assert "".join(pieces) == whole["message"]["content"]


async def test_each_choice_follows_the_grammar_by_itself(client: Client) -> None:
    choices = (await complete(client, **SAMPLED, prompt=["a", "b"], n=3, grammar=DATE))["choices"]

    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", choice["text"]) for choice in choices)
    assert len({choice["text"] for choice in choices}) > 1


async def test_what_the_grammar_forces_is_not_asked_of_the_model(client: Client) -> None:
    grammar = 'root ::= "The quick brown fox " [ab]'

    plain = await complete(client, **SAMPLED, grammar=grammar)
    ranked = await complete(client, **SAMPLED, grammar=grammar, logprobs=0)

    assert plain["choices"][0]["text"][:-1] == ranked["choices"][0]["text"][:-1] == "The quick brown fox "
    assert "".join(ranked["choices"][0]["logprobs"]["tokens"]) == ranked["choices"][0]["text"]


async def test_a_stop_string_ends_constrained_text(client: Client) -> None:
    choice = (await complete(client, **SAMPLED, grammar=DATE, stop="-"))["choices"][0]

    assert re.fullmatch(r"\d{4}", choice["text"])


async def test_a_constrained_sequence_leaves_its_company_alone(client: Client) -> None:
    alone = (await complete(client, **SAMPLED | {"max_tokens": 40}, prompt="two"))["choices"][0]["text"]
    body = SAMPLED | {"max_tokens": 40, "prompt": "two"}

    _, (_, answer) = await asyncio.gather(
        post(client, COMPLETIONS, {"grammar": DATE, "prompt": "one"} | SAMPLED), post(client, COMPLETIONS, body)
    )

    assert answer["choices"][0]["text"] == alone


class Panic(BaseException):
    """As pyo3's PanicException: no ``Exception``."""


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (COMPLETIONS, {"prompt": "a", "grammar": DATE}, "grammar"),
        (CHAT, {"messages": HELLO, "response_format": {"type": "json_object"}}, "response_format"),
    ],
)
async def test_a_panic_of_the_compiler_is_400_and_ends_nothing(
    client: Client, path: str, body: dict[str, Any], param: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(_: GrammarCompiler, __: str) -> None:
        raise Panic("index out of bounds")

    monkeypatch.setattr(GrammarCompiler, "_matcher", panic)
    statuses = [await post(client, path, SAMPLED | body) for _ in range(4)]
    monkeypatch.undo()

    for status, answer in statuses:
        assert (status, answer["error"]["param"].split(".")[0]) == (400, param)
        assert "the compiler failed on it" in answer["error"]["message"]
    assert (await post(client, path, SAMPLED | body))[0] == 200
