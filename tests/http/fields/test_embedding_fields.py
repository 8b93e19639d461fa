"""Fields of embeddings."""

from __future__ import annotations

import base64
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.fields.asking import answered, ids, refused
from tests.http.fields.registry import field
from tests.http.handlers.serving import EMBEDDINGS, Client, serving

EMBEDDING = "CreateEmbeddingRequest"


async def vectors(client: Client, given: object, **fields: Any) -> list[list[float]]:
    answer = await answered(client, EMBEDDINGS, input=given, **fields)
    assert [each["index"] for each in answer["data"]] == [*range(len(answer["data"]))]
    return [each["embedding"] for each in answer["data"]]


@field(EMBEDDING, "input")
async def test_an_input_is_the_same_in_its_four_spellings(client: Client) -> None:
    token_ids = await ids(client, "Hello")
    spellings: list[Any] = ["Hello", ["Hello"], token_ids, [token_ids]]

    results = [await vectors(client, spelling) for spelling in spellings]

    assert all(result == results[0] for result in results)
    assert await vectors(client, ["Goodbye", "Hello"]) == [*await vectors(client, "Goodbye"), *results[0]]
    assert await vectors(client, "Goodbye") != results[0]


@field(EMBEDDING, "encoding_format")
async def test_base64_holds_the_same_numbers(client: Client) -> None:
    (numbers,) = await vectors(client, "Hello")
    (as_text,) = [
        each["embedding"]
        for each in (await answered(client, EMBEDDINGS, input="Hello", encoding_format="base64"))["data"]
    ]

    assert await vectors(client, "Hello", encoding_format="float") == [numbers]
    assert np.frombuffer(base64.b64decode(as_text), "<f4").tolist() == numbers


@field(EMBEDDING, "input", "encoding_format", "dimensions", "user", "model")
@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [512]}, 400, "input"),
        ({"input": [1] * 513}, 400, "input"),
        ({"input": None}, 422, "input"),
        ({"dimensions": 8}, 400, "dimensions"),
        ({"dimensions": -1}, 422, "dimensions"),
        ({"encoding_format": "hex"}, 422, "encoding_format"),
        ({"user": 5}, 422, "user"),
        ({"model": 5}, 422, "model"),
    ],
    ids=["text", "list", "id", "length", "null", "dimensions", "no_dimensions", "encoding", "user", "model"],
)
async def test_what_cannot_be_embedded_is_refused_by_name(
    client: Client, fields: dict[str, Any], status: int, name: str
) -> None:
    assert await refused(client, EMBEDDINGS, {"input": "Hello"} | fields) == (status, name)


@field(EMBEDDING, "dimensions")
async def test_the_models_own_length_is_accepted(client: Client) -> None:
    own = await vectors(client, "Hello")

    assert await vectors(client, "Hello", dimensions=len(own[0])) == own


@field(EMBEDDING, "dimensions")
@pytest.mark.parametrize("config", [{"is_matryoshka": True}, {"matryoshka_dimensions": [4, 8]}], ids=str)
async def test_fewer_dimensions_are_the_first_ones_of_length_one_where_the_configuration_allows(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    folder = tmp_path / "short"
    shutil.copytree(FOLDER, folder)
    for name, more in (("config.json", config), ("jan_ort.json", {"task": "embed"})):
        stated = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(stated | more))
    async with serving(embedding_model=str(folder)) as app:
        few = app.test_client()
        own = np.array(await vectors(few, "Hello"))
        short = np.array(await vectors(few, "Hello", dimensions=8))
        status, name = await refused(few, EMBEDDINGS, {"input": "Hello", "dimensions": 10_000})

    assert short.shape == (1, 8)
    assert np.allclose(short, own[:, :8] / np.linalg.norm(own[:, :8]), atol=1e-6)
    assert (status, name) == (400, "dimensions")


PROMPTS = {"query": "Find: ", "document": "", "title": "Title: "}


@field(EMBEDDING, "prompt_name")
@pytest.mark.parametrize("default", [None, "title"])
async def test_a_prompt_of_the_model_is_put_before_each_text(tmp_path: Path, default: str | None) -> None:
    folder = tmp_path / "prompted"
    shutil.copytree(FOLDER, folder)
    stated = json.loads((folder / "jan_ort.json").read_text())
    (folder / "jan_ort.json").write_text(json.dumps(stated | {"task": "embed"}))
    prompts = {"prompts": PROMPTS, "default_prompt_name": default}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    async with serving(embedding_model=str(folder)) as app:
        client = app.test_client()

        def embedded(texts: Any, prompt: str | None = "") -> Any:
            return vectors(client, texts, prompt_name=prompt)

        named = await embedded(["a", "b"], "query")
        unnamed = await embedded("a", None)
        token_ids = await ids(client, "Find: a")
        refusals = [
            await refused(client, EMBEDDINGS, {"input": "a", "prompt_name": "nobody"}),
            await refused(client, EMBEDDINGS, {"input": token_ids, "prompt_name": "query"}),
        ]

        assert named == await embedded(["Find: a", "Find: b"])
        assert unnamed == await embedded("Title: a" if default else "a")
        assert await embedded(token_ids, None) == await embedded("Find: a")
        assert await embedded("a", "document") == await embedded("a")
        assert refusals == [(400, "prompt_name"), (400, "prompt_name")]


@field(EMBEDDING, "dimensions")
async def test_no_dimensions_are_all_of_them(client: Client) -> None:
    assert await vectors(client, "Hello", dimensions=None) == await vectors(client, "Hello")


@field(EMBEDDING, "model")
@pytest.mark.parametrize("model", ["reference", "text-embedding-3-small", None])
async def test_any_model_is_served_by_the_only_one(client: Client, model: str | None) -> None:
    answer = await answered(client, EMBEDDINGS, input="Hello", model=model)

    assert answer["model"] == "reference"
    assert [each["embedding"] for each in answer["data"]] == await vectors(client, "Hello")


@field(EMBEDDING, "user")
async def test_the_log_names_the_user_of_an_embedding(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jan_ort")

    await vectors(client, "Hello", user="alice")
    await vectors(client, "Hello")

    assert ["alice" in line for line in caplog.messages if "prompt tokens" in line] == [True, False]
