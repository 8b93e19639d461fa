"""Several models behind one HAProxy: each request reaches its model's servers, and there is one list."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.deploy.proxies import haproxy_before, ports
from tests.e2e.server_process import ServerProcess, serve
from tests.serving.several import copied

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="HAProxy as deploy/ has it is for Unix")

EMBEDS = "all-minilm-l6-v2"
"""What deploy/haproxy.cfg names in its lines for a second model."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("one", "two", "proxy"):
        (folder / name).mkdir()
    chat, embedding = copied(folder, "ada"), copied(folder, EMBEDS, task="embed")
    with serve(folder / "one", "--model", chat) as one, serve(folder / "two", "--embedding-model", embedding) as two:
        lists = [httpx.get(f"{each.url}/v1/models").json()["data"] for each in (one, two)]
        file = folder / "models.json"
        file.write_text(json.dumps({"object": "list", "data": [model for each in lists for model in each]}))
        changes = [
            ("#m ", ""),
            ("file models.json", f"file {file}"),
            ("127.0.0.1:8003", f"127.0.0.1:{ports([two])[0]}"),
        ]
        with haproxy_before(folder / "proxy", [one], *changes) as proxy:
            yield proxy


def test_there_is_one_list(door: ServerProcess) -> None:
    assert [each.id for each in door.client().models.list()] == ["ada", EMBEDS]


def test_a_chat_and_an_embedding_reach_their_models(door: ServerProcess) -> None:
    client = door.client()

    said = client.chat.completions.create(model="ada", messages=[{"role": "user", "content": "hi"}], max_tokens=1)
    vectors = client.embeddings.create(model=EMBEDS, input="hi").data

    assert said.model == "ada"
    assert len(vectors) == 1


def test_a_model_is_found_by_its_name_in_path_and_body(door: ServerProcess) -> None:
    tokens = httpx.post(f"{door.url}/extras/tokenize", json={"model": EMBEDS, "input": "hi"})

    assert door.client().models.retrieve(EMBEDS).id == EMBEDS
    assert tokens.status_code == 200


def test_a_model_that_nobody_serves_is_a_404_where_there_are_several(door: ServerProcess) -> None:
    with pytest.raises(openai.NotFoundError):
        door.client().models.retrieve("nobody")
