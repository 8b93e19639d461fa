"""A client's own id of its request is given back, and stands in the log."""

from __future__ import annotations

import pytest

from jan_ort.http.front.front import MAX_ID_BYTES
from tests.http.handlers.serving import CHAT, EMBEDDINGS, HELLO, Client, post

ID = "X-Request-Id"


async def test_every_answer_has_the_id(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    answers = [
        await client.get("/v1/models", headers={ID: "a-1"}),
        await client.get("/nothing", headers={ID: "a-2"}),
        await client.post(CHAT, json={"messages": HELLO, "max_tokens": 1, "stream": True}, headers={ID: "a-3"}),
        await client.post(EMBEDDINGS, json={"input": "a"}, headers={ID: "a-4"}),
    ]
    await answers[2].get_data()

    assert [each.headers[ID] for each in answers] == ["a-1", "a-2", "a-3", "a-4"]
    logged = [line.partition(", request ")[2] for line in caplog.messages]
    assert sorted(filter(None, logged)) == ["a-2", "a-3", "a-4"]


async def test_without_one_there_is_none(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    response = await client.get("/nothing")

    assert ID not in response.headers
    assert not any(", request" in line for line in caplog.messages)


async def test_one_of_another_request_is_not_told(client: Client) -> None:
    await client.get("/v1/models", headers={ID: "a-1"})

    assert ID not in (await client.get("/v1/models")).headers


async def test_it_is_cut_and_quoted(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    long = "x" * 10_000
    response = await client.get("/nothing", headers={ID: long})
    await client.get("/nothing", headers={ID: "a' 200 (code none)"})

    assert response.headers[ID] == long[:MAX_ID_BYTES]
    lines = [line for line in caplog.messages if ", request" in line]
    assert lines[0].endswith(f"{'x' * 100}'... ({MAX_ID_BYTES} characters)")
    assert lines[1].endswith(""", request "a' 200 (code none)\"""")


@pytest.mark.parametrize("given", ["\x1b[31m", "a\x7f", "a\tb"])
async def test_what_no_header_may_hold_is_none(client: Client, given: str) -> None:
    response = await client.get("/v1/models", headers={ID: given})

    assert (response.status_code, ID in response.headers) == (200, False)


async def test_an_id_changes_no_body(client: Client) -> None:
    status, answer = await post(client, CHAT, {"messages": HELLO, "max_tokens": 1}, **{ID: "mine"})

    assert status == 200
    assert "mine" not in str(answer)
