"""Several models are configured, and each request says which one it means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jan_ort_openapi import parse_body
from jan_ort_openapi.models import ModelList
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post, server_of, serving
from tests.serving.several import copied, listed

BODIES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"prompt": "Hello", "max_tokens": 1},
    CHAT: {"messages": HELLO, "max_tokens": 1},
    EMBEDDINGS: {"input": "Hello"},
}


@pytest.fixture
async def several(tmp_path: Path) -> AsyncIterator[Client]:
    """Two models that generate and two that embed; the tasks are not stated, but for one."""
    models = [copied(tmp_path, "ada"), copied(tmp_path, "bob"), copied(tmp_path, "eve", task="embed")]
    async with serving(model=models, embedding_model=copied(tmp_path, "fay", task="embed")) as app:
        yield app.test_client()


@pytest.mark.parametrize(
    ("path", "name", "served"),
    [
        (COMPLETIONS, "bob", "bob"),
        (CHAT, "bob", "bob"),
        (COMPLETIONS, None, "ada"),
        (CHAT, "", "ada"),
        (EMBEDDINGS, "fay", "fay"),
        (EMBEDDINGS, None, "eve"),
    ],
)
async def test_a_request_is_served_by_the_model_it_names_or_the_first(
    several: Client, path: str, name: str | None, served: str
) -> None:
    status, answer = await post(several, path, BODIES[path] | {"model": name})

    assert (status, answer["model"]) == (200, served)


async def test_a_model_is_also_known_as_it_was_configured(several: Client, tmp_path: Path) -> None:
    _, answer = await post(several, COMPLETIONS, BODIES[COMPLETIONS] | {"model": str(tmp_path / "bob")})

    assert answer["model"] == "bob"


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [(COMPLETIONS, "gpt-4o", "'ada', 'bob'"), (CHAT, "eve", "'ada', 'bob'"), (EMBEDDINGS, "ada", "'eve', 'fay'")],
)
@pytest.mark.parametrize("more", [{}, {"stream": True}])
async def test_of_several_an_unknown_name_is_404_with_the_known_ones(
    several: Client, path: str, name: str, known: str, more: dict[str, bool]
) -> None:
    status, answer = await post(several, path, BODIES[path] | more | {"model": name})

    assert (status, answer["error"]["code"], answer["error"]["param"]) == (404, "model_not_found", "model")
    assert answer["error"]["message"] == f"there is no model {name!r}; served: {known}"


async def test_a_tokenizer_is_chosen_among_all_models(several: Client) -> None:
    answers = [await post(several, "/extras/tokenize", {"input": "a", "model": name}) for name in ("bob", "fay", "me")]

    assert [status for status, _ in answers] == [200, 200, 404]


async def test_the_list_has_every_model_with_what_it_can_do(several: Client) -> None:
    response = await several.get("/v1/models")
    models = await listed(several)

    parse_body(ModelList, await response.get_data(as_text=False))
    assert [*models] == ["ada", "bob", "eve", "fay"]
    assert models["ada"]["capabilities"] == ["completion", "chat", "tools", "insert"]
    assert models["ada"]["defaults"]["temperature"] == 0.8
    assert (models["eve"]["capabilities"], models["eve"]["defaults"]) == (["embedding"], {})
    assert models["bob"]["device"]["used"] == "cpu"
    assert {each["status"] for each in models.values()} == {"loaded"}


async def test_one_model_for_both_tasks_is_listed_once(client: Client) -> None:
    models = await listed(client)

    assert [*models] == ["reference"]
    assert models["reference"]["tasks"] == ["generate", "embed"]
    assert models["reference"]["capabilities"] == ["completion", "chat", "tools", "insert", "embedding"]


async def test_two_models_of_one_name_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    models = [copied(tmp_path, "ada"), copied(tmp_path / "other", "ada")]

    async with serving(model=models) as app:
        server = server_of(app)

    assert "2 models are named 'ada'" in str(server.failure)
    assert all(repr(str(model)) in str(server.failure) for model in models)
