"""Asking for responses, and reading their events."""

from __future__ import annotations

import json
from typing import Any

from tests.http.handlers.serving import Client, post

RESPONSES = "/v1/responses"
BODY: dict[str, Any] = {"input": "Hello", "max_output_tokens": 12, "temperature": 0}


async def respond(client: Client, **fields: Any) -> Any:
    """Return the response to a request that must succeed."""
    status, answer = await post(client, RESPONSES, BODY | fields)
    assert status == 200, answer
    return answer


async def respond_streamed(client: Client, **fields: Any) -> list[Any]:
    """Return the events of a stream, which are numbered and named by their types, without its [DONE]."""
    response = await client.post(RESPONSES, json=BODY | fields | {"stream": True})
    text = await response.get_data(as_text=True)
    assert response.status_code == 200, text
    *frames, done = text.removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    found = []
    for number, frame in enumerate(frames):
        name, payload = frame.split("\n")
        event = json.loads(payload.removeprefix("data: "))
        assert (name, event["sequence_number"]) == (f"event: {event['type']}", number)
        found.append(event)
    return found


def said(response: Any) -> str:
    """Return the text of a response's messages."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"])


def without_ids(value: Any) -> Any:
    """Return a response or a part of it without what no two responses share."""
    if isinstance(value, dict):
        own = ("id", "item_id", "call_id", "created_at", "completed_at", "usage")
        return {name: without_ids(each) for name, each in value.items() if name not in own}
    return [without_ids(each) for each in value] if isinstance(value, list) else value
