"""What tests of the HTTP edge share: an app over the reference backend, and readers of its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from quart import Quart
from quart.typing import TestClientProtocol

from jan_ort.engine.engine import Engine
from jan_ort.http.app import create_app
from jan_ort.http.routes import EXTENSION
from jan_ort.serving.embedding import EmbeddingModel
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings

Client = TestClientProtocol  # under its own name pytest takes it for a class of tests

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
EVERY_TASK = {"model": "reference,reference-reranker", "embedding_model": "reference"}
"""The settings with which the reference backend also ranks, which nothing does unasked."""

HELLO = [{"role": "user", "content": "Hello"}]


def reference_settings(**given: Any) -> Settings:
    return Settings.read(**({"backend": "reference", "bug_records": "off"} | given))


LOADING_S = 240.0
"""An isolated model is a process more, which takes half a minute to start under Wine."""


@asynccontextmanager
async def serving(**given: Any) -> AsyncIterator[Quart]:
    """Serve the reference model, and wait until it is loaded."""
    app = create_app(reference_settings(**given))
    async with app.test_app():
        await until(lambda: server_of(app).status != "loading", LOADING_S)
        yield app


def server_of(app: Quart) -> Server:
    server: Server = app.extensions[EXTENSION]
    return server


def loaded_models(app: Quart) -> list[ServedModel]:
    """Return the loaded models, the generative ones first."""
    return [each.model for each in server_of(app).roster.residents if each.model is not None]


def engine_of(app: Quart) -> Engine:
    """Return the engine of the first loaded model that generates."""
    return next(model.engine for model in loaded_models(app) if isinstance(model, GenerativeModel))


def embedding_model(app: Quart) -> EmbeddingModel:
    """Return the first loaded model that embeds."""
    return next(model for model in loaded_models(app) if isinstance(model, EmbeddingModel))


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (what is waited for happens in another thread)
            await asyncio.sleep(0.005)


async def post(client: Client, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    """Post a body, JSON unless it is bytes already, and return status and parsed answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.post(path, data=raw, headers={"Content-Type": "application/json"} | headers)
    return response.status_code, json.loads(await response.get_data(as_text=True))


def told(answer: Any) -> dict[str, Any]:
    """Return what an error says of itself, in whose shape it may be."""
    found: dict[str, Any] = answer["error"] if isinstance(answer["error"], dict) else answer
    return found


async def complete(client: Client, **body: Any) -> Any:
    """Return the answer to a completion that must succeed; at temperature 0 unless the test says otherwise."""
    status, answer = await post(client, COMPLETIONS, {"prompt": "Hello", "temperature": 0} | body)
    assert status == 200, answer
    return answer


async def text_of(client: Client, **body: Any) -> str:
    answer = await complete(client, **body)
    text: str = answer["choices"][0]["text"]
    return text


async def stream(client: Client, path: str, body: dict[str, Any]) -> list[Any]:
    """Return the events of a stream: parsed JSON, and the string [DONE]."""
    response = await client.post(path, json=body | {"stream": True})
    assert response.status_code == 200, await response.get_data(as_text=True)
    return events(await response.get_data(as_text=True))


def events(text: str) -> list[Any]:
    """Parse server-sent events of ``data`` fields only; anything else but a comment is an error."""
    assert text.endswith("\n\n"), "a stream ends with a whole event"
    parsed = []
    for frame in text[:-2].split("\n\n"):
        if frame.startswith(":"):
            continue
        assert frame.startswith("data: "), frame
        assert "\n" not in frame
        payload = frame.removeprefix("data: ")
        parsed.append(payload if payload == "[DONE]" else json.loads(payload))
    return parsed
