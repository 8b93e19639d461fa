"""A request that is none is answered in JSON, or its connection ends; nobody else notices, nor does the log."""

from __future__ import annotations

import json

import pytest

from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH, ask

WEBSOCKET = (
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (WEBSOCKET, 501),
        (WEBSOCKET + b"\x81\x05hello", 501),
        (WEBSOCKET.replace(b"/v1/models", b"/v1/realtime?model=x"), 404),
        (WEBSOCKET.replace(b"/v1/models", b"/queue/join") + b"\x81\x05hello", 404),
        (WEBSOCKET.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 501),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", 400),
        (b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (COMPLETIONS + b"Content-Length: x\r\n\r\n", 400),
        (COMPLETIONS + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (COMPLETIONS + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (COMPLETIONS + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n\r\n", 400),
        (COMPLETIONS + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", 400),
        (COMPLETIONS.replace(b"application/json", b"application/\xff") + b"Content-Length: 2\r\n\r\n{}", 415),
        (HEALTH.replace(b"/health", b"//health"), 404),
        (HEALTH.replace(b"/health", b"///v1/models"), 404),
        (HEALTH.replace(b"/health", b"/%2Fhealth"), 404),
        (HEALTH.replace(b"/health", b"http://localhost//health"), 404),
        (COMPLETIONS.replace(b"/v1", b"//v1") + b"Content-Length: 2\r\n\r\n{}", 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /health HTTP/1.1\r\nHost: \xff\xfe:x\r\n\r\n", 200),
        (b"GET /health?\\x%ff&&&=== HTTP/1.1\r\nHost: localhost\r\nCookie: ;;;\xff=\r\nRange: x\r\n\r\n", 200),
    ],
)
async def test_a_malformed_request_is_answered_in_json(port: int, sent: bytes, status: int) -> None:
    answer = await ask(port, sent)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert status == 200 or json.loads(body)["error"]["code"]
    assert (await ask(port, HEALTH)).startswith(b"HTTP/1.1 200")
