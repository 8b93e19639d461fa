"""Several applications of Ray behind one port: which of them a request reaches, and one list of their models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from jan_ort.on_ray.front import Front
from tests.on_ray.test_front import OWN, RAYS, Message, body, start

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
KEY = (b"authorization", b"Bearer right")
LLAMA, QWEN, MINILM = {"llama": ["generate"]}, {"qwen": ["generate"]}, {"minilm": ["embed"]}


class Ray:
    """Stands for Ray's proxy with applications, each with its models; ``also`` are other names of models."""

    def __init__(self, applications: Mapping[str, Mapping[str, list[str]]], also: Mapping[str, str] | None = None):
        self.applications, self.also = applications, also or {}
        self.reached: list[str] = []
        self.stored: dict[str, str] = {}

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        status, content = self.answer(scope["path"], dict(scope["headers"]))
        await send(start(status, [*OWN, (b"Access-Control-Allow-Origin", b"http://page")]))
        await send(body(json.dumps(content).encode(), more=False))
        while (await receive())["type"] != "http.disconnect":  # as Quart does, from 0.23 on
            pass

    def answer(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, Any]:
        if path == "/-/routes":
            names = {prefix or "/": "jan-ort" + prefix.lstrip("/") for prefix in self.applications}
            return 200, {**names, "/other": "somebody-else-s"}
        prefix = next(each for each in sorted(self.applications, reverse=True) if path.startswith(each))
        path = path.removeprefix(prefix)
        if headers.get(b"authorization") != KEY[1]:
            return 401, {"error": "no key"}
        models = self.applications[prefix]
        if path == "/v1/models":
            return 200, {
                "object": "list",
                "data": [{"id": name, "metadata": {"tasks": tasks}} for name, tasks in models.items()],
            }
        if path.startswith("/v1/models/"):
            asked = path.removeprefix("/v1/models/")
            return (200 if self.also.get(asked, asked) in models else 404), {}
        if path.startswith("/v1/responses/"):
            return (200 if self.stored.get(path.removeprefix("/v1/responses/")) == prefix else 404), {"at": prefix}
        self.reached.append(prefix)
        return 200, {"at": prefix}


async def ask(
    front: Front, path: str, fields: dict[str, Any] | None = None, *, key: bool = True
) -> tuple[int, dict[str, Any]]:
    """Return status and body of what a client is answered; a GET without fields."""
    sent: list[Message] = []

    async def receive() -> Message:
        if sent and sent[-1].get("more_body") is False:  # as a server tells an app after its answer
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": json.dumps(fields).encode(), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    method, headers = "GET" if fields is None else "POST", [KEY] if key else []
    await front({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(sent[-1]["body"])


async def reached(ray: Ray, path: str, **fields: Any) -> str:
    """Return the prefix of the application that a request reaches."""
    status, _ = await ask(Front(ray), path, fields)
    assert status == 200
    return ray.reached[-1]


@pytest.mark.parametrize(
    ("path", "fields", "prefix"),
    [
        (CHAT, {"model": "llama"}, ""),
        (CHAT, {"model": "qwen"}, "/-2"),
        (CHAT, {"model": "org/qwen"}, "/-2"),
        (CHAT, {}, ""),
        (EMBED, {"model": "minilm"}, "/-3"),
        (EMBED, {"model": "text-embedding-3-small"}, "/-3"),
        (EMBED, {}, "/-3"),
        ("/extras/tokenize", {"model": "minilm"}, "/-3"),
        ("/api/chat", {"model": "qwen:latest"}, "/-2"),
        ("/api/show", {"name": "qwen"}, "/-2"),
        ("/chat/completions", {"model": "qwen"}, "/-2"),
    ],
)
async def test_a_request_reaches_the_model_that_it_means(path: str, fields: dict[str, Any], prefix: str) -> None:
    ray = Ray({"": LLAMA, "/-2": QWEN, "/-3": MINILM}, {"org/qwen": "qwen"})

    assert await reached(ray, path, **fields) == prefix


async def test_a_model_that_nobody_serves_is_a_404_with_those_that_are() -> None:
    status, answer = await ask(Front(Ray({"": LLAMA, "/-2": QWEN})), CHAT, {"model": "gpt-4"})

    assert status == 404
    assert answer["error"]["message"] == "there is no model 'gpt-4'; served: 'llama', 'qwen'"


async def test_who_has_no_key_learns_no_names() -> None:
    front = Front(Ray({"": LLAMA, "/-2": QWEN}))
    await ask(front, CHAT, {"model": "llama"})

    status, answer = await ask(front, CHAT, {"model": "gpt-4"}, key=False)

    assert (status, answer) == (401, {"error": "no key"})


async def test_lists_are_one_list() -> None:
    _, answer = await ask(Front(Ray({"": LLAMA, "/-2": MINILM})), "/v1/models")

    assert [each["id"] for each in answer["data"]] == ["llama", "minilm"]


async def test_a_list_may_be_read_by_the_pages_that_may_read_each() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    ray = Ray({"": LLAMA, "/-2": MINILM})
    await Front(ray)({"type": "http", "method": "GET", "path": "/v1/models", "headers": [KEY]}, None, send)  # type: ignore[arg-type]

    assert (b"access-control-allow-origin", b"http://page") in sent[0]["headers"]


async def test_a_list_is_not_for_who_has_no_key() -> None:
    status, _ = await ask(Front(Ray({"": LLAMA, "/-2": MINILM})), "/v1/models", key=False)

    assert status == 401


async def test_a_stored_response_is_found_whichever_model_made_it() -> None:
    ray = Ray({"": LLAMA, "/-2": QWEN})
    ray.stored["resp_1"] = "/-2"

    assert await ask(Front(ray), "/v1/responses/resp_1") == (200, {"at": "/-2"})


async def test_a_single_application_is_asked_for_nothing_before() -> None:
    ray = Ray({"": LLAMA})

    assert await reached(ray, CHAT, model="whatever") == ""


async def test_a_new_application_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.on_ray.applications._KNOWN_S", 0.0)
    ray = Ray({"": LLAMA})
    front = Front(ray)
    await ask(front, CHAT, {"model": "qwen"})
    ray.applications = {"": LLAMA, "/-2": QWEN}
    for _ in range(3):  # they are looked for beside a request
        await ask(front, CHAT, {"model": "qwen"})
        await asyncio.sleep(0.01)

    assert ray.reached[-1] == "/-2"


async def test_ray_s_own_refusal_of_a_list_is_none() -> None:
    async def starting(scope: Message, receive: Any, send: Any) -> None:
        await send(start(503, RAYS))
        await send(body(b"Route table is not populated yet.", more=False))

    status, answer = await ask(Front(starting), CHAT, {"model": "llama"})

    assert (status, answer["error"]["code"]) == (503, "no_replica")


async def test_an_application_that_does_not_answer_holds_no_other_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray may know its replica not yet, or have lost the answer."""
    monkeypatch.setattr("jan_ort.on_ray.applications._ANSWER_S", 0.05)
    ray = Ray({"": LLAMA, "/x": QWEN})

    class Silent(Ray):
        async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
            if scope["path"].startswith("/x"):
                await asyncio.Event().wait()
            await super().__call__(scope, receive, send)

    status, told = await asyncio.wait_for(ask(Front(Silent(ray.applications)), CHAT, {"model": "llama"}), 5)

    assert (status, told) == (200, {"at": ""})
