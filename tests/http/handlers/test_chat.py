"""POST /v1/chat/completions: conversations, and how they become a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, HELLO, Client, post


async def chat(client: Client, **body: Any) -> Any:
    status, answer = await post(client, CHAT, {"messages": HELLO, "temperature": 0, "max_tokens": 12} | body)
    assert status == 200, answer
    return answer


async def said(client: Client, messages: object) -> str:
    content: str = (await chat(client, messages=messages))["choices"][0]["message"]["content"]
    return content


async def test_an_empty_object_is_a_valid_request(client: Client) -> None:
    status, answer = await post(client, CHAT, {})

    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["prompt_tokens"] == 1


async def test_n_messages_come_with_their_indices(client: Client) -> None:
    answer = await chat(client, n=3, temperature=1.0, seed=3)

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in answer["choices"]}) == 3


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Goodbye"}],
        [{"role": "system", "content": "Be brief"}, *HELLO],
        [*HELLO, {"role": "assistant", "content": "Yes"}, *HELLO],
        [{"role": "assistant", "content": "Hello"}],
    ],
)
async def test_another_conversation_has_another_answer(client: Client, messages: object) -> None:
    assert await said(client, messages) != await said(client, HELLO)


async def test_text_parts_are_joined(client: Client) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]

    assert await said(client, [{"role": "user", "content": parts}]) == await said(client, HELLO)


async def test_developer_is_the_system_role(client: Client) -> None:
    developer = [{"role": "developer", "content": "Be brief"}, *HELLO]

    assert await said(client, developer) == await said(client, [{"role": "system", "content": "Be brief"}, *HELLO])


async def test_no_content_is_the_empty_text(client: Client) -> None:
    assert await said(client, [{"role": "user", "content": None}]) == await said(
        client, [{"role": "user", "content": ""}]
    )


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        {"role": "function", "content": "42", "name": "f"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": []},
    ],
    ids=lambda message: message["role"],
)
async def test_every_role_of_the_document_is_accepted(client: Client, message: object) -> None:
    answer = await chat(client, messages=[*HELLO, message])

    assert answer["choices"][0]["finish_reason"] in ("stop", "length")


async def test_equal_limits_in_both_spellings_are_accepted(client: Client) -> None:
    answer = await chat(client, max_tokens=4, max_completion_tokens=4, min_tokens=4)

    assert answer["usage"]["completion_tokens"] == 4
