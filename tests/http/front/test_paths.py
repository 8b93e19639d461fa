"""A path that is spelt with a slash or a /v1 too many or too few is served, or told the right one."""

from __future__ import annotations

import asyncio
import http.client
import json

import pytest

from jan_ort.http.front.paths import SERVED, meant_path, not_found
from jan_ort_openapi import operations
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving
from tests.http.protocol.raw_clients import listening

MODELS, CHANGING = "/v1/models", ["/models/load", "/models/unload"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/v1//models", MODELS),
        ("/v1/models/", MODELS),
        ("/v1/models//", MODELS),
        ("/v1///models//", MODELS),
        ("/models", MODELS),
        ("/models/", MODELS),
        ("/v1/v1/models", MODELS),
        ("/chat/completions", CHAT),
        ("/v1/v1//chat/completions/", CHAT),
        ("/completions", "/v1/completions"),
        ("/embeddings", "/v1/embeddings"),
        ("/health/", "/health"),
        ("/v1/health", "/health"),
        ("/v1/extras/tokenize", "/extras/tokenize"),
        ("/v1/models/org/name/", "/v1/models/org/name"),
        ("/responses/resp_123", "/v1/responses/resp_123"),
        ("/v1/v1//responses/resp_123/", "/v1/responses/resp_123"),
        ("/responses/resp_123/input_items", "/v1/responses/resp_123/input_items"),
        ("/v1//responses/resp_123/cancel/", "/v1/responses/resp_123/cancel"),
        ("/rerank", "/v1/rerank"),
        ("/v2/rerank", "/v1/rerank"),
        ("/v1/v2/rerank/", "/v1/rerank"),
    ],
)
def test_a_path_that_means_one_is_that_one(given: str, meant: str) -> None:
    assert meant_path(given) == meant


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "//v1/models",
        "/v1/models/a//b",
        "/v1/models//a",
        "/nothing",
        "/v2/score",
        "*",
        "http://localhost/models",
    ]
    + [each.path for each in operations()]
    + [f"{each}/" for each in CHANGING]
    + [f"/v1{each}" for each in CHANGING],
)
def test_any_other_path_stays(path: str) -> None:
    assert meant_path(path) == path


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("//v1/models", "it is /v1/models"),
        ("/models//load", "/models/load"),
        ("/models/reference", "/v1/models/reference"),
        ("/v1/chat/completion", CHAT),
        ("/v1/threads", "/openapi.json"),
        ("/v1/responses/short", "is it /v1/responses?"),
        ("/v1/responses/short/input_items", "is it /v1/responses?"),
        ("/openai/v1/models", f"is it {MODELS}?"),
        ("/openai/deployments/small/chat/completions", f"is it {CHAT}?"),
        ("/v1beta/v1/responses", "is it /v1/responses?"),
        ("/v1", CHAT),
        ("/v1/", CHAT),
        ("/v1/chat", CHAT),
        ("/chat", CHAT),
        ("/v1/chat/completions/x", f"is it {CHAT}?"),
        ("/tokenize", "is it /extras/tokenize?"),
        ("/v1/detokenize", "is it /extras/detokenize?"),
        ("/generate", "is it /api/generate?"),
        ("/completion", "is it /v1/completions?"),
    ],
)
async def test_an_unknown_path_is_told_the_right_one(path: str, named: str) -> None:
    async with serving() as app:
        response = await app.test_client().get(path)
        message = (await response.get_json())["error"]["message"]
    async with serving(root_path="/llm") as app:
        asked = [await app.test_client().get(each) for each in (path, f"/llm{path}")]
        told = [(await each.get_json())["error"]["message"] for each in asked]

    assert response.status_code == 404
    assert named in message
    for each, given in zip(told, (path, f"/llm{path}"), strict=True):
        assert given in each or "two slashes" in each
        assert named.replace("/", "/llm/", 1) in each


@pytest.mark.parametrize("path", [each.path for each in operations() if "{" not in each.path])
async def test_each_path_is_told_to_whoever_puts_something_before_it_or_leaves_its_beginning_out(path: str) -> None:
    for asked in (f"/proxy{path}", f"/proxy{path}/", f"{path}/more", path[path.find("/", 1) :]):
        assert meant_path(asked) != asked or path in not_found(asked)


@pytest.mark.parametrize("path", [each.path for each in operations() if "{" not in each.path])
async def test_the_beginning_of_a_path_is_told_one_that_goes_on_from_it(path: str) -> None:
    beginnings = [path[:at] for at in range(2, len(path)) if path[at] == "/"]

    for asked in beginnings:
        assert meant_path(asked) in SERVED or f"is it {asked}/" in not_found(asked)


async def test_a_base_url_without_its_end_works(client: Client) -> None:
    status, answer = await post(client, "/chat/completions", {"messages": HELLO, "max_tokens": 1})

    assert (status, answer["object"]) == (200, "chat.completion")


async def test_whoever_looks_is_told_what_this_is(client: Client) -> None:
    response = await client.get("/")

    about = await response.get_json()
    assert (response.status_code, about["name"], about["base_url"]) == (200, "jan-ort", "/v1")
    assert (await client.head("/")).status_code == 200
    assert (await client.post("/")).status_code == 405


@pytest.mark.parametrize("given", ["/llm", "llm/", "/llm/"])
async def test_a_prefix_that_the_proxy_leaves_is_taken_off(given: str) -> None:
    async with serving(root_path=given) as app:
        client = app.test_client()
        paths = ["/llm/v1/models", "/v1/models", "/llm/models/", "/llm", "/llm/", "/llmv1/models", "/llm/llm/v1/models"]
        found = [(await client.get(path)).status_code for path in paths]
        status, _ = await post(client, f"/llm{CHAT}", {"messages": HELLO, "max_tokens": 1})
        about = await (await client.get("/llm/")).get_json()

    assert found == [200, 200, 200, 200, 200, 404, 404]
    assert status == 200
    assert [about[name] for name in ("base_url", "document", "health")] == [
        "/llm/v1",
        "/llm/openapi.json",
        "/llm/health",
    ]


async def test_a_body_on_an_unknown_path_leaves_the_connection_usable() -> None:
    async with listening() as port:

        def ask() -> list[int]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            found = []
            for method, path in [("POST", "/v1/threads"), ("GET", MODELS), ("PUT", "/v1/x"), ("POST", CHAT)]:
                body = json.dumps({"filler": "hi" * 50_000}) if method != "GET" else None
                connection.request(method, path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                found.append(response.status)
            connection.close()
            return found

        assert await asyncio.to_thread(ask) == [404, 200, 404, 200]
