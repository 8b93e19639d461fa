"""Anthropic's JavaScript client, run by Node.js."""

from __future__ import annotations

from typing import Any

from tests.clients import node
from tests.clients.direct import HELLO, KEY, MAX_STRUCTURED_TOKENS, MAX_TOKENS, REFERENCE, hello_text
from tests.e2e.server_process import ServerProcess

node.need("@anthropic-ai/sdk")

ASK: dict[str, Any] = {"model": REFERENCE, "messages": [{"role": "user", "content": HELLO}], "temperature": 0}
SHORT = ASK | {"max_tokens": MAX_TOKENS}
SCHEMA = {"type": "object", "properties": {"city": {"const": "Paris"}}, "required": ["city"]}
TOOLS = {"tools": [{"name": "get_weather", "input_schema": SCHEMA}], "max_tokens": MAX_STRUCTURED_TOKENS}
FORCED = ASK | TOOLS | {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}


def ask(server: ServerProcess, name: str, body: dict[str, Any], key: str = KEY) -> Any:
    """Return what the script's part of that name printed."""
    return node.run("anthropic.cjs", name, {"baseURL": server.url, "apiKey": key, "body": body})


def test_a_message_whole_and_streamed(reference: ServerProcess) -> None:
    whole = ask(reference, "message", SHORT)["answer"]
    streamed = ask(reference, "stream", SHORT)["answer"]

    assert whole["content"][0]["text"] == "".join(streamed["pieces"]) == hello_text(reference)
    assert streamed["message"]["content"][0]["text"] == hello_text(reference)
    assert streamed["message"]["usage"]["output_tokens"] == whole["usage"]["output_tokens"] == MAX_TOKENS


def test_a_call_whole_and_streamed(reference: ServerProcess) -> None:
    whole = ask(reference, "message", FORCED)["answer"]
    streamed = ask(reference, "stream", FORCED)["answer"]["message"]

    for message in (whole, streamed):
        assert [(each["name"], each["input"]) for each in message["content"]] == [("get_weather", {"city": "Paris"})]
        assert message["stop_reason"] == "tool_use"


def test_counts_and_errors(reference: ServerProcess) -> None:
    counted = ask(reference, "count", {"model": REFERENCE, "messages": ASK["messages"]})["answer"]

    assert counted["input_tokens"] == ask(reference, "message", SHORT)["answer"]["usage"]["input_tokens"]
    refused = ask(reference, "message", SHORT, key="wrong")["error"]
    assert refused == {"name": "AuthenticationError", "status": 401}
    assert ask(reference, "message", ASK)["error"]["status"] == 400
