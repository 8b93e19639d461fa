"""The collections over HTTP: the real model held to each schema and grammar, and every broken one refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio

from jan_ort.ground.worker_pool import PoolClosed
from jan_ort.serving.generative import GenerativeModel
from jan_ort.structured.gbnf.grammar_parser import parse_gbnf
from tests.http.handlers.serving import CHAT, COMPLETIONS, Client, loaded_models, post, serving
from tests.structured.gbnf.gbnf_twin import Recogniser
from tests.structured.gbnf.grammars import BROKEN_GRAMMARS, GRAMMARS
from tests.structured.json_schema.schemas import BROKEN_SCHEMAS, SCHEMAS

QUESTION = [{"role": "user", "content": "Give me an example of what you were asked for."}]
MAX_TOKENS = 64


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def smollm2_client(smollm2_folder: Path) -> AsyncIterator[Client]:
    async with serving(backend="onnxruntime", model=str(smollm2_folder), num_slots=8) as app:
        yield app.test_client()


async def answers(client: Client, path: str, bodies: list[dict[str, Any]]) -> list[Any]:
    """Return each request's one choice; eight of them run at a time."""
    answered = await asyncio.gather(*(post(client, path, body | {"max_tokens": MAX_TOKENS}) for body in bodies))
    assert [answer for status, answer in answered if status != 200] == []
    return [answer["choices"][0] for _, answer in answered]


@pytest.mark.weights
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("temperature", [0.0, 1.2])
async def test_every_output_is_valid_under_its_schema(smollm2_client: Client, temperature: float) -> None:
    bodies = [
        {
            "messages": QUESTION,
            "response_format": {"type": "json_object", "schema": schema},
            "temperature": temperature,
            "seed": 1,
        }
        for _, schema in SCHEMAS
    ]

    choices = await answers(smollm2_client, CHAT, bodies)

    invalid = []
    for (name, schema), choice in zip(SCHEMAS, choices, strict=True):
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        if not validator.is_valid(json.loads(choice["message"]["content"])):
            invalid.append((name, choice))
    assert len(choices) >= 60
    assert invalid == []


@pytest.mark.weights
@pytest.mark.asyncio(loop_scope="module")
async def test_every_output_is_of_its_grammar(smollm2_client: Client) -> None:
    bodies = [{"prompt": "Example:\n", "grammar": example.source, "seed": 3} for example in GRAMMARS]

    choices = await answers(smollm2_client, COMPLETIONS, bodies)

    wrong = []
    for example, choice in zip(GRAMMARS, choices, strict=True):
        recogniser = Recogniser(parse_gbnf(example.source), choice["text"].rstrip("\ufffd"))
        whole = choice["finish_reason"] == "stop"
        if not (recogniser.is_sentence if whole else recogniser.is_beginning):
            wrong.append((example.name, choice))
    assert len(choices) >= 30
    assert wrong == []


async def test_every_broken_grammar_is_400_and_disturbs_nobody(client: Client) -> None:
    body = {"prompt": "one", "max_tokens": 400, "min_tokens": 400, "seed": 1}
    _, alone = await post(client, COMPLETIONS, body)

    running = asyncio.create_task(post(client, COMPLETIONS, body))
    broken = [
        case for case in BROKEN_GRAMMARS if case[1]
    ]  # an empty one is no grammar, as clients of llama.cpp mean it
    refused = [await post(client, COMPLETIONS, {"grammar": source}) for _, source, *_ in broken]

    for (name, _, line, column, words), (status, answer) in zip(broken, refused, strict=True):
        assert (name, status, answer["error"]["param"]) == (name, 400, "grammar")
        assert f"line {line}, column {column}" in answer["error"]["message"]
        assert words in answer["error"]["message"]
    assert len(refused) >= 20
    assert (await running)[1]["choices"] == alone["choices"]


async def test_every_broken_schema_is_400(client: Client) -> None:
    for name, schema, path, words in BROKEN_SCHEMAS:
        if schema is None:
            continue  # no schema at all: any object
        body = {"messages": QUESTION, "response_format": {"type": "json_object", "schema": schema}}

        status, answer = await post(client, CHAT, body)

        assert (name, status, answer["error"]["param"]) == (name, 400, "response_format.schema")
        assert words in answer["error"]["message"]
        assert path in answer["error"]["message"]


async def test_a_model_that_is_closed_compiles_nothing_more() -> None:
    async with serving() as app:
        (model,) = (each for each in loaded_models(app) if isinstance(each, GenerativeModel))
        grammars = model.grammars
        await grammars.gbnf('root ::= "a"')

    with pytest.raises(PoolClosed):
        await grammars.gbnf('root ::= "b"')
