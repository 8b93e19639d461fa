"""What Ray's proxies pass on and answer: messages in, messages out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jan_ort.http.session_id import session_name
from jan_ort.on_ray.front import Front

Message = dict[str, Any]
CHAT = "/v1/chat/completions"
SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]
OWN = [(b"content-type", b"application/json")]
RAYS = [(b"content-type", b"text/plain")]
HI = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()


def start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


class Replica:
    """Stands for Ray's proxy: reads the body, and sends what it is given."""

    def __init__(self, *answer: Message) -> None:
        self.answer, self.read, self.headers = answer, b"", {}

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["path"] == "/-/routes":
            await send(start(200, OWN))
            await send(body(b'{"/": "jan-ort"}', more=False))
            return
        self.headers = dict(scope["headers"])
        more = scope["method"] == "POST"
        while more:
            message = await receive()
            self.read += message["body"]
            more = message["more_body"]
        for each in self.answer:
            await send(each)


async def asked(
    replica: Replica, path: str = CHAT, *parts: bytes, method: str = "POST", headers: Any = ()
) -> list[Message]:
    """Return what a client is sent that asks with a body in these parts."""
    sent: list[Message] = []
    coming = [{"type": "http.request", "body": each, "more_body": at < len(parts) - 1} for at, each in enumerate(parts)]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await Front(replica)(scope, receive, send)
    return sent


def error_of(sent: list[Message]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sent[-1]["body"])["error"]
    return found


async def test_a_conversation_gets_its_session_and_its_body_is_passed_on_whole() -> None:
    replica = Replica(start(200, OWN), body(b"{}", more=False))

    sent = await asked(replica, CHAT, HI[:5], HI[5:9], HI[9:])

    assert replica.read == HI
    assert len(replica.headers[b"x-session-id"]) == 16
    assert sent == [start(200, OWN), body(b"{}", more=False)]


async def test_a_client_s_own_session_is_one_without_a_look_at_the_body() -> None:
    replica = Replica(start(200, OWN), body(b"{}", more=False))

    await asked(replica, CHAT, b"not JSON", headers=[(b"X-Session-ID", b"mine")])

    assert replica.headers[b"x-session-id"].decode() == session_name("mine")
    assert replica.read == b"not JSON"


async def test_a_continued_response_goes_where_it_is_stored_whatever_the_header_says() -> None:
    replica = Replica(start(200, OWN), body(b"{}", more=False))
    stored = json.dumps({"previous_response_id": "resp_" + "a" * 16 + "0" * 32}).encode()

    await asked(replica, "/v1/responses", stored, headers=[(b"x-session-id", b"mine")])

    assert replica.headers[b"x-session-id"] == b"a" * 16


async def test_what_generates_nothing_may_go_anywhere() -> None:
    replica = Replica(start(200, OWN), body(b"{}", more=False))

    await asked(replica, "/v1/embeddings", b'{"input": "a"}')

    assert replica.headers == {}


async def test_a_long_body_is_told_by_its_beginning() -> None:
    first, second = Replica(start(200, OWN)), Replica(start(200, OWN))

    await asked(first, CHAT, b"a" * 2**20, b"b" * 2**20, b"c")
    await asked(second, CHAT, b"a" * 2**20, b"b" * 2**20, b"d")

    assert first.headers == second.headers != {}
    assert first.read[-1:] == b"c"


async def test_an_answer_that_never_began_is_a_503_to_send_again() -> None:
    sent = await asked(Replica(), CHAT, HI)

    assert sent[0]["status"] == 503
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert error_of(sent)["code"] == "replica_lost"


@pytest.mark.parametrize(
    ("path", "headers", "event"),
    [
        (CHAT, SSE, b'data: {"error":{"message":"the replica'),
        ("/v1/messages", SSE, b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"'),
        ("/v1/responses", SSE, b'event: error\ndata: {"type":"'),
        ("/api/chat", [(b"content-type", b"application/x-ndjson")], b'{"error":"the replica'),
    ],
)
async def test_a_stream_that_lost_its_replica_ends_with_an_error_and_is_cut(
    path: str, headers: Any, event: bytes
) -> None:
    sent = await asked(Replica(start(200, headers), body(b"data: {}\n\n", more=True)), path, HI)

    assert sent[-1]["body"].startswith(event)
    assert sent[-1]["more_body"]


async def test_an_error_that_the_replica_told_itself_is_told_once() -> None:
    told = body(b'data: {"error":{"message":"m"}}\n\n', more=True)

    assert await asked(Replica(start(200, SSE), told), CHAT, HI) == [start(200, SSE), told]


async def test_a_plain_answer_that_lost_its_replica_is_just_cut() -> None:
    half = body(b"{", more=True)

    assert await asked(Replica(start(200, OWN), half), CHAT, HI) == [start(200, OWN), half]


@pytest.mark.parametrize(
    ("rays", "status", "code"),
    [(404, 503, "not_deployed"), (429, 429, "queue_full"), (503, 503, "no_replica"), (408, 503, "no_replica")],
)
async def test_what_ray_refuses_is_said_as_clients_read_it(rays: int, status: int, code: str) -> None:
    sent = await asked(Replica(start(rays, RAYS), body(b"Ray's text", more=False)), CHAT, HI)

    assert sent[0]["status"] == status
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert error_of(sent)["code"] == code


async def test_a_replica_s_own_refusal_is_passed_on() -> None:
    refused = [start(404, OWN), body(b"{}", more=False)]

    assert await asked(Replica(*refused), CHAT, HI) == refused


@pytest.mark.parametrize("path", ["/models/load", "/models/unload"])
async def test_what_would_change_one_replica_is_refused(path: str) -> None:
    sent = await asked(Replica(), path, b"{}")

    assert sent[0]["status"] == 501
    assert error_of(sent)["code"] == "not_on_ray"


async def test_ray_s_own_paths_are_ray_s() -> None:
    alive = [start(200, RAYS), body(b"success", more=False)]

    assert await asked(Replica(*alive), "/-/healthz", method="GET") == alive


async def test_a_request_id_is_given_back_once() -> None:
    twice = [*OWN, (b"X-Request-Id", b"r"), (b"X-Request-ID", b"r")]

    sent = await asked(Replica(start(200, twice), body(b"{}", more=False)), CHAT, HI)

    assert sent[0]["headers"] == twice[:2]


async def test_a_body_that_does_not_come_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.on_ray.front._BODY_S", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await Front(Replica())({"type": "http", "method": "POST", "path": CHAT, "headers": []}, receive, send)

    assert sent[0]["status"] == 408
