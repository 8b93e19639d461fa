"""Images in the results of tools, as agents that look at files send them: the model sees them after the results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from tests.http.handlers.serving import CHAT, Client, post, serving
from tests.images.pictures import data_url, encoded

DARK, LIGHT = (data_url(encoded(np.full((9, 9, 3), shade, np.uint8))) for shade in (20, 220))
BROKEN = "data:image/png;base64,AA=="
CALLS = [("c", "look"), ("d", "look")]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Client]:
    async with serving(model="reference-images") as app:
        yield app.test_client()


def in_messages(results: list[list[str]], *after: str) -> dict[str, Any]:
    """Return a body of /v1/messages: what is no data URL is a text."""
    uses = [{"type": "tool_use", "id": call, "name": name, "input": {}} for call, name in CALLS[: len(results)]]
    blocks: list[Any] = [
        {"type": "tool_result", "tool_use_id": use["id"], "content": [_block(each) for each in result]}
        for use, result in zip(uses, results, strict=True)
    ]
    turns = [("user", "Look."), ("assistant", uses), ("user", [*blocks, *map(_block, after)])]
    return {"max_tokens": 8, "temperature": 0, "messages": [{"role": role, "content": each} for role, each in turns]}


def _block(given: str) -> dict[str, Any]:
    if not given.startswith("data:"):
        return {"type": "text", "text": given}
    source = {"type": "base64", "media_type": "image/png", "data": given.partition(",")[2]}
    return {"type": "image", "source": source}


def in_items(results: list[list[str]], *after: str) -> dict[str, Any]:
    """Return the same as a body of /v1/responses."""
    calls = [
        {"type": "function_call", "call_id": call, "name": name, "arguments": "{}"}
        for call, name in CALLS[: len(results)]
    ]
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": [_part(each) for each in result]}
        for call, result in zip(calls, results, strict=True)
    ]
    said = [{"role": "user", "content": [_part(each) for each in after]}] if after else []
    items = [{"role": "user", "content": "Look."}, *calls, *outputs, *said]
    return {"max_output_tokens": 8, "temperature": 0, "input": items}


def _part(given: str) -> dict[str, Any]:
    if not given.startswith("data:"):
        return {"type": "input_text", "text": given}
    return {"type": "input_image", "image_url": given}


def words(answer: Any) -> str:
    """Return the text of either protocol's answer."""
    contents = answer["content"] if "content" in answer else answer["output"][0]["content"]
    return "".join(each["text"] for each in contents)


PROTOCOLS = pytest.mark.parametrize(
    ("path", "body"), [("/v1/messages", in_messages), ("/v1/responses", in_items)], ids=["messages", "responses"]
)


@PROTOCOLS
async def test_an_image_in_a_result_changes_the_answer_and_so_does_the_order(
    client: Client, path: str, body: Callable[..., dict[str, Any]]
) -> None:
    results = [[["a file"]], [["a file", DARK]], [["a file", LIGHT]], [[DARK], [LIGHT]], [[LIGHT], [DARK]]]

    answers = [await post(client, path, body(each)) for each in results]

    assert [status for status, _ in answers] == [200] * len(results)
    assert len({words(answer) for _, answer in answers}) == len(results)


@PROTOCOLS
async def test_it_is_what_a_chat_has_of_the_user_after_the_results(
    client: Client, path: str, body: Callable[..., dict[str, Any]]
) -> None:
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": call, "type": "function", "function": function} for call, _ in CALLS]
    seen = [{"type": "image_url", "image_url": {"url": url}} for url in (DARK, LIGHT)]
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "one[image]"},
        {"role": "tool", "tool_call_id": "d", "content": "[image]two"},
        {"role": "user", "content": seen},
    ]

    _, chat = await post(client, CHAT, {"messages": messages, "temperature": 0, "max_tokens": 8})
    _, answer = await post(client, path, body([["one", DARK], [LIGHT, "two"]]))

    assert words(answer) == chat["choices"][0]["message"]["content"]
    assert answer["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/messages", in_messages([["a", DARK], ["b", BROKEN]]), "messages.2.content.1.content.1.source"),
        ("/v1/messages", in_messages([["a", DARK]], "and", BROKEN), "messages.2.content.2.source"),
        ("/v1/responses", in_items([["a", DARK], ["b", BROKEN]]), "input.4.output.1.image_url"),
        ("/v1/responses", in_items([["a", DARK]], "and", BROKEN), "input.3.content.1.image_url"),
    ],
)
async def test_a_broken_one_is_named_where_it_stands(
    client: Client, path: str, body: dict[str, Any], param: str
) -> None:
    status, answer = await post(client, path, body)

    assert (status, answer["error"]["param"]) == (400, param)
    assert answer["error"]["message"].startswith(f"{param}: it is not a complete PNG file")


@PROTOCOLS
async def test_more_than_are_allowed_are_refused(
    client: Client, path: str, body: Callable[..., dict[str, Any]]
) -> None:
    status, answer = await post(client, path, body([[DARK] * 65]))

    assert status == 400
    assert "65 images are given; at most 64" in answer["error"]["message"]


@PROTOCOLS
async def test_a_model_that_reads_none_refuses_them(path: str, body: Callable[..., dict[str, Any]]) -> None:
    async with serving() as app:
        status, answer = await post(app.test_client(), path, body([["a", DARK]]))

    assert status == 400
    assert answer["error"]["param"] in ("messages.2.content.0.content.1.source", "input.2.output.1.image_url")
