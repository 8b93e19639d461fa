"""Responses over HTTP: whole and streamed, calls and thoughts, how they end, and what they continue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from jan_ort.http.responses.store import ResponseStore
from tests.http.handlers.serving import Client, engine_of, post, serving, until
from tests.http.handlers.test_leaving import begin, slow_down
from tests.http.handlers.test_thinking import TEMPLATE
from tests.http.responses.asking import BODY, RESPONSES, respond, respond_streamed, said, without_ids
from tests.http.scripted import Script, model_folder, scripted

NOW = {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}}
CALL = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


async def received(connection: Any, ending: str) -> str:
    """Return what comes until ``ending`` is in it."""
    text = ""
    while ending not in text:
        text += (await connection.receive()).decode()
    return text


def fail(rows: Any) -> Any:
    raise RuntimeError("the device has gone")


@pytest.fixture
async def scripted_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Client, Script]]:
    folder = model_folder(tmp_path, TEMPLATE)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        yield app.test_client(), script


def identity_of(stream: str) -> str:
    """Return the id of the response that a stream begins with."""
    identity: str = json.loads(stream.split("data: ")[1].split("\n")[0])["response"]["id"]
    return identity


@pytest.mark.parametrize("fields", [{}, {"top_logprobs": 2}, {"instructions": "Be brief."}])
async def test_a_stream_ends_with_what_is_answered_whole(client: Client, fields: Any) -> None:
    whole = await respond(client, **fields)

    events = await respond_streamed(client, **fields)

    first, second, *_, last = events
    assert [first["type"], second["type"], last["type"]] == [
        "response.created",
        "response.in_progress",
        "response.incomplete",
    ]
    assert (first["response"]["status"], first["response"]["output"]) == ("in_progress", [])
    assert without_ids(last["response"]) == without_ids(whole)
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == said(whole) != ""


async def test_thoughts_calls_and_texts_are_items(scripted_client: tuple[Client, Script]) -> None:
    client, script = scripted_client
    script.say(f"<think>\nlook\n</think>\n\nOne moment.{CALL}{CALL}")
    fields = {"max_output_tokens": 300, "repeat_penalty": 1, "tools": [NOW]}

    whole = await respond(client, **fields)
    events = await respond_streamed(client, **fields)

    assert [item["type"] for item in whole["output"]] == ["reasoning", "message", "function_call", "function_call"]
    assert whole["status"] == "completed"
    assert whole["output"][0]["content"][0]["text"] == "look"
    assert [item["arguments"] for item in whole["output"][2:]] == ["{}", "{}"]
    assert whole["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert without_ids(events[-1]["response"]) == without_ids(whole)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert without_ids(done) == without_ids(whole["output"])
    assert len({item["id"] for item in done}) == 4


async def test_a_calls_round_trip_goes_on_by_the_responses_id(scripted_client: tuple[Client, Script]) -> None:
    client, script = scripted_client
    script.say(f"<think>\nlook\n</think>\n\n{CALL}")
    fields = {"max_output_tokens": 300, "repeat_penalty": 1, "tools": [NOW]}
    first = await respond(client, **fields)
    call = first["output"][-1]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "12:00"}

    script.say("It is noon.")
    by_id = await respond(client, **fields, input=[result], previous_response_id=first["id"])
    by_items = await respond(
        client, **fields, input=[{"role": "user", "content": "Hello"}, *first["output"], result], store=False
    )

    assert said(by_id) == said(by_items) == "It is noon."
    assert by_id["usage"]["input_tokens"] == by_items["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    assert by_id["usage"]["input_tokens_details"]["cached_tokens"] >= first["usage"]["input_tokens"] - 2
    listed = await (await client.get(f"{RESPONSES}/{by_id['id']}/input_items?order=asc")).get_json()
    assert [item["type"] for item in listed["data"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


async def test_items_are_given_by_reference(client: Client) -> None:
    first = await respond(client)
    listed = await (await client.get(f"{RESPONSES}/{first['id']}/input_items")).get_json()
    reference = [{"type": "item_reference", "id": item["id"]} for item in (listed["data"][0], first["output"][0])]

    by_reference = await respond(client, input=[*reference, {"role": "user", "content": "And?"}])
    by_id = await respond(client, input="And?", previous_response_id=first["id"])
    status, lost = await post(client, RESPONSES, BODY | {"input": [{"type": "item_reference", "id": "msg_a_0"}]})

    assert said(by_reference) == said(by_id)
    assert (status, lost["error"]["code"], lost["error"]["param"]) == (400, "item_not_found", "input.0.id")


async def test_a_stored_response_is_found_listed_and_deleted(client: Client) -> None:
    first = await respond(client, metadata={"a": "b"})
    path = f"{RESPONSES}/{first['id']}"
    second = await respond(client, input="And?", previous_response_id=first["id"])

    assert await (await client.get(path)).get_json() == first
    pages = [
        await (await client.get(f"{RESPONSES}/{second['id']}/input_items?{query}")).get_json()
        for query in (
            "order=asc&limit=2",
            "limit=1",
            f"limit=1&after={second['output'][0]['id']}",
            "order=up",
            "limit=0",
        )
    ]
    texts = [[item["content"][0]["text"] for item in page["data"]] for page in pages[:2]]
    assert texts == [["Hello", said(first)], ["And?"]]
    assert [page["has_more"] for page in pages[:2]] == [True, True]
    assert [page["error"]["param"] for page in pages[2:]] == ["after", "order", "limit"]
    deleted = await (await client.delete(path)).get_json()
    assert deleted == {"id": first["id"], "object": "response", "deleted": True}
    for gone in (
        client.get(path),
        client.delete(path),
        client.post(f"{path}/cancel"),
        client.get(f"{path}/input_items"),
    ):
        response = await gone
        assert (response.status_code, (await response.get_json())["error"]["code"]) == (404, "response_not_found")
    assert said(await respond(client, previous_response_id=second["id"]))  # which keeps what was said


async def test_items_that_come_twice_are_listed_one_after_the_other(client: Client) -> None:
    first = await respond(client, input=[{"role": "user", "content": each, "id": "msg_a"} for each in ("one", "two")])
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    asked = [reference, {"role": "user", "content": "And?"}]
    second = await respond(client, input=asked, previous_response_id=first["id"])

    found: list[Any] = []
    while not found or found[-1]["has_more"]:
        after = {"after": found[-1]["last_id"]} if found else {}
        query = {"order": "asc", "limit": "1"} | after
        page = await client.get(f"{RESPONSES}/{second['id']}/input_items", query_string=query)
        found.append(await page.get_json())
        assert len(found) <= 5
    texts = [page["data"][0]["content"][0]["text"] for page in found]
    assert texts == ["one", "two", said(first), said(first), "And?"]
    assert len({page["last_id"] for page in found}) == 5


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("", "stream=true", "stream"),
        ("", "stream=false&starting_after=3", "starting_after"),
        ("", "include_obfuscation=true", "include_obfuscation"),
        ("", "include=message.output_text.logprobs", "include"),
        ("", "include[]=reasoning.encrypted_content", "include[]"),
        ("/input_items", "before=msg_a", "before"),
        ("/input_items", "include[]=message.input_image.image_url", "include[]"),
    ],
)
async def test_what_other_servers_have_in_a_query_is_refused_by_name(
    client: Client, path: str, query: str, param: str
) -> None:
    path = f"{RESPONSES}/{(await respond(client))['id']}{path}"
    response = await client.get(f"{path}?{query}")

    assert (response.status_code, (await response.get_json())["error"]["param"]) == (400, param)
    assert (await client.get(f"{path}?stream=false&include_obfuscation=false")).status_code == 200


async def test_what_is_not_stored_cannot_be_continued(client: Client) -> None:
    response = await respond(client, store=False)

    status, answer = await post(client, RESPONSES, BODY | {"previous_response_id": response["id"]})

    assert response["store"] is False
    assert (status, answer["error"]["code"]) == (400, "previous_response_not_found")
    assert answer["error"]["param"] == "previous_response_id"


async def test_one_key_never_sees_anothers(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ada:first\nada:second\n", encoding="utf-8")
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in ("first", "second"))
    async with serving(api_key_file=keys) as app:
        client = app.test_client()
        _, response = await post(client, RESPONSES, BODY, **mine)
        path = f"{RESPONSES}/{response['id']}"

        found = await client.get(path, headers=mine)
        hidden = [await client.get(path, headers=theirs), await client.delete(path, headers=theirs)]
        status, answer = await post(client, RESPONSES, BODY | {"previous_response_id": response["id"]}, **theirs)

    assert found.status_code == 200
    assert [each.status_code for each in hidden] == [404, 404]
    assert (status, answer["error"]["code"]) == (400, "previous_response_not_found")


async def test_a_response_that_runs_is_found_and_cancelled(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(app, monkeypatch)
    connection = await begin(client, RESPONSES, BODY | {"max_output_tokens": 400, "min_tokens": 400, "stream": True})
    text = await received(connection, "output_text.delta")
    identity = identity_of(text)

    running = await (await client.get(f"{RESPONSES}/{identity}")).get_json()
    cancelled = await (await client.post(f"{RESPONSES}/{identity}/cancel")).get_json()
    await received(connection, "[DONE]")
    await connection.__aexit__(None, None, None)
    await until(lambda: engine_of(app).num_queued == 0)
    kept = await (await client.get(f"{RESPONSES}/{identity}")).get_json()
    again = await (await client.post(f"{RESPONSES}/{identity}/cancel")).get_json()

    assert [each["status"] for each in (running, cancelled, kept, again)] == ["in_progress", *["cancelled"] * 3]
    assert said(cancelled) == said(kept) != ""
    assert kept["output"][0]["status"] == "incomplete"
    assert kept["usage"]["output_tokens"] < 400


async def test_a_response_that_is_deleted_while_it_is_stored_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, deleted = asyncio.Event(), asyncio.Event()
    put = ResponseStore.put

    async def put_slowly(*given: Any) -> bool:
        is_kept = await put(*given)
        stored.set()
        await deleted.wait()
        return is_kept

    monkeypatch.setattr(ResponseStore, "put", put_slowly)
    connection = await begin(client, RESPONSES, BODY | {"stream": True})
    text = await received(connection, "output_text.delta")
    path = f"{RESPONSES}/{identity_of(text)}"

    await stored.wait()
    answers = [await client.delete(path), await client.get(path)]
    deleted.set()
    text = await received(connection, "[DONE]")
    await connection.__aexit__(None, None, None)

    assert [each.status_code for each in answers] == [200, 404]
    ended = json.loads(text.split("event: response.incomplete\ndata: ")[1].split("\n")[0])["response"]
    assert ended["store"] is False


async def test_a_response_that_runs_is_listed_and_deleted(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(app, monkeypatch)
    connection = await begin(client, RESPONSES, BODY | {"max_output_tokens": 100, "min_tokens": 100, "stream": True})
    text = await received(connection, "output_text.delta")
    identity = identity_of(text)
    path = f"{RESPONSES}/{identity}"

    early, refused = await post(client, RESPONSES, BODY | {"previous_response_id": identity})
    listed = await (await client.get(f"{path}/input_items")).get_json()
    deleted = await (await client.delete(path)).get_json()
    gone = [await client.get(path), await client.delete(path), await client.get(f"{path}/input_items")]
    text = await received(connection, "[DONE]")
    await connection.__aexit__(None, None, None)
    gone.append(await client.get(path))

    assert (early, "still being answered" in refused["error"]["message"]) == (400, True)
    assert [part["text"] for item in listed["data"] for part in item["content"]] == [BODY["input"]]
    assert deleted == {"id": identity, "object": "response", "deleted": True}
    assert [each.status_code for each in gone] == [404] * 4
    ended = json.loads(text.split("event: response.incomplete\ndata: ")[1].split("\n")[0])["response"]
    assert (ended["store"], ended["usage"]["output_tokens"]) == (False, 100)


async def test_a_stream_that_fails_says_so_and_is_cut(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(app, monkeypatch)
    connection = await begin(client, RESPONSES, BODY | {"max_output_tokens": 400, "min_tokens": 400, "stream": True})
    text = await received(connection, "output_text.delta")

    monkeypatch.setattr(engine_of(app)._runner.session, "step", fail)
    text += await received(connection, "response.failed")

    last = json.loads(text.strip().split("data: ")[-1])
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "backend_failed"
    assert "[DONE]" not in text


async def test_a_conversation_that_is_too_long_loses_its_oldest_turns_only_where_that_is_allowed() -> None:
    turns = [{"role": role, "content": f"{at} " * 40} for at in range(20) for role in ("user", "assistant")]
    fields = {"input": [{"role": "system", "content": "Be brief."}, *turns, {"role": "user", "content": "Hello"}]}
    async with serving(context_length=512) as app:
        client = app.test_client()
        cut = await respond(client, **fields, truncation="auto")
        status, answer = await post(client, RESPONSES, BODY | fields)
        lost, hopeless = await post(client, RESPONSES, BODY | {"input": "a " * 3000, "truncation": "auto"})

    assert 200 < cut["usage"]["input_tokens"] < 512
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "context_length_exceeded", "input")
    assert "max_output_tokens" in answer["error"]["message"] or "shorten" in answer["error"]["message"]
    assert (lost, hopeless["error"]["code"]) == (400, "context_length_exceeded")
