"""The lines of both files about paths, headers and addresses."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
from typing import Any

from jan_ort.http.launcher import bind_all
from tests.http.cases.case_lines import Checks, Line
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving
from tests.http.protocol.raw_clients import listening

CHECKS = Checks("requests.jsonl", "complaints.jsonl", of_network=True)
MODELS, KEY, PAGE = "/v1/models", {"Authorization": "Bearer k3y"}, "http://localhost:3000"
ALLOWED = "Access-Control-Allow-Origin"
ELSEWHERE = {"client": ("192.168.1.7", 4711)}
HERE = {"client": ("127.0.0.1", 4711)}


def words(value: str) -> set[str]:
    return {each.strip().lower() for each in value.split(",")}


@CHECKS.of("H01")
async def a_packed_body_is_refused_by_its_header(client: Client, line: Line) -> None:
    body = gzip.compress(json.dumps({"messages": HELLO, "max_tokens": 1}).encode())

    status, answer = await post(client, CHAT, body, **{"Content-Encoding": "gzip"})

    assert status == 415
    assert "Content-Encoding" in answer["error"]["message"]


@CHECKS.of("H02", "H04", "H05", "H06")
async def a_path_is_served(client: Client, line: Line) -> None:
    asked = line["request"]
    response = await client.open(asked["path"], method=asked["method"], json=asked["body"])

    assert response.status_code == 200
    answer = json.loads(await response.get_data(as_text=True))
    assert {"/": "name", CHAT.removeprefix("/v1"): "choices"}.get(asked["path"], "data") in answer


@CHECKS.of("H12")
async def a_prefix_is_an_option(client: Client, line: Line) -> None:
    async with serving(root_path="/llm") as app:
        assert (await app.test_client().get(line["request"]["path"])).status_code == 200


@CHECKS.of("H14")
async def localhost_is_both_of_its_addresses(client: Client, line: Line) -> None:
    listeners = bind_all("localhost", 0)
    found = {each.getsockname()[0] for each in listeners}
    for each in listeners:
        each.close()

    assert found == ({"127.0.0.1", "::1"} if socket.has_dualstack_ipv6() else {"127.0.0.1"})


@CHECKS.of("A1", "A2", "A3")
async def pages_of_the_allowed_origin_alone_may_read(client: Client, line: Line) -> None:
    preflight = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    streamed: dict[str, Any] = {"messages": HELLO, "max_tokens": 1, "stream": True}
    async with serving(api_key="k3y", cors_origin=PAGE) as app:
        asked = app.test_client()
        before = await asked.options(CHAT, headers=preflight)
        answers = [
            before,
            await asked.get(MODELS, headers=KEY | {"Origin": PAGE}),
            await asked.post(CHAT, json=streamed, headers=KEY | {"Origin": PAGE}),
            await asked.get(MODELS, headers={"Origin": PAGE}),
        ]
        evil = await asked.get(MODELS, headers=KEY | {"Origin": "https://evil.example"})

    assert [each.status_code for each in answers] == [204, 200, 200, 401]
    assert {each.headers[ALLOWED] for each in answers} == {PAGE}
    assert all("origin" in words(each.headers["Vary"]) for each in answers)
    assert "post" in words(before.headers["Access-Control-Allow-Methods"])
    assert {"authorization", "content-type"} <= words(before.headers["Access-Control-Allow-Headers"])
    assert ALLOWED not in evil.headers
    assert not any("Access-Control-Allow-Credentials" in each.headers for each in (*answers, evil))


@CHECKS.of("A5")
async def a_lan_address_is_a_host_where_a_key_is_needed(client: Client, line: Line) -> None:
    async with serving(api_key="k3y") as app:
        lan = {"Host": "192.168.1.20:8000"}
        with_key = await app.test_client().get(MODELS, headers=KEY | lan, scope_base=ELSEWHERE)
    async with serving() as app:
        evil = await app.test_client().get(MODELS, headers={"Host": "evil.example"}, scope_base=HERE)

    assert (with_key.status_code, evil.status_code) == (200, 401)


@CHECKS.of("A6")
async def a_container_is_let_in_or_told_the_flag(client: Client, line: Line) -> None:
    host = {"Host": "host.docker.internal:8000"}
    async with serving() as app:
        refused = await app.test_client().get(MODELS, headers=host, scope_base=HERE)
        text = await refused.get_data(as_text=True)
    async with serving(allowed_host=["host.docker.internal"]) as app:
        allowed = await app.test_client().get(MODELS, headers=host, scope_base=HERE)

    assert (refused.status_code, allowed.status_code) == (401, 200)
    assert "--allowed-host" in text


@CHECKS.of("A7")
async def a_key_has_two_headers(client: Client, line: Line) -> None:
    async with serving(api_key="k3y") as app:
        found = [(await app.test_client().get(MODELS, headers={"x-api-key": each})) for each in ("k3y", "no")]

    assert [each.status_code for each in found] == [200, 401]


@CHECKS.of("A8")
async def a_connection_outlives_an_unknown_path(client: Client, line: Line) -> None:
    def ask(port: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        found = []
        for method, path in (("POST", "/v1/unknown"), ("GET", MODELS)):
            connection.request(method, path, b'{"input": "hi"}' if method == "POST" else None)
            with connection.getresponse() as response:
                response.read()
                found.append(response.status)
        connection.close()
        return found

    async with listening() as port:
        assert await asyncio.to_thread(ask, port) == [404, 200]


def test_each_line_has_a_check() -> None:
    assert CHECKS.uncovered() == set()


@CHECKS.parametrized()
async def test_a_line_is_answered_as_it_says(client: Client, line: Line) -> None:
    await CHECKS.run(client, line)
