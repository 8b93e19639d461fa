"""Several models on Ray behind one port: a deployment each, one list, and each request at its model."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.e2e.server_process import ServerProcess, environment, free_port, ready, running
from tests.on_ray.test_ray import replicas
from tests.serving.several import copied

MODELS = ("ada", "bob")
EMBEDS = "eve"
KEY = "right"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    pytest.importorskip("ray.serve", reason="Ray is not installed (pip install -e '.[ray]')")
    folder, port = tmp_path_factory.mktemp("models"), free_port()
    flags = [part for name in MODELS for part in ("--model", copied(folder, name))]
    flags += ["--embedding-model", copied(folder, EMBEDS, task="embed"), "--port", str(port), "--on", "ray"]
    command = [sys.executable, "-m", "jan_ort", "serve", *flags]
    with running(command, folder, environment(JAN_ORT_API_KEY=KEY), 60) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-4000:]


def client_of(server: ServerProcess) -> openai.OpenAI:
    return server.client(api_key=KEY)


def test_each_model_has_a_deployment_and_all_have_one_list(door: ServerProcess) -> None:
    assert len(replicas(door)) == len(MODELS) + 1
    assert sorted(each.id for each in client_of(door).models.list()) == sorted([*MODELS, EMBEDS])


@pytest.mark.parametrize("name", MODELS)
def test_a_chat_reaches_its_model(door: ServerProcess, name: str) -> None:
    chat = client_of(door).chat.completions

    whole = chat.create(model=name, messages=[{"role": "user", "content": "hi"}], max_tokens=4)
    chunks = list(chat.create(model=name, messages=[{"role": "user", "content": "hi"}], max_tokens=4, stream=True))

    assert {whole.model, *(each.model for each in chunks)} == {name}
    assert client_of(door).models.retrieve(name).id == name


def test_an_embedding_reaches_the_model_that_embeds(door: ServerProcess) -> None:
    assert client_of(door).embeddings.create(model=EMBEDS, input="hi").model == EMBEDS


def test_a_stored_response_is_found_whichever_model_made_it(door: ServerProcess) -> None:
    client = client_of(door)

    for name in MODELS:
        made = client.responses.create(model=name, input="hi", max_output_tokens=4)
        assert client.responses.retrieve(made.id).model == name
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)


def test_an_unknown_model_is_named_with_those_that_there_are(door: ServerProcess) -> None:
    with pytest.raises(openai.NotFoundError, match="served: 'ada', 'bob'"):
        client_of(door).chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "hi"}])


def test_without_a_key_nothing_is_told(door: ServerProcess) -> None:
    chat = httpx.post(f"{door.url}/v1/chat/completions", json={"model": "gpt-4", "messages": []})

    assert (httpx.get(f"{door.url}/v1/models").status_code, chat.status_code) == (401, 401)
    assert "ada" not in chat.text
