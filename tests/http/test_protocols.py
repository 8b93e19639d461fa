"""One way through: a conversation has the same tokens by each protocol, greedy and seeded, whole and streamed."""

from __future__ import annotations

import json

import pytest

from tests.http.every_protocol import PROTOCOLS, Conversation, Fields, Protocol, Told
from tests.http.handlers.serving import CHAT, Client

CONVERSATIONS = {
    "question": Conversation((("user", "Hello"),)),
    "instructed": Conversation((("user", "Hello"),), system="Be brief."),
    "turns": Conversation((("user", "Hello"), ("assistant", "Yes?"), ("user", "Who are you?")), system="Be brief."),
    "tool": Conversation((("user", "Weather?"),), has_tool=True),
    "forced": Conversation((("user", "Weather?"),), has_tool=True, must_call=True),
    "result": Conversation((("user", "Weather?"), ("call", ""), ("result", "Sunny")), has_tool=True),
}
SAMPLING: dict[str, Fields] = {
    "greedy": {"temperature": 0},
    "seeded": {"temperature": 1.5, "top_k": 0, "top_p": 1, "seed": 7},
    "cut": {"temperature": 1.2, "top_p": 0.5, "seed": 11},
    "by default": {"seed": 3},
}


async def asked(client: Client, protocol: Protocol, body: Fields, *, stream: bool) -> Told:
    more = {"stream_options": {"include_usage": True}} if stream and protocol.path == CHAT else {}
    response = await client.post(protocol.path, json=body | {"stream": stream} | more)
    text = await response.get_data(as_text=True)
    assert response.status_code == 200, text
    return protocol.streamed(text) if stream else protocol.whole(json.loads(text))


@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
async def test_each_protocol_says_what_a_chat_does(client: Client, conversation: str, sampling: str) -> None:
    said, drawn = CONVERSATIONS[conversation], SAMPLING[sampling]
    limit = 120 if said.must_call else 24
    chat = PROTOCOLS["chat"]
    expected = await asked(client, chat, chat.body(said, limit, drawn), stream=False)

    for name, protocol in PROTOCOLS.items():
        for stream in (False, True):
            if protocol.can_force or not said.must_call:
                told = await asked(client, protocol, protocol.body(said, limit, drawn), stream=stream)
                assert told == expected, (name, stream)
    assert expected.num_generated > 0
    assert bool(expected.calls) == said.must_call
