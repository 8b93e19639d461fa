"""Requests of Anthropic's shape, their answers, and the events of their streams."""

from __future__ import annotations

import json
from typing import Any

from tests.http.handlers.serving import HELLO, Client, post

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"

BODY: dict[str, Any] = {"messages": HELLO, "max_tokens": 24, "temperature": 0, "repeat_penalty": 1}


async def answered(client: Client, **fields: Any) -> Any:
    """Return the message that answers a request, and that its stream puts together alike."""
    body = BODY | fields
    status, answer = await post(client, MESSAGES, body)
    assert status == 200, answer
    streamed = gathered(await streamed_events(client, **fields))
    assert without_ids(streamed) == without_ids(answer)
    return answer


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    content = [{key: value for key, value in block.items() if key != "id"} for block in message["content"]]
    return message | {"id": None, "content": content}


async def refused(client: Client, path: str = MESSAGES, **fields: Any) -> str:
    """Return the field that the answer to a request names that must be refused."""
    status, answer = await post(client, path, BODY | fields)
    assert (status, answer["type"], answer["error"]["type"]) == (400, "error", "invalid_request_error"), answer
    param: str = answer["error"]["param"]
    assert param in answer["error"]["message"]
    return param


async def counted(client: Client, **fields: Any) -> int:
    """Return the number of tokens of a request's prompt, which its answer's usage says, too."""
    body = {"messages": HELLO} | fields
    status, answer = await post(client, COUNT, body)
    assert status == 200, answer
    _, message = await post(client, MESSAGES, BODY | body | {"max_tokens": 1})
    assert message["usage"]["input_tokens"] == answer["input_tokens"]
    number: int = answer["input_tokens"]
    return number


async def streamed_events(client: Client, **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a stream, each of which is named by its type."""
    response = await client.post(MESSAGES, json=BODY | fields | {"stream": True})
    text = await response.get_data(as_text=True)
    assert response.content_type.startswith("text/event-stream"), text
    return parsed(text)


def parsed(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream's text."""
    assert text.endswith("\n\n")
    events = []
    for frame in text[:-2].split("\n\n"):
        name, data = frame.split("\n")
        event: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def gathered(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that a client puts together from a stream, whose order is checked."""
    start, ping, *middle, last, stop = events
    assert (start["type"], ping["type"], last["type"], stop["type"]) == (
        "message_start",
        "ping",
        "message_delta",
        "message_stop",
    )
    message: dict[str, Any] = start["message"]
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == ([], None, 0)
    is_open, arguments = False, ""
    for event in middle:
        match event["type"]:
            case "content_block_start":
                assert not is_open
                assert event["index"] == len(message["content"])
                is_open, arguments = True, ""
                message["content"].append(event["content_block"])
            case "content_block_delta":
                assert is_open
                assert event["index"] == len(message["content"]) - 1
                kind, delta = event["delta"]["type"], event["delta"]
                block = message["content"][-1]
                if kind == "input_json_delta":
                    arguments += delta["partial_json"]
                elif kind == "signature_delta":
                    block["signature"] = delta["signature"]
                else:
                    key = kind.removesuffix("_delta")
                    block[key] += delta[key]
            case "content_block_stop":
                is_open = False
                if arguments:
                    message["content"][-1]["input"] = json.loads(arguments)
            case other:
                assert other == "ping"
    assert not is_open
    return message | last["delta"] | {"usage": last["usage"]}
