"""No client writes lines of the log, nor steers the terminal that shows it, nor fills it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server_process import ServerProcess, hypercorn, serve

FORGED = "\n2026-01-01 00:00:00 INFO forged\r\x1b[2J\x9b\u202e"
LONGEST = 2200


def by_cli(directory: Path) -> Any:
    return serve(directory, "--backend", "reference", "--api-key", "k")


def by_hypercorn(directory: Path) -> Any:
    flags = ("--access-logfile", "-", "--workers", "0")
    return hypercorn(directory, *flags, JAN_ORT_BACKEND="reference", JAN_ORT_API_KEY="k")


def ask(server: ServerProcess, target: str, body: bytes = b"", *headers: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = [f"POST {target} HTTP/1.1", "Host: x", "Content-Type: application/json", "Authorization: Bearer k"]
    head += [f"Content-Length: {len(body)}", "Connection: close"]
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n" + b"".join(headers) + b"\r\n" + body)
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("start", [by_cli, by_hypercorn])
def test_what_a_client_sends_stays_within_a_line(tmp_path: Path, start: Callable[[Path], Any]) -> None:
    fields: list[dict[str, Any]] = [
        {"user": FORGED},
        {"user": "u" * 5_000_000},
        {FORGED: 1},
        {"logit_bias": {FORGED: "x"}},
        {"model": FORGED},
        {"prompt": FORGED, "grammar": FORGED},
        {"response_format": {"type": FORGED}},
        {"tools": [{FORGED: FORGED}]},
    ]
    with start(tmp_path) as server:
        for each in fields:
            body = json.dumps({"prompt": "a", "max_tokens": 1} | each).encode()
            ask(server, "/v1/completions", body, b"User-Agent: a\x9b\x85b\r\n", b"Referer: \xe2\x80\xae\r\n")
        for path in ("%0a2026%20forged%1b%5b2J", "v1/models/%0d%0aforged", "%e2%80%a8forged%c2%9b", "x" * 3000):
            ask(server, f"/{path}")
        server.end()
        log = server.log.read_bytes().decode()

    lines = log.split("\n")
    assert re.search(r"user '\\n2026", log) or start is by_hypercorn, "it is logged, which is what this is about"
    assert [line for line in lines if re.match(r"[\d:, -]*(INFO |jan_ort\S* )*forged", line)] == []
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", log) == []
    assert max(map(len, lines)) < LONGEST
