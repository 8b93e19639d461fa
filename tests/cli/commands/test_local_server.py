"""The server in the chat's own process: a real one, behind a key of its own, that ends with the chat."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from jan_ort.cli.terminal_chat.exchange import ChatError
from jan_ort.cli.terminal_chat.local_server import LocalServer
from jan_ort.ground.task import GENERATE
from jan_ort_openapi import operations
from tests.http.handlers.serving import reference_settings


@pytest.fixture
def server() -> Iterator[LocalServer]:
    server = LocalServer(reference_settings(api_key="the-users-own", host="0.0.0.0"))
    yield server
    server.close()


def address(server: LocalServer) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def ask(server: LocalServer, method: str, path: str, key: str | None) -> int:
    connection = http.client.HTTPConnection(*address(server), timeout=30)
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    connection.request(method, path, b"{}", headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("key", [None, "", "the-users-own"])
def test_nobody_else_is_answered(server: LocalServer, key: str | None) -> None:
    secured = [each for each in operations() if each.secured]

    statuses = {ask(server, each.method, each.path.replace("{model}", "m"), key) for each in secured}

    assert len(secured) > 5
    assert statuses == {401}


def test_it_answers_the_chat_and_listens_on_this_machine_alone(server: LocalServer) -> None:
    with server.request("GET", "/v1/models") as answer:
        status, text = answer.status, b"".join(answer.lines)

    assert status == 200
    assert b'"reference"' in text
    assert address(server)[0] == "127.0.0.1"


def test_its_port_is_closed_and_its_thread_ends_with_it(server: LocalServer) -> None:
    server.close()
    server.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(server), timeout=5).close()
    assert "server" not in [each.name for each in threading.enumerate()]


def test_two_have_keys_of_their_own(server: LocalServer) -> None:
    other = LocalServer(reference_settings())
    try:
        keys = {each.headers["Authorization"] for each in (server, other)}
    finally:
        other.close()

    assert len(keys) == 2


def test_leaving_an_answer_ends_it_on_the_server(server: LocalServer) -> None:
    body = b'{"messages": [{"role": "user", "content": "Tell me everything"}], "stream": true, "n": 64}'

    with server.request("POST", "/v1/chat/completions", body) as answer:
        first = next(answer.lines)
        (resident,) = [each for each in server.server.roster.residents if each.choice.task is GENERATE]
        was_busy = resident.is_busy

    deadline = time.monotonic() + 30
    while resident.is_busy and time.monotonic() < deadline:
        time.sleep(0.01)

    assert first.startswith(b"data: ")
    assert was_busy
    assert not resident.is_busy


def test_what_keeps_a_model_from_loading_is_told() -> None:
    with pytest.raises(ChatError, match=r"^the model cannot be loaded: .*no-such-model"):
        LocalServer(reference_settings(model="no-such-model"))

    assert "server" not in [each.name for each in threading.enumerate()]
